/* Which goldens and vocabularies of the test data stoker must run. The data holds more, for features that are not there yet.
 *
 * A test fails where something of these lists does not run, and where something runs that is not in them: so nothing is left out
 * unnoticed, and missing features do not count as skipped. A commit that adds support adds the entry here. */
#ifndef TESTS_EXPECTED_H
#define TESTS_EXPECTED_H

#include "sanitized.h"

#include <stddef.h>
#include <string.h>

/* Architectures, as models name them; the list ends with NULL. */
static inline const char *const *expected_archs(void)
{
    static const char *const archs[] = {
        "afmoe",      "bailingmoe", "bailingmoe2",    "bailingmoe3",  "cohere2",     "cohere2moe", "command-r",
        "deepseek",   "deepseek2",  "deepseek4",      "deepseek41",   "dots1",       "ernie4_5",   "ernie4_5-moe",
        "exaone-moe", "exaone4",    "falcon-h1",      "gemma2",       "gemma3",      "gemma4",     "glm-dsa",
        "glm4",       "glm4moe",    "glm5-next",      "glm5next",     "gpt-oss",     "granite",    "granitehybrid",
        "granitemoe", "grok",       "hunyuan-moe",    "jamba",        "kimi-linear", "lfm2",       "lfm2moe",
        "llama",      "llama4",     "mamba2",         "mimo2",        "minimax-m2",  "minimax-m3", "mistral3",
        "mistral4",   "nemotron_h", "nemotron_h_moe", "olmo2",        "olmoe",       "phi3",       "phimoe",
        "qwen2",      "qwen2moe",   "qwen3",          "qwen35",       "qwen35moe",   "qwen3moe",   "qwen3next",
        "qwen3vlmoe", "qwen4exp",   "seed_oss",       "smallthinker", "smollm3",     "step35",     NULL};
    return archs;
}

/* Goldens that run under all laws: one for each kind of attention, recurrence, routing and weight format. The others are variants: laws
 * take up to a minute a model. Sanitizers take one for each loop over rows, pages and states, or they would take an hour: bits are not
 * what they look for. */
static inline const char *const *expected_lawful(void)
{
#if SANITIZED
    static const char *const models[] = {"deepseek4",   "gemma4-moe", "gpt-oss-mxfp4", "jamba",
                                         "kimi-linear", "minimax-m3", "qwen4exp",      NULL};
#else
    static const char *const models[] = {"afmoe",
                                         "bailingmoe2",
                                         "bailingmoe3",
                                         "bailingmoe3-long",
                                         "cohere2",
                                         "cohere2moe",
                                         "command-r-plus",
                                         "deepseek2-lite",
                                         "deepseek2-v3",
                                         "deepseek4-fewer",
                                         "deepseek4-pages",
                                         "deepseek41",
                                         "deepseek41-long",
                                         "gemma2",
                                         "gemma3",
                                         "gemma4",
                                         "gemma4-moe",
                                         "glm-dsa-sparse",
                                         "glm4",
                                         "glm4moe",
                                         "glm5next",
                                         "glm5next-long",
                                         "gpt-oss-mxfp4",
                                         "granitehybrid",
                                         "jamba",
                                         "kimi-linear",
                                         "lfm2moe",
                                         "llama-tied",
                                         "llama4",
                                         "mamba2",
                                         "mimo2",
                                         "minimax-m2",
                                         "minimax-m3",
                                         "minimax-m3-long",
                                         "mistral4",
                                         "mixed-moe",
                                         "mixtral",
                                         "nemotron_h",
                                         "nemotron_h_moe",
                                         "nemotron_h_moe-latent",
                                         "olmo3",
                                         "olmoe",
                                         "phi3-long",
                                         "qwen2moe",
                                         "qwen35moe",
                                         "qwen3moe",
                                         "qwen4exp",
                                         "qwen4exp-long",
                                         "smallthinker",
                                         "step35",
                                         NULL};
#endif
    return models;
}

/* A golden of each architecture that has none above, whose blocks others share: a part of each law. */
static inline const char *const *expected_sampled(void)
{
    static const char *const models[] = {
        "bailingmoe", "deepseek",   "dots1",     "ernie4_5",    "ernie4_5-moe", "exaone-moe", "exaone4", "falcon-h1",
        "granite",    "granitemoe", "grok",      "hunyuan-moe", "lfm2",         "mistral3",   "phimoe",  "qwen2",
        "qwen3-long", "qwen35",     "qwen3next", "qwen3vlmoe",  "seed_oss",     "smollm3",    NULL};
    return models;
}

/* Models of vectors and scores (tests/embed.c). */
static inline const char *const *expected_encoders(void)
{
    static const char *const models[] = {"bert-cls",          "bert-mean",         "bert-none",    "bert-rank",
                                         "gemma-embed",       "gemma-embed-dense", "jina-bert-v2", "jina-bert-v2-code",
                                         "jina-bert-v2-rank", "jina-bert-v3",      "modern-bert",  "nomic-bert",
                                         "nomic-bert-moe",    "qwen3-embed",       "qwen3-rerank", NULL};
    return models;
}

/* Vocabularies that normalise what they encode: a text does not come back byte for byte. */
static inline const char *const *expected_normalising(void)
{
    static const char *const vocabularies[] = {"bert-12k", "ugm-mini", NULL};
    return vocabularies;
}

/* Where name stands in a list; -1: nowhere. */
static inline int expected_in(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    return -1;
}

#endif
