/* stoker eval mcq: accuracies on multiple-choice items (eval/mcq.h); results in a file, taken up again. */
#include "eval/mcq.h"

#include "base/error.h"
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/eval/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct mcq {
    struct task task; /* first: task_stopped() is told of it */
    struct eval_mcq mcq;
    struct kept {
        uint8_t right[EVAL_MCQ_FIGURES];
        double margin;
    } * kept; /* [n] */
    struct subject {
        const char *name; /* of an item */
        size_t right[EVAL_MCQ_FIGURES], n;
    } * subject; /* [n_subject] in the order of the items */
    size_t n_subject;
    size_t right[EVAL_MCQ_FIGURES];
    double margin; /* mean */
};

static const char *const mode_name[] = {
    [EVAL_MCQ_LETTER] = "letter", [EVAL_MCQ_TEXT] = "text", [EVAL_MCQ_REPLY] = "reply"};
enum { N_MODE = sizeof mode_name / sizeof *mode_name };

/* ---- before the model is loaded ------------------------------------------------------------------------------------------- */

static int measure(void *arg, size_t i, struct error *err)
{
    struct mcq *m = arg;
    return eval_mcq_measure(&m->mcq, &m->task.words, i, (size_t)m->task.c->options.n_ctx, &m->task.longest,
                            &m->task.item, err);
}

static int read_items(struct mcq *m)
{
    const struct eval_command *c = m->task.c;
    for (int i = 0; c->mode && i < N_MODE; i++)
        if (strcmp(mode_name[i], c->mode) == 0)
            m->mcq.mode = (enum eval_mcq_mode)i;
    m->mcq.n_shot = c->shots;
    int status = task_read(&m->task, c->text, (size_t)c->limit, &m->mcq.items, eval_mcq_check, NULL);
    if (status == 0 && c->shots_file)
        status = task_read(&m->task, c->shots_file, 0, &m->mcq.shots, eval_mcq_check, NULL);
    return status;
}

/* All prompts as the model reads them. */
static void show_prompts(const struct mcq *m)
{
    for (size_t i = 0; i < m->mcq.items.n; i++) {
        const json_t *item = m->mcq.items.item[i];
        struct error err = {0};
        char *text = eval_mcq_prompt(&m->mcq, i, &err);
        printf("---- %s\n", eval_item_id(item));
        if (text && m->mcq.mode == EVAL_MCQ_REPLY)
            eval_words_show(&m->task.words, text, stdout);
        else
            fputs(text ? text : "", stdout);
        for (int k = 0; m->mcq.mode != EVAL_MCQ_REPLY && k < eval_mcq_n_choice(item); k++) {
            fputs(k ? " |" : "", stdout);
            eval_mcq_choice(stdout, &m->mcq, item, k);
        }
        putchar('\n');
        free(text);
    }
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static void keep(struct mcq *m, size_t i, const struct eval_mcq_result *r)
{
    int answer = eval_mcq_answer(m->mcq.items.item[i]);
    for (int f = 0; f < eval_mcq_n_figure(m->mcq.mode); f++)
        m->kept[i].right[f] = r->best[f] == answer;
    m->kept[i].margin = r->margin;
}

/* Log-probabilities, one a choice. */
static int take_list(const json_t *list, double *out, int n)
{
    for (int k = 0; k < n; k++) {
        const json_t *v = json_array_get(list, (size_t)k);
        out[k] = json_real_value(v);
        if (!json_is_real(v) || !(out[k] <= 0) || !isfinite(out[k]))
            return -1;
    }
    return json_array_size(list) == (size_t)n ? 0 : -1;
}

static int take_item(void *arg, const json_t *line, struct error *err)
{
    struct mcq *m = arg;
    const json_t *item = m->mcq.items.item[m->task.done], *reply = json_object_get(line, "reply");
    struct eval_mcq_result r = {0};
    int n = eval_mcq_n_choice(item), mode = m->mcq.mode;
    if (task_check_id(&m->task, line, item, err))
        return -1;
    if (mode == EVAL_MCQ_REPLY ? !json_is_string(reply)
                               : take_list(json_object_get(line, "sum"), r.sum, n) ||
                                     (mode == EVAL_MCQ_TEXT && take_list(json_object_get(line, "mean"), r.mean, n)))
        return error_set(err, ERR_INPUT, "has no %s of %s", mode == EVAL_MCQ_REPLY ? "reply" : "log-probabilities",
                         eval_item_id(item));
    r.reply = (char *)(uintptr_t)json_string_value(reply);
    if (eval_mcq_judge(&r, item, m->mcq.mode, err))
        return -1;
    keep(m, m->task.done++, &r);
    return 0;
}

/* NULL: no memory. */
static json_t *list_of(const double *x, int n)
{
    json_t *list = json_array();
    int failed = !list;
    for (int k = 0; k < n && !failed; k++)
        failed = json_array_append_new(list, json_real(x[k]));
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

/* What a mode keeps of an item. -1: no memory. */
static int add_result(const struct mcq *m, json_t *line, const struct eval_mcq_result *r, int n)
{
    if (m->mcq.mode == EVAL_MCQ_REPLY)
        return json_object_set_new(line, "generated", json_integer((json_int_t)r->n_generated)) ||
                       json_object_set_new(line, "reply", json_string(r->reply))
                   ? -1
                   : 0;
    return json_object_set_new(line, "sum", list_of(r->sum, n)) ||
                   (m->mcq.mode == EVAL_MCQ_TEXT && json_object_set_new(line, "mean", list_of(r->mean, n)))
               ? -1
               : 0;
}

static int on_result(void *arg, size_t i, struct eval_mcq_result *r, struct error *err)
{
    struct mcq *m = arg;
    const json_t *item = m->mcq.items.item[i];
    int n = eval_mcq_n_choice(item);
    keep(m, i, r);
    json_t *right = json_object();
    int failed = !right;
    for (int f = 0; f < eval_mcq_n_figure(m->mcq.mode) && !failed; f++)
        failed = json_object_set_new(right, eval_mcq_figure_name[f], json_boolean(m->kept[i].right[f]));
    json_t *line = json_pack("{s:s, s:i, s:o, s:I}", "id", eval_item_id(item), "choice", r->best[EVAL_MCQ_ACC], "right",
                             right, "prompt", (json_int_t)r->n_prompt);
    if (failed || !line || add_result(m, line, r, n)) {
        json_decref(line);
        line = NULL; /* which task_add() reports */
    }
    return task_add(&m->task, line, err);
}

static json_t *header_of(const struct mcq *m)
{
    return json_pack("{s:s, s:i}", "mode", mode_name[m->mcq.mode], "shots", m->mcq.n_shot);
}

static int compute(struct mcq *m)
{
    struct stoker *s = NULL;
    struct error err = {0};
    struct eval_mcq_run run = {.mcq = &m->mcq,
                               .words = &m->task.words,
                               .first = m->task.done,
                               .result = on_result,
                               .stopped = task_stopped,
                               .arg = m};
    int status = task_open_engine(&m->task, &s);
    if (status)
        return status;
    int ran = eval_mcq_run(s, &run, &err);
    status = task_end_run(&m->task, s, ran, &err);
    if (m->task.c->stats)
        fprintf(stderr, "stoker eval: %zu of %zu context tokens of choices behind the first came from the cache\n",
                run.cached, run.context);
    return status;
}

/* ---- figures -------------------------------------------------------------------------------------------------------------- */

static struct subject *subject_of(struct mcq *m, const char *name)
{
    for (size_t i = 0; i < m->n_subject; i++)
        if (strcmp(m->subject[i].name, name) == 0)
            return &m->subject[i];
    m->subject[m->n_subject].name = name;
    return &m->subject[m->n_subject++];
}

/* In the order of the items, whichever of them this run has computed. */
static int add_up(struct mcq *m)
{
    m->subject = calloc(m->task.n, sizeof *m->subject);
    if (!m->subject)
        return -1;
    for (size_t i = 0; i < m->task.n; i++) {
        struct subject *s = subject_of(m, eval_mcq_subject(m->mcq.items.item[i]));
        s->n++;
        m->margin += m->kept[i].margin;
        for (int f = 0; f < EVAL_MCQ_FIGURES; f++) {
            s->right[f] += m->kept[i].right[f];
            m->right[f] += m->kept[i].right[f];
        }
    }
    m->margin /= (double)m->task.n;
    return 0;
}

static double mean_of_subjects(const struct mcq *m, int f)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_subject; i++)
        sum += (double)m->subject[i].right[f] / (double)m->subject[i].n;
    return sum / (double)m->n_subject;
}

static int has_subjects(const struct mcq *m) { return m->n_subject > 1 || *m->subject[0].name; }

/* NULL: no memory, as below. */
static json_t *figure_of(const struct mcq *m, int f)
{
    json_t *figure = task_rate_json(eval_rate(m->right[f], m->task.n)), *subjects = json_object();
    int failed = !figure || !subjects;
    for (size_t i = 0; i < m->n_subject && !failed; i++)
        failed = json_object_set_new(subjects, m->subject[i].name,
                                     task_rate_json(eval_rate(m->subject[i].right[f], m->subject[i].n)));
    if (!failed && json_object_set(figure, "subjects", subjects) == 0 &&
        json_object_set_new(figure, "mean_of_subjects", json_real(mean_of_subjects(m, f))) == 0) {
        json_decref(subjects);
        return figure;
    }
    json_decref(figure);
    json_decref(subjects);
    return NULL;
}

static json_t *summary_of(const struct mcq *m)
{
    json_t *o = json_pack("{s:I}", "items", (json_int_t)m->task.n);
    int failed = !o;
    for (int f = 0; f < eval_mcq_n_figure(m->mcq.mode) && !failed; f++)
        failed = json_object_set_new(o, eval_mcq_figure_name[f], figure_of(m, f));
    if (!failed && m->mcq.mode != EVAL_MCQ_REPLY)
        failed = json_object_set_new(o, "margin", json_real(m->margin));
    if (!failed)
        return o;
    json_decref(o);
    return NULL;
}

static void show(void *arg)
{
    const struct mcq *m = arg;
    for (int f = 0; f < eval_mcq_n_figure(m->mcq.mode); f++) {
        task_print_rate(eval_mcq_figure_name[f], eval_rate(m->right[f], m->task.n));
        for (size_t i = 0; has_subjects(m) && i < m->n_subject; i++) {
            char label[80];
            snprintf(label, sizeof label, "  %.70s", *m->subject[i].name ? m->subject[i].name : "(none)");
            utf8_make_plain(label);
            task_print_rate(label, eval_rate(m->subject[i].right[f], m->subject[i].n));
        }
        if (has_subjects(m))
            printf("  mean of %zu subjects: %.2f %%\n", m->n_subject, 100 * mean_of_subjects(m, f));
    }
    if (m->mcq.mode != EVAL_MCQ_REPLY)
        printf("mean margin: %.4f\n", m->margin);
}

static int finish(struct mcq *m)
{
    if (add_up(m))
        return eval_fail(&(struct error){ERR_MEMORY, "no memory for subjects", ""});
    return task_finish(&m->task, summary_of(m), show, m, eval_mcq_figure_name[EVAL_MCQ_ACC],
                       (double)m->right[EVAL_MCQ_ACC] / (double)m->task.n);
}

int eval_mcq(struct eval_command *c)
{
    struct mcq m = {.task = {.c = c, .name = "mcq"}};
    int status = read_items(&m);
    if (status == 0)
        status = task_open_words(&m.task, m.mcq.mode == EVAL_MCQ_REPLY);
    if (status == 0)
        status = task_measure(&m.task, &m.mcq.items, measure, &m);
    if (status == 0 && c->show) {
        show_prompts(&m);
        goto done;
    }
    if (status == 0 && !(m.kept = calloc(m.task.n, sizeof *m.kept)))
        status = eval_fail(&(struct error){ERR_MEMORY, "no memory for results", ""});
    if (status == 0) {
        task_close_words(&m.task);
        status = task_open_results(&m.task, header_of(&m), take_item, &m);
    }
    if (status == 0 && m.task.done < m.task.n)
        status = compute(&m);
    if (status == 0)
        status = finish(&m);
done:
    task_free(&m.task);
    eval_items_free(&m.mcq.items);
    eval_items_free(&m.mcq.shots);
    free(m.kept);
    free(m.subject);
    return status;
}
