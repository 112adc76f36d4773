/* stoker config: what is set elsewhere than on the command line, and where; a table of TOML, which is a file of settings again. */
#include "cli/commands.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/settings.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "stoker config [COMMAND [its flags]]: what is set, and where each value comes from.\n\n"
    "  stoker config                              all commands\n"
    "  stoker config run --temp 0                 what stoker run --temp 0 would have\n"
    "  stoker config serve >server.toml           a file for stoker serve --config server.toml\n\n"
    "Every flag of every command can stand in $XDG_CONFIG_HOME/stoker/stoker.toml (~/.config/stoker/stoker.toml), in\n"
    "the file of --config over it, in a variable STOKER_FLAG or STOKER_COMMAND_FLAG over both, and on the command "
    "line\n"
    "over all:\n\n"
    "  memory = \"6GiB\"          # of every command that has it\n"
    "  [serve]\n"
    "  model = \"/srv/model.gguf\"\n"
    "  ctx = 16384\n"
    "  alias = [\"small\", \"fast\"]\n\n";

/* Prints a command's table, and nothing where nothing is set. */
static int print_command(const struct command *c, int argc, char **argv)
{
    flags_set_mode(FLAGS_PRINT);
    int status = c->run(argc, argv);
    flags_set_mode(FLAGS_RUN);
    return status;
}

static int print_all(void)
{
    static char flag[] = "--no-config=off"; /* of eval, which has no flags but behind a name otherwise */
    int status = 0;
    for (size_t i = 0; i < commands_n && status == 0; i++) {
        char name[16];
        char *argv[] = {name, flag, NULL};
        snprintf(name, sizeof name, "%s", commands[i].name);
        if (settings_know_of(name))
            status = print_command(&commands[i], 2, argv);
    }
    return status;
}

int cmd_config(int argc, char **argv)
{
    const struct flag_table none = {NULL, 0};
    const struct command *c = argc > 1 ? command_find(argv[1]) : NULL;
    const char *word = NULL;
    int n_rest, status;
    if (c && c->run != cmd_config) {
        status = print_command(c, argc - 1, argv + 1);
        if (status == 0)
            settings_print_files(stdout);
        return status;
    }
    status = flags_parse("config", usage, &none, 1, argc, argv, &word, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (n_rest) {
        fprintf(stderr, "stoker config: \"%s\" is not a command; see stoker --help\n", word);
        return 2;
    }
    settings_print_files(stdout);
    return print_all();
}
