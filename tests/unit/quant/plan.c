/* links: quant machine kernel format base */
/* The memory of a run: importance of large models is read a tensor at a time, so that neither the default nor the least memory has it as a
 * whole. Sources are headers, files of importance sparse. */
#include "quant/importance.h"
#include "quant/quant.h"
#include "quant_world.h"
#include "sanitized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

enum { LAYERS_MOST = 48, KINDS = 5, NAME = 48, LEAST = 32 /* MiB */ };

static char model[TEMPORARY_PATH], importance[TEMPORARY_PATH];

struct shape {
    int n_layer;
    uint64_t n_embd, n_hidden, n_expert, n_vocab;
};

/* Attention, a router and experts in each layer, and importance of all that is quantised. */
static void make(const struct shape *s)
{
    static char name[LAYERS_MOST * KINDS + 1][NAME];
    static struct world_tensor t[LAYERS_MOST * KINDS + 1];
    static struct world_importance e[LAYERS_MOST * KINDS + 1];
    const struct world_tensor kind[KINDS] = {
        {"attn_q", TYPE_BF16, 2, {s->n_embd, s->n_embd}},
        {"ffn_gate_inp", TYPE_F32, 2, {s->n_embd, s->n_expert}},
        {"ffn_gate_exps", TYPE_BF16, 3, {s->n_embd, s->n_hidden, s->n_expert}},
        {"ffn_up_exps", TYPE_BF16, 3, {s->n_embd, s->n_hidden, s->n_expert}},
        {"ffn_down_exps", TYPE_BF16, 3, {s->n_hidden, s->n_embd, s->n_expert}},
    };
    size_t n = 0;
    for (int l = 0; l < s->n_layer; l++)
        for (int k = 0; k < KINDS; k++, n++) {
            snprintf(name[n], NAME, "blk.%d.%s.weight", l, kind[k].name);
            t[n] = kind[k];
            t[n].name = name[n];
        }
    t[n++] = (struct world_tensor){"output.weight", TYPE_BF16, 2, {s->n_embd, s->n_vocab}, NULL};
    for (size_t i = 0; i < n; i++)
        e[i] = (struct world_importance){t[i].name, t[i].ne[0], t[i].n_dims == 3 ? t[i].ne[2] : 1, NULL, NULL};
    world_model(model, (uint32_t)s->n_layer, 0, t, n);
    world_importance(importance, e, n);
}

/* Of the usual memory, which says what the least is too: each opening reads the whole importance. */
static struct quant_plan plan_of_model(void)
{
    struct quant_options o = {.in = model,
                              .out = "/nowhere/out.gguf",
                              .program = "test",
                              .type = "IQ2_XS",
                              .imatrix = importance,
                              .header_only = 1,
                              .n_threads = 2};
    struct quant_job *j;
    struct error err = {0};
    uint64_t before = world_peak();
    if (quant_open(&j, &o, &err))
        fail_msg("%s", err.text);
    struct quant_plan p = j->plan;
    assert_true(j->importance->n_entry > 0 && j->n_needs_importance == 0);
    assert_true(SANITIZED || world_peak() - before < 24 * MIB);
    quant_close(j);
    return p;
}

/* values: bytes of the largest tensor's importance. least: what the least memory has beside code, of which a sanitizer's build has more. */
static void holds(const struct shape *s, uint64_t least, uint64_t values)
{
    make(s);
    struct quant_plan p = plan_of_model();
    assert_true(p.total <= 1024 * MIB && p.memory == 1024 * MIB);
    assert_true(p.share[QUANT_IMPORTANCE] >= values && p.share[QUANT_IMPORTANCE] < values + 3 * MIB);
    uint64_t beside = p.least - p.share[QUANT_CODE];
    if (beside > least)
        fail_msg("%llu MiB at least beside code", (unsigned long long)(beside / MIB));
}

static void of_30b(void **state)
{
    static const struct shape shape = {48, 2048, 768, 128, 151936};
    (void)state;
    holds(&shape, LEAST * MIB, (128 + 1) * 2048 * sizeof(float));
}

/* Four of its 60 layers, whose importance is 72 MiB: more than the least memory too. */
static void of_397b(void **state)
{
    static const struct shape shape = {4, 4096, 1024, 512, 248320};
    (void)state;
    holds(&shape, LEAST * MIB, (512 + 1) * 4096 * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_30b), cmocka_unit_test(of_397b)};
    close(temporary_file(model, "model"));
    close(temporary_file(importance, "importance"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    unlink(importance);
    return status;
}
