/* Calls: builtins with their parameters in order, macros, and whatever else can be called. templates.md 3.2. */
#include "text/jinja/tree.h"

#include <string.h>

const struct jbuiltin *jbuiltin_find(const struct jbuiltin *table, const struct jstring *name)
{
    for (; table->name; table++)
        if (jstring_is(name, table->name))
            return table;
    return NULL;
}

/* Place of a name in "width first blank"; the number of names when it is not there. */
static size_t param_index(const char *params, const struct jstring *name, size_t *count)
{
    size_t at = SIZE_MAX, i = 0;
    for (const char *p = params; *p; i++) {
        size_t n = strcspn(p, " ");
        if (name && n == name->n && memcmp(p, name->bytes, n) == 0)
            at = i;
        p += n + (p[n] == ' ');
    }
    *count = i;
    return at;
}

static const char *param_name(struct jrun *r, const char *params, size_t index)
{
    while (index--)
        params += strcspn(params, " ") + 1;
    size_t n = strcspn(params, " ");
    char *copy = jalloc(r, n + 1);
    memcpy(copy, params, n);
    return copy;
}

enum { PARAMS_MOST = 8 };

struct jvalue jbuiltin_call(struct jrun *r, const struct jbuiltin *b, struct jvalue self, struct jvalue *arg, size_t n,
                            struct jkeyword *keyed, size_t n_keyed)
{
    struct jvalue ordered[PARAMS_MOST] = {0};
    struct jcall c = {r, b, self, arg, n, keyed, n_keyed};
    size_t count, at;
    jdeeper(r); /* map may call map */
    if (!b->run)
        jfail(r, JINJA_RUNTIME, "%s is not supported", b->name);
    if (!b->params)
        return b->run(&c);
    param_index(b->params, NULL, &count);
    if (n > count)
        jfail(r, JINJA_RUNTIME, "%s takes at most %zu arguments, not %zu", b->name, count, n);
    if (n)
        memcpy(ordered, arg, n * sizeof *arg);
    for (size_t i = 0; i < n_keyed; i++) {
        at = param_index(b->params, keyed[i].name, &count);
        if (at == SIZE_MAX || ordered[at].type != J_UNSET)
            jfail(r, JINJA_RUNTIME, "%s %s '%s'", b->name,
                  at == SIZE_MAX ? "has no argument named" : "got two values for the argument",
                  jstring_short(r, keyed[i].name));
        ordered[at] = keyed[i].value;
    }
    for (int i = 0; i < b->required; i++)
        if (ordered[i].type == J_UNSET)
            jfail(r, JINJA_RUNTIME, "%s needs the argument '%s'", b->name, param_name(r, b->params, (size_t)i));
    c.arg = ordered;
    c.n = count;
    return b->run(&c);
}

/* ---- arguments ---- */

int64_t jarg_int(struct jcall *c, size_t i, int64_t absent)
{
    int64_t value;
    if (i >= c->n || c->arg[i].type == J_UNSET)
        return absent;
    if (!jis_integer(c->arg[i], &value))
        jfail(c->run, JINJA_RUNTIME, "%s takes an integer, not %s", c->builtin->name, jtype_name(c->arg[i]));
    return value;
}

int64_t jarg_size(struct jcall *c, size_t i, int64_t absent)
{
    const int64_t most = INT64_C(1) << 40;
    int64_t n = jarg_int(c, i, absent);
    return n > most ? most : n < -most ? -most : n;
}

int jarg_truth(struct jcall *c, size_t i, int absent)
{
    return i >= c->n || c->arg[i].type == J_UNSET ? absent : jtruth(c->arg[i]);
}

const struct jstring *jarg_string(struct jcall *c, size_t i)
{
    if (i >= c->n || c->arg[i].type == J_UNSET)
        return NULL;
    if (c->arg[i].type == J_UNDEFINED)
        jfail_undefined(c->run, c->arg[i]);
    if (c->arg[i].type != J_STRING)
        jfail(c->run, JINJA_RUNTIME, "%s takes a text, not %s", c->builtin->name, jtype_name(c->arg[i]));
    return c->arg[i].u.s;
}

const struct jstring *jself_string(struct jcall *c) { return jtext(c->run, c->self); }

/* ---- macros ---- */

static void bind_keyword(struct jrun *r, const struct jmacro *m, struct jframe *f, const struct jkeyword *k,
                         struct jdict *rest)
{
    const struct jmacrodef *d = m->def;
    if (d->caller >= 0 && jstring_is(k->name, "caller")) {
        f->slot[d->caller] = k->value;
        return;
    }
    for (size_t i = 0; i < d->n_param; i++)
        if (jstring_equal(d->scope->name[i], k->name)) {
            if (f->slot[i].type != J_UNSET)
                jfail(r, JINJA_RUNTIME, "the macro %.40s got two values for '%s'", d->name->bytes,
                      jstring_short(r, k->name));
            f->slot[i] = k->value;
            return;
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
