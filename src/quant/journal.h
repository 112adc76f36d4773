/* The journal of a run, OUT.journal: what was asked for, and how far the output is whole.
 *
 *     stoker quantize journal 1
 *     KEY VALUE               what the output depends on: another value, and the run cannot be resumed
 *     ...
 *     begin
 *     done TENSOR UNIT PART FROM TO HASH CHECK      the bytes [FROM, TO) of a part are on disk, their XXH3 is HASH; to be done next: this
 *     ...                                           unit of this tensor (rows, or bytes where they are copied). CHECK: XXH3 of the line
 *
 * Data is synchronised before its line is written, so a line that is there is true. A line that is not whole counts as absent. */
#ifndef QUANT_JOURNAL_H
#define QUANT_JOURNAL_H

#include "quant/quant.h"

#include <stdio.h>

struct journal_entry {
    uint64_t tensor, unit; /* the next to be done; tensor n_tensor: none */
    int part;
    uint64_t from, to, hash;
};

struct journal {
    FILE *file;
    const char *path;
    struct journal_entry last;
    int has_last; /* 0: nothing is done yet */
    int is_new;
};

/* What stands in the way of journal_open(), as far as it is known before the source is hashed: its sentences. */
int journal_check(const struct quant_job *j, struct error *err);

/* Opens the journal and locks it. Without options->resume there must be none yet; with it, what stands in it must be the job's, and the
 * sentence names what differs. ERR_INPUT, ERR_IO. */
int journal_open(struct journal *l, const struct quant_job *j, struct error *err);
int journal_add(struct journal *l, const struct journal_entry *e, struct error *err);
int journal_sync(struct journal *l, struct error *err); /* its lines are on disk, which names of the output rest on */
void journal_close(struct journal *l);
void journal_remove(struct journal *l);

#endif
