/* Lists, dicts, and walking over whatever can be walked. See value.h.
 *
 * Dict keys follow Python: 1, 1.0 and true are one key. A small dict is searched front to back; beyond FEW entries an index of
 * hashes is kept. A template can choose keys of one hash, so every entry that is looked at counts as work. */
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
    for (size_t i = 0; v.type == J_TUPLE && i < v.u.list->n; i++) {
        jwork(r, 1);
        if (!jhashable(r, v.u.list->item[i]))
            return 0;
    }
    return 1;
}

static uint64_t hash_number(struct jrun *r, struct jvalue v)
{
    int64_t i;
    if (v.type == J_NUMBER && v.u.number->is == JNUMBER_BIG) { /* equal to the same spelling only */
        jwork(r, v.u.number->n / 16);
        return hash64(v.u.number->text, v.u.number->n, 3);
    }
    double f = jnumber_double(v) + 0.0;                         /* -0.0 is 0.0 */
    if (jis_integer(v, &i) && (f >= 0x1p63 || (int64_t)f != i)) /* no double is equal to it */
        return hash64(&i, sizeof i, 4);
    return hash64(&f, sizeof f, 2);
}

/* What is equal to itself alone, such as a macro, has one hash for its type: by the address a template would end at another step each
 * time. */
static uint64_t hash_of(struct jrun *r, struct jvalue v)
{
    jwork(r, 2);
    if (v.type == J_STRING) {
        jwork(r, v.u.s->n / 16);
        return hash64(v.u.s->bytes, v.u.s->n, 1);
    }
    if (jis_number(v))
        return hash_number(r, v);
    if (v.type == J_RANGE) {
        const struct jrange *range = v.u.range;
        int64_t parts[] = {range->n, range->n > 0 ? range->start : 0, range->n > 1 ? range->step : 0};
        return hash64(parts, sizeof parts, 5);
    }
    if (v.type == J_FUNCTION)
        return hash64(v.u.function->name, strlen(v.u.function->name), 6);
    if (v.type == J_METHOD)
        return hash64(v.u.method->builtin->name, strlen(v.u.method->builtin->name), 7);
    uint64_t h = (uint64_t)v.type;
    if (v.type == J_TUPLE)
        jdeeper(r);
    for (size_t k = 0; v.type == J_TUPLE && k < v.u.list->n; k++)
        h = h * 1000003 + hash_of(r, v.u.list->item[k]);
    return h;
}

/* Index of an entry, or SIZE_MAX; of an indexed dict its slot too. */
static size_t find_at(struct jrun *r, const struct jdict *d, struct jvalue key, uint64_t hash, size_t *slot)
{
    if (!d->slot) {
        jwork(r, d->n);
        for (size_t i = 0; i < d->n; i++)
            if (d->entry[i].hash == hash && jequal(r, d->entry[i].key, key))
                return i;
        return SIZE_MAX;
    }
    for (size_t at = hash & d->mask; d->slot[at]; at = (at + 1) & d->mask) {
        const struct jentry *e = &d->entry[d->slot[at] - 1];
        jwork(r, 2);
        if (e->hash == hash && jequal(r, e->key, key)) {
            *slot = at;
            return d->slot[at] - 1;
        }
    }
    return SIZE_MAX;
}

static size_t find(struct jrun *r, const struct jdict *d, struct jvalue key, uint64_t hash)
{
    size_t slot;
    return find_at(r, d, key, hash, &slot);
}

static void index_entry(struct jrun *r, struct jdict *d, size_t i)
{
    size_t at = d->entry[i].hash & d->mask;
    for (; d->slot[at]; at = (at + 1) & d->mask)
        jwork(r, 1);
    d->slot[at] = (uint32_t)i + 1;
}

/* After it has grown. */
static void index_all(struct jrun *r, struct jdict *d)
{
    size_t slots = 16;
    if (d->cap <= FEW)
        return;
    while (slots < 2 * d->cap)
        slots *= 2;
    d->slot = jalloc_array(r, slots, sizeof *d->slot);
    d->mask = slots - 1;
    for (size_t i = 0; i < d->n; i++)
        index_entry(r, d, i);
}

/* The slot is emptied: those behind it, up to the next empty one, move where a search still finds them. */
static void empty_slot(struct jrun *r, struct jdict *d, size_t slot)
{
    for (size_t at = (slot + 1) & d->mask; d->slot[at]; at = (at + 1) & d->mask) {
        size_t first = d->entry[d->slot[at] - 1].hash & d->mask;
        jwork(r, 2);
        if (((at - first) & d->mask) < ((at - slot) & d->mask)) /* its search begins behind the empty one */
            continue;
        d->slot[slot] = d->slot[at];
        slot = at;
    }
    d->slot[slot] = 0;
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
        index_entry(r, d, d->n);
    d->n++;
}

void jdict_put(struct jrun *r, struct jdict *d, const char *key, struct jvalue value)
{
    jdict_set(r, d, jstr(jstring_word(r, key)), value);
}

int jdict_remove(struct jrun *r, struct jdict *d, struct jvalue key)
{
    size_t slot = 0, i = jhashable(r, key) && d->n ? find_at(r, d, key, hash_of(r, key), &slot) : SIZE_MAX;
    if (i == SIZE_MAX)
        return 0;
    if (d->slot)
        empty_slot(r, d, slot);
    d->n--;
    if (i == d->n)
        return 1;
    memmove(d->entry + i, d->entry + i + 1, (d->n - i) * sizeof *d->entry);
    jwork(r, 4 * (d->n - i));
    for (size_t k = 0; d->slot && k <= d->mask; k++) /* those behind it are one entry nearer */
        d->slot[k] -= (uint32_t)(d->slot[k] > i + 1);
    jwork(r, d->slot ? d->mask / 4 : 0);
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
