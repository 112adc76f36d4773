/* Conversations in files: see saved.h. */
#include "cli/chat/saved.h"

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/chat/chat.h"
#include "cli/chat/prompt.h"
#include "cli/common/user_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MOST = 100, ASIDE_MOST = 1000 };

static int is_conversation(const json_t *m)
{
    size_t i;
    const json_t *one;
    int good = json_is_array(m);
    json_array_foreach(m, i, one) good = good && json_is_string(json_object_get(one, "role"));
    return good;
}

/* The number behind the greatest of the ids that calls of earlier answers have from us: those of later ones must be others. */
static int next_call(const json_t *messages)
{
    size_t i, k;
    const json_t *one, *call;
    int next = 0;
    json_array_foreach(messages, i, one) json_array_foreach(json_object_get(one, "tool_calls"), k, call)
    {
        const char *id = json_string_value(json_object_get(call, "id"));
        int number, end = 0;
        if (id && sscanf(id, "call_%9d%n", &number, &end) == 1 && !id[end] && number >= next)
            next = number + 1;
    }
    return next;
}

int saved_read(struct chat *c, const char *path)
{
    struct error err = {0};
    json_error_t why = {0};
    size_t n;
    char *text = file_read_regular(path, PROMPT_MOST, &n, &err);
    json_t *m = text ? json_loadb(text, n, JSON_ALLOW_NUL, &why) : NULL;
    int good = is_conversation(m);
    if (!text)
        fprintf(stderr, "%s\n", err.text);
    else if (!good)
        fprintf(stderr, "%s: %s\n", path, m ? "is no list of messages as /save writes it" : why.text);
    if (good && conversation_put_aside(c) == 0) {
        json_decref(c->message);
        c->message = json_incref(m);
        c->n_call = next_call(m);
        tools_follow(&c->tools, m);
    } else {
        good = 0;
    }
    json_decref(m);
    free(text);
    return good ? 0 : -1;
}

/* A whole file in place of the one at path, which may be none yet. */
static int replace_file(const json_t *m, const char *path, mode_t mode)
{
    char part[PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.XXXXXX", path);
    int fd = mkstemp(part);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    int failed = !f || fchmod(fd, mode) || json_dumpf(m, f, JSON_INDENT(2) | JSON_PRESERVE_ORDER) || fflush(f) ||
                 fsync(fd) || rename(part, path);
    int why = errno;
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    if (failed && fd >= 0)
        unlink(part);
    errno = why;
    return failed ? -1 : 0;
}

/* Only what is a file can be replaced; what a link leads to is, not the link. */
int saved_write(const struct chat *c, const char *path)
{
    struct stat st, link;
    char whole[PATH_MAX];
    int is_there = stat(path, &st) == 0, is_other = is_there ? !S_ISREG(st.st_mode) : lstat(path, &link) == 0;
    int failed = is_there && access(path, W_OK) != 0;
    if (!failed && is_other)
        failed = json_dump_file(c->message, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    else if (!failed)
        failed = replace_file(c->message, realpath(path, whole) ? whole : path, is_there ? st.st_mode & 0777 : 0600);
    if (failed)
        fprintf(stderr, "%s cannot be written: %s\n", path, strerror(errno));
    return failed ? -1 : 0;
}

/* ---- conversations that have a name ---------------------------------------------------------------------------------------- */

static int is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MOST && *name != '.' && strspn(name, allowed) == n;
}

/* Its path, and its lock, until conversation_close(). */
static int conversation_hold(struct conversation *s, const char *name)
{
    char file[NAME_MOST + 32], lock[PATH_MAX + 8];
    *s->path = 0;
    if (!is_name(name)) {
        fprintf(stderr,
                "stoker run: --session (and --forget) is a name of at most %d letters, digits, '.', '_' and '-' that "
                "does not begin with "
                "'.'; files of your own: /save and /load\n",
                NAME_MOST);
        return 2;
    }
    snprintf(file, sizeof file, "sessions/%s.json", name);
    if (user_path(s->path, USER_STATE, file)) {
        *s->path = 0;
        fprintf(stderr, "stoker run: --session needs a place: set HOME or XDG_STATE_HOME\n");
        return 1;
    }
    snprintf(lock, sizeof lock, "%s.lock", s->path);
    s->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        fprintf(stderr, "stoker run: --session %s: %s cannot be written: %s\n", name, lock, strerror(errno));
    else if (flock(s->lock, LOCK_EX | LOCK_NB))
        fprintf(stderr, "stoker run: --session %s is open in another stoker; end that one, or take another name\n",
                name);
    else
        return 0;
    conversation_close(s);
    return 1;
}

int conversation_open(struct conversation *s, struct chat *c, const char *name)
{
    struct stat st;
    int status = conversation_hold(s, name);
    if (status == 0 && stat(s->path, &st) == 0 && saved_read(c, s->path)) {
        conversation_close(s);
        status = 1;
    }
    return status;
}

void conversation_write(struct conversation *s, struct chat *c)
{
    const int is_begun = json_array_size(c->message) > 0 || access(s->path, F_OK) == 0;
    if (*s->path && is_begun)
        s->is_behind = saved_write(c, s->path) != 0;
}

/* What was put aside. How many files there were. */
static int remove_asides(const struct conversation *s)
{
    char aside[PATH_MAX + 16];
    int n = 0;
    for (int i = 1; i < ASIDE_MOST; i++) {
        snprintf(aside, sizeof aside, "%s.%d", s->path, i);
        n += unlink(aside) == 0;
    }
    return n;
}

int conversation_forget(const char *name)
{
    char lock[PATH_MAX + 8];
    struct conversation s;
    struct stat st;
    int status = conversation_hold(&s, name);
    if (status)
        return status;
    snprintf(lock, sizeof lock, "%s.lock", s.path);
    int is_removed = lstat(s.path, &st) == 0 && unlink(s.path) == 0, why = is_removed ? 0 : errno;
    if (is_removed || why == ENOENT)
        is_removed |= remove_asides(&s) > 0;
    if (!is_removed)
        fprintf(stderr, "stoker run: --forget %s: %s; --sessions lists what is kept\n", name,
                why == ENOENT ? "there is no such conversation" : strerror(why));
    unlink(lock);
    conversation_close(&s);
    return !is_removed;
}

int conversation_put_aside(const struct chat *c)
{
    const struct conversation *s = &c->conversation;
    char aside[PATH_MAX + 16];
    int failed = -1;
    if (!*s->path || json_array_size(c->message) == chat_has_system(c))
        return 0;
    for (int i = 1; failed && i < ASIDE_MOST; i++) {
        snprintf(aside, sizeof aside, "%s.%d", s->path, i);
        failed = renameat2(AT_FDCWD, s->path, AT_FDCWD, aside, RENAME_NOREPLACE);
        if (failed && errno == ENOENT) /* nothing was kept yet */
            return 0;
        if (failed && errno != EEXIST)
            break;
    }
    if (failed)
        fprintf(stderr, "stoker: %s cannot be put aside: %s\n", s->path, strerror(errno));
    else
        fprintf(stderr, "what was said before is in %s (/load brings it back)\n", aside);
    return failed;
}

void conversation_close(struct conversation *s)
{
    if (*s->path && s->lock >= 0)
        close(s->lock);
    *s->path = 0;
}

/* ---- a list of them ---------------------------------------------------------------------------------------------------------- */

void message_in_short(char *out, size_t n, const struct json_t *message)
{
    const char *text = json_string_value(json_object_get(message, "content"));
    size_t length = text ? strlen(text) : 0, cut = length < n ? length : n - 4;
    while (cut < length && cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
        cut--;
    snprintf(out, n, "%.*s%s", (int)cut, text ? text : "", cut < length ? "..." : "");
    for (char *c = out; *c; c++)
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    utf8_make_plain(out);
}

struct listed {
    char name[NAME_MOST + 1];
    struct timespec used;
};

static int later_first(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? 1 : -1;
    return (x->used.tv_nsec < y->used.tv_nsec) - (x->used.tv_nsec > y->used.tv_nsec);
}

/* 1: a name was taken from an entry of the folder. */
static int take_name(struct listed *out, int folder, const char *entry)
{
    struct stat st;
    size_t n = strlen(entry), end = strlen(".json");
    if (n <= end || n - end > NAME_MOST || strcmp(entry + n - end, ".json") != 0)
        return 0;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(n - end), entry);
    if (!is_name(out->name) || fstatat(folder, entry, &st, 0) || !S_ISREG(st.st_mode))
        return 0;
    out->used = st.st_mtim;
    return 1;
}

/* malloc'd; NULL with *n 0: there are none. */
static struct listed *names_in(const char *path, size_t *n)
{
    struct listed *all = NULL;
    size_t cap = 0;
    DIR *folder = opendir(path);
    *n = 0;
    for (struct dirent *d; folder && (d = readdir(folder));) {
        if (*n == cap) {
            struct listed *grown = realloc(all, (cap = cap ? 2 * cap : 64) * sizeof *all);
            if (!grown)
                break;
            all = grown;
        }
        *n += (size_t)take_name(&all[*n], dirfd(folder), d->d_name);
    }
    if (folder)
        closedir(folder);
    if (*n > 0)
        qsort(all, *n, sizeof *all, later_first);
    return all;
}

static void list_one(FILE *f, const char *folder, const struct listed *l)
{
    char path[PATH_MAX + NAME_MOST + 8], when[32], begins[64];
    struct tm local;
    size_t i, length;
    const json_t *one, *first = NULL;
    struct error ignored = {0};
    snprintf(path, sizeof path, "%s%s.json", folder, l->name);
    char *text = file_read_regular(path, PROMPT_MOST, &length, &ignored);
    json_t *m = text ? json_loadb(text, length, JSON_ALLOW_NUL, NULL) : NULL;
    json_array_foreach(m, i, one)
    {
        const char *role = json_string_value(json_object_get(one, "role"));
        if (!first && role && strcmp(role, "user") == 0)
            first = one;
    }
    message_in_short(begins, sizeof begins, first);
    if (!localtime_r(&l->used.tv_sec, &local) || strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local) == 0)
        when[0] = 0;
    fprintf(f, "%-20s %4zu  %s  %s\n", l->name, json_array_size(m), when, m ? begins : "(damaged)");
    json_decref(m);
    free(text);
}

int conversations_list(FILE *f)
{
    char folder[PATH_MAX];
    size_t n;
    if (user_path(folder, USER_STATE, "sessions/")) {
        fprintf(stderr, "stoker run: --sessions needs a place: set HOME or XDG_STATE_HOME\n");
        return 1;
    }
    struct listed *all = names_in(folder, &n);
    for (size_t i = 0; i < n; i++)
        list_one(f, folder, &all[i]);
    if (n == 0)
        fprintf(stderr, "no conversation is kept yet; stoker run --session NAME keeps one\n");
    free(all);
    return 0;
}
