/* See positions.h. */
#include "eval/positions.h"

#include "base/error.h"

#include <string.h>

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* A number from 0 on, with what is blank around it; one that is too large is at least `most`. -1: there is none. */
static int read_number(const char **at, const char *end, size_t most, size_t *out)
{
    const char *p = *at, *digits;
    while (p < end && is_blank(*p))
        p++;
    *out = 0;
    for (digits = p; p < end && *p >= '0' && *p <= '9'; p++)
        *out = *out < most ? *out * 10 + (size_t)(*p - '0') : most;
    int failed = p == digits;
    while (p < end && is_blank(*p))
        p++;
    *at = p;
    return failed ? -1 : 0;
}

/* 1: the line is blank. -1: the sentence is about the line alone. */
static int read_line(const char *at, const char *end, size_t n_chunk, size_t n_ctx, size_t *chunk, size_t *position,
                     struct error *err)
{
    while (at < end && is_blank(*at))
        at++;
    if (at == end)
        return 1;
    if (read_number(&at, end, n_chunk, chunk) || read_number(&at, end, n_ctx, position) || at < end)
        return error_set(err, ERR_INPUT, "is not a chunk and a position, two numbers");
    if (*chunk >= n_chunk)
        return error_set(err, ERR_INPUT, "there are chunks 0 to %zu", n_chunk - 1);
    if (*position < 1 || *position >= n_ctx)
        return error_set(err, ERR_INPUT, "positions 1 to %zu of a chunk have a score", n_ctx - 1);
    return 0;
}

int eval_positions_read(uint8_t *marked, size_t n_chunk, int n_ctx, const char *name, const char *text, size_t n_text,
                        struct error *err)
{
    const char *at = text, *end = text + n_text, *stop;
    size_t number = 0, n = 0;
    for (; at < end; at = stop + 1) {
        struct error why = {0};
        size_t chunk, position;
        stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        number++;
        int status = read_line(at, stop, n_chunk, (size_t)n_ctx, &chunk, &position, &why);
        if (status < 0)
            return error_set(err, why.code, "%s, line %zu: %s", name, number, why.text);
        if (status)
            continue;
        uint8_t *mark = &marked[chunk * (size_t)n_ctx + position];
        n += !*mark;
        *mark = 1;
    }
    return n > 1 ? 0
                 : error_set(err, ERR_INPUT, "%s names %zu %s; an error needs two at least", name, n,
                             n == 1 ? "position" : "positions");
}
