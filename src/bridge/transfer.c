/* See transfer.h. */
#include "bridge/transfer.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what comes back ------------------------------------------------------------------------------------- */

static int is_stream(struct transfer *t)
{
    const char *type = NULL;
    t->wire->curl.easy_getinfo(t->easy, CURL_OF_TYPE, &type);
    return type && strncasecmp(type, "text/event-stream", 17) == 0;
}

long transfer_status(struct transfer *t)
{
    long status = 0;
    if (t->easy)
        t->wire->curl.easy_getinfo(t->easy, CURL_OF_STATUS, &status);
    return status;
}

/* Another number than n ends the transfer. */
static size_t take_body(char *text, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count;
    if (t->take && transfer_status(t) == 200 && is_stream(t)) {
        if (sse_feed(&t->events, text, n, MESSAGE_MOST, t->take, t->arg) == 0)
            return n;
        t->why = "an event of its answer has more than 8 MiB";
        return 0;
    }
    if (t->answer.n + n > MESSAGE_MOST)
        t->why = "its answer has more than 8 MiB";
    else
        buffer_put(&t->answer, text, n);
    return t->why || t->answer.failed ? 0 : n;
}

static void take_session(struct transfer *t, const char *value, size_t n)
{
    while (n > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        n--;
    }
    while (n > 0 && (unsigned char)value[n - 1] <= ' ')
        n--;
    int is_visible = 1;
    for (size_t i = 0; i < n && is_visible; i++)
        is_visible = value[i] > 0x20 && value[i] < 0x7F;
    if (n > SESSION || !is_visible) {
        t->why = "its Mcp-Session-Id is longer than 1,000 bytes, or has others than visible ones of ASCII";
        return;
    }
    memcpy(t->session, value, n);
    t->session[n] = 0;
}

/* A line of the head, or of the trailer: it is counted too. */
static size_t take_header(char *text, size_t size, size_t count, void *arg)
{
    static const char name[] = "mcp-session-id:";
    struct transfer *t = arg;
    size_t n = size * count, n_name = sizeof name - 1;
    t->n_head += n;
    if (t->n_head > HEAD_MOST)
        t->why = "its answer has more than 64 KiB of headers";
    else if (n > n_name && strncasecmp(text, name, n_name) == 0)
        take_session(t, text + n_name, n - n_name);
    return t->why ? 0 : n;
}

/* ---- under way ------------------------------------------------------------------------------------------- */

/* -1: libcurl lacks what says whom it may believe. */
static int set_up_tls(const struct curl *c, void *e)
{
    const char *authorities = getenv("SSL_CERT_FILE"); /* which TLS libraries and other programs look at */
    int refused = c->easy_setopt(e, CURL_SSL_VERSION, (long)CURL_TLS_1_2);
    if (authorities && *authorities) {
        refused |= c->easy_setopt(e, CURL_CA_FILE, authorities);
        c->easy_setopt(e, CURL_CA_FOLDER, NULL); /* they alone; where libcurl has no folders there is none */
    }
    return refused ? -1 : 0;
}

/* -1: libcurl lacks what says who may be asked: this scheme alone, and no proxy, of which one that was built without knows nothing. */
static int set_up_route(const struct curl *c, void *e, int is_https)
{
    int without = c->easy_setopt(e, CURL_PROXY, "");
    int refused = c->easy_setopt(e, CURL_PROTOCOLS, (long)(is_https ? CURL_HTTPS : CURL_HTTP));
    return refused || (without && without != CURL_NOT_BUILT_IN && without != CURL_UNKNOWN_OPTION) ? -1 : 0;
}

static void set_up(struct transfer *t)
{
    const struct curl *c = &t->wire->curl;
    void *e = t->easy;
    int is_https = strncasecmp(t->wire->url, "https:", 6) == 0;
    c->easy_setopt(e, CURL_URL, t->wire->url);
    if (set_up_route(c, e, is_https))
        t->why = "this libcurl refuses to ask by http or https alone, or without a proxy";
    else if (is_https && set_up_tls(c, e))
        t->why = "this libcurl has no TLS from 1.2, which a url with https needs, or refuses to believe SSL_CERT_FILE";
    c->easy_setopt(e, CURL_NO_SIGNAL, 1L);
    c->easy_setopt(e, CURL_KEEP_ALIVE, 1L);
    c->easy_setopt(e, CURL_CONNECT_TIMEOUT_MS, (long)CONNECT_MS);
    c->easy_setopt(e, CURL_TIMEOUT_MS, (long)t->timeout_ms);
    c->easy_setopt(e, CURL_USER_AGENT, "stoker");
    c->easy_setopt(e, CURL_HEADERS, t->headers.list);
    c->easy_setopt(e, CURL_PRIVATE, t);
    c->easy_setopt(e, CURL_ERROR_TEXT, t->error);
    c->easy_setopt(e, CURL_WRITE_FUNCTION, take_body);
    c->easy_setopt(e, CURL_WRITE_DATA, t);
    c->easy_setopt(e, CURL_HEADER_FUNCTION, take_header);
    c->easy_setopt(e, CURL_HEADER_DATA, t);
    if (t->body.n) {
        c->easy_setopt(e, CURL_POST, 1L);
        c->easy_setopt(e, CURL_POST_SIZE, (long)t->body.n);
        c->easy_setopt(e, CURL_POST_FIELDS, t->body.text);
    } else {
        c->easy_setopt(e, CURL_METHOD, "DELETE");
    }
}

int transfer_begin(struct transfer *t)
{
    const struct curl *c = &t->wire->curl;
    if (t->headers.failed || t->body.failed || !(t->easy = c->easy_init()))
        return -1;
    t->answer.n = t->n_head = 0;
    *t->session = *t->error = 0;
    t->why = NULL;
    sse_free(&t->events);
    t->events = (struct sse){.has_begun = 0};
    set_up(t);
    if (!t->why && c->multi_add_handle(t->wire->multi, t->easy) == 0)
        return 0;
    c->easy_cleanup(t->easy);
    t->easy = NULL;
    return -1;
}

struct transfer *transfer_next(struct wire *w, int *result)
{
    struct transfer *t = NULL;
    struct curl_message *m;
    int n_left;
    while ((m = w->curl.multi_info_read(w->multi, &n_left)))
        if (m->kind == CURL_DONE) {
            *result = m->data.result;
            w->curl.easy_getinfo(m->easy, CURL_OF_PRIVATE, &t);
            return t;
        }
    return NULL;
}

void transfer_end(struct transfer *t)
{
    if (!t->easy)
        return;
    t->wire->curl.multi_remove_handle(t->wire->multi, t->easy);
    t->wire->curl.easy_cleanup(t->easy);
    t->easy = NULL;
}

void transfer_free(struct transfer *t)
{
    transfer_end(t);
    headers_free(&t->headers);
    buffer_free(&t->body);
    buffer_free(&t->answer);
    sse_free(&t->events);
}

/* ---- sentences ------------------------------------------------------------------------------------------- */

/* The beginning of a refusal's text, as one line. */
static void tell_body(const struct transfer *t, char *out, size_t cap)
{
    size_t n = t->answer.n < 160 ? t->answer.n : 160;
    snprintf(out, cap, "%.*s", (int)n, t->answer.n ? t->answer.text : "");
    utf8_make_plain(out);
}

void transfer_origin(const char *url, char *out, size_t cap)
{
    const char *behind = strstr(url, "://"), *host = behind ? behind + 3 : url;
    size_t n_host = strcspn(host, "/?#\\"), n_user = 0;
    for (size_t i = 0; i < n_host; i++)
        n_user = host[i] == '@' ? i + 1 : n_user;
    snprintf(out, cap, "%.*s%.*s", (int)(host - url), url, (int)(n_host - n_user), host + n_user);
}

void transfer_tell(struct transfer *t, int result, long status, char *out, size_t cap)
{
    char body[200], origin[200];
    const char *to = NULL;
    tell_body(t, body, sizeof body);
    if (t->easy)
        t->wire->curl.easy_getinfo(t->easy, CURL_OF_REDIRECT, &to);
    transfer_origin(to ? to : "", origin, sizeof origin);
    if (t->why)
        snprintf(out, cap, "%s", t->why);
    else if (result)
        snprintf(out, cap, "%s", *t->error ? t->error : t->wire->curl.easy_strerror(result));
    else if (to)
        snprintf(
            out, cap,
            "HTTP status %ld leads to an address of %s, and no redirect is followed: that address belongs into url",
            status, origin);
    else if (status == 401 || status == 403)
        snprintf(out, cap, "HTTP status %ld: it wants to know who asks, which headers can say", status);
    else if (status / 100 == 2)
        snprintf(out, cap, "its answer of HTTP status %ld is no answer to the message", status);
    else
        snprintf(out, cap, "HTTP status %ld%s%s", status, *body ? ": " : "", body);
    utf8_make_plain(out);
}
