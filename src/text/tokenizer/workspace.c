/* Memory of callers of tokenizer_encode(): see vocab.h. What a long text needed is given back after it; the tables of words stay. */
#include "base/error.h"
#include "base/reqmem.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT = 1 << 16 }; /* bytes of a buffer that are worth keeping */

int workspaces_load(struct tokenizer *t, struct error *err)
{
    t->workspace = arena_array(&t->arena, WORKSPACES, sizeof *t->workspace);
    for (int i = 0; t->workspace && i < WORKSPACES; i++) {
        t->workspace[i].words = arena_array(&t->arena, WORDS, sizeof(struct word));
        if (!t->workspace[i].words)
            t->workspace = NULL;
    }
    return t->workspace ? 0 : error_set(err, ERR_MEMORY, "no memory for the vocabulary");
}

static void drop(struct workspace *w)
{
    merge_free(&w->merger);
    reqmem_free(w->buffer);
    w->buffer = NULL;
    w->buffer_size = 0;
}

void workspaces_free(struct tokenizer *t)
{
    for (int i = 0; t->workspace && i < WORKSPACES; i++) {
        drop(&t->workspace[i]);
        splitting_end(&t->workspace[i].splitting);
    }
}

/* What is kept counts as requests' memory: a thread that works for no request may neither free it nor leave its own there. */
struct workspace *workspace_take(const struct tokenizer *t, struct workspace *own)
{
    for (int i = 0; i < WORKSPACES; i++) {
        struct workspace *w = &t->workspace[i];
        if (atomic_exchange(&w->taken, 1))
            continue;
        if (reqmem_here() || !w->keeps)
            return w;
        atomic_store(&w->taken, 0);
    }
    return own;
}

void workspace_give(struct workspace *w, struct workspace *own)
{
    w->keeps = w != own && reqmem_here() && w->buffer_size <= KEPT && w->merger.cap * sizeof(struct symbol) <= KEPT;
    if (!w->keeps)
        drop(w);
    if (w == own)
        splitting_end(&w->splitting);
    else
        atomic_store(&w->taken, 0);
}

char *workspace_buffer(struct workspace *w, size_t size)
{
    if (size > w->buffer_size) {
        reqmem_free(w->buffer);
        w->buffer = reqmem_malloc(size);
        w->buffer_size = w->buffer ? size : 0;
    }
    return w->buffer;
}

int workspace_word(const struct tokenizer *t, struct workspace *w, word_encoder *encode, const char *word, size_t n,
                   struct token_list *out)
{
    struct word *known = word_slot(w->words, word, n);
    size_t from = out->n;
    if (known && word_is(known, word, n)) {
        for (int i = 0; i < known->n; i++)
            if (token_list_add(out, known->id[i]) != 0)
                return -1;
        return 0;
    }
    if (encode(t, w, word, n, out) != 0)
        return -1;
    if (known)
        word_keep(known, word, n, out->id + from, out->n - from);
    return 0;
}
