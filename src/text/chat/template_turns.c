/* A request's messages as turns: contents as one text, calls with their arguments parsed, every result with its call, in the
 * order of the calls. Steps 1 to 4 of templates.md 6. Text of an assistant has ORIGIN_ASSISTANT, all other text ORIGIN_USER. */
#include "text/chat/template_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 120 };

void conversation_refuse(struct conversation *t, const char *problem, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    vsnprintf(t->path, PATH_BYTES, path, args);
    va_end(args);
    jfail(t->run, JINJA_REQUEST, "%s%s%s", t->path, *t->path ? " " : "", problem);
}

struct turn *conversation_insert(struct conversation *t, size_t at, enum turn_role role, const struct jstring *content)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        struct turn *grown = jalloc_array(t->run, t->cap, sizeof *grown);
        if (t->n)
            memcpy(grown, t->turn, t->n * sizeof *grown);
        t->turn = grown;
    }
    memmove(t->turn + at + 1, t->turn + at, (t->n - at) * sizeof *t->turn);
    t->n++;
    t->turn[at] = (struct turn){.role = role, .content = content};
    return &t->turn[at];
}

struct turn *conversation_add(struct conversation *t, enum turn_role role, const struct jstring *content)
{
    return conversation_insert(t, t->n, role, content);
}

const struct jstring *conversation_join(struct conversation *t, const struct jstring *a, const char *between,
                                        enum text_origin origin, const struct jstring *b)
{
    if (a->n == 0 || b->n == 0)
        return a->n ? a : b;
    /* grows in place: many joins in a row are linear */
    return jstring_concat(t->run, jstring_concat(t->run, a, jstring_of(t->run, between, strlen(between), origin)), b);
}

/* ---- fields of a message ---- */

/* A member that is there and not null. */
static const struct jvalue *member(struct conversation *t, const struct jdict *d, const char *name)
{
    const struct jvalue *v = jdict_find(t->run, d, name);
    return v && v->type != J_NONE ? v : NULL;
}

static const struct jstring *text_member(struct conversation *t, const struct jdict *d, const char *name,
                                         size_t message)
{
    const struct jvalue *v = member(t, d, name);
    if (v && v->type != J_STRING)
        conversation_refuse(t, "is not a string", "messages[%zu].%s", message, name);
    return v ? v->u.s : NULL;
}

static enum turn_role role_of(struct conversation *t, const struct jdict *d, size_t i)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    const struct jstring *role = text_member(t, d, "role", i);
    if (!role)
        conversation_refuse(t, "is missing", "messages[%zu].role", i);
    for (int k = TURN_SYSTEM; k <= TURN_TOOL; k++)
        if (jstring_is(role, roles[k]))
            return (enum turn_role)k;
    char problem[200];
    snprintf(problem, sizeof problem, "is \"%.80s\"; roles are system, developer, user, assistant and tool",
             jstring_short(t->run, role));
    conversation_refuse(t, problem, "messages[%zu].role", i);
}

static const struct jstring *part_text(struct conversation *t, struct jvalue part, size_t message, size_t i)
{
    const struct jvalue *type = part.type == J_DICT ? member(t, part.u.dict, "type") : NULL;
    if (!type || type->type != J_STRING || !jstring_is(type->u.s, "text"))
        conversation_refuse(t, "is not \"text\", the only kind of part that is supported",
                            "messages[%zu].content[%zu].type", message, i);
    const struct jvalue *text = member(t, part.u.dict, "text");
    if (!text || text->type != J_STRING)
        conversation_refuse(t, "is not a string", "messages[%zu].content[%zu].text", message, i);
    return text->u.s;
}

static const struct jstring *content_of(struct conversation *t, const struct jdict *d, enum text_origin origin,
                                        size_t i)
{
    const struct jvalue *v = member(t, d, "content");
    if (!v)
        return jstring_word(t->run, "");
    if (v->type == J_STRING)
        return jstring_marked(t->run, v->u.s, origin);
    if (v->type != J_LIST)
        conversation_refuse(t, "is neither a string nor a list of parts", "messages[%zu].content", i);
    struct jbuffer text = jbuffer_new(t->run);
    for (size_t k = 0; k < v->u.list->n; k++) {
        if (k)
            jbuffer_add(&text, "\n", 1, origin);
        const struct jstring *part = part_text(t, v->u.list->item[k], i, k);
        jbuffer_add(&text, part->bytes, part->n, origin);
    }
    return jbuffer_done(&text);
}

static const struct jstring *reasoning_of(struct conversation *t, const struct jdict *d, size_t i)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct jstring *s = text_member(t, d, names[k], i);
        if (s && s->n)
            return jstring_marked(t->run, s, ORIGIN_ASSISTANT);
    }
    return NULL;
}

/* ---- calls ---- */

static void read_arguments(struct conversation *t, struct turn_call *c, const struct jvalue *v, size_t i, size_t k)
{
    const char *problem = NULL;
    if (!v)
        c->text = jstring_word(t->run, "");
    else if (v->type == J_STRING)
        c->text = jstring_marked(t->run, v->u.s, ORIGIN_ASSISTANT);
    else
        c->text = jstring_marked(t->run, jjson_write(t->run, *v, &jjson_plain), ORIGIN_ASSISTANT);
    c->arguments = c->text->n == 0 ? jdictv(jdict_new(t->run))
                                   : jjson_parse(t->run, c->text->bytes, c->text->n, ORIGIN_ASSISTANT, &problem, NULL);
    if (problem || c->arguments.type != J_DICT)
        conversation_refuse(t, problem ? "is not JSON" : "is not a JSON object",
                            "messages[%zu].tool_calls[%zu].function.arguments", i, k);
}

static void read_call(struct conversation *t, struct turn_call *c, struct jvalue v, size_t i, size_t k)
{
    const struct jvalue *function = v.type == J_DICT ? member(t, v.u.dict, "function") : NULL;
    if (!function || function->type != J_DICT)
        conversation_refuse(t, "is not an object", "messages[%zu].tool_calls[%zu].function", i, k);
    const struct jvalue *name = member(t, function->u.dict, "name"), *id = member(t, v.u.dict, "id");
    if (!name || name->type != J_STRING)
        conversation_refuse(t, "is not a string", "messages[%zu].tool_calls[%zu].function.name", i, k);
    if (id && id->type != J_STRING)
        conversation_refuse(t, "is not a string", "messages[%zu].tool_calls[%zu].id", i, k);
    *c = (struct turn_call){.index = t->n_call++};
    c->name = jstring_marked(t->run, name->u.s, ORIGIN_ASSISTANT);
    c->id = id ? jstring_marked(t->run, id->u.s, ORIGIN_ASSISTANT) : NULL;
    read_arguments(t, c, member(t, function->u.dict, "arguments"), i, k);
}

static void read_calls(struct conversation *t, struct turn *turn, const struct jvalue *calls, size_t i)
{
    if (calls->type != J_LIST)
        conversation_refuse(t, "is not a list", "messages[%zu].tool_calls", i);
    turn->n_call = calls->u.list->n;
    turn->call = jalloc_array(t->run, turn->n_call, sizeof *turn->call);
    for (size_t k = 0; k < turn->n_call; k++)
        read_call(t, &turn->call[k], calls->u.list->item[k], i, k);
}

static void read_message(struct conversation *t, struct jvalue message, size_t i)
{
    if (message.type != J_DICT)
        conversation_refuse(t, "is not an object", "messages[%zu]", i);
    const struct jdict *d = message.u.dict;
    enum turn_role role = role_of(t, d, i);
    const struct jvalue *calls = role == TURN_ASSISTANT ? member(t, d, "tool_calls") : NULL;
    struct turn *turn = conversation_add(t, role,
                                         content_of(t, d, role == TURN_ASSISTANT ? ORIGIN_ASSISTANT : ORIGIN_USER, i));
    turn->name = text_member(t, d, "name", i);
    if (role == TURN_DEVELOPER && !t->caps->developer)
        turn->role = TURN_SYSTEM;
    if (role == TURN_ASSISTANT)
        turn->reasoning = reasoning_of(t, d, i);
    if (role == TURN_TOOL)
        turn->call_id = text_member(t, d, "tool_call_id", i);
    if (calls)
        read_calls(t, turn, calls, i);
}

/* ---- results ---- */

static int is_alnum9(const struct jstring *s)
{
    if (s->n != 9)
        return 0;
    for (size_t i = 0; i < 9; i++) {
        char c = s->bytes[i];
        if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9'))
            return 0;
    }
    return 1;
}

/* The id as the template wants it. */
static void resolve_id(struct conversation *t, struct turn_call *c)
{
    char text[32];
    if (t->caps->id == CALL_ID_ALNUM9 && !(c->id && is_alnum9(c->id))) {
        snprintf(text, sizeof text, "%09zu", c->index % 1000000000);
        c->id = jstring_copy(t->run, text, strlen(text), ORIGIN_ASSISTANT);
    } else if (t->caps->id == CALL_ID_KIMI) {
        struct jbuffer id = jbuffer_new(t->run);
        snprintf(text, sizeof text, ":%zu", c->index);
        jbuffer_add(&id, "functions.", 10, ORIGIN_ASSISTANT);
        jbuffer_string(&id, c->name);
        jbuffer_add(&id, text, strlen(text), ORIGIN_ASSISTANT);
        c->id = jbuffer_done(&id);
    }
}

/* Which call each result answers: by its id, else by its position behind the calls. */
static void link_results(struct conversation *t)
{
    struct jdict *by_id = jdict_new(t->run); /* id -> turn and call, the latest that has it */
    size_t last = SIZE_MAX, answered = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct turn *turn = &t->turn[i];
        for (size_t k = 0; k < turn->n_call; k++)
            if (turn->call[k].id)
                jdict_set(t->run, by_id, jstr(turn->call[k].id), jpair(t->run, jint((int64_t)i), jint((int64_t)k)));
        if (turn->n_call) {
            last = i;
            answered = 0;
        }
        if (turn->role != TURN_TOOL)
            continue;
        if (turn->call_id) {
            const struct jvalue *found = jdict_get(t->run, by_id, jstr(turn->call_id));
            if (!found)
                conversation_refuse(t, "names no call of this conversation", "messages[%zu].tool_call_id", i);
            const struct jvalue *position = found->u.list->item;
            turn->of = &t->turn[position[0].u.i].call[position[1].u.i];
        } else if (last != SIZE_MAX && answered < t->turn[last].n_call) {
            turn->of = &t->turn[last].call[answered];
        }
        answered++;
    }
}

/* Results that stand together in the order of their calls. */
static void order_results(struct conversation *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t end = i;
        while (end < t->n && t->turn[end].role == TURN_TOOL)
            end++;
        size_t n = end - i;
        if (n < 2)
            continue;
        struct jvalue *item = jalloc_array(t->run, n, sizeof *item), *key = jalloc_array(t->run, n, sizeof *key);
        struct turn *old = jalloc_array(t->run, n, sizeof *old);
        memcpy(old, t->turn + i, n * sizeof *old);
        for (size_t k = 0; k < n; k++) {
            item[k] = jint((int64_t)k);
            key[k] = jint(old[k].of ? (int64_t)old[k].of->index : INT64_MAX);
        }
        jsort(t->run, item, key, n, 0);
        for (size_t k = 0; k < n; k++)
            t->turn[i + k] = old[item[k].u.i];
        i = end;
    }
}

void conversation_read(struct conversation *t)
{
    const struct jvalue *messages = member(t, t->request.u.dict, "messages");
    if (!messages || messages->type != J_LIST)
        conversation_refuse(t, messages ? "is not a list" : "is missing", "messages");
    for (size_t i = 0; i < messages->u.list->n; i++)
        read_message(t, messages->u.list->item[i], i);
    link_results(t);
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->turn[i].n_call; k++)
            resolve_id(t, &t->turn[i].call[k]);
    for (size_t i = 0; i < t->n; i++) {
        struct turn *turn = &t->turn[i];
        if (!turn->of)
            continue;
        turn->name = jstring_marked(t->run, turn->of->name, ORIGIN_USER);
        turn->call_id = turn->of->id ? jstring_marked(t->run, turn->of->id, ORIGIN_USER) : NULL;
    }
    order_results(t);
}
