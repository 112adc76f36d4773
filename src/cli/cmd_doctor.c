/* stoker doctor: what slows this machine, and how to change it. Exit 0: nothing was found; 3: something was; 1: nothing, but that the
 * model's drive cannot be read. What cannot be measured takes nothing from what is found. */
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/doctor/doctor.h"

#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "stoker doctor [MODEL.gguf] [flags]: what slows this machine, and how to change it; some seconds.\n\n"
    "  stoker doctor                               cores, memory, limits, other programs\n"
    "  stoker doctor MODEL.gguf --memory 6GiB      the same, and the drive of a model\n"
    "  stoker doctor --json                        for programs\n\n"
    "Exit status: 0 nothing was found, 3 something was.\n\n";

void found(struct findings *f, const char *name, const char *format, ...)
{
    if (f->n == FINDINGS_MOST)
        return;
    struct finding *one = &f->list[f->n++];
    va_list args;
    va_start(args, format);
    one->name = name;
    vsnprintf(one->text, sizeof one->text, format, args);
    va_end(args);
    utf8_make_plain(one->text); /* it may hold a path, or end inside a character */
}

int findings_have(const struct findings *f, const char *name)
{
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0)
            return 1;
    return 0;
}

int findings_are_busy(const struct findings *f)
{
    return findings_have(f, "busy") || findings_have(f, "busy-drive") || findings_have(f, "busy-memory") ||
           findings_have(f, "steal");
}

/* What is not known, 0, is null. */
static json_t *known(double x) { return x > 0 ? json_real(x) : json_null(); }
static json_t *counted(int n) { return n > 0 ? json_integer(n) : json_null(); }

static void print_json(const struct findings *f, const struct facts *facts)
{
    const struct memory_modules *m = &facts->modules;
    json_t *list = json_array();
    for (int i = 0; i < f->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s+}", "name", f->list[i].name, "text", f->list[i].text, ""));
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "findings", list, "memory_rate",
                          known(facts->memory_rate), "drive_rate", known(facts->drive_rate), "cpus",
                          counted(facts->n_cpu), "cores", counted(facts->n_core), "memory_modules", counted(m->n),
                          "memory_channels", counted(m->n_channel), "memory_rate_most", known(m->rate));
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}

/* Modules of memory, in one line. Of a machine that is measured, why it is not known what they give. */
static void print_modules(const struct facts *facts)
{
    const struct memory_modules *m = &facts->modules;
    char speed[32] = "", channels[64] = "";
    if (m->transfers && *m->type)
        snprintf(speed, sizeof speed, " of %s-%d", m->type, m->transfers);
    if (m->n_channel)
        snprintf(channels, sizeof channels, " in %d channel%s", m->n_channel, m->n_channel == 1 ? "" : "s");
    if (m->n)
        printf("memory is %d module%s%s%s", m->n, m->n == 1 ? "" : "s", speed, channels);
    else if (m->n_channel)
        printf("memory is%s", channels);
    if (m->rate > 0)
        printf(", which give%s %.1f GB/s at most\n", m->n == 1 ? "s" : "", m->rate / 1e9);
    else if (facts->memory_rate > 0)
        printf("%s gives at most is not known, since %s: its rate is held against %.0f GB/s, which one channel gives "
               "to %d thread%s\n",
               m->n || m->n_channel ? "; what it" : "what memory", m->why, memory_rate_least(facts) / 1e9,
               facts->n_thread, facts->n_thread == 1 ? "" : "s");
    else if (m->n || m->n_channel)
        putchar('\n');
}

static void print_facts(const struct findings *f, const struct facts *facts)
{
    if (facts->n_core && facts->n_core < facts->n_cpu)
        printf("%d CPUs are threads of %d core%s: stoker computes with one of each\n", facts->n_cpu, facts->n_core,
               facts->n_core == 1 ? "" : "s");
    else if (facts->n_core)
        printf("%d CPU%s: %s\n", facts->n_cpu, facts->n_cpu == 1 ? "" : "s",
               facts->n_cpu == 1 ? "a core" : "each a core of its own");
    print_modules(facts);
    if (facts->memory_rate > 0)
        printf("memory is read at %.1f GB/s\n", facts->memory_rate / 1e9);
    if (facts->drive_rate > 0)
        printf("the model's drive is read at %.2f GB/s\n", facts->drive_rate / 1e9);
    if ((facts->memory_rate > 0 || facts->drive_rate > 0) && findings_are_busy(f))
        printf("others were busy meanwhile, so slow rates are no finding: try again when it is quieter\n");
}

static void print_text(const struct findings *f, const struct facts *facts)
{
    print_facts(f, facts);
    for (int i = 0; i < f->n; i++)
        printf("%s: %s.\n", f->list[i].name, f->list[i].text);
    if (f->n == 0)
        printf("nothing was found that slows stoker here\n");
}

/* Without proc nothing would be looked at, and nothing found. */
static int is_root(const char *root)
{
    char proc[PATH_MAX];
    struct stat st;
    return snprintf(proc, sizeof proc, "%s/proc", root) < (int)sizeof proc && stat(proc, &st) == 0 &&
           S_ISDIR(st.st_mode);
}

/* Of the model, in *p, where the budget suffices; too small a one is a finding, beside which the others stand. -1 with *err. */
static int examine_plan(struct findings *f, const char *model, const struct stoker_options *o, struct stoker_plan *p,
                        struct stoker_error *err)
{
    if (stoker_plan(p, model, o, err) == 0)
        return 0;
    if (err->code != STOKER_ERR_MEMORY || !p->minimum)
        return -1;
    size_t n = strlen(err->text);
    found(f, "memory", "%.*s", (int)(n > 0 && err->text[n - 1] == '.' ? n - 1 : n), err->text);
    return 0;
}

int cmd_doctor(int argc, char **argv)
{
    struct stoker_options o = {0};
    struct stoker_plan p;
    struct stoker_error err;
    static struct findings f;
    int json = 0, n_rest;
    const char *model = NULL, *root = "";
    struct facts facts = {.n_cpu = 0};
    const struct flag mine[] = {
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs"},
        {"--memory", NULL, FLAG_BYTES, &o.memory, 1, 0, "BYTES", "that the model may take (default: what is left)"},
        {"--root", NULL, FLAG_TEXT, &root, 0, 0, "FOLDER",
         "look at a copy of another machine's proc and sys; measures nothing"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}};
    int status = flags_parse("doctor", usage, tables, 1, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (model && !model_of(model))
        return 2;
    if (*root && !is_root(root)) {
        fprintf(stderr,
                "stoker doctor: --root %s: it has no folder proc; name a folder with a copy of a machine's proc and "
                "sys\n",
                root);
        return 2;
    }
    f.n = 0;
    if (model && examine_plan(&f, model, &o, &p, &err))
        return report(&err);
    examine_cores(&f, root, &facts);
    examine_memory(&f, root, &facts);
    examine_limits(&f, root, model ? &(struct subject){model, &o, &p} : NULL);
    examine_kernel(&f, root);
    if (!*root)
        examine_memory_rate(&f, &facts);
    int failed = model && examine_drive(&f, root, model, &p, &facts);
    if (json)
        print_json(&f, &facts);
    else
        print_text(&f, &facts);
    return f.n > 0 ? 3 : failed;
}
