/* What a drive gives: random aligned reads within a file, through the same reader as the experts. */
#ifndef STORE_DISK_PROBE_H
#define STORE_DISK_PROBE_H

#include <stdint.h>

struct error;
struct gguf_file;

enum { PROBE_DEPTH = 64 };

struct disk_probe {
    double bytes_per_second, reads_per_second;
};

/* Read `bytes` in all, in blocks of block bytes at random places, depth at a time. buffer: depth * (block + 8192) bytes,
 * aligned to 4096. */
int disk_probe(const struct gguf_file *file, uint64_t block, int depth, uint64_t bytes, uint64_t seed, uint8_t *buffer,
               struct disk_probe *out, struct error *err);

#endif
