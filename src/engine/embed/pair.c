/* Pairs of a query and a document, as models that rank want them: see stoker_query_open(). Definition: embeddings.md 3.
 *
 * What stands in front of the document is tokenised once for all documents where the vocabulary says how pairs are written. In a template
 * the query is part of the text around the document, and is tokenised with each: there its bytes are bounded. */
#include "base/error.h"
#include "base/reqmem.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"

#include <string.h>

enum { TOKEN_BYTES = 1024 /* more than what one token stands for, in every text that a model was trained on */ };

struct stoker_query {
    const struct session *session;
    struct stoker_string text;   /* the caller's */
    struct gguf_string template; /* length 0: as the vocabulary wants pairs */
    uint8_t *reach;              /* [n_vocab] of the template: it alone writes control tokens; NULL without one */
    struct token_list list;      /* what is in front of every document, and behind it the one that was tokenised last */
    size_t n_front;
    int (*stopped)(void *arg);
    void *stopped_arg;
};

/* A text of the template and of a client, whose part is marked: it writes no control tokens. */
struct marked {
    char *text;
    uint8_t *mark;
    size_t n;
};

static void add(struct marked *m, const char *text, size_t n, uint8_t mark)
{
    memcpy(m->text + m->n, text, n);
    memset(m->mark + m->n, mark, n);
    m->n += n;
}

/* The template with its first {query} and {document} replaced. */
static void fill(struct marked *m, const struct gguf_string *template, const struct stoker_string *query,
                 const struct stoker_string *document)
{
    static const char q[] = "{query}", d[] = "{document}";
    int has_query = 0, has_document = 0;
    for (size_t i = 0; i < template->length;) {
        const char *at = template->text + i;
        size_t left = template->length - i;
        if (!has_query && left >= strlen(q) && memcmp(at, q, strlen(q)) == 0) {
            add(m, query->text, query->n, 1);
            has_query = 1;
            i += strlen(q);
        } else if (!has_document && left >= strlen(d) && memcmp(at, d, strlen(d)) == 0) {
            add(m, document->text, document->n, 1);
            has_document = 1;
            i += strlen(d);
        } else {
            add(m, at, 1, 0);
            i++;
        }
    }
}

static int encode_template(const struct stoker_query *q, const struct stoker_string *document, struct token_list *out,
                           struct error *err)
{
    size_t most = q->template.length + q->text.n + document->n + 1;
    struct marked m = {reqmem_malloc(most), reqmem_malloc(most), 0};
    int failed;
    if (!m.text || !m.mark) {
        failed = error_set(err, ERR_MEMORY, "no memory for a pair of %zu bytes", most);
    } else {
        fill(&m, &q->template, &q->text, document);
        failed = tokenizer_encode_marked(q->session->tokenizer, m.text, m.n, m.mark, q->reach, out, err);
    }
    reqmem_free(m.text);
    reqmem_free(m.mark);
    return failed;
}

/* The pair becomes q->list. */
static int encode(struct stoker_query *q, const struct stoker_string *document, struct error *err)
{
    if (q->stopped && q->stopped(q->stopped_arg))
        return error_set(err, ERR_CANCELLED, "nobody waits for these scores any more");
    q->list.n = q->n_front;
    if (q->template.length)
        return encode_template(q, document, &q->list, err);
    return tokenizer_encode_second(q->session->tokenizer, document->text, document->n, &q->list, err);
}

/* ---- the query -------------------------------------------------------------------------------------------------------------- */

static int begin_template(struct stoker_query *q, size_t most, struct error *err)
{
    if (q->text.n > most * TOKEN_BYTES)
        return error_set(err, ERR_INPUT, "the query has %zu bytes, more than the context of %zu tokens can hold",
                         q->text.n, most);
    q->reach = reqmem_calloc((size_t)tokenizer_n_vocab(q->session->tokenizer), sizeof *q->reach);
    return q->reach ? 0 : error_set(err, ERR_MEMORY, "no memory for the template of a pair");
}

static int begin(struct stoker_query *q, struct error *err)
{
    const struct stoker_string nothing = {"", 0};
    const struct session *s = q->session;
    size_t most = (size_t)s->plan.n_ctx;
    if (!s->tokenizer) {
        *err = s->tokenizer_error;
        return -1;
    }
    if (gguf_str(s->file, "tokenizer.chat_template.rerank", &q->template, err) < 0)
        return -1;
    if (q->template.length ? begin_template(q, most, err)
                           : tokenizer_encode_first(s->tokenizer, q->text.text, q->text.n, &q->list, err))
        return -1;
    q->n_front = q->list.n;
    if (encode(q, &nothing, err))
        return -1;
    if (q->list.n >= most)
        return error_set(err, ERR_INPUT, "the query takes %zu tokens without a document, the context has %zu",
                         q->list.n, most);
    return 0;
}

int stoker_query_open(struct stoker_query **out, const struct stoker *s, const struct stoker_string *query,
                      int (*stopped)(void *arg), void *stopped_arg, struct stoker_error *public)
{
    struct error err = {0};
    struct stoker_query *q = reqmem_calloc(1, sizeof *q);
    if (!q) {
        error_set(&err, ERR_MEMORY, "no memory for a query");
        return error_to_public(public, &err);
    }
    *q = (struct stoker_query){
        .session = s->session, .text = *query, .template = {"", 0}, .stopped = stopped, .stopped_arg = stopped_arg};
    if (begin(q, &err)) {
        stoker_query_close(q);
        return error_to_public(public, &err);
    }
    *out = q;
    return 0;
}

void stoker_query_close(struct stoker_query *q)
{
    if (!q)
        return;
    token_list_free(&q->list);
    reqmem_free(q->reach);
    reqmem_free(q);
}

/* ---- documents -------------------------------------------------------------------------------------------------------------- */

/* The end of the last whole character within the first n bytes, but not before `least`. */
static size_t whole(const struct stoker_string *text, size_t n, size_t least)
{
    while (n > least && n < text->n && ((unsigned char)text->text[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* The longest beginning of the document, by halving, whose pair fits the context. So many bytes that no tokens of a context stand for
 * them are not tried: what is tokenised again and again stays small. */
static int encode_cut(struct stoker_query *q, const struct stoker_string *document, struct error *err)
{
    size_t most = (size_t)q->session->plan.n_ctx, low = 0, high = document->n;
    struct stoker_string part = {document->text, 0};
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        part.n = whole(document, middle, low);
        if (part.n == low)
            part.n = middle; /* within a long run of continuation bytes, which is no text anyway */
        int tried = middle <= most * TOKEN_BYTES;
        if (tried && encode(q, &part, err))
            return -1;
        if (tried && q->list.n <= most)
            low = middle;
        else
            high = middle - 1;
    }
    part.n = whole(document, low, 0);
    return encode(q, &part, err);
}

static int pair(struct stoker_query *q, const struct stoker_string *document, int *cut, struct error *err)
{
    if (encode(q, document, err))
        return -1;
    *cut = q->list.n > (size_t)q->session->plan.n_ctx;
    return *cut ? encode_cut(q, document, err) : 0;
}

int stoker_query_pair(struct stoker_query *q, const struct stoker_string *document, stoker_token **out, size_t *n,
                      int *cut, struct stoker_error *public)
{
    struct error err = {0};
    if (pair(q, document, cut, &err))
        return error_to_public(public, &err);
    stoker_token *id = reqmem_malloc((q->list.n + 1) * sizeof *id);
    if (!id) {
        error_set(&err, ERR_MEMORY, "no memory for a pair of %zu tokens", q->list.n);
        return error_to_public(public, &err);
    }
    memcpy(id, q->list.id, q->list.n * sizeof *id);
    *out = id;
    *n = q->list.n;
    return 0;
}
