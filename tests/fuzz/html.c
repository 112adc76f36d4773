/* links: library base
 *
 * Fuzz target: a document. The first byte says whether the rest is HTML, Markdown or plain text. Whatever the bytes are, what comes out is
 * UTF-8 without control characters, in sections that have a path, in chunks within their size; and the text is not much more than the
 * bytes. Seeds: one document of each kind. */
#include "library/document/html.h"
#include "base/error.h"
#include "base/utf8.h"
#include "library/document/chunk.h"
#include "library/document/encoding.h"
#include "library/document/markdown.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static size_t sum;

static void take(void *arg, const struct chunk *c)
{
    (void)arg;
    require(c->n > 0 && c->n <= CHUNK_MOST && utf8_valid(c->text, c->n) == c->n);
    for (size_t i = 0; i < c->n; i++)
        require((unsigned char)c->text[i] >= ' ' || c->text[i] == '\n' || c->text[i] == '\t');
    require(c->section->n_path >= 1 && c->section->n_path <= TEXT_PATH);
    for (int i = 0; i < c->section->n_path; i++)
        require(strlen(c->section->path[i]) <= TEXT_HEADING + 3 &&
                utf8_valid(c->section->path[i], strlen(c->section->path[i])) == strlen(c->section->path[i]));
    require(strlen(c->section->anchor) < TEXT_ANCHOR);
    sum += c->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chunker c;
    struct error err = {0};
    if (size == 0)
        return 0;
    struct text_memory m = {(const char *)data + 1, size - 1};
    struct text_input in = text_of_memory(&m);
    sum = 0;
    struct text_sink sink = chunker_begin(&c, take, NULL);
    require((data[0] == 'm'   ? markdown_sections
             : data[0] == 't' ? plain_sections
                              : html_sections)(&in, "file", &sink, &err) == 0);
    chunker_end(&c);
    require(sum <= 8 * size + 64);
    return 0;
}
