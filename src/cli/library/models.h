/* The models of searches, of commands that open no other: one engine, of the first, with the second beside it. */
#ifndef CLI_LIBRARY_MODELS_H
#define CLI_LIBRARY_MODELS_H

#include "library/encoder/encoder.h"
#include "library/encoder/ranker.h"

#include <stdint.h>

struct library_models {
    const char *embed, *rerank; /* files; NULL: none */
    uint64_t memory, beside;    /* of --memory, 0: what there is; bytes that the command takes beside them */
    struct stoker *engine;      /* NULL: not open */
    struct encoder encoder;
    struct ranker ranker;
};

/* Exit statuses, after a sentence on stderr. */
int library_models_check(const char *command, const struct library_models *m); /* by their headers */
int library_models_open(struct library_models *m); /* the encoder too, where there is a model for it */

/* Both take part in searches of the library from now on, whose vectors within ram bytes are held in memory. Returns how many sources have
 * vectors of the first; of those that have none, or others, *err is a sentence. */
int library_models_join(struct library_models *m, struct library *l, uint64_t ram, struct error *err);
void library_models_close(struct library_models *m); /* a zeroed one too */

#endif
