/* See flags.h. */
#include "cli/library/flags.h"

#include "cli/common/user_folder.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int library_flags_read(const char *command, const struct text_list *values, const char **dir, struct text_list *names)
{
    static char folder[PATH_MAX];
    int all = 0;
    *dir = NULL;
    names->n = 0;
    for (int i = 0; i < values->n; i++) {
        const char *v = values->text[i];
        if (strchr(v, '/') && *dir) {
            fprintf(stderr, "stoker %s: --library %s: there is one folder already, %s\n", command, v, *dir);
            return 2;
        }
        if (strchr(v, '/'))
            *dir = v;
        else if (strcmp(v, "all") == 0)
            all = 1;
        else
            names->text[names->n++] = v;
    }
    if (all)
        names->n = 0;
    if (!*dir && user_path_of(folder, USER_DATA, "library")) {
        fprintf(stderr, "stoker %s: neither XDG_DATA_HOME nor HOME says where the library is; --library ./FOLDER\n",
                command);
        return 2;
    }
    if (!*dir)
        *dir = folder;
    return 0;
}
