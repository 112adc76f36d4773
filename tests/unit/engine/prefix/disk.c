/* links: engine text model store op machine kernel format base */
/* Files written in the background: again after a clear, and once there is space. The tree has no model: its pages are in
 * an arena. fstatvfs() below replaces the system's, to choose the free space and to block the writer; clock_gettime() too, to let time
 * pass. */
#include "engine/prefix/disk.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4, N_PAGE = 8 };

static const struct prefix_origin of = {9, NULL};

static struct world {
    struct arena memory, tables;
    struct kv_pool pools[KV_KINDS], states;
    struct prefix_cache c;
    struct prefix_disk *d;
    struct sequence seq;
    struct prefix_cursor at;
} t;
static int32_t ids[MOST * KV_PAGE];
static char path[] = "/tmp/stoker-disk-XXXXXX";

/* ---- a file system ---------------------------------------------------------------------------------------------------------- */

static uint64_t capacity = UINT64_MAX, left_to_others;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* locked: the writer is blocked */

struct there {
    int files;
    uint64_t bytes;
};

static struct there there(void)
{
    char pattern[60];
    struct stat file;
    struct there is = {0};
    glob_t g = {0};
    snprintf(pattern, sizeof pattern, "%s/*/*.sk", path);
    is.files = glob(pattern, 0, NULL, &g) == 0 ? (int)g.gl_pathc : 0;
    for (int i = 0; i < is.files; i++)
        is.bytes += stat(g.gl_pathv[i], &file) == 0 ? (uint64_t)file.st_size : 0;
    globfree(&g);
    return is;
}

int fstatvfs(int fd, struct statvfs *out)
{
    (void)fd;
    pthread_mutex_lock(&gate);
    *out = (struct statvfs){.f_frsize = 1, .f_bavail = capacity - there().bytes, .f_blocks = 20 * left_to_others};
    pthread_mutex_unlock(&gate);
    return 0;
}

static time_t passed; /* seconds that are added to the clock */

int clock_gettime(clockid_t id, struct timespec *out)
{
    long failed = syscall(SYS_clock_gettime, id, out);
    out->tv_sec += passed;
    return (int)failed;
}

static int n_line;

static void on_log(enum log_level level, const char *line)
{
    (void)level;
    n_line += strstr(line, "the disk is full; no prefix is written for 60 s") != NULL;
}

/* ---- an engine -------------------------------------------------------------------------------------------------------------- */

static void open_world_that(int writes)
{
    struct error err = {0};
    struct kv_shape shape = {.n_head_kv = 1, .d_k = 2, .d_v = 0, .type = KV_F32};
    memset(&t, 0, sizeof t);
    assert_int_equal(arena_map(&t.memory, 1 << 20, &err), 0);
    assert_int_equal(arena_map(&t.tables, 1 << 20, &err), 0);
    assert_int_equal(kv_pool_init(&t.pools[0], &shape, 1, see_all(), N_PAGE, &t.memory, &t.tables), 0);
    assert_int_equal(state_pool_init(&t.states, 0, 0, &t.memory, &t.tables), 0);
    assert_int_equal(seq_init(&t.seq, t.pools, MOST, 0, &t.tables, &t.memory), 0);
    assert_int_equal(prefix_init(&t.c, t.pools, &t.states, N_PAGE, MOST, &t.tables), 0);
    t.c.base = 1;
    assert_int_equal(
        prefix_disk_open(
            &t.d, &t.c,
            &(struct prefix_disk_options){.path = path, .most = UINT64_MAX, .max_page = MOST, .writes = writes}, &err),
        0);
}

static void open_world(void) { open_world_that(1); }

static void close_world(void)
{
    prefix_disk_close(t.d);
    arena_unmap(&t.memory);
    arena_unmap(&t.tables);
}

/* A sequence computes n ids of a text, which become known; it stays. */
static void compute(int n, int text)
{
    for (int i = 0; i < n; i++)
        ids[i] = text * 100000 + i;
    t.at = (struct prefix_cursor){.of = of};
    assert_int_equal(seq_reserve(&t.seq, n), 0);
    prefix_publish(&t.c, &t.at, &t.seq, ids, n);
    seq_commit(&t.seq, n);
}

static void leave(void)
{
    prefix_leave(&t.c, &t.at);
    seq_clear(&t.seq);
}

/* Until all is written: so many files. */
static void write_all(int n)
{
    double begin = clock_seconds();
    while (prefix_disk_write_behind(t.d) || there().files != n || prefix_disk_stats(t.d).bytes != there().bytes) {
        assert_true(clock_seconds() - begin < 60);
        usleep(1000);
    }
}

/* Positions of the text that another engine finds in files. */
static int found(int n)
{
    open_world();
    while (prefix_disk_fetch(t.d, &of, ids, n, 0))
        ;
    int reach = prefix_reach(&t.c, &of, ids, n);
    close_world();
    return reach;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

/* After a clear, pages in use are written to new files, and what follows them is found. */
static void forgotten_in_use(void **state)
{
    (void)state;
    open_world();
    compute(3 * KV_PAGE, 1);
    write_all(3);
    prefix_clear(&t.c);
    prefix_disk_clear(t.d);
    assert_int_equal(there().files, 0);
    write_all(3);
    leave();
    close_world();
    assert_int_equal(found(3 * KV_PAGE), 3 * KV_PAGE);
}

/* The same while it is being written: that is unlinked, so its name waits. */
static void forgotten_on_the_way(void **state)
{
    (void)state;
    open_world();
    compute(KV_PAGE, 2);
    pthread_mutex_lock(&gate);
    assert_int_equal(prefix_disk_write_behind(t.d), 1);
    assert_int_equal(t.at.node->saved, 1);
    prefix_clear(&t.c);
    prefix_disk_clear(t.d);
    assert_int_equal(prefix_disk_write_behind(t.d), 1);
    assert_int_equal(t.at.node->saved, 0);
    pthread_mutex_unlock(&gate);
    write_all(1);
    leave();
    close_world();
    assert_int_equal(found(KV_PAGE), KV_PAGE);
}

/* A full file system: what was longest unused makes place for the new, from its beginning on. */
static void no_space(void **state)
{
    (void)state;
    open_world();
    compute(4 * KV_PAGE, 3);
    write_all(4);
    leave();
    capacity = there().bytes;
    compute(2 * KV_PAGE, 4);
    while (prefix_disk_write_behind(t.d))
        usleep(1000);
    leave();
    close_world();
    assert_true(there().bytes <= capacity);
    assert_int_equal(found(2 * KV_PAGE), 2 * KV_PAGE);
    for (int i = 0; i < 2 * KV_PAGE; i++)
        ids[i] = 300000 + i;
    assert_in_range(found(2 * KV_PAGE), KV_PAGE, 2 * KV_PAGE); /* the old text lost its end, not its beginning */
    capacity = UINT64_MAX;
}

/* Other programs fill the file system: deleting our files would not help, so none is deleted. */
static void filled_by_others(void **state)
{
    (void)state;
    open_world();
    compute(2 * KV_PAGE, 5);
    write_all(2);
    leave();
    capacity = there().bytes;
    left_to_others = 2 * capacity;
    compute(2 * KV_PAGE, 6);
    while (prefix_disk_write_behind(t.d))
        usleep(1000);
    leave();
    close_world();
    assert_int_equal(there().files, 2);
    for (int i = 0; i < 2 * KV_PAGE; i++)
        ids[i] = 500000 + i;
    assert_int_equal(found(2 * KV_PAGE), 2 * KV_PAGE);
    capacity = UINT64_MAX;
    left_to_others = 0;
}

static void write_what_can_be(void)
{
    for (int i = 0; i < 50 || prefix_disk_write_behind(t.d); i++) {
        prefix_disk_write_behind(t.d);
        usleep(1000);
    }
}

/* A disk that stays full is told of once a minute; when what filled it is gone, everything is written, from its beginning. */
static void tried_again(void **state)
{
    (void)state;
    open_world();
    n_line = 0;
    left_to_others = 1 << 20;
    capacity = 0;
    compute(2 * KV_PAGE, 9);
    write_what_can_be();
    assert_int_equal(n_line, 1);
    passed += 59;
    write_what_can_be();
    assert_int_equal(n_line, 1);
    passed += 2;
    write_what_can_be();
    assert_int_equal(n_line, 2);
    capacity = UINT64_MAX;
    left_to_others = 0;
    passed += 61;
    write_all(2);
    assert_int_equal(n_line, 2);
    leave();
    close_world();
    assert_int_equal(found(2 * KV_PAGE), 2 * KV_PAGE);
}

/* Another process computes n ids of a text and keeps them. */
static void written_by_another(int n, int text)
{
    int status;
    pid_t other = fork();
    assert_true(other >= 0);
    if (other == 0) {
        open_world();
        compute(n, text);
        leave();
        close_world();
        _exit(0);
    }
    assert_true(waitpid(other, &status, 0) == other && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A folder that is only read, until somebody asks to keep what is known: then all of that is written, and what another process wrote
 * meanwhile is known too. */
static void written_on_request(void **state)
{
    (void)state;
    struct error err = {0};
    open_world_that(0);
    compute(2 * KV_PAGE, 7);
    assert_int_equal(prefix_disk_write_behind(t.d), 0);
    assert_int_equal(there().files, 0);
    written_by_another(3 * KV_PAGE, 10);
    assert_int_equal(there().files, 3);
    assert_int_equal(prefix_disk_begin_writing(t.d, &err), 0);
    write_all(5);
    assert_int_equal(prefix_disk_begin_writing(t.d, &err), 0);
    leave();
    for (int i = 0; i < 3 * KV_PAGE; i++)
        ids[i] = 10 * 100000 + i;
    while (prefix_disk_fetch(t.d, &of, ids, 3 * KV_PAGE, 0))
        ;
    assert_int_equal(prefix_reach(&t.c, &of, ids, 3 * KV_PAGE), 3 * KV_PAGE);
    close_world();
    for (int i = 0; i < 2 * KV_PAGE; i++)
        ids[i] = 7 * 100000 + i;
    assert_int_equal(found(2 * KV_PAGE), 2 * KV_PAGE);
    open_world_that(0);
    compute(KV_PAGE, 8);
    leave();
    close_world();
    assert_int_equal(there().files, 5);
}

static int empty(void **state)
{
    (void)state;
    char command[80];
    snprintf(command, sizeof command, "rm -rf '%s'/*", path);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(forgotten_in_use, empty),   cmocka_unit_test_setup(forgotten_on_the_way, empty),
        cmocka_unit_test_setup(no_space, empty),           cmocka_unit_test_setup(filled_by_others, empty),
        cmocka_unit_test_setup(written_on_request, empty), cmocka_unit_test_setup(tried_again, empty)};
    if (!mkdtemp(path))
        return 1;
    log_to(on_log);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    empty(NULL);
    return rmdir(path) || failed;
}
