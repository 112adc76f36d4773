/* links: text base */
/* Fuzzing the template language. The first byte chooses: the rest is a template as it stands, or the choices by which a template
 * of nested expressions and statements is written. It is rendered with texts of the template's class and of a user's.
 *
 * Laws: classes change no text; spans cover it; twice the same; nothing takes longer than its limits. */
#include "base/clock.h"
#include "text/jinja/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char context[] =
    "{\"a\": 1, \"b\": 2.5, \"s\": \"Hello World\", \"t\": \"  pad \\n\", \"e\": \"\", \"l\": [3, 1, 2], \"n\": null, "
    "\"T\": true,"
    "\"d\": {\"z\": 1, \"y\": [1, 2], \"x\": \"v\"}, \"u\": \"Gr\\u00fc\\u00dfe \\ud83d\\udc69 \\u65e5\\u672c\", "
    "\"w\": 1.50,"
    "\"ms\": [{\"role\": \"user\", \"content\": \"hi\", \"k\": 1}, {\"role\": \"assistant\", \"content\": \"yo\", "
    "\"k\": 2},"
    "{\"role\": \"user\", \"content\": \"bye\"}], \"big\": 9223372036854775807, \"huge\": 1e400, \"html\": \"<b>&'\","
    "\"more\": 123456789012345678901234567890, \"el\": [], \"ml\": [1, \"a\", null, true, 2.0, {\"q\": 1}, [2]]}";

/* ---- writing a template ---- */

struct writer {
    const uint8_t *data;
    size_t n, at;
    char text[1 << 14];
    size_t length;
};

static unsigned choice(struct writer *w, unsigned n) { return w->at < w->n ? w->data[w->at++] % n : 0; }

static void put(struct writer *w, const char *text)
{
    size_t n = strlen(text);
    if (w->length + n < sizeof w->text) {
        memcpy(w->text + w->length, text, n);
        w->length += n;
    }
}

#define PICK(w, list) ((list)[choice(w, sizeof(list) / sizeof *(list))])

static void expression(struct writer *w, int depth);

static void arguments(struct writer *w, int depth)
{
    static const char *const names[] = {"", "attribute=", "default=", "indent=", "reverse=", "width=", "*", "**"};
    put(w, "(");
    for (unsigned i = choice(w, 4); i-- > 0;) {
        put(w, PICK(w, names));
        expression(w, depth - 1);
        put(w, i ? ", " : "");
    }
    put(w, ")");
}

static void operand(struct writer *w, int depth)
{
    static const char *const leaves[] = {
        "a", "b",    "s",    "t",      "e",        "l",  "n",    "T",    "d",      "u",      "ms", "big",
        "w", "huge", "more", "html",   "el",       "ml", "zz",   "loop", "range",  "none",   "0",  "-1",
        "3", "1.5",  "'x'",  "'role'", "'tojson'", "''", "'%s'", "'{}'", "caller", "kwargs", "ns", "'eq'"};
    unsigned kind = depth > 0 ? choice(w, 8) : 0;
    if (kind < 4) {
        put(w, PICK(w, leaves));
    } else if (kind == 4) {
        put(w, "[");
        expression(w, depth - 1);
        put(w, ", ");
        expression(w, depth - 1);
        put(w, "]");
    } else if (kind == 5) {
        put(w, "{");
        expression(w, depth - 1);
        put(w, ": ");
        expression(w, depth - 1);
        put(w, "}");
    } else {
        put(w, "(");
        expression(w, depth - 1);
        put(w, kind == 6 ? ",)" : ")");
    }
}

static void suffix(struct writer *w, int depth)
{
    static const char *const filters[] = {
        "tojson",  "from_json", "safe",     "escape",    "string",    "upper",      "lower",      "title",   "trim",
        "replace", "indent",    "format",   "length",    "list",      "first",      "last",       "default", "join",
        "items",   "sort",      "dictsort", "reverse",   "unique",    "min",        "max",        "sum",     "groupby",
        "batch",   "slice",     "map",      "select",    "reject",    "selectattr", "rejectattr", "attr",    "int",
        "float",   "round",     "abs",      "urlencode", "wordcount", "center",     "capitalize"};
    static const char *const members[] = {
        "split",    "strip",      "rsplit", "splitlines", "startswith", "replace",   "join",         "lower", "title",
        "swapcase", "find",       "rfind",  "index",      "count",      "partition", "removeprefix", "ljust", "center",
        "zfill",    "expandtabs", "format", "append",     "pop",        "extend",    "insert",       "sort",  "get",
        "items",    "keys",       "values", "update",     "setdefault", "copy",      "fromkeys",     "role",  "x",
        "z",        "cycle",      "length", "last",       "previtem",   "nextitem",  "real",         "v"};
    static const char *const tests[] = {"defined",  "none",  "string",        "mapping", "sequence",
                                        "number",   "odd",   "divisibleby 2", "eq 1",    "in l",
                                        "sameas a", "upper", "callable",      "filter",  "true"};
    switch (choice(w, 8)) {
    case 0:
    case 1:
        put(w, "|");
        put(w, PICK(w, filters));
        if (choice(w, 2))
            arguments(w, depth);
        break;
    case 2:
    case 3:
        put(w, ".");
        put(w, PICK(w, members));
        if (choice(w, 3))
            arguments(w, depth);
        break;
    case 4:
        put(w, choice(w, 2) ? " is " : " is not ");
        put(w, PICK(w, tests));
        break;
    case 5:
        put(w, "[");
        expression(w, depth - 1);
        put(w, choice(w, 2) ? "]" : ":]");
        break;
    case 6:
        arguments(w, depth);
        break;
    default:
        put(w, choice(w, 2) ? "[::-1]" : "[-2:]");
    }
}

static void expression(struct writer *w, int depth)
{
    static const char *const operators[] = {" + ",      " - ",   " * ",  " / ",  " // ",       " % ",
                                            " ** ",     " ~ ",   " == ", " < ",  " >= ",       " in ",
                                            " not in ", " and ", " or ", " if ", " is sameas "};
    static const char *const signs[] = {"", "", "", "not ", "-", "+"};
    put(w, PICK(w, signs));
    operand(w, depth);
    for (unsigned i = choice(w, 3); depth > 0 && i-- > 0;)
        suffix(w, depth - 1);
    if (depth > 0 && choice(w, 3) == 0) {
        put(w, PICK(w, operators));
        expression(w, depth - 1);
    }
}

static void body(struct writer *w, int depth);

/* begin expression end body close */
static void block(struct writer *w, int depth, const char *begin, const char *end, const char *close)
{
    put(w, begin);
    expression(w, depth);
    put(w, end);
    body(w, depth - 1);
    put(w, close);
}

static void statement(struct writer *w, int depth)
{
    switch (depth > 0 ? choice(w, 12) : 0) {
    case 0:
    case 1:
    case 2:
        put(w, "{{ ");
        expression(w, depth + 1);
        put(w, choice(w, 2) ? " }}" : " -}}\n ");
        break;
    case 3:
        block(w, depth, "{% if ", " %}", "{%- else +%}x{% endif %}\n");
        break;
    case 4:
        block(w, depth, "{% for x in ", " %}", "{% endfor %}");
        break;
    case 5:
        block(w, depth, "{% for x, y in ", " recursive %}",
              "{{ loop(l) }}{% if loop.last %}{% break %}{% endif %}{% else %}n{% endfor %}");
        break;
    case 6:
        block(w, depth, "{% macro f(a, b=", ") %}", "{{ varargs }}{% endmacro %}{{ f(s) }}{{ f(1, b=u, k=3) }}");
        break;
    case 7:
        block(w, depth, "{% set ns = namespace(v=", ") %}", "{% set ns.v = ns.v ~ s %}{{ ns.v }}");
        break;
    case 8:
        block(w, depth, "{% set q = ", " %}{% set r|upper %}", "{% endset %}{{ q }}{{ r }}");
        break;
    case 9:
        block(w, depth, "{% macro g() %}{{ caller(u) }}{% endmacro %}{% call(v) g(", ") %}", "{{ v }}{% endcall %}");
        break;
    case 10:
        block(w, depth, "{% filter replace(s, ", ") %}", "{% endfilter %}");
        break;
    default:
        block(w, depth, "{% with p = ", " %}", "{% endwith %}{# c #}\r\n  {%- raw %}{{ {% endraw %}");
    }
}

static void body(struct writer *w, int depth)
{
    for (unsigned i = choice(w, 3) + 1; i-- > 0;)
        statement(w, depth);
}

/* ---- the laws ---- */

struct result {
    struct arena arena;
    struct jinja_error error;
    struct jinja_text text;
    int rc;
};

static int render_in(const struct jinja_template *t, struct jrun *r, enum text_origin origin, struct jinja_text *out)
{
    jmp_buf trap;
    const char *problem;
    if (setjmp(trap))
        return -1;
    r->trap = &trap;
    r->context = jjson_parse(r, context, sizeof context - 1, origin, &problem, NULL);
    if (problem)
        abort();
    return jinja_render(t, r, out);
}

static void render(const struct jinja_template *t, enum text_origin origin, struct result *x)
{
    static const struct jinja_clock clock = {2026, 11, 20, 12, 0, 0};
    struct jrun r;
    *x = (struct result){0};
    arena_init_growing(&x->arena);
    jrun_begin(&r, &x->arena, 0, &x->error);
    r.clock = &clock;
    r.memory_limit = 48 << 20;
    r.string_limit = 4 << 20;
    r.work_limit = JMILLION_STEPS;
    x->rc = render_in(t, &r, origin, &x->text);
}

static void check(const struct jinja_template *t)
{
    struct result plain, marked;
    uint64_t began = clock_ns();
    render(t, ORIGIN_TEMPLATE, &plain);
    render(t, ORIGIN_USER, &marked);
    if (clock_ns() - began > 12000000000u)
        abort();
    /* memory differs with the marks: a limit may be met by one of them only */
    int limited = plain.error.kind == JINJA_LIMIT || marked.error.kind == JINJA_LIMIT;
    if (!limited && (plain.rc != marked.rc || plain.error.kind != marked.error.kind))
        abort();
    if (plain.rc == 0 && marked.rc == 0) {
        size_t n = 0;
        for (size_t i = 0; i < marked.text.n_span; i++)
            n += marked.text.span[i].n;
        for (size_t i = 0; i < plain.text.n_span; i++)
            if (plain.text.span[i].origin != ORIGIN_TEMPLATE)
                abort();
        if (n != marked.text.n || plain.text.n != n || memcmp(plain.text.bytes, marked.text.bytes, n) != 0)
            abort();
    }
    arena_free(&plain.arena);
    arena_free(&marked.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct writer w;
    struct jinja_template *t;
    struct jinja_error e;
    const char *source = (const char *)data + 1;
    size_t n = size ? size - 1 : 0;
    if (size == 0)
        return 0;
    if (data[0] & 1) {
        w.data = data + 1;
        w.n = n;
        w.at = w.length = 0;
        body(&w, 3);
        source = w.text;
        n = w.length;
    }
    if (jinja_compile(&t, source, n, &e) != 0)
        return 0;
    check(t);
    jinja_free(t);
    return 0;
}
