/* A server whose chats a test asks: one at a time into `reply`, and many at once, each of which must answer what one alone does. */
#ifndef TESTS_CHAT_SERVER_H
#define TESTS_CHAT_SERVER_H

#include "check.h"
#include "sanitized.h"
#include "server_client.h"
#include "temporary.h"

#include <pthread.h>

enum { CHATS = 64, PATIENCE = SANITIZED ? 240 : 60 /* seconds */ };

static struct server_process server;
static char log_file[TEMPORARY_PATH + 64]; /* of the server; the test names it */
static struct reply reply;
static char alone[4096]; /* what a chat answers alone: learn_alone() */

static inline void start_server(const char *const *flags)
{
    if (server_start(&server, flags, log_file) || server_ready(&server, PATIENCE)) {
        printf("FAILED: no server; see %s\n", log_file);
        exit(1);
    }
}

/* A library with one source, made of a text that printf writes: its folder, in `in`, into path. */
static inline void make_library(char path[TEMPORARY_PATH + 64], const char *in, const char *text)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    char command[6 * TEMPORARY_PATH + 1200];
    snprintf(path, TEMPORARY_PATH + 64, "%s/db/", in);
    snprintf(command, sizeof command,
             "printf '%s' >'%s/bridge.txt' && '%s' library add '%s/bridge.txt' --name docs --library '%s' >/dev/null "
             "2>&1",
             text, in, program, in, path);
    if (system(command) != 0) {
        printf("FAILED: %s\n", command);
        exit(1);
    }
}

/* ---- chats ----------------------------------------------------------------------------------------------------------------- */

/* Fields of a chat: a question; an answer that one text alone satisfies; a tool that is called first. */
#define FIND "\"messages\":[{\"role\":\"user\",\"content\":\"Find bridge\"}],\"temperature\":0,\"seed\":1"
#define SAYS(t)                                                                                                        \
    ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"strict\":true,\"schema\":{"      \
    "\"const\":\"" t "\"}}}"
#define CALLS(name) ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

/* Until it is so, or the patience ends; what was so once is not asked again. */
#define EVENTUALLY(condition)                                                                                          \
    ({                                                                                                                 \
        double until_ = clock_seconds() + PATIENCE;                                                                    \
        int is_so_;                                                                                                    \
        while (!(is_so_ = (condition)) && clock_seconds() < until_)                                                    \
            usleep(10000);                                                                                             \
        is_so_;                                                                                                        \
    })

static inline int ask_into(struct reply *r, const char *path, const char *body)
{
    struct client c = {server.port, -1};
    r->status = 0;
    client_ask(&c, body ? "POST" : "GET", path, body ? body : "", body ? strlen(body) : 0, r, NULL, NULL);
    client_close(&c);
    return r->status;
}

static inline int chat(const char *body) { return ask_into(&reply, "/v1/chat/completions", body); }

/* The message of an answer, which is part of *whole: json_decref() that. */
static inline json_t *message_of(const struct reply *r, json_t **whole)
{
    *whole = json_loadb(r->body, r->n, 0, NULL);
    return json_object_get(json_array_get(json_object_get(*whole, "choices"), 0), "message");
}

/* Gives each chunk of a stream to take(arg, chunk). 1: the stream says that it ended. */
static inline int read_chunks(const struct reply *r, void (*take)(void *arg, const json_t *chunk), void *arg)
{
    int is_ended = 0;
    for (const char *at = r->body; at && (at = strstr(at, "data: ")); at++) {
        const char *end = strchr(at, '\n');
        size_t n = end ? (size_t)(end - at) - 6 : strlen(at) - 6;
        json_t *o = json_loadb(at + 6, n, 0, NULL);
        if (o)
            take(arg, o);
        is_ended |= n == 6 && memcmp(at + 6, "[DONE]", 6) == 0;
        json_decref(o);
    }
    return is_ended;
}

static inline void learn_alone(const char *body)
{
    json_t *whole;
    check(chat(body) == 200, "alone: %s", reply.body);
    const char *content = json_string_value(json_object_get(message_of(&reply, &whole), "content"));
    snprintf(alone, sizeof alone, "%s", content ? content : "");
    json_decref(whole);
}

/* body: a chat's, as a thread gets it. */
static inline void *one_of_many(void *body)
{
    struct reply r = {0};
    json_t *whole;
    int status = ask_into(&r, "/v1/chat/completions", body);
    const char *content = json_string_value(json_object_get(message_of(&r, &whole), "content"));
    check(status == 200 && content && strcmp(content, alone) == 0, "one of many: %d %s, not %s", status,
          content ? content : r.body, alone);
    json_decref(whole);
    reply_free(&r);
    return NULL;
}

static inline void ask_many(char *body)
{
    pthread_t thread[CHATS];
    for (int i = 0; i < CHATS; i++)
        if (pthread_create(&thread[i], NULL, one_of_many, body))
            exit(1);
    for (int i = 0; i < CHATS; i++)
        pthread_join(thread[i], NULL);
}

#endif
