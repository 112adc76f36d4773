/* The language of a format's calls: what a model may write when the tools of a request govern it (tool_calls.md 8).
 *
 * Markers that are tokens of the vocabulary appear as these tokens only; the arguments are the tool's schema; white space is the
 * template's. */
#ifndef TEXT_TOOL_GRAMMAR_H
#define TEXT_TOOL_GRAMMAR_H

#include "text/constraint.h"
#include "text/grammar.h"
#include "text/tool_list.h"
#include "text/tools.h"

enum tool_choice { TOOL_CHOICE_NONE, TOOL_CHOICE_AUTO, TOOL_CHOICE_REQUIRED };

struct compile;
struct value_want;

struct tool_want {
    const struct tool_format *format; /* tool_format_taught() for "none" */
    const struct tool_list *tools;
    enum tool_choice choice;
    const char *name;                /* TOOL_CHOICE_REQUIRED: this one; NULL: any */
    int parallel;                    /* several calls in one answer */
    const struct value_want *answer; /* TOOL_CHOICE_AUTO: what an answer without calls must be; NULL: anything */
    enum tool_reasoning reasoning;
    int free_limit;                   /* do not close the text in time for the limit */
    struct constraint_budget *budget; /* may be NULL */
    struct compile *compile;          /* limits; NULL: the defaults of compile.h */
    /* Called with a sentence for each keyword of a tool's lenient schema that is left out; may be NULL. */
    void (*warning)(void *arg, const char *text);
    void *warning_arg;
};

/* A constraint for one request. trie is the tokenizer's. *out NULL with 0: nothing is to be constrained (no tools, or choice
 * none). ERR_INPUT names the field: an unknown tool, a schema that cannot be. ERR_UNSUPPORTED: in this format nothing tells a call
 * from such an answer. */
int tool_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                    const struct tool_want *w, struct error *err);

#endif
