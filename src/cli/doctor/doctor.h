/* What stoker doctor looks for: each check adds a sentence for what it found, and nothing where all is well.
 *
 * A sentence says what is so, what it costs, and how to change it. Checks read proc and sys below a root, which is "" on this machine, or
 * a folder with a copy of another's. */
#ifndef CLI_DOCTOR_DOCTOR_H
#define CLI_DOCTOR_DOCTOR_H

#include "stoker.h"

enum { FINDINGS_MOST = 32 };

struct finding {
    const char *name; /* for programs, "governor"; static */
    char text[400];
};

struct findings {
    struct finding list[FINDINGS_MOST];
    int n;
};

void found(struct findings *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* 1: other programs, or other machines on the same host, have been found busy: rates that are measured now say little of the machine. */
int findings_are_busy(const struct findings *f);

/* Clocks, cores, quotas, other programs, memory and its pages, from files below root. */
void examine_cores(struct findings *f, const char *root);
void examine_memory(struct findings *f, const char *root);

/* io_uring: what the kernel says below root, and whether this process is given a ring. */
void examine_kernel(struct findings *f, const char *root);

/* Limits of this process and its cgroup against what the plan takes; p NULL: against the machine's memory. */
void examine_limits(struct findings *f, const char *root, const struct stoker_plan *p);

/* The drive of a model's largest file: its kind, whether it is read past the page cache, how fast. *rate: bytes a second, 0 where it was
 * not measured. -1: the file cannot be opened or read, after a sentence on stderr. */
int examine_drive(struct findings *f, const char *root, const char *model, const struct stoker_plan *p, double *rate);

/* Reads memory with all threads for some tenths of a second: *rate in bytes a second. -1: after a sentence on stderr. */
int examine_memory_rate(struct findings *f, double *rate);

#endif
