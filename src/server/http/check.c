/* Who may ask: Host, Origin, keys (server.md, part 2). Pages of other sites run in the user's browser, on the user's machine: loopback
 * alone does not keep them out. */
#include "base/sha256.h"
#include "server/http/inside.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* A Host value without its port: "[::1]:80" -> "[::1]". */
static size_t host_size(const char *host)
{
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    return bracket ? (size_t)(bracket - host) + 1 : strcspn(host, ":");
}

static int is_host(const char *host, size_t n, const char *name)
{
    size_t k = strlen(name);
    if (k == n && strncasecmp(host, name, n) == 0)
        return 1;
    return n == k + 2 && host[0] == '[' && strncasecmp(host + 1, name, k) == 0; /* --host ::1 */
}

/* "192.168.1.5", "[fe80::1]". */
static int is_address(const char *host, size_t n)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    int six = *host == '[';
    if (six && n >= 2)
        n -= 2;
    if (n >= sizeof text)
        return 0;
    memcpy(text, host + six, n);
    text[n] = 0;
    return inet_pton(six ? AF_INET6 : AF_INET, text, address) == 1;
}

/* A page of another site can have its own name lead to this server (DNS rebinding); it then asks with that name as Host. It cannot do
 * so with an address. */
int http_check_host(const struct http_app *app, const struct http_head *h, struct refusal *r)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    if ((!app->loopback && app->n_key) || !h->host)
        return 0;
    size_t n = host_size(h->host);
    if (!app->loopback && is_address(h->host, n))
        return 0;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (is_host(h->host, n, local[i]))
            return 0;
    if (is_host(h->host, n, app->host))
        return 0;
    for (size_t i = 0; i < app->allow_host.n; i++)
        if (is_host(h->host, n, app->allow_host.text[i]))
            return 0;
    return refuse(r, 403, "host_not_allowed", NULL,
                  "Host \"%.100s\" is not a name of this server; start it with --allow-host to allow it", h->host);
}

int http_check_origin(const struct http_app *app, const struct http_head *h, int is_framed, const char **cors,
                      struct refusal *r)
{
    const char *origin = http_head_field(h, "origin");
    *cors = NULL;
    if (!origin)
        return 0;
    for (size_t i = 0; i < app->cors.n; i++)
        if (strcmp(app->cors.text[i], "*") == 0 || strcasecmp(app->cors.text[i], origin) == 0) {
            *cors = origin;
            return 0;
        }
    if (is_framed && strcmp(origin, "null") == 0)
        return 0;
    const char *own = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
                      : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
                                                                : NULL;
    if (own && h->host && strcasecmp(own, h->host) == 0)
        return 0;
    return refuse(r, 403, "origin_not_allowed", NULL,
                  "pages of \"%.100s\" may not use this server; start it with --cors to allow them", origin);
}

/* No early end: the time does not tell how much of a key was right, nor which key it was. */
static int is_key(const struct http_app *app, const char *text)
{
    unsigned char hash[SHA256_BYTES];
    int found = 0;
    sha256(text, strlen(text), hash);
    for (size_t i = 0; i < app->n_key; i++) {
        unsigned differs = 0;
        for (size_t k = 0; k < SHA256_BYTES; k++)
            differs |= (unsigned)(hash[k] ^ app->key[i][k]);
        found |= differs == 0;
    }
    return found;
}

/* "Bearer", one blank or more, and what follows; NULL: another scheme, or none. */
static const char *token_of(const char *authorization)
{
    static const char bearer[] = "bearer ";
    if (!authorization || strncasecmp(authorization, bearer, sizeof bearer - 1) != 0)
        return NULL;
    return authorization + strlen("bearer") + strspn(authorization + strlen("bearer"), " ");
}

int http_check_key(const struct http_app *app, const struct http_head *h, const char **right, struct refusal *r)
{
    const char *authorization = http_head_field(h, "authorization"), *key = http_head_field(h, "x-api-key");
    const char *token = token_of(authorization);
    *right = NULL;
    if (app->n_key == 0)
        return 0;
    if (token && is_key(app, token))
        *right = token;
    else if (key && is_key(app, key))
        *right = key;
    if (*right)
        return 0;
    return refuse(r, 401, "invalid_api_key", NULL, "%s: send \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"",
                  authorization || key ? "this API key is not one of the server's" : "an API key is needed");
}
