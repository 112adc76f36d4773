/* Driving sessions for the laws: settings that must not matter, lines of ids that are run under them, and the results.
 *
 * A line is a sequence: a prompt, then greedy decode. Every position's logits are hashed; two runs of a line are equal when
 * all these hashes are. Lines are fed alone, so many rows at a time, or together by a schedule drawn from a seed. */
#ifndef TESTS_LAWS_RUN_H
#define TESTS_LAWS_RUN_H

#include "base/hash.h"
#include "base/rng.h"
#include "fault_reader.h"
#include "session_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LAWS_LINES
#define LAWS_LINES 4
#endif
enum { LINES = LAWS_LINES, MOST_IDS = 400, N_DECODE = 8 };

/* budget: how far from the plan's minimum (0) to everything resident (100), in percent; or the slots alone, likewise. */
struct setting {
    enum kv_type kv;
    int exact;
    enum cpu_tier tier;
    int threads, chunk;
    int budget, slots_only;
    enum reader_backend backend;
    int depth;
    int shim; /* completions come in the order of `order` */
    enum fault_order order;
    int n_ctx, room, last_logits; /* room: rows of a step, where more than chunk */
};

static inline const char *describe(const struct setting *s)
{
    static const char *const backend[] = {"auto", "uring", "threads", "buffered"};
    static const char *const order[] = {"", " reversed", " random"};
    static char text[200];
    snprintf(text, sizeof text, "kv %s%s, %s, %d threads, chunk %d, %s %d %%, %s depth %d%s%s", kv_type_name(s->kv),
             s->exact ? " exact" : "", cpu_tier_name(s->tier), s->threads, s->chunk, s->slots_only ? "slots" : "budget",
             s->budget, backend[s->backend], s->depth, s->shim ? order[s->order] : "",
             s->last_logits ? ", last logits" : "");
    return text;
}

/* ---- sessions --------------------------------------------------------------------------------------------------------------- */

static inline void options_of(const struct setting *s, struct session_options *opt)
{
    int room = s->room > s->chunk ? s->room : s->chunk;
    *opt = (struct session_options){.tier = s->tier,
                                    .plan_request = {.how = PLAN_WHOLE,
                                                     .n_ctx = s->n_ctx,
                                                     .n_parallel = LINES,
                                                     .n_chunk = room,
                                                     .n_threads = s->threads,
                                                     .kv = s->kv,
                                                     .exact = s->exact,
                                                     .all_logits = !s->last_logits,
                                                     .reader = {.backend = s->backend, .depth = s->depth}}};
    if (s->shim) {
        fault_reset(s->backend == READER_THREADS ? &reader_threads : first_ops());
        fault.order = s->order;
        fault.seed = 7;
        opt->plan_request.reader.ops = &fault_ops;
    }
}

/* Computes the plan first where the budget is a share of it. */
static inline int choose_budget(const char *path, const struct setting *s, struct session_options *opt,
                                struct error *err)
{
    struct session *look;
    if (s->budget >= 100)
        return 0;
    opt->plan_request.how = PLAN_MINIMUM;
    if (session_prepare(&look, path, opt, 0, err))
        return -1;
    const struct plan *p = &look->plan;
    if (s->slots_only) {
        opt->plan_request.how = PLAN_WHOLE;
        opt->plan_request.n_slots = p->n_class;
        for (int c = 0; c < p->n_class; c++)
            opt->plan_request.slots[c] = p->slots[c] + (p->class[c].n_expert - p->slots[c]) * s->budget / 100;
    } else if (s->budget > 0) {
        opt->plan_request.how = PLAN_BYTES;
        opt->plan_request.memory = p->minimum + (p->whole - p->minimum) / 100 * (uint64_t)s->budget;
    }
    session_close(look);
    return 0;
}

static inline struct session *open_session(const char *path, const struct setting *s, struct error *err)
{
    struct session *out = NULL;
    struct session_options opt;
    options_of(s, &opt);
    if (choose_budget(path, s, &opt, err) || session_prepare(&out, path, &opt, 0, err))
        return NULL;
    if (session_load(out, &opt, err) == 0)
        return out;
    session_close(out);
    return NULL;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------ */

struct line {
    int n_prompt, n_ids; /* n_ids: prompt and decoded ids that are fed */
    int32_t id[MOST_IDS];
    uint64_t hash[MOST_IDS]; /* of the logits after each id; 0: not asked for */
    int at;                  /* next position */
    int dead;                /* its rows left */
};

static inline void line_make(struct line *l, int which, int n_prompt, int n_vocab)
{
    *l = (struct line){.n_prompt = n_prompt, .n_ids = n_prompt + N_DECODE};
    for (int i = 0; i < n_prompt; i++)
        l->id[i] = (int32_t)(rng_u64(2024, (uint64_t)i, 11, (uint32_t)which) % (uint64_t)n_vocab);
}

/* The same prompt, nothing of it fed. */
static inline void line_again(struct line *l)
{
    memset(l->hash, 0, sizeof l->hash);
    l->at = l->dead = 0;
}

static inline int line_runs(const struct line *l) { return !l->dead && l->at < l->n_ids; }

/* Position of the first difference, -1: equal. Positions without logits are not compared. */
static inline int line_differs(const struct line *a, const struct line *b)
{
    if (a->n_ids != b->n_ids || a->at != b->at)
        return a->at < b->at ? a->at : b->at;
    for (int i = 0; i < a->n_ids; i++)
        if (a->hash[i] && b->hash[i] && a->hash[i] != b->hash[i])
            return i;
    return a->hash[a->n_ids - 1] && b->hash[b->n_ids - 1] ? -1 : a->n_ids - 1;
}

static inline int32_t largest_logit(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------ */

/* Rows of one line, as many as fit the step. owner[row]: the index of its line. */
static inline int add_rows(struct session *s, struct batch *b, struct line *line, int which, int rows, int *owner)
{
    struct line *l = &line[which];
    for (int i = 0; i < rows && b->n_rows < s->plan.n_chunk; i++) {
        int pos = l->at + i, last = pos >= l->n_prompt - 1;
        owner[b->n_rows] = which;
        if (batch_add(s, b, &s->tables.seq[which], l->id[pos], pos, s->plan.n_logits == s->plan.n_chunk || last))
            return -1;
    }
    return 0;
}

/* The results of the rows: hashes, the next ids, dead lines. */
static inline void take_rows(struct session *s, const struct batch *b, struct line *line, const int *owner)
{
    size_t n_vocab = (size_t)s->model->p.n_vocab;
    for (int r = 0, n = 0; r < b->n_rows; r++) {
        struct line *l = &line[owner[r]];
        int has_logits = n < b->n_logits && b->logit_row[n] == r, pos = b->pos[r];
        const float *logits = b->logits + (size_t)n * n_vocab;
        n += has_logits;
        l->dead |= b->dead[r];
        if (b->dead[r])
            continue;
        l->at = pos + 1;
        if (!has_logits)
            continue;
        l->hash[pos] = hash64(logits, n_vocab * sizeof(float), 0) | 1;
        if (pos >= l->n_prompt - 1 && pos + 1 < l->n_ids)
            l->id[pos + 1] = largest_logit(logits, (int)n_vocab);
    }
}

/* rows[i]: how many of line i's rows; prompt rows come first. A line never passes from prompt to decode within a step. */
static inline int run_step(struct session *s, struct line *line, int n, const int *rows, struct error *row_error,
                           struct error *err)
{
    int owner[MOST_IDS * LINES];
    struct batch b = session_batch(s);
    b.row_error = row_error;
    for (int decode = 0; decode <= 1; decode++) {
        for (int i = 0; i < n; i++) {
            const struct line *l = &line[i];
            if (!line_runs(l) || (l->at >= l->n_prompt) != decode)
                continue;
            int left = decode ? 1 : l->n_prompt - l->at;
            if (add_rows(s, &b, line, i, rows[i] < left ? rows[i] : left, owner))
                return error_set(err, ERR_BUG, "no room for a row of line %d", i);
        }
        if (!decode)
            b.n_prompt = b.n_rows;
    }
    if (b.n_rows == 0)
        return 0;
    model_forward(s->model, &b);
    session_commit(&b);
    take_rows(s, &b, line, owner);
    return 0;
}

static inline void start_again(struct session *s, struct line *line, int n)
{
    for (int i = 0; i < n; i++) {
        seq_clear(&s->tables.seq[i]);
        line_again(&line[i]);
    }
}

/* One line alone, in sequence 0. */
static inline int run_alone(struct session *s, struct line *l, int chunk, struct error *err)
{
    struct error row_error = {0};
    start_again(s, l, 1);
    while (line_runs(l))
        if (run_step(s, l, 1, &chunk, &row_error, err))
            return -1;
    if (l->dead)
        *err = row_error;
    return l->dead ? -1 : 0;
}

/* All lines, in steps whose rows the seed decides: none to a dozen of a prompt, none or one of a line that decodes; or prompts
 * whole, as far as they fit the step. Lines that die stop; the others continue to their ends. */
static inline int run_together(struct session *s, struct line *line, int n, int whole, uint64_t seed,
                               struct error *row_error, struct error *err)
{
    start_again(s, line, n);
    for (uint64_t step = 0;; step++) {
        int rows[LINES], running = 0;
        for (int i = 0; i < n; i++) {
            int prompt = line[i].at < line[i].n_prompt;
            rows[i] = (int)(rng_u64(seed, step, 5, (uint32_t)i) % (prompt ? 13 : 3));
            if (prompt && whole)
                rows[i] = MOST_IDS;
            running += line_runs(&line[i]);
        }
        if (running == 0)
            return 0;
        if (run_step(s, line, n, rows, row_error, err))
            return -1;
    }
}

static inline int run_mixed(struct session *s, struct line *line, int n, uint64_t seed, struct error *row_error,
                            struct error *err)
{
    return run_together(s, line, n, 0, seed, row_error, err);
}

#endif
