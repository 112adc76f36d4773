/* A filter of system calls under which a program, and whatever it starts, connects to nobody: what would is killed (SIGSYS) at the call.
 *
 *     SOCKETS_NONE      socket() of any family but AF_UNIX; sendmsg()
 *     SOCKETS_LISTEN    socket() of anything but TCP, which a server listens at; sendmsg() that opens a connection (MSG_FASTOPEN)
 *     both              connect(), sendto() to an address, sendmmsg()
 *
 * A filter sees no memory, so whether sendmsg() has an address it does not know: a TCP socket sends to none without that flag. io_uring is
 * absent under it (ENOSYS), since its operations pass by filters. Source: seccomp(2), linux/seccomp.h. */
#ifndef TESTS_SOCKET_FILTER_H
#define TESTS_SOCKET_FILTER_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum sockets { SOCKETS_NONE, SOCKETS_LISTEN };

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#endif

/* Every system call from here on, of this process and of those that it starts, for good. -1: this system cannot. */
static inline int sockets_forbid(enum sockets which)
{
#ifdef FILTER_ARCH
    enum { FIRST_OF_X32 = 0x40000000, TYPE = 0xf /* of socket(), without its flags */ };
#define LOAD(field)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOW(i)            LOAD(args[i]) /* both machines are little-endian */
#define HIGH(i)           BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]) + 4)
#define RETURN(what)      BPF_STMT(BPF_RET | BPF_K, what)
#define SKIP_UNLESS(v, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, 0, n)
#define SKIP_IF(v, n)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, n, 0)
#define ON_CALL(nr, what) SKIP_UNLESS(__NR_##nr, 1), RETURN(what)
#define KILL              SECCOMP_RET_KILL_PROCESS
#define ALLOW             SECCOMP_RET_ALLOW
    const int listens = which == SOCKETS_LISTEN;
    const unsigned tcp = listens ? ALLOW : KILL, local = listens ? KILL : ALLOW, message = listens ? ALLOW : KILL;
    const struct sock_filter filter[] = {
        LOAD(arch),
        SKIP_IF(FILTER_ARCH, 1),
        RETURN(KILL),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_OF_X32, 0, 1),
        RETURN(KILL),
        ON_CALL(connect, KILL),
        ON_CALL(sendmmsg, KILL),
        ON_CALL(io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS),
        SKIP_UNLESS(__NR_sendmsg, 4),
        LOW(2),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MSG_FASTOPEN, 0, 1),
        RETURN(KILL),
        RETURN(message),
        SKIP_UNLESS(__NR_sendto, 6), /* its fifth argument is the address */
        LOW(4),
        SKIP_UNLESS(0, 3),
        HIGH(4),
        SKIP_UNLESS(0, 1),
        RETURN(ALLOW),
        RETURN(KILL),
        SKIP_IF(__NR_socket, 1),
        RETURN(ALLOW),
        LOW(0),
        SKIP_UNLESS(AF_UNIX, 1),
        RETURN(local),
        SKIP_IF(AF_INET, 2),
        SKIP_IF(AF_INET6, 1),
        RETURN(KILL),
        LOW(1),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TYPE),
        SKIP_UNLESS(SOCK_STREAM, 1),
        RETURN(tcp),
        RETURN(KILL),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -1 : 0;
#else
    (void)which;
    return -1;
#endif
}

#endif
