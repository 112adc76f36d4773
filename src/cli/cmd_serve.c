/* stoker serve: flags to server_options. The server itself: src/server/. */
#include "base/log.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/mcp.h"
#include "cli/common/profile.h"
#include "cli/common/sampling_flags.h"
#include "cli/common/steer_flags.h"
#include "cli/front/flags.h"
#include "cli/front/serve.h"
#include "cli/library/flags.h"
#include "cli/machine/roofs.h"
#include "mcp/mcp.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "stoker serve [MODEL.gguf] [flags]: an HTTP server with the APIs of OpenAI, Anthropic and Ollama.\n\n"
    "  stoker serve                                        the embedded model at http://127.0.0.1:8080\n"
    "  stoker serve MODEL.gguf --memory 6GiB --ctx 16384   a model that is bigger than the memory it gets\n"
    "  stoker serve MODEL.gguf --host 0.0.0.0 --api-key-file keys.txt\n"
    "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'\n\n"
    "The page at / needs only a browser. SIGTERM, SIGHUP or Ctrl-C: running answers may end (--drain); again: at "
    "once.\n\n";

static void planned(void *arg, const struct stoker_plan *p)
{
    (void)arg;
    log_plan(p);
}

#define NOT_GIVEN UINT64_MAX

/* Whoever can put files there can put a made-up prefix there. */
static void check_cache_dir(const char *dir)
{
    struct stat at;
    if (!dir || stat(dir, &at) != 0 || !S_ISDIR(at.st_mode))
        return;
    if (at.st_uid != geteuid() && at.st_uid != 0)
        log_line(LOG_WARN, "--cache-dir %s belongs to user %u, who can change what this server reads there", dir,
                 (unsigned)at.st_uid);
    else if (at.st_mode & S_IWOTH) /* also with the sticky bit: a file can be put there */
        log_line(LOG_WARN, "--cache-dir %s can be written by every user: chmod 700 keeps others out", dir);
}

static void set_sampling(void *flags, struct stoker_sampling *s) { sampling_flags_apply(flags, s); }

/* They are the server's from then on. */
static int open_vectors(void *flags, struct stoker *s, struct server_vectors *out, struct stoker_error *err)
{
    struct steer_flags *f = flags;
    *out = (struct server_vectors){f->vector, f->n, f->list, f->n_list};
    return steer_flags_open("serve", f, s, err);
}

/* Where clients may load vectors there is room for some. */
static int plan_vectors(struct server_options *o, struct steer_flags *f)
{
    if (f->memory == NOT_GIVEN)
        f->memory = o->steer_dir ? 16 << 20 : 0;
    return steer_flags_plan("serve", f, o->model, &o->engine);
}

static enum stabilize stabilize_of(const char *word)
{
    return strcmp(word, "off") == 0 ? STABILIZE_OFF : strcmp(word, "move") == 0 ? STABILIZE_MOVE : STABILIZE_STRIP;
}

/* "on" 1, "off" 0, not given -1. */
static int switch_of(const char *word) { return word ? strcmp(word, "on") == 0 : -1; }

/* Loading such a model takes longer than measuring the roofs under which the page shows its speed. */
#define ROOFS_FROM (UINT64_C(4) << 30)

/* wanted -1: the roof of memory is measured when the page is open and the engine idle; of a large model that leaves no memory for that, or
 * reads experts, all roofs are measured now. */
static void measure_roofs(struct server_options *o, int wanted)
{
    struct stoker_plan p;
    struct stoker_about about;
    struct stoker_error err;
    o->roof_when_idle = wanted < 0 && (stoker_about(&about, o->model, &err) || about.bytes < ROOFS_FROM);
    if (wanted == 0 || o->roof_when_idle || stoker_plan(&p, o->model, &o->engine, &err)) /* which the server refuses */
        return;
    o->roof_when_idle = wanted < 0 && roofs_can_wait(&p, &o->engine);
    if (o->roof_when_idle)
        return;
    if (p.memory < roofs_memory(&o->engine) || !roofs_can_measure(&o->engine))
        log_line(LOG_WARN, "the page shows no roofs: measuring what this machine does at most takes %s of memory",
                 show_bytes(roofs_memory(&o->engine)));
    else if (roofs_measure(&o->roofs, o->model, &o->engine, 0, &err))
        log_line(LOG_WARN, "the page shows no roofs: %s", err.text);
}

static void log_mcp_server(const struct mcp_state *s, int n_allowed)
{
    log_line(LOG_INFO, "MCP server %s: %d tool%s, %d of them in \"allow\"", s->name, s->n_tool,
             s->n_tool == 1 ? "" : "s", n_allowed);
}

/* Of the process, as its servers are. */
static int open_mcp(struct server_options *o, const char *path)
{
    static struct mcp_config config;
    int status = mcp_flag_open("serve", path, &config, &o->mcp);
    if (status == 0 && mcp_flag_tell(o->mcp, log_mcp_server) == 0)
        log_line(LOG_WARN, "no MCP server of %s works; stoker goes on without their tools", path);
    return status;
}

/* Values of flags whose form is not that of the fields of struct server_options. */
struct raw_flags {
    struct front_flags front;
    struct text_list alias, encoder_alias[STOKER_ROLES], library, source;
    struct sampling_flags sampling;
    struct steer_flags steer;
    const char *stabilize, *think, *close, *roofs, *mcp;
    int no_profile;
};

/* 0: go on; else the exit status, after a sentence. */
static int take_words(struct server_options *o, struct raw_flags *w)
{
    int status = front_flags_take("serve", &w->front, o);
    if (status)
        return status;
    if (front_check_texts("serve", "--alias", &w->alias) ||
        front_check_texts("serve", "--embed-alias", &w->encoder_alias[STOKER_EMBED]) ||
        front_check_texts("serve", "--rerank-alias", &w->encoder_alias[STOKER_RERANK]) ||
        sampling_flags_check("serve", &w->sampling))
        return 2;
    if (!(o->model = model_of(o->model)))
        return 1;
    o->alias = front_texts(&w->alias);
    for (int i = 0; i < STOKER_ROLES; i++)
        o->encoder_alias[i] = front_texts(&w->encoder_alias[i]);
    o->stabilize = stabilize_of(w->stabilize);
    o->think = switch_of(w->think);
    o->close_at_limit = switch_of(w->close);
    o->engine.n_queue = o->queue;
    if (o->engine.cache_ram == NOT_GIVEN)
        o->engine.cache_ram = 0;
    else /* 0 means none */
        o->engine.defaults.cache_ram = 0;
    if (o->engine.capture_memory != NOT_GIVEN) /* 0 means none */
        o->engine.defaults.capture_memory = 0;
    else {
        o->engine.capture_memory = 0;
        o->engine.defaults.capture_memory = o->capture_dir ? 16 << 20 : SERVER_CAPTURE_MEMORY;
        o->engine.defaults.capture_rows = o->capture_dir ? 512 : 0;
    }
    check_cache_dir(o->engine.cache_dir);
    if (w->library.n && (status = library_flags_read("serve", &w->library, &o->library_dir, &w->source)))
        return status;
    o->library = front_texts(&w->source);
    if (o->library_ram && (!o->library_dir || !server_makes_vectors(o))) {
        fprintf(stderr, "stoker serve: --library-ram is for vectors of the library: --library and --embed name them\n");
        return 2;
    }
    if (w->mcp && (status = open_mcp(o, w->mcp)) != 0)
        return status;
    o->engine.library = server_library_bytes(o);
    o->engine.server = server_bytes(o); /* a profile's settings must fit beside it */
    status = plan_vectors(o, &w->steer);
    if (status == 0 && !w->no_profile)
        profile_take(o->model, &o->engine);
    return status;
}

int cmd_serve(int argc, char **argv)
{
    static struct raw_flags w = {.stabilize = "strip", .steer = {.memory = NOT_GIVEN, .keeps_sae = 1}};
    struct server_options o;
    server_defaults(&o);
    o.set_sampling = set_sampling;
    o.set_sampling_arg = &w.sampling;
    o.open_vectors = open_vectors;
    o.open_vectors_arg = &w.steer;
    o.engine.planned = planned;
    o.engine.cache_ram = NOT_GIVEN;
    o.engine.capture_memory = NOT_GIVEN;
    const struct flag asked[] = {
        {"--port", NULL, FLAG_INT, &o.port, 0, 65535, "N", "default 8080; 0: any that is free",
         .heading = "Who may ask, and how"},
        {"--alias", NULL, FLAG_TEXTS, &w.alias, 0, 0, "NAME", "another name of the model; may be given several times"},
        {"--any-model", NULL, FLAG_SWITCH, &o.any_model, 0, 0, NULL,
         "whatever model a request names, it gets this one"},
        {"--queue", NULL, FLAG_INT, &o.queue, 1, 4096, "N", "requests that may wait (default 128); more get 429"},
    };
    const struct flag f[] = {
        {"--cache-ram", NULL, FLAG_BYTES, &o.engine.cache_ram, 0, 0, "BYTES",
         "for prefixes of earlier prompts (default 512M; 0: none)", .heading = "Known prefixes"},
        {"--cache-dir", NULL, FLAG_TEXT, &o.engine.cache_dir, 0, 0, "DIR",
         "where prefixes outlive the server (default: nowhere)"},
        {"--cache-disk", NULL, FLAG_BYTES, &o.engine.cache_disk, 1, 0, "BYTES", "of files there (default 8G)"},
        {"--cache-per-key", NULL, FLAG_SWITCH, &o.cache_per_key, 0, 0, NULL,
         "clients with other keys share no prefixes"},
        {"--steer-dir", NULL, FLAG_TEXT, &o.steer_dir, 0, 0, "DIR",
         "where clients may load control vectors and autoencoders from (--steer-memory: default 16M then)",
         .heading = "What clients may load and record"},
        {"--capture-dir", NULL, FLAG_TEXT, &o.capture_dir, 0, 0, "DIR",
         "where recorded activations wait on their way to clients, in files without names (default: nowhere)"},
        {"--capture-disk", NULL, FLAG_BYTES, &o.capture_disk, 1, 0, "BYTES", "of all of them (default 1G)"},
        {"--capture-memory", NULL, FLAG_BYTES, &o.engine.capture_memory, 0, 0, "BYTES",
         "for rows that are being recorded (default 2M, with --capture-dir what 512 rows of all layers take, 16M to "
         "320M; 0: none can be)"},
        {"--stabilize", NULL, FLAG_WORD, &w.stabilize, 0, 0, "off|strip|move",
         "volatile lines of agents' system texts (default strip)", .heading = "Chats"},
        {"--think", NULL, FLAG_ON_OFF, &w.think, 0, 0, "on|off", "thinking switch (default: as the template has it)"},
        {"--chat-template", NULL, FLAG_TEXT, &o.engine.chat_template, 0, 0, "FILE|NAME",
         "instead of the model's template"},
        {"--tool-format", NULL, FLAG_TEXT, &o.engine.tool_format, 0, 0, "NAME",
         "how calls are written (default: as the template shows)"},
        {"--no-tool-grammar", NULL, FLAG_SWITCH, &o.no_tool_grammar, 0, 0, NULL, "recognise calls, do not govern them"},
        {"--close-at-limit", NULL, FLAG_ON_OFF, &w.close, 0, 0, "on|off",
         "end calls and JSON before the limit (default on)"},
        {"--library", NULL, FLAG_TEXTS, &w.library, 0, 0, "NAME",
         "chats that ask for it (\"library\": true) may search this source; all: every one; DIR/: of this folder"},
        {"--library-ram", NULL, FLAG_BYTES, &o.library_ram, 0, 0, "BYTES",
         "of the library's vectors, with a model that makes them, that stay in memory; others are read for each search "
         "(default 0)"},
        {"--mcp", NULL, FLAG_TEXT, &w.mcp, 0, 0, "FILE",
         "chats that ask for it (\"mcp\": true) may call the tools of these MCP servers that \"allow\" names"},
        {"--roofs", NULL, FLAG_ON_OFF, &w.roofs, 0, 0, "on|off",
         "measure what this machine does at most first, for the page: some seconds (default: later, while it is idle)",
         .heading = "The page"},
        {"--pooling", NULL, FLAG_WORD, &o.engine.pooling, 0, 0, "mean|cls|last|none|rank",
         "a server of vectors: how rows become one (default: as the file says)"},
        {"--no-page", NULL, FLAG_SWITCH, &o.no_page, 0, 0, NULL, "no page at /"},
        {"--embed", NULL, FLAG_TEXT, &o.engine.embed, 0, 0, "FILE.gguf",
         "a second model, for /v1/embeddings, /api/embed and searches of the library, in the same memory",
         .heading = "Models beside this one"},
        {"--embed-ctx", NULL, FLAG_COUNT, &o.engine.embed_ctx, 1, 1 << 28, "N",
         "tokens of a text of it at most (default: trained, at most 2048; 512 where memory is short)"},
        {"--embed-alias", NULL, FLAG_TEXTS, &w.encoder_alias[STOKER_EMBED], 0, 0, "NAME",
         "another name of it; may be given several times"},
        {"--rerank", NULL, FLAG_TEXT, &o.engine.rerank, 0, 0, "FILE.gguf",
         "a third one, for /v1/rerank and the order of what searches of the library find"},
        {"--rerank-ctx", NULL, FLAG_COUNT, &o.engine.rerank_ctx, 1, 1 << 28, "N",
         "tokens of a pair of it at most, likewise"},
        {"--rerank-alias", NULL, FLAG_TEXTS, &w.encoder_alias[STOKER_RERANK], 0, 0, "NAME",
         "another name of it; may be given several times"},
        {"--no-profile", NULL, FLAG_SWITCH, &w.no_profile, 0, 0, NULL,
         "not what stoker tune found for this model and budget", .heading = "Profiles"},
    };
    const struct flag_table tables[] = {{asked, sizeof asked / sizeof *asked},
                                        front_flags(&o, &w.front),
                                        {f, sizeof f / sizeof *f},
                                        model_flags(&o.engine),
                                        steer_flags_sae(&w.steer),
                                        sampling_flags(&w.sampling)};
    const size_t n_table = sizeof tables / sizeof *tables;
    int n_rest, status = flags_parse("serve", usage, tables, n_table, argc, argv, &o.model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    o.engine.use = STOKER_USE_ANY;
    if (!getenv("JOURNAL_STREAM")) /* systemd's journal has a time for each line */
        log_to(log_on_stderr_dated);
    if ((status = take_words(&o, &w)) == 0)
        status = front_open();
    if (status != 0) {
        mcp_close(o.mcp);
        return status;
    }
    if (!o.no_page || w.roofs)
        measure_roofs(&o, switch_of(w.roofs));
    return front_serve(&o);
}
