/* The client as its own files have it: mcp.c, the thread that has all servers, and their lists; calls.c, calls. */
#ifndef MCP_CLIENT_H
#define MCP_CLIENT_H

#include "mcp/mcp.h"
#include "mcp/server.h"

#include <pthread.h>
#include <time.h>

struct mcp_call {
    struct mcp *of;
    struct mcp_call *next;
    int server;
    long long id;          /* 0: not yet sent */
    struct call_text body; /* until it is sent */
    uint64_t deadline_ns;  /* 0: the thread has not seen it yet */
    int n_extended;
    int is_done, is_dropped; /* dropped: nobody waits */
    struct call_text result;
    struct reqmem *counted; /* the memory of the requests of who asked; NULL: none are counted */
    char error[600];
    struct buffer progress; /* params that were not taken */
    void (*notify)(void *arg);
    void *arg;
};

struct mcp {
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows; the thread gives it away while it waits */
    pthread_cond_t changed;
    int wake_fd;
    int is_stopping, is_listing_asked;
    struct mcp_server server[MCP_SERVERS];
    int n;
    struct mcp_call *calls;
    struct mcp_tools *tools;
    struct mcp_tools *older; /* the list before it, while somebody else holds that; NULL: nobody does */
    int n_list;              /* lists that were made */
    size_t most_postings;    /* of a list */
};

/* Wakes the thread. */
void mcp_ring(const struct mcp *m);

/* The clock's time of pthread_cond_timedwait(), so many milliseconds from now. */
static inline struct timespec client_in_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- calls, in the thread, which has the lock ---------------------------------------------------------------- */

/* The message ends one, or tells of its progress. */
void calls_take(struct mcp *m, struct mcp_server *s, const struct message *msg);
/* In the order in which they came. A server has one at a time to read: the others wait where they are, as long as they may last. */
void calls_send(struct mcp *m);
/* Those that nobody waits for; what of them is still asked is cancelled. */
void calls_drop(struct mcp *m);
void calls_end_late(struct mcp *m, uint64_t now);
/* 1: one that the server was told is awaited. */
int calls_are_at(const struct mcp *m, const struct mcp_server *s);
/* Those of a server that has failed. */
void calls_end_of(struct mcp *m, const struct mcp_server *s);
/* When the first one is late; UINT64_MAX: none will be. */
uint64_t calls_late_ns(const struct mcp *m);

#endif
