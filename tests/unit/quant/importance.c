/* links: quant machine kernel format base */
/* Files of importance, both forms: what columns of dense tensors, experts and heads weigh; experts without rows; damaged files. */
#include "quant/importance.h"

#include "base/error.h"
#include "format/header_write.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { COLS = 4, MATS = 3, DATA = 32 };

static char path[TEMPORARY_PATH];

static void write_file(const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

struct pair {
    const char *name;
    uint64_t cols, mats, counts;
    const float *sum, *count;
};

/* The GGUF form of pairs, 32-aligned; what was written of it. */
static size_t put_gguf(uint8_t *out, const struct pair *p, int n)
{
    struct header_out o = {out, 0};
    struct gguf_value type = header_text("general.type", "imatrix");
    uint64_t at = 0;
    header_put_head(&o, 2 * (uint64_t)n, 1);
    header_put_value(&o, &type);
    for (int i = 0; i < n; i++) {
        char name[100];
        uint64_t sums[2] = {p[i].cols, p[i].mats}, counts[2] = {1, p[i].counts};
        snprintf(name, sizeof name, "%s.in_sum2", p[i].name);
        header_put_tensor(&o, name, 2, sums, TYPE_F32, at);
        at += (p[i].cols * p[i].mats * 4 + 31) / 32 * 32;
        snprintf(name, sizeof name, "%s.counts", p[i].name);
        header_put_tensor(&o, name, 2, counts, TYPE_F32, at);
        at += DATA;
    }
    header_put_padding(&o, HEADER_ALIGNMENT);
    for (int i = 0; i < n; i++) {
        header_put(&o, p[i].sum, p[i].cols * p[i].mats * 4);
        header_put_padding(&o, HEADER_ALIGNMENT);
        header_put(&o, p[i].count, p[i].counts * 4);
        header_put_padding(&o, HEADER_ALIGNMENT);
    }
    return o.n;
}

static const float dense[COLS] = {8, 0, 4, 2}, rows[1] = {2}, heads[COLS * MATS] = {2, 4, 6, 8},
                   experts[COLS * MATS] = {9, 9, 9, 9, 0, 0, 0, 0, 3, 0, 3, 0}, seen[MATS] = {3, 0, 1};
static const struct pair pairs[] = {{"output.weight", COLS, 1, 1, dense, rows},
                                    {"blk.0.ffn_up_exps.weight", COLS, MATS, MATS, experts, seen},
                                    {"blk.0.attn_k_b.weight", COLS *MATS, 1, 1, heads, rows}};

static struct importance *opened(const char *sentence)
{
    struct importance *m = NULL;
    struct error err = {0};
    int status = importance_open(&m, path, &err);
    if (!sentence) {
        assert_string_equal(err.text, "");
        assert_int_equal(status, 0);
        return m;
    }
    assert_int_equal(status, -1);
    assert_null(m);
    if (!strstr(err.text, sentence))
        fail_msg("%s: no %s", err.text, sentence);
    return NULL;
}

static void is(const struct importance *m, const struct importance_entry *e, uint64_t i, float a, float b)
{
    float w[COLS], room[COLS * MATS + COLS * MATS];
    struct importance_values v;
    struct error err = {0};
    assert_true(importance_floats(e) <= sizeof room / sizeof *room);
    assert_int_equal(importance_read(m, e, room, &v, &err), 0);
    importance_of(&v, COLS, i, w);
    assert_true(fabsf(w[0] - a) < 1e-6f && fabsf(w[1] - b) < 1e-6f);
}

/* A dense tensor's mean is its own; an expert without rows has the mean of the others', one of few leans to it. */
static void gguf_form(void **state)
{
    static uint8_t bytes[8192];
    (void)state;
    write_file(bytes, put_gguf(bytes, pairs, 3));
    struct importance *m = opened(NULL);
    assert_int_equal(m->n_entry, 3);
    assert_int_equal(strlen(m->sha256), 64);
    const struct importance_entry *e = importance_find(m, "token_embd.weight");
    assert_non_null(e);
    assert_true(importance_fits(e, COLS, 1) && !importance_fits(e, COLS + 1, 1));
    is(m, e, 0, 4, 0);
    e = importance_find(m, "blk.0.ffn_gate_exps.weight");
    assert_ptr_equal(e, importance_find(m, "blk.0.ffn_up_exps.weight"));
    assert_true(importance_fits(e, COLS, MATS));
    is(m, e, 0, (9 + 3) / 4.0f, (9 + 1.5f) / 4);
    is(m, e, 1, 3, 1.5f);
    is(m, e, 2, 3, 0.75f);
    e = importance_find(m, "blk.0.attn_k_b.weight");
    assert_true(importance_fits(e, COLS, MATS));
    is(m, e, 0, 1, 2);
    is(m, e, 1, 0, 0);
    assert_null(importance_find(m, "blk.0.attn_q.weight"));
    e = importance_find(m, "blk.0.ffn_up_exps.weight");
    m->prior = 0; /* each expert by itself */
    is(m, e, 0, 3, 3);
    is(m, e, 1, 1, 1);
    m->prior = 3;
    is(m, e, 2, (3 + 3 * 3.0f) / 4, (0 + 3 * 1.5f) / 4);
    importance_close(m);
}

static void put(uint8_t *out, size_t *n, const void *p, size_t size)
{
    memcpy(out + *n, p, size);
    *n += size;
}

static size_t put_old(uint8_t *out)
{
    static const int32_t head[] = {1, 13}, body[] = {2, COLS}, end[] = {7, 4};
    size_t n = 0;
    put(out, &n, head, sizeof head);
    put(out, &n, "output.weight", 13);
    put(out, &n, body, sizeof body);
    put(out, &n, dense, sizeof dense);
    put(out, &n, end, sizeof end);
    put(out, &n, "text", 4);
    return n;
}

static void old_form(void **state)
{
    uint8_t bytes[200];
    (void)state;
    size_t n = put_old(bytes);
    write_file(bytes, n);
    struct importance *m = opened(NULL);
    is(m, importance_find(m, "output.weight"), 0, 4, 0);
    assert_int_equal(m->n_chunks, 7);
    assert_string_equal(m->dataset, "text");
    importance_close(m);
    for (size_t cut = 0; cut < n - 12; cut++) { /* the last twelve bytes may be missing */
        write_file(bytes, cut);
        opened(path);
    }
    memset(bytes + 29, 0xff, 4);
    write_file(bytes, n);
    opened("output.weight has -nan in column 0");
}

static void damaged(void **state)
{
    static uint8_t bytes[8192];
    float bad[COLS] = {1, -1, 1, 1};
    struct pair p = pairs[0], twice[2] = {pairs[0], pairs[0]}, counts = pairs[1];
    (void)state;
    size_t n = put_gguf(bytes, pairs, 3);
    for (size_t cut = 0; cut < n - 32; cut += 7) {
        write_file(bytes, cut);
        opened(path);
    }
    p.sum = bad;
    write_file(bytes, put_gguf(bytes, &p, 1));
    opened("output.weight has -1 in column 1");
    p.sum = dense;
    bad[0] = NAN;
    p.count = bad;
    write_file(bytes, put_gguf(bytes, &p, 1));
    opened("nan rows");
    write_file(bytes, put_gguf(bytes, twice, 2));
    opened("appears twice");
    counts.counts = 2;
    write_file(bytes, put_gguf(bytes, &counts, 1));
    opened("has 3 matrices, and counts of 2");
    write_file(bytes, put_gguf(bytes, pairs, 0));
    opened("no importance is in it");
}

/* The file goes on with a hole; 0: the file system has no files of that size. */
static int lengthen(uint64_t size) { return truncate(path, (off_t)size) == 0; }

/* What no file of importance has is refused before every byte is read: reading the first of these would take hours. */
static void something_else(void **state)
{
    static uint8_t bytes[8192];
    uint8_t *twice = bytes + 4096;
    size_t n_twice = 4;
    (void)state;
    write_file(bytes, put_gguf(bytes, pairs, 0));
    if (lengthen(UINT64_C(1) << 42) || lengthen(UINT64_C(1) << 36))
        opened("no importance is in it");
    size_t n = put_old(bytes);
    memset(bytes + 29, 0xff, 4); /* NaN */
    memcpy(twice, (int32_t[]){2}, 4);
    put(twice, &n_twice, bytes + 4, n - 4 - 12);
    put(twice, &n_twice, bytes + 4, n - 4 - 12);
    write_file(twice, n_twice);
    opened("output.weight is there twice");
}

/* The index has a bound of its own: of entries, and of counts. */
static void large_index(void **state)
{
    static const char sentence[] = "names and counts of its tensors take more than 64 MiB, which those of no model do; "
                                   "it is damaged, or no file of importance";
    enum { HEADER = 4096, LARGE = 1 << 24, ENTRIES = 1 << 21 };
    static uint8_t bytes[HEADER];
    struct header_out o = {bytes, 0};
    const uint64_t sums[2] = {1, LARGE};
    (void)state;
    header_put_head(&o, 2, 0);
    header_put_tensor(&o, "output.weight.in_sum2", 2, sums, TYPE_F32, 0);
    header_put_tensor(&o, "output.weight.counts", 2, sums, TYPE_F32, LARGE * sizeof(float));
    write_file(bytes, o.n);
    assert_true(lengthen(HEADER + 2 * LARGE * sizeof(float)));
    opened(sentence);
    write_file((int32_t[]){ENTRIES}, 4);
    assert_true(lengthen(UINT64_C(16) * ENTRIES));
    opened(sentence);
}

/* Sums are read when they are wanted: of the file that was opened, or not at all. */
static void changed(void **state)
{
    static uint8_t bytes[8192];
    float room[2 * COLS * MATS];
    struct importance_values v;
    struct error err = {0};
    (void)state;
    size_t n = put_gguf(bytes, pairs, 3);
    write_file(bytes, n);
    struct importance *m = opened(NULL);
    const struct importance_entry *e = importance_named(m, "output.weight");
    assert_int_equal(importance_read(m, e, room, &v, &err), 0);
    assert_memory_equal(v.sum, dense, sizeof dense);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
    assert_int_equal(importance_read(m, e, room, &v, &err), -1);
    assert_true(err.code == ERR_FORMAT && strstr(err.text, "it has changed while it was read"));
    importance_close(m);
    write_file(bytes, n);
    m = opened(NULL);
    assert_int_equal(truncate(path, (off_t)n / 2), 0);
    err = (struct error){0};
    assert_int_equal(importance_read(m, importance_named(m, "blk.0.attn_k_b.weight"), room, &v, &err), -1);
    importance_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gguf_form),   cmocka_unit_test(old_form),
                                       cmocka_unit_test(damaged),     cmocka_unit_test(something_else),
                                       cmocka_unit_test(large_index), cmocka_unit_test(changed)};
    close(temporary_file(path, "importance"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return status;
}
