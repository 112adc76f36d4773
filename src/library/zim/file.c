/* See file.h. */
#include "library/zim/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS_MOST = 26 * 26 };

/* Another part, where there is one: 1, or 0, or -1 with the sentence. */
static int add_part(struct zim_file *f, const char *path, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe without a writer would be waited for */
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st)) {
        error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error_set(err, ERR_INPUT, "%s is not a regular file", path);
    } else {
        f->part[f->n_part++] = (struct zim_part){fd, f->size, (uint64_t)st.st_size};
        f->size += (uint64_t)st.st_size;
        return 1;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* x.zimaa, x.zimab, .. of the name x.zim. */
static int add_parts(struct zim_file *f, const char *stem, struct error *err)
{
    size_t cap = strlen(stem) + 3;
    char *path = malloc(cap);
    int found = path ? 1 : error_set(err, ERR_MEMORY, "no memory for the names of parts");
    for (int i = 0; found == 1 && i < PARTS_MOST; i++) {
        snprintf(path, cap, "%s%c%c", stem, 'a' + i / 26, 'a' + i % 26);
        found = add_part(f, path, err);
    }
    free(path);
    return found < 0 ? -1 : f->n_part > 0;
}

int zim_file_open(struct zim_file *f, const char *path, struct error *err)
{
    const char *name = strrchr(path, '/');
    size_t n = strlen(path);
    *f = (struct zim_file){.part = calloc(PARTS_MOST, sizeof *f->part)};
    snprintf(f->name, sizeof f->name, "%s", name ? name + 1 : path);
    if (!f->part)
        return error_set(err, ERR_MEMORY, "no memory to open %s", f->name);
    int found;
    if (n > 6 && strcmp(path + n - 6, ".zimaa") == 0) {
        char *stem = strndup(path, n - 2);
        found = stem ? add_parts(f, stem, err) : error_set(err, ERR_MEMORY, "no memory to open %s", f->name);
        free(stem);
    } else {
        found = add_part(f, path, err);
        if (found == 0)
            found = add_parts(f, path, err);
    }
    if (found == 0)
        error_set(err, ERR_IO, "%s: %s", path, strerror(ENOENT));
    if (found != 1)
        zim_file_close(f);
    return found == 1 ? 0 : -1;
}

void zim_file_close(struct zim_file *f)
{
    for (int i = 0; i < f->n_part; i++)
        close(f->part[i].fd);
    free(f->part);
    f->part = NULL;
    f->n_part = 0;
}

int zim_file_read(const struct zim_file *f, uint64_t offset, void *out, size_t n, struct error *err)
{
    uint8_t *to = out;
    for (int i = 0; n > 0 && i < f->n_part; i++) {
        const struct zim_part *p = &f->part[i];
        while (n > 0 && offset >= p->from && offset - p->from < p->size) {
            uint64_t rest = p->size - (offset - p->from);
            ssize_t got = pread(p->fd, to, n < rest ? n : (size_t)rest, (off_t)(offset - p->from));
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                return error_set(err, ERR_IO, "%s: reading at byte %" PRIu64 ": %s", f->name, offset, strerror(errno));
            if (got == 0)
                return error_set(err, ERR_IO, "%s ends at byte %" PRIu64 ": it was cut while it was read", f->name,
                                 offset);
            to += got;
            n -= (size_t)got;
            offset += (uint64_t)got;
        }
    }
    return n ? error_set(err, ERR_FORMAT, "%s: byte %" PRIu64 " is behind its end", f->name, offset) : 0;
}

const uint8_t *zim_window(struct zim_window *w, const struct zim_file *f, uint64_t offset, size_t most, size_t *n,
                          struct error *err)
{
    if (offset >= f->size) {
        error_set(err, ERR_FORMAT, "%s: byte %" PRIu64 " is behind its end", f->name, offset);
        return NULL;
    }
    uint64_t rest = f->size - offset;
    size_t need = most < rest ? most : (size_t)rest;
    if (offset < w->at || offset - w->at > w->n || w->n - (size_t)(offset - w->at) < need) {
        size_t k = rest < ZIM_WINDOW ? (size_t)rest : ZIM_WINDOW;
        w->n = 0;
        if (zim_file_read(f, offset, w->bytes, k, err))
            return NULL;
        w->at = offset;
        w->n = k;
    }
    *n = w->n - (size_t)(offset - w->at);
    return w->bytes + (offset - w->at);
}
