/* How far a constrained text is from its end, in tokens: close_at_limit. constraints.md 1.
 *
 * Of all ways to complete a text the lightest ones are looked at (of those that go on from where the text stands, each): a byte
 * of a fixed text weighs its share of the tokens that spell it, any other byte a token. Of these the one of fewest tokens counts,
 * tokens crossing every border of the grammar. So the number is the length of a real completion, and behind its first token it is
 * one less: a text that may still take it will always end in time.
 *
 *     weight_left   of a state of a rule, of a frame: lightest paths (D. Knuth, A generalization of Dijkstra's algorithm)
 *     bound         of a position: tokens of its lightest text, each part spelled for itself. No less than
 *     tokens_left   of a position: the trie along lightest paths, kept in a table
 *
 * Three things are less than exact, and alike whoever asks: very long texts have their bound (CLOSING_FAR), as do those that take too
 * much counting (CLOSING_WORK: letters of which any may come, one by one in states of their own), and inside a letter that is longer
 * than it has to be the bytes up to its end are counted. */
#ifndef TEXT_CONSTRAINT_CLOSE_H
#define TEXT_CONSTRAINT_CLOSE_H

#include <stddef.h>
#include <stdint.h>

struct config;
struct constraint;
struct constraint_state;
struct error;

#define CLOSING_NEVER INT64_MAX

struct closing;
int closing_create(struct closing **out, struct constraint *c, struct error *err);
void closing_destroy(struct closing *k);
size_t closing_bytes(const struct closing *k);      /* k may be NULL */
size_t closing_held_bytes(const struct closing *k); /* of these, what is known of the grammar; k may be NULL */
/* And what no grammar changes; touched as texts need it. */
size_t closing_scratch_bytes(void);
/* Forget everything, and give the scratch back. */
void closing_release(struct closing *k);
/* The matcher's numbers have changed. */
void closing_forget(struct closing *k);

/* Tokens to the end of the governed text of a set. CLOSING_NEVER: none found. */
int64_t closing_of_set(struct closing *k, uint32_t set);
/* No less than that, and than that behind any one more token, found much faster. CLOSING_NEVER: nothing is known. */
int64_t closing_bound_of_set(struct closing *k, uint32_t set);
int64_t closing_most_bound(struct closing *k, uint32_t set);

/* Added to bits: tokens behind which it is at most so many to the end. */
void closing_near(struct closing *k, uint32_t set, int64_t most, uint64_t *bits);

/* Tokens until the text of a state may end, phases that must be left included. */
int64_t closing_of_state(struct closing *k, const struct constraint_state *s);

#endif
