/* Reading sparse autoencoders: see sae.h. The header and cfg.json first, then the numbers. */
#include "format/sae.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "format/entry.h"
#include "format/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PART = 1 << 20, TURNED = 32 }; /* bytes that are read at a time; rows of a matrix that is turned */
/* Of one that is turned piece by piece: of 4,096 rows of f32 each read has 2 KiB then, and not 256 bytes as with PART. */
enum { TURNED_PIECE = 8 << 20 };

enum role { ENCODER, ENCODER_BIAS, DECODER, DECODER_BIAS, THRESHOLD, ROLES };

static const struct layout {
    const char *file, *name[ROLES];
    int encoder_is_turned; /* [n_embd][n_feature] */
} layouts[] = {{"sae_weights.safetensors", {"W_enc", "b_enc", "W_dec", "b_dec", "threshold"}, 1},
               {"sae.safetensors", {"encoder.weight", "encoder.bias", "W_dec", "b_dec", NULL}, 0}};

/* A folder that is being read. */
struct reading {
    char name[VECTOR_NAME], path[VECTOR_NAME + 40]; /* the folder's, without those above it; of its weights */
    const struct layout *layout;
    int folder, fd; /* -1: not open */
    int follows;    /* links in the folder; not where others chose it */
    struct safetensors_file file;
    const struct safetensors_tensor *tensor[ROLES]; /* NULL: none */
    struct sae head;
    uint64_t labels; /* bytes of them, of all that head takes */
    struct error *err;
};

/* ---- the folder -------------------------------------------------------------------------------------------------------------- */

/* The last name of a path. */
static void name_of(char out[VECTOR_NAME], const char *path)
{
    size_t n = strlen(path), first;
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (first = n; first > 0 && path[first - 1] != '/'; first--)
        ;
    for (size_t i = 0; i < VECTOR_NAME; i++)
        out[i] = i < n - first && i + 1 < VECTOR_NAME ? path[first + i] : 0;
    for (char *c = out; *c; c++)
        *c = *c >= ' ' && *c < 127 ? *c : '?';
}

/* An entry of the folder. -1 where there is none: no error is set. */
static int open_file(const struct reading *r, const char *name)
{
    return openat(r->folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (r->follows ? 0 : O_NOFOLLOW));
}

static int open_folder(struct reading *r, int dir, const char *name)
{
    *r = (struct reading){.folder = -1, .fd = -1, .follows = dir == AT_FDCWD, .err = r->err, .file = {.fd = -1}};
    name_of(r->name, name);
    if ((r->folder = entry_open(dir, name, O_DIRECTORY, r->err)) < 0)
        return -1;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && r->fd < 0; i++) {
        r->layout = &layouts[i];
        r->fd = open_file(r, r->layout->file);
        if (r->fd < 0 && errno != ENOENT)
            return error_set(r->err, ERR_FORMAT, "%s/%s: cannot be opened: %s", r->name, r->layout->file,
                             strerror(errno));
    }
    if (r->fd < 0)
        return error_set(r->err, ERR_FORMAT, "%s: no autoencoder: it has neither %s nor %s", r->name, layouts[0].file,
                         layouts[1].file);
    snprintf(r->path, sizeof r->path, "%s/%s", r->name, r->layout->file);
    return safetensors_open(&r->file, r->fd, r->path, VECTOR_HEADER, r->err);
}

static void close_folder(struct reading *r)
{
    safetensors_close(&r->file);
    if (r->fd >= 0)
        close(r->fd);
    if (r->folder >= 0)
        close(r->folder);
}

/* What a caller says of the folder is what its cfg.json says. */
static int check_form(const struct reading *r, const struct sae_form *form, const char *path)
{
    const struct sae_form *is = &r->head.form;
    if (form->gate != is->gate)
        return error_set(r->err, ERR_INPUT, "%s: it is of %s, and --sae-arch says %s; leave both out", path,
                         sae_gate_name(is->gate), sae_gate_name(form->gate));
    if (form->k != is->k)
        return error_set(r->err, ERR_INPUT, "%s: it is of topk:%d, and --sae-arch says topk:%d; leave both out", path,
                         is->k, form->k);
    if (form->layer != is->layer)
        return error_set(r->err, ERR_INPUT, "%s: it is of the end of layer %d, and --sae-layer says %d; leave both out",
                         path, is->layer, form->layer);
    return 0;
}

static int read_form(struct reading *r, const struct sae_form *form)
{
    char path[VECTOR_NAME + 40];
    struct stat st;
    size_t n;
    int fd = open_file(r, "cfg.json"), failed;
    snprintf(path, sizeof path, "%s/cfg.json", r->name);
    if (fd < 0 && form && errno == ENOENT) {
        r->head.form = *form;
        return 0;
    }
    if (fd < 0)
        return error_set(r->err, ERR_FORMAT, "%s: cannot be opened: %s", path, strerror(errno));
    int is_regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    FILE *f = is_regular && st.st_size <= SAE_CFG ? fdopen(fd, "rb") : NULL;
    if (!f) {
        close(fd);
        return is_regular ? error_set(r->err, ERR_FORMAT, "%s: larger than %d bytes", path, SAE_CFG)
                          : error_set(r->err, ERR_FORMAT, "%s: not a regular file", path);
    }
    char *text = file_read_stream(f, path, SAE_CFG, &n, r->err);
    fclose(f);
    failed = !text || sae_read_cfg(&r->head.form, text, n, path, r->layout == &layouts[1], r->name, r->err);
    free(text);
    return failed || (form && check_form(r, form, path)) ? -1 : 0;
}

/* ---- names and shapes -------------------------------------------------------------------------------------------------------- */

static int find_tensors(struct reading *r)
{
    for (size_t i = 0; i < r->file.n; i++) {
        const struct safetensors_tensor *t = &r->file.tensor[i];
        int role = 0;
        while (role < ROLES && (!r->layout->name[role] || strcmp(r->layout->name[role], t->name) != 0))
            role++;
        if (role == ROLES)
            return error_set(r->err, ERR_UNSUPPORTED,
                             "%s: tensor %s; an autoencoder that is supported has an encoder and a decoder with a bias "
                             "each, of jumprelu thresholds, and no more",
                             r->path, t->name);
        if (safetensors_type(t) == TYPE_I32)
            return error_set(r->err, ERR_FORMAT, "%s: tensor %s is I32; F32, F16 and BF16 are read", r->path, t->name);
        r->tensor[role] = t;
    }
    return 0;
}

static int check_shape(const struct reading *r, enum role role, uint64_t rows, uint64_t columns)
{
    const struct safetensors_tensor *t = r->tensor[role];
    if (!t)
        return error_set(r->err, ERR_FORMAT, "%s: it has no tensor %s", r->path,
                         r->layout->name[role] ? r->layout->name[role] : "of thresholds");
    if (t->shape[0] == rows && t->shape[1] == columns && t->n_dim == 1 + (role == ENCODER || role == DECODER))
        return 0;
    return error_set(r->err, ERR_FORMAT,
                     "%s: tensor %s has %" PRIu64 " x %" PRIu64 " values in %d dimensions; it must have %" PRIu64
                     " x %" PRIu64,
                     r->path, t->name, t->shape[0], t->shape[1], t->n_dim, rows, columns);
}

static int check_shapes(struct reading *r)
{
    const struct sae_form *form = &r->head.form;
    const struct safetensors_tensor *d = r->tensor[DECODER];
    uint64_t n_feature = d ? d->shape[0] : 0, n_embd = d ? d->shape[1] : 0;
    int turned = r->layout->encoder_is_turned;
    if (d && (n_embd > VECTOR_WIDTH || n_feature > SAE_FEATURES))
        return error_set(r->err, ERR_FORMAT, "%s: %s has %" PRIu64 " x %" PRIu64 " values; at most %d x %d are read",
                         r->path, d->name, n_feature, n_embd, SAE_FEATURES, VECTOR_WIDTH);
    if (check_shape(r, DECODER, n_feature, n_embd) || check_shape(r, DECODER_BIAS, n_embd, 1) ||
        check_shape(r, ENCODER, turned ? n_embd : n_feature, turned ? n_feature : n_embd) ||
        check_shape(r, ENCODER_BIAS, n_feature, 1))
        return -1;
    if ((form->n_embd >= 0 && (uint64_t)form->n_embd != n_embd) ||
        (form->n_feature >= 0 && (uint64_t)form->n_feature != n_feature))
        return error_set(r->err, ERR_FORMAT,
                         "%s/cfg.json: it speaks of %" PRId64 " features of %" PRId64 " values (-1: it does not), the "
                         "file has %" PRIu64 " of %" PRIu64,
                         r->name, form->n_feature, form->n_embd, n_feature, n_embd);
    if (form->gate == SAE_JUMPRELU ? check_shape(r, THRESHOLD, n_feature, 1) : r->tensor[THRESHOLD] != NULL)
        return error_set(r->err, ERR_FORMAT, "%s: it has thresholds, and is of %s", r->path, sae_gate_name(form->gate));
    if (form->gate == SAE_TOPK && (uint64_t)form->k > n_feature)
        return error_set(r->err, ERR_FORMAT, "%s/cfg.json: \"k\" is %d, of %" PRIu64 " features", r->name, form->k,
                         n_feature);
    r->head.n_embd = (int)n_embd;
    r->head.n_feature = (int)n_feature;
    return 0;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

/* One allocation: the struct, then what it points to. base NULL: it is only counted. */
static void place(const struct reading *r, struct sae *s, uint8_t *base)
{
    uint64_t at = round_up(sizeof *s, 64), n_embd = (uint64_t)s->n_embd, n = (uint64_t)s->n_feature;
    uint8_t *part[10];
    const uint64_t bytes[10] = {r->tensor[ENCODER]->bytes,
                                r->tensor[DECODER]->bytes,
                                n * 4,
                                n_embd * 4,
                                s->form.gate == SAE_JUMPRELU ? n * 4 : 0,
                                SAE_ROWS * n_embd * 4,
                                SAE_ROWS * n * 4,
                                n_embd * 4,
                                SAE_ROWS * (uint64_t)s->form.k * 4,
                                SAE_ROWS * (uint64_t)s->form.k * 4};
    for (int i = 0; i < 10; i++) {
        part[i] = base + at;
        at = round_up(at + bytes[i], 64);
    }
    s->bytes = at;
    if (!base)
        return;
    s->encoder = (struct sae_matrix){part[0], safetensors_type(r->tensor[ENCODER])};
    s->decoder = (struct sae_matrix){part[1], safetensors_type(r->tensor[DECODER])};
    s->encoder_bias = (float *)(void *)part[2];
    s->decoder_bias = (float *)(void *)part[3];
    s->threshold = s->form.gate == SAE_JUMPRELU ? (float *)(void *)part[4] : NULL;
    s->rows = (float *)(void *)part[5];
    s->features = (float *)(void *)part[6];
    s->direction = (float *)(void *)part[7];
    s->pick_value = (float *)(void *)part[8];
    s->pick_id = (int32_t *)(void *)part[9];
    memset(s->rows, 0, (size_t)(base + at - part[5])); /* it is there before a step needs it */
}

static int open_head(struct reading *r, int dir, const char *name, const struct sae_form *form)
{
    if (open_folder(r, dir, name) || read_form(r, form) || find_tensors(r) || check_shapes(r))
        return -1;
    place(r, &r->head, NULL);
    r->labels = sae_labels_look(r->folder, r->follows, r->head.n_feature);
    r->head.bytes += r->labels;
    return 0;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------------------- */

/* A matrix as the file has it, or [columns][rows] of it turned. */
static int read_plain(const struct reading *r, const struct safetensors_tensor *t, uint8_t *to)
{
    return safetensors_read(&r->file, t, 0, t->shape[0] * t->shape[1], to, r->err);
}

static int read_turned(const struct reading *r, const struct safetensors_tensor *t, uint8_t *to, uint8_t *part)
{
    size_t size = (size_t)type_info(safetensors_type(t))->bytes, rows = t->shape[0], columns = t->shape[1],
           most = PART / TURNED / size;
    for (size_t c = 0; c < columns; c += most)
        for (size_t i = 0; i < rows; i += TURNED) {
            size_t n = columns - c < most ? columns - c : most, m = rows - i < TURNED ? rows - i : TURNED;
            for (size_t k = 0; k < m; k++)
                if (safetensors_read(&r->file, t, (i + k) * columns + c, n, part + k * n * size, r->err))
                    return -1;
            for (size_t j = 0; j < n; j++)
                for (size_t k = 0; k < m; k++)
                    memcpy(to + ((c + j) * rows + i + k) * size, part + (k * n + j) * size, size);
        }
    return 0;
}

/* Values that are at hand: finite, and into the hash as f32. */
static int take_values(const struct reading *r, const struct safetensors_tensor *t, const uint8_t *values, uint64_t n,
                       float *to, struct sha256 *all)
{
    const struct block_info *type = type_info(safetensors_type(t));
    float part[256];
    for (uint64_t i = 0; i < n; i += 256) {
        size_t m = n - i < 256 ? (size_t)(n - i) : 256;
        type->decode(part, values + i * (uint64_t)type->bytes, m);
        for (size_t k = 0; k < m; k++)
            if (!isfinite(part[k]))
                return error_set(r->err, ERR_FORMAT, "%s: tensor %s has a value that is not finite", r->path, t->name);
        sha256_add(all, part, m * sizeof *part);
        if (to)
            memcpy(to + i, part, m * sizeof *part);
    }
    return 0;
}

static int read_vector(const struct reading *r, enum role role, const float *out, uint8_t *part, struct sha256 *all)
{
    const struct safetensors_tensor *t = r->tensor[role];
    uint64_t n = t ? t->shape[0] : 0, most = PART / 4;
    for (uint64_t i = 0; i < n; i += most) {
        uint64_t m = n - i < most ? n - i : most;
        if (safetensors_read(&r->file, t, i, m, part, r->err) ||
            take_values(r, t, part, m, out ? (float *)(uintptr_t)out + i : NULL, all))
            return -1;
    }
    return 0;
}

static void hash_begin_with(struct sha256 *all, const struct sae *s)
{
    const int32_t head[] = {(int32_t)s->form.gate, s->form.k,    s->form.layer,
                            s->form.is_centred,    s->n_feature, s->n_embd};
    sha256_begin(all);
    sha256_add(all, head, sizeof head);
}

static void hash_end_of(struct sha256 *all, struct sae *s)
{
    sha256_end(all, s->hash);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(s->sha256 + 2 * i, 3, "%02x", s->hash[i]);
}

static int read_numbers(const struct reading *r, struct sae *s, uint8_t *part)
{
    const struct safetensors_tensor *enc = r->tensor[ENCODER], *dec = r->tensor[DECODER];
    uint64_t n = (uint64_t)s->n_feature * (uint64_t)s->n_embd;
    uint8_t *encoder = (uint8_t *)(uintptr_t)s->encoder.data, *decoder = (uint8_t *)(uintptr_t)s->decoder.data;
    struct sha256 all;
    hash_begin_with(&all, s);
    if ((r->layout->encoder_is_turned ? read_turned(r, enc, encoder, part) : read_plain(r, enc, encoder)) ||
        read_plain(r, dec, decoder) || take_values(r, enc, encoder, n, NULL, &all) ||
        take_values(r, dec, decoder, n, NULL, &all) || read_vector(r, ENCODER_BIAS, s->encoder_bias, part, &all) ||
        read_vector(r, DECODER_BIAS, s->decoder_bias, part, &all) ||
        read_vector(r, THRESHOLD, s->threshold, part, &all))
        return -1;
    hash_end_of(&all, s);
    return 0;
}

/* ---- row by row ---------------------------------------------------------------------------------------------------------------- */

struct sae_rows {
    struct reading r;
    size_t part_size;  /* bytes: PART, or a row if that is more */
    size_t piece_size; /* PART, where the encoder is turned TURNED_PIECE, or a row if that is more */
    uint8_t *part, *piece;
};

/* So many columns of a matrix of the file, as rows. */
static int turn_columns(const struct sae_rows *s, const struct safetensors_tensor *t, size_t first, size_t n)
{
    size_t size = (size_t)type_info(safetensors_type(t))->bytes, rows = t->shape[0], columns = t->shape[1];
    for (size_t i = 0; i < rows; i++) {
        if (safetensors_read(&s->r.file, t, i * columns + first, n, s->part, s->r.err))
            return -1;
        for (size_t j = 0; j < n; j++)
            memcpy(s->piece + (j * rows + i) * size, s->part + j * size, size);
    }
    return 0;
}

/* A matrix as it is read whole, in pieces. */
static int look_at_matrix(const struct sae_rows *s, enum role role, int is_turned, struct sha256 *all)
{
    const struct safetensors_tensor *t = s->r.tensor[role];
    size_t size = (size_t)type_info(safetensors_type(t))->bytes, rows = is_turned ? t->shape[0] : 1,
           all_of = is_turned ? t->shape[1] : t->shape[0] * t->shape[1], most = s->piece_size / size / rows;
    if (is_turned && most > s->part_size / size)
        most = s->part_size / size;
    for (size_t c = 0, n; c < all_of; c += n) {
        n = all_of - c < most ? all_of - c : most;
        if (is_turned ? turn_columns(s, t, c, n) : safetensors_read(&s->r.file, t, c, n, s->piece, s->r.err))
            return -1;
        if (take_values(&s->r, t, s->piece, n * rows, NULL, all))
            return -1;
    }
    return 0;
}

static int look_at_all(struct sae_rows *s)
{
    struct sha256 all;
    size_t row = (size_t)s->r.head.n_embd * sizeof(float), most = s->r.layout->encoder_is_turned ? TURNED_PIECE : PART;
    s->part_size = row > PART ? row : PART;
    s->piece_size = row > most ? row : most;
    s->part = malloc(s->part_size);
    s->piece = malloc(s->piece_size);
    int failed = s->part && s->piece ? 0 : error_set(s->r.err, ERR_MEMORY, "%s: no memory for reading it", s->r.name);
    hash_begin_with(&all, &s->r.head);
    failed = failed || look_at_matrix(s, ENCODER, s->r.layout->encoder_is_turned, &all) ||
             look_at_matrix(s, DECODER, 0, &all) || read_vector(&s->r, ENCODER_BIAS, NULL, s->part, &all) ||
             read_vector(&s->r, DECODER_BIAS, NULL, s->part, &all) ||
             read_vector(&s->r, THRESHOLD, NULL, s->part, &all);
    free(s->piece);
    s->piece = NULL;
    if (!failed)
        hash_end_of(&all, &s->r.head);
    return failed ? -1 : 0;
}

int sae_rows_open(struct sae_rows **out, int dir, const char *name, const struct sae_form *form, struct error *err)
{
    struct sae_rows *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "%s: no memory for reading it", name);
    s->r.err = err;
    if (open_head(&s->r, dir, name, form) || look_at_all(s)) {
        sae_rows_close(s);
        return -1;
    }
    memcpy(s->r.head.file, s->r.name, sizeof s->r.head.file);
    *out = s;
    return 0;
}

const struct sae *sae_rows_about(const struct sae_rows *s) { return &s->r.head; }

int sae_rows_read(struct sae_rows *s, int j, float *out, struct error *err)
{
    const struct safetensors_tensor *t = s->r.tensor[DECODER];
    uint64_t n = (uint64_t)s->r.head.n_embd;
    if (safetensors_read(&s->r.file, t, (uint64_t)j * n, n, s->part, err))
        return -1;
    type_info(safetensors_type(t))->decode(out, s->part, (size_t)n);
    return 0;
}

void sae_rows_close(struct sae_rows *s)
{
    if (s) {
        close_folder(&s->r);
        free(s->part);
    }
    free(s);
}

/* ---- opening ----------------------------------------------------------------------------------------------------------------- */

int sae_look(int dir, const char *name, const struct sae_form *form, struct sae *about, struct error *err)
{
    struct reading r = {.err = err};
    int failed = open_head(&r, dir, name, form);
    *about = r.head;
    close_folder(&r);
    return failed;
}

/* Into what was counted for them. */
static int read_labels(const struct reading *r, struct sae *s)
{
    if (sae_labels_open(&s->labels, r->folder, r->follows, s->n_feature, r->name, r->err))
        return -1;
    if (sae_labels_bytes(s->labels) > r->labels)
        return error_set(r->err, ERR_IO, "%s/labels.json: it grows while it is read", r->name);
    s->bytes += sae_labels_bytes(s->labels);
    return 0;
}

static int read_all(const struct reading *r, struct sae **out, uint64_t most)
{
    uint64_t bytes = r->head.bytes;
    if (bytes > most)
        return error_set(r->err, ERR_MEMORY,
                         "%s takes %" PRIu64 " bytes, and %" PRIu64 " are left for vectors; raise --steer-memory",
                         r->name, bytes, most);
    struct sae *s = aligned_alloc(64, bytes - r->labels);
    uint8_t *part = malloc(PART);
    int failed = s && part ? 0
                           : error_set(r->err, ERR_MEMORY, "%s: no memory for its %" PRIu64 " bytes", r->name, bytes);
    if (s)
        *s = r->head;
    if (!failed) {
        place(r, s, (uint8_t *)s);
        memcpy(s->file, r->name, sizeof s->file);
        failed = read_numbers(r, s, part) || read_labels(r, s) ? -1 : 0;
    }
    free(part);
    if (failed)
        sae_close(s);
    else
        *out = s;
    return failed;
}

int sae_open(struct sae **out, int dir, const char *name, const struct sae_form *form, uint64_t most, struct error *err)
{
    struct reading r = {.err = err};
    int failed = open_head(&r, dir, name, form) || read_all(&r, out, most);
    close_folder(&r);
    return failed ? -1 : 0;
}

void sae_close(struct sae *s)
{
    if (s)
        sae_labels_close(s->labels);
    free(s);
}

int sae_check_model(const struct sae *s, int n_layer, int n_embd, int n_stream, struct error *err)
{
    if (s->n_embd != n_embd || n_stream > 1)
        return error_set(err, ERR_INPUT,
                         "%s: it is of rows of %d values, the model's are %d in %d streams: it is for another model",
                         s->file, s->n_embd, n_embd, n_stream > 1 ? n_stream : 1);
    if (s->form.layer >= n_layer)
        return error_set(err, ERR_INPUT, "%s: it is of the end of layer %d: the model has %d layers", s->file,
                         s->form.layer, n_layer);
    return 0;
}

void sae_row(const struct sae *s, const struct sae_matrix *m, int j, float *out)
{
    const struct block_info *type = type_info(m->type);
    type->decode(out, m->data + (size_t)j * (size_t)s->n_embd * (size_t)type->bytes, (size_t)s->n_embd);
}
