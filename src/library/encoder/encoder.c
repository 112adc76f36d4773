/* See encoder.h. */
#include "library/encoder/encoder.h"

#include "library/encoder/compute.h"
#include "library/source_lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tokens that an empty text has, but for those in front of any text: what is behind. */
static int read_end(struct encoder *e, struct stoker_error *err)
{
    stoker_token *one = NULL, *none = NULL;
    size_t n_one = 0, n_none = 0;
    if (stoker_tokenize(e->engine, "a", 1, 1, 0, &one, &n_one, err) ||
        stoker_tokenize(e->engine, "", 0, 1, 0, &none, &n_none, err)) {
        stoker_free(one);
        stoker_free(none);
        return -1;
    }
    size_t n = 0;
    while (n < n_one && n < n_none && one[n_one - 1 - n] == none[n_none - 1 - n])
        n++;
    e->n_end = n;
    e->end = none;
    memmove(e->end, none + (n_none - n), n * sizeof *none);
    stoker_free(one);
    return 0;
}

/* Vectors of sources are pooled as the model's file says, and its hash is of the file alone. */
static int check_pooling(const struct encoder *e, const char *path, struct error *err)
{
    struct stoker_about file;
    struct stoker_error why;
    if (stoker_about(&file, path, &why))
        return compute_error(&why, err);
    if (strcmp(e->about.pooling, file.pooling) == 0)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s pools by %s here, but by %s in its file, which the library's vectors are of, so that is "
                     "searched by words alone; start it without --pooling",
                     e->name, e->about.pooling, *file.pooling ? file.pooling : "nothing");
}

int encoder_begin(struct encoder *e, struct stoker *engine, const char *path, struct error *err)
{
    struct stoker_error why;
    const char *slash = strrchr(path, '/');
    *e = (struct encoder){.engine = engine};
    snprintf(e->name, sizeof e->name, "%s", slash ? slash + 1 : path);
    if (stoker_encoder_of(engine, &e->about) || e->about.is_rank || strcmp(e->about.pooling, "none") == 0)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s makes no vectors of texts, and the library is searched by these: use an embedding model",
                         path);
    if (e->about.n_out > SEGMENT_WIDTH_MOST)
        return error_set(err, ERR_UNSUPPORTED, "%s: its vectors have %zu values, those of the library at most %d", path,
                         e->about.n_out, SEGMENT_WIDTH_MOST);
    if (check_pooling(e, path, err))
        return -1;
    if (stoker_model_hash(&e->model, path, &why) || read_end(e, &why))
        return compute_error(&why, err);
    return 0;
}

void encoder_end(struct encoder *e)
{
    stoker_free(e->end);
    e->end = NULL;
}

/* ---- texts to vectors ---------------------------------------- */

struct texts {
    struct stoker_tokens *list; /* [n], those that have tokens */
    int *of;                    /* [n] which text each is */
    unsigned char *is_none;     /* [n] 1: it has no vector */
    int n;
};

static void free_texts(struct texts *t)
{
    for (int i = 0; i < t->n; i++)
        stoker_free((stoker_token *)(uintptr_t)t->list[i].id);
    free(t->list);
    free(t->of);
    free(t->is_none);
}

static int tokenise(const struct encoder *e, const struct stoker_string *text, int n, struct texts *t,
                    struct error *err)
{
    struct stoker_error why;
    const size_t most = e->about.n_ctx;
    *t = (struct texts){malloc((size_t)n * sizeof *t->list), malloc((size_t)n * sizeof *t->of), malloc((size_t)n), 0};
    if (!t->list || !t->of || !t->is_none)
        return error_set(err, ERR_MEMORY, "no memory for the tokens of passages");
    for (int i = 0; i < n; i++) {
        stoker_token *id = NULL;
        size_t n_id = 0;
        if (text[i].n && stoker_tokenize(e->engine, text[i].text, text[i].n, 1, 0, &id, &n_id, &why))
            return compute_error(&why, err);
        if (n_id > most && e->n_end < most)
            memcpy(id + most - e->n_end, e->end, e->n_end * sizeof *id);
        if (n_id == 0) {
            stoker_free(id);
            continue;
        }
        t->list[t->n] = (struct stoker_tokens){id, n_id < most ? n_id : most};
        t->of[t->n++] = i;
    }
    return 0;
}

/* Vectors of the texts that have tokens lie together; they go to their places, from the last on. */
static void put_in_place(const struct encoder *e, const struct texts *t, float *x, unsigned char *is_none)
{
    const size_t width = e->about.n_out;
    for (int i = t->n - 1; i >= 0; i--) {
        float *to = x + (size_t)t->of[i] * width;
        if (t->of[i] != i)
            memcpy(to, x + (size_t)i * width, width * sizeof *x);
        is_none[t->of[i]] = t->is_none[i];
        if (!t->is_none[i])
            stoker_normalise(to, width, width);
    }
}

int encoder_vectors(struct encoder *e, const struct stoker_string *text, int n, float *x, unsigned char *is_none,
                    const struct encoder_wait *wait, struct error *err)
{
    struct texts t;
    memset(is_none, 1, (size_t)n);
    int failed = tokenise(e, text, n, &t, err) || compute_all(e->engine, t.list, t.n, x, t.is_none, wait, err);
    if (!failed)
        put_in_place(e, &t, x, is_none);
    free_texts(&t);
    return failed ? -1 : 0;
}

static int encode_query(void *self, const char *text, size_t n, float *x, int (*stopped)(void *arg), void *arg,
                        struct error *err)
{
    const struct stoker_string query = {text, n};
    const struct encoder_wait wait = {stopped, arg};
    unsigned char is_none;
    return encoder_vectors(self, &query, 1, x, &is_none, &wait, err) ? -1 : !is_none;
}

int encoder_join(struct encoder *e, struct library *l, uint64_t ram, struct error *err)
{
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        struct source_vectors v;
        if (source_vectors_of(l->list[i], e->model, (int)e->about.n_out, &v, err) != 1)
            continue;
        n++;
        source_hold(l->list[i], &v, &ram, err); /* where it does not, searches read them */
    }
    pthread_mutex_lock(&l->lock); /* searches may be under way */
    l->encoder = (struct library_encoder){(int)e->about.n_out, e->model, n ? encode_query : NULL, e};
    pthread_mutex_unlock(&l->lock);
    if (n == 0 && err->code == ERR_NONE)
        error_set(err, ERR_INPUT,
                  "none of the library's sources has vectors, so they are searched by words alone; stoker library add "
                  "with --embed makes them");
    return n;
}
