/* What penalties and DRY change, given the sampling history (sampler.h). Outside the sampler only the first two are used: whether a request
 * needs a history. */
#ifndef TEXT_SAMPLER_HISTORY_H
#define TEXT_SAMPLER_HISTORY_H

#include <stdint.h>

struct sampler_history;
struct sampling;

/* 1: these parameters use repeat, presence or frequency penalties; DRY. */
int history_has_penalties(const struct sampling *how);
int history_has_dry(const struct sampling *how);

/* The distinct tokens in the window of the penalties, *id, and how often each is there, (*count_by_id)[id]; both are the history's and
 * valid until it changes. Returns how many tokens. */
uint32_t history_repeated(const struct sampler_history *h, const int32_t **id, const uint32_t **count_by_id);

/* Calls each() with arg, each token that would repeat something, and the length of the longest repetition in tokens; each token once. */
typedef void history_match(void *arg, int32_t id, uint32_t length);
void history_matches(struct sampler_history *h, const struct sampling *how, history_match *each, void *arg);

#endif
