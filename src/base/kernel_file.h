/* Small files of proc and sys, below a root: "" on this machine, or a folder with a copy of another's. What is missing or unreadable has no
 * value. */
#ifndef BASE_KERNEL_FILE_H
#define BASE_KERNEL_FILE_H

#include <stddef.h>

enum { KERNEL_FILE_LINE = 512 };

/* The first line of root + path (a format), without its end. 0; -1: none. */
int kernel_file_line(char out[KERNEL_FILE_LINE], const char *root, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The number that the first line begins with; absent where there is none. */
double kernel_file_number(double absent, const char *root, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text behind "key" and blanks or a colon, in the first line that begins so. 0; -1: none. */
int kernel_file_text(char out[KERNEL_FILE_LINE], const char *root, const char *path, const char *key);

/* The number behind "key" and blanks or a colon, in the first line that begins so. */
double kernel_file_field(double absent, const char *root, const char *path, const char *key);

#endif
