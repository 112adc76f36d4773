/* A model that makes vectors of texts, for the library: the engine is reached by the public header alone. */
#ifndef LIBRARY_ENCODER_ENCODER_H
#define LIBRARY_ENCODER_ENCODER_H

#include "base/error.h"
#include "library/library.h"
#include "stoker.h"

struct encoder {
    struct stoker *engine; /* of vectors; the caller's, and outlives this */
    struct stoker_encoder about;
    uint64_t model;    /* its hash */
    char name[128];    /* of its file */
    stoker_token *end; /* what stands behind every text, [n_end]: it stays where a text is cut */
    size_t n_end;
};

/* path: the engine's model. -1: it makes no vectors that can be searched by. encoder_end() in any case. */
int encoder_begin(struct encoder *e, struct stoker *engine, const char *path, struct error *err);
void encoder_end(struct encoder *e);

/* Whether somebody still waits, asked several times a second; 1: the call ends with ERR_CANCELLED. stopped may be NULL. */
struct encoder_wait {
    int (*stopped)(void *arg);
    void *arg;
};

/* Vectors of length 1 of n texts into x [n][about.n_out]; one that is longer than the context loses its end. is_none[i] 1: text i has
 * none, since it has no tokens, or the model gives a number that is not finite. */
int encoder_vectors(struct encoder *e, const struct stoker_string *text, int n, float *x, unsigned char *is_none,
                    const struct encoder_wait *wait, struct error *err);

/* Queries of the library get vectors of this model from now on, if any of its sources has some. Returns how many have; of what has none, or
 * others, *err is a sentence. Those of sources that fit into ram bytes, one after the other, are held in memory. e outlives l. */
int encoder_join(struct encoder *e, struct library *l, uint64_t ram, struct error *err);

/* ---- vectors of a source (embed.c) ---- */

enum encoder_chunks { CHUNKS_AUTO, CHUNKS_ALL, CHUNKS_LEAD };
enum { CHUNKS_ALL_BELOW = 100000 }; /* chunks of a source that all get vectors, where nothing was said */

struct embed_report {
    int64_t done, total;   /* chunks */
    int64_t n_new, n_none; /* vectors that were made; chunks that have none */
    int is_stopped;
    struct error anew; /* why all vectors are made anew, where there were some */
};

struct embed_options {
    enum encoder_chunks chunks;
    int (*tick)(void *arg, const struct embed_report *r); /* several times a second; 1: stop */
    void *arg;
};

/* Chunks of the source that have no vector yet get one. What is committed stays, whatever happens: the same call goes on. */
int encoder_embed(struct encoder *e, const char *dir, const char *name, const struct embed_options *o,
                  struct embed_report *r, struct error *err);

#endif
