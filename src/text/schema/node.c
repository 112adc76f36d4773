/* Nodes of a schema's text: read.h. What a lookup or a comparison takes is bounded by its input's size, whoever chose the names: members
 * are searched in an order that does not depend on how their hashes are spread, and what takes longer than a name is counted. */
#include "text/schema/read.h"

#include "base/hash.h"
#include "base/hex.h"
#include "text/schema/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- members ------------------------------------------------------------------------------------------------------------------ */

/* By hash, then as keys: members of one name are neighbours, and many names of one hash are still found by halving. */
static int order_of(const struct schema_node *m, uint32_t hash, const char *key, size_t n)
{
    if (m->hash != hash)
        return m->hash < hash ? -1 : 1;
    return m->n_key != n ? (m->n_key < n ? -1 : 1) : memcmp(m->key, key, n);
}

static int compare_keys(const void *a, const void *b)
{
    const struct schema_node *x = *(struct schema_node *const *)a, *y = *(struct schema_node *const *)b;
    return order_of(x, y->hash, y->key, y->n_key);
}

static const struct schema_node *twice_of_few(const struct schema_node *o)
{
    for (const struct schema_node *x = o->child; x; x = x->next)
        for (const struct schema_node *y = x->next; y; y = y->next)
            if (x->hash == y->hash && order_of(x, y->hash, y->key, y->n_key) == 0)
                return x;
    return NULL;
}

const struct schema_node *node_index(struct compile_pool *pool, struct schema_node *o)
{
    uint32_t n = 0;
    compile_work(pool->compile, 16 * (uint64_t)o->n);
    if (o->n <= NODE_FEW)
        return twice_of_few(o);
    struct schema_node **sorted = pool_alloc(pool, o->n, sizeof *sorted);
    if (!sorted)
        return NULL;
    for (struct schema_node *m = o->child; m; m = m->next)
        sorted[n++] = m;
    qsort(sorted, n, sizeof *sorted, compare_keys);
    for (uint32_t i = 1; i < n; i++)
        if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
            return sorted[i];
    o->sorted = sorted;
    return NULL;
}

static struct schema_node *find(const struct schema_node *o, uint32_t hash, const char *key, size_t n)
{
    if (!o->sorted) {
        struct schema_node *m = o->child;
        while (m && (m->hash != hash || order_of(m, hash, key, n) != 0))
            m = m->next;
        return m;
    }
    for (uint32_t low = 0, high = o->n; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        int order = order_of(o->sorted[mid], hash, key, n);
        if (order == 0)
            return o->sorted[mid];
        low = order < 0 ? mid + 1 : low;
        high = order < 0 ? high : mid;
    }
    return NULL;
}

struct schema_node *node_member_n(const struct schema_node *o, const char *key, size_t n)
{
    return o && o->kind == NODE_OBJECT && o->n ? find(o, (uint32_t)hash64(key, n, 0), key, n) : NULL;
}

struct schema_node *node_keyword(const struct schema_node *o, const char *name)
{
    struct schema_node *x = node_member_n(o, name, strlen(name));
    return x && x->kind == NODE_NULL && strcmp(name, "const") != 0 ? NULL : x;
}

uint32_t node_probes(const struct schema_node *o)
{
    uint32_t n = 0;
    while (o && o->kind == NODE_OBJECT && o->n >> n > NODE_FEW)
        n++;
    return n;
}

int node_is_text(const struct schema_node *x, const char *text)
{
    return x && x->kind == NODE_STRING && x->n == strlen(text) && memcmp(x->text, text, x->n) == 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------- */

int node_shorten(struct compile_pool *pool, struct schema_node *x)
{
    char text[DECIMAL_SHORT];
    if (x->n <= NODE_DIGITS)
        return 0;
    if (compile_work(pool->compile, x->n / 4)) /* a digit takes some 2 ns */
        return -1;
    struct node_digits *d = pool_alloc(pool, 1, sizeof *d);
    if (!d)
        return -1;
    d->n = (uint32_t)decimal_shorten(x->text, x->n, text);
    d->text = pool_copy(pool, text, d->n);
    x->digits = d;
    return d->text ? 0 : -1;
}

const char *node_number(const struct schema_node *x, size_t *n)
{
    const struct node_digits *d = x->kind == NODE_NUMBER ? x->digits : NULL;
    *n = d ? d->n : x->n;
    return d ? d->text : x->text;
}

int node_compare_numbers(struct compile *compile, const struct schema_node *x, const struct schema_node *y)
{
    size_t n_x, n_y;
    const char *a = node_number(x, &n_x), *b = node_number(y, &n_y);
    compile_work(compile, 16 + (n_x + n_y) / 4);
    return decimal_compare(a, n_x, b, n_y);
}

static int same_bytes(const struct schema_node *x, const struct schema_node *y)
{
    return x->n == y->n && memcmp(x->text, y->text, x->n) == 0;
}

static int same_members(struct compile *compile, const struct schema_node *x, const struct schema_node *y)
{
    const struct schema_node *a = x->child;
    for (uint32_t i = 0; i < x->n; i++, a = a->next) { /* both are in one order, or both are few */
        const struct schema_node *m = x->sorted ? x->sorted[i] : a, *other = NULL;
        if (!x->sorted)
            other = find(y, m->hash, m->key, m->n_key);
        else if (order_of(y->sorted[i], m->hash, m->key, m->n_key) == 0)
            other = y->sorted[i];
        if (compile_work(compile, 4 + m->n_key / 64) || !other || !node_equal(compile, m, other))
            return 0;
    }
    return 1;
}

int node_equal(struct compile *compile, const struct schema_node *x, const struct schema_node *y)
{
    if (x == y)
        return 1;
    if (x->kind != y->kind || compile_work(compile, 4 + (x->kind == NODE_STRING ? x->n / 64 : 0)))
        return 0;
    if (x->kind == NODE_NUMBER) {
        size_t n_x, n_y;
        const char *a = node_number(x, &n_x), *b = node_number(y, &n_y);
        return (n_x == n_y && memcmp(a, b, n_x) == 0) || node_compare_numbers(compile, x, y) == 0;
    }
    if (x->kind == NODE_STRING)
        return same_bytes(x, y);
    if (x->n != y->n)
        return 0;
    if (x->kind == NODE_OBJECT)
        return same_members(compile, x, y);
    for (const struct schema_node *a = x->child, *b = y->child; a; a = a->next, b = b->next)
        if (!node_equal(compile, a, b))
            return 0;
    return 1;
}

uint64_t node_hash(struct compile *compile, const struct schema_node *x)
{
    uint64_t hash = x->kind;
    size_t n = x->n;
    if (x->kind == NODE_NUMBER) {
        const char *text = node_number(x, &n);
        compile_work(compile, 4 + n / 4);
        return decimal_hash(text, n);
    }
    if (compile_work(compile, 4 + (x->kind == NODE_STRING ? n / 32 : 0)))
        return 0;
    if (x->kind == NODE_STRING)
        return hash64(x->text, x->n, hash);
    for (const struct schema_node *c = x->child; c; c = c->next) {
        uint64_t one = node_hash(compile, c);
        compile_work(compile, c->n_key / 32);
        if (x->kind == NODE_OBJECT)
            hash += hash64(c->key, c->n_key, one); /* in any order */
        else
            hash = hash64(&one, sizeof one, hash);
    }
    return hash;
}

/* ---- pointers ------------------------------------------------------------------------------------------------------------------ */

/* Returns the bytes that are written so far. */
static size_t write_pointer(const struct schema_node *x, char *out, size_t capacity)
{
    size_t n = x->parent ? write_pointer(x->parent, out, capacity) : 0;
    if (!x->parent || n + 1 >= capacity)
        return n;
    if (x->parent->kind == NODE_ARRAY) {
        int more = snprintf(out + n, capacity - n, "/%u", x->index);
        return (size_t)more < capacity - n ? n + (size_t)more : capacity - 1;
    }
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
    return n;
}

void node_pointer(const struct schema_node *x, char *out, size_t capacity) { out[write_pointer(x, out, capacity)] = 0; }

/* One step of a pointer, decoded: no longer than it was. */
static size_t decode(const char *p, size_t n, int percent, char *out)
{
    size_t n_plain = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        int high = percent && p[i] == '%' && i + 2 < n ? hex_digit(p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(p[i + 2]) : -1;
        out[n_plain++] = low >= 0 ? (char)(high << 4 | low) : p[i];
        i += low >= 0 ? 2 : 0;
    }
    for (size_t i = 0; i < n_plain; i++) {
        int tilde = out[i] == '~' && i + 1 < n_plain && (out[i + 1] == '0' || out[i + 1] == '1');
        out[used++] = tilde ? (out[i + 1] == '0' ? '~' : '/') : out[i];
        i += (size_t)tilde;
    }
    return used;
}

static struct schema_node *element(const struct schema_node *x, const char *digits, size_t n)
{
    uint32_t index = 0;
    int good = x->kind == NODE_ARRAY && n > 0 && n < 9;
    for (size_t k = 0; k < n && good; k++) {
        good = digits[k] >= '0' && digits[k] <= '9';
        index = index * 10 + (uint32_t)(digits[k] - '0');
    }
    struct schema_node *c = good ? x->child : NULL;
    while (c && c->index != index)
        c = c->next;
    return c;
}

const struct schema_node *node_at(struct compile *compile, const struct schema_node *root, const char *pointer,
                                  size_t n, int percent)
{
    const struct schema_node *x = root;
    char *step = n ? compile_alloc(compile, n, 1) : NULL;
    if (n && !step)
        return NULL;
    for (size_t i = 0; i < n && x;) {
        size_t end = i + 1;
        while (end < n && pointer[end] != '/')
            end++;
        size_t length = decode(pointer + i + 1, end - i - 1, percent, step);
        if (pointer[i] != '/')
            x = NULL;
        else
            x = x->kind == NODE_OBJECT ? node_member_n(x, step, length) : element(x, step, length);
        i = end;
    }
    compile_free(compile, step);
    return x;
}
