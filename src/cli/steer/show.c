/* stoker steer show: where control vectors come from, how long their directions are and how near to each other's, and which tokens a
 * direction speaks for. */
#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/piece.h"
#include "cli/common/progress.h"
#include "cli/common/vector_about.h"
#include "cli/steer/steer.h"
#include "study/lens.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct show {
    struct steer_command *c;
    const char *model, *const *file; /* file: of each vector */
    struct vector *vector[STEER_FILES + 1];
    int n_vector, n_layer, range[2];
    struct stoker_about about;
    struct stoker_vocab *vocab;
    size_t n; /* directions that are looked at, of all files */
    const float **v;
    struct study_lens_token *raised, *lowered; /* [n][top] */
};

/* 1: what stands first is the model, for it is no vector; 0: it is one, so the model is the embedded one; -1: it is a vector with a fault,
 * *fault. What cannot be read is taken for a vector where it is all that there is. */
static int begins_with_model(const struct steer_command *c, struct stoker_about *about, struct error *fault)
{
    uint64_t bytes;
    if (c->n_file == 0 || vector_bytes(AT_FDCWD, c->file[0], &bytes, fault) == 0)
        return 0;
    if (stoker_about(about, c->file[0], NULL))
        return c->n_file > 1 ? 1 : -1;
    return *about->arch && strcmp(about->arch, "controlvector") != 0 && strcmp(about->arch, "glp") != 0 ? 1 : -1;
}

static int open_all(struct show *w)
{
    struct error err = {0}, fault = {0};
    struct stoker_error why;
    struct steer_command *c = w->c;
    int n_model = begins_with_model(c, &w->about, &fault);
    if (n_model < 0)
        return steer_fail(c, &fault);
    if (c->n_file <= n_model) {
        fprintf(stderr,
                "stoker %s: a model, then control vectors: stoker steer show MODEL.gguf A.gguf B.gguf; of the "
                "embedded model the vectors alone\n",
                c->name);
        return 2;
    }
    if (steer_layers(c, w->range))
        return 2;
    w->file = c->file + n_model;
    w->model = model_of(n_model ? c->file[0] : NULL);
    if (!w->model)
        return 2;
    if (stoker_about(&w->about, w->model, &why) || (w->n_layer = stoker_header_layers(NULL, 0, w->model, &why)) < 0 ||
        stoker_vocab_open(&w->vocab, w->model, NULL, &why))
        return report(&why);
    for (int i = 0; i < c->n_file - n_model; i++) {
        struct vector *v;
        if (vector_open(&v, AT_FDCWD, w->file[i], UINT64_MAX, &err))
            return steer_fail(c, &err);
        w->vector[w->n_vector++] = v;
        if (vector_check_model(v, w->n_layer, (int)w->about.n_embd, NULL, &err))
            return steer_fail(c, &err);
    }
    return 0;
}

static int is_wanted(const struct show *w, const struct vector *v, int layer)
{
    const int *range = w->range;
    return layer >= v->first && layer <= v->last && v->direction[layer].v &&
           (range[0] < 0 || (layer >= range[0] && layer <= range[1]));
}

/* ---- between files ------------------------------------------------------------------------------------------------------------ */

static double cosine(const struct vector *a, const struct vector *b, int layer)
{
    const float *x = a->direction[layer].v, *y = b->direction[layer].v;
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < a->n_embd; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void print_cosines(const struct show *w)
{
    for (int i = 0; i < w->n_vector; i++)
        for (int j = i + 1; j < w->n_vector; j++) {
            printf("cosines of %s and %s\n ", w->file[i], w->file[j]);
            for (int l = 0; l < w->n_layer; l++)
                if (is_wanted(w, w->vector[i], l) && is_wanted(w, w->vector[j], l))
                    printf(" %d: %.4f", l, cosine(w->vector[i], w->vector[j], l));
            putchar('\n');
        }
}

/* ---- tokens -------------------------------------------------------------------------------------------------------------------- */

static int stopped(void *arg)
{
    (void)arg;
    return part_interrupted;
}

static void show_progress(void *arg, size_t done, size_t total) { progress_show(arg, done, total); }

static int look(struct show *w)
{
    struct study_lens *lens;
    struct progress p;
    struct error err = {0};
    size_t top = (size_t)w->c->top, n = 0;
    for (int i = 0; i < w->n_vector; i++)
        w->n += (size_t)w->vector[i]->n_held;
    w->v = calloc(w->n, sizeof *w->v);
    w->raised = calloc(w->n * top, sizeof *w->raised);
    w->lowered = calloc(w->n * top, sizeof *w->lowered);
    if (!w->v || !w->raised || !w->lowered) {
        fprintf(stderr, "stoker %s: no memory for %zu directions\n", w->c->name, w->n);
        return 1;
    }
    for (int i = 0; i < w->n_vector; i++)
        for (int l = 0; l < w->n_layer; l++)
            if (is_wanted(w, w->vector[i], l))
                w->v[n++] = w->vector[i]->direction[l].v;
    w->n = n;
    if (study_lens_open(&lens, w->model, (int)w->about.n_embd, &err))
        return steer_fail(w->c, &err);
    progress_begin(&p, "reading the output matrix", PROGRESS_TOKENS, 0);
    const struct study_lens_wants wants = {w->v, w->n, w->c->top, stopped, show_progress, &p};
    int failed = study_lens_look(lens, &wants, w->raised, w->lowered, &err);
    progress_end(&p);
    study_lens_close(lens);
    return failed && part_interrupted ? 130 : failed ? steer_fail(w->c, &err) : 0;
}

static void print_tokens(const struct show *w, const char *what, const struct study_lens_token *t)
{
    printf("%s", what);
    for (int i = 0; i < w->c->top && t[i].id >= 0; i++) {
        size_t n;
        const char *piece = stoker_vocab_piece(w->vocab, t[i].id, &n);
        putchar(' ');
        print_piece(piece, n);
    }
    putchar('\n');
}

static void print_vectors(const struct show *w)
{
    size_t n = 0, top = (size_t)w->c->top;
    for (int i = 0; i < w->n_vector; i++) {
        const char *made_for = w->vector[i]->texts.base_model;
        printf("%s\n", w->file[i]);
        vector_print(w->vector[i]);
        if (*made_for && *w->about.name && strcmp(made_for, w->about.name) != 0)
            printf("  made for %s, shown on %s\n", made_for, w->about.name);
        for (int l = 0; l < w->n_layer; l++)
            if (is_wanted(w, w->vector[i], l)) {
                printf("  layer %d", l);
                print_tokens(w, " raises", w->raised + n * top);
                printf("  layer %d", l);
                print_tokens(w, " lowers", w->lowered + n++ * top);
            }
    }
}

int steer_show(struct steer_command *c)
{
    struct show w = {.c = c};
    part_signals();
    int status = open_all(&w);
    status = status ? status : look(&w);
    if (!status) {
        print_vectors(&w);
        print_cosines(&w);
    }
    for (int i = 0; i < w.n_vector; i++)
        vector_close(w.vector[i]);
    stoker_vocab_close(w.vocab);
    free(w.v);
    free(w.raised);
    free(w.lowered);
    return status;
}
