/* The control vectors that a server has, by name and number, and the list that steers requests without one of their own.
 *
 * Files come from the command line, and from clients where there is a folder for them (--steer-dir). Whoever is given a vector holds it:
 * it may be unloaded while answers are steered by it, and its memory is free when the last of them has ended. Any thread, at any time;
 * nothing waits for the engine. */
#ifndef SERVER_REQUEST_VECTORS_H
#define SERVER_REQUEST_VECTORS_H

#include "server/http/refusal.h"
#include "stoker.h"

#include <pthread.h>

enum { VECTORS_MOST = 64, VECTOR_NAME = 65 };

/* A vector and what it is called here: A-Z a-z 0-9 _ . -, NUL behind. */
struct named_vector {
    int id; /* in the order of loading, from 0; none is used twice */
    char name[VECTOR_NAME];
    int is_new; /* vectors_add() put it there, now */
    const struct stoker_vector *vector;
};

/* What a request is steered by. Its vectors are held: steer_list_free(). Lists of experts are called "experts", and in no table. */
struct steer_list {
    struct stoker_steer how[STOKER_STEER_MOST]; /* [n] */
    char name[STOKER_STEER_MOST][VECTOR_NAME];
    size_t n;
};
void steer_list_free(struct steer_list *l); /* empties it; an empty one is fine */

struct vectors {
    pthread_mutex_t lock;  /* of all below but dir */
    int dir;               /* of files that clients may load; -1: none */
    struct stoker *engine; /* the server's, once it is open: lists of experts are its */
    int next_id;
    struct named_vector item[VECTORS_MOST]; /* [n] ascending by id */
    size_t n;
    struct steer_list list; /* of requests without one of their own; each of its vectors is an item's too */
};

/* dir: path of a folder, or NULL. -1 with *err: it cannot be opened. vectors_close() is called in any case. */
int vectors_open(struct vectors *v, const char *dir, struct stoker_error *err);
void vectors_close(struct vectors *v); /* before the engine */

/* Adds a vector, which is the table's from then on; name NULL: its file's, without ".gguf". *out is it, or the one of equal content that
 * there was, whose name and number it takes if its file says something else of itself: held. -1: *r (409 vector_exists: another has the
 * name; 400: its form, or there are too many). */
int vectors_add(struct vectors *v, const struct stoker_vector *vector, const char *name, struct named_vector *out,
                struct refusal *r);

/* The one of a name of n bytes, or NULL: of this number; held. -1: 404 vector_not_found about the field param. */
int vectors_find(struct vectors *v, const char *name, size_t n, int64_t id, struct named_vector *out, const char *param,
                 struct refusal *r);

/* No new request finds it, and the default list is without it. */
void vectors_remove(struct vectors *v, int id);

/* All of them as of now, held: out [VECTORS_MOST]. Returns how many. */
size_t vectors_all(struct vectors *v, struct named_vector *out);

/* The default list: a copy, held; and another one, whose vectors are the table's from then on: *l is empty. Entries of vectors that were
 * unloaded meanwhile are left out. */
void vectors_list(struct vectors *v, struct steer_list *out);
void vectors_set_list(struct vectors *v, struct steer_list *l);
/* One entry more, of a vector that is held. -1: 400, it is full. */
int vectors_list_add(struct vectors *v, const struct stoker_steer *how, const char *name, struct refusal *r);
/* The same, instead of the first entry of that vector where there is one. */
int vectors_list_put(struct vectors *v, const struct stoker_steer *how, const char *name, struct refusal *r);

#endif
