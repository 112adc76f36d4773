/* The architectures: one row each. */
#include "model/arch.h"

#include <string.h>

extern const struct arch arch_llama, arch_qwen2, arch_qwen2moe, arch_qwen3, arch_qwen3moe, arch_qwen3vlmoe, arch_olmoe,
    arch_gptoss, arch_deepseek2, arch_deepseek4, arch_deepseek41, arch_mistral3, arch_mistral4, arch_llama4,
    arch_smollm3, arch_qwen3next, arch_qwen35, arch_qwen35moe, arch_minimax_m2, arch_minimax_m3, arch_glm4moe,
    arch_glm_dsa, arch_kimi_linear, arch_nemotron_h, arch_nemotron_h_moe, arch_mamba2, arch_granite, arch_granitemoe,
    arch_granitehybrid, arch_lfm2, arch_lfm2moe, arch_gemma2, arch_gemma3, arch_gemma4, arch_ernie4_5,
    arch_ernie4_5_moe, arch_bailingmoe2, arch_bailingmoe3, arch_hunyuan_moe, arch_step35, arch_mimo2, arch_exaone_moe,
    arch_afmoe, arch_dots1, arch_seed_oss, arch_olmo2, arch_exaone4, arch_glm4, arch_deepseek, arch_bailingmoe,
    arch_command_r, arch_cohere2, arch_cohere2moe, arch_qwen4exp, arch_phi3, arch_phimoe, arch_grok, arch_falcon_h1,
    arch_jamba, arch_smallthinker, arch_glm5next, arch_glm5_next, arch_bert, arch_jina_bert_v2, arch_jina_bert_v3,
    arch_nomic_bert, arch_nomic_bert_moe, arch_modern_bert, arch_gemma_embedding;

static const struct arch *const archs[] = {
    &arch_llama,          &arch_qwen2,        &arch_qwen2moe,
    &arch_qwen3,          &arch_qwen3moe,     &arch_qwen3vlmoe,
    &arch_olmoe,          &arch_gptoss,       &arch_deepseek2,
    &arch_deepseek4,      &arch_mistral3,     &arch_mistral4,
    &arch_llama4,         &arch_smollm3,      &arch_qwen3next,
    &arch_qwen35,         &arch_qwen35moe,    &arch_minimax_m2,
    &arch_minimax_m3,     &arch_glm4moe,      &arch_glm_dsa,
    &arch_kimi_linear,    &arch_nemotron_h,   &arch_nemotron_h_moe,
    &arch_mamba2,         &arch_granite,      &arch_granitemoe,
    &arch_granitehybrid,  &arch_lfm2,         &arch_lfm2moe,
    &arch_gemma2,         &arch_gemma3,       &arch_gemma4,
    &arch_ernie4_5,       &arch_ernie4_5_moe, &arch_bailingmoe2,
    &arch_bailingmoe3,    &arch_hunyuan_moe,  &arch_step35,
    &arch_mimo2,          &arch_exaone_moe,   &arch_afmoe,
    &arch_dots1,          &arch_seed_oss,     &arch_olmo2,
    &arch_exaone4,        &arch_glm4,         &arch_deepseek,
    &arch_bailingmoe,     &arch_command_r,    &arch_cohere2,
    &arch_cohere2moe,     &arch_qwen4exp,     &arch_phi3,
    &arch_phimoe,         &arch_grok,         &arch_falcon_h1,
    &arch_jamba,          &arch_smallthinker, &arch_glm5next,
    &arch_glm5_next,      &arch_deepseek41,   &arch_bert,
    &arch_jina_bert_v2,   &arch_jina_bert_v3, &arch_nomic_bert,
    &arch_nomic_bert_moe, &arch_modern_bert,  &arch_gemma_embedding,
};
enum { N_ARCHS = sizeof archs / sizeof *archs };

const struct arch *arch_by_name(const char *name)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strcmp(archs[i]->name, name) == 0)
            return archs[i];
    return NULL;
}

const char *arch_name(int i) { return i >= 0 && i < N_ARCHS ? archs[i]->name : NULL; }

/* Levenshtein distance of short names. */
static int distance(const char *a, const char *b)
{
    enum { LONG = 32 };
    int row[LONG + 1], n = (int)strnlen(b, LONG);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] && i <= LONG; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[n];
}

const char *arch_nearest(const char *name)
{
    int best = 0;
    for (int i = 1; i < N_ARCHS; i++)
        if (distance(name, archs[i]->name) < distance(name, archs[best]->name))
            best = i;
    return archs[best]->name;
}
