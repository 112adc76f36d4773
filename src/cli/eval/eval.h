/* stoker eval: what texts are worth to a model. cmd_eval.c has the names and the flags; here is a file each, and what they share. Each
 * returns the exit status: 0, 1, 2, 3 (a bound is not met), 130 (Ctrl-C), after a sentence on stderr. */
#ifndef CLI_EVAL_EVAL_H
#define CLI_EVAL_EVAL_H

#include "base/sha256.h"
#include "cli/common/flags.h"
#include "stoker.h"

#include <jansson.h>

struct error;

/* What flags say. */
struct eval_command {
    const char *model;
    struct text_list texts;  /* -f: files */
    const char *text, *chat; /* the first of them, --chat: a file */
    int parse_special;
    int from, top;           /* logprobs */
    int n_ctx, n_chunk;      /* ppl, kld: tokens of a chunk; chunks, 0: all */
    const char *positions;   /* ppl: a file, or NULL */
    const char *base, *save; /* kld: a base file to compare with, or to write; one of them is NULL */
    const char *out;         /* a file of results, or NULL */
    int resume;
    double at_most; /* 0: no bound */
    int json;
    /* tasks */
    const char *mode, *shots_file;
    int shots;
    int limit;       /* items; 0: all */
    double at_least; /* -INFINITY: no bound */
    int skip, show, stats;
    /* calltrace */
    const char *prompt, *think;
    int per_depth, seed, print_items; /* per_depth 0: all */
    /* compare: model and other are files of results */
    const char *other;
    int common;
    struct stoker_options options;
};

int eval_logprobs(struct eval_command *c);
int eval_ppl(struct eval_command *c); /* writes c->save besides, unless it is NULL */
int eval_kld(struct eval_command *c);
int eval_mcq(struct eval_command *c);
int eval_calltrace(struct eval_command *c);
int eval_json(struct eval_command *c);
int eval_compare_files(struct eval_command *c);

/* ---- what they share (text.c) ---- */

/* What sentences begin with, behind "stoker": "eval", or another command that reads texts as these do. */
extern const char *eval_called;

/* A text that is to be scored. */
struct eval_text {
    uint8_t sha256[SHA256_BYTES]; /* of its bytes */
    stoker_token *token;          /* [n_token] */
    size_t n_token;
    stoker_token bos; /* that the vocabulary puts in front; -1: none */
    int n_vocab;
    size_t reading; /* bytes that were held at a time while it was read, those of the caller included */
};

/* Reads the file at path (- is stdin) and makes tokens of it, before the model is loaded, within half of --memory; kept: bytes of that the
 * caller holds. Status 0, or another after the sentence; eval_text_free() it in either case. */
int eval_text_read(struct eval_text *t, const struct eval_command *c, const char *path, size_t kept);
void eval_text_free(struct eval_text *t);

/* Texts that are scored in chunks, one behind the other (texts.c). */
struct eval_texts {
    struct eval_part {
        const char *name; /* borrowed */
        uint8_t sha256[SHA256_BYTES];
        size_t first, n_chunk; /* its chunks among all */
    } part[TEXTS_MOST];        /* [n_part] */
    int n_part;
    stoker_token *token; /* [n_chunk][n_ctx] */
    size_t n_chunk;
    stoker_token bos;
    int n_vocab;
    size_t reading;                      /* as above, of all of them */
    uint8_t *marked;                     /* [n_chunk][n_ctx] 1: --positions names it. NULL: there is no such file */
    uint8_t marked_sha256[SHA256_BYTES]; /* of that file */
};

/* Those of c->texts, cut, and c->positions. Status as above; eval_texts_free() it in either case. */
int eval_texts_read(struct eval_texts *t, const struct eval_command *c);
void eval_texts_free(struct eval_texts *t);

/* What the vocabulary of c->model puts in front of texts, else -1; and its size. 0, or the status. */
int eval_vocab_of(const struct eval_command *c, stoker_token *bos, int *n_vocab);

/* Bytes that reading may take besides those that are kept: half of --memory in all; the other half is the program's and the vocabulary's,
 * of which the plan knows later. What the plan chooses itself knows no half; there the plan counts what reading took. */
size_t eval_reading_most(const struct eval_command *c, size_t kept);
/* Says in place of what *err was that reading `name` takes more than that. -1. */
int eval_too_much(struct error *err, const char *name);

/* What sentences call the file at path: - is stdin. */
const char *eval_name_of(const char *path);

/* A file of at most `most` bytes, or stdin for -, within half of --memory; kept as above. NULL: *err. */
char *eval_file_read(const struct eval_command *c, const char *path, size_t most, size_t kept, size_t *n,
                     struct error *err);

/* Loads c->model under c->options, with its progress. own_bytes: of the evaluation itself (texts, scores), for the plan to count. 0, or the
 * status. */
int eval_open(struct stoker **s, struct eval_command *c, size_t own_bytes);
/* Of the evaluation itself, for eval_open(): the smallest plan holds what reading took too, for nobody said how much that may be. */
size_t eval_own_bytes(const struct eval_command *c, size_t own_bytes, size_t reading);
/* The same; a model whose logits are not n_vocab is closed again and refused, for rows of base files have as many. */
int eval_open_rows(struct stoker **s, struct eval_command *c, size_t own_bytes, int n_vocab);

/* Prints the sentence on stderr; returns the exit status that the code means, 1 or 2. */
int eval_fail(const struct error *err);

/* The first line of a file of results, as far as it is the same for all evaluations: of the model and of what its figures depend on. NULL
 * after a sentence. */
json_t *eval_header(const struct eval_command *c, const char *name);

/* In hexadecimal digits. */
void eval_hex(const uint8_t hash[SHA256_BYTES], char out[2 * SHA256_BYTES + 1]);
json_t *eval_json_hash(const uint8_t hash[SHA256_BYTES]);
/* Of such digits; NULL has none. -1: they are no hash. */
int eval_hash_read(uint8_t hash[SHA256_BYTES], const char *hex);

/* An object as a line on stdout. */
void eval_print_json(const json_t *o);

/* Ctrl-C, SIGTERM and a closed terminal end a run behind what is done: from now on a first one is remembered. */
void eval_catch_interrupts(void);
int eval_is_interrupted(void);

#endif
