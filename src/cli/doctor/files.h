/* Small files of proc and sys, below a root. What is missing or unreadable has no value: a check finds nothing then. */
#ifndef CLI_DOCTOR_FILES_H
#define CLI_DOCTOR_FILES_H

#include <stddef.h>

enum { SMALL_LINE = 512 };

/* The first line of root + path (a format), without its end. 0; -1: none. */
int first_line(char out[SMALL_LINE], const char *root, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The number that the first line begins with; absent where there is none. */
double first_number(double absent, const char *root, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The number behind "key" and blanks or a colon, in the first line that begins so. */
double field_number(double absent, const char *root, const char *path, const char *key);

#endif
