/* stoker library add with --embed: lists of the vectors of large sources. */
#include "base/clock.h"
#include "base/cpu.h"
#include "cli/common/progress.h"
#include "cli/library/library.h"
#include "cli/library/print_json.h"
#include "library/source_lists.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

struct telling {
    const struct library_command *c;
    const char *source;
    struct lists_report r;
    struct progress shown;
    const char *what; /* is shown; NULL: nothing has been yet */
    double told_at;
};

static const char checking[] = "checking lists", making[] = "making lists";

static int tick(void *arg, int64_t done, int64_t total)
{
    struct telling *t = arg;
    const double now = clock_seconds();
    const char *what = t->r.is_checking ? checking : making;
    if (t->what != what) {
        if (t->what)
            progress_end(&t->shown);
        t->what = what;
        t->told_at = now;
        progress_begin(&t->shown, what, PROGRESS_ITEMS, (uint64_t)done);
    }
    if (t->c->json && now - t->told_at >= 1) {
        print_json(json_pack("{s:s, s:s, s:I, s:I}", "event", t->r.is_checking ? "checking_lists" : "listing", "source",
                             t->source, "done", (json_int_t)done, "total", (json_int_t)total));
        t->told_at = now;
    }
    if (!t->c->json)
        progress_show(&t->shown, (uint64_t)done, (uint64_t)total);
    return library_is_interrupted();
}

static void tell_end(const struct library_command *c, const char *source, const struct lists_report *r)
{
    if (r->anew.code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", r->anew.text);
    if (c->json)
        print_json(json_pack("{s:s, s:s, s:i, s:I}", "event", r->is_stopped ? "listing_stopped" : "listed", "source",
                             source, "lists", r->n, "vectors", (json_int_t)r->n_row));
    else if (r->is_stopped)
        printf("%s: lists of its vectors were stopped: the same command %s them\n", source,
               r->is_checking ? "checks" : "makes");
    else
        printf("%s: %d lists of %" PRId64 " vectors\n", source, r->n, r->n_row);
}

int library_make_lists(const struct library_command *c, const char *source)
{
    struct telling t = {.c = c, .source = source};
    struct error err = {0};
    const struct lists_options o = {.tier = cpu_best_tier(),
                                    .n_threads = cpu_compute_threads(),
                                    .memory = c->memory,
                                    .beside = LISTS_BESIDE,
                                    .tick = tick,
                                    .arg = &t};
    int failed = source_lists_make(c->dir, source, LISTS_ABOVE, &o, &t.r, &err);
    if (t.what)
        progress_end(&t.shown);
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    else if (t.r.is_made || t.r.is_stopped)
        tell_end(c, source, &t.r);
    return failed != 0;
}
