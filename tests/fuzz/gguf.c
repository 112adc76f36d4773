/* links: engine text model store op kernel format base
 *
 * Fuzz target: a GGUF file from its first byte to a memory plan. The bytes are a file in memory; whatever they say, opening ends
 * with a description or a sentence, and a described model can be planned. No weight is read. */
#include "base/error.h"
#include "engine/session.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.gguf", 0);
    char path[64];
    /* the tensors' bytes are zeros that cost nothing: seeds are headers alone */
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || ftruncate(fd, (off_t)size + (1 << 20))) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct session_options opt = {.wish = {.how = PLAN_MINIMUM, .n_threads = 2}, .tier = TIER_SCALAR};
    struct session *s = NULL;
    struct error err = {0};
    if (session_prepare(&s, path, &opt, 0, &err) == 0)
        session_close(s);
    else if (err.code == ERR_NONE || !err.text[0])
        __builtin_trap(); /* a failure without a sentence */
    close(fd);
    return 0;
}
