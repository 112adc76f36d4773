/* The log of an optimiser: one line of JSON a test of an experiment (bench.md 2). */
#ifndef CLI_BENCH_LOG_H
#define CLI_BENCH_LOG_H

#include <jansson.h>
#include <limits.h>

enum { BENCH_LOG_VERSION = 2 };

/* The file that experiments are added to: path, or where that is damaged, of another version or of another machine the first of path.2,
 * path.3, ... that is not, after a sentence on stderr. The others are left alone. -1: none can be had, after a sentence. */
int bench_log_choose(char out[PATH_MAX], const char *path);

/* Adds a line. -1: after a sentence on stderr. */
int bench_log_add(const char *path, const json_t *experiment);

/* Prints a log as a table with the best so far. Returns the exit status: 1 where it is damaged, after what can be read of it. */
int bench_log_table(const char *path);

#endif
