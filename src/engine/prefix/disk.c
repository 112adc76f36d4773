/* The tier of the prefix cache that lies in files: see disk.h. */
#include "engine/prefix/disk.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/prefix/found.h"
#include "engine/prefix/index.h"
#include "engine/prefix/pace.h"
#include "engine/prefix/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE = 60 }; /* seconds without writing after a write that failed: what fills a disk may go */

struct prefix_disk {
    struct prefix_cache *cache;
    int dir, lock_file;
    uint64_t most, image_bytes;
    uint64_t seen; /* the cache's changes when it had nothing left to write */
    double paused_until;
    struct prefix_pace pace;
    struct prefix_writer writer;
    struct prefix_index index; /* its writes: this process may */
};

static uint64_t image_bytes(uint64_t page_bytes, uint64_t state_bytes, int max_page)
{
    return 3 * PREFIX_BLOCK + (uint64_t)max_page * KV_PAGE * sizeof(int32_t) + page_bytes + state_bytes;
}

uint64_t prefix_disk_table_bytes(uint64_t page_bytes, uint64_t state_bytes, int max_page)
{
    return sizeof(struct prefix_disk) + PREFIX_IMAGES * image_bytes(page_bytes, state_bytes, max_page) +
           PREFIX_WRITER_STACK;
}

struct prefix_disk_stats prefix_disk_stats(const struct prefix_disk *d)
{
    return (struct prefix_disk_stats){d->index.bytes, d->index.corrupt};
}

/* ---- writing behind --------------------------------------------------------------------------------------------------------- */

/* Which of a page: what the model's layers have, or behind it the one that predicts further tokens. */
enum whose { OF_MODEL, OF_NEXTN, BOTH };

static size_t bytes_of(const struct kv_pool *pool, enum whose of)
{
    return of == OF_NEXTN ? pool->nextn_bytes : pool->page_bytes - pool->nextn_bytes;
}

static uint8_t *part_of(const struct kv_pool *pool, int page, enum whose of)
{
    return kv_page_at(pool, page) + (of == OF_NEXTN ? bytes_of(pool, OF_MODEL) : 0);
}

/* What n positions have. Returns the end of the copy. */
static uint8_t *copy_rows(const struct kv_pool *pool, uint8_t *to, int page, enum whose of, int n)
{
    const struct kv_shape *s = &pool->shape;
    const uint8_t *from = part_of(pool, page, of);
    size_t all = bytes_of(pool, of);
    struct kv_piece piece;
    if (n == KV_PAGE)
        memcpy(to, from, all);
    else
        memset(to, 0, all); /* what is behind may be another's */
    for (size_t layer = 0; layer < all && n < KV_PAGE; layer += pool->layer_bytes)
        for (int i = 0; kv_piece(s, n / kv_ratio(s), i, &piece); i++)
            memcpy(to + layer + piece.at, from + layer + piece.at, piece.bytes);
    return to + all;
}

/* The first n ids of a node, and a state behind them or NULL: what a file of it says of them, but for its payload. */
static struct prefix_record record_of(const struct prefix_cache *c, const struct prefix_node *node, int n,
                                      const struct prefix_state *state)
{
    uint64_t parent = node->parent ? node->parent->hash : c->base;
    int ending = state || n < KV_PAGE;
    return (struct prefix_record){.base = c->base,
                                  .key = node->key,
                                  .parent = parent,
                                  .hash = ending ? prefix_ending_hash(parent, node->key, node->id, n) : node->hash,
                                  .first = (uint32_t)(node->depth * KV_PAGE),
                                  .count = (uint32_t)n,
                                  .has_state = state != NULL};
}

static void fill_image(const struct prefix_cache *c, struct prefix_image *m, const struct prefix_node *node,
                       const struct prefix_state *state)
{
    int n = (int)m->r.count;
    int32_t *before = prefix_image_before(m->data);
    memcpy(prefix_image_own(m->data), node->id, (size_t)n * sizeof *node->id);
    for (const struct prefix_node *p = node->parent; p; p = p->parent)
        memcpy(before + p->depth * KV_PAGE, p->id, sizeof p->id);
    uint8_t *payload = m->data + prefix_file_payload(&m->r), *to = payload;
    for (enum whose of = OF_MODEL; of < BOTH; of++) {
        for (int k = 0; k < KV_KINDS; k++) {
            if (node->page[k] < 0 || (state && n == KV_PAGE))
                continue;
            to = copy_rows(&c->pool[k], to, node->page[k], of, n);
            m->r.kinds |= 1u << k;
        }
        if (state && of == OF_MODEL) {
            memcpy(to, kv_page_at(c->states, (int)(state - c->state)), c->states->page_bytes);
            to += c->states->page_bytes;
        }
    }
    m->r.payload = (uint64_t)(to - payload);
    uint64_t end = prefix_file_payload(&m->r) + m->r.payload;
    memset(before + m->r.first, 0, prefix_file_payload(&m->r) - PREFIX_BLOCK - m->r.first * sizeof *before);
    memset(m->data + end, 0, prefix_file_bytes(&m->r) - end);
}

/* Nobody writes into the page any more. */
static int is_unshared(const struct prefix_cache *c, const struct prefix_node *n)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (n->n < KV_PAGE && !prefix_page_rests(c, n, k))
            return 0;
    return 1;
}

/* The next piece that no file has: whole pages, first ones first; then ends of texts; then states, the worthiest and newest first.
 * Of a model with states a part page is of use with its state only. */
static struct prefix_node *next_unsaved(const struct prefix_cache *c, struct prefix_state **state)
{
    struct prefix_node *best = NULL;
    *state = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && !n->saved && (n->n == KV_PAGE || (c->states->page_bytes == 0 && is_unshared(c, n))) &&
            (!best || n->depth < best->depth))
            best = n;
    if (best)
        return best;
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++)
        if (s->node && !s->saved && is_unshared(c, s->node) &&
            (!*state || s->priority > (*state)->priority ||
             (s->priority == (*state)->priority && s->used > (*state)->used)))
            *state = s;
    return *state ? (*state)->node : NULL;
}

/* The file system lacks space: what was longest unused goes, and the image is sent again. Where others fill the disk, what we
 * could give back would not help: it is kept, and the image is not written. 1: it is on its way. */
static int free_space(struct prefix_disk *d, struct prefix_image *m)
{
    if (m->stale || m->missing > d->index.bytes)
        return 0;
    prefix_index_shrink(&d->index, d->index.bytes - m->missing);
    prefix_writer_send(&d->writer, m);
    return 1;
}

/* Everything is written that no file has. */
static void write_anew(struct prefix_disk *d)
{
    struct prefix_cache *c = d->cache;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        n->saved = 0;
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++)
        s->saved = 0;
    c->changes++;
}

static void pause_writing(struct prefix_disk *d, const char *why)
{
    if (clock_seconds() >= d->paused_until)
        log_line(LOG_WARN, "--cache-dir: %s; no prefix is written for %d s", why, PAUSE);
    d->paused_until = clock_seconds() + PAUSE;
    write_anew(d);
}

/* What became of an image. */
static void collect_image(struct prefix_disk *d, const struct prefix_image *m)
{
    struct prefix_index *x = &d->index;
    if (m->state == IMAGE_WRITTEN && m->stale)
        unlinkat(d->dir, prefix_file_name(m->r.hash).text, 0);
    else if (m->state == IMAGE_WRITTEN) {
        prefix_index_add(x, &m->r, prefix_image_own(m->data));
        prefix_index_shrink(x, d->most);
    } else if (!m->stale)
        pause_writing(d, m->state == IMAGE_NO_SPACE ? "the disk is full" : "the folder cannot be written");
}

static void collect_images(struct prefix_disk *d)
{
    for (struct prefix_image *m; (m = prefix_writer_done(&d->writer));) {
        if (m->state == IMAGE_NO_SPACE && free_space(d, m))
            continue;
        collect_image(d, m);
        prefix_writer_release(&d->writer, m);
    }
}

int prefix_disk_write_behind(struct prefix_disk *d)
{
    struct prefix_state *state;
    if (!d || !d->index.writes)
        return 0;
    collect_images(d);
    if (clock_seconds() < d->paused_until)
        return 0;
    struct prefix_image *m = prefix_writer_image(&d->writer);
    if (!m || d->seen == d->cache->changes)
        return !m;
    struct prefix_node *node = next_unsaved(d->cache, &state);
    if (!node) {
        d->seen = d->cache->changes;
        return 0;
    }
    *(state ? &state->saved : &node->saved) = 1;
    m->r = record_of(d->cache, node, state ? state->at : node->n, state);
    struct prefix_entry *there = prefix_index_find(&d->index, m->r.key, m->r.parent, m->r.hash);
    if (there) {
        prefix_index_use(&d->index, there);
        return 1;
    }
    fill_image(d->cache, m, node, state);
    if (prefix_file_bytes(&m->r) <= d->most)
        prefix_writer_send(&d->writer, m);
    return 1;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

/* Where a payload goes, and how much that is. */
struct pieces {
    struct prefix_piece piece[2 * KV_KINDS + 1];
    int n;
    uint64_t bytes;
};

static void add_piece(struct pieces *p, uint8_t *to, uint64_t n)
{
    p->piece[p->n++] = (struct prefix_piece){to, n};
    p->bytes += n;
}

static void add_pages(struct pieces *p, const struct prefix_cache *c, const struct prefix_found *f, enum whose of)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (f->page[k] >= 0)
            add_piece(p, part_of(&c->pool[k], f->page[k], of), bytes_of(&c->pool[k], of));
}

/* The payload of a file that was looked at, into pages of the cache. Who wrote it may have had no layer that predicts further tokens, which
 * then sees zeros there; or the reader has none, and passes over what is the layer's: never more than what is the model's. */
static enum prefix_read read_payload(const struct prefix_cache *c, int fd, const struct prefix_record *r,
                                     const struct prefix_found *f, const int32_t *before)
{
    struct pieces model = {.n = 0}, all;
    add_pages(&model, c, f, OF_MODEL);
    if (f->state >= 0)
        add_piece(&model, kv_page_at(c->states, f->state), c->states->page_bytes);
    all = model;
    add_pages(&all, c, f, OF_NEXTN);
    if (all.bytes == model.bytes && r->payload > all.bytes && r->payload - all.bytes <= all.bytes)
        add_piece(&all, NULL, r->payload - all.bytes);
    for (int i = model.n; r->payload == model.bytes && i < all.n; i++)
        memset(all.piece[i].to, 0, all.piece[i].n);
    const struct pieces *p = r->payload == model.bytes ? &model : &all;
    return r->payload == p->bytes ? prefix_file_read(fd, r, before, p->piece, p->n) : PREFIX_CORRUPT;
}

/* The header once more: another process may have written the file anew, with other pages. */
static enum prefix_read check_header(int fd, const struct prefix_record *r, int32_t *own)
{
    struct prefix_record is;
    enum prefix_read was = fd >= 0           ? prefix_file_read_header(fd, &is, own)
                           : errno == ENOENT ? PREFIX_MISMATCH
                                             : PREFIX_UNREADABLE;
    return was == PREFIX_READ_OK && memcmp(&is, r, sizeof is) != 0 ? PREFIX_MISMATCH : was;
}

/* A file becomes a node, or part of one, of the file's own ids. 0: there is no memory, or it cannot be read now. */
static int read_file(struct prefix_disk *d, const struct prefix_origin *of, struct prefix_entry *e,
                     struct prefix_node *parent, const int32_t *before)
{
    struct prefix_cache *c = d->cache;
    int32_t own[KV_PAGE];
    struct prefix_found f = {.of = of, .parent = parent, .ids = own, .n = (int)e->r.count};
    double begin = clock_seconds();
    struct prefix_name name = prefix_file_name(e->r.hash);
    int fd = openat(d->dir, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum prefix_read was = check_header(fd, &e->r, own);
    int fits = was == PREFIX_READ_OK && prefix_found_reserve(c, &f, e->r.kinds, e->r.has_state != 0);
    if (fits)
        was = read_payload(c, fd, &e->r, &f, before);
    if (fits && was == PREFIX_READ_OK) {
        prefix_pace_read(&d->pace, prefix_file_bytes(&e->r), clock_seconds() - begin);
        prefix_index_use(&d->index, e);
        prefix_insert(c, &f);
    } else if (fits)
        prefix_found_release(c, &f);
    if (was == PREFIX_MISMATCH || was == PREFIX_CORRUPT)
        prefix_index_drop(&d->index, e, was == PREFIX_CORRUPT);
    if (fd >= 0)
        close(fd);
    return was == PREFIX_READ_OK ? fits : was != PREFIX_UNREADABLE;
}

/* ---- what is worth reading -------------------------------------------------------------------------------------------------- */

/* Along the whole pages of ids [n], as far as they are known or files have them. */
struct walk {
    const struct prefix_origin *of;
    const int32_t *ids;
    int n, depth;
    uint64_t hash, key;         /* of the pages before; of this one, if it is whole */
    struct prefix_node *before; /* the last of them, if it is known */
    struct prefix_node *node;   /* this one, or NULL */
    struct prefix_entry *file;  /* of this one, or NULL */
};

/* What a name does not promise is compared. */
static void look_at_page(struct prefix_disk *d, struct walk *w)
{
    int first = w->depth * KV_PAGE, whole = first + KV_PAGE <= w->n;
    const int32_t *ids = w->ids + first;
    w->node = NULL;
    w->file = NULL;
    w->key = prefix_key(w->of, w->depth, KV_PAGE);
    if (whole && (w->depth == 0 || w->before))
        w->node = prefix_child(d->cache, w->before, w->key, ids, KV_PAGE);
    if (whole)
        w->file = prefix_index_find(&d->index, w->key, w->hash, prefix_page_hash(w->hash, w->key, ids));
    if (w->file && ((int)w->file->r.first != first || w->file->r.count != KV_PAGE || w->file->r.has_state))
        w->file = NULL;
}

static void next_page(struct walk *w)
{
    w->hash = prefix_page_hash(w->hash, w->key, w->ids + w->depth++ * KV_PAGE);
    w->before = w->node;
}

static unsigned kinds_of(const struct prefix_node *n)
{
    unsigned kinds = 0;
    for (int k = 0; n && k < KV_KINDS; k++)
        kinds |= n->page[k] >= 0 ? 1u << k : 0;
    return kinds;
}

/* The furthest place to go on from: how far, and the file that it lies in; NULL: in known pages. */
struct target {
    struct prefix_entry *file;
    int pos;
};

/* A place behind the first `at` ids of the walk's page, which has these kinds of pages. since: from which page on they are all
 * there up to this one. */
static void consider(const struct prefix_cache *c, struct target *g, const struct walk *w, const int *since,
                     unsigned kinds, int at, struct prefix_entry *file)
{
    int pos = w->depth * KV_PAGE + at;
    if (pos <= g->pos)
        return;
    for (int k = 0; k < KV_KINDS; k++) {
        int first = kv_first_page(c->pool[k].window, pos);
        if (c->pool[k].n_layer && first <= w->depth && (!(kinds >> k & 1) || (first < w->depth && first < since[k])))
            return;
    }
    *g = (struct target){file, pos};
}

static void consider_known(struct prefix_disk *d, struct target *g, const struct walk *w, const int *since)
{
    const struct prefix_cache *c = d->cache;
    int first = w->depth * KV_PAGE;
    if (w->depth > 0 && !w->before)
        return;
    for (const struct prefix_node *i = prefix_children(c, w->before); i; i = i->next) {
        int same = prefix_common(i, w->ids + first, w->n - first);
        if (same == 0 || i->key != prefix_key(w->of, w->depth, i->n))
            continue;
        unsigned kinds = kinds_of(i) | (i == w->node && w->file ? w->file->r.kinds : 0);
        if (c->states->page_bytes == 0)
            consider(c, g, w, since, kinds, same, NULL);
        for (const struct prefix_state *s = i->state; s; s = s->next)
            if (s->at <= same)
                consider(c, g, w, since, kinds, s->at, NULL);
    }
}

/* A state is of use at its own place alone; one behind a whole page has that page in another file. */
static void consider_files(struct prefix_disk *d, struct target *g, const struct walk *w, const int *since)
{
    const struct prefix_cache *c = d->cache;
    const int32_t *ids = w->ids + w->depth * KV_PAGE;
    unsigned page = kinds_of(w->node) | (w->file ? w->file->r.kinds : 0);
    for (struct prefix_entry *e = NULL; (e = prefix_index_behind(&d->index, e, w->hash));) {
        int same = (int)e->r.first == w->depth * KV_PAGE ? prefix_index_common(e, ids, w->n - w->depth * KV_PAGE) : 0;
        uint64_t key = same ? prefix_key(w->of, w->depth, (int)e->r.count) : 0;
        if (same == 0 || e->r.key != key || (e->r.has_state != 0) != (c->states->page_bytes > 0))
            continue;
        if (!e->r.has_state)
            consider(c, g, w, since, e->r.kinds | (e == w->file ? page : 0), same, e);
        else if (same == (int)e->r.count && e->r.hash == prefix_ending_hash(w->hash, key, ids, same))
            consider(c, g, w, since, same == KV_PAGE ? page : e->r.kinds, same, e);
    }
}

static struct target find_target(struct prefix_disk *d, const struct prefix_origin *of, const int32_t *ids, int n)
{
    struct target g = {NULL, prefix_reach(d->cache, of, ids, n)};
    struct walk w = {.of = of, .ids = ids, .n = n, .hash = d->cache->base};
    int since[KV_KINDS] = {0};
    for (;; next_page(&w)) {
        look_at_page(d, &w);
        consider_known(d, &g, &w, since);
        consider_files(d, &g, &w, since);
        if (!w.node && !w.file)
            return g;
        unsigned kinds = kinds_of(w.node) | (w.file ? w.file->r.kinds : 0);
        for (int k = 0; k < KV_KINDS; k++)
            since[k] = kinds >> k & 1 ? since[k] : w.depth + 1;
    }
}

/* What has to be read for a goal: the first file, the page before it, and how much there is. */
struct reads {
    struct prefix_entry *first;
    struct prefix_node *parent;
    int n;
    uint64_t bytes;
};

static void add_read(struct reads *way, struct prefix_entry *e, struct prefix_node *parent)
{
    way->parent = way->n ? way->parent : parent;
    way->first = way->n++ ? way->first : e;
    way->bytes += prefix_file_bytes(&e->r);
}

/* Does a known page lack what windows see from behind pos? */
static int lacks_window(const struct prefix_cache *c, const struct prefix_node *node, int pos)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (c->pool[k].n_layer && node->page[k] < 0 && node->depth >= kv_first_page(c->pool[k].window, pos))
            return 1;
    return 0;
}

static struct reads find_reads(struct prefix_disk *d, const struct target *g, const struct prefix_origin *of,
                               const int32_t *ids, int n)
{
    struct reads way = {0};
    struct walk w = {.of = of, .ids = ids, .n = n, .hash = d->cache->base};
    for (; w.depth < g->pos / KV_PAGE; next_page(&w)) {
        look_at_page(d, &w);
        if (w.file && (!w.node || lacks_window(d->cache, w.node, g->pos)))
            add_read(&way, w.file, w.before);
    }
    if (g->file && g->pos % KV_PAGE)
        add_read(&way, g->file, w.before);
    else if (g->file && g->file->r.has_state)
        add_read(&way, g->file, w.before ? w.before->parent : NULL);
    return way;
}

int prefix_disk_fetch(struct prefix_disk *d, const struct prefix_origin *of, const int32_t *ids, int n,
                      double rows_per_second)
{
    int known = prefix_reach(d->cache, of, ids, n);
    struct target g = find_target(d, of, ids, n);
    struct reads way = {0};
    if (g.pos > known)
        way = find_reads(d, &g, of, ids, n);
    if (way.n == 0 ||
        (rows_per_second > 0 && !prefix_pace_pays(&d->pace, way.bytes, (g.pos - known) / rows_per_second)))
        return 0;
    if (!read_file(d, of, way.first, way.parent, ids))
        return 0;
    /* the last one, if nothing could continue from it after all, would be read again and again */
    return way.n > 1 || !way.first->in_use || prefix_reach(d->cache, of, ids, n) > known;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------------------- */

void prefix_disk_clear(struct prefix_disk *d)
{
    prefix_writer_forget(&d->writer);
    prefix_index_clear(&d->index);
    write_anew(d);
}

static int open_folder(struct prefix_disk *d, const char *path, struct error *err)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return error_set(err, ERR_IO, "--cache-dir %.200s cannot be made: %s", path, strerror(errno));
    d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir < 0)
        return error_set(err, ERR_IO, "--cache-dir %.200s cannot be opened: %s", path, strerror(errno));
    return 0;
}

static void unlock(struct prefix_disk *d)
{
    if (d->lock_file >= 0)
        close(d->lock_file);
    d->lock_file = -1;
}

int prefix_disk_begin_writing(struct prefix_disk *d, struct error *err)
{
    if (!d || d->index.writes)
        return 0;
    d->lock_file = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_file < 0 || flock(d->lock_file, LOCK_EX | LOCK_NB)) {
        log_line(LOG_INFO, "--cache-dir is another process's to write, or cannot be written: it is read only");
        unlock(d);
        return 0;
    }
    if (prefix_writer_open(&d->writer, d->dir, d->image_bytes, err)) {
        prefix_writer_close(&d->writer);
        d->writer = (struct prefix_writer){0};
        unlock(d);
        return -1;
    }
    prefix_index_open(&d->index, d->dir, 1, d->cache->base); /* anew: others may have written until now */
    prefix_index_shrink(&d->index, d->most);
    return 0;
}

int prefix_disk_open(struct prefix_disk **out, struct prefix_cache *c, const struct prefix_disk_options *o,
                     struct error *err)
{
    struct prefix_disk *d = calloc(1, sizeof *d);
    uint64_t page = 0;
    if (!d)
        return error_set(err, ERR_MEMORY, "no memory for an index of known prefixes");
    for (int k = 0; k < KV_KINDS; k++)
        page += c->pool[k].page_bytes;
    d->cache = c;
    d->most = o->most;
    d->dir = d->lock_file = -1;
    d->image_bytes = image_bytes(page, c->states->page_bytes, o->max_page);
    if (open_folder(d, o->path, err) || (o->writes && prefix_disk_begin_writing(d, err))) {
        prefix_disk_close(d);
        return -1;
    }
    if (!d->index.writes)
        prefix_index_open(&d->index, d->dir, 0, c->base);
    *out = d;
    return 0;
}

void prefix_disk_close(struct prefix_disk *d)
{
    if (!d)
        return;
    if (d->index.writes) {
        prefix_writer_wait(&d->writer, 0); /* for what was forgotten, too */
        while (prefix_disk_write_behind(d))
            prefix_writer_wait(&d->writer, PREFIX_IMAGES - 1);
        prefix_writer_wait(&d->writer, 0);
        collect_images(d);
    }
    prefix_writer_close(&d->writer);
    unlock(d);
    if (d->dir >= 0)
        close(d->dir);
    free(d);
}
