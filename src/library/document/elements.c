/* See elements.h. */
#include "library/document/elements.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names ---------------------------------------- */

enum {
    DROP = 1,
    BLOCK = 2,
    HEADING = 4,
    TABLE = 8,
    ROW = 16,
    CELL = 32,
    PRE = 64,
    BREAK = 128,
    ITEM = 256,
    CAPTION = 512,
    TITLE = 1024,
    LENDS = 2048, /* its id is that of a heading that it begins with */
    HEAD = 4096
};

static const struct name {
    const char *name;
    int is;
} names[] = {
    {"", 0}, /* all others */
    {"address", BLOCK},
    {"article", BLOCK},
    {"aside", BLOCK},
    {"audio", DROP},
    {"blockquote", BLOCK},
    {"body", BLOCK},
    {"br", BREAK},
    {"button", DROP},
    {"canvas", DROP},
    {"caption", BLOCK | CAPTION},
    {"center", BLOCK},
    {"dd", BLOCK},
    {"details", BLOCK | LENDS},
    {"dialog", BLOCK},
    {"div", BLOCK | LENDS},
    {"dl", BLOCK},
    {"dt", BLOCK},
    {"fieldset", BLOCK},
    {"figcaption", BLOCK},
    {"figure", BLOCK},
    {"footer", DROP},
    {"form", BLOCK},
    {"h1", HEADING},
    {"h2", HEADING},
    {"h3", HEADING},
    {"h4", HEADING},
    {"h5", HEADING},
    {"h6", HEADING},
    {"head", DROP | HEAD},
    {"header", BLOCK | LENDS},
    {"hgroup", BLOCK | LENDS},
    {"hr", BLOCK},
    {"html", BLOCK},
    {"iframe", DROP},
    {"input", DROP},
    {"li", BLOCK | ITEM},
    {"main", BLOCK},
    {"menu", BLOCK},
    {"nav", DROP},
    {"noscript", DROP},
    {"object", DROP},
    {"ol", BLOCK},
    {"p", BLOCK},
    {"pre", BLOCK | PRE},
    {"script", DROP},
    {"search", BLOCK},
    {"section", BLOCK | LENDS},
    {"select", DROP},
    {"style", DROP},
    {"summary", BLOCK | LENDS},
    {"svg", DROP},
    {"table", BLOCK | TABLE},
    {"td", BLOCK | CELL},
    {"template", DROP},
    {"textarea", DROP},
    {"th", BLOCK | CELL},
    {"title", TITLE},
    {"tr", BLOCK | ROW},
    {"ul", BLOCK},
    {"video", DROP},
};

static int compare_name(const void *key, const void *row) { return strcmp(key, ((const struct name *)row)->name); }

static uint8_t find_name(const char *name)
{
    const struct name *n = bsearch(name, names + 1, sizeof names / sizeof *names - 1, sizeof *names, compare_name);
    return n ? (uint8_t)(n - names) : 0;
}

static const char *const dropped_classes[] = {
    "navbox",     "navbox-styles", "vertical-navbox", "mw-editsection", "reference",    "reflist",
    "references", "toc",           "noprint",         "mw-jump-link",   "hatnote",      "ambox",
    "portal",     "sistersitebox", "catlinks",        "printfooter",    "mw-empty-elt", "authority-control",
};

static int has_dropped_class(const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " \t\n\r\f");
        for (size_t i = 0; n && i < sizeof dropped_classes / sizeof *dropped_classes; i++)
            if (strncmp(list, dropped_classes[i], n) == 0 && !dropped_classes[i][n])
                return 1;
        list += n;
        list += strspn(list, " \t\n\r\f");
    }
    return 0;
}

static const char *const skipped_sections[] = {
    "see also",     "references", "external links", "further reading", "notes",
    "bibliography", "citations",  "sources",        "footnotes",
};

static int is_skipped(const char *title)
{
    for (size_t i = 0; i < sizeof skipped_sections / sizeof *skipped_sections; i++)
        if (strcasecmp(title, skipped_sections[i]) == 0)
            return 1;
    return 0;
}

/* ---- lines ---------------------------------------- */

static void give(struct elements *e, int ends)
{
    if (e->skip_level) {
        e->n_piece = 0;
        return;
    }
    if (e->is_section_due) {
        struct text_section s = {.n_path = e->n_path, .anchor = e->anchor, .level = e->section_level};
        for (int i = 0; i < e->n_path; i++)
            s.path[i] = e->path[i];
        e->sink.section(e->sink.arg, &s);
        e->is_section_due = 0;
    }
    e->sink.line(e->sink.arg, e->piece, e->n_piece, ends);
    e->n_piece = 0;
}

static void put(struct elements *e, const char *text, size_t n)
{
    if (e->mode == LINES_HEADING || e->mode == LINES_TITLE) {
        if (e->n_heading + n <= TEXT_HEADING)
            memcpy(e->heading + e->n_heading, text, n);
        e->n_heading += e->n_heading + n <= TEXT_HEADING ? n : 0;
        return;
    }
    if (e->n_piece + n > ELEMENTS_PIECE)
        give(e, 0);
    memcpy(e->piece + e->n_piece, text, n);
    e->n_piece += n;
}

static void end_line(struct elements *e)
{
    if (e->is_line_open)
        give(e, 1);
    e->is_line_open = e->is_space_due = 0;
}

/* What comes before the first character of a line or a cell, or after white space. */
static void begin_word(struct elements *e)
{
    if (e->mode == LINES_HEADING || e->mode == LINES_TITLE) {
        if (e->is_space_due && e->n_heading)
            put(e, " ", 1);
    } else if (e->in_cell && !e->has_cell) {
        if (e->is_line_open)
            put(e, " | ", 3);
        e->has_cell = 1;
    } else if (!e->is_line_open) {
        if (e->is_item_due && !e->n_table) {
            put(e, "- ", 2);
            e->is_item_due = 0;
        }
    } else if (e->is_space_due) {
        put(e, " ", 1);
    }
    e->is_line_open |= e->mode == LINES_TEXT;
    e->is_space_due = 0;
}

static int is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

static int is_control(uint32_t c) { return c < 0x20 || (c >= 0x7F && c <= 0x9F); }

static int vanishes(uint32_t c)
{
    return is_control(c) || c == 0xAD || c == 0x200B || c == 0x200C || c == 0x2060 || c == 0xFEFF;
}

static void put_running(struct elements *e, uint32_t c, const char *text, size_t n)
{
    if (is_space(c)) {
        e->is_space_due = 1;
    } else if (!vanishes(c)) {
        if (e->is_space_due || e->mode != LINES_TEXT || !e->is_line_open || (e->in_cell && !e->has_cell))
            begin_word(e);
        put(e, text, n);
    }
}

/* Text of pre: lines as they are, but for blanks at their ends and empty ones at both ends. */
static void put_pre(struct elements *e, uint32_t c, const char *text, size_t n)
{
    if (c == '\n') {
        e->n_newline++;
        e->n_blank = 0;
    } else if (c == ' ' || c == '\t' || c == 0xA0) {
        if (e->n_blank < ELEMENTS_BLANKS)
            e->blanks[e->n_blank++] = c == '\t' ? '\t' : ' ';
    } else if (!is_control(c)) {
        for (; e->has_pre && e->n_newline; e->n_newline--)
            give(e, 1);
        e->n_newline = 0;
        e->has_pre = e->is_line_open = 1;
        put(e, e->blanks, e->n_blank);
        e->n_blank = 0;
        put(e, text, n);
    }
}

static void put_character(struct elements *e, const char *text, size_t n, uint32_t c)
{
    if (e->mode == LINES_PRE)
        put_pre(e, c, text, n);
    else
        put_running(e, c, text, n);
}

void elements_text(struct elements *e, const char *text, size_t n)
{
    size_t length;
    uint32_t c;
    if (e->n_drop && e->mode != LINES_TITLE)
        return;
    while (e->n_rest && n) { /* the character that the last call ended in */
        e->rest[e->n_rest++] = *text++;
        n--;
        enum utf8_head head = utf8_read(e->rest, e->n_rest, &length, &c);
        if (head != UTF8_PARTIAL) {
            if (head == UTF8_WHOLE)
                put_character(e, e->rest, length, c);
            e->n_rest = 0;
        }
    }
    while (n) {
        enum utf8_head head = utf8_read(text, n, &length, &c);
        if (head == UTF8_PARTIAL) {
            memcpy(e->rest, text, n);
            e->n_rest = n;
            return;
        }
        if (head == UTF8_WHOLE)
            put_character(e, text, length, c);
        text += length;
        n -= length;
    }
}

/* ---- headings ---------------------------------------- */

static const char *attribute(const char *const *a, const char *name)
{
    for (; a && a[0]; a += 2)
        if (strcmp(a[0], name) == 0)
            return a[1] ? a[1] : "";
    return NULL;
}

const char *elements_heading(struct elements *e)
{
    e->heading[e->n_heading] = 0;
    return e->mode == LINES_HEADING ? e->heading : NULL;
}

void elements_heading_id(struct elements *e, const char *id)
{
    if (!e->has_heading_id)
        snprintf(e->heading_id, sizeof e->heading_id, "%s", id);
}

static void set_path(struct elements *e, int at, int level, const char *text)
{
    snprintf(e->path[at], sizeof e->path[at], "%s", text);
    e->level[at] = level;
    e->n_path = at + 1;
}

static void begin_heading(struct elements *e, int level, const struct element *parent)
{
    end_line(e);
    e->mode = LINES_HEADING;
    e->mode_at = e->n_open;
    e->heading_level = level;
    e->n_heading = 0;
    e->has_heading_id = 0;
    e->heading_id[0] = 0;
    if (parent && names[parent->what].is & LENDS && !parent->has_child)
        snprintf(e->heading_id, sizeof e->heading_id, "%s", parent->id);
}

/* An id within a heading; the first one counts. */
static void note_id(struct elements *e, const char *name, const char *const *attributes)
{
    const char *id = attribute(attributes, "id");
    if (!id || !*id)
        id = strcmp(name, "a") == 0 ? attribute(attributes, "name") : NULL;
    if (e->has_heading_id || !id || !*id)
        return;
    e->has_heading_id = 1;
    snprintf(e->heading_id, sizeof e->heading_id, "%s", id);
}

/* snprintf() may cut inside a character; and what comes from attributes and names of files may hold anything. */
static void make_clean(char *text)
{
    size_t n = utf8_valid(text, strlen(text)), kept = 0, length;
    uint32_t c;
    for (size_t i = 0; i < n; i += length) {
        utf8_read(text + i, n - i, &length, &c);
        if (!is_control(c)) {
            memmove(text + kept, text + i, length);
            kept += length;
        }
    }
    text[kept] = 0;
}

static void end_heading(struct elements *e)
{
    e->mode = LINES_TEXT;
    e->is_space_due = 0;
    e->heading[e->n_heading] = 0;
    if (!e->n_heading || (e->skip_level && e->heading_level > e->skip_level))
        return;
    int level = e->heading_level, at = e->n_path;
    e->skip_level = 0;
    while (at > 1 && e->level[at - 1] >= level)
        at--;
    set_path(e, level == 1 ? 0 : at, level == 1 ? 0 : level, e->heading);
    if (is_skipped(e->heading)) {
        e->skip_level = level;
        return;
    }
    memcpy(e->anchor, e->heading_id, sizeof e->anchor);
    make_clean(e->anchor);
    e->section_level = level;
    e->is_section_due = 1;
}

static void end_title(struct elements *e)
{
    e->mode = LINES_TEXT;
    e->is_space_due = 0;
    e->heading[e->n_heading] = 0;
    if (e->n_heading && !e->has_title && e->n_path == 1) {
        set_path(e, 0, 0, e->heading);
        e->has_title = 1;
    }
}

/* ---- elements ---------------------------------------- */

void elements_begin(struct elements *e, const char *title, const struct text_sink *sink)
{
    memset(e, 0, sizeof *e);
    e->sink = *sink;
    set_path(e, 0, 0, title);
    make_clean(e->path[0]);
    e->is_section_due = 1;
}

static int is_dropped(int is, const char *const *a)
{
    const char *hidden = attribute(a, "aria-hidden"), *role = attribute(a, "role"), *class = attribute(a, "class");
    return is & DROP || attribute(a, "hidden") || (hidden && strcasecmp(hidden, "true") == 0) ||
           (role && strcasecmp(role, "navigation") == 0) || (class && has_dropped_class(class));
}

int elements_drops(const char *name, const char *const *attributes)
{
    return is_dropped(names[find_name(name)].is, attributes);
}

const char *elements_dropping(const struct elements *e, int *depth)
{
    *depth = 1 + e->drop_same;
    return e->n_drop ? e->drop_name : NULL;
}

/* An element of this name begins: it is dropped, or in what is. */
static void note_drop(struct elements *e, const char *name, int drops)
{
    if (e->n_drop) {
        e->drop_same += strncmp(name, e->drop_name, sizeof e->drop_name - 1) == 0;
    } else if (drops) {
        snprintf(e->drop_name, sizeof e->drop_name, "%s", name);
        e->drop_same = e->drop_deep = 0;
    }
}

/* A block within a cell, a caption or a heading is a space, elsewhere the end of a line. */
static void border(struct elements *e)
{
    if (e->mode == LINES_HEADING || e->mode == LINES_TITLE || e->in_cell)
        e->is_space_due = 1;
    else if (e->mode == LINES_TEXT)
        end_line(e);
}

static void begin_cell(struct elements *e)
{
    e->in_cell = 1;
    e->has_cell = e->is_space_due = 0;
}

static void start_text(struct elements *e, int is, int level, const struct element *parent)
{
    if (is & BREAK && e->mode == LINES_PRE)
        put_pre(e, '\n', "\n", 1);
    else if (is & BREAK)
        border(e);
    if (e->mode == LINES_TEXT && !e->n_table && is & HEADING) {
        begin_heading(e, level, parent);
        return;
    }
    if (!(is & BLOCK))
        return;
    if (is & CELL && e->mode == LINES_TEXT && e->n_table == 1) { /* it goes on the line of its row */
        begin_cell(e);
        return;
    }
    border(e);
    if (e->mode != LINES_TEXT)
        return;
    if (is & TABLE) {
        e->n_table++;
    } else if (is & PRE && !e->n_table) {
        e->mode = LINES_PRE;
        e->mode_at = e->n_open;
        e->has_pre = 0;
        e->n_newline = e->n_blank = 0;
    } else if (is & CAPTION && e->n_table == 1 && !e->in_cell) {
        begin_cell(e);
    } else if (is & ROW && e->n_table == 1 && !e->in_cell) {
        end_line(e);
    } else if (is & ITEM && !e->n_table) {
        e->is_item_due = 1;
    }
}

void elements_start(struct elements *e, const char *name, const char *const *attributes)
{
    e->n_rest = 0;
    if (e->n_open == ELEMENTS_DEEP || e->n_deeper) {
        int drops = !e->n_drop && elements_drops(name, attributes);
        note_drop(e, name, drops);
        e->n_deeper++;
        if (drops) {
            e->n_drop = 1;
            e->drop_deep = e->n_deeper;
        }
        return;
    }
    struct element *o = &e->open[e->n_open], *parent = e->n_open ? o - 1 : NULL;
    uint8_t what = find_name(name);
    int is = names[what].is;
    o->what = what;
    o->has_child = 0;
    o->drops = (uint8_t)is_dropped(is, attributes);
    o->id[0] = 0;
    if (is & LENDS) {
        const char *id = attribute(attributes, "id");
        snprintf(o->id, sizeof o->id, "%s", id ? id : "");
    }
    if (is & TITLE && e->mode == LINES_TEXT && parent && names[parent->what].is & HEAD && !e->has_title) {
        end_line(e);
        e->mode = LINES_TITLE;
        e->mode_at = e->n_open;
        e->n_heading = 0;
    }
    note_drop(e, name, o->drops);
    e->n_drop += o->drops;
    if (!e->n_drop)
        start_text(e, is, name[1] - '0', parent);
    if (e->mode == LINES_HEADING)
        note_id(e, name, attributes);
    if (parent)
        parent->has_child = 1;
    e->n_open++;
}

static void end_text(struct elements *e, int is)
{
    if (e->mode == LINES_PRE && e->mode_at == e->n_open) {
        e->mode = LINES_TEXT;
        end_line(e);
    }
    if (!(is & BLOCK))
        return;
    if (e->mode != LINES_TEXT || !e->n_table) {
        border(e);
        if (is & ITEM && e->mode == LINES_TEXT)
            e->is_item_due = 0;
    } else if (is & TABLE) {
        e->n_table--;
        if (e->n_table == 0) {
            e->in_cell = 0;
            end_line(e);
        } else {
            border(e);
        }
    } else if (is & (CELL | CAPTION) && e->n_table == 1) {
        e->in_cell = 0;
        e->is_space_due = 1; /* what follows beside a cell */
        if (is & CAPTION)
            end_line(e);
    } else {
        border(e);
    }
}

static void pop(struct elements *e)
{
    struct element *o = &e->open[--e->n_open];
    e->n_rest = 0;
    if (e->mode == LINES_TITLE && e->mode_at == e->n_open)
        end_title(e);
    if (e->mode == LINES_HEADING && e->mode_at == e->n_open)
        end_heading(e);
    else if (!e->n_drop)
        end_text(e, names[o->what].is);
    e->n_drop -= o->drops;
}

void elements_end(struct elements *e, const char *name)
{
    uint8_t what = find_name(name);
    int i = e->n_open - 1;
    if (e->n_drop && e->drop_same && strncmp(name, e->drop_name, sizeof e->drop_name - 1) == 0)
        e->drop_same--;
    if (e->n_deeper) {
        if (e->n_deeper-- == e->drop_deep)
            e->n_drop = e->drop_deep = 0;
        return;
    }
    while (i >= 0 && e->open[i].what != what)
        i--;
    if (i < 0)
        return;
    while (e->n_open > i)
        pop(e);
}

void elements_close_all(struct elements *e)
{
    e->n_deeper = 0;
    if (e->drop_deep)
        e->n_drop = e->drop_deep = 0;
    while (e->n_open)
        pop(e);
}

void elements_finish(struct elements *e)
{
    elements_close_all(e);
    end_line(e);
}
