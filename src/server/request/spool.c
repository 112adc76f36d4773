/* See spool.h. */
#include "server/request/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where the system of files knows no files without a name, one that has its name for a moment. */
static int make_file(int dir)
{
    char name[64];
    static atomic_uint count;
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    snprintf(name, sizeof name, ".stoker-%d-%u", (int)getpid(), atomic_fetch_add(&count, 1));
    fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlinkat(dir, name, 0);
    return fd;
}

int spool_open(struct spool *p, const char *dir, uint64_t most, struct stoker_error *err)
{
    *p = (struct spool){.dir = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, .most = most};
    int fd = p->dir >= 0 ? make_file(p->dir) : -1;
    if (!dir || fd >= 0) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    *err = (struct stoker_error){.code = STOKER_ERR_INPUT};
    snprintf(err->text, sizeof err->text, "--capture-dir %.300s: %s", dir, strerror(errno));
    return -1;
}

void spool_close(struct spool *p)
{
    if (p->dir >= 0)
        close(p->dir);
    p->dir = -1;
}

static int take(struct spool *p, uint64_t bytes, struct refusal *r)
{
    uint64_t taken = atomic_load(&p->taken);
    if (bytes > p->most)
        return refuse(r, 413, "capture_too_large", "capture",
                      "what is recorded takes %" PRIu64 " bytes, and --capture-disk allows %" PRIu64
                      ": record fewer positions, layers or tensors, or reduce them",
                      bytes, p->most);
    do {
        if (bytes > p->most - taken) {
            refuse(r, 503, "busy", NULL, "other requests have %" PRIu64 " of the %" PRIu64 " bytes of --capture-disk",
                   taken, p->most);
            r->retry_after = 1;
            return -1;
        }
    } while (!atomic_compare_exchange_weak(&p->taken, &taken, taken + bytes));
    return 0;
}

int spool_file(struct spool *p, uint64_t bytes, struct refusal *r)
{
    if (take(p, bytes, r) < 0)
        return -1;
    int fd = make_file(p->dir);
    if (fd >= 0)
        return fd;
    int why = errno;
    atomic_fetch_sub(&p->taken, bytes);
    return refuse(r, 500, NULL, NULL, "no file can be made in --capture-dir: %s", strerror(why));
}

void spool_end(struct spool *p, int fd, uint64_t bytes)
{
    close(fd);
    atomic_fetch_sub(&p->taken, bytes);
}
