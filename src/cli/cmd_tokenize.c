/* stoker tokenize: what a model makes of a text, and back. */
#include "base/error.h"
#include "base/file.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/piece.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "stoker tokenize [MODEL.gguf] [TEXT] [flags]: ids of a text, from stdin without TEXT.\n\n"
                            "  stoker tokenize 'Hello world'                       by the embedded model\n"
                            "  stoker tokenize MODEL.gguf 'Hello world'            9707 1879\n"
                            "  stoker tokenize MODEL.gguf 'Hello world' --pieces   a line a token: id and bytes\n"
                            "  stoker tokenize MODEL.gguf --decode '9707 1879'     Hello world\n"
                            "  stoker tokenize MODEL.gguf --json <prompt.txt       {\"tokens\": [...]}\n\n";

struct text {
    char *bytes;
    size_t n;
};

enum { TEXT_MOST = 256 << 20 }; /* of stoker_tokenize() */

/* All of stdin; bytes NULL after a sentence. */
static struct text read_stdin(void)
{
    struct error err = {0};
    struct text t = {NULL, 0};
    t.bytes = file_read_stream(stdin, "stdin", TEXT_MOST, &t.n, &err);
    if (!t.bytes)
        fprintf(stderr, "stoker tokenize: %s\n", err.text);
    return t;
}

/* ---- showing --------------------------------------------------------------------------------------------------------------- */

static void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}

static void show_tokens(const struct stoker_vocab *v, const stoker_token *ids, size_t n, int pieces, int json)
{
    json_t *list = json ? json_array() : NULL;
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const char *piece = stoker_vocab_piece(v, ids[i], &length);
        if (json) {
            json_array_append_new(list, pieces
                                            ? json_pack("{s:i, s:o}", "id", ids[i], "piece", piece_json(piece, length))
                                            : json_integer(ids[i]));
        } else if (pieces) {
            printf("%d\t", ids[i]);
            print_piece(piece, length);
            putchar('\n');
        } else {
            printf("%s%d", i ? " " : "", ids[i]);
        }
    }
    if (json)
        print_json(json_pack("{s:o}", "tokens", list));
    else if (!pieces)
        putchar('\n');
}

static int tokenize(const struct stoker_vocab *v, const struct text *t, int add, int parse, int pieces, int json)
{
    struct stoker_error err;
    stoker_token *ids = NULL;
    size_t n;
    if (stoker_vocab_tokenize(v, t->bytes, t->n, add, parse, &ids, &n, &err))
        return report(&err);
    show_tokens(v, ids, n, pieces, json);
    stoker_free(ids);
    return 0;
}

/* ---- back ------------------------------------------------------------------------------------------------------------------ */

/* Numbers with spaces, commas or brackets between them. -1 after a sentence. */
static int read_ids(const struct text *t, stoker_token *ids, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < t->n;) {
        if (strchr(" \t\r\n,[]", t->bytes[i])) {
            i++;
            continue;
        }
        int64_t id = 0;
        size_t begin = i;
        for (; i < t->n && t->bytes[i] >= '0' && t->bytes[i] <= '9' && id <= INT_MAX; i++)
            id = 10 * id + (t->bytes[i] - '0');
        if (i == begin || id > INT_MAX) {
            size_t rest = t->n - begin < 20 ? t->n - begin : 20;
            fprintf(stderr, "stoker tokenize: --decode wants ids with spaces or commas between them, not \"%.*s\"\n",
                    (int)rest, t->bytes + begin);
            return -1;
        }
        ids[(*n)++] = (stoker_token)id;
    }
    return 0;
}

static int decode(const struct stoker_vocab *v, const struct text *t, int json)
{
    struct stoker_error err;
    char *text = NULL;
    size_t n, length;
    stoker_token *ids = malloc((t->n / 2 + 1) * sizeof *ids);
    if (!ids || read_ids(t, ids, &n)) {
        free(ids);
        return 2;
    }
    int failed = stoker_vocab_text(v, ids, n, &text, &length, &err);
    free(ids);
    if (failed)
        return report(&err);
    if (json)
        print_json(json_pack("{s:o}", "content", json_stringn(text, length)));
    else
        fwrite(text, 1, length, stdout);
    stoker_free(text);
    return 0;
}

/* One argument alone: a model or a text? */
static int is_model(const char *argument)
{
    size_t n = strlen(argument);
    return access(argument, F_OK) == 0 || (n > 5 && strcmp(argument + n - 5, ".gguf") == 0);
}

int cmd_tokenize(int argc, char **argv)
{
    int add = 0, plain = 0, pieces = 0, back = 0, json = 0, n_rest;
    const char *pre = NULL, *rest[3] = {NULL, NULL, NULL};
    const struct flag mine[] = {
        {"--add-special", NULL, FLAG_SWITCH, &add, 0, 0, NULL, "begin and end as the vocabulary wants (bos, eos)"},
        {"--no-parse-special", NULL, FLAG_SWITCH, &plain, 0, 0, NULL, "names of control tokens are ordinary text"},
        {"--pieces", NULL, FLAG_SWITCH, &pieces, 0, 0, NULL, "a line a token: id and bytes"},
        {"--pre", NULL, FLAG_TEXT, &pre, 0, 0, "NAME", "another pre-tokenizer than the file's"},
        {"--decode", NULL, FLAG_SWITCH, &back, 0, 0, NULL, "ids in, text out"},
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs"},
    };
    const struct flag_table table = {mine, sizeof mine / sizeof *mine};
    int status = flags_parse("tokenize", usage, &table, 1, argc, argv, rest, 2, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    int has_model = n_rest == 2 || (n_rest == 1 && is_model(rest[0]));
    const char *model = model_of(has_model ? rest[0] : flags_setting_model()), *typed = rest[has_model];
    if (!model)
        return 1;
    struct stoker_vocab *v;
    struct stoker_error err;
    if (stoker_vocab_open(&v, model, pre, &err))
        return report(&err);
    struct text t = {(char *)(uintptr_t)typed, typed ? strlen(typed) : 0};
    if (!typed)
        t = read_stdin();
    status = !t.bytes ? 1 : back ? decode(v, &t, json) : tokenize(v, &t, add, !plain, pieces, json);
    if (!typed)
        free(t.bytes);
    stoker_vocab_close(v);
    return status;
}
