/* stoker quantize: a model with other block types, made on a machine that holds neither the one nor the other. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/progress.h"
#include "cli/imatrix/coverage.h"
#include "cli/quantize/show.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "stoker quantize IN.gguf OUT.gguf --type NAME [flags]: the same model with other block types.\n\n"
    "  stoker quantize model-f32.gguf model-q8_0.gguf --type q8_0\n"
    "  stoker quantize IN.gguf OUT.gguf --recipe mix.rules --rule '_exps=q8_0' --strict\n"
    "  stoker quantize IN.gguf OUT.gguf --type bf16 --dry-run    every tensor, bytes, memory, time; writes nothing\n"
    "  stoker quantize IN-00001-of-00003.gguf OUT.gguf --type keep    one file out of a split model\n"
    "  stoker quantize IN.gguf OUT.gguf --type q8_0 --split-max-size 4GiB\n"
    "  stoker quantize IN.gguf OUT.gguf --type q8_0 --resume     goes on where an earlier run ended\n\n"
    "types: presets such as Q4_K_M, block types such as q8_0, or keep for the bytes of the source.\n"
    "--effort: fast takes the nearest levels, normal searches better ones, max longer; --gain restores what products "
    "lose by it.\n"
    "Norms, routers, vectors and other small tensors keep their "
    "types.\n"
    "A rule is PATTERN=TYPE: the first whose pattern (PCRE2) is found in a tensor's name decides; blk.0-5.ffn_down "
    "begins with layers.\n"
    "OUT is there only when it is whole; until then OUT.part and OUT.journal are. Exit status: 0 done, 1 failed on the "
    "way and resumable,\n2 impossible, nothing written.\n\n";

enum { MOST_ALIGN = 1 << 20 };

static volatile int interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* An interrupt ends the run behind the slab at hand; a limit of file sizes is an error of writing. */
static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- telling ----------------------------------------------------------------------------------------------------------------------- */

static int is_plain(const char *word)
{
    return *word &&
           strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./,:@%") == strlen(word);
}

/* A word of a command line, as a shell takes it. */
static void put_word(FILE *f, const char *word)
{
    if (is_plain(word)) {
        fprintf(f, " %s", word);
        return;
    }
    fputs(" '", f);
    for (; *word; word++)
        *word == '\'' ? fputs("'\\''", f) : fputc(*word, f);
    fputc('\'', f);
}

static void put_resuming_command(FILE *f, int argc, char **argv)
{
    fputs("stoker", f);
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--resume") != 0)
            put_word(f, argv[i]);
    fputs(" --resume", f);
}

static int tell_failure(const struct error *err, int has_begun, int argc, char **argv)
{
    fprintf(stderr, "stoker: %s", err->text);
    if (has_begun && err->code != ERR_FORMAT) {
        fputs("; to go on: ", stderr);
        put_resuming_command(stderr, argc, argv);
    }
    fputc('\n', stderr);
    return has_begun ? 1 : 2;
}

static void show_progress(void *arg, uint64_t done, uint64_t total) { progress_show(arg, done, total); }

static void show_hashed(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total);
    if (done == total) {
        progress_end(arg);
        progress_begin(arg, "quantising", PROGRESS_BYTES, 0);
    }
}

static void tell_result(const struct quant_job *j, const struct quant_watch *w, double seconds, int json)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    uint64_t peak = (uint64_t)use.ru_maxrss * 1024, written = j->n_bytes - w->resumed;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", j->part[0].path);
    utf8_make_plain(path);
    json_t *name = json ? json_string(path) : NULL;
    char *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    if (json)
        printf("{\"path\":%s,\"parts\":%d,\"bytes\":%" PRIu64 ",\"bpw\":%.4f,\"seconds\":%.3f,\"resumed\":%" PRIu64
               ",\"memory\":%" PRIu64 ",\"peak\":%" PRIu64 "}\n",
               quoted ? quoted : "null", j->n_part, j->n_bytes, quantize_bits(j), seconds, w->resumed, j->plan.total,
               peak);
    else
        printf("%s%s: %s, %.2f bits a weight, in %.1f s (%.2f GB/s); memory %s, at most %s\n", path,
               j->n_part > 1 ? " and its parts" : "", show_bytes(j->n_bytes), quantize_bits(j), seconds,
               seconds > 0 ? (double)written / seconds / 1e9 : 0, show_bytes(peak), show_bytes(j->plan.total));
    free(quoted);
    json_decref(name);
}

/* ---- the command ------------------------------------------------------------------------------------------------------------------- */

struct quantize {
    struct quant_options options;
    int dry_run, json, align;
    const char *effort, *gain;
    double prior;
    struct text_list rules;
};

static int run(const struct quantize *q, int argc, char **argv)
{
    struct error err = {0};
    struct quant_job *j;
    struct progress shown;
    if (quant_open(&j, &q->options, &err))
        return tell_failure(&err, 0, argc, argv);
    if (q->dry_run) {
        q->json ? quantize_show_json(j) : quantize_show(j);
        quant_close(j);
        return 0;
    }
    struct quant_watch w = {.progress = show_progress, .hashed = show_hashed, .arg = &shown, .stop = &interrupted};
    catch_signals();
    progress_begin(&shown, q->options.hash_source ? "hashing the source" : "quantising", PROGRESS_BYTES, 0);
    double began = clock_seconds();
    int failed = quant_run(j, &w, &err);
    progress_end(&shown);
    int status = failed ? tell_failure(&err, w.has_begun, argc, argv) : 0;
    if (!failed && !q->json)
        quantize_show_experts(j, COVERAGE_FEW);
    if (!failed)
        tell_result(j, &w, clock_seconds() - began, q->json);
    quant_close(j);
    return status;
}

static int wrong(const char *sentence)
{
    fprintf(stderr, "stoker quantize: %s\n", sentence);
    return 2;
}

int cmd_quantize(int argc, char **argv)
{
    char program[64];
    struct quantize q = {.options = {.program = program, .prior = &q.prior}, .prior = 1};
    struct quant_options *o = &q.options;
    const char *rest[2] = {NULL, NULL};
    int n_rest;
    const struct flag mine[] = {
        {"--type", NULL, FLAG_TEXT, &o->type, 0, 0, "NAME", "a preset or block type, or keep"},
        {"--recipe", NULL, FLAG_TEXT, &o->recipe, 0, 0, "FILE", "rules PATTERN=TYPE, one a line; =TYPE is the base"},
        {"--rule", NULL, FLAG_TEXTS, &q.rules, 0, 0, "RULE", "a rule before those of --recipe; again for more"},
        {"--pure", NULL, FLAG_SWITCH, &o->pure, 0, 0, NULL,
         "the base type for all that may be quantised; rules still win"},
        {"--strict", NULL, FLAG_SWITCH, &o->strict, 0, 0, NULL, "a rule that matches no tensor is an error"},
        {"--force-rule", NULL, FLAG_SWITCH, &o->force_rule, 0, 0, NULL, "rules change protected tensors too"},
        {"--no-fallback", NULL, FLAG_SWITCH, &o->no_fallback, 0, 0, NULL,
         "rows that are no multiple of a type's block are an error"},
        {"--imatrix", NULL, FLAG_TEXT, &o->imatrix, 0, 0, "FILE",
         "how much each column matters, as imatrix files of either form have it"},
        {"--prior", NULL, FLAG_REAL, &q.prior, 0, 1e9, "N",
         "rows of the experts' mean that each expert's importance has besides its own (1)"},
        {"--no-imatrix-ok", NULL, FLAG_SWITCH, &o->no_imatrix_ok, 0, 0, NULL,
         "types of 1 and 2 bits without importance all the same"},
        {"--effort", NULL, FLAG_WORD, &q.effort, 0, 0, "fast|normal|max",
         "how long codes are searched (normal): never worse with more"},
        {"--gain", NULL, FLAG_ON_OFF, &q.gain, 0, 0, "on|off",
         "scales of types of few bits are raised until products keep their size (on)"},
        {"--header-only", NULL, FLAG_SWITCH, &o->header_only, 0, 0, NULL, "with --dry-run: IN may be a beginning"},
        {"--dry-run", NULL, FLAG_SWITCH, &q.dry_run, 0, 0, NULL, "show all that would be done, and do nothing"},
        {"--json", NULL, FLAG_SWITCH, &q.json, 0, 0, NULL, "for programs"},
        {"--split-max-size", NULL, FLAG_BYTES, &o->split, 1, 0, "BYTES",
         "parts of at most so many, as OUT-00001-of-00003.gguf (one tensor at least each)"},
        {"--keep-split", NULL, FLAG_SWITCH, &o->keep_split, 0, 0, NULL,
         "as many parts as the source has, of the same tensors"},
        {"--align", NULL, FLAG_INT, &q.align, 8, MOST_ALIGN, "N",
         "tensors begin at multiples of N (default: the source's)"},
        {"--requantize", NULL, FLAG_SWITCH, &o->requantize, 0, 0, NULL,
         "also out of tensors that are quantised already: worse than from the original"},
        {"--resume", NULL, FLAG_SWITCH, &o->resume, 0, 0, NULL, "go on with the run that OUT.journal tells of"},
        {"--force", NULL, FLAG_SWITCH, &o->force, 0, 0, NULL,
         "replace what is there under these names; with --resume an older OUT, once the new one is whole"},
        {"--hash-source", NULL, FLAG_SWITCH, &o->hash_source, 0, 0, NULL,
         "the output names the SHA-256 of each file of the source, which is read once more before"},
        {"--memory", NULL, FLAG_BYTES, &o->memory, 1, 0, "BYTES|min", "bound on the whole process (1 GiB)"},
        {"--threads", "-t", FLAG_INT, &o->n_threads, 1, 256, "N", "encoding threads (default: one for each fast core)"},
    };
    const struct flag_table table[] = {{mine, sizeof mine / sizeof *mine}};
    snprintf(program, sizeof program, "stoker %s", stoker_version());
    int status = flags_parse("quantize", usage, table, 1, argc, argv, rest, 2, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (n_rest != 2)
        return wrong("name a model and the file to write: stoker quantize IN.gguf OUT.gguf --type q8_0");
    if (o->split && o->keep_split)
        return wrong("--split-max-size and --keep-split are two ways to cut; leave one of them");
    o->effort = !q.effort || strcmp(q.effort, "normal") == 0 ? QUANT_NORMAL
                : strcmp(q.effort, "max") == 0               ? QUANT_MAX
                                                             : QUANT_FAST;
    o->no_gain = q.gain && strcmp(q.gain, "off") == 0;
    o->in = rest[0];
    o->out = rest[1];
    o->align = (uint32_t)q.align;
    o->rule = q.rules.text;
    o->n_rule = q.rules.n;
    return run(&q, argc, argv);
}
