/* Tools of MCP servers in a conversation (library.md 15): few are told to the model as they are; of many it is told one, search_tools, and
 * calls those that it has found by their own names, held to their own schemas.
 *
 *     shown     search_tools, tools of few tokens           the prompt: constant over a turn, and over conversations
 *     governs   the same, and what searches have found      a name that is neither cannot be written */
#ifndef TOOLBOX_MCP_TOOLS_H
#define TOOLBOX_MCP_TOOLS_H

#include "base/error.h"
#include "mcp/mcp.h"
#include "toolbox/toolbox.h"

enum {
    MCP_ROUNDS = 25,        /* answers of a turn */
    MCP_HITS = 5,           /* tools of a search */
    MCP_FOUND = 64,         /* tools that a conversation can call because it has found them: the newest */
    MCP_SHOWN_TOKENS = 4000 /* tools of more, and of more than a tenth of the context, are searched for */
};

enum mcp_offer { OFFER_NOT, OFFER_SHOWN, OFFER_SEARCHED };

enum mcp_answer {
    MCP_RUN,
    MCP_DECLINED, /* a person said no: the model is told */
    MCP_NOBODY,   /* nobody is there to ask: the model is told */
    MCP_STOP      /* the person wants no more: there is no result */
};

struct mcp_talk_options {
    const char *const *server; /* [n_server] names of those whose tools are offered; 0: all */
    int n_server;
    int only_allowed; /* 1: tools of "allow" alone */
    size_t n_ctx;
    /* Asks a person about a call of a tool that is not in "allow". NULL: MCP_NOBODY. */
    enum mcp_answer (*ask)(void *arg, const struct mcp_tool *tool, const struct toolbox_call *c);
    void (*progress)(void *arg, const struct mcp_tool *tool, const char *text); /* how far a call is; NULL */
    void *arg;
};

/* Of one conversation. Several may have the same servers, each in its thread. */
struct mcp_talk {
    struct mcp *mcp;
    struct mcp_talk_options how;
    struct mcp_tools *tools; /* as they were when it began */
    struct toolbox *box;
    unsigned char *offer;       /* [tools->n] enum mcp_offer */
    size_t n_shown, n_searched; /* tools that the model is told of; those that it can find */
    size_t found[MCP_FOUND];    /* [n_found] of these, by their numbers */
    int n_found;
    size_t hit[MCP_HITS]; /* [n_hit] of the last call, if it was a search */
    int n_hit;
    int is_error; /* the last call's result says that it failed */
    struct json_t *list;
    struct buffer governs;
};

/* -1: *err: there is no such server, by its place in how->server (err.field), or no memory. mcp_talk_end() in any case. */
int mcp_talk_begin(struct mcp_talk *t, struct mcp *m, const struct mcp_talk_options *how, struct error *err);
void mcp_talk_end(struct mcp_talk *t); /* a zeroed one too */

/* Puts the tools into a toolbox, which stays where it is. Those to whose schemas calls cannot be held (box->accepts) are left out, with a
 * line of the log. -1: as toolbox_add(). */
int mcp_talk_join(struct mcp_talk *t, struct toolbox *box, struct error *err);

/* Numbers of the tools that are searched for and fit a question, best first, into out [most]; returns how many. */
size_t mcp_talk_find(const struct mcp_talk *t, const char *query, size_t n, size_t *out, size_t most);

/* 1: a call of this name is one that how->ask is asked about. */
int mcp_talk_asks(const struct mcp_talk *t, const char *name);

/* What the searches of a conversation, a list of messages, have found can be called again. */
void mcp_talk_recall(struct mcp_talk *t, const struct json_t *messages);

#endif
