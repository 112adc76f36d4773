/* links: quant machine kernel format base */
/* Opening a job: of a source's beginning what pads the header may be missing. What it will take is told. */
#include "quant/quant.h"
#include "quant_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

static char model[TEMPORARY_PATH];

static void beginnings(void **state)
{
    /* A name of each length, so that padding has each. */
    static const char name[] = "blk.0.ffn_up.abcdefghijklmnopqrstuvwxyz012345.weight";
    const struct quant_options o = {
        .in = model, .out = "/nowhere/out.gguf", .program = "test", .type = "q8_0", .header_only = 1, .n_threads = 1};
    int most = 0;
    (void)state;
    for (size_t skip = 0; skip < 32; skip++) {
        const struct world_tensor t = {name + skip, TYPE_F32, 2, {32, 4}, NULL};
        struct error err = {0};
        struct stat st;
        struct gguf *g;
        int cut = 0;
        world_model(model, 1, 0, &t, 1);
        assert_int_equal(stat(model, &st), 0);
        for (;; cut++, assert_int_equal(truncate(model, st.st_size - cut), 0)) {
            struct quant_job *j;
            if (gguf_open_header(&g, model, &err))
                break;
            gguf_close(g);
            if (quant_open(&j, &o, &err))
                fail_msg("%d bytes of padding are missing: %s", cut, err.text);
            assert_int_equal(j->tensor[0].n_bytes, 4 * 34);
            quant_close(j);
        }
        most = cut > most ? cut : most;
    }
    assert_int_equal(most, 32); /* the whole, and up to 31 bytes less */
}

static long long ns_a_look; /* at this test's clock; 0: the clock is the system's */

/* Stands before the C library's. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    static long long now;
    if (ns_a_look == 0)
        return (int)syscall(SYS_clock_gettime, clock, t);
    now += ns_a_look;
    *t = (struct timespec){now / 1000000000, now % 1000000000};
    return 0;
}

/* What a row takes of this clock, times the weights, over the threads; a copy takes nothing. */
static void seconds_are_told(void **state)
{
    enum {
        ROW = 2048,
        LOOK = 20 * 1000 * 1000
    }; /* values that are tried at a time; ns, more than a trial has to take */
    const double value = 1e-9 * LOOK / ROW;
    const struct world_tensor up = {"blk.0.ffn_up.weight", TYPE_F32, 2, {4096, 1 << 20}, NULL},
                              large = {"blk.0.ffn_up.weight", TYPE_F32, 2, {4096, 100 << 20}, NULL};
    const struct {
        const struct world_tensor *t;
        const char *type;
        int n_threads;
        double seconds;
    } c[] = {{&up, "q4_k", 1, value * 0x1p32},
             {&large, "q4_k", 1, value * 100 * 0x1p32},
             {&up, "q4_k", 64, value * 0x1p26},
             {&up, "keep", 1, 0}};
    struct quant_options o = {.in = model, .out = "/nowhere/out.gguf", .program = "test", .header_only = 1};
    struct error err = {0};
    struct quant_job *j;
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        world_model(model, 1, 0, c[i].t, 1);
        o.type = c[i].type;
        o.n_threads = c[i].n_threads;
        if (quant_open(&j, &o, &err))
            fail_msg("%s", err.text);
        ns_a_look = LOOK;
        double seconds = quant_seconds(j);
        ns_a_look = 0;
        if (fabs(seconds - c[i].seconds) > 1e-6 * c[i].seconds)
            fail_msg("case %zu: %.9g s, not %.9g", i, seconds, c[i].seconds);
        quant_close(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beginnings), cmocka_unit_test(seconds_are_told)};
    close(temporary_file(model, "model"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    return status;
}
