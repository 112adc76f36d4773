/* How long a run will encode, measured here (quantize.md 6.1): each type of the output encodes numbers of its own for a moment, of the
 * thread's own time, so that what else runs does not count. Reading and writing go on meanwhile, and are the drive's. */
#include "quant/inside.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { VALUES = 2048 /* of a row: of the slowest type some milliseconds */ };
static const double MOMENT = 0.01;

/* Bell-shaped, as weights are. */
static void fill(float *x)
{
    uint32_t state = 1;
    for (int i = 0; i < VALUES; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(int32_t)state * 0x1p-31f;
        }
        x[i] = sum;
    }
}

static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of one thread. */
static double seconds_a_value(const struct quant_encoding *how, const float *x, uint8_t *out, void *scratch)
{
    double began = thread_seconds(), took = 0, n = 0;
    while (took < MOMENT) {
        quant_encode(how, x, NULL, VALUES, out, scratch);
        took = thread_seconds() - began;
        n += VALUES;
    }
    return took / n;
}

double quant_seconds(const struct quant_job *j)
{
    float *x = malloc(VALUES * sizeof *x);
    uint8_t *out = malloc(VALUES * sizeof(float)); /* no type has more bytes than f32 */
    void *scratch = aligned_alloc(64, (quant_scratch_bytes() + 63) / 64 * 64);
    double value[TYPE_COUNT] = {0}, all = 0;
    if (x)
        fill(x);
    for (uint64_t t = 0; x && out && scratch && t < j->in->n_tensor; t++) {
        const struct gguf_tensor *from = &j->in->tensor[t];
        enum block_type type = j->tensor[t].type;
        const struct quant_encoding how = {type, j->options->effort, !j->options->no_gain, TIER_COUNT};
        if (quant_is_copied(j, t))
            continue;
        if (value[type] <= 0)
            value[type] = seconds_a_value(&how, x, out, scratch);
        all += value[type] * (double)(from->ne[0] * from->ne[1] * from->ne[2] * from->ne[3]);
    }
    int is_known = x && out && scratch;
    free(x);
    free(out);
    free(scratch);
    return is_known ? all / j->plan.n_threads : NAN;
}
