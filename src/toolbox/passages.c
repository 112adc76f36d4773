/* See passages.h. */
#include "toolbox/passages.h"

#include "base/reqmem.h"

#include <string.h>

static void free_one(struct passage *p)
{
    reqmem_free(p->source);
    reqmem_free(p->title);
    reqmem_free(p->date);
    reqmem_free(p->url);
}

static char *copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *out = reqmem_malloc(n);
    return out ? memcpy(out, text, n) : NULL;
}

int passages_number(struct passages *p, const struct passage *of)
{
    for (int i = 0; i < p->n; i++)
        if (p->list[i].chunk == of->chunk && strcmp(p->list[i].source, of->source) == 0)
            return p->before + i + 1;
    struct passage *grown = p->n < PASSAGES_MOST ? reqmem_realloc(p->list, (size_t)(p->n + 1) * sizeof *p->list) : NULL;
    if (!grown)
        return 0;
    p->list = grown;
    struct passage *new = &p->list[p->n];
    *new = (struct passage){of->article, of->chunk, copy(of->source), copy(of->title), copy(of->date), copy(of->url)};
    if (new->source &&new->title &&new->date &&new->url)
        return p->before + ++p->n;
    free_one(new);
    return 0;
}

const struct passage *passages_get(const struct passages *p, long number)
{
    long i = number - p->before - 1;
    return i >= 0 && i < p->n ? &p->list[i] : NULL;
}

void passages_cut(struct passages *p, int n)
{
    while (p->n > n)
        free_one(&p->list[--p->n]);
}

void passages_forget(struct passages *p, int n)
{
    n = n < p->n ? n : p->n;
    for (int i = 0; i < n; i++)
        free_one(&p->list[i]);
    p->n -= n;
    p->before += n;
    if (n > 0)
        memmove(p->list, p->list + n, (size_t)p->n * sizeof *p->list);
}

void passages_free(struct passages *p)
{
    passages_cut(p, 0);
    reqmem_free(p->list);
    *p = (struct passages){0};
}

int citation_next(const struct passages *p, const char *text, size_t n, size_t *at, struct citation *out)
{
    for (size_t i = *at; i < n; i++) {
        long number = 0;
        size_t k = i + 1;
        if (text[i] != '[')
            continue;
        while (k < n && text[k] >= '0' && text[k] <= '9' && number <= PASSAGES_LAST)
            number = 10 * number + (text[k++] - '0');
        if (k == n || text[k] != ']' || k == i + 1 || text[i + 1] == '0')
            continue;
        *out = (struct citation){i, k + 1 - i, number, passages_get(p, number)};
        *at = k + 1;
        return 1;
    }
    *at = n;
    return 0;
}
