/* A second model that drafts: what is compared before it may, and its tables. Definition: drafts.md 9. */
#include "base/error.h"
#include "engine/engine.h"
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

/* ---- vocabularies ----------------------------------------------------------------------------------------------------------- */

enum { SHOWN = 40 }; /* bytes of a token in a sentence */

static const struct gguf_value *tokens_of(const struct session *s)
{
    const struct gguf_value *v = gguf_find(s->file, "tokenizer.ggml.tokens");
    return v && v->kind == GGUF_ARRAY && v->item == GGUF_STRING ? v : NULL;
}

static int same_token(const struct gguf_string *a, const struct gguf_string *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Files without a vocabulary are told apart by how many tokens there are. */
static int check_sizes(const struct session *of, const struct session *drafter, struct error *err)
{
    int n = of->model->p.n_vocab, other = drafter->model->p.n_vocab;
    if (n == other && !tokens_of(of) && !tokens_of(drafter))
        return 0;
    return error_set(
        err, ERR_INPUT,
        "--draft %.120s: %s is in its file, so that it may have another vocabulary than %.120s (%d and %d tokens)",
        drafter->file->file->path,
        tokens_of(drafter) ? "a list of tokens, which the other lacks," : "no list of tokens", of->file->file->path,
        other, n);
}

int drafter_check(const struct session *of, const struct session *drafter, struct error *err)
{
    const struct gguf_value *a = tokens_of(of), *b = tokens_of(drafter);
    if (!a || !b)
        return check_sizes(of, drafter, err);
    for (uint64_t i = 0; i < a->n && i < b->n; i++) {
        const struct gguf_string *x = &a->as.strings[i], *y = &b->as.strings[i];
        if (!same_token(x, y))
            return error_set(
                err, ERR_INPUT,
                "--draft %.120s: its vocabulary is not that of %.120s: token %llu is \"%.*s\", not \"%.*s\"; take a "
                "model of the same family",
                drafter->file->file->path, of->file->file->path, (unsigned long long)i,
                y->length < SHOWN ? (int)y->length : SHOWN, y->text, x->length < SHOWN ? (int)x->length : SHOWN,
                x->text);
    }
    return 0;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static uint64_t id_bytes(const struct plan *p) { return (uint64_t)p->n_ctx * sizeof(int32_t); }

uint64_t drafter_bytes(const struct plan *p)
{
    return (uint64_t)p->n_parallel * (sizeof(struct follower) + id_bytes(p)) + sizeof(struct drafter);
}

int drafter_open(struct drafter **out, struct session *session, struct error *err)
{
    const struct plan *p = &session->plan;
    struct drafter *d = calloc(1, drafter_bytes(p));
    if (!d) {
        session_close(session);
        return error_set(err, ERR_MEMORY, "no memory for the texts of a drafting model");
    }
    *d = (struct drafter){.session = session, .of = (struct follower *)(d + 1)};
    int32_t *id = (int32_t *)(d->of + p->n_parallel);
    for (int i = 0; i < p->n_parallel; i++)
        d->of[i].id = id + (size_t)i * (size_t)p->n_ctx;
    *out = d;
    return 0;
}

void drafter_close(struct drafter *d)
{
    if (!d)
        return;
    session_close(d->session);
    free(d);
}
