/* Tests whose results are lines: what fails is printed above its line, and the line is red. */
#ifndef TESTS_TEST_LINES_H
#define TESTS_TEST_LINES_H

#include <stdarg.h>
#include <stdio.h>

static int passed, failed, skipped;
static int line_ok = 1;

static void __attribute__((format(printf, 2, 3))) expect(int ok, const char *format, ...)
{
    va_list args;
    if (ok)
        return;
    line_ok = 0;
    printf("     ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* The line of what was expected since the one before. */
static void verdict(const char *name, const char *detail)
{
    printf("%s %-24s %s\n", line_ok ? "ok  " : "FAIL", name, detail);
    fflush(stdout);
    *(line_ok ? &passed : &failed) += 1;
    line_ok = 1;
}

#endif
