/* links: server toolbox mcp library kernel format base */
/* The name of a conversation's beginning: the same through its turns, whatever --stabilize takes away; another for others. */
#include "server/request/prefix_key.h"
#include "server/request/stabilize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t key(const char *messages, enum stabilize mode)
{
    unsigned used[STABILIZE_RULES] = {0};
    json_t *m = json_loads(messages, 0, NULL);
    assert_non_null(m);
    uint64_t user = prefix_key_user(m);
    json_t *places = NULL;
    assert_int_equal(stabilize(m, mode, used, &places), 0);
    json_decref(places);
    uint64_t k = prefix_key_chat(m, user);
    json_decref(m);
    return k;
}

#define TURN1        "{\"role\":\"user\",\"content\":\"Hello\"}"
#define TURN2        TURN1 ",{\"role\":\"assistant\",\"content\":\"Hi\"},{\"role\":\"user\",\"content\":\"More\"}"
#define SYSTEM(text) "{\"role\":\"system\",\"content\":\"" text "\"},"

static void turns_have_one_key(void **state)
{
    (void)state;
    assert_true(key("[" TURN1 "]", STABILIZE_STRIP) == key("[" TURN2 "]", STABILIZE_STRIP));
    assert_true(key("[" SYSTEM("Be brief.") TURN1 "]", STABILIZE_STRIP) ==
                key("[" SYSTEM("Be brief.") TURN2 "]", STABILIZE_STRIP));
    assert_true(key("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}]", STABILIZE_STRIP) ==
                key("[" TURN1 "]", STABILIZE_STRIP));
}

static void others_have_others(void **state)
{
    (void)state;
    uint64_t k = key("[" SYSTEM("Be brief.") TURN1 "]", STABILIZE_STRIP);
    assert_true(k != key("[" TURN1 "]", STABILIZE_STRIP));
    assert_true(k != key("[" SYSTEM("Be long.") TURN1 "]", STABILIZE_STRIP));
    assert_true(k != key("[" SYSTEM("Be brief.") "{\"role\":\"user\",\"content\":\"Hello!\"}]", STABILIZE_STRIP));
    assert_true(key("[" SYSTEM("a") TURN1 "]", STABILIZE_STRIP) != key("[" SYSTEM("") TURN1 "]", STABILIZE_STRIP));
}

#define BILL(x) "x-anthropic-billing-header: cc_version=2.1." x "; cch=" x ";\\nBe brief."
#define GIT(x)  "Be brief.\\nPlatform: " x

static void what_stabilize_takes_does_not_count(void **state)
{
    (void)state;
    uint64_t bare = key("[" SYSTEM("Be brief.") TURN1 "]", STABILIZE_STRIP);
    assert_true(key("[" SYSTEM(BILL("1")) TURN1 "]", STABILIZE_STRIP) ==
                key("[" SYSTEM(BILL("2")) TURN2 "]", STABILIZE_STRIP));
    assert_true(key("[" SYSTEM(BILL("1")) TURN1 "]", STABILIZE_STRIP) == bare);
    assert_true(key("[" SYSTEM(BILL("1")) TURN1 "]", STABILIZE_OFF) !=
                key("[" SYSTEM(BILL("2")) TURN1 "]", STABILIZE_OFF));
    assert_true(key("[" SYSTEM(GIT("a")) TURN1 "]", STABILIZE_MOVE) ==
                key("[" SYSTEM(GIT("b")) TURN2 "]", STABILIZE_MOVE));
    assert_true(key("[" SYSTEM(GIT("a")) TURN1 "]", STABILIZE_STRIP) !=
                key("[" SYSTEM(GIT("b")) TURN1 "]", STABILIZE_STRIP));
}

static void tokens(void **state)
{
    stoker_token t[PREFIX_KEY_TOKENS + 10] = {0};
    (void)state;
    uint64_t k = prefix_key_tokens(t, PREFIX_KEY_TOKENS);
    assert_true(k == prefix_key_tokens(t, PREFIX_KEY_TOKENS + 10));
    assert_true(k != prefix_key_tokens(t, PREFIX_KEY_TOKENS - 1));
    t[PREFIX_KEY_TOKENS - 1] = 1;
    assert_true(k != prefix_key_tokens(t, PREFIX_KEY_TOKENS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(turns_have_one_key), cmocka_unit_test(others_have_others),
                                       cmocka_unit_test(what_stabilize_takes_does_not_count), cmocka_unit_test(tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
