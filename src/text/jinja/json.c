/* JSON both ways: tojson as Python's json.dumps writes it, and the reader for requests and from_json.
 *
 * Numbers that were read and not computed with are written as they were read. A rebuilt text has one origin: the greatest inside.
 * The reader takes RFC 8259 and nothing else; of equal keys the last counts, at the place of the first; a surrogate without its
 * other half becomes U+FFFD. templates.md 1 (tojson), 6.2. */
#include "base/hex.h"
#include "base/utf8.h"
#include "text/jinja/tree.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { JSON_NESTING = 256 };

static const struct jstring comma = {.bytes = ", ", .n = 2}, colon = {.bytes = ": ", .n = 2};
const struct jjson jjson_plain = {.indent = -1, .item_separator = &comma, .key_separator = &colon};

/* ---- writing ---- */

struct writer {
    struct jbuffer out;
    const struct jjson *how;
    int depth;
};

static void word(struct writer *w, const char *text) { jbuffer_word(&w->out, text); }

static void plain(struct writer *w, const struct jstring *s) { jbuffer_add(&w->out, s->bytes, s->n, ORIGIN_TEMPLATE); }

static void write_escape(struct writer *w, uint32_t code)
{
    jstep(w->out.run);
    char text[16];
    const char *names = "\"\\\n\r\t\b\f", *found = code ? strchr(names, (int)(code < 128 ? code : 1)) : NULL;
    if (found)
        snprintf(text, sizeof text, "\\%c", "\"\\nrtbf"[found - names]);
    else if (code < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", code);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
    word(w, text);
}

static void write_string(struct writer *w, const struct jstring *s)
{
    size_t from = 0;
    jwork(w->out.run, s->n);
    word(w, "\"");
    for (size_t at = 0, length; at < s->n; at += length) {
        uint8_t c = (uint8_t)s->bytes[at];
        length = 1;
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || !w->how->ascii))
            continue;
        uint32_t code = jchar_code(s, at, &length);
        jbuffer_add(&w->out, s->bytes + from, at - from, ORIGIN_TEMPLATE);
        write_escape(w, code);
        from = at + length;
    }
    jbuffer_add(&w->out, s->bytes + from, s->n - from, ORIGIN_TEMPLATE);
    word(w, "\"");
}

static void write_line(struct writer *w)
{
    if (w->how->indent < 0)
        return;
    word(w, "\n");
    for (int d = 0; d < w->depth; d++) {
        if (w->how->indent_text)
            plain(w, w->how->indent_text);
        for (int i = 0; i < w->how->indent; i++)
            word(w, " ");
    }
}

static void write_number(struct writer *w, struct jvalue v)
{
    char text[JFLOAT_BYTES];
    if (v.type == J_NUMBER) {
        jbuffer_add(&w->out, v.u.number->text, v.u.number->n, ORIGIN_TEMPLATE);
        return;
    }
    if (v.type == J_INT)
        snprintf(text, sizeof text, "%" PRId64, v.u.i);
    else if (isnan(v.u.f) || isinf(v.u.f))
        strcpy(text, isnan(v.u.f) ? "NaN" : v.u.f < 0 ? "-Infinity" : "Infinity");
    else
        jfloat_text(w->out.run, v.u.f, text);
    word(w, text);
}

static void write_value(struct writer *w, struct jvalue v);

static void write_key(struct writer *w, struct jvalue key)
{
    if (key.type == J_STRING) {
        write_string(w, key.u.s);
        return;
    }
    if (key.type != J_NONE && !jis_number(key))
        jfail(w->out.run, JINJA_RUNTIME, "a %s cannot be a key in JSON", jtype_name(key));
    word(w, "\"");
    write_value(w, key);
    word(w, "\"");
}

static void write_list(struct writer *w, const struct jlist *l)
{
    word(w, "[");
    w->depth++;
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            plain(w, w->how->item_separator);
        write_line(w);
        write_value(w, l->item[i]);
    }
    w->depth--;
    if (l->n)
        write_line(w);
    word(w, "]");
}

static struct jentry *sorted_entries(struct jrun *r, const struct jdict *d)
{
    struct jentry *sorted = jalloc_array(r, d->n, sizeof *sorted);
    struct jvalue *index = jalloc_array(r, d->n, sizeof *index), *key = jalloc_array(r, d->n, sizeof *key);
    for (size_t i = 0; i < d->n; i++) {
        index[i] = jint((int64_t)i);
        key[i] = d->entry[i].key;
    }
    jsort(r, index, key, d->n, 0);
    for (size_t i = 0; i < d->n; i++)
        sorted[i] = d->entry[index[i].u.i];
    return sorted;
}

static void write_dict(struct writer *w, const struct jdict *d)
{
    const struct jentry *entry = w->how->sort_keys ? sorted_entries(w->out.run, d) : d->entry;
    word(w, "{");
    w->depth++;
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            plain(w, w->how->item_separator);
        write_line(w);
        write_key(w, entry[i].key);
        plain(w, w->how->key_separator);
        write_value(w, entry[i].value);
    }
    w->depth--;
    if (d->n)
        write_line(w);
    word(w, "}");
}

static void write_value(struct writer *w, struct jvalue v)
{
    struct jrun *r = w->out.run;
    jdeeper(r);
    if (w->depth > JSON_NESTING)
        jfail(r, JINJA_LIMIT, "the value is nested more than %d deep; JSON of it is refused", JSON_NESTING);
    switch (v.type) {
    case J_NONE:
        word(w, "null");
        break;
    case J_BOOL:
        word(w, v.u.i ? "true" : "false");
        break;
    case J_INT:
    case J_FLOAT:
    case J_NUMBER:
        write_number(w, v);
        break;
    case J_STRING:
        write_string(w, v.u.s);
        break;
    case J_LIST:
    case J_TUPLE:
        write_list(w, v.u.list);
        break;
    case J_DICT:
        write_dict(w, v.u.dict);
        break;
    case J_UNDEFINED:
        if (v.u.undefined->name)
            jfail(r, JINJA_RUNTIME, "'%s' is undefined, and there is no JSON of it",
                  jstring_short(r, v.u.undefined->name));
        /* fall through */
    default:
        jfail(r, JINJA_RUNTIME, "there is no JSON of a %s", jtype_name(v));
    }
}

const struct jstring *jjson_write(struct jrun *r, struct jvalue v, const struct jjson *how)
{
    struct writer w = {.out = jbuffer_new(r), .how = how};
    write_value(&w, v);
    const struct jstring *s = jbuffer_done(&w.out);
    enum text_origin origin = jgreatest(r, v);
    return origin == ORIGIN_TEMPLATE ? s : jstring_marked(r, s, origin);
}

/* ---- reading ---- */

struct reader {
    struct jrun *run;
    const char *at, *end;
    enum text_origin origin;
    const char *problem;
    int depth;
};

static void skip_space(struct reader *x)
{
    const char *from = x->at;
    while (x->at < x->end && (*x->at == ' ' || *x->at == '\n' || *x->at == '\r' || *x->at == '\t'))
        x->at++;
    jwork(x->run, (size_t)(x->at - from) / 2);
}

static struct jvalue bad(struct reader *x, const char *problem)
{
    if (!x->problem)
        x->problem = problem;
    return JNONE;
}

static int read_hex(struct reader *x, uint32_t *code)
{
    size_t got = hex_read(x->at, (size_t)(x->end - x->at), 4, code);
    x->at += got;
    return got == 4 ? 0 : -1;
}

/* Behind "\u". */
static int read_unicode(struct reader *x, struct jbuffer *b)
{
    uint32_t code, low;
    char out[4];
    if (read_hex(x, &code) != 0)
        return -1;
    if (code >= 0xD800 && code < 0xDC00 && x->end - x->at >= 6 && x->at[0] == '\\' && x->at[1] == 'u') {
        const char *back = x->at;
        x->at += 2;
        if (read_hex(x, &low) != 0)
            return -1;
        uint32_t pair = utf8_of_pair(code, low);
        x->at = pair ? x->at : back;
        code = pair ? pair : code;
    }
    jbuffer_add(b, out, utf8_write(code, out), x->origin);
    return 0;
}

static int read_escape(struct reader *x, struct jbuffer *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (x->at >= x->end)
        return -1;
    char c = *x->at++;
    if (c == 'u')
        return read_unicode(x, b);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return -1;
    jbuffer_add(b, &to[found - from], 1, x->origin);
    return 0;
}

/* Bytes up to the closing quote: no string is longer than its spelling, but for bytes that are not UTF-8. */
static size_t bytes_to_quote(const struct reader *x)
{
    const char *at = x->at;
    while (at < x->end && *at != '"')
        at += *at == '\\' && x->end - at > 1 ? 2 : 1;
    return (size_t)(at - x->at);
}

/* At the opening quote. Text without escapes is copied in one piece. */
static const struct jstring *read_string(struct reader *x)
{
    struct jbuffer b = jbuffer_new(x->run);
    const char *from = ++x->at, *first = from;
    while (x->at < x->end && *x->at != '"') {
        uint8_t c = (uint8_t)*x->at;
        size_t length = 1;
        if (c < 0x20) {
            bad(x, "a control character in a string");
            return NULL;
        }
        if (c >= 0x80 && utf8_head(x->at, (size_t)(x->end - x->at), &length) != UTF8_WHOLE) {
            jbuffer_add(&b, from, (size_t)(x->at - from), x->origin);
            jbuffer_add(&b, UTF8_REPLACEMENT, 3, x->origin);
            x->at += length;
            from = x->at;
            continue;
        }
        if (c != '\\') {
            x->at += length;
            continue;
        }
        if (b.cap == 0)
            jbuffer_reserve(&b, (size_t)(x->at - from) + bytes_to_quote(x));
        jbuffer_add(&b, from, (size_t)(x->at - from), x->origin);
        x->at++;
        if (read_escape(x, &b) != 0) {
            bad(x, "an unknown escape in a string");
            return NULL;
        }
        from = x->at;
    }
    if (x->at >= x->end) {
        bad(x, "a string without an end");
        return NULL;
    }
    size_t n = (size_t)(x->at++ - from);
    jwork(x->run, (size_t)(x->at - first));
    if (b.n == 0)
        return jstring_copy(x->run, from, n, x->origin);
    jbuffer_add(&b, from, n, x->origin);
    return jbuffer_done(&b);
}

static size_t digits(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - from);
}

static struct jvalue read_number(struct reader *x)
{
    const char *from = x->at, *at = from + (*from == '-');
    size_t n = digits(at, x->end);
    if (n == 0 || (n > 1 && *at == '0'))
        return bad(x, "not a number");
    at += n;
    if (at < x->end && *at == '.') {
        n = digits(++at, x->end);
        if (n == 0)
            return bad(x, "a number without digits behind its point");
        at += n;
    }
    if (at < x->end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < x->end && (*at == '+' || *at == '-');
        n = digits(at, x->end);
        if (n == 0)
            return bad(x, "a number without digits in its exponent");
        at += n;
    }
    x->at = at;
    return jnumber_parse(x->run, from, (size_t)(at - from));
}

static struct jvalue read_value(struct reader *x);

static struct jvalue read_list(struct reader *x)
{
    struct jlist *l = jlist_new(x->run, 0);
    x->at++;
    skip_space(x);
    if (x->at < x->end && *x->at == ']') {
        x->at++;
        return jlistv(l);
    }
    for (;;) {
        jlist_add(x->run, l, read_value(x));
        skip_space(x);
        if (x->problem || x->at >= x->end || (*x->at != ',' && *x->at != ']'))
            return bad(x, "an array without ] or ,");
        if (*x->at++ == ']')
            return jlistv(l);
    }
}

static struct jvalue read_dict(struct reader *x)
{
    struct jdict *d = jdict_new(x->run);
    x->at++;
    skip_space(x);
    if (x->at < x->end && *x->at == '}') {
        x->at++;
        return jdictv(d);
    }
    for (;;) {
        skip_space(x);
        const struct jstring *key = x->at < x->end && *x->at == '"' ? read_string(x) : NULL;
        skip_space(x);
        if (!key || x->at >= x->end || *x->at != ':')
            return bad(x, "an object without a name and : where one is due");
        x->at++;
        jdict_set(x->run, d, jstr(key), read_value(x));
        skip_space(x);
        if (x->problem || x->at >= x->end || (*x->at != ',' && *x->at != '}'))
            return bad(x, "an object without } or ,");
        if (*x->at++ == '}')
            return jdictv(d);
    }
}

static int read_word(struct reader *x, const char *name)
{
    size_t n = strlen(name);
    if ((size_t)(x->end - x->at) < n || memcmp(x->at, name, n) != 0)
        return 0;
    x->at += n;
    return 1;
}

static struct jvalue read_value(struct reader *x)
{
    struct jvalue v;
    const struct jstring *s;
    jdeeper(x->run);
    skip_space(x);
    if (x->problem || x->at >= x->end)
        return bad(x, "an unexpected end");
    switch (*x->at) {
    case '"':
        s = read_string(x);
        return s ? jstr(s) : JNONE;
    case '[':
    case '{':
        if (++x->depth > JSON_NESTING)
            return bad(x, "nesting that is too deep");
        v = *x->at == '[' ? read_list(x) : read_dict(x);
        x->depth--;
        return v;
    case 't':
        return read_word(x, "true") ? jbool(1) : bad(x, "an unknown word");
    case 'f':
        return read_word(x, "false") ? jbool(0) : bad(x, "an unknown word");
    case 'n':
        return read_word(x, "null") ? JNONE : bad(x, "an unknown word");
    default:
        return read_number(x);
    }
}

struct jvalue jjson_parse(struct jrun *r, const char *text, size_t n, enum text_origin origin, const char **problem,
                          size_t *where)
{
    struct reader x = {.run = r, .at = text, .end = text + n, .origin = origin};
    struct jvalue v = read_value(&x);
    skip_space(&x);
    if (!x.problem && x.at < x.end)
        bad(&x, "more text behind its end");
    *problem = x.problem;
    if (where)
        *where = (size_t)(x.at - text);
    return v;
}
