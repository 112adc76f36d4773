/* What the Tab key does in a chat: names of commands, and paths behind those that take one. */
#ifndef CLI_CHAT_COMPLETE_H
#define CLI_CHAT_COMPLETE_H

#include <stddef.h>
#include <stdio.h>

/* What all that may follow line [n] have in common: bytes to put behind it, to be freed, empty where there are none. Where several may
 * follow and have nothing in common, their list is on f. NULL: no memory. */
char *complete_line(const char *line, size_t n, FILE *f);

#endif
