/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* The Tab key in a chat: what it adds to a path, and what it lists. */
#include "cli/chat/complete.h"
#include "cli/chat/chat.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The chat's commands, of which one is enough here. */
const char *chat_command_name(size_t i) { return i == 0 ? "file" : NULL; }
int chat_command_takes_path(const char *name, size_t n) { return n == 4 && memcmp(name, "file", n) == 0; }

static char folder[] = "/tmp/stoker-complete-XXXXXX";

static void put(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int make_folder(void **state)
{
    char path[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a [x]", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put("a [x]/inner.txt");
    put("notes.txt");
    put("~user.txt");
    put("two\033[8m1");
    put("two\033[8m2");
    return 0;
}

static int remove_folder(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* What is added to "/file " and this path, of which "@" is the folder; what is listed. */
static void adds(const char *path, const char *want, const char *want_listed)
{
    char line[512], *listed;
    size_t n_listed;
    const char *at = strchr(path, '@');
    int before = at ? (int)(at - path) : (int)strlen(path);
    snprintf(line, sizeof line, "/file %.*s%s%s", before, path, at ? folder : "", at ? at + 1 : "");
    FILE *f = open_memstream(&listed, &n_listed);
    char *exact = strndup(line, strlen(line)), *end = complete_line(exact, strlen(line), f);
    fclose(f);
    assert_string_equal(end, want);
    assert_string_equal(listed, want_listed);
    free(end);
    free(exact);
    free(listed);
}

static void paths(void **state)
{
    (void)state;
    adds("@/no", "tes.txt", "");
    adds("@/a", " [x]/", "");
    adds("@/a [x]/in", "ner.txt", "");
    adds("@//no", "tes.txt", "");
    adds("/@/no", "tes.txt", "");
    adds("@/absent", "", "");
    adds("//et", "c/", "");
}

static void home(void **state)
{
    (void)state;
    setenv("HOME", folder, 1);
    adds("~/no", "tes.txt", "");
    adds("~/a [x]/in", "ner.txt", "");
    setenv("HOME", "/", 1);
    adds("~@/no", "tes.txt", "");
    adds("~/et", "c/", "");
    assert_int_equal(chdir(folder), 0);
    adds("~us", "er.txt", "");
    adds("~root/", "", ""); /* the folders of others are not named so */
    unsetenv("HOME");
    adds("~/no", "", "");
}

static void lists(void **state)
{
    (void)state;
    adds("@/two\033[8m", "", "\ntwo?[8m1  two?[8m2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(home), cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
