/* What holds up the cores: clocks, power, quotas, masks, other programs. Sources: cpu-freq, pressure and cgroup-v2 of the kernel's
 * Documentation/admin-guide, and proc_stat(5). */
#include "cli/doctor/doctor.h"

#include "base/cpu.h"
#include "base/kernel_file.h"
#include "base/topology.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A word of a CPU's clock; "" where the kernel does not say. */
static void clock_word(char word[KERNEL_FILE_LINE], const char *root, int cpu, const char *file)
{
    if (kernel_file_line(word, root, "/sys/devices/system/cpu/cpu%d/cpufreq/%s", cpu, file))
        word[0] = 0;
}

/* In kHz; 0 where the kernel does not say. */
static double clock_number(const char *root, int cpu, const char *file)
{
    return kernel_file_number(0, root, "/sys/devices/system/cpu/cpu%d/cpufreq/%s", cpu, file);
}

/* " of 0.8 GHz, where it has 4.8", or "". */
static const char *lowest_clock(const char *root, int cpu, char *out, size_t n)
{
    double least = clock_number(root, cpu, "cpuinfo_min_freq"), most = clock_number(root, cpu, "cpuinfo_max_freq");
    out[0] = 0;
    if (least > 0 && least < most)
        snprintf(out, n, " of %.1f GHz, where it has %.1f", least / 1e6, most / 1e6);
    return out;
}

/* Whether a CPU's governor saves power where its driver takes that word to mean the lowest clock; the drivers that choose clocks by
 * themselves do not. */
static int governor_saves(struct findings *f, const char *root, int cpu)
{
    char word[KERNEL_FILE_LINE], driver[KERNEL_FILE_LINE], preference[KERNEL_FILE_LINE], clock[80];
    clock_word(word, root, cpu, "scaling_governor");
    clock_word(driver, root, cpu, "scaling_driver");
    clock_word(preference, root, cpu, "energy_performance_preference");
    int own = strcmp(driver, "intel_pstate") == 0 || strcmp(driver, "amd-pstate-epp") == 0;
    if (strcmp(word, "powersave") == 0 && !own) {
        found(f, "governor",
              "the governor of CPU %d is powersave, which keeps it at its lowest clock%s: choose another one, for "
              "example with cpupower frequency-set -g performance",
              cpu, lowest_clock(root, cpu, clock, sizeof clock));
        return 1;
    }
    if (*word && own && strcmp(preference, "power") == 0) {
        found(f, "governor",
              "CPU %d prefers saving power to speed: write balance_performance into its "
              "energy_performance_preference, or choose another profile with powerprofilesctl",
              cpu);
        return 1;
    }
    return 0;
}

static int clock_is_limited(struct findings *f, const char *root, int cpu)
{
    double most = clock_number(root, cpu, "cpuinfo_max_freq"), may = clock_number(root, cpu, "scaling_max_freq");
    if (may <= 0 || may >= 0.9 * most)
        return 0;
    found(f, "clock",
          "the clock of CPU %d is limited to %.1f of %.1f GHz, and prompts are read at that share: raise "
          "scaling_max_freq, for example with cpupower frequency-set -u %.0f",
          cpu, may / 1e6, most / 1e6, most);
    return 1;
}

/* The first CPU that check finds something of: the others are alike, or wait for it. */
static void first_of(struct findings *f, const char *root, const struct topology_set *online,
                     int (*check)(struct findings *f, const char *root, int cpu))
{
    for (int cpu = 0; cpu < TOPOLOGY_CPUS; cpu++)
        if (topology_has(online, cpu) && check(f, root, cpu))
            return;
}

static void boost(struct findings *f, const char *root)
{
    if (kernel_file_number(0, root, "/sys/devices/system/cpu/intel_pstate/no_turbo") == 1 ||
        kernel_file_number(1, root, "/sys/devices/system/cpu/cpufreq/boost") == 0)
        found(f, "boost",
              "the CPU may not raise its clock above the nominal one: write 0 into intel_pstate/no_turbo, or 1 into "
              "cpufreq/boost, below /sys/devices/system/cpu");
}

static void battery(struct findings *f, const char *root)
{
    char folder[KERNEL_FILE_LINE], status[KERNEL_FILE_LINE];
    snprintf(folder, sizeof folder, "%s/sys/class/power_supply", root);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char scope[KERNEL_FILE_LINE];
        int of_device = !kernel_file_line(scope, root, "/sys/class/power_supply/%s/scope", e->d_name) &&
                        strcmp(scope, "Device") == 0; /* of a mouse */
        if (e->d_name[0] != '.' && !of_device &&
            !kernel_file_line(status, root, "/sys/class/power_supply/%s/status", e->d_name) &&
            strcmp(status, "Discharging") == 0) {
            found(f, "battery", "this machine runs on its battery, where most limit their clocks: plug it in");
            break;
        }
    }
    if (d)
        closedir(d);
}

static void quota(struct findings *f, const char *root, int online)
{
    double granted = cpu_quota(root);
    if (granted > 0 && granted < online)
        found(f, "quota",
              "the cgroup grants %.1f of %d CPUs: raise cpu.max (docker --cpus, CPUQuota= of systemd), since threads "
              "that have used up theirs stand still",
              granted, online);
}

/* CPUs that this process may use; of a copy of files, the process that they are of. */
static void read_allowed(struct topology_set *out, const char *root, const struct topology_set *online)
{
    char line[KERNEL_FILE_LINE];
    if (!*root)
        topology_allowed(out);
    else if (kernel_file_text(line, root, "/proc/self/status", "Cpus_allowed_list") || topology_parse(line, out) ||
             !topology_count(out))
        *out = *online;
}

static void mask(struct findings *f, int n, int online)
{
    if (n < online)
        found(f, "mask", "this process may use %d of %d CPUs: widen its mask (taskset, cpuset of the container)", n,
              online);
}

/* The first `most` numbers of a set, with commas between them, as far as they fit. */
static void list_of(const struct topology_set *s, int most, char *out, size_t n)
{
    size_t at = 0;
    for (int i = 0; i < TOPOLOGY_CPUS && most > 0; i++)
        if (topology_has(s, i) && at + sizeof ",4095,..." < n) {
            at += (size_t)snprintf(out + at, n - at, "%s%d", at ? "," : "", i);
            most--;
        } else if (topology_has(s, i)) {
            snprintf(out + at, n - at, ",...");
            return;
        }
}

/* Hardware threads that share a core share its multipliers, so stoker computes with one of each. That is no fault, unless a mask grants
 * siblings where it could grant cores. */
static void siblings(struct findings *f, const char *root, const struct topology_set *allowed,
                     const struct topology_set *online, struct facts *facts)
{
    struct topology_set ours, all;
    char line[KERNEL_FILE_LINE], list[96];
    facts->n_cpu = topology_count(allowed);
    int n = topology_cores(root, allowed, &ours), n_all = topology_cores(root, online, &all), has = 0;
    for (int i = 0; i < TOPOLOGY_CPUS && !has; i++)
        has = topology_has(allowed, i) &&
              !kernel_file_line(line, root, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
    facts->n_core = has ? n : 0;
    if (n == facts->n_cpu || n == n_all)
        return;
    int n_could = n_all < facts->n_cpu ? n_all : facts->n_cpu;
    list_of(&all, n_could, list, sizeof list);
    found(f, "smt",
          "the %d CPUs that this process may use are %d core%s, and threads of one core share what multiplies: grant "
          "it CPUs of %d cores (taskset -c %s, docker --cpuset-cpus), and prompts are read up to %.3g times as fast",
          facts->n_cpu, n, n == 1 ? "" : "s", n_could, list, (double)n_could / n);
}

struct times {
    double steal, all;
};

static struct times read_times(const char *root)
{
    char line[KERNEL_FILE_LINE];
    double t[8] = {0};
    struct times sum = {0};
    if (!kernel_file_line(line, root, "/proc/stat") && sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1],
                                                              &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) == 8)
        for (int i = 0; i < 8; i++)
            sum.all += t[i];
    sum.steal = t[7];
    return sum;
}

/* A share in percent, whatever files say. */
static double percent(double share) { return share > 1 ? 100 : share > 0 ? 100 * share : 0; }

/* Time that the hypervisor gave to others: within a second from now; since the start, in a copy of files, which stands still. */
static void steal(struct findings *f, const char *root)
{
    struct times before = read_times(root), now;
    if (!*root)
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    now = read_times(root);
    double all = now.all - before.all, gone = now.steal - before.steal;
    if (all == 0) {
        all = now.all;
        gone = now.steal;
    }
    if (all > 0 && gone / all > 0.02)
        found(f, "steal",
              "other virtual machines take %.0f %% of this one's time: ask for a machine with cores of its own, since "
              "steps wait for the slowest thread",
              percent(gone / all));
}

/* Shares of the last minute in which something waited. */
static void pressure(struct findings *f, const char *root)
{
    static const struct {
        const char *file, *what;
        double most;
    } kinds[] = {
        {"cpu", "for a core, as other programs compute: end them, or give stoker fewer threads (--threads)", 15},
        {"io", "for drives that other programs use too: put the model on another one", 15},
        {"memory", "for memory, which the kernel takes from caches and swap: lower --memory, or end other programs",
         5}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char line[KERNEL_FILE_LINE];
        double share;
        const char *at;
        if (!kernel_file_line(line, root, "/proc/pressure/%s", kinds[i].file) && (at = strstr(line, "avg60=")) &&
            sscanf(at, "avg60=%lf", &share) == 1 && share > kinds[i].most)
            found(f,
                  i == 0   ? "busy"
                  : i == 1 ? "busy-drive"
                           : "busy-memory",
                  "in %.0f %% of the last minute some program waited %s", percent(share / 100), kinds[i].what);
    }
}

void judge_tier(struct findings *f, enum cpu_tier tier)
{
    if (tier == TIER_SCALAR)
        found(f, "tier",
              "this CPU has none of the instructions that stoker has kernels for (AVX2, or NEON with dot products), "
              "and computes 10 to 40 times as slowly as one that has them");
}

void examine_cores(struct findings *f, const char *root, struct facts *facts)
{
    struct topology_set set = {{0}}, allowed;
    char line[KERNEL_FILE_LINE];
    if (!kernel_file_line(line, root, "/sys/devices/system/cpu/online") && topology_parse(line, &set))
        set = (struct topology_set){{0}};
    int online = topology_count(&set);
    if (!online)
        topology_parse("0", &set); /* nobody says which there are */
    first_of(f, root, &set, governor_saves);
    first_of(f, root, &set, clock_is_limited);
    boost(f, root);
    battery(f, root);
    quota(f, root, online);
    read_allowed(&allowed, root, &set);
    mask(f, topology_count(&allowed), online);
    siblings(f, root, &allowed, &set, facts);
    if (!*root)
        judge_tier(f, cpu_best_tier());
    steal(f, root);
    pressure(f, root);
}
