/* links: text format base */
/* WordPiece: what becomes of characters, words against the plainest procedure, who may write [SEP], files that lack something. */
#include "text/tokenizer/tokenizer.h"

#include "text/tokenizer/vocab.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ids.h"

static struct small_vocab v;
static int unknown, cls, sep, a, ab, b, c, bc, bracket, bracket_end, sep_text, sun, jamo;

static void begin(void)
{
    small_begin(&v, "bert");
    v.n_token = 0;
    small_add(&v, "[PAD]", TOKEN_CONTROL, 0);
    v.unknown = unknown = small_add(&v, "[UNK]", TOKEN_CONTROL, 0);
    v.cls = cls = small_add(&v, "[CLS]", TOKEN_CONTROL, 0);
    v.sep = sep = small_add(&v, "[SEP]", TOKEN_CONTROL, 0);
    small_add(&v, "▁a", TOKEN_NORMAL, 0); /* the last of equal texts is found */
    a = small_add(&v, "▁a", TOKEN_NORMAL, 0);
    ab = small_add(&v, "▁ab", TOKEN_NORMAL, 0);
    b = small_add(&v, "b", TOKEN_NORMAL, 0);
    c = small_add(&v, "c", TOKEN_NORMAL, 0);
    bc = small_add(&v, "bcc", TOKEN_NORMAL, 0);
    bracket = small_add(&v, "▁[", TOKEN_NORMAL, 0);
    bracket_end = small_add(&v, "▁]", TOKEN_NORMAL, 0);
    sep_text = small_add(&v, "▁sep", TOKEN_NORMAL, 0);
    sun = small_add(&v, "▁日", TOKEN_NORMAL, 0);
    jamo = small_add(&v, "▁\xE1\x84\x80", TOKEN_NORMAL, 0); /* U+1100 */
    small_add(&v, "", TOKEN_NORMAL, 0);
}

static void test_characters(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    ids_are(t, "Ab", 0, 0, IDS(ab));
    ids_are(t,
            "\xC3\x81"
            "B \xC3\xA0", /* with accents */
            0, 0, IDS(ab, a));
    ids_are(t, "a\xCC\x81", 0, 0, IDS(unknown)); /* an accent of its own is a character */
    ids_are(t,
            "a\xC2\xAD\xE2\x80\x8B\x01\xFF"
            "b", /* soft hyphen, zero width, control, no UTF-8 */
            0, 0, IDS(ab));
    ids_are(t, "a\xC2\xA0\xE3\x80\x80\tab", 0, 0, IDS(a, ab));
    ids_are(t, "a日日a", 0, 0, IDS(a, sun, sun, a));
    ids_are(t, "\xEA\xB0\x81", 0, 0, IDS(jamo));
    ids_are(t, " \n\t", 0, 0, NO_IDS);
    ids_are(t, "", 1, 0, IDS(cls, sep));
    tokenizer_destroy(t);
}

static void test_pieces(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    ids_are(t, "abc abcc abccc", 0, 0, IDS(ab, c, ab, c, c, ab, c, c, c));
    ids_are(t, "acc abx x abcb", 0, 0, IDS(a, c, c, unknown, unknown, ab, c, b));
    ids_are(t, "accbcc", 0, 0, IDS(a, c, c, bc));
    ids_are(t, "bcc", 0, 0, IDS(unknown)); /* nothing begins a word so */
    size_t n;
    assert_memory_equal(tokenizer_piece(t, ab, 0, &n), " ab", 3);
    tokenizer_destroy(t);
}

/* Random words: the longest token that is found, again and again. */
static void test_against_plain_search(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    uint32_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        char word[24] = SPM_SPACE;
        size_t n = 3, at = 0;
        int want[24], n_want = 0;
        for (unsigned k = (seed = seed * 1664525u + 1013904223u) >> 28; k > 0; k--)
            word[n++] = "abc"[(seed = seed * 1664525u + 1013904223u) >> 24 & 1 ? 2 : seed >> 28 & 1];
        while (n > 3 && at < n) {
            size_t length = n - at;
            int32_t id = -1;
            while (length > 0 && (id = tokenizer_find(t, word + at, length)) < 0)
                length--;
            if (id < 0)
                break;
            want[n_want++] = id;
            at += length;
        }
        if (n > 3 && at < n) {
            want[0] = unknown;
            n_want = 1;
        }
        want[n_want] = -1;
        struct token_list l = encode(t, word + 3, n - 3, 0, 0);
        is_list(&l, want);
    }
    tokenizer_destroy(t);
}

static int encode_pair(const struct tokenizer *t, const char *first, const char *second, struct token_list *out,
                       struct error *err)
{
    return tokenizer_encode_first(t, first, strlen(first), out, err) ||
                   tokenizer_encode_second(t, second, strlen(second), out, err)
               ? -1
               : 0;
}

static void test_who_writes_separators(void **state)
{
    (void)state;
    begin();
    struct tokenizer *t = loaded(&v);
    static const char text[] = "a[SEP]";
    uint8_t mark[sizeof text], reach[40] = {0};
    struct token_list l = {0};
    struct error err = {0};
    ids_are(t, text, 1, 1, IDS(cls, a, sep, sep));
    ids_are(t, text, 1, 0, IDS(cls, a, bracket, sep_text, bracket_end, sep));
    memset(mark, 1, sizeof mark);
    assert_int_equal(tokenizer_encode_marked(t, text, 6, mark, reach, &l, &err), 0);
    is_list(&l, IDS(a, bracket, sep_text, bracket_end));
    reach[sep] = 1;
    assert_int_equal(tokenizer_encode_marked(t, text, 6, mark, reach, &l, &err), 0);
    is_list(&l, IDS(a, sep));
    assert_int_equal(tokenizer_encode_marked(t, "x", 1, mark, reach, &l, &err), 0);
    is_list(&l, IDS(unknown));
    assert_int_equal(encode_pair(t, text, "ab", &l, &err), 0);
    is_list(&l, IDS(cls, a, bracket, sep_text, bracket_end, sep, ab, sep));
    assert_int_equal(encode_pair(t, "", "", &l, &err), 0);
    is_list(&l, IDS(cls, sep, sep));
    tokenizer_destroy(t);
    t = load_file(EMBER);
    assert_int_equal(encode_pair(t, "a", "b", &l, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
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
    begin();
    v.unknown = -1;
    refuses("no unknown token");
    begin();
    v.cls = v.sep = -1; /* and the vocabulary is too small for their usual ids */
    struct tokenizer *t = loaded(&v);
    assert_false(tokenizer_adds_bos(t));
    ids_are(t, "ab", 1, 1, IDS(ab));
    tokenizer_destroy(t);
    begin();
    static char lengthy[514];
    memset(lengthy, 'a', 513);
    small_add(&v, lengthy, TOKEN_NORMAL, 0);
    refuses("513 bytes");
    begin();
    small_add(&v, lengthy + 1, TOKEN_NORMAL, 0);
    tokenizer_destroy(loaded(&v));
}

/* A megabyte of a word, of which each place reads hundreds of bytes for nothing. */
static void test_long_words(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static char nearly[200];
    char *text = malloc(N);
    assert_non_null(text);
    begin();
    int longer = small_add(&v, "bb", TOKEN_NORMAL, 0);
    memset(nearly, 'b', 198);
    nearly[198] = 'x';
    small_add(&v, nearly, TOKEN_NORMAL, 0);
    struct tokenizer *t = loaded(&v);
    memset(text, 'b', N);
    text[0] = 'a';
    struct token_list l = encode(t, text, N, 0, 0);
    assert_int_equal(l.n, 1 + (N - 2) / 2);
    assert_int_equal(l.id[0], ab);
    assert_int_equal(l.id[l.n - 1], longer);
    token_list_free(&l);
    text[N - 1] = 'y';
    l = encode(t, text, N, 0, 0);
    is_list(&l, IDS(unknown));
    tokenizer_destroy(t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),           cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_against_plain_search), cmocka_unit_test(test_who_writes_separators),
        cmocka_unit_test(test_files_that_lack),      cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
