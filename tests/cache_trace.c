/* links: store format base */
/* The cache's decisions on recorded routes against the simulator's, event by event (the rules' other implementation).
 *
 *   cache_trace                        every case below, with ../shared/tools/cachesim.py; skipped where that or Python is absent
 *   cache_trace TRACE SLOTS[,SLOTS]    the events of one run, as lines of JSON
 *
 * The store is the real one; its files are holes, so that reads cost nothing. */
#include "base/error.h"
#include "base/log.h"
#include "format/gguf.h"
#include "store/expert_store.h"
#include "store/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LAYERS = 128, MAX_EXPERTS = 1024, MAX_LINE = 4096, SLICE = 64 };

/* A trace as text: "step phase layer id id ...", from cachesim.py dump; layers are positions here. */
struct trace {
    FILE *dump;
    int n_layer, n_expert, size_of[MAX_LAYERS]; /* size_of: classes in order of their first layer */
};

struct run {
    FILE *events;
    int step;
};

static const char *shared(void)
{
    const char *dir = getenv("STOKER_SHARED");
    return dir && *dir ? dir : "../shared";
}

/* The header's figures, by the tool that knows the format. */
static int read_head(struct trace *t, const char *path)
{
    char command[1024];
    snprintf(command, sizeof command,
             "python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import cachesim; t = "
             "cachesim.Trace.load(sys.argv[2]); "
             "print(t.L, t.E, *[list(cachesim.classes(t)).index(s) for s in t.slot])' '%s/tools' '%s'",
             shared(), path);
    FILE *f = popen(command, "r");
    int ok = f && fscanf(f, "%d %d", &t->n_layer, &t->n_expert) == 2 && t->n_layer > 0 && t->n_layer <= MAX_LAYERS &&
             t->n_expert > 0 && t->n_expert <= MAX_EXPERTS;
    for (int l = 0; ok && l < t->n_layer; l++)
        ok = fscanf(f, "%d", &t->size_of[l]) == 1;
    if (f)
        pclose(f);
    snprintf(command, sizeof command, "python3 '%s/tools/cachesim.py' dump '%s'", shared(), path);
    t->dump = ok ? popen(command, "r") : NULL;
    return t->dump ? 0 : -1;
}

static void on_event(void *arg, const struct store_event *e)
{
    struct run *r = arg;
    fprintf(r->events, "{\"t\": %d, \"l\": %d, \"ev\": \"%s\", \"layer\": %d, \"id\": %d}\n", r->step, e->turn,
            e->evict ? "evict" : "read", e->layer, e->id);
}

static int compare_ids(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

/* One decode row: its experts, ascending. */
static int layer_call(struct expert_store *st, int layer, int32_t *id, int n, struct error *err)
{
    int32_t start[MAX_EXPERTS + 1], row[MAX_EXPERTS] = {0};
    struct expert_wave wave[MAX_EXPERTS];
    struct expert_view v;
    qsort(id, (size_t)n, sizeof *id, compare_ids);
    for (int i = 0; i <= n; i++)
        start[i] = i;
    struct expert_uses uses = {id, start, row, n, 1, 0};
    int n_wave = store_layer_begin(st, layer, &uses, wave);
    for (int k = 0; k < n_wave; k++) {
        if (store_begin(st, &wave[k], err) != 0)
            return -1;
        while (store_next(st, 1, &v, err))
            if (v.failed)
                return -1;
        store_end(st);
    }
    return 0;
}

static int play(struct trace *t, struct expert_store *st, struct run *r, struct error *err)
{
    char line[MAX_LINE];
    for (int position = 0; fgets(line, sizeof line, t->dump); position = (position + 1) % t->n_layer) {
        int32_t id[MAX_EXPERTS];
        int n = 0, at, layer;
        if (sscanf(line, "%d %*s %d%n", &r->step, &layer, &at) != 2)
            return error_set(err, ERR_FORMAT, "not a line of a trace: %s", line);
        for (int more; n < MAX_EXPERTS && sscanf(line + at, "%d%n", &id[n], &more) == 1; at += more)
            n++;
        if (n > 0 && layer_call(st, position, id, n, err) != 0)
            return -1;
    }
    return 0;
}

/* A store of the trace's shape over a file of zeros. */
static int run_trace(struct trace *t, const int *slots, FILE *events, struct error *err)
{
    struct expert_layer layer[MAX_LAYERS];
    int n_slot = 0, n_class = 0, class_of[MAX_LAYERS];
    uint64_t size = 0, slot_bytes = 0;
    for (int l = 0; l < t->n_layer; l++) {
        uint64_t bytes = (uint64_t)SLICE * (uint64_t)(1 + t->size_of[l]);
        layer[l] = (struct expert_layer){.layer = l, .n_expert = t->n_expert, .n_part = 1};
        layer[l].part[0] = (struct expert_extent){"trace", 0, size, bytes};
        size += bytes * (uint64_t)t->n_expert;
    }
    FILE *holes = tmpfile();
    if (!holes || ftruncate(fileno(holes), (off_t)size) != 0)
        return error_set(err, ERR_IO, "no temporary file");
    struct stat s;
    fstat(fileno(holes), &s);
    struct gguf_file file = {"holes", fileno(holes), size, 0, s.st_dev, s.st_ino, s.st_mtim};
    struct expert_class class[EXPERT_CLASSES];
    n_class = expert_classes(layer, t->n_layer, reader_align_of(&file, 1), class, class_of);
    for (int c = 0; c < n_class; c++) {
        n_slot += slots[c];
        slot_bytes += (uint64_t)slots[c] * class[c].slot_bytes;
    }
    const struct reader_options opt = {.backend = READER_BUFFERED, .depth = 2};
    struct arena tables = {0}, memory = {0};
    struct reader *reader = NULL;
    struct expert_store *st = NULL;
    struct run r = {events, 0};
    int rc = -1;
    if (arena_map(&tables, reader_bytes(&opt) + store_table_bytes(layer, t->n_layer, n_slot), err) != 0 ||
        arena_map(&memory, slot_bytes, err) != 0 || reader_open(&reader, &file, 1, &opt, &tables, err) != 0 ||
        store_create(&st, reader, layer, t->n_layer, slots, &memory, &tables, err) != 0)
        goto done;
    store_log(st, on_event, &r);
    rc = play(t, st, &r, err);
done:
    store_destroy(st);
    if (reader)
        reader_close(reader);
    arena_unmap(&tables);
    arena_unmap(&memory);
    fclose(holes);
    return rc;
}

static int parse_slots(const char *text, int *slots)
{
    int n = 0;
    for (char *end; n < EXPERT_CLASSES; text = end + 1) {
        slots[n++] = (int)strtol(text, &end, 10);
        if (*end != ',')
            break;
    }
    return n;
}

static int write_events(const char *path, const char *slots_text, FILE *events, struct error *err)
{
    struct trace t = {0};
    int slots[EXPERT_CLASSES] = {0};
    if (read_head(&t, path) != 0)
        return error_set(err, ERR_IO, "%s: reading it with cachesim.py failed", path);
    parse_slots(slots_text, slots);
    int rc = run_trace(&t, slots, events, err);
    pclose(t.dump);
    return rc;
}

/* 1 passed, 0 failed. */
static int check(const char *trace, const char *slots)
{
    char path[512], command[1200], log[] = "/tmp/stoker-events-XXXXXX";
    struct error err = {0};
    int fd = mkstemp(log);
    FILE *events = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!events)
        return 0;
    snprintf(path, sizeof path, "%s/traces/%s", shared(), trace);
    int rc = write_events(path, slots, events, &err);
    fclose(events);
    snprintf(command, sizeof command, "python3 '%s/tools/cachesim.py' check '%s' --slots %s --events %s", shared(),
             path, slots, log);
    printf("%s, slots %s: ", trace, slots);
    fflush(stdout);
    if (rc != 0)
        printf("%s\n", err.text);
    else
        rc = system(command);
    unlink(log);
    return rc == 0;
}

int main(int argc, char **argv)
{
    static const char *const cases[][2] = {{"rec-q3moe-128k6.strt", "100,100"},
                                           {"rec-q3moe-128k6.strt", "10,700"},
                                           {"rec-gptoss-128k2.strt", "300"},
                                           {"rec-gemma4-128k6.strt", "500,60"}};
    enum { CASES = sizeof cases / sizeof *cases };
    struct error err = {0};
    if (argc == 3) {
        if (write_events(argv[1], argv[2], stdout, &err) == 0)
            return 0;
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    char tool[512];
    snprintf(tool, sizeof tool, "%s/tools/cachesim.py", shared());
    if (access(tool, R_OK) != 0 || system("python3 -c pass >/dev/null 2>&1") != 0) {
        printf("no simulator to compare with\n0 passed, 0 failed, %d skipped\n", CASES);
        return 0;
    }
    int passed = 0;
    for (int i = 0; i < CASES; i++)
        passed += check(cases[i][0], cases[i][1]);
    printf("%d passed, %d failed, 0 skipped\n", passed, CASES - passed);
    return passed < CASES;
}
