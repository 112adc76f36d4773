/* Steering of requests: vectors that are open, within the plan's part for them, and the list that a job carries.
 *
 * A vector is counted: its opener and every request with it in its list hold it, so it may be closed while answers are steered by it. */
#ifndef ENGINE_STEER_H
#define ENGINE_STEER_H

#include "model/steering.h"
#include "stoker.h"

#include <pthread.h>
#include <stdatomic.h>

struct error;

/* Memory for vectors. */
struct steer_memory {
    pthread_mutex_t reading;         /* one file is read at a time: what reading takes besides is taken once */
    uint64_t most;                   /* bytes of all vectors */
    atomic_uint_fast64_t left;       /* of them */
    atomic_uint_fast64_t lists_left; /* of STEER_LISTS bytes for lists of experts, of a model that has some */
};
enum { STEER_LISTS = 128 << 10 }; /* two of the longest, thousands of short ones */

/* A job's list. */
struct job_steer {
    struct steering list;
    const struct stoker_vector *vector[STOKER_STEER_MOST]; /* [n_vector] held by the request */
    int n_vector;
};

/* What a vector holds: one of them, the other is NULL, or both are of a list of experts. */
const struct vector *steer_vector(const struct stoker_vector *v);
const struct sae *steer_sae(const struct stoker_vector *v);
/* 1: it was opened by this engine. */
int steer_is_of(const struct stoker_vector *v, const struct stoker *s);

/* The list of r, checked. *out is NULL where it changes nothing. -1: ERR_INPUT with the entry as the error's field. */
int steer_open(struct job_steer **out, const struct stoker *s, const struct stoker_request *r, struct error *err);
void steer_close(struct job_steer *j);

/* Logits that are not finite are an error of the model (ERR_FORMAT), but of a job with a list its own: ERR_INPUT. */
void steer_blame(const struct job_steer *j, struct error *err);

/* What lists take that requests of the table of jobs carry, for the plan; and what lists of experts take besides. */
uint64_t steer_lists_bytes(int n_queue, int n_parallel);

#endif
