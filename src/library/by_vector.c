/* See by_vector.h. */
#include "library/by_vector.h"

#include "base/error.h"
#include "library/source_vectors.h"

struct taking {
    struct best *best;
    int source;
    struct vector_gaps gaps;
};

static void take_row(void *arg, int64_t chunk, double score)
{
    struct taking *t = arg;
    const struct best_row row = {score, t->source, chunk};
    if (best_wants(t->best, &row) && !vector_gaps_has(&t->gaps, chunk))
        best_offer(t->best, row);
}

/* 1: all rows of the segment were seen; -1: *err. */
static int scan_source(struct source *s, const struct source_vectors *has, const struct search_vector *v,
                       struct taking *t, struct error *err)
{
    struct segment read = {.fd = -1}, *segment = s->held;
    const struct segment_scan o = {
        .tier = v->tier, .stopped = s->stopped, .stopped_arg = s->stopped_arg, .take = take_row, .arg = t};
    if (vector_gaps_read(s, &t->gaps, err))
        return -1;
    if (!segment || segment->about.id != has->about.id || segment->about.bytes != has->about.bytes) {
        segment = &read;
        if (source_vectors_open(s, has, 0, segment, err))
            return -1;
    }
    int failed = segment_scan(segment, v->x, &o, err);
    segment_close(&read);
    return failed ? -1 : 1;
}

/* 1: the source names another segment than it did, as when all its vectors were made anew. */
static int has_moved(struct source *s, const struct source_vectors *had)
{
    struct source_vectors has;
    struct error ignored = {0};
    return source_vectors_read(s, &has, &ignored) == 0 && has.about.id != had->about.id;
}

/* 1: it was searched; 0: it has no vectors; -1: *err. A segment that was deleted meanwhile has one that came instead. */
static int search_source(struct source *s, const struct search_vector *v, struct taking *t, struct error *err)
{
    struct source_vectors has = {.n_row = 0};
    struct error why = {0};
    int state = -1;
    for (int tries = 0; tries < 2 && state < 0 && (tries == 0 || has_moved(s, &has)); tries++) {
        why = (struct error){0};
        vector_gaps_free(&t->gaps);
        t->best->n = 0;
        state = source_vectors_of(s, v->model, v->width, &has, &why);
        if (state == 1)
            state = scan_source(s, &has, v, t, &why);
    }
    return state < 0 ? error_set(err, why.code, "%s", why.text) : state;
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
