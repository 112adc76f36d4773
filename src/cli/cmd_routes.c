/* stoker routes: how often a model's layers choose each expert: its flags. What it does: routes/routes.h. */
#include "cli/common/cli.h"
#include "cli/routes/routes.h"

#include <stdio.h>

static const char usage[] =
    "stoker routes [MODEL.gguf] SOURCE [flags]: how often each layer chooses each expert, and with what weight.\n\n"
    "  stoker routes MODEL.gguf -p 'Why is the sky blue?' --chat\n"
    "  stoker routes MODEL.gguf --text corpus.txt --csv >uses.csv\n"
    "  stoker routes MODEL.gguf --text english.jsonl --against code.jsonl --json       which experts tell them apart\n"
    "  stoker routes MODEL.gguf --text a.txt --steer '[{\"experts\":\"exclude\",\"list\":[[3,17]]}]'\n"
    "  stoker routes --trace a.strt --against b.strt                                   of recorded routes "
    "(--route-trace)\n\n"
    "Of a layer: entropy of the shares, experts that no row chose. Of an expert: rows that chose it, its share of all "
    "choices, its\nmean weight there; with --against the same of the other source, and the difference of the shares "
    "of rows in standard errors,\nas if rows were independent: what is beyond 4 or so is no accident.\n\n";

enum { WINDOW = 512, MOST = 1 << 30 };
static const uint64_t CAPTURE_MEMORY = (uint64_t)8 << 20;

static int wrong(const char *sentence)
{
    fprintf(stderr, "stoker routes: %s\n", sentence);
    return 2;
}

static int check(const struct routes_command *c)
{
    if (!!c->of.prompt + !!c->of.text + !!c->trace != 1)
        return wrong("one source is needed: -p TEXT, --text FILE or --trace FILE");
    if (c->of.chat && !c->of.prompt)
        return wrong("--chat is of -p");
    return c->json && c->csv ? wrong("--json or --csv: one of them") : 0;
}

int cmd_routes(int argc, char **argv)
{
    static struct routes_command c;
    const char *rest[1] = {NULL};
    int n_rest;
    c = (struct routes_command){
        .of = {.command = "routes", .window = WINDOW, .options = {.capture_memory = CAPTURE_MEMORY}}};
    const struct flag mine[] = {
        {"--prompt", "-p", FLAG_TEXT, &c.of.prompt, 0, 0, "TEXT", "what the model reads"},
        {"--chat", NULL, FLAG_SWITCH, &c.of.chat, 0, 0, NULL,
         "the text is a user's message, in the model's chat format"},
        {"--text", NULL, FLAG_TEXT, &c.of.text, 0, 0, "FILE",
         "a text of a file, in windows without overlap; of NAME.jsonl each line is a text, a JSON string or an "
         "object's "
         "\"text\""},
        {"--window", NULL, FLAG_COUNT, &c.of.window, 1, MOST, "N", "tokens of a window of a file (512)"},
        {"--max-tokens", NULL, FLAG_COUNT, &c.of.max_tokens, 1, MOST, "N",
         "read only the first N tokens of each source"},
        {"--trace", NULL, FLAG_TEXT, &c.trace, 0, 0, "FILE",
         "recorded routes (--route-trace) instead; without a model layers have the numbers of the trace"},
        {"--against", NULL, FLAG_TEXT, &c.against, 0, 0, "FILE", "a text or recorded routes to compare with"},
        {"--json", NULL, FLAG_SWITCH, &c.json, 0, 0, NULL, "a line of JSON a layer"},
        {"--csv", NULL, FLAG_SWITCH, &c.csv, 0, 0, NULL, "a line an expert, with commas"},
    };
    const struct flag_table table[] = {
        {mine, sizeof mine / sizeof *mine}, steer_flags(&c.of.steer), model_flags(&c.of.options)};
    int status = flags_parse("routes", usage, table, 3, argc, argv, rest, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if ((status = check(&c)))
        return status;
    int needs_model = routes_read_texts(&c);
    if (n_rest || needs_model)
        c.model = model_of(n_rest ? rest[0] : NULL);
    if (!c.model && (n_rest || needs_model))
        return 2;
    status = routes_run(&c);
    steer_flags_free(&c.of.steer);
    return status;
}
