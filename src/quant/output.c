/* See output.h. Order is everything here: data before its line of the journal, all parts before the first name, of a set the first part's
 * name last, and the journal goes when the names are on disk. So OUT, or OUT's first part, is there only where all of it is whole. */
#include "quant/output.h"

#include "quant/inside.h"
#include "quant/target.h"

#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 << 10, FLUSH = 8 << 20 };

static uint64_t part_bytes(const struct quant_job *j, int i) { return j->part[i].header + j->part[i].data; }

static int is_complete(const struct output *o)
{
    const struct journal_entry *e = &o->journal.last;
    return o->journal.has_last && e->tensor == o->j->in->n_tensor && e->part == o->j->n_part - 1 &&
           e->to == part_bytes(o->j, e->part);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */

static int failed(const struct output *o, struct error *err)
{
    return error_set(err, ERR_IO, "%s: writing failed: %s", o->j->part[o->part].temporary, strerror(errno));
}

static int write_all(struct output *o, const uint8_t *bytes, uint64_t n, struct error *err)
{
    for (uint64_t k = 0; k < n;) {
        ssize_t got = pwrite(o->fd, bytes + k, (size_t)(n - k), (off_t)(o->at + k));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return failed(o, err);
        k += (uint64_t)got;
    }
    hash_add(o->sum, bytes, (size_t)n);
    o->at += n;
    o->done += n;
    if (o->at - o->flushed >= FLUSH) { /* so that a checkpoint has little to wait for */
        sync_file_range(o->fd, (off_t)o->flushed, (off_t)(o->at - o->flushed), SYNC_FILE_RANGE_WRITE);
        o->flushed = o->at;
    }
    return 0;
}

static int write_zeros(struct output *o, uint64_t end, struct error *err)
{
    static const uint8_t zeros[4096];
    while (o->at < end) {
        uint64_t n = end - o->at < sizeof zeros ? end - o->at : sizeof zeros;
        if (write_all(o, zeros, n, err))
            return -1;
    }
    return 0;
}

static int begin_span(struct output *o, struct error *err)
{
    o->from = o->flushed = o->at;
    o->sum = hash_begin();
    return o->sum ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for a hash", o->j->options->out);
}

int output_checkpoint(struct output *o, uint64_t tensor, uint64_t unit, struct error *err)
{
    if (o->fd < 0 || !o->sum || o->at == o->from) /* without a hash an earlier attempt failed */
        return 0;
    struct journal_entry e = {tensor, unit, o->part, o->from, o->at, hash_end(o->sum)};
    o->sum = NULL;
    if (fdatasync(o->fd) != 0)
        return failed(o, err);
    file_drop_cache(o->fd, 0, o->at);
    return journal_add(&o->journal, &e, err) ? -1 : begin_span(o, err);
}

static int begin_part(struct output *o, int i, struct error *err)
{
    uint64_t n = o->j->part[i].header;
    uint8_t *header = malloc((size_t)n);
    o->part = i;
    o->at = 0;
    if (!header)
        return error_set(err, ERR_MEMORY, "%s: no memory for its header of %" PRIu64 " bytes", o->j->part[i].path, n);
    quant_header(o->j, i, header);
    o->fd = open(o->j->part[i].temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int status = o->fd < 0 ? failed(o, err) : begin_span(o, err);
    if (!status)
        status = write_all(o, header, n, err);
    free(header);
    return status;
}

static int end_part(struct output *o, struct error *err)
{
    const struct quant_part *p = &o->j->part[o->part];
    if (write_zeros(o, part_bytes(o->j, o->part), err) || output_checkpoint(o, p->first + p->n, 0, err))
        return -1;
    int status = close(o->fd) == 0 ? 0 : failed(o, err);
    o->fd = -1;
    hash_end(o->sum);
    o->sum = NULL;
    return status;
}

/* Parts up to this one are ended, and this one is begun. */
static int go_to_part(struct output *o, int part, struct error *err)
{
    if (o->fd < 0 && begin_part(o, o->part, err))
        return -1;
    while (o->part < part)
        if (end_part(o, err) || begin_part(o, o->part + 1, err))
            return -1;
    return 0;
}

int output_put(struct output *o, int part, uint64_t at, const uint8_t *bytes, uint64_t n, struct error *err)
{
    return go_to_part(o, part, err) || write_zeros(o, at, err) ? -1 : write_all(o, bytes, n, err);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------------- */

static int sync_folder(const struct output *o, struct error *err)
{
    const char *path = o->j->options->out, *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int status = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) /* some file systems have no such thing */
                     ? error_set(err, ERR_IO, "%s: its folder cannot be synchronised: %s", path, strerror(errno))
                     : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

static int rename_all(const struct output *o, struct error *err)
{
    const struct quant_job *j = o->j;
    /* An older set: without its first part it is none, while its other parts are replaced. */
    if (j->n_part > 1 && access(j->part[0].temporary, F_OK) == 0 && unlink(j->part[0].path) != 0 && errno != ENOENT)
        return error_set(err, ERR_IO, "%s: cannot be replaced: %s", j->part[0].path, strerror(errno));
    for (int k = j->n_part - 1; k >= 0; k--) {
        const struct quant_part *p = &j->part[k];
        int is_named = access(p->temporary, F_OK) != 0 && target_bytes(p->path) == part_bytes(j, k);
        if (k == 0 && j->n_part > 1 && sync_folder(o, err))
            return -1;
        if (!is_named && rename(p->temporary, p->path) != 0)
            return error_set(err, ERR_IO, "%s cannot become %s: %s", p->temporary, p->path, strerror(errno));
    }
    return sync_folder(o, err);
}

int output_finish(struct output *o, struct error *err)
{
    if (!is_complete(o) && (go_to_part(o, o->j->n_part - 1, err) || end_part(o, err)))
        return -1;
    if (journal_sync(&o->journal, err) || rename_all(o, err))
        return -1;
    journal_remove(&o->journal);
    return 0;
}

/* ---- what an earlier run has done --------------------------------------------------------------------------------------------------- */

static int verify_span(int fd, const char *path, const struct journal_entry *e, struct error *err)
{
    uint8_t *piece = malloc(PIECE);
    struct hash_stream *h = hash_begin();
    int whole = piece && h;
    for (uint64_t at = e->from; whole && at < e->to;) {
        ssize_t n = pread(fd, piece, e->to - at < PIECE ? (size_t)(e->to - at) : PIECE, (off_t)at);
        whole = n > 0;
        hash_add(h, piece, n > 0 ? (size_t)n : 0);
        at += n > 0 ? (uint64_t)n : 0;
    }
    uint64_t hash = hash_end(h);
    free(piece);
    if (whole && hash == e->hash)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s is not what its journal says of bytes %" PRIu64 " to %" PRIu64 "; --force begins anew", path,
                     e->from, e->to);
}

/* Parts before the last one that the journal names are whole, this one up to where it says. */
static int take_up(struct output *o, struct error *err)
{
    const struct quant_job *j = o->j;
    const struct journal_entry *e = &o->journal.last;
    for (int i = 0; i < e->part; i++)
        if (target_bytes(j->part[i].temporary) != part_bytes(j, i))
            return error_set(err, ERR_INPUT, "%s is not there as its journal says; --force begins anew",
                             j->part[i].temporary);
    o->part = e->part;
    o->fd = open(j->part[e->part].temporary, O_RDWR | O_CLOEXEC);
    if (o->fd < 0)
        return error_set(err, ERR_INPUT, "%s: cannot be opened, though %s names it: %s; --force begins anew",
                         j->part[e->part].temporary, o->journal.path, strerror(errno));
    if (verify_span(o->fd, j->part[e->part].temporary, e, err))
        return -1;
    if (ftruncate(o->fd, (off_t)e->to) != 0)
        return failed(o, err);
    o->at = e->to;
    for (int i = 0; i < e->part; i++)
        o->done += part_bytes(j, i);
    o->done += e->to;
    o->tensor = e->tensor;
    o->unit = e->unit;
    return begin_span(o, err);
}

/* The last bytes of all parts, under either name. */
static int verify_end(const struct output *o, struct error *err)
{
    const struct quant_part *p = &o->j->part[o->j->n_part - 1];
    const char *path = access(p->temporary, F_OK) == 0 ? p->temporary : p->path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 ? error_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno))
                        : verify_span(fd, path, &o->journal.last, err);
    if (fd >= 0)
        close(fd);
    return status;
}

/* All parts are written, and perhaps some are renamed; under the name of one whose .part is lost an older file of its size may be. */
static int take_up_complete(struct output *o, struct error *err)
{
    const struct quant_job *j = o->j;
    for (int i = 0; i < j->n_part; i++)
        if (target_bytes(j->part[i].temporary) != part_bytes(j, i) && target_bytes(j->part[i].path) != part_bytes(j, i))
            return error_set(err, ERR_INPUT, "%s is not there as its journal says; --force begins anew",
                             j->part[i].temporary);
    o->tensor = j->in->n_tensor;
    o->done = j->n_bytes;
    return verify_end(o, err);
}

int output_check(const struct quant_job *j, struct error *err)
{
    int had_journal = access(j->journal, F_OK) == 0;
    if (target_check(j, j->options->resume && had_journal, err) || journal_check(j, err))
        return -1;
    return had_journal ? 0 : target_check_foreign(j, err);
}

int output_open(struct output *o, const struct quant_job *j, struct error *err)
{
    *o = (struct output){.j = j, .fd = -1};
    int had_journal = access(j->journal, F_OK) == 0;
    if (target_check(j, j->options->resume && had_journal, err) || journal_open(&o->journal, j, err))
        return -1;
    int status;
    if (is_complete(o))
        status = take_up_complete(o, err);
    else if (target_check(j, 0, err) || (o->journal.is_new && target_check_foreign(j, err)))
        status = -1;
    else
        status = o->journal.has_last ? take_up(o, err) : 0;
    if (status && o->journal.is_new)
        journal_remove(&o->journal);
    if (status)
        output_close(o);
    return status;
}

void output_close(struct output *o)
{
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
    hash_end(o->sum);
    o->sum = NULL;
    journal_close(&o->journal);
}
