/* stoker sae features: what is active at the last position, or at all positions, of prompts of two kinds. */
#include "cli/sae/sae.h"

#include "base/error.h"
#include "base/utf8.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "format/sae.h"
#include "stoker.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LABEL_SHOWN = 100 }; /* bytes */

/* Of a feature, for both kinds of prompts: on how many it is active, and the sum of what it is there. */
struct count {
    int feature, is_here; /* of the prompt at hand: it is active, and the sum over its positions */
    double here;
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
    size_t full;         /* rows with as many features as are recorded */
    int n_feature;
    struct sae_labels *labels; /* what people call features */
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

/* Prompts of a recording, from the first on; of all of them the tokens that came before. */
struct shown {
    struct progress p;
    size_t before, all;
};

static void show(void *arg, size_t done, size_t total)
{
    struct shown *w = arg;
    (void)total;
    progress_show(&w->p, done < w->before ? w->before : done, w->all);
}

static int is_of_all(const struct study *t) { return strcmp(t->s->c.positions, "mean") == 0; }

/* Rows [first, first + n) are of a prompt. Sums in the order of rows, divided once; then in the order of the prompts. */
static void count_prompt(struct study *t, int kind, size_t first, size_t n)
{
    const int32_t *id = (const int32_t *)(const void *)(t->data + t->tensor[0].offset);
    const float *value = (const float *)(const void *)(t->data + t->tensor[1].offset);
    size_t top = (size_t)t->tensor[0].shape[1];
    for (size_t i = first; i < first + n; i++) {
        for (size_t k = i * top; k < (i + 1) * top && id[k] >= 0; k++) {
            t->count[id[k]].here += (double)value[k];
            t->count[id[k]].is_here = 1;
        }
        t->full += id[(i + 1) * top - 1] >= 0;
    }
    for (size_t k = first * top; k < (first + n) * top; k++) {
        struct count *c = id[k] >= 0 ? &t->count[id[k]] : NULL;
        if (!c || !c->is_here)
            continue;
        c->fires[kind]++;
        c->sum[kind] += c->here / (double)n;
        c->here = 0;
        c->is_here = 0;
    }
}

/* Prompts [first, first + n), recorded at once and counted. */
static int look_at(struct study *t, struct stoker *s, const struct stoker_vector *sae, struct shown *w, size_t first,
                   size_t n)
{
    struct stoker_error err;
    const struct study_sequences some = {t->q.token, t->q.first + first, n};
    struct study_record r = {.s = s, .q = &some, .stopped = stopped, .progress = show, .arg = w};
    size_t n_tensor;
    r.capture = (struct stoker_capture){.sae = sae, .top = STOKER_CAPTURE_TOP, .no_tokens = 1};
    r.capture.from = is_of_all(t) ? (struct stoker_at){0, 0} : (struct stoker_at){-1, 1};
    if (study_record_layout(&r, t->tensor, 2, &n_tensor, &err))
        return report(&err);
    free(t->data);
    r.capture.n_memory = (size_t)(t->tensor[0].bytes + t->tensor[1].bytes);
    if (!(r.capture.memory = t->data = malloc(r.capture.n_memory)))
        return fail(t, "no memory for features of so many positions");
    w->before = t->q.first[first];
    int status = study_record_run(&r, &err);
    if (status)
        return status < 0 ? report(&err) : 130;
    for (size_t i = first, row = 0; i < first + n; i++) {
        size_t rows = is_of_all(t) ? t->q.first[i + 1] - t->q.first[i] : 1;
        count_prompt(t, i >= t->prompts[0].n, row, rows);
        row += rows;
    }
    return 0;
}

/* Last positions of all prompts together; of all positions only those of as many prompts as run at a time are in memory. */
static int record(struct study *t, struct stoker *s, const struct stoker_vector *sae)
{
    struct stoker_plan plan;
    struct shown w = {.all = t->q.first[t->q.n]};
    int status = 0;
    stoker_plan_of(s, &plan);
    if (!(t->count = calloc((size_t)t->n_feature, sizeof *t->count)))
        return fail(t, "no memory for its features");
    for (int j = 0; j < t->n_feature; j++)
        t->count[j].feature = j;
    progress_begin(&w.p, "recording", PROGRESS_TOKENS, 0);
    for (size_t i = 0, n; i < t->q.n && !status; i += n) {
        n = is_of_all(t) ? (size_t)plan.n_parallel : t->q.n;
        n = n < t->q.n - i ? n : t->q.n - i;
        status = look_at(t, s, sae, &w, i, n);
    }
    progress_end(&w.p);
    return status;
}

static void make_means(struct study *t)
{
    for (int j = 0; j < t->n_feature; j++)
        for (int kind = 0; kind < 2; kind++)
            t->count[j].mean[kind] = t->count[j].sum[kind] / (double)t->prompts[kind].n;
    if (t->full)
        fprintf(stderr, "stoker %s: %zu %s have %d active features or more; only the largest are counted\n",
                t->s->c.name, t->full, is_of_all(t) ? "positions" : "prompts", STOKER_CAPTURE_TOP);
}

static double difference(const struct count *c) { return c->mean[0] - c->mean[1]; }

static int by_difference(const void *a, const void *b)
{
    const struct count *x = a, *y = b;
    double dx = fabs(difference(x)), dy = fabs(difference(y));
    return dx != dy ? (dx < dy) - (dx > dy) : (x->feature > y->feature) - (x->feature < y->feature);
}

/* ---- labels -------------------------------------------------------------------------------------------------------------------- */

static int read_labels(struct study *t, int n_feature)
{
    struct error err = {0};
    const struct sae_command *c = t->s;
    int folder = open(c->sae, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) /* it has been looked at */
        return fail(t, "the autoencoder has gone");
    int failed = sae_labels_open(&t->labels, folder, 1, n_feature, c->sae, &err);
    close(folder);
    t->s->c.options.server += sae_labels_bytes(t->labels);
    return failed ? steer_fail(&c->c, &err) : 0;
}

static void print_label(const char *label, int as_json)
{
    char plain[LABEL_SHOWN + 1];
    snprintf(plain, sizeof plain, "%s", label);
    plain[utf8_valid(plain, strlen(plain))] = 0; /* not in the middle of a character */
    utf8_make_plain(plain);
    json_t *v = as_json ? json_string(label) : NULL;
    char *quoted = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    printf(quoted ? ",\"label\":%s" : "  %s", quoted ? quoted : plain);
    free(quoted);
    json_decref(v);
}

/* ---- what is told -------------------------------------------------------------------------------------------------------------- */

static void print(const struct study *t, const struct count *c)
{
    const char *label = sae_label(t->labels, c->feature);
    size_t n[2] = {t->prompts[0].n, t->prompts[1].n};
    if (t->s->c.json)
        printf("{\"feature\":%d,\"positive\":%zu,\"negative\":%zu,\"share_positive\":%.9g,\"share_negative\":%.9g,"
               "\"mean_positive\":%.9g,\"mean_negative\":%.9g,\"difference\":%.9g",
               c->feature, c->fires[0], c->fires[1], (double)c->fires[0] / (double)n[0],
               (double)c->fires[1] / (double)n[1], c->mean[0], c->mean[1], difference(c));
    else
        printf("%7d  %10.5g  %8.3f  %8.3f  %10.5g  %10.5g", c->feature, difference(c),
               (double)c->fires[0] / (double)n[0], (double)c->fires[1] / (double)n[1], c->mean[0], c->mean[1]);
    if (label)
        print_label(label, t->s->c.json);
    printf(t->s->c.json ? "}\n" : "\n");
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

static int prepare(struct study *t)
{
    struct sae_command *c = t->s;
    struct error err = {0};
    struct sae_form form;
    struct sae about;
    if (study_prompts_read(&t->prompts[0], c->c.positive, &err) ||
        study_prompts_read(&t->prompts[1], c->c.negative, &err))
        return steer_fail(&c->c, &err);
    if ((c->gate && sae_form_of(&form, c->gate, c->layer, &err)) ||
        sae_look(AT_FDCWD, c->sae, c->gate ? &form : NULL, &about, &err))
        return steer_fail(&c->c, &err);
    c->c.options.steer_memory += about.bytes;
    size_t rows = t->prompts[0].n + t->prompts[1].n, longest[2]; /* recorded, then counted */
    for (int kind = 0; kind < 2; kind++)
        longest[kind] = steer_most_tokens(&c->c, &t->prompts[kind]);
    if (is_of_all(t))
        rows = (longest[0] > longest[1] ? longest[0] : longest[1]) *
               (size_t)(c->c.options.n_parallel ? c->c.options.n_parallel : 1);
    c->c.options.server = steer_tokens_bytes(&c->c, &t->prompts[0]) + steer_tokens_bytes(&c->c, &t->prompts[1]) +
                          (uint64_t)rows * STOKER_CAPTURE_TOP * 8 +
                          (uint64_t)about.n_feature * sizeof(struct count); /* sorted once the model is closed */
    return read_labels(t, about.n_feature);
}

int sae_features(struct sae_command *s)
{
    struct study t = {.s = s};
    const struct stoker_sae_form form = {s->gate, s->layer}, *how = s->gate ? &form : NULL;
    int status = prepare(&t);
    part_signals();
    status = status ? status : run_model(&t, how);
    if (!status)
        make_means(&t);
    status = status ? status : print_all(&t);
    steer_sequences_free(&t.q);
    study_prompts_free(&t.prompts[0]);
    study_prompts_free(&t.prompts[1]);
    sae_labels_close(t.labels);
    free(t.data);
    free(t.count);
    return part_interrupted ? 130 : status;
}
