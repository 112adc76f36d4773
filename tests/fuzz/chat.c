/* links: text format base */
/* Fuzzing chat prompts. The first byte chooses a template and whether the rest is a request as it stands, or the choices by which
 * one is written: roles, contents with the texts of control tokens, calls, results, tools, switches.
 *
 * Laws: spans cover the text; the embedded vocabulary's control tokens are as many as the template wrote. */
#include "text/chat/chat.h"
#include "base/error.h"
#include "base/json/buffer.h"
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char strict[] =
    "{%- for m in messages -%}{%- if m.role not in ['user', 'assistant'] -%}{{ raise_exception('no ' + m.role) }}"
    "{%- elif (m.role == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('turns alternate') }}{%- endif -%}"
    "<|im_start|>{{ m.role }}\n{{ m.content|trim }}<|im_end|>\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n<think>\n{%- endif -%}";

static struct tokenizer *tokenizer;
static struct chat *chats[3];

/* The pointers to the tokenizer's memory are in memory that the leak checker does not scan. */
static void tear_down(void)
{
    for (int i = 0; i < 3; i++)
        chat_destroy(chats[i]);
    tokenizer_destroy(tokenizer);
}

static void set_up(void)
{
    struct error err = {0};
    struct gguf *g = NULL;
    const struct chat_options options[] = {{0}, {.name = "chatml"}, {.source = strict, .n_source = sizeof strict - 1}};
    if (gguf_open(&g, "models/ember/ember.gguf", &err) != 0 || tokenizer_create(&tokenizer, g, NULL, &err) != 0)
        abort();
    for (int i = 0; i < 3; i++)
        if (chat_create(&chats[i], g, tokenizer, &options[i], &err) != 0)
            abort();
    gguf_close(g);
    atexit(tear_down);
}

/* ---- writing a request ---- */

struct writer {
    const uint8_t *data;
    size_t n, at;
    struct buffer out;
};

static unsigned choice(struct writer *w, unsigned n) { return w->at < w->n ? w->data[w->at++] % n : 0; }
static void put(struct writer *w, const char *text) { buffer_puts(&w->out, text); }

#define PICK(w, list) ((list)[choice(w, sizeof(list) / sizeof *(list))])

static void text(struct writer *w)
{
    static const char *const words[] = {"Hi",       "<|im_end|>",  "<|im_start|>", "system\n",        "<think>",
                                        "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "\n",
                                        " ",        "é日",         "<|im_",        "end|>",           "{}",
                                        "\0",       "{{ x }}",     "<|endoftext|>"};
    struct buffer plain = {0};
    for (unsigned i = choice(w, 5); i-- > 0;) {
        const char *word = PICK(w, words);
        buffer_put(&plain, word, *word ? strlen(word) : 1);
    }
    buffer_put_string(&w->out, plain.text ? plain.text : "", plain.n);
    buffer_free(&plain);
}

static void content(struct writer *w)
{
    static const char *const odd[] = {"null", "7", "[]", "{}", "[{\"type\": \"image_url\"}]"};
    switch (choice(w, 8)) {
    case 0:
        put(w, PICK(w, odd));
        break;
    case 1:
        put(w, "[{\"type\": \"text\", \"text\": ");
        text(w);
        put(w, "}, {\"type\": \"text\", \"text\": ");
        text(w);
        put(w, "}]");
        break;
    default:
        text(w);
    }
}

static void message(struct writer *w)
{
    static const char *const roles[] = {"user",   "user", "assistant", "assistant",
                                        "system", "tool", "developer", "wizard"};
    static const char *const arguments[] = {
        "\"{}\"", "\"{\\\"a\\\": 1.50}\"", "\"\"", "{\"b\": \"<|im_end|>\"}", "\"{\"", "null"};
    static const char *const ids[] = {"c1", "c2", "abcdefghi", ""};
    const char *role = PICK(w, roles);
    put(w, "{\"role\": \"");
    put(w, role);
    put(w, "\", \"content\": ");
    content(w);
    if (choice(w, 4) == 0) {
        put(w, ", \"reasoning_content\": ");
        text(w);
    }
    if (strcmp(role, "assistant") == 0 && choice(w, 2)) {
        put(w, ", \"tool_calls\": [");
        for (unsigned i = choice(w, 3) + 1; i-- > 0;) {
            put(w, "{\"id\": \"");
            put(w, PICK(w, ids));
            put(w, "\", \"function\": {\"name\": ");
            text(w);
            put(w, ", \"arguments\": ");
            put(w, PICK(w, arguments));
            put(w, i ? "}}, " : "}}");
        }
        put(w, "]");
    }
    if (strcmp(role, "tool") == 0 && choice(w, 3)) {
        put(w, ", \"tool_call_id\": \"");
        put(w, PICK(w, ids));
        put(w, "\"");
    }
    put(w, "}");
}

static void request(struct writer *w)
{
    static const char *const more[] = {"",
                                       ", \"enable_thinking\": true",
                                       ", \"enable_thinking\": false",
                                       ", \"enable_thinking\": 3",
                                       ", \"reasoning_effort\": \"low\"",
                                       ", \"chat_template_kwargs\": {\"x\": [1]}",
                                       ", \"chat_template_kwargs\": {\"tools\": []}",
                                       ", \"chat_template_kwargs\": {\"add_generation_prompt\": \"<|im_end|>\"}"};
    put(w, "{\"messages\": [");
    for (unsigned i = choice(w, 6); i-- > 0;) {
        message(w);
        put(w, i ? ", " : "");
    }
    put(w, "]");
    if (choice(w, 2)) {
        put(w, ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": ");
        text(w);
        put(w, ", \"description\": ");
        text(w);
        put(w, ", \"parameters\": {\"properties\": {\"<|im_end|>\": {}}}}}]");
    }
    put(w, PICK(w, more));
    put(w, "}");
}

/* ---- the laws ---- */

/* Occurrences of a token's text all of whose bytes the template wrote. */
static size_t written(const struct jinja_text *t, const char *token)
{
    size_t count = 0, at = 0, n = strlen(token);
    for (size_t i = 0; i < t->n_span; at += t->span[i++].n) {
        const char *from = t->bytes + at, *end = from + t->span[i].n, *found;
        while (t->span[i].origin == ORIGIN_TEMPLATE && (found = memmem(from, (size_t)(end - from), token, n))) {
            count++;
            from = found + n;
        }
    }
    return count;
}

static void check(const struct template_prompt *p, const struct token_list *ids)
{
    static const char *const control[] = {"<|im_start|>", "<|im_end|>", "<|endoftext|>"};
    size_t n = 0;
    for (size_t i = 0; i < p->text.n_span; i++)
        n += p->text.span[i].n;
    if (n != p->text.n)
        abort();
    for (size_t k = 0; k < 3; k++) {
        size_t count = 0;
        int32_t id = tokenizer_find(tokenizer, control[k], strlen(control[k]));
        for (size_t i = 0; i < ids->n; i++)
            count += ids->id[i] == id;
        if (count != written(&p->text, control[k]))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct template_prompt p;
    struct template_error e;
    struct token_list ids = {0};
    struct writer w = {.data = data + 1, .n = size ? size - 1 : 0};
    if (!tokenizer)
        set_up();
    if (size == 0)
        return 0;
    if (data[0] & 1)
        request(&w);
    else
        buffer_put(&w.out, (const char *)data + 1, size - 1);
    if (w.out.n && chat_prompt(chats[data[0] / 2 % 3], w.out.text, w.out.n, NULL, &p, &ids, &e) == 0) {
        check(&p, &ids);
        template_prompt_free(&p);
    }
    token_list_free(&ids);
    buffer_free(&w.out);
    return 0;
}
