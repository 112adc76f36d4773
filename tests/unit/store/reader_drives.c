/* links: store format base */
/* Who goes first, and from which drive: ranks and windows, drives side by side, second copies of files. */
#include "base/clock.h"
#include "fake_model.h"
#include "fault_reader.h"
#include "reader_bench.h"
#include "store/reader.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { MIB = 1 << 20, SIZE = (9 << 20) + 17, WINDOW = READER_WINDOW / READER_PIECE };

static const char *other_dir(void) { return "/dev/shm"; }

static void make_files(struct bench *b, const char *first, const char *second)
{
    begin_bench(b);
    fake_file(&b->model, first, SIZE);
    fake_file(&b->model, second, SIZE);
}

static void submit(struct bench *b, int i, int file, uint64_t offset, uint64_t length, enum read_rank rank)
{
    struct read_request *q = ask(b, i, file, offset, length);
    q->rank = rank;
    reader_submit(b->reader, &b->list, &q, 1);
}

static int reap_all(struct bench *b)
{
    int n = 0;
    for (struct read_request *q; (q = reader_reap(b->reader, &b->list, 1)); n++)
        check_bytes(b, q);
    return n;
}

/* No read completes here, so submitted reads stay in flight: early reads fill their window and no more; reads that are waited for
 * overtake them; promoted reads follow. */
static void ranks_and_windows(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir(), fake_dir());
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &(struct reader_options){.ops = &fault_ops});
    int n = 0;
    for (; n < 100; n++)
        submit(&b, n, 0, 0, MIB, READ_AHEAD);
    assert_int_equal(fault.given, WINDOW);
    submit(&b, n++, 0, 0, MIB, READ_SWEEP); /* the same drive is full for it too */
    assert_int_equal(fault.given, WINDOW);
    submit(&b, n++, 0, 0, MIB, READ_NOW);
    assert_int_equal(fault.given, WINDOW + 1);
    assert_ptr_equal(fault.silent[WINDOW]->request, &b.q[101]);
    reader_promote(b.reader, &b.q[98], READ_NOW);
    reader_promote(b.reader, &b.q[3], READ_NOW); /* is out already */
    reader_poll(b.reader);
    assert_int_equal(fault.given, WINDOW + 2);
    assert_ptr_equal(fault.silent[WINDOW + 1]->request, &b.q[98]);
    assert_int_equal(reader_withdraw(b.reader, &b.q[0]), 0);
    assert_int_equal(reader_withdraw(b.reader, &b.q[97]), 1);
    fault.let_go = LET_GO_READ;
    reader_poll(b.reader);
    /* the window has opened: the sweep's read before the others */
    assert_ptr_equal(fault.silent[0]->request, &b.q[100]);
    assert_int_equal(reap_all(&b), n - 1);
    assert_int_equal(close_reader(&b), 0);
    remove_files(&b);
}

/* So that some complete while others are read: a device may report many only when all are done. */
static void demands_have_a_window_too(void **state)
{
    (void)state;
    struct bench b;
    make_files(&b, fake_dir(), fake_dir());
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &(struct reader_options){.ops = &fault_ops});
    for (int n = 0; n < 150; n++)
        submit(&b, n, 0, 0, MIB, READ_NOW);
    assert_int_equal(fault.given, READER_WINDOW_NOW / READER_PIECE);
    fault.let_go = LET_GO_READ;
    assert_int_equal(reap_all(&b), 150);
    assert_int_equal(close_reader(&b), 0);
    remove_files(&b);
}

/* 0: the machine has one file system only. */
static int two_drives(struct bench *b)
{
    if (access(other_dir(), W_OK) != 0)
        return 0;
    make_files(b, fake_dir(), other_dir());
    if (b->model.file[0].dev != b->model.file[1].dev)
        return 1;
    remove_files(b);
    return 0;
}

/* Each drive has a window and a queue of its own, and they take turns from the first read on. */
static void drives_side_by_side(void **state)
{
    (void)state;
    struct bench b;
    if (!two_drives(&b))
        skip();
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &(struct reader_options){.ops = &fault_ops});
    for (int i = 0; i < 180; i++)
        submit(&b, i, i >= 90, 0, MIB, READ_AHEAD); /* all of the first drive's before the other's */
    assert_int_equal(fault.given, 2 * WINDOW);
    fault.let_go = LET_GO_READ;
    assert_int_equal(reap_all(&b), 180);
    struct reader_stats s;
    reader_stats(b.reader, &s);
    assert_int_equal(s.n_drive, 2);
    assert_int_equal(s.drive_bytes[0], 90 * (uint64_t)MIB);
    assert_int_equal(s.drive_bytes[1], 90 * (uint64_t)MIB);
    close_reader(&b);

    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    must_open(&b, &(struct reader_options){.ops = &fault_ops, .depth = 1});
    for (int i = 0; i < 8; i++)
        submit(&b, i, i >= 4, 0, MIB, READ_NOW);
    fault.let_go = LET_GO_READ;
    int before = -1;
    for (struct read_request *q; (q = reader_reap(b.reader, &b.list, 1)); before = q->file) {
        check_bytes(&b, q);
        assert_int_not_equal(q->file, before);
    }
    close_reader(&b);
    remove_files(&b);
}

/* One drive is dead: the other's reads are not late. */
static void a_dead_drive(void **state)
{
    (void)state;
    struct bench b;
    if (!two_drives(&b))
        skip();
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    fault.first_copy_only = 1; /* the first file */
    must_open(&b, &(struct reader_options){.ops = &fault_ops, .timeout_seconds = 1});
    uint64_t since = clock_ns();
    for (int i = 0; i < REQUESTS; i++)
        submit(&b, i, i % 8 == 0, 0, i % 8 ? MIB : 4096, READ_AHEAD);
    int done = 0, failed = 0;
    for (struct read_request *q; (q = reader_reap(b.reader, &b.list, 1));) {
        if (q->state == READ_FAILED)
            failed++;
        else
            check_bytes(&b, q);
        done += q->state == READ_DONE;
    }
    assert_int_equal(done, REQUESTS / 8);
    assert_int_equal(failed, REQUESTS - REQUESTS / 8);
    assert_true(clock_ns() - since < 2900000000u); /* not a timeout for each of three windows */
    assert_true(close_reader(&b) >= WINDOW);       /* reads still in flight */
    remove_files(&b);
}

/* ---- mirrors ---------------------------------------------------------------------------------------------------------------- */

static char mirror[200];

static void mirror_path(const struct bench *b, int file, char *out, size_t room)
{
    snprintf(out, room, "%s/%s", mirror, strrchr(b->model.path[file], '/') + 1);
}

static void write_mirror(const struct bench *b, int file, uint64_t size)
{
    char path[500];
    mirror_path(b, file, path, sizeof path);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (uint64_t done = 0; done < size;) {
        ssize_t n = write(fd, b->model.bytes[file] + done, size - done);
        assert_true(n > 0);
        done += (uint64_t)n;
    }
    fsync(fd);
    close(fd);
}

static void make_mirror(struct bench *b)
{
    make_files(b, fake_dir(), fake_dir());
    for (int i = 0; i < 2; i++)
        b->model.file[i].data_start = 70000;
    snprintf(mirror, sizeof mirror, "%s/stoker-mirror-%d-XXXXXX",
             access(other_dir(), W_OK) == 0 ? other_dir() : fake_dir(), (int)getpid());
    assert_non_null(mkdtemp(mirror));
    for (int i = 0; i < 2; i++)
        write_mirror(b, i, SIZE);
}

static void remove_mirror(struct bench *b)
{
    char path[500];
    for (int i = 0; i < 2; i++) {
        mirror_path(b, i, path, sizeof path);
        unlink(path);
    }
    rmdir(mirror);
    remove_files(b);
}

static void ask_many(struct bench *b)
{
    for (int i = 0; i < 120; i++)
        submit(b, i, i % 2, fake_random(3, (uint64_t)i) % (SIZE - 1500000), 1 + fake_random(4, (uint64_t)i) % 1400000,
               (enum read_rank)(i % READ_RANKS));
}

static void both_copies_are_read(void **state)
{
    (void)state;
    struct bench b;
    make_mirror(&b);
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++) {
        must_open(&b, &(struct reader_options){.backend = (enum reader_backend)backend, .mirror = mirror});
        reader_measure_drives(b.reader);
        assert_true(b.mem.used <= b.mem.size);
        ask_many(&b);
        assert_int_equal(reap_all(&b), 120);
        struct reader_stats s;
        reader_stats(b.reader, &s);
        if (b.model.file[0].dev != 0 && s.n_drive == 2) {
            assert_true(s.drive_bytes[0] > 0);
            assert_true(s.drive_bytes[1] > 0);
        }
        assert_int_equal(reader_check_files(b.reader, &b.err), 0);
        close_reader(&b);
    }
    remove_mirror(&b);
}

/* EIO of one copy: the other one is asked. Of both: a sentence. */
static void one_copy_fails(void **state)
{
    (void)state;
    struct bench b;
    make_mirror(&b);
    fault_reset(&reader_threads);
    fault.kind = FAULT_ERROR;
    fault.number = EIO;
    fault.first_copy_only = 2;
    must_open(&b, &(struct reader_options){.ops = &fault_ops, .mirror = mirror});
    ask_many(&b);
    assert_int_equal(reap_all(&b), 120);
    assert_true(fault.given > 0);
    struct reader_stats s;
    reader_stats(b.reader, &s);
    assert_int_equal(s.retries, fault.given);
    fault.first_copy_only = 0;
    submit(&b, 0, 1, 5000, 2000, READ_NOW);
    assert_int_equal(reader_reap(b.reader, &b.list, 1)->state, READ_FAILED);
    assert_int_equal(reader_error(b.reader, &b.q[0], &b.err), -1);
    assert_non_null(strstr(b.err.text, "reading 2000 bytes at 5000 failed: Input/output error"));
    close_reader(&b);
    remove_mirror(&b);
}

static void change_mirror(struct bench *b, int file, uint64_t at)
{
    char path[500];
    uint8_t other = (uint8_t)~b->model.bytes[file][at];
    mirror_path(b, file, path, sizeof path);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
    close(fd);
}

static void refused(struct bench *b, const char *dir, const char *why)
{
    assert_int_equal(open_reader(b, &(struct reader_options){.mirror = dir}), -1);
    if (!strstr(b->err.text, why))
        fail_msg("\"%s\" does not say: %s", b->err.text, why);
    free_memory(b);
}

static void invalid_copies(void **state)
{
    (void)state;
    struct bench b;
    char path[500];
    make_mirror(&b);
    refused(&b, "/nowhere", "cannot be opened: No such file or directory");
    refused(&b, fake_dir(), "is the model itself; name a folder with a copy of it");
    change_mirror(&b, 1, 69999); /* the header's last byte */
    refused(&b, mirror, "differs from the model near byte");
    write_mirror(&b, 1, SIZE - 1);
    refused(&b, mirror, "has 9437200 bytes, the model 9437201; copy it again");
    write_mirror(&b, 1, SIZE);
    for (uint64_t at = 70000; at < SIZE; at += 4096) /* what 64 places find: half of the blocks are others */
        if (at / 4096 % 2)
            change_mirror(&b, 1, at);
    refused(&b, mirror, "differs from the model near byte");
    mirror_path(&b, 0, path, sizeof path);
    unlink(path);
    refused(&b, mirror, "cannot be opened: No such file or directory");
    remove_mirror(&b);
}

static size_t left_by(pid_t pid)
{
    size_t n = 0;
    int places = strcmp(fake_dir(), other_dir()) == 0 ? 2 : 4;
    for (int i = 0; i < places; i++) {
        char pattern[300];
        glob_t found = {0};
        snprintf(pattern, sizeof pattern, "%s/stoker-%s-%d-*", i < 2 ? fake_dir() : other_dir(),
                 i % 2 ? "mirror" : "store", (int)pid);
        glob(pattern, 0, NULL, &found);
        n += found.gl_pathc;
        globfree(&found);
    }
    return n;
}

/* The next test to come takes away what a killed one left. */
static void killed_tests_leave_nothing(void **state)
{
    (void)state;
    struct bench b;
    pid_t child = fork();
    if (child == 0) {
        make_mirror(&b);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(left_by(child), 3);
    make_mirror(&b);
    fake_clean(other_dir());
    assert_int_equal(left_by(child), 0);
    assert_int_equal(left_by(getpid()), 3);
    remove_mirror(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_and_windows),    cmocka_unit_test(demands_have_a_window_too),
        cmocka_unit_test(drives_side_by_side),  cmocka_unit_test(a_dead_drive),
        cmocka_unit_test(both_copies_are_read), cmocka_unit_test(one_copy_fails),
        cmocka_unit_test(invalid_copies),       cmocka_unit_test(killed_tests_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
