/* Writing control vectors: a GGUF file as vector.h reads it, in memory. */
#ifndef FORMAT_VECTOR_WRITE_H
#define FORMAT_VECTOR_WRITE_H

#include "format/gguf.h"

/* Keys of the file, in their order. */
struct vector_key {
    const char *name;
    enum gguf_kind kind; /* GGUF_STRING, GGUF_U32, GGUF_I32, GGUF_F32 or GGUF_F64 */
    const char *text;    /* of GGUF_STRING */
    double number;       /* of the others */
};

struct vector_row {
    int layer;
    const float *v; /* [n_embd] */
};

/* The *bytes of a file; free() it. NULL: no memory. */
uint8_t *vector_write(const struct vector_key *key, size_t n_key, const struct vector_row *row, size_t n_row,
                      int n_embd, size_t *bytes);

#endif
