/* Whether answers are valid JSON: free, and under their schema as a constraint. evaluation.md 10.
 *
 *     {"id", "kind", "messages", "schema", "expect_value"}                        an object that fits the schema
 *     {"id", "kind": "tool", "messages", "tools", "expect": {"name", "arguments"}}   a call of a tool */
#ifndef EVAL_JSONVAL_H
#define EVAL_JSONVAL_H

#include "stoker.h"

#include <jansson.h>

struct error;

enum { EVAL_JSON_TOKENS = 512, EVAL_JSON_ANSWERS = 4 }; /* of an answer; free ones of an item: greedy, seeds 1 to 3 */

/* What is true or false of an answer. */
enum eval_json_rate {
    EVAL_JSON_PARSES,  /* JSON without a key twice, once what is around its braces is taken away; a call that parses */
    EVAL_JSON_VALID,   /* fits the schema, or the parameters of the tool */
    EVAL_JSON_VALUE,   /* equals expect_value; numbers by value */
    EVAL_JSON_NAME,    /* the tool that is expected */
    EVAL_JSON_ARGS,    /* the arguments that are expected */
    EVAL_JSON_WRAPPED, /* something was around the braces */
    EVAL_JSON_BACKSLASH, /* \name\ where a string should begin: a fault of files of two bits */
    EVAL_JSON_TRUNCATED, /* the limit ended it */
    EVAL_JSON_RATES
};
extern const char *const eval_json_rate_name[EVAL_JSON_RATES];

/* An answer, as text. */
struct eval_json_answer {
    const char *text;             /* of a tool: what is no call */
    const char *name, *arguments; /* of the first call; NULL: there is none */
    int truncated;
};

/* Whether a line is an item, for eval_items_read(). */
int eval_json_check(void *unused, const json_t *item, struct error *err);

/* Whether its answers can be constrained: the tool is there, and what a constraint is made of compiles. *err is ERR_INPUT. */
int eval_json_check_constraint(const json_t *item, struct error *err);

int eval_json_is_tool(const json_t *item);

/* 1: the rate says something of such items. */
int eval_json_applies(const json_t *item, enum eval_json_rate rate);

/* The schema of an item as text, or that of the tool that is called: NULL if there is no such tool, or no memory. free() it. */
char *eval_json_schema(const json_t *item, const char *tool);

/* Whether a value fits that schema, its members in any order: asked of the schema with the value as its only one, which is refused where
 * it does not fit. 0 where there is no such tool. -1: *err is ERR_MEMORY. */
int eval_json_fits(const json_t *item, const char *tool, json_t *value, struct error *err);

/* Fills right [EVAL_JSON_RATES]. -1: *err is ERR_MEMORY. */
int eval_json_judge(const json_t *item, const struct eval_json_answer *a, unsigned char *right, struct error *err);

#endif
