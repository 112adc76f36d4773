/* links: text format base */
/* Unigram: the best way against the plainest procedure, normalising, who may write control tokens, files that are damaged. */
#include "text/tokenizer/tokenizer.h"

#include "text/tokenizer/vocab.h"
#include "text_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ids.h"

static struct small_vocab v;
static struct small_map map;
static int bos, eos, unknown, marker, two_spaces, space, a, b, ab, space_a, aba, less, greater, s;

static void begin(void)
{
    small_begin(&v, "t5");
    v.n_token = 0;
    v.bos = bos = small_add(&v, "<s>", TOKEN_CONTROL, 0);
    v.eos = eos = small_add(&v, "</s>", TOKEN_CONTROL, 0);
    v.unknown = unknown = small_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
    marker = small_add(&v, "<m>", TOKEN_USER, 0);
    two_spaces = small_add(&v, "▁▁", TOKEN_USER, -90);
    space = small_add(&v, "▁", TOKEN_NORMAL, -3);
    small_add(&v, "a", TOKEN_NORMAL, -1); /* the last of equal texts counts */
    a = small_add(&v, "a", TOKEN_NORMAL, -4);
    b = small_add(&v, "b", TOKEN_NORMAL, -4.5f);
    ab = small_add(&v, "ab", TOKEN_NORMAL, -5);
    space_a = small_add(&v, "▁a", TOKEN_NORMAL, -3.5f);
    aba = small_add(&v, "aba", TOKEN_NORMAL, -9);
    less = small_add(&v, "<", TOKEN_NORMAL, -4);
    greater = small_add(&v, ">", TOKEN_NORMAL, -4);
    s = small_add(&v, "/s", TOKEN_NORMAL, -4);
    small_add(&v, "", TOKEN_NORMAL, -1);
}

static void test_best_way(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    ids_are(t, "ab", 0, 0, IDS(ab));
    ids_are(t, "aba", 1, 0, IDS(aba, eos));  /* as good as ab a, and found first */
    ids_are(t, " ab", 0, 0, IDS(space, ab)); /* as good as _a b, and found first */
    ids_are(t, "axxb", 0, 0, IDS(a, unknown, b));
    ids_are(t, "x x", 0, 0, IDS(unknown, space, unknown));
    ids_are(t, "日本\xFF", 0, 0, IDS(unknown));
    ids_are(t, "  a", 0, 0, IDS(two_spaces, a)); /* a user-defined token costs nothing */
    ids_are(t, "", 0, 0, NO_IDS);
    tokenizer_destroy(t);
    begin();
    int behind = small_add(&v, "b▁a", TOKEN_NORMAL, -1); /* words do not stand alone */
    t = loaded(&v);
    ids_are(t, "b a", 0, 0, IDS(behind));
    tokenizer_destroy(t);
    begin();
    int x_a = small_add(&v, "xa", TOKEN_NORMAL, -9), spaces = small_add(&v, "▁▁▁", TOKEN_NORMAL, -0.25f);
    small_add(&v, "abb", TOKEN_NORMAL, -1);
    t = loaded(&v);
    ids_are(t, "xabb", 0, 0, IDS(x_a, b, b)); /* -18; by the unknown token -20 */
    ids_are(t, "   a", 0, 0, IDS(two_spaces, space_a));
    ids_are(t, "   b", 0, 0, IDS(spaces, b)); /* -4.75; by the user-defined token, of -90 in the file, -7.5 */
    tokenizer_destroy(t);
}

static void test_spaces(void **state)
{
    (void)state;
    begin();
    v.merge_spaces = v.space_prefix = 1;
    struct tokenizer *t = loaded(&v);
    ids_are(t, "  a   a  ", 0, 0, IDS(space_a, space_a));
    ids_are(t, "   ", 0, 0, NO_IDS);
    ids_are(t, "a<m>b", 0, 0, IDS(space_a, marker, space, b));
    tokenizer_destroy(t);
    begin();
    v.space_prefix = 1;
    t = loaded(&v);
    ids_are(t, " a a", 0, 0, IDS(two_spaces, a, space_a)); /* in front of the first word, spaces or not */
    tokenizer_destroy(t);
}

/* Words that hold nothing known in a row are one unknown token, also where they are written apart. */
static void test_unknown_words(void **state)
{
    (void)state;
    begin();
    v.token[space] = (struct gguf_string){"y", 1};
    struct tokenizer *t = loaded(&v);
    ids_are(t, "x x x", 0, 0, IDS(unknown));
    ids_are(t, "x xa x", 0, 0, IDS(unknown, a, unknown));
    ids_are(t, "x<m>x", 0, 0, IDS(unknown, marker, unknown));
    tokenizer_destroy(t);
}

/* Sums from every place to the end, by every token there is; ties as the definition has them. */
static size_t plain_way(const struct tokenizer *t, const char *text, size_t n, int *out)
{
    double sum[40], score[] = {[0 ... 19] = 0};
    int32_t last[40];
    size_t from[40], n_out = 0;
    for (int i = 0; i < (int)v.n_token; i++)
        score[i] = v.type[i] == TOKEN_USER ? 0 : (double)v.score[i];
    for (size_t i = 1; i <= n; i++)
        sum[i] = -INFINITY;
    sum[0] = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 1; k <= n - i; k++) {
            int32_t id = tokenizer_find(t, text + i, k);
            double to = sum[i] + (id >= 0 ? score[id] : -19);
            if ((id < 0 && k > 1) || to <= sum[i + k])
                continue;
            sum[i + k] = to;
            last[i + k] = id >= 0 ? id : unknown;
            from[i + k] = i;
        }
    }
    for (size_t at = n; at > 0; at = from[at])
        if (n_out == 0 || out[n_out - 1] != unknown || last[at] != unknown)
            out[n_out++] = last[at];
    return n_out;
}

static void test_against_plain_search(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        char text[32];
        size_t n = 0;
        int want[40];
        for (unsigned k = (seed = seed * 1664525u + 1013904223u) >> 28; k > 0; k--)
            text[n++] = "aabb<>x/"[(seed = seed * 1664525u + 1013904223u) >> 29];
        size_t n_want = plain_way(t, text, n, want);
        struct token_list l = encode(t, text, n, 0, 0);
        assert_int_equal(l.n, n_want);
        for (size_t i = 0; i < n_want; i++)
            assert_int_equal(l.id[i], want[n_want - 1 - i]);
        token_list_free(&l);
    }
    tokenizer_destroy(t);
}

static void test_map_of_characters(void **state)
{
    (void)state;
    begin();
    small_map_begin(&map);
    small_map_add(&map, "A", "a");
    small_map_add(&map, "AB", "b");
    small_map_add(&map, "\xE3\x80\x80", " ");
    small_map_add(&map, "\xC2\xAD", "");
    small_map_add(&map, "Q", "aba b");
    small_map_add(&map, "\xEF\xBC\x9C", "<");
    small_map_put(&map, &v);
    struct tokenizer *t = loaded(&v);
    ids_are(t, "AABAx", 0, 0, IDS(aba, unknown));
    ids_are(t,
            "b\xE3\x80\x80"
            "b\xC2\xAD",
            0, 0, IDS(b, space, b));
    ids_are(t, "Q", 0, 0, IDS(aba, space, b));
    ids_are(t, "\xE3\x80", 0, 0, IDS(unknown));
    ids_are(t, "\xEF\xBC\x9C/s>", 0, 1, IDS(less, s, greater)); /* no control token by another spelling */
    struct token_list l = encode(t, "\xEF\xBC\x9Cm>", 5, 0, 1);
    for (size_t i = 0; i < l.n; i++)
        assert_int_not_equal(l.id[i], marker);
    token_list_free(&l);
    tokenizer_destroy(t);
}

static void test_who_writes_control_tokens(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    uint8_t mark[8], reach[40] = {0};
    struct token_list l = {0};
    struct error err = {0};
    ids_are(t, "a</s>", 0, 1, IDS(a, eos));
    ids_are(t, "a</s>", 0, 0, IDS(a, less, s, greater));
    memset(mark, 1, sizeof mark);
    assert_int_equal(tokenizer_encode_marked(t, "a</s>", 5, mark, reach, &l, &err), 0);
    is_list(&l, IDS(a, less, s, greater));
    assert_int_equal(tokenizer_encode_marked(t, "<m>", 3, mark, reach, &l, &err), 0);
    is_list(&l, IDS(less, unknown, greater));
    assert_int_equal(tokenizer_encode_first(t, "a</s>", 5, &l, &err), 0);
    assert_int_equal(tokenizer_encode_second(t, "ab", 2, &l, &err), 0);
    is_list(&l, IDS(bos, a, less, s, greater, eos, eos, ab, eos));
    tokenizer_destroy(t);
}

static void refuses(const char *sentence)
{
    struct tokenizer *t = NULL;
    struct error err = {0};
    assert_int_equal(small_load(&v, &t, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, sentence));
}

static void test_files_that_lack(void **state)
{
    (void)state;
    small_begin(&v, "t5");
    v.n_token = 0;
    small_add(&v, "a", TOKEN_NORMAL, 0);
    refuses("no unknown token");
    begin();
    v.score[a] = NAN;
    refuses("no finite number");
    begin();
    v.score[ab] = -INFINITY;
    refuses("no finite number");
    begin();
    v.n_score--;
    refuses("tokenizer.ggml.scores");
}

/* Loads and encodes, or is refused with a sentence; whatever it is, it ends. */
static int survives(void)
{
    struct tokenizer *t = NULL;
    struct error err = {0};
    if (small_load(&v, &t, &err) != 0) {
        assert_int_equal(err.code, ERR_FORMAT);
        assert_true(strlen(err.text) > 20);
        return 0;
    }
    struct token_list l = encode(t, "ABABQab\xE3\x80\x80", 10, 0, 0);
    assert_true(l.n > 0);
    token_list_free(&l);
    tokenizer_destroy(t);
    return 1;
}

static void test_damaged_maps(void **state)
{
    (void)state;
    begin();
    small_map_begin(&map);
    small_map_add(&map, "Q", "b");
    small_map_add(&map, "AB", "ab"); /* what a cut takes first is named by a place further down */
    small_map_put(&map, &v);
    uint64_t whole = v.n_charsmap;
    assert_true(survives());
    for (v.n_charsmap = 1; v.n_charsmap < whole; v.n_charsmap += v.n_charsmap < whole - 40 ? 37 : 1)
        assert_false(survives());
    v.n_charsmap = whole;
    uint32_t seed = 3;
    for (int round = 0; round < 600; round++) { /* bytes around those that are used */
        uint8_t *byte = &map.bytes[round % 2 ? seed % 12 : 4 + 4 * (256 + (seed >> 8) % 1024) + seed % 4], was = *byte;
        seed = seed * 1664525u + 1013904223u;
        *byte = (uint8_t)(seed >> 24);
        survives();
        *byte = was;
        seed = seed * 1664525u + 1013904223u;
    }
    map.unit[256 ^ 'A'] = (uint32_t)('A' ^ 0) << 10 | 'A'; /* A leads to its own place: keys without an end */
    small_map_put(&map, &v);
    assert_true(survives());
    static char lengthy[300];
    memset(lengthy, 'a', 299);
    small_map_begin(&map);
    small_map_add(&map, "A", lengthy);
    small_map_put(&map, &v);
    refuses("more than 256 bytes");
}

static void test_long_words(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static char nearly[200];
    char *text = malloc(N);
    assert_non_null(text);
    begin();
    memset(nearly, 'a', 198);
    nearly[198] = 'x';
    small_add(&v, nearly, TOKEN_NORMAL, -1);
    struct tokenizer *t = loaded(&v);
    memset(text, 'a', N);
    struct token_list l = encode(t, text, N, 0, 0);
    assert_int_equal(l.n, N);
    token_list_free(&l);
    memset(text, 'x', N);
    l = encode(t, text, N, 0, 0);
    is_list(&l, IDS(unknown));
    memset(text, ' ', N);
    l = encode(t, text, N, 0, 0);
    assert_int_equal(l.n, N / 2);
    token_list_free(&l);
    tokenizer_destroy(t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_way),          cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_unknown_words),     cmocka_unit_test(test_against_plain_search),
        cmocka_unit_test(test_map_of_characters), cmocka_unit_test(test_who_writes_control_tokens),
        cmocka_unit_test(test_files_that_lack),   cmocka_unit_test(test_damaged_maps),
        cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
