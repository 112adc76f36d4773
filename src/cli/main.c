/* stoker: the command line. The table of commands: commands.c. */
#include "base/log.h"
#include "base/process/guard.h"
#include "bridge/bridge.h"
#include "cli/commands.h"
#include "cli/common/cli.h"
#include "cli/common/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void usage(FILE *f)
{
    fprintf(f, "stoker runs mixture-of-experts GGUF models that are bigger than memory.\n\n"
               "  stoker run                               chat with the embedded model\n"
               "  stoker run MODEL.gguf -p 'Why is the sky blue?' --memory 6GiB\n"
               "  stoker plan MODEL.gguf                   will it fit, and how?\n\n"
               "commands (stoker COMMAND --help shows flags and examples):\n");
    for (size_t i = 0; i < commands_n; i++)
        fprintf(f, "  %-11s %s\n", commands[i].name, commands[i].help);
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
    {"|create|", "stoker quantize makes smaller files from a GGUF file; run and serve take files as they are"},
    {"|quantise|", "did you mean stoker quantize?"},
    {"|perplexity|ppl|", "did you mean stoker eval ppl?"},
    {"|push|", "stoker uploads nothing"},
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
    for (size_t i = 0; i < commands_n; i++)
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
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (bridge_is(argc, argv))
        return bridge_run();
    log_to(log_on_stderr);
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
        return written(command_find("version")->run(argc - 1, argv + 1));
    const struct command *c = command_find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    commands_know_flags();
    return written(c->run(argc - 1, argv + 1));
}
