/* See source_lists.h. */
#include "library/source_lists.h"

#include "base/error.h"
#include "library/library.h"

#include <stdlib.h>
#include <unistd.h>

int source_lists_open(struct source *s, const struct source_vectors *v, struct lists *l, struct error *err)
{
    char path[PATH_MAX];
    *l = (struct lists){.file.fd = -1};
    return source_vectors_path(s, v->about.id, ".lists", path, err) ? -1 : lists_open(l, path, s->name, &v->about, err);
}

int source_lists_check(struct source *s, const struct source_vectors *v, const struct segment *of, struct error *err)
{
    struct lists l;
    int state = source_lists_open(s, v, &l, err);
    if (state == 1)
        state = lists_check(&l, of, NULL, NULL, err);
    lists_close(&l);
    return state;
}

/* ---- in memory ---------------------------------------- */

static void release_lists(struct source *s)
{
    if (s->held_lists)
        lists_close(s->held_lists);
    free(s->held_lists);
    s->held_lists = NULL;
}

void source_release(struct source *s)
{
    if (s->held)
        segment_close(s->held);
    free(s->held);
    s->held = NULL;
    release_lists(s);
}

enum holding { HOLD_ROWS, HOLD_LISTS, HOLD_NOTHING };

/* Without lists that are of its segment all its rows are held. */
static enum holding hold_lists(struct source *s, const struct source_vectors *v, uint64_t ram, struct error *err)
{
    struct lists *l = malloc(sizeof *l);
    enum holding is = HOLD_ROWS;
    if (!l) {
        error_set(err, ERR_MEMORY, "%s: no memory to hold its vectors", s->name);
        return HOLD_NOTHING;
    }
    if (source_lists_open(s, v, l, err) == 1 && lists_bind(l, s->held, err) == 0) {
        const uint64_t bytes = (uint64_t)l->file.about.bytes + ((uint64_t)v->about.bytes - l->covered);
        is = bytes <= ram && lists_hold(l, err) == 0 ? HOLD_LISTS : HOLD_NOTHING;
    }
    if (is == HOLD_LISTS) {
        s->held_lists = l;
        return is;
    }
    lists_close(l);
    free(l);
    return is;
}

/* Bytes that are held of a span of the source's rows, where they fit into ram; 0: none are, with *err where that is a failure. */
static uint64_t hold_from(struct source *s, uint64_t from, uint64_t ram, struct error *err)
{
    const struct segment_span rest = segment_rows_from(s->held, from);
    const uint64_t bytes = rest.end - rest.from;
    return bytes > ram || segment_hold(s->held, &rest, bytes > 0, err) ? 0 : bytes;
}

/* s->held is open. Bytes that are held; 0: none are. */
static uint64_t hold_rows(struct source *s, const struct source_vectors *v, uint64_t ram, int *failed,
                          struct error *err)
{
    struct error why = {0};
    const enum holding is = hold_lists(s, v, ram, err);
    if (is == HOLD_NOTHING)
        return 0;
    const struct lists *l = is == HOLD_LISTS ? s->held_lists : NULL;
    const uint64_t before = l ? (uint64_t)l->file.about.bytes : 0,
                   bytes = hold_from(s, l ? l->covered : SEGMENT_HEAD, ram - before, &why);
    if ((*failed = why.code != ERR_NONE))
        error_set(err, why.code, "%s", why.text);
    return *failed ? 0 : before + bytes;
}

int source_hold(struct source *s, const struct source_vectors *v, uint64_t *ram, struct error *err)
{
    struct segment *held = malloc(sizeof *held);
    int failed = 0;
    if (!held)
        return error_set(err, ERR_MEMORY, "%s: no memory to hold its vectors", s->name);
    if (source_vectors_open(s, v, 0, held, err)) {
        free(held);
        return -1;
    }
    s->held = held;
    const uint64_t bytes = hold_rows(s, v, *ram, &failed, err);
    if (bytes == 0)
        source_release(s);
    *ram -= bytes;
    return failed ? -1 : bytes > 0;
}

/* ---- making ---------------------------------------- */

/* 1: the source has lists that are as they should be, and few vectors beside them, or who asked for it has stopped looking. */
static int has_enough(struct source *s, const struct source_vectors *v, const struct segment *of,
                      const struct lists_options *o, struct lists_report *r)
{
    struct lists l;
    struct error *why = &r->anew;
    r->is_checking = source_lists_open(s, v, &l, why) == 1 && v->n_row - l.n_row <= v->n_row / LISTS_TAIL;
    int has = r->is_checking && lists_check(&l, of, o->tick, o->arg, why) == 0;
    if (why->code == ERR_CANCELLED) {
        *why = (struct error){0};
        has = r->is_stopped = 1;
    }
    r->is_checking = r->is_stopped;
    if (has) {
        r->n = l.n;
        r->n_row = l.n_row;
    }
    lists_close(&l);
    return has;
}

static int make_lists(struct source *s, const struct source_vectors *v, const struct segment *of,
                      const struct lists_options *o, struct lists_report *r, struct error *err)
{
    char path[PATH_MAX];
    struct error why = {0};
    struct lists l;
    if (source_vectors_path(s, v->about.id, ".lists", path, &why) || lists_make(path, of, o, &why) ||
        source_lists_open(s, v, &l, &why) != 1) {
        r->is_stopped = why.code == ERR_CANCELLED;
        return r->is_stopped ? 0 : error_set(err, why.code, "%s", why.text);
    }
    r->is_made = 1;
    r->n = l.n;
    r->n_row = l.n_row;
    lists_close(&l);
    return 0;
}

/* The source's lock is held. */
static int make(struct source *s, int64_t above, const struct lists_options *o, struct lists_report *r,
                struct error *err)
{
    struct source_vectors v;
    struct segment segment;
    if (source_vectors_read(s, &v, err))
        return -1;
    if (!v.about.bytes || v.n_row <= above)
        return 0;
    if (source_vectors_open(s, &v, 0, &segment, err))
        return -1;
    const int failed = has_enough(s, &v, &segment, o, r) ? 0 : make_lists(s, &v, &segment, o, r, err);
    segment_close(&segment);
    return failed;
}

int source_lists_make(const char *dir, const char *name, int64_t above, const struct lists_options *o,
                      struct lists_report *r, struct error *err)
{
    char path[PATH_MAX];
    struct source s;
    *r = (struct lists_report){.n = 0};
    source_begin();
    int lock = library_lock(dir, name, err);
    if (lock < 0)
        return -1;
    library_path(path, dir, name, 0);
    int failed = source_open(&s, path, name, 0, err);
    if (!failed) {
        failed = make(&s, above, o, r, err);
        source_vectors_sweep(&s);
        source_close(&s);
    }
    close(lock);
    return failed ? -1 : 0;
}
