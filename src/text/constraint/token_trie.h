/* The vocabulary as a trie: what masks walk.
 *
 * Nodes lie in depth-first order, so that a subtree is a stretch of the array and a dead byte skips it:
 *
 *     node     byte, depth, skip: the node behind its subtree, token: first of the tokens that end here or further down
 *     token[]  ids in order of their bytes; those of a node: [node.token, (node + 1).token)
 *     plain    what tokens hold behind this node is plain text: whole characters that a JSON string may hold as they are.
 *              Where a grammar reads all of these alike, the subtree is taken at once (mask_plain.c) */
#ifndef TEXT_CONSTRAINT_TOKEN_TRIE_H
#define TEXT_CONSTRAINT_TOKEN_TRIE_H

#include "text/constraint/constraint.h"

struct trie_node {
    uint32_t skip, token;
    uint16_t depth; /* 1: first byte of a token */
    uint8_t byte;
    uint8_t plain; /* 0: not plain, or empty; else bytes of the longest text behind it */
};

struct token_trie {
    const struct tokenizer *tokenizer;
    int32_t n_vocab;
    struct trie_node *node; /* [n_node + 1], the last one closes the lists */
    uint32_t n_node;
    uint32_t first[256]; /* the node of depth 1 by its byte; n_node: none */
    int spells;          /* every byte of UTF-8 is a token: any text can be spelled, in no more tokens than bytes */
    uint32_t *token;     /* [n_token] */
    uint8_t *characters; /* [n_token] of each: bytes that begin one; UINT8_MAX also: more */
    uint32_t n_token;
    uint32_t longest;     /* bytes of a token */
    uint64_t *is_text;    /* [n_word] bits: tokens in the trie */
    uint64_t *sampleable; /* [n_word] bits: tokens that free text may have */
    uint32_t n_word;
    int32_t end[64]; /* ends of generation */
    uint32_t n_end;
    size_t bytes;
};

static inline int bit_of(const uint64_t *bits, uint32_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static inline void set_bit(uint64_t *bits, uint32_t i) { bits[i >> 6] |= UINT64_C(1) << (i & 63); }

#endif
