/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Where prompts may be resumed: behind the messages of the embedded model's template. */
#include "server/request/resume_points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct stoker_templates *templates;

/* The text of the tokens up to a point. */
static size_t bytes_before(const struct stoker_prompt *p, size_t at)
{
    size_t sum = 0, n;
    for (size_t i = 0; i < at; i++) {
        stoker_templates_piece(templates, p->token[i], &n);
        sum += n;
    }
    return sum;
}

static struct stoker_prompt render(const char *request)
{
    struct stoker_prompt p;
    struct stoker_error err;
    if (stoker_prompt(templates, request, strlen(request), NULL, NULL, &p, NULL, &err))
        fail_msg("%s", err.text);
    return p;
}

static void behind_messages(void **state)
{
    (void)state;
    static const char request[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S one\"},"
        "{\"role\":\"user\",\"content\":\"U <|im_end|> one\"},"
        "{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"U two\"}]}";
    struct stoker_prompt p = render(request);
    size_t at[RESUME_POINTS], n = resume_points(templates, &p, at);
    assert_int_equal(n, 4);
    static const char *const next[] = {"<|im_start|>user\nU <", "<|im_start|>assistant\nA", "<|im_start|>user\nU two",
                                       "<|im_start|>assistant\n"};
    for (size_t i = 0; i < n; i++) {
        size_t byte = bytes_before(&p, at[i]);
        assert_true(p.n_text - byte >= strlen(next[i]));
        assert_memory_equal(p.text + byte, next[i], strlen(next[i]));
        assert_true(i == 0 || at[i] > at[i - 1]);
    }
    assert_true(at[n - 1] < p.n_token);
    stoker_prompt_free(&p);
}

/* The first stays, and the newest. */
static void of_many_the_newest(void **state)
{
    (void)state;
    static char request[8000] = "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"}";
    for (int i = 0; i < 40; i++)
        sprintf(request + strlen(request), ",{\"role\":\"%s\",\"content\":\"m%d\"}", i % 2 ? "assistant" : "user", i);
    strcat(request, ",{\"role\":\"user\",\"content\":\"end\"}]}");
    struct stoker_prompt p = render(request);
    size_t at[RESUME_POINTS], n = resume_points(templates, &p, at);
    assert_int_equal(n, RESUME_POINTS);
    assert_memory_equal(p.text + bytes_before(&p, at[0]), "<|im_start|>user\nm0", 19);
    for (size_t i = 1; i < n; i++)
        assert_true(at[i] > at[i - 1]);
    assert_memory_equal(p.text + bytes_before(&p, at[n - 2]), "<|im_start|>user\nend", 20);
    stoker_prompt_free(&p);
}

static int open_templates(void **state)
{
    (void)state;
    struct stoker_error err;
    return stoker_templates_open(&templates, "models/ember/ember.gguf", NULL, NULL, &err);
}

static int close_templates(void **state)
{
    (void)state;
    stoker_templates_close(templates);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(behind_messages), cmocka_unit_test(of_many_the_newest)};
    return cmocka_run_group_tests(tests, open_templates, close_templates);
}
