/* links: engine text model store op machine kernel format base
 *
 * Goldens with other keys or tensors: what must not change the logits does not, to the bit, what must does, and what stoker does not
 * know is refused by its name.
 *
 *     build/tests/equivalent */
#include "base/half.h"
#include "base/hash.h"
#include "gguf_write.h"
#include "session_step.h"
#include "stoker.h"
#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TOKENS = 12, MOST = 4 };

static char path[TEMPORARY_PATH];

/* ---- a golden with changes ----------------------------------------------------------------------------------------------------- */

/* A key without its architecture: replaced or added. */
#define WHOLE(text, x)                                                                                                 \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_U32, .n = 1, .as.u = x                                            \
    }
#define REAL(text, x)                                                                                                  \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_F32, .n = 1, .as.f = x                                            \
    }
#define LONG_REAL(text, x)                                                                                             \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_F64, .n = 1, .as.f = x                                            \
    }
#define FALSE(text)                                                                                                    \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_BOOL, .n = 1                                                      \
    }
#define WORD(text, x)                                                                                                  \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_STRING, .n = 1, .as.string = { x, sizeof x - 1 }                  \
    }
#define TRUTHS(text, a)                                                                                                \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_ARRAY, .item = GGUF_BOOL, .n = sizeof a, .as.items = a            \
    }

#define NUMBERS(text, a)                                                                                               \
    {                                                                                                                  \
        .key = {text, sizeof text - 1}, .kind = GGUF_ARRAY, .item = GGUF_I32, .n = sizeof a / sizeof *a, .as.items = a \
    }

struct model_change {
    struct gguf_value key[MOST];
    const char *ones; /* a tensor of n_ones ones more */
    int n_ones;
    struct scaled {
        const char *part; /* of the names of f32 tensors; NULL: none */
        float times;
    } scaled;
    const char *without; /* the key that is left out; NULL: none */
    struct {
        const char *from, *to; /* the end of tensors' names, and another; NULL: none */
    } renamed;
    int reversed; /* 1: experts in the opposite order */
    struct narrow {
        const char *tensor;     /* an f32 one; NULL: none */
        enum block_type values; /* f16 or bf16: its values are rounded to that ... */
        enum block_type type;   /* ... and written so, or in f32 */
    } narrow;
};
#define AS_IS                                                                                                          \
    {                                                                                                                  \
        .ones = NULL                                                                                                   \
    }

static const struct gguf_value *changed(const struct model_change *c, const char *name)
{
    for (int i = 0; i < MOST; i++)
        if (c->key[i].key.text && strcmp(name, c->key[i].key.text) == 0)
            return &c->key[i];
    return NULL;
}

static int is_left_out(const struct model_change *c, const char *name)
{
    return c->without && strcmp(name, c->without) == 0;
}

static void write_value(struct gguf_writer *w, const char *arch, const struct gguf_value *v)
{
    char key[100];
    struct gguf_value named = *v;
    snprintf(key, sizeof key, "%s.%s", arch, v->key.text);
    named.key = gguf_name_of(key);
    gguf_write_value(w, &named);
}

static void write_keys(struct gguf_writer *w, const struct gguf *g, const struct model_change *c)
{
    const char *arch = gguf_find(g, "general.architecture")->as.string.text;
    size_t n = strlen(arch);
    for (uint64_t i = 0; i < g->n_value; i++) {
        const char *key = g->value[i].key.text;
        int is_own = strncmp(key, arch, n) == 0 && key[n] == '.';
        if (!is_own || (!changed(c, key + n + 1) && !is_left_out(c, key + n + 1)))
            gguf_write_value(w, &g->value[i]);
    }
    for (int i = 0; i < MOST; i++)
        if (c->key[i].n)
            write_value(w, arch, &c->key[i]);
}

static const char *name_in(const struct model_change *c, const char *name)
{
    static char other[100];
    size_t n = strlen(name), from = c->renamed.from ? strlen(c->renamed.from) : n + 1;
    if (from > n || strcmp(name + n - from, c->renamed.from) != 0)
        return name;
    snprintf(other, sizeof other, "%.*s%s", (int)(n - from), name, c->renamed.to);
    return other;
}

static int is_narrow(const struct model_change *c, const struct gguf_tensor *t)
{
    return c->narrow.tensor && strcmp(t->name, c->narrow.tensor) == 0;
}

/* bf16 cuts off: which way values are rounded does not matter here. */
static void write_narrow(struct gguf_writer *w, const struct narrow *to, const uint8_t *bytes, uint64_t n_bytes)
{
    for (uint64_t i = 0; i < n_bytes; i += sizeof(float)) {
        float x = f32_from_bits(load_u32(bytes + i));
        uint16_t half = to->values == TYPE_F16 ? f16_from_f32(x) : (uint16_t)(f32_bits(x) >> 16);
        float wide = to->values == TYPE_F16 ? f16_to_f32(half) : bf16_to_f32(half);
        gguf_write_data(w, to->type == TYPE_F32 ? (void *)&wide : (void *)&half,
                        to->type == TYPE_F32 ? sizeof wide : sizeof half);
    }
}

/* Experts and the rows of routers are the last dimension. */
static void write_data(struct gguf_writer *w, const struct gguf *g, const struct gguf_tensor *t,
                       const struct model_change *c)
{
    uint8_t *bytes = malloc(t->n_bytes);
    int is_router = strstr(t->name, "ffn_gate_inp.") != NULL;
    int is_scaled = c->scaled.part && strstr(t->name, c->scaled.part);
    uint64_t n = is_router || strstr(t->name, "_exps.") ? t->ne[t->n_dims - 1] : 1, part = t->n_bytes / n;
    if (bytes && pread(g->file[t->file].fd, bytes, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes) {
        for (uint64_t i = 0; is_scaled && i < t->n_bytes / sizeof(float); i++)
            ((float *)(void *)bytes)[i] *= c->scaled.times;
        if (is_narrow(c, t))
            write_narrow(w, &c->narrow, bytes, t->n_bytes);
        for (uint64_t i = 0; i < n && !is_narrow(c, t); i++)
            gguf_write_data(w, bytes + (c->reversed ? n - 1 - i : i) * part, part);
    }
    free(bytes);
}

static int write_model(const char *golden, const struct model_change *c, struct error *err)
{
    static const float one = 1;
    char from[200];
    struct gguf *g;
    struct gguf_writer w;
    snprintf(from, sizeof from, TEST_DATA "/golden/%s.gguf", golden);
    if (gguf_open(&g, from, err))
        return -1;
    gguf_write_begin(&w, path, 32);
    write_keys(&w, g, c);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        gguf_write_tensor(&w, name_in(c, g->tensor[i].name),
                          is_narrow(c, &g->tensor[i]) ? c->narrow.type : g->tensor[i].type, g->tensor[i].n_dims,
                          g->tensor[i].ne);
    if (c->ones)
        gguf_write_tensor(&w, c->ones, TYPE_F32, 1, (uint64_t[]){(uint64_t)c->n_ones});
    for (uint64_t i = 0; i < g->n_tensor; i++)
        write_data(&w, g, &g->tensor[i], c);
    for (int i = 0; i < c->n_ones; i++)
        gguf_write_data(&w, &one, sizeof one);
    gguf_close(g);
    return gguf_write_end(&w, err);
}

/* ---- its logits ---------------------------------------------------------------------------------------------------------------- */

static int logits_of(const char *golden, const struct model_change *c, uint64_t *hash, struct error *err)
{
    const struct session_options o = {
        .plan_request = {.how = PLAN_WHOLE, .n_ctx = 32, .n_chunk = N_TOKENS, .n_threads = 1}};
    struct session *s = NULL;
    if (write_model(golden, c, err) || session_prepare(&s, path, &o, 0, err))
        return -1;
    struct batch b = {0};
    int status = session_load(s, &o, err);
    if (!status && seq_reserve(s->tables.seq, N_TOKENS))
        status = error_set(err, ERR_BUG, "no pages");
    if (!status)
        b = session_batch(s);
    for (int i = 0; i < N_TOKENS && !status; i++)
        status = batch_add(s, &b, s->tables.seq, 3 + 17 * i, i, i + 1 == N_TOKENS);
    b.n_prompt = b.n_rows;
    if (!status)
        status = session_forward(s, &b, err);
    if (!status)
        *hash = hash64(b.logits, (size_t)s->model->p.n_vocab * sizeof(float), 0);
    session_close(s);
    return status;
}

/* ---- cases ----------------------------------------------------------------------------------------------------------------------- */

static const uint8_t three_of_four[] = {1, 1, 1, 0}, every_second[] = {1, 0, 1, 0}, last_of_four[] = {0, 1, 1, 1};
static const int32_t axes[] = {2, 1, 1, 0}, negative_axes[] = {2, -1, 1, 0}, layer_9[] = {9};
static const int32_t makers[] = {1, 3}, askers[] = {1, 3, 4}; /* of deepseek41 */

static const struct pair {
    const char *golden, *what;
    const char *words; /* SAME, OTHER, or what the sentence that refuses it says */
    struct model_change before, after;
} pairs[] = {
#define SAME  "="
#define OTHER "!="
    /* The width of shared experts is that of all: tensors, not a count, say how many there are. */
    {"ernie4_5-moe", "2 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 2)}}},
    {"ernie4_5-moe", "0 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 0)}}},
    {"exaone-moe", "2 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 2)}}},
    {"exaone-moe", "0 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 0)}}},
    {"step35", "2 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 2)}}},
    {"bailingmoe2", "0 shared experts, each of a width", "shexp", AS_IS, {.key = {WHOLE("expert_shared_count", 0)}}},
    /* Layers with windows. */
    {"exaone-moe", "every fourth layer", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 4)}}},
    {"exaone-moe",
     "three layers of four",
     SAME,
     AS_IS,
     {.key = {TRUTHS("attention.sliding_window_pattern", three_of_four)}}},
    {"exaone-moe", "every second layer", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 2)}}},
    {"exaone-moe",
     "two layers of four",
     SAME,
     {.key = {WHOLE("attention.sliding_window_pattern", 2)}},
     {.key = {TRUTHS("attention.sliding_window_pattern", every_second)}}},
    {"afmoe", "every second layer", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 2)}}},
    {"llama4", "every fourth layer", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 4)}}},
    {"llama4", "every second layer", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 2)}}},
    {"olmo3", "every fourth layer", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 4)}}},
    {"olmo3", "every second layer", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 2)}}},
    {"olmo3",
     "three layers of four",
     SAME,
     AS_IS,
     {.key = {TRUTHS("attention.sliding_window_pattern", three_of_four)}}},
    {"cohere2", "every fourth layer", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 4)}}},
    {"cohere2", "every second layer", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window_pattern", 2)}}},
    {"cohere2moe",
     "windows by a period from the first layer on",
     OTHER,
     AS_IS,
     {.key = {WHOLE("attention.sliding_window_pattern", 4)}}},
    {"cohere2moe",
     "the same by list",
     SAME,
     {.key = {WHOLE("attention.sliding_window_pattern", 4)}},
     {.key = {TRUTHS("attention.sliding_window_pattern", last_of_four)}}},
    {"cohere2moe-rms",
     "a second epsilon, around the mean",
     SAME,
     AS_IS,
     {.key = {REAL("attention.layer_norm_epsilon", 0.5)}}},
    {"cohere2moe", "an epsilon of RMS norms", OTHER, AS_IS, {.key = {REAL("attention.layer_norm_rms_epsilon", 1e-5)}}},
    {"cohere2moe", "a softmax over the chosen", OTHER, AS_IS, {.key = {WHOLE("expert_gating_func", 1)}}},
    {"cohere2moe-rms", "a sigmoid, which no key need say", SAME, AS_IS, {.key = {WHOLE("expert_gating_func", 2)}}},
    {"cohere2moe-rms", "a scale of weights", OTHER, AS_IS, {.key = {REAL("expert_weights_scale", 1)}}},
    {"cohere2moe", "a width of no shared experts", "shexp", AS_IS, {.key = {WHOLE("expert_shared_count", 0)}}},
    /* Decays; queries of heads; limits. */
    {"bailingmoe3", "decays without a bound", OTHER, AS_IS, {.key = {FALSE("kda.safe_gate")}}},
    {"bailingmoe3", "another bound", OTHER, AS_IS, {.key = {REAL("kda.gate_lower_bound", -2)}}},
    {"bailingmoe3-long", "a bound that is not asked for", SAME, AS_IS, {.key = {REAL("kda.gate_lower_bound", -2)}}},
    {"bailingmoe3", "no limits of experts", OTHER, AS_IS, {.key = {REAL("swiglu_clamp_exp", 0)}}},
    {"bailingmoe3", "no limits beside them", OTHER, AS_IS, {.key = {REAL("swiglu_clamp_shexp", 0)}}},
    {"bailingmoe3-long", "limits that nothing reaches", SAME, AS_IS, {.key = {REAL("swiglu_clamp_exp", 1e5)}}},
    {"bailingmoe3", "2 shared experts of a width", SAME, AS_IS, {.key = {WHOLE("expert_shared_count", 2)}}},
    {"bailingmoe3", "axes", SAME, AS_IS, {.key = {NUMBERS("rope.dimension_sections", axes)}}},
    {"bailingmoe3",
     "scaled rope",
     "rope.scaling.type",
     AS_IS,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 4)}}},
    {"bailingmoe3", "decays by another name", SAME, AS_IS, {.renamed = {"ssm_f_a.weight", "ssm_f.weight"}}},
    {"bailingmoe3", "gates by another name", SAME, AS_IS, {.renamed = {"ssm_g_a.weight", "ssm_g.weight"}}},
    {"kimi-linear",
     "half of its decays by that name",
     "blk.0.ssm_f_a.weight",
     AS_IS,
     {.renamed = {"ssm_f_a.weight", "ssm_f.weight"}}},
    {"bailingmoe3", "a rank of queries that tensors tell", SAME, AS_IS, {.without = "attention.q_lora_rank"}},
    {"bailingmoe3", "no rank of queries", "blk.2.attn_q.weight", AS_IS, {.key = {WHOLE("attention.q_lora_rank", 0)}}},
    /* What the first files of deepseek41 leave unsaid, and what nobody has. */
    {"deepseek41",
     "candidates of a size that is unsaid",
     SAME,
     {.key = {WHOLE("attention.candidate_block_size", 8), WHOLE("attention.candidate_topk_blocks", 1),
              WHOLE("attention.indexer.top_k", 1)}},
     {.key = {WHOLE("attention.candidate_topk_blocks", 1), WHOLE("attention.indexer.top_k", 1)},
      .without = "attention.candidate_block_size"}},
    /* 2048 blocks are more than a golden has: the sentence tells the number. */
    {"deepseek41",
     "candidates whose number is unsaid",
     "2048 blocks of 1 keys",
     AS_IS,
     {.key = {WHOLE("attention.candidate_block_size", 1), WHOLE("attention.indexer.top_k", 2049)},
      .without = "attention.candidate_topk_blocks"}},
    {"deepseek41",
     "as many choices as they hold",
     SAME,
     {.key = {WHOLE("attention.candidate_block_size", 1), WHOLE("attention.candidate_topk_blocks", 2048),
              WHOLE("attention.indexer.top_k", 2048)}},
     {.key = {WHOLE("attention.candidate_block_size", 1), WHOLE("attention.indexer.top_k", 2048)},
      .without = "attention.candidate_topk_blocks"}},
    {"deepseek41",
     "their number by another key",
     SAME,
     AS_IS,
     {.key = {WHOLE("attention.candidate_top_k_blocks", 7)}, .without = "attention.candidate_topk_blocks"}},
    {"deepseek41",
     "their number by a third key",
     "1 blocks of 4 keys (attention.candidate_top_blocks",
     AS_IS,
     {.key = {WHOLE("attention.candidate_top_blocks", 1)}, .without = "attention.candidate_topk_blocks"}},
    /* Layers of a role, which the file may name as well. */
    {"deepseek41",
     "layers by their roles",
     SAME,
     AS_IS,
     {.key = {NUMBERS("attention.kv_source_layer_ids", makers), NUMBERS("attention.index_source_layer_ids", askers),
              WHOLE("attention.candidate_source_layer_id", 3)}}},
    {"deepseek41",
     "the same by other keys",
     SAME,
     AS_IS,
     {.key = {NUMBERS("attention.kv_source_layers", makers), NUMBERS("attention.index_source_layers", askers),
              WHOLE("attention.candidate_source_layer", 3)}}},
    {"deepseek41",
     "a maker without a compressor",
     "layer 4 makes no keys, but the key attention.kv_source_layer_ids names it",
     AS_IS,
     {.key = {NUMBERS("attention.kv_source_layer_ids", askers)}}},
    {"deepseek41",
     "a compressor that is not named",
     "layer 1 makes keys, but the key kv_source_layer_ids does not name it",
     AS_IS,
     {.key = {NUMBERS("kv_source_layer_ids", layer_9)}}},
    {"deepseek41",
     "an indexer that is not named",
     "layer 4 chooses keys, but the key attention.index_source_layers does not name it",
     AS_IS,
     {.key = {NUMBERS("attention.index_source_layers", makers)}}},
    {"deepseek41",
     "an indexer that is not named, by another key",
     "layer 4 chooses keys, but the key index_source_layer_ids does not name it",
     AS_IS,
     {.key = {NUMBERS("index_source_layer_ids", makers)}}},
    {"deepseek41",
     "candidates of another layer",
     "layer 1 chooses no candidates, but the key attention.candidate_source_layer_id names it",
     AS_IS,
     {.key = {WHOLE("attention.candidate_source_layer_id", 1)}}},
    {"deepseek41",
     "candidates of no layer",
     "layer 3 chooses candidates, but the key attention.candidate_source_layer does not name it",
     AS_IS,
     {.key = {{.key = {"attention.candidate_source_layer", 32}, .kind = GGUF_I32, .n = 1, .as.i = -1}}}},
    {"deepseek41",
     "a role as a word",
     "neither a whole number",
     AS_IS,
     {.key = {WORD("attention.kv_source_layers", "2, 8")}}},
    {"deepseek41",
     "candidates that hold all",
     OTHER,
     {.key = {WHOLE("attention.candidate_topk_blocks", 2), WHOLE("attention.indexer.top_k", 3)}},
     {.key = {WHOLE("attention.candidate_topk_blocks", 18), WHOLE("attention.indexer.top_k", 3)}}},
    {"deepseek41", "an index that takes one key", OTHER, AS_IS, {.key = {WHOLE("attention.indexer.top_k", 1)}}},
    {"deepseek41", "tokens before the text of another number", OTHER, AS_IS, {.key = {WHOLE("engram.pad_id", 6)}}},
    {"deepseek41",
     "limits that are unsaid",
     SAME,
     {.key = {REAL("swiglu_clamp_exp", 10)}, .scaled = {"ffn_gate_exps.", 40}},
     {.without = "swiglu_clamp_exp", .scaled = {"ffn_gate_exps.", 40}}},
    {"deepseek41", "a gating that is unsaid", SAME, AS_IS, {.without = "expert_gating_func"}},
    {"deepseek41", "a bias for images", SAME, AS_IS, {.ones = "blk.0.exp_probs_b_vl.bias", .n_ones = 6}},
    /* What converters leave unsaid of glm5next, and what nobody has. */
    {"glm5next", "another bound", OTHER, AS_IS, {.key = {REAL("kda.gate_lower_bound", -2)}}},
    {"glm5next", "a bound that is unsaid", SAME, AS_IS, {.without = "kda.gate_lower_bound"}},
    {"glm5next", "weights that are divided by their sum, unsaid", SAME, AS_IS, {.without = "expert_weights_norm"}},
    {"glm5next",
     "limits that are unsaid",
     SAME,
     {.key = {REAL("swiglu_clamp_exp", 10)}, .scaled = {"ffn_gate_exps.", 40}},
     {.without = "swiglu_clamp_exp", .scaled = {"ffn_gate_exps.", 40}}},
    {"glm5next", "no limits of experts", OTHER, AS_IS, {.key = {REAL("swiglu_clamp_exp", 0)}}},
    {"glm5next", "no limits beside them", OTHER, AS_IS, {.key = {REAL("swiglu_clamp_shexp", 0)}}},
    {"glm5next-long",
     "limits beside, as of the others",
     SAME,
     AS_IS,
     {.key = {REAL("swiglu_clamp_shexp", (double)0.7f)}}},
    {"glm5next", "an open pool, seen unsaid", SAME, AS_IS, {.without = "attention.indexer.kpool_select_tail"}},
    {"glm5next",
     "an open pool that is not seen",
     "kpool_select_tail",
     AS_IS,
     {.key = {FALSE("attention.indexer.kpool_select_tail")}}},
    {"glm5next", "an index that takes one pool", OTHER, AS_IS, {.key = {WHOLE("attention.indexer.top_k", 4)}}},
    {"glm5next", "an epsilon that is unsaid", SAME, AS_IS, {.without = "attention.layer_norm_epsilon"}},
    /* Blocks that key heads choose: where all are local whatever their scores, and not otherwise. */
    {"minimax-m3",
     "an index of local blocks alone",
     SAME,
     {.key = {WHOLE("attention.indexer.block_size", 1), WHOLE("attention.indexer.local_blocks", 3)}},
     {.key = {WHOLE("attention.indexer.block_size", 1), WHOLE("attention.indexer.local_blocks", 3)},
      .scaled = {"indexer.q_proj.", -1}}},
    {"minimax-m3",
     "an index of one local block",
     OTHER,
     {.key = {WHOLE("attention.indexer.block_size", 1)}},
     {.key = {WHOLE("attention.indexer.block_size", 1)}, .scaled = {"indexer.q_proj.", -1}}},
    {"minimax-m3-dense",
     "an index without its keys",
     SAME,
     AS_IS,
     {.ones = "blk.1.indexer.q_norm.weight", .n_ones = 8}},
    {"minimax-m3-dense",
     "the same by another name",
     SAME,
     AS_IS,
     {.ones = "blk.1.attn_index_k_norm.weight", .n_ones = 8}},
    {"minimax-m3",
     "an index that takes two",
     OTHER,
     {.key = {WHOLE("attention.indexer.block_size", 1)}},
     {.key = {WHOLE("attention.indexer.block_size", 1), WHOLE("attention.indexer.top_k", 2)}}},
    {"minimax-m3",
     "the row's own position not first",
     OTHER,
     {.key = {WHOLE("attention.indexer.block_size", 1)}},
     {.key = {WHOLE("attention.indexer.block_size", 1), WHOLE("attention.indexer.local_blocks", 0)}}},
    {"minimax-m3", "weights as they are", OTHER, AS_IS, {.key = {FALSE("expert_weights_norm")}}},
    {"minimax-m3-dense", "weights as they are", OTHER, AS_IS, {.key = {FALSE("expert_weights_norm")}}},
    {"exaone4", "no window", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window", 0)}}},
    {"exaone4",
     "windows of all tokens on all layers",
     SAME,
     AS_IS,
     {.key = {WHOLE("attention.sliding_window", N_TOKENS), WHOLE("attention.sliding_window_pattern", 4)}}},
    {"exaone4",
     "a layer without window or rope",
     OTHER,
     AS_IS,
     {.key = {WHOLE("attention.sliding_window", N_TOKENS), WHOLE("attention.sliding_window_pattern", 2)}}},
    {"lfm2", "a window of 3", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window", 3)}}},
    {"lfm2", "a window of all tokens", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window", N_TOKENS)}}},
    {"lfm2moe", "a window of 3", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window", 3)}}},
    /* Multipliers of attention. */
    {"mimo2", "values times 0.707", OTHER, AS_IS, {.key = {REAL("attention.value_scale", 0.707)}}},
    {"mimo2", "values times 1", SAME, AS_IS, {.key = {REAL("attention.value_scale", 1)}}},
    /* Routers: logits so large that sigmoids are all 1 still differ, whatever the order of the experts. */
    {"llama4",
     "experts in another order",
     SAME,
     {.scaled = {"ffn_gate_inp.", 1}},
     {.scaled = {"ffn_gate_inp.", 1}, .reversed = 1}},
    {"llama4",
     "the same, sigmoids near 1",
     SAME,
     {.scaled = {"ffn_gate_inp.", 64}},
     {.scaled = {"ffn_gate_inp.", 64}, .reversed = 1}},
    /* Rope. */
    {"step35",
     "factors of half the rotated pairs",
     SAME,
     {.key = {WHOLE("rope.dimension_count", 4)}},
     {.key = {WHOLE("rope.dimension_count", 4)}, .ones = "rope_freqs.weight", .n_ones = 2}},
    {"olmo3",
     "scaled rope in layers without window",
     OTHER,
     AS_IS,
     {.key = {WORD("rope.scaling.type", "linear"), REAL("rope.scaling.factor", 2)}}},
    {"olmo3",
     "scaled rope, no layer without window",
     SAME,
     {.key = {WHOLE("attention.sliding_window_pattern", 5)}},
     {.key = {WHOLE("attention.sliding_window_pattern", 5), REAL("rope.scale_linear", 2)}}},
    /* 1 + 0.1 ln 8, as the configuration of OLMo 3 states it: the whole magnitude, not one more factor. */
    {"olmo3",
     "YaRN's magnitude said",
     SAME,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 8),
              WHOLE("rope.scaling.original_context_length", 16)}},
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 8),
              WHOLE("rope.scaling.original_context_length", 16),
              LONG_REAL("rope.scaling.yarn_attn_factor", 1.2079441541679836)}}},
    {"olmo3", "a base of windows", OTHER, AS_IS, {.key = {REAL("rope.freq_base_swa", 500)}}},
    {"glm4", "axes", OTHER, AS_IS, {.key = {NUMBERS("rope.dimension_sections", axes)}}},
    {"glm4",
     "a negative axis",
     "dimension_sections is -1 for axis 1",
     AS_IS,
     {.key = {NUMBERS("rope.dimension_sections", negative_axes)}}},
    {"qwen3vlmoe",
     "one axis",
     "dimension_sections has 1 numbers",
     AS_IS,
     {.key = {NUMBERS("rope.dimension_sections", layer_9)}}},
    {"command-r", "a norm of heads", "attn_q_norm.weight", AS_IS, {.ones = "blk.0.attn_q_norm.weight", .n_ones = 12}},
    {"command-r",
     "norms of keys alone",
     "attn_k_norm.weight",
     AS_IS,
     {.ones = "blk.0.attn_k_norm.weight", .n_ones = 12}},
    {"qwen3moe",
     "LongRoPE without factors",
     "rope_factors_long",
     AS_IS,
     {.key = {WORD("rope.scaling.type", "longrope")}}},
    {"phi3", "factors without a type", SAME, AS_IS, {.key = {WORD("rope.scaling.type", "none")}}},
    {"phi3", "a shorter original context", OTHER, AS_IS, {.key = {WHOLE("rope.scaling.original_context_length", 31)}}},
    {"phi3", "no magnitude", OTHER, AS_IS, {.key = {REAL("rope.scaling.attn_factor", 1)}}},
    {"phi3", "a window", SAME, AS_IS, {.key = {WHOLE("attention.sliding_window", 3)}}},
    {"grok", "the cap of its router", SAME, AS_IS, {.key = {REAL("router_logit_softcapping", 1)}}},
    {"grok", "a length of temperatures", SAME, AS_IS, {.key = {WHOLE("attention.temperature_length", 4)}}},
    {"grok", "the cap of scores", SAME, AS_IS, {.key = {REAL("attn_logit_softcapping", 30)}}},
    {"grok", "another cap of scores", OTHER, AS_IS, {.key = {REAL("attn_logit_softcapping", 20)}}},
    {"grok", "a cap of logits", OTHER, AS_IS, {.key = {REAL("final_logit_softcapping", 30)}}},
    {"grok",
     "YaRN's fast end",
     SAME,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 4)}},
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 4),
              REAL("rope.scaling.yarn_beta_fast", 8)}}},
    {"grok",
     "another fast end",
     OTHER,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 4)}},
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 4),
              REAL("rope.scaling.yarn_beta_fast", 32)}}},
    {"falcon-h1", "factors of 1", SAME, AS_IS, {.ones = "rope_freqs.weight", .n_ones = 6}},
    {"jamba", "a base of rope", SAME, AS_IS, {.key = {REAL("rope.freq_base", 500)}}},
    {"smallthinker", "a softmax", OTHER, AS_IS, {.key = {WHOLE("expert_gating_func", 1)}}},
    {"smallthinker", "a window", OTHER, AS_IS, {.key = {WHOLE("attention.sliding_window", 4096)}}},
    {"smallthinker",
     "a window of another number",
     SAME,
     {.key = {WHOLE("attention.sliding_window", 4096)}},
     {.key = {WHOLE("attention.sliding_window", 3)}}},
    {"granite", "factors of 1", SAME, AS_IS, {.ones = "rope_freqs.weight", .n_ones = 6}},
    {"mimo2",
     "scaled rope",
     "rope.scaling.type",
     AS_IS,
     {.key = {WORD("rope.scaling.type", "linear"), REAL("rope.scaling.factor", 2)}}},
    {"mimo2",
     "fewer values rotated by window",
     "rope.dimension_count_swa",
     AS_IS,
     {.key = {WHOLE("rope.dimension_count_swa", 2)}}},
    {"mistral3",
     "YaRN that shrinks",
     "rope.scaling.factor",
     AS_IS,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 0.5)}}},
    {"deepseek2-v3",
     "YaRN that shrinks",
     "rope.scaling.factor",
     AS_IS,
     {.key = {WORD("rope.scaling.type", "yarn"), REAL("rope.scaling.factor", 0.5)}}},
    /* Layers by list; blocks that are chosen, and all of them. */
    {"qwen4exp",
     "recurrent layers by list",
     SAME,
     AS_IS,
     {.key = {TRUTHS("attention.recurrent_layers", three_of_four)}}},
    {"qwen4exp", "an index that takes all blocks", SAME, AS_IS, {.key = {WHOLE("attention.compress_ratios", 0)}}},
    {"qwen4exp", "an index that takes one", OTHER, AS_IS, {.key = {WHOLE("attention.indexer.top_k", 4)}}},
    {"qwen4exp",
     "a convolution in f16",
     SAME,
     {.narrow = {"blk.1.ple_conv1d.weight", TYPE_F16, TYPE_F32}},
     {.narrow = {"blk.1.ple_conv1d.weight", TYPE_F16, TYPE_F16}}},
    {"qwen4exp",
     "a convolution in bf16",
     SAME,
     {.narrow = {"blk.1.ple_conv1d.weight", TYPE_BF16, TYPE_F32}},
     {.narrow = {"blk.1.ple_conv1d.weight", TYPE_BF16, TYPE_BF16}}},
    {"lfm2",
     "a convolution in f16",
     SAME,
     {.narrow = {"blk.0.shortconv.conv.weight", TYPE_F16, TYPE_F32}},
     {.narrow = {"blk.0.shortconv.conv.weight", TYPE_F16, TYPE_F16}}},
    {"qwen4exp",
     "n-grams of a layer that is not there",
     "ple.layers names layer 9 of ",
     AS_IS,
     {.key = {NUMBERS("ple.layers", layer_9)}}},
    {"qwen4exp",
     "taps that are too far apart",
     "ple.conv_kernel is 8",
     AS_IS,
     {.key = {WHOLE("ple.conv_kernel", 8), WHOLE("ple.ngram_size", 5)}}},
    {"qwen4exp", "a token for images", SAME, AS_IS, {.key = {WHOLE("ple.image_token_id", 7)}}},
    /* Layers that predict further tokens, which a file states and lacks; these models have no norm before attention. */
    {"exaone4", "a draft that is not there", SAME, AS_IS, {.key = {WHOLE("nextn_predict_layers", 1)}}},
    {"olmo3", "a draft that is not there", SAME, AS_IS, {.key = {WHOLE("nextn_predict_layers", 1)}}},
    {"qwen4exp", "a draft that is not there", SAME, AS_IS, {.key = {WHOLE("nextn_predict_layers", 1)}}},
    /* What is not known. */
    {"qwen4exp",
     "weights that are not normalised",
     "expert_weights_norm",
     AS_IS,
     {.key = {FALSE("expert_weights_norm")}}},
    {"qwen4exp", "a bias of no norm", "output_norm.bias", AS_IS, {.ones = "output_norm.bias", .n_ones = 32}},
    {"lfm2", "rows that see later ones", "attention.causal", AS_IS, {.key = {FALSE("attention.causal")}}},
    {"mimo2", "a bias of queries", "blk.0.attn_q.bias", AS_IS, {.ones = "blk.0.attn_q.bias", .n_ones = 48}},
    {"qwen3moe", "a norm", "blk.1.attn_sub_norm.weight", AS_IS, {.ones = "blk.1.attn_sub_norm.weight", .n_ones = 1}},
    {"qwen3moe", "factors of rope", "rope_freqs.weight", AS_IS, {.ones = "rope_freqs.weight", .n_ones = 8}},
    {"qwen3moe", "a tower", SAME, AS_IS, {.ones = "v.blk.0.attn_q.bias", .n_ones = 8}},
    {"qwen3moe", "a projector", SAME, AS_IS, {.ones = "mm.0.bias", .n_ones = 8}},
    {"qwen3moe", "a tensor of a draft layer", SAME, AS_IS, {.ones = "blk.0.nextn.enorm.weight", .n_ones = 8}},
    {"qwen3moe", "a scale of activations", SAME, AS_IS, {.ones = "blk.0.attn_q.input_scale", .n_ones = 1}},
};

/* 1: as the pair says; else 0, *err has a sentence or is empty. */
static int holds(const struct pair *p, struct error *err)
{
    uint64_t before, after;
    if (logits_of(p->golden, &p->before, &before, err))
        return 0;
    int refused = logits_of(p->golden, &p->after, &after, err);
    if (p->words[0] != '=' && p->words[0] != '!')
        return refused && strstr(err->text, p->words) != NULL;
    return !refused && (before == after) == (p->words[0] == '=');
}

/* Lists of heads by layer: what is shown is the largest. */
static int about(void)
{
    struct stoker_about a;
    struct stoker_error err = {0};
    return stoker_about(&a, TEST_DATA "/golden/step35.gguf", &err) == 0 && a.n_head == 6 && a.n_head_kv == 2 &&
           stoker_about(&a, TEST_DATA "/golden/lfm2.gguf", &err) == 0 && a.n_head == 4 && a.n_head_kv == 2;
}

int main(void)
{
    int n = (int)(sizeof pairs / sizeof *pairs), failed = 0, fd = temporary_file(path, "equivalent");
    for (int i = 0; i < n && fd >= 0; i++) {
        struct error err = {0};
        int ok = holds(&pairs[i], &err);
        printf("%s %-13s %s: %s%s\n", ok ? "ok  " : "FAIL", pairs[i].golden, pairs[i].what, pairs[i].words,
               ok         ? ""
               : err.code ? err.text
                          : " not so");
        failed += !ok;
    }
    int shown = about();
    printf("%s heads of lists are shown\n", shown ? "ok  " : "FAIL");
    failed += !shown;
    close(fd);
    unlink(path);
    printf("%d passed, %d failed, 0 skipped\n", n + 1 - failed, failed);
    return failed || fd < 0;
}
