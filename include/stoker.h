/* stoker.h - run mixture-of-experts GGUF models that are bigger than memory.
 *
 * An engine is one loaded model under one memory plan. Requests go in, events come out; everything a request may want travels
 * with it, so one engine serves a terminal, a server and a test alike:
 *
 *     engine   stoker_open() ... stoker_close()          one thread inside, any number of callers
 *     request  stoker_submit() -> id                     copied; bounded queue: may say "later"
 *     events   stoker_next_event(id)                     tokens, progress, the end or one error
 *     cancel   stoker_cancel(id)                         at the next layer boundary
 *
 * The tokens of an answer are a function of model, prompt, sampling options and seed. Threads, budget, cache, neighbours and
 * CPU change its speed only.
 *
 * Every function that can fail returns 0 or -1 and fills *err with one sentence for a person. All functions may be called from
 * any thread unless they say otherwise. */
#ifndef STOKER_H
#define STOKER_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t stoker_token;
typedef uint64_t stoker_id;
struct stoker;            /* an engine */
struct stoker_constraint; /* what an answer may be; owned by its maker, not by the request */

enum stoker_error_code {
    STOKER_OK,
    STOKER_ERR_INPUT,       /* what was asked cannot be */
    STOKER_ERR_FORMAT,      /* a file is not what it should be */
    STOKER_ERR_IO,          /* a device or the system refused */
    STOKER_ERR_MEMORY,      /* does not fit */
    STOKER_ERR_UNSUPPORTED, /* stoker cannot do this (yet) */
    STOKER_ERR_CANCELLED,
    STOKER_ERR_BUG,
    STOKER_ERR_BUSY /* too many wait: come back later */
};

struct stoker_error {
    int code;       /* enum stoker_error_code */
    char text[480]; /* one sentence: the thing, what was found, what to do */
};

/* ---- opening ----------------------------------------------------------------------------------------------------------- */

enum { STOKER_CLASSES = 16 };
#define STOKER_MEMORY_MIN UINT64_MAX       /* the plan's minimum */
#define STOKER_MEMORY_MAX (UINT64_MAX - 1) /* everything resident */

/* What the plan is made from. 0 in a field: the right default for this machine. */
struct stoker_options {
    uint64_t memory; /* bytes, whole process; or STOKER_MEMORY_* */
    int n_ctx;       /* positions a sequence */
    int n_parallel;  /* sequences at a time */
    int n_chunk;     /* prompt rows a step */
    int n_snapshots; /* recurrent states a sequence keeps besides its own */
    int n_threads;
    struct stoker_defaults { /* of those that are 0: what is wished for, and given up where memory is short */
        int n_ctx;           /* as far as trained; 0: 8192 */
        int n_parallel;      /* 0: 1 */
        int n_snapshots;     /* 0: 4 with cache_ram, else 1 */
    } defaults;
    int slots[STOKER_CLASSES], n_slots; /* expert slots per class; tests and research */
    const char *kv;                     /* "f16" (default), "f32" */
    const char *cpu_tier;               /* caps the tier: "scalar", "avx2", "avx512" */
    const char *reader;                 /* "uring", "threads", "buffered" */
    int reader_depth;
    double read_timeout;                                        /* seconds */
    int exact;                                                  /* decoded weights, f32 activations */
    int lock;                                                   /* the plan's memory may not be swapped out */
    const char *chat_template;                                  /* a file, one of the model's names, or "chatml" */
    const char *tool_format;                                    /* how calls are written; NULL: as the template shows */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes read while loading */
    void *progress_arg;
    const char *routes; /* a trace file: its routes instead of the model's own (research); not with cache_dir */
    const char *route_trace,
        *cache_log;     /* files to write: routes of every row, decisions of the expert cache (research) */
    const char *mirror; /* a folder with a second copy of the model's files, read in parallel */

    int n_queue; /* requests that wait for a sequence; one more is STOKER_ERR_BUSY. 0: 128 */
    int n_pages; /* of keys and values, 256 positions each, for all sequences; 0: n_ctx positions for each of them.
                              With fewer, sequences that find none wait for the others */
    uint64_t cache_ram;    /* bytes for prefixes that no sequence uses, beside what the sequences leave free; 0: none */
    const char *cache_dir; /* a folder of prefixes that outlives the engine; NULL: none */
    uint64_t cache_disk;   /* bytes of files in it; 0: 8 GiB */
    uint64_t server;       /* bytes that the caller needs itself (connections, buffers): the plan counts them */
};

/* Reads the file's headers, makes the plan, loads what stays resident, starts the engine's thread. STOKER_ERR_MEMORY: the plan
 * is impossible, and the sentence says what would work. */
int stoker_open(struct stoker **out, const char *path, const struct stoker_options *opt, struct stoker_error *err);

/* Ends what runs (their requests get STOKER_FAILED) and gives everything back. No other call may be under way. */
void stoker_close(struct stoker *s);

/* ---- requests ---------------------------------------------------------------------------------------------------------- */

struct stoker_string { /* n bytes; need not end in NUL */
    const char *text;
    size_t n;
};

enum { STOKER_BIAS_MOST = 1024 };
struct stoker_logit_bias {
    stoker_token id;
    double bias; /* added to its logit; -INFINITY: never this token */
};

/* How a token is chosen: mask and bias, penalties, then the stages in their order, then the pick. stoker_sampling_defaults() or
 * stoker_sampling_of() fill it; zeroed it takes the likeliest token always. Names, ranges and defaults are those that users of
 * GGUF engines know. */
struct stoker_sampling {
    double temperature;                                         /* <= 0: the likeliest token always */
    int top_k;                                                  /* <= 0: off */
    double top_p, min_p;                                        /* >= 1, <= 0: off */
    double typical_p;                                           /* >= 1: off */
    double top_n_sigma;                                         /* < 0: off */
    double xtc_probability, xtc_threshold;                      /* 0, > 0.5: off */
    double dynatemp_range, dynatemp_exponent;                   /* 0: off */
    int min_keep;                                               /* no stage leaves fewer */
    double repeat_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
    int repeat_last_n;                                          /* tokens they look back on; 0: off, -1: all */
    double dry_multiplier, dry_base;                            /* 0, < 1: off */
    int dry_allowed_length, dry_penalty_last_n;                 /* of the latter -1: all, 0: off */
    const struct stoker_string
        *dry_breakers;     /* [n_dry_breakers] texts that end a repetition, copied at submit; NULL: newline, */
    size_t n_dry_breakers; /* colon, double quote, asterisk */
    int mirostat;          /* 0, or 2: instead of the stages behind DRY */
    double mirostat_tau, mirostat_eta;
    unsigned char order[10]; /* of the stages: stoker_sampling_order() */
    const struct stoker_logit_bias
        *bias; /* [n_bias], at most STOKER_BIAS_MOST, copied at submit; a token's biases add up */
    size_t n_bias;
    uint64_t seed; /* drawn and reported when has_seed is 0 */
    int has_seed;
    uint32_t choice; /* answers to one prompt with one seed: which of them this is, from 0 */
};
struct stoker_sampling stoker_sampling_defaults(void);
/* These, changed by what the publisher of this model advises. */
struct stoker_sampling stoker_sampling_of(const struct stoker *s);
/* Set a number of it by its name ("top_k"). STOKER_ERR_INPUT: no such name, or the range it must be in. */
int stoker_sampling_set(struct stoker_sampling *s, const char *name, double value, struct stoker_error *err);
/* What such a number may be; of_request: in requests of the published APIs, which is less for some. -1: no such name. */
struct stoker_sampling_range {
    int is_int, min_open; /* a whole number; min itself is not in it */
    double min, max;
};
int stoker_sampling_range(const char *name, int of_request, struct stoker_sampling_range *out);
/* The order of its stages by their names (dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc, temperature), separated by
 * commas or semicolons; those that are not named are left out. STOKER_ERR_INPUT names what is unknown or doubled. */
int stoker_sampling_order(struct stoker_sampling *s, const char *names, size_t n, struct stoker_error *err);
/* A seed from the system, of 53 bits: every reader of JSON shows it right. For several answers with one seed. */
uint64_t stoker_seed(void);

enum { STOKER_TOP = 20 };

struct stoker_request {
    const stoker_token *prompt; /* [n_prompt], copied */
    size_t n_prompt;
    int max_tokens; /* 0: the room that is left */
    struct stoker_sampling sampling;
    int wants_logprobs;                         /* token events tell how likely the token was, */
    int n_top_logprobs;                         /* and the likeliest at its place, at most STOKER_TOP */
    const struct stoker_constraint *constraint; /* what may be said, until the request ends; NULL: anything */
    int may_be_cut; /* where max_tokens is below the constraint's shortest answer: 1 it is cut off there, 0 the request fails */
    int wants_progress;
    int ignore_end;             /* go on behind end-of-text tokens (benchmarks) */
    const stoker_token *script; /* [max_tokens], copied: taken instead of sampled tokens (benchmarks); or NULL */
    const size_t *snapshot_at;  /* [n_snapshot_at], copied, ascending: where in the prompt a later request may resume */
    size_t
        n_snapshot_at; /* models with recurrent states: there, at the end of the prompt and of the answer, and every 2048
                             positions; the first and the newest are kept. Others: anywhere */
    int no_cache;      /* neither finds prefixes that others computed nor leaves any (benchmarks) */
    const void *salt;  /* [n_salt], copied: prefixes are shared among requests of one salt only */
    size_t n_salt;
    /* An event of this request can be taken. Called by the engine's thread: must not block, nor call the engine. Not called any
     * more once the last event was taken. NULL: nobody is told. */
    void (*notify)(void *arg);
    void *notify_arg;
};

/* What an answer may be: a language. */
enum stoker_language {
    STOKER_ANY_TEXT,
    STOKER_JSON_SCHEMA,         /* a JSON value that fits the schema; a keyword that cannot be enforced is an error */
    STOKER_JSON_SCHEMA_LENIENT, /* such a keyword is left out, with a warning */
    STOKER_GBNF,                /* a text of the grammar's rule "root" */
    STOKER_REGEX                /* a text that matches the pattern from end to end */
};

struct stoker_answer {
    enum stoker_language language;
    const char *text; /* n bytes: the schema, the grammar, the pattern */
    size_t n;
    int free_limit; /* the limit may cut the answer; else it is closed in time (close_at_limit) */
};

/* A constraint for requests to this engine, whose answers are governed from their first token on. Equal ones are compiled once and
 * kept for a while, within the plan. STOKER_ERR_INPUT names the place: "schema error at #/properties/x/pattern: ...", or what it takes
 * more of than there is; STOKER_ERR_BUSY: too many wait for theirs. Close it when no request uses it any more. Any thread. (Answers that
 * may begin with reasoning, or hold tool calls: stoker_reply_open().) */
int stoker_constraint_open(const struct stoker_constraint **out, struct stoker *s, const struct stoker_answer *a,
                           struct stoker_error *err);
void stoker_constraint_close(struct stoker *s, const struct stoker_constraint *c);
const char *stoker_constraint_warning(const struct stoker_constraint *c, size_t i); /* NULL: no more */

enum stoker_event_kind {
    STOKER_PROGRESS, /* prompt rows done: u.progress */
    STOKER_TOKEN,    /* u.token */
    STOKER_END,      /* u.end; the last event of a request */
    STOKER_FAILED    /* error; the last event of a request */
};

enum stoker_end_reason { STOKER_END_TEXT, STOKER_END_LENGTH, STOKER_END_CANCELLED };

/* Natural logarithm of a token's share in the softmax over the whole vocabulary of the model's own logits: nothing that was asked
 * for changes it. */
struct stoker_logprob {
    stoker_token id;
    double logprob;
};

struct stoker_event {
    enum stoker_event_kind kind;
    union {
        struct {
            size_t done, cached, total;
        } progress;
        struct {
            stoker_token id;
            double logprob;
            const struct stoker_logprob
                *top;     /* [n_top] likeliest first, of equals the lower id; valid until the request's */
            size_t n_top; /* next event is asked for */
        } token;
        struct {
            enum stoker_end_reason reason;
            size_t n_prompt, n_cached, n_generated;
            int end_sampled; /* an end-of-text token ended it: it was sampled, but is not in n_generated */
            uint64_t seed;
            double prompt_seconds, generate_seconds;
        } end;
    } u;
    struct stoker_error error;
};

/* Hand a request over. STOKER_ERR_BUSY: the queue is full, come back later. */
int stoker_submit(struct stoker *s, const struct stoker_request *req, stoker_id *id, struct stoker_error *err);

/* The next event of a request; waits up to timeout_ms (-1: as long as it takes). 1 an event, 0 time is up, -1 no such request
 * (also after its last event was taken). */
int stoker_next_event(struct stoker *s, stoker_id id, int timeout_ms, struct stoker_event *ev);

/* The request ends at the next layer boundary, with STOKER_END. Not for signal handlers. */
void stoker_cancel(struct stoker *s, stoker_id id);

/* Submit and wait: tokens to on_token (non-zero: stop), the end in *end. */
int stoker_generate(struct stoker *s, const struct stoker_request *req, int (*on_token)(void *arg, stoker_token t),
                    void *arg, struct stoker_event *end, struct stoker_error *err);

/* ---- text -------------------------------------------------------------------------------------------------------------- */

int stoker_n_vocab(const struct stoker *s);

/* *out is malloc'd. STOKER_ERR_UNSUPPORTED where the file's tokenizer is not one that stoker has. */
int stoker_tokenize(const struct stoker *s, const char *text, size_t length, int add_special, int parse_special,
                    stoker_token **out, size_t *n, struct stoker_error *err);

/* ---- prompts ------------------------------------------------------------------------------------------------------------- */

/* A model's words and chat templates. Of a file, without its weights; or an engine's own. */
struct stoker_templates;
/* chat_template, tool_format: as in struct stoker_options, or NULL. */
int stoker_templates_open(struct stoker_templates **out, const char *path, const char *chat_template,
                          const char *tool_format, struct stoker_error *err);
void stoker_templates_close(struct stoker_templates *t);
const struct stoker_templates *stoker_templates_of(const struct stoker *s); /* not to be closed */
/* The bytes of a token, control tokens too. */
const char *stoker_templates_piece(const struct stoker_templates *t, stoker_token id, size_t *n);

/* What the template of requests without tools can do; texts live as long as t. No template that works: all 0 and NULL. */
struct stoker_template_caps {
    int system, tools, parallel_calls, thinking; /* thinking: it has a switch, or shows reasoning */
    const char *tool_format;
    const char *source; /* [n_source] */
    size_t n_source;
};
void stoker_templates_caps(const struct stoker_templates *t, struct stoker_template_caps *out);

enum stoker_author { STOKER_TEMPLATE, STOKER_ASSISTANT, STOKER_USER };
struct stoker_span {
    enum stoker_author author;
    size_t n; /* bytes */
};

/* What the model reads, and who wrote which part of it. Only the template writes control tokens: their texts in a message are
 * ordinary text. */
struct stoker_prompt {
    const char *text;
    size_t n_text;
    const struct stoker_span *span; /* [n_span] */
    size_t n_span;
    const stoker_token *token; /* [n_token] */
    size_t n_token;
    const unsigned char *structure; /* [n_token] 1: a control token or marker, 0: words */
    int continues;                  /* the last message is the assistant's: the answer goes on with it */
    void *owner;
};

enum { STOKER_PATH = 120 };
/* request: JSON as of OpenAI's chat API (messages, tools, reasoning_effort, chat_template_kwargs), and enable_thinking.
 * path: [STOKER_PATH] what of the request is at fault, else empty; or NULL. STOKER_ERR_INPUT: the request, or the template
 * refuses it, with the template's words; STOKER_ERR_FORMAT: the template is broken. Free it with stoker_prompt_free().
 * stopped: 1: nobody waits for the prompt any more. It is asked every few milliseconds while the template is rendered, by the calling
 * thread; the call then fails with STOKER_ERR_CANCELLED. NULL: the prompt is waited for. */
int stoker_prompt(const struct stoker_templates *t, const char *request, size_t n, int (*stopped)(void *arg),
                  void *stopped_arg, struct stoker_prompt *out, char *path, struct stoker_error *err);
void stoker_prompt_free(struct stoker_prompt *p);

struct stoker_message {
    const char *role; /* system, user, assistant, tool (a result); first of all, if any: tools, as JSON, one a line */
    const char *text;
    size_t length;
};

/* A conversation as the model reads it, up to the opening of the assistant's turn. think: 0 off, 1 on, -1 as the template has
 * it. *out is malloc'd. */
int stoker_chat(const struct stoker *s, const struct stoker_message *m, size_t n, int think, stoker_token **out,
                size_t *n_out, struct stoker_error *err);

/* A vocabulary without its model. pre: used instead of the file's tokenizer.ggml.pre, or NULL. */
struct stoker_vocab;
int stoker_vocab_open(struct stoker_vocab **out, const char *path, const char *pre, struct stoker_error *err);
void stoker_vocab_close(struct stoker_vocab *v);
int stoker_vocab_size(const struct stoker_vocab *v);
int stoker_vocab_tokenize(const struct stoker_vocab *v, const char *text, size_t length, int add_special,
                          int parse_special, stoker_token **out, size_t *n, struct stoker_error *err);
/* The bytes of a token, *length of them; of an id beyond the vocabulary none. */
const char *stoker_vocab_piece(const struct stoker_vocab *v, stoker_token id, size_t *length);
/* The text of a list of tokens, control tokens shown; malloc'd. STOKER_ERR_INPUT names an id beyond the vocabulary. */
int stoker_vocab_text(const struct stoker_vocab *v, const stoker_token *ids, size_t n, char **out, size_t *length,
                      struct stoker_error *err);

/* Tokens to text as they come: whole UTF-8 characters, control tokens hidden. */
struct stoker_text;
struct stoker_text *stoker_text_open(const struct stoker *s);
size_t stoker_text_next(struct stoker_text *t, stoker_token id, const char **text); /* valid until the next call */
size_t stoker_text_end(struct stoker_text *t, const char **text);
void stoker_text_close(struct stoker_text *t);

/* ---- answers taken apart ------------------------------------------------------------------------------------------------ */

enum stoker_tool_choice { STOKER_TOOLS_AUTO, STOKER_TOOLS_NONE, STOKER_TOOLS_REQUIRED };

/* What an answer may hold besides text. Zeroed: text and reasoning. */
struct stoker_reply_options {
    const char *tools; /* OpenAI's list of tools as JSON, n_tools bytes; NULL: none */
    size_t n_tools;
    enum stoker_tool_choice choice;
    const char *tool;   /* STOKER_TOOLS_REQUIRED: this one must be called; NULL: any */
    int one_call;       /* at most one call in the answer */
    const char *format; /* how calls are written; NULL: as the model's template does */
    int unchecked;      /* calls are recognised, not governed */
    int free_limit;     /* a call that the limit cuts off stays cut off */
    struct stoker_answer
        answer;                 /* what the text behind the reasoning may be, where it is no call (STOKER_TOOLS_AUTO) */
    const stoker_token *prompt; /* [n_prompt] what the model reads: it may end inside the reasoning */
    size_t n_prompt;
    const struct stoker_string
        *stop;     /* [n_stop] copied; content that one of them ends: it is not given out, nor what may begin */
    size_t n_stop; /* one until that is sure. Reasoning and calls are not looked at */
    int plain;     /* all text is content, whatever it looks like: for prompts without a template. Without tools */
    /* 1: nobody waits for the answer any more. Asked while its constraint is compiled or waits for memory, by the thread that opens the
     * reply, which then fails with STOKER_ERR_CANCELLED. NULL: it is waited for. */
    int (*stopped)(void *arg);
    void *stopped_arg;
};

enum stoker_piece_kind {
    STOKER_PIECE_REASONING,
    STOKER_PIECE_CONTENT,
    STOKER_PIECE_CALL,      /* a call begins: call, name, id if the text had one */
    STOKER_PIECE_ARGUMENTS, /* more of its arguments, JSON */
    STOKER_PIECE_CALL_END,
    STOKER_PIECE_BAD_CALL, /* something like a call, but broken: its text came as content */
    STOKER_PIECE_CUT_CALL  /* the answer ended inside a call: text is what there is of it */
};

/* Whole UTF-8 characters, not terminated; valid until the function returns. */
struct stoker_piece {
    enum stoker_piece_kind kind;
    size_t call; /* number of the call in the answer, from 0 */
    const char *text;
    size_t n;
    const char *name, *id;
};

/* One answer: its tokens in, pieces out as soon as they are sure; nothing is taken back. piece may be NULL. Threads: one reply
 * belongs to one thread, but for the constraint, which the engine uses while the request runs. */
struct stoker_reply;
int stoker_reply_open(struct stoker_reply **out, struct stoker *s, const struct stoker_reply_options *o,
                      void (*piece)(void *arg, const struct stoker_piece *p), void *arg, struct stoker_error *err);
/* Keywords of answer's schema, or of the tools', that were left out; NULL: no more. */
const char *stoker_reply_warning(const struct stoker_reply *r, size_t i);
/* For stoker_request.constraint; NULL: the answer needs none. Lives as long as the reply: close it after the request's end. */
const struct stoker_constraint *stoker_reply_constraint(const struct stoker_reply *r);
/* Tokens of the shortest answer that what governs it allows, where the limit may not cut it; with fewer the request will fail. 0: any
 * will do; SIZE_MAX: more than any can have. Before the request is submitted. */
size_t stoker_reply_shortest(const struct stoker_reply *r);
/* 1: the answer is over, by a stop string or by an end that the vocabulary does not know; cancel the request. */
int stoker_reply_token(struct stoker_reply *r, stoker_token id, struct stoker_error *err);
int stoker_reply_end(struct stoker_reply *r, struct stoker_error *err);
/* The number of the stop string that ended the answer, also in stoker_reply_end(); -1: none. */
int stoker_reply_stop(const struct stoker_reply *r);
/* After the end. The message in OpenAI's form (role, content, reasoning_content, tool_calls) as JSON; NULL: no memory. */
const char *stoker_reply_message(struct stoker_reply *r);
size_t stoker_reply_n_call(const struct stoker_reply *r);
const char *stoker_reply_call(const struct stoker_reply *r, size_t i, const char **arguments, size_t *n); /* its name */
void stoker_reply_close(struct stoker_reply *r);

/* ---- plan and statistics ------------------------------------------------------------------------------------------------- */

enum { STOKER_PLAN_PARTS = 17 };

struct stoker_plan {
    char model[256], arch[64];
    const char *part_name[STOKER_PLAN_PARTS];
    uint64_t part[STOKER_PLAN_PARTS]; /* bytes */
    uint64_t memory, total, minimum, whole;
    const char *memory_from; /* "flag", "cgroup", "available" */
    int fits;
    int n_ctx, n_ctx_train, n_parallel, n_chunk, n_threads;
    const char *kv;
    uint64_t kv_bytes_per_token, kv_fixed_bytes, state_bytes_per_sequence;
    int n_moe_layer, n_expert, n_expert_used, n_class;
    int slots[STOKER_CLASSES], experts[STOKER_CLASSES]; /* of a class: held, in all */
    uint64_t slot_bytes[STOKER_CLASSES], expert_bytes[STOKER_CLASSES];
    uint64_t expert_bytes_total, expert_bytes_per_token; /* bytes of all experts, of one token's */
    int cut_embedding, cut_experts, cut_chunk, cut_prefix, cut_sequences, cut_context, cut_cache;
    int n_file;
};

/* From headers only, nothing is loaded. On STOKER_ERR_MEMORY the numbers are filled in too (fits 0). */
int stoker_plan(struct stoker_plan *out, const char *path, const struct stoker_options *opt, struct stoker_error *err);

void stoker_plan_of(const struct stoker *s, struct stoker_plan *out);

/* What a model's files say of themselves: their headers, nothing else is read. Texts are cut to fit; 0 and "": not said. */
struct stoker_about {
    char name[256], arch[64], license[64];
    char type[32];            /* the block type that holds most bytes, "q4_K" */
    uint64_t bytes, n_params; /* of all files; weights */
    int64_t modified;         /* the first file, seconds since 1970 */
    uint64_t hash;            /* other files, or files written anew: another number */
    uint64_t n_ctx_train, n_layer, n_embd, n_head, n_head_kv, n_expert, n_expert_used;
};
int stoker_about(struct stoker_about *out, const char *path, struct stoker_error *err);

enum { STOKER_CALLS = 65, STOKER_BUCKETS = 16 };
enum { STOKER_RAM, STOKER_DISK, STOKER_TIERS };

struct stoker_histogram {
    uint64_t n[STOKER_BUCKETS], count; /* count: the sum of n */
    double sum;                        /* seconds */
};

/* Sums since the engine was opened: differences of two are what happened between. */
struct stoker_stats {
    uint64_t hits, misses, evictions; /* experts that a layer call found resident; that were read for it; that went */
    uint64_t early;                   /* of the reads: before the layer's routes were known */
    uint64_t early_used, early_waste; /* ... and was used there (one of the misses), or was not */
    uint64_t reads, bytes_read;       /* of experts, one read a tensor; with alignment */
    uint64_t retries, shorts, failed; /* reads tried again, answered with less than asked, given up */
    uint64_t draining;                /* now: slots that a lost read may still write into */
    double wait_seconds;              /* the engine blocked, waiting for a read */
    double reading_seconds;           /* with a piece of a read in flight */
    double piece_seconds;             /* the same, times the pieces in flight */
    double step_seconds;              /* in forward passes */
    double expert_seconds;            /* of them, computing experts */
    uint64_t calls[STOKER_CALLS];     /* layer calls of few rows by misses; the last: that many or more */
    uint64_t steps, rows;
    const char *backend, *cpu_tier;

    int queued, active;           /* now: requests that wait, that run */
    double expected_wait_seconds; /* until a request that is submitted now would begin, as far as measured */
    uint64_t requests, rejected, cancelled, failed_requests, preempted; /* rejected: the queue was full */
    uint64_t prompt_tokens, cached_tokens, generated_tokens; /* cached: of the prompts', not computed again */
    uint64_t cache_bytes[STOKER_TIERS];                      /* now */
    uint64_t cache_hits[STOKER_TIERS];                       /* requests that went on from something of it */
    uint64_t cache_corrupt;                                  /* files that were damaged or foreign, and are gone */
    uint64_t constraint_hits,
        constraints_compiled; /* requests whose constraint was there; compilations that succeeded */
    uint64_t constraints_failed, constraints_evicted; /* and those that did not; forgotten for want of memory */
    uint64_t constraint_bytes;                        /* held now, of the plan */
    uint64_t mask_work_most, mask_work_bound; /* of masks between two steps, some 10 ns a unit; what it may be */
    struct stoker_histogram step_time, first_token_time; /* of steps; from submit to the first token */
};

/* How long things took: n[i] of them up to stoker_histogram_bound(i) seconds and more than the bound before; the last: longer. */
double stoker_histogram_bound(int i); /* 0 <= i < STOKER_BUCKETS - 1 */

/* All of these answer at once, whatever the engine does. */
void stoker_stats_of(struct stoker *s, struct stoker_stats *out);

/* What each sequence does, as of the last step. */
enum stoker_slot_state { STOKER_IDLE, STOKER_PREFILL, STOKER_DECODE };
struct stoker_slot {
    enum stoker_slot_state state;
    stoker_id id; /* of the request; the rest is 0 where idle */
    size_t n_prompt, n_prompt_done, n_cached, n_decoded;
    double age_seconds; /* since it was submitted */
};
int stoker_slots(struct stoker *s, struct stoker_slot *out, int n); /* out [n]; returns how many there are */

/* What a layer is: what it keeps of a sequence (keys and values of all positions, of the last ones, compressed ones, or a state, or
 * nothing: a feed-forward alone), and its experts. */
enum stoker_layer_kind {
    STOKER_LAYER_FULL,
    STOKER_LAYER_WINDOW,
    STOKER_LAYER_COMPRESSED,
    STOKER_LAYER_RECURRENT,
    STOKER_LAYER_NOTHING
};
struct stoker_layer {
    enum stoker_layer_kind kind;
    uint64_t bytes;              /* in the file */
    const char *type;            /* of its largest tensor: "q4_K" */
    int n_expert, n_expert_used; /* 0, 0: dense */
};
int stoker_layers(const struct stoker *s, struct stoker_layer *out, int n); /* out [n]; returns how many there are */

/* How often rows were sent to each expert of a layer since the engine was opened: out [n_expert of the layer]. */
void stoker_expert_use(const struct stoker *s, int layer, uint64_t *out);

/* Forget all prefixes, in memory and on disk, that no running sequence uses, before the next step. Returns their bytes. */
uint64_t stoker_cache_clear(struct stoker *s);

/* What constraints cost with a file's vocabulary, over the schemas and texts at a path (a folder or file like the project's schema
 * cases, a schema, or a list of tools). Seconds. */
struct stoker_mask_times {
    size_t n;
    double median, p99, worst;
};
/* close_at_limit: off; on, with the limit far away; on, with room for just the text at hand. */
enum stoker_mask_limit { STOKER_MASK_LIMIT_NONE, STOKER_MASK_LIMIT_FAR, STOKER_MASK_LIMIT_NEAR, STOKER_MASK_LIMITS };
struct stoker_mask_bench {
    int n_vocab;
    double trie_seconds;
    uint64_t trie_bytes;
    size_t skipped; /* schemas that were refused */
    struct stoker_mask_costs {
        struct stoker_mask_times compile, first /* mask of a constraint */, cold /* texts, the first time */, warm;
    } costs[STOKER_MASK_LIMITS];
};
int stoker_mask_bench(const char *model, const char *path, struct stoker_mask_bench *out, struct stoker_error *err);

const char *stoker_version(void);

#endif
