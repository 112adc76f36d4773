/* From elements to sections (library.md 10): what is dropped, what opens a section, what ends a line. Whoever parses, HTML or Markdown,
 * calls elements_start(), elements_text() and elements_end(), in order and nested; what is not closed is closed by elements_finish(). */
#ifndef LIBRARY_DOCUMENT_ELEMENTS_H
#define LIBRARY_DOCUMENT_ELEMENTS_H

#include "library/document/text.h"

enum { ELEMENTS_DEEP = 1000, ELEMENTS_PIECE = 4096, ELEMENTS_BLANKS = 256, ELEMENTS_DROPPED = 32 };

enum lines { LINES_TEXT, LINES_HEADING, LINES_PRE, LINES_TITLE };

struct element {
    uint8_t what; /* an index of the table of names */
    uint8_t has_child;
    uint8_t drops;        /* nothing in it is text */
    char id[TEXT_ANCHOR]; /* of those alone that lend theirs to a heading */
};

struct elements {
    struct text_sink sink;
    /* open elements; deeper ones are passed through and counted */
    struct element open[ELEMENTS_DEEP];
    int n_open, n_deeper, n_drop;
    char drop_name
        [ELEMENTS_DROPPED];   /* of the outermost one that is dropped, and how many of that name are open in it */
    int drop_same, drop_deep; /* drop_deep: it is that deeper one */
    /* sections */
    char path[TEXT_PATH][TEXT_HEADING + 4];
    int level[TEXT_PATH], n_path;
    char anchor[TEXT_ANCHOR];
    int section_level, is_section_due, skip_level;
    int has_title;
    /* the heading, or the title, that is being read */
    enum lines mode;
    int mode_at; /* n_open when it began */
    char heading[TEXT_HEADING + 4], heading_id[TEXT_ANCHOR];
    size_t n_heading;
    int has_heading_id, heading_level;
    /* the line */
    char piece[ELEMENTS_PIECE];
    size_t n_piece;
    int is_line_open, is_space_due, is_item_due;
    int n_table, in_cell, has_cell; /* nested tables; within a cell or caption of the outermost one, which has text */
    /* of pre */
    size_t n_newline, n_blank;
    char blanks[ELEMENTS_BLANKS];
    int has_pre;
    char rest[4]; /* an incomplete character at the end of the last call */
    size_t n_rest;
};

/* title: what the path begins with where the document has no title of its own. */
void elements_begin(struct elements *e, const char *title, const struct text_sink *sink);

/* name: in small letters. attributes: name and value by turns, ended by NULL, values NULL where there is none; or NULL. */
void elements_start(struct elements *e, const char *name, const char *const *attributes);
void elements_end(struct elements *e, const char *name);
void elements_text(struct elements *e, const char *text, size_t n);
/* As if all open elements ended here: what follows begins outside of all. */
void elements_close_all(struct elements *e);
void elements_finish(struct elements *e);

/* The outermost open element that is dropped, and how many of its name are open from there on; NULL: none is. */
const char *elements_dropping(const struct elements *e, int *depth);
/* Would it be dropped with its content? */
int elements_drops(const char *name, const char *const *attributes);

/* The text so far of the heading that is being read, NULL: none is; and its anchor, unless it has one. */
const char *elements_heading(struct elements *e);
void elements_heading_id(struct elements *e, const char *id);

#endif
