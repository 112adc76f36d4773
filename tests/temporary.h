/* Temporary files of tests: in memory where the system has a place for them, since a file that is written and then read past the page cache
 * waits for the drive. */
#ifndef TESTS_TEMPORARY_H
#define TESTS_TEMPORARY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEMPORARY_PATH = 64 };

/* A template for mkstemp() or mkdtemp(): ".../stoker-NAME-XXXXXX". Returns path. */
static inline char *temporary_path(char path[TEMPORARY_PATH], const char *name)
{
    snprintf(path, TEMPORARY_PATH, "%s/stoker-%s-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
    return path;
}

/* An empty file, whose path is filled in; the caller closes and unlinks it. The descriptor, or -1. */
static inline int temporary_file(char path[TEMPORARY_PATH], const char *name)
{
    return mkstemp(temporary_path(path, name));
}

/* An empty folder, which the caller removes: 0, or -1. */
static inline int temporary_folder(char path[TEMPORARY_PATH], const char *name)
{
    return mkdtemp(temporary_path(path, name)) ? 0 : -1;
}

#endif
