/* links: text base */
/* Cutting into words: the stages that are our own code, and every row on texts made to be slow. Whole rules against many texts:
 * tests/tokenizers.c. */
#include "text/tokenizer/pretokenize.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *const rows[] = {
    "default",     "llama-bpe", "dbrx",       "glm4",       "jais-2", "deepseek-llm", "deepseek-coder",
    "deepseek-v3", "youtu",     "falcon",     "starcoder",  "gpt-2",  "roberta-bpe",  "qwen2",
    "qwen35",      "bloom",     "viking",     "tekken",     "gpt-4o", "tiny_aya",     "chameleon",
    "kimi-k2",     "superbpe",  "bailingmoe", "seed-coder", "afmoe",  "exaone-moe",   "gemma4"};
enum { N_ROWS = sizeof rows / sizeof *rows };

static struct splitter *make(const char *name)
{
    struct error err = {0};
    struct splitter *s = NULL;
    const struct pretokenizer *row = pretokenizer_find(name, strlen(name), &err);
    assert_non_null(row);
    assert_int_equal(splitter_create(&s, row, &err), 0);
    assert_true(splitter_bytes(s) > 0);
    return s;
}

/* The words of a text joined by '|'. */
static void words_are(const char *name, const char *text, const char *want)
{
    struct splitter *s = make(name);
    struct splitting p = {0};
    size_t start, n, expected = 0;
    char got[300] = "";
    assert_int_equal(splitting_begin(&p, s, (const uint8_t *)text, strlen(text)), 0);
    while (splitting_next(&p, &start, &n) > 0) {
        assert_int_equal(start, expected);
        expected = start + n;
        sprintf(got + strlen(got), "%s%.*s", *got ? "|" : "", (int)n, text + start);
    }
    assert_int_equal(expected, strlen(text));
    assert_string_equal(got, want);
    splitting_end(&p);
    splitter_destroy(s);
}

static void test_words(void **state)
{
    (void)state;
    words_are("qwen2", "Hello world, don't  stop\n\n  x1", "Hello| world|,| don|'t| | stop|\n\n| | x|1");
    words_are("gpt-4o", "camelCase ABC's fooBar", "camel|Case| ABC's| foo|Bar");
    words_are("gpt-2", "THE'S 'Sx", "THE|'|S| '|Sx");
    words_are("qwen2", "it'ſ", "it|'ſ");
    words_are("qwen2", "", "");
}

static void test_threes(void **state)
{
    (void)state;
    words_are("tiny_aya", "a1234567b123 12", "a|1|234|567|b|123| |12");
    words_are("superbpe", "x1234y123z12 1½123½4567", "x|1|234|y|123|z|12| |1½|123½4|567");
    words_are("tiny_aya", "１２３４", "１|２３４");
}

static void test_spaces(void **state)
{
    (void)state;
    words_are("jais-2", "a       b", "a|    |  | b"); /* 7: 6 are 4 and 2, one goes to the word */
    words_are("jais-2", "a   \n  b", "a|   \n| | b");
    words_are("jais-2", "     ", "    | ");
    words_are("deepseek-llm", "a  b  ", "a| | b|  ");
    words_are("deepseek-llm", "   ", "   ");
    words_are("gemma4", "\n\na b\nc", "\n\n|a b|\n|c");
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What is quadratic takes minutes here, what outgrows a stack fails. */
static void test_hostile(void **state)
{
    (void)state;
    static const char *const units[] = {"a",
                                        "A",
                                        " ",
                                        "\n",
                                        "7",
                                        "'s",
                                        "\xCC\x81",
                                        "\n ",
                                        "a ",
                                        "aB",
                                        "\xE4\xB8\x80",
                                        "   \t\r\n",
                                        "!",
                                        "1\xC2\xBD",
                                        "\xE3\x80\x80",
                                        "<sentinel:1",
                                        "\xF0\x9F\x98\x80"};
    enum { SIZE = 1 << 17 };
    uint8_t *text = malloc(SIZE + 1);
    assert_non_null(text);
    for (int r = 0; r < N_ROWS; r++) {
        struct splitter *s = make(rows[r]);
        struct splitting p = {0};
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t unit = strlen(units[u]), n = SIZE / unit * unit, start, length, end = 0;
            for (size_t i = 0; i < n; i++)
                text[i] = (uint8_t)units[u][i % unit];
            text[n++] = 'x';
            double begin = cpu_seconds();
            assert_int_equal(splitting_begin(&p, s, text, n), 0);
            while (splitting_next(&p, &start, &length) > 0) {
                assert_true(start == end && length > 0);
                end += length;
            }
            assert_int_equal(end, n);
            if (cpu_seconds() - begin > 4)
                fail_msg("%s takes %.0f s for %zu bytes of \"%s\"", rows[r], cpu_seconds() - begin, n, units[u]);
        }
        splitting_end(&p);
        splitter_destroy(s);
    }
    free(text);
}

static void test_clean(void **state)
{
    (void)state;
    uint8_t out[40];
    const char *text = "plain text\xFF\xC3\xA9\xED\xA0\x80!";
    size_t n = strlen(text);
    assert_int_equal(pretokenize_clean((const uint8_t *)text, n, NULL), n + 4 * 2);
    assert_int_equal(pretokenize_clean((const uint8_t *)text, n, out), n + 4 * 2);
    assert_memory_equal(out, "plain text\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD!", n + 8);
}

static void test_names(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(pretokenizer_find("llama-b", 7, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    for (int r = 0; r < N_ROWS; r++)
        if (strcmp(rows[r], "roberta-bpe") != 0 && !strstr(err.text, rows[r]) && !strstr(err.text, "jina-v1-en"))
            fail_msg("\"%s\" does not list %s", err.text, rows[r]);
    assert_ptr_equal(pretokenizer_find("falcon3", 7, &err), pretokenizer_find("llama-bpe", 9, &err));
    assert_true(pretokenizer_find("chatglm-bpe", 11, &err)->no_bos);
    assert_ptr_equal(pretokenizer_find("glm5", 4, &err), pretokenizer_find("glm4", 4, &err));
    assert_true(pretokenizer_find("jina-v2-code", 12, &err)->add_sep &&
                !pretokenizer_find("jina-v2-es", 10, &err)->add_sep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),   cmocka_unit_test(test_threes), cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_clean),  cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
