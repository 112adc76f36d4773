/* See lacks.h. */
#include "cli/inspect/lacks.h"

#include "cli/inspect/file_text.h"
#include "stoker.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Words: the tensors of all architectures, without "blk.N." before and ".weight" behind, but for those beside the model of text. */
static const char known[] =
    " "
    "attn_compressor_ape attn_compressor_gate attn_compressor_kv attn_compressor_norm attn_gate attn_index_k "
    "attn_index_k_norm attn_index_q attn_index_q_norm attn_k attn_k_b attn_k_norm attn_kv attn_kv_a_mqa "
    "attn_kv_a_norm attn_kv_b attn_kv_norm attn_norm attn_norm_2 attn_output attn_output_a attn_output_b "
    "attn_output_norm attn_q attn_q_a attn_q_a_norm attn_q_b attn_q_norm attn_qkv attn_sinks attn_v attn_v_b cls "
    "cls.norm cls.output dense_2 dense_3 engram_embd engram_k engram_q engram_wkv exp_probs_b exp_probs_b_vl "
    "ffn_down ffn_down_exps ffn_down_shexp ffn_gate ffn_gate_exps ffn_gate_inp ffn_gate_inp_shexp ffn_gate_shexp "
    "ffn_gate_tid2eid ffn_gate_up_exps ffn_latent_down ffn_latent_up ffn_norm ffn_up ffn_up_exps ffn_up_shexp "
    "hc_attn_base hc_attn_down hc_attn_fn hc_attn_inject hc_attn_norm hc_attn_scale hc_attn_up hc_ffn_base "
    "hc_ffn_down hc_ffn_fn hc_ffn_inject hc_ffn_norm hc_ffn_scale hc_ffn_up indexer.attn_k indexer.attn_q_b "
    "indexer.k_norm indexer.k_proj indexer.proj indexer.q_norm indexer.q_proj indexer_compressor_ape "
    "indexer_compressor_gate indexer_compressor_kv indexer_compressor_norm inp_gate layer_output_norm "
    "layer_output_scale output output_hc_base output_hc_down output_hc_fn output_hc_norm output_hc_scale "
    "output_hc_up output_norm per_layer_model_proj per_layer_proj_norm per_layer_token_embd ple_conv1d ple_key "
    "ple_norm_conv ple_norm_key ple_norm_query ple_value position_embd post_attention_norm post_ffw_norm "
    "post_ffw_norm_1 post_ffw_norm_2 post_norm pre_ffw_norm_2 proj rope_factors_long rope_factors_short rope_freqs "
    "shortconv.conv shortconv.in_proj shortconv.out_proj ssm_a ssm_alpha ssm_b_norm ssm_ba ssm_beta ssm_c_norm "
    "ssm_conv1d ssm_conv1d_k ssm_conv1d_q ssm_conv1d_v ssm_d ssm_dt ssm_dt_norm ssm_f ssm_f_a ssm_f_b ssm_g ssm_g_a "
    "ssm_g_b ssm_in ssm_norm ssm_out ssm_x token_embd token_embd_norm token_types ";

/* What stands before ".weight", ".bias" or ".scale". */
static struct gguf_string stem(const char *name)
{
    const char *rest, *dot = strrchr(name, '.');
    gguf_layer_of(name, &rest);
    int has_end = dot && dot > rest &&
                  (strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0 || strcmp(dot, ".scale") == 0);
    return (struct gguf_string){rest, has_end ? (uint64_t)(dot - rest) : strlen(rest)};
}

static int is_known(struct gguf_string stem)
{
    char word[64];
    if (stem.length + 3 > sizeof word || memchr(stem.text, ' ', stem.length))
        return 0;
    snprintf(word, sizeof word, " %.*s ", (int)stem.length, stem.text);
    return strstr(known, word) != NULL;
}

int is_known_tensor(const char *name)
{
    const char *rest;
    gguf_layer_of(name, &rest);
    return gguf_is_beside_text(rest) || is_known(stem(name));
}

int is_model_header(const struct gguf *g)
{
    static const char key[] = ".block_count";
    for (uint64_t i = 0; i < g->n_value; i++) {
        const struct gguf_string name = g->value[i].key;
        const char *dot = memchr(name.text, '.', name.length);
        if (dot && name.length == (uint64_t)(dot - name.text) + strlen(key) && memcmp(dot, key, strlen(key)) == 0)
            return 1;
    }
    return 0;
}

static int is_listed(const struct lacks *l, struct gguf_string name)
{
    for (int i = 0; i < l->n_tensor; i++)
        if (l->tensor[i].length == name.length && memcmp(l->tensor[i].text, name.text, name.length) == 0)
            return 1;
    return 0;
}

void find_lacks(struct lacks *l, const struct gguf *g, const char *path)
{
    struct stoker_error err = {0};
    struct stoker_vocab *v = NULL;
    *l = (struct lacks){.n_tensor = 0};
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        struct gguf_string name = stem(g->tensor[i].name);
        if (is_known_tensor(g->tensor[i].name) || is_listed(l, name))
            continue;
        if (l->n_tensor == LACKS_MOST) {
            l->has_more = 1;
            break;
        }
        l->tensor[l->n_tensor++] = name;
    }
    if (gguf_find(g, "tokenizer.ggml.model") && stoker_vocab_open(&v, path, NULL, &err) &&
        err.code == STOKER_ERR_UNSUPPORTED)
        snprintf(l->tokenizer, sizeof l->tokenizer, "%s", err.text);
    stoker_vocab_close(v);
}

void print_lacks(const struct lacks *l)
{
    for (int i = 0; i < l->n_tensor; i++) {
        fputs(i ? ", " : "  no architecture here has its tensors ", stdout);
        put_text(l->tensor[i], 64);
    }
    if (l->n_tensor)
        puts(l->has_more ? " and others" : "");
    if (l->tokenizer[0])
        printf("  its tokenizer: %s\n", l->tokenizer);
}

json_t *json_lacks(const struct lacks *l, const char *refusal)
{
    json_t *tensors = json_array();
    for (int i = 0; i < l->n_tensor; i++)
        json_array_append_new(tensors, json_text(l->tensor[i]));
    return json_pack("{s:o, s:o, s:b, s:o}", "why", json_text(text_of(refusal)), "tensors", tensors, "more_tensors",
                     l->has_more, "tokenizer", l->tokenizer[0] ? json_text(text_of(l->tokenizer)) : json_null());
}
