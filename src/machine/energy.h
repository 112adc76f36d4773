/* What this machine's processors and their memory have used, from the counters that the kernel shows: RAPL in /sys/class/powercap, else
 * hwmon. Sources: Documentation/power/powercap and hwmon of the kernel. */
#ifndef MACHINE_ENERGY_H
#define MACHINE_ENERGY_H

enum { ENERGY_SOURCES = 32 };
#define ENERGY_LEAST 0.05 /* seconds between samples: finer ones cost time, and tell what others compute */
#define ENERGY_GAP   10.0 /* seconds behind which what was drawn meanwhile is not known */

struct energy_source {
    char path[160]; /* below the root: a counter of microjoules, or what is drawn now, in microwatts */
    int is_power;
    double range; /* after so many microjoules the counter begins again at 0; 0: never */
    double last;  /* as it was read last */
};

struct energy {
    char root[256];
    struct energy_source source[ENERGY_SOURCES]; /* [n] */
    int n;
    double seconds;  /* clock of the last sample */
    double joules;   /* since energy_open() */
    const char *why; /* n is 0: a sentence why; else NULL. Static */
};

/* root: below which sys is found; "" on a real machine, a folder in tests. now: as below. A machine that shows no counters has none. */
void energy_open(struct energy *e, const char *root, double now);

/* Adds what was used since the last sample, unless that was ENERGY_LEAST ago or less; now: seconds of any clock. A counter that begins
 * again may do so once between two samples: those of processors do after a quarter of an hour and more. What a meter of power drew in a
 * pause of ENERGY_GAP and more is left out. */
void energy_sample(struct energy *e, double now);

#endif
