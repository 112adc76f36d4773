/* Sparse autoencoders: what a row of a layer's end is made of, as a sum of few of many directions ("features").
 *
 *     encode    p_j = dot16(y, W_j) + b_j, y the row or the row less b_dec; of these the positive ones that its gate lets through: h_j
 *     decode    b_dec + sum of h_j D_j
 *
 * A folder of SAELens (sae_weights.safetensors) or of sparsify (sae.safetensors), with cfg.json, which says of which layer's end it is. A
 * configuration whose meaning is not that of the two lines above is refused by name: nothing would fail, and every number would be wrong.
 * It is read once and checked whole. Sources: SAELens, TrainingSAE and its converters; EleutherAI/sparsify, sparse_coder.py. */
#ifndef FORMAT_SAE_H
#define FORMAT_SAE_H

#include "base/sha256.h"
#include "format/types.h"
#include "format/vector.h"

enum {
    SAE_CFG = 1 << 16,
    SAE_FEATURES = 1 << 24
};                      /* bytes (loaded they are some 30 times as many), features: at most */
enum { SAE_ROWS = 16 }; /* that are encoded at a time */

/* Which features are active: where p > 0; where p > its threshold, and > 0; the k largest p, of equals the lower index, where > 0. */
enum sae_gate { SAE_STANDARD, SAE_JUMPRELU, SAE_TOPK, SAE_GATES };

/* What a folder without cfg.json is, or what its cfg.json says. */
struct sae_form {
    enum sae_gate gate;
    int k, layer;              /* of SAE_TOPK; whose end it is of */
    int is_centred;            /* y is the row less b_dec */
    int64_t n_embd, n_feature; /* as stated; -1: they are not */
    char model[VECTOR_TEXT];   /* that it was trained on; "": not stated */
};

struct sae_matrix {
    const uint8_t *data; /* [n_feature][n_embd], as in the file but for the order */
    enum block_type type;
};

struct sae {
    struct sae_form form;
    int n_embd, n_feature;
    struct sae_matrix encoder, decoder;
    const float *encoder_bias, *decoder_bias;
    const float *threshold; /* of SAE_JUMPRELU, else NULL */
    /* Memory for encoding, of the one thread that does: rows [SAE_ROWS][n_embd], features [SAE_ROWS][n_feature], a direction [n_embd],
     * the k largest of SAE_ROWS rows. */
    float *rows, *features, *direction, *pick_value;
    int32_t *pick_id;
    struct sae_labels *labels;         /* NULL: it has none */
    char file[VECTOR_NAME];            /* the folder's name, cut */
    uint8_t hash[SHA256_BYTES];        /* of gate, k, layer, centring, and all values as f32 */
    char sha256[2 * SHA256_BYTES + 1]; /* the same */
    uint64_t bytes;                    /* that it takes, with its labels */
};

/* What a folder is, by its headers: form, n_embd, n_feature, and the bytes that it takes once it is open. dir, name: as in
 * gguf_open_small(), of a folder. form: of one without cfg.json; else NULL, or what cfg.json says too (ERR_INPUT: it says something
 * else). */
int sae_look(int dir, const char *name, const struct sae_form *form, struct sae *about, struct error *err);

/* Reads a folder. Errors are those of vector_open(). sae_close() frees it; NULL: nothing. While it is read it takes VECTOR_READING
 * besides. */
int sae_open(struct sae **out, int dir, const char *name, const struct sae_form *form, uint64_t most,
             struct error *err);
void sae_close(struct sae *s);

/* A folder whose decoder is read row by row: all of it is looked at as sae_open() does, with at most 12 MiB of memory, and VECTOR_READING
 * for its header. Errors are those of vector_open(). */
struct sae_rows;
int sae_rows_open(struct sae_rows **out, int dir, const char *name, const struct sae_form *form, struct error *err);
const struct sae *sae_rows_about(const struct sae_rows *r); /* all but numbers and memory for encoding */
int sae_rows_read(struct sae_rows *r, int j, float *out,
                  struct error *err);    /* the direction of feature j: out [n_embd] */
void sae_rows_close(struct sae_rows *r); /* NULL: nothing */

/* Does it fit a model of n_layer layers and rows of n_embd, as n_stream streams? -1: ERR_INPUT with both numbers. */
int sae_check_model(const struct sae *s, int n_layer, int n_embd, int n_stream, struct error *err);

/* A row of a matrix as f32: out [n_embd]. */
void sae_row(const struct sae *s, const struct sae_matrix *m, int j, float *out);

const char *sae_gate_name(enum sae_gate g); /* "standard", "jumprelu", "topk" */

/* "topk:32", "standard", "jumprelu": of a folder without cfg.json, at a layer. y is the row less b_dec, but of jumprelu the row. */
int sae_form_of(struct sae_form *form, const char *text, int layer, struct error *err);

/* ---- labels.json (sae_labels.c) ---- */

/* What people call features: {"34": "text", ..}. Other keys, and values that are no texts, count for nothing. */
struct sae_labels;
enum { SAE_LABELS = 4 << 20 }; /* bytes of the file, at most */

/* Of an open folder, which is called name; follows: a link may be. *out NULL: it has none. -1: ERR_FORMAT, ERR_IO, ERR_MEMORY. */
int sae_labels_open(struct sae_labels **out, int folder, int follows, int n_feature, const char *name,
                    struct error *err);
void sae_labels_close(struct sae_labels *l);
/* Bytes that they take once they are open, by the file's size. */
uint64_t sae_labels_look(int folder, int follows, int n_feature);

/* Of all below NULL has none. */
uint64_t sae_labels_bytes(const struct sae_labels *l);
int sae_labels_count(const struct sae_labels *l);
const char *sae_label(const struct sae_labels *l, int feature); /* UTF-8; NULL: nobody says */

/* ---- cfg.json (sae_cfg.c) ---- */

/* path: for sentences. by_sparsify: the keys are sparsify's, and the layer is that of the folder's name, "layers.N". */
int sae_read_cfg(struct sae_form *form, const char *text, size_t n, const char *path, int by_sparsify,
                 const char *folder, struct error *err);

#endif
