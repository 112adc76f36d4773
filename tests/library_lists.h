/* Lists of vectors (tests/library.c): what of the nearest they find, the same bytes whatever makes them, makers that are stopped and
 * killed, damage. */
#ifndef TESTS_LIBRARY_LISTS_H
#define TESTS_LIBRARY_LISTS_H

#include "base/file.h"
#include "base/hash.h"
#include "library/vectors/lists_layout.h"
#include "library_damage.h"
#include "near_vectors.h"

#include <signal.h>

/* ---- segments of made vectors --------------------------------------------------------------------- */

struct listed {
    char folder[TEMPORARY_PATH], path[TEMPORARY_PATH + 8], lists[TEMPORARY_PATH + 16];
    struct segment segment;
    int n, width;
};

static inline void listed_begin(struct listed *t, int n, int width, enum near_kind kind)
{
    struct segment_about about = {.id = 77, .model = TEST_MODEL, .width = width};
    struct error err = {0};
    *t = (struct listed){.n = n, .width = width};
    expect(temporary_folder(t->folder, "lists") == 0, "no place for vectors");
    snprintf(t->path, sizeof t->path, "%s/rows", t->folder);
    snprintf(t->lists, sizeof t->lists, "%s.lists", t->path);
    expect(segment_create(t->path, "t", &about, &err) == 0 &&
               segment_open(&t->segment, t->path, "t", &about, 1, &err) == 0,
           "%s", err.text);
    float *x = malloc(SEGMENT_ROWS * (size_t)width * sizeof *x);
    int64_t chunk[SEGMENT_ROWS];
    for (int done = 0; done < n;) {
        int rows = 0;
        for (; rows < SEGMENT_ROWS - done % 7 && done < n; rows++, done++) { /* blocks of several lengths */
            chunk[rows] = 3 * (done + 1);
            near_vector(x + (size_t)rows * (size_t)width, width, (uint32_t)done + 1, (uint32_t)n, kind);
        }
        expect(segment_append(&t->segment, chunk, x, rows, &err) == 0, "%s", err.text);
    }
    free(x);
}

static inline void listed_end(struct listed *t)
{
    char name[sizeof t->lists + 8];
    segment_close(&t->segment);
    snprintf(name, sizeof name, "%s.new", t->lists);
    unlink(name);
    unlink(t->lists);
    unlink(t->path);
    expect(rmdir(t->folder) == 0, "%s is not empty", t->folder);
}

static inline int make(const struct listed *t, enum cpu_tier tier, int n_threads, uint64_t memory, struct error *err)
{
    const struct lists_options o = {.tier = tier, .n_threads = n_threads, .memory = memory};
    *err = (struct error){0};
    return lists_make(t->lists, &t->segment, &o, err);
}

static inline uint64_t file_hash(const char *path)
{
    size_t n = 0;
    struct error err = {0};
    char *all = file_read(path, SIZE_MAX / 2, &n, &err);
    expect(all != NULL, "%s", err.text);
    const uint64_t hash = hash64(all, n, 0);
    free(all);
    return hash;
}

static inline int there_is(const char *path, const char *end)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s", path, end);
    return access(name, F_OK) == 0;
}

static inline int open_lists(const struct listed *t, struct lists *l, struct error *err)
{
    *err = (struct error){0};
    return lists_open(l, t->lists, "t", &t->segment.about, err);
}

/* ---- what they find --------------------------------------------------------------------- */

enum { LISTED = 20000, LISTED_WIDTH = 64, ASKED = 100 };

struct marks {
    unsigned char seen[LISTED + 1];
    int n, n_twice;
};

static inline void mark(void *arg, int64_t chunk, double score)
{
    struct marks *m = arg;
    (void)score;
    m->n++;
    m->n_twice += m->seen[chunk / 3]++;
}

struct centres {
    int n, list; /* that is read */
    float scale[LISTED];
    int8_t code[LISTED][LISTED_WIDTH];
    struct marks marks;
};

static inline void take_centres(void *arg, const struct segment_rows *r)
{
    struct centres *c = arg;
    memcpy(c->code[c->n], r->code, (size_t)r->n * LISTED_WIDTH);
    memcpy(c->scale + c->n, r->scale, (size_t)r->n * sizeof *r->scale);
    c->n += r->n;
}

static inline int nearest_centre(const struct centres *c, const int8_t *row)
{
    int best = 0;
    double most = 0;
    for (int i = 0; i < c->n; i++) {
        int32_t sum = 0;
        for (int k = 0; k < LISTED_WIDTH; k++)
            sum += c->code[i][k] * row[k];
        const double score = (double)sum * (double)c->scale[i];
        best = i == 0 || score > most ? i : best;
        most = i == 0 || score > most ? score : most;
    }
    return best;
}

static inline void mark_rows(void *arg, const struct segment_rows *r)
{
    struct centres *c = arg;
    for (int i = 0; i < r->n; i++) {
        mark(&c->marks, r->chunk[i], 0);
        if (r->chunk[i] % 16 == 0)
            expect(nearest_centre(c, r->code + (size_t)i * LISTED_WIDTH) == c->list, "chunk %lld is in list %d",
                   (long long)r->chunk[i], c->list);
    }
}

/* Each row is in one list, and in that whose centre is nearest. */
static inline void every_row_once(const struct listed *t, const struct lists *l)
{
    static struct centres c;
    const struct segment_reading centres = {.rows = take_centres, .arg = &c}, rows = {.rows = mark_rows, .arg = &c};
    struct error err = {0};
    int64_t n = 0;
    memset(&c, 0, sizeof c);
    expect(segment_read(&l->file, &l->centres, 1, &centres, &err) == 0 && c.n == l->n, "%d centres", c.n);
    for (c.list = 0; c.list < l->n; c.list++) {
        const int i = c.list;
        const struct segment_span span = {l->at[i], l->at[i] + lists_bytes_of(l, l->n_of[i])};
        expect(segment_read(&l->file, &span, l->n_of[i] > 0, &rows, &err) == 0, "%s", err.text);
        n += l->n_of[i];
        expect(c.marks.n == n, "list %d has other rows than its table says", i);
    }
    expect(n == t->n && c.marks.n_twice == 0 && l->n_row == t->n && l->covered == (uint64_t)t->segment.about.bytes,
           "%d rows, %d of them twice", c.marks.n, c.marks.n_twice);
}

/* What lists find of the 10 nearest, by products in f64 and by all codes. */
static inline void recall_test(enum near_kind kind, double of_exact, double of_codes)
{
    struct listed t;
    struct lists l;
    struct error err = {0};
    int n_exact = 0, n_codes = 0, n_read = 0;
    static struct near_best exact[ASKED];
    static float query[ASKED][LISTED_WIDTH], x[LISTED_WIDTH];
    memset(exact, 0, sizeof exact);
    listed_begin(&t, LISTED, LISTED_WIDTH, kind);
    for (int q = 0; q < ASKED; q++)
        near_vector(query[q], LISTED_WIDTH, (uint32_t)(LISTED + q + 1), LISTED, kind);
    for (int i = 1; i <= LISTED; i++) {
        near_vector(x, LISTED_WIDTH, (uint32_t)i, LISTED, kind);
        for (int q = 0; q < ASKED; q++)
            near_take(&exact[q], 3 * i, near_product(query[q], x, LISTED_WIDTH));
    }
    expect(make(&t, TIER_COUNT - 1, 4, 0, &err) == 0 && open_lists(&t, &l, &err) == 1, "%s", err.text);
    expect(l.n == 565, "%d lists", l.n); /* 4 sqrt(20000) */
    every_row_once(&t, &l);
    for (int q = 0; q < ASKED; q++) {
        static struct marks m;
        struct near_best codes = {.n = 0}, lists = {.n = 0};
        struct segment_scan o = {.tier = TIER_COUNT - 1, .take = near_take, .arg = &codes};
        expect(segment_scan(&t.segment, query[q], &o, &err) == 0, "%s", err.text);
        o.arg = &lists;
        expect(lists_scan(&l, query[q], &o, &err) == 0, "%s", err.text);
        m = (struct marks){.n = 0};
        o.take = mark;
        o.arg = &m;
        expect(lists_scan(&l, query[q], &o, &err) == 0 && m.n_twice == 0, "rows twice");
        n_read += m.n;
        n_exact += near_common(&lists, &exact[q]);
        n_codes += near_common(&lists, &codes);
    }
    expect(n_exact >= of_exact * NEAR_BEST * ASKED, "%s: %d of the %d nearest", near_names[kind], n_exact,
           NEAR_BEST * ASKED);
    expect(n_codes >= of_codes * NEAR_BEST * ASKED, "%s: %d of the %d nearest by codes", near_names[kind], n_codes,
           NEAR_BEST * ASKED);
    expect(n_read < LISTED / 10 * ASKED, "%s: %d rows a query were read", near_names[kind], n_read / ASKED);
    lists_close(&l);
    listed_end(&t);
}

/* ---- the same bytes --------------------------------------------------------------------- */

struct scanned {
    uint64_t hash; /* of all that was given out, in order */
    int n;
};

static inline void take_hash(void *arg, int64_t chunk, double score)
{
    struct scanned *s = arg;
    s->hash = hash64(&chunk, sizeof chunk, s->hash);
    s->hash = hash64(&score, sizeof score, s->hash);
    s->n++;
}

static inline struct scanned scan_of(const struct lists *l, int query, enum cpu_tier tier)
{
    struct scanned s = {.n = 0};
    struct error err = {0};
    const struct segment_scan o = {.tier = tier, .take = take_hash, .arg = &s};
    expect(lists_scan(l, query_vector[query], &o, &err) == 0, "%s", err.text);
    return s;
}

/* Rows of lists, in order, of any tier, from memory or read. */
static inline void same_scans(const struct listed *t)
{
    struct lists read, held;
    struct error err = {0};
    expect(open_lists(t, &read, &err) == 1 && open_lists(t, &held, &err) == 1 && lists_hold(&held, &err) == 0, "%s",
           err.text);
    for (int q = 0; q < N_QUERY; q++) {
        const struct scanned want = scan_of(&read, q, TIER_SCALAR);
        expect(want.n > 0 && want.n < t->n / 4, "query %d: %d rows", q, want.n);
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
            const struct scanned a = scan_of(&read, q, (enum cpu_tier)tier), b = scan_of(&held, q, (enum cpu_tier)tier);
            expect(a.hash == want.hash && b.hash == want.hash, "query %d, %s: other rows", q,
                   cpu_tier_name((enum cpu_tier)tier));
        }
    }
    lists_close(&read);
    lists_close(&held);
}

static inline void same_lists_test(void)
{
    static const int n_threads[] = {1, 2, 5};
    struct listed t;
    struct error err = {0};
    listed_begin(&t, 1500, WIDTH, NEAR_SPREAD);
    expect(make(&t, TIER_SCALAR, 1, 0, &err) == 0, "%s", err.text);
    const uint64_t want = file_hash(t.lists);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int i = 0; i < 3; i++)
            expect(make(&t, (enum cpu_tier)tier, n_threads[i], 0, &err) == 0 && file_hash(t.lists) == want,
                   "%s, %d threads: another file; %s", cpu_tier_name((enum cpu_tier)tier), n_threads[i], err.text);
    same_scans(&t);
    listed_end(&t);
    listed_begin(&t, 4000, 1024, NEAR_SPREAD); /* more than one pass fills of little memory */
    expect(make(&t, TIER_COUNT - 1, 2, 0, &err) == 0, "%s", err.text);
    const uint64_t large = file_hash(t.lists);
    expect(make(&t, TIER_COUNT - 1, 2, 21 << 20, &err) == 0 && file_hash(t.lists) == large,
           "little memory: another file; %s", err.text);
    expect(make(&t, TIER_COUNT - 1, 2, 17 << 20, &err) == -1 && strstr(err.text, "would take 21 MiB, and there are 17"),
           "too little memory: %s", err.text);
    listed_end(&t);
    verdict("lists, the same bytes", "every tier, threads, memory; scans of every tier, read and held in memory");
}

/* Vectors that are all the same, of no direction, and few. */
static inline void odd_rows_test(void)
{
    struct listed t;
    struct error err = {0};
    static const int n_row[] = {1, 2, 15, 16, 17};
    for (size_t i = 0; i < sizeof n_row / sizeof *n_row; i++) {
        struct lists l;
        listed_begin(&t, n_row[i], WIDTH, NEAR_SPREAD);
        expect(make(&t, TIER_COUNT - 1, 3, 0, &err) == 0 && open_lists(&t, &l, &err) == 1 && l.n_row == n_row[i] &&
                   lists_check(&l, &t.segment, NULL, NULL, &err) == 0,
               "%d rows: %s", n_row[i], err.text);
        scan_of(&l, 0, TIER_SCALAR);
        lists_close(&l);
        listed_end(&t);
    }
    for (int value = 0; value < 2; value++) { /* rows of zeros; all the same */
        enum { ROWS = 3 * SEGMENT_ROWS };
        static float x[SEGMENT_ROWS][WIDTH];
        int64_t chunk[SEGMENT_ROWS];
        struct lists l;
        listed_begin(&t, 0, WIDTH, NEAR_SPREAD);
        for (int i = 0; i < SEGMENT_ROWS; i++)
            x[i][3] = (float)value;
        for (int from = 0; from < ROWS; from += SEGMENT_ROWS) {
            for (int i = 0; i < SEGMENT_ROWS; i++)
                chunk[i] = from + i;
            expect(segment_append(&t.segment, chunk, x[0], SEGMENT_ROWS, &err) == 0, "%s", err.text);
        }
        expect(make(&t, TIER_COUNT - 1, 2, 0, &err) == 0 && open_lists(&t, &l, &err) == 1 && l.n_of[0] == ROWS &&
                   lists_check(&l, &t.segment, NULL, NULL, &err) == 0,
               "rows of %d: %s", value, err.text);
        lists_close(&l);
        listed_end(&t);
    }
    listed_begin(&t, 0, WIDTH, NEAR_SPREAD);
    expect(make(&t, TIER_COUNT - 1, 2, 0, &err) == -1 && strstr(err.text, "not of 0"), "no rows: %s", err.text);
    listed_end(&t);
    verdict("lists, odd rows", "1 to 17, zeros, all the same: one list has them; none");
}

/* ---- who is stopped --------------------------------------------------------------------- */

struct stopping {
    int left, kills;
};

static inline int stop_at(void *arg, int64_t done, int64_t total)
{
    struct stopping *s = arg;
    expect(done >= 0 && done <= total, "%lld of %lld", (long long)done, (long long)total);
    if (s->left-- > 0)
        return 0;
    if (s->kills)
        kill(getpid(), SIGKILL);
    return 1;
}

static inline int make_until(const struct listed *t, int ticks, int kills, struct error *err)
{
    struct stopping s = {ticks, kills};
    const struct lists_options o = {.tier = TIER_COUNT - 1, .n_threads = 2, .tick = stop_at, .arg = &s};
    *err = (struct error){0};
    return lists_make(t->lists, &t->segment, &o, err);
}

/* By a process of its own. 1: it came to its end. */
static inline int make_or_die(const struct listed *t, int ticks)
{
    struct error err;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(make_until(t, ticks, 1, &err) != 0);
    expect(waitpid(pid, &status, 0) == pid && (WIFSIGNALED(status) || WEXITSTATUS(status) == 0), "tick %d: status %d",
           ticks, status);
    return !WIFSIGNALED(status);
}

/* At every moment that asks: the file is as it was, and but for kills nothing is left of what was being written. */
static inline void stopped_test(int had, int kills)
{
    struct listed t;
    struct error err = {0};
    listed_begin(&t, 700, WIDTH, NEAR_SPREAD);
    expect(make(&t, TIER_COUNT - 1, 1, 0, &err) == 0, "%s", err.text);
    const uint64_t want = file_hash(t.lists);
    if (!had)
        unlink(t.lists);
    int n = 0, is_made = 0;
    for (; !is_made && n < 1000; n++) {
        if (kills) {
            is_made = make_or_die(&t, n);
        } else {
            is_made = make_until(&t, n, 0, &err) == 0;
            expect(is_made || err.code == ERR_CANCELLED, "tick %d: %s", n, err.text);
            expect(!there_is(t.lists, ".new"), "tick %d leaves what was not finished", n);
        }
        expect(there_is(t.lists, "") == (is_made || had), "tick %d: the file has come, or gone", n);
        expect(!there_is(t.lists, "") || file_hash(t.lists) == want, "tick %d: another file", n);
    }
    expect(is_made && n > 15, "%d moments", n);
    listed_end(&t);
}

static inline void full_disk_test(void)
{
    struct listed t;
    struct error err = {0};
    struct rlimit was, less;
    listed_begin(&t, 700, WIDTH, NEAR_SPREAD);
    getrlimit(RLIMIT_FSIZE, &was);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    static const rlim_t sizes[] = {0, 4096, 16384, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        less = (struct rlimit){sizes[i], was.rlim_max};
        setrlimit(RLIMIT_FSIZE, &less);
        int state = make(&t, TIER_COUNT - 1, 2, 0, &err);
        setrlimit(RLIMIT_FSIZE, &was);
        expect(state == -1 && strstr(err.text, "t: the lists of its vectors cannot be written: ") == err.text &&
                   strstr(err.text, "; make space and run the command again") && !there_is(t.lists, "") &&
                   !there_is(t.lists, ".new"),
               "%d bytes: %s", (int)sizes[i], err.text);
    }
    signal(SIGXFSZ, before);
    listed_end(&t);
    verdict("lists, stopped", "at every moment, by a signal, by a full disk: what was there is there");
}

/* ---- damage --------------------------------------------------------------------- */

/* 0: they can be opened and are whole. */
static inline int look_at(const struct listed *t, struct error *err)
{
    struct lists l;
    int state = open_lists(t, &l, err);
    if (state == 1)
        state = lists_check(&l, &t->segment, NULL, NULL, err);
    lists_close(&l);
    return state;
}

static inline void every_byte(const struct listed *t, int fd, off_t from, off_t end, off_t step)
{
    struct error err;
    for (off_t at = from; at < end; at += step) {
        flip(fd, at);
        expect(look_at(t, &err) == -1 && strncmp(err.text, "t: its lists ", 13) == 0 &&
                   strstr(err.text, "so all its vectors are read; stoker library add with --embed makes them anew"),
               "byte %lld: %s", (long long)at, err.text);
        flip(fd, at);
    }
}

static inline void head_with(int fd, struct lists_head h)
{
    h.sum = hash64(&h, offsetof(struct lists_head, sum), 0);
    expect(pwrite(fd, &h, sizeof h, 0) == sizeof h, "the head cannot be written");
}

/* Heads whose sum is right, and that lie. */
static inline void lying_heads(const struct listed *t, int fd, const struct lists_head *was)
{
    const struct {
        size_t at;
        int64_t value;
    } lie[] = {{offsetof(struct lists_head, id), 78},
               {offsetof(struct lists_head, model), TEST_MODEL + 1},
               {offsetof(struct lists_head, width), WIDTH + 1},
               {offsetof(struct lists_head, n), 0},
               {offsetof(struct lists_head, n), -1},
               {offsetof(struct lists_head, n), 1},
               {offsetof(struct lists_head, n), LISTS_MOST},
               {offsetof(struct lists_head, n), INT64_MAX},
               {offsetof(struct lists_head, n_row), 0},
               {offsetof(struct lists_head, n_row), 699},
               {offsetof(struct lists_head, n_row), LISTS_ROWS},
               {offsetof(struct lists_head, n_row), INT64_MIN},
               {offsetof(struct lists_head, covered), SEGMENT_HEAD},
               {offsetof(struct lists_head, covered), SEGMENT_HEAD + 1},
               {offsetof(struct lists_head, covered), SEGMENT_HEAD + 64},
               {offsetof(struct lists_head, covered), 1 << 30},
               {offsetof(struct lists_head, covered), -1},
               {offsetof(struct lists_head, rows_sum), 5},
               {offsetof(struct lists_head, last_block), 0},
               {offsetof(struct lists_head, last_block), SEGMENT_HEAD},
               {offsetof(struct lists_head, last_block), -64},
               {offsetof(struct lists_head, last_block), (int64_t)was->covered},
               {offsetof(struct lists_head, last_block), (int64_t)was->covered - 64},
               {offsetof(struct lists_head, last_block), (int64_t)was->last_block + 1},
               {offsetof(struct lists_head, last_sum), 5},
               {offsetof(struct lists_head, table_sum), 5}};
    struct error err;
    for (size_t i = 0; i < sizeof lie / sizeof *lie; i++) {
        struct lists_head h = *was;
        memcpy((char *)&h + lie[i].at, &lie[i].value, sizeof lie[i].value);
        head_with(fd, h);
        expect(look_at(t, &err) == -1, "lie %zu is believed", i);
    }
    for (int version = '1'; version <= '3'; version += 2) {
        struct lists_head other = *was;
        other.magic[7] = (char)version;
        head_with(fd, other);
        expect(look_at(t, &err) == -1 && strstr(err.text, "t: its lists of vectors are of another version of stoker, "),
               "version %c: %s", version, err.text);
    }
    head_with(fd, *was);
}

/* The last number of the block at this place is another one, and the block's sum is right. */
static inline void number_with(const struct lists *l, int fd, uint64_t at, int64_t more)
{
    struct segment_block about;
    expect(pread(fd, &about, sizeof about, (off_t)at) == sizeof about, "no block");
    const size_t bytes = block_bytes(l->file.stride, about.n);
    struct segment_block *b = malloc(bytes);
    expect(b && pread(fd, b, bytes, (off_t)at) == (ssize_t)bytes, "no block");
    b->chunk[b->n - 1] += more;
    b->sum = block_sum(&l->file, b, b->n, at);
    expect(pwrite(fd, b, bytes, (off_t)at) == (ssize_t)bytes, "the block cannot be written");
    free(b);
}

/* Blocks whose sums are right, and that lie: a centre of another list, a row of another chunk. */
static inline void lying_numbers(const struct listed *t, struct lists *l, int fd)
{
    struct error err;
    int i = 0;
    while (l->n_of[i] == 0)
        i++;
    const uint64_t lie[] = {l->centres.from, l->at[i]};
    for (int k = 0; k < 2; k++) {
        number_with(l, fd, lie[k], 1);
        expect(look_at(t, &err) == -1 && strstr(err.text, "t: its lists of vectors are damaged"), "number %d: %s", k,
               err.text);
        expect(k == 1 || (lists_hold(l, &err) == -1 && strstr(err.text, "damaged")), "held: %s", err.text);
        number_with(l, fd, lie[k], -1);
    }
}

static inline void damaged_lists_test(void)
{
    struct listed t;
    struct lists l;
    struct lists_head head;
    struct error err = {0};
    struct stat st;
    listed_begin(&t, 700, WIDTH, NEAR_SPREAD);
    expect(make(&t, TIER_COUNT - 1, 1, 0, &err) == 0 && look_at(&t, &err) == 0 && open_lists(&t, &l, &err) == 1, "%s",
           err.text);
    int fd = open(t.lists, O_RDWR);
    expect(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == l.file.about.bytes &&
               pread(fd, &head, sizeof head, 0) == sizeof head,
           "%s has another length", t.lists);
    every_byte(&t, fd, 0, sizeof head, 1);
    every_byte(&t, fd, SEGMENT_HEAD, SEGMENT_HEAD + l.n * (off_t)sizeof *l.n_of, 1);
    every_byte(&t, fd, (off_t)l.centres.from, (off_t)l.centres.end, 97);
    for (int i = 0; i < l.n; i++)
        every_byte(&t, fd, (off_t)l.at[i], (off_t)(l.at[i] + lists_bytes_of(&l, l.n_of[i])), 1531);
    lying_heads(&t, fd, &head);
    lying_numbers(&t, &l, fd);
    expect(look_at(&t, &err) == 0, "%s", err.text);
    expect(ftruncate(fd, st.st_size + 1) == 0 && look_at(&t, &err) == -1 && strstr(err.text, "are damaged"),
           "longer: %s", err.text);
    for (off_t size = st.st_size - 1; size >= 0; size -= size > 9000 ? 997 : 1)
        expect(ftruncate(fd, size) == 0 && look_at(&t, &err) == -1 &&
                   strstr(err.text, "t: its lists of vectors were cut"),
               "%lld bytes: %s", (long long)size, err.text);
    close(fd);
    unlink(t.lists);
    expect(look_at(&t, &err) == 0 && err.code == ERR_NONE, "no file: %s", err.text);
    expect(mkfifo(t.lists, 0600) == 0 && look_at(&t, &err) == -1 && strstr(err.text, "were cut"), "a pipe: %s",
           err.text);
    unlink(t.lists);
    expect(symlink("rows", t.lists) == 0 && look_at(&t, &err) == -1 && strstr(err.text, "cannot be read"), "a link: %s",
           err.text);
    unlink(t.lists);
    char new[sizeof t.lists + 4];
    snprintf(new, sizeof new, "%s.new", t.lists);
    expect(symlink("rows", new) == 0 && make(&t, TIER_COUNT - 1, 1, 0, &err) == 0 && look_at(&t, &err) == 0,
           "a link in the place of what is being written: %s", err.text);
    lists_close(&l);
    listed_end(&t);
    verdict("lists, damaged",
            "every byte of head and table, blocks, every length, heads and numbers that lie, other files");
}

static inline void lists_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    load_vectors(folder);
    recall_test(NEAR_SPREAD, 0.9, 0.9);
    recall_test(NEAR_CLUSTERS, 0.95, 0.98);
    verdict("lists, recall", "of the 10 nearest of 20,000, spread out and in clusters; each row is in one list");
    same_lists_test();
    odd_rows_test();
    for (int had = 0; had < 2; had++)
        for (int kills = 0; kills < 2; kills++)
            stopped_test(had, kills);
    full_disk_test();
    damaged_lists_test();
}

#endif
