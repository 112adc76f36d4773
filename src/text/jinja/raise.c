/* Errors that name a value: refusals of the template, what is undefined, types as Python calls them. See value.h. */
#include "text/jinja/tree.h"

#include <stdio.h>

void jraise(struct jrun *r, const struct jstring *message)
{
    struct jinja_error *e = r->error;
    message = jstring_copy(r, message->bytes, message->n, ORIGIN_TEMPLATE); /* the template may go first */
    *e = (struct jinja_error){.kind = JINJA_RAISE, .raised = message->bytes, .n_raised = message->n};
    size_t n = jwrite_position(r, e->text, 320);
    snprintf(e->text + n, sizeof e->text - n, "the template refuses: %s", jstring_short(r, message));
    jrun_leave(r);
}

struct jvalue jundefined(struct jrun *r, const char *owner, const struct jstring *name)
{
    struct jundefined *u = jalloc(r, sizeof *u);
    *u = (struct jundefined){owner, name};
    return (struct jvalue){J_UNDEFINED, {.undefined = u}};
}

void jfail_undefined(struct jrun *r, struct jvalue v)
{
    const struct jundefined *u = v.u.undefined;
    const char *name = u->name ? jstring_short(r, u->name) : "item";
    if (u->owner)
        jfail(r, JINJA_RUNTIME, "%s has no attribute '%s'", u->owner, name);
    jfail(r, JINJA_RUNTIME, "'%s' is undefined", name);
}

const char *jtype_name(struct jvalue v)
{
    static const char *const names[] = {"nothing",   "Undefined", "NoneType",  "bool",        "int",   "float",
                                        "number",    "str",       "list",      "tuple",       "dict",  "range",
                                        "generator", "view",      "Namespace", "LoopContext", "Macro", "function",
                                        "method",    "Cycler",    "Joiner"};
    if (v.type == J_NUMBER)
        return v.u.number->is == JNUMBER_FLOAT ? "float" : "int";
    return names[v.type];
}
