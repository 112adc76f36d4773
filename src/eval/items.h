/* Items of an evaluation, from JSON lines: an object a line, each with an "id" of its own.
 *
 *     {"id":"s1","question":"...","choices":["...","..."],"answer":1}
 *
 * Blank lines are skipped. Numbers keep their spelling (base/json/load.h): a schema may have any. Keys that nobody asks for are ignored. */
#ifndef EVAL_ITEMS_H
#define EVAL_ITEMS_H

#include <jansson.h>

struct error;

enum { EVAL_LINE_MOST = 1 << 20 }; /* bytes of a line */

struct eval_items {
    json_t **item; /* [n] */
    size_t *line;  /* [n] from 1 */
    size_t n;
};

/* Reads text [n_text], of a file of that name, up to its limit-th item (0: all), and has every item checked, if check is not NULL: its
 * sentence is about the line alone. Members that no evaluation reads are left out. A byte order mark in front is skipped. -1: *err is
 * ERR_INPUT with name and line, or ERR_MEMORY. eval_items_free() in either case. */
int eval_items_read(struct eval_items *out, const char *name, const char *text, size_t n_text, size_t limit,
                    int (*check)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err);
void eval_items_free(struct eval_items *items);

/* Takes item i out. */
void eval_items_drop(struct eval_items *items, size_t i);

/* Of an item that was read: never NULL. */
const char *eval_item_id(const json_t *item);

/* The text at key. NULL, and *err, unless it is there and holds something. */
const char *eval_item_text(const json_t *item, const char *key, struct error *err);

#endif
