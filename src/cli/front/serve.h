/* A server as the process of a command: signals end it, and stdout says where it listens. */
#ifndef CLI_FRONT_SERVE_H
#define CLI_FRONT_SERVE_H

#include "server/server.h"

/* From here on signals stop the server that front_serve() runs. 0, or the exit status after a sentence on stderr. */
int front_open(void);

/* Serves until a signal comes; returns the exit status. Once a process, after front_open(). What *o points to stays for its life. */
int front_serve(const struct server_options *o);

#endif
