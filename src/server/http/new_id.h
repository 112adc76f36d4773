/* Identifiers of requests, answers and calls. */
#ifndef SERVER_HTTP_NEW_ID_H
#define SERVER_HTTP_NEW_ID_H

#include <stddef.h>

/* Writes prefix, n letters and digits drawn at random, and a NUL to out [strlen(prefix) + n + 1]. From any thread. */
void server_new_id(char *out, const char *prefix, size_t n);

#endif
