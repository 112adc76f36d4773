/* A path of a URL as it was meant: escapes decoded, once. */
#ifndef SERVER_OWN_PATH_H
#define SERVER_OWN_PATH_H

#include <stddef.h>

/* %41 -> A, into out, which ends in NUL. -1: it does not fit, an escape is none, or it means a zero byte. */
int path_decode(const char *text, char *out, size_t size);

#endif
