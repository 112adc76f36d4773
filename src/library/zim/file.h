/* The bytes of a ZIM archive (library.md 9): one file, or the parts that it was split into (x.zimaa, x.zimab, ..), which count as one. Read
 * by pread and never mapped: a medium that goes away is an error and not a signal. */
#ifndef LIBRARY_ZIM_FILE_H
#define LIBRARY_ZIM_FILE_H

#include <stddef.h>
#include <stdint.h>

struct error;

struct zim_part {
    int fd;
    uint64_t from, size; /* the offset of its first byte in the archive */
};

struct zim_file {
    char name[160]; /* for sentences: the path's last name */
    struct zim_part *part;
    int n_part;
    uint64_t size;
};

/* path: the archive, its first part, or the name that all parts begin with. */
int zim_file_open(struct zim_file *f, const char *path, struct error *err);
void zim_file_close(struct zim_file *f);

/* [offset, offset + n), which is inside the archive. */
int zim_file_read(const struct zim_file *f, uint64_t offset, void *out, size_t n, struct error *err);

/* What was read last around some place: neighbours cost no read. */
enum { ZIM_WINDOW = 64 << 10 };
struct zim_window {
    uint64_t at;
    size_t n;
    uint8_t bytes[ZIM_WINDOW];
};

/* The bytes from offset on, which is inside the archive: *n of them, at least min(most, the rest of the archive); most <= ZIM_WINDOW. NULL:
 * *err. They are there until the window is used again. */
const uint8_t *zim_window(struct zim_window *w, const struct zim_file *f, uint64_t offset, size_t most, size_t *n,
                          struct error *err);

static inline uint16_t zim_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t zim_u32(const uint8_t *p) { return zim_u16(p) | (uint32_t)zim_u16(p + 2) << 16; }
static inline uint64_t zim_u64(const uint8_t *p) { return zim_u32(p) | (uint64_t)zim_u32(p + 4) << 32; }

#endif
