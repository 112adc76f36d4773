/* See best.h. */
#include "library/best.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int best_begin(struct best *b, struct source *const *list, int most, struct error *err)
{
    *b = (struct best){.row = malloc((size_t)most * sizeof *b->row), .most = most, .list = list};
    return b->row ? 0 : error_set(err, ERR_MEMORY, "no memory to search");
}

void best_free(struct best *b)
{
    free(b->row);
    *b = (struct best){.n = 0};
}

/* 1: x comes before y. */
static int is_before(const struct best *b, const struct best_row *x, const struct best_row *y)
{
    if (x->score != y->score)
        return x->score > y->score;
    int order = strcmp(b->list[x->source]->name, b->list[y->source]->name);
    return order ? order < 0 : x->chunk < y->chunk;
}

static void swap(struct best_row *x, struct best_row *y)
{
    struct best_row t = *x;
    *x = *y;
    *y = t;
}

static void sift_down(struct best *b, int i)
{
    for (int child; (child = 2 * i + 1) < b->n; i = child) {
        if (child + 1 < b->n && is_before(b, &b->row[child], &b->row[child + 1]))
            child++;
        if (!is_before(b, &b->row[i], &b->row[child]))
            return;
        swap(&b->row[i], &b->row[child]);
    }
}

int best_wants(const struct best *b, const struct best_row *r) { return b->n < b->most || is_before(b, r, &b->row[0]); }

void best_offer(struct best *b, struct best_row r)
{
    if (!best_wants(b, &r))
        return;
    if (b->n == b->most) {
        b->row[0] = r;
        sift_down(b, 0);
        return;
    }
    int i = b->n++;
    b->row[i] = r;
    for (; i > 0 && is_before(b, &b->row[(i - 1) / 2], &b->row[i]); i = (i - 1) / 2)
        swap(&b->row[i], &b->row[(i - 1) / 2]);
}

void best_sort(struct best *b)
{
    const int n = b->n;
    for (; b->n > 1; sift_down(b, 0)) /* the worst goes behind the heap: what is left is in order */
        swap(&b->row[0], &b->row[--b->n]);
    b->n = n;
}

static double share(int rank) { return 1.0 / (60 + rank); }

void best_fuse(const struct best *x, const struct best *y, struct best *out)
{
    for (int i = 0; i < x->n; i++)
        out->row[i] = (struct best_row){share(i + 1), x->row[i].source, x->row[i].chunk};
    out->n = x->n;
    for (int i = 0; i < y->n; i++) {
        int k = 0;
        while (k < x->n && (out->row[k].source != y->row[i].source || out->row[k].chunk != y->row[i].chunk))
            k++;
        if (k < x->n)
            out->row[k].score += share(i + 1);
        else
            out->row[out->n++] = (struct best_row){share(i + 1), y->row[i].source, y->row[i].chunk};
    }
    for (int i = out->n / 2; i-- > 0;) /* the rows become a heap */
        sift_down(out, i);
    best_sort(out);
}
