/* Sampling: one token from logits, as a pure function of logits, history, parameters, seed and position.
 *
 * For now the stages that every user sets: top-k, top-p, min-p, temperature, pick, in the order and the arithmetic of
 * sampling.md (integer weights, Philox numbers); the others join the same chain later. No allocation per token. */
#ifndef TEXT_SAMPLER_H
#define TEXT_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct error;

struct sampling {
    double temperature; /* <= 0: greedy */
    int top_k;          /* <= 0: off */
    double top_p;       /* >= 1: off */
    double min_p;       /* <= 0: off */
    uint64_t seed;
};

struct sampling sampling_defaults(void);

/* Scratch for n_vocab candidates: sampler_bytes(n_vocab) of the plan. mem is aligned to 64. */
struct sampler;
size_t sampler_bytes(int n_vocab);
struct sampler *sampler_place(void *mem, int n_vocab);

/* allowed: [n_vocab] 1 = may be picked, or NULL. index: tokens generated before this one in this answer; choice: number of the
 * answer, 0 unless several are drawn for one prompt. Returns the id, or -1: "non-finite logits at position N", or nothing
 * allowed. logits are not changed. */
int32_t sampler_pick(struct sampler *s, const float *logits, const uint8_t *allowed, const struct sampling *how,
                     uint64_t index, uint32_t choice, struct error *err);

/* What the last pick chose from: candidate i in order (value descending, then id) and its weight; probability = weight / sum. */
size_t sampler_candidates(const struct sampler *s);
int32_t sampler_candidate(const struct sampler *s, size_t i, uint64_t *weight);

#endif
