/* links: base
 *
 * Runs a command beside a file that is read through a program, for tests/cli/doctor.sh: FOLDER becomes a file system of FUSE, whose one
 * file, m.gguf, has the bytes of FILE. Needs the right to mount, of root or in a namespace of its own, and /dev/fuse; speaks to the kernel
 * itself, as linux/fuse.h has it.
 *
 *     fuse_file FOLDER FILE COMMAND [ARGUMENT...]        status 125: FUSE cannot be had here */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOT = FUSE_ROOT_ID, FILE_ID = 2, REQUEST = 1 << 17, PIECE = 1 << 20 };
static const char name[] = "m.gguf";

static int fuse, file;
static uint64_t size;

static void answer(uint64_t unique, int failed, const void *body, size_t n)
{
    struct fuse_out_header head = {(uint32_t)(sizeof head + (failed ? 0 : n)), -failed, unique};
    struct iovec part[] = {{&head, sizeof head}, {(void *)(uintptr_t)body, n}};
    if (writev(fuse, part, failed || n == 0 ? 1 : 2) < 0 && errno != ENOENT)
        perror("fuse_file: an answer");
}

static struct fuse_attr attributes(uint64_t node)
{
    struct fuse_attr a = {.ino = node, .nlink = 1, .blksize = 4096};
    a.mode = node == ROOT ? S_IFDIR | 0555 : S_IFREG | 0444;
    a.size = node == ROOT ? 0 : size;
    a.blocks = (a.size + 511) / 512;
    return a;
}

static void answer_lookup(const struct fuse_in_header *in, const char *wanted)
{
    struct fuse_entry_out out = {.nodeid = FILE_ID, .attr = attributes(FILE_ID)};
    answer(in->unique, strcmp(wanted, name) == 0 ? 0 : ENOENT, &out, sizeof out);
}

static void answer_read(const struct fuse_in_header *in, const struct fuse_read_in *r)
{
    static char bytes[PIECE];
    ssize_t n = pread(file, bytes, r->size < PIECE ? r->size : PIECE, (off_t)r->offset);
    answer(in->unique, n < 0 ? errno : 0, bytes, n < 0 ? 0 : (size_t)n);
}

static void answer_request(const struct fuse_in_header *in)
{
    const void *body = in + 1;
    struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = PIECE, .max_write = 4096, .time_gran = 1};
    struct fuse_attr_out attr = {.attr = attributes(in->nodeid)};
    struct fuse_open_out opened = {0};
    struct fuse_statfs_out space = {.st = {.bsize = 4096, .namelen = 255}};
    switch (in->opcode) {
    case FUSE_INIT:
        answer(in->unique, 0, &init, sizeof init);
        break;
    case FUSE_LOOKUP:
        answer_lookup(in, body);
        break;
    case FUSE_GETATTR:
        answer(in->unique, 0, &attr, sizeof attr);
        break;
    case FUSE_OPEN:
        answer(in->unique, 0, &opened, sizeof opened);
        break;
    case FUSE_READ:
        answer_read(in, body);
        break;
    case FUSE_STATFS:
        answer(in->unique, 0, &space, sizeof space);
        break;
    case FUSE_RELEASE:
    case FUSE_FLUSH:
        answer(in->unique, 0, NULL, 0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break; /* no answer is expected */
    default:
        answer(in->unique, ENOSYS, NULL, 0);
    }
}

/* Until the file system is gone, or who mounted it: killed, it would leave both behind. */
static void serve(pid_t parent)
{
    static union {
        struct fuse_in_header in;
        char bytes[REQUEST];
    } request;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(1);
    for (;;) {
        ssize_t n = read(fuse, &request, sizeof request);
        if (n >= (ssize_t)sizeof request.in)
            answer_request(&request.in);
        else if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
            _exit(0);
    }
}

static int run(char **command)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

int main(int argc, char **argv)
{
    char options[100];
    struct stat st;
    if (argc < 4 || (file = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0 || fstat(file, &st)) {
        fprintf(stderr, "usage: fuse_file FOLDER FILE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    size = (uint64_t)st.st_size;
    fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fuse, getuid(), getgid());
    if (fuse < 0 || mount("stoker-test", argv[1], "fuse", MS_NOSUID | MS_NODEV, options))
        return 125;
    pid_t parent = getpid(), server = fork();
    if (server == 0)
        serve(parent);
    close(fuse);
    int status = server > 0 ? run(argv + 3) : 126;
    umount2(argv[1], MNT_DETACH);
    if (server > 0)
        waitpid(server, NULL, 0);
    return status;
}
