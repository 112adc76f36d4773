/* stoker eval logprobs: each token of a text, or of a chat's prompt, and how likely it was. */
#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/common/piece.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"
#include "eval/words.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MOST = 256 << 20 };

struct scored {
    const stoker_token *token; /* [n] */
    size_t n, from;
    struct stoker_score *score; /* [n] */
    struct stoker_logprob *top; /* [n][n_top] */
    int n_top;
    const struct stoker_templates *templates;
};

/* ---- showing -------------------------------------------------------------------------------------------------------------- */

static const struct stoker_logprob *top_at(const struct scored *r, size_t at, int i)
{
    return &r->top[at * (size_t)r->n_top + (size_t)i];
}

static void print_token(const struct scored *r, size_t at)
{
    size_t n;
    const char *piece = stoker_templates_piece(r->templates, r->token[at], &n);
    printf("%zu\t%d\t", at, r->token[at]);
    print_piece(piece, n);
    if (at == 0)
        printf("\t-\t-");
    else
        printf("\t%.6f\t%d", r->score[at].logprob, r->score[at].rank);
    for (int i = 0; at && i < r->score[at].n_top; i++) {
        piece = stoker_templates_piece(r->templates, top_at(r, at, i)->id, &n);
        putchar('\t');
        print_piece(piece, n);
        printf(" %.6f", top_at(r, at, i)->logprob);
    }
    putchar('\n');
}

static json_t *json_token(const struct scored *r, stoker_token id)
{
    size_t n;
    const char *piece = stoker_templates_piece(r->templates, id, &n);
    return json_pack("{s:i, s:o}", "id", id, "piece", piece_json(piece, n));
}

/* -inf is no number of JSON. */
static json_t *json_logprob(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static void print_token_json(const struct scored *r, size_t at)
{
    json_t *o = json_token(r, r->token[at]), *top = json_array();
    json_object_set_new(o, "position", json_integer((json_int_t)at));
    json_object_set_new(o, "logprob", at ? json_logprob(r->score[at].logprob) : json_null());
    json_object_set_new(o, "rank", at ? json_integer(r->score[at].rank) : json_null());
    for (int i = 0; at && i < r->score[at].n_top; i++) {
        json_t *alternative = json_token(r, top_at(r, at, i)->id);
        json_object_set_new(alternative, "logprob", json_logprob(top_at(r, at, i)->logprob));
        json_array_append_new(top, alternative);
    }
    json_object_set_new(o, "top", top);
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(o);
}

static void print_sum(const struct scored *r)
{
    double sum = 0;
    size_t n = r->n - r->from;
    for (size_t i = r->from; i < r->n; i++)
        sum += r->score[i].logprob;
    if (n)
        printf("n %zu, sum %.6f, mean %.6f, perplexity %.4f\n", n, sum, sum / (double)n, exp(-sum / (double)n));
    else /* a text of one token */
        printf("n 0\n");
}

/* ---- scoring -------------------------------------------------------------------------------------------------------------- */

static int wait_for_end(struct stoker *s, stoker_id id, size_t n_token)
{
    struct stoker_event e;
    struct progress p;
    size_t done = 0;
    int cancelled = 0;
    progress_begin(&p, "scoring", PROGRESS_TOKENS, 0);
    do {
        e.kind = STOKER_PROGRESS;
        stoker_next_event(s, id, 100, &e);
        if (e.kind == STOKER_SCORES)
            done = e.u.scores.first + e.u.scores.n;
        progress_show(&p, done, n_token);
        if (eval_is_interrupted() && !cancelled++)
            stoker_cancel(s, id);
    } while (e.kind != STOKER_END && e.kind != STOKER_FAILED);
    progress_end(&p);
    if (e.kind == STOKER_FAILED)
        return report(&e.error);
    return e.u.end.reason == STOKER_END_CANCELLED ? 130 : 0;
}

static int score(struct stoker *s, struct scored *r)
{
    struct stoker_error err;
    stoker_id id;
    r->score = calloc(r->n, sizeof *r->score);
    r->top = calloc(r->n * (size_t)r->n_top + 1, sizeof *r->top);
    if (!r->score || !r->top) {
        fprintf(stderr, "stoker eval: no memory for the scores of %zu tokens\n", r->n);
        return 1;
    }
    const struct stoker_request q = {.prompt = r->token,
                                     .n_prompt = r->n,
                                     .score_from = r->from,
                                     .score = r->score,
                                     .score_top = r->top,
                                     .n_score_top = r->n_top,
                                     .only_score = 1};
    return stoker_submit(s, &q, &id, &err) ? report(&err) : wait_for_end(s, id, r->n);
}

/* Other factors of rope are another model: contexts beyond n_ctx_short, as run and serve have them by default, have others. */
static void tell_factors(const struct stoker *s)
{
    struct stoker_plan p;
    stoker_plan_of(s, &p);
    if (p.n_ctx_short)
        fprintf(stderr,
                "stoker eval: factors of rope are the %s ones, of a context of %d; beyond %d they are the long ones "
                "(--ctx)\n",
                rope_factors_name(&p), p.asked_ctx, p.n_ctx_short);
}

/* What cannot be scored is refused before the model is loaded. */
static int check_positions(const struct eval_command *c, size_t n)
{
    const char *name = eval_name_of(c->chat ? c->chat : c->text);
    if (c->from > 1 && (size_t)c->from >= n)
        fprintf(stderr, "stoker eval: %s has %zu tokens, none at --from %d\n", name, n, c->from);
    else if (c->options.n_ctx && (size_t)c->options.n_ctx < n)
        fprintf(stderr, "stoker eval: %s has %zu tokens, the context %d: give a longer --ctx, or none\n", name, n,
                c->options.n_ctx);
    else
        return 0;
    return 2;
}

/* reading: bytes that were held while the tokens were made. */
static int run(struct eval_command *c, const stoker_token *token, size_t n, size_t reading)
{
    if (check_positions(c, n))
        return 2;
    struct stoker *s = NULL;
    struct scored r = {.token = token, .n = n, .from = (size_t)c->from, .n_top = c->top};
    if (c->options.n_ctx == 0) /* a context for this text alone */
        c->options.n_ctx = (int)n;
    size_t own = n * (sizeof *token + sizeof *r.score + (size_t)c->top * sizeof *r.top);
    int status = eval_open(&s, c, eval_own_bytes(c, own, reading));
    if (status)
        return status;
    tell_factors(s);
    eval_catch_interrupts();
    r.templates = stoker_templates_of(s);
    status = score(s, &r);
    for (size_t at = r.from > 1 ? r.from : 0; status == 0 && at < n; at++)
        if (c->json)
            print_token_json(&r, at);
        else
            print_token(&r, at);
    if (status == 0 && !c->json)
        print_sum(&r);
    free(r.score);
    free(r.top);
    stoker_close(s);
    return status;
}

/* ---- what is scored ------------------------------------------------------------------------------------------------------- */

/* The prompt of a chat request, as stoker render shows it. */
static int run_chat(struct eval_command *c)
{
    struct stoker_templates *t = NULL;
    struct stoker_prompt p = {0};
    struct stoker_error why;
    struct error err = {0};
    size_t n;
    char *request = eval_file_read(c, c->chat, REQUEST_MOST, 0, &n, &err);
    if (!request)
        return eval_fail(&err);
    int status = 0;
    if (stoker_templates_open(&t, c->model, NULL, NULL, &why)) {
        status = report(&why);
    } else if (stoker_prompt(t, request, n, NULL, NULL, &p, NULL, &why)) {
        eval_error(&err, eval_name_of(c->chat), &why);
        status = eval_fail(&err);
    } else {
        status = run(c, p.token, p.n_token, n + p.n_text + p.n_token * sizeof *p.token);
    }
    stoker_prompt_free(&p);
    stoker_templates_close(t);
    free(request);
    return status;
}

int eval_logprobs(struct eval_command *c)
{
    struct eval_text t;
    if (c->chat)
        return run_chat(c);
    int status = eval_text_read(&t, c, c->text, 0);
    if (status == 0)
        status = run(c, t.token, t.n_token, t.reading);
    eval_text_free(&t);
    return status;
}
