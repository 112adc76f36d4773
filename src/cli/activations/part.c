/* See part.h. */
#include "cli/activations/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what, const char *path)
{
    fprintf(stderr, "stoker activations: %s %s: %s\n", path, what, strerror(errno));
    return 1;
}

/* Another run may have given the file its name, or have removed it, between open() and flock(). */
static int is_still_there(const struct part_file *p)
{
    struct stat opened, named;
    return fstat(p->fd, &opened) == 0 && lstat(p->path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

int part_open(struct part_file *p, const char *name)
{
    *p = (struct part_file){.name = name, .fd = -1};
    if ((size_t)snprintf(p->path, sizeof p->path, "%s.part", name) >= sizeof p->path) {
        fprintf(stderr, "stoker activations: -o: the path is too long\n");
        return 2;
    }
    p->fd = open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (p->fd < 0)
        return fail("cannot be written", p->path);
    int is_locked = flock(p->fd, LOCK_EX | LOCK_NB) == 0;
    if (!is_locked || !is_still_there(p)) {
        errno = is_locked ? EWOULDBLOCK : errno;
        int status = fail(errno == EWOULDBLOCK ? "is being written by another run" : "cannot be locked", p->path);
        close(p->fd);
        p->fd = -1;
        return status;
    }
    return ftruncate(p->fd, 0) ? fail("cannot be written", p->path) : 0;
}

/* Of a disk that is full the first write may still take a part. */
int part_write(const struct part_file *p, const void *from, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(p->fd, (const char *)from + done, n - done, (off_t)(at + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail("cannot be written", p->path);
        done += (size_t)put;
    }
    return 0;
}

int part_finish(struct part_file *p)
{
    int status = fsync(p->fd) ? fail("cannot be written", p->path) : 0;
    if (!status && rename(p->path, p->name))
        status = fail("cannot be renamed", p->path);
    p->is_named = status == 0;
    return status;
}

void part_close(struct part_file *p)
{
    if (p->fd < 0)
        return;
    if (!p->is_named) /* while it is locked: behind that it may be another run's */
        unlink(p->path);
    close(p->fd);
}
