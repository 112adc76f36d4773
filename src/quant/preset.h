/* Presets: names such as Q4_K_M, which stand for a base type and what differs from it (quantize.md 3.4). */
#ifndef QUANT_PRESET_H
#define QUANT_PRESET_H

#include "format/gguf.h"

struct preset {
    const char *name;
    enum block_type base;
    int file_type; /* general.file_type */
};

/* By name, any case. NULL: there is none. */
const struct preset *preset_find(const char *name);

/* What a preset needs to know of a model, and how far it has come: tensors are asked for in one order. */
struct preset_model {
    uint64_t n_layer, n_head, n_head_kv, n_expert, n_value; /* n_value: tensors of values, in all */
    int is_llama, is_tied, has_importance;
    uint64_t i_value, i_down, i_gate, i_up; /* counted so far */
};

/* Without keys or with keys of other kinds the numbers are 0. */
void preset_model_of(struct preset_model *m, const struct gguf *g, int has_importance);

/* The type of a tensor that may be quantised, before its columns are looked at: columns, dims. Call it in the order of preset_before(). */
enum block_type preset_type(const struct preset *p, struct preset_model *m, const struct gguf_tensor *t);

/* Tensors without layer first, then by layer, then by name: < 0, 0, > 0. */
int preset_before(const char *a, const char *b);

#endif
