/* What the parser's files share: the current token, nodes, and how deep both may go. See tree.h. */
#include "text/jinja/tree.h"

#include <string.h>

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

void jparse_enter(struct jparser *p)
{
    p->run->at = p->token->pos;
    jdeeper(p->run);
    if (++p->depth > JTREE_MOST)
        jfail_compile(p->run, p->token->pos, "blocks and expressions are nested more than %d deep", JTREE_MOST);
}

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

void jnodes_add(struct jparser *p, struct jnodes *l, struct jnode *n)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 4;
        struct jnode **grown = jalloc_array(p->run, l->cap, sizeof *grown);
        if (l->n)
            memcpy(grown, l->item, l->n * sizeof *grown);
        l->item = grown;
    }
    l->item[l->n++] = n;
}

struct jnode *jnode_of_list(struct jparser *p, enum jnode_kind kind, uint32_t pos, const struct jnodes *l)
{
    struct jnode *n = jnode_new(p, kind, pos);
    n->list = l->item;
    n->n = l->n;
    return jnode_deeper(p, n);
}
