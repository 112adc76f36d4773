/* stoker eval ppl: the perplexity of a text, by the protocol of llama-perplexity (eval/ppl.h); results in a file, taken up again. The same
 * is stoker eval kld --save, which writes a base file besides (eval/base_file.h). */
#include "eval/ppl.h"

#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"
#include "eval/chunk_items.h"
#include "eval/results.h"

#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 4 }; /* where there is memory for them: chunks that share a step */

struct ppl {
    struct eval_command *c;
    struct eval_text text;
    stoker_token *token; /* [chunks][n_ctx]: of the text, without what is not scored; NULL: base has them */
    struct eval_ppl_run run;
    size_t n_scored;              /* tokens of a chunk */
    struct eval_results *results; /* or NULL */
    struct progress progress;
    size_t n_token;        /* scored in this run */
    struct eval_base base; /* that --save writes */
};

/* ---- the file of results ---------------------------------------------------------------------------------------------------- */

/* What figures depend on. NULL after a sentence. */
static json_t *header_of(const struct ppl *p)
{
    const struct eval_command *c = p->c;
    json_t *o = eval_header(c, c->save ? "kld_save" : "ppl");
    if (o)
        json_object_update_new(o, json_pack("{s:o, s:i, s:I, s:b}", "text_sha256", eval_json_hash(p->text.sha256),
                                            "ctx", c->n_ctx, "chunks", (json_int_t)p->run.n_chunk, "parse_special",
                                            c->parse_special));
    return o;
}

static int take_item(void *arg, const json_t *item, struct error *err)
{
    struct ppl *p = arg;
    size_t at = p->run.first;
    if (eval_ppl_item_read(&p->run.chunk[at], item, at, p->n_scored, err))
        return -1;
    p->run.first++;
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
    return failed ? eval_fail(&err) : 0;
}

static int on_chunk(void *arg, size_t chunk, struct error *err)
{
    struct ppl *p = arg;
    if (!p->results)
        return 0;
    if (p->c->save && eval_base_sync(&p->base, err)) /* a chunk that has its line has its rows */
        return -1;
    return eval_results_add(p->results, eval_ppl_item(chunk, &p->run.chunk[chunk]), err);
}

/* ---- the base file ------------------------------------------------------------------------------------------------------------ */

static int open_base(struct ppl *p)
{
    struct error err = {0};
    uint64_t bytes;
    const struct eval_command *c = p->c;
    p->base = (struct eval_base){
        .path = c->save, .fd = -1, .n_ctx = c->n_ctx, .n_vocab = p->text.n_vocab, .n_chunk = p->run.n_chunk};
    if (eval_base_bytes(&bytes, c->n_ctx, p->text.n_vocab, p->run.n_chunk, &err))
        return eval_fail(&err);
    p->base.token = p->token;
    p->token = NULL; /* which is the base's now */
    if (eval_base_create(&p->base, p->run.first, &err))
        return eval_fail(&err);
    if (p->base.fd >= 0) /* it is not whole already */
        fprintf(stderr, "stoker eval: %s: %.1f MB for %zu chunks\n", c->save, (double)bytes / 1e6, p->run.n_chunk);
    return 0;
}

static int on_row(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err)
{
    const struct ppl *p = arg;
    return eval_base_write(&p->base, chunk, pos, logits, log_sum, err);
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
    size_t chunk = (size_t)p->c->n_ctx * sizeof *p->token + sizeof *p->run.chunk,
           own = p->run.n_chunk * chunk + eval_chunks_bytes(p->c->n_ctx, 0);
    int status = p->c->save ? eval_open_rows(&s, p->c, own, p->text.n_vocab) : eval_open(&s, p->c, own);
    if (status)
        return status;
    eval_catch_interrupts();
    progress_begin(&p->progress, "scoring", PROGRESS_TOKENS, p->run.first * p->n_scored);
    int ran = eval_ppl_run(s, &p->run, &err);
    progress_end(&p->progress);
    stoker_close(s);
    if (ran > 0)
        fprintf(stderr, "stoker eval: interrupted%s\n", p->results ? "; the same command with --resume goes on" : "");
    return ran < 0 ? eval_fail(&err) : ran > 0 ? 130 : 0;
}

static json_t *summary_of(const struct eval_ppl *r)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:I}", "ppl", r->ppl, "error", r->error, "low", r->low, "high", r->high,
                     "chunks", (json_int_t)r->n_chunk, "tokens", (json_int_t)r->n);
}

static void print(const struct eval_command *c, const struct eval_ppl *r, const json_t *summary)
{
    if (c->json) {
        eval_print_json(summary);
        return;
    }
    printf("Final estimate: PPL = %.4f +/- %.5f\n", r->ppl, r->error);
    if (r->n_chunk > 1)
        printf("95 %% interval by bootstrap over %zu chunks of %d: %.4f to %.4f\n", r->n_chunk, c->n_ctx, r->low,
               r->high);
}

static int finish(struct ppl *p)
{
    struct eval_ppl r;
    struct error err = {0};
    if (eval_ppl_sum(&r, p->run.chunk, p->run.n_chunk, &err))
        return eval_fail(&err);
    json_t *summary = summary_of(&r);
    int failed = !summary     ? error_set(&err, ERR_MEMORY, "no memory for the summary")
                 : p->results ? eval_results_add(p->results, json_pack("{s:O}", "summary", summary), &err)
                              : 0;
    if (!failed)
        print(p->c, &r, summary);
    json_decref(summary);
    if (failed)
        return eval_fail(&err);
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
    p->n_scored = eval_scored(c->n_ctx);
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
                                   .on_row = c->save ? on_row : NULL,
                                   .on_progress = on_progress,
                                   .stopped = stopped,
                                   .arg = p};
    if (p->token && p->run.chunk)
        return 0;
    fprintf(stderr, "stoker eval: no memory for %zu chunks\n", n);
    return 1;
}

static int finish_base(struct ppl *p)
{
    struct error err = {0};
    return eval_base_finish(&p->base, &err) ? eval_fail(&err) : 0;
}

int eval_ppl(struct eval_command *c)
{
    struct ppl p = {.c = c, .base.fd = -1};
    struct error err = {0};
    int status = c->save && !c->resume && eval_base_is_free(c->save, &err) ? eval_fail(&err) : 0;
    if (status == 0)
        status = eval_text_read(&p.text, c);
    if (status == 0)
        status = cut_text(&p);
    if (status == 0)
        status = open_results(&p);
    if (status == 0 && c->save)
        status = open_base(&p);
    if (status == 0 && p.run.first < p.run.n_chunk)
        status = compute(&p);
    if (status && !c->out) /* nothing could go on with it */
        eval_base_discard(&p.base);
    if (status == 0 && c->save)
        status = finish_base(&p);
    if (status == 0)
        status = finish(&p);
    eval_results_close(p.results);
    eval_base_close(&p.base);
    free(p.run.chunk);
    free(p.token);
    eval_text_free(&p.text);
    return status;
}
