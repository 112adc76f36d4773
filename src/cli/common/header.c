/* See header.h. A pipe is copied into a file in memory until the header is whole, which is tried each time that there is twice as much of
 * it: the rest of a file of 400 GB is not waited for. GGUF headers have at most 256 MiB. Of what does not begin as one no more is read than
 * tells so: whoever opens the file says what is wrong with it. */
#include "cli/common/header.h"

#include "base/error.h"
#include "format/gguf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 4 };
static const size_t first_try = 1 << 20, most = (256u << 20) + 1;

static int is_whole(int fd)
{
    char path[32];
    struct gguf *g;
    struct error ignored = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (gguf_open_header(&g, path, &ignored))
        return 0;
    gguf_close(g);
    return 1;
}

static int begins_as_gguf(int fd)
{
    char head[MAGIC];
    return pread(fd, head, MAGIC, 0) == MAGIC && memcmp(head, "GGUF", MAGIC) == 0;
}

static int copy_stdin(int to)
{
    static char bytes[1 << 16];
    size_t copied = 0, next_try = first_try;
    while (copied < most) {
        size_t want = copied < MAGIC ? MAGIC - copied : sizeof bytes;
        ssize_t n = read(STDIN_FILENO, bytes, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        for (ssize_t at = 0, put; at < n; at += put)
            if ((put = write(to, bytes + at, (size_t)(n - at))) < 0)
                return -1;
        copied += (size_t)n;
        if (copied == MAGIC && !begins_as_gguf(to))
            return 0;
        if (copied >= next_try) {
            if (is_whole(to))
                return 0;
            next_try *= 2;
        }
    }
    return 0;
}

static int make_file_of_stdin(void)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    int fd = memfd_create("header", MFD_CLOEXEC);
    int failed = fd < 0 || copy_stdin(fd) || dup2(fd, STDIN_FILENO) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    errno = failed;
    return failed ? -1 : 0;
}

const char *header_path(const char *model, int *header_only)
{
    if (strcmp(model, "-") != 0)
        return model;
    *header_only = 1;
    if (isatty(STDIN_FILENO))
        fprintf(stderr,
                "stoker: standard input is a terminal; pipe the beginning of a model into it, or name a file\n");
    else if (make_file_of_stdin())
        fprintf(stderr, "stoker: standard input cannot be read: %s\n", strerror(errno));
    else
        return "/dev/stdin";
    return NULL;
}
