/* links: format base */
/* Autoencoders: the same one in the names of SAELens and of sparsify, and in 16-bit types, is one; a configuration that means something
 * else is refused by name; shapes, types and damaged files by a sentence. Folders are made in a temporary one. */
#include "format/sae.h"

#include "base/error.h"
#include "base/half.h"
#include "base/reqmem.h"
#include "format/safetensors.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { N = 3, FEATURES = 5, MOST = 1 << 20, TENSORS = 6 };

static char folder[TEMPORARY_PATH];
static int dir;

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder(folder, "sae") == 0 && (dir = open(folder, O_RDONLY | O_DIRECTORY)) >= 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[80];
    (void)state;
    close(dir);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void put(const char *in, const char *name, const void *bytes, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, in);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", folder, in, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void cfg(const char *in, const char *text) { put(in, "cfg.json", text, strlen(text)); }

/* A tensor of values; rows 0: of one dimension. */
struct tensor {
    const char *name;
    int rows, columns;
    const float *value;
};

static size_t file_of(uint8_t *to, const struct tensor *t, int n, const char *dtype)
{
    struct safetensors_tensor out[TENSORS] = {{0}};
    size_t length, size = strcmp(dtype, "F32") == 0 || strcmp(dtype, "I32") == 0 ? 4 : 2;
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        uint64_t values = (uint64_t)t[i].columns * (uint64_t)(t[i].rows ? t[i].rows : 1);
        out[i] = (struct safetensors_tensor){t[i].name, dtype, t[i].rows ? 2 : 1, {0, 0}, at, values * size};
        out[i].shape[0] = (uint64_t)(t[i].rows ? t[i].rows : t[i].columns);
        out[i].shape[1] = (uint64_t)t[i].columns;
        at += values * size;
    }
    char *header = safetensors_header(NULL, 0, out, (size_t)n, 0, &length);
    memcpy(to, header, length);
    reqmem_free(header);
    for (int i = 0; i < n; i++)
        for (uint64_t k = 0; k < out[i].bytes / size; k++, length += size) {
            uint16_t h = dtype[0] == 'B' ? bf16_from_f32(t[i].value[k]) : f16_from_f32(t[i].value[k]);
            memcpy(to + length, size == 4 ? (const void *)&t[i].value[k] : &h, size);
        }
    return length;
}

static void weights(const char *in, const char *name, const struct tensor *t, int n, const char *dtype)
{
    uint8_t bytes[4096];
    put(in, name, bytes, file_of(bytes, t, n, dtype));
}

/* Values that 16-bit types have. */
static const float encoder[FEATURES * N] = {1, 2, -3, 0.5f, 0, 0.25f, 4, -0.25f, 1.5f, -2, 0.75f, 8, 3, -1, 0.125f};
static const float decoder[FEATURES * N] = {-1, 2, 3, 0.5f, 0.25f, 1, 0, 0, 0, 2, -0.75f, 1, 5, 6, 7};
static const float bias[FEATURES] = {0, 0.5f, -1, 2, 0.25f}, centre[N] = {1, -2, 0.5f},
                   threshold[FEATURES] = {0.5f, -1, 0, 2, 1};
static float turned[N * FEATURES];

static const struct tensor saelens[] = {{"W_enc", N, FEATURES, turned},
                                        {"b_enc", 0, FEATURES, bias},
                                        {"W_dec", FEATURES, N, decoder},
                                        {"b_dec", 0, N, centre},
                                        {"threshold", 0, FEATURES, threshold}};
static const struct tensor sparsify[] = {{"encoder.weight", FEATURES, N, encoder},
                                         {"encoder.bias", 0, FEATURES, bias},
                                         {"W_dec", FEATURES, N, decoder},
                                         {"b_dec", 0, N, centre}};
#define SAELENS  "sae_weights.safetensors"
#define SPARSIFY "sae.safetensors"
#define REST     "\"apply_b_dec_to_input\":true,\"d_in\":3,\"d_sae\":5,"
#define TOPK     "\"architecture\":\"topk\",\"k\":2,"
#define HOOKED   "\"model_name\":\"m\\u0001\",\"hook_name\":\"blocks.2.hook_resid_post\""
#define HOOK     "\"metadata\":{" HOOKED "}"

static struct sae *open_it(const char *name)
{
    struct error err = {0};
    struct sae *s = NULL;
    if (sae_open(&s, dir, name, NULL, MOST, &err))
        fail_msg("%s: %s", name, err.text);
    return s;
}

static void refused(const char *name, const struct sae_form *form, const char *words)
{
    struct error err = {0};
    struct sae *s = NULL;
    struct sae about;
    assert_int_equal(sae_open(&s, dir, name, form, MOST, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("%s: \"%s\" is not in: %s", name, words, err.text);
    assert_true(err.code == ERR_FORMAT || err.code == ERR_UNSUPPORTED || err.code == ERR_IO || err.code == ERR_INPUT);
    err = (struct error){0};
    if (!strstr(words, "not finite"))
        assert_int_equal(sae_look(dir, name, form, &about, &err), -1);
}

/* Read row by row it is the same, whatever it takes: rows, and the hash of all values. */
static void is_the_same_by_rows(const char *name, const struct sae *s)
{
    struct error err = {0};
    struct sae_rows *r = NULL;
    float *row = malloc(2 * (size_t)s->n_embd * sizeof *row);
    if (sae_rows_open(&r, dir, name, NULL, &err))
        fail_msg("%s: %s", name, err.text);
    const struct sae *about = sae_rows_about(r);
    assert_true(about->n_embd == s->n_embd && about->n_feature == s->n_feature && about->form.layer == s->form.layer);
    assert_string_equal(about->sha256, s->sha256);
    assert_string_equal(about->file, s->file);
    for (int j = s->n_feature - 1; j >= 0; j--) {
        sae_row(s, &s->decoder, j, row);
        assert_int_equal(sae_rows_read(r, j, row + s->n_embd, &err), 0);
        assert_memory_equal(row, row + s->n_embd, (size_t)s->n_embd * sizeof *row);
    }
    sae_rows_close(r);
    free(row);
}

/* Of more values than are read at a time, encoder turned and not: turned it has more than 8 MiB in F32, and a last piece that is shorter;
 * in BF16 it is one piece. Of two values a feature, 8 MiB have more columns than are read of a row at a time. */
static void by_rows(void **state)
{
    enum { WIDE = 1200, MANY = 2101, NARROW = 2, MOST_OF_THEM = 300000 };
    (void)state;
    static float matrix[2][MANY * WIDE], few[2][MANY];
    static uint8_t bytes[2 * sizeof matrix];
    for (size_t i = 0; i < 2 * MANY * WIDE; i++)
        matrix[i / (MANY * WIDE)][i % (MANY * WIDE)] = (float)(i * 2654435761u % 1000) / 64;
    for (size_t i = 0; i < 2 * MANY; i++)
        few[i / MANY][i % MANY] = (float)(i % 97);
    const struct tensor narrow[] = {{"W_enc", NARROW, MOST_OF_THEM, matrix[0]},
                                    {"b_enc", 0, MOST_OF_THEM, matrix[1]},
                                    {"W_dec", MOST_OF_THEM, NARROW, matrix[1]},
                                    {"b_dec", 0, NARROW, few[1]}};
    const struct tensor wide[] = {{"W_enc", WIDE, MANY, matrix[0]},
                                  {"b_enc", 0, MANY, few[0]},
                                  {"W_dec", MANY, WIDE, matrix[1]},
                                  {"b_dec", 0, WIDE, few[1]}},
                        plain[] = {{"encoder.weight", MANY, WIDE, matrix[0]},
                                   {"encoder.bias", 0, MANY, few[0]},
                                   {"W_dec", MANY, WIDE, matrix[1]},
                                   {"b_dec", 0, WIDE, few[1]}};
    const struct {
        const char *name, *file, *type;
        const struct tensor *tensors;
    } cases[] = {{"wide", SAELENS, "F32", wide},
                 {"wide", SAELENS, "BF16", wide},
                 {"narrow", SAELENS, "F32", narrow},
                 {"layers.2", SPARSIFY, "F32", plain},
                 {"layers.2", SPARSIFY, "BF16", plain}};
    for (int i = 0; i < 5; i++) {
        const char *name = cases[i].name;
        struct error err = {0};
        struct sae *s = NULL;
        put(name, cases[i].file, bytes, file_of(bytes, cases[i].tensors, 4, cases[i].type));
        cfg(name, i < 3 ? "{" TOPK "\"apply_b_dec_to_input\":true," HOOK "}" : "{\"k\":2}");
        if (sae_open(&s, dir, name, NULL, UINT64_MAX, &err))
            fail_msg("%s: %s", name, err.text);
        is_the_same_by_rows(name, s);
        sae_close(s);
    }
}

static void is_that_one(const struct sae *s)
{
    float row[N];
    assert_true(s->n_embd == N && s->n_feature == FEATURES && s->form.layer == 2);
    for (int j = 0; j < FEATURES; j++) {
        sae_row(s, &s->encoder, j, row);
        assert_memory_equal(row, encoder + j * N, sizeof row);
        sae_row(s, &s->decoder, j, row);
        assert_memory_equal(row, decoder + j * N, sizeof row);
    }
    assert_memory_equal(s->encoder_bias, bias, sizeof bias);
    assert_memory_equal(s->decoder_bias, centre, sizeof centre);
}

static void one_in_all_forms(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    char hash[65] = "";
    struct error err = {0};
    struct sae about;
    for (int i = 0; i < 3; i++) {
        char name[20];
        snprintf(name, sizeof name, "lens%d", i);
        weights(name, SAELENS, saelens, 4, dtypes[i]);
        cfg(name, "{" TOPK REST HOOK "}");
        struct sae *s = open_it(name);
        is_that_one(s);
        assert_true(s->form.gate == SAE_TOPK && s->form.k == 2 && s->form.is_centred && !s->threshold);
        assert_string_equal(s->form.model, "m?");
        assert_string_equal(s->file, name);
        assert_int_equal(s->encoder.type, i == 0 ? TYPE_F32 : i == 1 ? TYPE_F16 : TYPE_BF16);
        if (*hash)
            assert_string_equal(s->sha256, hash);
        memcpy(hash, s->sha256, sizeof hash);
        assert_int_equal(sae_look(dir, name, NULL, &about, &err), 0);
        assert_true(about.bytes == s->bytes && about.n_feature == FEATURES && about.n_embd == N);
        sae_close(s);
    }
    weights("layers.2", SPARSIFY, sparsify, 4, "F32");
    cfg("layers.2", "{\"activation\":\"topk\",\"expansion_factor\":32,\"num_latents\":5,\"k\":2,\"d_in\":3,"
                    "\"multi_topk\":false,\"skip_connection\":false,\"transcode\":false}");
    struct sae *s = open_it("layers.2");
    is_that_one(s);
    assert_string_equal(s->sha256, hash);
    assert_int_equal(sae_check_model(s, 3, N, 0, &err), 0);
    assert_int_equal(sae_check_model(s, 2, N, 0, &err), -1);
    assert_non_null(strstr(err.text, "the model has 2 layers"));
    err = (struct error){0};
    assert_int_equal(sae_check_model(s, 3, N + 1, 0, &err), -1);
    err = (struct error){0};
    assert_int_equal(sae_check_model(s, 3, N, 4, &err), -1);
    uint64_t all = s->bytes;
    sae_close(s);
    s = NULL;
    err = (struct error){0};
    assert_int_equal(sae_open(&s, dir, "layers.2", NULL, all - 1, &err), -1);
    assert_int_equal(err.code, ERR_MEMORY);
}

/* What people call features is in its memory, and no part of what it is. */
static void with_labels(void **state)
{
    (void)state;
    static const char text[] = "{\"3\":\"cats\"}";
    struct error err = {0};
    struct sae about;
    weights("named", SAELENS, saelens, 4, "F32");
    cfg("named", "{" TOPK REST HOOK "}");
    struct sae *plain = open_it("named");
    put("named", "labels.json", text, sizeof text - 1);
    struct sae *s = open_it("named");
    assert_null(plain->labels);
    assert_string_equal(sae_label(s->labels, 3), "cats");
    assert_string_equal(s->sha256, plain->sha256);
    assert_true(s->bytes == plain->bytes + sae_labels_bytes(s->labels));
    assert_int_equal(sae_look(dir, "named", NULL, &about, &err), 0);
    assert_true(about.bytes == s->bytes);
    is_the_same_by_rows("named", s);
    uint64_t all = s->bytes;
    sae_close(s);
    sae_close(plain);
    assert_int_equal(sae_open(&s, dir, "named", NULL, all - 1, &err), -1);
    assert_int_equal(err.code, ERR_MEMORY);
    put("named", "labels.json", "[]", 2);
    err = (struct error){0};
    assert_int_equal(sae_open(&s, dir, "named", NULL, MOST, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
}

static void gates_and_layers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sae_gate gate;
        int k, layer, centred, tensors;
    } cases[] = {
        {"{" TOPK REST HOOK "}", SAE_TOPK, 2, 2, 1, 4},
        {"{\"architecture\":\"standard\"," REST HOOK "}", SAE_STANDARD, 0, 2, 1, 4},
        {"{" REST HOOK "}", SAE_STANDARD, 0, 2, 1, 4},
        {"{\"architecture\":\"jumprelu\",\"apply_b_dec_to_input\":false,\"hook_name\":\"blocks.0.hook_resid_post\"}",
         SAE_JUMPRELU, 0, 0, 0, 5},
        {"{\"architecture\":\"standard\",\"activation_fn_str\":\"topk\",\"activation_fn_kwargs\":{\"k\":3}," REST HOOK
         "}",
         SAE_TOPK, 3, 2, 1, 4},
        {"{" TOPK REST "\"normalize_activations\":\"none\",\"rescale_acts_by_decoder_norm\":false,"
         "\"reshape_activations\":\"none\",\"hook_head_index\":null,\"hook_name\":\"blocks.12.hook_resid_pre\"}",
         SAE_TOPK, 2, 11, 1, 4},
        {"{" TOPK REST "\"normalize_activations\":\"none\",\"hook_head_index\":null,"
         "\"metadata\":{\"normalize_activations\":null,\"hook_head_index\":null,\"k\":2," HOOKED "}}",
         SAE_TOPK, 2, 2, 1, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weights("case", SAELENS, saelens, cases[i].tensors, "F32");
        cfg("case", cases[i].text);
        struct sae *s = open_it("case");
        assert_true(s->form.gate == cases[i].gate && s->form.k == cases[i].k && s->form.layer == cases[i].layer);
        assert_true(s->form.is_centred == cases[i].centred && (s->threshold != NULL) == (cases[i].tensors == 5));
        if (s->threshold)
            assert_memory_equal(s->threshold, threshold, sizeof threshold);
        sae_close(s);
    }
}

static void configurations_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{\"k\":1,\"k\":1}", "comes twice"},
        {"{" TOPK REST "\"normalize_activations\":\"expected_average_only_in\"," HOOK "}",
         "\"normalize_activations\" is"},
        {"{" TOPK REST "\"rescale_acts_by_decoder_norm\":true," HOOK "}", "\"rescale_acts_by_decoder_norm\" is true"},
        {"{" TOPK REST "\"reshape_activations\":\"hook_z\"," HOOK "}", "\"reshape_activations\" is \"hook_z\""},
        {"{" TOPK REST "\"finetuning_scaling_factor\":true," HOOK "}", "\"finetuning_scaling_factor\""},
        {"{" TOPK REST "\"hook_head_index\":3," HOOK "}", "\"hook_head_index\" is 3"},
        {"{" TOPK REST "\"hook_name_out\":\"blocks.3.hook_mlp_out\"," HOOK "}", "\"hook_name_out\""},
        {"{" TOPK REST "\"skip_connection\":true," HOOK "}", "\"skip_connection\""},
        {"{" TOPK REST "\"skip_connection\":false,\"metadata\":{\"skip_connection\":true," HOOKED "}}",
         "\"skip_connection\" is true"},
        {"{" TOPK REST "\"skip_connection\":true,\"metadata\":{\"skip_connection\":false," HOOKED "}}",
         "\"skip_connection\" is true"},
        {"{" TOPK REST "\"metadata\":{\"k\":3," HOOKED "}}", "\"k\" is 2; and something else in its \"metadata\""},
        {"{" TOPK REST "\"metadata\":{\"apply_b_dec_to_input\":false," HOOKED "}}",
         "\"apply_b_dec_to_input\" is true; and something else"},
        {"{" TOPK REST "\"hook_name\":\"blocks.1.hook_resid_post\"," HOOK "}", "\"hook_name\" is"},
        {"{\"architecture\":\"gated\"," REST HOOK "}", "\"architecture\" is \"gated\""},
        {"{\"architecture\":\"batchtopk\",\"k\":2," REST HOOK "}", "\"architecture\" is \"batchtopk\""},
        {"{\"architecture\":\"matryoshka_batchtopk\"," REST HOOK "}", "\"matryoshka_batchtopk\""},
        {"{\"architecture\":\"transcoder\"," REST HOOK "}", "\"transcoder\""},
        {"{\"architecture\":7," REST HOOK "}", "\"architecture\" is 7"},
        {"{\"activation_fn_str\":\"tanh-relu\"," REST HOOK "}", "tanh-relu"},
        {"{" TOPK REST "\"hook_name\":\"blocks.2.hook_mlp_out\"}", "\"hook_name\" is \"blocks.2.hook_mlp_out\""},
        {"{" TOPK REST "\"hook_name\":\"blocks.0.hook_resid_pre\"}", "\"hook_name\" is"},
        {"{" TOPK REST "\"hook_name\":\"blocks.02.hook_resid_post\"}", "\"hook_name\" is"},
        {"{" TOPK REST "\"hook_name\":\"blocks.-2.hook_resid_post\"}", "\"hook_name\" is"},
        {"{" TOPK REST "\"hook_name\":5}", "\"hook_name\" is 5"},
        {"{" TOPK REST "\"a\":1}", "no \"hook_name\""},
        {"{\"architecture\":\"topk\"," REST HOOK "}", "no \"k\""},
        {"{\"architecture\":\"topk\",\"k\":0," REST HOOK "}", "\"k\" is 0"},
        {"{\"architecture\":\"topk\",\"k\":-3," REST HOOK "}", "\"k\" is -3"},
        {"{\"architecture\":\"topk\",\"k\":1e9," REST HOOK "}", "\"k\" is 1e9"},
        {"{\"architecture\":\"topk\",\"k\":6," REST HOOK "}", "\"k\" is 6, of 5 features"},
        {"{\"architecture\":\"topk\",\"k\":99999999999999999999," REST HOOK "}", "\"k\" is 99999999999999999999"},
        {"{" TOPK "\"apply_b_dec_to_input\":true,\"d_in\":4," HOOK "}", "features of 4 values"},
        {"{" TOPK "\"apply_b_dec_to_input\":true,\"d_in\":-3," HOOK "}", "\"d_in\" is -3"},
        {"{" TOPK "\"apply_b_dec_to_input\":true,\"d_sae\":1152921504606846976," HOOK "}", "\"d_sae\" is"},
        {"{" TOPK "\"apply_b_dec_to_input\":1," HOOK "}", "must be true or false"},
        {"{" TOPK HOOK "}", "no \"apply_b_dec_to_input\""},
        {"{\"architecture\":\"jumprelu\"," REST HOOK "}", "no tensor threshold"},
    };
    static const struct {
        const char *text, *words;
    } of_sparsify[] = {
        {"{\"k\":2,\"d_in\":3,\"num_latents\":0,\"expansion_factor\":2}", "speaks of 6 features"},
        {"{\"k\":2,\"activation\":\"groupmax\"}", "\"activation\" is \"groupmax\""},
        {"{\"k\":2,\"transcode\":true}", "\"transcode\" is true"},
        {"{\"k\":2,\"skip_connection\":true}", "\"skip_connection\" is true"},
        {"{\"k\":2,\"signed\":true}", "\"signed\" is true"},
        {"{\"num_latents\":5}", "no \"k\""},
    };
    weights("case", SAELENS, saelens, 4, "F32");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cfg("case", cases[i].text);
        refused("case", NULL, cases[i].words);
    }
    char *large = malloc(SAE_CFG + 2);
    memset(large, ' ', SAE_CFG + 1);
    memcpy(large, "{" TOPK REST HOOK "}", sizeof "{" TOPK REST HOOK "}" - 1);
    large[SAE_CFG] = 0;
    cfg("case", large);
    sae_close(open_it("case"));
    large[SAE_CFG] = ' ';
    large[SAE_CFG + 1] = 0;
    cfg("case", large);
    refused("case", NULL, "65536");
    free(large);
    weights("layers.3", SPARSIFY, sparsify, 4, "F32");
    for (size_t i = 0; i < sizeof of_sparsify / sizeof *of_sparsify; i++) {
        cfg("layers.3", of_sparsify[i].text);
        refused("layers.3", NULL, of_sparsify[i].words);
    }
    weights("layers.3.mlp", SPARSIFY, sparsify, 4, "F32");
    cfg("layers.3.mlp", "{\"k\":2}");
    refused("layers.3.mlp", NULL, "the folder is called layers.3.mlp");
}

static void tensors_refused(void **state)
{
    (void)state;
    static const float not_finite[FEATURES] = {0, NAN};
    struct tensor t[TENSORS];
    cfg("case", "{" TOPK REST HOOK "}");
#define CASE(words, n, dtype, ...)                                                                                     \
    memcpy(t, saelens, sizeof saelens);                                                                                \
    __VA_ARGS__;                                                                                                       \
    weights("case", SAELENS, t, n, dtype);                                                                             \
    refused("case", NULL, words)
    CASE("it has no tensor b_dec", 3, "F32", (void)0);
    CASE("it has no tensor W_dec", 2, "F32", (void)0);
    CASE("it has thresholds, and is of topk", 5, "F32", (void)0);
    CASE("is I32", 4, "I32", (void)0);
    CASE("tensor W_skip", 5, "F32", t[4] = ((struct tensor){"W_skip", N, N, decoder}));
    CASE("tensor b_gate", 5, "F32", t[4].name = "b_gate");
    CASE("must have 3 x 5", 4, "F32", t[0].rows = 5, t[0].columns = 3);
    CASE("must have 5 x 1", 4, "F32", t[1].columns = 4);
    CASE("must have 3 x 1", 4, "F32", t[3].columns = 4, t[3].value = bias);
    CASE("in 2 dimensions", 4, "F32", t[3].rows = 3, t[3].columns = 1);
    CASE("tensor b_enc has a value that is not finite", 4, "F32", t[1].value = not_finite);
    CASE("tensor W_enc has a value that is not finite", 4, "BF16", turned[7] = INFINITY);
    turned[7] = encoder[2 * N + 1];
#undef CASE
}

static void folders_refused(void **state)
{
    (void)state;
    char to[200], at[200];
    struct sae_form form;
    struct error err = {0};
    weights("there", SAELENS, saelens, 4, "F32");
    refused("there", NULL, "cfg.json: cannot be opened");
    assert_int_equal(sae_form_of(&form, "topk:2", 2, &err), 0);
    struct sae *s = NULL;
    assert_int_equal(sae_open(&s, dir, "there", &form, MOST, &err), 0);
    assert_true(s->form.gate == SAE_TOPK && s->form.k == 2 && s->form.layer == 2 && s->form.is_centred);
    sae_close(s);
    err = (struct error){0};
    assert_int_equal(sae_form_of(&form, "topk:2", -1, &err), -1);
    assert_non_null(strstr(err.text, "layer -1"));
    static const char *const wrong[] = {"topk", "topk:0", "topk:2x", "topk:", "standard:2", "gated", "", "top"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (struct error){0};
        assert_int_equal(sae_form_of(&form, wrong[i], 2, &err), -1);
    }
    snprintf(to, sizeof to, "%s/there", folder);
    snprintf(at, sizeof at, "%s/link", folder);
    assert_int_equal(symlink(to, at), 0);
    refused("link", NULL, "Not a directory");
    refused("../there", NULL, "without \"/\"");
    refused(".there", NULL, "without \".\"");
    refused("absent", NULL, "cannot be opened");
    put("empty", "other", "", 0);
    refused("empty", NULL, "neither sae_weights.safetensors nor sae.safetensors");
    cfg("linked", "{" TOPK REST HOOK "}");
    snprintf(to, sizeof to, "%s/there/" SAELENS, folder);
    snprintf(at, sizeof at, "%s/linked/" SAELENS, folder);
    assert_int_equal(symlink(to, at), 0);
    refused("linked", NULL, SAELENS ": cannot be opened");
    weights("linked", SPARSIFY, sparsify, 4, "F32"); /* the first one is there, whatever is beside it */
    refused("linked", NULL, SAELENS ": cannot be opened");
    err = (struct error){0};
    snprintf(at, sizeof at, "%s/linked/", folder); /* one's own folders may have links */
    assert_int_equal(sae_open(&s, AT_FDCWD, at, NULL, MOST, &err), 0);
    assert_string_equal(s->file, "linked");
    sae_close(s);
    snprintf(at, sizeof at, "%s/there/cfg.json", folder);
    assert_int_equal(mkfifo(at, 0600), 0);
    refused("there", NULL, "not a regular file");
}

/* Of a folder with cfg.json, a caller may say what that says. */
static void said_twice(void **state)
{
    (void)state;
    static const struct {
        const char *form, *words;
        int layer;
    } cases[] = {{"topk:2", NULL, 2},
                 {"topk:3", "it is of topk:2, and --sae-arch says topk:3", 2},
                 {"standard", "it is of topk, and --sae-arch says standard", 2},
                 {"jumprelu", "--sae-arch says jumprelu", 2},
                 {"topk:2", "it is of the end of layer 2, and --sae-layer says 1", 1}};
    weights("case", SAELENS, saelens, 4, "F32");
    cfg("case", "{" TOPK REST HOOK "}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sae_form form;
        struct error err = {0};
        struct sae *s = NULL;
        assert_int_equal(sae_form_of(&form, cases[i].form, cases[i].layer, &err), 0);
        if (cases[i].words)
            refused("case", &form, cases[i].words);
        else
            assert_int_equal(sae_open(&s, dir, "case", &form, MOST, &err), 0);
        sae_close(s);
    }
}

static void damaged(void **state)
{
    (void)state;
    static const char text[] = "{" TOPK REST HOOK "}";
    uint8_t bytes[4096];
    size_t n = file_of(bytes, saelens, 4, "F32");
    for (size_t cut = 0; cut < n; cut++) {
        cfg("cut", text);
        put("cut", SAELENS, bytes, cut);
        refused("cut", NULL, "");
    }
    put("cut", SAELENS, bytes, n);
    for (size_t cut = 0; cut + 1 < sizeof text; cut++) {
        put("cut", "cfg.json", text, cut);
        refused("cut", NULL, "no JSON object");
    }
    for (size_t at = 0; at + 1 < sizeof text; at++)
        for (int bit = 0; bit < 8; bit++) {
            char changed[sizeof text];
            struct error err = {0};
            struct sae *s = NULL;
            memcpy(changed, text, sizeof text);
            changed[at] = (char)(changed[at] ^ 1 << bit);
            put("cut", "cfg.json", changed, sizeof text - 1);
            if (sae_open(&s, dir, "cut", NULL, MOST, &err))
                assert_true(err.code != ERR_NONE && err.text[0]);
            sae_close(s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_in_all_forms), cmocka_unit_test(with_labels),
                                       cmocka_unit_test(gates_and_layers), cmocka_unit_test(configurations_refused),
                                       cmocka_unit_test(tensors_refused),  cmocka_unit_test(folders_refused),
                                       cmocka_unit_test(said_twice),       cmocka_unit_test(by_rows),
                                       cmocka_unit_test(damaged)};
    for (int j = 0; j < FEATURES; j++)
        for (int i = 0; i < N; i++)
            turned[i * FEATURES + j] = encoder[j * N + i];
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
