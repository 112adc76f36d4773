/* Turns that the template can render: what it cannot render is expressed in another form. Steps 5 to 12 of templates.md 6, in their order,
 * and the joining of step 13. */
#include "text/chat/template_inner.h"
#include "text/tools/write.h"

#include <string.h>

/* ---- system messages ---- */

/* Leading ones become one. */
static void join_leading_systems(struct conversation *t)
{
    const struct jstring *text = jstring_word(t->run, "");
    size_t n = 0;
    while (n < t->n && t->turn[n].role == TURN_SYSTEM)
        text = conversation_join(t, text, "\n\n", ORIGIN_USER, t->turn[n++].content);
    size_t kept = text->n > 0;
    if (n == 0)
        return;
    if (kept)
        t->turn[0].content = text;
    memmove(t->turn + kept, t->turn + n, (t->n - n) * sizeof *t->turn);
    t->n -= n - kept;
}

/* Later ones as text of the user. */
static void system_as_reminders(struct conversation *t)
{
    static const char open[] = "<system-reminder>\n", close[] = "\n</system-reminder>\n";
    struct jbuffer waiting = jbuffer_new(t->run);
    size_t to = 0;
    struct turn *old = t->turn;
    size_t n = t->n;
    t->turn = NULL;
    t->n = t->cap = 0;
    for (size_t i = 0; i <= n; i++) {
        int is_later_system = i < n && to > 0 && old[i].role == TURN_SYSTEM;
        if (is_later_system) {
            jbuffer_add(&waiting, open, sizeof open - 1, ORIGIN_USER);
            jbuffer_string(&waiting, old[i].content);
            jbuffer_add(&waiting, close, sizeof close - 1, ORIGIN_USER);
            continue;
        }
        if (waiting.n && i < n && old[i].role == TURN_USER) {
            jbuffer_string(&waiting, old[i].content);
            old[i].content = jbuffer_done(&waiting);
            waiting = jbuffer_new(t->run);
        } else if (waiting.n) {
            conversation_add(t, TURN_USER, jbuffer_done(&waiting));
            waiting = jbuffer_new(t->run);
        }
        if (i < n) {
            *conversation_add(t, old[i].role, old[i].content) = old[i];
            to++;
        }
    }
}

/* The text of the leading system message; made if there is none. */
static struct turn *system_turn(struct conversation *t)
{
    if (t->n > 0 && t->turn[0].role == TURN_SYSTEM)
        return &t->turn[0];
    return conversation_insert(t, 0, TURN_SYSTEM, jstring_word(t->run, ""));
}

/* A template without a system turn: in front of the first user message. */
static void fold_system(struct conversation *t)
{
    if (t->n == 0 || t->turn[0].role != TURN_SYSTEM)
        return;
    const struct jstring *text = t->turn[0].content;
    memmove(t->turn, t->turn + 1, --t->n * sizeof *t->turn);
    for (size_t i = 0; i < t->n; i++)
        if (t->turn[i].role == TURN_USER) {
            struct jbuffer b = jbuffer_new(t->run);
            jbuffer_string(&b, text);
            jbuffer_word(&b, "\n\n");
            jbuffer_string(&b, t->turn[i].content);
            t->turn[i].content = jbuffer_done(&b);
            return;
        }
    conversation_insert(t, 0, TURN_USER, text);
}

/* ---- tools ---- */

struct put {
    struct jbuffer *to;
    enum text_origin theirs;
};

static void put(void *arg, int ours, const char *text, size_t n)
{
    struct put *p = arg;
    jbuffer_add(p->to, text, n, ours ? ORIGIN_TEMPLATE : p->theirs);
}

static void put_example(struct conversation *t, struct jbuffer *b)
{
    static const char name[] = "function_name", arguments[] = "{\"argument_name\": \"value\"}";
    struct tool_written example = {name, sizeof name - 1, arguments, sizeof arguments - 1};
    struct jbuffer text = jbuffer_new(t->run);
    struct put p = {&text, ORIGIN_TEMPLATE};
    char scratch[sizeof arguments];
    tool_write(tool_format_taught(t->caps->format), &example, 1, scratch, put, &p);
    size_t from = 0, to = text.n;
    while (from < to && text.bytes[from] == '\n')
        from++;
    while (to > from && text.bytes[to - 1] == '\n')
        to--;
    jbuffer_add(b, text.bytes + from, to - from, ORIGIN_TEMPLATE);
}

/* A template that does not know tools: they are explained in the system message. */
static void teach_tools(struct conversation *t)
{
    struct jbuffer b = jbuffer_new(t->run);
    struct turn *system = system_turn(t);
    jbuffer_string(&b, system->content);
    jbuffer_word(&b, system->content->n ? "\n\n" : "");
    jbuffer_word(&b, "# Tools\n\nYou may call these functions, one JSON schema a line:\n<tools>\n");
    for (size_t i = 0; i < t->tools.u.list->n; i++) {
        jbuffer_string(&b, jjson_write(t->run, t->tools.u.list->item[i], &jjson_plain));
        jbuffer_word(&b, "\n");
    }
    jbuffer_word(&b, "</tools>\n\nTo call functions, answer with exactly this form:\n");
    put_example(t, &b);
    system->content = jbuffer_done(&b);
    t->tools = JNONE;
}

static struct jdict *dict_member(struct conversation *t, struct jvalue of, const char *name)
{
    const struct jvalue *v = of.type == J_DICT ? jdict_find(t->run, of.u.dict, name) : NULL;
    return v && v->type == J_DICT ? v->u.dict : NULL;
}

static void describe(struct conversation *t, struct jdict *d)
{
    const struct jvalue *v = jdict_find(t->run, d, "description");
    if (!v || v->type == J_NONE)
        jdict_put(t->run, d, "description", jstr(jstring_word(t->run, "")));
}

static void describe_tools(struct conversation *t)
{
    for (size_t i = 0; i < t->tools.u.list->n; i++) {
        struct jdict *function = dict_member(t, t->tools.u.list->item[i], "function");
        struct jdict *parameters = function ? dict_member(t, jdictv(function), "parameters") : NULL;
        struct jdict *properties = parameters ? dict_member(t, jdictv(parameters), "properties") : NULL;
        if (function)
            describe(t, function);
        for (size_t k = 0; properties && k < properties->n; k++)
            if (properties->entry[k].value.type == J_DICT)
                describe(t, properties->entry[k].value.u.dict);
    }
}

/* ---- calls and results ---- */

/* A turn of n calls as n turns of one, each with its results behind it. */
static void split_calls(struct conversation *t)
{
    struct turn *old = t->turn;
    size_t n = t->n;
    t->turn = NULL;
    t->n = t->cap = 0;
    for (size_t i = 0; i < n; i++) {
        if (old[i].n_call < 2) {
            *conversation_add(t, old[i].role, old[i].content) = old[i];
            continue;
        }
        size_t end = i + 1;
        while (end < n && old[end].role == TURN_TOOL)
            end++;
        size_t next = i + 1;
        for (size_t k = 0; k < old[i].n_call; k++) {
            struct turn *one = conversation_add(t, TURN_ASSISTANT, old[i].content);
            *one = old[i];
            one->call = &old[i].call[k];
            one->n_call = 1;
            if (k > 0) {
                one->content = jstring_word(t->run, "");
                one->reasoning = NULL;
            }
            /* results are in the order of the calls */
            for (; next < end && old[next].of && old[next].of->index <= one->call->index; next++)
                *conversation_add(t, TURN_TOOL, old[next].content) = old[next];
        }
        for (; next < end; next++)
            *conversation_add(t, TURN_TOOL, old[next].content) = old[next];
        i = end - 1;
    }
}

static void write_calls(struct conversation *t, struct turn *turn)
{
    const struct tool_format *format = tool_format_taught(t->caps->format);
    struct tool_written *call = jalloc_array(t->run, turn->n_call, sizeof *call);
    struct jbuffer b = jbuffer_new(t->run);
    struct put p = {&b, ORIGIN_ASSISTANT};
    size_t longest = 0;
    for (size_t i = 0; i < turn->n_call; i++) {
        const struct jstring *arguments = jjson_write(t->run, turn->call[i].arguments, &jjson_plain);
        call[i] = (struct tool_written){turn->call[i].name->bytes, turn->call[i].name->n, arguments->bytes,
                                        arguments->n};
        longest = arguments->n > longest ? arguments->n : longest;
    }
    jbuffer_string(&b, turn->content);
    /* only hermes has a line of its own for calls */
    jbuffer_word(&b, turn->content->n && !format->write ? "\n" : "");
    tool_write(format, call, turn->n_call, jalloc(t->run, longest), put, &p);
    turn->content = jbuffer_done(&b);
    turn->n_call = 0;
}

/* Results as messages of the user; neighbouring messages of the user become one. */
static void tell_results(struct conversation *t)
{
    size_t to = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct turn turn = t->turn[i], *last = to ? &t->turn[to - 1] : NULL;
        if (turn.role == TURN_TOOL) {
            struct jbuffer b = jbuffer_new(t->run);
            jbuffer_word(&b, "<tool_response>\n");
            jbuffer_string(&b, turn.content);
            jbuffer_word(&b, "\n</tool_response>");
            turn = (struct turn){.role = TURN_USER, .content = jbuffer_done(&b)};
        }
        if (last && last->role == TURN_USER && turn.role == TURN_USER)
            last->content = conversation_join(t, last->content, "\n\n", ORIGIN_TEMPLATE, turn.content);
        else
            t->turn[to++] = turn;
    }
    t->n = to;
}

/* ---- reasoning ---- */

static struct jvalue part_of(struct conversation *t, const char *type, const struct jstring *text)
{
    struct jdict *d = jdict_new(t->run);
    jdict_put(t->run, d, "type", jstr(jstring_word(t->run, type)));
    jdict_put(t->run, d, type, jstr(text));
    return jdictv(d);
}

static void place_reasoning(struct conversation *t, struct turn *turn)
{
    if (!turn->reasoning)
        return;
    if (t->caps->reasoning == REASONING_NONE) {
        turn->reasoning = NULL;
    } else if (t->caps->reasoning == REASONING_THINKING && turn->n_call && turn->content->n) {
        turn->reasoning = conversation_join(t, turn->reasoning, "\n\n", ORIGIN_TEMPLATE, turn->content);
        turn->content = jstring_word(t->run, "");
    } else if (t->caps->reasoning == REASONING_PARTS) {
        struct jlist *parts = jlist_new(t->run, 2);
        jlist_add(t->run, parts, part_of(t, "thinking", turn->reasoning));
        if (turn->content->n)
            jlist_add(t->run, parts, part_of(t, "text", turn->content));
        turn->parts = jlistv(parts);
        turn->reasoning = NULL;
    }
}

void conversation_shape(struct conversation *t)
{
    const struct template_caps *caps = t->caps;
    join_leading_systems(t);
    if (!caps->system_later)
        system_as_reminders(t);
    if (t->tools.type == J_LIST && !caps->tools)
        teach_tools(t);
    if (!caps->parallel)
        split_calls(t);
    for (size_t i = 0; !caps->tool_calls && i < t->n; i++)
        if (t->turn[i].n_call)
            write_calls(t, &t->turn[i]);
    if (!caps->tool_results)
        tell_results(t);
    for (size_t i = 0; i < t->n; i++)
        place_reasoning(t, &t->turn[i]);
    if (!caps->system)
        fold_system(t);
    if (t->tools.type == J_LIST && caps->needs_descriptions)
        describe_tools(t);
    const struct turn *last = t->n ? &t->turn[t->n - 1] : NULL;
    t->continues = last && last->role == TURN_ASSISTANT && last->n_call == 0;
}

static int joins(const struct turn *a, const struct turn *b)
{
    return a->role == b->role && (a->role == TURN_USER || a->role == TURN_ASSISTANT) && !a->n_call && !b->n_call &&
           a->parts.type == J_UNSET && b->parts.type == J_UNSET;
}

int conversation_join_neighbours(struct conversation *t)
{
    size_t to = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct turn *last = to ? &t->turn[to - 1] : NULL;
        if (last && joins(last, &t->turn[i])) {
            last->content = conversation_join(t, last->content, "\n\n", ORIGIN_TEMPLATE, t->turn[i].content);
            if (last->reasoning && t->turn[i].reasoning)
                last->reasoning = conversation_join(t, last->reasoning, "\n\n", ORIGIN_TEMPLATE, t->turn[i].reasoning);
            else if (t->turn[i].reasoning)
                last->reasoning = t->turn[i].reasoning;
            continue;
        }
        t->turn[to++] = t->turn[i];
    }
    int joined = to < t->n;
    t->n = to;
    return joined;
}
