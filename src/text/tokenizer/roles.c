/* Special tokens and their roles: bos, eos, and which tokens end an answer.
 *
 * Files are often mislabelled, so that some texts are promoted to control type and to roles; but never a token that the file
 * calls normal: an ordinary "</s>" of HTML must not end an answer. tokenizer.md 1, 6 and 7. */
#include "base/error.h"
#include "base/log.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdio.h>
#include <string.h>

/* \342\226\201 is U+2581, which vocabularies of SentencePiece take for a space when they read this file. */
static const char *const end_names[] = {"<|eot_id|>",
                                        "<|im_end|>",
                                        "<|end|>",
                                        "<|return|>",
                                        "<|call|>",
                                        "<|flush|>",
                                        "<|calls|>",
                                        "<end_of_turn>",
                                        "<|endoftext|>",
                                        "</s>",
                                        "<|eom_id|>",
                                        "<EOT>",
                                        "_<EOT>",
                                        "[EOT]",
                                        "[EOS]",
                                        "<|end_of_text|>",
                                        "<end_of_utterance>",
                                        "<eos>",
                                        "<turn|>",
                                        "<|tool_response>",
                                        "<｜end\342\226\201of\342\226\201sentence｜>",
                                        NULL};

/* The first that exists is the end of a turn where the file names none. */
static const char *const turn_names[] = {
    "<|eot_id|>",         "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>",
    "<|end_of_text|>",    "<EOT>",      "_<EOT>",  "[EOT]",         "<｜end\342\226\201of\342\226\201sentence｜>",
    "<end_of_utterance>", NULL};

static const char *const fim_prefix[] = {"<|fim_prefix|>",
                                         "<fim-prefix>",
                                         "<fim_prefix>",
                                         "<｜fim\342\226\201begin｜>",
                                         "<PRE>",
                                         "\342\226\201<PRE>",
                                         "<|code_prefix|>",
                                         "<|prefix|>",
                                         NULL};
static const char *const fim_suffix[] = {"<|fim_suffix|>",
                                         "<fim-suffix>",
                                         "<fim_suffix>",
                                         "<｜fim\342\226\201hole｜>",
                                         "<SUF>",
                                         "\342\226\201<SUF>",
                                         "<|code_suffix|>",
                                         "<|suffix|>",
                                         NULL};
static const char *const fim_middle[] = {"<|fim_middle|>",           "<fim-middle>", "<fim_middle>",
                                         "<｜fim\342\226\201end｜>", "<MID>",        "\342\226\201<MID>",
                                         "<|code_middle|>",          "<|middle|>",   NULL};
static const char *const fim_pad[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", NULL};
static const char *const fim_rep[] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", NULL};
static const char *const fim_sep[] = {"<|file_sep|>", NULL};

/* Part of the text vocabulary of harmony files: its parser finds them in the output by their ids. */
static const char *const shown_names[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", NULL};

/* Roles by key or, without the key, by name; those that end an answer. */
static const struct role {
    const char *key, *old_key;
    const char *const *names;
    int ends;
} roles[] = {
    {"eot", NULL, turn_names, 1},         {"eom", NULL, NULL, 1},
    {"fim_pre", "prefix", fim_prefix, 0}, {"fim_suf", "suffix", fim_suffix, 0},
    {"fim_mid", "middle", fim_middle, 0}, {"fim_pad", NULL, fim_pad, 1},
    {"fim_rep", NULL, fim_rep, 1},        {"fim_sep", NULL, fim_sep, 1},
};

/* The id of a key, -1 where the file has none that makes sense. */
static int32_t id_of_key(const struct tokenizer *t, const struct gguf *g, const char *name)
{
    char key[64];
    struct error odd = {0};
    uint64_t id;
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    int found = gguf_u64(g, key, 0, (uint64_t)t->n_vocab - 1, &id, &odd);
    if (found < 0)
        log_line(LOG_WARN, "%s; the value is ignored", odd.text);
    return found > 0 ? (int32_t)id : -1;
}

/* A token that may be promoted, -1 none. */
static int32_t named(const struct tokenizer *t, const char *name)
{
    int32_t id = tokenizer_find(t, name, strlen(name));
    return id >= 0 && t->has_types && t->type[id] == TOKEN_NORMAL ? -1 : id;
}

static int32_t first_named(const struct tokenizer *t, const char *const *names)
{
    int32_t id = -1;
    while (names && *names && id < 0)
        id = named(t, *names++);
    return id;
}

static void add_end(struct tokenizer *t, int32_t id)
{
    if (id >= 0 && !tokenizer_is_end(t, id) && t->n_end < (int)(sizeof t->end / sizeof *t->end))
        t->end[t->n_end++] = id;
}

static void remove_end(struct tokenizer *t, int32_t id)
{
    int n = 0;
    for (int i = 0; i < t->n_end; i++)
        if (t->end[i] != id)
            t->end[n++] = t->end[i];
    t->n_end = n;
}

/* Families in which one of the names above means something else. */
static void resolve_families(struct tokenizer *t)
{
    int32_t end = named(t, "<|end|>");
    int calls = named(t, "<|call|>") >= 0 || named(t, "<|calls|>") >= 0;
    if (end >= 0 && calls && (named(t, "<|return|>") >= 0 || named(t, "<|flush|>") >= 0)) {
        remove_end(t, end); /* harmony: the end of a message, not of the turn */
        t->type[end] = TOKEN_USER;
    }
    int32_t s = named(t, "</s>");
    if (s >= 0 && named(t, "<|tool_response>") >= 0) {
        remove_end(t, s);
        t->type[s] = TOKEN_NORMAL;
        t->hidden[s] = 0;
    }
    for (const char *const *name = shown_names; *name; name++) {
        int32_t id = named(t, *name);
        if (id >= 0)
            t->type[id] = TOKEN_USER;
    }
}

static void resolve_ends(struct tokenizer *t, const struct gguf *g)
{
    add_end(t, t->eos);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const struct role *r = &roles[i];
        int32_t id = id_of_key(t, g, r->key);
        if (id < 0 && r->old_key)
            id = id_of_key(t, g, r->old_key);
        if (id < 0 && (id = first_named(t, r->names)) >= 0)
            t->type[id] = TOKEN_CONTROL;
        if (r->ends)
            add_end(t, id);
    }
    for (const char *const *name = end_names; *name; name++) {
        int32_t id = named(t, *name);
        if (id >= 0)
            t->type[id] = TOKEN_CONTROL;
        add_end(t, id);
    }
    for (int i = 0; i < t->n_vocab; i++) /* before families change what the file says */
        t->hidden[i] = t->type[i] == TOKEN_CONTROL || t->type[i] == TOKEN_UNKNOWN;
    resolve_families(t);
}

static int holds(const char *text, size_t n, const char *what) { return memmem(text, n, what, strlen(what)) != NULL; }

static void resolve_sampleable(struct tokenizer *t)
{
    for (int i = 0; i < t->n_vocab; i++) {
        const uint32_t *start = &t->text.start[i];
        t->sampleable[i] = t->type[i] != TOKEN_UNUSED &&
                           !(t->type[i] == TOKEN_CONTROL &&
                             holds(t->text.bytes + start[0], start[1] - start[0], "unused"));
    }
}

static int32_t or_default(const struct tokenizer *t, int32_t id, int32_t value)
{
    return id >= 0 ? id : value < t->n_vocab ? value : -1;
}

/* What readers of GGUF have always taken where a file says nothing. -1: none */
static const struct defaults {
    int32_t bos, eos, unknown, sep;
    int add_bos, add_eos, add_space_prefix;
} defaults[] = {
    [MODEL_BPE] = {11, 11, -1, -1, 0, 0, 0},    [MODEL_SPM] = {1, 2, 0, -1, 1, 0, 1},
    [MODEL_GEMMA4] = {-1, -1, -1, -1, 1, 0, 0}, [MODEL_UGM] = {-1, 1, 2, -1, 0, 1, 0},
    [MODEL_WPM] = {101, -1, 100, 102, 1, 0, 0},
};

int roles_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    const struct defaults *d = &defaults[t->model];
    int bpe = t->model == MODEL_BPE;
    t->bos = id_of_key(t, g, "bos");
    if (t->bos < 0 && t->model == MODEL_WPM)
        t->bos = id_of_key(t, g, "cls");
    t->bos = or_default(t, t->bos, bpe && t->pre->no_bos ? -1 : d->bos);
    t->eos = or_default(t, id_of_key(t, g, "eos"), d->eos);
    t->unknown = or_default(t, id_of_key(t, g, "unknown"), d->unknown);
    t->sep = or_default(t, id_of_key(t, g, "seperator"), d->sep); /* so spelled in files */
    t->add_bos = bpe ? t->pre->add_bos : d->add_bos;
    t->add_eos = d->add_eos;
    t->add_sep = t->model == MODEL_WPM || (bpe && t->pre->add_sep);
    t->add_space_prefix = d->add_space_prefix;
    int forced = t->add_bos;
    if (gguf_bool(g, "tokenizer.ggml.add_bos_token", &t->add_bos, err) < 0 ||
        gguf_bool(g, "tokenizer.ggml.add_eos_token", &t->add_eos, err) < 0 ||
        gguf_bool(g, "tokenizer.ggml.add_sep_token", &t->add_sep, err) < 0 ||
        gguf_bool(g, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, err) < 0)
        return -1;
    if (t->model == MODEL_GEMMA4) {
        t->add_bos = forced;
        t->add_space_prefix = 0;
    }
    resolve_ends(t, g);
    resolve_sampleable(t);
    return 0;
}

int tokenizer_is_end(const struct tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_end; i++)
        if (t->end[i] == id)
            return 1;
    return 0;
}
