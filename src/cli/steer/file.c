/* A control vector, written: what its header says. See steer.h. */
#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/steer/steer.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS = 40, KEY_NAME = 64 };

struct header {
    struct vector_key key[KEYS];
    char name[KEYS][KEY_NAME];
    size_t n;
};

static void add(struct header *h, const char *name, enum gguf_kind kind, const char *text, double number)
{
    snprintf(h->name[h->n], KEY_NAME, "%s", name);
    h->key[h->n] = (struct vector_key){h->name[h->n], kind, text, number};
    h->n++;
}

static void add_text(struct header *h, const char *name, const char *text)
{
    if (text && *text)
        add(h, name, GGUF_STRING, text, 0);
}

/* The name of the content, as vector.h has it. */
static void hash_rows(const struct vector_row *row, size_t n, int n_embd, char out[2 * SHA256_BYTES + 1])
{
    struct sha256 all;
    uint8_t sum[SHA256_BYTES];
    sha256_begin(&all);
    for (size_t i = 0; i < n; i++)
        sha256_add(&all, row[i].v, (size_t)n_embd * sizeof *row[i].v);
    sha256_end(&all, sum);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static void add_operation(struct header *h, const struct steer_file *f, const char *hash)
{
    const char *hook = f->hook ? f->hook : vector_hook_name(VECTOR_LAYER);
    add_text(h, "glp.mode", vector_kind_name(f->projects ? VECTOR_PROJECT : VECTOR_ADD));
    add(h, "glp.spec_version", GGUF_U32, NULL, 1);
    add_text(h, "glp.hook_point", hook);
    if (f->is_measured_there)
        add_text(h, "glp.derived_at", hook);
    add(h, "glp.rank", GGUF_U32, NULL, 1);
    if (f->projects)
        add(h, "glp.alpha_default", GGUF_F32, NULL, 1);
    add_text(h, "glp.method", f->method);
    add_text(h, "glp.content_sha256", hash);
}

static void make_header(struct header *h, const struct steer_command *c, const struct steer_file *f, size_t n,
                        const char *hash)
{
    const char *slash = strrchr(c->out, '/'), *stem = slash ? slash + 1 : c->out;
    static char title[VECTOR_TEXT];
    size_t length = strlen(stem) > strlen(".gguf") ? strlen(stem) - strlen(".gguf") : strlen(stem);
    snprintf(title, sizeof title, "%.*s", (int)length, stem);
    h->n = 0;
    add_text(h, "general.architecture", "controlvector");
    add_text(h, "general.name", c->title ? c->title : title);
    add_text(h, "general.license", c->license);
    if (f->base_model && *f->base_model)
        add(h, "general.base_model.count", GGUF_U32, NULL, 1);
    add_text(h, "general.base_model.0.name", f->base_model);
    add_text(h, "controlvector.model_hint", f->model_hint);
    add(h, "controlvector.layer_count", GGUF_I32, NULL, (double)n);
    add_text(h, "controlvector.stoker.method", f->method);
    for (size_t i = 0; i < f->n_more; i++) {
        char name[KEY_NAME];
        snprintf(name, sizeof name, "controlvector.stoker.%s", f->more[i].key);
        add_text(h, name, f->more[i].value);
    }
    if (f->scale > 0)
        add(h, VECTOR_SUGGESTION, GGUF_F64, NULL, f->scale);
    add_text(h, "controlvector.stoker.version", stoker_version());
    if (f->projects || f->hook)
        add_operation(h, f, hash);
}

int steer_write_file(const struct steer_command *c, const struct steer_file *f, const struct vector_row *row, size_t n,
                     int n_embd)
{
    char hash[2 * SHA256_BYTES + 1];
    struct header h;
    struct part_file p = {.fd = -1};
    size_t bytes;
    hash_rows(row, n, n_embd, hash);
    make_header(&h, c, f, n, hash);
    uint8_t *file = vector_write(h.key, h.n, row, n, n_embd, &bytes);
    if (!file) {
        fprintf(stderr, "stoker %s: no memory for the %zu bytes of the file\n", c->name, bytes);
        return 1;
    }
    int status = part_open(&p, c->name, c->out);
    status = status ? status : part_write(&p, file, bytes, 0);
    status = status ? status : part_finish(&p);
    part_close(&p);
    free(file);
    if (!status)
        printf("%s: %s, layers %d-%d, sha256 %.16s..\n", c->out,
               vector_kind_name(f->projects ? VECTOR_PROJECT : VECTOR_ADD), row[0].layer, row[n - 1].layer, hash);
    return status;
}
