/* Paths in the user's own folders: see user_folder.h. */
#include "cli/common/user_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void make_folders(char *path)
{
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        mkdir(path, 0700);
        *p = '/';
    }
}

int user_path_of(char out[PATH_MAX], enum user_folder folder, const char *name)
{
    static const char *const variable[] = {"XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"},
                             *const below_home[] = {".local/state", ".cache", ".local/share", ".config"};
    const char *given = getenv(variable[folder]), *home = getenv("HOME");
    int n = given && *given == '/' ? snprintf(out, PATH_MAX, "%s/stoker/%s", given, name)
            : home && *home == '/' ? snprintf(out, PATH_MAX, "%s/%s/stoker/%s", home, below_home[folder], name)
                                   : -1;
    return n < 0 || n >= PATH_MAX ? -1 : 0;
}

int user_path(char out[PATH_MAX], enum user_folder folder, const char *name)
{
    if (user_path_of(out, folder, name))
        return -1;
    make_folders(out);
    return 0;
}
