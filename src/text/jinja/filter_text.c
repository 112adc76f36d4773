/* Filters that make texts and numbers. templates.md 1 (tojson, from_json), 2, 3.13. */
#include "text/jinja/tree.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static void take_separators(struct jcall *c, struct jjson *how, struct jvalue pair)
{
    if (pair.type != J_TUPLE && pair.type != J_LIST)
        jfail(c->run, JINJA_RUNTIME, "separators are a pair of texts");
    const struct jlist *l = pair.u.list;
    if (l->n != 2 || l->item[0].type != J_STRING || l->item[1].type != J_STRING)
        jfail(c->run, JINJA_RUNTIME, "separators are a pair of texts");
    how->item_separator = l->item[0].u.s;
    how->key_separator = l->item[1].u.s;
}

static struct jvalue filter_tojson(struct jcall *c)
{
    struct jjson how = jjson_plain;
    struct jvalue indent = c->arg[1];
    how.ascii = jarg_truth(c, 0, 0);
    how.sort_keys = jarg_truth(c, 3, 0);
    if (indent.type == J_STRING) {
        how.indent = 0;
        how.indent_text = indent.u.s;
    } else if (indent.type != J_UNSET && indent.type != J_NONE) {
        int64_t n = jarg_size(c, 1, 0);
        how.indent = n < 0 ? 0 : n > 1024 ? 1024 : (int)n;
    }
    if (how.indent >= 0)
        how.item_separator = jstring_word(c->run, ",");
    if (c->arg[2].type != J_UNSET && c->arg[2].type != J_NONE)
        take_separators(c, &how, c->arg[2]);
    return jstr(jjson_write(c->run, c->self, &how));
}

static struct jvalue filter_from_json(struct jcall *c)
{
    const struct jstring *s = jself_string(c);
    const char *problem;
    size_t where;
    struct jvalue v = jjson_parse(c->run, s->bytes, s->n, jstring_greatest(c->run, s), &problem, &where);
    if (problem)
        jfail(c->run, JINJA_RUNTIME, "the text is not JSON: %s at byte %zu", problem, where);
    return v;
}

/* ---- safe ---- */

static struct jvalue filter_safe(struct jcall *c) { return jstr(jstring_safe(c->run, jself_string(c), 1)); }
static struct jvalue filter_escape(struct jcall *c) { return jstr(jstring_escape(c->run, jself_string(c))); }

static struct jvalue filter_forceescape(struct jcall *c)
{
    return jstr(jstring_escape(c->run, jstring_safe(c->run, jself_string(c), 0)));
}

/* ---- text ---- */

static struct jvalue filter_string(struct jcall *c) { return jstr(jself_string(c)); }
static struct jvalue filter_upper(struct jcall *c) { return jstr(jrecase(c->run, jself_string(c), JCASE_UPPER)); }
static struct jvalue filter_lower(struct jcall *c) { return jstr(jrecase(c->run, jself_string(c), JCASE_LOWER)); }
static struct jvalue filter_capitalize(struct jcall *c)
{
    return jstr(jrecase(c->run, jself_string(c), JCASE_CAPITAL));
}

/* Jinja's title: a word begins behind white space and - ( { [ < only. */
static struct jvalue filter_title(struct jcall *c)
{
    const struct jstring *s = jself_string(c);
    struct jbuffer b = jbuffer_new(c->run);
    for (size_t at = 0, end, length; at < s->n; at = end) {
        uint32_t code = jchar_code(s, at, &length);
        int border = jspace(code) || (code && code < 128 && strchr("-({[<", (int)code));
        for (end = at + length; end < s->n; end += length) {
            code = jchar_code(s, end, &length);
            if ((jspace(code) || (code && code < 128 && strchr("-({[<", (int)code))) != border)
                break;
        }
        size_t first = jchar_next(s, at) - at;
        jwork(c->run, 2 * (end - at) + 2 * JSTEP);
        jbuffer_string(&b, jrecase(c->run, jstring_view(c->run, s, at, first), JCASE_UPPER));
        jbuffer_string(&b, jrecase(c->run, jstring_view(c->run, s, at + first, end - at - first), JCASE_LOWER));
    }
    return jstr(jstring_safe(c->run, jbuffer_done(&b), 0));
}

static struct jvalue filter_trim(struct jcall *c)
{
    const struct jstring *set = c->arg[0].type == J_NONE ? NULL : jarg_string(c, 0);
    return jstr(jstrip(c->run, jself_string(c), set, 1, 1));
}

static struct jvalue filter_replace(struct jcall *c)
{
    const struct jstring *s = jself_string(c), *from = jtext(c->run, c->arg[0]), *to = jtext(c->run, c->arg[1]);
    int64_t most = c->arg[2].type == J_NONE ? -1 : jarg_size(c, 2, -1);
    return jstr(jreplace(c->run, s, from, to, most));
}

static struct jvalue filter_indent(struct jcall *c)
{
    if (c->self.type != J_STRING)
        jfail(c->run, JINJA_RUNTIME, "indent needs a text, not %s", jtype_name(c->self));
    const struct jstring *s = c->self.u.s, *by = c->arg[0].type == J_STRING ? c->arg[0].u.s : NULL;
    int64_t width = by ? 0 : jarg_size(c, 0, 4);
    int first = jarg_truth(c, 1, 0), blank = jarg_truth(c, 2, 0);
    if (!by) {
        struct jstring space = {.bytes = " ", .n = 1};
        by = jarith(c->run, JOP_MUL, jstr(&space), jint(width)).u.s;
    }
    struct jbuffer b = jbuffer_new(c->run);
    size_t from = 0, next = 0;
    for (int line = 0;; line++) {
        size_t end = jline_end(c->run, s, from, &next);
        if (line > 0)
            jbuffer_word(&b, "\n");
        if (line == 0 ? first : end > from || blank)
            jbuffer_string(&b, by);
        jbuffer_string(&b, jstring_view(c->run, s, from, end - from));
        if (next == end) /* the last line, without an end of its own */
            break;
        from = next;
    }
    return jstr(jstring_safe(c->run, jbuffer_done(&b), s->safe));
}

static struct jvalue filter_center(struct jcall *c)
{
    const struct jstring *s = jself_string(c);
    int64_t width = jarg_size(c, 0, 80), n = (int64_t)jchars(c->run, s),
            left = (width - n) / 2 + ((width - n) & width & 1);
    struct jstring space = {.bytes = " ", .n = 1};
    struct jbuffer b = jbuffer_new(c->run);
    if (width <= n)
        return jstr(s);
    jbuffer_string(&b, jarith(c->run, JOP_MUL, jstr(&space), jint(left)).u.s);
    jbuffer_string(&b, s);
    jbuffer_string(&b, jarith(c->run, JOP_MUL, jstr(&space), jint(width - n - left)).u.s);
    return jstr(jstring_safe(c->run, jbuffer_done(&b), s->safe));
}

static struct jvalue filter_format(struct jcall *c)
{
    if (c->n_keyed)
        jfail(c->run, JINJA_RUNTIME, "format with named values is not supported");
    return jstr(jformat_percent(c->run, jself_string(c), c->arg, c->n));
}

static struct jvalue filter_wordcount(struct jcall *c)
{
    const struct jstring *s = jself_string(c);
    int64_t n = 0;
    int inside = 0;
    jwork(c->run, s->n);
    for (size_t i = 0; i < s->n; i++) {
        uint8_t code = (uint8_t)s->bytes[i];
        int in_word = (uint8_t)((code | 32) - 'a') < 26 || (uint8_t)(code - '0') < 10 || code == '_';
        if (code >= 128)
            jfail(c->run, JINJA_RUNTIME, "wordcount of text beyond ASCII is not supported");
        n += in_word && !inside;
        inside = in_word;
    }
    return jint(n);
}

static struct jvalue filter_urlencode(struct jcall *c)
{
    const struct jstring *s = jself_string(c);
    struct jbuffer b = jbuffer_new(c->run);
    if (c->self.type != J_STRING && jiterable(c->self) && c->self.type != J_UNDEFINED)
        jfail(c->run, JINJA_RUNTIME, "urlencode of a %s is not supported", jtype_name(c->self));
    for (size_t i = 0; i < s->n; i++) {
        uint8_t ch = (uint8_t)s->bytes[i], origin = s->mark ? s->mark[i] : s->origin;
        char out[4];
        jstep(c->run);
        int plain = (uint8_t)((ch | 32) - 'a') < 26 || (uint8_t)(ch - '0') < 10 || (ch && strchr("_.-~/", ch));
        snprintf(out, sizeof out, plain ? "%c" : "%%%02X", ch);
        jbuffer_add(&b, out, strlen(out), origin);
    }
    return jstr(jbuffer_done(&b));
}

/* ---- numbers ---- */

static struct jvalue filter_abs(struct jcall *c)
{
    int64_t i;
    if (jis_integer(c->self, &i))
        return i < 0 ? jnegate(c->run, c->self) : jint(i);
    if (!jis_number(c->self))
        jfail(c->run, JINJA_RUNTIME, "abs needs a number, not %s", jtype_name(c->self));
    return jfloat(fabs(jnumber_double(c->self)));
}

/* Text as int() reads it: white space around, a sign, single _ between digits; base 2, 8, 16 with their prefix. */
static int read_int(const char *text, int base, int64_t *out)
{
    char digits[80];
    size_t n = 0;
    for (; *text; text++) {
        int between = n > 0 && *text == '_' && text[1] && text[1] != '_' && digits[n - 1] != '_';
        if (n + 1 >= sizeof digits)
            return 0;
        if (!between)
            digits[n++] = *text;
    }
    digits[n] = 0;
    size_t sign = digits[0] == '-' || digits[0] == '+';
    char second = digits[sign] == '0' ? (char)(digits[sign + 1] | 32) : 0;
    if ((base == 2 && second == 'b') || (base == 8 && second == 'o')) {
        memmove(digits + sign, digits + sign + 2, n - sign - 1);
    } else if (base == 10 && digits[sign] == 0) {
        return 0;
    }
    if (digits[sign] < '0' || digits[sign] > 'z')
        return 0;
    char *end;
    errno = 0;
    long long value = strtoll(digits, &end, base);
    *out = value;
    return *end == 0 && !errno && end != digits;
}

static const char *stripped_text(struct jcall *c, const struct jstring *s)
{
    s = jstrip(c->run, s, NULL, 1, 1);
    char *copy = jalloc(c->run, s->n + 1);
    memcpy(copy, s->bytes, s->n);
    jwork(c->run, 2 * s->n + 4 * JSTEP); /* who asks reads it as a number */
    return memchr(copy, 0, s->n) ? "" : copy;
}

static int read_float(const char *text, double *out)
{
    char *end;
    if (*text == 0 || strpbrk(text, "xXpP"))
        return 0;
    *out = strtod(text, &end);
    return *end == 0;
}

static struct jvalue filter_int(struct jcall *c)
{
    struct jvalue fallback = c->arg[0].type == J_UNSET ? jint(0) : c->arg[0];
    int64_t i, base = jarg_int(c, 1, 10);
    double f = 0;
    if (jis_integer(c->self, &i))
        return jint(i);
    if (c->self.type == J_UNDEFINED)
        jfail_undefined(c->run, c->self);
    if (base < 2 || base > 36)
        return fallback;
    if (c->self.type == J_STRING) {
        const char *text = stripped_text(c, c->self.u.s);
        if (read_int(text, (int)base, &i))
            return jint(i);
        if (!read_float(text, &f))
            return fallback;
    } else if (c->self.type == J_NUMBER && c->self.u.number->is == JNUMBER_BIG) {
        return c->self;
    } else if (jis_number(c->self)) {
        f = jnumber_double(c->self);
    } else {
        return fallback;
    }
    if (isnan(f) || isinf(f))
        return fallback;
    if (fabs(f) >= 0x1p63)
        jfail(c->run, JINJA_RUNTIME, "the result is an integer beyond 64 bits");
    return jint((int64_t)f);
}

static struct jvalue filter_float(struct jcall *c)
{
    double f;
    if (jis_number(c->self))
        return jfloat(jnumber_double(c->self));
    if (c->self.type == J_UNDEFINED)
        jfail_undefined(c->run, c->self);
    if (c->self.type == J_STRING && read_float(stripped_text(c, c->self.u.s), &f))
        return jfloat(f);
    return c->arg[0].type == J_UNSET ? jfloat(0) : c->arg[0];
}

static double within_doubles(struct jrun *r, double rounded)
{
    if (isinf(rounded))
        jfail(r, JINJA_RUNTIME, "the result is beyond the largest number");
    return rounded;
}

/* To so many places, ties to even as Python's round(): by decimal digits, which are exact. */
static double round_places(struct jrun *r, double f, int places)
{
    char text[400];
    if (places > 300 || (places >= 0 && fabs(f) >= 0x1p53) || isnan(f) || isinf(f))
        return f;
    if (places < -308)
        return copysign(0, f);
    if (places < 0) {
        double unit = pow(10, -places);
        return within_doubles(r, rint(f / unit) * unit);
    }
    snprintf(text, sizeof text, "%.*f", places, f);
    return strtod(text, NULL);
}

/* To so many places, by ceil() or floor(). Places beyond the digits of a double change nothing; a unit beyond all doubles leaves zero, or
 * what is no double. */
static double round_towards(struct jrun *r, double f, int places, double (*whole)(double))
{
    double unit = pow(10, places), scaled = f * unit;
    if (!isfinite(f) || !isfinite(scaled))
        return f;
    scaled = whole(scaled == 0 && f != 0 ? copysign(DBL_MIN, f) : scaled);
    return scaled == 0 ? scaled : within_doubles(r, scaled / unit);
}

/* To a multiple of 10 to the power of zeros, at least 1, ties to even. */
static struct jvalue round_integer(struct jrun *r, int64_t i, int zeros)
{
    uint64_t unit = 1, size = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    if (zeros > 19) /* half of it is more than any 64 bits */
        return jint(0);
    while (zeros-- > 0)
        unit *= 10;
    uint64_t whole = size / unit, rest = size % unit;
    whole += rest > unit - rest || (rest == unit - rest && whole % 2);
    uint64_t rounded = whole * unit; /* at most size + 10^18, or 10^19 */
    if (rounded > (uint64_t)INT64_MAX + (i < 0))
        jfail(r, JINJA_RUNTIME, "the result is an integer beyond 64 bits");
    return jint(i < 0 ? (int64_t)(0 - rounded) : (int64_t)rounded);
}

static struct jvalue filter_round(struct jcall *c)
{
    int64_t i, places = jarg_size(c, 0, 0);
    const struct jstring *how = jarg_string(c, 1);
    places = places > 400 ? 400 : places < -400 ? -400 : places;
    if (!jis_number(c->self))
        jfail(c->run, JINJA_RUNTIME, "round needs a number, not %s", jtype_name(c->self));
    jwork(c->run, 16 * JSTEP);
    if (!how || jstring_is(how, "common")) {
        if (jis_integer(c->self, &i))
            return places >= 0 ? jint(i) : round_integer(c->run, i, (int)-places);
        return jfloat(round_places(c->run, jnumber_double(c->self), (int)places));
    }
    if (!jstring_is(how, "ceil") && !jstring_is(how, "floor"))
        jfail(c->run, JINJA_RUNTIME, "round rounds common, ceil or floor");
    return jfloat(round_towards(c->run, jnumber_double(c->self), (int)places, jstring_is(how, "ceil") ? ceil : floor));
}

const struct jbuiltin jfilter_text[] = {
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"from_json", filter_from_json, "", 0},
    {"safe", filter_safe, "", 0},
    {"escape", filter_escape, "", 0},
    {"e", filter_escape, "", 0},
    {"forceescape", filter_forceescape, "", 0},
    {"string", filter_string, "", 0},
    {"upper", filter_upper, "", 0},
    {"lower", filter_lower, "", 0},
    {"capitalize", filter_capitalize, "", 0},
    {"title", filter_title, "", 0},
    {"trim", filter_trim, "chars", 0},
    {"replace", filter_replace, "old new count", 2},
    {"indent", filter_indent, "width first blank", 0},
    {"center", filter_center, "width", 0},
    {"format", filter_format, NULL, 0},
    {"wordcount", filter_wordcount, "", 0},
    {"urlencode", filter_urlencode, "", 0},
    {"abs", filter_abs, "", 0},
    {"int", filter_int, "default base", 0},
    {"float", filter_float, "default", 0},
    {"round", filter_round, "precision method", 0},
    {0},
};

const struct jbuiltin *jfilter_find(const struct jstring *name)
{
    const struct jbuiltin *b = jbuiltin_find(jfilter_sequence, name);
    return b ? b : jbuiltin_find(jfilter_text, name);
}
