/* See encoding.h. */
#include "library/document/encoding.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/document/tags.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BLOCK = 16 << 10, META_WITHIN = 1024, ATTRIBUTES = 8 };

struct decoder {
    struct text_input in;
    uint64_t at;
    iconv_t cd;    /* (iconv_t)-1: the input is UTF-8 */
    int is_broken; /* not all of it */
    int is_flushed;
    char block[BLOCK];
    size_t from, to; /* of block: not decoded yet */
    int has_ended;
};

static int read_memory(void *arg, uint64_t at, char *buf, size_t cap, size_t *n, struct error *err)
{
    const struct text_memory *m = arg;
    size_t rest = at < m->n ? m->n - (size_t)at : 0;
    (void)err;
    *n = rest < cap ? rest : cap;
    if (*n)
        memcpy(buf, m->text + at, *n);
    return 0;
}

struct text_input text_of_memory(struct text_memory *m) { return (struct text_input){m, read_memory}; }

/* Is all of it UTF-8? */
static int scan(struct decoder *d, int *is_utf8, struct error *err)
{
    uint64_t at = 0;
    size_t kept = 0, n;
    *is_utf8 = 1;
    do {
        if (d->in.read(d->in.arg, at, d->block + kept, BLOCK - kept, &n, err))
            return -1;
        at += n;
        size_t all = kept + n, good = utf8_valid(d->block, all), length;
        kept = all - good;
        if (kept > 3 || (kept && utf8_head(d->block + good, kept, &length) == UTF8_BROKEN) || (kept && n == 0))
            *is_utf8 = 0;
        else
            memmove(d->block, d->block + good, kept);
    } while (n && *is_utf8);
    return 0;
}

static const char *value_of(const char *const *a, const char *name)
{
    for (; *a; a += 2)
        if (strcmp(a[0], name) == 0)
            return a[1] ? a[1] : "";
    return NULL;
}

/* NAME of a meta element: charset="NAME", or http-equiv and content="text/html; charset=NAME". rest: behind the tag's name. */
static int charset_of(char *rest, char *name, size_t cap)
{
    const char *a[2 * ATTRIBUTES + 1];
    tags_attributes(rest, a, ATTRIBUTES);
    const char *charset = value_of(a, "charset"), *content = value_of(a, "content");
    if (!charset && content && value_of(a, "http-equiv") && (charset = strcasestr(content, "charset"))) {
        charset += 7;
        charset += strspn(charset, " \t\r\n=");
    }
    if (!charset)
        return 0;
    charset += strspn(charset, " \t\r\n\"'");
    snprintf(name, cap, "%.*s",
             (int)strspn(charset, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:."), charset);
    return *name != 0;
}

/* The charset that a page tells in its first bytes; not what stands in a comment or a script. */
static int find_charset(const char *head, size_t n, char *name, size_t cap)
{
    struct tags t = {.state = IN_TEXT};
    char tag[META_WITHIN + 1];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        switch (tags_step(&t, head[i])) {
        case TAGS_PLAIN:
        case TAGS_CLOSES:
            i--;
            break;
        case TAGS_BEGIN:
            k = 0; /* fallthrough */
        case TAGS_TAG:
            tag[k++] = head[i];
            break;
        case TAGS_END:
            tag[k] = 0;
            if (!t.is_end && strcmp(t.name, "meta") == 0 && k > 4 && charset_of(tag + 4, name, cap))
                return 1;
            break;
        default:
            break;
        }
    }
    return 0;
}

static int choose(struct decoder *d, int is_html, struct error *err)
{
    char head[META_WITHIN], charset[48];
    size_t n, got;
    int is_utf8;
    for (n = 0; n < sizeof head; n += got) {
        if (d->in.read(d->in.arg, n, head + n, sizeof head - n, &got, err))
            return -1;
        if (!got)
            break;
    }
    if (n >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0)
        d->at = 3;
    if (n >= 2 && (memcmp(head, "\xFF\xFE", 2) == 0 || memcmp(head, "\xFE\xFF", 2) == 0)) {
        d->at = 2;
        d->cd = iconv_open("UTF-8", *head == '\xFF' ? "UTF-16LE" : "UTF-16BE");
        return d->cd == (iconv_t)-1 ? error_set(err, ERR_UNSUPPORTED, "this system's iconv cannot read UTF-16") : 0;
    }
    if (scan(d, &is_utf8, err))
        return -1;
    int has_charset = is_html && find_charset(head, n, charset, sizeof charset);
    d->is_broken = !is_utf8;
    if (is_utf8 || d->at == 3 ||
        (has_charset && strncasecmp(charset, "utf", 3) == 0)) /* whose bytes are read is not UTF-16 */
        return 0;
    if (has_charset)
        d->cd = iconv_open("UTF-8", charset);
    if (d->cd == (iconv_t)-1)
        d->cd = iconv_open("UTF-8", "WINDOWS-1252");
    return d->cd == (iconv_t)-1 ? error_set(err, ERR_UNSUPPORTED, "this system's iconv cannot read windows-1252") : 0;
}

int decoder_open(struct decoder **out, const struct text_input *in, int is_html, struct error *err)
{
    struct decoder *d = malloc(sizeof *d);
    if (!d)
        return error_set(err, ERR_MEMORY, "no memory to decode a text");
    d->in = *in;
    d->at = d->from = d->to = 0;
    d->has_ended = d->is_broken = d->is_flushed = 0;
    d->cd = (iconv_t)-1;
    if (choose(d, is_html, err)) {
        decoder_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

void decoder_close(struct decoder *d)
{
    if (d && d->cd != (iconv_t)-1)
        iconv_close(d->cd);
    free(d);
}

static int refill(struct decoder *d, struct error *err)
{
    size_t n;
    if (d->has_ended)
        return 0;
    memmove(d->block, d->block + d->from, d->to - d->from);
    d->to -= d->from;
    d->from = 0;
    if (d->in.read(d->in.arg, d->at, d->block + d->to, BLOCK - d->to, &n, err))
        return -1;
    d->at += n;
    d->to += n;
    d->has_ended = n == 0;
    return 0;
}

/* One step of iconv; what it cannot decode is one byte, and U+FFFD. */
static size_t convert(struct decoder *d, char *out, size_t cap)
{
    char *from = d->block + d->from, *to = out;
    size_t left = d->to - d->from, room = cap;
    size_t r = iconv(d->cd, &from, &left, &to, &room);
    d->from = d->to - left;
    if (r == (size_t)-1 && left && room >= 16 && (errno == EILSEQ || (errno == EINVAL && d->has_ended))) {
        iconv(d->cd, NULL, NULL, &to, &room); /* what it holds back */
        memcpy(to, UTF8_REPLACEMENT, 3);
        room -= 3;
        d->from++;
    }
    return cap - room;
}

/* UTF-8 as it is, but for U+FFFD where it is not. */
static size_t mend(struct decoder *d, char *out, size_t cap)
{
    size_t k = 0, length;
    while (d->from < d->to && k + 4 <= cap) {
        const char *p = d->block + d->from;
        enum utf8_head head = utf8_head(p, d->to - d->from, &length);
        if (head == UTF8_PARTIAL && !d->has_ended)
            break;
        length = head == UTF8_PARTIAL ? d->to - d->from : length;
        memcpy(out + k, head == UTF8_WHOLE ? p : UTF8_REPLACEMENT, head == UTF8_WHOLE ? length : 3);
        k += head == UTF8_WHOLE ? length : 3;
        d->from += length;
    }
    return k;
}

/* At the end: what iconv holds back for the next character. */
static size_t flush(struct decoder *d, char *out, size_t cap)
{
    size_t room = cap;
    if (d->cd != (iconv_t)-1 && !d->is_flushed)
        iconv(d->cd, NULL, NULL, &out, &room);
    d->is_flushed = 1;
    return cap - room;
}

static size_t drop_zeros(char *text, size_t n)
{
    char *zero = memchr(text, 0, n);
    size_t k = zero ? (size_t)(zero - text) : n;
    for (size_t i = k; i < n; i++)
        if (text[i])
            text[k++] = text[i];
    return k;
}

int decoder_next(struct decoder *d, char *out, size_t cap, size_t *n, struct error *err)
{
    *n = 0;
    while (*n == 0) {
        if (d->to - d->from < 16 && refill(d, err))
            return -1;
        if (d->from == d->to) {
            *n = flush(d, out, cap);
            return 0;
        }
        if (d->cd == (iconv_t)-1 && d->is_broken) {
            *n = mend(d, out, cap);
        } else if (d->cd == (iconv_t)-1) {
            *n = d->to - d->from < cap ? d->to - d->from : cap;
            memcpy(out, d->block + d->from, *n);
            d->from += *n;
        } else {
            *n = convert(d, out, cap);
        }
        *n = drop_zeros(out, *n);
    }
    return 0;
}
