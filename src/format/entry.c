/* See entry.h. */
#include "format/entry.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int entry_check_name(int dir, const char *name, struct error *err)
{
    if (dir == AT_FDCWD || (*name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX))
        return 0;
    return error_set(
        err, ERR_INPUT,
        "%.80s: a file is named as it stands in its folder: without \"/\", without \".\" at the beginning, "
        "of at most %d bytes",
        name, NAME_MAX);
}

static int is_there(int fd, int dir)
{
    struct stat file, folder;
    return dir == AT_FDCWD || (fstat(fd, &file) == 0 && fstat(dir, &folder) == 0 && folder.st_dev == file.st_dev);
}

int entry_open(int dir, const char *name, int flags, struct error *err)
{
    int entry = dir != AT_FDCWD;
    if (entry_check_name(dir, name, err))
        return -1;
    /* Not blocking: opening a pipe must not wait for somebody to write. */
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (entry ? O_NOFOLLOW : 0) | flags);
    if (fd < 0 && errno == ELOOP && entry)
        return error_set(err, ERR_INPUT, "%s: a link; put the file itself into the folder", name);
    if (fd < 0)
        return error_set(err, ERR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    if (is_there(fd, dir))
        return fd;
    close(fd);
    return error_set(err, ERR_INPUT, "%s: on another device; put the file itself into the folder", name);
}
