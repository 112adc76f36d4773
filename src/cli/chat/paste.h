/* What a terminal pastes between brackets (xterm's control sequences, "Bracketed Paste Mode"): many lines at once must neither be taken for
 * many messages nor for keys of the editor. A short text without line ends is typed; of any other a mark, "[pasted 1: 12 lines]", stands
 * in the edited line, and the text takes its place when the line is done. The last PASTES of a chat are remembered, for lines of the
 * history have marks too, "[pasted earlier 1: 12 lines]" those of earlier chats; in the history's file the texts stand for themselves,
 * between STX and ETX, with CR for a line's end. */
#ifndef CLI_CHAT_PASTE_H
#define CLI_CHAT_PASTE_H

#include <stddef.h>

#define PASTE_ON    "\033[?2004h"
#define PASTE_OFF   "\033[?2004l"
#define PASTE_BEGIN "\033[200~"
#define PASTE_END   "\033[201~"

enum { PASTES = 64, PASTE_MOST = 16 << 20, PASTE_TYPED = 1000 };

struct pastes {
    struct paste {
        char *text; /* n bytes */
        size_t n;
        char mark[48];
    } of[PASTES];       /* paste i, from 1 on, is of[(i - 1) % PASTES] */
    int n, n_before;    /* so far; before the line at hand */
    int n_earlier;      /* of earlier chats, which the history has: the first ones */
    struct paste_edge { /* some bytes, by which a paste, or its mark, is known again in the edited line; n 0: none */
        char text[8];
        size_t n;
    } first, last; /* of what was pasted first in the line, and at its end */
    size_t first_at;
};

/* Makes line ends of a paste "\n" and takes those at its end away; returns what is left of n bytes. */
size_t paste_tidy(char *text, size_t n);
/* 1: the text can be typed into a line as it is. */
int paste_is_plain(const char *text, size_t n);
/* The mark for a text, which is taken away. NULL: the line has too many, and it was freed. */
const char *paste_keep(struct pastes *p, char *text, size_t n);
/* A line with each mark replaced by its text, and several lines parted from a word beside them: malloc'd, *n_out bytes and a NUL; NULL: no
 * memory. */
char *paste_expand(const struct pastes *p, const char *line, size_t n, size_t *n_out);
/* 1: a mark stands in the line in part: it was edited, and its text would be lost; or its text is remembered no more. */
int paste_is_cut(const struct pastes *p, const char *line, size_t n);
/* The length of the mark that ends a line of n bytes; 0: none does. */
size_t paste_mark_length(const struct pastes *p, const char *line, size_t n);
/* A line as the history's file has it: malloc'd; NULL: it is too long, or a text cannot stand there. */
char *paste_pack(const struct pastes *p, const char *line);
/* The other way round, with a mark for each text: malloc'd; NULL: no memory. */
char *paste_unpack(struct pastes *p, const char *packed);
/* A new line begins. */
void paste_next_line(struct pastes *p);
void paste_forget(struct pastes *p); /* all of them */

/* A paste, or its mark, goes into the line at byte `at`, which is its end or not. */
void paste_inserted(struct pastes *p, const char *text, size_t n, size_t at, int is_end);
/* How many bytes of a line stand before all that was pasted: n if nothing was, or if it was edited since. */
size_t paste_first(const struct pastes *p, const char *line, size_t n);
/* 1: what was pasted stands at the end of a line. */
int paste_is_last(const struct pastes *p, const char *line, size_t n);
/* The line is empty again. */
void paste_forget_edges(struct pastes *p);

#endif
