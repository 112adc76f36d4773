/* Base files: what a model gave every token of the vocabulary at the scored positions of a text, in 16 bits each, so that another model can
 * be compared with it. The format is llama-perplexity's (--kl-divergence-base), little-endian:
 *
 *     "_logits_"  u32 n_ctx  i32 n_vocab  i32 n_chunk
 *     i32 token [n_chunk][n_ctx]                          as the text was tokenised
 *     rows [n_chunk][eval_scored(n_ctx)]                  that of position n_ctx / 2 + 1 first
 *         f32 scale  f32 least  u16 code [n_vocab]        ln p of a token is scale * code + least
 *         u16 0, where n_vocab is odd
 *
 * Nobody holds a row as a whole: rows are written and read in pieces of a few KiB, each at its own place, by any number of threads.
 * Format and limits: evaluation.md 9. */
#ifndef EVAL_BASE_FILE_H
#define EVAL_BASE_FILE_H

#include "base/sha256.h"
#include "stoker.h"

struct error;

/* The file's name and contents but for its rows. */
struct eval_base {
    const char *path; /* borrowed */
    int fd;
    int n_ctx, n_vocab;
    size_t n_chunk;
    stoker_token *token; /* [n_chunk][n_ctx]; read: those of the chunks that were asked for */
};

/* Bytes of such a file. -1: ERR_INPUT, beyond 2^63. */
int eval_base_bytes(uint64_t *bytes, int n_ctx, int n_vocab, size_t n_chunk, struct error *err);

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

/* Opens the file at path, whose header and size must be right. ERR_INPUT names what is not, where, and the value. Nothing is allocated by
 * what it says. */
int eval_base_open(struct eval_base *b, const char *path, struct error *err);

/* Reads the tokens of the first n_chunk chunks, which must be of its vocabulary, and the scale and the least value of each of their rows,
 * which must be those of a distribution. hash: of them, the header and the tokens, so that other files have another. */
int eval_base_check(struct eval_base *b, size_t n_chunk, uint8_t hash[SHA256_BYTES], struct error *err);

/* The hash of the scales and least values of a chunk's rows, which must be those of a distribution: another model's are others. */
int eval_base_chunk_hash(const struct eval_base *b, size_t chunk, uint8_t hash[SHA256_BYTES], struct error *err);

/* How far a model is from the file's at a position of a chunk: KL divergence in nats, from the tokens that the file says are likelier than
 * e^-16; what the file gave the position's token; whether the same token is the likeliest. logits [n_vocab], log_sum: ln of the sum of
 * their exponentials. Any thread. */
struct eval_distance {
    double kld, base; /* base: ln p */
    int same_top;
};
int eval_base_compare(const struct eval_base *b, size_t chunk, int pos, const float *logits, double log_sum,
                      struct eval_distance *out, struct error *err);

/* Advice: the first rows of this chunk will be read soon (each row that is compared says so of one behind it); those of a chunk will not be
 * read again. */
void eval_base_will_read(const struct eval_base *b, size_t chunk);
void eval_base_was_read(const struct eval_base *b, size_t chunk);

/* One that was closed may be closed again. */
void eval_base_close(struct eval_base *b);

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

/* Begins PATH.part for a file at path: of b, path, n_ctx, n_vocab, n_chunk and token (malloc'd, freed by eval_base_close(), also after -1)
 * are filled in. done 0: it may exist, unless another run has it open; path must not. Above 0: it is taken up again, and its first chunks
 * must be there, with rows of the hashes known [done]; n_chunk: so may path be instead, and nothing is left to write. ERR_IO: there is less
 * space than the file needs, or the system refused. */
int eval_base_create(struct eval_base *b, size_t done, uint8_t (*known)[SHA256_BYTES], struct error *err);

/* Before a run that does not go on with an earlier one. -1: *err is why path cannot be begun: it exists, or PATH.part holds something. */
int eval_base_is_free(const char *path, struct error *err);

/* Writes the row of a position, as above. Any thread. */
int eval_base_write(const struct eval_base *b, size_t chunk, int pos, const float *logits, double log_sum,
                    struct error *err);

/* What was written so far is on the device. */
int eval_base_sync(const struct eval_base *b, struct error *err);

/* The file is whole: PATH.part becomes PATH. */
int eval_base_finish(const struct eval_base *b, struct error *err);

/* Deletes PATH.part of a file that will not be taken up again, if it was begun. */
void eval_base_discard(const struct eval_base *b);

#endif
