/* links: mcp base */
/* Which tools fit a question: order, names, words of several scripts, bounds. */
#include "mcp/index.h"

#include "mcp/tools.h"

#include "../../mcp_fake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MANY = 10000 };

static struct mcp_tool *tool;
static size_t n_tool;
static unsigned char wanted[MANY];
static struct mcp_index made;

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static void add(const char *name, const char *description, const char *schema)
{
    struct mcp_tool *t = &tool[n_tool++];
    static char own[64][MCP_NAME + 3];
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(own[n_tool], sizeof own[0], "\"%s\"", strstr(name, "__") + 2);
    t->own = span_of(own[n_tool]);
    t->description = span_of(description);
    t->schema = span_of(schema);
}

static int begin(void **state)
{
    (void)state;
    tool = calloc(MANY, sizeof *tool);
    n_tool = 0;
    memset(wanted, 1, sizeof wanted);
    return !tool;
}

static int end(void **state)
{
    (void)state;
    mcp_index_free(&made);
    free(tool);
    return 0;
}

static void make(void) { assert_int_equal(mcp_index_make(&made, tool, n_tool, INDEX_POSTINGS), 0); }

static size_t found(const char *question, size_t *out, size_t most)
{
    return mcp_index_search(&made, tool, n_tool, question, strlen(question), wanted, out, most);
}

/* The names that are found, in order, with blanks between. */
static void expect(const char *question, const char *want)
{
    char all[1000] = "";
    size_t out[16], n = found(question, out, 16);
    for (size_t i = 0; i < n; i++) {
        strcat(all, i ? " " : "");
        strcat(all, tool[out[i]].name);
    }
    if (strcmp(all, want) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", question, all, want);
}

static void names_count_most(void **state)
{
    (void)state;
    add("a__read_page", "\"Shows text.\"", "{}");
    add("a__put", "\"Makes a page of it.\"", "{}");
    add("a__take", "\"Takes it.\"", "{\"properties\":{\"page\":{},\"other\":{}}}");
    add("a__none", "\"Nothing of it.\"", "{}");
    make();
    expect("page", "a__read_page a__take a__put");
    expect("Pages!", "a__read_page a__take a__put");
    expect("other", "a__take");
    expect("zebra", "");
    expect("", "");
}

static void a_name_finds_its_tool_first(void **state)
{
    (void)state;
    add("files__list", "\"List.\"", "{}");
    add("files__list_list_list", "\"List list list.\"", "{}");
    add("web__list", "\"Something else.\"", "{}");
    make();
    expect("files__list", "files__list files__list_list_list web__list");
    size_t out[2];
    assert_int_equal(found("list", out, 2), 2); /* both have it as their own name: by name */
    assert_string_equal(tool[out[0]].name, "files__list");
    assert_string_equal(tool[out[1]].name, "web__list");
}

static void names_are_divided(void **state)
{
    (void)state;
    add("gh__createPullRequest", "\"\"", "{}");
    add("gh__getHTTPUrl", "\"\"", "{\"properties\":{\"repoName\":{}}}");
    make();
    expect("pull", "gh__createPullRequest");
    expect("createpullrequest", "gh__createPullRequest");
    expect("http", "gh__getHTTPUrl");
    expect("url", "gh__getHTTPUrl");
    expect("repo", "gh__getHTTPUrl");
}

static void words_of_other_scripts(void **state)
{
    (void)state;
    add("a__x", "\"\\u706f\\u5854\\u3092\\u63a2\\u3059\"", "{}");
    add("a__y", "\"\xd0\x9f\xd0\x9e\xd0\x98\xd0\xa1\xd0\x9a \xc3\x89t\xc3\xa9\"", "{}");
    make();
    expect("\xe7\x81\xaf\xe5\xa1\x94", "a__x");
    expect("\xd0\xbf\xd0\xbe\xd0\xb8\xd1\x81\xd0\xba", "a__y");
    expect("\xc3\xa9T\xc3\xa9", "a__y");
    expect("\xff\xfe\xe7", "");
}

static void ties_go_by_name_and_others_are_left_out(void **state)
{
    (void)state;
    add("s__c_box", "\"\"", "{}");
    add("s__a_box", "\"\"", "{}");
    add("s__b_box", "\"\"", "{}");
    make();
    expect("box", "s__a_box s__b_box s__c_box");
    wanted[1] = 0;
    expect("box", "s__b_box s__c_box");
    expect("s__a_box", "s__b_box s__c_box");
    size_t out[1] = {9};
    assert_int_equal(found("box", out, 0), 0);
    assert_int_equal(out[0], 9);
}

/* Different words of eight bytes, a blank behind each; n is a multiple of nine, less one. */
static void write_words(char *text, size_t n)
{
    char word[24];
    memset(text, ' ', n);
    for (size_t i = 0; (i + 1) * 9 < n; i++) {
        snprintf(word, sizeof word, "w%07zx", i);
        memcpy(text + i * 9, word, 8);
    }
    text[n] = 0;
}

/* What fits is the same whatever the question has beside it: operators, ten thousand words, megabytes. */
static void questions_are_bounded(void **state)
{
    enum { N = 1 << 20 };
    char *text = malloc(N + 1);
    (void)state;
    add("s__box", "\"\"", "{}");
    make();
    expect("NEAR(\"box\" AND *) OR -\"'%", "s__box");
    memset(text, 'x', N);
    text[N] = 0;
    expect(text, "");
    write_words(text, N);
    memcpy(text, "box     ", 8);
    expect(text, "s__box");
    free(text);
}

static void definitions_are_bounded(void **state)
{
    enum { N = 4 << 20 };
    char *text = malloc(N + 1);
    (void)state;
    write_words(text, N);
    text[0] = text[N - 1] = '"';
    add("s__long", text, "{}");
    add("s__box", "\"w0000001\"", "{}");
    make();
    assert_true(made.n < 1200);
    expect("w0000001", "s__box s__long");
    expect("w0007fff", "");
    free(text);
}

/* Ten thousand ordinary definitions: what is asked for is first, whatever else fits. */
static void ten_thousand_tools(void **state)
{
    struct buffer *text = calloc(MANY, sizeof *text);
    char name[40], question[80], want[60];
    size_t out[5];
    (void)state;
    for (int i = 0; i < MANY; i++) {
        fake_put_ordinary(&text[i], i);
        const struct span all = {text[i].text, text[i].n};
        fake_name(name, i);
        snprintf(tool[i].name, sizeof tool[i].name, "t__%s", name);
        tool[i].own = span_member(all, "name");
        tool[i].description = span_member(all, "description");
        tool[i].schema = span_member(all, "inputSchema");
    }
    n_tool = MANY;
    make();
    assert_in_range(made.n, MANY, INDEX_POSTINGS + MANY * 16);
    for (int i = 0; i < 225; i++) {
        snprintf(question, sizeof question, "I want to %s an %s", fake_verbs[i % 15], fake_nouns[i / 15]);
        snprintf(want, sizeof want, "t__%s_%s", fake_verbs[i % 15], fake_nouns[i / 15]);
        assert_int_equal(found(question, out, 5), 5);
        assert_string_equal(tool[out[0]].name, want);
        for (int k = 1; k < 5; k++)
            if (!strstr(tool[out[k]].name, fake_nouns[i / 15]))
                fail_msg("%s: %s", question, tool[out[k]].name);
    }
    for (int i = 0; i < MANY; i++)
        buffer_free(&text[i]);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_count_most, begin, end),
        cmocka_unit_test_setup_teardown(a_name_finds_its_tool_first, begin, end),
        cmocka_unit_test_setup_teardown(names_are_divided, begin, end),
        cmocka_unit_test_setup_teardown(words_of_other_scripts, begin, end),
        cmocka_unit_test_setup_teardown(ties_go_by_name_and_others_are_left_out, begin, end),
        cmocka_unit_test_setup_teardown(questions_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(definitions_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(ten_thousand_tools, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
