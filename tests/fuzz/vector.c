/* links: format base
 *
 * Fuzz target: a control vector. Whatever the bytes are, opening ends with a vector whose directions are finite and as many as it says, or
 * with a sentence; what it takes is what its header said. Seeds: a vector that is added, one that suggests a scale, one that is projected
 * out. */
#include "format/vector.h"
#include "base/error.h"

#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static void check(const struct vector *v)
{
    int n = 0;
    for (int l = 0; l <= v->last; l++) {
        const float *d = v->direction[l].v;
        n += d != NULL;
        for (int i = 0; d && i < v->n_embd; i++)
            require(isfinite(d[i]));
    }
    require(n == v->n_held && v->first >= 1 && v->direction[v->first].v && v->direction[v->last].v);
    require(isfinite(v->scale) && fabsf(v->scale) <= 1000);
    require(v->suggested >= 0 && v->suggested <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.gguf", 0);
    char path[64];
    struct vector *v = NULL;
    struct error err = {0};
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        if (vector_open(&v, AT_FDCWD, path, UINT64_MAX, &err) == 0) {
            check(v);
            require(vector_bytes(AT_FDCWD, path, &bytes, &err) == 0 && bytes == v->bytes);
        } else
            require(err.code != ERR_NONE && err.text[0]);
    }
    vector_close(v);
    close(fd);
    return 0;
}
