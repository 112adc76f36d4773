/* Rules of types: PATTERN=TYPE (quantize.md 3.1). */
#ifndef QUANT_RULES_H
#define QUANT_RULES_H

#include "quant/quant.h"

struct rule {
    const char *text;  /* as it was given, without spaces around it */
    const char *where; /* "--rule", or "FILE:LINE" */
    int type;          /* enum block_type, or QUANT_KEEP */
    int first, last;   /* layers, of a pattern that begins with blk.A-B.; first -1: of any */
    void *code;        /* compiled; NULL: an empty pattern */
    uint64_t n_free, n_protected,
        n_other; /* tensors that it matches: which may be quantised, and which are protected; of these, of another type */
};

struct rules {         /* stays where it is until rules_end() */
    struct rule *rule; /* [n], without those that set the base */
    int n;
    int flag_base, file_base;                  /* by an empty pattern of a flag, of the file: a type, or -1: none */
    void *memory, *compiling, *match, *limits; /* of PCRE2 */
    uint64_t work;                             /* steps of the matches so far, of those that took few a part */
    uint64_t n_bytes,
        most_bytes; /* beside the arena, of patterns, matches and the file's text: now, and at most so far */
};

/* Those of options->rule, then those of the file options->recipe, in the memory of arena. ERR_INPUT with place and reason. */
int rules_read(struct rules *r, const struct quant_options *o, struct arena *arena, struct error *err);
void rules_end(struct rules *r);

/* *matches: whether this rule's pattern is found in a name. ERR_INPUT: it takes too long, or all matches together do, or
 * PCRE2 cannot search the name. */
int rule_matches(struct rules *r, const struct rule *rule, const char *name, int *matches, struct error *err);

/* A type of a rule or of --type: a block type or QUANT_KEEP; -1: neither. */
int rule_type(const char *name);

#endif
