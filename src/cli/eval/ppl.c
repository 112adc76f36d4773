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
#include <sys/stat.h>
#include <unistd.h>

enum { FEW = 10 };      /* chunks, of which a bootstrap says too little */
enum { SEQUENCES = 4 }; /* where there is memory for them: chunks that share a step */

struct ppl {
    struct eval_command *c;
    struct eval_texts text; /* base has its tokens, where there is one */
    struct eval_ppl_run run;
    size_t n_item, n_known;       /* chunks that are scored; of them, those that are known */
    size_t n_row;                 /* that progress counts of each */
    struct eval_results *results; /* or NULL */
    struct progress progress;
    size_t n_token;                /* rows that this run has scored */
    struct eval_base base;         /* that --save writes */
    uint8_t (*rows)[SHA256_BYTES]; /* --save: hashes of the chunks whose rows it has */
};

/* ---- the file of results ---------------------------------------------------------------------------------------------------- */

/* Of one text its hash, of several a list. NULL: no memory. */
static json_t *hashes_of(const struct eval_texts *t)
{
    json_t *list = t->n_part > 1 ? json_array() : NULL;
    for (int i = 0; list && i < t->n_part; i++)
        json_array_append_new(list, eval_json_hash(t->part[i].sha256));
    return t->n_part > 1 ? list : eval_json_hash(t->part[0].sha256);
}

/* What figures depend on. NULL after a sentence. */
static json_t *header_of(const struct ppl *p)
{
    const struct eval_command *c = p->c;
    json_t *o = eval_header(c, c->save ? "kld_save" : "ppl");
    if (o)
        json_object_update_new(o, json_pack("{s:o, s:i, s:I, s:b}", "text_sha256", hashes_of(&p->text), "ctx", c->n_ctx,
                                            "chunks", (json_int_t)p->run.n_chunk, "parse_special", c->parse_special));
    if (o && p->text.marked)
        json_object_set_new(o, "positions_sha256", eval_json_hash(p->text.marked_sha256));
    return o;
}

static int take_item(void *arg, const json_t *item, struct error *err)
{
    struct ppl *p = arg;
    size_t at = p->run.first, n;
    while ((n = eval_ppl_scored(&p->run, at)) == 0)
        at++;
    if (eval_ppl_item_read(&p->run.chunk[at], item, at, n, err))
        return -1;
    if (p->c->save && eval_hash_read(p->rows[at], json_string_value(json_object_get(item, "rows_sha256"))))
        return error_set(err, ERR_INPUT, "does not say what rows chunk %zu has", at);
    p->run.first = at + 1;
    p->n_known++;
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
    int failed = eval_results_open(&p->results, p->c->out, header, p->n_item, p->c->resume, take_item, p, &err);
    json_decref(header);
    return failed ? eval_fail(&err) : 0;
}

/* A chunk that has its line has its rows on the device, and the line says which they are. */
static int add_rows(struct ppl *p, size_t chunk, json_t *item, struct error *err)
{
    if (eval_base_sync(&p->base, err) || eval_base_chunk_hash(&p->base, chunk, p->rows[chunk], err))
        return -1;
    return item && json_object_set_new(item, "rows_sha256", eval_json_hash(p->rows[chunk]))
               ? error_set(err, ERR_MEMORY, "no memory for a result")
               : 0;
}

static int on_chunk(void *arg, size_t chunk, struct error *err)
{
    struct ppl *p = arg;
    if (!p->results)
        return 0;
    json_t *item = eval_ppl_item(chunk, &p->run.chunk[chunk]);
    if (p->c->save && add_rows(p, chunk, item, err)) {
        json_decref(item);
        return -1;
    }
    return eval_results_add(p->results, item, err);
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
    p->base.token = p->text.token;
    p->text.token = NULL; /* which is the base's now */
    if (eval_base_create(&p->base, p->run.first, p->rows, &err))
        return eval_fail(&err);
    if (p->base.fd >= 0) /* it is not whole already */
        fprintf(stderr, "stoker eval: %s: %.1f MB for %zu %s\n", c->save, (double)bytes / 1e6, p->run.n_chunk,
                p->run.n_chunk == 1 ? "chunk" : "chunks");
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
    progress_show(&p->progress, p->n_known * p->n_row + p->n_token, p->n_item * p->n_row);
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
    size_t marks = p->text.marked ? (size_t)p->c->n_ctx : 0,
           chunk = (size_t)p->c->n_ctx * sizeof *p->run.token + sizeof *p->run.chunk + (p->rows ? sizeof *p->rows : 0) +
                   marks,
           own = p->run.n_chunk * chunk + eval_chunks_bytes(p->c->n_ctx, 0);
    own = eval_own_bytes(p->c, own, p->text.reading);
    int status = p->c->save ? eval_open_rows(&s, p->c, own, p->text.n_vocab) : eval_open(&s, p->c, own);
    if (status)
        return status;
    eval_catch_interrupts();
    progress_begin(&p->progress, "scoring", PROGRESS_TOKENS, p->n_known * p->n_row);
    int ran = eval_ppl_run(s, &p->run, &err);
    progress_end(&p->progress);
    stoker_close(s);
    if (ran > 0)
        fprintf(stderr, "stoker eval: interrupted%s\n", p->results ? "; the same command with --resume goes on" : "");
    return ran < 0 ? eval_fail(&err) : ran > 0 ? 130 : 0;
}

static json_t *summary_of(const struct eval_ppl *r)
{
    json_t *low = r->has_interval ? json_real(r->low) : json_null(),
           *high = r->has_interval ? json_real(r->high) : json_null();
    return json_pack("{s:f, s:f, s:o, s:o, s:I, s:I}", "ppl", r->ppl, "error", r->error, "low", low, "high", high,
                     "chunks", (json_int_t)r->n_chunk, "tokens", (json_int_t)r->n);
}

static void print(const struct eval_command *c, const struct eval_ppl *r)
{
    printf("Final estimate: PPL = %.4f +/- %.5f\n", r->ppl, r->error);
    if (!r->has_interval)
        printf("%zu %s: too few chunks for an interval\n", r->n_chunk, r->n_chunk == 1 ? "chunk" : "chunks");
    else
        printf("95 %% interval by bootstrap over %zu chunks of %d: %.4f to %.4f%s\n", r->n_chunk, c->n_ctx, r->low,
               r->high, r->n_chunk < FEW ? "; of so few chunks the true one is wider" : "");
}

/* Of one text its figures; of several each one's, and the mean of their perplexities. NULL: *err. */
static json_t *sum_up(const struct ppl *p, struct eval_ppl *r, double *figure, struct error *err)
{
    json_t *list = json_array();
    *figure = 0;
    for (int i = 0; i < p->text.n_part; i++) {
        const struct eval_part *part = &p->text.part[i];
        if (eval_ppl_sum(&r[i], p->run.chunk + part->first, part->n_chunk, err)) {
            json_decref(list);
            return NULL;
        }
        *figure += r[i].ppl / p->text.n_part;
        json_array_append_new(list, summary_of(&r[i]));
    }
    json_t *summary = json_array_size(list) < (size_t)p->text.n_part ? NULL
                      : p->text.n_part == 1                          ? json_incref(json_array_get(list, 0))
                                            : json_pack("{s:f, s:O}", "macro", *figure, "texts", list);
    json_decref(list);
    if (!summary)
        error_set(err, ERR_MEMORY, "no memory for the summary");
    return summary;
}

static void print_all(const struct ppl *p, const struct eval_ppl *r, double macro)
{
    for (int i = 0; i < p->text.n_part; i++) {
        if (p->text.n_part > 1)
            printf("%s\n", p->text.part[i].name);
        print(p->c, &r[i]);
    }
    if (p->text.n_part > 1)
        printf("macro: the mean PPL of %d texts is %.4f\n", p->text.n_part, macro);
}

static int finish(struct ppl *p)
{
    struct eval_ppl r[TEXTS_MOST];
    struct error err = {0};
    double figure;
    json_t *summary = sum_up(p, r, &figure, &err);
    int failed = !summary || (p->results && eval_results_add(p->results, json_pack("{s:O}", "summary", summary), &err));
    if (!failed && p->c->json)
        eval_print_json(summary);
    else if (!failed)
        print_all(p, r, figure);
    json_decref(summary);
    if (failed)
        return eval_fail(&err);
    if (p->c->at_most <= 0 || figure <= p->c->at_most)
        return 0;
    fprintf(stderr, "stoker eval: PPL %.4f is above --at-most %g\n", figure, p->c->at_most);
    return 3;
}

static int prepare(struct ppl *p)
{
    const struct eval_command *c = p->c;
    size_t n = p->text.n_chunk;
    p->run = (struct eval_ppl_run){.token = p->text.token,
                                   .n_chunk = n,
                                   .n_ctx = c->n_ctx,
                                   .bos = p->text.bos,
                                   .marked = p->text.marked,
                                   .chunk = calloc(n, sizeof *p->run.chunk),
                                   .on_chunk = on_chunk,
                                   .on_row = c->save ? on_row : NULL,
                                   .on_progress = on_progress,
                                   .stopped = stopped,
                                   .arg = p};
    if (c->save)
        p->rows = calloc(n, sizeof *p->rows);
    for (size_t i = 0; i < n; i++)
        p->n_item += eval_ppl_scored(&p->run, i) > 0;
    p->n_row = eval_ppl_rows(&p->run);
    if (p->run.chunk && !p->rows == !c->save)
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
    /* A run makes its results before its rows: rows without results are those of another run. */
    struct stat results;
    int goes_on = c->resume && c->out && stat(c->out, &results) == 0 && results.st_size > 0;
    int status = c->save && !goes_on && eval_base_is_free(c->save, &err) ? eval_fail(&err) : 0;
    if (status == 0)
        status = eval_texts_read(&p.text, c);
    if (status == 0)
        status = prepare(&p);
    if (status == 0)
        status = open_results(&p);
    if (status == 0 && c->save)
        status = open_base(&p);
    if (status == 0 && p.run.first < p.run.n_chunk)
        status = compute(&p);
    if (status && (!p.results || eval_results_is_new(p.results))) /* nothing could go on with it */
        eval_base_discard(&p.base);
    if (status == 0 && c->save)
        status = finish_base(&p);
    if (status == 0)
        status = finish(&p);
    eval_results_close(p.results);
    eval_base_close(&p.base);
    free(p.run.chunk);
    free(p.rows);
    eval_texts_free(&p.text);
    return status;
}
