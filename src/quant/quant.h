/* Quantising: a GGUF file, or a split set, into another whose tensors have other block types (quantize.md).
 *
 * A job is decided from headers alone: the type of every tensor and who chose it, the parts of the output and their bytes, its keys, the
 * memory of the run. Nothing is written until quant_run(), which writes exactly those bytes: they depend on the source and the options,
 * never on threads, memory or interruptions.
 *
 *     quant_open()    the source's headers, types, layout, keys, plan; refuses what is impossible
 *     quant_run()     OUT.part and its journal, slab by slab, then the names of OUT
 */
#ifndef QUANT_QUANT_H
#define QUANT_QUANT_H

#include "base/sha256.h"
#include "format/gguf.h"
#include "quant/encode.h"

struct error;

#define QUANT_MEMORY_LEAST UINT64_MAX
enum { QUANT_HEX = 2 * SHA256_BYTES + 1 };

struct quant_options {
    const char *in, *out;
    const char *program;     /* "stoker 1.0": noted in the output */
    const char *type;        /* a preset, a block type or "keep", any case; NULL: none */
    const char *const *rule; /* [n_rule] PATTERN=TYPE */
    int n_rule;
    const char *recipe;                        /* a file of rules; NULL: none */
    int pure, strict, no_fallback, force_rule; /* quantize.md 1 */
    const char *imatrix;                       /* a file of importance; NULL: none */
    const double *prior;                       /* rows of the mean that experts have besides their own; NULL: 1 */
    int has_importance;                        /* as if there were one: to see what becomes of types */
    int no_imatrix_ok;
    enum quant_effort effort;
    int no_gain;
    int header_only; /* the source is a beginning: only to be looked at */
    uint64_t memory; /* bound on the whole process; 0: 1 GiB; QUANT_MEMORY_LEAST: the smallest that works */
    int n_threads;   /* 0: those that compute best here */
    uint64_t split;  /* bytes of a part at most; 0: one file */
    int keep_split;  /* the source's cuts */
    uint32_t align;  /* of tensors; 0: the source's */
    int resume, force, requantize;
    int hash_source; /* the output names the SHA-256 of each file of the source, which are read once more for it */
};

/* Who chose a tensor's type. */
enum quant_why {
    QUANT_BASE,   /* --type */
    QUANT_PRESET, /* what the preset has instead of its base */
    QUANT_RULE,
    QUANT_PROTECTED, /* too small or too sensitive: kept as it is (quantize.md 3.2) */
    QUANT_WHY_COUNT
};

struct importance;
struct importance_entry;

struct quant_tensor {             /* [i] is what becomes of tensor i of the source */
    enum block_type type, wanted; /* wanted: before its columns were looked at */
    enum quant_why why;
    const char *reason;                        /* in words, static or of the job */
    const struct importance_entry *importance; /* NULL: all columns weigh the same */
    const struct importance_entry *experts;    /* of the first tensor of a layer with experts: their rows; else NULL */
    int part;
    uint64_t offset, n_bytes; /* offset: from the beginning of the part's data */
};

struct quant_part {
    uint64_t first, n; /* tensors */
    uint64_t header, data;
    char *path; /* its name when all is written */
    char *temporary;
};

/* Shares of the run's memory. */
enum quant_share {
    QUANT_CODE,
    QUANT_INDEX,
    QUANT_IMPORTANCE,
    QUANT_SLABS,
    QUANT_SCRATCH,
    QUANT_STACKS,
    QUANT_SLACK,
    QUANT_SHARES
};

struct quant_plan {
    uint64_t memory, share[QUANT_SHARES], total, least; /* least: the smallest memory that works */
    uint64_t slab_weights;                              /* a slab has at most so many, or one row */
    uint64_t in_bytes, out_bytes;                       /* of a slab */
    uint64_t row_bytes;                                 /* of the longest row as f32 */
    uint64_t importance_bytes;                          /* of one tensor's importance */
    int n_threads;
};

struct quant_job {
    const struct quant_options *options;
    struct gguf *in;
    struct importance *importance;    /* NULL: none */
    uint64_t *source_hash;            /* [in->n_file] of the header of each source file */
    char (*source_sha256)[QUANT_HEX]; /* [in->n_file] of all of it, zeros before the run; NULL: not asked for */
    struct quant_tensor *tensor;
    struct quant_part *part;
    int n_part;
    struct gguf_value *value; /* of the output, without split.* */
    uint64_t n_value;
    uint32_t alignment;
    int file_type;               /* general.file_type; -1: none */
    uint64_t n_fallback;         /* tensors that got another type than was wanted */
    uint64_t n_needs_importance; /* tensors of types that demand it, where there is none; the first of them */
    const char *needs_importance;
    uint64_t first_draft,
        n_needs_draft;  /* layers from here on predict further tokens (UINT64_MAX: none do): so many of those tensors */
    const char *recipe; /* what the output says of how it was made */
    uint64_t n_deciding; /* bytes that deciding took, at most, and gave back */
    uint64_t n_bytes;    /* of all parts */
    struct quant_plan plan;
    char *journal; /* path */
    struct arena arena;
};

enum { QUANT_SLABS_IN_FLIGHT = 3, QUANT_ENCODER_VERSION = 4 };

/* Everything but running. The options are the caller's until quant_close(). ERR_INPUT, or what opening the source fails with. */
int quant_open(struct quant_job **out, const struct quant_options *o, struct error *err);
void quant_close(struct quant_job *j);

/* Seconds that the encoding of a job will take with its threads, if each is as fast as this one, which tries each type for a moment. NAN:
 * no memory to try. */
double quant_seconds(const struct quant_job *j);

const char *quant_share_name(enum quant_share s);
const char *quant_why_name(enum quant_why w);

/* What a run tells and is told while it works. */
struct quant_watch {
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes of the output; NULL: nobody looks */
    void (*hashed)(void *arg, uint64_t done, uint64_t total);   /* bytes of the source, before that; likewise */
    void *arg;
    volatile int *stop; /* becomes 1 where the run is to end after the slab at hand: ERR_CANCELLED; NULL: never */
    int has_begun;      /* set when a file was made or changed */
    uint64_t resumed;   /* bytes that were there already */
};

/* Writes the output. What is there after a failure can be resumed, but not where it is ERR_FORMAT: the source holds what cannot be encoded,
 * or has changed, and another source is another run's. */
int quant_run(struct quant_job *j, struct quant_watch *w, struct error *err);

#endif
