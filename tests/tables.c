/* links: engine text model store op machine kernel format base
 *
 * Tables whose rows are read from disk: the same bits as with everything resident, whatever the cache, the reader, the chunk and the
 * threads, and however late reads come; no bytes of them in memory; counts that the drive's speed does not change; faults that end one
 * answer.
 *
 *     build/tests/tables
 *     build/tests/tables --make MODEL FILE     the enlarged golden alone
 *
 * A golden with many times its vocabulary is written (the copies of a row differ): then its tables take more than what reads their rows,
 * and the plan's minimum leaves them on disk. */
#include "base/error.h"
#include "gguf_write.h"
#include "laws_run.h"
#include "stoker.h"
#include "test_lines.h"

#include <stdatomic.h>
#include <unistd.h>

enum { COPIES = 64 };

static char made[] = "/tmp/stoker-tables-XXXXXX";
static const char *path = made;

static int by_text; /* the rows of per_layer_token_embd are not those of tokens, but are chosen by the text */

/* How often a tensor's rows are written: of tables, and of what has a row a token as they have. */
static int copies_of(const struct gguf_tensor *t)
{
    static const char *const names[] = {"token_embd.weight", "output.weight", "per_layer_token_embd.weight"};
    for (int i = 0; i < 3; i++)
        if (strcmp(t->name, names[i]) == 0)
            return by_text && i == 2 ? 8 * COPIES : COPIES;
    return strstr(t->name, "engram_embd.weight") ? 8 * COPIES : 1;
}

/* A number for each token: as often as those are written. */
static void write_key(struct gguf_writer *w, const struct gguf_value *v)
{
    struct gguf_value more = *v;
    size_t bytes = v->n * sizeof(int32_t);
    uint8_t *items = strstr(v->key.text, ".token_map") ? malloc(COPIES * bytes) : NULL;
    for (size_t i = 0; items && i < COPIES; i++)
        memcpy(items + i * bytes, v->as.items, bytes);
    if (items) {
        more.n *= COPIES;
        more.as.items = items;
    }
    gguf_write_value(w, &more);
    free(items);
}

static void write_copies(struct gguf_writer *w, const struct gguf_tensor *t, float *x)
{
    size_t n = t->n_bytes / sizeof *x;
    for (int copy = 0; copy < copies_of(t); copy++) {
        for (size_t i = 0; copy > 0 && i < n; i++)
            x[i] *= 1 + 1.0f / 256;
        gguf_write_data(w, x, t->n_bytes);
    }
}

static int enlarge(const struct gguf *g, struct error *err)
{
    struct gguf_writer w;
    gguf_write_begin(&w, path, 32);
    for (uint64_t i = 0; i < g->n_value; i++)
        write_key(&w, &g->value[i]);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        uint64_t ne[GGUF_MAX_DIMS];
        memcpy(ne, t->ne, sizeof ne);
        ne[1] *= (uint64_t)copies_of(t);
        gguf_write_tensor(&w, t->name, t->type, t->n_dims, ne);
    }
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        float *x = malloc(t->n_bytes);
        if (x && pread(g->file[t->file].fd, x, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes)
            write_copies(&w, t, x);
        free(x);
    }
    return gguf_write_end(&w, err);
}

/* Cells of each table on disk instead of those of the plan; AS_PLANNED: these; ONE_CHUNK: the rows of a step. */
enum { AS_PLANNED = -1, ONE_CHUNK = -2 };

static void set_cells(struct session *s, int n_cell)
{
    struct plan *p = &s->plan;
    for (int i = 0; i < s->model->n_table && n_cell != AS_PLANNED; i++) {
        const struct row_table *t = &s->model->table[i];
        uint64_t row = t->weight->mat.row_bytes;
        int cells = n_cell == ONE_CHUNK ? p->n_chunk * t->n_take : n_cell;
        if (p->table_cells[i] < 0)
            continue;
        uint64_t planned = row_store_bytes(row, p->n_chunk * t->n_take, p->table_cells[i]),
                 now = row_store_bytes(row, p->n_chunk * t->n_take, cells);
        p->table_cells[i] = cells;
        p->row_store_bytes += now - planned;
        p->part[PLAN_ROWS] += now - planned;
    }
}

static int late_by; /* microseconds at most, with a shim */

static struct session *open_tables(const struct setting *how, int n_cell, double timeout, struct error *err)
{
    struct session *s = NULL;
    struct session_options opt;
    options_of(how, &opt);
    opt.plan_request.reader.timeout_seconds = timeout;
    if (choose_budget(path, how, &opt, err) || session_prepare(&s, path, &opt, 0, err))
        return NULL;
    set_cells(s, n_cell);
    fault.delay_us = late_by;
    if (session_load(s, &opt, err) == 0)
        return s;
    session_close(s);
    return NULL;
}

struct result {
    struct line line;
    int on_disk[2];
    uint64_t resident; /* bytes of tables */
    int n_take;        /* of the last table */
    struct rows_stats rows;
};

static int learn(const struct setting *how, int n_cell, struct result *r, struct error *err)
{
    struct session *s = open_tables(how, n_cell, 0, err);
    if (!s)
        return -1;
    const struct model *m = s->model;
    const struct row_table *other = m->n_table > 1 ? &m->table[1] : NULL;
    *r = (struct result){.on_disk = {m->table[TABLE_TOKENS].weight->on_disk, other && other->weight->on_disk},
                         .n_take = other ? other->n_take : 1,
                         .resident = s->plan.part[PLAN_ROWS] - s->plan.row_store_bytes};
    line_make(&r->line, 1, 33, m->p.n_vocab);
    memcpy(r->line.id + 20, r->line.id, 10 * sizeof r->line.id[0]); /* rows that come again */
    int result = run_alone(s, &r->line, how->chunk, err);
    for (int i = 0; i < m->n_table; i++)
        if (m->table[i].rows)
            rows_stats(m->table[i].rows, &r->rows);
    session_close(s);
    return result;
}

static int same_counts(const struct rows_stats *a, const struct rows_stats *b)
{
    return a->wanted == b->wanted && a->unique == b->unique && a->cached == b->cached && a->reads == b->reads &&
           a->bytes == b->bytes && a->takes == b->takes;
}

/* Reads that come late and in any order: the same bits, and the same counts. */
static void check_late(const struct setting *how, int n_cell, const struct result *truth, const struct rows_stats *n)
{
    struct setting slow = *how;
    struct result late;
    struct error err = {0};
    slow.shim = 1;
    slow.order = ORDER_RANDOM;
    late_by = 3000;
    if (learn(&slow, n_cell, &late, &err))
        expect(0, "%s: %s", describe(&slow), err.text);
    late_by = 0;
    expect(line_differs(&truth->line, &late.line) < 0, "late reads, %d cells: differs", n_cell);
    expect(same_counts(n, &late.rows), "late reads, %d cells: other counts", n_cell);
}

static void check_place(const struct setting *how, int n_cell, const struct result *truth, int tokens, int other)
{
    struct result r = {.resident = 0};
    struct error err = {0};
    const struct rows_stats *n = &r.rows;
    if (learn(how, n_cell, &r, &err))
        expect(0, "%s: %s", describe(how), err.text);
    expect(r.on_disk[0] == tokens && r.on_disk[1] == other, "%s: not the tables that should be on disk", describe(how));
    expect(r.resident < truth->resident / 2, "%s: %llu of %llu bytes of tables are in memory", describe(how),
           (unsigned long long)r.resident, (unsigned long long)truth->resident);
    expect(line_differs(&truth->line, &r.line) < 0, "%s, %d cells: differs at position %d", describe(how), n_cell,
           line_differs(&truth->line, &r.line));
    expect(n->reads > 0 && n->reads <= n->unique - n->cached, "%s, %d cells: %llu reads of %llu rows, %llu cached",
           describe(how), n_cell, (unsigned long long)n->reads, (unsigned long long)n->unique,
           (unsigned long long)n->cached);
    expect(n_cell != 0 || n->cached == 0, "without cells %llu rows were cached", (unsigned long long)n->cached);
    expect(n_cell < 1000 || how->chunk > 20 || n->cached >= 10, "%llu rows were cached", (unsigned long long)n->cached);
    expect(n->wanted == (uint64_t)((33 + N_DECODE) * r.n_take) && n->failed == 0, "%llu rows wanted",
           (unsigned long long)n->wanted);
    if (how->backend != READER_BUFFERED) /* which has no shim */
        check_late(how, n_cell, truth, n);
}

/* By every reader, with every size of the cache; tokens, other: which of the tables goes to disk. */
static void check(const char *model, int tokens, int other, const char *name)
{
    static const int cells[] = {AS_PLANNED, ONE_CHUNK, 7, 1000, 0};
    struct setting s = {.tier = TIER_SCALAR, .threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};
    struct error err = {0};
    struct result truth;
    if (learn(&s, AS_PLANNED, &truth, &err)) {
        expect(0, "%s", err.text);
        verdict(model, name);
        return;
    }
    s.tier = TIER_COUNT - 1;
    s.threads = 2;
    s.depth = 8;
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++) {
        struct result resident;
        s.backend = (enum reader_backend)backend;
        s.budget = 100;
        expect(learn(&s, AS_PLANNED, &resident, &err) == 0, "%s", err.text);
        expect(!resident.on_disk[0] && !resident.on_disk[1] && line_differs(&truth.line, &resident.line) < 0,
               "%s: differs, or a table is on disk though all is resident", describe(&s));
        s.budget = 0;
        for (int i = 0; i < 5; i++) {
            s.chunk = 7 + 13 * ((i + backend) % 3);
            check_place(&s, cells[i], &truth, tokens, other);
        }
    }
    verdict(model, name);
}

/* One row of the last table cannot be read, or is never answered: the lines that it is of end with the sentence, the others have the bits
 * that they have alone. Afterwards all lines run. */
static void check_fault(enum fault_kind kind, int n_cell, enum reader_backend backend)
{
    static const struct setting resident = {.tier = TIER_SCALAR, .threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};
    struct setting how = {
        .tier = TIER_COUNT - 1, .threads = 2, .chunk = 40, .backend = backend, .shim = 1, .n_ctx = 64};
    struct line truth[LINES], line[LINES];
    struct error err = {0}, why = {0};
    int dead = 0;
    struct session *s = open_tables(&resident, AS_PLANNED, 0, &err);
    for (int i = 0; s && i < LINES; i++) {
        line_make(&truth[i], i, 20 + i, s->model->p.n_vocab);
        line[i] = truth[i];
        expect(run_alone(s, &truth[i], 40, &err) == 0, "%s", err.text);
    }
    session_close(s);
    s = s ? open_tables(&how, n_cell, 0.7, &err) : NULL;
    if (!s) {
        expect(0, "%s", err.text);
        return;
    }
    const struct gguf_tensor *table = s->model->table[s->model->n_table - 1].weight->tensor;
    char sentence[200];
    snprintf(sentence, sizeof sentence, "%s (%s, row ",
             kind == FAULT_ERROR ? "Bad file descriptor" : "not answered for 0.7 s", table->name);
    fault.from = table->offset;
    fault.to = table->offset + table->n_bytes;
    fault.reads = 0;
    fault.nth = 9;
    fault.number = EBADF;
    fault.kind = kind;
    expect(run_mixed(s, line, LINES, 5, &why, &err) == 0, "%s", err.text);
    fault.kind = FAULT_NONE;
    fault.let_go = LET_GO_RUBBISH;
    for (int i = 0; i < LINES; i++) {
        dead += line[i].dead;
        expect(line[i].dead || line_differs(&truth[i], &line[i]) < 0, "line %d is another beside one that fails", i);
    }
    /* rows by the text are those of the first copy, so near each other that one read holds rows of several lines */
    expect(dead >= 1 && (by_text || dead == 1), "%d of %d lines ended", dead, LINES);
    expect(strstr(why.text, sentence) != NULL, "the sentence is: %s", why.text);
    expect(run_mixed(s, line, LINES, 6, &why, &err) == 0, "%s", err.text);
    for (int i = 0; i < LINES; i++)
        expect(line_differs(&truth[i], &line[i]) < 0, "line %d differs after the fault", i);
    session_close(s);
}

static void check_faults(const char *model)
{
    static const int cells[] = {0, 50, ONE_CHUNK};
    for (int i = 0; i < 3; i++)
        for (int kind = 0; kind < 2; kind++)
            check_fault(kind ? FAULT_SILENCE : FAULT_ERROR, cells[i],
                        (i + kind) % 2 ? READER_THREADS : first_backend());
    verdict(model, "a row that cannot be read ends one answer");
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------- */

static struct stoker *open_engine(int n_parallel, int n_chunk)
{
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN,
                                     .n_ctx = 512,
                                     .n_parallel = n_parallel,
                                     .n_chunk = n_chunk,
                                     .n_threads = 2,
                                     .n_snapshots = 1};
    struct stoker_error err = {0};
    struct stoker *s = NULL;
    expect(stoker_open(&s, path, &o, &err) == 0, "%s", err.text);
    return s;
}

/* Requests take rows that are so far apart that no two are one read, and no row twice. */
enum { APART = 26 };

struct asked {
    int first, apart, n_prompt, n_answer;
    void (*on_score)(void *arg, size_t pos, const float *logits);
};

static stoker_id ask(struct stoker *s, const struct asked *a)
{
    static stoker_token text[2][MOST_IDS];
    static struct stoker_score score[MOST_IDS];
    struct stoker_error err = {0};
    stoker_id id = 0;
    for (int i = 0; i < a->n_prompt + a->n_answer; i++)
        text[i >= a->n_prompt][i < a->n_prompt ? i : i - a->n_prompt] = (a->first + i * a->apart) * APART;
    const struct stoker_request r = {.prompt = text[0],
                                     .n_prompt = (size_t)a->n_prompt,
                                     .max_tokens = a->n_answer,
                                     .script = text[1],
                                     .ignore_end = 1,
                                     .score_from = a->on_score ? 1 : 0,
                                     .score = a->on_score ? score : NULL,
                                     .on_score = a->on_score,
                                     .no_cache = 1};
    expect(stoker_submit(s, &r, &id, &err) == 0, "%s", err.text);
    return id;
}

static void read_events(struct stoker *s, stoker_id id, int most)
{
    struct stoker_event e;
    while (most-- > 0 && stoker_next_event(s, id, -1, &e) == 1)
        expect(e.kind != STOKER_FAILED, "%s", e.error.text);
}

static struct stoker_stats stats_of(struct stoker *s)
{
    struct stoker_stats n;
    stoker_stats_of(s, &n);
    return n;
}

/* Nothing is read that no step takes, and nothing twice. */
static void close_engine(struct stoker *s, uint64_t wanted, const char *what)
{
    struct stoker_stats n = stats_of(s);
    const struct stoker_table_stats *t = &n.table[n.n_table - 1];
    expect(n.n_table == 1 && t->wanted == wanted, "%s: %d tables, %llu rows", what, n.n_table,
           (unsigned long long)t->wanted);
    expect(t->reads > 0 && t->reads <= t->unique - t->cached, "%s: %llu reads of %llu rows, %llu cached", what,
           (unsigned long long)t->reads, (unsigned long long)t->unique, (unsigned long long)t->cached);
    stoker_close(s);
}

/* The last token of an answer takes no row. */
static void check_last_token(void)
{
    struct stoker *s = open_engine(1, 16);
    if (!s)
        return;
    for (int i = 0; i < 3; i++)
        read_events(s, ask(s, &(struct asked){.first = i, .apart = 9, .n_prompt = 1, .n_answer = 1}), MOST_IDS);
    close_engine(s, 3, "answers of one token");
}

static atomic_int others_came;

static void wait_for_others(void *arg, size_t pos, const float *logits)
{
    (void)arg, (void)pos, (void)logits;
    while (!atomic_load(&others_came))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* A prompt that has steps for itself asks early for more than it takes once others have come. */
static void check_shares(void)
{
    struct stoker *s = open_engine(3, 8);
    stoker_id id[3];
    if (!s)
        return;
    atomic_store(&others_came, 0);
    for (int i = 0; i < 3; i++) {
        struct asked a = {.first = i, .apart = 3, .n_prompt = 60, .n_answer = 1};
        a.on_score = i == 0 ? wait_for_others : NULL;
        id[i] = ask(s, &a);
        while (i == 0 && stats_of(s).table[0].reads < 16) /* its first step has begun */
            nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    atomic_store(&others_came, 1);
    for (int i = 0; i < 3; i++)
        read_events(s, id[i], MOST_IDS);
    close_engine(s, 180, "prompts that share steps");
}

/* An answer that nobody reads takes no part in steps, while another does. */
static void check_unread(void)
{
    struct stoker *s = open_engine(2, 16);
    uint64_t steps = 1, before = 0;
    if (!s)
        return;
    stoker_id unread = ask(s, &(struct asked){.first = 0, .apart = 2, .n_prompt = 1, .n_answer = 300});
    for (; steps != before || steps == 0; steps = stats_of(s).steps) {
        before = steps;
        nanosleep(&(struct timespec){0, 300000000}, NULL);
    }
    expect(steps < 300, "an answer of 300 tokens ended unread");
    read_events(s, ask(s, &(struct asked){.first = 1, .apart = 2, .n_prompt = 1, .n_answer = 20}), MOST_IDS);
    read_events(s, unread, MOST_IDS);
    close_engine(s, 300 + 20, "an answer that waits");
}

/* The golden with larger tables, at `path`. */
static void enlarge_golden(const char *model)
{
    char file[200];
    struct error err = {0};
    struct gguf *g = NULL;
    snprintf(file, sizeof file, TEST_DATA "/golden/%s.gguf", model);
    if (gguf_open(&g, file, &err) || enlarge(g, &err))
        expect(0, "%s", err.text);
    gguf_close(g);
}

static void check_model(const char *model, int tokens, int other, const char *name)
{
    enlarge_golden(model);
    check(model, tokens, other, name);
    check_faults(model);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--make") == 0) {
        path = argv[3];
        enlarge_golden(argv[2]);
        return !line_ok;
    }
    int fd = mkstemp(made);
    if (fd < 0) {
        printf("no place for temporary files\n");
        return 1;
    }
    close(fd);
    check_model("qwen3moe", 1, 0, "the tokens' table on disk");
    check_model("gemma4", 0, 1, "the layers' table on disk");
    check_last_token();
    check_shares();
    check_unread();
    verdict("gemma4", "requests read what they take");
    by_text = 1;
    check_model("qwen4exp", 1, 1, "rows of n-grams on disk");
    check_model("deepseek41", 1, 1, "two tables of engrams on disk");
    unlink(made);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
