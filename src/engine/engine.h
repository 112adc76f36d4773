/* The inside of an engine: what include/stoker.h shows as struct stoker.
 *
 *     callers   submit -> queue of jobs -> engine thread -> each job's queue of events -> next_event
 *
 * Jobs live in a fixed table; a job is its caller's from submit until its last event was taken. One engine thread owns session,
 * pool and store; callers touch only the queues, the table under its lock, and a job's atomic flags. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/queue.h"
#include "engine/pick.h"
#include "engine/prefix/disk.h"
#include "engine/prompt.h"
#include "engine/session.h"
#include "stoker.h"
#include "text/answer/answer.h"

#include <pthread.h>
#include <stdatomic.h>

/* Work of all masks that are not ready, between two steps. */
enum { MASK_WORK_PER_STEP = 4 * CONSTRAINT_MS };

enum { MAX_PARALLEL = 128, MAX_QUEUE = 4096, QUEUE = 128, EVENTS = 64 };

enum job_state { JOB_FREE, JOB_QUEUED, JOB_PROMPT, JOB_DECODE, JOB_DONE };

struct job {
    /* under the engine's lock */
    enum job_state state;
    stoker_id id;
    int taken;   /* its last event was handed out */
    int readers; /* callers in stoker_next_event() */

    /* the caller's at submit, the engine thread's until JOB_DONE */
    stoker_token *script;  /* [max_history - n_prompt], or NULL: behind history in the same memory */
    stoker_token *history; /* [n_history] prompt, then what was generated: malloc'd, of the request */
    size_t n_history, n_prompt, n_cached, n_done; /* n_done: rows computed */
    size_t max_history;                           /* the prompt and the longest answer allowed */
    size_t n_resumed;                             /* of n_done, what was known when it got its sequence */
    size_t *snapshot_at;                          /* [n_snapshot_at] wished; malloc'd */
    size_t n_snapshot_at;
    struct pick pick;
    int ignore_end, wants_progress, no_cache, may_be_cut;
    int fetches, fetched;        /* pieces that may yet be read of files, which may know more than memory; and did */
    int waits;                   /* an older job computes what this one will share */
    struct prefix_cursor cursor; /* of its sequence; its root is set at submit */
    void (*notify)(void *arg);   /* or NULL */
    void *notify_arg;
    const struct stoker_constraint *constraint; /* or NULL */
    struct constraint_state *constraint_state;  /* the engine thread's, of the constraint */
    uint8_t *mask;        /* [n_vocab] what the guard allows next: malloc'd, of the guard's place */
    int mask_ready;       /* for the token behind history; else it is being made, in slices */
    int cut_at_limit;     /* the limit is below the shortest answer, which is cut off then */
    struct sequence *seq; /* NULL until it has one */
    uint64_t n_generated;
    int end_sampled; /* the last token of all was an end-of-text token */
    double submitted, started, first_token;
    struct queue *events;
    atomic_int cancelled;
};

/* What an answer may be: an entry of the session's cache. */
struct stoker_constraint {
    struct constraint *constraint; /* NULL: anything */
    int close_at_limit;            /* the limit may not cut it */
    char **warning;                /* [n_warning] */
    size_t n_warning;
};

/* What happened since the engine was opened. */
struct counters {
    uint64_t steps, rows, calls[STOKER_CALLS];
    double step_seconds, expert_seconds;
    uint64_t requests, rejected, cancelled, failed, preempted;
    uint64_t prompt_tokens, cached_tokens, generated_tokens;
    struct stoker_histogram step_time, first_token_time;
    uint64_t cache_hits[STOKER_TIERS], cache_bytes[STOKER_TIERS], cache_corrupt;
    uint64_t mask_work_most; /* of masks between two steps: text/constraint/constraint.h */
    double service_seconds;  /* of a request with a sequence: the recent mean; 0: not known */
};

struct stoker {
    struct session *session;
    struct prefix_disk *disk; /* the engine thread's, or NULL */
    struct stoker_templates templates;
    struct constraint_cache *constraints;
    struct sampling advised; /* where a request says nothing: the defaults, and the file's advice */
    pthread_t thread;
    struct queue *submit_wakeup; /* rung when a job was queued; full: somebody has rung enough */
    atomic_int stop, clears;     /* clears: the prefix cache is to be emptied */

    pthread_mutex_t lock; /* guards the table's states and ids, and what is shown */
    struct job *job;      /* [n_job]: those that may wait, that run, and that are done but not taken */
    int n_job, n_queue;
    stoker_id next_id;
    struct counters counters;
    struct stoker_slot slot[MAX_PARALLEL]; /* as of the last step */

    /* the engine thread's own */
    struct job *active[MAX_PARALLEL]; /* by sequence; NULL: free */
    int first_mask;                   /* whose mask is worked on first in this step */
    double rows_per_second;           /* of steps with prompts, lately */
};

/* Requests that would have to wait: more than places that are free. Under the lock. */
int engine_queued(const struct stoker *s);

/* What the table of jobs and what hangs on it can take: for the plan. */
uint64_t engine_queue_bytes(int n_queue, int n_parallel, int n_ctx);

/* report.c: what can be seen is as it is now; what stoker_plan_of() shows. */
void engine_report(struct stoker *s);
void engine_report_plan(const struct session *s, enum kv_type kv, struct stoker_plan *out);
void histogram_add(struct stoker_histogram *h, double seconds);

/* The engine thread's loop: schedule.c. */
void *engine_run(void *engine);

/* constraint_open.c: what constrains an answer, from the session's cache. */
struct constraint_request {
    const struct value_want *value; /* the whole answer, or what it is where it is no call; or NULL */
    const struct tool_want *tools;  /* or NULL */
    const char *tools_text;         /* n_tools_text bytes: what the list of tools was read from */
    size_t n_tools_text;
    int (*stopped)(void *arg); /* of struct constraint_source; may be NULL */
    void *stopped_arg;
};
/* *out: give it back with constraint_cache_release(). */
int constraint_acquire(struct stoker *s, const struct constraint_request *w, const struct stoker_constraint **out,
                       struct error *err);
/* An answer as text/ has it, without format and reasoning. */
int value_want_of(struct value_want *want, const struct stoker_answer *a, struct error *err);

#endif
