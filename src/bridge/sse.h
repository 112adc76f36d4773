/* A stream of server-sent events (text/event-stream) as the data of its messages, whatever its pieces are.
 *
 *     : a comment
 *     event: message
 *     data: {"jsonrpc":"2.0",
 *     data: "id":1,"result":{}}            several lines of data are one, with "\n" between
 *                                          an empty line ends the event
 *
 * Lines end with \n, \r or \r\n. Other fields are not needed here, and events that are called otherwise than "message" are dropped. What
 * the stream ends in the middle of is none. Source: html.spec.whatwg.org, 9.2.6. */
#ifndef BRIDGE_SSE_H
#define BRIDGE_SSE_H

#include "base/json/buffer.h"

/* Zeroed: at the beginning of a stream. */
struct sse {
    struct buffer line, data;
    int has_begun;   /* a byte order mark does not count any more */
    int is_behind_r; /* a \n that comes now belongs to the line's end before it */
    int is_other;    /* the event has another name */
};

/* The next n bytes; take gets each whole event's data. -1: a line, or an event's data, of more than `most` bytes, or no memory. */
int sse_feed(struct sse *s, const char *text, size_t n, size_t most,
             void (*take)(void *arg, const char *data, size_t n), void *arg);
void sse_free(struct sse *s);

#endif
