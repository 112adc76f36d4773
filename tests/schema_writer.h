/* Writes JSON schemas by choices: bytes of a fuzzer, or random ones. The same choices write the same schema.
 *
 * Of SCHEMA_KEYWORDS any keyword may stand anywhere: what a fuzzer explores. The other kinds are what servers meet: schemas of tools, and
 * those that cost more than they look like. Every schema is one line; only SCHEMA_BROKEN is not always JSON. */
#ifndef TESTS_SCHEMA_WRITER_H
#define TESTS_SCHEMA_WRITER_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct schema_writer {
    const uint8_t *data; /* [n] the choices; behind the last one all are 0 */
    size_t n, at;
    char text[1 << 16]; /* [length]; what no longer fits is left out */
    size_t length;
    int depth;
};

static inline unsigned schema_choice(struct schema_writer *w, unsigned n)
{
    return w->at < w->n ? w->data[w->at++] % n : 0;
}

static inline void schema_put(struct schema_writer *w, const char *text)
{
    size_t n = strlen(text);
    if (w->length + n < sizeof w->text) {
        memcpy(w->text + w->length, text, n);
        w->length += n;
    }
}

static inline const char *schema_pick(struct schema_writer *w, const char *const *list)
{
    unsigned n = 0;
    while (list[n])
        n++;
    return list[schema_choice(w, n)];
}

static inline void schema_part(struct schema_writer *w);

static inline void schema_list(struct schema_writer *w)
{
    schema_put(w, "[");
    for (unsigned i = 0, n = 1 + schema_choice(w, 3); i < n; i++) {
        if (i)
            schema_put(w, ",");
        schema_part(w);
    }
    schema_put(w, "]");
}

static inline void schema_keyword(struct schema_writer *w)
{
    static const char *const numbers[] = {"0",   "1",      "2",   "3",   "5", "10", "-3",
                                          "2.5", "-0.125", "1e2", "100", "7", NULL};
    static const char *const counts[] = {"minLength",     "maxLength",     "minItems", "maxItems",
                                         "minProperties", "maxProperties", NULL};
    static const char *const bounds[] = {"minimum",          "maximum",    "exclusiveMinimum",
                                         "exclusiveMaximum", "multipleOf", NULL};
    static const char *const types[] = {"\"string\"",
                                        "\"integer\"",
                                        "\"number\"",
                                        "\"boolean\"",
                                        "\"null\"",
                                        "\"array\"",
                                        "\"object\"",
                                        "[\"string\",\"null\"]",
                                        "[\"integer\",\"array\"]",
                                        NULL};
    static const char *const patterns[] = {"^a+$",   "b|c",   "^[a-z]{2,4}$", "^(x|yz)*$", "\\\\d{3}",
                                           "^.{2}$", "a.*b$", "^$",           "[^a]",      NULL};
    static const char *const formats[] = {"date",     "time",  "uuid",    "ipv4", "hostname",
                                          "duration", "email", "unknown", NULL};
    static const char *const values[] = {"1",       "\"a\"", "null", "true",           "[1,2]", "{\"a\":1}",
                                         "\"abc\"", "2.50",  "-0",   "\"\\u00e9\\n\"", NULL};
    static const char *const groups[] = {"anyOf", "oneOf", "allOf", "prefixItems", NULL};
    static const char *const refs[] = {"#", "#/$defs/a", "#/properties/a", "#/$defs/b", "#/items", NULL};
    static const char *const names[] = {"a", "b", "ab", "\\u00e9\\\"", "c d", NULL};
    static const char *const singles[] = {"items",         "additionalProperties", "not", "if",
                                          "propertyNames", "unevaluatedItems",     NULL};
    char item[200];
    switch (schema_choice(w, 13)) {
    case 0:
        snprintf(item, sizeof item, "\"type\":%s", schema_pick(w, types));
        schema_put(w, item);
        break;
    case 1:
        snprintf(item, sizeof item, "\"%s\":%u", schema_pick(w, counts), schema_choice(w, 6));
        schema_put(w, item);
        break;
    case 2:
        snprintf(item, sizeof item, "\"%s\":%s", schema_pick(w, bounds), schema_pick(w, numbers));
        schema_put(w, item);
        break;
    case 3:
        snprintf(item, sizeof item, "\"pattern\":\"%s\"", schema_pick(w, patterns));
        schema_put(w, item);
        break;
    case 4:
        snprintf(item, sizeof item, "\"format\":\"%s\"", schema_pick(w, formats));
        schema_put(w, item);
        break;
    case 5:
        snprintf(item, sizeof item, "\"enum\":[%s,%s]", schema_pick(w, values), schema_pick(w, values));
        schema_put(w, item);
        break;
    case 6:
        snprintf(item, sizeof item, "\"const\":%s", schema_pick(w, values));
        schema_put(w, item);
        break;
    case 7:
        snprintf(item, sizeof item, "\"%s\":", schema_pick(w, groups));
        schema_put(w, item);
        schema_list(w);
        break;
    case 8:
        snprintf(item, sizeof item, "\"$ref\":\"%s\"", schema_pick(w, refs));
        schema_put(w, item);
        break;
    case 9:
    case 10:
        schema_put(w, "\"properties\":{");
        for (unsigned i = 0, n = 1 + schema_choice(w, 3); i < n; i++) {
            snprintf(item, sizeof item, "%s\"%s\":", i ? "," : "", names[(i + schema_choice(w, 2)) % 5]);
            schema_put(w, item);
            schema_part(w);
        }
        snprintf(item, sizeof item, "},\"required\":[\"%s\"]", schema_pick(w, names));
        schema_put(w, item);
        break;
    case 11:
        snprintf(item, sizeof item, "\"patternProperties\":{\"%s\":", schema_pick(w, patterns));
        schema_put(w, item);
        schema_part(w);
        schema_put(w, "}");
        break;
    default:
        snprintf(item, sizeof item, "\"%s\":", schema_pick(w, singles));
        schema_put(w, item);
        schema_part(w);
    }
}

static inline void schema_part(struct schema_writer *w)
{
    if (w->depth > 5 || schema_choice(w, 12) == 0) {
        schema_put(w, schema_choice(w, 5) ? "true" : "false");
        return;
    }
    w->depth++;
    schema_put(w, "{");
    for (unsigned i = 0, n = schema_choice(w, 4); i < n; i++) {
        if (i)
            schema_put(w, ",");
        schema_keyword(w);
    }
    schema_put(w, "}");
    w->depth--;
}

static inline void schema_any_keywords(struct schema_writer *w)
{
    schema_put(w, "{\"$defs\":{\"a\":");
    schema_part(w);
    schema_put(w, ",\"b\":");
    schema_part(w);
    schema_put(w, "}");
    for (unsigned i = 0, n = 1 + schema_choice(w, 4); i < n; i++) {
        schema_put(w, ",");
        schema_keyword(w);
    }
    schema_put(w, "}");
}

/* ---- kinds ---------------------------------------------------------------------------------------------------------------- */

enum schema_kind {
    SCHEMA_ORDINARY,
    SCHEMA_RECURSIVE,
    SCHEMA_PATTERN,
    SCHEMA_ENUM,
    SCHEMA_NAMES,
    SCHEMA_PRODUCT,
    SCHEMA_DEEP,
    SCHEMA_KEYWORDS,
    SCHEMA_BROKEN,
    SCHEMA_KINDS
};

/* A number of up to 65536, small ones as often as large ones. */
static inline unsigned schema_size(struct schema_writer *w, unsigned most)
{
    unsigned n = 1 + (schema_choice(w, 256) << 8 | schema_choice(w, 256)) % (1u << (2 + schema_choice(w, 15)));
    return n < most ? n : most;
}

__attribute__((format(printf, 2, 3))) static inline void schema_print(struct schema_writer *w, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    schema_put(w, text);
}

/* The parameters of a tool. */
static inline void schema_ordinary(struct schema_writer *w)
{
    static const char *const types[] = {
        "{\"type\":\"string\"}",
        "{\"type\":\"string\",\"maxLength\":200,\"description\":\"What it is.\"}",
        "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000}",
        "{\"type\":\"number\"}",
        "{\"type\":\"boolean\"}",
        "{\"type\":[\"string\",\"null\"]}",
        "{\"enum\":[\"read\",\"write\",\"append\"]}",
        "{\"type\":\"string\",\"format\":\"date-time\"}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":8}",
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
        "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\"},\"y\":{\"type\":\"number\"}},"
        "\"required\":[\"x\",\"y\"],\"additionalProperties\":false}",
        "{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^[a-z_]+$\"},{\"type\":\"integer\"}]}",
        "{}",
        NULL};
    unsigned n = 1 + schema_choice(w, 8), required = schema_choice(w, n + 1);
    schema_put(w, "{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0; i < n; i++) {
        schema_print(w, "%s\"field_%u\":", i ? "," : "", i);
        schema_put(w, schema_pick(w, types));
    }
    schema_put(w, "},\"required\":[");
    for (unsigned i = 0; i < required; i++)
        schema_print(w, "%s\"field_%u\"", i ? "," : "", i);
    schema_print(w, "],\"additionalProperties\":%s}", schema_choice(w, 4) ? "false" : "true");
}

static inline void schema_recursive(struct schema_writer *w)
{
    static const char *const uses[] = {
        "{\"$ref\":\"#/$defs/%c\"}", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/%c\"}}",
        "{\"anyOf\":[{\"$ref\":\"#/$defs/%c\"},{\"type\":\"null\"}]}",
        "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/%c\"}}", NULL};
    unsigned n = 1 + schema_choice(w, 5);
    schema_put(w, "{\"$defs\":{");
    for (unsigned i = 0; i < n; i++) {
        schema_print(w, "%s\"%c\":{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"%s\"}", i ? "," : "",
                     'a' + (int)i, schema_choice(w, 2) ? "string" : "integer");
        for (unsigned k = 0, m = 1 + schema_choice(w, 3); k < m; k++) {
            char use[120];
            const char *form = schema_pick(w, uses), *at = strstr(form, "%c");
            snprintf(use, sizeof use, "%.*s%c%s", (int)(at - form), form, 'a' + (int)schema_choice(w, n), at + 2);
            schema_print(w, ",\"next_%u\":%s", k, use);
        }
        schema_print(w, "}%s}", schema_choice(w, 3) ? "" : ",\"required\":[\"next_0\"]");
    }
    schema_print(w, "},\"$ref\":\"#/$defs/%c\"}", 'a' + (int)schema_choice(w, n));
}

static inline void schema_pattern(struct schema_writer *w)
{
    static const char *const patterns[] = {"^(a|aa)+$",
                                           "(x+x+)+y",
                                           "^[a-z]{1,500}$",
                                           "^\\\\p{L}{3,40}$",
                                           "a.{12}$",
                                           "^(([a-z]{1,30}-){1,30}[a-z]{1,30})$",
                                           "[0-9]",
                                           "^(.*,){11}P",
                                           "^\\\\d{4}-\\\\d{2}$",
                                           "^[^@]{1,64}@([a-z0-9-]{1,63}\\\\.){1,8}[a-z]{2,}$",
                                           "(a?){50}a{50}",
                                           "^.{2,}$",
                                           "^(?:[A-Za-z0-9+/]{4})*$",
                                           "((a|b|c|d)*(e|f)){3,9}",
                                           "(?=x)",
                                           NULL};
    schema_put(w, "{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0, n = 1 + schema_choice(w, 3); i < n; i++) {
        schema_print(w, "%s\"p%u\":{\"type\":\"string\",\"pattern\":\"%s\"", i ? "," : "", i, schema_pick(w, patterns));
        if (schema_choice(w, 2))
            schema_print(w, ",\"allOf\":[{\"pattern\":\"%s\"}]", schema_pick(w, patterns));
        unsigned least = schema_size(w, 65536);
        if (schema_choice(w, 3))
            schema_print(w, ",\"minLength\":%u", least);
        if (schema_choice(w, 3))
            schema_print(w, ",\"maxLength\":%u", least + schema_size(w, 65536));
        schema_put(w, "}");
    }
    schema_put(w, "},\"required\":[\"p0\"]}");
}

static inline void schema_enum(struct schema_writer *w)
{
    unsigned n = schema_size(w, 2500), kind = schema_choice(w, 4);
    if (kind == 3) { /* one value that is large */
        schema_put(w, "{\"const\":[");
        for (unsigned i = 0; i < n; i++)
            schema_print(w, "%s{\"k%u\":[%u,\"v\",null]}", i ? "," : "", i % 7, i);
        schema_put(w, "]}");
        return;
    }
    schema_put(w, "{\"type\":\"object\",\"properties\":{\"e\":{\"enum\":[");
    for (unsigned i = 0; i < n; i++)
        schema_print(w, kind == 0 ? "%s\"value_%u\"" : kind == 1 ? "%s%u" : "%s{\"a\":%u}", i ? "," : "", i * 7919u);
    schema_put(w, "]}},\"required\":[\"e\"]}");
}

static inline void schema_names(struct schema_writer *w)
{
    static const char *const patterns[] = {"^a",        "b$",         "^[a-z]+$", ".",      "^x-",
                                           "[0-9]{2,}", "^(foo|bar)", "",         "^.{3}$", NULL};
    schema_put(w, "{\"type\":\"object\",\"patternProperties\":{");
    for (unsigned i = 0, n = 1 + schema_choice(w, 6), first = schema_choice(w, 9); i < n; i++) {
        schema_print(w, "%s\"%s\":", i ? "," : "", patterns[(first + i) % 9]);
        schema_part(w);
    }
    schema_print(w, "},\"minProperties\":%u,\"additionalProperties\":%s", schema_choice(w, 20),
                 schema_choice(w, 2) ? "false" : "{}");
    if (schema_choice(w, 2))
        schema_print(w, ",\"propertyNames\":{\"pattern\":\"%s\",\"maxLength\":%u}", schema_pick(w, patterns),
                     schema_size(w, 500));
    schema_put(w, "}");
}

/* All of some, each any of some. */
static inline void schema_product(struct schema_writer *w)
{
    unsigned n = 2 + schema_choice(w, 11), m = 2 + schema_choice(w, 7), kind = schema_choice(w, 3);
    schema_put(w, "{\"allOf\":[");
    for (unsigned i = 0; i < n; i++) {
        schema_print(w, "%s{\"%s\":[", i ? "," : "", schema_choice(w, 3) ? "anyOf" : "oneOf");
        for (unsigned k = 0; k < m; k++) {
            schema_put(w, k ? "," : "");
            if (kind == 0)
                schema_print(w, "{\"type\":\"object\",\"properties\":{\"p%u\":{\"const\":%u}},\"required\":[\"p%u\"]}",
                             i, k, i);
            else if (kind == 1)
                schema_print(w, "{\"type\":\"string\",\"pattern\":\"[%c-%c]{%u}\"}", 'a' + (int)k, 'p' + (int)k, i + 1);
            else
                schema_part(w);
        }
        schema_put(w, "]}");
    }
    schema_put(w, "]}");
}

static inline void schema_deep(struct schema_writer *w)
{
    static const char *const open[] = {"{\"type\":\"array\",\"items\":", "{\"properties\":{\"a\":",
                                       "{\"anyOf\":[{\"type\":\"null\"},",
                                       "{\"not\":", "{\"type\":\"array\",\"minItems\":2,\"items\":"},
                             *const close[] = {"}", "},\"required\":[\"a\"],\"type\":\"object\"}", "]}", "}", "}"};
    uint8_t form[1000];
    unsigned n = schema_size(w, 1000), any = schema_choice(w, 2), first = schema_choice(w, 5);
    for (unsigned i = 0; i < n; i++) {
        form[i] = (uint8_t)(any ? schema_choice(w, 3) : first);
        schema_put(w, open[form[i]]);
    }
    schema_put(w, "{\"type\":\"integer\"}");
    for (unsigned i = n; i-- > 0;)
        schema_put(w, close[form[i]]);
}

static inline void schema_write(struct schema_writer *w, enum schema_kind kind);

/* One of the others with a fault: cut off, a byte changed, a word that means nothing. */
static inline void schema_broken(struct schema_writer *w)
{
    static const char *const whole[] = {"null",
                                        "[1,2]",
                                        "\"string\"",
                                        "{\"type\":\"strnig\"}",
                                        "{\"type\":5}",
                                        "{\"required\":\"a\"}",
                                        "{\"$ref\":\"#/nowhere\"}",
                                        "{\"$ref\":\"http://example.com/a\"}",
                                        "{\"minLength\":-1}",
                                        "{\"pattern\":\"[\"}",
                                        "{\"enum\":[]}",
                                        "{\"maximum\":1e400,\"minimum\":1e399}",
                                        "{\"properties\":[]}",
                                        "{\"items\":3}",
                                        "",
                                        NULL};
    unsigned fault = schema_choice(w, 3), at;
    if (fault == 0) {
        schema_put(w, schema_pick(w, whole));
        return;
    }
    schema_write(w, (enum schema_kind)schema_choice(w, SCHEMA_BROKEN));
    at = (schema_choice(w, 256) << 8 | schema_choice(w, 256)) % (unsigned)(w->length + 1);
    if (fault == 1)
        w->length = at;
    else if (at < w->length)
        w->text[at] = "{}[]\",:0 "[schema_choice(w, 9)];
}

static inline void schema_write(struct schema_writer *w, enum schema_kind kind)
{
    static void (*const writers[])(struct schema_writer *) = {schema_ordinary, schema_recursive,    schema_pattern,
                                                              schema_enum,     schema_names,        schema_product,
                                                              schema_deep,     schema_any_keywords, schema_broken};
    writers[kind](w);
}

#endif
