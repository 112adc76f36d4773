/* The reader's own descriptors of the model's files: one with O_DIRECT, one without, made from the open one, so that a file that
 * was renamed, replaced or unlinked goes on being used. */
#ifndef STORE_READER_FILES_H
#define STORE_READER_FILES_H

#include "base/arena.h"
#include "format/gguf.h"

#include <stdint.h>

struct error;

struct reader_files {
    const struct gguf_file *file;
    int n;
    int *direct;   /* [n] O_DIRECT; -1: this file is read buffered */
    int *buffered; /* [n] */
    int *refused;  /* [n] O_DIRECT descriptors that are out of use but may still have reads; -1: none */
    uint8_t *told; /* [n] replaced under its name, and said so */
};

uint64_t reader_files_bytes(void);
int reader_files_open(struct reader_files *f, const struct gguf_file *file, int n, int buffered_only, struct arena *mem,
                      struct error *err);
void reader_files_close(struct reader_files *f);

/* From here on file i is read buffered; one log line. */
void reader_files_refuse_direct(struct reader_files *f, int i);
int reader_files_any_direct(const struct reader_files *f);

/* Its size now. 0 or -1. */
int reader_file_size(const struct reader_files *f, int i, uint64_t *size);

/* The last component of its path. */
const char *reader_file_name(const struct reader_files *f, int i);

int reader_files_check(struct reader_files *f, struct error *err);

#endif
