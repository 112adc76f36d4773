/* Where a server listens, and who can reach it there. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

struct server;
struct stoker_error;

/* The socket, listening at the options' host; *port is the real one. -1 with *err: that cannot be had, or it is open to other machines and
 * nothing keeps these out. */
int server_listen(struct server *s, int *port, struct stoker_error *err);

/* Fills *err; returns -1. code: STOKER_ERR_.... */
int server_fail(struct stoker_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
