/* See words.h. */
#include "eval/words.h"

#include "base/error.h"
#include "base/json/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int eval_error(struct error *err, const char *about, const struct stoker_error *why)
{
    enum error_code code = why->code == STOKER_ERR_MEMORY  ? ERR_MEMORY
                           : why->code == STOKER_ERR_INPUT ? ERR_INPUT
                                                           : ERR_IO;
    return error_set(err, code, "%s%s%s", about, *about ? ": " : "", why->text);
}

int eval_too_long(struct error *err, size_t n, size_t most)
{
    return error_set(err, ERR_INPUT, "needs %zu tokens, the context is %zu: give a longer --ctx", n, most);
}

static int encode(const struct eval_words *w, const char *text, size_t n, int special, stoker_token **out,
                  size_t *n_out, struct error *err)
{
    struct stoker_error why;
    int failed = w->vocab ? stoker_vocab_tokenize(w->vocab, text, n, special, 0, out, n_out, &why)
                          : stoker_tokenize(w->engine, text, n, special, 0, out, n_out, &why);
    return failed ? eval_error(err, "", &why) : 0;
}

/* With what the vocabulary adds, a text is the same tokens somewhere behind the front. */
int eval_words_begin(struct eval_words *w, struct error *err)
{
    stoker_token *plain = NULL, *whole = NULL;
    size_t n = 0, n_whole = 0, at = 0;
    int failed = encode(w, "x", 1, 0, &plain, &n, err) || encode(w, "x", 1, 1, &whole, &n_whole, err);
    while (!failed && at + n < n_whole && at < EVAL_FRONT_MOST && memcmp(whole + at, plain, n * sizeof *plain))
        at++;
    w->n_front = failed ? 0 : at;
    if (!failed && at)
        memcpy(w->front, whole, at * sizeof *whole);
    stoker_free(plain);
    stoker_free(whole);
    return failed ? -1 : 0;
}

static int copy_tokens(const stoker_token *front, size_t n_front, const stoker_token *token, size_t n,
                       stoker_token **out, size_t *n_out, struct error *err)
{
    *out = malloc((n_front + n + 1) * sizeof **out);
    if (!*out)
        return error_set(err, ERR_MEMORY, "no memory for %zu tokens", n_front + n);
    if (n_front)
        memcpy(*out, front, n_front * sizeof **out);
    if (n)
        memcpy(*out + n_front, token, n * sizeof **out);
    *n_out = n_front + n;
    return 0;
}

int eval_words_text(const struct eval_words *w, const char *text, size_t n, stoker_token **out, size_t *n_out,
                    struct error *err)
{
    stoker_token *token = NULL;
    size_t n_token = 0;
    *out = NULL;
    int failed = encode(w, text, n, 0, &token, &n_token, err) ||
                 copy_tokens(w->front, w->n_front, token, n_token, out, n_out, err);
    stoker_free(token);
    return failed ? -1 : 0;
}

int eval_words_have_template(const struct eval_words *w)
{
    struct stoker_template_caps caps = {0};
    if (w->templates)
        stoker_templates_caps(w->templates, &caps);
    return caps.source != NULL;
}

static void write_plain(FILE *f, const json_t *request)
{
    size_t i;
    const json_t *message;
    json_array_foreach(json_object_get(request, "messages"), i, message)
    {
        const char *content = json_string_value(json_object_get(message, "content"));
        fprintf(f, "%s%s", i ? "\n\n" : "", content ? content : "");
    }
}

static int plain_chat(const struct eval_words *w, const json_t *request, stoker_token **out, size_t *n_out,
                      struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (f)
        write_plain(f, request);
    int failed = !f || fclose(f) ? error_set(err, ERR_MEMORY, "no memory for a prompt")
                                 : eval_words_text(w, text, n, out, n_out, err);
    free(text);
    return failed ? -1 : 0;
}

int eval_words_chat(const struct eval_words *w, const json_t *request, stoker_token **out, size_t *n_out,
                    struct error *err)
{
    struct stoker_prompt p = {0};
    struct stoker_error why;
    *out = NULL;
    if (!eval_words_have_template(w))
        return plain_chat(w, request, out, n_out, err);
    char *text = json_dump_spelled(request, JSON_PRESERVE_ORDER);
    if (!text)
        return error_set(err, ERR_MEMORY, "no memory for a prompt");
    int failed = stoker_prompt(w->templates, text, strlen(text), NULL, NULL, &p, NULL, &why)
                     ? eval_error(err, "", &why)
                     : copy_tokens(NULL, 0, p.token, p.n_token, out, n_out, err);
    stoker_prompt_free(&p);
    free(text);
    return failed;
}

void eval_words_show(const struct eval_words *w, const char *request, FILE *f)
{
    struct stoker_prompt p = {0};
    json_t *o = eval_words_have_template(w) ? NULL : json_loads(request, 0, NULL);
    if (o)
        write_plain(f, o);
    else if (stoker_prompt(w->templates, request, strlen(request), NULL, NULL, &p, NULL, NULL) == 0)
        fwrite(p.text, 1, p.n_text, f);
    stoker_prompt_free(&p);
    json_decref(o);
}

json_t *eval_words_question(const char *text, int think)
{
    json_t *request = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", text);
    if (request && think >= 0 && json_object_set_new(request, "enable_thinking", json_boolean(think))) {
        json_decref(request);
        return NULL;
    }
    return request;
}
