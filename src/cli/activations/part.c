/* See part.h. */
#include "cli/activations/part.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

volatile sig_atomic_t part_interrupted;

static void interrupt(int sig)
{
    (void)sig;
    part_interrupted = 1;
}

void part_signals(void)
{
    struct sigaction stop = {.sa_handler = interrupt};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a sentence */
}

static int fail(const struct part_file *p, const char *what)
{
    fprintf(stderr, "stoker %s: %s %s: %s\n", p->command, p->path, what, strerror(errno));
    return 1;
}

/* Another run may have given the file its name, or have removed it, between open() and flock(). */
static int is_still_there(const struct part_file *p)
{
    struct stat opened, named;
    return fstat(p->fd, &opened) == 0 && lstat(p->path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

int part_open(struct part_file *p, const char *command, const char *name)
{
    *p = (struct part_file){.command = command, .name = name, .fd = -1};
    if ((size_t)snprintf(p->path, sizeof p->path, "%s.part", name) >= sizeof p->path) {
        fprintf(stderr, "stoker %s: -o: the path is too long\n", command);
        return 2;
    }
    p->fd = open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (p->fd < 0)
        return fail(p, "cannot be written");
    int is_locked = flock(p->fd, LOCK_EX | LOCK_NB) == 0;
    if (!is_locked || !is_still_there(p)) {
        errno = is_locked ? EWOULDBLOCK : errno;
        int status = fail(p, errno == EWOULDBLOCK ? "is being written by another run" : "cannot be locked");
        close(p->fd);
        p->fd = -1;
        return status;
    }
    return ftruncate(p->fd, 0) ? fail(p, "cannot be written") : 0;
}

/* Of a disk that is full the first write may still take a part. */
int part_write(const struct part_file *p, const void *from, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        if (part_interrupted)
            return 130;
        ssize_t put = pwrite(p->fd, (const char *)from + done, n - done, (off_t)(at + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail(p, "cannot be written");
        done += (size_t)put;
    }
    return 0;
}

int part_finish(struct part_file *p)
{
    int status = fsync(p->fd) ? fail(p, "cannot be written") : 0;
    if (!status && rename(p->path, p->name))
        status = fail(p, "cannot be renamed");
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
