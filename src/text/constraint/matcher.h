/* Where a text stands in a grammar: sets of automata with stacks, each distinct one stored once.
 *
 *     set      what may come next, as a value: configurations (frame, states, count), and whether the text may end here
 *     frame    one call of a rule and where it returns to: links (frame, state, count); frame 0 is the end of the text.
 *              Calls of a rule from several positions at one position share a frame, so ambiguity costs links, not copies
 *     states   states of one rule that one text has led to: the rule's automaton made deterministic as far as it is seen
 *
 * Equal things have equal numbers whatever way led to them, so steps are remembered: a set is a state of a deterministic
 * automaton that is built as texts and masks need it. A stack of depth n costs n frames, shared by all sets that lie on it.
 *
 * All of it lies in one reservation of memory, of two halves. When one is used up, what the live sets need is copied to the other and the
 * rest forgotten (matcher_collect()): numbers change, languages do not. Sources: E. Scott and A. Johnstone, GLL parsing (shared frames);
 * C. Grune and D. Jacobs, Parsing techniques, on determinism by subsets. */
#ifndef TEXT_CONSTRAINT_MATCHER_H
#define TEXT_CONSTRAINT_MATCHER_H

#include "base/arena.h"
#include "base/hash.h"
#include "text/constraint/token_trie.h"
#include "text/grammar/automaton.h"

#include <string.h>

#include <stddef.h>

struct error;

enum { SET_DEAD = 0 };
/* Bounds of one step, some 2 ms: whether it is refused depends on the set and the byte alone, not on what is remembered. With what sorting
 * and describing so much takes, a step stays below CONSTRAINT_STEP. */
enum { MATCHER_CONFIGS = 4096, MATCHER_SLOTS = 2 * MATCHER_CONFIGS, MATCHER_CALLS = 1 << 15, MATCHER_WORK = 5 << 13 };

struct link {
    uint32_t frame, state, count;
};

struct frame {
    uint32_t next, hash; /* chain of the hash table */
    uint32_t rule, n_link;
    uint32_t popped;          /* set behind this call + 1; 0 not known */
    uint32_t weight_left;     /* of the lightest text behind this call + 1; 0 not known: completion.c */
    uint32_t moved, moved_in; /* its copy, made by this collection; the same of states and sets */
    struct link link[];
};

/* The classes of bytes that something has a step for. */
struct alive {
    uint64_t bits[4];
};

struct states {
    uint32_t next, hash;
    uint32_t rule, n;
    uint32_t stepping; /* the same without the states that cannot read anything; 0 not known */
    uint32_t leaf;     /* tokens of a leaf's states: mask_leaf.c; 0 not known */
    uint32_t plain;    /* mask_plain.c; 0 not known */
    uint32_t memo;     /* where the steps are remembered, two by class and group; 0 nowhere yet */
    uint32_t moved, moved_in;
    uint8_t accepts, reads, calls, tokens;
    uint8_t target;                 /* where the leaf mask being made may have it among its targets: mask_leaf.c */
    uint8_t last_class, last_count; /* the step that was taken last, and where it led: a counted rule at many counts */
    uint32_t last[2];               /* both 0: none was */
    struct alive alive;
    uint32_t state[];
};

struct config {
    uint32_t frame, states, count;
};

struct set {
    uint32_t next, hash;
    uint32_t n, accepting;
    uint16_t tokens; /* some configuration reads whole tokens */
    uint16_t plain;  /* mask_plain.c; 0 not known */
    uint32_t memo;   /* by class and group: steps that were taken, 0 not known */
    struct alive alive;
    uint32_t tokens_left, tokens_epoch; /* of the shortest text from here + 1, as of an epoch of completion.c */
    uint32_t passed, passed_within;     /* this was counted, or too much; behind each token, with this much space + 1 */
    uint32_t bound, most_bound;         /* no less than that, from weights alone + 1; behind any one more token */
    uint32_t refused;                   /* 1: that one is too ambiguous to be found out */
    uint32_t size; /* configurations, and positions that they return to: what a step costs, about */
    uint32_t moved, moved_in;
    struct config config[];
};

/* Work, counted as it is done, in units of some 10 ns: an edge looked at, a node of a trie. It does not depend on the clock. Where it
 * reaches until, what is being computed pauses, but only between steps: then whoever runs may take other steps. */
struct meter {
    uint64_t done, until;
    void (*pause)(void *arg);
    void *arg;
};

/* A step that is remembered is a number: the set + 1, and above it what the step took, in units of MATCHER_COST. */
enum { MATCHER_COST = 64, STEP_SET_BITS = 22, STEP_SET = (1 << STEP_SET_BITS) - 1, STEP_COST = 1023 };

/* Groups of bytes (token_trie.h) have classes of their own, behind those of the grammar. A step over a group is that of each of its
 * bytes, where all lead to one place; else the group is split. */
enum { SET_SPLIT = STEP_SET - 1, STEP_REFUSED = STEP_SET }; /* a step of one byte that was refused */
#define STATES_SPLIT UINT32_MAX

/* Things with numbers are found by hash tables. */
enum matcher_things { FRAMES, STATES, SETS, MATCHER_THINGS };
enum { MATCHER_BUCKETS = 1 << 13, MATCHER_BEGIN = 8 }; /* the first words are nobody's: 0 is no number */

/* A collection that has begun: matcher_collect.c. */
struct collection {
    int active;
    uint32_t number;
    uint64_t *word; /* the other half */
    uint32_t used;
    uint32_t *bucket[MATCHER_THINGS];
    uint32_t *stack, n_stack; /* frames to be copied, growing down from the end of that half */
    uint32_t frame;           /* the copy of the topmost one, while it is being made; 0: it is not begun */
    int frame_in_order;
    uint32_t set, n_config; /* the set being copied, and how many of its configurations have what they need */
};

struct matcher {
    const struct grammar *g;
    uint16_t group_class[256]; /* of the first byte of a group, and of bytes in no group; others have none */
    struct alive group_alive[BYTE_GROUPS]; /* classes of the bytes of a group */
    struct meter meter;
    uint64_t *memory;        /* [2 * most] words, reserved */
    uint64_t *word;          /* the half in use; numbers of things are offsets into it */
    uint32_t used, capacity; /* words */
    uint32_t most;           /* words of a half */
    int keeps_rest; /* a mask is being made: some memory stays for the steps of other texts, whose collections are not in pieces */
    uint32_t epoch; /* number of collections */
    int full;       /* an operation ran out of memory or bounds: its result means nothing */
    int ambiguous;  /* it was the bounds */
    uint32_t *bucket[MATCHER_THINGS];
    struct collection collection;
    struct resume {
        uint32_t count, states[2]; /* what counters allow, states without and behind a tick; both 0: not known */
    } * resume;                    /* [n_state] behind the last return to this state */
    uint32_t *begin;               /* [n_rule] states at the start; 0 not known */

    /* scratch */
    uint32_t *stamp, generation;
    uint8_t *seen;
    uint32_t *stack, *list[2], n_list[2];
    struct config *config;
    uint32_t n_config;
    uint32_t *slot, *slot_of; /* [MATCHER_SLOTS] hash table of config; [MATCHER_CONFIGS] where each of them is in it */
    struct pending {
        uint32_t rule;
        struct link link;
    } * pending;
    uint32_t n_pending;
    uint32_t work; /* configurations, calls and returns of the step: at most MATCHER_WORK */
    int accepting;
    struct arena arena; /* all of it */
    size_t bytes;
};

/* space: bytes to use; most: of the reservation, to which m->space may be raised. */
int matcher_create(struct matcher *m, const struct grammar *g, size_t capacity, size_t most, struct error *err);
void matcher_destroy(struct matcher *m);
/* Bytes beside the space that any grammar takes. */
size_t matcher_fixed_bytes(void);
/* And those that the size of the grammar decides. */
size_t matcher_grammar_bytes(const struct grammar *g);
/* Forget everything. */
void matcher_forget(struct matcher *m);
/* The same, and give the memory back: space is what may be used from now on. */
void matcher_release(struct matcher *m, size_t capacity);

static inline struct frame *frame_at(const struct matcher *m, uint32_t id) { return (struct frame *)(m->word + id); }
static inline struct states *states_at(const struct matcher *m, uint32_t id) { return (struct states *)(m->word + id); }
static inline struct set *set_at(const struct matcher *m, uint32_t id) { return (struct set *)(m->word + id); }

/* ---- matcher.c: interning --------------------------------------------------------------------------------------------------- */

static inline uint32_t matcher_hash_links(uint32_t rule, const struct link *link, uint32_t n)
{
    return (uint32_t)hash64(link, n * sizeof *link, rule);
}
static inline uint32_t matcher_hash_configs(const struct config *c, uint32_t n, uint32_t accepting)
{
    return (uint32_t)hash64(c, n * sizeof *c, accepting);
}
/* What is remembered of the steps of a set. */
static inline size_t matcher_memo_bytes(const struct matcher *m)
{
    return (m->g->n_class + BYTE_GROUPS) * sizeof(uint32_t);
}
/* Forget what is known of the rules. */
void matcher_forget_rules(struct matcher *m);

uint32_t matcher_frame(struct matcher *m, uint32_t rule, const struct link *link, uint32_t n); /* links sorted */
uint32_t matcher_states(struct matcher *m, uint32_t rule, const uint32_t *state, uint32_t n);  /* sorted; 0: n is 0 */
uint32_t matcher_set(struct matcher *m, const struct config *c, uint32_t n, int accepting);    /* sorted */

/* What counters allow in a closure: entering and leaving before a tick, and behind it. */
enum { ENTER_NOW = 1, LEAVE_NOW = 2, ENTER_NEXT = 4, LEAVE_NEXT = 8, COUNT_FREE = 15 };
int matcher_count(const struct rule *r, uint32_t k);
/* The count behind a tick. */
uint32_t matcher_tick(const struct rule *r, uint32_t k);

/* States reached from seeds of one rule without reading: out[0] without, out[1] behind a tick; 0: none. */
void matcher_closure(struct matcher *m, uint32_t rule, const uint32_t *seed, uint32_t n, int count, uint32_t out[2]);
/* One byte from states: as a closure. */
void matcher_read(struct matcher *m, uint32_t states, uint8_t byte, int count, uint32_t out[2]);
/* ---- matcher_group.c -------------------------------------------------------------------------------------------------------- */

/* The next byte up to high whose class is another one than that of the byte before it; above high: there is none. */
uint32_t matcher_next_byte(const struct matcher *m, uint32_t byte, uint32_t high);
/* One step over a byte of the grouped trie, from states whose steps are remembered: as a closure, or STATES_SPLIT. */
void matcher_read_group(struct matcher *m, uint32_t states, uint8_t byte, uint32_t out[2]);
/* From now on the steps of these states are remembered. */
void matcher_remember(struct matcher *m, uint32_t states);
/* The same without what cannot read: 0 none is left. */
uint32_t matcher_stepping(struct matcher *m, uint32_t states);
uint32_t matcher_begin_states(struct matcher *m, uint32_t rule);

/* Work was done between steps: the place to pause. */
static inline void matcher_work(struct matcher *m, uint64_t n)
{
    if ((m->meter.done += n) >= m->meter.until && !m->full)
        m->meter.pause(m->meter.arg);
}

/* The same in a loop over nodes of a trie: n counts them, and they are added a few at a time. */
static inline void matcher_work_node(struct matcher *m, uint32_t *n)
{
    if (++*n % 64 == 0)
        matcher_work(m, 64);
    else if (m->meter.done >= m->meter.until) /* steps were taken since */
        matcher_work(m, 0);
}

/* A new mark for states: none of them has it yet. */
static inline void matcher_next_stamp(struct matcher *m)
{
    if (++m->generation == 0) {
        memset(m->stamp, 0, m->g->n_state * sizeof *m->stamp);
        m->generation = 1;
    }
}

/* ---- matcher_step.c --------------------------------------------------------------------------------------------------------- */

/* There are too many ways to read a text: what is being made is refused. */
static inline void matcher_refuse(struct matcher *m) { m->full = m->ambiguous = 1; }
static inline void matcher_begin(struct matcher *m) { m->full = m->ambiguous = 0; }
/* The set before any text, for an entry of the grammar. */
uint32_t matcher_start(struct matcher *m, uint32_t entry);
/* The set behind one more byte; SET_DEAD: no text goes on so. */
uint32_t matcher_step(struct matcher *m, uint32_t set, uint8_t byte);
/* The same, without a call where it is remembered. */
static inline uint32_t matcher_step_known(struct matcher *m, uint32_t set, uint8_t byte);
/* The same, and what the step took: configurations, calls and returns; 0: few. */
static inline uint32_t matcher_step_cost(struct matcher *m, uint32_t set, uint8_t byte, uint32_t *cost);
/* The set behind a byte of the grouped trie, or SET_SPLIT; what the steps took in all. */
static inline uint32_t matcher_step_group(struct matcher *m, uint32_t set, uint8_t byte, uint32_t *cost);
void matcher_find_group_step(struct matcher *m, uint32_t set, uint32_t group);
/* The set behind one more token that is read whole. is_text: EDGE_OTHER may read it. */
uint32_t matcher_token(struct matcher *m, uint32_t set, uint32_t token, int is_text);
/* The set when a call has just ended. */
uint32_t matcher_pop(struct matcher *m, uint32_t frame);
/* The configurations of a set that are wanted, as a set that does not accept. */
uint32_t matcher_part(struct matcher *m, const struct config *c, uint32_t n);
uint32_t matcher_union(struct matcher *m, uint32_t a, uint32_t b);

/* Forget everything but these sets, whose numbers change. It is done in pieces: 0: there is more to do; call again with the sets that are
 * live then, and until it is done all numbers stay as they are, and any step may be taken. 1: done. -1: they alone are too big, and nothing
 * has changed. The work of a piece is below CONSTRAINT_STEP. */
int matcher_collect(struct matcher *m, uint32_t **root, size_t n);
/* 1: little is left; collect before the next operation. */
static inline int matcher_low(const struct matcher *m) { return m->used > m->capacity - m->capacity / 4; }

static inline int alive_class(const struct alive *a, uint32_t c) { return a->bits[c >> 6] >> (c & 63) & 1; }

static inline uint32_t matcher_known_step(struct matcher *m, uint32_t memo)
{
    if (memo != STEP_REFUSED)
        return (memo & STEP_SET) - 1;
    matcher_refuse(m);
    return SET_DEAD;
}

static inline uint32_t matcher_step_cost(struct matcher *m, uint32_t set, uint8_t byte, uint32_t *cost)
{
    const struct set *s = set_at(m, set);
    uint32_t c = m->g->byte_class[byte];
    *cost = 0;
    if (!alive_class(&s->alive, c))
        return SET_DEAD;
    const uint32_t *memo = (const uint32_t *)(m->word + s->memo) + c;
    if (!*memo && (matcher_step(m, set, byte), m->full))
        return SET_DEAD;
    *cost = (*memo >> STEP_SET_BITS) * MATCHER_COST;
    return matcher_known_step(m, *memo);
}

static inline uint32_t matcher_step_group(struct matcher *m, uint32_t set, uint8_t byte, uint32_t *cost)
{
    uint32_t c = m->group_class[byte];
    if (c < m->g->n_class)
        return matcher_step_cost(m, set, byte, cost);
    const uint32_t *memo = (const uint32_t *)(m->word + set_at(m, set)->memo) + c;
    *cost = 0;
    if (!*memo && (matcher_find_group_step(m, set, c - m->g->n_class), m->full))
        return SET_DEAD;
    *cost = (*memo >> STEP_SET_BITS) * MATCHER_COST;
    return (*memo & STEP_SET) - 1;
}

static inline uint32_t matcher_step_known(struct matcher *m, uint32_t set, uint8_t byte)
{
    uint32_t cost;
    return matcher_step_cost(m, set, byte, &cost);
}

static inline uint32_t alive_count(const struct alive *a)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n += (uint32_t)__builtin_popcountll(a->bits[i]);
    return n;
}

#endif
