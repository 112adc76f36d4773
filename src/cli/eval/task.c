/* See task.h. */
#include "cli/eval/task.h"

#include "base/error.h"
#include "base/json/load.h"
#include "base/reqmem.h"
#include "cli/common/cli.h"
#include "eval/asks.h"

#include <stdlib.h>
#include <string.h>

enum {
    FILE_MOST = 256 << 20,
    SEQUENCES = 4,     /* where there is memory for them: requests that share steps */
    ITEM_BYTES = 4096, /* of an item: its request, and what is kept of its result */
    TEXT_TIMES = 2     /* its texts: in the file, as a prompt */
};

/* ---- items and their prompts ---------------------------------------------------------------------------------------------- */

int task_take(struct task *t, const char *name, const char *text, size_t n, size_t limit, struct eval_items *out,
              int (*check)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    struct reqmem budget;
    struct reqmem_account account = {.of = &budget};
    reqmem_init(&budget, eval_reading_most(t->c, t->own_bytes + n), 0);
    reqmem_enter(&account, 0);
    int failed = eval_items_read(out, name, text, n, limit, check, arg, err);
    reqmem_leave();
    if (failed && reqmem_short(&account) != REQMEM_ENOUGH)
        eval_too_much(err, name);
    t->own_bytes += TEXT_TIMES * n + ITEM_BYTES * out->n + (size_t)account.peak;
    return failed;
}

int task_read(struct task *t, const char *path, size_t limit, struct eval_items *out,
              int (*check)(void *arg, const json_t *item, struct error *err), void *arg)
{
    struct error err = {0};
    size_t n;
    char *text = eval_file_read(t->c, path, FILE_MOST, t->own_bytes, &n, &err);
    if (!text)
        return eval_fail(&err);
    int failed = task_take(t, eval_name_of(path), text, n, limit, out, check, arg, &err);
    free(text);
    return failed ? eval_fail(&err) : 0;
}

static int open_templates(struct task *t)
{
    struct stoker_error why;
    struct stoker_template_caps caps;
    uint8_t hash[SHA256_BYTES];
    const struct stoker_options *o = &t->c->options;
    if (stoker_templates_open(&t->templates, t->c->model, o->chat_template, o->tool_format, &why))
        return report(&why);
    t->words.templates = t->templates;
    stoker_templates_caps(t->templates, &caps);
    if (!caps.source) {
        fprintf(stderr, "stoker eval: warning: %s has no chat template that works; the prompts are plain texts\n",
                t->c->model);
        return 0;
    }
    sha256(caps.source, caps.n_source, hash);
    eval_hex(hash, t->template_hash);
    return 0;
}

int task_open_words(struct task *t, int chat)
{
    struct stoker_error why;
    struct error err = {0};
    int status = chat ? open_templates(t) : 0;
    if (status)
        return status;
    if (*t->template_hash) /* nothing but chats is made tokens */
        return 0;
    if (stoker_vocab_open(&t->vocab, t->c->model, NULL, &why))
        return report(&why);
    t->words.vocab = t->vocab;
    return eval_words_begin(&t->words, &err) ? eval_fail(&err) : 0;
}

/* What sentences call the file of the items. */
static const char *source_of(const struct task *t) { return t->c->text ? eval_name_of(t->c->text) : t->name; }

int task_measure(struct task *t, struct eval_items *items, int (*measure)(void *arg, size_t i, struct error *err),
                 void *arg)
{
    size_t n = items->n;
    if (!(t->prompt_sha256 = calloc(n, sizeof *t->prompt_sha256)))
        return eval_fail(&(struct error){ERR_MEMORY, "no memory for the hashes of the prompts", ""});
    for (size_t i = 0; i < items->n;) {
        struct error why = {0}, err = {0};
        sha256_begin(&t->item);
        if (measure(arg, i, &why) == 0) {
            sha256_end(&t->item, t->prompt_sha256[i++]);
        } else if (why.code == ERR_INPUT && t->c->skip) {
            eval_items_drop(items, i);
        } else {
            error_set(&err, why.code, "%s, line %zu: %s: %s", source_of(t), items->line[i],
                      eval_item_id(items->item[i]), why.text);
            return eval_fail(&err);
        }
    }
    if (items->n < n)
        fprintf(stderr, "stoker eval: %zu of %zu items are left out by --skip\n", n - items->n, n);
    if (items->n == 0) {
        fprintf(stderr, "stoker eval: no item is left\n");
        return 2;
    }
    t->n = items->n;
    return 0;
}

void task_hash_item(struct task *t, const json_t *item)
{
    char *text = json_dump_spelled(item, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text)
        sha256_add(&t->item, text, strlen(text) + 1);
    free(text);
}

void task_show(const struct task *t, json_t *request)
{
    char *text = request ? json_dump_spelled(request, JSON_PRESERVE_ORDER) : NULL;
    if (text)
        eval_words_show(&t->words, text, stdout);
    putchar('\n');
    free(text);
    json_decref(request);
}

void task_close_words(struct task *t)
{
    stoker_templates_close(t->templates);
    stoker_vocab_close(t->vocab);
    t->templates = NULL;
    t->vocab = NULL;
    t->words = (struct eval_words){0};
    if (t->c->options.n_ctx == 0)
        t->c->options.n_ctx = (int)t->longest;
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

/* What figures depend on, for every task. NULL after a sentence. */
static json_t *header_of(struct task *t)
{
    uint8_t prompts[SHA256_BYTES];
    sha256(t->prompt_sha256, t->n * sizeof *t->prompt_sha256, prompts);
    json_t *header = eval_header(t->c, t->name);
    if (!header || json_object_update_new(header, json_pack("{s:s, s:o, s:I, s:i}", "template_sha256", t->template_hash,
                                                            "prompts_sha256", eval_json_hash(prompts), "items",
                                                            (json_int_t)t->n, "ctx", t->c->options.n_ctx)) == 0)
        return header;
    fprintf(stderr, "stoker eval: no memory for results\n");
    json_decref(header);
    return NULL;
}

int task_open_results(struct task *t, json_t *more, int (*on_item)(void *arg, const json_t *item, struct error *err),
                      void *arg)
{
    struct error err = {0};
    int status = 0;
    if (t->c->out) {
        json_t *header = header_of(t);
        if (!header)
            status = 1;
        else if (json_object_update(header, more))
            status = eval_fail(&(struct error){ERR_MEMORY, "no memory for results", ""});
        else if (eval_results_open(&t->results, t->c->out, header, t->n, t->c->resume, on_item, arg, &err))
            status = eval_fail(&err);
        json_decref(header);
    }
    json_decref(more);
    return status;
}

int task_check_id(const struct task *t, const json_t *line, const json_t *item, struct error *err)
{
    const char *id = json_string_value(json_object_get(line, "id"));
    uint8_t hash[SHA256_BYTES];
    int is_of = id && strcmp(id, eval_item_id(item)) == 0 &&
                eval_hash_read(hash, json_string_value(json_object_get(line, "prompt_sha256"))) == 0 &&
                memcmp(hash, t->prompt_sha256[t->done], sizeof hash) == 0;
    return is_of ? 0 : error_set(err, ERR_INPUT, "is not the result of %s", eval_item_id(item));
}

int task_add(struct task *t, json_t *line, struct error *err)
{
    int failed = !line || json_object_set_new(line, "prompt_sha256", eval_json_hash(t->prompt_sha256[t->done]));
    t->done++;
    progress_show(&t->progress, t->done, t->n);
    if (!failed && t->results)
        return eval_results_add(t->results, line, err);
    json_decref(line);
    return failed ? error_set(err, ERR_MEMORY, "no memory for a result") : 0;
}

/* ---- the run ---------------------------------------------------------------------------------------------------------------- */

int task_stopped(void *task)
{
    struct task *t = task;
    progress_show(&t->progress, t->done, t->n);
    return eval_is_interrupted();
}

int task_open_engine(struct task *t, struct stoker **s)
{
    struct stoker_options *o = &t->c->options;
    o->defaults.n_parallel = SEQUENCES;
    int status = eval_open(s, t->c, t->own_bytes + eval_asks_bytes((size_t)o->n_ctx));
    if (status)
        return status;
    struct error err = {0};
    t->words = (struct eval_words){.engine = *s, .templates = stoker_templates_of(*s)};
    if (eval_words_begin(&t->words, &err)) {
        stoker_close(*s);
        return eval_fail(&err);
    }
    eval_catch_interrupts();
    progress_begin(&t->progress, t->name, PROGRESS_ITEMS, t->done);
    return 0;
}

int task_end_run(struct task *t, struct stoker *s, int ran, const struct error *err)
{
    progress_end(&t->progress);
    stoker_close(s);
    t->words = (struct eval_words){0};
    if (ran > 0)
        fprintf(stderr, "stoker eval: interrupted%s\n", t->results ? "; the same command with --resume goes on" : "");
    return ran < 0 ? eval_fail(err) : ran > 0 ? 130 : 0;
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------- */

int task_finish(struct task *t, json_t *summary, void (*show)(void *arg), void *arg, const char *what, double figure)
{
    struct error err = {0};
    int failed = !summary     ? error_set(&err, ERR_MEMORY, "no memory for the summary")
                 : t->results ? eval_results_add(t->results, json_pack("{s:O}", "summary", summary), &err)
                              : 0;
    if (!failed && t->c->json) {
        json_dumpf(summary, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
        putchar('\n');
    } else if (!failed) {
        show(arg);
    }
    json_decref(summary);
    if (failed)
        return eval_fail(&err);
    if (figure >= t->c->at_least)
        return 0;
    fprintf(stderr, "stoker eval: %s %.4f is below --at-least %g\n", what, figure, t->c->at_least);
    return 3;
}

void task_free(struct task *t)
{
    task_close_words(t);
    eval_results_close(t->results);
    t->results = NULL;
    free(t->prompt_sha256);
    t->prompt_sha256 = NULL;
}

void task_print_rate(const char *label, struct eval_rate r)
{
    printf("%s: %zu of %zu, %.2f %% [%.2f, %.2f]\n", label, r.k, r.n, 100 * r.share, 100 * r.low, 100 * r.high);
}

json_t *task_rate_json(struct eval_rate r)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:f}", "right", (json_int_t)r.k, "of", (json_int_t)r.n, "share", r.share,
                     "low", r.low, "high", r.high);
}
