/* What evaluations of tasks share (mcq, calltrace, json): items whose prompts are made and checked before the model is loaded, results, a
 * run, rates. */
#ifndef CLI_EVAL_TASK_H
#define CLI_EVAL_TASK_H

#include "base/sha256.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"
#include "eval/items.h"
#include "eval/results.h"
#include "eval/stats.h"
#include "eval/words.h"

#include <jansson.h>

struct task {
    struct eval_command *c;
    const char *name; /* "mcq" */
    struct stoker_vocab *vocab;
    struct stoker_templates *templates;
    struct eval_words words;                  /* of the file; from task_open_engine() on, of the engine */
    struct sha256 item;                       /* what is right and wrong of the item being measured depends on */
    uint8_t (*prompt_sha256)[SHA256_BYTES];   /* [n] that of each */
    char template_hash[2 * SHA256_BYTES + 1]; /* "": none is used */
    size_t n, done;                           /* items; of these, with results: the file's first, then the run's */
    size_t longest;                           /* tokens of a prompt and its answer */
    size_t own_bytes;                         /* of the items, and of reading them */
    struct eval_results *results;
    struct progress progress;
};

/* Reads at most limit items (0: all) of the file at path (- is stdin), each checked, within half of --memory, and counts what they take.
 * 0, or the exit status. */
int task_read(struct task *t, const char *path, size_t limit, struct eval_items *out,
              int (*check)(void *arg, const json_t *item, struct error *err), void *arg);
/* The same of text [n] that the caller has under that name. -1: *err. */
int task_take(struct task *t, const char *name, const char *text, size_t n, size_t limit, struct eval_items *out,
              int (*check)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err);

/* Vocabulary and, for chats, templates of the model's file. A model without a template: a warning. 0, or the exit status. */
int task_open_words(struct task *t, int chat);
/* measure(arg, i) for each item; one whose measure() is ERR_INPUT is left out by --skip, and else refused with the name and the line of its
 * file (line NULL: none). 0, or the exit status. */
int task_measure(struct task *t, struct eval_items *items, int (*measure)(void *arg, size_t i, struct error *err),
                 void *arg);
/* Adds all of an item to what its results depend on. */
void task_hash_item(struct task *t, const json_t *item);
/* --show: the prompt of a request, whose reference is taken. */
void task_show(const struct task *t, json_t *request);
/* After the last measure(): the vocabulary is closed, and --ctx is as long as needed, where it was not given. */
void task_close_words(struct task *t);

/* Opens --out, if there is one, with `more` behind what every header has; its reference is taken. 0, or the exit status. */
int task_open_results(struct task *t, json_t *more, int (*on_item)(void *arg, const json_t *item, struct error *err),
                      void *arg);
/* Whether a line of results is of this item, the next one. -1: *err. */
int task_check_id(const struct task *t, const json_t *line, const json_t *item, struct error *err);
/* Counts an item, writes its line and which prompt it is of: the reference is taken. As an on-result function: -1, *err. */
int task_add(struct task *t, json_t *line, struct error *err);
int task_stopped(void *task);

/* Loads the model; words are its own from now on. 0, or the exit status. */
int task_open_engine(struct task *t, struct stoker **s);
/* The end of a run that returned ran, with *err for -1: closes s. 0: go on; or the exit status. */
int task_end_run(struct task *t, struct stoker *s, int ran, const struct error *err);

/* Writes the summary (its reference is taken), prints it (as JSON, or by show), and holds --at-least against figure, called `what`. */
int task_finish(struct task *t, json_t *summary, void (*show)(void *arg), void *arg, const char *what, double figure);

/* What there is still of it. */
void task_free(struct task *t);

/* "58 of 60, 96.67 % [88.64, 99.08]", on a line behind the label. */
void task_print_rate(const char *label, struct eval_rate r);
json_t *task_rate_json(struct eval_rate r);

#endif
