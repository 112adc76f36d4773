/* What a template can do: short conversations with words that give themselves away are rendered, and looked for. templates.md 5.
 *
 * A probe that fails (the template raises, or trips over a type) shows nothing. One that takes more than a template may have at load
 * ends the probing: such a template is refused, for what it can do would be a guess. No clock takes part, only counts: a stalled start
 * must not change a prompt. Three probes at most hold their memory at a time, which together is less than the slack of the least plan;
 * nothing else of the plan is there yet. */
#include "text/chat/template_inner.h"
#include "text/tools/format.h"

#include <stdio.h>
#include <string.h>

/* Of 54 templates of publishers the costliest takes 0.03 million steps for all probes together, and 256 KiB, an arena's first block,
 * for one. */
enum { PROBING_MILLION_STEPS = 5, PROBE_BYTES = 2 << 20, PROBES = 3 };

struct probing {
    struct chat_template *template;
    uint64_t work;              /* of all probes so far */
    struct jinja_error error;   /* of the probe that took too much; no other follows */
    struct arena arena[PROBES]; /* the first n_begun are in use; the others are empty, for probes that follow */
    int n_begun;
};

struct probe {
    struct probing *of;
    const char *messages, *tools, *variables; /* JSON */
    int generate;
    struct jinja_text text;
};

static struct jvalue parsed(struct jrun *r, const char *json)
{
    const char *problem;
    return jjson_parse(r, json, strlen(json), ORIGIN_TEMPLATE, &problem, NULL);
}

static int render(struct jrun *r, void *arg)
{
    static const struct jinja_clock clock = {2024, 2, 29, 12, 0, 0};
    struct probe *p = arg;
    r->clock = &clock;
    struct jvalue messages = parsed(r, p->messages), tools = p->tools ? parsed(r, p->tools) : JNONE;
    struct jdict *d = template_variables(r, p->of->template, messages, tools, p->generate);
    struct jvalue more = parsed(r, p->variables ? p->variables : "{}");
    for (size_t i = 0; i < more.u.dict->n; i++)
        jdict_set(r, d, more.u.dict->entry[i].key, more.u.dict->entry[i].value);
    r->context = jdictv(d);
    return jinja_render(p->of->template->jinja, r, &p->text);
}

/* 0: rendered; the text lives until probe_end(). Which began last ends first. */
static int probe_begin(struct probe *p)
{
    struct jrun r;
    struct jinja_error e;
    struct arena *arena = &p->of->arena[p->of->n_begun++];
    p->text = (struct jinja_text){0};
    if (p->of->error.kind != JINJA_OK)
        return -1;
    jrun_begin(&r, arena, 0, &e);
    r.work = p->of->work;
    r.work_limit = (uint64_t)PROBING_MILLION_STEPS * JMILLION_STEPS;
    r.memory_limit = PROBE_BYTES;
    int rc = jrun_protect(&r, render, p);
    p->of->work = r.work;
    if (rc != 0 && r.spent)
        p->of->error = e;
    return rc;
}

static void probe_end(struct probe *p) { arena_clear(&p->of->arena[--p->of->n_begun]); }

static int contains(const struct jinja_text *t, const char *word)
{
    return t->n > 0 && memmem(t->bytes, t->n, word, strlen(word)) != NULL;
}

/* It renders and shows both words (the second may be NULL), and not the third. */
static int shows(struct probing *of, const char *messages, const char *tools, const char *variables, int generate,
                 const char *const *words, const char *const *not_words)
{
    struct probe p = {.of = of, .messages = messages, .tools = tools, .variables = variables, .generate = generate};
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

static void probe_roles(struct probing *of)
{
    struct template_caps *c = &of->template->caps;
    c->tools_undefined = 0;
    if (!shows(of, "[" USER "]", NULL, NULL, 1, NULL, NULL)) {
        c->tools_undefined = 1;
        c->tools_undefined = shows(of, "[" USER "]", NULL, NULL, 1, NULL, NULL);
    }
    c->string = shows(of, "[" USER "]", NULL, NULL, 1, WORDS("usrQ1"), NULL);
    c->parts = shows(of,
                     "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"prtQ1\"}, "
                     "{\"type\": \"text\", \"text\": \"prtQ2\"}]}]",
                     NULL, NULL, 1, WORDS("prtQ1", "prtQ2"), WORDS("'text'", "\"text\""));
    c->system = shows(of, "[{\"role\": \"system\", \"content\": \"sysQ1\"}, " USER "]", NULL, NULL, 1, WORDS("sysQ1"),
                      NULL);
    c->system_later = shows(of, "[" USER ", " ANSWER ", {\"role\": \"system\", \"content\": \"sysQ1\"}, " USER "]",
                            NULL, NULL, 1, WORDS("sysQ1"), NULL);
    c->developer = shows(of, "[{\"role\": \"developer\", \"content\": \"devQ1\"}, " USER "]", NULL, NULL, 1,
                         WORDS("devQ1"), NULL);
}

static void probe_tools(struct probing *of)
{
    struct template_caps *c = &of->template->caps;
    c->tools = shows(of, "[" USER "]", tools, NULL, 1, WORDS("fnAq", "deskAq"), NULL) &&
               shows(of, "[" USER "]", NULL, NULL, 1, NULL, WORDS("fnAq", "deskAq"));
    c->needs_descriptions = c->tools && !shows(of, "[" USER "]", bare_tools, NULL, 1, NULL, NULL);
}

static void probe_calls(struct probing *of)
{
    struct template_caps *c = &of->template->caps;
    static const char object[] = "[" USER
                                 ", " CALLING("\"\"", "", CALL(ID9, OBJECT("valQ1"))) ", " RESULT(ID9, "resQ1") "]";
    static const char string[] = "[" USER
                                 ", " CALLING("\"\"", "", CALL(ID9, STRING("valQ1"))) ", " RESULT(ID9, "resQ1") "]";
    const char *const *seen = WORDS("fnAq", "valQ1");
    if (shows(of, object, tools, NULL, 1, seen, WORDS("{'argAq': 'valQ1'")))
        c->arguments = ARGUMENTS_OBJECT;
    else if (shows(of, string, tools, NULL, 1, seen, WORDS("\\\"argAq")))
        c->arguments = ARGUMENTS_STRING;
    c->tool_calls = c->arguments != ARGUMENTS_NONE;
    c->tool_results = shows(of, object, tools, NULL, 1, WORDS("resQ1"), NULL) ||
                      (c->arguments == ARGUMENTS_STRING && shows(of, string, tools, NULL, 1, WORDS("resQ1"), NULL));
}

/* What depends on a call that renders; is_object chooses how its arguments are written. */
static int call_shows(struct probing *of, const char *object, const char *string, const char *const *words)
{
    return shows(of, of->template->caps.arguments == ARGUMENTS_OBJECT ? object : string, tools, NULL, 1, words, NULL);
}

#define TWO(A)                                                                                                         \
    "[" USER ", " CALLING("\"\"", "", CALL(ID9, A("valQ1")) ", " CALL("jklmnopqr", A("valQ2"))) ", " RESULT(           \
        ID9, "resQ1") ", " RESULT("jklmnopqr", "resQ2") "]"
#define BESIDE(A) "[" USER ", " CALLING("\"txtQ1\"", "", CALL(ID9, A("valQ1"))) ", " RESULT(ID9, "resQ1") "]"
#define LONG(A)   "[" USER ", " CALLING("\"\"", "", CALL(ID20, A("valQ1"))) ", " RESULT(ID20, "resQ1") "]"
#define SHORT(A)  "[" USER ", " CALLING("\"\"", "", CALL(ID9, A("valQ1"))) ", " RESULT(ID9, "resQ1") "]"

static void probe_call_details(struct probing *of)
{
    struct template_caps *c = &of->template->caps;
    c->parallel = c->id_rendered = c->call_with_text = 1;
    if (!c->tool_calls)
        return;
    c->call_with_text = call_shows(of, BESIDE(OBJECT), BESIDE(STRING), WORDS("txtQ1"));
    c->parallel = call_shows(of, TWO(OBJECT), TWO(STRING), WORDS("valQ1", "valQ2"));
    c->id_rendered = call_shows(of, SHORT(OBJECT), SHORT(STRING), WORDS(id9));
    c->id = !call_shows(of, LONG(OBJECT), LONG(STRING), WORDS("valQ1")) ? CALL_ID_ALNUM9
            : c->format->syntax == SYNTAX_KIMI                          ? CALL_ID_KIMI
                                                                        : CALL_ID_ANY;
}

/* ---- thinking ---- */

static int reasoning_shows(struct probing *of, const char *plain, const char *calling)
{
    static const char on[] = "{\"enable_thinking\": true, \"thinking\": true}";
    return shows(of, plain, NULL, on, 0, WORDS("reaQ1"), NULL) ||
           shows(of, calling, tools, on, 1, WORDS("reaQ1"), NULL);
}

#define PLAIN(field) "[" USER ", {\"role\": \"assistant\", \"content\": \"ansQ1\", \"" field "\": \"reaQ1\"}]"
#define WITH_CALL(field)                                                                                               \
    "[" USER                                                                                                           \
    ", " CALLING("\"\"", ", \"" field "\": \"reaQ1\"", CALL(ID9, OBJECT("valQ1"))) ", " RESULT(ID9, "resQ1") "]"
#define PARTS "[{\"type\": \"thinking\", \"thinking\": \"reaQ1\"}, {\"type\": \"text\", \"text\": \"ansQ1\"}]"

static void probe_reasoning(struct probing *of)
{
    struct template_caps *c = &of->template->caps;
    if (reasoning_shows(of, PLAIN("reasoning_content"), WITH_CALL("reasoning_content")))
        c->reasoning = REASONING_CONTENT;
    else if (reasoning_shows(of, PLAIN("reasoning"), WITH_CALL("reasoning")))
        c->reasoning = REASONING_PLAIN;
    else if (reasoning_shows(of, PLAIN("thinking"), WITH_CALL("thinking")))
        c->reasoning = REASONING_THINKING;
    else if (shows(of, "[" USER ", {\"role\": \"assistant\", \"content\": " PARTS "}]", NULL,
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

static void probe_switch(struct probing *of)
{
    static const struct {
        const char *name, *on, *off;
    } variables[] = {{"enable_thinking", "{\"enable_thinking\": true}", "{\"enable_thinking\": false}"},
                     {"thinking", "{\"thinking\": true}", "{\"thinking\": false}"}};
    struct template_caps *c = &of->template->caps;
    for (size_t i = 0; i < 2 && !c->thinking_var; i++) {
        struct probe p[PROBES];
        int ok = 1;
        for (int k = 0; k < PROBES; k++) {
            p[k] = (struct probe){.of = of, .messages = "[" USER "]", .generate = 1};
            p[k].variables = k == 1 ? variables[i].on : k == 2 ? variables[i].off : NULL;
            ok &= probe_begin(&p[k]) == 0;
        }
        if (ok && !same(&p[1].text, &p[2].text)) {
            c->thinking_var = variables[i].name;
            c->thinking_default = same(&p[0].text, &p[1].text)   ? THINKING_ON
                                  : same(&p[0].text, &p[2].text) ? THINKING_OFF
                                                                 : THINKING_OTHER;
        }
        for (int k = PROBES; k-- > 0;)
            probe_end(&p[k]);
    }
}

/* What add_generation_prompt adds, or what follows the user's text where that is not simply appended; NULL: nothing renders. */
static const char *generated(struct probing *of, struct jrun *r, const char *variables)
{
    struct probe with = {.of = of, .messages = "[" USER "]", .variables = variables, .generate = 1}, without = with;
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
        added = arena_copy(r->arena, with.text.bytes + from, with.text.n - from);
        if (!added)
            of->error.kind = JINJA_MEMORY;
        probe_end(&without);
    }
    probe_end(&with);
    return added;
}

static void probe_generation(struct probing *of, struct jrun *r)
{
    struct template_caps *c = &of->template->caps;
    char variables[80];
    c->generation_prompt[0] = generated(of, r, NULL);
    for (int on = 1; c->thinking_var && on >= 0; on--) {
        snprintf(variables, sizeof variables, "{\"%s\": %s}", c->thinking_var, on ? "true" : "false");
        c->generation_prompt[on ? 1 : 2] = generated(of, r, variables);
    }
}

int template_probe(struct chat_template *t, struct jrun *r)
{
    struct probing of = {.template = t};
    for (int i = 0; i < PROBES; i++)
        arena_init_growing(&of.arena[i]);
    probe_roles(&of);
    probe_tools(&of);
    probe_calls(&of);
    probe_call_details(&of);
    probe_reasoning(&of);
    probe_switch(&of);
    probe_generation(&of, r);
    for (int i = 0; i < PROBES; i++)
        arena_free(&of.arena[i]);
    *r->error = of.error;
    return of.error.kind == JINJA_OK ? 0 : -1;
}
