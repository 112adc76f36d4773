/* Recording rows of requests: from the step that computes them to files, through memory of one size.
 *
 *     engine thread    capture_most()     how many rows of the job find memory        before a step: a job without rests
 *                      capture_reserve()  a piece for them; the sequence's taps fill it (model/taps.h)
 *                      capture_send()     the step is done; or capture_drop(): its rows left
 *     writer thread    converts, reduces, writes each piece at its place; gives the memory back, in order
 *     engine thread    capture_is_pending()   the last event of a job waits for its last byte
 *
 * So a slow disk means fewer rows for the jobs that record, and never a wait inside a step. What is written of a row depends on the row
 * alone, and each row is written once, in order: replayed rows of a preempted job are not recorded again.
 *
 * Memory: three quarters of its memory are for pieces, a quarter for what jobs keep: lists of tensors, sums of means. */
#ifndef ENGINE_CAPTURE_CAPTURE_H
#define ENGINE_CAPTURE_CAPTURE_H

#include "base/checked.h"
#include "base/error.h"
#include "format/sae.h"
#include "format/vector.h"
#include "model/model.h"
#include "model/taps.h"
#include "stoker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct queue;

enum { CAPTURE_STACK = 64 * 1024, CAPTURE_PIECES = 256, CAPTURE_ALIGN = 64 };

/* ---- which tensors (list.c) ---- */

/* What becomes of the rows of a tap. */
enum capture_form {
    CAPTURE_TOKENS,
    CAPTURE_ROWS,
    CAPTURE_IDS,
    CAPTURE_MEAN,
    CAPTURE_LAST,
    CAPTURE_LAST_IDS,
    CAPTURE_TOP_INDEX, /* with CAPTURE_TOP_VALUE behind it */
    CAPTURE_TOP_VALUE,
    CAPTURE_NORM,
    CAPTURE_DOT,
    CAPTURE_COUNT,
    CAPTURE_LENS_IDS,
    CAPTURE_LENS_VALUES,
    CAPTURE_SAE_IDS,
    CAPTURE_SAE_VALUES
};

struct capture_tensor {
    struct stoker_tensor shown;
    enum capture_form form;
    int width;          /* values of a row as the step has it */
    size_t in;          /* bytes a row that stand in front of it in a piece */
    size_t row_bytes;   /* of a row in the target */
    const float *along; /* CAPTURE_DOT */
    size_t sum_at; /* of CAPTURE_MEAN f64 [width], of CAPTURE_COUNT i32 [values of a row]: in the job's accumulators */
};

struct capture_list {
    struct capture_tensor *tensor; /* NULL: they are only counted */
    int64_t *at;                   /* of struct taps; NULL likewise */
    int64_t sae_at;                /* likewise */
    int n, has_lens, has_final;
    int is_too_large; /* for 64 bits: bytes mean nothing */
    size_t row_bytes; /* of a row in a piece */
    size_t sum_bytes; /* of accumulators */
    uint64_t bytes;   /* of the target */
};

/* Tensors of a target of so many positions and requests; along, sae: what those of c hold, or NULL. Before a vector is
 * open it is counted as one of all layers: along NULL. -1: ERR_INPUT, ERR_UNSUPPORTED with the field. */
int capture_list_make(struct capture_list *l, const struct model *m, const struct stoker_capture *c,
                      const struct vector *along, const struct sae *sae, struct error *err);

/* ---- the engine's ---- */

enum capture_state { CAPTURE_OPEN, CAPTURE_SENT, CAPTURE_VOID };

/* Rows of a step of one job, in the ring. */
struct capture_piece {
    struct job_capture *of;
    size_t at, bytes;
    int n;
    size_t row; /* of the request: the first */
    enum capture_state state;
};

struct capture {
    uint8_t *ring; /* [size]; NULL: nothing can be recorded */
    size_t size;
    uint64_t kept;             /* bytes for what jobs keep */
    atomic_uint_fast64_t left; /* of these */
    const struct kernels *k;
    struct queue *wakeup;                                           /* of the engine thread */
    ssize_t (*write)(int fd, const void *from, size_t n, off_t at); /* pwrite(); tests hold it up, or let it fail */
    pthread_t thread;
    int runs;

    pthread_mutex_t lock; /* guards what follows, and of jobs pending and failed */
    pthread_cond_t changed;
    int stop;
    struct capture_piece piece[CAPTURE_PIECES]; /* a queue: n from first on */
    int first, n;
    uint64_t written;
};

/* What capture_open() makes of so much memory has room for so many rows of row_bytes, tokens included. */
static inline uint64_t capture_memory(uint64_t rows, uint64_t row_bytes)
{
    return rows * round_up(row_bytes, CAPTURE_ALIGN) / 3 * 4 + 2 * CAPTURE_ALIGN;
}

/* memory: of the plan; 0: nothing is opened. */
int capture_open(struct capture *p, uint64_t memory, const struct kernels *k, struct queue *wakeup, struct error *err);
/* Writes what was sent. A zeroed one may be closed. */
void capture_close(struct capture *p);

uint64_t capture_written(struct capture *p);

/* ---- a job's ---- */

struct job_capture {
    struct capture *of;
    size_t from, to, next;       /* positions; next: the first that is not recorded yet. The engine thread's */
    size_t row_bytes;            /* in the ring */
    struct taps taps;            /* of its sequence, for the step under way */
    struct capture_piece *piece; /* of that step, or NULL */
    struct stoker_capture how;   /* target and place in it */
    const struct stoker_vector *along, *sae; /* held, or NULL */
    size_t bytes;                            /* of all that the job keeps */
    struct stoker_event last;                /* while it waits for its last byte */
    struct capture_tensor *tensor;           /* [n_tensor] */
    int n_tensor;
    uint8_t *sum;        /* accumulators. The writer's */
    int pending;         /* pieces that are not written yet */
    struct error failed; /* ERR_NONE: nothing yet */
};

/* The most positions of a job that may come from known prefixes; c may be NULL. */
size_t capture_resumable(const struct job_capture *c);
/* 1: rows from pos on are still to be recorded; c may be NULL. */
int capture_goes_on(const struct job_capture *c, size_t pos);

/* Bytes for rows now, in one stretch. */
size_t capture_free(struct capture *p);
/* Of the next `rows` rows of a job as many as find memory, where *bytes are free for it and `left` - 1 others that record; what it takes is
 * taken off. */
int capture_most(const struct job_capture *c, size_t n_done, int rows, size_t *bytes, int left);
/* Memory for those of the next n rows that are recorded, which capture_most() found. */
void capture_reserve(struct job_capture *c, size_t n_done, int n);
void capture_send(struct job_capture *c, const stoker_token *history);
void capture_drop(struct job_capture *c);
/* Pieces are on their way. 0: *err has why one could not be written, if so. */
int capture_is_pending(struct job_capture *c, struct error *err);
int capture_has_failed(struct job_capture *c, struct error *err); /* 1: a piece could not be written: *err */

#endif
