/* Names of beginnings: see prefix_key.h. */
#include "server/request/prefix_key.h"

#include "base/hash.h"
#include "server/http/json.h"

#include <string.h>

static uint64_t add_text(uint64_t key, const json_t *text)
{
    return json_is_string(text) ? hash64(json_string_value(text), json_string_length(text), key) : key;
}

/* One text part is the same as a string. */
static uint64_t add_content(uint64_t key, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    for (size_t i = 0; i < json_array_size(content); i++)
        key = add_text(key, json_object_get(json_array_get(content, i), "text"));
    return add_text(key, content);
}

uint64_t prefix_key_user(const json_t *messages)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (json_is(json_array_get(messages, i), "role", "user"))
            return add_content(1, json_array_get(messages, i));
    return 1;
}

uint64_t prefix_key_chat(const json_t *messages, uint64_t user)
{
    uint64_t key = user;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i);
        if (!json_is(m, "role", "system") && !json_is(m, "role", "developer"))
            break;
        key = add_content(key, m);
    }
    return key;
}

uint64_t prefix_key_tokens(const stoker_token *token, size_t n)
{
    return hash64(token, (n < PREFIX_KEY_TOKENS ? n : PREFIX_KEY_TOKENS) * sizeof *token, 2);
}
