/* Threads that take no signals: a signal to the process is for the program that uses stoker, whose own threads may be waiting for it. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/* pthread_create() with all signals blocked in the new thread, but those of its own faults. Returns 0 or, as that does, a number of
 * errno. The caller joins the thread. attr may be NULL. */
int thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);

#endif
