/* See quant.h. A job lives in its own arena; the source's description in that of the GGUF reader. */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/checked.h"
#include "base/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const share_names[QUANT_SHARES] = {"code",    "index",  "importance", "slabs",
                                                      "scratch", "stacks", "slack"};
static const char *const why_names[QUANT_WHY_COUNT] = {"base", "preset", "rule", "protected"};

const char *quant_share_name(enum quant_share s) { return share_names[s]; }
const char *quant_why_name(enum quant_why w) { return why_names[w]; }

int quant_is_copied(const struct quant_job *j, uint64_t t) { return j->tensor[t].type == j->in->tensor[t].type; }

/* XXH3 of all that stands before a file's data: another source of the same name and size is seen. A beginning may end in what pads it. */
static int hash_header(const struct gguf_file *f, int is_beginning, uint64_t *hash, struct error *err)
{
    enum { PIECE = 64 << 10 };
    char *piece = malloc(PIECE);
    struct hash_stream *h = hash_begin();
    int status = piece && h ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for a hash of its header", f->path);
    uint64_t end = f->data_start < f->size ? f->data_start : f->size;
    for (uint64_t at = 0; status == 0 && at < end;) {
        ssize_t n = pread(f->fd, piece, end - at < PIECE ? (size_t)(end - at) : PIECE, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 && is_beginning)
            break;
        if (n <= 0)
            status = error_set(err, ERR_IO, "%s: reading its header failed: %s", f->path,
                               n < 0 ? strerror(errno) : "it has become shorter");
        else
            hash_add(h, piece, (size_t)n);
        at += n > 0 ? (uint64_t)n : 0;
    }
    *hash = hash_end(h);
    free(piece);
    return status;
}

static int open_source(struct quant_job *j, struct error *err)
{
    const char *in = j->options->in;
    if (j->options->header_only ? gguf_open_header(&j->in, in, err) : gguf_open(&j->in, in, err))
        return -1;
    j->source_hash = arena_array(&j->arena, (size_t)j->in->n_file, sizeof *j->source_hash);
    j->tensor = arena_array(&j->arena, j->in->n_tensor + 1, sizeof *j->tensor);
    if (!j->source_hash || !j->tensor)
        return error_set(err, ERR_MEMORY, "%s: no memory for its %" PRIu64 " tensors", j->options->in, j->in->n_tensor);
    for (int i = 0; i < j->in->n_file; i++)
        if (hash_header(&j->in->file[i], j->options->header_only, &j->source_hash[i], err))
            return -1;
    return 0;
}

static int open_importance(struct quant_job *j, struct error *err)
{
    const struct quant_options *o = j->options;
    if (o->imatrix && importance_open(&j->importance, o->imatrix, err))
        return -1;
    if (j->importance && o->prior)
        j->importance->prior = (float)*o->prior;
    return 0;
}

static int set_alignment(struct quant_job *j, struct error *err)
{
    uint32_t a = j->options->align ? j->options->align : j->in->alignment;
    j->alignment = a;
    if (a < 8 || a > 1 << 20 || (a & (a - 1)))
        return error_set(err, ERR_INPUT, "--align %" PRIu32 ": a power of two from 8 to 1048576 is needed", a);
    return 0;
}

int quant_open(struct quant_job **out, const struct quant_options *o, struct error *err)
{
    struct quant_job *j = calloc(1, sizeof *j);
    *out = NULL;
    if (!j)
        return error_set(err, ERR_MEMORY, "%s: no memory to open it", o->in);
    j->options = o;
    arena_init_growing(&j->arena);
    if (open_source(j, err) || open_importance(j, err) || set_alignment(j, err) || quant_decide(j, err) ||
        quant_keys(j, err) || quant_layout(j, err) || quant_plan(j, err)) {
        quant_close(j);
        return -1;
    }
    *out = j;
    return 0;
}

void quant_close(struct quant_job *j)
{
    if (!j)
        return;
    gguf_close(j->in);
    importance_close(j->importance);
    arena_free(&j->arena);
    free(j);
}
