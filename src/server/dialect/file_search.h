/* The tool file_search of OpenAI's Responses: what the field "library" is in chats, and what it has found as items of an answer
 * (library.md 13). */
#ifndef SERVER_DIALECT_FILE_SEARCH_H
#define SERVER_DIALECT_FILE_SEARCH_H

#include "server/answer/answer.h"
#include "server/request/own_tools.h"

/* The tool at its place among the tools of body, as the field of the chat; notes where that came from. -1: *r. */
int file_search_read(json_t *chat, json_t *origins, const json_t *body, const json_t *tool, const struct json_at *at,
                     struct refusal *r);

/* An item of an earlier answer that its client sends back, with results, as the call that it was: {"call_id", "name", "arguments",
 * "output"}, a new reference. Its passages get the numbers that they had, if all of the conversation come back. NULL: there are no results,
 * or *r. */
json_t *file_search_recall(struct passages *known, const json_t *item, struct refusal *r);
/* They are the request's from now on, if it has the library; its next passages get the next numbers. */
void file_search_keep(struct request *w, struct passages *known);

/* A search of the library, or an article that is opened. */
struct file_search {
    struct out queries, results; /* JSON; results empty: they are not known yet, or nobody asks for them */
    int is_failed;
};

/* NULL: no memory. */
struct file_search *file_search_begin(const struct lookup *l);
/* wants_results 1: the passages are told. -1: no memory. */
int file_search_end(struct file_search *s, const struct answer *a, const struct lookup *l, int wants_results);
/* "queries":[..],"results":[..] or null */
void file_search_put(struct out *o, const struct file_search *s);
void file_search_free(struct file_search *s); /* NULL is fine */

#endif
