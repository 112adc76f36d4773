/* stoker plan: the memory plan from headers alone. Exit 0 it fits, 2 it does not. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/header.h"
#include "cli/common/steer_flags.h"
#include "cli/machine/drive.h"
#include "cli/machine/left.h"
#include "cli/machine/roofs.h"

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "server/server.h"
#include "store/reader.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "stoker plan [MODEL.gguf] [flags]: what a model needs, from its headers alone; nothing is loaded.\n\n"
    "  stoker plan MODEL.gguf                      with what this machine has left\n"
    "  stoker plan MODEL.gguf --memory 6GiB --ctx 32768\n"
    "  stoker plan MODEL.gguf --memory min         the smallest that works\n"
    "  stoker plan MODEL.gguf --disk               reads a little of the file: how fast may tokens come at best\n"
    "  stoker plan MODEL.gguf --measure            the same of memory and cores: how fast will this machine be\n"
    "  stoker plan MODEL.gguf --memory 64G --strict   may this machine run it with so much?\n"
    "  stoker plan MODEL.gguf --serve              what stoker serve takes, with its defaults\n"
    "  stoker plan MODEL.gguf --json               for programs\n"
    "  stoker plan MODEL.gguf --header-only        of a download that has begun: 16 MB are enough for most\n"
    "  curl -sLr 0-16777215 URL | stoker plan -    before a download\n\n"
    "Exit status: 0 it fits, 2 it does not.\n\n";

/* Which rates of the prediction are this machine's; the others are those of a usual one. */
enum measured { MEASURED_NONE, MEASURED_DRIVE, MEASURED_ALL };

/* Share of the experts' bytes that the slots hold. */
static double share_held(const struct stoker_plan *p)
{
    double held = 0;
    for (int c = 0; c < p->n_class; c++)
        held += (double)p->slots[c] * (double)p->expert_bytes[c];
    return p->expert_bytes_total ? held / (double)p->expert_bytes_total : 1;
}

/* By the overlap model with compute left out: an upper bound. Each layer waits once for a read to begin, if it reads at all. */
static double most_tokens(const struct stoker_plan *p, double rate)
{
    double miss = 1 - p->hit_rate, reads = miss * (double)p->n_expert_used;
    double seconds = miss * (double)p->expert_bytes_per_token / rate +
                     READ_LATENCY * p->n_moe_layer * (reads < 1 ? reads : 1);
    return seconds > 0 ? 1 / seconds : 0;
}

static json_t *json_numbers(const uint64_t *u, const int *n, int count)
{
    json_t *a = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(a, json_integer(u ? (json_int_t)u[i] : n[i]));
    return a;
}

static json_t *json_cuts(const struct stoker_plan *p)
{
    json_t *a = json_array();
    const struct {
        int cut;
        const char *name;
    } cuts[] = {{p->cut_embedding, "embedding"}, {p->cut_experts, "experts"},     {p->cut_chunk, "chunk"},
                {p->cut_prefix, "prefix"},       {p->cut_sequences, "sequences"}, {p->cut_context, "context"},
                {p->cut_cache, "cache"},         {p->cut_encoders, "encoders"},   {p->cut_capture, "capture"},
                {p->cut_drafts, "drafts"}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (cuts[i].cut)
            json_array_append_new(a, json_string(cuts[i].name));
    return a;
}

/* Below one token's experts only those hit that nearly every token uses. There are such in large models, by whose routes hits are
 * predicted; the embedded one, which uses all of its alike, hits a quarter as often. */
static const char *cache_note(const struct stoker_plan *p, char *out, size_t n)
{
    double held = share_held(p) * (double)p->expert_bytes_total, miss = 1 - p->hit_rate;
    if (!p->cut_cache || held > (double)p->expert_bytes_per_token)
        return NULL;
    snprintf(out, n,
             "cache holds %.1f of one token's experts: every token reads about %s at best, and more where tokens "
             "use all experts alike",
             held / (double)p->expert_bytes_per_token,
             show_bytes((uint64_t)(miss * (double)p->expert_bytes_per_token)));
    return out;
}

/* Of experts that are used all alike as large a share hits as is held. */
static void print_hits(const struct stoker_plan *p)
{
    double share = share_held(p), hit = p->hit_rate, cycle = (double)p->expert_bytes_per_token;
    char note[200];
    int few = cache_note(p, note, sizeof note) != NULL;
    printf("  held %.0f %%: %s %.0f %% hits are usual, then %s are read a token", share * 100,
           few ? "at most" : "about", hit * 100, show_bytes((uint64_t)((1 - hit) * cycle)));
    if (!few)
        printf("; where tokens use all experts alike, %.0f %% and %s", share * 100,
               show_bytes((uint64_t)((1 - share) * cycle)));
    putchar('\n');
}

static const char buffered_note[] = "not every file is read with O_DIRECT: reads go through the page cache, "
                                    "each range is dropped after use";

/* buffered: --reader says so. *direct: all files are read past the page cache. */
static json_t *json_files(const char *model, int header_only, int buffered, int *direct)
{
    json_t *list = json_array();
    struct gguf *g;
    struct error err = {0};
    *direct = 1;
    if (header_only ? gguf_open_header(&g, model, &err) : gguf_open(&g, model, &err))
        return list;
    for (int i = 0; i < g->n_file; i++) {
        uint32_t align = reader_align_of(&g->file[i], 1);
        int is = (header_only || reader_file_direct(&g->file[i], &align)) && !buffered;
        *direct &= is;
        char path[4096];
        snprintf(path, sizeof path, "%s", g->file[i].path);
        utf8_make_plain(path);
        json_array_append_new(list, json_pack("{s:s, s:I, s:b, s:i}", "path", path, "size", (json_int_t)g->file[i].size,
                                              "direct", is, "align", (int)align));
    }
    gguf_close(g);
    return list;
}

/* A budget above what is left here. */
static const char *memory_note(const struct stoker_plan *p, char *out, size_t n)
{
    const char *from;
    uint64_t left = stoker_memory_left(&from);
    if (p->total <= left)
        return NULL;
    snprintf(out, n, "the plan takes %s, and %s %s beside a reserve: the kernel would swap it out or end it",
             show_bytes(p->total), strcmp(from, "cgroup") == 0 ? "the cgroup leaves" : "this machine has left",
             show_bytes(left));
    return out;
}

static const char *context_note(const struct stoker_plan *p, char *out, size_t n)
{
    if (p->n_ctx <= p->n_ctx_train)
        return NULL;
    snprintf(out, n, "the model was trained on %d positions: answers get worse behind that", p->n_ctx_train);
    return out;
}

/* refusal: the sentence why it does not fit, or NULL. */
static json_t *json_notes(const struct stoker_plan *p, int direct, const char *refusal)
{
    char cache[200], memory[200], context[200];
    const char *note[] = {refusal, memory_note(p, memory, sizeof memory), context_note(p, context, sizeof context),
                          cache_note(p, cache, sizeof cache), direct ? NULL : buffered_note};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof note / sizeof *note; i++)
        if (note[i])
            json_array_append_new(list, json_string(note[i]));
    return list;
}

static void print_json(const struct stoker_plan *p, double rate, enum measured how, const char *model, int header_only,
                       int buffered, const char *refusal)
{
    static const char *const measured[] = {"none", "drive", "all"};
    int direct;
    double share = share_held(p), hit = p->hit_rate;
    json_t *parts = json_object();
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        json_object_set_new(parts, p->part_name[i], json_integer((json_int_t)p->part[i]));
    json_t *o = json_pack(
        "{s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:o, s:I, s:I, s:I}", "model", p->model,
        "arch", p->arch, "memory", (json_int_t)p->memory, "memory_from", p->memory_from, "fits", p->fits, "total",
        (json_int_t)p->total, "minimum", (json_int_t)p->minimum, "whole", (json_int_t)p->whole, "ctx", p->n_ctx,
        "parallel", p->n_parallel, "chunk", p->n_chunk, "draft_max", p->n_draft, "threads", p->n_threads, "kv_type",
        p->kv, "parts", parts, "kv_bytes_per_token", (json_int_t)p->kv_bytes_per_token, "kv_fixed_bytes",
        (json_int_t)p->kv_fixed_bytes, "state_bytes_per_sequence", (json_int_t)p->state_bytes_per_sequence);
    if (p->n_class)
        json_object_set_new(o, "experts",
                            json_pack("{s:i, s:i, s:i, s:o, s:I, s:I, s:o, s:o, s:f, s:f}", "layers", p->n_moe_layer,
                                      "count", p->n_expert, "used", p->n_expert_used, "expert_bytes",
                                      json_numbers(p->expert_bytes, NULL, p->n_class), "bank",
                                      (json_int_t)p->expert_bytes_total, "cycle", (json_int_t)p->expert_bytes_per_token,
                                      "slots", json_numbers(NULL, p->slots, p->n_class), "slot_bytes",
                                      json_numbers(p->slot_bytes, NULL, p->n_class), "share", share, "cycles",
                                      p->expert_bytes_per_token
                                          ? share * (double)p->expert_bytes_total / (double)p->expert_bytes_per_token
                                          : 0.0));
    if (p->draft_layer.weight_bytes)
        json_object_set_new(o, "draft_layer",
                            json_pack("{s:I, s:i, s:I, s:I}", "weights", (json_int_t)p->draft_layer.weight_bytes,
                                      "experts", p->draft_layer.n_expert, "expert_bytes",
                                      (json_int_t)p->draft_layer.expert_bytes, "kv_bytes_per_token",
                                      (json_int_t)p->draft_layer.kv_bytes_per_token));
    if (p->n_ctx_short)
        json_object_set_new(o, "rope_factors", json_string(rope_factors_name(p)));
    double most = rate > 0 ? most_tokens(p, rate) : 0;
    json_object_set_new(o, "predicted",
                        json_pack("{s:f, s:I, s:f, s:f, s:o, s:o}", "hit", hit, "read_per_token",
                                  (json_int_t)((1 - hit) * (double)p->expert_bytes_per_token), "prompt_per_s",
                                  p->prompt_tokens / p->prompt_seconds, "answer_per_s", p->n_parallel / p->step_seconds,
                                  "disk_rate", rate > 0 ? json_real(rate) : json_null(), "tokens_per_s",
                                  most > 0 ? json_real(most) : json_null()));
    json_object_set_new(o, "rates",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "drive", p->rates.drive, "memory",
                                  p->rates.memory, "product", p->rates.product, "unpack_rows", p->rates.unpack_rows,
                                  "dot", p->rates.dot, "vector", p->rates.vector, "attend", p->rates.attend, "state",
                                  p->rates.state));
    json_object_set_new(json_object_get(o, "rates"), "measured", json_string(measured[how]));
    json_t *kernels = json_object();
    for (int i = 0; i < p->n_type; i++)
        json_object_set_new(kernels, p->type[i], json_string(p->kernel[i]));
    json_object_set_new(o, "kernels", kernels);
    json_object_set_new(o, "sacrificed", json_cuts(p));
    json_object_set_new(o, "files", json_files(model, header_only, buffered, &direct));
    json_object_set_new(o, "note", json_notes(p, direct, refusal));
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}

static int larger_first(const void *a, const void *b)
{
    uint64_t x = **(uint64_t *const *)a, y = **(uint64_t *const *)b;
    return (x < y) - (x > y);
}

static void print_cuts(const struct stoker_plan *p)
{
    const struct {
        int cut;
        const char *what;
    } cuts[] = {{p->cut_embedding, "embedding on disk"},
                {p->cut_experts, "experts stream"},
                {p->cut_chunk, "smaller chunks"},
                {p->cut_prefix, "fewer known prefixes"},
                {p->cut_sequences, "fewer sequences"},
                {p->cut_context, "shorter context"},
                {p->cut_encoders, show_further(p)},
                {p->cut_capture, "less for recorded rows"},
                {p->cut_drafts, "no drafts"}};
    const char *before = "to fit: ";
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (cuts[i].cut) {
            printf("%s%s", before, cuts[i].what);
            before = ", ";
        }
    if (before[0] == ',')
        putchar('\n');
}

static void print_kernels(const struct stoker_plan *p)
{
    for (int i = 0; i < p->n_type; i++)
        printf("%s%s %s", i ? ", " : "kernels: ", p->type[i], p->kernel[i]);
    if (p->n_type)
        putchar('\n');
    print_scalar_types(stdout, p);
}

/* What a part of the plan is for. */
static const char *part_means(const struct stoker_plan *p, const char *name)
{
    static const char *const means[][2] = {{"code", "the program"},
                                           {"index", "the file's header: names and places of tensors"},
                                           {"text", "vocabulary, chat template, constraints of answers"},
                                           {"weights", "what every token is multiplied with"},
                                           {"kv_b", "halves of keys, made while loading"},
                                           {"rows", "tables of which a token takes rows: embeddings"},
                                           {"kv", "keys and values of the context"},
                                           {"state", "recurrent states of the context"},
                                           {"act", "rows of a chunk while they are computed"},
                                           {"logits", "what the next token is chosen from"},
                                           {"slots", "experts that stay in memory"},
                                           {"reader", "reads in flight"},
                                           {"stacks", "of threads"},
                                           {"prefix", "known beginnings of prompts"},
                                           {"server", "requests that wait, and the caller's own"},
                                           {"steer", "control vectors"},
                                           {"capture", "activations that are recorded"},
                                           {"embed", "all of the model of --embed"},
                                           {"rerank", "all of the model of --rerank"},
                                           {"draft", "all of the model of --draft"},
                                           {"library", "sources that are searched"},
                                           {"kernel", "tables that the system keeps of all this"},
                                           {"slack", "left free"}};
    if (!p->n_class && strcmp(name, "slots") == 0) /* what any plan has there, with experts or without */
        return "rounding up to whole huge pages";
    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        if (strcmp(means[i][0], name) == 0)
            return means[i][1];
    return "";
}

/* It is among the parts above. */
static void print_draft_layer(const struct stoker_plan *p)
{
    if (!p->draft_layer.weight_bytes)
        return;
    printf("layer that drafts: %s of weights, ", show_bytes(p->draft_layer.weight_bytes));
    if (p->draft_layer.n_expert)
        printf("%d experts of %s, ", p->draft_layer.n_expert, show_bytes(p->draft_layer.expert_bytes));
    printf("%s of keys and values a token\n", show_bytes(p->draft_layer.kv_bytes_per_token));
}

static void print_predicted(const struct stoker_plan *p, enum measured how)
{
    double prompt = p->prompt_tokens / p->prompt_seconds, answers = p->n_parallel / p->step_seconds;
    printf(
        "predicted for %s with a drive of %.2f GB/s, memory of %.1f GB/s and %.2f Tops of products%s: a prompt of %d "
        "tokens in %.*f s, %.*f tokens/s; answers %.*f tokens/s%s\n",
        how == MEASURED_ALL     ? "this machine,"
        : how == MEASURED_DRIVE ? "this drive and a usual machine,"
                                : "a usual machine,",
        p->rates.drive / 1e9, p->rates.memory / 1e9, 2 * p->rates.product / 1e12,
        how == MEASURED_ALL ? "" : " (--measure measures this one)", p->prompt_tokens,
        predicted_digits(p->prompt_seconds), p->prompt_seconds, predicted_digits(prompt), prompt,
        predicted_digits(answers), answers, p->n_parallel > 1 ? " in all" : "");
}

static void print_text(const struct stoker_plan *p, double rate, enum measured how)
{
    const uint64_t *sorted[STOKER_PLAN_PARTS];
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        sorted[i] = &p->part[i];
    qsort(sorted, STOKER_PLAN_PARTS, sizeof *sorted, larger_first);
    printf("%s (%s)\nmemory: %s planned%s; from %s it works, ", p->model, p->arch, show_bytes(p->total), show_budget(p),
           show_limit(p->minimum));
    if (share_held(p) < 1 || p->cut_embedding)
        printf("from %s nothing streams\n", show_limit(p->whole));
    else /* the limit, rounded up, may look larger than what is planned */
        printf("here nothing streams\n");
    for (int i = 0; i < STOKER_PLAN_PARTS && sorted[i][0] > 0; i++) {
        const char *name = p->part_name[sorted[i] - p->part];
        printf("  %-10s %12s  %s\n", name, show_bytes(*sorted[i]), part_means(p, name));
    }
    printf(
        "context %d of %d trained, %d sequence%s, chunks of %d rows, %s, %d threads, %s keys and values: %s a token\n",
        p->n_ctx, p->n_ctx_train, p->n_parallel, p->n_parallel == 1 ? "" : "s", p->n_chunk, show_drafts(p),
        p->n_threads, p->kv, show_bytes(p->kv_bytes_per_token));
    if (p->n_ctx_short)
        printf("rope: %s factors, of a context of %d (short ones up to %d)\n", rope_factors_name(p), p->asked_ctx,
               p->n_ctx_short);
    if (p->n_class) {
        double share = share_held(p);
        char note[200];
        printf("experts: %d layer%s of %d%s, %d a token; %s in all, %s a token\n", p->n_moe_layer,
               p->n_moe_layer == 1 ? "" : "s", p->n_expert, p->draft_layer.n_expert ? " and that which drafts" : "",
               p->n_expert_used, show_bytes(p->expert_bytes_total), show_bytes(p->expert_bytes_per_token));
        for (int c = 0; c < p->n_class; c++)
            printf("  class %d: %d of %d experts of %s held\n", c + 1, p->slots[c], p->experts[c],
                   show_bytes(p->expert_bytes[c]));
        if (share < 1)
            print_hits(p);
        if (cache_note(p, note, sizeof note))
            printf("  %s\n", note);
    }
    print_draft_layer(p);
    print_kernels(p);
    print_predicted(p, how);
    if (rate > 0 && most_tokens(p, rate) > 0)
        printf("drive: %.2f GB/s; reading alone allows at most %.1f tokens/s\n", rate / 1e9, most_tokens(p, rate));
    else if (rate > 0)
        printf("drive: %.2f GB/s; %s read for a token\n", rate / 1e9,
               p->cut_embedding ? "rows of embeddings alone are" : "nothing is");
    print_cuts(p);
}

static void print_warnings(const struct stoker_plan *p)
{
    char memory[200], context[200];
    const char *warning[] = {memory_note(p, memory, sizeof memory), context_note(p, context, sizeof context)};
    for (size_t i = 0; i < sizeof warning / sizeof *warning; i++)
        if (warning[i])
            printf("warning: %s\n", warning[i]);
}

/* From the files, or from their headers alone. */
static int make_plan(struct stoker_plan *out, const char *model, const struct stoker_options *o, int header_only,
                     struct stoker_error *err)
{
    return header_only ? stoker_plan_header(out, model, o, err) : stoker_plan(out, model, o, err);
}

/* The same once more with other options: what it warns of was told before. */
static int make_plan_again(struct stoker_plan *out, const char *model, const struct stoker_options *o, int header_only,
                           struct stoker_error *err)
{
    log_to(NULL);
    int failed = make_plan(out, model, o, header_only, err);
    log_to(log_on_stderr);
    return failed;
}

/* A chat of `run` that nobody gave --cache-dir takes more where that fits, for what /save and --session keep of it. */
static void print_chat(const struct stoker_plan *p, const char *model, const struct stoker_options *given,
                       int header_only)
{
    struct stoker_options o = *given;
    struct stoker_plan chat;
    struct stoker_error none;
    o.cache_dir = ".";
    o.memory = STOKER_MEMORY_MIN;
    if (make_plan_again(&chat, model, &o, header_only, &none))
        return;
    if (chat.minimum > p->minimum)
        printf("a chat of stoker run needs %s more, if there is room, to keep what it computed (planned by --cache-dir "
               "DIR)\n",
               show_limit(chat.minimum - p->minimum));
}

#define NOT_GIVEN UINT64_MAX

/* As `serve` without flags of its own plans. */
static void plan_server(struct stoker_options *o)
{
    struct server_options defaults;
    server_defaults(&defaults);
    o->defaults = defaults.engine.defaults;
    if (o->capture_memory != NOT_GIVEN) /* 0 means none */
        o->defaults.capture_memory = 0;
    o->n_queue = defaults.queue;
    o->server = server_bytes(&defaults);
}

int cmd_plan(int argc, char **argv)
{
    struct stoker_options o = {.capture_memory = NOT_GIVEN, .draft = "auto"};
    int json = 0, disk = 0, measure = 0, strict = 0, header_only = 0, serve = 0, n_rest;
    double rate = 0;
    const char *model = NULL;
    static struct steer_flags steer = {.keeps_sae = 1};
    const struct flag mine[] = {
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs: stable names, integers in bytes"},
        {"--disk", NULL, FLAG_SWITCH, &disk, 0, 0, NULL,
         "measure the drive, and tell the tokens a second that it allows"},
        {"--measure", NULL, FLAG_SWITCH, &measure, 0, 0, NULL,
         "measure drive, memory and cores, some seconds, and predict with that"},
        {"--strict", NULL, FLAG_SWITCH, &strict, 0, 0, NULL,
         "exit 2 as well where the plan takes more than is left here"},
        {"--serve", NULL, FLAG_SWITCH, &serve, 0, 0, NULL,
         "of stoker serve: with its context, sequences, known prefixes and requests"},
        {"--header-only", NULL, FLAG_SWITCH, &header_only, 0, 0, NULL,
         "the file's beginning is here, its tensors need not be; so it is for MODEL -, standard input"},
        {"--cache-dir", NULL, FLAG_TEXT, &o.cache_dir, 0, 0, "DIR",
         "with memory for prefixes in files, as run and serve have it; nothing is written"},
        {"--pooling", NULL, FLAG_WORD, &o.pooling, 0, 0, "mean|cls|last|none|rank",
         "as embed has it: how rows become a vector"},
        {"--embed", NULL, FLAG_TEXT, &o.embed, 0, 0, "FILE.gguf", "a second model in the same memory, as serve has it"},
        {"--embed-ctx", NULL, FLAG_COUNT, &o.embed_ctx, 1, 1 << 28, "N", "tokens of a text of it at most"},
        {"--rerank", NULL, FLAG_TEXT, &o.rerank, 0, 0, "FILE.gguf", "likewise a third one"},
        {"--rerank-ctx", NULL, FLAG_COUNT, &o.rerank_ctx, 1, 1 << 28, "N", "tokens of a pair of it at most"},
        {"--capture-memory", NULL, FLAG_BYTES, &o.capture_memory, 0, 0, "BYTES",
         "for activations that are recorded, as serve and activations have it (default: none, with --serve 2M)"}};
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, steer_flags_sae(&steer), model_flags(&o)};
    int status = flags_parse("plan", usage, tables, 3, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    o.use = STOKER_USE_ANY;
    if (!(model = model_of(model)))
        return 1;
    if (serve)
        plan_server(&o);
    if (o.capture_memory == NOT_GIVEN)
        o.capture_memory = 0;
    status = steer_flags_plan("plan", &steer, NULL, &o);
    steer_flags_free(&steer);
    if (status != 0)
        return status;
    struct stoker_plan p;
    struct stoker_error err;
    if (!(model = header_path(model, &header_only)))
        return 1;
    if (header_only && (disk || measure)) {
        fprintf(stderr, "stoker plan: %s reads the model's file, of which only the header is here\n",
                disk ? "--disk" : "--measure");
        return 2;
    }
    int failed = make_plan(&p, model, &o, header_only, &err);
    if (failed && !(json && p.minimum))
        return report(&err);
    if ((disk || measure) && !failed) {
        if (measure && !left_for_measuring(roofs_memory(&o), "this machine"))
            return 1;
        if (measure && stoker_measure(&o.rates, model, &o, &err))
            return report(&err);
        if (drive_rate_of_model(model, p.n_class ? p.expert_bytes[0] : 1 << 20, &rate))
            return 1;
        o.rates.drive = rate;
        failed = make_plan_again(&p, model, &o, header_only, &err);
    }
    enum measured how = measure ? MEASURED_ALL : disk ? MEASURED_DRIVE : MEASURED_NONE;
    if (json) {
        print_json(&p, rate, how, model, header_only, o.reader && strcmp(o.reader, "buffered") == 0,
                   failed ? err.text : NULL);
    } else {
        print_text(&p, rate, how);
        if (!serve && !o.cache_dir)
            print_chat(&p, model, &o, header_only);
        print_warnings(&p);
    }
    char ignored[200];
    return failed ? report(&err) : strict && memory_note(&p, ignored, sizeof ignored) ? 2 : 0;
}
