/* links: store format base */
/* Rows of a table on disk come as they are in the file, each read at most once a step, whatever the cache, the order of completions and the
 * drive's speed; what is in the cache is what a plain model of it says; a row that cannot be read fails alone. */
#include "store/row_store.h"
#include "fake_model.h"
#include "fault_reader.h"
#include "store/row_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SIZE = (3 << 20) + 13, MOST = 600, STEPS = 40 };

static struct fake_model model;
static struct arena mem;
static struct error err;

static int setup(void **state)
{
    (void)state;
    fake_file(&model, fake_dir(), SIZE);
    return arena_map(&mem, 24 << 20, &err);
}

static int teardown(void **state)
{
    (void)state;
    fake_remove(&model);
    arena_unmap(&mem);
    return 0;
}

static struct reader *reader;
static struct row_source source;

/* The last row ends with the file. */
static struct row_store *open_store(const struct reader_options *opt, uint64_t row_bytes, int n_want, int n_cell)
{
    struct row_store *rs = NULL;
    uint64_t n_row = (SIZE - 32) / row_bytes;
    n_row = n_row < 100000 ? n_row : 100000;
    err = (struct error){0};
    arena_reset(&mem, 0);
    if (reader_open(&reader, model.file, model.n_file, opt, &mem, &err))
        fail_msg("%s", err.text);
    source = (struct row_source){model.file->path, "table.weight", 0, SIZE - n_row * row_bytes, row_bytes, n_row};
    size_t before = arena_mark(&mem);
    if (row_store_create(&rs, &mem, reader, &source, n_want, n_cell, &err))
        fail_msg("%s", err.text);
    assert_true(arena_mark(&mem) - before <= row_store_bytes(row_bytes, n_want, n_cell));
    assert_true(row_store_bytes(row_bytes, n_want, n_cell + 1000) - row_store_bytes(row_bytes, n_want, n_cell) <=
                1000 * row_store_cell_bytes(row_bytes) + 4096);
    return rs;
}

static int close_store(struct row_store *rs)
{
    row_store_destroy(rs, clock_ns() + 2000000000);
    return reader_close(reader);
}

static const uint8_t *truth(int32_t row) { return model.bytes[0] + source.offset + (uint64_t)row * source.row_bytes; }

/* Of a table with a few rows that are asked for often. */
static int random_rows(int32_t *row, uint64_t seed, uint64_t step, int most)
{
    int n = 1 + (int)(fake_random(seed, step) % (uint64_t)most);
    for (int i = 0; i < n; i++) {
        uint64_t r = fake_random(seed + 1, step * 1000 + (uint64_t)i), among = r % 4 ? 60 : source.n_row;
        row[i] = i == 0 && step % 5 == 0 ? (int32_t)source.n_row - 1 : (int32_t)(r / 4 % among % source.n_row);
    }
    return n;
}

static void take_right(struct row_store *rs, const int32_t *row, int n)
{
    static unsigned char failed[MOST];
    uint8_t *to = malloc((size_t)n * source.row_bytes);
    memset(failed, 7, sizeof failed);
    assert_int_equal(rows_take(rs, row, n, to, failed, &err), 0);
    for (int i = 0; i < n; i++) {
        assert_memory_equal(to + (size_t)i * source.row_bytes, truth(row[i]), source.row_bytes);
        assert_int_equal(failed[i], 0);
    }
    free(to);
}

static struct rows_stats stats_of(const struct row_store *rs)
{
    struct rows_stats s;
    rows_stats(rs, &s);
    return s;
}

/* Steps that ask early for the rows of the next one as well. Every end_early-th ends before it takes its own; 0: none. */
static void run_steps(struct row_store *rs, uint64_t seed, int most, int ahead, uint64_t end_early)
{
    int32_t row[MOST], next[MOST];
    for (uint64_t step = 0; step < STEPS; step++) {
        int n = random_rows(row, seed, step, most), n_next = random_rows(next, seed, step + 1, most);
        rows_want(rs, row, n, n > 16 ? READ_SWEEP : READ_NOW);
        if (ahead)
            rows_want(rs, next, n_next, READ_AHEAD);
        if (step % 3)
            rows_want(rs, row, n, READ_NOW); /* asking again is free */
        if (!end_early || step % end_early)
            take_right(rs, row, n);
        rows_step_end(rs);
    }
}

static void as_in_the_file(void **state)
{
    (void)state;
    static const struct reader_options opt[] = {{.backend = READER_AUTO},
                                                {.backend = READER_THREADS},
                                                {.backend = READER_BUFFERED, .depth = 2},
                                                {.ops = &fault_ops},
                                                {.ops = &fault_ops}};
    static const uint64_t row_bytes[] = {1, 17, 90, 512, 4096, 5001, 70001};
    static const int cells[] = {0, 1, 40, 700};
    for (size_t k = 0; k < 7; k++)
        for (size_t o = 0; o < 5; o++) {
            fault_reset(first_ops());
            fault.order = o == 3 ? ORDER_RANDOM : ORDER_REVERSED;
            fault.kind = o == 4 ? FAULT_SHORT : FAULT_NONE;
            fault.nth = 11;
            fault.short_by = -1;
            int n_cell = cells[(k + o) % 4], most = o % 2 ? 9 : o == 2 ? 50 : 300;
            struct row_store *rs = open_store(&opt[o], row_bytes[k], o == 2 ? 50 : MOST,
                                              n_cell > 300 && k > 5 ? 40 : n_cell);
            run_steps(rs, k, most, o % 2 == 0, 0);
            struct rows_stats s = stats_of(rs);
            assert_true(s.reads > 0 && s.unique <= s.wanted && s.cached < s.unique);
            assert_int_equal(s.takes, STEPS);
            if (o % 2) /* nothing is read that is not taken */
                assert_true(s.reads <= s.unique - s.cached);
            assert_int_equal(close_store(rs), 0);
        }
}

/* ---- what is in the cache ------------------------------------------------------------------------------------------------------ */

/* Rows by the time they were taken, the oldest first. */
struct plain_cache {
    int32_t row[64];
    int n, most, pinned; /* pinned: the last ones */
};

static int plain_find(const struct plain_cache *c, int32_t row)
{
    for (int i = 0; i < c->n; i++)
        if (c->row[i] == row)
            return i;
    return -1;
}

static void plain_remove(struct plain_cache *c, int i)
{
    memmove(&c->row[i], &c->row[i + 1], (size_t)(--c->n - i) * sizeof c->row[0]);
}

static int by_row(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

/* A step of these rows: how many of them were there. The others get cells of rows that the step does not use, ascending. */
static int plain_step(struct plain_cache *c, int32_t *row, int n)
{
    int hits = 0, unique = 0, kept = 0;
    qsort(row, (size_t)n, sizeof *row, by_row);
    for (int i = 0; i < n; i++)
        if (i == 0 || row[i] != row[i - 1])
            row[unique++] = row[i];
    for (int i = 0; i < unique; i++)
        hits += plain_find(c, row[i]) >= 0;
    int in = hits, at[64];
    for (int i = 0; i < unique; i++)
        if (plain_find(c, row[i]) < 0 && in < c->most) {
            at[kept++] = row[i];
            in++;
        }
    for (int i = 0; i < unique; i++)
        if (plain_find(c, row[i]) >= 0) {
            plain_remove(c, plain_find(c, row[i]));
            at[kept++] = row[i];
        }
    while (c->n + kept > c->most)
        plain_remove(c, 0);
    qsort(at, (size_t)kept, sizeof *at, by_row);
    memcpy(c->row + c->n, at, (size_t)kept * sizeof *at);
    c->n += kept;
    return hits;
}

static void the_oldest_leaves(void **state)
{
    (void)state;
    for (int most = 1; most <= 64; most += 21) {
        struct row_store *rs = open_store(&(struct reader_options){0}, 90, MOST, most);
        struct plain_cache plain = {.most = most};
        uint64_t hits = 0;
        int32_t row[MOST];
        for (uint64_t step = 0; step < 200; step++) {
            int n = random_rows(row, 5, step, step % 7 ? 12 : 100);
            rows_want(rs, row, n, READ_NOW);
            take_right(rs, row, n);
            rows_step_end(rs);
            hits += (uint64_t)plain_step(&plain, row, n);
            assert_int_equal(stats_of(rs).cached, hits);
        }
        assert_true(hits > 0);
        close_store(rs);
    }
}

static void counts_do_not_depend_on_the_drive(void **state)
{
    (void)state;
    struct rows_stats first = {0};
    for (int i = 0; i < 4; i++) {
        fault_reset(i == 3 ? &reader_threads : first_ops());
        fault.delay_us = i * 700;
        fault.order = i == 2 ? ORDER_RANDOM : ORDER_AS_IT_COMES;
        struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops}, 90, MOST, 130);
        run_steps(rs, 3, 150, 1, 7);
        struct rows_stats s = stats_of(rs);
        if (i == 0)
            first = s;
        assert_int_equal(s.wanted, first.wanted);
        assert_int_equal(s.unique, first.unique);
        assert_int_equal(s.cached, first.cached);
        assert_int_equal(s.reads, first.reads);
        assert_int_equal(s.bytes, first.bytes);
        assert_true(i < 2 || s.wait_seconds > 0);
        close_store(rs);
    }
    assert_true(first.cached > 0);
}

/* The rows of a step may be asked for by one call and taken by several. */
static void more_rows_than_a_call_takes(void **state)
{
    (void)state;
    int32_t row[300];
    for (int i = 0; i < 300; i++)
        row[i] = (i * 7919) % 20000;
    struct row_store *rs = open_store(&(struct reader_options){0}, 90, 50, 400);
    rows_want(rs, row, 300, READ_SWEEP);
    for (int i = 0; i < 300; i += 50)
        take_right(rs, row + i, 50);
    struct rows_stats s = stats_of(rs);
    assert_true(s.unique == 300 && s.cached == 0 && s.reads <= 300);
    rows_step_end(rs);
    close_store(rs);
}

/* Neighbours in a block are one read; rows of different blocks are not. */
static void rows_of_a_block_are_one_read(void **state)
{
    (void)state;
    for (int n_cell = 0; n_cell <= 100; n_cell += 100) {
        struct row_store *rs = open_store(&(struct reader_options){0}, 90, MOST, n_cell);
        int32_t far[] = {0, 1000, 2000, 1000}, near[45];
        rows_want(rs, far, 4, READ_NOW);
        take_right(rs, far, 4);
        assert_int_equal(stats_of(rs).reads, 3);
        rows_step_end(rs);
        for (int i = 0; i < 45; i++)
            near[i] = 500 + 44 - i;
        rows_want(rs, near, 45, READ_NOW);
        take_right(rs, near, 45);
        assert_int_equal(stats_of(rs).reads, 4); /* at most two blocks */
        rows_step_end(rs);
        close_store(rs);
    }
}

/* ---- faults -------------------------------------------------------------------------------------------------------------------- */

static void a_row_fails_alone(void **state)
{
    (void)state;
    static const int32_t row[] = {7, 3000, 9000, 7, 12000};
    for (int n_cell = 0; n_cell <= 50; n_cell += 50) {
        unsigned char failed[5];
        uint8_t to[5][90];
        fault_reset(&reader_threads);
        fault.kind = FAULT_ERROR;
        fault.number = EBADF;
        fault.nth = 1;
        struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops}, 90, MOST, n_cell);
        rows_want(rs, row, 5, READ_NOW);
        assert_int_equal(rows_take(rs, row, 5, to[0], failed, &err), 2);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(failed[i], row[i] == 7);
            if (row[i] == 7)
                assert_memory_equal(to[i], (const uint8_t[90]){0}, 90);
            else
                assert_memory_equal(to[i], truth(row[i]), 90);
        }
        char said[100];
        snprintf(said, sizeof said, "reading 90 bytes at %llu failed: Bad file descriptor (table.weight, row 7)",
                 (unsigned long long)(source.offset + 630));
        assert_non_null(strstr(err.text, said));
        assert_int_equal(err.code, ERR_IO);
        assert_int_equal(stats_of(rs).failed, 1);
        /* once more in this step: the same, also if it is asked for again; in the next one it is read again */
        rows_want(rs, row, 5, READ_NOW);
        if (n_cell > 0)
            assert_int_equal(rows_take(rs, row, 5, to[0], failed, &err), 2);
        rows_step_end(rs);
        fault.kind = FAULT_NONE;
        err = (struct error){0};
        take_right(rs, row, 5);
        rows_step_end(rs);
        close_store(rs);
    }
}

/* The device may still write into the buffer of a read that was given up: no other row goes there before it has. */
static void a_lost_read_keeps_its_buffer(void **state)
{
    (void)state;
    for (int n_cell = 0; n_cell <= 200; n_cell += 200) {
        static int32_t row[ROWS_IN_FLIGHT + 1];
        static uint8_t to[ROWS_IN_FLIGHT + 1][90];
        unsigned char failed[ROWS_IN_FLIGHT + 1];
        for (int i = 0; i <= ROWS_IN_FLIGHT; i++)
            row[i] = i * 400;
        fault_reset(&reader_threads);
        fault.kind = FAULT_SILENCE;
        struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops, .timeout_seconds = 0.8}, 90, MOST,
                                          n_cell);
        fault.nth = 1;
        rows_want(rs, row, 2, READ_NOW);
        assert_int_equal(rows_take(rs, row, 2, to[0], failed, &err), 1);
        assert_non_null(strstr(err.text, "not answered for 0.8 s"));
        rows_step_end(rs);
        fault.kind = FAULT_NONE;
        take_right(rs, row, ROWS_IN_FLIGHT + 1);
        rows_step_end(rs);
        fault.let_go = LET_GO_RUBBISH;
        take_right(rs, row, 10);
        rows_step_end(rs);

        /* all of them: what is left waits for none */
        fault.let_go = 0;
        fault.kind = FAULT_SILENCE;
        fault.nth = 0;
        err = (struct error){0};
        for (int i = 0; i <= ROWS_IN_FLIGHT; i++)
            row[i] = i * 400 + 200;
        assert_int_equal(rows_take(rs, row, ROWS_IN_FLIGHT + 1, to[0], failed, &err), ROWS_IN_FLIGHT + 1);
        rows_step_end(rs);
        err = (struct error){0};
        assert_int_equal(rows_take(rs, row, 1, to[0], failed, &err), 1);
        assert_non_null(strstr(
            err.text, ": row 200 of table.weight cannot be read: reads that never came back hold all of its buffers"));
        assert_ptr_equal(strstr(err.text, model.file->path), err.text);
        rows_step_end(rs);
        fault.kind = FAULT_NONE;
        fault.let_go = LET_GO_RUBBISH;
        reader_poll(reader);
        rows_poll(rs);
        take_right(rs, row, ROWS_IN_FLIGHT + 1);
        rows_step_end(rs);
        assert_int_equal(close_store(rs), 0);
    }
}

/* The sentence is about the row that was taken, not about others of its read or of another sequence. */
static void the_sentence_names_the_row(void **state)
{
    (void)state;
    for (int n_cell = 0; n_cell <= 50; n_cell += 50) {
        static const int32_t row[] = {9, 8};
        unsigned char failed[2];
        uint8_t to[2][90];
        char said[100];
        fault_reset(&reader_threads);
        fault.kind = FAULT_ERROR;
        fault.number = EBADF;
        struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops}, 90, MOST, n_cell);
        rows_want(rs, (const int32_t[]){7, 8, 9, 2000}, 4, READ_NOW);
        assert_int_equal(rows_take(rs, row, 2, to[0], failed, &err), 2);
        snprintf(said, sizeof said, "reading 90 bytes at %llu failed: Bad file descriptor (table.weight, row 9)",
                 (unsigned long long)(source.offset + 810));
        assert_non_null(strstr(err.text, said));
        rows_step_end(rs);
        close_store(rs);
    }
}

static void poll_until_failed(struct row_store *rs, uint64_t n)
{
    while (stats_of(rs).failed < n)
        rows_poll(rs);
}

/* A read for a later step that fails: the step that takes its row reads it again, and so does whoever asks for it before. */
static void an_early_read_may_fail(void **state)
{
    (void)state;
    static const int32_t now[] = {10, 2000}, next[] = {4000};
    for (int after_the_step = 0; after_the_step <= 1; after_the_step++) {
        fault_reset(&reader_threads);
        fault.kind = FAULT_ERROR;
        fault.number = EBADF;
        fault.nth = 3;
        struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops}, 90, MOST, 50);
        rows_want(rs, now, 2, READ_NOW);
        if (after_the_step) {
            take_right(rs, now, 2);
            rows_step_end(rs);
        }
        rows_want(rs, next, 1, READ_AHEAD);
        poll_until_failed(rs, 1);
        if (!after_the_step) {
            take_right(rs, now, 2);
            rows_step_end(rs);
        }
        fault.kind = FAULT_NONE;
        if (after_the_step)
            rows_want(rs, next, 1, READ_NOW);
        take_right(rs, next, 1);
        rows_step_end(rs);
        rows_want(rs, next, 1, READ_NOW);
        take_right(rs, next, 1);
        assert_int_equal(stats_of(rs).cached, after_the_step);
        close_store(rs);
    }
}

/* ---- rows that were asked for and not taken --------------------------------------------------------------------------------------- */

/* Nobody waits for a read whose row nobody takes, and its row can be read again; closing waits only for what has not come back. */
static void nobody_waits_for_what_is_not_taken(void **state)
{
    (void)state;
    static const int32_t first[] = {0}, others[] = {0, 1000, 2000};
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    fault.nth = 1;
    struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops, .timeout_seconds = 6}, 90, MOST, 50);
    rows_want(rs, first, 1, READ_NOW);
    rows_want(rs, others + 1, 2, READ_NOW);
    take_right(rs, others + 1, 2);
    rows_step_end(rs);
    assert_int_equal(stats_of(rs).failed, 0);
    fault.kind = FAULT_NONE;
    for (int step = 0; step < 2; step++) {
        rows_want(rs, others, 3, READ_NOW);
        take_right(rs, others, 3);
        rows_step_end(rs);
    }
    assert_int_equal(stats_of(rs).failed, 0);
    assert_int_equal(stats_of(rs).reads, 4);
    assert_int_equal(stats_of(rs).cached, 2 + 3);
    poll_until_failed(rs, 1);
    fault.let_go = LET_GO_RUBBISH;
    uint64_t since = clock_ns();
    row_store_destroy(rs, since + 30000000000);
    assert_true(clock_ns() - since < 10000000000);
    assert_int_equal(reader_close(reader), 0);
}

/* Others of its read come all the same, whether the read waits in the queue or is with the device. */
static void others_of_its_read_stay(void **state)
{
    (void)state;
    enum { FAR = ROWS_IN_FLIGHT + 1 }; /* one of them waits in the queue before the block */
    static uint8_t to[FAR][90];
    for (int queued = 0; queued <= 1; queued++)
        for (int kept = 1; kept < 8; kept++) {
            int32_t block[] = {500, 501, 502}, next[3], far[FAR];
            int n = 0;
            for (int i = 0; i < 3; i++)
                if (kept >> i & 1)
                    next[n++] = block[i];
            for (int i = 0; i < FAR; i++)
                far[i] = 1000 + 100 * i;
            fault_reset(&reader_threads);
            fault.kind = FAULT_SILENCE;
            struct row_store *rs = open_store(&(struct reader_options){.ops = &fault_ops, .timeout_seconds = 60}, 90,
                                              MOST, 100);
            if (queued)
                rows_want(rs, far, FAR, READ_AHEAD);
            rows_want(rs, block, 3, READ_NOW);
            rows_want(rs, next, n, READ_AHEAD);
            rows_step_end(rs);
            uint64_t reads = queued ? FAR + 1 : 1;
            assert_int_equal(stats_of(rs).reads, reads);
            fault.kind = FAULT_NONE;
            fault.let_go = LET_GO_READ;
            rows_want(rs, next, n, READ_NOW);
            take_right(rs, next, n);
            assert_int_equal(stats_of(rs).reads, reads);
            if (queued) {
                unsigned char failed[FAR];
                assert_int_equal(rows_take(rs, far, FAR, to[0], failed, &err), 0);
                assert_int_equal(stats_of(rs).reads, reads);
            }
            rows_step_end(rs);
            rows_want(rs, block, 3, READ_NOW);
            take_right(rs, block, 3);
            assert_int_equal(stats_of(rs).reads, reads + (n < 3));
            assert_int_equal(stats_of(rs).cached, n);
            rows_step_end(rs);
            assert_int_equal(close_store(rs), 0);
        }
}

/* They have no cell behind their step, and one until then. */
static void what_is_not_taken_stays_no_longer(void **state)
{
    (void)state;
    int32_t first[] = {1, 1001, 2001}, second[] = {5, 1005, 2005};
    struct row_store *rs = open_store(&(struct reader_options){0}, 90, MOST, 3);
    rows_want(rs, first, 3, READ_NOW);
    rows_step_end(rs);
    rows_want(rs, first, 3, READ_AHEAD); /* for the step after this one: there is no cell for others */
    assert_int_equal(stats_of(rs).reads, 6);
    rows_want(rs, second, 3, READ_NOW);
    take_right(rs, second, 3);
    assert_int_equal(stats_of(rs).reads, 9);
    rows_step_end(rs);
    rows_want(rs, second, 3, READ_NOW);
    take_right(rs, second, 3);
    rows_step_end(rs);
    assert_int_equal(stats_of(rs).reads, 12);
    rows_want(rs, second, 3, READ_NOW); /* that step did not take the first ones */
    take_right(rs, second, 3);
    rows_step_end(rs);
    rows_want(rs, second, 3, READ_NOW);
    rows_step_end(rs); /* what was taken once stays, though this step did not take it */
    take_right(rs, second, 3);
    assert_int_equal(stats_of(rs).reads, 15);
    rows_step_end(rs);
    rows_want(rs, first, 3, READ_AHEAD);
    close_store(rs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_in_the_file),
        cmocka_unit_test(the_oldest_leaves),
        cmocka_unit_test(counts_do_not_depend_on_the_drive),
        cmocka_unit_test(more_rows_than_a_call_takes),
        cmocka_unit_test(rows_of_a_block_are_one_read),
        cmocka_unit_test(a_row_fails_alone),
        cmocka_unit_test(a_lost_read_keeps_its_buffer),
        cmocka_unit_test(the_sentence_names_the_row),
        cmocka_unit_test(an_early_read_may_fail),
        cmocka_unit_test(nobody_waits_for_what_is_not_taken),
        cmocka_unit_test(others_of_its_read_stay),
        cmocka_unit_test(what_is_not_taken_stays_no_longer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
