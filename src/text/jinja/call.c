/* Calls of macros, and of whatever else can be called. templates.md 3.2. */
#include "text/jinja/tree.h"

#include <string.h>

/* ---- macros ---- */

static void bind_keyword(struct jrun *r, const struct jmacro *m, struct jframe *f, const struct jkeyword *k,
                         struct jdict *rest)
{
    const struct jmacrodef *d = m->def;
    if (d->caller >= 0 && jstring_is(k->name, "caller")) {
        f->slot[d->caller] = k->value;
        return;
    }
    for (size_t i = 0; i < d->n_param; i++) {
        jwork(r, 1 + k->name->n / 64);
        if (jstring_equal(d->scope->name[i], k->name)) {
            if (f->slot[i].type != J_UNSET)
                jfail(r, JINJA_RUNTIME, "the macro %.40s got two values for '%s'", d->name->bytes,
                      jstring_short(r, k->name));
            f->slot[i] = k->value;
            return;
        }
    }
    if (!rest)
        jfail(r, JINJA_RUNTIME, "the macro %.40s has no argument named '%s'", d->name->bytes,
              jstring_short(r, k->name));
    jdict_set(r, rest, jstr(k->name), k->value);
}

static void bind(struct jrun *r, const struct jmacro *m, struct jframe *f, struct jvalue *arg, size_t n,
                 struct jkeyword *keyed, size_t n_keyed)
{
    const struct jmacrodef *d = m->def;
    if (n > d->n_param && d->varargs < 0)
        jfail(r, JINJA_RUNTIME, "the macro %.40s takes at most %zu arguments, not %zu", d->name->bytes, d->n_param, n);
    for (size_t i = 0; i < n && i < d->n_param; i++)
        f->slot[i] = arg[i];
    if (d->varargs >= 0) {
        struct jlist *rest = jlist_new(r, 0);
        for (size_t i = d->n_param; i < n; i++)
            jlist_add(r, rest, arg[i]);
        f->slot[d->varargs] = jtuplev(rest);
    }
    struct jdict *rest = d->kwargs >= 0 ? jdict_new(r) : NULL;
    if (rest)
        f->slot[d->kwargs] = jdictv(rest);
    for (size_t i = 0; i < n_keyed; i++)
        bind_keyword(r, m, f, &keyed[i], rest);
    for (size_t i = 0; i < d->n_param; i++) {
        if (f->slot[i].type != J_UNSET)
            continue;
        f->slot[i] = d->fallback[i] ? jeval(r, f, d->fallback[i]) : jundefined(r, NULL, d->scope->name[i]);
    }
    if (d->caller >= 0 && f->slot[d->caller].type == J_UNSET)
        f->slot[d->caller] = jundefined(r, NULL, jstring_word(r, "caller"));
}

struct jvalue jcall_macro(struct jrun *r, const struct jmacro *m, struct jvalue *arg, size_t n, struct jkeyword *keyed,
                          size_t n_keyed)
{
    struct jcalled here = {r->called, m->def->name, r->at};
    struct jbuffer out = jbuffer_new(r);
    if (r->n_called >= JCALLS_MOST)
        jfail(r, JINJA_LIMIT, "macros call each other more than %d deep", JCALLS_MOST);
    struct jframe *f = jframe_new(r, m->def->scope, m->outer);
    bind(r, m, f, arg, n, keyed, n_keyed);
    r->called = &here;
    r->n_called++;
    jexec(r, f, m->def->body, &out);
    r->n_called--;
    r->called = here.outer;
    r->at = here.from;
    jframe_drop(r, m->def->scope, f);
    return jstr(jbuffer_done(&out));
}

/* ---- anything ---- */

static struct jvalue call_cycler(struct jrun *r, struct jvalue v)
{
    struct jcycler *c = v.u.cycler;
    size_t at = c->at++;
    if (v.type == J_JOINER)
        return at == 0 ? jstr(jstring_word(r, "")) : c->items->item[0];
    return c->items->item[at % c->items->n];
}

struct jvalue jcall_value(struct jrun *r, struct jvalue callee, struct jvalue *arg, size_t n, struct jkeyword *keyed,
                          size_t n_keyed)
{
    switch (callee.type) {
    case J_FUNCTION:
        return jbuiltin_call(r, callee.u.function, JNONE, arg, n, keyed, n_keyed);
    case J_METHOD:
        return jbuiltin_call(r, callee.u.method->builtin, callee.u.method->self, arg, n, keyed, n_keyed);
    case J_MACRO:
        return jcall_macro(r, callee.u.macro, arg, n, keyed, n_keyed);
    case J_LOOP:
        if (n != 1 || n_keyed)
            jfail(r, JINJA_RUNTIME, "loop takes one argument");
        return jloop_call(r, callee.u.loop, arg[0]);
    case J_CYCLER:
    case J_JOINER:
        if (n || n_keyed)
            jfail(r, JINJA_RUNTIME, "a %s takes no arguments", jtype_name(callee));
        return call_cycler(r, callee);
    case J_UNDEFINED:
        jfail_undefined(r, callee);
    default:
        jfail(r, JINJA_RUNTIME, "'%s' object is not callable", jtype_name(callee));
    }
}
