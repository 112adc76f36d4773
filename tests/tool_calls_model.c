/* links: engine text model store op machine kernel format base */
/* Tool calls of a model that does not know what it says: tool_calls_model [--runs N] [FOLDER] (without: 50 runs, models/ember).
 *
 * The embedded model at temperature 1.5, and the same model with its weights shuffled, must make calls that parse and fit their
 * schema, whatever the seed and wherever the limit falls: tool_choice required, close_at_limit. Without temperature the
 * embedded model gives the calls of its own prompts under tool_choice auto. */
#include "schema_fits.h"
#include "shuffled_model.h"
#include "stoker.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int n_passed, n_failed, n_skipped;

static void verdict(int ok, const char *what, int run, const char *why)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s, run %d: %s\n", what, run, why);
}

/* ---- one call ------------------------------------------------------------------------------------------------------------ */

static const char more_tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"save_note\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": "
    "{\"path\": {\"type\": \"string\"}, \"kind\": {\"type\": \"string\", \"enum\": [\"text\", \"list\"]}, \"tags\": "
    "{\"type\": "
    "\"array\", \"items\": {\"type\": \"string\"}, \"maxItems\": 3}, \"size\": {\"type\": \"integer\", \"minimum\": 0, "
    "\"maximum\": "
    "100}, \"owner\": {\"type\": [\"string\", \"null\"]}, \"box\": {\"type\": \"object\", \"properties\": {\"x\": "
    "{\"type\": "
    "\"number\"}, \"on\": {\"type\": \"boolean\"}}, \"required\": [\"x\"]}}, \"required\": [\"path\", \"kind\"]}}}, "
    "{\"type\": \"function\", \"function\": {\"name\": \"now\", \"parameters\": {\"type\": \"object\", \"properties\": "
    "{}}}}]";

struct asked {
    const char *tools; /* JSON */
    const json_t *list;
    json_t *call; /* the answer that the model was taught: {"name", "arguments"}, or NULL */
    stoker_token *prompt;
    size_t n_prompt;
};

static int on_token(void *arg, stoker_token t)
{
    struct stoker_error err;
    return stoker_reply_token(arg, t, &err) != 0;
}

static const json_t *schema_of(const json_t *list, const char *name)
{
    size_t i;
    json_t *tool;
    json_array_foreach(list, i, tool)
    {
        const json_t *f = json_object_get(tool, "function");
        if (!strcmp(json_string_value(json_object_get(f, "name")), name))
            return json_object_get(f, "parameters");
    }
    return NULL;
}

/* What is wrong with the answer's calls; NULL: nothing. call: what it should be, or NULL. */
static const char *judge(struct stoker_reply *r, const json_t *list, const json_t *call)
{
    size_t n_call = stoker_reply_n_call(r);
    if (n_call == 0)
        return "no call";
    for (size_t i = 0; i < n_call; i++) {
        const char *text, *name;
        size_t n;
        name = stoker_reply_call(r, i, &text, &n);
        json_t *arguments = json_loadb(text, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        const json_t *schema = schema_of(list, name);
        int ok = json_is_object(arguments) && schema && fits(schema, arguments);
        int right = !call || (json_equal(arguments, json_object_get(call, "arguments")) &&
                              !strcmp(name, json_string_value(json_object_get(call, "name"))));
        json_decref(arguments);
        if (!ok || !right)
            return ok ? "another call than it was taught" : "a call does not fit its schema";
    }
    return NULL;
}

static void one_call(struct stoker *s, const struct asked *a, const char *what, int run, double temperature,
                     int max_tokens, enum stoker_tool_choice choice)
{
    struct stoker_error err = {0};
    struct stoker_reply *reply = NULL;
    struct stoker_event end;
    struct stoker_reply_options how = {.tools = a->tools,
                                       .n_tools = strlen(a->tools),
                                       .choice = choice,
                                       .one_call = run % 2,
                                       .prompt = a->prompt,
                                       .n_prompt = a->n_prompt};
    struct stoker_request q = {
        .prompt = a->prompt, .n_prompt = a->n_prompt, .max_tokens = max_tokens, .sampling = stoker_sampling_defaults()};
    q.sampling.temperature = temperature;
    q.sampling.top_k = 0;
    q.sampling.top_p = 1;
    q.sampling.min_p = 0;
    q.sampling.seed = (uint64_t)run + 1;
    q.sampling.has_seed = 1;
    const char *wrong = NULL, *message = NULL;
    if (stoker_reply_open(&reply, s, &how, NULL, NULL, &err) != 0)
        wrong = err.text;
    if (!wrong) {
        q.constraint = stoker_reply_constraint(reply);
        if (stoker_generate(s, &q, on_token, reply, &end, &err) != 0 || stoker_reply_end(reply, &err) != 0)
            wrong = err.text;
    }
    if (!wrong) {
        wrong = judge(reply, a->list, temperature > 0 ? NULL : a->call);
        message = stoker_reply_message(reply);
    }
    verdict(!wrong, what, run, wrong ? wrong : "");
    if (wrong && message)
        printf("     at most %d tokens: %s\n", max_tokens, message);
    stoker_reply_close(reply);
}

/* A limit that no call fits is refused with both numbers; so is a tool that was not offered. */
static void refusals(struct stoker *s, const struct asked *a)
{
    struct stoker_error err = {0};
    struct stoker_reply *reply = NULL;
    struct stoker_event end;
    struct stoker_reply_options how = {.tools = a->tools,
                                       .n_tools = strlen(a->tools),
                                       .choice = STOKER_TOOLS_REQUIRED,
                                       .prompt = a->prompt,
                                       .n_prompt = a->n_prompt};
    struct stoker_request q = {
        .prompt = a->prompt, .n_prompt = a->n_prompt, .max_tokens = 5, .sampling = stoker_sampling_defaults()};
    int opened = stoker_reply_open(&reply, s, &how, NULL, NULL, &err) == 0;
    q.constraint = opened ? stoker_reply_constraint(reply) : NULL;
    int refused = opened && stoker_generate(s, &q, on_token, reply, &end, &err) != 0;
    verdict(refused && err.code == STOKER_ERR_INPUT && strstr(err.text, "may have 5"), "too few tokens", 0, err.text);
    stoker_reply_close(reply);
    how.tool = "put";
    verdict(stoker_reply_open(&reply, s, &how, NULL, NULL, &err) != 0 && strstr(err.text, "'put'"), "another tool", 0,
            err.text);
    stoker_reply_close(reply);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------ */

enum { MAX_ASKED = 8 };

static void add_asked(struct asked *a, const json_t *prompt, const json_t *list)
{
    const json_t *ids = json_object_get(prompt, "prompt_ids");
    const char *answer = json_string_value(json_object_get(prompt, "answer"));
    a->list = list;
    a->call = answer && (answer = strchr(answer, '{')) ? json_loads(answer, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    a->tools = json_dumps(list, JSON_PRESERVE_ORDER);
    a->n_prompt = json_array_size(ids);
    a->prompt = malloc(a->n_prompt * sizeof *a->prompt + 1);
    for (size_t i = 0; a->prompt && i < a->n_prompt; i++)
        a->prompt[i] = (stoker_token)json_integer_value(json_array_get(ids, i));
}

static void run_model(const char *path, const char *what, const struct asked *a, int n_asked, int runs, int greedy)
{
    struct stoker_error err;
    struct stoker_options o = {.n_ctx = 1024};
    struct stoker *s;
    if (stoker_open(&s, path, &o, &err) != 0) {
        verdict(0, what, 0, err.text);
        return;
    }
    if (greedy)
        refusals(s, &a[0]);
    for (int i = 0; greedy && i < n_asked - 1; i++)
        one_call(s, &a[i], "greedy", i, 0, 200, STOKER_TOOLS_AUTO);
    for (int run = 0; run < runs; run++) /* the limit: from hardly enough to plenty */
        one_call(s, &a[run % n_asked], what, run, 1.5, 60 + (int)(rng_u64(5, (uint64_t)run, 0, 0) % 200),
                 STOKER_TOOLS_REQUIRED);
    stoker_close(s);
}

int main(int argc, char **argv)
{
    const char *folder = "models/ember";
    int runs = 50, n_asked = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--runs") && i + 1 < argc)
            runs = atoi(argv[++i]);
        else
            folder = argv[i];
    }
    char path[1024], copy[] = "/tmp/stoker_shuffled_XXXXXX";
    struct asked asked[MAX_ASKED];
    snprintf(path, sizeof path, "%s/prompts.json", folder);
    json_t *prompts = json_load_file(path, 0, NULL), *more = json_loads(more_tools, 0, NULL), *p;
    size_t i;
    json_array_foreach(prompts, i, p)
    {
        json_t *list = json_object_get(p, "tools");
        if (json_array_size(list) && n_asked < MAX_ASKED - 1)
            add_asked(&asked[n_asked++], p, list);
    }
    if (n_asked == 0) {
        printf("%s: no prompts with tools\n", path);
        n_failed++;
    } else {
        add_asked(&asked[n_asked++], json_array_get(prompts, 0), more);
        snprintf(path, sizeof path, "%s/ember.gguf", folder);
        run_model(path, "ember", asked, n_asked, runs, 1);
        int fd = mkstemp(copy);
        close(fd);
        if (shuffled_copy(path, copy) == 0)
            run_model(copy, "shuffled", asked, n_asked, runs, 0);
        else
            verdict(0, "shuffled", 0, "no copy of the model");
        unlink(copy);
    }
    for (int k = 0; k < n_asked; k++) {
        json_decref(asked[k].call);
        free(asked[k].prompt);
        free((char *)asked[k].tools);
    }
    json_decref(prompts);
    json_decref(more);
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed != 0;
}
