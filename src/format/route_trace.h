/* Traces of routes: which experts each row of a text used, layer by layer (streaming.md T.1: --route-trace writes them).
 *
 * A file is read once and checked whole; nothing of it is trusted before: it may come from anywhere. */
#ifndef FORMAT_ROUTE_TRACE_H
#define FORMAT_ROUTE_TRACE_H

#include "base/sha256.h"
#include "format/vector.h"

struct error;

enum { ROUTE_NONE = 0xFFFF };

struct route_trace {
    char file[VECTOR_NAME]; /* its name without the folder, cut */
    uint64_t bytes;         /* that it takes in memory */
    uint8_t sha256
        [SHA256_BYTES]; /* what names the content: of all ids, and of the counts that say which ids a position has */
    int n_expert, n_layer, k; /* of a layer; layers with experts; experts of a row */
    int n_prompt, n_step;     /* rows before the first decoded one; in all */
    uint16_t *id;             /* [n_step][n_layer][k], ROUTE_NONE: none */
};

/* 1: a file that begins as a trace does. dir, name: as in entry.h. */
int route_trace_is(int dir, const char *name);

/* Bytes that a trace takes once it is open: from its header alone. */
int route_trace_bytes(int dir, const char *name, uint64_t *bytes, struct error *err);

/* Reads a file. -1: ERR_FORMAT and what is wrong with it, ERR_INPUT (its name), ERR_IO, ERR_MEMORY. most: bytes that it may take; more is
 * ERR_MEMORY with both numbers. */
int route_trace_open(struct route_trace **out, int dir, const char *name, uint64_t most, struct error *err);
void route_trace_close(struct route_trace *r);

/* A layer's experts of a step, id [k]: -1 where one is not below n_expert, or is there twice. */
int route_trace_check_cell(const uint16_t *id, int k, int n_expert);

#endif
