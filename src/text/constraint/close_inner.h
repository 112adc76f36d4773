/* What the files of closing share.
 *
 *   close.c         tokens left, of positions and sets     close_places.c   places that bytes lead to, and lists of them
 *   close_weight.c  weights of states                      close_state.c    making, and what is left of whole states */
#ifndef TEXT_CONSTRAINT_CLOSE_INNER_H
#define TEXT_CONSTRAINT_CLOSE_INNER_H

#include "text/constraint/close.h"
#include "text/constraint/inner.h"

enum {
    CLOSING_UNIT = 16,      /* weight of a byte that is a token; of others less */
    CLOSING_NONE = 1 << 30, /* weight: no text at all */
    CLOSING_FAR = 1 << 14,  /* weight above which tokens are not counted one by one */
    CLOSING_TABLE = 1 << 15,
    CLOSING_FRAMES = 1 << 17,
    CLOSING_TODO = 1 << 14,
    CLOSING_FEW = 8,        /* positions that a scan may ask for when the stack is half full */
    CLOSING_WORK = 1 << 20, /* nodes and places looked at for one set: some 0.02 s */
    CLOSING_LISTS = 1 << 12,
    CLOSING_LIST_PLACES = 1 << 15,
    CLOSING_STEPS = 1 << 15,
    CLOSING_PLACES = 64, /* tied positions that are followed */
    CLOSING_DEPTH = 256, /* longer tokens are not counted on */
    CLOSING_LENGTHS = 256,
    CLOSING_RULES = 16,
    CLOSING_COVER = 4096
};

enum { COVER_NO = 1, COVER_YES };
enum { COUNT_PASSED = 1, COUNT_TIRED }; /* values of set->passed */

struct position {
    uint32_t frame, state, count;
};

struct entry {
    struct position p;
    uint32_t epoch;
    int64_t tokens;
};

/* Places that a text may have come to. */
struct places {
    struct position *p;
    uint32_t n;
    uint32_t id;       /* of the list that holds them; 0: none */
    int complete;      /* the end of the text is here */
    int offered;       /* where there is no list to say it */
    uint64_t bytes[4]; /* what one of them reads */
};

struct place_list {
    uint32_t next, hash; /* chain of the hash table */
    uint32_t first, n;   /* places */
    int complete;
    uint32_t offered; /* number of the scan that met it last */
    uint64_t bytes[4];
};

struct list_step {
    uint32_t key,
        to; /* from << 9 | class or group of bytes; 0: empty; LIST_SPLIT: the bytes of a group lead to several lists */
};

#define LIST_SPLIT UINT32_MAX

struct todo {
    struct position p;
    uint32_t parent, more; /* who wants to know it, and how many tokens lead to it */
    uint32_t asked;        /* positions that the scan at hand has put on the stack */
    int64_t best;
    int scanned;
};

struct closing {
    struct constraint *c;
    uint8_t *weight; /* [n_edge] of those that read */
    uint32_t *base;  /* [n_state] weight to the end of the rule, or of the item of a counted rule */
    uint32_t *rule;  /* [n_rule] weight of its lightest text */
    uint32_t *item;  /* [n_rule] of its item, if it is counted */
    int32_t
        *rest; /* [n_state] inside a fixed text: what its tokens weigh from here on, less weight left of it; else 0 */
    int64_t *most;      /* [n_rule] of weight and rest, of its states */
    uint8_t *begun;     /* [n_state] inside an item */
    uint8_t *in_letter; /* [n_state] inside a character or an escape that is longer than it has to be */
    uint8_t *at_begin;  /* [n_state] of a counted rule: nothing of an item was read */
    uint8_t *coverable; /* [n_rule] of a counted leaf: COVER_NO, COVER_YES; 0 not known */
    uint32_t *frames;   /* [CLOSING_FRAMES] stack */
    struct entry *table;
    struct todo *todo;       /* [CLOSING_TODO] stack */
    struct position *places; /* [CLOSING_DEPTH + 2][CLOSING_PLACES] */
    int64_t *left;           /* [CLOSING_COVER + 1] */
    uint8_t *lengths;        /* [CLOSING_RULES][CLOSING_LENGTHS] */
    uint32_t length_rule[CLOSING_RULES];
    struct level {
        uint32_t states, ticks;
    } * level;                   /* [CLOSING_DEPTH + 1] */
    struct place_list *list;     /* [CLOSING_LISTS] from 1 */
    uint32_t *list_bucket;       /* [CLOSING_LISTS] */
    struct position *list_place; /* [CLOSING_LIST_PLACES] */
    struct list_step *list_step; /* [CLOSING_STEPS] hash table */
    uint32_t n_list, n_list_place, n_step, scan;
    uint32_t epoch, n_table, n_todo, work;
    int crowded; /* the table has no room */
    int passed;  /* work does not count */
    int tired;   /* it was too much: bounds have to do */
    uint32_t
        counted_for; /* the set for whose sake alone all that is in the table was found out; SET_DEAD: for others */
    void *reservation;
    char *scratch; /* the rest of it: level, frames, table, todo, places, left, lengths */
    size_t bytes;
};

/* close_weight.c: fills weight, base, rule, item, rest, most, begun, in_letter, at_begin. */
int closing_measure(struct closing *k, struct error *err);
/* Fewest tokens that spell a text, CLOSING_NEVER: none do, or the compilation has ended (NULL: there is none). spelled: [n + 1] out, the
 * same for what is behind byte i. */
int64_t closing_spell(const struct token_trie *trie, const char *text, size_t n, int64_t *spelled,
                      struct compile *compile);

static inline uint32_t closing_add(uint32_t a, uint32_t b)
{
    uint64_t sum = (uint64_t)a + b;
    return sum > CLOSING_NONE ? CLOSING_NONE : (uint32_t)sum;
}

/* Weight from a state to the end of its rule. */
static inline uint32_t closing_rule_weight(const struct closing *k, uint32_t state, uint32_t count)
{
    uint32_t rule = k->c->matcher.g->owner[state];
    const struct rule *r = &k->c->matcher.g->rule[rule];
    if (!r->counted)
        return k->base[state];
    int64_t more = (int64_t)r->min - count - k->begun[state];
    uint64_t items = more > 0 ? (uint64_t)more * k->item[rule] : 0;
    return closing_add(k->base[state], items > CLOSING_NONE ? CLOSING_NONE : (uint32_t)items);
}

/* ---- close_places.c ------------------------------------------------------------------------------------------------------------- */

uint32_t closing_frame_weight(struct closing *k, uint32_t frame);
/* Weight of the lightest text from a position to the end. */
uint32_t closing_weight_left(struct closing *k, const struct position *p);
/* No less than the tokens from a position to the end, if every text can be spelled: those of its parts, each for itself. */
int64_t closing_bound(struct closing *k, const struct position *p);
/* The same of any state of the rule of a position, as many items of a count or more having come. */
int64_t closing_rule_bound(struct closing *k, const struct position *p);
/* Items that one token can be, of a counted leaf: [j]. */
const uint8_t *closing_lengths(struct closing *k, uint32_t rule);
/* Counts of a leaf are covered by lengths, not by walking, while more than one item has to come, if an item can be a token. */
int closing_is_covered(struct closing *k, const struct position *p);

/* Where a text may be that has come to a position; that has read one more byte, the depth'th of a token; one more whole token.
 * Filled lists are valid until the next call for the same depth, and until they are forgotten. */
void closing_places_at(struct closing *k, struct position p, struct places *l);
void closing_places_read(struct closing *k, const struct places *from, uint8_t byte, uint32_t depth, struct places *to);
/* Behind the bytes of a group, which are several classes. 0: none is read; 1: all lead to one list; 2: to several, or there is no room
 * to tell. */
int closing_places_group(struct closing *k, const struct places *from, uint32_t group, uint32_t depth,
                         struct places *to);
void closing_places_token(struct closing *k, const struct places *from, struct places *to);
/* Little room is left for lists. */
int closing_lists_low(const struct closing *k);
void closing_lists_forget(struct closing *k);

#endif
