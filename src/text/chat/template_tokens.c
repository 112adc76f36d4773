/* A prompt's text to ids, once and as a whole: words may span what the template and what a message wrote. A special token is
 * recognised only where every byte of it comes from somebody who may write it. templates.md 7:
 *
 *   t only     control and unknown tokens; special tokens whose text occurs in the template; markers of the tool format
 *   t and a    markers of the tool format that its row leaves to the assistant, where they are user-defined tokens
 *   everybody  other user-defined tokens: they are vocabulary, e.g. runs of spaces */
#include "base/error.h"
#include "base/reqmem.h"
#include "text/chat/template_inner.h"
#include "text/tools/format.h"

#include <stdlib.h>
#include <string.h>

static int is_format_token(const struct tool_format *f, const char *text, size_t n)
{
    const char *marker;
    for (size_t i = 0; (marker = tool_format_token(f, i)); i++)
        if (strlen(marker) == n && memcmp(marker, text, n) == 0)
            return 1;
    return 0;
}

/* Written around results where the template has no words for them (template_shape.c). */
static int is_result_marker(const char *text, size_t n)
{
    static const char *const markers[] = {"<tool_response>", "</tool_response>"};
    for (size_t i = 0; i < 2; i++)
        if (strlen(markers[i]) == n && memcmp(markers[i], text, n) == 0)
            return 1;
    return 0;
}

static enum text_origin reach_of(const struct chat_template *t, const struct tokenizer *v, int id, const char *source,
                                 size_t n_source)
{
    size_t n;
    const char *text = tokenizer_text(v, id, &n);
    if (tokenizer_type(v, id) != TOKEN_USER ||
        tokenizer_is_hidden(v, id)) /* hidden: a control token that the parser must see */
        return ORIGIN_TEMPLATE;
    const struct tool_format *format = tool_format_taught(t->caps.format);
    if (tool_format_assistant_marker(format, text, n))
        return ORIGIN_ASSISTANT;
    int is_structure = is_format_token(format, text, n) || is_result_marker(text, n) ||
                       (n && memmem(source, n_source, text, n));
    return is_structure ? ORIGIN_TEMPLATE : ORIGIN_USER;
}

uint8_t *template_reach(const struct chat_template *t, const struct tokenizer *v)
{
    size_t n;
    const char *source = template_source(t, &n);
    int n_vocab = tokenizer_n_vocab(v);
    uint8_t *reach = calloc((size_t)n_vocab + 1, 1);
    for (int id = 0; reach && id < n_vocab; id++) {
        enum token_type type = tokenizer_type(v, id);
        if (type != TOKEN_NORMAL && type != TOKEN_BYTE)
            reach[id] = (uint8_t)reach_of(t, v, id, source, n);
    }
    return reach;
}

static int begins_with(const struct jinja_text *text, const char *word, size_t n)
{
    return n > 0 && text->n >= n && memcmp(text->bytes, word, n) == 0;
}

int template_tokens(const struct template_prompt *p, const struct tokenizer *v, const uint8_t *reach,
                    struct token_list *out, struct error *err)
{
    const struct jinja_text *text = &p->text;
    uint8_t *same = text->mark ? NULL : reqmem_malloc(text->n + 1);
    const uint8_t *mark = text->mark ? text->mark : same;
    size_t n;
    if (!mark)
        return error_set(err, ERR_MEMORY, "no memory to tokenise a prompt of %zu bytes", text->n);
    if (same && text->n_span)
        memset(same, text->span[0].origin, text->n);
    const char *bos = tokenizer_piece(v, tokenizer_bos(v), 1, &n);
    int rc = 0;
    if (tokenizer_adds_bos(v) && !(begins_with(text, bos, n) && (text->n_span == 0 || mark[0] == ORIGIN_TEMPLATE)))
        rc = token_list_add(out, tokenizer_bos(v));
    if (rc != 0)
        error_set(err, ERR_MEMORY, "no memory to tokenise a prompt of %zu bytes", text->n);
    else
        rc = tokenizer_encode_marked(v, text->bytes, text->n, mark, reach, out, err);
    reqmem_free(same);
    return rc;
}
