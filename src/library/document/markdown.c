/* See markdown.h. Of HTML inside Markdown the tags alone matter (tags.h): a file of Markdown should not want libxml2. */
#include "library/document/markdown.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "library/document/elements.h"
#include "library/document/encoding.h"
#include "library/document/entity.h"
#include "library/document/tags.h"

#include <locale.h>
#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wctype.h>

enum {
    TAG = 2048,
    ATTRIBUTES = 16,
    COLUMNS = 128, /* of a table: md4c tells all of them in each row, whatever the row has */
    CLOSES_WITHIN = 1024
};

struct seen { /* ids of headings: their hashes, and how often each came */
    uint64_t hash;
    uint32_t times;
};

struct markdown {
    struct elements *elements;
    const char *end; /* of the document */
    int n_image;     /* images that are open: what is in them is not text */
    struct tags tags;
    char tag[TAG]; /* of HTML: one that has not ended yet */
    size_t n_tag;
    int in_html; /* a block of it, not a tag within a line */
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

/* Does </name> follow in the same paragraph, before long? "List<Object>" is no element that hides what comes behind it. */
static int closes_soon(const struct markdown *m, const char *p, const char *name)
{
    size_t n = strlen(name), left = (size_t)(m->end - p);
    const char *end = p + (left < CLOSES_WITHIN ? left : CLOSES_WITHIN);
    for (; p + n + 2 <= end && !(p[0] == '\n' && p[1] == '\n'); p++)
        if (p[0] == '<' && p[1] == '/' && strncasecmp(p + 2, name, n) == 0)
            return 1;
    return 0;
}

/* behind: the text after the tag. */
static void end_tag(struct markdown *m, const char *behind)
{
    static const char *const alone[] = {"br",   "hr",  "img",   "input",  "meta",  "link", "area",
                                        "base", "col", "embed", "source", "track", "wbr"};
    const char *a[2 * ATTRIBUTES + 1], *name = m->tags.name;
    int is_alone = m->tags.is_alone;
    m->tag[m->n_tag] = 0;
    if (m->tags.is_end) {
        elements_end(m->elements, name);
        return;
    }
    tags_attributes(m->tag + strcspn(m->tag, " \t\r\n\f/"), a, ATTRIBUTES);
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        is_alone |= strcmp(alone[i], name) == 0;
    if (!is_alone && !m->in_html && elements_drops(name, a) && !closes_soon(m, behind, name)) {
        m->tags.state = IN_TEXT;
        return;
    }
    elements_start(m->elements, name, a);
    if (is_alone)
        elements_end(m->elements, name);
}

static void put_tag(struct markdown *m, char c)
{
    if (m->n_tag + 1 < TAG)
        m->tag[m->n_tag++] = c;
}

static void put_html(struct markdown *m, const char *text, size_t n)
{
    size_t from = 0; /* of the text that is not given yet */
    for (size_t i = 0; i < n; i++) {
        enum tags_byte what = tags_step(&m->tags, text[i]);
        if (what == TAGS_TEXT)
            continue;
        elements_text(m->elements, text + from, i - from);
        from = i + 1;
        if (what == TAGS_BEGIN)
            m->n_tag = 0;
        if (what == TAGS_BEGIN || what == TAGS_TAG)
            put_tag(m, text[i]);
        if (what == TAGS_PLAIN)
            elements_text(m->elements, "<", 1);
        if (what == TAGS_CLOSES)
            m->n_tag = 0;
        if (what == TAGS_PLAIN || what == TAGS_CLOSES)
            from = i--;
        if (what == TAGS_END)
            end_tag(m, text + i + 1);
    }
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
    m->in_html = type == MD_BLOCK_HTML;
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
    if (m->tags.state == IN_OPEN)
        elements_text(m->elements, "<", 1);
    m->tags.state = IN_TEXT; /* what is open goes on, a tag does not */
    m->in_html = 0;
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

/* The whole input as UTF-8, with a 0 behind it: md4c 0.4.8 looks at the byte behind a link that its input ends in, and takes a `)` there
 * for its end. free() it. NULL: *err. */
static char *read_whole(const struct text_input *in, size_t *n, struct error *err)
{
    struct decoder *d = NULL;
    size_t cap = 64 << 10, got = 1;
    char *text = malloc(cap);
    int failed = text ? decoder_open(&d, in, 0, err) : error_set(err, ERR_MEMORY, "no memory to read a text");
    *n = 0;
    while (!failed && got) {
        if (cap - *n < 4096) {
            char *more = realloc(text, 2 * cap);
            if (!more) {
                failed = error_set(err, ERR_MEMORY, "no memory to read a text");
                break;
            }
            text = more;
            cap *= 2;
        }
        failed = decoder_next(d, text + *n, cap - *n, &got, err);
        *n += got;
        if (!failed && *n > MARKDOWN_MOST)
            failed = error_set(err, ERR_INPUT, "it has more than %d MiB, the most of Markdown", MARKDOWN_MOST >> 20);
    }
    decoder_close(d);
    if (failed) {
        free(text);
        return NULL;
    }
    text[*n] = 0; /* the last piece, of no bytes, found room for 4096 */
    return text;
}

/* A line that would begin a table of more columns than COLUMNS becomes text: a dash of it is made to be none. */
static void narrow_tables(char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        char *line = text + i, *end = memchr(line, '\n', n - i), *dash = NULL;
        size_t length = end ? (size_t)(end - line) : n - i, k = 0, bars = 0;
        while (k < length && line[k] && strchr("|:- \t\r>*+.)0123456789", line[k])) {
            bars += line[k] == '|';
            dash = line[k] == '-' ? line + k : dash;
            k++;
        }
        if (k == length && bars >= COLUMNS && dash)
            *dash = 0x7f; /* which is no text */
        i += length + 1;
    }
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
        narrow_tables(text + from, n - from);
        m->elements = e;
        m->end = text + n;
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

void paragraphs_put(struct paragraphs *p, const char *text, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' && p->is_empty) {
            elements_text(p->elements, text + from, i - from);
            elements_start(p->elements, "br", NULL);
            elements_end(p->elements, "br");
            from = i;
        }
        p->is_empty = text[i] == '\n' || (p->is_empty && strchr(" \t\r\f", text[i]));
    }
    elements_text(p->elements, text + from, n - from);
}

int plain_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err)
{
    char piece[4096];
    struct decoder *d;
    struct elements *e = malloc(sizeof *e);
    size_t n = 1;
    int failed = e ? decoder_open(&d, in, 0, err) : error_set(err, ERR_MEMORY, "no memory to read a text");
    if (failed) {
        free(e);
        return -1;
    }
    struct paragraphs p = {e, 1};
    elements_begin(e, title, sink);
    while (!failed && n) {
        failed = decoder_next(d, piece, sizeof piece, &n, err);
        if (!failed)
            paragraphs_put(&p, piece, n);
    }
    elements_finish(e);
    decoder_close(d);
    free(e);
    return failed;
}
