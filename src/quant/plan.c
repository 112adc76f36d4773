/* The memory of a run, added up before anything is allocated (quantize.md 6.2).
 *
 *     code        what the loader mapped
 *     index       the source's description, the job's, and what one after another needs and gives back: deciding, whose patterns may be
 *                 long; the journal's head, which names all rules; the header of a part while it is written
 *     importance  its index, and the values of one tensor; or what opening it took, which was before
 *     slabs       as many as are in flight, each with bytes of the source and of the output
 *     scratch     a row as f32 and its weights for each thread, and what a search of codes keeps
 *     stacks      of the pool, the reader and the writer
 *     slack       what the C library and the kernel take beside that
 *
 * Slabs shrink until the whole fits: to LEAST_WEIGHTS, or to the longest row where that is more. */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "machine/code.h"

#include <inttypes.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

enum {
    MOST_WEIGHTS = 4 << 20,  /* of a slab: 16 MiB as f32 */
    LEAST_WEIGHTS = 64 << 10 /* below it the hand-over between threads costs more than the work */
};

static const uint64_t DEFAULT_MEMORY = 1024 * MIB, SLACK = 12 * MIB, COPY_LEAST = 256 << 10;

static uint64_t row_bytes(enum block_type type, uint64_t columns) { return type_row_bytes(type_info(type), columns); }

static uint64_t more(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The largest slab of all tensors where one has at most so many weights. */
static void size_slabs(const struct quant_job *j, struct quant_plan *p)
{
    p->in_bytes = COPY_LEAST;
    p->out_bytes = p->row_bytes = 0;
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        const struct gguf_tensor *from = &j->in->tensor[t];
        uint64_t columns = from->ne[0], rows = from->ne[1] * from->ne[2] * from->ne[3],
                 n = more(p->slab_weights / columns, 1);
        n = n < rows ? n : rows;
        if (quant_is_copied(j, t))
            continue;
        p->in_bytes = more(p->in_bytes, n * row_bytes(from->type, columns));
        p->out_bytes = more(p->out_bytes, n * row_bytes(j->tensor[t].type, columns));
        p->row_bytes = more(p->row_bytes, columns * sizeof(float));
    }
}

static void size_importance(const struct quant_job *j, struct quant_plan *p)
{
    p->importance_bytes = 0;
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        const struct importance_entry *e = j->tensor[t].importance;
        if (e)
            p->importance_bytes = more(p->importance_bytes, importance_floats(e) * sizeof(float));
    }
    p->share[QUANT_IMPORTANCE] = !j->importance ? 0
                                                : j->importance->arena.total +
                                                      more(round_up(p->importance_bytes, 64), j->importance->n_opening);
}

/* Of a run that goes on: the head that it would write, in memory that has grown by doubling, and the one that is there, likewise. */
static uint64_t journal_bytes(const struct quant_job *j) { return 5 * (uint64_t)strlen(j->recipe); }

static void price(const struct quant_job *j, struct quant_plan *p)
{
    uint64_t header = 0;
    for (int i = 0; i < j->n_part; i++)
        header = more(header, j->part[i].header);
    size_slabs(j, p);
    p->share[QUANT_CODE] = machine_code_bytes();
    p->share[QUANT_INDEX] = j->in->arena.total + j->arena.total + more(more(header, j->n_deciding), journal_bytes(j));
    size_importance(j, p);
    p->share[QUANT_SLABS] = QUANT_SLABS_IN_FLIGHT * (round_up(p->in_bytes, 64) + round_up(p->out_bytes, 64));
    uint64_t search = p->row_bytes ? round_up(quant_scratch_bytes(), 64) : 0;
    p->share[QUANT_SCRATCH] = (uint64_t)p->n_threads * (2 * round_up(p->row_bytes, 64) + search);
    p->share[QUANT_STACKS] = ((uint64_t)p->n_threads + 1) * POOL_STACK;
    p->share[QUANT_SLACK] = SLACK;
    p->total = 0;
    for (int s = 0; s < QUANT_SHARES; s++)
        p->total += p->share[s];
}

static const char *longest_row(const struct quant_job *j)
{
    const char *name = "";
    uint64_t most = 0;
    for (uint64_t t = 0; t < j->in->n_tensor; t++)
        if (!quant_is_copied(j, t) && j->in->tensor[t].ne[0] > most) {
            most = j->in->tensor[t].ne[0];
            name = j->in->tensor[t].name;
        }
    return name;
}

int quant_plan(struct quant_job *j, struct error *err)
{
    struct quant_plan *p = &j->plan;
    const struct quant_options *o = j->options;
    int threads = o->n_threads ? o->n_threads : cpu_compute_threads();
    p->n_threads = threads < POOL_MAX_THREADS ? threads : POOL_MAX_THREADS;
    p->slab_weights = LEAST_WEIGHTS;
    price(j, p);
    p->least = round_up(p->total, MIB);
    p->memory = o->memory == 0 ? DEFAULT_MEMORY : o->memory == QUANT_MEMORY_LEAST ? p->least : o->memory;
    if (p->least > p->memory)
        return error_set(err, ERR_INPUT,
                         "--memory %" PRIu64 " MiB is too little for %s: %" PRIu64
                         " MiB are the least, of which headers and rules take %" PRIu64 " MiB, importance %" PRIu64
                         " MiB and slabs of one row %" PRIu64 " MiB (the longest: %s)",
                         p->memory / MIB, o->in, p->least / MIB, p->share[QUANT_INDEX] / MIB,
                         p->share[QUANT_IMPORTANCE] / MIB, p->share[QUANT_SLABS] / MIB, longest_row(j));
    for (p->slab_weights = MOST_WEIGHTS; price(j, p), p->total > p->memory;)
        p->slab_weights /= 2;
    return 0;
}
