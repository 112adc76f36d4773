/* The folder OUT.part while an autoencoder is trained, and the state in it that --resume goes on from: all parameters and moments behind
 * some batch, which with the same rows and options decide everything that follows. See inside.h.
 *
 *     struct head, then parameters.block; written beside the one before, then given its name */
#include "study/sae/inside.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char state_name[] = "train.state", new_name[] = "train.state.part";

struct head {
    char magic[8];
    uint64_t config, step, bytes, hash; /* config: of rows and options; hash: of the block */
};
static const char magic[8] = "stksae1\n";

/* Whatever decides the result. */
static uint64_t config_of(const struct training *t)
{
    const struct train_options *o = t->o;
    char text[512];
    int n = snprintf(text, sizeof text,
                     "%016" PRIx64 " %" PRIu64 " %d %d | %d %d %d %d %a %a %" PRIu64 " %" PRIu64 " %d", t->rows.hash,
                     t->rows.n, t->rows.n_embd, t->rows.layer, t->n_feature, o->k, o->batch, o->epochs, t->rate, o->aux,
                     o->dead, o->seed, o->starts_at_zero);
    return hash64(text, (size_t)n, 0);
}

static int fail(struct training *t, const char *name, const char *what)
{
    return error_set(t->err, ERR_IO, "%s%s%s %s: %s", t->part, *name ? "/" : "", name, what, strerror(errno));
}

/* ---- the folder --------------------------------------------------------------------------------------------------------------- */

static int name_part(struct training *t)
{
    size_t n = strlen(t->o->out);
    while (n > 1 && t->o->out[n - 1] == '/')
        n--;
    if (n == 0 || n > sizeof t->part - 8)
        return error_set(t->err, ERR_INPUT, "-o: a folder is expected, whose path is not longer than %zu bytes",
                         sizeof t->part - 8);
    snprintf(t->part, sizeof t->part, "%.*s.part", (int)n, t->o->out);
    return 0;
}

int state_open(struct training *t)
{
    struct stat st;
    if (name_part(t))
        return -1;
    if (lstat(t->o->out, &st) == 0)
        return error_set(t->err, ERR_INPUT, "%s is there already: remove it, or write to another folder", t->o->out);
    if (mkdir(t->part, 0777) && errno != EEXIST)
        return fail(t, "", "cannot be made");
    t->folder = open(t->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (t->folder < 0)
        return fail(t, "", "cannot be opened");
    if (flock(t->folder, LOCK_EX | LOCK_NB))
        return fail(t, "", errno == EWOULDBLOCK ? "is being written by another run" : "cannot be locked");
    t->has_state = fstatat(t->folder, state_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (t->has_state && !t->o->resume)
        return error_set(t->err, ERR_INPUT,
                         "%s holds a training that was interrupted: --resume goes on with it; without it the folder is "
                         "to be removed first",
                         t->part);
    return 0;
}

void state_close(struct training *t)
{
    if (t->folder < 0)
        return;
    unlinkat(t->folder, new_name, 0);
    if (!t->has_state)
        rmdir(t->part);
    close(t->folder);
    t->folder = -1;
}

int state_finish(struct training *t)
{
    if (fsync(t->folder))
        return fail(t, "", "cannot be written");
    if (rename(t->part, t->o->out))
        return fail(t, "", "cannot be renamed");
    t->has_state = 1; /* the folder stays */
    unlinkat(t->folder, state_name, 0);
    return 0;
}

/* ---- the state ---------------------------------------------------------------------------------------------------------------- */

static int read_all(int fd, void *to, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

static int load(struct training *t, int fd)
{
    struct head h;
    if (read_all(fd, &h, sizeof h, 0) || memcmp(h.magic, magic, sizeof magic) != 0)
        return error_set(t->err, ERR_FORMAT, "%s/%s is no state of a training: remove the folder to begin anew",
                         t->part, state_name);
    if (h.config != config_of(t) || h.bytes != t->q.bytes || h.step > t->n_step)
        return error_set(
            t->err, ERR_INPUT,
            "%s/%s is of a training of other rows or with other options: give the same ones, or remove the "
            "folder",
            t->part, state_name);
    if (read_all(fd, t->q.block, (size_t)t->q.bytes, sizeof h) || hash64(t->q.block, (size_t)t->q.bytes, 0) != h.hash)
        return error_set(t->err, ERR_FORMAT, "%s/%s is damaged: remove the folder to begin anew", t->part, state_name);
    t->step = t->resumed = t->saved = h.step;
    return 1;
}

int state_load(struct training *t)
{
    if (!t->has_state)
        return 0;
    int fd = openat(t->folder, state_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail(t, state_name, "cannot be opened");
    int got = load(t, fd);
    close(fd);
    t->watch->is_resumable = got > 0;
    return got;
}

int state_write(struct training *t, int fd, const char *name, const void *from, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(fd, (const char *)from + done, n - done, (off_t)(at + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;
        if (put <= 0)
            return fail(t, name, "cannot be written");
        done += (size_t)put;
    }
    return 0;
}

int state_save(struct training *t)
{
    struct head h = {.config = config_of(t),
                     .step = t->step,
                     .bytes = t->q.bytes,
                     .hash = hash64(t->q.block, (size_t)t->q.bytes, 0)};
    memcpy(h.magic, magic, sizeof magic);
    int fd = openat(t->folder, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return fail(t, new_name, "cannot be written");
    int failed = state_write(t, fd, new_name, &h, sizeof h, 0) ||
                 state_write(t, fd, new_name, t->q.block, (size_t)t->q.bytes, sizeof h);
    if (!failed && fsync(fd))
        failed = fail(t, new_name, "cannot be written");
    close(fd);
    if (!failed && renameat(t->folder, new_name, t->folder, state_name))
        failed = fail(t, new_name, "cannot be renamed");
    if (failed)
        return -1;
    t->has_state = t->watch->is_resumable = 1;
    t->saved = t->step;
    return 0;
}
