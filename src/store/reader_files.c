/* Descriptors, alignment, changes: see reader_files.h.
 *
 * A = the largest of stx_dio_offset_align, stx_dio_mem_align and 512, by statx(STATX_DIOALIGN) (Linux 6.1); 4096 where the file
 * system does not say. A file that asks for more than 4096 is read buffered: every buffer of ours is aligned to 4096. */
#include "store/reader_files.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/log.h"
#include "store/reader.h"
#include "store/reader_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 4096 };

/* The tables of f->n files; -1: mem is too small. Writes nothing but *f, so mem may be a measuring arena. */
static int place_tables(struct reader_files *f, const struct reader_options *opt, struct arena *mem)
{
    size_t n = (size_t)f->n * (opt->mirror ? 2 : 1);
    f->direct = arena_array(mem, n, sizeof(int));
    f->buffered = arena_array(mem, n, sizeof(int));
    f->refused = arena_array(mem, n, sizeof(int));
    f->warned = arena_array(mem, n, 1);
    f->drive = arena_array(mem, n, 1);
    f->mirror = opt->mirror ? arena_array(mem, (size_t)f->n, sizeof *f->mirror) : NULL;
    return f->direct && f->buffered && f->refused && f->warned && f->drive && (f->mirror || !opt->mirror) ? 0 : -1;
}

uint64_t reader_files_bytes(const struct reader_options *opt)
{
    struct reader_files most = {.n = READER_MAX_FILES};
    struct arena measure;
    arena_init_measuring(&measure);
    place_tables(&most, opt, &measure);
    return arena_measured(&measure);
}

/* What the file system says; 0: it does not. */
static uint32_t stated_align(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) == 0 && (x.stx_mask & STATX_DIOALIGN) &&
        x.stx_dio_offset_align >= 512)
        return x.stx_dio_offset_align > x.stx_dio_mem_align ? x.stx_dio_offset_align : x.stx_dio_mem_align;
#endif
    (void)fd;
    return 0;
}

static uint32_t align_of(int fd)
{
    uint32_t a = stated_align(fd);
    return a ? a : LARGEST;
}

uint32_t reader_align_of(const struct gguf_file *file, int n_file)
{
    uint32_t a = 512;
    for (int i = 0; i < n_file; i++) {
        uint32_t b = align_of(file[i].fd);
        if (b > a)
            a = b;
    }
    return a < LARGEST ? a : LARGEST;
}

/* The open file once more, as a description of its own (flags, readahead). Its path will do where /proc is missing, if it is
 * still the same file. */
static int reopen(const struct gguf_file *file, int flags)
{
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", file->fd);
    int fd = open(proc, O_RDONLY | O_CLOEXEC | flags);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(file->path, O_RDONLY | O_CLOEXEC | flags);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_dev != file->dev || st.st_ino != file->ino)) {
        close(fd);
        fd = -1;
        errno = ESTALE;
    }
    return fd;
}

int reader_file_direct(const struct gguf_file *file, uint32_t *align)
{
    _Alignas(LARGEST) uint8_t block[LARGEST];
    *align = reader_align_of(file, 1);
    if (stated_align(file->fd) > LARGEST)
        return 0;
    int fd = reopen(file, O_DIRECT);
    if (fd < 0)
        return errno != EINVAL; /* other errors are reported when it is opened */
    int direct = pread(fd, block, sizeof block, 0) >= 0 || errno != EINVAL;
    close(fd);
    return direct;
}

static void say_buffered(const struct reader_files *f, int copy_index)
{
    log_line(LOG_WARN,
             "%s: O_DIRECT is refused here, so reads go through the page cache; each range is dropped after use",
             reader_file_name(f, copy_index));
}

static int open_copy_of(struct reader_files *f, int copy_index, int buffered_only, struct error *err)
{
    const struct gguf_file *file = reader_file(f, copy_index);
    f->buffered[copy_index] = reopen(file, 0);
    if (f->buffered[copy_index] < 0)
        return error_set(err, ERR_IO, "%s: opening it for reading failed: %s", file->path, strerror(errno));
    /* exactly what is asked for, no readahead into the page cache */
    posix_fadvise(f->buffered[copy_index], 0, 0, POSIX_FADV_RANDOM);
    if (buffered_only)
        return 0;
    /* slots are laid out by the first copies' alignment: a second one that wants more is read buffered */
    uint32_t most = copy_index < f->n ? LARGEST : reader_align_of(f->file, f->n);
    uint32_t align = stated_align(f->buffered[copy_index]);
    if (align > most) {
        log_line(LOG_WARN,
                 "%s: O_DIRECT wants reads aligned to %u bytes here, so reads go through the page cache; each "
                 "range is dropped after use",
                 reader_file_name(f, copy_index), align);
        return 0;
    }
    f->direct[copy_index] = reopen(file, O_DIRECT);
    if (f->direct[copy_index] >= 0)
        return 0;
    if (errno != EINVAL)
        return error_set(err, ERR_IO, "%s: opening it with O_DIRECT failed: %s", file->path, strerror(errno));
    say_buffered(f, copy_index);
    return 0;
}

static void find_drive(struct reader_files *f, int copy_index)
{
    dev_t dev = reader_file(f, copy_index)->dev;
    int d = 0;
    while (d < f->n_drive && f->dev[d] != dev)
        d++;
    if (d == READER_MAX_DRIVES)
        d--;
    if (d == f->n_drive) {
        f->dev[f->n_drive] = dev;
        f->rate[f->n_drive++] = 1;
    }
    f->drive[copy_index] = (uint8_t)d;
}

int reader_files_open(struct reader_files *f, const struct gguf_file *file, int n, const struct reader_options *opt,
                      struct arena *mem, struct error *err)
{
    *f = (struct reader_files){.file = file, .n_copy = 1};
    if (n > READER_MAX_FILES)
        return error_set(err, ERR_UNSUPPORTED, "%s is split into %d files; at most %d can be open, join them",
                         file->path, n, READER_MAX_FILES);
    f->n = n;
    if (place_tables(f, opt, mem) != 0)
        return error_set(err, ERR_BUG, "the plan gave the reader less than it asked for");
    for (int i = 0; i < n * (opt->mirror ? 2 : 1); i++) {
        f->direct[i] = f->buffered[i] = f->refused[i] = -1;
        f->warned[i] = 0;
    }
    int rc = opt->mirror ? reader_mirror_open(f, opt, err) : 0;
    for (int i = 0; i < f->n * f->n_copy && rc == 0; i++) {
        find_drive(f, i);
        rc = open_copy_of(f, i, opt->backend == READER_BUFFERED, err);
    }
    if (rc != 0)
        reader_files_close(f);
    return rc;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void reader_files_close(struct reader_files *f)
{
    for (int i = 0; i < f->n * f->n_copy; i++) {
        close_if_open(f->direct[i]);
        close_if_open(f->buffered[i]);
        close_if_open(f->refused[i]);
    }
    reader_mirror_close(f);
    f->n = 0;
}

void reader_files_refuse_direct(struct reader_files *f, int copy_index)
{
    if (f->direct[copy_index] < 0)
        return;
    f->refused[copy_index] = f->direct[copy_index];
    f->direct[copy_index] = -1;
    say_buffered(f, copy_index);
}

int reader_files_any_direct(const struct reader_files *f)
{
    for (int i = 0; i < f->n * f->n_copy; i++)
        if (f->direct[i] >= 0)
            return 1;
    return 0;
}

int reader_file_size(const struct reader_files *f, int copy_index, uint64_t *size)
{
    struct stat st;
    if (fstat(f->buffered[copy_index], &st) != 0)
        return -1;
    *size = (uint64_t)st.st_size;
    return 0;
}

const char *reader_file_name(const struct reader_files *f, int copy_index)
{
    const char *path = reader_file(f, copy_index)->path, *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The name leads elsewhere now: no harm, the opened file stays. */
static void check_name(struct reader_files *f, int copy_index)
{
    const struct gguf_file *file = reader_file(f, copy_index);
    struct stat st;
    int there = stat(file->path, &st) == 0;
    if (f->warned[copy_index] || (there && st.st_dev == file->dev && st.st_ino == file->ino))
        return;
    f->warned[copy_index] = 1;
    log_line(LOG_WARN, "%s was %s while in use; the opened file goes on being used", file->path,
             there ? "replaced" : "removed");
}

int reader_files_check(struct reader_files *f, struct error *err)
{
    for (int i = 0; i < f->n * f->n_copy; i++) {
        const struct gguf_file *file = reader_file(f, i);
        struct stat st;
        if (fstat(f->buffered[i], &st) != 0)
            return error_set(err, ERR_IO, "%s: %s; restart stoker", file->path, strerror(errno));
        if ((uint64_t)st.st_size != file->size || st.st_mtim.tv_sec != file->mtime.tv_sec ||
            st.st_mtim.tv_nsec != file->mtime.tv_nsec)
            return error_set(err, ERR_IO, "%s changed while in use; restart stoker", file->path);
        check_name(f, i);
    }
    return 0;
}
