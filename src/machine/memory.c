/* MemAvailable, and what the cgroups above us leave: see memory.h.
 *
 *     limit = min over our cgroup and its ancestors of  v2: min(memory.max, memory.high), v1: memory.limit_in_bytes
 *     usable = min( MemAvailable, min over those of (limit - current + inactive file pages) ) + own VmRSS
 *     M      = usable - max(256 MiB, usable / 16)
 *
 * Files that are missing or unreadable mean "no limit". Read once: never a control loop. */
#include "machine/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 1024 };
#define NO_LIMIT (UINT64_C(1) << 60)

static int open_text(FILE **f, const char *root, const char *path)
{
    char full[PATH];
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return 0;
    *f = fopen(full, "r");
    return *f != NULL;
}

/* One number of a file that holds nothing else; "max" and absence are no limit. */
static uint64_t read_number(const char *root, const char *dir, const char *name, uint64_t absent)
{
    char path[PATH], text[64];
    FILE *f;
    uint64_t v = absent;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path || !open_text(&f, root, path))
        return absent;
    if (fgets(text, sizeof text, f) && text[0] >= '0' && text[0] <= '9')
        v = strtoull(text, NULL, 10);
    fclose(f);
    return v < NO_LIMIT ? v : absent;
}

/* "key value" of a file of such lines; scale: 1024 for kB. */
static uint64_t read_field(const char *root, const char *path, const char *key, uint64_t scale, uint64_t absent)
{
    char line[256];
    FILE *f;
    uint64_t v = absent;
    size_t n = strlen(key);
    if (!open_text(&f, root, path))
        return absent;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0 && (line[n] == ':' || line[n] == ' ')) {
            v = strtoull(line + n + 1, NULL, 10) * scale;
            break;
        }
    fclose(f);
    return v;
}

/* What one cgroup may hold; NO_LIMIT where it does not limit. */
static uint64_t group_limit(const char *root, const char *dir, int v2)
{
    return read_number(root, dir, v2 ? "memory.max" : "memory.limit_in_bytes", NO_LIMIT);
}

/* What it may hold before it is slowed down. */
static uint64_t group_slow_limit(const char *root, const char *dir, int v2)
{
    uint64_t limit = group_limit(root, dir, v2), high = v2 ? read_number(root, dir, "memory.high", NO_LIMIT) : NO_LIMIT;
    return high < limit ? high : limit;
}

/* What it leaves us. */
static uint64_t group_available(const char *root, const char *dir, int v2)
{
    uint64_t limit = group_slow_limit(root, dir, v2);
    if (limit >= NO_LIMIT)
        return NO_LIMIT;
    char stat[PATH + 16];
    snprintf(stat, sizeof stat, "%s/memory.stat", dir);
    uint64_t current = read_number(root, dir, v2 ? "memory.current" : "memory.usage_in_bytes", 0);
    uint64_t file = read_field(root, stat, v2 ? "inactive_file" : "total_inactive_file", 1, 0);
    uint64_t used = current > file ? current - file : 0;
    return limit > used ? limit - used : 0;
}

typedef uint64_t group_figure(const char *root, const char *dir, int v2);

/* The least of the group and its ancestors, up to the mount. */
static uint64_t tree_least(group_figure *of, const char *root, const char *mount, const char *group, int v2)
{
    char dir[PATH];
    uint64_t least = NO_LIMIT;
    if (snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir)
        return least;
    for (;;) {
        uint64_t x = of(root, dir, v2);
        least = x < least ? x : least;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < strlen(mount))
            return least;
        *slash = 0;
    }
}

/* Where no file says which group we are in: a limit at the mount, which only a container has there, is over us all the same. */
static uint64_t cgroup_least(group_figure *of, const char *root)
{
    char line[PATH];
    FILE *f;
    uint64_t least = NO_LIMIT;
    if (!open_text(&f, root, "/proc/self/cgroup"))
        return of(root, "/sys/fs/cgroup", 1);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *hierarchy = strchr(line, ':'), *group = hierarchy ? strchr(hierarchy + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        int v2 = hierarchy[1] == 0;
        if (!v2 && !strstr(hierarchy + 1, "memory"))
            continue;
        if (strcmp(group, "/") == 0)
            group = "";
        uint64_t x = tree_least(of, root, v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory", group, v2);
        least = x < least ? x : least;
    }
    fclose(f);
    return least;
}

uint64_t machine_limit(const char *root) { return cgroup_least(group_limit, root); }

uint64_t machine_slow_limit(const char *root) { return cgroup_least(group_slow_limit, root); }

uint64_t machine_memory(const char *root, const char **from)
{
    uint64_t available = read_field(root, "/proc/meminfo", "MemAvailable", 1024, UINT64_C(1) << 32);
    uint64_t group = cgroup_least(group_available, root), usable = group < available ? group : available;
    *from = group < available ? "cgroup" : "available";
    usable += read_field(root, "/proc/self/status", "VmRSS", 1024, 0);
    uint64_t keep = usable / 16 > (UINT64_C(256) << 20) ? usable / 16 : UINT64_C(256) << 20;
    return usable > keep ? usable - keep : 0;
}
