/* A pattern that answers are held against: a regular expression, found anywhere in a text. */
#ifndef CLI_STEER_MATCH_H
#define CLI_STEER_MATCH_H

#include <stddef.h>

struct steer_command;
struct match;

/* 0, or the exit status after a sentence; *out is NULL where c has no pattern. */
int match_open(struct match **out, const struct steer_command *c);
/* 1: found, 0: not found; -1: it takes too many steps, or there is no memory. */
int match_find(struct match *m, const char *text, size_t n);
void match_close(struct match *m);

#endif
