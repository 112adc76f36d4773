/* ChatML: see chat.h. Follows the chat template of the embedded model, turn by turn:
 *
 *   <|im_start|>ROLE \n TEXT <|im_end|> \n ...  <|im_start|>assistant \n [<think> \n\n </think> \n\n]
 *
 * Text collects in a buffer until the next marker, because words may span what the renderer and what a user wrote: only a
 * marker is a border to the tokenizer. */
#include "text/chat.h"

#include "base/error.h"
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    const struct tokenizer *tokenizer;
    struct token_list *out;
    struct error *err;
    char *text;
    size_t n, cap;
    int failed;
};

static void write_bytes(struct writer *w, const char *text, size_t n)
{
    if (w->n + n > w->cap) {
        size_t cap = 2 * (w->n + n);
        char *grown = realloc(w->text, cap);
        if (!grown) {
            w->failed = error_set(w->err, ERR_MEMORY, "no memory to render a chat of %zu bytes", w->n + n);
            return;
        }
        w->text = grown;
        w->cap = cap;
    }
    if (n)
        memcpy(w->text + w->n, text, n);
    w->n += n;
}

static void write_text(struct writer *w, const char *text) { write_bytes(w, text, strlen(text)); }

static void flush(struct writer *w)
{
    if (!w->failed && w->n > 0)
        w->failed = tokenizer_encode(w->tokenizer, w->text, w->n, 0, 0, w->out, w->err);
    w->n = 0;
}

/* A special token that a vocabulary does not call normal text, -1 none. */
static int32_t marker_id(const struct tokenizer *t, const char *name)
{
    int32_t id = tokenizer_find(t, name, strlen(name));
    return id < 0 || tokenizer_type(t, id) == TOKEN_NORMAL ? -1 : id;
}

static void write_marker(struct writer *w, const char *name)
{
    int32_t id = marker_id(w->tokenizer, name);
    if (id < 0) {
        write_text(w, name);
        return;
    }
    flush(w);
    if (!w->failed && token_list_add(w->out, id) != 0)
        w->failed = error_set(w->err, ERR_MEMORY, "no memory to render a chat");
}

static void open_turn(struct writer *w, const char *role)
{
    write_marker(w, "<|im_start|>");
    write_text(w, role);
    write_text(w, "\n");
}

static void close_turn(struct writer *w)
{
    write_marker(w, "<|im_end|>");
    write_text(w, "\n");
}

/* The assistant does not think: in its own words. */
static void write_no_thought(struct writer *w)
{
    if (marker_id(w->tokenizer, "<think>") < 0)
        return;
    write_marker(w, "<think>");
    write_text(w, "\n\n");
    write_marker(w, "</think>");
    write_text(w, "\n\n");
}

static void write_tools(struct writer *w, const struct chat_message *tools, const struct chat_message *system)
{
    open_turn(w, "system");
    if (system) {
        write_bytes(w, system->text, system->length);
        write_text(w, "\n\n");
    }
    write_text(w, "# Tools\n\nYou can call these functions:\n<tools>\n");
    write_bytes(w, tools->text, tools->length);
    write_text(w, "\n</tools>\n\nTo call a function, answer with its name and arguments as JSON:\n");
    write_marker(w, "<tool_call>");
    write_text(w, "\n{\"name\": <name>, \"arguments\": <object>}\n");
    write_marker(w, "</tool_call>");
    close_turn(w);
}

/* Earlier thoughts are not repeated. */
static void write_answer(struct writer *w, const struct chat_message *m)
{
    const char *text = m->text, *end = m->text + m->length, *tag;
    while ((tag = memmem(text, (size_t)(end - text), "</think>", 8)))
        text = tag + 8;
    while (text != m->text && text < end && *text == '\n')
        text++;
    write_bytes(w, text, (size_t)(end - text));
}

/* Results that follow each other share a turn of the user. */
static void write_result(struct writer *w, const struct chat_message *m, int is_first, int is_last)
{
    if (is_first)
        open_turn(w, "user");
    else
        write_text(w, "\n");
    write_marker(w, "<tool_response>");
    write_text(w, "\n");
    write_bytes(w, m->text, m->length);
    write_text(w, "\n");
    write_marker(w, "</tool_response>");
    if (is_last)
        close_turn(w);
}

static int is(const struct chat_message *m, const char *role) { return strcmp(m->role, role) == 0; }

static void write_conversation(struct writer *w, const struct chat_message *m, size_t n, int think)
{
    const struct chat_message *tools = n > 0 && is(m, "tools") ? m++ : NULL;
    n -= tools != NULL;
    const struct chat_message *system = n > 0 && is(m, "system") ? m : NULL;
    if (tools)
        write_tools(w, tools, system);
    size_t after_user = 0;
    for (size_t i = 0; i < n; i++)
        if (is(&m[i], "user"))
            after_user = i + 1;
    for (size_t i = tools && system ? 1 : 0; i < n; i++) {
        if (is(&m[i], "tool")) {
            write_result(w, &m[i], i == 0 || !is(&m[i - 1], "tool"), i + 1 == n || !is(&m[i + 1], "tool"));
            continue;
        }
        open_turn(w, m[i].role);
        if (is(&m[i], "assistant")) {
            if (!think && i >= after_user)
                write_no_thought(w);
            write_answer(w, &m[i]);
        } else {
            write_bytes(w, m[i].text, m[i].length);
        }
        close_turn(w);
    }
    open_turn(w, "assistant");
    if (!think)
        write_no_thought(w);
}

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

int chat_is_chatml(const struct tokenizer *t)
{
    return marker_id(t, "<|im_start|>") >= 0 && marker_id(t, "<|im_end|>") >= 0;
}

int chat_render(const struct tokenizer *t, const struct chat_message *m, size_t n, int think, struct token_list *out,
                struct error *err)
{
    if (check_roles(m, n, err) != 0)
        return -1;
    struct writer w = {.tokenizer = t, .out = out, .err = err};
    if (tokenizer_adds_bos(t) && token_list_add(out, tokenizer_bos(t)) != 0)
        w.failed = error_set(err, ERR_MEMORY, "no memory to render a chat");
    if (chat_is_chatml(t)) {
        write_conversation(&w, m, n, think);
    } else {
        for (size_t i = 0; i < n; i++)
            write_bytes(&w, m[i].text, m[i].length);
    }
    flush(&w);
    free(w.text);
    return w.failed ? -1 : 0;
}
