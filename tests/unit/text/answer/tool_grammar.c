/* links: text format base */
/* What governs an answer with tools: where text is free, where a call begins, what must come then. Languages of whole calls are
 * tested by tests/tool_cases.c. */
#include "base/reqmem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/answer/answer.h"
#include "text/grammar/compile.h"
#include "text/tools/stream.h"

#include "text_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char tools[] =
    "[{\"function\": {\"name\": \"now\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}}, {\"function\": "
    "{\"name\": \"get\", \"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"integer\"}, "
    "\"s\": "
    "{\"type\": \"string\"}, \"o\": {\"type\": \"string\", \"enum\": [\"a b\", \"12\"]}, \"l\": {\"type\": \"array\", "
    "\"items\": {\"type\": [\"boolean\", \"null\"]}}, \"u\": {\"type\": [\"string\", \"null\"]}, \"d\": {\"type\": "
    "\"object\", \"properties\": {\"k\": {\"type\": \"string\"}}}}, \"required\": [\"x\"]}}}]";

static struct tokenizer *vocabulary;
static struct token_trie *trie;
static struct tool_list *list;
static struct constraint *constraint;
static struct constraint_state *state;
static uint8_t *allowed;

/* -1: *err says what is wrong with the tools. */
static int begin_with(const char *format, const char *json, const struct tool_want *how, struct error *why)
{
    static struct small_vocab v;
    struct error err = {0};
    struct tool_want want = *how;
    const char *text;
    want.format = tool_format_find(format, &err);
    small_begin(&v, "gpt2");
    v.eos = small_add(&v, "<|end of text|>", TOKEN_CONTROL, 0);
    for (size_t i = 0; (text = tool_format_token(want.format, i)); i++)
        small_add(&v, text, TOKEN_CONTROL, 0);
    assert_int_equal(small_load(&v, &vocabulary, &err), 0);
    assert_int_equal(token_trie_create(&trie, vocabulary, &err), 0);
    assert_int_equal(tool_list_parse(&list, json, strlen(json), want.format, &err), 0);
    want.tools = list;
    if (tool_constraint(&constraint, vocabulary, trie, &want, why) != 0)
        return -1;
    assert_int_equal(constraint_begin(&state, constraint, &err), 0);
    allowed = calloc((size_t)tokenizer_n_vocab(vocabulary), 1);
    return 0;
}

static void begin(const char *format, const struct tool_want *how)
{
    struct error err = {0};
    if (begin_with(format, tools, how, &err))
        fail_msg("%s: %s", format, err.text);
}

static int end(void **s)
{
    (void)s;
    constraint_end(state);
    constraint_destroy(constraint);
    tool_list_free(list);
    token_trie_destroy(trie);
    tokenizer_destroy(vocabulary);
    free(allowed);
    state = NULL, constraint = NULL, list = NULL, trie = NULL, vocabulary = NULL, allowed = NULL;
    return 0;
}

/* Number of tokens that may come. */
static int choices(void)
{
    struct error err = {0};
    return constraint_mask(state, 1000, allowed, &err);
}

static int may_end(void) { return choices() > 0 && allowed[tokenizer_eos(vocabulary)]; }

static int take(int32_t id)
{
    struct error err = {0};
    return choices() > 0 && id >= 0 && allowed[id] && constraint_accept(state, id, &err) == 0;
}

/* Text byte by byte; {{marker}} is a token. 1: all of it was let through. */
static int goes(const char *text)
{
    while (*text) {
        const char *close = !strncmp(text, "{{<", 3) ? strstr(text, "}}") : NULL;
        int32_t id = close ? tokenizer_find(vocabulary, text + 2, (size_t)(close - text - 2)) : (uint8_t)*text;
        if (!take(id))
            return 0;
        text = close ? close + 2 : text + 1;
    }
    return 1;
}

#define CALL "{{<tool_call>}}\n{\"name\": \"now\", \"arguments\": {}}\n{{</tool_call>}}"

static void lazy_calls(void **s)
{
    (void)s;
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1, .reasoning = REASONING_MAY});
    assert_true(may_end());
    assert_true(goes("Text with {\"name\": \"x\"} and <tool_call> spelled.\n"));
    assert_true(may_end());
    assert_true(goes("{{<tool_call>}}"));
    assert_int_equal(choices(), 1);
    assert_true(allowed['\n']);
    assert_false(may_end());
    assert_true(goes("\n{\"name\": \""));
    assert_false(goes("x"));
    assert_true(goes("now\", \"arguments\": {}}\n{{</tool_call>}}"));
    assert_true(may_end());
    assert_true(goes("\nAnd again.\n" CALL));
    assert_true(may_end());
}

static void thoughts_are_free(void **s)
{
    (void)s;
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1, .reasoning = REASONING_MAY});
    assert_true(goes("{{<think>}}maybe {{<tool_call>}}{no} more{{</think>}}\n\n{{<tool_call>}}"));
    assert_int_equal(choices(), 1);
    end(NULL);
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1, .reasoning = REASONING_OPEN});
    assert_true(goes("maybe {{<tool_call>}}{no}{{</think>}}{{<tool_call>}}"));
    assert_int_equal(choices(), 1);
    end(NULL);
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1, .reasoning = REASONING_CLOSED});
    assert_true(goes("{{<think>}}{{<tool_call>}}"));
    assert_int_equal(choices(), 1);
    end(NULL);
    begin("kimi_k2", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1, .reasoning = REASONING_OPEN});
    assert_true(goes("these call while thinking {{<|tool_calls_section_begin|>}}"));
    assert_int_equal(choices(), 1);
}

static void one_call_ends(void **s)
{
    (void)s;
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .reasoning = REASONING_CLOSED});
    assert_true(goes("x " CALL));
    assert_true(constraint_finished(state));
    end(NULL);
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .reasoning = REASONING_CLOSED});
    assert_false(may_end());
    assert_false(goes("x"));
    assert_true(constraint_shortest(constraint) > 30);
    assert_true(goes("\n" CALL));
    assert_true(constraint_finished(state));
    end(NULL);
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .parallel = 1, .reasoning = REASONING_OPEN});
    assert_true(goes("so <tool_call> is free here{{</think>}}\n\n" CALL "\n" CALL));
    assert_true(may_end());
    end(NULL);
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .reasoning = REASONING_MAY});
    assert_true(goes("{{<think>}}hm{{</think>}}" CALL));
}

static void named_calls(void **s)
{
    (void)s;
    struct error err = {0};
    struct constraint *none = NULL;
    begin("hermes", &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .name = "get", .reasoning = REASONING_CLOSED});
    assert_true(goes("{{<tool_call>}}\n{\"name\": \""));
    assert_false(goes("n"));
    assert_true(goes("get\", \"arguments\": {\"x\": 1"));
    assert_false(goes("."));
    assert_true(goes("2}}\n{{</tool_call>}}"));
    struct tool_want want = {
        .format = tool_format_find("hermes", NULL), .tools = list, .choice = TOOL_CHOICE_REQUIRED, .name = "put"};
    assert_int_equal(tool_constraint(&none, vocabulary, trie, &want, &err), -1);
    assert_non_null(strstr(err.text, "'put'"));
    want.choice = TOOL_CHOICE_NONE;
    assert_int_equal(tool_constraint(&none, vocabulary, trie, &want, &err), 0);
    assert_null(none);
}

static void framed_calls(void **s)
{
    (void)s;
    begin("functionary_v3_2", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1});
    assert_true(goes("all\nText >>> or >>>here\n>>>now\n"));
    assert_int_equal(choices(), 1);
    assert_true(goes("{}>>>get\n{\"x\": 1}"));
    assert_true(may_end());
    end(NULL);
    begin("functionary_v3_2", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1});
    assert_true(goes("get\n{"));
    assert_false(may_end());
    end(NULL);
    begin("functionary_v3_2",
          &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1}); /* the prompt's end again */
    assert_true(goes(">>>>>>get\n{"));
    assert_false(may_end());
    end(NULL);
    begin("functionary_v3_2", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1});
    assert_true(goes(">>>all\nText >>>now\n"));
    assert_int_equal(choices(), 1);
    end(NULL);
    begin("functionary_v3_2", &(struct tool_want){.choice = TOOL_CHOICE_AUTO});
    assert_true(goes(">>>nobody\n>>>now\nis free"));
    end(NULL);
    begin("functionary_v3_2", &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED});
    assert_false(goes(">"));
    end(NULL);
    begin("harmony", &(struct tool_want){.choice = TOOL_CHOICE_AUTO});
    assert_true(goes("{{<|channel|>}}final{{<|message|>}}say to=functions.nothing at all"));
    assert_true(may_end());
    end(NULL);
    begin("harmony", &(struct tool_want){.choice = TOOL_CHOICE_AUTO});
    assert_true(goes("{{<|channel|>}}analysis{{<|message|>}}hm{{<|end|>}}{{<|start|>}}assistant{{<|channel|>}}"
                     "commentary to=functions."));
    assert_false(goes("x"));
    assert_true(goes("now {{<|constrain|>}}json{{<|message|>}}{}"));
    end(NULL);
    begin("llama3", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1});
    assert_true(goes("{\"name\": \""));
    assert_false(goes("x"));
    end(NULL);
    begin("llama3", &(struct tool_want){.choice = TOOL_CHOICE_AUTO, .parallel = 1});
    assert_true(goes("Say {\"name\": \"x\"} {{<|python_tag|>}}{\"name\": \"now"));
    assert_false(goes("x"));
}

/* Each format has a grammar under every choice. */
static void every_format(void **s)
{
    (void)s;
    const struct tool_format *f;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (int k = 0; k < 12 && strcmp(f->name, "none"); k++) {
            begin(f->name, &(struct tool_want){.choice = k % 2 ? TOOL_CHOICE_AUTO : TOOL_CHOICE_REQUIRED,
                                               .parallel = k / 2 % 2,
                                               .reasoning = (enum tool_reasoning)(k / 4)});
            assert_true(choices() > 0);
            end(NULL);
        }
}

/* ---- walks ------------------------------------------------------------------------------------------------------------- */

static int value_fits(const json_t *schema, const json_t *v)
{
    unsigned types = tool_schema_types(schema, schema);
    const json_t *values = json_object_get(schema, "enum"), *x;
    const char *key;
    size_t i;
    int listed = !values;
    unsigned is = json_is_string(v)    ? TYPE_STRING
                  : json_is_real(v)    ? TYPE_INTEGER
                  : json_is_null(v)    ? TYPE_NULL
                  : json_is_boolean(v) ? TYPE_BOOLEAN
                  : json_is_array(v)   ? TYPE_ARRAY
                                       : TYPE_OBJECT;
    json_array_foreach(values, i, x) listed |= json_equal(x, v);
    if (!(is & types) || !listed)
        return 0;
    json_array_foreach(v, i, x) if (!value_fits(json_object_get(schema, "items"), x)) return 0;
    json_array_foreach(json_object_get(schema, "required"), i,
                       x) if (!json_object_get(v, json_string_value(x))) return 0;
    json_object_foreach((json_t *)v, key, x)
    {
        const json_t *s = json_object_get(json_object_get(schema, "properties"), key);
        if (!s || !value_fits(s, x))
            return 0;
    }
    return 1;
}

static void collect(void *arg, const struct tool_event *e) { tool_message_event(arg, e); }

/* One of the allowed tokens; the end, if it is allowed, one time in four. */
static int32_t pick(uint64_t *count, int n)
{
    int32_t eos = tokenizer_eos(vocabulary);
    uint64_t r = rng_u64(11, (*count)++, 0, 0), k = r / 4 % (uint64_t)n;
    if (allowed[eos] && r % 4 == 0)
        return eos;
    for (int32_t id = 0;; id++)
        if (allowed[id] && k-- == 0)
            return id;
}

enum walk {
    WALK_FITS,    /* arguments fit their schemas */
    WALK_OBJECTS, /* they are objects; their numbers may be beyond doubles, so that the parser's word is taken */
    WALK_MIXED,   /* as WALK_FITS, or an object instead of calls */
    WALK_VALUES,  /* their member x is a value that value_is_valid() takes */
    WALK_VALID    /* value_is_valid() takes them whole */
};

static int (*value_is_valid)(const json_t *v);

static int is_object(const char *text, size_t n)
{
    json_t *v = json_loadb(text, n, JSON_DECODE_INT_AS_REAL, NULL);
    int is = json_is_object(v);
    json_decref(v);
    return is;
}

/* Text drawn from the masks alone, up to a limit: the parser finds calls in it, and nothing but calls, and they fit. */
static void walk(const struct tool_format *f, uint64_t *count, enum walk kind)
{
    struct tool_stream_options how = {.tokenizer = vocabulary,
                                      .format = f,
                                      .tools = list,
                                      .reasoning = REASONING_CLOSED,
                                      .checked = kind != WALK_MIXED};
    struct tool_message m = {0};
    struct tool_stream *stream;
    struct error err = {0};
    char text[2048];
    size_t n_text = 0, n;
    assert_int_equal(tool_stream_open(&stream, &how, collect, &m, &err), 0);
    int64_t left = constraint_shortest(constraint) + 1 + (int64_t)(rng_u64(12, (*count)++, 0, 0) % 150);
    for (int over = 0; !over && left > 0 && !constraint_finished(state); left--) {
        int any = constraint_mask(state, left, allowed, &err);
        int32_t id = any > 0 ? pick(count, any) : -1;
        if (any <= 0)
            fail_msg("%s: %s after %.*s", f->name, err.text, (int)n_text, text);
        over = tokenizer_is_end(vocabulary, id);
        if (over)
            continue;
        const char *piece = tokenizer_piece(vocabulary, id, 1, &n);
        memcpy(text + n_text, piece, n);
        n_text += n;
        assert_int_equal(constraint_accept(state, id, &err), 0);
        assert_int_equal(tool_stream_token(stream, id, &err), 0);
    }
    assert_int_equal(tool_stream_end(stream, &err), 0);
    int fine = m.n_bad == 0 && m.n_cut == 0 &&
               (m.n_call > 0 ? m.content.n == 0 : kind == WALK_MIXED && is_object(m.content.text, m.content.n));
    for (size_t i = 0; fine && i < m.n_call; i++) {
        const struct tool_def *t = tool_list_find(list, m.call[i].name.text, strlen(m.call[i].name.text));
        json_t *v = json_loadb(m.call[i].arguments.text, m.call[i].arguments.n,
                               JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
        fine = t && m.call[i].ended &&
               (kind == WALK_VALUES    ? value_is_valid(json_object_get(v, "x"))
                : kind == WALK_VALID   ? v && value_is_valid(v)
                : kind == WALK_OBJECTS ? m.call[i].arguments.text[0] == '{'
                                       : v && value_fits(t->parameters, v));
        json_decref(v);
    }
    if (!fine)
        fail_msg("%s: %.*s", f->name, (int)n_text, text);
    tool_stream_close(stream);
    tool_message_free(&m);
}

static void walks_parse(void **s)
{
    (void)s;
    const struct tool_format *f;
    uint64_t count = 0;
    for (size_t i = 0; (f = tool_format_at(i)); i++) {
        if (!strcmp(f->name, "none"))
            continue;
        begin(f->name,
              &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .parallel = 1, .reasoning = REASONING_CLOSED});
        for (int k = 0; k < 40; k++) {
            struct error err = {0};
            constraint_end(state);
            assert_int_equal(constraint_begin(&state, constraint, &err), 0);
            walk(f, &count, WALK_FITS);
        }
        end(NULL);
    }
}

/* ---- calls, or an answer that is governed too ---------------------------------------------------------------------------- */

static void calls_or_values(void **s)
{
    (void)s;
    static const char schema[] =
        "{\"type\": \"object\", \"properties\": {\"k\": {\"type\": \"integer\"}}, \"required\": [\"k\"]}";
    struct value_want value = {.kind = VALUE_SCHEMA, .text = schema, .n = sizeof schema - 1};
    struct tool_want want = {.choice = TOOL_CHOICE_AUTO, .parallel = 1, .answer = &value};
    const struct tool_format *f;
    uint64_t count = 0;
    for (size_t i = 0; (f = tool_format_at(i)); i++) {
        struct error err = {0};
        if (!strcmp(f->name, "none"))
            continue;
        if (begin_with(f->name, tools, &want, &err)) {
            if (err.code != ERR_UNSUPPORTED || !(f->advance || f->rules & RULE_BARE))
                fail_msg("%s: %s", f->name, err.text);
            end(NULL);
            continue;
        }
        assert_true(goes("{\"k\": 12}") && may_end());
        assert_false(goes(" x"));
        for (int k = 0; k < 20; k++) {
            constraint_end(state);
            assert_int_equal(constraint_begin(&state, constraint, &err), 0);
            walk(f, &count, WALK_MIXED);
        }
        end(NULL);
    }
}

/* ---- arguments are objects, whatever their schema says ----------------------------------------------------------------------- */

static int begin_parameters(const struct tool_format *f, const char *parameters, struct error *err)
{
    char json[512];
    snprintf(json, sizeof json, "[{\"function\": {\"name\": \"f\", \"parameters\": %s}}]", parameters);
    struct tool_want want = {.choice = TOOL_CHOICE_REQUIRED, .parallel = 1, .reasoning = REASONING_CLOSED};
    return begin_with(f->name, json, &want, err);
}

static void other_schemas_are_narrowed(void **s)
{
    (void)s;
    static const char *const schemas[] = {
        "{}", "{\"properties\": {\"a\": {\"type\": \"integer\"}}}", "{\"type\": [\"string\", \"object\", \"null\"]}",
        "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", \"properties\": {}}]}",
        ("{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"required\": [], \"properties\": {\"a\": {\"$ref\": "
         "\"#\"}}}}}")};
    const struct tool_format *f;
    uint64_t count = 0;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (size_t k = 0; k < sizeof schemas / sizeof *schemas && strcmp(f->name, "none"); k++) {
            struct error err = {0};
            if (begin_parameters(f, schemas[k], &err))
                fail_msg("%s: %s: %s", f->name, schemas[k], err.text);
            for (int w = 0; w < 20; w++) {
                constraint_end(state);
                assert_int_equal(constraint_begin(&state, constraint, &err), 0);
                walk(f, &count, WALK_OBJECTS);
            }
            end(NULL);
        }
}

static void other_schemas_are_refused(void **s)
{
    (void)s;
    static const char *const schemas[] = {"{\"type\": \"string\"}",
                                          "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}",
                                          "{\"type\": [\"integer\", \"null\"]}",
                                          "{\"enum\": [\"a\", 1, null]}",
                                          "{\"const\": []}",
                                          "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"boolean\"}]}",
                                          "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"type\": \"number\"}}}",
                                          "{\"allOf\": [false]}"};
    const struct tool_format *f;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (size_t k = 0; k < sizeof schemas / sizeof *schemas && strcmp(f->name, "none"); k++) {
            struct error err = {0};
            if (begin_parameters(f, schemas[k], &err) == 0)
                fail_msg("%s takes %s", f->name, schemas[k]);
            if (!strstr(err.text, "tools[0].function.parameters#") || !strstr(err.text, "are an object"))
                fail_msg("%s: %s: %s", f->name, schemas[k], err.text);
            end(NULL);
        }
}

/* Numbers that a 64-bit reader does not hold: values of an enumeration are written as the schema has them. */
static void enumerated_numbers(void **s)
{
    static const char json[] =
        "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", "
        "\"properties\": {\"x\": {\"enum\": [1.50, 18446744073709551616, [1e400, {\"a\": -0}]]}}, "
        "\"required\": [\"x\"]}}}]";
    static const char *const values[] = {"1.50", "18446744073709551616", "[1e400, {\"a\": -0}]", "1.5", "1e400", NULL};
    struct error err = {0};
    for (size_t i = 0; values[i]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{{<tool_call>}}\n<function=f>\n<parameter=x>\n%s\n</parameter>\n", values[i]);
        assert_int_equal(begin_with("qwen_xml", json, &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED}, &err), 0);
        assert_int_equal(goes(text), i < 3);
        end(s);
    }
}

/* ---- strings between tags ---------------------------------------------------------------------------------------------------- */

static const char *const tag_formats[] = {"qwen_xml", "seed_oss", "glm", "minimax_m2", "dsml"};

/* A tool f. */
static int begin_arguments(const char *format, const char *schema, int strict, struct error *err)
{
    char json[1024];
    snprintf(json, sizeof json, "[{\"function\": {\"name\": \"f\", \"strict\": %s, \"parameters\": %s}}]",
             strict ? "true" : "false", schema);
    return begin_with(format, json, &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .parallel = 1}, err);
}

/* With an argument x. */
static int begin_argument(const char *format, const char *schema, int strict, struct error *err)
{
    char whole[900];
    snprintf(whole, sizeof whole,
             "{\"type\": \"object\", \"properties\": {\"x\": %s}, \"required\": [\"x\"], "
             "\"additionalProperties\": false}",
             schema);
    return begin_arguments(format, whole, strict, err);
}

static size_t length_of(const json_t *v)
{
    return json_is_string(v) ? utf8_count(json_string_value(v), json_string_length(v)) : 0;
}
static int is(const json_t *v, const char *text) { return json_is_string(v) && !strcmp(json_string_value(v), text); }
static int is_integer(const json_t *v) { return json_is_real(v) && fmod(json_real_value(v), 1) == 0; }

static int valid_length(const json_t *v) { return length_of(v) >= 2 && length_of(v) <= 4; }
static int valid_long(const json_t *v) { return length_of(v) >= 110 && length_of(v) <= 130; }
static int valid_date(const json_t *v)
{
    return length_of(v) == 10 && json_string_value(v)[4] == '-' && strspn(json_string_value(v), "0123456789-") == 10;
}
static int valid_a_or_b(const json_t *v) { return is(v, "a") || is(v, "b"); }
static int valid_yyyy(const json_t *v) { return is(v, "yyyy"); }
static int valid_one_or_two(const json_t *v) { return is(v, "1") || (is_integer(v) && json_real_value(v) == 2); }
static int valid_one(const json_t *v) { return is(v, "1"); }
static int valid_newline(const json_t *v) { return is(v, "\nx") || is(v, "\n\nx\n\n") || is(v, "x\n"); }
static int valid_integer_or_a(const json_t *v) { return is_integer(v) || is(v, "a"); }
static int valid_unless_short(const json_t *v) { return v && (!json_is_string(v) || length_of(v) >= 3); }
static int valid_small(const json_t *v)
{
    return (is_integer(v) && json_real_value(v) <= 5) ||
           (length_of(v) == 2 && strspn(json_string_value(v), "0123a") == 2);
}
static int valid_blank(const json_t *v)
{
    return length_of(v) > 0 && strspn(json_string_value(v), "\r\n") == length_of(v);
}
static int valid_tag(const json_t *v) { return length_of(v) >= 2 && *json_string_value(v) == '<'; }
static int valid_a_and_14(const json_t *v)
{
    size_t n = length_of(v);
    return n >= 15 && n <= 20 && strspn(json_string_value(v), "ab") == n && json_string_value(v)[n - 15] == 'a';
}
static int valid_object(const json_t *v)
{
    return json_is_object(v) ? is_integer(json_object_get(v, "k")) : length_of(v) >= 2;
}

static const struct tag_case {
    const char *schema;
    int (*valid)(const json_t *v);
} tag_cases[] = {
    {"{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 4}", valid_length},
    {"{\"type\": \"string\", \"minLength\": 110, \"maxLength\": 130}", valid_long},
    {"{\"type\": \"string\", \"format\": \"date\"}", valid_date},
    {"{\"anyOf\": [{\"enum\": [\"a\"]}, {\"enum\": [\"b\"]}]}", valid_a_or_b},
    {"{\"allOf\": [{\"type\": \"string\"}, {\"enum\": [\"a\", \"b\"]}]}", valid_a_or_b},
    {"{\"type\": \"string\", \"pattern\": \"^[ab]$\"}", valid_a_or_b},
    {"{\"allOf\": [{\"enum\": [\"x\", \"yyyy\"]}, {\"minLength\": 3}]}", valid_yyyy},
    {"{\"enum\": [\"x\", \"yyyy\"], \"minLength\": 3}", valid_yyyy},
    {"{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \"string\", \"enum\": [\"a\"]}]}", valid_integer_or_a},
    {"{\"type\": [\"string\", \"integer\"], \"enum\": [\"1\"]}", valid_one},
    {"{\"allOf\": [{\"const\": \"1\"}, {}]}", valid_one},
    {"{\"type\": [\"string\", \"integer\"], \"enum\": [\"1\", 2]}", valid_one_or_two},
    {"{\"enum\": [\"\\nx\", \"\\n\\nx\\n\\n\", \"x\\n\"]}", valid_newline},
    {"{\"minLength\": 3}", valid_unless_short},
    {"{\"type\": [\"string\", \"integer\"], \"pattern\": \"^[0-3a]{2}$\", \"maximum\": 5}", valid_small},
    {"{\"type\": \"string\", \"pattern\": \"^[\\r\\n]+$\"}", valid_blank},
    {"{\"type\": \"string\", \"pattern\": \"^<.\"}", valid_tag},
    {"{\"type\": \"string\", \"pattern\": \"^(a|b)*a(a|b){14}$\", \"maxLength\": 20}", valid_a_and_14},
    {"{\"anyOf\": [{\"type\": \"string\", \"minLength\": 2}, {\"type\": \"object\", \"properties\": {\"k\": {\"type\": "
     "\"integer\"}}, \"required\": [\"k\"]}]}",
     valid_object},
};

/* Text drawn from the masks is read back as a value that fits, whatever the keywords and unions of a string. */
static void strings_in_tags_fit(void **s)
{
    uint64_t count = 0;
    for (size_t f = 0; f < sizeof tag_formats / sizeof *tag_formats; f++)
        for (size_t i = 0; i < sizeof tag_cases / sizeof *tag_cases; i++) {
            struct error err = {0};
            value_is_valid = tag_cases[i].valid;
            if (begin_argument(tag_formats[f], tag_cases[i].schema, 1, &err))
                fail_msg("%s: %s: %s", tag_formats[f], tag_cases[i].schema, err.text);
            for (int w = 0; w < 30; w++) {
                constraint_end(state);
                assert_int_equal(constraint_begin(&state, constraint, &err), 0);
                walk(tool_format_find(tag_formats[f], &err), &count, WALK_VALUES);
            }
            end(s);
        }
}

#define TEN "0123456789"

/* Which texts of qwen_xml stand for an argument. */
static void texts_between_tags(void **s)
{
    static const struct {
        const char *schema, *text;
        int fits;
    } cases[] = {
        {"{\"type\": \"string\", \"maxLength\": 9}", "</p>\n</q>", 1},
        {"{\"type\": \"string\", \"maxLength\": 9}", "0123456789", 0},
        {"{\"type\": \"string\", \"maxLength\": 9}", "\r", 0}, /* the tag's newline would take it along */
        {"{\"type\": \"string\", \"maxLength\": 90}", "a</parameter>b", 0},
        {"{\"type\": \"string\", \"maxLength\": 120}", "a < b <= c, <p>d</p> << 1", 1},
        {"{\"type\": \"string\", \"maxLength\": 120}", "a</parameter>b", 0},
        {"{\"type\": \"string\", \"maxLength\": 120}", TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN, 1},
        {"{\"type\": \"string\", \"maxLength\": 120}", TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "x", 0},
        {"{\"type\": \"string\", \"maxLength\": 120}", "<" TEN TEN TEN TEN TEN TEN, 1},
        {"{\"type\": \"string\", \"maxLength\": 120}", "<" TEN TEN TEN TEN TEN TEN "xx", 0},
        {"{\"type\": \"string\", \"pattern\": \"a\"}", "b\r", 0},
        {"{\"type\": \"string\", \"pattern\": \"a\"}", "</parametera", 1},
        {"{\"type\": \"string\", \"pattern\": \"a\"}", "</parameter>a", 0},
        {"{\"type\": \"string\", \"pattern\": \"^[a-z]*$\", \"maxLength\": 50000}", "a", 1},
        {"{\"type\": \"string\", \"pattern\": \"^[a-z]*$\", \"maxLength\": 50000}", "a\r", 0},
        {"{\"enum\": [\"a</parameter>b\", \"b\"]}", "a</parameter>b", 1},
        {"{\"enum\": [\"a</parameter> <parameter=y>\", \"b\"]}", "a</parameter> <parameter=y>", 0},
        {"{\"type\": [\"string\", \"null\"]}", "null", 1},
        {"{\"type\": [\"string\", \"null\"]}", "[a]", 1},
        {"{\"type\": [\"string\", \"null\"], \"minLength\": 3}", "null", 1},
        {"{\"type\": [\"string\", \"null\"], \"minLength\": 3}", " null ", 0},
        {"{\"type\": [\"string\", \"null\"], \"minLength\": 3}", "nulls", 1},
        {"{\"type\": [\"string\", \"null\"], \"minLength\": 3}", "12", 0},
        {"{\"type\": [\"string\", \"integer\"], \"enum\": [\"1\", 2]}", "1", 0},
        {"{\"type\": [\"string\", \"integer\"], \"enum\": [\"1\", 2]}", "2", 1},
        {"{\"type\": [\"string\", \"array\"], \"maxLength\": 9}", "[true]", 1},
        {"{\"type\": [\"string\", \"array\"], \"maxLength\": 9}", "[true", 0},
        {"{}", "(1)", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        char text[400];
        snprintf(text, sizeof text, "{{<tool_call>}}\n<function=f>\n<parameter=x>\n%s\n</parameter>\n</function>",
                 cases[i].text);
        if (begin_argument("qwen_xml", cases[i].schema, 1, &err))
            fail_msg("%s: %s", cases[i].schema, err.text);
        if (goes(text) != cases[i].fits)
            fail_msg("%s: %s %s", cases[i].schema, cases[i].fits ? "does not take" : "takes", cases[i].text);
        end(s);
    }
}

static size_t n_warning;

static void count_warning(void *arg, const char *text) { n_warning += strstr(text, arg) != NULL; }

/* Refused with this location where the schema is strict, else warned of once. */
static void is_left_out(const char *format, const char *schema, const char *where,
                        int (*begin_schema)(const char *, const char *, int, struct error *))
{
    struct error err = {0};
    struct constraint *c = NULL;
    if (begin_schema(format, schema, 1, &err) == 0)
        fail_msg("%s takes %s", format, schema);
    if (!strstr(err.text, "tools[0].function.parameters#") || !strstr(err.text, where))
        fail_msg("%s: %s: %s", format, schema, err.text);
    end(NULL);
    err = (struct error){0};
    if (begin_schema(format, schema, 0, &err))
        fail_msg("%s: %s: %s", format, schema, err.text);
    struct tool_want want = {.format = tool_format_find(format, &err),
                             .tools = list,
                             .choice = TOOL_CHOICE_REQUIRED,
                             .warning = count_warning,
                             .warning_arg = (void *)where};
    n_warning = 0;
    assert_int_equal(tool_constraint(&c, vocabulary, trie, &want, &err), 0);
    constraint_destroy(c);
    if (n_warning != 1)
        fail_msg("%s: %s: %zu warnings", format, schema, n_warning);
    end(NULL);
}

/* What cannot be enforced is refused where the schema is strict, and warned of where it is not. */
static void tags_leave_nothing_out_silently(void **s)
{
    (void)s;
    static const char *const schemas[] = {
        "{\"type\": \"string\", \"pattern\": \"a\", \"maxLength\": 100000}",
        "{\"type\": \"string\", \"pattern\": \"a\", \"minLength\": 100000}",
        "{\"type\": \"string\", \"pattern\": \"^a.{9000}$\"}",
        "{\"type\": \"string\", \"pattern\": \"^(a|b)*a(a|b){15}c*$\", \"minLength\": 20}", /* too many states */
        "{\"type\": \"string\", \"pattern\": \"(?=a)\"}",
        "{\"type\": [\"string\", \"null\"], \"not\": {\"const\": \"a\"}}",
        "{\"anyOf\": [{\"type\": \"string\", \"pattern\": \"a\\\\b\"}, {\"const\": 1}]}"};
    for (size_t f = 0; f < sizeof tag_formats / sizeof *tag_formats; f++)
        for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
            is_left_out(tag_formats[f], schemas[i], "#/properties/x/", begin_argument);
}

/* ---- the object of the arguments, where they are written one by one ------------------------------------------------------------ */

static int n_of(const json_t *v, const char *key)
{
    const json_t *x = json_object_get(v, key);
    return x ? (int)json_real_value(x) : -1;
}
static int has(const json_t *v, const char *key) { return json_object_get(v, key) != NULL; }
static int text_at(const json_t *v, const char *key) { return json_is_string(json_object_get(v, key)); }

static int valid_some(const json_t *v)
{
    return (has(v, "a") || has(v, "b")) && (!has(v, "a") || is_integer(json_object_get(v, "a"))) &&
           (!has(v, "b") || text_at(v, "b"));
}
static int valid_branch(const json_t *v)
{
    const json_t *kind = json_object_get(v, "kind");
    int left = is(kind, "l") && json_object_size(v) == 2 && n_of(v, "n") >= 5 && n_of(v, "n") <= 9;
    return left || (is(kind, "r") && json_object_size(v) == 2 && text_at(v, "t"));
}
static int valid_narrow(const json_t *v)
{
    return json_object_size(v) == 1 && (n_of(v, "x") == 3 || n_of(v, "x") == 4);
}
static int valid_either(const json_t *v)
{
    return json_object_size(v) == 1 && (text_at(v, "a") || is_integer(json_object_get(v, "b")));
}
static int valid_map(const json_t *v)
{
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)v, key, x) if (!is_integer(x)) return 0;
    return 1;
}
static int valid_names(const json_t *v)
{
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)v, key, x)
    {
        int numbered = key[0] == 'n';
        if (strcmp(key, "a") == 0 ? !json_is_boolean(x) : numbered ? !is_integer(x) : key[0] != 't' || !is(x, "u"))
            return 0;
    }
    return 1;
}

/* A schema of arguments, and those that fit. others: members that are not declared are asked for, which keyword arguments have not. */
static const struct {
    const char *schema;
    int (*valid)(const json_t *v);
    int others;
} object_cases[] = {
    {"{\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"string\", \"maxLength\": 5}}, "
     "\"anyOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}",
     valid_some, 0},
    {"{\"properties\": {\"kind\": {\"enum\": [\"l\", \"r\"]}}, \"required\": [\"kind\"], \"oneOf\": [{\"properties\": "
     "{\"kind\": {\"const\": \"l\"}, \"n\": {\"type\": \"integer\", \"minimum\": 5, \"maximum\": 9}}, \"required\": "
     "[\"n\"]}, {\"properties\": {\"kind\": {\"const\": \"r\"}, \"t\": {\"type\": \"string\"}}, \"required\": "
     "[\"t\"]}]}",
     valid_branch, 0},
    {"{\"allOf\": [{\"properties\": {\"x\": {\"type\": \"integer\", \"minimum\": 3}}}, {\"properties\": {\"x\": "
     "{\"maximum\": 4}}}, {\"required\": [\"x\"]}]}",
     valid_narrow, 0},
    {"{\"$ref\": \"#/$defs/o\", \"$defs\": {\"o\": {\"properties\": {\"a\": {\"type\": \"string\"}, \"b\": {\"type\": "
     "\"integer\"}}, \"minProperties\": 1, \"maxProperties\": 1}}}",
     valid_either, 0},
    {"{\"additionalProperties\": {\"type\": \"integer\"}, \"minProperties\": 1, \"maxProperties\": 2}", valid_map, 1},
    {"{\"properties\": {\"a\": {\"type\": \"boolean\"}}, \"patternProperties\": {\"^n\": {\"type\": \"integer\"}, "
     "\"^t\": {\"const\": \"u\"}}, \"additionalProperties\": false, \"maxProperties\": 1}",
     valid_names, 0},
    {"{\"properties\": {\"a\": {\"type\": \"integer\"}}, \"additionalProperties\": {\"type\": \"integer\"}, "
     "\"maxProperties\": 1}",
     valid_map, 0},
};

static void arguments_fit_their_object(void **s)
{
    uint64_t count = 0;
    const struct tool_format *f;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (size_t k = 0; k < sizeof object_cases / sizeof *object_cases && strcmp(f->name, "none"); k++) {
            struct error err = {0};
            if (object_cases[k].others && f->arguments == ARGS_PYTHON)
                continue;
            value_is_valid = object_cases[k].valid;
            if (begin_arguments(f->name, object_cases[k].schema, 1, &err))
                fail_msg("%s: %s: %s", f->name, object_cases[k].schema, err.text);
            for (int w = 0; w < 30; w++) {
                constraint_end(state);
                assert_int_equal(constraint_begin(&state, constraint, &err), 0);
                walk(f, &count, WALK_VALID);
            }
            end(s);
        }
}

/* Which members of qwen_xml make the arguments. */
static void members_between_tags(void **s)
{
#define ONE(name, value) "<parameter=" name ">\n" value "\n</parameter>\n"
    static const char open_schema[] = "{\"properties\": {\"a\": {\"type\": \"integer\"}}, \"additionalProperties\": "
                                      "{\"type\": [\"string\", \"boolean\"]}, \"patternProperties\": {\"^n_\": "
                                      "{\"type\": \"integer\"}}}";
    static const char counted[] =
        "{\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"integer\"}}, \"minProperties\": 1}";
    static const char map[] = "{\"minProperties\": 1, \"maxProperties\": 2, \"additionalProperties\": {\"type\": "
                              "\"integer\"}}";
    static const char two[] =
        "{\"minProperties\": 2, \"additionalProperties\": {\"type\": \"integer\"}}"; /* not strict */
    static const char either[] = "{\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"integer\"}}, "
                                 "\"anyOf\": [{\"required\": [\"a\"]}, {\"properties\": {\"b\": {\"minimum\": 5}}, "
                                 "\"required\": [\"b\"]}]}";
    static const struct {
        const char *schema, *text;
        int fits;
    } cases[] = {
        {open_schema, "", 1},
        {open_schema, ONE("a", "1") ONE("x.y-Z_0", "text"), 1},
        {open_schema, ONE("ab", "text"), 1},
        {open_schema, ONE("a", "text"), 0},
        {open_schema, ONE("a", "1") ONE("a", "text"), 0}, /* no declared member comes twice */
        {open_schema, ONE("x", "12"), 0},                 /* it would be read as a number */
        {open_schema, ONE("x", "true"), 1},
        {open_schema, ONE("n_x", "12"), 1},
        {open_schema, ONE("n_x", "text"), 0},
        {counted, "", 0},
        {counted, ONE("a", "1"), 1},
        {counted, ONE("b", "1"), 1},
        {counted, ONE("a", "1") ONE("b", "1"), 1},
        {map, "", 0},
        {map, ONE("p", "1"), 1},
        {map, ONE("p", "1") ONE("q", "2"), 1},
        {map, ONE("p", "1") ONE("q", "2") ONE("r", "3"), 0},
        {two, ONE("p", "1"), 0}, /* a member is not enough for two properties */
        {two, ONE("p", "1") ONE("q", "1"), 1},
        {either, ONE("a", "1") ONE("b", "1"), 1},
        {either, ONE("b", "1"), 0},
        {either, ONE("b", "5"), 1},
    };
#undef ONE
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        char text[400];
        snprintf(text, sizeof text, "{{<tool_call>}}\n<function=f>\n%s</function>", cases[i].text);
        if (begin_arguments("qwen_xml", cases[i].schema, cases[i].schema != two, &err))
            fail_msg("%s: %s", cases[i].schema, err.text);
        if (goes(text) != cases[i].fits)
            fail_msg("%s: %s %s", cases[i].schema, cases[i].fits ? "does not take" : "takes", cases[i].text);
        end(s);
    }
}

static void objects_leave_nothing_out_silently(void **s)
{
    (void)s;
#define TWO "\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"string\"}, \"c\": {}}"
    static const struct {
        const char *schema, *where;
    } cases[] = {
        {"{" TWO ", \"not\": {\"required\": [\"a\"]}}", "#/not:"},
        {"{" TWO ", \"if\": {\"required\": [\"a\"]}, \"then\": {\"required\": [\"b\"]}}", "#/if:"},
        {"{" TWO ", \"dependentRequired\": {\"a\": [\"b\"]}}", "#/dependentRequired:"},
        {"{" TWO ", \"dependentSchemas\": {\"a\": {\"required\": [\"b\"]}}}", "#/dependentSchemas:"},
        {"{" TWO ", \"propertyNames\": {\"maxLength\": 1}}", "#/propertyNames:"},
        {"{" TWO ", \"minProperties\": 2}", "#/minProperties:"},
        {"{" TWO ", \"maxProperties\": 2}", "#/maxProperties:"},
        {"{\"allOf\": [{" TWO "}, {\"maxProperties\": 2}]}", "#/allOf/1/maxProperties:"},
        {"{\"anyOf\": [{" TWO ", \"maxProperties\": 2}, {" TWO "}]}", "#/anyOf/0/maxProperties:"},
        {"{\"patternProperties\": {\"(?=a)\": {\"type\": \"integer\"}}, \"additionalProperties\": false}",
         "#/patternProperties/(?=a):"},
        {"{" TWO ", \"unevaluatedProperties\": {\"type\": \"integer\"}}", "#/unevaluatedProperties:"},
    };
    static const char *const lists[] = {"{" TWO ", \"enum\": [{\"a\": 1}, 2]}", "{" TWO ", \"const\": {\"a\": 1}}"};
#undef TWO
    const struct tool_format *f;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases && strcmp(f->name, "none"); k++)
            is_left_out(f->name, cases[k].schema, cases[k].where, begin_arguments);
    for (size_t i = 0; i < sizeof tag_formats / sizeof *tag_formats; i++)
        for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
            is_left_out(tag_formats[i], lists[k], k ? "#/const:" : "#/enum:", begin_arguments);
}

/* Whatever memory a request has: its tools are compiled as they are, or that there is none is told. */
static void tells_want_of_memory(void **s)
{
    (void)s;
    char schema[700], text[700];
    struct error err = {0};
    struct tool_want want = {.choice = TOOL_CHOICE_REQUIRED};
    int refused = -1, n = 0;
    snprintf(schema, sizeof schema, "{\"enum\": [\"x%0600d\", 1]}", 0);
    snprintf(text, sizeof text, "{{<tool_call>}}\n<function=f>\n<parameter=x>\nx%0600d\n</parameter>", 0);
    assert_int_equal(begin_argument("qwen_xml", schema, 1, &err), 0);
    want.format = tool_format_find("qwen_xml", &err);
    want.tools = list;
    for (size_t most = 0; refused && n < 1000; most += 16, n++) {
        struct reqmem memory;
        struct reqmem_account account = {.of = &memory};
        struct constraint *c = NULL;
        err = (struct error){0};
        reqmem_init(&memory, most, 0);
        reqmem_enter(&account, 0);
        refused = tool_constraint(&c, vocabulary, trie, &want, &err);
        reqmem_leave();
        assert_int_equal(reqmem_taken(&memory), 0);
        if (refused && err.code != ERR_MEMORY)
            fail_msg("%zu bytes: %s", most, err.text);
        if (refused)
            continue;
        constraint_end(state);
        constraint_destroy(constraint);
        constraint = c;
        assert_int_equal(constraint_begin(&state, constraint, &err), 0);
        if (!goes(text))
            fail_msg("%zu bytes: a value is missing", most);
    }
    assert_false(refused);
    assert_true(n > 4);
}

/* ---- schemas that are left out ------------------------------------------------------------------------------------------ */

static char left_out[4000];

static void note(void *arg, const char *text)
{
    (void)arg;
    size_t n = strlen(left_out);
    snprintf(left_out + n, sizeof left_out - n, "%s\n", text);
}

/* Tools of which the letters of a pattern, of so many states, are given: 'a' for those of a and b. A capital letter: strict. '.': one of
 * two words. */
static int compile_tools(const char *kinds, struct compile *c, struct error *err)
{
    char json[8000] = "[";
    for (const char *at = kinds; *at; at++) {
        size_t n = strlen(json);
        int strict = *at >= 'A' && *at <= 'Z', letter = *at | 0x20;
        n += (size_t)snprintf(
            json + n, sizeof json - n,
            "%s{\"function\": {\"name\": \"t%d\", \"strict\": %s, \"parameters\": {\"type\": \"object\", "
            "\"required\": [\"p\"], \"properties\": {\"p\": {\"type\": \"string\", ",
            at > kinds ? "," : "", (int)(at - kinds), strict ? "true" : "false");
        if (*at == '.')
            snprintf(json + n, sizeof json - n, "\"enum\": [\"x\", \"y\"]}}}}}");
        else
            snprintf(json + n, sizeof json - n, "\"minLength\": 20, \"pattern\": \"^[%c%c]*%c[%c%c]{7}z*$\"}}}}}",
                     letter, letter + 1, letter, letter, letter + 1);
    }
    strcat(json, "]");
    left_out[0] = 0;
    return begin_with("hermes", json,
                      &(struct tool_want){.choice = TOOL_CHOICE_REQUIRED, .warning = note, .compile = c}, err);
}

static int is_left_out_of(int tool)
{
    char what[100];
    snprintf(what, sizeof what, "at tools[%d].function.parameters#: compiling it beside the other tools is too much",
             tool);
    return strstr(left_out, what) != NULL;
}

/* What this tool's argument may be. */
static int takes(const char *tool, const char *value)
{
    char text[200];
    struct error err = {0};
    constraint_end(state);
    assert_int_equal(constraint_begin(&state, constraint, &err), 0);
    snprintf(text, sizeof text, "{{<tool_call>}}\n{\"name\": \"%s\", \"arguments\": {\"p\": %s}}\n{{</tool_call>}}",
             tool, value);
    return goes(text);
}

static uint64_t work_of_one(size_t *peak)
{
    struct error err = {0};
    struct compile c = {0};
    assert_int_equal(compile_tools("a", &c, &err), 0);
    end(NULL);
    *peak = c.peak_bytes;
    return c.work;
}

static void heavy_schemas_are_left_out(void **s)
{
    (void)s;
    size_t peak;
    uint64_t work = work_of_one(&peak);
    struct error err = {0};
    struct compile c = {.most_work = 6 * work, .is_last = 1};
    if (compile_tools("a.c.e.g.i.k.m", &c, &err))
        fail_msg("%s", err.text);
    assert_false(is_left_out_of(0) || is_left_out_of(1) || is_left_out_of(2) || is_left_out_of(11));
    assert_true(is_left_out_of(10) && is_left_out_of(12));
    assert_true(takes("t0", "\"bbbbbbbbbbbbabbbbbbb\""));
    assert_false(takes("t0", "\"b\""));
    assert_true(takes("t1", "\"x\""));
    assert_false(takes("t1", "\"z\""));
    assert_true(takes("t12", "\"z\"") && takes("t12", "{\"k\": 1}"));
    end(NULL);
    c = (struct compile){.most_work = 6 * work}; /* there may be a larger lane */
    assert_int_equal(compile_tools("a.c.e.g.i.k.m", &c, &err), -1);
    assert_int_equal(c.end, COMPILE_WORK_DONE);
    assert_non_null(strstr(err.text, "too much work"));
    assert_int_equal(c.bytes, 0);
    end(NULL);
    c = (struct compile){.most_bytes = peak + peak / 4, .is_last = 1};
    err = (struct error){0};
    if (compile_tools(".aceg", &c, &err))
        fail_msg("%s", err.text);
    assert_true(is_left_out_of(4));
    assert_false(is_left_out_of(0) || takes("t0", "\"z\""));
}

static void strict_schemas_are_kept(void **s)
{
    (void)s;
    size_t peak;
    uint64_t work = work_of_one(&peak);
    struct error err = {0};
    struct compile c = {.most_work = work / 2, .is_last = 1};
    assert_int_equal(compile_tools("A.", &c, &err), -1);
    assert_non_null(strstr(err.text, "too much work"));
    assert_int_equal(c.bytes, 0);
    end(NULL);
    c = (struct compile){.most_work = 5 * work / 2, .is_last = 1};
    err = (struct error){0};
    if (compile_tools("ceA.", &c, &err))
        fail_msg("%s", err.text);
    assert_true(is_left_out_of(0) && is_left_out_of(1));
    assert_false(is_left_out_of(2) || is_left_out_of(3));
    assert_true(takes("t2", "\"bbbbbbbbbbbbabbbbbbb\""));
    assert_false(takes("t2", "\"b\""));
}

static int is_stopped(void *calls) { return --*(int *)calls < 0; }

/* At every question whether anybody waits: in the first attempt, while looking for what is too much, and in the second. */
static void looking_for_heavy_schemas_is_given_up(void **s)
{
    (void)s;
    size_t peak;
    uint64_t work = work_of_one(&peak);
    int most = 1 << 30, calls = most;
    struct error err = {0};
    struct compile c = {.most_work = 5 * work / 2, .is_last = 1, .stopped = is_stopped, .arg = &calls};
    assert_int_equal(compile_tools("a.ce", &c, &err), 0);
    int asked = most - calls;
    end(NULL);
    assert_true(asked > 30);
    for (int i = 0; i < asked; i += asked / 30) {
        calls = i;
        c = (struct compile){.most_work = 5 * work / 2, .is_last = 1, .stopped = is_stopped, .arg = &calls};
        err = (struct error){0};
        assert_int_equal(compile_tools("a.ce", &c, &err), -1);
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(c.error.code, ERR_CANCELLED);
        assert_int_equal(c.bytes, 0);
        end(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lazy_calls, end),
        cmocka_unit_test_teardown(thoughts_are_free, end),
        cmocka_unit_test_teardown(one_call_ends, end),
        cmocka_unit_test_teardown(named_calls, end),
        cmocka_unit_test_teardown(framed_calls, end),
        cmocka_unit_test_teardown(every_format, end),
        cmocka_unit_test_teardown(walks_parse, end),
        cmocka_unit_test_teardown(other_schemas_are_narrowed, end),
        cmocka_unit_test_teardown(other_schemas_are_refused, end),
        cmocka_unit_test_teardown(calls_or_values, end),
        cmocka_unit_test_teardown(enumerated_numbers, end),
        cmocka_unit_test_teardown(strings_in_tags_fit, end),
        cmocka_unit_test_teardown(texts_between_tags, end),
        cmocka_unit_test_teardown(tags_leave_nothing_out_silently, end),
        cmocka_unit_test_teardown(tells_want_of_memory, end),
        cmocka_unit_test_teardown(arguments_fit_their_object, end),
        cmocka_unit_test_teardown(members_between_tags, end),
        cmocka_unit_test_teardown(objects_leave_nothing_out_silently, end),
        cmocka_unit_test_teardown(heavy_schemas_are_left_out, end),
        cmocka_unit_test_teardown(strict_schemas_are_kept, end),
        cmocka_unit_test_teardown(looking_for_heavy_schemas_is_given_up, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
