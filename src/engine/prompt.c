/* Prompts: see "prompts" in stoker.h. A model's tokenizer and chat templates, with an engine or without one. */
#include "engine/prompt.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reqmem.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "text/tools/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEMPLATE_FILE_MOST = 4 << 20 };

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

/* The contents of a file, for free(). NULL: there is none of that name, which may be a template's then; or *err. */
static char *read_template(const char *path, size_t *n, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    struct error why = {0};
    char *text = file_read_regular(path, TEMPLATE_FILE_MOST, n, &why);
    if (!text)
        error_set(err, why.code, "--chat-template %s", why.text);
    return text;
}

int templates_chat(struct chat **out, const struct gguf *g, const struct tokenizer *t, const char *chat_template,
                   const char *tool_format, struct error *err)
{
    struct chat_options o = {.name = chat_template, .tool_format = tool_format};
    struct error unreadable = {0};
    char *source = NULL;
    if (chat_template && strcmp(chat_template, "chatml") != 0)
        source = read_template(chat_template, &o.n_source, &unreadable);
    o.source = source;
    int rc = unreadable.code ? error_set(err, unreadable.code, "%s", unreadable.text) : chat_create(out, g, t, &o, err);
    free(source);
    if (rc == 0 && !chat_template_of(*out, 0)) /* the model works, but not for chats */
        log_line(LOG_WARN, "%s", chat_notice(*out));
    return rc;
}

static int open_templates(struct stoker_templates *v, const char *path, const char *chat_template,
                          const char *tool_format, struct error *err)
{
    if (gguf_open(&v->file, path, err) != 0 || tokenizer_create(&v->tokenizer, v->file, NULL, err) != 0)
        return -1;
    return templates_chat(&v->chat, v->file, v->tokenizer, chat_template, tool_format, err);
}

int stoker_templates_open(struct stoker_templates **out, const char *path, const char *chat_template,
                          const char *tool_format, struct stoker_error *public)
{
    struct error err = {0};
    struct stoker_templates *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        error_set(&err, ERR_MEMORY, "no memory for a vocabulary");
    if (!v || open_templates(v, path, chat_template, tool_format, &err) != 0) {
        stoker_templates_close(v);
        return error_to_public(public, &err);
    }
    *out = v;
    return 0;
}

const char *stoker_tool_format(const char *source, size_t n) { return tool_format_detect(source, n)->name; }

void stoker_templates_close(struct stoker_templates *v)
{
    if (!v)
        return;
    chat_destroy(v->chat);
    tokenizer_destroy(v->tokenizer);
    gguf_close(v->file);
    free(v);
}

const struct stoker_templates *stoker_templates_of(const struct stoker *s) { return &s->templates; }

const char *stoker_templates_piece(const struct stoker_templates *v, stoker_token id, size_t *n)
{
    *n = 0;
    return v->tokenizer ? tokenizer_piece(v->tokenizer, id, 1, n) : "";
}

void stoker_templates_caps(const struct stoker_templates *v, struct stoker_template_caps *out)
{
    const struct chat_template *t = v->chat ? chat_template_of(v->chat, 0) : NULL;
    *out = (struct stoker_template_caps){0};
    if (!t)
        return;
    const struct template_caps *c = template_caps_of(t);
    *out = (struct stoker_template_caps){.system = c->system,
                                         .tools = c->tools,
                                         .parallel_calls = c->parallel,
                                         .thinking = c->thinking_var || c->reasoning != REASONING_NONE,
                                         .tool_format = c->format->name};
    out->source = template_source(t, &out->n_source);
}

/* ---- prompts ------------------------------------------------------------------------------------------------------------- */

/* Once, at the first chat: it does not concern benchmarks. */
static void log_notice(const struct stoker_templates *v)
{
    const char *notice = chat_notice(v->chat);
    if (notice && chat_template_of(v->chat, 0) &&
        !atomic_flag_test_and_set(&((struct stoker_templates *)v)->notice_logged))
        log_line(LOG_WARN, "%s", notice);
}

_Static_assert((int)STOKER_TEMPLATE == (int)ORIGIN_TEMPLATE && (int)STOKER_ASSISTANT == (int)ORIGIN_ASSISTANT &&
                   (int)STOKER_USER == (int)ORIGIN_USER,
               "spans of stoker.h name authors by the numbers of jinja.h");

struct prompt_memory {
    struct template_prompt prompt;
    struct token_list ids;
    struct stoker_span *span;
    unsigned char *structure;
};

static void free_memory(struct prompt_memory *h)
{
    if (!h)
        return;
    template_prompt_free(&h->prompt);
    token_list_free(&h->ids);
    reqmem_free(h->span);
    reqmem_free(h->structure);
    free(h);
}

static int show(const struct stoker_templates *v, struct prompt_memory *h, struct stoker_prompt *out, struct error *err)
{
    const struct jinja_text *text = &h->prompt.text;
    h->span = reqmem_malloc((text->n_span + 1) * sizeof *h->span);
    h->structure = reqmem_malloc(h->ids.n + 1);
    if (!h->span || !h->structure)
        return error_set(err, ERR_MEMORY, "no memory for a prompt of %zu tokens", h->ids.n);
    for (size_t i = 0; i < text->n_span; i++)
        h->span[i] = (struct stoker_span){(enum stoker_author)text->span[i].origin, text->span[i].n};
    for (size_t i = 0; i < h->ids.n; i++)
        h->structure[i] = (unsigned char)chat_is_structure(v->chat, &h->prompt, h->ids.id[i]);
    *out = (struct stoker_prompt){.text = text->bytes,
                                  .n_text = text->n,
                                  .span = h->span,
                                  .n_span = text->n_span,
                                  .token = h->ids.id,
                                  .n_token = h->ids.n,
                                  .structure = h->structure,
                                  .continues = h->prompt.continues,
                                  .owner = h};
    return 0;
}

int stoker_prompt(const struct stoker_templates *v, const char *request, size_t n, int (*stopped)(void *arg),
                  void *stopped_arg, struct stoker_prompt *out, char *path, struct stoker_error *public)
{
    struct template_options options = {.stopped = stopped, .stopped_arg = stopped_arg};
    struct error err = v->tokenizer_error;
    struct template_error e = {0};
    struct prompt_memory *h = calloc(1, sizeof *h);
    *out = (struct stoker_prompt){0};
    if (path)
        *path = 0;
    if (!h)
        error_set(&err, ERR_MEMORY, "no memory for a prompt");
    if (err.code || !v->chat) {
        free_memory(h);
        return error_to_public(public, &err);
    }
    log_notice(v);
    int rc = chat_prompt(v->chat, request, n, &options, &h->prompt, &h->ids, &e);
    if (rc != 0)
        error_set(&err, template_error_code(&e), "%s", *e.raised ? e.raised : e.text);
    if (rc != 0 && path)
        snprintf(path, STOKER_PATH, "%s", e.path);
    if (rc == 0)
        rc = show(v, h, out, &err);
    if (rc == 0)
        return 0;
    free_memory(h);
    return error_to_public(public, &err);
}

void stoker_prompt_free(struct stoker_prompt *p)
{
    free_memory(p->owner);
    *p = (struct stoker_prompt){0};
}

int stoker_chat(const struct stoker *s, const struct stoker_message *m, size_t n, int think, stoker_token **out,
                size_t *n_out, struct stoker_error *err)
{
    struct error e = s->templates.tokenizer_error;
    struct token_list l = {0};
    struct chat_message *c = calloc(n ? n : 1, sizeof *c);
    for (size_t i = 0; c && i < n; i++)
        c[i] = (struct chat_message){m[i].role, m[i].text, m[i].length};
    if (!c)
        error_set(&e, ERR_MEMORY, "no memory for a conversation of %zu messages", n);
    if (s->templates.chat)
        log_notice(&s->templates);
    int failed = !c || !s->templates.chat || chat_render(s->templates.chat, c, n, think, &l, &e);
    free(c);
    if (failed) {
        token_list_free(&l);
        return error_to_public(err, &e);
    }
    *out = l.id;
    *n_out = l.n;
    return 0;
}
