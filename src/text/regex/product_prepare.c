/* What a product works with before its first state: names as a tree, patterns as automata, what they read as kinds of code points, and
 * memory for the rest; and the end of all that. See product.h. */
#include "text/regex/product.h"

#include "base/utf8.h"

#include <string.h>

int product_space(struct product *x, void *vector, uint32_t n, uint32_t more, uint32_t *capacity, size_t size)
{
    void **v = vector;
    if (*v && more <= *capacity - n)
        return 0;
    uint32_t larger = (n + more) * 2 + 64;
    void *grown = compile_grow(x->compile, *v, larger, size);
    if (!grown)
        return x->failed = 1, -1;
    *v = grown;
    *capacity = larger;
    return 0;
}

static int add_names(struct product *x)
{
    size_t most = 1;
    for (size_t i = 0; i < x->p->n_name; i++)
        most += x->p->name[i].n;
    if (most > 1 << 20 || !(x->name = compile_alloc(x->compile, most, sizeof *x->name)))
        return -1;
    x->name[x->n_name++] = (struct name_node){0, 0, -1, -1, 0};
    for (size_t i = 0; i < x->p->n_name; i++) {
        int32_t at = 0;
        for (size_t k = 0, length; k < x->p->name[i].n; k += length) {
            uint32_t c, steps = 4;
            utf8_read(x->p->name[i].text + k, x->p->name[i].n - k, &length, &c);
            int32_t next = x->name[at].child;
            for (; next >= 0 && x->name[next].code_point != c; next = x->name[next].sibling)
                steps++;
            if (compile_work(x->compile, steps))
                return -1;
            if (next < 0) {
                next = x->n_name++;
                x->name[next] = (struct name_node){c, 0, -1, x->name[at].child, 0};
                x->name[at].child = next;
            }
            at = next;
        }
        x->name[at].ends = 1;
    }
    return 0;
}

static int add_patterns(struct product *x)
{
    const struct regex_product *p = x->p;
    x->n = (uint32_t)p->n_pattern;
    x->n_required = x->n - (uint32_t)p->n_barred;
    x->nfa = compile_zeroed(x->compile, p->n_pattern + 1, sizeof *x->nfa);
    x->at = compile_zeroed(x->compile, p->n_pattern + 2, sizeof *x->at);
    if (!x->nfa || !x->at)
        return -1;
    for (uint32_t i = 0; i < x->n; i++) {
        nfa_make(&x->nfa[i], p->pattern[i]);
        if (x->nfa[i].failed || x->nfa[i].n_state > (1 << 24) - x->at[i])
            return -1;
        x->at[i + 1] = x->at[i] + x->nfa[i].n_state;
    }
    uint32_t n_item = x->at[x->n] + 1;
    x->of = compile_alloc(x->compile, n_item, sizeof *x->of);
    x->list = compile_alloc(x->compile, n_item, sizeof *x->list);
    x->seen = compile_zeroed(x->compile, n_item, sizeof *x->seen);
    x->found = compile_alloc(x->compile, x->n + 1, sizeof *x->found);
    x->found_round = compile_zeroed(x->compile, x->n + 1, sizeof *x->found_round);
    x->again = compile_alloc(x->compile, x->n + 1, sizeof *x->again);
    if (!x->of || !x->list || !x->seen || !x->found || !x->found_round || !x->again)
        return -1;
    for (uint32_t i = 0; i < x->n; i++)
        for (uint32_t k = x->at[i]; k < x->at[i + 1]; k++)
            x->of[k] = i;
    return 0;
}

/* What the steps read, each class once: copies of a part of a pattern share its ranges. */
static int add_classes(struct product *x)
{
    uint32_t most = (uint32_t)x->n_name;
    for (uint32_t i = 0; i < x->n; i++)
        most += x->p->pattern[i]->n_node;
    x->class = compile_alloc(x->compile, (size_t)most + 1, sizeof *x->class);
    x->class_of = compile_zeroed(x->compile, x->n + 1, sizeof *x->class_of);
    x->range = compile_alloc(x->compile, (size_t)x->n_name + 1, sizeof *x->range); /* of names, for now */
    if (!x->class || !x->class_of || !x->range)
        return -1;
    for (uint32_t i = 0; i < x->n; i++) {
        const struct regex *r = x->p->pattern[i];
        x->class_of[i] = compile_zeroed(x->compile, r->n_range + 1, sizeof **x->class_of);
        if (!x->class_of[i])
            return -1;
        for (uint32_t e = 0; e < x->nfa[i].n_step; e++) {
            const struct nfa_step *s = &x->nfa[i].step[e];
            if (s->kind != STEP_CLASS || s->n == 0 || x->class_of[i][s->range])
                continue;
            x->class[x->n_class] = (struct code_point_class){r->range + s->range, s->n};
            x->class_of[i][s->range] = ++x->n_class;
        }
    }
    for (int32_t k = 1; k < x->n_name; k++) {
        x->range[k] = (struct grammar_range){x->name[k].code_point, x->name[k].code_point};
        x->class[x->n_class + (uint32_t)k - 1] = (struct code_point_class){&x->range[k], 1};
    }
    return code_points_make(&x->kinds, x->compile, x->class, x->n_class + (uint32_t)x->n_name - 1);
}

static int add_kinds(struct product *x)
{
    const struct code_point_kinds *l = &x->kinds;
    uint32_t n = 0, capacity = 0;
    x->head = compile_alloc(x->compile, l->n_kind + 1, sizeof *x->head);
    x->head_round = compile_zeroed(x->compile, l->n_kind + 1, sizeof *x->head_round);
    x->read_kind = compile_alloc(x->compile, l->n_kind + 1, sizeof *x->read_kind);
    x->group = compile_alloc(x->compile, l->n_kind + 1, sizeof *x->group);
    x->first_kind = compile_zeroed(x->compile, x->n_class + 1, sizeof *x->first_kind);
    if (!x->head || !x->head_round || !x->read_kind || !x->group || !x->first_kind)
        return -1;
    for (uint32_t c = 0; c < x->n_class; c++) {
        int64_t more = code_points_of_class(l, &x->class[c], x -> read_kind);
        if (more < 0 || product_space(x, &x->kind, n, (uint32_t)more + 1, &capacity, sizeof *x->kind))
            return -1;
        memcpy(x->kind + n, x->read_kind, (size_t)more * sizeof *x->kind);
        x->first_kind[c + 1] = n += (uint32_t)more;
    }
    for (int32_t k = 1; k < x->n_name; k++)
        x->name[k].kind = code_points_kind(l, x->name[k].code_point);
    compile_free(x->compile, x->range);
    x->range = compile_alloc(x->compile, (size_t)l->n_stretch + 1, sizeof *x->range);
    return x->range ? 0 : -1;
}

int product_prepare(struct product *x)
{
    if (add_names(x) || add_patterns(x) || add_classes(x) || add_kinds(x))
        return -1;
    x->known_bucket = compile_alloc(x->compile, BUCKETS, sizeof *x->known_bucket);
    x->first_step = compile_alloc(x->compile, REGEX_STATES + 1, sizeof *x->first_step);
    if (!x->known_bucket || !x->first_step)
        return -1;
    memset(x->known_bucket, -1, BUCKETS * sizeof *x->known_bucket);
    memset(x->bucket, -1, sizeof x->bucket);
    return 0;
}

void product_free(struct product *x)
{
    struct compile *c = x->compile;
    for (uint32_t i = 0; x->nfa && i < x->n; i++)
        nfa_free(&x->nfa[i]);
    for (uint32_t i = 0; x->class_of && i < x->n; i++)
        compile_free(c, x->class_of[i]);
    code_points_free(&x->kinds);
    void *const all[] = {x->nfa,   x->at,    x->of,    x->again,      x->class,       x->class_of,    x->first_kind,
                         x->kind,  x->name,  x->state, x->item,       x->step,        x->first_step,  x->list,
                         x->seen,  x->found, x->move,  x->head,       x->head_round,  x->found_round, x->read_kind,
                         x->group, x->range, x->known, x->known_kind, x->known_bucket};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        compile_free(c, all[i]);
    compile_free(c, x);
}
