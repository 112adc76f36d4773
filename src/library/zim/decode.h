/* One compressed stream inside an archive, read from its beginning as far as somebody asks: zstd (one frame or several) or xz. */
#ifndef LIBRARY_ZIM_DECODE_H
#define LIBRARY_ZIM_DECODE_H

#include "library/zim/file.h"

enum { ZIM_XZ = 4, ZIM_ZSTD = 5 }; /* numbers of the format */

struct zim_decoder;

/* kind: of a stream that begins at byte `at` and ends before `end`. One that wants more than most bytes of memory cannot be read: of zstd
 * its window, rounded down to a power of two, of xz all of it. */
int zim_decoder_open(struct zim_decoder **out, const struct zim_file *f, int kind, uint64_t at, uint64_t end,
                     size_t most, struct error *err);
/* The next n bytes. Fewer: -1, the stream is damaged or ends. */
int zim_decoder_read(struct zim_decoder *d, uint8_t *out, size_t n, struct error *err);
void zim_decoder_close(struct zim_decoder *d);

#endif
