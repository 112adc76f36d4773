/* links: text base */
/* The template language beyond its cases (tests/jinja.c): who wrote which byte, numbers as they were written, limits, places of
 * errors, templates shared and used again. */
#include "text_jinja.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct jinja_error e;
static struct arena arena;

/* Render with {"u": "<user>", "a": "[asst]", ...} whose strings have the origins of their names; 0 or -1. */
static int render(const char *template, struct jinja_text *out)
{
    struct jinja_template *t;
    struct jrun r;
    jmp_buf trap;
    const char *problem;
    static const char user[] =
        "{\"u\": \"<user>\", \"ul\": [\"x\", \"yy\"], \"ud\": {\"k\": 1.50, \"big\": 123456789012345678901}}",
                      assistant[] = "{\"a\": \"[asst]\", \"ad\": {\"n\": \"v\"}}";
    arena_free(&arena);
    arena_init_growing(&arena);
    if (jinja_compile(&t, template, strlen(template), &e) != 0)
        return -1;
    jrun_begin(&r, &arena, 0, &e);
    r.trap = &trap;
    int rc = -1;
    if (!setjmp(trap)) {
        struct jvalue more = jjson_parse(&r, assistant, sizeof assistant - 1, ORIGIN_ASSISTANT, &problem, NULL);
        r.context = jjson_parse(&r, user, sizeof user - 1, ORIGIN_USER, &problem, NULL);
        for (size_t i = 0; i < more.u.dict->n; i++)
            jdict_set(&r, r.context.u.dict, more.u.dict->entry[i].key, more.u.dict->entry[i].value);
        rc = jinja_render(t, &r, out);
    }
    jinja_free(t);
    return rc;
}

/* The text, and for each byte t, a or u. */
static void gives(const char *template, const char *text, const char *origins)
{
    struct jinja_text out = {0};
    if (render(template, &out) != 0)
        fail_msg("%s: %s", template, e.text);
    assert_int_equal(out.n, strlen(text));
    assert_memory_equal(out.bytes, text, out.n);
    char got[400];
    size_t at = 0;
    for (size_t i = 0; i < out.n_span; i++)
        for (size_t k = 0; k < out.span[i].n; k++)
            got[at++] = "tau"[out.span[i].origin];
    got[at] = 0;
    assert_string_equal(got, origins);
}

static void test_classes_by_byte(void **state)
{
    (void)state;
    gives("x{{ u }}{{ a }}", "x<user>[asst]", "tuuuuuuaaaaaa");
    gives("{{ 'p' + u + 'q' ~ a }}", "p<user>q[asst]", "tuuuuuutaaaaaa");
    gives("{{ (u + a)[4:8] }}", "r>[a", "uuaa");
    gives("{{ (u + 'z' + a)[::-1] }}", "]tssa[z>resu<", "aaaaaatuuuuuu");
    gives("{{ (' ' + u + '\\n').strip() }}", "<user>", "uuuuuu");
    gives("{{ ('x' + u).split('s')|join('-') }}", "x<u-er>", "tuutuuu");
    gives("{{ u.replace('s', 'SS') }}", "<uSSer>", "uuttuuu");
    gives("{{ 'a-b'.replace('-', u) }}", "a<user>b", "tuuuuuut");
    gives("{{ ('x' + u)|upper }}", "X<USER>", "tuuuuuu");
    gives("{{ ul|join(a) }}", "x[asst]yy", "uaaaaaauu");
    gives("{% for c in u[:2] %}{{ c }}.{% endfor %}", "<.u.", "utut");
    gives("{% set q %}({{ u }}){% endset %}{{ q }}", "(<user>)", "tuuuuuut");
    gives("{% macro m(x) %}:{{ x }}{% endmacro %}{{ m(a) }}", ":[asst]", "taaaaaa");
    gives("{% filter trim %} {{ u }} {% endfilter %}", "<user>", "uuuuuu");
    gives("{% set ns = namespace(s='') %}{% for x in ul %}{% set ns.s = ns.s ~ x ~ '|' %}{% endfor %}{{ ns.s }}",
          "x|yy|", "utuut");
    gives("{{ (u ~ '\\nx')|indent(2) }}", "<user>\n  x", "uuuuuutttt");
    gives("{{ u|e }}", "&lt;user&gt;", "uuuuuuuuuuuu");
    /* A sum that is printed: the same as one that is kept. */
    gives("{{ 'p' + u + a + 'q' }}", "p<user>[asst]q", "tuuuuuuaaaaaat");
    gives("x{{ 'p<' + u + 'q>'|safe }}", "xp&lt;&lt;user&gt;q>", "ttttttuuuuuuuuuuuutt");
    gives("x{% set s = 'p<' + u + 'q>'|safe %}{{ s }}", "xp&lt;&lt;user&gt;q>", "ttttttuuuuuuuuuuuutt");
    gives("{{ 1 + 2 }}{{ ('p' + 'q') * 2 + u }}{{ [1] + [2] }}", "3pqpq<user>[1, 2]", "tttttuuuuuutttttt");
}

static void test_classes_of_rebuilt_text(void **state)
{
    (void)state;
    gives("{{ ['t', u]|tojson }}", "[\"t\", \"<user>\"]", "uuuuuuuuuuuuuuu");
    gives("{{ ad }}", "{'n': 'v'}", "aaaaaaaaaa");
    gives("{{ {'k': a, u: 1} }}", "{'k': '[asst]', '<user>': 1}", "uuuuuuuuuuuuuuuuuuuuuuuuuuuu");
    gives("{{ '%s-%d'|format(a, 3) }}", "[asst]-3", "aaaaaaaa");
    gives("{{ '{}'.format(u) }}", "<user>", "uuuuuu");
    gives("{{ ('\xC3\x9F' + u)|upper }}", "SS<USER>", "uuuuuuuu"); /* one becomes two */
    gives("{{ u|length }}{{ u == a }}{{ [1, none]|tojson }}", "6False[1, null]", "ttttttttttttttt");
    gives("{{ '{\"x\": 1}'|from_json|tojson }}{{ ('\"' + a + '\"')|from_json }}", "{\"x\": 1}[asst]", "ttttttttaaaaaa");
}

static void test_numbers_as_written(void **state)
{
    (void)state;
    gives("{{ ud.k }} {{ ud.big }} {{ ud|tojson }}",
          "1.50 123456789012345678901 {\"k\": 1.50, \"big\": 123456789012345678901}",
          "tttttttttttttttttttttttttttuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu");
    gives("{{ ud.k + 0 }} {{ ud.k == 1.5 }} {{ ud.big is integer }}", "1.5 True True", "ttttttttttttt");
    gives("{{ ud.big + 1 }} {{ ud.big > 2 }} {{ -ud.big }}", "1.2345678901234568e+20 True -1.2345678901234568e+20",
          "ttttttttttttttttttttttttttttttttttttttttttttttttttt"); /* beyond 64 bits: computed as a double */
    gives("{{ ud.big|int }} {{ ud.big == ud.big }}", "123456789012345678901 True", "tttttttttttttttttttttttttt");
}

/* ---- errors ---- */

static void fails(const char *template, enum jinja_error_kind kind, int line, int column, const char *words)
{
    struct jinja_text out;
    assert_int_equal(render(template, &out), -1);
    if (e.kind != kind || e.line != line || e.column != column || !strstr(e.text, words))
        fail_msg("%s: %s", template, e.text);
}

static void test_places(void **state)
{
    (void)state;
    fails("a\n  {{ b.c.d }}", JINJA_RUNTIME, 2, 7, "'b' is undefined");
    fails("{% if u %}\n{{ raise_exception('no ' ~ u) }}{% endif %}", JINJA_RAISE, 2, 4, "no <user>");
    assert_memory_equal(e.raised, "no <user>", e.n_raised);
    fails("{% macro m(x) %}\n{{ x + 1 }}\n{% endmacro %}\n\n{{ m('q') }}", JINJA_RUNTIME, 2, 4,
          "in macro m, called from line 5");
    fails("x\n{% for y in u %}\n", JINJA_COMPILE, 2, 17, "endfor");
    fails("{{ u|nosuch }}", JINJA_COMPILE, 1, 6, "no filter 'nosuch'");
    fails("{% do 1 %}", JINJA_COMPILE, 1, 4, "'do'");
    fails("\xE2\x82\xAC {{ 1 + }}", JINJA_COMPILE, 1, 10, "expression"); /* columns are characters */
}

/* No more than 80 characters of a request are shown. */
static void test_long_words(void **state)
{
    (void)state;
    struct jinja_text out;
    assert_int_equal(render("{{ {}[u * 100].x }}", &out), -1);
    assert_true(strlen(e.text) < 200);
    assert_non_null(strstr(e.text, "..."));
}

static void test_limits(void **state)
{
    (void)state;
    struct jinja_text out;
    static const char *const endless[] = {
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s=u) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set l = [1] %}{% for i in range(99) %}{% set _ = l.extend(l) %}{% endfor %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        ("{% set l = [] %}{% for i in range(50000) %}{% set l = [l] %}{% endfor %}{% set ns = namespace(l=[]) %}"
         "{% for i in range(50000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}"),
    };
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        assert_int_equal(render(endless[i], &out), -1);
        assert_int_equal(e.kind, JINJA_LIMIT);
    }
    assert_int_equal(render("{{ range(100001) }}", &out), -1);
    assert_int_equal(
        render("{{ range(100000)|length }}{{ range(-9223372036854775807, 9223372036854775807)|length }}", &out), -1);
}

/* Counts at the ends of 64 bits; found by fuzzing. */
static void test_extreme_counts(void **state)
{
    (void)state;
    struct jinja_text out;
    static const char *const templates[] = {"{{ 'a'.center(N) }}",
                                            "{{ 'a'.ljust(N) }}",
                                            "{{ 'a'.zfill(N) }}",
                                            "{{ 'a'|center(N) }}",
                                            "{{ 'a b'.split(' ', N) }}",
                                            "{{ 'ab'.find('b', N, N) }}",
                                            "{{ 'a b'.rsplit('b', N) }}",
                                            "{{ 'aa'.replace('a', 'b', N) }}",
                                            "{{ 'a\tb'.expandtabs(N) }}",
                                            "{{ 'abc'[N:N:N] }}",
                                            "{{ ul[N:][:N] }}",
                                            "{{ range(9)[::N] }}",
                                            "{{ range(N)[::N] }}",
                                            "{{ [1].pop(N) }}",
                                            "{{ 1.5|round(N) }}",
                                            "{{ ul.insert(N, 1) }}",
                                            "{{ 'a'|indent(N) }}",
                                            "{{ ul|batch(N)|list }}",
                                            "{{ ul|tojson(indent=N) }}",
                                            "{{ N // -1 }}",
                                            "{{ N % -1 }}",
                                            "{{ -N }}",
                                            "{{ N|abs }}",
                                            "{{ range(0, N, N) }}",
                                            "{{ '%*d' % (N, N) }}"};
    static const char *const counts[] = {"9223372036854775807", "(-9223372036854775807)", "(-9223372036854775807 - 1)"};
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        for (size_t k = 0; k < 3; k++) {
            char text[300], *to = text;
            for (const char *from = templates[i]; *from; from++)
                to += *from == 'N' ? sprintf(to, "%s", counts[k]) : sprintf(to, "%c", *from);
            if (render(text, &out) != 0)
                assert_true(*e.text);
        }
}

/* An integer is rounded exactly, and what leaves 64 bits is an error as everywhere; numbers that are equal are one key, others are not. */
static void test_numbers_at_the_end(void **state)
{
    (void)state;
    static const char *const row[][2] = {
        {"{{ 4999999999999999999|round(-19) }}", "0"},
        {"{{ 5000000000000000000|round(-19) }}", "0"},
        {"{{ 9223372036854775807|round(-18) }}", "9000000000000000000"},
        {"{{ (-9223372036854775807 - 1)|round(-18) }}", "-9000000000000000000"},
        {"{{ 9223372036854775804|round(-1) }}", "9223372036854775800"},
        {"{{ (-9223372036854775804)|round(-1) }}", "-9223372036854775800"},
        {"{{ 9223372036854775807|round(-20) }}", "0"},
        {"{{ 9223372036854775807|round(-400) }}", "0"},
        {"{{ 9223372036854775807|round(1) }}", "9223372036854775807"},
        {"{{ 25|round(-1) }} {{ 35|round(-1) }} {{ -25|round(-1) }}", "20 40 -20"},
        {"{{ 15000000000000001|round(-16) }}", "20000000000000000"},
        {"{{ 15000000000000001.0|round(-16) }} {{ 1.5|round(-400) }}", "2e+16 0.0"},
        {"{{ {0.0: 'a'}[-0.0] }}", "a"},
        {"{{ {9007199254740992: 'a'}[9007199254740992.0] }}", "a"},
        {"{{ {9007199254740993: 'a'}[9007199254740992.0] is defined }}", "False"},
        {"{{ 9007199254740993 in {9007199254740992.0: 1} }} {{ 9007199254740993 in [9007199254740992.0] }} "
         "{{ 9007199254740993 == 9007199254740992.0 }} {{ 9007199254740992.0 < 9007199254740993 }} "
         "{{ 9007199254740992 == 9007199254740992.0 }}",
         "False False False True True"},
        {"{{ 9223372036854775807 == 9223372036854775808.0 }} {{ 9223372036854775807 < 9223372036854775808.0 }} "
         "{{ (-9223372036854775807 - 1) == -9223372036854775808.0 }} {{ 5 > -1e300 }} {{ -5 < -4.5 }} {{ 5 >= 5.5 }}",
         "False True True True True False"},
        {"{{ 5|round(400, 'ceil') }} {{ 5|round(-400, 'floor') }} {{ -5|round(-400, 'ceil') }} "
         "{{ 0|round(-400, 'ceil') }} {{ 0|round(400, 'floor') }} {{ 1e300|round(100, 'ceil') }}",
         "5.0 0.0 -0.0 0.0 0.0 1e+300"},
        {"{{ 51|round(-1, 'ceil') }} {{ -51|round(-1, 'floor') }} {{ 1.25|round(1, 'ceil') }} {{ 5|round(-308, 'ceil') "
         "}}",
         "60.0 -60.0 1.3 1e+308"},
        {"{{ {ud.big: 'a'}[ud.big] }}{{ {range(1, 3): 'b'}[range(1, 3, 1)] }}{{ {range(0): 'c'}[range(5, 1)] }}",
         "abc"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct jinja_text out;
        if (render(row[i][0], &out) != 0)
            fail_msg("%s: %s", row[i][0], e.text);
        if (out.n != strlen(row[i][1]) || memcmp(out.bytes, row[i][1], out.n) != 0)
            fail_msg("%s: %.*s", row[i][0], (int)out.n, out.bytes);
    }
    fails("{{ 5|round(-400, 'ceil') }}", JINJA_RUNTIME, 1, 6, "beyond the largest number");
    fails("{{ -5|round(-310, 'floor') }}", JINJA_RUNTIME, 1, 7, "beyond the largest number");
    fails("{{ 1.7e308|round(-308) }}", JINJA_RUNTIME, 1, 12, "beyond the largest number");
    fails("{{ 9223372036854775807|round(-19) }}", JINJA_RUNTIME, 1, 24, "an integer beyond 64 bits");
    fails("{{ 9223372036854775806|round(-1) }}", JINJA_RUNTIME, 1, 24, "an integer beyond 64 bits");
    fails("{{ (-9223372036854775807 - 1)|round(-19) }}", JINJA_RUNTIME, 1, 31, "an integer beyond 64 bits");
}

/* Appending in a loop is linear: 90,000 copies of what is there already would be more memory than a template may have. */
static void test_appending(void **state)
{
    (void)state;
    struct jinja_text out;
    static const char template[] = "{% set ns = namespace(s='') %}{% for i in range(300) %}{% for j in range(300) %}"
                                   "{% set ns.s = ns.s ~ (u if j == 7 else 'x') %}{% endfor %}{% endfor %}{{ ns.s }}";
    assert_int_equal(render(template, &out), 0);
    assert_int_equal(out.n, 300 * (299 + 6));
    assert_int_equal(out.n_span, 601);
}

/* A string that two others continue is not torn apart by the second. */
static void test_shared_beginnings(void **state)
{
    (void)state;
    gives("{% set p = 'ab' + 'cd' %}{% set q = p + u %}{% set r = p + 'xyz' %}{{ q }}|{{ r }}|{{ p }}",
          "abcd<user>|abcdxyz|abcd", "ttttuuuuuuttttttttttttt");
}

/* ---- one template, many runs ---- */

static int render_once(const struct jinja_template *t, struct arena *own)
{
    struct jrun r;
    struct jinja_error error;
    struct jinja_text out;
    jmp_buf trap;
    const char *problem;
    jrun_begin(&r, own, 0, &error);
    r.trap = &trap;
    if (setjmp(trap))
        return -1;
    r.context = jjson_parse(&r, "{\"l\": [1]}", 10, ORIGIN_USER, &problem, NULL);
    if (jinja_render(t, &r, &out) != 0)
        return -1;
    return out.n == 21 && memcmp(out.bytes, "a\nb1c[1, 2] [9, 2] 32", 21) == 0 ? 0 : -1;
}

static void *render_often(void *template)
{
    for (int i = 0; i < 200; i++) {
        struct arena own;
        arena_init_growing(&own);
        int rc = render_once(template, &own);
        arena_free(&own);
        if (rc != 0)
            return template;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static const char source[] =
        "{% set k = [3] %}{% set _ = l.append(2) %}{% set s = 'a\\n' + 'b' %}{{ s + '1' + 'c' }}{{ l }} "
        "{% set _ = l.pop(0) %}{% set _ = l.insert(0, 9) %}{{ l }} {{ k[0] }}{{ l|length }}";
    struct jinja_template *t;
    pthread_t thread[3];
    void *failed;
    assert_int_equal(jinja_compile(&t, source, sizeof source - 1, &e), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, render_often, t), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    jinja_free(t);
}

static void test_reads(void **state)
{
    (void)state;
    static const char source[] = "{{ functions }}{% for datetime in x %}{% endfor %}";
    struct jinja_template *t;
    assert_int_equal(jinja_compile(&t, source, sizeof source - 1, &e), 0);
    assert_true(jinja_reads(t, "functions"));
    assert_true(jinja_reads(t, "x"));
    assert_false(jinja_reads(t, "datetime"));
    jinja_free(t);
}

/* ---- JSON ---- */

static void test_json_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } good[] = {{" [1, -0, 1e3,1.0] ", "[1, -0, 1e3, 1.0]"},
                {"\"\\ud83d\\udc69 \\ud83d x \\u0000\"", "\"\xF0\x9F\x91\xA9 \xEF\xBF\xBD x \\u0000\""},
                {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": 3, \"b\": 2}"},
                {"\"\xFF\xC3\x28\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD(\""},
                {"9223372036854775808", "9223372036854775808"},
                {"-9223372036854775808", "-9223372036854775808"}};
    static const struct {
        const char *text, *problem;
        size_t where;
    } bad[] = {{"", "an unexpected end", 0},
               {"{", "an object without a name and : where one is due", 1},
               {"{\"a\" 1}", "an object without a name and : where one is due", 5},
               {"{1: 2}", "an object without a name and : where one is due", 1},
               {"{\"a\\nb\": [1}", "an array without ] or ,", 11},
               {"[{\"a\":[]]", "an object without } or ,", 8},
               {"[1 2]", "an array without ] or ,", 3},
               {"[1,]", "not a number", 3},
               {"01", "not a number", 0},
               {"[-]", "not a number", 1},
               {"'a'", "not a number", 0},
               {"NaN", "not a number", 0},
               {"+1", "not a number", 0},
               {" 1.", "a number without digits behind its point", 1},
               {"[1.e5]", "a number without digits behind its point", 1},
               {"1e", "a number without digits in its exponent", 0},
               {"-1.5e- 1", "a number without digits in its exponent", 0},
               {"[nul]", "an unknown word", 1},
               {"[1]2", "more text behind its end", 3},
               {"\"", "a string without an end", 1},
               {"{\"a", "a string without an end", 3},
               {"[\"a\n\"]", "a control character in a string", 3},
               {"\"\\x\"", "an unknown escape in a string", 3},
               {"\"\\", "an unknown escape in a string", 2},
               {"[\"\\u12 \"]", "an unknown escape in a string", 6}};
    char deep[257];
    struct jrun r;
    jmp_buf trap;
    const char *problem;
    arena_free(&arena);
    arena_init_growing(&arena);
    jrun_begin(&r, &arena, 0, &e);
    r.trap = &trap;
    if (setjmp(trap))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct jvalue v = jjson_parse(&r, good[i].text, strlen(good[i].text), ORIGIN_USER, &problem, NULL);
        assert_null(problem);
        const struct jstring *s = jjson_write(&r, v, &jjson_plain);
        assert_string_equal(copy_of(&r, s->bytes, s->n), good[i].written);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t where;
        jjson_parse(&r, bad[i].text, strlen(bad[i].text), ORIGIN_USER, &problem, &where);
        if (!problem || strcmp(problem, bad[i].problem) != 0 || where != bad[i].where)
            fail_msg("%s: %s at %zu", bad[i].text, problem ? problem : "taken", where);
    }
    memset(deep, '[', sizeof deep);
    jjson_parse(&r, deep, sizeof deep - 1, ORIGIN_USER, &problem, NULL);
    assert_string_equal(problem, "an unexpected end");
    jjson_parse(&r, deep, sizeof deep, ORIGIN_USER, &problem, NULL);
    assert_string_equal(problem, "nesting that is too deep");
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_by_byte),
        cmocka_unit_test(test_classes_of_rebuilt_text),
        cmocka_unit_test(test_numbers_as_written),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_extreme_counts),
        cmocka_unit_test(test_numbers_at_the_end),
        cmocka_unit_test(test_appending),
        cmocka_unit_test(test_shared_beginnings),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_json_text),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
