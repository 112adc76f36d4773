/* Things that several commands do: see cli.h. */
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

const char *embedded_model(void)
{
    static const char *const places[] = {"/ember.gguf", "/models/ember/ember.gguf", "/../models/ember/ember.gguf",
                                         "/../share/stoker/ember.gguf"};
    static char whole[PATH_MAX];
    char path[PATH_MAX + 64], dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s", dir, places[i]);
        if (access(path, R_OK) == 0 && realpath(path, whole))
            return whole;
    }
    fprintf(
        stderr,
        "stoker: the embedded model is the file ember.gguf, which is neither in %s nor in %s/../share/stoker; name a "
        "MODEL.gguf\n",
        dir, dir);
    return NULL;
}

static int is_a_name(const char *model)
{
    size_t n = strlen(model);
    int is_elsewhere = strncmp(model, "http://", 7) == 0 || strncmp(model, "https://", 8) == 0 ||
                       strncmp(model, "hf.co/", 6) == 0 || strncmp(model, "huggingface.co/", 15) == 0;
    int is_file = n > 5 && strcmp(model + n - 5, ".gguf") == 0;
    if (strcmp(model, "-") == 0 || access(model, F_OK) == 0)
        return 0;
    if (strchr(model, ' ') && !is_file) {
        fprintf(stderr, "stoker: there is no file \"%s\"; a question is asked with -p, as in stoker run -p 'Why?'\n",
                model);
        return 1;
    }
    if (!is_elsewhere && (strchr(model, '/') || is_file))
        return 0;
    fprintf(
        stderr,
        "stoker: there is no file %s; stoker downloads nothing and keeps no list of models: name a GGUF file, as in "
        "stoker run MODEL.gguf\n",
        model);
    return 1;
}

const char *model_of(const char *given) { return !given ? embedded_model() : is_a_name(given) ? NULL : given; }

const char *show_text(const char *text, size_t n)
{
    enum { MOST = 80 };
    static char out[4][MOST + 4];
    static unsigned next;
    char *to = out[next++ % 4];
    size_t cut = n > MOST ? utf8_cut(text, MOST) : n;
    snprintf(to, sizeof *out, "%.*s%s", (int)cut, text, cut < n ? "..." : "");
    utf8_make_plain(to);
    return to;
}

int report(const struct stoker_error *err)
{
    int entry;
    if (sscanf(err->field, "steer[%d]", &entry) == 1) /* of the list that --steer gives */
        fprintf(stderr, "stoker: --steer: entry %d: %s\n", entry, err->text);
    else
        fprintf(stderr, "stoker: %s\n", err->text);
    return err->code == STOKER_ERR_MEMORY || err->code == STOKER_ERR_INPUT ? 2 : 1;
}

const char *show_budget(const struct stoker_plan *p)
{
    static char text[80];
    const char *from;
    uint64_t left = stoker_memory_left(&from);
    if (strcmp(p->memory_from, "flag") == 0)
        snprintf(text, sizeof text, " of %s that --memory allows", show_bytes(p->memory));
    else
        snprintf(text, sizeof text, "; %s %s%s", strcmp(from, "cgroup") == 0 ? "the cgroup leaves" : "this machine has",
                 show_bytes(left), strcmp(from, "cgroup") == 0 ? "" : " left");
    return text;
}

static uint64_t part(const struct stoker_plan *p, const char *name)
{
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        if (strcmp(p->part_name[i], name) == 0)
            return p->part[i];
    return 0;
}

void print_plan_line(FILE *f, const struct stoker_plan *p)
{
    uint64_t slots = part(p, "slots"), weights = part(p, "weights") + part(p, "rows"), kv = part(p, "kv"),
             act = part(p, "act");
    long long held = 0, all = 0;
    for (int c = 0; c < p->n_class; c++) {
        held += p->slots[c];
        all += p->experts[c];
    }
    fprintf(f, "memory %s:", show_bytes(p->memory));
    if (all)
        fprintf(f, " slots %s (%lld %% of experts),", show_bytes(slots), held * 100 / all);
    fprintf(f, " weights %s, kv %s, act %s, rest %s\n", show_bytes(weights), show_bytes(kv), show_bytes(act),
            show_bytes(p->total - slots - weights - kv - act));
}

void print_scalar_types(FILE *f, const struct stoker_plan *p)
{
    int n = 0;
    for (int i = 0; i < p->n_type; i++)
        if (strcmp(p->kernel[i], "scalar") == 0)
            fprintf(f, "%s%s", n++ ? ", " : "", p->type[i]);
    if (n)
        fputs(": scalar on this CPU\n", f);
}

uint64_t peak_bytes(void)
{
    struct rusage r;
    return getrusage(RUSAGE_SELF, &r) == 0 ? (uint64_t)r.ru_maxrss * 1024 : 0;
}
