/* stoker activations: what happens inside a model while it reads a text, in a file that numpy and others read. */
#include "cli/activations/activations.h"
#include "cli/common/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "stoker activations [MODEL.gguf] SOURCE -o OUT [flags]: rows of the residual stream and more, as a file.\n\n"
    "  stoker activations -p 'Hello world' -o acts.safetensors                    resid_post of all layers, all "
    "positions\n"
    "  stoker activations MODEL.gguf -p Hi --chat --layers 3,10-20 --from -1 -o last.safetensors    the last position\n"
    "  stoker activations MODEL.gguf -p Hi --layers 3 -o layer3.npy               one tensor: numpy.load reads it\n"
    "  stoker activations MODEL.gguf --text corpus.txt --window 512 --layers 12 --dtype bf16 -o corpus.safetensors\n"
    "  stoker activations MODEL.gguf -p Hi --tensors router_ids --reduce count -o uses.safetensors\n"
    "  stoker activations MODEL.gguf -p Hi --reduce dot --vector declines.gguf -o dots.safetensors\n"
    "  stoker activations MODEL.gguf -p Hi --sae layers.12 --top 32 -o features.safetensors\n"
    "  stoker activations convert DUMP.bin -o acts.safetensors                    what llama.cpp's capture tool "
    "wrote\n\n"
    "numpy reads a tensor of a file .safetensors so (<f2: f16, <i4: i32):\n"
    "  f = 'acts.safetensors'; h = open(f, 'rb'); n = int.from_bytes(h.read(8), 'little')\n"
    "  t = json.loads(h.read(n))['resid_post.3']\n"
    "  x = numpy.memmap(f, '<f4', 'r', 8 + n + t['data_offsets'][0], tuple(t['shape']))\n\n"
    "tensors: resid_pre, attn_out, resid_mid, ffn_out, resid_post, router_logits, router_ids, router_weights, lens, "
    "final\n\n";

enum { WINDOW = 512, MOST = 1 << 30 };
static const uint64_t CAPTURE_MEMORY = (uint64_t)32 << 20;

static int wrong(const char *sentence)
{
    fprintf(stderr, "stoker activations: %s\n", sentence);
    return 2;
}

static int check(const struct activations *a)
{
    int sources = !!a->prompt + !!a->file + !!a->tokens + !!a->text;
    const char *end = a->out ? strrchr(a->out, '.') : NULL;
    if (sources != 1)
        return wrong("one source is needed: -p TEXT, --file FILE, --tokens FILE or --text FILE");
    if (!end || (strcmp(end, ".safetensors") != 0 && strcmp(end, ".npy") != 0))
        return wrong("-o needs a file that ends in .safetensors or .npy");
    if (a->text && (a->answer || a->chat))
        return wrong(
            "--text is cut into windows, which are no chats and are not answered; use --file for -n and --chat");
    if (!!a->vector != (strcmp(a->reduce, "dot") == 0))
        return wrong(a->vector ? "--vector is what --reduce dot multiplies rows with; it is of no use to another"
                               : "--reduce dot needs --vector FILE, whose directions rows are multiplied with");
    if (a->sae && strcmp(a->reduce, "none") != 0)
        return wrong("--sae: features are the largest of a row already; they are recorded without --reduce");
    return a->tokens && a->chat ? wrong("--tokens are ids already; --chat is for texts") : 0;
}

/* What is recorded, and the least memory for it, before the model loads. *layer is allocated. */
static int plan_rows(struct stoker_capture *c, unsigned char **layer, struct activations *a, const char *model)
{
    struct stoker_error err;
    int n_layer = stoker_header_layers(NULL, 0, model, &err);
    if (n_layer < 0)
        return report(&err);
    if (!(*layer = calloc((size_t)n_layer, 1))) {
        fprintf(stderr, "stoker activations: no memory for a list of %d layers\n", n_layer);
        return 1;
    }
    int status = activations_wants(c, a, *layer, n_layer);
    if (!status && stoker_capture_least(&a->options.defaults.capture_least, model, c, a->sae != NULL, &err))
        status = report(&err);
    return status;
}

static int run(const struct activations *a, struct stoker *s, struct sequences *q, const struct stoker_capture *c)
{
    int status = activations_sequences(q, a, s);
    return status ? status : activations_record(s, a, c, q);
}

/* The source, and what it takes as a part of the plan; each sequence has a place more while it is recorded. */
static int read_source(struct activations *a, const char *model, struct sequences *q)
{
    struct reading r = {0};
    int status = activations_read(q, &r, a, model);
    if (r.most)
        a->options.server += r.most + (q->n + 1) * sizeof *q->first;
    return status;
}

static int open_and_run(struct activations *a, const char *model, struct sequences *q, struct stoker_capture *c)
{
    struct stoker *s;
    struct stoker_error err;
    struct stoker_vector *along = NULL;
    uint64_t bytes = 0;
    if (a->sae) /* the rows may be steered by its features too */
        a->steer.sae = (struct text_list){.text = {a->sae}, .n = 1};
    a->steer.keeps_sae = 1;
    int status = steer_flags_plan("activations", &a->steer, model, &a->options);
    if (status)
        return status;
    if (a->vector && stoker_vector_bytes(a->vector, &bytes, &err))
        return report(&err);
    a->options.steer_memory += bytes;
    if ((status = read_source(a, model, q)))
        return status;
    if (stoker_open(&s, model, &a->options, &err))
        return report(&err);
    int failed = steer_flags_open("activations", &a->steer, s, &err) ||
                 (a->vector && stoker_vector_open(&along, s, AT_FDCWD, a->vector, &err));
    c->along = along;
    c->sae = a->sae ? a->steer.vector[a->steer.n - 1] : NULL;
    status = failed ? report(&err) : run(a, s, q, c);
    stoker_vector_close(along);
    steer_flags_close(&a->steer);
    stoker_close(s);
    return status;
}

/* stoker activations convert FROM -o TO */
static int convert(int argc, char **argv)
{
    const char *from = NULL, *to = NULL, *end;
    int n_rest;
    const struct flag mine[] = {{"--output", "-o", FLAG_TEXT, &to, 0, 0, "FILE", "OUT.safetensors"}};
    const struct flag_table table[] = {{mine, 1}};
    int status = flags_parse("activations", usage, table, 1, argc - 1, argv + 1, &from, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    end = to ? strrchr(to, '.') : NULL;
    if (!n_rest || !end || strcmp(end, ".safetensors") != 0)
        return wrong("convert needs a dump of llama.cpp's and -o OUT.safetensors");
    return activations_convert(from, to);
}

int cmd_activations(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "convert") == 0)
        return convert(argc, argv);
    struct activations a = {.command = "activations",
                            .window = WINDOW,
                            .layers = "all",
                            .reduce = "none",
                            .dtype = "f32",
                            .top = 10,
                            .options = {.defaults = {.capture_memory = CAPTURE_MEMORY, .capture_rows = 512}}};
    const char *rest[1] = {NULL};
    int n_rest;
    a.sampling = stoker_sampling_defaults();
    a.sampling.temperature = 0;
    const struct flag mine[] = {
        {"--prompt", "-p", FLAG_TEXT, &a.prompt, 0, 0, "TEXT", "what the model reads"},
        {"--file", "-f", FLAG_TEXT, &a.file, 0, 0, "FILE", "a text of a file instead"},
        {"--tokens", NULL, FLAG_TEXT, &a.tokens, 0, 0, "FILE",
         "ids of a file instead, with spaces or commas between them"},
        {"--text", NULL, FLAG_TEXT, &a.text, 0, 0, "FILE",
         "a corpus, in windows without overlap: sequence and position tell which; of NAME.jsonl each line is a text, a "
         "JSON "
         "string or an object's \"text\""},
        {"--window", NULL, FLAG_COUNT, &a.window, 1, MOST, "N", "tokens of a window of --text (512)"},
        {"--max-tokens", NULL, FLAG_COUNT, &a.max_tokens, 1, MOST, "N", "read only the first N tokens"},
        {"--chat", NULL, FLAG_SWITCH, &a.chat, 0, 0, NULL, "the text is a user's message, in the model's chat format"},
        {"-n", NULL, FLAG_INT, &a.answer, 1, MOST, "N",
         "answer with up to N tokens, and record their rows too (the last one's is not computed)"},
        {"--layers", NULL, FLAG_TEXT, &a.layers, 0, 0, "LIST", "3,10-20 or all: layers, from 0"},
        {"--tensors", NULL, FLAG_TEXT, &a.tensors, 0, 0, "LIST", "what of them, by the names above (resid_post)"},
        {"--from", NULL, FLAG_TEXT, &a.from, 0, 0, "N",
         "first position; below 0: from the end of the prompt; or generated"},
        {"--to", NULL, FLAG_TEXT, &a.to, 0, 0, "N", "the position behind the last, likewise"},
        {"--reduce", NULL, FLAG_WORD, &a.reduce, 0, 0, "none|mean|last|top|norm|dot|count", "what is kept of rows"},
        {"--vector", NULL, FLAG_TEXT, &a.vector, 0, 0, "FILE",
         "a control vector (GGUF), with whose directions --reduce dot multiplies rows"},
        {"--sae", NULL, FLAG_TEXT, &a.sae, 0, 0, "DIR",
         "features of an autoencoder, of SAELens or sparsify, alone unless --tensors names more"},
        {"--sae-arch", NULL, FLAG_TEXT, &a.steer.gate, 0, 0, "FORM",
         "of a folder without cfg.json: standard, jumprelu, topk:32"},
        {"--sae-layer", NULL, FLAG_INT, &a.steer.layer, 0, 4095, "N", "and the layer whose end it is of"},
        {"--top", NULL, FLAG_INT, &a.top, 1, STOKER_CAPTURE_TOP, "K",
         "entries of --reduce top, of the lens and of features (10)"},
        {"--dtype", NULL, FLAG_WORD, &a.dtype, 0, 0, "f32|f16|bf16", "type of the elements (f32)"},
        {"--output", "-o", FLAG_TEXT, &a.out, 0, 0, "FILE", "OUT.safetensors, or OUT.npy for one tensor"},
        {"--capture-memory", NULL, FLAG_BYTES, &a.options.capture_memory, 0, 0, "BYTES",
         "for rows on their way to the file (what 512 rows of all layers take, 32 to 320 MiB, or as much as --memory "
         "leaves)"},
    };
    const struct flag_table table[] = {
        {mine, sizeof mine / sizeof *mine}, steer_flags(&a.steer), model_flags(&a.options)};
    int status = flags_parse("activations", usage, table, 3, argc, argv, rest, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    const char *model = check(&a) ? NULL : model_of(n_rest ? rest[0] : NULL);
    if (!model)
        return 2;
    if (a.text)
        a.options.n_ctx = a.options.n_ctx ? a.options.n_ctx : a.window;
    struct sequences q = {.token = NULL};
    struct stoker_capture c;
    unsigned char *layer = NULL;
    status = plan_rows(&c, &layer, &a, model);
    status = status ? status : open_and_run(&a, model, &q, &c);
    free(layer);
    activations_sequences_free(&q);
    steer_flags_free(&a.steer);
    return status;
}
