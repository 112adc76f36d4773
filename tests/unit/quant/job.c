/* links: quant machine kernel format base */
/* Opening a job: of a source's beginning what pads the header may be missing. What it will take is told. */
#include "quant/quant.h"
#include "quant_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

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

/* Of more weights more, of more threads less, of a copy nothing; what is told is measured, so held within a factor. */
static void seconds_are_told(void **state)
{
    const struct world_tensor t = {"blk.0.ffn_up.weight", TYPE_F32, 2, {4096, 1 << 20}, NULL},
                              more = {"blk.0.ffn_up.weight", TYPE_F32, 2, {4096, 100 << 20}, NULL};
    struct quant_options o = {
        .in = model, .out = "/nowhere/out.gguf", .program = "test", .type = "q4_k", .header_only = 1, .n_threads = 1};
    struct error err = {0};
    struct quant_job *j;
    double seconds[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        world_model(model, 1, 0, i == 1 ? &more : &t, 1);
        o.n_threads = i == 2 ? 64 : 1;
        o.type = i == 3 ? "keep" : "q4_k";
        if (quant_open(&j, &o, &err))
            fail_msg("%s", err.text);
        seconds[i] = quant_seconds(j);
        quant_close(j);
    }
    assert_true(seconds[0] > 1 && seconds[0] < 1e6);
    assert_true(seconds[1] > 10 * seconds[0] && seconds[2] < seconds[0] / 4 && seconds[2] > 0);
    assert_true(seconds[3] < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beginnings), cmocka_unit_test(seconds_are_told)};
    close(temporary_file(model, "model"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    return status;
}
