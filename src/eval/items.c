/* See items.h. */
#include "eval/items.h"

#include "base/error.h"
#include "base/json/load.h"

#include <stdlib.h>
#include <string.h>

const char *eval_item_id(const json_t *item) { return json_string_value(json_object_get(item, "id")); }

const char *eval_item_text(const json_t *item, const char *key, struct error *err)
{
    const json_t *v = json_object_get(item, key);
    const char *text = json_string_value(v);
    if (text && *text && strlen(text) == json_string_length(v))
        return text;
    error_set(err, ERR_INPUT,
              !v      ? "has no \"%s\""
              : !text ? "\"%s\" is not a text"
              : *text ? "\"%s\" has a character U+0000"
                      : "\"%s\" is empty",
              key);
    return NULL;
}

static int grow(struct eval_items *out, struct error *err)
{
    if (out->n & (out->n - 1)) /* memory for the next power of two */
        return 0;
    size_t room = out->n ? 2 * out->n : 1;
    json_t **item = realloc(out->item, room * sizeof *item);
    out->item = item ? item : out->item;
    size_t *line = realloc(out->line, room * sizeof *line);
    out->line = line ? line : out->line;
    return item && line ? 0 : error_set(err, ERR_MEMORY, "no memory for %zu items", room);
}

/* Members that an evaluation reads; published sets have others, and vectors of thousands of numbers among them. */
static void keep_known(json_t *item)
{
    static const char *const known[] = {"id",      "question",     "context",  "choices", "answer",
                                        "subject", "kind",         "messages", "schema",  "tools",
                                        "expect",  "expect_value", "depth",    "program"};
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(item, next, key, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], key) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            json_object_del(item, key);
    }
}

/* Takes the line as an item; lines: ids that were read, with their lines. */
static int read_line(struct eval_items *out, const char *text, size_t n, size_t line, json_t *lines,
                     int (*check)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    json_error_t why;
    if (n > EVAL_LINE_MOST)
        return error_set(err, ERR_INPUT, "has %zu bytes, more than %d", n, EVAL_LINE_MOST);
    json_t *item = json_load_reserved(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!item)
        return json_error_code(&why) == json_error_out_of_memory
                   ? error_set(err, ERR_MEMORY, "no memory for an item")
                   : error_set(err, ERR_INPUT, "is no JSON at byte %d: %s", why.position, why.text);
    const char *id = json_is_dict(item) ? eval_item_text(item, "id", err) : NULL;
    const json_t *other = id ? json_object_get(lines, id) : NULL;
    int status = id ? 0 : -1;
    if (!json_is_dict(item))
        error_set(err, ERR_INPUT, "is no JSON object");
    else if (other)
        status = error_set(err, ERR_INPUT, "the id \"%.80s\" is that of line %lld too", id,
                           (long long)json_integer_value(other));
    if (status == 0 && check)
        status = check(arg, item, err);
    if (status == 0)
        status = grow(out, err);
    if (status == 0 && json_object_set_new(lines, id, json_integer((json_int_t)line)))
        status = error_set(err, ERR_MEMORY, "no memory for an item");
    if (status) {
        json_decref(item);
        return -1;
    }
    keep_known(item);
    out->line[out->n] = line;
    out->item[out->n++] = item;
    return 0;
}

static int is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return 0;
    return 1;
}

int eval_items_read(struct eval_items *out, const char *name, const char *text, size_t n_text, size_t limit,
                    int (*check)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t at = n_text >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0, line = 0;
    json_t *lines = json_object();
    struct error why = {0};
    *out = (struct eval_items){0};
    while (at < n_text && !why.code && !(limit && out->n == limit)) {
        const char *end = memchr(text + at, '\n', n_text - at);
        size_t n = end ? (size_t)(end - text) - at : n_text - at;
        line++;
        if (!is_blank(text + at, n))
            read_line(out, text + at, n, line, lines, check, arg, &why);
        at += n + 1;
    }
    json_decref(lines);
    if (why.code)
        return error_set(err, why.code, "%s, line %zu: %s", name, line, why.text);
    return out->n ? 0 : error_set(err, ERR_INPUT, "%s has no items", name);
}

void eval_items_drop(struct eval_items *items, size_t i)
{
    json_decref(items->item[i]);
    items->n--;
    memmove(items->item + i, items->item + i + 1, (items->n - i) * sizeof *items->item);
    memmove(items->line + i, items->line + i + 1, (items->n - i) * sizeof *items->line);
}

void eval_items_free(struct eval_items *items)
{
    for (size_t i = 0; i < items->n; i++)
        json_decref(items->item[i]);
    free(items->item);
    free(items->line);
    *items = (struct eval_items){0};
}
