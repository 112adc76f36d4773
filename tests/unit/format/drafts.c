/* links: format base */
/* Which layers predict further tokens: by their tensors, whatever the keys of a file claim. Looking for each layer of the first file of
 * absurd_counts() would take years. */
#include "format/gguf.h"
#include "quant_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UP      "ffn_up.weight"
#define PREDICT "nextn.eh_proj.weight"

static char model[TEMPORARY_PATH];

static uint64_t first_of(uint32_t n_layer, uint32_t n_stated, const char *const *name, size_t n)
{
    struct world_tensor t[8];
    struct gguf *g;
    struct error err = {0};
    assert_true(n <= sizeof t / sizeof *t);
    for (size_t i = 0; i < n; i++)
        t[i] = (struct world_tensor){name[i], TYPE_F32, 1, {32}, NULL};
    world_model(model, n_layer, n_stated, t, n);
    if (gguf_open_header(&g, model, &err))
        fail_msg("%s", err.text);
    uint64_t first = gguf_first_draft(g);
    gguf_close(g);
    return first;
}

static void by_tensors(void **state)
{
    static const char *const name[] = {"blk.3." PREDICT, "blk.3." UP,     "blk.0." UP,
                                       "blk.1." UP,      "output.weight", "blk.9." UP};
    (void)state;
    assert_true(first_of(4, 1, name, 6) == 3);
    assert_true(first_of(4, 2, name, 6) == 2); /* layer 2 has no tensor */
    assert_true(first_of(4, 3, name, 6) == 2); /* layer 1 is none of them */
    assert_true(first_of(5, 1, name, 6) == 3); /* the key leaves out layer 3, and layer 4 has no tensor */
    assert_true(first_of(2, 1, name, 6) == UINT64_MAX);
    assert_true(first_of(4, 0, name, 6) == 3);          /* the key leaves out layer 3 */
    assert_true(first_of(4, 4, name, 6) == UINT64_MAX); /* not all layers can be */
}

static void absurd_counts(void **state)
{
    static const char *const name[] = {"blk.0." UP, "blk.1." UP};
    (void)state;
    assert_true(first_of(UINT32_MAX, UINT32_MAX - 1, name, 2) == UINT64_MAX);
    assert_true(first_of(GGUF_LAYERS_MOST + 1, 1, name, 2) == UINT64_MAX);
    assert_true(first_of(GGUF_LAYERS_MOST, GGUF_LAYERS_MOST - 1, name, 2) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_tensors), cmocka_unit_test(absurd_counts)};
    close(temporary_file(model, "model"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    return status;
}
