/* links: store format base */
/* The cache's decisions on recorded routes against the simulator's (the rules' other implementation): row by row the same events;
 * prompts in chunks, whose waves and room the simulator does not have, at most so many bytes more and as many hits afterwards.
 *
 *   cache_trace                                       every case below, with ../shared/tools/cachesim.py; skipped where that or
 *                                                     Python is absent
 *   cache_trace TRACE SLOTS[,SLOTS] [PROMPT CHUNK]    the events of one run, as lines of JSON
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

enum { MAX_LAYERS = 128, MAX_EXPERTS = 1024, MAX_USED = 16, MAX_LINE = 4096, SLICE = 64, AFTER = 32 };

/* A trace as text: "step phase layer id id ...", from cachesim.py dump; layers are positions here. */
struct trace {
    FILE *dump;
    int16_t *id;                   /* [n_step][n_layer][MAX_USED], -1: none */
    int n_step, n_prompt, n_chunk; /* n_prompt rows in chunks, then AFTER rows; n_chunk 0: all rows one by one */
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

static int read_ids(struct trace *t, struct error *err)
{
    char line[MAX_LINE];
    size_t n = 0, room = 0;
    while (fgets(line, sizeof line, t->dump)) {
        int at, more, id;
        if (sscanf(line, "%*d %*s %*d%n", &at) < 0)
            return error_set(err, ERR_FORMAT, "not a line of a trace: %s", line);
        if (n == room) {
            room = room ? 2 * room : 4096;
            t->id = realloc(t->id, room * MAX_USED * sizeof *t->id);
        }
        int16_t *to = t->id + n++ * MAX_USED;
        memset(to, 0xff, MAX_USED * sizeof *to);
        for (int k = 0; k < MAX_USED && sscanf(line + at, "%d%n", &id, &more) == 1; at += more)
            to[k++] = (int16_t)id;
    }
    t->n_step = (int)n / t->n_layer;
    return 0;
}

/* Rows [row, row + n_rows) in one layer, sorted by expert: decode rows if it is one, else a prompt's. */
static int layer_call(const struct trace *t, struct expert_store *st, int layer, int row, int n_rows, struct error *err)
{
    static int32_t id[MAX_EXPERTS], start[MAX_EXPERTS + 1], rows[1 << 16];
    static struct expert_wave wave[MAX_EXPERTS];
    struct expert_view v;
    int n = 0, k = 0;
    for (int x = 0; x < t->n_expert; x++) {
        int first = k;
        for (int r = 0; r < n_rows; r++)
            for (int u = 0; u < MAX_USED; u++)
                if (t->id[((size_t)(row + r) * (size_t)t->n_layer + (size_t)layer) * MAX_USED + (size_t)u] == x)
                    rows[k++] = r;
        if (k == first)
            continue;
        id[n] = x;
        start[n++] = first;
    }
    start[n] = k;
    if (n == 0)
        return 0;
    struct expert_uses uses = {id, start, rows, n, n_rows, n_rows > 1 ? n_rows : 0};
    int n_wave = store_layer_begin(st, layer, &uses, wave);
    for (int w = 0, begun = 0; w < n_wave; w++) {
        for (; begun < n_wave && begun <= w + 1; begun++)
            if (store_begin(st, &wave[begun], err) != 0)
                return -1;
        while (store_next(st, 1, &v, err))
            if (v.failed)
                return -1;
        store_end(st);
    }
    return 0;
}

static int step(const struct trace *t, struct expert_store *st, struct run *r, int row, int n_rows, struct error *err)
{
    r->step = row;
    store_sweep_begin(st, n_rows > 1 ? n_rows : 0);
    for (int l = 0; l < t->n_layer; l++)
        if (layer_call(t, st, l, row, n_rows, err) != 0)
            return -1;
    return 0;
}

static int play(const struct trace *t, struct expert_store *st, struct run *r, struct error *err)
{
    int row = 0, end = t->n_chunk ? t->n_prompt + AFTER : t->n_step, rc = 0;
    end = end < t->n_step ? end : t->n_step;
    for (int n; row < t->n_prompt && t->n_chunk && rc == 0; row += n) {
        n = t->n_prompt - row < t->n_chunk ? t->n_prompt - row : t->n_chunk;
        rc = step(t, st, r, row, n, err);
    }
    for (; row < end && rc == 0; row++)
        rc = step(t, st, r, row, 1, err);
    return rc;
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

static int write_events(const char *path, const char *slots_text, int prompt, int chunk, FILE *events,
                        struct error *err)
{
    struct trace t = {.n_prompt = prompt, .n_chunk = chunk};
    int slots[EXPERT_CLASSES] = {0};
    if (read_head(&t, path) != 0)
        return error_set(err, ERR_IO, "%s: reading it with cachesim.py failed", path);
    parse_slots(slots_text, slots);
    int rc = read_ids(&t, err) ? -1 : run_trace(&t, slots, events, err);
    pclose(t.dump);
    free(t.id);
    return rc;
}

/* Bytes that the prompt read and hits of the rows after it: the engine's events against simulate_prompt(). What was read early
 * and not used is left out: how much of it is really read depends on the disk. */
static const char compare_prompts[] =
    "import sys, json; sys.path.insert(0, sys.argv[1]); import cachesim as c\n"
    "t = c.Trace.load(sys.argv[2]); slots = [int(x) for x in sys.argv[3].split(',')]; n, chunk = map(int, "
    "sys.argv[4:6])\n"
    "o = c.simulate_prompt(t, slots, n, chunk); read = after = guess = wrong = 0; used = {}\n"
    "for a in range(0, n, chunk):\n"
    "    for l in range(t.L): used[a, l] = set(i for r in t.ids[a:min(n, a + chunk)] for i in r[l])\n"
    "for e in map(json.loads, open(sys.argv[6])):\n"
    "    if e['ev'] != 'read': continue\n"
    "    if e['t'] >= n: after += 1; continue\n"
    "    guess += e['l'] != e['layer']\n"
    "    if e['id'] in used[e['t'], e['layer']]: read += t.bytes[e['layer']]\n"
    "    else: wrong += 1\n"
    "want = sum(r for r, _ in o['chunks']); hit = 100 * o['dhits'] / o['dn']; got = 100 * (1 - after / o['dn'])\n"
    "print('prompt %.0f MiB, by the rules %.0f; %d of %d guesses wrong; then %.1f %% hits, %.1f' % (read / 2**20, want "
    "/ "
    "2**20, wrong, guess, got, hit))\n"
    "sys.exit(read > 1.05 * want or got < hit - 2)";

/* 1 passed, 0 failed. */
static int check(const char *trace, const char *slots, int prompt, int chunk)
{
    char path[512], command[4096], log[] = "/tmp/stoker-events-XXXXXX";
    struct error err = {0};
    int fd = mkstemp(log);
    FILE *events = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!events)
        return 0;
    snprintf(path, sizeof path, "%s/traces/%s", shared(), trace);
    int rc = write_events(path, slots, prompt, chunk, events, &err);
    fclose(events);
    if (chunk)
        snprintf(command, sizeof command, "python3 -c \"%s\" '%s/tools' '%s' %s %d %d %s", compare_prompts, shared(),
                 path, slots, prompt, chunk, log);
    else
        snprintf(command, sizeof command, "python3 '%s/tools/cachesim.py' check '%s' --slots %s --events %s", shared(),
                 path, slots, log);
    printf("%s, slots %s", trace, slots);
    printf(chunk ? ", %d rows by %d: " : ": ", prompt, chunk);
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
    static const struct {
        const char *trace, *slots;
        int prompt, chunk;
    } cases[] = {{"rec-q3moe-128k6.strt", "100,100", 0, 0},     {"rec-q3moe-128k6.strt", "10,700", 0, 0},
                 {"rec-gptoss-128k2.strt", "300", 0, 0},        {"rec-gemma4-128k6.strt", "500,60", 0, 0},
                 {"syn-q3moe-128k8.strt", "512,585", 512, 128}, {"syn-q3moe-128k8.strt", "512,585", 512, 256},
                 {"syn-q3moe-128k8.strt", "512,585", 256, 32},  {"rec-gptoss-128k2.strt", "1100", 85, 40}};
    enum { CASES = sizeof cases / sizeof *cases };
    struct error err = {0};
    if (argc == 3 || argc == 5) {
        int prompt = argc == 5 ? atoi(argv[3]) : 0, chunk = argc == 5 ? atoi(argv[4]) : 0;
        if (write_events(argv[1], argv[2], prompt, chunk, stdout, &err) == 0)
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
        passed += check(cases[i].trace, cases[i].slots, cases[i].prompt, cases[i].chunk);
    printf("%d passed, %d failed, 0 skipped\n", passed, CASES - passed);
    return passed < CASES;
}
