/* stoker render: a chat request's prompt as the model reads it.
 *
 * What is printed is the tokens' bytes. Control tokens and markers stand out (reversed on a terminal, in ⟦ ⟧ elsewhere): text of a
 * message that only looks like one does not. Weights are not loaded. */
#include "base/error.h"
#include "base/file.h"
#include "base/json/load.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "stoker render MODEL.gguf [FILE] [flags]: a request's prompt as the model sees it, control tokens marked.\n\n"
    "  stoker render MODEL.gguf request.json            {\"messages\": [...], \"tools\": [...]} as of OpenAI's API\n"
    "  stoker render MODEL.gguf - <messages.json        from stdin; a list is taken for the messages\n"
    "  stoker render MODEL.gguf request.json --tools tools.json --think on\n"
    "  stoker render MODEL.gguf request.json --json     text, who wrote what, ids\n\n";

/* ---- the request --------------------------------------------------------------------------------------------------------- */

enum { REQUEST_MOST = 256 << 20 };

/* All of a file, or of stdin for "-"; NULL after a sentence. */
static char *read_all(const char *path, size_t *n)
{
    struct error err = {0};
    char *text = strcmp(path, "-") == 0 ? file_read_stream(stdin, "stdin", REQUEST_MOST, n, &err)
                                        : file_read(path, REQUEST_MOST, n, &err);
    if (!text)
        fprintf(stderr, "stoker render: %s\n", err.text);
    return text;
}

static json_t *parse(const char *text, size_t n, const char *path)
{
    json_error_t e;
    json_t *v = json_load_reserved(text, n, JSON_ALLOW_NUL, &e);
    if (!v)
        fprintf(stderr, "stoker render: %s is not JSON: line %d, column %d: %s\n", path, e.line, e.column, e.text);
    return v;
}

static int add_system(json_t *request, const char *system)
{
    json_t *messages = json_object_get(request, "messages");
    if (!json_is_array(messages)) {
        fprintf(stderr, "stoker render: messages is not a list\n");
        return -1;
    }
    return json_array_insert_new(messages, 0, json_pack("{s:s, s:s}", "role", "system", "content", system));
}

static int add_tools(json_t *request, const char *path)
{
    size_t n;
    char *text = read_all(path, &n);
    json_t *tools = text ? parse(text, n, path) : NULL;
    free(text);
    return tools ? json_object_set_new(request, "tools", tools) : -1;
}

struct options {
    const char *system, *tools, *think;
};

/* The request with what the flags add; numbers keep their spelling. NULL after a sentence. */
static char *prepare(char *text, size_t *n, const char *path, const struct options *w)
{
    size_t at = 0;
    while (at < *n && strchr(" \t\r\n", text[at]))
        at++;
    int is_list = at < *n && text[at] == '[';
    if (!is_list && !w->system && !w->tools && !w->think)
        return text;
    json_t *request = parse(text, *n, path);
    free(text);
    text = NULL;
    if (json_is_array(request))
        request = json_pack("{s:o}", "messages", request);
    int bad = !request || (w->system && add_system(request, w->system)) || (w->tools && add_tools(request, w->tools));
    if (!bad && w->think)
        bad = json_object_set_new(request, "enable_thinking", json_boolean(strcmp(w->think, "on") == 0));
    if (!bad)
        text = json_dump_spelled(request, JSON_PRESERVE_ORDER);
    *n = text ? strlen(text) : 0;
    json_decref(request);
    return text;
}

/* ---- showing ------------------------------------------------------------------------------------------------------------- */

static void print_marked(const struct stoker_templates *t, const struct stoker_prompt *p)
{
    int terminal = isatty(STDOUT_FILENO);
    for (size_t i = 0; i < p->n_token; i++) {
        size_t n;
        const char *piece = stoker_templates_piece(t, p->token[i], &n);
        if (p->structure[i])
            fputs(terminal ? "\033[7m" : "\u27e6", stdout);
        fwrite(piece, 1, n, stdout);
        if (p->structure[i])
            fputs(terminal ? "\033[27m" : "\u27e7", stdout);
    }
    putchar('\n');
}

static void print_json(const struct stoker_prompt *p)
{
    static const char *const authors[] = {"template", "assistant", "user"};
    json_t *spans = json_array(), *tokens = json_array(), *control = json_array();
    for (size_t i = 0; i < p->n_span; i++)
        json_array_append_new(spans, json_pack("[s, I]", authors[p->span[i].author], (json_int_t)p->span[i].n));
    for (size_t i = 0; i < p->n_token; i++) {
        json_array_append_new(tokens, json_integer(p->token[i]));
        if (p->structure[i])
            json_array_append_new(control, json_integer((json_int_t)i));
    }
    json_t *text = json_stringn(p->text, p->n_text);
    json_t *o = json_pack("{s:o?, s:o, s:o, s:o, s:b}", "prompt", text, "spans", spans, "tokens", tokens, "control",
                          control, "continues", p->continues);
    if (o) {
        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(o);
}

static int render(struct stoker_templates *t, const char *request, size_t n, int json)
{
    struct stoker_prompt p;
    struct stoker_error err;
    if (stoker_prompt(t, request, n, NULL, NULL, &p, NULL, &err))
        return report(&err);
    if (json)
        print_json(&p);
    else
        print_marked(t, &p);
    stoker_prompt_free(&p);
    if (fflush(stdout)) {
        fprintf(stderr, "stoker: the prompt cannot be written: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}

int cmd_render(int argc, char **argv)
{
    struct options w = {0};
    const char *chat_template = NULL, *tool_format = NULL, *rest[2] = {NULL, "-"};
    int json = 0;
    const struct flag mine[] = {
        {"--system", NULL, FLAG_TEXT, &w.system, 0, 0, "TEXT", "a system message in front"},
        {"--tools", NULL, FLAG_TEXT, &w.tools, 0, 0, "FILE",
         "tools (a list, as of OpenAI's API) instead of the request's"},
        {"--think", NULL, FLAG_ON_OFF, &w.think, 0, 0, "on|off", "the thinking switch (default: the request's)"},
        {"--chat-template", NULL, FLAG_TEXT, &chat_template, 0, 0, "FILE|NAME",
         "this template (default: the model's; chatml is built in)"},
        {"--tool-format", NULL, FLAG_TEXT, &tool_format, 0, 0, "NAME",
         "how calls are written (default: as the template does)"},
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "prompt, spans, tokens and control tokens as JSON"},
    };
    const struct flag_table table = {mine, sizeof mine / sizeof *mine};
    int n_rest, status = flags_parse("render", usage, &table, 1, argc, argv, rest, 2, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (n_rest == 0) {
        fprintf(stderr, "stoker render: which model? stoker render MODEL.gguf request.json\n");
        return 2;
    }
    struct stoker_templates *t;
    struct stoker_error err;
    size_t n;
    char *request = read_all(rest[1], &n);
    if (request)
        request = prepare(request, &n, rest[1], &w);
    if (!request)
        return 1;
    if (stoker_templates_open(&t, rest[0], chat_template, tool_format, &err)) {
        free(request);
        return report(&err);
    }
    status = render(t, request, n, json);
    stoker_templates_close(t);
    free(request);
    return status;
}
