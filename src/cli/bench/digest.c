/* stoker bench --digest: what an engine computes, in two hashes, so that two builds or settings can be proved to compute the same. Ids that
 * are chosen greedily behind a prompt, each with the bits of its log-probability and of the likeliest ones; then every logit of the prompt
 * and the answer, read as one prompt. */
#include "base/hash.h"
#include "cli/bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT_USUAL = 64, ANSWER_MOST = 16, ROWS_LEAST = PROMPT_USUAL + ANSWER_MOST }; /* tokens */

static int fail(struct stoker_error *err, const char *sentence)
{
    *err = (struct stoker_error){STOKER_ERR_MEMORY, ""};
    snprintf(err->text, sizeof err->text, "%s", sentence);
    return -1;
}

static uint64_t hash_token(const struct stoker_event *e, uint64_t hash)
{
    hash = hash64(&e->u.token.id, sizeof e->u.token.id, hash);
    hash = hash64(&e->u.token.logprob, sizeof e->u.token.logprob, hash);
    for (size_t i = 0; i < e->u.token.n_top; i++) {
        hash = hash64(&e->u.token.top[i].id, sizeof e->u.token.top[i].id, hash);
        hash = hash64(&e->u.token.top[i].logprob, sizeof e->u.token.top[i].logprob, hash);
    }
    return hash;
}

/* Appends the answer to id [n_prompt + n_gen]. */
static int answer(struct bench *b, stoker_token *id, size_t n_prompt, int n_gen, uint64_t *hash,
                  struct stoker_error *err)
{
    struct stoker_request r = {.prompt = id,
                               .n_prompt = n_prompt,
                               .max_tokens = n_gen,
                               .ignore_end = 1,
                               .no_cache = 1,
                               .wants_logprobs = 1,
                               .n_top_logprobs = STOKER_TOP,
                               .steer = b->steer.list,
                               .n_steer = b->steer.n_list};
    struct stoker_event e;
    stoker_id request;
    size_t n = 0;
    if (stoker_submit(b->engine, &r, &request, err))
        return -1;
    *hash = 0;
    while (stoker_next_event(b->engine, request, -1, &e) > 0 && e.kind != STOKER_END) {
        if (e.kind == STOKER_FAILED) {
            *err = e.error;
            return -1;
        }
        if (e.kind == STOKER_TOKEN && n < (size_t)n_gen) {
            *hash = hash_token(&e, *hash);
            id[n_prompt + n++] = e.u.token.id;
        }
    }
    return 0;
}

struct rows {
    uint64_t *hash; /* [position] */
    size_t n_vocab;
};

static void take_row(void *arg, size_t pos, const float *logits)
{
    struct rows *r = arg;
    r->hash[pos] = hash64(logits, r->n_vocab * sizeof *logits, pos);
}

static int score(struct bench *b, const stoker_token *id, size_t n, struct rows *rows, struct stoker_error *err)
{
    struct stoker_score *scores = calloc(n, sizeof *scores);
    if (!scores)
        return fail(err, "no memory for scores");
    rows->n_vocab = (size_t)stoker_n_vocab(b->engine);
    struct stoker_request r = {.prompt = id,
                               .n_prompt = n,
                               .no_cache = 1,
                               .score_from = 1,
                               .score = scores,
                               .only_score = 1,
                               .on_score = take_row,
                               .on_score_arg = rows,
                               .steer = b->steer.list,
                               .n_steer = b->steer.n_list};
    int failed = stoker_generate(b->engine, &r, NULL, NULL, NULL, err);
    free(scores);
    return failed;
}

/* Of ids [n_prompt + n_gen], of which the prompt is given. */
static int digest(struct bench *b, FILE *f, stoker_token *id, int n_prompt, int n_gen, struct rows *rows,
                  struct stoker_error *err)
{
    size_t n = (size_t)(n_prompt + n_gen);
    uint64_t ids;
    if (answer(b, id, (size_t)n_prompt, n_gen, &ids, err) || score(b, id, n, rows, err))
        return -1;
    fprintf(f, "{\"prompt_tokens\":%d,\"answer_tokens\":%d,\"ids\":\"%016" PRIx64 "\",\"logits\":\"%016" PRIx64 "\"}\n",
            n_prompt, n_gen, ids, hash64(rows->hash, (n > ROWS_LEAST ? n : ROWS_LEAST) * sizeof *rows->hash, 0));
    return 0;
}

/* Of a model of vectors: of those of some texts. */
static int digest_texts(struct bench *b, FILE *f, struct stoker_error *err)
{
    int most = b->plan.n_ctx, wanted = b->digest_tokens ? b->digest_tokens : PROMPT_USUAL;
    size_t n = (size_t)(most < wanted ? most : wanted), n_id = n * (size_t)b->n_texts;
    size_t rows = strcmp(b->encoder.pooling, "none") == 0 ? n_id : (size_t)b->n_texts;
    stoker_token *id = calloc(n_id, sizeof *id);
    float *out = calloc(rows * b->encoder.n_out, sizeof *out);
    int failed = id && out ? 0 : fail(err, "no memory for the vectors of a digest");
    for (int i = 0; !failed && i < b->n_texts; i++)
        bench_ids(b, id + (size_t)i * n, n, 0, (uint64_t)i);
    failed = failed || bench_embed(b, id, n, out, err);
    if (!failed)
        fprintf(f, "{\"texts\":%d,\"tokens\":%zu,\"vectors\":\"%016" PRIx64 "\"}\n", b->n_texts, n,
                hash64(out, rows * b->encoder.n_out * sizeof *out, 0));
    free(id);
    free(out);
    return failed;
}

/* Without a number the prompt is at most half of the context; else it leaves what an answer needs. */
int bench_digest(struct bench *b, FILE *f, struct stoker_error *err)
{
    if (b->encoder.n_out)
        return digest_texts(b, f, err);
    int most = b->plan.n_ctx - 1, room = b->digest_tokens ? most - ANSWER_MOST : most / 2,
        wanted = b->digest_tokens ? b->digest_tokens : PROMPT_USUAL;
    if (room < most / 2)
        room = most / 2;
    int n_prompt = room < wanted ? room : wanted, n_gen = most - n_prompt < ANSWER_MOST ? most - n_prompt : ANSWER_MOST;
    size_t n = (size_t)(n_prompt + n_gen);
    stoker_token *id = calloc(n, sizeof *id);
    struct rows rows = {calloc(n + ROWS_LEAST, sizeof *rows.hash), 0}; /* those that are not there are hashed too */
    int failed = id && rows.hash ? 0 : fail(err, "no memory for the rows of a digest");
    if (!failed) {
        bench_ids(b, id, (size_t)n_prompt, (size_t)n_prompt, 0);
        failed = digest(b, f, id, n_prompt, n_gen, &rows, err);
    }
    free(id);
    free(rows.hash);
    return failed;
}
