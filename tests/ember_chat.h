/* The embedded model's vocabulary and templates, as setup and teardown of a cmocka group. */
#ifndef EMBER_CHAT_H
#define EMBER_CHAT_H

#include "text/chat/chat.h"
#include "text_fixture.h"

static struct tokenizer *ember;
static struct chat *chat;

static int open_ember(void **state)
{
    (void)state;
    struct gguf *g = NULL;
    struct error err = {0};
    ember = load_file(EMBER);
    int failed = !ember || gguf_open(&g, EMBER, &err) != 0 || chat_create(&chat, g, ember, NULL, &err) != 0;
    gguf_close(g);
    return failed ? -1 : 0;
}

static int close_ember(void **state)
{
    (void)state;
    chat_destroy(chat);
    tokenizer_destroy(ember);
    return 0;
}

#endif
