/* Kinds of code points: code_points.h. All stretches begin as one kind; each class splits the kinds that lie in it in part (refinement
 * of a partition, J. Hopcroft). */
#include "text/regex/code_points.h"

#include <stdlib.h>
#include <string.h>

enum { END = 0x110000 };

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The stretch that a code point lies in. */
static uint32_t stretch_of(const struct code_point_kinds *l, uint32_t c)
{
    uint32_t low = 0, high = l->n_stretch;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (l->begin[mid] <= c)
            low = mid;
        else
            high = mid;
    }
    return low;
}

uint32_t code_points_kind(const struct code_point_kinds *l, uint32_t code_point)
{
    return l->kind[stretch_of(l, code_point)];
}

static int cut(struct code_point_kinds *l, const struct code_point_class *class, uint32_t n)
{
    size_t ends = 1, used = 0;
    for (uint32_t i = 0; i < n; i++)
        ends += 2 * (size_t) class[i].n;
    l->begin = compile_alloc(l->compile, ends + 1, sizeof *l->begin);
    if (!l->begin || compile_work(l->compile, 16 * (uint64_t)ends))
        return -1;
    l->begin[used++] = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < class[i].n; k++) {
            l->begin[used++] = class[i].range[k].first;
            l->begin[used++] = class[i].range[k].last + 1;
        }
    qsort(l->begin, used, sizeof *l->begin, ascending);
    for (size_t i = 0; i < used; i++)
        if (l->begin[i] < END && (l->n_stretch == 0 || l->begin[i] != l->begin[l->n_stretch - 1]))
            l->begin[l->n_stretch++] = l->begin[i];
    l->begin[l->n_stretch] = END;
    return 0;
}

/* While kinds are split. */
struct split {
    uint32_t *size, *round, *other; /* by kind: stretches; the class that split it last; into which other one */
    uint8_t *seen;                  /* by stretch: this class has been here */
    uint32_t n;
};

static int split_by(struct code_point_kinds *l, struct split *x, const struct code_point_class *class, uint32_t round)
{
    memset(x->seen, 0, l->n_stretch);
    for (uint32_t k = 0; k < class->n; k++) {
        uint32_t s = stretch_of(l, class->range[k].first), from = s;
        for (; s < l->n_stretch && l->begin[s] <= class->range[k].last; s++) {
            uint32_t kind = l->kind[s];
            if (x->seen[s])
                continue;
            x->seen[s] = 1;
            if (x->round[kind] != round) {
                x->round[kind] = round;
                x->other[kind] = x->n++;
                x->size[x->other[kind]] = x->round[x->other[kind]] = 0;
            }
            x->size[kind]--;
            x->size[x->other[kind]]++;
            l->kind[s] = x->other[kind];
        }
        if (compile_work(l->compile, 16 + 4 * (uint64_t)(s - from)))
            return -1;
    }
    return compile_work(l->compile, l->n_stretch / 16);
}

/* Numbers without gaps. */
static void renumber(struct code_point_kinds *l, struct split *x)
{
    uint32_t n = 0;
    memset(x->round, 0xFF, x->n * sizeof *x->round);
    for (uint32_t s = 0; s < l->n_stretch; s++) {
        uint32_t *number = &x->round[l->kind[s]];
        if (*number == UINT32_MAX)
            *number = n++;
        l->kind[s] = *number;
    }
    memset(x->size, 0, n * sizeof *x->size);
    memset(x->round, 0, n * sizeof *x->round);
    for (uint32_t s = 0; s < l->n_stretch; s++)
        x->size[l->kind[s]]++;
    x->n = n;
}

static int split_all(struct code_point_kinds *l, const struct code_point_class *class, uint32_t n)
{
    /* a class makes at most as many kinds as there are, of which there are at most as many as stretches */
    size_t most = 2 * (size_t)l->n_stretch + 2;
    struct split x = {.n = 1};
    x.size = compile_zeroed(l->compile, most, sizeof *x.size);
    x.round = compile_zeroed(l->compile, most, sizeof *x.round);
    x.other = compile_zeroed(l->compile, most, sizeof *x.other);
    x.seen = compile_zeroed(l->compile, l->n_stretch + 1, 1);
    int failed = !x.size || !x.round || !x.other || !x.seen;
    for (uint32_t i = 0; !failed && i < n; i++) {
        if (i == 0)
            x.size[0] = l->n_stretch;
        failed = split_by(l, &x, &class[i], i + 1);
        if (x.n > l->n_stretch)
            renumber(l, &x);
    }
    if (!failed)
        renumber(l, &x);
    l->n_kind = x.n;
    compile_free(l->compile, x.size);
    compile_free(l->compile, x.round);
    compile_free(l->compile, x.other);
    compile_free(l->compile, x.seen);
    return failed;
}

int code_points_make(struct code_point_kinds *l, struct compile *compile, const struct code_point_class *class,
                     uint32_t n)
{
    *l = (struct code_point_kinds){.compile = compile};
    if (cut(l, class, n))
        return -1;
    l->kind = compile_zeroed(compile, l->n_stretch + 1, sizeof *l->kind);
    l->member = compile_alloc(compile, l->n_stretch + 1, sizeof *l->member);
    if (!l->kind || !l->member || split_all(l, class, n))
        return -1;
    l->first = compile_zeroed(compile, l->n_kind + 2, sizeof *l->first);
    if (!l->first)
        return -1;
    for (uint32_t s = 0; s < l->n_stretch; s++)
        l->first[l->kind[s] + 2]++;
    for (uint32_t k = 0; k < l->n_kind; k++)
        l->first[k + 2] += l->first[k + 1];
    for (uint32_t s = 0; s < l->n_stretch; s++)
        l->member[l->first[l->kind[s] + 1]++] = s;
    return 0;
}

void code_points_free(struct code_point_kinds *l)
{
    compile_free(l->compile, l->begin);
    compile_free(l->compile, l->kind);
    compile_free(l->compile, l->first);
    compile_free(l->compile, l->member);
}

int64_t code_points_of_class(const struct code_point_kinds *l, const struct code_point_class *class, uint32_t *out)
{
    uint8_t *seen = compile_zeroed(l->compile, l->n_kind + 1, 1);
    int64_t n = 0;
    if (!seen)
        return -1;
    for (uint32_t k = 0; k < class->n; k++) {
        uint32_t s = stretch_of(l, class->range[k].first), from = s;
        for (; s < l->n_stretch && l->begin[s] <= class->range[k].last; s++) {
            if (!seen[l->kind[s]])
                out[n++] = l->kind[s];
            seen[l->kind[s]] = 1;
        }
        if (compile_work(l->compile, 16 + 2 * (uint64_t)(s - from)))
            n = -1;
        if (n < 0)
            break;
    }
    compile_free(l->compile, seen);
    return n;
}
