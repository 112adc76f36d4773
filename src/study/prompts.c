/* See prompts.h. */
#include "study/prompts.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPTS_MOST = 64 << 20 };

/* The character that an escape stands for, and in *used the bytes behind the backslash; -1: none. */
static int escaped(const char *p, size_t n, size_t *used)
{
    static const char from[] = "nt\\\"", to[] = "\n\t\\\"";
    const char *found = n && *p ? strchr(from, *p) : NULL;
    uint32_t value;
    *used = 1;
    if (found)
        return (unsigned char)to[found - from];
    *used = 3;
    return n >= 3 && *p == 'x' && hex_read(p + 1, 2, 2, &value) == 2 ? (int)value : -1;
}

/* A line of n bytes behind what p has. */
static int add_line(struct study_prompts *p, const char *path, size_t line, const char *text, size_t n,
                    struct error *err)
{
    char *to = p->text + p->at[p->n];
    for (size_t i = 0, used; i < n; i++) {
        int c = text[i] == '\\' ? escaped(text + i + 1, n - i - 1, &used) : (unsigned char)text[i];
        if (c < 0)
            return error_set(
                err, ERR_INPUT,
                "%s, line %zu: \\%.1s is no escape; \\n, \\t, \\\\, \\\" and \\xHH are, and a backslash is "
                "written \\\\",
                path, line, i + 1 < n ? text + i + 1 : "");
        i += text[i] == '\\' ? used : 0;
        *to++ = (char)c;
    }
    p->line[p->n++] = line;
    p->at[p->n] = (size_t)(to - p->text);
    return 0;
}

static int add_lines(struct study_prompts *p, const char *path, const char *text, size_t size, struct error *err)
{
    size_t line = 1, n;
    for (size_t at = 0; at < size; at += n + 1, line++) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - text) - at : size - at;
        size_t shown = n && text[at + n - 1] == '\r' ? n - 1 : n;
        if (shown && add_line(p, path, line, text + at, shown, err))
            return -1;
    }
    return p->n ? 0 : error_set(err, ERR_INPUT, "%s has no prompt; one a line is expected", path);
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

int study_prompts_read(struct study_prompts *p, const char *path, struct error *err)
{
    uint8_t sum[SHA256_BYTES];
    size_t size = 0;
    *p = (struct study_prompts){0};
    char *text = file_read(path, PROMPTS_MOST, &size, err);
    if (!text)
        return -1;
    sha256(text, size, sum);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(p->sha256 + 2 * i, 3, "%02x", sum[i]);
    size_t lines = count_lines(text, size);
    p->text = malloc(size + 1);
    p->at = calloc(lines + 1, sizeof *p->at);
    p->line = calloc(lines, sizeof *p->line);
    int failed = p->text && p->at && p->line
                     ? add_lines(p, path, text, size, err)
                     : error_set(err, ERR_MEMORY, "%s: no memory for its %zu lines", path, lines);
    free(text);
    if (failed)
        study_prompts_free(p);
    return failed;
}

void study_prompts_free(struct study_prompts *p)
{
    free(p->text);
    free(p->at);
    free(p->line);
    *p = (struct study_prompts){0};
}
