/* What stoker sae is made of: a file a part of the command. */
#ifndef CLI_SAE_SAE_H
#define CLI_SAE_SAE_H

#include "cli/steer/steer.h"
#include "study/sae/train.h"

struct sae_command {
    struct steer_command
        c; /* name, model, positive, negative, positions, out, chat, think, title, license, options, top, json */
    const char *sae;      /* the folder */
    const char *gate;     /* of one without cfg.json; NULL: it has one */
    int layer;            /* with gate */
    const char *features; /* --export */
};

/* What stoker sae train is told besides. */
struct sae_train_flags {
    struct train_options o;
    const char *features, *tier, *log; /* "8x" or a number; NULL: not given */
    int seed, dead, json;
};

/* Both return the exit status, after a sentence where it is not 0. */
int sae_features(struct sae_command *s); /* which features tell two kinds of prompts apart */
int sae_export(struct sae_command *s);   /* features as a control vector */
int sae_train(struct sae_train_flags *f);

#endif
