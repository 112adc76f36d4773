/* Opening a model under a plan, and running its steps: see session.h. */
#include "engine/session.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/page.h"
#include "engine/prompt.h"
#include "machine/memory.h"
#include "model/collector.h"
#include "model/pooling.h"
#include "model/tables.h"
#include "model/traces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const uint64_t rows_wait_ns = 2000000000; /* for reads of all tables, at the end */

/* ---- preparing -------------------------------------------------------------------------------------------------------------- */

/* What a model that pools says to those who want text of it. */
static void set_no_text(struct session *s)
{
    error_set(&s->no_text, ERR_UNSUPPORTED,
              "%s is an embedding model (pooling %s): it gives %s, no text; stoker embed takes it", s->file->file->path,
              pooling_name(s->model->p.pooling), s->model->p.pooling == POOLING_RANK ? "scores" : "vectors");
}

static int check_use(struct session *s, enum session_use use, struct error *err)
{
    if (s->model->p.pooling)
        set_no_text(s);
    if (s->model->p.pooling && (use == SESSION_FOR_TEXT || use == SESSION_FOR_DRAFTS))
        *err = s->no_text;
    else if (!s->model->p.pooling && use == SESSION_FOR_VECTORS)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s generates text: no key says how its rows become vectors; --pooling mean or last would",
                         s->file->file->path);
    else
        return 0;
    return -1;
}

/* A model whose layer cannot be bound drafts by the other sources. */
static void bind_nextn(struct session *s)
{
    struct error why = {0};
    if (model_bind_nextn(s->model, &why))
        log_line(LOG_WARN, "%s; drafts are what texts repeat and constraints force", why.text);
}

/* Where drafts are priced, a layer that makes them stays bound if memory has a place for it. A model without one is no fault then: nobody
 * asked for the layer by name. */
static int plan_with_layer(struct session *s, const struct plan_request *request, struct error *err)
{
    if (plan_make(&s->plan, s->model, request, err))
        return -1;
    const struct model was = *s->model;
    if (!request->priced || !request->nextn || s->plan.n_draft == 0 || !model_predicts(s->model))
        return 0;
    bind_nextn(s);
    if (!s->model->nextn.proj || plan_add_drafts(&s->plan, s->model, request))
        return 0;
    model_unbind_nextn(s->model, &was);
    return plan_make(&s->plan, s->model, request, err); /* with what the layer's description has left in memory */
}

int session_prepare(struct session **out, const char *path, const struct session_options *opt, int keep,
                    struct error *err)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for a session");
    struct plan_request request = opt->plan_request;
    int planned = -1;
    s->kv = request.kv;
    int opened = opt->header_only ? gguf_open_header(&s->file, path, err) : gguf_open(&s->file, path, err);
    if (opened == 0 && model_open_as(&s->model, s->file, opt->pooling, err) == 0) {
        int failed = check_use(s, opt->use, err);
        if (!failed && request.nextn && !request.priced)
            bind_nextn(s);
        s->kv = request.kv = model_kv(s->model, request.kv);
        int has_tokenizer = !failed && opt->use != SESSION_FOR_DRAFTS &&
                            tokenizer_create(&s->tokenizer, s->file, NULL, &s->tokenizer_error) == 0;
        if (has_tokenizer && s->model->p.pooling) {
            request.text_bytes = tokenizer_bytes(s->tokenizer);
        } else if (has_tokenizer) {
            failed = token_trie_create(&s->trie, s->tokenizer, err) ||
                     templates_chat(&s->chat, s->file, s->tokenizer, opt->chat_template, opt->tool_format, err);
            if (!failed) {
                request.text_bytes = tokenizer_bytes(s->tokenizer) + token_trie_bytes(s->trie) + chat_bytes(s->chat);
                request.has_text = 1;
                request.constraint_state_bytes = constraint_start_bytes(s->trie) +
                                                 (uint64_t)s->model->p.n_vocab; /* its mask */
            }
        }
        s->request = request;
        planned = failed ? -1 : plan_with_layer(s, &request, err);
        atomic_store(&s->constraint_budget.left, s->plan.constraints.held);
        keep = keep && s->plan.minimum > 0;
    } else
        keep = 0;
    if (planned == 0 || keep) {
        *out = s;
        return planned;
    }
    session_close(s);
    return -1;
}

/* ---- loading ---------------------------------------------------------------------------------------------------------------- */

static int cut(struct session *s, struct arena *part, uint64_t bytes, struct error *err)
{
    void *p = arena_alloc_aligned(&s->memory, bytes, 4096);
    if (!p)
        return error_set(err, ERR_BUG, "the plan's mapping is too small");
    arena_init(part, p, bytes);
    return 0;
}

/* Swapping a page in is slower than reading an expert again. Each page is locked when it is first used: all are prefaulted at start. */
static int lock_memory(const struct session *s, struct error *err)
{
    struct rlimit limit = {0};
    if (mlock2(s->memory.base, s->memory.total, MLOCK_ONFAULT) == 0)
        return 0;
    int why = errno;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    return error_set(
        err, ERR_MEMORY,
        "--lock: %llu bytes cannot be locked (%s), the limit is %llu; raise it (ulimit -l, RLIMIT_MEMLOCK) or "
        "leave --lock out",
        (unsigned long long)s->memory.total, strerror(why), (unsigned long long)limit.rlim_cur);
}

/* The user may set a budget above the cgroup's limit. The warning comes before the kernel swaps stoker out or kills it. */
static void compare_with_limit(const struct plan *p)
{
    uint64_t limit = machine_limit(""), page = page_bytes();
    if (p->total / page > limit / page) /* limits are whole pages */
        log_line(LOG_WARN,
                 "the plan takes %llu bytes and the cgroup allows %llu: the kernel may swap stoker out or kill it; %s "
                 "%llu",
                 (unsigned long long)p->total, (unsigned long long)limit,
                 limit < p->minimum ? "raise the limit to" : "try --memory",
                 (unsigned long long)(limit < p->minimum ? p->total : limit));
}

static int map_memory(struct session *s, const struct plan_request *request, struct error *err)
{
    const struct plan *p = &s->plan;
    uint64_t slots = 0, pages = p->kv_bytes + p->prefix_bytes + p->part[PLAN_STATE] + (KV_KINDS + 1) * 4096;
    for (int i = 0; i < p->n_class; i++)
        slots += (uint64_t)p->slots[i] * p->class[i].slot_bytes;
    uint64_t tables = p->table_bytes + p->kv_table_bytes + p->prefix_table_bytes + reader_bytes(&request->reader) +
                      p->row_store_bytes + p->part[PLAN_LOGITS] + p->part[PLAN_IMPORTANCE] +
                      p->thread_bytes * (uint64_t)p->n_threads + 16 * 4096;
    uint64_t weights = p->part[PLAN_WEIGHTS] + p->part[PLAN_KV_B] + p->part[PLAN_ROWS] - p->row_store_bytes;
    uint64_t all = slots + pages + tables + weights + p->step_bytes + 8 * 4096;
    compare_with_limit(p);
    if (arena_map(&s->memory, all, err))
        return -1;
    if (request->lock && lock_memory(s, err))
        return -1;
    prefault_begin(&s->prefault, &s->memory, all - tables, s->pool);
    if (cut(s, &s->weights, weights, err) || cut(s, &s->slots, slots, err) || cut(s, &s->pages, pages, err) ||
        cut(s, &s->scratch, p->step_bytes, err) || cut(s, &s->table_memory, tables, err))
        return -1;
    return 0;
}

static int init_tables(struct session *s, struct error *err)
{
    const struct plan *p = &s->plan;
    struct session_tables *t = &s->tables;
    int n_vocab = model_out_width(s->model);
    const struct tables_request request = plan_tables(p, s->model);
    if (session_tables_alloc(t, &s->table_memory, &request))
        return error_set(err, ERR_BUG, "the plan's tables are too small");
    for (int i = 0; i < p->n_parallel && p->ngrams; i++)
        ngram_init(&t->ngram[i], t->ngram_memory + (size_t)i * ngram_bytes(p->n_ctx), p->n_ctx);
    for (int i = 0; i < p->n_parallel && p->nextn; i++)
        t->pairs.nextn[i] = (struct nextn){.h = t->pairs.nextn_h + (size_t)i * (size_t)nextn_rows(p->n_draft) *
                                                                       (size_t)model_h_width(s->model)};
    s->sampler = sampler_init(t->sampler, n_vocab);
    for (int i = 0; i < p->n_parallel; i++)
        t->sampling_history[i] = (struct sampling_history){.memory = t->history_memory + (size_t)i * t->history_bytes,
                                                           .breakers = t->breakers + (size_t)i * (size_t)n_vocab};
    return 0;
}

static int init_pages(struct session *s, enum kv_type type, struct error *err)
{
    struct model *m = s->model;
    const struct plan *p = &s->plan;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &m->kv_layout[k];
        struct kv_shape shape = kv_shape_as(kv->shape, type);
        if (kv_pool_init(&m->kv[k], &shape, kv->n_layer, kv->window, p->n_page[k], &s->pages, &s->table_memory))
            return error_set(err, ERR_BUG, "the plan's pages are too small");
        if (p->nextn)
            m->kv[k].nextn_bytes = m->kv[k].layer_bytes * (size_t)m->kept[m->p.n_layer].n_kv[k];
    }
    for (int i = 0; i < p->n_parallel; i++)
        if (seq_init(&s->tables.seq[i], m->kv, p->max_page, m->state_bytes, &s->table_memory, &s->pages))
            return error_set(err, ERR_BUG, "the plan's page tables are too small");
    for (int i = 0; i < p->n_draft && m->state_bytes; i++)
        if (!(s->tables.kept[i] = arena_alloc(&s->pages, state_pool_bytes(m->state_bytes, 1))))
            return error_set(err, ERR_BUG, "the plan's states of drafts are too small");
    if (state_pool_init(&s->states, m->state_bytes, p->n_state, &s->pages, &s->table_memory) ||
        prefix_init(&s->prefix, m->kv, &s->states, p->n_node, p->max_page, &s->table_memory))
        return error_set(err, ERR_BUG, "the plan's tables of prefixes are too small");
    return 0;
}

static int init_op(struct session *s, const struct session_options *opt, struct error *err)
{
    const struct plan *p = &s->plan;
    uint8_t *threads = arena_alloc(&s->table_memory, p->thread_bytes * (uint64_t)p->n_threads);
    if (!threads)
        return error_set(err, ERR_BUG, "the plan's scratch is too small");
    s->model->op = (struct op){.k = kernels_for(opt->tier),
                               .pool = s->pool,
                               .exact = opt->plan_request.exact,
                               .scratch = &s->scratch,
                               .thread_scratch = threads,
                               .thread_bytes = p->thread_bytes};
    return 0;
}

static void poll_reads(void *model)
{
    struct model *m = model;
    tables_poll(m);
    if (!m->store)
        return;
    store_poll(m->store);
    store_fill(m->store);
}

int session_read_idle(struct session *s)
{
    int busy = tables_poll(s->model);
    if (!s->model->store)
        return busy;
    store_poll(s->model->store);
    return store_fill(s->model->store) | busy;
}

static int init_tables_on_disk(struct session *s, struct error *err)
{
    struct model *m = s->model;
    for (int i = 0; i < m->n_table; i++) {
        struct row_table *t = &m->table[i];
        const struct gguf_tensor *x = t->weight->tensor;
        const struct row_source source = {
            s->file->file[x->file].path,    x->name, x->file, x->offset, t->weight->mat.row_bytes,
            (uint64_t)t->weight->mat.n_rows};
        if (t->weight->on_disk && row_store_create(&t->rows, &s->table_memory, s->reader, &source,
                                                   s->plan.n_chunk * t->n_take, s->plan.table_cells[i], err))
            return -1;
    }
    return 0;
}

static int init_store(struct session *s, struct error *err)
{
    struct model *m = s->model;
    m->op.poll = poll_reads;
    m->op.poll_arg = m;
    if (init_tables_on_disk(s, err))
        return -1;
    return s->plan.n_class ? store_create(&m->store, s->reader, m->expert_layer, model_layers(m), s->plan.slots,
                                          &s->slots, &s->table_memory, err)
                           : 0;
}

static void warn_of_context(const struct session *s)
{
    if (s->plan.n_ctx > s->model->p.n_ctx_train)
        log_line(LOG_WARN, "%s was trained on %d positions, the context has %d: answers get worse behind that",
                 s->file->file->path, s->model->p.n_ctx_train, s->plan.n_ctx);
}

static int start_pool(struct session *s, double spin_ms, struct error *err)
{
    if (pool_create(&s->pool, s->plan.n_threads, err))
        return -1;
    if (spin_ms > 0)
        pool_set_spin_ms(s->pool, spin_ms);
    return 0;
}

int session_load(struct session *s, const struct session_options *opt, struct error *err)
{
    const struct reader_options *how = &opt->plan_request.reader;
    warn_of_context(s);
    s->score_rows = MODEL_SCORE_ROWS;
    s->pool = opt->pool;
    s->shares_pool = opt->pool != NULL;
    if ((!s->pool && start_pool(s, opt->spin_ms, err)) || map_memory(s, &opt->plan_request, err) ||
        reader_open(&s->reader, s->file->file, s->file->n_file, how, &s->table_memory, err))
        return -1;
    if (how->mirror)
        reader_measure_drives(s->reader);
    if (init_tables(s, err) || init_pages(s, s->kv, err) || init_op(s, opt, err) || init_store(s, err))
        return -1;
    const struct traces_options traces = {opt->route_trace, opt->cache_log, s->plan.n_chunk, reader_align(s->reader)};
    if (traces_open(&s->model->traces, s->model, &traces, err))
        return -1;
    uint8_t *bounce = arena_alloc_aligned(&s->scratch, WEIGHTS_BOUNCE, 4096);
    if (!bounce)
        return error_set(err, ERR_BUG, "the plan's scratch is too small to load weights through");
    if (model_load(s->model, s->reader, &s->weights, bounce, WEIGHTS_BOUNCE, opt->progress, opt->progress_arg, err))
        return -1;
    arena_reset(&s->scratch, 0);
    if (s->model->collects && collector_make(&s->model->collector, s->model, &s->table_memory))
        return error_set(err, ERR_BUG, "the plan's memory of importance is too small");
    const uint64_t computed[] = {model_identity(s->model), (uint64_t)s->kv, (uint64_t)opt->plan_request.exact};
    s->prefix.base = hash64(computed, sizeof computed, 0);
    return 0;
}

void session_end_reading(struct session *s)
{
    uint64_t until = clock_ns() + rows_wait_ns;
    if (s->model) {
        store_destroy(s->model->store);
        s->model->store = NULL;
        for (int t = 0; t < s->model->n_table; t++) {
            row_store_destroy(s->model->table[t].rows, until);
            s->model->table[t].rows = NULL;
        }
    }
    if (s->reader)
        reader_close(s->reader);
    s->reader = NULL;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    if (s->model)
        traces_close(s->model->traces);
    session_end_reading(s);
    if (!s->shares_pool)
        pool_destroy(s->pool);
    prefault_end(&s->prefault);
    arena_unmap(&s->memory); /* a device may still write into it: the kernel keeps those pages until it is done */
    chat_destroy(s->chat);
    token_trie_destroy(s->trie);
    tokenizer_destroy(s->tokenizer);
    model_close(s->model);
    gguf_close(s->file);
    free(s);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------ */

struct batch session_batch(struct session *s)
{
    return (struct batch){.token = s->tables.token,
                          .seq = s->tables.row_seq,
                          .pos = s->tables.pos,
                          .logit_row = s->tables.logit_row,
                          .scored_row = s->tables.scored_row,
                          .score_rows = s->score_rows,
                          .logits = s->tables.logits,
                          .hidden = s->tables.logits, /* of a model that pools: as wide as the table was made */
                          .h = s->plan.nextn ? s->tables.pairs.h : NULL,
                          .capacity = s->plan.n_chunk,
                          .dead = s->tables.dead};
}

struct batch session_pairs(struct session *s)
{
    const struct pair_tables *t = &s->tables.pairs;
    return (struct batch){.token = t->token,
                          .seq = t->row_seq,
                          .pos = t->pos,
                          .logit_row = t->logit_row,
                          .logits = s->tables.logits,
                          .h = t->h,
                          .capacity = s->plan.n_chunk,
                          .dead = t->dead};
}

void pairs_add(struct session *s, struct batch *b, struct sequence *seq, int32_t token, int pos, int with_logits)
{
    struct pair_tables *t = &s->tables.pairs;
    t->token[b->n_rows] = token;
    t->pos[b->n_rows] = pos;
    t->row_seq[b->n_rows] = seq;
    if (with_logits)
        t->logit_row[b->n_logits++] = b->n_rows;
    b->n_rows++;
}

int batch_add(struct session *s, struct batch *b, struct sequence *seq, int32_t token, int pos, int with_logits)
{
    if (b->n_rows >= b->capacity || (with_logits && b->n_logits >= s->plan.n_logits) || seq_reserve(seq, pos + 1))
        return -1;
    s->tables.token[b->n_rows] = token;
    s->tables.pos[b->n_rows] = pos;
    s->tables.row_seq[b->n_rows] = seq;
    if (with_logits)
        s->tables.logit_row[b->n_logits++] = b->n_rows;
    b->n_rows++;
    return 0;
}

void batch_score(struct session *s, struct batch *b) { s->tables.scored_row[b->n_scored++] = b->n_rows - 1; }

void session_draft(struct session *s, struct batch *b, struct sequence *seq, int n)
{
    seq->kept = seq->state ? s->tables.kept + b->n_drafted : NULL;
    b->n_drafted += n;
}

void session_refuse(struct batch *b, int first, int n, int n_right)
{
    struct sequence *seq = b->seq[first];
    if (n_right < n)
        seq_go_back(seq, n_right);
    for (int r = first + n_right; r < first + n; r++)
        b->dead[r] = ROW_REFUSED;
    seq->kept = NULL;
}

void session_commit(struct batch *b)
{
    for (int r = 0; r < b->n_rows; r++)
        if (b->dead[r] == ROW_REFUSED) /* behind those of its sequence that hold */
            seq_trim(b->seq[r]);
        else if (b->dead[r])
            seq_invalidate(b->seq[r]);
        else if (b->seq[r]->n_pos < b->pos[r] + 1)
            seq_commit(b->seq[r], b->pos[r] + 1);
}
