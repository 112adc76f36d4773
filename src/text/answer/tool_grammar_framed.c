/* Calls of the formats that frame a whole answer: messages of harmony, parts of functionary v3.2. */
#include "text/answer/tool_grammar_inner.h"

#include <string.h>

/* ---- harmony ----------------------------------------------------------------------------------------------------------- */

static grammar_expr type_of_body(struct tool_maker *k)
{
    grammar_expr constrained = JOIN(tool_word(k, " "), tool_mark(k, HARMONY_CONSTRAIN), tool_word(k, "json"));
    return grammar_choice(k->maker, (grammar_expr[]){tool_word(k, ""), tool_word(k, " json"), constrained}, 3);
}

/* Behind " to=functions.": the name, the rest of the header, the arguments. The channel may still be to come. */
static grammar_expr harmony_rest(struct tool_maker *k, size_t i)
{
    grammar_expr channel = JOIN(tool_mark(k, HARMONY_CHANNEL), tool_word(k, "commentary"));
    return JOIN(tool_word(k, k->tool[i].def->name), grammar_optional(k->maker, channel), type_of_body(k),
                tool_mark(k, HARMONY_MESSAGE), k->tool[i].arguments, tool_mark(k, HARMONY_CALL));
}

static grammar_expr harmony_governed(struct tool_maker *k)
{
    grammar_expr message = grammar_without(k->maker, "<|", 2); /* its markers may be text to the vocabulary */
    grammar_expr thought = JOIN(tool_mark(k, HARMONY_CHANNEL), tool_word(k, "analysis"), tool_mark(k, HARMONY_MESSAGE),
                                message, tool_mark(k, HARMONY_END), tool_mark(k, HARMONY_START),
                                tool_word(k, "assistant"));
    grammar_expr channel = JOIN(tool_mark(k, HARMONY_CHANNEL), tool_word(k, "commentary"));
    grammar_expr call = JOIN(grammar_optional(k->maker, channel), tool_word(k, " to=functions."),
                             tool_any(k, harmony_rest));
    if (k->want->reasoning == REASONING_CLOSED)
        return call;
    return JOIN(grammar_repeat(k->maker, thought, 0, GRAMMAR_MANY), call);
}

static void harmony_tag(struct tool_maker *k, size_t phase, const char *text, int next)
{
    const char *rest;
    struct constraint_trigger t = tool_trigger(k, text, &rest);
    t.next = next;
    tool_add_trigger(k, phase, t);
}

void harmony_grammar(struct tool_maker *k)
{
    enum { IN_HEADER, IN_BODY };
    static const char to[] = " to=functions.";
    const struct tool_format *f = k->format;
    if (k->want->choice != TOOL_CHOICE_AUTO) {
        tool_add_entry(k, harmony_governed(k));
        return;
    }
    struct constraint_trigger call = {.text = to, .n = sizeof to - 1, .token = -1, .next = CONSTRAINT_END};
    call.entry = tool_add_entry(k, tool_any(k, harmony_rest));
    tool_add_trigger(k, IN_HEADER, call);
    harmony_tag(k, IN_HEADER, f->marker[HARMONY_MESSAGE], IN_BODY);
    harmony_tag(k, IN_BODY, f->marker[HARMONY_START], IN_HEADER);
}

/* ---- functionary v3.2 -------------------------------------------------------------------------------------------------- */

static grammar_expr part_of(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, k->tool[i].def->name), tool_word(k, "\n"), k->tool[i].arguments);
}

/* The trigger of a part's line, entry -1: content. The text lives in the maker's store. */
static void part_trigger(struct tool_maker *k, size_t phase, const char *line, int at_start, int entry, int next)
{
    struct constraint_trigger t = {
        .text = line, .n = strlen(line), .token = -1, .at_start = at_start, .entry = entry, .next = next};
    tool_add_trigger(k, phase, t);
}

void recipient_grammar(struct tool_maker *k)
{
    enum { AT_FIRST, LATER };
    if (k->want->choice != TOOL_CHOICE_AUTO) {
        tool_add_entry(k, tool_several(k, tool_any(k, part_of), tool_word(k, k->format->marker[RECIPIENT_NEXT])));
        return;
    }
    int next = k->want->parallel ? LATER : CONSTRAINT_END;
    part_trigger(k, AT_FIRST, "all\n", 1, -1, LATER);
    part_trigger(k, AT_FIRST, k->format->marker[RECIPIENT_NEXT], 1, -1, AT_FIRST); /* the prompt's end, repeated */
    for (size_t i = 0; i < k->n; i++) {
        struct buffer *line = &k->tool[i].line;
        buffer_puts(line, k->format->marker[RECIPIENT_NEXT]);
        size_t prefix = line->n;
        buffer_puts(line, k->tool[i].def->name);
        buffer_puts(line, "\n");
        buffer_put(line, "", 1);
        if (line->failed) {
            grammar_no_memory(k->maker, "the grammar of the tools");
            return;
        }
        int entry = tool_add_entry(k, k->tool[i].arguments);
        part_trigger(k, AT_FIRST, line->text + prefix, 1, entry, next);
        part_trigger(k, LATER, line->text, 0, entry, next);
    }
}
