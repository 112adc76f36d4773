/* See cluster.h. */
#include "library/zim/cluster.h"

#include "library/zim/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- which clusters are kept ---------------------------------------- */

static void close_decoder(struct zim_clusters *c)
{
    zim_decoder_close(c->decoder);
    c->decoder = NULL;
    c->decoding = NULL;
}

static void leave(struct zim_clusters *c, struct zim_cluster *k)
{
    if (c->decoding == k)
        close_decoder(c);
    free(k->bytes);
    *k = (struct zim_cluster){.is_used = 0};
}

size_t zim_clusters_bytes(const struct zim_clusters *c)
{
    size_t sum = c->blob_cap;
    for (int i = 0; i < ZIM_CLUSTERS; i++)
        sum += c->kept[i].cap;
    return sum;
}

/* Others leave until `more` bytes fit beside what is kept; keep stays. */
static void make_space(struct zim_clusters *c, const struct zim_cluster *keep, size_t more)
{
    for (;;) {
        struct zim_cluster *oldest = NULL;
        size_t sum = more;
        for (int i = 0; i < ZIM_CLUSTERS; i++) {
            struct zim_cluster *k = &c->kept[i];
            sum += k->cap;
            if (k != keep && k->cap && (!oldest || k->used_at < oldest->used_at))
                oldest = k;
        }
        if (sum <= c->cache || !oldest)
            return;
        leave(c, oldest);
    }
}

static struct zim_cluster *find(struct zim_clusters *c, uint32_t index)
{
    struct zim_cluster *best = &c->kept[0];
    for (int i = 0; i < ZIM_CLUSTERS; i++) {
        struct zim_cluster *k = &c->kept[i];
        if (k->is_used && k->index == index)
            return k;
        if (best->is_used && (!k->is_used || k->used_at < best->used_at))
            best = k;
    }
    leave(c, best);
    best->index = index;
    return best;
}

/* ---- bytes of a cluster ---------------------------------------- */

/* The decoder stands behind k->n bytes of k. There is one for all clusters: where it has left k, k begins anew, behind its table, which was
 * checked and stays as it was: the file may have another one by now. */
static int stand_behind(struct zim_clusters *c, struct zim_cluster *k, struct error *err)
{
    uint8_t again[4096];
    if (c->decoding == k)
        return 0;
    close_decoder(c);
    if (zim_decoder_open(&c->decoder, c->file, k->kind, k->data, c->end, c->decoder_most, err))
        return -1;
    c->decoding = k;
    for (size_t at = 0, n; at < k->n_table; at += n) {
        n = k->n_table - at < sizeof again ? k->n_table - at : sizeof again;
        if (zim_decoder_read(c->decoder, again, n, err))
            return -1;
    }
    k->n = k->n_table;
    return 0;
}

/* The first `need` bytes of k's data are in k->bytes. */
static int load(struct zim_clusters *c, struct zim_cluster *k, size_t need, struct error *err)
{
    if (k->n >= need)
        return 0;
    if (need > c->most)
        return error_set(err, ERR_FORMAT, "%zu bytes of it are wanted; %zu are the most", need, c->most);
    if (k->cap < need) {
        size_t cap = need > 2 * k->cap ? need : 2 * k->cap;
        cap = cap > c->most ? c->most : cap;
        make_space(c, k, cap - k->cap);
        uint8_t *bytes = realloc(k->bytes, cap);
        if (!bytes)
            return error_set(err, ERR_MEMORY, "no memory for %zu bytes of it", cap);
        k->bytes = bytes;
        k->cap = cap;
    }
    if (k->kind == 0) {
        if (need > c->end - k->data)
            return error_set(err, ERR_FORMAT, "its table of offsets does not fit into the archive");
        if (zim_file_read(c->file, k->data + k->n, k->bytes + k->n, need - k->n, err))
            return -1;
    } else if (stand_behind(c, k, err) || zim_decoder_read(c->decoder, k->bytes + k->n, need - k->n, err)) {
        close_decoder(c);
        k->n = k->n_table;
        return -1;
    }
    k->n = need;
    return 0;
}

static uint64_t offset_of(const struct zim_cluster *k, uint32_t i)
{
    const uint8_t *p = k->bytes + (size_t)i * k->width;
    return k->width == 8 ? zim_u64(p) : zim_u32(p);
}

/* The table of offsets, whole: its length is its first entry. */
static int load_table(struct zim_clusters *c, struct zim_cluster *k, struct error *err)
{
    uint64_t most = k->kind ? c->most : c->end - k->data;
    if (load(c, k, k->width, err))
        return -1;
    uint64_t first = offset_of(k, 0), last = first;
    if (first % k->width || first < 2u * k->width || first > c->most)
        return error_set(err, ERR_FORMAT,
                         "its table of offsets says that it has %" PRIu64
                         " bytes: %d to %zu, in whole entries of %d, can be",
                         first, 2 * k->width, c->most, k->width);
    if (load(c, k, (size_t)first, err))
        return -1;
    k->n_blob = (uint32_t)(first / k->width) - 1;
    for (uint32_t i = 1; i <= k->n_blob; i++) {
        uint64_t next = offset_of(k, i);
        if (next < last)
            return error_set(err, ERR_FORMAT, "its blob %u ends before it begins", i - 1);
        last = next;
    }
    if (last > most)
        return error_set(err, ERR_FORMAT, "it is said to have %" PRIu64 " bytes%s; %" PRIu64 " are the most", last,
                         k->kind ? " when it is decompressed" : "", most);
    k->n_table = (size_t)first;
    k->limit = last;
    return 0;
}

static int begin(struct zim_clusters *c, struct zim_cluster *k, struct error *err)
{
    size_t n;
    uint8_t head;
    const uint8_t *p = zim_window(&c->window, c->file, c->list + 8 * (uint64_t)k->index, 8, &n, err);
    if (!p)
        return -1;
    uint64_t at = zim_u64(p);
    if (at < 72 || at >= c->end)
        return error_set(err, ERR_FORMAT, "its pointer, %" PRIu64 ", is outside of the archive's data", at);
    if (zim_file_read(c->file, at, &head, 1, err))
        return -1;
    k->data = at + 1;
    k->width = head & 16 ? 8 : 4;
    k->kind = head & 15;
    if (k->kind == 1)
        k->kind = 0;
    if (head & 16 && !c->allow_wide)
        return error_set(err, ERR_FORMAT, "its offsets of 8 bytes belong to archives of version 6, which this is not");
    if (k->kind == 2 || k->kind == 3)
        return error_set(err, ERR_UNSUPPORTED, "it is compressed by %s, which the format has withdrawn",
                         k->kind == 2 ? "zlib" : "bzip2");
    if (k->kind && k->kind != ZIM_XZ && k->kind != ZIM_ZSTD)
        return error_set(err, ERR_FORMAT, "it is compressed by method %d, which is unknown", k->kind);
    return load_table(c, k, err);
}

/* Damage stays; what the system refused, it may grant the next time. */
static int is_lasting(const struct error *e) { return e->code == ERR_FORMAT || e->code == ERR_UNSUPPORTED; }

/* The cluster with its table. What is wrong with it is found once and said of each of its entries. */
static struct zim_cluster *get(struct zim_clusters *c, uint32_t index, struct error *err)
{
    struct zim_cluster *k = find(c, index);
    k->used_at = ++c->clock;
    if (!k->is_used) {
        struct error why = {0};
        if (begin(c, k, &why)) {
            leave(c, k);
            k->index = index;
            k->used_at = c->clock;
        }
        k->is_used = why.code == ERR_NONE || is_lasting(&why);
        k->bad = why;
    }
    if (k->bad.code != ERR_NONE) {
        error_set(err, k->bad.code, "%s: cluster %u: %s", c->file->name, index, k->bad.text);
        return NULL;
    }
    return k;
}

static int read_plain(struct zim_clusters *c, const struct zim_cluster *k, uint64_t from, size_t n, struct error *err)
{
    if (c->blob_cap < n || !c->blob) {
        free(c->blob);
        c->blob_cap = n;
        c->blob = malloc(n + 1);
        if (!c->blob) {
            c->blob_cap = 0;
            return error_set(err, ERR_MEMORY, "no memory for %zu bytes of %s", n, c->file->name);
        }
    }
    return zim_file_read(c->file, k->data + from, c->blob, n, err);
}

int zim_cluster_blob(struct zim_clusters *c, uint32_t cluster, uint32_t blob, size_t most, const uint8_t **data,
                     size_t *n, struct error *err)
{
    struct error why = {0};
    struct zim_cluster *k = get(c, cluster, err);
    if (!k)
        return -1;
    if (blob >= k->n_blob)
        return error_set(err, ERR_FORMAT, "%s: cluster %u has %u blobs, no blob %u", c->file->name, cluster, k->n_blob,
                         blob);
    uint64_t from = offset_of(k, blob), to = offset_of(k, blob + 1);
    if (from > to || to > k->limit)
        return error_set(err, ERR_BUG, "%s: the table of cluster %u is not the one that was checked", c->file->name,
                         cluster);
    if (to - from > most)
        return error_set(err, ERR_INPUT, "%s: blob %u of cluster %u has %" PRIu64 " bytes; %zu are the most",
                         c->file->name, blob, cluster, to - from, most);
    *n = (size_t)(to - from);
    int failed = k->kind ? load(c, k, (size_t)to, &why) : read_plain(c, k, from, *n, &why);
    if (failed && k->kind && is_lasting(&why)) /* else each of its entries would decompress it again, to fail */
        k->bad = why;
    if (failed)
        return error_set(err, why.code, "%s: cluster %u: %s", c->file->name, cluster, why.text);
    *data = k->kind ? k->bytes + from : c->blob;
    return 0;
}

void zim_clusters_free(struct zim_clusters *c)
{
    for (int i = 0; i < ZIM_CLUSTERS; i++)
        free(c->kept[i].bytes);
    close_decoder(c);
    free(c->blob);
}
