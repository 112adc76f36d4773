/* stoker.h - run mixture-of-experts GGUF models that are bigger than memory.
 *
 * An engine is one loaded model under one memory plan. A caller submits requests and takes events. A request carries everything it
 * needs, so one engine serves a terminal, a server and a test alike:
 *
 *     engine   stoker_open() ... stoker_close()     one thread inside, any number of callers
 *     request  stoker_submit() -> id                copied; the queue is bounded and may answer "busy"
 *     events   stoker_next_event(id)                tokens, progress, then the end or one error
 *     cancel   stoker_cancel(id)                    takes effect at the next layer boundary
 *
 * The tokens of an answer are a function of model, prompt, sampling options and seed. Threads, budget, cache, other requests and
 * the CPU change its speed only.
 *
 * Conventions, unless a declaration says otherwise:
 *
 *   errors     A function that can fail returns 0 or -1 and, on -1, fills *err: a code and one sentence for a person; on 0 it leaves
 *              *err as it is. err may be NULL. Other outputs are valid after 0 only. Any function may fail with STOKER_ERR_MEMORY.
 *              A function without err cannot fail.
 *   threads    Any function may be called from any thread at any time. An object that the caller opened, an engine excepted, is used
 *              by one thread at a time, and by none any more when it is closed. Close it before what it was opened from.
 *   ownership  Strings and arrays that the caller passes are read during the call only, and need not exist after it.
 *              Pointers that the library returns stay the library's and live as long as the object they were asked of. Where a
 *              comment says "allocated", the memory is the caller's, who gives it back with stoker_free().
 *   closing    Every close function takes NULL and does nothing with it.
 *   strings    A const char * without a length ends in NUL; one with a length need not.
 *   units      Sizes are bytes, lengths of prompts and answers are tokens, times are seconds, unless the name says otherwise.
 *              Texts are UTF-8. [n] behind a pointer names how many elements it points to. */
#ifndef STOKER_H
#define STOKER_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t stoker_token; /* an id of the vocabulary, from 0 */
typedef uint64_t stoker_id;   /* a request of an engine; 0 is none, and none is used twice */
struct stoker;                /* an engine */
struct stoker_constraint;     /* the language that an answer must belong to */
struct stoker_capture;        /* what is recorded of a request */
struct stoker_vector;         /* directions, features, experts, or routes, that a request may steer by */

enum stoker_error_code {
    STOKER_OK,
    STOKER_ERR_INPUT,       /* the call asks for something impossible: change it */
    STOKER_ERR_FORMAT,      /* a file is damaged, or not of the format it should be */
    STOKER_ERR_IO,          /* a device or the system refused */
    STOKER_ERR_MEMORY,      /* it does not fit in memory */
    STOKER_ERR_UNSUPPORTED, /* stoker cannot do this (yet) */
    STOKER_ERR_CANCELLED,   /* the caller's stopped() returned 1, or the engine was closed */
    STOKER_ERR_BUG,         /* an internal check failed */
    STOKER_ERR_BUSY         /* too many requests wait, or others have the memory: try again later */
};

enum { STOKER_PATH = 120 }; /* bytes of a path, with its NUL */

struct stoker_error {
    int code;       /* enum stoker_error_code */
    char text[480]; /* one sentence: the object, the value found, the fix. Ends in NUL */
    /* path of the part of the request that it is about: "tools[2].function.name"; "": none is known */
    char field[STOKER_PATH];
};

/* Frees memory that a function of this header allocated for its caller. NULL: does nothing. */
void stoker_free(void *p);

/* ---- opening ----------------------------------------------------------------------------------------------------------- */

enum { STOKER_CLASSES = 16 };              /* most classes of experts: layers whose experts have one size */
#define STOKER_MEMORY_MIN UINT64_MAX       /* the smallest budget under which the plan works */
#define STOKER_MEMORY_MAX (UINT64_MAX - 1) /* the budget under which everything is resident */

struct stoker_plan;

/* What a machine does in a second, all threads together. Plans show the speed that follows from it; it decides nothing. 0 in a field: what
 * is usual. */
struct stoker_rates {
    double drive, memory; /* bytes read, from the model's drive and from DRAM */
    double
        product; /* weights times rows that they are multiplied with, many, without what unpacking the weights takes: */
    double unpack_rows;   /* as long as the products with so many rows */
    double dot, vector;   /* weights multiplied with one row; floats that norms, activations and sums read or write */
    double attend, state; /* multiplications of attention; floats of recurrent states times rows */
};

/* What the plan is made from. 0 or NULL in a field: the default for this model and machine. No number may be negative. */
enum { STOKER_DRAFT_MOST = 32 };
enum stoker_use { STOKER_USE_ANY, STOKER_USE_TEXT, STOKER_USE_VECTORS };
struct stoker_options {
    enum stoker_use use; /* a model that cannot do that is STOKER_ERR_UNSUPPORTED, before anything is loaded */
    /* How the rows of a text become vectors: "none", "mean", "cls", "last", "rank". NULL: as the file says; one that says nothing
     * generates text. */
    const char *pooling;
    uint64_t memory; /* bytes for the whole process, or STOKER_MEMORY_*; 0: what the machine and its cgroups leave */
    int n_ctx;       /* positions of a sequence: prompt and answer together */
    int n_parallel;  /* sequences at a time, at most 128 */
    int n_chunk;     /* prompt tokens computed in a step, at most 65536 */
    int n_snapshots; /* copies of its recurrent state that a sequence may keep, for models that have one; at most 1024 */
    int n_threads;   /* of computation, at most 256; 0: the cores that this process may use */
    /* Used where n_ctx, n_parallel or n_snapshots above, or cache_ram or capture_memory below, is 0. The plan lowers these where memory is
     * short, or where less of them makes answers come sooner, but never what was given. */
    struct stoker_defaults {
        int n_ctx;       /* at most what the model was trained on; 0: 8192 */
        int n_parallel;  /* 0: 1 */
        int n_snapshots; /* 0: 4 with cache_ram, else 1 */
        uint64_t cache_ram;
        uint64_t capture_memory; /* halved down to 2 MiB where memory is short ... */
        uint64_t capture_least;  /* ... or to so many bytes: stoker_capture_least() of what requests will record */
        int capture_rows; /* capture_memory is raised to so many rows of one place of all layers, at most 256 MiB */
    } defaults;
    int slots[STOKER_CLASSES]; /* [n_slots] expert slots of each class instead of the plan's (research) */
    int n_slots;               /* as many as the model has classes; 0: the plan's slots */
    const char *kv;            /* type of keys and values: "f16" (default), "f32" or "q8_0" */
    const char *cpu_tier; /* highest tier of kernels: "scalar"; "avx2", "avxvnni", "avx512"; arm64: "neon", "i8mm" */
    const char *reader;   /* how experts are read: "uring", "threads", "buffered"; NULL: the best that works */
    int reader_depth;     /* pieces of reads in flight, at most 4096 */
    double read_timeout;  /* seconds until a read counts as lost, at most 1e6; 0: 120 */
    double spin_ms;       /* milliseconds that threads without work stay awake before they sleep, at most 1e4; 0: 5, and
                             less with more threads than cores or under a quota of processor time */
    int exact;            /* 1: multiply decoded weights with f32 activations (slow; a reference) */
    int lock;             /* 1: lock the plan's memory, so that it is never swapped out */
    const char *chat_template; /* path of a file, name of one of the model's templates, or "chatml" */
    const char *tool_format;   /* how tool calls are written; NULL: as the chat template shows */
    /* Called by the opening thread while weights load, with the bytes that are read and those of all. NULL: not called. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
    /* Called once by the opening thread when the plan is made, before weights load; *plan is valid during the call. NULL: not called. */
    void (*planned)(void *arg, const struct stoker_plan *plan);
    void *planned_arg;
    const char *route_trace,
        *cache_log; /* files to write: the routes of every row, decisions of the expert cache; draft "auto" is "off" then (research) */
    struct stoker_rates rates; /* of the machine, for the speed that a plan shows */
    const char *mirror;        /* a folder with a second copy of the model's files, which is read in parallel */
    const char *root; /* a folder below which sys is read for counters of energy (tests); NULL: this machine's */

    /* Requests that may wait for a sequence, at most 4096; one more gets STOKER_ERR_BUSY. 0: 128. Given, the plan has memory for so many of
     * a whole context each, and for constraints of many clients: two small ones are compiled at a time, beside a large one. */
    int n_queue;
    int n_pages; /* pages of 256 positions for keys and values, for all sequences together. 0: n_ctx positions for each sequence.
                    With fewer, a sequence that finds no page waits until another ends */
    uint64_t
        cache_ram; /* bytes for cached prefixes beside what the sequences leave free; as many of them as fit. 0: none */
    const char *cache_dir; /* a folder of prefix files that outlives the engine; it is made if need be. NULL: none */
    uint64_t cache_disk;   /* most bytes of files in cache_dir; 0: 8 GiB */
    int cache_on_request;  /* 1: nothing is written to cache_dir until stoker_cache_keep() */
    uint64_t server;       /* bytes that the caller itself needs (connections, texts): the plan counts them */
    uint64_t
        library; /* bytes that sources, and servers of tools, take beside the engine; the plan counts them in a part of their own */
    uint64_t
        steer_memory; /* bytes for vectors: the sum of stoker_vector_bytes() of those that are open at a time. 0: none can be */
    /* Most drafted tokens of a step, of all sequences, at most STOKER_DRAFT_MOST; 0: nothing is drafted, and the plan has nothing for it.
     * Drafts change no token and no log-probability: they are computed behind a sequence's last token, in the same step, and hold as long
     * as they are what is chosen anyway. */
    int n_draft;
    /* What requests without drafts of their own draft: "off" (default), or "ngram": what their constraints force, else what their texts
     * repeat; "mtp": of these what is likely, else what a layer of the model predicts, which is loaded for it (a model without one drafts
     * as with "ngram"); "auto": of all of these, and of requests' own drafts, as many as are worth their time. With any but "off" an
     * n_draft of 0 is 16. */
    /* Or the path of a smaller model of the same vocabulary, with a "/" in it or ".gguf" at its end: as "auto", and what that model would
     * choose. It is in the same memory (part "draft" of the plan) and on the same threads. */
    const char *draft;
    uint64_t
        capture_memory; /* bytes for recorded rows on their way to files, of all requests; 0: the default's, or nothing can be recorded */
    int importance; /* 1: importance is collected: stoker_importance_of() */
    /* Files of models beside this one, in the same memory and on the same threads: one that makes vectors, and one that judges pairs, each
     * where this one does not do that itself. stoker_encoder() has them. NULL: none. */
    const char *embed, *rerank;
    /* Tokens of a text of these at most, up to what each was trained on; the plan does not lower them. 0: what it was trained on, at most
     * 2048, and down to 512 where memory is short. */
    int embed_ctx, rerank_ctx;
};

/* Reads the headers of the GGUF file at path (of a split model: its first part), makes the plan, loads what stays resident and starts the
 * engine's thread. opt NULL: the defaults. -1: nothing is left open. STOKER_ERR_MEMORY: no plan fits, and the sentence says which budget or
 * context would; STOKER_ERR_INPUT: an option is out of range; STOKER_ERR_FORMAT, STOKER_ERR_UNSUPPORTED, STOKER_ERR_IO: the file. A file
 * whose tokenizer stoker does not know opens all the same: functions that turn text into tokens fail with STOKER_ERR_UNSUPPORTED then. */
int stoker_open(struct stoker **out, const char *path, const struct stoker_options *opt, struct stoker_error *err);

/* Ends the engine: running and waiting requests end and their events are lost, prefixes are written to cache_dir, everything is freed.
 * No other call on this engine may be under way; close every object that was opened from it before. */
void stoker_close(struct stoker *s);

/* ---- requests ---------------------------------------------------------------------------------------------------------- */

struct stoker_string {
    const char *text; /* n bytes, which need not end in NUL */
    size_t n;
};

enum { STOKER_BIAS_MOST = 1024 }; /* entries of a logit_bias */
struct stoker_logit_bias {
    stoker_token id;
    double bias; /* added to the token's logit, from -1e6 to 1e6; -INFINITY: the token is never chosen */
};

/* How the next token is chosen: mask and bias, penalties, the stages in their order, then the draw. Fill it with
 * stoker_sampling_defaults() or stoker_sampling_of(); zeroed, it always takes the likeliest token. Definition of each number:
 * docs/spec/sampling.md; its range: stoker_sampling_range(). */
struct stoker_sampling {
    double temperature;                                         /* <= 0: always the likeliest token */
    int top_k;                                                  /* <= 0: off */
    double top_p, min_p;                                        /* >= 1, <= 0: off */
    double typical_p;                                           /* >= 1: off */
    double top_n_sigma;                                         /* < 0: off */
    double xtc_probability, xtc_threshold;                      /* 0, > 0.5: off */
    double dynatemp_range, dynatemp_exponent;                   /* 0: off */
    int min_keep;                                               /* tokens that every stage leaves at least */
    double repeat_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
    int repeat_last_n;                          /* tokens that the penalties look back on; 0: off, -1: all */
    double dry_multiplier, dry_base;            /* 0, < 1: off */
    int dry_allowed_length, dry_penalty_last_n; /* tokens; of the latter -1: all, 0: off */
    /* [n_dry_breakers] texts that end a repetition, copied by stoker_submit(); at most 64 texts, of 4096 bytes together. NULL: newline,
     * colon, double quote, asterisk. */
    const struct stoker_string *dry_breakers;
    size_t n_dry_breakers;
    int mirostat; /* 0: off; 2: instead of the stages behind DRY */
    double mirostat_tau, mirostat_eta;
    unsigned char order[10];              /* of the stages: set by stoker_sampling_order() */
    const struct stoker_logit_bias *bias; /* [n_bias] copied by stoker_submit(); several entries of one token add up */
    size_t n_bias;                        /* at most STOKER_BIAS_MOST */
    uint64_t seed; /* used where has_seed is 1; else one is drawn, and the end event reports it */
    int has_seed;
    uint32_t choice; /* number of this answer among several to one prompt with one seed, from 0: each draws its own */
};

/* The defaults of this library, without a model. */
struct stoker_sampling stoker_sampling_defaults(void);

/* The defaults, overridden by what the publisher wrote into the model's file. */
struct stoker_sampling stoker_sampling_of(const struct stoker *s);

/* Sets a number by the name of its field ("top_k"). STOKER_ERR_INPUT: there is no such name, or the value is out of the range that the
 * sentence names; *s is unchanged then. */
int stoker_sampling_set(struct stoker_sampling *s, const char *name, double value, struct stoker_error *err);

struct stoker_sampling_range {
    int is_int;      /* 1: whole numbers only */
    int min_open;    /* 1: min itself is excluded */
    double min, max; /* inclusive but for min_open */
};

/* The values that such a number may have. of_request 1: in a request of the published HTTP APIs, which allow less of some numbers.
 * -1: there is no such name, and *out is unchanged. */
int stoker_sampling_range(const char *name, int of_request, struct stoker_sampling_range *out);

/* Sets the order of the stages. names: n bytes, names (dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc, temperature) separated by
 * commas or semicolons; stages that are not named are left out. STOKER_ERR_INPUT names what is unknown or doubled; *s is unchanged then. */
int stoker_sampling_order(struct stoker_sampling *s, const char *names, size_t n, struct stoker_error *err);

/* A random seed from the system, of 53 bits, so that every JSON reader can hold it. For several answers that share one seed. */
uint64_t stoker_seed(void);

enum { STOKER_TOP = 20 }; /* most entries of a list of likeliest tokens */

/* A token and the natural logarithm of its probability: softmax of the model's own logits over the whole vocabulary, before bias,
 * penalties, constraint and temperature. */
struct stoker_logprob {
    stoker_token id;
    double logprob;
};

/* How likely a token of a prompt was behind those before it. */
struct stoker_score {
    double logprob; /* as above: the bits that a token event has of the same token at the same place */
    int rank;       /* 1 and the tokens that are likelier; of equals the lower id counts as likelier */
    int n_top;      /* entries of score_top that are filled in: n_score_top, or the whole vocabulary */
};

/* ---- steering: changing what the model computes, for one request ---- */

enum stoker_vector_kind {
    STOKER_VECTOR_ADD,     /* its directions are added to the rows of their layers */
    STOKER_VECTOR_PROJECT, /* they are unit vectors, which are taken out of them (directional ablation) */
    STOKER_VECTOR_SAE,     /* a sparse autoencoder: features of the rows of one layer's end */
    STOKER_VECTOR_EXPERTS, /* no file: experts that routers are turned from or towards */
    STOKER_VECTOR_ROUTES   /* a trace (route_trace): the experts of each position */
};

/* What a vector file says of itself; "" where it does not. Longer texts are cut, what is not printable ASCII is "?". */
struct stoker_vector_about {
    enum stoker_vector_kind kind;
    const char *
        hook; /* what it acts on: "residual_stream_post_layer", "attn_out_pre_residual", "ffn_out_pre_residual"; static */
    int hook_differs; /* 1: its directions were measured at another place than they act on */
    char sha256[65];  /* of its directions: equal content has the same one */
    char file[128];   /* the file's name without its folder */
    char name[256], license[256], author[256], source[256], base_model[256], model_hint[256], method[256];
    int n_embd, layer_first, layer_last,
        n_layer_held; /* of n_layer_held layers from the first to the last it has directions */
    int n_feature;    /* of STOKER_VECTOR_SAE; else 0 */
    int n_label;      /* features that its folder's labels.json names */
    int n_expert;     /* of STOKER_VECTOR_EXPERTS: that have a bias; else 0 */
    int n_step;       /* of STOKER_VECTOR_ROUTES: positions that the trace has; else 0 */
    float scale_default;
    double scale_suggested; /* of STOKER_VECTOR_ADD: to begin with, as its maker says; 0: the file does not */
    uint64_t bytes;         /* in memory */
    int users;              /* now: who opened or holds it, and requests with it in their lists, an entry each */
};

/* Bytes that a vector file takes once it is open, from its header: for steer_memory of the options. Errors as of stoker_vector_open(). */
int stoker_vector_bytes(const char *path, uint64_t *bytes, struct stoker_error *err);

/* Opens a control vector, a GGUF file of one direction a layer. dir: AT_FDCWD, or an open folder, of which name is an entry (no path, no
 * link, not hidden, on the same device). It is read and checked whole, by the calling thread; no step waits for that. STOKER_ERR_FORMAT,
 * STOKER_ERR_UNSUPPORTED, STOKER_ERR_IO: the file; STOKER_ERR_INPUT: it is for another model, or name is no entry; STOKER_ERR_MEMORY: it
 * does not fit into what is left of steer_memory. Any number of threads and requests may use a vector at a time. */
int stoker_vector_open(struct stoker_vector **out, struct stoker *s, int dir, const char *name,
                       struct stoker_error *err);

/* A sparse autoencoder: a folder of SAELens or sparsify. form: of a folder without cfg.json, of which gate it is ("topk:32", "standard",
 * "jumprelu") and of which layer's end, from 0; NULL: it has one, which form must not contradict (STOKER_ERR_INPUT). The rest as of the
 * two functions above, STOKER_ERR_UNSUPPORTED also for what it says of itself that is not done here. */
struct stoker_sae_form {
    const char *gate;
    int layer;
};
int stoker_sae_bytes(const char *path, const struct stoker_sae_form *form, uint64_t *bytes, struct stoker_error *err);
int stoker_sae_open(struct stoker_vector **out, struct stoker *s, int dir, const char *name,
                    const struct stoker_sae_form *form, struct stoker_error *err);

/* Experts that layers are kept from choosing, or from not choosing: bias is added to the value that the layer chooses its experts by
 * (behind its router's gate and bias, before groups), -INFINITY: the expert is not chosen. Weights come from the router all the same.
 * Each expert at most once. STOKER_ERR_INPUT: no such layer or expert, a layer that is dense or goes by tokens alone, a bias that is not
 * possible, an expert twice; the field is "list[i]" or "list". STOKER_ERR_MEMORY: other lists have the memory of all lists, which a plan
 * with n_queue has for models with experts, apart from steer_memory. */
struct stoker_expert_bias {
    int layer, expert;
    float bias; /* up to STOKER_EXPERT_BIAS_MOST in size */
};
enum { STOKER_STEER_EXPERTS_MOST = 4096, STOKER_EXPERT_BIAS_MOST = 10000 };
int stoker_experts_open(struct stoker_vector **out, struct stoker *s, const struct stoker_expert_bias *list, size_t n,
                        struct stoker_error *err);

/* One more opener: what was opened and held n times is closed n + 1 times. */
void stoker_vector_hold(const struct stoker_vector *v);

/* Requests that were submitted with it keep it, and its memory, until their last event is taken. */
void stoker_vector_close(const struct stoker_vector *v);

void stoker_vector_about(const struct stoker_vector *v, struct stoker_vector_about *out);
double stoker_vector_norm(const struct stoker_vector *v,
                          int layer); /* of its direction there, as in the file; 0: it has none */
/* What labels.json of an autoencoder's folder calls a feature: UTF-8, there until the vector is closed. NULL: nothing. */
const char *stoker_feature_label(const struct stoker_vector *v, int feature);

/* Rows that a projection acts on: all, or those in which there is more, or less, than nothing of the direction. */
enum stoker_side { STOKER_SIDE_BOTH, STOKER_SIDE_POSITIVE, STOKER_SIDE_NEGATIVE };
enum { STOKER_STEER_MOST = 16, STOKER_SCALE_MOST = 1000, STOKER_FEATURE_MOST = 1000000 };

/* What is done: by the directions of a vector; to a feature of an autoencoder; to the choice of experts: some are
 * turned from, or all are told. */
enum stoker_steer_kind {
    STOKER_STEER_VECTOR,
    STOKER_STEER_FEATURE_ADD,      /* amount times its direction is added */
    STOKER_STEER_FEATURE_SET,      /* it becomes amount */
    STOKER_STEER_FEATURE_MULTIPLY, /* it becomes amount times what it is */
    STOKER_STEER_EXPERTS,
    STOKER_STEER_ROUTES
};

/* A position: n, or with from_prompt_end that many behind the end of the prompt (-1: the prompt's last token). */
struct stoker_at {
    int64_t n;
    int from_prompt_end;
};

/* One operation of a list. Zeroed but for its vector: as the file says, at all layers and positions. Of a feature has_amount and has_layers
 * are 0: amount always counts, and its layer is the autoencoder's. Of experts and routes all but vector, kind and positions is 0; all
 * entries of a list together name at most STOKER_STEER_EXPERTS_MOST, and leave each layer, at each position, as many experts as a row
 * takes. A list has routes of one trace at most, and then no experts. */
struct stoker_steer {
    const struct stoker_vector *vector; /* open; of the same engine */
    enum stoker_steer_kind kind;
    int feature; /* from 0 */
    float
        amount; /* times which the direction is added, or the share that is taken out; up to STOKER_SCALE_MOST, of features
                     STOKER_FEATURE_MOST */
    int layer_first, layer_last;        /* inclusive */
    enum stoker_side side;              /* of projections */
    struct stoker_at from, to;          /* positions from <= p < to */
    int has_amount, has_layers, has_to; /* 0: the file's scale_default; all layers of the file; without end */
};

/* 64 digits that tell what a list does to a request with so many tokens of prompt: equal ones, with equal requests, give equal bits. Names
 * and files do not count, nor what is without effect; "": all of it is. Errors as of stoker_submit(), whose fields are those of "steer[0]":
 * vector, scale, layers, side, from, to; of features sae, feature, value, layers, from, to; of experts list, layers, from, to; of
 * routes routes, layers, from, to. */
int stoker_steer_digest(const struct stoker *s, const struct stoker_steer *op, size_t n, size_t n_prompt, char out[65],
                        struct stoker_error *err);

/* ---- capture: recording what the model computes, for one request ---- */

/* Places whose rows are recorded; docs/spec/steering.md 9. */
enum stoker_tap {
    STOKER_TAP_RESID_PRE,
    STOKER_TAP_ATTN_OUT,
    STOKER_TAP_RESID_MID,
    STOKER_TAP_FFN_OUT,
    STOKER_TAP_RESID_POST,
    STOKER_TAP_ROUTER_LOGITS,
    STOKER_TAP_ROUTER_IDS,
    STOKER_TAP_ROUTER_WEIGHTS,
    STOKER_TAP_LENS,
    STOKER_TAP_FINAL,
    STOKER_TAPS
};
/* What is kept of rows: all; of all together their mean, the last one; of each its largest values by magnitude, its norm, its product with
 * a direction; how often each expert was chosen. */
enum stoker_reduce {
    STOKER_REDUCE_NONE,
    STOKER_REDUCE_MEAN,
    STOKER_REDUCE_LAST,
    STOKER_REDUCE_TOP,
    STOKER_REDUCE_NORM,
    STOKER_REDUCE_DOT,
    STOKER_REDUCE_COUNT,
    STOKER_REDUCES
};
enum stoker_dtype { STOKER_F32, STOKER_F16, STOKER_BF16, STOKER_I32 };
enum { STOKER_CAPTURE_TOP = 256, STOKER_LENS_ROWS = 64 };

/* "resid_pre" ..., "none" ...; static. NULL: there is no such number. */
const char *stoker_tap_name(int tap);
const char *stoker_reduce_name(int reduce);

/* What is recorded of a request, and where to. Zeroed but for taps (or sae and top) and a target: whole rows of all positions, as f32. */
struct stoker_capture {
    unsigned taps; /* bits 1 << enum stoker_tap */
    const unsigned char
        *layer; /* [layers of the model] 1: wanted, and it must have the taps; NULL: all that have them */
    struct stoker_at from, to; /* positions from <= p < to */
    int has_to;                /* 0: to the end */
    enum stoker_reduce reduce;
    int top;       /* entries of a row, for STOKER_REDUCE_TOP, the lens and features: from 1 to STOKER_CAPTURE_TOP */
    int no_tokens; /* 1: the ids of the positions are not among the tensors */
    enum stoker_dtype dtype;           /* of whole rows, means and last rows, but for numbers of experts */
    const struct stoker_vector *along; /* with STOKER_REDUCE_DOT: open, of the same engine */
    const struct stoker_vector
        *sae; /* whose features are recorded, besides taps, which may be 0; likewise. NULL: none */
    /* Of a file that several requests share: the positions of all, and the first that is this one's; the requests (which have a row each
     * of what is reduced to one), and which this is. 0: it is the only one, and has as many rows as stoker_capture_rows() says. */
    size_t n_rows, row, n_requests, request;
    /* The target: memory [n_memory], or if that is NULL a regular file, open for writing, whose tensors begin at data_at. It is the
     * caller's and stays until the request's last event is taken. */
    void *memory;
    size_t n_memory;
    int fd;
    uint64_t data_at;
};

enum { STOKER_TENSOR_NAME = 40 };

/* A tensor of a target. */
struct stoker_tensor {
    char name[STOKER_TENSOR_NAME]; /* "resid_post.3" */
    enum stoker_dtype dtype;
    int n_dim; /* 1 or 2 */
    uint64_t shape[2];
    int one_row;            /* 1: shape[0] counts requests; 0: positions */
    uint64_t offset, bytes; /* from where tensors begin */
};

/* Rows that a request with such a prompt and max_tokens (0: as many as the context has left; -1: only_score) has at most. */
size_t stoker_capture_rows(const struct stoker *s, const struct stoker_capture *c, size_t n_prompt, int max_tokens);

/* Fills out [n] with the tensors of a target of c->n_rows and c->n_requests (both at least 1), and returns how many there are, which may be
 * more. -1: STOKER_ERR_INPUT, STOKER_ERR_UNSUPPORTED; fields of "capture": tensors, layers, reduce, top, dtype, vector, sae, from, to. */
int stoker_capture_layout(const struct stoker *s, const struct stoker_capture *c, struct stoker_tensor *out, size_t n,
                          struct stoker_error *err);

/* The least capture_memory with which requests of a model can record what c names, by the model's headers. features: 1: and those of an
 * autoencoder, c->top of them; c->along and c->sae need not be open. Errors as of stoker_about() and stoker_capture_layout(). */
int stoker_capture_least(uint64_t *bytes, const char *path, const struct stoker_capture *c, int features,
                         struct stoker_error *err);

struct stoker_pair {
    const char *key, *value;
};

/* The header of a safetensors file of these tensors: what the model says of itself, then more [n_more]. At least at_least bytes: of the
 * header of more rows. Allocated. NULL: no memory. */
char *stoker_capture_header(const struct stoker *s, const struct stoker_tensor *t, size_t n,
                            const struct stoker_pair *more, size_t n_more, size_t at_least, size_t *length);

/* The header of a .npy file of one tensor, not bf16. Allocated. NULL: no memory. */
char *stoker_capture_npy(const struct stoker_tensor *t, size_t *length);

/* A file whose tensors begin at data_at becomes one of fewer rows: they move, t [n] is brought up to date, the file ends behind them. */
int stoker_capture_trim(int fd, uint64_t data_at, struct stoker_tensor *t, size_t n, size_t rows,
                        struct stoker_error *err);

/* One request. stoker_submit() copies all of it but the constraint, which must be of the same engine and stay open until the request's last
 * event is taken, and what notify_arg and stats_at_first_token point to. */
struct stoker_request {
    const stoker_token *prompt; /* [n_prompt] */
    size_t n_prompt;            /* at least 1, less than the plan's n_ctx; with only_score it may be n_ctx */
    int max_tokens;             /* most tokens of the answer; 0: as many as the context has left */
    struct stoker_sampling sampling;
    int wants_logprobs; /* 1: token events carry log-probabilities */
    int n_top_logprobs; /* with wants_logprobs: of so many likeliest tokens too, at most STOKER_TOP */
    /* With wants_logprobs: [n_top_logprobs] the likeliest where an end token was sampled, in the caller's memory, which lives until the
     * request's last event was taken. NULL: not told. */
    struct stoker_logprob *end_top;
    const struct stoker_constraint *constraint; /* the language that the answer must belong to; NULL: any text */
    /* If max_tokens is too few for the shortest answer that the constraint allows: 1: the answer is cut off there; 0: the request fails
     * with STOKER_ERR_INPUT. */
    int may_be_cut;
    /* Scores of the prompt's tokens [score_from, n_prompt), in the caller's memory, which lives until the request's last event was taken:
     * score [n_prompt], score_top [n_prompt][n_score_top], likeliest first. STOKER_SCORES tells what is filled in. What comes before the
     * token at score_from - 1 may be taken from cached prefixes. */
    size_t score_from; /* from 1: the first token has no score; 0: none have */
    struct stoker_score *score;
    struct stoker_logprob *score_top; /* NULL where n_score_top is 0 */
    int n_score_top;                  /* at most STOKER_TOP */
    int only_score; /* 1: the request ends behind its prompt; max_tokens and constraint are not looked at */
    /* Called once for each scored token at position pos, whose score is filled in by then, with the logits [n_vocab] that predict it, by
     * threads of the engine, for several positions at a time; those of a step come after those of earlier steps. It must neither wait for
     * others nor call a function of this header. NULL: not called. */
    void (*on_score)(void *arg, size_t pos, const float *logits);
    void *on_score_arg;
    /* What stoker_stats_of() says just behind the step that made the answer's first token, that token included, in the caller's memory,
     * which lives until the request's last event was taken. It is filled in before the token's event can be taken, and left alone where the
     * answer has no token. What other requests did is counted too. NULL: not told. */
    struct stoker_stats *stats_at_first_token;
    int wants_progress;         /* 1: STOKER_PROGRESS events while the prompt is computed */
    int ignore_end;             /* 1: go on after end-of-text tokens (benchmarks) */
    const stoker_token *script; /* [max_tokens], above 0: taken instead of sampled tokens (benchmarks); NULL: sample */
    /* [n_snapshot_at] positions of the prompt, ascending, from 1, where a later request may resume. Models with recurrent states can resume
     * only where a copy of the state was kept: here, at the end of the prompt and of the answer, and every 2,048 positions; if copies are
     * few, the first and the newest of these positions are kept. Other models resume anywhere. */
    const size_t *snapshot_at;
    size_t n_snapshot_at;
    /* [n_steer] at most STOKER_STEER_MOST operations on the model's rows, in their order. Logits, log-probabilities and scores are those of
     * the model so steered. Prefixes are shared only with requests that are steered alike. */
    const struct stoker_steer *steer;
    size_t n_steer;
    /* NULL: nothing is recorded. While its rows find no memory to wait in for being written, the request pauses; others do not. Its last
     * event is sent when all is written; where that fails it is STOKER_ERR_IO. Recorded positions are computed, not taken from cached
     * prefixes. */
    const struct stoker_capture *capture;
    /* Drafts of the caller's own, if stoker_options has n_draft or draft: called by the engine's thread before a step of the request, it
     * writes at most `most` ids that may follow history [n] into out and returns how many; what is not in the vocabulary is not drafted. It
     * must neither wait nor call a function of this header. Nothing is drafted while rows of the request are still to be recorded. NULL: as
     * stoker_options.draft. */
    int (*draft)(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out);
    void *draft_arg;
    int draft_coin; /* with a script, to measure what drafts cost: 1 + per cent of them that hold; 0: as they do */
    /* [n_prediction] about what the answer will be, where a part of it is known (a file that is to be changed): drafted where the answer
     * goes along, unless stoker_options.draft is "off". As many as the answer may have are used, up to the first that is not in the
     * vocabulary. */
    const stoker_token *prediction;
    size_t n_prediction;
    int no_cache;     /* 1: neither uses cached prefixes nor leaves any (benchmarks) */
    const void *salt; /* [n_salt] bytes: prefixes are shared only among requests with the same salt */
    size_t n_salt;
    /* Called by the engine's thread when an event of this request can be taken. It must neither block nor call a function of this header.
     * It is not called after the last event was taken. NULL: not called. */
    void (*notify)(void *arg);
    void *notify_arg;
};

enum stoker_language {
    STOKER_ANY_TEXT,
    STOKER_JSON_SCHEMA,         /* a JSON value that fits the schema; a keyword that cannot be enforced is an error */
    STOKER_JSON_SCHEMA_LENIENT, /* a keyword that cannot be enforced is left out, with a warning */
    STOKER_GBNF,                /* a text of the grammar's rule "root" */
    STOKER_REGEX                /* a text that matches the pattern (of ECMA-262) from end to end */
};

/* The language that an answer must belong to. */
struct stoker_answer {
    enum stoker_language language;
    const char *text; /* n bytes: the schema, the grammar or the pattern */
    size_t n;
    int free_limit; /* 1: max_tokens may cut the answer anywhere; 0: the answer is steered to a valid end before the limit */
    /* what the caller's request calls the schema, for errors and warnings: "response_format"; NULL: nothing */
    const char *field;
};

/* What is wrong with a schema, a grammar or a pattern, before there is a model: the sentence is that of stoker_constraint_open(). What
 * depends on a vocabulary is not looked at: tokens that a grammar names are STOKER_ERR_INPUT here, and a constraint may still prove too
 * large to be compiled. */
int stoker_answer_check(const struct stoker_answer *a, struct stoker_error *err);

/* Compiles a constraint for requests of this engine; the answer must belong to it from its first token. Equal constraints are compiled
 * once and kept for a while, within the plan; any number of requests may use one at a time. Blocks while it compiles, and while earlier
 * callers compile theirs. STOKER_ERR_INPUT: the sentence names the location ("schema error at #/properties/x/pattern: ...") or the limit
 * that it exceeds; STOKER_ERR_BUSY: too many callers wait; STOKER_ERR_UNSUPPORTED: stoker cannot enforce it, or does not know the
 * tokenizer. Answers that may begin with reasoning or hold tool calls: stoker_reply_open(). */
int stoker_constraint_open(const struct stoker_constraint **out, struct stoker *s, const struct stoker_answer *a,
                           struct stoker_error *err);

/* Call it after the last event of every request that uses the constraint. */
void stoker_constraint_close(struct stoker *s, const struct stoker_constraint *c);

/* 1: the text [n bytes] belongs to the language, whole; 0: it does not. -1: *err is STOKER_ERR_INPUT, the grammar is too ambiguous, or
 * STOKER_ERR_MEMORY. No request of an equal constraint may be under way: one that was opened with a field of its own has none. */
int stoker_constraint_accepts(const struct stoker_constraint *c, const char *text, size_t n, struct stoker_error *err);

/* The sentence about the i-th schema keyword that was left out, i from 0. NULL: there is none. */
const char *stoker_constraint_warning(const struct stoker_constraint *c, size_t i);

enum stoker_event_kind {
    STOKER_PROGRESS, /* rows of the prompt were computed: u.progress */
    STOKER_SCORES,   /* tokens of the prompt have their scores: u.scores */
    STOKER_TOKEN,    /* u.token */
    STOKER_VECTOR,   /* the vectors of a text are there: u.vector */
    STOKER_END,      /* the last event of a request that ended: u.end */
    STOKER_FAILED    /* the last event of a request that failed: error */
};

enum stoker_end_reason {
    STOKER_END_TEXT,   /* the model ended the answer, or the constraint is complete */
    STOKER_END_LENGTH, /* max_tokens or the context was reached, or the answer was steered to its end because of them */
    STOKER_END_CANCELLED /* by stoker_cancel() */
};

struct stoker_event {
    enum stoker_event_kind kind;
    union {
        struct {
            size_t done, cached, total; /* tokens of the prompt: known by now; of these from the cache; all */
        } progress;
        struct {
            size_t first, n; /* positions [first, first + n): they ascend from event to event, without a gap */
        } scores;
        struct {
            stoker_token id;
            double logprob; /* where wants_logprobs is 1; else 0 */
            /* [n_top] likeliest first, of equals the lower id first; valid until the request's next event is asked for */
            const struct stoker_logprob *top;
            size_t n_top;
            int drafted, predicted; /* 1: it had been drafted; by the request's prediction */
        } token;
        struct {
            size_t text;      /* which, from 0: they come in order */
            int is_no_number; /* 1: a value of it is not finite, so the model or the text is broken there */
        } vector;
        struct {
            enum stoker_end_reason reason;
            size_t n_prompt, n_cached, n_generated; /* tokens: of the prompt; of these from the cache; of the answer */
            int end_sampled;                        /* 1: an end-of-text token ended it, which is not in n_generated */
            struct stoker_logprob end_token;        /* which, where wants_logprobs is 1 */
            size_t n_drafted, n_accepted;           /* tokens: drafted; of these, what was chosen */
            size_t n_predicted, n_predicted_accepted; /* of these, those of the request's prediction */
            size_t n_captured;                        /* positions that were recorded */
            size_t n_end_top;                         /* entries of the request's end_top that are filled in */
            uint64_t seed;                            /* the one that was used */
            double prompt_seconds, generate_seconds;  /* from admission to the first token; from there to the end */
        } end;
    } u;
    struct stoker_error error; /* with STOKER_FAILED */
};

/* Queues a request and sets *id. Does not wait. STOKER_ERR_BUSY: the queue is full; STOKER_ERR_INPUT: a field is out of range, and the
 * sentence names it. After 0 the request keeps its place until its last event is taken: take all events, also after stoker_cancel(). While
 * 62 events of it wait to be taken, the request pauses. */
int stoker_submit(struct stoker *s, const struct stoker_request *req, stoker_id *id, struct stoker_error *err);

/* The same for n requests, all of them or none: none begins before all are queued. id [n]. */
int stoker_submit_all(struct stoker *s, const struct stoker_request *req, size_t n, stoker_id *id,
                      struct stoker_error *err);

/* ---- vectors of texts ---- */

struct stoker_tokens {
    const stoker_token *id; /* [n] */
    size_t n;
};

/* Texts that become vectors, by a model that pools (struct stoker_encoder). All arrays are the caller's and live until the request's last
 * event was taken. A vector, or score, follows from the model and the text alone, whatever is computed beside it. */
struct stoker_embed {
    const struct stoker_tokens *text; /* [n_text], each of 1 to n_ctx tokens */
    size_t n_text;                    /* at least 1 */
    float *
        out; /* text after text, n_out values each, as the model gives them; with pooling none so many for each token */
    /* Instead, so that many texts need little memory: out has n_place places, at least 2 or n_text, of `place` values, as many as the
     * largest of the texts needs. Text i goes to place i % n_place, and is there until the event of text i + 1 was taken. n_place 0: out
     * has all. */
    size_t n_place, place;
    void (*notify)(void *arg); /* as in struct stoker_request */
    void *notify_arg;
};

/* As stoker_submit(). STOKER_ERR_UNSUPPORTED: the model generates text. */
int stoker_submit_embed(struct stoker *s, const struct stoker_embed *e, stoker_id *id, struct stoker_error *err);

/* What a model makes of a text. */
struct stoker_encoder {
    size_t n_out, n_ctx;     /* values of a vector, or scores; tokens of a text at most */
    const char *pooling;     /* "none", "mean", "cls", "last", "rank"; static */
    int is_rank, is_sigmoid; /* 1: it judges pairs, by scores; 1: score 0 becomes a share by the logistic function */
};

/* Sets n_place and place for the texts of e, so that out takes so many bytes, or what two places need. Returns its length in values. */
size_t stoker_embed_places(struct stoker_embed *e, const struct stoker_encoder *m, size_t bytes);

/* The engine of a role, for all functions that take texts or make vectors: of a model beside that of s (struct stoker_options), which lives
 * as long as s and must not be closed, or s itself where its own model is one of that role. NULL: there is none. */
enum stoker_role { STOKER_EMBED, STOKER_RERANK, STOKER_ROLES };
struct stoker *stoker_encoder(struct stoker *s, enum stoker_role role);

/* -1: the model generates text; *out is zeroed. */
int stoker_encoder_of(const struct stoker *s, struct stoker_encoder *out);

/* A query by which a model that ranks judges documents: tokenised once for all of them, but with each where the model has a template. Its
 * text is the caller's and lives as long. stopped, or NULL: called with stopped_arg before each text that is tokenised, here and for a
 * document; 1: the call ends with STOKER_ERR_CANCELLED. STOKER_ERR_INPUT: the query alone fills the context; STOKER_ERR_UNSUPPORTED:
 * neither file nor vocabulary says how a pair is written. */
struct stoker_query;
int stoker_query_open(struct stoker_query **out, const struct stoker *s, const struct stoker_string *query,
                      int (*stopped)(void *arg), void *stopped_arg, struct stoker_error *err);
void stoker_query_close(struct stoker_query *q); /* q may be NULL */

/* Tokens of a pair: as the model's file says by a template (tokenizer.chat_template.rerank), or as its vocabulary wants pairs. Neither text
 * becomes a control token. *cut 1: it was longer than n_ctx, and the document has lost its end. *out [*n] is allocated. By one thread at a
 * time. */
int stoker_query_pair(struct stoker_query *q, const struct stoker_string *document, stoker_token **out, size_t *n,
                      int *cut, struct stoker_error *err);

/* x [n_out] becomes a vector of length 1, by the sum of its squares in f64; where n is less its first n values then become one again
 * ("dimensions"). Zeros stay zeros. */
void stoker_normalise(float *x, size_t n_out, size_t n);

/* Takes the next event of a request; waits at most timeout_ms milliseconds, -1: without limit. 1: *ev is filled; 0: no event came in
 * time; -1: there is no such request, or its last event was taken. If several threads take events of one request, each event goes to one
 * of them. */
int stoker_next_event(struct stoker *s, stoker_id id, int timeout_ms, struct stoker_event *ev);

/* Ends the request at the next layer boundary, with STOKER_END_CANCELLED; does not wait for that. Nothing happens if it has ended or there
 * is no such request. Must not be called in a signal handler: it takes a lock. */
void stoker_cancel(struct stoker *s, stoker_id id);

/* Submits a request and waits for its end. Calls on_token with arg for each token in this thread; a non-zero result cancels the request,
 * which then ends with 0 and STOKER_END_CANCELLED. on_token and end may be NULL; *end is the event STOKER_END. -1: it was refused, as by
 * stoker_submit(), or failed. */
int stoker_generate(struct stoker *s, const struct stoker_request *req, int (*on_token)(void *arg, stoker_token t),
                    void *arg, struct stoker_event *end, struct stoker_error *err);

/* ---- text -------------------------------------------------------------------------------------------------------------- */

/* Tokens of the model's vocabulary: ids are from 0 to this number - 1. */
int stoker_n_vocab(const struct stoker *s);

/* Turns length bytes of text, at most 256 MiB, into tokens; bytes that are not UTF-8 are allowed. add_special 1: adds the tokens that the
 * model wants at the beginning and end; parse_special 1: texts of control tokens become those tokens: never for text of others. *out [*n]
 * is allocated; may be NULL where *n is 0. STOKER_ERR_INPUT: the text is too long; STOKER_ERR_UNSUPPORTED: stoker does not know this file's
 * tokenizer. */
int stoker_tokenize(const struct stoker *s, const char *text, size_t length, int add_special, int parse_special,
                    stoker_token **out, size_t *n, struct stoker_error *err);

/* ---- prompts ------------------------------------------------------------------------------------------------------------- */

/* A model's tokenizer and chat templates. Any number of threads may use one at a time. */
struct stoker_templates;

/* Opens those of the file at path, without its weights. chat_template, tool_format: as in struct stoker_options, or NULL. Errors are those
 * of stoker_open(); STOKER_ERR_UNSUPPORTED also where stoker does not know the tokenizer. A file whose chat template does not work opens:
 * stoker_prompt() says why then. */
int stoker_templates_open(struct stoker_templates **out, const char *path, const char *chat_template,
                          const char *tool_format, struct stoker_error *err);
/* Only for what stoker_templates_open() opened. */
void stoker_templates_close(struct stoker_templates *t);

/* Those of an engine, which are the engine's and must not be closed. */
const struct stoker_templates *stoker_templates_of(const struct stoker *s);

/* The *n bytes of a token, control tokens included; not terminated, and perhaps a part of a UTF-8 character. An id outside the vocabulary,
 * or of a tokenizer that stoker does not know: *n is 0. */
const char *stoker_templates_piece(const struct stoker_templates *t, stoker_token id, size_t *n);

/* What the template for requests without tools can do. All is 0 and NULL where no template works. */
struct stoker_template_caps {
    int system, tools, parallel_calls; /* 1: it shows a system message; tools; several calls in one answer */
    int thinking;                      /* 1: it has a switch for reasoning, or shows reasoning */
    const char *tool_format;           /* name of the format of its tool calls; "none": it shows none */
    const char *source;                /* [n_source] bytes of the template */
    size_t n_source;
};
/* Fills *out, whose texts live as long as t. */
void stoker_templates_caps(const struct stoker_templates *t, struct stoker_template_caps *out);

/* Who wrote a part of a prompt. */
enum stoker_author { STOKER_TEMPLATE, STOKER_ASSISTANT, STOKER_USER };
struct stoker_span {
    enum stoker_author author;
    size_t n; /* bytes, following the span before */
};

/* What the model reads, and who wrote which part of it. Only the template writes control tokens: in a message their texts are
 * ordinary text. All pointers are valid until stoker_prompt_free(). */
struct stoker_prompt {
    const char *text; /* [n_text] bytes */
    size_t n_text;
    const struct stoker_span *span; /* [n_span] in order; together n_text bytes */
    size_t n_span;
    const stoker_token *token; /* [n_token] the text as the model reads it */
    size_t n_token;
    const unsigned char *structure; /* [n_token] 1: a control token or a marker of the template; 0: words */
    int continues;                  /* 1: the last message is the assistant's, and the answer continues it */
    void *owner;                    /* internal */
};

/* Renders a conversation. request: n bytes of JSON like a request of OpenAI's chat API, of which messages, tools, reasoning_effort,
 * chat_template_kwargs and enable_thinking count. stopped, or NULL: called with stopped_arg by this thread every few milliseconds while
 * the template runs; if it returns 1, nobody waits for the prompt any more, and the call fails with STOKER_ERR_CANCELLED. path
 * [STOKER_PATH], or NULL, is set to the part of the request that is at fault, else to "". STOKER_ERR_INPUT: the request is wrong, or the
 * template refuses it in its own words; STOKER_ERR_FORMAT: the template is broken; STOKER_ERR_UNSUPPORTED: the template takes more steps or
 * memory than it may, or stoker does not know the tokenizer. Free *out with stoker_prompt_free(); after -1 it is empty. */
int stoker_prompt(const struct stoker_templates *t, const char *request, size_t n, int (*stopped)(void *arg),
                  void *stopped_arg, struct stoker_prompt *out, char *path, struct stoker_error *err);
/* Frees what p points to, not p itself, and zeroes *p. A zeroed prompt may be freed too; p is not NULL. */
void stoker_prompt_free(struct stoker_prompt *p);

/* The format of tool calls that the source of a chat template, of n bytes, shows: its name as for --tool-format, "none" where it shows
 * none. Static. */
const char *stoker_tool_format(const char *source, size_t n);

struct stoker_message {
    const char *role; /* system, user, assistant or tool (a result); the first may be tools: one JSON object a line */
    const char *text;
    size_t length; /* bytes of text */
};

/* The n messages as the model reads them, up to the opening of the assistant's turn. think: 0 without reasoning, 1 with it, -1 as the
 * template has it. *out [*n_out] is allocated. Errors are those of stoker_prompt(). */
int stoker_chat(const struct stoker *s, const struct stoker_message *m, size_t n, int think, stoker_token **out,
                size_t *n_out, struct stoker_error *err);

/* A file's vocabulary without its model; its tensors need not be there. Any number of threads may use one at a time. */
struct stoker_vocab;

/* pre: replaces the file's tokenizer.ggml.pre, or NULL. STOKER_ERR_UNSUPPORTED: stoker does not know the tokenizer; STOKER_ERR_FORMAT,
 * STOKER_ERR_IO: the file. */
int stoker_vocab_open(struct stoker_vocab **out, const char *path, const char *pre, struct stoker_error *err);
void stoker_vocab_close(struct stoker_vocab *v);

/* Tokens of the vocabulary. */
int stoker_vocab_size(const struct stoker_vocab *v);

/* As stoker_tokenize(). */
int stoker_vocab_tokenize(const struct stoker_vocab *v, const char *text, size_t length, int add_special,
                          int parse_special, stoker_token **out, size_t *n, struct stoker_error *err);

/* As stoker_templates_piece(). */
const char *stoker_vocab_piece(const struct stoker_vocab *v, stoker_token id, size_t *length);

/* The text of n tokens, control tokens shown. *out [*length] is allocated and not terminated. STOKER_ERR_INPUT names an id outside the
 * vocabulary. */
int stoker_vocab_text(const struct stoker_vocab *v, const stoker_token *ids, size_t n, char **out, size_t *length,
                      struct stoker_error *err);

/* Turns tokens into text as they come: whole UTF-8 characters, control tokens hidden. */
struct stoker_text;

/* NULL: no memory, or stoker does not know this file's tokenizer. */
struct stoker_text *stoker_text_open(const struct stoker *s);

/* The text that this token completes. Returns how many bytes that is, perhaps 0; *text is not terminated and valid until the next call
 * with t. */
size_t stoker_text_next(struct stoker_text *t, stoker_token id, const char **text);

/* After the last token: U+FFFD for bytes that never became a whole character. Returns how many bytes of text that is, perhaps 0; *text as
 * above. */
size_t stoker_text_end(struct stoker_text *t, const char **text);
void stoker_text_close(struct stoker_text *t);

/* ---- parsing answers ----------------------------------------------------------------------------------------------------- */

enum stoker_tool_choice {
    STOKER_TOOLS_AUTO,    /* the model may call the tools of the request */
    STOKER_TOOLS_NONE,    /* calls are text like any other */
    STOKER_TOOLS_REQUIRED /* the answer must call a tool */
};

/* What an answer may hold besides text. Zeroed: text and reasoning. */
struct stoker_reply_options {
    const char *tools; /* n_tools bytes: a list of tools as JSON, as in OpenAI's API; NULL: none */
    size_t n_tools;
    enum stoker_tool_choice choice;
    const char *tool;            /* with STOKER_TOOLS_REQUIRED: the tool that must be called; NULL: any */
    int one_call;                /* 1: at most one call in the answer */
    const char *format;          /* how calls are written; NULL: as the model's template does */
    int unchecked;               /* 1: calls are recognised, but nothing forces them to be valid */
    int free_limit;              /* 1: the limit may cut a call off; 0: calls are steered to their end before it */
    struct stoker_answer answer; /* of the text behind the reasoning; with STOKER_TOOLS_AUTO where it is no call */
    const stoker_token *prompt;  /* [n_prompt] the prompt, which may end inside the reasoning */
    size_t n_prompt;
    /* [n_stop] texts that end the answer: at most 64, none empty, of 65536 bytes together. Content is given out up to the first of them;
     * what may be the beginning of one is held back until it is sure. Reasoning and calls are not searched. */
    const struct stoker_string *stop;
    size_t n_stop;
    /* 1: all text is content, whatever it looks like: for prompts without a template. tools and format are ignored then. */
    int plain;
    /* Returns 1 when nobody waits for the answer any more. Called by the thread in stoker_reply_open() while the constraint is compiled or
     * waits for memory; the call fails with STOKER_ERR_CANCELLED then. NULL: somebody always waits. */
    int (*stopped)(void *arg);
    void *stopped_arg;
};

enum stoker_piece_kind {
    STOKER_PIECE_REASONING,
    STOKER_PIECE_CONTENT,
    STOKER_PIECE_CALL,      /* a call begins: call, name, and id if the text has one */
    STOKER_PIECE_ARGUMENTS, /* more of its arguments, as JSON */
    STOKER_PIECE_CALL_END,
    STOKER_PIECE_BAD_CALL, /* something began like a call but is none: its text came as content */
    STOKER_PIECE_CUT_CALL  /* the answer ended inside a call: text is what there is of it */
};

/* A part of an answer: n bytes of whole UTF-8 characters, not terminated. All pointers are valid during the callback only. */
struct stoker_piece {
    enum stoker_piece_kind kind;
    size_t call; /* number of the call in the answer, from 0 */
    const char *text;
    size_t n;
    const char *name, *id; /* of the call, with STOKER_PIECE_CALL; id may be NULL */
};

/* Parses one answer: tokens go in, pieces come out as soon as they are certain, and none is taken back. */
struct stoker_reply;

/* piece, or NULL, is called with arg in the thread that calls stoker_reply_token() or stoker_reply_end(). Blocks while a constraint is
 * compiled. Errors are those of stoker_constraint_open(); STOKER_ERR_INPUT also where tools, stop or format is wrong. */
int stoker_reply_open(struct stoker_reply **out, struct stoker *s, const struct stoker_reply_options *o,
                      void (*piece)(void *arg, const struct stoker_piece *p), void *arg, struct stoker_error *err);

/* The sentence about the i-th keyword, from 0, that was left out of the schema of the answer or of a tool. NULL: there is none. */
const char *stoker_reply_warning(const struct stoker_reply *r, size_t i);

/* For stoker_request.constraint; NULL: the answer needs none. It lives as long as the reply: close that after the request's last event. */
const struct stoker_constraint *stoker_reply_constraint(const struct stoker_reply *r);

/* Tokens of the shortest answer that the constraint allows: with a smaller max_tokens the request fails. 0: the limit may cut the answer
 * anywhere; SIZE_MAX: no answer is short enough. */
size_t stoker_reply_shortest(const struct stoker_reply *r);

/* Feeds the next token of the answer. 0: go on; 1: the answer is over, by a stop string or by an end that is no token: cancel the request;
 * -1: *err. */
int stoker_reply_token(struct stoker_reply *r, stoker_token id, struct stoker_error *err);

/* 1: stoker_reply_token() may end the answer; 0: it never does. */
int stoker_reply_may_end(const struct stoker_reply *r);

/* Call it once, after the last token: gives out what was held back. Errors also cover what earlier calls could not keep. */
int stoker_reply_end(struct stoker_reply *r, struct stoker_error *err);

/* The number of the stop string that ended the answer, from 0, also where stoker_reply_end() found it; -1: none. */
int stoker_reply_stop(const struct stoker_reply *r);

/* After stoker_reply_end(): the message as JSON in OpenAI's form (role, content, reasoning_content, tool_calls), terminated. NULL: no
 * memory. */
const char *stoker_reply_message(struct stoker_reply *r);

/* After stoker_reply_end(): how many calls the answer has; the name of the i-th, 0 <= i < stoker_reply_n_call(), with *n bytes of its
 * arguments as JSON, not terminated. */
size_t stoker_reply_n_call(const struct stoker_reply *r);
const char *stoker_reply_call(const struct stoker_reply *r, size_t i, const char **arguments, size_t *n);

void stoker_reply_close(struct stoker_reply *r);

/* ---- plan and statistics ------------------------------------------------------------------------------------------------- */

enum { STOKER_PLAN_PARTS = 24, STOKER_TYPES = 42 };

/* What a layer keeps of a sequence, the most of it. */
enum stoker_layer_kind {
    STOKER_LAYER_FULL,       /* keys and values of all positions */
    STOKER_LAYER_LATENT,     /* latents of all positions, one row for the keys and values of all heads */
    STOKER_LAYER_WINDOW,     /* keys and values of the last positions */
    STOKER_LAYER_COMPRESSED, /* keys and values of all positions, one row for several of them */
    STOKER_LAYER_RECURRENT,  /* a state, of one size however long the sequence is */
    STOKER_LAYER_NOTHING,    /* nothing: a feed-forward alone */
    STOKER_LAYER_KINDS
};

/* What all layers of a kind keep of a sequence, in bytes: for each token, and, however long it is, of windows and of states. */
struct stoker_kept {
    uint64_t kv_bytes_per_token, kv_fixed_bytes, state_bytes_per_sequence;
};

/* The memory plan. Sizes are bytes. Strings that are pointers are static. */
struct stoker_plan {
    char model[256], arch[64]; /* path of the file, cut to fit, control characters replaced; name of the architecture */
    const char *part_name[STOKER_PLAN_PARTS];
    uint64_t part[STOKER_PLAN_PARTS];
    uint64_t memory, total;  /* the budget; what is planned of it */
    uint64_t minimum, whole; /* the smallest budget that works; the smallest with everything resident */
    const char *memory_from; /* where the budget comes from: "flag", "cgroup", "available" */
    int fits;                /* 1: total is at most memory */
    int n_ctx, n_ctx_train, n_parallel, n_chunk,
        n_threads;               /* as planned; n_ctx_train: positions that the model was trained on */
    const char *kv;              /* "f16", "f32" or "q8_0" */
    uint64_t kv_bytes_per_token; /* keys and values of a position in the layers that see all positions */
    uint64_t kv_fixed_bytes;     /* of a sequence, in layers with a window, however long it is */
    uint64_t state_bytes_per_sequence;
    struct stoker_kept kept[STOKER_LAYER_KINDS]; /* these three by kind of layer: they add up to them */
    int n_moe_layer, n_expert, n_expert_used;    /* layers with experts; experts of a layer; of these a token uses */
    int n_class;                                 /* classes of experts, which the next four arrays describe */
    int slots[STOKER_CLASSES], experts[STOKER_CLASSES];                /* experts that memory holds; experts in all */
    uint64_t slot_bytes[STOKER_CLASSES], expert_bytes[STOKER_CLASSES]; /* of one slot; of one expert in the file */
    uint64_t expert_bytes_total, expert_bytes_per_token; /* of all experts; of those that one token uses */
    /* Of all this, the layer of the model that predicts further tokens, which is loaded where it drafts (zeroed: it is not): bytes of its
     * weights; its experts, and their bytes in the file; of its keys and values a position. */
    struct {
        uint64_t weight_bytes, expert_bytes, kv_bytes_per_token;
        int n_expert;
    } draft_layer;
    /* 1: the plan gave this up to fit (docs/spec/memory.md 4). cut_prefix 2: copies of states alone. cut_cache: the slots hold fewer than
     * two tokens' experts */
    int cut_embedding, cut_experts, cut_chunk, cut_prefix, cut_sequences, cut_context, cut_cache;
    int cut_encoders;              /* further models (embed, rerank, draft) take the shortest texts that they may */
    int cut_capture;               /* defaults.capture_memory was halved */
    int cut_drafts;                /* draft "auto" drafts nothing: memory has no place for drafts */
    int asked_ctx, asked_parallel; /* what was asked for, or the defaults */
    int n_ctx_short;               /* the model rotates by other factors where asked_ctx is more; 0: it has no others */
    uint64_t asked_cache;          /* bytes for cached prefixes, likewise */
    /* The smallest budgets that work when asked_ctx, asked_parallel, asked_cache or 512 for n_chunk are given; draft_minimum: with draft
     * "ngram" where the options have "auto", else with what they have. */
    uint64_t ctx_minimum, parallel_minimum, cache_minimum, chunk_minimum, draft_minimum;
    /* Predicted (docs/spec/memory.md 10) for prompts of prompt_tokens, and answers of answer_tokens, n_parallel of them at a time.
     * Rates are those of the options, or usual ones. */
    struct stoker_rates rates;
    int prompt_tokens, answer_tokens;
    double prompt_seconds, step_seconds; /* of a prompt; of a token for each sequence */
    double hit_rate, read_bytes;         /* of experts, in such a step; bytes that it reads */
    int n_file;                          /* files of the model */
    int ngrams;                          /* 1: what texts repeat and requests predict is drafted */
    int n_draft;                         /* most drafted tokens of a step; 0: nothing is drafted */
    int n_type; /* block types of the model's weights, most bytes first, and the tier whose kernels multiply with them; static */
    const char *type[STOKER_TYPES], *kernel[STOKER_TYPES];
};

/* Makes the plan from the files' headers; loads nothing. opt NULL: the defaults. Errors are those of stoker_open(). STOKER_ERR_MEMORY: no
 * plan fits; *out is filled all the same, with fits 0. After other errors it is zeroed. */
int stoker_plan(struct stoker_plan *out, const char *path, const struct stoker_options *opt, struct stoker_error *err);

/* The same of a model of which only the beginning is here, as of a download: the headers of its files, at most 256 MiB each; it is planned
 * as if it lay on a drive that is read past the page cache. STOKER_ERR_FORMAT for a header that goes on: the sentence tells how many bytes
 * more it takes at least. */
int stoker_plan_header(struct stoker_plan *out, const char *path, const struct stoker_options *opt,
                       struct stoker_error *err);

/* Measures what this machine's cores and memory do for a model, with the options' threads, kernels and kv, in about two seconds and four
 * times the last-level caches of memory, 256 MiB to 1 GiB: a budget is not kept. Reads headers only. drive, and what the model has none of,
 * is 0. Errors are those of stoker_plan(), but a plan that does not fit is none. */
int stoker_measure(struct stoker_rates *out, const char *path, const struct stoker_options *opt,
                   struct stoker_error *err);

/* What this machine does at most in a second, all threads together: the roofs under which a model's steps are. Measured with the options'
 * threads, kernels and kv, in about a second and the memory of stoker_measure(): a budget is not kept. What the model has none of, and
 * drive, which the caller may fill in, is 0. Reads headers only. Errors are those of stoker_measure(). */
struct stoker_roofs {
    double memory, drive; /* bytes */
    double int8, f32;     /* products, each with its addition: of codes of the model's block types; of floats */
};
int stoker_roofs(struct stoker_roofs *out, const char *path, const struct stoker_options *opt,
                 struct stoker_error *err);

/* The roof of memory, beside an open engine in which nothing runs: *rate, bytes a second that its threads read at most. Takes less than a
 * second; keeps the budget: 256 MiB to 1 GiB are read that it and the machine leave. Any thread may ask, one at a time. 1: *rate; 0: given
 * up, as a request came; -1: not now: something runs, or the machine has not so much left; -2: the budget never leaves so much. */
int stoker_memory_roof(struct stoker *s, double *rate);

/* Bytes that the machine and the cgroups of this process leave it now: the budget where none is given. *from: which of them leaves the
 * least, "available" or "cgroup". */
uint64_t stoker_memory_left(const char **from);

/* The tier whose kernels multiply with weights of a block type, such as "q4_K" in any case, on this CPU: "scalar", "avx2", "avxvnni",
 * "avx512", "neon" or "i8mm"; static. NULL: nothing multiplies with that type. */
const char *stoker_kernel_tier(const char *type);

/* Rows of one sequence behind n_before positions, in n_steps equal steps; n_logits of them ask for logits, each in a step of its own;
 * n_experts: how many experts the layers of all steps computed together, each counted once a step. Of a model that pools they are instead
 * the rows of n_texts whole texts of equal length, and n_before and n_logits are 0.
 * n_rows 0: only what stoker_work says of the model is wanted. */
struct stoker_rows {
    int n_before, n_rows, n_steps, n_logits;
    double n_experts;
    int n_texts; /* 0 counts as 1 */
};
/* What these rows take at least of an engine's model, whatever the code: bytes that come from memory, products; and, of the model: bytes
 * of an expert on average, experts that one row uses of all layers. */
struct stoker_work {
    double memory_bytes, int8_products, f32_products;
    double expert_bytes, row_experts;
};
void stoker_work_of(const struct stoker *s, const struct stoker_rows *rows, struct stoker_work *out);

/* Fills *out with the plan of an engine. */
void stoker_plan_of(const struct stoker *s, struct stoker_plan *out);

/* What the headers of a model's files say. Texts are cut to fit; 0 or "": the file does not say. */
struct stoker_about {
    char name[256], arch[64], license[64];
    char type[32];     /* the block type that holds most bytes, such as "q4_K" */
    uint64_t bytes;    /* of all files */
    uint64_t n_params; /* weights */
    int64_t modified;  /* of the first file, in seconds since 1970 */
    uint64_t hash;     /* differs for other files, and for files written anew */
    uint64_t n_ctx_train, n_layer, n_embd, n_head, n_head_kv, n_expert, n_expert_used;
    char pooling[8]; /* how rows become vectors, as in struct stoker_encoder: an embedding model */
};
/* Reads headers only. STOKER_ERR_FORMAT, STOKER_ERR_UNSUPPORTED, STOKER_ERR_IO: the file. */
int stoker_about(struct stoker_about *out, const char *path, struct stoker_error *err);

/* A hash of what the output of a model depends on: its metadata, its tensors' names, types and shapes, and the first and the last 4 KiB
 * of each one's data. Copies have the same one, wherever and whenever they were written, in one file or in parts. Errors as of
 * stoker_about(). */
int stoker_model_hash(uint64_t *out, const char *path, struct stoker_error *err);

enum { STOKER_CALLS = 65, STOKER_BUCKETS = 16 };
enum { STOKER_RAM, STOKER_DISK, STOKER_TIERS }; /* where a cached prefix is */

/* n[i]: durations of at most stoker_histogram_bound(i) and more than the bound before; the last bucket: all longer ones. */
struct stoker_histogram {
    uint64_t n[STOKER_BUCKETS], count; /* count: the sum of n */
    double sum;                        /* seconds */
};

enum { STOKER_TABLES = 4 }; /* the most tables of which tokens take rows */

/* A table that is left on disk: sums since the engine was opened. */
struct stoker_table_stats {
    const char *name; /* of its tensor; valid while the engine is open */
    uint64_t wanted, unique,
        cached; /* rows that steps took; each once a step; of these, in memory before the step asked for them */
    uint64_t reads, bytes; /* bytes: with alignment */
    uint64_t takes, late;  /* times that a step took its rows; of these, that it had to wait */
    double wait_seconds;
};

/* Sums since the engine was opened, but where a comment begins with "now": the difference of two calls is what happened between them. */
struct stoker_stats {
    uint64_t hits, misses,
        evictions;  /* experts that a layer found resident; that were read for it; that were evicted */
    uint64_t early; /* reads that began before the layer's routes were known */
    uint64_t early_used, early_waste; /* of these: used by the layer (and counted as misses); not used */
    uint64_t reads, bytes_read;       /* reads of tensors of experts; their bytes, with alignment */
    uint64_t retries, shorts, failed; /* reads that were repeated; that gave less than asked for; that were given up */
    uint64_t draining;                /* now: slots that a lost read may still write into */
    double wait_seconds;              /* the engine waited for a read */
    double reading_seconds;           /* at least one piece was being read */
    double piece_seconds;             /* the same, each second times the pieces in flight */
    double step_seconds;              /* in forward passes */
    double expert_seconds;            /* of these, computing experts */
    /* What processors and their memory used since the engine was opened, whoever used it; 0 where no_energy says why it is not counted. */
    double energy_joules;
    const char *no_energy; /* a sentence; static. NULL: it is counted */
    double join_seconds;   /* of step_seconds: the engine's thread had done its share, others of the pool not yet */
    uint64_t calls[STOKER_CALLS]; /* [i]: layers of small batches that missed i experts; the last: that many or more */
    uint64_t steps, rows;         /* forward passes; their rows */
    int n_table;
    struct stoker_table_stats table[STOKER_TABLES]; /* [n_table] */
    const char *backend, *cpu_tier;                 /* names of the reader and of the kernels in use; static */

    int queued, active;           /* now: requests that wait; that run */
    double expected_wait_seconds; /* now: until a request submitted now would begin, as far as measured */
    uint64_t requests, rejected;  /* requests taken; refused because the queue was full */
    uint64_t cancelled, failed_requests;
    uint64_t preempted;                    /* times that a running request went back to the queue to free its pages */
    uint64_t prompt_tokens, cached_tokens; /* of prompts; of these taken from the prefix cache */
    uint64_t generated_tokens, scored_tokens; /* of answers; of prompts, with their log-probabilities */
    uint64_t texts, text_tokens;              /* texts, or pairs, that became vectors or scores; their tokens */
    uint64_t drafted_tokens, accepted_tokens; /* rows of drafts; of these, drafts that were what was chosen */
    uint64_t steered_rows, vector_bytes; /* rows of requests with a list; now: memory of vectors, within the plan */
    uint64_t captured_bytes;             /* of recorded rows, as written */
    uint64_t cache_bytes[STOKER_TIERS];  /* now */
    uint64_t cache_hits[STOKER_TIERS];   /* requests that resumed from a cached prefix */
    uint64_t cache_corrupt;              /* prefix files that were damaged or foreign, and were deleted */
    uint64_t constraint_hits;            /* requests whose constraint had been compiled, or refused, before */
    uint64_t constraints_compiled, constraints_failed;
    uint64_t constraints_evicted;      /* to free memory */
    uint64_t constraint_bytes;         /* now: held by constraints, within the plan */
    uint64_t mask_work_most;           /* the most work on masks between two steps so far, in units of some 10 ns */
    uint64_t mask_work_bound;          /* its bound */
    struct stoker_histogram step_time; /* of steps */
    struct stoker_histogram first_token_time; /* of requests, from submit to the first token */
};

/* The upper bound of a bucket in seconds, 0 <= i < STOKER_BUCKETS - 1. */
double stoker_histogram_bound(int i);

/* Fills *out. This and the functions below, to stoker_cache_clear(), do not wait for a step of the engine. */
void stoker_stats_of(struct stoker *s, struct stoker_stats *out);

/* What a sequence does, as of the last step. */
enum stoker_slot_state { STOKER_IDLE, STOKER_PREFILL, STOKER_DECODE };
struct stoker_slot {
    enum stoker_slot_state state;
    stoker_id id;                                        /* of its request; this and all below is 0 with STOKER_IDLE */
    size_t n_prompt, n_prompt_done, n_cached, n_decoded; /* tokens */
    double age_seconds;                                  /* since the request was submitted */
};
/* Fills out [n] and returns how many sequences there are, which may be more. */
int stoker_slots(struct stoker *s, struct stoker_slot *out, int n);

struct stoker_layer {
    enum stoker_layer_kind kind;
    uint64_t bytes;              /* in the file */
    const char *type;            /* block type of its largest tensor, such as "q4_K"; static */
    int n_expert, n_expert_used; /* 0, 0: dense */
    unsigned taps;  /* bits 1 << enum stoker_tap: what can be recorded of it; STOKER_TAP_FINAL: of the last */
    int has_shared; /* 1: a feed-forward that every token goes through, beside its experts */
    int has_index;  /* 1: it keeps index keys too, by which rows choose the positions that they attend to */
};
/* Fills out [n] and returns how many layers there are, which may be more. */
int stoker_layers(const struct stoker *s, struct stoker_layer *out, int n);

/* The same from a model's headers, whether or not more of it is here, but for taps: 0. -1: errors are those of stoker_plan_header(). */
int stoker_header_layers(struct stoker_layer *out, int n, const char *path, struct stoker_error *err);

/* Fills out [n_expert of the layer] with how often a row was routed to each expert since the engine was opened. A layer without experts,
 * or outside the model: *out is unchanged. */
void stoker_expert_use(const struct stoker *s, int layer, uint64_t *out);

/* Importance: sums over all computed rows of the squares of what a tensor is multiplied with, column by column, with the option
 * importance. The values are the engine's: they must not be looked at while a request runs, and may be changed when none does, as by a
 * caller who goes on with sums that were collected before. They depend on the rows and their order only. */
struct stoker_importance {
    const char *name, *also; /* tensors: also has the same inputs, and so the same sums; or NULL */
    uint64_t n_cols, n_mat;  /* n_mat: experts, or heads */
    double *sum;             /* [n_mat][n_cols] */
    uint64_t
        n_count; /* n_mat of experts: rows that each saw; else 1: rows. 0 of a tensor that no row was multiplied with */
    double *count; /* [n_count] */
};
/* Entry i, from 0. 0: there are not so many. */
int stoker_importance_of(const struct stoker *s, size_t i, struct stoker_importance *out);

/* Deletes, before the next step, all cached prefixes that no running sequence uses, in memory and on disk. Returns the bytes of all cached
 * prefixes at the last step, those in use included. */
uint64_t stoker_cache_clear(struct stoker *s);

/* With cache_on_request: from now on prefixes are written to cache_dir, those that memory has included. */
void stoker_cache_keep(struct stoker *s);

/* What constraints cost with a file's vocabulary, in seconds of the calling thread's processor time. */
struct stoker_mask_times {
    size_t n; /* measurements */
    double median, p99, worst;
};
/* How far away the limit is at which an answer must have ended: there is none; far; just far enough for the text at hand. */
enum stoker_mask_limit { STOKER_MASK_LIMIT_NONE, STOKER_MASK_LIMIT_FAR, STOKER_MASK_LIMIT_NEAR, STOKER_MASK_LIMITS };
struct stoker_mask_bench {
    int n_vocab;
    double trie_seconds; /* to build the trie of the vocabulary */
    uint64_t trie_bytes;
    size_t skipped; /* schemas that were refused */
    struct stoker_mask_costs {
        struct stoker_mask_times compile; /* constraints */
        struct stoker_mask_times first;   /* first masks of constraints */
        struct stoker_mask_times cold;    /* masks along a text, the first time */
        struct stoker_mask_times warm;    /* and the second time */
    } costs[STOKER_MASK_LIMITS];
};
/* Measures over the schemas and texts at path: a folder or a file like the project's schema cases, a schema, or a list of tools. model:
 * path of a GGUF file, whose vocabulary is used. May run for minutes. STOKER_ERR_INPUT: path holds nothing to measure, or no JSON;
 * STOKER_ERR_FORMAT, STOKER_ERR_UNSUPPORTED, STOKER_ERR_IO: the model's file. */
int stoker_mask_bench(const char *model, const char *path, struct stoker_mask_bench *out, struct stoker_error *err);

/* The version of this library, such as "1.2.3"; static. */
const char *stoker_version(void);

#endif
