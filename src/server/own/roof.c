/* See roof.h. */
#include "server/own/roof.h"

#include "server/request/service.h"

/* Nothing ran, and nothing was read from the drive, as experts are behind the back of an idle engine. */
static int was_idle(struct server *s, struct roof_watch *w)
{
    struct stoker_stats now;
    stoker_stats_of(s->engine, &now);
    int idle = w->looked && now.active == 0 && now.queued == 0 && now.steps == w->steps &&
               now.bytes_read == w->bytes_read;
    *w = (struct roof_watch){1, now.steps, now.bytes_read};
    return idle;
}

void roof_look(struct server *s, struct roof_watch *w)
{
    struct memory_roof *r = &s->roof;
    double rate;
    if (atomic_load(&r->tries) <= 0 || !was_idle(s, w) || atomic_exchange(&r->is_measured_now, 1))
        return;
    if (atomic_load(&r->tries) > 0) {
        int done = stoker_memory_roof(s->engine, &rate);
        if (done > 0)
            atomic_store(&r->rate, rate);
        if (done != -1) /* nothing was begun: it costs nobody anything to look again */
            atomic_fetch_sub(&r->tries, done ? ROOF_TRIES : 1);
    }
    atomic_store(&r->is_measured_now, 0);
}
