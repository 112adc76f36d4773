/* The plan as `serve` tells it when it starts: see cli.h. */
#include "base/log.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define MIB UINT64_C(1048576)

/* A list that grows; what does not fit as a whole is left out. A line of the log has 479 bytes. */
struct list {
    char text[460];
    size_t n;
};

static void __attribute__((format(printf, 2, 3))) add(struct list *l, const char *format, ...)
{
    va_list args;
    char one[200];
    const char *comma = l->n ? "; " : "";
    va_start(args, format);
    vsnprintf(one, sizeof one, format, args);
    va_end(args);
    if (l->n + strlen(comma) + strlen(one) < sizeof l->text)
        l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%s", comma, one);
}

static uint64_t part(const struct stoker_plan *p, const char *name)
{
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        if (strcmp(p->part_name[i], name) == 0)
            return p->part[i];
    return 0;
}

/* " --memory N" where a flag would be refused without it. */
static const char *with_memory(const struct stoker_plan *p, uint64_t least, char *out, size_t n)
{
    out[0] = 0;
    if (least > p->memory)
        snprintf(out, n, " --memory %" PRIu64 "MiB", least / MIB + 1);
    return out;
}

int predicted_digits(double n) { return n < 10 ? 2 : n < 100 ? 1 : 0; }

const char *show_further(const struct stoker_plan *p)
{
    if (!part(p, "draft"))
        return "shorter texts of --embed and --rerank";
    return part(p, "embed") || part(p, "rerank") ? "shorter texts of the models beside it"
                                                 : "a shorter context or fewer sequences of --draft";
}

const char *show_drafts(const struct stoker_plan *p)
{
    static _Thread_local char text[40];
    if (p->n_draft == 0)
        return "no drafts";
    snprintf(text, sizeof text, "at most %d draft%s a step", p->n_draft, p->n_draft == 1 ? "" : "s");
    return text;
}

static void log_speed(const struct stoker_plan *p)
{
    double rate = p->n_parallel / p->step_seconds;
    log_line(
        LOG_INFO,
        "plan: context %d, %d sequence%s, chunks of %d rows, %s; predicted: a prompt of %d tokens in %.*f s, then %.*f "
        "tokens/s%s; rates are assumed, stoker plan --measure measures them",
        p->n_ctx, p->n_parallel, p->n_parallel == 1 ? "" : "s", p->n_chunk, show_drafts(p), p->prompt_tokens,
        predicted_digits(p->prompt_seconds), p->prompt_seconds, predicted_digits(rate), rate,
        p->n_parallel == 1 ? "" : " in all");
}

static void log_memory(const struct stoker_plan *p)
{
    struct list l = {{0}, 0};
    int held = 0, all = 0;
    for (int i = 0; i < p->n_class; i++) {
        held += p->slots[i];
        all += p->experts[i];
    }
    add(&l, "memory %s planned%s", show_bytes(p->total), show_budget(p));
    if (all)
        add(&l, "%d of %d experts held, %s", held, all, show_bytes(part(p, "slots")));
    if (p->draft_layer.weight_bytes)
        add(&l, "of which the layer that drafts has %d, beside %s of weights", p->draft_layer.n_expert,
            show_bytes(p->draft_layer.weight_bytes));
    add(&l, "keys, values and states %s", show_bytes(part(p, "kv") + part(p, "state")));
    add(&l, "known prefixes beside them %s", show_bytes(part(p, "prefix")));
    add(&l, "requests %s", show_bytes(part(p, "server")));
    if (part(p, "embed"))
        add(&l, "the model of --embed %s", show_bytes(part(p, "embed")));
    if (part(p, "rerank"))
        add(&l, "the model of --rerank %s", show_bytes(part(p, "rerank")));
    if (part(p, "draft"))
        add(&l, "the model of --draft %s", show_bytes(part(p, "draft")));
    add(&l, "the weights of every token, and all else, %s",
        show_bytes(p->total - part(p, "slots") - part(p, "kv") - part(p, "state") - part(p, "prefix") -
                   part(p, "server") - part(p, "embed") - part(p, "rerank") - part(p, "draft")));
    log_line(LOG_INFO, "plan: %s", l.text);
}

/* The cache, or the copies of states beside it. */
static void add_prefixes(struct list *l, const struct stoker_plan *p)
{
    char more[40];
    if (p->cut_prefix == 2)
        add(l, "copies of states (--snapshots 4)");
    else
        add(l, "%s instead of %s for prefixes (--cache-ram %" PRIu64 "M%s)", show_bytes(part(p, "prefix")),
            show_bytes(p->asked_cache), (p->asked_cache + MIB - 1) / MIB,
            with_memory(p, p->cache_minimum, more, sizeof more));
}

static void log_cuts(const struct stoker_plan *p)
{
    struct list l = {{0}, 0};
    char more[40];
    if (p->cut_context)
        add(&l, "context %d instead of %d (back with --ctx %d%s)", p->n_ctx, p->asked_ctx, p->asked_ctx,
            with_memory(p, p->ctx_minimum, more, sizeof more));
    if (p->cut_encoders)
        add(&l, "%s (not with --memory %" PRIu64 "MiB)", show_further(p), p->whole / MIB + 1);
    if (p->cut_capture)
        add(&l, "%s for recorded rows (--capture-memory)", show_bytes(part(p, "capture")));
    if (p->cut_sequences)
        add(&l, "%d sequence%s instead of %d (--parallel %d%s)", p->n_parallel, p->n_parallel == 1 ? "" : "s",
            p->asked_parallel, p->asked_parallel, with_memory(p, p->parallel_minimum, more, sizeof more));
    if (p->cut_prefix)
        add_prefixes(&l, p);
    if (p->cut_chunk)
        add(&l, "chunks of %d rows instead of 512 (--chunk 512%s)", p->n_chunk,
            with_memory(p, p->chunk_minimum, more, sizeof more));
    if (p->cut_drafts)
        add(&l, "drafts (--draft ngram%s)",
            *with_memory(p, p->draft_minimum, more, sizeof more) ? more : ", in place of something else");
    if (p->cut_experts)
        add(&l, "experts stream (not with --memory %" PRIu64 "MiB)", p->whole / MIB + 1);
    else if (p->cut_embedding)
        add(&l, "embeddings are on the drive (not with --memory %" PRIu64 "MiB)", p->whole / MIB + 1);
    if (l.n)
        log_line(LOG_INFO, "plan: given up: %s", l.text);
    else
        log_line(LOG_INFO, "plan: nothing is given up: there is memory for the whole model");
}

const char *rope_factors_name(const struct stoker_plan *p) { return p->asked_ctx > p->n_ctx_short ? "long" : "short"; }

void log_plan(const struct stoker_plan *p)
{
    log_speed(p);
    log_memory(p);
    log_cuts(p);
}
