/* See journal.h. */
#include "quant/journal.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "quant/importance.h"
#include "quant/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char first_line[] = "stoker quantize journal 1\n", last_line[] = "begin\n";
enum { JOURNAL_MOST = 256 << 20 };

/* All headers of the output: keys, types, offsets, parts. */
static int hash_of_headers(const struct quant_job *j, uint64_t *out, struct error *err)
{
    struct hash_stream *h = hash_begin();
    int status = h ? 0 : -1;
    for (int i = 0; status == 0 && i < j->n_part; i++) {
        uint8_t *p = malloc((size_t)j->part[i].header);
        status = p ? 0 : -1;
        if (p) {
            quant_header(j, i, p);
            hash_add(h, p, (size_t)j->part[i].header);
        }
        free(p);
    }
    *out = hash_end(h);
    return status ? error_set(err, ERR_MEMORY, "%s: no memory for its header", j->options->out) : 0;
}

static void put_importance(FILE *f, const struct quant_job *j)
{
    const char *path = j->options->imatrix, *slash = path ? strrchr(path, '/') : NULL;
    if (j->importance)
        fprintf(f, "importance %s %s\n", j->importance->sha256, slash ? slash + 1 : path);
    else
        fputs("importance none\n", f);
}

/* What stands before "begin"; free() it. NULL: *err. */
static char *make_head(const struct quant_job *j, struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    uint64_t headers;
    if (hash_of_headers(j, &headers, err))
        return NULL;
    FILE *f = open_memstream(&text, &n);
    if (f) {
        fprintf(f, "%srecipe %s\n", first_line, j->recipe);
        put_importance(f, j);
        fprintf(f, "encoders %d\nalignment %" PRIu32 "\nparts %d\n", QUANT_ENCODER_VERSION, j->alignment, j->n_part);
        for (int i = 0; i < j->in->n_file; i++) {
            const struct gguf_file *s = &j->in->file[i];
            fprintf(f, "source %s\nsource-bytes %" PRIu64 "\nsource-time %lld.%09ld\nsource-header %016" PRIx64 "\n",
                    s->path, s->size, (long long)s->mtime.tv_sec, s->mtime.tv_nsec, j->source_hash[i]);
        }
        fprintf(f, "output %016" PRIx64 "\n%s", headers, last_line);
        if (fclose(f) == 0)
            return text;
    }
    free(text);
    error_set(err, ERR_MEMORY, "%s: no memory for its journal", j->options->out);
    return NULL;
}

/* The lines differ: names what, by the first that does. */
static int differs(const struct journal *l, const char *there, const char *wanted, struct error *err)
{
    for (;;) {
        size_t a = strcspn(there, "\n"), b = strcspn(wanted, "\n");
        if (a != b || memcmp(there, wanted, a) != 0 || (!there[a] && !wanted[b]))
            return error_set(err, ERR_INPUT,
                             "%s is of another run: there it is \"%.*s\", now \"%.*s\"; --resume goes on with what was "
                             "asked for then, --force begins anew",
                             l->path, (int)(a < 120 ? a : 120), there, (int)(b < 120 ? b : 120), wanted);
        there += a + (there[a] != 0);
        wanted += b + (wanted[b] != 0);
    }
}

static uint64_t check_of(const char *line, size_t n) { return hash64(line, n, 0); }

/* A line "done ...", if it is whole. */
static int read_line(const char *line, struct journal_entry *e)
{
    uint64_t check;
    int head = 0, end = 0;
    if (sscanf(line, "done %" SCNu64 " %" SCNu64 " %d %" SCNu64 " %" SCNu64 " %" SCNx64 "%n %" SCNx64 "%n", &e->tensor,
               &e->unit, &e->part, &e->from, &e->to, &e->hash, &head, &check, &end) != 7)
        return 0;
    return end > 0 && line[end] == '\n' && check == check_of(line, (size_t)head);
}

/* Where a tensor's bytes end in its part; of the one before a part's first: where its header does. */
static uint64_t end_of(const struct quant_job *j, const struct quant_part *p, uint64_t t)
{
    return t < p->first ? p->header : p->header + j->tensor[t].offset + j->tensor[t].n_bytes;
}

/* 1: a run that has written a part up to e->to can go on with e->unit of e->tensor, which is of this part or the first of the next. */
static int fits_layout(const struct quant_job *j, const struct journal_entry *e)
{
    const struct quant_part *p = &j->part[e->part];
    uint64_t t = e->tensor, behind = p->first + p->n;
    if (t < p->first || t > behind)
        return 0;
    if (e->unit > 0)
        return t < behind && e->unit < quant_units(j, t) &&
               e->to == p->header + j->tensor[t].offset + e->unit * quant_out_unit(j, t);
    uint64_t most = t < behind ? p->header + j->tensor[t].offset : p->header + p->data;
    return e->to <= most && (t == p->first ? e->to >= p->header : e->to >= end_of(j, p, t - 1));
}

/* 1: it follows what was done before. */
static int is_possible(const struct quant_job *j, const struct journal *l, const struct journal_entry *e)
{
    const struct journal_entry *before = &l->last;
    int part = l->has_last ? before->part : 0, is_same = e->part == part;
    if (e->part < 0 || e->part >= j->n_part || (!is_same && e->part != part + 1) || e->from > e->to)
        return 0;
    return e->from == (is_same && l->has_last ? before->to : 0) && fits_layout(j, e);
}

/* Entries up to the first that is not whole; what is behind it is cut off. */
static int read_entries(struct journal *l, const struct quant_job *j, const char *text, const char *at,
                        struct error *err)
{
    struct journal_entry e;
    while (read_line(at, &e) && is_possible(j, l, &e)) {
        l->last = e;
        l->has_last = 1;
        at += strcspn(at, "\n") + 1;
    }
    if (ftruncate(fileno(l->file), at - text) != 0 || fseeko(l->file, at - text, SEEK_SET) != 0)
        return error_set(err, ERR_IO, "%s: writing failed: %s", l->path, strerror(errno));
    return 0;
}

static int begin(struct journal *l, const char *head, struct error *err)
{
    l->is_new = 1;
    if (ftruncate(fileno(l->file), 0) != 0 || fseeko(l->file, 0, SEEK_SET) != 0 || fputs(head, l->file) == EOF ||
        fflush(l->file) != 0 || fdatasync(fileno(l->file)) != 0)
        return error_set(err, ERR_IO, "%s: writing failed: %s", l->path, strerror(errno));
    return 0;
}

/* Holds what is there, text [n], against the first bytes of a head: 1: so it begins; 0: killed while it was written, no output was begun;
 * -1: another run's, or none's. */
static int check_head(const struct journal *l, const char *text, size_t n, const char *head, size_t length,
                      struct error *err)
{
    if (strncmp(text, first_line, n < strlen(first_line) ? n : strlen(first_line)) != 0)
        return error_set(err, ERR_INPUT, "%s is no journal of stoker quantize; move it away", l->path);
    if (!strstr(text, "\nbegin\n") && strncmp(text, head, n < length ? n : length) == 0)
        return 0;
    if (!strstr(text, "\nbegin\n"))
        return error_set(err, ERR_INPUT, "%s is damaged, or of another run that had just begun; --force begins anew",
                         l->path);
    return strncmp(text, head, length) == 0 ? 1 : differs(l, text, head, err);
}

static int resume(struct journal *l, const struct quant_job *j, const char *head, struct error *err)
{
    size_t n, length = strlen(head);
    char *text = file_read_stream(l->file, l->path, JOURNAL_MOST, &n, err);
    int status = text ? check_head(l, text, n, head, length, err) : -1;
    if (status == 0)
        status = begin(l, head, err);
    else if (status > 0)
        status = read_entries(l, j, text, text + length, err);
    free(text);
    return status;
}

/* A journal that is there is this run's to take. */
static int may_take(const struct quant_job *j, struct error *err)
{
    const struct quant_options *o = j->options;
    if (!o->resume && !o->force)
        return error_set(err, ERR_INPUT,
                         "%s is of a run that has not ended: --resume goes on with it, --force begins anew",
                         j->journal);
    return 0;
}

int journal_check(const struct quant_job *j, struct error *err)
{
    struct journal l = {.path = j->journal};
    size_t n;
    if (access(l.path, F_OK) != 0)
        return 0;
    if (may_take(j, err))
        return -1;
    if (!j->options->resume)
        return 0;
    char *head = make_head(j, err), *text = NULL;
    int status = head ? 0 : -1;
    if (head && !(l.file = fopen(l.path, "re")))
        status = error_set(err, ERR_IO, "%s: cannot be read: %s", l.path, strerror(errno));
    else if (head && !(text = file_read_stream(l.file, l.path, JOURNAL_MOST, &n, err)))
        status = -1;
    else if (head) /* the line of the headers depends on the sums */
        status = check_head(&l, text, n, head, (size_t)(strstr(head, "\noutput ") - head) + 1, err);
    journal_close(&l);
    free(text);
    free(head);
    return status < 0 ? -1 : 0;
}

int journal_open(struct journal *l, const struct quant_job *j, struct error *err)
{
    const struct quant_options *o = j->options;
    *l = (struct journal){.path = j->journal};
    int is_there = access(l->path, F_OK) == 0;
    if (is_there && may_take(j, err))
        return -1;
    char *head = make_head(j, err);
    if (!head)
        return -1;
    int fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | (is_there ? 0 : O_EXCL), 0666);
    l->file = fd >= 0 ? fdopen(fd, "r+e") : NULL;
    int status = 0;
    if (!l->file)
        status = error_set(err, ERR_IO, "%s: cannot be written: %s", l->path, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = error_set(err, ERR_INPUT, "%s: another stoker quantize is at work on it", l->path);
    else if (is_there && o->resume)
        status = resume(l, j, head, err);
    else
        status = begin(l, head, err);
    free(head);
    if (fd >= 0 && !l->file)
        close(fd);
    if (status && l->file) {
        if (l->is_new)
            unlink(l->path);
        journal_close(l);
    }
    return status;
}

int journal_add(struct journal *l, const struct journal_entry *e, struct error *err)
{
    char line[200];
    int n = snprintf(line, sizeof line, "done %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %016" PRIx64,
                     e->tensor, e->unit, e->part, e->from, e->to, e->hash);
    if (fprintf(l->file, "%s %016" PRIx64 "\n", line, check_of(line, (size_t)n)) < 0 || fflush(l->file) != 0)
        return error_set(err, ERR_IO, "%s: writing failed: %s", l->path, strerror(errno));
    return 0;
}

int journal_sync(struct journal *l, struct error *err)
{
    return fdatasync(fileno(l->file)) == 0 ? 0
                                           : error_set(err, ERR_IO, "%s: writing failed: %s", l->path, strerror(errno));
}

void journal_close(struct journal *l)
{
    if (l->file)
        fclose(l->file);
    l->file = NULL;
}

void journal_remove(struct journal *l)
{
    unlink(l->path);
    journal_close(l);
}
