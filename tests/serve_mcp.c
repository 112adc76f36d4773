/* links: mcp base
 *
 * Tools of MCP servers in the chats of a server: which are offered, calls in the middle of an answer and their events, what the model is
 * told, tools that are searched for, lists that change, servers that die, clients that leave, what is refused and how, many chats at once,
 * and that nothing is left of the programs.
 *
 *     build/tests/serve_mcp
 *
 * STOKER names the program (build/stoker). The servers of MCP are this program again (`fake FOLDER NAME`). */
#include "chat_server.h"
#include "is_gone.h"
#include "serve_mcp_fake.h"

enum { LEAVERS = 8 };

static char library[TEMPORARY_PATH + 64];

static void make_files(void)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    char command[6 * TEMPORARY_PATH + 600];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || temporary_folder(folder, "serve-mcp"))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    snprintf(library, sizeof library, "%.*s/db/", TEMPORARY_PATH, folder);
    snprintf(command, sizeof command,
             "printf 'Stone bridge\\n\\nA stone bridge stands on arches. Its dudge is broad.\\n' >'%s/bridge.txt' && "
             "'%s' library add "
             "'%s/bridge.txt' --name docs --library '%s' >/dev/null 2>&1",
             folder, program, folder, library);
    if (system(command) != 0) {
        printf("FAILED: %s\n", command);
        exit(1);
    }
    write_few();
    write_many();
}

static void remove_all(void)
{
    char command[TEMPORARY_PATH + 40];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("%s stays\n", folder);
}

static void start(const char *config, const char *flag, const char *value)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/%s.json", folder, config);
    const char *flags[] = {"--memory", "700M", "--ctx", "4096", "--parallel", "2", "--drain",
                           "1",        flag,   value,   NULL,   NULL,         NULL};
    int at = flag ? 10 : 8;
    if (*config) {
        flags[at++] = "--mcp";
        flags[at++] = path;
    }
    flags[at] = NULL;
    start_server(flags);
}

static int log_has(const char *words)
{
    static char text[1 << 20];
    FILE *f = fopen(log_file, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    return strstr(text, words) != NULL;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

#define ASK "\"messages\":[{\"role\":\"user\",\"content\":\"Find bridge\"}],\"temperature\":0,\"seed\":1"
#define SAYS(t)                                                                                                        \
    ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"strict\":true,\"schema\":{"      \
    "\"const\":\"" t "\"}}}"
#define CALLS(name) ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
/* One call of this tool, and a known answer. */
#define ONCE(name) "{" ASK ",\"mcp\":{\"rounds\":2}" CALLS(name) SAYS("Yes.")

/* What a stream told: its text joined, its events, how it ended. */
struct streamed {
    char content[8192], finish[24], server[64], name[80], arguments[400], progress[80], query[400], tool[5][80];
    int n_begun, n_done, n_error, n_progress, n_library, n_call, n_tool, is_ended;
};

static void copy(char *to, size_t size, const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    if (text)
        snprintf(to, size, "%s", text);
}

static void take_event(struct streamed *t, const json_t *e)
{
    const char *status = json_string_value(json_object_get(e, "status"));
    const json_t *tools = json_object_get(e, "tools");
    int is_done = status && strcmp(status, "completed") == 0;
    t->n_done += is_done;
    t->n_progress += json_object_get(e, "progress") != NULL;
    t->n_begun += !is_done && !json_object_get(e, "progress");
    t->n_error += json_is_true(json_object_get(e, "is_error"));
    copy(t->server, sizeof t->server, e, "server");
    copy(t->name, sizeof t->name, e, "name");
    copy(t->arguments, sizeof t->arguments, e, "arguments");
    copy(t->progress, sizeof t->progress, e, "progress");
    copy(t->query, sizeof t->query, e, "query");
    for (size_t i = 0; tools && i < json_array_size(tools) && t->n_tool < 5; i++)
        snprintf(t->tool[t->n_tool++], sizeof t->tool[0], "%s", json_string_value(json_array_get(tools, i)));
}

static void take_chunk(void *arg, const json_t *o)
{
    struct streamed *t = arg;
    const json_t *c = json_array_get(json_object_get(o, "choices"), 0), *d = json_object_get(c, "delta"),
                 *e = json_object_get(o, "mcp_event");
    const char *text = json_string_value(json_object_get(d, "content"));
    if (text)
        strncat(t->content, text, sizeof t->content - strlen(t->content) - 1);
    copy(t->finish, sizeof t->finish, c, "finish_reason");
    t->n_call += json_array_size(json_object_get(d, "tool_calls")) > 0;
    t->n_library += json_object_get(o, "library_event") != NULL;
    if (e)
        take_event(t, e);
}

static struct streamed read_stream(const struct reply *r)
{
    struct streamed t = {.n_call = 0};
    t.is_ended = read_chunks(r, take_chunk, &t);
    return t;
}

static struct streamed stream(const char *body)
{
    check(chat(body) == 200, "%s: %d %s", body, reply.status, reply.body);
    return read_stream(&reply);
}

static int prompt_has(const char *fields, const char *words)
{
    char body[2000];
    snprintf(body, sizeof body, "{" ASK "%s}", fields);
    check(ask_into(&reply, "/apply-template", body) == 200, "%s: %d %s", body, reply.status, reply.body);
    return strstr(reply.body, words) != NULL;
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------- */

static void servers_are_named(void)
{
    check(log_has("MCP server a: 7 tools, 6 of them in \"allow\""), "the log does not name a");
    check(log_has("MCP server d: 8 tools, 7 of them in \"allow\""), "the log does not name d");
    check(log_has("absent") && log_has("/nowhere/to/be/found"), "the log does not say why a server failed");
    check(ask_into(&reply, "/props", NULL) == 200 && strstr(reply.body, "\"mcp\":true"), "/props: %s", reply.body);
}

static void only_what_is_allowed_is_offered(void)
{
    check(prompt_has(",\"mcp\":true", "a__echo"), "no tool of a: %s", reply.body);
    check(prompt_has(",\"mcp\":true", "d__die"), "no tool of d: %s", reply.body);
    check(!prompt_has(",\"mcp\":true", "a__secret"), "a tool that is not allowed: %s", reply.body);
    check(!prompt_has("", "a__echo"), "a chat that does not ask: %s", reply.body);
    check(!prompt_has(",\"mcp\":false", "a__echo"), "a chat that says no: %s", reply.body);
    check(!prompt_has(",\"mcp\":{\"servers\":[\"a\"]}", "d__die"), "another server's tool: %s", reply.body);
    check(chat(ONCE("a__secret") "}") == 400, "a tool that is not allowed is called: %s", reply.body);
    check(count_lines("a", ".calls") == 0, "it was called");
}

static void an_answer_calls(void)
{
    json_t *whole;
    struct streamed t = stream(ONCE("a__echo") ",\"stream\":true}");
    check(t.n_begun == 1 && t.n_done == 1 && t.n_error == 0, "events: %d, %d, %d: %s", t.n_begun, t.n_done, t.n_error,
          reply.body);
    check(strcmp(t.server, "a") == 0 && strcmp(t.name, "a__echo") == 0, "the call: %s %s", t.server, t.name);
    check(strstr(t.arguments, "sun") != NULL, "arguments: %s", t.arguments);
    check(t.n_call == 0 && t.is_ended && strcmp(t.finish, "stop") == 0 && strcmp(t.content, "\"Yes.\"") == 0,
          "the end: %s", reply.body);
    check(!strstr(reply.body, "annotations"), "annotations without a library: %s", reply.body);
    check(count_lines("a", ".calls") == 1, "%d calls came", count_lines("a", ".calls"));
    check(chat(ONCE("a__echo") "}") == 200, "a whole answer: %s", reply.body);
    const json_t *m = message_of(&reply, &whole);
    const char *content = json_string_value(json_object_get(m, "content"));
    check(content && strcmp(content, t.content) == 0, "the whole answer is not the joined stream: %s", reply.body);
    check(!json_object_get(m, "tool_calls") && !json_object_get(m, "annotations"), "a call of ours is told: %s",
          reply.body);
    json_decref(whole);
    check(count_lines("a", ".calls") == 2, "%d calls came", count_lines("a", ".calls"));
}

/* Tokens of a prompt that has the question, a call without arguments and this result. */
static json_int_t tokens_behind(const char *name, const char *result)
{
    char body[2000];
    json_t *o, *tokens;
    snprintf(body, sizeof body,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"Find bridge\"},{\"role\":\"assistant\",\"content\":\"\","
             "\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":"
             "\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_0\",\"content\":\"%s\"}],\"mcp\":true}",
             name, result);
    check(ask_into(&reply, "/apply-template", body) == 200, "%s: %s", body, reply.body);
    o = json_loadb(reply.body, reply.n, 0, NULL);
    json_t *ask = json_pack("{s:O, s:b, s:b}", "content", json_object_get(o, "prompt"), "add_special", 1,
                            "parse_special", 1);
    char *text = json_dumps(ask, 0);
    json_decref(ask);
    json_decref(o);
    check(ask_into(&reply, "/tokenize", text) == 200, "tokens: %s", reply.body);
    free(text);
    o = json_loadb(reply.body, reply.n, 0, NULL);
    tokens = json_object_get(o, "tokens");
    json_int_t n = (json_int_t)json_array_size(tokens);
    json_decref(o);
    return n;
}

static json_int_t prompt_tokens(const char *body)
{
    json_t *whole;
    check(chat(body) == 200, "%s: %d %s", body, reply.status, reply.body);
    message_of(&reply, &whole);
    json_int_t n = json_integer_value(json_object_get(json_object_get(whole, "usage"), "prompt_tokens"));
    json_decref(whole);
    return n;
}

/* The second prompt of an answer is the conversation with the result in it. */
static void the_model_is_told_of_results(void)
{
    json_int_t first = prompt_tokens("{" ASK ",\"mcp\":{\"rounds\":1},\"max_tokens\":1}");
    json_int_t both = prompt_tokens(ONCE("a__fail") "}");
    json_int_t wanted = tokens_behind("a__fail", "error: it failed as asked");
    check(both - first == wanted, "%lld tokens in the second prompt, not %lld", (long long)(both - first),
          (long long)wanted);
    struct streamed t = stream(ONCE("a__fail") ",\"stream\":true}");
    check(t.n_done == 1 && t.n_error == 1, "an error that is not told: %s", reply.body);
    both = prompt_tokens(ONCE("a__big") "}");
    check(both - first > 200 && both - first < 4096, "%lld tokens with a big result", (long long)(both - first));
    FILE *empty = open_in(folder, "empty", "", "w");
    if (empty)
        fclose(empty);
    both = prompt_tokens(ONCE("a__big") "}");
    wanted = tokens_behind("a__big", "");
    check(both - first == wanted, "%lld tokens with an empty result, not %lld", (long long)(both - first),
          (long long)wanted);
}

static void let_it_go(void)
{
    FILE *f = open_in(folder, "go", "", "w");
    if (f)
        fclose(f);
}

static int go_at_progress(void *arg, struct reply *r)
{
    (void)arg;
    if (strstr(r->body, "half done"))
        let_it_go();
    return 0;
}

static void progress_is_told(void)
{
    static const char body[] = ONCE("a__wait") ",\"stream\":true}";
    struct client c = {server.port, -1};
    check(client_ask(&c, "POST", "/v1/chat/completions", body, sizeof body - 1, &reply, go_at_progress, NULL) == 0,
          "a stream with progress: %s", reply.body);
    struct streamed t = read_stream(&reply);
    check(t.n_progress >= 1 && strcmp(t.progress, "half done") == 0 && t.n_done == 1 && t.n_error == 0, "progress: %s",
          reply.body);
    client_close(&c);
    let_it_go(); /* whatever was told: later calls do not wait */
}

static void rounds_end(void)
{
    for (int rounds = 1; rounds <= 26; rounds += rounds < 4 ? 1 : rounds < 25 ? 7 : 1) {
        char body[600], field[40] = "true";
        if (rounds <= 25)
            snprintf(field, sizeof field, "{\"rounds\":%d}", rounds);
        snprintf(body, sizeof body, "{" ASK ",\"mcp\":%s" SAYS("Yes.") ",\"stream\":true}", field);
        struct streamed t = stream(body);
        int most = rounds <= 25 ? rounds - 1 : 24;
        check(t.n_done == most && t.n_begun == most, "%s: %d calls", field, t.n_done);
        check(t.is_ended && t.n_call == 0 && strcmp(t.content, "\"Yes.\"") == 0, "%s: %s", field, t.content);
    }
}

/* A turn begins with the lists of now. */
static void lists_may_change(void)
{
    check(!prompt_has(",\"mcp\":true", "a__grown"), "it has grown before: %s", reply.body);
    stream(ONCE("a__grow") ",\"stream\":true}");
    check(prompt_has(",\"mcp\":true", "a__grown"), "the list is the old one: %s", reply.body);
    struct streamed t = stream(ONCE("a__grown") ",\"stream\":true}");
    check(strcmp(t.name, "a__grown") == 0 && t.n_done == 1 && t.n_error == 0, "a new tool: %s", reply.body);
}

/* ---- others beside --------------------------------------------------------------------------------------------------------- */

#define FUNCTION(name)                                                                                                 \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"description\":\"Get the current "         \
    "weather of a city.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},"        \
    "\"required\":[\"city\"]}}}]"

static void tools_of_the_client_stay_its_own(void)
{
    struct streamed t = stream("{" ASK
                               ",\"mcp\":true" CALLS("get_weather") "," FUNCTION("get_weather") ",\"stream\":true}");
    check(t.n_done == 0 && t.n_call > 0 && strcmp(t.finish, "tool_calls") == 0, "a tool of the client: %s", reply.body);
    t = stream(ONCE("a__echo") "," FUNCTION("get_weather") ",\"stream\":true}");
    check(t.n_done == 1 && t.n_call == 0 && strcmp(t.finish, "stop") == 0, "ours beside it: %s", reply.body);
}

static void the_library_may_stand_beside(void)
{
    static const char both[] = ",\"mcp\":true,\"library\":true";
    check(prompt_has(both, "a__echo") && strstr(reply.body, "search_library"), "not both: %s", reply.body);
    struct streamed t = stream("{" ASK ",\"mcp\":true,\"library\":{\"rounds\":2}" CALLS("search_library")
                                   SAYS("See [1].") ",\"stream\":true}");
    check(t.n_library == 2 && t.n_done == 0 && strstr(reply.body, "url_citation"), "a search: %s", reply.body);
    t = stream("{" ASK ",\"mcp\":{\"rounds\":2},\"library\":true" CALLS("a__echo") SAYS("Yes.") ",\"stream\":true}");
    check(t.n_library == 0 && t.n_done == 1 && strstr(reply.body, "annotations"), "a call: %s", reply.body);
    t = stream("{" ASK ",\"mcp\":{\"rounds\":3},\"library\":{\"rounds\":5}" SAYS("Yes.") ",\"stream\":true}");
    check(t.n_library / 2 + t.n_done == 2, "the least of both: %d, %d", t.n_library, t.n_done);
    t = stream("{" ASK ",\"mcp\":{\"rounds\":5},\"library\":{\"rounds\":3}" SAYS("Yes.") ",\"stream\":true}");
    check(t.n_library / 2 + t.n_done == 2, "the library's, which are less: %d, %d", t.n_library, t.n_done);
    t = stream("{" ASK ",\"mcp\":true,\"library\":{\"rounds\":3}" SAYS("Yes.") ",\"stream\":true}");
    check(t.n_library / 2 + t.n_done == 2, "what one says: %d, %d", t.n_library, t.n_done);
}

static void refused(const char *fields, const char *param, const char *words)
{
    char body[1400], wanted[200];
    snprintf(body, sizeof body, "{" ASK ",%s}", fields);
    snprintf(wanted, sizeof wanted, "\"param\":\"%s\"", param);
    int status = chat(body);
    for (char *s = reply.body, *d = s; (*d = *s); s++) /* without blanks: {"param": "x"} */
        d += !(*s == ' ' && s > reply.body && s[-1] == ':');
    check(status == 400 && strstr(reply.body, wanted) && strstr(reply.body, words), "%s: %d %s", fields, status,
          reply.body);
}

static void what_is_wrong_is_refused(void)
{
    refused("\"mcp\":1", "mcp", "must be true, false or an object");
    refused("\"mcp\":[]", "mcp", "must be true, false or an object");
    refused("\"mcp\":{\"servers\":[\"a\",\"none\"]}", "mcp.servers[1]", "names no MCP server");
    refused("\"mcp\":{\"servers\":[]}", "mcp.servers", "1 to 32");
    refused("\"mcp\":{\"servers\":\"a\"}", "mcp.servers", "must be an array");
    refused("\"mcp\":{\"servers\":[1]}", "mcp.servers[0]", "must be a string");
    refused("\"mcp\":{\"rounds\":0}", "mcp.rounds", "1 to 25");
    refused("\"mcp\":{\"rounds\":26}", "mcp.rounds", "1 to 25");
    refused("\"mcp\":true,\"n\":2", "n", "must be 1");
    refused("\"mcp\":true,\"prompt_logprobs\":1", "prompt_logprobs", "together with mcp");
    refused("\"mcp\":true," FUNCTION("a__echo"), "tools", "both have a tool a__echo");
    check(chat("{" ASK ",\"mcp\":null,\"max_tokens\":2}") == 200, "null: %s", reply.body);
    check(chat("{" ASK ",\"mcp\":{},\"max_tokens\":2}") == 200, "an empty object: %s", reply.body);
    check(chat("{" ASK ",\"mcp\":{\"servers\":[\"absent\"]},\"max_tokens\":2}") == 200, "a server that failed: %s",
          reply.body);
}

/* ---- many at once ---------------------------------------------------------------------------------------------------------- */

static char together[] = "{" ASK ",\"mcp\":{\"rounds\":2}" CALLS("a__echo") ",\"max_tokens\":60}";
static void many_chats_call_at_once(void)
{
    learn_alone(together);
    int before = count_lines("a", ".calls");
    ask_many(together);
    check(count_lines("a", ".calls") - before == CHATS, "%d calls came", count_lines("a", ".calls") - before);
}

static const char hanging[] = ONCE("a__hang") ",\"stream\":true}";

static int leave_at_call(void *arg, struct reply *r)
{
    (void)arg;
    return strstr(r->body, "mcp_event") != NULL;
}

static int metrics_have(const char *line)
{
    check(ask_into(&reply, "/metrics", NULL) == 200, "metrics: %d", reply.status);
    return strstr(reply.body, line) != NULL;
}

/* Until it is so, or the patience ends. */
#define EVENTUALLY(condition)                                                                                          \
    ({                                                                                                                 \
        double until_ = clock_seconds() + PATIENCE;                                                                    \
        while (!(condition) && clock_seconds() < until_)                                                               \
            usleep(10000);                                                                                             \
        condition;                                                                                                     \
    })

static void who_leaves_cancels_the_call(void)
{
    char line[100];
    for (int i = 0; i < LEAVERS; i++) {
        struct client c = {server.port, -1};
        struct reply r = {0};
        int rc = client_ask(&c, "POST", "/v1/chat/completions", hanging, sizeof hanging - 1, &r, leave_at_call, NULL);
        check(rc == 1, "no event to leave at: %s", r.body);
        client_close(&c);
        reply_free(&r);
    }
    check(EVENTUALLY(count_lines("a", ".cancelled") == LEAVERS), "%d calls were cancelled",
          count_lines("a", ".cancelled"));
    snprintf(line, sizeof line, "stoker_mcp_calls_total{server=\"a\",status=\"cancelled\"} %d\n", LEAVERS);
    check(EVENTUALLY(metrics_have(line)), "metrics lack %s", line);
    check(chat(together) == 200, "behind them: %s", reply.body);
}

static void metrics_count_calls(void)
{
    check(metrics_have("stoker_mcp_calls_total{server=\"absent\",status=\"ok\"} 0\n"), "metrics: %s", reply.body);
    const char *line = strstr(reply.body, "stoker_mcp_calls_total{server=\"a\",status=\"ok\"} ");
    check(line && atoi(strchr(line, '}') + 2) >= CHATS, "calls of a: %s", reply.body);
    check(!metrics_have("stoker_mcp_calls_total{server=\"a\",status=\"error\"} 0\n"), "errors of a: %s", reply.body);
}

/* What it dies of is told to the model and to its log; the other servers work. */
static void a_server_may_die(void)
{
    struct streamed t = stream(ONCE("d__die") ",\"stream\":true}");
    check(t.n_done == 1 && t.n_error == 1 && strcmp(t.content, "\"Yes.\"") == 0 && t.is_ended, "it dies: %s",
          reply.body);
    check(EVENTUALLY(log_has("MCP server d: it has ended with status 3")), "the log does not say it");
    t = stream(ONCE("d__echo") ",\"stream\":true}");
    check(t.n_done == 1 && t.n_error == 1 && t.is_ended, "it is dead: %s", reply.body);
    t = stream(ONCE("a__echo") ",\"stream\":true}");
    check(t.n_done == 1 && t.n_error == 0 && t.is_ended, "another server: %s", reply.body);
}

/* ---- tools that are searched for ------------------------------------------------------------------------------------------- */

#define ABOUT(t) "\"messages\":[{\"role\":\"user\",\"content\":\"" t "\"}],\"temperature\":0,\"seed\":1"

static int is_a_hit(const struct streamed *t)
{
    for (int i = 0; i < t->n_tool; i++)
        if (strcmp(t->tool[i], t->name) == 0)
            return 1;
    return 0;
}

static void many_tools_are_searched_for(void)
{
    check(prompt_has(",\"mcp\":true", "search_tools") && !strstr(reply.body, "create_issue"), "the prompt: %s",
          reply.body);
    json_int_t n = prompt_tokens("{" ASK ",\"mcp\":{\"rounds\":1},\"max_tokens\":1}");
    check(n < 1000, "%lld tokens", (long long)n);
    struct streamed t = stream("{" ABOUT("Find ticket") ",\"mcp\":{\"rounds\":3}" CALLS("search_tools")
                                   SAYS("Yes.") ",\"stream\":true}");
    check(t.n_done == 2 && t.n_tool > 0 && t.n_error == 0, "a search: %s", reply.body);
    check(is_a_hit(&t), "%s was not found", t.name);
    check(count_lines("many", ".calls") == 1, "%d calls came", count_lines("many", ".calls"));
    refused("\"mcp\":true," FUNCTION("search_tools"), "tools", "both have a tool search_tools");
}

/* ---- what is left of the programs ------------------------------------------------------------------------------------------ */

static int count_living(const char *name)
{
    int n = 0, pid;
    FILE *f = open_in(folder, name, ".pid", "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        n += !is_gone(pid);
    if (f)
        fclose(f);
    return n;
}

static void *hang(void *arg)
{
    ask_into(arg, "/v1/chat/completions", hanging);
    return NULL;
}

/* The server ends while a call runs. */
static void nothing_is_left(int number, int status)
{
    pthread_t thread;
    static struct reply r;
    int before = count_lines("a", ".calls");
    check(count_living("a") == 1, "%d programs live", count_living("a"));
    if (pthread_create(&thread, NULL, hang, &r))
        exit(1);
    check(EVENTUALLY(count_lines("a", ".calls") > before), "no call");
    int got = server_end(&server, number, PATIENCE);
    pthread_join(thread, NULL);
    check(got == status, "signal %d: the server ends with %d", number, got);
    check(EVENTUALLY(count_living("a") == 0 && count_living("d") == 0), "signal %d: %d and %d programs are left",
          number, count_living("a"), count_living("d"));
    if (number == SIGTERM)
        check(strstr(r.body, "the server is stopping") != NULL, "the call's stream: %s", r.body);
    reply_free(&r);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fake") == 0)
        return fake(argv[2], argv[3]);
    make_files();
    start("few", "--library", library);
    servers_are_named();
    only_what_is_allowed_is_offered();
    an_answer_calls();
    the_model_is_told_of_results();
    progress_is_told();
    lists_may_change();
    rounds_end();
    tools_of_the_client_stay_its_own();
    the_library_may_stand_beside();
    what_is_wrong_is_refused();
    many_chats_call_at_once();
    who_leaves_cancels_the_call();
    metrics_count_calls();
    a_server_may_die();
    nothing_is_left(SIGTERM, 0);
    start("few", NULL, NULL);
    nothing_is_left(SIGKILL, 128 + SIGKILL);
    start("many", NULL, NULL);
    many_tools_are_searched_for();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server of many tools does not end well");
    start("", NULL, NULL);
    refused("\"mcp\":true", "mcp", "start it with --mcp");
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server without MCP does not end well");
    reply_free(&reply);
    remove_all();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
