/* What stoker sae is made of: a file a part of the command. */
#ifndef CLI_SAE_SAE_H
#define CLI_SAE_SAE_H

#include "cli/steer/steer.h"

struct sae_command {
    struct steer_command c; /* name, model, positive, negative, out, chat, think, title, license, options, top, json */
    const char *sae;        /* the folder */
    const char *gate;       /* of one without cfg.json; NULL: it has one */
    int layer;              /* with gate */
    const char *features;   /* --export */
};

/* Both return the exit status, after a sentence where it is not 0. */
int sae_features(struct sae_command *s); /* which features tell two kinds of prompts apart */
int sae_export(struct sae_command *s);   /* features as a control vector */

#endif
