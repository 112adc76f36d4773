/* Servers of a CONFIG, opened and closed by a test that uses cmocka, and the warnings of the log meanwhile. */
#ifndef MCP_SERVERS_H
#define MCP_SERVERS_H

#include "base/error.h"
#include "base/json/buffer.h"
#include "base/log.h"
#include "mcp/config.h"
#include "mcp/mcp.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static char lines[32][480];
static int n_line;

static inline void keep_line(enum log_level level, const char *line)
{
    if (level == LOG_WARN && n_line < 32)
        snprintf(lines[n_line++], sizeof lines[0], "%s", line);
}

static inline int was_said(const char *text)
{
    int n = 0;
    for (int i = 0; i < n_line; i++)
        n += strstr(lines[i], text) != NULL;
    return n;
}

static struct mcp_config config;

/* Of the CONFIG in *text, which is freed; a server may take so long to start. */
static inline struct mcp *open_configured(struct buffer *text, int start_seconds)
{
    struct error err = {0};
    struct mcp *m = NULL;
    assert_int_equal(mcp_config_parse(&config, "C", text->text, text->n, &err), 0);
    config.start_seconds = start_seconds;
    buffer_free(text);
    assert_int_equal(mcp_open(&m, &config, "1", &err), 0);
    return m;
}

static inline void close_all(struct mcp *m)
{
    mcp_close(m);
    mcp_config_free(&config);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

#endif
