/* Reading traces of routes: see route_trace.h. The header first, then the ids, piece by piece. */
#include "format/route_trace.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json/load.h"
#include "base/json/scan.h"
#include "format/entry.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { LAYERS_MOST = 1 << 15 };
enum { MAX_FILE = 256 << 20, MAX_IDS = 256 << 20, MAX_HEAD = 64 << 10, HEAD = 10, PIECE = 64 << 10 };

static const char magic[] = "STRT1\n";

/* A file that is being read. */
struct file {
    const char *path;
    int fd;
    uint64_t n, payload; /* bytes; where the ids begin */
    int id_bytes, is_zlib;
    struct route_trace head; /* its counts, file, bytes */
    struct error *err;
};

static int bad(const struct file *f, const char *what)
{
    return error_set(f->err, ERR_FORMAT, "%s is not a trace of routes: %s", f->path, what);
}

static int read_at(const struct file *f, void *to, uint64_t n, uint64_t at)
{
    const char *why;
    if (file_read_at(f->fd, to, n, at, &why) == 0)
        return 0;
    return error_set(f->err, ERR_IO, "%s: reading failed: %s", f->path, why);
}

/* ---- the header -------------------------------------------------------------------------------------------------------------- */

static json_t *load_head(struct file *f)
{
    uint8_t b[HEAD];
    char *text = NULL;
    json_t *head = NULL;
    json_error_t why;
    if (f->n >= HEAD && read_at(f, b, HEAD, 0))
        return NULL;
    if (f->n < HEAD || memcmp(b, magic, sizeof magic - 1) != 0) {
        bad(f, "it does not begin with STRT1");
        return NULL;
    }
    uint64_t n = (uint64_t)b[6] | (uint64_t)b[7] << 8 | (uint64_t)b[8] << 16 | (uint64_t)b[9] << 24;
    f->payload = HEAD + n;
    if (n > MAX_HEAD || f->payload > f->n) {
        bad(f, "its header is longer than the file, or than 64 KiB");
        return NULL;
    }
    if (!(text = malloc(n + 1))) {
        error_set(f->err, ERR_MEMORY, "%s: no memory for its header", f->path);
        return NULL;
    }
    if (read_at(f, text, n, HEAD) == 0 &&
        (json_whole(text, n) != '{' || !(head = json_load_reserved(text, n, JSON_REJECT_DUPLICATES, &why))))
        bad(f, "its header is no JSON");
    free(text);
    return head;
}

static int number(const json_t *head, const char *key)
{
    const json_t *v = json_object_get(head, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    return n >= 0 && n <= INT_MAX ? (int)n : -1;
}

static uint64_t ids_of(const struct route_trace *r)
{
    return (uint64_t)r->n_step * (uint64_t)r->n_layer * (uint64_t)r->k;
}

static int read_counts(struct file *f, const json_t *head)
{
    struct route_trace *r = &f->head;
    size_t layers = json_array_size(json_object_get(head, "layers"));
    const char *comp = json_string_value(json_object_get(head, "comp"));
    r->n_expert = number(head, "n_expert");
    f->id_bytes = number(head, "id_bytes");
    r->n_layer = layers < LAYERS_MOST ? (int)layers : 0;
    r->k = number(head, "k");
    r->n_prompt = number(head, "n_prompt");
    r->n_step = number(head, "n_step");
    if (r->n_expert < 1 || r->n_layer < 1 || r->k < 1 || r->n_step < 1 || r->n_prompt < 0 || r->n_prompt > r->n_step ||
        (uint64_t)r->n_step * (uint64_t)r->n_layer > MAX_IDS / (uint64_t)r->k)
        return bad(f, "its counts (n_expert, layers, k, n_prompt, n_step) are absent or absurd");
    if (!comp || (f->id_bytes != 1 && f->id_bytes != 2))
        return bad(f, "its header has no comp, or an id_bytes other than 1 and 2");
    f->is_zlib = strcmp(comp, "zlib") == 0;
    if ((!f->is_zlib && strcmp(comp, "raw") != 0) ||
        (!f->is_zlib && f->n - f->payload != ids_of(r) * (uint64_t)f->id_bytes))
        return bad(f, "its payload is not what the header says");
    r->bytes = sizeof *r + ids_of(r) * sizeof *r->id;
    return 0;
}

static void name_file(char out[VECTOR_NAME], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = 0;
    for (path = slash ? slash + 1 : path; path[n] && n + 1 < VECTOR_NAME; n++)
        out[n] = path[n] >= ' ' && path[n] < 127 ? path[n] : '?';
    out[n] = 0;
}

static int open_file(struct file *f, int dir, const char *name, struct error *err)
{
    struct stat st;
    *f = (struct file){.path = name, .err = err};
    name_file(f->head.file, name);
    if ((f->fd = entry_open(dir, name, 0, err)) < 0)
        return -1;
    int failed = fstat(f->fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE;
    f->n = failed ? 0 : (uint64_t)st.st_size;
    json_t *head = failed ? NULL : load_head(f);
    if (failed)
        error_set(err, ERR_FORMAT, "%s: no regular file of at most %d MiB", name, MAX_FILE >> 20);
    failed = !head || read_counts(f, head);
    json_decref(head);
    if (failed)
        close(f->fd);
    return failed ? -1 : 0;
}

int route_trace_is(int dir, const char *name)
{
    struct error why = {0};
    struct stat st;
    char b[sizeof magic - 1];
    const char *unread;
    int fd = entry_open(dir, name, 0, &why);
    int is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && file_read_at(fd, b, sizeof b, 0, &unread) == 0 &&
             memcmp(b, magic, sizeof b) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

int route_trace_bytes(int dir, const char *name, uint64_t *bytes, struct error *err)
{
    struct file f;
    if (open_file(&f, dir, name, err))
        return -1;
    close(f.fd);
    *bytes = f.head.bytes;
    return 0;
}

/* ---- the ids ----------------------------------------------------------------------------------------------------------------- */

/* What comes out of the payload, piece by piece. */
struct payload {
    const struct file *f;
    uint64_t at;
    z_stream z;
    int ended;
    uint8_t in[PIECE], out[PIECE];
};

static int inflate_some(struct payload *p)
{
    if (p->z.avail_in == 0) {
        uint64_t left = p->f->n - p->at, n = left < PIECE ? left : PIECE;
        if (n == 0)
            return bad(p->f, "its payload is not what the header says");
        if (read_at(p->f, p->in, n, p->at))
            return -1;
        p->at += n;
        p->z.next_in = p->in;
        p->z.avail_in = (uInt)n;
    }
    int rc = inflate(&p->z, Z_NO_FLUSH);
    p->ended = rc == Z_STREAM_END;
    return rc == Z_OK || rc == Z_STREAM_END ? 0 : bad(p->f, "its payload is not what the header says");
}

/* Exactly n bytes into p->out. */
static int take(struct payload *p, size_t n)
{
    if (!p->f->is_zlib) {
        p->at += n;
        return read_at(p->f, p->out, n, p->at - n);
    }
    p->z.next_out = p->out;
    p->z.avail_out = (uInt)n;
    while (p->z.avail_out > 0) {
        if (p->ended)
            return bad(p->f, "its payload is not what the header says");
        if (inflate_some(p))
            return -1;
    }
    return 0;
}

/* All is taken: nothing is left in the file. */
static int end(struct payload *p)
{
    uint8_t more;
    p->z.next_out = &more;
    p->z.avail_out = 1;
    while (p->f->is_zlib && !p->ended && p->z.avail_out == 1)
        if (inflate_some(p))
            return -1;
    int is_whole = !p->f->is_zlib || (p->ended && p->z.avail_out == 1 && p->z.avail_in == 0 && p->at == p->f->n);
    return is_whole ? 0 : bad(p->f, "its payload is not what the header says");
}

static int read_ids(struct route_trace *r, struct payload *p)
{
    size_t wide = (size_t)p->f->id_bytes;
    for (uint64_t i = 0, n = ids_of(r), here; i < n; i += here) {
        here = n - i < PIECE / wide ? n - i : PIECE / wide;
        if (take(p, (size_t)here * wide))
            return -1;
        for (size_t k = 0; k < here; k++) {
            const uint8_t *b = p->out + k * wide;
            r->id[i + k] = wide == 2 ? (uint16_t)(b[0] | b[1] << 8) : b[0] == 0xFF ? (uint16_t)ROUTE_NONE : b[0];
        }
    }
    return end(p);
}

static int read_payload(struct route_trace *r, const struct file *f)
{
    struct payload *p = calloc(1, sizeof *p);
    if (!p || (f->is_zlib && inflateInit(&p->z) != Z_OK)) {
        free(p);
        return error_set(f->err, ERR_MEMORY, "%s: no memory to read it with", f->path);
    }
    p->f = f;
    p->at = f->payload;
    int failed = read_ids(r, p);
    if (f->is_zlib)
        inflateEnd(&p->z);
    free(p);
    return failed;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------- */

int route_trace_check_cell(const uint16_t *id, int k, int n_expert)
{
    for (int i = 0; i < k; i++) {
        if (id[i] != ROUTE_NONE && id[i] >= n_expert)
            return -1;
        for (int j = 0; j < i && id[i] != ROUTE_NONE; j++)
            if (id[j] == id[i])
                return -1;
    }
    return 0;
}

static int check_ids(const struct route_trace *r, const struct file *f)
{
    size_t n = ids_of(r);
    for (size_t i = 0; i < n; i += (size_t)r->k)
        if (route_trace_check_cell(r->id + i, r->k, r->n_expert))
            return bad(f, "a layer of a step names an expert twice, or one that is not there");
    return 0;
}

/* Of the counts that decide which ids a position has, and of the ids. */
static void hash(struct route_trace *r)
{
    const int count[] = {r->n_layer, r->k, r->n_prompt, r->n_step};
    struct sha256 h;
    sha256_begin(&h);
    for (int i = 0; i < 4; i++) {
        const uint8_t le[] = {(uint8_t)count[i], (uint8_t)(count[i] >> 8), (uint8_t)(count[i] >> 16),
                              (uint8_t)(count[i] >> 24)};
        sha256_add(&h, le, sizeof le);
    }
    sha256_add(&h, r->id, ids_of(r) * sizeof *r->id); /* all machines that this runs on are little-endian */
    sha256_end(&h, r->sha256);
}

static struct route_trace *make(struct file *f, uint64_t most)
{
    if (f->head.bytes > most) {
        error_set(f->err, ERR_MEMORY,
                  "%s takes %" PRIu64 " bytes, and %" PRIu64 " are left for vectors; raise --steer-memory", f->path,
                  f->head.bytes, most);
        return NULL;
    }
    struct route_trace *r = malloc(f->head.bytes);
    if (!r) {
        error_set(f->err, ERR_MEMORY, "%s: no memory for its %" PRIu64 " bytes", f->path, f->head.bytes);
        return NULL;
    }
    *r = f->head;
    r->id = (uint16_t *)(r + 1);
    if (read_payload(r, f) || check_ids(r, f)) {
        free(r);
        return NULL;
    }
    hash(r);
    return r;
}

int route_trace_open(struct route_trace **out, int dir, const char *name, uint64_t most, struct error *err)
{
    struct file f;
    if (open_file(&f, dir, name, err))
        return -1;
    struct route_trace *r = make(&f, most);
    close(f.fd);
    if (!r)
        return -1;
    *out = r;
    return 0;
}

void route_trace_close(struct route_trace *r) { free(r); }
