/* MCP clients of both eras at POST /mcp of `server`, which has a library with a passage on a stone bridge (chat_server.h). */
#ifndef TESTS_MCP_CLIENT_H
#define TESTS_MCP_CLIENT_H

#include "chat_server.h"

#define V "2026-07-28"
#define META                                                                                                           \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" V                                                      \
    "\",\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define ASK(method, params) "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"method\":\"" method "\",\"params\":{" params "}}"
#define HEADERS(method)     "MCP-Protocol-Version: " V "\r\nMcp-Method: " method "\r\n"
#define FOUND               "\"name\":\"search_library\",\"arguments\":{\"query\":\"stone bridge\"},"

/* want: what the body has; "": it is empty. */
static inline void mcp(const char *what, const char *headers, const char *body, int status, const char *want)
{
    struct client c = {server.port, -1};
    char head[1024];
    int n = snprintf(head, sizeof head, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n%s\r\n",
                     server.port, strlen(body), headers);
    int is_lost = client_connect(&c) || client_send(&c, head, (size_t)n) || client_send(&c, body, strlen(body)) ||
                  client_read(&c, &reply, NULL, NULL) < 0;
    check(!is_lost && reply.status == status && (*want ? strstr(reply.body, want) != NULL : !*reply.body),
          "MCP, %s: %d %s", what, reply.status, reply.body);
    client_close(&c);
}

static inline void mcp_clients_are_answered(void)
{
    static const char call[] = ASK("tools/call", FOUND META), list[] = ASK("tools/list", META),
                      bare[] = ASK("tools/list", ""), named[] = HEADERS("tools/call") "Mcp-Name: search_library\r\n";
    mcp("discover", HEADERS("server/discover"), ASK("server/discover", META), 200, "\"supportedVersions\":[\"" V "\"]");
    mcp("tools", HEADERS("tools/list"), list, 200, "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"result\":{\"resultType\":");
    mcp("a search", named, call, 200, "\"text\":\"[1] ");
    mcp("a search, its name encoded", HEADERS("tools/call") "Mcp-Name: =?base64?c2VhcmNoX2xpYnJhcnk=?=\r\n", call, 200,
        "\"text\":\"[1] ");
    mcp("a name that is no base64", HEADERS("tools/call") "Mcp-Name: =?base64?c2V-?=\r\n", call, 400,
        "\"code\":-32020");
    mcp("no Mcp-Name", HEADERS("tools/call"), call, 400, "\"code\":-32020");
    mcp("another Mcp-Name", HEADERS("tools/call") "Mcp-Name: open_article\r\n", call, 400, "\"code\":-32020");
    mcp("another Mcp-Method", HEADERS("tools/call"), list, 400, "\"code\":-32020");
    mcp("another revision in the header", "MCP-Protocol-Version: 2025-11-25\r\nMcp-Method: tools/list\r\n", list, 400,
        "\"code\":-32020");
    mcp("no _meta", HEADERS("tools/list"), bare, 400, "\"code\":-32602");
    mcp("no such method", HEADERS("no/such"), ASK("no/such", META), 404, "\"code\":-32601");
    mcp("no such tool", HEADERS("tools/call") "Mcp-Name: none\r\n", ASK("tools/call", "\"name\":\"none\"," META), 400,
        "\"code\":-32602");
    mcp("no JSON", "", "{\"jsonrpc\"", 400, "\"id\":null,\"error\":{\"code\":-32700");
    mcp("no message", "", "[]", 400, "\"code\":-32600");
    mcp("nothing", "", "", 400, "\"code\":-32700");
    mcp("another site's page", "Origin: http://evil.example\r\n", list, 403, "origin");
    /* clients of before */
    mcp("initialize", "", ASK("initialize", "\"protocolVersion\":\"2025-11-25\""), 200,
        "\"protocolVersion\":\"2025-11-25\"");
    mcp("initialized", "", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 202, "");
    mcp("their list", "MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: x\r\n", bare, 200,
        "\"result\":{\"tools\":[");
    mcp("their search", "", ASK("tools/call", FOUND "\"x\":1"), 200, "\"content\":[{\"type\":\"text\"");
    mcp("their error", "", ASK("no/such", ""), 200, "\"code\":-32601");
    ask_into(&reply, "/mcp", NULL);
    check(reply.status == 405, "GET /mcp: %d", reply.status);
}

#endif
