/* links: text format base */
/* Fuzzing tokenizers. The first byte chooses the vocabulary: the embedded one under any pre-tokenizer, a small one of each other kind,
 * or one that the data writes; the second flags; then text, in which bytes 0xF8 and above stand for texts of tokens.
 *
 * Laws: words cover the text; the same text, the same ids; ids exist; no control token without leave; byte-level ids spell the
 * cleaned text; streamed text is well-formed, and where the pieces are, it is theirs; a pair is its texts and what stands around them. Time
 * is watched by the fuzzer. */
#include "text_fixture.h"

#include "base/json/buffer.h"
#include "base/utf8.h"
#include "text/tokenizer/pretokenize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const rules[] = {
    "default",     "llama-bpe", "dbrx",       "glm4",       "jais-2", "deepseek-llm", "deepseek-coder",
    "deepseek-v3", "youtu",     "falcon",     "starcoder",  "gpt-2",  "roberta-bpe",  "qwen2",
    "qwen35",      "bloom",     "viking",     "tekken",     "gpt-4o", "tiny_aya",     "chameleon",
    "kimi-k2",     "superbpe",  "bailingmoe", "seed-coder", "afmoe",  "exaone-moe"};
static const char *const small_models[] = {"llama", "gemma4", "bert", "t5"};
enum { RULES = sizeof rules / sizeof *rules, VOCABULARIES = RULES + sizeof small_models / sizeof *small_models };

static struct tokenizer *known[VOCABULARIES];

static void fail(const char *law)
{
    fprintf(stderr, "law broken: %s\n", law);
    abort();
}

static void tear_down(void)
{
    for (int i = 0; i < VOCABULARIES; i++)
        tokenizer_destroy(known[i]);
}

/* Bytes, a few words, and one token of each kind that texts are searched for. */
static struct tokenizer *small(const char *model)
{
    static const char *const words[] = {"▁",  "a",  "b",    "ab", "abab", "▁a", "▁ab",
                                        "▁▁", "日", "日本", "\n", "\n\n", "é",  "▁the"};
    static const char *const merges[] = {"a b", "ab ab", "▁ a", "▁ ab", "▁a b", "▁ ▁", "日 本", "\n \n"};
    static struct small_vocab v;
    static struct small_map map;
    struct tokenizer *t = NULL;
    struct error err = {0};
    small_begin(&v, model);
    small_map_begin(&map);
    small_map_add(&map, "A", "a");
    small_map_add(&map, "AB", "b  <s>");
    small_map_add(&map, "\n", " ");
    small_map_put(&map, &v);
    v.merge_spaces = 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        small_add(&v, words[i], TOKEN_NORMAL, -(float)i);
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
        small_merge(&v, merges[i]);
    v.bos = small_add(&v, "<s>", TOKEN_CONTROL, 0);
    v.eos = small_add(&v, "<|im_end|>", TOKEN_CONTROL, 0);
    small_add(&v, "<think>", TOKEN_USER, 0);
    v.unknown = small_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
    if (small_load(&v, &t, &err) != 0)
        fail(err.text);
    return t;
}

static struct tokenizer *load(unsigned which)
{
    struct error err = {0};
    struct gguf *g = NULL;
    if (which >= RULES)
        return small(small_models[which - RULES]);
    struct tokenizer *t = NULL;
    if (gguf_open(&g, EMBER, &err) != 0 || tokenizer_create(&t, g, rules[which], &err) != 0)
        fail(err.text);
    gguf_close(g);
    return t;
}

/* ---- a vocabulary out of the data ------------------------------------------------------------------------------------------ */

struct reader {
    const uint8_t *data;
    size_t n;
};

static unsigned take(struct reader *r)
{
    if (r->n == 0)
        return 0;
    r->n--;
    return *r->data++;
}

/* A map of characters: bytes of the data one by one, behind a trie of as many units as the data says. */
static void write_map(struct small_vocab *v, struct reader *r)
{
    static uint32_t bytes[1100];
    uint32_t n_unit = take(r) * 4, n_set = take(r) % 24;
    memset(bytes, 0, sizeof bytes);
    bytes[0] = n_unit * 4;
    for (uint32_t i = 0; i < n_set; i++) {
        uint32_t at = take(r) << 2 | take(r) % 4, offset = take(r) << 1 | take(r) % 2;
        bytes[1 + (i == 0 ? 0 : at)] = offset << 10 | (take(r) % 4 == 0) << 8 | take(r);
    }
    v->charsmap = (const uint8_t *)bytes;
    v->n_charsmap = 4 + n_unit * 4 + take(r);
}

/* NULL: refused, with a sentence. The strings live as long as the vocabulary is being written. */
static struct tokenizer *write_vocabulary(struct reader *r)
{
    static const char *const models[] = {"llama", "gemma4", "gpt2", "t5", "bert"};
    static struct small_vocab v;
    static char text[64][12];
    struct tokenizer *t = NULL;
    struct error err = {0};
    small_begin(&v, models[take(r) % 5]);
    unsigned n_token = take(r) % 40, n_merge = take(r) % 20;
    for (unsigned i = 0; i < n_token + n_merge; i++) {
        unsigned n = take(r) % 9;
        for (unsigned k = 0; k < n; k++)
            text[i][k] = (char)(take(r) % 255 + 1);
        text[i][n] = 0;
        int type = (int)(take(r) % 8);
        if (i < n_token)
            small_add(&v, text[i], type, (float)((int)take(r) - 128));
        else
            small_merge(&v, text[i]);
    }
    unsigned odd = take(r);
    v.bos = (int)take(r) + (odd & 1) * 128;
    v.eos = (int)take(r) + (odd >> 1 & 1) * 128;
    v.unknown = odd & 4 ? (int)take(r) : -1;
    v.no_merges = odd >> 3 & 1;
    v.n_type -= odd >> 4 & 1;
    v.n_score -= odd >> 5 & 1;
    v.merge_spaces = odd >> 6 & 1;
    v.space_prefix = odd >> 7 & 1;
    if (take(r) % 2)
        write_map(&v, r);
    if (small_load(&v, &t, &err) != 0 && !err.text[0])
        fail("refused without a sentence");
    return t;
}

/* ---- laws ------------------------------------------------------------------------------------------------------------------ */

static void check_words(unsigned rule, const uint8_t *text, size_t n)
{
    struct error err = {0};
    struct splitter *s = NULL;
    struct splitting p = {0};
    size_t at = 0, start, length;
    const struct pretokenizer *row = pretokenizer_find(rules[rule], strlen(rules[rule]), &err);
    if (!row || splitter_create(&s, row, &err) != 0 || splitting_begin(&p, s, text, n) != 0)
        fail("no splitter");
    for (; splitting_next(&p, &start, &length) > 0; at += length)
        if (start != at || length == 0 || length > n - at)
            fail("words do not follow each other");
    if (at != n)
        fail("words do not cover the text");
    splitting_end(&p);
    splitter_destroy(s);
}

static int well_formed(const char *text, size_t n)
{
    size_t length;
    for (size_t i = 0; i < n; i += length)
        if (utf8_head((const uint8_t *)text + i, n - i, &length) != UTF8_WHOLE)
            return 0;
    return 1;
}

static void check_ids(const struct tokenizer *t, const struct token_list *l, int may_control)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->id[i] < 0 || l->id[i] >= tokenizer_n_vocab(t))
            fail("an id that does not exist");
        if (!may_control && tokenizer_type(t, l->id[i]) == TOKEN_CONTROL && !tokenizer_is_filler(t, l->id[i]))
            fail("a control token without leave");
    }
}

static void check_stream(const struct tokenizer *t, const struct token_list *l)
{
    size_t n_text, n;
    char *text = decode(t, l, 1, 1, &n_text);
    struct buffer pieces = {0};
    for (size_t i = 0; i < l->n; i++) {
        const char *piece = tokenizer_piece(t, l->id[i], 1, &n);
        buffer_put(&pieces, piece, n);
    }
    if (!text || !well_formed(text, n_text))
        fail("streamed text is not well-formed");
    if (well_formed(pieces.text, pieces.n) &&
        (n_text != pieces.n || (n_text && memcmp(text, pieces.text, n_text) != 0)))
        fail("streamed text differs from the pieces");
    free(text);
    buffer_free(&pieces);
}

/* Byte-level ids without bos and eos, special tokens read or not. */
static void check_spelling(const struct tokenizer *t, const struct token_list *l, const uint8_t *text, size_t n)
{
    size_t at = 0, length;
    for (size_t i = 0; i < l->n; i++, at += length) {
        const char *piece = tokenizer_piece(t, l->id[i], 1, &length);
        if (length > n - at || memcmp(piece, text + at, length) != 0)
            fail("ids do not spell the text");
    }
    if (at != n)
        fail("ids do not spell all of the text");
}

/* may_control: of the plain ids, where the vocabulary merges ordinary text to control tokens. */
static void check_marked(const struct tokenizer *t, const char *text, size_t n, const struct token_list *plain,
                         int may_control)
{
    struct error err = {0};
    struct token_list l = {0};
    uint8_t *mark = calloc(n + 1, 1), *reach = calloc((size_t)tokenizer_n_vocab(t), 1);
    for (int32_t id = 0; id < tokenizer_n_vocab(t); id++)
        reach[id] = tokenizer_type(t, id) == TOKEN_USER;
    memset(mark, 1, n); /* the whole text by an author who may write user-defined tokens but no control tokens */
    if (tokenizer_encode_marked(t, text, n, mark, reach, &l, &err) != 0)
        fail(err.text);
    check_ids(t, &l, 0);
    if (!may_control && (l.n != plain->n || (l.n && memcmp(l.id, plain->id, l.n * sizeof *l.id) != 0)))
        fail("marked text differs from text without special tokens");
    token_list_free(&l);
    free(mark);
    free(reach);
}

/* The halves of a text as a pair: bos, the one, an end or two, the other, an end. What the vocabulary lacks is left out. */
static void check_pair(const struct tokenizer *t, const char *text, size_t n)
{
    struct error err = {0};
    struct token_list l = {0}, one = {0}, other = {0};
    size_t half = n / 2, head = tokenizer_bos(t) >= 0;
    int failed = tokenizer_encode_first(t, text, half, &l, &err) ||
                 tokenizer_encode_second(t, text + half, n - half, &l, &err);
    if (failed && err.code != ERR_UNSUPPORTED)
        fail(err.text);
    if (!failed && (tokenizer_encode(t, text, half, 0, 0, &one, &err) != 0 ||
                    tokenizer_encode(t, text + half, n - half, 0, 0, &other, &err) != 0))
        fail(err.text);
    size_t texts = head + one.n + other.n, ends = l.n - texts;
    if (!failed && (l.n < texts || ends == 1 || ends > 3))
        fail("a pair is not its two texts");
    if (!failed && ((one.n && memcmp(l.id + head, one.id, one.n * sizeof *l.id) != 0) ||
                    (other.n && memcmp(l.id + l.n - (ends > 0) - other.n, other.id, other.n * sizeof *l.id) != 0)))
        fail("a pair has other ids than its texts");
    token_list_free(&l);
    token_list_free(&one);
    token_list_free(&other);
}

/* The text: 0xF8 and above is that token's text, of the vocabulary's last ones, where control tokens are. */
static void write_text(struct buffer *out, const struct tokenizer *t, const struct reader *r)
{
    int32_t n_vocab = tokenizer_n_vocab(t);
    for (size_t i = 0; i < r->n; i++) {
        size_t n;
        int32_t id = n_vocab - 1 - (i + 1 < r->n ? r->data[i + 1] : 0) % (n_vocab < 24 ? n_vocab : 24);
        if (r->data[i] < 0xF8 || i + 1 == r->n) {
            buffer_put(out, (const char *)r->data + i, 1);
            continue;
        }
        const char *piece = tokenizer_piece(t, id, 1, &n);
        buffer_put(out, piece, n);
        i++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct reader r = {data + 2, size - 2};
    unsigned which = data[0] % (VOCABULARIES + 3u), add = data[1] & 1, special = data[1] >> 1 & 1;
    struct tokenizer *t;
    if (!known[0])
        atexit(tear_down);
    if (which < VOCABULARIES)
        t = known[which] ? known[which] : (known[which] = load(which));
    else
        t = write_vocabulary(&r);
    if (!known[0])
        known[0] = load(0);
    if (!t)
        return 0;

    struct buffer text = {0};
    struct error err = {0};
    struct token_list a = {0}, b = {0};
    write_text(&text, t, &r);
    const char *s = text.text ? text.text : "";
    int failed = tokenizer_encode(t, s, text.n, (int)add, (int)special, &a, &err);
    if (failed && err.code != ERR_UNSUPPORTED)
        fail(err.text);
    if (!failed) {
        tokenizer_encode(t, s, text.n, (int)add, (int)special, &b, &err);
        if (a.n != b.n || (a.n && memcmp(a.id, b.id, a.n * sizeof *a.id) != 0))
            fail("another time, other ids");
        check_ids(t, &a, special || add || which >= VOCABULARIES);
        check_stream(t, &a);
        if (!add && !special)
            check_marked(t, s, text.n, &a, which >= VOCABULARIES);
        if (!add && !special)
            check_pair(t, s, text.n);
    }
    if (which < RULES) {
        uint8_t *clean = malloc(text.n * 3 + 1);
        size_t n = pretokenize_clean((const uint8_t *)s, text.n, clean);
        check_words(which, clean, n);
        if (!add)
            check_spelling(t, &a, clean, n);
        free(clean);
    }
    token_list_free(&a);
    token_list_free(&b);
    buffer_free(&text);
    if (which >= VOCABULARIES)
        tokenizer_destroy(t);
    return 0;
}
