/* links: toolbox library mcp kernel format base */
/* Tools of MCP servers in a conversation: what is shown, what is searched for and governs then, who is asked, hostile words of a model. The
 * server is this program again (`serve N`). */
#include "toolbox/mcp_tools.h"

#include "base/log.h"
#include "base/process/guard.h"

#include "../../mcp_fake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

static struct mcp_config config;
static struct mcp *servers;
static struct mcp_talk talk;
static struct toolbox box;
static int n_warning;
static const char *unwanted; /* a name whose schema calls cannot be held to */

static void count_line(enum log_level level, const char *line)
{
    n_warning += level == LOG_WARN && strstr(line, "is left out") != NULL;
}

static int accepts(void *arg, const char *list, size_t n, struct error *err)
{
    char name[80];
    (void)arg;
    assert_int_equal(json_whole(list, n), '[');
    snprintf(name, sizeof name, "\"name\":\"%s\"", unwanted ? unwanted : "none");
    char *text = strndup(list, n);
    int has = strstr(text, name) != NULL;
    free(text);
    return has ? error_set(err, ERR_INPUT, "its schema cannot be enforced") : 0;
}

/* Servers a, with `more` ordinary tools, and b, with none; fields are those of a. */
static void open_servers(int more, const char *fields)
{
    char text[800];
    struct error err = {0};
    snprintf(text, sizeof text,
             "{\"mcpServers\":{\"a\":{\"command\":\"/proc/%d/exe\",\"args\":[\"serve\",\"%d\"]%s},"
             "\"b\":{\"command\":\"/proc/%d/"
             "exe\",\"args\":[\"serve\",\"0\"],\"allow\":[\"echo\",\"big\",\"fail\",\"slow\"]}}}",
             (int)getpid(), more, fields, (int)getpid());
    assert_int_equal(mcp_config_parse(&config, "C", text, strlen(text), &err), 0);
    assert_int_equal(mcp_open(&servers, &config, "1", &err), 0);
    n_warning = 0;
    unwanted = NULL;
}

static void begin(const struct mcp_talk_options *how)
{
    struct error err = {0};
    box = (struct toolbox){.accepts = accepts};
    assert_int_equal(mcp_talk_begin(&talk, servers, how, &err), 0);
    assert_int_equal(mcp_talk_join(&talk, &box, &err), 0);
}

static void end(void)
{
    toolbox_free(&box);
    mcp_talk_end(&talk);
}

static void close_servers(void)
{
    mcp_close(servers);
    mcp_config_free(&config);
}

/* The result of a call; NULL: there is none. */
static char *called_within(const char *name, const char *arguments, size_t space, int (*stopped)(void *arg))
{
    struct buffer out = {0};
    const struct toolbox_call c = {
        .name = name, .arguments = arguments, .n = strlen(arguments), .space = space, .stopped = stopped};
    enum toolbox_end got = toolbox_run(&box, &c, &out);
    char *text = got == TOOLBOX_DONE ? strndup(out.n ? out.text : "", out.n) : NULL;
    buffer_free(&out);
    return text;
}

static void expect(const char *name, const char *arguments, const char *want)
{
    char *text = called_within(name, arguments, 100000, NULL);
    if (!text || strncmp(text, want, strlen(want)) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", name, text ? text : "nothing", want);
    free(text);
}

static int governs(const char *name)
{
    json_t *list = json_loadb(box.governs.text, box.governs.n, 0, NULL), *tool;
    size_t i;
    int has = 0;
    assert_non_null(list);
    json_array_foreach(list, i, tool)
        has += strcmp(json_string_value(json_object_get(json_object_get(tool, "function"), "name")), name) == 0;
    json_decref(list);
    return has;
}

static size_t shown_bytes(void)
{
    char *text = json_dumps(box.shown, JSON_COMPACT);
    size_t n = strlen(text);
    free(text);
    return n;
}

static void few_tools_are_shown(void **state)
{
    (void)state;
    open_servers(2, "");
    begin(&(struct mcp_talk_options){.n_ctx = 4096});
    assert_int_equal(talk.n_searched, 0);
    assert_int_equal(json_array_size(box.shown), 6 + 2 + 6);
    assert_int_equal(governs("a__read_issue"), 1);
    assert_int_equal(governs("search_tools"), 0);
    assert_int_equal(box.rounds, MCP_ROUNDS);
    expect("search_tools", "{\"query\":\"page\"}", "error: there is no tool search_tools; there are a__add, ");
    expect("b__echo", "{\"text\":\"x\"}", "{\"text\":\"x\"}");
    end();
    begin(&(struct mcp_talk_options){.n_ctx = 4096, .only_allowed = 1});
    assert_int_equal(json_array_size(box.shown), 4);
    assert_int_equal(governs("a__echo"), 0);
    end();
    close_servers();
}

/* Of many tools one is shown, whatever their number: below 1,000 tokens, and the same in every conversation. */
static void many_tools_are_searched_for(void **state)
{
    static const char *const only[] = {"b"}, *const none[] = {"b", "c"};
    struct error err = {0};
    (void)state;
    open_servers(210, "");
    begin(&(struct mcp_talk_options){.n_ctx = 32768});
    assert_int_equal(talk.n_searched, 222);
    assert_int_equal(json_array_size(box.shown), 1);
    assert_true(shown_bytes() < 1000);
    assert_int_equal(governs("search_tools"), 1);
    assert_int_equal(governs("a__create_page"), 0);
    expect("a__create_page", "{}", "error: there is no tool a__create_page; there are search_tools");
    expect("search_tools", "{\"query\":\"create a page\"}",
           "{\"tools\":[{\"name\":\"a__create_page\",\"description\":\"create one page ");
    assert_int_equal(talk.n_hit, MCP_HITS);
    assert_int_equal(governs("a__create_page"), 1);
    assert_int_equal(governs("a__create_ticket"), 0);
    assert_int_equal(json_array_size(box.shown), 1); /* what is rendered does not change */
    end();
    begin(&(struct mcp_talk_options){.n_ctx = 32768, .server = only, .n_server = 1});
    assert_int_equal(json_array_size(box.shown), 6);
    end();
    begin(&(struct mcp_talk_options){.n_ctx = 4 << 20}); /* where a tenth of the context is more than all of them */
    assert_int_equal(talk.n_searched, 0);
    end();
    assert_int_equal(mcp_talk_begin(&talk, servers, &(struct mcp_talk_options){.server = none, .n_server = 2}, &err),
                     -1);
    assert_string_equal(err.field, "1");
    mcp_talk_end(&talk);
    close_servers();
}

static void a_server_may_say_which(void **state)
{
    (void)state;
    open_servers(1, ",\"defer\":true");
    begin(&(struct mcp_talk_options){.n_ctx = 32768});
    assert_int_equal(talk.n_searched, 7);
    assert_int_equal(json_array_size(box.shown), 1 + 6);
    end();
    close_servers();
    open_servers(210, ",\"defer\":false");
    begin(&(struct mcp_talk_options){.n_ctx = 4096});
    assert_int_equal(talk.n_searched, 0);
    assert_int_equal(json_array_size(box.shown), 222);
    end();
    close_servers();
}

static void what_models_may_write(void **state)
{
    (void)state;
    open_servers(210, "");
    begin(&(struct mcp_talk_options){.n_ctx = 4096});
    expect("search_tools", "{}", "error: search_tools takes {\"query\": words}");
    expect("search_tools", "{\"query\":7}", "error: search_tools takes");
    expect("search_tools", "[\"query\"]", "error: the arguments are no JSON object");
    expect("search_tools", "{\"query\":\"", "error: the arguments are no JSON object");
    expect("search_tools", "{\"query\":\"\"}", "{\"tools\":[],\"note\":");
    expect("search_tools", "{\"query\":\"zebra \\ud800 \\u0000\"}", "{\"tools\":[],\"note\":");
    assert_int_equal(talk.n_found, 0);
    char *text = called_within("search_tools", "{\"query\":\"create page\"}", 300, NULL);
    assert_string_equal(text, "error: tools fit, and the context has no space for their definitions");
    free(text);
    assert_int_equal(talk.n_found, 0);
    text = called_within("search_tools", "{\"query\":\"create page\"}", 3000,
                         NULL); /* what was not read cannot be called */
    assert_in_range(strlen(text), 1000, 3000);
    free(text);
    assert_in_range(talk.n_found, 1, 2);
    char query[100], name[60];
    for (int i = 0; i < 90; i++) { /* the newest ones can be called */
        fake_name(name, i);
        snprintf(query, sizeof query, "{\"query\":\"a__%s\"}", name);
        expect("search_tools", query, "{\"tools\":[{");
        assert_in_range(talk.n_found, 1, MCP_FOUND);
    }
    assert_int_equal(talk.n_found, MCP_FOUND);
    fake_name(name + 3, 89);
    memcpy(name, "a__", 3);
    assert_int_equal(governs(name), 1);
    json_t *list = json_loadb(box.governs.text, box.governs.n, 0, NULL);
    assert_int_equal(json_array_size(list), 1 + MCP_FOUND);
    json_decref(list);
    end();
    close_servers();
}

/* A schema that calls cannot be held to leaves its tool out, for all conversations, and is named once. */
static void schemas_may_be_refused(void **state)
{
    (void)state;
    open_servers(210, "");
    for (int again = 0; again < 2; again++) {
        begin(&(struct mcp_talk_options){.n_ctx = 4096});
        unwanted = "a__create_page";
        char *text = called_within("search_tools", "{\"query\":\"create page\"}", 100000, NULL);
        assert_null(strstr(text, "\"a__create_page\""));
        assert_non_null(strstr(text, "_page\""));
        free(text);
        assert_int_equal(governs("a__create_page"), 0);
        assert_in_range(talk.n_hit, 4, 5);
        end();
        assert_int_equal(n_warning, 1);
    }
    close_servers();
    open_servers(0, "");
    unwanted = "a__add";
    for (int again = 0; again < 2; again++) {
        begin(&(struct mcp_talk_options){.n_ctx = 4096});
        assert_int_equal(json_array_size(box.shown), 11);
        assert_int_equal(governs("a__add") + governs("b__add"), 1);
        end();
        assert_int_equal(n_warning, 1);
    }
    close_servers();
}

static void names_of_others_are_theirs(void **state)
{
    static const char text[] = "[{\"function\":{\"name\":\"a__create_page\"}}]";
    struct error err = {0};
    json_t *list = json_loads(text, 0, NULL);
    (void)state;
    open_servers(210, "");
    box = (struct toolbox){.n = 0};
    const struct toolbox_provider client = {.from = "the request", .text = text, .n = sizeof text - 1, .list = list};
    assert_int_equal(toolbox_add(&box, &client, &err), 0);
    assert_int_equal(mcp_talk_begin(&talk, servers, &(struct mcp_talk_options){.n_ctx = 4096}, &err), 0);
    assert_int_equal(mcp_talk_join(&talk, &box, &err), 0);
    char *found = called_within("search_tools", "{\"query\":\"a__create_page\"}", 100000, NULL);
    assert_null(strstr(found, "\"a__create_page\""));
    assert_int_equal(governs("a__create_page"), 1);
    assert_string_equal(toolbox_owner(&box, "a__create_page")->from, "the request");
    free(found);
    end();
    json_decref(list);
    close_servers();
}

static void searches_of_a_conversation_are_recalled(void **state)
{
    json_t *messages = json_loads(
        "[{\"role\":\"user\",\"content\":\"{\\\"tools\\\":[{\\\"name\\\":\\\"a__read_issue\\\"}]}\"},"
        "{\"role\":\"tool\",\"content\":\"{\\\"tools\\\":[{\\\"name\\\":\\\"a__create_page\\\"},{\\\"name\\\":\\\"a__"
        "gone\\\"},7]}\"},"
        "{\"role\":\"tool\",\"content\":\"{\\\"tools\\\":[\"},{\"role\":\"tool\"}]",
        0, NULL);
    (void)state;
    assert_non_null(messages);
    open_servers(210, "");
    begin(&(struct mcp_talk_options){.n_ctx = 4096});
    mcp_talk_recall(&talk, messages);
    assert_int_equal(talk.n_found, 1);
    assert_int_equal(governs("a__create_page"), 1);
    mcp_talk_recall(&talk, NULL);
    assert_int_equal(governs("a__create_page"), 0);
    for (int i = 0; i < 70; i++) { /* twice the same, then others: the newest can be called */
        char name[40], text[120];
        fake_name(name, i < 2 ? 0 : i);
        snprintf(text, sizeof text, "{\"tools\":[{\"name\":\"a__%s\"}]}", name);
        json_array_append_new(messages, json_pack("{s:s,s:s}", "role", "tool", "content", text));
    }
    mcp_talk_recall(&talk, messages);
    assert_int_equal(talk.n_found, MCP_FOUND);
    assert_int_equal(governs("a__search_issue"), 0); /* number 5 of 69 */
    assert_int_equal(governs("a__move_issue"), 1);
    assert_int_equal(talk.found[MCP_FOUND - 1], 6 + 69);
    end();
    json_decref(messages);
    close_servers();
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

static int n_asked;
static enum mcp_answer answer;
static char progress[100];

static enum mcp_answer ask(void *arg, const struct mcp_tool *tool, const struct toolbox_call *c)
{
    (void)arg;
    n_asked++;
    assert_string_equal(tool->name, c->name);
    return answer;
}

static void keep_progress(void *arg, const struct mcp_tool *tool, const char *text)
{
    (void)arg;
    snprintf(progress, sizeof progress, "%s: %s", tool->name, text);
}

static int at_once(void *arg)
{
    (void)arg;
    return 1;
}

static void a_person_is_asked(void **state)
{
    (void)state;
    open_servers(0, "");
    begin(&(struct mcp_talk_options){.n_ctx = 4096, .ask = ask, .progress = keep_progress});
    n_asked = 0;
    answer = MCP_DECLINED;
    expect("a__echo", "{\"text\":\"x\"}", "error: the person at the terminal said no to this call");
    answer = MCP_NOBODY;
    expect("a__echo", "{\"text\":\"x\"}", "error: this tool runs only where a person says yes to the call");
    answer = MCP_STOP;
    assert_null(called_within("a__echo", "{}", 1000, NULL));
    answer = MCP_RUN;
    expect("a__echo", "{\"text\":\"x\"}", "{\"text\":\"x\"}");
    assert_int_equal(n_asked, 4);
    expect("b__echo", "{\"text\":\"y\"}", "{\"text\":\"y\"}"); /* in "allow" */
    assert_int_equal(n_asked, 4);
    assert_int_equal(mcp_talk_asks(&talk, "a__echo"), 1);
    assert_int_equal(mcp_talk_asks(&talk, "b__echo"), 0);
    assert_int_equal(mcp_talk_asks(&talk, "c__echo"), 0);
    end();
    begin(&(struct mcp_talk_options){.n_ctx = 4096});
    expect("a__echo", "{}", "error: this tool runs only where a person says yes to the call");
    end();
    close_servers();
}

static void results_fit_and_calls_end(void **state)
{
    (void)state;
    open_servers(0, "");
    begin(&(struct mcp_talk_options){.n_ctx = 4096, .progress = keep_progress});
    expect("b__fail", "{}", "error: it failed as asked");
    assert_int_equal(talk.is_error, 1);
    char *text = called_within("b__big", "{\"n\":5000}", 1000, NULL);
    assert_in_range(strlen(text), 800, 1000);
    assert_non_null(strstr(text, "bytes are left out here]\nx"));
    free(text);
    text = called_within("b__big", "{\"n\":5000}", 0, NULL);
    assert_string_equal(text, "\n[5000 bytes are left out here]\n");
    free(text);
    text = called_within("b__big", "{\"n\":5000000}", 5000000, NULL);
    assert_in_range(strlen(text), TOOLBOX_RESULT - 100, TOOLBOX_RESULT);
    free(text);
    expect("b__slow", "{\"ms\":300}", "slept");
    assert_string_equal(progress, "b__slow: half done");
    assert_int_equal(talk.is_error, 0);
    assert_null(called_within("b__slow", "{\"ms\":100000}", 1000, at_once));
    end();
    close_servers();
}

int main(int argc, char **argv)
{
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return fake_serve(atoi(argv[2]));
    log_to(count_line);
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_tools_are_shown),
                                       cmocka_unit_test(many_tools_are_searched_for),
                                       cmocka_unit_test(a_server_may_say_which),
                                       cmocka_unit_test(what_models_may_write),
                                       cmocka_unit_test(schemas_may_be_refused),
                                       cmocka_unit_test(names_of_others_are_theirs),
                                       cmocka_unit_test(searches_of_a_conversation_are_recalled),
                                       cmocka_unit_test(a_person_is_asked),
                                       cmocka_unit_test(results_fit_and_calls_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
