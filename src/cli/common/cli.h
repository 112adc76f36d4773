/* What the commands share. Each command is one file, cmd_NAME.c, and a row in main.c: argv[0] is its name, and it returns the exit status
 * of the program: 0, 1 (failure) or 2 (usage, or an impossible plan), after a sentence on stderr; of eval also 3: a bound is not
 * met; of doctor 3: something was found. */
#ifndef CLI_COMMON_CLI_H
#define CLI_COMMON_CLI_H

#include "base/log.h"
#include "stoker.h"

#include <stdio.h>

int cmd_run(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_imatrix(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_embed(int argc, char **argv);
int cmd_activations(int argc, char **argv);
int cmd_routes(int argc, char **argv);
int cmd_sae(int argc, char **argv);
int cmd_steer(int argc, char **argv);
int cmd_library(int argc, char **argv);
int cmd_mcp(int argc, char **argv);
int cmd_disk(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_completion(int argc, char **argv);

/* The embedded model: beside the executable, in the source tree it was built in, or under PREFIX/share/stoker. A static path, or
 * NULL after a sentence on stderr. */
const char *embedded_model(void);

/* The model that a command line names, or the embedded one where it names none. NULL after a sentence on stderr: it is no file, but a name
 * such as other programs download models by, "llama3.2:3b", or a question. "-" is stdin. */
const char *model_of(const char *given);

/* Bytes that a byte of text takes at most beside an engine until it is tokens: for stoker_options.server. Where all is one word the
 * tokenizer takes 48, of which 28 are a symbol and most others the pairs that may merge, twice while they are sorted (measured:
 * tests/unit/text/tokenizer/tokenizer.c, test_long_words()); a chat has the text as it was read, as JSON and as its template renders it. */
enum { TEXT_TO_TOKENS = 56 };

/* Prints the sentence on stderr; returns the exit status that the code means, 1 or 2. */
int report(const struct stoker_error *err);

/* A text [n] that came from elsewhere, for a sentence: plain (base/utf8.h), at most 80 bytes of it, and "..." where there are more. In one
 * of a few static buffers. */
const char *show_text(const char *text, size_t n);

/* What bounds a plan, behind its bytes: " of 6.00 GiB that --memory allows", "; this machine has 21.80 GiB left", "; the cgroup leaves
 * 6.00 GiB". In a static buffer. */
const char *show_budget(const struct stoker_plan *p);

/* The plan in one line. */
void print_plan_line(FILE *f, const struct stoker_plan *p);

/* Sinks of the log (base/log.h): "stoker: LINE" on stderr, the second with the time before it: "2026-11-20T14:03:02Z stoker: LINE". */
void log_on_stderr(enum log_level level, const char *line);
void log_on_stderr_dated(enum log_level level, const char *line);
/* While a person types on a terminal, lines wait, so that none comes between a question and its answer; the first 32 are shown then. */
void log_wait(void);
void log_go_on(void);

/* The plan in three lines of the log: what requests get and how fast, what memory holds, what was given up and how to have it. */
void log_plan(const struct stoker_plan *p);
/* What models beside it give up, of those that there are. */
const char *show_further(const struct stoker_plan *p);
/* "at most 16 drafts a step", "no drafts". */
const char *show_drafts(const struct stoker_plan *p);
/* Digits behind the point of a figure that is predicted: some three mean anything. */
int predicted_digits(double n);
/* "short" or "long", of a model with n_ctx_short: which of its factors of rope are used. */
const char *rope_factors_name(const struct stoker_plan *p);

/* The types that no kernel of this CPU is fast for: "q4_k, f32: scalar on this CPU". Nothing where there are none. */
void print_scalar_types(FILE *f, const struct stoker_plan *p);

/* What streaming did between the statistics a and b, over n_tokens tokens (stream_stats.c): in one line, the names of streaming.md F with
 * sums and shares of a token as a table, and as members of the JSON object o. Nothing where no expert was asked for. */
struct json_t;
void print_stream_line(FILE *f, const char *indent, const struct stoker_stats *a, const struct stoker_stats *b,
                       size_t n_tokens);
/* A line of the tokens that were drafted between them, if any were. */
void print_drafts(FILE *f, const char *indent, const struct stoker_stats *a, const struct stoker_stats *b);
/* The same of each table whose rows are read from disk: a line. */
void print_table_lines(FILE *f, const struct stoker_stats *a, const struct stoker_stats *b);
/* Of processors and memory, a token; or why it is not counted. */
void print_energy_line(FILE *f, const struct stoker_stats *a, const struct stoker_stats *b, size_t n_tokens);
void print_stream_table(FILE *f, const struct stoker_plan *p, const struct stoker_stats *a,
                        const struct stoker_stats *b, size_t n_tokens);
void add_stream_json(struct json_t *o, const struct stoker_plan *p, const struct stoker_stats *a,
                     const struct stoker_stats *b, size_t n_tokens);
/* Adds what happened between a and b to sum, of all counters that these tell of; what else it holds becomes as in b. Zeroed: none. */
void add_stream_stats(struct stoker_stats *sum, const struct stoker_stats *a, const struct stoker_stats *b);

/* The process's peak resident set so far, in bytes; 0: not known. */
uint64_t peak_bytes(void);

#endif
