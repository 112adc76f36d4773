/* Tensors that keep their type whatever is asked for: quantize.md 3.2. */
#include "quant/inside.h"

#include <string.h>

/* A name that holds the text is kept; "$" binds it to the end of the name. */
static const struct {
    const char *text, *why;
} kept[] = {
    {"_norm.weight$", "a norm"},
    {"ffn_gate_inp.weight$", "a router"},
    {"ssm_conv1d", "a convolution"},
    {"shortconv.conv.weight$", "a convolution"},
    {"altup", "alternating updates"},
    {"laurel", "a low-rank residual"},
    {"per_layer_model_proj", "a projection of layer embeddings"},
    {"position_embd", "position embeddings"},
    {"token_types", "token-type embeddings"},
    {"attn_rel_b.weight$", "relative positions"},
    {"time_mix_first.weight$", "a small mixing matrix"},
    {"time_mix_w0.weight$", "a small mixing matrix"},
    {"time_mix_w1.weight$", "a small mixing matrix"},
    {"time_mix_w2.weight$", "a small mixing matrix"},
    {"time_mix_v0.weight$", "a small mixing matrix"},
    {"time_mix_v1.weight$", "a small mixing matrix"},
    {"time_mix_v2.weight$", "a small mixing matrix"},
    {"time_mix_a0.weight$", "a small mixing matrix"},
    {"time_mix_a1.weight$", "a small mixing matrix"},
    {"time_mix_a2.weight$", "a small mixing matrix"},
    {"time_mix_g1.weight$", "a small mixing matrix"},
    {"time_mix_g2.weight$", "a small mixing matrix"},
    {"time_mix_decay_w1.weight$", "a small mixing matrix"},
    {"time_mix_decay_w2.weight$", "a small mixing matrix"},
    {"time_mix_lerp_fused.weight$", "a small mixing matrix"},
};

static int ends_with(const char *name, const char *end, size_t n)
{
    size_t length = strlen(name);
    return length >= n && memcmp(name + length - n, end, n) == 0;
}

static int holds(const char *name, const char *text)
{
    size_t n = strlen(text);
    return text[n - 1] == '$' ? ends_with(name, text, n - 1) : strstr(name, text) != NULL;
}

const char *protect_reason(const struct gguf_tensor *t)
{
    if (!type_info(t->type)->decode)
        return "no weights";
    if (t->n_dims < 2 || t->ne[1] * t->ne[2] * t->ne[3] == 1)
        return "a vector";
    if (!ends_with(t->name, "weight", 6))
        return "its name does not end in weight";
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (holds(t->name, kept[i].text))
            return kept[i].why;
    return NULL;
}
