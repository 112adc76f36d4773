/* Which modules of memory this machine has, and what these give at most: from the table that firmware leaves (SMBIOS), which only root may
 * read, else from the memory controller (EDAC), which tells no speed. */
#ifndef MACHINE_MODULES_H
#define MACHINE_MODULES_H

#include <stddef.h>
#include <stdint.h>

enum { MODULE_NAME = 64 };

enum modules_from { MODULES_UNKNOWN, MODULES_SMBIOS, MODULES_EDAC };

/* 0 and "": not known. */
struct memory_modules {
    enum modules_from from;
    int n;                    /* modules */
    int n_channel;            /* channels that have some */
    int n_channel_there;      /* channels that have a slot */
    double rate;              /* bytes a second of all channels, as they are clocked */
    double of_module;         /* of the slowest module alone */
    int transfers;            /* millions a second of each, the least */
    char type[16];            /* "DDR4", where all are alike */
    char unused[MODULE_NAME]; /* a slot of a channel that has no module, as the board calls it */
    const char *why;          /* MODULES_UNKNOWN, or rate is 0: part of a sentence that says why; static */
};

/* root: where sys is found; "" on a real machine, a folder in tests. */
void modules_read(struct memory_modules *out, const char *root);

/* Of a table, [n] bytes that anybody may have written. */
void modules_of_table(struct memory_modules *out, const uint8_t *table, size_t n);

#endif
