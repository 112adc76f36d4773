/* links: mcp base
 *
 * `stoker mcp --http`: the library and tools of other MCP servers at POST /mcp, without a model: clients of both eras, keys and origins,
 * many clients at once, clients that leave, servers that die, and that nothing is left of their programs.
 *
 *     build/tests/mcp_http
 *
 * STOKER names the program (build/stoker). The other servers are this program again (`fake FOLDER N`). */
#include "is_gone.h"
#include "mcp_client.h"
#include "mcp_fake.h"

enum { MORE = 210 };

static char folder[TEMPORARY_PATH], self[TEMPORARY_PATH];
static char library[TEMPORARY_PATH + 64], keys[TEMPORARY_PATH + 64], config[TEMPORARY_PATH + 64],
    some[TEMPORARY_PATH + 64], pids[TEMPORARY_PATH + 64];

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
    char command[8 * TEMPORARY_PATH + 600];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) {
        printf("FAILED: %s\n", command);
        exit(1);
    }
}

/* A CONFIG whose servers, few and many, allow the tools of these lists. */
static void write_config(const char *path, const char *allow_few, const char *allow_many)
{
    FILE *f = fopen(path, "w");
    if (!f ||
        fprintf(f,
                "{\"mcpServers\":{\"few\":{\"command\":\"%s\",\"args\":[\"fake\",\"%s\",\"0\"],\"allow\":[%s]},"
                "\"many\":{\"command\":\"%s\",\"args\":[\"fake\",\"%s\",\"%d\"],\"defer\":true,\"allow\":[%s]}}}",
                self, folder, allow_few, self, folder, MORE, allow_many) < 0 ||
        fclose(f)) {
        printf("FAILED: %s cannot be written\n", path);
        exit(1);
    }
}

/* config allows every tool, `some` one of each server. */
static void write_configs(void)
{
    struct buffer few = {0}, many = {0};
    for (int i = 0; i < FAKE_TOOLS; i++) {
        buffer_puts(&few, i ? "," : "");
        buffer_put_string(&few, fake_tools[i].name, strlen(fake_tools[i].name));
    }
    buffer_put(&many, few.text, few.n);
    for (int i = 0; i < MORE; i++) {
        char name[40];
        fake_name(name, i);
        buffer_puts(&many, ",");
        buffer_put_string(&many, name, strlen(name));
    }
    buffer_put(&few, "", 1);
    buffer_put(&many, "", 1);
    write_config(config, few.text, many.text);
    write_config(some, "\"echo\"", "\"archive_invoice\"");
    buffer_free(&few);
    buffer_free(&many);
}

static void make_files(void)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || temporary_folder(folder, "mcp-http"))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    snprintf(library, sizeof library, "%s/db/", folder);
    snprintf(keys, sizeof keys, "%s/keys", folder);
    snprintf(config, sizeof config, "%s/servers.json", folder);
    snprintf(some, sizeof some, "%s/some.json", folder);
    snprintf(pids, sizeof pids, "%s/pids", folder);
    run("printf 'Stone bridge\n\nA stone bridge stands on arches.\n' >'%s/bridge.txt' && '%s' library add "
        "'%s/bridge.txt' --name docs --library '%s' >/dev/null 2>&1",
        folder, program, folder, library);
    run("echo key-of-a-client >'%s'", keys);
    write_configs();
}

/* ---- the server ------------------------------------------------------------------------------------------------------------ */

static void start_mcp(const char *const *flags)
{
    if (server_start_as(&server, "mcp", "--http", flags, log_file) || server_ready(&server, PATIENCE)) {
        printf("FAILED: no server; see %s\n", log_file);
        exit(1);
    }
}

static void end_mcp(const char *what)
{
    double began = clock_seconds();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "%s: the server does not end well", what);
    check(clock_seconds() - began < PATIENCE / 3, "%s: the end took %.1f s", what, clock_seconds() - began);
}

/* How many of the other servers' programs live, by the numbers that they noted; forgets them. */
static int programs_left(void)
{
    int n = 0, pid;
    FILE *f = fopen(pids, "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        n += !is_gone(pid);
    if (f)
        fclose(f);
    return n;
}

static void nothing_is_left(const char *what)
{
    double until = clock_seconds() + PATIENCE;
    while (programs_left() > 0 && clock_seconds() < until)
        usleep(20000);
    check(programs_left() == 0, "%s: programs are left", what);
    remove(pids);
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------- */

#define CALL(name, arguments) ASK("tools/call", "\"name\":\"" name "\",\"arguments\":{" arguments "}," META)
#define CALLED(name)          HEADERS("tools/call") "Mcp-Name: " name "\r\n"

static void the_library_alone(void)
{
    start_mcp((const char *const[]){"--library", library, NULL});
    mcp_clients_are_answered();
    mcp("nobody's tools", HEADERS("tools/list"), ASK("tools/list", META), 200, "\"name\":\"open_article\"");
    check(!strstr(reply.body, "search_tools"), "tools of nobody: %s", reply.body);
    check(ask_into(&reply, "/v1/library/search", "{\"query\":\"stone\"}") == 200 && strstr(reply.body, "arches"),
          "a search: %d %s", reply.status, reply.body);
    check(ask_into(&reply, "/v1/library/sources", NULL) == 200, "sources: %d %s", reply.status, reply.body);
    check(chat("{\"messages\":[]}") == 404, "a chat without a model: %d %s", reply.status, reply.body);
    check(ask_into(&reply, "/props", NULL) == 404, "/props: %d %s", reply.status, reply.body);
    check(ask_into(&reply, "/", NULL) == 404, "/: %d %s", reply.status, reply.body);
    end_mcp("the library");
}

static void a_key_is_asked_for(void)
{
    static const char list[] = ASK("tools/list", META);
    start_mcp(
        (const char *const[]){"--library", library, "--api-key-file", keys, "--cors", "https://app.example", NULL});
    mcp("no key", HEADERS("tools/list"), list, 401, "key");
    mcp("a wrong key", HEADERS("tools/list") "Authorization: Bearer another\r\n", list, 401, "key");
    mcp("the key", HEADERS("tools/list") "Authorization: Bearer key-of-a-client\r\n", list, 200, "search_library");
    mcp("a page that may",
        HEADERS("tools/list") "Authorization: Bearer key-of-a-client\r\nOrigin: https://app.example\r\n", list, 200,
        "search_library");
    mcp("a page that may not", HEADERS("tools/list") "Authorization: Bearer key-of-a-client\r\nOrigin: null\r\n", list,
        403, "origin");
    check(ask_into(&reply, "/v1/library/sources", NULL) == 401, "sources without a key: %d", reply.status);
    end_mcp("with a key");
}

static void other_servers_pass_through(void)
{
    mcp("their list", HEADERS("tools/list"), ASK("tools/list", META), 200, "\"name\":\"few__echo\"");
    check(strstr(reply.body, "\"name\":\"search_tools\"") && strstr(reply.body, "\"name\":\"call_tool\"") &&
              !strstr(reply.body, "many__") && !strstr(reply.body, "search_library"),
          "the list: %s", reply.body);
    mcp("a call", CALLED("few__echo"), CALL("few__echo", "\"text\":\"sun\""), 200, "\\\"text\\\":\\\"sun\\\"");
    mcp("an error", CALLED("few__fail"), CALL("few__fail", ""), 200, "\"isError\":true");
    mcp("what does not fit", CALLED("few__add"), CALL("few__add", "\"a\":\"x\""), 200, "error: arguments.a");
    mcp("a search", CALLED("search_tools"), CALL("search_tools", "\"query\":\"archive an invoice\""), 200,
        "many__archive_invoice");
    mcp("a call of what was found", CALLED("call_tool"),
        CALL("call_tool", "\"name\":\"many__archive_invoice\",\"arguments\":{\"invoice_id\":\"7\"}"), 200,
        "\\\"invoice_id\\\":\\\"7\\\"");
    mcp("a client of before", "", ASK("tools/call", "\"name\":\"few__echo\",\"arguments\":{\"text\":\"moon\"}"), 200,
        "\\\"text\\\":\\\"moon\\\"");
    mcp("much text", CALLED("few__big"), CALL("few__big", "\"n\":2000000"), 200, "xxxxxxxx");
    check(reply.n > 2000000, "much text: %zu bytes", reply.n);
    check(ask_into(&reply, "/v1/library/sources", NULL) == 400, "no library: %d %s", reply.status, reply.body);
}

static void *one_client(void *arg)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    static const char body[] = ASK("tools/call", "\"name\":\"few__echo\",\"arguments\":{\"text\":\"sun\"}");
    (void)arg;
    for (int i = 0; i < 4; i++) {
        int is_lost = client_ask(&c, "POST", "/mcp", body, sizeof body - 1, &r, NULL, NULL);
        check(is_lost == 0 && r.status == 200 && strstr(r.body, "\\\"text\\\":\\\"sun\\\""), "one of many: %d %s",
              r.status, r.body ? r.body : "");
    }
    client_close(&c);
    reply_free(&r);
    return NULL;
}

static void many_clients_at_once(void)
{
    pthread_t thread[CHATS];
    for (int i = 0; i < CHATS; i++)
        if (pthread_create(&thread[i], NULL, one_client, NULL))
            exit(1);
    for (int i = 0; i < CHATS; i++)
        pthread_join(thread[i], NULL);
}

/* Their calls are cancelled: the server's end waits for no handler. */
static void clients_leave(void)
{
    static const char body[] = CALL("few__slow", "\"ms\":600000");
    struct client c[4];
    for (int i = 0; i < 4; i++) {
        char head[512];
        c[i] = (struct client){server.port, -1};
        int n = snprintf(head, sizeof head, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n%s\r\n",
                         server.port, sizeof body - 1, CALLED("few__slow"));
        check(client_connect(&c[i]) == 0 && client_send(&c[i], head, (size_t)n) == 0 &&
                  client_send(&c[i], body, sizeof body - 1) == 0,
              "a client that will leave is not heard");
    }
    usleep(300000);
    for (int i = 0; i < 4; i++)
        client_close(&c[i]);
}

static void a_server_may_die(void)
{
    mcp("a server that dies", CALLED("few__die"), CALL("few__die", ""), 200, "has ended with status 3");
    mcp("behind it", CALLED("few__echo"), CALL("few__echo", "\"text\":\"sun\""), 200, "\"isError\":true");
    mcp("another one", CALLED("many__read_page"), CALL("many__read_page", "\"page_id\":\"1\""), 200,
        "\\\"page_id\\\":\\\"1\\\"");
}

static void tools_of_other_servers(void)
{
    const char *const flags[] = {"--mcp", config, NULL};
    start_mcp(flags);
    other_servers_pass_through();
    many_clients_at_once();
    a_server_may_die();
    end_mcp("other servers");
    nothing_is_left("SIGTERM");
    start_mcp(flags);
    other_servers_pass_through();
    clients_leave();
    end_mcp("clients that have left");
    nothing_is_left("clients that have left");
    start_mcp(flags);
    mcp("before SIGKILL", CALLED("few__echo"), CALL("few__echo", "\"text\":\"sun\""), 200, "sun");
    check(programs_left() == 2, "%d programs, not 2", programs_left());
    server_end(&server, SIGKILL, PATIENCE);
    nothing_is_left("SIGKILL");
}

/* How often the log has the text. */
static int times_in_log(const char *text)
{
    static char line[1 << 16];
    int n = 0;
    FILE *f = fopen(log_file, "r");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return n;
}

#define KEY      "Authorization: Bearer key-of-a-client\r\n"
#define LEFT_OUT "without a key only tools that \"allow\" names are offered; --api-key-file offers the others: "

/* Whoever reaches the port may be a program that asks no person: without a key only what "allow" names is there. */
static void without_a_key_what_is_allowed(void)
{
    start_mcp((const char *const[]){"--mcp", some, NULL});
    mcp("the list without a key", HEADERS("tools/list"), ASK("tools/list", META), 200, "\"name\":\"few__echo\"");
    check(!strstr(reply.body, "few__add") && strstr(reply.body, "other servers, 1 in all"), "it has more: %s",
          reply.body);
    mcp("a tool that is allowed", CALLED("few__echo"), CALL("few__echo", "\"text\":\"sun\""), 200, "sun");
    mcp("a tool that is not", CALLED("few__add"), CALL("few__add", "\"a\":1"), 400, "Unknown tool: few__add");
    mcp("the same of before", "", ASK("tools/call", "\"name\":\"few__add\",\"arguments\":{\"a\":1}"), 200,
        "Unknown tool: few__add");
    mcp("one that would be found, by its name", CALLED("many__read_page"), CALL("many__read_page", "\"page_id\":\"1\""),
        400, "Unknown tool");
    mcp("a search for it", CALLED("search_tools"), CALL("search_tools", "\"query\":\"read page invoice\""), 200,
        "many__archive_invoice");
    check(!strstr(reply.body, "many__read_page"), "it is found: %s", reply.body);
    mcp("a call by call_tool", CALLED("call_tool"),
        CALL("call_tool", "\"name\":\"many__read_page\",\"arguments\":{\"page_id\":\"1\"}"), 200,
        "there is no tool of this name");
    mcp("a call of what is allowed", CALLED("call_tool"),
        CALL("call_tool", "\"name\":\"many__archive_invoice\",\"arguments\":{\"invoice_id\":\"7\"}"), 200,
        "\\\"invoice_id\\\":\\\"7\\\"");
    end_mcp("what is allowed");
    check(times_in_log(LEFT_OUT "few__add, few__fail, few__slow, few__big, few__die, many__add, many__echo, many__fail "
                                "and 212 more\n") == 1,
          "the log does not name what is left out");
}

static void with_a_key_all_tools(void)
{
    start_mcp((const char *const[]){"--mcp", some, "--api-key-file", keys, NULL});
    mcp("a list without the key", HEADERS("tools/list"), ASK("tools/list", META), 401, "key");
    mcp("the list with the key", HEADERS("tools/list") KEY, ASK("tools/list", META), 200, "\"name\":\"few__add\"");
    check(strstr(reply.body, "other servers, 216 in all") != NULL, "it has less: %s", reply.body);
    mcp("a tool that is not allowed", CALLED("few__add") KEY, CALL("few__add", "\"a\":1"), 200, "\\\"a\\\":1");
    mcp("one that is found", CALLED("call_tool") KEY,
        CALL("call_tool", "\"name\":\"many__read_page\",\"arguments\":{\"page_id\":\"1\"}"), 200,
        "\\\"page_id\\\":\\\"1\\\"");
    end_mcp("all tools");
    check(times_in_log(LEFT_OUT) == 1, "tools are left out in spite of a key, or where all are allowed");
}

/* Notes its number, so that the test sees whether it lives. */
static int fake(const char *dir, int more)
{
    snprintf(pids, sizeof pids, "%s/pids", dir);
    FILE *f = fopen(pids, "a");
    if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f))
        return 1;
    return fake_serve(more);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fake") == 0)
        return fake(argv[2], atoi(argv[3]));
    make_files();
    the_library_alone();
    a_key_is_asked_for();
    tools_of_other_servers();
    without_a_key_what_is_allowed();
    with_a_key_all_tools();
    nothing_is_left("keys");
    reply_free(&reply);
    run("rm -rf '%s'", folder);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
