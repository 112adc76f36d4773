/* The vocabulary as a trie: what masks walk.
 *
 * Nodes lie in depth-first order, so that a subtree is a stretch of the array and a dead byte skips it:
 *
 *     node     byte, depth, skip: the node behind its subtree, token: first of the tokens that end here or further down
 *     token[]  ids in order of their bytes; those of a node: [node.token, (node + 1).token)
 *     plain    what tokens hold behind this node is plain text: whole characters that a JSON string may hold as they are.
 *              Where a grammar reads all of these alike, the subtree is taken at once (mask_plain.c)
 *
 * Behind the trie of bytes comes the grouped trie in the same arrays: the same tokens again, where bytes of a group are one step
 * (token_groups.c). Its nodes have all of the above, and members: the nodes of the trie of bytes that became this one. */
#ifndef TEXT_CONSTRAINT_TOKEN_TRIE_H
#define TEXT_CONSTRAINT_TOKEN_TRIE_H

#include "text/constraint/constraint.h"

/* Bytes that grammars mostly treat alike. */
struct byte_group {
    uint8_t low, high;
};
enum { BYTE_GROUPS = 10 };
extern const struct byte_group byte_group[BYTE_GROUPS];

struct trie_node {
    uint32_t skip, token;
    uint16_t depth; /* 1: first byte of a token */
    uint8_t byte;   /* of a grouped node: the first byte of its group */
    uint8_t plain;  /* 0: not plain, or empty; else bytes of the longest text behind it */
};

struct token_trie {
    const struct tokenizer *tokenizer;
    int32_t n_vocab;
    struct trie_node *node;        /* [grouped_end + 1]; the last one of each trie closes its lists */
    uint32_t n_node;               /* of the trie of bytes */
    uint32_t grouped, grouped_end; /* the grouped trie: nodes [grouped, grouped_end) */
    uint32_t grouped_first[256];   /* the grouped node of depth 1 by any byte of its group; grouped_end: none */
    uint32_t *first_member;        /* [grouped_end - grouped + 1] by grouped node: where its members begin */
    uint32_t *member;              /* [n_node] */
    uint32_t first[256];           /* the node of depth 1 by its byte; n_node: none */
    uint64_t begins[4];            /* bits: bytes that have one */
    int spells;          /* every byte of UTF-8 is a token: any text can be spelled, in no more tokens than bytes */
    uint32_t *token;     /* [2 * n_token] those of the trie of bytes, those of the grouped trie */
    uint8_t *characters; /* [2 * n_token] of each: bytes that begin one; UINT8_MAX also: more */
    uint32_t n_token;
    uint32_t longest;     /* bytes of a token */
    uint64_t *is_text;    /* [n_word] bits: tokens in the trie */
    uint64_t *sampleable; /* [n_word] bits: tokens that free text may have */
    uint32_t n_word;
    int32_t end[64]; /* ends of generation */
    uint32_t n_end;
};

/* token_groups.c: adds the grouped trie, all but plain. -1: no memory. */
int token_trie_group(struct token_trie *trie);

static inline int bit_of(const uint64_t *bits, uint32_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static inline void set_bit(uint64_t *bits, uint32_t i) { bits[i >> 6] |= UINT64_C(1) << (i & 63); }

#endif
