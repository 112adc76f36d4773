/* The chat template as a whole: creating, and rendering a request. See template.h and template_inner.h. */
#include "text/chat/template_inner.h"

#include "base/error.h"
#include "base/utf8.h"
#include "text/tools/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- creating ---- */

static char *copy_word(const char *word) { return word ? strdup(word) : NULL; }

/* The texts of caps, in memory of the template's own. */
static int keep_texts(struct chat_template *t)
{
    size_t bytes = 0;
    for (int i = 0; i < 3; i++)
        bytes += t->caps.generation_prompt[i] ? strlen(t->caps.generation_prompt[i]) + 1 : 0;
    char *to = t->text = calloc(bytes + 1, 1);
    for (int i = 0; to && i < 3; i++) {
        if (!t->caps.generation_prompt[i])
            continue;
        t->caps.generation_prompt[i] = strcpy(to, t->caps.generation_prompt[i]);
        to += strlen(to) + 1;
    }
    return to ? 0 : -1;
}

static int probe_in(struct jrun *run, void *arg)
{
    struct chat_template *t = arg;
    if (template_probe(t, run) != 0)
        return -1;
    if (keep_texts(t) == 0)
        return 0;
    run->error->kind = JINJA_MEMORY;
    return -1;
}

static int probe(struct chat_template *t, struct error *err)
{
    struct arena arena;
    struct jrun run;
    struct jinja_error e;
    arena_init_growing(&arena);
    jrun_begin(&run, &arena, 0, &e);
    int rc = jrun_protect(&run, probe_in, t);
    arena_free(&arena);
    if (rc != 0 && e.kind == JINJA_MEMORY)
        error_set(err, ERR_MEMORY, "no memory for the chat template");
    else if (rc != 0)
        error_set(err, ERR_FORMAT, "the chat template takes too much for a conversation of a few words: %s", e.text);
    return rc;
}

static int fill(struct chat_template *t, const char *source, size_t n, const char *bos, const char *eos,
                const char *tool_format, struct error *err)
{
    struct jinja_error e;
    t->bos = copy_word(bos);
    t->eos = copy_word(eos);
    if ((bos && !t->bos) || (eos && !t->eos))
        return error_set(err, ERR_MEMORY, "no memory for the chat template");
    if (jinja_compile(&t->jinja, source, n, &e) != 0 && e.kind == JINJA_MEMORY)
        return error_set(err, ERR_MEMORY, "no memory for the chat template");
    if (!t->jinja)
        return error_set(err, ERR_FORMAT, "the chat template is broken: %s", e.text);
    t->caps.format = tool_format ? tool_format_find(tool_format, err) : tool_format_detect(source, n);
    if (!t->caps.format)
        return -1;
    t->reads_functions = jinja_reads(t->jinja, "functions");
    t->reads_datetime = jinja_reads(t->jinja, "datetime");
    return probe(t, err);
}

int template_create(struct chat_template **out, const char *source, size_t n, const char *bos, const char *eos,
                    const char *tool_format, struct error *err)
{
    struct chat_template *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return error_set(err, ERR_MEMORY, "no memory for the chat template");
    if (fill(t, source, n, bos, eos, tool_format, err) != 0) {
        template_destroy(t);
        return -1;
    }
    *out = t;
    return 0;
}

void template_destroy(struct chat_template *t)
{
    if (!t)
        return;
    jinja_free(t->jinja);
    free(t->bos);
    free(t->eos);
    free(t->text);
    free(t);
}

size_t template_bytes(const struct chat_template *t) { return sizeof *t + jinja_bytes(t->jinja); }
const struct template_caps *template_caps_of(const struct chat_template *t) { return &t->caps; }
const char *template_source(const struct chat_template *t, size_t *n) { return jinja_source(t->jinja, n); }

/* ---- rendering ---- */

static struct jvalue read_object(struct conversation *t, const char *request, size_t n)
{
    const char *problem;
    size_t where;
    struct jvalue v = jjson_parse(t->run, request, n, ORIGIN_USER, &problem, &where);
    if (problem)
        jfail(t->run, JINJA_REQUEST, "the request is not JSON: %s at byte %zu", problem, where);
    if (v.type != J_DICT)
        jfail(t->run, JINJA_REQUEST, "the request is not a JSON object");
    return v;
}

static struct jvalue read_tools(struct conversation *t)
{
    const struct jvalue *v = jdict_find(t->run, t->request.u.dict, "tools");
    if (!v || v->type == J_NONE)
        return JNONE;
    if (v->type != J_LIST)
        conversation_refuse(t, "is not a list", "tools");
    for (size_t i = 0; i < v->u.list->n; i++) {
        struct jvalue tool = v->u.list->item[i];
        const struct jvalue *function = tool.type == J_DICT ? jdict_find(t->run, tool.u.dict, "function") : NULL;
        if (!function || function->type != J_DICT)
            conversation_refuse(t, "is not an object", tool.type == J_DICT ? "tools[%zu].function" : "tools[%zu]", i);
        const struct jvalue *name = jdict_find(t->run, function->u.dict, "name");
        if (!name || name->type != J_STRING)
            conversation_refuse(t, "is not a string", "tools[%zu].function.name", i);
    }
    return v->u.list->n ? *v : JNONE;
}

void conversation_begin(struct conversation *t, const char *request, size_t n)
{
    t->request = read_object(t, request, n);
    t->tools = read_tools(t);
}

/* The model goes on behind the last byte of an assistant. */
static void cut_open_end(struct jinja_text *text)
{
    size_t end = 0, at = 0, n = 0;
    for (size_t i = 0; i < text->n_span; i++) {
        at += text->span[i].n;
        if (text->span[i].origin == ORIGIN_ASSISTANT) {
            end = at;
            n = i + 1;
        }
    }

    if (n == 0)
        return;
    text->n = end;
    text->n_span = n;
}

/* A call of template_render(). */
struct rendering {
    struct conversation *conversation;
    const struct chat_template *with_tools;
    const char *request;
    size_t n;
    struct template_prompt *out;
};

static int render(struct jrun *run, void *arg)
{
    struct rendering *of = arg;
    struct conversation *t = of->conversation;
    const struct chat_template *with_tools = of->with_tools;
    struct template_prompt *out = of->out;
    conversation_begin(t, of->request, of->n);
    if (with_tools && t->tools.type == J_LIST) {
        t->template = with_tools;
        t->caps = &with_tools->caps;
    }
    conversation_read(t);
    conversation_shape(t);
    run->context = conversation_context(t);
    int rc = jinja_render(t->template->jinja, run, &out->text);
    if (rc != 0 && (run->error->kind == JINJA_RAISE || run->error->kind == JINJA_RUNTIME) &&
        conversation_join_neighbours(t)) {
        run->context = conversation_context(t);
        rc = jinja_render(t->template->jinja, run, &out->text);
        out->joined = 1;
    }
    if (rc != 0)
        return -1;
    out->continues = t->continues;
    out->template = t->template;
    if (t->continues)
        cut_open_end(&out->text);
    /* What led to the text may be several times as long. */
    arena_keep(run->arena, (const void *const[]){out->text.bytes, out->text.span, out->text.mark}, 3);
    return 0;
}

enum error_code template_error_code(const struct template_error *e)
{
    switch (e->kind) {
    case JINJA_COMPILE: /* the file's template is broken */
    case JINJA_LIMIT:
        return ERR_UNSUPPORTED;
    case JINJA_MEMORY:
        return ERR_MEMORY;
    case JINJA_STOPPED:
        return ERR_CANCELLED;
    default:
        return ERR_INPUT;
    }
}

/* Whole characters, and three points where it is cut. */
static void copy_words(char *to, size_t size, const char *words, size_t n)
{
    size_t kept = n < size ? n : size - sizeof "...";
    while (kept < n && kept > 0 && !utf8_begins(words[kept]))
        kept--;
    snprintf(to, size, "%.*s%s", (int)kept, words, kept < n ? "..." : "");
}

static void show_error(struct template_error *err, const struct jinja_error *e, const char *path)
{
    *err = (struct template_error){.kind = e->kind};
    snprintf(err->path, sizeof err->path, "%s", path);
    snprintf(err->text, sizeof err->text, "%s", e->text);
    copy_words(err->raised, sizeof err->raised, e->raised ? e->raised : "", e->n_raised);
}

int template_render(const struct chat_template *t, const struct chat_template *with_tools, const char *request,
                    size_t n, const struct template_options *options, struct template_prompt *out,
                    struct template_error *err)
{
    struct jrun run;
    struct jinja_error e;
    char path[120] = "";
    struct conversation conversation = {.run = &run, .template = t, .caps = &t->caps, .path = path};
    struct rendering rendering = {&conversation, with_tools, request, n, out};
    *out = (struct template_prompt){0};
    arena_init_growing(&out->arena);
    jrun_begin(&run, &out->arena, n, &e);
    if (options) {
        run.clock = options->clock;
        run.stopped = options->stopped;
        run.stopped_arg = options->stopped_arg;
    }
    if (jrun_protect(&run, render, &rendering) == 0)
        return 0;
    show_error(err, &e, path);
    template_prompt_free(out);
    return -1;
}

void template_prompt_free(struct template_prompt *p)
{
    arena_free(&p->arena);
    *p = (struct template_prompt){0};
}
