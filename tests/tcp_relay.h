/* A TCP relay between a client and a server, as proxies and tunnels are: a thread of the test that copies bytes both ways and passes on
 * that a side has closed its sending half. Unlike a direct connection it takes what the server sends after the client has
 * disconnected, and learns of that only afterwards. One connection at a time. */
#ifndef TESTS_TCP_RELAY_H
#define TESTS_TCP_RELAY_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp_relay {
    int port, listener; /* where clients connect */
    int server_port;
    pthread_t thread;
};

static inline struct sockaddr_in tcp_relay_address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* What has come from one side, to the other. 1: more may come; 0: that side has closed its half; -1: one of them has disconnected. */
static inline int tcp_relay_copy(int from, int to)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    for (ssize_t at = 0, k; at < n; at += k)
        if ((k = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
            return -1;
    if (n == 0)
        shutdown(to, SHUT_WR);
    return n > 0 ? 1 : (int)n;
}

static inline void tcp_relay_serve(int client, int server)
{
    int open[2] = {1, 1};
    while (open[0] || open[1]) {
        struct pollfd p[2] = {{open[0] ? client : -1, POLLIN, 0}, {open[1] ? server : -1, POLLIN, 0}};
        if (poll(p, 2, -1) < 0)
            return;
        for (int i = 0; i < 2; i++)
            if (p[i].revents && (open[i] = tcp_relay_copy(p[i].fd, i ? client : server)) < 0)
                return;
    }
}

static inline void *tcp_relay_run(void *relay)
{
    const struct tcp_relay *r = relay;
    for (int client; (client = accept(r->listener, NULL, NULL)) >= 0; close(client)) {
        struct sockaddr_in to = tcp_relay_address(r->server_port);
        int server = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(server, (struct sockaddr *)&to, sizeof to) == 0)
            tcp_relay_serve(client, server);
        close(server);
    }
    return NULL;
}

/* -1: no socket or thread for it. */
static inline int tcp_relay_open(struct tcp_relay *r, int server_port)
{
    struct sockaddr_in at = tcp_relay_address(0);
    socklen_t n = sizeof at;
    *r = (struct tcp_relay){.listener = socket(AF_INET, SOCK_STREAM, 0), .server_port = server_port};
    if (bind(r->listener, (struct sockaddr *)&at, sizeof at) || listen(r->listener, 8) ||
        getsockname(r->listener, (struct sockaddr *)&at, &n))
        return -1;
    r->port = ntohs(at.sin_port);
    return pthread_create(&r->thread, NULL, tcp_relay_run, r) ? -1 : 0;
}

/* Its connections have ended. */
static inline void tcp_relay_close(struct tcp_relay *r)
{
    shutdown(r->listener, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->listener);
}

#endif
