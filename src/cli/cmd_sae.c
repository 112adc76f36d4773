/* stoker sae: features of sparse autoencoders: its flags. What it does: sae/sae.h. */
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
    "prompt: difference of the means\nof both kinds, share of the prompts where it is active, means.\n\n";

static int wrong(const char *what)
{
    fprintf(stderr, "stoker sae features: %s\n", what);
    return 2;
}

static int check(const struct sae_command *s)
{
    if (!s->sae)
        return wrong("--sae: which folder?");
    if (!s->gate != (s->layer < 0))
        return wrong("--sae-arch and --sae-layer belong together: of a folder without cfg.json");
    if (s->features)
        return s->c.out ? 0 : wrong("--export: -o OUT.gguf: where to?");
    if (s->c.out)
        return wrong("-o: with --export J a feature is written");
    return s->c.positive && s->c.negative ? 0 : wrong("--positive and --negative: which prompts are compared?");
}

static int features(struct sae_command *s, int argc, char **argv)
{
    struct steer_command *c = &s->c;
    const struct flag mine[] = {
        {"--sae", NULL, FLAG_TEXT, &s->sae, 0, 0, "DIR", "the autoencoder: a folder of SAELens or sparsify"},
        {"--positive", "--positive-file", FLAG_TEXT, &c->positive, 0, 0, "FILE",
         "prompts that have what is looked for"},
        {"--negative", "--negative-file", FLAG_TEXT, &c->negative, 0, 0, "FILE", "prompts that lack it"},
        {"--chat", NULL, FLAG_SWITCH, &c->chat, 0, 0, NULL, "prompts are users' messages, in the model's chat format"},
        {"--think", NULL, FLAG_ON_OFF, &c->think, 0, 0, "on|off", "of --chat (default: as its template has it)"},
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
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&c->options)};
    int status = flags_parse("sae features", usage, tables, 2, argc, argv, c->file, 1, &c->n_file);
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
    s = (struct sae_command){.c = {.name = "sae features", .top = 20, .options = {.capture_memory = (uint64_t)8 << 20}},
                             .layer = -1};
    if (argc > 1 && strcmp(argv[1], "features") == 0)
        return features(&s, argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] == '-')
        return features(&s, argc, argv);
    return wrong("that is all that stoker sae does so far; see stoker sae --help");
}
