/* The template language of chat templates (Jinja2 as their publishers use it), compiled once and rendered with provenance.
 *
 *   jinja_compile   source -> tree; read-only afterwards, threads may share it
 *   jinja_render    tree and context -> text, and for every byte of it who wrote it
 *
 * Sources: templates.md of the specification; the language as the Jinja2 3.1 documentation describes it. Files:
 *   lexer           white space rules, tokens        value.h         values, strings with origins, the run
 *   parse*          tokens to tree, names to slots   filter_*, method_*, test, global, builtin: the library
 *   eval, exec,     the tree at work                 show, json, format, number: values as text
 *   call, loop                                       run, raise: memory, limits, errors */
#ifndef TEXT_JINJA_JINJA_H
#define TEXT_JINJA_JINJA_H

#include <stddef.h>
#include <stdint.h>

struct jinja_template;
struct jrun;

/* Who wrote a byte; of several the greatest counts. */
enum text_origin {
    ORIGIN_TEMPLATE,  /* t: the template, roles, markers, the clock */
    ORIGIN_ASSISTANT, /* a: content, reasoning, calls of assistant messages */
    ORIGIN_USER       /* u: everything else of a request */
};

enum jinja_error_kind {
    JINJA_OK,
    JINJA_COMPILE,
    JINJA_RAISE,   /* the template refused: raise_exception() */
    JINJA_RUNTIME, /* a type or a name that is not as the template thinks */
    JINJA_LIMIT,   /* steps, memory, nesting: more than a template may have */
    JINJA_MEMORY,  /* there is no more */
    JINJA_STOPPED, /* nobody waits for the text any more */
    JINJA_REQUEST  /* not the template: what it should render is wrong */
};

struct jinja_error {
    enum jinja_error_kind kind;
    int line, column;   /* in the template; 0: not in it */
    char text[480];     /* "line 41, column 7, in macro m, called from line 97: 'x' is undefined" */
    const char *raised; /* JINJA_RAISE: the message itself, [n_raised], in the run's arena */
    size_t n_raised;
};

/* Local time of the server. */
struct jinja_clock {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};

enum { JINJA_SOURCE_MAX = 1 << 20 };

/* The source, n bytes of UTF-8, at most JINJA_SOURCE_MAX, is copied. -1: *out is NULL, and *err has line and column (JINJA_COMPILE), or
 * says that there is no memory (JINJA_MEMORY). */
int jinja_compile(struct jinja_template **out, const char *source, size_t n, struct jinja_error *err);
void jinja_free(struct jinja_template *t);          /* t may be NULL */
size_t jinja_bytes(const struct jinja_template *t); /* memory held, in bytes */
/* The *n bytes of the source, with \n for every end of line, owned by the template. 1: it reads a variable of this name. */
const char *jinja_source(const struct jinja_template *t, size_t *n);
int jinja_reads(const struct jinja_template *t, const char *name);

/* Text in stretches of one origin each. */
struct jinja_span {
    enum text_origin origin;
    size_t n; /* bytes, behind the span before */
};
struct jinja_text {
    const char *bytes; /* [n] not terminated */
    size_t n;
    const struct jinja_span *span; /* [n_span], neighbours differ */
    size_t n_span;
    const uint8_t *mark; /* [n] the same of each byte; NULL: all are the first span's */
};

/* Render with run->context; *out lies in the run's arena. -1: run->error says why; the run can be used again. */
int jinja_render(const struct jinja_template *t, struct jrun *run, struct jinja_text *out);

#endif
