/* links: text format base */
/* Schemas as trees: order, spelling and pointers; what is refused, and where. */
#include "text/schema/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct compile compile;
static struct compile_pool pool;
static struct error why;

static struct schema_node *tree_of(const char *text, size_t n)
{
    struct schema_node *x = NULL;
    compile = (struct compile){0};
    pool = (struct compile_pool){.compile = &compile};
    why = (struct error){0};
    return schema_read(&x, &pool, text, n, &why) == 0 ? x : NULL;
}

static void trees(void **state)
{
    (void)state;
    static const char text[] =
        " {\"b/c\": [1.50, [], {}, \"\\u00e4\\ud83d\\ude00\"], \"a\": {\"\\u0062\": null, \"z\": true}, \"n\": -0} ";
    char pointer[40];
    const struct schema_node *x = tree_of(text, strlen(text)), *c;
    assert_non_null(x);
    assert_int_equal(x->kind, NODE_OBJECT);
    assert_int_equal(x->n, 3);
    assert_null(x->parent);
    c = x->child; /* in the order of the text */
    assert_int_equal(c->kind, NODE_ARRAY);
    assert_int_equal(c->n, 4);
    assert_memory_equal(c->child->text, "1.50", 4);
    assert_int_equal(c->child->n, 4);
    assert_int_equal(c->child->next->kind, NODE_ARRAY);
    assert_null(c->child->next->child);
    assert_int_equal(c->child->next->next->kind, NODE_OBJECT);
    c = c->child->next->next->next;
    assert_true(node_is_text(c, "\xC3\xA4\xF0\x9F\x98\x80"));
    assert_int_equal(c->index, 3);
    assert_int_equal(c->id, 5);
    assert_null(c->key);
    node_pointer(c, pointer, sizeof pointer);
    assert_string_equal(pointer, "/b~1c/3");
    c = node_at(&compile, x, "/a/b", 4, 0);
    assert_int_equal(c->kind, NODE_NULL);
    assert_int_equal(c->next->kind, NODE_TRUE);
    assert_null(c->next->next);
    assert_ptr_equal(c->parent, x->child->next);
    assert_memory_equal(node_keyword(x, "n")->text, "-0", 2);
    pool_free(&pool);
}

/* Steps of any length, in whatever way they are written; what is nearly the same leads nowhere. */
static void pointers(void **state)
{
    (void)state;
    static char text[4000], pointer[9000];
    for (size_t n = 1; n < 1000; n = n * 7 / 4 + 1) {
        struct schema_node *x;
        size_t n_text = (size_t)snprintf(text, sizeof text, "{\"\": 1, \"a~/%0*d\": [2, {\"%%41\": 3}]}", (int)n, 0);
        assert_non_null(x = tree_of(text, n_text));
        for (int escaped = 0; escaped < 2; escaped++) {
            size_t at = (size_t)sprintf(pointer, escaped ? "/%%61~%%30~1" : "/a~0~1");
            for (size_t i = 0; i < n; i++)
                at += (size_t)sprintf(pointer + at, escaped ? "%%30" : "0");
            assert_ptr_equal(node_at(&compile, x, pointer, at, escaped), x->child->next);
            assert_null(node_at(&compile, x, pointer, at - (escaped ? 3 : 1), escaped));
            pointer[at] = 'x';
            assert_null(node_at(&compile, x, pointer, at + 1, escaped));
            sprintf(pointer + at, "/1/%s", escaped ? "%2541" : "%41");
            assert_ptr_equal(node_at(&compile, x, pointer, strlen(pointer), escaped),
                             x->child->next->child->next->child);
            sprintf(pointer + at, "/%0*d", (int)n, 1);
            assert_ptr_equal(node_at(&compile, x, pointer, strlen(pointer), escaped),
                             n < 9 ? x->child->next->child->next : NULL);
        }
        assert_ptr_equal(node_at(&compile, x, "/", 1, 0), x->child);
        assert_null(node_at(&compile, x, "/a", 2, 0));
        pool_free(&pool);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } row[] = {
        {"", "line 1, column 1: expected a value"},
        {"[1,\n 2,]", "line 2, column 4: expected a value"},
        {"[tru]", "line 1, column 2: expected a value"},
        {"{1: 2}", "line 1, column 2: expected a key"},
        {"{\"a\":1,}", "line 1, column 8: expected a key"},
        {"{\"a\"", "line 1, column 5: expected a colon"},
        {"{\"a\":1", "line 1, column 7: expected a comma or a closing brace"},
        {"[1}", "line 1, column 3: expected a comma or a closing bracket"},
        {"{} {", "line 1, column 4: something behind the end"},
        {"[-]", "line 1, column 3: a bad number"},
        {"[01]", "line 1, column 3: a bad number"},
        {"1.", "line 1, column 3: a bad number"},
        {"\"abc", "line 1, column 5: a string is not closed"},
        {"\"abc\\u00", "line 1, column 9: a string is not closed"},
        {"\"a\nb\"", "line 1, column 3: a control character in a string"},
        {"\"a\\x\"", "line 1, column 5: an unknown escape"},
        {"\"\\u00g0\"", "line 1, column 6: \\u needs four hexadecimal digits"},
        {"\"\\ud800\\ud800\"", "line 1, column 8: half of a surrogate pair"},
        {"[\"\\udc00\"]", "line 1, column 9: half of a surrogate pair"},
        {"[\"ab\xC3\"]", "line 1, column 5: not valid UTF-8"},
        {"{\"a\":{\"b\":1,\"\\u0062\":2}}", "line 1, column 24: the key \"b\" stands twice in one object"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_null(tree_of(row[i].text, strlen(row[i].text)));
        if (strncmp(why.text, "not JSON, ", 10) != 0 || strcmp(why.text + 10, row[i].why) != 0)
            fail_msg("%s: %s", row[i].text, why.text);
        pool_free(&pool);
    }
}

static void nesting(void **state)
{
    (void)state;
    enum { DEPTH = 2048 };
    char text[2 * DEPTH + 2];
    for (size_t depth = DEPTH; depth <= DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct schema_node *x = tree_of(text, 2 * depth);
        if (depth == DEPTH)
            assert_non_null(x);
        else
            assert_string_equal(why.text, "nested deeper than 2048 brackets");
        pool_free(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trees), cmocka_unit_test(pointers), cmocka_unit_test(refusals),
                                       cmocka_unit_test(nesting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
