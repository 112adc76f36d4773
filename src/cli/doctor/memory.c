/* What holds up memory, and what does not let this process have it: pages, nodes, swap, modules, the rate of reading, limits. Sources:
 * transhuge, numa_balancing and cgroup-v2 of the kernel's Documentation/admin-guide, and setrlimit(2). */
#include "cli/doctor/doctor.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/kernel_file.h"
#include "base/topology.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/machine/left.h"
#include "machine/machine.h"
#include "machine/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Programs read two thirds to four fifths of what modules give, as far as their cores ask for as much: a core reads CORE_READS bytes a
 * second and more where it waits for no other. Below this share of the less of both something is wrong. */
#define SHARE_LEAST 0.5
#define CORE_READS  10e9

/* Below this rate memory is read as one channel is: of DDR4-3200 it moves 25.6 GB/s at best, of which programs see some 20; two channels
 * of the slowest DDR4 are above it. For machines of whose modules nothing is known. */
#define ONE_CHANNEL 22e9

/* One module where the board has slots of further channels. Several channels that are not all filled are not told of: the slots of a second
 * processor that is not there would look the same. */
static void one_channel(struct findings *f, const struct memory_modules *m)
{
    if (m->n_channel == 1 && m->n_channel_there > 1)
        found(f, "memory-channel",
              "only one of %d channels of memory has a module, and answers of a model that fits come at the rate of "
              "memory: put one like it, or one of the others, into slot %s, and they come up to twice as fast",
              m->n_channel_there, m->unused);
}

void examine_memory(struct findings *f, const char *root, struct facts *facts)
{
    char line[KERNEL_FILE_LINE];
    struct topology_set nodes;
    if (!kernel_file_line(line, root, "/sys/kernel/mm/transparent_hugepage/enabled") && strstr(line, "[never]"))
        found(f, "huge-pages",
              "the kernel gives no huge pages, so that weights are read through many more table entries: write madvise "
              "into "
              "/sys/kernel/mm/transparent_hugepage/enabled");
    if (!kernel_file_line(line, root, "/sys/devices/system/node/online") && !topology_parse(line, &nodes) &&
        topology_count(&nodes) > 1 && kernel_file_number(0, root, "/proc/sys/kernel/numa_balancing") == 1)
        found(f, "numa",
              "the kernel moves pages between %d memory nodes while they are used, and stoker has laid them out for "
              "all threads: "
              "sysctl kernel.numa_balancing=0",
              topology_count(&nodes));
    double total = kernel_file_field(0, root, "/proc/meminfo", "SwapTotal"),
           unused = kernel_file_field(total, root, "/proc/meminfo", "SwapFree");
    double memory = kernel_file_field(0, root, "/proc/meminfo", "MemTotal");
    if (total - unused > 0.1 * memory)
        found(f, "swap",
              "%s are swapped out, so memory is short here: end other programs, or lower --memory, since a page from "
              "swap takes longer "
              "than an expert from its file",
              show_bytes((uint64_t)((total - unused) * 1024)));
    modules_read(&facts->modules, root);
    one_channel(f, &facts->modules);
}

/* Where it is not known what the modules give. */
static void judge_by_constant(struct findings *f, const struct memory_modules *m, double rate)
{
    if (m->n_channel > 1)
        found(f, "memory-rate",
              "memory is read at %.1f GB/s, which is what one channel gives, though %d have modules: look in the "
              "firmware's settings how fast they run, and whether channels are read by turns (interleaving)",
              rate / 1e9, m->n_channel);
    else
        found(f, "memory-rate",
              "memory is read at %.1f GB/s, which is what one channel gives, and answers of a model that fits come at "
              "that rate: look whether a second module would fill a second channel",
              rate / 1e9);
}

double memory_rate_least(const struct facts *facts)
{
    double of_cores = SHARE_LEAST * CORE_READS * facts->n_thread, rate = facts->modules.rate;
    return fmin(of_cores, rate > 0 ? SHARE_LEAST * rate : ONE_CHANNEL);
}

void judge_memory_rate(struct findings *f, const struct facts *facts)
{
    const struct memory_modules *m = &facts->modules;
    if (findings_are_busy(f) || findings_have(f, "quota") || facts->memory_rate >= memory_rate_least(facts))
        return;
    if (m->rate <= 0)
        judge_by_constant(f, m, facts->memory_rate);
    else
        found(f, "memory-rate",
              "memory is read at %.1f GB/s, %.0f %% of the %.1f that its modules give, and answers of a model that "
              "fits come at that rate: %s",
              facts->memory_rate / 1e9, 100 * facts->memory_rate / m->rate, m->rate / 1e9,
              m->n_channel ? "look in the firmware's settings whether channels are read by turns (interleaving), and "
                             "how fast memory runs"
                           : "look whether both modules are in slots of one channel");
}

void examine_memory_rate(struct findings *f, struct facts *facts)
{
    struct machine *m;
    struct error err = {0};
    facts->n_thread = cpu_compute_threads();
    size_t bytes = machine_bytes("", facts->n_thread);
    if (!left_for_measuring(bytes, "the rate of memory"))
        return;
    if (machine_open(&m, kernels_for(cpu_best_tier()), facts->n_thread, bytes, MACHINE_MEDIAN, &err)) {
        fprintf(stderr, "stoker: the rate of memory is not measured: %s\n", err.text);
        return;
    }
    facts->memory_rate = machine_read_rate(m);
    machine_close(m);
    judge_memory_rate(f, facts);
}

/* Tokens a second of answers that a plan of so much memory, above 0, predicts; 0: there is none. */
static double predicted(const struct subject *s, uint64_t memory)
{
    struct stoker_options o = *s->options;
    struct stoker_plan p;
    struct stoker_error none;
    o.memory = memory;
    return memory == 0 || stoker_plan(&p, s->model, &o, &none) ? 0 : p.n_parallel / p.step_seconds;
}

/* "; predicted are 3.1 tokens/s within it, and 12.5 with all of that", or "". */
static const char *worth(const struct subject *s, uint64_t limit, char *out, size_t n)
{
    double within = s ? predicted(s, limit) : 0, whole = s ? predicted(s, s->plan->whole) : 0;
    out[0] = 0;
    if (whole > 0 && within > 0)
        snprintf(out, n, "; predicted are %.*f tokens/s within it, and %.*f with all of that", predicted_digits(within),
                 within, predicted_digits(whole), whole);
    else if (whole > 0)
        snprintf(out, n, "; the model does not run within it");
    return out;
}

/* What is wanted, by whom, and what for in words. */
struct wanted {
    const struct subject *subject;
    uint64_t bytes;
    const char *words;
};

/* what: "the address space (ulimit -v)". */
static void process_limit(struct findings *f, const char *name, uint64_t limit, const char *what,
                          const struct wanted *w)
{
    char is_worth[120];
    if (limit < w->bytes)
        found(f, name, "%s is limited to %s, and %s %s%s: raise that limit, or pass --memory with less", what,
              show_bytes(limit), w->words, show_bytes(w->bytes), worth(w->subject, limit, is_worth, sizeof is_worth));
}

void examine_limits(struct findings *f, const char *root, const struct subject *s)
{
    uint64_t total = (uint64_t)kernel_file_field(0, root, "/proc/meminfo", "MemTotal") * 1024;
    /* Without a model: a limit that takes more than half of the machine is worth a word. */
    const struct wanted wanted = {s, s ? s->plan->whole < total ? s->plan->whole : total : total / 2,
                                  s ? "to stream nothing the model takes" : "half of this machine's memory is"};
    struct rlimit space, data;
    uint64_t most = machine_limit(root), slows = machine_slow_limit(root);
    process_limit(f, "cgroup", slows,
                  slows < most ? "memory of the cgroup before the kernel slows it (memory.high, MemoryHigh= of systemd)"
                               : "memory of the cgroup (memory.max, docker --memory)",
                  &wanted);
    if (!*root && !getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY)
        process_limit(f, "ulimit", space.rlim_cur, "the address space (ulimit -v)", &wanted);
    if (!*root && !getrlimit(RLIMIT_DATA, &data) && data.rlim_cur != RLIM_INFINITY)
        process_limit(f, "ulimit", data.rlim_cur, "data (ulimit -d)", &wanted);
}
