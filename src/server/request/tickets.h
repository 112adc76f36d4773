/* Tickets: what lets a browser's frame have pages of the library where the server asks for a key, which frames cannot send. Whoever has a
 * key gets one, and puts it into the address: 128 random bits, for hours. They let nobody have anything else. */
#ifndef SERVER_REQUEST_TICKETS_H
#define SERVER_REQUEST_TICKETS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { TICKETS = 64, TICKET_SECONDS = 12 * 3600, TICKET_DIGITS = 32 };

struct tickets {
    pthread_mutex_t lock;
    struct ticket {
        char digits[TICKET_DIGITS + 1]; /* hexadecimal; "": none */
        uint64_t until_ns;              /* of clock_ns() */
    } list[TICKETS];                    /* under lock */
};

void tickets_init(struct tickets *t);
/* A new one into out; of TICKETS that still hold the oldest does so no more. -1: the system has no random numbers. */
int tickets_give(struct tickets *t, char out[TICKET_DIGITS + 1]);
/* 1: the n bytes are one that holds. */
int tickets_hold(struct tickets *t, const char *digits, size_t n);

#endif
