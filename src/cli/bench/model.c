/* The overlap model of streaming (streaming.md M of the specification): what a run of decode steps would take if reading and
 * computing overlapped without loss. Per layer call with m misses of b bytes at rate D
 *
 *     t = a + x;  x <- (k - m) e, then for j = 1..m  x <- max(x, latency + j b / D) + e
 *
 * k: experts of a call, e: compute of one, a: compute outside experts; all from the same run, with the waiting taken out. */
#include "cli/bench/bench.h"
#include "cli/machine/drive.h"

#include <math.h>

struct costs {
    double experts, expert_seconds, read_seconds; /* of a call; each; each */
};

static double call_seconds(const struct costs *c, int misses)
{
    double s = fmax(0, c->experts - misses) * c->expert_seconds;
    for (int j = 1; j <= misses; j++)
        s = fmax(s, READ_LATENCY + j * c->read_seconds) + c->expert_seconds;
    return s;
}

double bench_model_seconds(const struct stoker_stats *before, const struct stoker_stats *after, double disk_rate)
{
    double misses = (double)(after->misses - before->misses), uses = misses + (double)(after->hits - before->hits);
    double experts = after->expert_seconds - before->expert_seconds, wait = after->wait_seconds - before->wait_seconds,
           total = after->step_seconds - before->step_seconds - wait - experts, calls = 0;
    for (int m = 0; m < STOKER_CALLS; m++)
        calls += (double)(after->calls[m] - before->calls[m]);
    struct costs c = {uses / fmax(1, calls), experts / fmax(1, uses),
                      (double)(after->bytes_read - before->bytes_read) / fmax(1, misses) / disk_rate};
    for (int m = 0; m < STOKER_CALLS; m++)
        total += (double)(after->calls[m] - before->calls[m]) * call_seconds(&c, m);
    return total;
}
