/* links: model store op kernel format base */
/* The cap of Gemma's logits: that of the file, else what the architecture has without one. */
#include "base/error.h"
#include "gguf_write.h"
#include "model/arch.h"
#include "model/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void write_number(struct gguf_writer *w, const char *arch, const char *key, uint64_t n)
{
    char name[100];
    snprintf(name, sizeof name, "%s.%s", arch, key);
    gguf_write_value(w, &(struct gguf_value){.key = {name, strlen(name)}, .kind = GGUF_U64, .n = 1, .as.u = n});
}

/* The cap of a file of such an architecture; cap 0: it has none. */
static float cap_of(const char *arch, int window, float cap)
{
    static const struct {
        const char *key;
        uint64_t n;
    } keys[] = {{"block_count", 4},           {"embedding_length", 96},       {"context_length", 2048},
                {"feed_forward_length", 128}, {"attention.head_count", 6},    {"attention.head_count_kv", 2},
                {"attention.key_length", 16}, {"attention.value_length", 16}, {NULL, 0}};
    char path[] = "/tmp/stoker-gemma-XXXXXX", name[100];
    struct gguf_writer w;
    struct gguf *g;
    struct params p = {0};
    struct error err = {0};
    static const float row[32];
    close(mkstemp(path));
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", arch, strlen(arch));
    for (int i = 0; keys[i].key; i++)
        write_number(&w, arch, keys[i].key, keys[i].n);
    if (window)
        write_number(&w, arch, "attention.sliding_window", (uint64_t)window);
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", arch);
    gguf_write_f32(&w, name, 1e-6F);
    snprintf(name, sizeof name, "%s.final_logit_softcapping", arch);
    if (cap > 0)
        gguf_write_f32(&w, name, cap);
    gguf_write_tensor(&w, "token_embd.weight", TYPE_F32, 1, (uint64_t[]){32});
    gguf_write_data(&w, row, sizeof row);
    assert_int_equal(gguf_write_end(&w, &err), 0);
    assert_int_equal(gguf_open(&g, path, &err), 0);
    if (arch_by_name(arch)->read_params(&p, g, &err) != 0)
        fail_msg("%s: %s", arch, err.text);
    gguf_close(g);
    unlink(path);
    return p.logit_cap;
}

static void caps(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        int window;
        float absent;
    } row[] = {{"gemma2", 0, 30}, {"gemma2", 512, 30}, {"gemma3", 512, 0}, {"gemma3", 0, 30}, {"gemma4", 512, 30}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_float_equal(cap_of(row[i].arch, row[i].window, 0), row[i].absent, 0);
        assert_float_equal(cap_of(row[i].arch, row[i].window, 12.5F), 12.5F, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(caps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
