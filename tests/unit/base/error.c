/* links: base */
/* error_set: the first error wins, the sentence is cut rather than overrun, and stays on one line. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void first_error_wins(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERR_FORMAT, "%s has %d rows", "a.weight", 0), -1);
    assert_int_equal(error_set(&err, ERR_IO, "later"), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.text, "a.weight has 0 rows");
}

static void long_sentences_are_cut(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct error err = {0};
    error_set(&err, ERR_INPUT, "%s", name);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void names_cannot_break_the_line(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERR_FORMAT, "%s: \"%s\" is no name", "m\xc3\xb6hre.gguf", "a\n\033[2Jb\177");
    assert_string_equal(err.text, "m\xc3\xb6hre.gguf: \"a??[2Jb?\" is no name");
}

/* C1 controls, in UTF-8 and alone; characters that turn the order of others; one that is cut. */
static void names_cannot_steer_the_terminal(void **state)
{
    (void)state;
    char name[1000] = "";
    struct error err = {0}, cut = {0};
    error_set(&err, ERR_FORMAT, "%s",
              "a\xc2\x9b"
              "2Jb\x9b"
              "c\xe2\x80\xae"
              "d\xc2\xa0");
    assert_string_equal(err.text, "a??2Jb?c???d\xc2\xa0");
    error_field(&err, "e\xc2\x9b");
    assert_string_equal(err.field, "e??");
    memset(name, 'x', sizeof cut.text - 2);
    error_set(&cut, ERR_INPUT, "%s\xc3\xb6", name);
    assert_int_equal(cut.text[sizeof cut.text - 2], '?');
}

static void the_field_belongs_to_the_error(void **state)
{
    (void)state;
    struct error none = {0}, err = {0};
    assert_int_equal(error_field(&none, "a"), -1);
    assert_string_equal(none.field, ""); /* there is no error */
    error_set(&err, ERR_INPUT, "wrong");
    assert_int_equal(error_field(&err, "%s", ""), -1);
    assert_int_equal(error_field(&err, "tools[%d].\n", 7), -1);
    error_field(&err, "later");
    assert_string_equal(err.field, "tools[7].?");
    assert_int_equal(error_field(NULL, "dropped"), -1);
}

static void nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERR_INPUT, "dropped"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(names_cannot_break_the_line),
        cmocka_unit_test(names_cannot_steer_the_terminal),
        cmocka_unit_test(the_field_belongs_to_the_error),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
