/* Sampling: one token from logits, as a pure function of logits, history, parameters, seed and position.
 *
 *     mask, bias, penalties | DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature, in an order of their own | pick
 *
 * Integer weights and counter-based random numbers: nothing depends on threads, batches, retries or the CPU. No allocation per
 * token. Definition: sampling.md of the specification.
 *
 *   sampling.c         parameters: defaults, ranges, a file's advice     candidates.c   the list that stages cut
 *   history.c          the sampling history                              sampler.c      the stages
 *   logprobs.c         log-probabilities */
#ifndef TEXT_SAMPLER_SAMPLER_H
#define TEXT_SAMPLER_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct gguf;
struct tokenizer;

/* Stages that may be reordered or left out. */
enum sampling_stage {
    STAGE_USUAL, /* at the head of an order: all of them, as listed here */
    STAGE_DRY,
    STAGE_TOP_N_SIGMA,
    STAGE_TOP_K,
    STAGE_TYPICAL,
    STAGE_TOP_P,
    STAGE_MIN_P,
    STAGE_XTC,
    STAGE_TEMPERATURE,
    STAGE_END
};

struct sampling {       /* sampling_check() says whether all of it is in range */
    double temperature; /* <= 0: greedy */
    int top_k;          /* <= 0: off */
    double top_p;       /* >= 1: off */
    double min_p;       /* <= 0: off */
    uint64_t seed;

    double typical_p;                         /* >= 1: off */
    double top_n_sigma;                       /* < 0: off */
    double xtc_probability, xtc_threshold;    /* 0, > 0.5: off */
    double dynatemp_range, dynatemp_exponent; /* 0: off */
    int min_keep;                             /* no stage leaves fewer */

    double repeat_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
    int repeat_last_n;                                          /* 0: off, -1: all */
    double dry_multiplier, dry_base;                            /* 0, < 1: off */
    int dry_allowed_length, dry_penalty_last_n;                 /* -1: all, 0: off */

    int mirostat; /* 0, or 2 */
    double mirostat_tau, mirostat_eta;

    uint8_t order[STAGE_END + 1]; /* enum sampling_stage, up to STAGE_END */
};

/* The defaults, the same for every model: docs/spec/sampling.md. */
struct sampling sampling_defaults(void);

struct sampling_range {
    int is_int, min_open; /* a whole number; min itself is not in it */
    double min, max;
};

/* The range of the number with a field's name; of_request 1: in requests of the published APIs, which is less for some. -1: there is no
 * such number, and *out is as it was. */
int sampling_range(const char *name, int of_request, struct sampling_range *out);

/* ERR_INPUT names the field and its range. */
int sampling_check(const struct sampling *s, struct error *err);

/* Set one field by its name. ERR_INPUT: no such field, or its range; *s is as it was. */
int sampling_set(struct sampling *s, const char *name, double value, struct error *err);

/* The order of a request: names separated by commas or semicolons. "penalties" is allowed and stays where it is. ERR_INPUT names
 * what is unknown or doubled; *s is as it was. */
int sampling_set_order(struct sampling *s, const char *names, size_t length, struct error *err);

/* The publisher's advice in a file (general.sampling.*) over what s holds; what makes no sense is ignored with a warning, what
 * counts is logged. */
void sampling_read(struct sampling *s, const struct gguf *g);

/* ---- history --------------------------------------------------------------------------------------------------------------- */

/* What penalties and DRY know of one sequence, brought up to date token by token. One thread at a time. */
struct sampler_history;

/* Bytes of a history of up to n_token tokens of prompt and answer; 0: these parameters need none. */
size_t sampler_history_bytes(const struct sampling *how, int n_vocab, size_t n_token);
/* The most bytes that any parameters need. */
size_t sampler_history_most(int n_vocab, size_t n_token);
/* A history in the caller's mem: that many bytes, aligned to 64; nothing to free. breakers: [n_vocab] 1 = ends a repetition for DRY,
 * outlives the history; or NULL: none. */
struct sampler_history *sampler_history_init(void *mem, const struct sampling *how, int n_vocab, size_t n_token,
                                             const uint8_t *breakers);
void sampler_history_add(struct sampler_history *h, int32_t token); /* at most n_token times since it was empty */
void sampler_history_clear(struct sampler_history *h);              /* for a sequence that went back: then add again */

/* breakers[id] = 1 where the bytes of a token hold one of the texts; [n_vocab], maybe more or fewer than the tokenizer knows. */
struct sampler_text {
    const char *text;
    size_t length;
};
void sampler_breakers(const struct tokenizer *t, const struct sampler_text *texts, size_t n, uint8_t *breakers,
                      int n_vocab);

/* ---- picking --------------------------------------------------------------------------------------------------------------- */

/* Scratch for n_vocab candidates in the caller's mem: sampler_bytes(n_vocab) bytes of the plan, aligned to 64; nothing to free. One
 * thread at a time. */
struct sampler;
size_t sampler_bytes(int n_vocab);
struct sampler *sampler_init(void *mem, int n_vocab);

struct logit_bias {
    int32_t id;
    double bias; /* -INFINITY: never */
};

/* One position of one answer. */
struct sampler_row {
    const float *logits;           /* [n_vocab], not changed */
    const uint8_t *allowed;        /* [n_vocab] 1 = may be picked; or NULL: all */
    const struct logit_bias *bias; /* [n_bias], ids of the vocabulary */
    size_t n_bias;
    struct sampler_history *history; /* all tokens before this one; or NULL: none, or not needed */
    uint64_t index;                  /* tokens generated before this one in this answer */
    uint32_t choice;                 /* number of the answer, 0 unless several are drawn for one prompt */
    double *mu;                      /* mirostat: 2 tau before the first token; updated. Else NULL */
};

/* Returns the id; -1: ERR_FORMAT (logits that are not finite) or ERR_INPUT (no token is allowed). */
int32_t sampler_pick(struct sampler *s, const struct sampling *how, const struct sampler_row *row, struct error *err);

/* What the last pick chose from: how many candidates; the id of candidate i, from 0, in order (value descending, then id), and its
 * *weight: probability = weight / sum of all weights. */
size_t sampler_candidates(const struct sampler *s);
int32_t sampler_candidate(struct sampler *s, size_t i, uint64_t *weight);

/* Natural logarithms of the softmax of the whole vocabulary: of token->id, into token->logprob, and of the n_top likeliest in order, into
 * top [n_top]. logits [n_vocab] are finite or -inf. Returns how many are in top, min(n_top, n_vocab, SAMPLER_TOP). What was picked from is
 * forgotten. */
enum { SAMPLER_TOP = 256 };
struct token_logprob {
    int32_t id;
    double logprob;
};
size_t sampler_logprobs(struct sampler *s, const float *logits, struct token_logprob *token, struct token_logprob *top,
                        size_t n_top);

/* The same without a sampler, by any number of threads at a time, of a token that is given: its log-probability has the same bits. top has
 * [n_top], at most SAMPLER_TOP. -1: a NaN or +inf is among the logits, and *out is unchanged. */
struct token_score {
    double logprob;
    int rank;  /* 1 and the tokens before it: those of a larger logit, and of its own with a lower id */
    int n_top; /* entries in top */
};
int sampler_score(const float *logits, int n_vocab, int32_t id, struct token_score *out, struct token_logprob *top,
                  size_t n_top);

#endif
