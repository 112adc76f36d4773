/* See pages.h. */
#include "library/pages/pages.h"

#include "base/error.h"
#include "library/pages/kept.h"
#include "library/pages/types.h"
#include "library/zim/zim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pages {
    struct library *library;
    struct zim *archive;     /* NULL: none is open */
    const struct source *of; /* whose it is */
    struct zim_entry entry;
};

struct pages *pages_open(struct library *l)
{
    struct pages *p = calloc(1, sizeof *p);
    if (p)
        p->library = l;
    return p;
}

static void close_archive(struct pages *p)
{
    zim_close(p->archive);
    p->archive = NULL;
    p->of = NULL;
}

void pages_close(struct pages *p)
{
    if (p)
        close_archive(p);
    free(p);
}

void page_free(struct page *page)
{
    buffer_free(&page->bytes);
    *page = (struct page){.kind = PAGE_NONE};
}

/* ---- archives -------------------------------------------------------------------------------------------------- */

/* The archive that the source was made of, and no other that has its place by now. */
static int open_archive(struct pages *p, const struct source *s, struct error *err)
{
    char uuid[40];
    if (p->of == s)
        return 0;
    close_archive(p);
    if (zim_open(&p->archive, s->source.path, 0, err))
        return -1;
    zim_limit(p->archive, PAGES_CLUSTERS, PAGES_DECODER);
    for (size_t i = 0; i < 16; i++)
        snprintf(uuid + 2 * i, 3, "%02x", zim_about(p->archive)->uuid[i]);
    if (strcmp(uuid, s->source.identity)) {
        close_archive(p);
        return error_set(err, ERR_INPUT, "%s is another archive than the one that was added", s->source.path);
    }
    p->of = s;
    return 0;
}

static int is_new(const struct pages *p) { return zim_about(p->archive)->new_namespaces; }

/* Old archives have their pages in A, images in I, styles in -: there a path begins with the namespace, so that "../I/x.png" leads where it
 * should. */
static int find_entry(struct pages *p, const char *path)
{
    int has_namespace = strchr("AIJ-", *path) && *path && path[1] == '/';
    if (is_new(p))
        return zim_find(p->archive, 'C', path, &p->entry);
    return has_namespace && zim_find(p->archive, *path, path + 2, &p->entry);
}

/* out becomes the address of the entry, behind its redirects. */
static int put_elsewhere(struct pages *p, struct page *out, struct error *err)
{
    struct zim_entry *e = &p->entry;
    if (zim_resolve(p->archive, e, err))
        return -1;
    const char before[] = {e->namespace, '/', 0};
    if (e->kind != ZIM_CONTENT || (is_new(p) && e->namespace != 'C') || (!is_new(p) && !strchr("AIJ-", e->namespace)))
        return 0;
    out->kind = PAGE_ELSEWHERE;
    buffer_puts(&out->bytes, is_new(p) ? "" : before);
    buffer_puts(&out->bytes, e->path);
    return 0;
}

static int put_main_page(struct pages *p, struct page *out, struct error *err)
{
    const struct zim_about *about = zim_about(p->archive);
    if (zim_find(p->archive, 'W', "mainPage", &p->entry))
        return put_elsewhere(p, out, err);
    return about->has_main ? zim_entry(p->archive, about->main_entry, &p->entry, err) || put_elsewhere(p, out, err) : 0;
}

/* 0: out is filled, or there is no such entry. */
static int get_entry(struct pages *p, const char *path, struct page *out, struct error *err)
{
    struct zim_entry *e = &p->entry;
    const uint8_t *data;
    size_t n;
    if (!*path)
        return put_main_page(p, out, err);
    if (!find_entry(p, path))
        return !is_new(p) && zim_find(p->archive, 'A', path, e) ? put_elsewhere(p, out, err) : 0;
    if (e->kind == ZIM_REDIRECT)
        return put_elsewhere(p, out, err);
    if (e->kind != ZIM_CONTENT)
        return 0;
    if (zim_blob(p->archive, e, PAGES_MOST, &data, &n, err))
        return -1;
    out->kind = PAGE_BYTES;
    out->type = page_type(e->mime, (const char *)data, n);
    buffer_put(&out->bytes, (const char *)data, n);
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The file of a row, below its source's folder, by names that were found there: no link, and nothing above. -1: it is not to be had. */
static int open_below(const char *root, const char *path)
{
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = -1;
    while (folder >= 0) {
        char name[NAME_MAX + 1];
        size_t n = strcspn(path, "/");
        int is_last = !path[n], ok = n && n < sizeof name;
        snprintf(name, sizeof name, "%.*s", ok ? (int)n : 0, path);
        ok = ok && strcmp(name, ".") && strcmp(name, "..");
        int next = ok ? openat(folder, name,
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY))
                      : -1;
        close(folder);
        if (is_last)
            file = next;
        folder = is_last ? -1 : next;
        path += n + 1;
    }
    return file;
}

struct row {
    int64_t bytes, mtime_ns;
};

/* 1: the source has a document of this path. */
static int find_row(struct source *s, const char *path, struct row *out, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "SELECT bytes, mtime_ns FROM article WHERE path = ? ORDER BY id LIMIT 1", err);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = (struct row){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)};
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        source_error(s, "reading", err);
    sqlite3_finalize(q);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : -1;
}

/* All of the file into out. 0: it is read; else it is not as it was added, or cannot be read. */
static int read_unchanged(int fd, const struct row *row, struct buffer *out)
{
    struct stat st;
    char piece[16 << 10];
    ssize_t n = 0;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size != row->bytes || st.st_size > PAGES_MOST ||
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != row->mtime_ns)
        return -1;
    while (!out->failed && out->n <= PAGES_MOST &&
           ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)))
        buffer_put(out, piece, n > 0 ? (size_t)n : 0);
    return n != 0 || (int64_t)out->n != row->bytes;
}

/* out is filled if the file is a page, and is as it was when it was added. 1: the source has a document of this path. */
static int get_file(struct source *s, const char *path, struct page *out, struct error *err)
{
    struct row row;
    const char *mime = page_mime_of_file(path), *slash = strrchr(s->source.path, '/');
    int found = find_row(s, path, &row, err), is_folder = strcmp(s->source.kind, "folder") == 0, fd = -1;
    if (found <= 0 || !mime)
        return found;
    if (is_folder)
        fd = open_below(s->source.path, path);
    else if (slash && strcmp(slash + 1, path) == 0)
        fd = open(s->source.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && read_unchanged(fd, &row, &out->bytes) == 0) {
        out->kind = PAGE_BYTES;
        out->type = page_type(mime, out->bytes.text, out->bytes.n);
    } else {
        out->bytes.n = 0;
    }
    if (fd >= 0)
        close(fd);
    return 1;
}

/* ---- any of them ------------------------------------------------------------------------------------------------ */

static int get_kept(struct source *s, const char *path, const char *why, struct page *out, struct error *err)
{
    int found = kept_page(s, path, why, PAGES_MOST, &out->bytes, err);
    if (found > 0) {
        out->kind = PAGE_BYTES;
        out->type = "text/html; charset=utf-8";
    }
    return found < 0 ? -1 : 0;
}

/* Where the archive does not give the page, what was kept of it does, with the reason. */
static int get_of_archive(struct pages *p, struct source *s, const char *path, struct page *out, struct error *err)
{
    struct error why = {0}, ignored = {0};
    char note[sizeof why.text + 80];
    int is_open = open_archive(p, s, &why) == 0, failed = is_open && get_entry(p, path, out, &why);
    if (is_open && !failed && out->kind != PAGE_NONE)
        return 0;
    if (out->bytes.failed || why.code == ERR_MEMORY) {
        *err = why;
        return err->code == ERR_NONE ? error_set(err, ERR_MEMORY, "no memory for a page of %s", s->name) : -1;
    }
    out->bytes.n = 0;
    out->kind = PAGE_NONE;
    if (why.code == ERR_IO) /* a medium that went away may come again */
        close_archive(p);
    snprintf(note, sizeof note, "This is the text that was kept of the page: %s.", why.text);
    const char *shown = why.code == ERR_NONE ? NULL : note;
    int kept = get_kept(s, path, shown, out, &ignored);
    if (kept == 0 && out->kind == PAGE_NONE && strncmp(path, "A/", 2) == 0) /* of an old archive */
        kept = get_kept(s, path + 2, shown, out, &ignored);
    if (kept == 0 && out->kind == PAGE_BYTES)
        return 0;
    out->bytes.n = 0;
    if (why.code == ERR_NONE)
        return 0;
    *err = why;
    return -1;
}

int pages_get(struct pages *p, const char *name, const char *path, struct page *out, struct error *err)
{
    struct source *s = NULL;
    *out = (struct page){.kind = PAGE_NONE};
    for (int i = 0; i < p->library->n; i++)
        if (strcmp(p->library->list[i]->name, name) == 0)
            s = p->library->list[i];
    if (!s)
        return 0;
    int failed = 0;
    if (strcmp(s->source.kind, "zim") == 0) {
        failed = get_of_archive(p, s, path, out, err);
    } else {
        int found = get_file(s, path, out, err);
        failed = found < 0 || (found && out->kind == PAGE_NONE && get_kept(s, path, NULL, out, err)) ? -1 : 0;
    }
    if (!failed && out->bytes.failed)
        failed = error_set(err, ERR_MEMORY, "no memory for a page of %s", s->name);
    if (failed)
        page_free(out);
    return failed ? -1 : 0;
}
