/* Strict JSON: see json.h. One pass over the bytes bounds depth and number of values before jansson builds anything. */
#include "server/http/json.h"
#include "base/json/buffer.h"
#include "base/reqmem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in -------------------------------------------------------------------------------------------------------------------- */

/* Brackets and commas outside strings: exact for what is JSON, and jansson refuses the rest. */
static int check_size(const char *text, size_t n, struct refusal *r)
{
    size_t depth = 0, values = 1;
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < n && text[i] != '"'; i++)
                i += text[i] == '\\';
            break;
        case '[':
        case '{':
            values++;
            if (++depth > JSON_DEPTH)
                return refuse(r, 400, "json_too_deep", NULL,
                              "the body nests deeper than %d levels at byte %zu; %d are allowed", JSON_DEPTH, i,
                              JSON_DEPTH);
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        }
    }
    if (values > JSON_VALUES)
        return refuse(r, 413, NULL, NULL, "the body holds more than %d JSON values, which is the limit", JSON_VALUES);
    return 0;
}

static int refuse_parse(struct refusal *r, const json_error_t *e)
{
    switch (json_error_code(e)) {
    case json_error_invalid_utf8:
        return refuse(r, 400, "invalid_utf8", NULL, "the body is not UTF-8 near byte %d", e->position);
    case json_error_duplicate_key:
        return refuse(r, 400, "duplicate_key", NULL, "the body has the same key twice in one object, near byte %d",
                      e->position);
    case json_error_stack_overflow:
        return refuse(r, 400, "json_too_deep", NULL, "the body nests deeper than %d levels", JSON_DEPTH);
    case json_error_out_of_memory:
        return refuse_memory(r);
    case json_error_null_byte_in_key:
        return refuse(r, 400, "invalid_json", NULL,
                      "the body has a key with the character U+0000, or that is U+0001, near byte %d", e->position);
    case json_error_premature_end_of_input:
        return refuse(r, 400, "invalid_json", NULL, "the body is not JSON: it ends too early, at byte %d", e->position);
    case json_error_end_of_input_expected:
        return refuse(r, 400, "invalid_json", NULL, "the body has bytes behind the JSON value, at byte %d",
                      e->position);
    default: /* jansson's sentence would quote the text, which may be a prompt */
        return refuse(r, 400, "invalid_json", NULL, "the body is not JSON near byte %d", e->position);
    }
}

json_t *json_read(const char *text, size_t n, struct refusal *r) { return json_read_keeping(text, n, NULL, r); }

static json_t *read_body(const char *text, size_t n, const struct json_place *keep, struct refusal *r)
{
    json_error_t e;
    if (n == 0) {
        refuse(r, 400, "invalid_json", NULL, "the body is empty; JSON is expected");
        return NULL;
    }
    if (check_size(text, n, r))
        return NULL;
    json_t *v = json_load_keeping(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, keep, &e);
    if (!v)
        refuse_parse(r, &e);
    return v;
}

/* v where it is what a body must be; NULL otherwise, refused and dropped unless it was NULL. */
static json_t *must_be(json_t *v, int is_it, const char *what, struct refusal *r)
{
    if (!v || is_it)
        return v;
    refuse(r, 400, "invalid_type", NULL, "the body must be %s, not %s", what, json_kind(v));
    json_decref(v);
    return NULL;
}

json_t *json_read_keeping(const char *text, size_t n, const struct json_place *keep, struct refusal *r)
{
    json_t *v = read_body(text, n, keep, r);
    return must_be(v, v && json_is_dict(v), "an object", r);
}

json_t *json_read_array(const char *text, size_t n, struct refusal *r)
{
    json_t *v = read_body(text, n, NULL, r);
    return must_be(v, json_is_array(v), "an array", r);
}

/* ---- paths ----------------------------------------------------------------------------------------------------------------- */

static size_t put_path(char *out, size_t size, const struct json_at *at)
{
    size_t n = at->up ? put_path(out, size, at->up) : 0;
    if (n < size) {
        int k = at->key ? snprintf(out + n, size - n, "%s%s", n ? "." : "", at->key)
                        : snprintf(out + n, size - n, "[%zu]", at->index);
        n += k > 0 ? (size_t)k : 0;
    }
    return n < size ? n : size;
}

char *json_path(char *out, size_t size, const struct json_at *at, const char *key)
{
    struct json_at leaf = {at, key, 0};
    out[0] = 0;
    if (key || at)
        put_path(out, size, key ? &leaf : at);
    return out;
}

int json_refuse(struct refusal *r, const char *code, const struct json_at *at, const char *key, const char *format, ...)
{
    char path[sizeof r->param], text[sizeof r->text];
    va_list args;
    json_path(path, sizeof path, at, key);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return refuse(r, 400, code, path, "%s %s", *path ? path : "the body", text);
}

int json_missing(struct refusal *r, const struct json_at *at, const char *key)
{
    return json_refuse(r, "missing_field", at, key, "is missing");
}

const char *json_kind(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT:
        return json_spelled(v) && !json_is_kept(v) ? "a number" : "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* ---- fields ---------------------------------------------------------------------------------------------------------------- */

json_t *json_get(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong_kind(struct refusal *r, const struct json_at *at, const char *key, const char *want, const json_t *v)
{
    return json_refuse(r, "invalid_type", at, key, "must be %s, not %s", want, json_kind(v));
}

int json_get_bool(const json_t *o, const struct json_at *at, const char *key, int *out, struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return wrong_kind(r, at, key, "a boolean", v);
    *out = json_is_true(v);
    return 1;
}

int json_get_int(const json_t *o, const struct json_at *at, const char *key, int64_t low, int64_t high, int64_t *out,
                 struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    const char *spelled = json_spelled(v);
    if (!spelled && !json_is_integer(v))
        return wrong_kind(r, at, key, "an integer", v);
    if (spelled && strpbrk(spelled, ".eE"))
        return json_refuse(r, "invalid_value", at, key, "must be an integer, not %.40s", spelled);
    int64_t n = spelled ? strtoll(spelled, NULL, 10) : json_integer_value(v);
    int beyond = spelled && n != 0; /* -0 or more than 64 bits */
    char text[44];
    snprintf(text, sizeof text, "%.40s", spelled ? spelled : "");
    if (!spelled)
        snprintf(text, sizeof text, "%lld", (long long)n);
    if ((n < low || (beyond && n < 0)) && high == INT64_MAX)
        return json_refuse(r, "invalid_value", at, key, "must be at least %lld, not %s", (long long)low, text);
    if (n < low || n > high || beyond)
        return json_refuse(r, "invalid_value", at, key, "must be from %lld to %lld, not %s", (long long)low,
                           (long long)high, text);
    *out = n;
    return 1;
}

int json_get_real(const json_t *o, const struct json_at *at, const char *key, double low, int low_open, double high,
                  double *out, struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    const char *spelled = json_spelled(v);
    if (!spelled && !json_is_integer(v))
        return wrong_kind(r, at, key, "a number", v);
    double n = spelled ? strtod(spelled, NULL) : json_number_value(v);
    char text[44]; /* rounded, what is beyond a bound could look like it */
    snprintf(text, sizeof text, "%.40s", spelled ? spelled : "");
    if (!spelled)
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    int below = low_open ? !(n > low) : !(n >= low);
    if (below && isinf(high))
        return json_refuse(r, "invalid_value", at, key, "must be %s %.10g, not %s", low_open ? "above" : "at least",
                           low, text);
    if (below || !(n <= high))
        return json_refuse(r, "invalid_value", at, key, "must be %s %.10g and at most %.10g, not %s",
                           low_open ? "above" : "at least", low, high, text);
    if (isinf(n))
        return json_refuse(r, "invalid_value", at, key, "must be a number within those of 64 bits, not %s", text);
    *out = n;
    return 1;
}

int json_get_text(const json_t *o, const struct json_at *at, const char *key, const char **text, size_t *n,
                  struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    if (!json_is_string(v))
        return wrong_kind(r, at, key, "a string", v);
    *text = json_string_value(v);
    *n = json_string_length(v);
    return 1;
}

int json_get_array(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    if (!json_is_array(v))
        return wrong_kind(r, at, key, "an array", v);
    *out = v;
    return 1;
}

int json_get_object(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v)
        return 0;
    if (!json_is_dict(v))
        return wrong_kind(r, at, key, "an object", v);
    *out = v;
    return 1;
}

int json_get_kept(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r)
{
    const json_t *v = json_get(o, key);
    if (!v || !json_is_kept(v))
        return json_get_object(o, at, key, out, r);
    *out = v;
    return 1;
}

int json_get_word(const json_t *o, const struct json_at *at, const char *key, const char *const *names, size_t n,
                  int *out, struct refusal *r)
{
    const char *text;
    size_t length;
    int there = json_get_text(o, at, key, &text, &length, r);
    if (there <= 0)
        return there;
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) {
            *out = (int)i;
            return 1;
        }
    char all[256] = "";
    for (size_t i = 0, k = 0; i < n && k < sizeof all; i++)
        k += (size_t)snprintf(all + k, sizeof all - k, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", names[i]);
    return json_refuse(r, "invalid_value", at, key, "must be %s, not \"%.40s\"", all, text);
}

/* ---- making ---------------------------------------------------------------------------------------------------------------- */

int json_add(struct refusal *r, json_t *array, json_t *v)
{
    return json_array_append_new(array, v) ? refuse_memory(r) : 0;
}

int json_put(struct refusal *r, json_t *object, const char *key, json_t *v)
{
    return json_object_set_new(object, key, v) ? refuse_memory(r) : 0;
}

int json_is(const json_t *o, const char *key, const char *text)
{
    const json_t *v = json_object_get(o, key);
    size_t n = json_string_length(v);
    return json_is_string(v) && n == strlen(text) && memcmp(json_string_value(v), text, n) == 0;
}

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

void out_free(struct out *o)
{
    reqmem_free(o->text);
    *o = (struct out){0};
}

/* A long text grows by that much: the system moves its pages, and copies nothing. */
enum { GROW_MOST = 1 << 20 };

/* Room for n more bytes. */
static char *out_grow(struct out *o, size_t n)
{
    if (o->cap - o->n < n && !o->failed) {
        size_t more = o->cap / 2 < GROW_MOST ? o->cap / 2 : GROW_MOST, cap = o->cap + more + n + 256;
        char *text = cap > o->cap ? reqmem_realloc(o->text, cap) : NULL;
        if (text) {
            o->text = text;
            o->cap = cap;
        } else {
            o->failed = 1;
        }
    }
    return o->failed ? NULL : o->text + o->n;
}

void out_reserve(struct out *o, size_t n) { out_grow(o, n); }

void out_bytes(struct out *o, const char *text, size_t n)
{
    char *to = n ? out_grow(o, n) : NULL;
    if (!to)
        return;
    memcpy(to, text, n);
    o->n += n;
}

void out_print(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : out_grow(o, (size_t)n + 1);
    if (!to) {
        o->failed = 1;
        return;
    }
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    o->n += (size_t)n;
}

static void out_escaped(struct out *o, uint8_t c)
{
    static const char letter[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c >= 0x20 || letter[c])
        out_bytes(o, (char[]){'\\', c >= 0x20 ? (char)c : letter[c]}, 2);
    else
        out_print(o, "\\u%04x", c);
}

void out_string(struct out *o, const char *text, size_t n)
{
    const uint8_t *s = (const uint8_t *)text, *end = n ? s + n : s; /* text may be NULL: nothing was written to it */
    out_bytes(o, "\"", 1);
    while (s < end) {
        const uint8_t *plain = s;
        enum utf8_head head = UTF8_WHOLE;
        size_t k = 1;
        while (s < end && *s >= 0x20 && *s != '"' && *s != '\\' &&
               (head = utf8_head(s, (size_t)(end - s), &k)) == UTF8_WHOLE)
            s += k;
        out_bytes(o, (const char *)plain, (size_t)(s - plain));
        if (s == end)
            break;
        if (head != UTF8_WHOLE)
            out_bytes(o, UTF8_REPLACEMENT, 3);
        else
            out_escaped(o, *s);
        s += head == UTF8_WHOLE ? 1 : k;
    }
    out_bytes(o, "\"", 1);
}

void out_text(struct out *o, const char *text)
{
    if (text)
        out_string(o, text, strlen(text));
    else
        out_print(o, "null");
}

void out_real(struct out *o, double v)
{
    char text[32];
    if (!isfinite(v)) {
        out_bytes(o, "null", 4);
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    out_print(o, "%s", text);
}

static void put_value(struct out *o, const json_t *v, const char *comma, const char *colon);

static void put_object(struct out *o, const json_t *v, const char *comma, const char *colon)
{
    const char *key, *before = "{";
    json_t *member;
    if (json_object_size(v) == 0)
        out_bytes(o, "{", 1);
    json_object_foreach((json_t *)v, key, member)
    {
        out_print(o, "%s", before);
        out_string(o, key, strlen(key));
        out_print(o, "%s", colon);
        put_value(o, member, comma, colon);
        before = comma;
    }
    out_bytes(o, "}", 1);
}

static void put_array(struct out *o, const json_t *v, const char *comma, const char *colon)
{
    json_t *item;
    size_t i;
    out_bytes(o, "[", 1);
    json_array_foreach(v, i, item)
    {
        out_print(o, "%s", i ? comma : "");
        put_value(o, item, comma, colon);
    }
    out_bytes(o, "]", 1);
}

/* A string as it was written, [text, text + n) with its quotes. */
static void put_string(struct out *o, const char *text, size_t n)
{
    struct buffer b = {0};
    if (!memchr(text, '\\', n)) {
        out_bytes(o, text, n);
        return;
    }
    json_unescape(&b, text, n);
    out_string(o, b.text, b.n);
    o->failed |= b.failed;
    buffer_free(&b);
}

static void put_kept(struct out *o, const char *text, const char *comma, const char *colon)
{
    struct json_scan s;
    size_t n = strlen(text), at = 0;
    int due = 0; /* a comma, before what is not the end */
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_token(&s, text, n, &at, 1) == SCAN_OK) {
        int is_string = s.token == '"' || s.token == JSON_KEY, ends = s.token == '}' || s.token == ']';
        if (due && !ends)
            out_print(o, "%s", comma);
        if (is_string)
            put_string(o, text + s.from, at - s.from);
        else
            out_bytes(o, text + s.from, at - s.from);
        if (s.token == JSON_KEY)
            out_print(o, "%s", colon);
        due = s.token != JSON_KEY && s.token != '{' && s.token != '[';
    }
}

/* As deep as the value, which json_read() bounds. */
static void put_value(struct out *o, const json_t *v, const char *comma, const char *colon)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        if (json_is_kept(v))
            put_kept(o, json_spelled(v), comma, colon);
        else if (json_spelled(v))
            out_print(o, "%s", json_spelled(v));
        else
            put_object(o, v, comma, colon);
        break;
    case JSON_ARRAY:
        put_array(o, v, comma, colon);
        break;
    case JSON_STRING:
        out_string(o, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        out_print(o, "%lld", (long long)json_integer_value(v));
        break;
    case JSON_REAL:
        out_real(o, json_real_value(v));
        break;
    default:
        out_print(o, "%s", json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false");
    }
}

void out_value(struct out *o, const json_t *v) { put_value(o, v, ",", ":"); }

void out_spaced(struct out *o, const json_t *v) { put_value(o, v, ", ", ": "); }
