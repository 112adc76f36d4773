/* How the cores of this machine differ: which share a core (SMT), which are slow (hybrid CPUs), which memory node is near; their caches.
 *
 * Read from /sys, below a root that tests may set. What the kernel does not say is taken as: a core of its own, as fast as the others, on
 * one node. */
#ifndef BASE_TOPOLOGY_H
#define BASE_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

enum { TOPOLOGY_CPUS = 4096, TOPOLOGY_NODES = 64 };

/* One bit a CPU, or a node. */
struct topology_set {
    unsigned char bit[TOPOLOGY_CPUS / 8];
};
int topology_has(const struct topology_set *s, int i);
int topology_count(const struct topology_set *s);

/* CPUs that this process may run on; where the kernel does not tell, the first. */
void topology_allowed(struct topology_set *out);

/* Cores of the CPUs of `allowed`, slow ones too; those that share one (SMT) count once. */
int topology_cores(const char *root, const struct topology_set *allowed);

/* Threads that compute best on the CPUs of `allowed`: one for each core that is not one of a hybrid CPU's slow ones; where all allowed
 * ones are slow, one for each of them. At least 1. Work is split into equal shares, so a slow core would hold up all others, and products
 * of one thread fill a core's multipliers. root: "" for this machine. */
int topology_compute_threads(const char *root, const struct topology_set *allowed);

/* Bytes of the last-level caches of the CPUs of `allowed`, together; 0: nobody says. */
uint64_t topology_cache_bytes(const char *root, const struct topology_set *allowed);

/* Nodes that have memory and a CPU of `allowed`. Returns how many there are; 0: nobody says. */
int topology_memory_nodes(const char *root, const struct topology_set *allowed, struct topology_set *out);

/* Lays the pages of [p, p + n), which nobody has touched yet, on these nodes by turns, so that threads of all nodes read with the rate of
 * all of them. Leaves them alone where the process has a memory policy, as numactl sets it. 0; -1: the kernel does not, which is no
 * failure. p is at the start of a page. */
int topology_interleave(void *p, size_t n, const struct topology_set *nodes);

/* A list of numbers as the kernel writes it, "0-3,8,10-11": -1 where it is none, or names one that is too large. */
int topology_parse(const char *list, struct topology_set *out);

#endif
