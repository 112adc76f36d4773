/* See json_load.h. One pass over the text finds what jansson 2.14 takes for it, at most:
 *
 *     value, place of it      32 of a number, and 24 of the list that holds it, while that grows
 *     object, list, string    the value and its first table; a key's entry and its share of the table
 *     token                   a buffer that doubles; of a key, and of what is no string, another as large beside it
 *
 * It counts more than there is where the text is not JSON, never less: jansson stops at the first fault. */
#include "base/json_load.h"

#include "base/room.h"

#include <string.h>

enum { FIRST = 4096, VALUE = 56, OBJECT = 224, LIST = 128, STRING = 144, TOKEN = 16 };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Where the token that begins at i ends: behind its last byte, or a little behind the text. */
static size_t token_end(const char *text, size_t n, size_t i)
{
    if (text[i++] != '"') {
        while (i < n && !memchr(" \t\r\n,:[]{}\"", text[i], 11))
            i++;
        return i;
    }
    while (i < n && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i + 1;
}

static size_t most_bytes(const char *text, size_t n)
{
    size_t bytes = FIRST, longest = 0, beside = 0, last = 0, buffer = TOKEN;
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (text[i] == '{') {
            bytes += OBJECT + VALUE;
        } else if (text[i] == '[') {
            bytes += LIST + VALUE;
        } else if (text[i] == ',') {
            bytes += VALUE;
        } else if (text[i] == ':') {
            beside = larger(beside, last); /* it was a key */
        } else if (!memchr(" \t\r\n]}", text[i], 6)) {
            end = token_end(text, n, i);
            last = end - i;
            longest = larger(longest, last);
            if (text[i] == '"')
                bytes += STRING + last + last / 32; /* large pieces are whole pages */
            else
                beside = larger(beside, last);
        }
    }
    while (buffer < longest + 2)
        buffer *= 2;
    return bytes + buffer + beside;
}

json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why)
{
    if (room_reserve(most_bytes(text, n))) {
        *why = (json_error_t){.line = -1, .column = -1, .text = "no room to load"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; /* where json_error_code() looks */
        return NULL;
    }
    json_t *v = json_loadb(text, n, flags, why);
    room_release();
    return v;
}
