/* See mcp.h. */
#include "cli/common/mcp.h"

#include "mcp/mcp.h"
#include "stoker.h"

#include <stdio.h>

typedef int opening(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err);

static int open_by(opening *opens, const char *command, const char *path, struct mcp_config *config, struct mcp **out)
{
    struct error err = {0};
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
