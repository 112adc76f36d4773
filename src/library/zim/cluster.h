/* Clusters of a ZIM archive (library.md 9): blobs behind a table of their offsets, compressed or not. No more of a cluster is decompressed
 * than the blob that is asked for needs; what was decompressed stays, whole clusters leave in the order of their last use. */
#ifndef LIBRARY_ZIM_CLUSTER_H
#define LIBRARY_ZIM_CLUSTER_H

#include "base/error.h"
#include "library/zim/file.h"

enum {
    ZIM_CLUSTER_MOST = 64 << 20,  /* decompressed */
    ZIM_CACHE_BYTES = 16 << 20,   /* of all clusters; one that is larger is alone */
    ZIM_DECODER_MOST = 128 << 20, /* memory of what decompresses: a window of zstd, all of xz */
    ZIM_CLUSTERS = 32             /* kept at most */
};

struct zim_decoder;

struct zim_cluster {
    uint32_t index;
    int is_used;
    uint8_t kind; /* 0: plain, else the codec's number */
    uint8_t width;
    uint64_t data; /* offset in the archive of what follows the first byte */
    uint32_t n_blob;
    size_t n_table; /* bytes of the table, once it was checked: they are read once */
    uint64_t limit; /* where the last blob ends */
    uint8_t *bytes; /* decompressed so far; of a plain cluster its table of offsets alone */
    size_t n, cap;
    uint64_t used_at; /* larger: later */
    struct error bad; /* why nothing of it can be read */
};

struct zim_clusters {
    const struct zim_file *file;
    uint64_t list, end; /* of the pointers; behind the last byte that can be a cluster's */
    uint32_t n;
    int allow_wide;
    size_t most, cache, decoder_most; /* ZIM_CLUSTER_MOST, ZIM_CACHE_BYTES, ZIM_DECODER_MOST, or less */
    uint64_t clock;
    struct zim_cluster kept[ZIM_CLUSTERS];
    struct zim_decoder *decoder; /* of the one that is decoding; NULL: of none */
    struct zim_cluster *decoding;
    struct zim_window window; /* of the pointers */
    uint8_t *blob;            /* of a plain cluster, the last one read */
    size_t blob_cap;
};

/* c is zeroed but for file, list, end, n, allow_wide and the limits. */
void zim_clusters_free(struct zim_clusters *c);

/* Where the bytes of a blob are, which belong to c until the next call. Above most: ERR_INPUT. */
int zim_cluster_blob(struct zim_clusters *c, uint32_t cluster, uint32_t blob, size_t most, const uint8_t **data,
                     size_t *n, struct error *err);

/* Memory that clusters take now, decoder excluded. */
size_t zim_clusters_bytes(const struct zim_clusters *c);

#endif
