/* What stoker tune tries: values of settings that change no bit of an answer, in the order in which they are measured. */
#ifndef CLI_TUNE_VALUES_H
#define CLI_TUNE_VALUES_H

#include "base/topology.h"
#include "cli/common/profile.h"

enum { TUNE_VALUES_MOST = 64 };

struct tune_value {
    int setting;              /* index of profile_setting[] */
    char text[PROFILE_VALUE]; /* "": the default */
};

struct tune_values {
    struct tune_value value[TUNE_VALUES_MOST];
    int n;
};

/* What they depend on. */
struct tune_case {
    const struct profile *old;          /* the one that is there, or one that sets nothing */
    const char *root;                   /* sys is read below it */
    const struct topology_set *allowed; /* CPUs that may be used */
    int most_threads;                   /* of them, within a quota of processor time */
    int n_threads, n_chunk;             /* the defaults */
    double spin_ms;                     /* likewise */
    int streams;                        /* 1: experts are read from disk */
    int prompt, most_prompt;            /* tokens of a run's prompt, and of the longest one */
};

/* What the old profile sets is left out by turns, as far as it was taken: the whole of it may be faster for one of its values. Threads: one
 * a CPU, which are two a core on many machines; one a core, without siblings; fewer; one. The default is in none of the lists. */
void tune_list_values(struct tune_values *out, const struct tune_case *c);

/* Behind all others, the numbers of threads beside one that was taken, as far as they were not listed. */
void tune_add_beside(struct tune_values *v, const struct tune_case *c, int n_threads);

/* 1: nothing is seen of a chunk of so many rows, as text: a prompt has less; or a run has a shorter prompt than it could, which takes one
 * chunk where the longest ones take several. */
int tune_is_unseen(const char *chunk, const struct tune_case *c);

#endif
