/* The engine inside: what include/stoker.h declares as struct stoker.
 *
 *     callers   submit -> queue of jobs -> engine thread -> each job's queue of events -> next_event
 *
 * A request is a job in a fixed table, from its submission until its last event is taken. One engine thread owns session, pool and
 * store. Callers use only the queues, the table under its lock, and a job's atomic flags. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/queue.h"
#include "engine/capture/capture.h"
#include "engine/draft/draft.h"
#include "engine/pick.h"
#include "engine/prefix/disk.h"
#include "engine/prompt.h"
#include "engine/score.h"
#include "engine/session.h"
#include "engine/steer.h"
#include "machine/energy.h"
#include "stoker.h"
#include "text/answer/answer.h"

#include <pthread.h>
#include <stdatomic.h>

/* Most work on masks between two steps, for all jobs together. */
enum { MASK_WORK_PER_STEP = 4 * CONSTRAINT_MS };

enum { MAX_PARALLEL = 128, MAX_QUEUE = 4096, QUEUE = 128, EVENTS = 64 };

/* JOB_WRITING: it has ended, and its last event waits for what it records to be written. */
enum job_state { JOB_FREE, JOB_QUEUED, JOB_PROMPT, JOB_DECODE, JOB_WRITING, JOB_DONE };

/* Texts of a job that become vectors (embed/embed.c). */
struct embed_job {
    struct stoker_embed of;
    size_t n_done;        /* texts whose vectors are there */
    float *at;            /* where the next one goes */
    int first_seq, n_seq; /* sequences of its texts in the running step; guarded by the engine's lock */
};

struct job {
    /* guarded by the engine's lock */
    enum job_state state;
    stoker_id id;
    int taken;   /* its last event was handed out */
    int readers; /* callers in stoker_next_event() */

    /* written by the caller at submit, then the engine thread's until JOB_DONE */
    stoker_token *script;     /* [max_history - n_prompt], or NULL: behind history in the same memory */
    stoker_token *prediction; /* [n_prediction] likewise, at most so many */
    size_t n_prediction;
    stoker_token *history; /* [n_history] prompt, then what was generated: malloc'd, of the request */
    size_t n_history, n_prompt, n_cached, n_done; /* n_done: rows computed */
    size_t max_history;                           /* the prompt and the longest answer allowed */
    size_t n_resumed;                             /* of n_done: resumed from the cache when it got its sequence */
    size_t n_wanted;                              /* of the history: rows of tables were asked for, up to here */
    size_t *snapshot_at;                          /* [n_snapshot_at] as requested; malloc'd */
    size_t n_snapshot_at;
    struct pick pick;
    struct score score;
    struct draft draft;
    struct job_steer *steer;     /* of the request, or NULL */
    struct job_capture *capture; /* likewise */
    int ignore_end, wants_progress, no_cache, may_be_cut;
    int fetches, fetched;        /* pieces of prefix files that may still be read for it; 1: some were read */
    int waits;                   /* 1: an older job is computing a prefix that this one will share */
    struct prefix_cursor cursor; /* where its sequence is in the tree of prefixes; its root is set at submit */
    void (*notify)(void *arg);   /* or NULL */
    void *notify_arg;
    const struct stoker_constraint *constraint; /* or NULL */
    struct constraint_state *constraint_state;  /* of this answer; the engine thread's */
    uint8_t *mask;        /* [n_vocab] what the guard allows next: malloc'd, of the guard's place */
    int mask_ready;       /* 1: for the token after history; 0: being computed, in slices */
    int cut_at_limit;     /* 1: max_tokens is below the shortest answer, which is cut off there */
    struct sequence *seq; /* NULL: it waits for one */
    uint64_t n_generated;
    struct embed_job
        *embed;      /* texts that become vectors, instead of all that follows from a prompt; or NULL. Malloc'd */
    int end_sampled; /* 1: an end-of-text token ended the answer */
    double submitted, started, first_token;
    struct stoker_stats *stats_at_first_token; /* of the request, or NULL */
    struct queue *events;
    atomic_int cancelled;
};

/* A compiled constraint: an entry of the engine's cache. */
struct stoker_constraint {
    struct constraint *constraint; /* NULL: anything */
    int close_at_limit;            /* 1: the answer is steered to a valid end before the limit */
    char **warning;                /* [n_warning] */
    size_t n_warning;
};

/* What happened since the engine was opened. */
struct counters {
    uint64_t steps, rows, steered_rows, calls[STOKER_CALLS];
    double step_seconds, expert_seconds, join_seconds;
    uint64_t requests, rejected, cancelled, failed, preempted;
    uint64_t prompt_tokens, cached_tokens, generated_tokens, scored_tokens;
    uint64_t drafted_tokens, accepted_tokens;
    uint64_t texts, text_tokens;
    struct stoker_histogram step_time, first_token_time;
    uint64_t cache_hits[STOKER_TIERS], cache_bytes[STOKER_TIERS], cache_corrupt;
    uint64_t mask_work_most; /* most work on masks between two steps, in units of text/constraint/constraint.h */
    double service_seconds;  /* recent mean time of a request with a sequence; 0: not known */
};

struct drafter;
struct encoding;

struct stoker {
    struct session *session;
    struct stoker *encoder[PLAN_ENCODERS]; /* engines of models beside this one, whose thread runs them; NULL: none */
    struct drafter *drafter;               /* a model beside it that drafts; NULL: none */
    struct encoding *encoding;             /* of such an engine: its step; NULL: it has a thread */
    struct prefix_disk *disk;              /* the engine thread's; NULL: no cache_dir */
    struct stoker_templates templates;
    struct constraint_cache *constraints;
    struct steer_memory steer;
    struct capture capture;
    struct sampling advised; /* the defaults, overridden by the model file's advice */
    pthread_t thread;
    struct queue *
        submit_wakeup; /* of one entry: wakes the engine thread when a job was queued; if it is full, the thread will wake anyway */
    atomic_int stop, clears,
        keeps; /* what to do before the next step: empty the prefix cache; write it to files from now on */

    pthread_mutex_t lock; /* guards states and ids of the table, counters and slots */
    struct job *job;      /* [n_job] n_queue that wait, n_parallel that run, n_parallel that are done but not taken */
    int n_job, n_queue;
    stoker_id next_id;
    struct counters counters;
    struct energy energy;
    struct stoker_slot slot[MAX_PARALLEL]; /* as of the last step */

    /* the engine thread's own */
    struct job *active[MAX_PARALLEL]; /* by sequence; NULL: free */
    uint64_t mask_work;               /* on masks, and on what constraints force, since the last step */
    int first_mask;                   /* sequence whose mask is worked on first in this step */
    struct price price;               /* of drafts, where plan.priced */
    double rows_per_second;           /* recent rate of steps with prompts; 0: not known */
    double encoders_wait;             /* seconds of its own steps, before encoders go on */
    int next_encoder;                 /* whose turn it is */
};

/* Requests that wait although all sequences are taken. Call it under the lock. */
int engine_queued(const struct stoker *s);

/* Bytes that the table of jobs and all that jobs own can take: for the plan. predictions 1: of answers too. */
uint64_t engine_queue_bytes(int n_queue, int n_parallel, int n_ctx, int predictions);
/* The same of a model that pools, whose requests have neither prompts nor answers of their own: texts and vectors are the caller's. */
uint64_t embed_queue_bytes(int n_queue, int n_parallel);

/* report.c: brings slots and counters up to date; fills in what stoker_plan_of() shows. */
void engine_report(struct stoker *s);
void engine_report_plan(const struct session *s, enum kv_type kv, enum cpu_tier tier, struct stoker_plan *out);
void histogram_add(struct stoker_histogram *h, double seconds);

/* about.c */
enum stoker_layer_kind engine_layer_kind(enum layer_keeps keeps);

/* recording.c: what r records, checked. *out is NULL where that is nothing. -1: the error's field is one of "capture". */
int capture_job_open(struct job_capture **out, struct stoker *s, const struct stoker_request *r, struct error *err);
void capture_job_close(struct job_capture *c);

/* The engine thread's loop: step/schedule.c, and of models that pool embed/embed.c. */
void *engine_run(void *engine);
void *embed_run(void *engine);

/* embed/beside.c: models beside the main one. Each is an engine without a thread and a pool: the main one's thread makes their
 * steps, a layer or less at a time while it has requests of its own. */
/* Reads the headers of those that the options name, into out [PLAN_FURTHER], and what they take into to->plan_request. -1: what is in out
 * is closed by the caller all the same. */
int beside_prepare(struct session **out, const struct stoker_options *o, struct session_options *to, struct error *err);
/* Loads what was prepared for s, which is loaded, as its plan has them. The sessions are the engine's from then on. -1: stoker_close(). */
int beside_open(struct stoker *s, struct session **prepared, const struct session_options *of_main, struct error *err);
void beside_close(struct stoker *s); /* behind the end of the engine's thread */
/* The engine thread's: 1, there are texts to embed; a turn, after a step of `seconds`; reads what is not needed yet, 1: there is more. */
int beside_has_work(struct stoker *s);
void beside_turn(struct stoker *s, double seconds);
int beside_read_idle(struct stoker *s);
void beside_end(struct stoker *s, const struct error *why); /* of all requests, and of reading */

/* embed/drafter.c: a second, smaller model that drafts (docs/spec/drafts.md 9): a session beside that of the model it drafts for, in the
 * same plan and on the same threads, and what it has of each sequence. step/follow.h asks it. */
/* What it has of the sequence of the same number. */
struct follower {
    int32_t *id; /* [n_ctx] tokens of which it has computed n rows: of a text, then of drafts for it */
    int n;
    int n_kept;    /* a copy of its recurrent state was taken behind so many of them; 0: there is none */
    uint64_t text; /* the job whose text it followed last: n_same of the ids are known to be its */
    int n_same;
    int asked, n_made; /* when that had `asked` tokens it drafted made [n_made] */
    int32_t made[STOKER_DRAFT_MOST];
};

struct drafter {
    struct session *session;
    struct follower *of; /* [session->plan.n_parallel]; sequences beyond that have none */
    int longest;         /* most rows of texts before a step of answers */
    int widest;          /* most rows of a pass that drafts */
};

/* Bytes beside its session. */
uint64_t drafter_bytes(const struct plan *p);

/* Of a session that is loaded, which is the drafter's from then on, after -1 too. */
int drafter_open(struct drafter **out, struct session *session, struct error *err);
void drafter_close(struct drafter *d); /* NULL: nothing */

/* Do the files have the same tokens? -1 with the first that differs. Either may have more of them. */
int drafter_check(const struct session *of, const struct session *drafter, struct error *err);

/* embed/embed.c: a step of an engine without a thread. */
int encoding_open(struct stoker *s, struct stoker *main, struct error *err); /* s->encoding */
void encoding_close(struct encoding *e);                                     /* NULL: nothing */
int encoding_has_work(struct stoker *s);
/* Goes on with the step, or begins one: a piece while the main engine has work. The last piece's seconds; 0: nothing could be done. */
double encoding_turn(struct stoker *s);
void encoding_end(
    struct stoker *s); /* of a step that has paused: it goes to its end, once the main engine has stopped */
/* What it shows of templates and tokens, once the session is prepared. */
void engine_name_templates(struct stoker *s);
/* 1: a request waits or runs. */
int engine_has_work(struct stoker *s);

/* An unused job, NULL: there is none; free what one owns. Call them under the lock. */
struct job *engine_unused_job(struct stoker *s);
void engine_free_job(struct job *j);
/* How a submission ends, without the lock. status 0: the engine's thread is told; 1: the queue is full; -1: *err says why not. */
int engine_submitted(struct stoker *s, int status, const struct error *err, struct stoker_error *public);

/* constraint_open.c: a constraint from the engine's cache, compiled if need be. */
struct constraint_request {
    const struct value_want *value; /* the whole answer, or what it is where it is no call; or NULL */
    const struct tool_want *tools;  /* or NULL */
    const char *tools_text;         /* n_tools_text bytes: what the list of tools was read from */
    size_t n_tools_text;
    int (*stopped)(void *arg); /* of struct constraint_source; may be NULL */
    void *stopped_arg;
};
/* Give *out back with constraint_cache_release(). */
int constraint_acquire(struct stoker *s, const struct constraint_request *w, const struct stoker_constraint **out,
                       struct error *err);
/* A public answer as text/answer/ has it, format and reasoning not set. */
int value_want_of(struct value_want *want, const struct stoker_answer *a, struct error *err);

#endif
