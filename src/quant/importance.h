/* Importance of columns: how large what they are multiplied with was, over some text (quantize.md 5).
 *
 * Files have two forms: GGUF, with NAME.in_sum2 and NAME.counts, and the older .dat. Opening reads either once, to see that every value is
 * one, and keeps an index: names, shapes, rows. The sums, of which a large model has a gigabyte, stay in the file until a tensor's work
 * begins: importance_read(). */
#ifndef QUANT_IMPORTANCE_H
#define QUANT_IMPORTANCE_H

#include "base/arena.h"
#include "base/sha256.h"

#include <stdint.h>
#include <time.h>

struct error;

struct importance_entry { /* of a tensor: n_mat matrices of the same columns */
    const char *name;
    uint64_t n_cols, n_mat, n_counts; /* n_counts: n_mat, or 1 for all */
    const float *count;               /* of rows */
    uint64_t at;                      /* where the file has its n_mat x n_cols sums of squares */
    int is_empty;                     /* no row, or zeros alone: it says nothing */
};

struct importance {
    const char *path;
    int fd; /* open, to read sums */
    uint64_t size;
    struct timespec mtime;          /* when it was opened, to see that it has changed */
    float scale;                    /* of what the file has of sums: the older form has means */
    struct importance_entry *entry; /* ascending by name */
    uint64_t n_entry, n_chunks;
    const char *dataset;   /* the first; "": it is not told */
    const char **datasets; /* [n_datasets] */
    uint64_t n_datasets;
    char sha256[2 * SHA256_BYTES + 1];
    float prior;        /* rows of the mean that every matrix of several has besides its own; 1 */
    uint64_t n_opening; /* bytes that opening took besides the arena, for a plan */
    struct arena arena;
};

/* The file must be whole, its values finite and not negative. importance_close() with NULL: nothing. importance_open_of(): rows of a chunk,
 * which the older form does not tell, where they are not 512. */
int importance_open(struct importance **out, const char *path, struct error *err);
int importance_open_of(struct importance **out, const char *path, int chunk, struct error *err);
void importance_close(struct importance *m);

/* The entry of this name. NULL: there is none. */
const struct importance_entry *importance_named(const struct importance *m, const char *name);

/* The entry of a tensor, or the one that has the same inputs: of gate and up, of a tied embedding and the output. NULL: there is none that
 * says anything. */
const struct importance_entry *importance_find(const struct importance *m, const char *name);

/* 1: the entry is of a tensor of this shape. */
int importance_fits(const struct importance_entry *e, uint64_t n_cols, uint64_t n_mat);

/* Rows that matrix i of n_mat saw. */
float importance_rows(const struct importance_entry *e, uint64_t i);

struct importance_values { /* of an entry, as they were read */
    const struct importance_entry *entry;
    const float *sum;  /* [n_mat][n_cols] */
    const float *mean; /* [n_cols] of sum / count over the matrices that have rows */
    float prior;
};

/* Floats of room that an entry's values take, and reading them. ERR_IO; ERR_FORMAT: the file is not what it was when it was opened. Several
 * threads may read. */
uint64_t importance_floats(const struct importance_entry *e);
int importance_read(const struct importance *m, const struct importance_entry *e, float *room,
                    struct importance_values *out, struct error *err);

/* The importance of the columns of matrix i; one that saw few rows leans to the mean of all, as far as the prior says. */
void importance_of(const struct importance_values *v, uint64_t n_cols, uint64_t i, float *out);

#endif
