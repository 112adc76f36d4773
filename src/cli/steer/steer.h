/* What stoker steer is made of: a file a part of the command, and what they share. */
#ifndef CLI_STEER_STEER_H
#define CLI_STEER_STEER_H

#include "cli/common/flags.h"
#include "format/vector.h"
#include "format/vector_write.h"
#include "stoker.h"
#include "study/prompts.h"
#include "study/record.h"

enum { STEER_FILES = 16 };

/* What the command line says. */
struct steer_command {
    const char *name;                  /* "steer make": for sentences */
    const char *model;                 /* of show: NULL */
    const char *file[STEER_FILES + 1]; /* [n_file] what stands without a flag behind the model; of show with it */
    int n_file;
    const char *positive, *negative, *out;
    const char *method, *positions, *norm, *mode, *license, *title, *think;
    const char *layers, *hook; /* NULL: not given; hook: "layer", "attn" or "ffn" */
    const char *vector, *scales, *prompts, *match, *neutral;
    int orthogonalize, shift, chat, iterations, top, answer, seed, json;
    struct stoker_options options;
};

/* All return the exit status, after a sentence where it is not 0. */
int steer_make(struct steer_command *c);
int steer_show(struct steer_command *c);
int steer_convert(struct steer_command *c);
int steer_sweep(struct steer_command *c);

/* "A" or "A-B", and what stands behind it; NULL: it is none. */
const char *steer_range(const char *text, int range[2]);
/* --layers as one such range; -1, -1: not given. 0, or 2 after a sentence. */
int steer_layers(const struct steer_command *c, int range[2]);

/* Prints the sentence; returns the exit status that the code means. */
struct error;
int steer_fail(const struct steer_command *c, const struct error *err);

/* Tokens of prompts: texts in which control tokens count, or with --chat users' messages, in a sequence of their own each behind those that
 * q has. */
int steer_tokens(struct study_sequences *q, const struct steer_command *c, const struct stoker *s,
                 const struct study_prompts *p, const char *path);
/* One more sequence, of n tokens and `more` times pad behind them. */
int steer_add(struct study_sequences *q, const struct steer_command *c, const stoker_token *token, size_t n,
              stoker_token pad, size_t more);
void steer_sequences_free(struct study_sequences *q);
/* Bytes of all that for prompts of a file, for a plan. */
uint64_t steer_tokens_bytes(const struct steer_command *c, const struct study_prompts *p);

size_t steer_most_tokens(const struct steer_command *c, const struct study_prompts *p); /* of one of them */

double steer_norm(const float *v, size_t n);
/* A scale to begin with, as it is told: with two digits, from 100 on with three. */
double steer_scale(double scale);

/* A control vector that is made. */
struct steer_file {
    int projects;
    const char *method, *base_model, *model_hint; /* NULL: not known */
    const char *hook;                             /* what it acts on, as glp.hook_point has it; NULL: a layer's end */
    int is_measured_there;
    double scale;                   /* to begin with; 0: none is told */
    const struct stoker_pair *more; /* [n_more] keys of our own, behind controlvector.stoker. */
    size_t n_more;
};
/* Writes it to c->out, with the name and the licence that c has, and tells so. */
int steer_write_file(const struct steer_command *c, const struct steer_file *f, const struct vector_row *row, size_t n,
                     int n_embd);

#endif
