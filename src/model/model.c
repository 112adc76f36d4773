/* Opening and loading a model: see model.h. */
#include "model/model.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"
#include "model/bind.h"
#include "model/pooling.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static int bind_ends(struct binder *b)
{
    struct model *m = b->m;
    const struct params *p = &m->p;
    struct weight *tokens = bind_matrix(b, -1, "token_embd.weight", p->n_vocab, p->n_embd);
    bind_rows(b, tokens, 1);
    const char *norm = m->arch->output_norm ? m->arch->output_norm : "output_norm.weight";
    m->output_norm = *norm ? bind_vector(b, -1, norm, p->n_embd) : NULL;
    m->output_norm_bias = m->output_norm ? bind_vector_if(b, -1, "output_norm.bias", p->n_embd) : NULL;
    if (p->pooling) {
        bind_pooling(b);
        return b->failed ? -1 : 0;
    }
    m->output = bind_matrix_if(b, -1, "output.weight", p->n_vocab, p->n_embd);
    m->output_bias = bind_vector_if(b, -1, "output.bias", p->n_vocab);
    if (!m->output)
        m->output = tokens;
    return b->failed ? -1 : 0;
}

static int bind_layer(struct binder *b, int l)
{
    struct model *m = b->m;
    b->kept = (struct layer_kept){.most = LAYER_KEEPS_NOTHING};
    if (m->arch->bind(b, l, (char *)m->layer + (size_t)l * m->arch->layer_bytes) || b->failed)
        return -1;
    m->kept[l] = b->kept;
    return 0;
}

static int check_long_rope(struct binder *b)
{
    const struct model *m = b->m;
    if (m->p.rope[ROPE].scaling != ROPE_LONG || m->rope[ROPE].long_factors)
        return 0;
    return error_set(b->err, ERR_FORMAT,
                     "%s: rope.scaling.type is longrope, but the file has no factors (rope_factors_long.weight) that "
                     "stoker knows of architecture %s",
                     m->file->file->path, m->arch->name);
}

static int bind_all(struct model *m, struct error *err)
{
    struct binder b = {.m = m, .err = err, .known = arena_array(&m->arena, m->file->n_tensor, 1)};
    if (!b.known)
        return error_set(err, ERR_MEMORY, "no memory for the description of the model");
    if (bind_ends(&b))
        return -1;
    for (int l = 0; l < m->p.n_layer && !b.failed; l++)
        if (bind_layer(&b, l))
            return -1;
    return bind_rest(&b) || check_long_rope(&b) ? -1 : 0;
}

static int read_vocab(struct model *m, struct error *err)
{
    const struct gguf_tensor *t = gguf_tensor(m->file, "token_embd.weight");
    if (!t)
        return error_set(err, ERR_FORMAT,
                         "%s: the tensor token_embd.weight is missing; the file holds no language model",
                         m->file->file->path);
    if (t->ne[1] > 1 << 26)
        return error_set(err, ERR_FORMAT, "%s: token_embd.weight has %llu rows, more than any vocabulary",
                         m->file->file->path, (unsigned long long)t->ne[1]);
    m->p.n_vocab = (int)t->ne[1];
    return 0;
}

static int find_arch(struct model *m, struct error *err)
{
    struct gguf_string name = {"", 0};
    int found = gguf_str(m->file, "general.architecture", &name, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERR_FORMAT,
                         "%s: the key general.architecture is missing, so stoker cannot tell what model this is",
                         m->file->file->path);
    m->arch = arch_by_name(name.text);
    if (!m->arch)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: the architecture \"%.60s\" is not supported; the nearest one that is: %s",
                         m->file->file->path, name.text, arch_nearest(name.text));
    return 0;
}

static int read_params(struct model *m, enum pooling pooling, struct error *err)
{
    if (m->arch->read_params(&m->p, m->file, err) || params_read_pooling(&m->p, m->file, pooling, err))
        return -1;
    return m->arch->layers_differ ? 0 : params_alike(m->file, m->p.n_layer, err);
}

static int allocate(struct model *m, struct error *err)
{
    size_t n_layer = (size_t)m->p.n_layer;
    m->weight = arena_array(&m->arena, 2 * m->file->n_tensor, sizeof *m->weight);
    m->layer = arena_array(&m->arena, n_layer + 1, m->arch->layer_bytes);
    m->expert_layer = arena_array(&m->arena, n_layer + 1, sizeof *m->expert_layer);
    m->by_token = arena_array(&m->arena, (size_t)m->p.n_token_routed, sizeof *m->by_token);
    m->kept = arena_array(&m->arena, n_layer + 1, sizeof *m->kept);
    m->hooks = arena_array(&m->arena, n_layer + 1, sizeof *m->hooks);
    m->taps = arena_array(&m->arena, n_layer + 1, sizeof *m->taps);
    if (!m->weight || !m->layer || !m->expert_layer || !m->by_token || !m->kept || !m->hooks || !m->taps)
        return error_set(err, ERR_MEMORY, "no memory for the description of the model");
    for (int i = 0; i < ROPES; i++) {
        m->rope[i].freq = arena_array(&m->arena, (size_t)m->p.rope[i].n_rot / 2, sizeof *m->rope[i].freq);
        if (!m->rope[i].freq)
            return error_set(err, ERR_MEMORY, "no memory for the description of the model");
    }
    for (size_t l = 0; l <= n_layer; l++)
        m->expert_layer[l] = (struct expert_layer){.layer = (int)l};
    return 0;
}

int model_open(struct model **out, const struct gguf *g, struct error *err)
{
    return model_open_as(out, g, POOLING_OFF, err);
}

int model_open_as(struct model **out, const struct gguf *g, enum pooling pooling, struct error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERR_MEMORY, "no memory for the description of the model");
    m->file = g;
    arena_init_growing(&m->arena);
    if (find_arch(m, err) || read_vocab(m, err) || read_params(m, pooling, err) || allocate(m, err) ||
        bind_all(m, err)) {
        model_close(m);
        return -1;
    }
    *out = m;
    return 0;
}

void model_close(struct model *m)
{
    if (!m)
        return;
    arena_free(&m->arena);
    free(m);
}

static int is_in_f32(const struct weight *w) { return w->is_vector || w->transposed; }

/* How many numbers of what is converted to f32. */
static uint64_t n_values(const struct weight *w) { return (uint64_t)w->mat.n_rows * (uint64_t)w->mat.n_cols; }

size_t weight_bytes(const struct weight *w)
{
    if (w->on_disk)
        return 0;
    if (w->keys_of)
        return (size_t)round_up((uint64_t)w->mat.n_rows * w->mat.row_bytes, 64);
    uint64_t n = is_in_f32(w) ? n_values(w) * sizeof(float) : w->tensor->n_bytes;
    return (size_t)round_up(n > w->tensor->n_bytes ? n : w->tensor->n_bytes, 64);
}

size_t model_weight_bytes(const struct model *m)
{
    size_t sum = 0;
    for (int i = 0; i < m->n_weight; i++)
        sum += weight_bytes(&m->weight[i]);
    return sum;
}

int model_h_width(const struct model *m)
{
    return m->arch->nextn == NEXTN_BEFORE_NORM ? params_row_width(&m->p) : m->p.n_embd;
}

size_t model_nextn_bytes(const struct model *m)
{
    size_t sum = 0;
    for (int i = m->nextn.proj ? m->nextn.first : m->n_weight; i < m->n_weight; i++)
        sum += weight_bytes(&m->weight[i]);
    return sum;
}

size_t model_derived_bytes(const struct model *m)
{
    size_t sum = 0;
    for (int i = 0; i < m->n_weight; i++)
        sum += m->weight[i].keys_of ? weight_bytes(&m->weight[i]) : 0;
    return sum;
}

/* Where the file's bytes are read to: what is narrower than f32 to the end of its memory, so that converting it in place, upwards,
 * overwrites only what has been converted. */
static uint8_t *raw_bytes(const struct weight *w, uint8_t *at)
{
    if (!is_in_f32(w) || w->tensor->type == TYPE_F32)
        return at;
    return at + n_values(w) * sizeof(float) - w->tensor->n_bytes;
}

static void widen(const struct weight *w, float *to)
{
    const struct block_info *t = type_info(w->tensor->type);
    const uint8_t *from = raw_bytes(w, (uint8_t *)to);
    float block[256];
    for (uint64_t i = 0; i < n_values(w); i += (uint64_t)t->block) {
        t->decode(block, from + i / (uint64_t)t->block * (uint64_t)t->bytes, (size_t)t->block);
        memcpy(to + i, block, (size_t)t->block * sizeof(float));
    }
}

static int transpose(struct weight *w, struct error *err)
{
    size_t n_rows = (size_t)w->mat.n_rows, n_cols = (size_t)w->mat.n_cols;
    float *at = (float *)(uintptr_t)w->mat.data, *copy = malloc(n_rows * n_cols * sizeof *copy);
    if (!copy)
        return error_set(err, ERR_MEMORY, "no memory to transpose %s", w->tensor->name);
    memcpy(copy, at, n_rows * n_cols * sizeof *copy);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < n_cols; j++)
            at[j * n_rows + i] = copy[i * n_cols + j];
    free(copy);
    return 0;
}

/* Row i of head h of kv_b becomes column i of head h here. */
static void transpose_keys(struct weight *w)
{
    const struct wmat *from = &w->keys_of->mat;
    const struct block_info *type = type_info(from->type);
    size_t d = (size_t)w->mat.n_cols, rank = (size_t)from->n_cols, n_head = (size_t)w->mat.n_rows / rank;
    size_t head_rows = (size_t)from->n_rows / n_head;
    float *to = (float *)(uintptr_t)w->mat.data, block[256];
    for (size_t h = 0; h < n_head; h++)
        for (size_t i = 0; i < d; i++)
            for (size_t c = 0; c < rank; c += (size_t)type->block) {
                type->decode(block,
                             from->data + (h * head_rows + i) * from->row_bytes +
                                 c / (size_t)type->block * (size_t)type->bytes,
                             (size_t)type->block);
                for (size_t j = 0; j < (size_t)type->block; j++)
                    to[(h * rank + c + j) * d + i] = block[j];
            }
}

static int check_ids(const struct model *m, const struct weight *w, struct error *err)
{
    const int32_t *id = (const int32_t *)w->mat.data;
    for (uint64_t i = 0; i < w->tensor->n_bytes / sizeof *id; i++)
        if (id[i] < 0 || id[i] >= w->ids_below)
            return error_set(err, ERR_FORMAT, "%s: %s names expert %d where there are %d", m->file->file->path,
                             w->tensor->name, id[i], w->ids_below);
    return 0;
}

/* Smaller factors, or NaN, would give angles beyond those that f64_sincos() takes; an infinite one is no number of a trained model (files
 * that stop a pair have large ones). */
static int check_factors(const struct model *m, const struct weight *w, struct error *err)
{
    static const float least = 1e-3f;
    for (int i = 0; i < w->mat.n_cols; i++)
        if (!(w->vector[i] >= least && w->vector[i] <= FLT_MAX))
            return error_set(err, ERR_FORMAT,
                             "%s: %s divides frequency %d by %g; stoker takes finite factors from %g on",
                             m->file->file->path, w->tensor->name, i, (double)w->vector[i], (double)least);
    return 0;
}

int model_load(struct model *m, struct reader *r, struct arena *mem, uint8_t *bounce, size_t bounce_bytes,
               void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err)
{
    struct weight_read *read = calloc((size_t)m->n_weight, sizeof *read);
    int n = 0, result = -1;
    if (!read)
        return error_set(err, ERR_MEMORY, "no memory for the list of weights to read");
    for (int i = 0; i < m->n_weight; i++) {
        struct weight *w = &m->weight[i];
        if (w->on_disk)
            continue;
        uint8_t *at = arena_alloc(mem, weight_bytes(w));
        if (!at) {
            error_set(err, ERR_BUG, "the plan's memory for weights is too small for %s", w->tensor->name);
            goto done;
        }
        w->mat.data = at;
        if (w->keys_of)
            continue;
        read[n++] = (struct weight_read){w->tensor->name, w->tensor->file, w->tensor->offset, w->tensor->n_bytes,
                                         raw_bytes(w, at)};
    }
    if (weights_load(r, read, n, bounce, bounce_bytes, progress, arg, err))
        goto done;
    for (int i = 0; i < m->n_weight; i++) {
        struct weight *w = &m->weight[i];
        if (w->keys_of)
            transpose_keys(w);
        if (is_in_f32(w) && w->tensor->type != TYPE_F32)
            widen(w, (float *)(uintptr_t)w->mat.data);
        if (w->transposed && transpose(w, err))
            goto done;
        if (w->ids_below && check_ids(m, w, err))
            goto done;
        if (w->scale)
            w->mat.scale = (const float *)w->scale->mat.data; /* one value, f32 where it is a file's */
        if (w->is_vector)
            w->vector = (const float *)w->mat.data;
    }
    for (int i = 0; i < ROPES; i++) {
        struct model_rope *t = &m->rope[i];
        const struct weight *factors = model_has_long_rope(m, i) ? t->long_factors : t->factors;
        if ((t->factors && check_factors(m, t->factors, err)) ||
            (t->long_factors && check_factors(m, t->long_factors, err)))
            goto done; /* those that are not used now are those of another context */
        t->magnitude = rope_frequencies(t->freq, &m->p.rope[i], factors ? factors->vector : NULL);
    }
    result = 0;
done:
    free(read);
    return result;
}
