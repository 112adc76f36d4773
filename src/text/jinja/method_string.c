/* Methods of strings, and the string work that filters share. Strings count, index and cut by characters; every byte keeps its
 * origin. templates.md 2, 3.8, 3.9, 7. */
#include "base/utf8.h"
#include "text/jinja/tree.h"

#include <string.h>

/* ---- shared work ---- */

static int in_set(const struct jstring *set, uint32_t code)
{
    for (size_t at = 0, length; at < set->n; at += length)
        if (jchar_code(set, at, &length) == code)
            return 1;
    return 0;
}

static int strips(struct jrun *r, const struct jstring *set, uint32_t code)
{
    jwork(r, set ? 2 + 4 * set->n : 2);
    return set ? in_set(set, code) : jspace(code);
}

const struct jstring *jstrip(struct jrun *r, const struct jstring *s, const struct jstring *set, int left, int right)
{
    size_t from = 0, to = s->n, length;
    while (left && from < to && strips(r, set, jchar_code(s, from, &length)))
        from += length;
    while (right && to > from) {
        size_t before = to - 1;
        while (before > from && !utf8_begins(s->bytes[before]))
            before--;
        if (!strips(r, set, jchar_code(s, before, &length)))
            break;
        to = before;
    }
    return jstring_view(r, s, from, to - from);
}

const struct jstring *jreplace(struct jrun *r, const struct jstring *s, const struct jstring *from,
                               const struct jstring *to, int64_t most)
{
    struct jbuffer b = jbuffer_new(r);
    size_t at = 0;
    if (s->safe) {
        from = jstring_escape(r, from);
        to = jstring_escape(r, to);
    }
    for (; most != 0; most -= most > 0) {
        jstep(r);
        if (from->n == 0) { /* before every character, and at the end */
            jbuffer_string(&b, to);
            if (at >= s->n)
                break;
            size_t next = jchar_next(s, at);
            jbuffer_string(&b, jstring_view(r, s, at, next - at));
            at = next;
            continue;
        }
        const char *found = jfind(r, s->bytes + at, s->n - at, from->bytes, from->n);
        if (!found)
            break;
        size_t found_at = (size_t)(found - s->bytes);
        jbuffer_string(&b, jstring_view(r, s, at, found_at - at));
        jbuffer_string(&b, to);
        at = found_at + from->n;
    }
    if (at == 0 && b.n == 0)
        return s;
    jbuffer_string(&b, jstring_view(r, s, at, s->n - at));
    return jstring_safe(r, jbuffer_done(&b), s->safe);
}

static const struct jstring *self(struct jcall *c) { return c->self.u.s; }

static struct jvalue view(struct jcall *c, size_t from, size_t to)
{
    return jstr(jstring_view(c->run, self(c), from, to - from));
}

/* ---- stripping and splitting ---- */

static const struct jstring *set_of(struct jcall *c) { return c->arg[0].type == J_NONE ? NULL : jarg_string(c, 0); }

static struct jvalue method_strip(struct jcall *c) { return jstr(jstrip(c->run, self(c), set_of(c), 1, 1)); }
static struct jvalue method_lstrip(struct jcall *c) { return jstr(jstrip(c->run, self(c), set_of(c), 1, 0)); }
static struct jvalue method_rstrip(struct jcall *c) { return jstr(jstrip(c->run, self(c), set_of(c), 0, 1)); }

static void add_part(struct jcall *c, struct jlist *l, size_t from, size_t to)
{
    jstep(c->run);
    jlist_add(c->run, l, view(c, from, to));
}

/* At runs of white space; what is left behind the last split loses its leading white space only. */
static struct jlist *split_space(struct jcall *c, int64_t most)
{
    const struct jstring *s = self(c);
    struct jlist *l = jlist_new(c->run, 0);
    size_t at = 0, length;
    jwork(c->run, 2 * s->n);
    for (;;) {
        while (at < s->n && jspace(jchar_code(s, at, &length)))
            at += length;
        if (at >= s->n)
            return l;
        size_t from = at;
        if (most-- == 0) {
            add_part(c, l, from, from + jstrip(c->run, jstring_view(c->run, s, from, s->n - from), NULL, 0, 1)->n);
            return l;
        }
        while (at < s->n && !jspace(jchar_code(s, at, &length)))
            at += length;
        add_part(c, l, from, at);
    }
}

static struct jvalue method_split(struct jcall *c)
{
    const struct jstring *s = self(c), *by = set_of(c);
    int64_t most = jarg_size(c, 1, -1);
    if (!by)
        return jlistv(split_space(c, most));
    if (by->n == 0)
        jfail(c->run, JINJA_RUNTIME, "split needs a separator that is not empty");
    struct jlist *l = jlist_new(c->run, 0);
    size_t at = 0;
    for (const char *found; most-- != 0 && (found = jfind(c->run, s->bytes + at, s->n - at, by->bytes, by->n));) {
        add_part(c, l, at, (size_t)(found - s->bytes));
        at = (size_t)(found - s->bytes) + by->n;
    }
    add_part(c, l, at, s->n);
    return jlistv(l);
}

/* The last found_at of what in s[0, n), or SIZE_MAX. */
static size_t find_last(struct jrun *r, const struct jstring *s, size_t n, const struct jstring *what)
{
    for (size_t at = n >= what->n ? n - what->n + 1 : 0; at-- > 0; jwork(r, 1 + what->n / 64))
        if (memcmp(s->bytes + at, what->bytes, what->n) == 0)
            return at;
    return SIZE_MAX;
}

static struct jvalue method_rsplit(struct jcall *c)
{
    const struct jstring *s = self(c), *by = set_of(c);
    int64_t most = jarg_size(c, 1, -1);
    if (!by && most < 0)
        return jlistv(split_space(c, -1));
    if (!by)
        jfail(c->run, JINJA_RUNTIME, "rsplit at white space with a limit is not supported");
    if (by->n == 0)
        jfail(c->run, JINJA_RUNTIME, "rsplit needs a separator that is not empty");
    struct jlist *l = jlist_new(c->run, 0);
    size_t end = s->n, found_at;
    for (; most-- != 0 && (found_at = find_last(c->run, s, end, by)) != SIZE_MAX; end = found_at)
        add_part(c, l, found_at + by->n, end);
    add_part(c, l, 0, end);
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jvalue v = l->item[i];
        l->item[i] = l->item[l->n - 1 - i];
        l->item[l->n - 1 - i] = v;
    }
    return jlistv(l);
}

static int ends_line(uint32_t code)
{
    return (code >= 10 && code <= 13) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
           code == 0x2029;
}

size_t jline_end(struct jrun *r, const struct jstring *s, size_t from, size_t *next)
{
    for (size_t at = from, length; at < s->n; at += length) {
        uint32_t code = jchar_code(s, at, &length);
        if (!ends_line(code))
            continue;
        jwork(r, 2 * (at - from));
        *next = at + length;
        *next += code == '\r' && *next < s->n && s->bytes[*next] == '\n';
        return at;
    }
    jwork(r, 2 * (s->n - from));
    *next = s->n;
    return s->n;
}

static struct jvalue method_splitlines(struct jcall *c)
{
    const struct jstring *s = self(c);
    int keep = jarg_truth(c, 0, 0);
    struct jlist *l = jlist_new(c->run, 0);
    for (size_t from = 0, next; from < s->n; from = next) {
        size_t end = jline_end(c->run, s, from, &next);
        add_part(c, l, from, keep ? next : end);
    }
    return jlistv(l);
}

static struct jvalue partition(struct jcall *c, size_t found_at, const struct jstring *by, int from_right)
{
    struct jlist *l = jlist_new(c->run, 3);
    const struct jstring *s = self(c), *none = jstring_view(c->run, s, 0, 0);
    int found = found_at != SIZE_MAX;
    jlist_add(c->run, l, found ? view(c, 0, found_at) : jstr(from_right ? none : s));
    jlist_add(c->run, l, found ? view(c, found_at, found_at + by->n) : jstr(none));
    jlist_add(c->run, l, found ? view(c, found_at + by->n, s->n) : jstr(from_right ? s : none));
    return jtuplev(l);
}

static const struct jstring *separator(struct jcall *c)
{
    const struct jstring *by = jarg_string(c, 0);
    if (by->n == 0)
        jfail(c->run, JINJA_RUNTIME, "%s needs a separator that is not empty", c->builtin->name);
    return by;
}

static struct jvalue method_partition(struct jcall *c)
{
    const struct jstring *by = separator(c);
    const char *found = jfind(c->run, self(c)->bytes, self(c)->n, by->bytes, by->n);
    return partition(c, found ? (size_t)(found - self(c)->bytes) : SIZE_MAX, by, 0);
}

static struct jvalue method_rpartition(struct jcall *c)
{
    const struct jstring *by = separator(c);
    return partition(c, find_last(c->run, self(c), self(c)->n, by), by, 1);
}

/* ---- looking ---- */

/* The part of the string that the arguments start and end (characters) leave: byte offsets; 0 when start is beyond the end. */
static int range_of(struct jcall *c, size_t first, size_t *from, size_t *to)
{
    const struct jstring *s = self(c);
    *from = 0;
    *to = s->n;
    if (c->arg[first].type == J_UNSET && c->arg[first + 1].type == J_UNSET)
        return 1; /* asked again and again of a growing text, this must not count its characters */
    int64_t n = (int64_t)jchars(c->run, s);
    int64_t a = first < c->n && c->arg[first].type == J_NONE ? 0 : jarg_size(c, first, 0);
    int64_t b = first + 1 < c->n && c->arg[first + 1].type == J_NONE ? n : jarg_size(c, first + 1, n);
    a = a < 0 ? (a + n < 0 ? 0 : a + n) : a;
    b = b < 0 ? (b + n < 0 ? 0 : b + n) : b > n ? n : b;
    if (a > n || a > b)
        return 0;
    *from = jchar_offset(c->run, s, (size_t)a);
    *to = jchar_offset(c->run, s, (size_t)b);
    return 1;
}

static int affix(struct jcall *c, const struct jstring *what, size_t from, size_t to, int at_end)
{
    const struct jstring *s = self(c);
    jwork(c->run, 1 + what->n / 8);
    return to - from >= what->n && memcmp(s->bytes + (at_end ? to - what->n : from), what->bytes, what->n) == 0;
}

static struct jvalue has_affix(struct jcall *c, int at_end)
{
    size_t from, to;
    struct jvalue what = c->arg[0];
    int inside = range_of(c, 1, &from, &to);
    if (what.type != J_TUPLE)
        return jbool(affix(c, jarg_string(c, 0), inside ? from : 0, inside ? to : 0, at_end) && inside);
    for (size_t i = 0; i < what.u.list->n; i++) {
        jwork(c->run, 1);
        if (what.u.list->item[i].type != J_STRING)
            jfail(c->run, JINJA_RUNTIME, "%s takes texts only", c->builtin->name);
        if (inside && affix(c, what.u.list->item[i].u.s, from, to, at_end))
            return jbool(1);
    }
    return jbool(0);
}

static struct jvalue method_startswith(struct jcall *c) { return has_affix(c, 0); }
static struct jvalue method_endswith(struct jcall *c) { return has_affix(c, 1); }

static int64_t chars_before(struct jrun *r, const struct jstring *s, size_t at)
{
    struct jstring head = {.bytes = s->bytes, .n = at};
    return (int64_t)jchars(r, &head);
}

/* Characters before the first or last occurrence, -1 none. */
static int64_t find_place(struct jcall *c, int last)
{
    const struct jstring *s = self(c), *what = jarg_string(c, 0);
    size_t from, to, at;
    if (!range_of(c, 1, &from, &to))
        return -1;
    if (last) {
        struct jstring part = {.bytes = s->bytes + from, .n = to - from};
        at = find_last(c->run, &part, part.n, what);
        return at == SIZE_MAX ? -1 : chars_before(c->run, s, from + at);
    }
    const char *found = jfind(c->run, s->bytes + from, to - from, what->bytes, what->n);
    return found ? chars_before(c->run, s, (size_t)(found - s->bytes)) : -1;
}

static struct jvalue found_or_fail(struct jcall *c, int64_t at)
{
    if (at < 0)
        jfail(c->run, JINJA_RUNTIME, "%s: the text is not there", c->builtin->name);
    return jint(at);
}

static struct jvalue method_find(struct jcall *c) { return jint(find_place(c, 0)); }
static struct jvalue method_rfind(struct jcall *c) { return jint(find_place(c, 1)); }
static struct jvalue method_index(struct jcall *c) { return found_or_fail(c, find_place(c, 0)); }
static struct jvalue method_rindex(struct jcall *c) { return found_or_fail(c, find_place(c, 1)); }

static struct jvalue method_count(struct jcall *c)
{
    const struct jstring *s = self(c), *what = jarg_string(c, 0);
    size_t from, to;
    int64_t n = 0;
    if (!range_of(c, 1, &from, &to))
        return jint(0);
    if (what->n == 0)
        return jint(chars_before(c->run, s, to) - chars_before(c->run, s, from) + 1);
    for (const char *found; (found = jfind(c->run, s->bytes + from, to - from, what->bytes, what->n)); n++)
        from = (size_t)(found - s->bytes) + what->n;
    return jint(n);
}

/* ---- making ---- */

static struct jvalue method_replace(struct jcall *c)
{
    const struct jstring *from = jarg_string(c, 0), *to = jarg_string(c, 1);
    return jstr(jreplace(c->run, self(c), from, to, jarg_size(c, 2, -1)));
}

static struct jvalue method_join(struct jcall *c)
{
    struct jwalk w = jwalk_begin(c->run, c->arg[0]);
    struct jbuffer b = jbuffer_new(c->run);
    struct jvalue v;
    for (int64_t i = 0; jwalk_next(&w, &v); i++) {
        jstep(c->run);
        if (v.type != J_STRING)
            jfail(c->run, JINJA_RUNTIME, "join: item %lld is not a text but a %s", (long long)i, jtype_name(v));
        if (i)
            jbuffer_string(&b, self(c));
        jbuffer_string(&b, v.u.s);
    }
    return jstr(jbuffer_done(&b));
}

static struct jvalue recased(struct jcall *c, enum jcase to) { return jstr(jrecase(c->run, self(c), to)); }
static struct jvalue method_lower(struct jcall *c) { return recased(c, JCASE_LOWER); }
static struct jvalue method_upper(struct jcall *c) { return recased(c, JCASE_UPPER); }
static struct jvalue method_title(struct jcall *c) { return recased(c, JCASE_TITLE); }
static struct jvalue method_capitalize(struct jcall *c) { return recased(c, JCASE_CAPITAL); }
static struct jvalue method_swapcase(struct jcall *c) { return recased(c, JCASE_SWAP); }

static struct jvalue method_removeprefix(struct jcall *c)
{
    const struct jstring *what = jarg_string(c, 0);
    return view(c, affix(c, what, 0, self(c)->n, 0) ? what->n : 0, self(c)->n);
}

static struct jvalue method_removesuffix(struct jcall *c)
{
    const struct jstring *what = jarg_string(c, 0);
    return view(c, 0, self(c)->n - (affix(c, what, 0, self(c)->n, 1) ? what->n : 0));
}

static void fill(struct jcall *c, struct jbuffer *b, const struct jstring *with, int64_t n)
{
    jbuffer_string(b, jarith(c->run, JOP_MUL, jstr(with), jint(n)).u.s);
}

enum padding { PAD_LEFT, PAD_RIGHT, PAD_BOTH }; /* where what is missing to the width goes */

static struct jvalue padded(struct jcall *c, enum padding side)
{
    static const struct jstring space = {.bytes = " ", .n = 1};
    const struct jstring *with = c->n > 1 && c->arg[1].type != J_UNSET ? jarg_string(c, 1) : &space;
    int64_t width = jarg_size(c, 0, 0), missing = width - (int64_t)jchars(c->run, self(c));
    if (jchars(c->run, with) != 1)
        jfail(c->run, JINJA_RUNTIME, "%s fills with one character", c->builtin->name);
    if (missing <= 0)
        return c->self;
    int64_t left = side == PAD_LEFT ? missing : side == PAD_RIGHT ? 0 : missing / 2 + (missing & width & 1);
    struct jbuffer b = jbuffer_new(c->run);
    fill(c, &b, with, left);
    jbuffer_string(&b, self(c));
    fill(c, &b, with, missing - left);
    return jstr(jbuffer_done(&b));
}

static struct jvalue method_ljust(struct jcall *c) { return padded(c, PAD_RIGHT); }
static struct jvalue method_rjust(struct jcall *c) { return padded(c, PAD_LEFT); }
static struct jvalue method_center(struct jcall *c) { return padded(c, PAD_BOTH); }

static struct jvalue method_zfill(struct jcall *c)
{
    static const struct jstring zero = {.bytes = "0", .n = 1};
    const struct jstring *s = self(c);
    int64_t missing = jarg_size(c, 0, 0) - (int64_t)jchars(c->run, s);
    if (missing <= 0)
        return c->self;
    size_t sign = s->n > 0 && (s->bytes[0] == '+' || s->bytes[0] == '-');
    struct jbuffer b = jbuffer_new(c->run);
    jbuffer_string(&b, jstring_view(c->run, s, 0, sign));
    fill(c, &b, &zero, missing);
    jbuffer_string(&b, jstring_view(c->run, s, sign, s->n - sign));
    return jstr(jbuffer_done(&b));
}

static struct jvalue method_expandtabs(struct jcall *c)
{
    const struct jstring *s = self(c);
    int64_t width = jarg_size(c, 0, 8), column = 0;
    struct jbuffer b = jbuffer_new(c->run);
    static const struct jstring space = {.bytes = " ", .n = 1};
    for (size_t at = 0, next; at < s->n; at = next) {
        next = jchar_next(s, at);
        if (s->bytes[at] == '\t') {
            int64_t n = width > 0 ? width - column % width : 0;
            fill(c, &b, &space, n);
            column += n;
            continue;
        }
        jbuffer_string(&b, jstring_view(c->run, s, at, next - at));
        column = s->bytes[at] == '\n' || s->bytes[at] == '\r' ? 0 : column + 1;
    }
    return jstr(jbuffer_done(&b));
}

/* ---- asking; beyond ASCII there is no table, and no answer is better than a wrong one ---- */

static int is_letter(uint32_t c) { return (c | 32) - 'a' < 26; }
static int is_digit(uint32_t c) { return c - '0' < 10; }
static int is_alnum(uint32_t c) { return is_letter(c) || is_digit(c); }

static struct jvalue all(struct jcall *c, int (*is)(uint32_t code))
{
    const struct jstring *s = self(c);
    jwork(c->run, 2 * s->n);
    for (size_t at = 0, length; at < s->n; at += length) {
        uint32_t code = jchar_code(s, at, &length);
        if (code >= 128 && is != jspace)
            jfail(c->run, JINJA_RUNTIME, "%s of text beyond ASCII is not supported", c->builtin->name);
        if (!is(code))
            return jbool(0);
    }
    return jbool(s->n > 0);
}

static struct jvalue method_isalpha(struct jcall *c) { return all(c, is_letter); }
static struct jvalue method_isdigit(struct jcall *c) { return all(c, is_digit); }
static struct jvalue method_isalnum(struct jcall *c) { return all(c, is_alnum); }
static struct jvalue method_isspace(struct jcall *c) { return all(c, jspace); }

static struct jvalue method_islower(struct jcall *c) { return jbool(jonly_case(c->run, c->self.u.s, 0)); }
static struct jvalue method_isupper(struct jcall *c) { return jbool(jonly_case(c->run, c->self.u.s, 1)); }

static const struct jbuiltin methods[] = {
    {"split", method_split, "sep maxsplit", 0},
    {"strip", method_strip, "chars", 0},
    {"lstrip", method_lstrip, "chars", 0},
    {"rstrip", method_rstrip, "chars", 0},
    {"startswith", method_startswith, "prefix start end", 1},
    {"endswith", method_endswith, "suffix start end", 1},
    {"replace", method_replace, "old new count", 2},
    {"join", method_join, "iterable", 1},
    {"lower", method_lower, "", 0},
    {"upper", method_upper, "", 0},
    {"title", method_title, "", 0},
    {"capitalize", method_capitalize, "", 0},
    {"swapcase", method_swapcase, "", 0},
    {"find", method_find, "sub start end", 1},
    {"rfind", method_rfind, "sub start end", 1},
    {"index", method_index, "sub start end", 1},
    {"rindex", method_rindex, "sub start end", 1},
    {"count", method_count, "sub start end", 1},
    {"rsplit", method_rsplit, "sep maxsplit", 0},
    {"splitlines", method_splitlines, "keepends", 0},
    {"partition", method_partition, "sep", 1},
    {"rpartition", method_rpartition, "sep", 1},
    {"removeprefix", method_removeprefix, "prefix", 1},
    {"removesuffix", method_removesuffix, "suffix", 1},
    {"ljust", method_ljust, "width fillchar", 1},
    {"rjust", method_rjust, "width fillchar", 1},
    {"center", method_center, "width fillchar", 1},
    {"zfill", method_zfill, "width", 1},
    {"expandtabs", method_expandtabs, "tabsize", 0},
    {"format", jmethod_format, NULL, 0},
    {"isalpha", method_isalpha, "", 0},
    {"isdigit", method_isdigit, "", 0},
    {"isalnum", method_isalnum, "", 0},
    {"isspace", method_isspace, "", 0},
    {"islower", method_islower, "", 0},
    {"isupper", method_isupper, "", 0},
    /* known to Python */
    {"casefold", NULL, NULL, 0},
    {"encode", NULL, NULL, 0},
    {"format_map", NULL, NULL, 0},
    {"isascii", NULL, NULL, 0},
    {"isdecimal", NULL, NULL, 0},
    {"isidentifier", NULL, NULL, 0},
    {"isnumeric", NULL, NULL, 0},
    {"isprintable", NULL, NULL, 0},
    {"istitle", NULL, NULL, 0},
    {"maketrans", NULL, NULL, 0},
    {"translate", NULL, NULL, 0},
    {0},
};

const struct jbuiltin *jmethod_string(const struct jstring *name) { return jbuiltin_find(methods, name); }
