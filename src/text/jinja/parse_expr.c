/* Expressions, loosest first: inline if; or; and; not; comparison, in; + -; ~; * / // %; **; unary; then . [] (), filters and
 * tests on one operand. templates.md 9. */
#include "base/hex.h"
#include "text/jinja/tree.h"

#include <stdlib.h>
#include <string.h>

static struct jnode *parse_or(struct jparser *p);

static struct jnode *binary(struct jparser *p, enum jnode_kind kind, uint32_t pos, int op, struct jnode *a,
                            struct jnode *b)
{
    struct jnode *n = jnode_new(p, kind, pos);
    n->op = op;
    n->a = a;
    n->b = b;
    return jnode_deeper(p, n);
}

static struct jnode *constant(struct jparser *p, uint32_t pos, struct jvalue v)
{
    struct jnode *n = jnode_new(p, JN_CONST, pos);
    n->value = v;
    return n;
}

/* ---- operands ---- */

static struct jvalue number_of(struct jparser *p, const struct jtoken *t)
{
    char *digits = jalloc(p->run, t->text->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < t->text->n; i++)
        if (t->text->bytes[i] != '_')
            digits[n++] = t->text->bytes[i];
    if (t->kind == JT_FLOAT)
        return jfloat(strtod(digits, NULL));
    char second = n > 2 ? (char)(digits[1] | 32) : 0;
    int base = second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
    if (base == 10) {
        size_t zeros = 0; /* 00 is 0 */
        while (zeros + 1 < n && digits[zeros] == '0')
            zeros++;
        return jnumber_parse(p->run, digits + zeros, n - zeros);
    }
    uint64_t value = 0;
    for (size_t i = 2; i < n; i++) {
        if (value > (uint64_t)INT64_MAX / (uint64_t)base - 1)
            jfail_compile(p->run, t->pos, "the number is beyond 64 bits");
        value = value * (uint64_t)base + (uint64_t)hex_digit(digits[i]);
    }
    return jint((int64_t)value);
}

static struct jnode *parse_strings(struct jparser *p)
{
    const struct jtoken *first = p->token++;
    if (p->token->kind != JT_STRING)
        return constant(p, first->pos, jstr(first->text));
    struct jbuffer b = jbuffer_new(p->run);
    jbuffer_string(&b, first->text);
    while (p->token->kind == JT_STRING)
        jbuffer_string(&b, p->token++->text);
    return constant(p, first->pos, jstr(jbuffer_done(&b)));
}

static struct jnode *parse_list(struct jparser *p, uint32_t pos)
{
    struct jnodes items = {0};
    while (!jtoken_is(p, "]")) {
        if (items.n)
            jtoken_expect(p, ",");
        if (jtoken_is(p, "]"))
            break;
        jnodes_add(p, &items, jparse_expression(p, 1));
    }
    jtoken_expect(p, "]");
    return jnode_of_list(p, JN_LIST, pos, &items);
}

static struct jnode *parse_dict(struct jparser *p, uint32_t pos)
{
    struct jnodes items = {0};
    while (!jtoken_is(p, "}")) {
        if (items.n)
            jtoken_expect(p, ",");
        if (jtoken_is(p, "}"))
            break;
        jnodes_add(p, &items, jparse_expression(p, 1));
        jtoken_expect(p, ":");
        jnodes_add(p, &items, jparse_expression(p, 1));
    }
    jtoken_expect(p, "}");
    return jnode_of_list(p, JN_DICT, pos, &items);
}

static struct jnode *parse_primary(struct jparser *p)
{
    const struct jtoken *t = p->token;
    struct jvalue v;
    struct jnode *n;
    switch (t->kind) {
    case JT_NAME:
        p->token++;
        return jname_constant(t->text, &v) ? constant(p, t->pos, v) : jparse_name(p, t->text, t->pos);
    case JT_STRING:
        return parse_strings(p);
    case JT_INTEGER:
    case JT_FLOAT:
        p->token++;
        return constant(p, t->pos, number_of(p, t));
    default:
        break;
    }
    jparse_enter(p);
    if (jtoken_skip(p, "(")) {
        n = jparse_tuple(p, 1, NULL, 1);
        jtoken_expect(p, ")");
    } else if (jtoken_skip(p, "[")) {
        n = parse_list(p, t->pos);
    } else if (jtoken_skip(p, "{")) {
        n = parse_dict(p, t->pos);
    } else {
        jfail_compile(p->run, t->pos, "an expression is due here, not %s", jtoken_show(p));
    }
    p->depth--;
    return n;
}

/* ---- behind an operand ---- */

static struct jnode *parse_subscript(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnodes part = {0};
    int is_slice = 0;
    for (int i = 0; i < 3; i++) {
        int ends = jtoken_is(p, ":") || jtoken_is(p, "]") || jtoken_is(p, ",");
        jnodes_add(p, &part, ends ? NULL : jparse_expression(p, 1));
        if (!jtoken_is(p, ":") || i == 2)
            break;
        jtoken_expect(p, ":");
        is_slice = 1;
    }
    if (!is_slice && !part.item[0])
        jfail_compile(p->run, pos, "an expression is due here, not %s", jtoken_show(p));
    if (!is_slice)
        return part.item[0];
    while (part.n < 3)
        jnodes_add(p, &part, NULL);
    return jnode_of_list(p, JN_SLICE, pos, &part);
}

static struct jnode *parse_item(struct jparser *p, struct jnode *a, uint32_t pos)
{
    struct jnodes subscript = {0};
    do
        jnodes_add(p, &subscript, parse_subscript(p));
    while (jtoken_skip(p, ",") && !jtoken_is(p, "]"));
    jtoken_expect(p, "]");
    if (subscript.n == 1 && subscript.item[0]->kind == JN_SLICE) {
        subscript.item[0]->a = a;
        return jnode_deeper(p, subscript.item[0]);
    }
    for (size_t i = 0; i < subscript.n; i++)
        if (subscript.item[i]->kind == JN_SLICE && !subscript.item[i]->a)
            jfail_compile(p->run, pos, "a slice beside another subscript is not possible");
    struct jnode *key = subscript.n == 1 ? subscript.item[0] : jnode_of_list(p, JN_TUPLE, pos, &subscript);
    return binary(p, JN_ITEM, pos, 0, a, key);
}

static struct jnode *parse_dot(struct jparser *p, struct jnode *a, uint32_t pos)
{
    const struct jtoken *t = p->token++;
    if (t->kind == JT_INTEGER)
        return binary(p, JN_ITEM, pos, 0, a, constant(p, t->pos, number_of(p, t)));
    if (t->kind != JT_NAME) {
        p->token--;
        jfail_compile(p->run, t->pos, "a name or a number is due behind the point, not %s", jtoken_show(p));
    }
    struct jnode *n = jnode_new(p, JN_ATTR, pos);
    n->a = a;
    n->name = t->text;
    n->method[0] = jmethod_string(n->name);
    n->method[1] = jmethod_list(n->name);
    n->method[2] = jmethod_dict(n->name);
    return jnode_deeper(p, n);
}

const struct jargs *jparse_args(struct jparser *p)
{
    struct jargs *args = jalloc(p->run, sizeof *args);
    struct jnodes items = {0}, keyed = {0};
    struct jnodes names = {0}; /* constants that hold the names of keyed */
    jtoken_expect(p, "(");
    jparse_enter(p);
    for (int more = 0; !jtoken_is(p, ")"); more = 1) {
        if (more)
            jtoken_expect(p, ",");
        if (jtoken_is(p, ")"))
            break;
        uint32_t pos = p->token->pos;
        if (jtoken_skip(p, "*") && !args->star && !args->star_star) {
            args->star = jparse_expression(p, 1);
        } else if (jtoken_skip(p, "**") && !args->star_star) {
            args->star_star = jparse_expression(p, 1);
        } else if (p->token->kind == JT_NAME && p->token[1].kind == JT_OPERATOR && jstring_is(p->token[1].text, "=")) {
            jnodes_add(p, &names, constant(p, pos, jstr(jtoken_name(p))));
            p->token++;
            jnodes_add(p, &keyed, jparse_expression(p, 1));
        } else if (keyed.n || args->star_star || args->star) {
            jfail_compile(p->run, pos, "an argument without a name behind one with a name");
        } else {
            jnodes_add(p, &items, jparse_expression(p, 1));
        }
    }
    p->depth--;
    jtoken_expect(p, ")");
    args->item = items.item;
    args->n = items.n;
    args->keyed = jalloc_array(p->run, keyed.n, sizeof *args->keyed);
    args->n_keyed = keyed.n;
    for (size_t i = 0; i < keyed.n; i++)
        args->keyed[i] = (struct jkeyarg){names.item[i]->value.u.s, keyed.item[i]};
    return args;
}

static struct jnode *parse_call(struct jparser *p, struct jnode *a)
{
    struct jnode *n = jnode_new(p, JN_CALL, p->token->pos);
    n->a = a;
    n->args = jparse_args(p);
    return jnode_deeper(p, n);
}

static struct jnode *parse_postfix(struct jparser *p, struct jnode *a)
{
    for (;;) {
        uint32_t pos = p->token->pos;
        if (jtoken_skip(p, "."))
            a = parse_dot(p, a, pos);
        else if (jtoken_skip(p, "["))
            a = parse_item(p, a, pos);
        else if (jtoken_is(p, "("))
            a = parse_call(p, a);
        else
            return a;
    }
}

/* The name of a filter or test, points and all. */
static const struct jstring *parse_dotted(struct jparser *p)
{
    const struct jstring *name = jtoken_name(p);
    while (jtoken_skip(p, ".")) {
        struct jbuffer b = jbuffer_new(p->run);
        jbuffer_string(&b, name);
        jbuffer_word(&b, ".");
        jbuffer_string(&b, jtoken_name(p));
        name = jbuffer_done(&b);
    }
    return name;
}

/* One that is not known is an error only where it is certain to be reached. */
static void remember_unknown(struct jparser *p, const struct jnode *n)
{
    struct junknown *u = jalloc(p->run, sizeof *u);
    *u = (struct junknown){p->unknown, n, 0};
    p->unknown = u;
}

static struct jnode *parse_filter(struct jparser *p, struct jnode *a)
{
    struct jnode *n = jnode_new(p, JN_FILTER, p->token->pos);
    n->a = a;
    n->name = parse_dotted(p);
    n->builtin = jfilter_find(n->name);
    if (jtoken_is(p, "("))
        n->args = jparse_args(p);
    if (!n->builtin)
        remember_unknown(p, n);
    return jnode_deeper(p, n);
}

struct jnode *jparse_filters(struct jparser *p, struct jnode *a, int begun)
{
    if (begun)
        a = parse_filter(p, a);
    while (jtoken_skip(p, "|"))
        a = parse_filter(p, a);
    return a;
}

static int test_has_operand(const struct jparser *p)
{
    switch (p->token->kind) {
    case JT_NAME:
        return !jtoken_word(p, "else") && !jtoken_word(p, "or") && !jtoken_word(p, "and");
    case JT_STRING:
    case JT_INTEGER:
    case JT_FLOAT:
        return 1;
    default:
        return jtoken_is(p, "[") || jtoken_is(p, "{");
    }
}

static struct jnode *parse_test(struct jparser *p, struct jnode *a)
{
    int negated = jtoken_skip_word(p, "not");
    struct jnode *n = jnode_new(p, JN_TEST, p->token->pos);
    n->a = a;
    n->name = parse_dotted(p);
    n->builtin = jtest_find(n->name);
    if (jtoken_is(p, "(")) {
        n->args = jparse_args(p);
    } else if (test_has_operand(p)) {
        if (jtoken_word(p, "is"))
            jfail_compile(p->run, p->token->pos, "tests cannot be chained; join them with and");
        struct jargs *args = jalloc(p->run, sizeof *args);
        args->item = jalloc(p->run, sizeof *args->item);
        args->item[0] = parse_postfix(p, parse_primary(p));
        args->n = 1;
        n->args = args;
    }
    if (!n->builtin)
        remember_unknown(p, n);
    n = jnode_deeper(p, n);
    return negated ? binary(p, JN_NOT, n->pos, 0, n, NULL) : n;
}

static struct jnode *parse_filters_and_tests(struct jparser *p, struct jnode *a)
{
    for (;;) {
        if (jtoken_skip(p, "|"))
            a = parse_filter(p, a);
        else if (jtoken_skip_word(p, "is"))
            a = parse_test(p, a);
        else if (jtoken_is(p, "("))
            a = parse_call(p, a);
        else
            return a;
    }
}

/* ---- operators ---- */

struct jnode *jparse_unary(struct jparser *p, int with_filter)
{
    uint32_t pos = p->token->pos;
    struct jnode *n;
    jparse_enter(p);
    jwork(p->run, 8 * JSTEP); /* operators of every strength are looked for */
    if (jtoken_skip(p, "-"))
        n = binary(p, JN_NEG, pos, 0, jparse_unary(p, 0), NULL);
    else if (jtoken_skip(p, "+"))
        n = binary(p, JN_POS, pos, 0, jparse_unary(p, 0), NULL);
    else
        n = parse_primary(p);
    n = parse_postfix(p, n);
    p->depth--;
    return with_filter ? parse_filters_and_tests(p, n) : n;
}

static struct jnode *parse_power(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *n = jparse_unary(p, 1);
    while (jtoken_skip(p, "**"))
        n = binary(p, JN_ARITH, pos, JOP_POW, n, jparse_unary(p, 1));
    return n;
}

static struct jnode *parse_product(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *n = parse_power(p);
    for (;;) {
        int op = jtoken_skip(p, "*")    ? JOP_MUL
                 : jtoken_skip(p, "/")  ? JOP_DIV
                 : jtoken_skip(p, "//") ? JOP_FLOOR
                 : jtoken_skip(p, "%")  ? JOP_MOD
                                        : -1;
        if (op < 0)
            return n;
        n = binary(p, JN_ARITH, pos, op, n, parse_power(p));
    }
}

static struct jnode *parse_concat(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnodes items = {0};
    do
        jnodes_add(p, &items, parse_product(p));
    while (jtoken_skip(p, "~"));
    return items.n == 1 ? items.item[0] : jnode_of_list(p, JN_CONCAT, pos, &items);
}

static struct jnode *parse_sum(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *n = parse_concat(p);
    for (;;) {
        int op = jtoken_skip(p, "+") ? JOP_ADD : jtoken_skip(p, "-") ? JOP_SUB : -1;
        if (op < 0)
            return n;
        n = binary(p, JN_ARITH, pos, op, n, parse_concat(p));
    }
}

static int comparison(struct jparser *p)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};
    for (int i = 0; i < 6; i++)
        if (jtoken_skip(p, names[i]))
            return JC_EQ + i;
    if (jtoken_skip_word(p, "in"))
        return JC_IN;
    if (jtoken_word(p, "not") && p->token[1].kind == JT_NAME && jstring_is(p->token[1].text, "in")) {
        p->token += 2;
        return JC_NOTIN;
    }
    return -1;
}

static struct jnode *parse_compare(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *a = parse_sum(p);
    struct jnodes operand = {0};
    uint8_t ops[JTREE_MOST];
    for (int op; (op = comparison(p)) >= 0;) {
        if (operand.n == JTREE_MOST)
            jfail_compile(p->run, pos, "more than %d comparisons in a chain", JTREE_MOST);
        ops[operand.n] = (uint8_t)op;
        jnodes_add(p, &operand, parse_sum(p));
    }
    if (operand.n == 0)
        return a;
    struct jnode *n = jnode_new(p, JN_COMPARE, pos);
    uint8_t *kept = jalloc(p->run, operand.n);
    memcpy(kept, ops, operand.n);
    n->a = a;
    n->compare = kept;
    n->list = operand.item;
    n->n = operand.n;
    return jnode_deeper(p, n);
}

static struct jnode *parse_not(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    if (!jtoken_skip_word(p, "not"))
        return parse_compare(p);
    jparse_enter(p);
    struct jnode *n = binary(p, JN_NOT, pos, 0, parse_not(p), NULL);
    p->depth--;
    return n;
}

static struct jnode *parse_and(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *n = parse_not(p);
    while (jtoken_skip_word(p, "and"))
        n = binary(p, JN_AND, pos, 0, n, parse_not(p));
    return n;
}

static struct jnode *parse_or(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    struct jnode *n = parse_and(p);
    while (jtoken_skip_word(p, "or"))
        n = binary(p, JN_OR, pos, 0, n, parse_and(p));
    return n;
}

struct jnode *jparse_expression(struct jparser *p, int with_condition)
{
    uint32_t pos = p->token->pos;
    const struct junknown *since = p->unknown;
    struct jnode *n = parse_or(p);
    while (with_condition && jtoken_skip_word(p, "if")) {
        struct jnode *chosen = jnode_new(p, JN_COND, pos);
        chosen->b = n;
        chosen->a = parse_or(p);
        if (jtoken_skip_word(p, "else")) {
            jparse_enter(p);
            chosen->c = jparse_expression(p, 1);
            p->depth--;
        }
        n = jnode_deeper(p, chosen);
        jsoften(p, since);
    }
    return n;
}
