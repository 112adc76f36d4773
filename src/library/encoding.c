/* See encoding.h. */
#include "library/encoding.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BLOCK = 16 << 10, META_WITHIN = 4096 };

struct decoder {
    struct text_input in;
    uint64_t at;
    iconv_t cd; /* (iconv_t)-1: the input is UTF-8 */
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

/* charset=NAME or charset="NAME" within the first bytes. */
static int find_charset(const char *head, size_t n, char *name, size_t cap)
{
    for (size_t i = 0; i + 9 < n; i++) {
        if (strncasecmp(head + i, "charset", 7))
            continue;
        i += 7;
        while (i < n && strchr(" \t\r\n='\"", head[i]) && head[i])
            i++;
        size_t k = 0;
        while (i + k < n && k + 1 < cap && (strchr("-_:.", head[i + k]) ? head[i + k] != 0 : 1) &&
               strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.", head[i + k]) && head[i + k])
            k++;
        memcpy(name, head + i, k);
        name[k] = 0;
        return k > 0;
    }
    return 0;
}

static int choose(struct decoder *d, struct error *err)
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
    if (is_utf8)
        return 0;
    if (find_charset(head, n, charset, sizeof charset) && strncasecmp(charset, "utf", 3))
        d->cd = iconv_open("UTF-8", charset);
    if (d->cd == (iconv_t)-1)
        d->cd = iconv_open("UTF-8", "WINDOWS-1252");
    return d->cd == (iconv_t)-1 ? error_set(err, ERR_UNSUPPORTED, "this system's iconv cannot read windows-1252") : 0;
}

int decoder_open(struct decoder **out, const struct text_input *in, struct error *err)
{
    struct decoder *d = malloc(sizeof *d);
    if (!d)
        return error_set(err, ERR_MEMORY, "no memory to decode a text");
    d->in = *in;
    d->at = d->from = d->to = 0;
    d->has_ended = 0;
    d->cd = (iconv_t)-1;
    if (choose(d, err)) {
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
    if (r == (size_t)-1 && left && room >= 3 && (errno == EILSEQ || (errno == EINVAL && d->has_ended))) {
        memcpy(to, UTF8_REPLACEMENT, 3);
        room -= 3;
        d->from++;
        iconv(d->cd, NULL, NULL, NULL, NULL);
    }
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
        if (d->from == d->to)
            return 0;
        if (d->cd == (iconv_t)-1) {
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
