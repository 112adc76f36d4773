/* Counting energy: see energy.h.
 *
 * Of RAPL the packages count, and the DRAM beside them; their parts (cores, graphics) are in the package, and the platform (psys) holds
 * packages too, so neither is added. The same packages are there twice where a second interface (mmio) shows them. Of hwmon the sockets of
 * amd_energy count, or the power meter of the whole machine. */
#include "machine/energy.h"

#include "base/kernel_file.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* It counts if it can be read; *locked is set if it is there all the same. */
static void add(struct energy *e, const struct energy_source *s, int *locked)
{
    char full[sizeof s->path + sizeof e->root];
    double now = kernel_file_number(-1, e->root, "%s", s->path);
    if (now >= 0 && e->n < ENERGY_SOURCES) {
        e->source[e->n] = *s;
        e->source[e->n++].last = now;
        return;
    }
    snprintf(full, sizeof full, "%s%s", e->root, s->path);
    *locked |= access(full, F_OK) == 0;
}

/* Calls each(e, name, locked) for the entries of a folder below the root. */
static void for_each(struct energy *e, const char *folder, void (*each)(struct energy *, const char *, int *),
                     int *locked)
{
    char full[KERNEL_FILE_LINE];
    snprintf(full, sizeof full, "%s%s", e->root, folder);
    DIR *d = opendir(full);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < 64)
            each(e, entry->d_name, locked);
    if (d)
        closedir(d);
}

static void add_zone(struct energy *e, const char *zone, int *locked)
{
    char name[KERNEL_FILE_LINE];
    struct energy_source s = {.is_power = 0};
    if (!begins(zone, "intel-rapl:") || kernel_file_line(name, e->root, "/sys/class/powercap/%s/name", zone) ||
        !(begins(name, "package") || begins(name, "dram")))
        return;
    snprintf(s.path, sizeof s.path, "/sys/class/powercap/%s/energy_uj", zone);
    s.range = kernel_file_number(0, e->root, "/sys/class/powercap/%s/max_energy_range_uj", zone);
    add(e, &s, locked);
}

static int is_chip(const struct energy *e, const char *chip, const char *kind)
{
    char name[KERNEL_FILE_LINE];
    return kernel_file_line(name, e->root, "/sys/class/hwmon/%s/name", chip) == 0 && strcmp(name, kind) == 0;
}

static void add_sockets(struct energy *e, const char *chip, int *locked)
{
    for (int i = 1, is_of = is_chip(e, chip, "amd_energy"); is_of && i < 1024; i++) {
        char label[KERNEL_FILE_LINE];
        struct energy_source s = {.is_power = 0};
        if (kernel_file_line(label, e->root, "/sys/class/hwmon/%s/energy%d_label", chip, i))
            return;
        snprintf(s.path, sizeof s.path, "/sys/class/hwmon/%s/energy%d_input", chip, i);
        if (begins(label, "Esocket"))
            add(e, &s, locked);
    }
}

static void add_meter(struct energy *e, const char *chip, int *locked)
{
    struct energy_source s = {.is_power = 1};
    snprintf(s.path, sizeof s.path, "/sys/class/hwmon/%s/power1_average", chip);
    if (is_chip(e, chip, "power_meter") && e->n == 0)
        add(e, &s, locked);
}

void energy_open(struct energy *e, const char *root, double now)
{
    int locked = 0;
    *e = (struct energy){.seconds = now};
    snprintf(e->root, sizeof e->root, "%s", root);
    for_each(e, "/sys/class/powercap", add_zone, &locked);
    if (e->n == 0)
        for_each(e, "/sys/class/hwmon", add_sockets, &locked);
    if (e->n == 0) /* once all sockets are known, in whatever order chips stand */
        for_each(e, "/sys/class/hwmon", add_meter, &locked);
    if (e->n == 0)
        e->why =
            locked
                ? "energy is not counted, since only root may read the counters: they could betray what other programs "
                  "compute (CVE-2020-8694)"
                : "energy is not counted, since this machine shows no counters (RAPL in /sys/class/powercap, "
                  "hwmon)";
}

void energy_sample(struct energy *e, double now)
{
    if (now - e->seconds < ENERGY_LEAST)
        return;
    for (int i = 0; i < e->n; i++) {
        struct energy_source *s = &e->source[i];
        double value = kernel_file_number(s->last, e->root, "%s", s->path), more = value - s->last;
        if (s->is_power)
            more = now - e->seconds < ENERGY_GAP ? (value + s->last) / 2 * (now - e->seconds) : 0;
        else if (more < 0)
            more += s->range; /* without a range it was set back: nothing is known of before */
        e->joules += (more > 0 ? more : 0) * 1e-6;
        s->last = value;
    }
    e->seconds = now;
}
