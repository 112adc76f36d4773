/* What is wrong with a request, whatever the dialect in which the error is written later.
 *
 * Status, code and param are those of the table in docs/API.md; the sentence names the field, what came and what is allowed, and never
 * quotes text of a prompt. The first refusal wins, as with struct error. */
#ifndef SERVER_HTTP_REFUSAL_H
#define SERVER_HTTP_REFUSAL_H

struct reqmem_account;
struct stoker_error;

struct refusal {
    int status;       /* 0: none. HTTP's: 400, 404, 413, 429, 500, 501, 503 ... */
    const char *code; /* static: "invalid_value", "queue_full" ...; NULL: none */
    char param[256];  /* path of the field, "messages[2].content"; empty: none */
    char text[600];   /* one sentence, ends in NUL */
    int retry_after;  /* seconds, for 429 and 503; 0: no such header */
    int of_memory;    /* 1: for want of memory */
};

/* Fill *r unless it is filled; param may be NULL. Control characters become "?", bytes that are not UTF-8 too. Returns -1. */
int refuse(struct refusal *r, int status, const char *code, const char *param, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* 503 with Retry-After: no memory for the request now. Returns -1. */
int refuse_memory(struct refusal *r);
/* 503: the server is stopping. Returns -1. */
int refuse_draining(struct refusal *r);

/* An engine's error as a refusal: INPUT and UNSUPPORTED are 400 (invalid_value, unsupported), BUSY 429 queue_full, MEMORY 503 busy, the
 * rest 500. param: where the error names no field; may be NULL. Returns -1. */
int refuse_error(struct refusal *r, const char *param, const struct stoker_error *err);

/* If *r is for want of memory and the account has run out (base/reqmem.h), fills it anew: 413, where this request can never have so much,
 * or 503. */
void refusal_tell_memory(struct refusal *r, const struct reqmem_account *a);

/* "invalid_request_error", "rate_limit_error" ...: the type that OpenAI's dialect and our routes give to a status. */
const char *refusal_type(int status);

#endif
