/* Distance of words: characters inserted, left out, changed, and neighbours that changed places, each once (optimal string alignment). A
 * word is near when at most a third of what was typed is wrong. */
#include "cli/common/suggest.h"

#include <string.h>

enum { WORD_MOST = 40 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[3][WORD_MOST + 1];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *before = row[(i - 1) % 3], *two_before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two_before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

void suggest_begin(struct suggestion *s, const char *typed, size_t n)
{
    *s = (struct suggestion){typed, n, NULL, n / 3 + 1};
}

void suggest_name(struct suggestion *s, const char *name, size_t n, const char *word)
{
    if (n == 0 || n > WORD_MOST || s->n > WORD_MOST)
        return;
    size_t d = distance(s->typed, s->n, name, n);
    if (d < s->distance) {
        s->distance = d;
        s->word = word;
    }
}

void suggest_try(struct suggestion *s, const char *word) { suggest_name(s, word, word ? strlen(word) : 0, word); }
