/* The files of a run: parts that are written in order under names that end in .part, and get their own when all are whole.
 *
 * One thread at a time. What was written up to a checkpoint can be resumed after any end of the process. */
#ifndef QUANT_OUTPUT_H
#define QUANT_OUTPUT_H

#include "quant/journal.h"

struct hash_stream;

struct output {
    const struct quant_job *j;
    struct journal journal;
    int fd, part;            /* of the part that is being written; fd -1: none yet */
    uint64_t at, from;       /* where in it; where the span since the last checkpoint begins */
    uint64_t flushed;        /* up to here the kernel was asked to write */
    struct hash_stream *sum; /* of that span */
    uint64_t tensor, unit;   /* where the run begins: behind what was there already */
    uint64_t done;           /* bytes of all parts so far */
};

/* What stands in the way of output_open(), as far as it is known before the source is hashed: its sentences. Changes nothing. */
int output_check(const struct quant_job *j, struct error *err);

/* Checks that the names are free and that the disk has the space, and finds what an earlier run has done. Nothing is left behind where it
 * fails. */
int output_open(struct output *o, const struct quant_job *j, struct error *err);

/* n bytes for offset `at` of a part, in ascending order; gaps become zeros. Parts are begun and ended on the way. */
int output_put(struct output *o, int part, uint64_t at, const uint8_t *bytes, uint64_t n, struct error *err);

/* Everything so far is on disk, and noted. tensor, unit: what comes next. */
int output_checkpoint(struct output *o, uint64_t tensor, uint64_t unit, struct error *err);

/* The end of the last part; then the names. */
int output_finish(struct output *o, struct error *err);
void output_close(struct output *o);

#endif
