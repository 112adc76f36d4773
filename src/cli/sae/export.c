/* stoker sae features --export: features of an autoencoder, as one direction of a control vector at its layer. */
#include "cli/sae/sae.h"

#include "base/error.h"
#include "cli/activations/part.h"
#include "format/sae.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const struct sae_command *s, const char *fix)
{
    fprintf(stderr, "stoker %s: --export %.60s: %s\n", s->c.name, s->features, fix);
    return 2;
}

/* "J" or "J:w", then a comma or the end: *end is behind it. -1: neither. */
static int read_feature(const char *text, const char **end, double *weight)
{
    char *behind;
    long j = *text >= '0' && *text <= '9' ? strtol(text, &behind, 10) : -1;
    *weight = 1;
    if (j < 0 || j >= SAE_FEATURES)
        return -1;
    if (*behind == ':') {
        const char *from = behind + 1;
        *weight = strtod(from, &behind);
        if (behind == from || !(fabs(*weight) <= STOKER_SCALE_MOST))
            return -1;
    }
    *end = behind + (*behind == ',');
    return (*behind && *behind != ',') || (*behind && !behind[1]) ? -1 : (int)j;
}

/* Sums w D_j in the order given: one feature of weight 1 is its direction, bit for bit. */
static int add_up(const struct sae_command *s, struct sae_rows *rows, double *sum, float *row)
{
    const struct sae *sae = sae_rows_about(rows);
    struct error err = {0};
    for (const char *p = s->features; *p;) {
        char fix[80];
        double w;
        int j = read_feature(p, &p, &w);
        if (j < 0)
            return wrong(s, "features and weights are expected, as in 34 or 34,5:0.5");
        if (j >= sae->n_feature) {
            snprintf(fix, sizeof fix, "the autoencoder has features 0 to %d", sae->n_feature - 1);
            return wrong(s, fix);
        }
        if (sae_rows_read(rows, j, row, &err))
            return steer_fail(&s->c, &err);
        for (int i = 0; i < sae->n_embd; i++)
            sum[i] += w * (double)row[i];
    }
    for (int i = 0; i < sae->n_embd; i++)
        row[i] = (float)sum[i];
    return *s->features ? 0 : wrong(s, "which? as in 34 or 34,5:0.5");
}

static int write_vector(const struct sae_command *s, const struct sae *sae, const float *row)
{
    char method[VECTOR_TEXT];
    const struct stoker_pair more[] = {{"sae_sha256", sae->sha256}};
    const struct vector_row one = {sae->form.layer, row};
    const struct steer_file f = {.method = method, .base_model = sae->form.model, .more = more, .n_more = 1};
    snprintf(method, sizeof method, "features %s of %s", s->features, sae->file);
    if (sae->form.layer == 0)
        return wrong(s, "it is of layer 0, which a control vector cannot name");
    return steer_write_file(&s->c, &f, &one, 1, sae->n_embd);
}

int sae_export(struct sae_command *s)
{
    struct error err = {0};
    struct sae_form form;
    struct sae_rows *rows = NULL;
    part_signals();
    if ((s->gate && sae_form_of(&form, s->gate, s->layer, &err)) ||
        sae_rows_open(&rows, AT_FDCWD, s->sae, s->gate ? &form : NULL, &err))
        return steer_fail(&s->c, &err);
    size_t n = (size_t)sae_rows_about(rows)->n_embd;
    double *sum = calloc(n, sizeof *sum);
    float *row = malloc(n * sizeof *row);
    int status = 1;
    if (sum && row)
        status = add_up(s, rows, sum, row);
    else
        fprintf(stderr, "stoker %s: no memory for a direction\n", s->c.name);
    status = status ? status : write_vector(s, sae_rows_about(rows), row);
    free(row);
    free(sum);
    sae_rows_close(rows);
    return status;
}
