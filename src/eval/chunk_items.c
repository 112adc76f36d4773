/* See chunk_items.h. */
#include "eval/chunk_items.h"

#include "base/error.h"
#include "eval/stats.h"

#include <math.h>
#include <stddef.h>

/* 1: the line is of this chunk and has so many positions. */
static int is_of(const json_t *item, size_t chunk, size_t n)
{
    const json_t *number = json_object_get(item, "chunk"), *positions = json_object_get(item, "n");
    return json_is_integer(number) && json_integer_value(number) == (json_int_t)chunk && json_is_integer(positions) &&
           json_integer_value(positions) == (json_int_t)n;
}

/* Sums of values that are none of them below 0, as -ln p. */
static int can_be_of_positives(size_t n, double sum, double squares)
{
    return eval_can_be_sums(n, sum, squares) && sum >= 0 && squares <= sum * sum * (1 + 1e-9);
}

/* ---- ppl ---------------------------------------------------------------------------------------------------------------------- */

json_t *eval_ppl_item(size_t chunk, const struct eval_ppl_chunk *c)
{
    return json_pack("{s:I, s:I, s:f, s:f}", "chunk", (json_int_t)chunk, "n", (json_int_t)c->n, "sum", c->sum,
                     "squares", c->squares);
}

int eval_ppl_item_read(struct eval_ppl_chunk *c, const json_t *item, size_t chunk, size_t n, struct error *err)
{
    const json_t *sum = json_object_get(item, "sum"), *squares = json_object_get(item, "squares");
    if (!is_of(item, chunk, n) || !json_is_real(sum) || !json_is_real(squares))
        return error_set(err, ERR_INPUT, "is not chunk %zu with %zu tokens and their sums", chunk, n);
    *c = (struct eval_ppl_chunk){n, json_real_value(sum), json_real_value(squares)};
    if (can_be_of_positives(n, c->sum, c->squares))
        return 0;
    return error_set(err, ERR_INPUT, "%zu tokens cannot have the sums %g and %g", n, c->sum, c->squares);
}

/* ---- kld ---------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t at;
} sums[] = {{"sum", offsetof(struct eval_kld_sums, v)},
            {"squares", offsetof(struct eval_kld_sums, v2)},
            {"base_sum", offsetof(struct eval_kld_sums, base)},
            {"base_squares", offsetof(struct eval_kld_sums, base2)},
            {"products", offsetof(struct eval_kld_sums, v_base)},
            {"kld_sum", offsetof(struct eval_kld_sums, kld)},
            {"kld_squares", offsetof(struct eval_kld_sums, kld2)},
            {"dp_sum", offsetof(struct eval_kld_sums, dp)},
            {"dp_squares", offsetof(struct eval_kld_sums, dp2)},
            {"dp_fourths", offsetof(struct eval_kld_sums, dp4)}};
enum { N_SUMS = sizeof sums / sizeof *sums };

json_t *eval_kld_item(size_t chunk, const struct eval_kld_sums *s)
{
    json_t *o = json_pack("{s:I, s:I, s:I}", "chunk", (json_int_t)chunk, "n", (json_int_t)s->n, "same_top",
                          (json_int_t)s->same_top);
    int failed = !o;
    for (int i = 0; i < N_SUMS && !failed; i++)
        failed = json_object_set_new(o, sums[i].name, json_real(*(const double *)((const char *)s + sums[i].at)));
    if (!failed)
        return o;
    json_decref(o);
    return NULL;
}

static int read_sums(struct eval_kld_sums *s, const json_t *item, size_t n)
{
    const json_t *same = json_object_get(item, "same_top");
    *s = (struct eval_kld_sums){.n = n, .same_top = (size_t)json_integer_value(same)};
    if (!json_is_integer(same) || s->same_top > n)
        return -1;
    for (int i = 0; i < N_SUMS; i++) {
        const json_t *v = json_object_get(item, sums[i].name);
        if (!json_is_real(v))
            return -1;
        *(double *)((char *)s + sums[i].at) = json_real_value(v);
    }
    return 0;
}

static int read_list(float *out, const json_t *list, size_t n)
{
    if (json_array_size(list) != n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        out[i] = (float)json_number_value(v);
        if (!json_is_number(v) || !isfinite(out[i]))
            return -1;
    }
    return 0;
}

/* The sum of values that were rounded to f32. */
static int add_up(const float *x, size_t n, double sum)
{
    double is = 0, sizes = 0;
    for (size_t i = 0; i < n; i++) {
        is += x[i];
        sizes += fabs(x[i]);
    }
    return fabs(is - sum) <= 1e-6 * sizes;
}

static int can_be(const struct eval_kld_sums *s, const float *kld, const float *dp)
{
    return can_be_of_positives(s->n, s->v, s->v2) && eval_can_be_sums(s->n, s->base, s->base2) &&
           eval_can_be_sums(s->n, s->kld, s->kld2) && eval_can_be_sums(s->n, s->dp, s->dp2) &&
           can_be_of_positives(s->n, s->dp2, s->dp4) && add_up(kld, s->n, s->kld) && add_up(dp, s->n, s->dp) &&
           s->v_base * s->v_base <= s->v2 * s->base2 * (1 + 1e-9);
}

int eval_kld_item_read(struct eval_kld_sums *s, float *kld, float *dp, const json_t *item, size_t chunk, size_t n,
                       struct error *err)
{
    if (!is_of(item, chunk, n) || read_sums(s, item, n) || read_list(kld, json_object_get(item, "kld"), n) ||
        read_list(dp, json_object_get(item, "dp"), n))
        return error_set(err, ERR_INPUT, "is not chunk %zu with %zu positions, their sums and lists", chunk, n);
    if (can_be(s, kld, dp))
        return 0;
    return error_set(err, ERR_INPUT, "%zu positions cannot have these sums and lists", n);
}
