/* See origin.h. Keys: the GGUF specification, and those that llama.cpp's quantisation writes. */
#include "cli/inspect/origin.h"

#include "base/error.h"
#include "cli/inspect/file_text.h"
#include "stoker.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { BASE_MODELS = 64, SHOWN = 80 };

/* NULL: the file has no text of that key, or an empty one. */
static const struct gguf_string *text(const struct gguf *g, const char *key)
{
    const struct gguf_value *v = gguf_find(g, key);
    return v && v->kind == GGUF_STRING && v->as.string.length ? &v->as.string : NULL;
}

/* -1: the file has no whole number of that key. */
static int64_t number(const struct gguf *g, const char *key)
{
    uint64_t n;
    struct error ignored = {0};
    return gguf_u64(g, key, 0, INT64_MAX, &n, &ignored) == 1 ? (int64_t)n : -1;
}

/* What is said of base model i. */
static const struct gguf_string *of_base(const struct gguf *g, int i, const char *what)
{
    char key[64];
    snprintf(key, sizeof key, "general.base_model.%d.%s", i, what);
    return text(g, key);
}

/* Its name, or where it is; NULL: the file says neither. */
static const struct gguf_string *base_name(const struct gguf *g, int i)
{
    const struct gguf_string *name = of_base(g, i, "name");
    return name ? name : of_base(g, i, "repo_url");
}

/* Their numbers are below this. */
static int n_base(const struct gguf *g)
{
    int64_t n = number(g, "general.base_model.count");
    return n < 0 || n > BASE_MODELS ? BASE_MODELS : (int)n;
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

/* Behind *before, which is the beginning of the line or what stands between its parts. */
static void put_part(const char **before, const char *what, const struct gguf_string *s)
{
    if (!s)
        return;
    printf("%s%s ", *before, what);
    put_text(*s, SHOWN);
    *before = ", ";
}

static void put_number(const char **before, int64_t n, const char *what)
{
    if (n < 0)
        return;
    printf("%s%" PRId64 " %s", *before, n, what);
    *before = ", ";
}

static void put_base_models(const char **before, const struct gguf *g)
{
    const char *between = *before, *what = "made from";
    for (int i = 0; i < n_base(g); i++) {
        const struct gguf_string *name = base_name(g, i);
        if (!name)
            continue;
        put_part(&between, what, name);
        between = " ";
        what = "and";
        *before = ", ";
    }
}

void print_origin(const struct gguf *g)
{
    const char *before = "  ";
    put_part(&before, "licence", text(g, "general.license"));
    put_part(&before, "author", text(g, "general.author"));
    put_base_models(&before, g);
    put_part(&before, "quantised by", text(g, "general.quantized_by"));
    put_part(&before, "importance matrix", text(g, "quantize.imatrix.file"));
    put_part(&before, "made with", text(g, "quantize.imatrix.dataset"));
    put_number(&before, number(g, "quantize.imatrix.entries_count"), "tensors in it");
    put_number(&before, number(g, "quantize.imatrix.chunks_count"), "chunks of text");
    if (before[0] == ',')
        putchar('\n');
}

/* The template that requests with tools take, as text/chat/chat.h has it. */
static const struct gguf_string *template_of_tools(const struct gguf *g)
{
    const struct gguf_string *plain = text(g, "tokenizer.chat_template"),
                             *with_tools = text(g, "tokenizer.chat_template.tool_use");
    plain = plain ? plain : text(g, "tokenizer.chat_template.default");
    return plain && with_tools ? with_tools : plain;
}

/* NULL: no template, or none of tool calls. */
static const char *tool_format(const struct gguf *g)
{
    const struct gguf_string *template = template_of_tools(g);
    const char *name = template ? stoker_tool_format(template->text, template->length) : "none";
    return strcmp(name, "none") == 0 ? NULL : name;
}

void print_template(const struct gguf *g)
{
    const char *format = tool_format(g);
    if (!template_of_tools(g))
        printf(", no chat template\n");
    else if (!format)
        printf(", with a chat template that shows no format of tool calls\n");
    else
        printf(", with a chat template, tool calls as %s has them\n", format);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static json_t *json_or_null(const struct gguf_string *s)
{
    json_t *j = s ? json_text(*s) : NULL;
    return j ? j : json_null();
}

static json_t *json_count(int64_t n) { return n < 0 ? json_null() : json_integer(n); }

static json_t *json_base_models(const struct gguf *g)
{
    json_t *list = json_array();
    for (int i = 0; i < n_base(g); i++)
        if (base_name(g, i))
            json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "name", json_or_null(of_base(g, i, "name")),
                                                  "organization", json_or_null(of_base(g, i, "organization")), "url",
                                                  json_or_null(of_base(g, i, "repo_url"))));
    return list;
}

static json_t *json_imatrix(const struct gguf *g)
{
    const struct gguf_string *file = text(g, "quantize.imatrix.file"), *dataset = text(g, "quantize.imatrix.dataset");
    int64_t entries = number(g, "quantize.imatrix.entries_count"), chunks = number(g, "quantize.imatrix.chunks_count");
    if (!file && !dataset && entries < 0 && chunks < 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "file", json_or_null(file), "dataset", json_or_null(dataset), "entries",
                     json_count(entries), "chunks", json_count(chunks));
}

json_t *json_origin(const struct gguf *g)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "license", json_or_null(text(g, "general.license")), "author",
                     json_or_null(text(g, "general.author")), "base_models", json_base_models(g), "quantized_by",
                     json_or_null(text(g, "general.quantized_by")), "imatrix", json_imatrix(g));
}

json_t *json_tool_format(const struct gguf *g)
{
    const char *format = tool_format(g);
    return format ? json_string(format) : json_null();
}
