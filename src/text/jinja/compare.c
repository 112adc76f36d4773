/* Truth, equality, order, membership and sorting, as Python has them. templates.md 3.5, 3.10. */
#include "text/jinja/tree.h"

#include <string.h>

int jtruth(struct jvalue v)
{
    switch (v.type) {
    case J_UNSET:
    case J_UNDEFINED:
    case J_NONE:
        return 0;
    case J_BOOL:
    case J_INT:
        return v.u.i != 0;
    case J_FLOAT:
        return v.u.f != 0;
    case J_NUMBER:
        return v.u.number->is == JNUMBER_BIG || v.u.number->i != 0 || v.u.number->f != 0;
    case J_STRING:
        return v.u.s->n > 0;
    case J_LIST:
    case J_TUPLE:
        return v.u.list->n > 0;
    case J_DICT:
        return v.u.dict->n > 0;
    case J_RANGE:
        return v.u.range->n > 0;
    case J_VIEW:
        return v.u.view->dict->n > 0;
    default:
        return 1;
    }
}

static int equal_lists(struct jrun *r, const struct jlist *a, const struct jlist *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (!jequal(r, a->item[i], b->item[i]))
            return 0;
    return 1;
}

static int equal_dicts(struct jrun *r, const struct jdict *a, const struct jdict *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct jvalue *other = jdict_get(r, b, a->entry[i].key);
        if (!other || !jequal(r, a->entry[i].value, *other))
            return 0;
    }
    return 1;
}

static int equal_big(struct jrun *r, struct jvalue a, struct jvalue b)
{
    if (a.type == J_NUMBER)
        jwork(r, a.u.number->n / 64);
    return a.type == J_NUMBER && b.type == J_NUMBER && a.u.number->n == b.u.number->n &&
           memcmp(a.u.number->text, b.u.number->text, a.u.number->n) == 0;
}

static int equal_ranges(const struct jrange *a, const struct jrange *b)
{
    return a->n == b->n && (a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

int jequal(struct jrun *r, struct jvalue a, struct jvalue b)
{
    jwork(r, 2);
    if (jis_number(a) && jis_number(b)) {
        int big = (a.type == J_NUMBER && a.u.number->is == JNUMBER_BIG) ||
                  (b.type == J_NUMBER && b.u.number->is == JNUMBER_BIG);
        return big ? equal_big(r, a, b) : jnumber_compare(a, b) == 0;
    }
    if (a.type != b.type)
        return 0;
    switch (a.type) {
    case J_UNDEFINED:
    case J_NONE:
        return 1;
    case J_STRING:
        jwork(r, a.u.s->n / 64);
        return jstring_equal(a.u.s, b.u.s);
    case J_LIST:
    case J_TUPLE:
        jdeeper(r);
        return a.u.list == b.u.list || equal_lists(r, a.u.list, b.u.list);
    case J_DICT:
        jdeeper(r);
        return a.u.dict == b.u.dict || equal_dicts(r, a.u.dict, b.u.dict);
    case J_RANGE:
        return equal_ranges(a.u.range, b.u.range);
    case J_METHOD:
        return a.u.method->builtin == b.u.method->builtin && a.u.method->self.u.s == b.u.method->self.u.s;
    default:
        return a.u.list == b.u.list;
    }
}

static int order_strings(const struct jstring *a, const struct jstring *b)
{
    int c = memcmp(a->bytes, b->bytes, a->n < b->n ? a->n : b->n); /* UTF-8 sorts as code points do */
    return c ? (c < 0 ? -1 : 1) : a->n < b->n ? -1 : a->n > b->n;
}

static int order_lists(struct jrun *r, const struct jlist *a, const struct jlist *b, const char *operator_)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!jequal(r, a->item[i], b->item[i]))
            return jorder(r, a->item[i], b->item[i], operator_);
    return a->n < b->n ? -1 : a->n > b->n;
}

int jorder(struct jrun *r, struct jvalue a, struct jvalue b, const char *operator_)
{
    jwork(r, 2);
    if (jis_number(a) && jis_number(b))
        return jnumber_compare(a, b);
    if (a.type == J_STRING && b.type == J_STRING) {
        jwork(r, a.u.s->n / 64);
        return order_strings(a.u.s, b.u.s);
    }
    if (a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE)) {
        jdeeper(r);
        return order_lists(r, a.u.list, b.u.list, operator_);
    }
    if (a.type == J_UNDEFINED || b.type == J_UNDEFINED)
        jfail_undefined(r, a.type == J_UNDEFINED ? a : b);
    jfail(r, JINJA_RUNTIME, "%s %s %s: these have no order", jtype_name(a), operator_, jtype_name(b));
}

int jcontains(struct jrun *r, struct jvalue in, struct jvalue what)
{
    struct jvalue item;
    if (in.type == J_STRING) {
        if (what.type == J_UNDEFINED)
            jfail_undefined(r, what);
        if (what.type != J_STRING)
            jfail(r, JINJA_RUNTIME, "a %s cannot be looked for in a text", jtype_name(what));
        return jfind(r, in.u.s->bytes, in.u.s->n, what.u.s->bytes, what.u.s->n) != NULL;
    }
    if (in.type == J_DICT)
        return jdict_get(r, in.u.dict, what) != NULL;
    if (in.type == J_VIEW && in.u.view->of == JVIEW_KEYS)
        return jdict_get(r, in.u.view->dict, what) != NULL;
    if (!jiterable(in) || in.type == J_LOOP)
        jfail(r, JINJA_RUNTIME, "nothing can be looked for in a %s", jtype_name(in));
    struct jwalk w = jwalk_begin(r, in);
    while (jwalk_next(&w, &item)) {
        jwork(r, 1);
        if (jequal(r, item, what))
            return 1;
    }
    return 0;
}

struct jvalue jfolded(struct jrun *r, struct jvalue v)
{
    return v.type == J_STRING ? jstr(jrecase(r, v.u.s, JCASE_LOWER)) : v;
}

/* Bottom-up merge sort of indices; order by key, equal keys stay. */
void jsort(struct jrun *r, struct jvalue *item, const struct jvalue *key, size_t n, int reverse)
{
    uint32_t *from = jalloc_array(r, n + 1, sizeof *from), *to = jalloc_array(r, n + 1, sizeof *to), *swap;
    for (size_t i = 0; i < n; i++)
        from[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            size_t middle = begin + width < n ? begin + width : n, end = middle + width < n ? middle + width : n;
            size_t a = begin, b = middle;
            for (size_t at = begin; at < end; at++) {
                int right = a == middle;
                if (a < middle && b < end) {
                    int order = reverse ? jorder(r, key[from[a]], key[from[b]], "<")
                                        : jorder(r, key[from[b]], key[from[a]], "<");
                    right = order == -1;
                    jstep(r);
                }
                to[at] = from[right ? b++ : a++];
            }
        }
        swap = from;
        from = to;
        to = swap;
    }
    struct jvalue *sorted = jalloc_array(r, n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = item[from[i]];
    if (n)
        memcpy(item, sorted, n * sizeof *item);
}
