/* Lists, dicts, and walking over whatever can be walked. See value.h.
 *
 * Dict keys follow Python: 1, 1.0 and true are one key. A small dict is searched front to back; beyond FEW entries an index of
 * hashes is kept. */
#include "base/hash.h"
#include "text/jinja/tree.h"

#include <math.h>
#include <string.h>

enum { FEW = 8 };

/* ---- lists ---- */

struct jlist *jlist_new(struct jrun *r, size_t cap)
{
    struct jlist *l = jalloc(r, sizeof *l);
    *l = (struct jlist){.cap = cap};
    l->item = cap ? jalloc_array(r, cap, sizeof *l->item) : NULL;
    return l;
}

void jlist_add(struct jrun *r, struct jlist *l, struct jvalue v)
{
    if (l->n == l->cap) {
        if (l->n >= JLIST_MOST)
            jfail(r, JINJA_LIMIT, "a list of the template grows beyond %d items", JLIST_MOST);
        size_t cap = l->cap ? 2 * l->cap : 4;
        struct jvalue *grown = jalloc_array(r, cap, sizeof *grown);
        if (l->n)
            memcpy(grown, l->item, l->n * sizeof *grown);
        jwork(r, l->n);
        l->item = grown;
        l->cap = cap;
    }
    l->item[l->n++] = v;
    jwork(r, 1);
}

void jlist_insert(struct jrun *r, struct jlist *l, size_t at, struct jvalue v)
{
    jlist_add(r, l, v);
    memmove(l->item + at + 1, l->item + at, (l->n - 1 - at) * sizeof *l->item);
    l->item[at] = v;
    jwork(r, l->n - at);
}

struct jvalue jpair(struct jrun *r, struct jvalue a, struct jvalue b)
{
    struct jlist *l = jlist_new(r, 2);
    l->item[0] = a;
    l->item[1] = b;
    l->n = 2;
    return jtuplev(l);
}

struct jvalue jlist_at(struct jvalue list, int64_t i)
{
    const struct jlist *l = list.u.list;
    int64_t n = (int64_t)l->n;
    i = i < 0 ? i + n : i;
    return i >= 0 && i < n ? l->item[i] : JUNSET;
}

/* ---- dicts ---- */

struct jdict *jdict_new(struct jrun *r) { return jalloc(r, sizeof(struct jdict)); }

int jhashable(struct jrun *r, struct jvalue v)
{
    if (v.type == J_TUPLE)
        jdeeper(r);
    if (v.type == J_LIST || v.type == J_DICT)
        return 0;
    for (size_t i = 0; v.type == J_TUPLE && i < v.u.list->n; i++)
        if (!jhashable(r, v.u.list->item[i]))
            return 0;
    return 1;
}

static uint64_t hash_of(struct jrun *r, struct jvalue v)
{
    int64_t i;
    if (v.type == J_STRING) {
        jwork(r, v.u.s->n / 16);
        return hash64(v.u.s->bytes, v.u.s->n, 1);
    }
    if (jis_number(v)) {
        double f = jis_integer(v, &i) ? (double)i : jnumber_double(v);
        return hash64(&f, sizeof f, 2);
    }
    uint64_t h = (uint64_t)v.type;
    if (v.type == J_TUPLE)
        jdeeper(r);
    for (size_t k = 0; v.type == J_TUPLE && k < v.u.list->n; k++)
        h = h * 1000003 + hash_of(r, v.u.list->item[k]);
    return h;
}

/* Index of an entry, or SIZE_MAX. */
static size_t find(struct jrun *r, const struct jdict *d, struct jvalue key, uint64_t hash)
{
    if (!d->slot) {
        for (size_t i = 0; i < d->n; i++)
            if (d->entry[i].hash == hash && jequal(r, d->entry[i].key, key))
                return i;
        return SIZE_MAX;
    }
    for (size_t at = hash & d->mask; d->slot[at]; at = (at + 1) & d->mask) {
        const struct jentry *e = &d->entry[d->slot[at] - 1];
        jwork(r, 1);
        if (e->hash == hash && jequal(r, e->key, key))
            return d->slot[at] - 1;
    }
    return SIZE_MAX;
}

static void index_entry(struct jdict *d, size_t i)
{
    size_t at = d->entry[i].hash & d->mask;
    while (d->slot[at])
        at = (at + 1) & d->mask;
    d->slot[at] = (uint32_t)i + 1;
}

static void index_all(struct jrun *r, struct jdict *d)
{
    size_t slots = 16;
    if (d->cap <= FEW)
        return;
    while (slots < 2 * d->cap)
        slots *= 2;
    if (!d->slot || slots != d->mask + 1)
        d->slot = jalloc_array(r, slots, sizeof *d->slot);
    else
        memset(d->slot, 0, slots * sizeof *d->slot);
    d->mask = slots - 1;
    for (size_t i = 0; i < d->n; i++)
        index_entry(d, i);
}

const struct jvalue *jdict_get(struct jrun *r, const struct jdict *d, struct jvalue key)
{
    if (!jhashable(r, key))
        jfail(r, JINJA_RUNTIME, "a %s cannot be a key of a dict", jtype_name(key));
    jwork(r, 4);
    size_t i = d->n ? find(r, d, key, hash_of(r, key)) : SIZE_MAX;
    return i == SIZE_MAX ? NULL : &d->entry[i].value;
}

const struct jvalue *jdict_find(struct jrun *r, const struct jdict *d, const char *key)
{
    struct jstring s = {.bytes = key, .n = strlen(key)};
    return jdict_get(r, d, jstr(&s));
}

void jdict_set(struct jrun *r, struct jdict *d, struct jvalue key, struct jvalue value)
{
    if (!jhashable(r, key))
        jfail(r, JINJA_RUNTIME, "a %s cannot be a key of a dict", jtype_name(key));
    jwork(r, 8);
    uint64_t hash = hash_of(r, key);
    size_t i = find(r, d, key, hash);
    if (i != SIZE_MAX) {
        d->entry[i].value = value;
        return;
    }
    if (d->n == d->cap) {
        if (d->n >= JLIST_MOST)
            jfail(r, JINJA_LIMIT, "a dict of the template grows beyond %d entries", JLIST_MOST);
        d->cap = d->cap ? 2 * d->cap : 4;
        struct jentry *grown = jalloc_array(r, d->cap, sizeof *grown);
        if (d->n)
            memcpy(grown, d->entry, d->n * sizeof *grown);
        jwork(r, 4 * d->n);
        d->entry = grown;
        index_all(r, d);
    }
    d->entry[d->n] = (struct jentry){key, value, hash};
    if (d->slot)
        index_entry(d, d->n);
    d->n++;
}

void jdict_put(struct jrun *r, struct jdict *d, const char *key, struct jvalue value)
{
    jdict_set(r, d, jstr(jstring_word(r, key)), value);
}

int jdict_remove(struct jrun *r, struct jdict *d, struct jvalue key)
{
    size_t i = jhashable(r, key) && d->n ? find(r, d, key, hash_of(r, key)) : SIZE_MAX;
    if (i == SIZE_MAX)
        return 0;
    d->n--;
    memmove(d->entry + i, d->entry + i + 1, (d->n - i) * sizeof *d->entry);
    jwork(r, 4 * d->n);
    if (d->slot)
        index_all(r, d);
    return 1;
}

/* ---- walks ---- */

int jiterable(struct jvalue v)
{
    switch (v.type) {
    case J_UNDEFINED:
    case J_STRING:
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
    case J_RANGE:
    case J_LAZY:
    case J_VIEW:
    case J_LOOP:
        return 1;
    default:
        return 0;
    }
}

int64_t jlength(struct jrun *r, struct jvalue v)
{
    switch (v.type) {
    case J_UNDEFINED:
        return 0;
    case J_STRING:
        return (int64_t)jchars(r, v.u.s);
    case J_LIST:
    case J_TUPLE:
        return (int64_t)v.u.list->n;
    case J_DICT:
        return (int64_t)v.u.dict->n;
    case J_RANGE:
        return v.u.range->n;
    case J_VIEW:
        return (int64_t)v.u.view->dict->n;
    default:
        return -1;
    }
}

struct jwalk jwalk_begin(struct jrun *r, struct jvalue over)
{
    if (!jiterable(over) || over.type == J_LOOP)
        jfail(r, JINJA_RUNTIME, "'%s' object is not iterable", jtype_name(over));
    struct jwalk w = {.run = r, .over = over};
    w.n = over.type == J_DICT ? over.u.dict->n : over.type == J_VIEW ? over.u.view->dict->n : 0;
    return w;
}

static int next_entry(struct jwalk *w, const struct jdict *d, int of, struct jvalue *item)
{
    if (d->n != w->n)
        jfail(w->run, JINJA_RUNTIME, "the dict changed while it was walked");
    if (w->at >= d->n)
        return 0;
    const struct jentry *e = &d->entry[w->at++];
    *item = of == JVIEW_KEYS ? e->key : of == JVIEW_VALUES ? e->value : jpair(w->run, e->key, e->value);
    return 1;
}

int jwalk_next(struct jwalk *w, struct jvalue *item)
{
    struct jvalue v = w->over;
    size_t next;
    switch (v.type) {
    case J_STRING:
        if (w->at >= v.u.s->n)
            return 0;
        next = jchar_next(v.u.s, w->at);
        *item = jstr(jstring_safe(w->run, jstring_view(w->run, v.u.s, w->at, next - w->at), 0));
        w->at = next;
        return 1;
    case J_LIST:
    case J_TUPLE:
        if (w->at >= v.u.list->n)
            return 0;
        *item = v.u.list->item[w->at++];
        return 1;
    case J_LAZY:
        if (v.u.list->walked >= v.u.list->n)
            return 0;
        *item = v.u.list->item[v.u.list->walked++];
        return 1;
    case J_DICT:
        return next_entry(w, v.u.dict, JVIEW_KEYS, item);
    case J_VIEW:
        return next_entry(w, v.u.view->dict, v.u.view->of, item);
    case J_RANGE:
        if ((int64_t)w->at >= v.u.range->n)
            return 0;
        *item = jint(v.u.range->start + (int64_t)w->at++ * v.u.range->step);
        return 1;
    default: /* undefined: nothing */
        return 0;
    }
}

struct jlist *jlist_of(struct jrun *r, struct jvalue v)
{
    int64_t n = v.type == J_STRING ? 0 : jlength(r, v);
    struct jwalk w = jwalk_begin(r, v);
    struct jlist *l = jlist_new(r, n > 0 ? (size_t)n : 0);
    struct jvalue item;
    while (jwalk_next(&w, &item)) {
        jlist_add(r, l, item);
        jwork(r, 1);
    }
    return l;
}
