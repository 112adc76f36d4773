/* Jobs between the queue and their sequences: which job gets a sequence, which gives its own back, how jobs end. */
#ifndef ENGINE_ADMISSION_H
#define ENGINE_ADMISSION_H

#include "engine/engine.h"

/* Gives sequences to waiting jobs, first come, first served, as long as there are free sequences and pages. If no job runs or waits, it
 * waits up to 100 ms for one. */
void admit_all(struct stoker *s);

/* Begins to write prefixes to files where stoker_cache_keep() asked for it. */
void keep_prefixes_if_asked(struct stoker *s);

/* Tells the ends of jobs whose recorded rows are written by now; fails those of which one could not be. */
void end_written(struct stoker *s);

/* The most positions of the job that may come from known prefixes. */
size_t job_resumable(const struct job *j);

/* Looks again how far the prefix cache can take a job that has computed nothing yet. */
void job_resume(struct stoker *s, struct job *j);

/* The job gives its sequence back and returns to the head of the queue, to be computed again later. known: what it computed stays in the
 * prefix cache. */
void job_requeue(struct stoker *s, struct job *j, int known);

/* Reserves the pages of positions [0, n_pos) of a job. If there are none, cached prefixes are evicted; then the youngest job, if it is
 * younger than this one, gives its sequence back and returns to the head of the queue, to be computed again later. -1: the job itself is
 * the youngest, and has to wait. */
int job_reserve(struct stoker *s, struct job *j, size_t n_pos);

void job_send(const struct job *j, const struct stoker_event *e);
/* 0: its queue of events is full but for the entries that are kept for the last event. */
int job_may_send(const struct job *j);

/* Sends the last event and frees the sequence; what the job computed stays in the prefix cache. */
void job_end(struct stoker *s, struct job *j, enum stoker_end_reason reason);
void job_fail(struct stoker *s, struct job *j, const struct error *why);
void end_cancelled(struct stoker *s);
void fail_all(struct stoker *s, const struct error *why);

int any_active(const struct stoker *s);

#endif
