/* stoker eval kld --base: how far a model is from that of a base file (eval/kld.h), printed as llama-perplexity prints it, so that what
 * reads its output reads ours; results in a file, taken up again. */
#include "eval/kld.h"

#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"
#include "eval/chunk_items.h"
#include "eval/chunks.h"
#include "eval/results.h"

#include <stdlib.h>

enum { SEQUENCES = 4, FEWEST = 100 }; /* FEWEST: positions that have percentiles */

struct kld {
    struct eval_command *c;
    struct eval_base base;
    uint8_t hash[SHA256_BYTES];
    struct eval_kld_run run;
    size_t n_scored;              /* positions of a chunk */
    struct eval_kld_sums *chunk;  /* [n_chunk] */
    struct eval_kld_sums total;   /* of the chunks that were shown */
    struct eval_results *results; /* or NULL */
    struct progress progress;
    size_t n_token; /* scored in this run */
};

/* ---- what is printed ---------------------------------------------------------------------------------------------------------- */

static void print_head(void)
{
    printf("chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              Δp RMS        "
           "    Same top p\n");
}

/* A chunk, and what all up to it give. */
static int show_chunk(struct kld *k, size_t chunk, struct error *err)
{
    struct eval_kld r;
    eval_kld_add(&k->total, &k->chunk[chunk]);
    if (eval_kld_of(&r, &k->total, err))
        return -1;
    if (k->c->json)
        return 0;
    progress_end(&k->progress);
    printf("%4zu    %9.4f ± %9.4f    %10.5f ± %10.5f    %10.5f ± %10.5f    %6.3f ± %6.3f %%    %6.3f ± %6.3f %%\n",
           chunk + 1, r.ppl.value, r.ppl.error, r.ln_ratio.value, r.ln_ratio.error, r.kld.value, r.kld.error,
           100 * r.dp_rms.value, 100 * r.dp_rms.error, 100 * r.same_top.value, 100 * r.same_top.error);
    fflush(stdout);
    return 0;
}

/* In the order of eval_percentile[]; NULL: it is not printed. */
static const char *const kld_label[EVAL_PERCENTILES] = {"Maximum", "99.9%  ", "99.0%  ", "95.0%  ", "90.0%  ",
                                                        NULL,      "Median ", NULL,      "10.0%  ", " 5.0%  ",
                                                        " 1.0%  ", " 0.1%  ", "Minimum"};
static const char *const dp_label[EVAL_PERCENTILES] = {"Maximum", "99.9%  ", "99.0%  ", "95.0%  ", "90.0%  ",
                                                       "75.0%  ", "Median ", "25.0%  ", "10.0%  ", " 5.0%  ",
                                                       " 1.0%  ", " 0.1%  ", "Minimum"};

static void print_statistics(const struct eval_kld *r, const double *kld, const double *dp)
{
    printf("====== Perplexity statistics ======\n");
    printf("Mean PPL(Q)                   : %10.6f ± %10.6f\n", r->ppl.value, r->ppl.error);
    printf("Mean PPL(base)                : %10.6f ± %10.6f\n", r->ppl_base.value, r->ppl_base.error);
    printf("Cor(ln(PPL(Q)), ln(PPL(base))): %6.2f%%\n", 100 * r->correlation);
    printf("Mean ln(PPL(Q)/PPL(base))     : %10.6f ± %10.6f\n", r->ln_ratio.value, r->ln_ratio.error);
    printf("Mean PPL(Q)/PPL(base)         : %10.6f ± %10.6f\n", r->ratio.value, r->ratio.error);
    printf("Mean PPL(Q)-PPL(base)         : %10.6f ± %10.6f\n\n", r->difference.value, r->difference.error);
    printf("====== KL divergence statistics ======\n");
    printf("Mean    KLD: %10.6f ± %10.6f\n", r->kld.value, r->kld.error);
    for (int i = 0; i < EVAL_PERCENTILES; i++)
        if (kld_label[i])
            printf("%s KLD: %10.6f\n", kld_label[i], kld[i]);
    printf("\n====== Token probability statistics ======\n");
    printf("Mean    Δp: %6.3f ± %5.3f %%\n", 100 * r->dp.value, 100 * r->dp.error);
    for (int i = 0; i < EVAL_PERCENTILES; i++)
        printf("%s Δp: %6.3f%%\n", dp_label[i], 100 * dp[i]);
    printf("RMS Δp    : %6.3f ± %5.3f %%\n", 100 * r->dp_rms.value, 100 * r->dp_rms.error);
    printf("Same top p: %6.3f ± %5.3f %%\n", 100 * r->same_top.value, 100 * r->same_top.error);
}

static void add_estimate(json_t *o, const char *name, struct eval_estimate e)
{
    json_object_set_new(o, name, json_pack("[f, f]", e.value, e.error));
}

static void add_percentiles(json_t *o, const char *name, const char *const *label, const double *value)
{
    json_t *p = json_object();
    for (int i = 0; i < EVAL_PERCENTILES; i++) {
        char share[16];
        snprintf(share, sizeof share, "%g", eval_percentile[i]);
        if (label[i])
            json_object_set_new(p, share, json_real(value[i]));
    }
    json_object_set_new(o, name, p);
}

static json_t *summary_of(const struct kld *k, const struct eval_kld *r, const double *kld, const double *dp)
{
    json_t *o = json_pack("{s:I, s:I}", "chunks", (json_int_t)k->run.n_chunk, "positions", (json_int_t)k->total.n);
    add_estimate(o, "ppl", r->ppl);
    add_estimate(o, "ppl_base", r->ppl_base);
    json_object_set_new(o, "correlation", json_real(r->correlation));
    add_estimate(o, "ln_ratio", r->ln_ratio);
    add_estimate(o, "ratio", r->ratio);
    add_estimate(o, "difference", r->difference);
    add_estimate(o, "kld", r->kld);
    add_estimate(o, "dp", r->dp);
    add_estimate(o, "dp_rms", r->dp_rms);
    add_estimate(o, "same_top", r->same_top);
    if (k->total.n >= FEWEST) {
        add_percentiles(o, "kld_percentiles", kld_label, kld);
        add_percentiles(o, "dp_percentiles", dp_label, dp);
    }
    return o;
}

/* ---- the file of results ------------------------------------------------------------------------------------------------------ */

static json_t *header_of(const struct kld *k)
{
    json_t *o = eval_header(k->c, "kld");
    if (o)
        json_object_update_new(o, json_pack("{s:o, s:i, s:I}", "base_sha256", eval_json_hash(k->hash), "ctx",
                                            k->base.n_ctx, "chunks", (json_int_t)k->run.n_chunk));
    return o;
}

static int take_item(void *arg, const json_t *item, struct error *err)
{
    struct kld *k = arg;
    size_t at = k->run.first, list = at * k->n_scored;
    if (eval_kld_item_read(&k->chunk[at], k->run.kld + list, k->run.dp + list, item, at, k->n_scored, err))
        return -1;
    k->run.first++;
    return 0;
}

static int open_results(struct kld *k)
{
    struct error err = {0};
    if (!k->c->out)
        return 0;
    json_t *header = header_of(k);
    if (!header)
        return 1;
    int failed = eval_results_open(&k->results, k->c->out, header, k->run.n_chunk, k->c->resume, take_item, k, &err);
    json_decref(header);
    return failed ? eval_fail(&err) : 0;
}

static int on_chunk(void *arg, size_t chunk, const struct eval_kld_sums *sums, struct error *err)
{
    struct kld *k = arg;
    size_t at = chunk * k->n_scored;
    const struct eval_list lists[] = {{"kld", k->run.kld + at, k->n_scored}, {"dp", k->run.dp + at, k->n_scored}};
    k->chunk[chunk] = *sums;
    if (k->results && eval_results_add_lists(k->results, eval_kld_item(chunk, sums), lists, 2, err))
        return -1;
    return show_chunk(k, chunk, err);
}

/* ---- the run ------------------------------------------------------------------------------------------------------------------ */

static void on_progress(void *arg, size_t n)
{
    struct kld *k = arg;
    k->n_token += n;
    progress_show(&k->progress, k->run.first * k->n_scored + k->n_token, k->run.n_chunk * k->n_scored);
}

static int stopped(void *arg)
{
    (void)arg;
    return eval_is_interrupted();
}

/* What a chunk takes of the plan besides what is on its way. */
static size_t chunk_bytes(const struct kld *k)
{
    return (size_t)k->base.n_ctx * sizeof *k->base.token + sizeof *k->chunk +
           k->n_scored * (sizeof *k->run.kld + sizeof *k->run.dp);
}

static int compute(struct kld *k)
{
    struct error err = {0};
    struct stoker *s = NULL;
    struct stoker_options *o = &k->c->options;
    o->n_ctx = k->base.n_ctx;
    o->defaults.n_parallel = SEQUENCES;
    int status = eval_open_rows(&s, k->c, k->run.n_chunk * chunk_bytes(k) + eval_kld_bytes(k->base.n_ctx),
                                k->base.n_vocab);
    if (status)
        return status;
    eval_catch_interrupts();
    progress_begin(&k->progress, "comparing", PROGRESS_TOKENS, k->run.first * k->n_scored);
    int ran = eval_kld_run(s, &k->run, &err);
    progress_end(&k->progress);
    stoker_close(s);
    if (ran > 0)
        fprintf(stderr, "stoker eval: interrupted%s\n", k->results ? "; the same command with --resume goes on" : "");
    return ran < 0 ? eval_fail(&err) : ran > 0 ? 130 : 0;
}

static int finish(struct kld *k)
{
    struct eval_kld r;
    struct error err = {0};
    double kld[EVAL_PERCENTILES], dp[EVAL_PERCENTILES];
    if (eval_kld_of(&r, &k->total, &err))
        return eval_fail(&err);
    eval_percentiles(kld, k->run.kld, k->total.n);
    eval_percentiles(dp, k->run.dp, k->total.n);
    json_t *summary = summary_of(k, &r, kld, dp);
    int failed = !summary     ? error_set(&err, ERR_MEMORY, "no memory for the summary")
                 : k->results ? eval_results_add(k->results, json_pack("{s:O}", "summary", summary), &err)
                              : 0;
    if (!failed && k->c->json)
        eval_print_json(summary);
    else if (!failed) {
        putchar('\n');
        if (k->total.n >= FEWEST)
            print_statistics(&r, kld, dp);
    }
    json_decref(summary);
    if (failed)
        return eval_fail(&err);
    if (k->c->at_most <= 0 || r.kld.value <= k->c->at_most)
        return 0;
    fprintf(stderr, "stoker eval: the mean KL divergence %.6f is above --at-most %g\n", r.kld.value, k->c->at_most);
    return 3;
}

/* ---- the base file -------------------------------------------------------------------------------------------------------------- */

/* Whether the model can run its chunks. */
static int check_model(struct kld *k)
{
    struct stoker_about about;
    struct stoker_error err;
    const struct eval_base *b = &k->base;
    int n_vocab, asked = k->c->options.n_ctx, status = eval_vocab_of(k->c, &k->run.bos, &n_vocab);
    if (status)
        return status;
    if (stoker_about(&about, k->c->model, &err))
        return report(&err);
    if (n_vocab != b->n_vocab)
        fprintf(stderr,
                "stoker eval: %s (at byte 12) has a vocabulary of %d tokens, %s one of %d: they cannot be compared\n",
                b->path, b->n_vocab, k->c->model, n_vocab);
    else if (asked && asked < b->n_ctx)
        fprintf(stderr, "stoker eval: %s (at byte 8) has chunks of %d tokens, --ctx is %d: leave it out\n", b->path,
                b->n_ctx, asked);
    else if (about.n_ctx_train && about.n_ctx_train < (uint64_t)b->n_ctx)
        fprintf(stderr, "stoker eval: %s (at byte 8) has chunks of %d tokens, %s was trained on %llu\n", b->path,
                b->n_ctx, k->c->model, (unsigned long long)about.n_ctx_train);
    else
        return 0;
    return 2;
}

static int prepare(struct kld *k)
{
    struct error err = {0};
    const struct eval_command *c = k->c;
    if (eval_base_open(&k->base, c->base, &err))
        return eval_fail(&err);
    size_t n = c->n_chunk && (size_t)c->n_chunk < k->base.n_chunk ? (size_t)c->n_chunk : k->base.n_chunk;
    int status = check_model(k);
    if (status)
        return status;
    if (eval_base_check(&k->base, n, k->hash, &err))
        return eval_fail(&err);
    k->n_scored = eval_scored(k->base.n_ctx);
    k->chunk = calloc(n, sizeof *k->chunk);
    k->run = (struct eval_kld_run){.base = &k->base,
                                   .n_chunk = n,
                                   .bos = k->run.bos,
                                   .kld = calloc(n * k->n_scored, sizeof *k->run.kld),
                                   .dp = calloc(n * k->n_scored, sizeof *k->run.dp),
                                   .on_chunk = on_chunk,
                                   .on_progress = on_progress,
                                   .stopped = stopped,
                                   .arg = k};
    if (k->chunk && k->run.kld && k->run.dp)
        return 0;
    fprintf(stderr, "stoker eval: no memory for %zu chunks\n", n);
    return 1;
}

/* What the file of results has is shown as if it were computed now. */
static int show_known(struct kld *k)
{
    struct error err = {0};
    if (!k->c->json)
        print_head();
    for (size_t i = 0; i < k->run.first; i++)
        if (show_chunk(k, i, &err))
            return eval_fail(&err);
    return 0;
}

static int compare(struct eval_command *c)
{
    struct kld k = {.c = c, .base.fd = -1};
    int status = prepare(&k);
    if (status == 0)
        status = open_results(&k);
    if (status == 0)
        status = show_known(&k);
    if (status == 0 && k.run.first < k.run.n_chunk)
        status = compute(&k);
    if (status == 0)
        status = finish(&k);
    eval_results_close(k.results);
    eval_base_close(&k.base);
    free(k.chunk);
    free(k.run.kld);
    free(k.run.dp);
    return status;
}

int eval_kld(struct eval_command *c) { return c->save ? eval_ppl(c) : compare(c); }
