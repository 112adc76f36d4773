/* Checks of a test without cmocka: each is counted, and one that fails prints its message. Any thread may check. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int passed, failed;

__attribute__((format(printf, 2, 3))) static void check(_Bool ok, const char *format, ...)
{
    va_list args;
    passed += ok;
    failed += !ok;
    if (ok)
        return;
    va_start(args, format);
    printf("FAILED: ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

#endif
