/* links: text format base */
/* Why a schema of numbers is refused: the sentence names what no number can be. */
#include "base/error.h"
#include "text/grammar/grammar.h"
#include "text/schema/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void refused(const char *text, const char *at, const char *why)
{
    struct schema_options how = {.strict = 1, .quote = -1};
    struct grammar *g = NULL;
    struct schema *s;
    struct error err = {0};
    struct grammar_maker *m = grammar_begin(NULL);
    assert_non_null(m);
    assert_int_equal(schema_open(&s, m, text, strlen(text), &how, &err), 0);
    grammar_expr e = schema_value(s, "");
    schema_close(s);
    assert_int_equal(grammar_finish(m, &e, 1, &g, &err), -1);
    if (!strstr(err.text, at) || !strstr(err.text, why))
        fail_msg("%s", err.text);
}

static void bounds_of_integers(void **state)
{
    (void)state;
    static const char range[] = "from -9223372036854775808 to 9223372036854775807";
    refused("{\"type\":\"integer\",\"minimum\":1e19}", "#/minimum", range);
    refused("{\"type\":\"integer\",\"maximum\":-1e19}", "#/maximum", range);
    refused("{\"type\":\"integer\",\"minimum\":1.2,\"maximum\":1.8}", "#/minimum", "no integer fits");
    refused("{\"type\":\"number\",\"minimum\":1e400}", "#/minimum", "no number fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_of_integers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
