/* Masks: all tokens whose bytes lead on from a set of the matcher.
 *
 *     leaf    for states of a leaf rule: tokens that stay inside it, and tokens that leave it, sorted by what they hold behind
 *             the leave. Inside a string nearly all tokens stay: this is computed once, then copied           mask_leaf.c
 *     walk    other configurations: the trie is walked with the matcher; little of it is alive                mask_walk.c
 *     limit   only tokens behind which a judge finds the end close enough                                     mask_limit.c
 *     plain   where any plain text can be read, both take whole parts of the vocabulary at once                   mask_plain.c
 *     slots   finished masks, by what they are of; the oldest goes                                            mask.c
 *
 * A configuration of a counted leaf is never the same twice; what does not depend on its count is kept in slots of its own. */
#ifndef TEXT_CONSTRAINT_MASK_H
#define TEXT_CONSTRAINT_MASK_H

#include "text/constraint/matcher.h"
#include "text/constraint/token_trie.h"

enum {
    MASK_SLOTS = 64,
    MASK_NEVER = 255,
    MASK_TARGETS = 256,
    MASK_RESTS = 1 << 17,
    MASK_EXITS = 1 << 13,
    MASK_MANY = 4,
    MASK_APART = 64,     /* configurations of a set that are looked at one by one; more: the whole set is walked */
    MASK_WORK = 3 << 20, /* of the walks of one mask: some 0.1 s if nothing of it is remembered, in slices */
    MASK_SHORT_WORK = MASK_WORK / 8,    /* of one of short tokens */
    MASK_REFUSED = MASK_SHORT_WORK / 8, /* of a step in it that was refused */
    MASK_FREE = 16,                     /* steps that take no more are not counted */
    MASK_PLAIN = 8 /* tokens below a node that are worth asking whether they can be taken at once */
};
#define MASK_ANY_LENGTH UINT32_MAX

/* Behind the end of a leaf: a small trie of what tokens hold there, laid out like token_trie. */
struct rest_node {
    uint32_t skip, first; /* first: of the rests that end here or further down */
    uint16_t depth;
    uint8_t byte;
};

struct rest {
    uint32_t token;
    uint32_t ticks; /* counted before the leave */
};

/* A place where the leaf may be left and many tokens go on: they are not listed, the trie is walked from there. */
struct leaf_exit {
    uint32_t node, ticks;
};

struct ticks_range {
    uint32_t least, most;
};

struct target {
    uint32_t states, n_token;
};

struct leaf_mask {
    uint32_t n_inside;                          /* tokens */
    uint32_t most_ticks;                        /* of a token inside: items that it begins */
    uint32_t least_rest_ticks, most_rest_ticks; /* of rests and exits */
    const uint64_t *bits;                       /* tokens inside; NULL: a list */
    const uint32_t *list;                       /* [n_inside] */
    const uint8_t *ticks; /* with bits, of counted leaves: by token, MASK_NEVER not inside; with list: by place */
    const struct rest_node *node; /* [n_node + 1] */
    const struct rest *rest;      /* [n_rest] in order of the nodes */
    uint32_t n_node, n_rest;
    const struct leaf_exit *exit; /* [n_exit] */
    uint32_t n_exit;
    struct alive leaving;        /* what the leaf itself may read where it could have ended */
    int with_targets;            /* what follows is known */
    const struct target *target; /* [n_target] states that tokens inside lead to, as if counts were free */
    uint32_t n_target;           /* MASK_TARGETS: there are more than are listed */
    uint32_t main;               /* target of most tokens */
    const uint32_t *odd;         /* [n_odd] with bits: tokens that lead to another one */
    uint32_t n_odd;
    const uint8_t *target_of; /* with list: by place; with bits: of the odd ones */
};

struct slot {
    uint32_t kind, a, b, longest;
    uint64_t used; /* time of the last use; 0 empty */
};

/* Governed text may go over into free text: each token that the grammar gives up on behind a place where it could have ended is
 * offered to legal(), but not tokens that it does not even begin to read. */
struct masks_leaving {
    int (*legal)(void *arg, uint32_t token);
    void *arg;
    uint32_t key; /* for slots: what legal() depends on besides the set; not 0 */
};

/* Are tokens wanted that lead to this set? That stay inside a leaf, of which the configuration has the states as if counts were
 * free? 1: they are. */
struct masks_judge {
    int (*of_set)(void *arg, uint32_t set);
    int (*of_inside)(void *arg, const struct config *c);
    void *arg;
    int once; /* asked of a configuration as it is, for all tokens that stay inside: where they lead to is not found out */
};

/* Of a target, by the ticks of a token. */
struct answers {
    uint8_t ok[MASK_NEVER + 1];
};

struct masks {
    int with_targets; /* leaves that are looked at now are likely to be so by masks_within(): the vocabulary is walked for both at once */
    const struct token_trie *trie;
    struct matcher *matcher;
    const struct masks_leaving *leaving; /* of the mask being made */
    uint64_t clock;
    struct slot slot[MASK_SLOTS];
    struct slot *filling; /* what is in it is not all yet; NULL: none */
    uint64_t *slot_bits;  /* [MASK_SLOTS][n_word] */
    uint32_t *stack;      /* [longest + 2] walks */
    uint32_t *ticks;      /* [longest + 2] */
    uint32_t work;        /* what steps took, whether they are remembered or not */
    uint32_t
        longest; /* bytes of the tokens that are looked at; not MASK_ANY_LENGTH: the whole set is walked, as an answer does that
                       * takes the token, and what is too ambiguous to be read is left out */
    uint64_t *part;  /* [n_word] scratch */
    uint64_t *whole; /* [n_word] the mask handed out, where no slot keeps it */

    char *memory;            /* leaf masks lie here */
    size_t used, size, most; /* size: of space, may be raised to most */
    /* scratch, each for one thing at a time */
    struct found {
        uint64_t head; /* first bytes of text, to sort by */
        const char *text;
        uint32_t n, token, ticks;
    } * found;           /* [n_found] of a leaf mask */
    uint32_t *judged;    /* [n_token + 1] of a trigger's mask: token * 2 + allowed */
    uint64_t *free_text; /* [n_word] what may follow the end of governed text */
    uint64_t *completed; /* [n_word] what the limit leaves */
    uint32_t n_found;
    struct leaf_exit *exits; /* [MASK_EXITS] likewise */
    uint8_t *ticks_of;       /* [n_word * 64] likewise */
    uint8_t *target_of;      /* [n_word * 64] likewise */
    struct answers *answers; /* [MASK_TARGETS] likewise */
    struct arena arena;      /* all of it */
    size_t bytes;
};

/* space: bytes for leaf masks; most: reserved, to which k->size may be raised. */
int masks_create(struct masks *k, const struct token_trie *trie, struct matcher *m, size_t capacity, size_t most,
                 struct error *err);
void masks_destroy(struct masks *k);
/* Bytes beside the space. */
size_t masks_fixed_bytes(const struct token_trie *trie);
/* Forget everything, and give the memory back. */
void masks_release(struct masks *k, size_t capacity);
/* The matcher's numbers have changed: forget everything. */
void masks_forget(struct masks *k);
/* What was being computed is given up. */
void masks_abandon(struct masks *k);
/* Memory of leaf masks, 16 bytes aligned: NULL and matcher->full when there is no more. */
void *masks_take(struct masks *k, size_t bytes);
static inline int masks_low(const struct masks *k) { return k->used > k->size - k->size / 4; }

/* Tokens that may follow a set, ends of generation aside: [trie->n_word] bits, valid until the next call. leaving NULL: text
 * ends with the grammar. NULL: out of memory (matcher->full). */
const uint64_t *masks_of(struct masks *k, uint32_t set, const struct masks_leaving *leaving);

/* Added to bits: those of these tokens that a judge wants. bits NULL: he is only asked. Each set and each configuration that a
 * token may lead to is judged, in no order; with once, configurations as they stand. Not where text goes over into free text. */
void masks_within(struct masks *k, uint32_t set, uint64_t *bits, const struct masks_judge *j);

/* ---- mask_walk.c: added to bits, which may be NULL where there is a judge ------------------------------------------------------- */

/* All tokens that may follow. */
void masks_walk(struct masks *k, uint32_t set, uint64_t *bits, const struct masks_judge *j);
/* Those that leave a leaf for what called it, having counted so many ticks. */
void masks_walk_rests(struct masks *k, const struct leaf_mask *leaf, uint32_t frame, struct ticks_range ticks,
                      uint64_t *bits, const struct masks_judge *j);

/* ---- mask.c: of a configuration inside a leaf ----------------------------------------------------------------------------------- */

/* Items that it may still begin, and has to. */
uint32_t masks_count_left(const struct matcher *m, const struct config *c);
uint32_t masks_count_needed(const struct matcher *m, const struct config *c);
/* 1: what the leaf reads where it could have ended, its caller reads too: some tokens inside may be read in another way. */
int masks_reads_on(struct masks *k, const struct config *c, const struct leaf_mask *leaf);
/* Tokens inside with at most so many ticks. */
void masks_add_inside(const struct masks *k, const struct leaf_mask *leaf, uint32_t most, uint64_t *bits);

/* mask_leaf.c: the tokens of a leaf's states. with_targets: with what they lead to. NULL: these states cannot be kept apart (ambiguous
 * counts), or no memory (matcher->full). */
const struct leaf_mask *masks_leaf(struct masks *k, uint32_t states, int with_targets);

/* mask_plain.c: 1: any plain text leads from this set back to it. 0 also: out of memory (matcher->full). */
int masks_set_loops(struct matcher *m, uint32_t set);
/* 1: from these states any plain text leads to one of the positions, which they and what they lead to are added to, and the steps are
 * remembered. Of a counted rule, where each character is an item: only back to these states. */
enum { PLAIN_TARGETS = 16 };
struct plain_targets {
    uint32_t n, target[PLAIN_TARGETS];
};
int masks_states_stay(struct matcher *m, uint32_t states, struct plain_targets *positions);

#endif
