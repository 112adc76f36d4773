/* Folders that belong to the user: where the XDG Base Directory Specification (freedesktop.org, 0.8) has them. */
#ifndef CLI_COMMON_USER_FOLDER_H
#define CLI_COMMON_USER_FOLDER_H

#include <limits.h>

enum user_folder {
    USER_STATE, /* $XDG_STATE_HOME/stoker, else ~/.local/state/stoker: what a person would miss */
    USER_CACHE, /* $XDG_CACHE_HOME/stoker, else ~/.cache/stoker: what can be computed again */
    USER_DATA,  /* $XDG_DATA_HOME/stoker, else ~/.local/share/stoker: what was added to the library */
    USER_CONFIG /* $XDG_CONFIG_HOME/stoker, else ~/.config/stoker: what a person wrote, and what tune found */
};

/* The path of `name` in it; name may have folders of its own. All folders before its last slash are made, for the user alone, as far as
 * they can be. -1: neither variable is set, or the path is too long; *out is undefined. */
int user_path(char out[PATH_MAX], enum user_folder folder, const char *name);
/* The same without making anything. */
int user_path_of(char out[PATH_MAX], enum user_folder folder, const char *name);

#endif
