/* Scopes and names. A name is resolved when the whole template is read: each scope around it that sets the name, from within, is one of
 * its bindings, and the first that has a value when the name is read gives it. See tree.h. */
#include "text/jinja/tree.h"

#include <string.h>

int jname_constant(const struct jstring *name, struct jvalue *v)
{
    if (jstring_is(name, "true") || jstring_is(name, "True"))
        *v = jbool(1);
    else if (jstring_is(name, "false") || jstring_is(name, "False"))
        *v = jbool(0);
    else if (jstring_is(name, "none") || jstring_is(name, "None"))
        *v = JNONE;
    else
        return 0;
    return 1;
}

struct jscope *jscope_new(struct jparser *p)
{
    struct jscope *s = jalloc(p->run, sizeof *s);
    *s = (struct jscope){.outer = p->scope, .loop = -1};
    return s;
}

static int find_slot(struct jparser *p, const struct jscope *s, const struct jstring *name)
{
    jwork(p->run, 1 + s->n);
    for (size_t i = 0; i < s->n; i++)
        if (jstring_equal(s->name[i], name))
            return (int)i;
    return -1;
}

int jslot_of(struct jparser *p, struct jscope *s, const struct jstring *name)
{
    int slot = find_slot(p, s, name);
    if (slot >= 0)
        return slot;
    if (s->n == JNAMES_MOST)
        jfail_compile(p->run, p->token->pos, "more than %d names are set in one scope", JNAMES_MOST);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        const struct jstring **grown = jalloc_array(p->run, s->cap, sizeof *grown);
        if (s->n)
            memcpy(grown, s->name, s->n * sizeof *grown);
        s->name = grown;
    }
    s->name[s->n] = name;
    return (int)s->n++;
}

struct jnode *jparse_name(struct jparser *p, const struct jstring *name, uint32_t pos)
{
    struct jnode *n = jnode_new(p, JN_NAME, pos);
    struct jnamed *named = jalloc(p->run, sizeof *named);
    n->name = jstring_copy(p->run, name->bytes, name->n, ORIGIN_TEMPLATE);
    n->builtin = jglobal_find(name);
    *named = (struct jnamed){p->named, n, p->scope};
    p->named = named;
    return n;
}

void jsoften(struct jparser *p, const struct junknown *since)
{
    for (struct junknown *u = p->unknown; u && u != since; u = u->next) {
        jwork(p->run, 2);
        u->soft = 1;
    }
}

/* caller, varargs and kwargs are a macro's when its body asks for them. */
static void ask_macro(struct jparser *p, struct jscope *s, const struct jstring *name)
{
    struct jmacrodef *m = s->macro;
    int *slot = jstring_is(name, "caller")    ? &m->caller
                : jstring_is(name, "varargs") ? &m->varargs
                : jstring_is(name, "kwargs")  ? &m->kwargs
                                              : NULL;
    if (slot && *slot < 0 && find_slot(p, s, name) < 0)
        *slot = jslot_of(p, s, name);
}

void jresolve(struct jparser *p, const struct jnamed *named)
{
    struct jnode *n = named->node;
    struct jbinding binding[JTREE_MOST];
    size_t n_binding = 0;
    int hops = 0;
    for (struct jscope *s = named->scope; s; s = s->outer, hops++) {
        if (s->macro)
            ask_macro(p, s, n->name);
        int slot = find_slot(p, s, n->name);
        if (slot < 0)
            continue;
        if (slot == s->loop && n_binding == 0)
            s->uses_loop = 1;
        if (n_binding < JTREE_MOST)
            binding[n_binding++] = (struct jbinding){hops, slot};
    }
    struct jbinding *kept = jalloc_array(p->run, n_binding, sizeof *kept);
    memcpy(kept, binding, n_binding * sizeof *kept);
    n->binding = kept;
    n->n_binding = n_binding;
}
