/* See prompt.h. */
#include "cli/chat/prompt.h"

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/common/cli.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000 };

/* The text, or NULL, freed and after a sentence. */
static char *check_utf8(const char *name, char *text, size_t n)
{
    size_t good = utf8_valid(text, n);
    if (good == n)
        return text;
    fprintf(stderr, "stoker: %s is not valid UTF-8 at byte %zu (0x%02x); convert it, for example with iconv\n", name,
            good, (unsigned char)text[good]);
    free(text);
    return NULL;
}

char *prompt_file(const char *path, size_t *n)
{
    struct error err = {0};
    char *text = file_read(path, PROMPT_MOST, n, &err);
    if (text)
        return check_utf8(path, text, *n);
    fprintf(stderr, "stoker: %s\n", err.text);
    return NULL;
}

/* All of stdin; is_named: by a "-". It may be a pipe that nobody writes to: then a line on stderr says that the program waits for it. A
 * stdin that was closed is empty. */
static char *read_stdin(size_t *n, int is_named)
{
    struct error err = {0};
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "type the prompt; Ctrl-D ends it\n");
    else if (poll(&in, 1, is_named ? 0 : PATIENCE_MS) == 0 && !is_named)
        fprintf(stderr, "stoker: waiting for the end of stdin, which is a part of the prompt (</dev/null: not)\n");
    if (in.revents & POLLNVAL) {
        *n = 0;
        return strdup("");
    }
    char *text = file_read_stream(stdin, "stdin", PROMPT_MOST, n, &err);
    if (text && (text = check_utf8("stdin", text, *n)))
        return text;
    if (err.code)
        fprintf(stderr, "stoker: %s\n", err.text);
    return NULL;
}

/* text is taken away; NULL: it could not be read. 0, or the exit status. */
static int add(struct prompt_text *out, char *text, size_t n)
{
    while (text && n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    size_t gap = out->n > 0 && n > 0 ? 2 : 0;
    char *grown = text ? realloc(out->text, out->n + gap + n + 1) : NULL;
    if (grown) {
        memcpy(grown + out->n, "\n\n", gap);
        memcpy(grown + out->n + gap, text, n);
        out->text = grown;
        out->n += gap + n;
        out->text[out->n] = 0;
    } else if (text) {
        fprintf(stderr, "stoker: no memory for the prompt\n");
    }
    free(text);
    return grown ? 0 : 1;
}

/* -p: the text itself, or stdin. */
static int add_text(struct prompt_text *out, const char *text)
{
    size_t n = 0;
    int is_stdin = strcmp(text, "-") == 0;
    char *part = is_stdin ? read_stdin(&n, 1) : strdup(text);
    if (part && !is_stdin)
        part = check_utf8("-p", part, n = strlen(text));
    return add(out, part, n);
}

/* By any of its names: opened by the others it would begin anew, and be read twice. */
static int is_stdin(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0 || strcmp(path, "/dev/fd/0") == 0;
}

static int add_file(struct prompt_text *out, const char *path)
{
    size_t n = 0;
    char *part = is_stdin(path) ? read_stdin(&n, 1) : prompt_file(path, &n);
    return add(out, part, n);
}

static int add_all(struct prompt_text *out, const char *text, const struct text_list *file)
{
    size_t n = 0;
    int n_stdin = text && strcmp(text, "-") == 0;
    for (int i = 0; i < file->n; i++)
        n_stdin += is_stdin(file->text[i]);
    if (n_stdin > 1) {
        fprintf(stderr, "stoker run: stdin is named more than once\n");
        return 2;
    }
    int status = text ? add_text(out, text) : 0;
    for (int i = 0; i < file->n && status == 0; i++)
        status = add_file(out, file->text[i]);
    if (status || n_stdin || isatty(STDIN_FILENO))
        return status;
    char *rest = read_stdin(&n, 0);
    return add(out, rest, n);
}

int prompt_read(struct prompt_text *out, const char *text, const struct text_list *file)
{
    *out = (struct prompt_text){0};
    int status = add_all(out, text, file);
    if (status == 0 && out->n == 0) {
        fprintf(stderr, "stoker: the prompt is empty; give some text with -p, -f or on stdin\n");
        status = 1;
    }
    if (status)
        prompt_free(out);
    return status;
}

uint64_t prompt_bytes(const struct prompt_text *p)
{
    enum { OF_ANY_CHAT = 256 << 10 };
    return p->n > OF_ANY_CHAT ? (uint64_t)(p->n - OF_ANY_CHAT) * TEXT_TO_TOKENS : 0;
}

void prompt_free(struct prompt_text *p)
{
    free(p->text);
    *p = (struct prompt_text){0};
}
