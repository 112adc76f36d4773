/* HTTP/1.1 heads and chunks: see parse.h. */
#include "server/http/parse.h"

#include "base/hex.h"
#include "server/http/refusal.h"

#include <string.h>
#include <strings.h>

static int is_token(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int bad(struct refusal *r, const char *what)
{
    return refuse(r, 400, NULL, NULL, "the request is not HTTP/1.1: %s", what);
}

/* ---- where a head ends ----------------------------------------------------------------------------------------------------- */

/* Blank lines that come before a request line, as after some clients' bodies. */
static size_t blank_lines(const char *text, size_t n)
{
    size_t i = 0;
    while (i + 1 < n && text[i] == '\r' && text[i + 1] == '\n')
        i += 2;
    return i;
}

long http_head_size(const char *text, size_t n, struct refusal *r)
{
    size_t start = blank_lines(text, n);
    if (start > 64)
        return bad(r, "too many blank lines before it");
    if (start < n && !is_token((unsigned char)text[start]) && !(text[start] == '\r' && start + 1 == n))
        return bad(r, "it does not begin with a method");
    const char *line = memchr(text + start, '\n', n - start);
    if ((line ? (size_t)(line - text) - start : n - start) > HTTP_TARGET_MOST + 64)
        return refuse(r, 414, NULL, NULL, "the request's URI is longer than %d bytes", HTTP_TARGET_MOST);
    if (!line)
        return 0;
    if (line[-1] != '\r')
        return bad(r, "a line does not end in CR LF");
    size_t fields = (size_t)(line - text) + 1;
    const char *end = n - fields >= 2 && memcmp(line + 1, "\r\n", 2) == 0
                          ? line - 1
                          : memmem(line - 1, n - fields + 2, "\r\n\r\n", 4);
    if ((end ? (size_t)(end - text) + 4 : n) - fields > HTTP_FIELDS_MOST)
        return refuse(r, 431, NULL, NULL, "the request's header lines are longer than %d bytes", HTTP_FIELDS_MOST);
    return end ? (long)(end - text) + 4 : 0;
}

/* ---- fields ---------------------------------------------------------------------------------------------------------------- */

const char *http_head_field(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_field; i++)
        if (strcmp(h->field[i].name, name) == 0)
            return h->field[i].value;
    return NULL;
}

/* "a, b" holds word, in any case. */
static int has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    while (*list) {
        list += strspn(list, " \t,");
        size_t k = strcspn(list, " \t,");
        if (k == n && strncasecmp(list, word, n) == 0)
            return 1;
        list += k;
    }
    return 0;
}

int http_names_ok(const char *list)
{
    size_t names = 0;
    if (strlen(list) > HTTP_NAMES_MOST)
        return 0;
    while (names++ < HTTP_NAMES) {
        const char *begin = list += strspn(list, " \t");
        while (is_token((unsigned char)*list))
            list++;
        if (list == begin)
            return 0;
        list += strspn(list, " \t");
        if (*list != ',')
            return *list == 0;
        list++;
    }
    return 0;
}

static int read_field(struct http_head *h, char *line, char *end, struct refusal *r)
{
    char *colon = line;
    while (is_token((unsigned char)*colon)) {
        if (*colon >= 'A' && *colon <= 'Z')
            *colon += 'a' - 'A';
        colon++;
    }
    if (colon == line || *colon != ':')
        return bad(r, "a header line is not a name and a colon");
    char *value = colon + 1;
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (const char *p = value; p < end; p++)
        if ((*(const unsigned char *)p < 0x20 && *p != '\t') || *p == 0x7f)
            return bad(r, "a header holds a control character");
    if (h->n_field == HTTP_FIELDS)
        return refuse(r, 431, NULL, NULL, "the request has more than %d header lines", HTTP_FIELDS);
    *colon = *end = 0;
    h->field[h->n_field++] = (struct http_field){line, value};
    return 0;
}

static int read_length(struct http_head *h, const char *value, struct refusal *r)
{
    int64_t n = 0;
    if (*value == 0)
        return bad(r, "Content-Length is empty");
    for (; *value; value++) {
        if (*value < '0' || *value > '9')
            return bad(r, "Content-Length is not a number");
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*value - '0');
    }
    if (h->length >= 0 && h->length != n)
        return bad(r, "it has two different Content-Length");
    h->length = n;
    return 0;
}

/* What the fields mean for reading on. */
static int check_fields(struct http_head *h, struct refusal *r)
{
    int hosts = 0;
    for (size_t i = 0; i < h->n_field; i++) {
        const char *name = h->field[i].name, *value = h->field[i].value;
        if (strcmp(name, "content-length") == 0) {
            if (read_length(h, value, r))
                return -1;
        } else if (strcmp(name, "transfer-encoding") == 0) {
            if (h->chunked || h->minor == 0 || strcasecmp(value, "chunked") != 0)
                return bad(r, "the only Transfer-Encoding there is, is \"chunked\"");
            h->chunked = 1;
        } else if (strcmp(name, "host") == 0) {
            hosts++;
            h->host = h->host ? h->host : value;
        } else if (strcmp(name, "connection") == 0) {
            h->keep_alive = has_word(value, "close")                              ? -1
                            : h->keep_alive == 0 && has_word(value, "keep-alive") ? 1
                                                                                  : h->keep_alive;
        } else if (strcmp(name, "expect") == 0) {
            h->expects_continue = h->minor > 0 && strcasecmp(value, "100-continue") == 0;
        }
    }
    h->keep_alive = h->keep_alive ? h->keep_alive > 0 : h->minor > 0;
    if (hosts > 1 || (hosts == 0 && h->minor > 0))
        return bad(r, hosts ? "it has two Host headers" : "it has no Host header");
    if (h->chunked && h->length >= 0)
        return bad(r, "it has both Content-Length and Transfer-Encoding");
    return 0;
}

/* ---- the request line ------------------------------------------------------------------------------------------------------ */

static int read_target(struct http_head *h, char *target, struct refusal *r)
{
    static const char scheme[] = "http://";
    if (strlen(target) > HTTP_TARGET_MOST)
        return refuse(r, 414, NULL, NULL, "the request's URI is longer than %d bytes", HTTP_TARGET_MOST);
    target[strcspn(target, "?#")] = 0;
    if (strncasecmp(target, scheme, sizeof scheme - 1) ==
        0) { /* as to a proxy: the authority goes before the Host field */
        char *host = target + sizeof scheme - 1, *path = host + strcspn(host, "/");
        h->path = *path ? path : "/";
        memmove(target, host, (size_t)(path - host)); /* for the zero between them */
        target[path - host] = 0;
        h->host = target;
    } else if (*target == '/' || strcmp(target, "*") == 0) {
        h->path = target;
    } else {
        return bad(r, "its target does not begin with \"/\"");
    }
    return 0;
}

static int read_request_line(struct http_head *h, char *line, char *end, struct refusal *r)
{
    char *target = line, *version;
    *end = 0;
    while (is_token((unsigned char)*target))
        target++;
    if (target == line || *target != ' ' || target - line > 32)
        return bad(r, "its first line is not a method, a target and a version");
    *target++ = 0;
    for (version = target; *(unsigned char *)version > 0x20 && *(unsigned char *)version < 0x7f;)
        version++;
    if (version == target || *version != ' ' || strncmp(version + 1, "HTTP/1.", 7) != 0 || version[8] < '0' ||
        version[8] > '9' || version + 9 != end)
        return bad(r, "its first line is not a method, a target and HTTP/1.0 or HTTP/1.1");
    h->minor = version[8] > '0';
    *version = 0;
    h->method = line;
    return read_target(h, target, r);
}

int http_head_parse(struct http_head *h, char *text, size_t n, struct refusal *r)
{
    *h = (struct http_head){.length = -1};
    char *line = text + blank_lines(text, n), *stop = text + n - 2; /* at the empty line */
    for (int first = 1; line < stop; first = 0) {
        char *end = memchr(line, '\n', (size_t)(text + n - line));
        if (!end || end == line || end[-1] != '\r')
            return bad(r, "a line does not end in CR LF");
        if (first ? read_request_line(h, line, end - 1, r) : read_field(h, line, end - 1, r))
            return -1;
        line = end + 1;
    }
    return check_fields(h, r);
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------------- */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LINE, TRAILER_LF, LAST_LF };
enum { LINE_MOST = 4096, TRAILERS_MOST = 8192 };

/* A byte of a size line: "1a", then blanks or ";..." that mean nothing, CR LF. */
static int size_byte(struct http_chunks *c, char byte, struct refusal *r)
{
    int digit = hex_digit(byte);
    if (++c->line > LINE_MOST)
        return bad(r, "the line of a chunk is too long");
    if (c->state == SIZE && digit >= 0) {
        if (++c->digits > 15)
            return bad(r, "the size of a chunk is too large");
        c->left = c->left << 4 | (unsigned)digit;
    } else if (c->digits == 0) {
        return bad(r, "the size of a chunk is not hexadecimal");
    } else if (byte == '\r') {
        c->state = SIZE_LF;
    } else if (c->state == SIZE && byte != ';' && byte != ' ' && byte != '\t') {
        return bad(r, "the size of a chunk is not hexadecimal");
    } else if (byte == '\n' || byte == 0) {
        return bad(r, "the line of a chunk does not end in CR LF");
    } else {
        c->state = EXTENSION;
    }
    return 0;
}

/* A byte of the lines behind the last chunk: read over, up to the empty one. */
static int trailer_byte(struct http_chunks *c, char byte, struct refusal *r)
{
    if (++c->line > TRAILERS_MOST)
        return refuse(r, 431, NULL, NULL, "the lines behind the body are longer than %d bytes", TRAILERS_MOST);
    if (byte == '\n' || byte == 0)
        return bad(r, "a line behind the body does not end in CR LF");
    c->state = byte != '\r' ? TRAILER_LINE : c->state == TRAILER ? LAST_LF : TRAILER_LF;
    return 0;
}

/* The size of a chunk is known. */
static int begin_chunk(struct http_chunks *c, struct refusal *r)
{
    c->line = 0, c->digits = 0;
    c->state = c->left ? DATA : TRAILER;
    if (c->left > c->most - c->total)
        return refuse(r, 413, NULL, NULL, "the body is larger than %llu bytes, the limit of --max-body",
                      (unsigned long long)c->most);
    c->total += c->left;
    return 0;
}

static int control_byte(struct http_chunks *c, char byte, struct refusal *r)
{
    switch (c->state) {
    case SIZE:
    case EXTENSION:
        return size_byte(c, byte, r);
    case TRAILER:
    case TRAILER_LINE:
        return trailer_byte(c, byte, r);
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r' ? 0 : bad(r, "a chunk is longer than its size");
    default:
        if (byte != '\n')
            return bad(r, "a line of a chunk does not end in CR LF");
        c->done = c->state == LAST_LF;
        if (c->state == SIZE_LF)
            return begin_chunk(c, r);
        c->state = c->state == DATA_LF ? SIZE : TRAILER;
        return 0;
    }
}

long http_chunks_read(struct http_chunks *c, const char *in, size_t n, char *out, size_t *n_out, struct refusal *r)
{
    size_t i = 0;
    *n_out = 0;
    while (i < n && !c->done) {
        if (c->state != DATA) {
            if (control_byte(c, in[i++], r))
                return -1;
            continue;
        }
        size_t k = c->left < n - i ? (size_t)c->left : n - i;
        memmove(out + *n_out, in + i, k);
        *n_out += k;
        i += k;
        c->left -= k;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    return (long)i;
}
