/* See log.h. A line that does not end, is no experiment or has another version makes a log damaged: it is written by one call a line, so
 * that only a machine that stops, or a full drive, cuts it. To a log with a line of another machine nothing is added: rates of two
 * machines in one table would be compared. It can be shown. */
#include "cli/bench/log.h"

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/common/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_MOST = 256 << 20, BESIDE_MOST = 99 };

/* Lines of a log that is read. */
struct lines {
    char *text;
    size_t n, at;
    int number;                    /* of the line at hand, from 1 */
    char wrong[96];                /* what is wrong with it; "": nothing */
    char machine[PROFILE_MACHINE]; /* that all must be of; "": any */
};

/* 0: read, also where there is no such file yet, with text NULL. */
static int open_lines(struct lines *l, const char *path, int must_exist)
{
    struct error err = {0};
    *l = (struct lines){0};
    if (!must_exist && access(path, F_OK) && errno == ENOENT)
        return 0;
    l->text = file_read_regular(path, LOG_MOST, &l->n, &err);
    if (!l->text)
        fprintf(stderr, "stoker bench: --log %s\n", err.text);
    return l->text ? 0 : -1;
}

static int is_experiment(const json_t *o)
{
    static const char *const texts[] = {"machine", "model", "test", "a", "b", "verdict"}, *const numbers[] = {
                                                                                              "ratio", "low", "high",
                                                                                              "a_ts", "b_ts"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!json_is_string(json_object_get(o, texts[i])))
            return 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!json_is_number(json_object_get(o, numbers[i])))
            return 0;
    return 1;
}

static int is_elsewhere(const struct lines *l, const json_t *o)
{
    return *l->machine && strcmp(l->machine, json_string_value(json_object_get(o, "machine"))) != 0;
}

/* The next experiment, to be released; NULL behind the last, or where wrong is set. */
static json_t *next_line(struct lines *l)
{
    if (l->at >= l->n)
        return NULL;
    const char *begin = l->text + l->at, *end = memchr(begin, '\n', l->n - l->at);
    l->number++;
    if (!end) {
        snprintf(l->wrong, sizeof l->wrong, "line %d is cut off", l->number);
        return NULL;
    }
    l->at = (size_t)(end - l->text) + 1;
    json_t *o = json_loadb(begin, (size_t)(end - begin), 0, NULL), *version = json_object_get(o, "log_version");
    if (!json_is_integer(version))
        snprintf(l->wrong, sizeof l->wrong, "line %d is no experiment of stoker bench", l->number);
    else if (json_integer_value(version) != BENCH_LOG_VERSION)
        snprintf(l->wrong, sizeof l->wrong, "line %d is of version %lld, and this stoker writes version %d", l->number,
                 (long long)json_integer_value(version), BENCH_LOG_VERSION);
    else if (!is_experiment(o))
        snprintf(l->wrong, sizeof l->wrong, "line %d lacks what an experiment has", l->number);
    else if (is_elsewhere(l, o))
        snprintf(l->wrong, sizeof l->wrong, "line %d is of another machine", l->number);
    else
        return o;
    json_decref(o);
    return NULL;
}

/* Tells in `wrong` why nothing may be added to a log. -1: it cannot be read, after a sentence. */
static int examine(const char *path, char *wrong, size_t cap)
{
    struct lines l;
    if (open_lines(&l, path, 0))
        return -1;
    profile_machine(l.machine);
    for (json_t *o; (o = next_line(&l));)
        json_decref(o);
    snprintf(wrong, cap, "%s", l.wrong);
    free(l.text);
    return 0;
}

/* Hours of measuring must not end with a file that cannot be written. */
static int try_to_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    fprintf(stderr, "stoker bench: --log %s: %s\n", path, strerror(errno));
    return -1;
}

int bench_log_choose(char out[PATH_MAX], const char *path)
{
    char wrong[96], first[96] = "";
    for (int i = 1; i <= BESIDE_MOST; i++) {
        int n = i == 1 ? snprintf(out, PATH_MAX, "%s", path) : snprintf(out, PATH_MAX, "%s.%d", path, i);
        if (n >= PATH_MAX) {
            fprintf(stderr, "stoker bench: --log: the path is too long\n");
            return -1;
        }
        if (examine(out, wrong, sizeof wrong))
            return -1;
        if (i == 1)
            memcpy(first, wrong, sizeof first);
        if (*wrong)
            continue;
        if (try_to_write(out))
            return -1;
        if (i > 1)
            fprintf(stderr, "stoker bench: --log %s: %s; it is left alone, and %s is written\n", path, first, out);
        return 0;
    }
    fprintf(stderr, "stoker bench: --log %s: it and all logs beside it, to %s, cannot be added to; name another file\n",
            path, out);
    return -1;
}

int bench_log_add(const char *path, const json_t *experiment)
{
    char *line = json_dumps(experiment, JSON_COMPACT | JSON_PRESERVE_ORDER);
    size_t n = line ? strlen(line) : 0;
    int fd = line ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1, failed = fd < 0;
    if (!failed) {
        line[n] = '\n'; /* instead of its NUL: a line is one write */
        ssize_t written = write(fd, line, n + 1);
        failed = written != (ssize_t)(n + 1);
        errno = written >= 0 && failed ? ENOSPC : errno;
        failed |= close(fd) != 0;
    }
    if (failed)
        fprintf(stderr, "stoker bench: --log %s: %s\n", path, strerror(line ? errno : ENOMEM));
    free(line);
    return failed ? -1 : 0;
}

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number_of(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

/* B took A's place; logs from before kept what answers otherwise, too. */
static int is_kept(const json_t *o)
{
    return strcmp(text_of(o, "decision"), "kept") == 0 && strcmp(text_of(o, "outputs"), "equal") == 0;
}

/* best: an object of what was best by machine, model and test: [tokens/s, settings]. Takes in A, and B where it was kept. */
static double best_so_far(json_t *best, const json_t *o)
{
    char *key = NULL;
    json_t *pair = json_pack("[s, s, s]", text_of(o, "machine"), text_of(o, "model"), text_of(o, "test"));
    double top = 0;
    if (pair && (key = json_dumps(pair, JSON_COMPACT))) {
        double a = number_of(o, "a_ts"), b = is_kept(o) ? number_of(o, "b_ts") : 0;
        top = json_number_value(json_array_get(json_object_get(best, key), 0));
        if (a > top || b > top) {
            top = a > b ? a : b;
            json_object_set_new(best, key, json_pack("[f, s]", top, text_of(o, a > b ? "a" : "b")));
        }
    }
    free(key);
    json_decref(pair);
    return top;
}

/* A log may come from elsewhere: what a terminal would obey is taken out. */
static const char *plain(const json_t *o, const char *key, char *out, size_t cap)
{
    snprintf(out, cap, "%s", text_of(o, key));
    utf8_make_plain(out);
    return out;
}

/* What the roofs of a side allow, and how much of that it was; "": its line does not tell. */
static const char *bound(const json_t *o, const char *bound_key, const char *efficiency_key, char *out, size_t cap)
{
    *out = 0;
    if (number_of(o, bound_key) > 0)
        snprintf(out, cap, "%.2f, %.0f %%", number_of(o, bound_key), 100 * number_of(o, efficiency_key));
    return out;
}

static void print_row(int number, const json_t *o, double best)
{
    char test[64], b[400], verdict[32], decision[16], outputs[32], of_a[64], of_b[64];
    printf("| %4d | %-15s | %-40s | %10.2f | %19s | %10.2f | %19s | %6.3f [%.3f, %.3f] | %-19s | %-7s | %-12s | %10.2f "
           "|\n",
           number, plain(o, "test", test, sizeof test), plain(o, "b", b, sizeof b), number_of(o, "a_ts"),
           bound(o, "a_bound_ts", "a_efficiency", of_a, sizeof of_a), number_of(o, "b_ts"),
           bound(o, "b_bound_ts", "b_efficiency", of_b, sizeof of_b), number_of(o, "ratio"), number_of(o, "low"),
           number_of(o, "high"), plain(o, "verdict", verdict, sizeof verdict),
           plain(o, "decision", decision, sizeof decision), plain(o, "outputs", outputs, sizeof outputs), best);
}

static void print_best(const char *key, const json_t *one)
{
    char name[PATH_MAX + PROFILE_MACHINE + 80], with[400];
    snprintf(name, sizeof name, "%s", key);
    snprintf(with, sizeof with, "%s", json_string_value(json_array_get(one, 1)));
    utf8_make_plain(name);
    utf8_make_plain(with);
    printf("\nbest of %s: %.2f tokens/s with %s\n", name, json_number_value(json_array_get(one, 0)), with);
}

int bench_log_table(const char *path)
{
    struct lines l;
    json_t *best = json_object(), *one;
    const char *key;
    if (open_lines(&l, path, 1)) {
        json_decref(best);
        return 1;
    }
    printf("| %4s | %-15s | %-40s | %10s | %19s | %10s | %19s | %-21s | %-19s | %-7s | %-12s | %10s |\n", "", "test",
           "B", "A t/s", "A bound, efficiency", "B t/s", "B bound, efficiency", "B / A in time", "verdict", "",
           "outputs", "best t/s");
    printf("| ---: | --------------- | ---------------------------------------- | ---------: | ------------------: | "
           "---------: | ------------------: | --------------------- | ------------------- | ------- | ------------ | "
           "---------: |\n");
    for (json_t *o; (o = next_line(&l)); json_decref(o))
        print_row(l.number, o, best_so_far(best, o));
    json_object_foreach(best, key, one) print_best(key, one);
    json_decref(best);
    free(l.text);
    if (!*l.wrong)
        return 0;
    fprintf(stderr, "stoker bench: --log %s: %s\n", path, l.wrong);
    return 1;
}
