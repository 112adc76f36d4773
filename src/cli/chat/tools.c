/* See tools.h. A tool of the file may carry "command" beside "function": it is run by sh, with the arguments as JSON on its standard
 * input, and what it prints is the result. Nothing of it runs without a yes typed on a terminal that shows it, and nothing is left behind
 * it. */
#include "cli/chat/tools.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json/load.h"
#include "base/process/guard.h"
#include "base/utf8.h"
#include "cli/chat/chat.h"
#include "cli/chat/line_editor.h"
#include "cli/library/flags.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

enum { RESULT_MAX = 64 << 10, FILE_MAX = 8 << 20 };

/* ---- tools of a file -------------------------------------------------------------------------------------------------------- */

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
    t->declared = json_deep_copy(t->list);
    json_array_foreach(t->declared, i, tool) json_object_del(tool, "command");
    return t->declared ? 0 : -1;
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

/* As a file, of which a command reads as much as it likes. NULL: errno says why. */
static FILE *input_of(const char *text, size_t n)
{
    FILE *f = tmpfile();
    if (f && (fwrite(text, 1, n, f) != n || fflush(f))) {
        fclose(f);
        return NULL;
    }
    if (f)
        rewind(f);
    return f;
}

/* The command has stoker's terminal, Ctrl-C of it too, so it may ask who sits there. *out: where what it prints is read. */
static int start(const char *command, const char *input, size_t n, pid_t *pid, int *out, struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    int pipes[2];
    FILE *in = input_of(input, n);
    if (!in)
        return error_set(err, ERR_IO, "there is no file for the arguments of a command: %s", strerror(errno));
    int failed = pipe2(pipes, O_CLOEXEC);
    if (failed) {
        error_set(err, ERR_IO, "there is no pipe for a command: %s", strerror(errno));
    } else {
        const struct guard_program program = {
            .argv = argv, .env = environ, .fd = {fileno(in), pipes[1], STDERR_FILENO}, .group = getpgrp()};
        failed = guard_start(pid, &program, err);
        close(pipes[1]);
        *out = pipes[0];
        if (failed)
            close(pipes[0]);
    }
    fclose(in);
    return failed;
}

/* What the command prints, at most RESULT_MAX bytes of it. With the command all ends that it has started. NULL: there was a sentence. */
static char *run(const char *command, const char *input, size_t n, size_t *n_result)
{
    struct error err = {0};
    char *result = malloc(RESULT_MAX);
    pid_t pid = 0;
    int out = -1;
    ssize_t got;
    *n_result = 0;
    if (!result)
        error_set(&err, ERR_MEMORY, "no memory for what a command prints");
    if (!result || start(command, input, n, &pid, &out, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        free(result);
        return NULL;
    }
    while (*n_result < RESULT_MAX && (got = read(out, result + *n_result, RESULT_MAX - *n_result)) > 0)
        *n_result += (size_t)got;
    close(out);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    while (*n_result && result[*n_result - 1] == '\n')
        --*n_result;
    return result;
}

/* Where Ctrl-C has come, the terminal shows it in the middle of a line. */
static void end_line(struct cli_tools *t)
{
    if (chat_interrupts && !t->is_line_ended && isatty(STDERR_FILENO))
        fputc('\n', stderr);
    t->is_line_ended = chat_interrupts != 0;
}

static enum toolbox_end ask(void *self, const struct toolbox_call *c, struct buffer *out)
{
    struct cli_tools *t = self;
    const char *command = command_of(t, c->name);
    size_t n = 0;
    char *result = NULL;
    if (t->quiet || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) /* which shows the call and the command */
        return TOOLBOX_NONE;
    if (command) {
        fprintf(stderr, "command: %s\n", command);
        tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before was no answer to this */
    }
    if (command && line_ask_yes("run it? [y/N] ")) {
        result = run(command, c->arguments, c->n, &n);
        end_line(t);
        if (result)
            fprintf(stderr, "result: %.*s\n", (int)n, result);
    } else if ((result = line_ask("result (empty: none): "))) {
        n = strlen(result);
        if (n == 0) {
            free(result);
            return TOOLBOX_NONE;
        }
    } else {
        t->is_line_ended = 1;
    }
    buffer_put(out, result, n);
    enum toolbox_end end = result ? TOOLBOX_DONE : TOOLBOX_NONE;
    free(result);
    return end;
}

static int open_file(struct cli_tools *t, const char *path)
{
    json_error_t why;
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

/* ---- the library ------------------------------------------------------------------------------------------------------------ */

static int open_library(struct cli_tools *t, const struct text_list *values)
{
    struct text_list names = {.n = 0};
    struct error missing = {0}, err = {0};
    const char *dir;
    int status = library_flags_read("run", values, &dir, &names);
    if (status)
        return status;
    int failed = library_open_any(&t->library, dir, names.text, names.n, &missing, &err);
    if (missing.code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", missing.text);
    if (failed || library_talk_begin(&t->talk, &t->library, NULL, 0, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        return 1;
    }
    return 0;
}

/* The greatest number that a result of earlier has given a passage: "[12] ", where a line begins. */
static int numbers_in(const char *text)
{
    int most = 0;
    while (text) {
        int number, end = 0;
        if (sscanf(text, "[%6d] %n", &number, &end) == 1 && end && number > most &&
            number < PASSAGES_LAST - PASSAGES_MOST)
            most = number;
        text = strchr(text, '\n');
        text += text != NULL;
    }
    return most;
}

static void number_behind(struct cli_tools *t, const json_t *messages)
{
    size_t i;
    const json_t *m;
    passages_free(&t->talk.passages);
    json_array_foreach(messages, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role")),
                   *text = json_string_value(json_object_get(m, "content"));
        int most = role && text && strcmp(role, "tool") == 0 ? numbers_in(text) : 0;
        if (most > t->talk.passages.before)
            t->talk.passages.before = most;
    }
}

/* The passages that are cited, each once, in the order of their numbers. */
json_t *tools_sources(const struct cli_tools *t, const char *text, size_t n, size_t *n_unknown)
{
    const struct passages *p = &t->talk.passages;
    unsigned char is_cited[PASSAGES_MOST] = {0};
    struct citation c;
    size_t at = 0;
    json_t *list = json_array();
    *n_unknown = 0;
    while (citation_next(p, text, n, &at, &c)) {
        if (c.of)
            is_cited[c.number - p->before - 1] = 1;
        else
            ++*n_unknown;
    }
    for (int i = 0; i < p->n; i++) {
        const struct passage *of = &p->list[i];
        if (is_cited[i])
            json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s}", "n", p->before + i + 1, "title", of->title,
                                                  "source", of->source, "date", of->date));
    }
    return list;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------ */

/* Whether the engine can hold calls to a list. */
static int accepts(void *arg, const char *list, size_t n, struct error *err)
{
    const struct cli_tools *t = arg;
    struct stoker_error why;
    struct stoker_reply *reply = NULL;
    const struct stoker_reply_options how = {.tools = list, .n_tools = n, .unchecked = t->unchecked};
    int failed = stoker_reply_open(&reply, t->engine, &how, NULL, NULL, &why);
    stoker_reply_close(reply);
    return failed ? error_set(err, why.code == STOKER_ERR_INPUT ? ERR_INPUT : ERR_MEMORY, "%s", why.text) : 0;
}

static int add_provider(struct cli_tools *t, const struct toolbox_provider *p)
{
    struct error err = {0};
    if (toolbox_add(&t->box, p, &err) == 0)
        return 0;
    fprintf(stderr, "stoker run: %s\n", err.text);
    return err.code == ERR_INPUT ? 2 : 1;
}

/* All that there are go into the toolbox, in one order. */
static int fill_toolbox(struct cli_tools *t)
{
    const struct toolbox_provider file = {
        .from = "--tools", .text = t->json, .n = t->n, .list = t->declared, .asks = 1, .call = ask, .self = t};
    const struct toolbox_provider library = library_talk_provider(&t->talk);
    struct stoker_plan plan;
    toolbox_free(&t->box);
    if (t->engine) {
        t->box.accepts = accepts;
        t->box.accepts_arg = t;
        stoker_plan_of(t->engine, &plan);
    }
    int status = t->list ? add_provider(t, &file) : 0;
    if (status == 0 && t->talk.library)
        status = add_provider(t, &library);
    if (status == 0 && t->engine)
        status = servers_join(&t->servers, &t->box, (size_t)plan.n_ctx);
    return status;
}

int tools_open(struct cli_tools *t, const char *path, const struct text_list *library, const char *servers)
{
    *t = (struct cli_tools){.quiet = t->quiet, .servers = {.quiet = t->quiet}};
    int status = path ? open_file(t, path) : 0;
    if (status == 0 && library->n)
        status = open_library(t, library);
    if (status == 0)
        status = fill_toolbox(t);
    if (status == 0 && servers)
        status = servers_open(&t->servers, servers);
    return status;
}

static void recall(struct cli_tools *t, const json_t *messages)
{
    if (t->servers.talk.box)
        mcp_talk_recall(&t->servers.talk, messages);
}

int tools_join(struct cli_tools *t, struct stoker *engine, int unchecked, const json_t *messages)
{
    if (!t->servers.mcp)
        return 0;
    t->engine = engine;
    t->unchecked = unchecked;
    int status = fill_toolbox(t);
    recall(t, messages);
    return status;
}

void tools_free(struct cli_tools *t)
{
    toolbox_free(&t->box);
    servers_close(&t->servers);
    library_talk_end(&t->talk);
    library_close(&t->library);
    encoder_end(&t->encoder);
    json_decref(t->list);
    json_decref(t->declared);
    free(t->json);
    *t = (struct cli_tools){.quiet = t->quiet};
}

uint64_t tools_memory(const struct cli_tools *t, const struct stoker_options *o)
{
    return servers_memory(&t->servers) + (t->talk.library ? LIBRARY_TOOLS_MEMORY : 0) +
           (o->embed ? SEARCH_VECTOR_MEMORY : 0) + (o->rerank ? SEARCH_RANK_MEMORY : 0);
}

int tools_search(struct cli_tools *t, struct stoker *engine, const struct stoker_options *o, uint64_t ram)
{
    struct error words = {0}, order = {0};
    int failed = o->embed && encoder_begin(&t->encoder, stoker_encoder(engine, STOKER_EMBED), o->embed, &words);
    if (!failed && o->embed)
        encoder_join(&t->encoder, &t->library, ram, &words);
    if (!failed && o->rerank)
        failed = ranker_join(&t->ranker, stoker_encoder(engine, STOKER_RERANK), o->rerank, &t->library, &order);
    if (words.code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", words.text);
    if (order.code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", order.text);
    return failed ? 1 : 0;
}

void tools_follow(struct cli_tools *t, const json_t *messages)
{
    number_behind(t, messages);
    if (!t->engine)
        return;
    if (mcp_refresh(t->servers.mcp, chat_is_interrupted, NULL)) {
        servers_leave(&t->servers);
        if (fill_toolbox(t)) { /* without them, then */
            t->engine = NULL;
            fill_toolbox(t);
        }
    }
    recall(t, messages);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

/* A model wrote it: nothing of it is for the terminal. Whoever is asked sees all of it. */
static void show_call(const struct cli_tools *t, const struct toolbox_call *c)
{
    enum { SHOWN = 300 };
    int is_asked = !toolbox_is_free(&t->box, c->name) || mcp_talk_asks(&t->servers.talk, c->name);
    int is_cut = c->n > SHOWN && !is_asked;
    char *shown = strndup(c->arguments, is_cut ? SHOWN : c->n);
    if (shown)
        utf8_make_plain(shown);
    fprintf(stderr, "call: %s %s%s\n", c->name, shown ? shown : "(no memory to show its arguments)",
            is_cut ? " ..." : "");
    free(shown);
}

int tools_result(struct cli_tools *t, const struct toolbox_call *c, struct buffer *out)
{
    t->talk.warning = (struct error){0};
    if (!t->quiet)
        show_call(t, c);
    t->is_line_ended = t->servers.was_left = 0;
    enum toolbox_end end = toolbox_run(&t->box, c, out);
    progress_end(&t->servers.shown);
    t->is_line_ended |= t->servers.was_left;
    end_line(t);
    if (t->talk.warning.code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", t->talk.warning.text);
    return end == TOOLBOX_DONE;
}
