/* A run's state in a file: see imatrix.h.
 *
 *     "STKIMP1\n", u64 length, what the sums follow from, u64 chunks, {u64 n, f64 sum, f64 squares} of each, u64 entries, of each
 *     {u64 length, name, u64 n_cols, n_mat, n_count, f64 sums, f64 counts}, u64 hash of all before
 *
 * Numbers are as this machine has them: the file goes nowhere. */
#include "cli/imatrix/imatrix.h"

#include "base/error.h"
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = {'S', 'T', 'K', 'I', 'M', 'P', '1', '\n'};

struct stream {
    FILE *f;
    struct hash_stream *hash;
    int failed;
};

static void put(struct stream *s, const void *p, size_t n)
{
    hash_add(s->hash, p, n);
    s->failed |= fwrite(p, 1, n, s->f) != n;
}

static void put_u64(struct stream *s, uint64_t v) { put(s, &v, sizeof v); }

static void put_all(struct stream *s, const struct imatrix_state *state, const struct stoker *engine)
{
    struct stoker_importance e;
    size_t n = 0;
    put(s, magic, sizeof magic);
    put_u64(s, strlen(state->what));
    put(s, state->what, strlen(state->what));
    put_u64(s, state->n_done);
    put(s, state->chunk, state->n_done * sizeof *state->chunk);
    while (stoker_importance_of(engine, n, &e))
        n++;
    put_u64(s, n);
    for (size_t i = 0; stoker_importance_of(engine, i, &e); i++) {
        put_u64(s, strlen(e.name));
        put(s, e.name, strlen(e.name));
        const uint64_t sizes[] = {e.n_cols, e.n_mat, e.n_count};
        put(s, sizes, sizeof sizes);
        put(s, e.sum, e.n_cols * e.n_mat * sizeof *e.sum);
        put(s, e.count, e.n_count * sizeof *e.count);
    }
}

int imatrix_state_write(const struct imatrix_state *state, const struct stoker *engine, struct error *err)
{
    char part[PATH_MAX];
    struct stream s = {0};
    if (snprintf(part, sizeof part, "%s.part", state->path) >= (int)sizeof part)
        return error_set(err, ERR_INPUT, "%.100s..: the path is too long", state->path);
    if (!(s.hash = hash_begin()))
        return error_set(err, ERR_MEMORY, "no memory to write %s", state->path);
    if ((s.f = fopen(part, "wb")))
        put_all(&s, state, engine);
    uint64_t hash = hash_end(s.hash);
    if (!s.f)
        return error_set(err, ERR_IO, "%s cannot be written: %s", part, strerror(errno));
    s.failed |= fwrite(&hash, sizeof hash, 1, s.f) != 1 || fflush(s.f) || fsync(fileno(s.f));
    int why = s.failed ? errno : 0;
    why = fclose(s.f) && !why ? errno : why;
    why = !why && rename(part, state->path) ? errno : why;
    if (!why && !s.failed)
        return 0;
    unlink(part);
    return error_set(err, ERR_IO, "%s cannot be written: %s", state->path, strerror(why));
}

/* ---- reading -------------------------------------------------------------------------------------------------------------------- */

static int take(struct stream *s, void *p, size_t n)
{
    s->failed |= s->failed || fread(p, 1, n, s->f) != n;
    if (!s->failed)
        hash_add(s->hash, p, n);
    return s->failed;
}

static uint64_t take_u64(struct stream *s)
{
    uint64_t v = 0;
    take(s, &v, sizeof v);
    return s->failed ? 0 : v;
}

/* 1: the next bytes are others, or missing. */
static int differs(struct stream *s, const char *text)
{
    char have[PATH_MAX];
    uint64_t n = take_u64(s);
    if (s->failed || n != strlen(text) || n >= sizeof have || take(s, have, n))
        return 1;
    return memcmp(have, text, n) != 0;
}

static int take_entry(struct stream *s, const struct stoker_importance *e)
{
    uint64_t sizes[3];
    if (differs(s, e->name) || take(s, sizes, sizeof sizes) || sizes[0] != e->n_cols || sizes[1] != e->n_mat ||
        sizes[2] != e->n_count)
        return -1;
    return take(s, e->sum, e->n_cols * e->n_mat * sizeof *e->sum) || take(s, e->count, e->n_count * sizeof *e->count);
}

/* 0; 1: damaged; 2: of another run. */
static int take_all(struct stream *s, struct imatrix_state *state, const struct stoker *engine)
{
    struct stoker_importance e;
    char begin[sizeof magic];
    if (take(s, begin, sizeof begin) || memcmp(begin, magic, sizeof magic) != 0)
        return 1;
    if (differs(s, state->what))
        return s->failed ? 1 : 2;
    uint64_t done = take_u64(s);
    if (s->failed || done > state->n_chunk)
        return s->failed ? 1 : 2;
    take(s, state->chunk, done * sizeof *state->chunk);
    uint64_t n = take_u64(s);
    for (uint64_t i = 0; i < n && !s->failed; i++)
        if (!stoker_importance_of(engine, i, &e) || take_entry(s, &e))
            return 1;
    state->n_done = done;
    return s->failed;
}

/* What of a damaged file went into the engine is of no use. */
int imatrix_state_read(struct imatrix_state *state, const struct stoker *engine, struct error *err)
{
    struct stream s = {.f = fopen(state->path, "rb"), .hash = hash_begin()};
    uint64_t hash, want = 0;
    if (!s.f || !s.hash) {
        int why = errno;
        hash_end(s.hash);
        if (s.f)
            fclose(s.f);
        if (!s.f && why == ENOENT)
            return 1;
        return error_set(err, ERR_IO, "%s cannot be read: %s", state->path, strerror(why));
    }
    int status = take_all(&s, state, engine);
    hash = hash_end(s.hash);
    if (status == 0 && (fread(&want, sizeof want, 1, s.f) != 1 || want != hash))
        status = 1;
    fclose(s.f);
    if (status == 2)
        return error_set(err, ERR_INPUT,
                         "%s is of another run: of another model or text, or cut otherwise; this run is of %s",
                         state->path, state->what);
    return status ? error_set(err, ERR_FORMAT, "%s is damaged; --force begins anew", state->path) : 0;
}
