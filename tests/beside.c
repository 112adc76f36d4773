/* links: engine text model store op machine kernel format base
 *
 * What an engine of three models takes: a prompt that fills the context of the chat model and an answer, texts that fill the pages of the
 * model of vectors, pairs that fill those of the model of scores, all at a time. For tests/promise.sh, which runs it under budgets.
 *
 *     build/tests/beside CHAT.gguf EMBED.gguf RERANK.gguf MEMORY       with a context of 512
 *
 * Prints one line of JSON: the plan's sum, what of it is left free, the peak of the resident set, and hashes of what was computed, which no
 * budget may change. */
#include "base/hash.h"
#include "stoker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 512, ANSWER = 64, TEXTS = 24 };

static int complain(const struct stoker_error *err)
{
    fprintf(stderr, "beside: %s\n", err->text);
    return -1;
}

static stoker_token token(size_t i, int n_vocab) { return (stoker_token)((i * 7919 + 13) % (size_t)n_vocab); }

/* The texts of one request: the longest that the context takes, then shorter ones. */
struct texts {
    struct stoker_tokens text[TEXTS];
    stoker_token *id;
    float *out;
    size_t n_out;
    stoker_id request;
};

static int begin_texts(struct texts *t, struct stoker *s, struct stoker_error *err)
{
    struct stoker_encoder about;
    size_t n = 0;
    if (!s || stoker_encoder_of(s, &about)) {
        fprintf(stderr, "beside: there is no such model\n");
        return -1;
    }
    t->id = malloc(TEXTS * about.n_ctx * sizeof *t->id);
    t->n_out = TEXTS * about.n_out;
    t->out = calloc(t->n_out, sizeof *t->out);
    if (!t->id || !t->out)
        return -1;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t length = i ? about.n_ctx / (1 + i % 20) : about.n_ctx;
        t->text[i] = (struct stoker_tokens){t->id + n, length};
        for (size_t k = 0; k < length; k++)
            t->id[n++] = token(i + k, stoker_n_vocab(s));
    }
    const struct stoker_embed e = {.text = t->text, .n_text = TEXTS, .out = t->out};
    return stoker_submit_embed(s, &e, &t->request, err) ? complain(err) : 0;
}

/* To its last event; tokens [n] of an answer. */
static int take(struct stoker *s, stoker_id id, stoker_token *tokens, size_t n)
{
    struct stoker_event ev = {0};
    size_t got = 0;
    while (stoker_next_event(s, id, -1, &ev) == 1)
        if (ev.kind == STOKER_TOKEN && got < n)
            tokens[got++] = ev.u.token.id;
    return ev.kind == STOKER_FAILED ? complain(&ev.error) : ev.kind == STOKER_END && got == n ? 0 : -1;
}

static unsigned long long peak_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static int run(struct stoker *s, struct stoker_error *err)
{
    struct stoker *encoder[] = {stoker_encoder(s, STOKER_EMBED), stoker_encoder(s, STOKER_RERANK)};
    stoker_token prompt[CONTEXT - ANSWER], answer[ANSWER] = {0};
    struct texts texts[2] = {{.n_out = 0}, {.n_out = 0}};
    struct stoker_plan plan;
    stoker_id id;
    for (size_t i = 0; i < CONTEXT - ANSWER; i++)
        prompt[i] = token(i, stoker_n_vocab(s));
    const struct stoker_request r = {
        .prompt = prompt, .n_prompt = CONTEXT - ANSWER, .max_tokens = ANSWER, .ignore_end = 1};
    int status = stoker_submit(s, &r, &id, err) ? complain(err) : 0;
    for (int i = 0; i < 2 && status == 0; i++)
        status = begin_texts(&texts[i], encoder[i], err);
    if (status == 0)
        status = take(s, id, answer, ANSWER);
    for (int i = 0; i < 2 && status == 0; i++)
        status = take(encoder[i], texts[i].request, NULL, 0);
    stoker_plan_of(s, &plan);
    if (status == 0)
        printf("{\"planned\":%llu,\"slack\":%llu,\"peak\":%llu,\"answer\":\"%016llx\",\"vectors\":\"%016llx\","
               "\"scores\":\"%016llx\"}\n",
               (unsigned long long)plan.total, (unsigned long long)plan.part[STOKER_PLAN_PARTS - 1], peak_bytes(),
               (unsigned long long)hash64(answer, sizeof answer, 0),
               (unsigned long long)hash64(texts[0].out, texts[0].n_out * sizeof(float), 0),
               (unsigned long long)hash64(texts[1].out, texts[1].n_out * sizeof(float), 0));
    for (int i = 0; i < 2; i++) {
        free(texts[i].id);
        free(texts[i].out);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct stoker_error err = {0};
    struct stoker *s = NULL;
    if (argc != 5) {
        fprintf(stderr, "beside CHAT.gguf EMBED.gguf RERANK.gguf MEMORY\n");
        return 2;
    }
    const struct stoker_options o = {
        .embed = argv[2], .rerank = argv[3], .memory = strtoull(argv[4], NULL, 10), .n_ctx = CONTEXT};
    int status = stoker_open(&s, argv[1], &o, &err) ? complain(&err) : run(s, &err);
    stoker_close(s);
    return status != 0;
}
