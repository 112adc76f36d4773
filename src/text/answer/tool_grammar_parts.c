/* What the files of the call grammar are written in: words, markers, one of the tools, triggers. See tool_grammar_inner.h. */
#include "text/answer/tool_grammar_inner.h"

#include "text/tokenizer/tokenizer.h"

#include <string.h>

grammar_expr tool_word(struct tool_maker *k, const char *text) { return grammar_text(k->maker, text, strlen(text)); }

grammar_expr tool_join(struct tool_maker *k, const grammar_expr *part, size_t n)
{
    return grammar_sequence(k->maker, part, n);
}

int32_t tool_token(const struct tool_maker *k, const char *text)
{
    size_t n = strlen(text);
    return tool_is_token(k->tokenizer, text, n) ? tokenizer_find(k->tokenizer, text, n) : -1;
}

/* Text in which the format's part is its token, if it is one. */
grammar_expr tool_marked(struct tool_maker *k, const char *text)
{
    const char *part = k->format->part ? strstr(text, k->format->part) : NULL;
    int32_t id = part ? tool_token(k, k->format->part) : -1;
    if (id < 0)
        return tool_word(k, text);
    return JOIN(grammar_text(k->maker, text, (size_t)(part - text)), grammar_token(k->maker, id),
                tool_marked(k, part + strlen(k->format->part)));
}

grammar_expr tool_mark(struct tool_maker *k, enum tool_role role)
{
    const char *text = k->format->marker[role];
    int32_t id = text ? tool_token(k, text) : -1;
    if (!text || (id >= 0 && tokenizer_is_end(k->tokenizer, id))) /* that token ends the answer by itself */
        return tool_word(k, "");
    return id >= 0 ? grammar_token(k->maker, id) : tool_marked(k, text);
}

/* first (separator first)*, or first alone where one call is all there may be. */
grammar_expr tool_several(struct tool_maker *k, grammar_expr item, grammar_expr separator)
{
    if (!k->want->parallel)
        return item;
    return JOIN(item, grammar_repeat(k->maker, JOIN(separator, item), 0, GRAMMAR_MANY));
}

/* One of the tools, as each(k, tool) writes it. */
grammar_expr tool_any(struct tool_maker *k, grammar_expr (*each)(struct tool_maker *k, size_t tool))
{
    grammar_expr *e = compile_zeroed(k->compile, k->n + 1, sizeof *e);
    if (!e)
        return grammar_ended(k->maker);
    for (size_t i = 0; i < k->n; i++)
        e[i] = each(k, i);
    grammar_expr all = grammar_choice(k->maker, e, k->n);
    compile_free(k->compile, e);
    return all;
}

/* The trigger of a marker: its token, the token in it, or its text. *rest: what is still to come of it, or NULL. */
struct constraint_trigger tool_trigger(const struct tool_maker *k, const char *text, const char **rest)
{
    const struct tool_format *f = k->format;
    const char *part = f->part ? strstr(text, f->part) : NULL;
    struct constraint_trigger t = {.token = tool_token(k, text), .entry = -1};
    *rest = NULL;
    if (t.token < 0 && part && (t.token = tool_token(k, f->part)) >= 0)
        *rest = part + strlen(f->part);
    if (t.token < 0) {
        t.text = text;
        t.n = strlen(text);
    }
    return t;
}

int tool_add_entry(struct tool_maker *k, grammar_expr e)
{
    k->entry[k->n_entry] = e;
    return (int)k->n_entry++;
}

void tool_add_trigger(struct tool_maker *k, size_t phase, struct constraint_trigger t)
{
    struct call_phase *p = &k->phase[phase];
    p->trigger[p->n++] = t;
    if (phase >= k->n_phase)
        k->n_phase = phase + 1;
}
