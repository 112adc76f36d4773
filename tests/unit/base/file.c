/* links: base */
/* Files whole: empty, larger than the first piece, just as large as allowed, one byte more; what is no file; a stream that goes on. */
#include "base/file.h"

#include "base/error.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/stoker-file-XXXXXX";
static char path[64];

static void write_file(size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        putc((int)(i % 251), f);
    assert_int_equal(fclose(f), 0);
}

static void whole_files(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65534, 65535, 65536, 200000, 1 << 20};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        char *(*const readers[])(const char *, size_t, size_t *, struct error *) = {file_read, file_read_regular};
        write_file(sizes[k]);
        for (int r = 0; r < 2; r++) {
            struct error err = {0};
            size_t n;
            char *text = readers[r](path, 1 << 20, &n, &err);
            assert_non_null(text);
            assert_int_equal(n, sizes[k]);
            for (size_t i = 0; i < n; i++)
                assert_int_equal((uint8_t)text[i], i % 251);
            assert_int_equal(text[n], 0);
            free(text);
        }
    }
}

static void refused(char *text, const struct error *err, enum error_code code, const char *sentence)
{
    assert_null(text);
    assert_int_equal(err->code, code);
    assert_int_equal(strncmp(err->text, path, strlen(path)), 0);
    assert_string_equal(err->text + strlen(path), sentence);
}

static void what_is_refused(void **state)
{
    (void)state;
    size_t n;
    struct error large = {0}, pipe = {0}, none = {0}, not_file = {0}, also_none = {0};
    write_file((1 << 20) + 1);
    refused(file_read(path, 1 << 20, &n, &large), &large, ERR_INPUT, ": larger than 1 MiB");
    unlink(path);
    refused(file_read(path, 1, &n, &none), &none, ERR_IO, ": cannot be opened: No such file or directory");
    refused(file_read_regular(path, 1, &n, &also_none), &also_none, ERR_IO,
            ": cannot be opened: No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(file_read_regular(path, 1, &n, &pipe), &pipe, ERR_INPUT, ": not a regular file");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(file_read(path, 1, &n, &not_file), &not_file, ERR_IO, ": cannot be read: Is a directory");
    rmdir(path);
}

static void a_stream_stays_open(void **state)
{
    (void)state;
    struct error err = {0};
    size_t n;
    write_file(10);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(getc(f), 0);
    char *text = file_read_stream(f, "it", 9, &n, &err);
    assert_non_null(text);
    assert_int_equal(n, 9);
    assert_int_equal(text[0], 1);
    free(text);
    assert_int_equal(fseek(f, 0, SEEK_SET), 0);
    assert_int_equal(getc(f), 0);
    fclose(f);
}

static void two_names_of_a_place(void **state)
{
    (void)state;
    char other[80], link[80];
    snprintf(other, sizeof other, "%s/./x", folder);
    snprintf(link, sizeof link, "%s/y", folder);
    unlink(path);
    assert_true(file_is_same(path, other)); /* where nothing is yet */
    assert_false(file_is_same(path, link));
    assert_false(file_is_same("/nowhere/x", "/nowhere/x"));
    write_file(1);
    assert_true(file_is_same(path, other));
    assert_false(file_is_same(path, link));
    assert_int_equal(symlink(path, link), 0);
    assert_true(file_is_same(path, link));
    assert_int_equal(chdir(folder), 0);
    assert_true(file_is_same("x", path));
    assert_int_equal(unlink("x"), 0);
    assert_false(file_is_same("y", "x")); /* a link that leads nowhere, to a place that can be made: not looked into */
    assert_true(file_is_same("x", "./x"));
    assert_int_equal(unlink("y"), 0);
    assert_int_equal(chdir("/"), 0);
}

static void pieces(void **state)
{
    (void)state;
    const char *why = NULL;
    char text[8] = "";
    write_file(10);
    int fd = open(path, O_RDONLY);
    assert_int_equal(file_read_at(fd, text, 4, 6, &why), 0);
    assert_int_equal(file_read_at(fd, text, 0, 10, &why), 0);
    assert_null(why);
    assert_int_equal(file_read_at(fd, text, 5, 6, &why), -1);
    assert_string_equal(why, "the file has become shorter");
    close(fd);
    assert_int_equal(file_read_at(fd, text, 1, 0, &why), -1);
    assert_string_equal(why, "Bad file descriptor");
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/x", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_files), cmocka_unit_test(what_is_refused),
                                       cmocka_unit_test(a_stream_stays_open), cmocka_unit_test(two_names_of_a_place),
                                       cmocka_unit_test(pieces)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
