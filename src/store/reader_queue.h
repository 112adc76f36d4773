/* The lists that a request passes through inside the reader: linked through the request itself, nothing is allocated.
 *
 *     queue   what is not cut into pieces yet, one a rank and drive            prev, next
 *     ages    what has pieces out, by the time the first went out              older, newer
 *     list    the owner's finished requests                                    prev, next (a request is in one of the two) */
#ifndef STORE_READER_QUEUE_H
#define STORE_READER_QUEUE_H

#include "store/reader.h"

struct request_queue {
    struct read_request *head, *tail;
};

struct request_ages {
    struct read_request *oldest, *newest;
};

void queue_append(struct request_queue *s, struct read_request *q);
void queue_remove(struct request_queue *s, struct read_request *q);

/* started_ns = now. */
void ages_append(struct request_ages *a, struct read_request *q, uint64_t now);
void ages_remove(struct request_ages *a, struct read_request *q);

/* Into and out of the list of its owner; twice is once. */
void finished_append(struct read_request *q);
void finished_remove(struct read_request *q);

#endif
