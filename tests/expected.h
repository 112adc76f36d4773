/* What stoker is expected to run of the test data, which holds more: goldens and vocabularies of what is still to come.
 *
 * A test fails where something of these lists does not run, and where something runs that is not in them: so nothing is left out
 * without a word, and nothing to come counts as skipped. What stoker learns to run is added here in the same commit. */
#ifndef TESTS_EXPECTED_H
#define TESTS_EXPECTED_H

#include <stddef.h>
#include <string.h>

/* Architectures, as models name them; the list ends with NULL. */
static inline const char *const *expected_archs(void)
{
    static const char *const archs[] = {
        "deepseek2",   "deepseek4", "gemma2", "gemma3",     "gemma4",     "glm-dsa",        "glm4moe", "gpt-oss",
        "kimi-linear", "llama",     "mamba2", "minimax-m2", "nemotron_h", "nemotron_h_moe", "olmoe",   "qwen2",
        "qwen2moe",    "qwen3",     "qwen35", "qwen35moe",  "qwen3moe",   "qwen3next",      NULL};
    return archs;
}

/* Goldens under all laws: one of each way to attend, to recur, to route and to store weights. The others, variants of these, are
 * compared with their references alone: laws take up to a minute a model. */
static inline const char *const *expected_lawful(void)
{
    static const char *const models[] = {"deepseek2-lite",
                                         "deepseek2-v3",
                                         "deepseek4-pages",
                                         "deepseek4",
                                         "gemma2",
                                         "gemma3",
                                         "gemma4-moe",
                                         "gemma4",
                                         "glm-dsa-sparse",
                                         "glm4moe",
                                         "gpt-oss-mxfp4",
                                         "kimi-linear",
                                         "llama-tied",
                                         "mamba2",
                                         "minimax-m2",
                                         "mixed-moe",
                                         "mixtral",
                                         "nemotron_h",
                                         "nemotron_h_moe-latent",
                                         "nemotron_h_moe",
                                         "olmoe",
                                         "qwen2moe",
                                         "qwen35moe",
                                         "qwen3moe",
                                         NULL};
    return models;
}

/* Vocabularies whose ids can be decoded while encoding a text must be refused. */
static inline const char *const *expected_decode_only(void)
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
