/* links: format base */
/* safetensors that are read: what a sound file has; what is refused, with which sentence; a file cut at any byte, or with any bit of its
 * header changed, is refused or read, never more. */
#include "format/safetensors.h"

#include "base/error.h"
#include "base/reqmem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int file;

static int make_file(void **state)
{
    (void)state;
    return (file = memfd_create("safetensors", 0)) >= 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return close(file);
}

static void put(const void *bytes, size_t n)
{
    assert_int_equal(ftruncate(file, 0), 0);
    assert_true(pwrite(file, bytes, n, 0) == (ssize_t)n);
}

/* A header's text, its length in front and n bytes of data behind; data byte i is i. Returns the size. */
static size_t make(uint8_t *to, const char *text, size_t n)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(to + 8, text, length);
    for (size_t i = 0; i < n; i++)
        to[8 + length + i] = (uint8_t)i;
    return 8 + length + n;
}

static int open_it(struct safetensors_file *f, struct error *err)
{
    return safetensors_open(f, file, "a.safetensors", SAFETENSORS_HEADER, err);
}

static const char sound[] =
    "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"\\u00e4\"},\"b.2\":{\"dtype\":\"BF16\",\"shape\":[3],"
    "\"data_offsets\":[24,30]},\"a\":{\"shape\":[2,3],\"dtype\":\"F32\",\"data_offsets\":[0,24]},"
    "\"c\":{\"dtype\":\"I32\",\"shape\":[1, 1],\"data_offsets\":[30, 34]}}  ";

static void reads(void **state)
{
    (void)state;
    uint8_t bytes[1024], got[12];
    struct error err = {0};
    struct safetensors_file f;
    put(bytes, make(bytes, sound, 34));
    if (open_it(&f, &err))
        fail_msg("%s", err.text);
    assert_int_equal(f.n, 3);
    const struct safetensors_tensor *a = safetensors_find(&f, "a"), *b = safetensors_find(&f, "b.2"),
                                    *c = safetensors_find(&f, "c");
    assert_true(a == &f.tensor[0] && b == &f.tensor[1] && c == &f.tensor[2]);
    assert_null(safetensors_find(&f, "__metadata__"));
    assert_true(a->n_dim == 2 && a->shape[0] == 2 && a->shape[1] == 3 && safetensors_type(a) == TYPE_F32);
    assert_true(b->n_dim == 1 && b->shape[0] == 3 && b->shape[1] == 1 && safetensors_type(b) == TYPE_BF16);
    assert_true(c->offset == 30 && c->bytes == 4 && safetensors_type(c) == TYPE_I32);
    assert_int_equal(safetensors_read(&f, a, 3, 3, got, &err), 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(got[i], 12 + i);
    assert_int_equal(safetensors_read(&f, b, 1, 2, got, &err), 0);
    assert_int_equal(got[0], 26);
    safetensors_close(&f);
}

/* What the writer makes is read. */
static void reads_its_own(void **state)
{
    (void)state;
    static const struct safetensors_text text[] = {{"format", "stoker-activations-1"}, {"model", "a \"b\"\n"}};
    static const struct safetensors_tensor t[] = {{"tokens", "I32", 1, {5}, 0, 20}, {"x.3", "F16", 2, {5, 2}, 20, 20}};
    struct error err = {0};
    struct safetensors_file f;
    size_t n;
    char *header = safetensors_header(text, 2, t, 2, 0, &n);
    put(header, n);
    assert_int_equal(ftruncate(file, (off_t)n + 40), 0);
    if (open_it(&f, &err))
        fail_msg("%s", err.text);
    assert_int_equal(f.data_at, n);
    assert_int_equal(safetensors_find(&f, "x.3")->shape[1], 2);
    safetensors_close(&f);
    reqmem_free(header);
}

#define T(name, rest) "\"" name "\":{" rest "}"
#define A             T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]")

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t data;
        const char *words;
    } cases[] = {
        {"", 0, "no JSON object"},
        {"[]", 0, "no JSON object"},
        {"{}", 0, "has 0 tensors"},
        {" {" A "}", 8, "no JSON object"},
        {"{" A "}\n", 8, "no JSON object"},
        {"{" A ",}", 8, "no JSON object"},
        {"{" A "}{}", 8, "no JSON object"},
        {"{" A, 8, "no JSON object"},
        {"{" A "," T("b", "\"dtype\":[[[]]]") "}", 8, "no JSON object"}, /* too deep */
        {"{\"__metadata__\":{\"a\":1}," A "}", 8, "object of texts"},
        {"{\"__metadata__\":[\"a\"]," A "}", 8, "object of texts"},
        {"{\"__metadata__\":{},\"__metadata__\":{}," A "}", 8, "__metadata__ comes twice"},
        {"{" A "," A "}", 8, "tensor a comes twice"},
        {"{" A "," T("a", "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]") "}", 12, "tensor a comes twice"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "name is not 1 to 200"},
        {"{\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "name is not 1 to 200"},
        {"{\"\xc3\xa4\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "name is not 1 to 200"},
        {"{\"a\":3}", 0, "must be an object"},
        {"{" T("a", "") "}", 8, "is missing"},
        {"{" T("a", "\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "is missing"},
        {"{" T("a", "\"dtype\":\"F32\",\"data_offsets\":[0,8]") "}", 8, "is missing"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2]") "}", 8, "is missing"},
        {"{" T("a", "\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "twice"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "twice"},
        {"{" T("a", "\"dtype\":\"F32\",\"data_offsets\":[0,8],\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "twice"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1") "}", 8, "it has more than"},
        {"{" T("a", "\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]") "}", 8, "is of type F64"},
        {"{" T("a", "\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "is of type f32"},
        {"{" T("a", "\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]") "}", 8, "is of type ?"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2,1,1],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]") "}", 0, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]") "}", 8, "one or two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[18446744073709551618],\"data_offsets\":[0,8]") "}", 8, "one or two"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]") "}", 8, "must be two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]") "}", 8, "must be two sizes"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]") "}", 12, "are not those of 2 x 1"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]") "}", 8, "are not those of 2 x 1"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]") "}", 8, "not those of"},
        {"{" T("a", "\"dtype\":\"F16\",\"shape\":[9223372036854775809,2],\"data_offsets\":[0,4]") "}", 4, "not those"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]") "}", 12, "a begins at 4"},
        {"{" A "," T("b", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]") "}", 12, "b begins at 4"},
        {"{" A "," T("b", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]") "}", 20, "b begins at 12"},
        {"{" A "}", 7, "take 8 bytes, and the file has 7"},
        {"{" A "}", 9, "take 8 bytes, and the file has 9"},
    };
    uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct safetensors_file f;
        put(bytes, make(bytes, cases[i].text, cases[i].data));
        assert_int_equal(open_it(&f, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s: \"%s\" is not in: %s", cases[i].text, cases[i].words, err.text);
    }
}

static void lengths_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {200, SAFETENSORS_HEADER + 1, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    uint8_t bytes[1024];
    size_t n = make(bytes, "{" A "}", 8);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char words[80];
        struct error err = {0};
        struct safetensors_file f;
        memcpy(bytes, &lengths[i], 8);
        put(bytes, n);
        assert_int_equal(open_it(&f, &err), -1);
        snprintf(words, sizeof words, "of %" PRIu64 " bytes; the file has %zu", lengths[i], n - 8);
        if (!strstr(err.text, words))
            fail_msg("\"%s\" is not in: %s", words, err.text);
    }
    struct error err = {0};
    struct safetensors_file f;
    put(bytes, make(bytes, "{" A "}", 8));
    assert_int_equal(safetensors_open(&f, file, "a", strlen("{" A "}") - 1, &err), -1);
    assert_non_null(strstr(err.text, "are read"));
}

/* What was opened holds together. */
static void check(const struct safetensors_file *f, uint64_t size)
{
    uint64_t end = f->data_at;
    for (size_t i = 0; i < f->n; i++) {
        const struct safetensors_tensor *t = &f->tensor[i];
        assert_true(strlen(t->name) >= 1 && strlen(t->name) <= SAFETENSORS_NAME);
        assert_true(f->data_at + t->offset == end);
        assert_true(t->bytes == t->shape[0] * t->shape[1] * (uint64_t)type_info(safetensors_type(t))->bytes);
        end += t->bytes;
    }
    assert_true(f->n > 0 && end == size);
}

static void damaged(void **state)
{
    (void)state;
    uint8_t bytes[1024], changed[1024];
    struct safetensors_file f;
    size_t n = make(bytes, sound, 34);
    for (size_t cut = 0; cut < n; cut++) {
        struct error err = {0};
        put(bytes, cut);
        assert_int_equal(open_it(&f, &err), -1);
        assert_true(err.code == ERR_FORMAT && err.text[0]);
    }
    for (size_t at = 0; at < n; at++)
        for (int bit = 0; bit < 8; bit++) {
            struct error err = {0};
            memcpy(changed, bytes, n);
            changed[at] ^= (uint8_t)(1 << bit);
            put(changed, n);
            if (open_it(&f, &err))
                assert_true(err.code == ERR_FORMAT && err.text[0]);
            else {
                check(&f, n);
                safetensors_close(&f);
            }
        }
}

static void no_file(void **state)
{
    (void)state;
    int ends[2];
    struct error err = {0};
    struct safetensors_file f;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(safetensors_open(&f, ends[0], "pipe", 100, &err), -1);
    assert_non_null(strstr(err.text, "not a regular file"));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads),   cmocka_unit_test(reads_its_own),
                                       cmocka_unit_test(refuses), cmocka_unit_test(lengths_refused),
                                       cmocka_unit_test(damaged), cmocka_unit_test(no_file)};
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
