/* Front ends to constraints: answer.h. Before the value stands what the model thinks, if its format has a place for that:
 * any text, up to the closing tag, and some white space. */
#include "text/answer/answer.h"

#include "text/grammar/compile.h"
#include "text/grammar/gbnf.h"
#include "text/regex/regex.h"
#include "text/schema/schema.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

static grammar_expr both(struct grammar_maker *m, grammar_expr a, grammar_expr b)
{
    return grammar_sequence(m, (grammar_expr[]){a, b}, 2);
}

/* A tag that is one token of the vocabulary is that token. */
static int32_t tag_token(const struct tokenizer *t, const char *tag) { return tokenizer_find(t, tag, strlen(tag)); }

static grammar_expr tag(struct grammar_maker *m, const struct tokenizer *t, const char *text)
{
    int32_t id = tag_token(t, text);
    return id >= 0 ? grammar_token(m, id) : grammar_text(m, text, strlen(text));
}

static grammar_expr thought(struct grammar_maker *m, const struct tokenizer *t, const char *close)
{
    int32_t id = tag_token(t, close);
    if (id < 0)
        return grammar_until(m, close, strlen(close));
    return both(m, grammar_repeat(m, grammar_other_token(m, id), 0, GRAMMAR_MANY), grammar_token(m, id));
}

static grammar_expr with_reasoning(struct grammar_maker *m, const struct tokenizer *t, const struct value_want *w,
                                   grammar_expr value)
{
    static const struct grammar_range white[] = {{' ', ' '}, {'\n', '\n'}};
    const char *open = w->format ? w->format->marker[ROLE_OPEN] : NULL,
               *close = open ? w->format->marker[ROLE_CLOSE] : NULL;
    if (!close || w->reasoning == REASONING_CLOSED)
        return value;
    grammar_expr space = grammar_repeat(m, grammar_class(m, white, 2, 0), 0, 4);
    grammar_expr behind = both(m, thought(m, t, close), both(m, space, value));
    if (w->reasoning == REASONING_OPEN)
        return behind;
    return grammar_choice(m, (grammar_expr[]){value, both(m, space, both(m, tag(m, t, open), behind))}, 2);
}

static int schema_expr(struct grammar_maker *m, const struct value_want *w,
                       void (*warning)(void *arg, const char *text), void *arg, grammar_expr *out, struct error *err)
{
    struct schema *s;
    struct schema_large large = {.n = 0};
    struct schema_options how = {.strict = w->kind == VALUE_SCHEMA, .location = w->field, .quote = -1, .large = &large};
    if (schema_open(&s, m, w->text, w->n, &how, err))
        return -1;
    *out = schema_value(s, "");
    for (size_t i = 0; warning && schema_warning(s, i); i++)
        warning(arg, schema_warning(s, i));
    schema_close(s);
    return 0;
}

int value_expr(struct grammar_maker *m, const struct tokenizer *t, const struct value_want *w,
               void (*warning)(void *arg, const char *text), void *arg, grammar_expr *out, struct error *err)
{
    if (w->kind == VALUE_GBNF)
        *out = gbnf_parse(m, w->text, w->n, t);
    else if (w->kind == VALUE_REGEX)
        *out = regex_parse(m, w->text, w->n, 1);
    else
        return schema_expr(m, w, warning, arg, out, err);
    return 0;
}

/* Where no front end says it. */
static void write_place(const void *of, char *out, size_t size)
{
    static const char *const names[] = {[VALUE_NONE] = "",
                                        [VALUE_SCHEMA] = "schema error at ",
                                        [VALUE_SCHEMA_LENIENT] = "schema error at ",
                                        [VALUE_GBNF] = "grammar",
                                        [VALUE_REGEX] = "pattern"};
    const struct value_want *w = of;
    int is_schema = w->kind == VALUE_SCHEMA || w->kind == VALUE_SCHEMA_LENIENT;
    snprintf(out, size, "%s%.150s%s", names[w->kind], is_schema && w->field ? w->field : "", is_schema ? "#" : "");
}

static int make_grammar(struct grammar **out, const struct tokenizer *t, const struct value_want *w,
                        void (*warning)(void *arg, const char *text), void *arg, struct compile *compile,
                        struct error *err)
{
    struct grammar_maker *m = grammar_begin(compile);
    grammar_expr e = 0;
    if (!m)
        return compile_refused(compile, err);
    if (value_expr(m, t, w, warning, arg, &e, err)) {
        grammar_abandon(m);
        return -1;
    }
    e = grammar_problem(m) ? e : with_reasoning(m, t, w, e);
    return grammar_finish(m, &e, 1, out, err);
}

int value_check(const struct value_want *w, struct error *err)
{
    struct compile compile = {.location = {write_place, w, w->field}, .is_last = 1};
    struct grammar *g = NULL;
    int failed = make_grammar(&g, NULL, w, NULL, NULL, &compile, err);
    grammar_free(g);
    return failed;
}

int value_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                     const struct value_want *w, void (*warning)(void *arg, const char *text), void *arg,
                     struct error *err)
{
    struct compile own = {0}, *compile = w->compile ? w->compile : &own;
    struct compile_location outside = compile->location;
    compile->location = (struct compile_location){write_place, w, w->field};
    struct constraint_options how = {.close_at_limit = !w->free_limit, .budget = w->budget, .compile = compile};
    struct grammar *g = NULL;
    int failed = make_grammar(&g, t, w, warning, arg, compile, err) || constraint_create(out, trie, g, &how, err);
    compile->location = outside;
    return failed ? -1 : 0;
}
