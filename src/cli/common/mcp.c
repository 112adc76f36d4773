/* See mcp.h. */
#include "cli/common/mcp.h"

#include "mcp/child.h"
#include "mcp/mcp.h"
#include "stoker.h"

#include <signal.h>
#include <stdio.h>

static void on_end(int number)
{
    child_kill_all();
    signal(number, SIG_DFL);
    raise(number);
}

/* Until the command takes its signals itself: with what started them, what servers have started ends too. */
static void catch_ends(void)
{
    static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    const struct sigaction act = {.sa_handler = on_end};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction before;
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(ends[i], &act, NULL);
    }
}

typedef int opening(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err);

static int open_by(opening *opens, const char *command, const char *path, struct mcp_config *config, struct mcp **out)
{
    struct error err = {0};
    catch_ends();
    if (mcp_config_read(config, path, &err) == 0 && opens(out, config, stoker_version(), &err) == 0)
        return 0;
    *out = NULL;
    fprintf(stderr, "stoker %s: --mcp %s\n", command, err.text);
    return err.code == ERR_INPUT ? 2 : 1;
}

int mcp_flag_open(const char *command, const char *path, struct mcp_config *config, struct mcp **out)
{
    return open_by(mcp_open, command, path, config, out);
}

int mcp_flag_start(const char *command, const char *path, struct mcp_config *config, struct mcp **out)
{
    return open_by(mcp_start, command, path, config, out);
}

static int count_allowed(const struct mcp_tools *t, int server)
{
    int n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->tool[i].server == server && t->tool[i].is_allowed;
    return n;
}

int mcp_flag_tell(struct mcp *m, void (*say)(const struct mcp_state *server, int n_allowed))
{
    struct mcp_tools *tools = mcp_tools(m);
    struct mcp_state s;
    int n = 0;
    for (int i = 0; mcp_state(m, i, &s); i++) {
        if (*s.why)
            continue;
        n++;
        if (say)
            say(&s, count_allowed(tools, i));
    }
    mcp_tools_release(tools);
    return n;
}
