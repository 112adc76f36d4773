/* stoker doctor: what slows this machine, and how to change it. Exit 0: nothing was found; 3: something was. */
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

int findings_are_busy(const struct findings *f)
{
    static const char *const busy[] = {"busy", "busy-drive", "busy-memory", "steal"};
    for (int i = 0; i < f->n; i++)
        for (size_t k = 0; k < sizeof busy / sizeof *busy; k++)
            if (strcmp(f->list[i].name, busy[k]) == 0)
                return 1;
    return 0;
}

static void print_json(const struct findings *f, double memory, double drive)
{
    json_t *list = json_array();
    for (int i = 0; i < f->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s+}", "name", f->list[i].name, "text", f->list[i].text, ""));
    json_t *o = json_pack("{s:o, s:o, s:o}", "findings", list, "memory_rate",
                          memory > 0 ? json_real(memory) : json_null(), "drive_rate",
                          drive > 0 ? json_real(drive) : json_null());
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}

static void print_text(const struct findings *f, double memory, double drive)
{
    if (memory > 0)
        printf("memory is read at %.1f GB/s\n", memory / 1e9);
    if (drive > 0)
        printf("the model's drive is read at %.2f GB/s\n", drive / 1e9);
    if ((memory > 0 || drive > 0) && findings_are_busy(f))
        printf("others were busy meanwhile, so slow rates are no finding: try again when it is quieter\n");
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

int cmd_doctor(int argc, char **argv)
{
    struct stoker_options o = {0};
    struct stoker_plan p;
    struct stoker_error err;
    static struct findings f;
    int json = 0, n_rest;
    const char *model = NULL, *root = "";
    double memory = 0, drive = 0;
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
    if (model && stoker_plan(&p, model, &o, &err))
        return report(&err);
    f.n = 0;
    examine_cores(&f, root);
    examine_memory(&f, root);
    examine_limits(&f, root, model ? &p : NULL);
    examine_kernel(&f, root);
    if (!*root && examine_memory_rate(&f, &memory))
        return 1;
    if (model && examine_drive(&f, root, model, &p, &drive))
        return 1;
    if (json)
        print_json(&f, memory, drive);
    else
        print_text(&f, memory, drive);
    return f.n > 0 ? 3 : 0;
}
