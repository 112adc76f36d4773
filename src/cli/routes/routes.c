/* From a text that a model reads, or from a trace, to counts of experts: see routes.h. */
#include "cli/routes/routes.h"

#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "format/route_trace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_TOKENS = 1024 }; /* that a chat's template adds to a prompt, at most, for the plan */

static const char of_trace[] = "stoker routes: %s: %d layers of %d experts; %s has %d layers of %d experts\n";

static int no_memory(void)
{
    fprintf(stderr, "stoker routes: no memory for the counts\n");
    return 1;
}

static int is_trace(const char *path) { return path && route_trace_is(AT_FDCWD, path); }

int routes_read_texts(const struct routes_command *c) { return !c->trace || (c->against && !is_trace(c->against)); }

/* ---- traces ------------------------------------------------------------------------------------------------------------------ */

static int read_trace(struct route_counts *out, const char *path)
{
    struct route_trace *t;
    struct error err = {0};
    *out = (struct route_counts){.n = 0};
    if (route_trace_open(&t, AT_FDCWD, path, UINT64_MAX, &err)) {
        fprintf(stderr, "stoker routes: %s\n", err.text);
        return 1;
    }
    int failed = route_counts_of_trace(out, t);
    route_trace_close(t);
    return failed ? no_memory() : 0;
}

static int most_experts(const struct route_counts *c)
{
    int most = 0;
    for (int l = 0; l < c->n; l++)
        most = c->layer[l].n_expert > most ? c->layer[l].n_expert : most;
    return most;
}

/* The layers of a trace get the numbers that those of other counts have, as many as there are. */
static int name_layers(struct route_counts *trace, const char *path, const struct route_counts *as, const char *what)
{
    if (trace->n < as->n || most_experts(trace) != most_experts(as)) {
        fprintf(stderr, of_trace, path, trace->n, most_experts(trace), what, as->n, most_experts(as));
        return 2;
    }
    for (int l = 0; l < as->n; l++)
        trace->layer[l].index = as->layer[l].index;
    for (; trace->n > as->n; trace->n--) {
        free(trace->layer[trace->n - 1].count);
        free(trace->layer[trace->n - 1].weight);
    }
    return 0;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------------- */

static int stopped(void *arg)
{
    (void)arg;
    return part_interrupted;
}

static void show(void *arg, size_t done, size_t total) { progress_show(arg, done, total); }

static int count_text(const struct routes_command *c, struct stoker *s, struct sequences *q, struct route_counts *out)
{
    struct progress p;
    struct stoker_error err;
    int status = activations_sequences(q, &c->of, s);
    const struct study_sequences all = {q->token, q->first, q->n};
    const struct route_count k = {.s = s,
                                  .q = &all,
                                  .steer = c->of.steer.list,
                                  .n_steer = c->of.steer.n_list,
                                  .stopped = stopped,
                                  .progress = show,
                                  .arg = &p};
    progress_begin(&p, "reading", PROGRESS_TOKENS, 0);
    if (!status) {
        int got = route_count_run(&k, out, &err);
        progress_end(&p);
        status = got < 0 ? report(&err) : got ? 130 : 0;
    }
    return status;
}

static int is_second_text(const struct routes_command *c) { return c->against && !is_trace(c->against); }

/* Those sources that are texts, before there is a plan, which has what they take. */
static int read_texts(struct routes_command *c, struct sequences q[2])
{
    struct reading r = {0};
    struct activations second = c->of;
    second.prompt = NULL;
    second.chat = 0;
    second.text = c->against;
    int status = c->trace ? 0 : activations_read(&q[0], &r, &c->of, c->model);
    if (!status && is_second_text(c))
        status = activations_read(&q[1], &r, &second, c->model);
    c->of.options.server += r.most;
    return status;
}

/* Both sources, those of them that are texts with one engine. */
static int count_with(const struct routes_command *c, struct stoker *s, struct sequences q[2], struct route_counts *a,
                      struct route_counts *b)
{
    int status = c->trace ? 0 : count_text(c, s, &q[0], a);
    return status || !is_second_text(c) ? status : count_text(c, s, &q[1], b);
}

static int open_and_count(struct routes_command *c, const struct stoker_layer *layer, int n_layer,
                          struct sequences q[2], struct route_counts *a, struct route_counts *b)
{
    struct stoker *s;
    struct stoker_error err;
    size_t tokens = c->of.prompt ? strlen(c->of.prompt) + TEMPLATE_TOKENS : 0, window = (size_t)c->of.window;
    tokens = (c->of.text || c->against) && tokens < window ? window : tokens;
    c->of.options.server = route_count_bytes(layer, n_layer, tokens);
    if ((c->of.text || (c->trace && c->against)) && !c->of.options.n_ctx)
        c->of.options.n_ctx = c->of.window;
    int status = steer_flags_plan("routes", &c->of.steer, c->model, &c->of.options);
    status = status ? status : read_texts(c, q);
    if (status)
        return status;
    if (stoker_open(&s, c->model, &c->of.options, &err))
        return report(&err);
    status = steer_flags_open("routes", &c->of.steer, s, &err) ? report(&err) : count_with(c, s, q, a, b);
    steer_flags_close(&c->of.steer);
    stoker_close(s);
    return status;
}

/* ---- both -------------------------------------------------------------------------------------------------------------------- */

static int with_model(struct routes_command *c, struct route_counts *a, struct route_counts *b)
{
    struct stoker_error err;
    struct route_counts none = {.n = 0};
    struct sequences q[2] = {{.n = 0}, {.n = 0}};
    int n = stoker_header_layers(NULL, 0, c->model, &err);
    if (n < 0)
        return report(&err);
    struct stoker_layer *layer = calloc((size_t)n + 1, sizeof *layer);
    if (!layer)
        return no_memory();
    stoker_header_layers(layer, n, c->model, &err);
    int status = route_counts_of_model(&none, layer, n) ? no_memory() : 0;
    if (!status && none.n == 0) {
        fprintf(stderr, "stoker routes: %s has no experts\n", c->model);
        status = 2;
    }
    if (!status && (route_counts_of_model(a, layer, n) || (c->against && route_counts_of_model(b, layer, n))))
        status = no_memory();
    if (!status && routes_read_texts(c))
        status = open_and_count(c, layer, n, q, a, b);
    if (!status && c->trace) {
        route_counts_free(a);
        status = read_trace(a, c->trace);
        status = status ? status : name_layers(a, c->trace, &none, c->model);
    }
    if (!status && is_trace(c->against)) {
        route_counts_free(b);
        status = read_trace(b, c->against);
        status = status ? status : name_layers(b, c->against, &none, c->model);
    }
    for (int i = 0; i < 2; i++)
        activations_sequences_free(&q[i]);
    route_counts_free(&none);
    free(layer);
    return status;
}

static int traces_alone(struct routes_command *c, struct route_counts *a, struct route_counts *b)
{
    int status = read_trace(a, c->trace);
    if (status || !c->against)
        return status;
    if ((status = read_trace(b, c->against)))
        return status;
    if (b->n == a->n)
        return name_layers(b, c->against, a, c->trace);
    fprintf(stderr, of_trace, c->against, b->n, most_experts(b), c->trace, a->n, most_experts(a));
    return 2;
}

int routes_run(struct routes_command *c)
{
    struct route_counts a = {.n = 0}, b = {.n = 0};
    part_signals();
    int status = c->model ? with_model(c, &a, &b) : traces_alone(c, &a, &b);
    if (!status)
        routes_print(c, &a, c->against ? &b : NULL);
    route_counts_free(&a);
    route_counts_free(&b);
    return part_interrupted ? 130 : status;
}
