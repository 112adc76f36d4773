/* links: engine text model store op machine kernel format base
 *
 * Tables of embeddings whose rows are read from disk: the same bits, and no bytes of them in memory.
 *
 *     build/tests/tables
 *
 * A golden with many times its vocabulary is written (the copies of a row differ): then its tables take more than the buffers that
 * read their rows, and the plan's minimum leaves them on disk. Its answers are those of the model that is resident, whatever the
 * reader, the chunk and the threads. */
#include "base/error.h"
#include "gguf_write.h"
#include "laws_run.h"
#include "test_lines.h"

#include <unistd.h>

enum { COPIES = 64 };

static char path[] = "/tmp/stoker-tables-XXXXXX";

/* A row a token. */
static int is_table(const struct gguf_tensor *t)
{
    static const char *const names[] = {"token_embd.weight", "output.weight", "per_layer_token_embd.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(t->name, names[i]) == 0)
            return 1;
    return 0;
}

static void write_copies(struct gguf_writer *w, const struct gguf_tensor *t, float *x)
{
    size_t n = t->n_bytes / sizeof *x;
    for (int copy = 0; copy < (is_table(t) ? COPIES : 1); copy++) {
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
        gguf_write_value(&w, &g->value[i]);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        uint64_t ne[GGUF_MAX_DIMS];
        memcpy(ne, t->ne, sizeof ne);
        ne[1] *= is_table(t) ? COPIES : 1;
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

static int learn(const struct setting *how, struct line *l, int *on_disk, uint64_t *bytes, struct error *err)
{
    struct session *s = open_session(path, how, err);
    if (!s)
        return -1;
    const struct model *m = s->model;
    on_disk[0] = m->table[TABLE_TOKENS].weight->on_disk;
    on_disk[1] = m->layer_embd.table && m->table[m->layer_embd.table].weight->on_disk;
    *bytes = s->plan.part[PLAN_ROWS] - s->plan.row_store_bytes;
    line_make(l, 1, 33, m->p.n_vocab);
    int result = run_alone(s, l, how->chunk, err);
    session_close(s);
    return result;
}

/* tokens, layers: which of the tables goes to disk. */
static void check(const char *model, int tokens, int layers)
{
    static const struct setting resident = {.tier = TIER_SCALAR, .threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};
    static const enum reader_backend backend[] = {READER_URING, READER_THREADS, READER_BUFFERED};
    char file[200];
    struct error err = {0};
    struct gguf *g = NULL;
    struct line truth, l;
    int on_disk[2];
    uint64_t all = 0, left = 0;
    snprintf(file, sizeof file, TEST_DATA "/golden/%s.gguf", model);
    if (gguf_open(&g, file, &err) || enlarge(g, &err) || learn(&resident, &truth, on_disk, &all, &err))
        expect(0, "%s", err.text);
    else {
        expect(!on_disk[0] && !on_disk[1], "a table is on disk though all is resident");
        for (int i = 0; i < 3; i++) {
            struct setting s = {.tier = TIER_COUNT - 1,
                                .threads = 2,
                                .chunk = 7 + 13 * i,
                                .backend = backend[i],
                                .depth = 8,
                                .n_ctx = 64};
            if (learn(&s, &l, on_disk, &left, &err))
                expect(0, "%s: %s", describe(&s), err.text);
            expect(on_disk[0] == tokens && on_disk[1] == layers, "%s: not the tables that should be on disk",
                   describe(&s));
            expect(left < all / 2, "%s: %llu of %llu bytes of embeddings are in memory", describe(&s),
                   (unsigned long long)left, (unsigned long long)all);
            expect(line_differs(&truth, &l) < 0, "%s: differs at position %d", describe(&s), line_differs(&truth, &l));
        }
    }
    gguf_close(g);
    verdict(model, tokens ? "the tokens' table on disk" : "the layers' table on disk");
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0) {
        printf("no place for temporary files\n");
        return 1;
    }
    close(fd);
    check("qwen3moe", 1, 0);
    check("gemma4", 0, 1);
    unlink(path);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
