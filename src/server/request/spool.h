/* Files without a name, in which answers wait that are too large for memory, and the bytes of disk that all of them may take. What is in
 * them is gone with the process, however it ends. Any thread. */
#ifndef SERVER_REQUEST_SPOOL_H
#define SERVER_REQUEST_SPOOL_H

#include "server/http/refusal.h"
#include "stoker.h"

#include <stdatomic.h>
#include <stdint.h>

struct spool {
    int dir;       /* of the files; -1: there is no folder */
    uint64_t most; /* bytes of all files */
    atomic_uint_fast64_t taken;
};

/* dir: path of a folder, or NULL. -1 with *err: no file can be made there. spool_close() in any case. */
int spool_open(struct spool *p, const char *dir, uint64_t most, struct stoker_error *err);
void spool_close(struct spool *p);

/* A file for so many bytes, which are taken: its descriptor. -1: *r: 413 capture_too_large, 503 where others have the bytes, or 500. */
int spool_file(struct spool *p, uint64_t bytes, struct refusal *r);
void spool_end(struct spool *p, int fd, uint64_t bytes);

#endif
