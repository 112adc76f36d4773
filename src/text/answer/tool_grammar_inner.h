/* What the files of the call grammar share.
 *
 *   tool_grammar.c         the whole: objects, names and objects     tool_grammar_tags.c    values in tags, keyword arguments
 *   tool_grammar_parts.c   words, markers, tools, triggers           tool_grammar_framed.c  harmony and functionary v3.2
 *   tool_grammar_heavy.c   schemas that are left out
 */
#ifndef TEXT_ANSWER_TOOL_GRAMMAR_INNER_H
#define TEXT_ANSWER_TOOL_GRAMMAR_INNER_H

#include "base/json/buffer.h"
#include "text/answer/answer.h"
#include "text/grammar/compile.h"
#include "text/schema/schema.h"

struct schema;
struct tokenizer;

/* A tool that may be called. */
struct tool_entry {
    const struct tool_def *def;
    struct schema *schema;
    grammar_expr arguments; /* as the format writes them */
    struct buffer line;     /* functionary v3.2: ">>>N" and a line feed, terminated */
};

enum { MAX_PHASE = 3 };

struct tool_maker {
    struct compile *compile;
    struct compile_location outside; /* put back at the end */
    struct grammar_maker *maker;
    const struct tool_format *format;
    const struct tool_want *want;
    const uint8_t *left_out; /* by the number in the list: its schema is any object; NULL: none is */
    char field[64]; /* what errors are about: the schema at hand or, behind the schemas, the only tool's or all tools */
    const struct tokenizer *tokenizer;
    struct error *err;
    struct tool_entry *tool; /* [n] */
    size_t n;
    struct schema_large large;
    int brace_taken; /* objects are written from behind their "{" */

    grammar_expr *entry; /* [n_entry] */
    size_t n_entry;
    struct call_phase {
        struct constraint_trigger *trigger;
        size_t n;
    } phase[MAX_PHASE];
    size_t n_phase;
};

#define JOIN(...)                                                                                                      \
    tool_join(k, (const grammar_expr[]){__VA_ARGS__},                                                                  \
              sizeof((const grammar_expr[]){__VA_ARGS__}) / sizeof(grammar_expr))

grammar_expr tool_word(struct tool_maker *k, const char *text);
grammar_expr tool_join(struct tool_maker *k, const grammar_expr *part, size_t n);
/* The id of a marker that is a token, -1: it is text. */
int32_t tool_token(const struct tool_maker *k, const char *text);
/* Text in which the format's part is its token, if it is one. */
grammar_expr tool_marked(struct tool_maker *k, const char *text);
/* A marker; nothing where its token ends the answer by itself. */
grammar_expr tool_mark(struct tool_maker *k, enum tool_role role);
/* item (separator item)*, or item alone where one call is all there may be. */
grammar_expr tool_several(struct tool_maker *k, grammar_expr item, grammar_expr separator);
/* One of the tools, as each(k, tool) writes it. */
grammar_expr tool_any(struct tool_maker *k, grammar_expr (*each)(struct tool_maker *k, size_t tool));
/* The trigger of a marker: its token, the token in it, or its text. *rest: what is still to come of it, or NULL. */
struct constraint_trigger tool_trigger(const struct tool_maker *k, const char *text, const char **rest);
int tool_add_entry(struct tool_maker *k, grammar_expr e); /* its number */
void tool_add_trigger(struct tool_maker *k, size_t phase, struct constraint_trigger t);

/* What follows the marker of a block. */
grammar_expr xml_grammar(struct tool_maker *k);
grammar_expr glm_grammar(struct tool_maker *k);
grammar_expr lfm2_grammar(struct tool_maker *k);
/* Arguments that are written member by member. */
grammar_expr xml_arguments(struct tool_maker *k, struct tool_entry *e);
grammar_expr lfm2_arguments(struct tool_maker *k, struct tool_entry *e);

/* tool_constraint(), without the schemas of left_out ([tools], or NULL), in this compilation. */
int tool_make(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
              const struct tool_want *w, const uint8_t *left_out, struct compile *compile, struct error *err);
/* Where all are too much together: says in left_out ([tools], zeroed) which lenient schemas are to be left out. Returns how many.
 * -1: *again, a new compilation of the same limits, has ended. */
int tool_leave_out(struct compile *again, const struct tokenizer *t, const struct token_trie *trie,
                   const struct tool_want *w, uint8_t *left_out);

/* Entries and phases of the framed formats. */
void harmony_grammar(struct tool_maker *k);
void recipient_grammar(struct tool_maker *k);

#endif
