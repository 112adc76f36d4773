/* links: library base */
/* Files of PDF by a program that is told what to do by the file: what its pages become, and what it may not do. */
#include "library/document/pdf.h"

#include "base/error.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Says what it was called with, as far as that is the same everywhere; then runs its input. */
static const char program[] =
    "#!/bin/sh\n[ \"$*\" = '-q -enc UTF-8 /proc/self/fd/0 -' ] || exit 9\n. /proc/self/fd/0\n";

static char folder[] = "/tmp/stoker-pdf-XXXXXX", sections[1024];

static void take_section(void *arg, const struct text_section *s)
{
    size_t n = strlen(sections);
    (void)arg;
    snprintf(sections + n, sizeof sections - n, "[%s %s]", s->path[0], s->anchor);
}

static void take_line(void *arg, const char *text, size_t n, int ends)
{
    size_t k = strlen(sections);
    (void)arg;
    snprintf(sections + k, sizeof sections - k, "%.*s%s", (int)n, text, ends ? ";" : "");
}

/* The sections of a file that is this script, or "" and the sentence. */
static const char *read_pdf(const char *script, int seconds, struct error *err)
{
    char path[64];
    const struct text_sink sink = {NULL, take_section, take_line};
    snprintf(path, sizeof path, "%s/file", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(script, f);
    fclose(f);
    int fd = open(path, O_RDONLY);
    *sections = 0;
    *err = (struct error){0};
    int failed = pdf_sections(fd, seconds, "title", &sink, err);
    assert_true(!failed == (err->code == ERR_NONE));
    close(fd);
    unlink(path);
    return sections;
}

static void pages(void **state)
{
    struct error err;
    (void)state;
    assert_string_equal(read_pdf("printf 'one\\ntwo\\n\\nthree\\n\\n\\fnext\\033[1m\\n\\f\\f   \\n\\flast'", 30, &err),
                        "[title page=1]one two;three;[title page=2]next[1m;[title page=5]last;");
    assert_string_equal(read_pdf("exit 0", 30, &err), "");
    assert_string_equal(err.text, "");
}

static void limits(void **state)
{
    struct error err;
    (void)state;
    assert_string_equal(read_pdf("ulimit -v; ulimit -c; trap - INT", 30, &err), "[title page=1]1048576 0;");
    assert_string_equal(read_pdf("read -r x </dev/tty && echo a terminal", 30, &err), "");
    assert_non_null(strstr(err.text, "cannot read it"));
    read_pdf("exec sleep 300", 1, &err);
    assert_string_equal(err.text, "pdftotext did not end within 1 s");
    read_pdf("exec head -c 70000000 /dev/zero", 60, &err);
    assert_string_equal(err.text, "it has more than 64 MiB of text");
    assert_string_equal(sections, "");
}

static void failures(void **state)
{
    struct error err;
    (void)state;
    read_pdf("echo some text; exit 3", 30, &err);
    assert_string_equal(err.text, "pdftotext cannot read it (its status is 3)");
    assert_string_equal(sections, "");
    read_pdf("kill -SEGV $$", 30, &err);
    assert_string_equal(err.text, "pdftotext was ended by signal 11");
}

/* Last: the path is another one from then on. */
static void is_missing(void **state)
{
    struct error err = {0};
    (void)state;
    assert_int_equal(pdf_ready(&err), 0);
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(pdf_ready(&err), -1);
    assert_non_null(strstr(err.text, "poppler-utils"));
    read_pdf("echo text", 30, &err);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static int begin(void **state)
{
    char path[64], list[4096];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/pdftotext", folder);
    FILE *f = fopen(path, "w");
    if (!f || fputs(program, f) < 0 || fclose(f) || chmod(path, 0700))
        return -1;
    snprintf(list, sizeof list, "/nowhere:%s:%s", folder, getenv("PATH"));
    return setenv("PATH", list, 1);
}

static int end(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/pdftotext", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),
        cmocka_unit_test(limits),
        cmocka_unit_test(failures),
        cmocka_unit_test(is_missing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
