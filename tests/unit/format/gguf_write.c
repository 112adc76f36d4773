/* links: format base */
/* The writer: what it writes is a file that another would have written byte for byte, and its failures leave none. */
#include "gguf_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN TEST_DATA "/golden/llama-tied.gguf"

static char folder[] = "/tmp/stoker-gguf-write-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/x.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static uint8_t *slurp(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void test_same_bytes(void **state)
{
    (void)state;
    struct error err = {0};
    struct gguf *g;
    struct gguf_writer w;
    size_t n, n_copy;
    uint8_t *bytes = slurp(GOLDEN, &n);
    if (gguf_open(&g, GOLDEN, &err) != 0)
        fail_msg("%s", err.text);
    gguf_write_begin(&w, path, g->alignment);
    for (uint64_t i = 0; i < g->n_value; i++)
        gguf_write_value(&w, &g->value[i]);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        gguf_write_tensor(&w, g->tensor[i].name, g->tensor[i].type, g->tensor[i].n_dims, g->tensor[i].ne);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        for (uint64_t k = 0, step; k < g->tensor[i].n_bytes; k += step) { /* in pieces */
            step = g->tensor[i].n_bytes - k < 1000 ? g->tensor[i].n_bytes - k : 1000;
            gguf_write_data(&w, bytes + g->tensor[i].offset + k, step);
        }
    assert_int_equal(gguf_write_end(&w, &err), 0);
    uint8_t *copy = slurp(path, &n_copy);
    assert_int_equal(n_copy, n);
    assert_memory_equal(copy, bytes, n);
    free(copy);
    free(bytes);
    gguf_close(g);
}

static void expect_failure(struct gguf_writer *w, const char *words)
{
    struct error err = {0};
    assert_int_equal(gguf_write_end(w, &err), -1);
    if (!strstr(err.text, words) || !strstr(err.text, folder))
        fail_msg("\"%s\" lacks \"%s\"", err.text, words);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_failures(void **state)
{
    (void)state;
    struct gguf_writer w;
    static const uint8_t bytes[256];
    uint64_t shape[2] = {8, 4};

    gguf_write_begin(&w, path, 24);
    expect_failure(&w, "alignment 24");

    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "a", TYPE_F32, 2, shape);
    gguf_write_data(&w, bytes, 127);
    expect_failure(&w, "only 0 of 1");

    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "a", TYPE_F32, 2, shape);
    gguf_write_data(&w, bytes, 129);
    gguf_write_data(&w, bytes, 1);
    expect_failure(&w, "more data than tensor 0");

    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "a", TYPE_F32, 2, shape);
    gguf_write_data(&w, bytes, 128);
    gguf_write_u32(&w, "late", 1);
    expect_failure(&w, "after tensor data");

    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "odd", TYPE_Q4_K, 2, shape);
    expect_failure(&w, "tensor odd");

    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "deep", TYPE_F32, 5, (uint64_t[]){1, 1, 1, 1, 1});
    expect_failure(&w, "tensor deep");

    char missing[96];
    snprintf(missing, sizeof missing, "%s/none/x.gguf", folder);
    gguf_write_begin(&w, missing, 32);
    gguf_write_u32(&w, "key", 1);
    gguf_write_tensor(&w, "a", TYPE_F32, 2, shape);
    gguf_write_data(&w, bytes, 128);
    expect_failure(&w, "cannot be created");
}

static void test_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct gguf_writer w;
    struct error err = {0};
    char link[96];
    snprintf(link, sizeof link, "%s/full", folder);
    assert_int_equal(symlink("/dev/full", link), 0); /* a link, for the writer removes what it could not finish */
    gguf_write_begin(&w, link, 32);
    gguf_write_u32(&w, "key", 1);
    assert_int_equal(gguf_write_end(&w, &err), -1);
    assert_non_null(strstr(err.text, "No space left"));
    assert_int_equal(access(link, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
