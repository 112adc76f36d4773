/* The index of files of known prefixes: see index.h. */
#include "engine/prefix/index.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t MOST_TIME = INT64_MAX / 2; /* whatever a file says, there is time after it */

/* ---- entries ---------------------------------------------------------------------------------------------------------------- */

/* All bits of an id take part. */
static uint8_t mark(int32_t id) { return (uint8_t)((uint32_t)id * 2654435761u >> 24); }

static void add_entry(struct prefix_index *x, const struct prefix_record *r, const int32_t *own, int64_t used)
{
    int i = x->free, *bucket = &x->bucket[r->parent % PREFIX_BUCKETS];
    struct prefix_entry *e = &x->entry[i];
    x->free = e->next;
    *e = (struct prefix_entry){.r = *r, .used = used, .next = *bucket, .in_use = 1};
    for (uint32_t k = 0; k < r->count; k++)
        e->mark[k] = mark(own[k]);
    *bucket = i;
    x->bytes += prefix_file_bytes(r);
}

static void remove_entry(struct prefix_index *x, struct prefix_entry *e)
{
    int i = (int)(e - x->entry), *at = &x->bucket[e->r.parent % PREFIX_BUCKETS];
    while (*at != i)
        at = &x->entry[*at].next;
    *at = e->next;
    e->in_use = 0;
    e->next = x->free;
    x->free = i;
    x->bytes -= prefix_file_bytes(&e->r);
}

static void delete_entry(struct prefix_index *x, struct prefix_entry *e)
{
    if (x->writes)
        unlinkat(x->dir, prefix_file_name(e->r.hash).text, 0);
    remove_entry(x, e);
}

static struct prefix_entry *next_behind(struct prefix_index *x, int i, uint64_t base, uint64_t parent)
{
    for (; i >= 0; i = x->entry[i].next) {
        const struct prefix_record *r = &x->entry[i].r;
        if (r->parent == parent && r->base == base)
            return &x->entry[i];
    }
    return NULL;
}

static int is_whole(const struct prefix_entry *e, int has_state)
{
    return e->r.count == KV_PAGE && (e->r.has_state != 0) == has_state;
}

/* The state behind a whole page needs it, too. */
static int has_state_behind(struct prefix_index *x, const struct prefix_entry *page)
{
    const struct prefix_record *r = &page->r;
    struct prefix_entry *e = next_behind(x, x->bucket[r->parent % PREFIX_BUCKETS], r->base, r->parent);
    while (e && !(is_whole(e, 1) && e->r.key == r->key && memcmp(e->mark, page->mark, sizeof e->mark) == 0))
        e = next_behind(x, e->next, r->base, r->parent);
    return e != NULL;
}

static int is_leaf(struct prefix_index *x, const struct prefix_entry *e)
{
    return !next_behind(x, x->bucket[e->r.hash % PREFIX_BUCKETS], e->r.base, e->r.hash) &&
           !(is_whole(e, 0) && has_state_behind(x, e));
}

static void delete_oldest(struct prefix_index *x)
{
    struct prefix_entry *old = NULL, *leaf = NULL;
    for (struct prefix_entry *e = x->entry; e < x->entry + PREFIX_FILES; e++) {
        if (e->in_use && (!old || e->used < old->used))
            old = e;
        if (e->in_use && (!leaf || e->used < leaf->used) && is_leaf(x, e))
            leaf = e;
    }
    if (old) /* files that claim to lie behind each other have no leaf */
        delete_entry(x, leaf ? leaf : old);
}

/* What has no entry would never go: the bytes of the folder were not held. */
static void ensure_free_entry(struct prefix_index *x)
{
    if (x->free < 0)
        delete_oldest(x);
}

struct prefix_entry *prefix_index_behind(struct prefix_index *x, struct prefix_entry *after, uint64_t parent)
{
    return next_behind(x, after ? after->next : x->bucket[parent % PREFIX_BUCKETS], x->base, parent);
}

struct prefix_entry *prefix_index_find(struct prefix_index *x, uint64_t key, uint64_t parent, uint64_t hash)
{
    struct prefix_entry *e = NULL;
    while ((e = prefix_index_behind(x, e, parent)) && (e->r.hash != hash || e->r.key != key))
        ;
    return e;
}

int prefix_index_common(const struct prefix_entry *e, const int32_t *ids, int n)
{
    int same = 0, most = n < (int)e->r.count ? n : (int)e->r.count;
    while (same < most && e->mark[same] == mark(ids[same]))
        same++;
    return same;
}

static int holds_less(const struct prefix_record *less, const struct prefix_record *r, const int32_t *own)
{
    return less->key == r->key && less->first == r->first && less->count < r->count && !less->has_state &&
           (less->kinds & ~r->kinds) == 0 && less->hash == prefix_ending_hash(r->parent, r->key, own, (int)less->count);
}

static void delete_lesser(struct prefix_index *x, const struct prefix_record *r, const int32_t *own)
{
    for (struct prefix_entry *e = prefix_index_behind(x, NULL, r->parent), *next; e; e = next) {
        next = prefix_index_behind(x, e, r->parent);
        if (holds_less(&e->r, r, own))
            delete_entry(x, e);
    }
}

void prefix_index_add(struct prefix_index *x, const struct prefix_record *r, const int32_t *own)
{
    if (!r->has_state)
        delete_lesser(x, r, own);
    ensure_free_entry(x);
    if (!prefix_index_find(x, r->key, r->parent, r->hash))
        add_entry(x, r, own, ++x->now);
}

void prefix_index_use(struct prefix_index *x, struct prefix_entry *e)
{
    if (x->writes)
        utimensat(x->dir, prefix_file_name(e->r.hash).text, NULL, AT_SYMLINK_NOFOLLOW);
    e->used = ++x->now;
}

static void damaged(struct prefix_index *x, int folder, const char *name)
{
    x->corrupt++;
    if (x->writes)
        unlinkat(folder, name, 0);
}

void prefix_index_drop(struct prefix_index *x, struct prefix_entry *e, int is_damaged)
{
    if (is_damaged)
        damaged(x, x->dir, prefix_file_name(e->r.hash).text);
    remove_entry(x, e);
}

void prefix_index_shrink(struct prefix_index *x, uint64_t bytes)
{
    while (x->bytes > bytes)
        delete_oldest(x);
}

void prefix_index_clear(struct prefix_index *x)
{
    for (struct prefix_entry *e = x->entry; e < x->entry + PREFIX_FILES; e++)
        if (e->in_use && e->r.base == x->base)
            delete_entry(x, e);
}

/* ---- what is there ---------------------------------------------------------------------------------------------------------- */

static int is_named(const struct prefix_record *r, const char *folder_name, const char *name)
{
    struct prefix_name its = prefix_file_name(r->hash);
    return memcmp(its.text, folder_name, 2) == 0 && strcmp(its.text + 3, name) == 0;
}

static void scan_file(struct prefix_index *x, int folder, const char *folder_name, const char *name)
{
    struct prefix_record r;
    int32_t own[KV_PAGE];
    struct stat st;
    size_t n = strlen(name);
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a pipe does not hold us up */
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && n > 3 && strcmp(name + n - 3, ".sk") == 0) {
        enum prefix_read was = prefix_file_read_header(fd, &r, own);
        int64_t used = st.st_mtime < MOST_TIME ? st.st_mtime : MOST_TIME;
        if (was == PREFIX_CORRUPT || (was == PREFIX_READ_OK && !is_named(&r, folder_name, name)))
            damaged(x, folder, name);
        else if (was == PREFIX_READ_OK) {
            ensure_free_entry(x);
            add_entry(x, &r, own, used);
        }
        x->now = used > x->now ? used : x->now;
    } else if (fd >= 0 && x->writes && n > 4 && strcmp(name + n - 4, ".tmp") == 0)
        unlinkat(folder, name, 0);
    if (fd >= 0)
        close(fd);
}

static void scan(struct prefix_index *x)
{
    for (int i = 0; i < 256; i++) {
        char name[3] = {"0123456789abcdef"[i >> 4], "0123456789abcdef"[i & 15], 0};
        int fd = openat(x->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        for (struct dirent *f; folder && (f = readdir(folder));)
            scan_file(x, fd, name, f->d_name);
        if (folder)
            closedir(folder);
        else if (fd >= 0)
            close(fd);
    }
}

void prefix_index_open(struct prefix_index *x, int dir, int writes, uint64_t base)
{
    x->dir = dir;
    x->writes = writes;
    x->base = base;
    x->bytes = x->corrupt = 0;
    x->now = 0;
    x->free = -1;
    memset(x->bucket, -1, sizeof x->bucket);
    for (int i = PREFIX_FILES - 1; i >= 0; i--) {
        x->entry[i].in_use = 0;
        x->entry[i].next = x->free;
        x->free = i;
    }
    scan(x);
}
