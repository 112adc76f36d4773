/* Reading what goldens are compared with: .ref files and their INDEX.json. Formats: the README of the golden models. */
#ifndef TESTS_GOLDEN_REF_H
#define TESTS_GOLDEN_REF_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ref {
    int n_token, n_vocab;
    int32_t *token;
    float *logits; /* [n_token][n_vocab] */
};

static inline int ref_read(struct ref *r, const char *path)
{
    char magic[8];
    uint32_t n[2];
    FILE *f = fopen(path, "rb");
    *r = (struct ref){0};
    if (!f)
        return -1;
    if (fread(magic, 8, 1, f) != 1 || memcmp(magic, "STKREF1", 8) != 0 || fread(n, 8, 1, f) != 1) {
        fclose(f);
        return -1;
    }
    r->n_token = (int)n[0];
    r->n_vocab = (int)n[1];
    size_t values = (size_t)n[0] * n[1];
    r->token = malloc(n[0] * sizeof *r->token);
    r->logits = malloc(values * sizeof *r->logits);
    int ok = fread(r->token, sizeof *r->token, n[0], f) == n[0] &&
             fread(r->logits, sizeof *r->logits, values, f) == values;
    fclose(f);
    return ok ? 0 : -1;
}

static inline void ref_free(struct ref *r)
{
    free(r->token);
    free(r->logits);
}

/* The entry of a model in DIR/INDEX.json; NULL: none. The caller drops *root. */
static inline json_t *index_entry(const char *dir, const char *name, json_t **root)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/INDEX.json", dir);
    *root = json_load_file(path, 0, NULL);
    json_t *models = json_object_get(*root, "models"), *m;
    size_t i;
    json_array_foreach(models, i, m) if (strcmp(json_string_value(json_object_get(m, "name")), name) == 0) return m;
    return NULL;
}

#endif
