/* See markdown.h. HTML inside Markdown is taken apart here: its tags alone matter, and a file of Markdown should not want libxml2. */
#include "library/markdown.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "library/elements.h"
#include "library/encoding.h"
#include "library/entity.h"

#include <locale.h>
#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

enum { TAG = 2048, ATTRIBUTES = 16 };

struct seen { /* ids of headings: their hashes, and how often each came */
    uint64_t hash;
    uint32_t times;
};

struct markdown {
    struct elements *elements;
    int n_image;   /* images that are open: what is in them is not text */
    char tag[TAG]; /* of HTML: one that has not ended yet */
    size_t n_tag;
    int in_tag;
    struct seen *seen;
    size_t n_seen, cap_seen;
    locale_t unicode;
};

/* ---- ids of headings, as GitHub makes them ---------------------------------------- */

static uint32_t *times_of(struct markdown *m, uint64_t hash)
{
    if (2 * (m->n_seen + 1) > m->cap_seen) {
        size_t cap = m->cap_seen ? 2 * m->cap_seen : 64;
        struct seen *table = calloc(cap, sizeof *table);
        if (!table)
            return NULL;
        for (size_t i = 0; i < m->cap_seen; i++)
            if (m->seen[i].times) {
                size_t k = m->seen[i].hash & (cap - 1);
                while (table[k].times)
                    k = (k + 1) & (cap - 1);
                table[k] = m->seen[i];
            }
        free(m->seen);
        m->seen = table;
        m->cap_seen = cap;
    }
    size_t k = hash & (m->cap_seen - 1);
    while (m->seen[k].times && m->seen[k].hash != hash)
        k = (k + 1) & (m->cap_seen - 1);
    m->n_seen += m->seen[k].times == 0;
    m->seen[k].hash = hash;
    return &m->seen[k].times;
}

/* Small letters, digits, - and _, spaces as -; a repeated one is numbered. */
static void make_id(struct markdown *m, const char *heading, char *id, size_t cap)
{
    size_t n = strlen(heading), k = 0, length;
    uint32_t c;
    for (size_t i = 0; i < n && k + 16 < cap; i += length) {
        utf8_read(heading + i, n - i, &length, &c);
        int is_word = c < 0x80 || !m->unicode ? (c | 32) - 'a' < 26u || c - '0' < 10u
                                              : iswalnum_l((wint_t)c, m->unicode) != 0;
        if (c == ' ')
            id[k++] = '-';
        else if (c == '-' || c == '_')
            id[k++] = (char)c;
        else if (is_word)
            k += utf8_write(m->unicode      ? (uint32_t)towlower_l((wint_t)c, m->unicode)
                            : c - 'A' < 26u ? c + 32
                                            : c,
                            id + k);
    }
    id[k] = 0;
    uint32_t *times = times_of(m, hash64(id, k, 0));
    if (times && (*times)++)
        snprintf(id + k, cap - k, "-%u", *times - 1);
}

/* ---- HTML inside ---------------------------------------- */

static const char space[] = " \t\r\n\f";

/* NAME="VALUE" and the like, from p on, which is taken apart in place. */
static void read_attributes(char *p, const char **a)
{
    int n = 0;
    for (p += strspn(p, " \t\r\n\f/"); *p && n < ATTRIBUTES; p += strspn(p, " \t\r\n\f/")) {
        char *name = p, *value = NULL;
        p += strcspn(p, " \t\r\n\f/=");
        char *name_end = p;
        p += strspn(p, space);
        if (*p == '=') {
            p++;
            p += strspn(p, space);
            char quote = *p == '"' || *p == '\'' ? *p++ : 0;
            value = p;
            p += quote ? strcspn(p, (char[]){quote, 0}) : strcspn(p, space);
            if (*p)
                *p++ = 0;
        }
        *name_end = 0;
        for (char *c = name; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        a[2 * n] = name;
        a[2 * n++ + 1] = value;
    }
    a[2 * n] = NULL;
}

static void end_tag(struct markdown *m)
{
    static const char *const alone[] = {"br",   "hr",  "img",   "input",  "meta",  "link", "area",
                                        "base", "col", "embed", "source", "track", "wbr"};
    const char *a[2 * ATTRIBUTES + 1];
    char *p = m->tag;
    m->tag[m->n_tag] = 0;
    m->n_tag = 0;
    m->in_tag = 0;
    int closes = *p == '/';
    p += closes;
    size_t n = 0;
    while ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z' ? 1 : n && p[n] >= '0' && p[n] <= '9') {
        p[n] = (char)(p[n] | (p[n] >= 'A' && p[n] <= 'Z' ? 32 : 0));
        n++;
    }
    if (n == 0)
        return; /* a comment, a declaration */
    char *rest = p + n + (p[n] != 0);
    p[n] = 0;
    if (closes) {
        elements_end(m->elements, p);
        return;
    }
    read_attributes(rest, a);
    elements_start(m->elements, p, a);
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (strcmp(alone[i], p) == 0)
            elements_end(m->elements, p);
}

static void put_html(struct markdown *m, const char *text, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (!m->in_tag && text[i] == '<') {
            elements_text(m->elements, text + from, i - from);
            m->in_tag = 1;
        } else if (m->in_tag && text[i] == '>' &&
                   (strncmp(m->tag, "!--", 3) || m->n_tag < 5 || strncmp(m->tag + m->n_tag - 2, "--", 2) == 0)) {
            end_tag(m);
            from = i + 1;
        } else if (m->in_tag && m->n_tag + 1 < TAG) {
            m->tag[m->n_tag++] = text[i];
        } else if (m->in_tag) { /* a long one ends in what it ends in: the last bytes tell a comment's end */
            memmove(m->tag + TAG / 2, m->tag + TAG / 2 + 1, TAG / 2 - 2);
            m->tag[m->n_tag - 1] = text[i];
        }
    }
    if (!m->in_tag)
        elements_text(m->elements, text + from, n - from);
}

/* ---- what md4c tells
 * ------------------------------------------------------------------------------------------------------------------ */

static const char *block_name(MD_BLOCKTYPE type, const void *detail)
{
    static const char *const ranks[] = {"h1", "h2", "h3", "h4", "h5", "h6"};
    switch (type) {
    case MD_BLOCK_QUOTE:
        return "blockquote";
    case MD_BLOCK_UL:
        return "ul";
    case MD_BLOCK_OL:
        return "ol";
    case MD_BLOCK_LI:
        return "li";
    case MD_BLOCK_HR:
        return "hr";
    case MD_BLOCK_H:
        return ranks[(((const MD_BLOCK_H_DETAIL *)detail)->level - 1) % 6];
    case MD_BLOCK_CODE:
        return "pre";
    case MD_BLOCK_P:
        return "p";
    case MD_BLOCK_TABLE:
        return "table";
    case MD_BLOCK_TR:
        return "tr";
    case MD_BLOCK_TH:
        return "th";
    case MD_BLOCK_TD:
        return "td";
    default:
        return NULL;
    }
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct markdown *m = arg;
    const char *name = block_name(type, detail);
    if (name)
        elements_start(m->elements, name, NULL);
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct markdown *m = arg;
    const char *name = block_name(type, detail), *heading = type == MD_BLOCK_H ? elements_heading(m->elements) : NULL;
    char id[TEXT_ANCHOR];
    if (heading && *heading) {
        make_id(m, heading, id, sizeof id);
        elements_heading_id(m->elements, id);
    }
    if (name)
        elements_end(m->elements, name);
    if (type == MD_BLOCK_HTML) { /* what is open goes on, a tag does not */
        m->in_tag = 0;
        m->n_tag = 0;
    }
    return 0;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *arg)
{
    (void)detail;
    ((struct markdown *)arg)->n_image += type == MD_SPAN_IMG;
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
    (void)detail;
    ((struct markdown *)arg)->n_image -= type == MD_SPAN_IMG;
    return 0;
}

static int put_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *arg)
{
    struct markdown *m = arg;
    char character[4];
    uint32_t c;
    if (m->n_image)
        return 0;
    switch (type) {
    case MD_TEXT_NULLCHAR:
        break;
    case MD_TEXT_BR:
        elements_start(m->elements, "br", NULL);
        elements_end(m->elements, "br");
        break;
    case MD_TEXT_SOFTBR:
        elements_text(m->elements, " ", 1);
        break;
    case MD_TEXT_HTML:
        put_html(m, text, n);
        break;
    case MD_TEXT_ENTITY:
        c = entity_character(text, n);
        if (c)
            elements_text(m->elements, character, utf8_write(c, character));
        else
            elements_text(m->elements, text, n);
        break;
    default:
        elements_text(m->elements, text, n);
    }
    return 0;
}

/* ---- documents
 * ------------------------------------------------------------------------------------------------------------------------ */

/* The whole input as UTF-8; free() it. NULL: *err. */
static char *read_whole(const struct text_input *in, size_t *n, struct error *err)
{
    struct decoder *d = NULL;
    size_t cap = 64 << 10, got = 1;
    char *text = malloc(cap);
    int failed = text ? decoder_open(&d, in, err) : error_set(err, ERR_MEMORY, "no memory to read a text");
    *n = 0;
    while (!failed && got) {
        if (cap - *n < 4096) {
            char *more = cap > MARKDOWN_MOST ? NULL : realloc(text, 2 * cap);
            if (!more) {
                failed = error_set(err, ERR_INPUT, "it has more than %d MiB, the most of Markdown",
                                   MARKDOWN_MOST >> 20);
                break;
            }
            text = more;
            cap *= 2;
        }
        failed = decoder_next(d, text + *n, cap - *n, &got, err);
        *n += got;
    }
    decoder_close(d);
    if (failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* Bytes of the block between two lines of --- that a text may begin with. */
static size_t front_matter(const char *text, size_t n)
{
    size_t at = n > 4 && memcmp(text, "---\n", 4) == 0 ? 4 : n > 5 && memcmp(text, "---\r\n", 5) == 0 ? 5 : 0;
    for (size_t i = at; at && i < n;) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t length = end ? (size_t)(end - text) - i : n - i;
        size_t bare = length && text[i + length - 1] == '\r' ? length - 1 : length;
        if (bare == 3 && memcmp(text + i, "---", 3) == 0 && end)
            return i + length + 1;
        i += length + 1;
    }
    return 0;
}

int markdown_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err)
{
    const MD_PARSER parser = {.flags = MD_DIALECT_GITHUB,
                              .enter_block = enter_block,
                              .leave_block = leave_block,
                              .enter_span = enter_span,
                              .leave_span = leave_span,
                              .text = put_text};
    size_t n = 0;
    char *text = read_whole(in, &n, err);
    struct markdown *m = calloc(1, sizeof *m);
    struct elements *e = malloc(sizeof *e);
    int failed = !text;
    if (!failed && (!m || !e))
        failed = error_set(err, ERR_MEMORY, "no memory to read Markdown");
    if (!failed) {
        size_t from = front_matter(text, n);
        m->elements = e;
        m->unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        elements_begin(e, title, sink);
        if (md_parse(text + from, (MD_SIZE)(n - from), &parser, m))
            failed = error_set(err, ERR_MEMORY, "no memory to read Markdown");
        elements_finish(e);
        if (m->unicode)
            freelocale(m->unicode);
    }
    if (m)
        free(m->seen);
    free(m);
    free(e);
    free(text);
    return failed;
}

int plain_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err)
{
    char piece[4096];
    struct decoder *d;
    struct elements *e = malloc(sizeof *e);
    size_t n = 1;
    int failed = e ? decoder_open(&d, in, err) : error_set(err, ERR_MEMORY, "no memory to read a text");
    if (failed) {
        free(e);
        return -1;
    }
    elements_begin(e, title, sink);
    int is_empty = 1; /* the line, so far */
    while (!failed && n) {
        failed = decoder_next(d, piece, sizeof piece, &n, err);
        size_t from = 0;
        for (size_t i = 0; !failed && i < n; i++) {
            if (piece[i] == '\n' && is_empty) {
                elements_text(e, piece + from, i - from);
                elements_start(e, "br", NULL);
                elements_end(e, "br");
                from = i;
            }
            is_empty = piece[i] == '\n' || (is_empty && strchr(" \t\r\f", piece[i]));
        }
        elements_text(e, piece + from, n - from);
    }
    elements_finish(e);
    decoder_close(d);
    free(e);
    return failed;
}
