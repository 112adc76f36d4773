/* The prefix cache in files: it outlives the process and holds more than memory does.
 *
 *     engine thread    copies a piece that is in no file yet into one of two images, and continues
 *     writer thread    at idle priority: checksums, writes a temporary file, renames it
 *     engine thread    when a prompt would find more in files than in memory, and reading is faster than computing: reads pieces
 *                      into pages, checks them, adds them to the tree
 *
 * The index is made by looking at every header in the folder. A damaged file is deleted and counted; its
 * piece is used only after the checksums held. One process writes to a folder, by a lock; others only read. The
 * folder is held to a number of bytes and to 19/20 of its file system: the least recently used files are deleted. Threads: the engine
 * thread only. */
#ifndef ENGINE_PREFIX_DISK_H
#define ENGINE_PREFIX_DISK_H

#include "engine/prefix/cache.h"

struct error;
struct prefix_disk;

/* Bytes of the index, the images and the writer's stack, for the plan. page_bytes: of a page of every kind together; state_bytes: of a
 * copy of a state. */
uint64_t prefix_disk_table_bytes(uint64_t page_bytes, uint64_t state_bytes, int max_page);

struct prefix_disk_options {
    const char *path; /* of the folder */
    uint64_t most;    /* bytes of files */
    int max_page;     /* of a text */
    int writes;       /* 0: it is only read until prefix_disk_begin_writing() */
};
/* Makes the folder if need be and indexes its files. The cache outlives d. -1: ERR_IO or ERR_MEMORY; nothing is open.
 * A folder that another process writes to is only read. */
int prefix_disk_open(struct prefix_disk **out, struct prefix_cache *c, const struct prefix_disk_options *o,
                     struct error *err);
/* What is in no file yet is written from now on. Again, or d NULL: nothing. -1: ERR_MEMORY; it stays as it was. */
int prefix_disk_begin_writing(struct prefix_disk *d, struct error *err);
/* Writes what is in no file yet, waits for that, then closes. NULL: nothing. */
void prefix_disk_close(struct prefix_disk *d);

/* Copies the next piece into an image for the writer, if one is free; does not wait. 1: there is more to write; 0: there is not, or d is
 * NULL. */
int prefix_disk_write_behind(struct prefix_disk *d);

/* If files let ids [n] resume further than memory does, and reading up to there is faster than computing at rows_per_second (0: not known,
 * taken as slower), reads the next piece (a page or a state). Waits for the disk. 1: there may be more to read; 0:
 * there is none, it does not pay, or a file cannot be read. */
int prefix_disk_fetch(struct prefix_disk *d, const struct prefix_origin *of, const int32_t *ids, int n,
                      double rows_per_second);

/* Deletes all files of this model. What memory still has is written anew. */
void prefix_disk_clear(struct prefix_disk *d);

struct prefix_disk_stats {
    uint64_t bytes, corrupt; /* of files now; damaged files that were deleted */
};
struct prefix_disk_stats prefix_disk_stats(const struct prefix_disk *d);

#endif
