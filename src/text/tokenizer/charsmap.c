/* The map of characters: see charsmap.h. */
#include "text/tokenizer/charsmap.h"

#include "base/error.h"
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

enum { UNITS_MOST = 1 << 22 };

static uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }
static int leads_by(uint32_t unit, uint32_t byte) { return (unit & (1u << 31 | 0xFF)) == byte; }
static int ends_key(uint32_t unit) { return unit >> 8 & 1; }
static uint32_t value_of(uint32_t unit) { return unit & ~(1u << 31); }

static int broken(struct error *err, const char *why)
{
    return error_set(err, ERR_FORMAT, "tokenizer.ggml.precompiled_charsmap %s; the file is damaged", why);
}

/* The place behind a byte; 0: no key goes on so, or what is there lies outside (the root is nobody's child). */
static uint32_t child_of(const struct charsmap *m, uint32_t place, uint32_t byte, int *ends)
{
    uint32_t at = place ^ byte;
    if (at >= m->n_unit || !leads_by(m->unit[at], byte))
        return 0;
    *ends = ends_key(m->unit[at]);
    return at ^ offset_of(m->unit[at]);
}

/* Every place that bytes lead to, each once: inside, and with a replacement inside where a key ends. */
static int check_places(const struct charsmap *m, uint32_t *waiting, uint8_t *seen, struct error *err)
{
    uint32_t n = 1;
    waiting[0] = offset_of(m->unit[0]);
    if (waiting[0] >= m->n_unit)
        return broken(err, "leads out of its trie");
    seen[waiting[0]] = 1;
    while (n > 0) {
        uint32_t place = waiting[--n];
        for (uint32_t byte = 1; byte < 256; byte++) {
            int ends = 0;
            uint32_t next = child_of(m, place, byte, &ends);
            if (next == 0)
                continue;
            if (next >= m->n_unit)
                return broken(err, "leads out of its trie");
            if (ends && value_of(m->unit[next]) >= m->n_replacement)
                return broken(err, "names a replacement that it does not hold");
            if (!seen[next])
                waiting[n++] = next;
            seen[next] = 1;
        }
    }
    return 0;
}

static int check(const struct charsmap *m, struct error *err)
{
    for (size_t i = 0, length; i < m->n_replacement; i += length + 1)
        if ((length = strlen(m->replacement + i)) > CHARSMAP_REPLACEMENT)
            return broken(err, "holds a replacement of more than 256 bytes");
    uint32_t *waiting = malloc(m->n_unit * sizeof *waiting);
    uint8_t *seen = calloc(m->n_unit, 1);
    int rc = waiting && seen ? check_places(m, waiting, seen, err)
                             : error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    free(waiting);
    free(seen);
    return rc;
}

static uint8_t byte_at(const struct gguf_value *v, uint64_t i) { return (uint8_t)gguf_item_int(v, i); }

int charsmap_load(struct charsmap *m, struct arena *a, const struct gguf *g, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (!v)
        return 0;
    if (v->kind != GGUF_ARRAY || (v->item != GGUF_U8 && v->item != GGUF_I8))
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.precompiled_charsmap is not an array of bytes");
    if (v->n == 0)
        return 0;
    uint32_t trie = 0;
    for (uint64_t i = 0; i < 4 && i < v->n; i++)
        trie |= (uint32_t)byte_at(v, i) << 8 * i;
    if (trie == 0 || trie % 4 || trie / 4 > UNITS_MOST || v->n - 4 > 2u * 4 * UNITS_MOST || v->n <= 4 ||
        trie >= v->n - 4)
        return broken(err, "does not hold the trie that it announces");
    m->n_unit = trie / 4;
    m->n_replacement = (uint32_t)(v->n - 4 - trie);
    m->unit = arena_array(a, m->n_unit, sizeof *m->unit);
    m->replacement = arena_alloc(a, m->n_replacement);
    if (!m->unit || !m->replacement)
        return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    for (uint32_t i = 0; i < trie; i++)
        m->unit[i / 4] |= (uint32_t)byte_at(v, 4 + i) << 8 * (i % 4);
    for (uint32_t i = 0; i < m->n_replacement; i++)
        m->replacement[i] = (char)byte_at(v, 4u + trie + i);
    if (m->replacement[m->n_replacement - 1] != 0)
        return broken(err, "ends within a replacement");
    return check(m, err);
}

size_t charsmap_find(const struct charsmap *m, const char *text, size_t n, const char **replacement)
{
    size_t length = 0;
    uint32_t place = m->unit ? offset_of(m->unit[0]) : 0;
    for (size_t i = 0; m->unit && i < n && i < CHARSMAP_KEY && text[i]; i++) {
        int ends = 0;
        if ((place = child_of(m, place, (uint8_t)text[i], &ends)) == 0)
            break;
        if (ends) {
            length = i + 1;
            *replacement = m->replacement + value_of(m->unit[place]);
        }
    }
    return length;
}
