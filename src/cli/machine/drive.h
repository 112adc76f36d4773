/* A file's drive, for measuring: stoker disk, stoker plan --disk, stoker doctor. */
#ifndef CLI_MACHINE_DRIVE_H
#define CLI_MACHINE_DRIVE_H

#include "base/arena.h"
#include "format/gguf.h"
#include "store/disk_probe.h"

#include <limits.h>

struct drive {
    struct gguf_file file;       /* only what disk_probe() reads of it */
    struct arena memory;         /* a mapping of its own, of drive_take_memory() */
    struct probe_memory scratch; /* all of memory */
};

/* Seconds until a read begins to give bytes, in the overlap model (streaming.md M of the specification). */
#define READ_LATENCY 0.15e-3

/* A file that can be measured has more bytes than this. */
enum { DRIVE_LEAST = (64 << 10) + 8192 };

enum { DRIVE_MEMORY = 384 << 20 }; /* what measuring takes */

/* -1: nothing is open, after a sentence on stderr. path is not copied, and outlives the drive. */
int drive_open(struct drive *d, const char *path);
void drive_close(struct drive *d);

/* DRIVE_MEMORY, without which nothing below is measured. -1: so much is not left, or may not be mapped; after a sentence on stderr. */
int drive_take_memory(struct drive *d);

/* The path of the model's largest file. -1: after a sentence on stderr. */
int drive_of_model(char path[PATH_MAX], const char *model);

/* Bytes a second of random reads as large as an expert, eight at a time. -1: after a sentence on stderr. */
int drive_rate(const struct drive *d, uint64_t expert, double *rate);

/* The same of a model's largest file, which is opened for it. */
int drive_rate_of_model(const char *model, uint64_t expert, double *rate);

/* What that file's drive does at most: the higher rate of eight at a time and of drive_most_reads(), as the reader has them in a prompt. */
int drive_roof_of_model(const char *model, uint64_t expert, double *rate);

/* How many reads as large as an expert can be under way at once in the memory that measuring takes, at most PROBE_DEPTH. */
int drive_most_reads(uint64_t expert);

#endif
