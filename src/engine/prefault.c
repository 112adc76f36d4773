/* Prefaulting a mapping: see prefault.h. */
#include "engine/prefault.h"

#include "base/checked.h"
#include "base/thread.h"

enum {
    PART = 16 << 20, /* the thread looks whether it should stop after each */
    HUGE_PAGE = 2 << 20,
    STACK = 64 << 10,
    BACKGROUND_MIN = 256 << 20 /* fewer bytes are prefaulted before anybody would notice */
};

static int parts_of(const struct arena *a) { return (int)((a->size + PART - 1) / PART); }

static void *prefault_later(void *arg)
{
    struct prefault *t = arg;
    int n = parts_of(&t->later);
    for (int i = 0; i < n && !atomic_load_explicit(&t->stop, memory_order_relaxed); i++)
        arena_prefault(&t->later, i, n);
    return NULL;
}

static void prefault_part(void *memory, int thread, int n_threads) { arena_prefault(memory, thread, n_threads); }

static struct arena range_of(const struct arena *mapping, uint64_t begin, uint64_t end)
{
    return (struct arena){.base = mapping->base + begin, .size = end - begin};
}

void prefault_begin(struct prefault *t, const struct arena *mapping, uint64_t later, struct pool *pool)
{
    /* in whole huge pages: the one on the border is prefaulted now */
    uint64_t border = later < BACKGROUND_MIN ? 0 : round_down(later < mapping->size ? later : mapping->size, HUGE_PAGE);
    struct arena now = range_of(mapping, border, mapping->size);
    pthread_attr_t attr;
    t->later = range_of(mapping, 0, border);
    pool_run(pool, prefault_part, &now);
    if (border == 0)
        return;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    t->running = thread_create(&t->thread, &attr, prefault_later, t) == 0;
    pthread_attr_destroy(&attr);
    if (!t->running)
        pool_run(pool, prefault_part, &t->later);
}

void prefault_end(struct prefault *t)
{
    atomic_store(&t->stop, 1);
    if (t->running)
        pthread_join(t->thread, NULL);
    t->running = 0;
}
