/* Writing the header of a GGUF v3 file: the head, keys, the table of tensors, padding up to the data.
 *
 * Everything is put twice: first with p NULL, which counts, then into the memory that was counted. Layout: gguf_header.h. */
#ifndef FORMAT_HEADER_WRITE_H
#define FORMAT_HEADER_WRITE_H

#include "format/gguf.h"

enum { HEADER_VERSION = 3, HEADER_ALIGNMENT = 32 /* of a file without general.alignment */ };

struct header_out {
    uint8_t *p; /* [n] so far, and what follows is the caller's; NULL: only counted */
    size_t n;
};

void header_put_head(struct header_out *o, uint64_t n_tensor, uint64_t n_value);
void header_put_value(struct header_out *o,
                      const struct gguf_value *v); /* of a parsed file as it is, or of one's own */
/* offset: from the beginning of the data. */
void header_put_tensor(struct header_out *o, const char *name, int n_dims, const uint64_t *ne, enum block_type type,
                       uint64_t offset);
/* Zeros up to a multiple of the alignment, a power of two. */
void header_put_padding(struct header_out *o, uint32_t alignment);
void header_put(struct header_out *o, const void *bytes, size_t n);

/* Values of one's own; key and texts are the caller's. */
struct gguf_value header_u64(const char *key, enum gguf_kind kind, uint64_t v); /* of any unsigned kind */
struct gguf_value header_text(const char *key, const char *text);
struct gguf_value header_texts(const char *key, const struct gguf_string *s, uint64_t n);
struct gguf_value header_u64s(const char *key, const uint64_t *v, uint64_t n);

#endif
