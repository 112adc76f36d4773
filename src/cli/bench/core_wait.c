/* See core_wait.h. */
#include "cli/bench/core_wait.h"

#include "base/kernel_file.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void core_wait_now(struct core_wait *out, const char *root)
{
    char folder[512], line[KERNEL_FILE_LINE];
    struct dirent *entry;
    *out = (struct core_wait){0};
    if ((size_t)snprintf(folder, sizeof folder, "%s/proc/self/task", root) >= sizeof folder)
        return;
    DIR *tasks = opendir(folder);
    while (tasks && out->n < CORE_WAIT_THREADS && (entry = readdir(tasks))) {
        struct core_wait_thread t = {.id = strtol(entry->d_name, NULL, 10)};
        if (t.id > 0 && kernel_file_line(line, root, "/proc/self/task/%ld/schedstat", t.id) == 0 &&
            sscanf(line, "%" SCNu64 " %" SCNu64, &t.ran, &t.waited) == 2)
            out->thread[out->n++] = t;
    }
    if (tasks)
        closedir(tasks);
}

/* What a thread that began in between has of before: nothing. */
static struct core_wait_thread find(const struct core_wait *in, long id)
{
    for (int i = 0; i < in->n; i++)
        if (in->thread[i].id == id)
            return in->thread[i];
    return (struct core_wait_thread){.id = id};
}

double core_wait_between(const struct core_wait *before, const struct core_wait *after)
{
    uint64_t most = 0, waited = 0;
    if (before->n == 0 || after->n == 0)
        return -1;
    for (int i = 0; i < after->n; i++) {
        const struct core_wait_thread *now = &after->thread[i], then = find(before, now->id);
        if (now->ran - then.ran >= most) {
            most = now->ran - then.ran;
            waited = now->waited - then.waited;
        }
    }
    return (double)waited / 1e9;
}
