/* links: format base
 *
 * What `plan` and `inspect` take of a model of more than 400 GB, as one file and in ten parts: at most 64 MiB of memory, and of the first
 * 16 MiB of its files, or of a pipe, the plan of the whole, byte for byte.
 *
 *     build/tests/large_plan HEADER.gguf [SECONDS]        with SECONDS (bench/header.sh) each is run five times too, and the least of
 *                                                         them is in time; the program that STOKER names (build/stoker)
 *
 * HEADER.gguf names the tensors (headers/, by tools/plan_headers.py). Most of a published header is its vocabulary: one of as many words as
 * the output has rows, and as many merges, is made up. Data are holes. */
#include "base/clock.h"
#include "gguf_write.h"
#include "sanitized.h"
#include "temporary.h"
#include "test_lines.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { PARTS = 10, RUNS = 5, PATH = 160, OUTPUT = 1 << 20, PEAK_KIB = 64 << 10, HEAD = 16 << 20 };
#define LEAST_BYTES 400e9

static char folder[TEMPORARY_PATH];
static const char *program;
static double most_seconds; /* 0: nobody asks */

/* ---- the model -------------------------------------------------------------------------------------------------------------------- */

static const char *part_path(int part, int n_part)
{
    static char path[PATH];
    snprintf(path, sizeof path, "%s/m", folder);
    if (n_part > 1)
        snprintf(path, sizeof path, "%s/m-%05d-of-%05d", folder, part + 1, n_part);
    return strcat(path, ".gguf");
}

static void write_words(struct gguf_writer *w, const char *key, const char *before, uint64_t n)
{
    enum { WORD = 24 };
    struct gguf_string *s = calloc(n, sizeof *s);
    char *text = calloc(n, WORD);
    for (uint64_t i = 0; s && text && i < n; i++) {
        int length = snprintf(text + i * WORD, WORD, "%s%llx", before, (unsigned long long)i);
        s[i] = (struct gguf_string){text + i * WORD, (uint64_t)length};
    }
    if (s && text)
        gguf_write_strings(w, key, s, n);
    free(s);
    free(text);
}

static void write_vocabulary(struct gguf_writer *w, uint64_t n)
{
    int32_t *types = calloc(n, sizeof *types);
    for (uint64_t i = 0; types && i < n; i++)
        types[i] = 1; /* a usual word */
    gguf_write_string(w, "tokenizer.ggml.model", "gpt2", 4);
    gguf_write_string(w, "tokenizer.ggml.pre", "default", 7);
    write_words(w, "tokenizer.ggml.tokens", "w", n);
    write_words(w, "tokenizer.ggml.merges", "w w", n);
    if (types)
        gguf_write_numbers(w, "tokenizer.ggml.token_type", GGUF_I32, types, n);
    free(types);
}

static int is_own(const struct gguf_value *v)
{
    return strncmp(v->key.text, "tokenizer.", 10) == 0 || strcmp(v->key.text, "general.alignment") == 0;
}

static void write_keys(struct gguf_writer *w, const struct gguf *g, int part, int n_part)
{
    struct gguf_value v = {.kind = GGUF_U16, .n = 1};
    const struct gguf_tensor *words = gguf_tensor(g, "token_embd.weight");
    for (uint64_t i = 0; part == 0 && i < g->n_value; i++)
        if (!is_own(&g->value[i]))
            gguf_write_value(w, &g->value[i]);
    if (part == 0 && words)
        write_vocabulary(w, words->ne[1]);
    if (n_part == 1)
        return;
    v.key = gguf_name_of("split.no");
    v.as.u = (uint64_t)part;
    gguf_write_value(w, &v);
    v.key = gguf_name_of("split.count");
    v.as.u = (uint64_t)n_part;
    gguf_write_value(w, &v);
    v = (struct gguf_value){
        .key = gguf_name_of("split.tensors.count"), .kind = GGUF_I32, .n = 1, .as.i = (int64_t)g->n_tensor};
    gguf_write_value(w, &v);
}

/* Its tensors are those that begin in its share of the bytes. */
static int write_part(const struct gguf *g, int part, int n_part, struct error *err)
{
    struct gguf_writer w;
    uint64_t all = 0, before = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        all += g->tensor[i].n_bytes;
    gguf_write_begin(&w, part_path(part, n_part), g->alignment);
    write_keys(&w, g, part, n_part);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        if ((int)((double)before / (double)all * n_part) == part)
            gguf_write_tensor(&w, t->name, t->type, t->n_dims, t->ne);
        before += t->n_bytes;
    }
    gguf_write_data(&w, "", 0);
    long header = w.file ? ftell(w.file) : -1;
    if (header > HEAD)
        error_set(&w.err, ERR_BUG, "%s: a header of %ld bytes", w.path, header);
    if (!gguf_write_failed(&w) &&
        (fflush(w.file) || ftruncate(fileno(w.file), (off_t)((uint64_t)header + w.data_size))))
        error_set(&w.err, ERR_IO, "%s: takes no hole of %llu bytes", w.path, (unsigned long long)w.data_size);
    w.next = w.n_tensor;
    return gguf_write_end(&w, err);
}

/* In a process of its own: what a child holds before it becomes the program counts as its peak. 0: written; 1: no such file system; -1. */
static int write_model(const char *header, int n_part)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        struct gguf *g = NULL;
        int wrong = gguf_open_header(&g, header, &err);
        for (int i = 0; i < n_part && !wrong; i++)
            wrong = write_part(g, i, n_part, &err);
        if (wrong)
            printf("     %s\n", err.text);
        fflush(stdout);
        _exit(!wrong ? 0 : err.code == ERR_IO ? 1 : 2);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return -1;
    return WEXITSTATUS(status);
}

static void each_part(int n_part, int (*change)(const char *path))
{
    for (int i = 0; i < n_part; i++)
        expect(change(part_path(i, n_part)) == 0, "%s: %s", part_path(i, n_part), strerror(errno));
}

static int cut(const char *path) { return truncate(path, HEAD); }

/* ---- runs ------------------------------------------------------------------------------------------------------------------------- */

struct run {
    char *out;           /* stdout, to be freed; NULL: it failed */
    double seconds, cpu; /* cpu: of a processor, which other programs do not add to */
    long peak;           /* KiB */
};

static char *read_output(const char *path)
{
    char *text = calloc(1, OUTPUT);
    FILE *f = fopen(path, "re");
    size_t n = f && text ? fread(text, 1, OUTPUT - 1, f) : 0;
    if (f)
        fclose(f);
    if (n > 0)
        return text;
    free(text);
    return NULL;
}

static double seconds_of(const struct timeval *t) { return (double)t->tv_sec + 1e-6 * (double)t->tv_usec; }

static struct run run_once(const char *command)
{
    struct run r = {0};
    struct rusage used;
    char to[PATH];
    int status = -1;
    snprintf(to, sizeof to, "%s/out", folder);
    double begun = clock_seconds();
    pid_t child = fork();
    if (child == 0) {
        int fd = open(to, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (child > 0 && wait4(child, &status, 0, &used) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        r = (struct run){read_output(to), clock_seconds() - begun,
                         seconds_of(&used.ru_utime) + seconds_of(&used.ru_stime), used.ru_maxrss};
    return r;
}

/* What it says, to be freed; NULL: it failed. Held to the bounds, and told. */
static char *run(const char *what, const char *command)
{
    struct run r = run_once(command);
    double least = r.seconds;
    char detail[80];
    expect(r.out != NULL, "%s fails", command);
    for (int i = 1; r.out && most_seconds > 0 && i < RUNS; i++) {
        struct run again = run_once(command);
        least = again.seconds < least ? again.seconds : least;
        r.cpu = again.cpu < r.cpu ? again.cpu : r.cpu;
        r.peak = again.peak > r.peak ? again.peak : r.peak;
        free(again.out);
    }
    expect(SANITIZED || r.peak <= PEAK_KIB, "takes %ld KiB, and may %d", r.peak, PEAK_KIB);
    expect(most_seconds <= 0 || least <= most_seconds, "takes %.3f s, and may %.3f", least, most_seconds);
    snprintf(detail, sizeof detail, "%.1f MiB, %.3f s, %.3f of a processor", (double)r.peak / 1024, least, r.cpu);
    verdict(what, detail);
    return r.out;
}

/* What this machine has left changes from run to run. */
static void forget_warning(char *plan)
{
    char *line = plan ? strstr(plan, "\nwarning: the plan takes ") : NULL, *end = line ? strchr(line + 1, '\n') : NULL;
    if (end)
        memmove(line, end, strlen(end) + 1);
}

/* `plan` of a model, or by another way to it, as a string to be freed. */
static char *run_plan(const char *what, const char *flags, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static char *run_plan(const char *what, const char *flags, const char *format, ...)
{
    char command[4 * PATH + 100], name[80];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(name, sizeof name, "%s %s", what, flags);
    char *plan = run(name, command);
    forget_warning(plan);
    return plan;
}

/* Takes it. */
static void is_plan(char *plan, const char *whole, const char *flags)
{
    expect(plan && whole && strcmp(plan, whole) == 0, "another plan than of the whole");
    verdict("the plan of the whole", flags);
    free(plan);
}

/* The commands on a model of so many parts; its beginnings have the same plan. */
static void check_model(int n_part)
{
    static const char *const flags[] = {"--memory 16GiB", "--memory max"};
    char first[PATH], command[2 * PATH], *whole[2];
    snprintf(first, sizeof first, "%s", part_path(0, n_part));
    printf("%s:\n", n_part > 1 ? "in parts" : "as one file");
    for (int i = 0; i < 2; i++)
        whole[i] = run_plan("plan", flags[i], "'%s' plan '%s' %s", program, first, flags[i]);
    snprintf(command, sizeof command, "'%s' inspect '%s'", program, first);
    free(run("inspect", command));
    snprintf(command, sizeof command, "'%s' inspect '%s' --json", program, first);
    free(run("inspect --json", command));
    each_part(n_part, cut);
    for (int i = 0; i < 2; i++) {
        is_plan(run_plan("plan --header-only", flags[i], "'%s' plan '%s' --header-only %s", program, first, flags[i]),
                whole[i], flags[i]);
        if (n_part == 1)
            is_plan(run_plan("plan -", flags[i], "cat '%s' | '%s' plan - %s | sed '1s|/dev/stdin|%s|'", first, program,
                             flags[i], first),
                    whole[i], flags[i]);
        free(whole[i]);
    }
}

static int is_large(const char *header)
{
    struct error err = {0};
    struct gguf *g;
    double all = 0;
    if (gguf_open_header(&g, header, &err)) {
        fprintf(stderr, "large_plan: %s\n", err.text);
        return 0;
    }
    for (uint64_t i = 0; i < g->n_tensor; i++)
        all += (double)g->tensor[i].n_bytes;
    gguf_close(g);
    if (all < LEAST_BYTES)
        fprintf(stderr, "large_plan: %s has %.0f GB, and 400 are asked\n", header, all * 1e-9);
    return all >= LEAST_BYTES;
}

int main(int argc, char **argv)
{
    program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    most_seconds = argc > 2 ? atof(argv[2]) : 0;
    if (argc < 2 || !is_large(argv[1]) || temporary_folder(folder, "large")) {
        fprintf(stderr, "usage: large_plan HEADER.gguf [SECONDS]\n");
        return 2;
    }
    for (int n_part = 1; n_part <= PARTS; n_part += PARTS - 1) {
        int written = write_model(argv[1], n_part);
        if (written == 1) {
            skipped++;
            printf("skip: no file system for it\n");
        } else if (written == 0) {
            check_model(n_part);
        } else {
            expect(0, "the model cannot be written");
            verdict("a large model", argv[1]);
        }
        for (int i = 0; i < n_part; i++)
            unlink(part_path(i, n_part));
    }
    char out[PATH];
    snprintf(out, sizeof out, "%s/out", folder);
    unlink(out);
    rmdir(folder);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
