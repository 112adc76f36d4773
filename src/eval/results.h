/* Files of results: JSON lines, of which each is written and flushed when its item is done, so that a run can be taken up again.
 *
 *     {"eval":"ppl","version":1,...}     what was asked, of which file
 *     {...}                              an item, in order
 *     {"summary":{...}}                  the last line of a run that has ended
 *
 * Numbers have 17 digits, those of lists 9: what is read is what was written. Format: evaluation.md 4. */
#ifndef EVAL_RESULTS_H
#define EVAL_RESULTS_H

#include <jansson.h>

struct error;
struct eval_results;

/* Opens the file at path, of a run of n_item items. resume 0: it must not exist yet. 1: if it exists, its first line must equal header,
 * else the sentence names the field that differs; each item is given to on_item, in order, whose sentence is about the line alone; a
 * summary in front of missing items is refused; a last line that is not whole is cut off, the first only where it begins as header does.
 * header is borrowed. While it is open, no other process can open it. */
int eval_results_open(struct eval_results **out, const char *path, const json_t *header, size_t n_item, int resume,
                      int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err);

/* Appends a line; the reference is taken. A summary that is there already is not written again. */
int eval_results_add(struct eval_results *r, json_t *line, struct error *err);

/* The same for an object with lists of f32 behind its own fields, which are a few at least. */
struct eval_list {
    const char *name;
    const float *value; /* [n], finite */
    size_t n;
};
int eval_results_add_lists(struct eval_results *r, json_t *line, const struct eval_list *list, size_t n_list,
                           struct error *err);

/* 1: this run made the file, and has given it no result. */
int eval_results_is_new(const struct eval_results *r);

/* NULL is fine. A new file in this sense is removed. */
void eval_results_close(struct eval_results *r);

#endif
