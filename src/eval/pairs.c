/* See pairs.h. */
#include "eval/pairs.h"

#include "base/error.h"
#include "eval/stats.h"

int eval_pairs(struct eval_pairs *out, const double *a, const double *b, size_t n, struct error *err)
{
    double ratio[EVAL_PAIRS_MOST];
    struct eval_interval around;
    for (size_t i = 0; i < n; i++)
        ratio[i] = b[i] / a[i];
    if (eval_bootstrap_median(&around, ratio, n, EVAL_RESAMPLES, err))
        return -1;
    *out = (struct eval_pairs){n, eval_median(ratio, n), around.low, around.high};
    return 0;
}

int eval_pairs_resolve(const struct eval_pairs *aa, double effect)
{
    return aa->low <= 1 && aa->high >= 1 && aa->high - aa->low <= effect;
}

enum eval_verdict eval_pairs_verdict(const struct eval_pairs *ab, const struct eval_pairs *aa)
{
    if (ab->high < (aa->high < 1 ? aa->low : 1) && ab->ratio < 1 - EVAL_PAIRS_EFFECT)
        return EVAL_FASTER;
    if (ab->low > (aa->low > 1 ? aa->high : 1) && ab->ratio > 1 + EVAL_PAIRS_EFFECT)
        return EVAL_SLOWER;
    return EVAL_NO_DIFFERENCE;
}

const char *eval_verdict_name(enum eval_verdict v)
{
    static const char *const names[] = {"no difference shown", "faster", "slower"};
    return names[v];
}

int eval_pairs_void(uint64_t stolen, double passed, double share)
{
    return stolen > 1 && share < 1 && (double)stolen > share * passed;
}
