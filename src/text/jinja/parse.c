/* Statements. The shape of the tree is in tree.h. */
#include "text/jinja/tree.h"

#include <string.h>

static void expect_block_end(struct jparser *p)
{
    if (p->token->kind != JT_BLOCK_END)
        jfail_compile(p->run, p->token->pos, "%%} is due here, not %s", jtoken_show(p));
    p->token++;
}

static struct jnode *parse_body(struct jparser *p, const char *const *ends);

/* The body in a scope of its own, up to the tag named; that tag's name is consumed. */
static struct jnode *body_in(struct jparser *p, struct jscope *scope, const char *const *ends)
{
    struct jscope *outer = p->scope;
    p->scope = scope;
    struct jnode *body = parse_body(p, ends);
    p->scope = outer;
    return body;
}

static void end_tag(struct jparser *p)
{
    p->token++; /* its name */
    expect_block_end(p);
}

static struct jnode **node_list(struct jparser *p, size_t n) { return jalloc_array(p->run, n, sizeof(struct jnode *)); }

static void append(struct jparser *p, struct jnode *n, size_t *cap, struct jnode *item)
{
    if (n->n == *cap) {
        *cap = *cap ? 2 * *cap : 4;
        struct jnode **grown = node_list(p, *cap);
        if (n->n)
            memcpy(grown, n->list, n->n * sizeof *grown);
        n->list = grown;
    }
    n->list[n->n++] = item;
}

static struct jnode *parse_if(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    struct jnode *n = jnode_new(p, JN_IF, pos);
    const struct junknown *since = p->unknown;
    size_t cap = 0;
    do {
        append(p, n, &cap, jparse_tuple(p, 0, NULL, 0));
        expect_block_end(p);
        append(p, n, &cap, parse_body(p, ends));
    } while (jtoken_skip_word(p, "elif"));
    if (jtoken_skip_word(p, "else")) {
        expect_block_end(p);
        n->c = parse_body(p, last);
    }
    end_tag(p);
    jsoften(p, since);
    return jnode_deeper(p, n);
}

static struct jnode *parse_for(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    struct jnode *n = jnode_new(p, JN_FOR, pos);
    struct jscope *outer = p->scope, *scope = jscope_new(p);
    p->scope = scope;
    n->a = jparse_target(p, 0, "in");
    p->scope = outer;
    scope->loop = jslot_of(p, scope, jstring_word(p->run, "loop"));
    n->scope = scope;
    if (!jtoken_skip_word(p, "in"))
        jfail_compile(p->run, p->token->pos, "'in' is due here, not %s", jtoken_show(p));
    n->b = jparse_tuple(p, 0, "recursive", 0);
    if (jtoken_skip_word(p, "if")) {
        p->scope = scope;
        n->c = jparse_expression(p, 1);
        p->scope = outer;
    }
    n->op = jtoken_skip_word(p, "recursive");
    expect_block_end(p);
    n->list = node_list(p, 2);
    n->n = 2;
    p->loops++;
    n->list[0] = body_in(p, scope, ends);
    p->loops--;
    if (jtoken_skip_word(p, "else")) {
        expect_block_end(p);
        n->other_scope = jscope_new(p);
        n->list[1] = body_in(p, n->other_scope, last);
    }
    end_tag(p);
    return jnode_deeper(p, n);
}

static struct jnode *parse_set(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"endset", NULL};
    struct jnode *target = jparse_target(p, 1, NULL), *n;
    if (jtoken_skip(p, "=")) {
        n = jnode_new(p, JN_SET, pos);
        n->a = target;
        n->b = jparse_tuple(p, 1, NULL, 0);
        expect_block_end(p);
        return jnode_deeper(p, n);
    }
    n = jnode_new(p, JN_SETBLOCK, pos);
    n->a = target;
    if (jtoken_is(p, "|"))
        n->c = jparse_filters(p, jnode_new(p, JN_CAPTURED, pos), 0);
    expect_block_end(p);
    n->scope = jscope_new(p);
    n->list = node_list(p, 1);
    n->n = 1;
    n->list[0] = body_in(p, n->scope, ends);
    end_tag(p);
    return jnode_deeper(p, n);
}

/* (a, b=1): the parameters are the first slots of the macro's scope. */
static void parse_params(struct jparser *p, struct jmacrodef *m)
{
    size_t cap = 0;
    struct jnode fallback = {0};
    for (jtoken_expect(p, "("); !jtoken_is(p, ")");) {
        if (fallback.n)
            jtoken_expect(p, ",");
        uint32_t pos = p->token->pos;
        size_t slot = (size_t)jslot_of(p, m->scope, jtoken_name(p));
        if (slot != fallback.n)
            jfail_compile(p->run, pos, "two parameters have the same name");
        struct jnode *value = NULL;
        if (jtoken_skip(p, "=")) {
            struct jscope *outer = p->scope;
            p->scope = m->scope;
            value = jparse_expression(p, 1);
            p->scope = outer;
        } else if (fallback.n && fallback.list[fallback.n - 1]) {
            jfail_compile(p->run, pos, "a parameter without a default value behind one with");
        }
        append(p, &fallback, &cap, value);
    }
    jtoken_expect(p, ")");
    m->fallback = fallback.list;
    m->n_param = fallback.n;
}

static struct jmacrodef *new_macro(struct jparser *p, const struct jstring *name)
{
    struct jmacrodef *m = jalloc(p->run, sizeof *m);
    *m = (struct jmacrodef){.name = name, .scope = jscope_new(p), .caller = -1, .varargs = -1, .kwargs = -1};
    m->scope->macro = m;
    for (struct jscope *s = p->scope; s; s = s->outer) {
        jwork(p->run, 2);
        s->captured = 1;
    }
    return m;
}

static void macro_body(struct jparser *p, struct jmacrodef *m, const char *const *ends)
{
    int loops = p->loops;
    p->loops = 0;
    m->body = body_in(p, m->scope, ends);
    p->loops = loops;
    end_tag(p);
}

static struct jnode *parse_macro(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"endmacro", NULL};
    struct jnode *n = jnode_new(p, JN_MACRO, pos);
    uint32_t name_pos = p->token->pos;
    const struct jstring *name = jtoken_name(p);
    n->a = jnode_new(p, JN_NAME, name_pos);
    n->a->name = name;
    n->a->op = jslot_of(p, p->scope, name);
    struct jmacrodef *m = new_macro(p, name);
    n->macro = m;
    parse_params(p, m);
    expect_block_end(p);
    macro_body(p, m, ends);
    n->b = m->body;
    return jnode_deeper(p, n);
}

static struct jnode *parse_call_block(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"endcall", NULL};
    struct jnode *n = jnode_new(p, JN_CALLBLOCK, pos);
    struct jmacrodef *m = new_macro(p, jstring_word(p->run, "caller"));
    n->macro = m;
    if (jtoken_is(p, "("))
        parse_params(p, m);
    n->a = jparse_expression(p, 1);
    if (n->a->kind != JN_CALL)
        jfail_compile(p->run, pos, "a call is due behind call");
    expect_block_end(p);
    macro_body(p, m, ends);
    n->b = m->body;
    return jnode_deeper(p, n);
}

static struct jnode *parse_filter_block(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"endfilter", NULL};
    struct jnode *n = jnode_new(p, JN_FILTERED, pos);
    n->c = jparse_filters(p, jnode_new(p, JN_CAPTURED, pos), 1);
    expect_block_end(p);
    n->scope = jscope_new(p);
    n->list = node_list(p, 1);
    n->n = 1;
    n->list[0] = body_in(p, n->scope, ends);
    end_tag(p);
    return jnode_deeper(p, n);
}

static struct jnode *parse_with(struct jparser *p, uint32_t pos)
{
    static const char *const ends[] = {"endwith", NULL};
    struct jnode *n = jnode_new(p, JN_WITH, pos);
    struct jscope *outer = p->scope;
    size_t cap = 0;
    n->scope = jscope_new(p);
    append(p, n, &cap, NULL);
    while (p->token->kind != JT_BLOCK_END) {
        if (n->n > 1)
            jtoken_expect(p, ",");
        p->scope = n->scope;
        struct jnode *target = jparse_target(p, 0, NULL);
        p->scope = outer;
        append(p, n, &cap, target);
        jtoken_expect(p, "=");
        append(p, n, &cap, jparse_expression(p, 1));
    }
    expect_block_end(p);
    n->list[0] = body_in(p, n->scope, ends);
    end_tag(p);
    return jnode_deeper(p, n);
}

/* {% block name %} and {% generation %} are their bodies. */
static struct jnode *parse_plain(struct jparser *p, const char *name)
{
    const char *const ends[] = {name, NULL};
    while (p->token->kind == JT_NAME)
        p->token++;
    expect_block_end(p);
    struct jnode *body = parse_body(p, ends);
    p->token++;
    if (p->token->kind == JT_NAME) /* endblock name */
        p->token++;
    expect_block_end(p);
    return body;
}

static struct jnode *parse_nothing_to_load(struct jparser *p, uint32_t pos)
{
    while (p->token->kind != JT_BLOCK_END)
        p->token++;
    expect_block_end(p);
    return jnode_new(p, JN_NOLOADER, pos);
}

static struct jnode *parse_jump(struct jparser *p, enum jnode_kind kind, uint32_t pos)
{
    if (!p->loops)
        jfail_compile(p->run, pos, "%s outside of a loop", kind == JN_BREAK ? "break" : "continue");
    expect_block_end(p);
    return jnode_new(p, kind, pos);
}

static struct jnode *parse_statement(struct jparser *p)
{
    uint32_t pos = p->token->pos;
    if (jtoken_skip_word(p, "if"))
        return parse_if(p, pos);
    if (jtoken_skip_word(p, "for"))
        return parse_for(p, pos);
    if (jtoken_skip_word(p, "set"))
        return parse_set(p, pos);
    if (jtoken_skip_word(p, "macro"))
        return parse_macro(p, pos);
    if (jtoken_skip_word(p, "call"))
        return parse_call_block(p, pos);
    if (jtoken_skip_word(p, "filter"))
        return parse_filter_block(p, pos);
    if (jtoken_skip_word(p, "with"))
        return parse_with(p, pos);
    if (jtoken_skip_word(p, "break"))
        return parse_jump(p, JN_BREAK, pos);
    if (jtoken_skip_word(p, "continue"))
        return parse_jump(p, JN_CONTINUE, pos);
    if (jtoken_skip_word(p, "generation"))
        return parse_plain(p, "endgeneration");
    if (jtoken_skip_word(p, "block"))
        return parse_plain(p, "endblock");
    if (jtoken_word(p, "include") || jtoken_word(p, "import") || jtoken_word(p, "from") || jtoken_word(p, "extends"))
        return parse_nothing_to_load(p, pos);
    jfail_compile(p->run, pos, "there is no tag %s here", jtoken_show(p));
}

static int ends_body(const struct jparser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (jtoken_word(p, *ends))
            return 1;
    return 0;
}

/* Up to one of the tags (its name is the current token then), or to the end without ends. */
static struct jnode *parse_body(struct jparser *p, const char *const *ends)
{
    struct jnode *body = jnode_new(p, JN_BODY, p->token->pos), *n;
    size_t cap = 0;
    jparse_enter(p);
    for (;;) {
        const struct jtoken *t = p->token;
        if (t->kind == JT_END) {
            while (ends && ends[1])
                ends++;
            if (ends)
                jfail_compile(p->run, t->pos, "the template ends where {%% %s %%} is due", ends[0]);
            break;
        }
        p->token++;
        if (t->kind == JT_DATA) {
            n = jnode_new(p, JN_DATA, t->pos);
            n->value = jstr(t->text);
        } else if (t->kind == JT_PRINT_BEGIN) {
            n = jnode_new(p, JN_PRINT, p->token->pos);
            n->a = jparse_tuple(p, 1, NULL, 0);
            if (p->token->kind != JT_PRINT_END)
                jfail_compile(p->run, p->token->pos, "}} is due here, not %s", jtoken_show(p));
            p->token++;
            n = jnode_deeper(p, n);
        } else {
            if (ends_body(p, ends))
                break;
            n = parse_statement(p);
        }
        append(p, body, &cap, n);
    }
    p->depth--;
    return jnode_deeper(p, body);
}

struct jnode *jparse_template(struct jparser *p)
{
    p->scope = jscope_new(p);
    struct jnode *body = parse_body(p, NULL);
    for (const struct junknown *u = p->unknown; u; u = u->next)
        if (!u->soft)
            jfail_compile(p->run, u->node->pos, "there is no %s '%.40s'", u->node->kind == JN_TEST ? "test" : "filter",
                          u->node->name->bytes);
    for (const struct jnamed *named = p->named; named; named = named->next)
        jresolve(p, named);
    return body;
}
