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

static inline void queue_append(struct request_queue *s, struct read_request *q)
{
    q->next = NULL;
    q->prev = s->tail;
    if (s->tail)
        s->tail->next = q;
    else
        s->head = q;
    s->tail = q;
}

static inline void queue_remove(struct request_queue *s, struct read_request *q)
{
    if (q->prev)
        q->prev->next = q->next;
    else
        s->head = q->next;
    if (q->next)
        q->next->prev = q->prev;
    else
        s->tail = q->prev;
}

/* started_ns = now. */
static inline void ages_append(struct request_ages *a, struct read_request *q, uint64_t now)
{
    q->started_ns = now;
    q->newer = NULL;
    q->older = a->newest;
    if (a->newest)
        a->newest->newer = q;
    else
        a->oldest = q;
    a->newest = q;
}

static inline void ages_remove(struct request_ages *a, struct read_request *q)
{
    if (q->older)
        q->older->newer = q->newer;
    else
        a->oldest = q->newer;
    if (q->newer)
        q->newer->older = q->older;
    else
        a->newest = q->older;
}

/* Into and out of its user's list of finished requests; appending twice does nothing. */
static inline void finished_append(struct read_request *q)
{
    if (q->finished)
        return;
    struct request_queue s = {q->list->head, q->list->tail};
    q->finished = 1;
    queue_append(&s, q);
    q->list->head = s.head;
    q->list->tail = s.tail;
}

static inline void finished_remove(struct read_request *q)
{
    struct request_queue s = {q->list->head, q->list->tail};
    queue_remove(&s, q);
    q->list->head = s.head;
    q->list->tail = s.tail;
    q->finished = 0;
}

#endif
