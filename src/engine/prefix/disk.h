/* Known prefixes in files: what the cache in memory knows, kept across restarts and beyond its size.
 *
 *     engine thread    picks what is not in a file yet, copies it into one of two images, goes on
 *     writer thread    at idle priority: checksums, writes beside, renames
 *     engine thread    when a prompt would find more in files than in memory, and reading is faster than computing: reads pieces
 *                      into pages of its own, checks them, hangs them into the tree
 *
 * The index is made by looking at every header in the folder. A file that is damaged is deleted and counted, and was never
 * there: pieces are of use only once their checksums held. One process writes to a folder, by a lock; others only read. The
 * folder is held to a number of bytes and to 19/20 of its file system: the longest unused files go. */
#ifndef ENGINE_PREFIX_DISK_H
#define ENGINE_PREFIX_DISK_H

#include "engine/prefix/cache.h"

struct error;
struct prefix_disk;

/* What it takes beside the plan's pages: index, images. */
uint64_t prefix_disk_table_bytes(uint64_t page_bytes, uint64_t state_bytes, int max_page);

/* The folder is made if need be. -1: it cannot be used. */
int prefix_disk_open(struct prefix_disk **out, struct prefix_cache *c, const char *path, uint64_t most, int max_page,
                     struct error *err);
/* Writes what is not written yet. */
void prefix_disk_close(struct prefix_disk *d);

/* Have something written, if the writer has time. 1: there is more to write. NULL: nothing ever. */
int prefix_disk_write_behind(struct prefix_disk *d);

/* Read a piece (a page or a state) on the way to where files let ids [n] go on further than the cache does, if reading the way is
 * faster than computing it at rows_per_second (0: not known: it is). root: prefix_root(). Waits for the disk. 1: there may be more
 * to read; 0: there is not, it does not pay, or the file cannot be read. */
int prefix_disk_fetch(struct prefix_disk *d, uint64_t root, const int32_t *ids, int n, double rows_per_second);

/* Forget all files of this model. What the cache still knows is written anew. */
void prefix_disk_clear(struct prefix_disk *d);

struct prefix_disk_stats {
    uint64_t bytes, corrupt;
};
struct prefix_disk_stats prefix_disk_stats(const struct prefix_disk *d);

#endif
