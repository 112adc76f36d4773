/* stoker eval calltrace: how deep a model follows calls (eval/calltrace.h); results in a file, taken up again. */
#include "eval/calltrace.h"

#include "base/error.h"
#include "cli/common/cli.h"
#include "cli/eval/task.h"
#include "eval/asks.h"

#include <stdlib.h>
#include <string.h>

struct trace {
    struct task task; /* first: task_stopped() is told of it */
    struct eval_items items;
    int n_kind;
    enum eval_call_prompt kind[EVAL_CALL_PROMPTS]; /* [n_kind] */
    int think[EVAL_CALL_PROMPTS];
    struct kept {
        uint8_t right[EVAL_CALL_PROMPTS];
        int generated[EVAL_CALL_PROMPTS];
    } * kept;     /* [n] */
    json_t *line; /* of the item whose replies come */
    size_t right[EVAL_CALL_PROMPTS][EVAL_CALL_DEPTHS], generated[EVAL_CALL_PROMPTS][EVAL_CALL_DEPTHS];
    size_t n_depth; /* items of a depth */
};

/* ---- before the model is loaded ------------------------------------------------------------------------------------------- */

static void choose_kinds(struct trace *t)
{
    const struct eval_command *c = t->task.c;
    for (int kind = 0; kind < EVAL_CALL_PROMPTS; kind++)
        if (!c->prompt || strcmp(c->prompt, "both") == 0 || strcmp(c->prompt, eval_call_kind[kind].name) == 0)
            t->kind[t->n_kind++] = (enum eval_call_prompt)kind;
    t->think[EVAL_CALL_STEPS] = !c->think ? -1 : strcmp(c->think, "on") == 0;
}

static int make_items(struct trace *t)
{
    struct error err = {0};
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    if (f)
        eval_calltrace_write(f, (uint64_t)t->task.c->seed, (int)t->n_depth);
    int failed = !f || fclose(f)
                     ? error_set(&err, ERR_MEMORY, "no memory for the programs")
                     : task_take(&t->task, "calltrace", text, n, (size_t)t->task.c->limit, &t->items, NULL, NULL, &err);
    free(text);
    return failed ? eval_fail(&err) : 0;
}

static json_t *request_of(const struct trace *t, size_t i, enum eval_call_prompt kind)
{
    char *text = eval_calltrace_prompt(t->items.item[i], kind);
    json_t *request = text ? eval_words_question(text, t->think[kind]) : NULL;
    free(text);
    return request;
}

static int tokens_of(const struct trace *t, const struct eval_words *w, size_t i, enum eval_call_prompt kind,
                     stoker_token **token, size_t *n, struct error *err)
{
    json_t *request = request_of(t, i, kind);
    int failed = request ? eval_words_chat(w, request, token, n, err)
                         : error_set(err, ERR_MEMORY, "no memory for its prompt");
    json_decref(request);
    return failed;
}

static int measure(void *arg, size_t i, struct error *err)
{
    struct trace *t = arg;
    size_t most = (size_t)t->task.c->options.n_ctx;
    for (int k = 0; k < t->n_kind; k++) {
        stoker_token *token;
        size_t n;
        if (tokens_of(t, &t->task.words, i, t->kind[k], &token, &n, err))
            return -1;
        free(token);
        n += (size_t)eval_call_kind[t->kind[k]].max_tokens;
        if (most && n > most)
            return eval_too_long(err, n, most);
        t->task.longest = n > t->task.longest ? n : t->task.longest;
    }
    task_hash_item(&t->task, t->items.item[i]);
    return 0;
}

static void show_prompts(const struct trace *t)
{
    for (size_t i = 0; i < t->items.n; i++)
        for (int k = 0; k < t->n_kind; k++) {
            json_t *request = request_of(t, i, t->kind[k]);
            printf("---- %s %s\n", eval_item_id(t->items.item[i]), eval_call_kind[t->kind[k]].name);
            task_show(&t->task, request);
        }
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static void keep(struct trace *t, size_t i, enum eval_call_prompt kind, const char *reply, int generated)
{
    t->kept[i].right[kind] = (uint8_t)eval_calltrace_right(t->items.item[i], reply);
    t->kept[i].generated[kind] = generated;
}

static int take_item(void *arg, const json_t *line, struct error *err)
{
    struct trace *t = arg;
    size_t i = t->task.done;
    if (task_check_id(&t->task, line, t->items.item[i], err))
        return -1;
    for (int k = 0; k < t->n_kind; k++) {
        const json_t *o = json_object_get(line, eval_call_kind[t->kind[k]].name), *n = json_object_get(o, "generated");
        const char *reply = json_string_value(json_object_get(o, "reply"));
        if (!reply || !json_is_integer(n) || json_integer_value(n) < 0 ||
            json_integer_value(n) > eval_call_kind[t->kind[k]].max_tokens)
            return error_set(err, ERR_INPUT, "has no reply to \"%s\" of %s", eval_call_kind[t->kind[k]].name,
                             eval_item_id(t->items.item[i]));
        keep(t, i, t->kind[k], reply, (int)json_integer_value(n));
    }
    t->task.done++;
    return 0;
}

static int begin(void *arg, size_t i, struct eval_ask *ask, struct error *err)
{
    struct trace *t = arg;
    enum eval_call_prompt kind = t->kind[i % (size_t)t->n_kind];
    ask->item = eval_item_id(t->items.item[i / (size_t)t->n_kind]);
    ask->max_tokens = eval_call_kind[kind].max_tokens;
    ask->reply.plain = !eval_words_have_template(&t->task.words);
    return tokens_of(t, &t->task.words, i / (size_t)t->n_kind, kind, &ask->token, &ask->n_token, err);
}

static int end(void *arg, size_t i, const struct eval_ask *ask, const struct eval_answer *a, struct error *err)
{
    struct trace *t = arg;
    size_t item = i / (size_t)t->n_kind, k = i % (size_t)t->n_kind;
    const char *name = eval_call_kind[t->kind[k]].name;
    if (k == 0)
        t->line = json_pack("{s:s, s:{}}", "id", ask->item, "right");
    keep(t, item, t->kind[k], a->text, (int)a->n_generated);
    json_object_set_new(json_object_get(t->line, "right"), name, json_boolean(t->kept[item].right[t->kind[k]]));
    if (json_object_set_new(t->line, name,
                            json_pack("{s:I, s:I, s:s}", "prompt", (json_int_t)ask->n_token, "generated",
                                      (json_int_t)a->n_generated, "reply", a->text)))
        return error_set(err, ERR_MEMORY, "%s: no memory for its result", ask->item);
    if (k + 1 < (size_t)t->n_kind)
        return 0;
    json_t *line = t->line;
    t->line = NULL;
    return task_add(&t->task, line, err);
}

static int compute(struct trace *t)
{
    struct stoker *s = NULL;
    struct error err = {0};
    int status = task_open_engine(&t->task, &s);
    if (status)
        return status;
    int ran = eval_asks_run(s,
                            &(struct eval_asks){.first = t->task.done * (size_t)t->n_kind,
                                                .n = t->task.n * (size_t)t->n_kind,
                                                .begin = begin,
                                                .end = end,
                                                .stopped = task_stopped,
                                                .arg = t},
                            &err);
    return task_end_run(&t->task, s, ran, &err);
}

/* ---- figures -------------------------------------------------------------------------------------------------------------- */

static void add_up(struct trace *t)
{
    for (size_t i = 0; i < t->task.n; i++) {
        int depth = eval_calltrace_depth(t->items.item[i]) - 1;
        for (int k = 0; k < t->n_kind; k++) {
            t->right[t->kind[k]][depth] += t->kept[i].right[t->kind[k]];
            t->generated[t->kind[k]][depth] += (size_t)t->kept[i].generated[t->kind[k]];
        }
    }
}

static double tokens_an_item(const struct trace *t, int kind, int depth)
{
    return (double)t->generated[kind][depth] / (double)t->n_depth;
}

static json_t *summary_of(const struct trace *t)
{
    json_t *o = json_pack("{s:I}", "items", (json_int_t)t->task.n);
    for (int k = 0; o && k < t->n_kind; k++) {
        int kind = t->kind[k];
        json_t *depths = json_array();
        for (int d = 0; d < EVAL_CALL_DEPTHS; d++) {
            json_t *rate = task_rate_json(eval_rate(t->right[kind][d], t->n_depth));
            json_object_set_new(rate, "tokens_an_item", json_real(tokens_an_item(t, kind, d)));
            json_array_append_new(depths, rate);
        }
        json_object_set_new(
            o, eval_call_kind[kind].name,
            json_pack("{s:i, s:o}", "wall", eval_calltrace_wall(t->right[kind], t->n_depth), "depths", depths));
    }
    return o;
}

static void show(void *arg)
{
    const struct trace *t = arg;
    for (int k = 0; k < t->n_kind; k++) {
        int kind = t->kind[k];
        for (int d = 0; d < EVAL_CALL_DEPTHS; d++) {
            char label[40];
            snprintf(label, sizeof label, "%s, depth %d, %.1f tokens an item", eval_call_kind[kind].name, d + 1,
                     tokens_an_item(t, kind, d));
            task_print_rate(label, eval_rate(t->right[kind][d], t->n_depth));
        }
        printf("%s, wall: %d\n", eval_call_kind[kind].name, eval_calltrace_wall(t->right[kind], t->n_depth));
    }
}

/* The better wall of the prompts. */
static int best_wall(const struct trace *t)
{
    int best = 0;
    for (int k = 0; k < t->n_kind; k++) {
        int wall = eval_calltrace_wall(t->right[t->kind[k]], t->n_depth);
        best = wall > best ? wall : best;
    }
    return best;
}

static json_t *header_of(const struct trace *t)
{
    const struct eval_command *c = t->task.c;
    return json_pack("{s:i, s:s, s:s, s:i}", "seed", c->seed, "prompt", c->prompt ? c->prompt : "both", "think",
                     c->think ? c->think : "template", "per_depth", (int)t->n_depth);
}

static int run(struct trace *t)
{
    int status = make_items(t);
    if (status == 0)
        status = task_open_words(&t->task, 1);
    if (status == 0)
        status = task_measure(&t->task, &t->items, measure, t);
    if (status == 0 && t->task.c->show)
        show_prompts(t);
    if (status || t->task.c->show)
        return status;
    task_close_words(&t->task);
    if (!(t->kept = calloc(t->task.n, sizeof *t->kept)))
        return eval_fail(&(struct error){ERR_MEMORY, "no memory for results", ""});
    status = task_open_results(&t->task, header_of(t), take_item, t);
    if (status == 0 && t->task.done < t->task.n)
        status = compute(t);
    if (status)
        return status;
    add_up(t);
    return task_finish(&t->task, summary_of(t), show, t, "wall", best_wall(t));
}

int eval_calltrace(struct eval_command *c)
{
    struct trace t = {.task = {.c = c, .name = "calltrace"}};
    t.n_depth = c->per_depth ? (size_t)c->per_depth : EVAL_CALL_ITEMS;
    if (c->print_items) {
        eval_calltrace_write(stdout, (uint64_t)c->seed, (int)t.n_depth);
        return 0;
    }
    choose_kinds(&t);
    int status = run(&t);
    task_free(&t.task);
    json_decref(t.line);
    eval_items_free(&t.items);
    free(t.kept);
    return status;
}
