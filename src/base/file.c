/* Files whole: see file.h. */
#include "base/file.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_read_stream(FILE *f, const char *name, size_t most, size_t *n, struct error *err)
{
    char *text = NULL;
    size_t size = 0, got;
    struct stat st;
    *n = 0;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > most && ftello(f) == 0) {
        error_set(err, ERR_INPUT, "%s: larger than %zu MiB", name, most >> 20);
        return NULL;
    }
    do {
        if (size - *n < 2) { /* for a byte and the NUL */
            size = !size ? 1 << 16 : size < most / 2 ? 2 * size : most + 2;
            char *grown = realloc(text, size);
            if (!grown) {
                error_set(err, ERR_MEMORY, "%s: no memory to read it", name);
                break;
            }
            text = grown;
        }
        *n += got = fread(text + *n, 1, size - *n - 1, f);
        if (ferror(f))
            error_set(err, ERR_IO, "%s: cannot be read: %s", name, strerror(errno));
        else if (*n > most)
            error_set(err, ERR_INPUT, "%s: larger than %zu MiB", name, most >> 20);
    } while (!err->code && got > 0 && !feof(f)); /* a terminal could be read on */
    if (err->code) {
        free(text);
        return NULL;
    }
    text[*n] = 0;
    return text;
}

/* Takes fd. */
static char *read_open(int fd, const char *path, size_t most, size_t *n, struct error *err)
{
    FILE *f = fd >= 0 ? fdopen(fd, "rb") : NULL;
    if (!f) {
        error_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = file_read_stream(f, path, most, n, err);
    fclose(f);
    return text;
}

char *file_read(const char *path, size_t most, size_t *n, struct error *err)
{
    return read_open(open(path, O_RDONLY | O_CLOEXEC), path, most, n, err);
}

char *file_read_regular(const char *path, size_t most, size_t *n, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        error_set(err, ERR_INPUT, "%s: not a regular file", path);
        return NULL;
    }
    return read_open(fd, path, most, n, err);
}

int file_read_at(int fd, void *to, uint64_t n, uint64_t at, const char **why)
{
    for (uint64_t done = 0; done < n;) {
        ssize_t got = pread(fd, (uint8_t *)to + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *why = got < 0 ? strerror(errno) : "the file has become shorter";
            return -1;
        }
        done += (uint64_t)got;
    }
    return 0;
}

/* Of the folder that a name of a file leads to. */
static int stat_folder(const char *path, struct stat *out)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int failed = !folder || stat(folder, out);
    free(folder);
    return failed;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int file_is_same(const char *a, const char *b)
{
    struct stat x, y;
    int has_a = stat(a, &x) == 0, has_b = stat(b, &y) == 0;
    if (has_a != has_b)
        return 0;
    if (!has_a && (strcmp(last_name(a), last_name(b)) != 0 || stat_folder(a, &x) || stat_folder(b, &y)))
        return 0;
    return x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

int file_is_at(int fd, const char *path)
{
    struct stat is, named;
    return fstat(fd, &is) == 0 && stat(path, &named) == 0 && is.st_ino == named.st_ino && is.st_dev == named.st_dev;
}

void file_drop_cache(int fd, uint64_t offset, uint64_t n)
{
    const uint64_t page = page_bytes(), begin = round_down(offset, page);
    posix_fadvise(fd, (off_t)begin, (off_t)(round_up(offset + n, page) - begin), POSIX_FADV_DONTNEED);
}
