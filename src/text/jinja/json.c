/* JSON both ways: tojson as Python's json.dumps writes it, and values for requests and from_json out of the scanner's tokens.
 *
 * Numbers that were read and not computed with are written as they were read. A rebuilt text has one origin: the greatest inside.
 * Of equal keys that are read the last counts, at the place of the first; a surrogate without its other half becomes U+FFFD, and so do
 * bytes that are not UTF-8. templates.md 1 (tojson), 6.2. */
#include "base/json/scan.h"
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
    const char *text;
    size_t n, at;
    enum text_origin origin;
    struct json_scan scan;
};

/* 0: there is none, now and in every later call. */
static char next_token(struct reader *x)
{
    size_t before = x->at;
    enum scan got = json_token(&x->scan, x->text, x->n, &x->at, 1);
    jwork(x->run, ((got == SCAN_OK ? x->scan.from : x->at) - before) / 2);
    return got == SCAN_OK ? x->scan.token : 0;
}

/* Of a string or a key. What has nothing to decode is copied in one piece. */
static const struct jstring *decoded(struct reader *x)
{
    const char *token = x->text + x->scan.from;
    size_t n = x->at - x->scan.from, at = 1;
    struct json_piece p = {.is = JSON_AS_WRITTEN, .n = n - 2};
    jwork(x->run, n);
    if (x->scan.plain || (json_piece(token, n, &at, &p) && p.is == JSON_AS_WRITTEN && p.n == n - 2))
        return jstring_copy(x->run, token + 1, n - 2, x->origin);
    struct jbuffer b = jbuffer_new(x->run);
    jbuffer_reserve(&b, n - 2); /* enough, but for bytes that are not UTF-8 */
    do
        jbuffer_add(&b, p.is == JSON_NOT_UTF8 ? UTF8_REPLACEMENT : p.text, p.is == JSON_NOT_UTF8 ? 3 : p.n, x->origin);
    while (json_piece(token, n, &at, &p));
    return jbuffer_done(&b);
}

static struct jvalue read_value(struct reader *x, char token);

static struct jvalue read_list(struct reader *x)
{
    struct jlist *l = jlist_new(x->run, 0);
    for (char token; (token = next_token(x)) != 0 && token != ']';)
        jlist_add(x->run, l, read_value(x, token));
    return jlistv(l);
}

static struct jvalue read_dict(struct reader *x)
{
    struct jdict *d = jdict_new(x->run);
    while (next_token(x) == JSON_KEY) {
        const struct jstring *key = decoded(x);
        jdict_set(x->run, d, jstr(key), read_value(x, next_token(x)));
    }
    return jdictv(d);
}

/* From its first token on; none: the text is broken there, which ends the callers too. */
static struct jvalue read_value(struct reader *x, char token)
{
    jdeeper(x->run);
    switch (token) {
    case '"':
        return jstr(decoded(x));
    case '0':
        return jnumber_parse(x->run, x->text + x->scan.from, x->at - x->scan.from);
    case '[':
        return read_list(x);
    case '{':
        return read_dict(x);
    case 't':
    case 'f':
        return jbool(token == 't');
    default:
        return JNONE;
    }
}

/* Why there is no next token; NULL: the value is whole, and all of the text. */
static const char *find_problem(const struct reader *x, size_t *where)
{
    static const char *const due[] = {
        [JSON_AT_VALUE] = "not a number",
        [JSON_AT_FIRST_VALUE] = "not a number",
        [JSON_AT_FIRST_KEY] = "an object without a name and : where one is due",
        [JSON_AT_KEY] = "an object without a name and : where one is due",
        [JSON_AT_COLON] = "an object without a name and : where one is due",
        [JSON_AT_COMMA] = "an array without ] or ,",
        [JSON_AT_END] = "more text behind its end",
        [JSON_IN_STRING] = "a control character in a string",
        [JSON_IN_ESCAPE] = "an unknown escape in a string",
        [JSON_IN_HEX] = "an unknown escape in a string",
        [JSON_IN_WORD] = "an unknown word",
        [JSON_IN_NUMBER] = "not a number",
        [JSON_TOO_DEEP] = "nesting that is too deep",
    };
    enum json_state state = x->scan.state;
    int ended = x->at == x->n;
    char last = state == JSON_IN_NUMBER ? x->text[x->at - 1] : ' ';
    *where = state == JSON_IN_WORD || state == JSON_IN_NUMBER ? x->scan.from
                                                              : x->at + (state == JSON_IN_ESCAPE && !ended);
    if (ended && (state == JSON_AT_VALUE || state == JSON_AT_FIRST_VALUE))
        return "an unexpected end";
    if (ended && state == JSON_AT_END)
        return NULL;
    if (ended && state == JSON_IN_STRING)
        return "a string without an end";
    if (state == JSON_AT_COMMA && json_in_object(&x->scan))
        return "an object without } or ,";
    if (last == '.')
        return "a number without digits behind its point";
    if (strchr("eE+-", last) && x->at - x->scan.from > 1)
        return "a number without digits in its exponent";
    return due[state];
}

struct jvalue jjson_parse(struct jrun *r, const char *text, size_t n, enum text_origin origin, const char **problem,
                          size_t *where)
{
    struct reader x = {.run = r, .text = text, .n = n, .origin = origin};
    size_t at;
    json_scan_begin(&x.scan, JSON_NESTING);
    struct jvalue v = read_value(&x, next_token(&x));
    next_token(&x);
    *problem = find_problem(&x, where ? where : &at);
    return v;
}
