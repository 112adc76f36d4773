/* links: quant machine kernel format base */
/* A whole run, from files to a file: every expert of a tensor is encoded by its own importance. Experts here have the same weights, so that
 * nothing but importance can make their blocks differ; what each should be is a tensor of its own, with that expert's importance. */
#include "base/log.h"
#include "quant/quant.h"
#include "quant_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COLS = 512, ROWS = 80, EXPERTS = 4, ALL = COLS * ROWS, NAME = 40 };

static char folder[TEMPORARY_PATH];

static const char *in_folder(const char *name)
{
    static char path[4][TEMPORARY_PATH + 32];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static float x[EXPERTS * ALL], sum[EXPERTS * COLS], count[EXPERTS];

/* Each expert saw another number of rows, and most of another quarter of the columns. */
static void fill(void)
{
    uint32_t state = 12345;
    for (int i = 0; i < ALL; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
    for (int e = 0; e < EXPERTS; e++) {
        memcpy(x + e * ALL, x, ALL * sizeof *x);
        count[e] = (float)(64 << e);
        for (int k = 0; k < COLS; k++)
            sum[e * COLS + k] = count[e] * (k * EXPERTS / COLS == e ? 16.0f : 0.25f);
    }
}

static void write_sources(void)
{
    static char name[EXPERTS][NAME];
    struct world_tensor whole = {"blk.0.ffn_up_exps.weight", TYPE_F32, 3, {COLS, ROWS, EXPERTS}, x}, part[EXPERTS];
    struct world_importance together = {whole.name, COLS, EXPERTS, sum, count}, alone[EXPERTS];
    for (int e = 0; e < EXPERTS; e++) {
        snprintf(name[e], NAME, "blk.%d.ffn_up.weight", e);
        part[e] = (struct world_tensor){name[e], TYPE_F32, 2, {COLS, ROWS}, x + e * ALL};
        alone[e] = (struct world_importance){name[e], COLS, 1, sum + e * COLS, count + e};
    }
    world_model(in_folder("experts.gguf"), 1, 0, &whole, 1);
    world_importance(in_folder("experts.im"), &together, 1);
    world_model(in_folder("parts.gguf"), EXPERTS, 0, part, EXPERTS);
    world_importance(in_folder("parts.im"), alone, EXPERTS);
}

/* An importance of its own alone: no expert leans to the others. */
static void quantise(const char *in, const char *importance, const char *type, uint64_t memory, int n_threads)
{
    static const double none = 0;
    struct quant_options o = {.in = in_folder(in),
                              .out = in_folder("out.gguf"),
                              .program = "test",
                              .type = type,
                              .imatrix = in_folder(importance),
                              .prior = &none,
                              .effort = QUANT_FAST,
                              .memory = memory,
                              .n_threads = n_threads};
    struct quant_watch w = {0};
    struct quant_job *j;
    struct error err = {0};
    unlink(o.out);
    if (quant_open(&j, &o, &err) || quant_run(j, &w, &err))
        fail_msg("%s", err.text);
    quant_close(j);
}

/* The bytes of an output's tensors, one behind another. */
static uint8_t *read_output(uint64_t *n)
{
    struct gguf *g;
    struct error err = {0};
    assert_int_equal(gguf_open(&g, in_folder("out.gguf"), &err), 0);
    *n = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        *n += g->tensor[i].n_bytes;
    uint8_t *bytes = malloc(*n), *at = bytes;
    for (uint64_t i = 0; i < g->n_tensor; at += g->tensor[i++].n_bytes)
        assert_int_equal(pread(g->file[0].fd, at, g->tensor[i].n_bytes, (off_t)g->tensor[i].offset),
                         g->tensor[i].n_bytes);
    gguf_close(g);
    return bytes;
}

static uint64_t hashed, to_hash;

static void on_hashed(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    assert_true(done > hashed && done <= total);
    hashed = done;
    to_hash = total;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The sentence that a run with the source's hash ends with, "" where it is whole. */
static const char *hash_and_run(struct quant_options o)
{
    static struct error err;
    struct quant_watch w = {.hashed = on_hashed};
    struct quant_job *j;
    err = (struct error){0};
    hashed = 0;
    o.in = in_folder("parts.gguf");
    o.out = in_folder("out.gguf");
    o.program = "test";
    o.type = "q8_0";
    o.hash_source = 1;
    o.n_threads = 1;
    if (quant_open(&j, &o, &err))
        fail_msg("%s", err.text);
    int failed = quant_run(j, &w, &err);
    assert_int_equal(failed, err.code != ERR_NONE ? -1 : 0);
    quant_close(j);
    return err.text;
}

/* What is in the way of the output is told before a source is hashed, which takes long and tells how far it is. */
static void hashing_comes_late(void **state)
{
    (void)state;
    write_file("out.gguf", "x");
    assert_non_null(strstr(hash_and_run((struct quant_options){0}), "out.gguf is there already"));
    assert_int_equal(hashed, 0);
    unlink(in_folder("out.gguf"));
    write_file("out.gguf.part", "x");
    assert_non_null(strstr(hash_and_run((struct quant_options){0}), "out.gguf.part is there, and no "));
    assert_int_equal(hashed, 0);
    unlink(in_folder("out.gguf.part"));
    write_file("out.gguf.journal", "stoker quantize journal 1\nrecipe --type q4_0\nbegin\n");
    assert_non_null(strstr(hash_and_run((struct quant_options){0}), "is of a run that has not ended"));
    assert_int_equal(hashed, 0);
    assert_non_null(strstr(hash_and_run((struct quant_options){.resume = 1}), "is of another run: there it is"));
    assert_int_equal(hashed, 0);
    unlink(in_folder("out.gguf.journal"));
    assert_string_equal(hash_and_run((struct quant_options){0}), "");
    assert_true(hashed > 0 && hashed == to_hash);
    unlink(in_folder("out.gguf"));
}

static void experts_have_their_own(void **state)
{
    static const char *const types[] = {"q4_k", "q2_k", "iq4_nl", "iq2_xs"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint64_t n, n_parts;
        quantise("parts.gguf", "parts.im", types[i], 0, 1);
        uint8_t *parts = read_output(&n_parts);
        for (int e = 1; e < EXPERTS; e++) /* or the test could not tell */
            for (int f = 0; f < e; f++)
                assert_memory_not_equal(parts + (uint64_t)e * (n_parts / EXPERTS),
                                        parts + (uint64_t)f * (n_parts / EXPERTS), n_parts / EXPERTS);
        for (int threads = 1; threads <= 3; threads++) { /* of slabs that end within an expert */
            quantise("experts.gguf", "experts.im", types[i], QUANT_MEMORY_LEAST, threads);
            uint8_t *whole = read_output(&n);
            assert_int_equal(n, n_parts);
            for (int e = 0; e < EXPERTS; e++)
                if (memcmp(whole + (uint64_t)e * (n / EXPERTS), parts + (uint64_t)e * (n / EXPERTS), n / EXPERTS) != 0)
                    fail_msg("%s, %d threads: expert %d is not encoded by its own importance", types[i], threads, e);
            free(whole);
        }
        free(parts);
    }
}

static char warned[512];

static void on_log(enum log_level level, const char *line)
{
    if (level == LOG_WARN)
        snprintf(warned, sizeof warned, "%s", line);
}

/* A matrix whose columns all have 0 is encoded as one without importance, and told. */
static void flat_importance_is_told(void **state)
{
    static float flat[EXPERTS * COLS];
    const struct world_importance one = {"blk.0.ffn_up_exps.weight", COLS, EXPERTS, flat, count};
    (void)state;
    for (int is_flat = 0; is_flat < 2; is_flat++) {
        memcpy(flat, sum, sizeof flat);
        for (int i = 0; is_flat && i < COLS; i++)
            flat[COLS + i] = 0;
        world_importance(in_folder("flat.im"), &one, 1);
        *warned = 0;
        log_to(on_log);
        quantise("experts.gguf", "flat.im", "q4_k", 0, 2);
        log_to(NULL);
        if (is_flat && !strstr(warned, "importance of 1 tensor, blk.0.ffn_up_exps.weight first, has a mean of 0"))
            fail_msg("warned: \"%s\"", warned);
        if (!is_flat && *warned)
            fail_msg("warned: \"%s\"", warned);
    }
}

static int begin(void **state)
{
    (void)state;
    fill();
    if (temporary_folder(folder, "quant"))
        return -1;
    write_sources();
    return 0;
}

static int end(void **state)
{
    static const char *const names[] = {"experts.gguf", "experts.im", "parts.gguf", "parts.im", "out.gguf", "flat.im"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hashing_comes_late), cmocka_unit_test(experts_have_their_own),
                                       cmocka_unit_test(flat_importance_is_told)};
    return cmocka_run_group_tests(tests, begin, end);
}
