/* The bytes of a token as commands show them. */
#ifndef CLI_COMMON_PIECE_H
#define CLI_COMMON_PIECE_H

#include <jansson.h>
#include <stddef.h>

/* In quotes, on one line; what is no printable UTF-8 as \xNN. To stdout. */
void print_piece(const char *p, size_t n);

/* A string, or the bytes as numbers where they are no UTF-8. */
json_t *piece_json(const char *p, size_t n);

#endif
