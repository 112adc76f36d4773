/* See toml.h. One pass over the text; names and values are copied into one piece of memory, in which none takes more bytes, with the NUL
 * behind it, than it took in the text. */
#include "base/toml/toml.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct toml *out;
    struct error *err;
    const char *at, *end, *line_begin;
    int line;
    char *free;        /* of out->memory */
    const char *table; /* the current one */
    size_t cap_entry, cap_text;
};

const char *toml_type_name(enum toml_type t)
{
    static const char *const names[] = {"a table", "a string", "an integer", "a float", "a boolean", "an array"};
    return names[t];
}

static int column_of(const struct reader *r, const char *at)
{
    return (int)utf8_count(r->line_begin, (size_t)(at - r->line_begin)) + 1;
}

/* A sentence about the place `at` of the current line. */
static int refuse(const struct reader *r, const char *at, const char *why)
{
    return error_set(r->err, ERR_INPUT, "%d:%d: %s", r->line, column_of(r, at), why);
}

static int peek(const struct reader *r) { return r->at < r->end ? (uint8_t)*r->at : -1; }

static int begins(const struct reader *r, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(r->end - r->at) >= n && memcmp(r->at, word, n) == 0;
}

static int is_digit(int c) { return c >= '0' && c <= '9'; }
static int is_bare(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/* ---- what is kept ----------------------------------------------------------------------------------------------------------- */

static const char *copy(struct reader *r, const char *from, size_t n)
{
    char *to = r->free;
    memcpy(to, from, n);
    to[n] = 0;
    r->free += n + 1;
    return to;
}

/* Room for one more of items of `size` bytes. */
static int grow(struct reader *r, void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : 32;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return error_set(r->err, ERR_MEMORY, "%d: no memory for so many settings", r->line);
    *list = grown;
    *cap = more;
    return 0;
}

static int add_text(struct reader *r, const char *text)
{
    void *list = r->out->text;
    int failed = grow(r, &list, r->out->n_text, &r->cap_text, sizeof *r->out->text);
    r->out->text = list;
    if (!failed)
        r->out->text[r->out->n_text++] = text;
    return failed;
}

/* The first entry of this table and key (NULL: the table itself); NULL: none. */
static const struct toml_entry *find(const struct toml *t, const char *table, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->entry[i].table, table) == 0 &&
            (key ? t->entry[i].key && strcmp(t->entry[i].key, key) == 0 : t->entry[i].type == TOML_TABLE))
            return &t->entry[i];
    return NULL;
}

/* A table, or a key without its value. */
static int add_entry(struct reader *r, const char *table, const char *key, const char *at)
{
    const struct toml_entry *same = find(r->out, table, key);
    void *list = r->out->entry;
    if (same)
        return error_set(r->err, ERR_INPUT, "%d:%d: %s%s%s is given twice, first in line %d", r->line, column_of(r, at),
                         key ? key : "[", key ? "" : table, key ? "" : "]", same->line);
    if (r->out->n == TOML_ENTRIES_MOST)
        return refuse(r, at, "there are too many settings");
    int failed = grow(r, &list, r->out->n, &r->cap_entry, sizeof *r->out->entry);
    r->out->entry = list;
    if (!failed)
        r->out->entry[r->out->n++] = (struct toml_entry){
            .table = table, .key = key, .first = r->out->n_text, .line = r->line, .column = column_of(r, at)};
    return failed;
}

/* ---- blanks and lines ------------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t')
        r->at++;
}

static int is_control(int c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F; }

static int is_line_end(const struct reader *r) { return peek(r) == '\n' || begins(r, "\r\n"); }

static void next_line(struct reader *r)
{
    r->at += *r->at == '\r' ? 2 : 1;
    r->line_begin = r->at;
    r->line++;
}

static int skip_comment(struct reader *r)
{
    if (peek(r) != '#')
        return 0;
    while (r->at < r->end && !is_line_end(r)) {
        if (is_control(peek(r)))
            return refuse(r, r->at, "a control character, which no text may hold");
        r->at++;
    }
    return 0;
}

/* Nothing but a comment may stand in the rest of a line. */
static int end_line(struct reader *r)
{
    skip_blanks(r);
    if (skip_comment(r))
        return -1;
    if (r->at == r->end)
        return 0;
    if (!is_line_end(r))
        return refuse(r, r->at, "the end of the line is expected here");
    next_line(r);
    return 0;
}

/* Between items of an array: lines and comments too. */
static int skip_space(struct reader *r)
{
    for (;;) {
        skip_blanks(r);
        if (skip_comment(r))
            return -1;
        if (!is_line_end(r))
            return 0;
        next_line(r);
    }
}

/* ---- values ----------------------------------------------------------------------------------------------------------------- */

/* \uXXXX, \UXXXXXXXX behind their letter: the character, or -1. */
static long hex_character(struct reader *r, int n)
{
    long c = 0;
    for (int i = 0; i < n; i++, r->at++) {
        int d = peek(r), v = is_digit(d)            ? d - '0'
                             : d >= 'a' && d <= 'f' ? d - 'a' + 10
                             : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                    : -1;
        if (v < 0)
            return -1;
        c = c * 16 + v;
    }
    return c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? -1 : c;
}

/* Behind a backslash; writes to *to. */
static int escape(struct reader *r, char **to)
{
    static const char letters[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    const char *begin = r->at - 1;
    int c = peek(r);
    const char *known = c > 0 ? strchr(letters, c) : NULL;
    r->at++;
    if (known) {
        *(*to)++ = values[known - letters];
        return 0;
    }
    long character = c == 'u' ? hex_character(r, 4) : c == 'U' ? hex_character(r, 8) : -1;
    if (character == 0)
        return refuse(r, begin, "a zero character, which no setting may hold");
    if (character < 0)
        return refuse(
            r, begin,
            "this is no escape of TOML: \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX; in '...' there are none");
    *to += utf8_write((uint32_t)character, *to);
    return 0;
}

static int read_string(struct reader *r)
{
    const char *begin = r->at;
    char quote = *r->at, *to = r->free;
    if (begins(r, "\"\"\"") || begins(r, "'''"))
        return refuse(r, begin, "strings of several lines are not read; write \\n in a string of one line");
    for (r->at++; peek(r) != quote;) {
        int c = peek(r);
        if (c < 0 || is_line_end(r))
            return refuse(r, begin, "this string has no end in its line");
        if (is_control(c))
            return refuse(r, r->at, "a control character, which no text may hold");
        r->at++;
        if (c != '\\' || quote == '\'')
            *to++ = (char)c;
        else if (escape(r, &to))
            return -1;
    }
    r->at++;
    *to++ = 0;
    const char *text = r->free;
    r->free = to;
    return add_text(r, text);
}

static int read_array(struct reader *r)
{
    const char *begin = r->at++;
    int line = r->line, column = column_of(r, begin);
    for (;;) {
        if (skip_space(r))
            return -1;
        if (peek(r) == ']')
            break;
        if (peek(r) == '[')
            return refuse(r, r->at, "arrays in arrays are not read");
        if (peek(r) != '"' && peek(r) != '\'' && peek(r) >= 0)
            return refuse(r, r->at,
                          "arrays of strings are read, and nothing else stands in them; lists of numbers are a string, "
                          "\"512,1024\"");
        if (peek(r) < 0)
            return error_set(r->err, ERR_INPUT, "%d:%d: this array has no end", line, column);
        if (read_string(r) || skip_space(r))
            return -1;
        if (peek(r) == ',')
            r->at++;
        else if (peek(r) != ']')
            return peek(r) < 0 ? error_set(r->err, ERR_INPUT, "%d:%d: this array has no end", line, column)
                               : refuse(r, r->at, "a comma or ] is expected here");
    }
    r->at++;
    return 0;
}

/* Digits of text [n] from *i on, with "_" between two of them. 0: at least one was there. */
static int take_digits(const char *text, size_t n, size_t *i)
{
    size_t begin = *i;
    while (*i < n && (is_digit(text[*i]) || (text[*i] == '_' && *i > begin && *i + 1 < n && is_digit(text[*i - 1]) &&
                                             is_digit(text[*i + 1]))))
        (*i)++;
    return *i > begin ? 0 : -1;
}

/* Of a number as TOML writes it; TOML_TABLE: it is none. */
static enum toml_type number_type(const char *text, size_t n)
{
    size_t i = n && (*text == '-' || *text == '+'), begin = i;
    enum toml_type type = TOML_INTEGER;
    if (take_digits(text, n, &i) || (text[begin] == '0' && i > begin + 1))
        return TOML_TABLE;
    if (i < n && text[i] == '.') {
        type = TOML_FLOAT;
        i++;
        if (take_digits(text, n, &i))
            return TOML_TABLE;
    }
    if (i < n && (text[i] == 'e' || text[i] == 'E')) {
        type = TOML_FLOAT;
        i++;
        i += i < n && (text[i] == '-' || text[i] == '+');
        if (take_digits(text, n, &i))
            return TOML_TABLE;
    }
    return i == n ? type : TOML_TABLE;
}

static int is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* Why a bare value is not one that is read. */
static const char *what_else(const char *text, size_t n)
{
    size_t sign = *text == '-' || *text == '+';
    if (n - sign > 1 && text[sign] == '0' && memchr("xob", text[sign + 1], 3))
        return "numbers are decimal here; write it without 0x, 0o or 0b";
    if (n - sign == 3 && (memcmp(text + sign, "inf", 3) == 0 || memcmp(text + sign, "nan", 3) == 0))
        return "inf and nan are no settings";
    if ((n > 4 && is_digit(*text) && text[4] == '-') || (n > 2 && is_digit(*text) && text[2] == ':'))
        return "dates and times are not read; no setting is one";
    if (n > 1 && *text == '0' && is_digit(text[1]))
        return "a number has no zeros before it";
    return "this is no value: a text stands in quotes, a switch is true or false, a number is 5 or 0.5";
}

static int read_bare(struct reader *r, enum toml_type *type)
{
    const char *begin = r->at;
    while (is_bare(peek(r)) || (peek(r) > 0 && strchr("+.:", peek(r))))
        r->at++;
    size_t n = (size_t)(r->at - begin);
    if (n == 0)
        return refuse(r, begin, peek(r) == '{' ? "inline tables are not read" : "a value is expected here");
    *type = is_word(begin, n, "true") || is_word(begin, n, "false") ? TOML_BOOLEAN : number_type(begin, n);
    if (*type == TOML_TABLE)
        return refuse(r, begin, what_else(begin, n));
    const char *text = r->free;
    for (size_t i = 0; i < n; i++)
        if (begin[i] != '_' && begin[i] != '+')
            *r->free++ = begin[i];
    *r->free++ = 0;
    return add_text(r, text);
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------ */

/* A bare word; NULL after a sentence. what: "a key". */
static const char *read_name(struct reader *r)
{
    const char *begin = r->at;
    while (is_bare(peek(r)))
        r->at++;
    if (r->at == begin) {
        refuse(r, begin,
               peek(r) == '"' || peek(r) == '\'' ? "names in quotes are not read; no setting needs them"
                                                 : "a name is expected here: letters, digits, - and _");
        return NULL;
    }
    return copy(r, begin, (size_t)(r->at - begin));
}

static int refuse_dot(const struct reader *r)
{
    return refuse(r, r->at, "names with dots are not read; a table is [run], a key one word");
}

static int read_table(struct reader *r)
{
    if (begins(r, "[["))
        return refuse(r, r->at, "arrays of tables are not read");
    r->at++;
    skip_blanks(r);
    const char *begin = r->at, *name = read_name(r);
    if (!name)
        return -1;
    skip_blanks(r);
    if (peek(r) == '.')
        return refuse_dot(r);
    if (peek(r) != ']')
        return refuse(r, r->at, "a ] is expected here");
    if (add_entry(r, name, NULL, begin))
        return -1;
    r->at++;
    r->table = name;
    return end_line(r);
}

static int read_key(struct reader *r)
{
    const char *begin = r->at, *key = read_name(r);
    if (!key)
        return -1;
    skip_blanks(r);
    if (peek(r) == '.')
        return refuse_dot(r);
    if (peek(r) != '=')
        return refuse(r, r->at, "an = is expected here");
    if (add_entry(r, r->table, key, begin))
        return -1;
    struct toml_entry e = r->out->entry[r->out->n - 1];
    int failed;
    r->at++;
    skip_blanks(r);
    e.type = peek(r) == '[' ? TOML_STRINGS : TOML_STRING;
    if (peek(r) == '[')
        failed = read_array(r);
    else if (peek(r) == '"' || peek(r) == '\'')
        failed = read_string(r);
    else
        failed = read_bare(r, &e.type);
    if (failed)
        return -1;
    e.n = r->out->n_text - e.first;
    r->out->entry[r->out->n - 1] = e;
    return end_line(r);
}

static int read_all(struct reader *r)
{
    while (r->at < r->end) {
        skip_blanks(r);
        int c = peek(r), failed = c == '['                              ? read_table(r)
                                  : c < 0 || c == '#' || is_line_end(r) ? end_line(r)
                                                                        : read_key(r);
        if (failed)
            return -1;
    }
    return 0;
}

/* Before anything is read: so that every other place has whole characters. */
static int check_utf8(struct reader *r)
{
    size_t n = (size_t)(r->end - r->at), valid = utf8_valid(r->at, n);
    if (valid == n)
        return 0;
    for (const char *at = r->at; at < r->at + valid; at++)
        if (*at == '\n') {
            r->line++;
            r->line_begin = at + 1;
        }
    return refuse(r, r->at + valid, "this is not UTF-8; save the file as UTF-8 text");
}

int toml_read(struct toml *out, const char *text, size_t n, struct error *err)
{
    struct reader r = {.out = out, .err = err, .at = text, .end = text + n, .line_begin = text, .line = 1, .table = ""};
    *out = (struct toml){0};
    if (begins(&r, "\xEF\xBB\xBF")) /* some editors begin files with it */
        r.line_begin = r.at = text + 3;
    if (n > TOML_BYTES_MOST)
        return refuse(&r, r.at, "a file of settings has at most 1 MiB");
    out->memory = malloc(n + 2); /* behind the last value there may be no line's end */
    if (!out->memory)
        return error_set(err, ERR_MEMORY, "1: no memory for the settings");
    r.free = out->memory;
    if (check_utf8(&r) == 0 && read_all(&r) == 0)
        return 0;
    toml_free(out);
    return -1;
}

void toml_free(struct toml *t)
{
    free(t->entry);
    free(t->text);
    free(t->memory);
    *t = (struct toml){0};
}

/* How a character stands in a string. */
static void write_character(char out[8], int c)
{
    if (c == '\n' || c == '\t')
        snprintf(out, 8, "\\%c", c == '\n' ? 'n' : 't');
    else if (c == '"' || c == '\\')
        snprintf(out, 8, "\\%c", c);
    else if (is_control(c))
        snprintf(out, 8, "\\u%04X", (unsigned)c);
    else
        snprintf(out, 8, "%c", c);
}

/* Appends piece to what has n bytes so far, of which cap fit. */
static size_t append(char *out, size_t cap, size_t n, const char *piece)
{
    if (n < cap)
        snprintf(out + n, cap - n, "%s", piece);
    return n + strlen(piece);
}

size_t toml_quote(char *out, size_t cap, const char *text)
{
    size_t n = append(out, cap, 0, "\"");
    char piece[8];
    for (; *text; text++) {
        write_character(piece, (uint8_t)*text);
        n = append(out, cap, n, piece);
    }
    return append(out, cap, n, "\"");
}
