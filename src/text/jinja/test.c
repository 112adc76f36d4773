/* Tests: x is name. templates.md 2, 3.5. */
#include "text/jinja/tree.h"

static struct jvalue test_defined(struct jcall *c) { return jbool(c->self.type != J_UNDEFINED); }
static struct jvalue test_undefined(struct jcall *c) { return jbool(c->self.type == J_UNDEFINED); }
static struct jvalue test_none(struct jcall *c) { return jbool(c->self.type == J_NONE); }
static struct jvalue test_boolean(struct jcall *c) { return jbool(c->self.type == J_BOOL); }
static struct jvalue test_true(struct jcall *c) { return jbool(c->self.type == J_BOOL && c->self.u.i); }
static struct jvalue test_false(struct jcall *c) { return jbool(c->self.type == J_BOOL && !c->self.u.i); }
static struct jvalue test_string(struct jcall *c) { return jbool(c->self.type == J_STRING); }
static struct jvalue test_mapping(struct jcall *c) { return jbool(c->self.type == J_DICT); }
static struct jvalue test_iterable(struct jcall *c) { return jbool(jiterable(c->self)); }
static struct jvalue test_number(struct jcall *c) { return jbool(jis_number(c->self)); }

static struct jvalue test_sequence(struct jcall *c)
{
    return jbool(jlength(c->run, c->self) >= 0 && c->self.type != J_VIEW);
}

static struct jvalue test_integer(struct jcall *c)
{
    return jbool(c->self.type == J_INT || (c->self.type == J_NUMBER && c->self.u.number->is != JNUMBER_FLOAT));
}

static struct jvalue test_float(struct jcall *c)
{
    return jbool(c->self.type == J_FLOAT || (c->self.type == J_NUMBER && c->self.u.number->is == JNUMBER_FLOAT));
}

static struct jvalue test_callable(struct jcall *c)
{
    enum jtype t = c->self.type; /* undefined too: it can be called, to say that it is undefined */
    return jbool(t == J_FUNCTION || t == J_METHOD || t == J_MACRO || t == J_CYCLER || t == J_JOINER || t == J_LOOP ||
                 t == J_UNDEFINED);
}

static struct jvalue test_escaped(struct jcall *c) { return jbool(c->self.type == J_STRING && c->self.u.s->safe); }

static struct jvalue test_lower(struct jcall *c) { return jbool(jonly_case(c->run, jself_string(c), 0)); }
static struct jvalue test_upper(struct jcall *c) { return jbool(jonly_case(c->run, jself_string(c), 1)); }

static struct jvalue remainder_of(struct jcall *c, struct jvalue by) { return jarith(c->run, JOP_MOD, c->self, by); }

static struct jvalue test_odd(struct jcall *c) { return jbool(jequal(c->run, remainder_of(c, jint(2)), jint(1))); }

static struct jvalue test_even(struct jcall *c) { return jbool(jequal(c->run, remainder_of(c, jint(2)), jint(0))); }

static struct jvalue test_divisibleby(struct jcall *c)
{
    return jbool(jequal(c->run, remainder_of(c, c->arg[0]), jint(0)));
}

static struct jvalue test_eq(struct jcall *c) { return jbool(jequal(c->run, c->self, c->arg[0])); }
static struct jvalue test_ne(struct jcall *c) { return jbool(!jequal(c->run, c->self, c->arg[0])); }
static struct jvalue test_lt(struct jcall *c) { return jbool(jorder(c->run, c->self, c->arg[0], "<") == -1); }
static struct jvalue test_gt(struct jcall *c) { return jbool(jorder(c->run, c->self, c->arg[0], ">") == 1); }
static struct jvalue test_in(struct jcall *c) { return jbool(jcontains(c->run, c->arg[0], c->self)); }

static struct jvalue test_le(struct jcall *c)
{
    int order = jorder(c->run, c->self, c->arg[0], "<=");
    return jbool(order == -1 || order == 0);
}

static struct jvalue test_ge(struct jcall *c)
{
    int order = jorder(c->run, c->self, c->arg[0], ">=");
    return jbool(order == 1 || order == 0);
}

/* The same object; of plain values the same type and value. */
static struct jvalue test_sameas(struct jcall *c)
{
    struct jvalue a = c->self, b = c->arg[0];
    if (a.type != b.type)
        return jbool(0);
    if (a.type == J_STRING || jis_number(a) || a.type == J_NONE)
        return jbool(jequal(c->run, a, b));
    return jbool(a.u.list == b.u.list);
}

static struct jvalue test_filter(struct jcall *c)
{
    return jbool(c->self.type == J_STRING && jfilter_find(c->self.u.s) != NULL);
}

static struct jvalue test_test(struct jcall *c)
{
    return jbool(c->self.type == J_STRING && jtest_find(c->self.u.s) != NULL);
}

static const struct jbuiltin tests[] = {
    {"defined", test_defined, "", 0},
    {"undefined", test_undefined, "", 0},
    {"none", test_none, "", 0},
    {"boolean", test_boolean, "", 0},
    {"true", test_true, "", 0},
    {"false", test_false, "", 0},
    {"string", test_string, "", 0},
    {"mapping", test_mapping, "", 0},
    {"iterable", test_iterable, "", 0},
    {"sequence", test_sequence, "", 0},
    {"number", test_number, "", 0},
    {"integer", test_integer, "", 0},
    {"float", test_float, "", 0},
    {"callable", test_callable, "", 0},
    {"escaped", test_escaped, "", 0},
    {"lower", test_lower, "", 0},
    {"upper", test_upper, "", 0},
    {"odd", test_odd, "", 0},
    {"even", test_even, "", 0},
    {"divisibleby", test_divisibleby, "num", 1},
    {"eq", test_eq, "b", 1},
    {"==", test_eq, "b", 1},
    {"equalto", test_eq, "b", 1},
    {"ne", test_ne, "b", 1},
    {"!=", test_ne, "b", 1},
    {"lt", test_lt, "b", 1},
    {"<", test_lt, "b", 1},
    {"lessthan", test_lt, "b", 1},
    {"le", test_le, "b", 1},
    {"<=", test_le, "b", 1},
    {"gt", test_gt, "b", 1},
    {">", test_gt, "b", 1},
    {"greaterthan", test_gt, "b", 1},
    {"ge", test_ge, "b", 1},
    {">=", test_ge, "b", 1},
    {"in", test_in, "seq", 1},
    {"sameas", test_sameas, "other", 1},
    {"filter", test_filter, "", 0},
    {"test", test_test, "", 0},
    {0},
};

const struct jbuiltin *jtest_find(const struct jstring *name) { return jbuiltin_find(tests, name); }
