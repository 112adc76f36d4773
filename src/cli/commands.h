/* The commands. One row a command: what main.c runs, --help lists, and stoker config goes through. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stddef.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name; the exit status */
    const char *help;
};
extern const struct command commands[];
extern const size_t commands_n;

/* NULL: there is none. */
const struct command *command_find(const char *name);

/* Tells settings.h the flags of all: a file of settings is held against those of every command. Before any runs. */
void commands_know_flags(void);

#endif
