/* links: engine text model store op machine kernel format base */
/* Answers taken apart, through the public API: stop strings beside reasoning and calls. The formats: tests/tool_cases.c. */
#include "base/reqmem.h"
#include "separator_model.h"
#include "stoker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stoker *engine;

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"put\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": {\"text\": {\"type\": \"string\"}}}}}]";

struct parsed {
    char content[2000], reasoning[2000];
    size_t n_content, n_reasoning, n_call;
    int stop;      /* index of the stop string that ended it */
    size_t tokens; /* taken until it was over */
};

static void on_piece(void *arg, const struct stoker_piece *p)
{
    struct parsed *s = arg;
    if (p->kind == STOKER_PIECE_CONTENT) {
        memcpy(s->content + s->n_content, p->text, p->n);
        s->n_content += p->n;
    } else if (p->kind == STOKER_PIECE_REASONING) {
        memcpy(s->reasoning + s->n_reasoning, p->text, p->n);
        s->n_reasoning += p->n;
    }
    s->n_call += p->kind == STOKER_PIECE_CALL_END;
}

/* The tokens of a text as an answer. */
static struct parsed parse_text(const char *text, const struct stoker_string *stop, size_t n_stop, int with_tools)
{
    struct parsed s = {.stop = -1};
    struct stoker_error err = {0};
    struct stoker_reply *reply;
    struct stoker_reply_options o = {.unchecked = 1, .stop = stop, .n_stop = n_stop};
    stoker_token *id;
    size_t n = 0;
    int over = 0;
    if (with_tools) {
        o.tools = tools;
        o.n_tools = sizeof tools - 1;
    }
    if (stoker_reply_open(&reply, engine, &o, on_piece, &s, &err) ||
        stoker_tokenize(engine, text, strlen(text), 0, 1, &id, &n, &err))
        fail_msg("%s", err.text);
    for (; s.tokens < n && !over; s.tokens++)
        over = stoker_reply_token(reply, id[s.tokens], &err);
    assert_true(over >= 0);
    assert_int_equal(over, stoker_reply_stop(reply) >= 0);
    assert_int_equal(stoker_reply_end(reply, &err), 0);
    s.stop = stoker_reply_stop(reply);
    s.content[s.n_content] = s.reasoning[s.n_reasoning] = 0;
    stoker_free(id);
    stoker_reply_close(reply);
    return s;
}

static struct parsed parse_with_stop(const char *text, const char *stop, int with_tools)
{
    return parse_text(text, &(struct stoker_string){stop, strlen(stop)}, 1, with_tools);
}

/* Every part of the answer as a stop string: the text before its first occurrence is the content, and no token is taken beyond the one
 * that completes it. */
static void any_part_stops(void **state)
{
    (void)state;
    static const char text[] = "The first line.\nThe second,\n\n  and gr\303\274n \360\237\231\202 words \n";
    const size_t n = sizeof text - 1;
    size_t all = parse_text(text, NULL, 0, 0).tokens;
    for (size_t i = 0; i < n; i++)
        for (size_t length = 1; i + length <= n && length < 12; length++) {
            struct stoker_string stop = {text + i, length};
            if ((text[i] & 0xc0) == 0x80 || (i + length < n && (text[i + length] & 0xc0) == 0x80))
                continue; /* half a character */
            struct parsed s = parse_text(text, &stop, 1, 1);
            const char *first = memmem(text, n, stop.text, length);
            assert_int_equal(s.stop, 0);
            assert_int_equal(s.n_content, first - text);
            assert_memory_equal(s.content, text, s.n_content);
            assert_true(s.tokens <= all);
        }
}

/* The token that completes it is the last one that is asked for, white space too. */
static void at_once(void **state)
{
    (void)state;
    static const char *const stops[] = {"\n", ".\n", "line", "ne."};
    size_t line = parse_text("A line.\n", NULL, 0, 0).tokens;
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct parsed s = parse_with_stop("A line.\nB line.\nC line.\n", stops[i], 1);
        assert_true(s.tokens <= line && s.stop == 0);
    }
}

static void held_back_and_given(void **state)
{
    (void)state;
    struct parsed s = parse_with_stop("ends with a STO", "STOP", 0);
    assert_int_equal(s.stop, -1);
    assert_string_equal(s.content, "ends with a STO");
    const struct stoker_string two[] = {{"nothing", 7}, {"a S", 3}};
    s = parse_text("ends with a STO", two, 2, 0);
    assert_int_equal(s.stop, 1);
    assert_string_equal(s.content, "ends with ");
}

static void reasoning_and_calls_go_on(void **state)
{
    (void)state;
    static const char text[] = "<think>\nSTOP here?\n</think>\n\nYes.\n<tool_call>\n{\"name\": \"put\", \"arguments\": "
                               "{\"text\": \"STOP\"}}\n</tool_call>\nthen STOP it";
    struct parsed s = parse_with_stop(text, "STOP", 1);
    assert_int_equal(s.stop, 0);
    assert_string_equal(s.reasoning, "STOP here?");
    assert_string_equal(s.content, "Yes.\nthen ");
    assert_int_equal(s.n_call, 1);
    s = parse_with_stop(text, "Y", 1);
    assert_int_equal(s.stop, 0);
    assert_string_equal(s.reasoning, "STOP here?");
    assert_string_equal(s.content, "");
    assert_int_equal(s.n_call, 0);
    s = parse_with_stop(text, "s.\n\n<too", 1); /* a call is not text, and text on both sides of it is two texts */
    assert_int_equal(s.stop, -1);
    assert_string_equal(s.content, "Yes.\nthen STOP it");
}

/* A prompt without a template: only control tokens are removed from the answer. */
static void plain(void **state)
{
    (void)state;
    static const char text[] = "<think>a</think> <tool_call>{\"name\": \"put\", \"arguments\": {}}</tool_call>  ";
    struct parsed s = {.stop = -1};
    struct stoker_error err = {0};
    struct stoker_reply *reply;
    struct stoker_reply_options o = {.plain = 1};
    stoker_token *id;
    size_t n;
    assert_int_equal(stoker_reply_open(&reply, engine, &o, on_piece, &s, &err), 0);
    assert_int_equal(stoker_tokenize(engine, text, strlen(text), 0, 0, &id, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(stoker_reply_token(reply, id[i], &err), 0);
    assert_int_equal(stoker_reply_end(reply, &err), 0);
    s.content[s.n_content] = 0;
    assert_string_equal(s.content, text);
    assert_int_equal(s.n_call + s.n_reasoning, 0);
    assert_null(stoker_reply_constraint(reply));
    stoker_free(id);
    stoker_reply_close(reply);
}

/* A turn of gigachat3 ends by a token that the vocabulary need not know as an end, with tools and without. */
static void ends_by_the_format(void **state)
{
    (void)state;
    static const struct stoker_string stop = {"x", 1};
    struct stoker_error err = {0};
    struct stoker_reply *reply;
    struct stoker_reply_options o = {.format = "gigachat3"};
    assert_int_equal(stoker_reply_open(&reply, engine, &o, NULL, NULL, &err), 0);
    assert_int_equal(stoker_reply_may_end(reply), 0); /* the vocabulary has no such token */
    stoker_reply_close(reply);
    o.plain = 1;
    o.stop = &stop;
    for (o.n_stop = 0; o.n_stop < 2; o.n_stop++) {
        assert_int_equal(stoker_reply_open(&reply, engine, &o, NULL, NULL, &err), 0);
        assert_int_equal(stoker_reply_may_end(reply), o.n_stop);
        stoker_reply_close(reply);
    }
    char path[TEMPORARY_PATH];
    struct stoker *other;
    const struct stoker_options how = {.memory = STOKER_MEMORY_MIN, .n_ctx = 256, .n_threads = 1};
    assert_int_equal(separator_model(path), 0);
    assert_int_equal(stoker_open(&other, path, &how, &err), 0);
    remove(path);
    static const char *const formats[] = {"gigachat3", NULL}; /* NULL: the model's own */
    for (int i = 0; i < 2; i++) {
        o = (struct stoker_reply_options){.format = formats[i]};
        assert_int_equal(stoker_reply_open(&reply, other, &o, NULL, NULL, &err), 0);
        assert_int_equal(stoker_reply_may_end(reply), i == 0);
        assert_int_equal(stoker_reply_token(reply, SEPARATOR, &err), i == 0);
        stoker_reply_close(reply);
    }
    stoker_close(other);
}

static void refusals(void **state)
{
    (void)state;
    static struct stoker_string many[65];
    struct stoker_error err = {0};
    struct stoker_reply *reply;
    struct stoker_reply_options o = {.stop = many, .n_stop = 1};
    assert_int_equal(stoker_reply_open(&reply, engine, &o, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "stop string 1 is empty"));
    for (int i = 0; i < 65; i++)
        many[i] = (struct stoker_string){"x", 1};
    o.n_stop = 65;
    assert_int_equal(stoker_reply_open(&reply, engine, &o, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "stop has 65 strings; at most 64"));
}

/* Tokens that a request asked for count as its memory until stoker_free(): free() would leave them counted for good. */
static void memory_comes_back(void **state)
{
    (void)state;
    struct stoker_error err = {0};
    stoker_token *id = NULL;
    size_t n, before;
    struct reqmem memory;
    struct reqmem_account account = {.of = &memory};
    reqmem_init(&memory, 1 << 20, 0);
    reqmem_enter(&account, 0);
    assert_int_equal(stoker_tokenize(engine, tools, strlen(tools), 0, 0, &id, &n, &err), 0);
    stoker_free(id); /* what the tokenizer keeps for the next text stays */
    before = reqmem_taken(&memory);
    assert_int_equal(stoker_tokenize(engine, tools, strlen(tools), 0, 0, &id, &n, &err), 0);
    assert_true(reqmem_taken(&memory) > before);
    stoker_free(id);
    assert_int_equal(reqmem_taken(&memory), before);
    stoker_free(NULL);
    reqmem_leave();
}

static int open_engine(void **state)
{
    (void)state;
    struct stoker_error err;
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN, .n_ctx = 256, .n_threads = 1};
    return stoker_open(&engine, "models/ember/ember.gguf", &o, &err);
}

static int close_engine(void **state)
{
    (void)state;
    stoker_close(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_stops),
        cmocka_unit_test(at_once),
        cmocka_unit_test(held_back_and_given),
        cmocka_unit_test(reasoning_and_calls_go_on),
        cmocka_unit_test(plain),
        cmocka_unit_test(ends_by_the_format),
        cmocka_unit_test(refusals),
        cmocka_unit_test(memory_comes_back),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
