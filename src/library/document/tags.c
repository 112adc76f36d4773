/* See tags.h. */
#include "library/document/tags.h"

#include <string.h>

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
static int is_letter(char c) { return (unsigned)(c | 32) - 'a' < 26u; }
static char small(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

static void add_to_name(struct tags *t, char c)
{
    if (t->n_name + 1 < TAGS_NAME)
        t->name[t->n_name++] = small(c);
    t->name[t->n_name] = 0;
}

static enum tags_byte begin(struct tags *t, int is_end, char c)
{
    t->is_end = is_end;
    t->n_name = 0;
    t->n_attribute = 0;
    t->n_byte = 1;
    t->is_alone = 0;
    t->state = IN_NAME;
    add_to_name(t, c);
    return TAGS_BEGIN;
}

static enum tags_byte in_open(struct tags *t, char c)
{
    if (is_letter(c))
        return begin(t, 0, c);
    t->state = c == '/' ? IN_CLOSE : c == '!' ? IN_MARK : c == '?' ? IN_DECLARATION : IN_TEXT;
    t->n_matched = 0;
    return c == '/' ? TAGS_HELD : t->state == IN_TEXT ? TAGS_PLAIN : TAGS_LOST;
}

static enum tags_byte in_close(struct tags *t, char c)
{
    if (is_letter(c))
        return begin(t, 1, c);
    t->state = c == '>' ? IN_TEXT : IN_DECLARATION;
    return TAGS_LOST;
}

/* "<!" and two dashes begin a comment, which two dashes and ">" end; anything else ends at the next ">". */
static enum tags_byte in_mark(struct tags *t, char c)
{
    t->n_matched = c == '-' ? t->n_matched + 1 : 0;
    if (t->n_matched == 2)
        t->state = IN_COMMENT;
    else if (c != '-')
        t->state = c == '>' ? IN_TEXT : IN_DECLARATION;
    return TAGS_LOST;
}

static enum tags_byte in_comment(struct tags *t, char c)
{
    if (c == '>' && t->n_matched >= 2)
        t->state = IN_TEXT;
    if (c != '!' || t->n_matched < 2) /* which browsers forgive before the end */
        t->n_matched = c == '-' ? t->n_matched + 1 : 0;
    return TAGS_LOST;
}

/* name[] is that of the tag which began it. */
static enum tags_byte in_raw(struct tags *t, char c)
{
    if (t->n_matched == t->n_name + 2) {
        t->n_matched = 0;
        if (is_space(c) || c == '/' || c == '>') {
            t->is_end = 1;
            t->is_alone = 0;
            t->n_attribute = 0;
            t->n_byte = t->n_name;
            t->state = IN_NAME;
            return TAGS_CLOSES;
        }
    }
    size_t at = t->n_matched;
    char wanted = at == 0 ? '<' : at == 1 ? '/' : t->name[at - 2];
    t->n_matched = small(c) == wanted ? at + 1 : c == '<';
    return TAGS_LOST;
}

/* Behind a tag: the names of whose insides are no HTML. */
static enum tags_byte end(struct tags *t)
{
    int is_raw = !t->is_end && !t->is_alone && (strcmp(t->name, "script") == 0 || strcmp(t->name, "style") == 0);
    t->state = is_raw ? IN_RAW : IN_TEXT;
    t->n_matched = 0;
    return TAGS_END;
}

static enum tags_byte in_tag(struct tags *t, char c)
{
    enum tags_state s = t->state;
    t->n_byte++;
    if (s == IN_DOUBLE || s == IN_SINGLE) {
        t->state = c == (s == IN_DOUBLE ? '"' : '\'') ? IN_BETWEEN : s;
        return TAGS_TAG;
    }
    if (c == '>')
        return end(t);
    t->is_alone = c == '/' && s != IN_BARE && s != IN_VALUE;
    if (s == IN_VALUE)
        t->state = is_space(c) ? s : c == '"' ? IN_DOUBLE : c == '\'' ? IN_SINGLE : IN_BARE;
    else if (is_space(c))
        t->state = s == IN_ATTRIBUTE || s == IN_EQUALS ? IN_EQUALS : IN_BETWEEN;
    else if (c == '/' && s != IN_BARE)
        t->state = IN_BETWEEN;
    else if (c == '=' && (s == IN_ATTRIBUTE || s == IN_EQUALS))
        t->state = IN_VALUE;
    else if (s == IN_NAME)
        add_to_name(t, c);
    else if (s != IN_BARE) {
        t->n_attribute += s != IN_ATTRIBUTE;
        t->state = IN_ATTRIBUTE;
    }
    return TAGS_TAG;
}

enum tags_byte tags_step(struct tags *t, char c)
{
    switch (t->state) {
    case IN_TEXT:
        if (c != '<')
            return TAGS_TEXT;
        t->state = IN_OPEN;
        return TAGS_HELD;
    case IN_OPEN:
        return in_open(t, c);
    case IN_CLOSE:
        return in_close(t, c);
    case IN_MARK:
        return in_mark(t, c);
    case IN_DECLARATION:
        t->state = c == '>' ? IN_TEXT : IN_DECLARATION;
        return TAGS_LOST;
    case IN_COMMENT:
        return in_comment(t, c);
    case IN_RAW:
        return in_raw(t, c);
    default:
        return in_tag(t, c);
    }
}

void tags_attributes(char *p, const char **a, int most)
{
    static const char space[] = " \t\r\n\f";
    int n = 0;
    for (p += strspn(p, " \t\r\n\f/"); *p && n < most; p += strspn(p, " \t\r\n\f/")) {
        char *name = p, *value = NULL;
        p += 1 + strcspn(p + 1, " \t\r\n\f/=");
        char *name_end = p;
        p += strspn(p, space);
        if (*p == '=') {
            p++;
            p += strspn(p, space);
            char quote = *p == '"' || *p == '\'' ? *p++ : 0;
            value = p;
            p += quote ? strcspn(p, (char[]){quote, 0}) : strcspn(p, space);
            if (*p)
                *p++ = 0;
        } else if (p == name_end && *p)
            p++;
        *name_end = 0;
        for (char *c = name; *c; c++)
            *c = small(*c);
        a[2 * n] = name;
        a[2 * n++ + 1] = value;
    }
    a[2 * n] = NULL;
}
