/* links: text format base */
/* Loading, special tokens, merging: against slow procedures that say the same in the plainest way. Whole texts in real
 * vocabularies: tests/tokenizers.c. */
#include "text/tokenizer/tokenizer.h"

#include "text/tokenizer/vocab.h"
#include "text_fixture.h"

#include "base/reqmem.h"
#include "cli/common/cli.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed = 1;
static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void ids_are(const struct tokenizer *t, const char *text, int add_special, int parse_special, size_t n,
                    const int32_t *want)
{
    struct token_list l = encode(t, text, strlen(text), add_special, parse_special);
    assert_int_equal(l.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(l.id[i], want[i]);
    token_list_free(&l);
}

static void test_ember(void **state)
{
    (void)state;
    struct tokenizer *t = load_file(EMBER);
    assert_non_null(t);
    assert_int_equal(tokenizer_n_vocab(t), 4096);
    int32_t start = tokenizer_find(t, "<|im_start|>", 12), end = tokenizer_find(t, "<|im_end|>", 10);
    assert_int_equal(start, 4088);
    assert_int_equal(end, 4089);
    assert_int_equal(tokenizer_type(t, start), TOKEN_CONTROL);
    assert_int_equal(tokenizer_type(t, tokenizer_find(t, "<think>", 7)), TOKEN_USER);
    assert_true(tokenizer_is_end(t, end) && !tokenizer_is_end(t, start));
    assert_int_equal(tokenizer_find(t, "no such token", 13), -1);
    size_t n;
    assert_memory_equal(tokenizer_text(t, start, &n), "<|im_start|>", 12);
    assert_int_equal(n, 12);
    tokenizer_text(t, 4096, &n);
    assert_int_equal(n, 0);
    ids_are(t, "<|im_start|>user\nHello", 0, 1, 4, (int32_t[]){4088, 276, 10, 779});
    struct token_list plain = encode(t, "<|im_start|>user\nHello", 22, 0, 0);
    assert_true(plain.n > 4 && plain.id[0] != 4088);
    token_list_free(&plain);
    ids_are(t, "", 0, 1, 0, NULL);
    tokenizer_destroy(t);
}

/* Any valid UTF-8 comes back byte for byte; any bytes at all are legal. */
static void test_round_trip(void **state)
{
    (void)state;
    struct tokenizer *t = load_file(EMBER);
    const char *piece[] = {"a",        " ",  "\n", "\r\n", "7", "'s",  "é",    "日",           "👍",        "e\xCC\x81",
                           "\xC2\x85", "\t", "<",  "|>",   "Z", "the", " the", "<|im_start|>", "</think>", "."};
    for (int round = 0; round < 300; round++) {
        char text[400] = "";
        for (unsigned i = rnd(25); i > 0; i--)
            strcat(text, piece[rnd(sizeof piece / sizeof *piece)]);
        for (int parse_special = 0; parse_special < 2; parse_special++) {
            struct token_list l = encode(t, text, strlen(text), 0, parse_special);
            size_t n;
            char *back = decode(t, &l, 1, 0, &n);
            assert_int_equal(n, strlen(text));
            assert_memory_equal(back, text, n);
            free(back);
            token_list_free(&l);
        }
    }
    for (int round = 0; round < 300; round++) {
        char text[40];
        size_t n = rnd(sizeof text), back_n;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(rnd(3) ? 0x80 + rnd(128) : rnd(256));
        struct token_list l = encode(t, text, n, 0, 1);
        char *back = decode(t, &l, 1, 0, &back_n);
        assert_int_equal(back_n, pretokenize_clean((uint8_t *)text, n, NULL));
        free(back);
        token_list_free(&l);
    }
    tokenizer_destroy(t);
}

/* The sequential procedure of tokenizer.md 2a, as it is written. Returns owner of each byte: id, or -1 raw. */
static void cut_slowly(const struct tokenizer *t, const char *text, size_t n, int parse_special, int32_t *owner)
{
    for (size_t i = 0; i < n; i++)
        owner[i] = -1;
    for (size_t length = 20; length > 0; length--)
        for (int id = 0; id < t->n_vocab; id++) {
            enum token_type type = tokenizer_type(t, id);
            const char *word = t->text.bytes + t->text.start[id];
            if (t->text.start[id + 1] - t->text.start[id] != length || type == TOKEN_NORMAL || type == TOKEN_BYTE ||
                type == TOKEN_UNUSED || (!parse_special && type != TOKEN_USER))
                continue;
            for (size_t at = 0; at + length <= n;) {
                int fits = memcmp(text + at, word, length) == 0;
                for (size_t i = 0; i < length; i++)
                    fits = fits && owner[at + i] == -1;
                for (size_t i = 0; fits && i < length; i++)
                    owner[at + i] = id;
                at += fits ? length : 1;
            }
        }
}

static void test_special_cuts(void **state)
{
    (void)state;
    struct small_vocab v;
    struct error err = {0};
    for (int round = 0; round < 40; round++) {
        char words[12][8];
        struct tokenizer *t = NULL;
        small_begin(&v, "gpt2");
        for (int w = 0; w < 12; w++) {
            unsigned n = 1 + rnd(6);
            for (unsigned i = 0; i < n; i++)
                words[w][i] = "ab"[rnd(2)];
            words[w][n] = 0;
            const int types[] = {TOKEN_USER, TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_UNUSED};
            small_add(&v, words[w], types[rnd(4)], 0);
        }
        assert_int_equal(small_load(&v, &t, &err), 0);
        for (int i = 0; i < 50; i++) {
            char text[60];
            int32_t want[60];
            size_t n = rnd(60), n_cut, at = 0;
            struct special_cut *cut;
            for (size_t k = 0; k < n; k++)
                text[k] = "aabbc"[rnd(5)];
            int parse_special = (int)rnd(2);
            cut_slowly(t, text, n, parse_special, want);
            assert_int_equal(special_cuts(&t->special[parse_special], text, n, NULL, &cut, &n_cut), 0);
            for (size_t c = 0; c < n_cut; c++) {
                for (; at < cut[c].start; at++)
                    assert_int_equal(want[at], -1);
                for (; at < cut[c].end; at++)
                    assert_int_equal(want[at], cut[c].id);
            }
            for (; at < n; at++)
                assert_int_equal(want[at], -1);
            free(cut);
        }
        tokenizer_destroy(t);
    }
}

static void test_phi3_swallows(void **state)
{
    (void)state;
    struct small_vocab v;
    struct error err = {0};
    struct tokenizer *t = NULL;
    small_begin(&v, "gpt2");
    v.name = "My PHI-3 mini";
    int user = small_add(&v, "<|user|>", TOKEN_CONTROL, 0), s = small_add(&v, "<s>", TOKEN_CONTROL, 0);
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, "<|user|> \n\ta <s> b", 0, 1, 6, (int32_t[]){user, 'a', ' ', s, ' ', 'b'}); /* id of a byte: the byte */
    tokenizer_destroy(t);
}

/* The lowest rank first, leftmost among equals, one at a time. */
struct slow_symbol {
    char text[64];
};

static size_t merge_slowly(const struct small_vocab *v, const char *word, struct slow_symbol *s)
{
    size_t n = strlen(word);
    for (size_t i = 0; i < n; i++)
        snprintf(s[i].text, sizeof s[i].text, "%c", word[i]);
    for (;;) {
        size_t best = v->n_merge, at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            char pair[130];
            snprintf(pair, sizeof pair, "%s %s", s[i].text, s[i + 1].text);
            for (size_t m = 0; m < best; m++)
                if (!strcmp(v->merge[m].text, pair)) {
                    best = m;
                    at = i;
                }
        }
        if (best == v->n_merge)
            return n;
        size_t left = strlen(s[at].text), right = strlen(s[at + 1].text);
        memcpy(s[at].text + left, s[at + 1].text, right + 1);
        memmove(&s[at + 1], &s[at + 2], (--n - at - 1) * sizeof *s);
    }
}

/* Random merges over three letters; some results are no tokens and must fall apart into bytes at the end. */
static void test_merges(void **state)
{
    (void)state;
    static struct small_vocab v;
    static char merges[40][40], results[40][40];
    struct error err = {0};
    for (int round = 0; round < 60; round++) {
        struct tokenizer *t = NULL;
        small_begin(&v, "gpt2");
        for (int m = 0; m < 40; m++) {
            char left[20], right[20];
            snprintf(left, sizeof left, "%.9s", m && rnd(2) ? results[rnd((unsigned)m)] : &"a\0b\0c"[2 * rnd(3)]);
            snprintf(right, sizeof right, "%.9s", m && rnd(2) ? results[rnd((unsigned)m)] : &"a\0b\0c"[2 * rnd(3)]);
            snprintf(merges[m], sizeof merges[m], "%s %s", left, right);
            snprintf(results[m], sizeof results[m], "%s%s", left, right);
            small_merge(&v, merges[m]);
            if (rnd(8))
                small_add(&v, results[m], TOKEN_NORMAL, 0);
        }
        assert_int_equal(small_load(&v, &t, &err), 0);
        for (int i = 0; i < 20; i++) {
            char word[50];
            struct slow_symbol want[50];
            size_t n = 1 + rnd(48), at = 0;
            for (size_t k = 0; k < n; k++)
                word[k] = "abc"[rnd(3)];
            word[n] = 0;
            size_t n_want = merge_slowly(&v, word, want);
            struct token_list l = encode(t, word, n, 0, 0);
            for (size_t k = 0; k < n_want; k++) {
                const char *text = want[k].text;
                int32_t id = tokenizer_find(t, text, strlen(text));
                if (id >= 0) {
                    assert_true(at < l.n);
                    assert_int_equal(l.id[at++], id);
                    continue;
                }
                for (; *text; text++)
                    assert_int_equal(l.id[at++], tokenizer_find(t, text, 1));
            }
            assert_int_equal(at, l.n);
            token_list_free(&l);
        }
        tokenizer_destroy(t);
    }
}

static void test_ignore_merges(void **state)
{
    (void)state;
    struct small_vocab v;
    struct error err = {0};
    struct tokenizer *t = NULL;
    small_begin(&v, "gpt2");
    int word = small_add(&v, "\xC4\xA0word", TOKEN_NORMAL, 0); /* " word", reached by no merge */
    int begin = small_add(&v, "<begin>", TOKEN_CONTROL, 0);
    v.bos = begin;
    assert_int_equal(small_load(&v, &t, &err), 0);
    struct token_list l = encode(t, " word", 5, 1, 0);
    assert_int_equal(l.n, 5);
    token_list_free(&l);
    tokenizer_destroy(t);
    v.pre = "llama3";
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, " word", 1, 0, 2, (int32_t[]){begin, word});
    tokenizer_destroy(t);
    v.add_bos = 0; /* the key wins over the rule */
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, " word", 1, 0, 1, (int32_t[]){word});
    tokenizer_destroy(t);
}

static void test_spm(void **state)
{
    (void)state;
    struct small_vocab v;
    struct error err = {0};
    struct tokenizer *t = NULL;
    small_begin(&v, "llama");
    int unk = small_add(&v, "<unk>", TOKEN_UNKNOWN, 0), bos = small_add(&v, "<s>", TOKEN_CONTROL, 0);
    int space = small_add(&v, "▁", TOKEN_NORMAL, -9), a = small_add(&v, "a", TOKEN_NORMAL, -9),
        b = small_add(&v, "b", TOKEN_NORMAL, -9), aa = small_add(&v, "aa", TOKEN_NORMAL, -1),
        ab = small_add(&v, "ab", TOKEN_NORMAL, -0.5f), space_a = small_add(&v, "▁a", TOKEN_NORMAL, -2);
    v.unknown = unk;
    v.bos = bos;
    v.eos = 0;
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, "a", 1, 0, 2, (int32_t[]){bos, space_a});
    ids_are(t, "aab", 0, 0, 2, (int32_t[]){space_a, ab});  /* -0.5 before -1: then only "▁ a" is left */
    ids_are(t, "aaa", 0, 0, 3, (int32_t[]){space, aa, a}); /* leftmost of equals */
    ids_are(t, "b  a", 0, 0, 4, (int32_t[]){space, b, space, space_a});
    ids_are(t, "a<s>a", 0, 1, 3, (int32_t[]){space_a, bos, space_a}); /* a prefix behind each special token */
    ids_are(t, "a<s>a", 0, 0, 5, (int32_t[]){space_a, '<', 's', '>', a});
    ids_are(t, "é\xFF", 0, 0, 4, (int32_t[]){space, 0xC3, 0xA9, 0xFF});
    ids_are(t, "", 1, 0, 1, (int32_t[]){bos});
    tokenizer_destroy(t);
}

/* Merges over characters, words cut at newlines, no space in front, bytes where nothing else is. */
static void test_gemma4(void **state)
{
    (void)state;
    static struct small_vocab v;
    struct error err = {0};
    struct tokenizer *t = NULL;
    small_begin(&v, "gemma4");
    int bos = small_add(&v, "<bos>", TOKEN_CONTROL, 0), space = small_add(&v, "▁", TOKEN_NORMAL, 0),
        a = small_add(&v, "a", TOKEN_NORMAL, 0), b = small_add(&v, "b", TOKEN_NORMAL, 0),
        ab = small_add(&v, "ab", TOKEN_NORMAL, 0), space_a = small_add(&v, "▁a", TOKEN_NORMAL, 0),
        lines = small_add(&v, "\n\n", TOKEN_NORMAL, 0), cde = small_add(&v, "cde", TOKEN_NORMAL, 0);
    v.bos = bos;
    v.add_bos = 0; /* not for files to say */
    small_merge(&v, "a b");
    small_merge(&v, "▁ a");
    small_merge(&v, "c d"); /* neither c nor cd is a token */
    small_merge(&v, "cd e");
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, "a", 1, 0, 2, (int32_t[]){bos, a});
    ids_are(t, " ab a", 0, 0, 3, (int32_t[]){space, ab, space_a});   /* a b before ▁ a */
    ids_are(t, "a\n\nb\n", 0, 0, 4, (int32_t[]){a, lines, b, '\n'}); /* id of a byte: the byte */
    ids_are(t, "cdecd", 0, 0, 3, (int32_t[]){cde, 'c', 'd'});
    ids_are(t, "\xC3", 0, 0, 3, (int32_t[]){0xEF, 0xBF, 0xBD});
    tokenizer_destroy(t);
    int behind = small_add(&v, "b▁", TOKEN_NORMAL,
                           0); /* words no longer stand alone: the same result by the longer way */
    small_merge(&v, "b ▁");
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, "b a", 0, 0, 2, (int32_t[]){b, space_a});
    ids_are(t, "b b", 0, 0, 2, (int32_t[]){behind, b});
    tokenizer_destroy(t);
}

/* The same ids from many threads, whoever gets a table of words. */
enum { THREADS = 4 };
struct job {
    const struct tokenizer *t;
    const char *text;
    size_t n;
    uint64_t sum;
};

static void *encode_many(void *arg)
{
    struct job *j = arg;
    for (int round = 0; round < 50; round++) {
        struct token_list l = encode(j->t, j->text, j->n, 0, 1);
        for (size_t i = 0; i < l.n; i++)
            j->sum = j->sum * 31 + (uint64_t)l.id[i];
        token_list_free(&l);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct tokenizer *t = load_file(EMBER);
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "etaoin shrdlu, cmfwyp. "[rnd(23)];
    struct job job[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        job[i] = (struct job){t, text, sizeof text, 0};
        assert_int_equal(pthread_create(&thread[i], NULL, encode_many, &job[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(job[i].sum == job[0].sum);
    }
    tokenizer_destroy(t);
}

/* n log n, and no limit of the matcher in the way: a quadratic step would not come back from a megabyte. */
static void test_long_runs(void **state)
{
    (void)state;
    struct tokenizer *t = load_file(EMBER);
    const char *unit[] = {"a", " ", "7", "'s", "\xCC\x81", "\n ", "\xFF", "<|im_", "\t"};
    size_t n = 1 << 20;
    char *text = malloc(n);
    for (size_t u = 0; u < sizeof unit / sizeof *unit; u++) {
        for (size_t i = 0; i < n; i++)
            text[i] = unit[u][i % strlen(unit[u])];
        struct token_list l = encode(t, text, n, 0, 1);
        assert_true(l.n > 0 && l.n <= 3 * n);
        token_list_free(&l);
    }
    free(text);
    tokenizer_destroy(t);
}

/* Bytes that a text takes at most while it is encoded, all in one word. */
static size_t peak_of(const struct tokenizer *t, const char *text, size_t n)
{
    struct reqmem memory;
    struct reqmem_account account = {.of = &memory};
    reqmem_init(&memory, SIZE_MAX / 4, 0);
    reqmem_enter(&account, 0);
    struct token_list l = encode(t, text, n, 0, 1);
    token_list_free(&l);
    reqmem_leave();
    return (size_t)account.peak;
}

/* What callers plan for a byte of text is enough, whatever its length and the order of merges, and not much more than it takes. COPIES: of
 * the text itself, which the tokenizer has not made. */
static void test_long_words(void **state)
{
    (void)state;
    enum { COPIES = 5, MOST = 3000000 };
    static const size_t length[] = {(1 << 20) - 5, (1 << 20) + 5, 1500000, MOST};
    struct small_vocab v;
    struct error err = {0};
    struct tokenizer *spm = NULL, *bpe = load_file(EMBER);
    double most = 0;
    char *text = malloc(MOST);
    small_begin(&v, "llama");
    small_add(&v, "a", TOKEN_NORMAL, -9);
    small_add(&v, "aa", TOKEN_NORMAL, -1);
    small_add(&v, "a▁", TOKEN_NORMAL, -2); /* words do not stand alone */
    assert_int_equal(small_load(&v, &spm, &err), 0);
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < MOST; i++)
            text[i] = (char)(kind == 0 ? 'a' : kind == 1 ? 'a' + (int)rnd(26) : rnd(3) ? 'a' : ' ');
        for (size_t i = 0; i < sizeof length / sizeof *length; i++)
            for (int which = 0; which < 2; which++) {
                size_t n = length[i], peak = peak_of(which ? spm : bpe, text, n);
                assert_true(peak <= (TEXT_TO_TOKENS - COPIES) * n);
                most = (double)peak / (double)n > most ? (double)peak / (double)n : most;
            }
    }
    assert_true(most > TEXT_TO_TOKENS - 12);
    free(text);
    tokenizer_destroy(bpe);
    tokenizer_destroy(spm);
}

static void refused(const struct small_vocab *v, const char *about)
{
    struct tokenizer *t = NULL;
    struct error err = {0};
    assert_int_equal(small_load(v, &t, &err), -1);
    assert_null(t);
    if (!strstr(err.text, about))
        fail_msg("\"%s\" does not mention %s", err.text, about);
}

static void test_refusals(void **state)
{
    (void)state;
    static struct small_vocab v;
    small_begin(&v, "gpt2");
    v.pre = "no-such-rule";
    refused(&v, "no-such-rule");
    refused(&v, "qwen2");
    small_begin(&v, "gpt2");
    v.model = "rwkv";
    refused(&v, "rwkv");
    v.model = "";
    refused(&v, "no tokenizer");
    small_begin(&v, "gpt2");
    v.no_merges = 1;
    refused(&v, "tokenizer.ggml.merges");
    small_begin(&v, "gpt2");
    small_merge(&v, "nospace");
    refused(&v, "merges[0]");
    small_begin(&v, "gpt2");
    v.token['Q'].text = "QQ";
    v.token['Q'].length = 2;
    refused(&v, "0x51");
    v.unknown = 3; /* stands in for it */
    struct tokenizer *t = NULL;
    struct error err = {0};
    assert_int_equal(small_load(&v, &t, &err), 0);
    ids_are(t, "Q", 0, 0, 1, (int32_t[]){3});
    tokenizer_destroy(t);
    small_begin(&v, "gpt2");
    v.pre = ""; /* as if it were "default" */
    assert_int_equal(small_load(&v, &t, &err), 0);
    tokenizer_destroy(t);
    small_begin(&v, "gpt2");
    v.n_type = 255;
    refused(&v, "token_type");
    small_begin(&v, "llama");
    v.n_score = 10;
    refused(&v, "scores");
    small_begin(&v, "gpt2");
    v.n_token = 0;
    refused(&v, "tokenizer.ggml.tokens");
}

/* Names give roles, but never to a token that the file calls normal. */
static void test_roles(void **state)
{
    (void)state;
    static struct small_vocab v;
    struct tokenizer *t = NULL;
    struct error err = {0};
    small_begin(&v, "gpt2");
    int s = small_add(&v, "</s>", TOKEN_NORMAL, 0), im_end = small_add(&v, "<|im_end|>", TOKEN_USER, 0),
        pad = small_add(&v, "[PAD7]", TOKEN_UNUSED, 0), unused = small_add(&v, "<unused1>", TOKEN_CONTROL, 0),
        end = small_add(&v, "<|end|>", TOKEN_CONTROL, 0);
    v.eos = 4000; /* out of range: as if it were not there */
    assert_int_equal(small_load(&v, &t, &err), 0);
    assert_false(tokenizer_is_end(t, s));
    assert_true(tokenizer_is_end(t, im_end));
    assert_int_equal(tokenizer_type(t, im_end), TOKEN_CONTROL);
    assert_true(tokenizer_is_end(t, end));
    assert_int_equal(tokenizer_eos(t), 11);
    const uint8_t *may = tokenizer_sampleable(t);
    assert_true(may[s] && may[im_end] && !may[pad] && !may[unused]);
    size_t n;
    tokenizer_piece(t, pad, 1, &n);
    assert_int_equal(n, 0);
    tokenizer_piece(t, -1, 1, &n);
    assert_int_equal(n, 0);
    tokenizer_piece(t, 1 << 30, 1, &n);
    assert_int_equal(n, 0);
    tokenizer_destroy(t);
    small_add(&v, "<|return|>", TOKEN_CONTROL, 0);
    small_add(&v, "<|call|>", TOKEN_CONTROL, 0);
    assert_int_equal(small_load(&v, &t, &err), 0); /* harmony: the end of a message only */
    assert_false(tokenizer_is_end(t, end));
    assert_int_equal(tokenizer_type(t, end), TOKEN_USER);
    tokenizer_piece(t, end, 0, &n); /* still a control token to who reads plain text */
    assert_int_equal(n, 0);
    tokenizer_piece(t, end, 1, &n);
    assert_int_equal(n, 7);
    assert_true(tokenizer_is_hidden(t, end) && !tokenizer_is_hidden(t, s));
    assert_false(tokenizer_is_hidden(t, -1) || tokenizer_is_hidden(t, 1 << 30));
    tokenizer_destroy(t);
}

/* Vocabularies in which merges, or scores, end in a control token: a text of several authors spells it all the same. */
static void test_control_by_merges(void **state)
{
    (void)state;
    static const char *const models[] = {"gpt2", "llama"};
    static const char text[] = "x<!>y";
    for (int i = 0; i < 2; i++) {
        static struct small_vocab v;
        struct tokenizer *t;
        struct error err = {0};
        small_begin(&v, models[i]);
        small_add(&v, "<!", TOKEN_NORMAL, 1);
        v.unknown = small_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
        int end = small_add(&v, "<!>", TOKEN_CONTROL, 2);
        small_merge(&v, "< !");
        small_merge(&v, "<! >");
        assert_int_equal(small_load(&v, &t, &err), 0);
        struct token_list plain = encode(t, text, 5, 0, 0), marked = {0};
        uint8_t mark[5], *reach = calloc((size_t)tokenizer_n_vocab(t), 1);
        memset(mark, 1, sizeof mark);
        assert_int_equal(tokenizer_encode_marked(t, text, 5, mark, reach, &marked, &err), 0);
        int found = 0;
        for (size_t k = 0; k < plain.n; k++)
            found += plain.id[k] == end;
        assert_int_equal(found, 1); /* what the definition says of one author's text */
        for (size_t k = 0; k < marked.n; k++)
            assert_int_not_equal(marked.id[k], end);
        size_t n, n_plain;
        char *got = decode(t, &marked, 1, 1, &n), *want = decode(t, &plain, 1, 1, &n_plain);
        assert_int_equal(n, n_plain);
        assert_memory_equal(got, want, n);
        free(got);
        free(want);
        free(reach);
        token_list_free(&plain);
        token_list_free(&marked);
        tokenizer_destroy(t);
    }
}

/* What the plan counts, for the largest vocabulary at hand. */
static void test_memory(void **state)
{
    (void)state;
    struct tokenizer *t = load_file(TEST_DATA "/tokenizers/vocab/qwen3.gguf");
    assert_non_null(t);
    assert_in_range(tokenizer_bytes(t), 4 << 20, 24 << 20);
    tokenizer_destroy(t);
}

/* Threads with an account and one without by turns: what each leaves is its own, so at the end nothing is taken, nor less. */
static void test_accounts(void **state)
{
    (void)state;
    static char text[6000];
    struct tokenizer *t = load_file(EMBER);
    struct reqmem memory;
    struct reqmem_account account = {.of = &memory};
    assert_non_null(t);
    reqmem_init(&memory, 64 << 20, 0);
    for (int i = 0; i < 24; i++) {
        size_t n = 200 + (size_t)i * 200;
        memset(text, 'a' + i, n);
        if (i % 3)
            reqmem_enter(&account, 0);
        struct token_list l = encode(t, text, n, 0, 0);
        token_list_free(&l);
        if (i % 3)
            reqmem_leave();
    }
    reqmem_enter(&account, 0);
    tokenizer_destroy(t);
    reqmem_leave();
    assert_int_equal(reqmem_taken(&memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ember),        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_special_cuts), cmocka_unit_test(test_phi3_swallows),
        cmocka_unit_test(test_merges),       cmocka_unit_test(test_ignore_merges),
        cmocka_unit_test(test_spm),          cmocka_unit_test(test_gemma4),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_roles),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_control_by_merges),
        cmocka_unit_test(test_accounts),     cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
