/* links: text format base */
/* Limits of compilations: what is counted, what is refused and why, that nothing leaks wherever it ends, and that small inputs which
 * once compiled without end are cheap, or refused in time, and mean what they did. */
#include "text/grammar/compile.h"
#include "base/stack.h"
#include "sanitized.h"
#include "text/answer/answer.h"
#include "text/constraint/constraint.h"
#include "text/regex/tree.h"
#include "text/tools/list.h"

#include "text_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROOM = 2 << 20, STOPS_MOST = 70 << 20 };

static struct tokenizer *tokenizer;
static struct token_trie *trie;
static char text[ROOM]; /* of a schema being written */
static size_t n_text;

static int open_ember(void **state)
{
    (void)state;
    struct error err = {0};
    tokenizer = load_file(EMBER);
    return !tokenizer || token_trie_create(&trie, tokenizer, &err);
}

static int close_ember(void **state)
{
    (void)state;
    token_trie_destroy(trie);
    tokenizer_destroy(tokenizer);
    return 0;
}

/* ---- compiling ---------------------------------------------------------------------------------------------------------------- */

static void put(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    n_text += (size_t)vsnprintf(text + n_text, ROOM - n_text, format, args);
    va_end(args);
    assert_true(n_text < ROOM);
}

struct input {
    enum value_kind kind;
    const char *text;  /* NULL: what was written */
    const char *tools; /* or a list of tools */
};

static struct constraint *compile(const struct input *in, struct compile *c, struct error *err)
{
    struct constraint *made = NULL;
    const char *from = in->text ? in->text : text;
    if (!in->tools) {
        struct value_want want = {
            .kind = in->kind, .text = from, .n = in->text ? strlen(in->text) : n_text, .compile = c};
        return value_constraint(&made, tokenizer, trie, &want, NULL, NULL, err) ? NULL : made;
    }
    const struct tool_format *format = tool_format_find(from, err);
    struct tool_list *list = NULL;
    assert_non_null(format);
    assert_int_equal(tool_list_parse(&list, in->tools, strlen(in->tools), format, err), 0);
    struct tool_want want = {.format = format, .tools = list, .choice = TOOL_CHOICE_AUTO, .parallel = 1, .compile = c};
    int failed = tool_constraint(&made, tokenizer, trie, &want, err);
    tool_list_free(list);
    return failed ? NULL : made;
}

/* It compiles, all of it counted. */
static struct constraint *compiled(const struct input *in, struct compile *c)
{
    struct error err = {0};
    struct constraint *made = compile(in, c, &err);
    if (!made)
        fail_msg("%s", err.text);
    assert_int_equal(c->bytes, constraint_held_bytes(made));
    assert_true(c->peak_bytes >= c->bytes && c->work > 0 && c->end == COMPILE_GOES_ON);
    return made;
}

/* It is refused, and nothing is left of it. */
static void refused(const struct input *in, struct compile *c, enum compile_end why, const char *sentence)
{
    struct error err = {0};
    struct constraint *made = compile(in, c, &err);
    assert_null(made);
    assert_int_equal(c->bytes, 0);
    assert_int_equal(c->end, why);
    assert_int_equal(err.code, why == COMPILE_STOPPED ? ERR_CANCELLED : ERR_INPUT);
    if (sentence && strcmp(err.text, sentence) != 0)
        fail_msg("%s\nis not: %s", err.text, sentence);
}

/* 1: the text is one that may end. */
static int allows(struct constraint *c, const char *of, size_t n)
{
    struct error err = {0};
    struct constraint_state *s;
    struct token_list l = encode(tokenizer, of, n, 0, 0);
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    int fits = 1;
    for (size_t i = 0; i < l.n && fits; i++)
        fits = constraint_accept(s, l.id[i], &err) == 0;
    fits = fits && constraint_complete(s);
    constraint_end(s);
    token_list_free(&l);
    return fits;
}

static int allows_text(struct constraint *c, const char *of) { return allows(c, of, strlen(of)); }

/* ---- counts and sentences ------------------------------------------------------------------------------------------------------- */

static const char tools[] =
    "[{\"function\": {\"name\": \"a\", \"parameters\": {\"type\": \"object\", \"properties\": {\"n\": {\"type\": "
    "\"integer\", \"minimum\": 3}}}}}, {\"function\": {\"name\": \"b\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": {\"x\": {\"type\": \"string\", \"pattern\": \"(((.{0,9}[b-x]?){0,9}c?){0,9}d?){0,9}y\", "
    "\"maxLength\": 1000}, \"e\": {\"enum\": [\"u\", \"v\", 3]}}, \"required\": [\"x\"]}}}]";

static const char slow[] = "{\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"string\", \"pattern\": "
                           "\"(((.{0,9}[b-x]?){0,9}c?){0,9}d?){0,9}y\", \"maxLength\": 1000}}}";

static void test_counts(void **state)
{
    (void)state;
    const struct input in = {VALUE_SCHEMA, "{\"type\": \"array\", \"items\": {\"enum\": [1, \"x\", null]}}", NULL};
    struct compile once = {0}, again = {0};
    struct constraint *c = compiled(&in, &once), *d = compiled(&in, &again);
    assert_int_equal(once.work, again.work); /* steps are counted, not timed */
    assert_int_equal(once.peak_bytes, again.peak_bytes);
    assert_true(allows_text(c, "[1,\"x\"]") && !allows_text(c, "[2]"));
    constraint_destroy(c);
    constraint_destroy(d);
}

static void test_without_a_handle(void **state)
{
    (void)state;
    struct error err = {0};
    const struct input fine = {VALUE_GBNF, "root ::= [a-z]{3,7}", NULL}, endless = {VALUE_SCHEMA, slow, NULL};
    struct constraint *c = compile(&fine, NULL, &err);
    assert_non_null(c);
    constraint_destroy(c);
    assert_null(compile(&endless, NULL, &err));
    assert_string_equal(err.text,
                        "schema error at #/properties/x/pattern: compiling it is too much work (more than 104 "
                        "million steps): simplify it");
}

static void write_here(const void *of, char *out, size_t size)
{
    (void)of;
    snprintf(out, size, "schema error at #/x");
}

static void test_sentences(void **state)
{
    (void)state;
    const struct input schema = {VALUE_SCHEMA, slow, NULL}, call = {VALUE_NONE, "hermes", tools},
                       grammar = {VALUE_GBNF, "root ::= x\nx ::= \"abcdefgh\"", NULL};
    struct compile c = {.most_bytes = 100 << 10};
    refused(&schema, &c, COMPILE_MEMORY,
            "schema error at #/properties/x/pattern: compiling it needs more than 100 KiB of memory: simplify it");
    c = (struct compile){.most_bytes = 120 << 10};
    refused(
        &call, &c, COMPILE_MEMORY,
        "schema error at tools[1].function.parameters#/properties/x/pattern: compiling it needs more than 120 KiB of "
        "memory: simplify it");
    c = (struct compile){.most_work = 5000000};
    refused(
        &schema, &c, COMPILE_WORK_DONE,
        "schema error at #/properties/x/pattern: compiling it is too much work (more than 5 million steps): simplify "
        "it");
    c = (struct compile){.most_bytes = 1440};
    refused(&grammar, &c, COMPILE_MEMORY,
            "grammar, line 1, column 5: compiling it needs more than 1 KiB of memory: simplify it");
}

/* Behind the schemas, where all of it becomes one automaton; and where the system has none. */
static void test_memory_for_the_whole(void **state)
{
    (void)state;
    const struct input schema = {VALUE_SCHEMA, "{\"type\": \"string\", \"minLength\": 3}", NULL};
    const struct input call = {VALUE_NONE, "hermes",
                               "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]"};
    static const char *const place[] = {"schema error at #: ", "schema error at tools[0].function.parameters#: "};
    const struct input *of[] = {&schema, &call};
    for (int i = 0; i < 2; i++) {
        struct compile whole = {0}, c;
        constraint_destroy(compiled(of[i], &whole));
        struct error err = {0};
        c = (struct compile){.most_bytes = whole.peak_bytes - 1};
        assert_null(compile(of[i], &c, &err));
        if (strncmp(err.text, place[i], strlen(place[i])) != 0)
            fail_msg("%s", err.text);
    }
    if (SANITIZED) /* it ends a program that asks for so much */
        return;
    struct compile none = {.most_bytes = SIZE_MAX, .location = {write_here, NULL}};
    struct error err = {0};
    assert_null(compile_alloc(&none, SIZE_MAX / 4, 1));
    compile_refused(&none, &err);
    assert_int_equal(err.code, ERR_MEMORY);
    assert_string_equal(err.text, "schema error at #/x: no memory to compile it");
}

/* The innermost schema, not the whole. */
static void test_place(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"properties\":{\"a/b\":{\"items\":{\"enum\":[");
    for (int i = 0; i < 3000; i++)
        put("%s\"v%d\"", i ? "," : "", i);
    put("]}}}}");
    struct compile c = {.most_bytes = 450 << 10};
    refused(&(struct input){.kind = VALUE_SCHEMA}, &c, COMPILE_MEMORY,
            "schema error at #/properties/a~1b/items: compiling it needs more than 450 KiB of memory: simplify it");
}

/* Wherever it ends, the sentence and the field are about one schema or about all tools. */
static void test_places_of_tools(void **state)
{
    (void)state;
    static const char one[] = "[{\"function\":{\"name\":\"f\",\"parameters\":{}}}]",
                      two[] = "[{\"function\":{\"name\":\"f\",\"parameters\":{}}},{\"function\":{\"name\":\"g\"}}]";
    static const char *const formats[] = {"hermes", "qwen_xml"};
    for (int i = 0; i < 4; i++) {
        const struct input in = {VALUE_NONE, formats[i / 2], i % 2 ? two : one};
        struct compile whole = {0};
        constraint_destroy(compiled(&in, &whole));
        int seen[3] = {0};
        for (uint64_t most = 1; most < whole.work; most += 1 + most / 100) {
            struct compile c = {.most_work = most};
            struct error err = {0};
            char schema[80];
            assert_null(compile(&in, &c, &err));
            if (!err.field[0] && !seen[0] && !seen[2]) /* nothing has begun */
                continue;
            int place = strcmp(err.field, "tools") == 0 ? 2 : err.field[6] - '0';
            assert_in_range(place, 0, 2);
            snprintf(schema, sizeof schema, "schema error at tools[%d].function.parameters#", place);
            const char *begin = place == 2 ? "the grammar of the tools: " : schema;
            if (strncmp(err.text, begin, strlen(begin)) != 0)
                fail_msg("%s: %s", err.field, err.text);
            seen[place]++;
        }
        assert_true(seen[0] && !seen[1] == !(i % 2) && (seen[2] > 1 || i % 2 == 0));
    }
}

static void test_a_retry(void **state)
{
    (void)state;
    const struct input in = {VALUE_SCHEMA, "{\"type\": \"string\", \"minLength\": 3}", NULL};
    struct compile c = {.most_bytes = 10 << 10};
    refused(&in, &c, COMPILE_MEMORY, NULL);
    struct compile larger = {.most_bytes = 1 << 20};
    constraint_destroy(compiled(&in, &larger));
}

/* ---- wherever it ends ------------------------------------------------------------------------------------------------------------- */

static const struct input samples[] = {
    {VALUE_SCHEMA,
     "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\", \"minimum\": -3, \"maximum\": 1999}, "
     "\"b\": "
     "{\"$ref\": \"#\"}, \"c\": {\"type\": \"array\", \"items\": {\"enum\": [1, \"x\", [true]]}, \"maxItems\": 3}}, "
     "\"required\": [\"a\"], \"patternProperties\": {\"^x\": {\"type\": \"null\"}, \"y$\": {}}, "
     "\"additionalProperties\": {\"type\": \"number\"}}",
     NULL},
    {VALUE_SCHEMA,
     "{\"oneOf\": [{\"enum\": [1, 2], \"minimum\": 2}, {\"type\": \"string\", \"pattern\": \"^a|b\\\\d{2,3}\", "
     "\"maxLength\": 6}, {\"enum\": [\"abc\", \"d\"], \"pattern\": \"^[a-c]+$\"}, {\"format\": \"date\", \"type\": "
     "\"string\"}]}",
     NULL},
    {VALUE_SCHEMA, "{\"type\": \"string\", \"pattern\": \"\\\\p{Lu}x$\", \"maxLength\": 20}", NULL},
    {VALUE_SCHEMA_LENIENT,
     "{\"type\": [\"object\", \"null\"], \"not\": {}, \"properties\": {\"k\": {\"uniqueItems\": true}}}", NULL},
    {VALUE_GBNF, "root ::= (item \",\"){2,300} [^a-c]? # c\nitem ::= \"a\" item* \"b\" | \"\\u00e9\" | [0-9]{1,40}\n",
     NULL},
    {VALUE_REGEX, "^(a|[b-d]+\\.(e|f){3,9}|\\w\\s)*$", NULL},
    {VALUE_NONE, "hermes", tools},
    {VALUE_NONE, "qwen_xml", tools},
    {VALUE_NONE, "gemma4", tools},
};

/* A pattern that is long to compile has no place in a sweep. */
static struct input in_sweep(size_t i, char *space)
{
    struct input in = samples[i];
    if (!in.tools)
        return in;
    strcpy(space, in.tools);
    char *x = strstr(space, "(((.{0,9}");
    memset(x, 'z', strcspn(x, "\""));
    *x = '^';
    in.tools = space;
    return in;
}

static void test_memory_sweep(void **state)
{
    (void)state;
    char space[sizeof tools];
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct input in = in_sweep(i, space);
        struct compile whole = {0};
        constraint_destroy(compiled(&in, &whole));
        for (size_t most = 1; most < whole.peak_bytes; most += 1 + most / 50) {
            struct compile c = {.most_bytes = most};
            refused(&in, &c, COMPILE_MEMORY, NULL);
        }
        struct compile enough = {.most_bytes = whole.peak_bytes};
        constraint_destroy(compiled(&in, &enough));
    }
}

static void test_work_sweep(void **state)
{
    (void)state;
    char space[sizeof tools];
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct input in = in_sweep(i, space);
        struct compile whole = {0};
        constraint_destroy(compiled(&in, &whole));
        for (uint64_t most = 1; most < whole.work; most += 1 + most / 40) {
            struct compile c = {.most_work = most};
            refused(&in, &c, COMPILE_WORK_DONE, NULL);
        }
    }
}

/* Each state and each edge of a grammar counts 4 steps of work: the compilation ends at every one of them, also where a vector has just
 * moved. */
static void test_ends_at_every_state(void **state)
{
    (void)state;
    const struct input in = {VALUE_REGEX, "^(ab|cd){90}$", NULL};
    struct compile whole = {0};
    constraint_destroy(compiled(&in, &whole));
    for (uint64_t most = 1; most < whole.work; most += 3) {
        struct compile c = {.most_work = most};
        refused(&in, &c, COMPILE_WORK_DONE, NULL);
    }
}

/* Small inputs, one for each thing that is made while somebody may leave. */
static const char few_tools[] =
    "[{\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"s\":{"
    "\"type\":\"string\"}},\"required\":[\"s\"]}}},{\"function\":{\"name\":\"g\"}}]";
static const struct input small[] = {
    {VALUE_SCHEMA, "{\"type\":\"array\",\"items\":{\"enum\":[1,\"xy\",null]},\"minItems\":2,\"maxItems\":40}", NULL},
    {VALUE_SCHEMA,
     "{\"anyOf\":[{\"type\":\"string\",\"minLength\":2},{\"$ref\":\"#/$defs/n\"}],\"$defs\":{\"n\":{\"const\":1.5}}}",
     NULL},
    {VALUE_SCHEMA_LENIENT,
     "{\"type\":\"object\",\"properties\":{\"a\":{\"uniqueItems\":true,\"type\":\"boolean\"}},\"minProperties\":1}",
     NULL},
    {VALUE_SCHEMA, "{\"type\":\"string\",\"pattern\":\"^(ab|\\\\d){2}x$\",\"maxLength\":9}", NULL},
    {VALUE_GBNF,
     "root ::= e a{0,900} | \"x\" root e b{0,700} \"y\"\ne ::= \"z\"*\na ::= [^b-d] \"\\u00e9\"?\nb ::= a \"-\" e\n",
     NULL},
    {VALUE_REGEX, "^(ab|cd){90}$", NULL},
};

/* A client that is asked wherever steps are counted: their number is kept so high that the one at which to ask again wraps round. */
struct watcher {
    struct compile *c;
    uint64_t asked, leaves_at;
};

static const uint64_t high = UINT64_MAX - COMPILE_CHECK + 100;

static int asked_always(void *arg)
{
    struct watcher *k = arg;
    k->c->work = high;
    return ++k->asked >= k->leaves_at;
}

static struct compile watched(struct watcher *k)
{
    return (struct compile){.work = high, .most_work = UINT64_MAX, .stopped = asked_always, .arg = k};
}

/* Where steps are counted it ends, and at every size of memory. */
static void ends_at_every_step(const struct input *in)
{
    struct compile c, whole = {0};
    struct watcher k = {&c, 0, UINT64_MAX};
    c = watched(&k);
    constraint_destroy(compiled(in, &c));
    for (uint64_t at = 1, all = k.asked; at <= all; at += 1 + all * all / STOPS_MOST) {
        k = (struct watcher){&c, 0, at};
        c = watched(&k);
        refused(in, &c, COMPILE_STOPPED, NULL);
        assert_int_equal(k.asked, at);
    }
    constraint_destroy(compiled(in, &whole));
    for (size_t most = 1; most < whole.peak_bytes; most += 1 + most / 200) {
        c = (struct compile){.most_bytes = most};
        refused(in, &c, COMPILE_MEMORY, NULL);
    }
}

static void test_ends_at_every_step(void **state)
{
    (void)state;
    static const char *const formats[] = {"hermes", "qwen_xml", "lfm2", "gemma4", "harmony"};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        ends_at_every_step(&small[i]);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        ends_at_every_step(&(struct input){VALUE_NONE, formats[i], few_tools});
}

/* A client that disconnects at the n-th check, and records the steps between checks. */
struct client {
    struct compile *c;
    int asked, leaves_at;
    uint64_t last, longest;
};

static int hung_up(void *arg)
{
    struct client *k = arg;
    k->longest = k->c->work - k->last > k->longest ? k->c->work - k->last : k->longest;
    k->last = k->c->work;
    return ++k->asked >= k->leaves_at;
}

enum { SOON = 3 << 20 /* steps: some 30 ms */ };

static void stops_everywhere(const struct input *in)
{
    struct compile c;
    struct client k = {.c = &c, .leaves_at = INT32_MAX};
    c = (struct compile){.stopped = hung_up, .arg = &k};
    constraint_destroy(compiled(in, &c));
    assert_true(k.longest <= SOON && c.work - k.last <= SOON);
    for (int at = 1, all = k.asked; at <= all; at += 1 + all / 20) {
        k = (struct client){.c = &c, .leaves_at = at};
        c = (struct compile){.stopped = hung_up, .arg = &k};
        refused(in, &c, COMPILE_STOPPED, NULL);
        assert_true(c.work - k.last <= SOON);
        assert_int_equal(k.asked, at); /* no check follows */
    }
}

static void test_stopped(void **state)
{
    (void)state;
    char space[sizeof tools];
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct input in = in_sweep(i, space);
        stops_everywhere(&in);
    }
}

/* ---- what was without end ------------------------------------------------------------------------------------------------------------ */

static const struct input written = {.kind = VALUE_SCHEMA};

/* Compiled within so many steps and KiB, and stopped wherever. */
static struct constraint *cheap(uint64_t steps, size_t peak, size_t held)
{
    struct compile c = {0};
    struct constraint *made = compiled(&written, &c);
    if (c.work > steps || c.peak_bytes >> 10 > peak || c.bytes >> 10 > held)
        fail_msg("%llu steps, %zu KiB at most, %zu KiB held: more than %llu, %zu, %zu", (unsigned long long)c.work,
                 c.peak_bytes >> 10, c.bytes >> 10, (unsigned long long)steps, peak, held);
    stops_everywhere(&written);
    return made;
}

static void test_pattern_properties(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"type\":\"object\",\"patternProperties\":{");
    for (int i = 0; i < 1500; i++)
        put("%s\"^k%d$\":{\"const\":%d}", i ? "," : "", i, i);
    put("}}");
    struct constraint *c = cheap(6 << 20, 10 << 10, 2 << 10);
    assert_true(allows_text(c, "{\"k7\":7,\"k1499\":1499}") && allows_text(c, "{}"));
    assert_false(allows_text(c, "{\"k7\":8}") || allows_text(c, "{\"k1500\":1500}") || allows_text(c, "{\"xk7\":7}"));
    constraint_destroy(c);
}

/* A key that two patterns are found in has no value; one that none is found in, what else is allowed. */
static void test_patterns_apart(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"type\":\"object\",\"patternProperties\":{\"a\":{\"const\":1},\"b$\":{\"const\":2},\"^$\":{\"const\":3},"
        "\"^.{5}$\":false},\"properties\":{\"cc\":{\"const\":4}},\"additionalProperties\":{\"const\":5}}");
    struct constraint *c = cheap(3 << 20, 1 << 10, 512);
    static const char *const good[] = {"{\"a\":1}",  "{\"xaz\":1}", "{\"xb\":2}",         "{\"\":3}",
                                       "{\"cc\":4}", "{\"cd\":5}",  "{\"cc\":4,\"c\":5}", "{\"b\":2,\"bx\":5}"},
                             *const bad[] = {"{\"ab\":1}",    "{\"ab\":2}", "{\"xb\":5}", "{\"xyzuv\":5}",
                                             "{\"axxxx\":1}", "{\"cc\":5}", "{\"\":5}",   "{\"a\":5}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!allows_text(c, good[i]))
            fail_msg("not allowed: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (allows_text(c, bad[i]))
            fail_msg("allowed: %s", bad[i]);
    constraint_destroy(c);
}

static void test_enums(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"allOf\":[");
    for (int k = 0; k < 19; k++) {
        put("%s{\"enum\":[", k ? "," : "");
        for (int i = 0; i < 10000 - k; i++)
            put("%s%d", i ? "," : "", 10000 - i);
        put("]}");
    }
    put(",{\"enum\":[9.5e3,1e4,\"1\",20,17.0,18.50]}]}");
    struct constraint *c = cheap(50 << 20, 48 << 10, 1 << 10);
    assert_true(allows_text(c, "20") && allows_text(c, "9500") && allows_text(c, "10000"));
    for (int i = 21; i < 61; i++) {
        char other[16];
        snprintf(other, sizeof other, "%d", i);
        assert_false(allows_text(c, other));
    }
    assert_false(allows_text(c, "17") || allows_text(c, "\"1\"") || allows_text(c, "18.50"));
    constraint_destroy(c);
}

static void test_one_of_enums(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"oneOf\":[");
    for (int k = 0; k < 100; k++) {
        put("%s{\"enum\":[", k ? "," : "");
        for (int i = 0; i < 300; i++)
            put("%s\"v%d\"", i ? "," : "", 300 * k + i);
        put("]}");
    }
    put("]}");
    struct constraint *c = cheap(64 << 20, 16 << 10, 4 << 10);
    assert_true(allows_text(c, "\"v0\"") && allows_text(c, "\"v29999\"") && !allows_text(c, "\"v30000\""));
    constraint_destroy(c);
}

static void test_consts(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"anyOf\":[");
    for (int i = 0; i < 1000; i++)
        put("%s{\"const\":\"c%d\"}", i ? "," : "", i * 7919);
    put("]}");
    struct constraint *c = cheap(3 << 20, 1 << 10, 768);
    assert_true(allows_text(c, "\"c7919\"") && !allows_text(c, "\"c7918\""));
    constraint_destroy(c);
    n_text = 0;
    put("{\"const\":\"");
    for (int i = 0; i < 30000; i++)
        put("word %04x ", (unsigned)(i * 2654435761u) >> 16);
    put("\"}");
    c = cheap(64 << 20, 48 << 10, 26 << 10);
    assert_true(allows(c, text + 9, n_text - 10) && !allows(c, text + 9, n_text - 11));
    constraint_destroy(c);
}

static void test_properties(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 1000; i++)
        put("%s\"p%d\":{\"type\":\"integer\"}", i ? "," : "", i);
    put("}}");
    struct constraint *c = cheap(4 << 20, 2 << 10, 1 << 10);
    assert_true(allows_text(c, "{\"p0\":1,\"p999\":-2}") && !allows_text(c, "{\"p1000\":1}"));
    constraint_destroy(c);
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *good[3], *bad[4];
        int min, max;
    } rows[] = {
        {"^\\\\p{L}[\\\\p{L} ]*$", {"\"a b\"", "\"\\u00e9 \""}, {"\" a\"", "\"a1\"", "\"\""}, 0, 100},
        {"\\\\p{L}$", {"\"1a\"", "\"\\u00c4\""}, {"\"a1\"", "\"\""}, 0, 500},
        {"^ab", {"\"abcd\"", "\"ab\\\"1\""}, {"\"abc\"", "\"xabc\"", "\"abcdefg\""}, 4, 6},
        {"^(ab)+$", {"\"abab\"", "\"ababab\""}, {"\"ab\"", "\"abababab\"", "\"aba\""}, 3, 7},
        {"^(ab){2,3}c$", {"\"ababc\""}, {"\"abababc\"", "\"abc\""}, 0, 6},
        {"\\\\d", {"\"a1b\"", "\"123\""}, {"\"abc\"", "\"1\"", "\"12345\""}, 2, 4},
        {"^$|x", {"\"\"", "\"x\""}, {"\"y\"", "\"axxx\""}, 0, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        n_text = 0;
        put("{\"type\":\"string\",\"pattern\":\"%s\",\"minLength\":%d,\"maxLength\":%d}", rows[i].pattern, rows[i].min,
            rows[i].max);
        struct constraint *c = cheap(16 << 20, 1 << 10, 1 << 10);
        for (size_t k = 0; k < 4; k++) {
            if (k < 3 && rows[i].good[k] && !allows_text(c, rows[i].good[k]))
                fail_msg("%s: not allowed: %s", rows[i].pattern, rows[i].good[k]);
            if (rows[i].bad[k] && allows_text(c, rows[i].bad[k]))
                fail_msg("%s: allowed: %s", rows[i].pattern, rows[i].bad[k]);
        }
        char longest[520] = "\"", *end = longest + 1 + rows[i].max;
        memset(longest + 1, rows[i].pattern[1] == '\\' || rows[i].pattern[0] == '\\' ? 'a' : '.',
               (size_t)rows[i].max + 1);
        strcpy(end, "\"");
        assert_int_equal(allows_text(c, longest), i < 2);
        strcpy(end, "a\"");
        assert_false(allows_text(c, longest));
        constraint_destroy(c);
    }
}

/* A search with a length is a product still, its letters are rules. */
static void test_large_steps(void **state)
{
    (void)state;
    n_text = 0;
    put("{\"type\":\"string\",\"pattern\":\"\\\\p{L}\",\"maxLength\":500}");
    struct constraint *c = cheap(32 << 20, 4 << 10, 2 << 10);
    assert_true(allows_text(c, "\"1a2\"") && !allows_text(c, "\"123\""));
    constraint_destroy(c);
}

static void test_nested_counts(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(((.{0,9}[b-x]?){0,9}c?){0,9}d?){0,9}y",
        "^(((([a-z]{0,9}[b-x]?){0,9}c?){0,9}d?){0,3}|x[a-z]*)$",
        "x((([a-z]{0,9}){0,9}){0,9}){0,9}$",
        "((((((((a{0,9}b){0,9}c){0,9}d){0,9}e){0,9}f){0,9}g){0,9}h){0,9}i){0,9}",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct compile c = {.most_work = 4 << 20};
        struct error err = {0};
        n_text = 0;
        put("{\"type\":\"string\",\"pattern\":\"%s\",\"minLength\":50,\"maxLength\":1000}", patterns[i]);
        assert_null(compile(&written, &c, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_true(c.work <= (4 << 20) + SOON && c.peak_bytes < 16 << 20 && c.bytes == 0);
        struct client k = {.c = &c, .leaves_at = 40};
        c = (struct compile){.stopped = hung_up, .arg = &k};
        err = (struct error){0};
        assert_null(compile(&written, &c, &err));
        assert_true(k.longest <= SOON && c.work - k.last <= SOON && c.bytes == 0);
    }
}

/* ---- expressions that are nested as deep as they are long ------------------------------------------------------------------- */

static void put_places(void)
{
    put("{\"type\":\"array\",\"items\":false,\"prefixItems\":[");
    for (int i = 0; i < 3000; i++)
        put("%s{\"type\":\"integer\"}", i ? "," : "");
    put("]}");
}

static void put_letters(void) { put("{\"type\":\"string\",\"pattern\":\"^%019000d$\"}", 0); }

struct deep {
    struct input in;
    int compiled;
    struct error err;
};

static void *compile_deep(void *arg)
{
    struct deep *d = arg;
    struct compile c = {0};
    struct constraint *made = compile(&d->in, &c, &d->err);
    d->compiled = made != NULL;
    constraint_destroy(made);
    return NULL;
}

/* That of a connection's thread. */
static void compile_on_the_least_stack(struct deep *d)
{
    pthread_attr_t attr;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_LEAST), 0);
    assert_int_equal(pthread_create(&thread, &attr, compile_deep, d), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}

static void test_deep_expressions(void **state)
{
    (void)state;
    static void (*const writers[])(void) = {put_places, put_letters};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        struct deep d = {.in = written};
        n_text = 0;
        writers[i]();
        compile_on_the_least_stack(&d);
        if (!d.compiled)
            fail_msg("%zu: %s", i, d.err.text);
    }
}

/* Unions, each reached by the $ref of the one before, so that the text is flat; every 35th is an array: a new place begins. */
static void put_unions(void)
{
    put("{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 8750; i++)
        put(i % 35 == 34 ? "\"d%d\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/d%d\"}},"
                         : "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"}]},",
            i, i + 1);
    put("\"d8750\":{\"type\":\"null\"}}}");
}

/* As deep as brackets may be, a union in each. */
static void put_objects(void)
{
    for (int i = 0; i < 250; i++)
        put("{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"null\"},");
    put("{\"type\":\"integer\"}");
    for (int i = 0; i < 250; i++)
        put("]}}}");
}

/* Schemas recurse: what the smallest stack does not hold is refused, and as many brackets as there may be do fit. */
static void test_deep_schemas(void **state)
{
    (void)state;
    static void (*const writers[])(void) = {put_unions, put_objects};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        struct deep d = {.in = written};
        n_text = 0;
        writers[i]();
        compile_on_the_least_stack(&d);
        int refused = strstr(d.err.text, "schemas are inside schemas too deeply") != NULL;
        if (d.compiled == (i == 0) || refused != (i == 0))
            fail_msg("%zu: %s", i, d.err.text);
    }
}

/* ---- what has too many states ------------------------------------------------------------------------------------------------- */

/* In a lenient schema as little as possible is left out: the greatest length, both, or the patterns. */
static void test_too_many_states(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *fits, *fits_too, *does_not;
    } rows[] = {
        {"{\"type\":\"string\",\"format\":\"hostname\",\"minLength\":2,\"maxLength\":3}", "\"a.b\"", "\"ab\"",
         "\"abcd\""},
        {"{\"type\":\"string\",\"format\":\"email\",\"minLength\":3,\"maxLength\":254}", "\"a@b\"", "\"a@b.c\"",
         "\"ab\""},
        {"{\"type\":\"string\",\"pattern\":\"[0-9]{2}\",\"minLength\":9,\"maxLength\":100000}", "\"1234567890\"",
         "\"a b c d 12\"", "\"a b c d 1\""},
        {"{\"type\":\"string\",\"pattern\":\"[0-9]{2}\",\"minLength\":30000}", "\"12\"", "\"a12\"", "\"1a2\""},
        {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":40,\"allOf\":[{\"pattern\":\"a.{12}b\"},{\"pattern\":"
         "\"c.{12}d\"}]}",
         "\"xy\"", "\"acacacacacacacacacacacacacacacacacacacac\"", "\"x\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct input in = {VALUE_SCHEMA_LENIENT, rows[i].schema, NULL};
        struct compile c = {0};
        struct constraint *made = compiled(&in, &c);
        if (!allows_text(made, rows[i].fits) || !allows_text(made, rows[i].fits_too) ||
            allows_text(made, rows[i].does_not))
            fail_msg("%s", rows[i].schema);
        constraint_destroy(made);
    }
}

/* 24 tools; the lengths of their fields differ by at most more. */
static void write_tools(int fields, int length, int more)
{
    n_text = 0;
    for (int i = 0; i < 24; i++) {
        put("%s{\"function\":{\"name\":\"t%d\",\"parameters\":{\"type\":\"object\",\"properties\":{", i ? "," : "[", i);
        for (int k = 0; k < fields; k++)
            put("%s\"p%d\":{\"type\":\"string\",\"format\":\"uri\",\"maxLength\":%d,\"description\":\"%d\"}",
                k ? "," : "", k, length + more * i * k, i);
        put("}}}}");
    }
    put("]");
}

/* It is found out once for all tools of a request, and what is left of such a string is made once. */
static void test_tools_of_too_many_states(void **state)
{
    (void)state;
    struct compile c = {.most_work = 40 << 20}, whole = {0};
    const struct input in = {VALUE_NONE, "hermes", text};
    write_tools(4, 2048, 1);
    constraint_destroy(compiled(&in, &c));
    write_tools(12, 254, 0);
    constraint_destroy(compiled(&in, &whole));
}

/* A set of tools as agents have it: the bounds are what a server may count on for such a request. */
static void test_agent_tools(void **state)
{
    (void)state;
    static const char *const formats[] = {"hermes", "qwen_xml", "gemma4", "lfm2"};
    FILE *f = fopen("tests/data/tools24.json", "rb");
    assert_non_null(f);
    n_text = fread(text, 1, ROOM - 1, f);
    text[n_text] = 0;
    fclose(f);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct input in = {VALUE_NONE, formats[i], text};
        struct compile c = {.most_bytes = 3 << 20, .most_work = 8 << 20};
        constraint_destroy(compiled(&in, &c));
        stops_everywhere(&in);
    }
}

/* Planes that are not scanned are as if they were. */
static void test_properties_of_letters(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        uint32_t first, last; /* all of them match; 0, 0: see holds */
        int holds;
    } rows[] = {{"^\\p{Cn}$", 0x40000, 0xDFFFF, 1}, {"^\\p{L}$", 0x40000, 0xDFFFF, 0},
                {"^\\P{L}$", 0x3FFFE, 0xE0000, 1},  {"^\\p{Lu}$", 'A', 'Z', 1},
                {"^\\p{Mn}$", 0xE0100, 0xE01EF, 1}, {"^\\p{Co}$", 0xF0000, 0xFFFFD, 1},
                {"^\\p{Co}$", 0xFFFFE, 0xFFFFF, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct compile c = {0};
        struct regex r;
        struct error err = {0};
        assert_int_equal(regex_read(&r, &c, rows[i].pattern, strlen(rows[i].pattern), &err), 0);
        for (uint32_t p = rows[i].first; p <= rows[i].last;
             p += p < rows[i].last && p + 4097 > rows[i].last ? rows[i].last - p : 4097) {
            char letter[4] = {(char)p};
            size_t n = 1;
            if (p >= 0x10000) {
                letter[0] = (char)(0xF0 | p >> 18), letter[1] = (char)(0x80 | (p >> 12 & 63));
                letter[2] = (char)(0x80 | (p >> 6 & 63)), letter[3] = (char)(0x80 | (p & 63));
                n = 4;
            }
            assert_int_equal(regex_holds(&r, letter, n), rows[i].holds);
        }
        regex_free(&r);
        assert_int_equal(c.bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_without_a_handle),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_memory_for_the_whole),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_places_of_tools),
        cmocka_unit_test(test_a_retry),
        cmocka_unit_test(test_memory_sweep),
        cmocka_unit_test(test_work_sweep),
        cmocka_unit_test(test_ends_at_every_state),
        cmocka_unit_test(test_ends_at_every_step),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_pattern_properties),
        cmocka_unit_test(test_patterns_apart),
        cmocka_unit_test(test_enums),
        cmocka_unit_test(test_one_of_enums),
        cmocka_unit_test(test_consts),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_large_steps),
        cmocka_unit_test(test_nested_counts),
        cmocka_unit_test(test_agent_tools),
        cmocka_unit_test(test_properties_of_letters),
        cmocka_unit_test(test_deep_expressions),
        cmocka_unit_test(test_deep_schemas),
        cmocka_unit_test(test_too_many_states),
        cmocka_unit_test(test_tools_of_too_many_states),
    };
    return cmocka_run_group_tests(tests, open_ember, close_ember);
}
