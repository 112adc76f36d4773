/* A file of recorded rows: laid out before anything runs, written by the engine at its places, cut to what was computed; whole before it
 * has its name (part.h). */
#include "base/sha256.h"
#include "cli/activations/activations.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <stdlib.h>
#include <string.h>

enum { SEQUENCES_MOST = 128 };
enum { OWN_TENSORS = 2 }; /* of a corpus: which window a row is of, and which position in it */

struct record {
    struct stoker *s;
    const struct activations *a;
    const struct sequences *q;
    struct stoker_capture c;
    struct part_file part;
    int npy;
    struct stoker_tensor *tensor;
    size_t n_tensor;
    size_t n;        /* sequences up to the last one with rows: a window may be too short for one */
    size_t rows;     /* of all sequences, at most */
    size_t *row;     /* [sequences] the first of each */
    size_t captured; /* of the last sequence: fewer rows than planned can only be there */
    uint64_t data_at;
};

/* ---- the layout -------------------------------------------------------------------------------------------------------------- */

static size_t length_of(const struct sequences *q, size_t i) { return q->first[i + 1] - q->first[i]; }

static size_t rows_of(const struct record *r, size_t i) { return (i + 1 < r->n ? r->row[i + 1] : r->rows) - r->row[i]; }

static int max_tokens_of(const struct record *r) { return r->a->answer ? r->a->answer : -1; }

static int count_rows(struct record *r)
{
    r->row = calloc(r->n, sizeof *r->row);
    for (size_t i = 0; r->row && i < r->n; i++) {
        r->row[i] = r->rows;
        r->rows += stoker_capture_rows(r->s, &r->c, length_of(r->q, i), max_tokens_of(r));
    }
    while (r->row && r->n > 1 && r->row[r->n - 1] == r->rows)
        r->n--;
    if (r->row && r->rows)
        return 0;
    fprintf(stderr,
            r->row ? "stoker activations: --from and --to leave no position of %zu tokens\n"
                   : "stoker activations: no memory for %zu sequences\n",
            r->row ? length_of(r->q, 0) : r->n);
    return r->row ? 2 : 1;
}

static void add_own(struct record *r, const char *name)
{
    struct stoker_tensor *last = &r->tensor[r->n_tensor - 1], *t = &r->tensor[r->n_tensor++];
    *t = (struct stoker_tensor){.dtype = STOKER_I32, .n_dim = 1, .shape = {r->rows, 0}, .bytes = r->rows * 4};
    snprintf(t->name, sizeof t->name, "%s", name);
    t->offset = last->offset + last->bytes;
}

static int lay_out(struct record *r)
{
    struct stoker_error err;
    r->c.n_rows = r->rows;
    r->c.n_requests = r->n;
    int n = stoker_capture_layout(r->s, &r->c, NULL, 0, &err);
    if (n < 0)
        return report(&err);
    r->tensor = calloc((size_t)n + OWN_TENSORS, sizeof *r->tensor);
    if (!r->tensor) {
        fprintf(stderr, "stoker activations: no memory for %d tensors\n", n);
        return 1;
    }
    r->n_tensor = (size_t)stoker_capture_layout(r->s, &r->c, r->tensor, (size_t)n, &err);
    if (r->a->text && !r->npy) {
        add_own(r, "sequence");
        add_own(r, "position");
    }
    return 0;
}

static int lay_out_npy(struct record *r)
{
    if (r->n_tensor != 1 || r->tensor[0].dtype == STOKER_BF16) {
        fprintf(stderr,
                r->n_tensor != 1 ? "stoker activations: -o %s: a .npy file holds one tensor, and %zu are asked "
                                   "for; name one layer and one tensor, or write .safetensors\n"
                                 : "stoker activations: -o %s: numpy has no bf16; use --dtype f16 or f32\n",
                r->a->out, r->n_tensor);
        return 2;
    }
    return 0;
}

static void as_text(char out[2 * SHA256_BYTES + 1], const uint8_t sum[SHA256_BYTES])
{
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* What tells the list: the digest of every sequence, or, where positions from their ends make them differ, one of all in order. */
static int tell_list(const struct record *r, char out[2 * SHA256_BYTES + 1], struct stoker_error *err)
{
    const struct steer_flags *f = &r->a->steer;
    uint8_t sum[SHA256_BYTES];
    char one[2 * SHA256_BYTES + 1] = "";
    struct sha256 all;
    int differ = 0;
    sha256_begin(&all);
    for (size_t i = 0; f->n_list && i < r->n; i++) {
        size_t n = length_of(r->q, i);
        if ((i == 0 || n != length_of(r->q, i - 1)) && stoker_steer_digest(r->s, f->list, f->n_list, n, one, err))
            return -1;
        if (i == 0)
            memcpy(out, one, sizeof one);
        differ |= strcmp(one, out) != 0;
        sha256_add(&all, one, strlen(one) + 1);
    }
    sha256_end(&all, sum);
    if (differ)
        as_text(out, sum);
    return 0;
}

static int write_header(struct record *r, size_t at_least)
{
    uint8_t sum[SHA256_BYTES];
    char hash[2 * SHA256_BYTES + 1], digest[2 * SHA256_BYTES + 1] = "";
    struct stoker_vector_about about, sae;
    struct stoker_error err;
    size_t n;
    sha256(r->q->token, r->q->first[r->n] * sizeof *r->q->token, sum);
    as_text(hash, sum);
    if (tell_list(r, digest, &err))
        return report(&err);
    struct stoker_pair more[7] = {{"tokens_sha256", hash},
                                  {"reduce", r->a->reduce},
                                  {"from", r->a->from ? r->a->from : "0"},
                                  {"to", r->a->to ? r->a->to : "end"}};
    size_t n_more = 4;
    if (r->c.along)
        stoker_vector_about(r->c.along, &about);
    if (r->c.along)
        more[n_more++] = (struct stoker_pair){"vector", about.sha256};
    if (r->c.sae) {
        stoker_vector_about(r->c.sae, &sae);
        more[n_more++] = (struct stoker_pair){"sae", sae.sha256};
    }
    if (*digest)
        more[n_more++] = (struct stoker_pair){"steer", digest};
    char *header = r->npy ? stoker_capture_npy(&r->tensor[0], &n)
                          : stoker_capture_header(r->s, r->tensor, r->n_tensor, more, n_more, at_least, &n);
    if (!header) {
        fprintf(stderr, "stoker activations: no memory for the header\n");
        return 1;
    }
    r->data_at = n;
    int status = part_write(&r->part, header, n, 0);
    stoker_free(header);
    return status;
}

/* Of a corpus, which window each row is of and where in it. */
static int write_own(struct record *r)
{
    const struct stoker_tensor *t = r->tensor + r->n_tensor - (r->n_tensor > OWN_TENSORS ? OWN_TENSORS : 0);
    int32_t pair[2][512];
    for (size_t i = 0, at = 0; r->a->text && !r->npy && i < r->n; i++) {
        size_t end = r->row[i] + rows_of(r, i),
               from = r->c.from.from_prompt_end ? length_of(r->q, i) + (size_t)r->c.from.n : (size_t)r->c.from.n;
        while (at < end) {
            size_t n = 0;
            for (; n < 512 && at + n < end; n++) {
                pair[0][n] = (int32_t)i;
                pair[1][n] = (int32_t)(from + at + n - r->row[i]);
            }
            for (int k = 0; k < OWN_TENSORS; k++)
                if (part_write(&r->part, pair[k], n * 4, r->data_at + t[k].offset + at * 4))
                    return 1;
            at += n;
        }
    }
    return 0;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

static int submit(struct record *r, size_t i, stoker_id *id, struct stoker_error *err)
{
    const struct activations *a = r->a;
    struct stoker_capture c = r->c;
    *id = 0;
    if (!rows_of(r, i))
        return 0;
    c.row = r->row[i];
    c.request = i;
    c.fd = r->part.fd;
    c.data_at = r->data_at;
    struct stoker_request q = {.prompt = r->q->token + r->q->first[i],
                               .n_prompt = length_of(r->q, i),
                               .max_tokens = a->answer,
                               .only_score = a->answer == 0,
                               .sampling = a->sampling,
                               .steer = a->steer.list,
                               .n_steer = a->steer.n_list,
                               .capture = &c};
    return stoker_submit(r->s, &q, id, err);
}

/* Takes the events of the request to its end. 0: of a sequence without rows, which was not submitted. */
static int wait_for(struct record *r, stoker_id id)
{
    struct stoker_event e = {.kind = STOKER_TOKEN};
    int got, cancelled = 0;
    if (!id)
        return 0;
    do {
        if (part_interrupted && !cancelled++)
            stoker_cancel(r->s, id);
    } while ((got = stoker_next_event(r->s, id, 100, &e)) >= 0 &&
             (got == 0 || (e.kind != STOKER_END && e.kind != STOKER_FAILED)));
    if (got == 1 && e.kind == STOKER_FAILED)
        return report(&e.error);
    r->captured = e.u.end.n_captured;
    return e.u.end.reason == STOKER_END_CANCELLED ? 130 : 0;
}

/* As many at a time as the plan has sequences, and one more in the queue. */
static int run_all(struct record *r)
{
    struct stoker_plan plan;
    struct stoker_error err;
    struct progress p;
    stoker_id id[SEQUENCES_MOST + 1];
    size_t next = 0, ended = 0;
    int status = 0;
    stoker_plan_of(r->s, &plan);
    size_t most = (size_t)plan.n_parallel + 1;
    progress_begin(&p, "recording", PROGRESS_TOKENS, 0);
    while (ended < next || (!status && next < r->n)) {
        if (!status && next < r->n && next - ended < most) {
            int failed = submit(r, next, &id[next % most], &err);
            if (!failed)
                next++;
            else if (err.code != STOKER_ERR_BUSY || ended == next)
                status = report(&err);
            if (!failed || status)
                continue;
        } /* or those that run have all memory for lists: it comes back as they end */
        int one = wait_for(r, id[ended++ % most]);
        status = status ? status : one;
        part_interrupted |= status != 0; /* what is left need not go on */
        progress_show(&p, r->q->first[ended], r->q->first[r->n]);
    }
    progress_end(&p);
    return status;
}

/* Answers that ended early leave fewer rows. */
static int shorten(struct record *r)
{
    struct stoker_error err;
    size_t last = r->n - 1, rows = r->row[last] + r->captured;
    if (r->captured == 0) {
        fprintf(stderr,
                "stoker activations: the answer ended before the first position that was to be recorded (--from)\n");
        return 1;
    }
    if (rows < r->rows) {
        if (stoker_capture_trim(r->part.fd, r->data_at, r->tensor, r->n_tensor, rows, &err))
            return report(&err);
        r->rows = rows;
        return write_header(r, (size_t)r->data_at);
    }
    return 0;
}

/* What the file holds, by the first of its recorded tensors: those of other layers and taps differ from it in little. */
static void tell(const struct record *r)
{
    static const char *const type[] = {"f32", "f16", "bf16", "i32"};
    const struct stoker_tensor *t = r->tensor, *last = &r->tensor[r->n_tensor - 1];
    const char *taps = r->a->tensors ? r->a->tensors : r->a->sae ? "features" : "resid_post";
    if (r->n_tensor > 1 && strcmp(t->name, "tokens") == 0)
        t++;
    fprintf(stderr, "%s: %s, layers %s, %zu tensor%s; %s %s [%llu", r->a->out, taps, r->a->layers, r->n_tensor,
            r->n_tensor == 1 ? "" : "s", t->name, type[t->dtype], (unsigned long long)t->shape[0]);
    if (t->n_dim == 2)
        fprintf(stderr, ", %llu", (unsigned long long)t->shape[1]);
    fprintf(stderr, "]; %s\n", show_bytes(r->data_at + last->offset + last->bytes));
}

static int finish(struct record *r)
{
    int status = shorten(r);
    status = status ? status : part_finish(&r->part);
    if (!status)
        tell(r);
    return status;
}

int activations_record(struct stoker *s, const struct activations *a, const struct stoker_capture *c,
                       const struct sequences *q)
{
    size_t n = strlen(a->out);
    struct record r = {
        .s = s, .a = a, .q = q, .n = q->n, .c = *c, .part.fd = -1, .npy = n > 4 && strcmp(a->out + n - 4, ".npy") == 0};
    r.c.no_tokens = r.npy; /* it holds one tensor */
    int status = count_rows(&r);
    part_signals();
    status = status ? status : lay_out(&r);
    status = status || !r.npy ? status : lay_out_npy(&r);
    status = status ? status : part_open(&r.part, "activations", a->out);
    status = status ? status : write_header(&r, 0);
    status = status ? status : write_own(&r);
    status = status ? status : run_all(&r);
    status = status ? status : finish(&r);
    part_close(&r.part);
    free(r.row);
    free(r.tensor);
    return status;
}
