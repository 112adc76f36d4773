/* Reads a file from one place to another in order, and on from further places, while the caller works on what came before: a thread and two
 * buffers. */
#ifndef BASE_IO_AHEAD_H
#define BASE_IO_AHEAD_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct ahead;

enum {
    AHEAD_PAGE = 4096,    /* what each from, piece and room are multiples of */
    AHEAD_BUFFERS = 2,    /* each of room + piece bytes; their memory is rounded up to 2 MiB */
    AHEAD_DRIVE = 8 << 20 /* bytes that the drive is asked for before they are read */
};

struct ahead_span {
    uint64_t from, end; /* bytes; not empty */
};

struct ahead_range {
    int fd;             /* the file; it and the name stay the caller's until ahead_close() */
    const char *name;   /* of the sentences */
    uint64_t from, end; /* bytes; the end may lie behind the file's */
    size_t piece;       /* bytes that are read at a time */
    size_t room;        /* bytes before each piece that the caller may write */
    int is_large;       /* 1: past the page cache, as it would push all else out of it */
    /* What is read behind that, in this order; the caller's until ahead_close(). No piece has bytes of two of them. */
    const struct ahead_span *more; /* [n_more] */
    size_t n_more;
};

/* ERR_MEMORY. */
int ahead_open(struct ahead **out, const struct ahead_range *range, struct error *err);
/* The next bytes, aligned to AHEAD_PAGE, valid until the next call: a piece, or what is left before an end; *n is 0 at the last one, and
 * where the file ends. ERR_IO. */
int ahead_next(struct ahead *a, uint8_t **data, size_t *n, struct error *err);
/* NULL: nothing. */
void ahead_close(struct ahead *a);

#endif
