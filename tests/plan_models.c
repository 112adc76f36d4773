/* links: engine text model store op machine kernel format base
 *
 * The plan's figures for well-known models: keys and values at some contexts, states, windows, experts.
 *
 *     build/tests/plan_models LIST.json...
 *
 * Models of cases/plan_models.json become files of the right shape without data (sparse_model.h); those of headers/INDEX.json lie beside
 * it as headers alone, by tools/plan_headers.py, with what rows of their tables take. Every figure must be the exact integer, and `inspect
 * --json` of the program that STOKER names (build/stoker) must tell the same. Models of architectures that are still to come (expected.h)
 * are not counted. */
#include "engine/session.h"
#include "expected.h"
#include "model/arch.h"
#include "sparse_model.h"
#include "test_lines.h"

#include <jansson.h>
#include <stdlib.h>

static char path[64] = "/tmp/stoker-plan-XXXXXX";
static void expect_number(const char *what, uint64_t got, long long want)
{
    expect(got == (uint64_t)want, "%s: %llu, expected %lld", what, (unsigned long long)got, want);
}

/* ---- entries of the list ------------------------------------------------------------------------------------------------------ */

static long long number(json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }
static const char *text(json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static json_t *of_kind(json_t *entry, const char *kind)
{
    json_t *attention = json_object_get(entry, "attention"), *a;
    size_t i;
    json_array_foreach(attention, i, a) if (strcmp(text(a, "kind"), kind) == 0) return a;
    return NULL;
}

/* Layers of one block each, in any order. */
static void shape_blocks(struct shape *s, json_t *entry, json_t *mamba)
{
    static char pattern[256];
    const struct {
        char letter;
        long long n;
    } blocks[] = {{'M', number(mamba, "layers")},
                  {'*', number(of_kind(entry, "gqa"), "layers")},
                  {'E', number(json_object_get(entry, "moe"), "layers")}};
    s->n_layer = 0;
    for (int i = 0; i < 3; i++)
        for (long long n = 0; n < blocks[i].n && s->n_layer < (int)sizeof pattern; n++)
            pattern[s->n_layer++] = blocks[i].letter;
    s->pattern = pattern;
    s->n_head_state = (int)number(mamba, "heads");
    s->d_head_state = (int)number(mamba, "head_dim");
    s->d_state = (int)number(mamba, "state");
    s->n_group = (int)number(mamba, "groups");
    s->n_conv = (int)number(mamba, "conv");
}

/* Plain layers first, then those of both ratios in turn: the order does not matter. */
static void shape_compressed(struct shape *s, json_t *dsv4)
{
    static uint32_t ratios[SPARSE_LAYERS];
    long long plain = number(dsv4, "plain"), fours = number(dsv4, "ratio4");
    s->n_layer = (int)number(dsv4, "layers");
    for (int l = 0; l < s->n_layer && l < SPARSE_LAYERS; l++)
        ratios[l] = l < plain ? 0 : l < plain + fours ? 4 : 128;
    s->ratios = ratios;
    s->d_k = s->d_v = (int)number(dsv4, "dim");
    s->window = (int)number(dsv4, "window");
    s->d_index = (int)number(dsv4, "index_dim");
    s->n_head = 64;
    s->n_head_kv = 1;
    s->n_rot = s->n_index_head = 64;
    s->q_rank = s->out_rank = 1024;
    s->top_k = 512;
    s->n_out_group = 8;
    s->n_stream = 4;
    s->n_hash = 3;
}

static void shape_attention(struct shape *s, json_t *entry)
{
    json_t *window = of_kind(entry, "window"), *delta = of_kind(entry, "delta"), *mla = of_kind(entry, "mla"),
           *gqa = of_kind(entry, "gqa"), *kda = of_kind(entry, "kda");
    s->n_layer = (int)(number(gqa, "layers") + number(window, "layers") + number(delta, "layers") +
                       number(mla, "layers") + number(kda, "layers"));
    s->n_head = s->n_head_kv = (int)number(gqa, "kv_heads");
    s->d_k = (int)number(gqa, "dim_k");
    s->d_v = (int)number(gqa, "dim_v");
    s->window = (int)number(window, "window");
    if (window && strcmp(s->arch, "gemma4") == 0) {
        s->n_head = s->n_head_kv_window = (int)number(window, "kv_heads");
        s->d_window = (int)number(window, "dim_k");
        s->window_period = s->n_layer / (int)number(gqa, "layers");
    }
    s->n_head_state = (int)number(delta, "v_heads");
    s->n_group = (int)number(delta, "k_heads");
    s->d_state = (int)number(delta, "dim_k");
    s->n_conv = (int)(number(delta, "conv") + number(kda, "conv"));
    s->d_kda = (int)number(kda, "dim");
    if (!mla)
        return;
    s->kv_rank = (int)number(mla, "kv_lora");
    s->d_index = (int)number(mla, "index_dim");
    s->n_index_head = s->d_index ? 32 : 0;
    s->top_k = 2048;
    s->n_rot = (int)number(mla, "rope");
    s->q_rank = 1536;
    s->n_head = kda ? (int)number(kda, "heads") : 128;
    s->n_head_kv = 1;
    s->d_v = 128;
    s->d_k = s->d_v + s->n_rot;
}

/* Rows that are no whole blocks of Q4_K are taken in Q4_0, which has as many bits a weight. */
static enum block_type type_of(json_t *moe)
{
    if (moe && strcmp(text(moe, "type"), "MXFP4") == 0)
        return TYPE_MXFP4;
    return number(moe, "n_ff") % 256 ? TYPE_Q4_0 : TYPE_Q4_K;
}

static struct shape shape_of(json_t *entry)
{
    json_t *moe = json_object_get(entry, "moe");
    struct shape s = {.arch = text(entry, "arch"),
                      .n_embd = moe ? (int)number(moe, "n_embd") : 1024,
                      .n_ctx = 1 << 20,
                      .n_ff = 256,
                      .n_expert = (int)number(moe, "experts"),
                      .n_used = (int)number(moe, "used"),
                      .n_ff_exp = (int)number(moe, "n_ff"),
                      .n_vocab = 1000,
                      .expert_type = type_of(moe)};
    shape_attention(&s, entry);
    if (of_kind(entry, "mamba2"))
        shape_blocks(&s, entry, of_kind(entry, "mamba2"));
    if (of_kind(entry, "dsv4"))
        shape_compressed(&s, of_kind(entry, "dsv4"));
    s.n_dense = moe ? s.n_layer - (int)number(moe, "layers") : 0;
    s.n_draft = strcmp(s.arch, "glm4moe") == 0;
    return s;
}

/* ---- figures ------------------------------------------------------------------------------------------------------------------ */

static void check_sequences(struct model *m, json_t *want, struct plan *p)
{
    const char *n_ctx;
    json_t *bytes;
    struct error err = {0};
    json_object_foreach(json_object_get(want, "kv_bytes"), n_ctx, bytes)
    {
        struct plan_request request = {
            .how = PLAN_WHOLE, .n_ctx = atoi(n_ctx), .n_chunk = 512, .n_threads = 1, .kv = KV_F16};
        char what[40];
        snprintf(what, sizeof what, "KV at %s", n_ctx);
        if (plan_make(p, m, &request, &err))
            expect(0, "--ctx %s: %s", n_ctx, err.text);
        expect_number(what, p->part[PLAN_KV] - p->kv_table_bytes, json_integer_value(bytes));
    }
    expect_number("KV a token", p->kv_bytes_per_token, number(want, "kv_bytes_per_token"));
    expect_number("KV of windows", p->kv_fixed_bytes, number(want, "kv_fixed_bytes"));
    expect_number("state", p->state_bytes_per_sequence, number(want, "state_bytes_per_sequence"));
    expect(p->part[PLAN_STATE] >= 2 * p->state_bytes_per_sequence, "no room for the state and a snapshot");
}

static void check_experts(const struct model *m, json_t *want, const struct plan *p)
{
    uint64_t expert = 0;
    if (!json_object_get(want, "bank_bytes"))
        return;
    expect(p->n_class == 1 && p->slots[0] == p->class[0].n_expert, "not every expert has a slot");
    for (int i = 0; i < 3; i++)
        expert += m->expert_layer[p->class[0].first_layer].part[i].bytes;
    expect_number("expert", expert, number(want, "expert_bytes"));
    expect_number("bank", p->expert_bytes_total, number(want, "bank_bytes"));
    expect_number("cycle", p->expert_bytes_per_token, number(want, "token_cycle_bytes"));
}

/* Of an unsplit kv_b the key half is kept a second time: layers x heads x d_nope x rank x 4. */
static void check_derived(const struct shape *s, const struct plan *p)
{
    int n_layer = 0;
    for (int l = 0; l < s->n_layer; l++)
        n_layer += !has_kda(s, l);
    uint64_t want = s->kv_b_type ? (uint64_t)n_layer * (uint64_t)s->n_head * (uint64_t)(s->d_k - s->n_rot) *
                                       (uint64_t)s->kv_rank * sizeof(float)
                                 : 0;
    expect_number("kv_b", p->part[PLAN_KV_B], (long long)want);
}

/* Bytes of a row, and rows that a token takes, by the name of the table. */
static void check_tables(const struct model *m, json_t *want)
{
    const char *name;
    json_t *numbers;
    int n = 0;
    json_object_foreach(json_object_get(want, "tables"), name, numbers)
    {
        int at = 0;
        while (at < m->n_table && strcmp(m->table[at].weight->tensor->name, name) != 0)
            at++;
        n++;
        if (at == m->n_table) {
            expect(0, "%s is no table", name);
            continue;
        }
        expect_number(name, m->table[at].weight->mat.row_bytes, json_integer_value(json_array_get(numbers, 0)));
        expect_number(name, (uint64_t)m->table[at].n_take, json_integer_value(json_array_get(numbers, 1)));
    }
    expect(n == 0 || n == m->n_table, "%d tables, expected %d", m->n_table, n);
}

/* What the program tells of the file, in the type of keys and values that the figures are in. */
static void check_inspect(const char *file, int header_only, json_t *want)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    char command[4400];
    snprintf(command, sizeof command, "'%s' inspect '%s' --json%s", program, file, header_only ? " --header-only" : "");
    FILE *f = popen(command, "r");
    json_t *answer = f ? json_loadf(f, 0, NULL) : NULL, *context = json_object_get(answer, "context");
    expect(f && pclose(f) == 0 && answer, "%s tells nothing", command);
    if (answer) {
        expect(strcmp(text(context, "kv_type") ? text(context, "kv_type") : "", "f16") == 0, "inspect is not of f16");
        expect_number("inspect: KV a token", (uint64_t)number(context, "kv_bytes_per_token"),
                      number(want, "kv_bytes_per_token"));
        expect_number("inspect: KV of 1,000 tokens", (uint64_t)number(context, "kv_bytes_per_1000"),
                      1000 * number(want, "kv_bytes_per_token"));
        expect_number("inspect: state", (uint64_t)number(context, "state_bytes_per_sequence"),
                      number(want, "state_bytes_per_sequence"));
    }
    json_decref(answer);
}

/* s: of a file without data; NULL: of a header alone. */
static void check_file(const char *file, const struct shape *s, json_t *want)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct model *m = NULL;
    struct plan p = {0};
    if ((s ? sparse_write(file, s, &err) || gguf_open(&g, file, &err) : gguf_open_header(&g, file, &err)) ||
        model_open(&m, g, &err))
        expect(0, "%s", err.text);
    else {
        check_sequences(m, want, &p);
        check_experts(m, want, &p);
        check_tables(m, want);
        if (s)
            check_derived(s, &p);
        check_inspect(file, !s, want);
    }
    model_close(m);
    gguf_close(g);
}

static void check_header(const char *list, json_t *entry)
{
    char file[4096];
    const char *slash = strrchr(list, '/');
    int n = slash ? (int)(slash - list) + 1 : 0;
    snprintf(file, sizeof file, "%.*s%s", n, list, text(entry, "header"));
    check_file(file, NULL, json_object_get(entry, "expect"));
    verdict(text(entry, "name"), "its header");
}

static void check_entry(const char *list, json_t *entry)
{
    json_t *want = json_object_get(entry, "expect");
    const char *name = text(entry, "name"), *arch = text(entry, "arch");
    if (!arch_by_name(arch)) {
        if (expected_in(expected_archs(), arch) >= 0) {
            expect(0, "the architecture %s does not run", arch);
            verdict(name, arch);
        }
        return;
    }
    if (text(entry, "header")) {
        check_header(list, entry);
        return;
    }
    struct shape s = shape_of(entry);
    check_file(path, &s, want);
    verdict(name, arch);
    if (!s.kv_rank)
        return;
    s.kv_b_type = TYPE_Q8_0;
    check_file(path, &s, want);
    verdict(name, "kv_b in one");
}

static int check_list(const char *list)
{
    json_t *root = json_load_file(list, 0, NULL), *entry;
    size_t i;
    if (!root) {
        fprintf(stderr, "plan_models: %s: no such list, or not JSON\n", list);
        return -1;
    }
    json_array_foreach(json_object_get(root, "models"), i, entry) check_entry(list, entry);
    json_decref(root);
    return 0;
}

int main(int argc, char **argv)
{
    int fd = mkstemp(path), wrong = argc < 2 || fd < 0;
    if (wrong)
        fprintf(stderr, "plan_models LIST.json...: %s\n", fd < 0 ? "no place for temporary files" : "no list");
    if (fd >= 0)
        close(fd);
    for (int i = 1; i < argc && !wrong; i++)
        wrong = check_list(argv[i]);
    unlink(path);
    if (wrong)
        return 2;
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
