/* A file, or a folder of files, into the library: what is new or has changed is read, what is gone leaves. */
#include "library/add/add.h"

#include "base/error.h"
#include "base/sha256.h"
#include "library/document/html.h"
#include "library/document/pdf.h"
#include "library/library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEP = 64 };

static int read_file(void *arg, uint64_t at, char *buf, size_t cap, size_t *n, struct error *err)
{
    ssize_t got;
    do
        got = pread(*(int *)arg, buf, cap, (off_t)at);
    while (got < 0 && errno == EINTR);
    *n = got > 0 ? (size_t)got : 0;
    return got < 0 ? error_set(err, ERR_IO, "reading at byte %" PRIu64 ": %s", at, strerror(errno)) : 0;
}

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int hash_file(int fd, char hex[2 * SHA256_BYTES + 1], struct error *err)
{
    struct sha256 s;
    uint8_t digest[SHA256_BYTES];
    char piece[16 << 10];
    size_t n = 1;
    sha256_begin(&s);
    for (uint64_t at = 0; n; at += n) {
        if (read_file(&fd, at, piece, sizeof piece, &n, err))
            return -1;
        sha256_add(&s, piece, n);
    }
    sha256_end(&s, digest);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* What the source has of a path. */
struct known {
    int is_there;
    int64_t bytes, mtime_ns;
    char sha256[72];
};

static int look_up(struct source *s, const char *path, struct known *k, struct error *err)
{
    sqlite3_stmt *q = source_prepare(
        s, "SELECT bytes, mtime_ns, sha256 FROM article WHERE path = ? ORDER BY id LIMIT 1", err);
    *k = (struct known){.is_there = 0};
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    if (sqlite3_step(q) == SQLITE_ROW) {
        const unsigned char *sum = sqlite3_column_text(q, 2);
        *k = (struct known){1, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), ""};
        snprintf(k->sha256, sizeof k->sha256, "%s", sum ? (const char *)sum : "");
    }
    sqlite3_finalize(q);
    return 0;
}

static int note_mtime(struct source *s, const char *path, int64_t mtime_ns, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "UPDATE article SET mtime_ns = ? WHERE path = ?", err);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, mtime_ns);
    sqlite3_bind_text(q, 2, path, -1, SQLITE_STATIC);
    int failed = sqlite3_step(q) != SQLITE_DONE ? source_error(s, "writing", err) : 0;
    sqlite3_finalize(q);
    return failed;
}

static void title_of(const char *path, char *title, size_t cap)
{
    const char *last = strrchr(path, '/');
    snprintf(title, cap, "%s", last ? last + 1 : path);
    char *dot = strrchr(title, '.');
    if (dot && dot != title)
        *dot = 0;
}

/* The document that is open as fd into the source. */
static int put_file(struct adding *a, int fd, const char *path, const struct stat *st, const char *sum,
                    struct error *err)
{
    char title[256], sentence[240];
    struct text_input in = {&fd, read_file};
    struct error wrong = {0};
    struct stat after;
    title_of(path, title, sizeof title);
    if (add_kind(path) == ADD_HTML && html_ready(err))
        return -1;
    struct source_article about = {
        .path = path, .title = title, .bytes = st->st_size, .mtime_ns = mtime_of(st), .sha256 = sum};
    if (source_article(&a->store, &about, err))
        return -1;
    if (add_document(a, add_kind(path), &in, fd, title, &wrong)) {
        snprintf(sentence, sizeof sentence, "%.100s: %.130s", path, wrong.text);
        add_skip(a, sentence);
    } else if (fstat(fd, &after) || after.st_size != st->st_size || mtime_of(&after) != mtime_of(st)) {
        snprintf(sentence, sizeof sentence, "%.100s was changed while it was read; add it again", path);
        add_skip(a, sentence);
    }
    if (a->chunk_error.code != ERR_NONE) {
        *err = a->chunk_error;
        return -1;
    }
    a->r->n_new++;
    return source_article_end(&a->store, err);
}

/* A file of the source: whether it has changed, and what follows. 1: stop. */
static int add_file(struct adding *a, const char *full, const char *path, struct error *err)
{
    struct stat st;
    struct known k;
    struct error wrong = {0};
    char sum[2 * SHA256_BYTES + 1], sentence[240];
    int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), state = 0, is_changed = 0;
    a->r->done++;
    if (fd < 0 || fstat(fd, &st)) {
        snprintf(sentence, sizeof sentence, "%.150s: %s", path, strerror(errno));
        add_skip(a, sentence);
    } else if (S_ISREG(st.st_mode)) {
        state = look_up(&a->store, path, &k, err);
        is_changed = state == 0 && !(k.is_there && k.bytes == st.st_size && k.mtime_ns == mtime_of(&st));
        if (is_changed && add_kind(path) == ADD_PDF && pdf_ready(&wrong)) { /* it is new still when it can be read */
            snprintf(sentence, sizeof sentence, "%.60s: %.170s", path, wrong.text);
            add_skip(a, sentence);
            is_changed = 0;
        } else if (is_changed && hash_file(fd, sum, &wrong)) {
            snprintf(sentence, sizeof sentence, "%.100s: %.130s", path, wrong.text);
            add_skip(a, sentence);
        } else if (is_changed && k.is_there && strcmp(k.sha256, sum) == 0 && k.bytes == st.st_size) {
            state = note_mtime(&a->store, path, mtime_of(&st), err);
        } else if (is_changed) {
            state = k.is_there ? source_remove(&a->store, path, err) : 0;
            if (state == 0)
                state = put_file(a, fd, path, &st, sum, err);
        }
    }
    if (fd >= 0)
        close(fd);
    if (state == 0 && is_changed)
        return add_batch(a, err);
    if (state == 0 && a->r->done % 64 == 0 && a->o->tick)
        a->o->tick(a->o->arg, a->r);
    return state;
}

static int is_shown(const struct dirent *d) { return d->d_name[0] != '.'; }

/* In the order of names, so that another run meets the files in the same order; links are not followed. */
static int add_folder(struct adding *a, const char *full, const char *path, int depth, struct error *err)
{
    struct dirent **found;
    int n = depth < DEEP ? scandir(full, &found, is_shown, alphasort) : -1, state = 0;
    char sentence[240];
    if (n < 0) {
        snprintf(sentence, sizeof sentence, "%.150s: %s", full,
                 depth < DEEP ? strerror(errno) : "folders are nested too deeply");
        add_skip(a, sentence);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        char below[PATH_MAX], name[PATH_MAX];
        struct stat st;
        int fits = snprintf(below, sizeof below, "%s/%s", full, found[i]->d_name) < (int)sizeof below;
        snprintf(name, sizeof name, "%s%s%s", path, *path ? "/" : "", found[i]->d_name);
        if (state == 0 && fits && lstat(below, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                state = add_folder(a, below, name, depth + 1, err);
            else if (S_ISREG(st.st_mode) && add_kind(name))
                state = add_file(a, below, name, err);
        }
        free(found[i]);
    }
    free(found);
    return state;
}

/* Files that the source has and the folder has not. */
static int remove_gone(struct adding *a, const char *root, struct error *err)
{
    struct source *s = &a->store;
    char last[PATH_MAX] = "";
    int state = 0;
    while (state == 0) {
        sqlite3_stmt *q = source_prepare(s, "SELECT path FROM article WHERE path > ? ORDER BY path LIMIT 1", err);
        struct stat st;
        char full[2 * PATH_MAX];
        if (!q)
            return -1;
        sqlite3_bind_text(q, 1, last, -1, SQLITE_TRANSIENT);
        int found = sqlite3_step(q) == SQLITE_ROW;
        if (found)
            snprintf(last, sizeof last, "%s", (const char *)sqlite3_column_text(q, 0));
        sqlite3_finalize(q);
        if (!found)
            break;
        snprintf(full, sizeof full, "%s/%s", root, last);
        if (lstat(full, &st) && (errno == ENOENT || errno == ENOTDIR)) {
            state = source_remove(s, last, err);
            a->r->n_removed++;
        }
    }
    return state;
}

int add_files(struct adding *a, const char *path, int is_folder, struct error *err)
{
    char root[PATH_MAX], name[PATH_MAX], file[PATH_MAX];
    struct source *s = &a->store;
    if (!is_folder && add_kind(path) == ADD_PDF && pdf_ready(err))
        return -1;
    if (!realpath(path, root))
        return error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if (strlen(root) >= sizeof s->source.path)
        return error_set(err, ERR_INPUT, "%s: its path is longer than the %zu bytes that are kept", path,
                         sizeof s->source.path);
    const char *slash = strrchr(root, '/');
    snprintf(file, sizeof file, "%s", slash + 1);
    if (is_folder)
        snprintf(name, sizeof name, "%s", file);
    else
        title_of(root, name, sizeof name);
    if (add_begin(a, a->o->name ? a->o->name : name, err))
        return -1;
    library_path(name, a->o->dir, a->r->name, 0);
    if (source_open(s, name, a->r->name, 1, err))
        return -1;
    const char *kind = is_folder ? "folder" : "file";
    if (*s->source.kind && (strcmp(s->source.kind, kind) || strcmp(s->source.path, root)))
        return error_set(err, ERR_INPUT, "the library has another source %s, %s; give this one another name: --name N",
                         a->r->name, s->source.path);
    if (*s->source.kind && s->source.rules != TEXT_RULES) { /* all of it is read anew */
        source_close(s);
        library_unlink(name);
        if (source_open(s, name, a->r->name, 1, err))
            return -1;
    }
    if (!*s->source.kind) {
        s->source = (struct source_about){.rules = TEXT_RULES};
        snprintf(s->source.kind, sizeof s->source.kind, "%s", kind);
        memcpy(s->source.path, root, strlen(root) + 1);
        snprintf(s->source.title, sizeof s->source.title, "%s", a->r->name);
    }
    int was_ready = s->source.is_ready;
    s->source.is_ready = 0;
    int state = source_transaction(s, err);
    if (state == 0)
        state = is_folder ? add_folder(a, root, "", 0, err) : add_file(a, root, file, err);
    if (state == 0) {
        if (!is_folder)
            root[slash - root] = 0;
        state = remove_gone(a, root, err);
    }
    if (state == 0 && s->source.n_article == 0)
        state = error_set(err, ERR_INPUT, "%s holds nothing that could be read%s%s", path, a->r->n_skipped ? ": " : "",
                          a->r->skipped[0]);
    s->source.is_ready = 1;
    if (state == 0)
        state = source_commit(s, err);
    a->r->is_unchanged = state == 0 && was_ready && a->r->n_new == 0 && a->r->n_removed == 0;
    return state < 0 ? -1 : 0;
}
