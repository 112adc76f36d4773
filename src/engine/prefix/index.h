/* Which files of known prefixes lie in a folder: an index in memory, made by looking at every header.
 *
 * Entries are in buckets by the hash of the whole pages before them: what may follow a place is found there, and compared. A file
 * that is damaged is deleted and counted. The longest unused files go first, of those behind which nothing else lies: without its
 * beginning a text is not found. The engine thread's alone. */
#ifndef ENGINE_PREFIX_INDEX_H
#define ENGINE_PREFIX_INDEX_H

#include "engine/prefix/file.h"

enum { PREFIX_FILES = 1 << 14, PREFIX_BUCKETS = 1 << 14 };

/* A file that is there. */
struct prefix_entry {
    struct prefix_record r;
    int64_t used; /* seconds since the epoch, then by order */
    int next;     /* of its bucket, or of the free ones; -1: the last */
    int in_use;
    uint8_t mark[KV_PAGE]; /* a byte of each of its own ids */
};

struct prefix_index {
    int dir, writes; /* the folder; may files be deleted? */
    uint64_t base;   /* of the cache: others' files are known, and go like ours, but are never found */
    uint64_t bytes, corrupt;
    int64_t now;
    int bucket[PREFIX_BUCKETS], free;
    struct prefix_entry entry[PREFIX_FILES];
};

/* Of a folder that is open, and stays the caller's. */
void prefix_index_open(struct prefix_index *x, int dir, int writes, uint64_t base);

/* The next entry behind these whole pages, of any key; after NULL: the first; NULL: no more. */
struct prefix_entry *prefix_index_behind(struct prefix_index *x, struct prefix_entry *after, uint64_t parent);
/* The one of this key and name among them. */
struct prefix_entry *prefix_index_find(struct prefix_index *x, uint64_t key, uint64_t parent, uint64_t hash);

/* How many of ids [n] an entry's own begin with, as far as marks can tell: never fewer than do. */
int prefix_index_common(const struct prefix_entry *e, const int32_t *ids, int n);

/* A file of these own ids was written; where there is no place for another entry, the oldest goes. Part pages that hold less of the
 * same are not needed beside it. */
void prefix_index_add(struct prefix_index *x, const struct prefix_record *r, const int32_t *own);
/* A file was of use: it is young again. */
void prefix_index_use(struct prefix_index *x, struct prefix_entry *e);
/* A file is not what its entry says: the entry goes, and the file if it is damaged. */
void prefix_index_drop(struct prefix_index *x, struct prefix_entry *e, int is_damaged);

/* The longest unused files go until no more than these bytes are left. */
void prefix_index_shrink(struct prefix_index *x, uint64_t bytes);
/* All files of this model go. */
void prefix_index_clear(struct prefix_index *x);

#endif
