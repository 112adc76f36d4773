/* See promising.h. */
#include "cli/tune/promising.h"

#include <string.h>

static void insert(struct tune_promising *p, const struct tune_value *v, double ratio)
{
    int i = p->n++;
    for (; i > 0 && p->of[i - 1].ratio > ratio; i--)
        p->of[i] = p->of[i - 1];
    p->of[i].value = *v;
    p->of[i].ratio = ratio;
}

int tune_promising_add(struct tune_promising *p, const struct tune_value *v, double ratio)
{
    int seems = ratio <= 1 - TUNE_PROMISING;
    if (seems)
        insert(p, v, ratio);
    return seems;
}

void tune_promising_drop(struct tune_promising *p, int i)
{
    p->n--;
    memmove(&p->of[i], &p->of[i + 1], (size_t)(p->n - i) * sizeof *p->of);
}

void tune_promising_move(struct tune_promising *p, int i, struct tune_promising *other)
{
    insert(other, &p->of[i].value, p->of[i].ratio);
    tune_promising_drop(p, i);
}

/* What only one value can be of. */
static int subject(const struct tune_value *v) { return v->setting == PROFILE_DEPTH ? PROFILE_READER : v->setting; }

void tune_promising_part(struct tune_promising *p, struct tune_promising *other)
{
    int has[PROFILE_SETTINGS] = {0};
    for (int i = 0; i < p->n;)
        if (has[subject(&p->of[i].value)]++)
            tune_promising_move(p, i, other);
        else
            i++;
}

void tune_promising_set(const struct tune_promising *p, struct profile *out)
{
    for (int i = 0; i < p->n; i++)
        memcpy(out->value[p->of[i].value.setting], p->of[i].value.text, sizeof p->of[i].value.text);
}
