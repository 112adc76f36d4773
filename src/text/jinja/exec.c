/* Statements at work, and rendering as a whole. */
#include "text/jinja/tree.h"

#include <string.h>

/* ---- frames ---- */

struct jframe *jframe_new(struct jrun *r, const struct jscope *scope, struct jframe *outer)
{
    size_t quarter = (scope->n + 3) / 4, most = sizeof r->spare / sizeof *r->spare;
    struct jframe *f = quarter < most ? r->spare[quarter] : NULL;
    if (f)
        r->spare[quarter] = f->outer;
    else
        f = jalloc(r, sizeof *f + 4 * quarter * sizeof f->slot[0]);
    f->outer = outer;
    f->cap = 4 * quarter;
    memset(f->slot, 0, scope->n * sizeof f->slot[0]);
    jwork(r, scope->n / 4);
    return f;
}

/* A frame that no macro has kept can be used again: nested loops need no memory in proportion to their passes. */
void jframe_drop(struct jrun *r, const struct jscope *scope, struct jframe *f)
{
    size_t quarter = f->cap / 4;
    if (scope->captured || scope->uses_loop || quarter >= sizeof r->spare / sizeof *r->spare)
        return;
    f->outer = r->spare[quarter];
    r->spare[quarter] = f;
}

/* ---- statements ---- */

static void assign_tuple(struct jrun *r, struct jframe *f, const struct jnode *target, struct jvalue v)
{
    if (!jiterable(v))
        jfail(r, JINJA_RUNTIME, "a %s cannot be taken apart into %zu names", jtype_name(v), target->n);
    struct jwalk w = jwalk_begin(r, v);
    struct jvalue item, extra;
    for (size_t i = 0; i < target->n; i++) {
        if (!jwalk_next(&w, &item))
            jfail(r, JINJA_RUNTIME, "%zu values for %zu names", i, target->n);
        jassign(r, f, target->list[i], item);
    }
    if (jwalk_next(&w, &extra))
        jfail(r, JINJA_RUNTIME, "more values than the %zu names", target->n);
}

void jassign(struct jrun *r, struct jframe *f, const struct jnode *target, struct jvalue v)
{
    jdeeper(r);
    r->at = target->pos;
    if (target->kind == JN_NAME) {
        f->slot[target->op] = v;
    } else if (target->kind == JN_TUPLE) {
        assign_tuple(r, f, target, v);
    } else {
        struct jvalue ns = jeval(r, f, target->a);
        r->at = target->pos;
        if (ns.type != J_NAMESPACE)
            jfail(r, JINJA_RUNTIME, "attributes can only be set on a namespace(), not on a %s", jtype_name(ns));
        jdict_set(r, ns.u.dict, jstr(target->name), v);
    }
}

static int is_plain_text(struct jvalue v) { return v.type == J_STRING && !v.u.s->safe; }

/* What out has behind its first bytes, and last, as one text; out ends there again. */
static struct jvalue take_back(struct jrun *r, struct jbuffer *out, size_t begin, struct jvalue last)
{
    struct jbuffer b = jbuffer_new(r);
    struct jstring printed = {.bytes = out->bytes + begin, .n = out->n - begin, .origin = out->origin};
    printed.mark = out->mark ? out->mark + begin : NULL;
    jbuffer_string(&b, &printed);
    jbuffer_string(&b, last.u.s);
    out->n = begin;
    return jstr(jbuffer_done(&b));
}

/* A sum a + b + .. that is to be printed. Texts are printed one by one and not joined first: of a long conversation they would be in
 * memory twice. Returns the last one, which is not printed yet; for what is no sum of plain texts, its value. */
static struct jvalue print_sum(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    size_t begin = out->n;
    if (n->kind != JN_ARITH || n->op != JOP_ADD)
        return jeval(r, f, n);
    r->at = n->pos;
    jdeeper(r);
    struct jvalue a = print_sum(r, f, n->a, out), b = jeval(r, f, n->b);
    r->at = n->pos;
    if (is_plain_text(a) && is_plain_text(b)) {
        jbuffer_string(out, a.u.s);
        return b;
    }
    return jarith(r, JOP_ADD, out->n > begin ? take_back(r, out, begin, a) : a, b);
}

static void print(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    struct jvalue v = print_sum(r, f, n->a, out);
    r->at = n->a->pos;
    if (v.type == J_STRING)
        jbuffer_string(out, v.u.s);
    else if (v.type != J_UNDEFINED)
        jbuffer_string(out, jtext(r, v));
}

static struct jvalue run_body(struct jrun *r, struct jframe *f, const struct jnode *n)
{
    struct jbuffer text = jbuffer_new(r);
    struct jframe *inner = jframe_new(r, n->scope, f);
    jexec(r, inner, n->list[0], &text);
    jframe_drop(r, n->scope, inner);
    struct jvalue v = jstr(jbuffer_done(&text));
    if (!n->c)
        return v;
    r->captured = v;
    return jeval(r, f, n->c);
}

static void print_filtered(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    struct jvalue v = run_body(r, f, n);
    if (v.type != J_STRING)
        jfail(r, JINJA_RUNTIME, "the filter of a block gives a text, not %s", jtype_name(v));
    jbuffer_string(out, v.u.s);
}

static enum jgo exec_if(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    for (size_t i = 0; i + 1 < n->n; i += 2)
        if (jtruth(jeval(r, f, n->list[i])))
            return jexec(r, f, n->list[i + 1], out);
    return n->c ? jexec(r, f, n->c, out) : JGO_ON;
}

static enum jgo exec_with(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    struct jframe *inner = jframe_new(r, n->scope, f);
    for (size_t i = 1; i + 1 < n->n; i += 2)
        jassign(r, inner, n->list[i], jeval(r, f, n->list[i + 1]));
    enum jgo go = jexec(r, inner, n->list[0], out);
    jframe_drop(r, n->scope, inner);
    return go;
}

static struct jvalue macro_value(struct jrun *r, struct jframe *f, const struct jmacrodef *def)
{
    struct jmacro *m = jalloc(r, sizeof *m);
    *m = (struct jmacro){def, f};
    return (struct jvalue){J_MACRO, {.macro = m}};
}

/* The call of the block gets the body as the keyword caller. */
static void exec_call_block(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    const struct jargs *old = n->a->args;
    struct jnode caller = {.kind = JN_CONST, .pos = n->pos, .value = macro_value(r, f, n->macro)}, call = *n->a;
    struct jargs args = *old;
    args.n_keyed = old->n_keyed + 1;
    args.keyed = jalloc_array(r, args.n_keyed, sizeof *args.keyed);
    if (old->n_keyed)
        memcpy(args.keyed, old->keyed, old->n_keyed * sizeof *args.keyed);
    args.keyed[old->n_keyed] = (struct jkeyarg){jstring_word(r, "caller"), &caller};
    call.args = &args;
    struct jvalue v = jeval(r, f, &call);
    jbuffer_string(out, jtext(r, v));
}

static enum jgo exec(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    enum jgo go = JGO_ON;
    switch (n->kind) {
    case JN_DATA:
        jbuffer_string(out, n->value.u.s);
        break;
    case JN_PRINT:
        print(r, f, n, out);
        break;
    case JN_BODY:
        for (size_t i = 0; i < n->n && go == JGO_ON; i++)
            go = jexec(r, f, n->list[i], out);
        break;
    case JN_IF:
        return exec_if(r, f, n, out);
    case JN_FOR:
        return jexec_for(r, f, n, out);
    case JN_SET:
        jassign(r, f, n->a, jeval(r, f, n->b));
        break;
    case JN_SETBLOCK:
        jassign(r, f, n->a, run_body(r, f, n));
        break;
    case JN_MACRO:
        jassign(r, f, n->a, macro_value(r, f, n->macro));
        break;
    case JN_CALLBLOCK:
        exec_call_block(r, f, n, out);
        break;
    case JN_FILTERED:
        print_filtered(r, f, n, out);
        break;
    case JN_WITH:
        return exec_with(r, f, n, out);
    case JN_BREAK:
        return JGO_BREAK;
    case JN_CONTINUE:
        return JGO_CONTINUE;
    default:
        jfail(r, JINJA_RUNTIME, "there is nothing to include, import or extend from");
    }
    return go;
}

enum jgo jexec(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out)
{
    r->at = n->pos;
    jdeeper(r);
    return exec(r, f, n, out);
}

/* ---- rendering ---- */

/* Bytes from at on that have the same mark. */
static size_t stretch(const uint8_t *mark, size_t at, size_t n)
{
    size_t end = at + 1;
    uint64_t same = mark[at] * UINT64_C(0x0101010101010101), eight;
    while (end + 8 <= n && (memcpy(&eight, mark + end, 8), eight == same))
        end += 8;
    while (end < n && mark[end] == mark[at])
        end++;
    return end - at;
}

static void spans_of(struct jrun *r, const struct jbuffer *b, struct jinja_text *out)
{
    struct jinja_span *span = NULL;
    size_t n = 0, cap = 0;
    for (size_t at = 0; at < b->n; at += span[n++].n) {
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            struct jinja_span *grown = jalloc_array(r, cap, sizeof *grown);
            if (n)
                memcpy(grown, span, n * sizeof *grown);
            span = grown;
        }
        span[n].origin = (enum text_origin)(b->mark ? b->mark[at] : b->origin);
        span[n].n = b->mark ? stretch(b->mark, at, b->n) : b->n;
    }
    *out = (struct jinja_text){b->bytes ? b->bytes : "", b->n, span, n, b->mark};
}

/* What a rendering is longer than its request, in most cases: quotes and names of the JSON go, and tags come. */
enum { RESERVE_MORE = 1 << 20 };

static int render(struct jrun *r, void *out)
{
    struct jbuffer text = jbuffer_new(r);
    size_t more = r->request_bytes / 4 < RESERVE_MORE ? r->request_bytes / 4 : RESERVE_MORE;
    jbuffer_reserve(&text, r->request_bytes + more + 4096);
    struct jframe *f = jframe_new(r, r->template->scope, NULL);
    jexec(r, f, r->template->body, &text);
    spans_of(r, &text, out);
    return 0;
}

int jinja_render(const struct jinja_template *t, struct jrun *r, struct jinja_text *out)
{
    r->template = t;
    r->n_called = 0;
    r->called = NULL;
    memset(r->spare, 0, sizeof r->spare);
    int rc = jrun_protect(r, render, out);
    r->template = NULL;
    return rc;
}
