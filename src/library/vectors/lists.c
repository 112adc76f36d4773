/* See lists.h. */
#include "library/vectors/lists.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "library/vectors/lists_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAKES_THEM "so all its vectors are read; stoker library add with --embed makes them anew"

static const char magic[8] = "STOKERL2";

int lists_damaged(const struct lists *l, struct error *err)
{
    return error_set(err, ERR_FORMAT, "%s: its lists of vectors are damaged, " MAKES_THEM, l->file.source);
}

int lists_of_other_vectors(const struct lists *l, struct error *err)
{
    return error_set(err, ERR_FORMAT, "%s: its lists are of other vectors, " MAKES_THEM, l->file.source);
}

/* What reading its blocks failed by; damage is the lists', not the segment's. */
static int failed_by(const struct lists *l, const struct error *why, struct error *err)
{
    return why->code == ERR_FORMAT ? lists_damaged(l, err) : error_set(err, why->code, "%s", why->text);
}

static int no_memory(const struct lists *l, struct error *err)
{
    return error_set(err, ERR_MEMORY, "%s: no memory for its lists of vectors, so all its vectors are read",
                     l->file.source);
}

/* ---- the file's parts ---------------------------------------- */

static uint64_t table_sum(const struct lists *l)
{
    return hash64(l->n_of, (size_t)l->n * sizeof *l->n_of, (uint64_t)l->file.about.id);
}

struct lists_head lists_head_of(const struct lists *l)
{
    struct lists_head h = {.id = l->file.about.id,
                           .model = l->file.about.model,
                           .width = l->file.about.width,
                           .n = l->n,
                           .n_row = l->n_row,
                           .covered = l->covered,
                           .rows_sum = l->rows_sum,
                           .last_block = l->last_block,
                           .last_sum = l->last_sum,
                           .table_sum = table_sum(l)};
    memcpy(h.magic, magic, sizeof magic);
    h.sum = hash64(&h, offsetof(struct lists_head, sum), 0);
    return h;
}

/* LISTS_ROWS rows of SEGMENT_WIDTH_MOST codes are far below 64 bits. */
void lists_lay_out(struct lists *l)
{
    const uint64_t table = round_up((uint64_t)l->n * sizeof *l->n_of, SEGMENT_HEAD);
    l->centres.from = SEGMENT_HEAD + table;
    l->centres.end = l->centres.from + lists_bytes_of(l, l->n);
    l->at[0] = round_up(l->centres.end, SEGMENT_HEAD);
    for (int i = 0; i < l->n; i++)
        l->at[i + 1] = round_up(l->at[i] + lists_bytes_of(l, l->n_of[i]), SEGMENT_HEAD);
    l->file.about.bytes = (int64_t)l->at[l->n];
}

/* The blocks of a list; empty where it has no rows. */
static struct segment_span span_of(const struct lists *l, int i)
{
    return (struct segment_span){l->at[i], l->at[i] + lists_bytes_of(l, l->n_of[i])};
}

/* Those of lists that have rows, in the order of the file. */
static size_t spans_of(const struct lists *l, const int *list, int n, struct segment_span *span)
{
    size_t n_span = 0;
    for (int i = 0; i < n; i++)
        if (l->n_of[list ? list[i] : i])
            span[n_span++] = span_of(l, list ? list[i] : i);
    return n_span;
}

/* ---- opening ---------------------------------------- */

/* 1: what is covered may end with a block that begins where the last one is said to. */
static int has_last_block(const struct lists *l, const struct lists_head *h)
{
    return h->last_block >= SEGMENT_HEAD && h->last_block % BLOCK_ALIGN == 0 && h->last_block < h->covered &&
           h->covered - h->last_block <= block_bytes(l->file.stride, SEGMENT_ROWS);
}

static int read_head(const struct lists *l, struct lists_head *h, struct error *err)
{
    const char *why;
    struct stat st;
    if (fstat(l->file.fd, &st) || !S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEAD)
        return error_set(err, ERR_FORMAT, "%s: its lists of vectors were cut, " MAKES_THEM, l->file.source);
    if (file_read_at(l->file.fd, h, sizeof *h, 0, &why))
        return error_set(err, ERR_IO, "%s: its lists of vectors cannot be read: %s", l->file.source, why);
    if (memcmp(h->magic, magic, sizeof magic) && memcmp(h->magic, magic, sizeof magic - 1) == 0)
        return error_set(err, ERR_FORMAT, "%s: its lists of vectors are of another version of stoker, " MAKES_THEM,
                         l->file.source);
    if (memcmp(h->magic, magic, sizeof magic) || h->sum != hash64(h, offsetof(struct lists_head, sum), 0))
        return lists_damaged(l, err);
    if (h->id != l->file.about.id || h->model != l->file.about.model || h->width != l->file.about.width)
        return lists_of_other_vectors(l, err);
    const int is_possible = h->n >= 1 && h->n <= LISTS_MOST && h->n_row >= 1 && h->n_row <= LISTS_ROWS &&
                            h->covered <= INT64_MAX && h->covered % BLOCK_ALIGN == 0 && has_last_block(l, h);
    return is_possible ? 0 : lists_damaged(l, err);
}

static int read_table(struct lists *l, uint64_t sum, struct error *err)
{
    const char *why;
    struct stat st;
    int64_t left = l->n_row;
    l->n_of = malloc((size_t)l->n * sizeof *l->n_of);
    l->at = malloc(((size_t)l->n + 1) * sizeof *l->at);
    if (!l->n_of || !l->at)
        return no_memory(l, err);
    if (file_read_at(l->file.fd, l->n_of, (uint64_t)l->n * sizeof *l->n_of, SEGMENT_HEAD, &why) ||
        fstat(l->file.fd, &st))
        return error_set(err, ERR_FORMAT, "%s: its lists of vectors were cut, " MAKES_THEM, l->file.source);
    if (table_sum(l) != sum)
        return lists_damaged(l, err);
    for (int i = 0; i < l->n; i++) {
        if (l->n_of[i] < 0 || l->n_of[i] > left)
            return lists_damaged(l, err);
        left -= l->n_of[i];
    }
    if (left)
        return lists_damaged(l, err);
    lists_lay_out(l);
    if (st.st_size < l->file.about.bytes)
        return error_set(err, ERR_FORMAT, "%s: its lists of vectors were cut, " MAKES_THEM, l->file.source);
    return st.st_size == l->file.about.bytes ? 0 : lists_damaged(l, err);
}

int lists_open(struct lists *l, const char *path, const char *source, const struct segment_about *of, struct error *err)
{
    struct lists_head h;
    *l = (struct lists){.file = {.about = *of, .source = source, .fd = -1}};
    if (of->width < 1 || of->width > SEGMENT_WIDTH_MOST)
        return lists_damaged(l, err);
    l->file.stride = block_stride(of->width);
    l->file.fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (l->file.fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    int failed = l->file.fd < 0
                     ? error_set(err, ERR_IO, "%s: its lists of vectors cannot be read, " MAKES_THEM ": %s: %s", source,
                                 path, strerror(errno))
                     : read_head(l, &h, err);
    if (!failed) {
        l->n = (int)h.n;
        l->n_row = h.n_row;
        l->covered = h.covered;
        l->rows_sum = h.rows_sum;
        l->last_block = h.last_block;
        l->last_sum = h.last_sum;
        failed = read_table(l, h.table_sum, err);
    }
    if (failed)
        lists_close(l);
    return failed ? -1 : 1;
}

void lists_close(struct lists *l)
{
    if (l->file.fd >= 0)
        close(l->file.fd);
    free(l->file.held);
    free(l->n_of);
    free(l->at);
    *l = (struct lists){.file.fd = -1};
}

/* ---- the segment ---------------------------------------- */

struct last_block {
    int n; /* blocks */
    uint64_t sum;
};

static void take_last(void *arg, const struct segment_rows *r)
{
    struct last_block *last = arg;
    last->n++;
    last->sum = r->sum;
}

int lists_bind(const struct lists *l, const struct segment *of, struct error *err)
{
    struct last_block last = {.n = 0};
    struct error why = {0};
    const struct segment_reading o = {.rows = take_last, .arg = &last};
    const struct segment_span span = {l->last_block, l->covered};
    if (l->covered > (uint64_t)of->about.bytes)
        return lists_of_other_vectors(l, err);
    if (segment_read(of, &span, 1, &o, &why) && why.code != ERR_FORMAT)
        return error_set(err, why.code, "%s", why.text);
    const int is_there = why.code == ERR_NONE && last.n == 1 && last.sum == l->last_sum;
    return is_there ? 0 : lists_of_other_vectors(l, err);
}

/* ---- all of it ---------------------------------------- */

/* The centres and all lists; free(). NULL: no memory. */
static struct segment_span *all_spans(const struct lists *l, size_t *n, struct error *err)
{
    struct segment_span *span = malloc(((size_t)l->n + 1) * sizeof *span);
    if (!span) {
        no_memory(l, err);
        return NULL;
    }
    span[0] = l->centres;
    *n = 1 + spans_of(l, NULL, l->n, span + 1);
    return span;
}

/* Rows of a file: how many, the sum of their blocks in order, and one of the rows that does not depend on their order. */
struct summing {
    size_t stride;
    int64_t n_row;
    uint64_t rows;
    struct hash_stream *blocks; /* NULL: it is not asked for */
    int numbers_are_wrong;      /* they are not 0, 1, 2 and so on, as those of centres */
    uint64_t last_block, end;   /* where the last block begins and ends, if each begins where the one before it ends */
    uint64_t last_sum;
};

static void add_rows(void *arg, const struct segment_rows *r)
{
    struct summing *s = arg;
    for (int i = 0; i < r->n; i++) {
        const uint64_t about[] = {(uint64_t)r->chunk[i], f32_bits(r->scale[i])};
        s->rows += hash64(r->code + (size_t)i * s->stride, s->stride, hash64(about, sizeof about, 0));
        s->numbers_are_wrong |= r->chunk[i] != s->n_row + i;
    }
    s->n_row += r->n;
    s->last_block = s->end;
    s->end += block_bytes(s->stride, r->n);
    s->last_sum = r->sum;
    if (s->blocks)
        hash_add(s->blocks, &r->sum, sizeof r->sum);
}

static int sum_spans(struct summing *s, const struct segment *of, const struct segment_span *span, size_t n,
                     int (*stopped)(void *arg), void *arg, struct error *err)
{
    const struct segment_reading o = {add_rows, s, stopped, arg};
    s->stride = of->stride;
    return segment_read(of, span, n, &o, err);
}

/* Each centre has the number of its list. */
static int check_centres(const struct lists *l, struct error *err)
{
    struct summing s = {.n_row = 0};
    struct error why = {0};
    if (sum_spans(&s, &l->file, &l->centres, 1, NULL, NULL, &why))
        return failed_by(l, &why, err);
    return s.n_row == l->n && !s.numbers_are_wrong ? 0 : lists_damaged(l, err);
}

int lists_hold(struct lists *l, struct error *err)
{
    size_t n;
    struct error why = {0};
    struct segment_span *span = all_spans(l, &n, err);
    if (!span)
        return -1;
    int failed = segment_hold(&l->file, span, n, &why) ? failed_by(l, &why, err) : check_centres(l, err);
    free(span);
    if (failed) {
        free(l->file.held);
        l->file.held = NULL;
    }
    return failed;
}

static int add_segment(struct summing *s, const struct segment *of, uint64_t bytes, int (*stopped)(void *arg),
                       void *arg, struct error *err)
{
    const struct segment_span span = {SEGMENT_HEAD, bytes};
    s->end = SEGMENT_HEAD;
    s->blocks = hash_begin();
    return s->blocks
               ? sum_spans(s, of, &span, bytes > SEGMENT_HEAD, stopped, arg, err)
               : error_set(err, ERR_MEMORY, "%s: no memory to read its vectors; run the command again", of->source);
}

int lists_read_rows(struct lists *l, const struct segment *of, int (*stopped)(void *arg), void *arg, struct error *err)
{
    struct summing s = {.n_row = 0};
    int failed = add_segment(&s, of, l->covered, stopped, arg, err);
    l->n_row = s.n_row;
    l->rows_sum = hash_end(s.blocks);
    l->last_block = s.last_block;
    l->last_sum = s.last_sum;
    return failed ? -1 : 0;
}

/* Who asks how far it has come, and may stop it. */
struct checking {
    int (*tick)(void *arg, int64_t done, int64_t total);
    void *arg;
    const struct summing *now;
    int64_t done, total; /* rows: before those of *now, and all */
};

static int is_stopped(void *arg)
{
    const struct checking *c = arg;
    const int64_t done = c->done + c->now->n_row;
    return c->tick && c->tick(c->arg, done < c->total ? done : c->total, c->total);
}

/* The lists have the rows that the segment's covered part has, each once. */
static int check_rows(const struct lists *l, const struct summing *rows, const struct segment *of, struct checking *c,
                      struct error *err)
{
    struct summing s = {.n_row = 0};
    struct error why = {0}; /* where no block ends there, it is not the segment that is damaged */
    c->done = rows->n_row;
    c->now = &s;
    int failed = add_segment(&s, of, l->covered, is_stopped, c, &why);
    const uint64_t sum = hash_end(s.blocks);
    if (failed && why.code != ERR_FORMAT)
        return error_set(err, why.code, "%s", why.text);
    if (failed || s.n_row != l->n_row || sum != l->rows_sum)
        return lists_of_other_vectors(l, err);
    return rows->n_row == s.n_row && rows->rows == s.rows ? 0 : lists_damaged(l, err);
}

int lists_check(const struct lists *l, const struct segment *of, int (*tick)(void *arg, int64_t done, int64_t total),
                void *arg, struct error *err)
{
    struct summing rows = {.n_row = 0};
    struct checking c = {tick, arg, &rows, 0, 2 * l->n_row};
    struct error why = {0};
    size_t n;
    struct segment_span *span = lists_bind(l, of, err) ? NULL : all_spans(l, &n, err);
    if (!span)
        return -1;
    int failed = sum_spans(&rows, &l->file, span + 1, n - 1, is_stopped, &c, &why) ? failed_by(l, &why, err) : 0;
    free(span);
    return failed || check_centres(l, err) || check_rows(l, &rows, of, &c, err) ? -1 : 0;
}

/* ---- the scan ---------------------------------------- */

struct choice {
    double score;
    int list;
};

struct choosing {
    struct choice *choice; /* [most] */
    int n, most, is_wrong;
};

static void take_centre(void *arg, int64_t list, double score)
{
    struct choosing *c = arg;
    c->is_wrong |= list != c->n || c->n == c->most;
    if (!c->is_wrong)
        c->choice[c->n++] = (struct choice){score, (int)list};
}

/* Best first; of equal ones the first list. */
static int by_score(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : x->list - y->list;
}

static int by_place(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* The lists that are read, in the order of the file, into list [n / LISTS_READ, rounded up]. */
static int choose(const struct lists *l, const float *x, const struct segment_scan *o, int *list, int n,
                  struct error *err)
{
    struct error why = {0};
    struct choosing c = {.choice = malloc((size_t)l->n * sizeof *c.choice), .most = l->n};
    struct segment_scan all = *o;
    if (!c.choice)
        return no_memory(l, err);
    all.take = take_centre;
    all.arg = &c;
    int failed = segment_scan_spans(&l->file, x, &l->centres, 1, &all, &why) ? failed_by(l, &why, err)
                 : c.is_wrong || c.n != l->n                                 ? lists_damaged(l, err)
                                                                             : 0;
    if (!failed) {
        qsort(c.choice, (size_t)c.n, sizeof *c.choice, by_score);
        for (int i = 0; i < n; i++)
            list[i] = c.choice[i].list;
        qsort(list, (size_t)n, sizeof *list, by_place);
    }
    free(c.choice);
    return failed;
}

int lists_scan(const struct lists *l, const float *x, const struct segment_scan *o, struct error *err)
{
    const int n = (l->n + LISTS_READ - 1) / LISTS_READ;
    struct error why = {0};
    int *list = malloc((size_t)n * sizeof *list);
    struct segment_span *span = malloc((size_t)n * sizeof *span);
    int failed = list && span ? choose(l, x, o, list, n, err) : no_memory(l, err);
    if (!failed && segment_scan_spans(&l->file, x, span, spans_of(l, list, n, span), o, &why))
        failed = failed_by(l, &why, err);
    free(span);
    free(list);
    return failed;
}
