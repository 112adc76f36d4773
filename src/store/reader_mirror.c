/* Second copies of the model's files (--mirror DIR): found by their names and compared with the first ones.
 *
 * A copy is one when its size, its header and 64 blocks at random places are the same: what a copy that was broken off, another
 * quantisation or another model fails. This is no proof that all bytes are equal. Reads for the comparison go through
 * the page cache and are dropped from it. */
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "store/reader_backend.h"
#include "store/reader_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 64 };

static int open_copy(struct gguf_file *to, const struct gguf_file *first, const char *dir, struct error *err)
{
    const char *slash = strrchr(first->path, '/'), *name = slash ? slash + 1 : first->path;
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    struct stat st;
    if (!path)
        return error_set(err, ERR_MEMORY, "no memory for the name of a mirror");
    snprintf(path, size, "%s/%s", dir, name);
    *to = (struct gguf_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC), .data_start = first->data_start};
    if (to->fd < 0 || fstat(to->fd, &st) != 0)
        return error_set(err, ERR_IO, "--mirror: %s cannot be opened: %s", path, strerror(errno));
    to->size = (uint64_t)st.st_size;
    to->dev = st.st_dev;
    to->ino = st.st_ino;
    to->mtime = st.st_mtim;
    if (to->dev == first->dev && to->ino == first->ino)
        return error_set(err, ERR_INPUT, "--mirror: %s is the model itself; name a folder with a copy of it", path);
    if (to->size != first->size)
        return error_set(err, ERR_FORMAT, "--mirror: %s has %llu bytes, the model %llu; copy it again", path,
                         (unsigned long long)to->size, (unsigned long long)first->size);
    return 0;
}

/* Are length bytes at offset the same? 1, 0, or -1: unreadable. */
static int same(const struct gguf_file *a, const struct gguf_file *b, uint64_t offset, size_t length)
{
    uint8_t x[BLOCK], y[BLOCK];
    if (pread(a->fd, x, length, (off_t)offset) != (ssize_t)length ||
        pread(b->fd, y, length, (off_t)offset) != (ssize_t)length)
        return -1;
    file_drop_cache(a->fd, offset, length);
    file_drop_cache(b->fd, offset, length);
    return memcmp(x, y, length) == 0;
}

static int compare(const struct gguf_file *first, const struct gguf_file *copy, struct error *err)
{
    uint64_t header = first->data_start < first->size ? first->data_start : first->size, at = 0;
    int is = 1;
    for (uint64_t next = 0; is == 1 && next < header; next += BLOCK) {
        at = next;
        is = same(first, copy, at, header - at < BLOCK ? (size_t)(header - at) : BLOCK);
    }
    for (uint64_t i = 0; is == 1 && i < BLOCKS && first->size > BLOCK; i++) {
        at = rng_u64((uint64_t)first->ino, i, 0, 0) % (first->size - BLOCK);
        is = same(first, copy, at, BLOCK);
    }
    if (is == 1)
        return 0;
    if (is < 0)
        return error_set(err, ERR_IO, "--mirror: reading %s for comparison failed: %s", copy->path, strerror(errno));
    return error_set(err, ERR_FORMAT, "--mirror: %s differs from the model near byte %llu; copy it again", copy->path,
                     (unsigned long long)at);
}

int reader_mirror_open(struct reader_files *f, const struct reader_options *opt, struct error *err)
{
    for (int i = 0; i < f->n; i++)
        f->mirror[i] = (struct gguf_file){.fd = -1};
    for (int i = 0; i < f->n; i++)
        if (open_copy(&f->mirror[i], &f->file[i], opt->mirror, err) != 0 ||
            compare(&f->file[i], &f->mirror[i], err) != 0)
            return -1;
    f->n_copy = 2;
    return 0;
}

void reader_mirror_close(struct reader_files *f)
{
    for (int i = 0; f->mirror && i < f->n; i++) {
        if (f->mirror[i].fd >= 0)
            close(f->mirror[i].fd);
        free((char *)f->mirror[i].path);
    }
    f->mirror = NULL;
}
