/* What begins with a slash, on a terminal: see chat.h. */
#include "cli/chat/chat.h"

#include "cli/common/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* argument: what stands behind the name, maybe empty. */
struct command {
    const char *name, *argument, *help;
    enum chat_command (*run)(struct chat *c, char *argument);
};

static enum chat_command clear(struct chat *c, char *argument)
{
    (void)argument;
    size_t n = json_array_size(c->message);
    json_t *first = json_array_get(c->message, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    for (size_t keep = role && strcmp(role, "system") == 0; n > keep; n--)
        json_array_remove(c->message, n - 1);
    return CHAT_COMMAND_DONE;
}

static enum chat_command retry(struct chat *c, char *argument)
{
    (void)argument;
    if (chat_retry(c) < 0)
        fprintf(stderr, "nothing was said yet\n");
    return CHAT_COMMAND_DONE;
}

static enum chat_command set_system(struct chat *c, char *argument)
{
    if (chat_system(c, argument))
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

/* Numbers of sampling by their names, those of the flags too: "top-k", "temp". */
static enum chat_command set(struct chat *c, char *argument)
{
    struct stoker_error err;
    char *value = argument + strcspn(argument, " ="), *end;
    if (*value)
        *value++ = 0;
    value += strspn(value, " =");
    for (char *p = argument; *p; p++)
        *p = *p == '-' ? '_' : *p;
    double number = strtod(value, &end);
    if (strcmp(argument, "seed") == 0)
        set_seed(c, value);
    else if (*value == 0 || *end)
        fprintf(stderr, "/set NAME VALUE, for example: /set temp 0.3\n");
    else if (strcmp(argument, "max_tokens") == 0 && number >= 0 && number <= 1 << 30)
        c->request.max_tokens = (int)number;
    else if (stoker_sampling_set(&c->request.sampling, strcmp(argument, "temp") ? argument : "temperature", number,
                                 &err))
        fprintf(stderr, "%s\n", err.text);
    return CHAT_COMMAND_DONE;
}

static enum chat_command stats(struct chat *c, char *argument)
{
    (void)argument;
    c->stats = !c->stats;
    fprintf(stderr, "statistics after answers: %s\n", c->stats ? "on" : "off");
    return CHAT_COMMAND_DONE;
}

static enum chat_command save(struct chat *c, char *argument)
{
    if (*argument == 0)
        fprintf(stderr, "/save FILE\n");
    else if (json_dump_file(c->message, argument, JSON_INDENT(2) | JSON_PRESERVE_ORDER))
        fprintf(stderr, "%s cannot be written: %s\n", argument, strerror(errno));
    return CHAT_COMMAND_DONE;
}

static enum chat_command load(struct chat *c, char *argument)
{
    json_error_t why;
    json_t *m = *argument ? json_load_file(argument, JSON_ALLOW_NUL, &why) : NULL;
    size_t i;
    json_t *one;
    int good = json_is_array(m);
    json_array_foreach(m, i, one) good = good && json_is_string(json_object_get(one, "role"));
    if (*argument == 0)
        fprintf(stderr, "/load FILE\n");
    else if (!good)
        fprintf(stderr, "%s: %s\n", argument, m ? "is no list of messages as /save writes it" : why.text);
    else {
        json_decref(c->message);
        c->message = json_incref(m);
    }
    json_decref(m);
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
    {"system", "TEXT", "another system message; without TEXT none", set_system},
    {"think", "on|off", "let the model think first; without a word: as its template has it", think},
    {"set", "NAME VALUE", "a number of sampling (temp, top_k, ..), max_tokens, seed", set},
    {"stats", "", "plan, cache and speed after each answer, or no more", stats},
    {"save", "FILE", "write the conversation as JSON", save},
    {"load", "FILE", "go on with a conversation that was saved", load},
    {"quit", "", "end; as Ctrl-D", quit},
    {"exit", "", "end", quit},
};

static enum chat_command help(struct chat *c, char *argument)
{
    (void)c, (void)argument;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "  /%-7s %-11s %s\n", commands[i].name, commands[i].argument, commands[i].help);
    fprintf(stderr,
            "  A backslash at the end of a line goes on in the next; \"\"\" before and behind a text of many lines.\n"
            "  Ctrl-C ends an answer; at the prompt it drops the line, or ends the program.\n");
    return CHAT_COMMAND_DONE;
}

enum chat_command chat_command(struct chat *c, const char *line)
{
    size_t n = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz");
    if (*line != '/' || n == 0 || (line[1 + n] && line[1 + n] != ' '))
        return CHAT_NO_COMMAND;
    char *text = strdup(line + 1);
    enum chat_command what = CHAT_COMMAND_DONE;
    size_t i = 0, end = sizeof commands / sizeof *commands;
    while (i < end && !(strlen(commands[i].name) == n && memcmp(commands[i].name, line + 1, n) == 0))
        i++;
    if (i == end) {
        fprintf(stderr, "/%.*s is no command; /help lists them\n", (int)n, line + 1);
    } else if (text) {
        char *argument = text + n + strspn(text + n, " ");
        for (size_t k = strlen(argument); k > 0 && argument[k - 1] == ' ';)
            argument[--k] = 0;
        what = commands[i].run(c, argument);
    }
    free(text);
    return what;
}
