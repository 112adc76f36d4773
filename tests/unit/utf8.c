/* links: base */
/* Texts from files are made plain before they are shown: no control character and no broken UTF-8 is left, all else stays. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *text, const char *plain)
{
    char copy[64];
    strcpy(copy, text);
    utf8_make_plain(copy);
    assert_string_equal(copy, plain);
}

static void plain_texts(void **state)
{
    (void)state;
    becomes("", "");
    becomes("model-00001-of-00002.gguf", "model-00001-of-00002.gguf");
    becomes("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80", "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80");
    becomes("a\x1B[31mb\nc\x7F", "a?[31mb?c?");
    becomes("a\xFF\xE2\x82", "a???");           /* broken; cut off at the end */
    becomes("\xED\xA0\x80x\xC0\x80", "???x??"); /* a surrogate; an overlong form */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
