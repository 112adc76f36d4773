/* ZIM archives (library.md 9): thousands of pages in one file, found by path or by number. Every length and offset is checked before it is
 * used, since an archive is somebody else's: a damaged part costs the entries that need it and one sentence each, never the process.
 *
 *   header -> MIME types
 *          -> pointers, in the order of namespace + path -> directory entries -> redirect, or cluster and blob
 *          -> pointers of clusters -> clusters (cluster.h)
 *
 * It does not trust or need the list of titles, and not the full-text index that an archive may hold. One thread. */
#ifndef LIBRARY_ZIM_ZIM_H
#define LIBRARY_ZIM_ZIM_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct zim;

enum {
    ZIM_ENTRY_MOST = 16 << 10, /* bytes of path and title */
    ZIM_WARNINGS = 8,
    ZIM_HASHED_AT_OPEN = 4 << 20 /* archives up to this size are held against their checksum whenever they are opened */
};

struct zim_about {
    const char *name; /* of the file, for sentences */
    uint16_t major, minor;
    uint8_t uuid[16];
    uint64_t bytes;
    uint32_t n_entry, n_cluster, main_entry;
    int has_main, has_checksum;
    int new_namespaces; /* articles are in C, else in A */
    int n_warning;
    char warning[ZIM_WARNINGS][160];
};

enum zim_kind { ZIM_CONTENT, ZIM_REDIRECT, ZIM_NOTHING /* a link target or a deleted entry */ };

struct zim_entry {
    uint32_t index;
    enum zim_kind kind;
    char namespace;
    uint32_t revision;
    uint32_t target;        /* ZIM_REDIRECT: an entry */
    uint32_t cluster, blob; /* ZIM_CONTENT */
    const char *mime;       /* ZIM_CONTENT, with its parameters */
    const char *path, *title;
    char text[ZIM_ENTRY_MOST + 2];
};

/* verify: refuses an archive whose checksum is wrong or absent; of a large one that takes as long as reading it. */
int zim_open(struct zim **out, const char *path, int verify, struct error *err);
void zim_close(struct zim *z);

const struct zim_about *zim_about(const struct zim *z);

/* From now on a cluster of more bytes, decompressed, cannot be read, and all that are kept have no more together; nor one that wants more
 * memory to be decompressed. Before the first blob; without it ZIM_CLUSTER_MOST, ZIM_CACHE_BYTES, ZIM_DECODER_MOST (cluster.h). */
void zim_limit(struct zim *z, size_t clusters, size_t decoder);

/* MD5 of the whole against its last bytes. *is_right where 0 is returned; tick, where it is not NULL, is called now and then with the bytes
 * done, and ends the work by returning non-zero (ERR_CANCELLED). */
int zim_verify(const struct zim *z, int *is_right, int (*tick)(void *arg, uint64_t done), void *arg, struct error *err);

/* The directory entry of an index below n_entry. */
int zim_entry(struct zim *z, uint32_t index, struct zim_entry *e, struct error *err);

/* The entry of a path: 1 and *e, or 0: none was found, which of a list that is not sorted does not mean that there is none. */
int zim_find(struct zim *z, char namespace, const char *path, struct zim_entry *e);

/* *e becomes what its redirects lead to, at most 8 of them. */
int zim_resolve(struct zim *z, struct zim_entry *e, struct error *err);

/* A page of text in the namespace of articles, and no redirect. */
int zim_is_article(const struct zim *z, const struct zim_entry *e);

/* The bytes of an entry of content, at most `most`, else ERR_INPUT; valid until the next call. */
int zim_blob(struct zim *z, const struct zim_entry *e, size_t most, const uint8_t **data, size_t *n, struct error *err);

/* M/NAME as text, cut to cap with its NUL: 1, or 0 and "". */
int zim_metadata(struct zim *z, const char *name, char *out, size_t cap);

#endif
