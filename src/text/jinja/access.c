/* x.name, x[key], x[from:to:step]: as the sandbox of Jinja2 has it. x.name tries the method first, then the item; x['name'] the
 * item first. What is missing is undefined, of none too; of undefined it is an error. templates.md 3.3, 3.4, 3.9. */
#include "text/jinja/tree.h"

#include <stdlib.h>
#include <string.h>

static const char *owner_of(struct jrun *r, struct jvalue v)
{
    const char *name = jtype_name(v);
    char *text = jalloc(r, strlen(name) + 10);
    if (v.type == J_NONE)
        return "None";
    memcpy(text, name, strlen(name));
    memcpy(text + strlen(name), " object", 8);
    return text;
}

static struct jvalue missing(struct jrun *r, struct jvalue of, struct jvalue key)
{
    const struct jstring *name = key.type == J_STRING ? key.u.s : NULL;
    return jundefined(r, owner_of(r, of), name);
}

static struct jvalue method_of(struct jrun *r, struct jvalue self, const struct jbuiltin *b)
{
    struct jmethod *m = jalloc(r, sizeof *m);
    *m = (struct jmethod){self, b};
    return (struct jvalue){J_METHOD, {.method = m}};
}

/* What Python's numbers, ranges and the rest have as attributes, but not we: better an error than nothing. */
static int is_foreign(struct jvalue of, const struct jstring *name)
{
    static const char *const integer[] = {"imag",      "numerator", "denominator", "bit_length",       "bit_count",
                                          "conjugate", "to_bytes",  "from_bytes",  "as_integer_ratio", "is_integer",
                                          "hex",       "fromhex",   NULL};
    static const char *const range[] = {"start", "stop", "step", "count", "index", NULL};
    static const char *const lazy[] = {"send", "throw", "close", NULL}, *const view[] = {"mapping", "isdisjoint", NULL};
    static const char *const macro[] = {"arguments", "catch_kwargs", "catch_varargs", "caller", NULL};
    static const char *const cycler[] = {"next", "reset", "current", "items", "pos", "sep", "used", NULL},
                             *const none[] = {NULL};
    const char *const *names = jis_number(of)                               ? integer
                               : of.type == J_RANGE                         ? range
                               : of.type == J_LAZY                          ? lazy
                               : of.type == J_VIEW                          ? view
                               : of.type == J_MACRO                         ? macro
                               : of.type == J_CYCLER || of.type == J_JOINER ? cycler
                                                                            : none;
    for (; *names; names++)
        if (jstring_is(name, *names))
            return 1;
    return 0;
}

/* The attribute itself, without a look at items: J_UNSET where there is none. */
static struct jvalue attribute(struct jrun *r, struct jvalue of, const struct jstring *name)
{
    const struct jbuiltin *b = NULL;
    const struct jvalue *v;
    if (name->n > 0 && name->bytes[0] == '_')
        return JUNSET;
    switch (of.type) {
    case J_STRING:
        jwork(r, 3 * JSTEP); /* the longest table */
        b = jmethod_string(name);
        break;
    case J_LIST:
        b = jmethod_list(name);
        break;
    case J_TUPLE:
        b = jmethod_tuple(name);
        break;
    case J_DICT:
        b = jmethod_dict(name);
        break;
    case J_NAMESPACE:
        v = jdict_get(r, of.u.dict, jstr(name));
        return v ? *v : JUNSET;
    case J_LOOP:
        return jloop_attr(r, of.u.loop, name);
    case J_MACRO:
        if (jstring_is(name, "name"))
            return jstr(of.u.macro->def->name);
        break;
    default:
        if (jis_number(of) && jstring_is(name, "real"))
            return of;
        break;
    }
    if (b)
        return method_of(r, of, b);
    if (is_foreign(of, name))
        jfail(r, JINJA_RUNTIME, "the attribute '%s' of a %s is not supported", jstring_short(r, name), jtype_name(of));
    return JUNSET;
}

static struct jvalue range_at(const struct jrange *range, int64_t i)
{
    i = i < 0 ? i + range->n : i;
    return i >= 0 && i < range->n ? jint(range->start + i * range->step) : JUNSET;
}

static struct jvalue char_at(struct jrun *r, const struct jstring *s, int64_t i)
{
    if (i < 0)
        i += (int64_t)jchars(r, s);
    if (i < 0 || (uint64_t)i >= s->n)
        return JUNSET;
    size_t at = jchar_offset(r, s, (size_t)i);
    return at < s->n ? jstr(jstring_view(r, s, at, jchar_next(s, at) - at)) : JUNSET;
}

/* The item itself: J_UNSET where there is none. */
static struct jvalue item(struct jrun *r, struct jvalue of, struct jvalue key)
{
    int64_t i;
    const struct jvalue *v;
    if (of.type == J_DICT) {
        v = jhashable(r, key) ? jdict_get(r, of.u.dict, key) : NULL;
        return v ? *v : JUNSET;
    }
    if (!jis_integer(key, &i))
        return JUNSET;
    switch (of.type) {
    case J_LIST:
    case J_TUPLE:
        return jlist_at(of, i);
    case J_STRING:
        return char_at(r, of.u.s, i);
    case J_RANGE:
        return range_at(of.u.range, i);
    default:
        return JUNSET;
    }
}

struct jvalue jget_attr(struct jrun *r, struct jvalue of, const struct jstring *name)
{
    if (of.type == J_UNDEFINED)
        jfail_undefined(r, of);
    struct jvalue v = attribute(r, of, name);
    if (v.type == J_UNSET)
        v = item(r, of, jstr(name));
    return v.type == J_UNSET ? missing(r, of, jstr(name)) : v;
}

struct jvalue jget_item(struct jrun *r, struct jvalue of, struct jvalue key)
{
    if (of.type == J_UNDEFINED)
        jfail_undefined(r, of);
    struct jvalue v = item(r, of, key);
    if (v.type == J_UNSET && key.type == J_STRING)
        v = attribute(r, of, key.u.s);
    return v.type == J_UNSET ? missing(r, of, key) : v;
}

struct jvalue jget_path(struct jrun *r, struct jvalue of, struct jvalue path)
{
    if (path.type != J_STRING)
        return jget_item(r, of, path);
    const struct jstring *s = path.u.s;
    for (size_t from = 0; from <= s->n;) {
        jstep(r);
        const char *point = memchr(s->bytes + from, '.', s->n - from);
        size_t n = (point ? (size_t)(point - s->bytes) : s->n) - from;
        const struct jstring *name = jstring_view(r, s, from, n);
        int is_index = n > 0 && n < 10;
        for (size_t i = 0; i < n && is_index; i++)
            is_index = name->bytes[i] >= '0' && name->bytes[i] <= '9';
        char digits[10] = {0};
        memcpy(digits, name->bytes, is_index ? n : 0);
        of = jget_item(r, of, is_index ? jint(atoi(digits)) : jstr(name));
        from += n + 1;
    }
    return of;
}

/* ---- slices ---- */

/* As Python normalises them: the first index, the one that is not reached any more, and how many are taken. */
static int64_t bounds(int64_t n, const int64_t *from, const int64_t *to, int64_t step, int64_t *first, int64_t *last)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    int64_t a = from ? *from : step < 0 ? high : low, b = to ? *to : step < 0 ? low : high;
    if (from)
        a = a < 0 ? (a + n < low ? low : a + n) : a > high ? high : a;
    if (to)
        b = b < 0 ? (b + n < low ? low : b + n) : b > high ? high : b;
    *first = a;
    *last = b;
    if (step > 0)
        return b > a ? (b - a - 1) / step + 1 : 0;
    return a > b ? (a - b - 1) / -step + 1 : 0;
}

static const struct jstring *slice_string(struct jrun *r, const struct jstring *s, int64_t first, int64_t n,
                                          int64_t step)
{
    if (step == 1) {
        size_t from = jchar_offset(r, s, (size_t)first);
        struct jstring rest = {.bytes = s->bytes + from, .n = s->n - from};
        return jstring_view(r, s, from, jchar_offset(r, &rest, (size_t)n));
    }
    uint32_t *offset = jalloc_array(r, jchars(r, s) + 1, sizeof *offset);
    jwork(r, s->n / 2);
    size_t count = 0;
    for (size_t at = 0; at < s->n; at = jchar_next(s, at))
        offset[count++] = (uint32_t)at;
    struct jbuffer b = jbuffer_new(r);
    for (int64_t i = 0; i < n; i++) {
        size_t at = offset[first + i * step];
        struct jstring one = {.bytes = s->bytes + at, .n = jchar_next(s, at) - at, .origin = s->origin};
        one.mark = s->mark ? s->mark + at : NULL;
        jbuffer_string(&b, &one);
    }
    return jstring_safe(r, jbuffer_done(&b), s->safe);
}

static const int64_t *bound_of(struct jrun *r, struct jvalue v, int64_t *bound)
{
    if (v.type == J_NONE || v.type == J_UNSET)
        return NULL;
    if (!jis_integer(v, bound))
        jfail(r, JINJA_RUNTIME, "the bounds of a slice are integers, not %s", jtype_name(v));
    const int64_t most = INT64_C(1) << 40; /* so that sums stay in range */
    *bound = *bound > most ? most : *bound < -most ? -most : *bound;
    return bound;
}

struct jvalue jslice(struct jrun *r, struct jvalue of, struct jvalue from, struct jvalue to, struct jvalue step)
{
    int64_t bound[3], by = 1, first, last, n = jlength(r, of);
    if (of.type == J_UNDEFINED)
        jfail_undefined(r, of);
    if (of.type != J_STRING && of.type != J_LIST && of.type != J_TUPLE && of.type != J_RANGE)
        jfail(r, JINJA_RUNTIME, "a %s has no slices", jtype_name(of));
    const int64_t *a = bound_of(r, from, &bound[0]), *b = bound_of(r, to, &bound[1]), *s = bound_of(r, step, &bound[2]);
    by = s ? *s : 1;
    if (by == 0)
        jfail(r, JINJA_RUNTIME, "a slice cannot have the step 0");
    n = bounds(n, a, b, by, &first, &last);
    if (of.type == J_STRING)
        return jstr(slice_string(r, of.u.s, first, n, by));
    if (of.type == J_RANGE) {
        struct jrange *range = jalloc(r, sizeof *range);
        const struct jrange *old = of.u.range;
        *range = (struct jrange){.n = n};
        if (__builtin_mul_overflow(first, old->step, &range->start) ||
            __builtin_add_overflow(range->start, old->start, &range->start) ||
            __builtin_mul_overflow(last, old->step, &range->stop) ||
            __builtin_add_overflow(range->stop, old->start, &range->stop) ||
            __builtin_mul_overflow(old->step, by, &range->step))
            jfail(r, JINJA_RUNTIME, "the slice of the range is beyond 64 bits");
        return (struct jvalue){J_RANGE, {.range = range}};
    }
    struct jlist *l = jlist_new(r, (size_t)n);
    jwork(r, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        l->item[l->n++] = of.u.list->item[first + i * by];
    return of.type == J_LIST ? jlistv(l) : jtuplev(l);
}
