/* See servers.h. */
#include "cli/chat/servers.h"

#include "base/utf8.h"
#include "cli/chat/line_editor.h"
#include "cli/common/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A result as it comes, as JSON and as text. */
enum { COPIES = 3 };

/* ---- starting ------------------------------------------------------------------------------------------ */

static void name_server(const struct mcp_state *server, int n_allowed)
{
    (void)n_allowed; /* of the others a person is asked */
    fprintf(stderr, "MCP server %s: %d tool%s\n", server->name, server->n_tool, server->n_tool == 1 ? "" : "s");
}

int servers_open(struct cli_servers *s, const char *path)
{
    *s = (struct cli_servers){.quiet = s->quiet};
    int status = mcp_flag_open("run", path, &s->config, &s->mcp);
    if (status != 0)
        return status;
    if (mcp_flag_tell(s->mcp, s->quiet ? NULL : name_server) == 0)
        fprintf(stderr, "stoker: no MCP server of %s works; stoker goes on without their tools\n", path);
    progress_begin(&s->shown, "", PROGRESS_ITEMS, 0);
    return 0;
}

void servers_close(struct cli_servers *s)
{
    servers_leave(s);
    mcp_close(s->mcp);
    mcp_config_free(&s->config);
    for (int i = 0; i < s->n_approved; i++)
        free(s->approved[i].own);
    free(s->approved);
    *s = (struct cli_servers){.quiet = s->quiet};
}

uint64_t servers_memory(const struct cli_servers *s)
{
    return s->mcp ? mcp_kept_bytes(s->mcp) + COPIES * (uint64_t)MESSAGE_MOST : 0;
}

/* ---- who is asked -------------------------------------------------------------------------------------- */

static int is_approved(const struct cli_servers *s, const struct mcp_tool *tool)
{
    for (int i = 0; i < s->n_approved; i++) {
        const struct approved *a = &s->approved[i];
        if (a->server == tool->server && a->n == tool->own.n && memcmp(a->own, tool->own.text, a->n) == 0)
            return 1;
    }
    return 0;
}

/* Without memory it is asked about again. */
static void approve(struct cli_servers *s, const struct mcp_tool *tool)
{
    struct approved *grown = realloc(s->approved, (size_t)(s->n_approved + 1) * sizeof *grown);
    char *own = malloc(tool->own.n + 1);
    s->approved = grown ? grown : s->approved;
    if (!grown || !own) {
        free(own);
        return;
    }
    memcpy(own, tool->own.text, tool->own.n);
    s->approved[s->n_approved++] = (struct approved){tool->server, own, tool->own.n};
}

static int is_one_of(const char *answer, const char *letter, const char *word)
{
    return strcmp(answer, letter) == 0 || strcmp(answer, word) == 0;
}

static enum mcp_answer ask(void *arg, const struct mcp_tool *tool, const struct toolbox_call *c)
{
    struct cli_servers *s = arg;
    enum mcp_answer may = MCP_DECLINED;
    (void)c;                                                         /* it has been shown */
    if (s->quiet || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) /* which shows the call */
        return MCP_NOBODY;
    if (is_approved(s, tool))
        return MCP_RUN;
    tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before was no answer to this */
    char *answer = line_ask("run it? [y/always/N] ");
    if (!answer) {
        s->was_left = 1;
        return MCP_STOP;
    }
    if (is_one_of(answer, "a", "always"))
        approve(s, tool);
    if (is_one_of(answer, "y", "yes") || is_one_of(answer, "a", "always"))
        may = MCP_RUN;
    free(answer);
    return may;
}

/* The server wrote text. */
static void show_progress(void *arg, const struct mcp_tool *tool, const char *text)
{
    struct cli_servers *s = arg;
    char line[MCP_NAME + 240];
    snprintf(line, sizeof line, "%s: %s", tool->name, text);
    utf8_make_plain(line);
    if (!s->quiet)
        progress_say(&s->shown, line);
}

/* ---- a conversation ------------------------------------------------------------------------------------ */

int servers_join(struct cli_servers *s, struct toolbox *box, size_t n_ctx)
{
    struct error err = {0};
    const struct mcp_talk_options how = {.n_ctx = n_ctx, .ask = ask, .progress = show_progress, .arg = s};
    int failed = mcp_talk_begin(&s->talk, s->mcp, &how, &err);
    if (!failed && s->talk.n_shown + s->talk.n_searched > 0)
        failed = mcp_talk_join(&s->talk, box, &err);
    if (!failed)
        return 0;
    fprintf(stderr, "stoker run: %s\n", err.text);
    servers_leave(s);
    return err.code == ERR_INPUT ? 2 : 1;
}

void servers_leave(struct cli_servers *s) { mcp_talk_end(&s->talk); }
