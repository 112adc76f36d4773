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

/* Three marks at the beginning of a line, maybe indented, begin and end code. */
static void begin_line(struct wrap *w)
{
    if (w->n_head == 3 && (memcmp(w->head, "```", 3) == 0 || memcmp(w->head, "~~~", 3) == 0))
        w->is_fenced = !w->is_fenced;
    w->column = w->n_head = w->is_full = 0;
    begin_word(w);
}

/* The word at the line's end goes to the next line. */
static void take_back(struct wrap *w, FILE *f)
{
    fprintf(f, "\033[%dG\033[K\n%.*s", w->word_at + 1, (int)w->n_word, w->word);
    w->column -= w->word_at;
    w->word_at = 0;
}

static void put_blank(struct wrap *w, FILE *f, char c)
{
    int cells = c == '\t' ? TAB - w->column % TAB : 1;
    if (w->column + cells > w->columns) {
        w->is_full = 1;
        return;
    }
    putc(c, f);
    w->column += cells;
    begin_word(w);
}

static void put_character(struct wrap *w, FILE *f, const char *text, size_t n, int cells)
{
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

/* Bytes of the character that a text begins with, and its cells. */
static size_t next_character(const char *text, size_t n, int *cells)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t length = mbrtowc(&c, text, n, &state);
    if (length == 0 || length > n) { /* no character here: as many cells as bytes */
        *cells = 1;
        return 1;
    }
    *cells = wcwidth(c) < 0 ? 1 : wcwidth(c);
    return length;
}

void wrap_write(struct wrap *w, FILE *f, const char *text, size_t n)
{
    size_t length;
    int cells;
    for (size_t i = 0; i < n; i += length) {
        length = next_character(text + i, n - i, &cells);
        if (w->n_head < 3 && (text[i] != ' ' || w->n_head > 0))
            w->head[w->n_head++] = text[i];
        if (text[i] == '\n') {
            putc('\n', f);
            begin_line(w);
        } else if (w->columns == 0 || w->is_fenced) {
            fwrite(text + i, 1, length, f);
        } else if (text[i] == ' ' || text[i] == '\t') {
            put_blank(w, f, text[i]);
        } else {
            put_character(w, f, text + i, length, cells);
        }
    }
}
