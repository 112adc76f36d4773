/* Documents to sections and chunks against what independent parsers made of them; and documents made to hurt (tests/library.c). */
#ifndef TESTS_LIBRARY_TEXT_H
#define TESTS_LIBRARY_TEXT_H

#include "base/error.h"
#include "base/json/buffer.h"
#include "library/document/chunk.h"
#include "library/document/encoding.h"
#include "library/document/html.h"
#include "library/document/markdown.h"
#include "sanitized.h"
#include "test_lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HURT_KIB = 8 << 10 }; /* that a document may take, whatever its size */

/* ---- sections as JSON
 * ------------------------------------------------------------------------------------------------------------------ */

struct collected {
    json_t *list;
    struct buffer text; /* of the last section */
    int has_line;
};

static inline void close_section(struct collected *c)
{
    size_t n = json_array_size(c->list);
    if (n)
        json_object_set_new(json_array_get(c->list, n - 1), "text",
                            json_stringn(c->text.text ? c->text.text : "", c->text.n));
    c->text.n = 0;
    c->has_line = 0;
}

static inline void take_section(void *arg, const struct text_section *s)
{
    struct collected *c = arg;
    json_t *path = json_array();
    close_section(c);
    for (int i = 0; i < s->n_path; i++)
        json_array_append_new(path, json_string(s->path[i]));
    json_array_append_new(c->list, json_pack("{s:o, s:s, s:i}", "path", path, "anchor", s->anchor, "level", s->level));
}

static inline void take_line(void *arg, const char *text, size_t n, int ends)
{
    struct collected *c = arg;
    if (c->has_line == 1)
        buffer_put(&c->text, "\n", 1);
    buffer_put(&c->text, text, n);
    c->has_line = ends ? 1 : 2;
}

typedef int make_sections(const struct text_input *in, const char *title, const struct text_sink *sink,
                          struct error *err);

static inline json_t *sections_named(make_sections *make, const char *title, const char *text, size_t n)
{
    struct collected c = {.list = json_array()};
    struct text_sink sink = {&c, take_section, take_line};
    struct text_memory memory = {text, n};
    struct text_input in = text_of_memory(&memory);
    struct error err = {0};
    expect(make(&in, title, &sink, &err) == 0, "%s", err.text);
    close_section(&c);
    buffer_free(&c.text);
    return c.list;
}

static inline json_t *sections_of(make_sections *make, const char *text, size_t n)
{
    return sections_named(make, "file", text, n);
}

static inline void take_chunk(void *arg, const struct chunk *c)
{
    json_t *path = json_array();
    for (int i = 0; i < c->section->n_path; i++)
        json_array_append_new(path, json_string(c->section->path[i]));
    json_array_append_new(
        arg, json_pack("{s:o, s:s, s:s%}", "path", path, "anchor", c->section->anchor, "text", c->text, c->n));
}

/* The lines of each section, given in pieces of `piece` characters. */
static inline json_t *chunks_of(const json_t *sections, size_t piece)
{
    static struct chunker c;
    json_t *list = json_array(), *one;
    struct text_sink sink = chunker_begin(&c, take_chunk, list);
    size_t i, k;
    json_array_foreach(sections, i, one)
    {
        json_t *part, *path = json_object_get(one, "path");
        struct text_section s = {.anchor = json_string_value(json_object_get(one, "anchor")), .level = 2};
        json_array_foreach(path, k, part) s.path[s.n_path++] = json_string_value(part);
        sink.section(sink.arg, &s);
        const char *text = json_string_value(json_object_get(one, "text"));
        while (text) {
            size_t n = strcspn(text, "\n"), at = 0;
            for (size_t to = 0; to < n; at = to) {
                for (size_t left = piece; left > 0 && to < n; left--)
                    for (to++; to < n && (text[to] & 0xC0) == 0x80;)
                        to++;
                sink.line(sink.arg, text + at, to - at, to == n);
            }
            if (n == 0)
                sink.line(sink.arg, text, 0, 1);
            text = text[n] ? text + n + 1 : NULL;
        }
    }
    chunker_end(&c);
    return list;
}

/* ---- recorded cases
 * ---------------------------------------------------------------------------------------------------------------------- */

/* One value a line of DIR/NAME. */
static inline json_t *load_lines(const char *dir, const char *name)
{
    char path[512];
    static char line[1 << 20];
    json_t *list = json_array();
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    expect(f != NULL, "%s cannot be read", path);
    while (f && fgets(line, sizeof line, f))
        json_array_append_new(list, json_loads(line, JSON_ALLOW_NUL, NULL));
    if (f)
        fclose(f);
    return list;
}

static inline void same(const char *name, const json_t *is, const json_t *wanted)
{
    if (json_equal(is, wanted))
        return;
    char *a = json_dumps(is, 0), *b = json_dumps(wanted, 0);
    expect(0, "%s: %.600s", name, a);
    expect(0, "wanted: %.600s", b);
    free(a);
    free(b);
}

/* The texts of all sections, a space behind each. */
static inline void join_texts(const json_t *sections, struct buffer *out)
{
    size_t i;
    json_t *one;
    json_array_foreach(sections, i, one)
    {
        buffer_puts(out, json_string_value(json_object_get(one, "text")));
        buffer_put(out, " ", 1);
    }
    buffer_put(out, "", 1);
}

/* Every word of what is wanted is in what is there, in its order; what has no letter may have been written otherwise. */
static inline void nothing_lost(const char *name, const json_t *is, const json_t *wanted)
{
    struct buffer all = {NULL, 0, 0, 0}, words = {NULL, 0, 0, 0};
    join_texts(is, &all);
    join_texts(wanted, &words);
    char *rest = all.text, *next = NULL;
    for (char *w = strtok_r(words.text, " \n", &next); w; w = strtok_r(NULL, " \n", &next)) {
        char *at = strpbrk(w, "abcdefghijklmnopqrstuvwxyz") ? strstr(rest, w) : rest - strlen(w);
        expect(at != NULL, "%s: \"%s\" is lost behind: %.300s", name, w, all.text);
        if (!at)
            break;
        rest = at + strlen(w);
    }
    buffer_free(&all);
    buffer_free(&words);
}

static inline void document_cases(const char *dir, const char *file, const char *key, make_sections *make,
                                  size_t strict, size_t lenient)
{
    json_t *list = load_lines(dir, file), *one;
    size_t i, n[2] = {0, 0};
    char detail[64];
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *text = json_object_get(one, key), *wanted = json_object_get(one, "sections");
        json_t *is = sections_of(make, json_string_value(text), json_string_length(text));
        int is_lenient = json_is_true(json_object_get(one, "lenient"));
        (is_lenient ? nothing_lost : same)(name, is, wanted);
        n[is_lenient]++;
        json_decref(is);
    }
    expect(n[0] == strict && n[1] == lenient, "%zu strict cases, %zu lenient", n[0], n[1]);
    snprintf(detail, sizeof detail, "%zu equal, %zu without loss", n[0], n[1]);
    verdict(file, detail);
    json_decref(list);
}

static inline void chunk_cases(const char *dir)
{
    json_t *list = load_lines(dir, "chunk_cases.jsonl"), *one;
    size_t i;
    json_array_foreach(list, i, one) for (size_t piece = 1; piece < 10000; piece = 7 * piece + 1)
    {
        json_t *is = chunks_of(json_object_get(one, "sections"), piece);
        same(json_string_value(json_object_get(one, "name")), is, json_object_get(one, "chunks"));
        json_decref(is);
    }
    expect(i == 15, "%zu chunk cases", i);
    verdict("chunk_cases.jsonl", "15 equal, in pieces of any size");
    json_decref(list);
}

/* ---- encodings
 * --------------------------------------------------------------------------------------------------------------------------- */

static inline void encodings(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"\xEF\xBB\xBF"
         "caf\xC3\xA9",
         8, "caf\xC3\xA9"},
        {"caf\xE9 \x80 \x81!", 9, "caf\xC3\xA9 \xE2\x82\xAC \xEF\xBF\xBD!"},
        {"\xFF\xFE"
         "a\0\xE9\0",
         6, "a\xC3\xA9"},
        {"\xFE\xFF\0a\0\xE9", 6, "a\xC3\xA9"},
        {"<meta charset=\"koi8-r\">\xC1\xC2", 25, "\xD0\xB0\xD0\xB1"},
        {"<meta charset='no-such'>\xE9", 25, "\xC3\xA9"},
        {"a\0b", 3, "ab"},
        {"<meta charset=utf-8>caf\xC3\xA9 \xFF \xE4\xB8\xAD!", 32, "caf\xC3\xA9 \xEF\xBF\xBD \xE4\xB8\xAD!"},
        {"\xEF\xBB\xBF\xC3\xA9 \xFF \xE4\xB8", 11, "\xC3\xA9 \xEF\xBF\xBD \xEF\xBF\xBD"},
        {"charset=koi8-r \xE9", 16, "charset=koi8-r \xC3\xA9"},
        {"<!-- <meta charset=koi8-r> --><p>charset=koi8-r \xE9", 49, "charset=koi8-r \xC3\xA9"},
        {"<meta name=d content='charset=koi8-r'>\xE9", 39, "\xC3\xA9"},
        {"<meta http-equiv=Content-Type content=\"text/html; charset=KOI8-R\">\xC1", 68, "\xD0\xB0"},
        {"<meta charset=windows-1258>\xD5 a", 30, "\xC6\xA0 a"},
        {"<meta charset=windows-1258>\xE2\xEC", 29, "\xE1\xBA\xA5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *is = sections_of(cases[i].bytes[0] == '<' ? html_sections : plain_sections, cases[i].bytes, cases[i].n);
        const char *text = json_string_value(json_object_get(json_array_get(is, 0), "text"));
        expect(text && strcmp(text, cases[i].text) == 0, "encoding %zu: %s", i, text ? text : "nothing");
        json_decref(is);
    }
    json_t *is = sections_of(plain_sections, "one\ntwo \n \t\n\n  three\n", 21);
    const char *text = json_string_value(json_object_get(json_array_get(is, 0), "text"));
    expect(text && strcmp(text, "one two\nthree") == 0, "paragraphs: %s", text ? text : "nothing");
    json_decref(is);
    verdict("encodings", "and paragraphs of plain text");
}

/* ---- documents made to hurt
 * ---------------------------------------------------------------------------------------------------------------- */

/* `times` copies of text, in which DEL stands for a zero byte, then the end; made while it is read. */
struct repeated {
    const char *head, *text, *tail;
    uint64_t times;
};

static inline int read_repeated(void *arg, uint64_t at, char *buf, size_t cap, size_t *n, struct error *err)
{
    const struct repeated *r = arg;
    size_t head = strlen(r->head), text = strlen(r->text), tail = strlen(r->tail);
    uint64_t middle = r->times * text;
    (void)err;
    for (*n = 0; *n < cap; ++*n, at++) {
        if (at < head)
            buf[*n] = r->head[at];
        else if (at < head + middle)
            buf[*n] = r->text[(at - head) % text] == '\x7f' ? 0 : r->text[(at - head) % text];
        else if (at < head + middle + tail)
            buf[*n] = r->tail[at - head - middle];
        else
            break;
    }
    return 0;
}

struct counted {
    uint64_t bytes;
    char last[8];
};

static inline void count_section(void *arg, const struct text_section *s) { (void)arg, (void)s; }

static inline void count_line(void *arg, const char *text, size_t n, int ends)
{
    struct counted *c = arg;
    (void)ends;
    c->bytes += n;
    if (n >= 7)
        memcpy(c->last, text + n - 7, 7);
    else if (n)
        memmove(c->last, c->last + n, 7 - n), memcpy(c->last + 7 - n, text, n);
}

static inline long peak_kib(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

/* The text has least to most bytes, and what comes last is there. */
static inline void read_hostile(const char *name, make_sections *make, struct repeated r, uint64_t least, uint64_t most)
{
    struct counted c = {0};
    struct text_sink sink = {&c, count_section, count_line};
    struct text_input in = {&r, read_repeated};
    struct error err = {0};
    long before = peak_kib();
    expect(make(&in, "file", &sink, &err) == 0, "%s: %s", name, err.text);
    expect(c.bytes >= least && c.bytes <= most, "%s: %llu bytes of text", name, (unsigned long long)c.bytes);
    expect(!*r.tail || memcmp(c.last, "THE END", 7) == 0, "%s: its end is lost: %.7s", name, c.last);
    expect(SANITIZED || peak_kib() - before < HURT_KIB, "%s: %ld KiB more", name, peak_kib() - before);
}

/* In a process of its own, whose peak is not that of a document before. */
static inline void hurt(const char *name, make_sections *make, struct repeated r, uint64_t least, uint64_t most)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        line_ok = 1;
        read_hostile(name, make, r, least, most);
        fflush(stdout);
        _exit(!line_ok);
    }
    expect(child > 0 && waitpid(child, &status, 0) == child && status == 0, "%s: status %d", name, status);
}

static inline void hostile_documents(void)
{
    const uint64_t M = 1000000;
    hurt("nested", html_sections, (struct repeated){"", "<div>", "THE END", M}, 7, 7);
    hurt("nested and closed", html_sections, (struct repeated){"", "<b><i>", "x</u></q>THE END", M}, 7, 8);
    hurt("ends of nothing", html_sections, (struct repeated){"<b><b><b>", "</i></u></a>", "THE END", M}, 7, 7);
    hurt("deep, and ends of nothing", html_sections, (struct repeated){"", "<b></i></u>", "THE END", M / 4}, 7, 7);
    hurt("unclosed", html_sections, (struct repeated){"", "<p>a<b>b<table><tr><td>c", "<h1>THE END", M / 10}, M / 10,
         M);
    hurt("zeros", html_sections,
         (struct repeated){"<p>",
                           "a\x7f"
                           "b",
                           "THE END", M},
         2 * M + 7, 2 * M + 7);
    hurt("one node", html_sections, (struct repeated){"<p>", "word ", " THE END", 20 * M}, 100 * M, 100 * M + 20);
    hurt("one node without spaces", html_sections, (struct repeated){"<p>", "\xE7\x81\xAF", "THE END", 7 * M},
         21 * M + 7, 21 * M + 7);
    hurt("entities", html_sections, (struct repeated){"<p>", "&amp;", "THE END", M}, M + 7, M + 7);
    hurt("attributes", html_sections, (struct repeated){"<p ", "a=b ", ">THE END", 1000}, 7, 7);
    hurt("headings", html_sections, (struct repeated){"", "<h2 id=a>head</h2>x", "THE END", M / 10}, M / 10, M / 5);
    hurt("a heading", html_sections, (struct repeated){"<h2>", "word ", "</h2>THE END", M}, 7, 7);
    hurt("cells", html_sections, (struct repeated){"<table><tr>", "<td>a<td> ", "</table>THE END", M}, 4 * M,
         4 * M + 7);
    hurt("pre", html_sections, (struct repeated){"<pre>", "\n \t", "x</pre>THE END", M}, 10, 10);
    hurt("a comment", html_sections, (struct repeated){"a<!-- ", "- > ", "--><p>THE END", M / 100}, 8, 8);
    hurt("plain", plain_sections, (struct repeated){"", "word\n", "\n\nTHE END", 20 * M}, 100 * M, 100 * M + 20);
    verdict("hostile documents", "in linear time and little memory, their text kept");
}

static inline void text_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/text", dir);
    struct error err = {0};
    chunk_cases(folder);
    document_cases(folder, "md_cases.jsonl", "markdown", markdown_sections, 13, 0);
    if (html_ready(&err)) {
        printf("skipped: %s\n", err.text);
        skipped += 3;
        return;
    }
    document_cases(folder, "html_cases.jsonl", "html", html_sections, 31, 4);
    encodings();
    hostile_documents();
}

#endif
