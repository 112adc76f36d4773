/* See base_file.h. */
#include "eval/base_file.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/f64.h"
#include "base/file.h"
#include "base/half.h"
#include "eval/chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    HEADER = 20,     /* bytes before the tokens */
    ROW_HEAD = 8,    /* bytes before a row's codes */
    PIECE = 4096,    /* codes at a time */
    LEVELS = 65535,  /* the largest code */
    CHUNK_LEAST = 5, /* tokens: as of eval ppl */
    CHUNK_MOST = 1 << 28,
    AHEAD = 64, /* rows that are asked of the device before they are read: 19.5 MB at 151,936 tokens */
    AHEAD_AT_ONCE =
        1 << 17 /* bytes: of one advice the kernel takes as much as it reads ahead of itself, 128 KiB at least */
};
static const float depth = 16;        /* nats below the likeliest token, where codes end */
static const double negligible = -16; /* ln p of tokens that count for nothing */
static const double slack = 1e-2;     /* of sums in f32, of any order */
static const char magic[8] = {'_', 'l', 'o', 'g', 'i', 't', 's', '_'};

/* ---- places ------------------------------------------------------------------------------------------------------------------- */

static uint64_t row_bytes(const struct eval_base *b) { return ROW_HEAD + 2 * round_up((uint64_t)b->n_vocab, 2); }

static uint64_t row_at(const struct eval_base *b, size_t row)
{
    return HEADER + 4 * (uint64_t)b->n_chunk * (uint64_t)b->n_ctx + row * row_bytes(b);
}

static size_t row_of(const struct eval_base *b, size_t chunk, int pos)
{
    return chunk * eval_scored(b->n_ctx) + (size_t)(pos - eval_first_scored(b->n_ctx));
}

int eval_base_bytes(uint64_t *bytes, int n_ctx, int n_vocab, size_t n_chunk, struct error *err)
{
    const struct eval_base b = {.n_vocab = n_vocab};
    uint64_t chunk = 4 * (uint64_t)n_ctx, rows;
    if (checked_mul(eval_scored(n_ctx), row_bytes(&b), &rows) && checked_add(chunk, rows, &chunk) &&
        checked_mul(chunk, n_chunk, &chunk) && checked_add(chunk, HEADER, bytes) && *bytes <= INT64_MAX)
        return 0;
    return error_set(err, ERR_INPUT, "%zu chunks of %d tokens of a vocabulary of %d are more than a file can hold",
                     n_chunk, n_ctx, n_vocab);
}

static int read_at(const struct eval_base *b, void *out, size_t n, uint64_t at, struct error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(b->fd, (uint8_t *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, ERR_IO, "%s: reading at byte %llu failed: %s", b->path, (unsigned long long)at,
                             strerror(errno));
        if (got == 0)
            return error_set(err, ERR_INPUT, "%s ends at byte %llu, in the middle of what its header says", b->path,
                             (unsigned long long)(at + done));
        done += (size_t)got;
    }
    return 0;
}

static int write_at(const struct eval_base *b, const void *p, size_t n, uint64_t at, struct error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(b->fd, (const uint8_t *)p + done, n - done, (off_t)(at + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return error_set(err, ERR_IO, "%s.part: writing at byte %llu failed: %s", b->path,
                             (unsigned long long)(at + done), strerror(put < 0 ? errno : ENOSPC));
        done += (size_t)put;
    }
    return 0;
}

/* ---- the header and the tokens ------------------------------------------------------------------------------------------------ */

/* Its three numbers, before anything is allocated by them. */
static int read_header(struct eval_base *b, struct error *err)
{
    uint8_t h[HEADER];
    if (read_at(b, h, sizeof h, 0, err))
        return -1;
    uint32_t n_ctx = load_u32(h + 8), n_vocab = load_u32(h + 12), n_chunk = load_u32(h + 16);
    if (memcmp(h, magic, sizeof magic))
        return error_set(err, ERR_INPUT, "%s does not begin with \"_logits_\": it is no base file", b->path);
    if (n_ctx < CHUNK_LEAST || n_ctx > CHUNK_MOST)
        return error_set(err, ERR_INPUT, "%s: chunks of %u tokens (at byte 8); from %d to %d are possible", b->path,
                         n_ctx, CHUNK_LEAST, CHUNK_MOST);
    if (n_vocab < 1 || n_vocab > INT_MAX)
        return error_set(err, ERR_INPUT, "%s: a vocabulary of %d tokens (at byte 12); it has one at least", b->path,
                         (int32_t)n_vocab);
    if (n_chunk < 1 || n_chunk > INT_MAX)
        return error_set(err, ERR_INPUT, "%s: %d chunks (at byte 16); it has one at least", b->path, (int32_t)n_chunk);
    b->n_ctx = (int)n_ctx;
    b->n_vocab = (int)n_vocab;
    b->n_chunk = n_chunk;
    return 0;
}

static int check_size(const struct eval_base *b, struct error *err)
{
    struct stat st;
    uint64_t bytes;
    if (fstat(b->fd, &st))
        return error_set(err, ERR_IO, "%s: its size cannot be read: %s", b->path, strerror(errno));
    if (eval_base_bytes(&bytes, b->n_ctx, b->n_vocab, b->n_chunk, err))
        return -1;
    if ((uint64_t)st.st_size == bytes)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s has %lld bytes, %zu chunk%s of %d tokens of a vocabulary of %d have %llu: it is cut short, or "
                     "no base file",
                     b->path, (long long)st.st_size, b->n_chunk, b->n_chunk == 1 ? "" : "s", b->n_ctx, b->n_vocab,
                     (unsigned long long)bytes);
}

static int read_tokens(struct eval_base *b, size_t n_chunk, struct error *err)
{
    size_t n = n_chunk * (size_t)b->n_ctx;
    free(b->token);
    b->token = malloc(n * sizeof *b->token);
    if (!b->token)
        return error_set(err, ERR_MEMORY, "%s: no memory for its %zu tokens", b->path, n);
    if (read_at(b, b->token, n * sizeof *b->token, HEADER, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (b->token[i] < 0 || b->token[i] >= b->n_vocab)
            return error_set(err, ERR_INPUT, "%s: token %zu (at byte %llu) is %d, its vocabulary has ids 0 to %d",
                             b->path, i, (unsigned long long)(HEADER + 4 * i), b->token[i], b->n_vocab - 1);
    return 0;
}

int eval_base_open(struct eval_base *b, const char *path, struct error *err)
{
    struct stat st;
    *b = (struct eval_base){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    int status = b->fd >= 0 && fstat(b->fd, &st) == 0
                     ? 0
                     : error_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (status == 0 && !S_ISREG(st.st_mode))
        status = error_set(err, ERR_INPUT, "%s is not a regular file", path);
    if (status == 0)
        status = read_header(b, err) || check_size(b, err) ? -1 : 0;
    if (status)
        eval_base_close(b);
    return status;
}

void eval_base_close(struct eval_base *b)
{
    if (b->fd >= 0)
        close(b->fd);
    free(b->token);
    *b = (struct eval_base){.fd = -1};
}

/* ---- rows: reading ------------------------------------------------------------------------------------------------------------ */

/* A row's scale and least value. */
struct head {
    float scale, least;
};

/* The likeliest of n tokens has at least 1 / n, at most all; with scale 0 all have the same. Zeros, of a row that was never written, are
 * none. */
static int is_distribution(struct head h, int n_vocab)
{
    double range = (double)h.scale * LEVELS, top = range + h.least, even = -f64_ln(n_vocab);
    return isfinite(h.scale) && isfinite(h.least) && range >= 0 && range <= depth + slack && top <= slack &&
           top >= even - slack && (range > 0 || top <= even + slack);
}

static int read_head(const struct eval_base *b, size_t row, struct head *h, struct error *err)
{
    uint8_t bytes[ROW_HEAD];
    uint64_t at = row_at(b, row);
    if (read_at(b, bytes, sizeof bytes, at, err))
        return -1;
    *h = (struct head){f32_from_bits(load_u32(bytes)), f32_from_bits(load_u32(bytes + 4))};
    if (is_distribution(*h, b->n_vocab))
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: row %zu (at byte %llu) has scale %g and least %g, which is no distribution of %d tokens",
                     b->path, row, (unsigned long long)at, (double)h->scale, (double)h->least, b->n_vocab);
}

static int check_heads(const struct eval_base *b, size_t chunk, size_t n_chunk, struct sha256 *s, struct error *err)
{
    size_t scored = eval_scored(b->n_ctx), end = (chunk + n_chunk) * scored;
    for (size_t row = chunk * scored; row < end; row++) {
        struct head h;
        if (read_head(b, row, &h, err))
            return -1;
        sha256_add(s, &h, sizeof h);
    }
    return 0;
}

int eval_base_chunk_hash(const struct eval_base *b, size_t chunk, uint8_t hash[SHA256_BYTES], struct error *err)
{
    struct sha256 s;
    sha256_begin(&s);
    if (check_heads(b, chunk, 1, &s, err))
        return -1;
    sha256_end(&s, hash);
    return 0;
}

int eval_base_check(struct eval_base *b, size_t n_chunk, uint8_t hash[SHA256_BYTES], struct error *err)
{
    struct sha256 s;
    if (read_tokens(b, n_chunk, err))
        return -1;
    const uint32_t shape[] = {(uint32_t)b->n_ctx, (uint32_t)b->n_vocab, (uint32_t)n_chunk};
    sha256_begin(&s);
    sha256_add(&s, shape, sizeof shape);
    sha256_add(&s, b->token, n_chunk * (size_t)b->n_ctx * sizeof *b->token);
    if (check_heads(b, 0, n_chunk, &s, err))
        return -1;
    sha256_end(&s, hash);
    return 0;
}

/* Probabilities by code: e^(scale * code + least) = high[code / 256] low[code % 256], 512 exponentials instead of one a token. */
struct powers {
    double high[256], low[256];
};

static void make_powers(struct powers *p, struct head h)
{
    double scale = h.scale;
    for (int i = 0; i < 256; i++) {
        p->high[i] = f64_exp(scale * (256 * i) + h.least);
        p->low[i] = f64_exp(scale * i);
    }
}

/* What has been seen of a position's tokens. Of equals the lowest id is the likeliest. */
struct seen {
    double kld, sum; /* sum: of the file's probabilities */
    int id, base_id; /* the likeliest */
    float logit;
    uint16_t code;
};

/* n tokens from id first on, which the file gives code [n] and the model logits [n]. */
static void see_piece(struct seen *s, struct head h, const struct powers *p, double log_sum, int first,
                      const uint16_t *code, const float *logits, int n)
{
    if (first == 0)
        *s = (struct seen){.logit = logits[0], .code = code[0]};
    for (int i = 0; i < n; i++) {
        double a = (double)h.scale * code[i] + h.least;
        if (a > negligible) {
            double probability = p->high[code[i] >> 8] * p->low[code[i] & 255];
            s->kld += probability * (a - (logits[i] - log_sum));
            s->sum += probability;
        }
        if (logits[i] > s->logit) {
            s->logit = logits[i];
            s->id = first + i;
        }
        if (code[i] > s->code && h.scale > 0) {
            s->code = code[i];
            s->base_id = first + i;
        }
    }
}

/* The probabilities of a row add up to 1, but for rounded codes, and for the unlikeliest: they are written as e^-depth of the likeliest,
 * and read as nothing where they are negligible. */
static int check_sum(const struct eval_base *b, size_t row, double sum, struct error *err)
{
    double least = f64_exp(-slack) - b->n_vocab * f64_exp(negligible),
           most = f64_exp(slack) + b->n_vocab * f64_exp(-depth);
    if (sum >= least && sum <= most)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: the probabilities of row %zu (at byte %llu) add up to %g in place of 1: the file is damaged",
                     b->path, row, (unsigned long long)row_at(b, row), sum);
}

static void advise_row(const struct eval_base *b, size_t row)
{
    uint64_t at = row_at(b, row), end = at + row_bytes(b);
    if (row < b->n_chunk * eval_scored(b->n_ctx))
        for (; at < end; at += AHEAD_AT_ONCE)
            posix_fadvise(b->fd, (off_t)at, (off_t)(end - at < AHEAD_AT_ONCE ? end - at : AHEAD_AT_ONCE),
                          POSIX_FADV_WILLNEED);
}

int eval_base_compare(const struct eval_base *b, size_t chunk, int pos, const float *logits, double log_sum,
                      struct eval_distance *out, struct error *err)
{
    uint16_t code[PIECE];
    struct head h;
    struct powers p;
    struct seen s = {0};
    size_t row = row_of(b, chunk, pos);
    int token = b->token[chunk * (size_t)b->n_ctx + (size_t)pos];
    advise_row(b, row + AHEAD);
    if (read_head(b, row, &h, err))
        return -1;
    make_powers(&p, h);
    for (int first = 0, n; first < b->n_vocab; first += n) {
        n = b->n_vocab - first < PIECE ? b->n_vocab - first : PIECE;
        if (read_at(b, code, (size_t)n * sizeof *code, row_at(b, row) + ROW_HEAD + 2 * (uint64_t)first, err))
            return -1;
        see_piece(&s, h, &p, log_sum, first, code, logits + first, n);
        if (token >= first && token < first + n)
            out->base = (double)h.scale * code[token - first] + h.least;
    }
    if (check_sum(b, row, s.sum, err))
        return -1;
    out->kld = s.kld;
    out->same_top = s.id == s.base_id;
    return 0;
}

void eval_base_will_read(const struct eval_base *b, size_t chunk)
{
    for (size_t i = 0; i < AHEAD; i++)
        advise_row(b, chunk * eval_scored(b->n_ctx) + i);
}

void eval_base_was_read(const struct eval_base *b, size_t chunk)
{
    size_t scored = eval_scored(b->n_ctx);
    file_drop_cache(b->fd, row_at(b, chunk * scored), scored * row_bytes(b));
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------ */

/* NULL: no memory. */
static char *part_of(const struct eval_base *b)
{
    char *part;
    return asprintf(&part, "%s.part", b->path) < 0 ? NULL : part;
}

/* A look, no promise: others may take the space meanwhile. */
static int check_space(const struct eval_base *b, uint64_t bytes, struct error *err)
{
    struct stat st;
    struct statvfs fs;
    uint64_t left;
    if (fstat(b->fd, &st) || fstatvfs(b->fd, &fs))
        return error_set(err, ERR_IO, "%s.part: its free space cannot be read: %s", b->path, strerror(errno));
    uint64_t has = (uint64_t)st.st_blocks * 512;
    if (!checked_mul(fs.f_bavail, fs.f_frsize, &left) || bytes <= has || bytes - has <= left)
        return 0;
    return error_set(err, ERR_IO,
                     "%s will have %llu bytes, and %llu are free there: make room, or score fewer --chunks", b->path,
                     (unsigned long long)bytes, (unsigned long long)left);
}

/* The last of what a file begins with: one without it was never begun. */
static int write_header(const struct eval_base *b, struct error *err)
{
    uint8_t h[HEADER];
    const uint32_t shape[] = {(uint32_t)b->n_ctx, (uint32_t)b->n_vocab, (uint32_t)b->n_chunk};
    memcpy(h, magic, sizeof magic);
    memcpy(h + sizeof magic, shape, sizeof shape);
    return write_at(b, h, sizeof h, 0, err);
}

static int have_same_shape(const struct eval_base *a, const struct eval_base *b)
{
    return a->n_ctx == b->n_ctx && a->n_vocab == b->n_vocab && a->n_chunk == b->n_chunk;
}

static int have_same_tokens(const struct eval_base *a, const struct eval_base *b)
{
    return memcmp(a->token, b->token, a->n_chunk * (size_t)a->n_ctx * sizeof *a->token) == 0;
}

static int check_chunks(const struct eval_base *b, size_t n, uint8_t (*known)[SHA256_BYTES], struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    for (size_t i = 0; i < n; i++) {
        if (eval_base_chunk_hash(b, i, hash, err))
            return -1;
        if (memcmp(hash, known[i], sizeof hash) != 0)
            return error_set(err, ERR_INPUT,
                             "%s: the rows of chunk %zu are not those of the results: it is of another run", b->path,
                             i);
    }
    return 0;
}

/* A file that is taken up again is of this text, and its first chunks have their rows. */
static int check_done(const struct eval_base *b, const char *path, size_t done, uint8_t (*known)[SHA256_BYTES],
                      struct error *err)
{
    struct eval_base is;
    if (eval_base_open(&is, path, err))
        return -1;
    int status = !have_same_shape(&is, b) ? 1 : read_tokens(&is, is.n_chunk, err);
    if (status == 0)
        status = have_same_tokens(&is, b) ? check_chunks(&is, done, known, err) : 1;
    if (status == 1)
        status = error_set(err, ERR_INPUT, "%s is of another text, or of other chunks of it", path);
    eval_base_close(&is);
    return status;
}

static int open_part(struct eval_base *b, const char *part, int create, struct error *err)
{
    struct stat st;
    b->fd = open(part, O_RDWR | (create ? O_CREAT : 0) | O_CLOEXEC | O_NONBLOCK, 0666);
    if (b->fd < 0 && errno == ENOENT && !create)
        return error_set(err, ERR_INPUT, "%s is gone, which the results go on with: begin anew without --resume", part);
    if (b->fd < 0 || fstat(b->fd, &st))
        return error_set(err, ERR_IO, "%s: cannot be written: %s", part, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "%s is not a regular file", part);
    if (flock(b->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return error_set(err, ERR_INPUT, "%s: another run writes it", part);
    if (!file_is_at(b->fd, part)) /* it was renamed before the lock */
        return error_set(err, ERR_INPUT, "%s: another run has just ended it", part);
    return 0;
}

/* A run that has no chunk yet begins anew in what is nobody's: an empty file, one whose header was not written yet, rows of this very
 * text. */
static int check_begun(const struct eval_base *b, const char *part, struct error *err)
{
    static const uint8_t unwritten[HEADER];
    uint8_t h[HEADER];
    struct stat st;
    if (fstat(b->fd, &st))
        return error_set(err, ERR_IO, "%s: its size cannot be read: %s", part, strerror(errno));
    if (st.st_size == 0 ||
        (st.st_size >= HEADER && read_at(b, h, HEADER, 0, err) == 0 && memcmp(h, unwritten, HEADER) == 0))
        return 0;
    return check_done(b, part, 0, NULL, err);
}

static int fill_part(const struct eval_base *b, const char *part, size_t done, uint8_t (*known)[SHA256_BYTES],
                     struct error *err)
{
    uint64_t bytes;
    if (eval_base_bytes(&bytes, b->n_ctx, b->n_vocab, b->n_chunk, err))
        return -1;
    if (done)
        return check_done(b, part, done, known, err) || check_space(b, bytes, err) ? -1 : 0;
    if (check_begun(b, part, err))
        return -1;
    if (ftruncate(b->fd, 0) || check_space(b, bytes, err) ||
        write_at(b, b->token, b->n_chunk * (size_t)b->n_ctx * sizeof *b->token, HEADER, err) ||
        ftruncate(b->fd, (off_t)bytes) || write_header(b, err))
        return error_set(err, ERR_IO, "%s: cannot be made %llu bytes long: %s", part, (unsigned long long)bytes,
                         strerror(errno));
    return 0;
}

int eval_base_create(struct eval_base *b, size_t done, uint8_t (*known)[SHA256_BYTES], struct error *err)
{
    b->fd = -1;
    if (access(b->path, F_OK) == 0)
        return done == b->n_chunk
                   ? check_done(b, b->path, done, known, err)
                   : error_set(err, ERR_INPUT, "%s exists: remove it, or --save to another name", b->path);
    char *part = part_of(b);
    if (!part)
        return error_set(err, ERR_MEMORY, "no memory for a name");
    int failed = open_part(b, part, done == 0, err);
    if (failed && b->fd >= 0) { /* it is not ours */
        close(b->fd);
        b->fd = -1;
    }
    if (!failed)
        failed = fill_part(b, part, done, known, err);
    free(part);
    return failed;
}

int eval_base_is_free(const char *path, struct error *err)
{
    const struct eval_base b = {.path = path};
    struct stat st;
    char *part = part_of(&b);
    int failed = !part ? error_set(err, ERR_MEMORY, "no memory for a name")
                 : access(path, F_OK) == 0
                     ? error_set(err, ERR_INPUT, "%s exists: remove it, or --save to another name", path)
                 : stat(part, &st) == 0 && st.st_size > 0
                     ? error_set(err, ERR_INPUT,
                                 "%s has the rows of an earlier run: go on with --resume and its --out, or remove it",
                                 part)
                     : 0;
    free(part);
    return failed;
}

static struct head head_of(const float *logits, int n, double log_sum, float *low)
{
    float top = logits[0], bottom = logits[0];
    for (int i = 1; i < n; i++) {
        top = logits[i] > top ? logits[i] : top;
        bottom = logits[i] < bottom ? logits[i] : bottom;
    }
    *low = bottom > top - depth ? bottom : top - depth;
    float scale = (top - *low) / LEVELS;
    return (struct head){isfinite(1 / scale) ? scale : 0, *low - top - (float)(log_sum - top)};
}

int eval_base_write(const struct eval_base *b, size_t chunk, int pos, const float *logits, double log_sum,
                    struct error *err)
{
    uint16_t piece[ROW_HEAD / 2 + PIECE + 1]; /* the first with the head, the last with the zero */
    float low;
    struct head h = head_of(logits, b->n_vocab, log_sum, &low);
    float inverse = h.scale > 0 ? 1 / h.scale : 0;
    uint64_t at = row_at(b, row_of(b, chunk, pos));
    size_t n = ROW_HEAD / 2; /* of the piece, filled */
    memcpy(piece, &h, sizeof h);
    for (int first = 0, end; first < b->n_vocab; first = end, n = 0) {
        end = b->n_vocab - first < PIECE ? b->n_vocab : first + PIECE;
        for (int i = first; i < end; i++)
            piece[n++] = logits[i] > low ? (uint16_t)lrintf(inverse * (logits[i] - low)) : 0;
        if (end == b->n_vocab && (b->n_vocab & 1))
            piece[n++] = 0;
        if (write_at(b, piece, n * sizeof *piece, at, err))
            return -1;
        at += n * sizeof *piece;
    }
    return 0;
}

int eval_base_sync(const struct eval_base *b, struct error *err)
{
    return fdatasync(b->fd) ? error_set(err, ERR_IO, "%s.part: cannot be written: %s", b->path, strerror(errno)) : 0;
}

/* Replaces nothing that has come there meanwhile, where the file system can say so. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL && access(to, F_OK) ? rename(from, to) : -1;
}

int eval_base_finish(const struct eval_base *b, struct error *err)
{
    if (b->fd < 0) /* it was whole before */
        return 0;
    char *part = part_of(b);
    int failed = eval_base_sync(b, err);
    if (!part)
        failed = error_set(err, ERR_MEMORY, "no memory for a name");
    else if (!failed && !file_is_at(b->fd, part))
        failed = error_set(err, ERR_IO, "%s is another file now: the rows of this run are gone", part);
    else if (!failed && rename_new(part, b->path))
        failed = error_set(err, ERR_IO, "%s cannot be renamed %s: %s", part, b->path, strerror(errno));
    free(part);
    return failed;
}

void eval_base_discard(const struct eval_base *b)
{
    char *part = b->fd >= 0 ? part_of(b) : NULL;
    if (part && file_is_at(b->fd, part))
        unlink(part);
    free(part);
}
