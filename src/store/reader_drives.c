/* Measuring the drives of a reader that has a mirror: each is probed by a reader of its own (disk_probe.h), and reads are shared out in the
 * proportion of the rates. Not in reader.c, because the probe calls that. */
#include "base/error.h"
#include "store/disk_probe.h"
#include "store/reader_inside.h"

#include <string.h>

enum { PAGE = 4096, PROBE_BLOCK = 1 << 20, PROBE_READS = 8, PROBE_BYTES = 48 << 20 };

/* The largest file of a drive. */
static const struct gguf_file *sample_of(const struct reader_files *f, int drive)
{
    const struct gguf_file *best = NULL;
    for (int i = 0; i < f->n * f->n_copy; i++) {
        const struct gguf_file *x = reader_file(f, i);
        if (f->drive[i] == drive && (!best || x->size > best->size))
            best = x;
    }
    return best;
}

void reader_measure_drives(struct reader *r)
{
    struct reader_files *f = &r->files;
    struct arena arena;
    struct error err = {0};
    double rate[READER_MAX_DRIVES];
    int ok = arena_map(&arena, PROBE_READS * (uint64_t)(PROBE_BLOCK + 2 * PAGE), &err) == 0;
    if (!ok)
        return;
    arena_prefault(&arena, 0, 1);
    struct probe_memory memory = {arena.base,
                                  arena.size}; /* small, and so too fast; but only the drives' proportion counts */
    for (int d = 0; d < f->n_drive && ok; d++) {
        struct disk_probe p;
        ok = disk_probe(sample_of(f, d), PROBE_BLOCK, PROBE_READS, PROBE_BYTES, (uint64_t)d, &memory, &p, &err) == 0;
        rate[d] = ok ? p.bytes_per_second : 0;
    }
    arena_unmap(&arena);
    if (ok)
        memcpy(f->rate, rate, (size_t)f->n_drive * sizeof *rate);
}
