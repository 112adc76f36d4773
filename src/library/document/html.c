/* See html.h.
 *
 * libxml2 is fed in small pieces, so that its work and memory stay linear in hostile text too:
 *   - its stack of open elements is searched by end tags that match nothing, so a document that is nested deeper than our own stack goes on
 *     in a fresh parser, behind the end of what is dropped where it was in that;
 *   - it holds text back until the next "<" comes, and keeps what it has read of tags that match nothing, so it gets an empty comment now
 *     and then;
 *   - it compares each attribute with all before it, and keeps a tag until it ends: of a tag the beginning counts;
 *   - what is no text in any case (comments, declarations, scripts, styles) does not reach it.
 * Of its headers this needs a structure and five functions, which have been the same since version 2.0 (2.6 for the options): they are
 * declared here, since the package with the headers brings ICU's. */
#include "library/document/html.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/document/elements.h"
#include "library/document/encoding.h"
#include "library/document/tags.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 4096,
    RUN = 64 << 10, /* bytes behind which a comment is put */
    TAG_BYTES = 64 << 10,
    TAG_ATTRIBUTES = 256,
    RECOVER = 1 << 0,
    NO_DTD = 1 << 2,
    NO_ERROR = 1 << 5,
    NO_WARNING = 1 << 6,
    NO_NET = 1 << 11,
    IGNORE_ENCODING = 1 << 21,
    UTF8 = 1
};

typedef unsigned char letter;

struct sax { /* xmlSAXHandler */
    void *declarations[14];
    void (*start_element)(void *arg, const letter *name, const letter **attributes);
    void (*end_element)(void *arg, const letter *name);
    void *reference;
    void (*characters)(void *arg, const letter *text, int n);
    void (*ignorable_white_space)(void *arg, const letter *text, int n);
    void *others[6];
    void (*cdata_block)(void *arg, const letter *text, int n);
    void *external_subset;
    unsigned initialized;
    void *private, *start_ns, *end_ns, *structured_error;
};

static struct {
    void *library;
    void *(*create)(struct sax *sax, void *arg, const char *chunk, int size, const char *filename, int encoding);
    int (*use_options)(void *parser, int options);
    int (*parse)(void *parser, const char *chunk, int size, int terminate);
    void (*free)(void *parser);
} xml;

static int load(void)
{
    static const char *const names[] = {"libxml2.so.2", "libxml2.so.16"};
    for (size_t i = 0; !xml.library && i < sizeof names / sizeof *names; i++)
        xml.library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!xml.library)
        return -1;
    *(void **)&xml.create = dlsym(xml.library, "htmlCreatePushParserCtxt");
    *(void **)&xml.use_options = dlsym(xml.library, "htmlCtxtUseOptions");
    *(void **)&xml.parse = dlsym(xml.library, "htmlParseChunk");
    *(void **)&xml.free = dlsym(xml.library, "htmlFreeParserCtxt");
    return xml.create && xml.use_options && xml.parse && xml.free ? 0 : -1;
}

int html_ready(struct error *err)
{
    static int state; /* 1: loaded, -1: cannot be */
    if (state == 0)
        state = load() ? -1 : 1;
    return state == 1
               ? 0
               : error_set(err, ERR_UNSUPPORTED,
                           "pages of HTML are read by libxml2, which this system lacks; install it (Debian's package "
                           "libxml2), then run the command again");
}

static void start_element(void *arg, const letter *name, const letter **attributes)
{
    elements_start(arg, (const char *)name, (const char *const *)attributes);
}

static void end_element(void *arg, const letter *name) { elements_end(arg, (const char *)name); }

static void characters(void *arg, const letter *text, int n)
{
    elements_text(arg, (const char *)text, n > 0 ? (size_t)n : 0);
}

struct feeder {
    void *parser;
    struct elements *elements;
    char piece[PIECE];
    size_t n;
    size_t run; /* bytes since the last comment of ours */
    struct tags tags;
    int is_cut; /* the rest of the tag does not count; 2: nor does its ">" */
    char skip
        [TAGS_NAME]; /* where a parser was begun inside of a dropped element: its name, and how many of that name are open */
    int skip_depth;
    char out[2 * PIECE]; /* of a piece: what the parser gets */
    size_t n_out;
};

static int begin(struct feeder *f, struct error *err)
{
    struct sax sax = {.start_element = start_element,
                      .end_element = end_element,
                      .characters = characters,
                      .ignorable_white_space = characters,
                      .cdata_block = characters,
                      .initialized = 1};
    f->parser = xml.create(&sax, f->elements, NULL, 0, NULL, UTF8);
    if (!f->parser)
        return error_set(err, ERR_MEMORY, "no memory to read HTML");
    xml.use_options(f->parser, RECOVER | NO_DTD | NO_ERROR | NO_WARNING | NO_NET | IGNORE_ENCODING);
    return 0;
}

static void end(struct feeder *f)
{
    xml.parse(f->parser, "", 0, 1);
    xml.free(f->parser);
    f->parser = NULL;
    elements_close_all(f->elements);
}

static void put(struct feeder *f, const char *text, size_t n)
{
    if (f->skip_depth)
        return;
    memcpy(f->out + f->n_out, text, n);
    f->n_out += n;
}

static void end_tag(struct feeder *f)
{
    if (f->skip_depth == 0) {
        if (f->is_cut < 2)
            put(f, ">", 1);
    } else if (strcmp(f->tags.name, f->skip) == 0 && !f->tags.is_alone) {
        f->skip_depth += f->tags.is_end ? -1 : 1;
    }
    f->is_cut = 0;
}

/* A byte of a tag. One that is too long is ended where it is cut, so that what it begins and ends is still told. */
static void put_tag(struct feeder *f, char c, enum tags_state before)
{
    if (!f->is_cut && (f->tags.n_byte > TAG_BYTES || f->tags.n_attribute > TAG_ATTRIBUTES)) {
        if (before == IN_DOUBLE || before == IN_SINGLE)
            put(f, before == IN_DOUBLE ? "\"" : "'", 1);
        f->is_cut = 1;
    }
    if (!f->is_cut)
        put(f, &c, 1);
}

static void put_byte(struct feeder *f, char c)
{
    enum tags_state before = f->tags.state;
    switch (tags_step(&f->tags, c)) {
    case TAGS_TEXT:
        put(f, &c, 1);
        break;
    case TAGS_PLAIN:
        put(f, "<", 1);
        put_byte(f, c);
        break;
    case TAGS_BEGIN:
        put(f, "</", f->tags.is_end ? 2 : 1);
        put(f, &c, 1);
        break;
    case TAGS_CLOSES:
        put(f, "</", 2);
        put(f, f->tags.name, f->tags.n_name);
        put_byte(f, c);
        break;
    case TAGS_TAG:
        put_tag(f, c, before);
        break;
    case TAGS_END:
        end_tag(f);
        break;
    case TAGS_HELD:
    case TAGS_LOST:
        break;
    }
}

/* The parser is nested as deep as it may be: another one goes on. Elements whose end tags may be left out are not waited for. */
static int begin_anew(struct feeder *f, struct error *err)
{
    static const char *const endless[] = {"dd", "dt", "head", "li", "option", "p", "td", "th", "tr"};
    int depth;
    const char *dropped = elements_dropping(f->elements, &depth);
    for (size_t i = 0; dropped && i < sizeof endless / sizeof *endless; i++)
        if (strcmp(dropped, endless[i]) == 0)
            dropped = NULL;
    if (dropped) {
        snprintf(f->skip, sizeof f->skip, "%s", dropped);
        f->skip_depth = depth;
    }
    end(f);
    if (f->tags.state >= IN_NAME && f->tags.state <= IN_BARE)
        f->is_cut = 2; /* the old one has the first half */
    return begin(f, err);
}

/* The first n bytes of the piece. */
static int feed(struct feeder *f, size_t n, struct error *err)
{
    f->n_out = 0;
    for (size_t i = 0; i < n; i++)
        put_byte(f, f->piece[i]);
    if (f->n_out)
        xml.parse(f->parser, f->out, (int)f->n_out, 0);
    memmove(f->piece, f->piece + n, f->n - n);
    f->n -= n;
    f->run += f->n_out;
    return f->elements->n_deeper ? begin_anew(f, err) : 0;
}

/* Bytes of the piece without a character that is not whole yet. */
static size_t whole(const struct feeder *f)
{
    size_t k = f->n, length;
    while (k > 0 && f->n - k < 3 && !utf8_begins(f->piece[k - 1]))
        k--;
    return k > 0 && utf8_head(f->piece + k - 1, f->n - k + 1, &length) == UTF8_PARTIAL ? k - 1 : f->n;
}

/* Where a full piece is best cut: behind its last tag. */
static size_t cut_at(const struct feeder *f)
{
    size_t i = f->n;
    while (i > PIECE / 2 && f->piece[i - 1] != '>')
        i--;
    return i > PIECE / 2 ? i : whole(f);
}

/* A comment, where that is possible: not within a tag, a character or an entity. */
static int break_run(struct feeder *f, struct error *err)
{
    size_t i = cut_at(f), k = i;
    while (k > 0 && i - k < 64 && !strchr(" ;&>", f->piece[k - 1]))
        k--;
    if (k > 0 && i - k < 64 && f->piece[k - 1] == '&')
        i = k - 1;
    if (feed(f, i, err))
        return -1;
    if (f->tags.state == IN_TEXT) {
        xml.parse(f->parser, "<!---->", 7, 0);
        f->run = 0;
    }
    return 0;
}

static int parse(struct feeder *f, struct decoder *d, struct error *err)
{
    for (;;) {
        size_t n;
        if (decoder_next(d, f->piece + f->n, PIECE - f->n, &n, err))
            return -1;
        if (n == 0)
            break;
        f->n += n;
        if (f->n < PIECE - 64)
            continue;
        if (f->run >= RUN ? break_run(f, err) : feed(f, cut_at(f), err))
            return -1;
    }
    if (feed(f, f->n, err))
        return -1;
    if (f->tags.state == IN_OPEN) /* a "<" at the end */
        xml.parse(f->parser, "&lt;", 4, 0);
    return 0;
}

int html_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err)
{
    struct decoder *d = NULL;
    struct feeder *f = calloc(1, sizeof *f);
    struct elements *e = malloc(sizeof *e);
    int failed = html_ready(err);
    if (!failed && (!f || !e))
        failed = error_set(err, ERR_MEMORY, "no memory to read HTML");
    if (!failed)
        failed = decoder_open(&d, in, 1, err);
    if (!failed) {
        f->elements = e;
        elements_begin(e, title, sink);
        failed = begin(f, err);
    }
    if (!failed) {
        failed = parse(f, d, err);
        if (f->parser)
            end(f);
        elements_finish(e);
    }
    decoder_close(d);
    free(f);
    free(e);
    return failed;
}
