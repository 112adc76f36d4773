/* stoker mcp: the library and tools of other MCP servers, for a client that starts stoker, or over HTTP: its flags. */
#include "base/process/guard.h"
#include "base/reqmem.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/mcp.h"
#include "cli/common/settings.h"
#include "cli/front/flags.h"
#include "cli/front/serve.h"
#include "cli/library/flags.h"
#include "cli/library/models.h"
#include "cli/mcp/stdio.h"
#include "mcp/mcp.h"
#include "toolbox/library_tools.h"
#include "toolbox/mcp_service.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "stoker mcp [flags]: an MCP server over stdin and stdout, for agents and other programs that start it, or over "
    "HTTP. It needs no model; stoker connects to nobody, a process of its own to servers of --mcp with a url.\n\n"
    "  stoker mcp                               search_library and open_article over all sources of the library\n"
    "  stoker mcp --library wikipedia_en        of this source\n"
    "  stoker mcp --embed MODEL.gguf            searched by vectors too (stoker library add with --embed makes them)\n"
    "  stoker mcp --mcp servers.json            search_tools and call_tool over the servers of a file: hundreds of "
    "tools\n"
    "                                           cost an agent's prompt two definitions\n"
    "  stoker mcp --http 8090                   the same at http://127.0.0.1:8090/mcp, for several clients; pages of "
    "the\n"
    "                                           library at /library/NAME/\n\n"
    "In a client's own file of servers:\n"
    "  {\"mcpServers\": {\"stoker\": {\"command\": \"stoker\", \"args\": [\"mcp\"]}}}\n\n"
    "With --mcp alone there is no library. Tools that \"allow\" does not name are called too: the client asks its "
    "user; over HTTP\nonly with a key (--api-key, --api-key-file), since without one whoever reaches the port is a "
    "client.\n\n";

/* DEEPEST: stokers, one started by the other, that a file may be meant to have; NAMED: tools in a sentence. */
enum { DEEPEST = 3, NAMED = 8 };

struct mcp_command {
    struct text_list library_values;
    const char *config_path;
    int http_port; /* -1: over stdin and stdout */
    struct server_options http;
    struct front_flags front;
    const char *dir; /* of the library; NULL: none */
    struct text_list source;
    struct library library;
    struct library_models models; /* of its searches */
    uint64_t library_ram;
    struct reqmem memory; /* of requests over stdin and stdout */
    struct mcp_config config;
    struct mcp *mcp;
    pthread_t teller; /* over stdin and stdout: it waits for the servers' lists, and names them */
    atomic_int is_over;
    struct mcp_service *service;
    int number; /* of the signal that ended it; 0: none */
};

static int open_library(struct mcp_command *c)
{
    struct error missing = {0}, err = {0};
    int failed = library_open_any(&c->library, c->dir, c->source.text, c->source.n, &missing, &err);
    if (missing.code != ERR_NONE)
        fprintf(stderr, "stoker mcp: %s\n", missing.text);
    if (failed)
        fprintf(stderr, "stoker mcp: %s\n", err.text);
    return failed ? 1 : 0;
}

/* What the command takes beside the models. */
static uint64_t beside_models(const struct mcp_command *c)
{
    return MCP_STDIO_MEMORY + LIBRARY_TOOLS_MEMORY + (c->models.embed ? SEARCH_VECTOR_MEMORY + c->library_ram : 0) +
           (c->models.rerank ? SEARCH_RANK_MEMORY : 0) + (c->mcp ? mcp_bytes(c->mcp) : 0);
}

static int open_models(struct mcp_command *c)
{
    struct error none = {0};
    c->models.beside = beside_models(c);
    int status = library_models_open(&c->models);
    if (status)
        return status;
    library_models_join(&c->models, &c->library, c->library_ram, &none);
    if (none.code != ERR_NONE)
        fprintf(stderr, "stoker mcp: %s\n", none.text);
    return 0;
}

static void say(const struct mcp_state *server, int n_allowed)
{
    (void)n_allowed; /* nobody is asked here */
    fprintf(stderr, "MCP server %s: %d tool%s\n", server->name, server->n_tool, server->n_tool == 1 ? "" : "s");
}

static void tell(const struct mcp_command *c)
{
    if (mcp_flag_tell(c->mcp, say) == 0)
        fprintf(stderr, "stoker mcp: no MCP server of %s works\n", c->config_path);
}

static int is_over(void *arg) { return atomic_load(&((struct mcp_command *)arg)->is_over); }

static void *wait_and_tell(void *arg)
{
    struct mcp_command *c = arg;
    mcp_refresh(c->mcp, is_over, c);
    if (!mcp_is_starting(c->mcp))
        tell(c);
    return NULL;
}

static int has_models(const struct mcp_command *c) { return c->models.embed || c->models.rerank; }

/* A client over stdin is answered while servers start: it may wait for less than they take. With models there is a plan, which has to know
 * the servers' lists, and nothing is answered before those are loaded. */
static int may_start_late(const struct mcp_command *c) { return c->http_port < 0 && !has_models(c); }

/* 0, or the exit status after a sentence. */
static int open_servers(struct mcp_command *c)
{
    if (guard_depth() >= DEEPEST) {
        fprintf(stderr,
                "stoker mcp: --mcp %s: its servers start stoker, which starts them: take stoker out of the file\n",
                c->config_path);
        return 2;
    }
    if (may_start_late(c))
        return mcp_flag_start("mcp", c->config_path, &c->config, &c->mcp);
    int status = mcp_flag_open("mcp", c->config_path, &c->config, &c->mcp);
    if (status == 0)
        tell(c);
    return status;
}

/* What it holds is of what requests may take, since they change it. */
static int open_service(struct mcp_command *c)
{
    struct reqmem_account first = {.of = &c->memory};
    struct error err = {0};
    reqmem_enter(&first, 0);
    int failed = mcp_service_open(&c->service, c->dir ? &c->library : NULL, c->mcp, 0, stoker_version(), &err);
    reqmem_leave();
    if (failed)
        fprintf(stderr, "stoker mcp: %s\n", err.text);
    return failed ? 1 : 0;
}

static int serve_stdio(struct mcp_command *c)
{
    reqmem_prepare();
    json_set_alloc_funcs(reqmem_malloc, reqmem_free);
    reqmem_init(&c->memory, MCP_STDIO_REQUESTS, MCP_STDIO_KEPT);
    int status = c->dir ? open_library(c) : 0;
    if (status == 0 && c->config_path)
        status = open_servers(c);
    if (status == 0 && c->dir)
        status = open_models(c);
    if (status == 0)
        status = open_service(c);
    if (status)
        return status;
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "stoker mcp waits for messages of an MCP client on stdin; Ctrl-D ends it\n");
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is no error */
    int tells = c->mcp && may_start_late(c) && pthread_create(&c->teller, NULL, wait_and_tell, c) == 0;
    int failed = mcp_stdio(c->service, &c->memory, &c->number);
    atomic_store(&c->is_over, 1);
    if (tells)
        pthread_join(c->teller, NULL);
    return failed ? 1 : 0;
}

/* Without a key: the tools that are not offered. */
static void tell_left_out(const struct mcp_command *c)
{
    struct mcp_tools *tools = mcp_tools(c->mcp);
    int n = 0;
    for (size_t i = 0; i < tools->n; i++) {
        if (tools->tool[i].is_allowed)
            continue;
        if (n == 0)
            fprintf(stderr, "stoker mcp: without a key only tools that \"allow\" names are offered; --api-key-file "
                            "offers the others: ");
        if (n++ < NAMED)
            fprintf(stderr, "%s%s", n > 1 ? ", " : "", tools->tool[i].name);
    }
    if (n > NAMED)
        fprintf(stderr, " and %d more", n - NAMED);
    if (n)
        fputc('\n', stderr);
    mcp_tools_release(tools);
}

/* The server opens the library itself, and has the other servers from then on. */
static int serve_http(struct mcp_command *c)
{
    struct server_options *o = &c->http;
    int status = front_flags_take("mcp", &c->front, o);
    if (!getenv("JOURNAL_STREAM")) /* systemd's journal has a time for each line */
        log_to(log_on_stderr_dated);
    if (status == 0 && c->config_path)
        status = open_servers(c);
    if (status == 0 && c->mcp && o->key.n == 0)
        tell_left_out(c);
    if (status == 0)
        status = front_open();
    if (status)
        return status;
    o->port = c->http_port;
    o->library_dir = c->dir;
    o->library = front_texts(&c->source);
    o->library_ram = c->library_ram;
    o->engine.embed = c->models.embed;
    o->engine.rerank = c->models.rerank;
    o->engine.memory = c->models.memory;
    o->mcp = c->mcp;
    c->mcp = NULL;
    return front_serve(o);
}

/* What --embed and --rerank need. */
static int check_models(const struct mcp_command *c, int has_library)
{
    const struct library_models *m = &c->models;
    if (has_models(c) && !has_library) {
        fprintf(stderr, "stoker mcp: %s is for searches of the library: name its sources by --library\n",
                m->embed ? "--embed" : "--rerank");
        return 2;
    }
    if (c->library_ram && !m->embed) {
        fprintf(stderr, "stoker mcp: --library-ram is for vectors of the library: name their model by --embed\n");
        return 2;
    }
    if (settings_is_typed("--memory") && !has_models(c)) { /* settings may have it for other commands */
        fprintf(stderr, "stoker mcp: --memory is for models of searches: name one by --embed or --rerank\n");
        return 2;
    }
    return library_models_check("mcp", m);
}

static int serve(struct mcp_command *c)
{
    int has_library = !c->config_path || c->library_values.n > 0;
    int status = has_library ? library_flags_read("mcp", &c->library_values, &c->dir, &c->source) : 0;
    if (status == 0)
        status = check_models(c, has_library);
    return status ? status : c->http_port < 0 ? serve_stdio(c) : serve_http(c);
}

int cmd_mcp(int argc, char **argv)
{
    static struct mcp_command c = {.http_port = -1};
    server_defaults(&c.http);
    const struct flag mine[] = {
        {"--library", NULL, FLAG_TEXTS, &c.library_values, 0, 0, "NAME",
         "this source of the library; all: every one (the default without --mcp); DIR/: of this folder"},
        {"--mcp", NULL, FLAG_TEXT, &c.config_path, 0, 0, "CONFIG",
         "offer the tools of the MCP servers of this file, {\"mcpServers\": {..}}"},
        {"--embed", NULL, FLAG_TEXT, &c.models.embed, 0, 0, "FILE.gguf",
         "search the library by vectors of this embedding model too", .heading = "Models of searches"},
        {"--library-ram", NULL, FLAG_BYTES, &c.library_ram, 0, 0, "BYTES",
         "of such vectors that stay in memory; others are read for each search (default 0)"},
        {"--rerank", NULL, FLAG_TEXT, &c.models.rerank, 0, 0, "FILE.gguf",
         "put what searches find in the order of this model, which judges pairs"},
        {"--memory", NULL, FLAG_BYTES, &c.models.memory, 1, 0, "BYTES",
         "with such a model: bound on the whole process (default: what the machine has left)"},
        {"--http", NULL, FLAG_INT, &c.http_port, 0, 65535, "PORT",
         "answer POST /mcp at this port, for any number of clients, until a signal; 0: any that is free",
         .heading = "Over HTTP"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, front_flags(&c.http, &c.front)};
    int n_rest = 0, status = flags_parse("mcp", usage, tables, 2, argc, argv, NULL, 0, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    status = serve(&c);
    mcp_service_close(c.service);
    mcp_close(c.mcp);
    if (c.http_port < 0) /* over HTTP the servers have it for the life of the process */
        mcp_config_free(&c.config);
    library_close(&c.library);
    library_models_close(&c.models);
    if (c.number) { /* whoever sent it is told that it did its work */
        signal(c.number, SIG_DFL);
        raise(c.number);
    }
    return status;
}
