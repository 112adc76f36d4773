/* links: format base
 *
 * Fuzz target: a safetensors file. Whatever the bytes are, opening ends with tensors that fill the file, each of which can be read, or
 * with a sentence. Seeds: a file of recorded rows, and one of three types. */
#include "format/safetensors.h"

#include "base/error.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static void check(const struct safetensors_file *f, uint64_t size)
{
    uint64_t end = f->data_at, value;
    struct error err = {0};
    for (size_t i = 0; i < f->n; i++) {
        const struct safetensors_tensor *t = &f->tensor[i];
        uint64_t n = t->shape[0] * t->shape[1];
        require(safetensors_find(f, t->name) == t && strlen(t->name) <= SAFETENSORS_NAME);
        require(f->data_at + t->offset == end && n > 0);
        require(t->bytes == n * (uint64_t)type_info(safetensors_type(t))->bytes);
        require(safetensors_read(f, t, n - 1, 1, &value, &err) == 0);
        end += t->bytes;
    }
    require(f->n > 0 && end == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.safetensors", 0);
    struct safetensors_file f;
    struct error err = {0};
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        if (safetensors_open(&f, fd, "fuzz", SAFETENSORS_HEADER, &err) == 0) {
            check(&f, size);
            safetensors_close(&f);
        } else
            require(err.code != ERR_NONE && err.text[0]);
    }
    close(fd);
    return 0;
}
