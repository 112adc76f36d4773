/* The shortest completion of a constrained text, in tokens: what close_at_limit asks. constraints.md 1.
 *
 *     text so far          shortest completion           distance
 *     {"name": "Jo         | "}                          1 token
 *     {"name":             |  ""|, |"age|": |0|}         6 tokens
 *
 * Of all completions only the lightest are looked at: a byte of a fixed text weighs its share of the tokens that spell it, and any other
 * byte weighs a token. Of the lightest ones the one of fewest tokens counts, and its tokens may cross every border of the grammar. So
 * the distance is the length of a real completion, and behind its first token the distance is one less: a text that may still take
 * that token ends in time.
 *
 *     weight          of a state of a rule, of a frame: lightest paths (D. Knuth, A generalization of Dijkstra's algorithm)
 *     bound           of a position: tokens of its lightest completion, each part spelled for itself. No less than
 *     tokens          of a position: found in the vocabulary's tries along shortest paths, and kept in a table
 *
 * Three things are less than exact, and the same whoever asks. Very long completions have their bound (COMPLETION_WEIGHT). So have
 * those that take too much counting (COMPLETION_WORK), where any code point may come and each has a state of its own. And inside a code
 * point that is written longer than it has to be, the bytes up to its end are counted, each as a token.
 *
 * Distances are numbers of tokens. An operation that runs out of memory sets matcher->full, and its result means nothing then. */
#ifndef TEXT_CONSTRAINT_COMPLETION_H
#define TEXT_CONSTRAINT_COMPLETION_H

#include <stddef.h>
#include <stdint.h>

struct config;
struct constraint;
struct constraint_state;
struct error;

#define COMPLETION_NEVER INT64_MAX

struct completion;
/* Measures the grammar of a constraint that is being made; *out stays NULL where the constraint has no close_at_limit. -1: the
 * compilation has ended, or there is no memory. The constraint owns it. */
int completion_create(struct completion **out, struct constraint *c, struct error *err);
void completion_destroy(struct completion *k);
/* Bytes of address space; of these, tables about the grammar, which live as long as the constraint. k may be NULL: 0. */
size_t completion_bytes(const struct completion *k);
size_t completion_held_bytes(const struct completion *k);
/* Bytes beside the tables, the same for any grammar. They take memory when they are used first. */
size_t completion_scratch_bytes(void);
/* Forget everything, and give the scratch back. */
void completion_release(struct completion *k);
/* The matcher's numbers have changed: forget what is known by them. k may be NULL. */
void completion_forget(struct completion *k);

/* The distance of a set: tokens to the end of the governed text. COMPLETION_NEVER: none was found. */
int64_t completion_of_set(struct completion *k, uint32_t set);
/* No less than that distance; no less than that distance behind any one more token. Both are found much faster. COMPLETION_NEVER:
 * nothing is known. */
int64_t completion_bound_of_set(struct completion *k, uint32_t set);
int64_t completion_most_bound(struct completion *k, uint32_t set);

/* bits ([n_word] of the trie, out): the tokens behind which the distance is at most so many. Where it is too much work to count behind
 * all of them: those whose bounds are, and those that the set's own distance found. */
void completion_within(struct completion *k, uint32_t set, int64_t most, uint64_t *bits);

/* The same, added to bits, of those alone that the set's own distance found; none where that was not counted. */
void completion_way(struct completion *k, uint32_t set, int64_t most, uint64_t *bits);

/* The distance of an answer's state, with the phases that have to be left. COMPLETION_NEVER: none was found. */
int64_t completion_of_state(struct completion *k, const struct constraint_state *s);

#endif
