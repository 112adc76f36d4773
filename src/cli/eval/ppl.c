/* stoker eval ppl: the perplexity of a text, by the protocol of llama-perplexity (eval/ppl.h); results in a file, taken up again. */
#include "eval/ppl.h"

#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"
#include "eval/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 4 }; /* where there is memory for them: chunks that share a step */

struct ppl {
    struct eval_command *c;
    struct eval_text text;
    stoker_token *token; /* [chunks][n_ctx]: of the text, without what is not scored */
    struct eval_ppl_run run;
    size_t n_scored;              /* tokens of a chunk */
    struct eval_results *results; /* or NULL */
    struct progress progress;
    size_t n_token; /* scored in this run */
};

static int fail(const struct error *err)
{
    fprintf(stderr, "stoker eval: %s\n", err->text);
    return err->code == ERR_INPUT || err->code == ERR_MEMORY ? 2 : 1;
}

/* ---- the file of results ---------------------------------------------------------------------------------------------------- */

static json_t *hash_of_text(const struct eval_text *t)
{
    char hex[2 * SHA256_BYTES + 1];
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", t->sha256[i]);
    return json_string(hex);
}

/* What figures depend on. NULL after a sentence. */
static json_t *header_of(const struct ppl *p)
{
    const struct eval_command *c = p->c;
    struct stoker_about about;
    struct stoker_error err;
    uint64_t model;
    char hash[17];
    if (stoker_about(&about, c->model, &err) || stoker_model_hash(&model, c->model, &err)) {
        report(&err);
        return NULL;
    }
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)model);
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o, s:i, s:I, s:b, s:b, s:s}", "eval", "ppl", "version", 1, "program",
                     stoker_version(), "model", about.name, "hash", hash, "text_sha256", hash_of_text(&p->text), "ctx",
                     c->n_ctx, "chunks", (json_int_t)p->run.n_chunk, "parse_special", c->parse_special, "exact",
                     c->options.exact, "kv", c->options.kv ? c->options.kv : "f16");
}

/* Whether n values v >= 0 can have this sum and this sum of squares, which is at least sum^2 / n but for rounding. */
static int are_possible(size_t n, double sum, double squares)
{
    double mean = sum / (double)n;
    return isfinite(sum) && isfinite(squares) && sum >= 0 && squares >= mean * mean * (double)n * (1 - 1e-9);
}

static int take_item(void *arg, const json_t *item, struct error *err)
{
    struct ppl *p = arg;
    const json_t *chunk = json_object_get(item, "chunk"), *n = json_object_get(item, "n"),
                 *sum = json_object_get(item, "sum"), *squares = json_object_get(item, "squares");
    if (!json_is_integer(chunk) || json_integer_value(chunk) != (json_int_t)p->run.first ||
        json_integer_value(n) != (json_int_t)p->n_scored || !json_is_real(sum) || !json_is_real(squares))
        return error_set(err, ERR_INPUT, "is not chunk %zu with %zu tokens and their sums", p->run.first, p->n_scored);
    if (!are_possible(p->n_scored, json_real_value(sum), json_real_value(squares)))
        return error_set(err, ERR_INPUT, "%zu tokens cannot have the sums %g and %g", p->n_scored, json_real_value(sum),
                         json_real_value(squares));
    p->run.chunk[p->run.first++] = (struct eval_ppl_chunk){p->n_scored, json_real_value(sum), json_real_value(squares)};
    return 0;
}

static int open_results(struct ppl *p)
{
    struct error err = {0};
    if (!p->c->out)
        return 0;
    json_t *header = header_of(p);
    if (!header)
        return 1;
    int failed = eval_results_open(&p->results, p->c->out, header, p->run.n_chunk, p->c->resume, take_item, p, &err);
    json_decref(header);
    return failed ? fail(&err) : 0;
}

static int on_chunk(void *arg, size_t chunk, struct error *err)
{
    struct ppl *p = arg;
    const struct eval_ppl_chunk *c = &p->run.chunk[chunk];
    if (!p->results)
        return 0;
    return eval_results_add(p->results,
                            json_pack("{s:I, s:I, s:f, s:f}", "chunk", (json_int_t)chunk, "n", (json_int_t)c->n, "sum",
                                      c->sum, "squares", c->squares),
                            err);
}

/* ---- the run ---------------------------------------------------------------------------------------------------------------- */

static void on_progress(void *arg, size_t n)
{
    struct ppl *p = arg;
    p->n_token += n;
    progress_show(&p->progress, p->run.first * p->n_scored + p->n_token, p->run.n_chunk * p->n_scored);
}

static int stopped(void *arg)
{
    (void)arg;
    return eval_is_interrupted();
}

static int compute(struct ppl *p)
{
    struct error err = {0};
    struct stoker *s = NULL;
    struct stoker_options *o = &p->c->options;
    o->n_ctx = p->c->n_ctx;
    o->defaults.n_parallel = SEQUENCES;
    size_t chunk = (size_t)p->c->n_ctx * sizeof *p->token + sizeof *p->run.chunk;
    int status = eval_open(&s, p->c, p->run.n_chunk * chunk);
    if (status)
        return status;
    eval_catch_interrupts();
    progress_begin(&p->progress, "scoring", PROGRESS_TOKENS, p->run.first * p->n_scored);
    int ran = eval_ppl_run(s, &p->run, &err);
    progress_end(&p->progress);
    stoker_close(s);
    if (ran > 0)
        fprintf(stderr, "stoker eval: interrupted%s\n", p->results ? "; the same command with --resume goes on" : "");
    return ran < 0 ? fail(&err) : ran > 0 ? 130 : 0;
}

static json_t *summary_of(const struct eval_ppl *r)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:I}", "ppl", r->ppl, "error", r->error, "low", r->low, "high", r->high,
                     "chunks", (json_int_t)r->n_chunk, "tokens", (json_int_t)r->n);
}

static void print(const struct eval_command *c, const struct eval_ppl *r, const json_t *summary)
{
    if (c->json) {
        json_dumpf(summary, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
        putchar('\n');
        return;
    }
    printf("Final estimate: PPL = %.4f +/- %.5f\n", r->ppl, r->error);
    printf("95 %% interval by bootstrap over %zu chunks of %d: %.4f to %.4f\n", r->n_chunk, c->n_ctx, r->low, r->high);
}

static int finish(struct ppl *p)
{
    struct eval_ppl r;
    struct error err = {0};
    if (eval_ppl_sum(&r, p->run.chunk, p->run.n_chunk, &err))
        return fail(&err);
    json_t *summary = summary_of(&r);
    int failed = !summary     ? error_set(&err, ERR_MEMORY, "no memory for the summary")
                 : p->results ? eval_results_add(p->results, json_pack("{s:O}", "summary", summary), &err)
                              : 0;
    if (!failed)
        print(p->c, &r, summary);
    json_decref(summary);
    if (failed)
        return fail(&err);
    if (p->c->at_most <= 0 || r.ppl <= p->c->at_most)
        return 0;
    fprintf(stderr, "stoker eval: PPL %.4f is above --at-most %g\n", r.ppl, p->c->at_most);
    return 3;
}

static int cut_text(struct ppl *p)
{
    const struct eval_command *c = p->c;
    size_t n = p->text.n_token / (size_t)c->n_ctx;
    if (n == 0) {
        fprintf(stderr, "stoker eval: %s has %zu tokens, a chunk %d: give a longer text or a smaller --ctx\n", c->text,
                p->text.n_token, c->n_ctx);
        return 2;
    }
    n = c->n_chunk && (size_t)c->n_chunk < n ? (size_t)c->n_chunk : n;
    p->n_scored = (size_t)(c->n_ctx - 1 - c->n_ctx / 2);
    p->token = malloc(n * (size_t)c->n_ctx * sizeof *p->token);
    if (p->token)
        memcpy(p->token, p->text.token, n * (size_t)c->n_ctx * sizeof *p->token);
    stoker_free(p->text.token);
    p->text.token = NULL;
    p->run = (struct eval_ppl_run){.token = p->token,
                                   .n_chunk = n,
                                   .n_ctx = c->n_ctx,
                                   .bos = p->text.bos,
                                   .chunk = calloc(n, sizeof *p->run.chunk),
                                   .on_chunk = on_chunk,
                                   .on_progress = on_progress,
                                   .stopped = stopped,
                                   .arg = p};
    if (p->token && p->run.chunk)
        return 0;
    fprintf(stderr, "stoker eval: no memory for %zu chunks\n", n);
    return 1;
}

int eval_ppl(struct eval_command *c)
{
    struct ppl p = {.c = c};
    int status = eval_text_read(&p.text, c);
    if (status == 0)
        status = cut_text(&p);
    if (status == 0)
        status = open_results(&p);
    if (status == 0 && p.run.first < p.run.n_chunk)
        status = compute(&p);
    if (status == 0)
        status = finish(&p);
    eval_results_close(p.results);
    free(p.run.chunk);
    free(p.token);
    eval_text_free(&p.text);
    return status;
}
