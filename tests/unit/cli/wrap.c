/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* Lines of answers, as a terminal of so many columns shows them. */
#include "cli/chat/wrap.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

/* ---- a terminal ------------------------------------------------------------------------------------------------------------ */

enum { ROWS = 400, COLUMNS = 120 };

struct screen {
    wchar_t cell[ROWS][COLUMNS + 1];
    int columns, row, column; /* column == columns: the last cell is written, and the next character begins a line */
};

static void show(struct screen *s, wchar_t c)
{
    int cells = wcwidth(c);
    if (c == L'\t') {
        s->column = (s->column / 8 + 1) * 8 < s->columns ? (s->column / 8 + 1) * 8 : s->columns - 1;
        return;
    }
    if (s->column + cells > s->columns) {
        s->row++;
        s->column = 0;
    }
    assert_true(s->row < ROWS && cells >= 0);
    if (cells == 0)
        return;
    s->cell[s->row][s->column] = c;
    s->column += cells;
}

/* Of the sequences only those that are written: to a column of the line, and erase from there. */
static const char *control(struct screen *s, const char *text)
{
    int n, length;
    if (sscanf(text, "\033[%dG%n", &n, &length) == 1) {
        s->column = n - 1;
        return text + length;
    }
    assert_memory_equal(text, "\033[K", 3);
    assert_true(s->column < s->columns); /* else the last cell would go too */
    for (int i = s->column; i < s->columns; i++)
        s->cell[s->row][i] = 0;
    return text + 3;
}

static void play(struct screen *s, const char *text, int columns)
{
    *s = (struct screen){.columns = columns};
    while (*text) {
        wchar_t c;
        if (*text == '\033') {
            text = control(s, text);
            continue;
        }
        int n = mbtowc(&c, text, 4);
        assert_true(n > 0);
        text += n;
        if (c == L'\n') {
            s->row++;
            s->column = 0;
        } else {
            show(s, c);
        }
    }
}

static const char *row_of(const struct screen *s, int row)
{
    static char text[COLUMNS * 4 + 1];
    size_t at = 0;
    for (int i = 0; i < s->columns; i++)
        if (s->cell[row][i])
            at += (size_t)wctomb(text + at, s->cell[row][i]);
    while (at > 0 && text[at - 1] == ' ')
        at--;
    text[at] = 0;
    return text;
}

/* The text in pieces of at most `most` bytes, which end between characters. */
static void wrap(struct screen *s, const char *text, int columns, size_t most, uint64_t seed)
{
    struct wrap w = {.columns = columns};
    char *out;
    size_t n_out;
    FILE *f = open_memstream(&out, &n_out);
    for (size_t i = 0, n = strlen(text), k; i < n; i += k) {
        k = 1 + rng_u64(seed, i, 0, 0) % most;
        k = k < n - i ? k : n - i;
        while (((unsigned char)text[i + k] & 0xc0) == 0x80)
            k++;
        wrap_write(&w, f, text + i, k);
    }
    fclose(f);
    play(s, out, columns);
    free(out);
}

static void rows_are(const char *text, int columns, const char *const *want, int n)
{
    static struct screen s;
    for (size_t most = 1; most < 40; most += 3) {
        wrap(&s, text, columns, most, most);
        for (int i = 0; i < n; i++)
            assert_string_equal(row_of(&s, i), want[i]);
        assert_string_equal(row_of(&s, n), "");
    }
}

/* ---- cases ----------------------------------------------------------------------------------------------------------------- */

static void cases(void **state)
{
    (void)state;
    rows_are("a line of words, which is longer", 20, (const char *[]){"a line of words,", "which is longer"}, 2);
    rows_are("the quick brown fox jumps over", 20, (const char *[]){"the quick brown fox", "jumps over"}, 2);
    rows_are("twenty cells of text a", 20, (const char *[]){"twenty cells of text", "a"}, 2);
    rows_are("twenty cells of text \nb", 20, (const char *[]){"twenty cells of text", "b"}, 2);
    rows_are("twenty cells of text\n\nb", 20, (const char *[]){"twenty cells of text", "", "b"}, 3);
    rows_are("see a/path/that/is/longer/than/a/line and", 20,
             (const char *[]){"see", "a/path/that/is/longe", "r/than/a/line and"}, 3);
    rows_are("read (https://a.b/c-d), and", 20, (const char *[]){"read", "(https://a.b/c-d),", "and"}, 3);
    rows_are("gr\303\274n und sch\303\266ner W\303\244lder", 20,
             (const char *[]){"gr\303\274n und sch\303\266ner", "W\303\244lder"}, 2);
    /* wide characters are two cells, and a line ends behind each of them */
    rows_are(
        "ab "
        "\344\270\200\344\272\214\344\270\211\345\233\233\344\272\224\345\205\255\344\270\203\345\205\253\344\271\235",
        20,
        (const char *[]){
            "ab \344\270\200\344\272\214\344\270\211\345\233\233\344\272\224\345\205\255\344\270\203\345\205\253",
            "\344\271\235"},
        2);
}

/* Code, tables and addresses are copied, so nothing is put into them; and where no width is known, into nothing. */
static void left_alone(void **state)
{
    static const char code[] = "  ```c\nint a_line_of_code = that_is_longer(than, all);\n  ```\n",
                      prose[] = "a line of words, which is longer than a line of twenty",
                      table[] = "| a | table of rows | that are longer |\n|---|---------------|-----------------|\n",
                      open[] = "---|---------------|----------------\n  | a row \344\270\200 | that is indented |\n",
                      item[] = "- | a row of a table | in a list |\n",
                      address[] = "https://example.org/a/longer/one-than/a?line=of#it";
    const struct {
        const char *text;
        int columns;
    } all[] = {{code, 20}, {prose, 0}, {table, 20}, {open, 20}, {item, 20}, {address, 20}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct wrap w = {.columns = all[i].columns};
        char *out;
        size_t n_out;
        FILE *f = open_memstream(&out, &n_out);
        wrap_write(&w, f, all[i].text, strlen(all[i].text));
        fclose(f);
        assert_string_equal(out, all[i].text);
        free(out);
    }
    rows_are("| a row of a table |\nof words that are longer", 20,
             (const char *[]){"| a row of a table |", "of words that are", "longer"}, 3);
    rows_are("words with a | b in them", 20, (const char *[]){"words with a | b in", "them"}, 2);
    char both[256];
    snprintf(both, sizeof both, "%s%s", code, "words behind code, which are longer");
    rows_are(both, 20,
             (const char *[]){"  ```c", "int a_line_of_code =", " that_is_longer(than", ", all);", "  ```",
                              "words behind code,", "which are longer"},
             7);
}

/* A mark that no cell is of belongs to the wide character before it, at the end of a line too. */
static void marks(void **state)
{
    (void)state;
    rows_are("xxxxxxxxxxxxxxxxxx\342\255\220\357\270\217, and", 20,
             (const char *[]){"xxxxxxxxxxxxxxxxxx\342\255\220", ", and"}, 2);
    rows_are("a few words \342\255\220\357\270\217 further", 20,
             (const char *[]){"a few words \342\255\220", "further"}, 2);
}

/* A tab reaches the last cell at most. */
static void tabs(void **state)
{
    (void)state;
    rows_are("some words of\tit ends", 24, (const char *[]){"some words ofit ends"}, 1);
    rows_are("words to the end here\tis more", 24, (const char *[]){"words to the end here", "is more"}, 2);
    rows_are("a line of 23 and a tab.\tis more", 24, (const char *[]){"a line of 23 and a tab.", "is more"}, 2);
}

/* What is written of pieces; of those behind `at` the terminal has other columns. */
static char *written(const char *const *piece, int n, int at, size_t *n_out)
{
    struct wrap w = {0};
    char *out;
    FILE *f = open_memstream(&out, n_out);
    for (int i = 0; i < n; i++) {
        w.columns = i < at ? 20 : 24;
        wrap_write(&w, f, piece[i], strlen(piece[i]));
    }
    fclose(f);
    return out;
}

/* Behind what moves a terminal nobody knows where, the line is as it came; the next one is broken again. */
static void unsure(void **state)
{
    (void)state;
    static const char *const line[] = {"\033[1mbold\033[0m words of a line",
                                       "a \a tone in the words of a line",
                                       "\342\230\200\357\270\217 and then the words of a line",
                                       "\360\237\221\251\342\200\215\360\237\222\273 with the words of a line",
                                       "\360\237\221\215\360\237\217\275 with the words of a line",
                                       "\360\237\207\251\360\237\207\252 with the words of a line",
                                       "exactly so many cell\r",
                                       "words, and a return\rthat are longer",
                                       "the words of a \377 line"};
    size_t n_out;
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        char both[256];
        snprintf(both, sizeof both, "%s\n", line[i]);
        char *out = written((const char *[]){both, "the quick brown foxes jump"}, 2, 2, &n_out);
        assert_memory_equal(out, both, strlen(both));
        assert_string_equal(out + strlen(both), "the quick brown foxe\033[17G\033[K\nfoxes jump");
        free(out);
    }
    char *out = written((const char *[]){"the quick brown fo", "x jumps over it"}, 2, 1, &n_out);
    assert_string_equal(out, "the quick brown fox jumps over it");
    free(out);
    out = written((const char *[]){"exactly so many cell", " ", "jumps over it"}, 3, 2, &n_out);
    assert_string_equal(out, "exactly so many cell jumps over it");
    free(out);
    struct wrap w = {.columns = 20};
    FILE *f = open_memstream(&out, &n_out);
    wrap_write(&w, f, "the quick", 9);
    wrap_unsure(&w); /* as where something is typed meanwhile */
    wrap_write(&w, f, " brown foxes jump\nthe quick brown foxes", 39);
    fclose(f);
    assert_string_equal(out, "the quick brown foxes jump\nthe quick brown foxe\033[17G\033[K\nfoxes");
    free(out);
}

/* A word has bytes of any kind. */
static void zeros(void **state)
{
    (void)state;
    struct wrap w = {.columns = 20};
    char *out;
    size_t n_out;
    static const char text[] = "the quick brown f\0xes jump\n";
    FILE *f = open_memstream(&out, &n_out);
    wrap_write(&w, f, text, sizeof text - 1);
    fclose(f);
    assert_int_equal(n_out, sizeof text - 1);
    assert_memory_equal(out, text, n_out);
    free(out);
}

/* Whether code that these lines begin is over behind the last of them. */
static void fences(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int is_code;
    } all[] = {{"```c\nx\n", 1},
               {"```c\nx\n```\n", 0},
               {"```c\nx\n``` \t\r\n", 0},
               {"````\n```\nx\n", 1},
               {"````\n```\nx\n`````\n", 0},
               {"```\n~~~\n", 1},
               {"~~~\n```\n~~~\n", 0},
               {"```\n```c\n", 1},
               {"\t```c\n", 1},
               {"1. a list\n   ```c\n   x\n   ```\n", 0},
               {"- ```c\n", 1},
               {"12) ```c\n  x\n  ```\n", 0},
               {"```\n- ```\n", 1},
               {"-```\n", 0},
               {"``\n", 0},
               {"```x```\n", 0},
               {"~~~ x `y`\n", 1},
               {"words ```\n", 0}};
    size_t n_out;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *out = written((const char *[]){all[i].text, "the quick brown foxes jump"}, 2, 2, &n_out);
        if ((strstr(out, "\033") == NULL) != all[i].is_code)
            fail_msg("%s: is %scode", all[i].text, all[i].is_code ? "" : "no ");
        free(out);
    }
}

/* Words of up to so many letters, a fifth of them of two bytes, in lines: what fits in a row is what a person would put there. */
static void random_words(void **state)
{
    (void)state;
    static struct screen s;
    for (uint64_t seed = 0; seed < 300; seed++) {
        int columns = 20 + (int)(rng_u64(seed, 0, 1, 0) % 60), row = 0, used = 0;
        char text[4096], want[ROWS][4 * COLUMNS + 2];
        size_t at = 0;
        memset(want, 0, sizeof want);
        for (uint64_t i = 0; i < 120; i++) {
            int n = 1 + (int)(rng_u64(seed, i, 2, 0) % 12), new_line = rng_u64(seed, i, 3, 0) % 20 == 0;
            char word[32] = "", *end = word;
            for (int k = 0; k < n; k++)
                end = stpcpy(end, rng_u64(seed, i, 4, (uint32_t)k) % 5 ? "x" : "\303\274");
            if (i > 0) {
                text[at++] = new_line ? '\n' : ' ';
                int fits = !new_line && used + 1 + n <= columns;
                row += !fits;
                used = fits ? used + 1 : 0;
                strcat(want[row], fits ? " " : "");
            }
            strcat(want[row], word);
            used += n;
            at += (size_t)sprintf(text + at, "%s", word);
        }
        wrap(&s, text, columns, 1 + seed % 9, seed);
        assert_int_equal(s.row, row);
        for (int i = 0; i <= row; i++)
            assert_string_equal(row_of(&s, i), want[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases),  cmocka_unit_test(left_alone),  cmocka_unit_test(marks),
                                       cmocka_unit_test(tabs),   cmocka_unit_test(unsure),      cmocka_unit_test(zeros),
                                       cmocka_unit_test(fences), cmocka_unit_test(random_words)};
    wrap_locale();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
