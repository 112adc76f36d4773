/* Lines of an answer broken between words, where a terminal would break them inside. Text comes in pieces and is shown at once: a word that
 * turns out not to fit is taken back and shown again in the next line.
 *
 *     line     |the cells of a line, of which a word has the las|t
 *     becomes  |the cells of a line, of which a word has the
 *              |last
 *
 * Words that are longer than a line, as addresses often are, scripts without blanks (a wide character ends a word), rows of tables, and
 * lines of code between fences are the terminal's to break: what is copied from there has no line ends that nobody wrote. */
#ifndef CLI_CHAT_WRAP_H
#define CLI_CHAT_WRAP_H

#include <stddef.h>
#include <stdio.h>

enum { WRAP_WORD = 256 };

/* Zeroed: at the beginning of a line of a terminal whose width is not known, where nothing is broken. */
struct wrap {
    int columns;          /* of the terminal; 0: nothing is broken */
    int columns_before;   /* when it was written to */
    int column, word_at;  /* cells of the line so far; of those before the word at its end */
    char word[WRAP_WORD]; /* [n_word] bytes of it; more are not kept, and the word stays where it is */
    size_t n_word;
    int is_begun;  /* 1: the line has something */
    int is_full;   /* 1: a blank came behind the last cell of the line; it is not shown */
    int is_unsure; /* 1: the cells of the line are not known any more */
    int is_row;    /* 1: the line is a row of a table */
    /* What the line begins with: blanks; marks of code; these, and nothing or something behind them; something else. */
    enum { HEAD_BLANKS, HEAD_MARKS, HEAD_FENCE, HEAD_NAMED, HEAD_OTHER } head;
    int is_behind_item; /* 1: a mark of a list without a blank behind it is the last of it */
    char mark, fence;   /* of the line; those between which it is, 0: none */
    int n_mark, n_fence;
};

/* Characters are counted by the locale: that of the environment, or UTF-8. Before threads begin. */
void wrap_locale(void);

/* The cells of a line of the terminal on fd; 0: it is none, it is narrow, or it takes no control sequences. */
int wrap_columns(int fd);

/* Something else moved the terminal in this line. */
void wrap_unsure(struct wrap *w);

/* Writes text [n], whole characters of UTF-8, as the locale counts their cells. */
void wrap_write(struct wrap *w, FILE *f, const char *text, size_t n);

#endif
