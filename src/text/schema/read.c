/* Schemas as trees: read.h. A node for each value that the scanner comes to, without recursion. */
#include "text/schema/read.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/json/scan.h"
#include "text/schema/number.h"

#include <stdio.h>
#include <stdlib.h>
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

static int compare_keys(const void *a, const void *b)
{
    const struct schema_node *x = *(struct schema_node *const *)a, *y = *(struct schema_node *const *)b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->id > y->id) - (x->id < y->id);
}

static int check_keys(struct reader *r, struct schema_node *o)
{
    struct schema_node **sorted = compile_alloc(r->pool->compile, o->n + 1, sizeof *sorted);
    int twice = 0;
    uint32_t n = 0;
    if (!sorted)
        return compile_refused(r->pool->compile, r->err);
    for (struct schema_node *m = o->child; m; m = m->next)
        sorted[n++] = m;
    compile_work(r->pool->compile, 16 * (uint64_t)n);
    qsort(sorted, n, sizeof *sorted, compare_keys);
    for (uint32_t i = 0; i < n && !twice; i++)
        for (uint32_t j = i + 1; j < n && sorted[j]->hash == sorted[i]->hash && !twice; j++)
            if (sorted[j]->n_key == sorted[i]->n_key && !memcmp(sorted[j]->key, sorted[i]->key, sorted[i]->n_key)) {
                char why[120];
                snprintf(why, sizeof why, "the key \"%.60s\" stands twice in one object", sorted[i]->key);
                twice = fail(r, r->at, why);
            }
    compile_free(r->pool->compile, sorted);
    return twice;
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
    } else if (x->kind >= NODE_ARRAY) {
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

/* ---- looking ------------------------------------------------------------------------------------------------------------------ */

struct schema_node *node_member_n(const struct schema_node *o, const char *key, size_t n)
{
    uint32_t hash = (uint32_t)hash64(key, n, 0);
    for (struct schema_node *m = o && o->kind == NODE_OBJECT ? o->child : NULL; m; m = m->next)
        if (m->hash == hash && m->n_key == n && memcmp(m->key, key, n) == 0)
            return m;
    return NULL;
}

struct schema_node *node_member(const struct schema_node *o, const char *key)
{
    return node_member_n(o, key, strlen(key));
}

int node_is_text(const struct schema_node *x, const char *text)
{
    return x && x->kind == NODE_STRING && x->n == strlen(text) && memcmp(x->text, text, x->n) == 0;
}

int node_equal(const struct schema_node *x, const struct schema_node *y)
{
    if (x->kind != y->kind)
        return 0;
    if (x->kind == NODE_NUMBER && x->n == y->n && memcmp(x->text, y->text, x->n) == 0)
        return 1;
    if (x->kind == NODE_NUMBER)
        return number_compare(x->text, x->n, y->text, y->n) == 0;
    if (x->kind == NODE_STRING)
        return x->n == y->n && memcmp(x->text, y->text, x->n) == 0;
    if (x->n != y->n)
        return 0;
    const struct schema_node *b = y->child;
    for (const struct schema_node *a = x->child; a; a = a->next) {
        const struct schema_node *other = x->kind == NODE_ARRAY ? b : node_member_n(y, a->key, a->n_key);
        if (!other || !node_equal(a, other))
            return 0;
        b = b ? b->next : NULL;
    }
    return 1;
}

uint64_t node_hash(const struct schema_node *x)
{
    uint64_t hash = x->kind;
    if (x->kind == NODE_NUMBER)
        return number_hash(x->text, x->n);
    if (x->kind == NODE_STRING)
        return hash64(x->text, x->n, hash);
    for (const struct schema_node *c = x->child; c; c = c->next) {
        uint64_t one = node_hash(c);
        if (x->kind == NODE_OBJECT)
            hash += hash64(c->key, c->n_key, one); /* in any order */
        else
            hash = hash64(&one, sizeof one, hash);
    }
    return hash;
}

void node_pointer(const struct schema_node *x, char *out, size_t capacity)
{
    if (!x->parent) {
        out[0] = 0;
        return;
    }
    node_pointer(x->parent, out, capacity);
    size_t n = strlen(out);
    if (x->parent->kind == NODE_ARRAY) {
        snprintf(out + n, capacity - n, "/%u", x->index);
        return;
    }
    if (n + 1 < capacity)
        out[n++] = '/';
    for (uint32_t i = 0; i < x->n_key && n + 3 < capacity; i++) {
        char c = x->key[i];
        if (c == '~' || c == '/') {
            out[n++] = '~';
            out[n++] = c == '~' ? '0' : '1';
        } else {
            out[n++] = c ? c : '?';
        }
    }
    out[n < capacity ? n : capacity - 1] = 0;
}

/* One step of a pointer, decoded. */
static size_t decode(const char *p, size_t n, int percent, char *out)
{
    size_t used = 0;
    char plain[512];
    for (size_t i = 0; i < n && used < sizeof plain; i++) {
        int high = percent && p[i] == '%' && i + 2 < n ? hex_digit(p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(p[i + 2]) : -1;
        plain[used++] = low >= 0 ? (char)(high << 4 | low) : p[i];
        i += low >= 0 ? 2 : 0;
    }
    n = used;
    used = 0;
    for (size_t i = 0; i < n; i++) {
        int tilde = plain[i] == '~' && i + 1 < n && (plain[i + 1] == '0' || plain[i + 1] == '1');
        out[used++] = tilde ? (plain[i + 1] == '0' ? '~' : '/') : plain[i];
        i += (size_t)tilde;
    }
    return used;
}

struct schema_node *node_at(struct schema_node *root, const char *pointer, size_t n, int percent)
{
    struct schema_node *x = root;
    char key[512];
    for (size_t i = 0; i < n && x;) {
        if (pointer[i] != '/')
            return NULL;
        size_t end = ++i;
        while (end < n && pointer[end] != '/')
            end++;
        size_t length = end - i <= 500 ? decode(pointer + i, end - i, percent, key) : 0;
        i = end;
        if (x->kind == NODE_OBJECT) {
            x = node_member_n(x, key, length);
            continue;
        }
        uint32_t index = 0;
        int good = x->kind == NODE_ARRAY && length > 0 && length < 9;
        for (size_t k = 0; k < length && good; k++) {
            good = key[k] >= '0' && key[k] <= '9';
            index = index * 10 + (uint32_t)(key[k] - '0');
        }
        x = good ? x->child : NULL;
        while (x && x->index != index)
            x = x->next;
    }
    return x;
}
