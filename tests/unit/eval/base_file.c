/* links: eval engine text model store op machine kernel format base */
/* Base files that are not what they should be: cut at every byte, longer, other numbers, ids outside, rows of no distribution; a device
 * that is full in the middle; a run that is taken up again. Figures and the written form: tests/eval_stats.c. */
#include "eval/base_file.h"

#include "base/error.h"
#include "base/file.h"
#include "temporary.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_VOCAB = 37, N_CTX = 32, N_CHUNK = 9, SCORED = 15, ROWS_AT = 20 + 4 * N_CTX * N_CHUNK, ROW = 8 + 2 * 38 };

static char path[TEMPORARY_PATH];
static char *whole;
static size_t n_whole;

static void write_file(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int read_all(struct error *err)
{
    struct eval_base b;
    uint8_t hash[SHA256_BYTES];
    *err = (struct error){0};
    int failed = eval_base_open(&b, path, err) || eval_base_check(&b, b.n_chunk, hash, err);
    eval_base_close(&b);
    return failed;
}

/* The file with the n bytes at `at` replaced. */
static void with(size_t at, const void *bytes, size_t n)
{
    char *copy = malloc(n_whole);
    memcpy(copy, whole, n_whole);
    memcpy(copy + at, bytes, n);
    write_file(copy, n_whole);
    free(copy);
}

static void refused(size_t at, const void *bytes, size_t n, const char *sentence)
{
    struct error err;
    with(at, bytes, n);
    assert_true(read_all(&err));
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct error err;
    write_file(whole, n_whole);
    if (read_all(&err))
        fail_msg("%s", err.text);
    for (size_t n = 0; n < n_whole; n++) {
        assert_int_equal(truncate(path, 0), 0);
        write_file(whole, n);
        assert_true(read_all(&err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_memory_equal(err.text, path, strlen(path));
    }
    char *longer = calloc(n_whole + 1, 1);
    memcpy(longer, whole, n_whole);
    write_file(longer, n_whole + 1);
    assert_true(read_all(&err));
    free(longer);
}

static void other_numbers(void **state)
{
    (void)state;
    static const int32_t numbers[] = {INT32_MIN, -1, 0, 1, 4, 31, 33, 1 << 16, (1 << 28) + 1, INT32_MAX};
    for (size_t at = 8; at < 20; at += 4)
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            refused(at, &numbers[k], 4, path);
    static const int32_t large[] = {1 << 28, INT32_MAX, INT32_MAX};
    refused(8, large, sizeof large, "more than a file can hold");
    refused(0, "_logitz_", 8, "is no base file");
    static const int32_t low = -1, high = N_VOCAB;
    refused(20 + 4 * 100, &low, 4, "token 100 (at byte 420) is -1");
    refused(ROWS_AT - 4, &high, 4, "token 287 (at byte 1168) is 37");
}

/* 107 GB that take no space: the numbers and the size agree, and nothing is allocated by them before the caller has looked at them. */
static void sparse(void **state)
{
    (void)state;
    struct error err = {0};
    struct eval_base b;
    static const uint32_t numbers[] = {1 << 28, 1, 40};
    uint64_t bytes;
    write_file(whole, 20);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 8, SEEK_SET), 0);
    assert_int_equal(fwrite(numbers, 4, 3, f), 3);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(eval_base_bytes(&bytes, 1 << 28, 1, 40, &err), 0);
    if (truncate(path, (off_t)bytes))
        skip();
    if (eval_base_open(&b, path, &err))
        fail_msg("%s", err.text);
    assert_null(b.token);
    assert_int_equal(b.n_vocab, 1);
    eval_base_close(&b);
}

static void rows_of_no_distribution(void **state)
{
    (void)state;
    static const float rows[][2] = {{NAN, -20},      {INFINITY, -20}, {-1e-4f, -3}, {2e-4f, NAN}, {2e-4f, -INFINITY},
                                    {2e-4f, 0},      {0, 0},          {0, -1},      {1, -17},     {2e-4f, -3e4f},
                                    {1e-30f, 3e38f}, {3e38f, -3e38f}, {2e-4f, -40}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        refused(ROWS_AT, rows[k], 8, "row 0 (at byte 1172) has scale");
        refused(ROWS_AT + 134 * ROW, rows[k], 8, "row 134 (at byte 12428) has scale");
    }
}

/* Logits of a row; all files of these tests have the same. */
static void make_logits(float *z, size_t row)
{
    for (int i = 0; i < N_VOCAB; i++)
        z[i] = (float)((row * 31 + (size_t)i * 17) % 101) / 7;
}

static double log_sum(const float *z)
{
    double sum = 0;
    for (int i = 0; i < N_VOCAB; i++)
        sum += exp(z[i]);
    return log(sum);
}

static struct eval_base text(void)
{
    struct eval_base b = {.path = path, .fd = -1, .n_ctx = N_CTX, .n_vocab = N_VOCAB, .n_chunk = N_CHUNK};
    b.token = calloc(N_CTX * N_CHUNK, sizeof *b.token);
    for (int i = 0; i < N_CTX * N_CHUNK; i++)
        b.token[i] = i % N_VOCAB;
    return b;
}

static int write_rows(const struct eval_base *b, size_t first, size_t end, struct error *err)
{
    for (size_t row = first * SCORED; row < end * SCORED; row++) {
        float z[N_VOCAB];
        make_logits(z, row);
        if (eval_base_write(b, row / SCORED, 17 + (int)(row % SCORED), z, log_sum(z), err))
            return -1;
    }
    return 0;
}

static char *read_file(size_t *n)
{
    struct error err = {0};
    char *bytes = file_read(path, 1 << 20, n, &err);
    assert_non_null(bytes);
    return bytes;
}

static void part_path(char *part) { snprintf(part, TEMPORARY_PATH + 8, "%s.part", path); }

static uint8_t known[N_CHUNK][SHA256_BYTES]; /* of the chunks that all files of these tests have */

/* Writes the file at once and unlinks it. *n bytes. */
static char *make_known(size_t *n)
{
    struct error err = {0};
    unlink(path);
    struct eval_base b = text();
    if (eval_base_create(&b, 0, NULL, &err) || write_rows(&b, 0, N_CHUNK, &err) || eval_base_finish(&b, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < N_CHUNK; i++)
        if (eval_base_chunk_hash(&b, i, known[i], &err))
            fail_msg("%s", err.text);
    eval_base_close(&b);
    return read_file(n);
}

static void fails_to_begin(size_t done, const char *sentence)
{
    struct error err = {0};
    struct eval_base b = text();
    assert_int_equal(eval_base_create(&b, done, known, &err), -1);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
    eval_base_close(&b);
}

static void written_in_two_runs(void **state)
{
    (void)state;
    struct error err = {0};
    char part[TEMPORARY_PATH + 8];
    size_t n, m;
    part_path(part);
    write_file("notes", 5);
    fails_to_begin(0, "exists: remove it");
    char *at_once = make_known(&n);
    fails_to_begin(3, "exists: remove it");

    struct eval_base b = text(); /* whole already */
    if (eval_base_create(&b, N_CHUNK, known, &err) || eval_base_finish(&b, &err))
        fail_msg("%s", err.text);
    eval_base_close(&b);
    known[6][3]++;
    fails_to_begin(N_CHUNK, "the rows of chunk 6 are not those of the results");
    known[6][3]--;
    unlink(path);

    fails_to_begin(3, "is gone");
    b = text();
    if (eval_base_create(&b, 0, NULL, &err) || write_rows(&b, 0, 4, &err))
        fail_msg("%s", err.text);
    fails_to_begin(0, "another run writes it");
    eval_base_close(&b);
    fails_to_begin(5, "row 60 (at byte 6212) has scale 0 and least 0"); /* of chunk 4 nothing was written */
    known[3][0]++;
    fails_to_begin(4, "the rows of chunk 3 are not those of the results");
    known[3][0]--;
    b = text();
    b.token[7]++;
    assert_int_equal(eval_base_create(&b, 4, known, &err), -1);
    assert_non_null(strstr(err.text, "is of another text"));
    eval_base_close(&b);
    err = (struct error){0};
    b = text();
    if (eval_base_create(&b, 4, known, &err) || write_rows(&b, 4, N_CHUNK, &err) || eval_base_finish(&b, &err))
        fail_msg("%s", err.text);
    eval_base_close(&b);
    char *in_two = read_file(&m);
    assert_int_equal(n, m);
    assert_memory_equal(at_once, in_two, n);
    assert_int_equal(access(part, F_OK), -1);
    free(at_once);
    free(in_two);
    unlink(path);
}

/* A limit on files' sizes is what a full device is to a write, and needs no rights. */
static void device_is_full(void **state)
{
    (void)state;
    struct error err = {0};
    struct rlimit before, small;
    char part[TEMPORARY_PATH + 8];
    size_t n;
    part_path(part);
    free(make_known(&n));
    unlink(path);
    struct eval_base b = text();
    assert_int_equal(eval_base_create(&b, 0, NULL, &err), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = ROWS_AT + 20 * ROW + 9;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(write_rows(&b, 0, 1, &err), 0);
    int failed = write_rows(&b, 1, 2, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(failed, -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, ".part: writing at byte 2861 failed: "));
    eval_base_close(&b);
    err = (struct error){0};
    b = text();
    assert_int_equal(eval_base_create(&b, 1, known, &err), 0);
    eval_base_discard(&b);
    eval_base_close(&b);
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, before.rlim_max}), 0);
    b = text();
    failed = eval_base_create(&b, 0, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(failed, -1);
    assert_int_equal(err.code, ERR_IO);
    eval_base_discard(&b);
    eval_base_close(&b);
    assert_int_equal(access(part, F_OK), -1);
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(other_numbers),
        cmocka_unit_test(sparse),
        cmocka_unit_test(rows_of_no_distribution),
        cmocka_unit_test(written_in_two_runs),
        cmocka_unit_test(device_is_full),
    };
    whole = file_read(TEST_DATA "/eval/kld_tiny.base", 1 << 20, &n_whole, &err);
    if (!whole)
        return fprintf(stderr, "%s\n", err.text), 1;
    int fd = temporary_file(path, "base");
    int status = cmocka_run_group_tests_name("base_file", tests, NULL, NULL);
    close(fd);
    unlink(path);
    free(whole);
    return status;
}
