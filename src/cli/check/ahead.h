/* Reads a file from its beginning to its end while the caller works on what came before: a thread and two buffers. */
#ifndef CLI_CHECK_AHEAD_H
#define CLI_CHECK_AHEAD_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct ahead;

/* fd is the file at path; both stay the caller's until ahead_close(). ERR_MEMORY. */
int ahead_open(struct ahead **out, int fd, const char *path, struct error *err);
/* The next bytes of the file, valid until the next call; *n is 0 at its end. ERR_IO. */
int ahead_next(struct ahead *a, const uint8_t **data, size_t *n, struct error *err);
void ahead_close(struct ahead *a);

#endif
