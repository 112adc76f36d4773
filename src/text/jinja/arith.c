/* Operators as Python has them: on 64-bit integers and doubles, + and * of texts and lists, % of a text. An integer beyond 64 bits is an
 * error. templates.md 3.5 to 3.7. */
#include "text/jinja/tree.h"

#include <math.h>
#include <string.h>

static _Noreturn void overflow(struct jrun *r) { jfail(r, JINJA_RUNTIME, "the result is an integer beyond 64 bits"); }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

static struct jvalue power(struct jrun *r, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    if (exponent < 0)
        return jfloat(pow((double)base, (double)exponent));
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            overflow(r);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base))
            overflow(r);
    }
    return jint(result);
}

static struct jvalue integers(struct jrun *r, enum joperator op, int64_t a, int64_t b)
{
    int64_t out = 0;
    int bad = 0;
    if ((op == JOP_DIV || op == JOP_FLOOR || op == JOP_MOD) && b == 0)
        jfail(r, JINJA_RUNTIME, "division by zero");
    if (op == JOP_POW && a == 0 && b < 0)
        jfail(r, JINJA_RUNTIME, "0 cannot be raised to a negative power");
    switch (op) {
    case JOP_ADD:
        bad = __builtin_add_overflow(a, b, &out);
        break;
    case JOP_SUB:
        bad = __builtin_sub_overflow(a, b, &out);
        break;
    case JOP_MUL:
        bad = __builtin_mul_overflow(a, b, &out);
        break;
    case JOP_DIV:
        return jfloat((double)a / (double)b);
    case JOP_FLOOR:
        if (b == -1)
            bad = __builtin_sub_overflow((int64_t)0, a, &out);
        else
            out = floor_div(a, b);
        break;
    case JOP_MOD:
        out = b == -1 ? 0 : a - b * floor_div(a, b);
        break;
    case JOP_POW:
        return power(r, a, b);
    }
    if (bad)
        overflow(r);
    return jint(out);
}

static struct jvalue floats(struct jrun *r, enum joperator op, double a, double b)
{
    if ((op == JOP_DIV || op == JOP_FLOOR || op == JOP_MOD) && b == 0)
        jfail(r, JINJA_RUNTIME, "division by zero");
    double rest;
    switch (op) {
    case JOP_ADD:
        return jfloat(a + b);
    case JOP_SUB:
        return jfloat(a - b);
    case JOP_MUL:
        return jfloat(a * b);
    case JOP_DIV:
        return jfloat(a / b);
    case JOP_POW:
        if ((a == 0 && b < 0) || (a < 0 && b != floor(b)))
            jfail(r, JINJA_RUNTIME, "%g cannot be raised to the power %g", a, b);
        return jfloat(pow(a, b));
    default:
        rest = fmod(a, b);
        if (rest != 0 && (rest < 0) != (b < 0))
            rest += b;
        if (op == JOP_MOD)
            return jfloat(rest == 0 ? copysign(0, b) : rest);
        return jfloat(round((a - rest) / b));
    }
}

/* A sequence n times. */
static struct jvalue repeated(struct jrun *r, struct jvalue v, int64_t n)
{
    size_t length = v.type == J_STRING ? v.u.s->n : v.u.list->n;
    n = n < 0 || length == 0 ? 0 : n;
    if (v.type == J_STRING) {
        struct jbuffer b = jbuffer_new(r);
        if ((uint64_t)n > r->string_limit / (length ? length : 1))
            jfail(r, JINJA_LIMIT, "a text repeated %lld times grows beyond %zu MiB", (long long)n,
                  r->string_limit >> 20);
        for (int64_t i = 0; i < n; i++)
            jbuffer_string(&b, v.u.s);
        return jstr(jstring_safe(r, jbuffer_done(&b), v.u.s->safe));
    }
    if ((uint64_t)n > (uint64_t)JLIST_MOST / (length ? length : 1))
        jfail(r, JINJA_LIMIT, "a list repeated %lld times grows beyond %d items", (long long)n, JLIST_MOST);
    struct jlist *l = jlist_new(r, (size_t)n * length);
    for (int64_t i = 0; i < n; i++) {
        memcpy(l->item + l->n, v.u.list->item, length * sizeof *l->item);
        l->n += length;
        jwork(r, length);
    }
    return v.type == J_LIST ? jlistv(l) : jtuplev(l);
}

static struct jvalue joined(struct jrun *r, struct jvalue a, struct jvalue b)
{
    struct jlist *l = jlist_new(r, a.u.list->n + b.u.list->n);
    for (size_t i = 0; i < a.u.list->n; i++)
        jlist_add(r, l, a.u.list->item[i]);
    for (size_t i = 0; i < b.u.list->n; i++)
        jlist_add(r, l, b.u.list->item[i]);
    jwork(r, l->n);
    return a.type == J_LIST ? jlistv(l) : jtuplev(l);
}

static int is_sequence(struct jvalue v) { return v.type == J_STRING || v.type == J_LIST || v.type == J_TUPLE; }

struct jvalue jarith(struct jrun *r, enum joperator op, struct jvalue a, struct jvalue b)
{
    static const char *const sign[] = {"+", "-", "*", "/", "//", "%", "**"};
    int64_t x, y;
    if (jis_integer(a, &x) && jis_integer(b, &y))
        return integers(r, op, x, y);
    if (jis_number(a) && jis_number(b))
        return floats(r, op, jnumber_double(a), jnumber_double(b));
    if (a.type == J_UNDEFINED)
        jfail_undefined(r, a);
    if (op == JOP_MOD && a.type == J_STRING && b.type == J_TUPLE)
        return jstr(jformat_percent(r, a.u.s, b.u.list->item, b.u.list->n));
    if (op == JOP_MOD && a.type == J_STRING)
        return jstr(jformat_percent(r, a.u.s, &b, 1));
    if (b.type == J_UNDEFINED)
        jfail_undefined(r, b);
    if (op == JOP_ADD && a.type == J_STRING && b.type == J_STRING)
        return jstr(jstring_concat(r, a.u.s, b.u.s));
    if (op == JOP_ADD && a.type == b.type && is_sequence(a))
        return joined(r, a, b);
    if (op == JOP_MUL && is_sequence(a) && jis_integer(b, &y))
        return repeated(r, a, y);
    if (op == JOP_MUL && is_sequence(b) && jis_integer(a, &x))
        return repeated(r, b, x);
    if (op == JOP_ADD && a.type == J_STRING)
        jfail(r, JINJA_RUNTIME, "a %s cannot be appended to a text with +; ~ or the filter string does that",
              jtype_name(b));
    jfail(r, JINJA_RUNTIME, "%s %s %s: not possible", jtype_name(a), sign[op], jtype_name(b));
}

struct jvalue jnegate(struct jrun *r, struct jvalue a)
{
    int64_t i, out;
    if (jis_integer(a, &i)) {
        if (__builtin_sub_overflow((int64_t)0, i, &out))
            overflow(r);
        return jint(out);
    }
    if (a.type == J_UNDEFINED)
        jfail_undefined(r, a);
    if (!jis_number(a))
        jfail(r, JINJA_RUNTIME, "- %s: not possible", jtype_name(a));
    return jfloat(-jnumber_double(a));
}
