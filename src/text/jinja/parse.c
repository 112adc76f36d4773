/* Statements, scopes and names. The shape of the tree is in tree.h. */
#include "text/jinja/tree.h"

#include <string.h>

/* ---- tokens ---- */

int jtoken_is(const struct jparser *p, const char *operator_)
{
    return p->token->kind == JT_OPERATOR && jstring_is(p->token->text, operator_);
}

int jtoken_word(const struct jparser *p, const char *word)
{
    return p->token->kind == JT_NAME && jstring_is(p->token->text, word);
}

int jtoken_skip(struct jparser *p, const char *operator_)
{
    int is = jtoken_is(p, operator_);
    p->token += is;
    return is;
}

int jtoken_skip_word(struct jparser *p, const char *word)
{
    int is = jtoken_word(p, word);
    p->token += is;
    return is;
}

const char *jtoken_show(struct jparser *p)
{
    static const char *const names[] = {
        "the end of the template", "text", "{{", "}}", "{%", "%}", NULL, NULL, "a number", "a number"};
    const struct jtoken *t = p->token;
    if (t->kind == JT_STRING)
        return "a string";
    if (t->kind != JT_NAME && t->kind != JT_OPERATOR)
        return names[t->kind];
    char *quoted = jalloc(p->run, 50);
    size_t n = t->text->n < 40 ? t->text->n : 40;
    quoted[0] = quoted[n + 1] = '\'';
    memcpy(quoted + 1, t->text->bytes, n);
    return quoted;
}

void jtoken_expect(struct jparser *p, const char *operator_)
{
    if (!jtoken_skip(p, operator_))
        jfail_compile(p->run, p->token->pos, "'%s' is due here, not %s", operator_, jtoken_show(p));
}

const struct jstring *jtoken_name(struct jparser *p)
{
    if (p->token->kind != JT_NAME)
        jfail_compile(p->run, p->token->pos, "a name is due here, not %s", jtoken_show(p));
    const struct jtoken *t = p->token++;
    return jstring_copy(p->run, t->text->bytes, t->text->n, ORIGIN_TEMPLATE); /* with a NUL behind */
}

static void expect_block_end(struct jparser *p)
{
    if (p->token->kind != JT_BLOCK_END)
        jfail_compile(p->run, p->token->pos, "%%} is due here, not %s", jtoken_show(p));
    p->token++;
}

void jparse_enter(struct jparser *p)
{
    p->run->at = p->token->pos;
    jdeeper(p->run);
    if (++p->depth > JTREE_MOST)
        jfail_compile(p->run, p->token->pos, "blocks and expressions are nested more than %d deep", JTREE_MOST);
}

/* ---- nodes, scopes, names ---- */

struct jnode *jnode_new(struct jparser *p, enum jnode_kind kind, uint32_t pos)
{
    struct jnode *n = jalloc(p->run, sizeof *n);
    *n = (struct jnode){.kind = kind, .pos = pos, .depth = 1};
    return n;
}

static int depth_of(const struct jnode *n) { return n ? n->depth : 0; }
static int larger(int a, int b) { return a > b ? a : b; }

struct jnode *jnode_deeper(struct jparser *p, struct jnode *n)
{
    int most = larger(larger(depth_of(n->a), depth_of(n->b)), depth_of(n->c));
    for (size_t i = 0; i < n->n; i++)
        most = larger(most, depth_of(n->list[i]));
    for (size_t i = 0; n->args && i < n->args->n; i++)
        most = larger(most, depth_of(n->args->item[i]));
    for (size_t i = 0; n->args && i < n->args->n_keyed; i++)
        most = larger(most, depth_of(n->args->keyed[i].value));
    if (n->args)
        most = larger(most, larger(depth_of(n->args->star), depth_of(n->args->star_star)));
    n->depth = most + 1;
    if (n->depth > JTREE_MOST)
        jfail_compile(p->run, n->pos, "the template is nested more than %d deep", JTREE_MOST);
    return n;
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

static void resolve(struct jparser *p, const struct jnamed *named)
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

/* ---- statements ---- */

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
        resolve(p, named);
    return body;
}
