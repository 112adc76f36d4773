/* Strings whose bytes know who wrote them. See value.h.
 *
 * Most strings have one origin; then there is no mark array. A string made by a buffer may be continued in the buffer's free bytes
 * behind it (s = s + x in a loop is linear) as long as its end is the buffer's end: the first continuation takes those bytes. */
#include "base/utf8.h"
#include "text/jinja/tree.h"

#include <string.h>

static struct jstring *new_string(struct jrun *r, struct jstring s)
{
    struct jstring *p = jalloc(r, sizeof *p);
    *p = s;
    return p;
}

const struct jstring *jstring_of(struct jrun *r, const char *bytes, size_t n, enum text_origin origin)
{
    return new_string(r, (struct jstring){.bytes = bytes, .n = n, .origin = origin});
}

const struct jstring *jstring_copy(struct jrun *r, const char *bytes, size_t n, enum text_origin origin)
{
    char *copy = jalloc(r, n + 1);
    if (n)
        memcpy(copy, bytes, n);
    return jstring_of(r, copy, n, origin);
}

const struct jstring *jstring_word(struct jrun *r, const char *word)
{
    return jstring_of(r, word, strlen(word), ORIGIN_TEMPLATE);
}

const struct jstring *jstring_view(struct jrun *r, const struct jstring *s, size_t from, size_t n)
{
    if (from == 0 && n == s->n)
        return s;
    struct jstring v = {.bytes = s->bytes + from, .n = n, .origin = s->origin, .safe = s->safe};
    v.mark = s->mark ? s->mark + from : NULL;
    v.buffer = s->buffer;
    return new_string(r, v);
}

const struct jstring *jstring_marked(struct jrun *r, const struct jstring *s, enum text_origin origin)
{
    return new_string(r, (struct jstring){.bytes = s->bytes, .n = s->n, .origin = origin, .safe = s->safe});
}

const struct jstring *jstring_safe(struct jrun *r, const struct jstring *s, int safe)
{
    if (s->safe == safe)
        return s;
    struct jstring v = *s;
    v.safe = safe != 0;
    return new_string(r, v);
}

enum text_origin jstring_greatest(struct jrun *r, const struct jstring *s)
{
    if (!s->mark)
        return s->n ? s->origin : ORIGIN_TEMPLATE;
    jwork(r, s->n / 16);
    if (memchr(s->mark, ORIGIN_USER, s->n))
        return ORIGIN_USER;
    return memchr(s->mark, ORIGIN_ASSISTANT, s->n) ? ORIGIN_ASSISTANT : ORIGIN_TEMPLATE;
}

int jstring_is(const struct jstring *s, const char *word)
{
    return s->n == strlen(word) && memcmp(s->bytes, word, s->n) == 0;
}

int jstring_equal(const struct jstring *a, const struct jstring *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

const char *jstring_short(struct jrun *r, const struct jstring *s)
{
    size_t end = jchar_offset(r, s, 80), n = end < s->n ? jchar_offset(r, s, 77) : s->n;
    n = n < 240 ? n : 240;
    char *copy = jalloc(r, n + 4);
    for (size_t i = 0; i < n; i++)
        copy[i] = s->bytes[i] ? s->bytes[i] : ' ';
    memcpy(copy + n, n < s->n ? "..." : "", n < s->n ? 4 : 1);
    return copy;
}

/* ---- buffers ---- */

struct jbuffer jbuffer_new(struct jrun *r) { return (struct jbuffer){.run = r}; }

void jbuffer_reserve(struct jbuffer *b, size_t n)
{
    b->bytes = jalloc(b->run, n);
    b->cap = n;
}

static void buffer_grow(struct jbuffer *b, size_t more)
{
    struct jrun *r = b->run;
    if (more > r->string_limit || b->n > r->string_limit - more)
        jfail(r, JINJA_LIMIT, "a text of the template grows beyond %zu MiB", r->string_limit >> 20);
    if (b->n + more <= b->cap)
        return;
    size_t cap = b->n + more + (b->n + more) / 2 + 32;
    char *bytes = jalloc(r, cap);
    if (b->n)
        memcpy(bytes, b->bytes, b->n);
    if (b->mark) {
        uint8_t *mark = jalloc(r, cap);
        memcpy(mark, b->mark, b->n);
        b->mark = mark;
    }
    b->bytes = bytes;
    b->cap = cap;
}

/* From now on every byte has its own mark. */
static void buffer_mixed(struct jbuffer *b)
{
    if (b->mark)
        return;
    b->mark = jalloc(b->run, b->cap);
    memset(b->mark, b->origin, b->n);
}

static void add(struct jbuffer *b, const char *bytes, size_t n, uint8_t origin, const uint8_t *mark)
{
    if (n == 0)
        return;
    buffer_grow(b, n);
    jwork(b->run, 2 + n / 16);
    if (b->n == 0 && !mark && !b->mark)
        b->origin = origin;
    if (mark || origin != b->origin)
        buffer_mixed(b);
    memcpy(b->bytes + b->n, bytes, n);
    if (b->mark && mark)
        memcpy(b->mark + b->n, mark, n);
    else if (b->mark)
        memset(b->mark + b->n, origin, n);
    b->n += n;
}

void jbuffer_add(struct jbuffer *b, const char *bytes, size_t n, enum text_origin origin)
{
    add(b, bytes, n, (uint8_t)origin, NULL);
}

void jbuffer_word(struct jbuffer *b, const char *word) { add(b, word, strlen(word), ORIGIN_TEMPLATE, NULL); }

void jbuffer_string(struct jbuffer *b, const struct jstring *s) { add(b, s->bytes, s->n, s->origin, s->mark); }

const struct jstring *jbuffer_done(struct jbuffer *b)
{
    struct jbuffer *kept = b->run->compiles ? NULL : jalloc(b->run, sizeof *kept);
    if (kept)
        *kept = *b;
    return new_string(
        b->run,
        (struct jstring){
            .bytes = b->bytes ? b->bytes : "", .n = b->n, .mark = b->mark, .buffer = kept, .origin = b->origin});
}

const struct jstring *jstring_concat(struct jrun *r, const struct jstring *a, const struct jstring *b)
{
    if (a->safe != b->safe) {
        a = a->safe ? a : jstring_escape(r, a);
        b = b->safe ? b : jstring_escape(r, b);
    }
    if (b->n == 0)
        return a;
    if (a->n == 0)
        return b;
    struct jbuffer *target = a->buffer, fresh = jbuffer_new(r);
    if (!target || a->bytes + a->n != target->bytes + target->n || target->cap - target->n < b->n) {
        target = &fresh;
        jbuffer_string(target, a);
    }
    size_t from = target->n - a->n;
    jbuffer_string(target, b);
    struct jstring joined = {
        .bytes = target->bytes + from, .n = a->n + b->n, .origin = target->origin, .safe = a->safe};
    joined.mark = target->mark ? target->mark + from : NULL;
    if (target == &fresh) {
        joined.buffer = jalloc(r, sizeof fresh);
        *joined.buffer = fresh;
    } else {
        joined.buffer = target;
    }
    return new_string(r, joined);
}

const struct jstring *jstring_escape(struct jrun *r, const struct jstring *s)
{
    struct jbuffer b = jbuffer_new(r);
    if (s->safe)
        return s;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->bytes[i];
        const char *as = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '\'' ? "&#39;"
                         : c == '"'  ? "&#34;"
                                     : NULL;
        uint8_t origin = s->mark ? s->mark[i] : s->origin;
        jbuffer_add(&b, as ? as : &c, as ? strlen(as) : 1, origin);
    }
    return jstring_safe(r, jbuffer_done(&b), 1);
}

/* ---- characters ---- */

size_t jchars(struct jrun *r, const struct jstring *s)
{
    jwork(r, s->n / 2);
    return utf8_count(s->bytes, s->n) + (s->n > 0 && !utf8_begins(s->bytes[0]));
}

size_t jchar_next(const struct jstring *s, size_t at)
{
    do
        at++;
    while (at < s->n && !utf8_begins(s->bytes[at]));
    return at;
}

size_t jchar_offset(struct jrun *r, const struct jstring *s, size_t character)
{
    size_t at = 0;
    while (character-- > 0 && at < s->n)
        at = jchar_next(s, at);
    jwork(r, at / 2);
    return at < s->n ? at : s->n;
}

uint32_t jchar_code(const struct jstring *s, size_t at, size_t *length)
{
    uint32_t code;
    size_t whole;
    *length = jchar_next(s, at) - at;
    utf8_read(s->bytes + at, *length, &whole, &code);
    return whole == *length ? code : 0xFFFD;
}

const char *jfind(struct jrun *r, const char *in, size_t n, const char *what, size_t m)
{
    const char *found = m == 0 ? in : memmem(in, n, what, m);
    jwork(r, 2 + (found ? (size_t)(found - in) : n) + m);
    return found;
}
