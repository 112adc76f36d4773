/* links: toolbox library mcp kernel format base */
/* stoker's tools as an MCP server: what clients of both eras are answered, other servers' tools behind two, results that pass through,
 * progress, calls that are cancelled. The other server is this program again (`serve N`, `late`); the library is tests/cli/mcp.sh's. */
#include "toolbox/mcp_service.h"

#include "base/log.h"
#include "base/process/guard.h"

#include "../../mcp_fake.h"
#include "sanitized.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct mcp_config config;
static struct mcp *servers;
static struct mcp_service *service;
static int is_old;         /* the connection was opened with initialize */
static struct buffer told; /* notifications */
static atomic_int is_stopped;

/* A server a with `more` ordinary tools; fields are its own. */
static void begin(int more, const char *fields)
{
    char text[400];
    struct error err = {0};
    snprintf(text, sizeof text, "{\"mcpServers\":{\"a\":{\"command\":\"/proc/%d/exe\",\"args\":[\"serve\",\"%d\"]%s}}}",
             (int)getpid(), more, fields);
    assert_int_equal(mcp_config_parse(&config, "C", text, strlen(text), &err), 0);
    assert_int_equal(mcp_open(&servers, &config, "1", &err), 0);
    assert_int_equal(mcp_service_open(&service, NULL, servers, 0, "1.2", &err), 0);
    is_old = 0;
    atomic_store(&is_stopped, 0);
}

static void end(void)
{
    mcp_service_close(service);
    mcp_close(servers);
    mcp_config_free(&config);
    buffer_free(&told);
}

static int stopped(void *arg)
{
    (void)arg;
    return atomic_load(&is_stopped);
}

static void tell(void *arg, const struct buffer *line)
{
    (void)arg;
    buffer_put(&told, line->text, line->n);
}

#define META "\"_meta\":{\"" MCP_META "protocolVersion\":\"" MCP_MODERN "\",\"" MCP_META "clientCapabilities\":{}}"

/* The answer's line, to be freed; "": none. params: members, with ' for quotes. */
static char *ask(const char *method, const char *params, int is_modern)
{
    struct buffer line = {0}, out = {0};
    struct message m;
    char *copy = strdup(params);
    buffer_puts(&line, "{\"jsonrpc\":\"2.0\",\"id\":\"seven\",\"method\":\"");
    buffer_puts(&line, method);
    buffer_puts(&line, "\",\"params\":{");
    fake_put(&line, copy);
    if (is_modern)
        buffer_puts(&line, *params ? "," META : META);
    buffer_puts(&line, "}}");
    message_read(&m, line.text, line.n);
    assert_int_equal(m.kind, MESSAGE_REQUEST);
    const struct mcp_ask how = {&m, is_old, stopped, tell, NULL};
    mcp_service_answer(service, &how, &out);
    char *answer = strndup(out.n ? out.text : "", out.n);
    free(copy);
    buffer_free(&line);
    buffer_free(&out);
    return answer;
}

/* want: what the line has, with ' for quotes. */
static void expect(const char *method, const char *params, int is_modern, const char *want)
{
    struct buffer has = {0};
    char *copy = strdup(want), *line = ask(method, params, is_modern);
    fake_put(&has, copy);
    buffer_put(&has, "", 1);
    if (!strstr(line, has.text) || line[strlen(line) - 1] != '\n' || !json_whole(line, strlen(line)))
        fail_msg("%s {%s}: %s not %s", method, params, line, has.text);
    buffer_free(&has);
    free(copy);
    free(line);
}

static void both_eras(void **state)
{
    (void)state;
    begin(0, "");
    expect("server/discover", "", 1, "'supportedVersions':['" MCP_MODERN "'],'capabilities':{'tools':{}}");
    expect("server/discover", "", 1, "'resultType':'complete','_meta':{'" MCP_META "serverInfo':{'name':'stoker'");
    expect("tools/list", "", 1, ",'ttlMs':60000,'cacheScope':'private'}");
    expect("tools/list", "", 1, "{'jsonrpc':'2.0','id':'seven','result':{");
    expect("tools/list", "", 0, "'error':{'code':-32602,'message':'params._meta lacks ");
    expect("tools/list", "'_meta':{'" MCP_META "protocolVersion':'" MCP_MODERN "'}", 0, "lacks " MCP_META "clientCap");
    expect("tools/list", "'_meta':{'" MCP_META "protocolVersion':'1900-01-01'}", 0,
           "'code':-32022,'message':'Unsupported protocol version','data':{'supported':['" MCP_MODERN
           "'],'requested':'1900-01-01'}");
    expect("tools/list", "'cursor':'x'", 1, "'code':-32602");
    expect("no/such", "", 1, "'error':{'code':-32601,'message':'There is no such method: no/such'}");
    expect("ping", "", 0, "'result':{}}");
    expect("initialize", "'protocolVersion':'2025-06-18'", 0, "'result':{'protocolVersion':'2025-06-18','serverInfo'");
    expect("initialize", "'protocolVersion':'3000'", 0, "'protocolVersion':'" MCP_OLD "'");
    expect("initialize", "'protocolVersion':7", 0, "'protocolVersion':'" MCP_OLD "'");
    is_old = 1;
    expect("tools/list", "", 0, "'result':{'tools':[{'name':'a__add',");
    expect("tools/list", "", 1, "'resultType':'complete'");
    end();
}

/* Servers that have not listed their tools yet are waited for by who needs these, and by nobody else. */
static void servers_that_start(void **state)
{
    static const char text[] = "{\"mcpServers\":{\"a\":{\"command\":\"/proc/%d/exe\",\"args\":[\"late\"]}}}";
    char config_text[200];
    struct error err = {0};
    (void)state;
    for (int turn = 0; turn < 3; turn++) { /* the first that is asked for: a list, a call, a search */
        snprintf(config_text, sizeof config_text, text, (int)getpid());
        assert_int_equal(mcp_config_parse(&config, "C", config_text, strlen(config_text), &err), 0);
        assert_int_equal(mcp_start(&servers, &config, "1", &err), 0);
        assert_int_equal(mcp_service_open(&service, NULL, servers, 0, "1.2", &err), 0);
        atomic_store(&is_stopped, 0);
        expect("server/discover", "", 1, "Tools of other servers are listed, or found by search_tools");
        assert_int_equal(mcp_service_is_starting(service), 1);
        if (turn == 0)
            expect("tools/list", "", 1, "'name':'a__echo'");
        else if (turn == 1)
            expect("tools/call", "'name':'a__echo','arguments':{'text':'x'}", 1, "'content':[{'type':'text'");
        else
            expect("tools/call", "'name':'nobody'", 1, "'message':'Unknown tool: nobody'");
        assert_int_equal(mcp_service_is_starting(service), 0);
        expect("tools/call", "'name':'a__echo','arguments':{'text':'x'}", 1, "'content':[{'type':'text'");
        end();
    }
    assert_int_equal(mcp_config_parse(&config, "C", config_text, strlen(config_text), &err), 0);
    assert_int_equal(mcp_start(&servers, &config, "1", &err), 0);
    assert_int_equal(mcp_service_open(&service, NULL, servers, 0, "1.2", &err), 0);
    atomic_store(&is_stopped, 1); /* who waits may leave */
    char *line = ask("tools/call", "'name':'a__echo','arguments':{'text':'x'}", 1);
    assert_string_equal(line, "");
    assert_int_equal(mcp_service_is_starting(service), 1);
    free(line);
    end();
}

/* Few tools are listed as they are. */
static void few_tools(void **state)
{
    (void)state;
    begin(2, "");
    expect("tools/list", "", 1, "'name':'a__read_issue'");
    expect("tools/call", "'name':'a__echo','arguments':{'text':'x'}", 1, "'content':[{'type':'text','text':'{\\'text");
    expect("tools/call", "'name':'a__echo','arguments':{'word':'x'}", 1,
           "'text':'error: arguments.word is not known; there are text'}],'isError':true");
    expect("tools/call", "'name':'a__fail'", 1,
           "'content':[{'type':'text','text':'it failed as asked'}],'isError':true");
    expect("tools/call", "'name':'search_tools','arguments':{'query':'add'}", 1,
           "'code':-32602,'message':'Unknown tool");
    expect("tools/call", "'name':'a__\\u0000'", 1, "'message':'Unknown tool: a__?'");
    expect("tools/call", "'name':7", 1, "'code':-32602,'message':'tools/call names a tool: params.name'");
    expect("tools/call", "'name':'a__echo','arguments':[]", 1, "'message':'params.arguments is no object'");
    end();
}

static void many_tools(void **state)
{
    (void)state;
    begin(210, "");
    char *line = ask("tools/list", "", 1);
    assert_true(strlen(line) < 1200);
    assert_non_null(strstr(line, "216 in all"));
    assert_null(strstr(line, "a__"));
    free(line);
    expect("tools/call", "'name':'search_tools','arguments':{'query':'archive an invoice'}", 1,
           "{\\'tools\\':[{\\'name\\':\\'a__archive_invoice\\'");
    expect("tools/call", "'name':'search_tools','arguments':{'query':'zzz'}", 1, "{\\'tools\\':[],\\'note\\'");
    expect("tools/call", "'name':'search_tools','arguments':{'q':'zzz'}", 1, "'isError':true");
    expect("tools/call", "'name':'call_tool','arguments':{'name':'a__add','arguments':{'a':2}}", 1, "{\\'a\\':2}");
    expect("tools/call", "'name':'call_tool','arguments':{'name':'a__archive_invoice','arguments':{}}", 1,
           "arguments.invoice_id is missing'}],'isError':true");
    expect("tools/call", "'name':'call_tool','arguments':{'name':'a__none','arguments':{}}", 1,
           "there is no tool of this name; search_tools finds names'}],'isError':true");
    expect("tools/call", "'name':'call_tool','arguments':{'name':'a__add','arguments':7}", 1, "'isError':true");
    expect("tools/call", "'name':'a__add','arguments':{'a':2}", 1, "{\\'a\\':2}");
    end();
    begin(2, ",\"deny\":[\"fail\"],\"defer\":true");
    expect("tools/list", "", 1, "7 in all");
    expect("tools/call", "'name':'call_tool','arguments':{'name':'a__fail','arguments':{}}", 1, "there is no tool");
    end();
}

/* Tools that "allow" does not name are not there, in no list, search or call, those of a list that comes later neither. */
static void only_allowed_tools(void **state)
{
    static const char text[] = "{\"mcpServers\":{\"a\":{\"command\":\"/proc/%d/exe\",\"args\":[\"late\"],"
                               "\"allow\":[\"echo\"],\"defer\":%s}}}";
    char config_text[200];
    struct error err = {0};
    (void)state;
    for (int is_searched = 0; is_searched < 2; is_searched++) {
        snprintf(config_text, sizeof config_text, text, (int)getpid(), is_searched ? "true" : "false");
        assert_int_equal(mcp_config_parse(&config, "C", config_text, strlen(config_text), &err), 0);
        assert_int_equal(mcp_start(&servers, &config, "1", &err), 0);
        assert_int_equal(mcp_service_open(&service, NULL, servers, 1, "1.2", &err), 0);
        atomic_store(&is_stopped, 0);
        char *line = ask("tools/list", "", 1);
        assert_non_null(strstr(line, is_searched ? "1 in all" : "a__echo"));
        assert_null(strstr(line, "a__add"));
        free(line);
        expect("tools/call", "'name':'a__add','arguments':{'a':2}", 1, "'message':'Unknown tool: a__add'");
        expect("tools/call", "'name':'a__echo','arguments':{'text':'x'}", 1, "'content':[{'type':'text'");
        if (is_searched) {
            expect("tools/call", "'name':'search_tools','arguments':{'query':'integers'}", 1, "{\\'tools\\':[],");
            expect("tools/call", "'name':'call_tool','arguments':{'name':'a__add','arguments':{}}", 1,
                   "there is no tool of this name");
        }
        end();
    }
}

static void calls_end(void **state)
{
    (void)state;
    begin(0, "");
    expect("tools/call",
           "'name':'a__slow','arguments':{'ms':300},'_meta':{'progressToken':'t','" MCP_META
           "protocolVersion':'" MCP_MODERN "','" MCP_META "clientCapabilities':{}}",
           0, "'text':'slept'");
    buffer_put(&told, "", 1);
    assert_string_equal(told.text, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
                                   "\"progressToken\":\"t\",\"progress\":1,\"total\":2,\"message\":\"half done\"}}\n");
    atomic_store(&is_stopped, 1);
    char *line = ask("tools/call", "'name':'a__slow','arguments':{'ms':20000}", 1);
    assert_string_equal(line, "");
    free(line);
    end();
    begin(0, "");
    expect("tools/call", "'name':'a__die'", 1, "'isError':true");
    expect("tools/call", "'name':'a__echo','arguments':{}", 1, "'isError':true");
    end();
}

/* ---- the library's tools ---------------------------------------------------------------------------------------- */

static void *open_meanwhile(void *arg)
{
    *(char **)arg = ask("tools/call", "'name':'open_article','arguments':{'id':'s:1:1'}", 1);
    return NULL;
}

/* 1 of *self: an article was opened while the model was at work. */
static int rank_meanwhile(void *self, const struct library_query *q, const struct search_result *r, double *score,
                          struct error *err)
{
    pthread_t thread;
    char *line = NULL;
    struct timespec until;
    (void)q, (void)err;
    for (int i = 0; i < r->n; i++)
        score[i] = 1;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(pthread_create(&thread, NULL, open_meanwhile, &line), 0);
    if (pthread_timedjoin_np(thread, NULL, &until)) {
        pthread_detach(thread);
        return 0;
    }
    *(int *)self = strstr(line, "Sand cleans water.") != NULL;
    free(line);
    return 0;
}

static int rank_nothing(void *self, const struct library_query *q, const struct search_result *r, double *score,
                        struct error *err)
{
    const struct error *why = self;
    (void)q, (void)r, (void)score;
    return error_set(err, why->code, "%s", why->text);
}

static struct buffer logged;

static void keep_line(enum log_level level, const char *line)
{
    assert_int_equal(level, LOG_WARN);
    buffer_puts(&logged, line);
    buffer_puts(&logged, "\n");
}

static void expect_logged(const char *lines)
{
    buffer_put(&logged, "", 1);
    assert_string_equal(logged.text, lines);
    buffer_free(&logged);
}

/* A search whose results get no memory; a sanitizer has an allocator of its own. */
#if defined(__GLIBC__) && !SANITIZED
enum { CAN_LACK_MEMORY = 1 };
static atomic_int lacks_memory;
void *__libc_calloc(size_t n, size_t size);
void *calloc(size_t n, size_t size)
{
    return lacks_memory && size == sizeof(struct search_result) ? NULL : __libc_calloc(n, size);
}
#else
enum { CAN_LACK_MEMORY = 0 };
static atomic_int lacks_memory;
#endif

static void make_source(char folder[])
{
    static struct source s;
    struct error err = {0};
    char path[64];
    const struct text_section where = {.path = {"Filter"}, .n_path = 1, .anchor = ""};
    source_begin();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s.db", folder);
    assert_int_equal(source_open(&s, path, "s", 1, &err), 0);
    assert_int_equal(source_transaction(&s, &err), 0);
    assert_int_equal(source_article(&s, &(struct source_article){.path = "filter", .title = "Filter"}, &err), 0);
    assert_int_equal(source_chunk(&s, &(struct chunk){&where, "Sand cleans water.", 18}, &err), 0);
    assert_int_equal(source_article_end(&s, &err), 0);
    assert_int_equal(source_commit(&s, &err), 0);
    source_close(&s);
}

static void begin_library(struct library *l, char folder[], struct library_ranker ranker)
{
    struct error missing = {0}, err = {0};
    make_source(folder);
    assert_int_equal(library_open_any(l, folder, NULL, 0, &missing, &err), 0);
    l->ranker = ranker;
    assert_int_equal(mcp_service_open(&service, l, NULL, 0, "1.2", &err), 0);
    atomic_store(&is_stopped, 0);
}

static void end_library(struct library *l, const char *folder)
{
    struct error err = {0};
    mcp_service_close(service);
    library_close(l);
    assert_int_equal(library_remove(folder, "s", &err), 0);
    rmdir(folder);
}

static void others_while_a_model_works(void **state)
{
    char folder[] = "/tmp/stoker-service-XXXXXX";
    static struct library library;
    int has_opened = 0;
    (void)state;
    begin_library(&library, folder, (struct library_ranker){rank_meanwhile, &has_opened});
    expect("tools/call", "'name':'search_library','arguments':{'query':'sand'}", 1, "[1] Filter (s)");
    assert_int_equal(has_opened, 1);
    end_library(&library, folder);
}

/* Each sentence once a minute, so that a lasting one does not hide those that come later. */
static void what_searches_cannot_do_is_logged(void **state)
{
    static const char sand[] = "'name':'search_library','arguments':{'query':'sand'}";
    char folder[] = "/tmp/stoker-service-XXXXXX";
    static struct library library;
    struct error why = {.code = ERR_FORMAT};
    (void)state;
    begin_library(&library, folder, (struct library_ranker){rank_nothing, &why});
    log_to(keep_line);
    for (int i = 0; i < 4; i++) {
        snprintf(why.text, sizeof why.text, "test.gguf %s", i % 2 ? "has other widths" : "did not rank");
        expect("tools/call", sand, 1, "[1] Filter (s)");
    }
    expect_logged("test.gguf did not rank\ntest.gguf has other widths\n");
    for (int i = 0; i < 2 * LIBRARY_WARNED; i++) { /* of many no more than these */
        snprintf(why.text, sizeof why.text, "%d", i);
        expect("tools/call", sand, 1, "[1] Filter (s)");
    }
    expect_logged("0\n1\n2\n3\n4\n5\n");
    memset(library.warned, 0, sizeof library.warned); /* a minute later */
    why.code = ERR_CANCELLED;
    char *line = ask("tools/call", sand, 1);
    assert_string_equal(line, "");
    free(line);
    expect_logged("");
    lacks_memory = 1;
    if (CAN_LACK_MEMORY) {
        expect("tools/call", sand, 1, "'text':'error: no memory to search'}],'isError':true");
        expect_logged("no memory to search\n");
    }
    lacks_memory = 0;
    log_to(NULL);
    end_library(&library, folder);
}

int main(int argc, char **argv)
{
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return fake_serve(atoi(argv[2]));
    if (argc == 2 && strcmp(argv[1], "late") == 0) {
        usleep(700000);
        return fake_serve(0);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_eras),
                                       cmocka_unit_test(servers_that_start),
                                       cmocka_unit_test(few_tools),
                                       cmocka_unit_test(many_tools),
                                       cmocka_unit_test(only_allowed_tools),
                                       cmocka_unit_test(calls_end),
                                       cmocka_unit_test(others_while_a_model_works),
                                       cmocka_unit_test(what_searches_cannot_do_is_logged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
