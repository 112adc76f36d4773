/* See values.h. */
#include "cli/tune/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_value(struct tune_values *v, int setting, const char *text)
{
    for (int i = 0; i < v->n; i++)
        if (v->value[i].setting == setting && strcmp(v->value[i].text, text) == 0)
            return;
    if (v->n == TUNE_VALUES_MOST)
        return;
    v->value[v->n].setting = setting;
    snprintf(v->value[v->n++].text, sizeof v->value->text, "%s", text);
}

static void add_number(struct tune_values *v, int setting, int n, int usual)
{
    char text[PROFILE_VALUE];
    snprintf(text, sizeof text, "%d", n);
    if (n >= 1 && n != usual)
        add_value(v, setting, text);
}

int tune_is_unseen(const char *chunk, const struct tune_case *c)
{
    return *chunk && (c->prompt < c->most_prompt || atoi(chunk) > c->prompt);
}

static void add_threads(struct tune_values *v, const struct tune_case *c)
{
    struct topology_set first_of_each;
    int usual = c->n_threads, cores = topology_cores(c->root, c->allowed, &first_of_each),
        one_a_core = cores < c->most_threads ? cores : c->most_threads;
    const int numbers[] = {c->most_threads, one_a_core, usual - 1, usual * 3 / 4, usual / 2, 1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(v, PROFILE_THREADS, numbers[i], usual);
}

/* From next to nothing, spinning alone, to more than most waits for a drive. One thread waits for no other. */
static void add_spins(struct tune_values *v, const struct tune_case *c)
{
    static const char *const spins[] = {"0.02", "1", "5", "50"};
    for (size_t i = 0; i < sizeof spins / sizeof *spins && c->most_threads > 1; i++)
        if (strtod(spins[i], NULL) != c->spin_ms)
            add_value(v, PROFILE_SPIN, spins[i]);
}

static void add_readers(struct tune_values *v)
{
    static const int depths[] = {8, 16, 64, 128};
    add_value(v, PROFILE_READER, "threads");
    add_value(v, PROFILE_READER, "buffered");
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        add_number(v, PROFILE_DEPTH, depths[i], 0);
}

void tune_list_values(struct tune_values *out, const struct tune_case *c)
{
    static const int chunks[] = {128, 256, 512, 1024, 2048};
    out->n = 0;
    for (int i = 0; i < PROFILE_KV; i++)
        if (*c->old->value[i])
            add_value(out, i, "");
    add_threads(out, c);
    add_spins(out, c);
    if (c->streams)
        add_readers(out);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        if (c->prompt == c->most_prompt && chunks[i] <= c->prompt)
            add_number(out, PROFILE_CHUNK, chunks[i], c->n_chunk);
}

void tune_add_beside(struct tune_values *v, const struct tune_case *c, int n_threads)
{
    add_number(v, PROFILE_THREADS, n_threads - 1, c->n_threads);
    if (n_threads < c->most_threads)
        add_number(v, PROFILE_THREADS, n_threads + 1, c->n_threads);
}
