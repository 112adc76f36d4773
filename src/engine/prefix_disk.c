/* The tier of the prefix cache that lies in files: see prefix_disk.h. */
#include "engine/prefix_disk.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/prefix_index.h"
#include "engine/prefix_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAILURES = 8 }; /* of writing, one after the other */

struct prefix_disk {
    struct prefix_cache *cache;
    int dir, lock_file, failures;
    uint64_t most, image_bytes;
    uint64_t seen;           /* the cache's changes when it had nothing left to write */
    double bytes_per_second; /* of reading; 0: not known */
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

static void copy_rows(const struct kv_pool *pool, uint8_t *to, const uint8_t *from, int n)
{
    const struct kv_shape *s = &pool->shape;
    size_t k = (size_t)n * (size_t)s->d_k * kv_element_bytes(s->type),
           v = (size_t)n * (size_t)s->d_v * kv_element_bytes(s->type);
    if (n == KV_PAGE) {
        memcpy(to, from, pool->page_bytes);
        return;
    }
    memset(to, 0, pool->page_bytes); /* what is behind may be another's */
    for (int l = 0; l < pool->n_layer; l++)
        for (int head = 0; head < s->n_head_kv; head++) {
            size_t at = (size_t)l * pool->layer_bytes, keys = at + (size_t)(kv_keys(s, to, head) - to),
                   values = at + (size_t)(kv_values(s, to, head) - to);
            memcpy(to + keys, from + keys, k);
            memcpy(to + values, from + values, v);
        }
}

/* The first n ids of a node, and a state behind them or NULL: into an image. */
static void fill_image(struct prefix_disk *d, struct prefix_image *m, const struct prefix_node *node, int n,
                       const struct prefix_state *state)
{
    const struct prefix_cache *c = d->cache;
    int ending = state || n < KV_PAGE;
    uint64_t parent = node->parent ? node->parent->hash : node->root;
    m->r = (struct prefix_record){.base = c->base,
                                  .root = node->root,
                                  .parent = parent,
                                  .hash = ending ? prefix_ending_hash(parent, node->id, n) : node->hash,
                                  .first = (uint32_t)(node->depth * KV_PAGE),
                                  .count = (uint32_t)n,
                                  .has_state = state != NULL};
    int32_t *ids = (int32_t *)(m->data + PREFIX_BLOCK);
    memcpy(ids + node->depth * KV_PAGE, node->id, (size_t)n * sizeof *ids);
    for (const struct prefix_node *p = node->parent; p; p = p->parent)
        memcpy(ids + p->depth * KV_PAGE, p->id, sizeof p->id);
    uint8_t *to = m->data + prefix_file_payload(&m->r);
    for (int k = 0; k < KV_KINDS; k++) {
        if (node->page[k] < 0 || (state && n == KV_PAGE))
            continue;
        copy_rows(&c->pool[k], to, kv_page_at(&c->pool[k], node->page[k]), n);
        m->r.kinds |= 1u << k;
        m->r.payload += c->pool[k].page_bytes;
        to += c->pool[k].page_bytes;
    }
    if (state) {
        memcpy(to, kv_page_at(c->states, (int)(state - c->state)), c->states->page_bytes);
        m->r.payload += c->states->page_bytes;
    }
    uint64_t end = prefix_file_payload(&m->r) + m->r.payload, n_ids = (m->r.first + m->r.count) * sizeof *ids;
    memset((uint8_t *)ids + n_ids, 0, prefix_file_payload(&m->r) - PREFIX_BLOCK - n_ids);
    memset(m->data + end, 0, prefix_file_bytes(&m->r) - end);
}

/* Nobody writes into the page any more. */
static int at_rest(const struct prefix_cache *c, const struct prefix_node *n)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (n->n < KV_PAGE && n->page[k] >= 0 && c->pool[k].users[n->page[k]] > 1)
            return 0;
    return 1;
}

/* The next piece that no file has: whole pages, first ones first; then ends of texts; then states. Of a model with states a part
 * page is of use with its state only. */
static struct prefix_node *next_unsaved(const struct prefix_cache *c, struct prefix_state **state)
{
    struct prefix_node *best = NULL;
    *state = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && !n->saved && (n->n == KV_PAGE || (c->states->page_bytes == 0 && at_rest(c, n))) &&
            (!best || n->depth < best->depth))
            best = n;
    for (struct prefix_state *s = c->state; !best && s < c->state + c->states->n_page; s++)
        if (s->node && !s->saved && at_rest(c, s->node)) {
            *state = s;
            return s->node;
        }
    return best;
}

/* What became of an image. */
static void collect_image(struct prefix_disk *d, const struct prefix_image *m)
{
    struct prefix_index *x = &d->index;
    if (m->state == IMAGE_WRITTEN && m->stale)
        unlinkat(d->dir, prefix_file_name(m->r.hash).text, 0);
    else if (m->state == IMAGE_WRITTEN) {
        d->failures = 0;
        prefix_index_add(x, &m->r);
        prefix_index_shrink(x, d->most);
    } else if (m->state == IMAGE_NO_SPACE) {
        /* Where others fill the disk, what we could give back would not help: it is kept. */
        if (m->missing <= x->bytes)
            prefix_index_shrink(x, x->bytes - m->missing);
    } else if (++d->failures == FAILURES)
        log_line(LOG_WARN,
                 "the folder of known prefixes (--cache-dir) cannot be written any more: nothing is added to it");
}

static void collect_images(struct prefix_disk *d)
{
    for (struct prefix_image *m; (m = prefix_writer_done(&d->writer));) {
        collect_image(d, m);
        prefix_writer_give(&d->writer, m);
    }
}

int prefix_disk_write_behind(struct prefix_disk *d)
{
    struct prefix_state *state;
    if (!d || !d->index.writes || d->failures >= FAILURES)
        return 0;
    collect_images(d);
    struct prefix_image *m = prefix_writer_image(&d->writer);
    if (!m || d->seen == d->cache->changes)
        return !m;
    struct prefix_node *node = next_unsaved(d->cache, &state);
    if (!node) {
        d->seen = d->cache->changes;
        return 0;
    }
    fill_image(d, m, node, state ? state->at : node->n, state);
    *(state ? &state->saved : &node->saved) = 1;
    if (prefix_file_bytes(&m->r) <= d->most && !prefix_index_find(&d->index, m->r.root, m->r.parent, m->r.hash))
        prefix_writer_send(&d->writer, m);
    return 1;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

/* A piece becomes a node, or part of one: pages and a copy of a state of the cache's, filled from the file. */
static int read_piece(struct prefix_disk *d, struct prefix_entry *e, struct prefix_node *parent, const int32_t *ids,
                      int n_ids)
{
    struct prefix_cache *c = d->cache;
    struct prefix_found f = {.root = e->r.root, .parent = parent, .ids = ids + e->r.first, .n = (int)e->r.count};
    struct prefix_piece piece[KV_KINDS + 1];
    int n = 0, fits = prefix_find_room(c, &f, e->r.kinds, e->r.has_state != 0);
    uint64_t payload = 0;
    for (int k = 0; fits && k < KV_KINDS; k++)
        if (f.page[k] >= 0)
            piece[n++] = (struct prefix_piece){kv_page_at(&c->pool[k], f.page[k]), c->pool[k].page_bytes};
    if (fits && f.state >= 0)
        piece[n++] = (struct prefix_piece){kv_page_at(c->states, f.state), c->states->page_bytes};
    for (int i = 0; i < n; i++)
        payload += piece[i].n;
    if (!fits)
        return 0;
    double begin = clock_seconds();
    struct prefix_name name = prefix_file_name(e->r.hash);
    int fd = openat(d->dir, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum prefix_read was = fd < 0                    ? (errno == ENOENT ? PREFIX_OTHERS : PREFIX_UNREAD)
                           : payload != e->r.payload ? PREFIX_DAMAGED
                                                     : prefix_file_read(fd, &e->r, ids, n_ids, piece, n);
    if (was == PREFIX_SOUND) {
        double rate = (double)prefix_file_bytes(&e->r) / (clock_seconds() - begin + 1e-9);
        d->bytes_per_second = d->bytes_per_second > 0 ? 0.75 * d->bytes_per_second + 0.25 * rate : rate;
        prefix_index_use(&d->index, e, fd);
        prefix_hang(c, &f);
    } else {
        prefix_drop_found(c, &f);
        if (was != PREFIX_UNREAD)
            prefix_index_lose(&d->index, e, was == PREFIX_DAMAGED);
    }
    if (fd >= 0)
        close(fd);
    return was != PREFIX_UNREAD;
}

/* What files have on the way of ids [n]: the furthest place to go on from, and what has to be read first for it. */
struct way {
    struct prefix_entry *first, *target;
    struct prefix_node *parent; /* of first */
    int pos;
    uint64_t bytes;
};

static void look_for_endings(struct prefix_disk *d, struct way *w, uint64_t root, uint64_t parent, const int32_t *ids,
                             int first, int n, uint64_t bytes)
{
    int recurrent = d->cache->states->page_bytes > 0;
    for (struct prefix_entry *e = NULL; (e = prefix_index_behind(&d->index, e, root, parent));) {
        int end = first + (int)e->r.count;
        if ((int)e->r.first == first && (int)e->r.has_state == recurrent && (recurrent || e->r.count < KV_PAGE) &&
            end <= n && end > w->pos && e->r.hash == prefix_ending_hash(parent, ids + first, (int)e->r.count)) {
            w->target = e;
            w->pos = end;
            w->bytes = bytes + prefix_file_bytes(&e->r);
        }
    }
}

/* Of the page behind these whole pages; what its name does not promise is compared. */
static struct prefix_entry *find_page(struct prefix_disk *d, uint64_t parent, uint64_t root, uint64_t hash, int first)
{
    struct prefix_entry *e = prefix_index_find(&d->index, root, parent, hash);
    return e && (int)e->r.first == first && e->r.count == KV_PAGE && !e->r.has_state ? e : NULL;
}

/* The kinds that a known page lacks, of those that window layers see from behind pos. */
static unsigned lacks(const struct prefix_cache *c, const struct prefix_node *node, int pos)
{
    unsigned kinds = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &c->pool[k];
        if (pool->n_layer && pool->window > 0 && node->depth >= kv_first_page(pool->window, pos) && node->page[k] < 0)
            kinds |= 1u << k;
    }
    return kinds;
}

/* Windows of known pages went while the pages stayed: they are read first, where files have them. The cache's path is the way. */
static void refill_windows(struct prefix_disk *d, struct way *w, uint64_t root)
{
    struct prefix_cache *c = d->cache;
    struct prefix_entry *first = NULL;
    for (int i = 0; w->target && c->path[i] && i * KV_PAGE < w->pos; i++) {
        const struct prefix_node *node = c->path[i];
        unsigned kinds = lacks(c, node, w->pos);
        if (!kinds)
            continue;
        struct prefix_entry *e = find_page(d, node->parent ? node->parent->hash : root, root, node->hash, i * KV_PAGE);
        if (!e || (e->r.kinds & kinds) != kinds)
            w->target = NULL;
        else {
            w->bytes += prefix_file_bytes(&e->r);
            w->parent = first ? w->parent : node->parent;
            first = first ? first : e;
        }
    }
    w->first = first ? first : w->first;
}

/* A state behind a whole page is of use with that page: found together with the endings before it, read after it. */
static struct way find_way(struct prefix_disk *d, uint64_t root, const int32_t *ids, int n)
{
    struct prefix_cache *c = d->cache;
    struct way w = {.pos = prefix_reach(c, root, ids, n)};
    struct prefix_node *node = NULL;
    struct prefix_entry *missing = NULL;
    struct prefix_node *behind = NULL;
    uint64_t hash = root, bytes = 0;
    for (int at = 0, whole = 1; whole; at += KV_PAGE) {
        struct prefix_node *known = missing ? NULL : prefix_child(c, node, root, ids + at, n - at);
        uint64_t next = at + KV_PAGE <= n ? prefix_page_hash(hash, ids + at) : 0;
        struct prefix_entry *e = at + KV_PAGE > n || (known && !lacks(c, known, 0))
                                     ? NULL
                                     : find_page(d, hash, root, next, at);
        struct prefix_entry *before = w.target;
        whole = known || e;
        look_for_endings(d, &w, root, hash, ids, at, whole ? n : (n < at + KV_PAGE - 1 ? n : at + KV_PAGE - 1),
                         bytes + (e && !known ? prefix_file_bytes(&e->r) : 0));
        if (w.target != before) {
            w.first = missing ? missing : e && !known && w.pos == at + KV_PAGE ? e : w.target;
            w.parent = missing ? behind : node;
        }
        if (!whole)
            break;
        if (known && e && c->states->page_bytes == 0 && at + KV_PAGE > w.pos)
            w = (struct way){e, e, node, at + KV_PAGE, 0};
        else if (e && !known) {
            bytes += prefix_file_bytes(&e->r);
            behind = missing ? behind : node;
            missing = missing ? missing : e;
            if (c->states->page_bytes == 0 && at + KV_PAGE > w.pos)
                w = (struct way){missing, e, behind, at + KV_PAGE, bytes};
        }
        node = known;
        hash = next;
    }
    refill_windows(d, &w, root);
    return w;
}

int prefix_disk_fetch(struct prefix_disk *d, uint64_t root, const int32_t *ids, int n, double rows_per_second)
{
    int known = prefix_reach(d->cache, root, ids, n);
    struct way w = find_way(d, root, ids, n);
    if (!w.target || (rows_per_second > 0 && d->bytes_per_second > 0 &&
                      (double)w.bytes / d->bytes_per_second >= (w.pos - known) / rows_per_second))
        return 0;
    if (!read_piece(d, w.first, w.parent, ids, n))
        return 0;
    /* one that could not be gone on from after all would be read again and again */
    return w.first != w.target || !w.target->there || prefix_reach(d->cache, root, ids, n) > known;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------------------- */

void prefix_disk_clear(struct prefix_disk *d)
{
    prefix_writer_forget(&d->writer);
    prefix_index_clear(&d->index);
}

static int open_folder(struct prefix_disk *d, const char *path, struct error *err)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return error_set(err, ERR_IO, "--cache-dir %.200s cannot be made: %s", path, strerror(errno));
    d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir < 0)
        return error_set(err, ERR_IO, "--cache-dir %.200s cannot be opened: %s", path, strerror(errno));
    d->lock_file = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_file >= 0 && flock(d->lock_file, LOCK_EX | LOCK_NB) == 0)
        return prefix_writer_open(&d->writer, d->dir, d->image_bytes, err);
    log_line(LOG_INFO, "--cache-dir %.200s is another process's to write, or cannot be written: it is read only", path);
    return 0;
}

int prefix_disk_open(struct prefix_disk **out, struct prefix_cache *c, const char *path, uint64_t most, int max_page,
                     struct error *err)
{
    struct prefix_disk *d = calloc(1, sizeof *d);
    uint64_t page = 0;
    if (!d)
        return error_set(err, ERR_MEMORY, "no memory for an index of known prefixes");
    for (int k = 0; k < KV_KINDS; k++)
        page += c->pool[k].page_bytes;
    d->cache = c;
    d->most = most;
    d->dir = d->lock_file = -1;
    d->image_bytes = image_bytes(page, c->states->page_bytes, max_page);
    if (open_folder(d, path, err)) {
        prefix_disk_close(d);
        return -1;
    }
    prefix_index_open(&d->index, d->dir, d->writer.runs, c->base);
    if (d->index.writes)
        prefix_index_shrink(&d->index, d->most);
    *out = d;
    return 0;
}

void prefix_disk_close(struct prefix_disk *d)
{
    if (!d)
        return;
    if (d->index.writes) {
        while (prefix_disk_write_behind(d))
            prefix_writer_wait(&d->writer, PREFIX_IMAGES - 1);
        prefix_writer_wait(&d->writer, 0);
        collect_images(d);
    }
    prefix_writer_close(&d->writer);
    if (d->lock_file >= 0)
        close(d->lock_file);
    if (d->dir >= 0)
        close(d->dir);
    free(d);
}
