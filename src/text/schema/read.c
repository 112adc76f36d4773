/* Reading JSON: read.h. RFC 8259, nothing more; recursion is bounded by the depth of the text. */
#include "text/schema/read.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "text/schema/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 2048 };

struct reader {
    struct compile_pool *pool;
    const char *text;
    size_t n, at;
    uint32_t ids;
    int depth;
    struct error *err;
};

static int fail(struct reader *r, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < r->at && i < r->n; i++) {
        line += r->text[i] == '\n';
        column = r->text[i] == '\n' ? 1 : column + 1;
    }
    return error_set(r->err, ERR_INPUT, "not JSON, line %zu, column %zu: %s", line, column, what);
}

static int peek(const struct reader *r) { return r->at < r->n ? (unsigned char)r->text[r->at] : -1; }

static void skip(struct reader *r)
{
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        r->at++;
}

/* ---- strings ------------------------------------------------------------------------------------------------------------------ */

static int hex4(struct reader *r, uint32_t *out)
{
    size_t got = hex_read(r->text + r->at, r->n - r->at, 4, out);
    r->at += got;
    return got < 4 ? fail(r, "\\u needs four hexadecimal digits") : 0;
}

static int escape(struct reader *r, char *out, size_t *n)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    int e = peek(r);
    const char *found = e > 0 ? strchr(plain, e) : NULL;
    uint32_t c, low;
    r->at++;
    if (found) {
        out[(*n)++] = meant[found - plain];
        return 0;
    }
    if (e != 'u')
        return fail(r, "an unknown escape");
    if (hex4(r, &c))
        return -1;
    if (c >= 0xD800 && c <= 0xDBFF && r->n - r->at >= 6 && r->text[r->at] == '\\' && r->text[r->at + 1] == 'u') {
        r->at += 2;
        if (hex4(r, &low))
            return -1;
        uint32_t pair = utf8_of_pair(c, low);
        c = pair ? pair : c;
    }
    if (c >= 0xD800 && c <= 0xDFFF)
        return fail(r, "half of a surrogate pair");
    *n += utf8_write(c, out + *n);
    return 0;
}

/* Decoded into the pool; a text is never longer than its escapes. */
static int string(struct reader *r, const char **out, uint32_t *n_out)
{
    size_t from = ++r->at, end = from, n = 0, length;
    while (end < r->n && r->text[end] != '"')
        end += r->text[end] == '\\' ? 2 : 1;
    if (end >= r->n)
        return r->at = r->n, fail(r, "a string is not closed");
    char *text = pool_alloc(r->pool, end - from + 1, 1);
    if (!text)
        return compile_refused(r->pool->compile, r->err);
    while (peek(r) != '"') {
        int c = peek(r);
        if (c == '\\') {
            r->at++;
            if (escape(r, text, &n))
                return -1;
            continue;
        }
        if (c < 0x20)
            return fail(r, "a control character in a string");
        if (utf8_head(r->text + r->at, r->n - r->at, &length) != UTF8_WHOLE)
            return fail(r, "not valid UTF-8");
        memcpy(text + n, r->text + r->at, length);
        n += length;
        r->at += length;
    }
    r->at++;
    text[n] = 0;
    *out = text;
    *n_out = (uint32_t)n;
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------- */

static struct schema_node *value(struct reader *r, struct schema_node *parent);

static int digits(struct reader *r)
{
    size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > from;
}

static int number(struct reader *r, struct schema_node *x)
{
    size_t from = r->at;
    if (peek(r) == '-')
        r->at++;
    int good = peek(r) == '0' ? (r->at++, 1) : digits(r);
    if (good && peek(r) == '.')
        r->at++, good = digits(r);
    if (good && (peek(r) | 0x20) == 'e') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        good = digits(r);
    }
    if (!good)
        return fail(r, "a bad number");
    x->kind = NODE_NUMBER;
    x->text = r->text + from;
    x->n = (uint32_t)(r->at - from);
    return 0;
}

static int word(struct reader *r, struct schema_node *x)
{
    static const char *const names[] = {"null", "false", "true"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);
        if (r->n - r->at >= n && memcmp(r->text + r->at, names[i], n) == 0) {
            x->kind = (uint8_t)i;
            r->at += n;
            return 0;
        }
    }
    return fail(r, "expected a value");
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
                twice = fail(r, why);
            }
    compile_free(r->pool->compile, sorted);
    return twice;
}

/* Elements or members up to the closing bracket. */
static int children(struct reader *r, struct schema_node *x, int is_object)
{
    struct schema_node **last = &x->child;
    int close = is_object ? '}' : ']';
    x->kind = is_object ? NODE_OBJECT : NODE_ARRAY;
    r->at++;
    skip(r);
    if (peek(r) == close) {
        r->at++;
        return 0;
    }
    if (++r->depth > MOST_DEPTH)
        return error_set(r->err, ERR_INPUT, "nested deeper than %d brackets", MOST_DEPTH);
    for (;; r->at++) {
        const char *key = NULL;
        uint32_t n_key = 0;
        skip(r);
        if (is_object && peek(r) != '"')
            return fail(r, "expected a key");
        if (is_object && string(r, &key, &n_key))
            return -1;
        skip(r);
        if (is_object && peek(r) != ':')
            return fail(r, "expected a colon");
        r->at += (size_t)is_object;
        struct schema_node *child = value(r, x);
        if (!child)
            return -1;
        child->key = key;
        child->n_key = n_key;
        child->hash = key ? (uint32_t)hash64(key, n_key, 0) : 0;
        child->index = x->n++;
        *last = child;
        last = &child->next;
        skip(r);
        if (peek(r) == close)
            break;
        if (peek(r) != ',')
            return fail(r, is_object ? "expected a comma or a closing brace" : "expected a comma or a closing bracket");
    }
    r->at++;
    r->depth--;
    return is_object ? check_keys(r, x) : 0;
}

static struct schema_node *value(struct reader *r, struct schema_node *parent)
{
    struct schema_node *x = pool_alloc(r->pool, 1, sizeof *x);
    if (!x) {
        compile_refused(r->pool->compile, r->err);
        return NULL;
    }
    x->parent = parent;
    x->id = r->ids++;
    compile_work(r->pool->compile, 16);
    skip(r);
    int c = peek(r), failed;
    if (c == '"') {
        x->kind = NODE_STRING;
        failed = string(r, &x->text, &x->n);
    } else if (c == '{' || c == '[') {
        failed = children(r, x, c == '{');
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        failed = number(r, x);
    } else {
        failed = word(r, x);
    }
    return failed ? NULL : x;
}

int schema_read(struct schema_node **out, struct compile_pool *pool, const char *text, size_t n, struct error *err)
{
    struct reader r = {.pool = pool, .n = n, .err = err};
    r.text = pool_copy(pool, text, n); /* numbers point into it */
    if (!r.text)
        return compile_refused(pool->compile, err);
    *out = value(&r, NULL);
    skip(&r);
    if (*out && r.at < n)
        fail(&r, "something behind the end");
    return *out && r.at == n ? 0 : -1;
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
