/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* Pictures hold texts of any bytes and stay well-formed XML. */
#include "cli/svg/svg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

/* What stands between the tags of a text. */
static void expect_text(const char *text, const char *want)
{
    char *out = NULL, whole[256];
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    assert_non_null(f);
    svg_text(f, 1, 2, "start", "small", text);
    fclose(f);
    snprintf(whole, sizeof whole, "<text x=\"1.00\" y=\"2.00\" text-anchor=\"start\" class=\"small\">%s</text>\n",
             want);
    assert_string_equal(out, whole);
    free(out);
}

static void marks_of_xml(void **state)
{
    (void)state;
    expect_text("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c'");
    expect_text("", "");
}

static void well_formed_utf8(void **state)
{
    (void)state;
    expect_text("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
    expect_text("\xEF\xBF\xBC\xEF\xBF\xBD\xEE\x80\x80",
                "\xEF\xBF\xBC\xEF\xBF\xBD\xEE\x80\x80"); /* U+FFFC, U+FFFD, U+E000 */
}

static void bytes_that_are_not(void **state)
{
    (void)state;
    expect_text("a\xFF"
                "b",
                "a" BAD "b");
    expect_text("\xC3", BAD);
    expect_text("\xE2\x82<", BAD "&lt;");             /* cut inside a character */
    expect_text("\xED\xA0\x80", BAD BAD BAD);         /* a surrogate */
    expect_text("\xC0\xBC", BAD BAD);                 /* an overlong "<" */
    expect_text("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
}

static void characters_that_xml_has_not(void **state)
{
    (void)state;
    expect_text("\xEF\xBF\xBE\xEF\xBF\xBF", BAD BAD);
    expect_text("\x1B[2J\x7F\xC2\x85", BAD "[2J" BAD BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(marks_of_xml), cmocka_unit_test(well_formed_utf8),
                                       cmocka_unit_test(bytes_that_are_not),
                                       cmocka_unit_test(characters_that_xml_has_not)};
    return cmocka_run_group_tests_name("svg", tests, NULL, NULL);
}
