/* Memory of a training: one mapping, laid out by the same calls that were measured for the plan. See inside.h. */
#include "study/sae/inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/pool.h"
#include "machine/code.h"

#include <inttypes.h>

#define MIB (UINT64_C(1) << 20)

enum { AT_ONCE = 64 };

/* Parameters stand one behind the other, so that a state is one piece. */
static void place_parameters(struct training *t, struct arena *a)
{
    struct parameters *q = &t->q;
    uint64_t n = (uint64_t)t->n_feature, d = (uint64_t)t->rows.n_embd;
    float **const part[] = {&q->w, &q->d,   &q->w_m, &q->w_v, &q->d_m, &q->d_v,
                            &q->b, &q->b_m, &q->b_v, &q->c,   &q->c_m, &q->c_v};
    uint64_t at = n * sizeof *q->seen;
    q->bytes = at + (6 * n * d + 3 * n + 3 * d) * sizeof(float);
    q->block = arena_alloc(a, (size_t)q->bytes);
    if (a->measuring)
        return;
    q->seen = (uint64_t *)(void *)q->block;
    for (int i = 0; i < 12; i++) {
        *part[i] = (float *)(void *)(q->block + at);
        at += (i < 6 ? n * d : i < 9 ? n : d) * sizeof(float);
    }
}

static void place_batch(struct training *t, struct arena *a)
{
    struct batch *b = &t->batch;
    size_t n = (size_t)t->o->batch, d = (size_t)t->rows.n_embd, f = (size_t)t->n_feature;
    b->n = t->o->batch;
    b->n_pick = t->o->k + (t->o->aux > 0 ? (t->rows.n_embd + 1) / 2 : 0);
    b->row = arena_array(a, n, sizeof *b->row);
    b->y = arena_array(a, n * d, sizeof *b->y);
    b->centred = arena_array(a, n * d, sizeof *b->centred);
    b->rest = arena_array(a, n * d, sizeof *b->rest);
    b->rest_dead = t->o->aux > 0 ? arena_array(a, n * d, sizeof *b->rest_dead) : NULL;
    b->pick = arena_array(a, n * (size_t)b->n_pick, sizeof *b->pick);
    b->loss = arena_array(a, n, sizeof *b->loss);
    b->spread = arena_array(a, n, sizeof *b->spread);
    b->first = arena_array(a, f + 1, sizeof *b->first);
    b->place = arena_array(a, n * (size_t)b->n_pick, sizeof *b->place);
    b->b_gradient = arena_array(a, f, sizeof *b->b_gradient);
    b->c_gradient = arena_array(a, d, sizeof *b->c_gradient);
    b->is_dead = arena_array(a, f, 1);
}

static void place_lane(struct training *t, struct arena *a, struct lane *l)
{
    size_t d = (size_t)t->rows.n_embd, f = (size_t)t->n_feature;
    *l = (struct lane){.raw = arena_alloc(a, d * 4),
                       .x = arena_array(a, d, 4),
                       .p = arena_array(a, (size_t)t->rows_at_once * f, 4),
                       .w_gradient = arena_array(a, d, 4),
                       .d_gradient = arena_array(a, d, 4),
                       .o = arena_array(a, d, 4),
                       .heap = arena_array(a, (size_t)t->batch.n_pick, sizeof *l->heap),
                       .sum = arena_array(a, d, sizeof *l->sum)};
}

static void place(struct training *t, struct arena *a)
{
    struct lane unused;
    place_parameters(t, a);
    place_batch(t, a);
    t->lane = arena_array(a, (size_t)t->n_threads, sizeof *t->lane);
    for (int i = 0; i < t->n_threads; i++)
        place_lane(t, a, a->measuring ? &unused : &t->lane[i]);
    t->order = arena_array(a, (size_t)t->rows.n, sizeof *t->order);
    t->rows.mean = arena_array(a, (size_t)t->rows.n_embd, sizeof *t->rows.mean);
    t->io = arena_alloc(a, IO);
}

/* Of rows_at_once rows. */
static uint64_t price(struct training *t)
{
    struct arena a;
    arena_init_measuring(&a);
    place(t, &a);
    return machine_code_bytes() + round_up(arena_measured(&a), 2 * MIB) + ((uint64_t)t->n_threads + 1) * POOL_STACK +
           12 * MIB;
}

int memory_plan(struct training *t)
{
    const struct train_options *o = t->o;
    t->rows_at_once = 1;
    uint64_t needed = price(t), least = round_up(needed, MIB);
    uint64_t most = o->memory == 0                    ? (least > UINT64_C(4096) * MIB ? least : UINT64_C(4096) * MIB)
                    : o->memory == TRAIN_MEMORY_LEAST ? least
                                                      : o->memory;
    if (needed > most) /* a plan that was told is enough, too */
        return error_set(t->err, ERR_INPUT,
                         "--memory %" PRIu64
                         " MiB is too little for %d features of %d values and batches of %d rows: %" PRIu64
                         " MiB are the least",
                         most / MIB, t->n_feature, t->rows.n_embd, o->batch, least / MIB);
    for (t->rows_at_once = AT_ONCE; t->rows_at_once > 1 && price(t) > most;)
        t->rows_at_once /= 2;
    t->plan = price(t);
    return 0;
}

int memory_take(struct training *t)
{
    struct arena a;
    arena_init_measuring(&a);
    place(t, &a);
    if (arena_map(&t->memory, arena_measured(&a), t->err))
        return -1;
    place(t, &t->memory);
    return 0;
}

void memory_free(struct training *t) { arena_unmap(&t->memory); }
