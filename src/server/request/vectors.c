/* See vectors.h. */
#include "server/request/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void steer_list_free(struct steer_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        stoker_vector_close(l->how[i].vector);
    l->n = 0;
}

int vectors_open(struct vectors *v, const char *dir, struct stoker_error *err)
{
    *v = (struct vectors){.dir = -1};
    pthread_mutex_init(&v->lock, NULL);
    v->dir = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!dir || v->dir >= 0)
        return 0;
    *err = (struct stoker_error){.code = STOKER_ERR_INPUT};
    snprintf(err->text, sizeof err->text, "--steer-dir %.300s: %s", dir, strerror(errno));
    return -1;
}

void vectors_close(struct vectors *v)
{
    steer_list_free(&v->list);
    for (size_t i = 0; i < v->n; i++)
        stoker_vector_close(v->item[i].vector);
    if (v->dir >= 0)
        close(v->dir);
    pthread_mutex_destroy(&v->lock);
}

/* ---- names ----------------------------------------------------------------------------------------------------------------- */

static int is_of_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

/* 1: name is one. */
static int check_name(const char *name)
{
    size_t n = 0;
    while (n < VECTOR_NAME && is_of_name(name[n]))
        n++;
    return n >= 1 && n < VECTOR_NAME && name[n] == 0;
}

/* "a file.gguf" -> "a_file"; of routes, "a.strt" -> "a" */
static void name_of_file(char *name, const char *file)
{
    static const char *const types[] = {".gguf", ".strt"};
    size_t n = strlen(file), k = strlen(types[0]);
    if (n > k && (strcmp(file + n - k, types[0]) == 0 || strcmp(file + n - k, types[1]) == 0))
        n -= k;
    if (n >= VECTOR_NAME)
        n = VECTOR_NAME - 1;
    for (size_t i = 0; i < n; i++)
        name[i] = is_of_name(file[i]) ? file[i] : '_';
    name[n] = 0;
}

/* ---- the table: under the lock ---------------------------------------------------------------------------------------------- */

/* Files of equal directions may still do something else with them, or have them at other layers, which their hash does not tell. */
static int is_equal(const struct stoker_vector *a, const struct stoker_vector *b)
{
    struct stoker_vector_about x, y;
    if (a == b)
        return 1;
    stoker_vector_about(a, &x);
    stoker_vector_about(b, &y);
    int equal = x.kind == y.kind && x.scale_default == y.scale_default && strcmp(x.sha256, y.sha256) == 0 &&
                strcmp(x.hook, y.hook) == 0 && x.layer_first == y.layer_first && x.layer_last == y.layer_last;
    for (int l = x.layer_first; equal && l <= x.layer_last; l++)
        equal = stoker_vector_norm(a, l) == stoker_vector_norm(b, l);
    return equal;
}

static struct named_vector *equal_to(struct vectors *v, const struct stoker_vector *vector)
{
    for (size_t i = 0; i < v->n; i++)
        if (is_equal(v->item[i].vector, vector))
            return &v->item[i];
    return NULL;
}

/* What GET /control-vectors tells of equal files beside what they do: one that is made again may say something else. */
static int say_the_same(const struct stoker_vector *a, const struct stoker_vector *b)
{
    struct stoker_vector_about x, y;
    stoker_vector_about(a, &x);
    stoker_vector_about(b, &y);
    return x.scale_suggested == y.scale_suggested && strcmp(x.license, y.license) == 0 &&
           strcmp(x.author, y.author) == 0 && strcmp(x.source, y.source) == 0 &&
           strcmp(x.base_model, y.base_model) == 0 && strcmp(x.model_hint, y.model_hint) == 0;
}

/* 1: it is in no table, but its entry's own. */
static int is_list(const struct stoker_steer *how) { return how->kind == STOKER_STEER_EXPERTS; }

/* Drops entries of the list whose vector no item has; those of a file that was made again get the newer one. */
static void prune(struct vectors *v)
{
    struct steer_list *l = &v->list, left = {.n = 0};
    for (size_t i = 0; i < l->n; i++) {
        struct stoker_steer how = l->how[i];
        if (!is_list(&how)) {
            const struct named_vector *x = equal_to(v, how.vector);
            if (x)
                stoker_vector_hold(x->vector);
            stoker_vector_close(how.vector);
            if (!x)
                continue;
            how.vector = x->vector;
        }
        left.how[left.n] = how;
        memcpy(left.name[left.n++], l->name[i], VECTOR_NAME);
    }
    *l = left;
}

static struct named_vector *find(struct vectors *v, const char *name, size_t n, int64_t id)
{
    for (size_t i = 0; i < v->n; i++) {
        struct named_vector *x = &v->item[i];
        if (name ? strlen(x->name) == n && memcmp(x->name, name, n) == 0 : x->id == id)
            return x;
    }
    return NULL;
}

static int add(struct vectors *v, const struct stoker_vector *vector, const struct stoker_vector_about *about,
               const char *name, struct named_vector *out, struct refusal *r)
{
    char own[VECTOR_NAME];
    struct named_vector *equal = equal_to(v, vector);
    if (equal) {
        const struct stoker_vector *other = vector;
        if (!say_the_same(vector, equal->vector)) { /* requests that have the older one keep it */
            other = equal->vector;
            equal->vector = vector;
            prune(v);
        }
        stoker_vector_close(other);
        *out = *equal;
        out->is_new = 0;
        return 0;
    }
    if (!name)
        name_of_file(own, about->file);
    name = name ? name : own;
    if (find(v, name, strlen(name), 0))
        return refuse(r, 409, "vector_exists", "name", "another vector is called \"%s\": give this one another name%s",
                      name, name == own ? ", or its file" : "");
    if (v->n == VECTORS_MOST)
        return refuse(r, 400, "invalid_value", NULL, "%d vectors are loaded, and no more can be: unload one",
                      VECTORS_MOST);
    struct named_vector *x = &v->item[v->n++];
    *x = (struct named_vector){.id = v->next_id++, .is_new = 1, .vector = vector};
    snprintf(x->name, sizeof x->name, "%s", name);
    *out = *x;
    return 0;
}

int vectors_add(struct vectors *v, const struct stoker_vector *vector, const char *name, struct named_vector *out,
                struct refusal *r)
{
    struct stoker_vector_about about;
    stoker_vector_about(vector, &about);
    int failed = 0;
    if (name && !check_name(name))
        failed = refuse(r, 400, "invalid_value", "name", "a name has 1 to %d of A-Z a-z 0-9 _ . -", VECTOR_NAME - 1);
    pthread_mutex_lock(&v->lock);
    if (!failed && (failed = add(v, vector, &about, name, out, r)) == 0)
        stoker_vector_hold(out->vector);
    pthread_mutex_unlock(&v->lock);
    if (failed)
        stoker_vector_close(vector);
    return failed;
}

/* "a, b, c" */
static void names_of(const struct vectors *v, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < v->n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", v->item[i].name);
}

int vectors_find(struct vectors *v, const char *name, size_t n, int64_t id, struct named_vector *out, const char *param,
                 struct refusal *r)
{
    char names[300];
    pthread_mutex_lock(&v->lock);
    const struct named_vector *x = find(v, name, n, id);
    if (x) {
        *out = *x;
        stoker_vector_hold(x->vector);
    }
    names_of(v, names, sizeof names);
    pthread_mutex_unlock(&v->lock);
    if (x)
        return 0;
    if (!name)
        return refuse(r, 404, "vector_not_found", param, "no vector has the number %lld; loaded: %s", (long long)id,
                      *names ? names : "none");
    return refuse(r, 404, "vector_not_found", param, "no vector \"%.*s\"; loaded: %s", (int)(n < 64 ? n : 64), name,
                  *names ? names : "none");
}

void vectors_remove(struct vectors *v, int id)
{
    pthread_mutex_lock(&v->lock);
    struct named_vector *x = find(v, NULL, 0, id);
    if (x) {
        stoker_vector_close(x->vector);
        memmove(x, x + 1, (size_t)(v->item + --v->n - x) * sizeof *x);
        prune(v);
    }
    pthread_mutex_unlock(&v->lock);
}

size_t vectors_all(struct vectors *v, struct named_vector *out)
{
    pthread_mutex_lock(&v->lock);
    size_t n = v->n;
    for (size_t i = 0; i < n; i++) {
        out[i] = v->item[i];
        stoker_vector_hold(out[i].vector);
    }
    pthread_mutex_unlock(&v->lock);
    return n;
}

/* ---- the default list ------------------------------------------------------------------------------------------------------- */

void vectors_list(struct vectors *v, struct steer_list *out)
{
    pthread_mutex_lock(&v->lock);
    *out = v->list;
    for (size_t i = 0; i < out->n; i++)
        stoker_vector_hold(out->how[i].vector);
    pthread_mutex_unlock(&v->lock);
}

void vectors_set_list(struct vectors *v, struct steer_list *l)
{
    struct steer_list old;
    pthread_mutex_lock(&v->lock);
    old = v->list;
    v->list = *l;
    prune(v);
    pthread_mutex_unlock(&v->lock);
    l->n = 0;
    steer_list_free(&old);
}

static int list_add(struct steer_list *l, const struct stoker_steer *how, const char *name, struct refusal *r)
{
    if (l->n == STOKER_STEER_MOST)
        return refuse(r, 400, "invalid_value", "scale", "the default list has %d entries, and no more are possible",
                      STOKER_STEER_MOST);
    stoker_vector_hold(how->vector);
    l->how[l->n] = *how;
    snprintf(l->name[l->n++], VECTOR_NAME, "%s", name);
    return 0;
}

int vectors_list_add(struct vectors *v, const struct stoker_steer *how, const char *name, struct refusal *r)
{
    pthread_mutex_lock(&v->lock);
    int failed = list_add(&v->list, how, name, r);
    prune(v);
    pthread_mutex_unlock(&v->lock);
    return failed;
}

int vectors_list_put(struct vectors *v, const struct stoker_steer *how, const char *name, struct refusal *r)
{
    int failed = 0;
    size_t i = 0;
    pthread_mutex_lock(&v->lock);
    struct steer_list *l = &v->list;
    while (i < l->n && l->how[i].vector != how->vector)
        i++;
    if (i < l->n)
        l->how[i] = *how;
    else
        failed = list_add(l, how, name, r);
    prune(v);
    pthread_mutex_unlock(&v->lock);
    return failed;
}
