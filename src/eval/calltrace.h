/* Call depth, after the CodeTrace benchmark: programs of functions with nonsense names that call each other, generated here, and what they
 * print. How deep a model can follow is its wall. evaluation.md 8.
 *
 *     def gupe(x):
 *         return x + 2
 *     print(gupe(7))          depth 1: 9 */
#ifndef EVAL_CALLTRACE_H
#define EVAL_CALLTRACE_H

#include "eval/stats.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum { EVAL_CALL_DEPTHS = 20, EVAL_CALL_ITEMS = 20 }; /* depths 1 to 20; items of each */

/* The first n items of each depth as JSON lines: id, depth, program, answer. */
void eval_calltrace_write(FILE *f, uint64_t seed, int n);

/* What is asked: the number alone, or calls one by one and then the number. */
enum eval_call_prompt { EVAL_CALL_SHORT, EVAL_CALL_STEPS, EVAL_CALL_PROMPTS };
extern const struct eval_call_kind {
    const char *name;
    int max_tokens;
} eval_call_kind[EVAL_CALL_PROMPTS];

/* An item's prompt, as a user says it; free() it. NULL: no memory. */
char *eval_calltrace_prompt(const json_t *item, enum eval_call_prompt kind);

int eval_calltrace_depth(const json_t *item);

/* 1: the last number in a reply is the item's answer. */
int eval_calltrace_right(const json_t *item, const char *reply);

/* right [EVAL_CALL_DEPTHS]: the largest depth at which, and at all smaller ones, half of n answers or more are right; 0: none. */
int eval_calltrace_wall(const size_t *right, size_t n);

#endif
