/* A program that bench runs to its end: another stoker, or a peer's bench. */
#ifndef CLI_BENCH_CHILD_H
#define CLI_BENCH_CHILD_H

#include <stddef.h>

struct child {
    char *out; /* [n] and a NUL: what it wrote to stdout; the caller's, to free() */
    size_t n;
    char last[400]; /* its last line on stderr that is not empty, cut to fit; "": none */
};

/* Runs argv[0], a file, or one of PATH where it has no slash and is none here, with nothing on stdin. seconds: when they are over it is
 * ended; 0: it has all the time. 0: it ended with 0. -1: it did not, or could not be started, after a sentence on stderr that ends with its
 * last line; out is NULL. */
int child_run(struct child *c, char *const argv[], double seconds);

#endif
