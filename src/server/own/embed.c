/* Vectors of texts: /v1/embeddings of OpenAI, /api/embed and /api/embeddings of Ollama, /embedding and /embeddings of llama-server. What
 * they take and answer: docs/API.md, "Vectors and scores". A model that gives none: 501, as for all that this server does not do. */
#include "server/own/own.h"

#include "base/clock.h"
#include "base/json/base64.h"
#include "base/json/float_text.h"
#include "server/http/http.h"
#include "server/own/texts.h"
#include "server/request/service.h"

#include <string.h>

enum form { OPENAI, OLLAMA, OLLAMA_OLD, LLAMA };

struct answer {
    struct http_exchange *x;
    struct served served;
    struct texts t;
    struct out out;
    enum form form;
    const char *model; /* [n_model] as the client named it */
    size_t n_model, n_value;
    int base64, plain;
};

/* ---- out -------------------------------------------------------------------------------------------------------------------- */

static void put_base64(struct out *o, const float *v, size_t n)
{
    const char *bytes = (const char *)v;
    out_print(o, "\"");
    for (size_t i = 0, all = n * sizeof *v; i < all; i += 3) {
        char four[4];
        base64_group(four, bytes + i, all - i < 3 ? all - i : 3);
        out_bytes(o, four, 4);
    }
    out_print(o, "\"");
}

static void put_row(const struct answer *a, struct out *o, float *v)
{
    size_t n = a->n_value;
    char text[FLOAT_TEXT];
    if (!a->plain)
        stoker_normalise(v, a->t.encoder.n_out, n);
    if (a->base64) {
        put_base64(o, v, n);
        return;
    }
    out_print(o, "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            out_bytes(o, ",", 1);
        out_bytes(o, text, float_text(text, v[i]));
    }
    out_print(o, "]");
}

static int put_text(void *arg, size_t i, float *v)
{
    struct answer *a = arg;
    struct out *o = &a->out;
    size_t rows = texts_values(&a->t, i) / a->t.encoder.n_out;
    if (i)
        out_print(o, ",");
    if (a->form == OPENAI)
        out_print(o, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i);
    if (a->form == LLAMA)
        out_print(o, "{\"index\":%zu,\"embedding\":[", i);
    for (size_t k = 0; k < rows; k++) {
        if (k)
            out_print(o, ",");
        put_row(a, o, v + k * a->t.encoder.n_out);
    }
    if (a->form == OPENAI || a->form == LLAMA)
        out_print(o, a->form == LLAMA ? "]}" : "}");
    return own_send(a->x, o, OWN_PIECE);
}

static void put_begin(struct answer *a)
{
    struct out *o = &a->out;
    if (a->form == OPENAI)
        out_print(o, "{\"object\":\"list\",\"data\":[");
    if (a->form == OLLAMA) {
        out_print(o, "{\"model\":");
        out_string(o, a->model, a->n_model);
        out_print(o, ",\"embeddings\":[");
    }
    if (a->form == OLLAMA_OLD)
        out_print(o, "{\"embedding\":");
    if (a->form == LLAMA)
        out_print(o, "[");
}

static void put_end(struct answer *a)
{
    struct out *o = &a->out;
    unsigned long long ns = clock_ns() - a->x->began_ns;
    if (a->form == OPENAI) {
        out_print(o, "],\"model\":");
        out_text(o, a->served.id);
        out_print(o, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", a->t.n_token, a->t.n_token);
    } else if (a->form == OLLAMA)
        out_print(o, "],\"total_duration\":%llu,\"load_duration\":0,\"prompt_eval_count\":%zu}", ns, a->t.n_token);
    else
        out_print(o, a->form == LLAMA ? "]" : "}");
}

/* ---- in --------------------------------------------------------------------------------------------------------------------- */

static int read_format(struct answer *a, const json_t *body, struct refusal *r)
{
    static const char *const formats[] = {"float", "base64"};
    return a->form == OPENAI && json_get_word(body, NULL, "encoding_format", formats, 2, &a->base64, r) < 0 ? -1 : 0;
}

static int read_dimensions(struct answer *a, const json_t *body, struct refusal *r)
{
    int64_t n = (int64_t)a->t.encoder.n_out;
    if ((a->form == OPENAI || a->form == OLLAMA) && json_get_int(body, NULL, "dimensions", 1, n, &n, r) < 0)
        return -1;
    a->n_value = (size_t)n;
    return 0;
}

static int read_norm(struct answer *a, const json_t *body, struct refusal *r)
{
    int64_t norm = 2;
    if (a->form == LLAMA && json_get_int(body, NULL, "embd_normalize", -1, 2, &norm, r) < 0)
        return -1;
    if (norm != 2 && norm != -1 && norm != 0)
        return json_refuse(r, "unsupported", NULL, "embd_normalize", "must be -1 (none), 0 or 2 (length 1)");
    a->plain = norm != 2 || a->form == OLLAMA_OLD;
    return 0;
}

static int read_body(struct answer *a, const json_t *body, struct refusal *r)
{
    struct texts *t = &a->t;
    const char *key = a->form == OLLAMA_OLD                           ? "prompt"
                      : a->form == LLAMA && json_get(body, "content") ? "content"
                                                                      : "input";
    if (json_get_text(body, NULL, "model", &a->model, &a->n_model, r) < 0 ||
        server_names(a->x->server, &a->served, a->model, a->n_model, r))
        return -1;
    if (!a->model) {
        a->model = a->served.id;
        a->n_model = strlen(a->model);
    }
    if (t->encoder.is_rank)
        return refuse(r, 400, "unsupported", "model", "%s judges pairs: ask /v1/rerank for scores", a->served.id);
    if (strcmp(t->encoder.pooling, "none") == 0 && a->form != LLAMA)
        return refuse(r, 400, "unsupported", "model", "%s gives a vector for each token: ask /embedding for them",
                      a->served.id);
    t->only_one = a->form == OLLAMA_OLD;
    t->may_cut = a->form == OLLAMA || a->form == OLLAMA_OLD;
    if (t->may_cut)
        t->too_long = "the input length exceeds the context length"; /* clients look for these words */
    if (json_get_bool(body, NULL, "truncate", &t->may_cut, r) < 0 || read_format(a, body, r) ||
        read_dimensions(a, body, r) || read_norm(a, body, r))
        return -1;
    const json_t *input = json_get(body, key);
    if (a->form == OLLAMA && json_is_array(input) && json_array_size(input) == 0)
        return 0; /* no texts, no vectors */
    if (json_is_array(input) && json_array_size(input) == 0)
        return json_refuse(r, "invalid_value", NULL, key, "must not be empty: there is nothing to embed");
    return texts_read(t, body, key, r);
}

/* ---- routes ----------------------------------------------------------------------------------------------------------------- */

static void answer(struct http_exchange *x, enum form form)
{
    struct refusal r = {0};
    struct answer a = {.x = x, .form = form};
    if (server_encoder(x->server, STOKER_EMBED, &a.served)) {
        own_not_supported(x);
        return;
    }
    a.t.engine = a.served.engine;
    stoker_encoder_of(a.t.engine, &a.t.encoder);
    json_t *body = json_read(x->body, x->n_body, &r);
    int failed = !body || read_body(&a, body, &r);
    put_begin(&a);
    failed = failed || texts_embed(x, &a.t, put_text, &a, &r);
    put_end(&a);
    if (a.out.failed)
        failed = refuse_memory(&r);
    if (failed && !http_streaming(x) && r.status)
        http_refuse(x, &r);
    else if (!failed && !http_streaming(x))
        http_answer_json(x, &a.out);
    else if (!failed && own_send(x, &a.out, 0) == 0) /* else it is cut */
        http_stream_end(x);
    out_free(&a.out);
    texts_free(&a.t);
    json_decref(body);
}

void own_embeddings(struct http_exchange *x) { answer(x, OPENAI); }
void own_api_embed(struct http_exchange *x) { answer(x, OLLAMA); }
void own_api_embeddings(struct http_exchange *x) { answer(x, OLLAMA_OLD); }
void own_embedding(struct http_exchange *x) { answer(x, LLAMA); }
