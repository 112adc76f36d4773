/* Control vectors: GGUF files of one direction a layer, which a request adds to the rows of a model or projects out of them.
 *
 *     direction.N [E]     of layer N, from 1; F32, F16 or BF16; a layer without one is left alone
 *
 * Keys say what is done with them: none, or glp.mode "add": they are added (llama.cpp's control vectors). glp.mode "project": they are unit
 * directions that are taken out (projection vectors; dspark.* is an older prefix of glp.*). If such a file were added, it would do the
 * opposite of what it is for and nothing would fail, so a file whose keys are not understood is refused.
 *
 * A file is read once and checked whole; nothing of it is trusted before. Sources: llama.cpp, common_control_vector_load; ds4 pull request
 * 970 (keys of projections). */
#ifndef FORMAT_VECTOR_H
#define FORMAT_VECTOR_H

#include "base/sha256.h"

#include <stdint.h>

struct error;

enum { VECTOR_LAYERS = 4096, VECTOR_WIDTH = 1 << 20, VECTOR_TEXT = 256, VECTOR_NAME = 128 };
enum {
    VECTOR_HEADER = 1 << 20,
    VECTOR_READING = 5 * VECTOR_HEADER
}; /* bytes: of a header, at most; while it is open */

enum vector_kind { VECTOR_ADD, VECTOR_PROJECT, VECTOR_KINDS };
/* What it acts on: a layer's end, or what a block of it adds to the rows. */
enum vector_hook { VECTOR_LAYER, VECTOR_ATTN, VECTOR_FFN, VECTOR_HOOKS };

/* The key of a scale to begin with: 0 to 1000, any number. Others leave keys alone that they do not know. */
#define VECTOR_SUGGESTION "controlvector.stoker.scale"

/* What a file says of itself; "" where it does not. Longer texts are cut, other than printable ASCII becomes "?". */
struct vector_texts {
    char name[VECTOR_TEXT], license[VECTOR_TEXT], author[VECTOR_TEXT], source[VECTOR_TEXT], base_model[VECTOR_TEXT],
        model_hint[VECTOR_TEXT], method[VECTOR_TEXT];
};

struct vector_direction {
    const float *v;               /* [n_embd]; NULL: this layer has none. Of a projection the unit vector */
    double norm;                  /* as it stands in the file */
    uint8_t sha256[SHA256_BYTES]; /* of v, little-endian */
};

struct vector {
    enum vector_kind kind;
    enum vector_hook hook;
    int n_embd, first, last, n_held;   /* layers: of the first and the last direction; how many have one */
    float scale;                       /* where a request names none: 1, or glp.alpha_default */
    double suggested;                  /* scale to begin with, of one that is added; 0: the file does not say */
    int hook_differs;                  /* 1: the directions were measured at another hook than they act on */
    char file[VECTOR_NAME];            /* its name without the folder, cut */
    char sha256[2 * SHA256_BYTES + 1]; /* of all directions as f32 of the file, ascending: what names the content */
    struct vector_texts texts;
    struct vector_direction *direction; /* [last + 1] */
    uint64_t bytes;                     /* that it takes in memory */
};

/* Bytes that a file takes once it is open: from its header alone. dir, name: as in gguf_open_small(). */
int vector_bytes(int dir, const char *name, uint64_t *bytes, struct error *err);

/* Reads a file. -1: ERR_FORMAT and what is wrong with it, ERR_INPUT (the name), ERR_IO, ERR_MEMORY, or ERR_UNSUPPORTED: it wants something
 * that is not done here. most: bytes that it may take; more is ERR_MEMORY with both numbers. vector_close() frees it; NULL: nothing. */
int vector_open(struct vector **out, int dir, const char *name, uint64_t most, struct error *err);
void vector_close(struct vector *v);

/* Does it fit a model of n_layer layers and rows of n_embd? -1: ERR_INPUT with both numbers. hooks [n_layer], or NULL: for each layer, the
 * bits 1 << VECTOR_ATTN and 1 << VECTOR_FFN of the blocks that it has. */
int vector_check_model(const struct vector *v, int n_layer, int n_embd, const uint8_t *hooks, struct error *err);

const char *vector_kind_name(enum vector_kind k); /* "add", "project" */
const char *vector_hook_name(enum vector_hook h); /* "residual_stream_post_layer", ...: the words of glp.hook_point */

#endif
