/* Reading the header of one GGUF file: see gguf_header.h. */
#include "format/gguf_header.h"

#include "base/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "items of arrays are used as they lie in the file");

enum {
    BUFFER = 1 << 20,
    POOL = 1 << 16,
    HEADER_MAX = 256 << 20, /* the largest vocabularies make headers of 20 MiB */
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MAX = 1 << 20,
    MIN_VALUE = 8 + 4 + 1,          /* the fewest bytes of a key with its value: empty key, one byte */
    MIN_TENSOR = 8 + 4 + 8 + 4 + 8, /* and of a tensor's record: empty name, one dimension */
    N_KIND = GGUF_F64 + 1,
    SHOWN = 64 /* characters of a name in a sentence */
};
#define FILE_MAX                                                                                                       \
    ((uint64_t)1 << 45) /* the largest file that a header alone may speak of: sums over 99,999 parts stay below 2^62 */

static const struct {
    const char *name;
    size_t size; /* bytes of a single value; 0: it depends */
} kinds[N_KIND] = {
    [GGUF_U8] = {"u8", 1},         [GGUF_I8] = {"i8", 1},       [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4},       [GGUF_I32] = {"i32", 4},     [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

size_t gguf_kind_bytes(enum gguf_kind k) { return (unsigned)k < N_KIND ? kinds[k].size : 0; }

const char *gguf_kind_name(enum gguf_kind k) { return (unsigned)k < N_KIND ? kinds[k].name : "unknown"; }

struct gguf_string gguf_text(const char *text) { return (struct gguf_string){text, strlen(text)}; }

struct shown shown(struct gguf_string s)
{
    struct shown r;
    size_t n = s.length < SHOWN ? (size_t)s.length : SHOWN;
    for (size_t i = 0; i < n; i++)
        r.text[i] = s.text[i] >= ' ' && s.text[i] < 127 ? s.text[i] : '?';
    memcpy(r.text + n, n < s.length ? "..." : "", n < s.length ? 4 : 1);
    return r;
}

/* ---- the cursor --------------------------------------------------------------------------------------------------- */

int gguf_cursor_begin(struct gguf_cursor *c, struct gguf_file *file, int part, struct arena *arena, struct error *err)
{
    *c = (struct gguf_cursor){.file = file, .part = part, .arena = arena, .err = err, .role = "the head"};
    c->end = file->size < HEADER_MAX ? file->size : HEADER_MAX;
    c->buffer = malloc(BUFFER);
    if (!c->buffer)
        return error_set(err, ERR_MEMORY, "%s: no memory for reading its header", file->path);
    /* The header is read once and in order; read-ahead beyond it would only displace what others use. */
    posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
    return 0;
}

void gguf_cursor_end(struct gguf_cursor *c)
{
    if (c->buffer)
        posix_fadvise(c->file->fd, 0, 0, POSIX_FADV_NORMAL);
    free(c->buffer);
    c->buffer = NULL;
}

static uint64_t position(const struct gguf_cursor *c) { return c->start + c->at; }
static uint64_t left(const struct gguf_cursor *c) { return c->end - position(c); }

static struct shown subject(const struct gguf_cursor *c)
{
    struct shown r;
    if (c->name.text)
        snprintf(r.text, sizeof r.text, "%.10s %.70s", c->role, shown(c->name).text);
    else if (c->number)
        snprintf(r.text, sizeof r.text, "%.10s %" PRIu64, c->role, c->number);
    else
        snprintf(r.text, sizeof r.text, "%.20s", c->role);
    return r;
}

static int no_memory(const struct gguf_cursor *c)
{
    return error_set(c->err, ERR_MEMORY, "%s: no memory for its header at %s", c->file->path, subject(c).text);
}

/* Of a header alone, of which at least so many bytes are not here. */
static int goes_on(const struct gguf_cursor *c, uint64_t missing)
{
    return error_set(c->err, ERR_FORMAT,
                     "%s: the header goes on behind the %" PRIu64
                     " bytes that are here (in %s): give it at least %" PRIu64
                     " more; 16 MB are enough for most models",
                     c->file->path, c->file->size, subject(c).text, missing);
}

/* n bytes are wanted and fewer are left. */
static int ends_early(const struct gguf_cursor *c, uint64_t n)
{
    if (c->end < c->file->size)
        return error_set(c->err, ERR_FORMAT,
                         "%s: the header is not over after %" PRIu64
                         " bytes (in %s), more than are read: the file is damaged, "
                         "or another one is meant",
                         c->file->path, c->end, subject(c).text);
    if (c->header_only)
        return goes_on(c, n - left(c));
    return error_set(c->err, ERR_FORMAT,
                     "%s: the file ends in its header (%s), after %" PRIu64 " bytes; it is "
                     "incomplete, fetch it again",
                     c->file->path, subject(c).text, c->file->size);
}

/* A count or length that the rest of the file cannot hold: each takes at least so many bytes. */
static int too_many(const struct gguf_cursor *c, uint64_t n, uint64_t bytes, const char *of)
{
    if (c->end < c->file->size && n <= (c->file->size - c->end + left(c)) / bytes)
        return ends_early(c, n);
    if (c->header_only && c->end == c->file->size && n < HEADER_MAX / bytes)
        return goes_on(c, n * bytes - left(c));
    return error_set(c->err, ERR_FORMAT,
                     "%s: %s claims %" PRIu64 " %s, but only %" PRIu64 " bytes of the file are left; "
                     "it is damaged or incomplete, fetch it again",
                     c->file->path, subject(c).text, n, of, left(c));
}

static int refill(struct gguf_cursor *c)
{
    uint64_t from = c->start + c->have;
    size_t want = c->end - from < BUFFER ? (size_t)(c->end - from) : BUFFER;
    ssize_t got;
    do
        got = pread(c->file->fd, c->buffer, want, (off_t)from);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(c->err, ERR_IO, "%s: reading %zu bytes at %" PRIu64 " failed: %s", c->file->path, want, from,
                         strerror(errno));
    if (got == 0)
        return error_set(c->err, ERR_IO,
                         "%s: it shrank to %" PRIu64 " bytes while it was read (it had %" PRIu64 "); is "
                         "it still being written?",
                         c->file->path, from, c->file->size);
    posix_fadvise(c->file->fd, (off_t)from, (off_t)got, POSIX_FADV_DONTNEED);
    c->start = from;
    c->have = (size_t)got;
    c->at = 0;
    return 0;
}

static int take(struct gguf_cursor *c, void *out, uint64_t n)
{
    uint8_t *to = out;
    if (n > left(c))
        return ends_early(c, n);
    while (n) {
        if (c->at == c->have && refill(c) != 0)
            return -1;
        size_t now = c->have - c->at < n ? c->have - c->at : (size_t)n;
        memcpy(to, c->buffer + c->at, now);
        to += now;
        c->at += now;
        n -= now;
    }
    return 0;
}

static int take_u32(struct gguf_cursor *c, uint32_t *out) { return take(c, out, 4); }
static int take_u64(struct gguf_cursor *c, uint64_t *out) { return take(c, out, 8); }

/* A string, its bytes in the arena: short ones share blocks, for vocabularies have hundreds of thousands. */
static int take_string(struct gguf_cursor *c, struct gguf_string *out)
{
    uint64_t n;
    if (take_u64(c, &n) != 0)
        return -1;
    if (n > left(c))
        return too_many(c, n, 1, "bytes of a string");
    char *text;
    if (n < POOL / 16) {
        if (c->pool_left < n + 1) {
            c->pool = arena_alloc_aligned(c->arena, POOL, 1);
            c->pool_left = c->pool ? POOL : 0;
        }
        text = c->pool;
        if (text) {
            c->pool += n + 1;
            c->pool_left -= n + 1;
        }
    } else {
        text = arena_alloc_aligned(c->arena, n + 1, 1);
    }
    if (!text)
        return no_memory(c);
    text[n] = 0;
    *out = (struct gguf_string){text, n};
    return take(c, text, n);
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static int bad_bool(const struct gguf_cursor *c, unsigned v)
{
    return error_set(c->err, ERR_FORMAT, "%s: %s holds a bool of value %u, which must be 0 or 1", c->file->path,
                     subject(c).text, v);
}

static int take_single(struct gguf_cursor *c, struct gguf_value *v)
{
    uint64_t bits = 0;
    if (take(c, &bits, kinds[v->kind].size) != 0)
        return -1;
    float f;
    switch (v->kind) {
    case GGUF_I8:
        v->as.i = (int8_t)bits;
        break;
    case GGUF_I16:
        v->as.i = (int16_t)bits;
        break;
    case GGUF_I32:
        v->as.i = (int32_t)bits;
        break;
    case GGUF_F32:
        memcpy(&f, &bits, 4);
        v->as.f = (double)f;
        break;
    case GGUF_F64:
        memcpy(&v->as.f, &bits, 8);
        break;
    case GGUF_BOOL:
        if (bits > 1)
            return bad_bool(c, (unsigned)bits);
        v->as.u = bits;
        break;
    default:
        v->as.u = bits; /* i64 has the same bits */
    }
    return 0;
}

static int take_kind(struct gguf_cursor *c, enum gguf_kind *out)
{
    uint32_t k;
    if (take_u32(c, &k) != 0)
        return -1;
    if (k >= N_KIND)
        return error_set(c->err, ERR_FORMAT, "%s: %s has a value of kind %" PRIu32 ", which the format does not define",
                         c->file->path, subject(c).text, k);
    *out = (enum gguf_kind)k;
    return 0;
}

static int take_strings(struct gguf_cursor *c, struct gguf_value *v)
{
    if (v->n > left(c) / 8)
        return too_many(c, v->n, 8, "strings");
    struct gguf_string *s = arena_array(c->arena, v->n, sizeof *s);
    if (!s)
        return no_memory(c);
    for (uint64_t i = 0; i < v->n; i++)
        if (take_string(c, &s[i]) != 0)
            return -1;
    v->as.strings = s;
    return 0;
}

static int take_numbers(struct gguf_cursor *c, struct gguf_value *v)
{
    size_t size = kinds[v->item].size;
    if (v->n > left(c) / size)
        return too_many(c, v->n, size, "items");
    uint8_t *items = arena_array(c->arena, v->n, size);
    if (!items)
        return no_memory(c);
    if (take(c, items, v->n * size) != 0)
        return -1;
    for (uint64_t i = 0; v->item == GGUF_BOOL && i < v->n; i++)
        if (items[i] > 1)
            return bad_bool(c, items[i]);
    v->as.items = items;
    return 0;
}

static int take_value(struct gguf_cursor *c, struct gguf_value *v)
{
    v->n = 1;
    if (take_kind(c, &v->kind) != 0)
        return -1;
    if (v->kind == GGUF_STRING)
        return take_string(c, &v->as.string);
    if (v->kind != GGUF_ARRAY)
        return take_single(c, v);
    if (take_kind(c, &v->item) != 0 || take_u64(c, &v->n) != 0)
        return -1;
    if (v->item == GGUF_ARRAY)
        return error_set(c->err, ERR_UNSUPPORTED, "%s: %s is an array of arrays, which no known model has",
                         c->file->path, subject(c).text);
    return v->item == GGUF_STRING ? take_strings(c, v) : take_numbers(c, v);
}

static int take_head(struct gguf_cursor *c, struct gguf_part *p)
{
    char magic[4];
    const char *path = c->file->path;
    if (take(c, magic, 4) != 0)
        return -1;
    if (memcmp(magic, "GGUF", 4) != 0)
        return error_set(c->err, ERR_FORMAT, "%s: not a GGUF file: it does not begin with \"GGUF\"", path);
    if (take_u32(c, &p->version) != 0)
        return -1;
    uint32_t swapped = __builtin_bswap32(p->version);
    if (p->version != 2 && p->version != 3)
        return swapped == 2 || swapped == 3
                   ? error_set(c->err, ERR_UNSUPPORTED,
                               "%s: a big-endian GGUF file, which stoker does not read; fetch or "
                               "convert to the little-endian one",
                               path)
                   : error_set(c->err, ERR_UNSUPPORTED,
                               "%s: GGUF version %" PRIu32 ", stoker reads 2 and 3; convert it "
                               "again",
                               path, p->version);
    if (take_u64(c, &p->n_tensor) != 0 || take_u64(c, &p->n_value) != 0)
        return -1;
    if (p->n_tensor > left(c) / MIN_TENSOR)
        return too_many(c, p->n_tensor, MIN_TENSOR, "tensors");
    if (p->n_value > left(c) / MIN_VALUE)
        return too_many(c, p->n_value, MIN_VALUE, "keys");
    return 0;
}

const struct gguf_value *gguf_part_find(const struct gguf_part *p, const char *key)
{
    size_t n = strlen(key);
    for (uint64_t i = 0; i < p->n_value; i++)
        if (p->value[i].key.length == n && memcmp(p->value[i].key.text, key, n) == 0)
            return &p->value[i];
    return NULL;
}

int gguf_value_u64(const char *path, const struct gguf_value *v, uint64_t min, uint64_t max, uint64_t *out,
                   struct error *err)
{
    int negative = 0;
    switch (v->kind) {
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        negative = v->as.i < 0;
        break;
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        break;
    default:
        return error_set(err, ERR_FORMAT, "%s: key %s is of kind %s, but must be a whole number", path,
                         shown(v->key).text, gguf_kind_name(v->kind));
    }
    if (negative)
        return error_set(err, ERR_FORMAT, "%s: key %s is %" PRId64 ", but must be %" PRIu64 " to %" PRIu64, path,
                         shown(v->key).text, v->as.i, min, max);
    if (v->as.u < min || v->as.u > max)
        return error_set(err, ERR_FORMAT, "%s: key %s is %" PRIu64 ", but must be %" PRIu64 " to %" PRIu64, path,
                         shown(v->key).text, v->as.u, min, max);
    *out = v->as.u;
    return 0;
}

static int find_alignment(struct gguf_cursor *c, struct gguf_part *p)
{
    uint64_t a = ALIGNMENT_DEFAULT;
    const struct gguf_value *v = gguf_part_find(p, "general.alignment");
    if (v && gguf_value_u64(c->file->path, v, 8, ALIGNMENT_MAX, &a, c->err) != 0)
        return -1;
    if (a & (a - 1))
        return error_set(c->err, ERR_FORMAT, "%s: general.alignment is %" PRIu64 ", but must be a power of two",
                         c->file->path, a);
    p->alignment = (uint32_t)a;
    return 0;
}

int gguf_read_keys(struct gguf_cursor *c, struct gguf_part *p)
{
    if (take_head(c, p) != 0)
        return -1;
    p->value = arena_array(c->arena, p->n_value, sizeof *p->value);
    if (!p->value)
        return no_memory(c);
    c->role = "key";
    for (uint64_t i = 0; i < p->n_value; i++) {
        c->name.text = NULL;
        c->number = i + 1;
        if (take_string(c, &p->value[i].key) != 0)
            return -1;
        if (p->value[i].key.length == 0) /* zeros would be millions of them */
            return error_set(c->err, ERR_FORMAT, "%s: the name of %s is empty; the file is damaged", c->file->path,
                             subject(c).text);
        c->name = p->value[i].key;
        if (take_value(c, &p->value[i]) != 0)
            return -1;
    }
    return find_alignment(c, p);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

static int take_name(struct gguf_cursor *c, struct gguf_tensor *t)
{
    struct gguf_string name;
    if (take_string(c, &name) != 0)
        return -1;
    if (name.length == 0 || memchr(name.text, 0, name.length))
        return error_set(c->err, ERR_FORMAT, "%s: the name of %s is empty or holds a NUL byte", c->file->path,
                         subject(c).text);
    t->name = name.text;
    c->name = name;
    return 0;
}

/* Dimensions, type and with them the size. */
static int take_shape(struct gguf_cursor *c, struct gguf_tensor *t)
{
    const char *path = c->file->path, *name;
    struct shown who = subject(c);
    name = who.text;
    uint32_t n_dims, type;
    if (take_u32(c, &n_dims) != 0)
        return -1;
    if (n_dims < 1 || n_dims > GGUF_MAX_DIMS)
        return error_set(c->err, ERR_FORMAT, "%s: %s has %" PRIu32 " dimensions, but must have 1 to 4", path, name,
                         n_dims);
    t->n_dims = (int)n_dims;
    uint64_t n = 1;
    for (int d = 0; d < GGUF_MAX_DIMS; d++) {
        t->ne[d] = 1;
        if (d < t->n_dims && take_u64(c, &t->ne[d]) != 0)
            return -1;
        if (t->ne[d] == 0)
            return error_set(c->err, ERR_FORMAT, "%s: %s is empty: its dimension %d is 0", path, name, d);
        if (!checked_mul(n, t->ne[d], &n))
            return error_set(c->err, ERR_FORMAT, "%s: %s has more than 2^64 values", path, name);
    }
    if (take_u32(c, &type) != 0)
        return -1;
    const struct block_info *info = type_info(type);
    if (!info)
        return error_set(c->err, ERR_UNSUPPORTED,
                         "%s: %s has type %" PRIu32 ", which stoker does not know; requantise it "
                         "to Q4_K",
                         path, name, type);
    t->type = (enum block_type)type;
    if (t->ne[0] % (uint64_t)info->block != 0)
        return error_set(c->err, ERR_FORMAT,
                         "%s: %s has rows of %" PRIu64 " values, no multiple of the %d in a block of "
                         "%s",
                         path, name, t->ne[0], info->block, info->name);
    if (!checked_mul(n / (uint64_t)info->block, (uint64_t)info->bytes, &t->n_bytes))
        return error_set(c->err, ERR_FORMAT, "%s: %s has more than 2^64 bytes", path, name);
    return 0;
}

/* Make the offset in the data part one in the file, and check that both ends of the tensor are within it: a header alone says itself how
 * long its file is. */
static int check_offset(const struct gguf_cursor *c, const struct gguf_part *p, struct gguf_tensor *t)
{
    const char *path = c->file->path;
    struct shown name = shown(gguf_text(t->name));
    if (t->offset % p->alignment != 0)
        return error_set(c->err, ERR_FORMAT,
                         "%s: tensor %s has offset %" PRIu64 ", no multiple of the alignment %" PRIu32, path, name.text,
                         t->offset, p->alignment);
    uint64_t end;
    int is_number = checked_add(t->offset, t->n_bytes, &end) && checked_add(end, c->file->data_start, &end);
    if (c->header_only && (!is_number || end > FILE_MAX))
        return error_set(c->err, ERR_FORMAT,
                         "%s: tensor %s (%" PRIu64 " bytes at offset %" PRIu64
                         " of the data) would lie behind 32 TiB, where no file goes on; the header is damaged",
                         path, name.text, t->n_bytes, t->offset);
    if (!c->header_only && (!is_number || end > c->file->size))
        return error_set(c->err, ERR_FORMAT,
                         "%s: tensor %s (%" PRIu64 " bytes at offset %" PRIu64 " of the data, which "
                         "begins at %" PRIu64 ") reaches past the end of the file (%" PRIu64
                         " bytes); it is incomplete, "
                         "fetch it again",
                         path, name.text, t->n_bytes, t->offset, c->file->data_start, c->file->size);
    t->offset += c->file->data_start;
    if (c->file->size < end)
        c->file->size = end;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *s = *(const struct gguf_tensor *const *)a, *t = *(const struct gguf_tensor *const *)b;
    return (s->offset > t->offset) - (s->offset < t->offset);
}

static int refuse_overlap(const struct gguf_cursor *c, const struct gguf_part *p)
{
    const struct gguf_tensor **order = arena_array(c->arena, p->n_tensor, sizeof *order);
    if (!order)
        return no_memory(c);
    for (uint64_t i = 0; i < p->n_tensor; i++)
        order[i] = &p->tensor[i];
    qsort(order, p->n_tensor, sizeof *order, by_offset);
    for (uint64_t i = 1; i < p->n_tensor; i++) {
        const struct gguf_tensor *s = order[i - 1], *t = order[i];
        if (t->offset - s->offset < s->n_bytes)
            return error_set(c->err, ERR_FORMAT,
                             "%s: tensors %s (%" PRIu64 " bytes at %" PRIu64 ") and %s (at %" PRIu64
                             ") overlap; the file is damaged",
                             c->file->path, shown(gguf_text(s->name)).text, s->n_bytes, s->offset,
                             shown(gguf_text(t->name)).text, t->offset);
    }
    return 0;
}

int gguf_read_tensors(struct gguf_cursor *c, struct gguf_part *p)
{
    c->role = "tensor";
    c->name.text = NULL;
    if (p->n_tensor > left(c) / MIN_TENSOR) { /* checked before, but the keys have been read since */
        c->role = "the head";
        c->number = 0;
        return too_many(c, p->n_tensor, MIN_TENSOR, "tensors");
    }
    p->tensor = arena_array(c->arena, p->n_tensor, sizeof *p->tensor);
    if (!p->tensor)
        return no_memory(c);
    for (uint64_t i = 0; i < p->n_tensor; i++) {
        struct gguf_tensor *t = &p->tensor[i];
        t->file = c->part;
        c->name.text = NULL;
        c->number = i + 1;
        if (take_name(c, t) != 0 || take_shape(c, t) != 0 || take_u64(c, &t->offset) != 0)
            return -1;
    }
    c->file->data_start = round_up(position(c), p->alignment);
    for (uint64_t i = 0; i < p->n_tensor; i++)
        if (check_offset(c, p, &p->tensor[i]) != 0)
            return -1;
    return refuse_overlap(c, p);
}
