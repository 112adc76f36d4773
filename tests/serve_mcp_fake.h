/* The servers of MCP that tests/serve_mcp.c has beside a chat: that program again (`fake FOLDER NAME`), which notes in files of FOLDER what
 * it is asked, and the CONFIG that names them. */
#ifndef TESTS_SERVE_MCP_FAKE_H
#define TESTS_SERVE_MCP_FAKE_H

#include "chat_server.h"
#include "mcp_fake.h"

enum { MORE = 218, PATH = 2 * TEMPORARY_PATH + 64 };

static char folder[TEMPORARY_PATH], self[TEMPORARY_PATH];

static inline FILE *open_in(const char *dir, const char *name, const char *ending, const char *mode)
{
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, ending);
    return fopen(path, mode);
}

/* ---- a server of MCP ------------------------------------------------------------------------------------------------------- */

#define NOTHING                  "{'type':'object','additionalProperties':false}"
#define SUN                      "{'type':'object','properties':{'text':{'const':'sun'}},'required':['text'],'additionalProperties':false}"
#define TOOL(name, says, schema) "{'name':'" name "','description':'" says "','inputSchema':" schema "}"

/* clang-format off */
static const char few_tools[] = "{'tools':["
    TOOL("echo", "Return the text.", SUN) ","
    TOOL("fail", "Reports an error.", NOTHING) ","
    TOOL("hang", "Never answers.", NOTHING) ","
    TOOL("wait", "Tells of its progress.", NOTHING) ","
    TOOL("big", "Returns much text.", NOTHING) ","
    TOOL("grow", "Has more tools then.", NOTHING) ","
    TOOL("secret", "Not allowed.", NOTHING);
/* clang-format on */

static int has_grown;

static inline void list(struct span id, const char *kind)
{
    struct buffer out = {0};
    char text[2000];
    if (strcmp(kind, "many") == 0) {
        fake_list(id, MORE);
        return;
    }
    snprintf(text, sizeof text, "%s%s%s]}", few_tools, has_grown ? "," TOOL("grown", "New.", NOTHING) : "",
             strcmp(kind, "d") == 0 ? "," TOOL("die", "Ends the server.", NOTHING) : "");
    fake_put(&out, text);
    buffer_put(&out, "", 1);
    fake_answer(id, out.text);
    buffer_free(&out);
}

/* A line of a file of the folder, for the test to read. */
static inline void note(const char *dir, const char *name, const char *ending, struct span line)
{
    FILE *f = open_in(dir, name, ending, "a");
    if (f) {
        fprintf(f, "%.*s\n", (int)line.n, line.text ? line.text : "");
        fclose(f);
    }
}

/* Answers once the test has seen the progress. */
static inline void tell_and_wait(const char *dir, const struct message *m)
{
    FILE *go = NULL;
    struct span token = span_member(span_member(m->params, "_meta"), "progressToken");
    printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%.*s,"
           "\"progress\":1,\"total\":2,\"message\":\"half done\"}}\n",
           (int)token.n, token.text);
    fflush(stdout);
    for (int i = 0; !go && i < 1000 * PATIENCE / 10; i++) {
        usleep(10000);
        go = open_in(dir, "go", "", "r");
    }
    fake_text(m->id, go ? "waited" : "in vain", go ? 6 : 7, go == NULL);
    if (go)
        fclose(go);
}

static inline void call(const char *dir, const char *kind, const struct message *m)
{
    struct span name = span_member(m->params, "name"), arguments = span_member(m->params, "arguments");
    note(dir, kind, ".calls", span_member(m->params, "arguments"));
    if (span_is(name, "hang"))
        return;
    if (span_is(name, "die")) {
        exit(3);
    } else if (span_is(name, "fail")) {
        fake_text(m->id, "it failed as asked", 18, 1);
    } else if (span_is(name, "wait")) {
        tell_and_wait(dir, m);
    } else if (span_is(name, "big")) {
        static char text[5000000];
        FILE *empty = open_in(dir, "empty", "", "r");
        memset(text, 'x', sizeof text);
        fake_text(m->id, text, empty ? 0 : sizeof text, 0);
        if (empty)
            fclose(empty);
    } else {
        if (span_is(name, "grow")) {
            has_grown = 1;
            printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
        }
        fake_text(m->id, arguments.text, arguments.n, 0);
    }
}

static inline int fake(const char *dir, const char *kind)
{
    static char line[1 << 20];
    struct message m;
    char pid[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    note(dir, kind, ".pid", (struct span){pid, strlen(pid)});
    while (fgets(line, sizeof line, stdin)) {
        message_read(&m, line, strlen(line));
        if (span_is(m.method, "initialize"))
            fake_answer(m.id,
                        "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{\"listChanged\":true}}}");
        else if (span_is(m.method, "tools/list"))
            list(m.id, kind);
        else if (span_is(m.method, "tools/call"))
            call(dir, kind, &m);
        else if (span_is(m.method, "notifications/cancelled"))
            note(dir, kind, ".cancelled", m.params);
    }
    return 0;
}

/* Lines of a file that a server notes. */
static inline int count_lines(const char *name, const char *ending)
{
    int n = 0, c;
    FILE *f = open_in(folder, name, ending, "r");
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

/* ---- CONFIG ---------------------------------------------------------------------------------------------------------------- */

static inline void put_server(FILE *f, const char *kind, const char *fields)
{
    fprintf(f, "\"%s\":{\"command\":\"%s\",\"args\":[\"fake\",\"%s\",\"%s\"],%s}", kind, self, folder, kind, fields);
}

static inline void write_few(void)
{
    static const char allow[] = "\"allow\":[\"echo\",\"fail\",\"hang\",\"wait\",\"big\",\"grow\",\"grown\",\"die\"]";
    FILE *f = open_in(folder, "few", ".json", "w");
    if (!f)
        exit(1);
    fprintf(f, "{\"mcpServers\":{");
    put_server(f, "a", allow);
    fprintf(f, ",");
    put_server(f, "d", allow);
    fprintf(f, ",\"absent\":{\"command\":\"/nowhere/to/be/found\"}}}");
    fclose(f);
}

/* Half of the ordinary tools are allowed. */
static inline void write_many(void)
{
    FILE *f = open_in(folder, "many", ".json", "w");
    struct buffer allow = {0};
    if (!f)
        exit(1);
    buffer_puts(&allow, "\"allow\":[\"echo\"");
    for (int i = 0; i < MORE; i += 2) {
        char name[40];
        fake_name(name, i);
        buffer_puts(&allow, ",\"");
        buffer_puts(&allow, name);
        buffer_puts(&allow, "\"");
    }
    buffer_put(&allow, "]", 2);
    fprintf(f, "{\"mcpServers\":{");
    put_server(f, "many", allow.text);
    fprintf(f, "}}");
    fclose(f);
    buffer_free(&allow);
}

#endif
