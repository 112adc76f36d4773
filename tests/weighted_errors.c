/* links: quant machine kernel format base
 *
 * Two files that two programs made of one source, tensor by tensor: weighted_errors SOURCE IMPORTANCE OURS THEIRS, where IMPORTANCE is the
 * file that both were given, or "-". A line a tensor that is of one type in both and of another in the source:
 *
 *     the error of each, sum of w (x - x̂)² over sum of w x², w the importance of the columns, and ours over theirs
 *
 * No ratio may be above 1 (quantize.md 8: the weights of a large shape, of which no peer's KL divergence is known). Tensors whose types
 * differ are told. No part of CI, which has no peer. */
#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"
#include "quant/importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_passed, n_failed, n_skipped;

enum { SOURCE, OURS, THEIRS, FILES };

struct side { /* a tensor in one of the files, and a row of it */
    const struct gguf *g;
    const struct gguf_tensor *t;
    uint8_t *bytes;
    float *x;
};

static int take_memory(struct side *s)
{
    s->bytes = malloc(type_row_bytes(type_info(s->t->type), s->t->ne[0]));
    s->x = malloc(s->t->ne[0] * sizeof *s->x);
    return s->bytes && s->x ? 0 : -1;
}

static int read_row(struct side *s, uint64_t row)
{
    const struct block_info *type = type_info(s->t->type);
    size_t n = type_row_bytes(type, s->t->ne[0]);
    const char *why;
    if (file_read_at(s->g->file[s->t->file].fd, s->bytes, n, s->t->offset + row * n, &why))
        return -1;
    type->decode(s->x, s->bytes, s->t->ne[0]);
    return 0;
}

struct errors {
    double of[FILES], power;
};

static void add_row(struct errors *e, const struct side *side, const float *w, uint64_t n)
{
    for (uint64_t k = 0; k < n; k++) {
        double weight = w ? (double)w[k] : 1, x = (double)side[SOURCE].x[k];
        e->power += weight * x * x;
        for (int f = OURS; f < FILES; f++) {
            double off = x - (double)side[f].x[k];
            e->of[f] += weight * off * off;
        }
    }
}

/* -1: a file cannot be read to its end, or there is no memory. */
static int add_tensor(struct errors *e, struct side *side, const struct importance *m)
{
    const struct gguf_tensor *t = side[SOURCE].t;
    const struct importance_entry *entry = m ? importance_find(m, t->name) : NULL;
    uint64_t n = t->ne[0], rows = t->ne[1] * t->ne[2] * t->ne[3];
    float *room = entry ? malloc(importance_floats(entry) * sizeof *room) : NULL,
          *w = entry ? malloc(n * sizeof *w) : NULL;
    struct importance_values v;
    struct error err = {0};
    int status = entry && (!room || !w || importance_read(m, entry, room, &v, &err)) ? -1 : 0;
    for (int f = 0; f < FILES && !status; f++)
        status = take_memory(&side[f]);
    for (uint64_t r = 0; r < rows && !status; r++) {
        if (entry && r % t->ne[1] == 0)
            importance_of(&v, n, r / t->ne[1], w);
        for (int f = 0; f < FILES && !status; f++)
            status = read_row(&side[f], r);
        if (!status)
            add_row(e, side, w, n);
    }
    for (int f = 0; f < FILES; f++) {
        free(side[f].bytes);
        free(side[f].x);
    }
    free(room);
    free(w);
    return status;
}

static int has_shape_of(const struct gguf_tensor *a, const struct gguf_tensor *b)
{
    return b && memcmp(a->ne, b->ne, sizeof a->ne) == 0;
}

static void compare(struct gguf *const g[FILES], const struct gguf_tensor *t, const struct importance *m)
{
    const struct gguf_tensor *ours = gguf_tensor(g[OURS], t->name), *theirs = gguf_tensor(g[THEIRS], t->name);
    if (!has_shape_of(t, ours) || !has_shape_of(t, theirs) || ours->type != theirs->type) {
        printf("| %s | is not of one type and shape in both | | | |\n", t->name);
        n_failed++;
        return;
    }
    if (ours->type == t->type || !type_info(t->type)->decode || !type_info(ours->type)->decode)
        return;
    struct side side[FILES] = {
        {g[SOURCE], t, NULL, NULL}, {g[OURS], ours, NULL, NULL}, {g[THEIRS], theirs, NULL, NULL}};
    struct errors e = {{0}, 0};
    int failed = add_tensor(&e, side, m);
    double ratio = e.of[OURS] / e.of[THEIRS];
    printf("| %s | %s | %.6f | %.6f | %.4f |\n", t->name, type_info(ours->type)->name, e.of[OURS] / e.power,
           e.of[THEIRS] / e.power, ratio);
    if (!failed && e.power == 0)
        n_skipped++;
    else if (!failed && ratio <= 1)
        n_passed++;
    else
        n_failed++;
}

int main(int argc, char **argv)
{
    struct gguf *g[FILES] = {NULL, NULL, NULL};
    struct importance *m = NULL;
    struct error err = {0};
    static const int at[FILES] = {1, 3, 4};
    if (argc != 5) {
        fputs("weighted_errors SOURCE IMPORTANCE OURS THEIRS\n", stderr);
        return 2;
    }
    int status = strcmp(argv[2], "-") ? importance_open(&m, argv[2], &err) : 0;
    for (int f = 0; f < FILES && !status; f++)
        status = gguf_open(&g[f], argv[at[f]], &err);
    if (status)
        fprintf(stderr, "weighted_errors: %s\n", err.text);
    else
        puts("| tensor | type | ours | theirs | ours / theirs |\n|---|---|--:|--:|--:|");
    for (uint64_t i = 0; !status && i < g[SOURCE]->n_tensor; i++)
        compare(g, &g[SOURCE]->tensor[i], m);
    for (int f = 0; f < FILES; f++)
        gguf_close(g[f]);
    importance_close(m);
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return status || n_failed;
}
