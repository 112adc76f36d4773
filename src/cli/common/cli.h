/* What the commands share. Each command is one file, cmd_NAME.c, and a row in main.c. */
#ifndef CLI_COMMON_CLI_H
#define CLI_COMMON_CLI_H

#include "stoker.h"

#include <stdio.h>

int cmd_run(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_disk(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_completion(int argc, char **argv);

/* The embedded model: beside the executable, in the source tree it was built in, or under PREFIX/share/stoker. A static path, or
 * NULL after a sentence on stderr. */
const char *embedded_model(void);

/* A sentence on stderr; the exit status that its code means. */
int report(const struct stoker_error *err);

/* Progress of loading on a terminal's stderr: for stoker_options.progress. */
void show_loading(void *arg, uint64_t done, uint64_t total);
void end_loading(void);

/* The plan in one line. */
void print_plan_line(FILE *f, const struct stoker_plan *p);

/* What streaming did between two looks, over n tokens (stream_stats.c): in one line, the names of streaming.md F with sums and shares
 * of a token as a table, and as members of a JSON object. Nothing where no expert was asked for. */
struct json_t;
void print_stream_line(FILE *f, const struct stoker_stats *a, const struct stoker_stats *b, size_t n_tokens);
void print_stream_table(FILE *f, const struct stoker_plan *p, const struct stoker_stats *a,
                        const struct stoker_stats *b, size_t n_tokens);
void add_stream_json(struct json_t *o, const struct stoker_plan *p, const struct stoker_stats *a,
                     const struct stoker_stats *b, size_t n_tokens);

/* The process's peak resident set so far. */
uint64_t peak_bytes(void);

#endif
