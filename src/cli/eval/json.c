/* stoker eval json: how often answers are valid JSON, free and constrained (eval/jsonval.h); results in a file, taken up again. */
#include "eval/jsonval.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json/load.h"
#include "cli/common/cli.h"
#include "cli/eval/task.h"
#include "eval/asks.h"

#include <stdlib.h>
#include <string.h>

enum { FREE, CONSTRAINED, KINDS, TOOLS_MOST = 1 << 20, ASKS = KINDS * EVAL_JSON_ANSWERS };
static const char *const kind_name[KINDS] = {"free", "constrained"};

struct json {
    struct task task; /* first: task_stopped() is told of it */
    struct eval_items items;
    struct stoker *engine;
    json_t *tool_files;   /* lists of tools that were read, by "@FILE" */
    char *tools, *schema; /* of the request that begins */
    struct answers {
        unsigned char right[KINDS][EVAL_JSON_ANSWERS][EVAL_JSON_RATES];
    } * kept;           /* [n] */
    json_t *texts;      /* of the item whose answers come: free, constrained */
    const char *broken; /* an item whose constraint did not keep its promise; NULL: none */
    size_t right[KINDS][EVAL_JSON_RATES], n[KINDS][EVAL_JSON_RATES];
};

/* ---- before the model is loaded ------------------------------------------------------------------------------------------- */

/* The list of tools in the file of that name, which is beside the items. NULL: *err. */
static json_t *read_tools(const struct json *j, const char *name, struct error *err)
{
    const char *items = j->task.c->text, *slash = strrchr(items, '/');
    char *path;
    size_t n;
    json_error_t why;
    if (asprintf(&path, "%.*s%s", slash ? (int)(slash - items) + 1 : 0, items, name) < 0) {
        error_set(err, ERR_MEMORY, "no memory for the tools");
        return NULL;
    }
    char *text = file_read_regular(path, TOOLS_MOST, &n, err);
    json_t *tools = text ? json_load_reserved(text, n, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (text && !json_is_array(tools)) {
        error_set(err, ERR_INPUT, "%s is no list of tools as JSON", path);
        json_decref(tools);
        tools = NULL;
    }
    free(text);
    free(path);
    return tools;
}

/* "@FILE" in place of a list: items that name one file share its list. */
static int load_tools(struct json *j, json_t *item, struct error *err)
{
    const char *name = json_string_value(json_object_get(item, "tools"));
    if (!name)
        return 0;
    if (*name != '@')
        return error_set(err, ERR_INPUT, "\"tools\" is neither a list nor @FILE");
    json_t *tools = json_object_get(j->tool_files, name);
    if (!tools && (!(tools = read_tools(j, name + 1, err)) || json_object_set_new(j->tool_files, name, tools)))
        return err->code ? -1 : error_set(err, ERR_MEMORY, "no memory for the tools");
    return json_object_set(item, "tools", tools) ? error_set(err, ERR_MEMORY, "no memory for the tools") : 0;
}

static int check(void *arg, const json_t *item, struct error *err)
{
    if (eval_json_check(NULL, item, err))
        return -1;
    if (load_tools(arg, (json_t *)(uintptr_t)item, err) == 0)
        return 0;
    err->code = err->code == ERR_MEMORY ? ERR_MEMORY : ERR_INPUT; /* whatever the file's fault is */
    return -1;
}

static json_t *request_of(const json_t *item)
{
    json_t *request = json_pack("{s:O, s:b}", "messages", json_object_get(item, "messages"), "enable_thinking", 0);
    if (request && eval_json_is_tool(item))
        json_object_set(request, "tools", json_object_get(item, "tools"));
    return request;
}

static int tokens_of(const struct json *j, size_t i, stoker_token **token, size_t *n, struct error *err)
{
    json_t *request = request_of(j->items.item[i]);
    int failed = request ? eval_words_chat(&j->task.words, request, token, n, err)
                         : error_set(err, ERR_MEMORY, "no memory for its prompt");
    json_decref(request);
    return failed;
}

static int measure(void *arg, size_t i, struct error *err)
{
    struct json *j = arg;
    stoker_token *token;
    size_t n, most = (size_t)j->task.c->options.n_ctx;
    if (eval_json_is_tool(j->items.item[i]) && !eval_words_have_template(&j->task.words))
        return error_set(err, ERR_INPUT, "has tools, and the model no chat template to show them");
    if (eval_json_check_constraint(j->items.item[i], err) || tokens_of(j, i, &token, &n, err))
        return -1;
    free(token);
    n += EVAL_JSON_TOKENS;
    if (most && n > most)
        return eval_too_long(err, n, most);
    j->task.longest = n > j->task.longest ? n : j->task.longest;
    task_hash_item(&j->task, j->items.item[i]);
    return 0;
}

static void show_prompts(const struct json *j)
{
    for (size_t i = 0; i < j->items.n; i++) {
        printf("---- %s\n", eval_item_id(j->items.item[i]));
        task_show(&j->task, request_of(j->items.item[i]));
    }
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static void name_of(char *out, size_t n, int kind, int rate)
{
    snprintf(out, n, "%s_%s", kind_name[kind], eval_json_rate_name[rate]);
}

static int take_item(void *arg, const json_t *line, struct error *err)
{
    struct json *j = arg;
    const json_t *item = j->items.item[j->task.done], *right = json_object_get(line, "right");
    if (task_check_id(&j->task, line, item, err))
        return -1;
    for (int k = 0; k < KINDS; k++)
        for (int r = 0; r < EVAL_JSON_RATES; r++) {
            char name[48];
            name_of(name, sizeof name, k, r);
            const json_t *list = json_object_get(right, name);
            for (size_t a = 0; eval_json_applies(item, (enum eval_json_rate)r) && a < EVAL_JSON_ANSWERS; a++) {
                const json_t *v = json_array_get(list, a);
                if (!json_is_boolean(v))
                    return error_set(err, ERR_INPUT, "does not say %s of %s", name, eval_item_id(item));
                j->kept[j->task.done].right[k][a][r] = json_is_true(v);
            }
        }
    j->task.done++;
    return 0;
}

static json_t *line_of(const struct json *j, size_t i)
{
    const json_t *item = j->items.item[i];
    json_t *right = json_object();
    for (int k = 0; k < KINDS; k++)
        for (int r = 0; r < EVAL_JSON_RATES; r++) {
            char name[48];
            json_t *list = json_array();
            name_of(name, sizeof name, k, r);
            for (int a = 0; a < EVAL_JSON_ANSWERS; a++)
                json_array_append_new(list, json_boolean(j->kept[i].right[k][a][r]));
            if (eval_json_applies(item, (enum eval_json_rate)r))
                json_object_set(right, name, list);
            json_decref(list);
        }
    json_t *line = json_pack("{s:s, s:o}", "id", eval_item_id(item), "right", right);
    json_object_update(line, j->texts);
    return line;
}

/* ---- the run ---------------------------------------------------------------------------------------------------------------- */

static int begin(void *arg, size_t i, struct eval_ask *ask, struct error *err)
{
    struct json *j = arg;
    const json_t *item = j->items.item[i / ASKS];
    int constrained = i % ASKS / EVAL_JSON_ANSWERS == CONSTRAINED, seed = (int)(i % EVAL_JSON_ANSWERS);
    free(j->tools);
    free(j->schema);
    j->tools = eval_json_is_tool(item) ? json_dump_spelled(json_object_get(item, "tools"), JSON_PRESERVE_ORDER) : NULL;
    j->schema = eval_json_schema(item, NULL);
    if (!j->tools && !j->schema)
        return error_set(err, ERR_MEMORY, "%s: no memory for its schema", eval_item_id(item));
    ask->item = eval_item_id(item);
    ask->max_tokens = EVAL_JSON_TOKENS;
    if (seed) {
        ask->sampling = stoker_sampling_defaults();
        ask->sampling.temperature = 1;
        ask->sampling.seed = (uint64_t)seed;
        ask->sampling.has_seed = 1;
    }
    ask->reply.plain = !eval_words_have_template(&j->task.words);
    ask->reply.unchecked = ask->reply.free_limit = !constrained;
    ask->reply.tools = j->tools;
    ask->reply.n_tools = j->tools ? strlen(j->tools) : 0;
    ask->reply.choice = j->tools && constrained ? STOKER_TOOLS_REQUIRED : STOKER_TOOLS_AUTO;
    ask->reply.one_call = constrained;
    if (j->tools && constrained)
        ask->reply.tool = json_string_value(json_object_get(json_object_get(item, "expect"), "name"));
    if (constrained && j->schema)
        ask->reply.answer = (struct stoker_answer){
            .language = STOKER_JSON_SCHEMA_LENIENT, .text = j->schema, .n = strlen(j->schema), .field = "schema"};
    return tokens_of(j, i / ASKS, &ask->token, &ask->n_token, err);
}

/* Whether the schema's automaton accepts what was written, which a value of it need not be: members in another order. -1: *err. */
static int is_accepted(const struct json *j, const json_t *item, const char *text, struct error *err)
{
    const struct stoker_constraint *c;
    struct stoker_error why;
    char *schema = eval_json_schema(item, NULL);
    struct stoker_answer a = {
        .language = STOKER_JSON_SCHEMA_LENIENT, .text = schema, .n = schema ? strlen(schema) : 0, .field = "validity"};
    if (!schema)
        return error_set(err, ERR_MEMORY, "%s: no memory for its schema", eval_item_id(item));
    int accepted = -1;
    if (stoker_constraint_open(&c, j->engine, &a, &why) == 0) {
        accepted = stoker_constraint_accepts(c, text, strlen(text), &why);
        stoker_constraint_close(j->engine, c);
    }
    free(schema);
    return accepted < 0 ? eval_error(err, eval_item_id(item), &why) : accepted;
}

/* What a constraint promises where its shortest answer is within the limit: of a schema, what its automaton accepts, which may know less
 * of it than "valid" asks; of tools, a call of the one that is expected. 1, 0, or -1: *err. */
static int is_promised(const struct json *j, const json_t *item, const struct eval_answer *answer,
                       const unsigned char *right, struct error *err)
{
    if (stoker_reply_shortest(answer->reply) > EVAL_JSON_TOKENS)
        return 1;
    return eval_json_is_tool(item) ? right[EVAL_JSON_NAME] : is_accepted(j, item, answer->text, err);
}

static int end(void *arg, size_t i, const struct eval_ask *ask, const struct eval_answer *answer, struct error *err)
{
    struct json *j = arg;
    size_t item = i / ASKS, k = i % ASKS / EVAL_JSON_ANSWERS, a = i % EVAL_JSON_ANSWERS;
    struct eval_json_answer it = {.text = answer->text, .truncated = answer->cut};
    char *arguments = NULL;
    if (i % ASKS == 0) {
        json_decref(j->texts);
        j->texts = json_pack("{s:[], s:[]}", kind_name[FREE], kind_name[CONSTRAINED]);
    }
    if (stoker_reply_n_call(answer->reply)) {
        const char *text;
        size_t n;
        it.name = stoker_reply_call(answer->reply, 0, &text, &n);
        it.arguments = arguments = strndup(text, n);
    }
    unsigned char *right = j->kept[item].right[k][a];
    int failed = eval_json_judge(j->items.item[item], &it, right, err);
    int kept = !failed && k == CONSTRAINED ? is_promised(j, j->items.item[item], answer, right, err) : 1;
    j->broken = kept ? j->broken : ask->item;
    failed |= kept < 0;
    if (!failed && json_array_append_new(json_object_get(j->texts, kind_name[k]),
                                         json_string(it.arguments ? it.arguments : it.text)))
        failed = error_set(err, ERR_MEMORY, "%s: no memory for its answer", ask->item);
    free(arguments);
    if (failed || i % ASKS < ASKS - 1)
        return failed;
    return task_add(&j->task, line_of(j, item), err);
}

static int compute(struct json *j)
{
    struct error err = {0};
    int status = task_open_engine(&j->task, &j->engine);
    if (status)
        return status;
    int ran = eval_asks_run(j->engine,
                            &(struct eval_asks){.first = j->task.done * ASKS,
                                                .n = j->task.n * ASKS,
                                                .begin = begin,
                                                .end = end,
                                                .stopped = task_stopped,
                                                .arg = j},
                            &err);
    return task_end_run(&j->task, j->engine, ran, &err);
}

/* ---- figures -------------------------------------------------------------------------------------------------------------- */

static void add_up(struct json *j)
{
    for (size_t i = 0; i < j->task.n; i++)
        for (int k = 0; k < KINDS; k++)
            for (int r = 0; r < EVAL_JSON_RATES; r++)
                for (int a = 0; eval_json_applies(j->items.item[i], (enum eval_json_rate)r) && a < EVAL_JSON_ANSWERS;
                     a++) {
                    j->right[k][r] += j->kept[i].right[k][a][r];
                    j->n[k][r]++;
                }
}

static json_t *summary_of(const struct json *j)
{
    json_t *o = json_pack("{s:I}", "items", (json_int_t)j->task.n);
    for (int k = 0; o && k < KINDS; k++) {
        json_t *rates = json_object();
        for (int r = 0; r < EVAL_JSON_RATES; r++)
            if (j->n[k][r])
                json_object_set_new(rates, eval_json_rate_name[r],
                                    task_rate_json(eval_rate(j->right[k][r], j->n[k][r])));
        json_object_set_new(o, kind_name[k], rates);
    }
    return o;
}

static void show(void *arg)
{
    const struct json *j = arg;
    for (int r = 0; r < EVAL_JSON_RATES; r++)
        for (int k = 0; j->n[FREE][r] && k < KINDS; k++) {
            char label[48];
            snprintf(label, sizeof label, "%s, %s", eval_json_rate_name[r], kind_name[k]);
            task_print_rate(label, eval_rate(j->right[k][r], j->n[k][r]));
        }
}

/* 3 after a sentence where an answer does not keep what its constraint promises, for then the engine is at fault. */
static int check_promise(const struct json *j)
{
    if (!j->broken)
        return 0;
    fprintf(stderr,
            "stoker eval: %s: a constrained answer is not what its constraint promises: that is a fault of stoker\n",
            j->broken);
    return 3;
}

static int run(struct json *j)
{
    int status = task_read(&j->task, j->task.c->text, (size_t)j->task.c->limit, &j->items, check, j);
    if (status == 0)
        status = task_open_words(&j->task, 1);
    if (status == 0)
        status = task_measure(&j->task, &j->items, measure, j);
    if (status == 0 && j->task.c->show)
        show_prompts(j);
    if (status || j->task.c->show)
        return status;
    task_close_words(&j->task);
    if (!(j->kept = calloc(j->task.n, sizeof *j->kept)))
        return eval_fail(&(struct error){ERR_MEMORY, "no memory for results", ""});
    status = task_open_results(&j->task, json_pack("{s:i}", "answers", EVAL_JSON_ANSWERS), take_item, j);
    if (status == 0 && j->task.done < j->task.n)
        status = compute(j);
    if (status)
        return status;
    add_up(j);
    status = task_finish(&j->task, summary_of(j), show, j, "valid (free)",
                         (double)j->right[FREE][EVAL_JSON_VALID] / (double)j->n[FREE][EVAL_JSON_VALID]);
    return status ? status : check_promise(j);
}

int eval_json(struct eval_command *c)
{
    struct json j = {.task = {.c = c, .name = "json"}, .tool_files = json_object()};
    int status = run(&j);
    task_free(&j.task);
    eval_items_free(&j.items);
    json_decref(j.texts);
    json_decref(j.tool_files);
    free(j.tools);
    free(j.schema);
    free(j.kept);
    return status;
}
