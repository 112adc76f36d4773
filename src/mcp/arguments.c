/* See arguments.h. Both texts are hostile: names are shown within bounds, nesting ends at DEEPEST, and what is left when
 * WORK bytes of schemas and objects were looked through passes. */
#include "mcp/arguments.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32, PATH = 400, NAME = 80, NUMBER = 64, WORK = 64 << 20 };

/* A place below the arguments. */
struct place {
    char path[PATH];
    int depth;
    size_t work;
    struct buffer *why;
};

static int fits(struct place *p, struct span schema, struct span value);

/* ---- names ------------------------------------------------------------------------------------------------- */

/* The member of an object whose key means the same as a string. */
static struct span member_named(struct place *p, struct span object, struct span name)
{
    struct span found = {NULL, 0}, key, value;
    struct span_walk w;
    struct buffer text = {0};
    if (!span_is_object(object) || !span_is_string(name))
        return found;
    p->work += object.n;
    json_unescape(&text, name.text, name.n);
    buffer_put(&text, "", 1);
    if (!text.failed && strlen(text.text) + 1 == text.n) {
        found = span_member(object, text.text);
    } else { /* a NUL in it: as it is written, or not at all */
        span_walk(&w, object);
        while (span_next(&w, &key, &value))
            if (key.n == name.n && memcmp(key.text, name.text, key.n) == 0)
                found = value;
    }
    buffer_free(&text);
    return found;
}

static int says(const struct place *p, const char *what)
{
    buffer_puts(p->why, p->path);
    buffer_puts(p->why, what);
    return 0;
}

/* Goes down to a member or an element; returns where the path ended. */
static size_t go_down(struct place *p, const char *dot, const char *name)
{
    size_t n = strlen(p->path);
    snprintf(p->path + n, sizeof p->path - n, "%s%s", dot, name);
    p->depth++;
    return n;
}

static void come_up(struct place *p, size_t n)
{
    p->path[n] = 0;
    p->depth--;
}

/* ---- type -------------------------------------------------------------------------------------------------- */

static int is_whole(struct span number)
{
    char text[NUMBER];
    if (number.n >= sizeof text)
        return !memchr(number.text, '.', number.n) && !memchr(number.text, 'e', number.n) &&
               !memchr(number.text, 'E', number.n);
    memcpy(text, number.text, number.n);
    text[number.n] = 0;
    double v = strtod(text, NULL);
    return isinf(v) || v == floor(v);
}

static int is_of_type(struct span value, struct span type)
{
    char c = value.text[0];
    int is_number = c == '-' || (c >= '0' && c <= '9');
    return span_is(type, "object")    ? c == '{'
           : span_is(type, "array")   ? c == '['
           : span_is(type, "string")  ? c == '"'
           : span_is(type, "boolean") ? c == 't' || c == 'f'
           : span_is(type, "null")    ? c == 'n'
           : span_is(type, "number")  ? is_number
           : span_is(type, "integer") ? is_number && is_whole(value)
                                      : 1; /* a word that no schema has */
}

static int fits_type(struct place *p, struct span type, struct span value)
{
    struct span_walk w;
    struct span key, one;
    char name[NAME];
    int any = 0;
    if (span_is_string(type)) {
        if (is_of_type(value, type))
            return 1;
        span_plain(type, name, sizeof name);
        says(p, " must be of type ");
        buffer_puts(p->why, name);
        return 0;
    }
    if (!span_is_list(type))
        return 1;
    span_walk(&w, type);
    while (!any && span_next(&w, &key, &one))
        any = is_of_type(value, one);
    if (any)
        return 1;
    says(p, " must be of one of the types ");
    buffer_put(p->why, type.text, type.n < NAME ? type.n : 0);
    return 0;
}

/* ---- enum, const ------------------------------------------------------------------------------------------- */

/* Strings by what they mean, all else as it is written. */
static int is_same(struct span a, struct span b)
{
    struct buffer x = {0}, y = {0};
    int same = a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
    if (same || !span_is_string(a) || !span_is_string(b))
        return same;
    json_unescape(&x, a.text, a.n);
    json_unescape(&y, b.text, b.n);
    same = !x.failed && !y.failed && x.n == y.n && (x.n == 0 || memcmp(x.text, y.text, x.n) == 0);
    buffer_free(&x);
    buffer_free(&y);
    return same;
}

/* What is no string, number or word may be written in many ways: its server judges it. */
static int fits_enum(struct place *p, struct span list, struct span value)
{
    struct span_walk w;
    struct span key, one;
    if (!span_is_list(list) || !span_is_string(value))
        return 1;
    p->work += list.n;
    span_walk(&w, list);
    while (span_next(&w, &key, &one))
        if (is_same(one, value))
            return 1;
    says(p, " must be one of ");
    buffer_put(p->why, list.text, list.n < PATH ? list.n : 0);
    buffer_puts(p->why, list.n < PATH ? "" : "the words of its schema");
    return 0;
}

/* ---- objects, lists ---------------------------------------------------------------------------------------- */

static int has_required(struct place *p, struct span required, struct span value)
{
    struct span_walk w;
    struct span key, name;
    char shown[NAME];
    if (!span_is_list(required))
        return 1;
    span_walk(&w, required);
    while (span_next(&w, &key, &name)) {
        if (p->work > WORK)
            return 1;
        if (!span_is_string(name) || member_named(p, value, name).n)
            continue;
        span_plain(name, shown, sizeof shown);
        size_t n = go_down(p, ".", shown);
        says(p, " is missing");
        come_up(p, n);
        return 0;
    }
    return 1;
}

/* The names that there are, as many as fit. */
static void put_names(struct buffer *why, struct span properties)
{
    struct span_walk w;
    struct span key, value;
    char name[NAME];
    int n = 0;
    span_walk(&w, properties);
    while (n < 20 && span_next(&w, &key, &value)) {
        span_plain(key, name, sizeof name);
        buffer_puts(why, n++ ? ", " : "; there are ");
        buffer_puts(why, name);
    }
}

static int fits_object(struct place *p, struct span schema, struct span value)
{
    struct span properties = span_member(schema, "properties"), more = span_member(schema, "additionalProperties"), key,
                of;
    struct span_walk w;
    char name[NAME];
    if (span_member(schema, "patternProperties").n) /* which keys are additional is its server's to find */
        more.n = 0;
    if (!has_required(p, span_member(schema, "required"), value))
        return 0;
    span_walk(&w, value);
    while (p->work <= WORK && span_next(&w, &key, &of)) {
        struct span below = member_named(p, properties, key);
        int is_refused = !below.n && more.n && more.text[0] == 'f';
        span_plain(key, name, sizeof name);
        size_t n = go_down(p, ".", name);
        if (is_refused) {
            says(p, " is not known");
            put_names(p->why, properties);
        }
        int good = !is_refused && fits(p, below.n ? below : more, of);
        come_up(p, n);
        if (!good)
            return 0;
    }
    return 1;
}

static int fits_list(struct place *p, struct span schema, struct span value)
{
    struct span items = span_member(schema, "items"), key, of;
    struct span_walk w;
    char at[24];
    if (!span_is_object(items) || span_member(schema, "prefixItems").n) /* items begin behind those */
        return 1;
    span_walk(&w, value);
    for (size_t i = 0; p->work <= WORK && span_next(&w, &key, &of); i++) {
        snprintf(at, sizeof at, "[%zu]", i);
        size_t n = go_down(p, "", at);
        int good = fits(p, items, of);
        come_up(p, n);
        if (!good)
            return 0;
    }
    return 1;
}

static int fits(struct place *p, struct span schema, struct span value)
{
    if (!span_is_object(schema) || p->depth > DEEPEST || p->work > WORK)
        return 1;
    p->work += schema.n;
    struct span constant = span_member(schema, "const");
    if (!fits_type(p, span_member(schema, "type"), value) || !fits_enum(p, span_member(schema, "enum"), value))
        return 0;
    if (span_is_string(constant) && !is_same(constant, value))
        return says(p, " must be what its schema says");
    return span_is_object(value) ? fits_object(p, schema, value)
           : span_is_list(value) ? fits_list(p, schema, value)
                                 : 1;
}

int arguments_fit(struct span schema, struct span arguments, struct buffer *why)
{
    struct place p = {.path = "arguments", .why = why};
    return fits(&p, schema, arguments);
}
