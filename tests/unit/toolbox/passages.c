/* links: toolbox base */
/* Numbers of passages, and the citations of texts. */
#include "toolbox/passages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int number_of(struct passages *p, const char *source, int64_t chunk)
{
    char name[40], title[] = "Title", date[] = "", url[] = "/library/a/b";
    snprintf(name, sizeof name, "%s", source);
    return passages_number(p,
                           &(struct passage){.chunk = chunk, .source = name, .title = title, .date = date, .url = url});
}

static void a_passage_keeps_its_number(void **state)
{
    struct passages p = {.before = 0};
    (void)state;
    assert_int_equal(number_of(&p, "a", 7), 1);
    assert_int_equal(number_of(&p, "b", 7), 2);
    assert_int_equal(number_of(&p, "a", 8), 3);
    assert_int_equal(number_of(&p, "a", 7), 1);
    passages_cut(&p, 2);
    assert_null(passages_get(&p, 3));
    assert_int_equal(number_of(&p, "c", 1), 3);
    assert_string_equal(passages_get(&p, 3)->source, "c");
    assert_null(passages_get(&p, 0));
    assert_null(passages_get(&p, -1));
    assert_null(passages_get(&p, 4));
    passages_free(&p);
}

static void numbers_go_on_behind_others(void **state)
{
    struct passages p = {.before = 12};
    (void)state;
    assert_int_equal(number_of(&p, "a", 1), 13);
    assert_null(passages_get(&p, 12));
    assert_non_null(passages_get(&p, 13));
    passages_free(&p);
}

static void the_oldest_are_forgotten(void **state)
{
    struct passages p = {.before = 3};
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(number_of(&p, "a", i), 4 + i);
    passages_forget(&p, 2);
    assert_null(passages_get(&p, 5));
    assert_int_equal(passages_get(&p, 6)->chunk, 2);
    assert_int_equal(number_of(&p, "a", 4), 8);
    assert_int_equal(number_of(&p, "a", 0), 9);
    passages_forget(&p, 100);
    assert_int_equal(p.n, 0);
    assert_int_equal(number_of(&p, "a", 0), 10);
    passages_free(&p);
}

static void there_is_a_last_number(void **state)
{
    struct passages p = {.before = 0};
    (void)state;
    for (int i = 0; i < PASSAGES_MOST; i++)
        assert_int_equal(number_of(&p, "a", i), i + 1);
    assert_int_equal(number_of(&p, "a", PASSAGES_MOST), 0);
    assert_int_equal(number_of(&p, "a", 5), 6);
    passages_free(&p);
}

/* The citations of a text as "from+n=number" and "?" behind those of no passage. */
static const char *citations(const struct passages *p, const char *text)
{
    static char out[400];
    struct citation c;
    size_t at = 0, n = 0;
    out[0] = 0;
    while (citation_next(p, text, strlen(text), &at, &c))
        n += (size_t)snprintf(out + n, sizeof out - n, "%zu+%zu=%ld%s ", c.from, c.n, c.number, c.of ? "" : "?");
    return out;
}

static void citations_are_found(void **state)
{
    struct passages p = {.before = 0};
    (void)state;
    number_of(&p, "a", 1);
    number_of(&p, "a", 2);
    assert_string_equal(citations(&p, "Sand [1][2], gravel[3]."), "5+3=1 8+3=2 19+3=3? ");
    assert_string_equal(citations(&p, "[[1]]"), "1+3=1 ");
    assert_string_equal(citations(&p, "[] [a] [1 [01] [-1] [1"), "");
    assert_string_equal(citations(&p, "[99999999999999999999]"), "");
    assert_string_equal(citations(&p, "["), "");
    passages_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_passage_keeps_its_number),
                                       cmocka_unit_test(numbers_go_on_behind_others),
                                       cmocka_unit_test(the_oldest_are_forgotten),
                                       cmocka_unit_test(there_is_a_last_number), cmocka_unit_test(citations_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
