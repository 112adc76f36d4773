/* See tools.h. A tool of the file may carry "command" beside "function": it is run by sh, with the arguments as JSON on its
 * standard input, and what it prints is the result. Nothing runs without a yes typed on a terminal. */
#include "cli/chat/tools.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json/load.h"
#include "cli/chat/line_editor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESULT_MAX = 64 << 10, FILE_MAX = 8 << 20 };

static int read_file(struct cli_tools *t, const char *path)
{
    struct error err = {0};
    t->json = file_read(path, FILE_MAX, &t->n, &err);
    if (!t->json)
        fprintf(stderr, "stoker run: --tools %s\n", err.text);
    return t->json ? 0 : -1;
}

/* The tools without what is ours. */
static int declare(struct cli_tools *t)
{
    size_t i;
    json_t *tool;
    t->shown = json_deep_copy(t->list);
    json_array_foreach(t->shown, i, tool) json_object_del(tool, "command");
    return t->shown ? 0 : -1;
}

int tools_read(struct cli_tools *t, const char *path)
{
    json_error_t why;
    *t = (struct cli_tools){0};
    if (!path)
        return 0;
    if (read_file(t, path))
        return 1;
    t->list = json_load_reserved(t->json, t->n, JSON_ALLOW_NUL, &why);
    if (!json_is_array(t->list)) {
        fprintf(stderr, "stoker run: --tools %s: %s\n", path,
                t->list ? "must be a list: [{\"type\": \"function\", \"function\": {..}}, ..]" : why.text);
        return 2;
    }
    if (declare(t)) {
        fprintf(stderr, "stoker run: no memory for the tools\n");
        return 1;
    }
    return 0;
}

void tools_free(struct cli_tools *t)
{
    json_decref(t->list);
    free(t->json);
    json_decref(t->shown);
    *t = (struct cli_tools){0};
}

static const char *command_of(const struct cli_tools *t, const char *name)
{
    size_t i;
    json_t *tool;
    json_array_foreach(t->list, i, tool)
    {
        const char *s = json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
        if (s && !strcmp(s, name))
            return json_string_value(json_object_get(tool, "command"));
    }
    return NULL;
}

/* What the command prints, at most RESULT_MAX bytes of it. */
static char *run(const char *command, const char *input, size_t n, size_t *n_result)
{
    int out[2];
    FILE *in = tmpfile();
    char *result = malloc(RESULT_MAX);
    if (!in || !result || fwrite(input, 1, n, in) != n || fflush(in) || pipe(out)) {
        if (in)
            fclose(in);
        free(result);
        return NULL;
    }
    rewind(in);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(in), STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    fclose(in);
    ssize_t got;
    *n_result = 0;
    while (child > 0 && *n_result < RESULT_MAX && (got = read(out[0], result + *n_result, RESULT_MAX - *n_result)) > 0)
        *n_result += (size_t)got;
    close(out[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    while (*n_result && result[*n_result - 1] == '\n')
        --*n_result;
    return result;
}

char *tools_ask(const struct cli_tools *t, const char *name, const char *arguments, size_t n, size_t *n_result)
{
    const char *command = command_of(t, name);
    fprintf(stderr, "call: %s %.*s\n", name, (int)n, arguments);
    if (!isatty(STDIN_FILENO))
        return NULL;
    if (command) {
        fprintf(stderr, "command: %s\n", command);
        int yes = line_ask_yes("run it? [y/N] ");
        char *result = yes ? run(command, arguments, n, n_result) : NULL;
        if (result)
            fprintf(stderr, "result: %.*s\n", (int)*n_result, result);
        if (yes)
            return result;
    }
    char *result = line_ask("result (empty: none): ");
    *n_result = result ? strlen(result) : 0;
    if (result && *n_result == 0) {
        free(result);
        result = NULL;
    }
    return result;
}
