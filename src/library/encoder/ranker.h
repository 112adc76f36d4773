/* A model that judges pairs, for the library: what a search has found is put in the order of its scores. The engine is reached by the
 * public header alone. */
#ifndef LIBRARY_ENCODER_RANKER_H
#define LIBRARY_ENCODER_RANKER_H

#include "library/library.h"
#include "stoker.h"

struct ranker {
    struct stoker *engine; /* of scores; the caller's, and outlives this */
    struct stoker_encoder about;
    char name[128]; /* of its file */
};

/* Searches of the library are ranked by this model from now on. path: of the engine's model. -1: it judges no pairs. k outlives l. */
int ranker_join(struct ranker *k, struct stoker *engine, const char *path, struct library *l, struct error *err);

#endif
