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

uint64_t reader_files_bytes(void)
{
    return 3 * round_up(READER_MAX_FILES * sizeof(int), 64) + round_up(READER_MAX_FILES, 64);
}

static uint32_t align_of(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) == 0 && (x.stx_mask & STATX_DIOALIGN) &&
        x.stx_dio_offset_align >= 512) {
        uint32_t a = x.stx_dio_offset_align > x.stx_dio_mem_align ? x.stx_dio_offset_align : x.stx_dio_mem_align;
        return a;
    }
#endif
    (void)fd;
    return LARGEST;
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

static void say_buffered(const struct reader_files *f, int i)
{
    log_line(LOG_WARN,
             "%s: O_DIRECT is refused here, so reads go through the page cache; each range is dropped after use",
             reader_file_name(f, i));
}

static int open_one(struct reader_files *f, int i, int buffered_only, struct error *err)
{
    const struct gguf_file *file = &f->file[i];
    f->buffered[i] = reopen(file, 0);
    if (f->buffered[i] < 0)
        return error_set(err, ERR_IO, "%s: opening it for reading failed: %s", file->path, strerror(errno));
    /* exactly what is asked for, no readahead into the page cache */
    posix_fadvise(f->buffered[i], 0, 0, POSIX_FADV_RANDOM);
    if (buffered_only)
        return 0;
    if (align_of(f->buffered[i]) <= LARGEST)
        f->direct[i] = reopen(file, O_DIRECT);
    if (f->direct[i] < 0)
        say_buffered(f, i);
    return 0;
}

int reader_files_open(struct reader_files *f, const struct gguf_file *file, int n, int buffered_only, struct arena *mem,
                      struct error *err)
{
    if (n > READER_MAX_FILES)
        return error_set(err, ERR_UNSUPPORTED, "%s is split into %d files; at most %d can be open, join them",
                         file->path, n, READER_MAX_FILES);
    *f = (struct reader_files){.file = file, .n = n};
    f->direct = arena_array(mem, (size_t)n, sizeof(int));
    f->buffered = arena_array(mem, (size_t)n, sizeof(int));
    f->refused = arena_array(mem, (size_t)n, sizeof(int));
    f->told = arena_array(mem, (size_t)n, 1);
    if (!f->direct || !f->buffered || !f->refused || !f->told)
        return error_set(err, ERR_BUG, "the plan gave the reader less than it asked for");
    for (int i = 0; i < n; i++) {
        f->direct[i] = f->buffered[i] = f->refused[i] = -1;
        f->told[i] = 0;
    }
    for (int i = 0; i < n; i++)
        if (open_one(f, i, buffered_only, err) != 0) {
            reader_files_close(f);
            return -1;
        }
    return 0;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void reader_files_close(struct reader_files *f)
{
    for (int i = 0; i < f->n; i++) {
        close_if_open(f->direct[i]);
        close_if_open(f->buffered[i]);
        close_if_open(f->refused[i]);
    }
    f->n = 0;
}

void reader_files_refuse_direct(struct reader_files *f, int i)
{
    if (f->direct[i] < 0)
        return;
    f->refused[i] = f->direct[i];
    f->direct[i] = -1;
    say_buffered(f, i);
}

int reader_files_any_direct(const struct reader_files *f)
{
    for (int i = 0; i < f->n; i++)
        if (f->direct[i] >= 0)
            return 1;
    return 0;
}

int reader_file_size(const struct reader_files *f, int i, uint64_t *size)
{
    struct stat st;
    if (fstat(f->buffered[i], &st) != 0)
        return -1;
    *size = (uint64_t)st.st_size;
    return 0;
}

const char *reader_file_name(const struct reader_files *f, int i)
{
    const char *slash = strrchr(f->file[i].path, '/');
    return slash ? slash + 1 : f->file[i].path;
}

/* The name leads elsewhere now: no harm, the opened file stays. */
static void check_name(struct reader_files *f, int i)
{
    struct stat st;
    int there = stat(f->file[i].path, &st) == 0;
    if (f->told[i] || (there && st.st_dev == f->file[i].dev && st.st_ino == f->file[i].ino))
        return;
    f->told[i] = 1;
    log_line(LOG_WARN, "%s was %s while in use; the opened file goes on being used", f->file[i].path,
             there ? "replaced" : "removed");
}

int reader_files_check(struct reader_files *f, struct error *err)
{
    for (int i = 0; i < f->n; i++) {
        const struct gguf_file *file = &f->file[i];
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

void reader_drop_cache(int fd, uint64_t offset, uint64_t n)
{
    enum { PAGE = 4096 };
    uint64_t begin = round_down(offset, PAGE);
    posix_fadvise(fd, (off_t)begin, (off_t)(round_up(offset + n, PAGE) - begin), POSIX_FADV_DONTNEED);
}
