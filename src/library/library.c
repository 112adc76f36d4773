/* See library.h. */
#include "library/library.h"

#include "base/error.h"
#include "library/source_vectors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

void library_path(char out[PATH_MAX], const char *dir, const char *name, int hidden)
{
    snprintf(out, PATH_MAX, hidden ? "%s/.%.120s.new" : "%s/%.120s.db", dir, name);
}

void library_name(char *out, size_t cap, const char *text)
{
    size_t n = 0;
    for (; *text && n + 1 < cap && n < 100; text++) {
        unsigned letter = (unsigned char)*text | 32u, digit = (unsigned char)*text - '0';
        int is_plain = letter - 'a' < 26 || digit < 10 || *text == '-' || *text == '_' || (*text == '.' && n);
        out[n++] = is_plain ? *text : '_';
    }
    out[n] = 0;
}

void library_unlink(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

int library_remove(const char *dir, const char *name, struct error *err)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    library_path(path, dir, name, 0);
    library_path(hidden, dir, name, 1);
    if (strchr(name, '/') || (access(path, F_OK) && access(hidden, F_OK)))
        return error_set(err, ERR_INPUT, "the library in %s has no source %s", dir, name);
    library_unlink(hidden);
    library_unlink(path);
    source_vectors_unlink(path);
    return access(path, F_OK) == 0 ? error_set(err, ERR_IO, "%s: %s", path, strerror(EACCES)) : 0;
}

int library_lock(const char *dir, const char *name, struct error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/.%.120s.lock", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return error_set(err, ERR_BUSY, "another stoker library add is at work on %s", name);
}

static int is_source(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return d->d_name[0] != '.' && n > 3 && n < 110 && strcmp(d->d_name + n - 3, ".db") == 0;
}

static void open_one(struct library *l, const char *name, struct error *err)
{
    char path[PATH_MAX];
    struct source *s = malloc(sizeof *s);
    library_path(path, l->dir, name, 0);
    if (!s) {
        error_set(err, ERR_MEMORY, "no memory to open %s", name);
    } else if (access(path, R_OK)) {
        if (errno == ENOENT)
            error_set(err, ERR_INPUT, "the library in %s has no source %s", l->dir, name);
        else
            error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        free(s);
    } else if (l->n == SEARCH_SOURCES) {
        error_set(err, ERR_INPUT, "the library in %s has more than %d sources; %s and others are left out", l->dir,
                  SEARCH_SOURCES, name);
        free(s);
    } else if (source_open(s, path, name, 0, err)) {
        free(s);
    } else {
        l->list[l->n++] = s;
    }
}

void library_open(struct library *l, const char *dir, const char *const *names, int n_name, struct error *err)
{
    struct dirent **found = NULL;
    l->n = 0;
    l->reading = l->searching = l->ranking = (struct library_turn){.is_taken = 0};
    memset(l->warned, 0, sizeof l->warned);
    l->encoder.encode = NULL;
    l->ranker.rank = NULL;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->left, NULL);
    snprintf(l->dir, sizeof l->dir, "%s", dir);
    int n = n_name ? 0 : scandir(dir, &found, is_source, alphasort);
    if (n < 0 && errno != ENOENT)
        error_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n_name; i++)
        open_one(l, names[i], err);
    for (int i = 0; i < n; i++) {
        found[i]->d_name[strlen(found[i]->d_name) - 3] = 0;
        open_one(l, found[i]->d_name, err);
        free(found[i]);
    }
    free(found);
}

int library_open_any(struct library *l, const char *dir, const char *const *names, int n_name, struct error *missing,
                     struct error *err)
{
    source_begin();
    library_open(l, dir, names, n_name, missing);
    if (l->n)
        return 0;
    library_close(l);
    if (missing->code == ERR_NONE)
        return error_set(err, ERR_INPUT, "the library in %s has no sources; stoker library add makes one", dir);
    *err = *missing;
    *missing = (struct error){0};
    return -1;
}

void library_close(struct library *l)
{
    pthread_cond_destroy(&l->left);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < l->n; i++) {
        source_close(l->list[i]);
        free(l->list[i]);
    }
    l->n = 0;
}
