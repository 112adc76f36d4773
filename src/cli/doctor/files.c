/* Reading small files of the kernel: see files.h. */
#include "cli/doctor/files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_below(const char *root, const char *path)
{
    char full[SMALL_LINE * 2];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    return n > 0 && (size_t)n < sizeof full ? fopen(full, "re") : NULL;
}

static int line_of(FILE *f, char out[SMALL_LINE])
{
    int has = f && fgets(out, SMALL_LINE, f);
    if (f)
        fclose(f);
    if (!has)
        return -1;
    out[strcspn(out, "\n")] = 0;
    return 0;
}

int first_line(char out[SMALL_LINE], const char *root, const char *format, ...)
{
    char path[SMALL_LINE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return n > 0 && (size_t)n < sizeof path ? line_of(open_below(root, path), out) : -1;
}

static double number_or(const char *text, double absent)
{
    char *end;
    double x = strtod(text, &end);
    return end == text ? absent : x;
}

double first_number(double absent, const char *root, const char *format, ...)
{
    char path[SMALL_LINE], line[SMALL_LINE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (n <= 0 || (size_t)n >= sizeof path || line_of(open_below(root, path), line))
        return absent;
    return number_or(line, absent);
}

double field_number(double absent, const char *root, const char *path, const char *key)
{
    char line[SMALL_LINE];
    size_t n = strlen(key);
    FILE *f = open_below(root, path);
    double x = absent;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0 && strchr(": \t", line[n])) {
            x = number_or(line + n + strspn(line + n, ": \t"), absent);
            break;
        }
    if (f)
        fclose(f);
    return x;
}
