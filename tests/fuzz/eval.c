/* links: eval engine text model store op machine kernel format base
 *
 * Fuzz target: files that evaluations read. The first byte says which: a base file, opened, checked and compared with as a run does; a
 * file of results with lines of chunks, taken up again; JSON lines of items (multiple choice, answers as JSON), whose questions are
 * written; results of two runs that are compared; positions. What is refused has a sentence; what is taken adds up to figures that are
 * finite, or to a sentence. */
#include "base/error.h"
#include "eval/chunk_items.h"
#include "eval/chunks.h"
#include "eval/compare.h"
#include "eval/jsonval.h"
#include "eval/mcq.h"
#include "eval/positions.h"
#include "eval/results.h"
#include "temporary.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_TOKENS = 1 << 16, N_CHUNK = 3, SCORED = 5 };

static char path[TEMPORARY_PATH];

/* The same file for all inputs, in memory. */
static int write_input(const uint8_t *data, size_t size)
{
    if (!*path) {
        int fd = temporary_file(path, "fuzz-eval");
        if (fd < 0)
            return -1;
        close(fd);
    }
    FILE *f = fopen(path, "wb");
    int failed = !f || fwrite(data, 1, size, f) != size;
    return (f && fclose(f)) || failed ? -1 : 0;
}

static void assert_refused(const struct error *err)
{
    assert(err->code && *err->text && strlen(err->text) < sizeof err->text);
}

/* A model that gives all tokens the same. A row whose probabilities do not add up to 1 ends the comparison. */
static void compare(const struct eval_base *b)
{
    struct eval_kld_sums sums = {0};
    struct eval_kld r;
    struct error err = {0};
    float *logits = calloc((size_t)b->n_vocab, sizeof *logits), kld, dp;
    double log_sum = log(b->n_vocab);
    assert(logits);
    for (size_t c = 0; c < b->n_chunk; c++)
        for (int pos = eval_first_scored(b->n_ctx); pos < b->n_ctx; pos++) {
            struct eval_distance d = {0};
            if (eval_base_compare(b, c, pos, logits, log_sum, &d, &err)) {
                assert_refused(&err);
                free(logits);
                return;
            }
            assert(isfinite(d.kld) && isfinite(d.base));
            assert(eval_kld_add_position(&sums, -log_sum, &d, &kld, &dp) == 0);
        }
    if (eval_kld_of(&r, &sums, &err))
        assert_refused(&err);
    free(logits);
}

static void read_base(void)
{
    struct eval_base b;
    struct error err = {0};
    uint8_t hash[SHA256_BYTES];
    if (eval_base_open(&b, path, &err)) {
        assert_refused(&err);
        return;
    }
    assert(b.n_chunk > 0 && b.n_ctx > 0 && b.n_vocab > 0);
    if (eval_base_check(&b, b.n_chunk, hash, &err))
        assert_refused(&err);
    else if ((size_t)b.n_vocab * b.n_chunk * (size_t)b.n_ctx < MOST_TOKENS)
        compare(&b);
    eval_base_close(&b);
}

struct lines {
    int kld;
    size_t n;
    struct eval_ppl_chunk ppl[N_CHUNK];
    struct eval_kld_sums total;
};

static int on_item(void *arg, const json_t *item, struct error *err)
{
    struct lines *l = arg;
    struct eval_kld_sums sums;
    float kld[SCORED], dp[SCORED];
    assert(l->n < N_CHUNK);
    if (l->kld ? eval_kld_item_read(&sums, kld, dp, item, l->n, SCORED, err)
               : eval_ppl_item_read(&l->ppl[l->n], item, l->n, SCORED, err)) {
        assert_refused(err);
        return -1;
    }
    if (l->kld)
        eval_kld_add(&l->total, &sums);
    l->n++;
    return 0;
}

static void read_results(int kld)
{
    struct lines l = {.kld = kld};
    struct error err = {0};
    struct eval_results *r = NULL;
    json_t *header = json_pack("{s:s, s:i}", "eval", kld ? "kld" : "ppl", "version", 1);
    assert(header);
    if (eval_results_open(&r, path, header, N_CHUNK, 1, on_item, &l, &err)) {
        assert_refused(&err);
    } else {
        struct eval_kld k;
        struct eval_ppl p;
        if (l.n && (kld ? eval_kld_of(&k, &l.total, &err) : eval_ppl_sum(&p, l.ppl, l.n, &err)))
            assert_refused(&err);
    }
    eval_results_close(r);
    json_decref(header);
}

/* Any reply to it names a choice, or none. */
static void use_choices(const struct eval_mcq *m, size_t i)
{
    struct error err = {0};
    const json_t *item = m->items.item[i];
    char *text = eval_mcq_prompt(m, i, &err);
    if (!text) {
        assert_refused(&err);
        return;
    }
    int named;
    assert(eval_mcq_named(item, text, &named, &err) == 0);
    assert(named >= -1 && named < eval_mcq_n_choice(item));
    free(text);
}

static void read_choices(const char *text, size_t n)
{
    struct eval_mcq m = {.mode = (enum eval_mcq_mode)(n % 3), .n_shot = (int)(n % 2)};
    struct error err = {0};
    if (eval_items_read(&m.items, "items", text, n, 0, eval_mcq_check, NULL, &err))
        assert_refused(&err);
    m.shots = m.items;
    for (size_t i = 0; !err.code && i < m.items.n; i++)
        use_choices(&m, i);
    eval_items_free(&m.items);
}

static void read_prompts(const char *text, size_t n)
{
    struct eval_items items;
    struct error err = {0};
    if (eval_items_read(&items, "items", text, n, 0, eval_json_check, NULL, &err))
        assert_refused(&err);
    eval_items_free(&items);
}

static void read_pair(void)
{
    struct eval_record a = {0}, b = {0};
    struct eval_comparison result;
    struct error err = {0};
    int failed = eval_record_open(&a, path, &err) || eval_record_open(&b, path, &err) ||
                 eval_compare(&result, &a, &b, 1, &err);
    if (failed)
        assert_refused(&err);
    for (int k = 0; !failed && k < result.n_figure; k++)
        assert(result.figure[k].equal && result.figure[k].p >= 1);
    eval_record_close(&a);
    eval_record_close(&b);
}

static void read_positions(const char *text, size_t n)
{
    uint8_t marked[N_CHUNK * 8] = {0};
    struct error err = {0};
    if (eval_positions_read(marked, N_CHUNK, 8, "positions", text, n, &err))
        assert_refused(&err);
    for (size_t i = 0; i < N_CHUNK; i++)
        assert(!marked[8 * i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || write_input(data + 1, size - 1))
        return 0;
    if (data[0] == 'b')
        read_base();
    else if (data[0] == 'p' || data[0] == 'k')
        read_results(data[0] == 'k');
    else if (data[0] == 'm')
        read_choices((const char *)data + 1, size - 1);
    else if (data[0] == 'j')
        read_prompts((const char *)data + 1, size - 1);
    else if (data[0] == 'c')
        read_pair();
    else if (data[0] == 't')
        read_positions((const char *)data + 1, size - 1);
    return 0;
}
