/* The tree of a template, as the parser leaves it and the evaluator walks it; all of it in the template's arena, never written
 * again after jinja_compile().
 *
 * Names are resolved to slots: a scope (template, loop body, macro, block with its own names) has one slot for each name that
 * it sets. A name that is read knows every scope around it that might have set it, nearest first; the first slot that is set
 * at run time counts, then the context, then the globals. That is what "set inside for is local, inside if it is not" comes
 * to, and a macro sees its surroundings as of the call. */
#ifndef TEXT_JINJA_TREE_H
#define TEXT_JINJA_TREE_H

#include "text/jinja/value.h"

enum { JTREE_MOST = 200, JCALLS_MOST = 200, JRANGE_MOST = 100000, JLIST_MOST = 16 << 20, JNAMES_MOST = 1000 };

enum jnode_kind {
    JN_CONST,     /* value */
    JN_NAME,      /* name; binding[n_binding]; global */
    JN_LIST,      /* list[n] */
    JN_TUPLE,     /* list[n] */
    JN_DICT,      /* list[n]: key, value, key, value ... */
    JN_ATTR,      /* a . name; method[] */
    JN_ITEM,      /* a [ b ] */
    JN_SLICE,     /* a [ list[0] : list[1] : list[2] ], each may be NULL */
    JN_CALL,      /* a ( args ) */
    JN_FILTER,    /* a | builtin ( args ) */
    JN_TEST,      /* a is builtin ( args ) */
    JN_NOT,       /* a */
    JN_NEG,       /* a */
    JN_POS,       /* a */
    JN_ARITH,     /* a op b */
    JN_CONCAT,    /* list[n] */
    JN_COMPARE,   /* a compare[0] list[0] compare[1] list[1] ... */
    JN_AND,       /* a, b */
    JN_OR,        /* a, b */
    JN_COND,      /* b if a else c; c may be NULL */
    JN_CAPTURED,  /* the text of the block that a filter is applied to */
    JN_DATA,      /* value: a string */
    JN_PRINT,     /* a */
    JN_BODY,      /* list[n] */
    JN_IF,        /* list[n]: condition, body, condition, body ...; c: else, may be NULL */
    JN_FOR,       /* for a in b if c: list[0] in scope, else list[1] in other_scope; c, list[1] may be NULL */
    JN_SET,       /* a = b */
    JN_SETBLOCK,  /* a = list[0] in scope, filtered by c, may be NULL */
    JN_MACRO,     /* a = macro */
    JN_CALLBLOCK, /* a: the call, given macro as caller */
    JN_FILTERED,  /* list[0] in scope, filtered by c */
    JN_WITH,      /* list[0] in scope; list[1], list[2] target and value, and so on to n */
    JN_BREAK,
    JN_CONTINUE,
    JN_NSATTR,  /* as a target: a . name */
    JN_NOLOADER /* include, import, extends: there is nothing to load from */
};

enum jcompare { JC_EQ, JC_NE, JC_LT, JC_LE, JC_GT, JC_GE, JC_IN, JC_NOTIN };

struct jbinding {
    int hops, slot;
};

struct jargs {
    struct jnode **item;
    size_t n;
    struct jkeyarg {
        const struct jstring *name;
        struct jnode *value;
    } * keyed;
    size_t n_keyed;
    struct jnode *star, *star_star; /* or NULL */
};

struct jnode {
    enum jnode_kind kind;
    uint32_t pos; /* offset in the source */
    int depth;    /* of the tree below, 1: a leaf */
    int op;       /* enum joperator; of JN_FOR: is it recursive; of JN_NAME as a target: its slot */
    struct jnode *a, *b, *c;
    struct jnode **list;
    size_t n;
    struct jvalue value;
    const struct jstring *name;
    const struct jargs *args;
    const struct jbuiltin *builtin;   /* filter, test or global; NULL: not known */
    const struct jbuiltin *method[3]; /* of strings, lists, dicts: those of this name, or NULL */
    const uint8_t *compare;           /* enum jcompare [n] */
    const struct jbinding *binding;
    size_t n_binding;
    struct jscope *scope, *other_scope;
    const struct jmacrodef *macro;
};

struct jscope {
    struct jscope *outer;
    const struct jstring **name; /* [n] of slots */
    size_t n, cap;
    struct jmacrodef *macro; /* whose scope this is; NULL: of none */
    int captured;            /* a macro inside keeps the frame beyond its time */
    int loop;                /* slot of the loop variable, -1 no loop */
    int uses_loop;
};

struct jmacrodef {
    const struct jstring *name; /* "caller" for the body of a call block */
    struct jscope *scope;
    struct jnode **fallback; /* [n_param] or NULL each; parameter i is slot i */
    size_t n_param;
    struct jnode *body;
    int caller, varargs, kwargs; /* slots, -1: the body does not ask for it */
};

struct jmacro {
    const struct jmacrodef *def;
    struct jframe *outer;
};

/* The slots of a scope at work. */
struct jframe {
    struct jframe *outer;
    size_t cap; /* slots allocated */
    struct jvalue slot[];
};

struct jinja_template {
    struct arena arena;
    const char *source;
    size_t n;
    struct jscope *scope;
    struct jnode *body;
    const struct jstring **word; /* names that occur */
    size_t n_word;
};

/* ---- lexer ---- */

enum jtoken_kind {
    JT_END,
    JT_DATA,
    JT_PRINT_BEGIN,
    JT_PRINT_END,
    JT_BLOCK_BEGIN,
    JT_BLOCK_END,
    JT_NAME,
    JT_STRING,
    JT_INTEGER,
    JT_FLOAT,
    JT_OPERATOR /* text is it */
};

struct jtoken {
    enum jtoken_kind kind;
    uint32_t pos;
    const struct jstring *text; /* data and strings: what they mean; others: the source */
};

/* A run whose arena is the template's: compiling uses the same memory and the same way out. All tokens; the last is JT_END. */
struct jtoken *jlex(struct jrun *r, const char *source, size_t n, size_t *n_token);
_Noreturn void jfail_compile(struct jrun *r, uint32_t pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "line 41, column 7, in macro m, called from line 97: " of the run's position into to[size]; its length, 0 outside of a template. */
size_t jwrite_position(struct jrun *r, char *to, size_t size);

/* ---- parser ---- */

struct jparser {
    struct jrun *run;
    struct jinja_template *template;
    const struct jtoken *token; /* the current one */
    struct jscope *scope;
    struct jnamed {
        struct jnamed *next;
        struct jnode *node;
        struct jscope *scope;
    } * named; /* every name that is read */
    struct junknown {
        struct junknown *next;
        const struct jnode *node;
        int soft; /* inside an if: no error unless it is reached */
    } * unknown;
    int depth, loops;     /* loops around this position in the same macro */
    struct jnode *caller; /* the call of a call block being parsed */
};

/* parse_token.c, parse_name.c */
void jparse_enter(struct jparser *p); /* one deeper, which is p->depth-- at the end; too deep is an error */
struct jnode *jnode_new(struct jparser *p, enum jnode_kind kind, uint32_t pos);
struct jnode *jnode_deeper(struct jparser *p, struct jnode *n); /* sets depth from children; too deep is an error */
/* A growing list of nodes, zeroed at first; and a node that has it as its list. */
struct jnodes {
    struct jnode **item;
    size_t n, cap;
};
void jnodes_add(struct jparser *p, struct jnodes *l, struct jnode *n);
struct jnode *jnode_of_list(struct jparser *p, enum jnode_kind kind, uint32_t pos, const struct jnodes *l);
int jname_constant(const struct jstring *name, struct jvalue *v); /* true, false, none in both spellings: 1 */
int jslot_of(struct jparser *p, struct jscope *scope, const struct jstring *name); /* made if new */
struct jscope *jscope_new(struct jparser *p);
void jsoften(struct jparser *p,
             const struct junknown *since); /* what is unknown since then is no error unless it is reached */
struct jnode *jparse_name(struct jparser *p, const struct jstring *name, uint32_t pos); /* a name that is read */
void jresolve(struct jparser *p, const struct jnamed *named); /* its bindings; once all scopes are whole */

int jtoken_is(const struct jparser *p, const char *operator_);
int jtoken_word(const struct jparser *p, const char *word);
int jtoken_skip(struct jparser *p, const char *operator_);
int jtoken_skip_word(struct jparser *p, const char *word);
void jtoken_expect(struct jparser *p, const char *operator_);
const struct jstring *jtoken_name(struct jparser *p); /* expects a name */
const char *jtoken_show(struct jparser *p);           /* the current one, for messages */

/* parse_expr.c */
struct jnode *jparse_expression(struct jparser *p, int with_condition);
struct jnode *jparse_unary(struct jparser *p, int with_filter);
const struct jargs *jparse_args(struct jparser *p);
struct jnode *jparse_filters(struct jparser *p, struct jnode *a, int begun); /* begun: the | is behind us */

/* parse_tuple.c: a tuple without parentheses, or the one expression; end: a word that also ends it, or NULL. */
struct jnode *jparse_tuple(struct jparser *p, int with_condition, const char *end, int in_parentheses);
struct jnode *jparse_target(struct jparser *p, int with_namespace, const char *end); /* slots in p->scope */

/* parse.c: the whole; an error leaves the run, as everywhere in the parser */
struct jnode *jparse_template(struct jparser *p);

/* ---- the library ---- */

struct jkeyword {
    const struct jstring *name;
    struct jvalue value;
};

/* A call as a builtin sees it: arguments in the order of its parameters, J_UNSET where absent; raw: as they came. */
struct jcall {
    struct jrun *run;
    const struct jbuiltin *builtin;
    struct jvalue self; /* what a filter, test or method is applied to */
    struct jvalue *arg;
    size_t n;
    struct jkeyword *keyed;
    size_t n_keyed;
};

struct jbuiltin {
    const char *name;
    struct jvalue (*run)(struct jcall *c); /* NULL: known to Python, not supported here */
    const char *params;                    /* "width first blank"; NULL: raw */
    int required;
};

const struct jbuiltin *jfilter_find(const struct jstring *name);
const struct jbuiltin *jtest_find(const struct jstring *name);
const struct jbuiltin *jglobal_find(const struct jstring *name);
const struct jbuiltin *jmethod_string(const struct jstring *name);
const struct jbuiltin *jmethod_list(const struct jstring *name);
const struct jbuiltin *jmethod_tuple(const struct jstring *name);
const struct jbuiltin *jmethod_dict(const struct jstring *name);
extern const struct jbuiltin jfilter_sequence[], jfilter_text[]; /* end with a NULL name */
const struct jbuiltin *jbuiltin_find(const struct jbuiltin *table, const struct jstring *name);
struct jvalue jmake_dict(struct jcall *c); /* dict(...): method_container.c */

/* Check and order the arguments, and run it. */
struct jvalue jbuiltin_call(struct jrun *r, const struct jbuiltin *b, struct jvalue self, struct jvalue *arg, size_t n,
                            struct jkeyword *keyed, size_t n_keyed);

/* Arguments of builtins. */
int64_t jarg_int(struct jcall *c, size_t i, int64_t absent);
int64_t jarg_size(struct jcall *c, size_t i,
                  int64_t absent); /* a number of things: within 2^40, so that sums stay in range */
int jarg_truth(struct jcall *c, size_t i, int absent);
const struct jstring *jarg_string(struct jcall *c, size_t i); /* NULL: absent; others are an error */
const struct jstring *jself_string(struct jcall *c);

/* str % values, str.format(): format.c */
const struct jstring *jformat_percent(struct jrun *r, const struct jstring *format, const struct jvalue *arg, size_t n);
struct jvalue jmethod_format(struct jcall *c);

/* Case of characters: unicode.c */
uint32_t jupper(uint32_t code);
uint32_t jlower(uint32_t code);
const char *jupper_special(uint32_t code); /* of several characters; NULL: none */
int jprintable(uint32_t code);
int jspace(uint32_t code);
enum jcase { JCASE_UPPER, JCASE_LOWER, JCASE_TITLE, JCASE_CAPITAL, JCASE_SWAP };
const struct jstring *jrecase(struct jrun *r, const struct jstring *s, enum jcase to);
/* 1: its characters that have a case have this one, and there is such a character. */
int jonly_case(struct jrun *r, const struct jstring *s, int upper);

/* String work that filters and methods share: method_string.c */
const struct jstring *jstrip(struct jrun *r, const struct jstring *s, const struct jstring *set, int left, int right);
/* Where the line that begins at from ends, and where the next begins (the same at the end of the text). */
size_t jline_end(struct jrun *r, const struct jstring *s, size_t from, size_t *next);
const struct jstring *jreplace(struct jrun *r, const struct jstring *s, const struct jstring *from,
                               const struct jstring *to, int64_t most);

/* ---- evaluator ---- */

enum jgo { JGO_ON, JGO_BREAK, JGO_CONTINUE };

struct jvalue jeval(struct jrun *r, struct jframe *f, const struct jnode *n);
enum jgo jexec(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out);
struct jframe *jframe_new(struct jrun *r, const struct jscope *scope, struct jframe *outer);
void jframe_drop(struct jrun *r, const struct jscope *scope, struct jframe *f);
void jassign(struct jrun *r, struct jframe *f, const struct jnode *target, struct jvalue v);
struct jvalue jget_attr(struct jrun *r, struct jvalue of, const struct jstring *name);
struct jvalue jget_item(struct jrun *r, struct jvalue of, struct jvalue key);
struct jvalue jget_path(struct jrun *r, struct jvalue of,
                        struct jvalue path); /* "a.0.b", or an index: attribute= of filters */
struct jvalue jcall_value(struct jrun *r, struct jvalue callee, struct jvalue *arg, size_t n, struct jkeyword *keyed,
                          size_t n_keyed);
struct jvalue jcall_macro(struct jrun *r, const struct jmacro *m, struct jvalue *arg, size_t n, struct jkeyword *keyed,
                          size_t n_keyed);
struct jvalue jslice(struct jrun *r, struct jvalue of, struct jvalue from, struct jvalue to, struct jvalue step);
enum jgo jexec_for(struct jrun *r, struct jframe *f, const struct jnode *n, struct jbuffer *out);
struct jvalue jloop_attr(struct jrun *r, struct jloop *l, const struct jstring *name);
struct jvalue jloop_call(struct jrun *r, struct jloop *l, struct jvalue over);
int64_t jloop_length(struct jrun *r, struct jloop *l);

#endif
