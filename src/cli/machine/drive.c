/* Opening a file to be measured: see drive.h. */
#include "cli/machine/drive.h"

#include "base/error.h"
#include "cli/common/flags.h"
#include "cli/machine/left.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(struct gguf_file *f, const char *path)
{
    struct stat st;
    *f = (struct gguf_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (f->fd < 0 || fstat(f->fd, &st)) {
        fprintf(stderr, "stoker: %s cannot be opened: %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= DRIVE_LEAST) {
        fprintf(stderr, "stoker: %s is not a file larger than %s; name a model\n", path, show_bytes(DRIVE_LEAST));
        return -1;
    }
    f->size = (uint64_t)st.st_size;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->mtime = st.st_mtim;
    return 0;
}

int drive_open(struct drive *d, const char *path)
{
    *d = (struct drive){0};
    if (open_file(&d->file, path) == 0)
        return 0;
    if (d->file.fd >= 0)
        close(d->file.fd);
    return -1;
}

int drive_take_memory(struct drive *d)
{
    struct error err = {0};
    if (!left_for_measuring(DRIVE_MEMORY, "the drive"))
        return -1;
    if (arena_map(&d->memory, DRIVE_MEMORY, &err)) {
        fprintf(stderr, "stoker: the drive is not measured: %s\n", err.text);
        return -1;
    }
    arena_prefault(&d->memory, 0, 1);
    d->scratch = (struct probe_memory){d->memory.base, DRIVE_MEMORY};
    return 0;
}

void drive_close(struct drive *d)
{
    arena_unmap(&d->memory);
    close(d->file.fd);
}

int drive_of_model(char path[PATH_MAX], const char *model)
{
    struct gguf *g;
    struct error err = {0};
    if (gguf_open(&g, model, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        return -1;
    }
    const struct gguf_file *largest = g->file;
    for (int i = 1; i < g->n_file; i++)
        if (g->file[i].size > largest->size)
            largest = &g->file[i];
    int fits = snprintf(path, PATH_MAX, "%s", largest->path) < PATH_MAX;
    if (!fits)
        fprintf(stderr, "stoker: the path of %s is too long\n", model);
    gguf_close(g);
    return fits ? 0 : -1;
}

enum { USUAL_READS = 8 };

/* Larger reads are cut anyway, and are no faster. */
static uint64_t block_of(uint64_t expert)
{
    static const uint64_t most = 8 << 20;
    return expert < most ? expert : most;
}

int drive_most_reads(uint64_t expert)
{
    uint64_t n = DRIVE_MEMORY / (block_of(expert) + PROBE_MARGIN);
    return n < PROBE_DEPTH ? (int)n : PROBE_DEPTH;
}

static int rate_at(const struct drive *d, uint64_t expert, int depth, double *rate)
{
    uint64_t block = block_of(expert), bytes = 1 << 30;
    struct disk_probe found;
    struct error err = {0};
    while (block + DRIVE_LEAST > d->file.size)
        block /= 2;
    uint64_t seed = (uint64_t)depth; /* other places at another depth: those that were read may be in a cache */
    bytes = bytes < d->file.size ? bytes : d->file.size;
    if (disk_probe(&d->file, block, depth, bytes, seed, &d->scratch, &found, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        return -1;
    }
    *rate = found.bytes_per_second;
    return 0;
}

int drive_rate(const struct drive *d, uint64_t expert, double *rate) { return rate_at(d, expert, USUAL_READS, rate); }

/* With the memory for measuring it. */
static int open_model(struct drive *d, char path[PATH_MAX], const char *model)
{
    if (drive_of_model(path, model) || drive_open(d, path))
        return -1;
    if (drive_take_memory(d) == 0)
        return 0;
    drive_close(d);
    return -1;
}

int drive_rate_of_model(const char *model, uint64_t expert, double *rate)
{
    char path[PATH_MAX];
    struct drive d;
    if (open_model(&d, path, model))
        return -1;
    int failed = drive_rate(&d, expert, rate);
    drive_close(&d);
    return failed;
}

int drive_roof_of_model(const char *model, uint64_t expert, double *rate)
{
    char path[PATH_MAX];
    struct drive d;
    double usual, deep;
    if (open_model(&d, path, model))
        return -1;
    int failed = drive_rate(&d, expert, &usual) || rate_at(&d, expert, drive_most_reads(expert), &deep);
    drive_close(&d);
    if (!failed)
        *rate = usual > deep ? usual : deep;
    return failed ? -1 : 0;
}
