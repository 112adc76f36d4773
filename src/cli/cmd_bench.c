/* stoker bench: speed of prompts (pp) and of generation (tg), with llama-bench's flags and columns. See bench/bench.h. */
#include "cli/bench/against.h"
#include "cli/bench/bench.h"
#include "cli/bench/log.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/profile.h"
#include "cli/common/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "stoker bench [MODEL.gguf] [flags]: tokens a second of prompts (pp) and of generation (tg).\n\n"
    "  stoker bench MODEL.gguf                       pp512 and tg128, five times each\n"
    "  stoker bench MODEL.gguf -p 512,4096 -n 0 -r 3\n"
    "  stoker bench MODEL.gguf -p 0 -n 64 -d 0-8192+4096 -o csv\n"
    "  stoker bench MODEL.gguf --memory 6GiB -p 0 -n 96 --disk-rate 2.5\n"
    "  stoker bench MODEL.gguf -p 0 -n 64 --against '--threads 1' --log tries.jsonl\n"
    "  stoker bench EMBED.gguf -p 256 --texts 16     an embedding model: tokens a second of texts that become vectors\n"
    "  stoker bench --log tries.jsonl --table\n"
    "  stoker bench --draw runs.jsonl >runs.svg\n\n"
    "Lists: 512,1024 and ranges 1-4, 0-8192+4096, 64-1024*2. Every combination is measured.\n\n";

struct options {
    struct text_list model, pair; /* -m, -pg */
    struct int_list prompt, gen, depth, chunk, threads, mmap, direct;
    const char *type_k, *type_v, *flash, *format, *error_format, *mask, *draw;
    double delay;
    int progress, no_warmup, n_batch;
    int n_ctx;   /* of --ctx; 0: what the tests take */
    double rate; /* GB/s */
    struct against against;
    int table, digest, no_profile;
};

/* ---- what cannot be --------------------------------------------------------------------------------------------------------- */

static int refuse(const char *flag, const char *value, const char *why)
{
    fprintf(stderr, "stoker bench: %s%s%s: %s\n", flag, *value ? " " : "", value, why);
    return 2;
}

static int check(const struct options *w)
{
    char number[16];
    int n_prompt, n_gen, end;
    if (!bench_format_known(w->format))
        return refuse("-o", w->format, "md, csv, json, jsonl, sql and svg are possible");
    if (w->error_format && strcmp(w->error_format, "none") != 0 && !bench_format_known(w->error_format))
        return refuse("-oe", w->error_format, "none, md, csv, json, jsonl, sql and svg are possible");
    if (w->flash && strcmp(w->flash, "1") != 0 && strcmp(w->flash, "on") != 0 && strcmp(w->flash, "auto") != 0)
        return refuse("-fa", w->flash, "attention is always computed in one pass; 1, on and auto are possible");
    for (int i = 0; i < w->mmap.n; i++)
        if (w->mmap.item[i] != 0) {
            snprintf(number, sizeof number, "%d", w->mmap.item[i]);
            return refuse("-mmp", number, "files are read, never mapped; only 0 is possible");
        }
    for (int i = 0; i < w->direct.n; i++)
        if (w->direct.item[i] > 1)
            return refuse("-dio", "above 1", "0 (through the page cache) and 1 are possible");
    if ((w->type_k || w->type_v) && strcmp(w->type_k ? w->type_k : "f16", w->type_v ? w->type_v : "f16") != 0)
        return refuse(w->type_k ? "-ctk" : "-ctv", w->type_k ? w->type_k : w->type_v,
                      "keys and values have one type; give -ctk and -ctv the same");
    for (int i = 0; i < w->pair.n; i++)
        if (sscanf(w->pair.text[i], "%d,%d%n", &n_prompt, &n_gen, &end) != 2 || w->pair.text[i][end] || n_prompt < 1 ||
            n_gen < 1 || n_prompt > 1 << 24 || n_gen > 1 << 24)
            return refuse("-pg", w->pair.text[i], "PP,TG is expected, both at least 1");
    return 0;
}

/* The same setting by llama-bench's flag and by ours: the one that a side of a comparison adds would be lost. */
static int check_twice(const struct options *w, const struct stoker_options *o)
{
    if (w->threads.n && o->n_threads)
        return refuse("-t", "N", "--threads is given too; give one of them");
    if (w->chunk.n && o->n_chunk)
        return refuse("-ub", "N", "--chunk is given too; give one of them");
    if ((w->type_k || w->type_v) && o->kv)
        return refuse(w->type_k ? "-ctk" : "-ctv", "TYPE", "--kv is given too; give one of them");
    if (w->direct.n && o->reader)
        return refuse("-dio", "N", "--reader is given too; give one of them");
    return 0;
}

static int check_against(const struct options *w)
{
    const struct against *a = &w->against;
    const char *b = a->settings ? a->settings : a->binary ? a->binary : a->peer;
    const char *of_both;
    char why[100];
    int n = !!a->settings + !!a->binary + !!a->peer;
    if (n > 1)
        return refuse("--against", b, "of --against, --against-binary and --against-llama-bench one is possible");
    if (n == 1 && (w->mask || w->digest || w->table))
        return refuse("--against", b, "--mask, --digest and --table compare nothing");
    if (a->settings && (of_both = side_flag_of_both(a->settings)) != NULL) {
        snprintf(why, sizeof why, "%s is of the comparison, not of one side; give it beside --against", of_both);
        return refuse("--against", b, why);
    }
    if (n == 1 && w->model.n > 1)
        return refuse("--against", b, "one model is compared; give one -m");
    if (n == 1 && (strcmp(w->format, "csv") == 0 || strcmp(w->format, "sql") == 0 || strcmp(w->format, "svg") == 0))
        return refuse("-o", w->format, "a comparison is shown as md, json or jsonl");
    if (n == 0 && a->log && !w->table)
        return refuse("--log", a->log, "experiments are logged with --against, and shown with --table");
    if (w->table && !a->log)
        return refuse("--table", "", "--log FILE names the log that it shows");
    return 0;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

struct tests {
    struct bench_test *test;
    int n, cap;
};

static int add(struct tests *t, int n_prompt, int n_gen, int depth)
{
    if (n_prompt == 0 && n_gen == 0)
        return 0;
    if (t->n == t->cap) {
        int cap = t->cap ? 2 * t->cap : 16;
        struct bench_test *grown = realloc(t->test, (size_t)cap * sizeof *grown);
        if (!grown)
            return -1;
        t->test = grown;
        t->cap = cap;
    }
    t->test[t->n++] = (struct bench_test){.n_prompt = n_prompt, .n_gen = n_gen, .n_depth = depth};
    return 0;
}

static int make_tests(const struct options *w, struct tests *t)
{
    static const struct int_list usual_gen = {{128}, 1};
    const struct int_list *gen = w->gen.n ? &w->gen : &usual_gen;
    int failed = 0, n_prompt = 0, n_gen = 0;
    for (int d = 0; d < w->depth.n; d++) {
        for (int i = 0; i < w->prompt.n; i++)
            failed |= add(t, w->prompt.item[i], 0, w->depth.item[d]);
        for (int i = 0; i < gen->n; i++)
            failed |= add(t, 0, gen->item[i], w->depth.item[d]);
        for (int i = 0; i < w->pair.n; i++) {
            sscanf(w->pair.text[i], "%d,%d", &n_prompt, &n_gen);
            failed |= add(t, n_prompt, n_gen, w->depth.item[d]);
        }
    }
    return failed;
}

/* Positions of the longest test: as llama-bench, the context is what the tests take. */
static int longest(const struct tests *t)
{
    long long most = 0;
    for (int i = 0; i < t->n; i++) {
        long long n = (long long)t->test[i].n_depth + t->test[i].n_prompt + t->test[i].n_gen;
        most = n > most ? n : most;
    }
    return most + 8 < INT_MAX ? (int)most + 8 : INT_MAX;
}

/* ---- combinations ----------------------------------------------------------------------------------------------------------- */

struct outputs {
    struct bench_output out, err;
};

/* Once: rows are without joules then. */
static void say_no_energy(const struct bench *b)
{
    struct stoker_stats now;
    stoker_stats_of(b->engine, &now);
    if (now.no_energy)
        fprintf(stderr, "stoker bench: %s\n", now.no_energy);
}

/* Of a model of vectors only texts are measured: tests of answers that nobody asked for are left out, others refused. */
static int check_tests(const struct bench *b, const struct options *w, const struct tests *t)
{
    const char *pooling = b->encoder.pooling;
    int asked = w->pair.n > 0;
    for (int i = 0; i < t->n; i++)
        asked |= t->test[i].n_depth > 0 || (t->test[i].n_gen > 0 && w->gen.n > 0);
    char number[16];
    snprintf(number, sizeof number, "%d", b->n_texts);
    if (!b->encoder.n_out && b->n_texts > 1)
        return refuse("--texts", number, "this model generates text: it is for models of vectors and scores");
    if (!b->encoder.n_out || !asked)
        return 0;
    fprintf(stderr, "stoker bench: %s gives %s (pooling %s), no text: -n, -pg and -d are for models that generate it\n",
            b->model, b->encoder.is_rank ? "scores" : "vectors", pooling);
    return 2;
}

static int is_left_out(const struct bench *b, const struct bench_test *t) { return b->encoder.n_out && t->n_gen > 0; }

static int measure_tests(struct bench *b, const struct options *w, const struct tests *t, struct outputs *o)
{
    struct stoker_error err;
    for (int i = 0; i < t->n; i++) {
        struct bench_test test = t->test[i];
        char progress[64];
        if (is_left_out(b, &test))
            continue;
        if (w->delay > 0 && i > 0)
            nanosleep(&(struct timespec){(time_t)w->delay, (long)((w->delay - (double)(time_t)w->delay) * 1e9)}, NULL);
        snprintf(progress, sizeof progress, "test %d of %d", i + 1, t->n);
        if (bench_test(b, &test, w->progress ? progress : NULL, &err))
            return report(&err);
        bench_row(&o->out, b, &test);
        bench_row(&o->err, b, &test);
    }
    return 0;
}

static int measure(struct bench *b, const struct options *w, const struct tests *t, struct outputs *o)
{
    struct stoker_error err;
    int status;
    if ((!b->no_roofs && bench_measure_roofs(b, &err)) || bench_open(b, &err))
        return report(&err);
    if ((status = check_tests(b, w, t)) != 0) {
        bench_close(b);
        return status;
    }
    bench_begin(&o->out, b);
    bench_begin(&o->err, b);
    if (!b->no_roofs && o->out.rows == 0)
        say_no_energy(b);
    status = measure_tests(b, w, t, o);
    bench_close(b);
    if (!b->no_roofs && status == 0)
        bench_check_roofs(b);
    return status;
}

/* Item i of "f16,f32"; NULL behind the last. */
static const char *word_of(const char *list, int i, char *out, size_t cap)
{
    for (; list && i > 0; i--)
        list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
    if (list)
        snprintf(out, cap, "%.*s", (int)strcspn(list, ","), list);
    return list ? out : NULL;
}

/* Items of the lists of what an engine is made with: model, type of keys and values, chunk, reader, threads. */
struct combination {
    int model, type, chunk, direct, threads;
};

static const char *types_of(const struct options *w) { return w->type_k ? w->type_k : w->type_v; }

/* From the header, as --memory is; what cannot be read is told when it is opened. */
static int gives_vectors(const char *model)
{
    struct stoker_about about;
    struct stoker_error none;
    return stoker_about(&about, model, &none) == 0 && *about.pooling;
}

/* An empty list: what the other flags say. Of a model of vectors the context is that of its steps, whatever is measured. word: room for the
 * type. */
static void combine(struct bench *b, const struct options *w, const struct tests *t, const struct combination *at,
                    char word[16])
{
    const char *types = types_of(w);
    b->model = w->model.n ? w->model.text[at->model] : b->model;
    b->options.kv = types ? word_of(types, at->type, word, 16) : b->options.kv;
    b->options.n_chunk = w->chunk.n ? w->chunk.item[at->chunk] : b->options.n_chunk;
    b->options.n_threads = w->threads.n ? w->threads.item[at->threads] : b->options.n_threads;
    if (w->direct.n)
        b->options.reader = w->direct.item[at->direct] ? NULL : "buffered";
    b->ctx_of_tests = !w->n_ctx && !gives_vectors(b->model);
    b->options.n_ctx = b->ctx_of_tests ? longest(t) : w->n_ctx;
}

/* Every combination of what an engine is made with. An empty list: one, what the other flags say. */
static int measure_all(struct bench *b, const struct options *w, const struct tests *t, struct outputs *o)
{
    char word[16];
    const char *types = types_of(w);
    int status = 0;
    for (int m = 0; m < (w->model.n ? w->model.n : 1) && status == 0; m++)
        for (int k = 0; status == 0 && (k == 0 || word_of(types, k, word, sizeof word)); k++)
            for (int c = 0; c < (w->chunk.n ? w->chunk.n : 1) && status == 0; c++)
                for (int d = 0; d < (w->direct.n ? w->direct.n : 1) && status == 0; d++)
                    for (int n = 0; n < (w->threads.n ? w->threads.n : 1) && status == 0; n++) {
                        combine(b, w, t, &(struct combination){m, k, c, d, n}, word);
                        status = measure(b, w, t, o);
                    }
    return status;
}

/* Of the first combination: --against compares one setting a side. */
static int digest(struct bench *b, const struct options *w, const struct tests *t)
{
    struct stoker_error err;
    char word[16];
    combine(b, w, t, &(struct combination){0}, word);
    if (bench_open(b, &err))
        return report(&err);
    int failed = bench_digest(b, stdout, &err);
    bench_close(b);
    return failed ? report(&err) : 0;
}

static int run(struct bench *b, const struct options *w)
{
    struct tests t = {0};
    struct outputs o = {.out = {.file = stdout, .format = w->format}};
    if (w->error_format && strcmp(w->error_format, "none") != 0)
        o.err = (struct bench_output){.file = stderr, .format = w->error_format};
    int status = 1;
    if (make_tests(w, &t)) {
        fprintf(stderr, "stoker bench: no memory for so many tests\n");
    } else if (t.n == 0) {
        fprintf(stderr, "stoker bench: -p 0 and -n 0 leave nothing to measure\n");
        status = 2;
    } else {
        b->shows_chunk = w->chunk.n > 0;
        b->shows_kv = w->type_k || w->type_v;
        status = w->digest ? digest(b, w, &t) : measure_all(b, w, &t, &o);
        if (!w->digest && (status == 0 || o.out.rows)) {
            bench_end(&o.out);
            bench_end(&o.err);
        }
    }
    free(t.test);
    return status;
}

/* llama-bench's flags are over it too. What it sets must fit beside the context that the tests take. */
static void take_profile(struct bench *b, const struct options *w)
{
    struct stoker_options o = b->options, taken;
    struct tests t = {0};
    char type[16];
    if (!o.n_ctx && make_tests(w, &t) == 0 && t.n)
        o.n_ctx = longest(&t);
    free(t.test);
    o.n_threads = w->threads.n ? w->threads.item[0] : o.n_threads;
    o.n_chunk = w->chunk.n ? w->chunk.item[0] : o.n_chunk;
    o.reader = w->direct.n ? "" : o.reader;
    o.kv = types_of(w) ? word_of(types_of(w), 0, type, sizeof type) : o.kv;
    taken = o;
    profile_take(b->model, &taken);
    b->options.n_threads = w->threads.n ? b->options.n_threads : taken.n_threads;
    b->options.n_chunk = w->chunk.n ? b->options.n_chunk : taken.n_chunk;
    b->options.reader = w->direct.n ? b->options.reader : taken.reader;
    b->options.reader_depth = taken.reader_depth;
    b->options.spin_ms = taken.spin_ms;
    b->options.kv = types_of(w) ? b->options.kv : taken.kv;
}

/* Reads a command line into *w and *b; *named: the model that it names without -m, or NULL. FLAGS_DONE, or the exit status. */
static int read_line(struct options *w, struct bench *b, const char **named, int argc, char **argv)
{
    int n_rest;
    *named = NULL;
    *b = (struct bench){.runs = 5, .n_texts = 1, .draft_coin = -1};
    *w = (struct options){.prompt = {{512}, 1}, .depth = {{0}, 1}, .format = "md", .n_batch = 2048};
    w->against = (struct against){.root = "", .effect = 5, .steal = 2};
    const struct flag mine[] = {
        {"-m", "--model", FLAG_TEXTS, &w->model, 0, 0, "MODEL.gguf", "the model, also without -m; may be repeated",
         .heading = "Tests"},
        {"-p", NULL, FLAG_LIST, &w->prompt, 0, 0, "N[,N]", "prompt tokens (default 512; 0: none)"},
        {"-n", NULL, FLAG_LIST, &w->gen, 0, 0, "N[,N]", "generated tokens (default 128; 0: none)"},
        {"-pg", NULL, FLAG_TEXTS, &w->pair, 0, 0, "PP,TG", "a prompt and then generation; may be repeated"},
        {"-d", NULL, FLAG_LIST, &w->depth, 0, 0, "N[,N]", "positions that are filled before (default 0)"},
        {"--texts", NULL, FLAG_COUNT, &b->n_texts, 1, 1 << 16, "N",
         "of models of vectors: texts of so many prompt tokens a request (default 1)"},
        {"-r", NULL, FLAG_INT, &b->runs, 1, BENCH_RUNS, "N", "repetitions (default 5)"},
        {"-o", NULL, FLAG_TEXT, &w->format, 0, 0, "md|csv|json|jsonl|sql|svg",
         "form of the results (default md: a table; svg: a picture)"},
        {"-oe", NULL, FLAG_TEXT, &w->error_format, 0, 0, "FORM", "the same to stderr, in this form"},
        {"-b", NULL, FLAG_INT, &w->n_batch, 1, 1 << 24, "N", "only shown: a prompt is always given whole",
         .heading = "As llama-bench has them"},
        {"-ub", NULL, FLAG_LIST, &w->chunk, 0, 0, "N[,N]", "= --chunk", .same_as = "--chunk"},
        {"-t", NULL, FLAG_LIST, &w->threads, 0, 0, "N[,N]", "= --threads", .same_as = "--threads"},
        {"-ctk", NULL, FLAG_TEXT, &w->type_k, 0, 0, "TYPE[,TYPE]", "= --kv, together with -ctv", .same_as = "--kv"},
        {"-ctv", NULL, FLAG_TEXT, &w->type_v, 0, 0, "TYPE[,TYPE]", "= --kv, together with -ctk", .same_as = "--kv"},
        {"-fa", NULL, FLAG_TEXT, &w->flash, 0, 0, "1", "attention in one pass: always"},
        {"-mmp", NULL, FLAG_LIST, &w->mmap, 0, 0, "0", "map the file: never"},
        {"-dio", NULL, FLAG_LIST, &w->direct, 0, 0, "0|1", "read past the page cache (default 1); 0: --reader buffered",
         .same_as = "--reader"},
        {"--delay", NULL, FLAG_REAL, &w->delay, 0, 3600, "S", "pause between tests", .heading = "How tests run"},
        {"--no-warmup", NULL, FLAG_SWITCH, &w->no_warmup, 0, 0, NULL, "time the first run too"},
        {"--progress", NULL, FLAG_SWITCH, &w->progress, 0, 0, NULL, "a line on stderr for each run"},
        {"--cold", NULL, FLAG_SWITCH, &b->cold, 0, 0, NULL,
         "every run on an engine of its own: no expert is in memory"},
        {"--text", NULL, FLAG_TEXT, &b->text, 0, 0, "FILE", "tokens of this text instead of random ones"},
        {"--in-order", NULL, FLAG_SWITCH, &b->in_order, 0, 0, NULL,
         "with --text: every run has its beginning, and answers go on in it (for --draft)"},
        {"--schema", NULL, FLAG_TEXT, &b->schema, 0, 0, "FILE",
         "with --text: the text is the whole answer, under this JSON schema (for --draft)"},
        {"--draft-coin", NULL, FLAG_INT, &b->draft_coin, 0, 100, "PERCENT",
         "with --draft: so many drafts hold, whatever they are (what drafts cost)"},
        {"--disk-rate", NULL, FLAG_REAL, &w->rate, 0.001, 1000, "GB/s",
         "compare with the overlap model (rate: stoker disk)"},
        {"--no-roofs", NULL, FLAG_SWITCH, &b->no_roofs, 0, 0, NULL,
         "do not measure what this machine does at most: some seconds less, rows without bounds"},
        {"--stats", NULL, FLAG_SWITCH, &b->stats, 0, 0, NULL, "all figures of streaming below the table"},
        {"--mask", NULL, FLAG_TEXT, &w->mask, 0, 0, "PATH",
         "masks of constraints instead: schemas with texts, or tools"},
        {"--against", NULL, FLAG_TEXT, &w->against.settings, 0, 0, "FLAGS",
         "is it faster with these flags too? by turns; split at blanks", .heading = "Against something else"},
        {"--against-binary", NULL, FLAG_TEXT, &w->against.binary, 0, 0, "FILE", "the same of another stoker"},
        {"--against-llama-bench", NULL, FLAG_TEXT, &w->against.peer, 0, 0, "FILE", "the same of a llama-bench"},
        {"--pairs", NULL, FLAG_INT, &w->against.pairs, EVAL_PAIRS_LEAST, EVAL_PAIRS_MOST, "N",
         "pairs of runs (default 20; against llama-bench 10)"},
        {"--effect", NULL, FLAG_REAL, &w->against.effect, 0.1, 100, "PERCENT",
         "the difference that is sought (default 5): where A with itself does not resolve it, pairs are added"},
        {"--steal", NULL, FLAG_REAL, &w->against.steal, 0, 100, "PERCENT",
         "a pair is void where the host took more of a run (default 2)"},
        {"--unequal", NULL, FLAG_SWITCH, &w->against.unequal, 0, 0, NULL, "compare although outputs differ"},
        {"--log", NULL, FLAG_TEXT, &w->against.log, 0, 0, "FILE", "add a line of JSON for each test to this file"},
        {"--table", NULL, FLAG_SWITCH, &w->table, 0, 0, NULL, "show the log, with the best so far"},
        {"--draw", NULL, FLAG_TEXT, &w->draw, 0, 0, "FILE",
         "rows of earlier runs with -o jsonl as a picture, SVG, instead"},
        {"--digest", NULL, FLAG_SWITCH, &w->digest, 0, 0, NULL, "hashes of ids and logits instead of rates",
         .heading = "Others"},
        {"--digest-tokens", NULL, FLAG_COUNT, &b->digest_tokens, 1, 1 << 24, "N",
         "tokens of its prompt (default 64), as far as the context has room"},
        {"--no-profile", NULL, FLAG_SWITCH, &w->no_profile, 0, 0, NULL,
         "not what stoker tune found for this model and budget"},
        {"--root", NULL, FLAG_TEXT, &w->against.root, 0, 0, "FOLDER", "read proc and sys below this folder"},
    };
    const struct flag_table tables[] = {
        {mine, sizeof mine / sizeof *mine}, steer_flags_sae(&b->steer), model_flags(&b->options)};
    int status = flags_parse("bench", usage, tables, 3, argc, argv, named, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if ((status = check(w)) != 0 || (status = check_twice(w, &b->options)) != 0)
        return status;
    if (b->in_order && !b->text)
        return refuse("--in-order", "", "it is the order of a text: --text FILE names it");
    if (b->draft_coin >= 0 && !b->options.draft && !w->against.settings)
        return refuse("--draft-coin", "", "nothing is drafted: give --draft too, or leave it out");
    if (b->schema && (!b->text || b->in_order))
        return refuse("--schema", b->schema, "the answer is a text: give --text FILE, without --in-order");
    return FLAGS_DONE;
}

/* Which model it is, and what its profile says. 0, or the exit status. */
static int take_model(const struct options *w, struct bench *b, const char *named)
{
    if (named && w->model.n)
        return refuse("-m", w->model.text[0], "the model is given without -m too; name each with -m");
    b->model = model_of(named ? named : w->model.n ? w->model.text[0] : NULL);
    if (!b->model)
        return 1;
    if (!w->no_profile && !w->mask && w->model.n < 2)
        take_profile(b, w);
    return 0;
}

/* ---- a comparison ----------------------------------------------------------------------------------------------------------- */

static int no_words(void)
{
    fprintf(stderr, "stoker bench: no memory for the words of a command line\n");
    return 1;
}

/* argv [*argc] with flags behind it, split at blanks; as long as the program. NULL: no memory. */
static char **with_flags(char **argv, int *argc, const char *flags)
{
    static char **word, *text;
    char *rest = NULL;
    text = strdup(flags);
    word = calloc((size_t)*argc + strlen(flags) + 1, sizeof *word);
    if (!text || !word)
        return NULL;
    memcpy(word, argv, (size_t)*argc * sizeof *word);
    for (char *w = strtok_r(text, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest))
        word[(*argc)++] = w;
    return word;
}

/* The line that was read into *w and *b, with what settings and its profile said as words. */
static int line_of(struct side_line *out, const struct options *w, const struct bench *b, const char *named, int argc,
                   char **argv)
{
    *out = (struct side_line){NULL, argc, named || w->model.n ? NULL : b->model, b->no_roofs};
    out->argv = settings_as_words(argv, &out->argc);
    return out->argv ? 0 : no_words();
}

/* A is the line that was read. With flags of its own B is what bench is with them behind that line, read anew: they are over settings and
 * profiles, and may name others or none. */
static int compare(struct options *w, struct bench *b, const char *named, int argc, char **argv)
{
    static struct side_line line[2]; /* their words live as long as the program */
    struct against against = w->against;
    against.format = w->format;
    against.progress = w->progress;
    int status = line_of(&line[0], w, b, named, argc, argv);
    if (status == 0 && against.settings) {
        argv = with_flags(argv, &argc, against.settings);
        if (!argv)
            return no_words();
        settings_read_anew();
        if ((status = read_line(w, b, &named, argc, argv)) != FLAGS_DONE)
            return status;
        status = take_model(w, b, named);
        status = status ? status : line_of(&line[1], w, b, named, argc, argv);
    }
    return status ? status : bench_against(&against, &line[0], against.settings ? &line[1] : NULL);
}

int cmd_bench(int argc, char **argv)
{
    static struct options w;
    static struct bench b;
    const char *named;
    int status = read_line(&w, &b, &named, argc, argv);
    if (status != FLAGS_DONE)
        return status;
    if ((status = check_against(&w)) != 0)
        return status;
    if (w.draw)
        return bench_draw(w.draw);
    if (w.table)
        return bench_log_table(w.against.log);
    if ((status = take_model(&w, &b, named)) != 0)
        return status;
    if (w.against.settings || w.against.binary || w.against.peer)
        return compare(&w, &b, named, argc, argv);
    if (w.mask)
        return bench_mask(b.model, w.mask, w.format);
    b.options.use = STOKER_USE_ANY;
    w.n_ctx = b.options.n_ctx;
    b.options.root = w.against.root;
    b.disk_rate = w.rate * 1e9;
    b.n_batch = w.n_batch;
    b.warm = !w.no_warmup;
    if ((status = steer_flags_plan("bench", &b.steer, b.model, &b.options)) == 0)
        status = run(&b, &w);
    steer_flags_free(&b.steer);
    return status;
}
