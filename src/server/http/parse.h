/* HTTP/1.1 as bytes (RFC 9112): heads and chunked bodies. Pure functions of what came, so that they can be fuzzed; http.c reads and writes.
 *
 * Strict where two readers could see two different requests: lines end in CRLF, no blank before a colon, no folded lines, one Host, one
 * meaning of the body's length. Lenient where it is harmless: blank lines before a request, absolute targets, unknown headers.
 *
 *     head    request line, fields, empty line        http_head_size() finds its end, http_head_parse() reads it in place
 *     body    Content-Length bytes, or chunks         http_chunks_read() takes the bytes out of them, any split of the stream */
#ifndef SERVER_HTTP_PARSE_H
#define SERVER_HTTP_PARSE_H

#include <stddef.h>
#include <stdint.h>

struct refusal;

enum {
    HTTP_TARGET_MOST = 8 << 10,
    HTTP_FIELDS_MOST = 32 << 10, /* bytes of all header lines */
    HTTP_HEAD_MOST = HTTP_TARGET_MOST + HTTP_FIELDS_MOST +
                     1024, /* of the whole head, so a buffer that holds this holds any head */
    HTTP_FIELDS = 128,
    HTTP_NAMES = 64, /* of a list that http_names_ok() takes: names, and bytes in all */
    HTTP_NAMES_MOST = 1000
};

struct http_field {
    const char *name; /* in lower case */
    const char *value;
};

struct http_head {
    const char *method, *path; /* path: without query; "*" for OPTIONS */
    const char *host;          /* of the Host field or of an absolute target; NULL: none (HTTP/1.0) */
    struct http_field field[HTTP_FIELDS];
    size_t n_field;
    int64_t length; /* Content-Length; -1: none */
    int minor;      /* of HTTP/1.minor: 0 or 1 */
    int chunked, keep_alive, expects_continue;
};

/* The size of the head that text begins with, its empty line included; 0: not all there yet; -1: it cannot become one (*r: 400, 414,
 * 431). */
long http_head_size(const char *text, size_t n, struct refusal *r);

/* Reads a head of n bytes (of http_head_size()) in place: the pieces point into text, which is changed. -1: *r. */
int http_head_parse(struct http_head *h, char *text, size_t n, struct refusal *r);

/* A field's first value; name in lower case. NULL: none. */
const char *http_head_field(const struct http_head *h, const char *name);

/* 1: a list of header names, "x-a, x-b", few and short enough to be repeated in an answer. */
int http_names_ok(const char *list);

/* Zeroed, but for most: at the beginning of a chunked body. */
struct http_chunks {
    uint64_t most;  /* bytes that the body may have: 413 as soon as a chunk's size says more */
    uint64_t total; /* bytes of the chunks so far, by their sizes */
    int state;
    int digits;    /* of the size that is being read */
    uint64_t left; /* bytes of the chunk that is being read */
    size_t line;   /* bytes of the size line, or of all trailers so far */
    int done;      /* the last line of the trailers was read */
};

/* Takes body bytes out of in[n] and puts them to out (n bytes long; may be in itself): *n_out of them. Returns how many bytes of in were
 * used: all, unless the body ended (done). -1: not chunks, *r. */
long http_chunks_read(struct http_chunks *c, const char *in, size_t n, char *out, size_t *n_out, struct refusal *r);

#endif
