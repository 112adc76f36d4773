/* Growing text: what a reader collects, and JSON being written. */
#ifndef BASE_JSON_BUFFER_H
#define BASE_JSON_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes in the requests' memory, not terminated, owned by whoever holds the buffer: buffer_free(). Zeroed: empty. failed: memory ran out
 * once; what was put since is lost, and the owner says so when it is done. */
struct buffer {
    char *text;
    size_t n, cap;
    int failed;
};

void buffer_put(struct buffer *b, const char *text, size_t n); /* n bytes; text may be NULL where n is 0 */
void buffer_puts(struct buffer *b, const char *text);
void buffer_put_valid(struct buffer *b, const char *text, size_t n); /* U+FFFD for what is not UTF-8 */

/* The inside of a JSON string: minimal escapes, \u00XX for the other control characters. */
void buffer_put_escaped(struct buffer *b, const char *text, size_t n);
void buffer_put_string(struct buffer *b, const char *text, size_t n); /* with its quotes */

/* A code point as UTF-8; surrogates and what is above U+10FFFF as U+FFFD. */
void buffer_put_code_point(struct buffer *b, uint32_t c);

void buffer_free(struct buffer *b); /* the buffer is empty then, and can be used again */

#endif
