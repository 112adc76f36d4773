/* A sequence in a file: all that it keeps, so that another process continues it with the same bits. For tests, which prove by it
 * that pages and state are all there is; the product keeps prefixes in files of its own (src/engine/prefix/file.h).
 *
 *     header      what follows, and of which model, numerics and ids (struct seq_file_header of seq_file.c)
 *     pages       kind by kind, page by page, layer by layer: what the n rows that are computed have
 *                 (kv_piece()); pages that a window has left are absent
 *     state       of the recurrent layers
 *     checksum    u64 over all of it
 *
 * Little-endian, no padding. Files come from outside: loading checks everything against the model and the
 * sequence at hand, and allocates nothing. */
#ifndef TESTS_SEQ_FILE_H
#define TESTS_SEQ_FILE_H

#include "base/error.h"
#include "base/hash.h"
#include "model/model.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char seq_file_magic[8] = {'S', 'T', 'O', 'K', 'E', 'R', 'S', 'Q'};

/* The version rises with the layout, and with every change of a law of sums: other bits are another format. */
enum { SEQ_FILE_VERSION = 2, SEQ_FILE_BLOCK = 4096 };

struct seq_file_kind {
    uint32_t n_layer, window, n_head_kv, d_k, d_v, ratio;
};

struct seq_file_header {
    char magic[8];
    uint32_t version, page; /* page: positions of one */
    uint64_t model, ids;    /* hashes */
    uint32_t kv_type, exact;
    uint64_t state_bytes;
    uint32_t n_pos, n_kind;
    struct seq_file_kind kind[KV_KINDS]; /* [n_kind] */
};
_Static_assert(sizeof(struct seq_file_header) == 56 + 24 * KV_KINDS, "no padding");

/* ---- what a sequence depends on ----------------------------------------------------------------------------------------------- */

static inline struct seq_file_header seq_file_describe(const struct sequence *seq, const struct model *m)
{
    struct seq_file_header h = {.version = SEQ_FILE_VERSION,
                                .page = KV_PAGE,
                                .model = model_identity(m),
                                .exact = (uint32_t)m->op.exact,
                                .state_bytes = seq->state_bytes};
    memcpy(h.magic, seq_file_magic, sizeof seq_file_magic);
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &seq->pool[k];
        const struct kv_shape *s = &pool->shape;
        if (pool->n_layer == 0)
            continue;
        h.kv_type = s->index ? h.kv_type : (uint32_t)s->type;
        h.n_kind++;
        h.kind[k] = (struct seq_file_kind){(uint32_t)pool->n_layer, (uint32_t)pool->window.n, (uint32_t)s->n_head_kv,
                                           (uint32_t)s->d_k,        (uint32_t)s->d_v,         (uint32_t)kv_ratio(s)};
    }
    return h;
}

static inline uint64_t seq_file_hash_ids(const int32_t *ids, int n) { return hash64(ids, (size_t)n * sizeof *ids, 0); }

/* ---- the walk ------------------------------------------------------------------------------------------------------------------ */

struct seq_file_stream {
    int fd, loading;
    uint64_t at, sum; /* bytes so far, and their checksum */
    struct error *err;
};

static inline int seq_file_transfer(struct seq_file_stream *s, uint8_t *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = s->loading ? read(s->fd, data + done, n - done) : write(s->fd, data + done, n - done);
        if (k > 0)
            done += (size_t)k;
        else if (k == 0 && s->loading)
            return error_set(s->err, ERR_FORMAT, "the saved sequence is cut off at byte %llu",
                             (unsigned long long)(s->at + done));
        else if (k == 0 || errno != EINTR)
            return error_set(s->err, ERR_IO, "the saved sequence cannot be %s at byte %llu: %s",
                             s->loading ? "read" : "written", (unsigned long long)(s->at + done),
                             k ? strerror(errno) : "nothing is taken");
    }
    s->at += n;
    return 0;
}

/* Data on its way, and into the checksum: block by block, so that it can be followed through a small buffer. */
static inline int seq_file_pass(struct seq_file_stream *s, void *data, size_t n)
{
    uint8_t *p = data;
    if (seq_file_transfer(s, p, n))
        return -1;
    for (size_t i = 0; i < n; i += SEQ_FILE_BLOCK)
        s->sum = hash64(p + i, n - i < SEQ_FILE_BLOCK ? n - i : SEQ_FILE_BLOCK, s->sum);
    return 0;
}

static inline int seq_file_pass_page(struct seq_file_stream *s, const struct sequence *seq, int k, int page)
{
    const struct kv_pool *pool = &seq->pool[k];
    const struct kv_shape *shape = &pool->shape;
    int left = seq->n_pos - page * KV_PAGE;
    int n = (left < KV_PAGE ? left : KV_PAGE) / kv_ratio(shape);
    struct kv_piece piece;
    for (int l = 0; l < pool->n_layer; l++) {
        uint8_t *layer = seq->page[k][page] + (size_t)l * pool->layer_bytes;
        for (int i = 0; kv_piece(shape, n, i, &piece); i++)
            if (seq_file_pass(s, layer + piece.at, piece.bytes))
                return -1;
    }
    return 0;
}

static inline int seq_file_pass_pages(struct seq_file_stream *s, const struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++)
        for (int page = kv_first_page(seq->pool[k].window, seq->n_pos);
             seq->pool[k].n_layer && page * KV_PAGE < seq->n_pos; page++)
            if (seq_file_pass_page(s, seq, k, page))
                return -1;
    return 0;
}

/* ---- saving ------------------------------------------------------------------------------------------------------------------- */

/* Write from where fd stands; a pipe will do. ids [seq->n_pos]: what the positions were computed from. The model is loaded.
 * -1: ERR_IO, or ERR_INPUT where a sequence is invalid and has nothing to save. */
static inline int seq_save(const struct sequence *seq, const struct model *m, const int32_t *ids, int fd,
                           struct error *err)
{
    struct seq_file_stream s = {.fd = fd, .err = err};
    struct seq_file_header h = seq_file_describe(seq, m);
    if (seq->invalid)
        return error_set(err, ERR_INPUT, "the sequence left a step midway: its state is lost, nothing can be saved");
    h.ids = seq_file_hash_ids(ids, seq->n_pos);
    h.n_pos = (uint32_t)seq->n_pos;
    if (seq_file_pass(&s, &h, sizeof h) || seq_file_pass_pages(&s, seq) ||
        (seq->state && seq_file_pass(&s, seq->state, seq->state_bytes)))
        return -1;
    uint64_t sum = s.sum;
    return seq_file_transfer(&s, (uint8_t *)&sum, sizeof sum);
}

/* ---- loading ------------------------------------------------------------------------------------------------------------------ */

static inline int seq_file_check_header(const struct seq_file_header *h, const struct sequence *seq,
                                        const struct model *m, const int32_t *ids, int n_ids, struct error *err)
{
    const struct seq_file_header mine = seq_file_describe(seq, m);
    if (memcmp(h->magic, mine.magic, sizeof seq_file_magic) != 0)
        return error_set(err, ERR_FORMAT, "the saved sequence is none: it does not begin with %.8s", seq_file_magic);
    if (h->version != mine.version || h->page != mine.page)
        return error_set(err, ERR_FORMAT,
                         "the saved sequence has format %u and pages of %u positions; this stoker reads format %u, "
                         "pages of %u: compute it again",
                         h->version, h->page, mine.version, mine.page);
    if (h->model != mine.model)
        return error_set(err, ERR_FORMAT,
                         "the saved sequence is of another model: hash %016llx, this model has %016llx",
                         (unsigned long long)h->model, (unsigned long long)mine.model);
    if (h->kv_type != mine.kv_type || h->exact != mine.exact)
        return error_set(err, ERR_FORMAT,
                         "the saved sequence was computed with --kv %s%s, this one is to go on with --kv %s%s",
                         h->kv_type < KV_TYPES ? kv_type_name(h->kv_type) : "of an unknown type",
                         h->exact ? " --exact" : "", kv_type_name(mine.kv_type), mine.exact ? " --exact" : "");
    if (h->state_bytes != mine.state_bytes || h->n_kind != mine.n_kind ||
        memcmp(h->kind, mine.kind, sizeof mine.kind) != 0)
        return error_set(err, ERR_FORMAT,
                         "the saved sequence has other layers, heads, windows or states than its model: it is damaged");
    if (h->n_pos > (uint32_t)n_ids || h->ids != seq_file_hash_ids(ids, (int)h->n_pos))
        return error_set(err, ERR_FORMAT, "the saved sequence holds %u positions of other ids than the %d asked for",
                         h->n_pos, n_ids);
    return 0;
}

static inline int seq_file_take_pages(struct sequence *seq, int n_pos, struct error *err)
{
    seq->n_pos = n_pos;
    for (int k = 0; k < KV_KINDS; k++)
        if (seq->pool[k].n_layer)
            seq->first_page[k] = seq->n_page[k] = kv_first_page(seq->pool[k].window, n_pos);
    if (seq_reserve(seq, n_pos))
        return error_set(err, ERR_MEMORY,
                         "the saved sequence holds %d positions, and not enough pages are free; try a larger --ctx",
                         n_pos);
    return 0;
}

static inline int seq_file_load(struct seq_file_stream *s, struct sequence *seq, const struct model *m,
                                const int32_t *ids, int n_ids)
{
    struct seq_file_header h;
    uint64_t sum;
    if (seq_file_pass(s, &h, sizeof h) || seq_file_check_header(&h, seq, m, ids, n_ids, s->err) ||
        seq_file_take_pages(seq, (int)h.n_pos, s->err) || seq_file_pass_pages(s, seq) ||
        (seq->state && seq_file_pass(s, seq->state, seq->state_bytes)) ||
        seq_file_transfer(s, (uint8_t *)&sum, sizeof sum))
        return -1;
    if (sum != s->sum)
        return error_set(s->err, ERR_FORMAT, "the saved sequence is damaged: checksum %016llx, its content has %016llx",
                         (unsigned long long)sum, (unsigned long long)s->sum);
    return 0;
}

/* Read exactly what seq_save wrote; then seq->n_pos <= n_ids positions are computed. The sequence is cleared first, and after an
 * error it is empty. -1: the file is cut off or damaged, of another model, of ids other than these, or of another type of keys and
 * values; or no page is left. */
static inline int seq_load(struct sequence *seq, const struct model *m, const int32_t *ids, int n_ids, int fd,
                           struct error *err)
{
    struct seq_file_stream s = {.fd = fd, .loading = 1, .err = err};
    seq_clear(seq);
    if (seq_file_load(&s, seq, m, ids, n_ids) == 0)
        return 0;
    seq_clear(seq);
    return -1;
}

#endif
