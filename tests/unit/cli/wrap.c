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

/* Code is copied, so nothing is put into it; and where no width is known, into nothing. */
static void left_alone(void **state)
{
    static const char code[] = "  ```c\nint a_line_of_code = that_is_longer(than, all);\n  ```\n",
                      prose[] = "a line of words, which is longer than a line of twenty";
    const struct {
        const char *text;
        int columns;
    } all[] = {{code, 20}, {prose, 0}};
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
    char both[256];
    snprintf(both, sizeof both, "%s%s", code, "words behind code, which are longer");
    rows_are(both, 20,
             (const char *[]){"  ```c", "int a_line_of_code =", " that_is_longer(than", ", all);", "  ```",
                              "words behind code,", "which are longer"},
             7);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases), cmocka_unit_test(left_alone),
                                       cmocka_unit_test(random_words)};
    wrap_locale();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
