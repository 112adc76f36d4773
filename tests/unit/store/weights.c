/* links: store format base */
/* Dense tensors come into memory as they are in the file, whatever their offsets and sizes; a failed read is a
 * sentence, and nobody's memory is written after the call. */
#include "store/weights.h"
#include "base/log.h"
#include "fake_model.h"
#include "fault_reader.h"
#include "store/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SIZE = 9 << 20, TENSORS = 40 };

static struct fake_model model;
static struct arena mem;
static uint8_t *bounce;

static struct reader *open_reader(const struct reader_options *opt)
{
    struct error err = {0};
    struct reader *r = NULL;
    arena_reset(&mem, 0);
    if (reader_open(&r, model.file, model.n_file, opt, &mem, &err) != 0)
        fail_msg("%s", err.text);
    return r;
}

static int setup(void **state)
{
    (void)state;
    struct error err = {0};
    fake_file(&model, fake_dir(), SIZE + 13);
    fake_file(&model, fake_dir(), 70001);
    bounce = aligned_alloc(4096, WEIGHTS_BOUNCE);
    return arena_map(&mem, 4 << 20, &err);
}

static int teardown(void **state)
{
    (void)state;
    fake_remove(&model);
    free(bounce);
    arena_unmap(&mem);
    return 0;
}

static uint64_t reported, reported_total;
static void progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    assert_true(done > reported && done <= total);
    reported = done;
    reported_total = total;
}

/* TENSORS tensors from one byte to megabytes; the last ends with the file. */
static uint64_t make_reads(struct weight_read *w, uint8_t *to)
{
    uint64_t at = 0, used = 0;
    for (int i = 0; i < TENSORS; i++) {
        uint64_t most = i % 8 == 7 ? 3 << 20 : 9000, bytes = i == 5 ? 0 : 1 + fake_random(3, (uint64_t)i) % most;
        if (i == TENSORS - 1 || at + bytes > SIZE)
            bytes = SIZE + 13 - at;
        w[i] = (struct weight_read){"dense.weight", 0, at, bytes, to + used};
        if (i == TENSORS - 2)
            w[i] = (struct weight_read){"other.weight", 1, 1, 70000, to + used};
        else
            at += bytes;
        used = (used + w[i].bytes + 63) / 64 * 64;
    }
    return used;
}

static void tensors(void **state)
{
    (void)state;
    static const struct reader_options opt[] = {{.backend = READER_URING},   {.backend = READER_URING, .depth = 1},
                                                {.backend = READER_THREADS}, {.backend = READER_BUFFERED, .depth = 2},
                                                {.ops = &fault_ops},         {.ops = &fault_ops}};
    uint8_t *to = aligned_alloc(64, 16 << 20);
    for (size_t o = 0; o < sizeof opt / sizeof *opt; o++) {
        if (opt[o].backend == READER_URING && !ring_works())
            continue;
        fault_reset(first_ops());
        fault.order = ORDER_RANDOM;
        fault.kind = o % 2 ? FAULT_SHORT : FAULT_NONE;
        fault.nth = 11;
        fault.short_by = -1;
        struct reader *r = open_reader(&opt[o]);
        struct weight_read w[TENSORS];
        struct error err = {0};
        memset(to, 0x77, 16 << 20);
        uint64_t used = make_reads(w, to);
        assert_true(used < 16 << 20);
        reported = 0;
        /* the smallest bounce, and one of a single cell */
        size_t bounce_bytes = o == 1 ? 512 << 10 : WEIGHTS_BOUNCE;
        assert_int_equal(weights_load(r, w, TENSORS, bounce, bounce_bytes, progress, NULL, &err), 0);
        for (int i = 0; i < TENSORS; i++)
            assert_memory_equal(w[i].to, model.bytes[w[i].file] + w[i].offset, w[i].bytes);
        for (uint64_t i = used; i < 16 << 20; i++)
            assert_int_equal(to[i], 0x77);
        assert_int_equal(reported, reported_total);
        assert_int_equal(reader_close(r), 0);
    }
    free(to);
}

static void failures(void **state)
{
    (void)state;
    uint8_t *to = aligned_alloc(64, 16 << 20);
    struct weight_read w[TENSORS];
    make_reads(w, to);
    for (int silent = 0; silent < 2; silent++)
        for (int nth = 1; nth < 40; nth += 19) {
            struct error err = {0};
            fault_reset(&reader_threads);
            fault.kind = silent ? FAULT_SILENCE : FAULT_ERROR;
            fault.number = EBADF;
            fault.nth = nth;
            struct reader *r = open_reader(&(struct reader_options){.ops = &fault_ops, .timeout_seconds = 0.5});
            assert_int_equal(weights_load(r, w, TENSORS, bounce, WEIGHTS_BOUNCE, NULL, NULL, &err), -1);
            assert_int_equal(err.code, ERR_IO);
            assert_non_null(strstr(err.text, ".weight)"));
            assert_non_null(strstr(err.text, silent ? "not answered for 0.5 s" : "Bad file descriptor"));
            /* the request no longer exists: a late completion must not be used */
            fault.let_go = LET_GO_RUBBISH;
            reader_poll(r);
            assert_int_equal(reader_close(r), 0);
        }
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
