/* What all connections of an application share: routes, counters, the list of connections. See app.h. */
#include "server/http/app.h"

#include "server/http/inside.h"

#include <stdio.h>
#include <string.h>

void http_app_open(struct http_app *app)
{
    pthread_mutex_init(&app->lock, NULL);
    pthread_cond_init(&app->changed, NULL);
}

void http_app_close(struct http_app *app)
{
    pthread_mutex_lock(&app->lock);
    app->closed = 1;
    int none = !app->n_connection;
    pthread_mutex_unlock(&app->lock);
    if (none)
        app->ended(app->server);
}

void http_app_free(struct http_app *app)
{
    pthread_cond_destroy(&app->changed);
    pthread_mutex_destroy(&app->lock);
}

/* ---- routes ---------------------------------------------------------------------------------------------------------------- */

static int matches(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(pattern, path, n - 1) == 0 && path[n - 1] : strcmp(pattern, path) == 0;
}

const struct route *http_route_find(const struct http_app *app, const char *method, const char *path, char *allow)
{
    const struct route *found = NULL;
    size_t n = 0;
    allow[0] = 0;
    for (size_t i = 0; i < app->n_route; i++) {
        const struct route *row = &app->route[i];
        if (!matches(row->path, path))
            continue;
        int get = strcmp(row->method, "GET") == 0;
        if (strcmp(row->method, method) == 0 || (get && strcmp(method, "HEAD") == 0))
            found = row;
        n += (size_t)snprintf(allow + n, n < ROUTE_ALLOW ? ROUTE_ALLOW - n : 0, "%s%s", row->method,
                              get ? ", HEAD, " : ", ");
    }
    if (n)
        snprintf(allow + n, n < ROUTE_ALLOW ? ROUTE_ALLOW - n : 0, "OPTIONS");
    return found;
}

static const int statuses[STATUS_MOST] = {200, 202, 204, 302, 400, 401, 403, 404, 405, 408,
                                          409, 413, 414, 415, 429, 431, 500, 501, 503};

int http_status_at(size_t i) { return i < STATUS_MOST ? statuses[i] : 0; }

void http_count(struct http_app *app, const struct route *route, int status)
{
    size_t row = route ? (size_t)(route - app->route) : app->n_route;
    for (size_t i = 0; i < STATUS_MOST; i++)
        if (statuses[i] == status && status)
            atomic_fetch_add(&app->requests[row][i], 1);
}

/* ---- handlers and connections ---------------------------------------------------------------------------------------------- */

int http_enter(struct http_app *app, int early, struct refusal *r)
{
    pthread_mutex_lock(&app->lock);
    int refused = app->ready(app->server, early, r);
    if (!refused)
        app->n_running++;
    pthread_mutex_unlock(&app->lock);
    return refused;
}

void http_leave(struct http_app *app)
{
    pthread_mutex_lock(&app->lock);
    app->n_running--;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

size_t http_n_running(struct http_app *app)
{
    pthread_mutex_lock(&app->lock);
    size_t n = app->n_running;
    pthread_mutex_unlock(&app->lock);
    return n;
}

void http_forget(struct http_connection *c)
{
    struct http_app *app = c->app;
    pthread_mutex_lock(&app->lock);
    if (c->before)
        c->before->next = c->next;
    else
        app->first = c->next;
    if (c->next)
        c->next->before = c->before;
    http_free(c);
    app->n_connection--;
    int is_last = app->closed && !app->n_connection;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
    if (is_last)
        app->ended(app->server);
}

void http_wake_all(struct http_app *app)
{
    pthread_mutex_lock(&app->lock);
    for (struct http_connection *c = app->first; c; c = c->next)
        http_wake(c);
    pthread_mutex_unlock(&app->lock);
}
