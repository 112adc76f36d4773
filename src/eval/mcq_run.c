/* See mcq.h: the requests of a run, and what comes back. */
#include "eval/mcq.h"

#include "base/error.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

/* The prompts of an item: one a choice, or one for a reply. */
struct prompts {
    int n;
    stoker_token *token[EVAL_MCQ_CHOICES]; /* [n_token[k]] */
    size_t n_token[EVAL_MCQ_CHOICES];
    struct shape {
        size_t context, common; /* tokens: of the context alone; that all choices begin with */
    } shape;
};

static void free_prompts(struct prompts *p)
{
    for (int k = 0; k < p->n; k++)
        free(p->token[k]);
    p->n = 0;
}

/* The context with choice k behind it. */
static int encode_choice(struct prompts *p, const struct eval_mcq *m, const struct eval_words *w, const char *context,
                         const json_t *item, struct error *err)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    if (f) {
        fputs(context, f);
        eval_mcq_choice(f, m, item, p->n);
    }
    int failed = !f || fclose(f) ? error_set(err, ERR_MEMORY, "no memory for its prompt")
                                 : eval_words_text(w, text, n, &p->token[p->n], &p->n_token[p->n], err);
    free(text);
    p->n += !failed;
    return failed;
}

static size_t common_of(const struct prompts *p)
{
    size_t n = p->n_token[0];
    for (int k = 1; k < p->n; k++) {
        size_t at = 0;
        while (at < n && at < p->n_token[k] && p->token[k][at] == p->token[0][at])
            at++;
        n = at;
    }
    return n;
}

static int encode_choices(struct prompts *p, const struct eval_mcq *m, const struct eval_words *w, const char *context,
                          const json_t *item, struct error *err)
{
    stoker_token *token;
    if (eval_words_text(w, context, strlen(context), &token, &p->shape.context, err))
        return -1;
    free(token);
    for (int k = 0; k < eval_mcq_n_choice(item); k++)
        if (encode_choice(p, m, w, context, item, err))
            return -1;
    p->shape.common = common_of(p);
    if (p->shape.common == 0)
        return error_set(err, ERR_INPUT, "its choices have no token before them");
    for (int k = 0; k < p->n; k++)
        if (p->n_token[k] <= p->shape.context || p->n_token[k] <= p->shape.common)
            return error_set(err, ERR_INPUT, "choice %d has no token of its own", k);
    return 0;
}

/* free_prompts() in either case. */
static int make_prompts(struct prompts *p, const struct eval_mcq *m, const struct eval_words *w, size_t i,
                        const char *text, struct error *err)
{
    p->n = 0;
    if (m->mode != EVAL_MCQ_REPLY)
        return encode_choices(p, m, w, text, m->items.item[i], err);
    json_t *request = json_loads(text, 0, NULL);
    int failed = !request ? error_set(err, ERR_MEMORY, "no memory for its prompt")
                          : eval_words_chat(w, request, &p->token[0], &p->n_token[0], err);
    json_decref(request);
    p->n = !failed;
    return failed;
}

static void add_text(struct sha256 *h, const char *text) { sha256_add(h, text, strlen(text) + 1); }

/* All that right and wrong depend on: the tokens of the prompts, the choices, the answer. Not the text that a template renders: it may tell
 * today's date. */
static void add_item(struct sha256 *h, const json_t *item, const struct prompts *p)
{
    size_t k;
    const json_t *choice;
    uint8_t answer = (uint8_t)eval_mcq_answer(item);
    for (int i = 0; i < p->n; i++) {
        sha256_add(h, &p->n_token[i], sizeof p->n_token[i]);
        sha256_add(h, p->token[i], p->n_token[i] * sizeof *p->token[i]);
    }
    json_array_foreach(json_object_get(item, "choices"), k, choice) add_text(h, json_string_value(choice));
    sha256_add(h, &answer, 1);
}

int eval_mcq_measure(const struct eval_mcq *m, const struct eval_words *w, size_t i, size_t most, size_t *longest,
                     struct sha256 *h, struct error *err)
{
    struct prompts p;
    size_t n = 0, answer = m->mode == EVAL_MCQ_REPLY ? EVAL_MCQ_REPLY_TOKENS : 0;
    char *text = eval_mcq_prompt(m, i, err);
    if (!text)
        return -1;
    int failed = make_prompts(&p, m, w, i, text, err);
    for (int k = 0; k < p.n; k++)
        n = p.n_token[k] + answer > n ? p.n_token[k] + answer : n;
    if (!failed && most && n > most)
        failed = eval_too_long(err, n, most);
    if (!failed) {
        add_item(h, m->items.item[i], &p);
        *longest = n > *longest ? n : *longest;
    }
    free_prompts(&p);
    free(text);
    return failed;
}

/* ---- a run ------------------------------------------------------------------------------------------------------------------ */

struct run {
    struct eval_mcq_run *r;
    size_t *first_ask;   /* [n_item + 1] number of an item's first request */
    struct shape *shape; /* [n_item] */
    size_t item;         /* of the prompts */
    struct prompts next; /* of which those are NULL that have begun */
    size_t taking;       /* item of the results that come */
    struct eval_mcq_result result;
};

/* A context is computed once, with the item's first choice, before the others ask for it. */
static size_t after(void *arg, size_t i)
{
    const struct run *r = arg;
    size_t item = r->item;
    while (i >= r->first_ask[item + 1])
        item++;
    return i > r->first_ask[item] ? r->first_ask[item] + 1 : 0;
}

static int begin(void *arg, size_t i, struct eval_ask *ask, struct error *err)
{
    struct run *r = arg;
    const struct eval_mcq *m = r->r->mcq;
    struct error why = {0};
    if (r->next.n == 0 || i == r->first_ask[r->item + 1]) {
        free_prompts(&r->next);
        while (i >= r->first_ask[r->item + 1])
            r->item++;
        char *text = eval_mcq_prompt(m, r->item, &why);
        int failed = !text || make_prompts(&r->next, m, r->r->words, r->item, text, &why);
        free(text);
        if (failed)
            return error_set(err, why.code, "%s: %s", eval_item_id(m->items.item[r->item]), why.text);
        r->shape[r->item] = r->next.shape;
    }
    size_t k = i - r->first_ask[r->item];
    const struct shape *s = &r->next.shape;
    *ask = (struct eval_ask){
        .item = eval_item_id(m->items.item[r->item]), .token = r->next.token[k], .n_token = r->next.n_token[k]};
    r->next.token[k] = NULL;
    if (m->mode == EVAL_MCQ_REPLY) {
        ask->max_tokens = EVAL_MCQ_REPLY_TOKENS;
        ask->reply.plain = !eval_words_have_template(r->r->words);
    } else {
        ask->score_from = s->context < s->common ? s->context : s->common;
    }
    return 0;
}

static double sum_from(const struct eval_ask *ask, const struct stoker_score *score, size_t from)
{
    double sum = 0;
    for (size_t i = from; i < ask->n_token; i++)
        sum += score[i].logprob;
    return sum;
}

static void take_choice(struct run *r, int k, const struct eval_ask *ask, const struct eval_answer *a)
{
    const struct shape *s = &r->shape[r->taking];
    r->result.n_prompt = s->context;
    r->result.sum[k] = sum_from(ask, a->score, s->context);
    r->result.mean[k] = sum_from(ask, a->score, s->common) / (double)(ask->n_token - s->common);
    if (k > 0) {
        r->r->context += s->context;
        r->r->cached += a->n_cached < s->context ? a->n_cached : s->context;
    }
}

static int end(void *arg, size_t i, const struct eval_ask *ask, const struct eval_answer *a, struct error *err)
{
    struct run *r = arg;
    const struct eval_mcq *m = r->r->mcq;
    while (i >= r->first_ask[r->taking + 1])
        r->taking++;
    if (m->mode != EVAL_MCQ_REPLY)
        take_choice(r, (int)(i - r->first_ask[r->taking]), ask, a);
    else
        r->result = (struct eval_mcq_result){
            .n_prompt = ask->n_token, .n_generated = a->n_generated, .reply = strdup(a->text)};
    if (m->mode == EVAL_MCQ_REPLY && !r->result.reply)
        return error_set(err, ERR_MEMORY, "no memory for a reply");
    if (i + 1 < r->first_ask[r->taking + 1])
        return 0;
    int status = eval_mcq_judge(&r->result, m->items.item[r->taking], m->mode, err) ||
                         r->r->result(r->r->arg, r->taking, &r->result, err)
                     ? -1
                     : 0;
    free(r->result.reply);
    r->result = (struct eval_mcq_result){0};
    return status;
}

static int stopped(void *arg)
{
    const struct run *r = arg;
    return r->r->stopped(r->r->arg);
}

int eval_mcq_run(struct stoker *s, struct eval_mcq_run *run, struct error *err)
{
    const struct eval_mcq *m = run->mcq;
    size_t n = m->items.n;
    struct run r = {.r = run, .item = run->first};
    r.first_ask = calloc(n + 1, sizeof *r.first_ask);
    r.shape = calloc(n, sizeof *r.shape);
    r.taking = run->first;
    int status = r.first_ask && r.shape ? 0 : error_set(err, ERR_MEMORY, "no memory for %zu items", n);
    for (size_t i = 0; i < n && status == 0; i++)
        r.first_ask[i + 1] = r.first_ask[i] +
                             (m->mode == EVAL_MCQ_REPLY ? 1 : (size_t)eval_mcq_n_choice(m->items.item[i]));
    if (status == 0)
        status = eval_asks_run(s,
                               &(struct eval_asks){.first = r.first_ask[run->first],
                                                   .n = r.first_ask[n],
                                                   .after = after,
                                                   .begin = begin,
                                                   .end = end,
                                                   .stopped = stopped,
                                                   .arg = &r},
                               err);
    free_prompts(&r.next);
    free(r.result.reply);
    free(r.first_ask);
    free(r.shape);
    return status;
}
