/* Names from outside of entries of one open folder: they must not lead out of it. dir AT_FDCWD: any path is allowed. */
#ifndef FORMAT_ENTRY_H
#define FORMAT_ENTRY_H

struct error;

/* ERR_INPUT with the sentence, which shows the name. */
int entry_check_name(int dir, const char *name, struct error *err);

/* Opens it for reading, without waiting; of a folder's entry no link is followed. flags: more of open(). Returns the descriptor, which lies
 * on the folder's device; -1: ERR_INPUT, ERR_IO. */
int entry_open(int dir, const char *name, int flags, struct error *err);

#endif
