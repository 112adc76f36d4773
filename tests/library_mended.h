/* Documents that were once read wrongly, each with the whole of what it says (tests/library.c). */
#ifndef TESTS_LIBRARY_MENDED_H
#define TESTS_LIBRARY_MENDED_H

#include "library_text.h"

#include <malloc.h>

/* Sections as a line: "path > path #anchor: text", "\n" between lines and " || " between sections. */
static inline void flatten(const json_t *sections, struct buffer *out)
{
    size_t i, k;
    json_t *one, *part;
    json_array_foreach(sections, i, one)
    {
        buffer_puts(out, i ? " || " : "");
        json_array_foreach(json_object_get(one, "path"), k, part)
        {
            buffer_puts(out, k ? " > " : "");
            buffer_puts(out, json_string_value(part));
        }
        const char *anchor = json_string_value(json_object_get(one, "anchor"));
        if (*anchor)
            buffer_puts(out, " #");
        buffer_puts(out, anchor);
        buffer_puts(out, ": ");
        buffer_puts(out, json_string_value(json_object_get(one, "text")));
    }
    buffer_put(out, "", 1);
}

struct document {
    make_sections *make;
    const char *bytes, *wanted;
};

static inline void is_read_as(const char *title, const struct document *d, size_t i)
{
    struct buffer text = {NULL, 0, 0, 0};
    json_t *is = sections_named(d->make, title, d->bytes, strlen(d->bytes));
    flatten(is, &text);
    expect(strcmp(text.text, d->wanted) == 0, "document %zu is read as \"%s\"", i, text.text);
    buffer_free(&text);
    json_decref(is);
}

static inline void html_inside_markdown(void)
{
    static const struct document list[] = {
        {markdown_sections, "<div>\nIf 3 < 4 then go on\n</div>\n\nend", "file: If 3 < 4 then go on\nend"},
        {markdown_sections, "a\n\n<script>\nif (a<b) x();\n</script>\n\nmuch text\n\nend", "file: a\nmuch text\nend"},
        {markdown_sections, "Use List<Object> to hold it\n\nend", "file: Use List to hold it\nend"},
        {markdown_sections, "see <object>this one</object> here\n\nend", "file: see here\nend"},
        {markdown_sections, "<nav\nclass='a > b'>secret</nav>\n\nend", "file: end"},
        {markdown_sections, "<div>a<b title=\"x > y\">c</b></div>\n\nend", "file: ac\nend"},
        {markdown_sections, "<!-- a > b\n\n<p>c -->\n\nend", "file: end"},
        {markdown_sections, "<div>a <\n</div>\n\nend", "file: a <\nend"},
        {markdown_sections, "<div>\na </ b\n</div>\n\nend", "file: a\nend"},
        {markdown_sections, "x <style>p > a</style> y\n\nend", "file: x y\nend"},
        {markdown_sections, "<div>a<br/>b<wbr>c</div>\n\nend", "file: a\nbc\nend"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        is_read_as("file", &list[i], i);
    verdict("HTML inside Markdown", "\"<\" that begins nothing, scripts, quotes; the rest of the document is there");
}

/* A table of n columns and two rows: its cells, or the text that it is where it has too many. */
static inline void table_of(int n, int is_table)
{
    static char text[16384];
    size_t k = 0;
    for (int row = 0; row < 3; row++)
        for (int i = 0; i <= n; i++)
            k += (size_t)sprintf(text + k, "|%s", i == n ? "\n" : row == 1 ? "---" : row == 0 && i == 0 ? "first" : "");
    json_t *is = sections_of(markdown_sections, text, k);
    const char *got = json_string_value(json_object_get(json_array_get(is, 0), "text"));
    expect(got && (strcmp(got, "first") == 0) == is_table && strstr(got, "first"), "%d columns: %s", n, got);
    json_decref(is);
}

static inline void wide_tables(void)
{
    table_of(3, 1);
    table_of(120, 1);
    table_of(129, 0);
    table_of(500, 0);
    verdict("wide tables", "are text");
}

/* What memory had before behind the text of a document is none of it. */
static inline void links_that_end_nowhere(void)
{
    static const struct document list[] = {
        {markdown_sections, "see [five](six", "file: see [five](six"},
        {markdown_sections, "![five](six", "file: ![five](six"},
    };
    mallopt(M_PERTURB, 0xff & ~')'); /* fills it with its complement */
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        is_read_as("file", &list[i], i);
    mallopt(M_PERTURB, 0);
    verdict("links that end nowhere", "are text");
}

static inline void control_characters(void)
{
    static const struct document list[] = {
        {html_sections, "<h2 id='a\x1b[31m\nb\xC2\x9B!'>h\x1b</h2>y", "title > h #a[31mb!: y"},
        {html_sections, "<title>t\x1b[1m</title><p>x\x7f\x1by", "t[1m: xy"},
        {plain_sections, "x\x1b[31my", "title: x[31my"},
        {markdown_sections, "# a\x1b[1m\n\nx\x1by", "a[1m #a1m: xy"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        is_read_as("ti\x1b\n\xC2\x85tle", &list[i], i);
    verdict("control characters", "in titles, anchors, text");
}

static inline void comments_and_scripts(void)
{
    static const struct document list[] = {
        {html_sections, "<p>a<!-- b --!>c<!--> d<!-- x -- y - > z --><p>e", "file: ac d\ne"},
        {html_sections, "<p>a<script src=x />b<SCRIPT>x </scriptx> y</Script >c", "file: abc"},
        {html_sections, "<p>a<style>b<!-- </style>c", "file: ac"},
        {html_sections, "<p>a < b <3 & c<", "file: a < b <3 & c<"},
        {html_sections, "<?xml version='1.0'?><!DOCTYPE html><p title='>'>a", "file: a"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        is_read_as("file", &list[i], i);
    verdict("comments, scripts", "are no text, what follows them is");
}

/* Markdown of one byte too many is refused. */
static inline void too_much_markdown(void)
{
    for (uint64_t more = 0; more < 2; more++) {
        struct repeated r = {"", "word word word\n\n", more ? "x" : "", MARKDOWN_MOST / 16};
        struct counted c = {0};
        struct text_sink sink = {&c, count_section, count_line};
        struct text_input in = {&r, read_repeated};
        struct error err = {0};
        int is_refused = markdown_sections(&in, "file", &sink, &err) != 0;
        expect(is_refused == (more == 1), "a byte %s the most: %s", more ? "above" : "below", err.text);
        expect(!is_refused || strstr(err.text, "the most of Markdown"), "%s", err.text);
    }
    verdict("too much Markdown", "one byte more than it may have");
}

/* Tags that are too long: what comes late in them does not count; what is inside of something dropped stays inside. */
static inline void cut_documents(void)
{
    const uint64_t M = 1000000;
    hurt("a long comment", html_sections, (struct repeated){"a<!-- ", "word ", " --><p>THE END", M}, 8, 8);
    hurt("a comment without an end", html_sections, (struct repeated){"THE END<!-- ", "word ", "", M}, 7, 7);
    hurt("a long attribute", html_sections, (struct repeated){"<p>a<img src='", "word ", "'><p>THE END", M}, 8, 8);
    hurt("a long declaration", html_sections, (struct repeated){"<!DOCTYPE html ", "word ", "><p>THE END", M}, 7, 7);
    hurt("a long script", html_sections, (struct repeated){"a<script>", "x<1;'\" ", "</script><p>THE END", 2 * M}, 8,
         8);
    hurt("200 attributes", html_sections, (struct repeated){"<div ", "a=b ", "hidden>lost</div>THE END", 200}, 7, 7);
    hurt("300 attributes", html_sections, (struct repeated){"<div ", "a=b ", "hidden>THE END", 300}, 7, 7);
    hurt("60 KB of a tag", html_sections, (struct repeated){"<div a='", "word ", "' hidden>lost</div>THE END", 12000},
         7, 7);
    hurt("70 KB of a tag", html_sections, (struct repeated){"<div a='", "word ", "' hidden>THE END", 14000}, 7, 7);
    hurt("nested in nav", html_sections, (struct repeated){"<nav>", "<b>", "lost</nav><p>THE END", 3000}, 7, 7);
    hurt("nested in two", html_sections,
         (struct repeated){"<nav><nav>", "<b>", "lost<nav>lost</nav></nav>lost</nav><p>THE END", 3000}, 7, 7);
    hurt("nested in div", html_sections, (struct repeated){"<div hidden>", "<div>lost</div><b>", "</div>THE END", 3000},
         7, 7);
    hurt("nav below", html_sections, (struct repeated){"", "<div>", "<nav>lost</nav><p>THE END", 1005}, 7, 7);
    hurt("nav far below", html_sections, (struct repeated){"", "<div>", "<nav><b>lost</nav><p>THE END", M / 10}, 7, 7);
    hurt("a script below", html_sections, (struct repeated){"", "<div>", "<script>lost</script><p>THE END", 1005}, 7,
         7);
    verdict("cut documents", "nothing of what is dropped is text");
}

static inline void mended_markdown(void)
{
    html_inside_markdown();
    wide_tables();
    links_that_end_nowhere();
    too_much_markdown();
}

static inline void mended_html(void)
{
    control_characters();
    comments_and_scripts();
    cut_documents();
}

#endif
