/* What a template can do: short conversations with words that give themselves away are rendered, and looked for. templates.md 5.
 *
 * A probe that fails (the template raises, or trips over a type) shows nothing. */
#include "text/template_inner.h"
#include "text/tools.h"

#include <stdio.h>
#include <string.h>

struct probe {
    const struct chat_template *template;
    struct arena arena;
    struct jinja_error error;
    const char *messages, *tools, *variables; /* JSON */
    int generate;
    struct jinja_text text;
};

static struct jvalue parsed(struct jrun *r, const char *json)
{
    const char *problem;
    return jjson_parse(r, json, strlen(json), CLASS_TEMPLATE, &problem, NULL);
}

static int render_in(struct probe *p, struct jrun *r, jmp_buf *trap)
{
    static const struct jinja_clock clock = {2024, 2, 29, 12, 0, 0};
    if (setjmp(*trap))
        return -1;
    r->trap = trap;
    r->clock = &clock;
    struct jvalue messages = parsed(r, p->messages), tools = p->tools ? parsed(r, p->tools) : JNONE;
    struct jdict *d = template_variables(r, p->template, messages, tools, p->generate);
    struct jvalue more = parsed(r, p->variables ? p->variables : "{}");
    for (size_t i = 0; i < more.u.dict->n; i++)
        jdict_set(r, d, more.u.dict->entry[i].key, more.u.dict->entry[i].value);
    r->context = jdictv(d);
    return jinja_render(p->template->jinja, r, &p->text);
}

/* 0: rendered; the text lives until probe_end(). */
static int probe_begin(struct probe *p)
{
    struct jrun r;
    jmp_buf trap;
    arena_init_growing(&p->arena);
    jrun_begin(&r, &p->arena, 0, &p->error);
    p->text = (struct jinja_text){0};
    return render_in(p, &r, &trap);
}

static void probe_end(struct probe *p) { arena_free(&p->arena); }

static int contains(const struct jinja_text *t, const char *word)
{
    return t->n > 0 && memmem(t->bytes, t->n, word, strlen(word)) != NULL;
}

/* It renders and shows both words (the second may be NULL), and not the third. */
static int shows(const struct chat_template *t, const char *messages, const char *tools, const char *variables,
                 int generate, const char *const *words, const char *const *not_words)
{
    struct probe p = {
        .template = t, .messages = messages, .tools = tools, .variables = variables, .generate = generate};
    int yes = probe_begin(&p) == 0;
    for (; yes && words && *words; words++)
        yes = contains(&p.text, *words);
    for (; yes && not_words && *not_words; not_words++)
        yes = !contains(&p.text, *not_words);
    probe_end(&p);
    return yes;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define USER   "{\"role\": \"user\", \"content\": \"usrQ1\"}"
#define ANSWER "{\"role\": \"assistant\", \"content\": \"ansQ1\"}"
#define TOOL_B                                                                                                         \
    "{\"type\": \"function\", \"function\": {\"name\": \"fnBq\", \"description\": \"deskBq\", \"parameters\": "        \
    "{\"type\": \"object\", \"properties\": {}}}}"
#define TOOL(desk, prop)                                                                                               \
    "{\"type\": \"function\", \"function\": {\"name\": \"fnAq\", " desk                                                \
    "\"parameters\": {\"type\": \"object\", \"properties\": {\"argAq\": {\"type\": \"string\"" prop                    \
    "}}, \"required\": [\"argAq\"]}}}"
static const char tools[] = "[" TOOL("\"description\": \"deskAq\", ", ", \"description\": \"dargAq\"") ", " TOOL_B "]";
static const char bare_tools[] = "[" TOOL("", "") "]";

#define CALL(id, arguments)                                                                                            \
    "{\"id\": \"" id "\", \"type\": \"function\", \"function\": {\"name\": \"fnAq\", \"arguments\": " arguments "}}"
#define RESULT(id, text)                                                                                               \
    "{\"role\": \"tool\", \"content\": \"" text "\", \"name\": \"fnAq\", \"tool_call_id\": \"" id "\"}"
#define OBJECT(v) "{\"argAq\": \"" v "\"}"
#define STRING(v) "\"{\\\"argAq\\\": \\\"" v "\\\"}\""
#define CALLING(content, more, calls)                                                                                  \
    "{\"role\": \"assistant\", \"content\": " content more ", \"tool_calls\": [" calls "]}"

static const char id9[] = "abcdefghi";
#define ID9  "abcdefghi"
#define ID20 "abcdefghijklmnopqrst"

static void probe_roles(struct chat_template *t)
{
    struct template_caps *c = &t->caps;
    c->tools_undefined = 0;
    if (!shows(t, "[" USER "]", NULL, NULL, 1, NULL, NULL)) {
        c->tools_undefined = 1;
        c->tools_undefined = shows(t, "[" USER "]", NULL, NULL, 1, NULL, NULL);
    }
    c->string = shows(t, "[" USER "]", NULL, NULL, 1, WORDS("usrQ1"), NULL);
    c->parts = shows(t,
                     "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"prtQ1\"}, "
                     "{\"type\": \"text\", \"text\": \"prtQ2\"}]}]",
                     NULL, NULL, 1, WORDS("prtQ1", "prtQ2"), WORDS("'text'", "\"text\""));
    c->system = shows(t, "[{\"role\": \"system\", \"content\": \"sysQ1\"}, " USER "]", NULL, NULL, 1, WORDS("sysQ1"),
                      NULL);
    c->system_later = shows(t, "[" USER ", " ANSWER ", {\"role\": \"system\", \"content\": \"sysQ1\"}, " USER "]", NULL,
                            NULL, 1, WORDS("sysQ1"), NULL);
    c->developer = shows(t, "[{\"role\": \"developer\", \"content\": \"devQ1\"}, " USER "]", NULL, NULL, 1,
                         WORDS("devQ1"), NULL);
}

static void probe_tools(struct chat_template *t)
{
    struct template_caps *c = &t->caps;
    c->tools = shows(t, "[" USER "]", tools, NULL, 1, WORDS("fnAq", "deskAq"), NULL) &&
               shows(t, "[" USER "]", NULL, NULL, 1, NULL, WORDS("fnAq", "deskAq"));
    c->needs_descriptions = c->tools && !shows(t, "[" USER "]", bare_tools, NULL, 1, NULL, NULL);
}

static void probe_calls(struct chat_template *t)
{
    struct template_caps *c = &t->caps;
    static const char object[] = "[" USER
                                 ", " CALLING("\"\"", "", CALL(ID9, OBJECT("valQ1"))) ", " RESULT(ID9, "resQ1") "]";
    static const char string[] = "[" USER
                                 ", " CALLING("\"\"", "", CALL(ID9, STRING("valQ1"))) ", " RESULT(ID9, "resQ1") "]";
    const char *const *seen = WORDS("fnAq", "valQ1");
    if (shows(t, object, tools, NULL, 1, seen, WORDS("{'argAq': 'valQ1'")))
        c->arguments = ARGUMENTS_OBJECT;
    else if (shows(t, string, tools, NULL, 1, seen, WORDS("\\\"argAq")))
        c->arguments = ARGUMENTS_STRING;
    c->tool_calls = c->arguments != ARGUMENTS_NONE;
    c->tool_results = shows(t, object, tools, NULL, 1, WORDS("resQ1"), NULL) ||
                      (c->arguments == ARGUMENTS_STRING && shows(t, string, tools, NULL, 1, WORDS("resQ1"), NULL));
}

/* What depends on a call that renders; is_object chooses how its arguments are written. */
static int call_shows(const struct chat_template *t, const char *object, const char *string, const char *const *words)
{
    return shows(t, t->caps.arguments == ARGUMENTS_OBJECT ? object : string, tools, NULL, 1, words, NULL);
}

#define TWO(A)                                                                                                         \
    "[" USER ", " CALLING("\"\"", "", CALL(ID9, A("valQ1")) ", " CALL("jklmnopqr", A("valQ2"))) ", " RESULT(           \
        ID9, "resQ1") ", " RESULT("jklmnopqr", "resQ2") "]"
#define BESIDE(A) "[" USER ", " CALLING("\"txtQ1\"", "", CALL(ID9, A("valQ1"))) ", " RESULT(ID9, "resQ1") "]"
#define LONG(A)   "[" USER ", " CALLING("\"\"", "", CALL(ID20, A("valQ1"))) ", " RESULT(ID20, "resQ1") "]"
#define SHORT(A)  "[" USER ", " CALLING("\"\"", "", CALL(ID9, A("valQ1"))) ", " RESULT(ID9, "resQ1") "]"

static void probe_call_details(struct chat_template *t)
{
    struct template_caps *c = &t->caps;
    c->parallel = c->id_rendered = c->call_with_text = 1;
    if (!c->tool_calls)
        return;
    c->call_with_text = call_shows(t, BESIDE(OBJECT), BESIDE(STRING), WORDS("txtQ1"));
    c->parallel = call_shows(t, TWO(OBJECT), TWO(STRING), WORDS("valQ1", "valQ2"));
    c->id_rendered = call_shows(t, SHORT(OBJECT), SHORT(STRING), WORDS(id9));
    c->id = !call_shows(t, LONG(OBJECT), LONG(STRING), WORDS("valQ1")) ? CALL_ID_ALNUM9
            : strcmp(c->format->name, "kimi_k2") == 0                  ? CALL_ID_KIMI
                                                                       : CALL_ID_ANY;
}

/* ---- thinking ---- */

static int reasoning_shows(const struct chat_template *t, const char *plain, const char *calling)
{
    static const char on[] = "{\"enable_thinking\": true, \"thinking\": true}";
    return shows(t, plain, NULL, on, 0, WORDS("reaQ1"), NULL) || shows(t, calling, tools, on, 1, WORDS("reaQ1"), NULL);
}

#define PLAIN(field) "[" USER ", {\"role\": \"assistant\", \"content\": \"ansQ1\", \"" field "\": \"reaQ1\"}]"
#define WITH_CALL(field)                                                                                               \
    "[" USER                                                                                                           \
    ", " CALLING("\"\"", ", \"" field "\": \"reaQ1\"", CALL(ID9, OBJECT("valQ1"))) ", " RESULT(ID9, "resQ1") "]"
#define PARTS "[{\"type\": \"thinking\", \"thinking\": \"reaQ1\"}, {\"type\": \"text\", \"text\": \"ansQ1\"}]"

static void probe_reasoning(struct chat_template *t)
{
    struct template_caps *c = &t->caps;
    if (reasoning_shows(t, PLAIN("reasoning_content"), WITH_CALL("reasoning_content")))
        c->reasoning = REASONING_CONTENT;
    else if (reasoning_shows(t, PLAIN("reasoning"), WITH_CALL("reasoning")))
        c->reasoning = REASONING_PLAIN;
    else if (reasoning_shows(t, PLAIN("thinking"), WITH_CALL("thinking")))
        c->reasoning = REASONING_THINKING;
    else if (shows(t, "[" USER ", {\"role\": \"assistant\", \"content\": " PARTS "}]", NULL,
                   "{\"enable_thinking\": true, \"thinking\": true}", 0, WORDS("reaQ1", "ansQ1"),
                   WORDS("'thinking'", "\"thinking\"")))
        c->reasoning = REASONING_PARTS;
    else
        c->reasoning = REASONING_NONE;
}

static int same(const struct jinja_text *a, const struct jinja_text *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

static void probe_switch(struct chat_template *t)
{
    static const struct {
        const char *name, *on, *off;
    } variables[] = {{"enable_thinking", "{\"enable_thinking\": true}", "{\"enable_thinking\": false}"},
                     {"thinking", "{\"thinking\": true}", "{\"thinking\": false}"}};
    struct template_caps *c = &t->caps;
    for (size_t i = 0; i < 2 && !c->thinking_var; i++) {
        struct probe p[3];
        int ok = 1;
        for (int k = 0; k < 3; k++) {
            p[k] = (struct probe){.template = t, .messages = "[" USER "]", .generate = 1};
            p[k].variables = k == 1 ? variables[i].on : k == 2 ? variables[i].off : NULL;
            ok &= probe_begin(&p[k]) == 0;
        }
        if (ok && !same(&p[1].text, &p[2].text)) {
            c->thinking_var = variables[i].name;
            c->thinking_default = same(&p[0].text, &p[1].text)   ? THINKING_ON
                                  : same(&p[0].text, &p[2].text) ? THINKING_OFF
                                                                 : THINKING_OTHER;
        }
        for (int k = 0; k < 3; k++)
            probe_end(&p[k]);
    }
}

/* What add_generation_prompt adds, or what follows the user's text where that is not simply appended; NULL: nothing renders. */
static const char *generated(const struct chat_template *t, struct jrun *r, const char *variables)
{
    struct probe with = {.template = t, .messages = "[" USER "]", .variables = variables, .generate = 1},
                 without = with;
    without.generate = 0;
    const char *added = NULL;
    if (probe_begin(&with) == 0) {
        size_t from = with.text.n;
        const char *user = memmem(with.text.bytes, with.text.n, "usrQ1", 5);
        if (probe_begin(&without) == 0 && without.text.n <= with.text.n &&
            memcmp(without.text.bytes, with.text.bytes, without.text.n) == 0)
            from = without.text.n;
        else if (user)
            from = (size_t)(user - with.text.bytes) + 5;
        added = jstring_copy(r, with.text.bytes + from, with.text.n - from, CLASS_TEMPLATE)->bytes;
        probe_end(&without);
    }
    probe_end(&with);
    return added;
}

static void probe_generation(struct chat_template *t, struct jrun *r)
{
    struct template_caps *c = &t->caps;
    char variables[80];
    c->generation_prompt[0] = generated(t, r, NULL);
    for (int on = 1; c->thinking_var && on >= 0; on--) {
        snprintf(variables, sizeof variables, "{\"%s\": %s}", c->thinking_var, on ? "true" : "false");
        c->generation_prompt[on ? 1 : 2] = generated(t, r, variables);
    }
}

void template_probe(struct chat_template *t, struct jrun *r)
{
    probe_roles(t);
    probe_tools(t);
    probe_calls(t);
    probe_call_details(t);
    probe_reasoning(t);
    probe_switch(t);
    probe_generation(t, r);
}
