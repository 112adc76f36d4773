/* Calls of a conversation as text, for templates that cannot render them (templates.md 6, steps 6 and 8). */
#ifndef TEXT_TOOLS_WRITE_H
#define TEXT_TOOLS_WRITE_H

#include "text/tools/format.h"

#include <stddef.h>

struct tool_written {
    const char *name; /* [n_name] */
    size_t n_name;
    const char *arguments; /* [n_arguments] JSON text of an object, as tojson prints it */
    size_t n_arguments;
};

/* Writes call [n]: calls put with arg and pieces of n bytes, in order; put may leave by longjmp(). ours 1: a marker or word of the format
 * (ORIGIN_TEMPLATE of templates.md 7); 0: of the message (ORIGIN_ASSISTANT). Formats without a writer of their own are written like hermes,
 * as is "none". scratch: as many bytes as the longest arguments have. */
void tool_write(const struct tool_format *f, const struct tool_written *call, size_t n, char *scratch,
                void (*put)(void *arg, int ours, const char *text, size_t n), void *arg);

/* Ways to write calls that differ from hermes: only for rows of the table of formats. */
void python_write(const struct tool_writer *w, const struct tool_written *call, size_t n);
void list_write(const struct tool_writer *w, const struct tool_written *call, size_t n);
void deepseek_write(const struct tool_writer *w, const struct tool_written *call, size_t n);

#endif
