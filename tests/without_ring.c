/* links: base
 *
 * Runs a command without io_uring, for tests/cli/doctor.sh: io_uring_setup() fails by a number, through a filter of seccomp, which is how
 * containers forbid it.
 *
 *     without_ring EPERM|ENOSYS|ENOMEM COMMAND [ARGUMENT...]        status 125: this system lets nobody have a filter */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int forbid(unsigned number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned number;
    } known[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}};
    for (size_t i = 0; argc > 2 && i < sizeof known / sizeof *known; i++)
        if (strcmp(argv[1], known[i].name) == 0) {
            if (forbid(known[i].number))
                return 125;
            execvp(argv[2], argv + 2);
            perror(argv[2]);
            return 127;
        }
    fprintf(stderr, "usage: without_ring EPERM|ENOSYS|ENOMEM COMMAND [ARGUMENT...]\n");
    return 2;
}
