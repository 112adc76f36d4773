/* Running a model against a .ref: the ids of the reference through a session, errors of its logits, and the flags of both tests that do
 * it (golden.c, steer.c). */
#ifndef TESTS_GOLDEN_RUN_H
#define TESTS_GOLDEN_RUN_H

#include "golden_ref.h"
#include "session_step.h"

#include <math.h>

struct options {
    struct session_options session;
    int chunk;
    int all;
};

static inline int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Feed ids from position pos, `chunk` rows at a time, logits of every row to out [n][n_vocab]. */
static inline int feed(struct session *s, const int32_t *id, int n, int pos, int chunk, float *out, struct error *err)
{
    size_t n_vocab = (size_t)s->model->p.n_vocab;
    struct error row_error = {0};
    for (int at = 0; at < n;) {
        struct batch b = session_batch(s);
        b.row_error = &row_error;
        int rows = n - at < chunk ? n - at : chunk;
        for (int i = 0; i < rows; i++)
            if (batch_add(s, &b, &s->tables.seq[0], id[at + i], pos + at + i, 1))
                return error_set(err, ERR_BUG, "no room for %d rows", rows);
        b.n_prompt = rows;
        if (session_forward(s, &b, err))
            return -1;
        for (int i = 0; i < rows; i++)
            if (b.dead[i]) {
                *err = row_error;
                return -1;
            }
        memcpy(out + (size_t)at * n_vocab, b.logits, (size_t)rows * n_vocab * sizeof(float));
        at += rows;
    }
    return 0;
}

/* Errors of every position, relative to its largest reference logit: the largest and the median. */
static inline void errors(const struct ref *r, const float *x, float *largest, float *median)
{
    float *e = malloc((size_t)r->n_token * sizeof *e);
    for (int p = 0; p < r->n_token; p++) {
        float diff = 0, size = 0;
        for (int v = 0; v < r->n_vocab; v++) {
            size_t i = (size_t)p * (size_t)r->n_vocab + (size_t)v;
            float d = fabsf(x[i] - r->logits[i]);
            diff = !(d <= diff) ? d : diff;
            size = fabsf(r->logits[i]) > size ? fabsf(r->logits[i]) : size;
        }
        e[p] = diff / size;
    }
    qsort(e, (size_t)r->n_token, sizeof *e, compare_floats);
    *largest = e[r->n_token - 1];
    *median = e[r->n_token / 2];
    free(e);
}

/* The flag at argv, with its value behind it: how many of them were taken, 0: it is none. */
static inline int option(struct options *o, char **argv)
{
    struct plan_request *w = &o->session.plan_request;
    const char *v = argv[1];
    if (strcmp(*argv, "--exact") == 0) {
        w->exact = 1;
        return 1;
    }
    if (strcmp(*argv, "--all") == 0) {
        o->all = 1;
        return 1;
    }
    if (!v)
        return 0;
    if (strcmp(*argv, "--memory") == 0) {
        w->how = strcmp(v, "min") == 0 ? PLAN_MINIMUM : strcmp(v, "max") == 0 ? PLAN_WHOLE : PLAN_BYTES;
        w->memory = strtoull(v, NULL, 10);
    } else if (strcmp(*argv, "--kv") == 0)
        for (w->kv = KV_F16; w->kv < KV_Q8_0 && strcmp(v, kv_type_name(w->kv)) != 0; w->kv++)
            ;
    else if (strcmp(*argv, "--slots") == 0)
        w->slots[w->n_slots++] = atoi(v);
    else if (strcmp(*argv, "--cpu-tier") == 0)
        o->session.tier = (enum cpu_tier)cpu_tier_by_name(v);
    else if (strcmp(*argv, "--chunk") == 0)
        o->chunk = atoi(v);
    else if (strcmp(*argv, "--threads") == 0)
        w->n_threads = atoi(v);
    else if (strcmp(*argv, "--reader") == 0)
        w->reader.backend = strcmp(v, "uring") == 0     ? READER_URING
                            : strcmp(v, "threads") == 0 ? READER_THREADS
                                                        : READER_BUFFERED;
    else
        return 0;
    return 2;
}

#endif
