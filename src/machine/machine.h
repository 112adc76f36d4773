/* What this machine does in a second, measured with the kernels that a model's steps take: reading memory, products with weights of a
 * block type, attention, recurrent states.
 *
 * Each figure takes some tenths of a second of all threads together, so that cores which share a unit, or a clock that falls under
 * load, are in it; it is the median of several runs, or the best: what the machine does, or what it can do. All figures are of one
 * thread's calls at a time; memory is the machine's own. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "kernel/kernel.h"

struct error;
struct machine;

enum machine_run { MACHINE_MEDIAN, MACHINE_BEST };

/* Bytes that all threads read together, so that caches do not hold them: four times the last-level caches, 256 MiB at least and 1 GiB at
 * most; above 256 MiB no more than half of what this process may take (memory.h). root: "" on a real machine. */
size_t machine_read_bytes(const char *root);

/* What measuring with so many threads maps: machine_read_bytes(), and at least 8 MiB a thread. root: as above. */
size_t machine_bytes(const char *root, int n_threads);

/* Starts the threads and maps the memory. k: the tier that is measured; bytes: what machine_bytes() said, which is not asked again: who
 * looked whether so much is left gets no more. -1 with ERR_INPUT, ERR_MEMORY. */
int machine_open(struct machine **out, const struct kernels *k, int n_threads, size_t bytes, enum machine_run counts,
                 struct error *err);
void machine_close(struct machine *m); /* NULL is fine */

/* From now on a figure is given up, and is 0, as soon as stop(arg) is not: it is asked between runs, of some hundredths of a second, and
 * while memory is filled before them, by the thread that measures. */
void machine_stop_when(struct machine *m, int (*stop)(void *arg), void *arg);

/* Bytes a second from DRAM, each thread reading its part. */
double machine_read_rate(struct machine *m);

/* Weights of type t times rows a second, where weights from DRAM meet n_rows rows each, 1 to MACHINE_ROWS. 0: nothing multiplies with
 * them. */
enum { MACHINE_ROWS = 128 };
double machine_product_rate(struct machine *m, enum block_type t, int n_rows);

/* The same of weights that stay in caches, with MACHINE_ROWS rows. */
double machine_peak_rate(struct machine *m, enum block_type t);

/* Products of scores and of values a second: n_page pages, of keys of d_k and values of d_v each, against ATTN_QUERIES queries, one page
 * after another and again. 0: heads are wider than MACHINE_HEAD. */
enum { MACHINE_HEAD = 1024 };
double machine_attend_rate(struct machine *m, enum kv_type type, int d_k, int d_v, int n_page);

/* Floats of recurrent states x rows a second. */
double machine_state_rate(struct machine *m);

#endif
