/* Vectors of a source: chunks that have none yet, in the order of their numbers, a block of a segment at a time. */
#include "base/json/buffer.h"
#include "library/encoder/encoder.h"
#include "library/source_vectors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct embedding {
    struct encoder *e;
    struct source *s;
    const struct embed_options *o;
    struct embed_report *r;
    struct source_vectors v;
    struct segment segment;
    /* a block */
    int n;
    int64_t chunk[SEGMENT_ROWS];
    struct buffer text[SEGMENT_ROWS];
    unsigned char is_none[SEGMENT_ROWS];
    float *x; /* [SEGMENT_ROWS][width] */
};

/* ---- where it begins ---------------------------------------- */

static int is_lead(const struct embedding *b)
{
    if (b->o->chunks != CHUNKS_AUTO)
        return b->o->chunks == CHUNKS_LEAD;
    return b->v.about.bytes ? b->v.is_lead : b->s->source.n_chunk >= CHUNKS_ALL_BELOW;
}

/* Rows of chunks that have left cost time of each search. */
static int is_mostly_gone(struct embedding *b, struct error *why)
{
    struct vector_gaps gaps;
    int64_t n = 0;
    int failed = vector_gaps_read(b->s, &gaps, why);
    for (int i = 0; i < gaps.n; i++)
        n += b->v.is_lead ? 1 : gaps.end[i] - gaps.first[i];
    vector_gaps_free(&gaps);
    if (!failed && n > b->v.n_row / 2)
        failed = error_set(why, ERR_INPUT, "%s: most of what had vectors has left; all are made anew", b->s->name);
    return failed;
}

/* 1: more rows can follow what the source has, and its segment is open. 0: r->anew says why not, if it has something; -1: memory is too
 * little to tell, as it says. */
static int go_on(struct embedding *b, int lead)
{
    struct error *why = &b->r->anew;
    if (!b->v.about.bytes)
        return 0;
    if (b->v.about.model != b->e->model || b->v.about.width != (int)b->e->about.n_out) {
        error_set(why, ERR_INPUT, "%s: its vectors were of another model, %s; all are made anew", b->s->name,
                  b->v.model);
        return 0;
    }
    if (b->v.is_lead != lead) {
        error_set(why, ERR_INPUT, "%s: its vectors were of %s; all are made anew", b->s->name,
                  lead ? "all passages" : "the first passages of articles");
        return 0;
    }
    if (is_mostly_gone(b, why) || source_vectors_open(b->s, &b->v, 1, &b->segment, why))
        return why->code == ERR_MEMORY ? -1 : 0;
    if (segment_check(&b->segment, why) == 0)
        return 1;
    segment_close(&b->segment);
    return why->code == ERR_MEMORY ? -1 : 0;
}

static int begin(struct embedding *b, struct error *err)
{
    int lead = is_lead(b), goes_on = go_on(b, lead);
    if (goes_on > 0)
        return 0;
    if (goes_on < 0) {
        *err = b->r->anew;
        b->r->anew = (struct error){0};
        return -1;
    }
    b->v = (struct source_vectors){.about = {.model = b->e->model, .width = (int)b->e->about.n_out}, .is_lead = lead};
    memcpy(b->v.model, b->e->name, sizeof b->v.model);
    return source_vectors_begin(b->s, &b->v, err) || source_vectors_open(b->s, &b->v, 1, &b->segment, err) ? -1 : 0;
}

/* Chunks that have been seen, and all. */
static int count(struct embedding *b, struct error *err)
{
    sqlite3_stmt *q = source_prepare(
        b->s, "SELECT count(*), count(CASE WHEN id <= ?1 THEN 1 END) FROM chunk WHERE ?2 = 0 OR ordinal = 0", err);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, b->v.last);
    sqlite3_bind_int(q, 2, b->v.is_lead);
    int found = sqlite3_step(q) == SQLITE_ROW;
    if (found) {
        b->r->total = sqlite3_column_int64(q, 0);
        b->r->done = sqlite3_column_int64(q, 1);
    } else {
        source_error(b->s, "reading", err);
    }
    sqlite3_finalize(q);
    return found ? 0 : -1;
}

/* ---- a block ---------------------------------------- */

static int read_chunk(struct embedding *b, sqlite3_stmt *q, struct error *err)
{
    const unsigned char *heading = sqlite3_column_text(q, 2);
    char *text = source_text(b->s, sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4),
                             err);
    if (!text)
        return -1;
    b->chunk[b->n] = sqlite3_column_int64(q, 0);
    b->text[b->n].n = 0;
    library_put_passage(&b->text[b->n], heading ? (const char *)heading : "", text);
    free(text);
    return b->text[b->n++].failed ? error_set(err, ERR_MEMORY, "no memory for passages of %s", b->s->name) : 0;
}

static int read_block(struct embedding *b, struct error *err)
{
    sqlite3_stmt *q = source_prepare(b->s,
                                     "SELECT id, article, heading, start, length FROM chunk"
                                     " WHERE id > ?1 AND (?2 = 0 OR ordinal = 0) ORDER BY id LIMIT ?3",
                                     err);
    int failed = !q, code = SQLITE_DONE;
    b->n = 0;
    if (q) {
        sqlite3_bind_int64(q, 1, b->v.last);
        sqlite3_bind_int(q, 2, b->v.is_lead);
        sqlite3_bind_int(q, 3, SEGMENT_ROWS);
    }
    while (!failed && (code = sqlite3_step(q)) == SQLITE_ROW)
        failed = read_chunk(b, q, err);
    if (!failed && code != SQLITE_DONE)
        failed = source_error(b->s, "reading", err);
    sqlite3_finalize(q);
    return failed;
}

static int tick(void *arg)
{
    struct embedding *b = arg;
    b->r->is_stopped |= b->o->tick && b->o->tick(b->o->arg, b->r);
    return b->r->is_stopped;
}

/* Rows without a vector leave the block. */
static int commit_block(struct embedding *b, struct error *err)
{
    const size_t width = b->e->about.n_out;
    const int64_t last = b->chunk[b->n - 1];
    int n = 0;
    for (int i = 0; i < b->n; i++)
        if (!b->is_none[i]) {
            b->chunk[n] = b->chunk[i];
            memmove(b->x + (size_t)n++ * width, b->x + (size_t)i * width, width * sizeof *b->x);
        }
    if ((n && segment_append(&b->segment, b->chunk, b->x, n, err)) ||
        source_vectors_commit(b->s, &b->v, &b->segment, n, last, err))
        return -1;
    b->r->done += b->n;
    b->r->n_new += n;
    b->r->n_none += b->n - n;
    return 0;
}

/* 1: there are more; 0: that was all, or it was stopped. */
static int embed_block(struct embedding *b, struct error *err)
{
    struct stoker_string text[SEGMENT_ROWS];
    const struct encoder_wait wait = {tick, b};
    struct error why = {0};
    if (read_block(b, err))
        return -1;
    if (b->n == 0 || tick(b))
        return 0;
    for (int i = 0; i < b->n; i++)
        text[i] = (struct stoker_string){b->text[i].text, b->text[i].n};
    if (encoder_vectors(b->e, text, b->n, b->x, b->is_none, &wait, &why)) {
        if (why.code == ERR_CANCELLED)
            return 0;
        *err = why;
        return -1;
    }
    return commit_block(b, err) ? -1 : 1;
}

static int embed_all(struct embedding *b, struct error *err)
{
    int state = begin(b, err);
    if (state)
        return -1;
    b->x = malloc(SEGMENT_ROWS * b->e->about.n_out * sizeof *b->x);
    state = b->x ? count(b, err) : error_set(err, ERR_MEMORY, "no memory for a block of vectors");
    if (state == 0)
        while ((state = embed_block(b, err)) == 1) {
        }
    segment_close(&b->segment);
    free(b->x);
    for (int i = 0; i < SEGMENT_ROWS; i++)
        buffer_free(&b->text[i]);
    return state;
}

/* The source's lock is held. */
static int embed_source(struct encoder *e, const char *path, const char *name, const struct embed_options *o,
                        struct embed_report *r, struct error *err)
{
    struct source s;
    struct embedding *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(err, ERR_MEMORY, "no memory for a block of vectors");
    *b = (struct embedding){.e = e, .s = &s, .o = o, .r = r};
    int failed = source_open(&s, path, name, 1, err);
    if (!failed) {
        failed = source_vectors_read(&s, &b->v, err) || embed_all(b, err);
        if (failed)
            source_rollback(&s);
        else
            source_vectors_sweep(&s);
        source_close(&s);
    }
    free(b);
    return failed ? -1 : 0;
}

int encoder_embed(struct encoder *e, const char *dir, const char *name, const struct embed_options *o,
                  struct embed_report *r, struct error *err)
{
    char path[PATH_MAX];
    *r = (struct embed_report){.done = 0};
    source_begin();
    int lock = library_lock(dir, name, err);
    if (lock < 0)
        return -1;
    library_path(path, dir, name, 0);
    int failed = embed_source(e, path, name, o, r, err);
    close(lock);
    return failed;
}
