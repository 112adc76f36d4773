/* A server of MCP that a test is when it is started again: a few tools that do what their names say, and `more` ordinary ones, each a
 * definition of some thousand bytes, which answer with what they were called with. */
#ifndef TESTS_MCP_FAKE_H
#define TESTS_MCP_FAKE_H

#include "mcp/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void fake_answer(struct span id, const char *result)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":%s}\n", (int)id.n, id.text, result);
    fflush(stdout);
}

static const char *const fake_verbs[] = {"create",  "read",    "update", "delete", "list",   "search", "move", "copy",
                                         "archive", "restore", "share",  "export", "import", "assign", "close"};
static const char *const fake_nouns[] = {"issue",   "page",     "file",    "branch",    "comment",
                                         "label",   "message",  "channel", "calendar",  "event",
                                         "invoice", "customer", "ticket",  "dashboard", "alert"};

/* The name of an ordinary tool, into out [40]. */
static inline void fake_name(char out[40], int i)
{
    int turn = i / 225;
    snprintf(out, 40, turn ? "%s_%s_%d" : "%s_%s", fake_verbs[i % 15], fake_nouns[i / 15 % 15], turn);
}

/* JSON that is written with ' for its quotes. */
static inline void fake_put(struct buffer *out, char *text)
{
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    buffer_puts(out, text);
}

static inline void fake_put_ordinary(struct buffer *out, int i)
{
    char name[40], text[2000];
    const char *v = fake_verbs[i % 15], *n = fake_nouns[i / 15 % 15];
    fake_name(name, i);
    snprintf(text, sizeof text,
             "{'name':'%s','description':'%s one %s in the connected workspace. Use it when the user wants to %s a %s "
             "and its identifier is known; otherwise search for the %s first. Returns the %s as JSON with its "
             "identifier, owner, time of change and a link. Fails when the %s is locked or the account lacks the right "
             "to %s it.','inputSchema':{'type':'object','properties':{'%s_id':{'type':'string','description':"
             "'Identifier of the %s, as given by search_%s or list_%s.'},'workspace':{'type':'string','description':"
             "'Name of the workspace; the default one when left out.'},'fields':{'type':'array','items':{'type':"
             "'string','enum':['id','title','body','owner','labels','created','changed']},'description':'Fields of "
             "the %s to return.'},'options':{'type':'object','properties':{'dry_run':{'type':'boolean','description':"
             "'Check the rights and the arguments, change nothing.'},'priority':{'type':'string','enum':['low',"
             "'normal','high']},'limit':{'type':'integer','minimum':1,'maximum':100,'description':'Largest number of "
             "results.'}},'required':[],'additionalProperties':false}},'required':['%s_id'],"
             "'additionalProperties':false}}",
             name, v, n, v, n, n, n, n, v, n, n, n, n, n, n);
    fake_put(out, text);
}

static const struct {
    const char *name, *description, *properties;
} fake_tools[] = {{"add", "Add two integers.", "'a':{'type':'integer'},'b':{'type':'integer'}"},
                  {"echo", "Return the text.", "'text':{'type':'string'}"},
                  {"fail", "Always reports an error result.", ""},
                  {"slow", "Tells of its progress, and then sleeps.", "'ms':{'type':'integer'}"},
                  {"big", "Return many bytes of text.", "'n':{'type':'integer','minimum':0,'maximum':5000000}"},
                  {"die", "Ends the server.", ""}};
enum { FAKE_TOOLS = sizeof fake_tools / sizeof *fake_tools };

static inline void fake_list(struct span id, int more)
{
    struct buffer out = {0};
    buffer_puts(&out, "{\"tools\":[");
    for (int i = 0; i < FAKE_TOOLS; i++) {
        char text[500];
        snprintf(text, sizeof text,
                 "%s{'name':'%s','description':'%s','inputSchema':{'type':'object','properties':{%s},"
                 "'additionalProperties':false}}",
                 i ? "," : "", fake_tools[i].name, fake_tools[i].description, fake_tools[i].properties);
        fake_put(&out, text);
    }
    for (int i = 0; i < more; i++) {
        buffer_puts(&out, ",");
        fake_put_ordinary(&out, i);
    }
    buffer_puts(&out, "]}");
    buffer_put(&out, "", 1);
    fake_answer(id, out.text);
    buffer_free(&out);
}

static inline void fake_text(struct span id, const char *text, size_t n, int is_error)
{
    struct buffer out = {0};
    buffer_puts(&out, "{\"content\":[{\"type\":\"text\",\"text\":");
    buffer_put_string(&out, text, n);
    buffer_puts(&out, is_error ? "}],\"isError\":true}" : "}]}");
    buffer_put(&out, "", 1);
    fake_answer(id, out.text);
    buffer_free(&out);
}

static inline void fake_call(const struct message *m)
{
    struct span name = span_member(m->params, "name"), arguments = span_member(m->params, "arguments"),
                token = span_member(span_member(m->params, "_meta"), "progressToken");
    long long n = 0;
    if (span_is(name, "fail")) {
        fake_text(m->id, "it failed as asked", 18, 1);
    } else if (span_is(name, "die")) {
        exit(3);
    } else if (span_is(name, "slow")) {
        printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
               "progress\",\"params\":{\"progressToken\":%.*s,\"progress\":1,"
               "\"total\":2,\"message\":\"half done\"}}\n",
               (int)token.n, token.text);
        fflush(stdout);
        span_integer(span_member(arguments, "ms"), &n);
        usleep((useconds_t)n * 1000);
        fake_text(m->id, "slept", 5, 0);
    } else if (span_is(name, "big")) {
        span_integer(span_member(arguments, "n"), &n);
        char *text = malloc((size_t)n + 1);
        memset(text, 'x', (size_t)n + 1);
        fake_text(m->id, text, (size_t)n, 0);
        free(text);
    } else {
        fake_text(m->id, arguments.text, arguments.n, 0);
    }
}

/* The server, until its stdin ends. */
static inline int fake_serve(int more)
{
    static char line[1 << 20];
    struct message m;
    while (fgets(line, sizeof line, stdin)) {
        message_read(&m, line, strlen(line));
        if (span_is(m.method, "initialize"))
            fake_answer(m.id, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}}");
        else if (span_is(m.method, "tools/list"))
            fake_list(m.id, more);
        else if (span_is(m.method, "tools/call"))
            fake_call(&m);
    }
    return 0;
}

#endif
