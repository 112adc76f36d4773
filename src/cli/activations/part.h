/* A file that has its name only when it is whole: until then it is NAME.part, which nobody else writes meanwhile. Functions return 0, or
 * the exit status after a sentence. */
#ifndef CLI_ACTIVATIONS_PART_H
#define CLI_ACTIVATIONS_PART_H

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/* Set by Ctrl-C and by what ends a program politely, once part_signals() was called: what writes then ends with 130. */
extern volatile sig_atomic_t part_interrupted;
void part_signals(void);

struct part_file {
    const char *command, *name; /* command: for sentences, "activations" */
    char path[PATH_MAX];        /* of NAME.part */
    int fd, is_named;
};

int part_open(struct part_file *p, const char *command, const char *name); /* empty; part_close() in any case */
int part_write(const struct part_file *p, const void *from, size_t n, uint64_t at); /* all of it */
int part_finish(struct part_file *p); /* it is on the drive, then has its name */
void part_close(struct part_file *p); /* and is gone, if it has not its name */

#endif
