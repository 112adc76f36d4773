/* Calls of the library's functions: found by name, with their parameters in order, whose types they ask for. templates.md 3.2. */
#include "text/jinja/tree.h"

#include <string.h>

const struct jbuiltin *jbuiltin_find(const struct jbuiltin *table, const struct jstring *name)
{
    for (; table->name; table++)
        if (jstring_is(name, table->name))
            return table;
    return NULL;
}

/* Index of a name in "width first blank"; the number of names when it is not there. */
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
