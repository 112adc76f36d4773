/* See wrap.h. */
#include "cli/chat/wrap.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

enum { NARROW = 20, TAB = 8 };

void wrap_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

int wrap_columns(int fd)
{
    struct winsize size;
    const char *term = getenv("TERM");
    if (!term || !*term || strcmp(term, "dumb") == 0 || ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col >= NARROW ? size.ws_col : 0;
}

static void begin_word(struct wrap *w)
{
    w->word_at = w->column;
    w->n_word = 0;
}

/* Marks of code and of a row of a table at the beginning of a line: behind blanks, and where they begin behind those of a list too. */
static void read_head(struct wrap *w, char c)
{
    int is_blank = c == ' ' || c == '\t' || c == '\r';
    if (w->head == HEAD_BLANKS && c == '|') {
        w->is_row = 1;
        w->head = HEAD_OTHER;
    } else if (w->head == HEAD_BLANKS && (c == '`' || c == '~') && !w->is_behind_item) {
        w->mark = c;
        w->n_mark = 1;
        w->head = HEAD_MARKS;
    } else if (w->head == HEAD_BLANKS) {
        w->is_behind_item = !is_blank;
        if (!is_blank && (w->fence || !strchr("-*+0123456789.)", c)))
            w->head = HEAD_OTHER;
    } else if (w->head == HEAD_MARKS && c == w->mark) {
        w->n_mark++;
    } else if (w->head == HEAD_MARKS) {
        w->head = w->n_mark < 3 ? HEAD_OTHER : is_blank ? HEAD_FENCE : HEAD_NAMED;
    } else if (w->head != HEAD_OTHER && !is_blank) {
        w->head = c == '`' && w->mark == '`' ? HEAD_OTHER : HEAD_NAMED;
    }
}

/* Three marks or more begin code, behind which may be its language; as many of the same with nothing behind them end it. */
static void end_head(struct wrap *w)
{
    if (w->head == HEAD_MARKS && w->n_mark >= 3)
        w->head = HEAD_FENCE;
    if (!w->fence && (w->head == HEAD_FENCE || w->head == HEAD_NAMED)) {
        w->fence = w->mark;
        w->n_fence = w->n_mark;
    } else if (w->head == HEAD_FENCE && w->mark == w->fence && w->n_mark >= w->n_fence) {
        w->fence = 0;
    }
    w->head = HEAD_BLANKS;
    w->is_behind_item = 0;
}

static void begin_line(struct wrap *w)
{
    end_head(w);
    w->column = w->is_begun = w->is_full = w->is_unsure = w->is_row = 0;
    begin_word(w);
}

/* The word at the line's end goes to the next line. */
static void take_back(struct wrap *w, FILE *f)
{
    fprintf(f, "\033[%dG\033[K\n", w->word_at + 1);
    fwrite(w->word, 1, w->n_word, f);
    w->column -= w->word_at;
    w->word_at = 0;
}

/* A tab ends at the last cell of the line at most, and there it is nothing. */
static void put_blank(struct wrap *w, FILE *f, char c)
{
    int to = w->column + (c == '\t' ? TAB - w->column % TAB : 1);
    if (c == '\t' && to > w->columns - 1)
        to = w->columns - 1;
    if (to <= w->column || to > w->columns) {
        w->is_full = 1;
        return;
    }
    putc(c, f);
    w->column = to;
    begin_word(w);
}

/* Where the terminal is in its line is not known. */
static void put_unsure(struct wrap *w, FILE *f, const char *text, size_t n)
{
    if (w->is_full)
        putc(' ', f);
    w->is_full = 0;
    fwrite(text, 1, n, f);
}

static void put_character(struct wrap *w, FILE *f, const char *text, size_t n, int cells)
{
    if (cells == 0 && w->n_word == 0) { /* it belongs to the character before it, which ends a word */
        fwrite(text, 1, n, f);
        return;
    }
    if (w->is_full) {
        putc('\n', f);
        w->column = w->is_full = 0;
        begin_word(w);
    }
    if (w->column + cells > w->columns) {
        if (w->word_at > 0 && w->n_word > 0 && w->n_word < WRAP_WORD) {
            take_back(w, f);
        } else { /* the terminal breaks it */
            w->column = 0;
            begin_word(w);
        }
    }
    fwrite(text, 1, n, f);
    w->column += cells;
    if (cells > 1) {
        begin_word(w);
    } else if (w->n_word + n < WRAP_WORD) {
        memcpy(w->word + w->n_word, text, n);
        w->n_word += n;
    } else {
        w->n_word = WRAP_WORD;
    }
}

/* Terminals differ in the cells of what joins or changes the characters around it: flags, skin tones, joiners, and the choice between a
 * picture and a letter, which a wide character is anyway. */
static int is_joining(wchar_t c, int is_behind_wide)
{
    return c == 0x200d || c == 0xfe0e || (c == 0xfe0f && !is_behind_wide) || (c >= 0x1f1e6 && c <= 0x1f1ff) ||
           (c >= 0x1f3fb && c <= 0x1f3ff);
}

/* Bytes of the character that a text begins with, and its cells; -1: they are not known, as those of controls. */
static size_t next_character(const struct wrap *w, const char *text, size_t n, int *cells)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t length = mbrtowc(&c, text, n, &state);
    if (length == 0 || length > n) { /* no character here */
        *cells = -1;
        return 1;
    }
    *cells = is_joining(c, w->n_word == 0) ? -1 : wcwidth(c);
    return length;
}

void wrap_unsure(struct wrap *w) { w->is_unsure = 1; }

void wrap_write(struct wrap *w, FILE *f, const char *text, size_t n)
{
    size_t length;
    int cells;
    if (w->is_begun && w->columns != w->columns_before)
        w->is_unsure = 1;
    w->columns_before = w->columns;
    for (size_t i = 0; i < n; i += length) {
        length = next_character(w, text + i, n - i, &cells);
        if (text[i] == '\n') {
            putc('\n', f);
            begin_line(w);
            continue;
        }
        read_head(w, text[i]);
        w->is_begun = 1;
        if (text[i] == '\r') { /* most often the line's end is behind it */
            putc('\r', f);
            w->is_unsure = 1;
        } else if (w->columns == 0 || w->fence) {
            fwrite(text + i, 1, length, f);
        } else if (w->is_unsure || w->is_row || (cells < 0 && text[i] != '\t')) {
            w->is_unsure = 1;
            put_unsure(w, f, text + i, length);
        } else if (text[i] == ' ' || text[i] == '\t') {
            put_blank(w, f, text[i]);
        } else {
            put_character(w, f, text + i, length, cells);
        }
    }
}
