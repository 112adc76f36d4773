/* The reader's own descriptors of the model's files: one with O_DIRECT, one without, made from the open one, so that a file that
 * was renamed, replaced or unlinked stays in use.
 *
 * A file may have a second copy (--mirror). Arrays are indexed by copy_index = copy * n + file. Copies with the same st_dev are on the
 * same drive. */
#ifndef STORE_READER_FILES_H
#define STORE_READER_FILES_H

#include "base/arena.h"
#include "format/gguf.h"
#include "store/reader.h"

#include <stdint.h>

struct error;

struct reader_files {
    const struct gguf_file *file; /* [n] the caller's */
    struct gguf_file *mirror;     /* [n] */
    int n, n_copy;                /* n_copy: 1, or 2 with mirrors */
    int *direct;                  /* O_DIRECT; -1: this copy is read buffered */
    int *buffered;
    int *refused;    /* O_DIRECT descriptors that are no longer used but may still have reads in flight; -1: none */
    uint8_t *warned; /* replaced under its name, and the warning was logged */
    uint8_t *drive;
    int n_drive;
    dev_t dev[READER_MAX_DRIVES];
    double rate[READER_MAX_DRIVES]; /* bytes/s, or all alike */
};

uint64_t reader_files_bytes(const struct reader_options *opt);

/* Drives in the order of their first file; all rates 1. */
int reader_files_open(struct reader_files *f, const struct gguf_file *file, int n, const struct reader_options *opt,
                      struct arena *mem, struct error *err);
void reader_files_close(struct reader_files *f);

/* From now on this copy is read buffered; logged once. */
void reader_files_refuse_direct(struct reader_files *f, int copy_index);
int reader_files_any_direct(const struct reader_files *f);

/* Its size now, in bytes; -1: unknown. reader_file()->size is that when it was opened. */
int reader_file_size(const struct reader_files *f, int copy_index, uint64_t *size);

static inline const struct gguf_file *reader_file(const struct reader_files *f, int copy_index)
{
    return copy_index < f->n ? &f->file[copy_index] : &f->mirror[copy_index - f->n];
}

/* The last component of its path. */
const char *reader_file_name(const struct reader_files *f, int copy_index);

int reader_files_check(struct reader_files *f, struct error *err);

/* reader_mirror.c: find, open and compare the second copies in opt->mirror; -1 with the sentence. Their paths are on the heap until
 * reader_mirror_close(). */
int reader_mirror_open(struct reader_files *f, const struct reader_options *opt, struct error *err);
void reader_mirror_close(struct reader_files *f);

#endif
