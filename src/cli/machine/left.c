/* See left.h. */
#include "cli/machine/left.h"

#include "cli/common/flags.h"
#include "stoker.h"

#include <stdio.h>
#include <string.h>

int left_for_measuring(uint64_t bytes, const char *what)
{
    const char *from;
    uint64_t left = stoker_memory_left(&from);
    int is_group = strcmp(from, "cgroup") == 0;
    if (left > bytes)
        return 1;
    fprintf(stderr, "stoker: %s is not measured, since that takes %s of memory, and %s %s beside a reserve: %s\n", what,
            show_bytes(bytes), is_group ? "the cgroup leaves" : "this machine has left", show_bytes(left),
            is_group ? "raise its limit" : "end other programs");
    return 0;
}
