/* Looks at the tensors of a file for damage while its bytes pass by. */
#ifndef CLI_CHECK_TENSORS_H
#define CLI_CHECK_TENSORS_H

#include "format/gguf.h"

enum { BAD_MOST = 16 };

struct bad_tensor {
    const struct gguf_tensor *tensor;
    uint64_t block; /* the first that is damaged */
};

struct tensor_check {
    const struct gguf *g;
    const struct gguf_tensor **order; /* [n] tensors of the file in the order of their bytes */
    uint64_t n, next, at;             /* next: the tensor that bytes from `at` on may belong to */
    uint64_t block;                   /* of that tensor: the next one to be looked at */
    uint8_t part[512];                /* a block of which only the beginning has come */
    size_t n_part;
    int is_bad; /* that tensor is known to be damaged */
    struct bad_tensor bad[BAD_MOST];
    uint64_t n_bad; /* tensors; of the first BAD_MOST bad[] says where */
};

/* Of part `file` of g, which stays open. ERR_MEMORY. tensor_check_end() frees what c holds. */
int tensor_check_begin(struct tensor_check *c, const struct gguf *g, int file, struct error *err);
/* The next n bytes of the file. */
void tensor_check_add(struct tensor_check *c, const uint8_t *data, size_t n);
void tensor_check_end(struct tensor_check *c);

#endif
