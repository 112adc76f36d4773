/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* The names of tensors that stoker knows are those of all models that it runs. */
#include "cli/inspect/lacks.h"

#include "base/error.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void of_every_architecture(void **state)
{
    (void)state;
    glob_t found;
    struct error err = {0};
    struct gguf *g;
    assert_int_equal(glob(TEST_DATA "/golden/*.gguf", 0, NULL, &found), 0);
    assert_int_equal(glob(TEST_DATA "/embeddings/*.gguf", GLOB_APPEND, NULL, &found), 0);
    assert_true(found.gl_pathc > 100);
    for (size_t f = 0; f < found.gl_pathc; f++) {
        assert_int_equal(gguf_open(&g, found.gl_pathv[f], &err), 0);
        for (uint64_t i = 0; i < g->n_tensor; i++)
            if (!is_known_tensor(g->tensor[i].name))
                fail_msg("%s of %s is missing from the names in src/cli/inspect/lacks.c", g->tensor[i].name,
                         found.gl_pathv[f]);
        gguf_close(g);
    }
    globfree(&found);
}

static void whole_names(void **state)
{
    (void)state;
    assert_true(is_known_tensor("blk.99999.attn_q.weight"));
    assert_true(is_known_tensor("blk.0.attn_q.bias"));
    assert_true(is_known_tensor("output.weight"));
    assert_true(is_known_tensor("v.blk.0.attn_q.weight"));
    assert_true(is_known_tensor("blk.3.nextn.eh_proj.weight"));
    assert_true(is_known_tensor("blk.0.attn_q.input_scale"));
    static const char *const unknown[] = {"",
                                          ".weight",
                                          "blk.0.",
                                          "blk.0.attn_q.weight.weight",
                                          "blk.0.attn",
                                          "blk.0.attn_q attn_k.weight",
                                          "blk.0.ttn_q.weight",
                                          "blk.0.attn_k.scales",
                                          "vv.blk.0.attn_q.weight",
                                          "blk.0.time_mix_w1.weight",
                                          "attn_compressor_norm_attn_compressor_norm_attn_compressor_norm_attn_q"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (is_known_tensor(unknown[i]))
            fail_msg("\"%s\" is known", unknown[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_every_architecture), cmocka_unit_test(whole_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
