/* The roof of memory, under which the page shows what steps take of it: measured once, when somebody looks at the page and the engine has
 * been idle for a while. It takes less than a second, and a request that comes ends it. */
#ifndef SERVER_OWN_ROOF_H
#define SERVER_OWN_ROOF_H

#include <stdint.h>

struct server;

/* What a connection saw when it looked last. Zeroed: nothing yet. */
struct roof_watch {
    int looked;
    uint64_t steps, bytes_read;
};

/* Called every half second by a connection that shows figures: measures where nothing has happened since its last look, unless it is known
 * what memory gives, nobody wants to know, or another connection is at it. */
void roof_look(struct server *s, struct roof_watch *w);

#endif
