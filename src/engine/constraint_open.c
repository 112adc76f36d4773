/* Constraints for callers: text in, what the engine applies before it picks. The languages are text/'s, the cache is the session's;
 * here is what a constraint depends on, as a key, and how it is compiled. */
#include "base/error.h"
#include "engine/constraint_cache.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "text/answer/answer.h"

#include <stdlib.h>
#include <string.h>

enum { WARNINGS = 64 }; /* more are not kept: a header of an answer shows some ten of them */

static void keep_warning(void *arg, const char *text)
{
    struct stoker_constraint *c = arg;
    for (size_t i = 0; i < c->n_warning; i++) /* who compiles in two attempts says it twice */
        if (strcmp(c->warning[i], text) == 0)
            return;
    char *copy = c->n_warning < WARNINGS ? strdup(text) : NULL,
         **grown = copy ? realloc(c->warning, (c->n_warning + 1) * sizeof *grown) : NULL;
    if (grown) {
        c->warning = grown;
        c->warning[c->n_warning++] = copy;
    } else {
        free(copy);
    }
}

int value_want_of(struct value_want *want, const struct stoker_answer *a, struct error *err)
{
    static const enum value_kind kind[] = {[STOKER_ANY_TEXT] = VALUE_NONE,
                                           [STOKER_JSON_SCHEMA] = VALUE_SCHEMA,
                                           [STOKER_JSON_SCHEMA_LENIENT] = VALUE_SCHEMA_LENIENT,
                                           [STOKER_GBNF] = VALUE_GBNF,
                                           [STOKER_REGEX] = VALUE_REGEX};
    _Static_assert(sizeof kind / sizeof *kind == VALUE_REGEX + 1, "every language of stoker.h is a kind of value");
    *want = (struct value_want){
        .kind = kind[a->language], .text = a->text, .n = a->n, .free_limit = a->free_limit, .field = a->field};
    if (want->kind == VALUE_NONE || !a->text)
        return error_set(err, ERR_INPUT, "a constraint needs a schema, a grammar or a pattern");
    return 0;
}

/* ---- the key --------------------------------------------------------------------------------------------------------------- */

/* With its length: no two lists of texts are the same bytes. */
static void add_text(struct sha256 *h, const char *text, size_t n)
{
    uint64_t length = text ? n : UINT64_MAX;
    sha256_add(h, &length, sizeof length);
    if (text)
        sha256_add(h, text, n);
}

static void add_name(struct sha256 *h, const char *name) { add_text(h, name, name ? strlen(name) : 0); }

static void add_value(struct sha256 *h, const struct value_want *w)
{
    const int32_t number[] = {w->kind, w->reasoning, w->free_limit};
    sha256_add(h, number, sizeof number);
    add_name(h, w->format ? w->format->name : NULL);
    add_name(h, w->field); /* it is in the sentences */
    add_text(h, w->text, w->n);
}

static void key_of(const struct constraint_request *w, uint8_t key[SHA256_BYTES])
{
    struct sha256 h;
    sha256_begin(&h);
    const int32_t parts[] = {w->value != NULL, w->tools != NULL};
    sha256_add(&h, parts, sizeof parts);
    if (w->value)
        add_value(&h, w->value);
    if (w->tools) {
        const struct tool_want *t = w->tools;
        const int32_t number[] = {t->choice, t->parallel, t->reasoning, t->free_limit};
        sha256_add(&h, number, sizeof number);
        add_name(&h, t->format->name);
        add_name(&h, t->name);
        add_text(&h, w->tools_text, w->n_tools_text);
    }
    sha256_end(&h, key);
}

/* ---- compiling ------------------------------------------------------------------------------------------------------------- */

struct recipe {
    struct session *session;
    const struct constraint_request *request;
};

static int compile(void *arg, struct compile *limits, struct stoker_constraint *out, struct error *err)
{
    const struct recipe *r = arg;
    const struct session *s = r->session;
    struct value_want value = r->request->value ? *r->request->value : (struct value_want){0};
    value.budget = &r->session->constraint_budget;
    value.compile = limits;
    if (!r->request->tools) {
        out->close_at_limit = !value.free_limit;
        return value_constraint(&out->constraint, s->tokenizer, s->trie, &value, keep_warning, out, err);
    }
    struct tool_want tools = *r->request->tools;
    tools.answer = r->request->value ? &value : NULL;
    tools.budget = &r->session->constraint_budget;
    tools.compile = limits;
    tools.warning = keep_warning;
    tools.warning_arg = out;
    out->close_at_limit = !tools.free_limit;
    return tool_constraint(&out->constraint, s->tokenizer, s->trie, &tools, err);
}

int constraint_acquire(struct stoker *s, const struct constraint_request *w, const struct stoker_constraint **out,
                       struct error *err)
{
    struct recipe recipe = {s->session, w};
    struct constraint_source source = {
        .compile = compile, .arg = &recipe, .stopped = w->stopped, .stopped_arg = w->stopped_arg};
    if (!s->session->trie) {
        *err = s->templates.tokenizer_error;
        return -1;
    }
    key_of(w, source.key);
    return constraint_cache_acquire(s->constraints, &source, out, err);
}

/* ---- the public calls ------------------------------------------------------------------------------------------------------ */

int stoker_constraint_open(const struct stoker_constraint **out, struct stoker *s, const struct stoker_answer *a,
                           struct stoker_error *public)
{
    struct error err = {0};
    struct value_want want;
    *out = NULL;
    if (value_want_of(&want, a, &err) == 0 &&
        constraint_acquire(s, &(struct constraint_request){.value = &want}, out, &err) == 0)
        return 0;
    return error_to_public(public, &err);
}

int stoker_answer_check(const struct stoker_answer *a, struct stoker_error *public)
{
    struct error err = {0};
    struct value_want want;
    return value_want_of(&want, a, &err) || value_check(&want, &err) ? error_to_public(public, &err) : 0;
}

void stoker_constraint_close(struct stoker *s, const struct stoker_constraint *c)
{
    constraint_cache_release(s->constraints, c);
}

int stoker_constraint_accepts(const struct stoker_constraint *c, const char *text, size_t n,
                              struct stoker_error *public)
{
    struct error err = {0};
    struct constraint_state *s = NULL;
    if (!c->constraint)
        return 1;
    int fits = constraint_begin(&s, c->constraint, &err) ? -1 : constraint_accept_text(s, text, n, &err);
    if (fits > 0)
        fits = constraint_complete(s);
    constraint_end(s);
    return fits < 0 ? error_to_public(public, &err) : fits;
}

const char *stoker_constraint_warning(const struct stoker_constraint *c, size_t i)
{
    return c && i < c->n_warning ? c->warning[i] : NULL;
}
