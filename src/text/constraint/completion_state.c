/* Makes the tables of completion, and finds the distances of whole states: governed text, and phases that have to be left. */
#include "text/constraint/completion_inner.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/page.h"
#include "text/constraint/reserve.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* What is known of the grammar, in a fixed arena or in one that measures. */
static void lay_out_tables(struct completion *k, const struct grammar *g, struct arena *a)
{
    k->weight = arena_array(a, g->n_edge, sizeof *k->weight);
    k->base = arena_array(a, g->n_state, sizeof *k->base);
    k->rule = arena_array(a, g->n_rule, sizeof *k->rule);
    k->item = arena_array(a, g->n_rule, sizeof *k->item);
    k->most = arena_array(a, g->n_rule, sizeof *k->most);
    k->rest = arena_array(a, g->n_state, sizeof *k->rest);
    k->begun = arena_array(a, g->n_state, sizeof *k->begun);
    k->in_long_code_point = arena_array(a, g->n_state, sizeof *k->in_long_code_point);
    k->at_begin = arena_array(a, g->n_state, sizeof *k->at_begin);
    k->coverable = arena_array(a, g->n_rule, sizeof *k->coverable);
    k->alike = arena_array(a, g->n_rule, sizeof *k->alike);
}

/* What counting needs besides, from the next page on. */
static void lay_out_scratch(struct completion *k, struct arena *a)
{
    k->level = arena_alloc_aligned(a, (COMPLETION_DEPTH + 1) * sizeof *k->level, page_bytes());
    k->frames = arena_array(a, COMPLETION_FRAMES, sizeof *k->frames);
    k->table = arena_array(a, COMPLETION_TABLE, sizeof *k->table);
    k->pending = arena_array(a, COMPLETION_PENDING, sizeof *k->pending);
    k->positions = arena_array(a, (size_t)(COMPLETION_DEPTH + 2) * COMPLETION_POSITIONS, sizeof *k->positions);
    k->left = arena_array(a, COMPLETION_COVER + 1, sizeof *k->left);
    k->lengths = arena_array(a, COMPLETION_RULES, COMPLETION_LENGTHS);
    k->list = arena_array(a, COMPLETION_LISTS, sizeof *k->list);
    k->list_bucket = arena_array(a, COMPLETION_LISTS, sizeof *k->list_bucket);
    k->list_position = arena_array(a, COMPLETION_LIST_POSITIONS, sizeof *k->list_position);
    k->list_step = arena_array(a, COMPLETION_STEPS, sizeof *k->list_step);
}

/* Both, in whole pages as far as the scratch. */
static size_t measure(const struct grammar *g, size_t *tables)
{
    struct completion k;
    struct arena a;
    arena_init_measuring(&a);
    lay_out_tables(&k, g, &a);
    *tables = round_up(a.peak, page_bytes());
    lay_out_scratch(&k, &a);
    return arena_measured(&a);
}

int completion_create(struct completion **out, struct constraint *c, struct error *err)
{
    if (!c->close_at_limit)
        return 0;
    struct completion *k = compile_zeroed(c->compile, 1, sizeof *k);
    if (!k)
        return compile_refused(c->compile, err);
    *out = k;
    k->c = c;
    k->epoch = 1;
    size_t bytes = measure(c->grammar, &k->tables_bytes);
    if (compile_take(c->compile, k->tables_bytes))
        return compile_refused(c->compile, err);
    if (reserve(&k->arena, bytes, err)) {
        compile_give(c->compile, k->tables_bytes);
        return -1;
    }
    lay_out_tables(k, c->grammar, &k->arena);
    lay_out_scratch(k, &k->arena);
    return completion_measure(k, err) || completion_find_alike(k, err) ? -1 : 0;
}

void completion_destroy(struct completion *k)
{
    if (!k)
        return;
    struct compile *compile = k->c->compile;
    if (k->arena.base) {
        compile_give(compile, k->tables_bytes);
        arena_unmap(&k->arena);
    }
    compile_free(compile, k);
}

size_t completion_bytes(const struct completion *k) { return k ? k->arena.size : 0; }

size_t completion_held_bytes(const struct completion *k) { return k ? compile_size(k) + k->tables_bytes : 0; }

size_t completion_scratch_bytes(void)
{
    size_t tables;
    return measure(&(struct grammar){0}, &tables);
}

void completion_release(struct completion *k)
{
    if (!k)
        return;
    reserve_discard(&k->arena, k->level);
    memset(k->length_rule, 0, sizeof k->length_rule);
    k->n_table = 0;
    k->n_list = k->n_list_position = k->n_step = 0;
    k->epoch = 1;
}

/* ---- phases ------------------------------------------------------------------------------------------------------------------- */

static int64_t plus(int64_t a, int64_t b)
{
    return a == COMPLETION_NEVER || b == COMPLETION_NEVER ? COMPLETION_NEVER : a + b;
}

static int64_t of_phase(struct completion *k, int32_t phase, uint16_t node, int depth);

/* Behind a complete trigger. */
static int64_t behind(struct completion *k, const struct constraint_trigger *t, int depth)
{
    struct constraint *c = k->c;
    int64_t next = t->next == CONSTRAINT_END ? 0 : of_phase(k, t->next, c->phase[t->next].start, depth + 1);
    return t->entry < 0 ? next : plus(completion_of_set(k, constraint_start(c, t->entry)), next);
}

static int64_t of_phase(struct completion *k, int32_t phase, uint16_t node, int depth)
{
    const struct trigger_machine *t = &k->c->phase[phase];
    int64_t best = COMPLETION_NEVER, spelled[1024];
    if (!t->must)
        return 0;
    if (depth > 8)
        return COMPLETION_NEVER;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct constraint_trigger *g = &t->trigger[i];
        size_t begun = t->left[node][0] == i && g->text ? g->n - t->left[node][1] : 0;
        if (g->text && (g->n - begun >= 1024 || (g->at_start && !begun && node != t->start)))
            continue;
        int64_t tokens = g->text ? completion_spell(k->c->trie, g->text + begun, g->n - begun, spelled, NULL) : 1;
        tokens = plus(tokens, behind(k, g, depth));
        best = tokens < best ? tokens : best;
    }
    return best;
}

int64_t completion_of_state(struct completion *k, const struct constraint_state *s)
{
    if (s->phase == CONSTRAINT_OVER)
        return 0;
    if (s->phase >= 0)
        return of_phase(k, s->phase, s->node, 0);
    int64_t next = s->next == CONSTRAINT_END ? 0 : of_phase(k, s->next, k->c->phase[s->next].start, 0);
    return plus(completion_of_set(k, s->set), next);
}
