/* links: engine text model store op machine kernel format base
 *
 * Models whose metadata and tensors contradict each other, or mean nothing: one sentence, or a finished run; never a crash, a
 * hang, or a claim of a bug in stoker. What header_fuzz cannot know: which key of which architecture means what.
 *
 *     build/tests/hostile_models [--whole | MODEL...]
 *
 * Tests that ask the same of every model (lists, dropped, reshaped, retyped, ends, poisoned) run one case of three, drawn
 * for each model; with --whole, and for a model that is named, all.
 *
 *     keys      absurd values of an architecture's keys: the sentence names the key, or the tensor that disagrees
 *     absent    a key left out without which the others mean nothing: it is named; lists that end after one layer
 *     numbers   numbers within lists at their limits
 *     limitless a size of model without the limits that it must have
 *     lists     lists (one value a layer, or too many) where one number is expected
 *     dropped   each tensor left out
 *     reshaped  each tensor with rows and columns exchanged, with a row less, with its values in another dimension
 *     retyped   each tensor as f16, and as whole numbers
 *     tables    tables of experts with ids that do not exist
 *     ends      every key, of the file and not, at the ends of what a key may hold; a sample
 *     poisoned  each tensor full of NaN, of -Inf, or of the largest number
 *     shapes    odd numbers of heads, ranks, states that agree with each other: these run
 *     others    the file of one architecture under the name of another; unknown names: the nearest is suggested
 *
 * The cases of a test run in one forked process, which says in shared memory what it is doing: where it dies, the case is
 * known. The models are goldens of tests/data, written anew with the one change. */
#include "base/rng.h"
#include "gguf_write.h"
#include "model/arch.h"
#include "sanitized.h"
#include "sparse_model.h"
#include "stoker.h"
#include "temporary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* With sanitizers, which take three times as long, all tests are samples. */
enum {
    SECONDS = 20,
    N_TOKENS = 3,
    SHORT_PROMPT = 5,
    LONG_PROMPT = 300,
    ONE_OF_OWN = SANITIZED ? 4 : 1,
    ONE_OF_COMMON = SANITIZED ? 8 : 3
};

static struct shared {
    char what[300];
    volatile int runs, sentences, failures;
    int one_of, turn; /* of one_of cases in a row, the turn-th is run */
} * shared;
static char path[TEMPORARY_PATH];
static int passed, failed, n_test;
static int is_encoder; /* the model gives vectors or scores */
static char **chosen;  /* [n_chosen] models; none: all */
static int n_chosen, every_case;

/* ---- a model with one change ------------------------------------------------------------------------------------------------- */

struct change {
    const struct gguf_value *value; /* replaces the value of its key, or is added */
    const char *arch;               /* other name, of keys too */
    const char *without;            /* the key that is left out */
    int drop;                       /* tensor left out, -1 none */
    int shape;                      /* tensor with ne, -1 none */
    uint64_t ne[GGUF_MAX_DIMS];
    int n_dims;
    int retype; /* tensor of type, -1 none */
    enum block_type type;
    int poke; /* tensor whose first i32 becomes id, -1 none */
    int32_t id;
    int fill; /* tensor full of a word, -1 none */
    uint32_t word;
};
#define NO_CHANGE                                                                                                      \
    {                                                                                                                  \
        .drop = -1, .shape = -1, .retype = -1, .poke = -1, .fill = -1                                                  \
    }

static const char *arch_of(const struct gguf *g) { return gguf_find(g, "general.architecture")->as.string.text; }

static int same_key(const struct gguf_value *a, const struct gguf_value *b)
{
    return b && a->key.length == b->key.length && memcmp(a->key.text, b->key.text, a->key.length) == 0;
}

static void write_key(struct gguf_writer *w, const struct gguf *g, const struct gguf_value *v, const struct change *c)
{
    char key[200];
    const char *arch = arch_of(g);
    size_t n = strlen(arch);
    struct gguf_value copy = same_key(v, c->value) ? *c->value : *v;
    if (c->arch && strcmp(v->key.text, "general.architecture") == 0)
        copy.as.string = (struct gguf_string){c->arch, strlen(c->arch)};
    if (c->arch && strncmp(v->key.text, arch, n) == 0 && v->key.text[n] == '.') {
        snprintf(key, sizeof key, "%.80s%s", c->arch, v->key.text + n);
        copy.key = (struct gguf_string){key, strlen(key)};
    }
    gguf_write_value(w, &copy);
}

static uint64_t bytes_of(const uint64_t *ne, int n_dims, enum block_type type)
{
    uint64_t rows = 1;
    for (int i = 1; i < n_dims; i++)
        rows *= ne[i];
    return rows * type_row_bytes(type_info(type), ne[0]);
}

/* Data of another length: cut, or filled up with zeros. id: instead of the first number; NULL: none. */
static void write_data(struct gguf_writer *w, const struct gguf *g, const struct gguf_tensor *t, uint64_t n,
                       const int32_t *id)
{
    uint8_t *bytes = calloc(1, n + t->n_bytes);
    if (bytes && pread(g->file[t->file].fd, bytes, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes) {
        if (id)
            memcpy(bytes, id, sizeof *id);
        gguf_write_data(w, bytes, n);
    }
    free(bytes);
}

static void write_words(struct gguf_writer *w, uint64_t n, uint32_t word)
{
    for (uint64_t at = 0; at < n; at += sizeof word)
        gguf_write_data(w, &word, n - at < sizeof word ? n - at : sizeof word);
}

static int write_model(const struct gguf *g, const struct change *c, struct error *err)
{
    struct gguf_writer w;
    uint64_t *size = calloc(g->n_tensor, sizeof *size);
    gguf_write_begin(&w, path, 32);
    int known = 0;
    for (uint64_t i = 0; i < g->n_value; i++) {
        known |= same_key(&g->value[i], c->value);
        if (!c->without || strcmp(g->value[i].key.text, c->without) != 0)
            write_key(&w, g, &g->value[i], c);
    }
    if (c->value && !known)
        gguf_write_value(&w, c->value);
    for (int i = 0; i < (int)g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const uint64_t *ne = i == c->shape ? c->ne : t->ne;
        int n_dims = i == c->shape ? c->n_dims : t->n_dims;
        enum block_type type = i == c->retype ? c->type : t->type;
        size[i] = bytes_of(ne, n_dims, type);
        if (i != c->drop)
            gguf_write_tensor(&w, t->name, type, n_dims, ne);
    }
    for (int i = 0; i < (int)g->n_tensor; i++)
        if (i == c->fill)
            write_words(&w, size[i], c->word);
        else if (i != c->drop)
            write_data(&w, g, &g->tensor[i], size[i], i == c->poke ? &c->id : NULL);
    free(size);
    return gguf_write_end(&w, err);
}

/* ---- a case ------------------------------------------------------------------------------------------------------------------ */

static int run_encoder(const stoker_token *ids, struct stoker_error *err)
{
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN, .n_threads = 1};
    const struct stoker_tokens text = {ids, 1};
    struct stoker_encoder about;
    struct stoker_event ev = {0};
    struct stoker *s;
    stoker_id id;
    if (stoker_open(&s, path, &o, err))
        return -1;
    float *out = stoker_encoder_of(s, &about) ? NULL : malloc(about.n_out * sizeof *out);
    const struct stoker_embed e = {.text = &text, .n_text = 1, .out = out};
    int result = stoker_submit_embed(s, &e, &id, err);
    while (result == 0 && stoker_next_event(s, id, -1, &ev) == 1)
        ;
    if (ev.kind == STOKER_FAILED)
        *err = ev.error;
    stoker_close(s);
    free(out);
    return result || ev.kind == STOKER_FAILED ? -1 : 0;
}

static int run(int n_prompt, int n_chunk, struct stoker_error *err)
{
    static stoker_token prompt[LONG_PROMPT];
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MIN, .n_ctx = n_prompt + 27, .n_chunk = n_chunk, .n_threads = 1};
    const struct stoker_request r = {
        .prompt = prompt, .n_prompt = (size_t)n_prompt, .max_tokens = N_TOKENS, .ignore_end = 1};
    struct stoker *s;
    for (int i = 0; i < n_prompt; i++)
        prompt[i] = 1 + i % 5;
    if (is_encoder)
        return run_encoder(prompt, err);
    if (stoker_open(&s, path, &o, err))
        return -1;
    int result = stoker_generate(s, &r, NULL, NULL, NULL, err);
    stoker_close(s);
    return result;
}

static void complain(const char *why, const char *more)
{
    printf("     %s: %s%s\n", shared->what, why, more);
    shared->failures++;
}

/* words: must be in the sentence; "": any sentence; NULL: the model may also run. */
static void try_prompt(const struct gguf *g, const struct change *c, int n_prompt, const char *words)
{
    struct error werr = {0};
    struct stoker_error err = {0};
    if (shared->runs++ % shared->one_of != shared->turn)
        return;
    alarm(SECONDS);
    if (write_model(g, c, &werr)) {
        complain("cannot be written: ", werr.text);
        return;
    }
    if (run(n_prompt, n_prompt == SHORT_PROMPT ? 4 : 64, &err) == 0) {
        if (words)
            complain("was accepted", "");
        return;
    }
    shared->sentences++;
    if (err.code == STOKER_ERR_BUG || err.code == STOKER_OK || strlen(err.text) < 20)
        complain("no sentence but: ", err.text);
    else if (words && !strstr(err.text, words))
        complain("the sentence names something else: ", err.text);
}

static void try(const struct gguf *g, const struct change *c, const char *words)
{
    try_prompt(g, c, SHORT_PROMPT, words);
}

static int is_chosen(const char *model)
{
    for (int i = 0; i < n_chosen; i++)
        if (strcmp(chosen[i], model) == 0)
            return 1;
    return n_chosen == 0;
}

/* One test in a process of its own. */
static void test(const char *name, const char *model, void (*fn)(const struct gguf *g, const char *model), int one_of)
{
    char file[200];
    struct error err = {0};
    struct gguf *g = NULL;
    if (!is_chosen(model))
        return;
    snprintf(file, sizeof file, TEST_DATA "/%s/%s.gguf", is_encoder ? "embeddings" : "golden", model);
    memset(shared, 0, sizeof *shared);
    shared->one_of = every_case || n_chosen ? 1 : one_of;
    shared->turn = (int)(rng_u64(7, (uint64_t)n_test++, 0, 0) % (uint64_t)shared->one_of);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (gguf_open(&g, file, &err))
            complain("", err.text);
        else
            fn(g, model);
        gguf_close(g);
        fflush(stdout);
        exit(shared->failures > 0); /* not _exit: leaks are looked for */
    }
    int status;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) && !shared->failures))
        printf("     died (%s %d): %s\n", WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), shared->what);
    int ok = status == 0 && shared->runs > 0;
    printf("%s %-9s %-14s %d cases, %d sentences\n", ok ? "ok  " : "FAIL", name, model, shared->runs,
           shared->sentences);
    *(ok ? &passed : &failed) += 1;
}

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

struct absurd {
    const char *model, *key; /* the key without its architecture, or one of the tokenizer; model NULL: all */
    double value;
    const char *words; /* NULL: the key */
};
#define MAY_RUN "?"

static const double huge = 4294967296.0; /* 2^32 */

static const struct absurd absurd[] = {
    {NULL, "block_count", 0, NULL},
    {"glm-dsa-sparse", "attention.q_lora_rank", 0, NULL},
    {"glm-dsa-sparse", "attention.q_lora_rank", 15, "blk.0.attn_q_a.weight"},
    {"glm-dsa-sparse", "attention.kv_lora_rank", 31, "blk.0."},
    {"glm-dsa-sparse", "attention.key_length_mla", 16, NULL},
    {"glm-dsa-sparse", "attention.indexer.head_count", 0, NULL},
    {"glm-dsa-sparse", "attention.indexer.head_count", 5, "blk.0.indexer."},
    {"glm-dsa-sparse", "attention.indexer.head_count", huge, NULL},
    {"glm-dsa-sparse", "attention.indexer.key_length", 15, NULL}, /* fewer than are rotated */
    {"glm-dsa-sparse", "attention.indexer.key_length", 33, "blk.0.indexer."},
    {"glm-dsa-sparse", "attention.indexer.key_length", huge, NULL},
    {"glm-dsa-sparse", "attention.indexer.top_k", 0, NULL},
    {"glm-dsa-sparse", "attention.indexer.top_k", huge, NULL},
    {"glm-dsa-sparse", "attention.indexer.top_k", 65536, MAY_RUN},
    {"glm-dsa-sparse", "attention.indexer.types", 0, "layer 0"},
    {"glm-dsa-sparse", "attention.indexer.types", 1, "blk.1.indexer."},
    {"glm-dsa-sparse", "attention.indexer.types", 2, NULL},
    {"glm-dsa-sparse", "context_length", 1048576, MAY_RUN},
    {"glm-dsa-sparse", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"glm-dsa-sparse", "leading_dense_block_count", 2, "blk.1.ffn_"},
    {"glm-dsa-sparse", "expert_shared_count", 2, "shexp"},
    {"glm-dsa-sparse", "expert_gating_func", 3, NULL},
    {"glm-dsa-sparse", "expert_weights_scale", -1, NULL},
    {"deepseek4", "attention.head_count", 3, NULL},
    {"deepseek4", "attention.head_count_kv", 2, "2 keys"},
    {"deepseek4", "attention.key_length", 136, NULL},
    {"deepseek4", "attention.key_length", 80, NULL},
    {"deepseek4", "attention.value_length", 64, "keys of 72"},
    {"deepseek4", "rope.dimension_count", 10, "10 of them"},
    {"deepseek4", "rope.dimension_count", 72, "indexer.key_length"},
    {"deepseek4", "attention.sliding_window", 0, NULL},
    {"deepseek4", "attention.q_lora_rank", 0, NULL},
    {"deepseek4", "attention.q_lora_rank", 25, "blk.0.attn_q_a.weight"},
    {"deepseek4", "attention.output_group_count", 3, "3 groups"},
    {"deepseek4", "attention.output_group_count", 4, "blk.0.attn_output_a.weight"},
    {"deepseek4", "attention.output_group_count", 0, NULL},
    {"deepseek4", "attention.output_lora_rank", 11, "blk.0.attn_output_a.weight"},
    {"deepseek4", "attention.output_lora_rank", 0, NULL},
    {"deepseek4", "attention.indexer.head_count", 0, NULL},
    {"deepseek4", "attention.indexer.head_count", 7, "blk.1.indexer.attn_q_b.weight"},
    {"deepseek4", "attention.indexer.key_length", 7, NULL},
    {"deepseek4", "attention.indexer.key_length", 8, "blk.1.indexer_compressor_kv.weight"},
    {"deepseek4", "attention.indexer.key_length", huge, NULL},
    {"deepseek4", "attention.indexer.top_k", 0, NULL},
    {"deepseek4", "attention.indexer.top_k", huge, NULL},
    {"deepseek4", "attention.indexer.top_k", 65536, MAY_RUN},
    {"deepseek4", "attention.compress_ratios", 3, NULL},
    {"deepseek4", "attention.compress_ratios", 256, NULL},
    {"deepseek4", "attention.compress_ratios", 0, MAY_RUN},
    {"deepseek4", "attention.compress_ratios", 4, "blk.0.attn_compressor_kv.weight"},
    {"deepseek4", "attention.compress_rope_freq_base", 0, NULL},
    {"deepseek4", "attention.compress_rope_freq_base", NAN, NULL},
    {"deepseek4", "expert_shared_count", 0, NULL},
    {"deepseek4", "expert_shared_count", 2, "shexp"},
    {"deepseek4", "expert_gating_func", 2, NULL},
    {"deepseek4", "expert_weights_scale", NAN, NULL},
    {"deepseek4", "hash_layer_count", 3, NULL},
    {"deepseek4", "hash_layer_count", 2, "blk.1.ffn_gate_tid2eid.weight"},
    {"deepseek4", "hash_layer_count", 0, "blk.0.exp_probs_b.bias"},
    {"deepseek4", "hyper_connection.count", 0, NULL},
    {"deepseek4", "hyper_connection.count", 1, NULL},
    {"deepseek4", "hyper_connection.count", 3, "output_hc_fn.weight"},
    {"deepseek4", "hyper_connection.count", 9, NULL},
    {"deepseek4", "hyper_connection.sinkhorn_iterations", 0, NULL},
    {"deepseek4", "hyper_connection.sinkhorn_iterations", 1001, NULL},
    {"deepseek4", "hyper_connection.epsilon", -1, NULL},
    {"deepseek4", "hyper_connection.epsilon", NAN, NULL},
    {"deepseek4", "swiglu_clamp_exp", -1, NULL},
    {"deepseek4", "swiglu_clamp_exp", NAN, NULL},
    {"deepseek4", "swiglu_clamp_exp", 7, MAY_RUN},
    {"deepseek4", "swiglu_clamp_shexp", -1, NULL},
    {"deepseek4", "swiglu_clamp_shexp", 2, MAY_RUN},
    {"deepseek41", "attention.head_count", 3, NULL},
    {"deepseek41", "attention.head_count_kv", 2, "2 keys"},
    {"deepseek41", "attention.value_length", 20, "values have 20"},
    {"deepseek41", "attention.sliding_window", 0, NULL},
    {"deepseek41", "attention.q_lora_rank", 17, "blk.0.attn_q_a.weight"},
    {"deepseek41", "attention.output_group_count", 3, "3 groups"},
    {"deepseek41", "attention.indexer.head_count", 0, NULL},
    {"deepseek41", "attention.indexer.head_count", 5, "blk.1.indexer.attn_q_b.weight"},
    {"deepseek41", "attention.indexer.key_length", 7, NULL}, /* fewer than are rotated */
    {"deepseek41", "attention.indexer.key_length", 13, "blk.1.indexer.attn_k.weight"},
    {"deepseek41", "attention.indexer.top_k", 0, NULL},
    {"deepseek41", "attention.indexer.top_k", huge, NULL},
    {"deepseek41", "attention.indexer.top_k", 26, NULL}, /* more than the candidates surely are */
    {"deepseek41", "attention.indexer.top_k", 25, MAY_RUN},
    {"deepseek41", "attention.candidate_block_size", 0, NULL},
    {"deepseek41", "attention.candidate_block_size", 3, NULL},
    {"deepseek41", "attention.candidate_block_size", 512, NULL},
    {"deepseek41", "attention.candidate_topk_blocks", 0, NULL},
    {"deepseek41", "attention.candidate_topk_blocks", 1, NULL},
    {"deepseek41", "attention.candidate_topk_blocks", huge, NULL},
    {"deepseek41", "attention.candidate_topk_blocks", 65536, MAY_RUN},
    {"deepseek41", "attention.compress_ratios", 0, "blk.1.attn_compressor_kv.weight"},
    {"deepseek41", "attention.compress_ratios", 2, "layer 0"}, /* whose keys nobody makes */
    {"deepseek41", "attention.compress_ratios", 3, NULL},
    {"deepseek41", "attention.compress_ratios", 256, NULL},
    {"deepseek41", "attention.compress_rope_freq_base", NAN, NULL},
    {"deepseek41", "engram.layer_ids", 1, NULL}, /* a number, not a list */
    {"deepseek41", "engram.head_count", 0, NULL},
    {"deepseek41", "engram.head_count", 3, "engram.primes"},
    {"deepseek41", "engram.head_count", 1, "engram.primes"},
    {"deepseek41", "engram.head_count", huge, NULL},
    {"deepseek41", "engram.key_length", 0, NULL},
    {"deepseek41", "engram.key_length", 7, "blk.1.engram_embd.weight"},
    {"deepseek41", "engram.key_length", huge, NULL},
    {"deepseek41", "engram.max_ngram_size", 1, NULL},
    {"deepseek41", "engram.max_ngram_size", 3, "engram.multipliers"},
    {"deepseek41", "engram.max_ngram_size", 9, NULL},
    {"deepseek41", "engram.pad_id", huge, NULL},
    {"deepseek41", "engram.pad_id", 2147483647, "engram.pad_id"},
    {"deepseek41", "engram.multipliers", 3, "no array"},
    {"deepseek41", "engram.primes", 31, "no array"},
    {"deepseek41", "engram.offsets", 0, "no array"},
    {"deepseek41", "engram.token_map", 0, "no array"},
    {"deepseek41", "expert_shared_count", 0, "shexp"},
    {"deepseek41", "expert_shared_count", 2, "shexp"},
    {"deepseek41", "expert_gating_func", 2, NULL},
    {"deepseek41", "expert_weights_scale", NAN, NULL},
    {"deepseek41", "leading_dense_block_count", 1, "blk.0.ffn_"},
    {"deepseek41", "hyper_connection.count", 0, NULL},
    {"deepseek41", "hyper_connection.count", 1, NULL},
    {"deepseek41", "hyper_connection.count", 3, "blk.0.hc_attn_fn.weight"},
    {"deepseek41", "hyper_connection.count", 9, NULL},
    {"deepseek41", "hyper_connection.sinkhorn_iterations", 0, NULL},
    {"deepseek41", "hyper_connection.epsilon", NAN, NULL},
    {"deepseek41", "swiglu_clamp_exp", -1, NULL},
    {"deepseek41", "swiglu_clamp_exp", 7, MAY_RUN},
    {"deepseek41-long", "nextn_predict_layers", 0, MAY_RUN}, /* its tensors say what the last layer is */
    {NULL, "block_count", 9, ""},
    {NULL, "block_count", 1e6, NULL},
    {NULL, "embedding_length", 0, NULL},
    {NULL, "embedding_length", 52, "token_embd.weight"},
    {NULL, "context_length", 0, NULL},
    {NULL, "attention.head_count", 0, NULL},
    {NULL, "attention.head_count", 5, ""},
    {NULL, "attention.head_count", 16384, ""},
    {NULL, "attention.head_count", huge, NULL},
    {NULL, "attention.head_count_kv", 0, NULL},
    {NULL, "attention.layer_norm_rms_epsilon", -1, NULL},
    {NULL, "attention.layer_norm_rms_epsilon", NAN, NULL},
    {NULL, "attention.key_length", 1, NULL},
    {NULL, "rope.dimension_count", 0, NULL},
    {NULL, "rope.dimension_count", 7, ""},
    {NULL, "rope.dimension_count", 4096, NULL},
    {NULL, "rope.freq_base", -10000, NULL},
    {NULL, "rope.freq_base", 0, NULL},
    {NULL, "rope.freq_base", INFINITY, NULL},
    {NULL, "rope.freq_base", NAN, NULL},
    {NULL, "expert_count", 0, ""},
    {NULL, "expert_count", 100, "blk."},
    {NULL, "expert_count", huge, NULL},
    {NULL, "expert_used_count", 0, NULL},
    {NULL, "expert_used_count", 17, NULL},
    {NULL, "expert_feed_forward_length", 0, NULL},
    {NULL, "expert_feed_forward_length", 1000, "blk."},
    {NULL, "nextn_predict_layers", 9, NULL},
    {NULL, "nextn_predict_layers", 1, MAY_RUN},
    {"gpt-oss-mxfp4", "attention.head_count_kv", 3, ""},
    {"gpt-oss-mxfp4", "attention.key_length", 0, NULL},
    {"gpt-oss-mxfp4", "attention.key_length", 32, "blk.0.attn_q.weight"},
    {"gpt-oss-mxfp4", "attention.value_length", 32, "blk.0.attn_v.weight"},
    {"gpt-oss-mxfp4", "attention.sliding_window", 0, NULL},
    {"gpt-oss-mxfp4", "attention.sliding_window", huge, NULL},
    {"gpt-oss-mxfp4", "rope.scaling.factor", 0, NULL},
    {"gpt-oss-mxfp4", "rope.scaling.factor", -4, NULL},
    {"gpt-oss-mxfp4", "rope.scaling.original_context_length", 0, NULL},
    {"qwen35moe", "attention.key_length", 32, "attention.value_length"},
    {"qwen35moe", "attention.value_length", 32, "attention.key_length"},
    {"qwen35moe", "ssm.conv_kernel", 0, NULL},
    {"qwen35moe", "ssm.conv_kernel", 1, NULL},
    {"qwen35moe", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"qwen35moe", "ssm.conv_kernel", 1000, NULL},
    {"qwen35moe", "ssm.state_size", 0, NULL},
    {"qwen35moe", "ssm.state_size", 8, "ssm.inner_size"},
    {"qwen35moe", "ssm.state_size", huge, NULL},
    {"qwen35moe", "ssm.time_step_rank", 0, NULL},
    {"qwen35moe", "ssm.time_step_rank", 3, "ssm."},
    {"qwen35moe", "ssm.group_count", 0, NULL},
    {"qwen35moe", "ssm.group_count", 3, "ssm."},
    {"qwen35moe", "ssm.group_count", 5, NULL},
    {"qwen35moe", "ssm.group_count", 4, "blk.0."},
    {"qwen35moe", "ssm.inner_size", 0, NULL},
    {"qwen35moe", "ssm.inner_size", 128, NULL},
    {"qwen35moe", "full_attention_interval", 0, NULL},
    {"qwen35moe", "full_attention_interval", 1, "blk.0."},
    {"qwen35moe", "full_attention_interval", 3, "blk.1."},
    {"qwen35moe", "expert_shared_feed_forward_length", 0, NULL},
    {"qwen35moe", "expert_shared_feed_forward_length", 25, "shexp"},
    {"qwen4exp", "attention.value_length", 32, "attention.key_length"},
    {"qwen4exp", "attention.recurrent_layers", 1, "blk.3."}, /* a number, not a list: all layers alike */
    {"qwen4exp", "attention.recurrent_layers", 0, "ple.layers"},
    {"qwen4exp", "full_attention_interval", 0, NULL},
    {"qwen4exp", "full_attention_interval", 2, "ple.layers"},
    {"qwen4exp", "hyper_connection.count", 0, NULL},
    {"qwen4exp", "hyper_connection.count", 1, NULL},
    {"qwen4exp", "hyper_connection.count", 3, "output_hc_norm.weight"},
    {"qwen4exp", "hyper_connection.count", 9, NULL},
    {"qwen4exp", "hyper_connection.low_rank", 0, NULL},
    {"qwen4exp", "hyper_connection.low_rank", 13, "output_hc_down.weight"},
    {"qwen4exp", "hyper_connection.low_rank", huge, NULL},
    {"qwen4exp", "attention.indexer.head_count", 0, NULL},
    {"qwen4exp", "attention.indexer.head_count", 5, "blk.3.indexer.q_proj.weight"},
    {"qwen4exp", "attention.indexer.key_length", 7, NULL}, /* fewer than are rotated */
    {"qwen4exp", "attention.indexer.key_length", 13, "blk.3.indexer.k_proj.weight"},
    {"qwen4exp", "attention.indexer.top_k", 0, NULL},
    {"qwen4exp", "attention.indexer.top_k", 21, NULL}, /* not whole blocks */
    {"qwen4exp", "attention.indexer.top_k", huge, NULL},
    {"qwen4exp", "attention.indexer.top_k", 65536, MAY_RUN},
    {"qwen4exp", "attention.compress_ratios", 0, MAY_RUN},
    {"qwen4exp", "attention.compress_ratios", 3, NULL},
    {"qwen4exp", "attention.compress_ratios", 256, NULL},
    {"qwen4exp", "attention.compress_ratios", 10, NULL},
    {"qwen4exp", "ple.layers", 1, "no array"},
    {"qwen4exp", "ple.ngram_size", 0, NULL},
    {"qwen4exp", "ple.ngram_size", 1, NULL},
    {"qwen4exp", "ple.ngram_size", 2, "ple.layer_multipliers"},
    {"qwen4exp", "ple.ngram_size", 9, NULL},
    {"qwen4exp", "ple.heads_per_ngram", 0, NULL},
    {"qwen4exp", "ple.heads_per_ngram", 3, "ple.head_offsets"},
    {"qwen4exp", "ple.heads_per_ngram", huge, NULL},
    {"qwen4exp", "ple.conv_kernel", 0, NULL},
    {"qwen4exp", "ple.conv_kernel", 3, "blk.1.ple_conv1d.weight"},
    {"qwen4exp", "ple.conv_kernel", 9, NULL},
    {"qwen4exp", "ple.eos_token_id", 264, NULL},
    {"qwen4exp", "ple.eos_token_id", huge, NULL},
    {"qwen4exp", "ple.eos_token_id", 0, MAY_RUN},
    {"qwen4exp", "ple.layer_multipliers", 3, "no array"},
    {"qwen4exp", "ple.head_offsets", 0, "no array"},
    {"qwen4exp", "ple.head_vocab_sizes", 29, "no array"},
    {"qwen4exp", "embedding_length_per_layer_input", 0, NULL},
    {"qwen4exp", "embedding_length_per_layer_input", 5, "per_layer_token_embd.weight"},
    {"qwen4exp", "embedding_length_per_layer_input", huge, NULL},
    {"qwen4exp", "expert_shared_feed_forward_length", 0, NULL},
    {"qwen4exp", "expert_shared_feed_forward_length", 25, "shexp"},
    {"qwen4exp", "expert_gating_func", 2, NULL},
    {"qwen4exp", "expert_group_count", 2, NULL},
    {"qwen4exp", "expert_weights_scale", 2.5, NULL},
    {"qwen4exp", "nextn_predict_layers", 4, NULL},
    {"qwen4exp-long", "nextn_predict_layers", 0, MAY_RUN}, /* its tensors say what the last layer is */
    {"deepseek2-v3", "attention.q_lora_rank", 0, "attn_q.weight"},
    {"deepseek2-v3", "attention.q_lora_rank", 25, "attn_q_a.weight"},
    {"deepseek2-v3", "attention.q_lora_rank", huge, NULL},
    {"deepseek2-v3", "attention.kv_lora_rank", 0, NULL},
    {"deepseek2-v3", "attention.kv_lora_rank", 41, "blk.0."},
    {"deepseek2-v3", "attention.kv_lora_rank", 65536, "blk.0."},
    {"deepseek2-v3", "attention.kv_lora_rank", 100000, NULL},
    {"deepseek2-v3", "attention.key_length_mla", 8, NULL},
    {"deepseek2-v3", "attention.key_length_mla", 4096, "blk.0."},
    {"deepseek2-v3", "attention.value_length_mla", 0, NULL},
    {"deepseek2-v3", "attention.value_length_mla", 4096, "blk.0."},
    {"deepseek2-v3", "leading_dense_block_count", 3, NULL},
    {"deepseek2-v3", "leading_dense_block_count", 2, "blk.1.ffn_"},
    {"deepseek2-v3", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"deepseek2-v3", "expert_shared_count", 1000, NULL},
    {"deepseek2-v3", "expert_shared_count", 2, "shexp"},
    {"deepseek2-v3", "expert_gating_func", 0, NULL},
    {"deepseek2-v3", "expert_gating_func", 4, NULL},
    {"deepseek2-v3", "expert_group_count", 5, NULL},
    {"deepseek2-v3", "expert_group_count", 13, NULL},
    {"deepseek2-v3", "expert_group_used_count", 0, NULL},
    {"deepseek2-v3", "expert_group_used_count", 5, NULL},
    {"deepseek2-v3", "expert_group_used_count", 1, NULL}, /* leaves 3 experts for 4 uses */
    {"deepseek2-v3", "expert_weights_scale", NAN, NULL},
    {"deepseek2-v3", "rope.scaling.yarn_log_multiplier", -1, NULL},
    {"deepseek2-v3", "rope.scaling.factor", NAN, NULL},
    {"glm4moe", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"glm4moe", "attention.key_length", 8, "blk.0.attn_"},
    {"glm4moe", "rope.dimension_count", 18, NULL},
    {"glm4moe", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"glm4moe", "leading_dense_block_count", 2, "blk.1.ffn_"},
    {"glm4moe", "leading_dense_block_count", 3, NULL},
    {"glm4moe", "nextn_predict_layers", 0, MAY_RUN},
    {"glm4moe", "nextn_predict_layers", 2, MAY_RUN}, /* the dense layer alone */
    {"glm4moe", "expert_shared_count", 2, "shexp"},
    {"glm4moe", "expert_shared_count", 0, "shexp"},
    {"glm4moe", "expert_gating_func", 0, NULL},
    {"glm4moe", "expert_weights_scale", -1, NULL},
    {"minimax-m2", "attention.head_count", 2, "blk.0.attn_q"},
    {"minimax-m2", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"minimax-m2", "attention.key_length", 8, "blk.0.attn_q"},
    {"minimax-m2", "attention.value_length", 17, "blk.0.attn_v.weight"},
    {"minimax-m2", "rope.dimension_count", 18, NULL},
    {"minimax-m2", "rope.dimension_count", 2, MAY_RUN},
    {"minimax-m2", "expert_gating_func", 1, NULL},
    {"minimax-m2", "expert_gating_func", 3, NULL},
    {"nemotron_h", "ssm.conv_kernel", 1, NULL},
    {"nemotron_h", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"nemotron_h", "ssm.conv_kernel", 9, NULL},
    {"nemotron_h", "ssm.state_size", 0, NULL},
    {"nemotron_h", "ssm.state_size", 17, "blk.0.ssm_in.weight"},
    {"nemotron_h", "ssm.state_size", huge, NULL},
    {"nemotron_h", "ssm.time_step_rank", 0, NULL},
    {"nemotron_h", "ssm.time_step_rank", 5, "ssm.inner_size"},
    {"nemotron_h", "ssm.time_step_rank", 3, "ssm.group_count"},
    {"nemotron_h", "ssm.time_step_rank", 12, "blk.0.ssm_in.weight"},
    {"nemotron_h", "ssm.group_count", 0, NULL},
    {"nemotron_h", "ssm.group_count", 4, NULL},
    {"nemotron_h", "ssm.group_count", 7, NULL},
    {"nemotron_h", "ssm.inner_size", 97, NULL},
    {"nemotron_h", "ssm.inner_size", 0, NULL},
    {"nemotron_h", "ssm.inner_size", 1048576, NULL}, /* heads of 174762.67 */
    {"nemotron_h", "ssm.inner_size", 1048572, "blk.0.ssm_in.weight"},
    {"nemotron_h", "feed_forward_length", 96, "blk.0.ffn_"}, /* every layer a feed-forward */
    {"nemotron_h", "feed_forward_length", 0, "blk.2."},
    {"nemotron_h", "attention.head_count_kv", 2, "blk.0.attn_q"},
    {"nemotron_h_moe-latent", "moe_latent_size", 0, "ffn_up_exps"},
    {"nemotron_h_moe-latent", "moe_latent_size", 25, "ffn_up_exps"},
    {"nemotron_h_moe-latent", "moe_latent_size", huge, NULL},
    {"nemotron_h_moe-latent", "expert_shared_feed_forward_length", 49, "shexp"},
    {"nemotron_h_moe-latent", "expert_shared_feed_forward_length", 0, "shexp"},
    {"nemotron_h_moe-latent", "expert_gating_func", 3, NULL},
    {"nemotron_h_moe-latent", "leading_dense_block_count", 2, MAY_RUN},
    {"nemotron_h_moe-latent", "feed_forward_length", 32, "blk.0.ffn_"},
    {"nemotron_h_moe-latent", "attention.head_count_kv", 2, "blk.0.attn_q"},
    {"kimi-linear", "attention.head_count", 3, "blk.0."},
    {"kimi-linear", "attention.head_count_kv", 0, NULL}, /* a number, not a list: all layers alike */
    {"kimi-linear", "attention.head_count_kv", 1, "blk.0."},
    {"kimi-linear", "attention.key_length_mla", 8, NULL},
    {"kimi-linear", "attention.kv_lora_rank", 31, "blk.2."},
    {"kimi-linear", "rope.dimension_count", 6, "blk.2."},
    {"kimi-linear", "rope.freq_base", 1e6, MAY_RUN}, /* nothing is rotated */
    {"kimi-linear", "kda.head_dim", 0, NULL},
    {"kimi-linear", "kda.head_dim", 15, "blk.0."},
    {"kimi-linear", "kda.head_dim", 4096, "blk.0."},
    {"kimi-linear", "kda.head_dim", 100000, NULL},
    {"kimi-linear", "kda.head_dim", huge, NULL},
    {"kimi-linear", "ssm.conv_kernel", 1, NULL},
    {"kimi-linear", "ssm.conv_kernel", 5, "ssm_conv1d_q"},
    {"kimi-linear", "ssm.conv_kernel", 9, NULL},
    {"kimi-linear", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"kimi-linear", "leading_dense_block_count", 4, NULL},
    {"kimi-linear", "expert_gating_func", 3, NULL},
    {"kimi-linear", "expert_weights_scale", -1, NULL},
    {"kimi-linear", "expert_shared_count", 2, "shexp"},
    {"gemma3", "attention.head_count_kv", 3, NULL},
    {"gemma3", "attention.key_length", 32, "blk.0.attn_"},
    {"gemma3", "attention.sliding_window", 0, MAY_RUN},
    {"gemma3", "attention.sliding_window", huge, NULL},
    {"gemma3", "attention.sliding_window_pattern", 0, NULL},
    {"gemma3", "attention.sliding_window_pattern", 1, MAY_RUN},
    {"gemma3", "attention.sliding_window_pattern", huge, NULL},
    {"gemma3", "attention.scale", 0, NULL},
    {"gemma3", "rope.freq_base_swa", 0, NULL},
    {"gemma3", "rope.freq_base_swa", NAN, NULL},
    {"gemma3", "final_logit_softcapping", -1, NULL},
    {"gemma3", "final_logit_softcapping", INFINITY, NULL},
    {"gemma3", "final_logit_softcapping", 30, MAY_RUN},
    {"gemma3", "attn_logit_softcapping", NAN, NULL},
    {"gemma3", "attn_logit_softcapping", 5, MAY_RUN},
    {"gemma4", "attention.head_count_kv", 3, NULL},
    {"gemma4", "attention.head_count_kv", 4, "blk.0.attn_k"},
    {"gemma4", "attention.key_length", 8, "rope.dimension_count"},
    {"gemma4", "attention.value_length", 8, ""},
    {"gemma4", "attention.key_length_swa", 0, NULL},
    {"gemma4", "attention.key_length_swa", 4, ""},
    {"gemma4", "attention.value_length_swa", 16, ""},
    {"gemma4", "attention.key_length_swa", huge, NULL},
    {"gemma4", "attention.sliding_window", 0, NULL},
    {"gemma4", "attention.sliding_window", 4, MAY_RUN},
    {"gemma4", "attention.sliding_window_pattern", 0, "blk.0."},
    {"gemma4", "attention.sliding_window_pattern", 1, "blk.2."},
    {"gemma4", "attention.sliding_window_pattern", 2, NULL},
    {"gemma4", "attention.shared_kv_layers", 0, "blk.3.attn_k"},
    {"gemma4", "attention.shared_kv_layers", 1, "blk.3.attn_k"},
    {"gemma4", "attention.shared_kv_layers", 3, NULL}, /* the fifth layer has no earlier layer to share with */
    {"gemma4", "attention.shared_kv_layers", 5, NULL},
    {"gemma4", "rope.dimension_count_swa", 0, NULL},
    {"gemma4", "rope.dimension_count_swa", 3, NULL},
    {"gemma4", "rope.dimension_count_swa", 16, NULL},
    {"gemma4", "rope.freq_base_swa", NAN, NULL},
    {"gemma4", "feed_forward_length", 64, "blk.3.ffn_"},
    {"gemma4", "feed_forward_length", 0, NULL},
    {"gemma4", "final_logit_softcapping", NAN, NULL},
    {"gemma4", "embedding_length_per_layer_input", 0, "per_layer_"},
    {"gemma4", "embedding_length_per_layer_input", 9, "per_layer_token_embd.weight"},
    {"gemma4", "embedding_length_per_layer_input", huge, NULL},
    {"gemma4-moe", "expert_feed_forward_length", 8, "blk.0.ffn_"},
    {"deepseek2-lite", "attention.kv_lora_rank", 31, "blk.0."},
    {"deepseek2-lite", "attention.head_count", 1, "blk.0."},
    {"llama4", "interleave_moe_layer_step", 0, NULL},
    {"llama4", "interleave_moe_layer_step", 1, "blk.0.ffn_"},
    {"llama4", "interleave_moe_layer_step", 3, "blk.1.ffn_"},
    {"llama4", "interleave_moe_layer_step", 5, NULL},
    {"llama4", "attention.sliding_window", 0, NULL}, /* no chunks */
    {"llama4", "attention.sliding_window", 4096, NULL},
    {"llama4", "attention.sliding_window", 8192, MAY_RUN},
    {"llama4", "attention.sliding_window_pattern", 0, NULL},
    {"llama4", "expert_used_count", 2, NULL},
    {"mistral3", "attention.temperature_scale", -1, NULL},
    {"mistral3", "attention.temperature_scale", NAN, NULL},
    {"mistral3", "attention.temperature_scale", 0, MAY_RUN},
    {"mistral3", "attention.temperature_length", 0, NULL},
    {"mistral3", "attention.temperature_length", huge, NULL},
    {"mistral3", "rope.scaling.yarn_log_multiplier", -1, NULL},
    {"mistral3", "rope.scaling.yarn_log_multiplier", NAN, NULL},
    {"mistral3", "rope.scaling.original_context_length", 0, NULL},
    {"mistral3", "rope.scaling.factor", 0.5, NULL}, /* YaRN stretches */
    {"mistral3", "expert_count", 8, ""},
    {"mistral4", "attention.temperature_scale", -1, NULL},
    {"mistral4", "attention.temperature_scale", INFINITY, NULL},
    {"mistral4", "attention.temperature_length", 0, NULL},
    {"mistral4", "attention.temperature_length", huge, NULL},
    {"mistral4", "attention.kv_lora_rank", 0, NULL},
    {"qwen3vlmoe", "rope.dimension_sections", 9, NULL}, /* more than there are pairs */
    {"qwen3vlmoe", "rope.dimension_sections", 0, MAY_RUN},
    {"granitehybrid", "embedding_scale", 0, NULL},
    {"granitehybrid", "embedding_scale", NAN, NULL},
    {"granitehybrid", "residual_scale", -1, NULL},
    {"granitehybrid", "residual_scale", INFINITY, NULL},
    {"granitehybrid", "logit_scale", 0, NULL},
    {"granitehybrid", "logit_scale", NAN, NULL},
    {"granitehybrid", "attention.scale", -1, NULL},
    {"granitehybrid", "ssm.conv_kernel", 0, NULL},
    {"granitehybrid", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"granitehybrid", "ssm.time_step_rank", 0, NULL},
    {"granitehybrid", "ssm.group_count", 0, NULL},
    {"granitehybrid", "attention.head_count_kv", 2, "blk.0.attn_q"},
    {"granitehybrid", "attention.head_count_kv", 3, NULL},
    {"granitehybrid", "feed_forward_length", 13, "blk.0.ffn_"},
    {"granitehybrid", "expert_shared_feed_forward_length", 17, "shexp"},
    {"granitehybrid", "expert_shared_feed_forward_length", 0, "shexp"},
    {"granitehybrid", "rope.scaling.finetuned", 1, NULL}, /* not a truth value */
    {"lfm2moe", "shortconv.l_cache", 0, NULL},
    {"lfm2moe", "shortconv.l_cache", 1, NULL},
    {"lfm2moe", "shortconv.l_cache", 4, "shortconv.conv.weight"},
    {"lfm2moe", "shortconv.l_cache", 9, NULL},
    {"lfm2moe", "shortconv.l_cache", huge, NULL},
    {"lfm2moe", "attention.head_count_kv", 2, "blk.0.attn_q"},
    {"lfm2moe", "attention.sliding_window", 1, MAY_RUN},
    {"lfm2moe", "attention.sliding_window", huge, NULL},
    {"lfm2moe", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"lfm2moe", "leading_dense_block_count", 3, "blk.2.ffn_"},
    {"lfm2moe", "leading_dense_block_count", 5, NULL},
    {"lfm2moe", "expert_gating_func", 0, NULL},
    {"lfm2moe", "expert_gating_func", 3, NULL},
    {"ernie4_5-moe", "interleave_moe_layer_step", 0, NULL},
    {"ernie4_5-moe", "interleave_moe_layer_step", 3, NULL},
    {"ernie4_5-moe", "interleave_moe_layer_step", 2, MAY_RUN},
    {"ernie4_5-moe", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"ernie4_5-moe", "leading_dense_block_count", 2, "blk.1.ffn_"},
    {"ernie4_5-moe", "expert_shared_feed_forward_length", 33, "shexp"},
    {"ernie4_5-moe", "expert_shared_feed_forward_length", huge, NULL},
    {"bailingmoe2", "attention.head_count_kv", 1, "attn_qkv.weight"},
    {"bailingmoe2", "attention.key_length", 12, "attn_qkv.weight"},
    {"bailingmoe2", "attention.value_length", 12, "attn_qkv.weight"},
    {"bailingmoe2", "expert_group_count", 5, NULL},
    {"bailingmoe2", "expert_group_count", 17, NULL},
    {"bailingmoe2", "expert_group_used_count", 0, NULL},
    {"bailingmoe2", "expert_group_used_count", 5, NULL},
    {"bailingmoe2", "expert_group_used_count", 1, MAY_RUN},
    {"bailingmoe2", "expert_shared_count", 0, "shexp"},
    {"bailingmoe2", "expert_shared_count", 2, "shexp"},
    {"bailingmoe2", "expert_shared_count", 65, NULL},
    {"bailingmoe2", "expert_gating_func", 3, NULL},
    {"hunyuan-moe", "expert_shared_feed_forward_length", 0, NULL},
    {"hunyuan-moe", "expert_shared_feed_forward_length", 33, "shexp"},
    {"step35", "attention.head_count", 4, "blk.1.attn_q"},
    {"step35", "attention.head_count", 6, "blk.0.attn_q"},
    {"step35", "attention.head_count_kv", 3, NULL},
    {"step35", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"step35", "attention.sliding_window", 0, NULL},
    {"step35", "attention.sliding_window_pattern", 2, NULL},
    {"step35", "attention.sliding_window_pattern", 0, MAY_RUN},
    {"step35", "rope.freq_base_swa", 0, NULL},
    {"step35", "rope.freq_base_swa", NAN, NULL},
    {"step35", "rope.dimension_count", 6, NULL}, /* half of it is odd */
    {"step35", "swiglu_clamp_exp", -1, NULL},
    {"step35", "swiglu_clamp_exp", NAN, NULL},
    {"step35", "swiglu_clamp_exp", 7, MAY_RUN},
    {"step35", "swiglu_clamp_shexp", -1, NULL},
    {"step35", "swiglu_clamp_shexp", 100000, MAY_RUN},
    {"step35", "expert_shared_feed_forward_length", 17, "shexp"},
    {"mimo2", "attention.head_count_kv", 2, "blk.0.attn_k"},
    {"mimo2", "attention.head_count_kv", 3, NULL},
    {"mimo2", "attention.value_length", 9, "blk.0.attn_v"},
    {"mimo2", "attention.sliding_window", 0, NULL},
    {"mimo2", "attention.sliding_window_pattern", 2, NULL},
    {"mimo2", "attention.sliding_window_pattern", 1, MAY_RUN},
    {"mimo2", "rope.freq_base_swa", -1, NULL},
    {"mimo2", "rope.dimension_count_swa", 2, NULL},
    {"mimo2", "rope.scale_linear", 2, "rope.scaling.type"},
    {"mimo2", "attention.value_scale", 0, NULL},
    {"mimo2", "attention.value_scale", NAN, NULL},
    {"mimo2", "attention.causal", 2, NULL}, /* not a truth value */
    {"mimo2", "expert_count", 9, "blk.1.ffn_gate_inp"},
    {"exaone-moe", "attention.sliding_window", 0, NULL},
    {"exaone-moe", "attention.sliding_window", huge, NULL},
    {"exaone-moe", "attention.sliding_window_pattern", 0, NULL},
    {"exaone-moe", "attention.sliding_window_pattern", huge, NULL},
    {"exaone-moe", "attention.sliding_window_pattern", 1, MAY_RUN},
    {"exaone-moe", "expert_shared_count", 2, MAY_RUN},
    {"exaone-moe", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"exaone-moe", "expert_shared_feed_forward_length", 17, "shexp"},
    {"exaone-moe", "expert_gating_func", 3, NULL},
    {"afmoe", "attention.sliding_window", 0, MAY_RUN},
    {"afmoe", "attention.sliding_window", huge, NULL},
    {"afmoe", "expert_shared_count", 2, "shexp"},
    {"afmoe", "leading_dense_block_count", 2, "blk.1.ffn_"},
    {"dots1", "expert_gating_func", 0, NULL},
    {"dots1", "expert_gating_func", 3, NULL},
    {"dots1", "expert_shared_count", 3, "shexp"},
    {"dots1", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"dots1", "expert_weights_scale", -1, NULL},
    {"seed_oss", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"seed_oss", "feed_forward_length", 97, "blk.0.ffn_"},
    {"olmo3", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"olmo3", "attention.sliding_window", huge, NULL},
    {"olmo3", "attention.sliding_window", 0, MAY_RUN},
    {"olmo3", "attention.sliding_window_pattern", 0, NULL},
    {"olmo3", "attention.sliding_window_pattern", huge, NULL},
    {"olmo3", "rope.freq_base_swa", 0, NULL},
    {"olmo3", "rope.freq_base_swa", NAN, NULL},
    {"olmo3", "rope.dimension_count_swa", 2, NULL},
    {"exaone4", "attention.sliding_window", huge, NULL},
    {"exaone4", "attention.sliding_window", 4, MAY_RUN},
    {"exaone4", "attention.sliding_window_pattern", 0, NULL},
    {"exaone4", "rope.dimension_count", 4, "rope_freqs.weight"},
    {"glm4", "feed_forward_length", 97, "blk.0.ffn_up.weight"},
    {"glm4", "feed_forward_length", 0, "blk.0.ffn_up.weight"},
    {"glm4", "rope.dimension_count", 18, NULL},
    {"glm4", "rope.dimension_sections", huge, NULL},
    {"bailingmoe", "expert_shared_count", 3, "shexp"},
    {"bailingmoe", "expert_gating_func", 3, NULL},
    {"bailingmoe", "rope.dimension_count", 14, NULL},
    {"deepseek", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"deepseek", "expert_shared_count", 0, "shexp"},
    {"deepseek", "expert_weights_scale", NAN, NULL},
    {"cohere2", "logit_scale", 0, NULL},
    {"cohere2", "logit_scale", NAN, NULL},
    {"cohere2", "attention.layer_norm_epsilon", 0, NULL},
    {"cohere2", "attention.layer_norm_epsilon", -1, NULL},
    {"cohere2", "attention.sliding_window", 0, NULL},
    {"cohere2", "attention.sliding_window", huge, NULL},
    {"cohere2", "attention.sliding_window_pattern", 0, NULL},
    {"cohere2moe", "logit_scale", 0, NULL},
    {"cohere2moe", "logit_scale", NAN, NULL},
    {"cohere2moe", "attention.layer_norm_epsilon", 0, NULL},
    {"cohere2moe", "attention.layer_norm_epsilon", NAN, NULL},
    {"cohere2moe", "attention.layer_norm_rms_epsilon", 0, NULL},
    {"cohere2moe", "attention.sliding_window", 0, NULL},
    {"cohere2moe", "attention.sliding_window", huge, NULL},
    {"cohere2moe", "attention.sliding_window_pattern", 0, NULL},
    {"cohere2moe", "attention.sliding_window_pattern", 4097, NULL},
    {"cohere2moe", "attention.sliding_window_pattern", 4096, MAY_RUN},
    {"cohere2moe", "rope.freq_base_swa", 500, NULL},
    {"cohere2moe", "rope.freq_base_swa", 10000, MAY_RUN}, /* the one that all layers have */
    {"cohere2moe", "rope.dimension_count", 4, NULL},
    {"cohere2moe", "attention.value_length", 4, "blk.0.attn_v.weight"},
    {"cohere2moe", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"cohere2moe", "leading_dense_block_count", 5, NULL},
    {"cohere2moe", "expert_gating_func", 3, NULL},
    {"cohere2moe", "expert_shared_count", 65, NULL},
    {"cohere2moe", "expert_shared_feed_forward_length", 17, "shexp"},
    {"cohere2moe", "expert_weights_scale", -1, NULL},
    {"cohere2moe-rms", "attention.sliding_window_pattern", 1, MAY_RUN}, /* no layer has a window */
    {"cohere2moe-rms", "expert_shared_count", 1, "shexp"},
    {"cohere2moe-rms", "expert_shared_feed_forward_length", 16, MAY_RUN}, /* of none */
    {"cohere2moe-rms", "expert_gating_func", 1, NULL},
    {"bailingmoe3", "kda.gate_lower_bound", 0, NULL},
    {"bailingmoe3", "kda.gate_lower_bound", 5, NULL},
    {"bailingmoe3", "kda.gate_lower_bound", -1e6, NULL},
    {"bailingmoe3", "kda.gate_lower_bound", NAN, NULL},
    {"bailingmoe3", "kda.gate_lower_bound", -1, MAY_RUN},
    {"bailingmoe3", "kda.safe_gate", 3, NULL},
    {"bailingmoe3", "kda.head_dim", 0, NULL},
    {"bailingmoe3", "kda.head_dim", 15, "blk.0."},
    {"bailingmoe3", "kda.head_dim", huge, NULL},
    {"bailingmoe3", "ssm.conv_kernel", 1, NULL},
    {"bailingmoe3", "ssm.conv_kernel", 5, "ssm_conv1d_q"},
    {"bailingmoe3", "ssm.conv_kernel", 9, NULL},
    {"bailingmoe3", "attention.head_count_kv", 1, "blk.0."}, /* a number, not a list: all layers alike */
    {"bailingmoe3", "attention.kv_lora_rank", 23, "blk.2."},
    {"bailingmoe3", "attention.q_lora_rank", 0, "blk.2.attn_q.weight"},
    {"bailingmoe3", "attention.q_lora_rank", 21, "blk.2.attn_q_a.weight"},
    {"bailingmoe3", "attention.key_length_mla", 8, NULL},
    {"bailingmoe3", "rope.dimension_count", 6, "blk.2."},
    {"bailingmoe3", "expert_gating_func", 3, NULL},
    {"bailingmoe3", "expert_group_count", 3, NULL},
    {"bailingmoe3", "expert_group_used_count", 5, NULL},
    {"bailingmoe3", "expert_group_used_count", 0, NULL},
    {"bailingmoe3", "expert_shared_feed_forward_length", 25, "shexp"},
    {"bailingmoe3", "expert_shared_feed_forward_length", 0, "shexp"}, /* as wide as an expert */
    {"bailingmoe3", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"bailingmoe3", "swiglu_clamp_exp", -1, NULL},
    {"bailingmoe3", "swiglu_clamp_exp", 7, MAY_RUN},
    {"bailingmoe3", "swiglu_clamp_shexp", NAN, NULL},
    {"glm5next", "rope.dimension_count", 8, NULL}, /* nothing is rotated */
    {"glm5next", "attention.key_length_mla", 0, NULL},
    {"glm5next", "attention.key_length_mla", 13, "blk.1."},
    {"glm5next", "attention.q_lora_rank", 0, NULL},
    {"glm5next", "attention.q_lora_rank", 17, "blk.1.attn_q_a.weight"},
    {"glm5next", "attention.head_count_kv", 0, NULL}, /* a number, not a list: all layers alike */
    {"glm5next", "attention.layer_norm_epsilon", 0, NULL},
    {"glm5next", "attention.indexer.head_count", 0, NULL},
    {"glm5next", "attention.indexer.head_count", 3, "blk.1.indexer.attn_q_b.weight"},
    {"glm5next", "attention.indexer.key_length", 0, NULL},
    {"glm5next", "attention.indexer.key_length", 13, "blk.1.indexer."},
    {"glm5next", "attention.indexer.key_length", huge, NULL},
    {"glm5next", "attention.indexer.top_k", 0, NULL},
    {"glm5next", "attention.indexer.top_k", 13, "attention.indexer.kpool"}, /* not whole pools */
    {"glm5next", "attention.indexer.top_k", huge, NULL},
    {"glm5next", "attention.indexer.top_k", 65536, MAY_RUN},
    {"glm5next", "attention.indexer.kpool", 0, NULL},
    {"glm5next", "attention.indexer.kpool", 3, NULL},
    {"glm5next", "attention.indexer.kpool", 2, "blk.1.indexer_compressor_ape.weight"},
    {"glm5next", "attention.indexer.kpool", 256, NULL},
    {"glm5next", "attention.indexer.kpool_select_tail", 3, NULL},
    {"glm5next", "attention.indexer.types", 0, "layer 1"},
    {"glm5next", "attention.indexer.types", 2, NULL},
    {"glm5next-long", "attention.indexer.block_size", 0, NULL},
    {"glm5next-long", "attention.indexer.block_size", 5, NULL},
    {"glm5next-long", "attention.indexer.kpool", 4, "blk.1.indexer_compressor_ape"}, /* it comes first */
    {"glm5next", "kda.head_dim", 0, NULL},
    {"glm5next", "kda.head_dim", 9, "blk.0."},
    {"glm5next", "kda.gate_lower_bound", 5, NULL},
    {"glm5next", "kda.gate_lower_bound", NAN, NULL},
    {"glm5next", "hyper_connection.count", 0, NULL},
    {"glm5next", "hyper_connection.count", 3, "blk.0.hc_attn_fn.weight"},
    {"glm5next", "hyper_connection.count", 9, NULL},
    {"glm5next", "hyper_connection.sinkhorn_iterations", 0, NULL},
    {"glm5next", "hyper_connection.epsilon", NAN, NULL},
    {"glm5next", "expert_gating_func", 3, NULL},
    {"glm5next", "expert_shared_count", 2, "shexp"},
    {"glm5next", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"glm5next", "swiglu_clamp_exp", -1, NULL},
    {"glm5next", "swiglu_clamp_exp", 7, MAY_RUN},
    {"glm5next", "swiglu_clamp_shexp", NAN, NULL},
    {"bailingmoe3-long", "kda.gate_lower_bound", 5, MAY_RUN}, /* decays have no bound */
    {"bailingmoe3-long", "attention.q_lora_rank", 8, "blk.2.attn_q_a.weight"},
    {"minimax-m3", "attention.indexer.head_count", 0, NULL},
    {"minimax-m3", "attention.indexer.head_count", 1, NULL},
    {"minimax-m3", "attention.indexer.key_length", 7, NULL}, /* fewer than are rotated */
    {"minimax-m3", "attention.indexer.key_length", 13, "blk.1.indexer.q_proj.weight"},
    {"minimax-m3", "attention.indexer.top_k", 0, NULL},
    {"minimax-m3", "attention.indexer.top_k", huge, NULL},
    {"minimax-m3", "attention.indexer.top_k", 65536, MAY_RUN},
    {"minimax-m3", "attention.indexer.block_size", 0, NULL},
    {"minimax-m3", "attention.indexer.block_size", 10, NULL},
    {"minimax-m3", "attention.indexer.block_size", 512, NULL},
    {"minimax-m3", "attention.indexer.local_blocks", 4, NULL}, /* more than are chosen */
    {"minimax-m3", "attention.indexer.local_blocks", 0, MAY_RUN},
    {"minimax-m3", "attention.head_count_kv", 4, "attention.indexer.head_count"},
    {"minimax-m3", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"minimax-m3", "expert_shared_count", 2, "shexp"},
    {"minimax-m3", "expert_shared_feed_forward_length", 17, "shexp"},
    {"minimax-m3", "expert_gating_func", 3, NULL},
    {"minimax-m3-dense", "attention.indexer.head_count", 2, "attention.indexer."},
    {"command-r-plus", "logit_scale", -1, NULL},
    {"phi3", "rope.scaling.attn_factor", 0, NULL},
    {"phi3", "rope.scaling.attn_factor", NAN, NULL},
    {"phi3", "rope.scaling.original_context_length", 0, NULL},
    {"phi3", "rope.scaling.original_context_length", 8, MAY_RUN},
    {"phi3", "rope.dimension_count", 8, "rope_factors_"},
    {"phi3", "attention.head_count_kv", 1, "attn_qkv.weight"},
    {"phi3", "feed_forward_length", 97, "blk.0.ffn_up.weight"},
    {"phimoe", "expert_used_count", 5, NULL},
    {"phimoe", "rope.dimension_count", 4, "rope_factors_"},
    {"phimoe", "feed_forward_length", 47, "blk.0.ffn_"},
    {"command-r-plus", "attention.layer_norm_epsilon", INFINITY, NULL},
    {"command-r-plus", "attention.head_count_kv", 1, "blk.0.attn_k"},
    {"grok", "embedding_scale", 0, NULL},
    {"grok", "embedding_scale", NAN, NULL},
    {"grok", "logit_scale", -1, NULL},
    {"grok", "attention.output_scale", 0, NULL},
    {"grok", "attention.output_scale", INFINITY, NULL},
    {"grok", "attn_logit_softcapping", 0, NULL},
    {"grok", "attn_logit_softcapping", NAN, NULL},
    {"grok", "final_logit_softcapping", -1, NULL},
    {"grok", "rope.scaling.yarn_beta_fast", 0, NULL},
    {"grok", "feed_forward_length", 65, "blk.0.ffn_up.weight"},
    {"grok", "feed_forward_length", 0, "blk.0.ffn_up.weight"},
    {"grok", "expert_feed_forward_length", 33, "blk.0.ffn_"},
    {"grok", "expert_used_count", 5, NULL},
    {"falcon-h1", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"falcon-h1", "ssm.conv_kernel", 9, NULL},
    {"falcon-h1", "ssm.state_size", 17, "blk.0.ssm_in.weight"},
    {"falcon-h1", "ssm.time_step_rank", 0, NULL},
    {"falcon-h1", "ssm.group_count", 4, NULL},
    {"falcon-h1", "ssm.inner_size", 97, NULL},
    {"falcon-h1", "attention.key_length", 14, "blk.0.attn_q.weight"},
    {"falcon-h1", "attention.head_count_kv", 4, "blk.0.attn_k.weight"},
    {"falcon-h1", "rope.dimension_count", 14, NULL},
    {"falcon-h1", "feed_forward_length", 57, "blk.0.ffn_"},
    {"jamba", "ssm.conv_kernel", 1, NULL},
    {"jamba", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"jamba", "ssm.conv_kernel", 9, NULL},
    {"jamba", "ssm.state_size", 0, NULL},
    {"jamba", "ssm.state_size", 9, "blk.0.ssm_x.weight"},
    {"jamba", "ssm.state_size", huge, NULL},
    {"jamba", "ssm.time_step_rank", 0, NULL},
    {"jamba", "ssm.time_step_rank", 5, "blk.0.ssm_x.weight"},
    {"jamba", "ssm.group_count", 2, NULL},
    {"jamba", "ssm.inner_size", 0, NULL},
    {"jamba", "ssm.inner_size", 65, "blk.0.ssm_in.weight"},
    {"jamba", "ssm.inner_size", huge, NULL},
    {"jamba", "attention.head_count_kv", 2, "blk.0.attn_q"},
    {"jamba", "attention.head_count_kv", 3, NULL},
    {"jamba", "feed_forward_length", 49, "blk.0.ffn_"},
    {"jamba", "expert_used_count", 5, NULL},
    {"smallthinker", "expert_gating_func", 0, NULL},
    {"smallthinker", "expert_gating_func", 3, NULL},
    {"smallthinker", "expert_used_count", 7, NULL},
    {"smallthinker", "expert_feed_forward_length", 25, "blk.0.ffn_"},
    {"smallthinker", "attention.sliding_window", 3, MAY_RUN},
    {"smallthinker", "attention.sliding_window", huge, NULL},
    {"deepseek41", "attention.key_length", 25, "attention.value_length"},
    {"deepseek41", "attention.output_lora_rank", 0, NULL},
    {"deepseek41", "attention.output_lora_rank", 13, "blk.0.attn_output_a.weight"},
    {"deepseek41", "expert_weights_norm", 3, NULL},
    {"deepseek41", "swiglu_clamp_shexp", -1, NULL},
    {"qwen4exp", "ssm.conv_kernel", 1, NULL},
    {"qwen4exp", "ssm.conv_kernel", 3, "ssm_conv1d.weight"},
    {"qwen4exp", "ssm.state_size", 0, NULL},
    {"qwen4exp", "ssm.state_size", huge, NULL},
    {"qwen4exp", "ssm.time_step_rank", 0, NULL},
    {"qwen4exp", "ssm.group_count", 0, NULL},
    {"qwen4exp", "ssm.inner_size", 0, NULL},
    {"qwen4exp", "expert_weights_norm", 0, NULL},
    {"bailingmoe3", "attention.value_length_mla", 0, NULL},
    {"bailingmoe3", "attention.value_length_mla", 13, "blk.2."},
    {"bailingmoe3", "attention.value_length_mla", huge, NULL},
    {"bailingmoe3", "expert_shared_count", 65, NULL},
    {"bailingmoe3", "expert_weights_scale", -1, NULL},
    {"bailingmoe3", "expert_weights_norm", 3, NULL},
    {"glm5next", "attention.value_length_mla", 0, NULL},
    {"glm5next", "attention.value_length_mla", 13, "blk.1."},
    {"glm5next", "attention.kv_lora_rank", 0, NULL},
    {"glm5next", "attention.kv_lora_rank", 21, "blk.1."},
    {"glm5next", "ssm.conv_kernel", 1, NULL},
    {"glm5next", "ssm.conv_kernel", 5, "ssm_conv1d_q"},
    {"glm5next", "expert_weights_scale", NAN, NULL},
    {"glm5next", "expert_weights_norm", 3, NULL},
    {"minimax-m3", "expert_weights_scale", NAN, NULL},
    {"minimax-m3", "expert_weights_norm", 3, NULL},
    {"cohere2moe", "expert_weights_norm", 3, NULL},
    {"mistral4", "attention.q_lora_rank", 17, "blk.0.attn_q_a.weight"},
    {"mistral4", "attention.value_length_mla", 0, NULL},
    {"step35", "leading_dense_block_count", 0, "blk.0.ffn_"},
    {"step35", "expert_weights_scale", -1, NULL},
    {"lfm2moe", "expert_weights_scale", NAN, NULL},
    {"granitehybrid", "ssm.state_size", 0, NULL},
    {"granitehybrid", "ssm.inner_size", 0, NULL},
    {"bert-cls", "pooling_type", 5, NULL},
    {"bert-cls", "pooling_type", -1, NULL},
    {"bert-cls", "pooling_type", 4, "cls.weight"}, /* rank without a head */
    {"bert-cls", "context_length", 129, "position_embd.weight"},
    {"bert-cls", "attention.layer_norm_epsilon", -1, NULL},
    {"bert-cls", "attention.head_count_kv", 2, "blk.0.attn_k.weight"},
    {"bert-cls", "feed_forward_length", 97, "blk.0.ffn_up.weight"},
    {"bert-rank", "classifier.output_labels", 1, NULL}, /* no list */
    {"qwen3-rerank", "pooling_type", 9, NULL},
    {"nomic-bert-moe", "moe_every_n_layers", 1, NULL},
    {"nomic-bert-moe", "moe_every_n_layers", 3, "blk.3.ffn_up.weight"},
    {"nomic-bert-moe", "expert_count", 7, "blk.1.ffn_"},
    {"nomic-bert-moe", "expert_used_count", 7, NULL},
    {"modern-bert", "attention.sliding_window", 0, NULL},
    {"modern-bert", "attention.sliding_window", huge, NULL},
    {"modern-bert", "rope.freq_base_swa", 0, NULL},
    {"modern-bert", "feed_forward_length", 65, "blk.0.ffn_up.weight"},
    {"gemma-embed-dense", "attention.sliding_window", -1, NULL},
    {"gemma-embed-dense", "rope.freq_base_swa", -1, NULL},
    {"jina-bert-v2-code", "attention.max_alibi_bias", 0, NULL},
    {"jina-bert-v2-code", "attention.max_alibi_bias", NAN, NULL},
    {"jina-bert-v2-code", "attention.max_alibi_bias", huge, NULL},
    {"jina-bert-v2-code", "feed_forward_length", 97, "blk.0.ffn_"},
    {"jina-bert-v3", "rope.freq_base", -1, NULL},
    {"nomic-bert", "rope.freq_base", NAN, NULL},
    {"nomic-bert", "attention.head_count", 5, "rope.dimension_count"},
    {"bert-cls", "attention.causal", 1, NULL}, /* its rows see later ones */
    {"bert-cls", "attention.causal", 2, NULL},
    {"qwen3-rerank", "attention.causal", 0, NULL},
    {"gemma-embed-dense", "attention.causal", 1, NULL},
    {"bert-cls", "context_length", 127, "position_embd.weight"},
    {"bert-cls", "context_length", huge, NULL},
    {"bert-cls", "rope.freq_base", NAN, NULL}, /* of no use, but no number */
    {"bert-cls", "tokenizer.ggml.token_type_count", 0, NULL},
    {"bert-cls", "tokenizer.ggml.token_type_count", 1, "token_types.weight"},
    {"bert-cls", "tokenizer.ggml.token_type_count", 3, "token_types.weight"},
    {"bert-cls", "tokenizer.ggml.token_type_count", huge, NULL},
    {"nomic-bert-moe", "moe_every_n_layers", 0, NULL},
    {"nomic-bert-moe", "moe_every_n_layers", huge, NULL},
    {"nomic-bert-moe", "expert_used_count", 0, NULL},
    {"nomic-bert-moe", "rope.freq_base", 0, NULL},
    {"modern-bert", "attention.sliding_window", 1, MAY_RUN}, /* each row sees itself alone */
    {"modern-bert", "rope.scaling.type", 1, NULL},           /* not a text */
    {"modern-bert", "pooling_type", 4, "cls.weight"},
    {"gemma-embed-dense", "attention.sliding_window", huge, NULL},
    {"gemma-embed-dense", "attention.sliding_window_pattern", 0, NULL},
    {"gemma-embed-dense", "dense_2_feat_in", 31, NULL},
    {"gemma-embed-dense", "dense_2_feat_out", 79, "dense_2"},
    {"gemma-embed-dense", "dense_2_feat_out", 0, NULL},
    {"gemma-embed-dense", "dense_3_feat_in", 79, NULL},
    {"gemma-embed-dense", "dense_3_feat_out", huge, NULL},
    {"jina-bert-v2-rank", "classifier.output_labels", 1, NULL},
    {"jina-bert-v2-rank", "pooling_type", 4, MAY_RUN},
    {"jina-bert-v2-rank", "feed_forward_length", 95, "blk.0.ffn_"},
    {"jina-bert-v3", "attention.layer_norm_epsilon", NAN, NULL},
    {"jina-bert-v3", "rope.dimension_count", 13, NULL},
};

/* A number that is not a whole one, as f32; 0 and 1 of a key of truth values as these. */
static struct gguf_value number(const char *key, double v)
{
    struct gguf_value out = {.key = {key, strlen(key)}, .kind = GGUF_U64, .n = 1};
    if (strstr(key, "attention.causal") && (v == 0 || v == 1))
        out = (struct gguf_value){.key = out.key, .kind = GGUF_BOOL, .n = 1, .as.u = v == 1};
    else if (isfinite(v) && v >= 0 && v == floor(v))
        out.as.u = (uint64_t)v;
    else {
        out.kind = GGUF_F32;
        out.as.f = v;
    }
    return out;
}

static void keys(const struct gguf *g, const char *model)
{
    char experts[100];
    snprintf(experts, sizeof experts, "%.60s.expert_count", arch_of(g));
    int dense = !gguf_find(g, experts);
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        const struct absurd *a = &absurd[i];
        struct change c = NO_CHANGE;
        char key[200];
        if (a->model ? strcmp(a->model, model) != 0 : dense && strncmp(a->key, "expert_", 7) == 0)
            continue;
        if (strncmp(a->key, "tokenizer.", 10) == 0)
            snprintf(key, sizeof key, "%s", a->key);
        else
            snprintf(key, sizeof key, "%s.%s", arch_of(g), a->key);
        snprintf(shared->what, sizeof shared->what, "%s = %g", key, a->value);
        struct gguf_value v = number(key, a->value);
        c.value = &v;
        int unrotated = strncmp(arch_of(g), "glm5", 4) == 0 && strcmp(a->key, "rope.dimension_count") == 0 &&
                        a->value == 0;
        int by_width = is_encoder && !a->model && strcmp(a->key, "embedding_length") == 0; /* a head is a part of it */
        int any_heads = is_encoder && !a->model && strcmp(a->key, "attention.head_count") == 0 && a->value == 5;
        try(g, &c,
            by_width                         ? ""
            : unrotated || any_heads         ? NULL
            : !a->words                      ? a->key
            : strcmp(a->words, MAY_RUN) == 0 ? NULL
                                             : a->words);
    }
}

/* ---- keys that are not there -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *model, *key;
} needed[] = {
    {"llama4", "interleave_moe_layer_step"},
    {"mistral4", "attention.temperature_length"},
    {"qwen3vlmoe", "rope.dimension_sections"},
    {"lfm2moe", "shortconv.l_cache"},
    {"lfm2moe", "expert_gating_func"},
    {"ernie4_5-moe", "interleave_moe_layer_step"},
    {"bailingmoe2", "expert_gating_func"},
    {"step35", "attention.sliding_window"},
    {"step35", "attention.sliding_window_pattern"},
    {"step35", "rope.freq_base_swa"},
    {"mimo2", "attention.sliding_window"},
    {"mimo2", "attention.sliding_window_pattern"},
    {"mimo2", "rope.freq_base_swa"},
    {"exaone-moe", "attention.sliding_window"},
    {"dots1", "expert_gating_func"},
    {"smallthinker", "expert_gating_func"},
    {"jamba", "ssm.inner_size"},
    {"jamba", "ssm.time_step_rank"},
    {"falcon-h1", "ssm.group_count"},
    {"cohere2", "attention.sliding_window"},
    {"cohere2", "attention.layer_norm_epsilon"},
    {"cohere2moe", "attention.sliding_window"},
    {"cohere2moe", "attention.sliding_window_pattern"},
    {"cohere2moe", "attention.layer_norm_epsilon"},
    {"cohere2moe", "logit_scale"},
    {"bailingmoe3", "kda.gate_lower_bound"},
    {"bailingmoe3", "kda.head_dim"},
    {"bailingmoe3", "ssm.conv_kernel"},
    {"bailingmoe3", "attention.kv_lora_rank"},
    {"bailingmoe3", "expert_gating_func"},
    {"glm5next", "kda.head_dim"},
    {"glm5next", "attention.kv_lora_rank"},
    {"glm5next", "attention.indexer.key_length"},
    {"glm5next", "attention.indexer.top_k"},
    {"glm5next", "attention.indexer.kpool"},
    {"glm5next", "hyper_connection.count"},
    {"minimax-m3", "attention.indexer.head_count"},
    {"minimax-m3", "attention.indexer.key_length"},
    {"minimax-m3", "attention.indexer.top_k"},
    {"minimax-m3", "attention.indexer.block_size"},
    {"minimax-m3", "attention.indexer.local_blocks"},
    {"command-r-plus", "logit_scale"},
    {"deepseek41", "attention.q_lora_rank"},
    {"deepseek41", "attention.indexer.head_count"},
    {"deepseek41", "attention.indexer.key_length"},
    {"deepseek41", "attention.indexer.top_k"},
    {"deepseek41", "attention.compress_ratios"},
    {"deepseek41", "attention.compress_rope_freq_base"},
    {"deepseek4", "attention.compress_rope_freq_base"},
    {"deepseek41", "hyper_connection.count"},
    {"deepseek41", "engram.head_count"},
    {"deepseek41", "engram.key_length"},
    {"deepseek41", "engram.max_ngram_size"},
    {"deepseek41", "engram.pad_id"},
    {"deepseek41", "engram.multipliers"},
    {"deepseek41", "engram.primes"},
    {"deepseek41", "engram.offsets"},
    {"deepseek41", "engram.token_map"},
    {"qwen4exp", "hyper_connection.count"},
    {"qwen4exp", "hyper_connection.low_rank"},
    {"qwen4exp", "ple.ngram_size"},
    {"qwen4exp", "ple.heads_per_ngram"},
    {"qwen4exp", "ple.conv_kernel"},
    {"qwen4exp", "ple.eos_token_id"},
    {"qwen4exp", "embedding_length_per_layer_input"},
    {"qwen4exp", "ple.layer_multipliers"},
    {"qwen4exp", "ple.head_offsets"},
    {"qwen4exp", "ple.head_vocab_sizes"},
    {"bert-cls", "pooling_type"},
    {"bert-cls", "attention.layer_norm_epsilon"},
    {"bert-cls", "context_length"},
    {"bert-rank", "pooling_type"},
    {"nomic-bert", "pooling_type"},
    {"nomic-bert", "attention.layer_norm_epsilon"},
    {"nomic-bert-moe", "moe_every_n_layers"},
    {"nomic-bert-moe", "expert_count"},
    {"nomic-bert-moe", "expert_used_count"},
    {"modern-bert", "attention.sliding_window"},
    {"modern-bert", "attention.layer_norm_epsilon"},
    {"gemma-embed-dense", "pooling_type"},
    {"jina-bert-v2-code", "attention.layer_norm_epsilon"},
    {"jina-bert-v3", "attention.layer_norm_epsilon"},
};

/* Lists have a number for each layer, those of sections one for each axis. */
static void absent(const struct gguf *g, const char *model)
{
    size_t n = strlen(arch_of(g));
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        struct change c = NO_CHANGE;
        char key[200];
        if (strcmp(needed[i].model, model) != 0)
            continue;
        snprintf(key, sizeof key, "%s.%s", arch_of(g), needed[i].key);
        snprintf(shared->what, sizeof shared->what, "without %s", key);
        c.without = key;
        try(g, &c, needed[i].key);
    }
    for (uint64_t i = 0; i < g->n_value; i++) {
        struct change c = NO_CHANGE;
        struct gguf_value one = g->value[i];
        if (strncmp(one.key.text, arch_of(g), n) != 0 || one.key.text[n] != '.' || one.kind != GGUF_ARRAY)
            continue;
        one.n = 1;
        if (strstr(one.key.text, "sections") && strcmp(model, "qwen3vlmoe") != 0)
            continue; /* of the others only text is run, whose positions do not depend on them */
        if (g->value[i].n == 1 || strstr(one.key.text, "engram.layer_ids")) /* its length is that of others */
            continue;
        c.value = &one;
        snprintf(shared->what, sizeof shared->what, "%s for one layer", one.key.text);
        try(g, &c, one.key.text + n + 1);
    }
    shared->runs += shared->runs == 0; /* some models need none */
}

/* ---- numbers within lists ------------------------------------------------------------------------------------------------------ */

/* Item at of the file's list becomes value; at LENGTH: the list has so many items, the last one again. */
enum { LENGTH = -1, MOST_ITEMS = 1024 };
static const struct {
    const char *model, *key;
    int at;
    int64_t value;
    const char *words; /* as of struct absurd */
} limits[] = {
    {"deepseek41", "engram.layer_ids", LENGTH, 0, NULL},
    {"deepseek41", "engram.layer_ids", LENGTH, 1, "engram.multipliers"},
    {"deepseek41", "engram.layer_ids", LENGTH, 4, NULL},
    {"deepseek41", "engram.layer_ids", 0, 0, "blk.0.engram_embd.weight"},
    {"deepseek41", "engram.layer_ids", 0, 3, "names layer 3"},
    {"deepseek41", "engram.layer_ids", 0, 4, "names layer 3"},
    {"deepseek41", "engram.layer_ids", 1, 4, "blk.4.engram_embd.weight"},
    {"deepseek41", "engram.layer_ids", 1, 5, "names layer 5"},
    {"deepseek41", "engram.layer_ids", 1, -1, NULL},
    {"deepseek41", "engram.layer_ids", 1, INT64_MIN, NULL},
    {"deepseek41", "engram.multipliers", LENGTH, 7, NULL},
    {"deepseek41", "engram.multipliers", LENGTH, 9, NULL},
    {"deepseek41", "engram.multipliers", 0, 0, MAY_RUN},
    {"deepseek41", "engram.multipliers", 0, -1, MAY_RUN}, /* 2^64 - 1 */
    {"deepseek41", "engram.primes", LENGTH, 11, NULL},
    {"deepseek41", "engram.primes", LENGTH, 13, NULL},
    {"deepseek41", "engram.primes", 0, 0, "head 0 of table 0 has 0 rows"},
    {"deepseek41", "engram.primes", 11, 0, "head 5 of table 1 has 0 rows"},
    {"deepseek41", "engram.primes", 0, -1, NULL},
    {"deepseek41", "engram.primes", 0, 1, MAY_RUN},
    {"deepseek41", "engram.primes", 5, 61, MAY_RUN}, /* the last row of the table */
    {"deepseek41", "engram.primes", 5, 62, "blk.1.engram_embd.weight"},
    {"deepseek41", "engram.primes", 0, INT32_MAX, "blk.1.engram_embd.weight"},
    {"deepseek41", "engram.primes", 1, INT32_MAX, "engram.offsets"},
    {"deepseek41", "engram.primes", 0, (int64_t)INT32_MAX + 1, NULL},
    {"deepseek41", "engram.offsets", LENGTH, 11, NULL},
    {"deepseek41", "engram.offsets", LENGTH, 13, NULL},
    {"deepseek41", "engram.offsets", 0, -1, NULL},
    {"deepseek41", "engram.offsets", 5, 207, MAY_RUN},
    {"deepseek41", "engram.offsets", 5, 208, "blk.1.engram_embd.weight"},
    {"deepseek41", "engram.offsets", 0, INT32_MAX - 31, "blk.1.engram_embd.weight"},
    {"deepseek41", "engram.offsets", 0, INT32_MAX - 30, NULL},
    {"deepseek41", "engram.offsets", 11, INT32_MAX, NULL},
    {"deepseek41", "engram.token_map", LENGTH, 263, NULL},
    {"deepseek41", "engram.token_map", 0, 263, MAY_RUN},
    {"deepseek41", "engram.token_map", 0, 264, "names token 264 for token 0"},
    {"deepseek41", "engram.token_map", 263, -1, NULL},
    {"qwen4exp", "ple.head_offsets", 0, -1, NULL},
    {"qwen4exp", "ple.head_offsets", 0, INT32_MAX, "ple.head_"},
    {"qwen4exp", "ple.head_vocab_sizes", 0, 0, "ple.head_"},
    {"qwen4exp", "ple.head_vocab_sizes", 0, INT32_MAX, "per_layer_token_embd"},
    {"qwen4exp", "ple.head_vocab_sizes", 0, (int64_t)INT32_MAX + 1, NULL},
};

static void numbers(const struct gguf *g, const char *model)
{
    static int64_t item[MOST_ITEMS];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct change c = NO_CHANGE;
        char key[200];
        const struct gguf_value *v;
        snprintf(key, sizeof key, "%s.%s", arch_of(g), limits[i].key);
        if (strcmp(limits[i].model, model) != 0 || !(v = gguf_find(g, key)))
            continue;
        int is_length = limits[i].at == LENGTH;
        uint64_t n = is_length ? (uint64_t)limits[i].value : v->n;
        for (uint64_t k = 0; k < n && k < MOST_ITEMS; k++)
            item[k] = gguf_item_int(v, k < v->n ? k : v->n - 1);
        if (!is_length)
            item[limits[i].at] = limits[i].value;
        struct gguf_value list = {.key = v->key, .kind = GGUF_ARRAY, .item = GGUF_I64, .n = n, .as.items = item};
        c.value = &list;
        snprintf(shared->what, sizeof shared->what, "%s: %s %lld", key, is_length ? "length" : "a number is",
                 (long long)limits[i].value);
        const char *words = limits[i].words;
        try(g, &c, !words ? limits[i].key : strcmp(words, MAY_RUN) == 0 ? NULL : words);
    }
    shared->runs += shared->runs == 0; /* most models have no rows */
}

/* ---- limits that a size of model cannot be without ------------------------------------------------------------------------------ */

static void set_number(const struct gguf *g, struct gguf_value *value, const char *key, uint64_t number)
{
    for (uint64_t i = 0; i < g->n_value; i++)
        if (strcmp(value[i].key.text, key) == 0)
            value[i] = (struct gguf_value){.key = value[i].key, .kind = GGUF_U32, .n = 1, .as.u = number};
}

/* The numbers of Ling 3.0 flash in a file without its limits, by which it is refused; with other numbers another sentence comes. */
static void limitless(const struct gguf *g, const char *model)
{
    static const struct {
        uint64_t layers, width, experts;
        const char *words;
    } sizes[] = {{42, 2560, 512, "bailingmoe3.swiglu_clamp_exp"},
                 {41, 2560, 512, "token_embd.weight"},
                 {42, 2561, 512, "token_embd.weight"},
                 {42, 2560, 511, "token_embd.weight"}};
    struct gguf_value *value = malloc(g->n_value * sizeof *value);
    struct gguf changed = *g;
    const struct change none = NO_CHANGE;
    (void)model;
    for (size_t i = 0; value && i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(value, g->value, g->n_value * sizeof *value);
        changed.value = value;
        set_number(g, value, "bailingmoe3.attention.head_count_kv", 1); /* of the file: a list */
        set_number(g, value, "bailingmoe3.nextn_predict_layers", 0);
        set_number(g, value, "bailingmoe3.block_count", sizes[i].layers);
        set_number(g, value, "bailingmoe3.embedding_length", sizes[i].width);
        set_number(g, value, "bailingmoe3.expert_count", sizes[i].experts);
        snprintf(shared->what, sizeof shared->what, "%d layers, %d wide, %d experts, no limits", (int)sizes[i].layers,
                 (int)sizes[i].width, (int)sizes[i].experts);
        try(&changed, &none, sizes[i].words);
    }
    free(value);
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------- */

/* Keys with a number for each layer: equal numbers are accepted, different ones where the architecture has differing layers. */
static int may_be_list(const struct gguf *g, const char *key, int equal)
{
    int of_layers = strstr(key, ".attention.head_count") || strstr(key, ".feed_forward_length");
    if (equal && strstr(key, "qwen4exp.expert_feed_forward_length"))
        return 1;
    return (of_layers && (equal || arch_by_name(arch_of(g))->layers_differ)) || strstr(key, "vocab_size");
}

static void lists(const struct gguf *g, const char *model)
{
    static const uint32_t items[2][5] = {{2, 2, 2, 2, 2}, {2, 1, 2, 2, 2}};
    (void)model;
    for (uint64_t i = 0; i < g->n_value; i++) {
        const struct gguf_value *v = &g->value[i];
        size_t n = strlen(arch_of(g));
        int number_of_arch = strncmp(v->key.text, arch_of(g), n) == 0 && v->key.text[n] == '.' &&
                             v->kind != GGUF_STRING && v->kind != GGUF_ARRAY;
        for (uint64_t j = 0; number_of_arch && j < 12; j++) {
            struct change c = NO_CHANGE;
            uint64_t length = j / 2;
            int equal = j % 2 == 0;
            struct gguf_value list = {
                .key = v->key, .kind = GGUF_ARRAY, .item = GGUF_U32, .n = length, .as.items = items[!equal]};
            c.value = &list;
            snprintf(shared->what, sizeof shared->what, "%s a list of %llu", v->key.text, (unsigned long long)length);
            try(g, &c, may_be_list(g, v->key.text, equal || length < 2) ? NULL : v->key.text + n + 1);
        }
    }
}

/* ---- labels ------------------------------------------------------------------------------------------------------------------ */

/* A head that ranks has as many outputs as the file names, if it does. */
static void labels(const struct gguf *g, const char *model)
{
    static const struct gguf_string name[] = {{"yes", 3}, {"no", 2}, {"perhaps", 7}, {"", 0}};
    const struct gguf_tensor *out = gguf_tensor(g, "cls.output.weight"), *cls = gguf_tensor(g, "cls.weight");
    (void)model;
    for (uint64_t n = 0; n <= sizeof name / sizeof *name; n++) {
        struct change c = NO_CHANGE;
        char key[100], words[100];
        snprintf(key, sizeof key, "%.60s.classifier.output_labels", arch_of(g));
        struct gguf_value list = {
            .key = {key, strlen(key)}, .kind = GGUF_ARRAY, .item = GGUF_STRING, .n = n, .as.strings = name};
        c.value = &list;
        snprintf(shared->what, sizeof shared->what, "%s has %llu names", key, (unsigned long long)n);
        snprintf(words, sizeof words, n ? "classifier.output_labels names %llu" : "classifier.output_labels",
                 (unsigned long long)n);
        try(g, &c, n == (out ? out : cls)->ne[1] ? NULL : words);
    }
}

/* ---- tensors ----------------------------------------------------------------------------------------------------------------- */

/* 1: a tensor of a layer that is not run. */
static int unused(const struct gguf *g, const struct gguf_tensor *t)
{
    char blocks[100], draft[100];
    const char *rest;
    struct error ignored = {0};
    uint64_t n_layer = 0, n_draft = 0;
    snprintf(blocks, sizeof blocks, "%.60s.block_count", arch_of(g));
    snprintf(draft, sizeof draft, "%.60s.nextn_predict_layers", arch_of(g));
    gguf_u64(g, blocks, 0, 1 << 20, &n_layer, &ignored);
    gguf_u64(g, draft, 0, n_layer, &n_draft, &ignored);
    return gguf_layer_of(t->name, &rest) >= (int)(n_layer - n_draft);
}

/* 1: a tensor without which the model still runs. */
static int optional(const struct gguf *g, const struct gguf_tensor *t)
{
    static const char *const names[] = {"exp_probs_b.bias", "output.weight", "layer_output_scale.weight",
                                        "ffn_down_exps.scale"};
    if (strcmp(arch_of(g), "gemma4") == 0 && strstr(t->name, "attn_v.weight")) /* values may be the keys */
        return 1;
    if (strcmp(arch_of(g), "glm4") == 0 && strstr(t->name, ".bias"))
        return 1;
    if (strcmp(t->name, "token_types.weight") == 0)
        return 1;
    if (strcmp(arch_of(g), "exaone4") == 0 && strcmp(t->name, "rope_freqs.weight") == 0)
        return 1;
    if (strcmp(arch_of(g), "falcon-h1") == 0 && strstr(t->name, "ssm_norm.weight"))
        return 1;
    if (strcmp(arch_of(g), "mimo2") == 0 && strstr(t->name, "attn_sinks.weight"))
        return 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(t->name) >= strlen(names[i]) && strcmp(t->name + strlen(t->name) - strlen(names[i]), names[i]) == 0)
            return strcmp(t->name, "output.weight") == 0 || strcmp(names[i], "output.weight") != 0;
    return 0;
}

static void dropped(const struct gguf *g, const char *model)
{
    (void)model;
    for (int i = 0; i < (int)g->n_tensor; i++) {
        struct change c = NO_CHANGE;
        c.drop = i;
        snprintf(shared->what, sizeof shared->what, "without %s", g->tensor[i].name);
        try(g, &c, optional(g, &g->tensor[i]) || unused(g, &g->tensor[i]) ? NULL : "");
    }
}

/* Rates of Kimi delta attention, [n] or [n][1]. */
static int is_column(const struct gguf *g, const struct gguf_tensor *t)
{
    char key[100];
    const char *rest = t->name;
    snprintf(key, sizeof key, "%.60s.kda.head_dim", arch_of(g));
    gguf_layer_of(t->name, &rest);
    return gguf_find(g, key) && strcmp(rest, "ssm_a") == 0;
}

static void reshaped(const struct gguf *g, const char *model)
{
    (void)model;
    for (int i = 0; i < (int)g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        int block = type_info(t->type)->block;
        for (int how = 0; how < 3; how++) {
            struct change c = NO_CHANGE;
            c.shape = i;
            c.n_dims = t->n_dims;
            memcpy(c.ne, t->ne, sizeof c.ne);
            uint64_t last = c.ne[t->n_dims - 1];
            if (how == 0) {
                c.ne[0] = t->ne[1];
                c.ne[1] = t->ne[0];
                c.n_dims += t->n_dims == 1;
            } else if (how == 1)
                c.ne[t->n_dims - 1] = last - (t->n_dims > 1 ? 1 : (uint64_t)block);
            else {
                c.ne[t->n_dims] = 2; /* one dimension more */
                c.n_dims++;
            }
            if (c.ne[0] == 0 || c.ne[0] % (uint64_t)block || c.ne[1] == 0 || memcmp(c.ne, t->ne, sizeof c.ne) == 0)
                continue;
            snprintf(shared->what, sizeof shared->what, "%s reshaped (%d)", t->name, how);
            int tied = strcmp(t->name, "token_embd.weight") == 0 && !gguf_tensor(g, "output.weight");
            int padded = (strcmp(arch_of(g), "qwen4exp") == 0 && strcmp(t->name, "per_layer_token_embd.weight") == 0) ||
                         strstr(t->name, "engram_embd.weight");
            int column = how == 0 && is_column(g, t);
            /* a smaller vocabulary is one, too, and a table may have rows that nothing takes */
            try(g, &c, unused(g, t) || ((tied || padded) && how == 1) || column ? NULL : "");
        }
    }
}

static void retyped(const struct gguf *g, const char *model)
{
    (void)model;
    for (int i = 0; i < (int)g->n_tensor; i++)
        for (int how = 0; how < 2; how++) {
            const struct gguf_tensor *t = &g->tensor[i];
            struct change c = NO_CHANGE;
            c.retype = i;
            c.type = how ? TYPE_I32 : TYPE_F16;
            if (t->type == c.type)
                continue;
            snprintf(shared->what, sizeof shared->what, "%s as %s", t->name, type_info(c.type)->name);
            try(g, &c, how && !unused(g, t) ? t->name : NULL);
        }
}

/* The experts of the layer of blk.N.NAME, as its router has them. */
static int32_t experts_of(const struct gguf *g, const char *name)
{
    char router[60];
    const char *rest;
    snprintf(router, sizeof router, "blk.%d.ffn_gate_inp.weight", gguf_layer_of(name, &rest));
    const struct gguf_tensor *t = gguf_tensor(g, router);
    return t ? (int32_t)t->ne[1] : 0;
}

/* Tables of experts with ids that do not exist: some layers have fewer than others. */
static void tables(const struct gguf *g, const char *model)
{
    (void)model;
    for (int i = 0; i < (int)g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const int32_t ids[] = {-1, 1000, INT32_MAX, INT32_MIN, experts_of(g, t->name), experts_of(g, t->name) - 1};
        for (size_t k = 0; t->type == TYPE_I32 && k < sizeof ids / sizeof *ids; k++) {
            struct change c = NO_CHANGE;
            c.poke = i;
            c.id = ids[k];
            snprintf(shared->what, sizeof shared->what, "%s with expert %d", t->name, ids[k]);
            try(g, &c, k < 5 ? t->name : NULL);
        }
    }
    shared->runs += shared->runs == 0; /* most models have none */
}

/* Weights that are not numbers: rows without experts, indexers whose scores are all NaN. The prompt is longer than a page
 * where the model chooses. */
static void poisoned(const struct gguf *g, const char *model)
{
    static const uint32_t words[] = {0x7fc00000, 0xff800000, 0x7f7fffff, 0x7f800000}; /* NaN, -Inf, the largest, Inf */
    int n_prompt = strncmp(model, "glm-dsa", 7) == 0 ? LONG_PROMPT : 20;
    for (int i = 0; i < (int)g->n_tensor; i++) {
        const char *name = g->tensor[i].name;
        int divides = strcmp(name, "rope_freqs.weight") == 0 || strncmp(name, "rope_factors_", 13) == 0;
        for (size_t k = 0; k < (divides ? 4 : 3); k++) {
            struct change c = NO_CHANGE;
            c.fill = i;
            c.word = words[k];
            snprintf(shared->what, sizeof shared->what, "%s full of %08x", name, c.word);
            try_prompt(g, &c, n_prompt, divides && c.word != words[2] ? name : NULL);
        }
    }
}

/* ---- every key at its ends ---------------------------------------------------------------------------------------------------- */

enum { ENDS = 10 /* of a key */, ITEMS = 64 };

static struct gguf_value list_end(uint64_t i)
{
    static const int32_t wild[] = {0, 1, 2, 4, 128, -1, INT32_MAX, INT32_MIN, 16, 7};
    static int32_t items[ITEMS];
    static float reals[ITEMS];
    static const struct gguf_string strings[ITEMS] = {{"", 0}};
    struct gguf_value v = {.kind = GGUF_ARRAY, .item = GGUF_I32, .n = i % 3 ? ITEMS : i % 7, .as.items = items};
    for (uint64_t k = 0; k < ITEMS; k++) {
        items[k] = wild[rng_u64(5, i, k, 0) % (i % 2 ? 3 : sizeof wild / sizeof *wild)];
        reals[k] = k % 5 == i % 5 ? NAN : (float)items[k];
    }
    if (i % 5 == 0) {
        v.item = GGUF_F32;
        v.as.items = reals;
    } else if (i % 11 == 0) {
        v.item = GGUF_STRING;
        v.as.strings = strings;
    }
    return v;
}

/* Integers, floats, booleans, texts, lists. */
static struct gguf_value end_of_kind(uint64_t i)
{
    static const uint64_t whole[] = {0,          1,          2,          3,         17,      256,
                                     4095,       4097,       65536,      1 << 20,   1 << 28, INT32_MAX,
                                     1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
    static const double real[] = {0, -1, 0.5, 1e-45, 1e38, 1e300, NAN, INFINITY, -INFINITY, 3};
    uint64_t n = i / 4;
    switch (i % 4) {
    case 0:
        return (struct gguf_value){.kind = GGUF_U64, .n = 1, .as.u = whole[n % (sizeof whole / sizeof *whole)]};
    case 1:
        return (struct gguf_value){.kind = GGUF_F64, .n = 1, .as.f = real[n % (sizeof real / sizeof *real)]};
    case 2:
        return list_end(n);
    default:
        return n % 3 == 0   ? (struct gguf_value){.kind = GGUF_I64, .n = 1, .as.i = n % 2 ? -1 : INT64_MIN}
               : n % 3 == 1 ? (struct gguf_value){.kind = GGUF_BOOL, .n = 1, .as.u = n % 2}
                            : (struct gguf_value){.kind = GGUF_STRING, .n = 1, .as.string = {"yarn", 4}};
    }
}

static void ends_of(const struct gguf *g, const char *key, uint32_t which)
{
    for (uint64_t i = 0; i < ENDS; i++) {
        struct change c = NO_CHANGE;
        uint64_t end = rng_u64(6, which, i, 0) % 4096;
        struct gguf_value v = end_of_kind(end);
        v.key = (struct gguf_string){key, strlen(key)};
        c.value = &v;
        snprintf(shared->what, sizeof shared->what, "%s at end %d", key, (int)end);
        try(g, &c, NULL);
    }
}

static void ends(const struct gguf *g, const char *model)
{
    static const char *const others[] = {"attention.indexer.types",
                                         "attention.scale",
                                         "attn_logit_softcapping",
                                         "attention.sliding_window",
                                         "final_logit_softcapping",
                                         "moe_latent_size",
                                         "expert_group_count",
                                         "expert_group_used_count",
                                         "expert_gating_func",
                                         "expert_weights_scale",
                                         "rope.scaling.factor",
                                         "leading_dense_block_count",
                                         "swiglu_clamp_exp",
                                         "attention.sliding_window_pattern",
                                         "attention.temperature_scale",
                                         "attention.temperature_length",
                                         "rope.freq_base_swa",
                                         "interleave_moe_layer_step",
                                         "expert_shared_feed_forward_length",
                                         "residual_scale",
                                         "logit_scale",
                                         "rope.dimension_sections"};
    const char *arch = arch_of(g);
    size_t n = strlen(arch);
    (void)model;
    for (uint64_t i = 0; i < g->n_value; i++)
        if (strncmp(g->value[i].key.text, arch, n) == 0 && g->value[i].key.text[n] == '.')
            ends_of(g, g->value[i].key.text, (uint32_t)i);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char key[200];
        snprintf(key, sizeof key, "%s.%s", arch, others[i]);
        if (!gguf_find(g, key))
            ends_of(g, key, 1000 + (uint32_t)i);
    }
}

/* ---- architectures ----------------------------------------------------------------------------------------------------------- */

/* Under the name of an architecture that needs no more tensors than the model has, it may run. */
static int alike(const char *model, const char *arch)
{
    static const char *const alike[][2] = {{"qwen35moe", "qwen3"},
                                           {"deepseek2-v3", "mistral4"},
                                           {"deepseek2-lite", "mistral4"},
                                           {"glm-dsa-sparse", "mistral4"},
                                           {"minimax-m2", "mistral3"},
                                           {"minimax-m2", "granite"},
                                           {"gemma3", "mistral3"},
                                           {"gemma3", "smollm3"},
                                           {"gemma3", "granite"},
                                           {"gemma3", "ernie4_5"},
                                           {"minimax-m2", "llama"},
                                           {"minimax-m2", "olmoe"},
                                           {"gpt-oss-mxfp4", "glm4moe"},
                                           {"glm-dsa-sparse", "deepseek2"},
                                           {"gemma3", "llama"},
                                           {"gemma3", "qwen3"},
                                           {"gemma3", "gemma2"},
                                           {"gemma-embed-dense", "gemma3"},
                                           {"nomic-bert", "jina-bert-v2"},
                                           {"jina-bert-v2-rank", "nomic-bert"},
                                           {"nemotron_h", "nemotron_h"},
                                           {"nemotron_h_moe-latent", "nemotron_h"}};
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (strcmp(model, alike[i][0]) == 0 && strncmp(arch, alike[i][1], strlen(alike[i][1])) == 0)
            return 1;
    return 0;
}

static void others(const struct gguf *g, const char *model)
{
    static const char *const unknown[][2] = {
        {"qwen35mo", "qwen35moe"}, {"gptoss", "gpt-oss"}, {"deepseek3", "deepseek2"}, {"qwen3nexxt", "qwen3next"},
        {"mamba3", "mamba2"},      {"", "\"\""},          {"GPT-OSS", "gpt-oss"},
    };
    char longest[300];
    for (int i = 0; arch_name(i); i++) {
        struct change c = NO_CHANGE;
        c.arch = arch_name(i);
        snprintf(shared->what, sizeof shared->what, "under the name %s", c.arch);
        if (strcmp(c.arch, arch_of(g)) != 0)
            try(g, &c, alike(model, c.arch) ? NULL : "");
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct change c = NO_CHANGE;
        c.arch = unknown[i][0];
        snprintf(shared->what, sizeof shared->what, "architecture \"%s\"", c.arch);
        try(g, &c, unknown[i][1]);
    }
    struct change c = NO_CHANGE;
    memset(longest, 'q', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    c.arch = longest;
    snprintf(shared->what, sizeof shared->what, "an architecture of 299 letters");
    try(g, &c, "architecture");
}

/* ---- odd shapes that agree with themselves ------------------------------------------------------------------------------------ */

static int draw(uint64_t i, uint32_t which, int most) { return 1 + (int)(rng_u64(31, i, 7, which) % (uint64_t)most); }

static struct shape odd_shape(const char *arch, uint64_t i)
{
    int experts = draw(i, 0, 9), share = draw(i, 1, 3), wide = i % 8 == 7; /* some have one size at its maximum */
    struct shape s = {.arch = arch,
                      .n_layer = 5,
                      .n_embd = draw(i, 2, 70),
                      .n_head_kv = draw(i, 3, 3),
                      .d_k = 2 * draw(i, 4, wide ? 700 : 20),
                      .d_v = draw(i, 5, wide ? 1400 : 40),
                      .n_ctx = 512,
                      .n_ff = draw(i, 6, 50),
                      .n_expert = experts,
                      .n_used = draw(i, 7, experts),
                      .n_ff_exp = draw(i, 8, 50),
                      .n_vocab = 10,
                      .expert_type = i % 2 ? TYPE_F32 : TYPE_F16};
    s.n_head = s.n_head_kv * share;
    if (strcmp(arch, "gpt-oss") == 0)
        s.window = draw(i, 9, 20);
    else if (strcmp(arch, "gemma3") == 0) {
        s.window = draw(i, 9, 20) - 1;
        s.n_expert = 0;
    } else if (strcmp(arch, "gemma4") == 0) {
        s.window = draw(i, 9, 20);
        s.window_period = draw(i, 10, 6);
        s.n_head_kv_window = s.n_head;
        s.n_shared_kv = s.window_period <= 3 ? draw(i, 12, 3) - 1
                                             : 0; /* with a longer period there would be no layer to share with */
        s.d_layer_embd = i % 4 ? draw(i, 13, 20) : 0;
        s.d_window = 2 * draw(i, 11, wide ? 700 : 20);
        s.d_v = s.d_k;
        s.n_ff = draw(i, 6, 50);
        s.n_expert = i % 3 ? experts : 0;
    } else if (strcmp(arch, "deepseek2") == 0 || strcmp(arch, "kimi-linear") == 0 || strcmp(arch, "glm-dsa") == 0) {
        s.q_rank = draw(i, 10, 40) - 1;
        s.kv_rank = draw(i, 11, wide ? 5000 : 50);
        s.n_rot = 2 * draw(i, 12, 20);
        s.d_k = s.n_rot + draw(i, 13, 40);
        s.n_head_kv = 1;
        s.n_head = draw(i, 14, 7);
        s.n_dense = draw(i, 15, 3) - 1;
        s.kv_b_type = i % 3 ? 0 : TYPE_F16;
        s.d_kda = strcmp(arch, "kimi-linear") == 0 ? draw(i, 18, wide ? 300 : 40) : 0;
        if (strcmp(arch, "glm-dsa") == 0) {
            s.q_rank++;
            s.n_index_head = draw(i, 16, wide ? 300 : 9);
            s.d_index = s.n_rot + draw(i, 17, 40);
            s.top_k = draw(i, 20, 600);
            s.n_ctx = i % 2 ? 512 : 1 << 20;
        }
        s.n_conv = 1 + draw(i, 19, 7);
    } else if (strncmp(arch, "nemotron_h", 10) == 0) {
        static const char *const patterns[2][4] = {{"M-M*-", "*-MM-", "--*-*", "M*MMM"},
                                                   {"MEM*E", "*MEEM", "EE**E", "M*MME"}};
        int many = strcmp(arch, "nemotron_h_moe") == 0;
        s.pattern = patterns[many][draw(i, 15, 4) - 1];
        s.n_group = draw(i, 16, 4);
        s.n_head_state = s.n_group * draw(i, 17, 3);
        s.d_state = draw(i, 18, wide ? 300 : 40);
        s.d_head_state = draw(i, 10, wide ? 200 : 40);
        s.n_conv = 1 + draw(i, 19, 7);
        s.n_latent = many ? draw(i, 11, 60) - 1 : 0;
        s.n_expert = many ? experts : 0;
    } else if (strcmp(arch, "deepseek4") == 0) {
        static uint32_t ratios[5];
        for (uint32_t l = 0; l < 5; l++)
            ratios[l] = (uint32_t[]){0, 4, 128}[draw(i, 30 + l, 3) - 1];
        s.ratios = ratios;
        s.window = draw(i, 9, 20);
        s.q_rank = draw(i, 10, wide ? 5000 : 50);
        s.n_rot = 2 * draw(i, 12, 20);
        s.d_k = s.d_v = s.n_rot + 64 * draw(i, 13, 3);
        s.n_head_kv = 1;
        s.n_out_group = draw(i, 3, 3);
        s.n_head = s.n_out_group * draw(i, 14, 4);
        s.out_rank = draw(i, 15, 40);
        s.n_index_head = draw(i, 16, wide ? 300 : 9);
        s.d_index = s.n_rot + draw(i, 17, 30);
        s.top_k = draw(i, 18, wide ? 3000 : 5);
        s.n_stream = 1 + draw(i, 19, 7);
        s.n_hash = draw(i, 20, 3) - 1;
    } else if (strcmp(arch, "glm4moe") == 0) {
        s.n_dense = draw(i, 15, 3) - 1;
        s.n_draft = draw(i, 16, 3) - 1;
    } else if (strncmp(arch, "qwen3", 5) == 0) {
        s.d_v = s.d_k;
        s.n_group = draw(i, 16, 4);
        s.n_head_state = s.n_group * draw(i, 17, 3);
        s.d_state = draw(i, 18, wide ? 300 : 40);
        s.n_conv = 1 + draw(i, 19, 7);
        s.n_expert = strcmp(arch, "qwen35") == 0 ? 0 : experts;
    }
    return s;
}

/* All weights zero: only memory is checked, and that the run takes what the plan says. */
static void shapes(const struct gguf *g, const char *model)
{
    static const char *const family[] = {"qwen35moe", "qwen3next", "qwen35"};
    int n = strcmp(model, "qwen35moe") == 0 ? 3 : 1;
    for (int i = 0; i < 40 * n; i++) {
        struct shape s = odd_shape(n == 1 ? arch_of(g) : family[i % n], (uint64_t)i);
        struct error werr = {0};
        struct stoker_error err = {0};
        shared->runs++;
        snprintf(shared->what, sizeof shared->what, "odd shape %d of %s", i, s.arch);
        alarm(SECONDS);
        if (sparse_write(path, &s, &werr))
            complain("cannot be written: ", werr.text);
        else if (run(SHORT_PROMPT, draw((uint64_t)i, 20, 6), &err))
            complain("", err.text);
    }
}

int main(int argc, char **argv)
{
    static const char *const models[] = {"gpt-oss-mxfp4", "qwen35moe",     "deepseek2-v3", "deepseek2-lite",
                                         "minimax-m2",    "glm4moe",       "kimi-linear",  "gemma3",
                                         "gemma4",        "gemma4-moe",    "nemotron_h",   "nemotron_h_moe-latent",
                                         "deepseek4",     "glm-dsa-sparse"};
    static const char *const others_too[] = {"gemma2", "mamba2"}; /* without keys and shapes of their own here */
    static const char *const without_shapes[] = {"llama4",        "mistral3",
                                                 "mistral4",      "qwen3vlmoe",
                                                 "granitehybrid", "lfm2moe",
                                                 "ernie4_5-moe",  "bailingmoe2",
                                                 "hunyuan-moe",   "step35",
                                                 "mimo2",         "exaone-moe",
                                                 "afmoe",         "dots1",
                                                 "seed_oss",      "olmo3",
                                                 "exaone4",       "glm4",
                                                 "bailingmoe",    "deepseek",
                                                 "cohere2",       "command-r-plus",
                                                 "qwen4exp",      "qwen4exp-long",
                                                 "phi3",          "phimoe",
                                                 "grok",          "falcon-h1",
                                                 "jamba",         "smallthinker",
                                                 "cohere2moe",    "cohere2moe-rms",
                                                 "bailingmoe3",   "bailingmoe3-long",
                                                 "minimax-m3",    "minimax-m3-dense",
                                                 "glm5next",      "glm5next-long",
                                                 "deepseek41",    "deepseek41-long"};
    static const char *const encoders[] = {"bert-cls",          "bert-rank",         "qwen3-rerank", "nomic-bert",
                                           "nomic-bert-moe",    "gemma-embed-dense", "modern-bert",  "jina-bert-v3",
                                           "jina-bert-v2-code", "jina-bert-v2-rank"};
    static const char *const rank[] = {"bert-rank", "qwen3-rerank", "jina-bert-v2-rank"};
    static const struct {
        const char *name;
        void (*fn)(const struct gguf *g, const char *model);
        int own; /* 1: its parameters depend on the published model */
        int one_of;
    } tests[] = {{"keys", keys, 1, ONE_OF_OWN},          {"absent", absent, 0, ONE_OF_OWN},
                 {"numbers", numbers, 1, ONE_OF_OWN},    {"lists", lists, 0, ONE_OF_COMMON},
                 {"dropped", dropped, 0, ONE_OF_COMMON}, {"reshaped", reshaped, 0, ONE_OF_COMMON},
                 {"retyped", retyped, 0, ONE_OF_COMMON}, {"others", others, 1, ONE_OF_OWN},
                 {"tables", tables, 0, ONE_OF_OWN},      {"shapes", shapes, 1, ONE_OF_OWN},
                 {"ends", ends, 0, ONE_OF_COMMON},       {"poisoned", poisoned, 0, ONE_OF_COMMON}};
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = temporary_file(path, "hostile");
    if (shared == MAP_FAILED || fd < 0) {
        printf("no place for temporary files\n");
        return 1;
    }
    close(fd);
    every_case = argc == 2 && strcmp(argv[1], "--whole") == 0;
    chosen = argv + 1;
    n_chosen = every_case ? 0 : argc - 1;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
            test(tests[t].name, models[m], tests[t].fn, tests[t].one_of);
    for (size_t m = 0; m < sizeof others_too / sizeof *others_too; m++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
            if (!tests[t].own)
                test(tests[t].name, others_too[m], tests[t].fn, tests[t].one_of);
    for (size_t m = 0; m < sizeof without_shapes / sizeof *without_shapes; m++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
            if (!tests[t].own || tests[t].fn == keys || tests[t].fn == numbers)
                test(tests[t].name, without_shapes[m], tests[t].fn, tests[t].one_of);
    is_encoder = 1;
    for (size_t m = 0; m < sizeof encoders / sizeof *encoders; m++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
            if (!tests[t].own || tests[t].fn == keys || tests[t].fn == others)
                test(tests[t].name, encoders[m], tests[t].fn, tests[t].one_of);
    for (size_t m = 0; m < sizeof rank / sizeof *rank; m++)
        test("labels", rank[m], labels, 1);
    is_encoder = 0;
    test("tables", "deepseek4-fewer", tables, ONE_OF_OWN); /* a variant, of which this alone is its own */
    test("limitless", "bailingmoe3-long", limitless, 1);
    unlink(path);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
