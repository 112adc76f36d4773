/* Making space in the matcher: what the live sets need is copied to the other half of the memory, everything else is forgotten.
 *
 *     here   frames, states, sets as they are, used and added to by everybody until all is copied
 *     there  copies; each thing says where its copy is
 *
 * It is done a piece at a time, and texts may go on in between: a set that is live at the end and was not at the beginning is copied last.
 * Frames are copied behind the frames they return to, which an explicit stack sees to: a stack of calls may be a hundred thousand deep.
 * Sources: C. Cheney, A nonrecursive list compacting algorithm; H. Baker, List processing in real time on a serial computer. */
#include "text/constraint/matcher.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 14 }; /* work of a piece, but what cannot be left in the middle: sorting the links of a frame */

static void *there(const struct collection *k, uint32_t id) { return k->word + id; }

/* The copy of a thing, 0: there is none yet. */
static uint32_t frame_moved(const struct matcher *m, uint32_t id)
{
    const struct frame *f = frame_at(m, id);
    return id && f->moved_in == m->collection.number ? f->moved : 0;
}

static uint32_t states_moved(const struct matcher *m, uint32_t id)
{
    const struct states *s = states_at(m, id);
    return s->moved_in == m->collection.number ? s->moved : 0;
}

static uint32_t set_moved(const struct matcher *m, uint32_t id)
{
    const struct set *s = set_at(m, id);
    return s->moved_in == m->collection.number ? s->moved : 0;
}

/* 1: there are so many more words between the copies and the stack. */
static int has_space(const struct collection *k, size_t words)
{
    return words * 8 < (size_t)((char *)(k->stack - k->n_stack) - (char *)(k->word + k->used));
}

/* Words for a copy, zeroed; 0: full. */
static uint32_t take(struct matcher *m, size_t bytes)
{
    struct collection *k = &m->collection;
    size_t words = (bytes + 7) / 8;
    if (!has_space(k, words + 1))
        return 0;
    uint32_t id = k->used;
    k->used += (uint32_t)words;
    memset(there(k, id), 0, words * 8);
    m->meter.done += 1 + words / 4;
    return id;
}

static void put_in_bucket(struct collection *k, enum matcher_things of, uint32_t id, uint32_t hash, uint32_t *next)
{
    uint32_t *bucket = &k->bucket[of][hash % MATCHER_BUCKETS];
    *next = *bucket;
    *bucket = id;
}

/* ---- frames -------------------------------------------------------------------------------------------------------------------- */

static int push(struct collection *k, uint32_t frame)
{
    if (!has_space(k, 2))
        return -1;
    k->n_stack++;
    *(k->stack - k->n_stack) = frame;
    return 0;
}

/* Push what a frame returns to and is not copied yet; 1: something was pushed. The first is popped first, so that numbers keep their order,
 * mostly. */
static int push_links(struct matcher *m, const struct frame *f)
{
    struct collection *k = &m->collection;
    uint32_t before = k->n_stack;
    m->meter.done += 2 + f->n_link;
    for (uint32_t i = f->n_link; i-- > 0;)
        if (f->link[i].frame && !frame_moved(m, f->link[i].frame) &&
            (k->n_stack == before || *(k->stack - k->n_stack) != f->link[i].frame) && push(k, f->link[i].frame))
            return -1;
    return k->n_stack > before;
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

/* Nearly all are in order as they are. */
static int in_order(const void *base, size_t n, size_t size, int (*by)(const void *a, const void *b))
{
    const char *at = base;
    size_t i = 1;
    while (i < n && by(at + (i - 1) * size, at + i * size) <= 0)
        i++;
    return i >= n;
}

/* Begins the copy of a frame whose links are all copied. */
static int begin_frame(struct matcher *m, const struct frame *f)
{
    struct collection *k = &m->collection;
    size_t bytes = sizeof *f + f->n_link * sizeof *f->link;
    uint32_t id = take(m, bytes);
    if (!id)
        return -1;
    struct frame *copy = memcpy(there(k, id), f, bytes);
    copy->popped = copy->moved_in = 0;
    for (uint32_t i = 0; i < copy->n_link; i++)
        copy->link[i].frame = frame_moved(m, copy->link[i].frame);
    m->meter.done += 2 * copy->n_link;
    k->frame = id;
    k->frame_in_order = in_order(copy->link, copy->n_link, sizeof *copy->link, by_link);
    return 0;
}

/* One piece of the frame on top of the stack: the largest is sorting its links. */
static int copy_frame(struct matcher *m)
{
    struct collection *k = &m->collection;
    struct frame *f = frame_at(m, *(k->stack - k->n_stack)), *copy = there(k, k->frame);
    if (k->frame && !k->frame_in_order) {
        qsort(copy->link, copy->n_link, sizeof *copy->link, by_link);
        m->meter.done += 8 * (uint64_t)copy->n_link;
        k->frame_in_order = 1;
        return 0;
    }
    if (k->frame) {
        copy->hash = matcher_hash_links(copy->rule, copy->link, copy->n_link);
        put_in_bucket(k, FRAMES, k->frame, copy->hash, &copy->next);
        m->meter.done += 4 + copy->n_link;
        f->moved = k->frame;
        f->moved_in = k->number;
        k->frame = 0;
    }
    if (f->moved_in == k->number) {
        k->n_stack--;
        return 0;
    }
    int pushed = push_links(m, f);
    return pushed ? (pushed < 0 ? -1 : 0) : begin_frame(m, f);
}

/* ---- states and sets ----------------------------------------------------------------------------------------------------------- */

/* What they read is as it was; what their steps led to is not. */
static int copy_states(struct matcher *m, uint32_t states)
{
    struct collection *k = &m->collection;
    struct states *s = states_at(m, states);
    size_t bytes = sizeof *s + s->n * sizeof *s->state;
    uint32_t id = take(m, bytes);
    if (!id)
        return -1;
    struct states *copy = memcpy(there(k, id), s, bytes);
    copy->stepping = copy->leaf = copy->plain = copy->memo = copy->moved_in = 0;
    copy->target = 0;
    copy->last[0] = copy->last[1] = 0;
    put_in_bucket(k, STATES, id, copy->hash, &copy->next);
    s->moved = id;
    s->moved_in = k->number;
    return 0;
}

static int by_frame(const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    return x->frame != y->frame ? (x->frame < y->frame ? -1 : 1) : (x->count > y->count) - (x->count < y->count);
}

/* A set whose frames and states are copied. */
static int finish_set(struct matcher *m, uint32_t set)
{
    struct collection *k = &m->collection;
    struct set *s = set_at(m, set);
    uint32_t id = take(m, sizeof *s + s->n * sizeof *s->config), memo = take(m, matcher_memo_bytes(m));
    if (!id || !memo)
        return -1;
    struct set *copy = there(k, id);
    *copy = (struct set){
        .n = s->n, .accepting = s->accepting, .tokens = s->tokens, .memo = memo, .alive = s->alive, .size = s->size};
    for (uint32_t i = 0; i < s->n; i++)
        copy->config[i] = (struct config){frame_moved(m, s->config[i].frame), states_moved(m, s->config[i].states),
                                          s->config[i].count};
    m->meter.done += 2 * s->n;
    if (!in_order(copy->config, copy->n, sizeof *copy->config, by_frame)) {
        qsort(copy->config, copy->n, sizeof *copy->config, by_frame);
        m->meter.done += 8 * copy->n;
    }
    copy->hash = matcher_hash_configs(copy->config, copy->n, copy->accepting);
    put_in_bucket(k, SETS, id, copy->hash, &copy->next);
    s->moved = id;
    s->moved_in = k->number;
    return 0;
}

/* A piece of a set. Texts may have gone on since the last one: then it may be another set's turn. */
static int copy_set(struct matcher *m, uint32_t set, uint64_t until)
{
    struct collection *k = &m->collection;
    const struct set *s = set_at(m, set);
    if (k->set != set)
        k->n_config = 0;
    k->set = set;
    for (; k->n_config < s->n && m->meter.done < until; k->n_config++, m->meter.done += 2) {
        const struct config *c = &s->config[k->n_config];
        int failed = frame_moved(m, c->frame) ? 0 : push(k, c->frame);
        while (!failed && k->n_stack && m->meter.done < until)
            failed = copy_frame(m);
        if (failed)
            return -1;
        if (k->n_stack)
            return 0;
        if (!states_moved(m, c->states) && copy_states(m, c->states))
            return -1;
    }
    return k->n_config == s->n && m->meter.done < until ? finish_set(m, set) : 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------- */

static void begin(struct matcher *m)
{
    struct collection *k = &m->collection;
    k->active = 1;
    k->number++;
    k->used = MATCHER_BEGIN;
    k->stack = (uint32_t *)(k->word + m->capacity);
    k->n_stack = k->frame = k->set = 0;
    for (int i = 0; i < MATCHER_THINGS; i++)
        memset(k->bucket[i], 0, MATCHER_BUCKETS * sizeof *k->bucket[i]);
    m->meter.done += MATCHER_BUCKETS / 4;
}

/* From now on there is here. */
static void change_over(struct matcher *m, uint32_t **root, size_t n)
{
    struct collection *k = &m->collection, copies = *k;
    for (size_t i = 0; i < n; i++)
        *root[i] = *root[i] == SET_DEAD ? SET_DEAD : set_moved(m, *root[i]);
    k->word = m->word;
    m->word = copies.word;
    m->used = copies.used;
    for (int i = 0; i < MATCHER_THINGS; i++) {
        k->bucket[i] = m->bucket[i];
        m->bucket[i] = copies.bucket[i];
    }
    matcher_forget_rules(m);
    m->meter.done += m->g->n_state / 8;
    k->active = 0;
}

int matcher_collect(struct matcher *m, uint32_t **root, size_t n)
{
    struct collection *k = &m->collection;
    uint64_t until = m->meter.done + PIECE;
    if (!k->active)
        begin(m);
    int failed = 0;
    while (k->n_stack && !failed && m->meter.done < until) /* of a set that nobody may want any more */
        failed = copy_frame(m);
    size_t i = 0;
    for (; i < n && !failed && m->meter.done < until; i++) {
        while (*root[i] != SET_DEAD && !set_moved(m, *root[i]) && !failed && m->meter.done < until)
            failed = copy_set(m, *root[i], until);
    }
    if (failed) {
        k->active = 0;
        return -1;
    }
    for (i = 0; i < n; i++)
        if (*root[i] != SET_DEAD && !set_moved(m, *root[i]))
            return 0;
    change_over(m, root, n);
    return 1;
}
