/* links: text base */
/* What a run may take of stack, work and memory: every function of the template language that calls itself is taken to its end, on
 * the smallest stack in use and on smaller ones, and no limit asks a clock. */
#include "base/stack.h"
#include "sanitized.h"
#include "text/jinja/value.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a template on a thread ------------------------------------------------------------------------------------------------- */

struct job {
    const char *source;
    int rc;
    struct jinja_error error;
    int patience;  /* stopped() returns 0 this many times; 0: it is not set */
    uint64_t work; /* of the rendering */
    size_t bytes;
};

static int is_stopped(void *arg)
{
    struct job *j = arg;
    return --j->patience < 0;
}

static int render_in(struct jrun *r, void *t)
{
    struct jinja_text out;
    r->context = jdictv(jdict_new(r));
    return jinja_render(t, r, &out);
}

static void *render(void *arg)
{
    struct job *j = arg;
    struct jinja_template *t;
    struct arena arena;
    struct jrun r;
    j->rc = jinja_compile(&t, j->source, strlen(j->source), &j->error);
    if (j->rc != 0)
        return NULL;
    arena_init_growing(&arena);
    jrun_begin(&r, &arena, 0, &j->error);
    r.stopped = j->patience ? is_stopped : NULL;
    r.stopped_arg = j;
    j->rc = jrun_protect(&r, render_in, t);
    j->work = r.work;
    j->bytes = arena.total;
    arena_free(&arena);
    jinja_free(t);
    return NULL;
}

static struct job on_stack(const char *source, size_t stack)
{
    struct job j = {.source = source};
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, stack), 0);
    assert_int_equal(pthread_create(&thread, &attr, render, &j), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    return j;
}

/* ---- nests ------------------------------------------------------------------------------------------------------------------ */

/* open repeated, middle, close repeated, in the places of a template marked with #. free() it. */
static char *nest(const char *template, int n, const char *open, const char *middle, const char *close)
{
    size_t inside = (strlen(open) + strlen(close)) * (size_t)n + strlen(middle);
    char *text = malloc(strlen(template) + inside + 1), *to = text;
    const char *place = strchr(template, '#');
    to += sprintf(to, "%.*s", (int)(place - template), template);
    for (int i = 0; i < n; i++)
        to += sprintf(to, "%s", open);
    to += sprintf(to, "%s", middle);
    for (int i = 0; i < n; i++)
        to += sprintf(to, "%s", close);
    sprintf(to, "%s", place + 1);
    return text;
}

/* ---- the end of the stack --------------------------------------------------------------------------------------------------- */

static const size_t stacks[] = {STACK_LEAST, STACK_LEAST / 2, STACK_LEAST / 4, 104 << 10};
enum { N_STACK = sizeof stacks / sizeof *stacks };

/* It renders, or says that it is too deep; 1: it was the stack that ended. */
static int ends_well(const char *what, const char *source, size_t stack)
{
    struct job j = on_stack(source, stack);
    if (j.rc == 0)
        return 0;
    if ((j.error.kind != JINJA_LIMIT && j.error.kind != JINJA_COMPILE) || !strstr(j.error.text, "nested"))
        fail_msg("%s on %zu bytes: %s", what, stack, j.error.text);
    return strstr(j.error.text, "nested too deeply") != NULL;
}

/* What calls itself for the source's nesting: 200 of it may be more than a small stack holds. */
static void test_parser(void **state)
{
    (void)state;
    static const struct {
        const char *functions, *template, *open, *middle, *close;
    } row[] = {
        {"jparse_expression .. parse_primary, jparse_tuple", "{{ # }}", "(", "1", ")"},
        {"parse_list", "{{ # }}", "[", "1", "]"},
        {"parse_dict", "{{ # }}", "{1: ", "1", "}"},
        {"parse_postfix, parse_item, parse_subscript", "{{ # }}", "a[", "1", "]"},
        {"parse_call, jparse_args", "{{ # }}", "f(x=", "1", ")"},
        {"parse_filter, parse_filters_and_tests", "{{ # }}", "1|default(", "1", ")"},
        {"parse_test", "{{ # }}", "1 is eq [", "1", "]"},
        {"parse_not", "{{ # }}", "not ", "1", ""},
        {"jparse_unary", "{{ # }}", "-", "1", ""},
        {"jparse_expression by else", "{{ # }}", "1 if 0 else ", "1", ""},
        {"jparse_target, target_part", "{% set # = 1 %}", "(", "a", ")"},
        {"parse_body, parse_statement, parse_if", "#", "{% if 1 %}", "x", "{% endif %}"},
        {"parse_for, body_in", "#", "{% for x in [1] %}", "x", "{% endfor %}"},
        {"parse_set", "#", "{% set a %}", "x", "{% endset %}"},
        {"parse_macro, macro_body", "#", "{% macro a() %}", "x", "{% endmacro %}"},
        {"parse_call_block", "#", "{% call a() %}", "x", "{% endcall %}"},
        {"parse_filter_block, jparse_filters", "#", "{% filter upper %}", "x", "{% endfilter %}"},
        {"parse_with", "#", "{% with a = 1 %}", "x", "{% endwith %}"},
        {"parse_plain", "#", "{% block a %}", "x", "{% endblock %}"},
    };
    int n_ended = 0;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        int ended = 0;
        for (int k = 0; k < N_STACK; k++)
            for (int n = 25; n <= 400; n *= 2) {
                char template[80];
                snprintf(template, sizeof template, "{%% if 0 %%}%s{%% endif %%}", row[i].template);
                char *source = nest(template, n, row[i].open, row[i].middle, row[i].close);
                ended |= ends_well(row[i].functions, source, stacks[k]);
                free(source);
            }
        n_ended += ended;
    }
    /* 200 of the lightest need less than the smallest stack here */
    assert_in_range(n_ended, SANITIZED ? 14 : 6, sizeof row / sizeof *row);
}

/* A macro that calls itself out of eight loops, and does something before: this is done at every depth of the stack. */
#define EIGHT(x) x x x x x x x x
#define AT_EVERY_DEPTH(something)                                                                                      \
    "{% macro f() %}" EIGHT("{% for x in [1] %}") something "{{ f() }}" EIGHT("{% endfor %}") "{% endmacro %}{{ f() "  \
                                                                                              "}}"
#define DEEP_JSON "('[{\"a\": ' * 120 ~ '1' ~ '}]' * 120)"
#define FIFTY(x)  x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
#define NINETY(x) FIFTY(x) EIGHT(x) EIGHT(x) EIGHT(x) EIGHT(x) EIGHT(x)

static void test_evaluator(void **state)
{
    (void)state;
    static const struct {
        const char *functions, *template;
    } row[] = {
        {"jexec, exec, jexec_for, run_loop, jeval, eval, eval_call, jcall_value, jcall_macro", AT_EVERY_DEPTH("")},
        {"exec_if, print", AT_EVERY_DEPTH(NINETY("{% if 1 %}") "x" NINETY("{% endif %}"))},
        {"exec_with", AT_EVERY_DEPTH(FIFTY("{% with a = 1 %}") "x" FIFTY("{% endwith %}"))},
        {"run_body", AT_EVERY_DEPTH(FIFTY("{% set a %}") "x" FIFTY("{% endset %}"))},
        {"print_filtered", AT_EVERY_DEPTH(FIFTY("{% filter upper %}") "x" FIFTY("{% endfilter %}"))},
        {"exec_call_block", "{% macro g() %}{{ caller() }}{% endmacro %}" AT_EVERY_DEPTH(
                                EIGHT("{% call g() %}") "x" EIGHT("{% endcall %}"))},
        {"eval_items", AT_EVERY_DEPTH("{% set a = " NINETY("[") NINETY("]") " %}")},
        {"eval_dict", AT_EVERY_DEPTH("{% set a = " NINETY("{1: ") "1" NINETY("}") " %}")},
        {"eval_args, jbuiltin_call, jmake_dict", AT_EVERY_DEPTH("{% set a = " NINETY("dict(a=") "1" NINETY(")") " %}")},
        {"eval_choice, eval_cond", AT_EVERY_DEPTH("{% set a = " NINETY("0 or (") "1" NINETY(")") " %}")},
        {"eval_arith", AT_EVERY_DEPTH("{% set a = " NINETY("1 + (") "1" NINETY(")") " %}")},
        {"eval_concat", AT_EVERY_DEPTH("{% set a = " NINETY("1 ~ (") "1" NINETY(")") " %}")},
        {"eval_compare", AT_EVERY_DEPTH("{% set a = " NINETY("1 == (") "1" NINETY(")") " %}")},
        {"eval_sign", AT_EVERY_DEPTH("{% set a = " NINETY("-") "1 %}")},
        {"eval_filter", AT_EVERY_DEPTH("{% set a = 1" NINETY("|abs") " %}")},
        {"eval_attr, jget_attr", AT_EVERY_DEPTH("{% set a = 1" NINETY(".real") " %}")},
        {"eval_item, jget_item", AT_EVERY_DEPTH("{% set l = [0] %}{% set a = " NINETY("l[") "0" NINETY("]") " %}")},
        {"eval_slice, jslice", AT_EVERY_DEPTH("{% set a = 'abc'" NINETY("[0:]") " %}")},
        {"bind", "{% macro g(a=g()) %}{% endmacro %}{% macro h(a=" NINETY("[") "h()" NINETY("]") ") %}{% endmacro %}"
                                                                                                 "{{ h() }}"},
        {"jassign, assign_tuple",
         AT_EVERY_DEPTH("{% set " FIFTY("(") "a" FIFTY(",)") " = " FIFTY("(") "1" FIFTY(",)") " %}")},
        {"take, advance, look_ahead, jloop_attr, jloop_length, filter_length",
         "{% macro f() %}" EIGHT("{% for x in [1, 2] if [x] %}") "{% if loop.last or loop.length %}{{ f() }}"
                                                                 "{% endif %}" EIGHT(
                                                                     "{% endfor %}") "{% endmacro %}{{ f() }}"},
        {"take by its filter",
         "{% macro f() %}{% for x in [1] if " NINETY("[") "f()" NINETY("]") " %}{% endfor %}"
                                                                            "{% endmacro %}{{ f() }}"},
        {"jloop_call", "{% for x in [1] recursive %}" EIGHT(EIGHT("{% if 1 %}")) "{{ loop([1]) }}" EIGHT(
                           EIGHT("{% endif %}")) "{% endfor %}"},
        {"filter_map by map", "{% set ns = namespace(v=['a']) %}{% for i in range(8000) %}{% set ns.v = [ns.v] %}"
                              "{% endfor %}{{ ns.v|map(*(['map'] * 7999 + ['upper']))|list }}"},
        {"write_value, write_list, write_dict",
         "{% set j = " DEEP_JSON "|from_json %}" AT_EVERY_DEPTH("{% set a = j|tojson %}")},
        {"read_value, read_list, read_dict", AT_EVERY_DEPTH("{% set a = " DEEP_JSON "|from_json %}")},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        int ended = 0;
        for (int k = 0; k < N_STACK; k++)
            ended += ends_well(row[i].functions, row[i].template, stacks[k]);
        if (ended < 2)
            fail_msg("%s came to the end of the stack %d times", row[i].functions, ended);
    }
}

/* What goes through values that hold values, in v and w. */
static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *functions, *first, *next, *use;
        int most; /* 0: 40,000; lists that differ at their ends only are compared once a level, as in Python */
    } row[] = {
        {"repr_in, repr_container, repr_items", "[]", "[N]", "{{ v }}"},
        {"repr_entries", "{}", "{'a': N}", "{{ v }}"},
        {"repr_view", "{}", "{'a': N.items()}", "{{ v }}"},
        {"repr_in of a tuple", "(1,)", "(N,)", "{{ 'a%r' % (v,) }}"},
        {"repr_view of what holds it", "{}", "{}", "{% set d = {} %}{% set _ = d.update({1: d.values()}) %}{{ d }}"},
        {"greatest_in", "[]", "[N]", "{{ 'a%s' % (v,) }}"},
        {"greatest_in of a dict", "{}", "{'a': N}", "{{ 'a%s' % (v,) }}"},
        {"jequal, equal_lists", "[]", "[N]", "{{ v == w }}"},
        {"equal_dicts, jdict_get, find", "{}", "{'a': N}", "{{ v == w }}"},
        {"jcontains", "[]", "[N]", "{{ v in [w] }}{{ [w].index(v) }}{{ [w].count(v) }}"},
        {"jorder, order_lists", "[1]", "[N]", "{{ v < w }}"},
        {"jorder of different", "[loop.index0]", "[N]", "{{ v <= w + [1] }}{{ [v, w + [1]]|sort|length }}", 3000},
        {"jhashable, hash_of", "(1,)", "(N,)", "{% set d = {v: 1} %}{{ d[w] }}{{ [v, w]|unique|list|length }}"},
        {"changed", "(1,)", "(N,)", "{% for x in [v, w] %}{{ loop.changed(x) }}{% endfor %}"},
        {"write_value, write_list", "[]", "[N]", "{{ v|tojson }}"},
        {"write_dict", "{}", "{'a': N}", "{{ v|tojson(indent=1) }}"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        int ended = 0;
        for (int k = 0; k < N_STACK; k++)
            for (int n = 100; n < (row[i].most ? row[i].most : 40000); n += n / 2) {
                char source[1000], next[100];
                const char *place = strchr(row[i].next, 'N');
                snprintf(next, sizeof next, "%.*s%s%s", (int)(place ? place - row[i].next : 0), row[i].next,
                         place ? "ns.v" : "", place ? place + 1 : row[i].next);
                snprintf(source, sizeof source,
                         "{%% set ns = namespace(v=0) %%}{%% for k in [0, 1] %%}{%% set ns.v = %s %%}"
                         "{%% for i in range(%d) %%}{%% set ns.v = %s %%}{%% endfor %%}"
                         "{%% if k == 0 %%}{%% set ns.w = ns.v %%}{%% endif %%}{%% endfor %%}"
                         "{%% set v = ns.v %%}{%% set w = ns.w %%}%s",
                         row[i].first, n, next, row[i].use);
                ended += ends_well(row[i].functions, source, stacks[k]);
            }
        int json = strncmp(row[i].functions, "write", 5) == 0; /* has a limit of its own, 256 */
        if (!json && ended < 4)
            fail_msg("%s came to the end of the stack %d times", row[i].functions, ended);
    }
}

/* The most lists one inside the other that print. */
static int printable(size_t stack)
{
    int low = 1, high = 20000;
    while (low < high) {
        char source[300];
        int n = (low + high + 1) / 2;
        snprintf(source, sizeof source,
                 "{%% set ns = namespace(v=[]) %%}{%% for i in range(%d) %%}{%% set ns.v = [ns.v] %%}{%% endfor %%}"
                 "{{ ns.v }}",
                 n);
        if (on_stack(source, stack).rc == 0)
            low = n;
        else
            high = n - 1;
    }
    return low;
}

/* Every thread that has the least has the same limit; and what a template may do by the language's own limits, it can. */
static void test_same_everywhere(void **state)
{
    (void)state;
    static const char *const deep[] = {
        "{% macro f(n) %}{% for x in [n] %}{% if x > 0 %}{{ f(x - 1) }}{% endif %}{% endfor %}{% endmacro %}{{ f(150) "
        "}}",
        "{% set a = " NINETY("(") "1" NINETY(")") " %}",
        "{% set j = " DEEP_JSON "|from_json %}{{ j|tojson|length }}{{ j == " DEEP_JSON "|from_json }}{{ j }}",
    };
    int n = printable(STACK_LEAST);
    assert_int_equal(printable((size_t)8 << 20), n);
    assert_in_range(n, 500, 19999);
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        struct job j = on_stack(deep[i], STACK_LEAST);
        if (j.rc != 0)
            fail_msg("%s", j.error.text);
    }
}

/* ---- work ------------------------------------------------------------------------------------------------------------------- */

/* What goes through bytes or items pays for each, however it ends: for 16 bytes or an item at least a unit. */
static void test_work_in_proportion(void **state)
{
    (void)state;
    enum { N = 200000 };
    static const char *const expressions[] = {
        "s|length",
        "s|upper",
        "s|title",
        "s|capitalize",
        "s.swapcase()",
        "s|trim('ab')",
        "s.strip('ab')",
        "s.lstrip('ab')",
        "s.rstrip('ab')",
        "s.split()",
        "s.split('q')",
        "s.rsplit('q')",
        "s.splitlines()",
        "s.partition('q')",
        "s.rpartition('q')",
        "s.find('q')",
        "s.rfind('q')",
        "s.find('q', 1)",
        "s.startswith('q', 1, 2)",
        "s.count('q')",
        "s.count('')",
        "s.replace('q', '')",
        "s.replace('a', 'b')",
        "s.isalpha()",
        "s.islower()",
        "s is lower",
        "s.zfill(1)",
        "s.center(1)",
        "s|center(1)",
        "s.expandtabs()",
        "s|e",
        "s|urlencode",
        "s|wordcount",
        "s|indent(2)",
        "s[-1]",
        "s[199999]",
        "s[::2]",
        "s[5:-5]",
        "s|list",
        "s|tojson",
        "[s]|string",
        "s|int",
        "s|float",
        "s is sequence",
        "'q' in s",
        "'q' in l",
        "{s: 1}",
        "s ~ s",
        "s * 2",
        "'%s' % s",
        "'{}'.format(s)",
        "s|from_json|length",
        "l|list",
        "l|reverse",
        "l|sort",
        "l|unique",
        "l|sum",
        "l|max",
        "l|join",
        "l|map('abs')",
        "l|select('odd')",
        "l|batch(3)",
        "l|slice(3)",
        "l.index(-1)",
        "l.count(1)",
        "l == m",
        "l < m",
        "l + l",
        "l * 2",
        "l[1:]",
        "l|tojson",
        "l|string",
        "l.copy()",
        "{}.fromkeys(l)",
        "l.insert(0, 1)",
        "l.pop(0)",
    };
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        char source[400];
        snprintf(source, sizeof source, "{%% set s = '%s' * %d %%}{%% set l = [1] * %d %%}{%% set m = [1] * %d %%}",
                 strstr(expressions[i], "from_json") ? " " : "ab", N / 2, N / 16, N / 16);
        uint64_t before = on_stack(source, STACK_LEAST).work;
        snprintf(source + strlen(source), sizeof source - strlen(source), "{%% set x = %s %%}", expressions[i]);
        uint64_t work = on_stack(source, STACK_LEAST).work - before;
        if (work < N / 16 + JSTEP)
            fail_msg("%s: %llu units for %d bytes or %d items", expressions[i], (unsigned long long)work, N, N / 16);
    }
}

static uint64_t work_of(const char *made, const char *use)
{
    char source[700];
    snprintf(source, sizeof source, "%s%s", made, use);
    struct job j = on_stack(source, STACK_LEAST);
    if (j.rc != 0)
        fail_msg("%s: %s", source, j.error.text);
    return j.work;
}

/* A search through 10,000 things that the template made is paid for each time: the second use of two. */
static void test_work_of_searches(void **state)
{
    (void)state;
#define KEYS "{% set d = {} %}{% for i in range(10000) %}{% set _ = d.update({'k' ~ i: 1}) %}{% endfor %}"
    static const struct {
        const char *made, *once, *twice;
    } row[] = {
        {"{% set t = ('a',) * 10000 %}", "{{ t in {1: 1} }}", "{{ t in {1: 1} }}{{ t in {1: 1} }}"},
        {"{% set t = ('a',) * 10000 %}", "{{ 'x'.startswith(t, 5) }}",
         "{{ 'x'.startswith(t, 5) }}{{ 'x'.startswith(t, 5) }}"},
        {KEYS, "{{ '{k9999}'.format(**d) }}", "{{ '{k9999}{k9999}'.format(**d) }}"},
        {KEYS, "{{ [[]]|map('map', **d)|list|length }}", "{{ [[], []]|map('map', **d)|list|length }}"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint64_t second = work_of(row[i].made, row[i].twice) - work_of(row[i].made, row[i].once);
        if (second < 10000)
            fail_msg("%s: %llu units", row[i].once, (unsigned long long)second);
    }
}

/* Each name that is handed to a macro is looked for among its parameters. */
static void test_work_of_parameters(void **state)
{
    (void)state;
    uint64_t work[2];
    for (int twice = 0; twice < 2; twice++) {
        char source[9000], *to = source + sprintf(source, "{%% macro m(a0");
        for (int i = 1; i < 900; i++)
            to += sprintf(to, ", a%d", i);
        sprintf(to, ") %%}{{ kwargs|length }}{%% endmacro %%}{{ m(%s) }}", twice ? "x=1, y=1" : "x=1");
        struct job j = on_stack(source, STACK_LEAST);
        assert_int_equal(j.rc, 0);
        work[twice] = j.work;
    }
    assert_true(work[1] - work[0] >= 900);
}

/* Keys that are equal where their parts are have hashes of their parts: n of them take n times one, put in and taken out. Those that are
 * equal to themselves alone have one hash, and pay for every entry that a search and an insertion look at. */
static void test_work_of_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"range(i + 1)",         "range(i, i + 1)", "range(0, 2 * i + 2, i + 1)",
                                       "9007199254740992 + i", "i / 7",           "('a', range(i + 1))"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint64_t work[2];
        for (int twice = 0; twice < 2; twice++) {
            char source[400];
            snprintf(source, sizeof source,
                     "{%% set d = {} %%}{%% for i in range(%d) %%}{%% set _ = d.update({%s: 1}) %%}{%% endfor %%}"
                     "{%% for i in range(%d)|reverse %%}{%% set _ = d.pop(%s) %%}{%% endfor %%}",
                     twice ? 2000 : 1000, keys[i], twice ? 2000 : 1000, keys[i]);
            work[twice] = work_of(source, "");
        }
        if (work[1] > 3 * work[0])
            fail_msg("%s: %llu units for 1000, %llu for 2000", keys[i], (unsigned long long)work[0],
                     (unsigned long long)work[1]);
    }
    uint64_t work = work_of(
        "{% set d = {} %}{% for i in range(1000) %}{% set _ = d.update({cycler(1): 1}) %}{% endfor %}", "");
    assert_true(work > UINT64_C(4) * 1000 * 1000 / 2);
}

/* A number with a point is looked for in up to 17 lengths; a hash goes through what a tuple holds twice, twice. */
static void test_work_that_hides(void **state)
{
    (void)state;
    struct job j = on_stack("{% for i in range(1000) %}{% set x = [0.1 + 0.2]|tojson %}{% endfor %}", STACK_LEAST);
    assert_int_equal(j.rc, 0);
    assert_true(j.work > 1000 * 17 * JSTEP);
    j = on_stack("{% set ns = namespace(t=(1,)) %}{% for i in range(99) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}"
                 "{% set d = {ns.t: 1} %}",
                 STACK_LEAST);
    assert_int_equal(j.rc, -1);
    assert_non_null(strstr(j.error.text, "more than 20 million steps"));
}

/* stopped() is called at the first step and then every JCHECK units of work, also within one long operation. */
static void test_given_up(void **state)
{
    (void)state;
    static const char *const templates[] = {
        "{% for i in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}",
        "{% set s = 'ab' * 2000000 %}{% for i in range(99999) %}{% set x = s.replace('a', 'c')|length %}{% endfor %}",
        "{% set l = [3, 1, 2] * 10000 %}{% for i in range(99999) %}{% set x = l|sort|length %}{% endfor %}",
    };
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        struct job j = {.source = templates[i], .patience = 3};
        render(&j);
        assert_int_equal(j.rc, -1);
        assert_int_equal(j.error.kind, JINJA_STOPPED);
        assert_non_null(strstr(j.error.text, "nobody waits"));
        assert_int_equal(j.patience, -1);
        assert_in_range(j.work, 3 * JCHECK, 6 * JCHECK);
    }
}

/* What a request's size adds to the steps that its template may take, and where that ends. */
static void test_steps_of_large_requests(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint64_t million_steps;
    } cases[] = {{0, 20}, {250000, 36}, {468750, 50}, {468751, 50}, {SIZE_MAX, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct jinja_error e;
        struct jrun r;
        arena_init_growing(&arena);
        jrun_begin(&r, &arena, cases[i].bytes, &e);
        assert_int_equal(r.work_limit, cases[i].million_steps * JMILLION_STEPS);
        arena_free(&arena);
    }
}

/* Without a request to speak of; what a large one adds is tests/templates.c's business. */
static void test_memory(void **state)
{
    (void)state;
    static const char *const templates[] = {
        "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set l=[] %}{% for i in range(99999) %}{% for j in range(99) %}{{ l.append(i) }}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% set x = 'a' * 99999 %}{% endfor %}",
        "{{ 'a' * 100000000 }}",
    };
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        struct job j = on_stack(templates[i], STACK_LEAST);
        assert_int_equal(j.rc, -1);
        assert_int_equal(j.error.kind, JINJA_LIMIT);
        assert_non_null(strstr(j.error.text, "MiB"));
        assert_in_range(j.bytes, 0, 33 << 20); /* a block of the arena beyond 32 MiB */
    }
}

/* The parser's walks over scopes and names are steps too: a source that is all walks does not compile. */
static void test_work_of_compiling(void **state)
{
    (void)state;
    char *deep = nest("#", 90, "{% macro m() %}", "!", "{% endmacro %}"), *middle = strchr(deep, '!');
    size_t room = strlen(deep) + 900 * 20 + 4000 * 8 + 1, n = (size_t)(middle - deep);
    char *source = malloc(room), *to = source + sprintf(source, "%.*s", (int)n, deep);
    for (int i = 0; i < 900; i++)
        to += sprintf(to, "{%% set a%d=1 %%}", i);
    for (int i = 0; i < 4000; i++)
        to += sprintf(to, "{{ zz }}");
    sprintf(to, "%s", middle + 1);
    struct job j = on_stack(source, STACK_LEAST);
    assert_int_equal(j.rc, 0);
    free(source);
    free(deep);

    size_t many = 120000;
    source = malloc(many * 4 + 20);
    to = source + sprintf(source, "{{ [");
    for (size_t i = 0; i < many; i++)
        to += sprintf(to, "[],");
    sprintf(to, "] }}");
    j = on_stack(source, STACK_LEAST);
    assert_int_equal(j.error.kind, JINJA_COMPILE);
    assert_non_null(strstr(j.error.text, "8 MiB of memory"));
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parser),
        cmocka_unit_test(test_evaluator),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_same_everywhere),
        cmocka_unit_test(test_work_in_proportion),
        cmocka_unit_test(test_work_of_searches),
        cmocka_unit_test(test_work_of_parameters),
        cmocka_unit_test(test_work_of_keys),
        cmocka_unit_test(test_work_that_hides),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_steps_of_large_requests),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_work_of_compiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
