/* See collector.h. */
#include "model/collector.h"

#include "base/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 16, ALONE = 64 }; /* columns: of a thread's share, and so few that the leader adds them alone */
enum { FEW = 8, WIDE = 8 }; /* rows, as many streams as are fetched ahead; their columns whose sums stay in registers */

/* ---- memory --------------------------------------------------------------------------------------------------------------------- */

static int is_matrix(const struct weight *w)
{
    return !w->is_vector && !w->transposed && !w->keys_of && !w->ids_below && w->tensor;
}

static struct collected of_weight(const struct weight *w)
{
    int heads = (int)w->tensor->ne[2];
    return (struct collected){.tensor = w->tensor,
                              .data = w->on_disk ? NULL : w->mat.data,
                              .n_cols = w->mat.n_cols,
                              .n_mat = heads,
                              .n_count = 1};
}

static struct collected of_experts(const struct gguf *g, const struct expert_layer *e, int part, int also)
{
    struct collected c = {.tensor = gguf_tensor(g, e->part[part].tensor), .n_mat = e->n_expert, .n_count = e->n_expert};
    c.also = also ? gguf_tensor(g, e->part[also].tensor) : NULL;
    c.n_cols = (int)c.tensor->ne[0];
    return c;
}

/* Of parts gate, up and down the first two have the same inputs; of two parts the first is up, or gate and up in one. */
static int down_of(const struct expert_layer *e) { return e->n_part - 1; }
static int up_of(const struct expert_layer *e) { return e->n_part - 2; }

static size_t bytes_of(const struct collected *c)
{
    return round_up((size_t)c->n_cols * (size_t)c->n_mat * sizeof(double), 64) +
           round_up((size_t)c->n_count * sizeof(double), 64);
}

/* Entries into out, which may be NULL. Returns how many; *bytes: of their sums. */
static int entries(const struct model *m, struct collected *out, int *n_weight, size_t *bytes)
{
    int n = 0;
    *bytes = 0;
    for (int i = 0; i < m->n_weight; i++) {
        if (!is_matrix(&m->weight[i]))
            continue;
        struct collected c = of_weight(&m->weight[i]);
        *bytes += bytes_of(&c);
        if (out)
            out[n] = c;
        n++;
    }
    *n_weight = n;
    for (int l = 0; l < m->p.n_layer; l++) {
        const struct expert_layer *e = &m->expert_layer[l];
        for (int part = 0; e->n_expert && part < 2; part++, n++) {
            struct collected c = part ? of_experts(m->file, e, down_of(e), 0) : of_experts(m->file, e, 0, up_of(e));
            *bytes += bytes_of(&c);
            if (out)
                out[n] = c;
        }
    }
    return n;
}

static size_t table_bytes(const struct model *m, int n)
{
    return round_up(sizeof(struct collector), 64) + round_up((size_t)n * sizeof(struct collected), 64) +
           round_up((size_t)m->p.n_layer * sizeof(int), 64);
}

size_t collector_bytes(const struct model *m)
{
    int n_weight;
    size_t sums;
    int n = entries(m, NULL, &n_weight, &sums);
    return table_bytes(m, n) + sums;
}

static int by_data(const void *a, const void *b)
{
    const struct collected *x = a, *y = b;
    return (x->data > y->data) - (x->data < y->data);
}

/* ---- sums ----------------------------------------------------------------------------------------------------------------------- */

/* The compiler's vectors, which lie in registers on every machine. A square of f32 is exact in f64, so that nothing but the order of a sum
 * counts, and each column has its own. */
typedef float four_floats __attribute__((vector_size(16)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef double pair_sums __attribute__((vector_size(16)));

static inline void add_squares(pair_sums *low, pair_sums *high, const float *x)
{
    four_floats v;
    memcpy(&v, x, sizeof v);
    four_doubles wide = __builtin_convertvector(v, four_doubles);
    pair_sums half[2];
    memcpy(half, &wide, sizeof half);
    *low += half[0] * half[0];
    *high += half[1] * half[1];
}

/* Rows on their way into the sums of some columns: a few at a time, so that sums are not fetched for each. */
struct few_rows {
    double *sum; /* [n_cols] */
    int n_cols, n;
    const float *x[FEW];
};

static void add_wide(const struct few_rows *f, int at)
{
    pair_sums s[WIDE / 2];
    memcpy(s, f->sum + at, sizeof s);
    pair_sums a = s[0], b = s[1], c = s[2], d = s[3];
    for (int r = 0; r < f->n; r++) {
        const float *x = f->x[r] + at;
        add_squares(&a, &b, x);
        add_squares(&c, &d, x + 4);
    }
    memcpy(f->sum + at, (pair_sums[]){a, b, c, d}, sizeof s);
}

static void add_few(struct few_rows *f)
{
    int at = 0;
    for (; at + WIDE <= f->n_cols; at += WIDE)
        add_wide(f, at);
    for (; at < f->n_cols; at++)
        for (int r = 0; r < f->n; r++)
            f->sum[at] += (double)f->x[r][at] * (double)f->x[r][at];
    f->n = 0;
}

static void add_row(struct few_rows *f, const float *x)
{
    f->x[f->n++] = x;
    if (f->n == FEW)
        add_few(f);
}

struct rows_of_weight {
    const struct collected *to;
    const struct op_rows *rows;
};

/* Heads have sums of their own, or share them: then row by row, so that the sum of a column does not depend on the length of steps. */
static void add_columns(void *arg, int begin, int end, int thread)
{
    const struct rows_of_weight *a = arg;
    const struct op_rows *x = a->rows;
    int n_share = a->to->n_mat > 1 ? 1 : x->n_head;
    (void)thread;
    for (int first = 0; first < x->n_head; first += n_share) {
        double *sum = a->to->sum + (size_t)first * (size_t)a->to->n_cols;
        struct few_rows f = {.sum = sum + begin, .n_cols = end - begin};
        for (int r = 0; r < x->n; r++)
            for (int h = first; h < first + n_share; h++)
                add_row(&f, x->x + (size_t)r * x->ld + (size_t)h * x->stride + begin);
        add_few(&f);
    }
}

static void add_rows(struct collector *c, const struct collected *to, const struct op_rows *x)
{
    struct rows_of_weight work = {to, x};
    int apart = to->n_mat > 1;
    assert(!apart || x->n_head == to->n_mat);
    op_split(c->op, to->n_cols, UNIT, ALONE, add_columns, &work);
    *to->count += (double)x->n * (apart ? 1 : x->n_head);
}

static const struct collected *entry_of(const struct collector *c, const uint8_t *data)
{
    const struct collected key = {.data = data};
    return data ? bsearch(&key, c->entry, (size_t)c->n_weight, sizeof key, by_data) : NULL;
}

static void on_product(void *arg, const struct wmat *w, const struct op_rows *rows)
{
    struct collector *c = arg;
    const struct collected *to = entry_of(c, w->data);
    if (to)
        add_rows(c, to, rows);
}

void collector_rows(struct collector *c, const struct weight *w, struct op_rows rows) { on_product(c, &w->mat, &rows); }

struct rows_of_experts {
    const struct collected *to;
    const struct moe_expert *e;
    const int32_t *id;
    int n;
    const float *x; /* row of a use: that of its token, or */
    size_t ld;
    int by_use, first_use; /* with by_use its own */
};

static void add_expert_columns(void *arg, int begin, int end, int thread)
{
    const struct rows_of_experts *a = arg;
    (void)thread;
    for (int i = 0; i < a->n; i++) {
        const struct moe_expert *e = &a->e[i];
        double *sum = a->to->sum + (size_t)a->id[i] * (size_t)a->to->n_cols;
        struct few_rows f = {.sum = sum + begin, .n_cols = end - begin};
        for (int j = 0; j < e->n; j++)
            add_row(&f, a->x + (size_t)(a->by_use ? e->first_use + j - a->first_use : e->row[j]) * a->ld + begin);
        add_few(&f);
    }
}

static void add_experts(struct collector *c, const struct rows_of_experts *a)
{
    op_split(c->op, a->to->n_cols, UNIT, ALONE, add_expert_columns, (void *)a);
    for (int i = 0; i < a->n; i++)
        a->to->count[a->id[i]] += a->e[i].n;
}

void collector_experts(struct collector *c, int layer, const struct moe_expert *e, const int32_t *id, int n,
                       const struct act *x, const float *h, int first_use)
{
    const struct collected *in = &c->entry[c->experts[layer]], *down = in + 1;
    add_experts(c, &(struct rows_of_experts){.to = in, .e = e, .id = id, .n = n, .x = x->f32, .ld = x->ld});
    add_experts(c, &(struct rows_of_experts){.to = down,
                                             .e = e,
                                             .id = id,
                                             .n = n,
                                             .x = h,
                                             .ld = (size_t)down->n_cols,
                                             .by_use = 1,
                                             .first_use = first_use});
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

int collector_make(struct collector **out, struct model *m, struct arena *mem)
{
    size_t sums;
    int n_weight, n = entries(m, NULL, &n_weight, &sums);
    struct collector *c = arena_alloc(mem, sizeof *c);
    struct collected *entry = arena_alloc(mem, (size_t)n * sizeof *entry);
    int *experts = arena_alloc(mem, (size_t)m->p.n_layer * sizeof *experts);
    if (!c || !entry || !experts)
        return -1;
    *c = (struct collector){.op = &m->op, .entry = entry, .n = n, .n_weight = n_weight, .experts = experts};
    entries(m, entry, &n_weight, &sums);
    qsort(entry, (size_t)n_weight, sizeof *entry, by_data);
    for (int i = 0; i < n; i++) {
        entry[i].sum = arena_alloc(mem, (size_t)entry[i].n_cols * (size_t)entry[i].n_mat * sizeof(double));
        entry[i].count = arena_alloc(mem, (size_t)entry[i].n_count * sizeof(double));
        if (!entry[i].sum || !entry[i].count)
            return -1;
    }
    for (int l = 0, at = n_weight; l < m->p.n_layer; l++) {
        experts[l] = m->expert_layer[l].n_expert ? at : -1;
        at += m->expert_layer[l].n_expert ? 2 : 0;
    }
    m->op.watch = on_product;
    m->op.watch_arg = c;
    *out = c;
    return 0;
}
