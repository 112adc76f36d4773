/* stoker steer: making control vectors and looking at them: a table of what it does, and its flags. What they do: steer/steer.h. */
#include "cli/common/cli.h"
#include "cli/common/suggest.h"
#include "cli/steer/steer.h"

#include <string.h>

static const char usage[] =
    "stoker steer make [MODEL.gguf] --positive FILE --negative FILE -o OUT.gguf [flags]: a control vector of two kinds "
    "of texts.\n\n"
    "  stoker steer make MODEL.gguf --chat --positive polite.txt --negative rude.txt -o polite.gguf\n"
    "  stoker steer make MODEL.gguf --positive a.txt --negative b.txt --method pca --positions all -o pca.gguf\n"
    "  stoker steer make MODEL.gguf --positive a.txt --negative b.txt --orthogonalize --mode project -o without.gguf\n"
    "  stoker steer show polite.gguf pca.gguf                where they come from, norms, tokens that they speak for, "
    "cosines\n"
    "  stoker steer sweep MODEL.gguf --vector polite.gguf --chat --prompts ask.txt --match 'please|thank' --neutral "
    "facts.txt\n"
    "  stoker run MODEL.gguf --control-vector-scaled polite.gguf:24 -p 'How are you?'     at the scale that make "
    "told\n\n"
    "A file of prompts has one a line, and \\n \\t \\\\ \\\" \\xHH for those characters; line i of the one is compared "
    "with line i of "
    "the other.\nPer layer: norms of the mean difference and of the mean row, their ratio; share of the differences' "
    "squares along the "
    "direction;\nshare of the pairs that it tells apart; at the end a scale to begin with, which the file says too: "
    "directions have norm 1, so at\nscale 1 nothing is seen.\n\n";

enum { MAKE = 1, SHOW = 2, CONVERT = 4, SWEEP = 8 };

static const struct {
    const char *name;
    int bit;
    int (*run)(struct steer_command *c);
} parts[] = {{"make", MAKE, steer_make},
             {"show", SHOW, steer_show},
             {"convert", CONVERT, steer_convert},
             {"sweep", SWEEP, steer_sweep}};
enum { N_PARTS = sizeof parts / sizeof *parts };

static const uint64_t CAPTURE_MEMORY = (uint64_t)32 << 20;

/* Flags that some of these have (bits), into *out [most]. */
static size_t flags_of(struct steer_command *c, int of, struct flag *out)
{
    const struct {
        int of;
        struct flag flag;
    } all[] = {
        {MAKE,
         {"--positive", "--positive-file", FLAG_TEXT, &c->positive, 0, 0, "FILE",
          "prompts that have what is looked for"}},
        {MAKE, {"--negative", "--negative-file", FLAG_TEXT, &c->negative, 0, 0, "FILE", "prompts that lack it"}},
        {MAKE | CONVERT, {"--output", "-o", FLAG_TEXT, &c->out, 0, 0, "FILE", "OUT.gguf"}},
        {MAKE,
         {"--method", NULL, FLAG_WORD, &c->method, 0, 0, "mean|pca",
          "the difference of the means (default), or the direction along which pairs differ most"}},
        {MAKE,
         {"--positions", NULL, FLAG_WORD, &c->positions, 0, 0, "last|mean|all",
          "the last position of each prompt (default), the mean of all, or every one by itself"}},
        {SWEEP, {"--vector", NULL, FLAG_TEXT, &c->vector, 0, 0, "FILE", "the control vector that is tried"}},
        {SWEEP,
         {"--scales", NULL, FLAG_TEXT, &c->scales, 0, 0, "LIST",
          "at these scales (those near the one that the file suggests; else -2,-1,0,1,2)"}},
        {SWEEP, {"--prompts", NULL, FLAG_TEXT, &c->prompts, 0, 0, "FILE", "prompts that are answered, greedily"}},
        {SWEEP, {"--match", NULL, FLAG_TEXT, &c->match, 0, 0, "REGEX", "count the answers that match (PCRE2)"}},
        {SWEEP,
         {"--neutral", NULL, FLAG_TEXT, &c->neutral, 0, 0, "FILE",
          "prompts whose answers should stay: drift is how much less likely they become, in nats a token"}},
        {SWEEP, {"-n", NULL, FLAG_INT, &c->answer, 1, 65536, "N", "tokens of an answer (16)"}},
        {SWEEP, {"--seed", NULL, FLAG_INT, &c->seed, 0, 1 << 30, "N", "of answers to --neutral (1)"}},
        {SWEEP, {"--json", NULL, FLAG_SWITCH, &c->json, 0, 0, NULL, "a line of JSON a setting"}},
        {MAKE | SHOW | CONVERT | SWEEP,
         {"--layers", NULL, FLAG_TEXT, &c->layers, 0, 0, "LIST",
          "make: A-B, layers to make directions of (default: all but 0); show: A-B; sweep: 3,1-5, one by one; convert: "
          "N, how many there are"}},
        {SHOW, {"--top", NULL, FLAG_INT, &c->top, 1, 100, "N", "tokens that a direction raises and lowers (10)"}},
        {MAKE,
         {"--norm", NULL, FLAG_WORD, &c->norm, 0, 0, "unit|raw",
          "directions of norm 1 (default), or as long as the difference: scale 1 moves by it"}},
        {MAKE,
         {"--orthogonalize", NULL, FLAG_SWITCH, &c->orthogonalize, 0, 0, NULL,
          "leave out what a direction has of the mean of the negative rows"}},
        {MAKE | CONVERT,
         {"--mode", NULL, FLAG_WORD, &c->mode, 0, 0, "add|project",
          "what the file says is done with it: added (default of make), or taken out"}},
        {CONVERT,
         {"--hook", NULL, FLAG_WORD, &c->hook, 0, 0, "layer|attn|ffn",
          "what it acts on: a layer's end (default), or what its attention or its feed-forward adds"}},
        {MAKE,
         {"--shift", NULL, FLAG_INT, &c->shift, 0, 1, "N",
          "1: a direction has the number of the layer behind, as llama.cpp's generator has it (default 0)"}},
        {MAKE | SWEEP,
         {"--chat", NULL, FLAG_SWITCH, &c->chat, 0, 0, NULL,
          "prompts are users' messages, in the model's chat format"}},
        {MAKE | SWEEP,
         {"--think", NULL, FLAG_ON_OFF, &c->think, 0, 0, "on|off", "of --chat (default: as its template has it)"}},
        {MAKE,
         {"--cache-dir", NULL, FLAG_TEXT, &c->options.cache_dir, 0, 0, "DIR",
          "keep what is computed of the prompts in files there, for the next vector of them"}},
        {MAKE | CONVERT,
         {"--license", "--licence", FLAG_TEXT, &c->license, 0, 0, "TEXT", "licence to write into the file"}},
        {MAKE | CONVERT,
         {"--name", NULL, FLAG_TEXT, &c->title, 0, 0, "TEXT", "name to write into the file (default: the file's)"}},
        {MAKE, {"--pca-iter", NULL, FLAG_INT, &c->iterations, 1, 1000000, "N", "iterations of pca at most (1000)"}},
        {MAKE,
         {"--capture-memory", NULL, FLAG_BYTES, &c->options.capture_memory, 0, 0, "BYTES",
          "for rows on their way to a file, and behind that for pairs (32 MiB)"}},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].of & of)
            out[n++] = all[i].flag;
    return n;
}

static int parse(struct steer_command *c, int of, int argc, char **argv)
{
    struct flag mine[40];
    const struct flag_table tables[] = {{mine, flags_of(c, of, mine)}, model_flags(&c->options)};
    int files = of == SHOW || of == CONVERT; /* and no model is opened */
    return flags_parse(c->name, usage, tables, files ? 1 : 2, argc, argv, c->file, files ? STEER_FILES + 1 : 1,
                       &c->n_file);
}

int cmd_steer(int argc, char **argv)
{
    static struct steer_command c;
    struct suggestion s;
    char full[32];
    const char *name = argc > 1 ? argv[1] : "";
    c = (struct steer_command){.name = "steer",
                               .method = "mean",
                               .positions = "last",
                               .norm = "unit",
                               .iterations = 1000,
                               .top = 10,
                               .answer = 16,
                               .seed = 1,
                               .options = {.capture_memory = CAPTURE_MEMORY}};
    for (size_t i = 0; i < N_PARTS; i++)
        if (strcmp(name, parts[i].name) == 0) {
            snprintf(full, sizeof full, "steer %s", name);
            c.name = full;
            int status = parse(&c, parts[i].bit, argc - 1, argv + 1);
            if (status != FLAGS_DONE)
                return status;
            if (parts[i].bit & (MAKE | SWEEP) && !(c.model = model_of(c.file[0])))
                return 2;
            if (parts[i].bit != MAKE) /* nothing is recorded */
                c.options.capture_memory = 0;
            return parts[i].run(&c);
        }
    if (name[0] == '-') { /* --help shows the flags of all */
        int status = parse(&c, ~0, argc, argv);
        if (status != FLAGS_DONE)
            return status;
    }
    suggest_begin(&s, name, strlen(name));
    for (size_t i = 0; i < N_PARTS; i++)
        suggest_try(&s, parts[i].name);
    if (*name && *name != '-' && s.word)
        fprintf(stderr, "stoker steer: \"%s\" is nothing that it does; did you mean stoker steer %s?\n", name, s.word);
    else
        fprintf(stderr, "stoker steer: what shall it do? make, show, sweep or convert; see stoker steer --help\n");
    return 2;
}
