/* Which positions of a text's chunks are scored, from a file: a line each, its chunk and the position in it, both from 0. Blank lines are
 * skipped; a position that is named twice counts once. */
#ifndef EVAL_POSITIONS_H
#define EVAL_POSITIONS_H

#include <stddef.h>
#include <stdint.h>

struct error;

/* Reads text [n_text], of a file of that name: marked [n_chunk][n_ctx] becomes 1 where a position is named. -1: ERR_INPUT with name and
 * line; or the file names fewer than two positions, which have no error. */
int eval_positions_read(uint8_t *marked, size_t n_chunk, int n_ctx, const char *name, const char *text, size_t n_text,
                        struct error *err);

#endif
