/* What streaming did, for people and for programs: the names of streaming.md F.
 *
 *     hits misses evictions early early_used early_waste       experts
 *     reads bytes_read retries short failed draining            reads
 *     read_MBps depth_mean                                      while at least one is in flight
 *     wait_ms compute_ms disk_idle_ms                           blocked on a read; the rest; no read in flight
 *
 * And what each table on disk did: wanted, unique, cached, reads, bytes, late, wait_ms. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

struct figure {
    const char *name;
    double sum;
    int whole;     /* a count */
    int per_token; /* its share of a token means something */
};

enum { MOST_FIGURES = 24 };

static int asked(const struct stoker_stats *a, const struct stoker_stats *b)
{
    return b->hits + b->misses > a->hits + a->misses;
}

static double rate_of(double bytes, double seconds) { return seconds > 0 ? bytes / seconds / 1e6 : 0; }

static int figures(const struct stoker_stats *a, const struct stoker_stats *b, struct figure *out)
{
    double reading = b->reading_seconds - a->reading_seconds, bytes = (double)(b->bytes_read - a->bytes_read);
    double step = b->step_seconds - a->step_seconds, wait = b->wait_seconds - a->wait_seconds;
    double pieces = b->piece_seconds - a->piece_seconds, idle = step > reading ? step - reading : 0;
    const struct figure all[] = {
        {"hits", (double)(b->hits - a->hits), 1, 1},
        {"misses", (double)(b->misses - a->misses), 1, 1},
        {"evictions", (double)(b->evictions - a->evictions), 1, 1},
        {"early", (double)(b->early - a->early), 1, 1},
        {"early_used", (double)(b->early_used - a->early_used), 1, 1},
        {"early_waste", (double)(b->early_waste - a->early_waste), 1, 1},
        {"reads", (double)(b->reads - a->reads), 1, 1},
        {"bytes_read", bytes, 1, 1},
        {"retries", (double)(b->retries - a->retries), 1, 0},
        {"short", (double)(b->shorts - a->shorts), 1, 0},
        {"failed", (double)(b->failed - a->failed), 1, 0},
        {"draining", (double)b->draining, 1, 0},
        {"read_MBps", rate_of(bytes, reading), 0, 0},
        {"depth_mean", reading > 0 ? pieces / reading : 0, 0, 0},
        {"wait_ms", wait * 1e3, 0, 1},
        {"compute_ms", (step - wait) * 1e3, 0, 1},
        {"disk_idle_ms", idle * 1e3, 0, 1},
    };
    memcpy(out, all, sizeof all);
    return (int)(sizeof all / sizeof *all);
}

void print_drafts(FILE *f, const char *indent, const struct stoker_stats *a, const struct stoker_stats *b)
{
    if (b->drafted_tokens > a->drafted_tokens)
        fprintf(f, "%sdrafts %llu tokens, of which %llu were chosen\n", indent,
                (unsigned long long)(b->drafted_tokens - a->drafted_tokens),
                (unsigned long long)(b->accepted_tokens - a->accepted_tokens));
}

void print_stream_line(FILE *f, const char *indent, const struct stoker_stats *a, const struct stoker_stats *b,
                       size_t n_tokens)
{
    uint64_t hits = b->hits - a->hits, misses = b->misses - a->misses, bytes = b->bytes_read - a->bytes_read;
    double n = n_tokens ? (double)n_tokens : 1, ms = 1e3 / n;
    if (!asked(a, b))
        return;
    fprintf(f, "%sexperts %.1f %% hits, %s/token at %.0f MB/s, waited %.3g of %.4g ms a token\n", indent,
            100.0 * (double)hits / (double)(hits + misses), show_bytes((uint64_t)((double)bytes / n)),
            rate_of((double)bytes, b->reading_seconds - a->reading_seconds), (b->wait_seconds - a->wait_seconds) * ms,
            (b->step_seconds - a->step_seconds) * ms);
}

/* What table i on disk did between a and b. */
static struct stoker_table_stats table_between(const struct stoker_stats *a, const struct stoker_stats *b, int i)
{
    const struct stoker_table_stats *x = &a->table[i], *y = &b->table[i];
    return (struct stoker_table_stats){.name = y->name,
                                       .wanted = y->wanted - x->wanted,
                                       .unique = y->unique - x->unique,
                                       .cached = y->cached - x->cached,
                                       .reads = y->reads - x->reads,
                                       .bytes = y->bytes - x->bytes,
                                       .takes = y->takes - x->takes,
                                       .late = y->late - x->late,
                                       .wait_seconds = y->wait_seconds - x->wait_seconds};
}

void print_table_lines(FILE *f, const struct stoker_stats *a, const struct stoker_stats *b)
{
    for (int i = 0; i < b->n_table; i++) {
        const struct stoker_table_stats t = table_between(a, b, i);
        fprintf(f,
                "rows of %s: wanted %" PRIu64 ", unique %" PRIu64 ", cached %" PRIu64 ", reads %" PRIu64
                ", %s, waited %.3g ms (%" PRIu64 " of %" PRIu64 " times)\n",
                t.name, t.wanted, t.unique, t.cached, t.reads, show_bytes(t.bytes), t.wait_seconds * 1e3, t.late,
                t.takes);
    }
}

void print_energy_line(FILE *f, const struct stoker_stats *a, const struct stoker_stats *b, size_t n_tokens)
{
    if (b->no_energy)
        fprintf(f, "%s\n", b->no_energy);
    else if (n_tokens)
        fprintf(f, "energy %.3g J a token\n", (b->energy_joules - a->energy_joules) / (double)n_tokens);
}

static void add_tables_json(json_t *o, const struct stoker_stats *a, const struct stoker_stats *b)
{
    json_t *all = json_array();
    for (int i = 0; i < b->n_table; i++) {
        const struct stoker_table_stats t = table_between(a, b, i);
        json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "name", t.name, "wanted",
                                             (json_int_t)t.wanted, "unique", (json_int_t)t.unique, "cached",
                                             (json_int_t)t.cached, "reads", (json_int_t)t.reads, "bytes",
                                             (json_int_t)t.bytes, "takes", (json_int_t)t.takes, "late",
                                             (json_int_t)t.late, "wait_ms", t.wait_seconds * 1e3));
    }
    json_object_set_new(o, "tables", all);
}

void print_stream_table(FILE *f, const struct stoker_plan *p, const struct stoker_stats *a,
                        const struct stoker_stats *b, size_t n_tokens)
{
    struct figure x[MOST_FIGURES];
    if (!asked(a, b))
        return;
    fprintf(f, "%-14s%16s%14s\n", "streaming", "sum", "per token");
    for (int i = 0, n = figures(a, b, x); i < n; i++) {
        fprintf(f, "%-14s%16.*f", x[i].name, !x[i].whole, x[i].sum);
        if (x[i].per_token && n_tokens)
            fprintf(f, "%14.2f", x[i].sum / (double)n_tokens);
        fputc('\n', f);
    }
    fprintf(f, "%-14s", "slots");
    for (int c = 0; c < p->n_class; c++)
        fprintf(f, "%s%d of %d", c ? ", " : "", p->slots[c], p->experts[c]);
    fprintf(f, "\n%-14s%s\n%-14s%d\n%-14s%d\n", "backend", b->backend, "threads", p->n_threads, "chunk", p->n_chunk);
}

void add_stream_json(struct json_t *o, const struct stoker_plan *p, const struct stoker_stats *a,
                     const struct stoker_stats *b, size_t n_tokens)
{
    struct figure x[MOST_FIGURES];
    char name[40];
    json_t *slots = json_array();
    for (int i = 0, n = figures(a, b, x); i < n; i++) {
        json_object_set_new(o, x[i].name, x[i].whole ? json_integer((json_int_t)x[i].sum) : json_real(x[i].sum));
        snprintf(name, sizeof name, "%s_per_token", x[i].name);
        if (x[i].per_token && n_tokens)
            json_object_set_new(o, name, json_real(x[i].sum / (double)n_tokens));
    }
    for (int c = 0; c < p->n_class; c++)
        json_array_append_new(slots, json_integer(p->slots[c]));
    json_object_set_new(o, "slots", slots);
    json_object_set_new(o, "backend", json_string(b->backend));
    add_tables_json(o, a, b);
}

static struct stoker_table_stats table_sum(const struct stoker_table_stats *x, const struct stoker_table_stats *y)
{
    return (struct stoker_table_stats){.name = y->name,
                                       .wanted = x->wanted + y->wanted,
                                       .unique = x->unique + y->unique,
                                       .cached = x->cached + y->cached,
                                       .reads = x->reads + y->reads,
                                       .bytes = x->bytes + y->bytes,
                                       .takes = x->takes + y->takes,
                                       .late = x->late + y->late,
                                       .wait_seconds = x->wait_seconds + y->wait_seconds};
}

void add_stream_stats(struct stoker_stats *sum, const struct stoker_stats *a, const struct stoker_stats *b)
{
    struct stoker_stats s = *b;
    s.hits += sum->hits - a->hits;
    s.misses += sum->misses - a->misses;
    s.evictions += sum->evictions - a->evictions;
    s.early += sum->early - a->early;
    s.early_used += sum->early_used - a->early_used;
    s.early_waste += sum->early_waste - a->early_waste;
    s.reads += sum->reads - a->reads;
    s.bytes_read += sum->bytes_read - a->bytes_read;
    s.retries += sum->retries - a->retries;
    s.shorts += sum->shorts - a->shorts;
    s.failed += sum->failed - a->failed;
    s.wait_seconds += sum->wait_seconds - a->wait_seconds;
    s.reading_seconds += sum->reading_seconds - a->reading_seconds;
    s.piece_seconds += sum->piece_seconds - a->piece_seconds;
    s.step_seconds += sum->step_seconds - a->step_seconds;
    s.energy_joules += sum->energy_joules - a->energy_joules;
    s.drafted_tokens += sum->drafted_tokens - a->drafted_tokens;
    s.accepted_tokens += sum->accepted_tokens - a->accepted_tokens;
    for (int i = 0; i < b->n_table; i++) {
        const struct stoker_table_stats between = table_between(a, b, i);
        s.table[i] = table_sum(&sum->table[i], &between);
    }
    *sum = s;
}
