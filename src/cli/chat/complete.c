/* See complete.h. */
#include "cli/chat/complete.h"

#include "base/utf8.h"
#include "cli/chat/chat.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* Candidates, paths or names: of the last name only the end behind its first `typed` bytes is new. */
struct choices {
    const char **text; /* [n] */
    size_t n, typed;
    const char *behind; /* a single one that is whole */
};

static int is_folder(const char *text) { return *text && text[strlen(text) - 1] == '/'; }

/* Without the folders before it. */
static const char *last_name(const char *path)
{
    const char *name = path;
    for (const char *slash; (slash = strchr(name, '/')) && slash[1];)
        name = slash + 1;
    return name;
}

/* Names of files are anybody's: nothing of them is for the terminal. */
static void list(const struct choices *c, FILE *f)
{
    fputc('\n', f);
    for (size_t i = 0; i < c->n; i++) {
        char *name = strdup(last_name(c->text[i]));
        if (name)
            utf8_make_plain(name);
        fprintf(f, "%s%s", i ? "  " : "", name ? name : "");
        free(name);
    }
    fputc('\n', f);
}

/* What choice i adds to what was typed of its name. */
static const char *new_end(const struct choices *c, size_t i) { return last_name(c->text[i]) + c->typed; }

/* The bytes that all go on with, and what stands behind the only one. */
static char *common_end(const struct choices *c, FILE *f)
{
    const char *first = c->n ? new_end(c, 0) : "";
    size_t n = strlen(first);
    for (size_t i = 1; i < c->n; i++)
        for (size_t k = 0; k < n; k++)
            if (new_end(c, i)[k] != first[k])
                n = k;
    while (n > 0 && ((unsigned char)first[n] & 0xC0) == 0x80) /* within a character */
        n--;
    if (n == 0 && c->n > 1)
        list(c, f);
    const char *behind = c->n == 1 && !is_folder(c->text[0]) ? c->behind : "";
    char *end = malloc(n + strlen(behind) + 1);
    if (end) {
        memcpy(end, first, n);
        strcpy(end + n, behind);
    }
    return end;
}

static char *complete_name(const char *line, size_t n, FILE *f)
{
    const char *text[CHAT_COMMANDS_MOST];
    struct choices c = {text, 0, n - 1, " "};
    for (size_t i = 0; c.n < CHAT_COMMANDS_MOST && chat_command_name(i); i++)
        if (strncmp(chat_command_name(i), line + 1, n - 1) == 0)
            text[c.n++] = chat_command_name(i);
    return common_end(&c, f);
}

/* What glob() finds paths by that begin so: its own characters are themselves, and "~/" is the home folder, which it would take for more
 * than that. malloc'd; NULL: no memory. */
static char *pattern_of(const char *path, size_t n)
{
    const char *home = n >= 2 && memcmp(path, "~/", 2) == 0 ? getenv("HOME") : NULL;
    const char *const part[] = {home ? home : "", path + (home != NULL)};
    const size_t length[] = {strlen(part[0]), n - (home != NULL)};
    char *pattern = malloc(2 * (length[0] + length[1]) + 2), *end = pattern;
    for (size_t k = 0; pattern && k < 2; k++)
        for (size_t i = 0; i < length[k]; i++) {
            if (strchr("*?[\\", part[k][i]))
                *end++ = '\\';
            *end++ = part[k][i];
        }
    if (pattern)
        strcpy(end, "*");
    return pattern;
}

/* glob() may spell the folders otherwise than they were typed: what is new counts from the last of them. */
static char *complete_path(const char *path, size_t n, FILE *f)
{
    glob_t found = {0};
    const char *slash = memrchr(path, '/', n);
    size_t typed = slash ? n - (size_t)(slash + 1 - path) : n;
    char *pattern = pattern_of(path, n), *end = NULL;
    int failed = pattern ? glob(pattern, GLOB_MARK, NULL, &found) : GLOB_NOSPACE;
    if (failed == GLOB_NOMATCH)
        end = calloc(1, 1);
    else if (!failed)
        end = common_end(&(struct choices){(const char **)found.gl_pathv, found.gl_pathc, typed, ""}, f);
    globfree(&found);
    free(pattern);
    return end;
}

char *complete_line(const char *line, size_t n, FILE *f)
{
    size_t name = 1;
    if (n == 0 || *line != '/')
        return calloc(1, 1);
    while (name < n && line[name] != ' ')
        name++;
    if (name == n)
        return complete_name(line, n, f);
    size_t path = name;
    while (path < n && line[path] == ' ')
        path++;
    return chat_command_takes_path(line + 1, name - 1) ? complete_path(line + path, n - path, f) : calloc(1, 1);
}
