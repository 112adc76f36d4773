/* Reading small files and streams as a whole: templates, schemas, requests, traces. Models are not read this way: format/gguf.h.
 * Pieces of open files. And names of files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

/* All *n bytes, at most `most`, and a NUL behind them; free() it. NULL: *err, which must be clear before, is ERR_IO, ERR_MEMORY or, if the
 * file is larger, ERR_INPUT; the sentence begins with the name. */
char *file_read(const char *path, size_t most, size_t *n, struct error *err);

/* The same, for regular files only (else ERR_INPUT): reading a pipe or a device by mistake could block for ever. */
char *file_read_regular(const char *path, size_t most, size_t *n, struct error *err);

/* The same, for the rest of a stream, which stays open; name is for the sentence. */
char *file_read_stream(FILE *f, const char *name, size_t most, size_t *n, struct error *err);

/* All n bytes at a place of an open file. 0, or -1 and *why, which is strerror's text or says that the file ends before. */
int file_read_at(int fd, void *to, uint64_t n, uint64_t at, const char **why);

/* 1: both names lead to one place, where there is a file or can be one; 0: they do not, or one leads nowhere. */
int file_is_same(const char *a, const char *b);

/* 1: path names the file that is open as fd, and not another that has come there since. */
int file_is_at(int fd, const char *path);

/* Drop the bytes [offset, offset + n) of an open file from the page cache, widened to whole pages, since only these go; of a
 * file that is read in order, give all of it up to there: larger pieces of the kernel's go where all of each is in the range. Advice: no
 * errors. */
void file_drop_cache(int fd, uint64_t offset, uint64_t n);

#endif
