/* stoker sae features: what is active at the last position of prompts of two kinds. */
#include "cli/sae/sae.h"

#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "stoker.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a feature, for both kinds of prompts: on how many it is active, and the sum of what it is there. */
struct count {
    int feature;
    size_t fires[2];
    double sum[2], mean[2];
};

struct study {
    struct sae_command *s;
    struct study_prompts prompts[2]; /* positive, negative */
    struct study_sequences q;
    struct stoker_tensor tensor[2]; /* ids, values */
    uint8_t *data;
    struct count *count; /* [n_feature] */
    int n_feature;
};

static int fail(const struct study *t, const char *what)
{
    fprintf(stderr, "stoker %s: %s\n", t->s->c.name, what);
    return 1;
}

static int stopped(void *arg)
{
    (void)arg;
    return part_interrupted;
}

static void show(void *arg, size_t done, size_t total) { progress_show(arg, done, total); }

static int record(struct study *t, struct stoker *s, const struct stoker_vector *sae)
{
    struct progress p;
    struct stoker_error err;
    size_t n;
    struct study_record r = {.s = s, .q = &t->q, .stopped = stopped, .progress = show, .arg = &p};
    r.capture = (struct stoker_capture){.sae = sae, .top = STOKER_CAPTURE_TOP, .from = {-1, 1}, .no_tokens = 1};
    if (study_record_layout(&r, t->tensor, 2, &n, &err))
        return report(&err);
    r.capture.n_memory = (size_t)(t->tensor[0].bytes + t->tensor[1].bytes);
    if (!(r.capture.memory = t->data = malloc(r.capture.n_memory)))
        return fail(t, "no memory for features of so many prompts");
    progress_begin(&p, "recording", PROGRESS_TOKENS, 0);
    int status = study_record_run(&r, &err);
    progress_end(&p);
    return status < 0 ? report(&err) : status ? 130 : 0;
}

/* Sums in the order of the prompts. */
static int count_features(struct study *t)
{
    const int32_t *id = (const int32_t *)(const void *)(t->data + t->tensor[0].offset);
    const float *value = (const float *)(const void *)(t->data + t->tensor[1].offset);
    size_t top = (size_t)t->tensor[0].shape[1], full = 0;
    if (!(t->count = calloc((size_t)t->n_feature, sizeof *t->count)))
        return fail(t, "no memory for its features");
    for (int j = 0; j < t->n_feature; j++)
        t->count[j].feature = j;
    for (size_t i = 0; i < t->q.n; i++) {
        int kind = i >= t->prompts[0].n;
        for (size_t k = i * top; k < (i + 1) * top && id[k] >= 0; k++) {
            t->count[id[k]].fires[kind]++;
            t->count[id[k]].sum[kind] += (double)value[k];
        }
        full += id[(i + 1) * top - 1] >= 0;
    }
    for (int j = 0; j < t->n_feature; j++)
        for (int kind = 0; kind < 2; kind++)
            t->count[j].mean[kind] = t->count[j].sum[kind] / (double)t->prompts[kind].n;
    if (full)
        fprintf(stderr, "stoker %s: %zu prompts have %zu active features or more; only the largest are counted\n",
                t->s->c.name, full, top);
    return 0;
}

static double difference(const struct count *c) { return c->mean[0] - c->mean[1]; }

static int by_difference(const void *a, const void *b)
{
    const struct count *x = a, *y = b;
    double dx = fabs(difference(x)), dy = fabs(difference(y));
    return dx != dy ? (dx < dy) - (dx > dy) : (x->feature > y->feature) - (x->feature < y->feature);
}

static void print(const struct study *t, const struct count *c)
{
    size_t n[2] = {t->prompts[0].n, t->prompts[1].n};
    if (t->s->c.json)
        printf("{\"feature\":%d,\"positive\":%zu,\"negative\":%zu,\"share_positive\":%.9g,\"share_negative\":%.9g,"
               "\"mean_positive\":%.9g,\"mean_negative\":%.9g,\"difference\":%.9g}\n",
               c->feature, c->fires[0], c->fires[1], (double)c->fires[0] / (double)n[0],
               (double)c->fires[1] / (double)n[1], c->mean[0], c->mean[1], difference(c));
    else
        printf("%7d  %10.5g  %8.3f  %8.3f  %10.5g  %10.5g\n", c->feature, difference(c),
               (double)c->fires[0] / (double)n[0], (double)c->fires[1] / (double)n[1], c->mean[0], c->mean[1]);
}

static int print_all(struct study *t)
{
    int shown = 0;
    qsort(t->count, (size_t)t->n_feature, sizeof *t->count, by_difference);
    if (!t->s->c.json)
        printf("feature  difference  positive  negative    mean +      mean -\n");
    for (; shown < t->n_feature && shown < t->s->c.top && difference(&t->count[shown]) != 0; shown++)
        print(t, &t->count[shown]);
    if (!shown)
        fprintf(stderr, "stoker %s: no feature is active more in one kind of prompts than in the other\n",
                t->s->c.name);
    return 0;
}

static int run_model(struct study *t, const struct stoker_sae_form *form)
{
    struct stoker *s;
    struct stoker_vector *sae = NULL;
    struct stoker_vector_about about;
    struct stoker_error err;
    struct sae_command *c = t->s;
    if (stoker_open(&s, c->c.model, &c->c.options, &err))
        return report(&err);
    int status = stoker_sae_open(&sae, s, AT_FDCWD, c->sae, form, &err) ? report(&err) : 0;
    if (!status) {
        stoker_vector_about(sae, &about);
        t->n_feature = about.n_feature;
    }
    status = status ? status : steer_tokens(&t->q, &c->c, s, &t->prompts[0], c->c.positive);
    status = status ? status : steer_tokens(&t->q, &c->c, s, &t->prompts[1], c->c.negative);
    status = status ? status : record(t, s, sae);
    stoker_vector_close(sae);
    stoker_close(s);
    return status;
}

static int prepare(struct study *t, const struct stoker_sae_form *form)
{
    struct sae_command *c = t->s;
    struct error err = {0};
    struct stoker_error why;
    uint64_t bytes = 0;
    if (study_prompts_read(&t->prompts[0], c->c.positive, &err) ||
        study_prompts_read(&t->prompts[1], c->c.negative, &err))
        return steer_fail(&c->c, &err);
    if (stoker_sae_bytes(c->sae, form, &bytes, &why))
        return report(&why);
    c->c.options.steer_memory += bytes;
    size_t rows = t->prompts[0].n + t->prompts[1].n; /* recorded, then counted */
    c->c.options.server = steer_tokens_bytes(&c->c, &t->prompts[0]) + steer_tokens_bytes(&c->c, &t->prompts[1]) +
                          (uint64_t)rows * STOKER_CAPTURE_TOP * 8;
    return 0;
}

int sae_features(struct sae_command *s)
{
    struct study t = {.s = s};
    const struct stoker_sae_form form = {s->gate, s->layer}, *how = s->gate ? &form : NULL;
    int status = prepare(&t, how);
    part_signals();
    status = status ? status : run_model(&t, how);
    status = status ? status : count_features(&t);
    status = status ? status : print_all(&t);
    steer_sequences_free(&t.q);
    study_prompts_free(&t.prompts[0]);
    study_prompts_free(&t.prompts[1]);
    free(t.data);
    free(t.count);
    return part_interrupted ? 130 : status;
}
