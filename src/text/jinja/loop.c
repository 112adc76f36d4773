/* for, and the variable loop. Items are taken one by one, with one looked ahead at when the body asks for it, so that a filter
 * (for x in y if ...) is computed when its item is due. templates.md 3.2, 3.14. */
#include "text/jinja/tree.h"

#include <string.h>

struct jloop {
    struct jrun *run;
    const struct jnode *node;
    struct jframe *frame; /* of the body */
    struct jwalk walk;
    int64_t index; /* of the current item; -1 before the first */
    struct jvalue previous, current, next;
    int has_next;       /* next was taken already: 1 there is one, 2 there is none */
    int64_t length;     /* -1: not known yet */
    struct jlist *rest; /* taken ahead for the length */
    size_t rest_at;
    int level;
    struct jvalue changed; /* what changed() saw last */
};

/* Straight from the walk, past the filter. */
static int take(struct jloop *l, struct jvalue *item)
{
    struct jrun *r = l->run;
    const struct jnode *n = l->node;
    if (l->rest) {
        if (l->rest_at >= l->rest->n)
            return 0;
        *item = l->rest->item[l->rest_at++];
        return 1;
    }
    while (jwalk_next(&l->walk, item)) {
        if (!n->c)
            return 1;
        struct jframe *f = jframe_new(r, n->scope, l->frame->outer);
        jassign(r, f, n->a, *item);
        int keep = jtruth(jeval(r, f, n->c));
        jframe_drop(r, n->scope, f);
        if (keep)
            return 1;
    }
    return 0;
}

static int look_ahead(struct jloop *l)
{
    if (!l->has_next)
        l->has_next = take(l, &l->next) ? 1 : 2;
    return l->has_next == 1;
}

static int advance(struct jloop *l)
{
    struct jvalue item;
    int more = l->has_next ? l->has_next == 1 : take(l, &item);
    if (!more)
        return 0;
    l->previous = l->current;
    l->current = l->has_next ? l->next : item;
    l->has_next = 0;
    l->index++;
    return 1;
}

int64_t jloop_length(struct jrun *r, struct jloop *l)
{
    struct jvalue item;
    if (l->length >= 0)
        return l->length;
    if (!l->node->c && jlength(r, l->walk.over) >= 0)
        return l->length = jlength(r, l->walk.over);
    struct jlist *rest = jlist_new(r, 0);
    int ahead = l->has_next == 1;
    while (l->has_next != 2 && take(l, &item))
        jlist_add(r, rest, item);
    l->rest = rest;
    return l->length = l->index + 1 + ahead + (int64_t)rest->n;
}

static struct jvalue no_item(struct jrun *r, const char *which) { return jundefined(r, NULL, jstring_word(r, which)); }

static struct jvalue cycle(struct jcall *c)
{
    if (c->n == 0)
        jfail(c->run, JINJA_RUNTIME, "loop.cycle needs an argument");
    return c->arg[(size_t)c->self.u.loop->index % c->n];
}

static struct jvalue changed(struct jcall *c)
{
    struct jloop *l = c->self.u.loop;
    struct jlist *now = jlist_new(c->run, c->n);
    for (size_t i = 0; i < c->n; i++)
        jlist_add(c->run, now, c->arg[i]);
    struct jvalue v = jtuplev(now);
    int differs = l->changed.type == J_UNSET || !jequal(c->run, l->changed, v);
    l->changed = v;
    return jbool(differs);
}

static const struct jbuiltin loop_methods[] = {{"cycle", cycle, NULL, 0}, {"changed", changed, NULL, 0}, {0}};

struct jvalue jloop_attr(struct jrun *r, struct jloop *l, const struct jstring *name)
{
    const struct jbuiltin *b = jbuiltin_find(loop_methods, name);
    if (b) {
        struct jmethod *m = jalloc(r, sizeof *m);
        *m = (struct jmethod){{J_LOOP, {.loop = l}}, b};
        return (struct jvalue){J_METHOD, {.method = m}};
    }
    if (jstring_is(name, "index0"))
        return jint(l->index);
    if (jstring_is(name, "index"))
        return jint(l->index + 1);
    if (jstring_is(name, "first"))
        return jbool(l->index == 0);
    if (jstring_is(name, "last"))
        return jbool(!look_ahead(l));
    if (jstring_is(name, "previtem"))
        return l->index > 0 ? l->previous : no_item(r, "loop.previtem");
    if (jstring_is(name, "nextitem"))
        return look_ahead(l) ? l->next : no_item(r, "loop.nextitem");
    if (jstring_is(name, "length"))
        return jint(jloop_length(r, l));
    if (jstring_is(name, "revindex"))
        return jint(jloop_length(r, l) - l->index);
    if (jstring_is(name, "revindex0"))
        return jint(jloop_length(r, l) - l->index - 1);
    if (jstring_is(name, "depth"))
        return jint(l->level + 1);
    if (jstring_is(name, "depth0"))
        return jint(l->level);
    return JUNSET;
}

static enum jgo run_loop(struct jrun *r, struct jframe *outer, const struct jnode *n, struct jvalue over, int level,
                         struct jbuffer *out)
{
    const struct jscope *scope = n->scope;
    struct jloop here, *l = scope->uses_loop ? jalloc(r, sizeof *l) : &here;
    struct jframe *f = jframe_new(r, scope, outer);
    *l = (struct jloop){.run = r, .node = n, .frame = f, .index = -1, .length = -1, .level = level};
    l->walk = jwalk_begin(r, over);
    int any = 0;
    for (; advance(l); any = 1) {
        memset(f->slot, 0, scope->n * sizeof f->slot[0]);
        jwork(r, scope->n / 4);
        jassign(r, f, n->a, l->current);
        f->slot[scope->loop] = scope->uses_loop ? (struct jvalue){J_LOOP, {.loop = l}} : JUNSET;
        if (jexec(r, f, n->list[0], out) == JGO_BREAK) {
            any = 1;
            break;
        }
    }
    jframe_drop(r, scope, f);
    if (any || !n->list[1])
        return JGO_ON;
    f = jframe_new(r, n->other_scope, outer);
    enum jgo go = jexec(r, f, n->list[1], out);
    jframe_drop(r, n->other_scope, f);
    return go;
}

enum jgo jexec_for(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    struct jvalue over = jeval(r, f, n->b);
    r->at = n->b->pos;
    return run_loop(r, f, n, over, 0, out);
}

struct jvalue jloop_call(struct jrun *r, struct jloop *l, struct jvalue over)
{
    struct jbuffer out = jbuffer_new(r);
    if (!l->node->op)
        jfail(r, JINJA_RUNTIME, "only a loop marked recursive can be called");
    if (++r->n_called > JCALLS_MOST)
        jfail(r, JINJA_LIMIT, "loops call themselves more than %d deep", JCALLS_MOST);
    run_loop(r, l->frame->outer, l->node, over, l->level + 1, &out);
    r->n_called--;
    return jstr(jbuffer_done(&out));
}
