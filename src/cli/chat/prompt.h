/* The prompt of one answer: -p, files and stdin, joined in this order by empty lines. */
#ifndef CLI_CHAT_PROMPT_H
#define CLI_CHAT_PROMPT_H

#include "cli/common/flags.h"

#include <stddef.h>
#include <stdint.h>

struct prompt_text {
    char *text; /* UTF-8, n bytes; prompt_free() frees it */
    size_t n;
};

/* text: of -p, "-" is stdin; NULL: none. file: of -f, "-" is stdin. What stdin has comes last, unless it was named or is a terminal.
 * 0, or the exit status after a sentence on stderr; then *out is empty. */
int prompt_read(struct prompt_text *out, const char *text, const struct text_list *file);
void prompt_free(struct prompt_text *p);

/* Bytes that a prompt takes at most beside the engine, rendered and tokenised, above what every chat has: for stoker_options.server. */
uint64_t prompt_bytes(const struct prompt_text *p);

/* A file's bytes, at most PROMPT_MOST, and a NUL behind them; free() it. NULL: it cannot be read or is no UTF-8, as one sentence on
 * stderr says. */
enum { PROMPT_MOST = 64 << 20 };
char *prompt_file(const char *path, size_t *n);

#endif
