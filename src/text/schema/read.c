/* Schemas as trees: read.h. A node for each value that the scanner comes to, without recursion. */
#include "text/schema/read.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/json/scan.h"

#include <stdio.h>
#include <string.h>

struct reader {
    struct compile_pool *pool;
    const char *text;
    size_t n, at;
    struct json_scan scan;
    struct schema_node *open, *last; /* the innermost container, and its last child so far */
    const char *key;                 /* of the member that comes next, or NULL */
    uint32_t n_key, ids;
    struct error *err;
};

static int fail(struct reader *r, size_t at, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        line += r->text[i] == '\n';
        column = r->text[i] == '\n' ? 1 : column + 1;
    }
    return error_set(r->err, ERR_INPUT, "not JSON, line %zu, column %zu: %s", line, column, what);
}

/* Why there is no next token. */
static int fail_token(struct reader *r)
{
    static const char *const due[] = {
        [JSON_AT_VALUE] = "expected a value",       [JSON_AT_FIRST_VALUE] = "expected a value",
        [JSON_AT_FIRST_KEY] = "expected a key",     [JSON_AT_KEY] = "expected a key",
        [JSON_AT_COLON] = "expected a colon",       [JSON_AT_COMMA] = "expected a comma or a closing bracket",
        [JSON_AT_END] = "something behind the end", [JSON_IN_STRING] = "a control character in a string",
        [JSON_IN_ESCAPE] = "an unknown escape",     [JSON_IN_HEX] = "\\u needs four hexadecimal digits",
        [JSON_IN_WORD] = "expected a value",        [JSON_IN_NUMBER] = "a bad number",
    };
    enum json_state state = r->scan.state;
    if (state == JSON_TOO_DEEP)
        return error_set(r->err, ERR_INPUT, "nested deeper than %d brackets", JSON_DEEPEST);
    if (r->at == r->n && state >= JSON_IN_STRING && state <= JSON_IN_HEX)
        return fail(r, r->at, "a string is not closed");
    if (state == JSON_AT_COMMA && json_in_object(&r->scan))
        return fail(r, r->at, "expected a comma or a closing brace");
    return fail(r, state == JSON_IN_WORD ? r->scan.from : r->at + (state == JSON_IN_ESCAPE), due[state]);
}

/* The string token into the pool; a text is never longer than its escapes. */
static int take_string(struct reader *r, const char **out, uint32_t *n_out)
{
    const char *token = r->text + r->scan.from;
    size_t n_token = r->at - r->scan.from, n = 0;
    struct json_piece p;
    char *text = pool_alloc(r->pool, n_token - 1, 1);
    if (!text)
        return compile_refused(r->pool->compile, r->err);
    for (size_t at = 1, from = 1; json_piece(token, n_token, &at, &p); from = at) {
        if (p.is == JSON_HALF_PAIR)
            return fail(r, r->scan.from + at, "half of a surrogate pair");
        if (p.is == JSON_NOT_UTF8)
            return fail(r, r->scan.from + from, "not valid UTF-8");
        memcpy(text + n, p.text, p.n);
        n += p.n;
    }
    *out = text;
    *n_out = (uint32_t)n;
    return 0;
}

static int check_keys(struct reader *r, struct schema_node *o)
{
    char why[120];
    const struct schema_node *twice = node_index(r->pool, o);
    if (r->pool->compile->end)
        return compile_refused(r->pool->compile, r->err);
    if (!twice)
        return 0;
    snprintf(why, sizeof why, "the key \"%.60s\" stands twice in one object", twice->key);
    return fail(r, r->at, why);
}

static uint8_t kind_of(char token)
{
    switch (token) {
    case '{':
        return NODE_OBJECT;
    case '[':
        return NODE_ARRAY;
    case '"':
        return NODE_STRING;
    case '0':
        return NODE_NUMBER;
    default:
        return token == 't' ? NODE_TRUE : token == 'f' ? NODE_FALSE : NODE_NULL;
    }
}

/* The value that begins here: the next child of the open container, or the root. */
static int add_node(struct reader *r, struct schema_node **root)
{
    struct schema_node *x = pool_alloc(r->pool, 1, sizeof *x);
    if (!x)
        return compile_refused(r->pool->compile, r->err);
    compile_work(r->pool->compile, 16);
    x->kind = kind_of(r->scan.token);
    x->id = r->ids++;
    x->parent = r->open;
    x->index = r->open ? r->open->n++ : 0;
    x->key = r->key;
    x->n_key = r->n_key;
    x->hash = r->key ? (uint32_t)hash64(r->key, r->n_key, 0) : 0;
    *(r->last ? &r->last->next : r->open ? &r->open->child : root) = x;
    r->key = NULL;
    r->n_key = 0;
    r->last = x;
    if (x->kind == NODE_STRING)
        return take_string(r, &x->text, &x->n);
    if (x->kind == NODE_NUMBER) {
        x->text = r->text + r->scan.from;
        x->n = (uint32_t)(r->at - r->scan.from);
        return node_shorten(r->pool, x) ? compile_refused(r->pool->compile, r->err) : 0;
    }
    if (x->kind >= NODE_ARRAY) {
        r->open = x;
        r->last = NULL;
    }
    return 0;
}

static int close_node(struct reader *r)
{
    struct schema_node *x = r->open;
    r->open = x->parent;
    r->last = x;
    return x->kind == NODE_OBJECT && x->n ? check_keys(r, x) : 0;
}

int schema_read(struct schema_node **out, struct compile_pool *pool, const char *text, size_t n, struct error *err)
{
    struct reader r = {.pool = pool, .n = n, .err = err};
    r.text = pool_copy(pool, text, n); /* numbers point into it */
    if (!r.text)
        return compile_refused(pool->compile, err);
    json_scan_begin(&r.scan, JSON_DEEPEST);
    while (json_token(&r.scan, r.text, n, &r.at, 1) == SCAN_OK) {
        char token = r.scan.token;
        int failed = token == JSON_KEY              ? take_string(&r, &r.key, &r.n_key)
                     : token == '}' || token == ']' ? close_node(&r)
                                                    : add_node(&r, out);
        if (failed)
            return -1;
    }
    return r.scan.state == JSON_AT_END && r.at == n ? 0 : fail_token(&r);
}
