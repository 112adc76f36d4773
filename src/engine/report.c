/* What an engine shows of itself: its plan, statistics, sequences, importance. Everything here answers at once: the engine thread never
 * holds the lock during a step, and sums of importance are asked for while no request runs. */
#include "base/clock.h"
#include "base/utf8.h"
#include "engine/constraint_cache.h"
#include "engine/engine.h"
#include "engine/rates.h"
#include "machine/memory.h"
#include "model/collector.h"

#include <stdio.h>
#include <string.h>

/* ---- the plan ------------------------------------------------------------------------------------------------------------- */

_Static_assert((int)STOKER_PLAN_PARTS == (int)PLAN_PARTS && (int)STOKER_CLASSES == (int)EXPERT_CLASSES,
               "stoker.h shows all of the plan");
_Static_assert((int)STOKER_TYPES == (int)TYPE_COUNT, "and all block types");
_Static_assert((int)STOKER_CALLS == (int)MODEL_CALLS, "and all counts of layer calls");

static uint64_t class_expert_bytes(const struct model *m, const struct expert_class *c)
{
    const struct expert_layer *l = &m->expert_layer[c->first_layer];
    uint64_t sum = 0;
    for (int i = 0; i < l->n_part; i++)
        sum += l->part[i].bytes;
    return sum;
}

/* The types that products meet, by their bytes. */
static void report_types(const struct gguf *g, enum cpu_tier tier, struct stoker_plan *out)
{
    uint64_t bytes[TYPE_COUNT] = {0};
    for (uint64_t i = 0; i < g->n_tensor; i++)
        bytes[g->tensor[i].type] += g->tensor[i].n_bytes;
    for (;;) {
        int most = 0;
        for (int t = 1; t < TYPE_COUNT; t++)
            most = bytes[t] > bytes[most] ? t : most;
        if (bytes[most] == 0)
            return;
        int kernel = kernel_tier_of(tier, (enum block_type)most);
        bytes[most] = 0;
        if (kernel < 0)
            continue;
        out->type[out->n_type] = type_info((uint32_t)most)->name;
        out->kernel[out->n_type++] = cpu_tier_name((enum cpu_tier)kernel);
    }
}

const char *stoker_kernel_tier(const char *type)
{
    int t = type_by_name(type), tier = t < 0 ? -1 : kernel_tier_of(cpu_best_tier(), (enum block_type)t);
    return tier < 0 ? NULL : cpu_tier_name((enum cpu_tier)tier);
}

static void report_draft_layer(const struct model *m, enum kv_type kv, struct stoker_plan *out)
{
    const struct expert_layer *experts = &m->expert_layer[m->p.n_layer];
    if (!m->nextn.proj)
        return;
    out->draft_layer.weight_bytes = model_nextn_bytes(m);
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_shape shape = kv_shape_as(m->kv_layout[k].shape, kv);
        int n = m->kv_layout[k].window.n ? 0 : m->kept[m->p.n_layer].n_kv[k];
        out->draft_layer.kv_bytes_per_token += kv_page_bytes(&shape) * (uint64_t)n / KV_PAGE;
    }
    for (int i = 0; i < experts->n_part; i++)
        out->draft_layer.expert_bytes += experts->part[i].bytes * (uint64_t)experts->n_expert;
    out->draft_layer.n_expert = experts->n_part ? experts->n_expert : 0;
}

static void report_kept(const struct plan *p, const struct model *m, enum kv_type kv, struct stoker_plan *out)
{
    struct plan_kept kept[LAYER_KEEPS_KINDS];
    plan_kept(kept, p, m, kv);
    for (int i = 0; i < LAYER_KEEPS_KINDS; i++)
        out->kept[engine_layer_kind((enum layer_keeps)i)] = (struct stoker_kept){
            kept[i].kv_bytes_per_token, kept[i].kv_fixed_bytes, kept[i].state_bytes};
}

void engine_report_plan(const struct session *s, enum kv_type kv, enum cpu_tier tier, struct stoker_plan *out)
{
    const struct plan *p = &s->plan;
    const struct model *m = s->model;
    *out = (struct stoker_plan){.memory = p->memory,
                                .total = p->total,
                                .minimum = p->minimum,
                                .whole = p->whole,
                                .memory_from = p->memory_from,
                                .fits = p->total > 0 && p->total <= p->memory,
                                .n_ctx = p->n_ctx,
                                .n_ctx_train = m->p.n_ctx_train,
                                .n_parallel = p->n_parallel,
                                .n_chunk = p->n_chunk,
                                .n_threads = p->n_threads,
                                .ngrams = p->ngrams,
                                .n_draft = p->n_draft,
                                .kv = kv_type_name(kv),
                                .kv_bytes_per_token = p->kv_bytes_per_token,
                                .kv_fixed_bytes = p->kv_fixed_bytes,
                                .state_bytes_per_sequence = p->state_bytes_per_sequence,
                                .n_moe_layer = m->n_moe_layer,
                                .n_expert = m->p.n_expert,
                                .n_expert_used = m->p.n_expert_used,
                                .n_class = p->n_class,
                                .expert_bytes_total = p->expert_bytes_total,
                                .expert_bytes_per_token = p->expert_bytes_per_token,
                                .asked_ctx = p->asked_ctx,
                                .n_ctx_short = m->rope[ROPE].long_factors ? (int)m->p.rope[ROPE].n_orig : 0,
                                .asked_parallel = p->asked_parallel,
                                .asked_cache = p->asked_cache,
                                .ctx_minimum = p->ctx_minimum,
                                .parallel_minimum = p->parallel_minimum,
                                .cache_minimum = p->cache_minimum,
                                .chunk_minimum = p->chunk_minimum,
                                .draft_minimum = p->draft_minimum,
                                .prompt_tokens = speed_prompt(p->n_ctx),
                                .answer_tokens = SPEED_ANSWER,
                                .rates = {p->rates.drive, p->rates.memory, p->rates.product, p->rates.unpack_rows,
                                          p->rates.dot, p->rates.vector, p->rates.attend, p->rates.state},
                                .prompt_seconds = p->speed.prompt_seconds,
                                .step_seconds = p->speed.step_seconds,
                                .hit_rate = p->speed.hits,
                                .read_bytes = p->speed.read_bytes,
                                .n_file = s->file->n_file};
    snprintf(out->model, sizeof out->model, "%s", s->file->file->path);
    utf8_make_plain(out->model);
    snprintf(out->arch, sizeof out->arch, "%s", m->arch->name);
    for (int i = 0; i < PLAN_PARTS; i++) {
        out->part_name[i] = plan_part_name((enum plan_part)i);
        out->part[i] = p->part[i];
    }
    for (int i = 0; i < p->n_class; i++) {
        out->slots[i] = p->slots[i];
        out->experts[i] = p->class[i].n_expert;
        out->slot_bytes[i] = p->class[i].slot_bytes;
        out->expert_bytes[i] = class_expert_bytes(m, &p->class[i]);
    }
    report_types(s->file, tier, out);
    report_kept(p, m, kv, out);
    report_draft_layer(m, kv, out);
    out->cut_embedding = !!(p->degraded & PLAN_CUT_EMBEDDING);
    out->cut_experts = !!(p->degraded & PLAN_CUT_EXPERTS);
    out->cut_chunk = !!(p->degraded & PLAN_CUT_CHUNK);
    out->cut_sequences = !!(p->degraded & PLAN_CUT_SEQUENCES);
    out->cut_context = !!(p->degraded & PLAN_CUT_CONTEXT);
    out->cut_prefix = !(p->degraded & PLAN_CUT_PREFIX) ? 0 : p->degraded & PLAN_CUT_COPIES ? 2 : 1;
    out->cut_cache = !!(p->degraded & PLAN_CUT_CACHE);
    out->cut_encoders = !!(p->degraded & PLAN_CUT_ENCODERS);
    out->cut_capture = !!(p->degraded & PLAN_CUT_CAPTURE);
    out->cut_drafts = s->request.priced && !m->p.pooling && out->fits && p->n_draft == 0;
}

void stoker_plan_of(const struct stoker *s, struct stoker_plan *out)
{
    engine_report_plan(s->session, s->session->kv, s->session->model->op.k->tier, out);
}

void stoker_work_of(const struct stoker *s, const struct stoker_rows *rows, struct stoker_work *out)
{
    rates_work(s->session->model, s->session->kv, rows, out);
}

/* ---- statistics ------------------------------------------------------------------------------------------------------------ */

static const double bounds[STOKER_BUCKETS - 1] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                  0.5,   1,      2.5,   5,    10,    30,   120};

double stoker_histogram_bound(int i) { return bounds[i]; }

void histogram_add(struct stoker_histogram *h, double seconds)
{
    int i = 0;
    while (i < STOKER_BUCKETS - 1 && seconds > bounds[i])
        i++;
    h->n[i]++;
    h->count++;
    h->sum += seconds;
}

static int running(const struct stoker *s)
{
    int n = 0;
    for (int i = 0; i < s->n_job; i++)
        n += s->job[i].state == JOB_PROMPT || s->job[i].state == JOB_DECODE;
    return n;
}

int engine_has_work(struct stoker *s)
{
    int work = 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_job && !work; i++)
        work = s->job[i].state == JOB_QUEUED || s->job[i].state == JOB_PROMPT || s->job[i].state == JOB_DECODE;
    pthread_mutex_unlock(&s->lock);
    return work;
}

int engine_queued(const struct stoker *s)
{
    int n = 0, places = s->session->plan.n_parallel - running(s);
    places = places > 0 ? places : 0; /* texts that wait for their client to take vectors run in none */
    for (int i = 0; i < s->n_job; i++)
        n += s->job[i].state == JOB_QUEUED;
    return n > places ? n - places : 0;
}

static void report_requests(struct stoker *s, struct stoker_stats *out)
{
    const struct counters *t = &s->counters;
    int n_parallel = s->session->plan.n_parallel;
    out->queued = engine_queued(s);
    out->active = running(s);
    if (out->active == n_parallel)
        out->expected_wait_seconds = t->service_seconds * (out->queued + 1) / n_parallel;
    out->requests = t->requests;
    out->rejected = t->rejected;
    out->cancelled = t->cancelled;
    out->failed_requests = t->failed;
    out->preempted = t->preempted;
    out->mask_work_most = t->mask_work_most;
    out->mask_work_bound = MASK_WORK_PER_STEP + CONSTRAINT_STEP;
    out->prompt_tokens = t->prompt_tokens;
    out->cached_tokens = t->cached_tokens;
    out->generated_tokens = t->generated_tokens;
    out->scored_tokens = t->scored_tokens;
    out->texts = t->texts;
    out->text_tokens = t->text_tokens;
    out->drafted_tokens = t->drafted_tokens;
    out->accepted_tokens = t->accepted_tokens;
    out->steered_rows = t->steered_rows;
    out->captured_bytes = capture_written(&s->capture);
    out->vector_bytes = s->steer.most - atomic_load(&s->steer.left);
    memcpy(out->cache_bytes, t->cache_bytes, sizeof out->cache_bytes);
    out->cache_corrupt = t->cache_corrupt;
    memcpy(out->cache_hits, t->cache_hits, sizeof out->cache_hits);
    out->step_time = t->step_time;
    out->first_token_time = t->first_token_time;
}

_Static_assert((int)STOKER_TABLES == (int)MODEL_TABLES, "a model's tables");

static void report_tables(const struct model *m, struct stoker_stats *out)
{
    for (int i = 0; i < m->n_table; i++) {
        struct rows_stats r;
        if (!m->table[i].rows)
            continue;
        rows_stats(m->table[i].rows, &r);
        out->table[out->n_table++] = (struct stoker_table_stats){.name = m->table[i].weight->tensor->name,
                                                                 .wanted = r.wanted,
                                                                 .unique = r.unique,
                                                                 .cached = r.cached,
                                                                 .reads = r.reads,
                                                                 .bytes = r.bytes,
                                                                 .takes = r.takes,
                                                                 .late = r.late,
                                                                 .wait_seconds = r.wait_seconds};
    }
}

void stoker_stats_of(struct stoker *s, struct stoker_stats *out)
{
    struct store_stats st = {.backend = reader_backend_name(s->session->reader)};
    if (s->session->model->store)
        store_stats(s->session->model->store, &st);
    const struct counters *t = &s->counters;
    pthread_mutex_lock(&s->lock);
    energy_sample(&s->energy, clock_seconds());
    *out = (struct stoker_stats){.hits = st.hits,
                                 .misses = st.misses,
                                 .evictions = st.evictions,
                                 .early = st.early,
                                 .early_used = st.early_used,
                                 .early_waste = st.early_waste,
                                 .reads = st.reads,
                                 .bytes_read = st.bytes_read,
                                 .retries = st.retries,
                                 .shorts = st.shorts,
                                 .failed = st.failed,
                                 .draining = st.draining,
                                 .wait_seconds = st.wait_seconds,
                                 .reading_seconds = st.reading_seconds,
                                 .piece_seconds = st.piece_seconds,
                                 .step_seconds = t->step_seconds,
                                 .expert_seconds = t->expert_seconds,
                                 .join_seconds = t->join_seconds,
                                 .energy_joules = s->energy.joules,
                                 .no_energy = s->energy.why,
                                 .steps = t->steps,
                                 .rows = t->rows,
                                 .backend = st.backend,
                                 .cpu_tier = cpu_tier_name(s->session->model->op.k->tier)};
    memcpy(out->calls, t->calls, sizeof out->calls);
    report_tables(s->session->model, out);
    report_requests(s, out);
    pthread_mutex_unlock(&s->lock);
    const struct constraint_cache_stats c = constraint_cache_stats(s->constraints);
    out->constraint_hits = c.hits;
    out->constraints_compiled = c.compiled;
    out->constraints_failed = c.failed;
    out->constraints_evicted = c.evicted;
    out->constraint_bytes = c.held;
}

/* ---- sequences ------------------------------------------------------------------------------------------------------------- */

static struct stoker_slot slot_of(const struct job *j)
{
    if (!j)
        return (struct stoker_slot){.state = STOKER_IDLE};
    return (struct stoker_slot){.state = j->state == JOB_PROMPT ? STOKER_PREFILL : STOKER_DECODE,
                                .id = j->id,
                                .n_prompt = j->n_prompt,
                                .n_prompt_done = j->n_done < j->n_prompt ? j->n_done : j->n_prompt,
                                .n_cached = j->n_cached,
                                .n_decoded = j->n_generated,
                                .age_seconds = j->submitted};
}

void engine_report(struct stoker *s)
{
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        s->slot[i] = slot_of(s->active[i]);
    s->counters.cache_bytes[STOKER_RAM] = s->session->prefix.bytes;
    if (s->disk) {
        s->counters.cache_bytes[STOKER_DISK] = prefix_disk_stats(s->disk).bytes;
        s->counters.cache_corrupt = prefix_disk_stats(s->disk).corrupt;
    }
    pthread_mutex_unlock(&s->lock);
}

int stoker_slots(struct stoker *s, struct stoker_slot *out, int n)
{
    int all = s->session->plan.n_parallel;
    double now = clock_seconds();
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < n && i < all; i++) {
        out[i] = s->slot[i];
        if (out[i].state != STOKER_IDLE)
            out[i].age_seconds = now - out[i].age_seconds;
    }
    pthread_mutex_unlock(&s->lock);
    return all;
}

uint64_t stoker_memory_left(const char **from) { return machine_memory("", from); }

uint64_t stoker_cache_clear(struct stoker *s)
{
    const int ring = 0;
    pthread_mutex_lock(&s->lock);
    uint64_t bytes = s->counters.cache_bytes[STOKER_RAM] + s->counters.cache_bytes[STOKER_DISK];
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->clears, 1);
    queue_push(s->submit_wakeup, &ring);
    return bytes;
}

void stoker_cache_keep(struct stoker *s)
{
    const int ring = 0;
    atomic_store(&s->keeps, 1);
    queue_push(s->submit_wakeup, &ring);
}

/* ---- importance --------------------------------------------------------------------------------------------------------------- */

int stoker_importance_of(const struct stoker *s, size_t i, struct stoker_importance *out)
{
    const struct collector *c = s->session->model->collector;
    if (!c || i >= (size_t)c->n)
        return 0;
    const struct collected *e = &c->entry[i];
    *out = (struct stoker_importance){.name = e->tensor->name,
                                      .also = e->also ? e->also->name : NULL,
                                      .n_cols = (uint64_t)e->n_cols,
                                      .n_mat = (uint64_t)e->n_mat,
                                      .sum = e->sum,
                                      .n_count = (uint64_t)e->n_count,
                                      .count = e->count};
    return 1;
}
