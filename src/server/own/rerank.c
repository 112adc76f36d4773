/* Scores of documents for a query: /v1/rerank, /rerank, /v1/reranking, /reranking, in the form of Jina's and Cohere's API, or with
 * `texts` in that of text-embeddings-inference. What they take and answer: docs/API.md, "Vectors and scores". */
#include "server/own/own.h"

#include "base/reqmem.h"
#include "server/answer/answer.h"
#include "server/http/http.h"
#include "server/own/texts.h"
#include "server/request/service.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENTS_MOST = 1000 };

struct score {
    size_t index;
    double value;
};

struct rerank {
    struct http_exchange *x;
    struct served served;
    struct texts t;
    const json_t *documents;
    struct stoker_string query;
    struct stoker_query *judge;
    struct score *score; /* [n] */
    uint8_t *cut;        /* [n] 1: the document has lost its end */
    size_t n_best;       /* of the scores, the first */
    int raw, with_text, of_texts;
};

/* ---- in --------------------------------------------------------------------------------------------------------------------- */

static const char *list_name(const struct rerank *w) { return w->of_texts ? "texts" : "documents"; }

/* A text, or an object with one. */
static int document_of(const struct rerank *w, size_t i, struct stoker_string *out, struct refusal *r)
{
    const struct json_at list = {NULL, list_name(w), 0}, at = {&list, NULL, i};
    const json_t *v = json_array_get(w->documents, i);
    if (json_is_object(v))
        v = json_get(v, "text");
    if (!json_is_string(v))
        return json_refuse(r, "invalid_type", &at, NULL, "must be a string, or an object with a string \"text\"");
    *out = (struct stoker_string){json_string_value(v), json_string_length(v)};
    return 0;
}

/* Why a text is no tokens; param: its field. */
static int refuse_text(struct refusal *r, const char *param, const struct stoker_error *err)
{
    return err->code == STOKER_ERR_CANCELLED ? refuse_draining(r) : refuse_error(r, param, err);
}

static int open_query(struct rerank *w, struct refusal *r)
{
    struct stoker_error err;
    if (stoker_query_open(&w->judge, w->t.engine, &w->query, answer_nobody_waits, w->x, &err))
        return refuse_text(r, "query", &err);
    return 0;
}

static int add_pair(struct rerank *w, size_t i, struct refusal *r)
{
    struct stoker_error err;
    char path[32];
    struct stoker_string document;
    stoker_token *id = NULL;
    size_t n = 0;
    int cut = 0;
    if (document_of(w, i, &document, r))
        return -1;
    snprintf(path, sizeof path, "%s[%zu]", list_name(w), i);
    if (stoker_query_pair(w->judge, &document, &id, &n, &cut, &err))
        return refuse_text(r, path, &err);
    w->t.text[w->t.n++] = (struct stoker_tokens){id, n};
    w->t.n_token += n;
    w->cut[i] = (uint8_t)cut;
    return 0;
}

static int read_list(struct rerank *w, const json_t *body, struct refusal *r)
{
    w->of_texts = json_get(body, "texts") != NULL;
    const char *key = list_name(w);
    if (w->of_texts && json_get(body, "documents"))
        return json_refuse(r, "invalid_value", NULL, "documents",
                           "excludes texts: the list has one of these names, which says the form of the answer");
    int there = json_get_array(body, NULL, key, &w->documents, r);
    size_t n = json_array_size(w->documents);
    if (there <= 0)
        return there ? -1 : json_missing(r, NULL, key);
    if (n == 0 || n > DOCUMENTS_MOST)
        return json_refuse(r, "invalid_value", NULL, key, "must have 1 to %d documents", DOCUMENTS_MOST);
    int64_t most = (int64_t)n;
    if (json_get_int(body, NULL, "top_n", 1, INT64_MAX, &most, r) < 0)
        return -1;
    w->n_best = most < (int64_t)n ? (size_t)most : n;
    return 0;
}

static int read_body(struct rerank *w, const json_t *body, struct refusal *r)
{
    const char *model = NULL;
    size_t n_model = 0;
    if (json_get_text(body, NULL, "model", &model, &n_model, r) < 0 ||
        server_names(w->x->server, &w->served, model, n_model, r))
        return -1;
    if (!w->t.encoder.is_rank)
        return refuse(r, 400, "unsupported", "model", "%s gives vectors: ask /v1/embeddings for them", w->served.id);
    int there = json_get_text(body, NULL, "query", &w->query.text, &w->query.n, r);
    if (there <= 0)
        return there ? -1 : json_missing(r, NULL, "query");
    if (w->query.n == 0)
        return json_refuse(r, "invalid_value", NULL, "query", "must not be empty");
    if (read_list(w, body, r) || json_get_bool(body, NULL, "raw_scores", &w->raw, r) < 0 ||
        json_get_bool(body, NULL, w->of_texts ? "return_text" : "return_documents", &w->with_text, r) < 0)
        return -1;
    size_t n = json_array_size(w->documents);
    w->score = reqmem_malloc(n * sizeof *w->score);
    w->cut = reqmem_malloc(n);
    if (!w->score || !w->cut)
        return refuse_memory(r);
    if (texts_reserve(&w->t, n, r) || open_query(w, r))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (add_pair(w, i, r))
            return -1;
    return 0;
}

/* ---- out -------------------------------------------------------------------------------------------------------------------- */

static int take_score(void *arg, size_t i, float *v)
{
    struct rerank *w = arg;
    double x = (double)v[0];
    int share = w->t.encoder.is_sigmoid && w->t.encoder.n_out == 1 && !w->raw;
    w->score[i] = (struct score){i, share ? 1 / (1 + exp(-x)) : x};
    return 0;
}

static int downwards(const void *a, const void *b)
{
    const struct score *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static void put_score(const struct rerank *w, struct out *o, const struct score *s)
{
    struct stoker_string text;
    struct refusal none = {0};
    out_print(o, "{\"index\":%zu,\"%s\":", s->index, w->of_texts ? "score" : "relevance_score");
    out_real(o, s->value);
    if (w->with_text && document_of(w, s->index, &text, &none) == 0) {
        out_print(o, w->of_texts ? ",\"text\":" : ",\"document\":{\"text\":");
        out_string(o, text.text, text.n);
        out_print(o, w->of_texts ? "" : "}");
    }
    out_print(o, "}");
}

static void put_scores(const struct rerank *w, struct out *o)
{
    size_t n_cut = 0;
    if (!w->of_texts) {
        out_print(o, "{\"model\":");
        out_text(o, w->served.id);
        out_print(o, ",\"object\":\"list\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu},\"results\":",
                  w->t.n_token, w->t.n_token);
    }
    out_print(o, "[");
    for (size_t i = 0; i < w->n_best; i++) {
        out_print(o, i ? "," : "");
        put_score(w, o, &w->score[i]);
    }
    out_print(o, "]");
    for (size_t i = 0; i < w->t.n && !w->of_texts; i++)
        if (w->cut[i])
            out_print(o, "%s%zu", n_cut++ ? "," : ",\"truncated\":[", i);
    out_print(o, "%s%s", n_cut ? "]" : "", w->of_texts ? "" : "}");
}

void own_rerank(struct http_exchange *x)
{
    struct refusal r = {0};
    struct out o = {0};
    struct rerank w = {.x = x};
    if (server_encoder(x->server, STOKER_RERANK, &w.served)) {
        own_not_supported(x);
        return;
    }
    w.t.engine = w.served.engine;
    stoker_encoder_of(w.t.engine, &w.t.encoder);
    json_t *body = json_read(x->body, x->n_body, &r);
    if (body && read_body(&w, body, &r) == 0 && texts_embed(x, &w.t, take_score, &w, &r) == 0) {
        qsort(w.score, w.t.n, sizeof *w.score, downwards);
        put_scores(&w, &o);
        http_answer_json(x, &o);
    } else if (r.status)
        http_refuse(x, &r);
    out_free(&o);
    stoker_query_close(w.judge);
    texts_free(&w.t);
    reqmem_free(w.score);
    reqmem_free(w.cut);
    json_decref(body);
}
