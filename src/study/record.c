/* See record.h. */
#include "study/record.h"

enum { AT_A_TIME = 129, WAIT_MS = 100 }; /* one more waits than the most that run */

static size_t length_of(const struct study_record *r, size_t i) { return r->q->first[i + 1] - r->q->first[i]; }

static size_t rows_of(const struct study_record *r, size_t i)
{
    return stoker_capture_rows(r->s, &r->capture, length_of(r, i), -1);
}

int study_record_layout(struct study_record *r, struct stoker_tensor *t, size_t n, size_t *n_tensor,
                        struct stoker_error *err)
{
    r->capture.n_rows = 0;
    r->capture.n_requests = r->q->n;
    for (size_t i = 0; i < r->q->n; i++)
        r->capture.n_rows += rows_of(r, i);
    int found = stoker_capture_layout(r->s, &r->capture, t, n, err);
    *n_tensor = found > 0 ? (size_t)found : 0;
    return found < 0 ? -1 : 0;
}

static int submit(const struct study_record *r, size_t i, size_t row, stoker_id *id, struct stoker_error *err)
{
    struct stoker_capture c = r->capture;
    c.row = row;
    c.request = i;
    struct stoker_request q = {
        .prompt = r->q->token + r->q->first[i], .n_prompt = length_of(r, i), .only_score = 1, .capture = &c};
    return stoker_submit(r->s, &q, id, err);
}

/* 1: request i is under way; 0: those that are, n of them, have all memory for lists; it comes back as they end. */
static int try_submit(const struct study_record *r, size_t i, size_t row, size_t n, stoker_id *id,
                      struct stoker_error *err)
{
    if (submit(r, i, row, id, err) == 0)
        return 1;
    return err->code == STOKER_ERR_BUSY && n > 0 ? 0 : -1;
}

/* Takes the events of a request to its end; at once, if `over`. */
static int wait_for(const struct study_record *r, stoker_id id, int over, struct stoker_error *err)
{
    struct stoker_event e = {.kind = STOKER_TOKEN};
    int got, cancelled = 0;
    do {
        if (!cancelled && (over || r->stopped(r->arg))) {
            stoker_cancel(r->s, id);
            cancelled = 1;
        }
    } while ((got = stoker_next_event(r->s, id, WAIT_MS, &e)) >= 0 &&
             (got == 0 || (e.kind != STOKER_END && e.kind != STOKER_FAILED)));
    if (got == 1 && e.kind == STOKER_FAILED) {
        if (!over)
            *err = e.error;
        return -1;
    }
    return e.u.end.reason == STOKER_END_CANCELLED;
}

int study_record_run(const struct study_record *r, struct stoker_error *err)
{
    struct stoker_plan plan;
    stoker_id id[AT_A_TIME];
    size_t next = 0, ended = 0, row = 0;
    int status = 0;
    stoker_plan_of(r->s, &plan);
    size_t most = (size_t)plan.n_parallel + 1;
    while (ended < next || (!status && next < r->q->n)) {
        if (!status && next < r->q->n && next - ended < most) {
            int is_submitted = try_submit(r, next, row, next - ended, &id[next % most], err);
            status = is_submitted < 0 ? -1 : 0;
            if (is_submitted > 0)
                row += rows_of(r, next++);
            if (is_submitted)
                continue;
        }
        int one = wait_for(r, id[ended++ % most], status != 0, err);
        status = status ? status : one;
        r->progress(r->arg, r->q->first[ended], r->q->first[r->q->n]);
    }
    return status;
}
