/* Multiple choice: evaluation.md 6.
 *
 *     letter   question, the choices with their letters, "Answer:"        log-probability of " A", " B", ...
 *     text     context, or question and "Answer:"                         log-probability of " " and the choice: acc, acc_norm, acc_token
 *     reply    question in the chat template, greedy                      the choice that is named last
 *
 * Letter and text score each choice by a request of its own: the whole text is made tokens together, and what choices share is computed
 * once, by the engine's cache of prefixes. */
#ifndef EVAL_MCQ_H
#define EVAL_MCQ_H

#include "base/sha256.h"
#include "eval/asks.h"
#include "eval/items.h"
#include "eval/words.h"

#include <stdio.h>

enum eval_mcq_mode { EVAL_MCQ_LETTER, EVAL_MCQ_TEXT, EVAL_MCQ_REPLY };
enum { EVAL_MCQ_CHOICES = 26, EVAL_MCQ_SHOTS = 64, EVAL_MCQ_REPLY_TOKENS = 48 };

/* Accuracies: acc by the sum over the choice's tokens, acc_norm by that sum by its characters, both behind the tokens of the context alone
 * (lm-evaluation-harness); acc_token by the mean over the tokens behind all that the choices share (llama-perplexity). Letter and reply
 * have acc alone. */
enum eval_mcq_figure { EVAL_MCQ_ACC, EVAL_MCQ_ACC_NORM, EVAL_MCQ_ACC_TOKEN, EVAL_MCQ_FIGURES };
extern const char *const eval_mcq_figure_name[EVAL_MCQ_FIGURES];

/* What is evaluated. */
struct eval_mcq {
    enum eval_mcq_mode mode;
    struct eval_items items;
    struct eval_items shots; /* solved items that stand before each question */
    int n_shot;              /* so many of them: of its subject where there are enough, else the first */
};

/* Of an item: what its choices came to. */
struct eval_mcq_result {
    size_t n_prompt, n_generated;  /* tokens: of the context alone, or of a reply's prompt; of the reply */
    double sum[EVAL_MCQ_CHOICES];  /* letter, text: of log-probabilities behind the context */
    double mean[EVAL_MCQ_CHOICES]; /* text: behind what all choices share */
    char *reply;                   /* reply; free() */
    int best[EVAL_MCQ_FIGURES];    /* the choice that a figure takes; -1: none */
    double margin;                 /* letter, text: the answer's sum less the best other one */
};

/* Whether a line is an item, for eval_items_read(). */
int eval_mcq_check(void *unused, const json_t *item, struct error *err);

int eval_mcq_answer(const json_t *item);
int eval_mcq_n_choice(const json_t *item);
const char *eval_mcq_subject(const json_t *item); /* "": none */
int eval_mcq_n_figure(enum eval_mcq_mode mode);

/* The text of an item's question, with its shots, up to where a choice begins; of a reply the request, as JSON. free() it. NULL: *err. */
char *eval_mcq_prompt(const struct eval_mcq *m, size_t i, struct error *err);
/* Choice k as it stands behind that. */
void eval_mcq_choice(FILE *f, const struct eval_mcq *m, const json_t *item, int k);

/* Raises *longest to the tokens of the item's longest prompt, what is left for a reply included, and adds prompt, choices and answer to *h.
 * ERR_INPUT: the sentence is about the item alone: too few shots, a choice without a token of its own, more tokens than most (0: any). */
int eval_mcq_measure(const struct eval_mcq *m, const struct eval_words *w, size_t i, size_t most, size_t *longest,
                     struct sha256 *h, struct error *err);

/* A run over the items from first on; result(i) is called for each when it is done. */
struct eval_mcq_run {
    const struct eval_mcq *mcq;
    const struct eval_words *words;
    size_t first;
    int (*result)(void *arg, size_t i, struct eval_mcq_result *r, struct error *err);
    int (*stopped)(void *arg);
    void *arg;
    size_t context,
        cached; /* out: tokens of the contexts of choices behind an item's first; of these, from the cache */
};

/* As eval_asks_run(). */
int eval_mcq_run(struct stoker *s, struct eval_mcq_run *run, struct error *err);

/* Fills best and margin of what else is there. -1: ERR_MEMORY. */
int eval_mcq_judge(struct eval_mcq_result *r, const json_t *item, enum eval_mcq_mode mode, struct error *err);

/* The choice whose text is the last in a reply, as a whole word, letters of either case; of two that end at one place the longer. *choice
 * -1: none. -1: ERR_MEMORY. */
int eval_mcq_named(const json_t *item, const char *reply, int *choice, struct error *err);

#endif
