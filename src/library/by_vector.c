/* See by_vector.h. */
#include "library/by_vector.h"

#include "base/error.h"
#include "library/source_lists.h"

struct taking {
    struct best *best;
    int source;
    struct vector_gaps gaps;
    int64_t n_row; /* that were read */
};

static void take_row(void *arg, int64_t chunk, double score)
{
    struct taking *t = arg;
    const struct best_row row = {score, t->source, chunk};
    t->n_row++;
    if (best_wants(t->best, &row) && !vector_gaps_has(&t->gaps, chunk))
        best_offer(t->best, row);
}

/* What a search reads: from memory, or opened for it. */
struct files {
    const struct segment *segment;
    const struct lists *lists; /* lists->n 0: it has none */
    struct segment opened;
    struct lists opened_lists;
};

static void close_files(struct files *f)
{
    segment_close(&f->opened);
    lists_close(&f->opened_lists);
}

/* 1: the source names another segment than it did, as when all its vectors were made anew, or has more of it. */
static int has_moved(struct source *s, const struct source_vectors *had)
{
    struct source_vectors has;
    struct error ignored = {0};
    return source_vectors_read(s, &has, &ignored) == 0 &&
           (has.about.id != had->about.id || has.about.bytes != had->about.bytes);
}

/* Lists that cannot be used are named in *note. -1 also where they are of vectors that came since the source was asked. */
static int open_files(struct source *s, const struct source_vectors *has, struct files *f, struct error *note,
                      struct error *err)
{
    const struct segment *held = s->held;
    *f = (struct files){&f->opened, &f->opened_lists, {.fd = -1}, {.file.fd = -1}};
    if (held && held->about.id == has->about.id && held->about.bytes == has->about.bytes) {
        f->segment = held;
        f->lists = s->held_lists ? s->held_lists : f->lists;
        return 0;
    }
    source_lists_open(s, has, &f->opened_lists, note);
    if (source_vectors_open(s, has, 0, &f->opened, err))
        return -1;
    if (!f->lists->n || lists_bind(f->lists, f->segment, note) == 0)
        return 0;
    const int is_ahead = f->lists->covered > (uint64_t)has->about.bytes;
    lists_close(&f->opened_lists);
    return is_ahead && has_moved(s, has)
               ? error_set(err, ERR_BUSY, "%s: its vectors have changed meanwhile; search again", s->name)
               : 0;
}

static int scan_from(const struct files *f, uint64_t from, const struct search_vector *v, const struct segment_scan *o,
                     struct error *err)
{
    const struct segment_span rest = segment_rows_from(f->segment, from);
    return segment_scan_spans(f->segment, v->x, &rest, rest.from < rest.end, o, err);
}

static int has_row_twice(const struct best *b)
{
    for (int i = 0; i < b->n; i++)
        for (int k = 0; k < i; k++)
            if (b->row[i].chunk == b->row[k].chunk)
                return 1;
    return 0;
}

/* The nearest lists, then the rows that are in none. Where these begin is what the lists say: with those that they say they have they must
 * be all rows of the source, else some are in both, or in neither. That each is in one list is seen of those that were found. */
static int scan_lists(const struct files *f, int64_t n_row, const struct search_vector *v, const struct segment_scan *o,
                      struct taking *t, struct error *err)
{
    if (lists_scan(f->lists, v->x, o, err))
        return -1;
    t->n_row = 0;
    if (scan_from(f, f->lists->covered, v, o, err))
        return -1;
    if (f->lists->n_row + t->n_row != n_row)
        return lists_of_other_vectors(f->lists, err);
    return has_row_twice(t->best) ? lists_damaged(f->lists, err) : 0;
}

/* Of n_row rows. Where the lists cannot be used all are read, and *note says so. */
static int scan_files(const struct files *f, int64_t n_row, const struct search_vector *v, const struct segment_scan *o,
                      struct taking *t, struct error *note, struct error *err)
{
    struct error why = {0};
    if (f->lists->n && scan_lists(f, n_row, v, o, t, &why) == 0)
        return 0;
    if (why.code == ERR_CANCELLED)
        return error_set(err, why.code, "%s", why.text);
    if (why.code != ERR_NONE)
        error_set(note, why.code, "%s", why.text);
    t->best->n = 0;
    return scan_from(f, SEGMENT_HEAD, v, o, err);
}

/* 1: it was searched; -1: *err. */
static int scan_source(struct source *s, const struct source_vectors *has, const struct search_vector *v,
                       struct taking *t, struct error *note, struct error *err)
{
    struct files f = {.opened.fd = -1, .opened_lists.file.fd = -1};
    const struct segment_scan o = {
        .tier = v->tier, .stopped = s->stopped, .stopped_arg = s->stopped_arg, .take = take_row, .arg = t};
    int failed = vector_gaps_read(s, &t->gaps, err) || open_files(s, has, &f, note, err) ||
                 scan_files(&f, has->n_row, v, &o, t, note, err);
    close_files(&f);
    return failed ? -1 : 1;
}

/* 1: it was searched; 0: it has no vectors; -1: *err. A segment that was deleted meanwhile has one that came instead. */
static int search_source(struct source *s, const struct search_vector *v, struct taking *t, struct error *err)
{
    struct source_vectors has = {.n_row = 0};
    struct error why = {0}, note = {0};
    int state = -1;
    for (int tries = 0; tries < 2 && state < 0 && (tries == 0 || has_moved(s, &has)); tries++) {
        why = note = (struct error){0};
        vector_gaps_free(&t->gaps);
        t->best->n = 0;
        state = source_vectors_of(s, v->model, v->width, &has, &why);
        if (state == 1)
            state = scan_source(s, &has, v, t, &note, &why);
    }
    if (state < 0)
        return error_set(err, why.code, "%s", why.text);
    if (note.code != ERR_NONE)
        error_set(err, note.code, "%s", note.text);
    return state;
}

int by_vector(struct source *const *list, int n, const struct search_vector *v, struct best *best, struct error *err)
{
    struct best one; /* of a source: what was seen of one that turns out to be damaged counts for nothing */
    int n_searched = 0;
    if (best_begin(&one, list, best->most, err))
        return -1;
    for (int i = 0; i < n; i++) {
        struct taking t = {.best = &one, .source = i};
        if (search_source(list[i], v, &t, err) == 1) {
            n_searched++;
            for (int k = 0; k < one.n; k++)
                best_offer(best, one.row[k]);
        }
        vector_gaps_free(&t.gaps);
    }
    best_free(&one);
    return n_searched;
}
