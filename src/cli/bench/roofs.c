/* What a machine does at most, and what of that the repetitions of a test are: bench.md 3. Bounds and where time went are of each
 * repetition's own counters. */
#include "cli/bench/bench.h"
#include "cli/common/drive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- roofs ------------------------------------------------------------------------------------------------------------------ */

/* Experts that are not all in memory come from the drive; so do all of a cold engine's. */
static int reads_experts(const struct bench *b, const struct stoker_plan *p)
{
    int held = 1;
    for (int i = 0; i < p->n_class; i++)
        held = held && p->slots[i] >= p->experts[i];
    return p->n_class > 0 && (b->cold || !held);
}

/* A mirror is a second drive, and buffered reads come from the page cache: the rate of the one file bounds neither. */
static int one_drive(const struct stoker_options *o)
{
    return !o->mirror && !(o->reader && strcmp(o->reader, "buffered") == 0);
}

/* Measuring takes memory beside the engine's. */
static int can_measure(void)
{
    const char *from;
    return stoker_memory_left(&from) > DRIVE_MEMORY;
}

static int measure(const struct bench *b, struct stoker_roofs *out, struct stoker_error *err)
{
    struct stoker_plan p;
    if (stoker_plan(&p, b->model, &b->options, err) || stoker_roofs(out, b->model, &b->options, err))
        return -1;
    if (reads_experts(b, &p) && one_drive(&b->options) && drive_rate_of_model(b->model, p.expert_bytes[0], &out->drive))
        out->drive = 0; /* it has said why */
    return 0;
}

/* The buffers that roofs took are not the engine's: its peak begins anew (proc(5), clear_refs; refused, it stays as high as they were). */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

int bench_measure_roofs(struct bench *b, struct stoker_error *err)
{
    if (!can_measure()) {
        fprintf(stderr,
                "stoker bench: no bounds, since measuring what this machine does at most takes %s of memory, which it "
                "has not left\n",
                show_bytes(DRIVE_MEMORY));
        return 0;
    }
    int failed = measure(b, &b->roofs, err);
    forget_peak();
    return failed;
}

void bench_check_roofs(struct bench *b)
{
    struct stoker_roofs last;
    struct eval_roof_move m;
    struct stoker_error err;
    if (b->roofs.memory <= 0 || !can_measure() || measure(b, &last, &err) || !eval_roofs_moved(&m, &b->roofs, &last))
        return;
    int is_rate = strcmp(m.roof, "memory") == 0 || strcmp(m.roof, "drive") == 0;
    double unit = is_rate ? 1e-9 : 2e-12; /* a product and its addition are two operations */
    fprintf(
        stderr,
        "stoker bench: the roof of %s went from %.3g to %.3g %s while this was measured (%.0f %%): other programs or "
        "clocks changed the machine; efficiencies are of the first\n",
        m.roof, m.from * unit, m.to * unit, is_rate ? "GB/s" : "Tops", 100 * m.share);
}

/* ---- a repetition ----------------------------------------------------------------------------------------------------------- */

/* The prompt's rows, a chunk a step, and what their layers computed of experts: all uses but those of the answer. */
static void add_prompt(const struct bench *b, const struct bench_test *t, const struct bench_run *run,
                       struct eval_bound *bound, struct stoker_work *work)
{
    double uses = (double)(run->after.hits + run->after.misses - run->before.hits - run->before.misses);
    int n = (int)run->tokens - t->n_gen, chunk = b->plan.n_chunk;
    struct stoker_rows rows = {.n_before = t->n_depth + t->n_prompt - n,
                               .n_rows = n,
                               .n_steps = (n + chunk - 1) / chunk,
                               .n_logits = 1,
                               .n_experts = fmax(0, uses - work->row_experts * t->n_gen)};
    stoker_work_of(b->engine, &rows, work);
    eval_bound_add(bound, work, &b->roofs);
}

/* The answer's, a row a step. */
static void add_answer(const struct bench *b, const struct bench_test *t, struct eval_bound *bound,
                       struct stoker_work *work)
{
    struct stoker_rows rows = {.n_before = t->n_depth + (t->n_prompt ? t->n_prompt : 1),
                               .n_rows = t->n_gen,
                               .n_steps = t->n_gen,
                               .n_logits = t->n_gen,
                               .n_experts = work->row_experts * t->n_gen};
    stoker_work_of(b->engine, &rows, work);
    eval_bound_add(bound, work, &b->roofs);
}

/* Of what counters say of a repetition, how much the time that was measured holds: generation alone begins behind a step of one row. */
static double share_measured(const struct bench_test *t) { return t->n_prompt ? 1 : t->n_gen / (t->n_gen + 1.0); }

static double tables_wait(const struct stoker_stats *s)
{
    double sum = 0;
    for (int i = 0; i < s->n_table; i++)
        sum += s->table[i].wait_seconds;
    return sum;
}

static void add_time(const struct bench_test *t, const struct bench_run *run, struct bench_time *to)
{
    const struct stoker_stats *a = &run->before, *b = &run->after;
    double share = share_measured(t), step = share * (b->step_seconds - a->step_seconds),
           drive = share * (b->wait_seconds - a->wait_seconds + tables_wait(b) - tables_wait(a)),
           joins = share * (b->join_seconds - a->join_seconds);
    to->all += run->seconds;
    to->drive += drive;
    to->joins += joins;
    to->computing += fmax(0, step - drive - joins);
    to->joules += share * (b->energy_joules - a->energy_joules);
}

void bench_account(const struct bench *b, struct bench_test *t, const struct bench_run *run)
{
    struct eval_bound *bound = &t->bound[t->n];
    struct stoker_work prompt = {0}, answer = {0};
    double misses = (double)(run->after.misses - run->before.misses);
    add_time(t, run, &t->time);
    *bound = (struct eval_bound){0};
    stoker_work_of(b->engine, &(struct stoker_rows){0}, &prompt);
    answer = prompt;
    if (t->n_prompt)
        add_prompt(b, t, run, bound, &prompt);
    if (t->n_gen)
        add_answer(b, t, bound, &answer);
    eval_bound_read(bound, misses * prompt.expert_bytes * share_measured(t), &b->roofs);
    t->memory_bytes += prompt.memory_bytes + answer.memory_bytes;
}
