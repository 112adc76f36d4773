/* stoker imatrix: how much each column of a model's matrices matters, collected while it reads a text. What it does: imatrix/imatrix.h. */
#include "base/reqmem.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/imatrix/imatrix.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>

static const char usage[] =
    "stoker imatrix [MODEL.gguf] -f TEXT -o FILE [flags]: importance of columns, for stoker quantize --imatrix.\n\n"
    "  stoker imatrix MODEL.gguf -f calibration.txt -o model.imatrix.gguf\n"
    "  stoker imatrix MODEL.gguf -f calibration.txt -o model.imatrix.gguf --memory 6GiB --resume\n"
    "  stoker imatrix --merge A.gguf B.dat -o both.gguf      sums and counts of several files\n"
    "  stoker imatrix --stats model.imatrix.gguf             what a file says of each tensor, and of its experts\n"
    "  stoker quantize MODEL.gguf OUT.gguf --type IQ2_XS --imatrix model.imatrix.gguf\n\n"
    "Sums of the squares of what every matrix, and every expert's, is multiplied with, over chunks of --ctx tokens (0, "
    "the "
    "default: 512).\nLogits do not change by it, and the file's bytes do not depend on --threads, --chunk, --memory or "
    "interruptions. FILE.state is\nthere until FILE is whole, with what --resume goes on from. A table shows how many "
    "rows "
    "each layer's experts saw. Exit status:\n0 done, 1 failed on the way, 2 impossible, 130 interrupted.\n\n";

enum { CHUNK = 512, LEAST = 5, SAVE_EVERY = 10, FILES_MOST = 64 };

static int wrong(const char *sentence)
{
    fprintf(stderr, "stoker imatrix: %s\n", sentence);
    return 2;
}

/* MODEL TEXT, as well as MODEL -f TEXT. */
static int check_texts(struct imatrix_command *m, const char **rest, int n_rest)
{
    struct eval_command *c = &m->c;
    if (n_rest > 2)
        return wrong("a model and -f TEXT; of several texts each has its -f");
    if (n_rest == 2 && c->texts.n)
        return wrong("the text is named twice, with -f and without");
    if (n_rest == 2)
        c->texts.text[c->texts.n++] = rest[1];
    if (c->texts.n == 0)
        return wrong("which text? -f FILE");
    int n_stdin = 0;
    for (int i = 0; i < c->texts.n; i++)
        n_stdin += strcmp(c->texts.text[i], "-") == 0;
    return n_stdin > 1 ? wrong("stdin (-) can be read once") : 0;
}

static int merge(struct imatrix_command *m, const char **rest, int n_rest)
{
    if (m->c.texts.n || m->resume || m->until_count)
        return wrong("--merge reads files of importance: no -f, --resume or --until-count");
    if (n_rest == 0)
        return wrong("--merge: which files?");
    m->file = rest;
    m->n_file = n_rest;
    return imatrix_merge(m);
}

static int stats(struct imatrix_command *m, const char **rest, int n_rest)
{
    if (m->c.texts.n || m->out || m->resume || m->until_count)
        return wrong("--stats reads one file of importance: no -f, -o, --resume or --until-count");
    if (n_rest != 1)
        return wrong("--stats: which file? one");
    m->file = rest;
    m->n_file = 1;
    return imatrix_stats(m);
}

int cmd_imatrix(int argc, char **argv)
{
    static struct imatrix_command m;
    static const char *rest[FILES_MOST];
    const char *format = NULL;
    int n_rest, merges = 0, shows = 0;
    m = (struct imatrix_command){.save_every = SAVE_EVERY};
    const struct flag mine[] = {
        {"-f", "--file", FLAG_TEXTS, &m.c.texts, 0, 0, "FILE", "the text, or several; - is stdin"},
        {"--output", "-o", FLAG_TEXT, &m.out, 0, 0, "FILE", "the file that is written"},
        {"--format", NULL, FLAG_WORD, &format, 0, 0, "gguf|dat", "its form (gguf): dat is the older one"},
        {"--parse-special", NULL, FLAG_SWITCH, &m.c.parse_special, 0, 0, NULL,
         "names of control tokens in the text become them"},
        {"--chunks", NULL, FLAG_INT, &m.c.n_chunk, 1, 1 << 28, "N", "the first N chunks of each text (default all)"},
        {"--from-chunk", NULL, FLAG_INT, &m.from, 0, 1 << 28, "N", "without the first N of all chunks"},
        {"--until-count", NULL, FLAG_INT, &m.until_count, 1, 1 << 28, "N",
         "only until every expert has seen N rows, or the text ends"},
        {"--no-output", NULL, FLAG_SWITCH, &m.no_output, 0, 0, NULL, "leave the output matrix out"},
        {"--no-ppl", NULL, FLAG_SWITCH, &m.no_ppl, 0, 0, NULL, "no perplexity of the text: somewhat faster"},
        {"--save-every", NULL, FLAG_INT, &m.save_every, 1, 1 << 28, "N", "chunks between two snapshots (10)"},
        {"--resume", NULL, FLAG_SWITCH, &m.resume, 0, 0, NULL, "go on with the run that FILE.state tells of"},
        {"--force", NULL, FLAG_SWITCH, &m.force, 0, 0, NULL, "replace what is there under these names"},
        {"--merge", NULL, FLAG_SWITCH, &merges, 0, 0, NULL, "no model: files of importance, of either form, as one"},
        {"--stats", NULL, FLAG_SWITCH, &shows, 0, 0, NULL, "no model: what a file of importance says of its tensors"},
        {"--json", NULL, FLAG_SWITCH, &m.json, 0, 0, NULL, "for programs"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&m.c.options)};
    signal(SIGXFSZ, SIG_IGN);                         /* a file that may not grow is a sentence */
    json_set_alloc_funcs(reqmem_malloc, reqmem_free); /* as of the evaluations, whose texts these are */
    int status = flags_parse("imatrix", usage, tables, 2, argc, argv, rest, FILES_MOST, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (merges && shows)
        return wrong("--merge and --stats are two things to do; leave one of them");
    if (!m.out && !shows)
        return wrong("-o FILE: where to?");
    m.form = format && strcmp(format, "dat") == 0 ? IMPORTANCE_OLD : IMPORTANCE_GGUF;
    m.c.n_ctx = m.c.options.n_ctx ? m.c.options.n_ctx : CHUNK;
    if (m.c.n_ctx < LEAST)
        return wrong("--ctx: a chunk has 5 tokens at least");
    if (shows)
        return stats(&m, rest, n_rest);
    if (merges)
        return merge(&m, rest, n_rest);
    if ((status = check_texts(&m, rest, n_rest)))
        return status;
    if (!(m.c.model = model_of(n_rest ? rest[0] : NULL)))
        return 2;
    m.c.text = m.c.texts.text[0];
    return imatrix_collect(&m);
}
