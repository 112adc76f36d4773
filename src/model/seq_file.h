/* A sequence in a file: what it keeps, to go on from in another process with the same bits.
 *
 *     header      what follows, and of which model, numerics and ids (struct header of seq_file.c)
 *     pages       kind by kind, page by page, layer by layer: keys [n_head_kv][n][d_k], then values [n_head_kv][n][d_v] of the n
 *                 rows that are computed; pages that a window has left are absent
 *     state       of the recurrent layers
 *     checksum    u64 over all of it
 *
 * Little-endian, no padding. Files come from outside: loading believes nothing that it has not compared with the model and the
 * sequence at hand, and allocates nothing. */
#ifndef MODEL_SEQ_FILE_H
#define MODEL_SEQ_FILE_H

#include "model/model.h"

/* Write from where fd stands; a pipe will do. ids [seq->n_pos]: what the positions were computed from. The model is loaded.
 * -1: ERR_IO, or ERR_INPUT where a sequence is invalid and has nothing to save. */
int seq_save(const struct sequence *seq, const struct model *m, const int32_t *ids, int fd, struct error *err);

/* Read exactly what seq_save wrote; then seq->n_pos <= n_ids positions are computed. The sequence is cleared first, and after an
 * error it is empty. -1: the file is cut off or damaged, of another model, of ids other than these, or of another type of keys and
 * values; or no page is left. */
int seq_load(struct sequence *seq, const struct model *m, const int32_t *ids, int n_ids, int fd, struct error *err);

#endif
