/* Values of the template language, and the run that owns them.
 *
 * A value is 16 bytes and copied freely; what does not fit lies in the arena of the run and is shared. Strings never change,
 * lists and dicts do (append, update):
 *
 *   jvalue  { type, i | f | pointer }
 *   jstring { bytes, n, origin | mark[n] }    who wrote each byte: one origin for all of it, or one a byte
 *   jlist   { item[n] }                     lists and tuples
 *   jdict   { entry[n], slot[] }            in order of insertion; hashed beyond a few entries
 *
 * A run is one rendering, on one thread: its memory, its limits, its errors. Allocations never fail for the caller: what cannot go on
 * leaves through jfail() (a longjmp) to the innermost jrun_protect(). All that functions with a run return lies in its arena and lives as
 * long as that; nothing else is owned, so nothing is leaked on the way. Functions of a type's name (jlist_*, jdict_*) take that type only;
 * lengths and offsets are bytes. templates.md 3, 7 and 8. */
#ifndef TEXT_JINJA_VALUE_H
#define TEXT_JINJA_VALUE_H

#include "base/arena.h"
#include "base/stack.h"
#include "text/jinja/jinja.h"

#include <setjmp.h>
#include <stdint.h>

enum jtype {
    J_UNSET, /* an empty slot; never the value of an expression */
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_NUMBER, /* a number as it was written: 1.50, 1e3, beyond 64 bits */
    J_STRING,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_RANGE,
    J_LAZY, /* what map, select ... give: to be walked once */
    J_VIEW, /* keys(), values(), items() of a dict */
    J_NAMESPACE,
    J_LOOP,
    J_MACRO,
    J_FUNCTION, /* a global */
    J_METHOD,   /* a method and its object */
    J_CYCLER,
    J_JOINER
};

struct jvalue {
    enum jtype type;
    union {
        int64_t i; /* J_INT, J_BOOL */
        double f;
        const struct jstring *s;
        const struct jundefined *undefined;
        const struct jnumber *number;
        struct jlist *list; /* J_LIST, J_TUPLE, J_LAZY */
        struct jdict *dict; /* J_DICT, J_NAMESPACE */
        const struct jrange *range;
        const struct jview *view;
        struct jloop *loop;
        const struct jmacro *macro;
        const struct jbuiltin *function;
        const struct jmethod *method;
        struct jcycler *cycler;
    } u;
};

struct jstring {
    const char *bytes;
    size_t n;
    const uint8_t *mark;    /* [n] origin of each byte; NULL: all are `origin` */
    struct jbuffer *buffer; /* whose end this string may be, so that it can grow in place; or NULL */
    uint8_t origin, safe;   /* safe: marked by the filters safe and escape */
};

/* Bytes under construction. Strings made of it are its beginning; a longer one may reuse the bytes behind. */
struct jbuffer {
    struct jrun *run;
    char *bytes;
    uint8_t *mark; /* NULL: all are origin */
    size_t n, cap;
    uint8_t origin;
};

struct jundefined {
    const char *owner; /* "str object": what lacks it; NULL: a name */
    const struct jstring *name;
};

struct jnumber {
    const char *text; /* as written */
    size_t n;
    enum { JNUMBER_INT, JNUMBER_FLOAT, JNUMBER_BIG } is; /* BIG: an integer beyond 64 bits */
    int64_t i;
    double f;
};

struct jlist {
    struct jvalue *item;
    size_t n, cap;
    size_t walked; /* J_LAZY: how many are used up */
};

struct jdict {
    struct jentry {
        struct jvalue key, value;
        uint64_t hash;
    } * entry;
    size_t n, cap;
    uint32_t *slot; /* index + 1, open addressing; NULL while there are few */
    size_t mask;
};

struct jrange {
    int64_t start, stop, step, n;
};

struct jview {
    const struct jdict *dict;
    enum { JVIEW_KEYS, JVIEW_VALUES, JVIEW_ITEMS } of;
};

struct jmethod {
    struct jvalue self;
    const struct jbuiltin *builtin;
};

struct jcycler {
    struct jlist *items; /* of a joiner: the separator */
    size_t at;
};

/* ---- the run ---- */

struct jrun {
    struct arena *arena;
    struct jinja_error *error;
    jmp_buf *trap; /* of the innermost jrun_protect() */
    size_t request_bytes, memory_limit, string_limit;
    uint64_t work, work_limit; /* units of jwork() */
    uint64_t check_at;         /* work at which jcheck_limits() is due */
    int (*stopped)(void *arg); /* not 0: nobody waits for the rendering any more; NULL: never asked */
    void *stopped_arg;
    uintptr_t stack_limit; /* of the thread that began the run */
    int spent;             /* it ended for want of work or memory */
    int compiles;          /* strings belong to a template and never grow in place */
    const struct jinja_clock *clock;

    const struct jinja_template *template; /* being rendered, NULL before */
    struct jvalue context;                 /* J_DICT */
    struct jvalue captured;                /* the text that a block is filtered with */
    uint32_t at;                           /* offset in its source: the expression being computed */
    const struct jcalled {                 /* macros under way, innermost first */
        const struct jcalled *outer;
        const struct jstring *name;
        uint32_t from; /* where it was called */
    } * called;
    int n_called;
    struct jframe *spare[17]; /* frames to use again, by cap / 4 */
};

/* Begin a run over an empty growing arena, by the thread that will use it. request_bytes widens the limits for large requests; a
 * caller may lower them, and set stopped. Whatever uses the run is called by jrun_protect(). */
void jrun_begin(struct jrun *r, struct arena *arena, size_t request_bytes, struct jinja_error *error);

/* Call body with arg. Returns what body returned; or -1 where it, or what it calls, has left the run: run->error says why. Calls may be
 * nested. */
int jrun_protect(struct jrun *r, int (*body)(struct jrun *r, void *arg), void *arg);

void *jalloc(struct jrun *r, size_t size); /* 8-byte aligned, zeroed */
void *jalloc_array(struct jrun *r, size_t n, size_t size);

/* Leave the run with an error; where it happened is added. */
_Noreturn void jfail(struct jrun *r, enum jinja_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void jraise(struct jrun *r, const struct jstring *message); /* raise_exception() */
_Noreturn void jrun_leave(struct jrun *r);                            /* with the error that the run has already */

/* Work is counted, not timed, so that on every machine a template ends at the same statement. A statement or operator counts as a step,
 * a walk over bytes or items in proportion to them. A unit is what copying 16 bytes takes, 2 to 5 ns. jwork() leaves the run beyond
 * work_limit, or when stopped() returns not 0, which is asked every JCHECK units, some milliseconds. */
enum { JSTEP = 16, JMILLION_STEPS = JSTEP * 1000000, JCHECK = 1 << 20 };
void jcheck_limits(struct jrun *r);
static inline void jwork(struct jrun *r, size_t units)
{
    r->work += units;
    if (r->work >= r->check_at)
        jcheck_limits(r);
}
static inline void jstep(struct jrun *r) { jwork(r, JSTEP); }

/* Called first by every function that may call itself, directly or by way of others: counts a step, and leaves the run before the stack
 * ends. */
_Noreturn void jfail_deep(struct jrun *r);
static inline void jdeeper(struct jrun *r)
{
    jstep(r);
    if (stack_is_beyond(r->stack_limit))
        jfail_deep(r);
}

/* ---- values ---- */

#define JNONE  ((struct jvalue){.type = J_NONE})
#define JUNSET ((struct jvalue){.type = J_UNSET})
static inline struct jvalue jbool(int truth) { return (struct jvalue){J_BOOL, {.i = truth != 0}}; }
static inline struct jvalue jint(int64_t i) { return (struct jvalue){J_INT, {.i = i}}; }
static inline struct jvalue jfloat(double f) { return (struct jvalue){J_FLOAT, {.f = f}}; }
static inline struct jvalue jstr(const struct jstring *s) { return (struct jvalue){J_STRING, {.s = s}}; }
static inline struct jvalue jlistv(struct jlist *l) { return (struct jvalue){J_LIST, {.list = l}}; }
static inline struct jvalue jtuplev(struct jlist *l) { return (struct jvalue){J_TUPLE, {.list = l}}; }
static inline struct jvalue jlazyv(struct jlist *l) { return (struct jvalue){J_LAZY, {.list = l}}; }
static inline struct jvalue jdictv(struct jdict *d) { return (struct jvalue){J_DICT, {.dict = d}}; }
struct jvalue jundefined(struct jrun *r, const char *owner, const struct jstring *name);
_Noreturn void jfail_undefined(struct jrun *r, struct jvalue v); /* "'x' is undefined" */

const char *jtype_name(struct jvalue v); /* as Python calls it: "str", "NoneType" */

/* ---- strings: string.c ---- */

/* n bytes as a string: a view of bytes that outlive the run, or a copy. */
const struct jstring *jstring_of(struct jrun *r, const char *bytes, size_t n, enum text_origin origin);
const struct jstring *jstring_copy(struct jrun *r, const char *bytes, size_t n, enum text_origin origin);
const struct jstring *jstring_word(struct jrun *r, const char *word); /* a literal of ours, ORIGIN_TEMPLATE */
/* [from, from + n) of s: no copy. */
const struct jstring *jstring_view(struct jrun *r, const struct jstring *s, size_t from, size_t n);
const struct jstring *jstring_concat(struct jrun *r, const struct jstring *a, const struct jstring *b);
const struct jstring *jstring_marked(struct jrun *r, const struct jstring *s, enum text_origin origin); /* all of it */
const struct jstring *jstring_safe(struct jrun *r, const struct jstring *s, int safe); /* s with that flag */
const struct jstring *jstring_escape(struct jrun *r, const struct jstring *s);         /* & < > ' " as entities; safe */
enum text_origin jstring_greatest(struct jrun *r, const struct jstring *s);            /* the greatest of its bytes */
int jstring_is(const struct jstring *s, const char *word); /* 1: equal bytes, whatever their origins */
int jstring_equal(const struct jstring *a, const struct jstring *b);
/* For messages: at most 80 characters, NUL behind. */
const char *jstring_short(struct jrun *r, const struct jstring *s);

/* A buffer belongs to its run. reserve: memory for n bytes, of an empty buffer. */
struct jbuffer jbuffer_new(struct jrun *r);
void jbuffer_reserve(struct jbuffer *b, size_t n);
void jbuffer_add(struct jbuffer *b, const char *bytes, size_t n, enum text_origin origin);
void jbuffer_word(struct jbuffer *b, const char *word); /* ORIGIN_TEMPLATE */
void jbuffer_string(struct jbuffer *b, const struct jstring *s);
const struct jstring *jbuffer_done(struct jbuffer *b); /* b is used up */

/* Characters: a byte and the continuation bytes behind it. How many there are; the offset of the one behind that at `at`; the offset of
 * character number `character`, from 0, s->n beyond the end; the code point at `at` and its *length in bytes, U+FFFD for ill-formed
 * ones. */
size_t jchars(struct jrun *r, const struct jstring *s);
size_t jchar_next(const struct jstring *s, size_t at);
size_t jchar_offset(struct jrun *r, const struct jstring *s, size_t character);
uint32_t jchar_code(const struct jstring *s, size_t at, size_t *length);
/* Where the m bytes of what first are in the n bytes of in; NULL: nowhere. */
const char *jfind(struct jrun *r, const char *in, size_t n, const char *what, size_t m);

/* ---- lists and dicts: container.c ---- */

struct jlist *jlist_new(struct jrun *r, size_t cap); /* empty; cap: items that it takes before it grows */
void jlist_add(struct jrun *r, struct jlist *l, struct jvalue v);
void jlist_insert(struct jrun *r, struct jlist *l, size_t at, struct jvalue v);
struct jvalue jpair(struct jrun *r, struct jvalue a, struct jvalue b); /* a tuple */

/* Keys are equal as in Python: 1, 1.0 and True are one. jhashable(): 1: it can be a key; another key leaves the run with an error. get
 * and find: NULL: absent; else valid until the dict changes. put: key is ORIGIN_TEMPLATE and outlives the run. remove: 0: it was not
 * there. */
struct jdict *jdict_new(struct jrun *r);
int jhashable(struct jrun *r, struct jvalue v);
const struct jvalue *jdict_get(struct jrun *r, const struct jdict *d, struct jvalue key);
const struct jvalue *jdict_find(struct jrun *r, const struct jdict *d, const char *key);
void jdict_set(struct jrun *r, struct jdict *d, struct jvalue key, struct jvalue value);
void jdict_put(struct jrun *r, struct jdict *d, const char *key, struct jvalue value);
int jdict_remove(struct jrun *r, struct jdict *d, struct jvalue key);

/* A walk over the items of a value: jwalk_begin(), then jwalk_next(), which sets *item, until it returns 0. A value that has no items
 * leaves the run with an error; jiterable() tells, 1: it has. */
struct jwalk {
    struct jrun *run;
    struct jvalue over;
    size_t at, n; /* n: entries of a dict at the beginning */
};
struct jwalk jwalk_begin(struct jrun *r, struct jvalue over);
int jwalk_next(struct jwalk *w, struct jvalue *item);
int jiterable(struct jvalue v);
int64_t jlength(struct jrun *r, struct jvalue v);        /* -1: it has none */
struct jlist *jlist_of(struct jrun *r, struct jvalue v); /* a new list of the items of v */
struct jvalue jlist_at(struct jvalue list, int64_t i); /* of a list or tuple; negative: from the end; J_UNSET outside */

/* ---- numbers: number.c ---- */

enum joperator { JOP_ADD, JOP_SUB, JOP_MUL, JOP_DIV, JOP_FLOOR, JOP_MOD, JOP_POW };
struct jvalue jarith(struct jrun *r, enum joperator op, struct jvalue a, struct jvalue b);
struct jvalue jnegate(struct jrun *r, struct jvalue a);
int jis_number(struct jvalue v);                /* booleans too */
int jis_integer(struct jvalue v, int64_t *out); /* booleans too; not those beyond 64 bits */
double jnumber_double(struct jvalue v);
struct jvalue jnumber_parse(struct jrun *r, const char *text, size_t n); /* JSON's or ours; keeps the spelling */
int jnumber_compare(struct jvalue a, struct jvalue b);                   /* -1 0 1; 2: a NaN */
enum { JFLOAT_BYTES = 40 };
/* The shortest decimal that reads back as f, in Python's form, into out [JFLOAT_BYTES]; returns its bytes. */
size_t jfloat_text(struct jrun *r, double f, char *out);

/* ---- comparing: compare.c ---- */

/* 1: v is true as a condition, as in Python: not undefined, none, false, zero or empty. */
int jtruth(struct jvalue v);
/* 1: a == b, as in Python. Leaves the run with an error where values are nested too deeply. */
int jequal(struct jrun *r, struct jvalue a, struct jvalue b);
/* -1, 0 or 1; 2: a NaN is among them. Types that have no order leave the run with an error, which names the operator. */
int jorder(struct jrun *r, struct jvalue a, struct jvalue b, const char *operator_);
int jcontains(struct jrun *r, struct jvalue in, struct jvalue what); /* 1: `what in in` */
/* Sorts item [n] in place by key [n]: stable, ascending, or with reverse 1 descending with equal ones in their order. */
void jsort(struct jrun *r, struct jvalue *item, const struct jvalue *key, size_t n, int reverse);
struct jvalue jfolded(struct jrun *r, struct jvalue v); /* a string in lower case, others as they are */

/* ---- text: show.c and json.c ---- */

const struct jstring *jtext(struct jrun *r, struct jvalue v); /* what {{ v }} prints */
void jrepr(struct jbuffer *b, struct jvalue v); /* a Python literal; ORIGIN_TEMPLATE, the caller marks the whole */
enum text_origin jgreatest(struct jrun *r, struct jvalue v); /* of all strings inside, keys too */

struct jjson {  /* as json.dumps() of Python has them */
    int indent; /* blanks a level, behind indent_text (or NULL); -1: one line */
    const struct jstring *indent_text, *item_separator, *key_separator;
    int ascii, sort_keys; /* 1: other characters as \uXXXX; keys in order */
};
extern const struct jjson jjson_plain;
const struct jstring *jjson_write(struct jrun *r, struct jvalue v, const struct jjson *how);
/* The value of a whole JSON text of n bytes; every string of it has the origin. *problem: NULL, or what is wrong (a static text), at the
 * byte *where. */
struct jvalue jjson_parse(struct jrun *r, const char *text, size_t n, enum text_origin origin, const char **problem,
                          size_t *where);

#endif
