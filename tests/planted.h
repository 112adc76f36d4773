/* Files of proc and sys that a test plants below a folder of its own. */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* root/PATH holds text, with the folders on its way; text NULL: it is a folder, which cannot be read as a file. */
static inline void plant(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root); (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *f = text ? fopen(full, "w") : NULL;
    int failed = text ? !f || fputs(text, f) < 0 : mkdir(full, 0755) != 0;
    if (failed || (f && fclose(f) != 0)) {
        perror(full);
        exit(1);
    }
}

/* A package of RAPL, whose counter stands at so many microjoules; energy NULL: nobody may read it. */
static inline void plant_package(const char *root, const char *energy)
{
    plant(root, "/sys/class/powercap/intel-rapl:0/name", "package-0\n");
    plant(root, "/sys/class/powercap/intel-rapl:0/energy_uj", energy);
}

#endif
