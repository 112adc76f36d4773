/* links: toolbox mcp library engine text model store op machine kernel format base
 *
 * Calls of tools that a model was not told of: deferred_calls [--runs N] (100). Of 218 tools of a server of MCP one is rendered,
 * search_tools. The embedded model with its weights shuffled calls it at temperature 1.5; then, among what a search has found, with the
 * tokens of another tool's name made as likely as they can be. Every call parses, fits the schema of its own tool and has a name that was
 * found; the server, which is this program again, says back what it was called with. In every format of calls. */
#include "base/process/guard.h"
#include "mcp_fake.h"
#include "schema_fits.h"
#include "shuffled_model.h"
#include "stoker.h"
#include "text/tools/format.h"
#include "toolbox/mcp_tools.h"

#include <fcntl.h>

enum { TOOLS = 218, ORDINARY = TOOLS - FAKE_TOOLS, FORMATS = 64, BIASED = 64 };

static int n_passed, n_failed;
static struct stoker *engine;
static struct mcp *servers;
static struct mcp_talk talk;
static struct toolbox box;
static struct stoker_prompt prompt;
static const char *format;

static int verdict(int ok, const char *what, int run, const char *why)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAILED: %s, %s, run %d: %s\n", what, format ? format : "-", run, why);
    return ok;
}

/* ---- the tools ------------------------------------------------------------------------------------------------------------- */

static int accepts(void *arg, const char *list, size_t n, struct error *err)
{
    struct stoker_error why;
    struct stoker_reply *reply = NULL;
    const struct stoker_reply_options how = {.tools = list, .n_tools = n, .format = format};
    (void)arg;
    int failed = stoker_reply_open(&reply, engine, &how, NULL, NULL, &why);
    stoker_reply_close(reply);
    return failed ? error_set(err, why.code == STOKER_ERR_INPUT ? ERR_INPUT : ERR_MEMORY, "%.300s", why.text) : 0;
}

static int open_servers(struct mcp_config *config)
{
    char text[300];
    struct error err = {0};
    snprintf(text, sizeof text, "{\"mcpServers\":{\"w\":{\"command\":\"/proc/%d/exe\",\"args\":[\"serve\",\"%d\"]}}}",
             (int)getpid(), ORDINARY);
    if (mcp_config_parse(config, "C", text, strlen(text), &err) || mcp_open(&servers, config, "1", &err))
        return verdict(0, "the server", 0, err.text) - 1;
    return 0;
}

static enum mcp_answer say_yes(void *arg, const struct mcp_tool *tool, const struct toolbox_call *c)
{
    (void)arg;
    (void)tool;
    (void)c;
    return MCP_RUN;
}

static void end_talk(void)
{
    toolbox_free(&box);
    mcp_talk_end(&talk);
}

static int begin_talk(void)
{
    struct error err = {0};
    box = (struct toolbox){.accepts = accepts};
    if (mcp_talk_begin(&talk, servers, &(struct mcp_talk_options){.n_ctx = 4096, .ask = say_yes}, &err) == 0 &&
        mcp_talk_join(&talk, &box, &err) == 0)
        return 0;
    end_talk();
    return verdict(0, "the tools", 0, err.text) - 1;
}

/* The prompt that tells of the tools: of one, whatever their number. */
static int make_prompt(void)
{
    struct stoker_error err = {.text = "no memory"};
    json_t *o = json_pack("{s:[{s:s, s:s}], s:O}", "messages", "role", "user", "content", "Do it.", "tools", box.shown);
    char *text = json_dumps(o, JSON_PRESERVE_ORDER);
    int failed = !text ||
                 stoker_prompt(stoker_templates_of(engine), text, strlen(text), NULL, NULL, &prompt, NULL, &err);
    free(text);
    json_decref(o);
    if (failed)
        return verdict(0, "the prompt", 0, err.text) - 1;
    verdict(talk.n_searched == TOOLS, "tools", 0, "not all are searched for");
    verdict(json_array_size(box.shown) == 1 && prompt.n_token < 1000, "the prompt", 0, "is not below 1,000 tokens");
    printf("the prompt tells of %zu tools in %zu tokens\n", talk.n_searched, prompt.n_token);
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

static int on_token(void *arg, stoker_token t)
{
    struct stoker_error err;
    return stoker_reply_token(arg, t, &err) != 0;
}

/* The schema of a tool that governs; NULL: none has this name. A new reference. */
static json_t *schema_of(const char *name)
{
    json_t *list = json_loadb(box.governs.text, box.governs.n, 0, NULL), *tool, *schema = NULL;
    size_t i;
    json_array_foreach(list, i, tool)
    {
        const json_t *f = json_object_get(tool, "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0)
            schema = json_incref(json_object_get(f, "parameters"));
    }
    json_decref(list);
    return schema;
}

/* What is wrong with a call; NULL: nothing. */
static const char *judge(const char *name, const char *arguments, size_t n)
{
    json_t *schema = schema_of(name), *v = json_loadb(arguments, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = !schema                                  ? "no tool of this name was found"
                        : !v                                     ? "the arguments are no JSON"
                        : !json_is_object(v) || !fits(schema, v) ? "the arguments do not fit the schema"
                                                                 : NULL;
    json_decref(schema);
    json_decref(v);
    return wrong;
}

/* An ordinary tool answers with its arguments as it got them. */
static int is_said_back(const struct toolbox_call *c)
{
    struct buffer out = {0};
    json_t *sent = json_loadb(c->arguments, c->n, JSON_ALLOW_NUL, NULL);
    int same = toolbox_run(&box, c, &out) == TOOLBOX_DONE;
    json_t *got = json_loadb(out.text, out.n, JSON_ALLOW_NUL, NULL);
    same = same && sent && json_equal(sent, got);
    json_decref(sent);
    json_decref(got);
    buffer_free(&out);
    return same;
}

/* Tokens of a name that was not found are as likely as can be. */
static size_t favour(const char *name, struct stoker_logit_bias *bias)
{
    struct stoker_error err;
    stoker_token *token = NULL;
    size_t n = 0;
    if (stoker_tokenize(engine, name, strlen(name), 0, 0, &token, &n, &err))
        return 0;
    n = n < BIASED ? n : BIASED;
    for (size_t i = 0; i < n; i++)
        bias[i] = (struct stoker_logit_bias){token[i], 100};
    free(token);
    return n;
}

static void one_call(const char *what, int run, const char *other)
{
    struct stoker_error err = {0};
    struct stoker_reply *reply = NULL;
    struct stoker_event end;
    struct stoker_logit_bias bias[BIASED];
    const struct stoker_reply_options how = {.tools = box.governs.text,
                                             .n_tools = box.governs.n,
                                             .choice = STOKER_TOOLS_REQUIRED,
                                             .one_call = 1,
                                             .format = format,
                                             .prompt = prompt.token,
                                             .n_prompt = prompt.n_token};
    struct stoker_request q = {.prompt = prompt.token,
                               .n_prompt = prompt.n_token,
                               .max_tokens = 300 + (int)(rng_u64(5, (uint64_t)run, 0, 0) % 200),
                               .sampling = stoker_sampling_defaults()};
    q.sampling.temperature = 1.5;
    q.sampling.top_k = 0;
    q.sampling.top_p = 1;
    q.sampling.min_p = 0;
    q.sampling.seed = (uint64_t)run + 1;
    q.sampling.has_seed = 1;
    q.sampling.bias = bias;
    q.sampling.n_bias = other ? favour(other, bias) : 0;
    const char *wrong = stoker_reply_open(&reply, engine, &how, NULL, NULL, &err) ? err.text : NULL;
    q.constraint = wrong ? NULL : stoker_reply_constraint(reply);
    if (!wrong && (stoker_generate(engine, &q, on_token, reply, &end, &err) || stoker_reply_end(reply, &err)))
        wrong = err.text;
    if (!wrong && stoker_reply_n_call(reply) != 1)
        wrong = "not one call";
    if (!wrong) {
        struct toolbox_call c = {.space = 100000};
        c.name = stoker_reply_call(reply, 0, &c.arguments, &c.n);
        wrong = judge(c.name, c.arguments, c.n);
        if (!wrong && other && strcmp(c.name, "search_tools") != 0 && !is_said_back(&c))
            wrong = "the server got other arguments";
    }
    if (!verdict(!wrong, what, run, wrong ? wrong : "") && reply)
        printf("    %s\n", stoker_reply_message(reply));
    stoker_reply_close(reply);
}

/* A name that was not found cannot even be asked for. */
static void refuse_unknown(const char *name)
{
    struct stoker_error err = {0};
    struct stoker_reply *reply = NULL;
    const struct stoker_reply_options how = {.tools = box.governs.text,
                                             .n_tools = box.governs.n,
                                             .choice = STOKER_TOOLS_REQUIRED,
                                             .tool = name,
                                             .format = format};
    verdict(stoker_reply_open(&reply, engine, &how, NULL, NULL, &err) != 0 && strstr(err.text, name), "an unknown name",
            0, err.text);
    stoker_reply_close(reply);
}

/* Two calls of a conversation: the search, then a tool that was found. */
static void one_run(int run)
{
    struct buffer out = {0};
    char query[100], found[40], other[50] = "w__";
    if (begin_talk())
        return;
    one_call("search_tools", run, NULL);
    fake_name(found, run % ORDINARY);
    fake_name(other + 3, (run + ORDINARY / 2) % ORDINARY);
    snprintf(query, sizeof query, "{\"query\":\"%s\"}", found);
    toolbox_run(&box,
                &(struct toolbox_call){.name = "search_tools", .arguments = query, .n = strlen(query), .space = 8000},
                &out);
    verdict(talk.n_found >= 3 && !toolbox_owner(&box, other), "a search", run,
            out.n ? "finds what it should not" : "finds nothing");
    one_call("a found tool", run, other);
    if (run < FORMATS)
        refuse_unknown(other);
    buffer_free(&out);
    end_talk();
}

static void run_all(int runs)
{
    const char *name[FORMATS];
    int n = 0;
    for (size_t i = 0; tool_format_at(i); i++)
        if (strcmp(tool_format_at(i)->name, "none") != 0)
            name[n++] = tool_format_at(i)->name;
    format = NULL;
    if (begin_talk())
        return;
    int failed = make_prompt();
    end_talk();
    for (int run = 0; run < runs && !failed; run++) {
        format = name[run % n];
        one_run(run);
    }
    stoker_prompt_free(&prompt);
    printf("%d runs, %d formats of calls\n", runs, n);
}

int main(int argc, char **argv)
{
    char copy[] = "/tmp/stoker_shuffled_XXXXXX";
    const struct stoker_options o = {.n_ctx = 2048};
    struct stoker_error err = {.text = "no copy of the model"};
    struct mcp_config config = {.n = 0};
    int runs = 100;
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return fake_serve(atoi(argv[2]));
    if (argc == 3 && strcmp(argv[1], "--runs") == 0)
        runs = atoi(argv[2]);
    close(mkstemp(copy));
    if (shuffled_copy("models/ember/ember.gguf", copy) || stoker_open(&engine, copy, &o, &err))
        verdict(0, "the model", 0, err.text);
    else if (open_servers(&config) == 0)
        run_all(runs);
    mcp_close(servers);
    mcp_config_free(&config);
    stoker_close(engine);
    unlink(copy);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}
