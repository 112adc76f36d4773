/* What the files of completion share.
 *
 *   completion.c            tokens of sets                         completion_count.c      tokens of positions
 *   completion_weight.c     weights of states                      completion_positions.c  positions that bytes lead to
 *   completion_state.c      making, and distances of whole states  completion_alike.c      rules of equal items */
#ifndef TEXT_CONSTRAINT_COMPLETION_INNER_H
#define TEXT_CONSTRAINT_COMPLETION_INNER_H

#include "text/constraint/completion.h"
#include "text/constraint/inner.h"

enum {
    COMPLETION_UNIT = 16,        /* weight of a byte that is a token; of others less */
    COMPLETION_NONE = 1 << 30,   /* weight: no text at all */
    COMPLETION_WEIGHT = 1 << 14, /* weight above which tokens are not counted one by one */
    COMPLETION_TABLE = 1 << 15,
    COMPLETION_FRAMES = 1 << 17,
    COMPLETION_PENDING = 1 << 14,
    COMPLETION_ASKED = 8,      /* positions that a scan may ask for when the stack is half full */
    COMPLETION_WORK = 1 << 20, /* nodes and positions looked at for one set: some 0.02 s */
    COMPLETION_LISTS = 1 << 12,
    COMPLETION_LIST_POSITIONS = 1 << 15,
    COMPLETION_STEPS = 1 << 15,
    COMPLETION_POSITIONS = 64, /* tied positions that are followed */
    COMPLETION_DEPTH = 256,    /* longer tokens are not counted on */
    COMPLETION_LENGTHS = 256,
    COMPLETION_RULES = 16,
    COMPLETION_COVER = 4096
};

enum { COVER_NO = 1, COVER_YES };
enum { COUNT_PASSED = 1, COUNT_GAVE_UP }; /* values of set->passed */

struct position {
    uint32_t frame, state, count;
};

struct entry {
    struct position p;
    uint32_t epoch;
    int64_t tokens;
};

/* Places that a text may have come to. */
struct positions {
    struct position *p;
    uint32_t n;
    uint32_t id;       /* of the list that holds them; 0: none */
    int complete;      /* the end of the text is here */
    int offered;       /* where there is no list to say it */
    uint64_t bytes[4]; /* what one of them reads on a shortest path */
};

struct position_list {
    uint32_t next, hash; /* chain of the hash table */
    uint32_t first, n;   /* positions */
    int complete;
    uint32_t offered; /* number of the scan that met it last */
    uint64_t bytes[4];
};

struct list_step {
    uint32_t key,
        to; /* from << 9 | class or group of bytes; 0: empty; LIST_SPLIT: the bytes of a group lead to several lists */
};

#define LIST_SPLIT UINT32_MAX

struct pending_position {
    struct position p;
    uint32_t parent, more; /* who wants to know it, and how many tokens lead to it */
    uint32_t asked;        /* positions that the scan at hand has put on the stack */
    int64_t best;
    int scanned;
};

struct completion {
    struct constraint *c;
    uint8_t *weight; /* [n_edge] of those that read */
    uint32_t *base;  /* [n_state] weight to the end of the rule, or of the item of a counted rule */
    uint32_t *rule;  /* [n_rule] weight of its lightest text */
    uint32_t *item;  /* [n_rule] of its item, if it is counted */
    int32_t
        *rest; /* [n_state] inside a fixed text: what its tokens weigh from here on, less weight left of it; else 0 */
    int64_t *most;               /* [n_rule] of weight and rest, of its states */
    uint8_t *begun;              /* [n_state] inside an item */
    uint8_t *in_long_code_point; /* [n_state] inside a character or an escape that is longer than it has to be */
    uint8_t *at_begin;           /* [n_state] of a counted rule: nothing of an item was read */
    uint8_t *coverable;          /* [n_rule] of a counted leaf: COVER_NO, COVER_YES; 0 not known */
    uint32_t *alike;             /* [n_rule] of a counted leaf: the first rule of the same item; else itself */
    uint32_t *frames;            /* [COMPLETION_FRAMES] stack */
    struct entry *table;
    struct pending_position *pending; /* [COMPLETION_PENDING] stack */
    struct position *positions;       /* [COMPLETION_DEPTH + 2][COMPLETION_POSITIONS] */
    int64_t *left;                    /* [COMPLETION_COVER + 1] */
    uint8_t *lengths;                 /* [COMPLETION_RULES][COMPLETION_LENGTHS] */
    uint32_t length_rule[COMPLETION_RULES];
    struct level {
        uint32_t states, ticks;
    } * level;                      /* [COMPLETION_DEPTH + 1] */
    struct position_list *list;     /* [COMPLETION_LISTS] from 1 */
    uint32_t *list_bucket;          /* [COMPLETION_LISTS] */
    struct position *list_position; /* [COMPLETION_LIST_POSITIONS] */
    struct list_step *list_step;    /* [COMPLETION_STEPS] hash table */
    uint32_t n_list, n_list_position, n_step, scan;
    uint32_t epoch, n_table, n_pending, work;
    int crowded; /* the table has no space */
    int passed;  /* work does not count */
    int gave_up; /* it was too much: bounds have to do */
    uint32_t
        counted_for;    /* the set for whose sake alone all that is in the table was found out; SET_DEAD: for others */
    struct arena arena; /* all of it: tables about the grammar in whole pages, then scratch from level on */
    size_t tables_bytes;
};

/* completion_weight.c: fills weight, base, rule, item, rest, most, begun, in_long_code_point, at_begin. */
int completion_measure(struct completion *k, struct error *err);
/* completion_alike.c: fills alike. */
int completion_find_alike(struct completion *k, struct error *err);
/* Fewest tokens that spell a text, COMPLETION_NEVER: none do, or the compilation has ended (NULL: there is none). spelled: [n + 1] out, the
 * same for what is behind byte i. */
int64_t completion_spell(const struct token_trie *trie, const char *text, size_t n, int64_t *spelled,
                         struct compile *compile);

static inline uint32_t completion_add(uint32_t a, uint32_t b)
{
    uint64_t sum = (uint64_t)a + b;
    return sum > COMPLETION_NONE ? COMPLETION_NONE : (uint32_t)sum;
}

/* Weight from a state to the end of its rule. */
static inline uint32_t completion_rule_weight(const struct completion *k, uint32_t state, uint32_t count)
{
    uint32_t rule = k->c->matcher.g->owner[state];
    const struct rule *r = &k->c->matcher.g->rule[rule];
    if (!r->counted)
        return k->base[state];
    int64_t more = (int64_t)r->min - count - k->begun[state];
    uint64_t items = more > 0 ? (uint64_t)more * k->item[rule] : 0;
    return completion_add(k->base[state], items > COMPLETION_NONE ? COMPLETION_NONE : (uint32_t)items);
}

/* ---- completion_count.c -------------------------------------------------------------------------------------------------------------- */

/* Tokens are counted for the sake of a set. The first time that begins from nothing: whether it takes too much work depends on the set,
 * not on what was asked for before. Once it has passed, all that is known is used; once it has not, bounds are. */
void completion_begin(struct completion *k, uint32_t set, int passed);
/* Nothing that is found out from here on is to be believed. */
int completion_stopped(const struct completion *k);
/* Tokens from a position to the end; COMPLETION_NEVER: none lead there. */
int64_t completion_tokens_left(struct completion *k, struct position p);

/* Tokens that are wanted: behind them the end is at most so many away. */
struct way {
    int64_t most;
    uint64_t *bits; /* [trie->n_word], they are added */
};
/* Adds the tokens that the distance of a set found, where it is too much work to count behind all others. */
void completion_add_way(struct completion *k, uint32_t set, const struct way *way);

/* ---- completion_positions.c ---------------------------------------------------------------------------------------------------------- */

/* Weight from behind a call to the end; find: where it is not known yet. */
uint32_t completion_find_frame_weight(struct completion *k, uint32_t frame);
static inline uint32_t completion_frame_weight(struct completion *k, uint32_t frame)
{
    uint32_t weight_left = frame ? frame_at(&k->c->matcher, frame)->weight_left : 1;
    return weight_left ? weight_left - 1 : completion_find_frame_weight(k, frame);
}
/* Weight of the lightest text from a position to the end. */
static inline uint32_t completion_weight_left(struct completion *k, const struct position *p)
{
    return completion_add(completion_rule_weight(k, p->state, p->count), completion_frame_weight(k, p->frame));
}
/* No less than the tokens from a position to the end, if every text can be spelled: those of its parts, each for itself. */
int64_t completion_bound(struct completion *k, const struct position *p);
/* The same of any state of the rule of a position, as many items of a count or more having come. */
int64_t completion_rule_bound(struct completion *k, const struct position *p);
/* Each node of the trie whose tokens are whole items of a counted leaf, and how many. */
void completion_items(struct completion *k, uint32_t rule,
                      void (*of)(void *arg, const struct trie_node *node, uint32_t items), void *arg);
/* Items that one token can be, of a counted leaf: [j]. */
const uint8_t *completion_lengths(struct completion *k, uint32_t rule);
/* Counts of a leaf are covered by lengths, not by walking, while more than one item has to come, if an item can be a token. find: at the
 * border of an item. */
int completion_find_covered(struct completion *k, const struct position *p);
static inline int completion_is_covered(struct completion *k, const struct position *p)
{
    return k->at_begin[p->state] && completion_find_covered(k, p);
}

/* Where a text may be that has come to a position; that has read one more byte, the depth'th of a token; one more whole token.
 * Filled lists are valid until the next call for the same depth, and until they are forgotten. */
void completion_positions_at(struct completion *k, struct position p, struct positions *l);
void completion_positions_read(struct completion *k, const struct positions *from, uint8_t byte, uint32_t depth,
                               struct positions *to);
/* The bytes of a group, its first one as bit 0; those of them that go on. */
static inline uint64_t completion_group_bytes(uint32_t group)
{
    return (UINT64_C(1) << (byte_group[group].high - byte_group[group].low + 1)) - 1;
}
static inline uint64_t completion_group_read(const struct positions *from, uint32_t group)
{
    uint32_t low = byte_group[group].low;
    return from->bytes[low >> 6] >> (low & 63) & completion_group_bytes(group);
}
/* Behind the bytes of a group, which are several classes. 0: none is read; 1: all lead to one list; 2: to several, or there is no space
 * to tell. */
int completion_positions_group(struct completion *k, const struct positions *from, uint32_t group, uint32_t depth,
                               struct positions *to);
/* Bytes that one of these positions reads, on a shortest path or not: how many that tokens begin with. */
uint32_t completion_bytes_read(struct completion *k, const struct positions *l);
/* edge: only that one is read. */
#define COMPLETION_ANY_EDGE UINT32_MAX
void completion_positions_token(struct completion *k, const struct positions *from, uint32_t edge,
                                struct positions *to);
/* Little space is left for lists. */
int completion_lists_low(const struct completion *k);
void completion_lists_forget(struct completion *k);

#endif
