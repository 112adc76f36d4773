/* links: format base */
/* labels.json of autoencoders: texts of features, whatever else the file says; what is no such file is refused by a sentence. */
#include "base/error.h"
#include "format/sae.h"
#include "temporary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { FEATURES = 5 };

static char folder[TEMPORARY_PATH], path[TEMPORARY_PATH + 20];
static int dir;

static int make_folder(void **state)
{
    (void)state;
    if (temporary_folder(folder, "labels"))
        return -1;
    snprintf(path, sizeof path, "%s/labels.json", folder);
    return (dir = open(folder, O_RDONLY | O_DIRECTORY)) >= 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    close(dir);
    remove(path);
    return rmdir(folder);
}

static void put(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

static void are_texts(void **state)
{
    (void)state;
    static const char text[] =
        "\t{ \"3\":\"a \\\"b\\\" \\u00e9\\ud83d\\ude00\\n\" ,\"04\":\"no\",\"5\":\"beyond\",\"x\":\"y\",\"2\":7,"
        "\"4\":[\"a\",{\"4\":\"c\"}],\"\":\"\",\"1\":\"\",\"99999999999\":\"far\",\"0\":\"z\xc3\xa9ro\"}\n";
    static const char *const wanted[FEATURES] = {"z\xc3\xa9ro", "", NULL, "a \"b\" \xc3\xa9\xf0\x9f\x98\x80\n", NULL};
    struct error err = {0};
    struct sae_labels *l = NULL;
    put(text, sizeof text - 1);
    assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), 0);
    for (int j = 0; j < FEATURES; j++)
        if (wanted[j])
            assert_string_equal(sae_label(l, j) ? sae_label(l, j) : "none", wanted[j]);
        else
            assert_null(sae_label(l, j));
    assert_true(!sae_label(l, -1) && !sae_label(l, FEATURES) && sae_labels_count(l) == 3);
    assert_true(sae_labels_bytes(l) == sae_labels_look(dir, 1, FEATURES) && sae_labels_bytes(l) > sizeof text);
    sae_labels_close(l);
}

static void are_refused(void **state)
{
    (void)state;
    static char large[SAE_LABELS + 1];
    static const struct {
        const char *text, *words;
        size_t n; /* 0: to its end */
    } cases[] = {{"", "an object", 0},
                 {"[\"cats\"]", "an object {\"NUMBER\": \"text\"} is expected", 0},
                 {"{\"1\":\"a\"", "an object", 0},
                 {"{\"1\":\"a\"}}", "an object", 0},
                 {"{\"1\":\"a\",\"1\":\"b\"}", "an object", 0},
                 {"{\"1\":\"a\\u0000b\"}", "an object", 0},
                 {"{\"1\":\"\\ud83d\"}", "an object", 0},
                 {"{\"1\":\"\xff\"}", "an object", 0},
                 {large, "larger than", sizeof large}};
    struct error err;
    struct sae_labels *l;
    memset(large, ' ', sizeof large);
    memcpy(large, "{}", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err = (struct error){0};
        put(cases[i].text, cases[i].n ? cases[i].n : strlen(cases[i].text));
        assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), -1);
        if (l || !strstr(err.text, cases[i].words) || !strstr(err.text, "named/labels.json"))
            fail_msg("case %zu: %s", i, err.text);
    }
    err = (struct error){0};
    put(large, SAE_LABELS); /* the most */
    assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), 0);
    assert_int_equal(sae_labels_count(l), 0);
    sae_labels_close(l);
}

/* Where there is none, there are no labels; a link is followed only where the folder is one's own; a pipe is never waited for. */
static void are_found(void **state)
{
    (void)state;
    struct error err = {0};
    struct sae_labels *l;
    char target[sizeof path + 2];
    remove(path);
    assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), 0);
    assert_true(!l && sae_labels_look(dir, 1, FEATURES) == 0 && !sae_label(l, 0) && sae_labels_bytes(l) == 0);
    put("{\"1\":\"cats\"}", 12);
    snprintf(target, sizeof target, "%s.2", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink("labels.json.2", path), 0);
    assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), 0);
    assert_string_equal(sae_label(l, 1), "cats");
    sae_labels_close(l);
    assert_int_equal(sae_labels_open(&l, dir, 0, FEATURES, "named", &err), -1);
    assert_non_null(strstr(err.text, "named/labels.json: cannot be opened"));
    assert_int_equal(remove(path) | remove(target), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    err = (struct error){0};
    assert_int_equal(sae_labels_open(&l, dir, 1, FEATURES, "named", &err), -1);
    assert_non_null(strstr(err.text, "named/labels.json: not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(are_texts), cmocka_unit_test(are_refused),
                                       cmocka_unit_test(are_found)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
