/* Jobs between the queue and their sequences: who gets one, who has to give it back, how a job ends. */
#ifndef ENGINE_ADMISSION_H
#define ENGINE_ADMISSION_H

#include "engine/engine.h"

/* Jobs that wait get sequences, first come, first served, as long as there are sequences and pages. Waits a moment if there is
 * nothing to do at all. */
void admit_all(struct stoker *s);

/* A job that has computed nothing yet looks again for what is known of its ids. */
void job_resume(struct stoker *s, struct job *j);

/* Pages for positions [0, n_pos) of the job: cached ones go for it, then the youngest job that is younger gives its sequence
 * back and goes to the head of the queue, to be computed again later. -1: it has to wait. */
int job_reserve(struct stoker *s, struct job *j, size_t n_pos);

void job_send(const struct job *j, const struct stoker_event *e);
int job_may_send(const struct job *j); /* the last event always finds room: one place of the queue is kept for it */

/* The job's last event; its sequence is free, what it computed may become known. */
void job_end(struct stoker *s, struct job *j, enum stoker_end_reason reason);
void job_fail(struct stoker *s, struct job *j, const struct error *why);
void end_cancelled(struct stoker *s);
void fail_all(struct stoker *s, const struct error *why);

int any_active(const struct stoker *s);

#endif
