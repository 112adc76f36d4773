/* What requests record: checked, and laid out as tensors; headers of files of them, and how files become shorter. See stoker.h. */

#include "base/checked.h"
#include "base/reqmem.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"
#include "format/npy.h"
#include "format/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct vector *along_of(const struct stoker_capture *c)
{
    return c->along ? steer_vector(c->along) : NULL;
}

static const struct sae *sae_of(const struct stoker_capture *c) { return c->sae ? steer_sae(c->sae) : NULL; }

/* ---- what a request records -------------------------------------------------------------------------------------------------- */

static int64_t resolve(const struct stoker_at *at, size_t n_prompt)
{
    int64_t sum;
    if (!at->from_prompt_end)
        return at->n;
    return __builtin_add_overflow(at->n, (int64_t)n_prompt, &sum) ? INT64_MAX : sum;
}

/* Positions whose rows a request computes at most: that of an answer's last token is not among them. */
static int64_t rows_of_request(const struct stoker *s, size_t n_prompt, int max_tokens)
{
    int64_t n_ctx = s->session->plan.n_ctx, most = n_ctx - (int64_t)n_prompt;
    if (max_tokens < 0)
        return (int64_t)n_prompt;
    return (int64_t)n_prompt + (max_tokens > 0 && max_tokens < most ? max_tokens : most) - 1;
}

size_t stoker_capture_rows(const struct stoker *s, const struct stoker_capture *c, size_t n_prompt, int max_tokens)
{
    int64_t end = rows_of_request(s, n_prompt, max_tokens), from = resolve(&c->from, n_prompt),
            to = c->has_to ? resolve(&c->to, n_prompt) : end;
    to = to < end ? to : end;
    return from >= 0 && from < to ? (size_t)(to - from) : 0;
}

static int check_range(const struct stoker_capture *c, size_t rows, int64_t end, size_t n_prompt, struct error *err)
{
    if (rows == 0) {
        error_set(err, ERR_INPUT,
                  "positions from %" PRId64 " to %" PRId64 " are no range of the %" PRId64 " that the request computes",
                  resolve(&c->from, n_prompt), c->has_to ? resolve(&c->to, n_prompt) : end, end);
        return error_field(err, "capture.from");
    }
    if (c->taps >> STOKER_TAP_LENS & 1 && rows > STOKER_LENS_ROWS) {
        error_set(err, ERR_INPUT, "the lens looks at %zu positions; at most %d are possible: set from and to", rows,
                  STOKER_LENS_ROWS);
        return error_field(err, "capture.tensors");
    }
    if (c->row > c->n_rows || rows > c->n_rows - c->row || c->request >= c->n_requests)
        return error_set(
            err, ERR_INPUT,
            "%zu rows from row %zu on, of request %zu, do not fit into a file of %zu rows and %zu requests", rows,
            c->row, c->request, c->n_rows, c->n_requests);
    return 0;
}

static int check_target(const struct stoker_capture *c, uint64_t bytes, struct error *err)
{
    struct stat st;
    if (c->memory && bytes > c->n_memory)
        return error_set(err, ERR_INPUT, "what is recorded takes %" PRIu64 " bytes, its memory has %zu", bytes,
                         c->n_memory);
    if (!c->memory && c->fd < 0)
        return error_set(err, ERR_INPUT, "what is recorded has no target: neither a file nor memory");
    if (!c->memory && (fstat(c->fd, &st) || !S_ISREG(st.st_mode)))
        return error_set(err, ERR_INPUT, "what is recorded has a target that is no regular file");
    if (!c->memory && (c->data_at > INT64_MAX || bytes > INT64_MAX - c->data_at))
        return error_set(err, ERR_INPUT, "what is recorded takes %" PRIu64 " bytes, more than a file can have", bytes);
    return 0;
}

/* Takes the bytes that a job keeps. */
static int take_memory(struct capture *p, const struct capture_list *l, size_t row_bytes, size_t bytes,
                       struct error *err)
{
    if (row_bytes > p->size / 2) {
        error_set(err, ERR_MEMORY,
                  "a position of the %d tensors takes %zu bytes of memory, and at most %zu are possible; "
                  "record fewer layers or tensors, or raise --capture-memory",
                  l->n, row_bytes, p->size / 2);
        return error_field(err, "capture");
    }
    uint64_t left = atomic_load(&p->left);
    while (left >= bytes && !atomic_compare_exchange_weak(&p->left, &left, left - bytes))
        ;
    if (left >= bytes)
        return 0;
    if (bytes > p->kept)
        error_set(err, ERR_MEMORY,
                  "the list of %d tensors and their sums take %zu bytes of memory, and at most %" PRIu64
                  " are possible; record fewer layers or tensors, or raise --capture-memory",
                  l->n, bytes, p->kept);
    else
        error_set(err, ERR_BUSY,
                  "the list of %d tensors and their sums take %zu bytes of memory, and other requests have all but "
                  "%" PRIu64 " of %" PRIu64 "; try again, or raise --capture-memory",
                  l->n, bytes, left, p->kept);
    return error_field(err, "capture");
}

static size_t place_bytes(const struct model *m) { return (size_t)m->p.n_layer * TAPS * sizeof(int64_t); }

/* One block: the job's struct, tensors, places, accumulators. */
static size_t job_bytes(const struct model *m, const struct capture_list *l)
{
    return sizeof(struct job_capture) + (size_t)l->n * sizeof(struct capture_tensor) + place_bytes(m) + l->sum_bytes;
}

static int make_job(struct job_capture **out, struct stoker *s, const struct stoker_capture *how, struct error *err)
{
    const struct model *m = s->session->model;
    struct capture_list l = {.tensor = NULL};
    if (capture_list_make(&l, m, how, along_of(how), sae_of(how), err) || check_target(how, l.bytes, err))
        return -1;
    size_t tensors = (size_t)l.n * sizeof(struct capture_tensor), bytes = job_bytes(m, &l),
           row = (size_t)round_up(l.row_bytes, CAPTURE_ALIGN);
    if (take_memory(&s->capture, &l, row, bytes, err))
        return -1;
    struct job_capture *c = calloc(1, bytes);
    if (!c) {
        atomic_fetch_add(&s->capture.left, bytes);
        return error_set(err, ERR_MEMORY, "no memory for a list of %d tensors", l.n);
    }
    uint8_t *rest = (uint8_t *)(c + 1);
    l.tensor = c->tensor = (struct capture_tensor *)(void *)rest;
    l.at = (int64_t *)(void *)(rest + tensors);
    c->sum = rest + tensors + place_bytes(m);
    capture_list_make(&l, m, how, along_of(how), sae_of(how), err);
    c->n_tensor = l.n;
    c->of = &s->capture;
    c->row_bytes = row;
    c->how = *how;
    c->bytes = bytes;
    c->taps = (struct taps){.at = l.at,
                            .top = how->top,
                            .has_lens = l.has_lens,
                            .has_final = l.has_final,
                            .sae = sae_of(how),
                            .sae_at = l.sae_at};
    *out = c;
    return 0;
}

static int check_vectors(const struct stoker_capture *c, const struct stoker *s, struct error *err)
{
    const char *wrong = NULL;
    if (c->reduce == STOKER_REDUCE_DOT && !c->along)
        wrong = "reduce \"dot\" needs the vector whose directions rows are multiplied with";
    if (c->along)
        wrong = !steer_is_of(c->along, s) ? "the vector is not one of this engine"
                : !along_of(c)            ? "an autoencoder has no directions of layers to multiply rows with"
                : c->reduce != STOKER_REDUCE_DOT
                    ? "a vector is what rows are multiplied with to reduce them to \"dot\"; "
                      "it is of no use to another"
                    : NULL;
    if (wrong) {
        error_set(err, ERR_INPUT, "%s", wrong);
        return error_field(err, "capture.vector");
    }
    if (c->sae && !steer_is_of(c->sae, s)) {
        error_set(err, ERR_INPUT, "the autoencoder is not one of this engine");
        return error_field(err, "capture.sae");
    }
    return 0;
}

int capture_job_open(struct job_capture **out, struct stoker *s, const struct stoker_request *r, struct error *err)
{
    *out = NULL;
    if (!r->capture)
        return 0;
    struct stoker_capture how = *r->capture;
    int max_tokens = r->only_score ? -1 : r->max_tokens;
    size_t rows = stoker_capture_rows(s, &how, r->n_prompt, max_tokens);
    if (!s->capture.ring) {
        error_set(err, ERR_INPUT, "there is no memory for recording: give --capture-memory");
        return error_field(err, "capture");
    }
    if (check_vectors(&how, s, err))
        return -1;
    how.n_rows = how.n_rows ? how.n_rows : rows;
    how.n_requests = how.n_requests ? how.n_requests : 1;
    if (check_range(&how, rows, rows_of_request(s, r->n_prompt, max_tokens), r->n_prompt, err) ||
        make_job(out, s, &how, err))
        return -1;
    struct job_capture *c = *out;
    c->how.layer = NULL; /* the caller's, and not needed any more */
    c->from = c->next = (size_t)resolve(&how.from, r->n_prompt);
    c->to = c->from + rows;
    c->along = how.along;
    if (c->along)
        stoker_vector_hold(c->along);
    c->sae = how.sae;
    if (c->sae)
        stoker_vector_hold(c->sae);
    return 0;
}

void capture_job_close(struct job_capture *c)
{
    if (!c)
        return;
    stoker_vector_close(c->along);
    stoker_vector_close(c->sae);
    atomic_fetch_add(&c->of->left, c->bytes);
    free(c);
}

/* ---- before the engine is there ------------------------------------------------------------------------------------------------- */

/* What capture_open() makes of it has room for two positions, and for what a job keeps. */
static uint64_t least_memory(const struct model *m, const struct capture_list *l)
{
    uint64_t of_rows = capture_memory(2, l->row_bytes), kept = job_bytes(m, l);
    return of_rows > 4 * kept ? of_rows : 4 * kept;
}

int stoker_capture_least(uint64_t *bytes, const char *path, const struct stoker_capture *c, int features,
                         struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct model *m = NULL;
    struct capture_list l = {.tensor = NULL};
    struct stoker_capture how = *c;
    const struct sae sae = {.form.layer = 0};
    how.n_rows = how.n_requests = 1;
    how.along = how.sae = NULL;
    int failed = gguf_open_header(&g, path, &err) || model_open(&m, g, &err);
    if (!failed) {
        model_measure_step(m, KV_F16, 1, 1); /* it notes which layers have which taps */
        failed = capture_list_make(&l, m, &how, NULL, features ? &sae : NULL, &err);
    }
    if (!failed)
        *bytes = least_memory(m, &l);
    model_close(m);
    gguf_close(g);
    return failed ? error_to_public(public, &err) : 0;
}

/* ---- the layout --------------------------------------------------------------------------------------------------------------- */

static int layout(const struct model *m, const struct stoker_capture *c, struct stoker_tensor *out, size_t n,
                  struct error *err)
{
    struct capture_list l = {.tensor = NULL};
    if (c->n_rows == 0 || c->n_requests == 0)
        return error_set(err, ERR_INPUT, "a file of no rows, or of no request");
    if (capture_list_make(&l, m, c, along_of(c), sae_of(c), err))
        return -1;
    int all = l.n;
    if (!(l.tensor = calloc((size_t)all, sizeof *l.tensor)))
        return error_set(err, ERR_MEMORY, "no memory for a list of %d tensors", all);
    capture_list_make(&l, m, c, along_of(c), sae_of(c), err);
    for (size_t i = 0; i < n && i < (size_t)all; i++)
        out[i] = l.tensor[i].shown;
    free(l.tensor);
    return all;
}

int stoker_capture_layout(const struct stoker *s, const struct stoker_capture *c, struct stoker_tensor *out, size_t n,
                          struct stoker_error *public)
{
    struct error err = {0};
    int all = check_vectors(c, s, &err) ? -1 : layout(s->session->model, c, out, n, &err);
    return all < 0 ? error_to_public(public, &err) : all;
}

/* ---- headers ----------------------------------------------------------------------------------------------------------------- */

/* What the model says of itself. */
struct about {
    char model[256], n_layer[16], n_embd[16], hash[24];
};

static size_t about_texts(const struct session *s, struct about *a, struct safetensors_text *out)
{
    const struct model *m = s->model;
    const char *path = s->file->file->path, *name = strrchr(path, '/');
    snprintf(a->model, sizeof a->model, "%s", name ? name + 1 : path);
    snprintf(a->n_layer, sizeof a->n_layer, "%d", m->p.n_layer);
    snprintf(a->n_embd, sizeof a->n_embd, "%d", m->p.n_embd);
    snprintf(a->hash, sizeof a->hash, "%016" PRIx64, model_identity(m));
    const struct safetensors_text text[] = {{"format", "stoker-activations-1"},
                                            {"model", a->model},
                                            {"arch", m->arch->name},
                                            {"n_layer", a->n_layer},
                                            {"n_embd", a->n_embd},
                                            {"model_hash", a->hash},
                                            {"version", stoker_version()}};
    memcpy(out, text, sizeof text);
    return sizeof text / sizeof *text;
}

char *stoker_capture_header(const struct stoker *s, const struct stoker_tensor *t, size_t n,
                            const struct stoker_pair *more, size_t n_more, size_t at_least, size_t *length)
{
    static const char *const type[] = {
        [STOKER_F32] = "F32", [STOKER_F16] = "F16", [STOKER_BF16] = "BF16", [STOKER_I32] = "I32"};
    struct about a;
    struct safetensors_text *text = calloc(n_more + 8, sizeof *text);
    struct safetensors_tensor *tensor = calloc(n + 1, sizeof *tensor);
    char *header = NULL;
    if (text && tensor) {
        size_t n_text = about_texts(s->session, &a, text);
        for (size_t i = 0; i < n_more; i++)
            text[n_text++] = (struct safetensors_text){more[i].key, more[i].value};
        for (size_t i = 0; i < n; i++)
            tensor[i] = (struct safetensors_tensor){
                t[i].name, type[t[i].dtype], t[i].n_dim, {t[i].shape[0], t[i].shape[1]}, t[i].offset, t[i].bytes};
        header = safetensors_header(text, n_text, tensor, n, at_least, length);
    }
    free(text);
    free(tensor);
    return header;
}

char *stoker_capture_npy(const struct stoker_tensor *t, size_t *length)
{
    static const char *const type[] = {[STOKER_F32] = "<f4", [STOKER_F16] = "<f2", [STOKER_I32] = "<i4"};
    char *header = t->dtype == STOKER_BF16 ? NULL : reqmem_malloc(NPY_HEADER);
    if (header)
        npy_header(header, type[t->dtype], t->n_dim, t->shape);
    *length = NPY_HEADER;
    return header;
}

/* ---- fewer rows -------------------------------------------------------------------------------------------------------------- */

/* n bytes of a file to a lower offset. */
static int move_down(int fd, uint64_t to, uint64_t from, uint64_t n, struct error *err)
{
    static const size_t most = 64 * 1024;
    uint8_t *part = malloc(most);
    if (!part)
        return error_set(err, ERR_MEMORY, "no memory to shorten a file");
    while (n > 0 && !err->code) {
        size_t k = n < most ? (size_t)n : most;
        ssize_t got = pread(fd, part, k, (off_t)from), put = got > 0 ? pwrite(fd, part, (size_t)got, (off_t)to) : got;
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            error_set(err, ERR_IO, "shortening a file failed: %s", put < 0 ? strerror(errno) : "it ends too early");
            break;
        }
        from += (uint64_t)put;
        to += (uint64_t)put;
        n -= (uint64_t)put;
    }
    free(part);
    return err->code ? -1 : 0;
}

int stoker_capture_trim(int fd, uint64_t data_at, struct stoker_tensor *t, size_t n, size_t rows,
                        struct stoker_error *public)
{
    struct error err = {0};
    uint64_t end = 0;
    for (size_t i = 0; i < n && !err.code; i++) {
        uint64_t row = t[i].shape[0] ? t[i].bytes / t[i].shape[0] : 0, offset = t[i].offset;
        if (!t[i].one_row && rows < t[i].shape[0]) {
            t[i].shape[0] = rows;
            t[i].bytes = row * rows;
        }
        t[i].offset = end;
        end += t[i].bytes;
        if (offset > t[i].offset)
            move_down(fd, data_at + t[i].offset, data_at + offset, t[i].bytes, &err);
    }
    if (!err.code && ftruncate(fd, (off_t)(data_at + end)))
        error_set(&err, ERR_IO, "shortening a file failed: %s", strerror(errno));
    return err.code ? error_to_public(public, &err) : 0;
}
