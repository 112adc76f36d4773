/* What tests of constraints share: vocabularies of the test data, constraints from text, texts fed token by token. */
#ifndef CONSTRAINT_WORLD_H
#define CONSTRAINT_WORLD_H

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "text/constraint/inner.h"
#include "text/grammar/gbnf.h"
#include "text/regex/regex.h"
#include "text/schema/schema.h"
#include "text/tokenizer/tokenizer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct vocabulary {
    char name[64];
    struct tokenizer *tokenizer;
    struct token_trie *trie;
    uint8_t *allowed;
    double trie_seconds;
} vocabularies[16];
static int n_vocabularies;

static inline struct vocabulary *vocabulary(const char *name)
{
    for (int i = 0; i < n_vocabularies; i++)
        if (!strcmp(vocabularies[i].name, name))
            return vocabularies[i].trie ? &vocabularies[i] : NULL;
    if (n_vocabularies == 16)
        return NULL;
    struct vocabulary *v = &vocabularies[n_vocabularies++];
    struct error err = {0};
    struct gguf *g = NULL;
    char path[1000];
    snprintf(v->name, sizeof v->name, "%s", name);
    snprintf(path, sizeof path, TEST_DATA "/tokenizers/vocab/%s.gguf", name);
    if (gguf_open(&g, path, &err) == 0 && tokenizer_create(&v->tokenizer, g, NULL, &err) == 0) {
        double begin = clock_seconds();
        if (token_trie_create(&v->trie, v->tokenizer, &err) == 0)
            v->allowed = malloc((size_t)tokenizer_n_vocab(v->tokenizer));
        v->trie_seconds = clock_seconds() - begin;
    }
    gguf_close(g);
    if (!v->trie)
        printf("vocabulary %s: %s\n", path, err.text);
    return v->trie ? v : NULL;
}

static inline void vocabularies_free(void)
{
    for (int i = 0; i < n_vocabularies; i++) {
        token_trie_destroy(vocabularies[i].trie);
        tokenizer_destroy(vocabularies[i].tokenizer);
        free(vocabularies[i].allowed);
    }
}

enum front { FRONT_SCHEMA, FRONT_STRICT, FRONT_GBNF, FRONT_REGEX };

/* A constraint from a text; NULL: err says why. warnings may be NULL. */
static inline struct constraint *make_constraint(struct vocabulary *v, enum front front, const char *text, size_t n,
                                                 const struct constraint_options *how, int *warnings, struct error *err)
{
    struct grammar_maker *m = grammar_begin(NULL);
    struct grammar *g = NULL;
    struct constraint *c = NULL;
    grammar_expr e = 0;
    if (front == FRONT_GBNF) {
        e = gbnf_parse(m, text, n, v->tokenizer);
    } else if (front == FRONT_REGEX) {
        e = regex_parse(m, text, n, 1);
    } else {
        struct schema *s;
        struct schema_options o = {.strict = front == FRONT_STRICT};
        if (schema_open(&s, m, text, n, &o, err)) {
            grammar_abandon(m);
            return NULL;
        }
        e = schema_value(s, "");
        for (size_t i = 0; warnings && schema_warning(s, i); i++)
            *warnings = (int)i + 1;
        schema_close(s);
    }
    if (grammar_finish(m, &e, 1, &g, err) || constraint_create(&c, v->trie, g, how, err))
        return NULL;
    return c;
}

/* ---- tokens of a text ----------------------------------------------------------------------------------------------------------- */

enum cutting { CUT_BYTES, CUT_LONGEST, CUT_RANDOM };

/* A token of the trie that the text begins with: the shortest, the longest, or any. -1: none. */
static inline int32_t next_token(const struct vocabulary *v, const char *text, size_t n, enum cutting how,
                                 uint64_t *random)
{
    const struct token_trie *trie = v->trie;
    int32_t found[4096];
    uint32_t count = 0, depth = 0;
    for (uint32_t i = 0; i < trie->n_node && depth < n && trie->node[i].depth == depth + 1;) {
        const struct trie_node *node = &trie->node[i];
        if (node->byte != (uint8_t)text[depth]) {
            i = node->skip;
            continue;
        }
        depth++;
        for (uint32_t t = node->token; t < node[1].token && count < 4096; t++)
            found[count++] = (int32_t)trie->token[t];
        i++;
    }
    if (count == 0)
        return -1;
    if (how == CUT_RANDOM)
        return found[rng_u64(3, (*random)++, 0, 0) % count];
    return how == CUT_BYTES ? found[0] : found[count - 1];
}

static inline size_t token_length(const struct vocabulary *v, int32_t token)
{
    size_t n;
    tokenizer_piece(v->tokenizer, token, 0, &n);
    return n;
}

struct feeding {
    int accepted;    /* every byte, and the text may end */
    size_t at;       /* bytes that were accepted */
    const char *bug; /* the mask disagreed; NULL: it never did */
};

/* Feed a text. check: before each token the mask must say whether it will be accepted; where the text goes on, its next token is
 * in the mask. */
static inline struct feeding feed(struct vocabulary *v, struct constraint *c, const char *text, size_t n,
                                  enum cutting how, int check, uint64_t *random)
{
    struct feeding f = {0};
    struct error err = {0};
    struct constraint_state *s = NULL;
    if (constraint_begin(&s, c, &err))
        return (struct feeding){0, 0, "no state"};
    while (f.at < n && !f.bug) {
        int32_t token = next_token(v, text + f.at, n - f.at, how, random);
        if (token < 0)
            break;
        int masked = check ? constraint_mask(s, 1 << 20, v->allowed, &err) : 0;
        if (masked < 0 && !constraint_finished(s)) {
            static char why[600];
            snprintf(why, sizeof why, "mask: %s", err.text);
            f.bug = why;
        }
        struct error ignored = {0};
        int refused = constraint_accept(s, token, &ignored);
        if (masked > 0 && v->allowed[token] != !refused)
            f.bug = refused ? "the mask allows a token that is not accepted"
                            : "the mask lacks a token that is accepted";
        if (refused)
            break;
        f.at += token_length(v, token);
    }
    f.accepted = f.at == n && constraint_complete(s);
    constraint_end(s);
    return f;
}

/* FNV-1a over the allowed ids as little-endian u32; ends of generation left out. */
static inline uint64_t mask_hash(const struct vocabulary *v, const uint8_t *allowed, int32_t without, int *n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    *n = 0;
    for (int32_t t = 0; t < v->trie->n_vocab; t++) {
        if (!allowed[t] || tokenizer_is_end(v->tokenizer, t) || t == without)
            continue;
        ++*n;
        for (int i = 0; i < 4; i++)
            h = (h ^ ((uint32_t)t >> (8 * i) & 255)) * UINT64_C(0x100000001b3);
    }
    return h;
}

#endif
