/* links: format base */
/* Control vectors that are written: byte for byte as recorded here, and as our own strict reader wants them. */
#include "format/vector_write.h"

#include "base/error.h"
#include "format/vector.h"
#include "temporary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const float first[4] = {1, 2, -3, 0.5f}, second[4] = {0.6f, 0, 0, -0.8f};
static const struct vector_row rows[] = {{1, first}, {3, second}};
static const struct vector_key keys[] = {{"general.architecture", GGUF_STRING, "controlvector", 0},
                                         {"controlvector.layer_count", GGUF_I32, NULL, 2},
                                         {"glp.alpha_default", GGUF_F32, NULL, 0.5},
                                         {"glp.rank", GGUF_U32, NULL, 1},
                                         {"controlvector.stoker.scale", GGUF_F64, NULL, 0.24}};
enum { KEYS = sizeof keys / sizeof *keys };

/* GGUF, version 3, tensors, keys; each key, each tensor; filled up to 32; directions, filled up likewise. */
static const char recorded[] =
    "47475546 03000000 0200000000000000 0500000000000000"
    "1400000000000000 67656e6572616c2e617263686974656374757265 08000000 0d00000000000000 636f6e74726f6c766563746f72"
    "1900000000000000 636f6e74726f6c766563746f722e6c617965725f636f756e74 05000000 02000000"
    "1100000000000000 676c702e616c7068615f64656661756c74 06000000 0000003f"
    "0800000000000000 676c702e72616e6b 04000000 01000000"
    "1a00000000000000 636f6e74726f6c766563746f722e73746f6b65722e7363616c65 0c000000 b81e85eb51b8ce3f"
    "0b00000000000000 646972656374696f6e2e31 01000000 0400000000000000 00000000 0000000000000000"
    "0b00000000000000 646972656374696f6e2e33 01000000 0400000000000000 00000000 2000000000000000"
    "00000000000000000000000000"
    "0000803f 00000040 000040c0 0000003f 00000000000000000000000000000000"
    "9a99193f 00000000 00000000 cdcc4cbf 00000000000000000000000000000000";

static void is_as_recorded(void **state)
{
    (void)state;
    size_t n, at = 0;
    uint8_t *file = vector_write(keys, KEYS, rows, 2, 4, &n);
    assert_non_null(file);
    for (const char *p = recorded; *p;) {
        unsigned byte;
        p += strspn(p, " ");
        assert_int_equal(sscanf(p, "%2x", &byte), 1);
        assert_true(at < n);
        if (file[at] != byte)
            fail_msg("byte %zu is %02x, not %02x", at, file[at], byte);
        at++;
        p += 2;
    }
    assert_int_equal(at, n);
    free(file);
}

static void is_read(void **state)
{
    (void)state;
    char folder[TEMPORARY_PATH], path[TEMPORARY_PATH + 16];
    struct error err = {0};
    struct vector *v;
    size_t n;
    const struct vector_key project[] = {keys[0], {"glp.mode", GGUF_STRING, "add", 0}, keys[2], keys[3], keys[4]};
    uint8_t *file = vector_write(project, KEYS, rows, 2, 4, &n);
    assert_int_equal(temporary_folder(folder, "vector-write"), 0);
    snprintf(path, sizeof path, "%s/x.gguf", folder);
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(file, 1, n, f) == n && fclose(f) == 0);
    if (vector_open(&v, AT_FDCWD, path, 1 << 20, &err))
        fail_msg("%s", err.text);
    assert_int_equal(v->n_held, 2);
    assert_int_equal(v->last, 3);
    assert_true(v->suggested == 0.24);
    assert_memory_equal(v->direction[1].v, first, sizeof first);
    assert_memory_equal(v->direction[3].v, second, sizeof second);
    vector_close(v);
    unlink(path);
    rmdir(folder);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_as_recorded), cmocka_unit_test(is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
