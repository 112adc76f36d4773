/* Stop strings: found in text as it is emitted, however it is split.
 *
 *     text so far   ... what may be shown | held back: the longest suffix that begins a stop string
 *
 * An automaton over all stop strings (Aho-Corasick) reads each byte once. Where two are complete at the same byte the longer one
 * counts: it began earlier. */
#ifndef TEXT_ANSWER_STOP_H
#define TEXT_ANSWER_STOP_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum { STOP_MOST = 64, STOP_BYTES = 1 << 16 }; /* stop strings of a request, and bytes of all of them together */

struct stop_text {
    const char *text; /* [length] bytes */
    size_t length;
};

/* Of one request; shared by its answers, and read-only: threads may share it. texts [n] are copied; n may be 0. -1: ERR_INPUT: an empty
 * string, or more than STOP_MOST or STOP_BYTES; ERR_MEMORY. stops_destroy(): s may be NULL. */
struct stops;
int stops_create(struct stops **out, const struct stop_text *texts, size_t n, struct error *err);
void stops_destroy(struct stops *s);

/* Where one answer is, of one thread. Zeroed: at its beginning. */
struct stopping {
    uint32_t node;
    int found;      /* number of the stop string + 1 */
    uint32_t ahead; /* node behind the first n_ahead bytes of what stopping_would() saw */
    size_t n_ahead;
    char *out; /* of stopping_next() */
    size_t cap;
};

/* More text. Returns what may be shown now, *n bytes of it, valid until the next call and as long as `text`: held-back text that
 * turned out to be no stop string comes first. Once one is complete `found` is set, what precedes it was returned, and what follows
 * is dropped. NULL: no memory. */
const char *stopping_next(const struct stops *s, struct stopping *at, const char *text, size_t length, size_t *n);
/* 1: this text, coming next, would complete a stop string. Until stopping_next() it may grow from call to call, or begin anew
 * after a call without any. */
int stopping_would(const struct stops *s, struct stopping *at, const char *text, size_t length);
/* The text has ended, or goes on behind something else: what was held back, *n bytes, valid until the next call. */
const char *stopping_end(const struct stops *s, struct stopping *at, size_t *n);
void stopping_free(struct stopping *at); /* frees its memory and zeroes it */

#endif
