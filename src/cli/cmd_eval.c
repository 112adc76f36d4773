/* stoker eval: a table of evaluations, and their flags. What they do: eval/eval.h. */
#include "base/file.h"
#include "base/reqmem.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/suggest.h"
#include "cli/eval/eval.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <string.h>

static const char usage[] =
    "stoker eval NAME [MODEL.gguf] [flags]: what a text is worth to a model, to the last digit.\n\n"
    "  stoker eval logprobs MODEL.gguf -f notes.txt     each token, how likely it was, and its rank\n"
    "  stoker eval logprobs --chat request.json --top 3 of a chat's prompt, with the likeliest tokens\n"
    "  stoker eval ppl MODEL.gguf -f wiki.test.raw      perplexity, as llama-perplexity measures it\n"
    "  stoker eval ppl MODEL.gguf -f wiki.test.raw --memory 6GiB --out ppl.jsonl --resume\n"
    "  stoker eval kld F16.gguf -f wiki.test.raw --save f16.base\n"
    "  stoker eval kld Q4_K_M.gguf --base f16.base      how far a model is from another, token by token\n"
    "  stoker eval mcq MODEL.gguf -f items.jsonl --mode reply --at-least 0.9     multiple choice; a line an item:\n"
    "      {\"id\": \"1\", \"question\": \"What is red?\", \"choices\": [\"a colour\", \"a bird\"], \"answer\": 0}\n"
    "  stoker eval calltrace MODEL.gguf                 how deep a model follows calls of functions\n"
    "  stoker eval json MODEL.gguf -f prompts.jsonl     valid JSON, free and constrained\n"
    "  stoker eval compare A.jsonl B.jsonl              whether B is worse than A, by their --out files\n\n"
    "--ctx is the length of a chunk of ppl and kld (0, the default: 512).\n"
    "Figures do not depend on --threads, --chunk, --parallel, --memory or --reader. Exit status 3: a bound is not "
    "met.\n\n";

enum {
    LOGPROBS = 1,
    PPL = 2,
    KLD = 4,
    MCQ = 8,
    COMPARE = 16,
    CALLTRACE = 32,
    JSON = 64,
    CHUNKS = PPL | KLD,
    TASKS = MCQ | CALLTRACE | JSON
};

static const struct {
    const char *name;
    int bit;
    int (*run)(struct eval_command *c);
} evaluations[] = {{"logprobs", LOGPROBS, eval_logprobs},
                   {"ppl", PPL, eval_ppl},
                   {"kld", KLD, eval_kld},
                   {"mcq", MCQ, eval_mcq},
                   {"calltrace", CALLTRACE, eval_calltrace},
                   {"json", JSON, eval_json},
                   {"compare", COMPARE, eval_compare_files}};
enum { N_EVALUATIONS = sizeof evaluations / sizeof *evaluations };

/* Flags that some of these evaluations have (bits), into *out [most]. */
static size_t flags_of(struct eval_command *c, int of, struct flag *out)
{
    const struct {
        int of;
        struct flag flag;
    } all[] = {
        {LOGPROBS | CHUNKS | MCQ | JSON,
         {"-f", "--file", FLAG_TEXTS, &c->texts, 0, 0, "FILE", "the text (ppl: or several), or items; - is stdin"}},
        {LOGPROBS, {"--chat", NULL, FLAG_TEXT, &c->chat, 0, 0, "FILE", "a chat request instead, as render reads it"}},
        {LOGPROBS | CHUNKS,
         {"--parse-special", NULL, FLAG_SWITCH, &c->parse_special, 0, 0, NULL,
          "names of control tokens in the text become them"}},
        {LOGPROBS, {"--from", NULL, FLAG_INT, &c->from, 1, 1 << 28, "N", "score from this position on (default 1)"}},
        {LOGPROBS, {"--top", NULL, FLAG_INT, &c->top, 0, STOKER_TOP, "N", "show the N likeliest tokens too"}},
        {KLD,
         {"--save", NULL, FLAG_TEXT, &c->save, 0, 0, "FILE",
          "write what the model gives every token: a base file, of 2 bytes a token of the vocabulary and position"}},
        {KLD,
         {"--base", NULL, FLAG_TEXT, &c->base, 0, 0, "FILE",
          "compare with such a file, ours or llama-perplexity's, on its text"}},
        {CHUNKS,
         {"--chunks", NULL, FLAG_INT, &c->n_chunk, 1, 1 << 28, "N",
          "the first N chunks of --ctx tokens (default all)"}},
        {PPL,
         {"--positions", NULL, FLAG_TEXT, &c->positions, 0, 0, "FILE",
          "score these alone: a line each, its chunk and the position in it, from 0"}},
        {CHUNKS | TASKS,
         {"--out", NULL, FLAG_TEXT, &c->out, 0, 0, "FILE", "results as JSON lines, written as they come"}},
        {CHUNKS | TASKS,
         {"--resume", NULL, FLAG_SWITCH, &c->resume, 0, 0, NULL, "go on with the results that --out has"}},
        {CHUNKS,
         {"--at-most", NULL, FLAG_REAL, &c->at_most, 1e-300, 1e300, "X",
          "exit status 3 if the perplexity is above, with --base the mean KL divergence"}},
        {MCQ,
         {"--mode", NULL, FLAG_WORD, &c->mode, 0, 0, "letter|text|reply",
          "mcq: a letter's log-probability (default), a choice's, or what a chat answers"}},
        {MCQ, {"--shots", NULL, FLAG_INT, &c->shots, 0, 64, "N", "so many solved items before each question"}},
        {MCQ, {"--shots-file", NULL, FLAG_TEXT, &c->shots_file, 0, 0, "FILE", "where they are"}},
        {MCQ | JSON, {"--limit", NULL, FLAG_INT, &c->limit, 1, 1 << 28, "N", "the first N items (default all)"}},
        {TASKS,
         {"--at-least", NULL, FLAG_REAL, &c->at_least, -1e300, 1e300, "X",
          "exit status 3 if the figure is below: mcq acc, calltrace wall, json valid (free)"}},
        {MCQ | JSON,
         {"--skip", NULL, FLAG_SWITCH, &c->skip, 0, 0, NULL, "leave out items that cannot be asked, or not in --ctx"}},
        {TASKS, {"--show", NULL, FLAG_SWITCH, &c->show, 0, 0, NULL, "print the prompts, and end"}},
        {MCQ, {"--stats", NULL, FLAG_SWITCH, &c->stats, 0, 0, NULL, "tokens that came from the cache, on stderr"}},
        {CALLTRACE,
         {"--prompt", NULL, FLAG_WORD, &c->prompt, 0, 0, "short|steps|both",
          "calltrace: the number alone, or call by call (default both)"}},
        {CALLTRACE, {"--think", NULL, FLAG_ON_OFF, &c->think, 0, 0, "on|off", "let the model think first, with steps"}},
        {CALLTRACE,
         {"--per-depth", NULL, FLAG_INT, &c->per_depth, 1, 20, "N", "the first N of 20 items of each depth"}},
        {CALLTRACE, {"--seed", NULL, FLAG_INT, &c->seed, 0, 1 << 30, "N", "other programs (default 1)"}},
        {CALLTRACE, {"--print-items", NULL, FLAG_SWITCH, &c->print_items, 0, 0, NULL, "print the programs, and end"}},
        {COMPARE, {"--common", NULL, FLAG_SWITCH, &c->common, 0, 0, NULL, "compare: the items that both files have"}},
        {LOGPROBS | CHUNKS | TASKS | COMPARE, {"--json", NULL, FLAG_SWITCH, &c->json, 0, 0, NULL, "for programs"}},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].of & of)
            out[n++] = all[i].flag;
    return n;
}

static int parse(struct eval_command *c, const char *name, int of, int argc, char **argv)
{
    struct flag mine[48];
    const struct flag_table tables[] = {{mine, flags_of(c, of, mine)}, model_flags(&c->options)};
    const char *rest[2] = {NULL, NULL};
    int n_rest, files = of == COMPARE; /* instead of a model */
    int status = flags_parse(name, usage, tables, files ? 1 : 2, argc, argv, rest, files ? 2 : 1, &n_rest);
    c->model = rest[0];
    c->other = rest[1];
    return status;
}

static int refuse(const char *name, const char *why)
{
    fprintf(stderr, "stoker eval %s: %s\n", name, why);
    return 2;
}

/* The base file, or what it is called while it is written. */
static int is_of_save(const char *save, const char *out)
{
    char part[PATH_MAX];
    return file_is_same(save, out) ||
           (snprintf(part, sizeof part, "%s.part", save) < (int)sizeof part && file_is_same(part, out));
}

/* Of what a command reads. */
static int n_stdin(const struct eval_command *c)
{
    const char *const path[] = {c->chat, c->positions, c->shots_file};
    int n = 0;
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        n += path[i] && strcmp(path[i], "-") == 0;
    for (int i = 0; i < c->texts.n; i++)
        n += strcmp(c->texts.text[i], "-") == 0;
    return n;
}

/* With --base there is a text already. */
static int check_base(const struct eval_command *c, const char *name)
{
    if (c->save && c->base)
        return refuse(name, "--save and --base exclude each other");
    if (c->base && (c->text || c->parse_special))
        return refuse(name, "the text is that of --base: leave -f and --parse-special out");
    if (c->text && !c->save)
        return refuse(name, "-f FILE needs --save BASE");
    if (c->save && c->out && is_of_save(c->save, c->out))
        return refuse(name, "--save and --out are two files");
    return c->base || c->text ? 0
                              : refuse(name, "-f FILE --save BASE writes a base file, --base BASE compares with it");
}

static int check(const struct eval_command *c, const char *name, int of)
{
    if (of == COMPARE)
        return c->other ? 0 : refuse(name, "which two files of results? A.jsonl B.jsonl");
    int status = of == KLD ? check_base(c, name) : 0;
    if (status)
        return status;
    if (c->texts.n > 1 && of != PPL)
        return refuse(name, "one -f FILE; eval ppl takes several");
    if (c->texts.n > 1 && c->positions)
        return refuse(name, "--positions are those of one -f FILE");
    if (!c->text && !c->chat && !c->base && of != CALLTRACE)
        return refuse(name, of & TASKS ? "which items? -f FILE" : "which text? -f FILE");
    if (c->text && c->chat)
        return refuse(name, "-f and --chat exclude each other");
    if (c->shots && !c->shots_file)
        return refuse(name, "--shots N needs --shots-file FILE, where they are");
    if (c->shots_file && !c->shots)
        return refuse(name, "--shots-file FILE needs --shots N, 1 or more");
    if (n_stdin(c) > 1)
        return refuse(name, "stdin (-) can be read once");
    if (c->resume && !c->out)
        return refuse(name, "--resume goes on with the results of --out FILE");
    return 0;
}

/* --ctx is a chunk's, which scores two tokens at least: the error is of a variance. Base files know their own. */
static int check_chunk(struct eval_command *c, const char *name)
{
    enum { CHUNK = 512, LEAST = 5 };
    c->n_ctx = c->options.n_ctx ? c->options.n_ctx : CHUNK;
    return c->n_ctx < LEAST ? refuse(name, "--ctx: a chunk has 5 tokens at least") : 0;
}

static int run(size_t i, int argc, char **argv)
{
    static struct eval_command c = {.from = 1, .seed = 1, .at_least = -INFINITY};
    char name[32];
    int bit = evaluations[i].bit;
    snprintf(name, sizeof name, "eval %s", evaluations[i].name);
    int status = parse(&c, name, bit, argc, argv);
    if (status != FLAGS_DONE)
        return status;
    c.text = c.texts.text[0];
    if ((status = check(&c, evaluations[i].name, bit)) ||
        (bit & CHUNKS && (status = check_chunk(&c, evaluations[i].name))))
        return status;
    if (bit != COMPARE && !(c.model = model_of(c.model)))
        return 1;
    return evaluations[i].run(&c);
}

/* --help shows the flags of all. */
static int without_name(struct eval_command *c, int argc, char **argv)
{
    int status = parse(c, "eval", ~0, argc, argv);
    return status == FLAGS_DONE ? refuse("NAME", "the name of an evaluation comes first") : status;
}

int cmd_eval(int argc, char **argv)
{
    struct eval_command c = {0};
    struct suggestion s;
    const char *name = argc > 1 ? argv[1] : "";
    signal(SIGXFSZ, SIG_IGN);                         /* a file that may not grow is a sentence */
    json_set_alloc_funcs(reqmem_malloc, reqmem_free); /* items are counted while they are read */
    for (size_t i = 0; i < N_EVALUATIONS; i++)
        if (strcmp(name, evaluations[i].name) == 0)
            return run(i, argc - 1, argv + 1);
    if (name[0] == '-')
        return without_name(&c, argc, argv);
    suggest_begin(&s, name, strlen(name));
    for (size_t i = 0; i < N_EVALUATIONS; i++)
        suggest_try(&s, evaluations[i].name);
    if (*name && s.word)
        fprintf(stderr, "stoker eval: \"%s\" is no evaluation; did you mean stoker eval %s?\n", name, s.word);
    else
        fprintf(stderr, "stoker eval: which evaluation? logprobs, ppl, kld, mcq, calltrace, json or compare; see "
                        "stoker eval --help\n");
    return 2;
}
