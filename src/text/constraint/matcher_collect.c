/* Making space in the matcher: what the live sets need is copied to the front, everything else is forgotten.
 *
 * The old memory is set aside first. Frames are copied behind the frames they return to, which an explicit stack sees to:
 * a stack of calls may be a hundred thousand deep. Their new numbers are left in the old ones. */
#include "text/constraint/matcher.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct old {
    uint64_t *word;
    uint32_t *stack; /* of frames, growing down from the end of the new memory */
    uint32_t n;
};

static struct frame *old_frame(const struct old *o, uint32_t id) { return (struct frame *)(o->word + id); }

static uint32_t moved(const struct old *o, uint32_t frame) { return frame ? old_frame(o, frame)->moved : 0; }

static int push(struct matcher *m, struct old *o, uint32_t frame)
{
    uint32_t *top = o->stack - o->n - 1;
    if ((uint64_t *)top <= m->word + m->used + 64)
        return -1;
    *top = frame;
    o->n++;
    return 0;
}

/* Push what a frame returns to and is not copied yet; 1: something was pushed. The first is popped first, so that numbers keep their order,
 * mostly. */
static int push_links(struct matcher *m, struct old *o, uint32_t frame)
{
    const struct frame *f = old_frame(o, frame);
    int pushed = 0;
    for (uint32_t i = f->n_link; i-- > 0;)
        if (f->link[i].frame && !old_frame(o, f->link[i].frame)->moved) {
            if (push(m, o, f->link[i].frame))
                return -1;
            pushed = 1;
        }
    return pushed;
}

/* Sorts what mostly is in order: by insertion it takes as many steps as pairs are not. */
static void put_in_order(struct matcher *m, void *base, size_t n, size_t size, int (*by)(const void *a, const void *b))
{
    const char *at = base;
    size_t i = 1;
    while (i < n && by(at + (i - 1) * size, at + i * size) <= 0)
        i++;
    m->meter.done += n;
    if (i < n) {
        qsort(base, n, size, by);
        m->meter.done += 8 * n;
    }
}

static int by_link(const void *a, const void *b)
{
    const struct link *x = a, *y = b;
    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;
    if (x->state != y->state)
        return x->state < y->state ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

static int copy_frame(struct matcher *m, struct old *o, uint32_t frame)
{
    if (push(m, o, frame))
        return -1;
    while (o->n > 0) {
        uint32_t id = o->stack[-(int64_t)o->n];
        struct frame *f = old_frame(o, id);
        int pushed = f->moved ? 0 : push_links(m, o, id);
        if (pushed < 0)
            return -1;
        if (pushed)
            continue;
        o->n--;
        if (f->moved)
            continue;
        for (uint32_t i = 0; i < f->n_link; i++)
            f->link[i].frame = moved(o, f->link[i].frame);
        put_in_order(m, f->link, f->n_link, sizeof *f->link, by_link);
        f->moved = matcher_frame(m, f->rule, f->link, f->n_link);
        if (!f->moved)
            return -1;
    }
    return 0;
}

static int by_frame(const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    return x->frame != y->frame ? (x->frame < y->frame ? -1 : 1) : (x->count > y->count) - (x->count < y->count);
}

static int copy_set(struct matcher *m, struct old *o, uint32_t *set)
{
    const struct set *s = (const struct set *)(o->word + *set);
    for (uint32_t i = 0; i < s->n; i++) {
        struct config c = s->config[i];
        const struct states *x = (const struct states *)(o->word + c.states);
        if (!old_frame(o, c.frame)->moved && copy_frame(m, o, c.frame))
            return -1;
        c.frame = moved(o, c.frame);
        c.states = matcher_states(m, x->rule, x->state, x->n);
        m->config[i] = c;
    }
    put_in_order(m, m->config, s->n, sizeof *m->config, by_frame);
    *set = matcher_set(m, m->config, s->n, (int)s->accepting);
    return m->full ? -1 : 0;
}

int matcher_collect(struct matcher *m, uint32_t **root, size_t n)
{
    size_t bytes = (size_t)m->used * 8;
    struct old o = {.stack = (uint32_t *)(m->word + m->capacity)};
    void *aside = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (aside == MAP_FAILED)
        return -1;
    o.word = memcpy(aside, m->word, bytes);
    m->meter.done += m->used / 8;
    matcher_forget(m);
    int failed = 0;
    for (size_t i = 0; i < n && !failed; i++)
        failed = *root[i] == SET_DEAD ? 0 : copy_set(m, &o, root[i]);
    munmap(aside, bytes);
    return failed ? -1 : 0;
}
