/* Expressions at work: a walk over the tree. Each case is a function of its own so that the frame of the recursion stays
 * small. */
#include "text/jinja/tree.h"

#include <string.h>

static struct jvalue eval_name(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    int hops = 0;
    for (size_t i = 0; i < n->n_binding; i++) {
        for (; hops < n->binding[i].hops; hops++) {
            jwork(r, 1);
            f = f->outer;
        }
        struct jvalue v = f->slot[n->binding[i].slot];
        if (v.type != J_UNSET)
            return v;
    }
    const struct jvalue *v = jdict_get(r, r->context.u.dict, jstr(n->name));
    if (v)
        return *v;
    if (n->builtin)
        return (struct jvalue){J_FUNCTION, {.function = n->builtin}};
    return jundefined(r, NULL, n->name);
}

static struct jlist *eval_items(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jlist *l = jlist_new(r, n->n);
    for (size_t i = 0; i < n->n; i++)
        jlist_add(r, l, jeval(r, f, n->list[i]));
    return l;
}

static struct jvalue eval_dict(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jdict *d = jdict_new(r);
    for (size_t i = 0; i + 1 < n->n; i += 2) {
        struct jvalue key = jeval(r, f, n->list[i]), value = jeval(r, f, n->list[i + 1]);
        r->at = n->pos;
        jdict_set(r, d, key, value);
    }
    return jdictv(d);
}

static struct jvalue eval_slice(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue part[3], of = jeval(r, f, n->a);
    for (int i = 0; i < 3; i++)
        part[i] = n->list[i] ? jeval(r, f, n->list[i]) : JUNSET;
    r->at = n->pos;
    return jslice(r, of, part[0], part[1], part[2]);
}

static struct jvalue eval_concat(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    const struct jstring *s = jtext(r, jeval(r, f, n->list[0]));
    s = jstring_safe(r, s, 0);
    for (size_t i = 1; i < n->n; i++) {
        struct jvalue v = jeval(r, f, n->list[i]);
        r->at = n->list[i]->pos;
        s = jstring_concat(r, s, jstring_safe(r, jtext(r, v), 0));
    }
    return jstr(s);
}

static int compare(struct jrun *r, enum jcompare op, struct jvalue a, struct jvalue b)
{
    static const char *const sign[] = {"==", "!=", "<", "<=", ">", ">="};
    int order;
    switch (op) {
    case JC_EQ:
        return jequal(r, a, b);
    case JC_NE:
        return !jequal(r, a, b);
    case JC_IN:
        return jcontains(r, b, a);
    case JC_NOTIN:
        return !jcontains(r, b, a);
    default:
        order = jorder(r, a, b, sign[op]);
        if (order == 2)
            return 0;
        return op == JC_LT ? order < 0 : op == JC_LE ? order <= 0 : op == JC_GT ? order > 0 : order >= 0;
    }
}

static struct jvalue eval_compare(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue a = jeval(r, f, n->a);
    for (size_t i = 0; i < n->n; i++) {
        struct jvalue b = jeval(r, f, n->list[i]);
        r->at = n->pos;
        if (!compare(r, n->compare[i], a, b))
            return jbool(0);
        a = b;
    }
    return jbool(1);
}

static struct jvalue eval_arith(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue a = jeval(r, f, n->a), b = jeval(r, f, n->b);
    r->at = n->pos;
    return jarith(r, (enum joperator)n->op, a, b);
}

static struct jvalue eval_cond(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    if (jtruth(jeval(r, f, n->a)))
        return jeval(r, f, n->b);
    return n->c ? jeval(r, f, n->c) : jundefined(r, NULL, jstring_word(r, "the if expression without else"));
}

/* ---- arguments ---- */

/* The values of a call, ready to be handed over. */
struct given {
    struct jvalue *item;
    struct jkeyword *keyed;
    size_t n, n_keyed;
};

static void add_star(struct jrun *r, struct given *g, struct jvalue star)
{
    struct jlist *more = jlist_of(r, star);
    struct jvalue *all = jalloc_array(r, g->n + more->n, sizeof *all);
    if (g->n)
        memcpy(all, g->item, g->n * sizeof *all);
    if (more->n)
        memcpy(all + g->n, more->item, more->n * sizeof *all);
    g->item = all;
    g->n += more->n;
}

static void add_star_star(struct jrun *r, struct given *g, struct jvalue star)
{
    if (star.type != J_DICT)
        jfail(r, JINJA_RUNTIME, "** takes a dict, not %s", jtype_name(star));
    const struct jdict *d = star.u.dict;
    struct jkeyword *all = jalloc_array(r, g->n_keyed + d->n, sizeof *all);
    if (g->n_keyed)
        memcpy(all, g->keyed, g->n_keyed * sizeof *all);
    for (size_t i = 0; i < d->n; i++) {
        if (d->entry[i].key.type != J_STRING)
            jfail(r, JINJA_RUNTIME, "** takes a dict whose keys are texts");
        all[g->n_keyed++] = (struct jkeyword){d->entry[i].key.u.s, d->entry[i].value};
    }
    g->keyed = all;
}

static struct given eval_args(struct jrun *r, struct jframe *f, const struct jargs *args)
{
    struct given g = {0};
    if (!args)
        return g;
    g.item = args->n ? jalloc_array(r, args->n, sizeof *g.item) : NULL;
    g.keyed = args->n_keyed ? jalloc_array(r, args->n_keyed, sizeof *g.keyed) : NULL;
    for (; g.n < args->n; g.n++)
        g.item[g.n] = jeval(r, f, args->item[g.n]);
    for (; g.n_keyed < args->n_keyed; g.n_keyed++)
        g.keyed[g.n_keyed] = (struct jkeyword){args->keyed[g.n_keyed].name, jeval(r, f, args->keyed[g.n_keyed].value)};
    if (args->star)
        add_star(r, &g, jeval(r, f, args->star));
    if (args->star_star)
        add_star_star(r, &g, jeval(r, f, args->star_star));
    return g;
}

/* x.name(...) of a known method needs no method value. */
static const struct jbuiltin *direct_method(struct jvalue self, const struct jnode *callee)
{
    return self.type == J_STRING ? callee->method[0]
           : self.type == J_LIST ? callee->method[1]
           : self.type == J_DICT ? callee->method[2]
                                 : NULL;
}

static struct jvalue eval_call(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue callee, self = JUNSET;
    const struct jbuiltin *method = NULL;
    if (n->a->kind == JN_ATTR) {
        self = jeval(r, f, n->a->a);
        method = direct_method(self, n->a);
        r->at = n->a->pos;
        callee = method ? JUNSET : jget_attr(r, self, n->a->name);
    } else {
        callee = jeval(r, f, n->a);
    }
    struct given g = eval_args(r, f, n->args);
    r->at = n->a->pos;
    if (method)
        return jbuiltin_call(r, method, self, g.item, g.n, g.keyed, g.n_keyed);
    return jcall_value(r, callee, g.item, g.n, g.keyed, g.n_keyed);
}

static struct jvalue eval_filter(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue self = jeval(r, f, n->a);
    struct given g = eval_args(r, f, n->args);
    r->at = n->pos;
    if (!n->builtin)
        jfail(r, JINJA_RUNTIME, "there is no %s '%s'", n->kind == JN_TEST ? "test" : "filter",
              jstring_short(r, n->name));
    return jbuiltin_call(r, n->builtin, self, g.item, g.n, g.keyed, g.n_keyed);
}

static struct jvalue eval_attr(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue of = jeval(r, f, n->a);
    r->at = n->pos;
    return jget_attr(r, of, n->name);
}

static struct jvalue eval_item(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue of = jeval(r, f, n->a), key = jeval(r, f, n->b);
    r->at = n->pos;
    return jget_item(r, of, key);
}

static struct jvalue eval_sign(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue v = jeval(r, f, n->a);
    r->at = n->pos;
    return n->kind == JN_NEG ? jnegate(r, v) : jnegate(r, jnegate(r, v));
}

static struct jvalue eval_choice(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jvalue v = jeval(r, f, n->a);
    return jtruth(v) == (n->kind == JN_AND) ? jeval(r, f, n->b) : v;
}

static struct jvalue eval(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    switch (n->kind) {
    case JN_CONST:
        return n->value;
    case JN_NAME:
        return eval_name(r, f, n);
    case JN_LIST:
        return jlistv(eval_items(r, f, n));
    case JN_TUPLE:
        return jtuplev(eval_items(r, f, n));
    case JN_DICT:
        return eval_dict(r, f, n);
    case JN_ATTR:
        return eval_attr(r, f, n);
    case JN_ITEM:
        return eval_item(r, f, n);
    case JN_SLICE:
        return eval_slice(r, f, n);
    case JN_CALL:
        return eval_call(r, f, n);
    case JN_FILTER:
    case JN_TEST:
        return eval_filter(r, f, n);
    case JN_NOT:
        return jbool(!jtruth(jeval(r, f, n->a)));
    case JN_NEG:
    case JN_POS:
        return eval_sign(r, f, n);
    case JN_ARITH:
        return eval_arith(r, f, n);
    case JN_CONCAT:
        return eval_concat(r, f, n);
    case JN_COMPARE:
        return eval_compare(r, f, n);
    case JN_AND:
    case JN_OR:
        return eval_choice(r, f, n);
    case JN_COND:
        return eval_cond(r, f, n);
    case JN_CAPTURED:
        return r->captured;
    default:
        jfail(r, JINJA_RUNTIME, "this is not an expression");
    }
}

struct jvalue jeval(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    r->at = n->pos;
    jdeeper(r);
    return eval(r, f, n);
}
