/* links: format base */
/* Control vectors: what files say is read; what is not understood is refused with a sentence; a file cut at any byte or with any byte of
 * its header changed is refused or read, never more. Files are made in a temporary folder. */
#include "format/vector.h"

#include "base/half.h"
#include "gguf_write.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { E = 8, MOST = 1 << 20 };

static char folder[TEMPORARY_PATH];
static int dir;

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder(folder, "vector") == 0 && (dir = open(folder, O_RDONLY | O_DIRECTORY)) >= 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[80];
    (void)state;
    close(dir);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* A key with a text; a number where text is NULL. */
struct key {
    const char *name, *text;
    float number;
};

struct tensor {
    const char *name;
    enum block_type type;
    uint64_t n; /* 0: E */
    int two;    /* dimensions */
    float value[E];
};

/* A file of these; the lists end with a name that is NULL. */
static void write_file(const char *name, const struct key *k, const struct tensor *t)
{
    char path[200];
    struct gguf_writer w;
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    gguf_write_begin(&w, path, 32);
    for (; k && k->name; k++)
        if (k->text)
            gguf_write_string(&w, k->name, k->text, strlen(k->text));
        else
            gguf_write_f32(&w, k->name, k->number);
    for (const struct tensor *i = t; i->name; i++)
        gguf_write_tensor(&w, i->name, i->type, 1 + i->two, (uint64_t[]){i->n ? i->n : E, 2});
    for (; t->name; t++)
        for (uint64_t i = 0; i < (t->n ? t->n : E) << t->two; i++) {
            float f = t->value[i % E];
            uint16_t h = t->type == TYPE_BF16 ? (uint16_t)(f32_bits(f) >> 16) : f16_from_f32(f);
            gguf_write_data(&w, t->type == TYPE_F32 ? (void *)&f : (void *)&h, t->type == TYPE_F32 ? 4 : 2);
        }
    assert_int_equal(gguf_write_end(&w, &err), 0);
}

static struct vector *open_it(const char *name)
{
    struct error err = {0};
    struct vector *v = NULL;
    if (vector_open(&v, dir, name, MOST, &err))
        fail_msg("%s", err.text);
    return v;
}

/* Refused by a sentence that has these words. */
static void refused(const char *name, const char *words)
{
    struct error err = {0};
    struct vector *v = NULL;
    assert_int_equal(vector_open(&v, dir, name, MOST, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in: %s", words, err.text);
}

#define UP                                                                                                             \
    {                                                                                                                  \
        1, 2, -3, 0.5f, 0, 0, 4, -0.25f                                                                                \
    }
#define UNIT                                                                                                           \
    {                                                                                                                  \
        0.6f, 0, 0, -0.8f                                                                                              \
    }

static const struct tensor plain[] = {{"direction.1", TYPE_F32, 0, 0, UP},
                                      {"direction.3", TYPE_F16, 0, 0, UP},
                                      {"direction.2", TYPE_BF16, 0, 0, UP},
                                      {0}};
static const struct tensor unit[] = {{"direction.2", TYPE_F32, 0, 0, UNIT}, {0}};

static void reads(void **state)
{
    (void)state;
    static const struct key keys[] = {{"general.architecture", "controlvector", 0},
                                      {"general.license", "MIT\n", 0},
                                      {"controlvector.model_hint", "llama", 0},
                                      {0}};
    struct error err = {0};
    uint64_t bytes = 0;
    write_file("plain.gguf", keys, plain);
    struct vector *v = open_it("plain.gguf");
    assert_int_equal(v->kind, VECTOR_ADD);
    assert_int_equal(v->hook, VECTOR_LAYER);
    assert_int_equal(v->n_embd, E);
    assert_int_equal(v->first, 1);
    assert_int_equal(v->last, 3);
    assert_int_equal(v->n_held, 3);
    assert_null(v->direction[0].v);
    for (int l = 1; l <= 3; l++)
        assert_memory_equal(v->direction[l].v, plain[0].value, sizeof plain[0].value);
    assert_true(fabs(v->direction[1].norm - sqrt(30.3125)) < 1e-12);
    assert_memory_equal(v->direction[1].sha256, v->direction[3].sha256, SHA256_BYTES);
    assert_string_equal(v->texts.license, "MIT?");
    assert_string_equal(v->texts.model_hint, "llama");
    assert_string_equal(v->file, "plain.gguf");
    assert_int_equal(vector_bytes(dir, "plain.gguf", &bytes, &err), 0);
    assert_int_equal(bytes, v->bytes);
    assert_int_equal(vector_check_model(v, 4, E, NULL, &err), 0);
    assert_int_equal(vector_check_model(v, 3, E, NULL, &err), -1);
    assert_non_null(strstr(err.text, "direction.3: the model has 3 layers"));
    err = (struct error){0};
    assert_int_equal(vector_check_model(v, 4, 9, NULL, &err), -1);
    vector_close(v);
    struct vector *none = NULL;
    err = (struct error){0};
    assert_int_equal(vector_open(&none, dir, "plain.gguf", bytes - 1, &err), -1);
    assert_int_equal(err.code, ERR_MEMORY);
}

static void projections(void **state)
{
    (void)state;
    static const struct key keys[] = {{"glp.mode", "project", 0},
                                      {"glp.hook_point", "ffn_out_pre_residual", 0},
                                      {"glp.derived_at", "residual_stream_post_layer", 0},
                                      {"glp.alpha_default", "0.5", 0},
                                      {"glp.spec_version", NULL, 1},
                                      {"glp.rank", NULL, 1},
                                      {"dspark.mode", "project", 0},
                                      {0}};
    static const struct tensor nearly[] = {{"direction.1", TYPE_F32, 0, 0, {0.6003f, 0, 0, -0.8003f}}, {0}};
    const uint8_t no_ffn[] = {7, 7, 1 << VECTOR_ATTN | 1 << VECTOR_LAYER}, all[] = {7, 7, 7};
    struct error err = {0};
    write_file("project.gguf", keys, unit);
    struct vector *v = open_it("project.gguf");
    assert_int_equal(v->kind, VECTOR_PROJECT);
    assert_int_equal(v->hook, VECTOR_FFN);
    assert_true(v->scale == 0.5f);
    assert_int_equal(v->hook_differs, 1);
    assert_memory_equal(v->direction[2].v, unit[0].value, sizeof unit[0].value);
    assert_int_equal(vector_check_model(v, 3, E, all, &err), 0);
    assert_int_equal(vector_check_model(v, 3, E, no_ffn, &err), -1);
    vector_close(v);
    write_file("nearly.gguf", keys, nearly);
    v = open_it("nearly.gguf");
    double norm = sqrt((double)0.6003f * (double)0.6003f + (double)0.8003f * (double)0.8003f);
    assert_true(v->direction[1].v[0] == (float)((double)0.6003f / norm));
    assert_true(v->direction[1].norm == norm);
    vector_close(v);
}

/* A scale to begin with says nothing of what is done, so a file has the same content with it; of a projection it means nothing. */
static void suggests(void **state)
{
    (void)state;
    static const struct key scale[] = {{"controlvector.stoker.scale", NULL, 24}, {0}};
    static const struct key project[] = {{"glp.mode", "project", 0}, {"controlvector.stoker.scale", NULL, 24}, {0}};
    write_file("plain.gguf", NULL, plain);
    write_file("scale.gguf", scale, plain);
    write_file("project.gguf", project, unit);
    struct vector *a = open_it("plain.gguf"), *b = open_it("scale.gguf"), *c = open_it("project.gguf");
    assert_true(a->suggested == 0 && b->suggested == 24 && c->suggested == 0);
    assert_true(b->scale == 1);
    assert_string_equal(a->sha256, b->sha256);
    vector_close(a);
    vector_close(b);
    vector_close(c);
}

static void keys_refused(void **state)
{
    (void)state;
    static const struct {
        struct key key[4];
        const char *words;
    } cases[] = {
        {{{"general.architecture", "qwen3moe", 0}}, "is a qwen3moe model, not a control vector"},
        {{{"general.architecture", "glp", 0}}, "no glp.mode"},
        {{{"glp.rank", NULL, 1}}, "no glp.mode"},
        {{{"glp.mode", "multiply", 0}}, "add, project are known"},
        {{{"glp.mode", NULL, 1}}, "add, project are known"},
        {{{"glp.mode", "add", 0}, {"glp.hook_point", "elsewhere", 0}}, "elsewhere"},
        {{{"glp.mode", "add", 0}, {"glp.spec_version", NULL, 2}}, "version 1 and rank 1"},
        {{{"glp.mode", "add", 0}, {"glp.rank", "2", 0}}, "version 1 and rank 1"},
        {{{"glp.mode", "project", 0}, {"glp.alpha_default", "much", 0}}, "no finite number"},
        {{{"glp.mode", "project", 0}, {"glp.alpha_default", NULL, 1001}}, "from -1000 to 1000"},
        {{{"glp.mode", "project", 0}, {"dspark.mode", "add", 0}}, "differ"},
        {{{"glp.mode", "project", 0}, {"split.count", NULL, 1}}, "split.count"},
        {{{"controlvector.stoker.scale", "24", 0}}, "a number"},
        {{{"controlvector.stoker.scale", NULL, 1001}}, "controlvector.stoker.scale is 1001, but must be 0 to 1000"},
        {{{"controlvector.stoker.scale", NULL, -1}}, "must be 0 to 1000"},
        {{{"controlvector.stoker.scale", NULL, NAN}}, "must be 0 to 1000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file("case.gguf", cases[i].key, unit);
        refused("case.gguf", cases[i].words);
    }
}

static void tensors_refused(void **state)
{
    (void)state;
    static const struct key project[] = {{"glp.mode", "project", 0}, {0}};
    static const struct {
        struct tensor t[3];
        const char *words;
        const struct key *key;
    } cases[] = {
        {{{"direction.0", TYPE_F32, 0, 0, UP}}, "direction.0", NULL},
        {{{"direction.01", TYPE_F32, 0, 0, UP}}, "direction.01", NULL},
        {{{"direction.3.x", TYPE_F32, 0, 0, UP}}, "direction.3.x", NULL},
        {{{"direction.", TYPE_F32, 0, 0, UP}}, "direction.N", NULL},
        {{{"direction.-1", TYPE_F32, 0, 0, UP}}, "direction.N", NULL},
        {{{"direction.100000", TYPE_F32, 0, 0, UP}}, "direction.N", NULL},
        {{{"direction.99999", TYPE_F32, 0, 0, UP}}, "4096 layers", NULL},
        {{{"direction.1", TYPE_F32, 0, 0, UP}, {"blk.0.attn_q.weight", TYPE_F32, 0, 0, UP}}, "no others", NULL},
        {{{"direction.1", TYPE_I16, 0, 0, UP}}, "f32, f16 or bf16", NULL},
        {{{"direction.1", TYPE_F32, 0, 1, UP}}, "one row", NULL},
        {{{"direction.1", TYPE_F32, 0, 0, UP}, {"direction.2", TYPE_F32, 9, 0, UP}}, "9 values", NULL},
        {{{"direction.1", TYPE_F32, 0, 0, {1, NAN}}}, "value 1 is not finite", NULL},
        {{{"direction.1", TYPE_F16, 0, 0, {1, 2, NAN}}}, "value 2 is not finite", NULL},
        {{{"direction.1", TYPE_BF16, 0, 0, {INFINITY}}}, "value 0 is not finite", NULL},
        {{{"direction.1", TYPE_F32, 0, 0, UP}}, "unit vectors", project},
        {{{"direction.1", TYPE_F32, 0, 0, {0}}}, "unit vectors", project},
        {{{0}}, "no direction", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file("case.gguf", cases[i].key, cases[i].t);
        refused("case.gguf", cases[i].words);
    }
}

static void names_refused(void **state)
{
    (void)state;
    char at[200], to[200], name[301];
    write_file("there.gguf", NULL, unit);
    snprintf(at, sizeof at, "%s/link.gguf", folder);
    snprintf(to, sizeof to, "%s/there.gguf", folder);
    assert_int_equal(symlink(to, at), 0);
    snprintf(at, sizeof at, "%s/.hidden", folder);
    assert_int_equal(link(to, at), 0);
    snprintf(at, sizeof at, "%s/inside", folder);
    assert_int_equal(mkdir(at, 0700), 0);
    memset(name, 'x', 300);
    name[300] = 0;
    refused("link.gguf", "a link");
    refused(".hidden", "without \".\"");
    refused("../there.gguf", "without \"/\"");
    refused(to, "without \"/\"");
    refused("", "without \"/\"");
    refused(name, "of at most 255 bytes");
    refused("inside", "a folder");
    refused("absent.gguf", "cannot be opened");
    vector_close(open_it("there.gguf"));
}

static size_t contents(const char *name, uint8_t *to, size_t room)
{
    int fd = openat(dir, name, O_RDONLY);
    ssize_t n = read(fd, to, room);
    close(fd);
    assert_true(n > 0);
    return (size_t)n;
}

static void put(const char *name, const uint8_t *bytes, size_t n)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static void damaged(void **state)
{
    (void)state;
    static const struct key keys[] = {{"general.architecture", "controlvector", 0},
                                      {"glp.mode", "add", 0},
                                      {"controlvector.stoker.scale", NULL, 24},
                                      {0}};
    uint8_t bytes[4096], changed[4096];
    write_file("sound.gguf", keys, plain);
    size_t n = contents("sound.gguf", bytes, sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        struct error err = {0};
        struct vector *v = NULL;
        put("cut.gguf", bytes, cut);
        if (vector_open(&v, dir, "cut.gguf", MOST, &err) == 0)
            assert_true(cut > n - 32); /* padding alone */
        else
            assert_true(err.code != ERR_NONE && err.text[0]);
        vector_close(v);
    }
    for (size_t at = 0; at < n; at++)
        for (int bit = 0; bit < 8; bit++) {
            struct error err = {0};
            struct vector *v = NULL;
            memcpy(changed, bytes, n);
            changed[at] ^= (uint8_t)(1 << bit);
            put("changed.gguf", changed, n);
            if (vector_open(&v, dir, "changed.gguf", MOST, &err))
                assert_true(err.code != ERR_NONE && err.text[0]);
            else
                assert_true(v->suggested >= 0 && v->suggested <= 1000);
            vector_close(v);
        }
}

static void too_large(void **state)
{
    (void)state;
    char path[200];
    write_file("large.gguf", NULL, unit);
    snprintf(path, sizeof path, "%s/large.gguf", folder);
    assert_int_equal(truncate(path, (64 << 20) + 1), 0);
    refused("large.gguf", "at most 67108864 are read");
    char *text = malloc((1 << 20) + 1);
    memset(text, 'a', 1 << 20);
    text[1 << 20] = 0;
    const struct key keys[] = {{"general.name", text, 0}, {0}};
    write_file("header.gguf", keys, unit);
    refused("header.gguf", "not over after 1048576 bytes (in key general.name), more than are read");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads),           cmocka_unit_test(projections),
                                       cmocka_unit_test(suggests),        cmocka_unit_test(keys_refused),
                                       cmocka_unit_test(tensors_refused), cmocka_unit_test(names_refused),
                                       cmocka_unit_test(damaged),         cmocka_unit_test(too_large)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
