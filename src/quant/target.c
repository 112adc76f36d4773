/* See target.h. */
#include "quant/target.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

uint64_t target_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

/* No file that is read may be written, under any of its names. */
static int check_name(const struct quant_job *j, const char *path, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENAMETOOLONG ? error_set(err, ERR_INPUT, "%.100s..: the name is too long", path) : 0;
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERR_INPUT, "%s is a folder; name a file in it", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "%s is no regular file", path);
    const char *const read[] = {j->options->imatrix, j->options->recipe};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (read[i] && file_is_same(path, read[i]))
            return error_set(err, ERR_INPUT, "%s is %s, which is read; name another file", path, read[i]);
    for (int i = 0; i < j->in->n_file; i++)
        if (st.st_dev == j->in->file[i].dev && st.st_ino == j->in->file[i].ino)
            return error_set(err, ERR_INPUT, "%s is %s itself, which is read; name another file", path,
                             j->in->file[i].path);
    return 0;
}

/* What is there already of the output takes no more. */
static int check_space(const struct quant_job *j, struct error *err)
{
    const char *out = j->options->out, *slash = strrchr(out, '/');
    char *folder = slash ? strndup(out, (size_t)(slash - out) + 1) : strdup(".");
    struct statvfs fs;
    struct stat st;
    uint64_t there = 0;
    int known = folder && statvfs(folder, &fs) == 0;
    int missing = folder && !known && errno == ENOENT;
    free(folder);
    if (missing)
        return error_set(err, ERR_INPUT, "%s: there is no such folder", out);
    for (int i = 0; i < j->n_part; i++)
        there += stat(j->part[i].temporary, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    uint64_t space = known ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
    if (space >= j->n_bytes || j->n_bytes - space <= there)
        return 0;
    return error_set(err, ERR_INPUT, "%s: the disk has %" PRIu64 " MiB left, and the output takes %" PRIu64 " MiB", out,
                     space >> 20, (j->n_bytes - there + (1 << 20) - 1) >> 20);
}

int target_check(const struct quant_job *j, int may_be_there, struct error *err)
{
    if (check_name(j, j->journal, err))
        return -1;
    for (int i = 0; i < j->n_part; i++) {
        const struct quant_part *p = &j->part[i];
        if (check_name(j, p->path, err) || check_name(j, p->temporary, err))
            return -1;
        if (!may_be_there && !j->options->force && target_bytes(p->path) != UINT64_MAX)
            return error_set(err, ERR_INPUT, "%s is there already; --force replaces it", p->path);
    }
    return may_be_there ? 0 : check_space(j, err);
}

int target_check_foreign(const struct quant_job *j, struct error *err)
{
    for (int i = 0; i < j->n_part; i++)
        if (!j->options->force && target_bytes(j->part[i].temporary) != UINT64_MAX)
            return error_set(err, ERR_INPUT,
                             "%s is there, and no %s says whose it is; move it away, or --force replaces it",
                             j->part[i].temporary, j->journal);
    return 0;
}
