/* stoker library add with --embed: vectors of passages. */
#include "base/clock.h"
#include "cli/common/progress.h"
#include "cli/library/library.h"
#include "cli/library/print_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ---- vectors of sources ---------------------------------------- */

struct telling {
    const struct library_command *c;
    const char *source;
    struct progress shown;
    double told_at;
    int has_begun;
};

static void print_counts(const char *event, const char *source, const struct embed_report *r)
{
    print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "event", event, "source", source, "done",
                         (json_int_t)r->done, "total", (json_int_t)r->total, "new", (json_int_t)r->n_new, "without",
                         (json_int_t)r->n_none));
}

static int tick(void *arg, const struct embed_report *r)
{
    struct telling *t = arg;
    double now = clock_seconds();
    if (!t->has_begun) {
        t->has_begun = 1;
        t->told_at = now;
        progress_begin(&t->shown, "embedding", PROGRESS_ITEMS, (uint64_t)r->done);
        if (r->anew.code != ERR_NONE)
            fprintf(stderr, "stoker: %s\n", r->anew.text);
    }
    if (t->c->json && now - t->told_at >= 1) {
        print_counts("embedding", t->source, r);
        t->told_at = now;
    }
    if (!t->c->json)
        progress_show(&t->shown, (uint64_t)r->done, (uint64_t)r->total);
    return library_is_interrupted();
}

static void tell_end(const struct library_command *c, const char *source, const struct embed_report *r,
                     const char *model)
{
    if (c->json) {
        print_counts(r->is_stopped ? "embedding_stopped" : "embedded", source, r);
        return;
    }
    printf("%s: vectors of %" PRId64 " of %" PRId64 " passages by %s, %" PRId64 " new", source, r->done, r->total,
           model, r->n_new);
    if (r->n_none)
        printf(", %" PRId64 " without", r->n_none);
    printf("%s\n", r->is_stopped ? "; stopped: the same command goes on" : "");
}

int library_embed(const struct library_command *c, struct encoder *e, const char *source)
{
    struct telling t = {.c = c, .source = source};
    struct embed_report r;
    struct error err = {0};
    const struct embed_options o = {.chunks = !c->vectors                      ? CHUNKS_AUTO
                                              : strcmp(c->vectors, "all") == 0 ? CHUNKS_ALL
                                                                               : CHUNKS_LEAD,
                                    .tick = tick,
                                    .arg = &t};
    int failed = encoder_embed(e, c->dir, source, &o, &r, &err);
    if (t.has_begun)
        progress_end(&t.shown);
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    else
        tell_end(c, source, &r, e->name);
    return failed != 0;
}
