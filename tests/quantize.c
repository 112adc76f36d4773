/* links: format base
 *
 * For tests/cli/quantize.sh: makes sources, and holds an output against its source.
 *
 *     quantize make KIND FILE       mixed: 2-D, experts, norms, router of f32, f16 and bf16, some 160 MB
 *                                   small: the same with few rows
 *                                   many: 100,000 tensors; nan, inf, large, tiny: one such value; wide, odd: rows of 30 and of 96
 *                                   bytes: a tensor whose name is no UTF-8, and no licence
 *                                   experts: four tensors of 4,096 small experts, 67 MB
 *     quantize importance IN FILE   importance of all matrices of IN, sparse: in the first column of each tensor something
 *     quantize sparse GIB FILE      about so many GiB of bf16, a mixture of experts; but for the beginning of each tensor a hole
 *     quantize dead FILE            the last three rows of a router become alike: of a tie the first are taken, the last never
 *     quantize line FILE TEXT       adds TEXT to a journal with the hash that makes it a line of its own
 *     quantize hash FILE FROM       of its bytes from FROM on, as journals have it
 *     quantize compare IN OUT TYPE  every value of OUT is that of IN, as exactly as TYPE allows; keys and shapes are those of IN
 *
 * What OUT should be is computed here by other means: distances to what was decoded, never the product's encoders. */
#include "base/half.h"
#include "base/hash.h"
#include "format/gguf.h"
#include "gguf_write.h"
#include "quant_world.h"

#include <math.h>
#include <unistd.h>

enum { COLUMNS = 512, EXPERTS = 4, MANY = 100000 };

static uint64_t state = 88172645463325252u;

static float number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((int64_t)state >> 40) * 0x1p-23f;
}

static void put_numbers(struct gguf_writer *w, enum block_type type, uint64_t n, uint64_t odd_at, float odd)
{
    uint8_t bytes[4096];
    size_t used = 0;
    for (uint64_t i = 0; i < n; i++) {
        float x = i == odd_at ? odd : number();
        uint16_t half = type == TYPE_F16 ? f16_from_f32(x) : bf16_from_f32(x);
        size_t size = type == TYPE_F32 ? 4 : 2;
        if (type == TYPE_F32)
            memcpy(bytes + used, &x, 4);
        else
            memcpy(bytes + used, &half, 2);
        used += size;
        if (used == sizeof bytes || i == n - 1) {
            gguf_write_data(w, bytes, used);
            used = 0;
        }
    }
}

struct source {
    const char *name;
    enum block_type type;
    int n_dims;
    uint64_t ne[3];
};

static void put_keys(struct gguf_writer *w, int has_license)
{
    static const float numbers[] = {1, 2.5f, -3};
    gguf_write_string(w, "general.architecture", "llama", 5);
    gguf_write_u32(w, "llama.block_count", 2);
    gguf_write_f32(w, "llama.rope.freq_base", 10000.5f);
    gguf_write_bool(w, "general.is_test", 1);
    gguf_write_numbers(w, "general.numbers", GGUF_F32, numbers, 3);
    gguf_write_strings(w, "general.tags", (struct gguf_string[]){{"a", 1}, {"bc", 2}}, 2);
    gguf_write_u32(w, "general.file_type", 0);
    if (has_license)
        gguf_write_string(w, "general.license", "mit", 3);
}

static int make(const char *kind, const char *path, struct error *err)
{
    struct gguf_writer w;
    int is_mixed = strcmp(kind, "mixed") == 0, has_bytes = strcmp(kind, "bytes") == 0;
    uint64_t rows = is_mixed ? 16384 : 64, columns = strcmp(kind, "wide") == 0  ? 30
                                                     : strcmp(kind, "odd") == 0 ? 96
                                                                                : COLUMNS;
    const struct source t[] = {
        {"token_embd.weight", TYPE_F32, 2, {columns, rows * 2}},
        {"blk.0.attn_norm.weight", TYPE_F32, 1, {columns}},
        {"blk.0.attn_q.weight", TYPE_BF16, 2, {columns, rows}},
        {"blk.0.ffn_gate_inp.weight", TYPE_F32, 2, {columns, EXPERTS}},
        {"blk.0.ffn_up_exps.weight", TYPE_F16, 3, {columns, rows / 4, EXPERTS}},
        {"blk.0.ffn_down_exps.weight", TYPE_F32, 3, {columns, rows / 4, EXPERTS}},
        {"blk.1.attn_q.weight", TYPE_F32, 2, {columns, rows}},
        {has_bytes ? "blk.1.\xff\xc3.weight" : "blk.1.attn_q.bias", TYPE_F32, 1, {columns}},
        {"output.weight", TYPE_F32, 2, {columns, rows}},
    };
    static const struct {
        const char *kind;
        float value;
    } odds[] = {{"nan", NAN}, {"inf", -INFINITY}, {"large", 70000}, {"tiny", 1e-9f}};
    float odd = 0;
    int has_odd = 0;
    for (size_t i = 0; i < sizeof odds / sizeof *odds && !has_odd; i++) {
        has_odd = strcmp(kind, odds[i].kind) == 0;
        odd = odds[i].value;
    }
    gguf_write_begin(&w, path, 32);
    put_keys(&w, !has_bytes);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        gguf_write_tensor(&w, t[i].name, t[i].type, t[i].n_dims, t[i].ne);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint64_t n = 1;
        for (int d = 0; d < t[i].n_dims; d++)
            n *= t[i].ne[d];
        put_numbers(&w, t[i].type, n, has_odd && i == 6 ? 37 * columns + 201 : UINT64_MAX, odd);
    }
    return gguf_write_end(&w, err);
}

static int make_many(const char *path, struct error *err)
{
    struct gguf_writer w;
    char name[60];
    gguf_write_begin(&w, path, 32);
    put_keys(&w, 1);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "blk.%d.part%d.weight", i / 100, i % 100);
        gguf_write_tensor(&w, name, TYPE_F32, 2, (uint64_t[]){32, 2});
    }
    for (int i = 0; i < MANY; i++)
        put_numbers(&w, TYPE_F32, 64, UINT64_MAX, 0);
    return gguf_write_end(&w, err);
}

static int make_experts(const char *path, struct error *err)
{
    struct gguf_writer w;
    char name[60];
    enum { TENSORS = 4, WIDE = 1024, ROWS = 2, SMALL_EXPERTS = 4096 };
    gguf_write_begin(&w, path, 32);
    put_keys(&w, 1);
    for (int i = 0; i < TENSORS; i++) {
        snprintf(name, sizeof name, "blk.%d.ffn_down_exps.weight", i);
        gguf_write_tensor(&w, name, TYPE_BF16, 3, (uint64_t[]){WIDE, ROWS, SMALL_EXPERTS});
    }
    for (int i = 0; i < TENSORS; i++)
        put_numbers(&w, TYPE_BF16, WIDE * ROWS * SMALL_EXPERTS, UINT64_MAX, 0);
    return gguf_write_end(&w, err);
}

static int make_importance(const char *model, const char *path, struct error *err)
{
    struct gguf *g;
    if (gguf_open_header(&g, model, err))
        return -1;
    struct world_importance *e = calloc(g->n_tensor + 1, sizeof *e);
    size_t n = 0;
    for (uint64_t i = 0; e && i < g->n_tensor; i++)
        if (g->tensor[i].n_dims > 1)
            e[n++] = (struct world_importance){g->tensor[i].name, g->tensor[i].ne[0], g->tensor[i].ne[2], NULL, NULL};
    world_importance(path, e, n);
    free(e);
    gguf_close(g);
    return 0;
}

/* ---- large ------------------------------------------------------------------------------------------------------------------------- */

/* Layers of the 30B-A3B shape, 1.25 GB each, as many as make the size. */
static void put_large(struct gguf_writer *w, int n_layer)
{
    enum { EMBD = 2048, VOCAB = 151936, HIDDEN = 768, N_EXPERT = 128 };
    static const struct source layer[] = {
        {"attn_norm", TYPE_F32, 1, {EMBD}},
        {"attn_q", TYPE_BF16, 2, {EMBD, 4096}},
        {"attn_k", TYPE_BF16, 2, {EMBD, 512}},
        {"attn_v", TYPE_BF16, 2, {EMBD, 512}},
        {"attn_output", TYPE_BF16, 2, {4096, EMBD}},
        {"ffn_norm", TYPE_F32, 1, {EMBD}},
        {"ffn_gate_inp", TYPE_F32, 2, {EMBD, N_EXPERT}},
        {"ffn_gate_exps", TYPE_BF16, 3, {EMBD, HIDDEN, N_EXPERT}},
        {"ffn_up_exps", TYPE_BF16, 3, {EMBD, HIDDEN, N_EXPERT}},
        {"ffn_down_exps", TYPE_BF16, 3, {HIDDEN, EMBD, N_EXPERT}},
    };
    gguf_write_tensor(w, "token_embd.weight", TYPE_BF16, 2, (uint64_t[]){EMBD, VOCAB});
    for (int l = 0; l < n_layer; l++)
        for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
            char name[60];
            snprintf(name, sizeof name, "blk.%d.%s.weight", l, layer[i].name);
            gguf_write_tensor(w, name, layer[i].type, layer[i].n_dims, layer[i].ne);
        }
    gguf_write_tensor(w, "output.weight", TYPE_BF16, 2, (uint64_t[]){EMBD, VOCAB});
}

static int make_sparse(const char *gib, const char *path, struct error *err)
{
    static const double layer_bytes = 1.25e9, rest_bytes = 1.25e9;
    struct gguf_writer w;
    double layers = (atof(gib) * (double)(UINT64_C(1) << 30) - rest_bytes) / layer_bytes;
    gguf_write_begin(&w, path, 32);
    put_keys(&w, 1);
    put_large(&w, layers > 1 ? (int)layers : 1);
    gguf_write_data(&w, "", 0); /* the header */
    for (uint64_t t = 0; t < w.n_tensor && !gguf_write_failed(&w); t++) {
        uint16_t bf16[4096];
        uint64_t most = sizeof bf16, begins = w.size[t] < most ? w.size[t] : most;
        for (size_t i = 0; i < sizeof bf16 / sizeof *bf16; i++)
            bf16[i] = bf16_from_f32(number());
        fwrite(bf16, 1, begins, w.file);
        fseeko(w.file, (off_t)(round_up(w.size[t], 32) - begins), SEEK_CUR);
    }
    if (!gguf_write_failed(&w) && (fflush(w.file) || ftruncate(fileno(w.file), ftello(w.file))))
        error_set(&w.err, ERR_IO, "%s: the file system takes no such hole", path);
    w.next = w.n_tensor;
    return gguf_write_end(&w, err);
}

/* ---- comparing --------------------------------------------------------------------------------------------------------------------- */

static uint8_t *read_tensor(const struct gguf *g, const struct gguf_tensor *t)
{
    uint8_t *bytes = malloc(t->n_bytes);
    for (uint64_t n = 0; bytes && n < t->n_bytes;) {
        ssize_t got = pread(g->file[t->file].fd, bytes + n, t->n_bytes - n, (off_t)(t->offset + n));
        if (got <= 0) {
            free(bytes);
            return NULL;
        }
        n += (uint64_t)got;
    }
    return bytes;
}

/* How far a value may be from what it was: half a step of the type, around it. most: the largest of its block of 32. */
static float allowed(enum block_type type, float x, float most)
{
    switch (type) {
    case TYPE_F16:
        return fabsf(x) * 0x1p-11f + 0x1p-25f;
    case TYPE_BF16:
        return fabsf(x) * 0x1p-8f;
    case TYPE_Q8_0: /* the scale has 11 bits too */
        return most / 127 * 0.5f * (1 + 0x1p-10f) + most * 0x1p-11f;
    default:
        return 0;
    }
}

static int values_agree(const struct gguf_tensor *a, const uint8_t *from, const struct gguf_tensor *b,
                        const uint8_t *to, enum block_type wanted)
{
    uint64_t rows = a->ne[1] * a->ne[2] * a->ne[3], n = a->ne[0], blocks = 32;
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    int agree = x && y;
    for (uint64_t r = 0; agree && r < rows; r++) {
        type_info(a->type)->decode(x, from + r * type_row_bytes(type_info(a->type), n), n);
        type_info(b->type)->decode(y, to + r * type_row_bytes(type_info(b->type), n), n);
        for (uint64_t i = 0; agree && i < n; i++) {
            float most = 0;
            for (uint64_t k = i / blocks * blocks; b->type == TYPE_Q8_0 && k < i / blocks * blocks + blocks; k++)
                most = fmaxf(most, fabsf(x[k]));
            agree = fabsf(x[i] - y[i]) <= allowed(wanted, x[i], most);
            if (!agree)
                printf("%s: row %" PRIu64 ", column %" PRIu64 ": %g became %g\n", a->name, r, i, (double)x[i],
                       (double)y[i]);
        }
    }
    free(x);
    free(y);
    return agree;
}

static int is_kept(const char *name)
{
    return strstr(name, "norm") || strstr(name, "gate_inp") || strstr(name, "bias");
}

static int compare_tensors(const struct gguf *a, const struct gguf *b, int type)
{
    int agree = a->n_tensor == b->n_tensor;
    for (uint64_t i = 0; agree && i < a->n_tensor; i++) {
        const struct gguf_tensor *x = &a->tensor[i], *y = &b->tensor[i];
        enum block_type wanted = type < 0 || is_kept(x->name) ? x->type : (enum block_type)type;
        agree = strcmp(x->name, y->name) == 0 && x->n_dims == y->n_dims && memcmp(x->ne, y->ne, sizeof x->ne) == 0 &&
                y->type == wanted;
        uint8_t *from = agree ? read_tensor(a, x) : NULL, *to = agree ? read_tensor(b, y) : NULL;
        if (x->type == wanted)
            agree = from && to && memcmp(from, to, x->n_bytes) == 0;
        else
            agree = from && to && values_agree(x, from, y, to, wanted);
        free(from);
        free(to);
        if (!agree)
            printf("%s is not what it should be\n", x->name);
    }
    return agree;
}

static int same_text(struct gguf_string a, struct gguf_string b)
{
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static int same_texts(const struct gguf_value *x, const struct gguf_value *y)
{
    for (uint64_t i = 0; i < x->n; i++)
        if (!same_text(x->as.strings[i], y->as.strings[i]))
            return 0;
    return 1;
}

static int same_value(const struct gguf_value *x, const struct gguf_value *y)
{
    if (!y || x->kind != y->kind || x->n != y->n)
        return 0;
    if (x->kind == GGUF_STRING)
        return same_text(x->as.string, y->as.string);
    if (x->kind != GGUF_ARRAY)
        return x->as.u == y->as.u;
    if (x->item != y->item)
        return 0;
    return x->item == GGUF_STRING ? same_texts(x, y)
                                  : memcmp(x->as.items, y->as.items, x->n * gguf_kind_size(x->item)) == 0;
}

static int compare(const char *from, const char *to, const char *type, struct error *err)
{
    struct gguf *a, *b;
    if (gguf_open(&a, from, err))
        return -1;
    if (gguf_open(&b, to, err)) {
        gguf_close(a);
        return -1;
    }
    int agree = compare_tensors(a, b, strcmp(type, "keep") == 0 ? -1 : type_by_name(type));
    for (uint64_t i = 0; agree && i < a->n_value; i++) {
        const char *key = a->value[i].key.text;
        int is_own = strncmp(key, "split.", 6) == 0 || strcmp(key, "general.file_type") == 0 ||
                     strcmp(key, "general.alignment") == 0 || strncmp(key, "stoker.", 7) == 0 ||
                     strcmp(key, "general.quantization_version") == 0;
        agree = is_own || same_value(&a->value[i], gguf_find(b, key));
        if (!agree)
            printf("key %s is not what it was\n", key);
    }
    gguf_close(a);
    gguf_close(b);
    return agree ? 0 : error_set(err, ERR_FORMAT, "%s is not %s as %s", to, from, type);
}

static int add_line(const char *path, const char *text)
{
    FILE *f = fopen(path, "a");
    if (!f)
        return -1;
    fprintf(f, "%s %016llx\n", text, (unsigned long long)hash64(text, strlen(text), 0));
    return fclose(f);
}

/* Routers are f32, a row an expert. */
static int make_dead(const char *path, struct error *err)
{
    struct gguf *g;
    if (gguf_open(&g, path, err))
        return -1;
    const struct gguf_tensor *t = gguf_tensor(g, "blk.2.ffn_gate_inp.weight");
    uint64_t bytes = t ? t->ne[0] * sizeof(float) : 0, last = t ? t->ne[1] - 1 : 0;
    void *row = t && t->type == TYPE_F32 && last >= 2 ? malloc(bytes) : NULL;
    FILE *f = row ? fopen(path, "r+b") : NULL;
    int status = f && pread(fileno(f), row, bytes, (off_t)(t->offset + (last - 2) * bytes)) == (ssize_t)bytes ? 0 : -1;
    for (uint64_t i = last - 1; status == 0 && i <= last; i++)
        status = pwrite(fileno(f), row, bytes, (off_t)(t->offset + i * bytes)) == (ssize_t)bytes ? 0 : -1;
    if (f)
        fclose(f);
    free(row);
    gguf_close(g);
    return status ? error_set(err, ERR_FORMAT, "%s has no such router", path) : 0;
}

static int print_hash(const char *path, long from)
{
    FILE *f = fopen(path, "rb");
    struct hash_stream *h = hash_begin();
    int failed = !f || !h || fseek(f, from, SEEK_SET) != 0;
    for (int c; !failed && (c = getc(f)) != EOF;)
        hash_add(h, &(uint8_t){(uint8_t)c}, 1);
    printf("%016llx\n", (unsigned long long)hash_end(h));
    return !f || fclose(f) || failed;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    int status = -1;
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        status = strcmp(argv[2], "many") == 0      ? make_many(argv[3], &err)
                 : strcmp(argv[2], "experts") == 0 ? make_experts(argv[3], &err)
                                                   : make(argv[2], argv[3], &err);
    else if (argc == 4 && strcmp(argv[1], "importance") == 0)
        status = make_importance(argv[2], argv[3], &err);
    else if (argc == 4 && strcmp(argv[1], "line") == 0)
        status = add_line(argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "hash") == 0)
        status = print_hash(argv[2], atol(argv[3]));
    else if (argc == 4 && strcmp(argv[1], "sparse") == 0)
        status = make_sparse(argv[2], argv[3], &err);
    else if (argc == 3 && strcmp(argv[1], "dead") == 0)
        status = make_dead(argv[2], &err);
    else if (argc == 5 && strcmp(argv[1], "compare") == 0)
        status = compare(argv[2], argv[3], argv[4], &err);
    else
        error_set(&err, ERR_INPUT,
                  "quantize make KIND FILE | importance IN FILE | sparse GIB FILE | dead FILE | hash FILE FROM | "
                  "compare IN OUT TYPE");
    if (status)
        fprintf(stderr, "quantize: %s\n", err.text);
    return status ? 1 : 0;
}
