/* See promising.h. */
#include "cli/tune/promising.h"

#include "eval/pairs.h"

#include <string.h>

int tune_promising_add(struct tune_promising *p, const struct tune_value *v, double ratio)
{
    double least = p->of[v->setting].ratio;
    if (ratio > 1 - EVAL_PAIRS_EFFECT)
        return 0;
    if (least <= 0 || ratio < least) {
        p->of[v->setting].ratio = ratio;
        memcpy(p->of[v->setting].text, v->text, sizeof v->text);
    }
    return 1;
}

void tune_promising_drop(struct tune_promising *p, int setting) { p->of[setting].ratio = 0; }

static void move(struct tune_promising *p, struct tune_promising *other, int setting)
{
    other->of[setting] = p->of[setting];
    p->of[setting].ratio = 0;
}

void tune_promising_move_weakest(struct tune_promising *p, struct tune_promising *other)
{
    int weakest = 0;
    for (int i = 1; i < PROFILE_SETTINGS; i++)
        if (p->of[i].ratio > p->of[weakest].ratio)
            weakest = i;
    move(p, other, weakest);
}

void tune_promising_move_strongest(struct tune_promising *p, struct tune_promising *other)
{
    int strongest = -1;
    for (int i = 0; i < PROFILE_SETTINGS; i++)
        if (p->of[i].ratio > 0 && (strongest < 0 || p->of[i].ratio < p->of[strongest].ratio))
            strongest = i;
    move(p, other, strongest);
}

int tune_promising_count(const struct tune_promising *p)
{
    int n = 0;
    for (int i = 0; i < PROFILE_SETTINGS; i++)
        n += p->of[i].ratio > 0;
    return n;
}

int tune_promising_set(const struct tune_promising *p, struct profile *out)
{
    for (int i = 0; i < PROFILE_SETTINGS; i++)
        if (p->of[i].ratio > 0)
            memcpy(out->value[i], p->of[i].text, sizeof out->value[i]);
    return tune_promising_count(p);
}
