/* links: engine text model store op machine kernel format base */
/* How many vectors wait for their caller at a time. */
#include "stoker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MIB = 1 << 20, TEXTS = 2048 };

static size_t places(size_t n_text, size_t n_tokens, size_t n_out, const char *pooling, struct stoker_embed *e)
{
    static struct stoker_tokens text[TEXTS];
    const struct stoker_encoder m = {.n_out = n_out, .pooling = pooling};
    for (size_t i = 0; i < n_text; i++)
        text[i].n = 3;
    text[n_text / 2].n = n_tokens;
    *e = (struct stoker_embed){.text = text, .n_text = n_text};
    return stoker_embed_places(e, &m, MIB);
}

static void many_texts_need_little(void **state)
{
    (void)state;
    struct stoker_embed e;
    assert_int_equal(places(TEXTS, 2048, 1024, "mean", &e), MIB / sizeof(float));
    assert_int_equal(e.place, 1024);
    assert_int_equal(e.n_place, 256);
    assert_int_equal(places(40, 2048, 1024, "mean", &e), 40 * 1024);
    assert_int_equal(e.n_place, 40);
}

/* Rows of 48 long texts would be hundreds of MiB. */
static void rows_of_long_texts_wait_for_each_other(void **state)
{
    (void)state;
    struct stoker_embed e;
    assert_int_equal(places(48, 2048, 768, "none", &e), 2 * 2048 * 768);
    assert_int_equal(e.place, 2048 * 768);
    assert_int_equal(e.n_place, 2);
    places(1, 2048, 768, "none", &e);
    assert_int_equal(e.n_place, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_texts_need_little),
        cmocka_unit_test(rows_of_long_texts_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
