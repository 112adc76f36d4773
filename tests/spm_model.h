/* The embedded model with a vocabulary of SentencePiece that puts <s> and a blank in front of texts. */
#ifndef TESTS_SPM_MODEL_H
#define TESTS_SPM_MODEL_H

#include "gguf_write.h"

#include "base/error.h"
#include "format/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPM_BLANK "\xE2\x96\x81"

/* Control tokens, bytes, some words, and names that no text has, up to n tokens. */
static inline void spm_vocabulary(struct gguf_writer *w, uint64_t n)
{
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    static const char *const words[] = {
        SPM_BLANK, SPM_BLANK SPM_BLANK, SPM_BLANK "H", "H",  "e", "l", "o", "w", SPM_BLANK "w", "r", "d",
        "h",       SPM_BLANK "h",       "\xC3\xA4",    "or", "ll"};
    enum { N_WORDS = sizeof words / sizeof *words };
    struct gguf_string *token = calloc(n, sizeof *token);
    int32_t *type = calloc(n, sizeof *type);
    float *score = calloc(n, sizeof *score);
    char(*text)[16] = calloc(n, sizeof *text);
    for (uint64_t i = 0; token && type && score && text && i < n; i++) {
        type[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
        if (i < 3)
            snprintf(text[i], sizeof text[i], "%s", first[i]);
        else if (i < 259)
            snprintf(text[i], sizeof text[i], "<0x%02X>", (unsigned)(i - 3));
        else if (i < 259 + N_WORDS)
            snprintf(text[i], sizeof text[i], "%s", words[i - 259]);
        else
            snprintf(text[i], sizeof text[i], "Z%u", (unsigned)i);
        token[i] = (struct gguf_string){text[i], strlen(text[i])};
        score[i] = type[i] == 1 ? (float)strlen(text[i]) : 0;
    }
    gguf_write_string(w, "tokenizer.ggml.model", "llama", 5);
    gguf_write_strings(w, "tokenizer.ggml.tokens", token, n);
    gguf_write_numbers(w, "tokenizer.ggml.token_type", GGUF_I32, type, n);
    gguf_write_numbers(w, "tokenizer.ggml.scores", GGUF_F32, score, n);
    gguf_write_u32(w, "tokenizer.ggml.bos_token_id", 1);
    gguf_write_u32(w, "tokenizer.ggml.eos_token_id", 2);
    gguf_write_bool(w, "tokenizer.ggml.add_bos_token", 1);
    gguf_write_bool(w, "tokenizer.ggml.add_space_prefix", 1);
    free(token);
    free(type);
    free(score);
    free(text);
}

static inline void spm_copy_data(struct gguf_writer *w, const struct gguf *g)
{
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        void *data = malloc(t->n_bytes);
        if (!data || pread(g->file[t->file].fd, data, t->n_bytes, (off_t)t->offset) != (ssize_t)t->n_bytes)
            error_set(&w->err, ERR_IO, "%s: cannot be read", t->name);
        gguf_write_data(w, data, t->n_bytes);
        free(data);
    }
}

/* -1: *err. */
static inline int spm_copy(const char *from, const char *to, struct error *err)
{
    struct gguf *g = NULL;
    struct gguf_writer w;
    if (gguf_open(&g, from, err))
        return -1;
    gguf_write_begin(&w, to, g->alignment);
    for (uint64_t i = 0; i < g->n_value; i++)
        if (strncmp(g->value[i].key.text, "tokenizer.", 10) != 0 &&
            strcmp(g->value[i].key.text, "general.alignment") != 0)
            gguf_write_value(&w, &g->value[i]);
    spm_vocabulary(&w, gguf_tensor(g, "token_embd.weight")->ne[1]);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        gguf_write_tensor(&w, g->tensor[i].name, g->tensor[i].type, g->tensor[i].n_dims, g->tensor[i].ne);
    spm_copy_data(&w, g);
    gguf_close(g);
    return gguf_write_end(&w, err);
}

#endif
