/* Growing lists of ids, in the requests' memory: see tokenizer.h. */
#include "text/tokenizer/tokenizer.h"

#include "base/reqmem.h"

#include <stddef.h>

/* A long list grows by that much: the system moves its pages, and copies nothing. */
enum { TOKENS_MORE = 1 << 20 };

int token_list_add(struct token_list *l, int32_t id)
{
    if (id < 0) /* a role that the vocabulary leaves empty */
        return 0;
    if (l->n == l->cap) {
        size_t cap = !l->cap ? 64 : l->cap < TOKENS_MORE ? 2 * l->cap : l->cap + TOKENS_MORE;
        int32_t *grown = reqmem_realloc(l->id, cap * sizeof *grown);
        if (!grown)
            return -1;
        l->id = grown;
        l->cap = cap;
    }
    l->id[l->n++] = id;
    return 0;
}

void token_list_free(struct token_list *l)
{
    reqmem_free(l->id);
    *l = (struct token_list){0};
}
