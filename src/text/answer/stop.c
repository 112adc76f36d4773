/* Stop strings: see stop.h. A node is a prefix of a stop string, so what is held back is the text of the node itself. */
#include "text/answer/stop.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct node {
    uint32_t child, sibling, fail; /* 0: none; node 0 is the empty prefix */
    uint32_t depth;                /* length of the prefix */
    uint32_t text;                 /* a stop string with this prefix, number + 1 */
    uint32_t ends;                 /* longest stop string that is a suffix of the prefix, number + 1; 0 none */
    uint8_t byte;
};

struct stops {
    struct stop_text text[STOP_MOST];
    uint32_t n_node;
    struct node *node;
    char *bytes;
};

static uint32_t child_of(const struct stops *s, uint32_t node, uint8_t byte)
{
    uint32_t child = s->node[node].child;
    while (child && s->node[child].byte != byte)
        child = s->node[child].sibling;
    return child;
}

static uint32_t step(const struct stops *s, uint32_t node, uint8_t byte)
{
    uint32_t next;
    while ((next = child_of(s, node, byte)) == 0 && node != 0)
        node = s->node[node].fail;
    return next;
}

static void insert(struct stops *s, uint32_t number)
{
    uint32_t at = 0;
    for (size_t i = 0; i < s->text[number].length; i++) {
        uint8_t byte = (uint8_t)s->text[number].text[i];
        uint32_t child = child_of(s, at, byte);
        if (!child) {
            child = s->n_node++;
            s->node[child] = (struct node){
                .sibling = s->node[at].child, .depth = s->node[at].depth + 1, .text = number + 1, .byte = byte};
            s->node[at].child = child;
        }
        at = child;
    }
    if (!s->node[at].ends)
        s->node[at].ends = number + 1;
}

/* Breadth first: the suffix that a node falls back to is shorter than the node. queue: [n_node] */
static void link_failures(struct stops *s, uint32_t *queue)
{
    size_t n = 0;
    queue[n++] = 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = s->node[queue[i]].child; c; c = s->node[c].sibling) {
            if (queue[i] != 0)
                s->node[c].fail = step(s, s->node[queue[i]].fail, s->node[c].byte);
            if (!s->node[c].ends)
                s->node[c].ends = s->node[s->node[c].fail].ends;
            queue[n++] = c;
        }
}

static int check(const struct stop_text *texts, size_t n, size_t *bytes, struct error *err)
{
    *bytes = 0;
    if (n > STOP_MOST)
        return error_set(err, ERR_INPUT, "stop has %zu strings; at most %d are possible", n, STOP_MOST);
    for (size_t i = 0; i < n; i++) {
        if (texts[i].length == 0)
            return error_set(err, ERR_INPUT, "stop string %zu is empty; it would end every answer at once", i + 1);
        if (texts[i].length > STOP_BYTES - *bytes)
            return error_set(err, ERR_INPUT, "the stop strings have more than %d bytes together", STOP_BYTES);
        *bytes += texts[i].length;
    }
    return 0;
}

int stops_create(struct stops **out, const struct stop_text *texts, size_t n, struct error *err)
{
    size_t bytes, at = 0;
    if (check(texts, n, &bytes, err) != 0)
        return -1;
    struct stops *s = calloc(1, sizeof *s + (bytes + 1) * sizeof *s->node + bytes);
    uint32_t *queue = malloc((bytes + 1) * sizeof *queue);
    if (!s || !queue) {
        free(s);
        free(queue);
        return error_set(err, ERR_MEMORY, "no memory for the stop strings");
    }
    s->node = (struct node *)(s + 1);
    s->bytes = (char *)(s->node + bytes + 1);
    s->n_node = 1;
    for (size_t i = 0; i < n; at += texts[i++].length) {
        memcpy(s->bytes + at, texts[i].text, texts[i].length);
        s->text[i] = (struct stop_text){s->bytes + at, texts[i].length};
        insert(s, (uint32_t)i);
    }
    link_failures(s, queue);
    free(queue);
    *out = s;
    return 0;
}

void stops_destroy(struct stops *s) { free(s); }

/* The text that a node stands for. */
static const char *held(const struct stops *s, uint32_t node, size_t *n)
{
    *n = s->node[node].depth;
    return node ? s->text[s->node[node].text - 1].text : "";
}

/* The first n bytes of two texts, one behind the other; copied only where both take part. NULL: no memory. */
static const char *join(struct stopping *at, const char *a, size_t n_a, const char *b, size_t n)
{
    if (n_a == 0 || n <= n_a)
        return n_a == 0 ? b : a;
    if (n > at->cap) {
        char *grown = realloc(at->out, 2 * n);
        if (!grown)
            return NULL;
        at->out = grown;
        at->cap = 2 * n;
    }
    memcpy(at->out, a, n_a);
    memcpy(at->out + n_a, b, n - n_a);
    return at->out;
}

const char *stopping_next(const struct stops *s, struct stopping *at, const char *text, size_t length, size_t *n)
{
    size_t before, i = 0;
    const char *prefix = held(s, at->node, &before);
    *n = at->n_ahead = 0;
    if (at->found)
        return "";
    while (i < length && !at->found) {
        at->node = step(s, at->node, (uint8_t)text[i++]);
        at->found = (int)s->node[at->node].ends;
    }
    *n = before + i - (at->found ? s->text[at->found - 1].length : s->node[at->node].depth);
    if (at->found)
        at->node = 0;
    return join(at, prefix, before, text, *n);
}

int stopping_would(const struct stops *s, struct stopping *at, const char *text, size_t length)
{
    if (length < at->n_ahead)
        at->n_ahead = 0;
    if (at->n_ahead == 0)
        at->ahead = at->node;
    while (at->n_ahead < length && !at->found && !s->node[at->ahead].ends)
        at->ahead = step(s, at->ahead, (uint8_t)text[at->n_ahead++]);
    return !at->found && s->node[at->ahead].ends != 0;
}

const char *stopping_end(const struct stops *s, struct stopping *at, size_t *n)
{
    const char *rest = held(s, at->node, n);
    at->node = 0;
    at->n_ahead = 0;
    return rest;
}

void stopping_free(struct stopping *at)
{
    free(at->out);
    *at = (struct stopping){0};
}
