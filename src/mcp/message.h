/* Messages of JSON-RPC 2.0 as MCP uses them: one JSON object a line. A message is read as places in its line and copied nowhere: its parts
 * keep every number and key as they were written, and a line of any content costs no memory beside its own bytes.
 *
 *     {"jsonrpc":"2.0","id":7,"method":"tools/list","params":{..}}      request; without id: a notification
 *     {"jsonrpc":"2.0","id":7,"result":{..}}                            or "error": {"code","message","data"}
 *
 * All of it is hostile. Source: jsonrpc.org/specification, 4 and 5; MCP, revisions 2024-11-05 to 2026-07-28. */
#ifndef MCP_MESSAGE_H
#define MCP_MESSAGE_H

#include "base/json/buffer.h"
#include "base/json/scan.h"

#include <stddef.h>

enum { MESSAGE_MOST = 8 << 20 }; /* bytes of a line */

/* Codes of errors, of JSON-RPC and of MCP. */
enum {
    MCP_NOT_JSON = -32700,
    MCP_NO_REQUEST = -32600,
    MCP_NO_METHOD = -32601,
    MCP_BAD_PARAMS = -32602,
    MCP_HEADERS_DIFFER = -32020,
    MCP_BAD_VERSION = -32022
};

#define MCP_MODERN "2026-07-28" /* the revision without sessions */
#define MCP_OLD    "2025-11-25" /* the newest one that opens with initialize */
#define MCP_META   "io.modelcontextprotocol/"

/* 1: a revision that opens with initialize. */
int mcp_is_old(const char *version, size_t n);

/* Part of a line: one JSON value; n 0: there is none. */
struct span {
    const char *text;
    size_t n;
};

enum message_kind {
    MESSAGE_BROKEN,  /* no JSON, or nested deeper than JSON_DEPTH */
    MESSAGE_INVALID, /* JSON, and none of these; id, if it has one, is there */
    MESSAGE_REQUEST,
    MESSAGE_NOTIFICATION,
    MESSAGE_RESULT,
    MESSAGE_ERROR
};

struct message {
    enum message_kind kind;
    struct span id;                          /* a string, a number or null, as it was written */
    struct span method;                      /* with its quotes */
    struct span params, result, error, meta; /* meta: "_meta" of params */
};

void message_read(struct message *m, const char *line, size_t n);

/* The member of an object; n 0: it has none of that name, or is no object. */
struct span span_member(struct span object, const char *name);
/* 1: a string that means the same as text. */
int span_is(struct span string, const char *text);
/* 1: an integer within 15 digits, as JSON writes it, in *v. */
int span_integer(struct span number, long long *v);
static inline int span_is_string(struct span v) { return v.n > 0 && v.text[0] == '"'; }
static inline int span_is_object(struct span v) { return v.n > 0 && v.text[0] == '{'; }
static inline int span_is_list(struct span v) { return v.n > 0 && v.text[0] == '['; }
static inline int span_is_null(struct span v) { return v.n > 0 && v.text[0] == 'n'; }
static inline int span_is_true(struct span v) { return v.n > 0 && v.text[0] == 't'; }
/* The text of a string into out [cap], cut between characters, control characters as '?'. Another value: "". */
void span_plain(struct span string, char *out, size_t cap);

/* Elements of a list, or members of an object, one after the other. */
struct span_walk {
    struct span all;
    struct json_scan scan;
    size_t at;
};
void span_walk(struct span_walk *w, struct span all);
/* 0: none is left. key may be NULL; of an element it is empty. */
int span_next(struct span_walk *w, struct span *key, struct span *value);

/* Ends in a newline. params: JSON, or NULL. */
void message_put_request(struct buffer *out, long long id, const char *method, const char *params, size_t n_params);
void message_put_notification(struct buffer *out, const char *method, const char *params, size_t n_params);
/* id: as it was written; n 0: null. data: JSON, or NULL. */
void message_put_result(struct buffer *out, struct span id, const char *result, size_t n_result);
void message_put_error(struct buffer *out, struct span id, int code, const char *text, const char *data);

#endif
