/* stoker sae: sparse autoencoders and their features: its flags. What it does: sae/sae.h. */
#include "cli/common/cli.h"
#include "cli/sae/sae.h"

#include <string.h>

static const char usage[] =
    "stoker sae features [MODEL.gguf] --sae DIR --positive FILE --negative FILE [flags]: features of a sparse "
    "autoencoder "
    "that tell two kinds of prompts apart.\n\n"
    "  stoker sae features MODEL.gguf --sae layers.12 --positive polite.txt --negative rude.txt --chat\n"
    "  stoker sae features --sae layers.12 --export 34 -o polite.gguf           one feature as a control vector\n"
    "  stoker sae features --sae layers.12 --export 34,5:-0.5 -o polite.gguf    several, by weight\n"
    "  stoker run MODEL.gguf --control-vector-scaled polite.gguf:4 -p 'How are you?'\n\n"
    "DIR is a folder of SAELens (sae_weights.safetensors) or sparsify (sae.safetensors) with its cfg.json. A file of "
    "prompts has one\na line, and \\n \\t \\\\ \\\" \\xHH for those characters. Per feature, at the last position of "
    "each "
    "prompt, or over all: difference of\nthe means of both kinds, share of the prompts where it is active, means.\n\n"
    "stoker sae train ROWS.safetensors -o DIR [flags]: an autoencoder of rows that stoker activations recorded; see "
    "stoker sae train --help.\n\n";

static const char train_usage[] =
    "stoker sae train ROWS.safetensors -o DIR [flags]: a sparse autoencoder (topk) of recorded rows, in SAELens' "
    "form.\n\n"
    "  stoker activations MODEL.gguf --text corpus.txt --layers 12 -o rows.safetensors\n"
    "  stoker sae train rows.safetensors -o layers.12 --features 8x --k 32\n"
    "  stoker sae train rows.safetensors -o layers.12 --features 8x --k 32 --resume     goes on where a run ended\n"
    "  stoker sae features MODEL.gguf --sae layers.12 --positive a.txt --negative b.txt --chat\n\n"
    "DIR is there only when it is whole; until then DIR.part is, with a state to go on from, saved once a minute and "
    "at "
    "Ctrl-C.\nThe same bytes for any threads, memory and interruptions. FVU: the share of the rows' variance that is "
    "left; "
    "active: features a\nrow; dead: features that no row has had for long. Exit status: 0 done, 1 failed on the way, 2 "
    "impossible, 130 interrupted.\n\n";

static int wrong(const char *part, const char *what)
{
    fprintf(stderr, "stoker sae %s: %s\n", part, what);
    return 2;
}

static int check(const struct sae_command *s)
{
    if (!s->sae)
        return wrong("features", "--sae: which folder?");
    if (!s->gate != (s->layer < 0))
        return wrong("features", "--sae-arch and --sae-layer belong together: of a folder without cfg.json");
    if (s->features)
        return s->c.out ? 0 : wrong("features", "--export: -o OUT.gguf: where to?");
    if (s->c.out)
        return wrong("features", "-o: with --export J a feature is written");
    return s->c.positive && s->c.negative ? 0
                                          : wrong("features", "--positive and --negative: which prompts are compared?");
}

/* Those that train has alone stand first: all of them but as many as are returned in *n_shared. */
static struct flag_table train_flags(struct sae_train_flags *f, size_t *n_shared)
{
    struct train_options *o = &f->o;
    static struct flag flag[18];
    *f = (struct sae_train_flags){
        .o = {.layer = -1, .k = 32, .batch = 1024, .epochs = 10, .aux = 0.03125}, .seed = 1, .dead = 10000000};
    const struct flag t[] = {
        {"--layer", NULL, FLAG_INT, &o->layer, 0, 4095, "N", "of a file with rows of several layers: which",
         .heading = "Of sae train"},
        {"--features", NULL, FLAG_TEXT, &f->features, 0, 0, "8x|N",
         "features: times the values of a row, or a number (8x)"},
        {"--k", NULL, FLAG_INT, &o->k, 1, 1 << 20, "N", "features that a row is made of at most (32)"},
        {"--lr", NULL, FLAG_REAL, &o->rate, 0, 1e9, "R",
         "rate of learning (default: 3e-3, above 2048 features times sqrt(2048 / features))"},
        {"--batch", NULL, FLAG_COUNT, &o->batch, 1, 1 << 20, "N", "rows of a batch (1024)"},
        {"--epochs", NULL, FLAG_INT, &o->epochs, 1, 1 << 20, "N", "times that all rows are read (10)"},
        {"--seed", NULL, FLAG_INT, &f->seed, 0, 2147483647, "N", "of the first directions and the order of rows (1)"},
        {"--aux", NULL, FLAG_REAL, &o->aux, 0, 1000, "W",
         "weight of what dead features make of what is left (0.03125; 0: none)"},
        {"--dead", NULL, FLAG_COUNT, &f->dead, 1, 2147483647, "N",
         "rows without it after which a feature is dead (10000000)"},
        {"--resume", NULL, FLAG_SWITCH, &o->resume, 0, 0, NULL, "go on with the training that DIR.part holds"},
        {"--save-every", NULL, FLAG_COUNT, &o->save_every, 1, 2147483647, "N",
         "batches between two states to go on from (default: a minute)"},
        {"--log", NULL, FLAG_TEXT, &f->log, 0, 0, "FILE", "a line of JSON a batch, behind what is in it"},
        {"--output", "-o", FLAG_TEXT, &o->out, 0, 0, "DIR", "the folder that is made"},
        {"--json", NULL, FLAG_SWITCH, &f->json, 0, 0, NULL, "what came of it as JSON"},
        {"--memory", NULL, FLAG_BYTES, &o->memory, 1, 0, "BYTES|min",
         "bound on the whole process (4 GiB, or the least)"},
        {"--threads", "-t", FLAG_INT, &o->n_threads, 1, 256, "N", "threads (default: one for each fast core)"},
        {"--cpu-tier", NULL, FLAG_TEXT, &f->tier, 0, 0, "NAME", "kernels of this tier at most"},
    };
    *n_shared = 5;
    memcpy(flag, t, sizeof t);
    return (struct flag_table){flag, sizeof t / sizeof *t};
}

static int train(int argc, char **argv)
{
    static struct sae_train_flags f;
    size_t n_shared;
    int n_rest;
    const struct flag_table table[] = {train_flags(&f, &n_shared)};
    int status = flags_parse("sae train", train_usage, table, 1, argc, argv, &f.o.in, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (!n_rest)
        return wrong("train", "which rows? stoker activations -o ROWS.safetensors records some");
    return f.o.out ? sae_train(&f) : wrong("train", "-o DIR: where to?");
}

/* of_all: what train takes is shown too. */
static int features(struct sae_command *s, int argc, char **argv, int of_all)
{
    static struct sae_train_flags unused;
    struct steer_command *c = &s->c;
    size_t n_shared;
    struct flag_table trains = train_flags(&unused, &n_shared);
    const struct flag mine[] = {
        {"--sae", NULL, FLAG_TEXT, &s->sae, 0, 0, "DIR", "the autoencoder: a folder of SAELens or sparsify"},
        {"--positive", "--positive-file", FLAG_TEXT, &c->positive, 0, 0, "FILE",
         "prompts that have what is looked for"},
        {"--negative", "--negative-file", FLAG_TEXT, &c->negative, 0, 0, "FILE", "prompts that lack it"},
        {"--chat", NULL, FLAG_SWITCH, &c->chat, 0, 0, NULL, "prompts are users' messages, in the model's chat format"},
        {"--think", NULL, FLAG_ON_OFF, &c->think, 0, 0, "on|off", "of --chat (default: as its template has it)"},
        {"--positions", NULL, FLAG_WORD, &c->positions, 0, 0, "last|mean",
         "of each prompt its last position, or the mean over all of them (last)"},
        {"--top", NULL, FLAG_INT, &c->top, 1, 1 << 24, "N", "features that are shown, the most different first (20)"},
        {"--json", NULL, FLAG_SWITCH, &c->json, 0, 0, NULL, "a line of JSON a feature"},
        {"--export", NULL, FLAG_TEXT, &s->features, 0, 0, "J[:W],..",
         "write these features, times W (1), as a control vector; no model is opened"},
        {"--output", "-o", FLAG_TEXT, &c->out, 0, 0, "FILE", "OUT.gguf of --export"},
        {"--name", NULL, FLAG_TEXT, &c->title, 0, 0, "TEXT", "name to write into it (default: the file's)"},
        {"--license", "--licence", FLAG_TEXT, &c->license, 0, 0, "TEXT", "licence to write into it"},
        {"--sae-arch", NULL, FLAG_TEXT, &s->gate, 0, 0, "FORM",
         "of a folder without cfg.json: standard, jumprelu, topk:32"},
        {"--sae-layer", NULL, FLAG_INT, &s->layer, 0, 4095, "N", "and the layer whose end it is of"},
    };
    trains.n -= n_shared;
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&c->options), trains};
    int status = flags_parse("sae features", usage, tables, of_all ? 3 : 2, argc, argv, c->file, 1, &c->n_file);
    if (status != FLAGS_DONE)
        return status;
    if ((status = check(s)))
        return status;
    if (s->features)
        return sae_export(s);
    return (c->model = model_of(c->file[0])) ? sae_features(s) : 2;
}

int cmd_sae(int argc, char **argv)
{
    static struct sae_command s;
    s = (struct sae_command){
        .c = {.name = "sae features", .top = 20, .positions = "last", .options = {.capture_memory = (uint64_t)8 << 20}},
        .layer = -1};
    if (argc > 1 && strcmp(argv[1], "features") == 0)
        return features(&s, argc - 1, argv + 1, 0);
    if (argc > 1 && argv[1][0] == '-')
        return features(&s, argc, argv, strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc > 1 && strcmp(argv[1], "train") == 0)
        return train(argc - 1, argv + 1);
    return wrong("", "what shall it do? features or train; see stoker sae --help");
}
