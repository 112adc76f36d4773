/* What a machine does at most, and what of that the repetitions of a test are: bench.md 3. Bounds and where time went are of each
 * repetition's own counters. */
#include "cli/machine/roofs.h"
#include "cli/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- roofs ------------------------------------------------------------------------------------------------------------------ */

int bench_measure_roofs(struct bench *b, struct stoker_error *err)
{
    if (!roofs_can_measure(&b->options)) {
        fprintf(stderr,
                "stoker bench: no bounds, since measuring what this machine does at most takes %s of memory, which it "
                "has not left\n",
                show_bytes(roofs_memory(&b->options)));
        b->roofs = (struct stoker_roofs){0}; /* those of another engine */
        return 0;
    }
    return roofs_measure(&b->roofs, b->model, &b->options, b->cold, err);
}

void bench_tell_move(const char *side, const struct stoker_roofs *first, const struct stoker_roofs *last)
{
    struct eval_roof_move m;
    if (!eval_roofs_moved(&m, first, last))
        return;
    int is_rate = strcmp(m.roof, "memory") == 0 || strcmp(m.roof, "drive") == 0;
    double unit = is_rate ? 1e-9 : 2e-12; /* a product and its addition are two operations */
    fprintf(
        stderr,
        "stoker bench: the roof of %s%s%s went from %.3g to %.3g %s while this was measured (%.0f %%): other programs "
        "or clocks changed the machine; efficiencies are of the first\n",
        m.roof, side ? " of " : "", side ? side : "", m.from * unit, m.to * unit, is_rate ? "GB/s" : "Tops",
        100 * m.share);
}

void bench_check_roofs(struct bench *b)
{
    static const char unknown[] = "stoker bench: whether a roof moved is not known, since";
    struct stoker_roofs last;
    struct stoker_error err;
    if (!(b->roofs.memory > 0))
        return;
    if (!roofs_can_measure(&b->options))
        fprintf(stderr, "%s measuring them again takes %s of memory, which this machine has not left\n", unknown,
                show_bytes(roofs_memory(&b->options)));
    else if (roofs_measure(&last, b->model, &b->options, b->cold, &err))
        fprintf(stderr, "%s they cannot be measured again: %s\n", unknown, err.text);
    else
        bench_tell_move(NULL, &b->roofs, &last);
}

/* ---- a repetition ----------------------------------------------------------------------------------------------------------- */

static double prompt_steps(const struct bench *b, const struct bench_run *run)
{
    return ceil((double)run->n_prompt / b->plan.n_chunk);
}

/* Drafts that hold make several tokens of one step. */
static int answer_steps(const struct bench *b, const struct bench_run *run)
{
    double n = (double)(run->after.steps - run->before.steps) - prompt_steps(b, run);
    return (int)fmax(run->n_answer > 0, fmin(run->n_answer, n));
}

/* The prompt's rows, a chunk a step, and what their layers computed of experts: all uses but those of the answer. */
static void add_prompt(const struct bench *b, const struct bench_test *t, const struct bench_run *run,
                       struct eval_bound *bound, struct stoker_work *work)
{
    double uses = (double)(run->after.hits + run->after.misses - run->before.hits - run->before.misses);
    struct stoker_rows rows = {.n_before = t->n_depth + t->n_prompt - run->n_prompt,
                               .n_rows = run->n_prompt,
                               .n_steps = (int)prompt_steps(b, run),
                               .n_logits = 1,
                               .n_experts = fmax(0, uses - work->row_experts * answer_steps(b, run))};
    stoker_work_of(b->engine, &rows, work);
    eval_bound_add(bound, work, &b->roofs);
}

/* Of texts, as many a step as fit it. */
static void add_texts(const struct bench *b, const struct bench_test *t, const struct bench_run *run,
                      struct eval_bound *bound, struct stoker_work *work)
{
    double uses = (double)(run->after.hits + run->after.misses - run->before.hits - run->before.misses);
    struct stoker_rows rows = {.n_rows = t->n_prompt * b->n_texts,
                               .n_steps = (int)(run->after.steps - run->before.steps),
                               .n_experts = uses,
                               .n_texts = b->n_texts};
    stoker_work_of(b->engine, &rows, work);
    eval_bound_add(bound, work, &b->roofs);
}

/* The answer's. Of a step with drafts one row's experts and logits are counted, since what others add is not known. */
static void add_answer(const struct bench *b, const struct bench_test *t, const struct bench_run *run,
                       struct eval_bound *bound, struct stoker_work *work)
{
    int n_steps = answer_steps(b, run);
    struct stoker_rows rows = {.n_before = t->n_depth + (t->n_prompt ? t->n_prompt : 1),
                               .n_rows = run->n_answer,
                               .n_steps = n_steps,
                               .n_logits = n_steps,
                               .n_experts = work->row_experts * n_steps};
    stoker_work_of(b->engine, &rows, work);
    eval_bound_add(bound, work, &b->roofs);
}

/* The steps that are timed, of those that were counted since: these are fewer where the engine was ahead, or all of them. */
double bench_timed_share(const struct bench *b, const struct bench_test *t, const struct bench_run *run)
{
    double all = (double)(run->after.steps - run->before.steps), seen = (double)(run->after.steps - run->begun.steps);
    return t->n_prompt || seen < 1 ? 1 : fmax(0, all - prompt_steps(b, run)) / seen;
}

static double tables_wait(const struct stoker_stats *s)
{
    double sum = 0;
    for (int i = 0; i < s->n_table; i++)
        sum += s->table[i].wait_seconds;
    return sum;
}

/* share: bench_timed_share(). Returns the seconds that were computed. */
static double add_time(const struct bench_run *run, double share, struct bench_time *to)
{
    const struct stoker_stats *a = &run->begun, *b = &run->after;
    double step = share * (b->step_seconds - a->step_seconds),
           drive = share * (b->wait_seconds - a->wait_seconds + tables_wait(b) - tables_wait(a)),
           joins = share * (b->join_seconds - a->join_seconds), computing = fmax(0, step - drive - joins);
    to->all += run->seconds;
    to->drive += drive;
    to->joins += joins;
    to->computing += computing;
    to->joules += share * (b->energy_joules - a->energy_joules);
    return computing;
}

void bench_account(const struct bench *b, struct bench_test *t, const struct bench_run *run)
{
    struct eval_bound *bound = &t->bound[t->n];
    struct stoker_work prompt = {0}, answer = {0};
    double misses = (double)(run->after.misses - run->begun.misses);
    double share = bench_timed_share(b, t, run), computing = add_time(run, share, &t->time);
    *bound = (struct eval_bound){0};
    stoker_work_of(b->engine, &(struct stoker_rows){0}, &prompt);
    answer = prompt;
    if (b->encoder.n_out)
        add_texts(b, t, run, bound, &prompt);
    else if (t->n_prompt)
        add_prompt(b, t, run, bound, &prompt);
    if (t->n_gen)
        add_answer(b, t, run, bound, &answer);
    eval_bound_read(bound, misses * prompt.expert_bytes * share, &b->roofs);
    t->time.memory += eval_bound_memory_of(bound, computing);
    t->memory_bytes += prompt.memory_bytes + answer.memory_bytes;
}
