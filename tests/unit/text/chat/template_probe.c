/* links: text format base */
/* What a template may take while it is loaded: steps and memory of all probes together are bounded, whatever it asks for. */
#include "base/error.h"
#include "base/reqmem.h"
#include "text/chat/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The least slack of a plan: what is not yet there while a template is loaded. */
enum { SLACK = 8 << 20 };

static struct reqmem memory;
static struct reqmem_account account = {.of = &memory};

static int create(const char *source, struct error *err)
{
    struct chat_template *t;
    int rc = template_create(&t, source, strlen(source), NULL, NULL, NULL, err);
    template_destroy(t);
    return rc;
}

#define TURNS "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"

static const char *const greedy[] = {
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}" TURNS,
    "{% if messages|length > 1 %}{% for i in range(100000) %}{% for j in range(9999) %}{% endfor %}{% endfor %}{% "
    "endif %}" TURNS,
    "{{ 'a' * 4000000 }}" TURNS,
    "{{ range(100000)|list|length }}{{ range(100000)|list|string|length }}" TURNS,
    "{% set l = [] %}{% for i in range(99999) %}{% for j in range(999) %}{% set _ = l.append(i) %}{% endfor %}{% "
    "endfor %}" TURNS,
    "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}" TURNS,
    "{% set s = 'ab ' * 100000 %}{% for i in range(100000) %}{% set x = s.strip('ab ') %}{% endfor %}" TURNS,
};

/* All arenas share a limit of that size: an allocation beyond it would be ERR_MEMORY. */
static void test_greedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
        struct error err = {0}, again = {0};
        reqmem_init(&memory, SLACK, 0);
        reqmem_enter(&account, 0);
        int rc = create(greedy[i], &err);
        create(greedy[i], &again);
        reqmem_leave();
        assert_int_equal(reqmem_taken(&memory), 0);
        if (rc != -1 || err.code != ERR_FORMAT ||
            !strstr(err.text, "takes too much for a conversation of a few words: line 1"))
            fail_msg("%s: %d %s", greedy[i], err.code, err.text);
        assert_string_equal(err.text, again.text);
    }
}

/* The three probes that are compared hold their memory at the same time. */
static void test_three_at_a_time(void **state)
{
    (void)state;
    struct error err = {0};
    reqmem_init(&memory, SLACK, 0);
    reqmem_enter(&account, 0);
    int rc = create("{% set s = 'a' * 400000 %}" TURNS, &err);
    reqmem_leave();
    if (rc != 0)
        fail_msg("%s", err.text);
}

/* A probe that is refused for its depth or its memory shows nothing, and does not use up the share of the others. */
static void test_refused_probes(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "{% macro f() %}{{ f() }}{% endmacro %}{% if tools %}{{ f() }}{% endif %}" TURNS,
        "{% if tools %}{{ range(10000000) }}{% endif %}" TURNS,
        "{% if tools %}{{ 'a' * 1000000000 }}{% endif %}" TURNS,
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct chat_template *t;
        struct error err = {0};
        if (template_create(&t, sources[i], strlen(sources[i]), NULL, NULL, NULL, &err) != 0)
            fail_msg("%s: %s", sources[i], err.text);
        assert_true(template_caps_of(t)->system);
        assert_false(template_caps_of(t)->tools);
        template_destroy(t);
    }
}

/* Without memory there is no guess at what a template can do. */
static void test_no_memory(void **state)
{
    (void)state;
    static const char source[] = TURNS;
    for (size_t most = 0; most < 1 << 20; most += 64 << 10) {
        struct error err = {0};
        struct chat_template *t;
        reqmem_init(&memory, most, 0);
        reqmem_enter(&account, 0);
        int rc = template_create(&t, source, sizeof source - 1, NULL, NULL, NULL, &err);
        if (rc != 0)
            assert_int_equal(err.code, ERR_MEMORY);
        else
            assert_true(template_caps_of(t)->system);
        template_destroy(t);
        reqmem_leave();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_three_at_a_time),
        cmocka_unit_test(test_refused_probes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
