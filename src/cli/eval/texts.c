/* The texts of stoker eval ppl and kld --save, cut into chunks: see eval.h. */
#include "base/error.h"
#include "cli/eval/eval.h"
#include "eval/positions.h"

#include <stdlib.h>
#include <string.h>

enum { POSITIONS_MOST = 256 << 20 };

/* Takes the chunks of a text behind those that are there. */
static int add_chunks(struct eval_texts *t, const struct eval_command *c, const char *name,
                      const struct eval_text *text)
{
    size_t n_ctx = (size_t)c->n_ctx, n = text->n_token / n_ctx;
    if (n == 0) {
        fprintf(stderr, "stoker %s: %s has %zu tokens, a chunk %zu: give a longer text or a smaller --ctx\n",
                eval_called, eval_name_of(name), text->n_token, n_ctx);
        return 2;
    }
    n = c->n_chunk && (size_t)c->n_chunk < n ? (size_t)c->n_chunk : n;
    stoker_token *grown = realloc(t->token, (t->n_chunk + n) * n_ctx * sizeof *grown);
    if (!grown) {
        fprintf(stderr, "stoker %s: no memory for %zu chunks\n", eval_called, t->n_chunk + n);
        return 1;
    }
    t->token = grown;
    memcpy(t->token + t->n_chunk * n_ctx, text->token, n * n_ctx * sizeof *grown);
    struct eval_part *part = &t->part[t->n_part++];
    *part = (struct eval_part){.name = name, .first = t->n_chunk, .n_chunk = n};
    memcpy(part->sha256, text->sha256, sizeof part->sha256);
    t->n_chunk += n;
    t->bos = text->bos;
    t->n_vocab = text->n_vocab;
    return 0;
}

/* Chunks behind the last that has a position are left out. */
static int read_positions(struct eval_texts *t, const struct eval_command *c)
{
    struct error err = {0};
    size_t n = 0, n_ctx = (size_t)c->n_ctx;
    size_t kept = t->n_chunk * n_ctx * (sizeof *t->token + sizeof *t->marked);
    char *text = eval_file_read(c, c->positions, POSITIONS_MOST, kept, &n, &err);
    t->reading = kept + n > t->reading ? kept + n : t->reading;
    t->marked = calloc(t->n_chunk, n_ctx);
    if (text && !t->marked)
        error_set(&err, ERR_MEMORY, "no memory for the positions of %zu chunks", t->n_chunk);
    if (!err.code &&
        eval_positions_read(t->marked, t->n_chunk, c->n_ctx, eval_name_of(c->positions), text, n, &err) == 0) {
        sha256(text, n, t->marked_sha256);
        while (!memchr(t->marked + (t->n_chunk - 1) * n_ctx, 1, n_ctx))
            t->n_chunk--;
        t->part[0].n_chunk = t->n_chunk;
    }
    free(text);
    return err.code ? eval_fail(&err) : 0;
}

int eval_texts_read(struct eval_texts *t, const struct eval_command *c)
{
    int status = 0;
    *t = (struct eval_texts){.bos = -1};
    for (int i = 0; i < c->texts.n && status == 0; i++) {
        struct eval_text text;
        status = eval_text_read(&text, c, c->texts.text[i], t->n_chunk * (size_t)c->n_ctx * sizeof *t->token);
        t->reading = text.reading > t->reading ? text.reading : t->reading;
        if (status == 0)
            status = add_chunks(t, c, c->texts.text[i], &text);
        eval_text_free(&text);
    }
    return status == 0 && c->positions ? read_positions(t, c) : status;
}

void eval_texts_free(struct eval_texts *t)
{
    free(t->token);
    free(t->marked);
    *t = (struct eval_texts){0};
}
