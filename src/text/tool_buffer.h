/* Growing text: what a reader collects, and JSON being written. */
#ifndef TEXT_TOOL_BUFFER_H
#define TEXT_TOOL_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. failed: memory ran out once; what was put since is lost, and the owner says so when it is done. */
struct tool_buffer {
    char *text;
    size_t n, cap;
    int failed;
};

void tool_put(struct tool_buffer *b, const char *text, size_t n);
void tool_puts(struct tool_buffer *b, const char *text);

/* The inside of a JSON string: minimal escapes, \u00XX for the other control characters. */
void tool_put_escaped(struct tool_buffer *b, const char *text, size_t n);
void tool_put_string(struct tool_buffer *b, const char *text, size_t n); /* with its quotes */

/* A code point as UTF-8; surrogates and what is above U+10FFFF as U+FFFD. */
void tool_put_code_point(struct tool_buffer *b, uint32_t c);

void tool_buffer_free(struct tool_buffer *b);

#endif
