/* Identifiers of requests, answers and calls. */
#ifndef SERVER_HTTP_NEW_ID_H
#define SERVER_HTTP_NEW_ID_H

#include <stddef.h>

/* Identifiers: prefix and n letters and digits, drawn. out: [strlen(prefix) + n + 1]. */
void server_new_id(char *out, const char *prefix, size_t n);

#endif
