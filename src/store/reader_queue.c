/* Linked lists of requests: see reader_queue.h. */
#include "store/reader_queue.h"

void queue_append(struct request_queue *s, struct read_request *q)
{
    q->next = NULL;
    q->prev = s->tail;
    if (s->tail)
        s->tail->next = q;
    else
        s->head = q;
    s->tail = q;
}

void queue_remove(struct request_queue *s, struct read_request *q)
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

void ages_append(struct request_ages *a, struct read_request *q, uint64_t now)
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

void ages_remove(struct request_ages *a, struct read_request *q)
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

/* The list's two ends are a queue by another name: read_list is the owner's struct. */
void finished_append(struct read_request *q)
{
    if (q->finished)
        return;
    struct request_queue s = {q->list->head, q->list->tail};
    q->finished = 1;
    queue_append(&s, q);
    q->list->head = s.head;
    q->list->tail = s.tail;
}

void finished_remove(struct read_request *q)
{
    struct request_queue s = {q->list->head, q->list->tail};
    queue_remove(&s, q);
    q->list->head = s.head;
    q->list->tail = s.tail;
    q->finished = 0;
}
