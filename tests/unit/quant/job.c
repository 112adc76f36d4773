/* links: quant machine kernel format base */
/* Opening a job: of a source's beginning what pads the header may be missing. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beginnings)};
    close(temporary_file(model, "model"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    return status;
}
