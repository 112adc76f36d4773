/* links: machine kernel format base */
/* Modules of memory in tables of firmware: boards that name their slots in different ways, what such tables leave out, files of memory
 * controllers; and tables that are cut or wrong anywhere, of which nothing behind the end is read (the sanitizers see it). */
#include "machine/modules.h"

#include "planted.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DDR4 = 0x1a, DDR5 = 0x22, RAM = 0x07, FLASH = 0x09, DEVICE = 0x28, TABLE = 16384 };

static uint8_t table[TABLE];
static size_t n_table;

static void add(const void *p, size_t n)
{
    assert_true(n_table + n <= TABLE);
    memcpy(table + n_table, p, n);
    n_table += n;
}

static void put2(uint8_t *at, unsigned x)
{
    at[0] = (uint8_t)x;
    at[1] = (uint8_t)(x >> 8);
}

/* A memory device as SMBIOS 2.8 has it. mib 0: the slot is empty. */
static void slot(const char *name, const char *bank, int type, unsigned mib, unsigned width, unsigned speed)
{
    uint8_t s[DEVICE] = {17, DEVICE, 0x21};
    put2(s + 0x08, 72);
    put2(s + 0x0a, width);
    put2(s + 0x0c, mib);
    s[0x10] = 1;
    s[0x11] = 2;
    s[0x12] = (uint8_t)type;
    put2(s + 0x15, 3200); /* what it could be */
    put2(s + 0x20, speed);
    add(s, sizeof s);
    add(name, strlen(name) + 1);
    add(bank, *bank ? strlen(bank) + 1 : 0);
    add("", 1);
}

static void begin(void)
{
    static const uint8_t firmware[] = {0, 5, 0, 0, 1, 'V', 'e', 'n', 'd', 'o', 'r', 0, '1', 0, 0};
    static const uint8_t bare[] = {32, 4, 1, 0, 0, 0}; /* without strings */
    n_table = 0;
    add(firmware, sizeof firmware);
    add(bare, sizeof bare);
}

static struct memory_modules ended(void)
{
    static const uint8_t end[] = {127, 4, 2, 0, 0, 0};
    struct memory_modules m;
    add(end, sizeof end);
    uint8_t *copy = malloc(n_table); /* of this size, so that reading behind it is seen */
    assert_non_null(copy);
    memcpy(copy, table, n_table);
    modules_of_table(&m, copy, n_table);
    free(copy);
    return m;
}

static void near(double x, double want) { assert_true(x > want * (1 - 1e-9) && x < want * (1 + 1e-9)); }

static void test_channels_by_their_names(void **state)
{
    (void)state;
    struct memory_modules m;
    begin(); /* a laptop: one slot of two */
    slot("ChannelA-DIMM0", "BANK 0", DDR4, 8192, 64, 2667);
    slot("ChannelB-DIMM0", "BANK 2", 2, 0, 0, 0);
    m = ended();
    assert_int_equal(m.from, MODULES_SMBIOS);
    assert_true(m.n == 1 && m.n_channel == 1 && m.n_channel_there == 2 && m.transfers == 2667 && !m.why);
    near(m.rate, 8 * 2667e6);
    assert_string_equal(m.type, "DDR4");
    assert_string_equal(m.unused, "ChannelB-DIMM0");
    begin(); /* a desktop: two modules in one channel */
    slot("DIMM_A1", "BANK 0", DDR4, 8192, 64, 3200);
    slot("DIMM_A2", "BANK 1", DDR4, 8192, 64, 3200);
    slot("DIMM_B1", "BANK 2", 2, 0, 64, 0);
    slot("DIMM_B2", "BANK 3", 2, 0, 64, 0);
    m = ended();
    assert_true(m.n == 2 && m.n_channel == 1 && m.n_channel_there == 2);
    near(m.rate, 25.6e9);
    assert_string_equal(m.unused, "DIMM_B1");
    begin(); /* the bank tells it; all are full */
    for (int i = 0; i < 4; i++)
        slot(i % 2 ? "DIMM 1" : "DIMM 0", i / 2 ? "P0 CHANNEL B" : "P0 CHANNEL A", DDR5, 16384, 64, 5600);
    m = ended();
    assert_true(m.n == 4 && m.n_channel == 2 && m.n_channel_there == 2 && !*m.unused);
    near(m.rate, 2 * 8 * 5600e6);
    begin(); /* two processors, twelve channels of one module each */
    for (int i = 0; i < 24; i++) {
        char bank[48];
        snprintf(bank, sizeof bank, "P%d_Node0_Channel%d_Dimm0", i / 12, i % 12);
        slot("P1-DIMMA1", bank, DDR5, 0x7fff, 64, 4800);
    }
    m = ended();
    assert_true(m.n == 24 && m.n_channel == 24);
    near(m.rate, 24 * 8 * 4800e6);
    for (int n = 1; n <= 24; n += 23) { /* the same, the processor behind the word: one slot is filled, and all are */
        begin();
        for (int i = 0; i < 24; i++) {
            char name[48];
            snprintf(name, sizeof name, i % 2 ? "DIMM_P%d_%c0" : "DIMM_CPU%d_%c0", i / 12, 'A' + i % 12);
            slot(name, "BANK 0", DDR5, i < n ? 0x7fff : 0, 64, 4800);
        }
        m = ended();
        assert_true(m.n == n && m.n_channel == n && m.n_channel_there == 24);
        near(m.rate, n * 8 * 4800e6);
        assert_string_equal(m.unused, n == 1 ? "DIMM_P0_B0" : "");
    }
    begin(); /* a letter that is no processor's */
    slot("DIMM_P1", "BANK 0", DDR4, 8192, 64, 3200);
    slot("DIMM_P2", "BANK 1", DDR4, 8192, 64, 3200);
    m = ended();
    assert_true(m.n == 2 && m.n_channel == 1);
    begin(); /* soldered: channels of 16 bits */
    for (int i = 0; i < 8; i++) {
        char name[48];
        snprintf(name, sizeof name, "Controller%d-Channel%c-DIMM0", i / 4, 'A' + i % 4);
        slot(name, "BANK 0", 0x23, 2048, 16, 6400);
    }
    m = ended();
    assert_true(m.n == 8 && m.n_channel == 8);
    near(m.rate, 102.4e9);
    assert_string_equal(m.type, "LPDDR5");
}

static void test_what_is_not_told(void **state)
{
    (void)state;
    struct memory_modules m;
    begin();
    m = ended();
    assert_true(m.from == MODULES_UNKNOWN && m.n == 0 && strstr(m.why, "no modules"));
    begin(); /* of a virtual machine */
    slot("DIMM 0", "", RAM, 16384, 0xffff, 0);
    put2(table + n_table - DEVICE - 8 + 0x15, 0);
    m = ended();
    assert_true(m.from == MODULES_SMBIOS && m.n == 1 && m.n_channel == 0 && m.rate == 0);
    assert_non_null(strstr(m.why, "how fast"));
    begin(); /* names without channels: of one or two modules each has one of its own, of more nobody knows */
    slot("A1", "", DDR4, 8192, 64, 3200);
    slot("A2", "", DDR5, 8192, 64, 2400);
    m = ended();
    assert_true(m.n == 2 && m.n_channel == 0 && m.transfers == 2400);
    near(m.rate, 8 * 5600e6);
    assert_string_equal(m.type, "");
    n_table -= 6;
    slot("A3", "", DDR4, 8192, 64, 3200);
    m = ended();
    assert_true(m.n == 3 && m.n_channel == 0 && m.rate == 0 && strstr(m.why, "names of its slots"));
    near(m.of_module, 8 * 2400e6);
    begin(); /* what firmware lies in, and memory that keeps what it has, are no modules */
    slot("SYSTEM ROM", "", FLASH, 8, 8, 33);
    slot("ChannelA-DIMM0", "", DDR4, 8192, 64, 0); /* not clocked, but it could be at 3200 */
    m = ended();
    assert_true(m.n == 1 && m.n_channel == 1 && m.transfers == 3200);
    begin(); /* speeds of more digits, and one of a structure that is too short for them */
    uint8_t s[0x5c] = {17, sizeof s, 0};
    put2(s + 0x0a, 64);
    put2(s + 0x0c, 1024);
    s[0x12] = DDR5;
    put2(s + 0x20, 0xffff);
    s[0x58] = 0xa0, s[0x59] = 0x86, s[0x5a] = 1; /* 100,000 */
    add(s, sizeof s);
    add("\0", 2);
    m = ended();
    assert_int_equal(m.transfers, 100000);
    begin();
    s[1] = 0x22;
    add(s, 0x22);
    add("\0", 2);
    m = ended();
    assert_true(m.n == 1 && m.rate == 0 && m.transfers == 0);
    begin(); /* 257 slots: more than are looked at */
    for (int i = 0; i < 257; i++)
        slot("A", "", DDR4, 1, 64, 3200);
    m = ended();
    assert_true(m.from == MODULES_UNKNOWN && m.n == 0 && strstr(m.why, "damaged"));
}

/* Whatever it says, figures are those of a machine. */
static void check(const uint8_t *bytes, size_t n)
{
    struct memory_modules m;
    uint8_t *copy = malloc(n + !n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    modules_of_table(&m, copy, n);
    free(copy);
    assert_true(m.n >= 0 && m.n <= 256 && m.n_channel >= 0 && m.n_channel <= m.n && m.n_channel <= m.n_channel_there);
    assert_true(m.rate >= 0 && m.rate <= 256 * 128 * 1e11 && m.transfers >= 0 && m.transfers <= 100000);
    assert_true((m.from == MODULES_UNKNOWN) == (m.n == 0) && (m.rate > 0 || m.why));
    assert_non_null(memchr(m.unused, 0, sizeof m.unused));
    for (const char *c = m.unused; *c; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

static void test_tables_that_are_wrong(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    begin();
    slot("ChannelA-DIMM0", "BANK 0", DDR4, 8192, 64, 2667);
    slot("DIMM_B1", longest, DDR4, 0, 64, 2667);
    ended();
    size_t whole = n_table;
    for (size_t n = 0; n < whole; n++) {
        struct memory_modules m;
        check(table, n);
        modules_of_table(&m, table, n);
        assert_true(m.from == MODULES_UNKNOWN || n >= whole - 2); /* nothing of a table that is cut */
    }
    for (size_t i = 0; i < whole; i++)
        for (int x = 1; x < 256; x++) {
            table[i] ^= (uint8_t)x;
            check(table, whole);
            table[i] ^= (uint8_t)x;
        }
    memset(table, 0xff, TABLE);
    check(table, TABLE);
    memset(table, 17, TABLE); /* structures of 17 bytes, whose strings do not end */
    check(table, TABLE);
}

static void test_memory_controllers(void **state)
{
    (void)state;
    char root[TEMPORARY_PATH], command[TEMPORARY_PATH + 16], path[128];
    struct memory_modules m;
    assert_int_equal(temporary_folder(root, "modules"), 0);
    modules_read(&m, root);
    assert_true(m.from == MODULES_UNKNOWN && m.n == 0 && m.n_channel == 0 && strstr(m.why, "no table"));
    for (int c = 0; c < 2; c++) {
        snprintf(path, sizeof path, "/sys/devices/system/edac/mc/mc%d/mc_name", c);
        plant(root, path, "skx\n");
        for (int i = 0; i < 4; i++) { /* two channels of two slots each, with a hole in the numbers */
            snprintf(path, sizeof path, "/sys/devices/system/edac/mc/mc%d/dimm%d/dimm_location", c, 2 * i);
            plant(root, path, i / 2 ? "channel 1 slot 0 \n" : "channel 0 slot 0 \n");
        }
    }
    modules_read(&m, root);
    assert_true(m.from == MODULES_EDAC && m.n == 8 && m.n_channel == 4 && m.rate == 0 && strstr(m.why, "no table"));
    static const char *const named[] = {"A1", "DIMM_A1"}; /* no channel, and the same one of all */
    plant(root, "/sys/firmware/dmi/tables/DMI", "");
    snprintf(path, sizeof path, "%s/sys/firmware/dmi/tables/DMI", root);
    for (int t = 0; t < 2; t++) {
        begin();
        for (int i = 0; i < 8; i++)
            slot(named[t], "", DDR4, 8192, 64, 3200);
        ended();
        FILE *f = fopen(path, "wb");
        assert_true(f && fwrite(table, 1, n_table, f) == n_table && fclose(f) == 0);
        modules_read(&m, root);
        assert_true(m.from == MODULES_SMBIOS && m.n == 8 && m.n_channel == 4 && m.n_channel_there == 0 && !m.why);
        near(m.rate, 4 * 25.6e9);
    }
    plant(root, "/sys/devices/system/edac/mc/mc0/dimm1/dimm_location", "channel 99999999999 slot\n");
    plant(root, "/sys/devices/system/edac/mc/mc0/rank1/dimm_location", "csrow 0 channel 7\n");
    modules_read(&m, root);
    assert_int_equal(m.n_channel, 5);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_by_their_names),
        cmocka_unit_test(test_what_is_not_told),
        cmocka_unit_test(test_tables_that_are_wrong),
        cmocka_unit_test(test_memory_controllers),
    };
    return cmocka_run_group_tests_name("modules", tests, NULL, NULL);
}
