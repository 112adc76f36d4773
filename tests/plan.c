/* links: engine text model store op machine kernel format base
 *
 * The memory plan against its definition (memory.md 9 of the specification), and against what a process really takes.
 *
 *     build/tests/plan                     all; a line a test
 *     build/tests/plan --child PATH BYTES  what the test starts to measure: a run under that memory
 *     build/tests/plan --drafts PATH BYTES 0|1 the same: an answer, 1: with drafts of a second model, the same file
 *     build/tests/plan --scores PATH BYTES the same: a prompt with all its scores, through the library
 *
 * Models are the embedded one, the goldens of expected_lawful(), and files of the right shape without data (sparse_model.h). */
#include "engine/engine.h"
#include "expected.h"
#include "laws_run.h"
#include "machine/memory.h"
#include "sanitized.h"
#include "sparse_model.h"
#include "stoker.h"
#include "test_lines.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[64] = "/tmp/stoker-plan-XXXXXX"; /* of this run */

static void skip(const char *test, const char *why)
{
    printf("skip %-10s %s\n", test, why);
    skipped++;
}

static unsigned long long ull(uint64_t n) { return n; }

/* ---- a model's headers, opened -------------------------------------------------------------------------------------------- */

struct opened {
    struct gguf *file;
    struct model *model;
};

static int open_headers(struct opened *o, const char *path, struct error *err)
{
    *o = (struct opened){0};
    return gguf_open(&o->file, path, err) || model_open(&o->model, o->file, err) ? -1 : 0;
}

static void close_headers(struct opened *o)
{
    model_close(o->model);
    gguf_close(o->file);
}

static const char *in_dir(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static const struct shape small = {.arch = "qwen3moe",
                                   .n_layer = 4,
                                   .n_embd = 256,
                                   .n_head = 4,
                                   .n_head_kv = 2,
                                   .d_k = 64,
                                   .d_v = 64,
                                   .n_ctx = 32768,
                                   .n_expert = 64,
                                   .n_used = 4,
                                   .n_ff_exp = 512,
                                   .n_vocab = 32000,
                                   .expert_type = TYPE_Q4_K};

/* ---- the refusal, and what it offers ---------------------------------------------------------------------------------------- */

/* The value behind a flag in the part of the sentence that begins with "Try", of MiB or GiB if it says so; 0: not offered. */
static uint64_t offered(const char *sentence, const char *flag)
{
    const char *at = strstr(sentence, "Try ");
    char *unit;
    at = at ? strstr(at, flag) : NULL;
    double value = at ? strtod(at + strlen(flag), &unit) : 0;
    return !at                            ? 0
           : strncmp(unit, "MiB", 3) == 0 ? (uint64_t)(value * 0x1p20)
           : strncmp(unit, "GiB", 3) == 0 ? (uint64_t)(value * 0x1p30)
                                          : (uint64_t)value;
}

static void offers_work(struct model *m, const struct plan_request *request, const char *sentence, int must_ctx)
{
    struct plan p;
    struct error err = {0};
    struct plan_request w = *request;
    uint64_t memory = offered(sentence, "--memory "), n_ctx = offered(sentence, "--ctx ");
    w.memory = memory;
    expect(memory > request->memory && plan_make(&p, m, &w, &err) == 0, "--memory %llu does not work: %s", ull(memory),
           err.text);
    if (n_ctx == 0) {
        expect(!must_ctx, "no context offered: %s", sentence);
        return;
    }
    w = *request;
    w.n_ctx = (int)n_ctx;
    expect(plan_make(&p, m, &w, &err) == 0, "--ctx %llu does not work: %s", ull(n_ctx), err.text);
    w.n_ctx = (int)n_ctx + KV_PAGE;
    expect(plan_make(&p, m, &w, &err) != 0, "--ctx %llu was not the largest", ull(n_ctx));
}

static void refusals(const char *path, const char *name)
{
    static const int contexts[] = {0, 1, 256, 4000, 30000};
    struct error err = {0};
    struct opened o;
    struct plan p;
    int n = 0;
    if (open_headers(&o, path, &err)) {
        expect(0, "%s", err.text);
        verdict("refusal", name);
        return;
    }
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        for (int chunk = 0; chunk <= 512; chunk += 256)
            for (int parallel = 1; parallel <= 4; parallel += 3) {
                struct plan_request w = {.how = PLAN_MINIMUM,
                                         .n_ctx = contexts[i],
                                         .n_chunk = chunk,
                                         .n_parallel = parallel,
                                         .n_threads = 2};
                err = (struct error){0};
                expect(plan_make(&p, o.model, &w, &err) == 0 && p.total <= p.minimum, "minimum: %s", err.text);
                expect(p.minimum <= p.whole, "minimum %llu > whole %llu", ull(p.minimum), ull(p.whole));
                w.how = PLAN_BYTES;
                w.memory = p.minimum - 4096;
                expect(plan_make(&p, o.model, &w, &err) != 0 && err.code == ERR_MEMORY, "minimum - 4096 was accepted");
                expect(!o.model->table[TABLE_TOKENS].weight->on_disk, "a refused plan changed the model");
                /* a page of KV is more than what is missing: one page less suffices, if there is one */
                offers_work(o.model, &w, err.text, contexts[i] > KV_PAGE);
                n++;
            }
    /* the sentence names what is too large */
    struct plan_request server = {.how = PLAN_MINIMUM, .server = UINT64_MAX},
                        cache = {.how = PLAN_MINIMUM, .cache_ram = UINT64_MAX};
    err = (struct error){0};
    expect(plan_make(&p, o.model, &server, &err) != 0 && strstr(err.text, "--max-conns"), "server: %s", err.text);
    err = (struct error){0};
    expect(plan_make(&p, o.model, &cache, &err) != 0 && strstr(err.text, "--cache-ram"), "cache: %s", err.text);
    close_headers(&o);
    char detail[80];
    snprintf(detail, sizeof detail, "%s, %d requests", name, n);
    verdict("refusal", detail);
}

/* ---- more memory ------------------------------------------------------------------------------------------------------------ */

/* What was given up of what is no matter of speed: larger is worse. */
static unsigned severity(const struct plan *p)
{
    return p->degraded & (PLAN_CUT_EMBEDDING | PLAN_CUT_PREFIX | PLAN_CUT_CONTEXT);
}

/* Rows, sequences and experts are weighed against each other by the predicted time. Plans are equally good within 1 %; where everything
 * fits, nothing streams, even if more rows would be faster. */
static void expect_no_slower(const struct plan *less, const struct plan *more)
{
    if (less->n_ctx != more->n_ctx || less->part[PLAN_PREFIX] != more->part[PLAN_PREFIX])
        return;
    expect(more->speed.seconds <= less->speed.seconds * 1.01 || more->degraded == 0,
           "%llu bytes take %g s, %llu take %g", ull(less->memory), less->speed.seconds, ull(more->memory),
           more->speed.seconds);
    expect(more->n_parallel >= less->n_parallel || more->speed.seconds < less->speed.seconds,
           "sequences fell from %d to %d for nothing", less->n_parallel, more->n_parallel);
}

/* page: of all kinds. The cache is cut into whole states and whole pages: one state more may cost what is left of a page. */
static void expect_no_worse(const struct plan *less, const struct plan *more, uint64_t page)
{
    unsigned a = severity(less), b = severity(more);
    expect(b <= a, "%llu bytes give up %x, %llu give up %x", ull(less->memory), a, ull(more->memory), b);
    expect(b != a || more->n_ctx >= less->n_ctx, "context fell from %d to %d", less->n_ctx, more->n_ctx);
    expect_no_slower(less, more);
    if (a != b || less->n_chunk != more->n_chunk || less->n_ctx != more->n_ctx || less->n_parallel != more->n_parallel)
        return;
    uint64_t rounding = less->state_bytes_per_sequence ? page : 0;
    expect(more->part[PLAN_PREFIX] + rounding >= less->part[PLAN_PREFIX],
           "the prefix cache fell from %llu to %llu bytes", ull(less->part[PLAN_PREFIX]), ull(more->part[PLAN_PREFIX]));
    if (more->part[PLAN_PREFIX] != less->part[PLAN_PREFIX])
        return;
    for (int c = 0; c < less->n_class; c++)
        expect(more->slots[c] >= less->slots[c], "%llu bytes: %d slots of class %d; %llu bytes: %d", ull(less->memory),
               less->slots[c], c, ull(more->memory), more->slots[c]);
}

/* cache_ram: of a server, with three sequences if they fit; 0: as `run` has it. */
static void ladder(const char *path, const char *name, uint64_t cache_ram)
{
    enum { STEPS = 64, FINE = 200 };
    struct error err = {0};
    struct opened o;
    struct plan p, last = {0};
    int fits = 0;
    if (open_headers(&o, path, &err)) {
        expect(0, "%s", err.text);
        verdict("ladder", name);
        return;
    }
    struct plan_request w = {.how = PLAN_WHOLE,
                             .n_threads = 2,
                             .cache_ram = cache_ram,
                             .defaults.n_parallel = cache_ram ? 3 : 0,
                             .n_queue = cache_ram ? 9 : 0};
    expect(plan_make(&p, o.model, &w, &err) == 0, "whole: %s", err.text);
    expect(p.part[PLAN_PREFIX] <= cache_ram && p.part[PLAN_PREFIX] >= cache_ram / 2, "%llu bytes for prefixes",
           ull(p.part[PLAN_PREFIX]));
    expect((p.part[PLAN_SERVER] > 0) == (cache_ram > 0), "%llu bytes for the queue", ull(p.part[PLAN_SERVER]));
    expect(p.degraded == 0 && p.total <= p.memory, "everything resident gives up %x", p.degraded);
    uint64_t page = 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += kv_page_bytes(&o.model->kv_layout[k].shape) * (uint64_t)o.model->kv_layout[k].n_layer;
    uint64_t whole = p.whole, low = 1 << 20, minimum = p.minimum, tables = p.part[PLAN_ROWS];
    uint64_t step = p.n_class ? p.class[0].slot_bytes / 5 : 4096;
    for (int i = 0; i < STEPS + FINE; i++) {
        /* evenly from 1 MiB to whole; then from the middle a fifth of a slot apart */
        w.how = PLAN_BYTES;
        w.memory = i < STEPS ? low + (whole - low) / (STEPS - 1) * (uint64_t)i
                             : minimum + (whole - minimum) / 2 + step * (uint64_t)(i - STEPS);
        w.memory = i == STEPS - 1 ? whole : w.memory;
        if (i == STEPS)
            last = (struct plan){0};
        int ok = plan_make(&p, o.model, &w, &err) == 0;
        expect(ok || w.memory < p.minimum, "refused %llu, minimum is %llu", ull(w.memory), ull(p.minimum));
        if (!ok)
            continue;
        uint64_t sum = 0;
        for (int part = 0; part < PLAN_PARTS; part++)
            sum += p.part[part];
        expect(p.total <= w.memory, "total %llu > %llu", ull(p.total), ull(w.memory));
        expect(p.part[PLAN_ROWS] <= tables, "%llu bytes: tables of %llu bytes take %llu", ull(w.memory), ull(tables),
               ull(p.part[PLAN_ROWS]));
        expect(sum <= p.total && p.total - sum <= 2 << 20, "parts add up to %llu of %llu", ull(sum), ull(p.total));
        if (last.memory)
            expect_no_worse(&last, &p, page);
        last = p;
        fits++;
    }
    close_headers(&o);
    char detail[80];
    snprintf(detail, sizeof detail, "%s, %d of %d fit%s", name, fits, STEPS + FINE, cache_ram ? ", with a cache" : "");
    verdict("ladder", detail);
}

/* ---- what the machine leaves ------------------------------------------------------------------------------------------------- */

struct machine {
    const char *name;
    const char *file[12][2]; /* path below the root, text; text NULL: a folder, which cannot be read as a file */
    uint64_t expected;
    const char *from;
};

#define MIB  UINT64_C(1048576)
#define FREE "MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:   16777216 kB\n" /* 16 GiB */
#define RSS  "Name: x\nVmRSS:\t    2048 kB\n"
#define MEM                                                                                                            \
    {"proc/meminfo", FREE}, { "proc/self/status", RSS }
#define V2 "sys/fs/cgroup"
#define V1 "sys/fs/cgroup/memory"

/* room + 2 MiB of our own - max(256 MiB, a sixteenth) */
#define LEFT(mib) (((mib) + 2) * MIB - ((mib) + 2 > 4096 ? ((mib) + 2) * MIB / 16 : 256 * MIB))

static const struct machine machines[] = {
    {"no cgroup", {MEM}, LEFT(16384), "available"},
    {"v2",
     {MEM,
      {"proc/self/cgroup", "0::/a\n"},
      {V2 "/a/memory.max", "8589934592\n"},
      {V2 "/a/memory.current", "1073741824\n"}},
     LEFT(7168),
     "cgroup"},
    {"v2, its file pages",
     {MEM,
      {"proc/self/cgroup", "0::/a\n"},
      {V2 "/a/memory.max", "8589934592\n"},
      {V2 "/a/memory.current", "1073741824\n"},
      {V2 "/a/memory.stat", "anon 5\ninactive_file 536870912\nactive_file 7\n"}},
     LEFT(7680),
     "cgroup"},
    {"v2 max",
     {MEM, {"proc/self/cgroup", "0::/a\n"}, {V2 "/a/memory.max", "max\n"}, {V2 "/a/memory.current", "1073741824\n"}},
     LEFT(16384),
     "available"},
    {"v2 high below max",
     {MEM,
      {"proc/self/cgroup", "0::/a\n"},
      {V2 "/a/memory.max", "8589934592\n"},
      {V2 "/a/memory.high", "4294967296\n"},
      {V2 "/a/memory.current", "0\n"}},
     LEFT(4096),
     "cgroup"},
    {"v2 nested, the ancestor less",
     {MEM,
      {"proc/self/cgroup", "0::/a/b/c\n"},
      {V2 "/a/b/c/memory.max", "8589934592\n"},
      {V2 "/a/memory.max", "2147483648\n"},
      {V2 "/a/memory.current", "1073741824\n"}},
     LEFT(1024),
     "cgroup"},
    {"v2, limited at the mount",
     {MEM, {"proc/self/cgroup", "0::/\n"}, {V2 "/memory.max", "3221225472\n"}, {V2 "/memory.current", "1073741824\n"}},
     LEFT(2048),
     "cgroup"},
    {"v2, unreadable",
     {MEM, {"proc/self/cgroup", "0::/a\n"}, {V2 "/a/memory.max", NULL}, {V2 "/a/memory.current", "1073741824\n"}},
     LEFT(16384),
     "available"},
    {"v2, limit below current",
     {MEM,
      {"proc/self/cgroup", "0::/a\n"},
      {V2 "/a/memory.max", "1073741824\n"},
      {V2 "/a/memory.current", "2147483648\n"}},
     0,
     "cgroup"},
    {"v1",
     {MEM,
      {"proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/a\n"},
      {V1 "/a/memory.limit_in_bytes", "6442450944\n"},
      {V1 "/a/memory.usage_in_bytes", "2147483648\n"},
      {V1 "/a/memory.stat", "inactive_file 1\ntotal_inactive_file 1073741824\n"}},
     LEFT(5120),
     "cgroup"},
    {"v1, no limit",
     {MEM,
      {"proc/self/cgroup", "5:memory:/a\n"},
      {V1 "/a/memory.limit_in_bytes", "9223372036854771712\n"},
      {V1 "/a/memory.usage_in_bytes", "2147483648\n"}},
     LEFT(16384),
     "available"},
    {"v1, a container sees only the mount",
     {MEM,
      {"proc/self/cgroup", "5:memory:/docker/abc\n"},
      {V1 "/memory.limit_in_bytes", "4294967296\n"},
      {V1 "/memory.usage_in_bytes", "0\n"}},
     LEFT(4096),
     "cgroup"},
    {"both, v1 less",
     {MEM,
      {"proc/self/cgroup", "5:memory:/a\n0::/b\n"},
      {V1 "/a/memory.limit_in_bytes", "2147483648\n"},
      {V1 "/a/memory.usage_in_bytes", "0\n"},
      {V2 "/b/memory.max", "4294967296\n"},
      {V2 "/b/memory.current", "0\n"}},
     LEFT(2048),
     "cgroup"},
    {"both, v2 less",
     {MEM,
      {"proc/self/cgroup", "5:memory:/a\n0::/b\n"},
      {V1 "/a/memory.limit_in_bytes", "4294967296\n"},
      {V1 "/a/memory.usage_in_bytes", "0\n"},
      {V2 "/b/memory.max", "2147483648\n"},
      {V2 "/b/memory.current", "0\n"}},
     LEFT(2048),
     "cgroup"},
    {"garbage",
     {MEM, {"proc/self/cgroup", "nonsense\n::\n0:\n"}, {V2 "/memory.max", "-5\n"}},
     LEFT(16384),
     "available"},
};

static void write_below(const char *root, const char *path, const char *text)
{
    char full[300];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root); (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(full, 0755);
        *slash = '/';
    }
    if (!text) {
        mkdir(full, 0755);
        return;
    }
    FILE *f = fopen(full, "w");
    expect(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s cannot be written", full);
}

/* The smallest hard limit of all groups above: beyond it the kernel kills. memory.high, which `slows` names, only slows. */
static uint64_t limit_expected(const struct machine *m, const char *slows)
{
    uint64_t least = UINT64_C(1) << 60;
    for (int k = 0; m->file[k][0]; k++) {
        const char *name = strrchr(m->file[k][0], '/'), *text = m->file[k][1];
        if (text &&
            (strcmp(name, "/memory.max") == 0 || strcmp(name, "/memory.limit_in_bytes") == 0 ||
             strcmp(name, slows) == 0) &&
            text[0] >= '0' && text[0] <= '9' && strtoull(text, NULL, 10) < least)
            least = strtoull(text, NULL, 10);
    }
    return least;
}

static void machine_trees(void)
{
    char root[200];
    const char *from;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        const struct machine *m = &machines[i];
        snprintf(root, sizeof root, "%s/machine%zu", dir, i);
        mkdir(root, 0755);
        for (int k = 0; m->file[k][0]; k++)
            write_below(root, m->file[k][0], m->file[k][1]);
        uint64_t got = machine_memory(root, &from);
        expect(got == m->expected && strcmp(from, m->from) == 0, "%llu from %s, expected %llu from %s", ull(got), from,
               ull(m->expected), m->from);
        expect(machine_limit(root) == limit_expected(m, ""), "a limit of %llu, expected %llu", ull(machine_limit(root)),
               ull(limit_expected(m, "")));
        uint64_t slow = machine_slow_limit(root), slow_expected = limit_expected(m, "/memory.high");
        expect(slow == slow_expected, "slow from %llu on, expected %llu", ull(slow), ull(slow_expected));
        verdict("machine", m->name);
    }
}

/* ---- hostile headers ---------------------------------------------------------------------------------------------------------- */

static long own_peak_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

/* A sentence or a plan: no crash, and nothing is allocated for it. */
static void survive(const char *path, const struct plan_request *request, const char *what, int must_fail)
{
    struct error err = {0};
    struct opened o;
    struct plan p;
    long before = own_peak_kib();
    int fails = open_headers(&o, path, &err) || plan_make(&p, o.model, request, &err);
    expect(fails || !must_fail, "%s was accepted", what);
    expect(!fails || (err.code != ERR_NONE && err.code != ERR_BUG && strlen(err.text) > 20),
           "%s: no sentence but \"%s\"", what, err.text);
    expect(own_peak_kib() - before < 64 << 10, "%s: took %ld KiB", what, own_peak_kib() - before);
    close_headers(&o);
}

static void hostile_keys(void)
{
    static const char *const keys[] = {"block_count",          "context_length",         "embedding_length",
                                       "feed_forward_length",  "attention.head_count",   "attention.head_count_kv",
                                       "attention.key_length", "attention.value_length", "rope.dimension_count",
                                       "expert_count",         "expert_used_count",      "expert_feed_forward_length"};
    static const uint64_t values[] = {0,          3,          65,         1u << 20,  INT32_MAX - 1, INT32_MAX,
                                      1ull << 31, 1ull << 32, 1ull << 40, INT64_MAX, 1ull << 63,    UINT64_MAX};
    struct error err = {0};
    int n = 0;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++, n++) {
            struct shape s = small;
            char what[100];
            s.other_key = keys[k];
            s.other_value = values[v];
            snprintf(what, sizeof what, "%s = %llu", keys[k], ull(values[v]));
            expect(sparse_write(in_dir("hostile.gguf"), &s, &err) == 0, "%s", err.text);
            survive(in_dir("hostile.gguf"), &(struct plan_request){.how = PLAN_WHOLE}, what,
                    values[v] >= INT32_MAX && strcmp(keys[k], "feed_forward_length") != 0);
        }
    char detail[80];
    snprintf(detail, sizeof detail, "%d headers with one absurd key", n);
    verdict("hostile", detail);
}

/* Shapes that are consistent but absurd. */
static void hostile_shapes(void)
{
    const struct {
        const char *what;
        struct shape s;
    } cases[] = {
        {"a vocabulary of 2^26", {.arch = "llama", 1, 32, 1, 1, 32, 32, 1 << 30, 32, .n_vocab = 1 << 26}},
        {"a vocabulary of 2^31", {.arch = "llama", 1, 32, 1, 1, 32, 32, 1 << 30, 32, .n_vocab = 1ull << 31}},
        {"heads as wide as can be", {.arch = "llama", 64, 32, 256, 256, 4096, 4096, 1 << 30, 32, .n_vocab = 32}},
        {"16384 experts", {"qwen3moe", 8, 256, 1, 1, 32, 32, 1 << 30, 0, 16384, 16384, 4096, 32, TYPE_Q4_K}},
        {"65536 experts", {"qwen3moe", 1, 256, 1, 1, 32, 32, 1 << 30, 0, 65536, 1, 256, 32, TYPE_Q4_K}},
        {"4096 layers", {.arch = "llama", 4096, 32, 1, 1, 32, 32, 1 << 30, 32, .n_vocab = 32}},
    };
    const struct plan_request requests[] = {
        {.how = PLAN_WHOLE},
        {.how = PLAN_MINIMUM},
        {.how = PLAN_BYTES, .memory = UINT64_MAX / 2},
        {.how = PLAN_BYTES, .memory = 0},
        {.how = PLAN_WHOLE, .n_ctx = INT32_MAX},
        {.how = PLAN_WHOLE,
         .n_ctx = 1 << 30,
         .n_parallel = 4096,
         .n_chunk = 1 << 16,
         .n_threads = 256,
         .all_logits = 1},
        {.how = PLAN_BYTES, .memory = 1 << 30, .n_ctx = 1 << 30, .n_parallel = 4096, .kv = KV_F32},
        {.how = PLAN_WHOLE, .n_parallel = INT32_MAX},
        {.how = PLAN_WHOLE, .n_chunk = INT32_MAX},
        {.how = PLAN_WHOLE, .n_threads = INT32_MAX},
        {.how = PLAN_WHOLE, .n_ctx = -1},
        {.how = PLAN_WHOLE, .slots = {INT32_MAX}, .n_slots = 1},
        {.how = PLAN_WHOLE, .slots = {-1}, .n_slots = 1},
        {.how = PLAN_WHOLE, .n_slots = 15},
    };
    struct error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (sparse_write(in_dir("hostile.gguf"), &cases[i].s, &err)) {
            skip("hostile", err.text);
            continue;
        }
        for (size_t w = 0; w < sizeof requests / sizeof *requests; w++) {
            char what[100];
            snprintf(what, sizeof what, "request %zu", w);
            survive(in_dir("hostile.gguf"), &requests[w], what, w == 3 || w == 4 || (w >= 7 && w <= 10) || w >= 11);
        }
        verdict("hostile", cases[i].what);
    }
    unlink(in_dir("hostile.gguf"));
}

/* ---- what nobody gave ---------------------------------------------------------------------------------------------------------- */

static void default_context(void)
{
    static const struct {
        int trained, most, n_ctx, want;
    } cases[] = {{1024, 0, 0, 1024},       {40960, 0, 0, 8192},       {1024, 32768, 0, 1024},
                 {32768, 32768, 0, 32768}, {131072, 32768, 0, 32768}, {1024, 32768, 2048, 2048}};
    struct error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct shape s = small;
        struct opened o;
        struct plan p;
        s.n_ctx = cases[i].trained;
        struct plan_request request = {
            .how = PLAN_WHOLE, .n_ctx = cases[i].n_ctx, .defaults.n_ctx = cases[i].most, .n_threads = 1};
        if (sparse_write(in_dir("context.gguf"), &s, &err) || open_headers(&o, in_dir("context.gguf"), &err)) {
            expect(0, "%s", err.text);
            continue;
        }
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.n_ctx == cases[i].want,
               "trained on %d, at most %d: %d, not %d", cases[i].trained, cases[i].most, p.n_ctx, cases[i].want);
        close_headers(&o);
    }
    unlink(in_dir("context.gguf"));
    verdict("context", "not given");
}

/* Sequences that nobody asked for take nothing from the context; those that somebody did stay. */
static void default_sequences(void)
{
    struct error err = {0};
    struct opened o;
    struct plan p, given;
    struct plan_request request = {
        .how = PLAN_MINIMUM, .defaults = {.n_ctx = 32768, .n_parallel = 4, .n_snapshots = 4}, .n_threads = 1};
    if (sparse_write(in_dir("sequences.gguf"), &small, &err) || open_headers(&o, in_dir("sequences.gguf"), &err))
        expect(0, "%s", err.text);
    else {
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.n_parallel == 1 && p.n_ctx == 4096 &&
                   (p.degraded & PLAN_CUT_SEQUENCES) && (p.degraded & PLAN_CUT_CONTEXT),
               "at the least %d sequences of %d", p.n_parallel, p.n_ctx);
        int fewer = 0;
        request.how = PLAN_BYTES;
        for (request.memory = p.minimum; request.memory < p.whole; request.memory += (p.whole - p.minimum) / 64 + 1) {
            struct plan at, one;
            struct plan_request alone = request;
            alone.n_parallel = 1;
            if (plan_make(&at, o.model, &request, &err) || plan_make(&one, o.model, &alone, &err))
                expect(0, "%s", err.text);
            expect(at.n_ctx == one.n_ctx, "%d sequences of %d, one of %d", at.n_parallel, at.n_ctx, one.n_ctx);
            fewer += at.n_parallel > 1 && at.n_parallel < 4;
        }
        expect(fewer > 0, "nowhere between 1 and 4 sequences");
        request.how = PLAN_MINIMUM;
        request.n_parallel = 4;
        expect(plan_make(&given, o.model, &request, &err) == 0 && given.n_parallel == 4 && given.minimum > p.minimum &&
                   !(given.degraded & PLAN_CUT_SEQUENCES),
               "of 4 sequences that were asked for %d are left", given.n_parallel);
        close_headers(&o);
    }
    unlink(in_dir("sequences.gguf"));
    verdict("sequences", "not given");
}

/* With as many rows as usual no experts are given up for memory that is above `least`. 0: so many do not fit. */
static int takes_no_experts(struct model *m, const struct plan_request *request, uint64_t least)
{
    struct error err = {0};
    struct plan at, none;
    struct plan_request rows = *request;
    rows.n_chunk = 512;
    if (plan_make(&at, m, &rows, &err))
        return 0;
    rows.defaults.capture = least;
    expect(plan_make(&none, m, &rows, &err) == 0 && (at.degraded & PLAN_CUT_CACHE) == (none.degraded & PLAN_CUT_CACHE),
           "%llu bytes for recorded rows take experts below the knee", (unsigned long long)at.capture);
    return 1;
}

/* Memory for recorded rows that nobody asked for is halved down to 2 MiB where memory is short, and takes nothing from the context, nor
 * from experts below the knee; more memory takes of it only for a longer context. What somebody asked for stays. Rows of a chunk, where
 * nobody asked for them, are chosen by time behind that, and may take of those experts too. */
static void default_capture(void)
{
    enum { LEAST = 2 << 20, MOST = 16 << 20 };
    struct error err = {0};
    struct opened o;
    struct plan p;
    struct plan_request request = {.how = PLAN_MINIMUM, .defaults = {.n_ctx = 8192, .capture = MOST}, .n_threads = 1};
    if (sparse_write(in_dir("capture.gguf"), &small, &err) || open_headers(&o, in_dir("capture.gguf"), &err))
        expect(0, "%s", err.text);
    else {
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == LEAST && (p.degraded & PLAN_CUT_CAPTURE),
               "at the least %llu bytes for recorded rows", (unsigned long long)p.capture);
        int between = 0, n_ctx = 0, compared = 0;
        uint64_t before = 0;
        request.how = PLAN_BYTES;
        for (request.memory = p.minimum; request.memory < p.whole; request.memory += (p.whole - p.minimum) / 64 + 1) {
            struct plan at, none;
            struct plan_request without = request;
            without.defaults.capture = LEAST;
            if (plan_make(&at, o.model, &request, &err) || plan_make(&none, o.model, &without, &err))
                expect(0, "%s", err.text);
            expect(at.n_ctx == none.n_ctx, "%llu bytes for recorded rows: %d positions, not %d",
                   (unsigned long long)at.capture, at.n_ctx, none.n_ctx);
            compared += takes_no_experts(o.model, &request, LEAST);
            expect(at.capture >= before || at.n_ctx > n_ctx, "%llu bytes behind %llu", (unsigned long long)at.capture,
                   (unsigned long long)before);
            expect((at.degraded & PLAN_CUT_CAPTURE) == (at.capture < MOST ? PLAN_CUT_CAPTURE : 0), "told wrongly");
            n_ctx = at.n_ctx;
            before = at.capture;
            between += at.capture > LEAST && at.capture < MOST;
        }
        expect(between > 0 && before == MOST, "nowhere between %d and %d bytes, or not all in the end", LEAST, MOST);
        expect(compared > 32, "%d plans have as many rows as usual", compared);
        request.how = PLAN_MINIMUM;
        request.capture = MOST;
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == MOST && !(p.degraded & PLAN_CUT_CAPTURE),
               "%llu of the bytes that were asked for are left", (unsigned long long)p.capture);
        request.capture = 0;
        request.defaults.capture_least = 3 * LEAST;
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == 3 * LEAST,
               "at the least %llu bytes for rows that need %d", (unsigned long long)p.capture, 3 * LEAST);
        request.defaults.capture_least = UINT64_MAX / 2; /* which nobody gave by a flag */
        expect(plan_make(&p, o.model, &request, &err) != 0 && err.code == ERR_MEMORY &&
                   !strstr(err.text, "--capture-memory") && strstr(err.text, "record fewer"),
               "rows that no machine holds: \"%s\"", err.text);
        err = (struct error){0};
        request.defaults.capture_least = 2 * MOST;
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == 2 * MOST && !(p.degraded & PLAN_CUT_CAPTURE),
               "%llu bytes for rows that need %d", (unsigned long long)p.capture, 2 * MOST);
        const uint64_t row = (uint64_t)o.model->p.n_layer * (uint64_t)o.model->p.n_embd * sizeof(float) + 4;
        request = (struct plan_request){.how = PLAN_WHOLE, .n_threads = 1, .defaults = {.capture = LEAST}};
        for (request.defaults.capture_rows = 1; request.defaults.capture_rows < INT_MAX / 8;
             request.defaults.capture_rows *= 8) {
            const uint64_t rows = (uint64_t)request.defaults.capture_rows, all = capture_memory(rows, row),
                           want = all < LEAST       ? LEAST
                                  : all > 320 << 20 ? 320 << 20
                                                    : all;
            expect(all - all / 4 >= rows * round_up(row, CAPTURE_ALIGN), "no room for %llu rows",
                   (unsigned long long)rows);
            expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == want, "%llu bytes for %d rows, not %llu",
                   (unsigned long long)p.capture, request.defaults.capture_rows, (unsigned long long)want);
        }
        request.defaults.capture_rows = -1;
        expect(plan_make(&p, o.model, &request, &err) == 0 && p.capture == LEAST, "bytes for less than no rows");
        close_headers(&o);
    }
    unlink(in_dir("capture.gguf"));
    verdict("recorded rows", "not given");
}

/* ---- drafts that are priced ------------------------------------------------------------------------------------------------------ */

static int plan_by(const char *path, const struct stoker_options *o, struct stoker_plan *out)
{
    struct stoker_error err;
    if (stoker_plan(out, path, o, &err) == 0)
        return 0;
    expect(0, "--draft %s of %llu bytes: %s", o->draft, ull(o->memory), err.text);
    return -1;
}

static int plan_with(const char *path, uint64_t memory, const char *draft, struct stoker_plan *out)
{
    struct stoker_options o = {.memory = memory, .n_threads = 1, .draft = draft};
    return plan_by(path, &o, out);
}

static uint64_t beside_slots(const struct stoker_plan *p)
{
    uint64_t sum = p->total;
    for (int c = 0; c < p->n_class; c++)
        sum -= (uint64_t)p->slots[c] * p->slot_bytes[c];
    return sum;
}

/* What a plan says of itself is that without drafts: whether anything streams for them is seen of the slots. */
static int holds_all(const struct stoker_plan *p)
{
    for (int c = 0; c < p->n_class; c++)
        if (p->slots[c] < p->experts[c])
            return 0;
    return 1;
}

static int gives_nothing_up(const struct stoker_plan *p)
{
    return !(p->cut_embedding || p->cut_experts || p->cut_chunk || p->cut_sequences || p->cut_context || p->cut_cache ||
             p->cut_capture || p->cut_encoders);
}

/* What drafts and a layer that makes them take is a small share of memory that would have held experts, or nothing: the least memory and
 * that from which nothing streams are those without them, everything but slots is as without them, and with a sixteenth more all of it is
 * there. */
static void priced_drafts(const struct shape *shape, const char *name)
{
    enum { BUDGETS = 20 };
    struct error why = {0};
    struct stoker_plan whole, without, with, least;
    char detail[120];
    int none = 0, fewer = 0, halved = 0, compared = 0;
    if (sparse_write(in_dir(name), shape, &why)) {
        skip("drafts", why.text);
        return;
    }
    if (plan_with(in_dir(name), STOKER_MEMORY_MIN, "auto", &with) == 0 &&
        plan_with(in_dir(name), STOKER_MEMORY_MIN, "off", &without) == 0 &&
        plan_with(in_dir(name), without.whole + without.whole / 16, "auto", &whole) == 0) {
        expect(whole.n_draft == 16 && gives_nothing_up(&whole) && holds_all(&whole) &&
                   (whole.draft_layer.n_expert > 0) == (shape->n_draft > 0),
               "%d drafts with memory for all of them, %d experts of their layer", whole.n_draft,
               whole.draft_layer.n_expert);
        expect(with.minimum == without.minimum && with.whole == without.whole && with.n_draft == 0,
               "%llu to %llu bytes, %llu to %llu without drafts, and %d of them", ull(with.minimum), ull(with.whole),
               ull(without.minimum), ull(without.whole), with.n_draft);
        expect(with.cut_drafts && !without.cut_drafts && !whole.cut_drafts,
               "what drafts were given up is told wrongly");
        if (plan_with(in_dir(name), STOKER_MEMORY_MIN, "ngram", &least) == 0) /* else it has told why */
            expect(least.n_draft == 16 && least.minimum == with.draft_minimum && !least.cut_drafts,
                   "--draft ngram needs %llu bytes, %llu are told", ull(least.minimum), ull(with.draft_minimum));
        for (int i = 0; i < BUDGETS; i++) {
            uint64_t memory = without.minimum + (whole.memory - without.minimum) / BUDGETS * (uint64_t)i;
            struct stoker_plan a, b;
            if (plan_with(in_dir(name), memory, "off", &a) || plan_with(in_dir(name), memory, "auto", &b))
                break;
            expect(holds_all(&a) == holds_all(&b), "%llu bytes: experts stream for drafts", ull(memory));
            expect(b.n_ctx == a.n_ctx && b.n_parallel == a.n_parallel && b.n_chunk == a.n_chunk,
                   "%llu bytes: another context, or other chunks", ull(memory));
            for (int c = 0; c < a.n_class && a.cut_experts; c++)
                expect(b.slots[c] <= a.slots[c], "%llu bytes: %d slots, %d without drafts", ull(memory), b.slots[c],
                       a.slots[c]);
            expect(b.cut_drafts == (b.n_draft == 0), "%llu bytes: %d drafts, told wrongly", ull(memory), b.n_draft);
            none += b.n_draft == 0;
            fewer += b.n_draft > 0 && b.n_draft < 16;
            halved += b.n_draft == 8 && b.draft_layer.n_expert > 0;
            if (!a.cut_experts)
                continue;
            compared++;
            /* 128, but for scratch of a layer's pairs */
            expect(beside_slots(&b) <= beside_slots(&a) + memory / 120 + (1 << 20),
                   "%llu bytes: drafts take %lld of them from experts", ull(memory),
                   (long long)(beside_slots(&b) - beside_slots(&a)));
        }
    }
    expect(none > 0 && compared > BUDGETS / 2, "%d budgets without drafts, %d compared", none, compared);
    expect(halved > 0 || shape->n_draft == 0, "the layer is nowhere worth half of the drafts");
    snprintf(detail, sizeof detail, "%s: of %d budgets %d without drafts, %d with fewer", name, BUDGETS, none, fewer);
    unlink(in_dir(name));
    verdict("drafts", detail);
}

/* As a server asks, which keeps prefixes by default, or as many as somebody asked for. */
#define SERVED_CACHE (512 * MIB)
static int plan_served(const char *path, uint64_t memory, const char *draft, uint64_t cache_ram,
                       struct stoker_plan *out)
{
    struct stoker_options o = {
        .memory = memory,
        .n_threads = 1,
        .n_queue = 128,
        .server = 64 * MIB,
        .draft = draft,
        .cache_ram = cache_ram,
        .defaults = {.n_ctx = 32768, .n_parallel = 4, .n_snapshots = 4, .cache_ram = SERVED_CACHE}};
    return plan_by(path, &o, out);
}

static uint64_t prefix_bytes(const struct stoker_plan *p)
{
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        if (strcmp(p->part_name[i], "prefix") == 0)
            return p->part[i];
    return 0;
}

/* Between what holds everything but drafts and what holds them too, a server has drafts all the same: of its prefixes a quarter is given up
 * for them, and nothing else. Prefixes that somebody asked for stay. */
static void drafts_for_prefixes(const struct shape *shape, const char *name)
{
    enum { BUDGETS = 8 };
    struct error why = {0};
    struct stoker_plan without, with, given;
    char detail[120];
    int shared = 0;
    if (sparse_write(in_dir(name), shape, &why)) {
        skip("drafts", why.text);
        return;
    }
    int ok = plan_served(in_dir(name), STOKER_MEMORY_MAX, "off", 0, &without) == 0 &&
             plan_served(in_dir(name), STOKER_MEMORY_MAX, "auto", 0, &with) == 0;
    uint64_t from = without.whole, to = from + from / 16;
    expect(!ok || with.whole == from, "%llu bytes for all, %llu without drafts", ull(with.whole), ull(from));
    for (int i = 0; ok && i <= BUDGETS; i++) {
        uint64_t memory = from + (to - from) / BUDGETS * (uint64_t)i;
        if (plan_served(in_dir(name), memory, "off", 0, &without) ||
            plan_served(in_dir(name), memory, "auto", 0, &with) ||
            plan_served(in_dir(name), memory, "auto", SERVED_CACHE, &given))
            break;
        expect(gives_nothing_up(&without) && !without.cut_prefix, "%llu bytes are not all without drafts", ull(memory));
        expect(with.n_draft > 0 && with.total <= memory, "%llu bytes: %d drafts in a plan of %llu", ull(memory),
               with.n_draft, ull(with.total));
        expect(gives_nothing_up(&with) && holds_all(&with) && with.n_ctx == without.n_ctx &&
                   with.n_parallel == without.n_parallel,
               "%llu bytes: more than prefixes is given up for drafts", ull(memory));
        uint64_t all = prefix_bytes(&without), left = prefix_bytes(&with),
                 rounding = KV_PAGE * with.kv_bytes_per_token + with.state_bytes_per_sequence;
        int same_pages = with.kv_bytes_per_token == without.kv_bytes_per_token;
        expect(left + rounding >= SERVED_CACHE / 4 * 3 && !with.cut_prefix, "%llu bytes: %llu for prefixes, cut %d",
               ull(memory), ull(left), with.cut_prefix);
        expect(gives_nothing_up(&given) && holds_all(&given) && !given.cut_prefix &&
                   prefix_bytes(&given) + rounding >= all,
               "%llu bytes: %llu of the prefixes that were asked for", ull(memory), ull(prefix_bytes(&given)));
        expect(i > 0 || given.n_draft == 0, "%d drafts where nothing is left for them", given.n_draft);
        shared += same_pages && left < all;
    }
    expect(shared > 0, "nowhere drafts and prefixes share");
    snprintf(detail, sizeof detail, "%s: %d of %d budgets with fewer prefixes", name, shared, BUDGETS + 1);
    unlink(in_dir(name));
    verdict("prefixes", detail);
}

static uint64_t beside_prefixes(const struct stoker_plan *p) { return p->total - prefix_bytes(p); }

/* Where nothing is given up, as many drafts as there may be have no more than a sixteenth of the memory, and some. */
static void share_of_drafts(const struct shape *shape, const char *name)
{
    struct error why = {0};
    struct stoker_options o = {.n_threads = 1, .n_ctx = 4096, .draft = "off"};
    struct stoker_plan without, with;
    char detail[120] = "";
    if (sparse_write(in_dir(name), shape, &why)) {
        skip("share", why.text);
        return;
    }
    if (plan_with(in_dir(name), STOKER_MEMORY_MIN, "off", &without) == 0) {
        o.memory = without.whole + without.whole / 4;
        int off = plan_by(in_dir(name), &o, &without);
        o.draft = "auto";
        o.n_draft = STOKER_DRAFT_MOST;
        if (off == 0 && plan_by(in_dir(name), &o, &with) == 0) {
            snprintf(detail, sizeof detail, "%s: %d drafts have %llu of %llu bytes", name, with.n_draft,
                     ull(beside_prefixes(&with) - beside_prefixes(&without)), ull(o.memory));
            expect(gives_nothing_up(&without) && gives_nothing_up(&with) && with.n_draft > 0 &&
                       beside_prefixes(&with) - beside_prefixes(&without) <= o.memory / 16,
                   "%s", detail);
        }
    }
    expect(detail[0], "%s is not planned", name);
    unlink(in_dir(name));
    verdict("share", detail);
}

static void all_priced_drafts(void)
{
    const struct shape recurrent = {.arch = "qwen3next",
                                    .n_layer = 48,
                                    .n_embd = 2048,
                                    .n_head = 16,
                                    .n_head_kv = 2,
                                    .d_k = 256,
                                    .d_v = 256,
                                    .n_ctx = 262144,
                                    .n_expert = 512,
                                    .n_used = 10,
                                    .n_ff_exp = 512,
                                    .n_vocab = 151936,
                                    .expert_type = TYPE_Q4_K,
                                    .n_head_state = 32,
                                    .n_group = 16,
                                    .d_state = 128,
                                    .n_conv = 4},
                       with_layer = {.arch = "glm4moe",
                                     .n_layer = 46,
                                     .n_embd = 4096,
                                     .n_head = 96,
                                     .n_head_kv = 8,
                                     .d_k = 128,
                                     .d_v = 128,
                                     .n_ctx = 131072,
                                     .n_ff = 10944,
                                     .n_expert = 128,
                                     .n_used = 8,
                                     .n_ff_exp = 1408,
                                     .n_vocab = 151552,
                                     .expert_type = TYPE_Q4_0,
                                     .n_dense = 1,
                                     .n_draft = 1};
    struct shape few = recurrent; /* its states are much beside its experts */
    few.n_expert = 64;
    share_of_drafts(&few, "few-experts.gguf");
    priced_drafts(&recurrent, "recurrent.gguf");
    priced_drafts(&with_layer, "with-layer.gguf");
    priced_drafts(&small, "small.gguf");
    drafts_for_prefixes(&recurrent, "recurrent.gguf");
    drafts_for_prefixes(&with_layer, "with-layer.gguf");
    drafts_for_prefixes(&small, "small.gguf");
}

/* ---- plan against reality ------------------------------------------------------------------------------------------------------- */

struct measured {
    unsigned long long memory, total, minimum, whole, peak, hash;
    int must_stream, misses, evictions;
};
#define MEASURED_FORMAT "%llu %llu %llu %llu %llu %llx %d %d %d"

/* In a process of its own: a run under so much memory (0: the minimum, 1: everything); prints what it took. */
static int child(const char *path, uint64_t memory)
{
    struct error err = {0};
    struct session *s = NULL;
    struct session_options opt = {.tier = cpu_best_tier(),
                                  .plan_request = {.how = memory == 0   ? PLAN_MINIMUM
                                                          : memory == 1 ? PLAN_WHOLE
                                                                        : PLAN_BYTES,
                                                   .memory = memory}};
    struct line l;
    if (session_prepare(&s, path, &opt, 0, &err) || session_load(s, &opt, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    line_make(&l, 0, 120, s->model->p.n_vocab);
    l.n_ids = 120 + 64;
    if (run_alone(s, &l, s->plan.n_chunk, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    struct store_stats st = {0};
    int must_stream = 0;
    if (s->model->store)
        store_stats(s->model->store, &st);
    for (int c = 0; c < st.n_class; c++)
        must_stream |= st.slots[c] < st.experts[c] / 2;
    printf(MEASURED_FORMAT "\n", ull(s->plan.memory), ull(s->plan.total), ull(s->plan.minimum), ull(s->plan.whole),
           ull((uint64_t)own_peak_kib() * 1024), ull(l.hash[l.n_ids - 1]), must_stream, (int)st.misses,
           (int)st.evictions);
    session_close(s);
    return 0;
}

static int run_child(const char *self, const char *path, uint64_t memory, struct measured *m)
{
    char command[500], text[400] = "";
    snprintf(command, sizeof command, "exec '%s' --child '%s' %llu", self, path, ull(memory));
    FILE *f = popen(command, "r");
    if (f && !fgets(text, sizeof text, f))
        text[0] = 0;
    int status = f ? pclose(f) : -1;
    int n = sscanf(text, MEASURED_FORMAT, &m->memory, &m->total, &m->minimum, &m->whole, &m->peak, &m->hash,
                   &m->must_stream, &m->misses, &m->evictions);
    expect(status == 0 && n == 9, "status %d: %s", status, text);
    return status == 0 && n == 9;
}

static void reality(const char *self, const char *path, const char *name)
{
    struct measured m[3];
    char detail[300];
    uint64_t memory = 0;
    for (int i = 0; i < 3; i++) {
        if (!run_child(self, path, memory, &m[i])) {
            verdict("reality", name);
            return;
        }
        memory = i == 0 ? m[0].minimum + m[0].minimum / 4 : 1;
        uint64_t give = m[i].memory / 20 > 48 * MIB ? m[i].memory / 20 : 48 * MIB;
        expect(m[i].peak <= m[i].memory, "VmHWM %llu > %llu", m[i].peak, m[i].memory);
        expect(m[i].total <= m[i].memory, "total %llu > %llu", m[i].total, m[i].memory);
        expect(m[i].total <= m[i].peak + give, "padded: total %llu, VmHWM %llu", m[i].total, m[i].peak);
        expect(m[i].hash == m[0].hash, "other bits at %llu", m[i].memory);
        expect(!m[i].must_stream || (m[i].misses > 0 && m[i].evictions > 0), "nothing was evicted at %llu",
               m[i].memory);
    }
    snprintf(detail, sizeof detail, "%s: peak of memory in MiB: %llu of %llu, %llu of %llu, %llu of %llu", name,
             m[0].peak >> 20, m[0].memory >> 20, m[1].peak >> 20, m[1].memory >> 20, m[2].peak >> 20,
             m[2].memory >> 20);
    verdict("reality", detail);
}

/* ---- a second model that drafts ------------------------------------------------------------------------------------------------ */

/* In a process of its own (0: the minimum, 1: everything): prints its plan, its peak and how many drafts held. The context is filled, so
 * that all that is planned is used. */
static int draft_child(const char *path, uint64_t memory, int drafts)
{
    enum { PROMPT = 216 };
    static stoker_token prompt[PROMPT];
    struct stoker_options o = {.memory = memory == 0   ? STOKER_MEMORY_MIN
                                         : memory == 1 ? STOKER_MEMORY_MAX
                                                       : memory,
                               .n_ctx = 256,
                               .n_threads = 2,
                               .draft = drafts ? path : "off"};
    struct stoker_error err;
    struct stoker_event end = {.kind = STOKER_FAILED};
    struct stoker_plan p;
    struct stoker *s;
    if (stoker_open(&s, path, &o, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    stoker_plan_of(s, &p);
    s->price.all = 1; /* a drafter as large as the model is never worth it */
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = (stoker_token)(i * 7919 % stoker_n_vocab(s));
    struct stoker_request q = {.prompt = prompt,
                               .n_prompt = PROMPT,
                               .max_tokens = 40,
                               .ignore_end = 1,
                               .sampling = stoker_sampling_defaults()};
    q.sampling.temperature = 0;
    int broken = stoker_generate(s, &q, NULL, NULL, &end, &err);
    printf("%llu %llu %llu %zu\n", ull(p.memory), ull(p.total), ull((uint64_t)own_peak_kib() * 1024),
           broken ? 0 : end.u.end.n_accepted);
    stoker_close(s);
    return broken;
}

struct drafted {
    unsigned long long memory, total, peak;
    size_t held;
};

static int run_draft_child(const char *self, const char *path, int budget, int drafts, struct drafted *d)
{
    char command[500], text[400] = "";
    snprintf(command, sizeof command, "exec '%s' --drafts '%s' %d %d", self, path, budget, drafts);
    FILE *f = popen(command, "r");
    if (f && !fgets(text, sizeof text, f))
        text[0] = 0;
    int status = f ? pclose(f) : -1;
    int ok = status == 0 && sscanf(text, "%llu %llu %llu %zu", &d->memory, &d->total, &d->peak, &d->held) == 4;
    expect(ok, "status %d: %s", status, text);
    return ok;
}

/* What it adds to the plan is what it adds to the peak: within 4 per cent, or 4 MiB. */
static void drafter(const char *self, const char *path, const char *name)
{
    char detail[200] = "";
    for (int i = 0; i < 2; i++) {
        struct drafted without, with;
        if (!run_draft_child(self, path, i, 0, &without) || !run_draft_child(self, path, i, 1, &with))
            continue;
        uint64_t planned = with.total - without.total, give = planned / 25 > 4 * MIB ? planned / 25 : 4 * MIB;
        long long added = (long long)(with.peak - without.peak);
        expect(with.peak <= with.memory && with.total <= with.memory, "VmHWM %llu, total %llu > %llu", with.peak,
               with.total, with.memory);
        expect(with.total > without.total && added <= (long long)planned, "it adds %llu to the plan, %lld to VmHWM",
               ull(planned), added);
        expect((long long)planned <= added + (long long)give, "padded: it adds %llu to the plan, %lld to VmHWM",
               ull(planned), added);
        expect(with.held > 10, "%zu drafts held", with.held);
        size_t at = strlen(detail);
        snprintf(detail + at, sizeof detail - at, "%s%.1f of %.1f MiB", i ? ", " : "adds ", (double)added / MIB,
                 (double)planned / MIB);
    }
    strncat(detail, ", drafted by ", sizeof detail - strlen(detail) - 1);
    strncat(detail, name, sizeof detail - strlen(detail) - 1);
    verdict("drafter", detail);
}

/* ---- scores of prompts ------------------------------------------------------------------------------------------------------ */

enum { SCORED = 300, ALTERNATIVES = 20, BUDGETS = 20 };

/* In a process of its own: prints its peak and a hash of the scores. */
static int score_child(const char *path, uint64_t memory)
{
    static stoker_token prompt[SCORED];
    static struct stoker_score score[SCORED];
    static struct stoker_logprob top[SCORED][ALTERNATIVES];
    struct stoker_options o = {
        .memory = memory, .n_ctx = 512, .n_parallel = 1, .n_threads = 2, .server = sizeof score + sizeof top};
    struct stoker_error err;
    struct stoker_event e = {.kind = STOKER_PROGRESS};
    struct stoker *s;
    stoker_id id;
    uint64_t hash = 0;
    if (stoker_open(&s, path, &o, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < SCORED; i++)
        prompt[i] = (stoker_token)(i * 7919 % stoker_n_vocab(s));
    struct stoker_request q = {.prompt = prompt,
                               .n_prompt = SCORED,
                               .score_from = 1,
                               .score = score,
                               .score_top = top[0],
                               .n_score_top = ALTERNATIVES,
                               .only_score = 1};
    int broken = stoker_submit(s, &q, &id, &err);
    while (!broken && e.kind != STOKER_END && e.kind != STOKER_FAILED)
        broken = stoker_next_event(s, id, 60000, &e) != 1;
    for (int i = 1; i < SCORED; i++) {
        uint64_t bits;
        memcpy(&bits, &score[i].logprob, sizeof bits);
        hash = (hash ^ bits ^ (uint64_t)score[i].rank ^ (uint64_t)top[i][ALTERNATIVES - 1].id) * 0x100000001B3;
    }
    printf("%llu %llx\n", ull((uint64_t)own_peak_kib() * 1024), ull(hash));
    stoker_close(s);
    return broken || e.kind != STOKER_END;
}

/* From the least memory that works to all of it: the peak is within the budget, the scores are the same. */
static void scores(const char *self, const char *path, const char *name)
{
    struct stoker_options o = {.memory = STOKER_MEMORY_MIN,
                               .n_ctx = 512,
                               .n_parallel = 1,
                               .n_threads = 2,
                               .server = SCORED *
                                         (sizeof(struct stoker_score) + ALTERNATIVES * sizeof(struct stoker_logprob))};
    struct stoker_error err;
    struct stoker_plan p;
    unsigned long long peak, hash, first = 0;
    expect(stoker_plan(&p, path, &o, &err) == 0, "%s", err.text);
    for (uint64_t i = 0; i < BUDGETS; i++) {
        char command[500], text[400] = "";
        uint64_t memory = p.minimum + (p.whole - p.minimum) / (BUDGETS - 1) * i;
        snprintf(command, sizeof command, "exec '%s' --scores '%s' %llu", self, path, ull(memory));
        FILE *f = popen(command, "r");
        if (f && !fgets(text, sizeof text, f))
            text[0] = 0;
        int status = f ? pclose(f) : -1;
        if (status || sscanf(text, "%llu %llx", &peak, &hash) != 2) {
            expect(0, "%llu: status %d: %s", ull(memory), status, text);
            continue;
        }
        first = i ? first : hash;
        expect(peak <= memory, "VmHWM %llu > %llu", peak, ull(memory));
        expect(hash == first, "other scores at %llu", ull(memory));
    }
    char detail[120];
    snprintf(detail, sizeof detail, "%s, %d budgets", name, BUDGETS);
    verdict("scores", detail);
}

/* ---- the scratch of a step ---------------------------------------------------------------------------------------------------- */

/* Steps of some rows, with the logits of all, take at most what was measured for them before anything was loaded, and the measure
 * is not padded: the largest of them takes nearly all of it. */
static void scratch_of(const char *path, const char *name, int exact)
{
    enum { CHUNK = 40, PADDING = 8 }; /* an eighth: experts that no row chose, blocks that no row completed */
    static const int rows[] = {1, 16, 17, CHUNK};
    struct session_options opt = {.tier = cpu_best_tier(),
                                  .plan_request = {.how = PLAN_WHOLE,
                                                   .n_ctx = 256,
                                                   .n_parallel = 1,
                                                   .n_chunk = CHUNK,
                                                   .n_threads = 2,
                                                   .exact = exact,
                                                   .all_logits = 1}};
    struct error err = {0};
    struct session *s = NULL;
    char detail[120] = "";
    size_t peak = 0, all = 0;
    if (session_prepare(&s, path, &opt, 0, &err) || session_load(s, &opt, &err))
        expect(0, "%s", err.text);
    for (int i = 0; err.code == ERR_NONE && i < 4; i++) {
        struct line l;
        line_make(&l, 0, 2 * CHUNK, s->model->p.n_vocab);
        s->scratch.peak = 0;
        expect(run_alone(s, &l, rows[i], &err) == 0, "%s", err.text);
        struct step_scratch need = model_measure_step(s->model, s->kv, rows[i], rows[i]);
        peak = s->scratch.peak;
        all = need.step_bytes;
        expect(peak <= all, "%d rows take %zu bytes, measured were %zu", rows[i], peak, all);
        expect(need.thread_bytes <= s->plan.thread_bytes, "%zu bytes of a thread, planned %llu", need.thread_bytes,
               ull(s->plan.thread_bytes));
    }
    expect(all - peak <= all / PADDING, "padded: a full step takes %zu bytes, measured were %zu", peak, all);
    snprintf(detail, sizeof detail, "%s%s: %zu of %zu bytes", name, exact ? ", exact" : "", peak, all);
    verdict("scratch", detail);
    session_close(s);
}

/* ---- what the caller needs itself --------------------------------------------------------------------------------------------- */

/* It is a part of the plan and changes no other; memory for the constraints of many clients comes with a queue. */
static void callers_memory(void)
{
    static const uint64_t own_bytes = 100 * MIB;
    static const enum plan_memory how[] = {PLAN_MINIMUM, PLAN_WHOLE};
    struct error err = {0};
    struct opened o;
    struct plan none, own, queue;
    if (open_headers(&o, "models/ember/ember.gguf", &err))
        expect(0, "%s", err.text);
    for (int i = 0; err.code == ERR_NONE && i < 2; i++) {
        struct plan_request w = {
            .how = how[i], .n_threads = 2, .has_text = 1, .text_bytes = MIB, .constraint_state_bytes = MIB};
        expect(plan_make(&none, o.model, &w, &err) == 0, "%s", err.text);
        w.server = own_bytes;
        expect(plan_make(&own, o.model, &w, &err) == 0, "%s", err.text);
        w.n_queue = 9;
        expect(plan_make(&queue, o.model, &w, &err) == 0, "%s", err.text);
        for (int k = 0; k < PLAN_KERNEL; k++)
            expect(own.part[k] == none.part[k] + (k == PLAN_SERVER ? own_bytes : 0), "%s: %llu bytes, without it %llu",
                   plan_part_name((enum plan_part)k), ull(own.part[k]), ull(none.part[k]));
        expect(queue.part[PLAN_TEXT] >= own.part[PLAN_TEXT] + 4 * MIB, "a queue: %llu bytes for text, without it %llu",
               ull(queue.part[PLAN_TEXT]), ull(own.part[PLAN_TEXT]));
    }
    close_headers(&o);
    verdict("caller", "its memory is a part of its own");
}

/* ---- reading through the page cache ------------------------------------------------------------------------------------------------- */

/* A file that refuses O_DIRECT costs what --reader buffered costs, and is found before anything is opened. */
static void buffered_reading(void)
{
    struct error err = {0};
    struct opened o;
    struct plan direct = {0}, forced = {0}, refused = {0};
    struct plan_request w = {.how = PLAN_MINIMUM, .n_threads = 2};
    int refuses = open("/proc/version", O_RDONLY | O_CLOEXEC), probe = open("/proc/version", O_RDONLY | O_DIRECT);
    if (open_headers(&o, "models/ember/ember.gguf", &err) || refuses < 0 || probe >= 0) {
        skip("buffered", err.text[0] ? err.text : "no file that refuses O_DIRECT");
        return;
    }
    expect(plan_make(&direct, o.model, &w, &err) == 0, "%s", err.text);
    w.reader.backend = READER_BUFFERED;
    expect(plan_make(&forced, o.model, &w, &err) == 0, "%s", err.text);
    w.reader.backend = READER_AUTO;
    int fd = o.file->file->fd;
    o.file->file->fd = refuses;
    expect(plan_make(&refused, o.model, &w, &err) == 0, "%s", err.text);
    o.file->file->fd = fd;
    close(refuses);
    uint64_t more = refused.part[PLAN_KERNEL] - direct.part[PLAN_KERNEL];
    expect(more >= 64 * MIB && more < 65 * MIB, "%llu bytes more", ull(more));
    expect(forced.part[PLAN_KERNEL] == direct.part[PLAN_KERNEL] + 64 * MIB, "forced: %llu, direct: %llu",
           ull(forced.part[PLAN_KERNEL]), ull(direct.part[PLAN_KERNEL]));
    close_headers(&o);
    verdict("buffered", "64 MiB for the page cache");
}

/* ---- all ---------------------------------------------------------------------------------------------------------------------------- */

static void real_model(const char *self, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    refusals(path, name);
    ladder(path, name, 0);
    ladder(path, name, 8 << 20);
    scratch_of(path, name, 0);
    scratch_of(path, name, 1);
    if (SANITIZED)
        skip("reality", "a sanitizer has memory of its own");
    else
        reality(self, path, name);
}

static void real_models(const char *self)
{
    char path[200];
    real_model(self, "models/ember/ember.gguf");
    for (int i = 0; expected_lawful()[i]; i++) {
        snprintf(path, sizeof path, TEST_DATA "/golden/%s.gguf", expected_lawful()[i]);
        real_model(self, path);
    }
}

static void sparse_models(void)
{
    struct shape big = small, dense = {.arch = "llama", 32, 4096, 32, 8, 128, 128, 131072, 14336, .n_vocab = 128256};
    struct error err = {0};
    big.mixed = 1;
    big.n_layer = 48;
    big.n_embd = 2048;
    big.n_head = 32;
    big.n_head_kv = 4;
    big.d_k = big.d_v = 128;
    big.n_expert = 128;
    big.n_used = 8;
    big.n_ff_exp = 768;
    big.n_vocab = 151936;
    const struct {
        const char *name;
        struct shape s;
    } models[] = {{"small.gguf", small}, {"shape-30b.gguf", big}, {"dense.gguf", dense}};
    for (int i = 0; i < 3; i++) {
        if (sparse_write(in_dir(models[i].name), &models[i].s, &err)) {
            skip("ladder", err.text);
            continue;
        }
        refusals(in_dir(models[i].name), models[i].name);
        ladder(in_dir(models[i].name), models[i].name, 0);
        ladder(in_dir(models[i].name), models[i].name, 1 << 30);
        unlink(in_dir(models[i].name));
    }
}

/* Numbers that no plan can have, asked for or as defaults. */
static void numbers_out_of_range(void)
{
    struct error err = {0};
    struct opened o;
    struct plan_request w;
    const struct {
        int *number;
        const char *flag;
    } row[] = {{&w.n_ctx, "--ctx "},
               {&w.n_parallel, "--parallel "},
               {&w.n_snapshots, "--snapshots "},
               {&w.n_chunk, "--chunk "},
               {&w.n_threads, "--threads "},
               {&w.defaults.n_ctx, "--ctx "},
               {&w.defaults.n_parallel, "--parallel "},
               {&w.defaults.n_snapshots, "--snapshots "}};
    if (open_headers(&o, "models/ember/ember.gguf", &err)) {
        expect(0, "%s", err.text);
        verdict("numbers", "out of range");
        return;
    }
    for (size_t i = 0; i < 2 * sizeof row / sizeof *row; i++) {
        struct plan p;
        char sentence[200];
        w = (struct plan_request){.how = PLAN_MINIMUM};
        *row[i / 2].number = i % 2 ? INT_MAX : -5;
        err = (struct error){0};
        int n = snprintf(sentence, sizeof sentence, "%s%d: at least", row[i / 2].flag, *row[i / 2].number);
        expect(plan_make(&p, o.model, &w, &err) != 0 && err.code == ERR_INPUT &&
                   !strncmp(err.text, sentence, (size_t)n),
               "%s %s", sentence, err.text);
    }
    close_headers(&o);
    verdict("numbers", "out of range");
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0)
        return child(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "--drafts") == 0)
        return draft_child(argv[2], strtoull(argv[3], NULL, 10), argv[4][0] != '0');
    if (argc == 4 && strcmp(argv[1], "--scores") == 0)
        return score_child(argv[2], strtoull(argv[3], NULL, 10));
    if (!mkdtemp(dir)) {
        printf("no folder for temporary files\n");
        return 1;
    }
    real_models(argv[0]);
    if (SANITIZED)
        skip("drafter", "a sanitizer has memory of its own");
    else
        drafter(argv[0], "models/ember/ember.gguf", "ember.gguf");
    if (SANITIZED)
        skip("scores", "a sanitizer has memory of its own");
    else
        scores(argv[0], "models/ember/ember.gguf", "ember.gguf");
    sparse_models();
    buffered_reading();
    machine_trees();
    hostile_keys();
    hostile_shapes();
    numbers_out_of_range();
    default_context();
    default_sequences();
    default_capture();
    callers_memory();
    all_priced_drafts();
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    expect(system(command) == 0, "%s", command);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
