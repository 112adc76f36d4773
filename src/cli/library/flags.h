/* Values of --library of run and serve: names of sources, "all", and at most one folder, which has a slash. */
#ifndef CLI_LIBRARY_FLAGS_H
#define CLI_LIBRARY_FLAGS_H

#include "cli/common/flags.h"

/* The folder, and the names (none: all sources). 0, or the exit status after a sentence on stderr. */
int library_flags_read(const char *command, const struct text_list *values, const char **dir, struct text_list *names);

#endif
