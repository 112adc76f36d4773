/* The flags of sampling: of `run`, and of `serve` for what requests do not say. They go over what a model's file advises, so what
 * was said is kept apart from it until the model is open. */
#ifndef CLI_COMMON_SAMPLING_FLAGS_H
#define CLI_COMMON_SAMPLING_FLAGS_H

#include "cli/common/flags.h"

struct sampling_flags {
    struct stoker_sampling said; /* numbers that no flag set are NAN, INT_MIN */
    const char *samplers;
    struct text_list bias, breakers;
    struct stoker_logit_bias bias_of[TEXTS_MOST];
    struct stoker_string breaker_of[TEXTS_MOST];
};

/* *f is made empty. One at a time. */
struct flag_table sampling_flags(struct sampling_flags *f);
/* After parsing: lists and names. 0, or 2 after a sentence. */
int sampling_flags_check(const char *command, struct sampling_flags *f);
/* Over *s, which then points into *f. */
void sampling_flags_apply(const struct sampling_flags *f, struct stoker_sampling *s);

#endif
