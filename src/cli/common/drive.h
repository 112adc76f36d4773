/* A file's drive, for measuring: stoker disk, stoker plan --disk. */
#ifndef CLI_COMMON_DRIVE_H
#define CLI_COMMON_DRIVE_H

#include "base/arena.h"
#include "format/gguf.h"
#include "store/disk_probe.h"

struct drive {
    struct gguf_file file;
    struct arena memory;
    struct probe_memory scratch;
};

/* Seconds until a read begins to give bytes, in the overlap model (streaming.md M of the specification). */
#define READ_LATENCY 0.15e-3

/* Least size of a file that can be measured. */
enum { DRIVE_LEAST = (64 << 10) + 8192 };

/* -1: said on stderr. path lives as long as the drive. */
int drive_open(struct drive *d, const char *path);
void drive_close(struct drive *d);

#endif
