/* Headers of safetensors files: u64 length, JSON, then data, little-endian. The length with its 8 bytes is a multiple of 64, filled with
 * spaces, so that data begin aligned; offsets of tensors count from there, ascend, and leave no hole. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

struct safetensors_text {
    const char *key, *value;
};

struct safetensors_tensor {
    const char *name, *dtype; /* "F32" */
    int n_dim;                /* 1 or 2 */
    uint64_t shape[2], offset, bytes;
};

/* The header, at least so many bytes long, in the requests' memory: *length bytes. NULL: no memory. */
char *safetensors_header(const struct safetensors_text *text, size_t n_text, const struct safetensors_tensor *t,
                         size_t n, size_t at_least, size_t *length);

#endif
