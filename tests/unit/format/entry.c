/* links: format base */
/* Entries of a folder that clients name: what is a plain file of that folder is opened, and nothing else. /proc is a folder of / on a
 * device of its own on every machine. */
#include "format/entry.h"

#include "base/error.h"
#include "format/sae.h"
#include "format/vector.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int root;

static int open_root(void **state)
{
    (void)state;
    return (root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0;
}

static int close_root(void **state)
{
    (void)state;
    return close(root);
}

static void another_device(void **state)
{
    (void)state;
    struct stat own, proc;
    struct error err = {0};
    struct vector *v = NULL;
    struct sae *s = NULL;
    assert_true(fstat(root, &own) == 0 && stat("/proc", &proc) == 0);
    if (own.st_dev == proc.st_dev)
        skip();
    assert_true(entry_open(root, "proc", 0, &err) < 0);
    assert_non_null(strstr(err.text, "proc: on another device; put the file itself into the folder"));
    err = (struct error){0};
    assert_true(vector_open(&v, root, "proc", UINT64_MAX, &err) < 0);
    assert_non_null(strstr(err.text, "on another device"));
    err = (struct error){0};
    assert_true(sae_open(&s, root, "proc", NULL, UINT64_MAX, &err) < 0);
    assert_non_null(strstr(err.text, "on another device"));
}

static void any_path(void **state)
{
    (void)state;
    struct error err = {0};
    int fd = entry_open(AT_FDCWD, "/proc/self", 0, &err); /* who is at the command line names what he likes */
    assert_true(fd >= 0);
    close(fd);
}

static void names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", ".x", "a/b", "/", "../x"};
    char long_name[302];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {0};
        assert_true(entry_open(root, bad[i], 0, &err) < 0);
        assert_non_null(strstr(err.text, "as it stands in its folder"));
    }
    struct error err = {0};
    memset(long_name, 'a', 301);
    long_name[301] = 0;
    assert_true(entry_check_name(root, long_name, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_device), cmocka_unit_test(any_path),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, open_root, close_root);
}
