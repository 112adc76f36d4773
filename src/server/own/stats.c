/* Numbers: /slots, /metrics (Prometheus text 0.0.4), /stoker/stats, /stoker/events, /stoker/plan. None of them waits for the engine. */
#include "base/clock.h"
#include "mcp/mcp.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/own.h"
#include "server/own/roof.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <limits.h>

enum { EVENT_MS = 500, SLOTS_MOST = 128 };

/* ---- sequences ------------------------------------------------------------------------------------------------------------- */

static void put_slots(struct out *o, struct server *s)
{
    static const char *const states[] = {"idle", "prefill", "decode"};
    struct stoker_slot slot[SLOTS_MOST];
    int n = stoker_slots(s->engine, slot, SLOTS_MOST);
    out_print(o, "[");
    for (int i = 0; i < n && i < SLOTS_MOST; i++)
        out_print(
            o,
            "%s{\"id\":%d,\"n_ctx\":%d,\"is_processing\":%s,\"state\":\"%s\",\"n_prompt\":%zu,\"n_prompt_done\":%zu,"
            "\"n_cached\":%zu,\"n_decoded\":%zu,\"age_ms\":%.0f}",
            i ? "," : "", i, s->plan.n_ctx, slot[i].state == STOKER_IDLE ? "false" : "true", states[slot[i].state],
            slot[i].n_prompt, slot[i].n_prompt_done, slot[i].n_cached, slot[i].n_decoded, slot[i].age_seconds * 1e3);
    out_print(o, "]");
}

void own_slots(struct http_exchange *x)
{
    struct out o = {0};
    put_slots(&o, x->server);
    http_answer_json(x, &o);
}

/* ---- the panel ------------------------------------------------------------------------------------------------------------- */

/* Positions behind which the sequences are that run now, together: each step reads what they keep. */
static int positions_now(struct stoker *engine)
{
    struct stoker_slot slot[SLOTS_MOST];
    int n = stoker_slots(engine, slot, SLOTS_MOST);
    size_t sum = 0;
    for (int i = 0; i < n && i < SLOTS_MOST; i++)
        if (slot[i].state != STOKER_IDLE)
            sum += slot[i].n_prompt_done + slot[i].n_decoded;
    return sum < INT_MAX / 2 ? (int)sum : INT_MAX / 2;
}

/* Bytes that the steps between two readings took of memory at least (bench.md 3). */
static double memory_bytes(struct stoker *engine, const struct stoker_stats *last, const struct stoker_stats *now)
{
    uint64_t answers = now->generated_tokens - last->generated_tokens,
             rows = now->prompt_tokens - now->cached_tokens - (last->prompt_tokens - last->cached_tokens) + answers,
             steps = now->steps - last->steps;
    struct stoker_work work;
    if (rows == 0 || steps == 0 || rows > INT_MAX / 2 || steps > rows)
        return -1;
    int behind = positions_now(engine) - (int)rows; /* when they began */
    struct stoker_rows r = {.n_before = behind > 0 ? behind : 0,
                            .n_rows = (int)rows,
                            .n_steps = (int)steps,
                            .n_logits = (int)answers,
                            .n_experts = (double)(now->hits + now->misses - last->hits - last->misses)};
    stoker_work_of(engine, &r, &work);
    return work.memory_bytes;
}

/* Rates over the last half second or more, as far as the engine computed in it: a short answer shows its speed, not the pause behind it.
 * Those of nothing stay as they were, so that an idle server shows its last figures. */
static struct rates rates_now(struct server *s, const struct stoker_stats *now)
{
    pthread_mutex_lock(&s->http->lock);
    struct rates *r = &s->rates;
    const struct stoker_stats *last = &r->last;
    uint64_t at = clock_ns();
    double seconds = (double)(at - r->at_ns) * 1e-9, busy = now->step_seconds - last->step_seconds;
    if (seconds >= 0.9e-3 * EVENT_MS && busy > 0.001) {
        uint64_t computed = now->prompt_tokens - now->cached_tokens - (last->prompt_tokens - last->cached_tokens);
        uint64_t hits = now->hits - last->hits, asked = hits + now->misses - last->misses;
        if (now->generated_tokens > last->generated_tokens)
            r->tps = (double)(now->generated_tokens - last->generated_tokens) / busy;
        if (computed)
            r->prompt_tps = (double)computed / busy;
        if (asked) {
            r->hit_rate = (double)hits / (double)asked;
            r->read_mbps = (double)(now->bytes_read - last->bytes_read) * 1e-6 / busy;
        }
        double bytes = memory_bytes(s->engine, last, now);
        r->memory_mbps = bytes < 0 ? r->memory_mbps : bytes * 1e-6 / busy;
        r->last = *now;
        r->at_ns = at;
    }
    struct rates out = *r;
    pthread_mutex_unlock(&s->http->lock);
    return out;
}

static void put_figure(struct out *o, const char *name, double v)
{
    out_print(o, "\"%s\":", name);
    if (v < 0)
        out_print(o, "null");
    else
        out_real(o, v);
    out_print(o, ",");
}

static double known_mbps(double rate) { return rate > 0 ? rate * 1e-6 : -1; }

static void put_stats(struct out *o, struct server *s)
{
    struct stoker_stats now;
    stoker_stats_of(s->engine, &now);
    struct rates r = rates_now(s, &now);
    double ttft = atomic_load(&s->count.ttft_seconds);
    out_print(o, "{");
    put_figure(o, "tps", r.tps);
    put_figure(o, "prompt_tps", r.prompt_tps);
    put_figure(o, "ttft_ms", ttft > 0 ? ttft * 1e3 : -1);
    put_figure(o, "hit_rate", r.hit_rate);
    put_figure(o, "read_mbps", r.read_mbps);
    put_figure(o, "memory_mbps", r.memory_mbps);
    put_figure(o, "memory_roof_mbps", known_mbps(atomic_load(&s->roof.rate)));
    put_figure(o, "drive_roof_mbps", known_mbps(s->opt.roofs.drive));
    out_print(o,
              "\"queue_depth\":%d,\"active\":%d,\"requests\":%" PRIu64 ",\"prompt_tokens\":%" PRIu64
              ",\"cached_tokens\":%" PRIu64 ",\"generated_tokens\":%" PRIu64 ",\"drafted_tokens\":%" PRIu64
              ",\"accepted_tokens\":%" PRIu64 ",\"cancelled\":%" PRIu64 ",\"rejected\":%" PRIu64
              ",\"preempted\":%" PRIu64 ",",
              now.queued, now.active, now.requests, now.prompt_tokens, now.cached_tokens, now.generated_tokens,
              now.drafted_tokens, now.accepted_tokens, now.cancelled, now.rejected, now.preempted);
    out_print(o,
              "\"expert_hits\":%" PRIu64 ",\"expert_misses\":%" PRIu64 ",\"disk_read_bytes\":%" PRIu64
              ",\"steps\":%" PRIu64 ",\"cache_ram_bytes\":%" PRIu64 ",\"cache_disk_bytes\":%" PRIu64 ",\"slots\":",
              now.hits, now.misses, now.bytes_read, now.steps, now.cache_bytes[STOKER_RAM],
              now.cache_bytes[STOKER_DISK]);
    put_slots(o, s);
    out_print(o, "}");
}

void own_stats(struct http_exchange *x)
{
    struct out o = {0};
    put_stats(&o, x->server);
    http_answer_json(x, &o);
}

/* Until the client goes, or the server stops: a panel must not hold it up. */
void own_events(struct http_exchange *x)
{
    struct out o = {0};
    struct roof_watch watch = {0};
    int bad = http_stream_begin(x, "text/event-stream");
    while (!bad && atomic_load(&x->server->state) == SERVER_READY) {
        o.n = 0;
        out_print(&o, "data: ");
        put_stats(&o, x->server);
        out_print(&o, "\n\n");
        bad = o.failed || http_stream_write(x, o.text, o.n) || http_wait(x, EVENT_MS) != HTTP_TIMEOUT;
        if (!bad)
            roof_look(x->server, &watch);
    }
    out_free(&o);
    http_stream_end(x);
}

/* ---- the plan -------------------------------------------------------------------------------------------------------------- */

void own_plan(struct http_exchange *x)
{
    const struct stoker_plan *p = &x->server->plan;
    struct out o = {0};
    out_print(&o, "{\"limit\":%" PRIu64 ",\"total\":%" PRIu64 ",\"limit_from\":\"%s\",\"n_ctx\":%d,\"parts\":[",
              p->memory, p->total, p->memory_from, p->n_ctx);
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        out_print(&o, "%s{\"name\":\"%s\",\"bytes\":%" PRIu64 "}", i ? "," : "", p->part_name[i], p->part[i]);
    out_print(&o, "]}");
    http_answer_json(x, &o);
}

/* ---- metrics --------------------------------------------------------------------------------------------------------------- */

static void put_family(struct out *o, const char *name, const char *type, const char *help)
{
    out_print(o, "# HELP stoker_%s %s\n# TYPE stoker_%s %s\n", name, help, name, type);
}

static void put_counter(struct out *o, const char *name, uint64_t v, const char *help)
{
    put_family(o, name, "counter", help);
    out_print(o, "stoker_%s %" PRIu64 "\n", name, v);
}

static void put_gauge(struct out *o, const char *name, uint64_t v, const char *help)
{
    put_family(o, name, "gauge", help);
    out_print(o, "stoker_%s %" PRIu64 "\n", name, v);
}

static void put_histogram(struct out *o, const char *name, const struct stoker_histogram *h, const char *help)
{
    uint64_t sum = 0;
    put_family(o, name, "histogram", help);
    for (int i = 0; i < STOKER_BUCKETS - 1; i++) {
        sum += h->n[i];
        out_print(o, "stoker_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, stoker_histogram_bound(i), sum);
    }
    out_print(o, "stoker_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nstoker_%s_sum %.9g\nstoker_%s_count %" PRIu64 "\n", name,
              h->count, name, h->sum, name, h->count);
}

/* Of models of vectors and scores, beside a model that generates or alone: zeros where the server has none. */
static void put_encoders(struct out *o, const struct server *s)
{
    struct stoker_stats of[STOKER_ROLES] = {{.hits = 0}};
    for (int i = 0; i < STOKER_ROLES; i++) {
        struct stoker *e = stoker_encoder(s->engine, (enum stoker_role)i);
        if (e)
            stoker_stats_of(e, &of[i]);
    }
    put_counter(o, "embed_texts_total", of[STOKER_EMBED].texts, "Texts that became vectors.");
    put_counter(o, "embed_tokens_total", of[STOKER_EMBED].text_tokens, "Their tokens.");
    put_counter(o, "rerank_pairs_total", of[STOKER_RERANK].texts, "Pairs of a query and a document that were judged.");
    put_counter(o, "rerank_tokens_total", of[STOKER_RERANK].text_tokens, "Their tokens.");
    put_histogram(o, "embed_step_seconds", &of[STOKER_EMBED].step_time,
                  "Time of a step of the model of vectors, without its pauses.");
    put_histogram(o, "rerank_step_seconds", &of[STOKER_RERANK].step_time,
                  "Time of a step of the model of scores, without its pauses.");
}

static void put_requests(struct out *o, const struct server *s)
{
    const struct http_app *app = s->http;
    put_family(o, "requests_total", "counter", "Requests by route and status.");
    for (size_t i = 0; i <= app->n_route; i++)
        for (size_t k = 0; k < STATUS_MOST; k++) {
            uint64_t v = atomic_load(&app->requests[i][k]);
            if (v)
                out_print(o, "stoker_requests_total{route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
                          i < app->n_route ? app->route[i].path : "none", http_status_at(k), v);
        }
}

/* Of servers of CONFIG, whose names may have any character that is printed. */
static void put_mcp(struct out *o, const struct server *s)
{
    static const char *const statuses[SERVER_MCP_STATUSES] = {
        [SERVER_MCP_OK] = "ok", [SERVER_MCP_ERROR] = "error", [SERVER_MCP_CANCELLED] = "cancelled"};
    struct mcp_state state;
    if (!s->opt.mcp)
        return;
    put_family(o, "mcp_calls_total", "counter", "Calls of tools of MCP servers, by how they ended.");
    for (int i = 0; mcp_state(s->opt.mcp, i, &state); i++)
        for (int k = 0; k < SERVER_MCP_STATUSES; k++) {
            out_print(o, "stoker_mcp_calls_total{server=\"");
            for (const char *c = state.name; *c; c++)
                out_print(o, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
            out_print(o, "\",status=\"%s\"} %" PRIuFAST64 "\n", statuses[k], atomic_load(&s->count.mcp_calls[i][k]));
        }
}

static void put_tiers(struct out *o, const struct stoker_stats *now)
{
    static const char *const tiers[STOKER_TIERS] = {[STOKER_RAM] = "ram", [STOKER_DISK] = "disk"};
    put_family(o, "prefix_cache_bytes", "gauge", "Bytes of cached prefixes.");
    for (int i = 0; i < STOKER_TIERS; i++)
        out_print(o, "stoker_prefix_cache_bytes{tier=\"%s\"} %" PRIu64 "\n", tiers[i], now->cache_bytes[i]);
    put_family(o, "prefix_cache_hits_total", "counter", "Requests that went on from a cached prefix.");
    for (int i = 0; i < STOKER_TIERS; i++)
        out_print(o, "stoker_prefix_cache_hits_total{tier=\"%s\"} %" PRIu64 "\n", tiers[i], now->cache_hits[i]);
    put_counter(o, "prefix_cache_corrupt_total", now->cache_corrupt,
                "Files of the cache that were damaged, and are gone.");
}

static void put_constraints(struct out *o, const struct stoker_stats *now)
{
    put_counter(o, "constraint_hits_total", now->constraint_hits, "Requests whose constraint was compiled already.");
    put_counter(o, "constraints_compiled_total", now->constraints_compiled, "Constraints that were compiled.");
    put_counter(o, "constraints_failed_total", now->constraints_failed, "Compilations that were refused or given up.");
    put_counter(o, "constraints_evicted_total", now->constraints_evicted, "Constraints forgotten for want of memory.");
    put_gauge(o, "constraint_bytes", now->constraint_bytes, "Memory of compiled constraints.");
    put_gauge(o, "mask_work_most", now->mask_work_most, "Work of masks between two steps, the most so far.");
    put_gauge(o, "mask_work_bound", now->mask_work_bound, "What it may be; a unit is some 10 ns.");
}

static void put_energy(struct out *o, const struct stoker_stats *now)
{
    if (now->no_energy) {
        out_print(o, "# stoker_energy_joules_total: %s.\n", now->no_energy);
        return;
    }
    put_family(o, "energy_joules_total", "counter", "Energy of the processors and their memory, whoever used it.");
    out_print(o, "stoker_energy_joules_total %.3f\n", now->energy_joules);
}

static void put_memory(struct out *o, const struct stoker_plan *p)
{
    put_family(o, "memory_bytes", "gauge", "The memory plan.");
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        out_print(o, "stoker_memory_bytes{part=\"%s\"} %" PRIu64 "\n", p->part_name[i], p->part[i]);
    put_gauge(o, "memory_planned_bytes", p->total, "Its sum.");
    put_gauge(o, "memory_limit_bytes", p->memory, "The limit that the plan keeps.");
}

void own_metrics(struct http_exchange *x)
{
    struct server *s = x->server;
    const struct server_counters *c = &s->count;
    struct stoker_stats now;
    struct out o = {0};
    stoker_stats_of(s->engine, &now);
    put_requests(&o, s);
    put_counter(&o, "prompt_tokens_total", atomic_load(&c->prompt_tokens), "Tokens of prompts.");
    put_counter(&o, "prompt_tokens_cached_total", atomic_load(&c->cached_tokens), "Of them, not computed again.");
    put_counter(&o, "generated_tokens_total", atomic_load(&c->generated_tokens), "Tokens of answers.");
    put_counter(&o, "scored_tokens_total", now.scored_tokens,
                "Tokens of prompts whose log-probabilities were asked for.");
    put_counter(&o, "drafted_tokens_total", now.drafted_tokens, "Tokens that were computed before they were chosen.");
    put_counter(&o, "accepted_tokens_total", now.accepted_tokens, "Of them, those that were chosen.");
    put_counter(&o, "cancelled_total", atomic_load(&c->cancelled), "Requests whose client went.");
    put_counter(&o, "rejected_total", atomic_load(&c->rejected), "Requests that found the queue full.");
    put_counter(&o, "preempted_total", now.preempted, "Sequences that gave their memory to others and began again.");
    put_gauge(&o, "requests_running", http_n_running(s->http) - 1, "Requests at work, but this one; waiting ones too.");
    put_gauge(&o, "queue_depth", (uint64_t)now.queued, "Requests that wait for a sequence.");
    put_gauge(&o, "sequences_active", (uint64_t)now.active, "Sequences that run.");
    put_histogram(&o, "step_seconds", &now.step_time, "Time of a step of the served model.");
    put_histogram(&o, "ttft_seconds", &now.first_token_time, "Time from a request to its first token.");
    put_encoders(&o, s);
    put_counter(&o, "expert_hits_total", now.hits, "Experts that were resident when a layer asked for them.");
    put_counter(&o, "expert_misses_total", now.misses, "Experts that were read when a layer asked for them.");
    put_counter(&o, "disk_read_bytes_total", now.bytes_read, "Bytes of experts read.");
    put_counter(&o, "captured_bytes_total", now.captured_bytes, "Bytes of recorded activations.");
    put_counter(&o, "steered_rows_total", now.steered_rows, "Rows of requests that are steered.");
    put_gauge(&o, "vector_bytes", now.vector_bytes, "Memory of control vectors.");
    put_energy(&o, &now);
    put_memory(&o, &s->plan);
    put_tiers(&o, &now);
    put_constraints(&o, &now);
    put_family(&o, "stabilize_total", "counter", "Uses of the rules of --stabilize.");
    for (int i = 0; i < 4; i++)
        out_print(&o, "stoker_stabilize_total{rule=\"R%d\"} %" PRIuFAST64 "\n", i + 1, atomic_load(&c->stabilized[i]));
    put_mcp(&o, s);
    http_answer_out(x, "text/plain; version=0.0.4", &o);
}
