/* Measuring a drive: random aligned reads within a file, through the same reader as the experts. */
#ifndef STORE_DISK_PROBE_H
#define STORE_DISK_PROBE_H

#include <stdint.h>

struct error;
struct gguf_file;

enum { PROBE_DEPTH = 64, PROBE_MARGIN = 12288 };

struct disk_probe {
    double bytes_per_second, reads_per_second;
};

/* The destination of the reads: prefaulted memory, much larger than the caches of the processor. With one small buffer, which stays in
 * the caches, a fast drive would look faster than it is for expert slots. */
struct probe_memory {
    uint8_t *base; /* aligned to 4096 */
    uint64_t bytes;
};

/* Read `bytes` in all, in blocks of block bytes at random offsets that seed decides, depth (1 to PROBE_DEPTH) at a time; returns when all
 * are read. memory: depth * (block + PROBE_MARGIN) bytes at least. ERR_INPUT: the file is smaller than a block; ERR_IO: a read failed. */
int disk_probe(const struct gguf_file *file, uint64_t block, int depth, uint64_t bytes, uint64_t seed,
               const struct probe_memory *memory, struct disk_probe *out, struct error *err);

#endif
