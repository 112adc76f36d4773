/* What stoker activations is made of: sources become sequences of tokens (source.c), words become what is recorded (wants.c), and a file
 * is written beside its name and renamed when it is whole (record.c). */
#ifndef CLI_ACTIVATIONS_ACTIVATIONS_H
#define CLI_ACTIVATIONS_ACTIVATIONS_H

#include "cli/common/steer_flags.h"
#include "stoker.h"

/* What the command line says. */
struct activations {
    const char *command;                       /* for sentences: "activations" */
    const char *prompt, *file, *tokens, *text; /* one of them */
    int chat, window, max_tokens, answer;      /* answer: tokens behind the prompt; 0: none */
    const char *layers, *reduce, *dtype, *from, *to;
    const char *tensors; /* NULL: features alone with sae, else resid_post */
    const char *vector;  /* of --reduce dot: a file, or NULL */
    const char *sae;     /* a folder, or NULL */
    int top;
    const char *out;
    struct stoker_options options;
    struct steer_flags steer;
    struct stoker_sampling sampling;
};

/* All tokens; sequence i is token + first[i], first[i + 1] - first[i] of them. */
struct sequences {
    stoker_token *token;
    size_t *first; /* [n + 1] */
    size_t n;
    char *message;             /* [n_message] of --chat, until it has tokens; or NULL */
    size_t n_message, planned; /* planned: bytes that making its tokens may take */
};

/* What sources take before there is a plan, so that it can have that: bytes that are kept, and the most that there were. */
struct reading {
    size_t kept, most;
};

/* 0, or the exit status after a sentence. Free *out in any case.
 * Before the model is opened: the source, unless it is -p. It takes half of --memory at most, with what *r keeps already; where that is no
 * size, half of what is left. Of --chat it is a message, and *r has what the next one may take. */
int activations_read(struct sequences *out, struct reading *r, const struct activations *a, const char *model);
/* The sequences, where they are not there yet. */
int activations_sequences(struct sequences *out, const struct activations *a, const struct stoker *s);
void activations_sequences_free(struct sequences *q);

/* Of a model of n_layer layers; layer [n_layer] is written where --layers names some, and then c->layer is it. 0, or the exit status
 * after a sentence. */
int activations_wants(struct stoker_capture *c, const struct activations *a, unsigned char *layer, int n_layer);

/* Runs all sequences and writes the file. 0, or the exit status after a sentence. */
int activations_record(struct stoker *s, const struct activations *a, const struct stoker_capture *c,
                       const struct sequences *q);

/* A dump of llama.cpp's as such a file. 0, or the exit status after a sentence. */
int activations_convert(const char *from, const char *to);

#endif
