/* Calls of a conversation as text, for templates that cannot render them (templates.md 6, steps 6 and 8). */
#ifndef TEXT_TOOLS_WRITE_H
#define TEXT_TOOLS_WRITE_H

#include "text/tools/format.h"

#include <stddef.h>

/* arguments: JSON text of an object, as tojson prints it. */
struct tool_written {
    const char *name;
    size_t n_name;
    const char *arguments;
    size_t n_arguments;
};

/* Hands the text over in pieces, from which put need not return. ours 1: a marker or word of the format (ORIGIN_TEMPLATE of
 * templates.md 7); 0: of the message (ORIGIN_ASSISTANT). Formats whose row says nothing else are written like hermes, as is "none".
 * scratch: as many bytes as the longest arguments have. */
void tool_write(const struct tool_format *f, const struct tool_written *call, size_t n, char *scratch,
                void (*put)(void *arg, int ours, const char *text, size_t n), void *arg);

/* Ways to write calls that differ from hermes: what rows of the table of formats point to. */
void python_write(const struct tool_writer *w, const struct tool_written *call, size_t n);
void list_write(const struct tool_writer *w, const struct tool_written *call, size_t n);
void deepseek_write(const struct tool_writer *w, const struct tool_written *call, size_t n);

#endif
