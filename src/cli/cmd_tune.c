/* stoker tune: the settings that make a model fastest on this machine, as a profile that run, serve and bench take. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/tune/search.h"

#include <string.h>

static const char usage[] =
    "stoker tune [MODEL.gguf] [flags]: find the fastest settings here, and keep them as a profile.\n\n"
    "  stoker tune MODEL.gguf --memory 6GiB\n"
    "  stoker run MODEL.gguf --memory 6GiB -p Hi      has the profile; --no-profile does without\n\n"
    "Threads, how long they stay awake, reader, reads in flight and chunk are measured against the defaults; values\n"
    "are taken only where they are shown to be faster, and none changes a bit of an answer. --try-kv measures types "
    "of\n"
    "keys and values too: what it takes changes answers, and is named so whenever the profile is used. Of a slow\n"
    "model runs are short and few, so that the search ends in its time. A profile is of this model, machine and\n"
    "--memory, in $XDG_CONFIG_HOME/stoker/profiles.\n"
    "One that is there is measured first, against the defaults, and replaced by what this search shows, even if\n"
    "that is less. Ctrl-C leaves what was shown until then; while the old profile is measured, the old one.\n\n";

/* 0: after a sentence. What cannot be read is told when it is planned. */
static int gives_text(const char *model)
{
    struct stoker_about about;
    struct stoker_error none;
    if (stoker_about(&about, model, &none) || !*about.pooling)
        return 1;
    fprintf(stderr,
            "stoker tune: %s gives no text (pooling %s): tune measures prompts and answers; compare settings of such a "
            "model with stoker bench --against\n",
            model, about.pooling);
    return 0;
}

int cmd_tune(int argc, char **argv)
{
    struct tuning t = {.seconds = 280, .root = "", .steal = 2};
    int n_rest;
    const struct flag mine[] = {
        {"--memory", NULL, FLAG_BYTES, &t.memory, 1, 0, "BYTES|min|max",
         "the budget, as it will be given to run or serve"},
        {"--ctx", "--context", FLAG_COUNT, &t.n_ctx, 16, 1 << 28, "N",
         "positions of the runs that are measured (default: 1024)"},
        {"--seconds", NULL, FLAG_REAL, &t.seconds, 1, 86400, "S", "the search ends within that (default 280)"},
        {"--try-kv", NULL, FLAG_WORD, &t.kv, 0, 0, "q8_0|f32|both",
         "measure such keys and values too, and take what is faster: it changes answers"},
        {"--binary", NULL, FLAG_TEXT, &t.binary, 0, 0, "FILE", "measure with this stoker (default: this program)"},
        {"--steal", NULL, FLAG_REAL, &t.steal, 0, 100, "PERCENT",
         "a pair is void, and measured again, where the host took more of a run (default 2)"},
        {"--root", NULL, FLAG_TEXT, &t.root, 0, 0, "FOLDER", "read proc and sys below this folder"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}};
    int status = flags_parse("tune", usage, tables, 1, argc, argv, &t.model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (!(t.model = model_of(t.model)))
        return 1;
    if (strcmp(t.model, "-") == 0) {
        fprintf(stderr, "stoker tune: a model from stdin cannot be read again and again; name a file\n");
        return 2;
    }
    if (!gives_text(t.model))
        return 2;
    t.n_ctx = t.n_ctx ? t.n_ctx : 1024;
    return tune(&t);
}
