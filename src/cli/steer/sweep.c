/* stoker steer sweep: what a control vector does at several scales and layers: how many answers match a pattern, how far answers change,
 * and how far the model drifts where it should not. A line a setting. */
#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/steer/match.h"
#include "cli/steer/steer.h"
#include "study/answers.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS = 64 };

struct sweep {
    struct steer_command *c;
    double scale[SETTINGS];
    int layers[SETTINGS][2]; /* -1, -1: all of the file */
    double unit[SETTINGS];   /* of each of layers: scales are times this */
    int n_scale, n_layers;
    struct match *match;
    struct study_prompts prompts, neutral;
    struct study_sequences asked, talk;
    struct study_answers plain, steered; /* to the prompts */
    struct study_answers free_talk;      /* to neutral ones, drawn without steering */
    struct study_answers drift;          /* the same tokens, with their log-probabilities under it */
    struct stoker *s;
    struct stoker_vector *vector;
    struct progress progress;
    size_t done, all; /* answers */
    size_t changed;   /* tokens, under all settings */
};

/* One line: what a setting does. */
struct row {
    const int *layers; /* NULL: unsteered */
    double scale;
    size_t matches, changed, tokens, drift_tokens;
    double drift;
};

static int wrong(const struct sweep *w, const char *flag, const char *value, const char *fix)
{
    fprintf(stderr, "stoker %s: %s%s%.60s: %s\n", w->c->name, flag, *value ? " " : "", value, fix);
    return 2;
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------------- */

static int read_scales(struct sweep *w)
{
    const char *p = w->c->scales ? w->c->scales : "";
    for (char *end; *p; p = end + (*end == ',')) {
        double scale = strtod(p, &end);
        if (end == p || (*end && (*end != ',' || !end[1])) || !(fabs(scale) <= STOKER_SCALE_MOST) ||
            w->n_scale == SETTINGS)
            return wrong(w, "--scales", w->c->scales, "up to 64 numbers from -1000 to 1000, as in -2,-1,0,1,2");
        w->scale[w->n_scale++] = scale;
    }
    return w->n_scale || !w->c->scales ? 0 : wrong(w, "--scales", "", "which? as in -2,-1,0,1,2");
}

/* The norms of the vector's directions at these layers, added up. */
static double norms_of(const struct sweep *w, int first, int last)
{
    double sum = 0;
    for (int l = first; l <= last; l++)
        sum += stoker_vector_norm(w->vector, l);
    return sum;
}

/* What a file suggests is meant for all its layers; a part of them adds as much at a larger scale. 0: it suggests none. */
static double suggested_for(const struct sweep *w, const int *range)
{
    struct stoker_vector_about about;
    stoker_vector_about(w->vector, &about);
    double whole = norms_of(w, about.layer_first, about.layer_last),
           part = range[0] < 0 ? whole : norms_of(w, range[0], range[1]);
    if (!(part < whole))
        return about.scale_suggested;
    return fmin(steer_scale(about.scale_suggested * whole / part), STOKER_SCALE_MOST);
}

/* Without --scales: from half of what the file suggests on answers change, and half as much again may leave nothing sensible of them. */
static void choose_scales(struct sweep *w)
{
    static const double near[] = {-1, -0.5, 0.5, 1, 1.25}, plain[] = {-2, -1, 0, 1, 2};
    enum { N = sizeof near / sizeof *near };
    struct stoker_vector_about about;
    stoker_vector_about(w->vector, &about);
    int is_near = !w->c->scales && about.scale_suggested > 0;
    for (int k = 0; k < N && !w->c->scales; k++)
        w->scale[w->n_scale++] = is_near ? near[k] : plain[k];
    for (int i = 0; i < w->n_layers; i++) {
        const int *range = w->layers[i];
        w->unit[i] = is_near ? suggested_for(w, range) : 1;
        if (is_near && w->unit[i] != about.scale_suggested)
            fprintf(stderr,
                    "stoker %s: layers %d-%d: the file suggests %g, for all its layers together; fewer need more, and "
                    "these are tried near %g\n",
                    w->c->name, range[0], range[1], about.scale_suggested, w->unit[i]);
    }
}

static double scale_of(const struct sweep *w, int layers, int scale)
{
    return fmin(w->scale[scale] * w->unit[layers], STOKER_SCALE_MOST);
}

static int read_layers(struct sweep *w)
{
    const char *p = w->c->layers;
    w->layers[0][0] = w->layers[0][1] = -1;
    while (p && *p) {
        const char *end = w->n_layers < SETTINGS ? steer_range(p, w->layers[w->n_layers]) : NULL;
        if (!end || (*end && (*end != ',' || !end[1])))
            return wrong(w, "--layers", w->c->layers,
                         "up to 64 layers and ranges that are tried one by one, as in 3,1-5");
        w->n_layers++;
        p = end + (*end == ',');
    }
    w->n_layers += w->n_layers == 0;
    return 0;
}

static int prepare(struct sweep *w)
{
    struct steer_command *c = w->c;
    struct error err = {0};
    struct stoker_error why;
    uint64_t bytes;
    if (!c->vector || !c->prompts)
        return wrong(w, c->vector ? "--prompts" : "--vector", "",
                     c->vector ? "which prompts are answered? a file, one a line" : "which control vector? a file");
    int status = c->think && !c->chat ? wrong(w, "--think", "", "is of --chat") : read_scales(w);
    status = status ? status : read_layers(w);
    status = status ? status : match_open(&w->match, c);
    if (status)
        return status;
    if (study_prompts_read(&w->prompts, c->prompts, &err) ||
        (c->neutral && study_prompts_read(&w->neutral, c->neutral, &err)))
        return steer_fail(c, &err);
    if (stoker_vector_bytes(c->vector, &bytes, &why))
        return report(&why);
    c->options.steer_memory = bytes;
    c->options.server = steer_tokens_bytes(c, &w->prompts) + 2 * study_answers_bytes(w->prompts.n, c->answer);
    if (c->neutral)
        c->options.server += steer_tokens_bytes(c, &w->neutral) + 2 * study_answers_bytes(w->neutral.n, c->answer);
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------------- */

static int stopped(void *arg)
{
    (void)arg;
    return part_interrupted;
}

static void one_more(void *arg)
{
    struct sweep *w = arg;
    progress_show(&w->progress, ++w->done, w->all);
}

static int ask(struct sweep *w, const struct study_sequences *q, const struct stoker_sampling *sampling,
               const struct stoker_steer *steer, const struct study_answers *script, struct study_answers *out)
{
    struct stoker_error err;
    const struct study_ask k = {.s = w->s,
                                .q = q,
                                .sampling = *sampling,
                                .steer = steer,
                                .n_steer = steer != NULL,
                                .script = script,
                                .stopped = stopped,
                                .progress = one_more,
                                .arg = w};
    int status = study_ask(&k, out, &err);
    return status < 0 ? report(&err) : status ? 130 : 0;
}

/* As it is: what the model draws by its own probabilities. */
static struct stoker_sampling unaltered(int seed)
{
    struct stoker_sampling s = stoker_sampling_defaults();
    s.temperature = s.top_p = s.typical_p = s.repeat_penalty = 1;
    s.top_k = 0;
    s.min_p = s.xtc_probability = s.dynatemp_range = s.dry_multiplier = 0;
    s.top_n_sigma = -1;
    s.presence_penalty = s.frequency_penalty = 0;
    s.mirostat = 0;
    s.seed = (uint64_t)seed;
    s.has_seed = 1;
    return s;
}

/* The bytes of an answer's text; free(*out). -1: no memory. */
static int text_of(const struct sweep *w, const struct study_answers *a, size_t i, char **out, size_t *n)
{
    const char *piece;
    FILE *f = open_memstream(out, n);
    struct stoker_text *t = f ? stoker_text_open(w->s) : NULL;
    for (int k = 0; t && k < a->n[i]; k++) {
        size_t length = stoker_text_next(t, a->token[i * (size_t)a->most + (size_t)k], &piece);
        fwrite(piece, 1, length, f);
    }
    if (t) {
        size_t length = stoker_text_end(t, &piece);
        fwrite(piece, 1, length, f);
    }
    stoker_text_close(t);
    return !f || fclose(f) || !t ? -1 : 0;
}

static int count_matches(struct sweep *w, const struct study_answers *a, size_t *matches)
{
    for (size_t i = 0; w->match && i < a->n_prompt; i++) {
        char *text = NULL;
        size_t n = 0;
        int found = text_of(w, a, i, &text, &n) ? -1 : match_find(w->match, text, n);
        free(text);
        if (found < 0) {
            fprintf(stderr, "stoker %s: --match: matching the answer to %s, line %zu, takes too much\n", w->c->name,
                    w->c->prompts, w->prompts.line[i]);
            return 1;
        }
        *matches += found > 0;
    }
    return 0;
}

/* Tokens that are others, or are not there, at their place in the answer. */
static void count_changes(const struct study_answers *a, const struct study_answers *b, struct row *r)
{
    for (size_t i = 0; i < a->n_prompt; i++) {
        int n = a->n[i] > b->n[i] ? a->n[i] : b->n[i];
        r->tokens += (size_t)n;
        for (int k = 0; k < n; k++) {
            size_t at = i * (size_t)a->most + (size_t)k;
            r->changed += k >= a->n[i] || k >= b->n[i] || a->token[at] != b->token[at];
        }
    }
}

/* By how much less likely what the model says by itself becomes: an estimate of the KL divergence. */
static void sum_drift(const struct study_answers *a, const struct study_answers *b, struct row *r)
{
    for (size_t i = 0; i < a->n_prompt; i++)
        for (int k = 0; k < a->n[i] && k < b->n[i]; k++) {
            size_t at = i * (size_t)a->most + (size_t)k;
            r->drift += a->logprob[at] - b->logprob[at];
            r->drift_tokens++;
        }
    r->drift /= r->drift_tokens ? (double)r->drift_tokens : 1;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------------ */

static void print_json(const struct sweep *w, const struct row *r)
{
    if (r->layers && r->layers[0] >= 0)
        printf("{\"layers\":[%d,%d],\"scale\":%.9g", r->layers[0], r->layers[1], r->scale);
    else
        printf(r->layers ? "{\"layers\":\"all\",\"scale\":%.9g" : "{\"layers\":null,\"scale\":null", r->scale);
    printf(",\"answers\":%zu", w->prompts.n);
    if (w->match)
        printf(",\"matches\":%zu,\"share\":%.9g", r->matches, (double)r->matches / (double)w->prompts.n);
    printf(",\"changed\":%.9g", r->tokens ? (double)r->changed / (double)r->tokens : 0);
    if (w->c->neutral)
        printf(",\"drift\":%.9g,\"drift_tokens\":%zu", r->drift, r->drift_tokens);
    printf("}\n");
}

static void print_text(const struct sweep *w, const struct row *r)
{
    char layers[32] = "-", scale[32] = "-", matches[64] = "-", drift[32] = "-";
    if (r->layers && r->layers[0] >= 0)
        snprintf(layers, sizeof layers, r->layers[0] == r->layers[1] ? "%d" : "%d-%d", r->layers[0], r->layers[1]);
    else if (r->layers)
        snprintf(layers, sizeof layers, "all");
    if (r->layers)
        snprintf(scale, sizeof scale, "%g", r->scale);
    if (w->match)
        snprintf(matches, sizeof matches, "%zu of %zu", r->matches, w->prompts.n);
    if (w->c->neutral)
        snprintf(drift, sizeof drift, "%.4f", r->drift);
    printf("%-7s %7s  %14s  %7.3f  %8s\n", layers, scale, matches,
           r->tokens ? (double)r->changed / (double)r->tokens : 0, drift);
}

static void print_row(struct sweep *w, const struct row *r)
{
    progress_end(&w->progress);
    if (w->c->json)
        print_json(w, r);
    else
        print_text(w, r);
    fflush(stdout);
}

/* ---- settings --------------------------------------------------------------------------------------------------------------------- */

static int unsteered(struct sweep *w)
{
    struct row r = {0};
    const struct stoker_sampling likeliest = {0}, drawn = unaltered(w->c->seed);
    int status = ask(w, &w->asked, &likeliest, NULL, NULL, &w->plain);
    if (!status && w->c->neutral)
        status = ask(w, &w->talk, &drawn, NULL, NULL, &w->free_talk);
    if (status || (status = count_matches(w, &w->plain, &r.matches)))
        return status;
    count_changes(&w->plain, &w->plain, &r);
    if (w->c->neutral)
        sum_drift(&w->free_talk, &w->free_talk, &r);
    if (!w->c->json)
        printf("layers    scale         matches  changed     drift\n");
    print_row(w, &r);
    return 0;
}

static int setting(struct sweep *w, const int *layers, double scale)
{
    struct row r = {.layers = layers, .scale = scale};
    const struct stoker_sampling likeliest = {0}, drawn = unaltered(w->c->seed);
    const struct stoker_steer op = {.vector = w->vector,
                                    .amount = (float)scale,
                                    .has_amount = 1,
                                    .layer_first = layers[0],
                                    .layer_last = layers[1],
                                    .has_layers = layers[0] >= 0};
    int status = ask(w, &w->asked, &likeliest, &op, NULL, &w->steered);
    if (!status && w->c->neutral)
        status = ask(w, &w->talk, &drawn, &op, &w->free_talk, &w->drift);
    if (status || (status = count_matches(w, &w->steered, &r.matches)))
        return status;
    count_changes(&w->plain, &w->steered, &r);
    w->changed += r.changed;
    if (w->c->neutral)
        sum_drift(&w->free_talk, &w->drift, &r);
    print_row(w, &r);
    return 0;
}

/* Before anything is answered. Layers of which the vector has none would say that it does nothing. */
static int check_layers(const struct sweep *w)
{
    char shown[32], fix[64];
    int last = stoker_layers(w->s, NULL, 0) - 1;
    for (int i = 0; i < w->n_layers; i++) {
        const int *range = w->layers[i];
        int found = range[0] < 0;
        for (int l = range[0]; !found && l <= range[1]; l++)
            found = stoker_vector_norm(w->vector, l) > 0;
        snprintf(shown, sizeof shown, "%d-%d", range[0], range[1]);
        snprintf(fix, sizeof fix, "the model has layers 0 to %d", last);
        if (range[1] > last || !found)
            return wrong(w, "--layers", shown, range[1] > last ? fix : "the vector has no direction there");
    }
    return 0;
}

/* A vector of norm 1 is little beside rows of norm 100, and a table of zeros does not say so. Of a projection 1 is all there is. */
static void tell_unchanged(const struct sweep *w)
{
    struct stoker_vector_about about;
    double most = 0, suggested = 0;
    for (int i = 0; i < w->n_layers; i++) {
        suggested = fmax(suggested, suggested_for(w, w->layers[i]));
        for (int k = 0; k < w->n_scale; k++)
            most = fmax(most, fabs(scale_of(w, i, k)));
    }
    if (w->changed || most == 0)
        return;
    stoker_vector_about(w->vector, &about);
    double larger = suggested > most ? suggested : fmin(10 * most, STOKER_SCALE_MOST);
    if (about.kind == STOKER_VECTOR_ADD && larger > most)
        fprintf(stderr,
                "stoker %s: no scale changed any answer; try larger scales, as in --scales -%g,%g (stoker steer make "
                "says one to begin with)\n",
                w->c->name, larger, larger);
    else
        fprintf(stderr, "stoker %s: no setting changed any answer; try other layers or prompts\n", w->c->name);
}

static int run(struct sweep *w)
{
    const struct steer_command *c = w->c;
    int status = check_layers(w);
    if (status)
        return status;
    choose_scales(w);
    status = steer_tokens(&w->asked, c, w->s, &w->prompts, c->prompts);
    if (!status && c->neutral)
        status = steer_tokens(&w->talk, c, w->s, &w->neutral, c->neutral);
    if (status)
        return status;
    study_answers_make(&w->plain, w->prompts.n, c->answer);
    study_answers_make(&w->steered, w->prompts.n, c->answer);
    study_answers_make(&w->free_talk, c->neutral ? w->neutral.n : 1, c->answer);
    study_answers_make(&w->drift, c->neutral ? w->neutral.n : 1, c->answer);
    if (!study_answers_are_made(&w->plain) || !study_answers_are_made(&w->steered) ||
        !study_answers_are_made(&w->free_talk) || !study_answers_are_made(&w->drift)) {
        fprintf(stderr, "stoker %s: no memory for the answers\n", c->name);
        return 1;
    }
    w->all = (w->asked.n + w->talk.n) * (size_t)(1 + w->n_scale * w->n_layers);
    progress_begin(&w->progress, "answering", PROGRESS_ITEMS, 0);
    status = unsteered(w);
    for (int i = 0; i < w->n_layers && !status; i++)
        for (int k = 0; k < w->n_scale && !status; k++)
            status = setting(w, w->layers[i], scale_of(w, i, k));
    progress_end(&w->progress);
    if (!status)
        tell_unchanged(w);
    return status;
}

static int open_and_run(struct sweep *w)
{
    struct stoker_error err;
    if (stoker_open(&w->s, w->c->model, &w->c->options, &err))
        return report(&err);
    int status = stoker_vector_open(&w->vector, w->s, AT_FDCWD, w->c->vector, &err) ? report(&err) : run(w);
    stoker_vector_close(w->vector);
    stoker_close(w->s);
    return status;
}

int steer_sweep(struct steer_command *c)
{
    struct sweep w = {.c = c};
    int status = prepare(&w);
    part_signals();
    status = status ? status : open_and_run(&w);
    match_close(w.match);
    study_prompts_free(&w.prompts);
    study_prompts_free(&w.neutral);
    steer_sequences_free(&w.asked);
    steer_sequences_free(&w.talk);
    study_answers_free(&w.plain);
    study_answers_free(&w.steered);
    study_answers_free(&w.free_talk);
    study_answers_free(&w.drift);
    return status;
}
