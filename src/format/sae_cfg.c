/* cfg.json of sparse autoencoders: see sae.h. What is not known to leave the numbers alone is refused by its key. */
#include "format/sae.h"

#include "base/error.h"
#include "base/json/load.h"
#include "base/json/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const gate_names[SAE_GATES] = {"standard", "jumprelu", "topk"};

const char *sae_gate_name(enum sae_gate g) { return gate_names[g]; }

struct cfg {
    const json_t *root, *metadata; /* NULL: none */
    const char *path;
    const char **differs; /* a key that both have, with other values: NULL as yet */
    struct error *err;
};

/* A key of the whole, or of its "metadata". */
static const json_t *get(const struct cfg *c, const char *key)
{
    const json_t *v = json_object_get(c->root, key), *inner = json_object_get(c->metadata, key);
    if (v && inner && !json_equal(v, inner))
        *c->differs = key;
    return v ? v : inner;
}

static int refuse(const struct cfg *c, const char *key, const json_t *v, const char *known)
{
    json_malloc_t take;
    json_free_t give;
    char *text = json_dump_spelled(v, JSON_ENCODE_ANY | JSON_COMPACT);
    json_get_alloc_funcs(&take, &give);
    error_set(c->err, ERR_UNSUPPORTED, "%s: \"%s\" is %.60s; %s", c->path, key, text ? text : "not read", known);
    give(text);
    return -1;
}

static int is_off(const json_t *v)
{
    const char *text = json_string_value(v);
    return !v || json_is_null(v) || json_is_false(v) || (text && strcmp(text, "none") == 0);
}

/* Each of these would be another autoencoder if it were on. */
static int check_off(const struct cfg *c, const char *const *keys)
{
    const json_t *const level[] = {c->root, c->metadata};
    for (; *keys; keys++)
        for (int i = 0; i < 2; i++) {
            const json_t *v = json_object_get(level[i], *keys);
            if (!is_off(v))
                return refuse(c, *keys, v, "this is not supported: only false, null or \"none\" is");
        }
    return 0;
}

/* A whole number within [1, most]; otherwise where it is absent. -1 and the sentence: it is something else. */
static int read_number(const struct cfg *c, const json_t *v, const char *key, int64_t most, int64_t otherwise,
                       int64_t *out)
{
    char known[80];
    *out = v ? json_integer_value(v) : otherwise;
    if (!v || (json_is_integer(v) && *out >= 1 && *out <= most))
        return 0;
    snprintf(known, sizeof known, "a whole number from 1 to %lld is possible", (long long)most);
    return refuse(c, key, v, known);
}

/* The N of "STEM" N "END", without leading zeros; -1: text is another. */
static int number_in(const char *text, const char *stem, const char *end)
{
    size_t n = strlen(stem), digits;
    if (strncmp(text, stem, n) != 0)
        return -1;
    digits = strspn(text + n, "0123456789");
    if (digits == 0 || digits > 5 || (digits > 1 && text[n] == '0') || strcmp(text + n + digits, end) != 0)
        return -1;
    return atoi(text + n);
}

/* ---- SAELens ----------------------------------------------------------------------------------------------------------------- */

static int read_hook(const struct cfg *c, struct sae_form *form)
{
    const json_t *v = get(c, "hook_name");
    const char *name = json_string_value(v);
    int pre;
    if (!v)
        return error_set(c->err, ERR_FORMAT, "%s: it has no \"hook_name\": of which layer is it?", c->path);
    form->layer = name ? number_in(name, "blocks.", ".hook_resid_post") : -1;
    pre = name ? number_in(name, "blocks.", ".hook_resid_pre") : -1;
    if (pre > 0)
        form->layer = pre - 1;
    return form->layer >= 0 ? 0
                            : refuse(c, "hook_name", v,
                                     "\"blocks.N.hook_resid_post\" is supported, and \"blocks.N.hook_resid_pre\" "
                                     "from N = 1 on");
}

static int read_gate(const struct cfg *c, struct sae_form *form)
{
    const json_t *v = get(c, "architecture"), *act = get(c, "activation_fn_str"),
                 *kwargs = get(c, "activation_fn_kwargs"), *k = get(c, "k");
    const char *name = v ? json_string_value(v) : "standard", *how;
    int64_t n;
    if (is_off(act))
        act = get(c, "activation_fn");
    how = is_off(act) ? "relu" : json_string_value(act);
    int gate = 0;
    while (gate < SAE_GATES && (!name || strcmp(name, gate_names[gate]) != 0))
        gate++;
    if (gate == SAE_GATES)
        return refuse(c, "architecture", v, "standard, jumprelu and topk are supported");
    if (!how || (strcmp(how, "relu") != 0 && strcmp(how, "topk") != 0) || (gate == SAE_JUMPRELU && how[0] == 't'))
        return refuse(c, "activation_fn", act, "relu is supported, and topk but with jumprelu");
    form->gate = how[0] == 't' ? SAE_TOPK : (enum sae_gate)gate;
    if (form->gate != SAE_TOPK)
        return 0;
    if (!k)
        k = json_object_get(kwargs, "k");
    if (!k)
        return error_set(c->err, ERR_FORMAT, "%s: it is of topk, and has no \"k\"", c->path);
    if (read_number(c, k, "k", SAE_FEATURES, -1, &n))
        return -1;
    form->k = (int)n;
    return 0;
}

static int read_saelens(const struct cfg *c, struct sae_form *form)
{
    static const char *const off[] = {"normalize_activations", "rescale_acts_by_decoder_norm",
                                      "reshape_activations",   "finetuning_scaling_factor",
                                      "hook_head_index",       "hook_name_out",
                                      "hook_layer_out",        "skip_connection",
                                      "is_transcoder",         NULL};
    const json_t *centred = get(c, "apply_b_dec_to_input");
    if (check_off(c, off) || read_gate(c, form) || read_hook(c, form) ||
        read_number(c, get(c, "d_in"), "d_in", VECTOR_WIDTH, -1, &form->n_embd) ||
        read_number(c, get(c, "d_sae"), "d_sae", SAE_FEATURES, -1, &form->n_feature))
        return -1;
    if (!centred)
        return error_set(c->err, ERR_FORMAT, "%s: it has no \"apply_b_dec_to_input\"", c->path);
    if (!json_is_boolean(centred))
        return refuse(c, "apply_b_dec_to_input", centred, "it must be true or false");
    form->is_centred = json_is_true(centred);
    return 0;
}

/* ---- sparsify ---------------------------------------------------------------------------------------------------------------- */

static int read_sparsify(const struct cfg *c, struct sae_form *form, const char *folder)
{
    static const char *const off[] = {"skip_connection", "transcode", "signed", NULL};
    const json_t *act = get(c, "activation"), *latents = get(c, "num_latents");
    int64_t factor, k;
    if (check_off(c, off))
        return -1;
    if (act && (!json_is_string(act) || strcmp(json_string_value(act), "topk") != 0))
        return refuse(c, "activation", act, "topk is supported");
    if (json_is_integer(latents) && json_integer_value(latents) == 0)
        latents = NULL;
    if (read_number(c, get(c, "k"), "k", SAE_FEATURES, -1, &k) ||
        read_number(c, get(c, "d_in"), "d_in", VECTOR_WIDTH, -1, &form->n_embd) ||
        read_number(c, latents, "num_latents", SAE_FEATURES, -1, &form->n_feature) ||
        read_number(c, get(c, "expansion_factor"), "expansion_factor", SAE_FEATURES, -1, &factor))
        return -1;
    if (k < 0)
        return error_set(c->err, ERR_FORMAT, "%s: it has no \"k\"", c->path);
    if (form->n_feature < 0 && factor > 0 && form->n_embd > 0)
        form->n_feature = factor * form->n_embd; /* below 2^44 */
    form->gate = SAE_TOPK;
    form->k = (int)k;
    form->is_centred = 1;
    if ((form->layer = number_in(folder, "layers.", "")) >= 0)
        return 0;
    return error_set(c->err, ERR_UNSUPPORTED,
                     "%s: the folder is called %.60s; of sparsify's, \"layers.N\" is supported: the end of layer N",
                     c->path, folder);
}

/* ---- both -------------------------------------------------------------------------------------------------------------------- */

int sae_read_cfg(struct sae_form *form, const char *text, size_t n, const char *path, int by_sparsify,
                 const char *folder, struct error *err)
{
    const char *differs = NULL;
    struct cfg c = {.path = path, .differs = &differs, .err = err};
    json_error_t why;
    *form = (struct sae_form){.n_embd = -1, .n_feature = -1};
    json_t *root = json_whole(text, n) == '{' ? json_load_reserved(text, n, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (!json_is_dict(root)) {
        json_decref(root);
        return error_set(err, ERR_FORMAT, "%s: no JSON object, or a key in it comes twice", path);
    }
    c.root = root;
    c.metadata = json_object_get(root, "metadata");
    const char *model = json_string_value(get(&c, "model_name"));
    for (size_t i = 0; model && model[i] && i + 1 < sizeof form->model; i++)
        form->model[i] = model[i] >= ' ' && model[i] < 127 ? model[i] : '?';
    int failed = by_sparsify ? read_sparsify(&c, form, folder) : read_saelens(&c, form);
    if (!failed && differs)
        failed = refuse(&c, differs, json_object_get(root, differs), "and something else in its \"metadata\"");
    json_decref(root);
    return failed;
}

int sae_form_of(struct sae_form *form, const char *text, int layer, struct error *err)
{
    size_t n = strcspn(text, ":");
    *form = (struct sae_form){.layer = layer, .n_embd = -1, .n_feature = -1};
    if (layer < 0)
        return error_set(err, ERR_INPUT, "an autoencoder of the end of layer %d: layers are counted from 0", layer);
    int gate = 0;
    while (gate < SAE_GATES && (strlen(gate_names[gate]) != n || strncmp(text, gate_names[gate], n) != 0))
        gate++;
    char *end = NULL;
    long k = text[n] ? strtol(text + n + 1, &end, 10) : 0;
    if (gate == SAE_GATES || (gate == SAE_TOPK) != (text[n] == ':') || (end && (*end || k < 1 || k > SAE_FEATURES)))
        return error_set(err, ERR_INPUT, "\"%.40s\" is no form of an autoencoder: standard, jumprelu, or as in topk:32",
                         text);
    form->gate = (enum sae_gate)gate;
    form->k = (int)k;
    form->is_centred = gate != SAE_JUMPRELU;
    return 0;
}
