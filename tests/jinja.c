/* links: text base */
/* The template language against its cases: jinja [FILE or FOLDER] (without: cases/jinja.json of the test data; templates.md 10
 * tells the format). A folder: all its files jinja*.json.
 *
 * In a case of level "extra" an error is accepted where a text is expected, but never another text. A hostile case runs in a child
 * of its own, which must end within its time and memory. */
#include "text_jinja.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int n_passed, n_failed;

static void verdict(const char *id, const char *why)
{
    n_passed += why == NULL;
    n_failed += why != NULL;
    if (why)
        printf("FAIL %s: %s\n", id, why);
}

static const char *const kinds[] = {"ok", "compile", "raise", "runtime", "limit"};

static const char *explain(const char *format, const char *a, const char *b)
{
    static char text[1200];
    snprintf(text, sizeof text, format, a, b);
    return text;
}

/* An error at run time is accepted for one at compile time and vice versa; a limit is an error at run time. */
static int same_kind(const char *want, enum jinja_error_kind got)
{
    int raise = strcmp(want, "raise") == 0;
    return raise ? got == JINJA_RAISE : got == JINJA_COMPILE || got == JINJA_RUNTIME || got == JINJA_LIMIT;
}

static const char *check_error(struct jrun *r, const struct jdict *c, const struct jinja_error *e)
{
    const char *want = word_of(r, c, "error");
    const struct jvalue *line = jdict_find(r, c, "line"), *message = jdict_find(r, c, "message");
    if (!same_kind(want, e->kind))
        return explain("an error of kind %s: %s", kinds[e->kind], e->text);
    if (line && line->u.i != e->line)
        return explain("another line: %s%s", e->text, "");
    if (message && (message->u.s->n != e->n_raised || memcmp(message->u.s->bytes, e->raised, e->n_raised) != 0))
        return explain("another message: %s%s", e->text, "");
    return NULL;
}

/* Why a case fails, or NULL. r: the run that the case was read in. */
static const char *check_case(struct jrun *r, const struct jdict *c, const struct jstring *context)
{
    static struct jinja_error e;
    struct jinja_text out;
    struct arena arena;
    const struct jvalue *template = jdict_find(r, c, "template"), *expect = jdict_find(r, c, "expect");
    int extra = strcmp(word_of(r, c, "level"), "extra") == 0;
    arena_init_growing(&arena);
    int rc = render_text(template->u.s, context, &arena, &out, &e);
    const char *why = NULL;
    if (rc == 0 && !expect)
        why = explain("an error is due, not \"%.900s\"%s", copy_of(r, out.bytes, out.n), "");
    else if (rc == 0 && (out.n != expect->u.s->n || memcmp(out.bytes, expect->u.s->bytes, out.n) != 0))
        why = explain("\"%.500s\" instead of \"%.500s\"", copy_of(r, out.bytes, out.n), expect->u.s->bytes);
    else if (rc != 0 && !expect)
        why = check_error(r, c, &e);
    else if (rc != 0 && (!extra || e.kind == JINJA_RAISE))
        why = e.text;
    arena_free(&arena);
    return why;
}

static const struct jstring *hostile_template(struct jrun *r, const struct jvalue *parts)
{
    struct jbuffer b = jbuffer_new(r);
    for (size_t i = 0; i < parts->u.list->n; i++) {
        const struct jlist *pair = parts->u.list->item[i].u.list;
        for (int64_t k = 0; k < pair->item[1].u.i; k++)
            jbuffer_string(&b, pair->item[0].u.s);
    }
    return jbuffer_done(&b);
}

static const char *check_limit(struct jrun *r, const struct jdict *c, const struct jstring *context)
{
    struct rusage used;
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct jinja_error e;
        struct jinja_text out;
        struct arena arena;
        arena_init_growing(&arena);
        alarm(30);
        render_text(hostile_template(r, jdict_find(r, c, "parts")), context, &arena, &out, &e);
        _exit(0);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return "did not end as it should";
#ifndef __SANITIZE_ADDRESS__
    /* CPU time of this process: other load on the machine does not count */
    if (used.ru_utime.tv_sec + used.ru_stime.tv_sec >= 6)
        return "took more than 6 seconds";
    if (used.ru_maxrss > 256 << 10)
        return "took more than 256 MiB";
#endif
    return NULL;
}

static void run_file(const char *path)
{
    struct arena arena;
    struct jrun run;
    struct jinja_error e;
    jmp_buf trap;
    arena_init_growing(&arena);
    jrun_begin(&run, &arena, 1 << 24, &e);
    run.work_limit = UINT64_MAX;
    run.trap = &trap;
    if (setjmp(trap)) {
        verdict(path, e.text);
        return;
    }
    struct jvalue file = load_json(&run, path);
    if (file.type != J_DICT) {
        verdict(path, "is not a JSON object");
        return;
    }
    const struct jstring *context = jjson_write(&run, *jdict_find(&run, file.u.dict, "context"), &jjson_plain);
    const struct jvalue *cases = jdict_find(&run, file.u.dict, "cases"),
                        *limits = jdict_find(&run, file.u.dict, "limits");
    for (size_t i = 0; cases && i < cases->u.list->n; i++) {
        const struct jdict *c = cases->u.list->item[i].u.dict;
        verdict(word_of(&run, c, "id"), check_case(&run, c, context));
    }
    for (size_t i = 0; limits && i < limits->u.list->n; i++) {
        const struct jdict *c = limits->u.list->item[i].u.dict;
        verdict(word_of(&run, c, "id"), check_limit(&run, c, context));
    }
    arena_free(&arena);
}

static void run_folder(const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char file[4096];
        const char *name = entry[i]->d_name, *end = strrchr(name, '.');
        snprintf(file, sizeof file, "%s/%s", path, name);
        if (strncmp(name, "jinja", 5) == 0 && end && strcmp(end, ".json") == 0)
            run_file(file);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : TEST_DATA "/cases/jinja.json";
    DIR *folder = opendir(path);
    if (folder) {
        closedir(folder);
        run_folder(path);
    } else {
        run_file(path);
    }
    if (n_passed + n_failed == 0)
        verdict(path, "holds no cases");
    printf("%d passed, %d failed\n", n_passed, n_failed);
    return n_failed > 0;
}
