/* What the bridge knows of its server, and the messages that are under way. */
#ifndef BRIDGE_SESSION_H
#define BRIDGE_SESSION_H

#include "bridge/transfer.h"

#include <stdint.h>

enum posted_kind {
    POSTED_REQUEST,
    POSTED_INITIALIZE,
    POSTED_LIST,   /* tools/list, of 2026-07-28 */
    POSTED_ONE_WAY /* what asks nothing */
};

/* A message of stoker's that is under way, or waits for a new session. */
struct posted {
    struct posted *next;
    struct transfer transfer;
    struct bridge *of;
    enum posted_kind kind;
    struct buffer id;          /* of a request, as it was written */
    char session[SESSION + 1]; /* that it was sent with */
    int is_own;                /* the bridge asks for itself: nobody waits for the answer */
    int is_parked, is_again;
    enum { POSTED_OPEN, POSTED_GRANTED, POSTED_REFUSED } answer; /* a result, an error */
    uint64_t answered_ns;
};

struct bridge {
    struct wire wire;
    char *url, shown[200];      /* shown: without what is behind the host */
    struct curl_slist *headers; /* of CONFIG */
    struct posted *posted;
    struct buffer in, out;
    size_t n_taken;   /* of in */
    size_t n_seen;    /* of in: no cancel is before it */
    int n_one_way;    /* under way: later lines wait for them */
    int is_modern;    /* the last request was of 2026-07-28 */
    int has_answered; /* by any status */
    struct annotated_tools tools;
    /* of before 2026-07-28 */
    struct buffer initialize; /* the request that opened it */
    char session[SESSION + 1], revision[12];
    int is_renewing;   /* until notifications/initialized of the new session has its answer */
    int lacks_session; /* none could be opened: the next request tries it again */
};

/* Posts n bytes, the message that m was read from. is_own: the bridge asks, not stoker. */
void bridge_post(struct bridge *b, const char *text, size_t n, const struct message *m, int is_own);
/* Sends it, again where it had to wait. m: of its body. */
void bridge_send(struct posted *p, const struct message *m);
/* Answers a request with an error of ours. */
void bridge_refuse(struct posted *p, const char *sentence);
void bridge_drop(struct bridge *b, struct posted *p); /* unlinks and frees it */
/* A line for stoker. */
void bridge_emit(struct bridge *b, const char *line, size_t n);
/* Those of CONFIG, and of a session ("": there is none). */
void bridge_put_headers(struct bridge *b, struct header_list *l, const char *session);

/* 1: the server does not know the session of this one, and it waits now for another. */
int session_is_lost(struct posted *p, long status);
/* The same for one that is to be sent while there is none. */
int session_is_missing(struct posted *p);
/* initialize was answered: takes its session and revision. */
void session_take(struct posted *p, const struct message *answer);
/* The bridge's own initialize has ended: those that wait are refused with the sentence; NULL: there is a session, and when
 * notifications/initialized has gone out they are to be sent: */
void session_renewed(struct bridge *b, const char *sentence);
void session_send_parked(struct bridge *b);
/* DELETE, at the end. */
void session_end(struct bridge *b);

#endif
