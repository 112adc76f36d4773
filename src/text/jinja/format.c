/* 'text %s' % values and 'text {}'.format(values): the plain forms; others are an error. The result is rebuilt: all of it has
 * the greatest origin inside. templates.md 7. */
#include "text/jinja/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum text_origin larger(enum text_origin a, enum text_origin b) { return a > b ? a : b; }

struct spec {
    int left, zero, plus, space;
    int64_t width, precision; /* -1: none */
};

/* Digits at *at. */
static int64_t read_width(struct jrun *r, const struct jstring *s, size_t *at)
{
    int64_t n = 0;
    while (*at < s->n && s->bytes[*at] >= '0' && s->bytes[*at] <= '9') {
        n = n * 10 + (s->bytes[(*at)++] - '0');
        if (n > 1000)
            jfail(r, JINJA_RUNTIME, "a field of more than 1000 characters");
    }
    return n;
}

static void pad(struct jbuffer *b, const char *text, size_t n, int64_t width, int left, char with)
{
    struct jstring s = {.bytes = text, .n = n};
    int64_t missing = width - (int64_t)jchars(b->run, &s);
    for (int64_t i = 0; !left && i < missing; i++)
        jbuffer_add(b, &with, 1, ORIGIN_TEMPLATE);
    jbuffer_add(b, text, n, ORIGIN_TEMPLATE);
    for (int64_t i = 0; left && i < missing; i++)
        jbuffer_word(b, " ");
}

static void put_text(struct jrun *r, struct jbuffer *b, struct jvalue v, int repr, const struct spec *f)
{
    struct jbuffer made = jbuffer_new(r);
    const struct jstring *s = NULL;
    if (repr) {
        jrepr(&made, v);
        s = jbuffer_done(&made);
    } else {
        s = jtext(r, v);
    }
    size_t n = f->precision >= 0 ? jchar_offset(r, s, (size_t)f->precision) : s->n;
    pad(b, s->bytes, n, f->width, f->left, ' ');
}

static void put_number(struct jrun *r, struct jbuffer *b, struct jvalue v, char kind, const struct spec *f)
{
    char text[500], form[16];
    int64_t i;
    jwork(r, 48 * JSTEP);
    const char *sign = f->plus ? "+" : f->space ? " " : "";
    if (!jis_number(v))
        jfail(r, JINJA_RUNTIME, "%%%c needs a number, not %s", kind, jtype_name(v));
    int precision = f->precision < 0 ? 6 : f->precision > 100 ? 100 : (int)f->precision;
    if (strchr("fFeEgG", kind)) {
        snprintf(form, sizeof form, "%%%s.*%c", sign, kind);
        snprintf(text, sizeof text, form, precision, jnumber_double(v));
    } else {
        if (!jis_integer(v, &i)) {
            double d = jnumber_double(v);
            if (kind != 'd' && kind != 'i' && kind != 'u')
                jfail(r, JINJA_RUNTIME, "%%%c needs an integer", kind);
            if (!(d > -0x1p63 && d < 0x1p63))
                jfail(r, JINJA_RUNTIME, "the number is beyond 64 bits");
            i = (int64_t)d;
        }
        uint64_t size = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
        char figures[70];
        snprintf(figures, sizeof figures,
                 kind == 'x'   ? "%" PRIx64
                 : kind == 'X' ? "%" PRIX64
                 : kind == 'o' ? "%" PRIo64
                               : "%" PRIu64,
                 size);
        snprintf(text, sizeof text, "%s%s", i < 0 ? "-" : sign, figures);
    }
    size_t n = strlen(text), signs = text[0] == '-' || text[0] == '+' || text[0] == ' ';
    if (f->zero && !f->left && (int64_t)n < f->width) {
        jbuffer_add(b, text, signs, ORIGIN_TEMPLATE);
        pad(b, text + signs, n - signs, f->width - (int64_t)signs, 0, '0');
    } else {
        pad(b, text, n, f->width, f->left, ' ');
    }
}

static struct spec read_spec(struct jrun *r, const struct jstring *s, size_t *at)
{
    struct spec f = {.precision = -1};
    for (; *at < s->n && strchr("-+ 0#", s->bytes[*at]) && s->bytes[*at]; ++*at) {
        f.left |= s->bytes[*at] == '-';
        f.plus |= s->bytes[*at] == '+';
        f.space |= s->bytes[*at] == ' ';
        f.zero |= s->bytes[*at] == '0';
        if (s->bytes[*at] == '#')
            jfail(r, JINJA_RUNTIME, "%%# is not supported");
    }
    f.width = read_width(r, s, at);
    if (*at < s->n && s->bytes[*at] == '.') {
        ++*at;
        f.precision = read_width(r, s, at);
    }
    return f;
}

const struct jstring *jformat_percent(struct jrun *r, const struct jstring *s, const struct jvalue *arg, size_t n)
{
    struct jbuffer b = jbuffer_new(r);
    enum text_origin most = jstring_greatest(r, s);
    size_t used = 0;
    for (size_t at = 0; at < s->n; at++) {
        if (s->bytes[at] != '%') {
            jbuffer_add(&b, s->bytes + at, 1, ORIGIN_TEMPLATE);
            continue;
        }
        at++;
        struct spec f = read_spec(r, s, &at);
        char kind = at < s->n ? s->bytes[at] : 0;
        if (kind == '%') {
            jbuffer_word(&b, "%");
            continue;
        }
        if (!kind || !strchr("srdiuxXofFeEgG", kind))
            jfail(r, JINJA_RUNTIME, "this form of %% formatting is not supported");
        if (used >= n)
            jfail(r, JINJA_RUNTIME, "more %% fields than the %zu values", n);
        struct jvalue v = arg[used++];
        most = larger(most, jgreatest(r, v));
        if (kind == 's' || kind == 'r')
            put_text(r, &b, v, kind == 'r', &f);
        else
            put_number(r, &b, v, kind, &f);
    }
    if (used < n)
        jfail(r, JINJA_RUNTIME, "%zu values for %zu %% fields", n, used);
    return jstring_safe(r, jstring_marked(r, jbuffer_done(&b), most), s->safe);
}

/* ---- str.format ---- */

/* {} {0} {name}: the value of the field [from, to). */
static struct jvalue field_value(struct jcall *c, const struct jstring *s, size_t from, size_t to, size_t *next)
{
    const struct jstring *name = jstring_view(c->run, s, from, to - from);
    size_t index = 0;
    if (name->n == 0) {
        index = (*next)++;
    } else if (name->bytes[0] >= '0' && name->bytes[0] <= '9') {
        size_t at = 0;
        index = (size_t)read_width(c->run, name, &at);
        if (at < name->n)
            jfail(c->run, JINJA_RUNTIME, "this field of format is not supported");
    } else {
        for (size_t i = 0; i < c->n_keyed; i++) {
            jwork(c->run, 1 + name->n / 64);
            if (jstring_equal(c->keyed[i].name, name))
                return c->keyed[i].value;
        }
        jfail(c->run, JINJA_RUNTIME, "format: no value '%s'", jstring_short(c->run, name));
    }
    if (index >= c->n)
        jfail(c->run, JINJA_RUNTIME, "format: no value %zu among %zu", index, c->n);
    return c->arg[index];
}

/* [fill]align width .precision type: < > and numbers f d s only. */
static void put_field(struct jrun *r, struct jbuffer *b, struct jvalue v, const struct jstring *how)
{
    struct spec f = {.precision = -1, .left = v.type == J_STRING};
    size_t at = 0;
    if (how->n && (how->bytes[0] == '<' || how->bytes[0] == '>')) {
        f.left = how->bytes[0] == '<';
        at++;
    }
    f.zero = at < how->n && how->bytes[at] == '0';
    f.width = read_width(r, how, &at);
    if (at < how->n && how->bytes[at] == '.') {
        at++;
        f.precision = read_width(r, how, &at);
    }
    char kind = at < how->n ? how->bytes[at++] : 's';
    if (at < how->n || !strchr("sdf", kind))
        jfail(r, JINJA_RUNTIME, "this form of format is not supported");
    if (kind == 's' && how->n && v.type != J_STRING)
        jfail(r, JINJA_RUNTIME, "format: a width without d or f is for texts");
    if (kind == 's')
        put_text(r, b, v, 0, &f);
    else
        put_number(r, b, v, kind, &f);
}

struct jvalue jmethod_format(struct jcall *c)
{
    const struct jstring *s = c->self.u.s;
    struct jbuffer b = jbuffer_new(c->run);
    enum text_origin most = jstring_greatest(c->run, s);
    size_t next = 0;
    for (size_t at = 0; at < s->n; at++) {
        char ch = s->bytes[at];
        if ((ch == '{' || ch == '}') && at + 1 < s->n && s->bytes[at + 1] == ch) {
            jbuffer_add(&b, &ch, 1, ORIGIN_TEMPLATE);
            at++;
            continue;
        }
        if (ch != '{' && ch != '}') {
            jbuffer_add(&b, &ch, 1, ORIGIN_TEMPLATE);
            continue;
        }
        const char *end = ch == '{' ? memchr(s->bytes + at, '}', s->n - at) : NULL;
        if (!end)
            jfail(c->run, JINJA_RUNTIME, "format: a brace without its other");
        size_t to = (size_t)(end - s->bytes);
        const char *colon = memchr(s->bytes + at, ':', to - at);
        size_t name_end = colon ? (size_t)(colon - s->bytes) : to;
        struct jvalue v = field_value(c, s, at + 1, name_end, &next);
        most = larger(most, jgreatest(c->run, v));
        put_field(c->run, &b, v, jstring_view(c->run, s, name_end + (colon != NULL), to - name_end - (colon != NULL)));
        at = to;
    }
    return jstr(jstring_safe(c->run, jstring_marked(c->run, jbuffer_done(&b), most), s->safe));
}
