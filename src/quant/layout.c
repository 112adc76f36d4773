/* Where everything of the output lies: which tensors are in which part, at which offsets, under which names.
 *
 *     part     header | tensor, padded to the alignment | tensor, padded | ...       a tensor never crosses parts
 *     names    OUT, or of several parts OUT-00001-of-00003.gguf; while they are written with .part behind them
 *
 * The first part holds all keys; the others those that make them parts of a set. */
#include "quant/inside.h"

#include "base/checked.h"
#include "format/header_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SPLIT_KEYS = 3, PARTS_MOST = 65535 /* split.count is a u16 */ };

static void put_split_keys(const struct quant_job *j, int i, struct header_out *o)
{
    struct gguf_value no = header_u64("split.no", GGUF_U16, (uint64_t)i),
                      count = header_u64("split.count", GGUF_U16, (uint64_t)j->n_part),
                      tensors = header_u64("split.tensors.count", GGUF_I32, j->in->n_tensor),
                      align = header_u64("general.alignment", GGUF_U32, j->alignment);
    header_put_value(o, &no);
    header_put_value(o, &count);
    header_put_value(o, &tensors);
    if (i > 0 && j->alignment != HEADER_ALIGNMENT)
        header_put_value(o, &align);
}

static uint64_t keys_of(const struct quant_job *j, int i)
{
    uint64_t n = i == 0 ? j->n_value : j->alignment != HEADER_ALIGNMENT;
    return n + (j->n_part > 1 ? SPLIT_KEYS : 0);
}

uint64_t quant_header(const struct quant_job *j, int i, uint8_t *p)
{
    const struct quant_part *part = &j->part[i];
    struct header_out o = {.p = p};
    header_put_head(&o, part->n, keys_of(j, i));
    for (uint64_t k = 0; i == 0 && k < j->n_value; k++)
        header_put_value(&o, &j->value[k]);
    if (j->n_part > 1)
        put_split_keys(j, i, &o);
    for (uint64_t t = part->first; t < part->first + part->n; t++)
        header_put_tensor(&o, j->in->tensor[t].name, j->in->tensor[t].n_dims, j->in->tensor[t].ne, j->tensor[t].type,
                          j->tensor[t].offset);
    header_put_padding(&o, j->alignment);
    return o.n;
}

uint64_t quant_units(const struct quant_job *j, uint64_t t)
{
    const struct gguf_tensor *from = &j->in->tensor[t];
    return quant_is_copied(j, t) ? from->n_bytes : from->ne[1] * from->ne[2] * from->ne[3];
}

uint64_t quant_out_unit(const struct quant_job *j, uint64_t t)
{
    return quant_is_copied(j, t) ? 1 : type_row_bytes(type_info(j->tensor[t].type), j->in->tensor[t].ne[0]);
}

/* ---- parts ---------------------------------------------------------------------------------------------------------------------- */

/* Bytes of a tensor's record in a header. */
static uint64_t record_bytes(const struct gguf_tensor *t)
{
    return 8 + strlen(t->name) + 4 + 8 * (uint64_t)t->n_dims + 4 + 8;
}

/* Bytes of a part's header without tensors, if there are several parts. */
static uint64_t bare_header(const struct quant_job *j, int i)
{
    struct header_out o = {0};
    header_put_head(&o, 0, 0);
    for (uint64_t k = 0; i == 0 && k < j->n_value; k++)
        header_put_value(&o, &j->value[k]);
    put_split_keys(j, i, &o);
    return o.n;
}

struct cutting {
    struct quant_part *part; /* [n] is filled; NULL: only counted */
    uint64_t n, header, data;
};

static void begin_part(const struct quant_job *j, struct cutting *c, uint64_t first)
{
    c->header = bare_header(j, c->n > 0);
    c->data = 0;
    if (c->part)
        c->part[c->n].first = first;
    c->n++;
}

/* 1: tensor t has room behind so many bytes of a header and of data. */
static int fits(const struct quant_job *j, uint64_t t, uint64_t header, uint64_t data)
{
    uint64_t most = j->options->split, bytes = round_up(header + record_bytes(&j->in->tensor[t]), j->alignment) + data +
                                               round_up(j->tensor[t].n_bytes, j->alignment);
    return !most || bytes <= most;
}

/* 1: tensor t begins a part. The keys that the first part has may leave no room for a tensor that has room elsewhere: then it has none. */
static int is_first(const struct quant_job *j, const struct cutting *c, uint64_t t)
{
    return !fits(j, t, c->header, c->data) && (t > 0 || fits(j, t, bare_header(j, 1), 0));
}

static void add_tensor(struct quant_job *j, struct cutting *c, uint64_t t)
{
    j->tensor[t].part = (int)(c->n - 1);
    j->tensor[t].offset = c->data;
    c->header += record_bytes(&j->in->tensor[t]);
    c->data += round_up(j->tensor[t].n_bytes, j->alignment);
    if (c->part) {
        c->part[c->n - 1].n++;
        c->part[c->n - 1].data = c->data;
    }
}

/* Gives every tensor its part and its place there. Returns how many parts there are; part is filled where it is not NULL. */
static uint64_t cut(struct quant_job *j, struct quant_part *part)
{
    struct cutting c = {.part = part};
    int keep = j->options->keep_split;
    begin_part(j, &c, 0);
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        while (keep && c.n <= (uint64_t)j->in->tensor[t].file) /* parts without tensors too */
            begin_part(j, &c, t);
        if (is_first(j, &c, t))
            begin_part(j, &c, t);
        add_tensor(j, &c, t);
    }
    while (keep && c.n < (uint64_t)j->in->n_file)
        begin_part(j, &c, j->in->n_tensor);
    return c.n;
}

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

/* STEM, the number of part i where there are several, END. i -1: of all parts together. */
static char *name(struct quant_job *j, int stem, int i, const char *end, const char *behind)
{
    char number[40] = "";
    if (j->n_part > 1 && i >= 0)
        snprintf(number, sizeof number, "-%05d-of-%05d", i + 1, j->n_part);
    size_t n = (size_t)stem + strlen(number) + strlen(end) + strlen(behind) + 1;
    char *text = arena_alloc(&j->arena, n);
    if (text)
        snprintf(text, n, "%.*s%s%s%s", stem, j->options->out, number, end, behind);
    return text;
}

static int is_numbered(const char *out)
{
    enum { SUFFIX = 20 };
    size_t n = strlen(out);
    int part, count, end = 0;
    return n >= SUFFIX && sscanf(out + n - SUFFIX, "-%5d-of-%5d.gguf%n", &part, &count, &end) == 2 && end == SUFFIX;
}

static int set_names(struct quant_job *j, struct error *err)
{
    const char *out = j->options->out;
    size_t n = strlen(out);
    int has_end = n > 5 && strcmp(out + n - 5, ".gguf") == 0, stem = (int)(has_end ? n - 5 : n);
    const char *end = has_end ? ".gguf" : "";
    if (n == 0 || out[n - 1] == '/')
        return error_set(err, ERR_INPUT, "OUT \"%s\" names no file", out);
    if (is_numbered(out))
        return error_set(err, ERR_INPUT,
                         "%s: a name of one part; name the whole, and parts get their numbers by themselves", out);
    if (j->n_part > 1 && !has_end)
        return error_set(err, ERR_INPUT, "%s: the parts of a split model end in .gguf, so OUT must too", out);
    j->journal = name(j, stem, -1, end, ".journal");
    for (int i = 0; i < j->n_part; i++) {
        j->part[i].path = name(j, stem, i, end, "");
        j->part[i].temporary = name(j, stem, i, end, ".part");
        if (!j->part[i].path || !j->part[i].temporary || !j->journal)
            return error_set(err, ERR_MEMORY, "%s: no memory for its names", out);
    }
    return 0;
}

int quant_layout(struct quant_job *j, struct error *err)
{
    uint64_t all = 0;
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        const struct gguf_tensor *from = &j->in->tensor[t];
        const struct block_info *b = type_info(j->tensor[t].type);
        uint64_t n = from->ne[0] / (uint64_t)b->block, most = UINT64_MAX / 4;
        if (!checked_mul(n, (uint64_t)b->bytes, &n) || !checked_mul(n, from->ne[1], &n) ||
            !checked_mul(n, from->ne[2], &n) || !checked_mul(n, from->ne[3], &n) || n > most - all)
            return error_set(err, ERR_INPUT, "%s: %s: as %s it takes more bytes than a file has", j->options->in,
                             from->name, b->name);
        j->tensor[t].n_bytes = n;
        all += n;
    }
    uint64_t n = cut(j, NULL);
    if (n > PARTS_MOST)
        return error_set(err, ERR_INPUT,
                         "%s: %" PRIu64 " parts; at most %d are possible: --split-max-size is too small",
                         j->options->out, n, PARTS_MOST);
    j->part = arena_array(&j->arena, n, sizeof *j->part);
    if (!j->part)
        return error_set(err, ERR_MEMORY, "%s: no memory for its parts", j->options->out);
    j->n_part = (int)n;
    cut(j, j->part);
    for (int i = 0; i < j->n_part; i++) {
        j->part[i].header = quant_header(j, i, NULL);
        j->n_bytes += j->part[i].header + j->part[i].data;
    }
    return set_names(j, err);
}
