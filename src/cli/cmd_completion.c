/* stoker completion: scripts that teach a shell to complete stoker's command line.
 *
 * The scripts know no command and no flag: they ask the program at hand (stoker --help, stoker COMMAND --help) and read its columns,
 * so that they cannot be wrong about it. A help line is "  --flag, -f VALUE   text": a value stands one blank behind the flag, the
 * text two or more, or behind the value. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <string.h>

static const char usage[] =
    "stoker completion bash|zsh|fish: a script for the shell that completes commands, flags and values.\n\n"
    "  source <(stoker completion bash)                                  in ~/.bashrc\n"
    "  stoker completion zsh >~/.zfunc/_stoker                           a folder of $fpath\n"
    "  stoker completion fish >~/.config/fish/completions/stoker.fish\n\n"
    "make install puts them where the shells look.\n";

/* Of src/cli/completion/, made literals when the program is built. */
static const char bash[] =
#include "cli/completion_bash.h"
    ;
static const char zsh[] =
#include "cli/completion_zsh.h"
    ;
static const char fish[] =
#include "cli/completion_fish.h"
    ;

int cmd_completion(int argc, char **argv)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *shell = NULL;
    int n_rest, status = flags_parse("completion", usage, NULL, 0, argc, argv, &shell, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    for (size_t i = 0; n_rest && i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(shell, scripts[i].shell) == 0) {
            fputs(scripts[i].script, stdout);
            return 0;
        }
    fprintf(stderr, "stoker completion: %s%s%sbash, zsh and fish are possible\n", n_rest ? "\"" : "",
            n_rest ? shell : "name a shell", n_rest ? "\" is not a shell that it knows; " : "; ");
    return 2;
}
