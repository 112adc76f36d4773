/* What stands between commas without brackets around it: tuples, and the targets of set and for, which are names and tuples of them. */
#include "text/jinja/tree.h"

static int tuple_ends(const struct jparser *p, const char *end)
{
    return p->token->kind == JT_PRINT_END || p->token->kind == JT_BLOCK_END || jtoken_is(p, ")") ||
           (end && jtoken_word(p, end));
}

struct jnode *jparse_tuple(struct jparser *p, int with_condition, const char *end, int in_parentheses)
{
    uint32_t pos = p->token->pos;
    struct jnodes items = {0};
    int is_tuple = 0;
    while (!tuple_ends(p, end)) {
        jnodes_add(p, &items, jparse_expression(p, with_condition));
        if (!jtoken_skip(p, ","))
            break;
        is_tuple = 1;
    }
    if (!is_tuple && items.n)
        return items.item[0];
    if (!is_tuple && !in_parentheses)
        jfail_compile(p->run, pos, "an expression is due here, not %s", jtoken_show(p));
    return jnode_of_list(p, JN_TUPLE, pos, &items);
}

/* ---- targets of set and for ---- */

static struct jnode *target_name(struct jparser *p, const struct jstring *name, uint32_t pos)
{
    struct jvalue v;
    if (jname_constant(name, &v))
        jfail_compile(p->run, pos, "'%.40s' cannot be set", name->bytes);
    struct jnode *n = jnode_new(p, JN_NAME, pos);
    n->name = name;
    n->op = jslot_of(p, p->scope, name);
    return n;
}

static struct jnode *target_part(struct jparser *p, int with_namespace)
{
    uint32_t pos = p->token->pos;
    if (jtoken_skip(p, "(")) {
        jparse_enter(p);
        struct jnode *n = jparse_target(p, 0, NULL);
        p->depth--;
        jtoken_expect(p, ")");
        return n;
    }
    const struct jstring *name = jtoken_name(p);
    if (!with_namespace || !jtoken_skip(p, "."))
        return target_name(p, name, pos);
    struct jnode *n = jnode_new(p, JN_NSATTR, pos);
    n->a = jparse_name(p, name, pos);
    n->name = jtoken_name(p);
    return jnode_deeper(p, n);
}

struct jnode *jparse_target(struct jparser *p, int with_namespace, const char *end)
{
    uint32_t pos = p->token->pos;
    struct jnodes items = {0};
    int is_tuple = 0;
    while (!tuple_ends(p, end) && !jtoken_is(p, "=")) {
        jnodes_add(p, &items, target_part(p, with_namespace && items.n == 0));
        if (!jtoken_skip(p, ","))
            break;
        is_tuple = 1;
    }
    if (!items.n)
        jfail_compile(p->run, pos, "a name to set is due here, not %s", jtoken_show(p));
    return is_tuple ? jnode_of_list(p, JN_TUPLE, pos, &items) : items.item[0];
}
