/* Flags that stand elsewhere than on the command line. From the least to the most: the user's stoker.toml, the file of --config, the
 * environment; then the command line, which flags.h reads. A table of a file is a command's, `[run]`; what stands before the first table
 * is of all commands that have the flag, and less than what a command's own table says. Nothing is left out in silence: a name that is no
 * flag, a value that none of its commands takes, and what TOML has and flags do not need are refused, with file, line and column. */
#ifndef CLI_COMMON_SETTINGS_H
#define CLI_COMMON_SETTINGS_H

#include "cli/common/flags.h"

#include <jansson.h>
#include <stdio.h>

/* ---- before a command runs -------------------------------------------------------------------------------------------------- */

/* Notes the flags of a command, which are copied; what their names and texts point to lives as long as the program. Every command's are
 * known before settings_load(). */
void settings_know(const char *command, const struct flag_table *table, size_t n_table);

/* 1: such a command's flags were noted. */
int settings_know_of(const char *command);

/* Reads the user's file and `file` (NULL: none, or what STOKER_CONFIG names), once a process. flags_alone: of these files only the given
 * one, and no environment. 0, or the exit status after a sentence on stderr. */
int settings_load(const char *file, int flags_alone);

/* Lets the next settings_load() read again, for another command line; once a process. What was noted before is still good. */
void settings_read_anew(void);

/* 1: the user's own files are read; 0: flags alone. */
int settings_of_user(void);

/* ---- while a command's flags are read --------------------------------------------------------------------------------------- */

struct setting {
    const char *const *text; /* [n] */
    size_t n;
    char where[4200]; /* "/home/me/.config/stoker/stoker.toml:3", "STOKER_MEMORY" */
    int is_variable;  /* 1: it was not held against the flag's values yet */
    int rank;         /* of two settings, the one from the higher place has the larger one */
};
/* What settings say of a flag of a command, "run" or "eval ppl". 0: nothing. */
int settings_find(struct setting *out, const char *command, const struct flag *f);

/* Notes that a flag has this value, and from where: "flag" is the command line. value lives as long as the program, where is copied. A
 * flag that is given once has the last value noted. */
void settings_note(const struct flag *f, const char *value, const char *where);
/* What was noted of the flag of this name, "--threads", or of one that is the same as it; NULL: nothing. */
const char *settings_noted(const char *name);
/* 1: it was noted from the command line. */
int settings_is_typed(const char *name);
/* Forgets what was noted. */
void settings_forget(void);

/* ---- what holds ------------------------------------------------------------------------------------------------------------- */

/* Writes what was noted as a table of TOML, with where each came from as comments. Nothing where nothing was noted. */
void settings_print(FILE *f, const char *command);
/* Writes which files were read, as comments. */
void settings_print_files(FILE *f);
/* The same as an object: {"memory": {"value": "6GiB", "from": "flag"}}. NULL: no memory. */
json_t *settings_json(void);

/* argv [*n] with what was noted from elsewhere than the command line as words behind argv[0]: so that another process, which reads no
 * settings, has the same. The caller's, for as long as the program; NULL: no memory. */
char **settings_as_words(char **argv, int *n);

#endif
