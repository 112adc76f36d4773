/* See side.h. A side is this program with the flags of the comparison taken out, one repetition a run unless the comparison or -r asks for
 * more, and rows as JSON, in which stoker and llama-bench name the same things alike. */
#include "cli/bench/side.h"

#include "base/utf8.h"
#include "cli/bench/child.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- command lines ---------------------------------------------------------------------------------------------------------- */

static int add(struct side *s, const char *word)
{
    if (s->n == SIDE_WORDS - 8) { /* what a run adds */
        fprintf(stderr, "stoker bench: --against: the command line has more than %d words\n", SIDE_WORDS - 8);
        return -1;
    }
    s->word[s->n++] = word;
    s->word[s->n] = NULL;
    return 0;
}

static void show(struct side *s, const char *word)
{
    size_t n = strlen(s->shown);
    snprintf(s->shown + n, sizeof s->shown - n, "%s%s", n ? " " : "", word);
    utf8_make_plain(s->shown); /* it may be cut inside a character */
}

struct known {
    const char *name;
    int takes_value, of_a_side; /* of_a_side: B may have it for itself */
};

static const char blanks[] = " \t\n"; /* between the words of --against */

/* Which of the flags arg is, "--name=value" and underscores included; arg ends where it does, or at a blank. NULL: none. */
static const struct known *known_flag(const struct known *list, size_t n, const char *arg)
{
    size_t length = strcspn(arg, "= \t\n");
    for (size_t i = 0; i < n; i++) {
        int same = strlen(list[i].name) == length;
        for (size_t k = 0; k < length && same; k++)
            same = list[i].name[k] == (arg[k] == '_' ? '-' : arg[k]);
        if (same)
            return &list[i];
    }
    return NULL;
}

static const struct known of_comparison[] = {
    {"--against", 1},
    {"--against-binary", 1},
    {"--against-llama-bench", 1},
    {"--log", 1},
    {"--pairs", 1},
    {"--effect", 1},
    {"--steal", 1},
    {"--unequal", 0},
    {"--root", 1},
    {"--progress", 0},
    {"-o", 1},
    {"-oe", 1},
    {"--no-roofs", 0, 1}, /* as the runs that are compared are measured */
    {"--config", 1, 1},
    {"--no-config", 0, 1},
    {"--print-config", 0, 1},
    {"--no-profile", 0, 1}}; /* settings are words already; builds from before do not know them */

/* "-r 5", "-r=5", "-r5": A's runs and B's are the least of as many. */
static int is_repetitions(const char *word)
{
    return word[0] == '-' && word[1] == 'r' && strchr(" \t\n=0123456789", word[2]);
}

const char *side_flag_of_both(const char *settings)
{
    for (const char *word = settings + strspn(settings, blanks); *word; word += strspn(word, blanks)) {
        if (is_repetitions(word))
            return "-r";
        const struct known *f = known_flag(of_comparison, sizeof of_comparison / sizeof *of_comparison, word);
        if (f && !f->of_a_side)
            return f->name;
        word += strcspn(word, blanks);
    }
    return NULL;
}

static const char no_roofs[] =
    "--no-roofs"; /* in the third place of its words: bounds take seconds, and decide nothing */

int side_make(struct side *s, const struct side_line *line)
{
    *s = (struct side){.has_roofs = !line->no_roofs};
    setenv("STOKER_NO_CONFIG", "1", 1); /* what settings say is among the words already */
    snprintf(s->program, sizeof s->program, "/proc/%d/exe", (int)getpid()); /* whatever a build puts in its place */
    int failed = add(s, s->program) || add(s, "bench") || add(s, no_roofs) || add(s, "-r") || add(s, "1");
    for (int i = 1; i < line->argc && !failed; i++) {
        const char *word = line->argv[i];
        const struct known *f = known_flag(of_comparison, sizeof of_comparison / sizeof *of_comparison, word);
        if (f) {
            i += f->takes_value && !strchr(word, '=');
        } else {
            failed = add(s, word);
            show(s, word);
        }
    }
    if (line->model && !failed) {
        failed = add(s, "-m") || add(s, line->model);
        show(s, line->model);
    }
    return failed;
}

static void copy(struct side *s, const struct side *a)
{
    *s = *a;
    s->word[0] = s->program;
    s->owned = NULL;
}

int side_make_settings(struct side *s, const struct side *a, const char *settings)
{
    copy(s, a);
    s->owned = strdup(settings);
    if (!s->owned) {
        fprintf(stderr, "stoker bench: no memory for the words of --against\n");
        return -1;
    }
    int failed = 0;
    char *rest = NULL;
    for (char *word = strtok_r(s->owned, blanks, &rest); word && !failed; word = strtok_r(NULL, blanks, &rest)) {
        failed = add(s, word);
        show(s, word);
    }
    return failed;
}

static int name_program(struct side *s, const char *flag, const char *program)
{
    if ((size_t)snprintf(s->program, sizeof s->program, "%s", program) < sizeof s->program)
        return 0;
    fprintf(stderr, "stoker bench: %s: the path is too long\n", flag);
    return -1;
}

enum { HELP_SECONDS = 10 }; /* a program that takes longer to print its flags is none of these */

/* Builds from before a flag do not name it. -1: it does not say, after a sentence; one that hangs would do so in its runs, too. */
static int help_names(const struct side *s, const char *flag)
{
    char *const argv[] = {(char *)(uintptr_t)s->program, "bench", "--help", NULL};
    struct child c;
    if (child_run(&c, argv, HELP_SECONDS))
        return -1;
    int names = strstr(c.out, flag) != NULL;
    free(c.out);
    return names;
}

int side_make_binary(struct side *s, const struct side *a, const char *binary)
{
    copy(s, a);
    s->shown[0] = 0;
    show(s, binary);
    show(s, a->shown);
    if (name_program(s, "--against-binary", binary))
        return -1;
    int names = help_names(s, no_roofs);
    if (names < 0)
        return -1;
    if (!names) {
        memmove(s->word + 2, s->word + 3, (size_t)(s->n - 2) * sizeof *s->word);
        s->n--;
        s->has_roofs = 0;
    }
    return 0;
}

/* Flags that mean the same to llama-bench. Threads and types are those that A had, however it was told. */
static const struct known of_peers[] = {{"-p", 1},  {"-n", 1}, {"-pg", 1}, {"-d", 1},         {"-b", 1},
                                        {"-ub", 1}, {"-r", 1}, {"-fa", 1}, {"--no-warmup", 0}};

/* Adds the word of A at i, and the value behind it, if a peer knows it: "-p 8" and "-p8" are "-p 8" there. Returns how many words
 * of A that were, or -1. */
static int add_of_peer(struct side *s, const struct side *a, int i)
{
    for (size_t k = 0; k < sizeof of_peers / sizeof *of_peers; k++) {
        const struct known *f = &of_peers[k];
        size_t n = strlen(f->name);
        if (strncmp(a->word[i], f->name, n) != 0)
            continue;
        const char *rest = a->word[i] + n;
        if (*rest && !(f->takes_value && strchr("0123456789", *rest)))
            continue;
        if (!f->takes_value)
            return add(s, f->name) ? -1 : 1;
        if (*rest == 0 && i + 1 == a->n)
            return 1;
        return add(s, f->name) || add(s, *rest == 0 ? a->word[i + 1] : rest) ? -1 : 1 + (*rest == 0);
    }
    return 1;
}

int side_make_peer(struct side *s, const struct side *a, const char *peer, const struct side_rows *of_a)
{
    *s = (struct side){0};
    snprintf(s->number, sizeof s->number, "%d", of_a->n_threads);
    snprintf(s->kv, sizeof s->kv, "%s", of_a->kv);
    if (name_program(s, "--against-llama-bench", peer) || add(s, s->program) || add(s, "-m") || add(s, of_a->model) ||
        add(s, "-t") || add(s, s->number) || add(s, "-ctk") || add(s, s->kv) || add(s, "-ctv") || add(s, s->kv))
        return -1;
    for (int i = 2, n; i < a->n; i += n)
        if ((n = add_of_peer(s, a, i)) < 0)
            return -1;
    for (int i = 0; i < s->n; i++)
        show(s, s->word[i]);
    return 0;
}

/* The first -r is that of side_make(); one that was given stands behind it, and is obeyed. */
void side_repeat(struct side *s, int n)
{
    static const char *const numbers[SIDE_REPETITIONS] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    int i = 0;
    while (i < s->n && strcmp(s->word[i], "-r") != 0)
        i++;
    if (i + 1 < s->n)
        s->word[i + 1] = numbers[n - 1];
}

void side_free(struct side *s)
{
    free(s->owned);
    s->owned = NULL;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------- */

/* s with more words behind it, and without one of its own; NULL: with all. */
static int run_with(struct child *c, const struct side *s, const char *const *more, size_t n_more, const char *without)
{
    char *argv[SIDE_WORDS + 1];
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->word[i] != without)
            argv[n++] = (char *)(uintptr_t)s->word[i];
    for (size_t i = 0; i < n_more; i++)
        argv[n++] = (char *)(uintptr_t)more[i];
    argv[n] = NULL;
    return child_run(c, argv, s->seconds);
}

static int whole(const json_t *row, const char *key) { return (int)json_integer_value(json_object_get(row, key)); }

static double real(const json_t *row, const char *key) { return json_number_value(json_object_get(row, key)); }

static const char *text(const json_t *row, const char *key, const char *usual)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : usual;
}

/* What other programs take of caches and of time between two ticks is in no wait: the least repetition has the least of it. */
static double running_of(const json_t *row)
{
    const json_t *samples = json_object_get(row, "samples_ns"), *waits = json_object_get(row, "samples_waited_ns"), *ns;
    double least = -1;
    size_t i;
    if (json_array_size(waits) != json_array_size(samples))
        return -1;
    json_array_foreach(samples, i, ns)
    {
        double whole = json_number_value(ns) / 1e9, waited = json_number_value(json_array_get(waits, i)) / 1e9;
        double running = waited > 0 && waited < whole ? whole - waited : whole;
        if (least < 0 || running < least)
            least = running;
    }
    return least;
}

static void take_row(struct side_rows *out, const json_t *row)
{
    double ns = real(row, "avg_ns");
    if (!(ns > 0) || out->n == SIDE_TESTS)
        return;
    struct side_test *test = &out->test[out->n++];
    *test = (struct side_test){.n_prompt = whole(row, "n_prompt"),
                               .n_gen = whole(row, "n_gen"),
                               .n_depth = whole(row, "n_depth"),
                               .seconds = ns / 1e9,
                               .running = running_of(row),
                               .bound = real(row, "bound_ts")};
    snprintf(test->bound_by, sizeof test->bound_by, "%s", text(row, "bound_by", ""));
    out->roofs = (struct stoker_roofs){.memory = real(row, "roof_memory"),
                                       .int8 = real(row, "roof_int8") / 2, /* a product and its addition */
                                       .f32 = real(row, "roof_f32") / 2,
                                       .drive = real(row, "roof_drive")};
    out->n_threads = whole(row, "n_threads");
    snprintf(out->kv, sizeof out->kv, "%s", text(row, "type_k", "f16"));
    snprintf(out->model, sizeof out->model, "%s", text(row, "model_filename", ""));
}

static int run_rows(const struct side *s, struct side_rows *out, const char *without)
{
    static const char *const as_json[] = {"-o", "json"};
    struct child c;
    size_t i;
    json_t *row;
    *out = (struct side_rows){0};
    if (run_with(&c, s, as_json, 2, without))
        return -1;
    json_t *rows = json_loadb(c.out, c.n, 0, NULL);
    json_array_foreach(rows, i, row) take_row(out, row);
    if (json_array_size(rows) == 0 || (size_t)out->n != json_array_size(rows))
        fprintf(stderr, "stoker bench: %s wrote no table of at most %d tests as JSON%s%s\n", s->program, SIDE_TESTS,
                *c.last ? "; its last line: " : "", c.last);
    else
        i = SIZE_MAX;
    json_decref(rows);
    free(c.out);
    return i == SIZE_MAX ? 0 : -1;
}

int side_run(const struct side *s, struct side_rows *out) { return run_rows(s, out, NULL); }

int side_describe(const struct side *s, struct side_rows *out)
{
    return run_rows(s, out, s->has_roofs ? no_roofs : NULL);
}

const struct side_test *side_test_like(const struct side_rows *rows, const struct side_test *test)
{
    for (int i = 0; i < rows->n; i++) {
        const struct side_test *of = &rows->test[i];
        if (of->n_prompt == test->n_prompt && of->n_gen == test->n_gen && of->n_depth == test->n_depth)
            return of;
    }
    return NULL;
}

static int knows_digest(const struct side *s)
{
    int knows = help_names(s, "--digest");
    if (knows == 0)
        fprintf(stderr,
                "stoker bench: %s has no bench --digest, so that its outputs cannot be proved equal; --unequal goes on "
                "without\n",
                s->program);
    return knows;
}

char *side_digest(const struct side *s)
{
    static const char *const digest[] = {"--digest"};
    struct child c;
    return knows_digest(s) > 0 && run_with(&c, s, digest, 1, NULL) == 0 ? c.out : NULL;
}
