/* links: text format base */
/* Tokenizers against records: tokenizers [PATH], a folder like tokenizers of the test data (its README tells the formats) or one of its
 * .jsonl files. Without PATH that folder. tokenizers --bench VOCAB.gguf TEXT [PRE] measures speed.
 *
 *   ids             of a text: cases, disputed, cases_long      len     lengths of words before BPE: splits
 *   piece, plain    bytes of an id: pieces                      chunks  text as it comes, id by id: stream
 *   vocab_info      roles and types
 *
 * A record is known by its fields. After a folder, every file of src/ and docs/ goes through each vocabulary and back; through those that
 * normalise (expected.h) twice, to the same ids. */
#include "base/error.h"
#include "format/gguf.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/tokenizer.h"

#include "expected.h"
#include "tokenizers_bench.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LOADED = 300, LINE = 1 << 22, PATH = 1200 };

static int n_passed, n_failed;
static const char *const usual = TEST_DATA
    "/tokenizers";       /* vocabularies and texts that are not in the folder of the records */
static char folder[900]; /* of the records */
static json_t *texts, *texts_long;

struct bytes {
    char *p;
    size_t n;
};

/* A tokenizer of the folder, loaded once; t NULL: that failed, and was counted. */
static struct loaded {
    char vocab[40], pre[40];
    struct tokenizer *t;
} loaded[MAX_LOADED];
static int n_loaded;

static void verdict(int ok, const char *file, long line, const char *why)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s:%ld: %s\n", file, line, why);
}

/* A file of the folder, or of the usual one. */
static void find_file(char *path, const char *below, const char *name, const char *ending)
{
    snprintf(path, PATH, "%s/%s/%s%s", folder, below, name, ending);
    if (access(path, R_OK) != 0)
        snprintf(path, PATH, "%s/%s/%s%s", usual, below, name, ending);
}

static struct tokenizer *load(const char *vocab, const char *pre)
{
    for (int i = 0; i < n_loaded; i++)
        if (!strcmp(loaded[i].vocab, vocab) && !strcmp(loaded[i].pre, pre ? pre : ""))
            return loaded[i].t;
    if (n_loaded == MAX_LOADED) {
        verdict(0, vocab, 0, "too many tokenizers");
        return NULL;
    }
    struct loaded *l = &loaded[n_loaded++];
    snprintf(l->vocab, sizeof l->vocab, "%s", vocab);
    snprintf(l->pre, sizeof l->pre, "%s", pre ? pre : "");
    char path[PATH];
    find_file(path, "vocab", vocab, ".gguf");
    struct error err = {0};
    struct gguf *g = NULL;
    if (gguf_open(&g, path, &err) == 0)
        tokenizer_create(&l->t, g, pre, &err);
    gguf_close(g);
    if (err.code != ERR_NONE)
        verdict(0, vocab, 0, err.text);
    return l->t;
}

/* For records that do not depend on the pre-tokenizer. */
static struct tokenizer *load_any(const char *vocab)
{
    struct tokenizer *t = load(vocab, NULL);
    return t ? t : load(vocab, "gpt-2");
}

static struct bytes from_hex(const char *hex)
{
    struct bytes b = {malloc(strlen(hex) / 2 + 1), strlen(hex) / 2};
    for (size_t i = 0; b.p && i < b.n; i++) {
        unsigned v = 0;
        sscanf(hex + 2 * i, "%2x", &v);
        b.p[i] = (char)v;
    }
    return b;
}

static struct bytes text_of(const json_t *all, json_int_t index)
{
    size_t i;
    json_t *x;
    json_array_foreach(all, i, x)
    {
        if (json_integer_value(json_object_get(x, "t")) != index)
            continue;
        const json_t *hex = json_object_get(x, "hex"), *text = json_object_get(x, "text");
        if (hex)
            return from_hex(json_string_value(hex));
        struct bytes b = {malloc(json_string_length(text) + 1), json_string_length(text)};
        if (b.p)
            memcpy(b.p, json_string_value(text), b.n);
        return b;
    }
    return (struct bytes){NULL, 0};
}

static json_int_t number(const json_t *record, const char *key)
{
    return json_integer_value(json_object_get(record, key));
}

static const char *string(const json_t *record, const char *key)
{
    const char *s = json_string_value(json_object_get(record, key));
    return s ? s : "";
}

/* from: index in the list of the array's first item */
static int same_ids(const struct token_list *l, size_t from, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (from + i >= l->n || l->id[from + i] != json_integer_value(json_array_get(ids, i)))
            return 0;
    return 1;
}

static uint64_t fnv1a(const struct token_list *l)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < l->n; i++)
        for (int b = 0; b < 32; b += 8)
            h = (h ^ ((uint32_t)l->id[i] >> b & 255)) * 0x100000001b3u;
    return h;
}

/* Ids in full, or their number, hash and ends. */
static int ids_match(const struct token_list *l, const json_t *record)
{
    const json_t *ids = json_object_get(record, "ids"), *tail = json_object_get(record, "tail");
    if (ids && (json_array_size(ids) != l->n || !same_ids(l, 0, ids)))
        return 0;
    if (!tail)
        return ids != NULL;
    return l->n == (size_t)number(record, "n") && fnv1a(l) == strtoull(string(record, "fnv1a64"), NULL, 16) &&
           same_ids(l, 0, json_object_get(record, "head")) && same_ids(l, l->n - json_array_size(tail), tail);
}

static void check_case(const char *file, long line, const json_t *record)
{
    const char *v = string(record, "v"), *pre = string(record, "pre");
    struct tokenizer *t = load(v, pre);
    if (!t)
        return;
    struct bytes text = text_of(json_object_get(record, "fnv1a64") ? texts_long : texts, number(record, "t"));
    struct token_list got = {0};
    struct error err = {0};
    char why[700];
    int rc = tokenizer_encode(t, text.p, text.n, (int)number(record, "as"), (int)number(record, "ps"), &got, &err);
    snprintf(why, sizeof why, "%s with %s, text %d: other ids, %zu of them %s", v, pre, (int)number(record, "t"), got.n,
             err.text);
    verdict(text.p && rc == 0 && ids_match(&got, record), file, line, why);
    free(text.p);
    token_list_free(&got);
}

static void check_split(const char *file, long line, const json_t *record)
{
    const char *pre = string(record, "pre");
    struct error err = {0};
    struct splitter *s = NULL;
    const struct pretokenizer *row = pretokenizer_find(pre, strlen(pre), &err);
    if (!row) {
        verdict(0, file, line, err.text);
        return;
    }
    struct bytes text = text_of(texts, number(record, "t"));
    const json_t *lengths = json_object_get(record, "len");
    struct splitting p = {0};
    size_t n = pretokenize_clean((const uint8_t *)text.p, text.n, NULL), start, length, words = 0;
    uint8_t *clean = malloc(n + 1);
    int ok = clean && splitter_create(&s, row, &err) == 0;
    if (ok) {
        pretokenize_clean((const uint8_t *)text.p, text.n, clean);
        ok = splitting_begin(&p, s, clean, n) == 0;
    }
    for (; ok && splitting_next(&p, &start, &length) > 0; words++)
        ok = (json_int_t)length == json_integer_value(json_array_get(lengths, words));
    char why[100];
    snprintf(why, sizeof why, "%s, text %d: other words, first at %zu", pre, (int)number(record, "t"), words);
    verdict(ok && words == json_array_size(lengths), file, line, why);
    splitting_end(&p);
    splitter_destroy(s);
    free(clean);
    free(text.p);
}

static int piece_is(const struct tokenizer *t, int32_t id, int special, const char *hex)
{
    struct bytes want = from_hex(hex);
    size_t n;
    const char *got = tokenizer_piece(t, id, special, &n);
    int same = n == want.n && memcmp(got, want.p, n) == 0;
    free(want.p);
    return same;
}

static void check_piece(const char *file, long line, const json_t *record)
{
    struct tokenizer *t = load_any(string(record, "v"));
    int32_t id = (int32_t)number(record, "id");
    char why[100];
    if (!t)
        return;
    snprintf(why, sizeof why, "%s, id %d: other bytes", string(record, "v"), id);
    verdict(piece_is(t, id, 1, string(record, "piece")) && piece_is(t, id, 0, string(record, "plain")), file, line,
            why);
}

static void check_stream(const char *file, long line, const json_t *record)
{
    struct tokenizer *t = load_any(string(record, "v"));
    if (!t)
        return;
    struct detok d;
    char *out = malloc(detok_most(t));
    const json_t *ids = json_object_get(record, "ids"), *chunks = json_object_get(record, "chunks"),
                 *flush = json_object_get(record, "flush");
    int ok = out != NULL;
    size_t i = 0, n;
    detok_begin(&d, t, 0, 1); /* the records keep the first space of SPM */
    for (; ok && i < json_array_size(ids); i++) {
        const json_t *want = json_array_get(chunks, i);
        n = detok_next(&d, (int32_t)json_integer_value(json_array_get(ids, i)), out);
        ok = n == json_string_length(want) && memcmp(out, json_string_value(want), n) == 0;
    }
    if (ok) {
        n = detok_end(&d, out);
        ok = n == json_string_length(flush) && memcmp(out, json_string_value(flush), n) == 0;
    }
    char why[100];
    snprintf(why, sizeof why, "%s: other text at id number %zu", string(record, "v"), i);
    verdict(ok, file, line, why);
    free(out);
}

static void check_record(const char *file, long line, const json_t *record)
{
    if (json_object_get(record, "len"))
        check_split(file, line, record);
    else if (json_object_get(record, "piece"))
        check_piece(file, line, record);
    else if (json_object_get(record, "chunks"))
        check_stream(file, line, record);
    else if (json_object_get(record, "t"))
        check_case(file, line, record);
    else
        verdict(0, file, line, "a record of no known kind");
}

static void check_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    FILE *f = fopen(path, "r");
    char *line = malloc(LINE);
    if (!f || !line)
        verdict(0, name, 0, "cannot be read");
    for (long n = 1; f && line && fgets(line, LINE, f); n++) {
        json_t *record = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (record)
            check_record(name, n, record);
        else
            verdict(0, name, n, "not JSON");
        json_decref(record);
    }
    free(line);
    if (f)
        fclose(f);
}

static json_t *read_json(const char *name)
{
    char path[PATH];
    find_file(path, ".", name, ".json");
    json_error_t e;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!j)
        verdict(0, name, e.line, e.text);
    return j;
}

/* Are the ids of this type those of the list, or of {count, first}? */
static int type_is(const struct tokenizer *t, enum token_type type, const json_t *want)
{
    const json_t *first = json_is_object(want) ? json_object_get(want, "first") : want;
    size_t n = 0, count = json_is_object(want) ? (size_t)number(want, "count") : json_array_size(want);
    int ok = 1;
    for (int32_t id = 0; id < tokenizer_n_vocab(t); id++) {
        enum token_type is = tokenizer_type(t, id);
        if (is != type && !(is == TOKEN_UNKNOWN && type == TOKEN_CONTROL))
            continue;
        if (n < json_array_size(first))
            ok = ok && json_integer_value(json_array_get(first, n)) == id;
        n++;
    }
    return ok && n == count;
}

/* null: none */
static int32_t id_of(const json_t *record, const char *key)
{
    return json_is_integer(json_object_get(record, key)) ? (int32_t)number(record, key) : -1;
}

static void check_vocabularies(void)
{
    json_t *info = read_json("vocab_info"), *x;
    const char *name;
    json_object_foreach(info, name, x)
    {
        struct tokenizer *t = load_any(name);
        if (!t)
            continue;
        size_t ends = 0;
        json_t *eog = json_object_get(x, "eog");
        for (int32_t id = 0; id < tokenizer_n_vocab(t); id++)
            if (tokenizer_is_end(t, id))
                ends += ends < json_array_size(eog) && json_integer_value(json_array_get(eog, ends)) == id ? 1 : 1000;
        verdict(tokenizer_n_vocab(t) == number(x, "n"), name, 0, "other size");
        verdict(tokenizer_bos(t) == id_of(x, "bos") && tokenizer_eos(t) == id_of(x, "eos"), name, 0, "other bos, eos");
        verdict(ends == json_array_size(eog), name, 0, "other ends of generation");
        verdict(type_is(t, TOKEN_CONTROL, json_object_get(x, "control")), name, 0, "other control tokens");
        verdict(type_is(t, TOKEN_USER, json_object_get(x, "user_defined")), name, 0, "other user-defined tokens");
    }
    json_decref(info);
}

/* Through the vocabulary and back: the same bytes. */
static int comes_back(const struct tokenizer *t, const char *text, size_t n)
{
    struct token_list l = {0};
    struct error err = {0};
    struct detok d;
    char *out = malloc(detok_most(t));
    size_t at = 0;
    int ok = out && tokenizer_encode(t, text, n, 0, 0, &l, &err) == 0;
    detok_begin(&d, t, 1, 0);
    for (size_t i = 0; ok && i <= l.n; i++) {
        size_t length = i < l.n ? detok_next(&d, l.id[i], out) : detok_end(&d, out);
        ok = length <= n - at && memcmp(text + at, out, length) == 0;
        at += length;
    }
    token_list_free(&l);
    free(out);
    return ok && at == n;
}

/* What does not come back: the same ids whether words are known from before or not, and all of them exist. */
static int comes_again(const struct tokenizer *t, const char *text, size_t n)
{
    struct token_list first = {0}, again = {0};
    struct error err = {0};
    int ok = tokenizer_encode(t, text, n, 0, 0, &first, &err) == 0 &&
             tokenizer_encode(t, text, n, 0, 0, &again, &err) == 0;
    ok = ok && first.n == again.n && (n == 0 || first.n > 0);
    for (size_t i = 0; ok && i < first.n; i++)
        ok = first.id[i] == again.id[i] && first.id[i] >= 0 && first.id[i] < tokenizer_n_vocab(t);
    token_list_free(&first);
    token_list_free(&again);
    return ok;
}

static void check_round_trips(const char *vocab_path)
{
    char name[100], why[PATH];
    const char *slash = strrchr(vocab_path, '/');
    snprintf(name, sizeof name, "%.*s", (int)(strlen(slash + 1) - strlen(".gguf")), slash + 1);
    struct tokenizer *t = load_any(name);
    glob_t files = {0};
    int normalises = expected_in(expected_normalising(), name) >= 0;
    if (t && glob("src/*/*", GLOB_MARK, NULL, &files) == 0) {
        glob("src/*/*/*", GLOB_APPEND | GLOB_MARK, NULL, &files);
        glob("docs/*", GLOB_APPEND | GLOB_MARK, NULL, &files);
    }
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i];
        size_t n;
        if (path[strlen(path) - 1] == '/')
            continue;
        char *text = bench_read(path, &n);
        snprintf(why, sizeof why, "%s does not come back", path);
        verdict(text && (normalises ? comes_again : comes_back)(t, text, n), name, 0, why);
        free(text);
    }
    globfree(&files);
}

static void each_file(const char *pattern, void check(const char *path))
{
    char path[PATH];
    glob_t files = {0};
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    if (glob(path, 0, NULL, &files) == 0)
        for (size_t i = 0; i < files.gl_pathc; i++)
            check(files.gl_pathv[i]);
    globfree(&files);
}

static void check_path(const char *path)
{
    struct stat st;
    int is_file = stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
    const char *slash = strrchr(path, '/');
    if (is_file)
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    else
        snprintf(folder, sizeof folder, "%s", path);
    texts = read_json("texts");
    texts_long = read_json("texts_long");
    if (is_file) {
        check_file(path);
    } else {
        check_vocabularies();
        each_file("*.jsonl", check_file);
        each_file("vocab/*.gguf", check_round_trips);
    }
    json_decref(texts);
    json_decref(texts_long);
}

int main(int argc, char **argv)
{
    if (argc >= 4 && !strcmp(argv[1], "--bench"))
        return bench(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
    check_path(argc > 1 ? argv[1] : usual);
    for (int i = 0; i < n_loaded; i++)
        tokenizer_destroy(loaded[i].t);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed > 0;
}
