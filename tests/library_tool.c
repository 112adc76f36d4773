/* links: library kernel format base
 *
 * What tests/cli/library.sh and tests/library_memory.sh need besides the program.
 *
 *     library_tool zim FILE N [DATE]     an archive of N articles, the same for the same N and DATE; neighbours are in clusters far apart
 *     library_tool add FILE DIR WINDOW [STOP]   adds it, WINDOW articles in order at a time, and stops at the commit after STOP of them
 *     library_tool dump FILE.db          all that a source holds, its index word by word, its vectors, as text
 *     library_tool text FILE.db          bytes of its text
 *     library_tool scan FILE N WIDTH     scans of N vectors by one thread: read from the drive, and held in memory
 *     library_tool recall FILE N WIDTH   how many of the 10 nearest of N vectors, exact in f32, int8 codes and lists of them find
 *     library_tool lists DIR NAME THREADS   lists of a source's vectors, however few these are */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "library/add/add.h"
#include "library/source_lists.h"
#include "library/zim/md5.h"
#include "near_vectors.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

/* ---- an archive ------------------------------------------------------------------------------------ */

enum { PER_CLUSTER = 64, PAGE = 4096 };

static uint64_t at; /* bytes written */
static struct md5 sum;

static void put(FILE *f, const void *data, size_t n)
{
    fwrite(data, 1, n, f);
    md5_add(&sum, data, n);
    at += n;
}

static void put_number(FILE *f, uint64_t v, int bytes)
{
    uint8_t b[8];
    for (int i = 0; i < bytes; i++)
        b[i] = (uint8_t)(v >> 8 * i);
    put(f, b, (size_t)bytes);
}

/* Words of a fixed list, by a generator of its own: pages differ, and their words repeat as those of a language do. */
static size_t page(char *out, uint32_t i)
{
    static const char *const words[] = {"water",   "stone",  "river", "sand",   "the",  "of",    "lamp",
                                        "harbour", "winter", "bread", "salt",   "boat", "north", "copper",
                                        "wind",    "field",  "night", "bridge", "iron", "and"};
    uint32_t x = i * 2654435761u + 1;
    size_t n = (size_t)sprintf(out, "<html><head><title>Page %u</title></head><body><h1>Page %u</h1><p>", i, i);
    for (int section = 0; section < 3; section++) {
        for (int k = 0; k < 60; k++) {
            x = x * 1664525 + 1013904223;
            n += (size_t)sprintf(out + n, "%s ", words[x >> 24 & 15 ? (x >> 16) % 20 : 4]);
            if (k % 20 == 19)
                n += (size_t)sprintf(out + n, "w%u. ", (x >> 8) % 50000);
        }
        n += (size_t)sprintf(out + n, "</p><h2 id='s%d'>Section %d</h2><p>", section, section);
    }
    return n + (size_t)sprintf(out + n, "end</p></body></html>");
}

/* Cluster c: blobs behind their offsets, compressed. */
static void put_cluster(FILE *f, uint32_t first, uint32_t n, const char *const *metadata)
{
    static char raw[(PER_CLUSTER + 1) * (PAGE + 4)], packed[sizeof raw + 4096];
    size_t end = 4 * (size_t)(n + 1);
    for (uint32_t i = 0; i <= n; i++) {
        for (int k = 0; k < 4; k++)
            raw[4 * i + (uint32_t)k] = (char)(end >> 8 * k);
        if (i < n && metadata)
            end += (size_t)sprintf(raw + end, "%s", metadata[i]);
        else if (i < n)
            end += page(raw + end, first + i);
    }
    size_t size = ZSTD_compress(packed, sizeof packed, raw, end, 1);
    put(f, "\5", 1);
    put(f, packed, size);
}

struct layout {
    uint32_t n, n_entry, n_cluster;
    uint64_t *entry, *cluster, paths, clusters, end;
    const char *date;
};

static const char *const names[] = {"Date", "License", "Name", "Title"};
static const char types[] = "text/html\0text/plain\0"; /* and the empty one: the literal's own end */

static void put_clusters(FILE *f, struct layout *l)
{
    const char *const values[] = {l->date, "CC0-1.0", "generated", "Generated pages"};
    for (uint32_t c = 0; c < l->n_cluster; c++) {
        uint32_t first = c * PER_CLUSTER, rest = l->n - first;
        l->cluster[c] = at;
        if (c + 1 == l->n_cluster)
            put_cluster(f, 0, 4, values);
        else
            put_cluster(f, first, rest < PER_CLUSTER ? rest : PER_CLUSTER, NULL);
    }
}

/* Where everything will be: clusters are written to nowhere for that. */
static int lay_out(struct layout *l)
{
    FILE *nowhere = fopen("/dev/null", "wb");
    if (!nowhere)
        return 1;
    at = 80 + sizeof types;
    for (uint32_t i = 0; i < l->n_entry; i++) {
        l->entry[i] = at;
        at += 16 + (i < l->n ? 8 : strlen(names[i - l->n])) + 2;
    }
    l->paths = at;
    l->clusters = l->paths + 8 * (uint64_t)l->n_entry;
    at = l->clusters + 8 * (uint64_t)l->n_cluster;
    put_clusters(nowhere, l);
    l->end = at;
    return fclose(nowhere);
}

static void put_header(FILE *f, const struct layout *l)
{
    put_number(f, 0x044D495A, 4);
    put_number(f, 6 | 1 << 16, 4);
    for (unsigned i = 0; i < 16; i++)
        put_number(f, l->n + i * 37 + (unsigned char)l->date[strlen(l->date) - 1] * 11u, 1);
    put_number(f, l->n_entry, 4);
    put_number(f, l->n_cluster, 4);
    put_number(f, l->paths, 8);
    put_number(f, UINT64_MAX, 8);
    put_number(f, l->clusters, 8);
    put_number(f, 80, 8);
    put_number(f, UINT32_MAX, 4);
    put_number(f, UINT32_MAX, 4);
    put_number(f, l->end, 8);
    put(f, types, sizeof types);
}

static void put_entries(FILE *f, const struct layout *l)
{
    char text[16];
    for (uint32_t i = 0; i < l->n_entry; i++) {
        int is_page = i < l->n;
        uint32_t page = (uint32_t)((uint64_t)i * 7919 % l->n); /* its own, unless N is a multiple */
        put_number(f, !is_page, 2);
        put_number(f, 0, 1);
        put(f, is_page ? "C" : "M", 1);
        put_number(f, 0, 4);
        put_number(f, is_page ? page / PER_CLUSTER : l->n_cluster - 1, 4);
        put_number(f, is_page ? page % PER_CLUSTER : i - l->n, 4);
        snprintf(text, sizeof text, "p%07u", i);
        put(f, is_page ? text : names[i - l->n], strlen(is_page ? text : names[i - l->n]) + 1);
        put(f, "", 1);
    }
}

static int make_zim(const char *path, uint32_t n, const char *date)
{
    struct layout l = {.n = n, .n_entry = n + 4, .n_cluster = (n + PER_CLUSTER - 1) / PER_CLUSTER + 1, .date = date};
    uint8_t digest[MD5_BYTES];
    FILE *f = fopen(path, "wb");
    l.entry = malloc(l.n_entry * sizeof *l.entry);
    l.cluster = malloc(l.n_cluster * sizeof *l.cluster);
    if (!f || !l.entry || !l.cluster || lay_out(&l))
        return 1;
    at = 0;
    md5_begin(&sum);
    put_header(f, &l);
    put_entries(f, &l);
    for (uint32_t i = 0; i < l.n_entry; i++)
        put_number(f, l.entry[i], 8);
    for (uint32_t c = 0; c < l.n_cluster; c++)
        put_number(f, l.cluster[c], 8);
    put_clusters(f, &l);
    md5_end(&sum, digest);
    fwrite(digest, 1, sizeof digest, f);
    free(l.entry);
    free(l.cluster);
    return fclose(f) != 0;
}

/* ---- a source -------------------------------------------------------------------------------------- */

static void print_rows(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    printf("%s\n", sql);
    while (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(q); i++)
            printf("|%s", sqlite3_column_text(q, i) ? (const char *)sqlite3_column_text(q, i) : "NULL");
        printf("\n");
        code = SQLITE_OK;
    }
    if (code != SQLITE_DONE)
        printf("FAILED: %s\n", sqlite3_errmsg(db));
    sqlite3_finalize(q);
}

static void print_row(void *arg, int64_t chunk, double score)
{
    (void)arg;
    printf("|%" PRId64 "|%a\n", chunk, score);
}

/* The rows of its segment, each by its product with one vector. */
static void print_vectors(const char *path)
{
    struct source s;
    struct source_vectors v;
    struct segment segment;
    struct error err = {0};
    const struct segment_scan o = {.tier = TIER_SCALAR, .take = print_row};
    static float x[SEGMENT_WIDTH_MOST];
    for (int i = 0; i < SEGMENT_WIDTH_MOST; i++)
        x[i] = (float)(i * 37 % 101 - 50);
    if (source_open(&s, path, "dumped", 0, &err)) {
        printf("FAILED: %s\n", err.text);
        return;
    }
    if (source_vectors_read(&s, &v, &err) == 0 && v.about.bytes) {
        printf("vectors: width %d, bytes %" PRId64 ", rows %" PRId64 ", last %" PRId64 ", lead %d, %s\n", v.about.width,
               v.about.bytes, v.n_row, v.last, v.is_lead, v.model);
        if (source_vectors_open(&s, &v, 0, &segment, &err) == 0 && segment_scan(&segment, x, &o, &err) == 0)
            segment_close(&segment);
    }
    if (err.code != ERR_NONE)
        printf("FAILED: %s\n", err.text);
    source_close(&s);
}

static int dump(const char *path, int all)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        return 1;
    if (!all) {
        print_rows(db, "SELECT sum(length) FROM article");
        sqlite3_close(db);
        return 0;
    }
    sqlite3_exec(db, "CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, fts, instance)", NULL, NULL, NULL);
    print_rows(db, "SELECT * FROM source");
    print_rows(db, "SELECT id, path, title, cluster, blob, bytes, mtime_ns, sha256, length, first, chunks, hex(text) "
                   "FROM article ORDER BY id");
    print_rows(db, "SELECT * FROM chunk ORDER BY id");
    print_rows(db, "SELECT hex(block) FROM fts_data WHERE id = 1");
    print_rows(db, "SELECT * FROM temp.v ORDER BY term, doc, col, offset");
    sqlite3_close(db);
    print_vectors(path);
    return 0;
}

/* ---- adding ---------------------------------------------------------------------------------------- */

static int stops(void *arg, const struct add_report *r) { return *(int *)arg && r->n_new >= *(int *)arg; }

static int add(const char *path, const char *dir, int window, int stop)
{
    static struct add_report r;
    struct error err = {0};
    struct add_options o = {.dir = dir, .window = (uint32_t)window, .tick = stops, .arg = &stop};
    if (library_add(path, &o, &r, &err))
        fprintf(stderr, "%s\n", err.text);
    printf("%" PRId64 " new%s\n", r.n_new, r.is_stopped ? ", stopped" : "");
    return err.code != ERR_NONE;
}

/* ---- scans ----------------------------------------------------------------------------------------- */

static void keep_best(void *arg, int64_t chunk, double score)
{
    double *best = arg;
    (void)chunk;
    *best = score > *best ? score : *best;
}

static void time_scan(const struct segment *s, const char *what, const float *x)
{
    double best = 0, from = clock_seconds();
    struct error err = {0};
    const struct segment_scan o = {.tier = TIER_COUNT - 1, .take = keep_best, .arg = &best};
    int failed = segment_scan(s, x, &o, &err);
    double seconds = clock_seconds() - from;
    printf("%-28s %7.1f ms, %5.2f GB/s, best %.9g%s\n", what, 1e3 * seconds, (double)s->about.bytes * 1e-9 / seconds,
           best, failed ? err.text : "");
}

static int fill_segment(struct segment *s, int n, float *x, struct error *err)
{
    int64_t chunk[SEGMENT_ROWS];
    uint32_t r = 1;
    for (int done = 0; done < n; done += SEGMENT_ROWS) {
        int rows = n - done < SEGMENT_ROWS ? n - done : SEGMENT_ROWS;
        for (int i = 0; i < rows * s->about.width; i++)
            x[i] = (float)(int32_t)(r = r * 1664525 + 1013904223);
        for (int i = 0; i < rows; i++)
            chunk[i] = done + i + 1;
        if (segment_append(s, chunk, x, rows, err))
            return -1;
    }
    return 0;
}

static int time_scans(const char *path, int n, int width)
{
    struct segment_about about = {.id = 1, .model = 1, .width = width};
    struct segment s = {.fd = -1};
    struct error err = {0};
    float *x = malloc(SEGMENT_ROWS * (size_t)width * sizeof *x);
    if (!x || segment_create(path, "scanned", &about, &err) || segment_open(&s, path, "scanned", &about, 1, &err) ||
        fill_segment(&s, n, x, &err)) {
        fprintf(stderr, "%s\n", x ? err.text : "no memory");
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        file_drop_cache(s.fd, 0, (uint64_t)s.about.bytes);
        time_scan(&s, "read from the drive", x);
    }
    const struct segment_span all = segment_rows_from(&s, SEGMENT_HEAD);
    if (segment_hold(&s, &all, 1, &err))
        fprintf(stderr, "%s\n", err.text);
    for (int i = 0; i < 3; i++)
        time_scan(&s, "held in memory", x);
    segment_close(&s);
    free(x);
    return err.code != ERR_NONE;
}

/* ---- recall ---------------------------------------------------------------------------------------- */

enum { QUERIES = 100 };

struct recall {
    struct segment segment;
    struct lists lists;
    int n, width;
    enum near_kind kind;
    float *query; /* [QUERIES][width] */
    struct near_best exact[QUERIES];
};

static float *query_of(const struct recall *r, int q) { return r->query + (size_t)q * (size_t)r->width; }

/* Vectors 1 to n go into the segment, each held against the queries on its way. */
static int fill_and_compare(struct recall *r, struct error *err)
{
    int64_t chunk[SEGMENT_ROWS];
    float *x = malloc(SEGMENT_ROWS * (size_t)r->width * sizeof *x);
    int failed = x ? 0 : error_set(err, ERR_MEMORY, "no memory");
    for (int done = 0; !failed && done < r->n; done += SEGMENT_ROWS) {
        int rows = r->n - done < SEGMENT_ROWS ? r->n - done : SEGMENT_ROWS;
        for (int i = 0; i < rows; i++) {
            float *row = x + (size_t)i * (size_t)r->width;
            chunk[i] = done + i + 1;
            near_vector(row, r->width, (uint32_t)chunk[i], (uint32_t)r->n, r->kind);
            for (int q = 0; q < QUERIES; q++)
                near_take(&r->exact[q], chunk[i], near_product(query_of(r, q), row, r->width));
        }
        failed = segment_append(&r->segment, chunk, x, rows, err);
    }
    free(x);
    return failed;
}

/* By all codes, or by those of the nearest lists. */
static int count_found(const struct recall *r, int by_lists, struct error *err)
{
    int found = 0, failed = 0;
    const double from = clock_seconds();
    for (int q = 0; !failed && q < QUERIES; q++) {
        struct near_best best = {.n = 0};
        const struct segment_scan o = {.tier = TIER_COUNT - 1, .take = near_take, .arg = &best};
        failed = by_lists ? lists_scan(&r->lists, query_of(r, q), &o, err)
                          : segment_scan(&r->segment, query_of(r, q), &o, err);
        found += near_common(&best, &r->exact[q]);
    }
    if (!failed)
        printf("%s, by %s: recall@10 %.4f, %.1f ms a query\n", near_names[r->kind],
               by_lists ? "the nearest lists" : "int8 codes", found / (double)(NEAR_BEST * QUERIES),
               1e3 * (clock_seconds() - from) / QUERIES);
    return failed;
}

static int make_and_open(struct recall *r, const char *path, struct error *err)
{
    char lists[PATH_MAX];
    const struct lists_options o = {.tier = TIER_COUNT - 1, .n_threads = cpu_compute_threads()};
    const double from = clock_seconds();
    snprintf(lists, sizeof lists, "%s.lists", path);
    if (lists_make(lists, &r->segment, &o, err))
        return -1;
    printf("%s: %.1f s for lists of them, by %d threads\n", near_names[r->kind], clock_seconds() - from, o.n_threads);
    const int state = lists_open(&r->lists, lists, "compared", &r->segment.about, err);
    unlink(lists);
    return state == 1 ? 0 : -1;
}

static int recall_of(struct recall *r, const char *path)
{
    struct segment_about about = {.id = 1, .model = 1, .width = r->width};
    struct error err = {0};
    r->query = malloc(QUERIES * (size_t)r->width * sizeof *r->query);
    int failed = r->query ? 0 : error_set(&err, ERR_MEMORY, "no memory");
    for (int q = 0; !failed && q < QUERIES; q++)
        near_vector(query_of(r, q), r->width, (uint32_t)(r->n + q + 1), (uint32_t)r->n, r->kind);
    failed = failed || segment_create(path, "compared", &about, &err) ||
             segment_open(&r->segment, path, "compared", &about, 1, &err) || fill_and_compare(r, &err) ||
             count_found(r, 0, &err) || make_and_open(r, path, &err) || count_found(r, 1, &err);
    if (failed)
        fprintf(stderr, "%s\n", err.text);
    segment_close(&r->segment);
    lists_close(&r->lists);
    free(r->query);
    return failed != 0;
}

static int recall(const char *path, int n, int width)
{
    int status = n < NEAR_CLUSTER || width > NEAR_WIDTH_MOST;
    for (int kind = 0; !status && kind < NEAR_KINDS; kind++) {
        struct recall r = {.segment.fd = -1, .lists.file.fd = -1, .n = n, .width = width, .kind = (enum near_kind)kind};
        status = recall_of(&r, path);
    }
    return status;
}

/* ---- lists of a source ------------------------------------------------------------------------------- */

/* However few vectors it has. */
static int make_lists(const char *dir, const char *name, int n_threads)
{
    struct lists_report r;
    struct error err = {0};
    const struct lists_options o = {.tier = TIER_COUNT - 1, .n_threads = n_threads};
    if (source_lists_make(dir, name, 0, &o, &r, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (r.anew.code != ERR_NONE)
        fprintf(stderr, "%s\n", r.anew.text);
    printf("%d lists of %" PRId64 " vectors%s\n", r.n, r.n_row, r.is_made ? ", made" : "");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "scan") == 0)
        return time_scans(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 5 && strcmp(argv[1], "recall") == 0)
        return recall(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 5 && strcmp(argv[1], "lists") == 0)
        return make_lists(argv[2], argv[3], atoi(argv[4]));
    if (argc >= 4 && strcmp(argv[1], "zim") == 0)
        return make_zim(argv[2], (uint32_t)atoi(argv[3]), argc > 4 ? argv[4] : "2026-01-01");
    if (argc >= 5 && strcmp(argv[1], "add") == 0)
        return add(argv[2], argv[3], atoi(argv[4]), argc > 5 ? atoi(argv[5]) : 0);
    if (argc == 3)
        return dump(argv[2], strcmp(argv[1], "text") != 0);
    return 2;
}
