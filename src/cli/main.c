/* stoker: the command line. One row a command. */
#include "base/log.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/suggest.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int cmd_version(int argc, char **argv)
{
    int n_rest, status = flags_parse("version", "stoker version: which stoker this is.\n", NULL, 0, argc, argv, NULL, 0,
                                     &n_rest);
    if (status != FLAGS_DONE)
        return status;
    printf("stoker %s\n", stoker_version());
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "answer a prompt, or chat"},
    {"serve", cmd_serve, "an HTTP server: the APIs of OpenAI, Anthropic and Ollama, and a page"},
    {"plan", cmd_plan, "what a model needs, from its headers alone"},
    {"inspect", cmd_inspect, "what is in a GGUF file: keys, tensors, sizes, experts"},
    {"check", cmd_check, "is a model's file whole: structure, scales, hash"},
    {"bench", cmd_bench, "speed of prompts and of generation"},
    {"eval", cmd_eval, "what a text is worth to a model: log-probabilities, perplexity"},
    {"disk", cmd_disk, "read rate of a drive by depth and size"},
    {"doctor", cmd_doctor, "what slows this machine, and how to change it"},
    {"tokenize", cmd_tokenize, "ids and pieces of a text, or the text of ids"},
    {"render", cmd_render, "the prompt of a chat request, as the model sees it"},
    {"completion", cmd_completion, "a script for a shell that completes command lines"},
    {"version", cmd_version, "the version"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *f)
{
    fprintf(f, "stoker runs mixture-of-experts GGUF models that are bigger than memory.\n\n"
               "  stoker run                               chat with the embedded model\n"
               "  stoker run MODEL.gguf -p 'Why is the sky blue?' --memory 6GiB\n"
               "  stoker plan MODEL.gguf                   will it fit, and how?\n\n"
               "commands (stoker COMMAND --help shows flags and examples):\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].help);
}

/* A pipe that nobody empties must not stop the engine or the server: then the line is lost. */
static void to_stderr(enum log_level level, const char *line)
{
    struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, 0) == 0)
        return;
    fprintf(stderr, "stoker: %s%s\n", level == LOG_WARN ? "warning: " : "", line);
}

/* What was to be written may not have been: a full disk, a reader who left. */
static int written(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "stoker: writing the output failed%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
    return status ? status : 1;
}

/* What other programs call a command, and what there is here instead. */
static const struct {
    const char *names, *instead;
} elsewhere[] = {
    {"|chat|generate|cli|", "did you mean stoker run?"},
    {"|server|start|", "did you mean stoker serve?"},
    {"|show|info|", "did you mean stoker inspect?"},
    {"|list|ls|", "stoker keeps no list of models: they are files, as in stoker run MODEL.gguf"},
    {"|sessions|history|chats|", "stoker run --sessions lists conversations"},
    {"|ps|", "stoker serve answers GET /api/ps with the model that is loaded"},
    {"|pull|download|get|", "stoker downloads nothing: name a GGUF file, as in stoker run MODEL.gguf"},
    {"|rm|cp|import|", "models are files: rm, cp and mv do"},
    {"|create|push|", "stoker makes and uploads no models; run and serve take GGUF files as they are"},
    {"|load|unload|stop|",
     "a model stays loaded as long as its stoker run or stoker serve; Ctrl-C or SIGTERM ends that"},
};

/* Not a command: a mistyped one, or what another program calls it. */
static int unknown(const char *name)
{
    size_t n = strlen(name);
    char word[24];
    struct suggestion s;
    const char *instead = NULL;
    snprintf(word, sizeof word, "|%s|", name);
    for (size_t i = 0; n + 2 < sizeof word && i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strstr(elsewhere[i].names, word))
            instead = elsewhere[i].instead;
    suggest_begin(&s, name, n);
    for (int i = 0; i < N_COMMANDS; i++)
        suggest_try(&s, commands[i].name);
    fprintf(stderr, "stoker: \"%s\" is not a command; ", name);
    if ((n > 5 && strcmp(name + n - 5, ".gguf") == 0) || (n > 1 && *name == '-'))
        fprintf(stderr, "did you mean stoker run %s?\n", name);
    else if (instead)
        fprintf(stderr, "%s\n", instead);
    else if (s.word)
        fprintf(stderr, "did you mean stoker %s?\n", s.word);
    else
        fprintf(stderr, "see stoker --help\n");
    return 2;
}

int main(int argc, char **argv)
{
    log_to(to_stderr);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) { /* stoker help run is stoker run --help */
        static char flag[] = "--help";
        argv[1] = argv[2];
        argv[2] = flag;
        argc = 3;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return written(0);
    }
    if (strcmp(argv[1], "--version") == 0)
        return written(cmd_version(argc - 1, argv + 1));
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return written(commands[i].run(argc - 1, argv + 1));
    return unknown(argv[1]);
}
