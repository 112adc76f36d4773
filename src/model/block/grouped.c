/* The output of attention in groups of heads: each group has a matrix to a low rank, one more brings them together. See
 * grouped.h. Source: DeepSeek-V4's report and inference code. */
#include "model/block/grouped.h"

#include "format/gguf.h"
#include "op/heads.h"

int params_read_groups(struct params *p, const struct gguf *g, struct error *err)
{
    return params_int(g, "attention.output_group_count", 1, p->n_head, -1, &p->out.n_group, err) ||
                   params_int(g, "attention.output_lora_rank", 1, 1 << 14, -1, &p->out.rank, err)
               ? -1
               : 0;
}

static int n_low(const struct params *p) { return p->out.n_group * p->out.rank; }
static int n_of_group(const struct params *p) { return p->n_head * p->d_v / p->out.n_group; }

void bind_grouped_output(struct binder *b, int l, struct grouped_weights *w)
{
    const struct params *p = &b->m->p;
    w->a = bind_matrix(b, l, "attn_output_a.weight", n_low(p), n_of_group(p));
    w->b = bind_matrix(b, l, "attn_output_b.weight", p->n_embd, n_low(p));
}

void grouped_output(struct step *s, float *y, const float *o, const struct grouped_weights *w)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s), n_group = (size_t)n_of_group(p), n = (size_t)n_low(p);
    float *low = step_rows(s, n_low(p));
    op_matmul_heads(&s->m->op, low, n, (size_t)p->out.rank, o, (size_t)(p->n_head * p->d_v), n_group, s->n_rows,
                    &w->a->mat, p->out.n_group, p->out.rank, p->out.rank);
    struct act a = step_act(s, low, n_low(p));
    matmul(s, y, &a, w->b);
    step_reset(s, mark);
}
