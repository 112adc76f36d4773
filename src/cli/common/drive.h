/* A file's drive, for measuring: stoker disk, stoker plan --disk. */
#ifndef CLI_COMMON_DRIVE_H
#define CLI_COMMON_DRIVE_H

#include "base/arena.h"
#include "format/gguf.h"
#include "store/disk_probe.h"

struct drive {
    struct gguf_file file;       /* only what disk_probe() reads of it */
    struct arena memory;         /* a mapping of its own */
    struct probe_memory scratch; /* all of memory */
};

/* Seconds until a read begins to give bytes, in the overlap model (streaming.md M of the specification). */
#define READ_LATENCY 0.15e-3

/* A file that can be measured has more bytes than this. */
enum { DRIVE_LEAST = (64 << 10) + 8192 };

/* -1: nothing is open, after a sentence on stderr. path is not copied, and outlives the drive. */
int drive_open(struct drive *d, const char *path);
void drive_close(struct drive *d);

#endif
