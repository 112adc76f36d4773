/* Constraints for callers: text in, what the engine applies before it picks. The languages are text/'s. */
#include "base/error.h"
#include "engine/engine.h"
#include "text/value_constraint.h"

#include <stdlib.h>
#include <string.h>

void constraint_warn(void *arg, const char *text)
{
    struct stoker_constraint *c = arg;
    char **grown = realloc(c->warning, (c->n_warning + 1) * sizeof *grown), *copy = strdup(text);
    c->warning = grown ? grown : c->warning;
    if (grown && copy)
        c->warning[c->n_warning++] = copy;
    else
        free(copy);
}

int constraint_want(struct value_want *want, const struct stoker_answer *a, struct error *err)
{
    static const enum value_kind kind[] = {VALUE_NONE, VALUE_SCHEMA, VALUE_SCHEMA_LENIENT, VALUE_GBNF, VALUE_REGEX};
    *want = (struct value_want){.kind = kind[a->language], .text = a->text, .n = a->n, .free_limit = a->free_limit};
    if (want->kind == VALUE_NONE || !a->text)
        return error_set(err, ERR_INPUT, "a constraint needs a schema, a grammar or a pattern");
    return 0;
}

int constraint_fill(struct stoker_constraint *c, struct stoker *s, const struct stoker_answer *a,
                    const struct tool_format *format, enum tool_reasoning reasoning, struct error *err)
{
    struct value_want want;
    struct session *ses = s->session;
    if (!ses->tokenizer) {
        *err = ses->tokenizer_error;
        return -1;
    }
    if (constraint_want(&want, a, err) != 0)
        return -1;
    want.format = format;
    want.reasoning = reasoning;
    want.budget = &ses->constraints;
    c->close_at_limit = !a->free_limit;
    return value_constraint(&c->constraint, ses->tokenizer, ses->trie, &want, constraint_warn, c, err);
}

void constraint_clear(struct stoker_constraint *c)
{
    constraint_destroy(c->constraint);
    for (size_t i = 0; i < c->n_warning; i++)
        free(c->warning[i]);
    free(c->warning);
    *c = (struct stoker_constraint){0};
}

int stoker_constraint_open(struct stoker_constraint **out, struct stoker *s, const struct stoker_answer *a,
                           struct stoker_error *public)
{
    struct error err = {0};
    struct stoker_constraint *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        error_set(&err, ERR_MEMORY, "no memory for a constraint");
    if (!c || constraint_fill(c, s, a, NULL, REASONING_CLOSED, &err)) {
        stoker_constraint_close(c);
        error_to_public(public, &err);
        return -1;
    }
    *out = c;
    return 0;
}

void stoker_constraint_close(struct stoker_constraint *c)
{
    if (!c)
        return;
    constraint_clear(c);
    free(c);
}

const char *stoker_constraint_warning(const struct stoker_constraint *c, size_t i)
{
    return i < c->n_warning ? c->warning[i] : NULL;
}
