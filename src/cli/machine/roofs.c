/* See roofs.h. */
#include "cli/machine/roofs.h"

#include "base/cpu.h"
#include "base/pool.h"
#include "cli/machine/drive.h"
#include "machine/machine.h"

#include <stdio.h>
#include <string.h>

/* Experts that are not all in memory come from the drive; so do all of a cold engine's. */
static int reads_experts(const struct stoker_plan *p, int cold)
{
    int held = 1;
    for (int i = 0; i < p->n_class; i++)
        held = held && p->slots[i] >= p->experts[i];
    return p->n_class > 0 && (cold || !held);
}

/* A mirror is a second drive, and buffered reads come from the page cache: the rate of the one file bounds neither. */
static int one_drive(const struct stoker_options *o)
{
    return !o->mirror && !(o->reader && strcmp(o->reader, "buffered") == 0);
}

/* One after the other: what all threads read and work in, and the drive's buffers. */
uint64_t roofs_memory(const struct stoker_options *o)
{
    int n = o->n_threads ? o->n_threads : cpu_compute_threads();
    size_t mapped = machine_bytes("", n < POOL_MAX_THREADS ? n : POOL_MAX_THREADS);
    return mapped > DRIVE_MEMORY ? mapped : DRIVE_MEMORY;
}

int roofs_can_measure(const struct stoker_options *o)
{
    const char *from;
    return stoker_memory_left(&from) > roofs_memory(o);
}

int roofs_can_wait(const struct stoker_plan *p, const struct stoker_options *o)
{
    return p->memory >= p->total && p->memory - p->total >= roofs_memory(o) && !reads_experts(p, 0);
}

/* The buffers that roofs took are not the engine's: its peak begins anew (proc(5), clear_refs; refused, it stays as high as they were). */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

int roofs_measure(struct stoker_roofs *out, const char *model, const struct stoker_options *o, int cold,
                  struct stoker_error *err)
{
    struct stoker_plan p;
    int failed = stoker_plan(&p, model, o, err) || stoker_roofs(out, model, o, err);
    if (!failed && reads_experts(&p, cold) && one_drive(o) &&
        drive_roof_of_model(model, p.expert_bytes[0], &out->drive))
        out->drive = 0; /* it has said why */
    forget_peak();
    return failed ? -1 : 0;
}
