/* links: toolbox library mcp kernel format base */
/* Tools of several providers as one list; calls, and what becomes of hostile results. */
#include "toolbox/toolbox.h"

#include "base/error.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

struct spoken {
    const char *text;
    size_t n;
};

static enum toolbox_end answer(void *self, const struct toolbox_call *c, struct buffer *out)
{
    const struct spoken *s = self;
    (void)c;
    if (!s)
        return TOOLBOX_NONE;
    buffer_put(out, s->text, s->n);
    return TOOLBOX_DONE;
}

static struct toolbox_provider provider(const char *from, const char *text, void *self)
{
    return (struct toolbox_provider){
        .from = from, .text = text, .n = strlen(text), .list = json_loads(text, 0, NULL), .call = answer, .self = self};
}

static int add(struct toolbox *b, const char *from, const char *text, void *self, struct error *err)
{
    struct toolbox_provider p = provider(from, text, self);
    int failed = toolbox_add(b, &p, err);
    if (failed)
        json_decref((json_t *)p.list);
    return failed;
}

static void close_box(struct toolbox *b)
{
    for (int i = 0; i < b->n; i++)
        json_decref((json_t *)b->provider[i].list);
    toolbox_free(b);
}

static const char one[] = " [{\"function\": {\"name\": \"a\"}, \"n\": 1.50}]\n",
                  two[] = "[{\"function\":{\"name\":\"b\"}}]";

static void lists_are_joined_as_they_are_written(void **state)
{
    struct toolbox b = {.n = 0};
    struct error err = {0};
    (void)state;
    assert_int_equal(add(&b, "none", "[]", NULL, &err), 0);
    assert_int_equal(add(&b, "one", one, NULL, &err), 0);
    assert_int_equal(add(&b, "two", two, NULL, &err), 0);
    assert_int_equal(json_array_size(b.shown), 2);
    static const char all[] = "[{\"function\": {\"name\": \"a\"}, \"n\": 1.50},{\"function\":{\"name\":\"b\"}}]";
    assert_int_equal(b.governs.n, sizeof all - 1);
    assert_memory_equal(b.governs.text, all, b.governs.n);
    assert_string_equal(toolbox_owner(&b, "b")->from, "two");
    assert_null(toolbox_owner(&b, "c"));
    close_box(&b);
}

static void names_are_unique(void **state)
{
    struct toolbox b = {.n = 0};
    struct error err = {0};
    (void)state;
    assert_int_equal(add(&b, "--tools", two, NULL, &err), 0);
    assert_int_equal(add(&b, "--library", two, NULL, &err), -1);
    assert_string_equal(err.text, "--tools and --library both have a tool b");
    close_box(&b);
}

static struct buffer result(struct spoken *s, const char *name)
{
    struct toolbox b = {.n = 0};
    struct error err = {0};
    struct buffer out = {0};
    assert_int_equal(add(&b, "two", two, s, &err), 0);
    assert_int_equal(toolbox_run(&b, &(struct toolbox_call){.name = name, .arguments = "{}", .n = 2}, &out),
                     TOOLBOX_DONE);
    close_box(&b);
    buffer_put(&out, "", 1);
    return out;
}

static void unknown_names_are_told(void **state)
{
    (void)state;
    struct buffer out = result(NULL, "x\xff");
    assert_string_equal(out.text, "error: there is no tool x\xEF\xBF\xBD; there are b");
    buffer_free(&out);
}

static void results_are_text(void **state)
{
    static const char bytes[] = "a\xff\xfe"
                                "b\xe4\xb8"
                                "c\0d\xe7\x81\xaf\xf0\x9f";
    (void)state;
    struct buffer out = result(&(struct spoken){bytes, sizeof bytes - 1}, "b");
    assert_int_equal(utf8_valid(out.text, out.n), out.n);
    static const char want[] = "a" UTF8_REPLACEMENT UTF8_REPLACEMENT "b" UTF8_REPLACEMENT
                               "c\0d\xe7\x81\xaf" UTF8_REPLACEMENT;
    assert_int_equal(out.n, sizeof want);
    assert_memory_equal(out.text, want, sizeof want);
    buffer_free(&out);
}

static void long_results_lose_their_middle(void **state)
{
    enum { N = 50 << 20 };
    char *text = malloc(N + 1);
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < N; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[0] = text[N - 1] = 'x';
    text[1] = text[N - 2] = 'y';
    struct buffer out = result(&(struct spoken){text, N}, "b");
    assert_in_range(utf8_count(out.text, out.n - 1), TOOLBOX_RESULT - 100, TOOLBOX_RESULT);
    assert_int_equal(utf8_valid(out.text, out.n), out.n);
    assert_memory_equal(out.text, "xy\xc3\xa9", 4);
    assert_string_equal(out.text + out.n - 5, "\xc3\xa9yx");
    assert_non_null(strstr(out.text, "\n[26114482 characters are left out here]\n"));
    buffer_free(&out);
    out = result(&(struct spoken){text, 2 * TOOLBOX_RESULT - 4}, "b"); /* as many characters as are allowed */
    assert_int_equal(out.n, 2 * TOOLBOX_RESULT - 4 + 1);
    buffer_free(&out);
    free(text);
}

static void no_result_ends_the_turn(void **state)
{
    struct toolbox b = {.n = 0};
    struct error err = {0};
    struct buffer out = {0};
    (void)state;
    assert_int_equal(add(&b, "two", two, NULL, &err), 0);
    assert_int_equal(toolbox_run(&b, &(struct toolbox_call){.name = "b"}, &out), TOOLBOX_NONE);
    assert_int_equal(out.n, 0);
    close_box(&b);
}

/* Tools that somebody else runs, such as a client's own, are in the list, and their calls end the turn. */
static void others_run_their_own_tools(void **state)
{
    struct toolbox b = {.n = 0};
    struct error err = {0};
    struct buffer out = {0};
    struct spoken s = {"x", 1};
    (void)state;
    assert_int_equal(add(&b, "tools", one, NULL, &err), 0);
    b.provider[0].call = NULL;
    assert_int_equal(add(&b, "two", two, &s, &err), 0);
    assert_int_equal(toolbox_run(&b, &(struct toolbox_call){.name = "a"}, &out), TOOLBOX_NONE);
    assert_int_equal(toolbox_is_free(&b, "a"), 0);
    assert_int_equal(toolbox_is_free(&b, "b"), 1);
    b.provider[1].asks = 1;
    assert_int_equal(toolbox_is_free(&b, "b"), 0);
    assert_int_equal(toolbox_is_free(&b, "c"), 1); /* told that it does not exist */
    close_box(&b);
}

static void results_leave_space_for_the_answer(void **state)
{
    (void)state;
    assert_int_equal(toolbox_kept(1000, 0), 250);
    assert_int_equal(toolbox_kept(32768, 0), 1024);
    assert_int_equal(toolbox_kept(32768, 100), 100);
    assert_int_equal(toolbox_space(1000, 0, 550, 1), 400);
    assert_int_equal(toolbox_space(1000, 0, 550, 2), 200);
    assert_int_equal(toolbox_space(1000, 0, 750, 1), 0);
    assert_int_equal(toolbox_space(1000, 0, 5000, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_joined_as_they_are_written),
                                       cmocka_unit_test(names_are_unique),
                                       cmocka_unit_test(others_run_their_own_tools),
                                       cmocka_unit_test(results_leave_space_for_the_answer),
                                       cmocka_unit_test(unknown_names_are_told),
                                       cmocka_unit_test(results_are_text),
                                       cmocka_unit_test(long_results_lose_their_middle),
                                       cmocka_unit_test(no_result_ends_the_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
