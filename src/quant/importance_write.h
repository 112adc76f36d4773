/* Writing importance, in both forms of its files (quantize.md 5.1, 5.2). Sums are f64 where they were added up, and f32 in files. */
#ifndef QUANT_IMPORTANCE_WRITE_H
#define QUANT_IMPORTANCE_WRITE_H

#include <stddef.h>
#include <stdint.h>

struct error;

struct importance_sums { /* of a tensor; several may have the same arrays */
    const char *name;
    uint64_t n_cols, n_mat, n_counts; /* n_counts: n_mat of experts, else 1 */
    const double *sum, *count;        /* [n_mat][n_cols] of squares; [n_counts] of rows */
};

/* By name; and the one of a name among those that are sorted so, NULL: there is none. */
void importance_sums_sort(struct importance_sums *s, size_t n);
struct importance_sums *importance_sums_named(struct importance_sums *s, size_t n, const char *name);

/* What a file says beside them; 0 or NULL: it is not said. */
enum { IMPORTANCE_TEXTS = 256 };
struct importance_notes {
    const char *const *dataset; /* [n_dataset] what was read; of more than IMPORTANCE_TEXTS the first */
    uint64_t n_dataset;
    uint32_t n_chunks, chunk_size; /* chunk_size above 0 */
    const char *text_sha256;
    uint64_t model_hash, n_tokens;
};

enum importance_form { IMPORTANCE_GGUF, IMPORTANCE_OLD };

/* Sorts s [n] by name, and writes PATH.part, which is renamed when it is whole. The bytes depend on the sums and notes alone. */
int importance_write(const char *path, enum importance_form form, struct importance_sums *s, size_t n,
                     const struct importance_notes *notes, struct error *err);

#endif
