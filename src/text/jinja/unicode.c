/* What the template language must know of characters: case, white space, what repr() escapes. No locale takes part.
 *
 * The tables come from the Unicode data by tools/unicode_tables.py. A change of case keeps the origin of every character; where
 * one becomes several the whole text has its greatest origin (templates.md 7). */
#include "base/utf8.h"
#include "text/jinja/tree.h"
#include "text/jinja/unicode_tables.h"

#include <string.h>

static uint32_t mapped(const struct case_row *row, size_t n, uint32_t code)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (row[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n || code < row[low].first || (code - row[low].first) % (uint32_t)row[low].step)
        return code;
    return (uint32_t)((int32_t)code + row[low].delta);
}

uint32_t jupper(uint32_t code)
{
    if (code < 128)
        return code >= 'a' && code <= 'z' ? code - 32 : code;
    return mapped(upper_rows, sizeof upper_rows / sizeof *upper_rows, code);
}

uint32_t jlower(uint32_t code)
{
    if (code < 128)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    return mapped(lower_rows, sizeof lower_rows / sizeof *lower_rows, code);
}

const char *jupper_special(uint32_t code)
{
    for (size_t i = 0; code >= 0xDF && i < sizeof upper_special / sizeof *upper_special; i++)
        if (upper_special[i].code == code)
            return upper_special[i].upper;
    return NULL;
}

int jprintable(uint32_t code)
{
    size_t low = 0, high = sizeof unprintable / sizeof *unprintable;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unprintable[middle][1] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low == sizeof unprintable / sizeof *unprintable || code < unprintable[low][0];
}

int jspace(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static int is_cased(uint32_t code) { return jupper(code) != code || jlower(code) != code || jupper_special(code); }

/* The small sigma at the end of a word. */
static int ends_word(const struct jstring *s, size_t at, size_t next, int after_letter)
{
    size_t length;
    (void)at;
    return after_letter && (next >= s->n || !is_cased(jchar_code(s, next, &length)));
}

static size_t lower_into(const struct jstring *s, size_t at, size_t length, uint32_t code, int after_letter, char *out)
{
    if (code == 0x130) {
        memcpy(out, "i\xCC\x87", 3);
        return 3;
    }
    if (code == 0x3A3)
        return utf8_write(ends_word(s, at, at + length, after_letter) ? 0x3C2 : 0x3C3, out);
    return utf8_write(jlower(code), out);
}

static size_t upper_into(uint32_t code, int title, char *out)
{
    const char *special = jupper_special(code);
    if (!special)
        return utf8_write(jupper(code), out);
    size_t n = strlen(special);
    struct jstring s = {.bytes = special, .n = n};
    size_t at = 0, length, written = 0;
    for (; at < n; at += length) { /* the first letter large, the others small in a title */
        uint32_t c = jchar_code(&s, at, &length);
        written += utf8_write(title && at > 0 ? jlower(c) : c, out + written);
    }
    return written;
}

static const struct jstring *recase_ascii(struct jrun *r, const struct jstring *s, enum jcase to)
{
    char *out = jalloc(r, s->n + 1);
    for (size_t i = 0; i < s->n; i++)
        out[i] = (char)(to == JCASE_UPPER ? jupper((uint8_t)s->bytes[i]) : jlower((uint8_t)s->bytes[i]));
    struct jstring *new = jalloc(r, sizeof *new);
    *new = *s;
    new->bytes = out;
    new->buffer = NULL;
    return new;
}

static int is_ascii(const struct jstring *s)
{
    uint8_t all = 0;
    for (size_t i = 0; i < s->n; i++)
        all |= (uint8_t)s->bytes[i];
    return all < 128;
}

const struct jstring *jrecase(struct jrun *r, const struct jstring *s, enum jcase to)
{
    jwork(r, s->n / 2);
    if ((to == JCASE_UPPER || to == JCASE_LOWER) && is_ascii(s))
        return recase_ascii(r, s, to);
    struct jbuffer b = jbuffer_new(r);
    int after_letter = 0, resized = 0;
    jwork(r, 16 * s->n); /* a search in tables for each */
    char out[16];
    for (size_t at = 0, length; at < s->n; at += length) {
        uint32_t code = jchar_code(s, at, &length);
        int upper = to == JCASE_UPPER || (to == JCASE_TITLE && !after_letter) || (to == JCASE_CAPITAL && at == 0) ||
                    (to == JCASE_SWAP && jlower(code) == code);
        int title = to == JCASE_TITLE || to == JCASE_CAPITAL;
        size_t n = upper ? upper_into(code, title, out) : lower_into(s, at, length, code, after_letter, out);
        if (code == 0xFFFD) { /* ill-formed bytes stay */
            n = length < sizeof out ? length : sizeof out;
            memcpy(out, s->bytes + at, n);
        }
        resized |= jchars(r, &(struct jstring){.bytes = out, .n = n}) > 1 && code != 0xFFFD;
        jbuffer_add(&b, out, n, s->mark ? s->mark[at] : s->origin);
        after_letter = is_cased(code);
    }
    const struct jstring *done = jbuffer_done(&b);
    if (resized)
        done = jstring_marked(r, done, jstring_greatest(r, s));
    return jstring_safe(r, done, s->safe);
}

int jonly_case(struct jrun *r, const struct jstring *s, int upper)
{
    int any = 0;
    jwork(r, 8 * s->n);
    for (size_t at = 0, length; at < s->n; at += length) {
        uint32_t code = jchar_code(s, at, &length);
        if (upper ? jupper(code) != code || jupper_special(code) : jlower(code) != code)
            return 0;
        any |= upper ? jlower(code) != code : jupper(code) != code || jupper_special(code);
    }
    return any;
}
