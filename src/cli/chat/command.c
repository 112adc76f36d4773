/* What begins with a slash, on a terminal: see chat.h. */
#include "cli/chat/chat.h"

#include "cli/chat/line_editor.h"
#include "cli/chat/prompt.h"
#include "cli/common/cli.h"
#include "cli/common/sampling_flags.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* argument: what stands behind the name, maybe empty; of several lines where takes_lines is 1. help NULL: not shown, and last. */
struct command {
    const char *name, *argument, *help;
    enum chat_command (*run)(struct chat *c, char *argument);
    int takes_lines;
};

static enum chat_command clear(struct chat *c, char *argument)
{
    (void)argument;
    if (conversation_put_aside(c))
        return CHAT_COMMAND_DONE;
    buffer_free(&c->attached);
    for (size_t n = json_array_size(c->message); n > chat_has_system(c); n--)
        json_array_remove(c->message, n - 1);
    tools_follow(&c->tools, NULL);
    return CHAT_COMMAND_DONE;
}

static enum chat_command retry(struct chat *c, char *argument)
{
    (void)argument;
    if (chat_retry(c) < 0)
        fprintf(stderr, "nothing was said yet\n");
    return CHAT_COMMAND_DONE;
}

/* The system message, as it is. */
static void show_system(const struct chat *c)
{
    const json_t *first = json_array_get(c->message, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    const char *text = json_string_value(json_object_get(first, "content")); /* that of a loaded file may be a list */
    if (role && strcmp(role, "system") == 0)
        fprintf(stderr, "system message: %s\n(/system off: none)\n", text ? text : "one of several parts");
    else
        fprintf(stderr, "there is no system message; /system TEXT sets one\n");
}

static enum chat_command set_system(struct chat *c, char *argument)
{
    if (*argument == 0)
        show_system(c);
    else if (chat_system(c, strcmp(argument, "off") ? argument : NULL))
        fprintf(stderr, "the system message is not valid UTF-8\n");
    return CHAT_COMMAND_DONE;
}

static enum chat_command think(struct chat *c, char *argument)
{
    if (strcmp(argument, "on") == 0)
        c->think = "on";
    else if (strcmp(argument, "off") == 0)
        c->think = "off";
    else if (*argument == 0)
        c->think = NULL;
    else
        fprintf(stderr, "/think %s: on, off, or nothing: as the template has it\n", argument);
    return CHAT_COMMAND_DONE;
}

static void set_seed(struct chat *c, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) {
        fprintf(stderr, "/set seed %s: whole numbers from 0 to 18446744073709551615 are possible\n", text);
        return;
    }
    c->request.sampling.seed = seed;
    c->request.sampling.has_seed = 1;
}

static void set_max_tokens(struct chat *c, const char *text, double number)
{
    enum { MOST = 1 << 30 };
    if (number != -1 && !(number >= 1 && number <= MOST && number == (int)number))
        fprintf(stderr, "/set max_tokens %s: whole numbers from 1 to %d are possible, and -1: no limit\n", text, MOST);
    else
        c->request.max_tokens = number < 0 ? 0 : (int)number;
}

static void show_max_tokens(const struct chat *c)
{
    fprintf(stderr, "  max_tokens %d\n", c->request.max_tokens > 0 ? c->request.max_tokens : -1);
}

static void show_seed(const struct stoker_sampling *s)
{
    if (s->has_seed)
        fprintf(stderr, "  seed %llu\n", (unsigned long long)s->seed);
    else
        fprintf(stderr, "  seed drawn for each answer\n");
}

/* What answers are made with. */
static void show_settings(const struct chat *c)
{
    sampling_flags_show(&c->request.sampling, NULL);
    show_max_tokens(c);
    show_seed(&c->request.sampling);
    fprintf(stderr, "  think %s\n", c->think ? c->think : "as the template has it");
}

static void show_setting(const struct chat *c, const char *name)
{
    if (strcmp(name, "max_tokens") == 0)
        show_max_tokens(c);
    else if (strcmp(name, "seed") == 0)
        show_seed(&c->request.sampling);
    else if (sampling_flags_show(&c->request.sampling, strcmp(name, "temperature") ? name : "temp") == 0)
        fprintf(stderr, "%s is not a number of sampling; /set shows all of them\n", name);
}

static void set_stats(struct chat *c, int on)
{
    c->stats = on;
    fprintf(stderr, "statistics after answers: %s\n", on ? "on" : "off");
}

/* What /set of ollama does that has a command of its own here, or is no number. 1: it was that. */
static int set_as_ollama(struct chat *c, const char *name, char *value)
{
    static const struct {
        const char *names, *why;
    } without[] = {
        {"|num_ctx|ctx|", "is what stoker began with; start it again with --ctx N"},
        {"|stop|", "is a flag: --stop TEXT"},
        {"|format|", "is a flag: --json-schema FILE|JSON"},
        {"|noformat|history|nohistory|", "has no meaning here"},
    };
    char word[32];
    int n = snprintf(word, sizeof word, "|%s|", name),
        is_off = strcmp(value, "off") == 0 || strcmp(value, "false") == 0;
    if (strcmp(name, "system") == 0)
        set_system(c, value);
    else if (strcmp(name, "verbose") == 0 || strcmp(name, "quiet") == 0)
        set_stats(c, (*name == 'v') != is_off);
    else if (strcmp(name, "wordwrap") == 0 || strcmp(name, "nowordwrap") == 0)
        c->no_wrap = (*name == 'n') != is_off;
    else if (strcmp(name, "think") == 0 || strcmp(name, "nothink") == 0)
        c->think = (*name == 't') != is_off ? "on" : "off";
    else {
        for (size_t i = 0; n < (int)sizeof word && i < sizeof without / sizeof *without; i++)
            if (strstr(without[i].names, word))
                return fprintf(stderr, "%s %s\n", name, without[i].why) > 0;
        return 0;
    }
    return 1;
}

/* The name that this program has for it: "num_predict" is "max_tokens". */
static const char *set_name(const char *name)
{
    static const char *const other[][2] = {
        {"temp", "temperature"}, {"num_predict", "max_tokens"}, {"n_predict", "max_tokens"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(name, other[i][0]) == 0)
            return other[i][1];
    return name;
}

/* Numbers of sampling by their names, those of the flags too: "top-k", "temp". */
static enum chat_command set(struct chat *c, char *argument)
{
    static const char parameter[] = "parameter", between[] = " =\n";
    struct stoker_error err;
    size_t n = sizeof parameter - 1;
    if (strncmp(argument, parameter, n) == 0 && strchr(between, argument[n]))
        argument += n + strspn(argument + n, between);
    char *value = argument + strcspn(argument, between), *end;
    if (*argument == 0) {
        show_settings(c);
        return CHAT_COMMAND_DONE;
    }
    if (*value)
        *value++ = 0;
    value += strspn(value, between);
    for (char *p = argument; *p; p++)
        *p = *p == '-' ? '_' : *p;
    if (set_as_ollama(c, argument, value))
        return CHAT_COMMAND_DONE;
    const char *name = set_name(argument);
    double number = strtod(value, &end);
    if (*value == 0)
        show_setting(c, name);
    else if (strcmp(name, "seed") == 0)
        set_seed(c, value);
    else if (*end)
        fprintf(stderr, "/set NAME VALUE, for example: /set temp 0.3\n");
    else if (strcmp(name, "max_tokens") == 0)
        set_max_tokens(c, value, number);
    else if (stoker_sampling_set(&c->request.sampling, name, number, &err))
        fprintf(stderr, "%s\n", err.text);
    return CHAT_COMMAND_DONE;
}

static enum chat_command stats(struct chat *c, char *argument)
{
    (void)argument;
    set_stats(c, !c->stats);
    return CHAT_COMMAND_DONE;
}

/* What ollama shows of a model and of a conversation. */
static enum chat_command show(struct chat *c, char *argument)
{
    if (strcmp(argument, "system") == 0)
        show_system(c);
    else if (strcmp(argument, "parameters") == 0)
        show_settings(c);
    else
        fprintf(stderr, "/set shows what answers are made with, /system the system message; stoker inspect MODEL.gguf "
                        "what is in a file\n");
    return CHAT_COMMAND_DONE;
}

/* A path as a person types it or a file manager drops it: maybe in quotes, as a shell has them, maybe with ~/ for the home folder. */
static void take_path(char out[PATH_MAX], char *typed)
{
    static const char quote[] = "'\\''"; /* within single ones */
    const char *home = getenv("HOME");
    size_t n = strlen(typed);
    if (n >= 2 && (*typed == '\'' || *typed == '"') && typed[n - 1] == *typed) {
        char *from = typed++;
        n -= 2;
        for (char *at = typed; *from == '\'' && (at = strstr(at, quote)) && at + 3 < typed + n; at++, n -= 3)
            memmove(at + 1, at + 4, strlen(at + 4) + 1);
    }
    int has_home = n >= 2 && memcmp(typed, "~/", 2) == 0 && home;
    snprintf(out, PATH_MAX, "%s%.*s", has_home ? home : "", (int)n - has_home, typed + has_home);
}

/* "1 message is", "2 messages are": until it is called again. */
static const char *count_messages(const struct chat *c, const char *one, const char *many)
{
    static char text[48];
    size_t n = json_array_size(c->message);
    snprintf(text, sizeof text, "%zu message%s%s", n, n == 1 ? "" : "s", n == 1 ? one : many);
    return text;
}

static enum chat_command save(struct chat *c, char *argument)
{
    char question[PATH_MAX + 64], whole[PATH_MAX], path[PATH_MAX];
    take_path(path, argument);
    snprintf(question, sizeof question, "%s is there; overwrite it? [y/N] ", path);
    if (*path == 0)
        fprintf(stderr, "/save FILE\n");
    else if (access(path, F_OK) == 0 && !line_ask_yes(question))
        fprintf(stderr, "nothing was saved\n");
    else if (saved_write(c, path) == 0) {
        fprintf(stderr, "%s in %s\n", count_messages(c, " is", " are"), realpath(path, whole) ? whole : path);
        if (c->can_keep)
            stoker_cache_keep(c->engine);
        else
            fprintf(stderr, "what was computed of it is not kept; --cache-dir DIR keeps it, and takes more memory\n");
    }
    return CHAT_COMMAND_DONE;
}

/* A fence is longer than any run of its character in the text. */
static size_t fence_of(const char *text, size_t n)
{
    size_t fence = 3, run = 0;
    for (size_t i = 0; i < n; i++) {
        run = text[i] == '`' ? run + 1 : 0;
        fence = run >= fence ? run + 1 : fence;
    }
    return fence;
}

static void put_fence(struct buffer *b, size_t n)
{
    while (n-- > 0)
        buffer_puts(b, "`");
    buffer_puts(b, "\n");
}

static enum chat_command attach(struct chat *c, char *argument)
{
    char path[PATH_MAX];
    size_t n;
    struct buffer *b = &c->attached;
    if (strcmp(argument, "off") == 0) {
        buffer_free(b);
        return CHAT_COMMAND_DONE;
    }
    take_path(path, argument);
    char *text = *path ? prompt_file(path, &n) : NULL;
    if (*path == 0)
        fprintf(stderr, "/file PATH\n");
    if (!text)
        return CHAT_COMMAND_DONE;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    size_t fence = fence_of(text, n);
    buffer_puts(b, name);
    buffer_puts(b, "\n");
    put_fence(b, fence);
    buffer_put(b, text, n);
    buffer_puts(b, "\n");
    put_fence(b, fence);
    buffer_puts(b, "\n");
    if (b->failed) {
        fprintf(stderr, "no memory for %s\n", path);
        buffer_free(b);
    } else {
        fprintf(stderr, "%s, %zu bytes, goes before your next message\n", name, n);
    }
    free(text);
    return CHAT_COMMAND_DONE;
}

/* The program that a person edits texts with, on a file of ours; until it ends Ctrl-C is its own. -1: it could not be, or ended otherwise
 * than well. */
static int edit_file(const char *editor, const char *path)
{
    static const int theirs[] = {SIGINT, SIGQUIT};
    struct sigaction ignored = {.sa_handler = SIG_IGN}, before[2];
    int status = -1;
    for (int i = 0; i < 2; i++)
        sigaction(theirs[i], &ignored, &before[i]);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 2; i++)
            sigaction(theirs[i], &before[i], NULL);
        setenv("STOKER_EDITOR", editor, 1);
        execl("/bin/sh", "sh", "-c", "trap : INT QUIT; eval \"$STOKER_EDITOR\" '\"$1\"'", "sh", path, (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    for (int i = 0; i < 2; i++)
        sigaction(theirs[i], &before[i], NULL);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* What was written but is not sent stays where it is. */
static void keep_draft(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > 0)
        fprintf(stderr, "nothing is sent; the text is in %s\n", path);
    else
        unlink(path);
}

static void send_draft(struct chat *c, const char *path)
{
    size_t n;
    char *text = prompt_file(path, &n);
    if (!text) {
        keep_draft(path);
        return;
    }
    while (n > 0 && text[n - 1] == '\n')
        n--;
    int failed = 0;
    if (n > 0) {
        fprintf(stderr, "%.*s\n", (int)n, text);
        failed = chat_turn(c, text, n);
    } else {
        fprintf(stderr, "the message is empty; nothing is sent\n");
    }
    if (failed)
        keep_draft(path);
    else
        unlink(path);
    free(text);
}

/* A message written in an editor. */
static enum chat_command edit(struct chat *c, char *argument)
{
    char path[PATH_MAX];
    const char *dir = getenv("TMPDIR"), *editor = getenv("VISUAL");
    if (!editor || !*editor)
        editor = getenv("EDITOR");
    if (!editor || !*editor)
        editor = "vi";
    snprintf(path, sizeof path, "%s/stoker-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, argument, strlen(argument)) < 0) {
        fprintf(stderr, "%s cannot be written: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return CHAT_COMMAND_DONE;
    }
    close(fd);
    if (edit_file(editor, path) == 0) {
        send_draft(c, path);
    } else {
        fprintf(stderr, "the editor (%s) ended with a failure\n", editor);
        keep_draft(path);
    }
    return CHAT_COMMAND_DONE;
}

static enum chat_command load(struct chat *c, char *argument)
{
    char path[PATH_MAX];
    take_path(path, argument);
    if (*path == 0)
        fprintf(stderr, "/load FILE\n");
    else if (saved_read(c, path) == 0)
        fprintf(stderr, "%s\n", count_messages(c, "", ""));
    return CHAT_COMMAND_DONE;
}

static enum chat_command sessions(struct chat *c, char *argument)
{
    (void)c, (void)argument;
    conversations_list(stderr);
    return CHAT_COMMAND_DONE;
}

static enum chat_command quit(struct chat *c, char *argument)
{
    (void)c, (void)argument;
    return CHAT_QUIT;
}

static enum chat_command help(struct chat *c, char *argument);

static const struct command commands[] = {
    {"help", "", "this list", help},
    {"clear", "", "forget the conversation", clear},
    {"retry", "", "another answer to the last message", retry},
    {"system", "TEXT", "another system message; off: none; without TEXT: shows it", set_system, 1},
    {"file", "PATH", "a file that goes before the next message; off: none does", attach},
    {"edit", "[TEXT]", "write the next message in $VISUAL or $EDITOR", edit, 1},
    {"think", "on|off", "let the model think first; without a word: as its template has it", think},
    {"set", "NAME VALUE", "a number of sampling (temp, top_k, ..), max_tokens, seed; without: shows them", set, 1},
    {"stats", "", "speed and memory after each answer, or no more", stats},
    {"save", "FILE", "write the conversation as JSON, and keep what was computed of it", save},
    {"load", "FILE", "go on with a conversation that was saved", load},
    {"sessions", "", "the conversations that --session NAME keeps", sessions},
    {"quit", "", "end; as Ctrl-D", quit},
    {"exit", "", "end; /bye too", quit},
    {"bye", "", NULL, quit}, /* as ollama calls them */
    {"?", "", NULL, help},
    {"show", "", NULL, show},
    {"regen", "", NULL, retry}, /* as llama.cpp calls them */
    {"read", "PATH", NULL, attach},
};

static enum chat_command help(struct chat *c, char *argument)
{
    (void)c, (void)argument;
    for (size_t i = 0; i < sizeof commands / sizeof *commands && commands[i].help; i++)
        fprintf(stderr, "  /%-8s %-11s %s\n", commands[i].name, commands[i].argument, commands[i].help);
    fprintf(stderr, "  Tab completes these, and paths behind them.\n"
                    "  Alt-Enter, or a backslash at the end of a line, goes on in the next; \"\"\" before and behind a "
                    "text of many\n"
                    "  lines; what is pasted is one message.\n"
                    "  Ctrl-C ends an answer; at the prompt it drops the line, or ends the program.\n");
    return CHAT_COMMAND_DONE;
}

_Static_assert(sizeof commands / sizeof *commands <= CHAT_COMMANDS_MOST, "whoever lists them has this many");

const char *chat_command_name(size_t i)
{
    return i < sizeof commands / sizeof *commands && commands[i].help ? commands[i].name : NULL;
}

static const struct command *find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strlen(commands[i].name) == n && memcmp(commands[i].name, name, n) == 0)
            return &commands[i];
    return NULL;
}

int chat_command_takes_path(const char *name, size_t n)
{
    const struct command *c = find(name, n);
    return c && (strcmp(c->argument, "FILE") == 0 || strcmp(c->argument, "PATH") == 0);
}

enum chat_command chat_command(struct chat *c, const char *message)
{
    static const char space[] = " \n";
    size_t n = message[1] == '?' ? 1 : strspn(message + 1, "abcdefghijklmnopqrstuvwxyz");
    if (*message != '/' || n == 0 || !strchr(space, message[1 + n]))
        return CHAT_NO_COMMAND;
    const struct command *command = find(message + 1, n);
    int has_lines = strchr(message, '\n') != NULL;
    if (!command && has_lines)
        return CHAT_NO_COMMAND;
    if (!command || (has_lines && !command->takes_lines)) {
        fprintf(stderr, "/%.*s %s; /help lists them\n", (int)n, message + 1,
                command ? "takes one line" : "is no command");
        return CHAT_COMMAND_DONE;
    }
    char *text = strdup(message + 1);
    enum chat_command what = CHAT_COMMAND_DONE;
    if (text) {
        char *argument = text + n + strspn(text + n, space);
        for (size_t k = strlen(argument); k > 0 && strchr(space, argument[k - 1]);)
            argument[--k] = 0;
        what = command->run(c, argument);
    }
    free(text);
    return what;
}
