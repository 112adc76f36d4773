/* See add.h: what archives and files share. */
#include "library/add/add.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/document/html.h"
#include "library/document/markdown.h"
#include "library/document/pdf.h"
#include "library/library.h"
#include "library/source_vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void add_skip(struct adding *a, const char *sentence)
{
    if (a->r->n_skipped < ADD_NAMED) {
        char *to = a->r->skipped[a->r->n_skipped];
        snprintf(to, sizeof a->r->skipped[0], "%s", sentence);
        utf8_make_plain(to);
    }
    a->r->n_skipped++;
}

int add_kind(const char *name)
{
    static const struct {
        const char *end;
        int kind;
    } ends[] = {{".html", ADD_HTML},   {".htm", ADD_HTML}, {".xhtml", ADD_HTML},
                {".md", ADD_MARKDOWN}, {".txt", ADD_TEXT}, {".pdf", ADD_PDF}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i].end) == 0)
            return ends[i].kind;
    return 0;
}

int add_begin(struct adding *a, const char *name, struct error *err)
{
    library_name(a->r->name, sizeof a->r->name, name);
    if (!*a->r->name)
        return error_set(err, ERR_INPUT, "the source needs a name: --name N");
    a->lock = library_lock(a->o->dir, a->r->name, err);
    return a->lock < 0 ? -1 : 0;
}

static void take_chunk(void *arg, const struct chunk *c)
{
    struct adding *a = arg;
    if (a->chunk_error.code == ERR_NONE)
        source_chunk(&a->store, c, &a->chunk_error);
}

int add_document(struct adding *a, int kind, const struct text_input *in, int fd, const char *title, struct error *err)
{
    struct chunker *c = malloc(sizeof *c);
    if (!c)
        return error_set(err, ERR_MEMORY, "no memory to read a document");
    a->chunk_error = (struct error){0};
    struct text_sink sink = chunker_begin(c, take_chunk, a);
    int failed = kind == ADD_HTML       ? html_sections(in, title, &sink, err)
                 : kind == ADD_MARKDOWN ? markdown_sections(in, title, &sink, err)
                 : kind == ADD_PDF      ? pdf_sections(fd, PDF_SECONDS, title, &sink, err)
                                        : plain_sections(in, title, &sink, err);
    chunker_end(c);
    free(c);
    return failed;
}

int add_batch(struct adding *a, struct error *err)
{
    a->r->n_article = a->store.source.n_article;
    a->r->n_chunk = a->store.source.n_chunk;
    a->r->n_text = a->store.n_text;
    int stop = a->o->tick && a->o->tick(a->o->arg, a->r);
    if (++a->in_batch < SOURCE_BATCH)
        return 0;
    a->in_batch = 0;
    if (source_commit(&a->store, err))
        return -1;
    if (stop) {
        a->r->is_stopped = 1;
        return 1;
    }
    return source_transaction(&a->store, err);
}

int library_add(const char *source, const struct add_options *o, struct add_report *r, struct error *err)
{
    struct adding a = {.o = o, .r = r, .lock = -1};
    struct stat st;
    *r = (struct add_report){.done = 0};
    size_t n = strlen(source);
    int is_zim = (n > 4 && strcasecmp(source + n - 4, ".zim") == 0) ||
                 (n > 6 && strcasecmp(source + n - 6, ".zimaa") == 0);
    int failed = 0;
    source_begin();
    if (mkdir(o->dir, 0700) && errno != EEXIST)
        failed = error_set(err, ERR_IO, "%s: %s", o->dir, strerror(errno));
    else if (is_zim)
        failed = add_zim(&a, source, err);
    else if (stat(source, &st))
        failed = error_set(err, ERR_IO, "%s: %s", source, strerror(errno));
    else if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && add_kind(source)))
        failed = add_files(&a, source, S_ISDIR(st.st_mode), err);
    else
        failed = error_set(err, ERR_INPUT,
                           "%s is nothing that the library takes: .zim, .html, .htm, .xhtml, .md, .txt, .pdf, or a "
                           "folder of such files",
                           source);
    if (a.store.db) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s", sqlite3_db_filename(a.store.db, "main"));
        if (failed)
            source_rollback(&a.store);
        else
            source_vectors_sweep(&a.store);
        int is_empty = failed && !*a.store.source.kind; /* nothing of it was ever committed */
        r->n_article = a.store.source.n_article;
        r->n_chunk = a.store.source.n_chunk;
        source_close(&a.store);
        if (is_empty)
            library_unlink(path);
    }
    if (a.lock >= 0)
        close(a.lock);
    return failed;
}
