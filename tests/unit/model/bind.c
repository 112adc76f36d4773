/* links: model store op kernel format base */
/* Binding: biases as wide as the heads of their own layer; tensors that nothing has asked for. */
#include "model/bind.h"
#include "base/error.h"
#include "gguf_write.h"
#include "model/arch.h"
#include "model/block/attention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EMBD = 8, D = 4, HEADS = 4, KV_MOST = 4, KV_LAYER = 2 };

static char path[] = "/tmp/stoker-bind-XXXXXX";
static struct model m;
static struct gguf *file;
static struct error err;
static struct binder b;

struct named {
    const char *name;
    uint64_t ne[2];
};

/* Zeros under these names, and a layer's attention with KV_LAYER key heads. */
static void open_file(const struct named *more, size_t n_more)
{
    static const struct named layer[] = {{"token_embd.weight", {EMBD, 2}},
                                         {"blk.0.attn_norm.weight", {EMBD, 1}},
                                         {"blk.0.attn_q.weight", {EMBD, HEADS * D}},
                                         {"blk.0.attn_k.weight", {EMBD, KV_LAYER * D}},
                                         {"blk.0.attn_v.weight", {EMBD, KV_LAYER * D}},
                                         {"blk.0.attn_output.weight", {HEADS * D, EMBD}}};
    static const uint8_t zeros[4096];
    struct gguf_writer w;
    size_t n = sizeof layer / sizeof *layer;
    gguf_write_begin(&w, path, 32);
    for (size_t i = 0; i < n + n_more; i++) {
        const struct named *t = i < n ? &layer[i] : &more[i - n];
        gguf_write_tensor(&w, t->name, TYPE_F32, t->ne[1] > 1 ? 2 : 1, t->ne);
    }
    for (size_t i = 0; i < n + n_more; i++) {
        const struct named *t = i < n ? &layer[i] : &more[i - n];
        gguf_write_data(&w, zeros, t->ne[0] * t->ne[1] * sizeof(float));
    }
    assert_int_equal(gguf_write_end(&w, &err), 0);
    assert_int_equal(gguf_open(&file, path, &err), 0);
    memset(&m, 0, sizeof m);
    arena_init_growing(&m.arena);
    m.file = file;
    m.arch = arch_by_name("llama");
    m.p = (struct params){.n_layer = 1, .n_embd = EMBD, .n_head = HEADS, .n_head_kv = KV_MOST, .d_k = D, .d_v = D};
    m.weight = arena_array(&m.arena, 2 * file->n_tensor, sizeof *m.weight);
    b = (struct binder){.m = &m, .err = &err, .known = arena_array(&m.arena, file->n_tensor, 1)};
}

static void close_file(void)
{
    gguf_close(file);
    arena_free(&m.arena);
    err = (struct error){0};
}

static void bind_layer(struct attention_weights *w)
{
    *w = (struct attention_weights){0};
    bind_matrix(&b, -1, "token_embd.weight", 2, EMBD);
    bind_attention_heads(&b, 0, w, HEADS, KV_LAYER, see_all());
}

static void biases_of_heads(void **state)
{
    (void)state;
    const struct named own[] = {{"blk.0.attn_q.bias", {HEADS * D, 1}},
                                {"blk.0.attn_k.bias", {KV_LAYER * D, 1}},
                                {"blk.0.attn_v.bias", {KV_LAYER * D, 1}}},
                       most[] = {{"blk.0.attn_k.bias", {KV_MOST * D, 1}}};
    for (int required = 0; required <= 1; required++) {
        struct attention_weights w;
        open_file(own, 3);
        bind_layer(&w);
        (required ? bind_qkv_bias : bind_attention_biases_if)(&b, 0, &w);
        assert_int_equal(b.failed, 0);
        assert_int_equal(w.bk->mat.n_cols, KV_LAYER * D);
        assert_int_equal(w.bv->mat.n_cols, KV_LAYER * D);
        assert_int_equal(bind_rest(&b), 0);
        close_file();
    }
    struct attention_weights w;
    open_file(most, 1);
    bind_layer(&w);
    bind_attention_biases_if(&b, 0, &w);
    assert_int_not_equal(b.failed, 0);
    assert_non_null(strstr(err.text, "blk.0.attn_k.bias"));
    close_file();
}

/* name: of a tensor that nothing asks for. */
static int rest_with(const char *name)
{
    struct attention_weights w;
    open_file(&(struct named){name, {EMBD, 1}}, 1);
    bind_layer(&w);
    return bind_rest(&b);
}

static void not_asked_for(void **state)
{
    (void)state;
    static const char *const refused[] = {"blk.0.attn_k.bias", "blk.0.attn_sub_norm.weight", "output.bias",
                                          "rope_freqs.weight"},
                             *const beside[] = {"blk.1.attn_k.bias", "blk.0.nextn.enorm.weight",
                                                "v.blk.0.ln1.bias",  "mm.0.bias",
                                                "a.conv1d.1.bias",   "blk.0.attn_q.input_scale"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_not_equal(rest_with(refused[i]), 0);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, refused[i]));
        close_file();
    }
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        assert_int_equal(rest_with(beside[i]), 0);
        close_file();
    }
    open_file(&(struct named){"blk.0.attn_kv_b.weight", {EMBD, 1}}, 1);
    struct attention_weights w;
    bind_layer(&w);
    bind_unused(&b, 0, "attn_kv_b.weight");
    bind_unused(&b, 0, "attn_other.weight"); /* which the file has not */
    assert_int_equal(bind_rest(&b), 0);
    close_file();
}

static int make_path(void **state)
{
    (void)state;
    return mkstemp(path) < 0;
}

static int remove_path(void **state)
{
    (void)state;
    return remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(biases_of_heads), cmocka_unit_test(not_asked_for)};
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
