/* stoker activations convert: what a capture tool of llama.cpp wrote (pull requests 20785 and 20820), as a file of recorded rows.
 *
 *     "ACTV"  u32 version  u32 n_embd  u32 layer     little-endian; then rows of f32 [n_embd], the ends of that layer, to the file's end */
#include "base/file.h"
#include "base/reqmem.h"
#include "cli/activations/activations.h"
#include "cli/activations/part.h"
#include "format/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 16, VERSION = 1, WIDTH_MOST = 1 << 24, LAYER_MOST = 1 << 16, PIECE = 64 << 10 };

struct dump {
    const char *path;
    int fd;
    uint32_t n_embd, layer;
    uint64_t rows;
};

static int wrong(const struct dump *d, const char *what)
{
    fprintf(stderr, "stoker activations: %s %s\n", d->path, what);
    return 1;
}

static uint32_t number(const uint8_t *b) { return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24; }

/* All n bytes at a place. */
static int read_at(const struct dump *d, void *out, size_t n, uint64_t at)
{
    const char *why;
    if (file_read_at(d->fd, out, n, at, &why) == 0)
        return 0;
    fprintf(stderr, "stoker activations: %s cannot be read: %s\n", d->path, why);
    return 1;
}

static int read_header(struct dump *d)
{
    uint8_t h[HEADER];
    struct stat st;
    char what[160];
    if ((d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 || fstat(d->fd, &st))
        return wrong(d, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size < HEADER)
        return wrong(d, "is no dump of activations: it has no header of 16 bytes");
    if (read_at(d, h, sizeof h, 0))
        return 1;
    d->n_embd = number(h + 8);
    d->layer = number(h + 12);
    if (memcmp(h, "ACTV", 4) != 0 || number(h + 4) != VERSION)
        return wrong(d, "is no dump of activations: it does not begin with ACTV and version 1");
    if (d->n_embd < 1 || d->n_embd > WIDTH_MOST || d->layer >= LAYER_MOST) {
        snprintf(what, sizeof what, "tells of rows of %" PRIu32 " values of layer %" PRIu32, d->n_embd, d->layer);
        return wrong(d, what);
    }
    uint64_t bytes = (uint64_t)st.st_size - HEADER, row = (uint64_t)d->n_embd * 4;
    if (bytes == 0 || bytes % row) {
        snprintf(what, sizeof what, "has %" PRIu64 " bytes behind its header, which are no rows of %" PRIu64, bytes,
                 row);
        return wrong(d, what);
    }
    d->rows = bytes / row;
    return 0;
}

static int write_all(const struct dump *d, const struct part_file *p)
{
    char name[32], width[16];
    uint8_t piece[PIECE];
    uint64_t bytes = d->rows * d->n_embd * 4;
    size_t n = 0;
    snprintf(name, sizeof name, "resid_post.%" PRIu32, d->layer);
    snprintf(width, sizeof width, "%" PRIu32, d->n_embd);
    const struct safetensors_text text[] = {
        {"format", "stoker-activations-1"}, {"n_embd", width}, {"source", "llama.cpp ACTV"}};
    const struct safetensors_tensor t = {name, "F32", 2, {d->rows, d->n_embd}, 0, bytes};
    char *header = safetensors_header(text, sizeof text / sizeof *text, &t, 1, 0, &n);
    if (!header)
        return wrong(d, "cannot be converted: no memory for a header");
    int status = part_write(p, header, n, 0);
    reqmem_free(header);
    for (uint64_t at = 0; at < bytes && !status;) {
        size_t k = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        status = read_at(d, piece, k, HEADER + at);
        status = status ? status : part_write(p, piece, k, n + at);
        at += k;
    }
    return status;
}

int activations_convert(const char *from, const char *to)
{
    struct dump d = {.path = from, .fd = -1};
    struct part_file p = {.fd = -1};
    part_signals();
    int status = read_header(&d);
    status = status ? status : part_open(&p, "activations", to);
    status = status ? status : write_all(&d, &p);
    status = status ? status : part_finish(&p);
    if (!status)
        fprintf(stderr, "%s: resid_post.%" PRIu32 " f32 [%" PRIu64 ", %" PRIu32 "]\n", to, d.layer, d.rows, d.n_embd);
    part_close(&p);
    if (d.fd >= 0)
        close(d.fd);
    return status;
}
