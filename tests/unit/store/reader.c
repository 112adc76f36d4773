/* links: store format base */
/* The reader: any range of any file on every back end; it takes the memory that it stated; lists of several owners; files that shrink,
 * change or are replaced; places where io_uring or O_DIRECT are refused; the page cache stays as it was. */
#include "store/reader.h"
#include "base/log.h"
#include "fake_model.h"
#include "fault_reader.h"
#include "forbid_io_uring.h"
#include "reader_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { SIZE = (5 << 20) + 1237, RANGES = 48 };

static char last_line[480];
static int warnings;

static void on_log(enum log_level level, const char *line)
{
    warnings += level == LOG_WARN;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void make_files(struct bench *b, const char *dir)
{
    begin_bench(b);
    fake_file(&b->model, dir, SIZE);
    fake_file(&b->model, dir, 777);
}

/* Lengths from one byte to megabytes, ends of files among them. */
static void read_ranges(struct bench *b, uint64_t seed)
{
    struct read_request *batch[RANGES];
    for (int i = 0; i < RANGES; i++) {
        uint64_t x = fake_random(seed, 2 * (uint64_t)i), y = fake_random(seed, 2 * (uint64_t)i + 1);
        int file = i % 8 == 3;
        uint64_t size = b->model.file[file].size, most = i % 3 == 0 ? 2500000 : i % 3 == 1 ? 40000 : 100;
        uint64_t offset = x % size, length = 1 + y % most;
        if (i % 8 == 5 || length > size - offset)
            length = size - offset < ROOM - 8192 ? size - offset : 1;
        batch[i] = ask(b, i, file, offset, length);
    }
    reader_submit(b->reader, &b->list, batch, RANGES);
    int n = 0;
    for (struct read_request *q; (q = reader_reap(b->reader, &b->list, 1)); n++)
        check_bytes(b, q);
    assert_int_equal(n, RANGES);
    assert_null(reader_reap(b->reader, &b->list, 0));
}

static void ranges(void **state)
{
    (void)state;
    static const struct reader_options opt[] = {
        {.backend = READER_AUTO},
        {.backend = READER_URING, .depth = 1},
        {.backend = READER_URING, .depth = 32},
        {.backend = READER_URING, .depth = 1 << 20},
        {.backend = READER_THREADS, .depth = 1},
        {.backend = READER_THREADS},
        {.backend = READER_THREADS, .depth = 1000},
        {.backend = READER_BUFFERED, .depth = 1},
        {.backend = READER_BUFFERED, .depth = 32},
    };
    static const char *name[] = {"uring",   "uring",   "uring",    "uring",   "threads",
                                 "threads", "threads", "buffered", "buffered"};
    for (int memory = 0; memory < 2; memory++) {
        if (memory && access("/dev/shm", W_OK) != 0)
            break;
        struct bench b;
        make_files(&b, memory ? "/dev/shm" : fake_dir());
        for (size_t o = 0; o < sizeof opt / sizeof *opt; o++) {
            if (opt[o].backend == READER_URING && !ring_works())
                continue;
            must_open(&b, &opt[o]);
            if (o > 0 && !memory)
                assert_string_equal(reader_backend_name(b.reader), name[o]);
            assert_int_equal(reader_align(b.reader), reader_align_of(b.model.file, b.model.n_file));
            read_ranges(&b, o);
            struct reader_stats s;
            reader_stats(b.reader, &s);
            assert_int_equal(s.requests, RANGES);
            assert_true(s.pieces > s.requests && s.busy_seconds > 0 && s.piece_seconds > 0 && s.retries == 0);
            assert_true(opt[o].depth != 1 || s.piece_seconds <= s.busy_seconds);
            assert_int_equal(close_reader(&b), 0);
        }
        remove_files(&b);
    }
}

static void memory_is_as_stated(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    const struct reader_options opt = {.depth = 7};
    static _Alignas(64) uint8_t small[1024];
    arena_init(&b.mem, small, sizeof small);
    assert_int_equal(reader_open(&b.reader, b.model.file, 2, &opt, &b.mem, &b.err), -1);
    assert_int_equal(b.err.code, ERR_BUG);
    must_open(&b, &opt);
    assert_true(b.mem.used <= reader_bytes(&opt));
    close_reader(&b);
    remove_files(&b);
}

/* Two owners at once: each gets its own back. */
static void owners(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    must_open(&b, &(struct reader_options){.depth = 3});
    struct read_list other = {0};
    for (int i = 0; i < RANGES; i++) {
        struct read_request *q = ask(&b, i, 0, (uint64_t)i * 100001, 90000);
        reader_submit(b.reader, i % 2 ? &other : &b.list, &q, 1);
    }
    for (int i = 0; i < RANGES / 2; i++) {
        struct read_request *q = reader_reap(b.reader, &other, 1);
        check_bytes(&b, q);
        assert_int_equal(q->id % 2, 1);
    }
    assert_null(reader_reap(b.reader, &other, 1));
    reader_abandon(b.reader, &b.q[0]);
    int n = 0;
    while (reader_reap(b.reader, &b.list, 1))
        n++;
    assert_int_equal(n, RANGES / 2 - 1);
    close_reader(&b);
    remove_files(&b);
}

static void *read_in_thread(void *arg)
{
    read_ranges(arg, 77);
    return NULL;
}

static void another_thread_takes_over(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    for (int k = 0; k < 2; k++) {
        must_open(&b, &(struct reader_options){.backend = k ? READER_THREADS : first_backend(), .timeout_seconds = 5});
        for (int i = 0; i < 3; i++) {
            read_ranges(&b, 5);
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, read_in_thread, &b), 0);
            pthread_join(thread, NULL);
        }
        close_reader(&b);
    }
    remove_files(&b);
}

static void a_file_that_shrinks(void **state)
{
    (void)state;
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++) {
        struct bench b;
        make_files(&b, fake_dir());
        must_open(&b, &(struct reader_options){.backend = (enum reader_backend)backend});
        assert_int_equal(reader_check_files(b.reader, &b.err), 0);
        assert_int_equal(truncate(b.model.path[0], 1000000), 0);
        struct read_request *q[3] = {ask(&b, 0, 0, 999000, 900), ask(&b, 1, 0, 999000, 1500),
                                     ask(&b, 2, 0, 3000000, 2000000)};
        reader_submit(b.reader, &b.list, q, 3);
        while (reader_reap(b.reader, &b.list, 1))
            ;
        check_bytes(&b, q[0]);
        for (int i = 1; i < 3; i++) {
            struct error err = {0};
            char want[300];
            assert_int_equal(q[i]->state, READ_FAILED);
            assert_int_equal(reader_error(b.reader, q[i], &err), -1);
            snprintf(want, sizeof want,
                     "%s: reading %llu bytes at %llu failed: the file has shrunk from %d to 1000000 bytes while in use "
                     "(blk.0.ffn_up_exps.weight, expert %d)",
                     strrchr(b.model.path[0], '/') + 1, (unsigned long long)q[i]->length,
                     (unsigned long long)q[i]->offset, SIZE, i);
            assert_string_equal(err.text, want);
        }
        assert_int_equal(reader_check_files(b.reader, &b.err), -1);
        assert_non_null(strstr(b.err.text, "changed while in use; restart stoker"));
        close_reader(&b);
        remove_files(&b);
    }
}

static void files_touched_and_replaced(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    must_open(&b, &(struct reader_options){0});
    char kept[220];
    snprintf(kept, sizeof kept, "%s.kept", b.model.path[1]);
    warnings = 0;
    assert_int_equal(rename(b.model.path[1], kept), 0); /* no change of mtime or size */
    assert_int_equal(reader_check_files(b.reader, &b.err), 0);
    assert_int_equal(reader_check_files(b.reader, &b.err), 0);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_line, "was removed while in use; the opened file goes on being used"));
    close_reader(&b);
    must_open(&b, &(struct reader_options){0}); /* what was opened is found without its name */
    read_ranges(&b, 3);
    assert_int_equal(close(open(b.model.path[1], O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(reader_check_files(b.reader, &b.err), 0);
    assert_non_null(strstr(last_line, "was replaced while in use"));
    assert_int_equal(futimens(b.model.file[0].fd, NULL), 0);
    assert_int_equal(reader_check_files(b.reader, &b.err), -1);
    assert_non_null(strstr(b.err.text, "changed while in use; restart stoker"));
    close_reader(&b);
    unlink(kept);
    remove_files(&b);
}

/* The switch to buffered is the file's: one line, right bytes, the other file stays direct. */
static void direct_refused_at_the_first_read(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    for (int k = 0; k < 2; k++) {
        fault_reset(k ? &reader_threads : first_ops());
        fault.kind = FAULT_ERROR;
        fault.number = EINVAL;
        fault.nth = 1;
        fault.direct_only = 1;
        warnings = 0;
        must_open(&b, &(struct reader_options){.ops = &fault_ops});
        read_ranges(&b, 8);
        assert_int_equal(warnings, 1);
        assert_string_equal(reader_backend_name(b.reader), "fault");
        fault.nth = 0;
        read_ranges(&b, 9);
        assert_int_equal(warnings, 2);
        assert_string_equal(reader_backend_name(b.reader), "buffered");
        close_reader(&b);
    }
    remove_files(&b);
}

/* The timeout is the device's, not the queue's: a slow one that answers is no fault, a dead one fails all at once. */
static void slow_and_dead_devices(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    fault_reset(&reader_threads);
    fault.delay_us = 20000;
    const struct reader_options opt = {.ops = &fault_ops, .depth = 1, .timeout_seconds = 0.25};
    must_open(&b, &opt);
    uint64_t since = clock_ns();
    read_ranges(&b, 12);
    assert_true(clock_ns() - since > 2 * 250000000u);
    assert_int_equal(close_reader(&b), 0);

    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &opt);
    struct read_request *batch[10];
    for (int i = 0; i < 10; i++)
        batch[i] = ask(&b, i, 0, (uint64_t)i * 1000, 1000);
    since = clock_ns();
    reader_submit(b.reader, &b.list, batch, 10);
    int n = 0, draining = 0;
    for (struct read_request *q; (q = reader_reap(b.reader, &b.list, 1)); n++) {
        assert_int_equal(q->state, READ_FAILED);
        draining += q->draining;
    }
    assert_int_equal(n, 10);
    assert_int_equal(draining, 1);
    assert_true(clock_ns() - since < 2 * 250000000u);
    assert_int_equal(close_reader(&b), 1); /* the device still has it */
    remove_files(&b);
}

/* A read that completed while nobody reaped it has not timed out, however long ago: a process may be stopped for minutes. */
static void an_owner_that_was_suspended(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &(struct reader_options){.ops = &fault_ops, .timeout_seconds = 0.05});
    struct read_request *batch[10];
    for (int i = 0; i < 10; i++)
        batch[i] = ask(&b, i, 0, (uint64_t)i * 1000, 1000);
    reader_submit(b.reader, &b.list, batch, 10);
    nanosleep(&(struct timespec){0, 60000000}, NULL);
    fault.let_go = LET_GO_READ;
    int n = 0;
    for (struct read_request *q; (q = reader_reap(b.reader, &b.list, 1)); n++)
        check_bytes(&b, q);
    assert_int_equal(n, 10);
    assert_int_equal(close_reader(&b), 0);
    remove_files(&b);
}

static uint64_t resident_pages(const struct bench *b)
{
    static unsigned char in[SIZE / 4096 + 1];
    uint64_t n = 0;
    void *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, b->model.file[0].fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mincore(p, SIZE, in), 0);
    for (size_t i = 0; i < sizeof in; i++)
        n += in[i] & 1;
    munmap(p, SIZE);
    return n;
}

static void the_page_cache_stays_empty(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    if (resident_pages(&b) > 100) { /* a file system that lives there */
        remove_files(&b);
        skip();
    }
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED + 1; backend++) {
        fault_reset(first_ops()); /* the last round: buffered reads through the ring */
        fault.kind = FAULT_ERROR;
        fault.number = EINVAL;
        fault.direct_only = 1;
        struct reader_options opt = {.backend = (enum reader_backend)backend};
        if (backend > READER_BUFFERED)
            opt = (struct reader_options){.ops = &fault_ops};
        must_open(&b, &opt);
        read_ranges(&b, 4);
        close_reader(&b);
        assert_true(resident_pages(&b) <= 8);
    }
    remove_files(&b);
}

static int was_read(const struct bench *b, const struct read_request *q)
{
    return q->state == READ_DONE && !q->draining &&
           memcmp(q->to + q->offset % reader_align(b->reader), b->model.bytes[q->file] + q->offset, q->length) == 0;
}

/* 0: all as it should be; else which step was not. */
static int without_io_uring(struct bench *b)
{
    if (forbid_io_uring(EPERM) != 0)
        return 99;
    if (open_reader(b, &(struct reader_options){.backend = READER_URING}) == 0)
        return 1;
    if (strcmp(b->err.text, "io_uring does not work here: Operation not permitted; try --reader threads") != 0)
        return 2;
    if (open_reader(b, &(struct reader_options){0}) != 0)
        return 3;
    if (strcmp(reader_backend_name(b->reader), "threads") != 0)
        return 4;
    struct read_request *q = ask(b, 0, 0, 1000, 2000000);
    reader_submit(b->reader, &b->list, &q, 1);
    if (reader_reap(b->reader, &b->list, 1) != q)
        return 5;
    return was_read(b, q) ? 0 : 6;
}

static void *read_where_forbidden(void *arg)
{
    struct bench *b = arg;
    if (forbid_io_uring(EPERM) != 0)
        return "99";
    struct read_request *q = ask(b, 0, 0, 1000, 2000000);
    reader_submit(b->reader, &b->list, &q, 1);
    if (reader_reap(b->reader, &b->list, 1) != q)
        return "1";
    return was_read(b, q) ? "0" : "2";
}

/* Another thread becomes the owner and gets no ring: it reads without one. */
static int taken_over_without_io_uring(struct bench *b)
{
    pthread_t thread;
    void *found;
    if (open_reader(b, &(struct reader_options){.backend = READER_URING, .timeout_seconds = 5}) != 0)
        return 99;
    if (pthread_create(&thread, NULL, read_where_forbidden, b) != 0 || pthread_join(thread, &found) != 0)
        return 99;
    return atoi(found);
}

/* Rings that this process has open. */
static int n_rings(void)
{
    int n = 0;
    char name[32], target[32];
    for (int fd = 0; fd < 64; fd++) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(name, target, sizeof target - 1);
        target[got > 0 ? got : 0] = 0;
        n += strcmp(target, "anon_inode:[io_uring]") == 0;
    }
    return n;
}

static void *read_with_few_descriptors(void *arg)
{
    struct bench *b = arg;
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){0, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    struct read_request *first = ask(b, 0, 0, 1000, 2000000);
    reader_submit(b->reader, &b->list, &first, 1);
    setrlimit(RLIMIT_NOFILE, &old);
    return NULL;
}

/* Where no descriptor is free reads are made without a ring, and complete although there is one for later reads. */
static int taken_over_at_the_second_try(struct bench *b)
{
    pthread_t thread;
    if (open_reader(b, &(struct reader_options){.backend = READER_URING, .timeout_seconds = 5}) != 0)
        return 99;
    if (pthread_create(&thread, NULL, read_with_few_descriptors, b) != 0 || pthread_join(thread, NULL) != 0)
        return 99;
    if (n_rings() != 0)
        return 1;
    struct read_request *second = ask(b, 1, 0, 3000, 2000000);
    reader_submit(b->reader, &b->list, &second, 1);
    for (int i = 0; i < 2; i++)
        if (!reader_reap(b->reader, &b->list, 1))
            return 2;
    if (!was_read(b, &b->q[0]) || !was_read(b, second) || reader_reap(b->reader, &b->list, 1) || n_rings() != 1)
        return 3;
    return reader_close(b->reader) == 0 ? 0 : 4;
}

static void in_a_child(int (*test)(struct bench *b))
{
    struct bench b;
    make_files(&b, fake_dir());
    pid_t child = fork();
    if (child == 0)
        _exit(test(&b));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    remove_files(&b);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void io_uring_forbidden(void **state)
{
    (void)state;
    in_a_child(without_io_uring);
}

static void io_uring_forbidden_later(void **state)
{
    (void)state;
    in_a_child(taken_over_without_io_uring);
}

static void a_ring_at_the_second_try(void **state)
{
    (void)state;
    in_a_child(taken_over_at_the_second_try);
}

static void little_locked_memory(void **state)
{
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
    small = (struct rlimit){64 << 10, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &small), 0);
    struct bench b;
    make_files(&b, fake_dir());
    must_open(&b, &(struct reader_options){0});
    read_ranges(&b, 6);
    close_reader(&b);
    remove_files(&b);
    setrlimit(RLIMIT_MEMLOCK, &old);
}

/* However many are left: too few is an error and no reason to read through the page cache; enough is enough for O_DIRECT. */
static void more_files_than_descriptors(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir());
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    must_open(&b, &(struct reader_options){.backend = READER_THREADS});
    int direct = strcmp(reader_backend_name(b.reader), "buffered") != 0, most = direct ? 4 : 2;
    close_reader(&b);
    for (int left = 0; left <= most; left++) {
        small = (struct rlimit){(rlim_t)(b.model.file[1].fd + 1 + left), old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        warnings = 0;
        int rc = open_reader(&b, &(struct reader_options){.backend = READER_THREADS});
        setrlimit(RLIMIT_NOFILE, &old);
        assert_int_equal(rc, left < most ? -1 : 0);
        if (rc == 0) {
            assert_int_equal(strcmp(reader_backend_name(b.reader), "buffered") != 0, direct);
            close_reader(&b);
            continue;
        }
        assert_non_null(strstr(b.err.text, "Too many open files"));
        if (direct)
            assert_int_equal(warnings, 0);
        free(b.mem.base);
    }
    remove_files(&b);
}

int main(void)
{
    log_to(on_log);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(memory_is_as_stated),
        cmocka_unit_test(owners),
        cmocka_unit_test(another_thread_takes_over),
        cmocka_unit_test(a_file_that_shrinks),
        cmocka_unit_test(files_touched_and_replaced),
        cmocka_unit_test(direct_refused_at_the_first_read),
        cmocka_unit_test(slow_and_dead_devices),
        cmocka_unit_test(an_owner_that_was_suspended),
        cmocka_unit_test(the_page_cache_stays_empty),
        cmocka_unit_test(io_uring_forbidden),
        cmocka_unit_test(io_uring_forbidden_later),
        cmocka_unit_test(a_ring_at_the_second_try),
        cmocka_unit_test(little_locked_memory),
        cmocka_unit_test(more_files_than_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
