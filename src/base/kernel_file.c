/* Reading small files of the kernel: see kernel_file.h. */
#include "base/kernel_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_below(const char *root, const char *path)
{
    char full[KERNEL_FILE_LINE * 2];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    return n > 0 && (size_t)n < sizeof full ? fopen(full, "re") : NULL;
}

static int line_below(char out[KERNEL_FILE_LINE], const char *root, const char *format, va_list args)
{
    char path[KERNEL_FILE_LINE];
    int n = vsnprintf(path, sizeof path, format, args);
    FILE *f = n > 0 && (size_t)n < sizeof path ? open_below(root, path) : NULL;
    int has = f && fgets(out, KERNEL_FILE_LINE, f);
    if (f)
        fclose(f);
    if (!has)
        return -1;
    out[strcspn(out, "\n")] = 0;
    return 0;
}

int kernel_file_line(char out[KERNEL_FILE_LINE], const char *root, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int failed = line_below(out, root, format, args);
    va_end(args);
    return failed;
}

static double number_or(const char *text, double absent)
{
    char *end;
    double x = strtod(text, &end);
    return end == text ? absent : x;
}

double kernel_file_number(double absent, const char *root, const char *format, ...)
{
    char line[KERNEL_FILE_LINE];
    va_list args;
    va_start(args, format);
    int failed = line_below(line, root, format, args);
    va_end(args);
    return failed ? absent : number_or(line, absent);
}

int kernel_file_text(char out[KERNEL_FILE_LINE], const char *root, const char *path, const char *key)
{
    char line[KERNEL_FILE_LINE];
    size_t n = strlen(key);
    FILE *f = open_below(root, path);
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, key, n) == 0 && line[n] && strchr(": \t", line[n]);
    if (f)
        fclose(f);
    if (!found)
        return -1;
    const char *text = line + n + strspn(line + n, ": \t");
    size_t length = strcspn(text, "\n");
    memcpy(out, text, length);
    out[length] = 0;
    return 0;
}

double kernel_file_field(double absent, const char *root, const char *path, const char *key)
{
    char text[KERNEL_FILE_LINE];
    return kernel_file_text(text, root, path, key) ? absent : number_or(text, absent);
}
