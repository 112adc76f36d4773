/* Streaming detokenizer: see tokenizer.h.
 *
 * Pieces are bytes, and a character may be spread over several. What is decided is emitted; at most three bytes of a character
 * that may still be completed are held back. Ill-formed bytes become U+FFFD, one for each maximal subpart (Unicode 15, 3.9), so
 * that the output is valid UTF-8 whatever the model says. tokenizer.md 8 and 9. */
#include "base/utf8.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/vocab.h"

#include <string.h>

void detok_begin(struct detok *d, const struct tokenizer *t, int special, int continues)
{
    *d = (struct detok){.tokenizer = t, .special = special};
    d->first = !continues && t->model == MODEL_SPM && t->add_space_prefix;
}

/* Each byte may become three. */
size_t detok_most(const struct tokenizer *t) { return 3 * (t->longest_piece + 3); }

static size_t replace(char *out)
{
    memcpy(out, UTF8_REPLACEMENT, 3);
    return 3;
}

/* Complete the pending character from text; returns how many of its bytes were used. */
static size_t feed_pending(struct detok *d, const uint8_t *text, size_t n, char *out, size_t *written)
{
    size_t used = 0, length;
    while (d->n_pending > 0 && used < n) {
        d->pending[d->n_pending] = (char)text[used];
        switch (utf8_head(d->pending, (size_t)d->n_pending + 1, &length)) {
        case UTF8_WHOLE:
            memcpy(out + *written, d->pending, length);
            *written += length;
            d->n_pending = 0;
            used++;
            break;
        case UTF8_PARTIAL:
            d->n_pending++;
            used++;
            break;
        case UTF8_BROKEN: /* by this byte, which begins something of its own */
            *written += replace(out + *written);
            d->n_pending = 0;
            break;
        }
    }
    return used;
}

size_t detok_next(struct detok *d, int32_t id, char *out)
{
    size_t n, written = 0, length;
    const uint8_t *text = (const uint8_t *)tokenizer_piece(d->tokenizer, id, d->special, &n);
    enum token_type type = tokenizer_type(d->tokenizer, id);
    if (d->first && n > 0 && (type == TOKEN_NORMAL || type == TOKEN_BYTE)) {
        d->first = 0;
        if (*text == ' ') {
            text++;
            n--;
        }
    }
    for (size_t i = feed_pending(d, text, n, out, &written); i < n; i += length) {
        switch (utf8_head(text + i, n - i, &length)) {
        case UTF8_WHOLE:
            memcpy(out + written, text + i, length);
            written += length;
            break;
        case UTF8_PARTIAL:
            memcpy(d->pending, text + i, length);
            d->n_pending = (int)length;
            break;
        case UTF8_BROKEN:
            written += replace(out + written);
            break;
        }
    }
    return written;
}

size_t detok_end(struct detok *d, char *out)
{
    size_t n = d->n_pending > 0 ? replace(out) : 0;
    d->n_pending = 0;
    return n;
}
