/* See answer.h. A block is written once, from behind the marker that begins it, so that the same expression serves text
 * that is governed from the start (marker and rest) and text that is free until the marker comes (rest). */
#include "text/answer/answer.h"

#include "base/error.h"
#include "text/answer/tool_grammar_inner.h"
#include "text/schema/schema.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char all_tools[] = "tools"; /* the field of errors that are about no single one */

static grammar_expr identifier(struct tool_maker *k)
{
    static const struct grammar_range letters[] = {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}, {'-', '-'}};
    return grammar_repeat(k->maker, grammar_class(k->maker, letters, 5, 0), 1, 64);
}

static grammar_expr digits(struct tool_maker *k)
{
    return grammar_repeat(k->maker, grammar_class(k->maker, (struct grammar_range[]){{'0', '9'}}, 1, 0), 1, 4);
}

/* ---- calls as objects and as name and object -------------------------------------------------------------------------- */

static grammar_expr object_of(struct tool_maker *k, size_t i)
{
    const struct tool_format *f = k->format;
    const char *name = k->tool[i].def->name;
    const char *brace = k->brace_taken ? "" : "{";
    if (!f->name_key)
        return JOIN(tool_word(k, "{\""), tool_word(k, name), tool_word(k, "\": "), k->tool[i].arguments,
                    tool_word(k, "}"));
    grammar_expr id = JOIN(tool_word(k, "\""), tool_word(k, f->id_key), tool_word(k, "\": \""), identifier(k),
                           tool_word(k, "\""));
    grammar_expr before = f->rules & RULE_ID_FIRST ? grammar_optional(k->maker, JOIN(id, tool_word(k, ", ")))
                                                   : tool_word(k, "");
    grammar_expr behind = f->rules & RULE_ID_LAST ? grammar_optional(k->maker, JOIN(tool_word(k, ", "), id))
                                                  : tool_word(k, "");
    return JOIN(tool_word(k, brace), before, tool_word(k, "\""), tool_word(k, f->name_key), tool_word(k, "\": \""),
                tool_word(k, name), tool_word(k, "\", \""), tool_word(k, f->args_key), tool_word(k, "\": "),
                k->tool[i].arguments, behind, tool_word(k, "}"));
}

static grammar_expr object_grammar(struct tool_maker *k) { return tool_any(k, object_of); }

static grammar_expr lines(struct tool_maker *k)
{
    return JOIN(tool_word(k, "\n"), object_grammar(k), tool_word(k, "\n"), tool_mark(k, ROLE_END));
}

static grammar_expr list(struct tool_maker *k)
{
    const struct tool_format *f = k->format;
    grammar_expr calls = tool_several(k, object_grammar(k), tool_word(k, f->list.between));
    return JOIN(tool_word(k, f->list.open), calls, tool_word(k, f->list.close), tool_mark(k, ROLE_END));
}

static grammar_expr deepseek_call(struct tool_maker *k, size_t i)
{
    grammar_expr name = tool_word(k, k->tool[i].def->name);
    if (k->format->rules & RULE_FENCED)
        return JOIN(tool_mark(k, ROLE_CALL), tool_word(k, "function"), tool_mark(k, ROLE_SEP), name,
                    tool_word(k, "\n```json\n"), k->tool[i].arguments, tool_word(k, "\n```"), tool_mark(k, ROLE_STOP));
    return JOIN(tool_mark(k, ROLE_CALL), name, tool_mark(k, ROLE_SEP), k->tool[i].arguments, tool_mark(k, ROLE_STOP));
}

static grammar_expr deepseek(struct tool_maker *k)
{
    const char *between = k->format->rules & RULE_FENCED ? "\n" : "";
    return JOIN(tool_several(k, tool_any(k, deepseek_call), tool_word(k, between)), tool_mark(k, ROLE_END));
}

static grammar_expr kimi_rest(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, "functions."), tool_word(k, k->tool[i].def->name), tool_word(k, ":"), digits(k),
                tool_mark(k, ROLE_ARGS), k->tool[i].arguments, tool_mark(k, ROLE_STOP));
}

static grammar_expr kimi_call(struct tool_maker *k) { return tool_any(k, kimi_rest); }

static grammar_expr kimi(struct tool_maker *k)
{
    grammar_expr call = JOIN(tool_mark(k, ROLE_BEGIN2), kimi_call(k));
    return JOIN(tool_several(k, call, tool_word(k, "")), tool_mark(k, ROLE_END));
}

static grammar_expr mistral_call(struct tool_maker *k, size_t i)
{
    grammar_expr id = grammar_optional(k->maker, JOIN(tool_mark(k, ROLE_SEP), identifier(k)));
    return JOIN(tool_word(k, k->tool[i].def->name), id, tool_mark(k, ROLE_ARGS), k->tool[i].arguments);
}

static grammar_expr mistral(struct tool_maker *k) { return tool_any(k, mistral_call); }

static grammar_expr functionary_call(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, k->tool[i].def->name), tool_word(k, ">"), k->tool[i].arguments, tool_mark(k, ROLE_END));
}

static grammar_expr functionary(struct tool_maker *k) { return tool_any(k, functionary_call); }

static grammar_expr solar_call(struct tool_maker *k, size_t i)
{
    return JOIN(tool_mark(k, ROLE_CALL), identifier(k), tool_mark(k, ROLE_SEP), tool_word(k, k->tool[i].def->name),
                tool_mark(k, ROLE_ARGS), k->tool[i].arguments, tool_mark(k, ROLE_STOP));
}

static grammar_expr solar(struct tool_maker *k)
{
    return JOIN(tool_several(k, tool_any(k, solar_call), tool_word(k, "")), tool_mark(k, ROLE_END));
}

static grammar_expr gemma_call(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, "call:"), tool_word(k, k->tool[i].def->name), k->tool[i].arguments,
                tool_mark(k, ROLE_END));
}

static grammar_expr gemma(struct tool_maker *k) { return tool_any(k, gemma_call); }

/* The languages of blocks, by the format's syntax. */
static const struct language {
    grammar_expr (*block)(struct tool_maker *k); /* what follows ROLE_BEGIN */
    const char *between;                         /* blocks; NULL: a block holds all calls there are */
    grammar_expr (*call)(struct tool_maker *k);  /* what follows ROLE_BEGIN2 without a block; NULL: nothing does */
    void (*answer)(struct tool_maker *k);        /* entries and phases, of syntaxes that frame the whole answer */
} languages[N_SYNTAX] = {
    [SYNTAX_OBJECT] = {object_grammar, "\n"},
    [SYNTAX_LINES] = {lines, "\n"},
    [SYNTAX_LIST] = {list},
    [SYNTAX_DEEPSEEK] = {deepseek},
    [SYNTAX_KIMI] = {kimi, .call = kimi_call},
    [SYNTAX_MISTRAL] = {mistral, ""},
    [SYNTAX_FUNCTIONARY] = {functionary, ""},
    [SYNTAX_SOLAR] = {solar},
    [SYNTAX_TAGS] = {xml_grammar, "\n"},
    [SYNTAX_GLM] = {glm_grammar, "\n"},
    [SYNTAX_PYTHON] = {lfm2_grammar},
    [SYNTAX_GEMMA] = {gemma, ""},
    [SYNTAX_HARMONY] = {.answer = harmony_grammar},
    [SYNTAX_RECIPIENT] = {.answer = recipient_grammar},
};

static const struct language *language_of(const struct tool_maker *k) { return &languages[k->format->syntax]; }

static grammar_expr block_rest(struct tool_maker *k)
{
    const struct language *l = language_of(k);
    return l->block ? l->block(k) : grammar_fail(k->maker, "the format %s has no grammar", k->format->name);
}

/* ---- arguments ------------------------------------------------------------------------------------------------------- */

/* The text of a tool's schema. */
static const char *schema_of(const struct tool_maker *k, size_t i, size_t *n)
{
    static const char nothing[] = "{\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false}",
                      any[] = "{}";
    const struct tool_def *t = &k->want->tools->tool[i];
    const char *fixed = k->left_out && k->left_out[i] ? any : !t->schema ? nothing : NULL;
    *n = fixed ? strlen(fixed) : t->n_schema;
    return fixed ? fixed : t->schema;
}

static int open_schemas(struct tool_maker *k)
{
    const struct tool_want *w = k->want;
    static const enum schema_syntax syntaxes[] = {
        [ARGS_JSON] = SCHEMA_JSON, [ARGS_PYTHON] = SCHEMA_PYTHON, [ARGS_GEMMA] = SCHEMA_GEMMA};
    enum schema_syntax syntax = syntaxes[k->format->arguments];
    for (size_t i = 0; i < w->tools->n; i++) {
        const struct tool_def *t = &w->tools->tool[i];
        char location[64];
        size_t n;
        if (w->name && strcmp(w->name, t->name) != 0)
            continue;
        snprintf(location, sizeof location, "tools[%zu].function.parameters", i);
        snprintf(k->field, sizeof k->field, "%s", location);
        struct schema_options how = {.compile = k->compile,
                                     .strict = t->strict,
                                     .object = 1,
                                     .white = SCHEMA_SPACED,
                                     .syntax = syntax,
                                     .location = location,
                                     .quote = -1,
                                     .large = &k->large};
        int by_member = k->format->xml || syntax == SCHEMA_PYTHON;
        if (syntax == SCHEMA_GEMMA)
            how.quote = tool_token(k, k->format->marker[ROLE_SEP]);
        struct tool_entry *e = &k->tool[k->n];
        const char *text = schema_of(k, i, &n);
        if (schema_open(&e->schema, k->maker, text, n, &how, k->err) != 0)
            return -1;
        e->def = t;
        k->n++;
        int32_t rule = grammar_rule(k->maker, t->name);
        if (by_member)
            grammar_define(k->maker, rule, k->format->xml ? xml_arguments(k, e) : lfm2_arguments(k, e));
        else
            grammar_define(k->maker, rule, schema_value(e->schema, ""));
        e->arguments = grammar_call(k->maker, rule);
    }
    if (k->n > 1)
        strcpy(k->field, all_tools);
    if (k->n == 0)
        return error_set(k->err, ERR_INPUT, "tool_choice names '%.60s', which is none of the tools",
                         w->name ? w->name : "");
    return 0;
}

/* ---- triggers and phases ------------------------------------------------------------------------------------------------ */

static void add_call(struct tool_maker *k, size_t phase, const char *text, grammar_expr body, int next)
{
    const char *rest;
    struct constraint_trigger t = tool_trigger(k, text, &rest);
    t.entry = tool_add_entry(k, rest ? JOIN(tool_marked(k, rest), body) : body);
    t.next = next;
    tool_add_trigger(k, phase, t);
}

static void add_tag(struct tool_maker *k, size_t phase, const char *text, int at_start, int next)
{
    const char *rest;
    struct constraint_trigger t = tool_trigger(k, text, &rest);
    t.at_start = at_start;
    t.next = next;
    tool_add_trigger(k, phase, t);
}

/* What may begin a call in a phase of the answer. */
static void call_triggers(struct tool_maker *k, size_t phase, int next)
{
    const struct tool_format *f = k->format;
    add_call(k, phase, f->marker[ROLE_BEGIN], block_rest(k), next);
    if (language_of(k)->call)
        add_call(k, phase, f->marker[ROLE_BEGIN2], language_of(k)->call(k), next);
    if (!(f->rules & RULE_BARE))
        return;
    k->brace_taken = 1;
    struct constraint_trigger t = {.text = "{", .n = 1, .token = -1, .at_start = 1, .next = next};
    t.entry = tool_add_entry(k, object_grammar(k));
    tool_add_trigger(k, phase, t);
    k->brace_taken = 0;
}

/* Free text until a call begins: phases for an answer that may begin with reasoning, the reasoning, and the answer proper. */
static void lazy(struct tool_maker *k)
{
    const struct tool_format *f = k->format;
    const char *open = f->marker[ROLE_OPEN], *close = f->marker[ROLE_CLOSE];
    int late = (f->rules & RULE_LATE_REASONING) != 0;
    int inside = k->want->reasoning == REASONING_OPEN && open,
        may = k->want->reasoning == REASONING_MAY && open && !late;
    int start = 0, think = inside ? 0 : 1, answer = inside ? 1 : may ? 2 : 0;
    int32_t end = f->marker[ROLE_END] ? tool_token(k, f->marker[ROLE_END]) : -1;
    int one = !k->want->parallel || f->rules & RULE_ONE_CALL || (end >= 0 && tokenizer_is_end(k->tokenizer, end));
    int next = one ? CONSTRAINT_END : answer;
    if (may) {
        add_tag(k, start, open, 1, think);
        call_triggers(k, start, next);
    }
    if (late && open)
        add_tag(k, answer, open, 0, think);
    if (may || inside || late) {
        add_tag(k, think, close, 0, answer);
        if (f->rules & RULE_CALL_ENDS_REASONING)
            call_triggers(k, think, next);
    }
    call_triggers(k, answer, next);
}

/* Any text before a marker, and the marker. */
static grammar_expr until_marker(struct tool_maker *k, enum tool_role role)
{
    const char *text = k->format->marker[role];
    int32_t id = tool_token(k, text);
    if (id < 0)
        return grammar_until(k->maker, text, strlen(text));
    return JOIN(grammar_repeat(k->maker, grammar_other_token(k->maker, id), 0, GRAMMAR_MANY),
                grammar_token(k->maker, id));
}

/* A call or, where an answer may hold several blocks, calls. */
static grammar_expr blocks(struct tool_maker *k)
{
    const struct tool_format *f = k->format;
    grammar_expr begin = f->rules & RULE_BARE ? tool_word(k, "") : tool_mark(k, ROLE_BEGIN);
    if (f->rules & RULE_TURN_ENDS)
        begin = JOIN(tool_mark(k, ROLE_WRAP), tool_word(k, "\n\n"), begin);
    grammar_expr block = JOIN(begin, block_rest(k));
    const char *between = f->rules & RULE_BARE ? "; " : language_of(k)->between;
    if (!between || f->rules & RULE_ONE_CALL)
        return block;
    return tool_several(k, block, tool_word(k, between));
}

/* Reasoning if there may be one, then calls and nothing else; or (value, if not -1) an answer instead of them. */
static grammar_expr governed(struct tool_maker *k, grammar_expr value)
{
    static const struct grammar_range white[] = {{' ', ' '}, {'\n', '\n'}};
    grammar_expr space = grammar_repeat(k->maker, grammar_class(k->maker, white, 2, 0), 0, 4);
    grammar_expr call = JOIN(space, blocks(k)),
                 behind = call; /* behind reasoning a value may have space before it as well */
    if (value >= 0) {
        behind = grammar_choice(k->maker, (grammar_expr[]){call, JOIN(space, value)}, 2);
        call = grammar_choice(k->maker, (grammar_expr[]){call, value}, 2);
    }
    if (k->want->reasoning == REASONING_CLOSED || !k->format->marker[ROLE_OPEN])
        return call;
    grammar_expr thought = JOIN(until_marker(k, ROLE_CLOSE), behind);
    if (k->want->reasoning == REASONING_OPEN)
        return thought;
    return grammar_choice(k->maker, (grammar_expr[]){call, JOIN(space, tool_mark(k, ROLE_OPEN), thought)}, 2);
}

/* Calls, or an answer that is governed too. */
static int call_or_value(struct tool_maker *k)
{
    const struct tool_want *w = k->want;
    grammar_expr value = -1;
    if (language_of(k)->answer || k->format->rules & RULE_BARE)
        return error_set(
            k->err, ERR_UNSUPPORTED,
            "calls of the format %s cannot be told from an answer that is governed; leave out the tools or "
            "what governs the answer",
            k->format->name);
    if (value_expr(k->maker, k->tokenizer, w->answer, w->warning, w->warning_arg, &value, k->err) != 0)
        return -1;
    tool_add_entry(k, governed(k, value));
    return 0;
}

static int finish(struct tool_maker *k, const struct token_trie *trie, struct constraint **out)
{
    struct constraint_phase phase[MAX_PHASE];
    struct grammar *g = NULL;
    struct constraint_options how = {.phase = phase,
                                     .n_phase = k->n_phase,
                                     .close_at_limit = !k->want->free_limit,
                                     .budget = k->want->budget,
                                     .compile = k->compile};
    for (size_t i = 0; i < k->n_phase; i++)
        phase[i] = (struct constraint_phase){.trigger = k->phase[i].trigger, .n_trigger = k->phase[i].n};
    struct grammar_maker *m = k->maker;
    k->maker = NULL;
    if (grammar_finish(m, k->entry, k->n_entry, &g, k->err) != 0)
        return -1;
    return constraint_create(out, trie, g, &how, k->err);
}

/* functionary v3.2 has an entry and two triggers a tool, the others a few in all. */
static int make_arrays(struct tool_maker *k, size_t n_tool)
{
    size_t n_most = n_tool + 8;
    k->tool = compile_zeroed(k->compile, n_tool + 1, sizeof *k->tool);
    k->entry = compile_zeroed(k->compile, n_most, sizeof *k->entry);
    for (int i = 0; i < MAX_PHASE; i++)
        if (!(k->phase[i].trigger = compile_zeroed(k->compile, n_most, sizeof *k->phase[i].trigger)))
            return -1;
    return k->tool && k->entry ? 0 : -1;
}

static void warn(const struct tool_maker *k)
{
    const struct tool_want *w = k->want;
    const char *text;
    char left_out[160];
    for (size_t i = 0; w->warning && k->left_out && i < w->tools->n; i++) {
        snprintf(left_out, sizeof left_out,
                 "at tools[%zu].function.parameters#: compiling it beside the other tools is too much work or memory: "
                 "it is left out",
                 i);
        if (k->left_out[i])
            w->warning(w->warning_arg, left_out);
    }
    for (size_t t = 0; w->warning && t < k->n; t++)
        for (size_t i = 0; (text = schema_warning(k->tool[t].schema, i)); i++)
            w->warning(w->warning_arg, text);
}

/* Where no schema says it: the one that is being compiled, or the only one, or all tools together. */
static void write_place(const void *of, char *out, size_t size)
{
    const struct tool_maker *k = of;
    snprintf(out, size, strcmp(k->field, all_tools) ? "schema error at %s#" : "the grammar of the %s", k->field);
}

static void maker_free(struct tool_maker *k)
{
    if (!k)
        return;
    k->compile->location = k->outside;
    for (size_t i = 0; i < k->n; i++) {
        schema_close(k->tool[i].schema);
        buffer_free(&k->tool[i].line);
    }
    for (int i = 0; i < MAX_PHASE; i++)
        compile_free(k->compile, k->phase[i].trigger);
    if (k->maker)
        grammar_abandon(k->maker);
    compile_free(k->compile, k->entry);
    compile_free(k->compile, k->tool);
    compile_free(k->compile, k);
}

static struct tool_maker *maker_begin(struct compile *compile, const struct tokenizer *t, const struct tool_want *w,
                                      struct error *err)
{
    struct tool_maker *k = compile_zeroed(compile, 1, sizeof *k);
    if (!k)
        return compile_refused(compile, err), NULL;
    strcpy(k->field, all_tools);
    k->compile = compile;
    k->outside = compile->location;
    compile->location = (struct compile_location){write_place, k, k->field};
    if (!(k->maker = grammar_begin(compile)) || make_arrays(k, w->tools->n) != 0) {
        compile_refused(compile, err);
        maker_free(k);
        return NULL;
    }
    k->format = w->format;
    k->want = w;
    k->tokenizer = t;
    k->err = err;
    return k;
}

int tool_make(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
              const struct tool_want *w, const uint8_t *left_out, struct compile *compile, struct error *err)
{
    struct tool_maker *k = maker_begin(compile, t, w, err);
    if (!k)
        return -1;
    k->left_out = left_out;
    int failed = open_schemas(k);
    if (failed == 0 && w->choice == TOOL_CHOICE_AUTO && w->answer)
        failed = call_or_value(k);
    else if (failed == 0 && language_of(k)->answer)
        language_of(k)->answer(k);
    else if (failed == 0 && w->choice == TOOL_CHOICE_AUTO)
        lazy(k);
    else if (failed == 0)
        tool_add_entry(k, governed(k, -1));
    failed = failed || finish(k, trie, out);
    if (!failed)
        warn(k);
    maker_free(k);
    return failed ? -1 : 0;
}

static int is_too_much(const struct compile *compile)
{
    return compile->end == COMPILE_WORK_DONE || (compile->end == COMPILE_MEMORY && compile->error.code == ERR_INPUT);
}

/* Anew, without the schemas that are too much; *compile, which has ended, becomes the handle of it. -1 without an error: none can be
 * left out. */
static int make_lighter(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                        const struct tool_want *w, struct compile *compile, struct error *err)
{
    struct compile again = {.most_bytes = compile->most_bytes,
                            .most_work = compile->most_work,
                            .stopped = compile->stopped,
                            .arg = compile->arg,
                            .location = compile->location};
    uint8_t *left_out = compile_zeroed(&again, w->tools->n, 1);
    int n = left_out ? tool_leave_out(&again, t, trie, w, left_out) : -1, failed = -1;
    if (n > 0)
        failed = tool_make(out, t, trie, w, left_out, &again, err);
    compile_free(&again, left_out);
    if (n < 0)
        compile_refused(&again, err);
    if (n != 0)
        *compile = again;
    return failed;
}

int tool_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                    const struct tool_want *w, struct error *err)
{
    struct compile own = {.is_last = 1}, *compile = w->compile ? w->compile : &own;
    struct error whole = {0}, lighter = {0};
    *out = NULL;
    if (!w->tools || w->tools->n == 0 || w->choice == TOOL_CHOICE_NONE)
        return 0;
    int failed = tool_make(out, t, trie, w, NULL, compile, &whole);
    if (failed && is_too_much(compile) && compile->is_last)
        failed = make_lighter(out, t, trie, w, compile, &lighter);
    if (!failed)
        return 0;
    const struct error *why = lighter.code && !is_too_much(compile) ? &lighter : &whole;
    error_set(err, why->code, "%s", why->text);
    return error_field(err, "%s", why->field);
}
