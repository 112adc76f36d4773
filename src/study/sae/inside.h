/* What training an autoencoder is made of: see train.h. */
#ifndef STUDY_SAE_INSIDE_H
#define STUDY_SAE_INSIDE_H

#include "base/arena.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "kernel/kernel.h"
#include "study/sae/train.h"

#include <limits.h>

struct pool;

enum { TRAIN_NAME = 256 };

/* The rows of a file, and what is known of all of them. */
struct rows {
    struct safetensors_file file;
    const struct safetensors_tensor *tensor;
    int fd, layer, n_embd;
    uint64_t n;
    char model[TRAIN_NAME]; /* that they were recorded of; "": not said */
    /* rows_look(): */
    double *mean;  /* [n_embd] */
    double scale;  /* g: what rows are multiplied by, so that the mean norm of a row without the mean is sqrt(n_embd) */
    double spread; /* mean over the rows of the squares of g (x - mean) */
    uint64_t hash; /* of all bytes */
};

/* What is learnt. One block of memory, which is a state's content: all but seen as f32. */
struct parameters {
    uint8_t *block;
    uint64_t bytes;
    float *w, *d, *b, *c; /* [n_feature][n_embd] encoder, decoder; [n_feature], [n_embd] biases */
    float *w_m, *w_v, *d_m, *d_v, *b_m, *b_v, *c_m, *c_v; /* their moments */
    uint64_t *seen;                                       /* [n_feature] rows that were done when it was last active */
};

/* A feature of a row; id -1: none. */
struct pick {
    int32_t id;
    float h, dh; /* what it is; the loss by it */
};

/* The batch at hand. Of a row picks [0, k) are what it is made of, and behind them what dead features make of the rest. */
struct batch {
    int n, n_pick;
    uint64_t *row; /* [n] which */
    float *y, *centred, *rest,
        *rest_dead;    /* [n][n_embd]; centred: y - b_dec; rest: y - o; rest_dead: less what dead features make of it */
    struct pick *pick; /* [n][n_pick] */
    double *loss, *spread;          /* [n] squares of rest; of y - mean */
    uint32_t *first, *place;        /* [n_feature + 1]; [n * n_pick] picks of a feature, ascending */
    float *b_gradient, *c_gradient; /* [n_feature], [n_embd] */
    uint8_t *is_dead;               /* [n_feature] */
    int n_dead;
};

/* Of a thread. */
struct lane {
    uint8_t *raw; /* a row as in the file */
    float *x, *p; /* [n_embd]; [rows_at_once][n_feature] */
    float *w_gradient, *d_gradient, *o;
    struct pick *heap;
    double *sum;
    struct error err; /* of reading */
};

struct order {
    uint64_t key, row;
};

struct training {
    const struct train_options *o;
    struct train_watch *watch;
    struct error *err;
    const struct kernels *k;
    struct pool *pool;
    struct arena memory;
    struct rows rows;
    struct parameters q;
    struct batch batch;
    struct lane *lane;   /* [n_threads] */
    struct order *order; /* [rows.n] of an epoch */
    uint64_t epoch;      /* that order is of; UINT64_MAX: none */
    uint8_t *io;         /* [IO] */
    int n_feature, n_threads, rows_at_once;
    uint64_t step, n_step, resumed, saved; /* batches: done, all, done before this run, done when a state was saved */
    double rate;
    uint64_t plan;            /* bytes */
    char part[PATH_MAX - 32]; /* OUT.part */
    int folder;               /* is open; -1: not */
    int has_state;            /* OUT.part has one */
};

enum { IO = 1 << 20 };

/* ---- rows.c ---- */
int rows_open(struct training *t);
int rows_look(struct training *t); /* mean, scale, spread, hash; what is not finite is refused */
void rows_close(struct rows *r);
/* Row i as y. By any thread, with a lane of its own. -1: lane->err. */
int rows_read(const struct training *t, struct lane *lane, uint64_t i, float *y);
/* Rows [i, i + n) will be read soon: a drive has many on their way at a time, where a thread that reads waits for each. Advice. */
void rows_ahead(const struct training *t, uint64_t i, uint64_t n);
void rows_order(struct training *t, uint64_t epoch); /* t->order */

/* ---- memory.c ---- */
int memory_plan(struct training *t); /* refuses what does not fit */
int memory_take(struct training *t);
void memory_free(struct training *t);

/* ---- batch.c ---- */
/* All of the rows t->batch.row: picks, what is left of each row, gradients by the picks. wants_gradient 0: what is left alone. */
int batch_compute(struct training *t, int wants_gradient);
double batch_fvu(const struct training *t, double *active);
void batch_find_dead(struct training *t);

/* ---- update.c ---- */
void update_begin(struct training *t);        /* parameters before the first batch */
void update_step(struct training *t);         /* by the batch at hand, which is batch t->step */
double update_rate(const struct training *t); /* of that batch */

/* ---- state.c ---- */
int state_open(struct training *t); /* the folder OUT.part, which is this run's alone */
int state_load(struct training *t); /* 1: parameters and t->step are what was saved; 0: there is nothing */
int state_save(struct training *t);
void state_close(struct training *t); /* a folder in which no state is goes */
/* All n bytes, to a file of that folder. -1: ERR_IO with its name. */
int state_write(struct training *t, int fd, const char *name, const void *from, size_t n, uint64_t at);
/* It has its name OUT now, and no state in it. */
int state_finish(struct training *t);

/* ---- folder.c ---- */
int folder_write(struct training *t, const struct train_result *r);

#endif
