/* A state goes on by a byte: governed text by the matcher, free text by the triggers of its phase.
 *
 *     free text --trigger--> governed text --complete, and the next byte does not belong to it--> free text of the next phase */
#include "text/constraint/inner.h"

uint32_t constraint_start(struct constraint *c, int entry)
{
    if (!c->start[entry]) {
        uint32_t set = matcher_start(&c->matcher, (uint32_t)entry);
        if (c->matcher.full)
            return SET_DEAD;
        c->start[entry] = set;
    }
    return c->start[entry];
}

void constraint_enter_phase(struct constraint_state *s, int32_t phase)
{
    s->set = SET_DEAD;
    s->phase = phase == CONSTRAINT_END ? CONSTRAINT_OVER : phase;
    s->node = phase == CONSTRAINT_END ? 0 : s->c->phase[phase].start;
}

void constraint_fire(struct constraint_state *s, const struct constraint_trigger *t)
{
    if (t->entry < 0) {
        constraint_enter_phase(s, t->next);
        return;
    }
    s->set = constraint_start(s->c, t->entry);
    s->phase = CONSTRAINT_GOVERNED;
    s->next = t->next;
}

/* Governed text that is complete and cannot go on is over. */
void constraint_leave_if_over(struct constraint_state *s)
{
    if (s->phase != CONSTRAINT_GOVERNED || s->set == SET_DEAD || s->c->n_phase == 0)
        return;
    const struct set *set = set_at(&s->c->matcher, s->set);
    if (set->n == 0)
        constraint_enter_phase(s, s->next);
}

static int feed_governed(struct constraint_state *s, uint8_t byte)
{
    struct matcher *m = &s->c->matcher;
    uint32_t to = matcher_step(m, s->set, byte);
    if (to != SET_DEAD) {
        s->set = to;
        return 0;
    }
    if (s->c->n_phase == 0 || !set_at(m, s->set)->accepting || s->next == CONSTRAINT_END)
        return -1;
    constraint_enter_phase(s, s->next);
    return 1;
}

int constraint_feed(struct constraint_state *s, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (s->c->matcher.full || s->phase == CONSTRAINT_OVER)
            return -1;
        if (s->phase == CONSTRAINT_GOVERNED) {
            int left = feed_governed(s, byte);
            if (left < 0)
                return -1;
            if (!left) {
                constraint_leave_if_over(s);
                continue;
            }
        }
        const struct trigger_machine *t = &s->c->phase[s->phase];
        s->node = t->next[s->node][byte];
        if (t->done[s->node] >= 0)
            constraint_fire(s, &t->trigger[t->done[s->node]]);
    }
    return 0;
}

int constraint_may_end(const struct constraint_state *s)
{
    const struct constraint *c = s->c;
    if (s->phase >= 0)
        return !c->phase[s->phase].must;
    if (s->phase == CONSTRAINT_OVER)
        return 1;
    return s->set != SET_DEAD && set_at(&c->matcher, s->set)->accepting &&
           (s->next == CONSTRAINT_END || !c->phase[s->next].must);
}
