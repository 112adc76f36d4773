/* The disk probe: see disk_probe.h. */
#include "store/disk_probe.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "store/reader.h"

#include <stdlib.h>

struct probe {
    struct reader *reader;
    struct read_list list;
    struct read_request request[PROBE_DEPTH];
    uint8_t *stripe[PROBE_DEPTH]; /* of the memory, one a request */
    uint64_t stripe_bytes, places, seed, issued, n_reads;
};

/* Each read goes to the next part of its stripe of memory, from the end back to the beginning. */
static void issue(struct probe *p, struct read_request *q)
{
    uint64_t at = rng_u64(p->seed, p->issued++, 0, 0) % p->places, step = round_up(q->length + 8192, 4096);
    uint8_t *stripe = p->stripe[q - p->request];
    q->offset = at * 4096;
    q->to += step;
    if (q->to + step > stripe + p->stripe_bytes)
        q->to = stripe;
    reader_submit(p->reader, &p->list, &q, 1);
}

static int run(struct probe *p, int depth, struct error *err)
{
    uint64_t done = 0;
    for (int i = 0; i < depth && p->issued < p->n_reads; i++)
        issue(p, &p->request[i]);
    while (done < p->n_reads) {
        struct read_request *q = reader_reap(p->reader, &p->list, 1);
        if (!q || q->state == READ_FAILED)
            return q ? reader_error(p->reader, q, err) : error_set(err, ERR_BUG, "the probe lost a read");
        done++;
        if (p->issued < p->n_reads)
            issue(p, q);
    }
    return 0;
}

int disk_probe(const struct gguf_file *file, uint64_t block, int depth, uint64_t bytes, uint64_t seed,
               const struct probe_memory *memory, struct disk_probe *out, struct error *err)
{
    if (file->size < block + 8192)
        return error_set(err, ERR_INPUT, "%s is smaller than a read of %llu bytes; name a larger file", file->path,
                         (unsigned long long)block);
    if (depth > PROBE_DEPTH || memory->bytes / (uint64_t)depth < block + PROBE_MARGIN)
        return error_set(err, ERR_BUG, "the probe has no memory for %d reads of %llu bytes", depth,
                         (unsigned long long)block);
    struct probe p = {.places = (file->size - block) / 4096,
                      .stripe_bytes = round_down(memory->bytes / (uint64_t)depth, 4096),
                      .seed = seed,
                      .n_reads = bytes / block + 1};
    struct reader_options opt = {0};
    struct arena arena;
    if (arena_map(&arena, reader_bytes(&opt) + 65536, err))
        return -1;
    int result = reader_open(&p.reader, file, 1, &opt, &arena, err);
    if (result == 0) {
        for (int i = 0; i < depth; i++) {
            p.stripe[i] = memory->base + (uint64_t)i * p.stripe_bytes;
            p.request[i] = (struct read_request){.length = block, .to = p.stripe[i], .what = "probe"};
        }
        double begin = clock_seconds();
        result = run(&p, depth, err);
        double seconds = clock_seconds() - begin;
        *out = (struct disk_probe){(double)(p.n_reads * block) / seconds, (double)p.n_reads / seconds};
        reader_close(p.reader);
    }
    arena_unmap(&arena);
    return result;
}
