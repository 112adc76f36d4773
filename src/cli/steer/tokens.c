/* From prompts to sequences of tokens. See steer.h. */
#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/steer/steer.h"

#include <stdlib.h>
#include <string.h>

enum { CHAT_BYTES = 4096, TEXT_BYTES = 64 }; /* of tokens that a template, or the model, puts around a prompt */

static int no_memory(const struct steer_command *c)
{
    fprintf(stderr, "stoker %s: no memory for the tokens\n", c->name);
    return 1;
}

int steer_fail(const struct steer_command *c, const struct error *err)
{
    fprintf(stderr, "stoker %s: %s\n", c->name, err->text);
    return err->code == ERR_INPUT ? 2 : 1;
}

/* The next power of two: arrays grow by halves of what they become. */
static size_t grown(size_t n)
{
    size_t k = 64;
    while (k < n)
        k *= 2;
    return k;
}

int steer_add(struct study_sequences *q, const struct steer_command *c, const stoker_token *token, size_t n,
              stoker_token pad, size_t more)
{
    size_t at = q->n ? q->first[q->n] : 0;
    stoker_token *all = realloc(q->token, grown(at + n + more) * sizeof *all);
    q->token = all ? all : q->token;
    size_t *first = realloc(q->first, grown(q->n + 2) * sizeof *first);
    q->first = first ? first : q->first;
    if (!all || !first)
        return no_memory(c);
    if (n)
        memcpy(all + at, token, n * sizeof *all);
    for (size_t i = 0; i < more; i++)
        all[at + n + i] = pad;
    first[q->n++] = at;
    first[q->n] = at + n + more;
    return 0;
}

int steer_tokens(struct study_sequences *q, const struct steer_command *c, const struct stoker *s,
                 const struct study_prompts *p, const char *path)
{
    int think = c->think ? strcmp(c->think, "on") == 0 : -1, status = 0;
    for (size_t i = 0; i < p->n && !status; i++) {
        struct stoker_error err;
        struct stoker_message user = {"user", p->text + p->at[i], p->at[i + 1] - p->at[i]};
        stoker_token *token = NULL;
        size_t n = 0;
        if (c->chat ? stoker_chat(s, &user, 1, think, &token, &n, &err)
                    : stoker_tokenize(s, user.text, user.length, 1, 1, &token, &n, &err))
            return report(&err);
        if (n == 0) {
            fprintf(stderr, "stoker %s: %s, line %zu: the prompt has no token\n", c->name, path, p->line[i]);
            status = 2;
        }
        status = status ? status : steer_add(q, c, token, n, 0, 0);
        stoker_free(token);
    }
    return status;
}

void steer_sequences_free(struct study_sequences *q)
{
    free(q->token);
    free(q->first);
    *q = (struct study_sequences){0};
}

size_t steer_most_tokens(const struct steer_command *c, const struct study_prompts *p)
{
    size_t most = 0;
    for (size_t i = 0; i < p->n; i++)
        most = p->at[i + 1] - p->at[i] > most ? p->at[i + 1] - p->at[i] : most;
    return most + (c->chat ? CHAT_BYTES : TEXT_BYTES);
}

/* The text; at most a token for each byte, in arrays that grow, and once more while they are padded. */
uint64_t steer_tokens_bytes(const struct steer_command *c, const struct study_prompts *p)
{
    uint64_t bytes = p->at[p->n], around = c->chat ? CHAT_BYTES : TEXT_BYTES;
    return bytes + 4 * sizeof(stoker_token) * bytes + p->n * (around + 8 * sizeof(size_t));
}
