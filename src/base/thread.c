/* Threads without signals: see thread.h. */
#include "base/thread.h"

#include <signal.h>

int thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t none, before;
    sigfillset(&none);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&none, faults[i]);
    pthread_sigmask(SIG_SETMASK, &none, &before); /* a thread begins with the mask of the one that makes it */
    int rc = pthread_create(out, attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
