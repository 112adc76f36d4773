/* What is refused before anything is computed. Where the output goes is tried then: hours are not to end with a folder that cannot be
 * written. */
#include "cli/imatrix/imatrix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int imatrix_refuse(const struct error *err)
{
    eval_fail(err);
    return 2;
}

static int refuse(const char *path, const char *why)
{
    fprintf(stderr, "stoker imatrix: %s %s\n", path, why);
    return 2;
}

int imatrix_refuse_place(const char *out, int replaces)
{
    char part[PATH_MAX + 8], why[200];
    struct stat st;
    snprintf(part, sizeof part, "%s.part", out);
    if (stat(out, &st) == 0 && !S_ISREG(st.st_mode))
        return refuse(out, S_ISDIR(st.st_mode) ? "is a folder; name a file in it" : "is no regular file");
    int is_there = lstat(part, &st) == 0;
    if (is_there && !S_ISREG(st.st_mode))
        return refuse(part, "is no regular file; move it away");
    if (is_there && !replaces)
        return refuse(part, "is there, of a run that did not end; --force replaces it");
    int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        snprintf(why, sizeof why, "cannot be written: %s", strerror(errno));
        return refuse(out, why);
    }
    close(fd);
    if (!is_there)
        unlink(part);
    return 0;
}
