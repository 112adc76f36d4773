/* links: engine text model store op machine kernel format base */
/* Lists of requests as the public header has them: what positions, layers and ends mean, what is refused and by which field, how long a
 * vector and its memory are held, and lists whose scales are too large. */
#include "base/error.h"
#include "base/rng.h"
#include "format/sae.h"
#include "gguf_write.h"
#include "stoker.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define MODEL TEST_DATA "/steering/steer-llama-tied.gguf"
#define ADDED TEST_DATA "/steering/steer-llama-tied.a.gguf"
#define TAKEN TEST_DATA "/steering/steer-llama-tied.r.gguf" /* a projection */
#define SAE   TEST_DATA "/steering/steer-llama-tied.sae"    /* of layer 2, 256 features */
#define MOE   TEST_DATA "/steering/steer-qwen3moe.gguf"     /* 4 layers of 12 experts, 4 a row */
#define GROUPS                                                                                                         \
    TEST_DATA "/golden/deepseek2-v3.gguf"         /* layer 1: 12 experts in 4 groups, of which 2 are taken, 4 a row */
#define HASHED TEST_DATA "/golden/deepseek4.gguf" /* layer 0 goes by tokens */
#define WIDTH  64
#define LAYERS 4

enum { PROMPT = 20, ANSWER = 12, N_CTX = 64, LISTS = 4 };

static struct stoker *engine_of(const char *model, uint64_t steer_memory)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX,
                                     .n_ctx = N_CTX,
                                     .n_parallel = LISTS,
                                     .n_chunk = 16,
                                     .n_threads = 2,
                                     .steer_memory = steer_memory};
    if (stoker_open(&s, model, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static struct stoker *engine(uint64_t steer_memory) { return engine_of(MODEL, steer_memory); }

static struct stoker_vector *open_file(struct stoker *s, const char *path)
{
    struct stoker_vector *v = NULL;
    struct stoker_error err = {0};
    if (stoker_vector_open(&v, s, AT_FDCWD, path, &err))
        fail_msg("%s", err.text);
    return v;
}

/* ---- what a list means ------------------------------------------------------------------------------------------------------ */

static const char *digest(const struct stoker *s, const struct stoker_steer *list, size_t n)
{
    static char text[4][65];
    static int next;
    struct stoker_error err = {0};
    next = (next + 1) % 4;
    if (stoker_steer_digest(s, list, n, PROMPT, text[next], &err))
        fail_msg("%s", err.text);
    return text[next];
}

static const char *of(const struct stoker *s, struct stoker_steer e) { return digest(s, &e, 1); }

static void positions_and_layers(void **state)
{
    (void)state;
    struct stoker *s = engine(1 << 20);
    struct stoker_vector *v = open_file(s, ADDED);
#define E(...) ((struct stoker_steer){.vector = v, __VA_ARGS__})
    assert_string_equal(of(s, E(.from = {-1, 1})), of(s, E(.from = {PROMPT - 1, 0})));
    assert_string_equal(of(s, E(.from = {0, 1})), of(s, E(.from = {PROMPT, 0})));
    assert_string_not_equal(of(s, E(.from = {-1, 1})), of(s, E(.from = {PROMPT, 0})));
    assert_string_equal(of(s, E(.to = {0, 1}, .has_to = 1)), of(s, E(.to = {PROMPT, 0}, .has_to = 1)));
    assert_string_not_equal(of(s, E(.to = {PROMPT, 0}, .has_to = 1)), of(s, E(0)));
    assert_string_equal(of(s, E(.to = {5, 0})), of(s, E(0)));                      /* has_to is 0 */
    assert_string_equal(of(s, E(.layer_first = 2, .layer_last = 2)), of(s, E(0))); /* has_layers is 0 */
    assert_string_equal(of(s, E(.amount = 3)), of(s, E(.amount = 1, .has_amount = 1)));
    assert_string_equal(of(s, E(.has_to = 1)), "");     /* no position */
    assert_string_equal(of(s, E(.has_layers = 1)), ""); /* layer 0, of which no file has a direction */
    assert_string_equal(of(s, E(.has_amount = 1)), "");
    assert_string_equal(digest(s, NULL, 0), "");
#undef E
    stoker_vector_close(v);
    stoker_close(s);
}

static void refused(void **state)
{
    (void)state;
    struct stoker *s = engine(1 << 20), *other = engine(1 << 20);
    struct stoker_vector *v = open_file(s, ADDED), *r = open_file(s, TAKEN), *foreign = open_file(other, ADDED);
    const struct {
        struct stoker_steer e;
        const char *field, *text;
    } cases[] = {
        {{.vector = NULL}, "steer[1].vector", "no vector of this engine"},
        {{.vector = foreign}, "steer[1].vector", "no vector of this engine"},
        {{.vector = v, .amount = 1000.5f, .has_amount = 1}, "steer[1].scale", "1000.5; from -1000 to 1000"},
        {{.vector = v, .amount = NAN, .has_amount = 1}, "steer[1].scale", "from -1000 to 1000"},
        {{.vector = v, .amount = -INFINITY, .has_amount = 1}, "steer[1].scale", "from -1000 to 1000"},
        {{.vector = v, .layer_first = -1, .has_layers = 1}, "steer[1].layers", "layers -1 to 0"},
        {{.vector = v, .layer_first = 2, .layer_last = 1, .has_layers = 1}, "steer[1].layers", "layers 2 to 1"},
        {{.vector = v, .layer_last = LAYERS, .has_layers = 1}, "steer[1].layers", "the model has layers 0 to 3"},
        {{.vector = v, .side = STOKER_SIDE_POSITIVE}, "steer[1].side", "only a projection has a side"},
        {{.vector = r, .side = (enum stoker_side)3}, "steer[1].side", "only a projection has a side"},
        {{.vector = v, .from = {-1, 0}}, "steer[1].from", "position -1; the context has 64"},
        {{.vector = v, .from = {-PROMPT - 1, 1}}, "steer[1].from", "position -1; the context has 64"},
        {{.vector = v, .from = {N_CTX + 1, 0}}, "steer[1].from", "position 65"},
        {{.vector = v, .from = {INT64_MIN, 1}}, "steer[1].from", "position -9223372036854775808"},
        {{.vector = v, .to = {N_CTX - PROMPT + 1, 1}, .has_to = 1}, "steer[1].to", "position 65"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct stoker_steer list[2] = {{.vector = r, .side = STOKER_SIDE_NEGATIVE}, cases[i].e};
        struct stoker_error err = {0};
        char text[65];
        assert_int_equal(stoker_steer_digest(s, list, 2, PROMPT, text, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_INPUT);
        assert_string_equal(err.field, cases[i].field);
        if (!strstr(err.text, cases[i].text))
            fail_msg("\"%s\" has no \"%s\"", err.text, cases[i].text);
    }
    struct stoker_steer many[STOKER_STEER_MOST + 1];
    struct stoker_error err = {0};
    char text[65];
    for (int i = 0; i <= STOKER_STEER_MOST; i++)
        many[i] = (struct stoker_steer){.vector = v};
    assert_int_equal(stoker_steer_digest(s, many, STOKER_STEER_MOST, PROMPT, text, &err), 0);
    assert_int_equal(stoker_steer_digest(s, many, STOKER_STEER_MOST + 1, PROMPT, text, &err), -1);
    assert_string_equal(err.field, "steer");
    stoker_vector_close(foreign);
    stoker_vector_close(r);
    stoker_vector_close(v);
    stoker_close(other);
    stoker_close(s);
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

struct answer {
    stoker_token id[ANSWER];
    double logprob[ANSWER];
    int n;
    struct stoker_error error; /* of a request that failed */
};

static stoker_token prompt[LISTS][PROMPT];

static stoker_id submit(struct stoker *s, int which, const struct stoker_steer *list, size_t n)
{
    struct stoker_error err = {0};
    struct stoker_request r = {.prompt = prompt[which],
                               .n_prompt = PROMPT,
                               .max_tokens = ANSWER,
                               .ignore_end = 1,
                               .wants_logprobs = 1,
                               .no_cache = 1,
                               .steer = list,
                               .n_steer = n};
    stoker_id id;
    for (int i = 0; i < PROMPT; i++)
        prompt[which][i] = (stoker_token)(rng_u64(5, (uint64_t)i, (uint32_t)which, 2) % (uint64_t)stoker_n_vocab(s));
    if (stoker_submit(s, &r, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static struct answer collect(struct stoker *s, stoker_id id)
{
    struct answer a = {.n = 0};
    struct stoker_event e;
    while (stoker_next_event(s, id, -1, &e) == 1) {
        if (e.kind == STOKER_TOKEN) {
            a.id[a.n] = e.u.token.id;
            a.logprob[a.n++] = e.u.token.logprob;
        } else if (e.kind == STOKER_FAILED) {
            a.error = e.error;
        }
    }
    return a;
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, sizeof a->id);
    assert_memory_equal(a->logprob, b->logprob, sizeof a->logprob);
}

/* ---- vectors ---------------------------------------------------------------------------------------------------------------- */

static uint64_t held(struct stoker *s)
{
    struct stoker_stats now;
    stoker_stats_of(s, &now);
    return now.vector_bytes;
}

/* A vector that was closed steers on, and its memory is free when the last request with it has ended, and not before. */
static void vectors_are_held(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    struct stoker_error err = {0};
    assert_int_equal(stoker_vector_bytes(ADDED, &bytes, &err), 0);
    struct stoker *s = engine(bytes);
    struct stoker_vector *v = open_file(s, ADDED), *again;
    struct stoker_vector_about about;
    const struct stoker_steer list[2] = {{.vector = v}, {.vector = v, .from = {0, 1}}};
    struct answer truth = collect(s, submit(s, 0, list, 2));
    assert_int_equal(truth.n, ANSWER);
    assert_int_equal(held(s), bytes);
    assert_int_equal(stoker_vector_open(&again, s, AT_FDCWD, ADDED, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_MEMORY);
    stoker_id id[2] = {submit(s, 0, list, 2), submit(s, 0, list, 2)};
    stoker_vector_hold(v);
    stoker_vector_about(v, &about);
    assert_int_equal(about.users, 2 + 2 * 2);
    stoker_vector_close(v);
    stoker_vector_close(v);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(held(s), bytes);
        assert_int_equal(stoker_vector_open(&again, s, AT_FDCWD, ADDED, &err), -1);
        struct answer a = collect(s, id[i]);
        assert_same(&truth, &a);
    }
    assert_int_equal(held(s), 0);
    v = open_file(s, ADDED);
    stoker_vector_close(v);
    stoker_vector_close(NULL);
    assert_int_equal(held(s), 0);
    stoker_close(s);
}

/* ---- features --------------------------------------------------------------------------------------------------------------- */

static struct stoker_vector *open_sae(struct stoker *s)
{
    struct stoker_vector *v = NULL;
    struct stoker_error err = {0};
    if (stoker_sae_open(&v, s, AT_FDCWD, SAE, NULL, &err))
        fail_msg("%s", err.text);
    return v;
}

static void features_mean(void **state)
{
    (void)state;
    struct stoker *s = engine(1 << 20);
    struct stoker_vector *v = open_sae(s), *r = open_file(s, TAKEN), *added = open_file(s, ADDED);
    struct stoker_vector_about about;
    stoker_vector_about(v, &about);
    assert_true(about.kind == STOKER_VECTOR_SAE && about.n_feature == 256 && about.layer_first == 2 &&
                about.layer_last == 2);
    assert_string_equal(about.base_model, "steer-llama-tied");
    assert_string_equal(about.file, "steer-llama-tied.sae");
    assert_string_equal(about.method, "topk");
    assert_true(stoker_vector_norm(v, 2) == 0);
#define E(...) ((struct stoker_steer){.vector = v, __VA_ARGS__})
    const struct stoker_steer set = E(.kind = STOKER_STEER_FEATURE_SET, .feature = 3, .amount = 2),
                              other = E(.kind = STOKER_STEER_FEATURE_SET, .feature = 4, .amount = 2),
                              add = E(.kind = STOKER_STEER_FEATURE_ADD, .feature = 3, .amount = 2),
                              off = E(.kind = STOKER_STEER_FEATURE_MULTIPLY, .feature = 3);
    assert_string_not_equal(of(s, set), of(s, other));
    assert_string_not_equal(of(s, set), of(s, add));
    assert_string_not_equal(of(s, off), "");
    assert_string_not_equal(of(s, E(.kind = STOKER_STEER_FEATURE_SET, .feature = 3)), "");
    assert_string_equal(of(s, E(.kind = STOKER_STEER_FEATURE_ADD, .feature = 3)), "");
    assert_string_equal(of(s, E(.kind = STOKER_STEER_FEATURE_MULTIPLY, .feature = 3, .amount = 1)), "");
#undef E
    const struct {
        struct stoker_steer e;
        const char *field, *text;
    } cases[] = {
        {{.vector = v}, "steer[0].vector", "steer-llama-tied.sae is an autoencoder"},
        {{.vector = r, .kind = STOKER_STEER_FEATURE_ADD}, "steer[0].sae", "no autoencoder"},
        {{.vector = v, .kind = (enum stoker_steer_kind)9}, "steer[0].sae", "no such operation"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .feature = 256}, "steer[0].feature", "features 0 to 255"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .feature = -1}, "steer[0].feature", "feature -1"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .amount = NAN}, "steer[0].value", "from -1000000 to 1000000"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .amount = 1.1e6f}, "steer[0].value", "is 1.1e+06"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .has_layers = 1}, "steer[0].layers", "it acts at layer 2"},
        {{.vector = v, .kind = STOKER_STEER_FEATURE_SET, .from = {N_CTX + 1, 0}}, "steer[0].from", "position 65"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stoker_error err = {0};
        char text[65];
        assert_int_equal(stoker_steer_digest(s, &cases[i].e, 1, PROMPT, text, &err), -1);
        assert_string_equal(err.field, cases[i].field);
        if (!strstr(err.text, cases[i].text))
            fail_msg("\"%s\" has no \"%s\"", err.text, cases[i].text);
    }
    const struct {
        struct stoker_capture c;
        const char *field;
    } recorded[] = {
        {{.sae = v}, "capture.top"},
        {{.sae = v, .top = STOKER_CAPTURE_TOP + 1}, "capture.top"},
        {{.sae = v, .top = 3, .reduce = STOKER_REDUCE_MEAN}, "capture.reduce"},
        {{.sae = added, .top = 3}, "capture.sae"},
        {{.taps = 1u << STOKER_TAP_RESID_POST, .reduce = STOKER_REDUCE_DOT, .along = v}, "capture.vector"},
    };
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        struct stoker_error err = {0};
        struct stoker_tensor t[8];
        struct stoker_capture c = recorded[i].c;
        c.n_rows = c.n_requests = 1;
        assert_int_equal(stoker_capture_layout(s, &c, t, 8, &err), -1);
        assert_string_equal(err.field, recorded[i].field);
    }
    stoker_vector_close(added);
    stoker_vector_close(r);
    stoker_vector_close(v);
    stoker_close(s);
}

/* A control vector of one direction, that of a feature, whose file is written as it lies. */
static void write_feature(const char *path, int feature)
{
    static float row[WIDTH];
    const uint64_t n = WIDTH;
    struct gguf_writer w;
    struct error err = {0};
    struct sae *sae = NULL;
    assert_int_equal(sae_open(&sae, AT_FDCWD, SAE, NULL, UINT64_MAX, &err), 0);
    sae_row(sae, &sae->decoder, feature, row);
    sae_close(sae);
    gguf_write_begin(&w, path, 32);
    gguf_write_tensor(&w, "direction.2", TYPE_F32, 1, &n);
    gguf_write_data(&w, row, sizeof row);
    assert_int_equal(gguf_write_end(&w, &err), 0);
}

/* A feature that is added has the bits of its direction as a vector; its memory is in the plan, is refused where it does not fit, and is
 * given back when the last request has ended. */
static void features_steer(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH];
    uint64_t bytes = 0, more = 0;
    struct stoker_error err = {0};
    close(temporary_file(path, "feature"));
    write_feature(path, 34);
    const struct stoker_sae_form before = {"topk:8", -1};
    assert_int_equal(stoker_sae_bytes(SAE, &before, &bytes, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    assert_int_equal(stoker_sae_bytes(SAE, NULL, &bytes, &err), 0);
    assert_int_equal(stoker_vector_bytes(path, &more, &err), 0);
    struct stoker *s = engine(bytes + more);
    struct stoker_vector *v = open_sae(s), *same = open_file(s, path), *again;
    assert_int_equal(held(s), bytes + more);
    assert_int_equal(stoker_sae_open(&again, s, AT_FDCWD, SAE, NULL, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_MEMORY);
    assert_int_equal(stoker_vector_open(&again, s, AT_FDCWD, SAE, &err), -1);
    assert_int_equal(stoker_sae_open(&again, s, AT_FDCWD, path, NULL, &err), -1);
    const struct stoker_steer by_feature = {.vector = v,
                                            .kind = STOKER_STEER_FEATURE_ADD,
                                            .feature = 34,
                                            .amount = 4.25f},
                              by_vector = {.vector = same, .amount = 4.25f, .has_amount = 1};
    struct answer plain = collect(s, submit(s, 0, NULL, 0)), one = collect(s, submit(s, 0, &by_feature, 1)),
                  two = collect(s, submit(s, 0, &by_vector, 1));
    assert_same(&one, &two);
    assert_true(memcmp(plain.logprob, one.logprob, sizeof one.logprob) != 0);
    stoker_id id = submit(s, 0, &by_feature, 1);
    stoker_vector_close(v);
    stoker_vector_close(same);
    two = collect(s, id);
    assert_same(&one, &two);
    assert_int_equal(held(s), 0);
    stoker_close(s);
    unlink(path);
}

/* Rows that are steered beyond what a float holds. */
static void write_large(const char *path)
{
    static float row[WIDTH];
    const uint64_t n = WIDTH;
    struct gguf_writer w;
    struct error err = {0};
    for (int i = 0; i < WIDTH; i++)
        row[i] = i % 2 ? 1e38f : -1e38f;
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "controlvector", 13);
    gguf_write_tensor(&w, "direction.1", TYPE_F32, 1, &n);
    gguf_write_data(&w, row, sizeof row);
    assert_int_equal(gguf_write_end(&w, &err), 0);
}

/* It is the request that fails, in words of its own; the others in the same steps have their bits. */
static void too_large(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH];
    close(temporary_file(path, "steer"));
    write_large(path);
    struct stoker *s = engine(1 << 20);
    struct stoker_vector *v = open_file(s, path), *small = open_file(s, ADDED);
    const struct stoker_steer list[LISTS] = {{.vector = small},
                                             {.vector = v, .amount = 1000, .has_amount = 1},
                                             {.vector = small, .amount = 2, .has_amount = 1},
                                             {.vector = NULL}};
    struct answer alone[LISTS], together[LISTS];
    stoker_id id[LISTS];
    for (int i = 0; i < LISTS; i++)
        alone[i] = collect(s, submit(s, i, &list[i], i < LISTS - 1));
    for (int i = 0; i < LISTS; i++)
        id[i] = submit(s, i, &list[i], i < LISTS - 1);
    for (int i = 0; i < LISTS; i++) {
        together[i] = collect(s, id[i]);
        assert_same(&alone[i], &together[i]);
        assert_int_equal(together[i].n, i == 1 ? 0 : ANSWER);
        assert_int_equal(together[i].error.code, i == 1 ? STOKER_ERR_INPUT : STOKER_OK);
    }
    assert_string_equal(together[1].error.field, "steer");
    assert_non_null(strstr(together[1].error.text, "steered too far"));
    stoker_vector_close(v);
    stoker_vector_close(small);
    stoker_close(s);
    remove(path);
}

/* ---- experts ---------------------------------------------------------------------------------------------------------------- */

#define OUT (-INFINITY)
#define NO(...)                                                                                                        \
    ((const struct stoker_expert_bias[]){__VA_ARGS__}),                                                                \
        sizeof((const struct stoker_expert_bias[]){__VA_ARGS__}) / sizeof(struct stoker_expert_bias)

static struct stoker_vector *open_experts(struct stoker *s, const struct stoker_expert_bias *list, size_t n)
{
    struct stoker_vector *v = NULL;
    struct stoker_error err = {0};
    if (stoker_experts_open(&v, s, list, n, &err))
        fail_msg("%s", err.text);
    return v;
}

static struct stoker_steer entry(const struct stoker_vector *v, int64_t from, int64_t to)
{
    return (struct stoker_steer){
        .vector = v, .kind = STOKER_STEER_EXPERTS, .from = {from, 0}, .to = {to, 0}, .has_to = to > 0};
}

static void experts_refused(const char *model, const char *text, const char *field,
                            const struct stoker_expert_bias *list, size_t n)
{
    struct stoker *s = engine_of(model, 0);
    struct stoker_vector *v;
    struct stoker_error err = {0};
    assert_int_equal(stoker_experts_open(&v, s, list, n, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    assert_string_equal(err.field, field);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" has no \"%s\"", err.text, text);
    stoker_close(s);
}

static void no_such_experts(void **state)
{
    (void)state;
    static struct stoker_expert_bias many[STOKER_STEER_EXPERTS_MOST + 1];
    experts_refused(MODEL, "the model has no experts", "list", NO({0, 0, OUT}));
    experts_refused(MOE, "layer 4: the model has layers 0 to 3", "list[1]", NO({0, 0, OUT}, {4, 0, OUT}));
    experts_refused(MOE, "layer -1", "list[0]", NO({-1, 0, OUT}));
    experts_refused(MOE, "expert 12: layer 2 has experts 0 to 11", "list[0]", NO({2, 12, OUT}));
    experts_refused(MOE, "expert -1", "list[0]", NO({2, -1, OUT}));
    experts_refused(MOE, "expert 3 of layer 2 is there twice", "list", NO({2, 3, OUT}, {0, 0, OUT}, {2, 3, 0}));
    experts_refused(MOE, "is 10001; from -10000 to 10000", "list[0]", NO({2, 3, 10001}));
    experts_refused(MOE, "from -10000 to 10000", "list[0]", NO({2, 3, INFINITY}));
    experts_refused(MOE, "from -10000 to 10000", "list[0]", NO({2, 3, NAN}));
    experts_refused(MOE, "4097 experts; a list may have 4096", "list", many, STOKER_STEER_EXPERTS_MOST + 1);
    experts_refused(GROUPS, "layer 0 has no experts: it is dense", "list[0]", NO({0, 0, OUT}));
    experts_refused(HASHED, "the experts of layer 0 are chosen by the token alone", "list[0]", NO({0, 0, OUT}));
}

/* Layers from to to - 1 without their first n experts. */
static struct stoker_vector *without(struct stoker *s, int from, int to, int n)
{
    struct stoker_expert_bias list[64];
    size_t k = 0;
    for (int l = from; l < to; l++)
        for (int e = 0; e < n; e++)
            list[k++] = (struct stoker_expert_bias){l, e, OUT};
    return open_experts(s, list, k);
}

static void assert_refused(struct stoker *s, const struct stoker_steer *list, size_t n, const char *field,
                           const char *text)
{
    struct stoker_error err = {0};
    char digest_of[65];
    assert_int_equal(stoker_steer_digest(s, list, n, PROMPT, digest_of, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    assert_string_equal(err.field, field);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" has no \"%s\"", err.text, text);
}

/* As many are left, at each position and under all entries together, as a row takes. */
static void enough_is_left(void **state)
{
    (void)state;
    struct stoker *s = engine_of(MOE, 0), *other = engine_of(MOE, 0);
    struct stoker_vector *eight = without(s, 0, 4, 8), *nine = without(s, 2, 3, 9), *foreign = without(other, 0, 1, 1),
                         *last = open_experts(s, NO({1, 11, OUT})), *biased = open_experts(s, NO({1, 11, -9}));
    struct stoker_steer list[3] = {entry(eight, 0, 0), entry(biased, 0, 0), entry(nine, 0, 0)};
    assert_int_equal(strlen(digest(s, list, 2)), 64);
    assert_refused(s, list, 3, "steer[2].list", "layer 2 has 3 experts left; a row takes 4 of them");
    assert_refused(s, list + 2, 1, "steer[0].list", "layer 2 has 3 experts left; a row takes 4 of them");
    list[1] = entry(last, 4, 6);
    assert_refused(s, list, 2, "steer[1].list", "layer 1 has 3 experts left");
    list[0] = entry(eight, 5, 9);
    assert_refused(s, list, 2, "steer[1].list", "layer 1 has 3 experts left");
    list[0] = entry(eight, 6, 9);
    assert_int_equal(strlen(digest(s, list, 2)), 64);
    list[0].kind = STOKER_STEER_VECTOR;
    assert_refused(s, list, 1, "steer[0].vector", "its entry is about experts");
    list[0].kind = STOKER_STEER_FEATURE_SET;
    assert_refused(s, list, 1, "steer[0].sae", "no autoencoder");
    list[0] = entry(eight, 0, 0);
    list[0].has_layers = 1;
    assert_refused(s, list, 1, "steer[0].layers", "neither layers");
    list[0] = entry(foreign, 0, 0);
    assert_refused(s, list, 1, "steer[0].vector", "no vector of this engine");
    stoker_vector_close(eight);
    stoker_vector_close(nine);
    stoker_vector_close(last);
    stoker_vector_close(biased);
    stoker_vector_close(foreign);
    stoker_close(s);
    stoker_close(other);
    s = engine_of(GROUPS, 0); /* one of the first three: with any other group four are left, without two more are not */
    struct stoker_vector *two = without(s, 1, 2, 2), *three = without(s, 1, 2, 3), *four = without(s, 1, 2, 4),
                         *one_of_each = open_experts(s, NO({1, 0, OUT}, {1, 1, OUT}, {1, 4, OUT}));
    list[0] = entry(two, 0, 0);
    assert_int_equal(strlen(digest(s, list, 1)), 64);
    struct answer a = collect(s, submit(s, 0, list, 1));
    assert_int_equal(a.n, ANSWER);
    list[0] = entry(three, 0, 0);
    assert_int_equal(strlen(digest(s, list, 1)), 64);
    list[0] = entry(four, 0, 0);
    assert_int_equal(strlen(digest(s, list, 1)), 64);
    list[0] = entry(one_of_each, 0, 0);
    assert_refused(s, list, 1, "steer[0].list", "groups of experts of which 2 have 3 left together; a row takes 4");
    stoker_vector_close(two);
    stoker_vector_close(three);
    stoker_vector_close(four);
    stoker_vector_close(one_of_each);
    stoker_close(s);
}

/* Lists have memory of their own, which is given back; requests hold theirs; what they change is theirs alone. */
static void lists_are_held(void **state)
{
    (void)state;
    static struct stoker_expert_bias most[STOKER_STEER_EXPERTS_MOST];
    struct stoker *s = engine_of(MOE, 0);
    struct stoker_vector *open[64], *v = without(s, 0, 4, 8), *same = without(s, 0, 4, 8), *next;
    struct stoker_vector_about about;
    struct stoker_error err = {0};
    const struct stoker_steer list = entry(v, 0, 0), late = entry(v, 9, 0), other = entry(same, 0, 0);
    struct answer plain = collect(s, submit(s, 0, NULL, 0)), one = collect(s, submit(s, 0, &list, 1)), two, behind;
    stoker_vector_about(v, &about);
    assert_true(about.kind == STOKER_VECTOR_EXPERTS && about.n_expert == 32 && about.layer_last == 3 &&
                about.users == 1);
    assert_string_equal(of(s, list), of(s, other));
    assert_string_not_equal(of(s, list), of(s, late));
    assert_true(memcmp(plain.logprob, one.logprob, sizeof one.logprob) != 0);
    stoker_id id[3] = {submit(s, 0, &list, 1), submit(s, 0, NULL, 0), submit(s, 0, &late, 1)};
    stoker_vector_close(v);
    two = collect(s, id[0]);
    assert_same(&one, &two);
    two = collect(s, id[1]);
    assert_same(&plain, &two);
    behind = collect(s, id[2]);
    assert_int_equal(behind.n, ANSWER);
    stoker_vector_close(same);
    for (int i = 0; i < STOKER_STEER_EXPERTS_MOST; i++)
        most[i] = (struct stoker_expert_bias){i / 12 % 4, i % 12, OUT};
    for (int round = 0; round < 2; round++) {
        int n = 0;
        while (n < 64 && stoker_experts_open(&next, s, most, 48, &err) == 0)
            open[n++] = next;
        assert_int_equal(n, 64);
        while (n > 0)
            stoker_vector_close(open[--n]);
        assert_int_equal(stoker_experts_open(&next, s, most, STOKER_STEER_EXPERTS_MOST, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_INPUT); /* twice the same, not: no memory */
    }
    int n = 0;
    struct stoker_vector **all = calloc(4096, sizeof *all);
    while (n < 4096 && stoker_experts_open(&all[n], s, most, 48, &err) == 0)
        n++;
    assert_true(n > 100 && n < 4096);
    assert_int_equal(err.code, STOKER_ERR_MEMORY);
    for (int i = 0; i < n; i++)
        stoker_vector_close(all[i]);
    stoker_vector_close(without(s, 0, 4, 8));
    free(all);
    stoker_close(s);
}

/* ---- routes ----------------------------------------------------------------------------------------------------------------- */

#define TRACE TEST_DATA "/steering/steer-qwen3moe.routes.strt" /* 28 positions, raw ids of one byte */

static void no_such_routes(void **state)
{
    (void)state;
    struct stoker *s = engine_of(MOE, 1 << 20), *dense = engine(1 << 20), *small = engine_of(MOE, 8000);
    struct stoker_vector *v = open_file(s, TRACE), *again = open_file(s, TRACE), *out = NULL,
                         *biased = open_experts(s, NO({1, 11, -9}));
    struct stoker_vector_about about;
    struct stoker_error err = {0};
    uint64_t bytes = 0;
#define R(...) ((struct stoker_steer){.kind = STOKER_STEER_ROUTES, __VA_ARGS__})
    struct stoker_steer list[2] = {R(.vector = v), R(.vector = again, .from = {40, 0})};
    assert_int_equal(stoker_vector_bytes(TRACE, &bytes, &err), 0);
    stoker_vector_about(v, &about);
    assert_true(about.kind == STOKER_VECTOR_ROUTES && about.n_step == 28 && about.layer_first == 0 &&
                about.layer_last == 3 && about.n_layer_held == 4 && about.bytes == bytes && about.users == 1);
    assert_string_equal(about.file, "steer-qwen3moe.routes.strt");
    assert_int_equal(strlen(digest(s, list, 1)), 64);
    assert_string_equal(of(s, R(.vector = v)), of(s, R(.vector = again)));
    assert_string_not_equal(of(s, R(.vector = v)), of(s, R(.vector = v, .from = {0, 1})));
    assert_refused(s, list, 2, "steer[1].routes", "routes once");
    list[1] = entry(biased, 0, 0);
    assert_refused(s, list, 2, "steer[1].list", "routes or experts");
    list[1] = R(.vector = biased);
    assert_refused(s, list + 1, 1, "steer[0].routes", "another vector than a trace");
    list[1] = R(.vector = v, .has_layers = 1);
    assert_refused(s, list + 1, 1, "steer[0].layers", "neither layers");
    list[1] = (struct stoker_steer){.vector = v};
    assert_refused(s, list + 1, 1, "steer[0].vector", "is a trace");
    list[1] = entry(v, 0, 0);
    assert_refused(s, list + 1, 1, "steer[0].list", "another vector than a list");
#undef R
    assert_int_equal(stoker_vector_open(&out, dense, AT_FDCWD, TRACE, &err), -1);
    assert_non_null(strstr(err.text, "the model has no experts"));
    assert_int_equal(stoker_vector_open(&out, small, AT_FDCWD, TRACE, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_MEMORY);
    assert_non_null(strstr(err.text, "are left for vectors; raise --steer-memory"));
    stoker_vector_close(v);
    stoker_vector_close(again);
    stoker_vector_close(biased);
    stoker_close(s);
    stoker_close(dense);
    stoker_close(small);
}

static size_t read_trace(char *text, size_t size)
{
    FILE *f = fopen(TRACE, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, size, f);
    fclose(f);
    return n;
}

static struct stoker_vector *open_bytes(struct stoker *s, const char *text, size_t n, struct stoker_error *err)
{
    char path[TEMPORARY_PATH];
    struct stoker_vector *v = NULL;
    int fd = temporary_file(path, "trace");
    assert_true(write(fd, text, n) == (ssize_t)n);
    close(fd);
    stoker_vector_open(&v, s, AT_FDCWD, path, err);
    remove(path);
    return v;
}

/* A trace cut off anywhere, or longer by a byte, is refused, and holds nothing; one packed by zlib is the same one. */
static void broken_routes(void **state)
{
    (void)state;
    static char text[2000], packed[2000];
    struct stoker *s = engine_of(MOE, 12000); /* of one trace, and no more */
    struct stoker_error err = {0};
    struct stoker_vector_about raw, zlib;
    size_t n = read_trace(text, sizeof text - 1), n_head = 10 + (uint8_t)text[6] + 256 * (size_t)(uint8_t)text[7];
    for (size_t cut = 0; cut <= n + 1; cut++) {
        struct stoker_vector *v = open_bytes(s, text, cut, &err);
        assert_true((v != NULL) == (cut == n));
        if (!v && err.code != STOKER_ERR_FORMAT)
            fail_msg("%zu bytes: %s", cut, err.text);
        if (v)
            stoker_vector_about(v, &raw);
        stoker_vector_close(v);
    }
    char *comp = strstr(text + 10, "\"raw\"");
    assert_non_null(comp);
    memcpy(packed, text, n_head);
    memcpy(packed + 10 + (comp - text - 10), "\"zlib\"", 6);
    memcpy(packed + (comp - text) + 6, comp + 5, (size_t)(text + n_head - comp - 5));
    size_t head = n_head - 10 + 1;
    packed[6] = (char)(head & 255);
    packed[7] = (char)(head >> 8);
    uLongf room = sizeof packed - n_head - 1;
    assert_int_equal(compress((Bytef *)packed + n_head + 1, &room, (const Bytef *)text + n_head, n - n_head), Z_OK);
    size_t n_packed = n_head + 1 + room;
    for (size_t cut = n_head + 1; cut <= n_packed + 1; cut++) {
        struct stoker_vector *v = open_bytes(s, packed, cut, &err);
        assert_true((v != NULL) == (cut == n_packed));
        if (v)
            stoker_vector_about(v, &zlib);
        stoker_vector_close(v);
    }
    assert_string_equal(raw.sha256, zlib.sha256);
    stoker_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_and_layers), cmocka_unit_test(refused),        cmocka_unit_test(vectors_are_held),
        cmocka_unit_test(features_mean),        cmocka_unit_test(features_steer), cmocka_unit_test(too_large),
        cmocka_unit_test(no_such_experts),      cmocka_unit_test(enough_is_left), cmocka_unit_test(lists_are_held),
        cmocka_unit_test(no_such_routes),       cmocka_unit_test(broken_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
