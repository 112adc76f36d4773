/* A reader of generated files in exactly the memory that it asks for, with buffers for what it reads: shared by the tests of the reader. */
#ifndef TESTS_READER_BENCH_H
#define TESTS_READER_BENCH_H

#include "fake_model.h"
#include "store/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { REQUESTS = 200, ROOM = 3 << 20 };

struct bench {
    struct fake_model model;
    struct arena mem;
    struct reader *reader;
    struct read_list list;
    uint8_t *room; /* [REQUESTS][ROOM], virtual */
    struct read_request q[REQUESTS];
    struct error err;
};

/* Then the files: fake_file(&b->model, ..). */
static inline void begin_bench(struct bench *b)
{
    *b = (struct bench){.room = mmap(NULL, (size_t)REQUESTS * ROOM, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)};
    assert_ptr_not_equal(b->room, MAP_FAILED);
}

static inline void remove_files(struct bench *b)
{
    fake_remove(&b->model);
    munmap(b->room, (size_t)REQUESTS * ROOM);
}

static inline int open_reader(struct bench *b, const struct reader_options *opt)
{
    uint64_t bytes = reader_bytes(opt);
    uint8_t *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(p, 0x5A, bytes);
    arena_init(&b->mem, p, bytes);
    b->err = (struct error){0};
    b->list = (struct read_list){0};
    return reader_open(&b->reader, b->model.file, b->model.n_file, opt, &b->mem, &b->err);
}

static inline void must_open(struct bench *b, const struct reader_options *opt)
{
    if (open_reader(b, opt) != 0)
        fail_msg("%s", b->err.text);
}

/* Of a reader that is closed, or could not be opened. */
static inline void free_memory(struct bench *b)
{
    uint8_t *p = b->mem.base;
    arena_init(&b->mem, p, 0);
    free(p);
}

static inline int close_reader(struct bench *b)
{
    int left = reader_close(b->reader);
    free_memory(b);
    return left;
}

/* Request i, into its part of the buffers. */
static inline struct read_request *ask(struct bench *b, int i, int file, uint64_t offset, uint64_t length)
{
    b->q[i] = (struct read_request){.file = file,
                                    .offset = offset,
                                    .length = length,
                                    .to = b->room + (size_t)i * ROOM,
                                    .what = "blk.0.ffn_up_exps.weight",
                                    .unit = "expert",
                                    .id = i};
    return &b->q[i];
}

/* 1: it was read, with the right bytes. */
static inline void check_bytes(const struct bench *b, const struct read_request *q)
{
    assert_int_equal(q->state, READ_DONE);
    const uint8_t *got = q->to + q->offset % reader_align(b->reader);
    if (memcmp(got, b->model.bytes[q->file] + q->offset, q->length) != 0)
        fail_msg("%llu bytes at %llu of file %d differ", (unsigned long long)q->length, (unsigned long long)q->offset,
                 q->file);
}

#endif
