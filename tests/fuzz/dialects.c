/* links: server toolbox mcp library engine text model store op machine kernel format base
 *
 * Fuzz target: bodies of every dialect, from JSON to a prompt. The first byte says which: chat, Responses (with a library
 * too), Messages, Ollama's two. What is not refused renders, or is refused by the template; a refusal has a status, a sentence and clean
 * text. */
#include "server/dialect/anthropic_request.h"
#include "server/dialect/ollama_request.h"
#include "server/dialect/responses_request.h"
#include "server/request/request.h"
#include "server/request/service.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stoker_templates *opened;

static void close_templates(void) { stoker_templates_close(opened); }

static struct stoker_templates *templates(void)
{
    struct stoker_error err;
    if (opened)
        return opened;
    if (stoker_templates_open(&opened, "models/ember/ember.gguf", NULL, NULL, &err))
        abort(); /* run it from the repository's folder */
    atexit(close_templates);
    return opened;
}

static void assert_refused(const struct refusal *r)
{
    const char *const texts[] = {r->text, r->param};
    assert(r->status >= 400 && r->status < 500 && *r->text);
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(texts[i]), k;
        for (const uint8_t *p = (const uint8_t *)texts[i]; n; p += k, n -= k)
            if (utf8_head(p, n, &k) != UTF8_WHOLE || *p < 0x20)
                __builtin_trap();
    }
}

static void render(const struct request *w)
{
    struct out text = {0};
    struct stoker_prompt p;
    struct stoker_error err;
    char path[STOKER_PATH];
    out_value(&text, w->chat);
    assert(!text.failed);
    if (stoker_prompt(templates(), text.text, text.n, NULL, NULL, &p, path, &err) == 0)
        stoker_prompt_free(&p);
    else
        assert(*err.text && (err.code == STOKER_ERR_INPUT || err.code == STOKER_ERR_UNSUPPORTED));
    out_free(&text);
}

/* A chat; NULL: it was refused before. */
static void read_chat(json_t *chat, const json_t *origins, enum stabilize mode, struct refusal *r)
{
    struct server s = {.opt = {.stabilize = mode, .think = -1, .close_at_limit = -1},
                       .plan = {.n_parallel = 4, .n_ctx = 4096}};
    struct request w = {.origins = origins};
    if (chat && !r->status) {
        json_object_del(chat, "logit_bias"); /* asks the engine for its vocabulary, and there is none here */
        if (request_read_chat(&w, &s, chat, NULL, 0, r) == 0)
            render(&w);
    }
    request_free(&w);
}

static void read_body(json_t *body, int dialect, enum stabilize mode, int has_library, struct refusal *r)
{
    struct responses_request responses = {0};
    struct anthropic_request messages = {0};
    struct ollama_request ollama = {0};
    json_t *chat = body;
    if (dialect == 1)
        chat = responses_request(&responses, body, has_library, r) ? NULL : responses.chat;
    else if (dialect == 2)
        chat = anthropic_request_read(&messages, body, 0, r) ? NULL : messages.chat;
    else if (dialect == 3)
        chat = ollama_chat_read(&ollama, body, 4096, r) || ollama.load ? NULL : ollama.chat;
    else if (dialect == 4)
        chat = ollama_generate_read(&ollama, body, 4096, r) || ollama.load || ollama.raw ? NULL : ollama.chat;
    read_chat(chat, dialect == 1 ? responses.origins : dialect == 2 ? messages.origins : ollama.origins, mode, r);
    responses_request_free(&responses);
    anthropic_request_free(&messages);
    ollama_request_free(&ollama);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refusal r = {0};
    const struct json_place *keep[5] = {[2] = &anthropic_kept, [3] = &ollama_kept};
    json_t *body = size ? json_read_keeping((const char *)data + 1, size - 1, keep[data[0] % 5], &r) : NULL;
    if (body)
        read_body(body, data[0] % 5, (enum stabilize)(data[0] / 5 % 3), data[0] / 15 % 2, &r);
    if (r.status)
        assert_refused(&r);
    json_decref(body);
    return 0;
}
