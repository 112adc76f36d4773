/* stoker sae train: an autoencoder of recorded rows: its flags in words, progress, the log, what came of it. */
#include "cli/sae/sae.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* How far it is, for the terminal and the log. */
struct shown {
    struct progress p;
    const char *what; /* of p; static */
    char text[80];
    FILE *log;
    const char *log_name;
    int log_failed;
    volatile sig_atomic_t stop;
};

static int wrong(const char *what)
{
    fprintf(stderr, "stoker sae train: %s\n", what);
    return 2;
}

/* "8x" or "16384" */
static int read_features(struct sae_train_flags *f)
{
    char *end;
    const char *text = f->features ? f->features : "8x";
    long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    if (n < 1 || n > 1 << 24 || (*end && strcmp(end, "x") != 0))
        return wrong("--features: as many times a row's values, as in 8x, or a number from 1 to 16777216, is expected");
    *(*end ? &f->o.times : &f->o.n_feature) = (int)n;
    return 0;
}

static int read_tier(struct sae_train_flags *f)
{
    int tier = f->tier ? cpu_tier_by_name(f->tier) : (int)cpu_best_tier();
    if (tier < 0 || tier > (int)cpu_best_tier()) {
        fprintf(stderr, "stoker sae train: --cpu-tier %.40s: %s\n", f->tier,
                tier < 0 ? "there is no such tier" : "this CPU does not have it");
        return 2;
    }
    f->o.tier = (enum cpu_tier)tier;
    return 0;
}

/* ---- while it runs -------------------------------------------------------------------------------------------------------------- */

static void write_log(struct shown *s, const struct train_step *t)
{
    if (!s->log || s->log_failed || t->step == 0)
        return;
    fprintf(s->log,
            "{\"batch\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"fvu\":%.9g,\"active\":%.9g,\"dead\":%d,\"lr\":%.9g}\n",
            t->step, t->done, t->fvu, t->active, t->n_dead, t->rate);
    if (fflush(s->log) == 0 && !ferror(s->log))
        return;
    progress_end(&s->p);
    fprintf(stderr, "stoker sae train: --log %s cannot be written: %s\n", s->log_name, strerror(errno));
    s->log_failed = 1;
    s->stop = 1;
}

static void show(void *arg, const struct train_step *t)
{
    struct shown *s = arg;
    if (part_interrupted)
        s->stop = 1;
    write_log(s, t);
    if (s->what != t->what) {
        progress_end(&s->p);
        progress_begin(&s->p, s->text, PROGRESS_ROWS, t->step ? t->done : 0);
        s->what = t->what;
    }
    if (t->step)
        snprintf(s->text, sizeof s->text, "training: FVU %.4f, %.1f active, %d dead", t->fvu, t->active, t->n_dead);
    else
        snprintf(s->text, sizeof s->text, "%s", t->what);
    progress_show(&s->p, t->done, t->total);
}

static int open_log(struct shown *s, const char *name)
{
    s->log_name = name;
    if (!name || (s->log = fopen(name, "a")))
        return 0;
    fprintf(stderr, "stoker sae train: --log %s cannot be opened: %s\n", name, strerror(errno));
    return 1;
}

/* ---- behind it ------------------------------------------------------------------------------------------------------------------ */

static void tell(const struct sae_train_flags *f, const struct train_result *r, double seconds)
{
    struct rusage use;
    char path[PATH_MAX];
    getrusage(RUSAGE_SELF, &use);
    uint64_t peak = (uint64_t)use.ru_maxrss * 1024;
    snprintf(path, sizeof path, "%s", f->o.out);
    utf8_make_plain(path);
    if (!f->json) {
        printf("%s: layer %d, %d features of %d values, k %d; FVU %.4f, %.1f active a row, %d never; %" PRIu64
               " batches of %d rows",
               path, r->layer, r->n_feature, r->n_embd, r->k, r->fvu, r->active, r->n_never, r->n_step, f->o.batch);
        if (r->resumed)
            printf(", %" PRIu64 " of them before", r->resumed);
        printf(", in %.1f s; memory %s, at most %s\n", seconds, show_bytes(peak), show_bytes(r->memory));
        return;
    }
    json_t *v = json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:i, s:I, s:I, s:I, s:f, s:I, s:I}", "path", path,
                          "layer", r->layer, "features", r->n_feature, "width", r->n_embd, "k", r->k, "fvu", r->fvu,
                          "active", r->active, "never_active", r->n_never, "rows", (json_int_t)r->n_row, "batches",
                          (json_int_t)r->n_step, "resumed", (json_int_t)r->resumed, "seconds", seconds, "memory",
                          (json_int_t)r->memory, "peak", (json_int_t)peak);
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(v);
}

static int fail(const struct error *err, int is_resumable)
{
    fprintf(stderr, "stoker sae train: %s%s\n", err->text, is_resumable ? "; --resume goes on from what is saved" : "");
    return err->code == ERR_CANCELLED ? 130 : err->code == ERR_INPUT ? 2 : 1;
}

int sae_train(struct sae_train_flags *f)
{
    static struct shown s;
    struct error err = {0};
    struct train_result r;
    char program[64];
    s = (struct shown){.what = NULL};
    snprintf(program, sizeof program, "stoker %s", stoker_version());
    f->o.program = program;
    f->o.seed = (uint64_t)f->seed;
    f->o.dead = (uint64_t)f->dead;
    if (read_features(f) || read_tier(f))
        return 2;
    if (open_log(&s, f->log))
        return 1;
    part_signals();
    struct train_watch w = {.progress = show, .arg = &s, .stop = &s.stop};
    double began = clock_seconds();
    int failed = train_sae(&f->o, &w, &r, &err);
    progress_end(&s.p);
    if (s.log)
        fclose(s.log);
    if (!failed)
        tell(f, &r, clock_seconds() - began);
    if (s.log_failed)
        return 1;
    return failed ? fail(&err, w.is_resumable) : 0;
}
