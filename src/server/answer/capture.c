/* What a request records of its answer, on its way to the client: in memory, told as JSON, or in a file without a name, which is the
 * answer. Its size is known before anything is computed, and refused then. See inside.h. */
#include "server/answer/inside.h"
#include "server/request/service.h"

#include "base/half.h"
#include "base/reqmem.h"
#include "base/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { JSON_MOST = 1 << 20, HEADER_MOST = 1 << 20, PIECE = 64 << 10 };

static size_t dtype_bytes(enum stoker_dtype t) { return t == STOKER_F16 || t == STOKER_BF16 ? 2 : 4; }

/* ---- before: the target ------------------------------------------------------------------------------------------------------ */

static int no_memory(struct run *run) { return refuse_memory(&run->refusal); }

static int lay_out(struct run *run, struct answer_capture *c)
{
    const struct request *w = run->a.request;
    const struct request_prompt *p = run->a.prompt;
    struct stoker_error err;
    size_t rows = stoker_capture_rows(run->a.engine, &c->how, p->n, w->only_score ? -1 : w->max_tokens);
    c->how.n_rows = rows ? rows : 1; /* with none the engine refuses the request */
    c->how.n_requests = 1;
    c->from = c->how.from.n + (c->how.from.from_prompt_end ? (int64_t)p->n : 0);
    int n = stoker_capture_layout(run->a.engine, &c->how, NULL, 0, &err);
    if (n < 0)
        return refuse_error(&run->refusal, "capture", &err);
    if (!(c->tensor = reqmem_calloc((size_t)n, sizeof *c->tensor)))
        return no_memory(run);
    c->n_tensor = (size_t)stoker_capture_layout(run->a.engine, &c->how, c->tensor, (size_t)n, &err);
    const struct stoker_tensor *last = &c->tensor[c->n_tensor - 1];
    c->bytes = last->offset + last->bytes;
    return 0;
}

/* What is made of all rows together cannot be cut where the reply ends the answer. */
static int check_end(struct run *run, const struct answer_capture *c)
{
    const struct request *w = run->a.request;
    int one_row = c->how.reduce == STOKER_REDUCE_MEAN || c->how.reduce == STOKER_REDUCE_LAST ||
                  c->how.reduce == STOKER_REDUCE_COUNT;
    if (!one_row || w->only_score || (!stoker_reply_may_end(run->task[0].reply) && !w->reply.tools) ||
        c->from + (int64_t)c->how.n_rows <= (int64_t)run->a.prompt->n)
        return 0;
    return refuse(&run->refusal, 400, "unsupported", "capture.reduce",
                  "reduce \"%s\" is of whole answers, which %s may cut: %ssend \"to\": \"generated\"",
                  stoker_reduce_name((int)c->how.reduce),
                  w->n_stop || w->reply.tools ? "stop and tools" : "the model's format of replies",
                  w->n_stop || w->reply.tools ? "leave them out, or " : "");
}

/* Characters that a tensor may take: "-1.23456789e-38," and "-2147483648,". */
static uint64_t text_bytes(const struct stoker_tensor *t)
{
    return 128 + t->bytes / dtype_bytes(t->dtype) * (t->dtype == STOKER_I32 ? 12 : 16);
}

static int open_memory(struct run *run, struct answer_capture *c)
{
    uint64_t text = 128;
    for (size_t i = 0; i < c->n_tensor; i++)
        text += text_bytes(&c->tensor[i]);
    if (text > JSON_MOST)
        return refuse(&run->refusal, 413, "capture_too_large", "capture",
                      "%zu positions of %zu tensors may take %" PRIu64
                      " bytes of JSON, and at most %d are possible: record fewer positions (from, to, max_tokens), "
                      "layers or tensors, reduce them, or ask POST /activations for a file",
                      c->how.n_rows, c->n_tensor, text, (int)JSON_MOST);
    c->how.n_memory = (size_t)c->bytes;
    if (!(c->how.memory = reqmem_calloc(1, c->how.n_memory + 1)))
        return no_memory(run);
    out_reserve(&run->a.out, text);
    return run->a.out.failed ? no_memory(run) : 0;
}

/* Written at its beginning; at_least: bytes of the header that is there. */
static int write_header(struct run *run, struct answer_capture *c, size_t at_least)
{
    const struct request_prompt *p = run->a.prompt;
    const struct steer_list *l = run->a.request->steer;
    struct stoker_error err;
    uint8_t sum[SHA256_BYTES];
    char hash[2 * SHA256_BYTES + 1], from[24], digest[65] = "";
    size_t n = 0;
    sha256(p->token, p->n * sizeof *p->token, sum);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hash + 2 * i, 3, "%02x", sum[i]);
    snprintf(from, sizeof from, "%" PRId64, c->from);
    if (*run->a.steer && stoker_steer_digest(run->a.engine, l->how, l->n, p->n, digest, &err))
        return refuse_error(&run->refusal, "steer", &err);
    struct stoker_vector_about along, sae;
    struct stoker_pair more[6] = {
        {"tokens_sha256", hash}, {"reduce", stoker_reduce_name((int)c->how.reduce)}, {"from", from}};
    size_t n_more = 3;
    if (c->how.along) {
        stoker_vector_about(c->how.along, &along);
        more[n_more++] = (struct stoker_pair){"vector", along.sha256};
    }
    if (c->how.sae) {
        stoker_vector_about(c->how.sae, &sae);
        more[n_more++] = (struct stoker_pair){"sae", sae.sha256};
    }
    if (*digest)
        more[n_more++] = (struct stoker_pair){"steer", digest};
    char *header = stoker_capture_header(run->a.engine, c->tensor, c->n_tensor, more, n_more, at_least, &n);
    if (!header)
        return no_memory(run);
    c->how.data_at = n;
    for (size_t done = 0; done < n && !run->refusal.status;) {
        ssize_t put = pwrite(c->how.fd, header + done, n - done, (off_t)done);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR)
            refuse(&run->refusal, 500, NULL, NULL, "the file of what is recorded cannot be written: %s",
                   put ? strerror(errno) : "it takes nothing");
    }
    stoker_free(header);
    return run->refusal.status ? -1 : 0;
}

static int open_file(struct run *run, struct answer_capture *c)
{
    struct spool *p = &run->a.server->spool;
    c->bytes += HEADER_MOST;
    c->how.fd = spool_file(p, c->bytes, &run->refusal);
    return c->how.fd < 0 ? -1 : write_header(run, c, 0);
}

int answer_capture_prepare(struct run *run)
{
    const struct request *w = run->a.request;
    if (!w->capture)
        return 0;
    if (run->a.n_choice != 1)
        return refuse(&run->refusal, 400, "invalid_value", "prompt",
                      "prompt has %zu prompts: where activations are recorded there is one", run->a.n_choice);
    struct answer_capture *c = run->a.capture = reqmem_calloc(1, sizeof *c);
    if (!c)
        return no_memory(run);
    c->how = w->capture->how;
    if (lay_out(run, c) < 0 || check_end(run, c) < 0)
        return -1;
    return w->capture_to_file ? open_file(run, c) : open_memory(run, c);
}

void answer_capture_free(struct run *run)
{
    struct answer_capture *c = run->a.capture;
    if (!c)
        return;
    if (c->how.fd >= 0)
        spool_end(&run->a.server->spool, c->how.fd, c->bytes);
    reqmem_free(c->how.memory);
    reqmem_free(c->tensor);
    reqmem_free(c);
    run->a.capture = NULL;
}

/* Where the reply ended the answer the engine went on for as long as that took: rows behind it do not count. */
void answer_capture_ended(struct task *t, size_t n_captured)
{
    struct answer_capture *c = t->run->a.capture;
    int64_t end = (int64_t)(t->prompt->n + t->choice->n_generated) - 1, most = end > c->from ? end - c->from : 0;
    c->n = t->over && n_captured > (size_t)most ? (size_t)most : n_captured;
}

/* ---- behind: JSON ------------------------------------------------------------------------------------------------------------ */

/* Nine digits read back to the same f32. */
static void put_value(struct out *o, const uint8_t *from, enum stoker_dtype type)
{
    float v = 0;
    int32_t id;
    uint16_t half;
    if (type == STOKER_I32) {
        memcpy(&id, from, sizeof id);
        out_print(o, "%" PRId32, id);
        return;
    }
    memcpy(&half, from, sizeof half);
    if (type == STOKER_F32)
        memcpy(&v, from, sizeof v);
    else
        v = type == STOKER_F16 ? f16_to_f32(half) : bf16_to_f32(half);
    if (isfinite(v))
        out_print(o, "%.9g", (double)v);
    else
        out_print(o, "null");
}

static void put_tensor(struct out *o, const struct answer_capture *c, const struct stoker_tensor *t)
{
    static const char *const name[] = {
        [STOKER_F32] = "F32", [STOKER_F16] = "F16", [STOKER_BF16] = "BF16", [STOKER_I32] = "I32"};
    const uint8_t *from = (const uint8_t *)c->how.memory + t->offset;
    size_t rows = t->one_row ? c->n > 0 : c->n, each = dtype_bytes(t->dtype),
           n = rows * (size_t)(t->n_dim > 1 ? t->shape[1] : 1);
    out_print(o, "{\"name\":\"%s\",\"dtype\":\"%s\",\"shape\":[%zu", t->name, name[t->dtype], rows);
    if (t->n_dim > 1)
        out_print(o, ",%" PRIu64, t->shape[1]);
    out_print(o, "],\"values\":[");
    for (size_t i = 0; i < n && !o->failed; i++) {
        out_print(o, i ? "," : "");
        put_value(o, from + i * each, t->dtype);
    }
    out_print(o, "]}");
}

void answer_activations(struct out *o, const struct answer *a)
{
    const struct answer_capture *c = a->capture;
    if (!c || !c->how.memory)
        return;
    out_print(o, ",\"activations\":{\"n_prompt\":%zu,\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"tensors\":[",
              a->n_prompt, c->from, c->from + (int64_t)c->n);
    for (size_t i = 0; i < c->n_tensor; i++) {
        out_print(o, i ? "," : "");
        put_tensor(o, c, &c->tensor[i]);
    }
    out_print(o, "]}");
}

/* ---- behind: the file -------------------------------------------------------------------------------------------------------- */

/* An answer that ended early leaves fewer rows than the file was laid out for. */
static int shorten(struct run *run, struct answer_capture *c)
{
    struct stoker_error err;
    if (c->n == 0)
        return refuse(&run->refusal, 400, "invalid_value", "capture.from",
                      "the answer ended before the first position that was to be recorded");
    if (c->n >= c->how.n_rows)
        return 0;
    if (stoker_capture_trim(c->how.fd, c->how.data_at, c->tensor, c->n_tensor, c->n, &err))
        return refuse_error(&run->refusal, NULL, &err);
    return write_header(run, c, (size_t)c->how.data_at);
}

/* What cannot be read ends the connection before the answer's length is reached: nobody takes it for whole. Who has the last byte finds the
 * disk free. */
static void send_all(struct run *run, struct answer_capture *c, char *piece)
{
    const struct stoker_tensor *last = &c->tensor[c->n_tensor - 1];
    uint64_t n = c->how.data_at + last->offset + last->bytes;
    if (http_body_begin(run->a.http, "application/octet-stream", n) < 0)
        return;
    for (uint64_t at = 0; at < n;) {
        ssize_t got = pread(c->how.fd, piece, n - at < PIECE ? (size_t)(n - at) : PIECE, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        at += (uint64_t)got;
        if (at == n)
            answer_capture_free(run);
        if (http_stream_write(run->a.http, piece, (size_t)got) < 0)
            return;
    }
    http_stream_end(run->a.http);
}

void answer_capture_send(struct run *run)
{
    struct answer_capture *c = run->a.capture;
    char *piece = reqmem_malloc(PIECE);
    if (!piece)
        no_memory(run);
    else
        shorten(run, c);
    if (!run->refusal.status) {
        send_all(run, c, piece);
    } else {
        answer_capture_free(run);
        http_refuse(run->a.http, &run->refusal);
    }
    reqmem_free(piece);
}
