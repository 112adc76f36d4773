/* See zim.h. */
#include "library/zim/zim.h"

#include "base/checked.h"
#include "base/error.h"
#include "library/zim/cluster.h"
#include "library/zim/file.h"
#include "library/zim/md5.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAGIC = 0x044D495A,
    HEADER_OLD = 72, /* without the place of a checksum */
    HEADER = 80,
    MIME_BYTES = 64 << 10,
    MIME_TYPES = 4096,
    REDIRECTS = 8,
    SAMPLES = 32 /* entries whose order is looked at when an archive is opened */
};
static const uint32_t no_page = 0xffffffff;

struct zim {
    struct zim_file file;
    struct zim_about about;
    uint64_t end;  /* behind the last byte that is not the checksum's */
    uint64_t list; /* of the pointers to entries */
    char *mime_text;
    const char **mime;
    uint32_t n_mime;
    struct zim_window pointers, entries;
    struct zim_clusters clusters;
};

static void __attribute__((format(printf, 2, 3))) warn(struct zim *z, const char *format, ...)
{
    va_list args;
    if (z->about.n_warning == ZIM_WARNINGS)
        return;
    va_start(args, format);
    vsnprintf(z->about.warning[z->about.n_warning++], sizeof z->about.warning[0], format, args);
    va_end(args);
}

/* ---- opening ---------------------------------------- */

/* A list of n pointers at `at` lies inside the archive, behind its header. */
static int check_list(const struct zim *z, const char *what, uint64_t at, uint32_t n, struct error *err)
{
    uint64_t bytes, end;
    if (!checked_mul(n, 8, &bytes) || !checked_add(at, bytes, &end) || end > z->end || (n && at < HEADER_OLD))
        return error_set(err, ERR_FORMAT,
                         "%s: its %s, %u pointers from byte %" PRIu64 ", is not inside its %" PRIu64 " bytes",
                         z->file.name, what, n, at, z->file.size);
    return 0;
}

static int read_mime_types(struct zim *z, uint64_t at, struct error *err)
{
    uint64_t rest = z->end - at;
    size_t n = rest < MIME_BYTES ? (size_t)rest : MIME_BYTES, i = 0;
    z->mime_text = malloc(n + 1);
    z->mime = calloc(MIME_TYPES, sizeof *z->mime);
    if (!z->mime_text || !z->mime)
        return error_set(err, ERR_MEMORY, "%s: no memory for its MIME types", z->file.name);
    if (zim_file_read(&z->file, at, z->mime_text, n, err))
        return -1;
    while (i < n && z->mime_text[i] && z->n_mime < MIME_TYPES) {
        const char *end = memchr(z->mime_text + i, 0, n - i);
        if (!end)
            break;
        z->mime[z->n_mime++] = z->mime_text + i;
        i = (size_t)(end - z->mime_text) + 1;
    }
    if (i >= n || z->mime_text[i])
        return error_set(err, ERR_FORMAT, "%s: its list of MIME types does not end within %d types and %d bytes",
                         z->file.name, MIME_TYPES, MIME_BYTES);
    return 0;
}

/* The fixed part. p: HEADER bytes, of which HEADER_OLD are there in any archive. */
static int read_header(struct zim *z, const uint8_t *p, struct error *err)
{
    struct zim_about *a = &z->about;
    const char *name = z->file.name;
    uint64_t mime = zim_u64(p + 56);
    a->major = zim_u16(p + 4);
    a->minor = zim_u16(p + 6);
    memcpy(a->uuid, p + 8, sizeof a->uuid);
    a->n_entry = zim_u32(p + 24);
    a->n_cluster = zim_u32(p + 28);
    a->main_entry = zim_u32(p + 64);
    a->has_checksum = mime == HEADER;
    a->new_namespaces = a->major == 6 && a->minor >= 1;
    if (zim_u32(p) != MAGIC)
        return error_set(err, ERR_FORMAT, "%s is no ZIM archive: it does not begin with their mark", name);
    if (a->major != 5 && a->major != 6)
        return error_set(err, ERR_UNSUPPORTED, "%s: version %d of the format; stoker reads 5 and 6", name, a->major);
    if (mime != HEADER && mime != HEADER_OLD)
        return error_set(err, ERR_FORMAT,
                         "%s: its MIME types are said to be at byte %" PRIu64 "; they follow the header, at %d or %d",
                         name, mime, HEADER_OLD, HEADER);
    if (!a->n_entry != !a->n_cluster || a->n_cluster > a->n_entry)
        return error_set(err, ERR_FORMAT, "%s: %u entries in %u clusters cannot be", name, a->n_entry, a->n_cluster);
    if (a->has_checksum && (z->file.size < HEADER + MD5_BYTES || zim_u64(p + 72) != z->file.size - MD5_BYTES))
        return error_set(err, ERR_FORMAT,
                         "%s: its checksum is said to be at byte %" PRIu64 " of %" PRIu64 "; it is the last %d bytes: "
                         "the archive was cut, or is not whole yet",
                         name, zim_u64(p + 72), z->file.size, MD5_BYTES);
    z->end = z->file.size - (a->has_checksum ? MD5_BYTES : 0);
    z->list = zim_u64(p + 32);
    z->clusters = (struct zim_clusters){.file = &z->file,
                                        .list = zim_u64(p + 48),
                                        .end = z->end,
                                        .n = a->n_cluster,
                                        .allow_wide = a->major == 6,
                                        .most = ZIM_CLUSTER_MOST,
                                        .cache = ZIM_CACHE_BYTES,
                                        .decoder_most = ZIM_DECODER_MOST};
    if (check_list(z, "list of paths", z->list, a->n_entry, err) ||
        check_list(z, "list of clusters", z->clusters.list, a->n_cluster, err))
        return -1;
    a->has_main = a->main_entry < a->n_entry;
    if (!a->has_main && a->main_entry != no_page)
        warn(z, "its main page, entry %u, does not exist", a->main_entry);
    if (a->major == 6 && a->minor > 3)
        warn(z, "version 6.%d of the format is newer than the last one known, 6.3", a->minor);
    return read_mime_types(z, mime, err);
}

/* Looks at entries spread over the list: where these are not in order, a search by path can miss others. */
static void check_order(struct zim *z, struct zim_entry *a, struct zim_entry *b)
{
    uint32_t n = z->about.n_entry, step = n > SAMPLES ? n / SAMPLES : 1;
    int has_last = 0;
    for (uint32_t i = 0; i < n; i += step) {
        struct error ignored = {0};
        struct zim_entry *last = has_last ? a : NULL;
        if (zim_entry(z, i, b, &ignored))
            continue;
        if (last &&
            (last->namespace > b->namespace || (last->namespace == b->namespace && strcmp(last->path, b->path) >= 0))) {
            warn(z, "its paths are not sorted: a search by path may miss pages");
            return;
        }
        struct zim_entry *swap = a;
        a = b;
        b = swap;
        has_last = 1;
        if (n - i <= step)
            return;
    }
}

static int check_small(struct zim *z, int verify, struct error *err)
{
    int is_right = 1;
    if (!z->about.has_checksum)
        return verify ? error_set(err, ERR_INPUT, "%s has no checksum: it is of an old version, and cannot be verified",
                                  z->file.name)
                      : 0;
    if ((verify || z->file.size <= ZIM_HASHED_AT_OPEN) && zim_verify(z, &is_right, NULL, NULL, err))
        return -1;
    if (!is_right && verify)
        return error_set(err, ERR_FORMAT, "%s is damaged: its checksum is not that of its content", z->file.name);
    if (!is_right)
        warn(z, "it is damaged: its checksum is not that of its content");
    return 0;
}

static int start(struct zim *z, int verify, struct error *err)
{
    uint8_t header[HEADER] = {0};
    size_t n = z->file.size < HEADER ? (size_t)z->file.size : HEADER;
    if (n < HEADER_OLD)
        return error_set(err, ERR_FORMAT, "%s ends inside its header: it has %zu bytes", z->file.name, n);
    if (zim_file_read(&z->file, 0, header, n, err) || read_header(z, header, err) || check_small(z, verify, err))
        return -1;
    struct zim_entry *pair = malloc(2 * sizeof *pair);
    if (!pair)
        return error_set(err, ERR_MEMORY, "no memory to open %s", z->file.name);
    check_order(z, pair, pair + 1);
    free(pair);
    return 0;
}

int zim_open(struct zim **out, const char *path, int verify, struct error *err)
{
    struct zim *z = calloc(1, sizeof *z);
    if (!z)
        return error_set(err, ERR_MEMORY, "no memory to open %s", path);
    if (zim_file_open(&z->file, path, err) || start(z, verify, err)) {
        zim_close(z);
        return -1;
    }
    z->about.name = z->file.name;
    z->about.bytes = z->file.size;
    *out = z;
    return 0;
}

void zim_close(struct zim *z)
{
    if (!z)
        return;
    zim_clusters_free(&z->clusters);
    zim_file_close(&z->file);
    free(z->mime_text);
    free(z->mime);
    free(z);
}

const struct zim_about *zim_about(const struct zim *z) { return &z->about; }

void zim_limit(struct zim *z, size_t clusters, size_t decoder)
{
    z->clusters.most = z->clusters.cache = clusters;
    z->clusters.decoder_most = decoder;
}

int zim_verify(const struct zim *z, int *is_right, int (*tick)(void *arg, uint64_t done), void *arg, struct error *err)
{
    uint8_t wanted[MD5_BYTES], is[MD5_BYTES];
    const size_t most = 1 << 20;
    uint8_t *piece = malloc(most);
    struct md5 m;
    int failed = !z->about.has_checksum
                     ? error_set(err, ERR_INPUT, "%s has no checksum: it is of an old version, and cannot be verified",
                                 z->file.name)
                 : piece ? zim_file_read(&z->file, z->end, wanted, sizeof wanted, err)
                         : error_set(err, ERR_MEMORY, "no memory to verify %s", z->file.name);
    md5_begin(&m);
    for (uint64_t at = 0; !failed && at < z->end;) {
        size_t n = z->end - at < most ? (size_t)(z->end - at) : most;
        failed = zim_file_read(&z->file, at, piece, n, err);
        if (!failed)
            md5_add(&m, piece, n);
        at += n;
        if (!failed && tick && tick(arg, at))
            failed = error_set(err, ERR_CANCELLED, "stopped while %s was verified", z->file.name);
    }
    md5_end(&m, is);
    free(piece);
    *is_right = !failed && memcmp(is, wanted, sizeof is) == 0;
    return failed;
}

/* ---- entries ---------------------------------------- */

/* Path and title, from text [n] on. */
static int read_names(struct zim *z, struct zim_entry *e, const uint8_t *text, size_t n, struct error *err)
{
    size_t most = n < ZIM_ENTRY_MOST + 2 ? n : ZIM_ENTRY_MOST + 2;
    const uint8_t *path_end = memchr(text, 0, most);
    const uint8_t *title = path_end ? path_end + 1 : NULL;
    const uint8_t *title_end = title ? memchr(title, 0, most - (size_t)(title - text)) : NULL;
    if (!title_end)
        return error_set(err, ERR_FORMAT, "%s: path and title of entry %u do not end within %zu bytes", z->file.name,
                         e->index, most);
    memcpy(e->text, text, (size_t)(title_end - text) + 1);
    e->path = e->text;
    e->title = e->text + (title - text);
    if (!*e->title)
        e->title = e->path;
    return 0;
}

/* What kind it is, by its first two bytes; *used: bytes before the names. */
static int read_kind(struct zim *z, struct zim_entry *e, const uint8_t *p, size_t n, size_t *used, struct error *err)
{
    const char *name = z->file.name;
    uint16_t mime = n < 8 ? 0 : zim_u16(p);
    *used = mime == 0xffff ? 12 : mime == 0xfffe || mime == 0xfffd ? 8 : 16;
    if (n < *used)
        return error_set(err, ERR_FORMAT, "%s ends inside entry %u", name, e->index);
    e->namespace = (char)p[3];
    e->revision = zim_u32(p + 4);
    e->kind = *used == 16 ? ZIM_CONTENT : *used == 12 ? ZIM_REDIRECT : ZIM_NOTHING;
    e->target = e->kind == ZIM_REDIRECT ? zim_u32(p + 8) : 0;
    e->cluster = e->blob = 0;
    e->mime = NULL;
    if (e->kind == ZIM_REDIRECT && e->target >= z->about.n_entry)
        return error_set(err, ERR_FORMAT, "%s: entry %u leads to entry %u of %u", name, e->index, e->target,
                         z->about.n_entry);
    if (e->kind != ZIM_CONTENT)
        return 0;
    e->cluster = zim_u32(p + 8);
    e->blob = zim_u32(p + 12);
    if (mime >= z->n_mime)
        return error_set(err, ERR_FORMAT, "%s: entry %u has MIME type %u of %u", name, e->index, mime, z->n_mime);
    if (e->cluster >= z->about.n_cluster)
        return error_set(err, ERR_FORMAT, "%s: entry %u is in cluster %u of %u", name, e->index, e->cluster,
                         z->about.n_cluster);
    e->mime = z->mime[mime];
    return 0;
}

int zim_entry(struct zim *z, uint32_t index, struct zim_entry *e, struct error *err)
{
    size_t n, used;
    e->index = index;
    if (index >= z->about.n_entry)
        return error_set(err, ERR_INPUT, "%s has %u entries, no entry %u", z->file.name, z->about.n_entry, index);
    const uint8_t *p = zim_window(&z->pointers, &z->file, z->list + 8 * (uint64_t)index, 8, &n, err);
    if (!p)
        return -1;
    uint64_t at = zim_u64(p);
    if (at < HEADER_OLD || at >= z->end)
        return error_set(err, ERR_FORMAT, "%s: entry %u is said to be at byte %" PRIu64 " of %" PRIu64, z->file.name,
                         index, at, z->end);
    p = zim_window(&z->entries, &z->file, at, 16 + ZIM_ENTRY_MOST + 2, &n, err);
    if (!p)
        return -1;
    if (n > z->end - at)
        n = (size_t)(z->end - at);
    return read_kind(z, e, p, n, &used, err) || read_names(z, e, p + used, n - used, err) ? -1 : 0;
}

int zim_find(struct zim *z, char namespace, const char *path, struct zim_entry *e)
{
    uint32_t low = 0, high = z->about.n_entry;
    while (low < high) {
        struct error ignored = {0};
        uint32_t middle = low + (high - low) / 2, i = middle;
        while (i < high && zim_entry(z, i, e, &ignored)) /* one that cannot be read says nothing: the next does */
            i++;
        if (i == high) {
            high = middle;
            continue;
        }
        int order = (unsigned char)namespace - (unsigned char)e->namespace;
        order = order ? order : strcmp(path, e->path);
        if (order == 0)
            return 1;
        if (order < 0)
            high = middle;
        else
            low = i + 1;
    }
    return 0;
}

int zim_resolve(struct zim *z, struct zim_entry *e, struct error *err)
{
    uint32_t first = e->index;
    for (int i = 0; e->kind == ZIM_REDIRECT && i < REDIRECTS; i++)
        if (zim_entry(z, e->target, e, err))
            return -1;
    return e->kind == ZIM_REDIRECT ? error_set(err, ERR_FORMAT, "%s: entry %u leads on through more than %d redirects",
                                               z->file.name, first, REDIRECTS)
                                   : 0;
}

/* ---- content ---------------------------------------- */

int zim_is_article(const struct zim *z, const struct zim_entry *e)
{
    if (e->kind != ZIM_CONTENT || e->namespace != (z->about.new_namespaces ? 'C' : 'A'))
        return 0;
    size_t n = strcspn(e->mime, "; \t");
    return (n == 9 && strncasecmp(e->mime, "text/html", n) == 0) ||
           (n == 21 && strncasecmp(e->mime, "application/xhtml+xml", n) == 0);
}

int zim_blob(struct zim *z, const struct zim_entry *e, size_t most, const uint8_t **data, size_t *n, struct error *err)
{
    if (e->kind != ZIM_CONTENT)
        return error_set(err, ERR_INPUT, "%s: entry %u has no content", z->file.name, e->index);
    return zim_cluster_blob(&z->clusters, e->cluster, e->blob, most, data, n, err);
}

int zim_metadata(struct zim *z, const char *name, char *out, size_t cap)
{
    struct zim_entry *e = malloc(sizeof *e);
    struct error ignored = {0};
    const uint8_t *data;
    size_t n = 0;
    int found = e && zim_find(z, 'M', name, e) && zim_resolve(z, e, &ignored) == 0 &&
                zim_blob(z, e, 1 << 20, &data, &n, &ignored) == 0;
    n = found ? n < cap ? n : cap - 1 : 0;
    if (n)
        memcpy(out, data, n);
    out[n] = 0;
    free(e);
    return found;
}
