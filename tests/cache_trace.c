/* links: store format base */
/* The cache's decisions on recorded routes against the simulator's (the rules' other implementation, tools/cachesim.py): row by row
 * the same events; prompts in chunks, whose waves and slot sizes the simulator does not know, at most so many bytes more and as many hits
 * afterwards.
 *
 *   cache_trace                                       every case below: traces of the test data, and beside them the events of the
 *                                                     simulator (tools/cache_events.sh)
 *   cache_trace TRACE SLOTS[,SLOTS] [PROMPT CHUNK]    the events of one run, as lines of JSON
 *
 * The store is the real one; its files are sparse, so that reads cost nothing. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "format/gguf.h"
#include "store/expert_store.h"
#include "store/reader.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { MAX_LAYERS = 128, MAX_EXPERTS = 1024, MAX_USED = 16, HEAD = 10, SLICE = 64, AFTER = 32 };

/* Routes of a run, from a file as tools/cachesim.py describes it; layers are positions here. */
struct trace {
    int16_t *id;                   /* [n_step][n_layer][MAX_USED], -1: none */
    int n_step, n_prompt, n_chunk; /* n_prompt rows in chunks, then AFTER rows; n_chunk 0: all rows one by one */
    int n_layer, n_expert, n_used;
    int size_of[MAX_LAYERS];            /* classes in order of their first layer */
    long long expert_bytes[MAX_LAYERS]; /* of the model that was traced */
};

struct run {
    FILE *events;
    int step;
};

static int number(const json_t *head, const char *key) { return (int)json_integer_value(json_object_get(head, key)); }

/* Bytes of an expert in a slot: its extents begin and end anywhere in a page. */
static long long slot_bytes(long long bytes, int n_extent)
{
    return n_extent * (((bytes + n_extent - 1) / n_extent + 4095) / 4096 * 4096 + 4096);
}

static int read_head(struct trace *t, const json_t *head)
{
    const json_t *bytes = json_object_get(head, "expert_bytes"), *slots = json_object_get(head, "slot_bytes");
    long long size[MAX_LAYERS];
    int n_size = 0;
    t->n_layer = (int)json_array_size(json_object_get(head, "layers"));
    t->n_expert = number(head, "n_expert");
    t->n_step = number(head, "n_step");
    t->n_used = number(head, "k");
    if (t->n_layer < 1 || t->n_layer > MAX_LAYERS || t->n_expert < 1 || t->n_expert > MAX_EXPERTS || t->n_step < 1 ||
        t->n_used < 1 || t->n_used > MAX_USED || (int)json_array_size(bytes) != t->n_layer)
        return -1;
    for (int l = 0, c; l < t->n_layer; l++) {
        t->expert_bytes[l] = json_integer_value(json_array_get(bytes, (size_t)l));
        long long room = slots ? json_integer_value(json_array_get(slots, (size_t)l))
                               : slot_bytes(t->expert_bytes[l], number(head, "extents"));
        for (c = 0; c < n_size && size[c] != room; c++)
            ;
        if (c == n_size)
            size[n_size++] = room;
        t->size_of[l] = c;
    }
    return 0;
}

/* ids: as the file has them, of id_bytes each, all ones where there is none. */
static int read_ids(struct trace *t, const uint8_t *ids, int id_bytes)
{
    size_t n = (size_t)t->n_step * (size_t)t->n_layer;
    t->id = malloc(n * MAX_USED * sizeof *t->id);
    if (!t->id)
        return -1;
    memset(t->id, 0xff, n * MAX_USED * sizeof *t->id);
    for (size_t i = 0; i < n * (size_t)t->n_used; i++, ids += id_bytes) {
        int id = id_bytes == 2 ? ids[0] | ids[1] << 8 : ids[0];
        if (id < t->n_expert)
            t->id[i / (size_t)t->n_used * MAX_USED + i % (size_t)t->n_used] = (int16_t)id;
    }
    return 0;
}

static int read_trace(struct trace *t, const char *path, struct error *err)
{
    size_t n = 0;
    uint8_t *bytes = (uint8_t *)file_read_regular(path, 64 << 20, &n, err), *ids = NULL;
    uint32_t n_head = 0;
    if (bytes && n > HEAD && memcmp(bytes, "STRT1\n", 6) == 0)
        memcpy(&n_head, bytes + 6, 4);
    json_t *head = n_head && n_head < n - HEAD ? json_loadb((char *)bytes + HEAD, n_head, 0, NULL) : NULL;
    int rc = -1;
    if (head && read_head(t, head) == 0) {
        int id_bytes = number(head, "id_bytes");
        uLongf n_ids = (uLongf)t->n_step * (uLongf)t->n_layer * (uLongf)t->n_used * (uLongf)id_bytes;
        ids = malloc(n_ids);
        rc = ids && uncompress(ids, &n_ids, bytes + HEAD + n_head, n - HEAD - n_head) == Z_OK
                 ? read_ids(t, ids, id_bytes)
                 : -1;
    }
    json_decref(head);
    free(ids);
    free(bytes);
    return rc == 0 ? 0 : error_set(err, ERR_FORMAT, "%s: cannot be read as a compressed trace of routes", path);
}

static void on_event(void *arg, const struct store_event *e)
{
    struct run *r = arg;
    fprintf(r->events, "{\"t\": %d, \"l\": %d, \"ev\": \"%s\", \"layer\": %d, \"id\": %d}\n", r->step, e->turn,
            e->evict ? "evict" : "read", e->layer, e->id);
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

static int write_events(struct trace *t, const char *path, const char *slots_text, FILE *events, struct error *err)
{
    int slots[EXPERT_CLASSES] = {0};
    parse_slots(slots_text, slots);
    return read_trace(t, path, err) ? -1 : run_trace(t, slots, events, err);
}

/* ---- against the simulator ---------------------------------------------------------------------------------------------------- */

/* What the simulator says of a case. rows by chunk 0: its events are beside the trace, in NAME.SLOTS.events. Else the bytes that a
 * prompt of so many rows reads, and the hits among the uses of the AFTER rows behind it. */
struct by_the_rules {
    const char *trace, *slots;
    int rows, chunk;
    long long bytes, hits, uses;
};

static int same_events(const struct by_the_rules *c, FILE *events)
{
    char path[512], got[200], want[200];
    int n = 0, same = 1;
    snprintf(path, sizeof path, TEST_DATA "/traces/%s.%s.events", c->trace, c->slots);
    FILE *rules = fopen(path, "r");
    while (same && rules && fgets(want, sizeof want, rules)) {
        n++;
        same = fgets(got, sizeof got, events) && strcmp(got, want) == 0;
        if (!same)
            printf("event %d: the store %s by the rules %s", n, feof(events) ? "has none," : got, want);
    }
    if (same && fgets(got, sizeof got, events)) {
        printf("one event more than the %d by the rules: %s", n, got);
        same = 0;
    }
    if (rules)
        fclose(rules);
    if (same && n)
        printf("same: %d events\n", n);
    return same && n > 0;
}

/* Is the expert used in the chunk that begins at row? */
static int used(const struct trace *t, int row, int layer, int id)
{
    for (int r = row; r < row + t->n_chunk && r < t->n_prompt; r++)
        for (int u = 0; u < MAX_USED; u++)
            if (t->id[((size_t)r * (size_t)t->n_layer + (size_t)layer) * MAX_USED + (size_t)u] == id)
                return 1;
    return 0;
}

/* What was read early and not used is left out: how much of it is really read depends on the disk. */
static int near_the_rules(const struct by_the_rules *c, const struct trace *t, FILE *events)
{
    char line[200];
    int row, turn, layer, id;
    long long bytes = 0, misses = 0, wrong = 0;
    while (fgets(line, sizeof line, events)) {
        if (sscanf(line, "{\"t\": %d, \"l\": %d, \"ev\": \"read\", \"layer\": %d, \"id\": %d}", &row, &turn, &layer,
                   &id) != 4)
            continue;
        if (row >= t->n_prompt)
            misses++;
        else if (used(t, row, layer, id))
            bytes += t->expert_bytes[layer];
        else
            wrong++;
    }
    double want = 100.0 * (double)c->hits / (double)c->uses, got = 100.0 * (1 - (double)misses / (double)c->uses);
    printf("prompt %lld MiB, by the rules %lld; %lld read early and not used; then %.1f %% hits, %.1f\n", bytes >> 20,
           c->bytes >> 20, wrong, got, want);
    return bytes > 0 && (double)bytes <= 1.05 * (double)c->bytes && got >= want - 2;
}

static int check(const struct by_the_rules *c)
{
    char path[512];
    struct error err = {0};
    struct trace t = {.n_prompt = c->rows, .n_chunk = c->chunk};
    FILE *events = tmpfile();
    snprintf(path, sizeof path, TEST_DATA "/traces/%s.strt", c->trace);
    printf("%s, slots %s", c->trace, c->slots);
    printf(c->chunk ? ", %d rows by %d: " : ": ", c->rows, c->chunk);
    int ok = events && write_events(&t, path, c->slots, events, &err) == 0;
    if (!ok) {
        printf("%s\n", events ? err.text : "no temporary file");
    } else {
        rewind(events);
        ok = c->chunk ? near_the_rules(c, &t, events) : same_events(c, events);
    }
    if (events)
        fclose(events);
    free(t.id);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct by_the_rules cases[] = {{"rec-q3moe-128k6", "100,100", 0, 0, 0, 0, 0},
                                                {"rec-q3moe-128k6", "10,700", 0, 0, 0, 0, 0},
                                                {"rec-gptoss-128k2", "300", 0, 0, 0, 0, 0},
                                                {"rec-gemma4-128k6", "500,60", 0, 0, 0, 0, 0},
                                                {"syn-q3moe-128k8", "512,585", 512, 128, 35218169856, 9445, 12288},
                                                {"syn-q3moe-128k8", "512,585", 512, 256, 23947186176, 9451, 12288},
                                                {"syn-q3moe-128k8", "512,585", 256, 32, 36638097408, 9306, 12288},
                                                {"rec-gptoss-128k2", "1100", 85, 40, 23702025600, 1699, 2304}};
    enum { CASES = sizeof cases / sizeof *cases };
    if (argc == 3 || argc == 5) {
        struct error err = {0};
        struct trace t = {.n_prompt = argc == 5 ? atoi(argv[3]) : 0, .n_chunk = argc == 5 ? atoi(argv[4]) : 0};
        int rc = write_events(&t, argv[1], argv[2], stdout, &err);
        free(t.id);
        if (rc)
            fprintf(stderr, "%s\n", err.text);
        return rc != 0;
    }
    int passed = 0;
    for (int i = 0; i < CASES; i++)
        passed += check(&cases[i]);
    printf("%d passed, %d failed, 0 skipped\n", passed, CASES - passed);
    return passed < CASES;
}
