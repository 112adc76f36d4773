/* Control vectors, autoencoders and routes of the command line: see steer_flags.h. */
#include "cli/common/steer_flags.h"

#include "cli/common/cli.h"
#include "cli/common/steer_json.h"

#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flag_table steer_flags_sae(struct steer_flags *f)
{
    static struct flag flag[10];
    f->layer = -1;
    const struct flag t[] = {
        {"--control-vector", NULL, FLAG_TEXTS, &f->add, 0, 0, "FILE[,FILE]",
         "steer by a control vector (GGUF); its file may say that it is projected out; may be repeated",
         .heading = "Steering"},
        {"--control-vector-scaled", NULL, FLAG_TEXTS, &f->scaled, 0, 0, "FILE:S[,FILE:S]",
         "the same, times S, as in v.gguf:24: stoker steer make says a scale to begin with"},
        {"--project", NULL, FLAG_TEXTS, &f->project, 0, 0, "FILE[:A]",
         "take the directions of a projection vector out, by the share A (default: the file's)"},
        {"--control-vector-layer-range", NULL, FLAG_RANGE, f->layers, 1, 4095, "A B",
         "steer at layers A to B only (default: all of the file)"},
        {"--steer", NULL, FLAG_TEXT, &f->steer, 0, 0, "JSON|@FILE",
         "a list of these vectors, of features of --sae, of experts, with positions, sides and layers, as the server's "
         "field steer"},
        {"--routes", NULL, FLAG_TEXT, &f->routes, 0, 0, "FILE",
         "experts as a trace (--route-trace) has them, position by position, instead of the model's choice"},
        {"--steer-memory", NULL, FLAG_BYTES, &f->memory, 0, 0, "BYTES", "for vectors beside those of the command line"},
        {"--sae", NULL, FLAG_TEXTS, &f->sae, 0, 0, "DIR",
         "a sparse autoencoder, a folder of SAELens or sparsify, whose features --steer names; may be repeated"},
        {"--sae-arch", NULL, FLAG_TEXT, &f->gate, 0, 0, "FORM",
         "of folders without cfg.json: standard, jumprelu, topk:32"},
        {"--sae-layer", NULL, FLAG_INT, &f->layer, 0, 4095, "N", "and the layer whose end they are of"},
    };
    memcpy(flag, t, sizeof t);
    return (struct flag_table){flag, sizeof t / sizeof *t};
}

struct flag_table steer_flags(struct steer_flags *f)
{
    struct flag_table t = steer_flags_sae(f);
    return (struct flag_table){t.flag, t.n - 3};
}

/* ---- the flags --------------------------------------------------------------------------------------------------------------- */

/* Of "FILE:S" the place of the colon, and *scale; NULL: no number is behind the last one. */
static char *find_scale(char *path, double *scale)
{
    char *end, *colon = strrchr(path, ':');
    if (!colon || !colon[1])
        return NULL;
    *scale = strtod(colon + 1, &end);
    return *end ? NULL : colon;
}

/* A scale behind a file that is there without it: the flag for that is another. */
static int is_misplaced_scale(const char *command, const char *flag, char *path)
{
    double scale;
    char *colon = find_scale(path, &scale);
    if (!colon || access(path, F_OK) == 0)
        return 0;
    *colon = 0;
    int is_there = access(path, F_OK) == 0;
    if (is_there)
        fprintf(stderr, "stoker %s: %s %s:%s: no such file; a scale is given by --control-vector-scaled %s:%g\n",
                command, flag, path, colon + 1, path, scale);
    *colon = ':';
    return is_there;
}

/* n bytes "FILE" or "FILE:S". A colon that no number follows is part of the name. */
static int add_file(const char *command, const char *flag, struct steer_flags *f, const char *text, size_t n,
                    int projects, int scaled)
{
    char *path = f->n < STOKER_STEER_MOST ? strndup(text, n) : NULL;
    if (!path) {
        fprintf(stderr, "stoker %s: %s: at most %d vectors are possible\n", command, flag, STOKER_STEER_MOST);
        return 2;
    }
    double scale = 0;
    char *colon = scaled ? find_scale(path, &scale) : NULL;
    int has_scale = colon != NULL;
    if (!scaled && is_misplaced_scale(command, flag, path)) {
        free(path);
        return 2;
    }
    f->file[f->n].path = path;
    f->file[f->n].projects = projects;
    f->file[f->n].scale = scale;
    f->file[f->n++].has_scale = has_scale;
    if (has_scale)
        *colon = 0;
    if ((scaled && !projects && !has_scale) || *path == 0 || (has_scale && !(fabs(scale) <= STOKER_SCALE_MOST))) {
        fprintf(stderr, "stoker %s: %s %.*s: %s is expected, a number from -%d to %d behind the colon\n", command, flag,
                (int)n, text,
                projects ? "FILE or FILE:A"
                : scaled ? "FILE:S"
                         : "FILE",
                STOKER_SCALE_MOST, STOKER_SCALE_MOST);
        return 2;
    }
    return 0;
}

static int add_files(const char *command, const char *flag, struct steer_flags *f, const struct text_list *list,
                     int projects, int scaled)
{
    for (int i = 0; i < list->n; i++)
        for (const char *at = list->text[i], *end; at; at = *end ? end + 1 : NULL) {
            end = at + strcspn(at, ",");
            int status = add_file(command, flag, f, at, (size_t)(end - at), projects, scaled);
            if (status)
                return status;
        }
    return 0;
}

/* A file that is something else is told so here: the engine takes it for a vector. */
static int add_routes(const char *command, struct steer_flags *f)
{
    static const char magic[] = "STRT1\n";
    char begin[sizeof magic - 1] = "";
    if (!f->routes)
        return 0;
    int fd = open(f->routes, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, begin, sizeof begin);
    if (fd >= 0)
        close(fd);
    if (n >= 0 && (n != (ssize_t)sizeof begin || memcmp(begin, magic, sizeof begin) != 0)) {
        fprintf(stderr, "stoker %s: --routes %s: not a trace of routes, which begins with STRT1 (--route-trace)\n",
                command, f->routes);
        return 1;
    }
    char *path = f->n < STOKER_STEER_MOST && *f->routes ? strdup(f->routes) : NULL;
    if (!path) {
        fprintf(stderr, "stoker %s: --routes: a file is expected, and at most %d vectors are possible\n", command,
                STOKER_STEER_MOST);
        return 2;
    }
    f->file[f->n].path = path;
    f->file[f->n++].is_routes = 1;
    return 0;
}

static int add_folders(const char *command, struct steer_flags *f)
{
    if (!f->gate != (f->layer < 0) || (f->gate && f->sae.n == 0)) {
        fprintf(stderr,
                "stoker %s: --sae-arch and --sae-layer belong together, and to a folder of --sae without cfg.json\n",
                command);
        return 2;
    }
    for (int i = 0; i < f->sae.n; i++) {
        char *path = f->n < STOKER_STEER_MOST && *f->sae.text[i] ? strdup(f->sae.text[i]) : NULL;
        if (!path) {
            fprintf(stderr, "stoker %s: --sae: a folder is expected, and at most %d vectors are possible\n", command,
                    STOKER_STEER_MOST);
            return 2;
        }
        f->file[f->n].path = path;
        f->file[f->n++].is_sae = 1;
    }
    if (f->sae.n == 0 || f->steer || f->keeps_sae)
        return 0;
    fprintf(stderr,
            "stoker %s: --sae: which feature, and what is done to it? as in --steer "
            "'[{\"sae\":0,\"op\":\"add\",\"feature\":34,\"value\":4}]'\n",
            command);
    return 2;
}

/* What the folders are where they do not tell; NULL: they do. */
static const struct stoker_sae_form *form_of(const struct steer_flags *f, struct stoker_sae_form *form)
{
    *form = (struct stoker_sae_form){f->gate, f->layer};
    return f->gate ? form : NULL;
}

/* Every vector, as its flag says. */
static void list_all(struct steer_flags *f)
{
    f->n_list = f->n - (size_t)f->sae.n; /* folders stand behind files */
    for (size_t i = 0; i < f->n_list; i++) {
        f->of[i] = (int)i;
        f->list[i] = (struct stoker_steer){.kind = STOKER_STEER_ROUTES};
        if (!f->file[i].is_routes)
            f->list[i] = (struct stoker_steer){.amount = (float)f->file[i].scale,
                                               .has_amount = f->file[i].has_scale,
                                               .layer_first = f->layers[0],
                                               .layer_last = f->layers[1],
                                               .has_layers = f->layers[1] > 0};
    }
}

int steer_flags_plan(const char *command, struct steer_flags *f, const char *model, struct stoker_options *o)
{
    static struct stoker_about about;
    struct stoker_error err;
    int status = add_files(command, "--control-vector", f, &f->add, 0, 0);
    if (!status)
        status = add_files(command, "--control-vector-scaled", f, &f->scaled, 0, 1);
    if (!status)
        status = add_files(command, "--project", f, &f->project, 1, 1);
    int n_vector = (int)f->n;
    if (!status)
        status = add_routes(command, f);
    if (!status)
        status = add_folders(command, f);
    if (!status && f->layers[1] && (n_vector == 0 || f->steer)) {
        fprintf(stderr, "stoker %s: --control-vector-layer-range: %s\n", command,
                n_vector ? "the list of --steer names its layers" : "no vector is given");
        status = 2;
    }
    if (!status && f->steer)
        status = steer_json_read(command, f);
    else if (!status)
        list_all(f);
    o->steer_memory = f->memory;
    for (size_t i = 0; !status && i < f->n; i++) {
        uint64_t bytes = 0;
        struct stoker_sae_form form;
        const char *path = f->file[i].path;
        if (f->file[i].is_sae ? stoker_sae_bytes(path, form_of(f, &form), &bytes, &err)
                              : stoker_vector_bytes(path, &bytes, &err))
            status = report(&err);
        o->steer_memory += bytes;
    }
    /* before the engine is there: a header takes memory that no plan holds; a path without a header is told when it is opened */
    if (!status && f->n && model && stoker_about(&about, model, NULL) == 0) {
        memcpy(f->arch, about.arch, sizeof f->arch);
        memcpy(f->name, about.name, sizeof f->name);
        const char *slash = strrchr(model, '/'), *file = slash ? slash + 1 : model, *end = strstr(file, ".gguf");
        snprintf(f->stem, sizeof f->stem, "%.*s", (int)(end ? end - file : (ptrdiff_t)strlen(file)), file);
    }
    return status;
}

/* ---- the files --------------------------------------------------------------------------------------------------------------- */

static int same_text(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* At scale 1 nothing is seen of a vector of norm 1. What a file suggests is meant for all its layers, and would be too little for some. */
static void suggest_scale(const char *command, const struct steer_flags *f, size_t i,
                          const struct stoker_vector_about *a)
{
    int all = f->layers[1] == 0 || (f->layers[0] <= a->layer_first && f->layers[1] >= a->layer_last);
    if (!f->steer && !f->file[i].has_scale && a->scale_suggested > 0 && all)
        fprintf(stderr,
                "stoker %s: %s: added at scale 1; for all its layers the file suggests --control-vector-scaled %s:%g\n",
                command, a->file, f->file[i].path, a->scale_suggested);
}

static void warn(const char *command, const struct steer_flags *f, const struct stoker_vector_about *a)
{
    if (*a->model_hint && *f->arch && !same_text(a->model_hint, f->arch))
        fprintf(stderr, "stoker %s: %s: made for the architecture %s, loaded on %s\n", command, a->file, a->model_hint,
                f->arch);
    if (*a->base_model && *f->name && !same_text(a->base_model, f->name) && !same_text(a->base_model, f->stem))
        fprintf(stderr, "stoker %s: %s: made for %s, loaded on %s\n", command, a->file, a->base_model, f->name);
    if (a->hook_differs)
        fprintf(stderr, "stoker %s: %s: its directions were measured at another place than %s, where they act\n",
                command, a->file, a->hook);
}

/* What is steered by, in a line. */
static void show(const struct stoker_vector_about *a)
{
    if (a->kind == STOKER_VECTOR_SAE) {
        fprintf(stderr, "autoencoder %s: %s, layer %d, %d features%s%s, sha256 %.16s\n", a->file, a->method,
                a->layer_first, a->n_feature, *a->base_model ? ", made for " : "", a->base_model, a->sha256);
        return;
    }
    if (a->kind == STOKER_VECTOR_ROUTES) {
        fprintf(stderr, "routes %s: %d positions, layers %d-%d, sha256 %.16s\n", a->file, a->n_step, a->layer_first,
                a->layer_last, a->sha256);
        return;
    }
    fprintf(stderr, "vector %s: %s, layers %d-%d, %s%s%s%s, sha256 %.16s\n", *a->name ? a->name : a->file,
            a->kind == STOKER_VECTOR_PROJECT ? "project" : "add", a->layer_first, a->layer_last,
            *a->license ? "licence " : "no licence stated", a->license, *a->base_model ? ", made for " : "",
            a->base_model, a->sha256);
}

static int open_file(struct steer_flags *f, size_t i, struct stoker *s, struct stoker_vector_about *about,
                     struct stoker_error *err)
{
    struct stoker_sae_form form;
    const char *path = f->file[i].path;
    if (f->file[i].is_sae ? stoker_sae_open(&f->vector[i], s, AT_FDCWD, path, form_of(f, &form), err)
                          : stoker_vector_open(&f->vector[i], s, AT_FDCWD, path, err))
        return -1;
    stoker_vector_about(f->vector[i], about);
    if (f->file[i].projects && about->kind != STOKER_VECTOR_PROJECT) {
        *err = (struct stoker_error){.code = STOKER_ERR_FORMAT};
        snprintf(err->text, sizeof err->text,
                 "--project %.300s: the file is a vector that is added; its glp.mode is not project", f->file[i].path);
        return -1;
    }
    return 0;
}

static int open_experts(struct steer_flags *f, size_t i, struct stoker *s, struct stoker_error *err)
{
    char text[sizeof err->text];
    if (stoker_experts_open(&f->experts[i].vector, s, f->experts[i].list, f->experts[i].n, err) == 0)
        return 0;
    memcpy(text, err->text, sizeof text);
    snprintf(err->text, sizeof err->text, "--steer: entry %zu: %.300s", i, text);
    return -1;
}

/* What the engine refuses of the list, by the file that a flag names, or by the entry of --steer. */
static void name_entry(const struct steer_flags *f, struct stoker_error *err)
{
    char text[sizeof err->text];
    size_t i;
    if (sscanf(err->field, "steer[%zu]", &i) != 1 || i >= f->n_list)
        return;
    memcpy(text, err->text, sizeof text);
    const char *path = f->steer ? "" : f->file[f->of[i]].path, *slash = strrchr(path, '/'),
               *file = slash ? slash + 1 : path;
    if (f->steer)
        snprintf(err->text, sizeof err->text, "--steer: entry %zu: %.300s", i, text);
    else if (strncmp(text, file, strlen(file)) != 0) /* else it is named already */
        snprintf(err->text, sizeof err->text, "%.150s: %.300s", path, text);
    err->field[0] = 0; /* it is told */
}

int steer_flags_open(const char *command, struct steer_flags *f, struct stoker *s, struct stoker_error *err)
{
    static struct stoker_plan plan;
    struct stoker_vector_about about[STOKER_STEER_MOST];
    char digest[65];
    int failed = 0;
    for (size_t i = 0; i < f->n && !failed; i++)
        failed = open_file(f, i, s, &about[i], err);
    for (size_t i = 0; i < f->n_list; i++) {
        if (f->of[i] < 0 && !failed)
            failed = open_experts(f, i, s, err);
        f->list[i].vector = f->of[i] < 0 ? f->experts[i].vector : f->vector[f->of[i]];
    }
    stoker_plan_of(s, &plan);
    if (!failed) /* what the engine would refuse of every request */
        failed = stoker_steer_digest(s, f->list, f->n_list, (size_t)plan.n_ctx - 1, digest, err);
    if (failed) {
        name_entry(f, err);
        steer_flags_close(f);
        return -1;
    }
    for (size_t i = 0; i < f->n && !f->shown; i++) {
        show(&about[i]);
        warn(command, f, &about[i]);
        suggest_scale(command, f, i, &about[i]);
    }
    f->shown = 1;
    return 0;
}

void steer_flags_close(struct steer_flags *f)
{
    for (size_t i = 0; i < f->n; i++) {
        stoker_vector_close(f->vector[i]);
        f->vector[i] = NULL;
    }
    for (size_t i = 0; i < f->n_list; i++) {
        stoker_vector_close(f->experts[i].vector);
        f->experts[i].vector = NULL;
    }
}

void steer_flags_free(struct steer_flags *f)
{
    steer_flags_close(f);
    for (size_t i = 0; i < f->n; i++)
        free(f->file[i].path);
    for (size_t i = 0; i < f->n_list; i++)
        free(f->experts[i].list);
    f->n = f->n_list = 0;
}
