/* links: base
 *
 * Runs a command without io_uring, for tests/cli/doctor.sh: io_uring_setup() fails by a number, through a filter of seccomp, which is how
 * containers forbid it.
 *
 *     without_ring EPERM|ENOSYS|ENOMEM COMMAND [ARGUMENT...]        status 125: this system lets nobody have a filter */
#include "forbid_io_uring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned number;
    } known[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}};
    for (size_t i = 0; argc > 2 && i < sizeof known / sizeof *known; i++)
        if (strcmp(argv[1], known[i].name) == 0) {
            if (forbid_io_uring(known[i].number))
                return 125;
            execvp(argv[2], argv + 2);
            perror(argv[2]);
            return 127;
        }
    fprintf(stderr, "usage: without_ring EPERM|ENOSYS|ENOMEM COMMAND [ARGUMENT...]\n");
    return 2;
}
