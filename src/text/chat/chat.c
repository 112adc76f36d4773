/* Templates of a model: see chat.h. */
#include "text/chat/chat.h"

#include "base/error.h"
#include "base/json/buffer.h"
#include "base/reqmem.h"
#include "format/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char chatml[] = "{%- for message in messages -%}\n"
                             "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}\n"
                             "{%- endfor -%}\n"
                             "{%- if add_generation_prompt -%}\n"
                             "{{- '<|im_start|>assistant\\n' -}}\n"
                             "{%- endif -%}\n";

/* For vocabularies that know no turns. */
static const char joined[] = "{%- for message in messages %}{{ message.content }}{% endfor -%}";

struct variant {
    struct chat_template *template; /* NULL: none, or broken */
    uint8_t *reach;
};

struct chat {
    const struct tokenizer *tokenizer;
    struct variant plain, with_tools; /* with_tools.template NULL: plain is for both */
    struct error broken;              /* why plain.template is NULL */
    char notice[600];
};

/* ---- choosing ---- */

/* The bytes of a token that the file names, NUL behind; NULL: it names none. free() it. */
static char *token_text(const struct gguf *g, const struct tokenizer *t, const char *key, int32_t id)
{
    size_t n;
    if (!gguf_find(g, key) || id < 0)
        return NULL;
    const char *text = tokenizer_piece(t, id, 1, &n);
    char *copy = malloc(n + 1);
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = 0;
    }
    return copy;
}

static int make(struct chat *c, struct variant *v, const struct gguf *g, const char *source, size_t n,
                const struct chat_options *o, struct error *err)
{
    char *bos = token_text(g, c->tokenizer, "tokenizer.ggml.bos_token_id", tokenizer_bos(c->tokenizer));
    char *eos = token_text(g, c->tokenizer, "tokenizer.ggml.eos_token_id", tokenizer_eos(c->tokenizer));
    int rc = template_create(&v->template, source, n, bos, eos, o->tool_format, err);
    if (rc == 0 && !(v->reach = template_reach(v->template, c->tokenizer)))
        rc = error_set(err, ERR_MEMORY, "no memory for the chat template");
    free(bos);
    free(eos);
    return rc;
}

/* The file's template of a name; "" is the one without. */
static const struct gguf_string *named(const struct gguf *g, const char *name)
{
    char key[160];
    snprintf(key, sizeof key, "tokenizer.chat_template%s%s", *name ? "." : "", name);
    const struct gguf_value *v = gguf_find(g, key);
    return v && v->kind == GGUF_STRING ? &v->as.string : NULL;
}

/* " NAME, NAME" of the file's templates. */
static void list_names(const struct gguf *g, char *to, size_t size)
{
    const struct gguf_value *v = gguf_find(g, "tokenizer.chat_templates");
    size_t at = (size_t)snprintf(to, size, "chatml");
    for (uint64_t i = 0; v && v->kind == GGUF_ARRAY && v->item == GGUF_STRING && i < v->n && at < size - 60; i++) {
        struct gguf_string s = v->as.strings[i];
        at += (size_t)snprintf(to + at, size - at, ", %.*s", (int)(s.length < 40 ? s.length : 40), s.text);
    }
}

static int is_control(const struct tokenizer *t, const char *name)
{
    int32_t id = tokenizer_find(t, name, strlen(name));
    return id >= 0 && tokenizer_type(t, id) != TOKEN_NORMAL;
}

static int knows_chatml(const struct tokenizer *t)
{
    return is_control(t, "<|im_start|>") && is_control(t, "<|im_end|>");
}

static int use_built_in(struct chat *c, const struct gguf *g, const struct chat_options *o, struct error *err)
{
    int turns = knows_chatml(c->tokenizer);
    snprintf(c->notice, sizeof c->notice, "%s",
             turns ? "the file has no chat template (tokenizer.chat_template); the built-in ChatML is used; "
                     "--chat-template FILE gives another"
                   : "the file has no chat template (tokenizer.chat_template) and its vocabulary no ChatML tokens; the "
                     "texts are joined as they are; --chat-template FILE gives a template");
    return make(c, &c->plain, g, turns ? chatml : joined, strlen(turns ? chatml : joined), o, err);
}

/* The file's own; broken ones are remembered. */
static int use_files(struct chat *c, const struct gguf *g, const struct chat_options *o, struct error *err)
{
    const struct gguf_string *plain = named(g, ""), *with_tools = named(g, "tool_use");
    struct error e = {0};
    plain = plain ? plain : named(g, "default");
    if (!plain)
        return use_built_in(c, g, o, err);
    if (make(c, &c->plain, g, plain->text, plain->length, o, &e) != 0 && e.code != ERR_FORMAT) {
        *err = e;
        return -1;
    }
    if (e.code == ERR_FORMAT) {
        error_set(&c->broken, ERR_FORMAT,
                  "tokenizer.chat_template: %.330s; --chat-template FILE (or chatml) gives another", e.text);
        snprintf(c->notice, sizeof c->notice, "%s", c->broken.text);
    }
    e = (struct error){0};
    if (with_tools && make(c, &c->with_tools, g, with_tools->text, with_tools->length, o, &e) != 0) {
        snprintf(c->notice, sizeof c->notice, "tokenizer.chat_template.tool_use is not used: %.400s", e.text);
        template_destroy(c->with_tools.template);
        c->with_tools.template = NULL;
    }
    return 0;
}

static int choose(struct chat *c, const struct gguf *g, const struct chat_options *o, struct error *err)
{
    char names[300];
    if (o->source)
        return make(c, &c->plain, g, o->source, o->n_source, o, err);
    if (!o->name)
        return use_files(c, g, o, err);
    if (strcmp(o->name, "chatml") == 0)
        return make(c, &c->plain, g, chatml, sizeof chatml - 1, o, err);
    const struct gguf_string *s = strlen(o->name) < 100 ? named(g, o->name) : NULL;
    if (s)
        return make(c, &c->plain, g, s->text, s->length, o, err);
    list_names(g, names, sizeof names);
    return error_set(err, ERR_INPUT,
                     "--chat-template %.100s is neither a file nor a template of this model; there are %s", o->name,
                     names);
}

int chat_create(struct chat **out, const struct gguf *g, const struct tokenizer *t, const struct chat_options *o,
                struct error *err)
{
    static const struct chat_options none;
    struct chat *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return error_set(err, ERR_MEMORY, "no memory for the chat template");
    c->tokenizer = t;
    if (choose(c, g, o ? o : &none, err) != 0) {
        chat_destroy(c);
        return -1;
    }
    *out = c;
    return 0;
}

void chat_destroy(struct chat *c)
{
    if (!c)
        return;
    template_destroy(c->plain.template);
    template_destroy(c->with_tools.template);
    free(c->plain.reach);
    free(c->with_tools.reach);
    free(c);
}

size_t chat_bytes(const struct chat *c)
{
    const struct variant *v[] = {&c->plain, &c->with_tools};
    size_t bytes = sizeof *c;
    for (int i = 0; i < 2; i++)
        if (v[i]->template)
            bytes += template_bytes(v[i]->template) + (size_t)tokenizer_n_vocab(c->tokenizer);
    return bytes;
}

const char *chat_notice(const struct chat *c) { return *c->notice ? c->notice : NULL; }

static const struct variant *variant_of(const struct chat *c, int with_tools)
{
    return with_tools && c->with_tools.template ? &c->with_tools : &c->plain;
}

const struct chat_template *chat_template_of(const struct chat *c, int with_tools)
{
    return variant_of(c, with_tools)->template;
}

/* ---- rendering ---- */

static int fail(struct template_error *to, enum jinja_error_kind kind, const struct error *from)
{
    *to = (struct template_error){.kind = kind};
    snprintf(to->text, sizeof to->text, "%s", from->text);
    return -1;
}

int chat_prompt(const struct chat *c, const char *request, size_t n, const struct template_options *options,
                struct template_prompt *prompt, struct token_list *ids, struct template_error *err)
{
    struct template_prompt own;
    struct error e = {0};
    if (!c->plain.template)
        return fail(err, JINJA_COMPILE, &c->broken);
    if (template_render(c->plain.template, c->with_tools.template, request, n, options, &own, err) != 0)
        return -1;
    const struct variant *v = own.template == c->with_tools.template ? &c->with_tools : &c->plain;
    int rc = ids ? template_tokens(&own, c->tokenizer, v->reach, ids, &e) : 0;
    if (rc != 0)
        fail(err, e.code == ERR_MEMORY ? JINJA_MEMORY : JINJA_LIMIT, &e);
    if (rc == 0 && prompt)
        *prompt = own;
    else
        template_prompt_free(&own);
    return rc;
}

int chat_is_structure(const struct chat *c, const struct template_prompt *p, int32_t id)
{
    const struct variant *v = p->template == c->with_tools.template ? &c->with_tools : &c->plain;
    enum token_type type = tokenizer_type(c->tokenizer, id);
    if (tokenizer_is_filler(c->tokenizer, id))
        return 0;
    return (type == TOKEN_CONTROL || type == TOKEN_UNKNOWN || type == TOKEN_USER) && v->reach[id] < ORIGIN_USER;
}

/* ---- plain conversations ---- */

static int is(const struct chat_message *m, const char *role) { return strcmp(m->role, role) == 0; }

static int check_roles(const struct chat_message *m, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (is(&m[i], "tools") && i > 0)
            return error_set(err, ERR_INPUT, "message %zu declares tools; only the first may", i);
        if (!is(&m[i], "tools") && !is(&m[i], "system") && !is(&m[i], "user") && !is(&m[i], "assistant") &&
            !is(&m[i], "tool"))
            return error_set(err, ERR_INPUT,
                             "message %zu has role \"%.40s\"; roles are system, user, assistant and tool", i,
                             m[i].role);
    }
    return 0;
}

static void put_tools(struct buffer *b, const struct chat_message *tools)
{
    const char *text = tools->text, *end = text + tools->length;
    buffer_puts(b, "], \"tools\": [");
    while (text < end) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        buffer_put(b, text, (size_t)((line ? line : end) - text));
        text = line ? line + 1 : end;
        buffer_puts(b, text < end ? ", " : "");
    }
}

char *chat_request(const struct chat_message *m, size_t n, int think, size_t *length, struct error *err)
{
    struct buffer b = {0};
    if (check_roles(m, n, err) != 0)
        return NULL;
    const struct chat_message *tools = n > 0 && is(m, "tools") ? m : NULL;
    buffer_puts(&b, "{\"messages\": [");
    for (size_t i = tools != NULL; i < n; i++) {
        buffer_puts(&b, i > (tools != NULL) ? ", {\"role\": \"" : "{\"role\": \"");
        buffer_puts(&b, m[i].role);
        buffer_puts(&b, "\", \"content\": ");
        buffer_put_string(&b, m[i].text, m[i].length);
        buffer_puts(&b, "}");
    }
    if (tools)
        put_tools(&b, tools);
    buffer_puts(&b, think < 0 ? "]}" : think ? "], \"enable_thinking\": true}" : "], \"enable_thinking\": false}");
    if (b.failed) {
        error_set(err, ERR_MEMORY, "no memory for a conversation of %zu messages", n);
        buffer_free(&b);
        return NULL;
    }
    *length = b.n;
    return b.text;
}

int chat_render(const struct chat *c, const struct chat_message *m, size_t n, int think, struct token_list *out,
                struct error *err)
{
    struct template_error e;
    size_t length;
    char *request = chat_request(m, n, think, &length, err);
    if (!request)
        return -1;
    int rc = chat_prompt(c, request, length, NULL, NULL, out, &e);
    reqmem_free(request);
    if (rc == 0)
        return 0;
    return error_set(err, template_error_code(&e), "%s", *e.raised ? e.raised : e.text);
}
