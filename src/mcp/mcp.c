/* See mcp.h. One thread starts all programs and lives until they have ended, since the kernel ends them with it. It alone reads and writes
 * their pipes; who calls takes the lock, leaves what is to be done, and wakes it. */
#include "mcp/mcp.h"

#include "base/clock.h"
#include "base/thread.h"
#include "mcp/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ASK_MS = 100, MORE_POSTINGS = 12 << 10 };

void mcp_ring(const struct mcp *m)
{
    uint64_t one = 1;
    ssize_t n = write(m->wake_fd, &one, sizeof one);
    (void)n; /* full: it rings already */
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void on_message(void *arg, struct mcp_server *s, const struct message *msg) { calls_take(arg, s, msg); }

static void on_death(void *arg, struct mcp_server *s)
{
    struct mcp *m = arg;
    calls_end_of(m, s);
    pthread_cond_broadcast(&m->changed);
}

static int is_opening(const struct mcp_server *s) { return s->state < SERVER_READY; }

/* The server says so, or the time of its list is over. */
static int is_old(const struct mcp_server *s, uint64_t now)
{
    return s->state == SERVER_READY && (s->is_stale || (s->stale_at_ns && now >= s->stale_at_ns));
}

static void list_again(struct mcp *m, uint64_t now)
{
    if (!m->is_listing_asked)
        return;
    m->is_listing_asked = 0;
    for (int i = 0; i < m->n; i++) {
        struct mcp_server *s = &m->server[i];
        if (is_old(s, now))
            server_list_again(s);
    }
    pthread_cond_broadcast(&m->changed);
}

static void end_late_servers(struct mcp *m, uint64_t now)
{
    for (int i = 0; i < m->n; i++)
        server_end_late(&m->server[i], calls_are_at(m, &m->server[i]), now);
}

/* Milliseconds until something is late, or programs that are to end are looked at again; -1: nothing will be. */
static int pause_ms(const struct mcp *m, uint64_t now, int is_ending)
{
    uint64_t first = calls_late_ns(m), probe = is_ending ? now + CHILD_PROBE_MS * 1000000 : UINT64_MAX;
    first = first < probe ? first : probe;
    for (int i = 0; i < m->n; i++) {
        uint64_t its = server_late_ns(&m->server[i], calls_are_at(m, &m->server[i]));
        first = its < first ? its : first;
    }
    return first == UINT64_MAX ? -1 : first <= now ? 0 : (int)((first - now) / 1000000 + 1);
}

static void wait_for_pipes(struct mcp *m, int timeout_ms)
{
    struct pollfd fds[1 + 3 * MCP_SERVERS];
    uint64_t wakes;
    fds[0] = (struct pollfd){.fd = m->wake_fd, .events = POLLIN};
    for (int i = 0; i < m->n; i++) {
        const struct mcp_server *s = &m->server[i];
        int lives = s->state != SERVER_DEAD;
        fds[1 + 3 * i] = (struct pollfd){.fd = lives ? s->child.out : -1, .events = POLLIN};
        fds[2 + 3 * i] = (struct pollfd){.fd = lives ? s->child.err : -1, .events = POLLIN};
        fds[3 + 3 * i] = (struct pollfd){.fd = lives && s->unsent.n ? s->child.in : -1, .events = POLLOUT};
    }
    pthread_mutex_unlock(&m->lock);
    int got = poll(fds, (nfds_t)(1 + 3 * m->n), timeout_ms);
    pthread_mutex_lock(&m->lock);
    if (got <= 0)
        return;
    ssize_t n = fds[0].revents ? read(m->wake_fd, &wakes, sizeof wakes) : 0;
    (void)n;
    for (int i = 0; i < m->n; i++) {
        struct mcp_server *s = &m->server[i];
        if (fds[2 + 3 * i].revents)
            server_read_err(s);
        if (fds[1 + 3 * i].revents && s->state != SERVER_DEAD)
            server_read(s);
        if (fds[3 + 3 * i].revents && s->state != SERVER_DEAD)
            server_write(s);
    }
}

/* Programs of servers that failed are not left, and in the end none is. 1: some live still; nobody waits for them here, but who closes. */
static int end_programs(struct mcp *m, int all)
{
    uint64_t now = clock_ns();
    int living = 0;
    for (int i = 0; i < m->n; i++)
        if (all || m->server[i].state == SERVER_DEAD)
            living |= child_end(&m->server[i].child, now);
    return living;
}

static void *serve(void *arg)
{
    const struct timespec probe = {0, CHILD_PROBE_MS * 1000000L};
    struct mcp *m = arg;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->n; i++)
        server_start(&m->server[i]);
    while (!m->is_stopping) {
        uint64_t now = clock_ns();
        calls_drop(m);
        calls_send(m);
        list_again(m, now);
        calls_end_late(m, now);
        end_late_servers(m, now);
        int living = end_programs(m, 0);
        pthread_cond_broadcast(&m->changed); /* a state may be another one */
        wait_for_pipes(m, pause_ms(m, now, living));
    }
    calls_drop(m);
    pthread_mutex_unlock(&m->lock);
    while (end_programs(m, 1))
        nanosleep(&probe, NULL);
    return NULL;
}

/* ---- for callers ------------------------------------------------------------------------------------------ */

static int is_listing(const struct mcp *m)
{
    int is = m->is_listing_asked;
    for (int i = 0; i < m->n; i++)
        is |= is_opening(&m->server[i]);
    return is;
}

/* -1: nobody waits any more. */
static int wait_for_lists(struct mcp *m, int (*stopped)(void *arg), void *arg)
{
    int gave_up = 0;
    while (!gave_up && is_listing(m)) {
        const struct timespec until = client_in_ms(ASK_MS);
        pthread_cond_timedwait(&m->changed, &m->lock, &until);
        if (!stopped)
            continue;
        pthread_mutex_unlock(&m->lock);
        gave_up = stopped(arg);
        pthread_mutex_lock(&m->lock);
    }
    return gave_up ? -1 : 0;
}

int mcp_start(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err)
{
    struct mcp *m = calloc(1, sizeof *m);
    if (!m || !(m->tools = mcp_tools_make(NULL, 0, 0))) {
        free(m);
        return error_set(err, ERR_MEMORY, "no memory for MCP servers");
    }
    m->n = config->n;
    m->most_postings = INDEX_POSTINGS;
    for (int i = 0; i < m->n; i++)
        m->server[i] = (struct mcp_server){.config = &config->server[i],
                                           .version = version,
                                           .start_seconds = config->start_seconds,
                                           .most_bytes = SERVER_LIST,
                                           .most_tools = SERVER_TOOLS,
                                           .child = {.in = -1, .out = -1, .err = -1},
                                           .on_message = on_message,
                                           .on_death = on_death,
                                           .arg = m};
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = m->wake_fd < 0 ? errno : thread_create(&m->thread, NULL, serve, m);
    if (code) {
        if (m->wake_fd >= 0)
            close(m->wake_fd);
        mcp_tools_release(m->tools);
        free(m);
        return error_set(err, ERR_IO, "the thread of MCP servers cannot be started: %s", strerror(code));
    }
    *out = m;
    return 0;
}

void mcp_close(struct mcp *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->is_stopping = 1;
    pthread_mutex_unlock(&m->lock);
    mcp_ring(m);
    pthread_join(m->thread, NULL);
    for (int i = 0; i < m->n; i++)
        server_free(&m->server[i]);
    mcp_tools_release(m->older);
    mcp_tools_release(m->tools);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    close(m->wake_fd);
    free(m);
}

_Static_assert(SERVER_GROWTH + SERVER_MORE_TOOLS * (sizeof(struct mcp_tool) + sizeof(uint32_t)) +
                           MORE_POSTINGS * sizeof(uint64_t) <=
                       MCP_GROWTH &&
                   2 * SERVER_UNREAD <= MCP_TOLD, /* a buffer that doubles */
               "what later lists may have more is counted, and what is not read");

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* A plan that knows the first list holds whatever servers list later. */
static void bound_lists(struct mcp *m, const struct mcp_tools *first)
{
    m->most_postings = least(INDEX_POSTINGS, first->index.n + (size_t)m->n * MORE_POSTINGS);
    for (int i = 0; i < m->n; i++) {
        struct mcp_server *s = &m->server[i];
        s->most_bytes = least(SERVER_LIST, (s->list ? s->list->n : 0) + SERVER_GROWTH);
        s->most_tools = (int)least(SERVER_TOOLS, (size_t)s->n_tool + SERVER_MORE_TOOLS);
    }
}

/* The servers' lists as one that is the present one from here on. */
static int take_lists(struct mcp *m)
{
    struct mcp_tools *t = mcp_tools_make(m->server, m->n, m->most_postings);
    if (!t)
        return 0;
    if (m->n_list == 0)
        bound_lists(m, t);
    m->older = m->tools;
    m->tools = t;
    m->n_list++;
    return 1;
}

static void drop_older(struct mcp *m)
{
    if (m->older && atomic_load(&m->older->n_user) == 1) {
        mcp_tools_release(m->older);
        m->older = NULL;
    }
}

int mcp_open(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err)
{
    if (mcp_start(out, config, version, err))
        return -1;
    struct mcp *m = *out;
    pthread_mutex_lock(&m->lock);
    wait_for_lists(m, NULL, NULL);
    int has_list = take_lists(m);
    drop_older(m);
    pthread_mutex_unlock(&m->lock);
    if (has_list)
        return 0;
    mcp_close(m);
    return error_set(err, ERR_MEMORY, "no memory for the tools of MCP servers");
}

int mcp_is_starting(struct mcp *m)
{
    int is = 0;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->n; i++)
        is |= is_opening(&m->server[i]) && !m->server[i].list;
    pthread_mutex_unlock(&m->lock);
    return is;
}

int mcp_refresh(struct mcp *m, int (*stopped)(void *arg), void *arg)
{
    int is_new = 0;
    uint64_t now = clock_ns();
    pthread_mutex_lock(&m->lock);
    drop_older(m);
    for (int i = 0; i < m->n && !m->older; i++) {
        const struct mcp_server *s = &m->server[i];
        is_new |= is_old(s, now) ||
                  is_opening(s) || /* somebody gave up waiting, and it is still, or has, another list */
                  (s->state == SERVER_READY && !mcp_tools_have(m->tools, s->list));
    }
    if (is_new) {
        int before = m->n_list;
        m->is_listing_asked = 1;
        mcp_ring(m);
        is_new = wait_for_lists(m, stopped, arg) == 0 && (m->n_list != before || take_lists(m));
        drop_older(m);
    }
    pthread_mutex_unlock(&m->lock);
    return is_new;
}

struct mcp_tools *mcp_tools(struct mcp *m)
{
    pthread_mutex_lock(&m->lock);
    struct mcp_tools *t = mcp_tools_hold(m->tools);
    pthread_mutex_unlock(&m->lock);
    return t;
}

/* The list twice, since one that is held outlives the next, and each time as large as it may become; behind that later lists are cut. */
static uint64_t list_bytes(struct mcp *m)
{
    struct mcp_tools *t = mcp_tools(m);
    uint64_t bytes = 2 * (mcp_tools_bytes(t, NULL) + (uint64_t)m->n * MCP_GROWTH);
    mcp_tools_release(t);
    return bytes;
}

uint64_t mcp_kept_bytes(struct mcp *m) { return list_bytes(m) + (uint64_t)m->n * MCP_TOLD; }

uint64_t mcp_bytes(struct mcp *m) { return mcp_kept_bytes(m) + (uint64_t)m->n * MESSAGE_MOST; }

int mcp_state(struct mcp *m, int server, struct mcp_state *out)
{
    if (server >= m->n)
        return 0;
    pthread_mutex_lock(&m->lock);
    const struct mcp_server *s = &m->server[server];
    *out = (struct mcp_state){.name = s->config->name, .n_tool = s->n_tool};
    memcpy(out->revision, s->revision, sizeof out->revision);
    memcpy(out->why, s->why, sizeof out->why);
    pthread_mutex_unlock(&m->lock);
    return 1;
}
