/* Filters over lists, dicts and whatever can be walked. Those that Python computes lazily give a J_LAZY: to be walked once, no
 * length, no JSON. templates.md 2, 3.10 to 3.12, 3.16. */
#include "text/jinja/tree.h"

#include <string.h>

static struct jvalue filter_length(struct jcall *c)
{
    int64_t n = jlength(c->run, c->self);
    if (c->self.type == J_LOOP)
        return jint(jloop_length(c->run, c->self.u.loop));
    if (n < 0)
        jfail(c->run, JINJA_RUNTIME, "object of type '%s' has no length", jtype_name(c->self));
    return jint(n);
}

static struct jvalue filter_list(struct jcall *c) { return jlistv(jlist_of(c->run, c->self)); }

static struct jvalue filter_first(struct jcall *c)
{
    struct jwalk w = jwalk_begin(c->run, c->self);
    struct jvalue v;
    return jwalk_next(&w, &v) ? v : jundefined(c->run, NULL, jstring_word(c->run, "the first item of nothing"));
}

static struct jvalue filter_last(struct jcall *c)
{
    if (c->self.type == J_LAZY)
        jfail(c->run, JINJA_RUNTIME, "last needs a list; put the filter list before it");
    struct jlist *l = jlist_of(c->run, c->self);
    return l->n ? l->item[l->n - 1] : jundefined(c->run, NULL, jstring_word(c->run, "the last item of nothing"));
}

static struct jvalue filter_default(struct jcall *c)
{
    int absent = c->self.type == J_UNDEFINED || (jarg_truth(c, 1, 0) && !jtruth(c->self));
    if (!absent)
        return c->self;
    return c->n > 0 && c->arg[0].type != J_UNSET ? c->arg[0] : jstr(jstring_word(c->run, ""));
}

static struct jvalue filter_join(struct jcall *c)
{
    const struct jstring *between = c->arg[0].type == J_UNSET ? NULL : jtext(c->run, c->arg[0]);
    struct jwalk w = jwalk_begin(c->run, c->self);
    struct jbuffer b = jbuffer_new(c->run);
    struct jvalue v;
    for (int first = 1; jwalk_next(&w, &v); first = 0) {
        jstep(c->run);
        if (!first && between)
            jbuffer_string(&b, between);
        if (c->arg[1].type != J_UNSET)
            v = jget_path(c->run, v, c->arg[1]);
        jbuffer_string(&b, jtext(c->run, v));
    }
    return jstr(jbuffer_done(&b));
}

static struct jvalue filter_items(struct jcall *c)
{
    struct jlist *l = jlist_new(c->run, 0);
    if (c->self.type != J_UNDEFINED && c->self.type != J_DICT)
        jfail(c->run, JINJA_RUNTIME, "items needs a dict, not %s", jtype_name(c->self));
    for (size_t i = 0; c->self.type == J_DICT && i < c->self.u.dict->n; i++)
        jlist_add(c->run, l, jpair(c->run, c->self.u.dict->entry[i].key, c->self.u.dict->entry[i].value));
    return jlazyv(l);
}

/* ---- order ---- */

/* Sorted by key(item), which path may choose and which is compared without regard to case unless told otherwise. */
static void sort_list(struct jcall *c, struct jlist *l, struct jvalue path, int with_case, int reverse)
{
    struct jvalue *key = jalloc_array(c->run, l->n, sizeof *key);
    for (size_t i = 0; i < l->n; i++) {
        key[i] = path.type == J_UNSET || path.type == J_NONE ? l->item[i] : jget_path(c->run, l->item[i], path);
        if (!with_case)
            key[i] = jfolded(c->run, key[i]);
    }
    jsort(c->run, l->item, key, l->n, reverse);
}

/* Keys of attribute="a,b": lists, in which equal parts do not matter. */
static struct jvalue sort_key(struct jcall *c, struct jvalue item, struct jvalue paths, int with_case)
{
    struct jlist *key = jlist_new(c->run, 1);
    if (paths.type != J_STRING) {
        struct jvalue one = paths.type == J_UNSET || paths.type == J_NONE ? item : jget_path(c->run, item, paths);
        jlist_add(c->run, key, with_case ? one : jfolded(c->run, one));
        return jlistv(key);
    }
    const struct jstring *s = paths.u.s;
    for (size_t from = 0; from <= s->n;) {
        jstep(c->run);
        const char *comma = memchr(s->bytes + from, ',', s->n - from);
        size_t n = (comma ? (size_t)(comma - s->bytes) : s->n) - from;
        struct jvalue one = jget_path(c->run, item, jstr(jstring_view(c->run, s, from, n)));
        jlist_add(c->run, key, with_case ? one : jfolded(c->run, one));
        from += n + 1;
    }
    return jlistv(key);
}

static struct jvalue filter_sort(struct jcall *c)
{
    struct jlist *l = jlist_of(c->run, c->self);
    struct jvalue *key = jalloc_array(c->run, l->n, sizeof *key);
    for (size_t i = 0; i < l->n; i++)
        key[i] = sort_key(c, l->item[i], c->arg[2], jarg_truth(c, 1, 0));
    jsort(c->run, l->item, key, l->n, jarg_truth(c, 0, 0));
    return jlistv(l);
}

static struct jvalue filter_dictsort(struct jcall *c)
{
    struct jlist *l = jlist_new(c->run, 0);
    const struct jstring *by = jarg_string(c, 1);
    if (by && !jstring_is(by, "key") && !jstring_is(by, "value"))
        jfail(c->run, JINJA_RUNTIME, "dictsort sorts by key or by value");
    if (c->self.type == J_UNDEFINED)
        jfail_undefined(c->run, c->self);
    if (c->self.type != J_DICT)
        jfail(c->run, JINJA_RUNTIME, "dictsort needs a dict, not %s", jtype_name(c->self));
    const struct jdict *d = c->self.u.dict;
    for (size_t i = 0; i < d->n; i++)
        jlist_add(c->run, l, jpair(c->run, d->entry[i].key, d->entry[i].value));
    sort_list(c, l, jint(by && jstring_is(by, "value")), jarg_truth(c, 0, 0), jarg_truth(c, 2, 0));
    return jlistv(l);
}

static struct jvalue filter_reverse(struct jcall *c)
{
    if (c->self.type == J_STRING)
        return jslice(c->run, c->self, JUNSET, JUNSET, jint(-1));
    struct jlist *l = jlist_of(c->run, c->self);
    jwork(c->run, l->n);
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jvalue v = l->item[i];
        l->item[i] = l->item[l->n - 1 - i];
        l->item[l->n - 1 - i] = v;
    }
    return c->self.type == J_LAZY ? jlistv(l) : jlazyv(l);
}

static struct jvalue filter_unique(struct jcall *c)
{
    struct jlist *all = jlist_of(c->run, c->self), *l = jlist_new(c->run, 0);
    struct jdict *seen = jdict_new(c->run);
    int with_case = jarg_truth(c, 0, 0);
    for (size_t i = 0; i < all->n; i++) {
        struct jvalue key = c->arg[1].type == J_UNSET ? all->item[i] : jget_path(c->run, all->item[i], c->arg[1]);
        key = with_case ? key : jfolded(c->run, key);
        jstep(c->run);
        if (jdict_get(c->run, seen, key))
            continue;
        jdict_set(c->run, seen, key, JNONE);
        jlist_add(c->run, l, all->item[i]);
    }
    return jlazyv(l);
}

static struct jvalue extreme(struct jcall *c, int sign)
{
    struct jwalk w = jwalk_begin(c->run, c->self);
    struct jvalue v, best = JUNSET, best_key = JUNSET;
    while (jwalk_next(&w, &v)) {
        struct jvalue key = c->arg[1].type == J_UNSET ? v : jget_path(c->run, v, c->arg[1]);
        key = jarg_truth(c, 0, 0) ? key : jfolded(c->run, key);
        jstep(c->run);
        if (best.type == J_UNSET || jorder(c->run, key, best_key, "<") == sign) {
            best = v;
            best_key = key;
        }
    }
    return best.type != J_UNSET ? best : jundefined(c->run, NULL, jstring_word(c->run, "an item of nothing"));
}

static struct jvalue filter_min(struct jcall *c) { return extreme(c, -1); }
static struct jvalue filter_max(struct jcall *c) { return extreme(c, 1); }

static struct jvalue filter_sum(struct jcall *c)
{
    struct jwalk w = jwalk_begin(c->run, c->self);
    struct jvalue v, sum = c->arg[1].type == J_UNSET ? jint(0) : c->arg[1];
    while (jwalk_next(&w, &v)) {
        jstep(c->run);
        sum = jarith(c->run, JOP_ADD, sum, c->arg[0].type == J_UNSET ? v : jget_path(c->run, v, c->arg[0]));
    }
    return sum;
}

static struct jvalue filter_groupby(struct jcall *c)
{
    struct jlist *all = jlist_of(c->run, c->self), *groups = jlist_new(c->run, 0), *group = NULL;
    struct jvalue last = JUNSET;
    sort_list(c, all, c->arg[0], jarg_truth(c, 1, 0), 0);
    for (size_t i = 0; i < all->n; i++) {
        struct jvalue key = jget_path(c->run, all->item[i], c->arg[0]);
        struct jvalue folded = jarg_truth(c, 1, 0) ? key : jfolded(c->run, key);
        if (!group || !jequal(c->run, last, folded)) {
            group = jlist_new(c->run, 0);
            jlist_add(c->run, groups, jpair(c->run, key, jlistv(group)));
        }
        jlist_add(c->run, group, all->item[i]);
        last = folded;
    }
    return jlistv(groups);
}

/* ---- parts ---- */

static struct jvalue filter_batch(struct jcall *c)
{
    struct jlist *all = jlist_of(c->run, c->self), *rows = jlist_new(c->run, 0), *row = NULL;
    int64_t width = jarg_size(c, 0, 1);
    if (width < 1 || width > JLIST_MOST)
        jfail(c->run, JINJA_RUNTIME, "batch makes lists of 1 to %d items, not of %lld", JLIST_MOST, (long long)width);
    for (size_t i = 0; i < all->n; i++) {
        if (!row || row->n == (size_t)width) {
            row = jlist_new(c->run, 0);
            jlist_add(c->run, rows, jlistv(row));
        }
        jlist_add(c->run, row, all->item[i]);
    }
    while (row && c->arg[1].type != J_UNSET && c->arg[1].type != J_NONE && row->n < (size_t)width)
        jlist_add(c->run, row, c->arg[1]);
    return jlazyv(rows);
}

static struct jvalue filter_slice(struct jcall *c)
{
    struct jlist *all = jlist_of(c->run, c->self), *rows = jlist_new(c->run, 0);
    int64_t n = jarg_size(c, 0, 1);
    if (n < 1 || n > JLIST_MOST)
        jfail(c->run, JINJA_RUNTIME, "slice makes 1 to %d lists, not %lld", JLIST_MOST, (long long)n);
    size_t each = all->n / (size_t)n, longer = all->n % (size_t)n, at = 0;
    for (size_t i = 0; i < (size_t)n; i++) {
        struct jlist *row = jlist_new(c->run, 0);
        for (size_t k = 0; k < each + (i < longer); k++)
            jlist_add(c->run, row, all->item[at++]);
        if (c->arg[1].type != J_UNSET && c->arg[1].type != J_NONE && i >= longer)
            jlist_add(c->run, row, c->arg[1]);
        jlist_add(c->run, rows, jlistv(row));
        jstep(c->run);
    }
    return jlazyv(rows);
}

/* ---- filters and tests over items ---- */

static struct jvalue keyword(const struct jcall *c, const char *name)
{
    for (size_t i = 0; i < c->n_keyed; i++) {
        jwork(c->run, 1);
        if (jstring_is(c->keyed[i].name, name))
            return c->keyed[i].value;
    }
    return JUNSET;
}

/* map(attribute='name', default=x) or map('filter', arguments) */
static struct jvalue filter_map(struct jcall *c)
{
    struct jvalue path = keyword(c, "attribute"), fallback = keyword(c, "default"), v;
    struct jlist *l = jlist_new(c->run, 0);
    const struct jbuiltin *b = NULL;
    if (!jtruth(c->self)) /* none too */
        return jlazyv(l);
    struct jwalk w = jwalk_begin(c->run, c->self);
    if (path.type == J_UNSET) {
        const struct jstring *name = jarg_string(c, 0);
        b = name ? jfilter_find(name) : NULL;
        if (!b)
            jfail(c->run, JINJA_RUNTIME, name ? "map: there is no filter '%s'" : "map needs a filter or attribute=%s",
                  name ? jstring_short(c->run, name) : "");
    }
    while (jwalk_next(&w, &v)) {
        jstep(c->run);
        if (b)
            v = jbuiltin_call(c->run, b, v, c->arg + 1, c->n - 1, c->keyed, c->n_keyed);
        else
            v = jget_path(c->run, v, path);
        if (!b && v.type == J_UNDEFINED && fallback.type != J_UNSET)
            v = fallback;
        jlist_add(c->run, l, v);
    }
    return jlazyv(l);
}

/* Those whose truth, or the answer of whose test, is wanted; of the attribute that arg[0] names when by_path. */
static struct jvalue choose(struct jcall *c, int by_path, int expected)
{
    struct jlist *l = jlist_new(c->run, 0);
    size_t first = (size_t)by_path;
    const struct jbuiltin *b = NULL;
    struct jvalue item;
    if (!jtruth(c->self)) /* none too */
        return jlazyv(l);
    struct jwalk w = jwalk_begin(c->run, c->self);
    if (c->n < first)
        jfail(c->run, JINJA_RUNTIME, "%s needs the name of an attribute", c->builtin->name);
    if (c->n > first) {
        const struct jstring *name = jarg_string(c, first);
        b = jtest_find(name);
        if (!b)
            jfail(c->run, JINJA_RUNTIME, "there is no test '%s'", jstring_short(c->run, name));
    }
    while (jwalk_next(&w, &item)) {
        jstep(c->run);
        struct jvalue v = by_path ? jget_path(c->run, item, c->arg[0]) : item;
        if (b)
            v = jbuiltin_call(c->run, b, v, c->arg + first + 1, c->n - first - 1, c->keyed, c->n_keyed);
        if (jtruth(v) == expected)
            jlist_add(c->run, l, item);
    }
    return jlazyv(l);
}

static struct jvalue filter_select(struct jcall *c) { return choose(c, 0, 1); }
static struct jvalue filter_reject(struct jcall *c) { return choose(c, 0, 0); }
static struct jvalue filter_selectattr(struct jcall *c) { return choose(c, 1, 1); }
static struct jvalue filter_rejectattr(struct jcall *c) { return choose(c, 1, 0); }

/* The attribute only, not the item of a dict. */
static struct jvalue filter_attr(struct jcall *c)
{
    const struct jstring *name = jarg_string(c, 0);
    if (c->self.type == J_UNDEFINED)
        jfail_undefined(c->run, c->self);
    if (c->self.type == J_DICT && !jmethod_dict(name))
        return jundefined(c->run, "dict object", name);
    return jget_attr(c->run, c->self, name);
}

const struct jbuiltin jfilter_sequence[] = {
    {"length", filter_length, "", 0},
    {"count", filter_length, "", 0},
    {"list", filter_list, "", 0},
    {"first", filter_first, "", 0},
    {"last", filter_last, "", 0},
    {"default", filter_default, "default_value boolean", 0},
    {"d", filter_default, "default_value boolean", 0},
    {"join", filter_join, "d attribute", 0},
    {"items", filter_items, "", 0},
    {"sort", filter_sort, "reverse case_sensitive attribute", 0},
    {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
    {"reverse", filter_reverse, "", 0},
    {"unique", filter_unique, "case_sensitive attribute", 0},
    {"min", filter_min, "case_sensitive attribute", 0},
    {"max", filter_max, "case_sensitive attribute", 0},
    {"sum", filter_sum, "attribute start", 0},
    {"groupby", filter_groupby, "attribute case_sensitive", 1},
    {"batch", filter_batch, "linecount fill_with", 1},
    {"slice", filter_slice, "slices fill_with", 1},
    {"map", filter_map, NULL, 0},
    {"select", filter_select, NULL, 0},
    {"reject", filter_reject, NULL, 0},
    {"selectattr", filter_selectattr, NULL, 0},
    {"rejectattr", filter_rejectattr, NULL, 0},
    {"attr", filter_attr, "name", 1},
    {0},
};
