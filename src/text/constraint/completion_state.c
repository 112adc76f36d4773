/* Makes the tables of completion, and finds the distances of whole states: governed text, and phases that have to be left. */
#include "text/constraint/completion_inner.h"

#include "base/error.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t carve(size_t *used, size_t n, size_t size)
{
    size_t at = *used;
    *used += (n * size + 63) / 64 * 64;
    return at;
}

int completion_create(struct completion **out, struct constraint *c, struct error *err)
{
    const struct grammar *g = c->grammar;
    if (!c->close_at_limit)
        return 0;
    struct completion *k = compile_zeroed(c->compile, 1, sizeof *k);
    if (!k)
        return compile_refused(c->compile, err);
    *out = k;
    k->c = c;
    k->epoch = 1;
    size_t used = 0;
    size_t weight = carve(&used, g->n_edge, 1), base = carve(&used, g->n_state, 4), rule = carve(&used, g->n_rule, 4),
           item = carve(&used, g->n_rule, 4), most = carve(&used, g->n_rule, 8), rest = carve(&used, g->n_state, 4),
           begun = carve(&used, g->n_state, 1), in_long_code_point = carve(&used, g->n_state, 1),
           at_begin = carve(&used, g->n_state, 1), coverable = carve(&used, g->n_rule, 1);
    used = (used + 4095) / 4096 * 4096; /* scratch from here on */
    size_t level = carve(&used, COMPLETION_DEPTH + 1, sizeof *k->level), frames = carve(&used, COMPLETION_FRAMES, 4),
           table = carve(&used, COMPLETION_TABLE, sizeof *k->table),
           todo = carve(&used, COMPLETION_TODO, sizeof *k->todo),
           positions = carve(&used, (size_t)(COMPLETION_DEPTH + 2) * COMPLETION_POSITIONS, sizeof *k->positions),
           left = carve(&used, COMPLETION_COVER + 1, sizeof *k->left),
           lengths = carve(&used, COMPLETION_RULES, COMPLETION_LENGTHS),
           list = carve(&used, COMPLETION_LISTS, sizeof *k->list), list_bucket = carve(&used, COMPLETION_LISTS, 4),
           list_position = carve(&used, COMPLETION_LIST_POSITIONS, sizeof *k->list_position),
           list_step = carve(&used, COMPLETION_STEPS, sizeof *k->list_step);
    if (compile_take(c->compile, level))
        return compile_refused(c->compile, err);
    char *p = mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        compile_give(c->compile, level);
        return error_set(err, ERR_MEMORY, "no memory for a constraint: %zu bytes", used);
    }
    k->reservation = p;
    k->bytes = used;
    k->scratch = p + level;
    k->weight = (uint8_t *)(p + weight);
    k->base = (uint32_t *)(p + base);
    k->rule = (uint32_t *)(p + rule);
    k->item = (uint32_t *)(p + item);
    k->most = (int64_t *)(p + most);
    k->rest = (int32_t *)(p + rest);
    k->begun = (uint8_t *)(p + begun);
    k->in_long_code_point = (uint8_t *)(p + in_long_code_point);
    k->at_begin = (uint8_t *)(p + at_begin);
    k->coverable = (uint8_t *)(p + coverable);
    k->level = (struct level *)(p + level);
    k->frames = (uint32_t *)(p + frames);
    k->table = (struct entry *)(p + table);
    k->todo = (struct todo *)(p + todo);
    k->list = (struct position_list *)(p + list);
    k->list_bucket = (uint32_t *)(p + list_bucket);
    k->list_position = (struct position *)(p + list_position);
    k->list_step = (struct list_step *)(p + list_step);
    k->positions = (struct position *)(p + positions);
    k->left = (int64_t *)(p + left);
    k->lengths = (uint8_t *)(p + lengths);
    return completion_measure(k, err);
}

/* What lies before the scratch. */
static size_t tables_bytes(const struct completion *k) { return (size_t)(k->scratch - (char *)k->reservation); }

void completion_destroy(struct completion *k)
{
    if (!k)
        return;
    struct compile *compile = k->c->compile;
    if (k->reservation) {
        compile_give(compile, tables_bytes(k));
        munmap(k->reservation, k->bytes);
    }
    compile_free(compile, k);
}

size_t completion_bytes(const struct completion *k) { return k ? k->bytes : 0; }

size_t completion_held_bytes(const struct completion *k) { return k ? compile_size(k) + tables_bytes(k) : 0; }

size_t completion_scratch_bytes(void)
{
    return (COMPLETION_DEPTH + 1) * sizeof(struct level) + COMPLETION_FRAMES * sizeof(uint32_t) +
           COMPLETION_TABLE * sizeof(struct entry) + COMPLETION_TODO * sizeof(struct todo) +
           (size_t)(COMPLETION_DEPTH + 2) * COMPLETION_POSITIONS * sizeof(struct position) +
           (COMPLETION_COVER + 1) * sizeof(int64_t) + COMPLETION_RULES * COMPLETION_LENGTHS +
           COMPLETION_LISTS * (sizeof(struct position_list) + sizeof(uint32_t)) +
           COMPLETION_LIST_POSITIONS * sizeof(struct position) + COMPLETION_STEPS * sizeof(struct list_step) + 12 * 64;
}

void completion_release(struct completion *k)
{
    if (!k)
        return;
    madvise(k->scratch, k->bytes - tables_bytes(k), MADV_DONTNEED);
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
