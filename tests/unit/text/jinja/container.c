/* links: text base */
/* Dicts against a list of pairs that is searched front to back: the same entries in the same order, whatever is put in and taken out. */
#include "text/jinja/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 300, OPERATIONS = 60000 };

struct naive {
    int n, key[KEYS], value[KEYS];
};

static int place(const struct naive *w, int key)
{
    for (int i = 0; i < w->n; i++)
        if (w->key[i] == key)
            return i;
    return -1;
}

static void naive_set(struct naive *w, int key, int value)
{
    int i = place(w, key);
    if (i < 0)
        w->key[i = w->n++] = key;
    w->value[i] = value;
}

static int naive_remove(struct naive *w, int key)
{
    int i = place(w, key);
    if (i < 0)
        return 0;
    w->n--;
    memmove(w->key + i, w->key + i + 1, (size_t)(w->n - i) * sizeof *w->key);
    memmove(w->value + i, w->value + i + 1, (size_t)(w->n - i) * sizeof *w->value);
    return 1;
}

static uint32_t next(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

struct task {
    int alike; /* so many of the keys have one hash */
};

/* Removals are as many as insertions, with stretches of more of the one and of the other. */
static int compare(struct jrun *r, void *arg)
{
    const struct task *t = arg;
    static struct jvalue key[KEYS];
    static struct naive w;
    uint32_t random = 1;
    struct jdict *d = jdict_new(r);
    w.n = 0;
    for (int i = 0; i < KEYS; i++)
        key[i] = i < t->alike ? (struct jvalue){J_NAMESPACE, {.dict = jdict_new(r)}} : jint(i * 37);
    for (int i = 0; i < OPERATIONS; i++) {
        int k = (int)(next(&random) >> 16) % KEYS, removes = (int)(next(&random) >> 16) % 8 < (i / 2000 % 2 ? 6 : 2);
        if (removes)
            assert_int_equal(jdict_remove(r, d, key[k]), naive_remove(&w, k));
        else
            jdict_set(r, d, key[k], jint(i));
        if (!removes)
            naive_set(&w, k, i);
        assert_int_equal(d->n, w.n);
        for (int e = 0; i % 97 == 0 && e < w.n; e++) {
            assert_ptr_equal(d->entry[e].key.u.dict, key[w.key[e]].u.dict);
            assert_int_equal(d->entry[e].value.u.i, w.value[e]);
        }
        for (int e = 0; i % 97 == 0 && e < KEYS; e++) {
            int at = place(&w, e);
            const struct jvalue *found = jdict_get(r, d, key[e]);
            assert_int_equal(found != NULL, at >= 0);
            if (found)
                assert_int_equal(found->u.i, w.value[at]);
        }
    }
    return 0;
}

static void test_dict(void **state)
{
    (void)state;
    static struct task tasks[] = {{0}, {6}, {KEYS / 4}, {KEYS}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        struct arena arena;
        struct jinja_error e;
        struct jrun r;
        arena_init_growing(&arena);
        jrun_begin(&r, &arena, 0, &e);
        r.work_limit = UINT64_MAX;
        if (jrun_protect(&r, compare, &tasks[i]) != 0)
            fail_msg("%s", e.text);
        arena_free(&arena);
    }
}

/* Work of looking for what is not there, in a dict of n entries. */
static int lookup(struct jrun *r, void *arg)
{
    int64_t n = *(const int64_t *)arg;
    struct jdict *d = jdict_new(r);
    for (int64_t i = 0; i < n; i++)
        jdict_set(r, d, jint(i), jint(i));
    uint64_t before = r->work;
    assert_null(jdict_get(r, d, jint(n)));
    return (int)(r->work - before);
}

/* Whether their hashes differ or not. */
static void test_every_entry_counts(void **state)
{
    (void)state;
    int64_t few[] = {1, 8};
    int work[2];
    for (size_t i = 0; i < 2; i++) {
        struct arena arena;
        struct jinja_error e;
        struct jrun r;
        arena_init_growing(&arena);
        jrun_begin(&r, &arena, 0, &e);
        work[i] = jrun_protect(&r, lookup, &few[i]);
        arena_free(&arena);
    }
    assert_true(work[0] > 0);
    assert_true(work[1] >= work[0] + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dict), cmocka_unit_test(test_every_entry_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
