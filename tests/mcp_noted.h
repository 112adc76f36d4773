/* Servers of MCP that are the test itself, started again as `fake FOLDER NAME`: tools that take one argument at most, so that calls are
 * known beforehand, or, of the one named `many`, the ordinary ones of mcp_fake.h. What they are asked they note in files of the folder:
 *
 *     NAME.pid        their number, when they begin
 *     NAME.calls      the arguments of each call
 *     NAME.cancelled  the params of each call that was cancelled
 *
 * The test makes the folder (begin_folder()), names them in a CONFIG there, and calls fake() where its arguments say so. */
#ifndef TESTS_MCP_NOTED_H
#define TESTS_MCP_NOTED_H

#include "chat_server.h"
#include "is_gone.h"
#include "mcp_fake.h"

enum { MORE = 218, PATH = 2 * TEMPORARY_PATH + 64 };

static char folder[TEMPORARY_PATH], self[TEMPORARY_PATH];

static inline FILE *open_in(const char *dir, const char *name, const char *ending, const char *mode)
{
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, ending);
    return fopen(path, mode);
}

/* ---- a server -------------------------------------------------------------------------------------------------------------- */

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

/* Others that a server may have, behind the few. */
#define DIES   "," TOOL("die", "Ends the server.", NOTHING)
#define AGAIN  "," TOOL("again", "Says that it has other tools.", NOTHING)
#define STARTS "," TOOL("start", "Starts a program of its own.", NOTHING)

static size_t n_big = 5000000; /* bytes of much text */
static int has_grown;

static inline void list(struct span id, const char *kind, const char *more)
{
    struct buffer out = {0};
    char text[2000];
    if (strcmp(kind, "many") == 0) {
        fake_list(id, MORE);
        return;
    }
    snprintf(text, sizeof text, "%s%s%s]}", few_tools, has_grown ? "," TOOL("grown", "New.", NOTHING) : "", more);
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

/* A program in a session of its own, which outlives the call and the one that started it. */
static inline void start_program(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            setsid();
            usleep(50000);
        }
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static inline void call(const char *dir, const char *kind, const struct message *m)
{
    struct span name = span_member(m->params, "name"), arguments = span_member(m->params, "arguments");
    note(dir, kind, ".calls", arguments);
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
        fake_text(m->id, text, empty ? 0 : n_big, 0);
        if (empty)
            fclose(empty);
    } else {
        if (span_is(name, "start"))
            start_program();
        if (span_is(name, "grow") || span_is(name, "again")) {
            has_grown |= span_is(name, "grow");
            printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
        }
        fake_text(m->id, arguments.text, arguments.n, 0);
    }
}

/* more: tools of this server behind the few, or "". */
static inline int fake(const char *dir, const char *kind, const char *more)
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
            list(m.id, kind, more);
        else if (span_is(m.method, "tools/call"))
            call(dir, kind, &m);
        else if (span_is(m.method, "notifications/cancelled"))
            note(dir, kind, ".cancelled", m.params);
    }
    return 0;
}

/* ---- the test -------------------------------------------------------------------------------------------------------------- */

/* The folder, with the server's log in it. */
static inline void begin_folder(const char *name)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || temporary_folder(folder, name))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
}

static inline void remove_folder(void)
{
    char command[TEMPORARY_PATH + 40];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("%s stays\n", folder);
}

/* A CONFIG, FOLDER/NAME.json: its servers are put with commas between them. */
static inline FILE *begin_config(const char *name)
{
    FILE *f = open_in(folder, name, ".json", "w");
    if (!f)
        exit(1);
    fprintf(f, "{\"mcpServers\":{");
    return f;
}

static inline void put_server(FILE *f, const char *kind, const char *fields)
{
    fprintf(f, "\"%s\":{\"command\":\"%s\",\"args\":[\"fake\",\"%s\",\"%s\"],%s}", kind, self, folder, kind, fields);
}

/* The one of ordinary tools, half of which are allowed. */
static inline void put_many(FILE *f)
{
    struct buffer allow = {0};
    buffer_puts(&allow, "\"allow\":[\"echo\"");
    for (int i = 0; i < MORE; i += 2) {
        char name[40];
        fake_name(name, i);
        buffer_puts(&allow, ",\"");
        buffer_puts(&allow, name);
        buffer_puts(&allow, "\"");
    }
    buffer_put(&allow, "]", 2);
    put_server(f, "many", allow.text);
    buffer_free(&allow);
}

static inline void end_config(FILE *f)
{
    fprintf(f, "}}");
    fclose(f);
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

/* How many programs of a server live. */
static inline int count_living(const char *name)
{
    int n = 0, pid;
    FILE *f = open_in(folder, name, ".pid", "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        n += !is_gone(pid);
    if (f)
        fclose(f);
    return n;
}

/* A chat in which this tool is called once, with a known answer; without its closing brace. */
#define ONCE(name) "{" FIND ",\"mcp\":{\"rounds\":2}" CALLS(name) SAYS("Yes.")

#endif
