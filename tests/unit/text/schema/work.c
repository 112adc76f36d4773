/* links: text format base */
/* Schemas that are wide rather than deep: the work on it is counted in bytes, members and probes, so that a limit of work
 * holds, and stopped() is called often enough. Rows have a lower bound, which fails where work is not counted, and an upper bound, which
 * fails where work is a product of sizes. Only steps are checked, never time. */
#include "base/error.h"
#include "base/hash.h"
#include "text/grammar/compile.h"
#include "text/grammar/grammar.h"
#include "text/schema/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 2 << 20, SOON = 1 << 20 /* steps between two questions */ };

static char text[CAPACITY];
static size_t n_text;

static void put(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    n_text += (size_t)vsnprintf(text + n_text, CAPACITY - n_text, format, args);
    va_end(args);
    assert_true(n_text < CAPACITY);
}

static void begin(const char *first)
{
    n_text = 0;
    put("%s", first);
}

/* ---- compiling ---------------------------------------------------------------------------------------------------------------- */

struct asked {
    const struct compile *c;
    uint64_t last, longest;
};

static int still_there(void *arg)
{
    struct asked *k = arg;
    k->longest = k->c->work - k->last > k->longest ? k->c->work - k->last : k->longest;
    k->last = k->c->work;
    return 0;
}

/* Compiles what was written. Returns its steps; the sentence in *why, "" where it compiles. The calls of stopped() are checked. */
static uint64_t compile_written(char why[500], size_t *warnings)
{
    struct compile c;
    struct asked k = {.c = &c};
    c = (struct compile){.stopped = still_there, .arg = &k};
    struct schema_options how = {.quote = -1, .compile = &c};
    struct grammar_maker *m = grammar_begin(&c);
    struct schema *s = NULL;
    struct error err = {0};
    assert_non_null(m);
    if (schema_open(&s, m, text, n_text, &how, &err) == 0) {
        schema_value(s, "");
        snprintf(err.text, sizeof err.text, "%s", grammar_problem(m) ? grammar_problem(m) : "");
        for (*warnings = 0; schema_warning(s, *warnings);)
            ++*warnings;
    }
    snprintf(why, 500, "%s", err.text);
    schema_close(s);
    grammar_abandon(m);
    assert_int_equal(c.bytes, 0);
    assert_true(k.longest <= SOON && c.work - k.last <= SOON && c.work <= COMPILE_WORK + SOON);
    return c.work;
}

static uint64_t steps(void)
{
    char why[500];
    size_t warnings;
    uint64_t work = compile_written(why, &warnings);
    if (why[0])
        fail_msg("%s", why);
    return work;
}

static void refused(const char *sentence)
{
    char why[500];
    size_t warnings;
    compile_written(why, &warnings);
    assert_string_equal(why, sentence);
}

static const char too_much[] = "compiling it is too much work (more than 104 million steps): simplify it";

static void between(uint64_t least, uint64_t more, uint64_t less, uint64_t most)
{
    if (more < less + least || more > less + most)
        fail_msg("%llu steps and %llu: %lld between, not from %llu to %llu", (unsigned long long)less,
                 (unsigned long long)more, (long long)(more - less), (unsigned long long)least,
                 (unsigned long long)most);
}

/* ---- values and keywords ------------------------------------------------------------------------------------------------------ */

static uint64_t values_beside_keywords(int values, int keywords)
{
    begin("{\"enum\":[-1");
    for (int i = 0; i < values; i++)
        put(",%d", i);
    put("]");
    for (int i = 0; i < keywords; i++)
        put(",\"j%d\":0", i);
    put("}");
    return steps();
}

/* Each value looks for keywords among all that there are. */
static void test_values_beside_keywords(void **state)
{
    (void)state;
    const int n = 20000;
    uint64_t both = values_beside_keywords(n, n), apart = values_beside_keywords(n, 0) + values_beside_keywords(0, n);
    between(32 * (uint64_t)n, both, apart, 256 * (uint64_t)n);
}

static uint64_t values_below(int digits)
{
    begin("{\"enum\":[-1");
    for (int i = 0; i < 20000; i++)
        put(",%d", i);
    put("],\"maximum\":1%0*d}", digits, 0);
    return steps();
}

/* A bound of many digits is read once, not for each value. */
static void test_bounds_of_many_digits(void **state)
{
    (void)state;
    between(500000 / 8, values_below(500000), values_below(5), 20000 * 150);
    begin("{\"enum\":[0,7,2e0],\"minimum\":1e-99999,\"maximum\":");
    put("3.%0*d,\"exclusiveMaximum\":30%0*de-3000}", 5000, 0, 3000, 0);
    steps();
    begin("{\"enum\":[0,7],\"minimum\":1e-99999,\"maximum\":");
    put("3.%0*d}", 5000, 0);
    refused("schema error at #/enum: no value of this list fits the other keywords");
    begin("{\"enum\":[\"a\"],\"minLength\":");
    put("0.%0*d}", 5000, 0); /* zero, as a count has to be one */
    steps();
}

/* A text is read again by each schema that has a length for it. */
static uint64_t lengths(int schemas, const char *keyword)
{
    begin("{\"enum\":[\"");
    put("%0*d\"],\"allOf\":[{}", 100000, 0);
    for (int i = 0; i < schemas; i++)
        put(",{\"%s\":1}", keyword);
    put("]}");
    return steps();
}

static void test_lengths(void **state)
{
    (void)state;
    between(300 * 100000 / 16, lengths(300, "minLength"), lengths(300, "default"), 300 * 100000);
}

/* The types of a schema are read for each value. */
static void test_types(void **state)
{
    (void)state;
    begin("{\"type\":[\"integer\"");
    for (int i = 0; i < 30000; i++)
        put(",\"integer\"");
    put("],\"enum\":[0");
    for (int i = 1; i < 30000; i++)
        put(",%d", i);
    put("]}");
    char sentence[200];
    snprintf(sentence, sizeof sentence, "schema error at #: %s", too_much);
    refused(sentence);
}

/* ---- objects ------------------------------------------------------------------------------------------------------------------ */

/* {"0": 0, ..}, the last ones first if down; the value of "0" is first. */
static void put_members(int n, int down, const char *first, const char *others)
{
    for (int i = 0; i < n; i++) {
        int k = down ? n - 1 - i : i;
        put("%s\"%x\":%s", i ? "," : "{", (unsigned)k, k ? others : first);
    }
    put("}");
}

/* Each branch of a union compares one object with another. */
static void put_objects_held(int n, int branches)
{
    begin("{\"$defs\":{\"c\":{\"const\":");
    put_members(n, 1, "1", "0");
    put("}},\"enum\":[");
    put_members(n, 0, "0", "0");
    put("],\"anyOf\":[{\"enum\":[");
    put_members(n, 1, "0", "0.0");
    put("]}");
    for (int i = 0; i < branches; i++)
        put(",{\"allOf\":[{\"$ref\":\"#/$defs/c\"}]}");
    put("]}");
}

static void test_objects_held(void **state)
{
    (void)state;
    const int n = 3000, branches = 20;
    put_objects_held(n, 0);
    uint64_t alone = steps();
    put_objects_held(n, branches);
    between((uint64_t)n * branches / 2, steps(), alone, 64 * (uint64_t)n * branches);
    char sentence[200];
    snprintf(sentence, sizeof sentence, "schema error at #: %s", too_much);
    put_objects_held(20000, 800);
    refused(sentence);
}

/* An object, and a keyword that names its members in another order. */
static uint64_t members_held(int n, const char *keyword)
{
    begin("{\"enum\":[");
    put_members(n, 0, "0", "0");
    put("],\"%s\":", keyword);
    put_members(n, 1, keyword[0] == 'p' ? "true" : "0", keyword[0] == 'p' ? "true" : "0");
    put(",\"%sd\":[\"0\"", strcmp(keyword, "require") == 0 ? keyword : "x");
    for (int i = n - 1; i > 0; i--)
        put(",\"%x\"", (unsigned)i);
    put("]}");
    return steps();
}

static void test_members_held(void **state)
{
    (void)state;
    const int n = 20000;
    uint64_t unknown = members_held(n, "unknown");
    between(4 * (uint64_t)n, members_held(n, "const"), unknown, 64 * (uint64_t)n);
    between(4 * (uint64_t)n, members_held(n, "require"), unknown, 64 * (uint64_t)n);
    between(64 * (uint64_t)n, members_held(n, "properties"), unknown, 256 * (uint64_t)n);
}

/* ---- names of one hash -------------------------------------------------------------------------------------------------------- */

static uint64_t rotated(uint64_t x, int n) { return x << n | x >> ((64 - n) % 64); }

static uint64_t word_of(const char key[8])
{
    uint32_t half[2];
    memcpy(half, key, 8);
    return (uint64_t)half[0] << 32 | half[1];
}

/* XXH3 of 8 bytes is h ^ (h << 49) ^ (h << 24), rotated, of their word and a secret, two multiplications and two shifts: all of these can
 * be undone. Returns the word before the secret is added. */
static uint64_t undo_hash(uint64_t hash)
{
    const uint64_t prime = UINT64_C(0x9FB21C651E98DF25);
    uint64_t inverse = prime, h = hash, before;
    for (int i = 0; i < 6; i++)
        inverse *= 2 - prime * inverse;
    for (int i = 0; i < 3; i++)
        h = hash ^ h >> 28;
    before = h *= inverse;
    for (int i = 0; i < 3; i++)
        h = before ^ ((h >> 35) + 8);
    h *= inverse;
    for (int k = 1; k < 64; k *= 2) /* the 64th power of this map is the identity, so its 63rd is the inverse */
        h ^= rotated(h, 49 * k % 64) ^ rotated(h, 24 * k % 64);
    return h;
}

/* The next key of 8 letters and signs whose hash ends in these bits. */
static void next_key(uint64_t *high, uint32_t low, char *key)
{
    const uint64_t secret = undo_hash(hash64("any word", 8, 0)) ^ word_of("any word");
    for (int good = 0; !good;) {
        uint64_t word = undo_hash(++*high << 32 | low) ^ secret;
        uint32_t half[2] = {(uint32_t)(word >> 32), (uint32_t)word};
        memcpy(key, half, 8);
        key[8] = 0;
        good = 1;
        for (int i = 0; i < 8; i++)
            good = good && key[i] > ' ' && key[i] < 127 && key[i] != '"' && key[i] != '\\';
    }
    assert_int_equal((uint32_t)hash64(key, 8, 0), low);
}

static void put_names(int n, int same)
{
    uint64_t high = 0;
    char key[16];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key%05d", i);
        if (same)
            next_key(&high, 0x12345678, key);
        put("%s\"%s\":0", i ? "," : "{", key);
    }
    put("}");
}

/* Lookups among them do not take longer than among others. */
static void test_names_of_one_hash(void **state)
{
    (void)state;
    uint64_t work[2];
    for (int same = 0; same < 2; same++) {
        begin("{\"enum\":[");
        put_names(1000, same);
        put("],\"required\":[\"");
        char key[9] = "key00000";
        uint64_t high = 0;
        if (same)
            next_key(&high, 0x12345678, key);
        put("%s\"],\"const\":", key);
        put_names(1000, same);
        put("}");
        work[same] = steps();
    }
    assert_int_equal(work[0], work[1]);
    begin("{\"enum\":[");
    put_names(1000, 1);
    char first[9], *behind;
    memcpy(first, strchr(text + 1, '{') + 2, 8);
    first[8] = 0;
    behind = text + --n_text;
    assert_int_equal(*behind, '}');
    put(",\"%s\":0}]}", first);
    char sentence[200];
    snprintf(sentence, sizeof sentence, "the key \"%s\" stands twice in one object", first);
    char why[500];
    size_t warnings;
    compile_written(why, &warnings);
    assert_non_null(strstr(why, sentence));
}

/* Properties whose names meet in the table of an object: probes are counted. */
static uint64_t properties_named(int n, int same)
{
    char key[9];
    begin("{\"type\":\"object\",\"properties\":{");
    for (int i = 0, k = 0; i < n; i++, k++) {
        do
            snprintf(key, sizeof key, "%08x", (unsigned)k);
        while (same && hash64(key, 8, 1) % 1024 && k++ >= 0);
        put("%s\"%s\":{\"$ref\":\"#/$defs/a\"}", i ? "," : "", key);
    }
    put("},\"$defs\":{\"a\":{\"type\":\"integer\"}}}");
    return steps();
}

static void test_probes(void **state)
{
    (void)state;
    const uint64_t n = 400;
    uint64_t apart = properties_named((int)n, 0);
    between(n * (n - 1) / 2, properties_named((int)n, 1), apart, 4 * n * n);
}

/* ---- warnings ----------------------------------------------------------------------------------------------------------------- */

static uint64_t keywords_again(const char *keyword, size_t expected)
{
    char why[500];
    size_t warnings;
    begin("{\"$defs\":{\"b\":{\"allOf\":[{}");
    for (int i = 0; i < 300; i++)
        put(",{\"%s\":{}}", keyword);
    put("]}},\"properties\":{\"p\":{}");
    for (int i = 0; i < 10; i++)
        put(",\"p%d\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}],\"minimum\":%d}", i, i);
    put("}}");
    uint64_t work = compile_written(why, &warnings);
    assert_string_equal(why, "");
    assert_int_equal(warnings, expected);
    return work;
}

/* Each warning is given once, however often its cause occurs, and counted. */
static void test_warnings(void **state)
{
    (void)state;
    between(300 * 64, keywords_again("not", 300), keywords_again("nod", 0), 300 * 128);
}

static uint64_t branches_again(const char *keyword)
{
    begin("{\"$defs\":{\"o\":{\"");
    put("%s\":[", keyword);
    for (int i = 0; i < 100; i++) {
        put("%s{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":%d}}", i ? "," : "", i);
        for (int j = 0; j < 30; j++)
            put(",\"j%d\":0", j);
        put("}");
    }
    put("]}},\"properties\":{\"p\":{}");
    for (int i = 0; i < 10; i++)
        put(",\"p%d\":{\"allOf\":[{\"$ref\":\"#/$defs/o\"}],\"title\":\"%d\"}", i, i);
    put("}}");
    return steps();
}

/* The branches of a oneOf are compared with each other once. */
static void test_one_of(void **state)
{
    (void)state;
    const uint64_t pairs = 100 * 99 / 2;
    between(pairs * 32, branches_again("oneOf"), branches_again("anyOf"), pairs * 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_beside_keywords),
        cmocka_unit_test(test_bounds_of_many_digits),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_objects_held),
        cmocka_unit_test(test_members_held),
        cmocka_unit_test(test_names_of_one_hash),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_one_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
