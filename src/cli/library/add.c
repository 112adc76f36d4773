/* stoker library add: what is told while a source grows. */
#include "cli/library/library.h"
#include "cli/library/print_json.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/common/progress.h"
#include "library/add/add.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ESTIMATED_FROM = 200 };

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int s)
{
    is_interrupted = 1;
    signal(s, SIG_DFL); /* the second one ends it at once: what is committed stays */
}

int library_is_interrupted(void) { return is_interrupted; }

struct telling {
    const struct library_command *c;
    const char *source;
    struct progress shown;
    double begun, told_at;
    int64_t first; /* entries that were done before */
    int has_begun, has_plan;
};

static json_t *counts(const char *event, const struct add_report *r)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "event", event, "source", r->name, "done",
                     (json_int_t)r->done, "total", (json_int_t)r->total, "articles", (json_int_t)r->n_article, "chunks",
                     (json_int_t)r->n_chunk, "new", (json_int_t)r->n_new, "skipped", (json_int_t)r->n_skipped);
}

/* What the first articles say of the rest. */
static void tell_plan(struct telling *t, const struct add_report *r)
{
    int64_t done = r->done - t->first, left = r->total - r->done;
    double seconds = clock_seconds() - t->begun, share = done > 0 ? (double)left / (double)done : 0;
    t->has_plan = 1;
    if (r->total == 0 || t->c->json || seconds * share < 2)
        return;
    fprintf(stderr, "stoker: %s: about %.0f articles, %.0f chunks, %s on disk, %.0f s\n", r->name,
            (double)r->n_article + share * (double)r->n_new, (double)r->n_chunk * (1 + share),
            show_bytes((uint64_t)((double)r->n_text * (1 + share))),
            seconds * share); /* text and index: about the text's bytes */
}

static int tick(void *arg, const struct add_report *r)
{
    struct telling *t = arg;
    double now = clock_seconds();
    if (!t->has_begun) {
        t->has_begun = 1;
        t->first = r->done;
        t->begun = t->told_at = now;
        progress_begin(&t->shown, "adding", PROGRESS_ITEMS, (uint64_t)r->done);
    }
    if (!t->has_plan && r->n_new >= ESTIMATED_FROM)
        tell_plan(t, r);
    if (t->c->json && now - t->told_at >= 1) {
        print_json(counts("progress", r));
        t->told_at = now;
    }
    if (!t->c->json && r->total)
        progress_show(&t->shown, (uint64_t)r->done, (uint64_t)r->total);
    return is_interrupted;
}

static void tell_end(const struct library_command *c, const struct add_report *r)
{
    static const char lost[] =
        "the vectors of what it had are gone with that; stoker library add with --embed makes new ones";
    const int has_lost = r->has_lost_vectors && !c->embed;
    if (c->json) {
        json_t *o = counts(r->is_stopped ? "stopped" : "end", r), *skipped = json_array(), *warnings = json_array();
        for (int i = 0; i < r->n_skipped && i < ADD_NAMED; i++)
            json_array_append_new(skipped, json_string(r->skipped[i]));
        for (int i = 0; i < r->n_warning; i++)
            json_array_append_new(warnings, json_string(r->warning[i]));
        if (has_lost)
            json_array_append_new(warnings, json_string(lost));
        json_object_set_new(o, "skipped_first", skipped);
        json_object_set_new(o, "warnings", warnings);
        json_object_set_new(o, "removed", json_integer(r->n_removed));
        json_object_set_new(o, "is_unchanged", json_boolean(r->is_unchanged));
        print_json(o);
        return;
    }
    for (int i = 0; i < r->n_warning; i++)
        fprintf(stderr, "stoker: %s: %s\n", r->name, r->warning[i]);
    if (has_lost)
        fprintf(stderr, "stoker: %s: %s\n", r->name, lost);
    for (int i = 0; i < r->n_skipped && i < ADD_NAMED; i++)
        fprintf(stderr, "stoker: skipped: %s\n", r->skipped[i]);
    if (r->n_skipped > ADD_NAMED)
        fprintf(stderr, "stoker: skipped: %" PRId64 " more\n", r->n_skipped - ADD_NAMED);
    printf("%s: %" PRId64 " articles, %" PRId64 " chunks", r->name, r->n_article, r->n_chunk);
    if (r->is_unchanged)
        printf("; nothing has changed");
    else
        printf("; %" PRId64 " new, %" PRId64 " removed, %" PRId64 " skipped", r->n_new, r->n_removed, r->n_skipped);
    printf("%s\n", r->is_stopped ? "; stopped: the same command goes on" : "");
}

/* Text and index of one. Its name is kept in *name. */
static int add_one(const struct library_command *c, const char *source, char name[128])
{
    struct telling t = {.c = c, .source = source};
    struct add_options o = {.dir = c->dir, .name = c->name, .verify = c->verify, .tick = tick, .arg = &t};
    static struct add_report r;
    struct error err = {0};
    int failed = library_add(source, &o, &r, &err);
    if (t.has_begun)
        progress_end(&t.shown);
    snprintf(name, 128, "%s", failed ? "" : r.name);
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    else
        tell_end(c, &r);
    return failed != 0;
}

/* Vectors come last, the model is in memory only then; and when it is not any more, lists of them. */
static int embed_all(const struct library_command *c, struct library_models *m, char name[][128])
{
    int status = library_models_open(m);
    for (int i = 0; m->engine && i < c->n_rest && !is_interrupted; i++)
        if (*name[i])
            status |= library_embed(c, &m->encoder, name[i]);
    const int had_model = m->engine != NULL;
    library_models_close(m);
    for (int i = 0; had_model && i < c->n_rest && !is_interrupted; i++)
        if (*name[i])
            status |= library_make_lists(c, name[i]);
    return status;
}

int library_cmd_add(const struct library_command *c)
{
    static char name[TEXTS_MOST][128];
    struct library_models models = {.embed = c->embed, .memory = c->memory, .beside = LIBRARY_BESIDE};
    int status = 0;
    if (c->name && c->n_rest > 1) {
        fprintf(stderr, "stoker library add: --name is of one source, and there are %d\n", c->n_rest);
        return 2;
    }
    if ((status = library_models_check("library", &models)) != 0)
        return status;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a sentence */
    for (int i = 0; i < c->n_rest && !is_interrupted; i++)
        status |= add_one(c, c->rest[i], name[i]);
    if (c->embed && !is_interrupted)
        status |= embed_all(c, &models, name);
    return is_interrupted ? 130 : status;
}
