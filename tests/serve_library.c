/* links: base
 *
 * The library in the chats of a server: searches in the middle of an answer, events, citations, the client's tools beside, rounds that end,
 * what is refused and how, many chats at once, clients that leave; file_search of Responses; its tools for MCP clients.
 *
 *     build/tests/serve_library
 *
 * STOKER names the program (build/stoker). The sources are made by `stoker library add` in a folder of this run. */
#include "chat_server.h"
#include "file_search.h"
#include "mcp_client.h"

#include <sys/stat.h>

#define MD                                                                                                             \
    "."                                                                                                                \
    "md"

static char folder[TEMPORARY_PATH], library[TEMPORARY_PATH + 64];

/* ---- sources --------------------------------------------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[2 * TEMPORARY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", folder, dir, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f))
        exit(1);
}

static void add_source(const char *dir)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    char command[4 * TEMPORARY_PATH + 600];
    snprintf(command, sizeof command, "'%s' library add '%s/%s' --library '%s' >/dev/null 2>&1", program, folder, dir,
             library);
    if (system(command) != 0) {
        printf("FAILED: %s\n", command);
        exit(1);
    }
}

static void make_sources(void)
{
    if (temporary_folder(folder, "serve-library"))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s.log", folder);
    snprintf(library, sizeof library, "%.*s/db/", TEMPORARY_PATH, folder);
    write_file("docs", "bridge" MD,
               "# Stone bridge\n\nA stone bridge stands on arches. Its bedge is broad.\n\n## Care\n\nWeeds are "
               "pulled every spring.\n");
    write_file("docs", "other" MD, "# Other\n\nIge.\n");
    write_file("more", "sand" MD, "# Filter\n\nSand cleans water.\n");
    add_source("docs");
    add_source("more");
}

static void remove_all(void)
{
    char command[3 * TEMPORARY_PATH + 400];
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", folder, log_file);
    if (system(command) != 0)
        printf("%s stays\n", folder);
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

/* What a stream told: its texts joined, its events, its annotations, how it ended. */
struct streamed {
    char content[8192];
    int n_search, n_done, n_result, n_call, is_ended;
    char finish[24];
    json_t *annotations, *usage;
};

static void take_chunk(void *arg, const json_t *o)
{
    struct streamed *t = arg;
    const json_t *c = json_array_get(json_object_get(o, "choices"), 0), *d = json_object_get(c, "delta"),
                 *e = json_object_get(o, "library_event"), *a = json_object_get(d, "annotations"),
                 *u = json_object_get(o, "usage");
    const char *text = json_string_value(json_object_get(d, "content")),
               *finish = json_string_value(json_object_get(c, "finish_reason"));
    if (text)
        strncat(t->content, text, sizeof t->content - strlen(t->content) - 1);
    if (finish)
        snprintf(t->finish, sizeof t->finish, "%s", finish);
    t->n_call += json_array_size(json_object_get(d, "tool_calls")) > 0;
    if (e && !json_object_get(e, "results"))
        t->n_search++;
    else if (e)
        t->n_done++;
    t->n_result += (int)json_array_size(json_object_get(e, "results"));
    if (a)
        t->annotations = json_incref((json_t *)a);
    if (json_is_object(u))
        t->usage = json_incref((json_t *)u);
}

static struct streamed read_stream(const struct reply *r)
{
    struct streamed t = {.n_call = 0};
    t.is_ended = read_chunks(r, take_chunk, &t);
    return t;
}

static void free_streamed(struct streamed *t)
{
    json_decref(t->annotations);
    json_decref(t->usage);
}

/* A schema that one text alone satisfies makes the answer known. Behind a character beyond the BMP offsets are code points. */
static void an_answer_searches_and_cites(void)
{
    static const char ask[] = "{" FIND ",\"library\":{\"rounds\":2}" SAYS(
        "\xf0\x9f\x8c\x89 See [1] and [9].") ",\"stream\":%s%s}";
    char body[1000];
    json_t *whole;
    snprintf(body, sizeof body, ask, "true", ",\"stream_options\":{\"include_usage\":true}");
    check(chat(body) == 200, "a stream: %d %s", reply.status, reply.body);
    struct streamed t = read_stream(&reply);
    check(t.n_search == 1 && t.n_done == 1 && t.n_result >= 1, "events: %d, %d, %d results: %s", t.n_search, t.n_done,
          t.n_result, reply.body);
    check(t.n_call == 0 && t.is_ended && strcmp(t.finish, "stop") == 0, "the end: %d calls, %s", t.n_call, t.finish);
    const json_t *cited = json_object_get(json_array_get(t.annotations, 0), "url_citation");
    check(json_array_size(t.annotations) == 1 && json_integer_value(json_object_get(cited, "start_index")) == 7 &&
              json_integer_value(json_object_get(cited, "end_index")) == 10,
          "offsets: %s", reply.body);
    const char *url = json_string_value(json_object_get(cited, "url"));
    check(url && strcmp(url, "/library/docs/bridge" MD "#stone-bridge") == 0, "the address is %s",
          url ? url : "absent");
    json_int_t prompt = json_integer_value(json_object_get(t.usage, "prompt_tokens"));
    snprintf(body, sizeof body, ask, "false", "");
    check(chat(body) == 200, "a whole answer: %d %s", reply.status, reply.body);
    const json_t *m = message_of(&reply, &whole);
    const char *content = json_string_value(json_object_get(m, "content"));
    check(content && strcmp(content, t.content) == 0, "the whole answer is not the joined stream: %s, %s",
          content ? content : "nothing", t.content);
    check(json_equal(json_object_get(m, "annotations"), t.annotations), "other annotations");
    check(!json_object_get(m, "tool_calls"), "a call of ours is told: %s", reply.body);
    const json_t *usage = json_object_get(whole, "usage");
    json_int_t cached = json_integer_value(
        json_object_get(json_object_get(usage, "prompt_tokens_details"), "cached_tokens"));
    check(json_integer_value(json_object_get(usage, "prompt_tokens")) == prompt && prompt > 0, "usage: %s", reply.body);
    /* both prompts were seen a moment ago: of each at most 16 tokens are computed */
    check(cached + 32 >= prompt && cached < prompt, "%lld of %lld tokens were known", (long long)cached,
          (long long)prompt);
    json_decref(whole);
    free_streamed(&t);
}

struct usage {
    json_int_t prompt, cached, completion;
};

static struct usage usage_of(const char *body)
{
    json_t *whole;
    check(chat(body) == 200, "%s: %d %s", body, reply.status, reply.body);
    message_of(&reply, &whole);
    const json_t *u = json_object_get(whole, "usage"), *details = json_object_get(u, "prompt_tokens_details");
    const struct usage found = {json_integer_value(json_object_get(u, "prompt_tokens")),
                                json_integer_value(json_object_get(details, "cached_tokens")),
                                json_integer_value(json_object_get(u, "completion_tokens"))};
    json_decref(whole);
    return found;
}

/* Tokens of the call that the first answer is, behind a prompt of `first`: the most that an answer may have and get no second prompt. */
static json_int_t tokens_of_call(json_int_t first)
{
    enum { MOST = 200 };
    for (int most = 1; most < MOST; most++) {
        char body[600];
        snprintf(body, sizeof body, "{" FIND ",\"library\":{\"rounds\":2}" SAYS("Yes.") ",\"max_tokens\":%d}", most);
        if (usage_of(body).prompt > first)
            return most - 1;
    }
    check(0, "a call has %d tokens and more", MOST);
    return MOST;
}

/* The second prompt begins with the first and its answer: all but the newest 16 tokens of these are known. */
static void the_next_round_is_known(void)
{
    const json_int_t first = usage_of("{" FIND ",\"library\":{\"rounds\":1},\"max_tokens\":1}").prompt,
                     call = tokens_of_call(first);
    check(call > 16, "a call of %lld tokens", (long long)call); /* or it need not be known */
    check(ask_into(&reply, "/stoker/cache/clear", "{}") == 200, "clearing: %d %s", reply.status, reply.body);
    const struct usage both = usage_of("{" FIND ",\"library\":{\"rounds\":2}" SAYS("Yes.") "}");
    check(both.completion > call, "%lld tokens of two answers, %lld of the call", (long long)both.completion,
          (long long)call);
    check(both.prompt > 2 * first && both.cached + 16 >= first + call,
          "%lld tokens of %lld and a call of %lld were known (%lld in all)", (long long)both.cached, (long long)first,
          (long long)call, (long long)both.prompt);
}

/* ---- rounds ---------------------------------------------------------------------------------------------------------------- */

/* Where its answer must be JSON the embedded model calls as often as it may. */
static void rounds_end(void)
{
    for (int rounds = 1; rounds <= 9; rounds++) {
        char body[600], library_field[40] = "true";
        if (rounds <= 8)
            snprintf(library_field, sizeof library_field, "{\"rounds\":%d}", rounds);
        snprintf(body, sizeof body, "{" FIND ",\"library\":%s" SAYS("Yes.") ",\"stream\":true}", library_field);
        check(chat(body) == 200, "rounds: %d %s", reply.status, reply.body);
        struct streamed t = read_stream(&reply);
        int most = rounds <= 8 ? rounds - 1 : 7;
        check(t.n_done == most && t.n_search == most, "%s: %d calls", library_field, t.n_done);
        check(t.is_ended && t.n_call == 0 && strcmp(t.content, "\"Yes.\"") == 0, "%s: %s", library_field, t.content);
        free_streamed(&t);
    }
}

#define WEATHER                                                                                                        \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"Get the current "      \
    "weather of a city.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},"        \
    "\"required\":[\"city\"]}}}]"

/* The client's tools are its own: their calls end the turn and are told, with ours beside them. */
static void tools_of_the_client_stay_its_own(void)
{
    json_t *whole;
    check(chat("{\"messages\":[{\"role\":\"user\",\"content\":\"What is the weather in Bergen?\"}],\"temperature\":0,"
               "\"library\":true," WEATHER "}") == 200,
          "a client's tool: %s", reply.body);
    const json_t *call = json_object_get(json_array_get(json_object_get(message_of(&reply, &whole), "tool_calls"), 0),
                                         "function");
    const char *name = json_string_value(json_object_get(call, "name"));
    check(name && strcmp(name, "get_weather") == 0, "no call of get_weather: %s", reply.body);
    json_decref(whole);
    check(
        chat(
            "{" FIND
            ",\"library\":true,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}," WEATHER
            ",\"stream\":true}") == 200,
        "a named tool: %s", reply.body);
    struct streamed t = read_stream(&reply);
    check(t.n_done == 0 && t.n_call > 0 && strcmp(t.finish, "tool_calls") == 0, "a named tool: %s", t.finish);
    free_streamed(&t);
    check(chat("{" FIND ",\"library\":true,\"tool_choice\":\"required\",\"max_tokens\":120,\"stream\":true}") == 200,
          "a call that is required: %s", reply.body);
    t = read_stream(&reply);
    check(t.n_done >= 1 && t.n_call == 0, "a call that is required: %d", t.n_done);
    free_streamed(&t);
}

/* max_tokens counts over all rounds. */
static void limits_hold_over_rounds(void)
{
    json_t *whole;
    for (int most = 1; most < 40; most += 6) {
        char body[400];
        snprintf(body, sizeof body, "{" FIND ",\"library\":true,\"max_tokens\":%d}", most);
        check(chat(body) == 200, "max_tokens %d: %s", most, reply.body);
        message_of(&reply, &whole);
        json_int_t n = json_integer_value(json_object_get(json_object_get(whole, "usage"), "completion_tokens"));
        check(n <= most && n > 0, "%lld tokens, not %d", (long long)n, most);
        json_decref(whole);
    }
}

/* ---- what is refused ------------------------------------------------------------------------------------------------------- */

static void refused(const char *fields, const char *param, const char *words)
{
    char body[1000], wanted[200];
    snprintf(body, sizeof body, "{" FIND ",%s}", fields);
    snprintf(wanted, sizeof wanted, "\"param\":\"%s\"", param);
    int status = chat(body);
    for (char *s = reply.body, *d = s; (*d = *s); s++) /* without blanks: {"param": "x"} */
        d += !(*s == ' ' && s > reply.body && s[-1] == ':');
    check(status == 400 && strstr(reply.body, wanted) && strstr(reply.body, words), "%s: %d %s", fields, status,
          reply.body);
}

static void what_is_wrong_is_refused(void)
{
    refused("\"library\":1", "library", "must be true, false or an object");
    refused("\"library\":{\"sources\":[\"docs\",\"none\"]}", "library.sources[1]", "names no source");
    refused("\"library\":{\"sources\":[]}", "library.sources", "1 to 64");
    refused("\"library\":{\"sources\":[1]}", "library.sources[0]", "must be a string");
    refused("\"library\":{\"rounds\":0}", "library.rounds", "1 to 8");
    refused("\"library\":{\"rounds\":9}", "library.rounds", "1 to 8");
    refused("\"library\":{\"limit\":0}", "library.limit", "1 to 8");
    refused("\"library\":true,\"n\":2", "n", "must be 1");
    refused("\"library\":true,\"prompt_logprobs\":1", "prompt_logprobs", "together with library");
    refused("\"library\":true,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"open_article\"}}]", "tools",
            "both have a tool open_article");
    check(chat("{" FIND ",\"library\":false,\"max_tokens\":2}") == 200, "false: %s", reply.body);
    check(chat("{" FIND ",\"library\":null,\"max_tokens\":2}") == 200, "null: %s", reply.body);
}

/* ---- many at once ---------------------------------------------------------------------------------------------------------- */

static char together[] = "{" FIND ",\"library\":true,\"max_tokens\":60}";
static void many_chats_search_at_once(void)
{
    learn_alone(together);
    ask_many(together);
}

static int leave_at_search(void *arg, struct reply *r)
{
    (void)arg;
    return strstr(r->body, "library_event") != NULL;
}

static void clients_may_leave(void)
{
    static const char body[] = "{" FIND ",\"library\":true,\"stream\":true}";
    for (int i = 0; i < 20; i++) {
        struct client c = {server.port, -1};
        struct reply r = {0};
        int rc = client_ask(&c, "POST", "/v1/chat/completions", body, sizeof body - 1, &r, leave_at_search, NULL);
        check(rc == 1, "no event to leave at: %s", r.body);
        client_close(&c);
        reply_free(&r);
    }
    check(chat(together) == 200, "behind them: %s", reply.body);
}

/* The model gets what the others have; the log says once a minute what was left out. Nothing can be searched there afterwards. */
static void a_broken_source_is_logged(void)
{
    static const char want[] = "more: its database is damaged";
    char path[sizeof library + 8], line[600], broken[4096];
    int n = 0;
    snprintf(path, sizeof path, "%smore.db", library);
    FILE *f = fopen(path, "r+");
    struct stat st = {.st_size = 0};
    if (!f || fstat(fileno(f), &st))
        exit(1);
    memset(broken, 0x55, sizeof broken);
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof broken)
        fwrite(broken, 1, sizeof broken, f);
    fclose(f);
    double began = clock_seconds();
    for (int i = 0; i < 2; i++)
        check(chat(together) == 200, "beside a broken source: %s", reply.body);
    int most = 1 + (int)((clock_seconds() - began) / 60);
    f = fopen(log_file, "r");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, want) != NULL;
    if (f)
        fclose(f);
    check(n >= 1 && n <= most, "the log has a broken source %d times, not 1 to %d", n, most);
}

int main(void)
{
    make_sources();
    start_server(
        (const char *const[]){"--memory", "640M", "--ctx", "4096", "--parallel", "2", "--library", library, NULL});
    an_answer_searches_and_cites();
    the_next_round_is_known();
    rounds_end();
    tools_of_the_client_stay_its_own();
    limits_hold_over_rounds();
    what_is_wrong_is_refused();
    many_chats_search_at_once();
    a_response_says_what_a_chat_says();
    responses_search_files();
    clients_may_leave();
    mcp_clients_are_answered();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server does not end well; see its log");
    start_server((const char *const[]){"--memory", "640M", "--ctx", "4096", "--library", library, NULL});
    a_broken_source_is_logged(); /* before anything of it was read */
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server of a broken source does not end well");
    remove_all();
    make_sources();
    /* the same bits in as little memory as there can be */
    start_server(
        (const char *const[]){"--memory", "min", "--ctx", "2048", "--threads", "1", "--library", library, NULL});
    one_of_many(together);
    a_response_says_what_a_chat_says();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the small server does not end well");
    start_server((const char *const[]){"--memory", "min", NULL});
    refused("\"library\":true", "library", "start it with --library");
    nothing_to_search_is_left_out();
    mcp("no library", "", ASK("initialize", ""), 404, "start it with --library");
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server without a library does not end well");
    reply_free(&reply);
    remove_all();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
