/* What penalties and DRY change, given the sampling history. Private to the sampler. */
#ifndef TEXT_SAMPLER_HISTORY_H
#define TEXT_SAMPLER_HISTORY_H

#include <stdint.h>

struct sampler_history;
struct sampling;

int history_has_penalties(const struct sampling *how);
int history_has_dry(const struct sampling *how);

/* Distinct tokens in the window of the penalties, and how often each is there. Returns how many. */
uint32_t history_repeated(const struct sampler_history *h, const int32_t **id, const uint32_t **count_by_id);

/* Calls back with each token that would repeat something, and the length of the longest repetition; each token once. */
typedef void history_match(void *arg, int32_t id, uint32_t length);
void history_matches(struct sampler_history *h, const struct sampling *how, history_match *each, void *arg);

#endif
