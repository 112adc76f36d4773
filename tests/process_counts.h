/* What another process has: descriptors, threads, and processes that it has started, those of these included. Of Linux's /proc. */
#ifndef TESTS_PROCESS_COUNTS_H
#define TESTS_PROCESS_COUNTS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

struct process_counts {
    int n_descriptor, n_thread, n_process;
};

enum { PROCESSES_LISTED = 16384 };

/* Entries of a folder of /proc/PID. */
static inline int count_entries(int pid, const char *name)
{
    char path[64];
    struct dirent *e;
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    DIR *d = opendir(path);
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* Of all processes of the system, also of those that have ended and that nobody waited for: their numbers, and their parents'. */
static inline int list_processes(int pid[], int parent[])
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int n = 0;
    while (d && n < PROCESSES_LISTED && (e = readdir(d))) {
        char path[64];
        pid[n] = atoi(e->d_name);
        snprintf(path, sizeof path, "/proc/%d/stat", pid[n]);
        FILE *f = pid[n] > 0 ? fopen(path, "r") : NULL;
        n += f && fscanf(f, "%*d (%*[^)]) %*c %d", &parent[n]) == 1;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return n;
}

/* Numbers of the processes below this one, into out [most]; how many there are. One thread at a time. */
static inline int processes_below(int root, int *out, int most)
{
    static int pid[PROCESSES_LISTED], parent[PROCESSES_LISTED];
    int n_all = list_processes(pid, parent), n = 0;
    for (int at = -1; at < n; at++) /* the children of the root, and then of each that was found */
        for (int i = 0; i < n_all && n < most; i++)
            if (parent[i] == (at < 0 ? root : out[at]))
                out[n++] = pid[i];
    return n;
}

static inline struct process_counts count_process(int pid)
{
    static int below[PROCESSES_LISTED];
    return (struct process_counts){count_entries(pid, "fd"), count_entries(pid, "task"),
                                   processes_below(pid, below, PROCESSES_LISTED)};
}

#endif
