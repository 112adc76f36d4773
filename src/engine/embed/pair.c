/* Pairs of a query and a document, as models that rank want them: see stoker_pair_tokenize(). Definition: embeddings.md 3. */
#include "base/error.h"
#include "base/reqmem.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"

#include <string.h>

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

static int encode_template(const struct tokenizer *t, const struct gguf_string *template,
                           const struct stoker_string *query, const struct stoker_string *document,
                           struct token_list *out, struct error *err)
{
    size_t most = template->length + query->n + document->n + 1;
    struct marked m = {reqmem_malloc(most), reqmem_malloc(most), 0};
    uint8_t *reach = reqmem_malloc((size_t)tokenizer_n_vocab(t)); /* of the template alone */
    int failed;
    if (!m.text || !m.mark || !reach) {
        failed = error_set(err, ERR_MEMORY, "no memory for a pair of %zu bytes", most);
    } else {
        memset(reach, 0, (size_t)tokenizer_n_vocab(t));
        fill(&m, template, query, document);
        failed = tokenizer_encode_marked(t, m.text, m.n, m.mark, reach, out, err);
    }
    reqmem_free(m.text);
    reqmem_free(m.mark);
    reqmem_free(reach);
    return failed;
}

static int encode(const struct session *s, const struct stoker_string *query, const struct stoker_string *document,
                  struct token_list *out, struct error *err)
{
    struct gguf_string template = {"", 0};
    token_list_free(out);
    if (gguf_str(s->file, "tokenizer.chat_template.rerank", &template, err) < 0)
        return -1;
    if (template.length)
        return encode_template(s->tokenizer, &template, query, document, out, err);
    return tokenizer_encode_pair(s->tokenizer, query->text, query->n, document->text, document->n, out, err);
}

/* The longest beginning of the document, by halving, whose pair fits the context. */
static int encode_cut(const struct session *s, const struct stoker_string *query, const struct stoker_string *document,
                      struct token_list *out, struct error *err)
{
    size_t most = (size_t)s->plan.n_ctx, low = 0, high = document->n;
    struct stoker_string part = {document->text, 0};
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        for (part.n = middle; part.n > low && ((unsigned char)document->text[part.n] & 0xC0) == 0x80;)
            part.n--;
        if (part.n == low)
            part.n = middle; /* within a long run of continuation bytes, which is no text anyway */
        if (encode(s, query, &part, out, err))
            return -1;
        if (out->n <= most)
            low = middle;
        else
            high = middle - 1;
    }
    for (part.n = low; part.n > 0 && part.n < document->n && ((unsigned char)document->text[part.n] & 0xC0) == 0x80;)
        part.n--;
    return encode(s, query, &part, out, err);
}

static int pair(const struct session *s, const struct stoker_string *query, const struct stoker_string *document,
                struct token_list *out, int *cut, struct error *err)
{
    const struct stoker_string nothing = {"", 0};
    size_t most = (size_t)s->plan.n_ctx;
    *cut = 0;
    if (!s->tokenizer) {
        *err = s->tokenizer_error;
        return -1;
    }
    if (encode(s, query, document, out, err))
        return -1;
    if (out->n <= most)
        return 0;
    if (encode(s, query, &nothing, out, err))
        return -1;
    if (out->n >= most)
        return error_set(err, ERR_INPUT, "the query takes %zu tokens without a document, the context has %zu", out->n,
                         most);
    *cut = 1;
    return encode_cut(s, query, document, out, err);
}

int stoker_pair_tokenize(const struct stoker *s, const struct stoker_string *query,
                         const struct stoker_string *document, stoker_token **out, size_t *n, int *cut,
                         struct stoker_error *public)
{
    struct error err = {0};
    struct token_list l = {0};
    if (pair(s->session, query, document, &l, cut, &err)) {
        token_list_free(&l);
        return error_to_public(public, &err);
    }
    *out = l.id;
    *n = l.n;
    return 0;
}
