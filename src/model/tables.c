/* Tables of rows: see tables.h.
 *
 * A table whose rows depend on more than the token has a function from tokens to rows. It sees the token and those before it in its own
 * sequence, which keeps its last ones in its state:
 *
 *     state [n_before]   token + 1 of the last position, of the one before it, ...; 0: there was none
 */
#include "model/tables.h"

#include "model/step.h"

#include "base/error.h"

#include <assert.h>
#include <string.h>

enum { MOST_ROWS = 2048 }; /* that model_want() asks for at a time: those of one token at least */

/* ---- which rows -------------------------------------------------------------------------------------------------------------- */

/* What a sequence keeps after the first n rows of a run, into out; last: what it kept before. out may be last. */
static void copy_before(const struct step *s, const struct run *run, int n, const int32_t *last, int32_t *out)
{
    int32_t now[MODEL_BEFORE];
    int n_before = s->m->n_before;
    for (int k = 0; k < n_before; k++)
        now[k] = k < n ? s->b->token[run->first + n - 1 - k] + 1 : last[k - n];
    memcpy(out, now, (size_t)n_before * sizeof *out);
}

/* Where a block of states has them. */
static int32_t *before_in(const struct model *m, uint8_t *state) { return (int32_t *)(void *)(state + m->before_at); }

static void rows_of_text(const struct model *m, const struct row_table *t, const int32_t *last, int32_t *id)
{
    t->ids(m, last, id);
    for (int i = 0; i < t->n_take; i++)
        assert(id[i] >= 0 && id[i] < t->weight->mat.n_rows);
}

/* A token that a sequence keeps, or -1. A state that was read from a file may hold any number. */
static int32_t kept_token(const struct model *m, int32_t kept)
{
    return kept > 0 && kept <= m->p.n_vocab ? kept - 1 : -1;
}

/* The rows of a run, by all tables that go by more than the token. kept: the tokens before it, as the sequence keeps them. */
static void find_ids(const struct step *s, const struct run *run, const int32_t *kept)
{
    const struct model *m = s->m;
    for (int i = 0; i < run->n; i++) {
        int32_t last[1 + MODEL_BEFORE];
        for (int k = 0; k <= m->n_before; k++)
            last[k] = k <= i ? s->b->token[run->first + i - k] : kept_token(m, kept[k - i - 1]);
        for (int t = 0; t < m->n_table; t++)
            if (m->table[t].ids)
                rows_of_text(m, &m->table[t], last,
                             s->row_id[t] + (size_t)(run->first + i) * (size_t)m->table[t].n_take);
    }
}

/* Rows by the text: of every run, whose sequence then keeps its last tokens. */
static void find_rows(struct step *s)
{
    struct model *m = s->m;
    if (s->pairs) /* the model's layers alone take such rows */
        return;
    for (int t = 0; t < m->n_table; t++)
        if (m->table[t].ids)
            s->row_id[t] = op_alloc(&m->op, (size_t)s->n_rows * (size_t)m->table[t].n_take * sizeof(int32_t));
    for (int i = 0; i < s->n_run && m->n_before && !op_measuring(&m->op); i++) {
        const struct run *run = &s->run[i];
        const struct sequence *seq = s->b->seq[run->first];
        int32_t *last = before_in(m, seq->state);
        find_ids(s, run, last);
        for (int r = 1; r < run->n && seq->kept; r++)
            copy_before(s, run, r, last, before_in(m, seq->kept[r - 1]));
        copy_before(s, run, run->n, last, last);
    }
}

static const int32_t *ids_of(const struct step *s, int table)
{
    return s->m->table[table].ids ? s->row_id[table] : s->b->token;
}

/* ---- a step ------------------------------------------------------------------------------------------------------------------ */

/* Is the table on disk, and does the step take rows of it? Layers that predict take those of tokens alone. */
static int is_read(const struct step *s, const struct row_table *t) { return t->rows && !(s->pairs && t->ids); }

void tables_step_begin(struct step *s)
{
    struct model *m = s->m;
    find_rows(s);
    for (int t = 0; t < m->n_table && !op_measuring(&m->op); t++)
        if (is_read(s, &m->table[t]))
            rows_want(m->table[t].rows, ids_of(s, t), s->n_rows * m->table[t].n_take,
                      step_has_many_rows(s) ? READ_SWEEP : READ_NOW);
}

void tables_step_end(struct step *s)
{
    for (int t = 0; t < s->m->n_table && !op_measuring(&s->m->op); t++)
        if (is_read(s, &s->m->table[t]))
            rows_step_end(s->m->table[t].rows);
}

/* Sequences one of whose rows could not be read leave. */
static void failed_rows_leave(struct step *s, const unsigned char *failed, int n_take, const struct error *why)
{
    for (int i = 0; i < s->n_rows * n_take; i++)
        if (failed[i])
            row_leaves(s, i / n_take);
    if (s->b->row_error && s->b->row_error->code == ERR_NONE)
        *s->b->row_error = *why;
}

void take_rows(struct step *s, int table, float *x, size_t ld)
{
    struct op *op = &s->m->op;
    const struct row_table *t = &s->m->table[table];
    const struct wmat *w = &t->weight->mat;
    const struct block_info *type = type_info(w->type);
    size_t mark = step_mark(s), n_take = (size_t)t->n_take, n = (size_t)s->n_rows * n_take;
    uint8_t *raw = NULL;
    const int32_t *id = ids_of(s, table);
    if (t->weight->on_disk) {
        struct error why = {0};
        raw = op_alloc(op, n * w->row_bytes);
        unsigned char *failed = op_alloc(op, n);
        if (!op_measuring(op) && rows_take(t->rows, id, (int)n, raw, failed, &why))
            failed_rows_leave(s, failed, t->n_take, &why);
    }
    for (size_t i = 0; i < n && !op_measuring(op); i++) {
        size_t row = raw ? i : (size_t)id[i];
        type->decode(x + i / n_take * ld + i % n_take * (size_t)w->n_cols, (raw ? raw : w->data) + row * w->row_bytes,
                     (size_t)w->n_cols);
    }
    step_reset(s, mark);
}

/* ---- between steps ------------------------------------------------------------------------------------------------------------ */

static void want_by_text(const struct model *m, const struct row_table *t, const int32_t *history, size_t at, size_t n,
                         enum read_rank rank)
{
    int32_t id[MOST_ROWS], last[1 + MODEL_BEFORE];
    size_t most = MOST_ROWS / (size_t)t->n_take, n_id = 0;
    assert(most > 0);
    for (size_t i = at; i < at + n; i++) {
        for (size_t k = 0; k <= (size_t)m->n_before; k++)
            last[k] = k <= i ? history[i - k] : -1;
        rows_of_text(m, t, last, id + n_id++ * (size_t)t->n_take);
        if (n_id == most || i + 1 == at + n) {
            rows_want(t->rows, id, (int)n_id * t->n_take, rank);
            n_id = 0;
        }
    }
}

void model_want(struct model *m, const int32_t *history, size_t at, size_t n, enum read_rank rank)
{
    for (int t = 0; t < m->n_table; t++) {
        const struct row_table *table = &m->table[t];
        if (table->rows && table->ids)
            want_by_text(m, table, history, at, n, rank);
        else if (table->rows)
            rows_want(table->rows, history + at, (int)n, rank);
    }
}

int tables_poll(struct model *m)
{
    int busy = 0;
    for (int t = 0; t < m->n_table; t++)
        if (m->table[t].rows)
            busy |= rows_poll(m->table[t].rows);
    return busy;
}
