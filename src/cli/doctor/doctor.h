/* What stoker doctor looks for: each check adds a sentence for what it found, and nothing where all is well.
 *
 * A sentence says what is so, what it costs, and how to change it. Checks read proc and sys below a root, which is "" on this machine, or
 * a folder with a copy of another's. */
#ifndef CLI_DOCTOR_DOCTOR_H
#define CLI_DOCTOR_DOCTOR_H

#include "base/cpu.h"
#include "machine/modules.h"
#include "stoker.h"

enum { FINDINGS_MOST = 32 };

struct finding {
    const char *name; /* for programs, "governor"; static */
    char text[512];
};

struct findings {
    struct finding list[FINDINGS_MOST];
    int n;
};

/* What is there, whether it slows anything or not. */
struct facts {
    int n_cpu, n_core;              /* that this process may use; n_core 0: the kernel does not say which share one */
    int n_thread;                   /* that read while memory_rate was measured */
    struct memory_modules modules;  /* of this machine */
    double memory_rate, drive_rate; /* bytes a second; 0: not measured */
};

void found(struct findings *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

int findings_have(const struct findings *f, const char *name);

/* 1: other programs, or other machines on the same host, have been found busy: rates that are measured now say little of the machine. */
int findings_are_busy(const struct findings *f);

/* Clocks, cores, quotas, other programs, memory with its modules and pages, from files below root. */
void examine_cores(struct findings *f, const char *root, struct facts *facts);
void examine_memory(struct findings *f, const char *root, struct facts *facts);

/* io_uring: what the kernel says below root, and whether this process is given a ring. */
void examine_kernel(struct findings *f, const char *root);

/* A model that is asked about, and its plan under these options. */
struct subject {
    const char *model;
    const struct stoker_options *options;
    const struct stoker_plan *plan;
};

/* Limits of this process and its cgroup against what all of the model takes; s NULL: against the machine's memory. */
void examine_limits(struct findings *f, const char *root, const struct subject *s);

/* The drive of a model's largest file: its kind, whether it is read past the page cache, how fast, which is a fact where the memory for
 * measuring it is left, and a sentence on stderr where not. -1: the file cannot be opened or read, after a sentence on stderr; what is
 * found of it without reading is found all the same. */
int examine_drive(struct findings *f, const char *root, const char *model, const struct stoker_plan *p,
                  struct facts *facts);

/* Reads memory with all threads for some tenths of a second, a fact; where so much memory is not left, or may not be mapped, a sentence on
 * stderr says so. */
void examine_memory_rate(struct findings *f, struct facts *facts);

/* What is measured, against what it should be. Rates that say nothing, as others were busy or kept cores from us, are no finding. */
void judge_tier(struct findings *f, enum cpu_tier tier);
double memory_rate_least(const struct facts *facts); /* a rate below is a finding */
void judge_memory_rate(struct findings *f, const struct facts *facts);
void judge_drive_rate(struct findings *f, const char *path, const struct stoker_plan *p, double rate);

#endif
