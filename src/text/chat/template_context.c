/* The variables of a rendering. templates.md 4. */
#include "text/chat/template_inner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- messages ---- */

static struct jvalue call_value(struct conversation *t, const struct turn_call *c)
{
    struct jrun *r = t->run;
    struct jdict *call = jdict_new(r), *function = jdict_new(r);
    if (c->id)
        jdict_put(r, call, "id", jstr(c->id));
    jdict_put(r, call, "type", jstr(jstring_word(r, "function")));
    jdict_put(r, function, "name", jstr(c->name));
    jdict_put(r, function, "arguments", t->caps->arguments == ARGUMENTS_STRING ? jstr(c->text) : c->arguments);
    jdict_put(r, call, "function", jdictv(function));
    return jdictv(call);
}

static struct jvalue content_value(const struct conversation *t, const struct turn *turn)
{
    if (turn->parts.type != J_UNSET)
        return turn->parts;
    if (turn->n_call && turn->content->n == 0 && t->caps->call_content_null)
        return JNONE;
    return jstr(turn->content);
}

static struct jvalue message_value(struct conversation *t, const struct turn *turn)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    static const char *const fields[] = {NULL, "reasoning_content", "reasoning", "thinking", NULL};
    struct jrun *r = t->run;
    struct jdict *m = jdict_new(r);
    jdict_put(r, m, "role", jstr(jstring_word(r, roles[turn->role])));
    jdict_put(r, m, "content", content_value(t, turn));
    if (turn->n_call) {
        struct jlist *calls = jlist_new(r, turn->n_call);
        for (size_t i = 0; i < turn->n_call; i++)
            jlist_add(r, calls, call_value(t, &turn->call[i]));
        jdict_put(r, m, "tool_calls", jlistv(calls));
    }
    if (turn->reasoning && fields[t->caps->reasoning])
        jdict_put(r, m, fields[t->caps->reasoning], jstr(turn->reasoning));
    if (turn->name)
        jdict_put(r, m, "name", jstr(turn->name));
    if (turn->call_id)
        jdict_put(r, m, "tool_call_id", jstr(turn->call_id));
    return jdictv(m);
}

/* ---- what every rendering has ---- */

static void put_text(struct jrun *r, struct jdict *d, const char *name, const char *text)
{
    if (text)
        jdict_put(r, d, name, jstr(jstring_word(r, text)));
}

/* FireFunction's own variables. */
static void put_functions(struct jrun *r, struct jdict *d, struct jvalue tools)
{
    struct jjson how = jjson_plain;
    how.indent = 4;
    how.item_separator = jstring_word(r, ",");
    struct jvalue list = tools.type == J_LIST ? tools : jlistv(jlist_new(r, 0));
    jdict_put(r, d, "functions", jstr(jstring_marked(r, jjson_write(r, list, &how), ORIGIN_USER)));
}

static void put_datetime(struct jrun *r, struct jdict *d)
{
    char text[80];
    struct jinja_clock t;
    if (r->clock) {
        t = *r->clock;
    } else {
        time_t seconds = time(NULL);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        t = (struct jinja_clock){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
    }
    snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d UTC", t.year, t.month, t.day, t.hour, t.minute,
             t.second);
    jdict_put(r, d, "datetime", jstr(jstring_copy(r, text, strlen(text), ORIGIN_TEMPLATE)));
}

struct jdict *template_variables(struct jrun *r, const struct chat_template *t, struct jvalue messages,
                                 struct jvalue tools, int generate)
{
    struct jdict *d = jdict_new(r);
    jdict_put(r, d, "messages", messages);
    if (tools.type == J_LIST || !t->caps.tools_undefined)
        jdict_put(r, d, "tools", tools);
    jdict_put(r, d, "documents", JNONE);
    jdict_put(r, d, "add_generation_prompt", jbool(generate));
    put_text(r, d, "bos_token", t->bos);
    put_text(r, d, "eos_token", t->eos);
    if (t->reads_functions)
        put_functions(r, d, tools);
    if (t->reads_datetime)
        put_datetime(r, d);
    return d;
}

/* ---- variables of the request ---- */

static void put_kwargs(struct conversation *t, struct jdict *d)
{
    static const char *const ours[] = {"messages", "tools", "bos_token", "eos_token"};
    const struct jvalue *v = jdict_find(t->run, t->request.u.dict, "chat_template_kwargs");
    if (!v || v->type == J_NONE)
        return;
    if (v->type != J_DICT)
        conversation_refuse(t, "is not an object", "chat_template_kwargs");
    for (size_t i = 0; i < v->u.dict->n; i++) {
        const struct jentry *e = &v->u.dict->entry[i];
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (jstring_is(e->key.u.s, ours[k]))
                conversation_refuse(t, "cannot be replaced by a request", "chat_template_kwargs.%s", ours[k]);
        jdict_set(t->run, d, e->key, e->value);
    }
}

static void put_thinking(struct conversation *t, struct jdict *d)
{
    const struct jvalue *v = jdict_find(t->run, t->request.u.dict, "enable_thinking");
    const char *name = t->caps->thinking_var ? t->caps->thinking_var : "enable_thinking";
    if (!v || v->type == J_NONE)
        return;
    if (v->type != J_BOOL)
        conversation_refuse(t, "is neither true nor false", "enable_thinking");
    jdict_put(t->run, d, name, *v);
}

static void put_effort(struct conversation *t, struct jdict *d)
{
    const struct jvalue *v = jdict_find(t->run, t->request.u.dict, "reasoning_effort");
    if (!v || v->type == J_NONE)
        return;
    if (v->type != J_STRING)
        conversation_refuse(t, "is not a string", "reasoning_effort");
    jdict_put(t->run, d, "reasoning_effort", *v);
}

struct jvalue conversation_context(struct conversation *t)
{
    struct jlist *messages = jlist_new(t->run, t->n);
    for (size_t i = 0; i < t->n; i++)
        jlist_add(t->run, messages, message_value(t, &t->turn[i]));
    struct jdict *d = template_variables(t->run, t->template, jlistv(messages), t->tools, !t->continues);
    put_thinking(t, d);
    put_effort(t, d);
    put_kwargs(t, d);
    return jdictv(d);
}
