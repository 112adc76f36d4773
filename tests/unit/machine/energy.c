/* links: machine kernel format base */
/* Energy from planted counters: packages and their DRAM, counters that begin again, chips of hwmon, what cannot be read. */
#include "machine/energy.h"
#include "planted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/stoker-energy-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void near(double x, double want) { assert_true(x > want - 1e-9 && x < want + 1e-9); }

static void plant_zone(const char *zone, const char *name, const char *energy)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/class/powercap/%s/name", zone);
    plant(root, path, name);
    snprintf(path, sizeof path, "/sys/class/powercap/%s/max_energy_range_uj", zone);
    plant(root, path, "262143000000\n");
    snprintf(path, sizeof path, "/sys/class/powercap/%s/energy_uj", zone);
    plant(root, path, energy);
}

static void test_packages_and_dram(void **state)
{
    (void)state;
    struct energy e;
    plant_zone("intel-rapl:0", "package-0\n", "1000000\n");
    plant_zone("intel-rapl:0:0", "core\n", "500000\n");
    plant_zone("intel-rapl:0:1", "dram\n", "2000000\n");
    plant_zone("intel-rapl:1", "psys\n", "7000000\n");
    plant_zone("intel-rapl:2", "package-1\n", "262142000000\n");
    plant_zone("intel-rapl-mmio:0", "package-0\n", "1000000\n");
    energy_open(&e, root, 0);
    assert_int_equal(e.n, 3);
    assert_null(e.why);
    plant_zone("intel-rapl:0", "package-0\n", "31000000\n"); /* 30 J */
    plant_zone("intel-rapl:0:0", "core\n", "25000000\n");    /* in the package */
    plant_zone("intel-rapl:0:1", "dram\n", "4000000\n");     /* 2 J */
    plant_zone("intel-rapl:1", "psys\n", "90000000\n");      /* holds them all */
    plant_zone("intel-rapl:2", "package-1\n", "9000000\n");  /* 1 J, then 9 J: it began again */
    plant_zone("intel-rapl-mmio:0", "package-0\n", "31000000\n");
    energy_sample(&e, 1);
    near(e.joules, 42);
    energy_sample(&e, 2);
    near(e.joules, 42);
}

static void test_sockets_of_hwmon(void **state)
{
    (void)state;
    struct energy e;
    plant(root, "/sys/class/hwmon/hwmon0/name", "nvme\n");
    plant(root, "/sys/class/hwmon/hwmon0/power1_average", "9000000\n");
    for (int i = 2; i < 6; i++) { /* on both sides of the sockets in any order of the folder */
        char name[64], power[64];
        snprintf(name, sizeof name, "/sys/class/hwmon/hwmon%d/name", i);
        snprintf(power, sizeof power, "/sys/class/hwmon/hwmon%d/power1_average", i);
        plant(root, name, "power_meter\n");
        plant(root, power, "40000000\n");
    }
    plant(root, "/sys/class/hwmon/hwmon1/name", "amd_energy\n");
    plant(root, "/sys/class/hwmon/hwmon1/energy1_label", "Ecore000\n");
    plant(root, "/sys/class/hwmon/hwmon1/energy1_input", "1000000\n");
    plant(root, "/sys/class/hwmon/hwmon1/energy2_label", "Esocket0\n");
    plant(root, "/sys/class/hwmon/hwmon1/energy2_input", "5000000\n");
    energy_open(&e, root, 0);
    assert_int_equal(e.n, 1);
    plant(root, "/sys/class/hwmon/hwmon1/energy2_input", "8500000\n");
    energy_sample(&e, 1);
    near(e.joules, 3.5);
    plant(root, "/sys/class/hwmon/hwmon1/energy2_input", "100\n"); /* set back, without a range */
    energy_sample(&e, 2);
    near(e.joules, 3.5);
}

static void test_a_power_meter_over_time(void **state)
{
    (void)state;
    struct energy e;
    plant(root, "/sys/class/hwmon/hwmon0/name", "power_meter\n");
    plant(root, "/sys/class/hwmon/hwmon0/power1_average", "40000000\n");
    energy_open(&e, root, 10);
    assert_int_equal(e.n, 1);
    plant(root, "/sys/class/hwmon/hwmon0/power1_average", "60000000\n");
    energy_sample(&e, 12); /* 2 s of 50 W */
    near(e.joules, 100);
}

static void test_what_is_not_there_or_not_for_us(void **state)
{
    (void)state;
    struct energy e;
    energy_open(&e, root, 0);
    assert_int_equal(e.n, 0);
    assert_non_null(strstr(e.why, "shows no counters"));
    energy_sample(&e, 1);
    near(e.joules, 0);
    plant_package(root, NULL);
    energy_open(&e, root, 0);
    assert_int_equal(e.n, 0);
    assert_non_null(strstr(e.why, "only root may read the counters"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packages_and_dram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sockets_of_hwmon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_power_meter_over_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_there_or_not_for_us, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
