/* Rows of `stoker bench`: see bench.h. Columns and keys are llama-bench's, so that scripts for it work; ours follow them.
 *
 * Where experts stream, lines below the table tell hits, bytes, waiting, and the overlap model (model.c). */
#include "base/pool.h"
#include "base/utf8.h"
#include "cli/bench/bench.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/profile.h"
#include "cli/machine/drive.h"
#include "eval/stats.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- speed ------------------------------------------------------------------------------------------------------------------ */

struct bench_spread bench_spread_of(double *value, int n)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++)
        sum += value[i];
    struct bench_spread s = {.mean = sum / n};
    for (int i = 0; i < n; i++)
        square += (value[i] - s.mean) * (value[i] - s.mean);
    s.deviation = n > 1 ? sqrt(square / (n - 1)) : 0;
    eval_sort(value, (size_t)n);
    s.median = eval_median(value, (size_t)n);
    s.p10 = value[(int)(0.1 * (n - 1) + 0.5)];
    s.p90 = value[(int)(0.9 * (n - 1) + 0.5)];
    return s;
}

static double rate_of(const struct bench_test *t, int i) { return t->tokens[i] / t->seconds[i]; }

static struct bench_spread rates(const struct bench_test *t)
{
    double value[BENCH_RUNS];
    for (int i = 0; i < t->n; i++)
        value[i] = rate_of(t, i);
    return bench_spread_of(value, t->n);
}

static struct bench_spread nanoseconds(const struct bench_test *t)
{
    double value[BENCH_RUNS];
    for (int i = 0; i < t->n; i++)
        value[i] = t->seconds[i] * 1e9;
    return bench_spread_of(value, t->n);
}

/* Tokens a second that the overlap model makes of each repetition. */
static struct bench_spread model_rates(const struct bench_test *t)
{
    double value[BENCH_RUNS];
    for (int i = 0; i < t->n; i++)
        value[i] = t->tokens[i] / t->model_seconds[i];
    return bench_spread_of(value, t->n);
}

/* Tokens a second that no machine with these roofs exceeds, and how much of that it was. */
static struct bench_spread bound_rates(const struct bench_test *t)
{
    double value[BENCH_RUNS];
    for (int i = 0; i < t->n; i++)
        value[i] = t->tokens[i] / t->bound[i].seconds;
    return bench_spread_of(value, t->n);
}

static struct bench_spread efficiencies(const struct bench_test *t)
{
    double value[BENCH_RUNS];
    for (int i = 0; i < t->n; i++)
        value[i] = t->bound[i].seconds / t->seconds[i];
    return bench_spread_of(value, t->n);
}

static const struct stoker_stats nothing; /* before a sum of repetitions */

static int has_roofs(const struct bench *b) { return b->roofs.memory > 0; }

/* The bounds of all repetitions, one after another. */
static struct eval_bound bound_of(const struct bench_test *t)
{
    struct eval_bound sum = {0};
    for (int i = 0; i < t->n; i++) {
        sum.memory += t->bound[i].memory;
        sum.products += t->bound[i].products;
        sum.drive += t->bound[i].drive;
        sum.seconds += t->bound[i].seconds;
    }
    return sum;
}

static double tokens_of(const struct bench_test *t)
{
    double sum = 0;
    for (int i = 0; i < t->n; i++)
        sum += t->tokens[i];
    return sum;
}

/* ---- fields ----------------------------------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    enum { TEXT, WHOLE, REAL, FLAG, ABSENT } kind; /* ABSENT: a column of other rows */
    char text[256];
    const char *path; /* in the text's place, of any length; NULL: none */
};
enum { FIELDS_MOST = 64 };
struct fields {
    struct field f[FIELDS_MOST];
    int n;
};

static void put_text(struct fields *to, const char *name, const char *text)
{
    struct field *f = &to->f[to->n++];
    *f = (struct field){.name = name, .kind = TEXT};
    snprintf(f->text, sizeof f->text, "%s", text);
}

/* Not copied. */
static void put_path(struct fields *to, const char *name, const char *path)
{
    to->f[to->n++] = (struct field){.name = name, .kind = TEXT, .path = path};
}

static void put_whole(struct fields *to, const char *name, double value)
{
    struct field *f = &to->f[to->n++];
    *f = (struct field){.name = name, .kind = WHOLE};
    snprintf(f->text, sizeof f->text, "%.0f", value);
}

static void put_real(struct fields *to, const char *name, double value)
{
    struct field *f = &to->f[to->n++];
    *f = (struct field){.name = name, .kind = REAL};
    snprintf(f->text, sizeof f->text, "%.6f", value);
}

static void put_flag(struct fields *to, const char *name, int value)
{
    struct field *f = &to->f[to->n++];
    *f = (struct field){.name = name, .kind = FLAG};
    snprintf(f->text, sizeof f->text, "%s", value ? "true" : "false");
}

static void put_absent(struct fields *to, const char *name)
{
    to->f[to->n++] = (struct field){.name = name, .kind = ABSENT};
}

static void put_cpu(struct fields *to)
{
    char name[PROFILE_PROCESSOR];
    profile_processor(name);
    put_text(to, "cpu_info", name);
}

static void put_time(struct fields *to, time_t when)
{
    char text[32];
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    put_text(to, "test_time", text);
}

/* Roofs as bench.md 3 has them: a product and its addition are two operations. */
static void put_roofs(struct fields *to, const struct bench *b, const struct bench_test *t)
{
    struct eval_bound bound = bound_of(t);
    put_whole(to, "roof_memory", b->roofs.memory);
    put_whole(to, "roof_int8", 2 * b->roofs.int8);
    put_whole(to, "roof_f32", 2 * b->roofs.f32);
    put_whole(to, "roof_drive", b->roofs.drive);
    put_whole(to, "memory_bytes_per_token", t->memory_bytes / tokens_of(t));
    put_real(to, "bound_ts", bound_rates(t).median);
    put_text(to, "bound_by", eval_bound_by(&bound));
    put_real(to, "efficiency", efficiencies(t).median);
}

/* What counters leave of the time. Those of generation alone are an estimate where the engine was ahead of who read them, which may leave
 * less than nothing. */
static double between_of(const struct bench_test *t)
{
    return fmax(0, t->time.all - t->time.drive - t->time.joins - t->time.computing);
}

/* Where the time of a token went. */
static void put_time_spent(struct fields *to, const struct bench_test *t)
{
    double ms = 1e3 / tokens_of(t);
    put_real(to, "time_drive_ms", t->time.drive * ms);
    put_real(to, "time_joins_ms", t->time.joins * ms);
    put_real(to, "time_computing_ms", t->time.computing * ms);
    put_real(to, "time_between_ms", between_of(t) * ms);
}

/* Of computing, as far as a roof tells them apart: reading memory, and what is left. */
static void put_time_computing(struct fields *to, const struct bench_test *t)
{
    double ms = 1e3 / tokens_of(t);
    put_real(to, "time_memory_ms", t->time.memory * ms);
    put_real(to, "time_cores_ms", (t->time.computing - t->time.memory) * ms);
}

/* The columns of both, for a row whose roofs could not be measured. */
static void put_no_roofs(struct fields *to)
{
    static const char *const name[] = {
        "time_memory_ms", "time_cores_ms",          "roof_memory", "roof_int8", "roof_f32",
        "roof_drive",     "memory_bytes_per_token", "bound_ts",    "bound_by",  "efficiency"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        put_absent(to, name[i]);
}

static struct fields fields_of(const struct bench *b, const struct bench_test *t)
{
    struct fields to = {.n = 0};
    struct bench_spread rate = rates(t), ns = nanoseconds(t);
    double experts = (double)(t->sum.hits + t->sum.misses);
    put_text(&to, "build_commit", stoker_version());
    put_whole(&to, "build_number", 0);
    put_cpu(&to);
    put_text(&to, "gpu_info", "");
    put_text(&to, "backends", t->sum.cpu_tier);
    put_path(&to, "model_filename", b->model);
    put_text(&to, "model_type", b->about.arch);
    put_whole(&to, "model_size", (double)b->about.bytes);
    put_whole(&to, "model_n_params", (double)b->about.n_params);
    put_whole(&to, "n_batch", b->n_batch);
    put_whole(&to, "n_ubatch", b->plan.n_chunk);
    put_whole(&to, "n_threads", b->plan.n_threads);
    put_text(&to, "type_k", b->plan.kv);
    put_text(&to, "type_v", b->plan.kv);
    put_flag(&to, "flash_attn", 1);
    put_flag(&to, "use_mmap", 0);
    put_flag(&to, "use_direct_io", strcmp(t->sum.backend, "buffered") != 0);
    put_whole(&to, "n_prompt", t->n_prompt);
    put_whole(&to, "n_gen", t->n_gen);
    put_whole(&to, "n_depth", t->n_depth);
    put_time(&to, t->begun);
    put_whole(&to, "avg_ns", ns.mean);
    put_whole(&to, "stddev_ns", ns.deviation);
    put_real(&to, "avg_ts", rate.mean);
    put_real(&to, "stddev_ts", rate.deviation);
    put_real(&to, "median_ts", rate.median);
    put_real(&to, "p10_ts", rate.p10);
    put_real(&to, "p90_ts", rate.p90);
    put_real(&to, "spin_ms", b->options.spin_ms > 0 ? b->options.spin_ms : pool_usual_spin_ms(b->plan.n_threads));
    put_whole(&to, "memory_budget", (double)b->plan.memory);
    put_whole(&to, "anon_peak", (double)peak_bytes());
    put_real(&to, "disk_bytes_per_token", (double)t->sum.bytes_read / t->counted);
    put_real(&to, "expert_hit_rate", experts > 0 ? (double)t->sum.hits / experts : 1);
    if (b->options.draft && strcmp(b->options.draft, "off") != 0) {
        put_whole(&to, "drafted_tokens", (double)t->sum.drafted_tokens);
        put_whole(&to, "accepted_tokens", (double)t->sum.accepted_tokens);
    }
    put_time_spent(&to, t);
    if (!t->sum.no_energy)
        put_real(&to, "energy_j_per_token", t->time.joules / tokens_of(t));
    if (has_roofs(b)) {
        put_time_computing(&to, t);
        put_roofs(&to, b, t);
    } else if (!b->no_roofs) {
        put_no_roofs(&to);
    }
    if (b->disk_rate > 0 && !t->n_prompt && experts > 0)
        put_real(&to, "overlap_model_ts", model_rates(t).median);
    else if (b->disk_rate > 0)
        put_absent(&to, "overlap_model_ts");
    return to;
}

/* ---- formats for programs --------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct field *f) { return f->path ? f->path : f->text; }

static void print_csv(FILE *f, const struct fields *row, int head)
{
    for (int i = 0; head && i < row->n; i++)
        fprintf(f, "%s%s", row->f[i].name, i + 1 < row->n ? "," : "\n");
    for (int i = 0; i < row->n; i++) {
        fputc('"', f);
        for (const char *p = text_of(&row->f[i]); *p; p++)
            fprintf(f, *p == '"' ? "\"\"" : "%c", *p);
        fputs(i + 1 < row->n ? "\"," : "\"\n", f);
    }
}

static void print_sql(FILE *f, const struct fields *row, int head)
{
    static const char *const types[] = {
        [TEXT] = "TEXT", [WHOLE] = "INTEGER", [REAL] = "REAL", [FLAG] = "INTEGER", [ABSENT] = "REAL"};
    if (head)
        fprintf(f, "CREATE TABLE IF NOT EXISTS test (\n");
    for (int i = 0; head && i < row->n; i++)
        fprintf(f, "  %s %s%s\n", row->f[i].name, types[row->f[i].kind], i + 1 < row->n ? "," : "\n);\n");
    fprintf(f, "INSERT INTO test (");
    for (int i = 0; i < row->n; i++)
        fprintf(f, "%s%s", row->f[i].name, i + 1 < row->n ? ", " : ") VALUES (");
    for (int i = 0; i < row->n; i++) {
        const char *behind = i + 1 < row->n ? ", " : ");\n";
        if (row->f[i].kind == ABSENT) {
            fprintf(f, "NULL%s", behind);
            continue;
        }
        fputc('\'', f);
        for (const char *p = text_of(&row->f[i]); *p; p++)
            fprintf(f, *p == '\'' ? "''" : "%c", *p);
        fprintf(f, "'%s", behind);
    }
}

static json_t *json_field(const struct field *f)
{
    switch (f->kind) {
    case WHOLE:
        return json_integer(strtoll(f->text, NULL, 10));
    case REAL:
        return json_real(strtod(f->text, NULL));
    case FLAG:
        return json_boolean(f->text[0] == 't');
    default:
        return json_string(text_of(f));
    }
}

static void print_json(FILE *f, const struct bench *b, const struct bench_test *t, const struct fields *row)
{
    json_t *o = json_object(), *ns = json_array(), *ts = json_array(), *waited = json_array(), *model = json_array();
    for (int i = 0; i < row->n; i++)
        if (row->f[i].kind != ABSENT)
            json_object_set_new(o, row->f[i].name, json_field(&row->f[i]));
    for (int i = 0; i < t->n; i++) {
        json_array_append_new(ns, json_integer((json_int_t)(t->seconds[i] * 1e9)));
        json_array_append_new(ts, json_real(rate_of(t, i)));
        if (t->waited[i] >= 0)
            json_array_append_new(waited, json_integer((json_int_t)(t->waited[i] * 1e9)));
        json_array_append_new(model, json_real(t->tokens[i] / t->model_seconds[i]));
    }
    json_object_set_new(o, "samples_ns", ns);
    json_object_set_new(o, "samples_ts", ts);
    if (json_array_size(waited) == (size_t)t->n)
        json_object_set(o, "samples_waited_ns", waited);
    json_decref(waited);
    if (json_object_get(o, "overlap_model_ts"))
        json_object_set(o, "overlap_model_samples_ts", model);
    json_decref(model);
    add_stream_json(o, &b->plan, &nothing, &t->sum, (size_t)t->counted);
    json_dumpf(o, f, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(o);
}

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

void bench_name_test(int n_prompt, int n_gen, int n_depth, char *out, size_t cap)
{
    char depth[24] = "";
    if (n_depth)
        snprintf(depth, sizeof depth, " @ d%d", n_depth);
    if (n_prompt && n_gen)
        snprintf(out, cap, "pp%d+tg%d%s", n_prompt, n_gen, depth);
    else
        snprintf(out, cap, n_prompt ? "pp%d%s" : "tg%d%s", n_prompt ? n_prompt : n_gen, depth);
}

static const char *base_name(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static void print_head(FILE *f, const struct bench *b)
{
    fprintf(f, "| %-30s | %10s | %10s | %-8s | %7s |%s%s %15s | %16s | %8s |%s\n", "model", "size", "params", "backend",
            "threads", b->shows_chunk ? " n_ubatch |" : "", b->shows_kv ? " type_kv |" : "", "test", "t/s", "median",
            b->no_roofs ? "" : "    bound | efficiency |");
    fprintf(f, "| %.30s | %.9s: | %.9s: | %.8s | %.6s: |%s%s %.14s: | %.15s: | %.7s: |%s\n",
            "------------------------------", "----------", "----------", "--------", "-------",
            b->shows_chunk ? " -------: |" : "", b->shows_kv ? " ------: |" : "", "---------------", "----------------",
            "--------", b->no_roofs ? "" : " -------: | ---------: |");
}

static int used_experts(const struct bench_test *t)
{
    return t->sum.hits + t->sum.misses > 0 || t->sum.drafted_tokens > 0;
}

static void print_streaming(FILE *f, const struct bench *b, const struct bench_test *t)
{
    size_t n = (size_t)t->counted;
    print_drafts(f, "  ", &nothing, &t->sum);
    print_stream_line(f, "  ", &nothing, &t->sum, n);
    if (b->stats)
        print_stream_table(f, &b->plan, &nothing, &t->sum, n);
    if (b->disk_rate > 0 && !t->n_prompt) {
        double model = model_rates(t).median;
        fprintf(f, "  overlap model at %.2f GB/s: %.2f tok/s; measured %.2f of it\n", b->disk_rate / 1e9, model,
                rates(t).median / model);
    }
}

/* What bounds a token, and where its time went. */
static void print_bound(FILE *f, const struct bench *b, const struct bench_test *t)
{
    struct eval_bound bound = bound_of(t);
    double n = tokens_of(t), ms = 1e3 / n;
    fprintf(f, "  a token takes at least: memory %.3g ms (%s at %.1f GB/s), products %.3g ms", bound.memory * ms,
            show_bytes((uint64_t)(t->memory_bytes / n)), b->roofs.memory / 1e9, bound.products * ms);
    if (b->roofs.int8 > 0)
        fprintf(f, " (int8 %.2f", 2 * b->roofs.int8 / 1e12);
    fprintf(f, "%sf32 %.2f Tops)", b->roofs.int8 > 0 ? ", " : " (", 2 * b->roofs.f32 / 1e12);
    if (b->roofs.drive > 0)
        fprintf(f, ", drive %.3g ms (at %.2f GB/s)", bound.drive * ms, b->roofs.drive / 1e9);
    fprintf(f,
            "\n  it took %.4g ms: computing %.3g (memory at its roof explains %.3g, the other %.3g are the cores'), "
            "waiting "
            "for other threads %.3g, for the drive %.3g; %.3g between steps",
            t->time.all * ms, t->time.computing * ms, t->time.memory * ms, (t->time.computing - t->time.memory) * ms,
            t->time.joins * ms, t->time.drive * ms, between_of(t) * ms);
    if (!t->sum.no_energy)
        fprintf(f, "; %.3g J", t->time.joules / n);
    fputc('\n', f);
}

static void print_line(FILE *f, const struct bench *b, const struct bench_test *t)
{
    struct bench_spread s = rates(t);
    char name[64], rate[48], params[32], chunk[24] = "", kv[24] = "", bound[48] = "";
    bench_name_test(t->n_prompt, t->n_gen, t->n_depth, name, sizeof name);
    snprintf(rate, sizeof rate, "%.2f ± %.2f", s.mean, s.deviation);
    snprintf(params, sizeof params, b->about.n_params < 1000000000 ? "%.2f M" : "%.2f B",
             (double)b->about.n_params / (b->about.n_params < 1000000000 ? 1e6 : 1e9));
    if (b->shows_chunk)
        snprintf(chunk, sizeof chunk, " %8d |", b->plan.n_chunk);
    if (b->shows_kv)
        snprintf(kv, sizeof kv, " %7s |", b->plan.kv);
    if (has_roofs(b))
        snprintf(bound, sizeof bound, " %8.2f | %8.0f %% |", bound_rates(t).median, 100 * efficiencies(t).median);
    else if (!b->no_roofs)
        snprintf(bound, sizeof bound, " %8s | %10s |", "", "");
    fprintf(f, "| %-30s | %10s | %10s | %-8s | %7d |%s%s %15s | %17s | %8.2f |%s\n", base_name(b->model),
            show_bytes(b->about.bytes), params, t->sum.cpu_tier, b->plan.n_threads, chunk, kv, name, rate, s.median,
            bound);
}

static void print_notes(FILE *f, const struct bench *b, const struct bench_test *t)
{
    char name[64];
    if (!has_roofs(b) && !used_experts(t))
        return;
    bench_name_test(t->n_prompt, t->n_gen, t->n_depth, name, sizeof name);
    fprintf(f, "%s, %d thread%s, %s:\n", base_name(b->model), b->plan.n_threads, b->plan.n_threads == 1 ? "" : "s",
            name);
    if (has_roofs(b))
        print_bound(f, b, t);
    if (used_experts(t))
        print_streaming(f, b, t);
}

/* ---- where rows go ---------------------------------------------------------------------------------------------------------- */

int bench_format_known(const char *format)
{
    static const char *const all[] = {"md", "csv", "json", "jsonl", "sql", "svg"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(format, all[i]) == 0)
            return 1;
    return 0;
}

/* Without memory for them they stand between the rows. */
static FILE *notes_of(struct bench_output *o)
{
    if (!o->notes)
        o->notes = open_memstream(&o->note, &o->n_note);
    return o->notes ? o->notes : o->file;
}

void bench_begin(struct bench_output *o, const struct bench *b)
{
    if (!o->file || strcmp(o->format, "md") != 0)
        return;
    FILE *f = o->rows ? notes_of(o) : o->file;
    print_plan_line(f, &b->plan);
    if (b->ctx_of_tests)
        fprintf(f, "context %d, as long as the tests; with --ctx N the plan is that of run --ctx N\n", b->plan.n_ctx);
    if (o->rows == 0)
        print_head(o->file, b);
    fflush(o->file);
}

static void keep_point(struct bench_output *o, const struct bench *b, const struct bench_test *t)
{
    struct bench_spread s = rates(t);
    uint64_t given = b->options.memory; /* what is left, or enough, changes by itself */
    double budget = given == STOKER_MEMORY_MIN || given == STOKER_MEMORY_MAX ? 0 : (double)given;
    struct bench_point point = {{t->n_depth, budget, b->plan.n_chunk, b->plan.n_threads, t->n_prompt, t->n_gen},
                                s.median,
                                s.p10,
                                s.p90,
                                "",
                                ""};
    const char *name = base_name(b->model);
    snprintf(point.model, sizeof point.model, "%.*s", (int)utf8_cut(name, sizeof point.model - 1), name);
    snprintf(point.kv, sizeof point.kv, "%s", b->plan.kv);
    if (bench_points_add(&o->points, &point))
        fprintf(stderr, "stoker bench: no memory for a row of the picture, which is left out\n");
}

void bench_row(struct bench_output *o, const struct bench *b, const struct bench_test *t)
{
    if (!o->file)
        return;
    struct fields row = fields_of(b, t);
    if (strcmp(o->format, "csv") == 0) {
        print_csv(o->file, &row, o->rows == 0);
    } else if (strcmp(o->format, "sql") == 0) {
        print_sql(o->file, &row, o->rows == 0);
    } else if (strcmp(o->format, "json") == 0) {
        fputs(o->rows ? ",\n" : "[\n", o->file);
        print_json(o->file, b, t, &row);
    } else if (strcmp(o->format, "jsonl") == 0) {
        print_json(o->file, b, t, &row);
        fputc('\n', o->file);
    } else if (strcmp(o->format, "svg") == 0) {
        keep_point(o, b, t);
    } else {
        print_line(o->file, b, t);
        print_notes(notes_of(o), b, t);
    }
    o->rows++;
    fflush(o->file);
}

void bench_end(struct bench_output *o)
{
    if (o->file && strcmp(o->format, "json") == 0)
        fputs(o->rows ? "\n]\n" : "[]\n", o->file);
    if (o->file && strcmp(o->format, "svg") == 0)
        bench_points_draw(&o->points, o->file);
    bench_points_free(&o->points);
    if (o->notes && fclose(o->notes) == 0)
        fprintf(o->file, "\n%s", o->note);
    free(o->note);
    if (o->file && strcmp(o->format, "md") == 0)
        fprintf(o->file, "\nbuild: %s\n", stoker_version());
}
