/* safetensors files: u64 length, a header of JSON, then data, little-endian; offsets of tensors count from where data begin, and leave no
 * hole.
 *
 * Written: the length with its 8 bytes is a multiple of 64, filled with spaces, so that data begin aligned; offsets ascend.
 *
 * Read: files of others. A header is checked whole before anything of it is used, so that [offset, offset + bytes) of a tensor needs no
 * further check: names of printable ASCII, each once; F32, F16, BF16 or I32; one or two dimensions, whose product is the bytes; tensors
 * that fill the file from the header's end to its own. Format: https://github.com/huggingface/safetensors */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "format/types.h"

struct error;

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

/* ---- reading ---- */

enum { SAFETENSORS_HEADER = 4 << 20, SAFETENSORS_TENSORS = 65536, SAFETENSORS_NAME = 200 }; /* at most */

/* A file that is open. Names are within its header. */
struct safetensors_file {
    const char *path; /* the caller's, for sentences */
    int fd;           /* likewise the caller's */
    uint64_t data_at;
    char *header;
    struct safetensors_tensor *tensor; /* [n] ascending by offset; shape[1] is 1 where there is one dimension */
    size_t n;
};

/* Reads the header, of at most so many bytes, of a regular file. -1: ERR_FORMAT, ERR_IO, ERR_MEMORY, and nothing is held. Both live until
 * safetensors_close(): what path points to, and fd. */
int safetensors_open(struct safetensors_file *f, int fd, const char *path, uint64_t most, struct error *err);
void safetensors_close(struct safetensors_file *f);

/* NULL: there is none. */
const struct safetensors_tensor *safetensors_find(const struct safetensors_file *f, const char *name);
enum block_type safetensors_type(const struct safetensors_tensor *t);

/* n values as the file has them, from value `first` on, which the tensor has. -1: ERR_IO. */
int safetensors_read(const struct safetensors_file *f, const struct safetensors_tensor *t, uint64_t first, uint64_t n,
                     void *to, struct error *err);

#endif
