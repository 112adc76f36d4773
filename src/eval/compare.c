/* See compare.h. */
#include "eval/compare.h"

#include "base/error.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 30 };

/* ---- files of results ------------------------------------------------------------------------------------------------------ */

static int take_line(struct eval_record *r, json_t *line, size_t number, struct error *err)
{
    if (!json_is_object(line) || r->is_whole)
        return error_set(err, ERR_INPUT, "%s, line %zu: %s", r->path, number,
                         r->is_whole ? "stands behind the summary" : "is no JSON object");
    if (number == 1) {
        if (!json_is_string(json_object_get(line, "eval")) || json_integer_value(json_object_get(line, "version")) != 1)
            return error_set(err, ERR_INPUT, "%s is no file of results of stoker eval", r->path);
        r->header = json_incref(line);
        return 0;
    }
    if (json_object_get(line, "summary")) {
        r->is_whole = 1;
        return 0;
    }
    if ((r->n & (r->n - 1)) == 0) { /* room for the next power of two */
        json_t **grown = realloc(r->item, (r->n ? 2 * r->n : 1) * sizeof *grown);
        if (!grown)
            return error_set(err, ERR_MEMORY, "no memory for the results of %s", r->path);
        r->item = grown;
    }
    r->item[r->n++] = json_incref(line);
    return 0;
}

int eval_record_open(struct eval_record *out, const char *path, struct error *err)
{
    size_t n, at = 0, number = 0;
    *out = (struct eval_record){.path = strdup(path)};
    char *text = out->path ? file_read_regular(path, FILE_MOST, &n, err) : NULL, *end;
    int status = text ? 0 : error_set(err, ERR_MEMORY, "no memory for %s", path);
    while (status == 0 && at < n && (end = memchr(text + at, '\n', n - at))) {
        json_error_t why;
        json_t *line = json_loadb(text + at, (size_t)(end - text) - at, JSON_REJECT_DUPLICATES, &why);
        status = take_line(out, line, ++number, err);
        json_decref(line);
        at = (size_t)(end - text) + 1;
    }
    free(text);
    if (status == 0 && !out->header)
        status = error_set(err, ERR_INPUT, "%s is no file of results of stoker eval", path);
    return status;
}

void eval_record_close(struct eval_record *r)
{
    for (size_t i = 0; i < r->n; i++)
        json_decref(r->item[i]);
    json_decref(r->header);
    free(r->item);
    free(r->path);
    *r = (struct eval_record){0};
}

/* ---- whether they can be compared ------------------------------------------------------------------------------------------ */

/* Chunks that were compared with a base file, or of a text: figures are means over their tokens. */
static int is_of_base(const struct eval_record *r) { return json_object_get(r->header, "base_sha256") != NULL; }

static int is_of_text(const struct eval_record *r)
{
    return is_of_base(r) || json_object_get(r->header, "text_sha256") != NULL;
}

static int is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

/* What may differ: who answered, and how it was computed; with `common` which items there are. Contexts of tasks are as long as they need
 * to be; those of texts decide what is scored. */
static int may_differ(const struct eval_record *r, const char *key, int common)
{
    static const char *const always[] = {"program", "model", "hash", "template_sha256", "exact", "kv", NULL};
    static const char *const of_items[] = {"items", "prompts_sha256", "chunks", NULL};
    return is_one_of(key, always) || (common && is_one_of(key, of_items)) ||
           (strcmp(key, "ctx") == 0 && !is_of_text(r));
}

/* Fields of a's header against b's. */
static int check_fields(const struct eval_record *a, const struct eval_record *b, int common, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(a->header, key, value)
    {
        const json_t *other = json_object_get(b->header, key);
        if (may_differ(a, key, common) || json_equal(value, other))
            continue;
        char *is = json_dumps(value, JSON_ENCODE_ANY), *was = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL;
        error_set(err, ERR_INPUT, "%s and %s cannot be compared: %s is %.80s and %.80s", a->path, b->path, key,
                  is ? is : "?", was ? was : "absent");
        free(is);
        free(was);
        return -1;
    }
    return 0;
}

static int check_whole(const struct eval_record *r, int common, struct error *err)
{
    return r->is_whole || common
               ? 0
               : error_set(err, ERR_INPUT, "%s is not whole: end that run with --resume, or compare by --common",
                           r->path);
}

/* ---- pairs ----------------------------------------------------------------------------------------------------------------- */

/* Of items that both have, in the order of a. */
struct pairs {
    const json_t **a, **b; /* [n] */
    size_t n, n_other;
};

/* "id", or the number of a chunk. NULL: the line has neither. */
static const char *key_of(const json_t *item, char *number, size_t n)
{
    const json_t *chunk = json_object_get(item, "chunk");
    if (!json_is_integer(chunk))
        return json_string_value(json_object_get(item, "id"));
    snprintf(number, n, "%lld", (long long)json_integer_value(chunk));
    return number;
}

/* Items of r by their keys, to their numbers. NULL: *err. */
static json_t *index_of(const struct eval_record *r, struct error *err)
{
    char number[32];
    json_t *index = json_object();
    for (size_t i = 0; i < r->n; i++) {
        const char *key = key_of(r->item[i], number, sizeof number);
        if (!key || json_object_get(index, key)) {
            error_set(err, ERR_INPUT, "%s, line %zu: %s", r->path, i + 2, key ? "has been there before" : "has no id");
            json_decref(index);
            return NULL;
        }
        json_object_set_new(index, key, json_integer((json_int_t)i));
    }
    return index;
}

/* Which prompt an item's result is of. NULL: it does not say, as chunks, whose text is the file's. */
static json_t *prompt_of(const json_t *item) { return json_object_get(item, "prompt_sha256"); }

static int find_pairs(struct pairs *p, const struct eval_record *a, const struct eval_record *b, struct error *err)
{
    char number[32];
    json_t *of_a = index_of(a, err), *of_b = of_a ? index_of(b, err) : NULL;
    p->a = calloc(a->n + 1, sizeof *p->a);
    p->b = calloc(a->n + 1, sizeof *p->b);
    int status = !of_b ? -1 : p->a && p->b ? 0 : error_set(err, ERR_MEMORY, "no memory for %zu pairs", a->n);
    for (size_t i = 0; i < a->n && status == 0; i++) {
        const json_t *at = json_object_get(of_b, key_of(a->item[i], number, sizeof number));
        if (!at)
            continue;
        const json_t *other = b->item[json_integer_value(at)];
        if (!json_equal(prompt_of(a->item[i]), prompt_of(other)) && prompt_of(a->item[i])) {
            p->n_other++;
            continue;
        }
        p->a[p->n] = a->item[i];
        p->b[p->n++] = other;
    }
    json_decref(of_a);
    json_decref(of_b);
    return status;
}

/* ---- figures --------------------------------------------------------------------------------------------------------------- */

/* Right and wrong, once or a list of times. */
static size_t n_answer(const json_t *v) { return json_is_array(v) ? json_array_size(v) : json_is_boolean(v); }

static int are_answers(const json_t *v)
{
    size_t i;
    const json_t *answer;
    json_array_foreach(v, i, answer) if (!json_is_boolean(answer)) return 0;
    return 1;
}

static int is_right(const json_t *v, size_t i) { return json_is_true(json_is_array(v) ? json_array_get(v, i) : v); }

/* What is true of a bad answer: whoever has fewer is better (eval/jsonval.h). */
static int is_fault(const char *name)
{
    static const char *const faults[] = {"_wrapped", "_backslash_name", "_truncated"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (n > strlen(faults[i]) && strcmp(name + n - strlen(faults[i]), faults[i]) == 0)
            return 1;
    return 0;
}

/* An item's share of right answers of A less that of B: above 0, B is worse. Answers of one item fail together, so that it is the item that
 * counts, for whoever is right more often. -1: the two have not the same answers. */
static int compare_answers(struct eval_compared *f, const json_t *a, const json_t *b, double *diff)
{
    size_t n = n_answer(a), only_a = 0, only_b = 0;
    if (n == 0 || n != n_answer(b) || !are_answers(a) || !are_answers(b))
        return -1;
    for (size_t i = 0; i < n; i++) {
        only_a += is_right(a, i) && !is_right(b, i);
        only_b += is_right(b, i) && !is_right(a, i);
    }
    f->b += only_a > only_b;
    f->c += only_b > only_a;
    f->equal &= only_a + only_b == 0;
    *diff = 100 * ((double)only_a - (double)only_b) / (double)n;
    return 0;
}

static const char divergence[] = "KL divergence", surprise[] = "-ln p";

/* Of a chunk: the mean of the tokens' values. */
static int mean_of(const json_t *item, const char *name, double *out)
{
    const json_t *n = json_object_get(item, "n"),
                 *sum = json_object_get(item, strcmp(name, divergence) == 0 ? "kld_sum" : "sum");
    *out = json_number_value(sum) / (double)json_integer_value(n);
    return json_is_integer(n) && json_integer_value(n) > 0 && json_is_number(sum) && isfinite(*out) ? 0 : -1;
}

/* One figure over the pairs that have it, with room for their differences in diff [p->n]. */
static int compare_figure(struct eval_compared *f, const struct pairs *p, int of_text, double *diff, struct error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const json_t *a = json_object_get(json_object_get(p->a[i], "right"), f->name),
                     *b = json_object_get(json_object_get(p->b[i], "right"), f->name);
        double of_a, of_b;
        int failed = 0;
        if (of_text)
            failed = mean_of(p->a[i], f->name, &of_a) || mean_of(p->b[i], f->name, &of_b);
        else if (!a && !b)
            continue;
        else
            failed = is_fault(f->name) ? compare_answers(f, b, a, &diff[f->n]) : compare_answers(f, a, b, &diff[f->n]);
        if (failed)
            return error_set(err, ERR_INPUT, "pair %zu of the results has no %s to compare", i + 1, f->name);
        if (of_text)
            diff[f->n] = of_b - of_a;
        f->equal &= fabs(diff[f->n]) <= 0;
        f->n++;
    }
    if (eval_bootstrap(&f->diff, diff, f->n, EVAL_RESAMPLES, err))
        return -1;
    f->few = f->n < EVAL_INTERVAL_LEAST;
    f->p = of_text ? (f->equal || f->few ? 1 : fmin(1, f->diff.p)) : eval_mcnemar(f->b, f->c);
    return 0;
}

/* Names of what the items are right or wrong about, in order of appearance. */
static int find_figures(struct eval_comparison *out, const struct pairs *p, struct error *err)
{
    const char *name;
    json_t *value;
    for (size_t i = 0; i < p->n; i++)
        json_object_foreach(json_object_get(p->a[i], "right"), name, value)
        {
            int k = 0;
            while (k < out->n_figure && strcmp(out->figure[k].name, name) != 0)
                k++;
            if (k < out->n_figure)
                continue;
            if (k == EVAL_COMPARED || strlen(name) >= EVAL_FIGURE_NAME)
                return error_set(err, ERR_INPUT, "the results have more than %d figures", EVAL_COMPARED);
            strcpy(out->figure[out->n_figure++].name, name);
        }
    return out->n_figure ? 0 : error_set(err, ERR_INPUT, "the results say nothing of right and wrong");
}

/* Holm's step-down correction (Scand. J. Statist. 6, 1979). */
static void correct(struct eval_comparison *c)
{
    int done[EVAL_COMPARED] = {0};
    double least = 0;
    for (int left = c->n_figure; left > 0; left--) {
        int next = -1;
        for (int k = 0; k < c->n_figure; k++)
            if (!done[k] && (next < 0 || c->figure[k].p < c->figure[next].p))
                next = k;
        done[next] = 1;
        least = fmax(least, fmin(1, left * c->figure[next].p));
        c->figure[next].p = least;
    }
}

static void add_figure(struct eval_comparison *out, const char *name)
{
    snprintf(out->figure[out->n_figure++].name, sizeof out->figure->name, "%s", name);
}

static int compare_pairs(struct eval_comparison *out, const struct pairs *p, int of_text, int of_base,
                         struct error *err)
{
    double *diff = calloc(p->n + 1, sizeof *diff);
    int status = diff ? 0 : error_set(err, ERR_MEMORY, "no memory for %zu pairs", p->n);
    if (of_base)
        add_figure(out, divergence);
    if (of_text)
        add_figure(out, surprise);
    else if (status == 0)
        status = find_figures(out, p, err);
    for (int k = 0; k < out->n_figure && status == 0; k++) {
        out->figure[k].equal = 1;
        status = compare_figure(&out->figure[k], p, of_text, diff, err);
    }
    free(diff);
    if (status == 0)
        correct(out);
    return status;
}

int eval_compare(struct eval_comparison *out, const struct eval_record *a, const struct eval_record *b, int common,
                 struct error *err)
{
    struct pairs p = {0};
    int of_text = is_of_text(a);
    *out = (struct eval_comparison){
        .n_a = a->n, .n_b = b->n, .items = of_text ? "chunks" : "items", .unit = of_text ? "nats a token" : "points"};
    int status = check_fields(a, b, common, err) || check_fields(b, a, common, err) || check_whole(a, common, err) ||
                         check_whole(b, common, err)
                     ? -1
                     : find_pairs(&p, a, b, err);
    if (status == 0 && (p.n == 0 || (!common && (p.n != a->n || p.n != b->n))))
        status = error_set(err, ERR_INPUT, "%s and %s have %zu %s in common, of %zu and %zu%s", a->path, b->path, p.n,
                           out->items, a->n, b->n, p.n ? "; --common compares these" : "");
    out->n = p.n;
    out->n_other = p.n_other;
    if (status == 0)
        status = compare_pairs(out, &p, of_text, is_of_base(a), err);
    free(p.a);
    free(p.b);
    return status;
}
