/* See decode.h. */
#include "library/zim/decode.h"

#include "base/error.h"

#include <lzma.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct zim_decoder {
    const struct zim_file *file;
    int kind;
    uint64_t at, end; /* the next compressed byte to read */
    ZSTD_DStream *zstd;
    ZSTD_inBuffer in;
    lzma_stream xz;
    size_t most;
    int has_ended; /* an xz stream has one end; behind a frame of zstd another may begin */
    uint8_t bytes[32 << 10];
};

int zim_decoder_open(struct zim_decoder **out, const struct zim_file *f, int kind, uint64_t at, uint64_t end,
                     size_t most, struct error *err)
{
    int log = 10; /* the smallest window of zstd */
    while (log < 30 && (size_t)2 << log <= most)
        log++;
    struct zim_decoder *d = calloc(1, sizeof *d);
    int ready = 0;
    if (d) {
        *d = (struct zim_decoder){.file = f, .kind = kind, .at = at, .end = end, .most = most, .xz = LZMA_STREAM_INIT};
        if (kind == ZIM_ZSTD) {
            d->zstd = ZSTD_createDStream();
            ready = d->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, log));
        } else {
            ready = lzma_stream_decoder(&d->xz, most, 0) == LZMA_OK;
        }
    }
    if (!ready) {
        zim_decoder_close(d);
        return error_set(err, ERR_MEMORY, "no memory to decompress a cluster of %s", f->name);
    }
    *out = d;
    return 0;
}

void zim_decoder_close(struct zim_decoder *d)
{
    if (!d)
        return;
    ZSTD_freeDStream(d->zstd);
    lzma_end(&d->xz);
    free(d);
}

/* Fresh compressed bytes, where the last ones are used up. 1: there are some. */
static int refill(struct zim_decoder *d, size_t left, struct error *err)
{
    if (left)
        return 1;
    size_t n = d->end - d->at < sizeof d->bytes ? (size_t)(d->end - d->at) : sizeof d->bytes;
    if (n == 0)
        return error_set(err, ERR_FORMAT, "its data ends too early");
    if (zim_file_read(d->file, d->at, d->bytes, n, err))
        return -1;
    d->at += n;
    d->in = (ZSTD_inBuffer){d->bytes, n, 0};
    d->xz.next_in = d->bytes;
    d->xz.avail_in = n;
    return 1;
}

static int read_zstd(struct zim_decoder *d, uint8_t *out, size_t n, struct error *err)
{
    ZSTD_outBuffer o = {out, n, 0};
    while (o.pos < n) {
        size_t before = o.pos, taken = d->in.pos;
        /* what a decoder holds back comes without further input */
        size_t r = d->in.pos < d->in.size || !d->in.src ? 0 : ZSTD_decompressStream(d->zstd, &o, &d->in);
        if (!ZSTD_isError(r) && o.pos == before) {
            if (refill(d, d->in.size - d->in.pos, err) < 0)
                return -1;
            taken = d->in.pos;
            r = ZSTD_decompressStream(d->zstd, &o, &d->in);
        }
        if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
            return error_set(err, ERR_MEMORY, "no memory to decompress it");
        if (ZSTD_isError(r))
            return error_set(err, ERR_FORMAT, "its zstd data is damaged (%s)", ZSTD_getErrorName(r));
        if (o.pos == before && d->in.pos == taken)
            return error_set(err, ERR_FORMAT, "its zstd data is damaged");
    }
    return 0;
}

static int read_xz(struct zim_decoder *d, uint8_t *out, size_t n, struct error *err)
{
    d->xz.next_out = out;
    d->xz.avail_out = n;
    while (d->xz.avail_out > 0) {
        if (d->has_ended || refill(d, d->xz.avail_in, err) < 0)
            return error_set(err, ERR_FORMAT, "its data ends too early");
        lzma_ret r = lzma_code(&d->xz, LZMA_RUN);
        if (r == LZMA_MEMLIMIT_ERROR)
            return error_set(err, ERR_FORMAT, "its xz data wants more than %zu MiB to be decompressed", d->most >> 20);
        if (r == LZMA_MEM_ERROR)
            return error_set(err, ERR_MEMORY, "no memory to decompress it");
        if (r != LZMA_OK && r != LZMA_STREAM_END)
            return error_set(err, ERR_FORMAT, "its xz data is damaged (liblzma says %d)", (int)r);
        d->has_ended = r == LZMA_STREAM_END;
    }
    return 0;
}

int zim_decoder_read(struct zim_decoder *d, uint8_t *out, size_t n, struct error *err)
{
    return d->kind == ZIM_ZSTD ? read_zstd(d, out, n, err) : read_xz(d, out, n, err);
}
