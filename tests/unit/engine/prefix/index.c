/* links: engine text model store op machine kernel format base */
/* Files of known prefixes in a folder: what is found, what is deleted first, what a longer one replaces. */
#include "engine/prefix/index.h"

#include "base/hash.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY = 5, BASE = 7 };

static char path[TEMPORARY_PATH]; /* in memory times of any size are kept; on a drive those of its file system */
static int dir;
static struct prefix_index x;
static int32_t ids[8 * KV_PAGE];

/* A file of the first n ids, the last of them in a page of their own; its payload are zeros. */
static struct prefix_record file_with(const int32_t *all, int n, int has_state, unsigned kinds)
{
    static uint8_t image[16 * PREFIX_BLOCK];
    uint64_t parent = BASE;
    int first = (n - 1) / KV_PAGE * KV_PAGE;
    memset(image, 0, sizeof image);
    for (int i = 0; i < first; i += KV_PAGE)
        parent = prefix_page_hash(parent, KEY, all + i);
    struct prefix_record r = {.base = BASE,
                              .key = KEY,
                              .parent = parent,
                              .first = (uint32_t)first,
                              .count = (uint32_t)(n - first),
                              .kinds = kinds,
                              .has_state = (uint32_t)has_state,
                              .payload = 100};
    r.hash = n - first == KV_PAGE && !has_state ? prefix_page_hash(parent, KEY, all + first)
                                                : prefix_ending_hash(parent, KEY, all + first, n - first);
    memcpy(prefix_image_own(image), all + first, r.count * sizeof *all);
    memcpy(prefix_image_before(image), all, r.first * sizeof *all);
    prefix_file_seal(&r, image);
    assert_int_equal(prefix_file_write(dir, r.hash, image, prefix_file_bytes(&r)), 0);
    prefix_index_add(&x, &r, all + first);
    return r;
}

static struct prefix_record file_of(const int32_t *all, int n, int has_state)
{
    return file_with(all, n, has_state, !has_state || n % KV_PAGE);
}

static struct prefix_entry *entry_of(const struct prefix_record *r)
{
    return prefix_index_find(&x, r->key, r->parent, r->hash);
}

static int is_there(const struct prefix_record *r)
{
    int file = faccessat(dir, prefix_file_name(r->hash).text, F_OK, 0) == 0;
    assert_int_equal(file, entry_of(r) != NULL);
    return file;
}

static int begin(void **state)
{
    (void)state;
    prefix_index_open(&x, dir, 1, BASE);
    prefix_index_clear(&x);
    assert_true(x.bytes == 0);
    for (int i = 0; i < 8 * KV_PAGE; i++)
        ids[i] = i * 977 % 50000;
    return 0;
}

/* Ends are deleted before what they continue, even if that is older. */
static void ends_first(void **state)
{
    (void)state;
    struct prefix_record a[4], b[2];
    for (int i = 0; i < 4; i++)
        a[i] = file_of(ids, (i + 1) * KV_PAGE, 0);
    ids[KV_PAGE + 9]++; /* another text with the same first page */
    for (int i = 0; i < 2; i++)
        b[i] = file_of(ids, (i + 2) * KV_PAGE - i, 0);
    for (int i = 3; i > 0; i--) {
        prefix_index_shrink(&x, x.bytes - 1);
        assert_int_equal(is_there(&a[i]), 0);
        assert_int_equal(is_there(&a[i - 1]), 1);
    }
    prefix_index_use(&x, entry_of(&b[0]));
    prefix_index_shrink(&x, x.bytes - 1);
    assert_int_equal(is_there(&b[1]), 0);
    prefix_index_shrink(&x, x.bytes - 1);
    assert_int_equal(is_there(&b[0]), 0);
    assert_int_equal(is_there(&a[0]), 1);
    prefix_index_shrink(&x, 0);
    assert_int_equal(is_there(&a[0]), 0);
    assert_true(x.bytes == 0);
}

/* A state after a whole page is useless without it: it is deleted first, however new it is. */
static void states_before_pages(void **state)
{
    (void)state;
    struct prefix_record page[2], behind;
    for (int i = 0; i < 2; i++)
        page[i] = file_of(ids, (i + 1) * KV_PAGE, 0);
    behind = file_of(ids, 2 * KV_PAGE, 1);
    prefix_index_shrink(&x, x.bytes - 1);
    assert_int_equal(is_there(&behind), 0);
    for (int i = 1; i >= 0; i--) {
        assert_int_equal(is_there(&page[i]), 1);
        prefix_index_shrink(&x, x.bytes - 1);
        assert_int_equal(is_there(&page[i]), 0);
    }
}

/* The order of use survives reopening the folder. */
static void opened_again(void **state)
{
    (void)state;
    struct prefix_record a = file_of(ids, 100, 1), b = file_of(ids, 200, 1);
    struct timespec old[2] = {{1000, 0}, {1000, 0}}, older[2] = {{900, 0}, {900, 0}};
    utimensat(dir, prefix_file_name(a.hash).text, older, 0);
    utimensat(dir, prefix_file_name(b.hash).text, old, 0);
    prefix_index_use(&x, entry_of(&a));
    uint64_t bytes = x.bytes;
    prefix_index_open(&x, dir, 1, BASE);
    assert_true(x.bytes == bytes);
    assert_int_equal(prefix_index_common(entry_of(&b), ids, 150), 150);
    prefix_index_shrink(&x, bytes - 1);
    assert_int_equal(is_there(&a), 1);
    assert_int_equal(is_there(&b), 0);
}

/* Files with times far in the future are not newer than files used from now on. */
static void times_in_the_future(void **state)
{
    (void)state;
    struct prefix_record a = file_of(ids, 100, 1);
    struct timespec end[2] = {{INT64_MAX, 0}, {INT64_MAX, 0}};
    utimensat(dir, prefix_file_name(a.hash).text, end, 0);
    prefix_index_open(&x, dir, 1, BASE);
    struct prefix_record b = file_of(ids, 200, 1);
    prefix_index_shrink(&x, x.bytes - 1);
    assert_int_equal(is_there(&a), 0);
    assert_int_equal(is_there(&b), 1);
}

/* Of files of pages the longer one replaces the shorter; a state is needed at its own position. */
static void longer_ones(void **state)
{
    (void)state;
    struct prefix_record part = file_of(ids, 300, 0), held = file_of(ids, 310, 1), other;
    ids[290]++;
    other = file_of(ids, 320, 0);
    assert_int_equal(is_there(&part), 1);
    ids[290]--;
    struct prefix_record longer = file_of(ids, 340, 0);
    assert_int_equal(is_there(&part), 0);
    assert_int_equal(is_there(&held), 1);
    assert_int_equal(is_there(&other), 1);
    struct prefix_record whole = file_of(ids, 512, 0);
    assert_int_equal(is_there(&longer), 0);
    assert_int_equal(is_there(&whole), 1);
    assert_int_equal(prefix_index_common(entry_of(&other), ids + KV_PAGE, 256), 290 - KV_PAGE);
    assert_int_equal(prefix_index_common(entry_of(&whole), ids + KV_PAGE, 256), 256);
    assert_int_equal(prefix_index_common(entry_of(&whole), ids + KV_PAGE, 0), 0);
}

/* A whole header of version 3, whose keys were those of trees. */
static void make_old(int fd)
{
    static uint8_t header[16 + sizeof(struct prefix_record) + KV_PAGE * sizeof(int32_t)];
    const uint32_t version = 3;
    assert_int_equal(pread(fd, header, sizeof header, 0), sizeof header);
    memcpy(header + 8, &version, sizeof version);
    uint64_t sum = hash64(header, sizeof header, 0);
    assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
    assert_int_equal(pwrite(fd, &sum, sizeof sum, sizeof header), sizeof sum);
}

/* Files of another version, under another name, or cut off are deleted and counted. */
static void invalid_files(void **state)
{
    (void)state;
    struct prefix_record r[3];
    for (int i = 0; i < 3; i++)
        r[i] = file_of(ids, 100 + i, 1);
    struct prefix_name first = prefix_file_name(r[0].hash), third = prefix_file_name(r[2].hash), wrong = third;
    int fd = openat(dir, first.text, O_RDWR);
    make_old(fd);
    close(fd);
    fd = openat(dir, prefix_file_name(r[1].hash).text, O_RDWR);
    assert_int_equal(ftruncate(fd, 4096), 0);
    close(fd);
    wrong.text[5] = wrong.text[5] == '0' ? '1' : '0';
    assert_int_equal(renameat(dir, third.text, dir, wrong.text), 0);
    prefix_index_open(&x, dir, 1, BASE);
    assert_true(x.corrupt == 3 && x.bytes == 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(is_there(&r[i]), 0);
    assert_int_not_equal(faccessat(dir, wrong.text, F_OK, 0), 0);
}

/* Files with right checksums in the wrong folder, or with an impossible number of pages, are deleted and counted. */
static void misplaced_files(void **state)
{
    (void)state;
    struct prefix_record moved = file_of(ids, 100, 0), behind = file_with(ids, KV_PAGE, 1, 1);
    struct prefix_name from = prefix_file_name(moved.hash), to = from;
    to.text[0] = to.text[0] == '0' ? '1' : '0';
    mkdirat(dir, (char[]){to.text[0], to.text[1], 0}, 0700); /* unless it is there */
    assert_int_equal(renameat(dir, from.text, dir, to.text), 0);
    prefix_index_open(&x, dir, 1, BASE);
    assert_int_equal(faccessat(dir, to.text, F_OK, 0), -1);
    assert_int_equal(is_there(&moved), 0);
    assert_int_equal(is_there(&behind), 0); /* it claims the page before the state, which lies in a file of its own */
    assert_true(x.corrupt == 2 && x.bytes == 0);
}

/* A symbolic link in place of a folder: nothing is written to its target. */
static void symbolic_links(void **state)
{
    (void)state;
    static uint8_t image[PREFIX_BLOCK];
    struct prefix_name name = prefix_file_name(UINT64_MAX);
    mkdirat(dir, "elsewhere", 0700);
    name.text[2] = 0;
    unlinkat(dir, name.text, AT_REMOVEDIR); /* unless it is not there */
    assert_int_equal(symlinkat("elsewhere", dir, name.text), 0);
    assert_int_equal(prefix_file_write(dir, UINT64_MAX, image, sizeof image), -1);
    assert_int_equal(unlinkat(dir, "elsewhere", AT_REMOVEDIR), 0); /* it is empty */
    assert_int_equal(unlinkat(dir, name.text, 0), 0);
    assert_int_equal(prefix_file_write(dir, UINT64_MAX, image, sizeof image), 0);
    assert_int_equal(faccessat(dir, prefix_file_name(UINT64_MAX).text, F_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ends_first, begin),          cmocka_unit_test_setup(opened_again, begin),
        cmocka_unit_test_setup(times_in_the_future, begin), cmocka_unit_test_setup(states_before_pages, begin),
        cmocka_unit_test_setup(longer_ones, begin),         cmocka_unit_test_setup(invalid_files, begin),
        cmocka_unit_test_setup(misplaced_files, begin),     cmocka_unit_test_setup(symbolic_links, begin)};
    char command[80];
    if (temporary_folder(path, "index"))
        return 1;
    if ((dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command) || failed;
}
