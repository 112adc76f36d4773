/* Methods of lists and dicts. Those that change them are allowed on values of this rendering: append pop insert extend sort
 * update setdefault; the rest of Python's are refused. templates.md 1, 2. */
#include "text/jinja/tree.h"

#include <string.h>

/* ---- lists ---- */

static struct jlist *list(struct jcall *c) { return c->self.u.list; }

static struct jvalue list_append(struct jcall *c)
{
    jlist_add(c->run, list(c), c->arg[0]);
    return JNONE;
}

static struct jvalue list_extend(struct jcall *c)
{
    struct jlist *more = jlist_of(c->run, c->arg[0]); /* a copy: it may be this list */
    for (size_t i = 0; i < more->n; i++)
        jlist_add(c->run, list(c), more->item[i]);
    return JNONE;
}

static struct jvalue list_insert(struct jcall *c)
{
    int64_t n = (int64_t)list(c)->n, at = jarg_size(c, 0, 0);
    at = at < 0 ? (at + n < 0 ? 0 : at + n) : at > n ? n : at;
    jlist_insert(c->run, list(c), (size_t)at, c->arg[1]);
    return JNONE;
}

static struct jvalue list_pop(struct jcall *c)
{
    struct jlist *l = list(c);
    int64_t at = jarg_size(c, 0, -1);
    struct jvalue v = jlist_at(c->self, at);
    if (v.type == J_UNSET)
        jfail(c->run, JINJA_RUNTIME, "pop: there is no item %lld in a list of %zu", (long long)at, l->n);
    at = at < 0 ? at + (int64_t)l->n : at;
    l->n--;
    memmove(l->item + at, l->item + at + 1, (l->n - (size_t)at) * sizeof *l->item);
    jwork(c->run, l->n);
    return v;
}

static struct jvalue list_sort(struct jcall *c)
{
    if (c->arg[0].type != J_UNSET && c->arg[0].type != J_NONE)
        jfail(c->run, JINJA_RUNTIME, "sort with a key is not supported; the filter sort takes attribute=");
    jsort(c->run, list(c)->item, list(c)->item, list(c)->n, jarg_truth(c, 1, 0));
    return JNONE;
}

static struct jvalue list_index(struct jcall *c)
{
    for (size_t i = 0; i < list(c)->n; i++)
        if (jequal(c->run, list(c)->item[i], c->arg[0]))
            return jint((int64_t)i);
    jfail(c->run, JINJA_RUNTIME, "index: the value is not in the list");
}

static struct jvalue list_count(struct jcall *c)
{
    int64_t n = 0;
    for (size_t i = 0; i < list(c)->n; i++)
        n += jequal(c->run, list(c)->item[i], c->arg[0]);
    return jint(n);
}

static struct jvalue list_copy(struct jcall *c) { return jlistv(jlist_of(c->run, c->self)); }

static const struct jbuiltin list_methods[] = {
    {"append", list_append, "object", 1},
    {"pop", list_pop, "index", 0},
    {"extend", list_extend, "iterable", 1},
    {"insert", list_insert, "index object", 2},
    {"sort", list_sort, "key reverse", 0},
    {"index", list_index, "value", 1},
    {"count", list_count, "value", 1},
    {"copy", list_copy, "", 0},
    /* known to Python, refused in a sandbox */
    {"clear", NULL, NULL, 0},
    {"remove", NULL, NULL, 0},
    {"reverse", NULL, NULL, 0},
    {0},
};

const struct jbuiltin *jmethod_list(const struct jstring *name) { return jbuiltin_find(list_methods, name); }

const struct jbuiltin *jmethod_tuple(const struct jstring *name)
{
    return jstring_is(name, "count") || jstring_is(name, "index") ? jmethod_list(name) : NULL;
}

/* ---- dicts ---- */

static struct jdict *dict(struct jcall *c) { return c->self.u.dict; }

static struct jvalue dict_get(struct jcall *c)
{
    const struct jvalue *v = jdict_get(c->run, dict(c), c->arg[0]);
    return v ? *v : c->arg[1].type == J_UNSET ? JNONE : c->arg[1];
}

static struct jvalue view_of(struct jcall *c, int of)
{
    struct jview *v = jalloc(c->run, sizeof *v);
    v->dict = dict(c);
    v->of = of;
    return (struct jvalue){J_VIEW, {.view = v}};
}

static struct jvalue dict_keys(struct jcall *c) { return view_of(c, JVIEW_KEYS); }
static struct jvalue dict_values(struct jcall *c) { return view_of(c, JVIEW_VALUES); }
static struct jvalue dict_items(struct jcall *c) { return view_of(c, JVIEW_ITEMS); }

static void update(struct jrun *r, struct jdict *d, struct jvalue from)
{
    if (from.type == J_DICT || from.type == J_NAMESPACE) {
        for (size_t i = 0; i < from.u.dict->n; i++)
            jdict_set(r, d, from.u.dict->entry[i].key, from.u.dict->entry[i].value);
        return;
    }
    struct jwalk w = jwalk_begin(r, from);
    struct jvalue pair;
    while (jwalk_next(&w, &pair)) {
        struct jlist *l = jlist_of(r, pair);
        if (l->n != 2)
            jfail(r, JINJA_RUNTIME, "a dict is made of pairs, not of %zu values", l->n);
        jdict_set(r, d, l->item[0], l->item[1]);
    }
}

struct jvalue jmake_dict(struct jcall *c)
{
    struct jdict *d = jdict_new(c->run);
    if (c->n > 1)
        jfail(c->run, JINJA_RUNTIME, "%s takes one argument, and names", c->builtin->name);
    if (c->n)
        update(c->run, d, c->arg[0]);
    for (size_t i = 0; i < c->n_keyed; i++)
        jdict_set(c->run, d, jstr(c->keyed[i].name), c->keyed[i].value);
    return jdictv(d);
}

static struct jvalue dict_update(struct jcall *c)
{
    struct jvalue more = jmake_dict(c);
    update(c->run, dict(c), more);
    return JNONE;
}

static struct jvalue dict_setdefault(struct jcall *c)
{
    const struct jvalue *v = jdict_get(c->run, dict(c), c->arg[0]);
    struct jvalue value = v ? *v : c->arg[1].type == J_UNSET ? JNONE : c->arg[1];
    if (!v)
        jdict_set(c->run, dict(c), c->arg[0], value);
    return value;
}

static struct jvalue dict_pop(struct jcall *c)
{
    const struct jvalue *v = jdict_get(c->run, dict(c), c->arg[0]);
    if (!v && c->arg[1].type == J_UNSET)
        jfail(c->run, JINJA_RUNTIME, "pop: the key is not in the dict");
    struct jvalue value = v ? *v : c->arg[1];
    jdict_remove(c->run, dict(c), c->arg[0]);
    return value;
}

static struct jvalue dict_copy(struct jcall *c)
{
    struct jdict *d = jdict_new(c->run);
    update(c->run, d, c->self);
    return jdictv(d);
}

static struct jvalue dict_fromkeys(struct jcall *c)
{
    struct jdict *d = jdict_new(c->run);
    struct jwalk w = jwalk_begin(c->run, c->arg[0]);
    struct jvalue key;
    while (jwalk_next(&w, &key))
        jdict_set(c->run, d, key, c->arg[1].type == J_UNSET ? JNONE : c->arg[1]);
    return jdictv(d);
}

static const struct jbuiltin dict_methods[] = {
    {"get", dict_get, "key default", 1},
    {"items", dict_items, "", 0},
    {"keys", dict_keys, "", 0},
    {"values", dict_values, "", 0},
    {"update", dict_update, NULL, 0},
    {"setdefault", dict_setdefault, "key default", 1},
    {"pop", dict_pop, "key default", 1},
    {"copy", dict_copy, "", 0},
    {"fromkeys", dict_fromkeys, "iterable value", 1},
    /* known to Python, refused in a sandbox */
    {"clear", NULL, NULL, 0},
    {"popitem", NULL, NULL, 0},
    {0},
};

const struct jbuiltin *jmethod_dict(const struct jstring *name) { return jbuiltin_find(dict_methods, name); }
