/* links: engine text model store op machine kernel format base
 *
 * Properties that a file does not state and a golden of a few layers and tokens cannot show (docs/spec/architectures.md, part 2).
 *
 *     keys      inferred from the number of layers: a golden grown to the layers of a published model gives the bits of the same file
 *               with the key that says it; with one layer fewer it does not
 *     experts   inferred from their number: a golden with each expert several times gives the same bits, but at that number
 *     chunks    llama4's: of its first three layers no row sees positions before its chunk of 8192, and the fourth sees them all
 *     steps     ernie4_5-moe's first layer is dense because it leads, or because every second layer has experts: the same bits
 *     windows   smallthinker's: the first of four layers sees all and has no rope, the others see 4096, whatever the key's number
 *     factors   of LongRoPE: the context that was asked for chooses; positions and memory do not
 *     scales    llama4's temperature of queries, Ling's scale of scores, EXAONE 4's window, Grok 1's multipliers, as their parameters
 *               have them
 *     vectors   of models of embeddings: without a key they are those of the file that says it, and not those of another value
 *
 *     build/tests/unsaid */
#include "base/hash.h"
#include "gguf_write.h"
#include "session_step.h"
#include "temporary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TOKENS = 6, MOST_LAYERS = 64 };

static char path[TEMPORARY_PATH];

/* ---- a golden with more layers ------------------------------------------------------------------------------------------------ */

struct unsaid {
    const char *golden, *key; /* the key without its architecture, or one of the tokenizer */
    int n_layer;              /* of a published model */
    double value;
    int is_list; /* one a layer */
    int times;   /* how often the file has each expert; 0: once */
    int step;    /* of layers with experts, instead of one that leads; 0: as in the file */
    int n_rot;   /* rotated values of a head; 0: as in the file */
    int whole;   /* 1: value is a whole number */
    int bare;    /* 1: without the keys whose names end in "_scale" */
    int is_truth;
    int is_encoder;
};

/* A list of one number a layer becomes longer, its last number repeated. */
static void write_key(struct gguf_writer *w, const struct gguf *g, const struct gguf_value *v, int have, int n_layer,
                      const struct unsaid *c)
{
    const char *arch = gguf_find(g, "general.architecture")->as.string.text;
    const struct {
        const char *key;
        int is_other;
        uint64_t number;
    } other[] = {{"block_count", 1, (uint64_t)n_layer},
                 {"expert_count", c->times > 0, v->as.u * (uint64_t)c->times},
                 {"leading_dense_block_count", c->step > 0, 0},
                 {"rope.dimension_count", c->n_rot > 0, (uint64_t)c->n_rot},
                 {"interleave_moe_layer_step", c->step > 0, (uint64_t)c->step}};
    float real[MOST_LAYERS];
    int32_t whole[MOST_LAYERS];
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        char key[100];
        snprintf(key, sizeof key, "%s.%s", arch, other[i].key);
        if (other[i].is_other && strcmp(v->key.text, key) == 0) {
            gguf_write_u32(w, key, (uint32_t)other[i].number);
            return;
        }
    }
    if (v->kind != GGUF_ARRAY || v->item == GGUF_STRING || v->n != (uint64_t)have) {
        gguf_write_value(w, v);
        return;
    }
    int is_real = v->item == GGUF_F32;
    for (int l = 0; l < n_layer; l++) {
        uint64_t from = (uint64_t)(l < have ? l : have - 1);
        real[l] = is_real ? (float)gguf_item_float(v, from) : 0;
        whole[l] = is_real ? 0 : (int32_t)gguf_item_int(v, from);
    }
    gguf_write_numbers(w, v->key.text, is_real ? GGUF_F32 : GGUF_I32, is_real ? (void *)real : (void *)whole,
                       (uint64_t)n_layer);
}

/* Experts and the rows of routers are the last dimension. */
static int is_of_experts(const struct gguf_tensor *t)
{
    return strstr(t->name, "_exps.") || strstr(t->name, "ffn_gate_inp.");
}

/* Tensor t of the file as the one of layer l; l -1: of no layer. times: how often it has each expert. */
static void write_tensor(struct gguf_writer *w, const struct gguf_tensor *t, int l, int times)
{
    uint64_t ne[GGUF_MAX_DIMS];
    memcpy(ne, t->ne, sizeof ne);
    ne[t->n_dims - 1] *= is_of_experts(t) ? (uint64_t)times : 1;
    char name[120];
    const char *rest;
    gguf_layer_of(t->name, &rest);
    snprintf(name, sizeof name, "blk.%d.%s", l, rest);
    gguf_write_tensor(w, l < 0 ? t->name : name, t->type, t->n_dims, ne);
}

static void write_data(struct gguf_writer *w, const struct gguf *g, const struct gguf_tensor *t, int times)
{
    void *bytes = malloc(t->n_bytes);
    if (bytes && pread(g->file[t->file].fd, bytes, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes)
        for (int i = 0; i < (is_of_experts(t) ? times : 1); i++)
            gguf_write_data(w, bytes, t->n_bytes);
    free(bytes);
}

/* The tensors of no layer, then each layer's: beyond those of the file its last layer again. */
static void write_tensors(struct gguf_writer *w, const struct gguf *g, int have, int n_layer, int times, int data)
{
    for (int l = -1; l < n_layer; l++)
        for (uint64_t i = 0; i < g->n_tensor; i++) {
            const struct gguf_tensor *t = &g->tensor[i];
            const char *rest;
            if (gguf_layer_of(t->name, &rest) != (l < have ? l : have - 1))
                continue;
            if (data)
                write_data(w, g, t, times);
            else
                write_tensor(w, t, l, times);
        }
}

static const char *full_key(const struct gguf *g, const char *key, char *full, size_t room)
{
    int whole = strncmp(key, "tokenizer.", 10) == 0;
    snprintf(full, room, "%s%s%s", whole ? "" : gguf_find(g, "general.architecture")->as.string.text, whole ? "" : ".",
             key);
    return full;
}

/* What the case says of its key. */
static void write_said(struct gguf_writer *w, const struct unsaid *c, const char *key, int n_layer)
{
    float list[MOST_LAYERS];
    for (int l = 0; l < n_layer; l++)
        list[l] = (float)c->value;
    if (c->is_list)
        gguf_write_numbers(w, key, GGUF_F32, list, (uint64_t)n_layer);
    else if (c->is_truth)
        gguf_write_value(
            w, &(struct gguf_value){.key = {key, strlen(key)}, .kind = GGUF_BOOL, .n = 1, .as.u = c->value != 0});
    else if (c->whole)
        gguf_write_u32(w, key, (uint32_t)c->value);
    else
        gguf_write_f32(w, key, (float)c->value);
}

static int grow(const struct unsaid *c, int n_layer, int say, struct error *err)
{
    char from[200], key[100] = "";
    struct gguf *g;
    struct gguf_writer w;
    int have = 0, times = c->times ? c->times : 1;
    snprintf(from, sizeof from, TEST_DATA "/%s/%s.gguf", c->is_encoder ? "embeddings" : "golden", c->golden);
    if (gguf_open(&g, from, err))
        return -1;
    if (c->key)
        full_key(g, c->key, key, sizeof key);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const char *rest;
        int l = gguf_layer_of(g->tensor[i].name, &rest);
        have = l >= have ? l + 1 : have;
    }
    gguf_write_begin(&w, path, 32);
    for (uint64_t i = 0; i < g->n_value; i++) {
        const char *end = strrchr(g->value[i].key.text, '_');
        int left = (c->bare && end && strcmp(end, "_scale") == 0) || strcmp(g->value[i].key.text, key) == 0;
        if (!left)
            write_key(&w, g, &g->value[i], have, n_layer, c);
    }
    if (say)
        write_said(&w, c, key, n_layer);
    write_tensors(&w, g, have, n_layer, times, 0);
    write_tensors(&w, g, have, n_layer, times, 1);
    int status = gguf_write_end(&w, err);
    gguf_close(g);
    return status;
}

/* ---- its logits ---------------------------------------------------------------------------------------------------------------- */

/* N_TOKENS tokens behind pos positions, whose keys and values are not computed but zero, those of pages [first, end) some number. */
static int run_within(enum plan_memory how, int n_ctx, int pos, int first, int end, uint64_t *hash, struct error *err)
{
    const struct session_options o = {
        .plan_request = {.how = how, .n_ctx = n_ctx, .n_chunk = N_TOKENS, .n_threads = 1}};
    struct session *s = NULL;
    if (session_prepare(&s, path, &o, 0, err))
        return -1;
    int status = session_load(s, &o, err);
    struct sequence *seq = s->tables.seq;
    if (!status && seq_reserve(seq, pos))
        status = error_set(err, ERR_BUG, "no pages");
    for (int k = 0; k < KV_KINDS && !status; k++)
        for (int page = 0; page < seq->n_page[k]; page++)
            memset(seq->page[k][page], page >= first && page < end ? 0x2c : 0, seq->pool[k].page_bytes);
    struct batch b = {0};
    if (!status) {
        seq->n_pos = pos;
        b = session_batch(s);
    }
    for (int i = 0; i < N_TOKENS && !status; i++)
        status = batch_add(s, &b, seq, 3 + 17 * i, pos + i, i + 1 == N_TOKENS);
    b.n_prompt = b.n_rows;
    if (!status)
        status = session_forward(s, &b, err);
    if (!status)
        *hash = hash64(b.logits, (size_t)s->model->p.n_vocab * sizeof(float), 0);
    session_close(s);
    return status;
}

static int run_behind(int n_ctx, int pos, int first, int end, uint64_t *hash, struct error *err)
{
    return run_within(PLAN_WHOLE, n_ctx, pos, first, end, hash, err);
}

static int run(uint64_t *hash, struct error *err) { return run_behind(32, 0, 0, 0, hash, err); }

/* 1: the bits are those of the file that says it; 0: they are not; -1 with the sentence. */
static int says(const struct unsaid *c, int n_layer, struct error *err)
{
    uint64_t hash[2];
    for (int say = 0; say <= 1; say++)
        if (grow(c, n_layer, say, err) || run(&hash[say], err))
            return -1;
    return hash[0] == hash[1];
}

/* ---- its vectors ---------------------------------------------------------------------------------------------------------------- */

/* Of a text that goes beyond the goldens' windows. */
static int embed(uint64_t *hash, struct error *err)
{
    enum { LONG = 60 };
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN, .n_threads = 1};
    stoker_token id[LONG];
    struct stoker_encoder about;
    struct stoker_error problem = {0};
    struct stoker_event ev = {0};
    struct stoker *s = NULL;
    stoker_id job;
    for (int i = 0; i < LONG; i++)
        id[i] = (3 + 17 * i) % 140;
    int status = stoker_open(&s, path, &o, &problem);
    float *out = !status && stoker_encoder_of(s, &about) == 0 ? calloc(about.n_out, sizeof *out) : NULL;
    const struct stoker_tokens text = {id, LONG};
    if (!status)
        status = stoker_submit_embed(s, &(struct stoker_embed){.text = &text, .n_text = 1, .out = out}, &job, &problem);
    while (!status && stoker_next_event(s, job, -1, &ev) == 1)
        if (ev.kind == STOKER_FAILED)
            problem = ev.error;
    status = status || ev.kind == STOKER_FAILED;
    if (!status)
        *hash = hash64(out, about.n_out * sizeof *out, 0);
    free(out);
    stoker_close(s);
    return status ? error_set(err, ERR_FORMAT, "%.200s", problem.text) : 0;
}

/* 1: without its key the model gives the vectors that it gives with the value, and other ones with the other value, unless that
 * is NaN; 0: it does not. */
static int is_default(const struct unsaid *c, double other, struct error *err)
{
    struct unsaid says_other = *c;
    uint64_t unsaid, said, differs;
    says_other.value = other;
    if (grow(c, c->n_layer, 0, err) || embed(&unsaid, err) || grow(c, c->n_layer, 1, err) || embed(&said, err))
        return -1;
    if (isnan(other))
        return unsaid == said;
    if (grow(&says_other, c->n_layer, 1, err) || embed(&differs, err))
        return -1;
    return unsaid == said && unsaid != differs;
}

static int failed;
static void verdict(const char *what, int ok, const struct error *err)
{
    printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", what, err->code ? ": " : "", err->code ? err->text : "");
    failed += !ok;
}

/* 1: with each expert so many times the bits are those of the golden. */
static int same_with(const char *golden, int n_layer, int times, struct error *err)
{
    uint64_t hash[2];
    for (int i = 0; i <= 1; i++)
        if (grow(&(struct unsaid){.golden = golden, .times = i ? times : 1}, n_layer, 0, err) || run(&hash[i], err))
            return -1;
    return hash[0] == hash[1];
}

/* 1: the row at pos sees the page. */
static int sees(int n_layer, int pos, int page, struct error *err)
{
    uint64_t hash[2];
    int before = pos + 1 - N_TOKENS;
    if (grow(&(struct unsaid){.golden = "llama4"}, n_layer, 0, err) ||
        run_behind(before + 32, before, 0, 0, &hash[0], err) ||
        run_behind(before + 32, before, page, page + 1, &hash[1], err))
        return -1;
    return hash[0] != hash[1];
}

static int params_of(struct params *p, const struct unsaid *c, struct error *err)
{
    const struct session_options o = {.plan_request = {.how = PLAN_WHOLE, .n_ctx = 32, .n_chunk = 32, .n_threads = 1}};
    struct session *s = NULL;
    if (grow(c, c->n_layer, 0, err) || session_prepare(&s, path, &o, 0, err))
        return -1;
    *p = s->model->p;
    session_close(s);
    return 0;
}

static int window_of_exaone4(int n_layer, struct error *err)
{
    struct params p;
    return params_of(&p, &(struct unsaid){.golden = "exaone4", .n_layer = n_layer}, err) ? -1 : p.window;
}

static int scales_of_grok(struct error *err)
{
    struct params p;
    if (params_of(&p, &(struct unsaid){.golden = "grok", .n_layer = 2, .bare = 1}, err))
        return -1;
    return p.embd_scale == 78.38367176906169f && p.attn_scale == 0.08838834764831845f &&
           p.logit_scale == 0.5773502691896257f;
}

/* Of 5 layers those that see all; -1 where others see another number than 4096. */
static int see_all_of_smallthinker(int window, struct error *err)
{
    const struct unsaid c = {.golden = "smallthinker", .key = "attention.sliding_window", .value = window, .whole = 1};
    const struct session_options o = {.plan_request = {.how = PLAN_WHOLE, .n_ctx = 32, .n_chunk = 32, .n_threads = 1}};
    struct session *s = NULL;
    int all = 0, others = 0;
    if (grow(&c, 5, 1, err) || session_prepare(&s, path, &o, 0, err))
        return -1;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &s->model->kv_layout[k];
        all += kv->window.n == 0 ? kv->n_layer : 0;
        others += kv->window.n && kv->window.n != 4096 ? kv->n_layer : 0;
    }
    session_close(s);
    return others ? -1 : all;
}

/* 1: how many values of a head are rotated makes no difference to so many layers of a file with a window. */
static int turns_none(int n_layer, struct error *err)
{
    uint64_t hash[2];
    for (int i = 0; i <= 1; i++)
        if (grow(&(struct unsaid){.golden = "smallthinker",
                                  .key = "attention.sliding_window",
                                  .value = 7,
                                  .whole = 1,
                                  .n_rot = i ? 4 : 0},
                 n_layer, 1, err) ||
            run(&hash[i], err))
            return -1;
    return hash[0] == hash[1];
}

/* Half of each head is rotated. */
static int scale_of_ling(struct error *err)
{
    struct params p;
    if (params_of(&p, &(struct unsaid){.golden = "bailingmoe", .n_layer = 2, .n_rot = 6}, err))
        return -1;
    return p.d_k == 12 && p.attn_scale == 1 / sqrtf(6);
}

/* Its original context is 64. */
static int factors_of_phi3(struct error *err)
{
    static const int n_ctx[] = {32, 64, 65, 300};
    uint64_t hash[4];
    for (int i = 0; i < 4; i++)
        if (grow(&(struct unsaid){.golden = "phi3-long"}, 2, 0, err) || run_behind(n_ctx[i], 0, 0, 0, &hash[i], err))
            return -1;
    return hash[0] == hash[1] && hash[1] != hash[2] && hash[2] == hash[3];
}

/* Its original context is 4096, beside which the default one is kept or not, as memory has it. */
static int factors_of_budgets(struct error *err)
{
    uint64_t least, whole, shorter;
    if (grow(&(struct unsaid){.golden = "phi3"}, 2, 0, err) || run_within(PLAN_MINIMUM, 0, 0, 0, 0, &least, err) ||
        run_within(PLAN_WHOLE, 0, 0, 0, 0, &whole, err) || run_within(PLAN_WHOLE, 4096, 0, 0, 0, &shorter, err))
        return -1;
    return least == whole && least != shorter;
}

static int temperature_of_llama4(struct error *err)
{
    struct params p;
    if (params_of(&p, &(struct unsaid){.golden = "llama4", .n_layer = 4}, err))
        return -1;
    struct temperature_params t = p.temperature;
    return t.scale > 0.0999 && t.scale < 0.1001 && t.n == 8192 && t.first == 1;
}

static int same_by_step(struct error *err)
{
    uint64_t hash[2];
    for (int i = 0; i <= 1; i++)
        if (grow(&(struct unsaid){.golden = "ernie4_5-moe", .step = 2 * i}, 2, 0, err) || run(&hash[i], err))
            return -1;
    return hash[0] == hash[1];
}

static void of_llama4(void)
{
    struct error err = {0};
    enum { EDGE = 8192, PAGES = EDGE / KV_PAGE };
    verdict("llama4: 64 experts, heads normed", same_with("llama4", 4, 16, &err) == 1, &err);
    verdict("llama4: 128 experts, heads not normed", same_with("llama4", 4, 32, &err) == 0, &err);
    verdict("llama4: the last row of a chunk sees its first page", sees(3, EDGE - 1, 0, &err) == 1, &err);
    verdict("llama4: rows of a chunk do not see the one before it", sees(3, EDGE + KV_PAGE, PAGES - 1, &err) == 0,
            &err);
    verdict("llama4: they see their own", sees(3, EDGE + KV_PAGE, PAGES, &err) == 1, &err);
    verdict("llama4: the fourth layer sees all", sees(4, EDGE + KV_PAGE, 0, &err) == 1, &err);
    verdict("llama4: temperature", temperature_of_llama4(&err) == 1, &err);
}

/* Their layers are those of published models. */
enum { OF_ENCODERS = 16 };
static void of_encoders(void)
{
    static const struct {
        struct unsaid says;
        double other; /* NaN: the default alone is allowed */
    } keys[OF_ENCODERS] = {
        {{"gemma-embed", "attention.sliding_window_pattern", 24, 6, .whole = 1}, 5},
        {{"gemma-embed", "rope.freq_base_swa", 24, 10000}, 20000},
        {{"modern-bert", "rope.freq_base_swa", 22, 10000}, 160000},
        {{"jina-bert-v2", "attention.max_alibi_bias", 12, 8}, 4},
        {{"nomic-bert", "rope.dimension_count", 12, 12, .whole = 1}, 6},
        {{"bert-mean", "attention.head_count_kv", 12, 3, .whole = 1}, NAN},
        {{"bert-mean", "attention.causal", 12, 0, .is_truth = 1}, NAN},
        {{"gemma-embed", "attention.causal", 24, 0, .is_truth = 1}, NAN},
        {{"qwen3-embed", "attention.causal", 28, 1, .is_truth = 1}, NAN},
        {{"bert-mean", "tokenizer.ggml.token_type_count", 12, 2, .whole = 1}, NAN},
        {{"jina-bert-v3", "rope.freq_base", 24, 10000}, 20000},
        {{"jina-bert-v3", "rope.dimension_count", 24, 12, .whole = 1}, 6},
        {{"jina-bert-v3", "attention.causal", 24, 0, .is_truth = 1}, NAN},
        {{"nomic-bert-moe", "rope.freq_base", 4, 10000}, 1000}, /* its layers alternate: no more than the golden has */
        {{"nomic-bert-moe", "rope.dimension_count", 4, 10, .whole = 1}, 4},
        {{"nomic-bert-moe", "expert_feed_forward_length", 4, 56, .whole = 1}, NAN},
    };
    for (int i = 0; i < OF_ENCODERS; i++) {
        struct unsaid c = keys[i].says;
        struct error err = {0};
        char what[120];
        c.is_encoder = 1;
        snprintf(what, sizeof what, "%s: without %s as with its default", c.golden, c.key);
        verdict(what, is_default(&c, keys[i].other, &err) == 1, &err);
    }
}

int main(void)
{
    const struct unsaid cases[] = {
        {"gemma2", "attention.scale", 46, 1 / sqrt(48 / 4), 0},
        {"gemma3", "attention.scale", 62, 1 / sqrt(32 / 4), 0},
        {"deepseek4", "swiglu_clamp_shexp", 43, 1, 1},
        {"deepseek4", "swiglu_clamp_shexp", 61, 1, 1},
        {"exaone4", "attention.sliding_window", 64, 4096, 0, .whole = 1},
    };
    enum { OTHERS = 15 + OF_ENCODERS };
    int n = (int)(sizeof cases / sizeof *cases), fd = temporary_file(path, "unsaid");
    for (int i = 0; i < n && fd >= 0; i++) {
        struct error err = {0};
        int same = says(&cases[i], cases[i].n_layer, &err),
            fewer = same < 0 ? -1 : says(&cases[i], cases[i].n_layer - 1, &err), ok = same == 1 && fewer == 0;
        printf("%s %-10s %-20s %d layers%s%s\n", ok ? "ok  " : "FAIL", cases[i].golden, cases[i].key, cases[i].n_layer,
               ok ? "" : ": ",
               ok         ? ""
               : err.code ? err.text
               : same     ? "with one fewer too"
                          : "other bits");
        failed += !ok;
    }
    if (fd >= 0) {
        struct error err = {0};
        verdict("ernie4_5-moe: a leading layer, or a step", same_by_step(&err) == 1, &err);
        verdict("exaone4: the window of 64 layers, none of 63",
                window_of_exaone4(64, &err) == 4096 && window_of_exaone4(63, &err) == 0, &err);
        verdict("bailingmoe: scores by the rotated values", scale_of_ling(&err) == 1, &err);
        verdict("phi3: the context chooses the factors of rope", factors_of_phi3(&err) == 1, &err);
        verdict("phi3: memory does not choose them", factors_of_budgets(&err) == 1, &err);
        verdict("grok: multipliers of the first files", scales_of_grok(&err) == 1, &err);
        verdict("smallthinker: windows of 4096, but on the first of four layers",
                see_all_of_smallthinker(7, &err) == 2 && see_all_of_smallthinker(0, &err) == 5, &err);
        verdict("smallthinker: no rope on the first layer", turns_none(1, &err) == 1 && turns_none(2, &err) == 0, &err);
        of_llama4();
        of_encoders();
        close(fd);
    }
    unlink(path);
    printf("%d passed, %d failed, 0 skipped\n", n + OTHERS - failed, failed);
    return failed || fd < 0;
}
