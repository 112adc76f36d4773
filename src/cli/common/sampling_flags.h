/* The flags of sampling: of `run`, and of `serve` for fields that requests leave out. They override what a model's file advises, which is
 * known only when the model is open; until then their values are kept here. */
#ifndef CLI_COMMON_SAMPLING_FLAGS_H
#define CLI_COMMON_SAMPLING_FLAGS_H

#include "cli/common/flags.h"

struct sampling_flags {
    struct stoker_sampling given;                 /* values of the flags; numbers that no flag set are NAN, INT_MIN */
    const char *samplers;                         /* the value of --samplers, or NULL */
    struct text_list bias, breakers;              /* values of --logit-bias and --dry-sequence-breakers */
    struct stoker_logit_bias bias_of[TEXTS_MOST]; /* [bias.n] the same, parsed */
    struct stoker_string breaker_of[TEXTS_MOST];  /* [breakers.n] */
};

/* The table of flags, which is static and sets fields of *f: of one *f at a time. *f is made empty. */
struct flag_table sampling_flags(struct sampling_flags *f);
/* After flags_parse(): parses lists and names. 0, or the exit status 2 after a sentence on stderr. */
int sampling_flags_check(const char *command, struct sampling_flags *f);
/* Overrides the fields of *s that flags have set; *s then points into *f, which must outlive it. */
void sampling_flags_apply(const struct sampling_flags *f, struct stoker_sampling *s);
/* After sampling_flags(): prints the number of *s that has this name, or (NULL) all that *s has, a line "  top_k 40" each, to stderr.
 * Returns how many lines those are. */
int sampling_flags_show(const struct stoker_sampling *s, const char *name);

#endif
