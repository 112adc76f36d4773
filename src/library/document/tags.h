/* Where in HTML a byte stands: in text, in a tag, or in what is nothing to a reader: comments, declarations, the insides of scripts and
 * styles. It is not a parser: it says what may be given to one, and takes HTML inside Markdown apart (library.md 10). One byte after
 * another, in constant memory. */
#ifndef LIBRARY_DOCUMENT_TAGS_H
#define LIBRARY_DOCUMENT_TAGS_H

#include <stddef.h>

enum { TAGS_NAME = 32 }; /* of a longer name the beginning counts */

enum tags_state {
    IN_TEXT,
    IN_OPEN,  /* behind "<" */
    IN_CLOSE, /* behind "</" */
    IN_NAME,
    IN_BETWEEN, /* attributes */
    IN_ATTRIBUTE,
    IN_EQUALS, /* behind an attribute's name: "=" may come */
    IN_VALUE,  /* behind "=" */
    IN_DOUBLE,
    IN_SINGLE,
    IN_BARE,
    IN_MARK, /* behind "<!" */
    IN_DECLARATION,
    IN_COMMENT,
    IN_RAW /* in a script or a style */
};

struct tags {
    enum tags_state state;
    char name[TAGS_NAME]; /* of the tag, or of the last one; in small letters */
    size_t n_name;
    int is_end, is_alone; /* "</a>", "<a/>" */
    int n_attribute;
    size_t n_byte;    /* of the tag */
    size_t n_matched; /* of a comment's or a script's end */
};

enum tags_byte {
    TAGS_TEXT,
    TAGS_HELD,   /* "<" or "</": nothing yet */
    TAGS_PLAIN,  /* the "<" that was held is text; give this byte again */
    TAGS_BEGIN,  /* what was held begins a tag, and this byte its name */
    TAGS_TAG,    /* of a tag */
    TAGS_END,    /* the tag's ">" */
    TAGS_LOST,   /* of a comment, a declaration, a script, a style */
    TAGS_CLOSES, /* "</" and name[] end the script or the style that was lost; give this byte again */
};

/* t is zeroed before the first byte. */
enum tags_byte tags_step(struct tags *t, char c);

/* NAME="VALUE" and the like, `most` of them, in what follows the name of a tag, which is taken apart in place. a: names in small letters
 * and values by turns, then NULL: 2 x most + 1 pointers. */
void tags_attributes(char *text, const char **a, int most);

#endif
