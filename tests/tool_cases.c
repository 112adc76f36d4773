/* links: text format base */
/* Tool-call parsers against their cases: tool_cases [FOLDER or FILE.jsonl ..]
 * (without: tool_cases of the test data; the README there tells the format).
 * Every case runs whole, byte by byte and at 20 random splits; the joined
 * events must be the expected answer, and every prefix must have published no
 * more than a prefix of it, and no less than the case's partial results. Then
 * the same with calls published as they come: the joined pieces are equal, and
 * of a cut call a beginning. */
#include "base/error.h"
#include "base/json/buffer.h"
#include "base/rng.h"
#include "text/answer/answer.h"
#include "text/chat/template.h"
#include "text/constraint/constraint.h"
#include "text/tools/list.h"
#include "text/tools/parser.h"

#include "text_fixture.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SPLITS = 20, MAX_CALLS = 64 };

static int n_passed, n_failed;
static char folder[4096]; /* of the file being read */

/* ---- an answer put together from events
 * ----------------------------------------------------------------------------
 */

struct answer {
    struct buffer content, reasoning, truncated;
    struct {
        struct buffer name, id, args;
        int ended;
    } call[MAX_CALLS];
    size_t n_call, n_error;
    enum tool_event_kind error[MAX_CALLS];
    const char *wrong; /* events in an impossible order */
};

static void listen(void *arg, const struct tool_event *e)
{
    struct answer *a = arg;
    if (e->kind >= TOOL_CALL_BEGIN && e->kind <= TOOL_CALL_END && e->call >= MAX_CALLS)
        return;
    switch (e->kind) {
    case TOOL_REASONING:
        buffer_put(&a->reasoning, e->text, e->n);
        break;
    case TOOL_CONTENT:
        buffer_put(&a->content, e->text, e->n);
        break;
    case TOOL_CALL_BEGIN:
        if (e->call != a->n_call)
            a->wrong = "a call began out of order";
        a->n_call = e->call + 1;
        buffer_puts(&a->call[e->call].name, e->name);
        break;
    case TOOL_CALL_ARGS:
        if (e->call + 1 != a->n_call || a->call[e->call].ended)
            a->wrong = "arguments of a call that is not open";
        buffer_put(&a->call[e->call].args, e->text, e->n);
        break;
    case TOOL_CALL_END:
        if (e->call + 1 != a->n_call || a->call[e->call].ended)
            a->wrong = "the end of a call that is not open";
        a->call[e->call].ended = 1;
        if (e->id)
            buffer_puts(&a->call[e->call].id, e->id);
        break;
    default:
        if (a->n_error < MAX_CALLS)
            a->error[a->n_error++] = e->kind;
        if (e->kind == TOOL_CUT_CALL)
            buffer_put(&a->truncated, e->text, e->n);
    }
}

static void answer_free(struct answer *a)
{
    buffer_free(&a->content);
    buffer_free(&a->reasoning);
    buffer_free(&a->truncated);
    for (size_t i = 0; i < a->n_call; i++) {
        buffer_free(&a->call[i].name);
        buffer_free(&a->call[i].id);
        buffer_free(&a->call[i].args);
    }
    memset(a, 0, sizeof *a);
}

/* ---- pieces
 * --------------------------------------------------------------------------------------------------------
 */

struct piece {
    size_t start, n;
    int token;
};

struct test_case {
    const json_t *json, *expect;
    const char *id, *input;
    size_t n;
    struct tool_options options;
    struct piece *piece; /* tokens and the text between them */
    size_t n_piece;
};

static int is_token(const void *vocabulary, const char *text, size_t n)
{
    const struct tool_format *f = vocabulary;
    const char *t;
    if (!(f->rules & RULE_TOKENS))
        return 0;
    for (size_t i = 0; (t = tool_format_token(f, i)); i++)
        if (strlen(t) == n && !memcmp(t, text, n))
            return 1;
    return 0;
}

/* Length of the longest token text at input[i], 0: none, or a span says that it
 * is text. */
static size_t token_here(const struct test_case *c, size_t i)
{
    const struct tool_format *f = c->options.format;
    size_t longest = 0, k;
    const char *t;
    json_t *span;
    if (!(f->rules & RULE_TOKENS) || json_is_true(json_object_get(c->json, "markers_are_text")))
        return 0;
    for (k = 0; (t = tool_format_token(f, k)); k++)
        if (strlen(t) <= c->n - i && !memcmp(c->input + i, t, strlen(t)) && strlen(t) > longest)
            longest = strlen(t);
    json_array_foreach(json_object_get(c->json, "text_spans"), k, span)
    {
        size_t from = (size_t)json_integer_value(json_array_get(span, 0));
        size_t to = (size_t)json_integer_value(json_array_get(span, 1));
        if (i >= from && i < to)
            return 0;
    }
    return longest;
}

static void cut_pieces(struct test_case *c)
{
    c->piece = calloc(c->n + 1, sizeof *c->piece);
    for (size_t i = 0; c->piece && i < c->n;) {
        size_t token = token_here(c, i);
        struct piece *last = c->n_piece ? &c->piece[c->n_piece - 1] : NULL;
        if (!token && last && !last->token)
            last->n++;
        else
            c->piece[c->n_piece++] = (struct piece){i, token ? token : 1, token != 0};
        i += token ? token : 1;
    }
}

/* ---- comparing
 * -----------------------------------------------------------------------------------------------------
 */

static char why[512];

static int same_text(const struct buffer *b, const json_t *expected)
{
    const char *s = expected ? json_string_value(expected) : "";
    size_t n = expected ? json_string_length(expected) : 0;
    return b->n == n && (n == 0 || !memcmp(b->text, s, n));
}

static int is_prefix(const char *a, size_t n_a, const char *b, size_t n_b)
{
    return n_a <= n_b && (n_a == 0 || !memcmp(a, b, n_a));
}

static int same_arguments(const struct buffer *b, const json_t *call)
{
    const json_t *text = json_object_get(call, "arguments_text");
    json_error_t ignored;
    json_t *parsed = json_loadb(b->n ? b->text : "", b->n, JSON_ALLOW_NUL, &ignored);
    int same = parsed && json_equal(parsed, json_object_get(call, "arguments")) && (!text || same_text(b, text));
    json_decref(parsed);
    return same;
}

static int same_calls(const struct answer *a, const json_t *calls)
{
    if (a->n_call != json_array_size(calls))
        return snprintf(why, sizeof why, "%zu calls, expected %zu", a->n_call, json_array_size(calls)), 0;
    for (size_t i = 0; i < a->n_call; i++) {
        const json_t *e = json_array_get(calls, i);
        if (!same_text(&a->call[i].name, json_object_get(e, "name")))
            return snprintf(why, sizeof why, "call %zu: name '%.*s'", i, (int)a->call[i].name.n, a->call[i].name.text),
                   0;
        if (json_object_get(e, "id") && !same_text(&a->call[i].id, json_object_get(e, "id")))
            return snprintf(why, sizeof why, "call %zu: id '%.*s'", i, (int)a->call[i].id.n, a->call[i].id.text), 0;
        if (!same_arguments(&a->call[i].args, e) || !a->call[i].ended)
            return snprintf(why, sizeof why, "call %zu: arguments %.*s", i, (int)a->call[i].args.n,
                            a->call[i].args.text),
                   0;
    }
    return 1;
}

static int same_errors(const struct answer *a, const json_t *errors)
{
    int same = a->n_error == json_array_size(errors);
    for (size_t i = 0; same && i < a->n_error; i++)
        same = !strcmp(json_string_value(json_array_get(errors, i)),
                       a->error[i] == TOOL_BAD_CALL ? "bad_call" : "truncated_call");
    if (!same)
        snprintf(why, sizeof why, "%zu errors, expected %zu", a->n_error, json_array_size(errors));
    return same;
}

/* A block that broke or was cut had published calls; what came of each is a
 * beginning of JSON. */
static int check_beginnings(const struct answer *a)
{
    for (size_t i = 0; i < a->n_call; i++) {
        struct json_scan s;
        size_t at = 0;
        json_scan_begin(&s, JSON_DEPTH);
        if (json_scan(&s, a->call[i].args.text, a->call[i].args.n, &at, 1) == SCAN_BAD)
            return snprintf(why, sizeof why, "call %zu: %.*s begins no JSON", i, (int)a->call[i].args.n,
                            a->call[i].args.text),
                   0;
    }
    return 1;
}

static int check_answer(const struct test_case *c, const struct answer *a)
{
    const json_t *e = c->expect, *cut = json_object_get(e, "truncated");
    if (c->options.checked && json_array_size(json_object_get(e, "errors")))
        return check_beginnings(a);
    if (a->wrong)
        return snprintf(why, sizeof why, "%s", a->wrong), 0;
    if (!same_text(&a->content, json_object_get(e, "content")))
        return snprintf(why, sizeof why, "content '%.*s'", (int)a->content.n, a->content.text), 0;
    if (!same_text(&a->reasoning, json_object_get(e, "reasoning_content")))
        return snprintf(why, sizeof why, "reasoning '%.*s'", (int)a->reasoning.n, a->reasoning.text), 0;
    if (cut && !same_text(&a->truncated, cut))
        return snprintf(why, sizeof why, "truncated '%.*s'", (int)a->truncated.n, a->truncated.text), 0;
    return same_errors(a, json_object_get(e, "errors")) && same_calls(a, json_object_get(e, "tool_calls"));
}

/* What is out after some bytes is a prefix of the expected answer. */
static int check_prefix(const struct test_case *c, const struct answer *a)
{
    const json_t *content = json_object_get(c->expect, "content"),
                 *reasoning = json_object_get(c->expect, "reasoning_content");
    int ok = is_prefix(a->content.text, a->content.n, json_string_value(content), json_string_length(content)) &&
             is_prefix(a->reasoning.text, a->reasoning.n, json_string_value(reasoning),
                       json_string_length(reasoning)) &&
             (c->options.checked || a->n_call <= json_array_size(json_object_get(c->expect, "tool_calls")));
    if (!ok)
        snprintf(why, sizeof why, "published '%.*s' | '%.*s', no prefix of the answer", (int)a->reasoning.n,
                 a->reasoning.text, (int)a->content.n, a->content.text);
    return ok;
}

static int covers(const struct buffer *b, const json_t *least)
{
    return is_prefix(json_string_value(least), json_string_length(least), b->text, b->n);
}

/* The least that must be out after exactly these bytes. */
static int check_partial(const struct test_case *c, const struct answer *a, size_t bytes)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(c->json, "partial"), i, p)
    {
        if ((size_t)json_integer_value(json_object_get(p, "bytes")) != bytes)
            continue;
        if (!covers(&a->content, json_object_get(p, "content")) ||
            !covers(&a->reasoning, json_object_get(p, "reasoning_content")) ||
            (long long)a->n_call < json_integer_value(json_object_get(p, "calls")))
            return snprintf(why, sizeof why, "after %zu bytes only '%.*s' | '%.*s' and %zu calls are out", bytes,
                            (int)a->reasoning.n, a->reasoning.text, (int)a->content.n, a->content.text, a->n_call),
                   0;
    }
    return 1;
}

/* ---- running
 * -------------------------------------------------------------------------------------------------------
 */

/* Bytes of the next piece of text: all, one, or by chance. */
static size_t step(int way, size_t left, uint64_t *count)
{
    if (way == 0)
        return left;
    if (way == 1)
        return 1;
    return 1 + rng_u64(42 + (uint64_t)way, (*count)++, 0, 0) % (left < 12 ? left : 12);
}

/* way 0: whole, 1: byte by byte, more: random splits. */
static int run_split(const struct test_case *c, int way)
{
    struct answer a = {0};
    struct error err = {0};
    struct tool_parser *p;
    uint64_t count = 0;
    int ok = tool_parser_create(&p, &c->options, listen, &a, &err) == 0;
    for (size_t i = 0; ok && i < c->n_piece; i++) {
        const struct piece *x = &c->piece[i];
        for (size_t at = 0; ok && at < x->n;) {
            size_t n = x->token ? x->n : step(way, x->n - at, &count);
            const char *text = c->input + x->start + at;
            at += n;
            if ((x->token ? tool_parser_token : tool_parser_text)(p, text, n, &err) != 0)
                ok = snprintf(why, sizeof why, "%s", err.text) < 0;
            else if (c->expect)
                ok = check_prefix(c, &a) && check_partial(c, &a, x->start + at);
        }
    }
    ok = ok && tool_parser_end(p, &err) == 0 && (!c->expect || check_answer(c, &a));
    tool_parser_destroy(p);
    answer_free(&a);
    return ok;
}

static int run_case(struct test_case *c)
{
    int ok = 1;
    cut_pieces(c);
    for (c->options.checked = 0; ok && c->options.checked < 2; c->options.checked++)
        for (int way = 0; ok && way < SPLITS + 2; way++)
            ok = run_split(c, way);
    free(c->piece);
    return ok;
}

/* Tools of the key in tools.json beside the file. */
static struct tool_list *read_tools(const json_t *all, const json_t *key, const struct tool_format *f)
{
    struct tool_list *l = NULL;
    struct error err = {0};
    char *text = json_is_string(key) ? json_dumps(json_object_get(all, json_string_value(key)), 0) : NULL;
    if (text && tool_list_parse(&l, text, strlen(text), f, &err) != 0)
        printf("FAIL %s: %s\n", json_string_value(key), err.text);
    free(text);
    return l;
}

static void parser_case(const json_t *json, const json_t *tools)
{
    struct error err = {0};
    struct test_case c = {.json = json, .expect = json_object_get(json, "expect")};
    const char *format = json_string_value(json_object_get(json, "format"));
    c.id = json_string_value(json_object_get(json, "id"));
    c.input = json_string_value(json_object_get(json, "input"));
    c.n = json_string_length(json_object_get(json, "input"));
    c.options.format = tool_format_find(format ? format : "", &err);
    int ok = c.options.format && c.id && c.input;
    snprintf(why, sizeof why, "%s", err.text);
    if (ok) {
        struct tool_list *l = read_tools(tools, json_object_get(json, "tools"), c.options.format);
        c.options.tools = l;
        c.options.is_token = is_token;
        c.options.vocabulary = c.options.format;
        c.options.forced_open = json_is_true(json_object_get(json, "forced_open_thinking"));
        ok = run_case(&c);
        tool_list_free(l);
    }
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s: %s\n", c.id ? c.id : "?", why);
}

/* ---- round trips
 * ---------------------------------------------------------------------------------------------------------
 */

/* Thinking that a message has as a part becomes a field of it. */
static void take_thinking(json_t *message)
{
    json_t *parts = json_object_get(message, "content");
    json_t *thinking = json_object_get(json_array_get(parts, 0), "thinking");
    if (!thinking)
        return;
    json_object_set(message, "reasoning_content", thinking);
    json_array_remove(parts, 0);
    if (json_array_size(parts) == 0)
        json_object_set_new(message, "content", json_string(""));
}

/* The request of a turn: a question, the message, its arguments as text, and if wanted the results of its calls. */
static char *request_of(const json_t *json, const json_t *tools, int results)
{
    json_t *message = json_deep_copy(json_object_get(json, "message")), *call;
    json_t *list = json_pack("[{s:s, s:s}, O]", "role", "user", "content", "Well?", message);
    size_t i;
    take_thinking(message);
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        json_t *f = json_object_get(call, "function");
        char *text = json_dumps(json_object_get(f, "arguments"), 0);
        json_object_set_new(f, "arguments", json_string(text));
        free(text);
        if (results)
            json_array_append_new(list, json_pack("{s:s, s:O, s:s}", "role", "tool", "tool_call_id",
                                                  json_object_get(call, "id"), "content", "done"));
    }
    json_t *o = json_pack("{s:o}", "messages", list);
    json_t *key = json_object_get(json, "tools"), *kwargs = json_object_get(json, "kwargs");
    if (json_is_string(key))
        json_object_set(o, "tools", json_object_get(tools, json_string_value(key)));
    if (json_is_object(kwargs))
        json_object_set(o, "chat_template_kwargs", kwargs);
    char *text = json_dumps(o, 0);
    json_decref(o);
    json_decref(message);
    return text;
}

/* 1: the rendering holds the case's input. */
static int renders(const struct chat_template *t, const json_t *json, const json_t *tools, int results)
{
    struct template_error refused = {0};
    struct template_prompt prompt = {0};
    const json_t *input = json_object_get(json, "input");
    char *request = request_of(json, tools, results);
    int rc = template_render(t, NULL, request, strlen(request), NULL, &prompt, &refused);
    int same = rc == 0 && memmem(prompt.text.bytes, prompt.text.n, json_string_value(input), json_string_length(input));
    if (!same)
        snprintf(why, sizeof why, "another rendering %s", refused.text);
    if (rc == 0)
        template_prompt_free(&prompt);
    free(request);
    return same;
}

/* The template, templates/NAME of the test data, writes the message as the case's input; some do so only in the middle of a
 * conversation. */
static void render_case(const json_t *json, const json_t *tools)
{
    static char source[1 << 20];
    char path[1024];
    struct error err = {0};
    struct chat_template *t = NULL;
    const char *name = json_string_value(json_object_get(json, "template"));
    snprintf(path, sizeof path, TEST_DATA "/templates/%s", name);
    FILE *f = fopen(path, "r");
    if (!f) {
        printf("FAIL %s is absent\n", path);
        n_failed++;
        return;
    }
    size_t n = fread(source, 1, sizeof source, f);
    fclose(f);
    json_t *index = json_load_file(TEST_DATA "/templates/index.json", 0, NULL), *row = json_object_get(index, name);
    const char *bos = json_string_value(json_object_get(row, "bos_token"));
    const char *eos = json_string_value(json_object_get(row, "eos_token"));
    int ok = template_create(&t, source, n, bos, eos, NULL, &err) == 0;
    snprintf(why, sizeof why, "%s", err.text);
    ok = ok && (renders(t, json, tools, 0) || renders(t, json, tools, 1));
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s, rendered: %s\n", json_string_value(json_object_get(json, "id")), why);
    template_destroy(t);
    json_decref(index);
}

/* ---- call grammars
 * -------------------------------------------------------------------------------------------------
 */

/* The bytes as tokens 0..255, the format's markers as control tokens where they
 * are tokens, and an end. */
static struct tokenizer *vocabulary_of(const struct tool_format *f)
{
    static struct small_vocab v;
    struct tokenizer *t = NULL;
    struct error err = {0};
    const char *text;
    small_begin(&v, "gpt2");
    v.eos = small_add(&v, "<|end of text|>", TOKEN_CONTROL, 0);
    for (size_t i = 0; f->rules & RULE_TOKENS && (text = tool_format_token(f, i)); i++) {
        int known = 0;
        for (uint64_t k = 256; k < v.n_token; k++)
            known |= !strcmp(v.token[k].text, text);
        if (!known)
            small_add(&v, text, TOKEN_CONTROL, 0);
    }
    if (small_load(&v, &t, &err) != 0)
        printf("FAIL %s: %s\n", f->name, err.text);
    return t;
}

/* 1: the constraint lets the whole text through, token by token, each one in
 * its mask, and the text may end there. */
static int lets_through(struct constraint *c, const struct tokenizer *t, const struct tool_format *f, const char *text,
                        size_t n, uint8_t *allowed)
{
    struct test_case pieces = {.input = text, .n = n, .options.format = f};
    struct constraint_state *s;
    struct error err = {0};
    int ok = constraint_begin(&s, c, &err) == 0;
    cut_pieces(&pieces);
    for (size_t i = 0; ok && i < pieces.n_piece; i++) {
        const struct piece *x = &pieces.piece[i];
        for (size_t at = 0; ok && at < x->n; at += x->token ? x->n : 1) {
            int32_t id = x->token ? tokenizer_find(t, text + x->start, x->n) : (uint8_t)text[x->start + at];
            ok = constraint_mask(s, 100000, allowed, &err) > 0 && allowed[id] && constraint_accept(s, id, &err) == 0;
            if (!ok)
                snprintf(why, sizeof why, "stops at byte %zu %s", x->start + at, err.text);
        }
    }
    if (ok && !constraint_complete(s))
        ok = snprintf(why, sizeof why, "may not end at the end") < 0;
    free(pieces.piece);
    constraint_end(s);
    return ok;
}

static void check_texts(struct constraint *c, const struct tokenizer *t, const struct tool_format *f,
                        const json_t *texts, int accepted)
{
    uint8_t *allowed = calloc((size_t)tokenizer_n_vocab(t), 1);
    size_t i;
    json_t *row;
    json_array_foreach(texts, i, row)
    {
        const json_t *text = json_array_get(row, 1);
        int ok = lets_through(c, t, f, json_string_value(text), json_string_length(text), allowed) == accepted;
        n_passed += ok;
        n_failed += !ok;
        if (!ok)
            printf("FAIL grammar/%s/%s: %s\n", f->name, json_string_value(json_array_get(row, 0)),
                   accepted ? why : "lets it through");
    }
    free(allowed);
}

static void grammar_case(const json_t *json, const json_t *tools)
{
    struct error err = {0};
    const char *format = json_string_value(json_object_get(json, "format"));
    const struct tool_format *f = tool_format_find(format ? format : "", &err);
    struct tool_list *l = f ? read_tools(tools, json_object_get(json, "tools"), f) : NULL;
    struct tokenizer *t = f ? vocabulary_of(f) : NULL;
    struct token_trie *trie = NULL;
    struct constraint *c = NULL;
    struct tool_want want = {.format = f, .tools = l, .choice = TOOL_CHOICE_REQUIRED, .parallel = 1, .free_limit = 1};
    if (t && l && token_trie_create(&trie, t, &err) == 0 && tool_constraint(&c, t, trie, &want, &err) == 0) {
        check_texts(c, t, f, json_object_get(json, "accept"), 1);
        check_texts(c, t, f, json_object_get(json, "reject"), 0);
    } else {
        printf("FAIL grammar/%s: %s\n", format ? format : "?", err.text);
        n_failed++;
    }
    constraint_destroy(c);
    token_trie_destroy(trie);
    tokenizer_destroy(t);
    tool_list_free(l);
}

static void run_file(const char *path, const json_t *tools)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!f) {
        printf("FAIL %s: cannot be opened\n", path);
        n_failed++;
        return;
    }
    while ((n = getline(&line, &cap, f)) > 0) {
        json_error_t e;
        json_t *json = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &e);
        if (!json) {
            printf("FAIL %s: %s\n", path, e.text);
            n_failed++;
        } else if (json_object_get(json, "accept")) {
            grammar_case(json, tools);
        } else {
            parser_case(json, tools);
            if (json_object_get(json, "template"))
                render_case(json, tools);
        }
        json_decref(json);
    }
    free(line);
    fclose(f);
}

static json_t *tools_beside(const char *path)
{
    char name[sizeof folder + 16];
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        snprintf(folder, sizeof folder, "%s", path);
    else
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    snprintf(name, sizeof name, "%s/tools.json", folder);
    return json_load_file(name, 0, NULL);
}

static int is_jsonl(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return dot && !strcmp(dot, ".jsonl");
}

static void run_path(const char *path)
{
    struct dirent **list;
    json_t *tools = tools_beside(path);
    int n = scandir(path, &list, is_jsonl, alphasort);
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, list[i]->d_name);
        run_file(name, tools);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    else
        run_file(path, tools);
    json_decref(tools);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        run_path(TEST_DATA "/tool_cases");
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}
