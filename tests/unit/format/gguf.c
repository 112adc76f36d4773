/* links: format base */
/* The reader: what the writer wrote comes back; inconsistent files are refused with a sentence that names what is wrong; a header
 * cut or flipped at any byte is refused or read, never more; under sanitizers at one of STEP. Files are made in a temporary folder. */
#include "base/clock.h"
#include "base/error.h"
#include "gguf_write.h"
#include "sanitized.h"
#include "temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN TEST_DATA "/golden/llama-tied.gguf"

enum { STEP = SANITIZED ? 3 : 1 };

/* ---- reads that fail on demand ---------------------------------------------------------------------------------------
 * The program's own pread stands before libc's. */
static enum { READ_WELL, READ_SHORT, READ_NOTHING, READ_ERROR } reads;

ssize_t pread(int fd, void *out, size_t n, off_t at)
{
    if (reads == READ_NOTHING)
        return 0;
    if (reads == READ_ERROR) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, out, reads == READ_SHORT && n > 7 ? (size_t)7 : n, at);
}

/* ---- a folder of its own ---------------------------------------------------------------------------------------------- */

static char folder[TEMPORARY_PATH];

/* NAME in the folder; the result is valid until the fourth call after. */
static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder(folder, "gguf");
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    return rmdir(folder);
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static struct gguf *open_well(const char *path)
{
    struct error err = {0};
    struct gguf *g;
    if (gguf_open(&g, path, &err) != 0)
        fail_msg("%s", err.text);
    return g;
}

/* Opening fails with one sentence that names the file and has these words; nothing stays open. */
static void refused(const char *path, enum error_code code, const char *words)
{
    struct error err = {0};
    struct gguf *g = (struct gguf *)&err;
    int before = open_files();
    assert_int_equal(gguf_open(&g, path, &err), -1);
    assert_null(g);
    assert_int_equal(open_files(), before);
    if (!strstr(err.text, words) || !strstr(err.text, folder) || strchr(err.text, '\n') || err.code != code)
        fail_msg("\"%s\" (code %d) lacks \"%s\"", err.text, (int)err.code, words);
}

/* ---- files that lie are put together by hand -------------------------------------------------------------------------- */

struct bytes {
    uint8_t at[4096];
    size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->at);
    memcpy(b->at + b->n, p, n);
    b->n += n;
}

static void put32(struct bytes *b, uint32_t v) { put(b, &v, 4); }
static void put64(struct bytes *b, uint64_t v) { put(b, &v, 8); }

static void put_text(struct bytes *b, const char *text)
{
    put64(b, strlen(text));
    put(b, text, strlen(text));
}

static struct bytes head(uint32_t version, uint64_t n_tensor, uint64_t n_value)
{
    struct bytes b = {.n = 0};
    put(&b, "GGUF", 4);
    put32(&b, version);
    put64(&b, n_tensor);
    put64(&b, n_value);
    return b;
}

static void put_key(struct bytes *b, const char *key, uint32_t kind)
{
    put_text(b, key);
    put32(b, kind);
}

static void put_u32(struct bytes *b, const char *key, uint32_t v)
{
    put_key(b, key, GGUF_U32);
    put32(b, v);
}

static void put_tensor(struct bytes *b, const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type,
                       uint64_t offset)
{
    put_text(b, name);
    put32(b, n_dims);
    for (uint32_t d = 0; d < n_dims && d < 8; d++)
        put64(b, ne[d]);
    put32(b, type);
    put64(b, offset);
}

/* Padding to 32, and n bytes of data. */
static void put_data(struct bytes *b, size_t n)
{
    b->n = (b->n + 31) / 32 * 32 + n;
    assert_true(b->n <= sizeof b->at);
}

static const char *written(const char *name, const struct bytes *b)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->at, 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void lies(const struct bytes *b, enum error_code code, const char *words)
{
    refused(written("lies.gguf", b), code, words);
}

static void test_not_a_file(void **state)
{
    (void)state;
    refused(in_folder("absent.gguf"), ERR_IO, "No such file");
    refused(folder, ERR_FORMAT, "a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    refused(in_folder("pipe"), ERR_FORMAT, "not a regular file");
    struct bytes b = {.n = 0};
    lies(&b, ERR_FORMAT, "empty");
    put(&b, "GG", 2);
    lies(&b, ERR_FORMAT, "ends in its header");
    put(&b, "MLxxxxxxxxxxxxxxxxxxxxxxx", 25);
    lies(&b, ERR_FORMAT, "not a GGUF file");
}

static void test_versions(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 5; v++) {
        struct bytes b = head(v, 0, 0);
        if (v == 2 || v == 3)
            gguf_close(open_well(written("v.gguf", &b)));
        else
            lies(&b, ERR_UNSUPPORTED, "stoker reads 2 and 3");
    }
    struct bytes b = head(0x03000000, 0, 0);
    lies(&b, ERR_UNSUPPORTED, "big-endian");
}

static void test_counts(void **state)
{
    (void)state;
    struct bytes b = head(3, (uint64_t)1 << 60, 0);
    lies(&b, ERR_FORMAT, "claims 1152921504606846976 tensors");
    b = head(3, 0, UINT64_MAX);
    lies(&b, ERR_FORMAT, "claims 18446744073709551615 keys");
    b = head(3, 3, 1); /* three would fit behind the head, but not behind the key */
    put_u32(&b, "k", 1);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "claims 3 tensors");
    b = head(3, 0, 1);
    put64(&b, (uint64_t)1 << 60);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "key 1 claims 1152921504606846976 bytes of a string");
    b = head(3, 0, 1);
    put_key(&b, "general.name", GGUF_STRING);
    put64(&b, UINT64_MAX);
    lies(&b, ERR_FORMAT, "general.name claims 18446744073709551615 bytes");
    for (uint32_t item = 0; item <= GGUF_F64; item++) {
        if (item == GGUF_ARRAY)
            continue;
        b = head(3, 0, 1);
        put_key(&b, "many", GGUF_ARRAY);
        put32(&b, item);
        put64(&b, (uint64_t)1 << 60);
        put_data(&b, 64);
        lies(&b, ERR_FORMAT, "key many claims 1152921504606846976");
    }
}

/* A sparse file of 1 GiB is large enough for any count: the limit of a header refuses it. */
static void test_header_limit(void **state)
{
    (void)state;
    struct bytes b = head(3, 0, 1);
    put_key(&b, "many", GGUF_ARRAY);
    put32(&b, GGUF_U8);
    put64(&b, (uint64_t)1 << 29);
    const char *path = written("sparse.gguf", &b);
    assert_int_equal(truncate(path, 1 << 30), 0);
    refused(path, ERR_FORMAT, "the header is not over after 268435456 bytes (in key many), more than are read");
    unlink(path);
}

static void test_bad_values(void **state)
{
    (void)state;
    struct bytes b = head(3, 0, 1);
    put_key(&b, "odd", 13);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "key odd has a value of kind 13");
    b = head(3, 0, 1);
    put_key(&b, "nest", GGUF_ARRAY);
    put32(&b, GGUF_ARRAY);
    put64(&b, 1);
    lies(&b, ERR_UNSUPPORTED, "key nest is an array of arrays");
    b = head(3, 0, 1);
    put_key(&b, "odd", GGUF_ARRAY);
    put32(&b, 77);
    put64(&b, 1);
    lies(&b, ERR_FORMAT, "kind 77");
    b = head(3, 0, 1);
    put_key(&b, "yes", GGUF_BOOL);
    put(&b, "\2", 1);
    lies(&b, ERR_FORMAT, "key yes holds a bool of value 2");
    b = head(3, 0, 2);
    put_u32(&b, "llama.block_count", 1);
    put_u32(&b, "llama.block_count", 1);
    lies(&b, ERR_FORMAT, "key llama.block_count appears twice");
    b = head(3, 0, 2);
    put_u32(&b, "a\nb\xff", 1);
    put_u32(&b, "a\nb\xff", 1);
    lies(&b, ERR_FORMAT, "key a?b? appears twice");
    b = head(3, 0, 2);
    put_u32(&b, "llama.block_count", 1);
    put_u32(&b, "", 1);
    lies(&b, ERR_FORMAT, "the name of key 2 is empty");
}

static void test_alignment(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 4, 33, 48, 1u << 21, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes b = head(3, 0, 1);
        put_u32(&b, "general.alignment", bad[i]);
        lies(&b, ERR_FORMAT, "general.alignment is");
    }
    struct bytes b = head(3, 0, 1);
    put_key(&b, "general.alignment", GGUF_STRING);
    put_text(&b, "32");
    lies(&b, ERR_FORMAT, "general.alignment is of kind string");
}

static void test_bad_shapes(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_dims;
        uint64_t ne[5];
        uint32_t type;
        uint64_t offset;
        enum error_code code;
        const char *words;
    } cases[] = {
        {0, {0}, 0, 0, ERR_FORMAT, "tensor blk.0.w has 0 dimensions"},
        {5, {1, 1, 1, 1, 1}, 0, 0, ERR_FORMAT, "tensor blk.0.w has 5 dimensions"},
        {1u << 31, {1, 1}, 0, 0, ERR_FORMAT, "tensor blk.0.w has 2147483648 dimensions"},
        {2, {8, 0}, 0, 0, ERR_FORMAT, "tensor blk.0.w is empty: its dimension 1 is 0"},
        {1, {0}, 0, 0, ERR_FORMAT, "tensor blk.0.w is empty"},
        {2, {(uint64_t)1 << 33, (uint64_t)1 << 33}, 0, 0, ERR_FORMAT, "more than 2^64 values"},
        {2, {(uint64_t)1 << 32, (uint64_t)1 << 31}, 0, 0, ERR_FORMAT, "more than 2^64 bytes"},
        {1, {UINT64_MAX / 4}, 0, 0, ERR_FORMAT, "past the end"},
        {1, {8}, 4, 0, ERR_UNSUPPORTED, "tensor blk.0.w has type 4, which stoker does not know"},
        {1, {8}, 99, 0, ERR_UNSUPPORTED, "type 99"},
        {1, {8}, UINT32_MAX, 0, ERR_UNSUPPORTED, "type 4294967295"},
        {2, {128, 2}, TYPE_Q4_K, 0, ERR_FORMAT, "rows of 128 values, no multiple of the 256 in a block of q4_k"},
        {1, {8}, 0, 7, ERR_FORMAT, "tensor blk.0.w has offset 7, no multiple of the alignment 32"},
        {1, {8}, 0, 64, ERR_FORMAT, "tensor blk.0.w (32 bytes at offset 64"},
        {1, {8}, 0, (uint64_t)1 << 63, ERR_FORMAT, "past the end"},
        {1, {8}, 0, UINT64_MAX - 31, ERR_FORMAT, "past the end"},
        {1, {17}, 0, 0, ERR_FORMAT, "past the end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = head(3, 1, 0);
        put_tensor(&b, "blk.0.w", cases[i].n_dims, cases[i].ne, cases[i].type, cases[i].offset);
        put_data(&b, 64);
        lies(&b, cases[i].code, cases[i].words);
    }
}

static void test_names_and_places(void **state)
{
    (void)state;
    static const uint64_t eight[] = {8}, sixteen[] = {16};
    struct bytes b = head(3, 2, 0);
    put_tensor(&b, "twice", 1, eight, 0, 0);
    put_tensor(&b, "twice", 1, eight, 0, 32);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "tensor twice appears twice");

    b = head(3, 2, 0);
    put_tensor(&b, "second", 1, eight, 0, 32);
    put_tensor(&b, "first", 1, sixteen, 0, 0);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "tensors first (64 bytes at");

    b = head(3, 2, 0);
    put_tensor(&b, "a", 1, eight, 0, 0);
    put_tensor(&b, "b", 1, eight, 0, 0);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "overlap");

    b = head(3, 1, 0);
    put_tensor(&b, "", 1, eight, 0, 0);
    put_data(&b, 64);
    lies(&b, ERR_FORMAT, "name of tensor 1 is empty");

    b = head(3, 1, 0);
    put64(&b, 3);
    put(&b, "a\0b", 3);
    put32(&b, 1);
    put_data(&b, 96);
    lies(&b, ERR_FORMAT, "name of tensor 1");

    /* out of order and with a hole, but apart: allowed */
    b = head(3, 2, 0);
    put_tensor(&b, "late", 1, eight, 0, 64);
    put_tensor(&b, "early", 1, eight, 0, 0);
    put_data(&b, 96);
    struct gguf *g = open_well(written("hole.gguf", &b));
    assert_string_equal(g->tensor[0].name, "late");
    assert_int_equal(gguf_tensor(g, "late")->offset, g->file[0].data_start + 64);
    gguf_close(g);
}

static void test_long_names(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'x', sizeof name);
    name[299] = 0;
    struct bytes b = head(3, 1, 0);
    put_tensor(&b, name, 1, (uint64_t[]){8}, 1234567, 0);
    put_data(&b, 64);
    lies(&b, ERR_UNSUPPORTED, "xxx... has type 1234567, which stoker does not know");
}

static void test_reads_fail(void **state)
{
    (void)state;
    struct bytes b = head(3, 1, 1);
    put_u32(&b, "k", 7);
    put_tensor(&b, "t", 1, (uint64_t[]){8}, 0, 0);
    put_data(&b, 32);
    const char *path = written("reads.gguf", &b);
    reads = READ_NOTHING;
    refused(path, ERR_IO, "shrank to 0 bytes while it was read");
    reads = READ_ERROR;
    refused(path, ERR_IO, "Input/output error");
    reads = READ_SHORT;
    struct gguf *g = open_well(path);
    reads = READ_WELL;
    assert_int_equal(gguf_find(g, "k")->as.u, 7);
    assert_int_equal(gguf_tensor(g, "t")->n_bytes, 32);
    gguf_close(g);
}

/* ---- what is written comes back ---------------------------------------------------------------------------------------- */

static const struct gguf_string words[3] = {{"one", 3}, {"", 0}, {"t\0o", 3}};
static const int64_t numbers[2] = {-2, 5}; /* read as any kind: bytes are compared */

static struct gguf_string text(const char *s) { return (struct gguf_string){s, strlen(s)}; }

static void write_all_kinds(struct gguf_writer *w)
{
    for (int k = 0; k <= GGUF_F64; k++) {
        char key[2][24];
        snprintf(key[0], sizeof key[0], "one.%d", k);
        snprintf(key[1], sizeof key[1], "many.%d", k);
        struct gguf_value v = {.key = text(key[0]), .kind = (enum gguf_kind)k, .n = 1};
        if (k == GGUF_STRING) {
            gguf_write_string(w, key[0], "t\0o", 3);
            gguf_write_strings(w, key[1], words, 3);
            continue;
        }
        if (k == GGUF_ARRAY)
            continue;
        if (k == GGUF_F32 || k == GGUF_F64)
            v.as.f = -0.75;
        else if (k == GGUF_BOOL)
            v.as.u = 1;
        else
            v.as.i = k == GGUF_I8 || k == GGUF_I16 || k == GGUF_I32 || k == GGUF_I64 ? -3 : 200;
        gguf_write_value(w, &v);
        gguf_write_numbers(w, key[1], (enum gguf_kind)k, k == GGUF_BOOL ? (const void *)"\1\0" : numbers, 2);
    }
    gguf_write_numbers(w, "none", GGUF_F32, NULL, 0);
    gguf_write_strings(w, "no.strings", NULL, 0);
}

static void check_all_kinds(const struct gguf *g)
{
    for (int k = 0; k <= GGUF_F64; k++) {
        char key[2][24];
        snprintf(key[0], sizeof key[0], "one.%d", k);
        snprintf(key[1], sizeof key[1], "many.%d", k);
        const struct gguf_value *one = gguf_find(g, key[0]), *many = gguf_find(g, key[1]);
        if (k == GGUF_ARRAY)
            continue;
        assert_true(one && one->kind == (enum gguf_kind)k && one->n == 1);
        assert_true(many && many->kind == GGUF_ARRAY && many->item == (enum gguf_kind)k);
        if (k == GGUF_STRING) {
            assert_true(one->as.string.length == 3 && memcmp(one->as.string.text, "t\0o", 4) == 0);
            assert_int_equal(many->n, 3);
            for (int i = 0; i < 3; i++)
                assert_true(many->as.strings[i].length == words[i].length &&
                            memcmp(many->as.strings[i].text, words[i].text, words[i].length + 1) == 0);
            continue;
        }
        if (k == GGUF_F32 || k == GGUF_F64)
            assert_true(one->as.f == -0.75);
        else if (k == GGUF_BOOL)
            assert_true(one->as.u == 1 && gguf_item_int(many, 0) == 1 && gguf_item_int(many, 1) == 0);
        else
            assert_true(one->as.i == -3 || one->as.u == 200);
        assert_int_equal(many->n, 2);
        if (k == GGUF_I64)
            assert_true(gguf_item_int(many, 0) == -2 && gguf_item_int(many, 1) == 5);
        if (k == GGUF_I8 || k == GGUF_I16 || k == GGUF_I32)
            assert_true(gguf_item_int(many, 0) == -2 && gguf_item_float(many, 0) == -2.0);
        if (k == GGUF_U8)
            assert_true(gguf_item_int(many, 0) == 254);
    }
    assert_int_equal(gguf_find(g, "none")->n, 0);
    assert_int_equal(gguf_find(g, "no.strings")->n, 0);
    assert_null(gguf_find(g, "one"));
    assert_null(gguf_find(g, ""));
}

static uint8_t data_byte(uint64_t tensor, uint64_t i) { return (uint8_t)(tensor * 31 + i * 7); }

static void write_data(struct gguf_writer *w, uint64_t first)
{
    for (uint64_t t = 0; t < w->n_tensor; t++) {
        uint8_t bytes[512];
        for (uint64_t i = 0; i < w->size[t]; i++)
            bytes[i] = data_byte(first + t, i);
        gguf_write_data(w, bytes, w->size[t]);
    }
}

static void check_data(const struct gguf *g)
{
    for (uint64_t t = 0; t < g->n_tensor; t++) {
        uint8_t bytes[512];
        const struct gguf_tensor *r = &g->tensor[t];
        assert_int_equal(pread(g->file[r->file].fd, bytes, r->n_bytes, (off_t)r->offset), (ssize_t)r->n_bytes);
        for (uint64_t i = 0; i < r->n_bytes; i++)
            assert_int_equal(bytes[i], data_byte(t, i));
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint32_t alignments[] = {8, 32, 64, 4096};
    for (size_t a = 0; a < 4; a++) {
        struct error err = {0};
        struct gguf_writer w;
        const char *path = in_folder("round.gguf");
        gguf_write_begin(&w, path, alignments[a]);
        write_all_kinds(&w);
        gguf_write_u32(&w, "x.u32", 7);
        gguf_write_f32(&w, "x.f32", 0.1f);
        gguf_write_bool(&w, "x.bool", 5);
        gguf_write_tensor(&w, "f", TYPE_F32, 2, (uint64_t[]){3, 2});
        gguf_write_tensor(&w, "q", TYPE_Q4_K, 4, (uint64_t[]){256, 1, 3, 1});
        gguf_write_tensor(&w, "i", TYPE_I32, 1, (uint64_t[]){5});
        write_data(&w, 0);
        if (gguf_write_end(&w, &err) != 0)
            fail_msg("%s", err.text);
        struct gguf *g = open_well(path);
        assert_true(g->version == 3 && g->alignment == alignments[a] && g->n_file == 1 && g->n_tensor == 3);
        check_all_kinds(g);
        assert_true(gguf_find(g, "x.u32")->as.u == 7 && gguf_find(g, "x.f32")->as.f == (double)0.1f);
        assert_true(gguf_find(g, "x.bool")->as.u == 1);
        const struct gguf_tensor *q = gguf_tensor(g, "q");
        assert_true(q && q->type == TYPE_Q4_K && q->n_dims == 4 && q->ne[2] == 3 && q->n_bytes == 432);
        assert_true(gguf_tensor(g, "f")->ne[1] == 2 && gguf_tensor(g, "f")->ne[3] == 1);
        assert_true(q->offset % alignments[a] == 0 && !gguf_tensor(g, "absent"));
        check_data(g);
        gguf_close(g);
    }
}

static void test_typed(void **state)
{
    (void)state;
    struct error err = {0};
    struct gguf_writer w;
    uint64_t u = 0;
    double f = 0;
    int yes = 0;
    struct gguf_string s;
    gguf_write_begin(&w, in_folder("typed.gguf"), 32);
    write_all_kinds(&w);
    assert_int_equal(gguf_write_end(&w, &err), 0);
    struct gguf *g = open_well(in_folder("typed.gguf"));

    assert_true(gguf_u64(g, "one.4", 0, 200, &u, &err) == 1 && u == 200);
    assert_int_equal(gguf_u64(g, "absent", 0, 1, &u, &err), 0);
    assert_int_equal(gguf_u64(g, "one.4", 0, 199, &u, &err), -1);
    assert_non_null(strstr(err.text, "typed.gguf: key one.4 is 200, but must be 0 to 199"));
    err.code = ERR_NONE;
    assert_int_equal(gguf_u64(g, "one.5", 0, 1000, &u, &err), -1);
    assert_non_null(strstr(err.text, "key one.5 is -3, but must be 0 to 1000"));
    err.code = ERR_NONE;
    assert_int_equal(gguf_u64(g, "one.8", 0, 1000, &u, &err), -1);
    assert_non_null(strstr(err.text, "key one.8 is of kind string, but must be a whole number"));
    err.code = ERR_NONE;
    assert_true(gguf_f64(g, "one.6", -1, 1, &f, &err) == 1 && f == -0.75);
    assert_true(gguf_f64(g, "one.11", -5, 1, &f, &err) == 1 && f == -3);
    assert_true(gguf_f64(g, "one.0", 0, 1e9, &f, &err) == 1 && f == 200);
    assert_int_equal(gguf_f64(g, "one.12", 0, 1, &f, &err), -1);
    assert_non_null(strstr(err.text, "key one.12 is -0.75, but must be 0 to 1"));
    err.code = ERR_NONE;
    assert_int_equal(gguf_f64(g, "many.6", 0, 1, &f, &err), -1);
    assert_non_null(strstr(err.text, "kind array"));
    err.code = ERR_NONE;
    assert_true(gguf_bool(g, "one.7", &yes, &err) == 1 && yes == 1 && gguf_bool(g, "absent", &yes, &err) == 0);
    assert_int_equal(gguf_bool(g, "one.4", &yes, &err), -1);
    assert_non_null(strstr(err.text, "key one.4 is of kind u32, but must be a bool"));
    err.code = ERR_NONE;
    assert_true(gguf_str(g, "one.8", &s, &err) == 1 && s.length == 3 && gguf_str(g, "absent", &s, &err) == 0);
    assert_int_equal(gguf_str(g, "one.7", &s, &err), -1);
    assert_non_null(strstr(err.text, "must be a string"));
    gguf_close(g);
    gguf_close(NULL);
}

/* ---- sets of files ---------------------------------------------------------------------------------------------------- */

struct set_part {
    const char *name;
    int no, count, total; /* keys; -1: left out */
    int first, n;         /* tensors t0, t1, ... */
};

static void write_part(const struct set_part *p)
{
    struct error err = {0};
    struct gguf_writer w;
    gguf_write_begin(&w, in_folder(p->name), 64);
    gguf_write_u32(&w, "only.here", (uint32_t)p->first);
    struct gguf_value v = {.key = text("split.no"), .kind = GGUF_U16, .n = 1, .as.u = (uint64_t)p->no};
    if (p->no >= 0)
        gguf_write_value(&w, &v);
    v.key = text("split.count");
    v.as.u = (uint64_t)p->count;
    if (p->count >= 0)
        gguf_write_value(&w, &v);
    v = (struct gguf_value){.key = text("split.tensors.count"), .kind = GGUF_I32, .n = 1, .as.i = p->total};
    if (p->total >= 0)
        gguf_write_value(&w, &v);
    for (int t = p->first; t < p->first + p->n; t++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", t);
        gguf_write_tensor(&w, name, TYPE_F32, 1, (uint64_t[]){8});
    }
    write_data(&w, (uint64_t)p->first);
    if (gguf_write_end(&w, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_split(void **state)
{
    (void)state;
    const struct set_part set[3] = {{"m-00001-of-00003.gguf", 0, 3, 5, 0, 2},
                                    {"m-00002-of-00003.gguf", 1, 3, 5, 2, 0},
                                    {"m-00003-of-00003.gguf", 2, 3, 5, 2, 3}};
    for (int i = 0; i < 3; i++)
        write_part(&set[i]);
    struct gguf *g = open_well(in_folder(set[0].name));
    assert_true(g->n_file == 3 && g->n_tensor == 5 && g->alignment == 64);
    assert_true(gguf_find(g, "only.here")->as.u == 0 && gguf_tensor(g, "t4")->file == 2);
    assert_non_null(strstr(g->file[2].path, set[2].name));
    check_data(g);
    uint64_t data_start[3], size[3];
    for (int i = 0; i < 3; i++) {
        data_start[i] = g->file[i].data_start;
        size[i] = g->file[i].size;
    }
    gguf_close(g);

    /* Headers alone: of all parts, in files that are named so. */
    struct error err = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(truncate(in_folder(set[i].name), (off_t)data_start[i]), 0);
    assert_int_equal(gguf_open_header(&g, in_folder(set[0].name), &err), 0);
    assert_true(g->n_file == 3 && g->n_tensor == 5 && gguf_tensor(g, "t4")->file == 2);
    for (int i = 0; i < 3; i++) /* what pads the end of a file is not in its header */
        assert_true(g->file[i].size <= size[i] && g->file[i].size + 64 > size[i]);
    gguf_close(g);
    assert_int_equal(rename(in_folder(set[0].name), in_folder("alone.gguf")), 0);
    assert_int_equal(gguf_open_header(&g, in_folder("alone.gguf"), &err), -1);
    assert_non_null(strstr(err.text, "the first of 3 parts: the beginnings of all are needed"));
    assert_int_equal(rename(in_folder("alone.gguf"), in_folder(set[0].name)), 0);
    unlink(in_folder(set[1].name));
    err = (struct error){0};
    assert_int_equal(gguf_open_header(&g, in_folder(set[0].name), &err), -1);
    assert_non_null(strstr(err.text, "m-00002-of-00003.gguf: is not here: the beginning of each of the 3 parts"));
    for (int i = 0; i < 3; i++)
        write_part(&set[i]);

    refused(in_folder(set[2].name), ERR_FORMAT, "part 3 of a split model; open its first part");
    refused(in_folder(set[1].name), ERR_FORMAT, "/m-00001-of-00003.gguf");

    struct set_part bad = set[1];
    bad.no = 2;
    write_part(&bad);
    refused(in_folder(set[0].name), ERR_FORMAT,
            "m-00002-of-00003.gguf: its keys split.no and split.count must be 1 and 3");
    bad = set[1];
    bad.count = 4;
    write_part(&bad);
    refused(in_folder(set[0].name), ERR_FORMAT, "but are 1 and 4");
    bad = set[1];
    bad.no = bad.count = -1;
    write_part(&bad);
    refused(in_folder(set[0].name), ERR_FORMAT, "but are -1 and -1");
    bad = set[1];
    bad.n = 1; /* t2 again */
    write_part(&bad);
    refused(in_folder(set[0].name), ERR_FORMAT, "split.tensors.count is 5, but the 3 parts hold 6");
    write_part(&set[1]);
    bad = set[2];
    bad.first = 1;
    write_part(&bad);
    refused(in_folder(set[0].name), ERR_FORMAT, "tensor t1 appears twice");
    unlink(in_folder(set[2].name));
    refused(in_folder(set[0].name), ERR_IO, "m-00003-of-00003.gguf: cannot be opened: No such file");
}

static void test_wrong_split(void **state)
{
    (void)state;
    static const struct {
        struct set_part part;
        enum error_code code;
        const char *words;
    } cases[] = {
        {{"w-00001-of-00003.gguf", 0, 2, -1, 0, 1}, ERR_FORMAT, "its name says part 1 of 3, its keys say 1 of 2"},
        {{"w-00002-of-00003.gguf", 0, 3, -1, 0, 1}, ERR_FORMAT, "its name says part 2 of 3, its keys say 1 of 3"},
        {{"w-00001-of-00003.gguf", -1, -1, -1, 0, 1}, ERR_FORMAT, "its keys (split.count) do not speak of parts"},
        {{"w-00001-of-00003.gguf", -1, 3, -1, 0, 1}, ERR_FORMAT, "split.count is 3, but there is no split.no"},
        {{"renamed.gguf", 0, 3, -1, 0, 1}, ERR_FORMAT, "does not end in -00001-of-00003.gguf"},
        {{"renamed.gguf", 1, 3, -1, 0, 1}, ERR_FORMAT, "part 2 of a split model; open its first part"},
        {{"w-00001-of-00003.gguf", 0, 65535, -1, 0, 1}, ERR_FORMAT, "its keys say 1 of 65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_part(&cases[i].part);
        refused(in_folder(cases[i].part.name), cases[i].code, cases[i].words);
    }
    const struct set_part one = {"one-00001-of-00001.gguf", 0, 1, 1, 0, 1};
    write_part(&one);
    gguf_close(open_well(in_folder(one.name)));
}

/* ---- cut and flipped anywhere ------------------------------------------------------------------------------------------- */

/* Reads all that the description refers to: under a sanitizer a wrong length shows. */
static void walk(const struct gguf *g)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < g->n_value; i++) {
        const struct gguf_value *v = &g->value[i];
        sum += strnlen(v->key.text, v->key.length + 1);
        if (v->kind == GGUF_STRING)
            sum += (uint64_t)(v->as.string.text[v->as.string.length] != 0);
        for (uint64_t k = 0; v->kind == GGUF_ARRAY && k < v->n; k++)
            sum += v->item == GGUF_STRING ? v->as.strings[k].length : (uint64_t)(gguf_item_int(v, k) & 1);
    }
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        assert_true(t->n_bytes > 0 && t->offset <= g->file[0].size && t->n_bytes <= g->file[0].size - t->offset);
        assert_ptr_equal(gguf_tensor(g, t->name), t);
    }
    assert_true(sum > 0 || g->n_value == 0);
}

/* 1 opened, 0 refused with a sentence. */
static int opens(const char *path)
{
    struct error err = {0};
    struct gguf *g;
    if (gguf_open(&g, path, &err) == 0) {
        walk(g);
        gguf_close(g);
        return 1;
    }
    if (err.code == ERR_NONE || !strstr(err.text, path) || strchr(err.text, '\n'))
        fail_msg("no sentence: \"%s\"", err.text);
    return 0;
}

/* A copy of a golden model; returns where its data begins. */
static uint64_t copy_golden(const char *path)
{
    struct gguf *g = open_well(GOLDEN);
    uint64_t n = g->file[0].size, data_start = g->file[0].data_start;
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    assert_int_equal(pread(g->file[0].fd, bytes, n, 0), (ssize_t)n);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(bytes);
    gguf_close(g);
    return data_start;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    const char *path = in_folder("cut.gguf");
    uint64_t data_start = copy_golden(path);
    int before = open_files();
    struct gguf *g = open_well(path);
    uint64_t end = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        end = g->tensor[i].offset + g->tensor[i].n_bytes;
    gguf_close(g);
    assert_int_equal(truncate(path, (off_t)end), 0);
    assert_true(opens(path));
    for (off_t n = (off_t)end - 1; n > (off_t)data_start; n -= 40961) {
        assert_int_equal(truncate(path, n), 0);
        assert_false(opens(path));
    }
    for (off_t n = (off_t)data_start; n >= 0; n -= STEP) {
        assert_int_equal(truncate(path, n), 0);
        assert_false(opens(path));
    }
    assert_int_equal(open_files(), before);
}

/* The header alone, of `there` bytes: the description of the whole file from `header` bytes on; below, how many more it takes at least. */
static void header_alone(const struct gguf *whole, const char *path, uint64_t there, uint64_t header)
{
    struct error err = {0};
    struct gguf *g;
    if (gguf_open_header(&g, path, &err) == 0) {
        assert_true(there >= header);
        assert_true(g->n_tensor == whole->n_tensor && g->n_value == whole->n_value);
        assert_int_equal(g->file[0].size, whole->file[0].size);
        for (uint64_t i = 0; i < g->n_tensor; i++)
            assert_true(g->tensor[i].offset == whole->tensor[i].offset &&
                        g->tensor[i].n_bytes == whole->tensor[i].n_bytes);
        gguf_close(g);
        return;
    }
    unsigned long long said = 0, missing = 0;
    const char *at = strstr(err.text, "goes on behind the "), *more = strstr(err.text, "give it at least ");
    if (there >= header || !at || !more || sscanf(at, "goes on behind the %llu", &said) != 1 ||
        sscanf(more, "give it at least %llu more", &missing) != 1)
        fail_msg("%llu of %llu bytes: \"%s\"", (unsigned long long)there, (unsigned long long)header, err.text);
    if (said != there || missing < 1 || there + missing > header)
        fail_msg("%llu more bytes than %llu are too many or too few for %llu: \"%s\"", missing,
                 (unsigned long long)there, (unsigned long long)header, err.text);
}

static void test_header_alone(void **state)
{
    (void)state;
    const char *path = in_folder("header.gguf");
    uint64_t header = copy_golden(path);
    struct gguf *whole = open_well(path), *g;
    struct error err = {0};
    int before = open_files();
    uint64_t end = 0;
    for (uint64_t i = 0; i < whole->n_tensor; i++)
        end = whole->tensor[i].offset + whole->tensor[i].n_bytes;
    assert_int_equal(end, whole->file[0].size);
    for (; header > 0; header--) { /* what pads it is no part of it */
        assert_int_equal(truncate(path, (off_t)header - 1), 0);
        if (gguf_open_header(&g, path, &err))
            break;
        gguf_close(g);
    }
    copy_golden(path);
    for (off_t n = (off_t)header + 200; n > 0; n -= STEP) {
        assert_int_equal(truncate(path, n), 0);
        header_alone(whole, path, (uint64_t)n, header);
    }
    gguf_close(whole);
    assert_int_equal(open_files(), before - 1);
}

static void test_flipped_anywhere(void **state)
{
    (void)state;
    static const uint8_t patterns[] = {0x01, 0x80, 0xff};
    const char *path = in_folder("flip.gguf");
    uint64_t data_start = copy_golden(path);
    int fd = open(path, O_RDWR), n_opened = 0, before = open_files();
    assert_true(fd >= 0);
    for (size_t k = 0; k < sizeof patterns; k++)
        for (uint64_t i = SANITIZED ? k : 0; i < data_start; i += STEP) {
            uint8_t byte, flipped;
            assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
            flipped = byte ^ patterns[k];
            assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
            n_opened += opens(path);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
        }
    assert_int_equal(open_files(), before);
    assert_true(n_opened > 0 && n_opened < (int)(3 * data_start));
    assert_true(opens(path));
    close(fd);
}

/* A vocabulary of real size opens fast and in memory proportional to its header. */
static void test_large_vocabulary(void **state)
{
    (void)state;
    enum { N = 151936 };
    struct error err = {0};
    struct gguf_writer w;
    const char *path = in_folder("large.gguf");
    struct gguf_string *s = calloc(N, sizeof *s);
    char(*name)[16] = calloc(N, sizeof *name);
    assert_true(s && name);
    for (int i = 0; i < N; i++)
        s[i] = (struct gguf_string){name[i], (uint64_t)snprintf(name[i], sizeof name[i], "tok%d", i)};
    gguf_write_begin(&w, path, 32);
    gguf_write_strings(&w, "tokenizer.ggml.tokens", s, N);
    gguf_write_strings(&w, "tokenizer.ggml.merges", s, N);
    assert_int_equal(gguf_write_end(&w, &err), 0);
    uint64_t start = clock_ns();
    struct gguf *g = open_well(path);
    uint64_t took = clock_ns() - start;
    const struct gguf_value *v = gguf_find(g, "tokenizer.ggml.merges");
    assert_true(v && v->n == N && strcmp(v->as.strings[N - 1].text, "tok151935") == 0);
    assert_true(g->arena.total < 3 * g->file[0].size);
    if (took > 1500000000) /* 20 ms where nothing else runs; this bound only tells linear from quadratic */
        fail_msg("opening took %llu ms", (unsigned long long)(took / 1000000));
    gguf_close(g);
    free(name);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_reads_fail),
        cmocka_unit_test(test_names_and_places),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_wrong_split),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_header_alone),
        cmocka_unit_test(test_flipped_anywhere),
        cmocka_unit_test(test_large_vocabulary),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
