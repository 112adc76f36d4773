/* See compute.h. */
#include "library/encoder/compute.h"

#include <time.h>

int compute_error(const struct stoker_error *from, struct error *err)
{
    return error_set(err, (enum error_code)from->code, "%s", from->text);
}

static int nobody_waits(struct error *err)
{
    return error_set(err, ERR_CANCELLED, "nobody waits for the vectors any more");
}

static int submit(struct stoker *engine, const struct stoker_embed *job, stoker_id *id, const struct encoder_wait *wait,
                  struct error *err)
{
    const struct timespec pause = {0, 20000000};
    struct stoker_error why;
    while (stoker_submit_embed(engine, job, id, &why)) {
        if (why.code != STOKER_ERR_BUSY)
            return compute_error(&why, err);
        if (wait->stopped && wait->stopped(wait->arg))
            return nobody_waits(err);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int take_events(struct stoker *engine, stoker_id id, unsigned char *is_none, const struct encoder_wait *wait,
                       struct error *err)
{
    enum { ASK_MS = 100 };
    struct stoker_event ev;
    int got, failed = 0, is_cancelled = 0;
    while ((got = stoker_next_event(engine, id, ASK_MS, &ev)) >= 0) {
        if (wait->stopped && !is_cancelled && wait->stopped(wait->arg)) {
            stoker_cancel(engine, id);
            is_cancelled = 1;
        }
        if (got == 1 && ev.kind == STOKER_VECTOR)
            is_none[ev.u.vector.text] = ev.u.vector.is_no_number != 0;
        if (got == 1 && ev.kind == STOKER_FAILED)
            failed = compute_error(&ev.error, err);
    }
    return is_cancelled ? nobody_waits(err) : failed;
}

int compute_all(struct stoker *engine, const struct stoker_tokens *text, int n, float *out, unsigned char *is_none,
                const struct encoder_wait *wait, struct error *err)
{
    stoker_id id;
    const struct stoker_embed job = {.text = text, .n_text = (size_t)n, .out = out};
    if (n == 0)
        return 0;
    return submit(engine, &job, &id, wait, err) || take_events(engine, id, is_none, wait, err) ? -1 : 0;
}
