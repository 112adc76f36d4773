/* links: server toolbox mcp library kernel format base */
/* Rules of --stabilize: what a system text loses, and where it goes. */
#include "server/request/stabilize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct split {
    char kept[4000], moved[4000];
    unsigned used[STABILIZE_RULES];
};

static void copy(char *to, const struct out *o)
{
    assert_false(o->failed);
    assert_true(o->n < 4000);
    if (o->n)
        memcpy(to, o->text, o->n);
    to[o->n] = 0;
}

static struct split split(const char *text, enum stabilize mode)
{
    struct split s = {0};
    struct out kept = {0}, moved = {0};
    stabilize_block(text, strlen(text), mode, &kept, &moved, s.used);
    copy(s.kept, &kept);
    copy(s.moved, &moved);
    out_free(&kept);
    out_free(&moved);
    return s;
}

static void check(const char *text, enum stabilize mode, const char *kept, const char *moved)
{
    struct split s = split(text, mode);
    assert_string_equal(s.kept, kept);
    assert_string_equal(s.moved, moved);
}

static const char billing[] = "x-anthropic-billing-header: cc_version=2.1.197.3fa; cch=01f2e;";

static void billing_lines_are_removed(void **state)
{
    (void)state;
    char text[200];
    snprintf(text, sizeof text, "a\n%s\nb\n%s", billing, billing);
    struct split s = split(text, STABILIZE_STRIP);
    assert_string_equal(s.kept, "a\nb\n");
    assert_string_equal(s.moved, "");
    assert_int_equal(s.used[0], 2);
    check(text, STABILIZE_MOVE, "a\nb\n", "");
    check(text, STABILIZE_OFF, text, "");
    check(" x-anthropic-billing-header: a", STABILIZE_STRIP, " x-anthropic-billing-header: a",
          ""); /* starts the line */
    check("see x-anthropic-billing-header: a", STABILIZE_STRIP, "see x-anthropic-billing-header: a", "");
}

static void git_status_moves_to_the_end(void **state)
{
    (void)state;
    static const char text[] = "rules\n\ngitStatus: now\nbranch main\n\nStatus:\nM a.c\n";
    check(text, STABILIZE_MOVE, "rules\n\n", "gitStatus: now\nbranch main\n\nStatus:\nM a.c");
    check(text, STABILIZE_STRIP, text, "");
    check("gitStatus: x", STABILIZE_MOVE, "", "gitStatus: x");
    check("in\ngitStatus: x", STABILIZE_MOVE, "in\ngitStatus: x", ""); /* no paragraph of its own */
}

static void environment_moves(void **state)
{
    (void)state;
    static const char *const lines[] = {"Working directory: /a",
                                        "working directory: /a",
                                        " - Primary working directory: /a",
                                        "  - Is a git repository: true",
                                        "Is directory a git repo: Yes",
                                        " - Platform: linux",
                                        " - Shell: bash",
                                        " - OS Version: Linux 6.1",
                                        "Current branch: main",
                                        "Today's date: 2026-11-20",
                                        "Today's date is Friday",
                                        "Current date: Friday",
                                        "Current time: noon"},
                             *const others[] = {"Working directory", "The Platform: linux", "Shells: many",
                                                "Today's news", "* Platform: linux"};
    char text[200];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(text, sizeof text, "a\n%s\nb", lines[i]);
        struct split s = split(text, STABILIZE_MOVE);
        assert_string_equal(s.kept, "a\nb");
        assert_string_equal(s.moved, lines[i]);
        assert_int_equal(s.used[2], 1);
        check(text, STABILIZE_STRIP, text, "");
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check(others[i], STABILIZE_MOVE, others[i], "");
}

static void stamps_move(void **state)
{
    (void)state;
    static const char *const lines[] = {"now 2026-11-20T12:00:00Z.", "2026-11-20 12:00",
                                        "(Fri, 20 Nov 2026 12:00:00 +0000)", "at 5 Nov 2026 01:02",
                                        "id 123e4567-e89b-12d3-a456-426614174000"},
                             *const others[] = {"2026-11-20",
                                                "on 20 Nov 2026",
                                                "12:00",
                                                "2026-11-20T1",
                                                "x2026-11-20T12:00",
                                                "20 Nox 2026 12:00",
                                                "123e4567-e89b-12d3-",
                                                "123e4567-e89b-12d3-a456-4266141740001"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct split s = split(lines[i], STABILIZE_MOVE);
        assert_string_equal(s.kept, "");
        assert_string_equal(s.moved, lines[i]);
        assert_int_equal(s.used[3], 1);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check(others[i], STABILIZE_MOVE, others[i], "");
    check("```\n2026-11-20 12:00\n```\nsee 2026-11-20 12:00\n~~~\n2026-11-20 12:00", STABILIZE_MOVE,
          "```\n2026-11-20 12:00\n```\n~~~\n2026-11-20 12:00", "see 2026-11-20 12:00");
}

/* Doing it again changes nothing: what is kept holds nothing to move. */
static void kept_stays(void **state)
{
    (void)state;
    static const char text[] =
        "You help.\nx-anthropic-billing-header: z\n\n# Env\n - Platform: a\nat 2026-01-01 10:00\n\ngitStatus: b";
    struct split once = split(text, STABILIZE_MOVE);
    check(once.kept, STABILIZE_MOVE, once.kept, "");
    assert_string_equal(once.kept, "You help.\n\n# Env\n\n");
    assert_string_equal(once.moved, " - Platform: a\nat 2026-01-01 10:00\ngitStatus: b");
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static unsigned used[STABILIZE_RULES];
static char places[1000]; /* of the last chat's messages, before */

static void chat(const char *messages, enum stabilize mode, const char *expected)
{
    json_t *before = NULL, *m = json_loads(messages, 0, NULL), *want = json_loads(expected, 0, NULL);
    assert_non_null(m);
    assert_non_null(want);
    memset(used, 0, sizeof used);
    assert_int_equal(stabilize(m, mode, used, &before), 0);
    char *written = before ? json_dumps(before, JSON_COMPACT) : NULL;
    snprintf(places, sizeof places, "%s", written ? written : "");
    free(written);
    json_decref(before);
    char *got = json_dumps(m, JSON_COMPACT), *wanted = json_dumps(want, JSON_COMPACT);
    assert_string_equal(got, wanted);
    free(got);
    free(wanted);
    json_decref(m);
    json_decref(want);
}

#define BILLING "x-anthropic-billing-header: v"

static void blocks_and_messages(void **state)
{
    (void)state;
    static const char parts[] =
        "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"" BILLING
        "\"},{\"type\":\"text\",\"text\":\"A\\nPlatform: x\"}]},"
        "{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"system\",\"content\":\"later\\nPlatform: y\\n" BILLING
        "\"}]";
    chat(parts, STABILIZE_OFF, parts);
    chat(parts, STABILIZE_STRIP,
         "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"A\\nPlatform: x\"}]},"
         "{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"system\",\"content\":\"later\\nPlatform: y\\n\"}]");
    /* later system texts keep their lines: earlier text must not change */
    chat(parts, STABILIZE_MOVE,
         "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"A\\n\"}]},"
         "{\"role\":\"user\",\"content\":\"<system-reminder>\\nPlatform: x\\n</system-reminder>\\nU\"},"
         "{\"role\":\"system\",\"content\":\"later\\nPlatform: y\\n\"}]");
    assert_int_equal(used[0], 2);
    assert_int_equal(used[2], 1);
}

static void empty_messages_are_removed(void **state)
{
    (void)state;
    chat("[{\"role\":\"system\",\"content\":\"" BILLING "\"},{\"role\":\"user\",\"content\":\"U\"}]", STABILIZE_STRIP,
         "[{\"role\":\"user\",\"content\":\"U\"}]");
    chat("[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"" BILLING
         "\"}]},{\"role\":\"user\",\"content\":\"U\"}]",
         STABILIZE_STRIP, "[{\"role\":\"user\",\"content\":\"U\"}]");
    /* who asks where the others stood is told */
    chat("[{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"system\",\"content\":\"" BILLING
         "\"},{\"role\":\"user\",\"content\":\"V\"},{\"role\":\"system\",\"content\":\"" BILLING
         "\"},{\"role\":\"user\",\"content\":\"W\"}]",
         STABILIZE_STRIP,
         "[{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"user\",\"content\":\"V\"},{\"role\":\"user\","
         "\"content\":\"W\"}]");
    assert_string_equal(places, "{\"messages[1]\":\"messages[2]\",\"messages[2]\":\"messages[4]\"}");
    /* what was empty before stays */
    chat("[{\"role\":\"system\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"U\"}]", STABILIZE_STRIP,
         "[{\"role\":\"system\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"U\"}]");
    assert_string_equal(places, "");
}

static void moved_lines_open_the_user_message(void **state)
{
    (void)state;
    chat(
        "[{\"role\":\"system\",\"content\":\"Shell: a\"},{\"role\":\"developer\",\"content\":\"Platform: b\\nB\"},"
        "{\"role\":\"assistant\",\"content\":\"x\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"U\"},"
        "{\"type\":\"text\",\"text\":\"V\"}]},{\"role\":\"user\",\"content\":\"W\"}]",
        STABILIZE_MOVE,
        "[{\"role\":\"developer\",\"content\":\"B\"},{\"role\":\"assistant\",\"content\":\"x\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"<system-reminder>\\nShell: a\\nPlatform: "
        "b\\n</system-reminder>\\nU\"},{\"type\":\"text\",\"text\":\"V\"}]},{\"role\":\"user\",\"content\":\"W\"}]");
    chat("[{\"role\":\"system\",\"content\":\"Shell: a\"},{\"role\":\"user\",\"content\":[]}]", STABILIZE_MOVE,
         "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"<system-reminder>\\nShell: "
         "a\\n</system-reminder>\\n\"}]}]");
    assert_string_equal(places, "{\"messages[0]\":\"messages[1]\"}");
    /* there is no user message to move it to */
    chat("[{\"role\":\"system\",\"content\":\"Shell: a\\n" BILLING "\"},{\"role\":\"assistant\",\"content\":\"x\"}]",
         STABILIZE_MOVE,
         "[{\"role\":\"system\",\"content\":\"Shell: a\\n\"},{\"role\":\"assistant\",\"content\":\"x\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(billing_lines_are_removed),
                                       cmocka_unit_test(git_status_moves_to_the_end),
                                       cmocka_unit_test(environment_moves),
                                       cmocka_unit_test(stamps_move),
                                       cmocka_unit_test(kept_stays),
                                       cmocka_unit_test(blocks_and_messages),
                                       cmocka_unit_test(empty_messages_are_removed),
                                       cmocka_unit_test(moved_lines_open_the_user_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
