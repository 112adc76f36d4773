/* A direction out of recorded rows: what the rows of one set of texts have that those of another lack (docs/spec/steering.md 11). All sums
 * are f64, in ascending order, by one thread: the same rows give the same bits. */
#ifndef STUDY_CONTRAST_H
#define STUDY_CONTRAST_H

#include <stddef.h>
#include <stdint.h>

struct error;

/* Rows of one layer in a file: positive ones, then negative ones. Where both are equally many, i and i are a pair. */
struct contrast_rows {
    int fd;
    uint64_t at;          /* of the first row; f32 [n_stream][n_embd] a row */
    int n_embd, n_stream; /* of several streams their mean counts */
    size_t n_positive, n_negative;
    int layer; /* for sentences */
};

struct contrast_wants {
    int pca;           /* 1: the direction along which pairs differ most; 0: the difference of the means */
    int drop_equal;    /* 1: pairs whose values differ by no more than 1e-6 do not count */
    int orthogonalize; /* 1: without what it has of the mean of the negative rows */
    int unit;          /* 1: of norm 1; 0: as measured */
    int iterations;    /* of pca, at most */
    uint64_t memory;   /* bytes for pairs; those that do not fit are read again */
    int (*stopped)(void *arg);
    void *arg;
};

struct contrast {
    size_t n;          /* pairs that count */
    int has_pairs;     /* 0: there are more rows of one kind; share and separation are not known */
    double difference; /* norm of the difference of the means */
    double residual;   /* norm of the mean of all rows that count */
    double share;      /* of the squares of the pairs' differences, what lies along v */
    double separation; /* share of the pairs whose difference points where v does */
    int iterations;
    double change,
        ratio; /* of v in the last iteration of pca; against the one before. Settled: change < CONTRAST_SETTLED */
};
#define CONTRAST_SETTLED 1e-9

/* Fills v [n_embd]. -1: ERR_INPUT, there is no direction; ERR_FORMAT, a row is not finite; ERR_IO, ERR_MEMORY, ERR_CANCELLED. */
int contrast_layer(const struct contrast_rows *r, const struct contrast_wants *w, float *v, struct contrast *out,
                   struct error *err);

/* Bytes that it takes beside w->memory. */
uint64_t contrast_bytes(int n_embd, int n_stream);

#endif
