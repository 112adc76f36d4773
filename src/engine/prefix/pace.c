/* The rate of reading known prefixes: see pace.h. */
#include "engine/prefix/pace.h"

int prefix_pace_pays(struct prefix_pace *p, uint64_t bytes, double seconds)
{
    if (p->bytes_per_second <= 0 || (double)bytes < seconds * p->bytes_per_second)
        return 1;
    p->bytes_per_second *= 1.5;
    p->raised = 1;
    return 0;
}

void prefix_pace_read(struct prefix_pace *p, uint64_t bytes, double seconds)
{
    double rate = (double)bytes / (seconds + 1e-9);
    int known = p->bytes_per_second > 0 && !p->raised;
    p->bytes_per_second = known ? 0.75 * p->bytes_per_second + 0.25 * rate : rate;
    p->raised = 0;
}
