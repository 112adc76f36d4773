/* Vocabularies for the tests of the text layer: the embedded model's, and small ones written for the purpose. */
#ifndef TEXT_FIXTURE_H
#define TEXT_FIXTURE_H

#include "base/error.h"
#include "format/gguf.h"
#include "gguf_write.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EMBER "models/ember/ember.gguf"

enum { MAX_SMALL = 1200 };

/* A vocabulary being put together. Strings are literals or owned by the test. */
struct small_vocab {
    const char *model, *pre, *name;
    struct gguf_string token[MAX_SMALL], merge[MAX_SMALL];
    int32_t type[MAX_SMALL];
    float score[MAX_SMALL];
    uint64_t n_token, n_merge;
    uint64_t n_type, n_score; /* written; differ from n_token only to be refused */
    int bos, eos, unknown;    /* -1: no key */
    int add_bos;              /* -1: no key */
    int no_merges;
    int cls, sep;                   /* -1: no key */
    int merge_spaces, space_prefix; /* 1: the key, true */
    const uint8_t *charsmap;        /* NULL: no key */
    uint64_t n_charsmap;
    char store[512][8];                              /* texts of bytes */
    const char *template_name[4], *template_text[4]; /* chat templates: "" is the one without a name */
};

static inline int small_add(struct small_vocab *v, const char *text, int type, float score)
{
    v->token[v->n_token] = (struct gguf_string){text, strlen(text)};
    v->type[v->n_token] = type;
    v->score[v->n_token] = score;
    v->n_type = v->n_score = v->n_token + 1;
    return (int)v->n_token++;
}

static inline void small_merge(struct small_vocab *v, const char *text)
{
    v->merge[v->n_merge++] = (struct gguf_string){text, strlen(text)};
}

/* Ids 0..255: the bytes, in the alphabet of byte-level BPE or as <0xXX>. */
static inline void small_begin(struct small_vocab *v, const char *model)
{
    memset(v, 0, sizeof *v);
    v->model = model;
    v->bos = v->eos = v->unknown = v->add_bos = v->cls = v->sep = -1;
    if (!strcmp(model, "gpt2"))
        v->pre = "gpt-2";
    for (int b = 0, next = 256; b < 256; b++) {
        char *s = v->store[b];
        int same = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174, c = same ? b : next++;
        if (!v->pre)
            snprintf(s, 8, "<0x%02X>", (unsigned)b);
        else if (c < 128)
            snprintf(s, 8, "%c", c);
        else
            snprintf(s, 8, "%c%c", 0xC0 | c >> 6, 0x80 | (c & 63));
        small_add(v, s, v->pre ? TOKEN_NORMAL : TOKEN_BYTE, 0);
    }
}

static inline void small_key(struct gguf_writer *w, const char *key, int id)
{
    if (id >= 0)
        gguf_write_u32(w, key, (uint32_t)id);
}

static inline void small_templates(struct gguf_writer *w, const struct small_vocab *v)
{
    struct gguf_string name[4];
    uint64_t n = 0;
    char key[100];
    for (int i = 0; i < 4 && v->template_name[i]; i++) {
        const char *s = v->template_name[i];
        snprintf(key, sizeof key, "tokenizer.chat_template%s%s", *s ? "." : "", s);
        gguf_write_string(w, key, v->template_text[i], strlen(v->template_text[i]));
        if (*s)
            name[n++] = (struct gguf_string){s, strlen(s)};
    }
    if (n)
        gguf_write_strings(w, "tokenizer.chat_templates", name, n);
}

/* Write and open, then unlink the file. 0, or -1 with the sentence. */
static inline int small_open(const struct small_vocab *v, struct gguf **g, struct error *err)
{
    char path[] = "/tmp/stoker_vocab_XXXXXX";
    struct gguf_writer w;
    int fd = mkstemp(path);
    if (fd < 0)
        return error_set(err, ERR_IO, "no temporary file");
    close(fd);
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "llama", 5);
    if (v->name)
        gguf_write_string(&w, "general.name", v->name, strlen(v->name));
    if (*v->model)
        gguf_write_string(&w, "tokenizer.ggml.model", v->model, strlen(v->model));
    if (v->pre)
        gguf_write_string(&w, "tokenizer.ggml.pre", v->pre, strlen(v->pre));
    if (v->n_token)
        gguf_write_strings(&w, "tokenizer.ggml.tokens", v->token, v->n_token);
    if (v->n_type)
        gguf_write_numbers(&w, "tokenizer.ggml.token_type", GGUF_I32, v->type, v->n_type);
    if (v->n_score)
        gguf_write_numbers(&w, "tokenizer.ggml.scores", GGUF_F32, v->score, v->n_score);
    if (!v->no_merges)
        gguf_write_strings(&w, "tokenizer.ggml.merges", v->merge, v->n_merge);
    small_key(&w, "tokenizer.ggml.bos_token_id", v->bos);
    small_key(&w, "tokenizer.ggml.eos_token_id", v->eos);
    small_key(&w, "tokenizer.ggml.unknown_token_id", v->unknown);
    small_key(&w, "tokenizer.ggml.cls_token_id", v->cls);
    small_key(&w, "tokenizer.ggml.seperator_token_id", v->sep);
    if (v->merge_spaces)
        gguf_write_bool(&w, "tokenizer.ggml.remove_extra_whitespaces", 1);
    if (v->space_prefix)
        gguf_write_bool(&w, "tokenizer.ggml.add_space_prefix", 1);
    if (v->charsmap)
        gguf_write_numbers(&w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, v->charsmap, v->n_charsmap);
    if (v->add_bos >= 0)
        gguf_write_bool(&w, "tokenizer.ggml.add_bos_token", v->add_bos);
    small_templates(&w, v);
    int rc = gguf_write_end(&w, err);
    if (rc == 0)
        rc = gguf_open(g, path, err);
    unlink(path);
    return rc;
}

/* A map of characters for Unigram (charsmap.h), as wasteful as can be: each place of the trie has 256 units for itself. */
enum { SMALL_PLACES = 40 };
struct small_map {
    uint32_t unit[256 * SMALL_PLACES], n_place;
    char text[400];
    size_t n_text;
    uint8_t bytes[4 + 1024 * SMALL_PLACES + 400];
};

static inline void small_map_begin(struct small_map *m)
{
    memset(m, 0, sizeof *m);
    m->unit[0] = 256u << 10;
    m->n_place = 1;
}

static inline void small_map_add(struct small_map *m, const char *key, const char *replacement)
{
    uint32_t place = 256;
    for (const char *k = key; *k; k++) {
        uint32_t at = place ^ (uint8_t)*k, *unit = &m->unit[at];
        if (*unit == 0)
            *unit = (at ^ 256 * ++m->n_place) << 10 | (uint8_t)*k;
        place = at ^ *unit >> 10;
        if (!k[1])
            *unit |= 1 << 8;
    }
    m->unit[place] = 1u << 31 | (uint32_t)m->n_text;
    memcpy(m->text + m->n_text, replacement, strlen(replacement) + 1);
    m->n_text += strlen(replacement) + 1;
}

/* The key's value, into the vocabulary. */
static inline void small_map_put(struct small_map *m, struct small_vocab *v)
{
    uint32_t n = 1024 * (m->n_place + 1);
    memcpy(m->bytes, &n, 4);
    memcpy(m->bytes + 4, m->unit, n);
    memcpy(m->bytes + 4 + n, m->text, m->n_text);
    v->charsmap = m->bytes;
    v->n_charsmap = 4 + n + m->n_text;
}

/* Write, open and load. 0, or -1 with the sentence. */
static inline int small_load(const struct small_vocab *v, struct tokenizer **t, struct error *err)
{
    struct gguf *g = NULL;
    int rc = small_open(v, &g, err);
    if (rc == 0)
        rc = tokenizer_create(t, g, NULL, err);
    gguf_close(g);
    return rc;
}

static inline struct tokenizer *load_file(const char *path)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    if (gguf_open(&g, path, &err) != 0 || tokenizer_create(&t, g, NULL, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    gguf_close(g);
    return t;
}

static inline struct token_list encode(const struct tokenizer *t, const char *text, size_t n, int add_special,
                                       int parse_special)
{
    struct token_list l = {0};
    struct error err = {0};
    if (tokenizer_encode(t, text, n, add_special, parse_special, &l, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    return l;
}

/* The whole text of a list; free() it. */
static inline char *decode(const struct tokenizer *t, const struct token_list *l, int special, int continues, size_t *n)
{
    struct detok d;
    char *text = malloc((l->n + 1) * detok_most(t));
    *n = 0;
    detok_begin(&d, t, special, continues);
    for (size_t i = 0; text && i < l->n; i++)
        *n += detok_next(&d, l->id[i], text + *n);
    if (text)
        *n += detok_end(&d, text + *n);
    return text;
}

#endif
