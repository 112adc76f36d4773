/* Counting what a compilation takes: compile.h.
 *
 * Each block has a head that holds its size, so that it can be given back without being asked how large it was. */
#include "text/grammar/compile.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct head {
    alignas(max_align_t) size_t bytes; /* with the head */
};

enum { PER_BLOCK = 16, BYTES_A_STEP = 64 }; /* steps of an allocation; bytes that are cleared or copied in one */

/* ---- the end ------------------------------------------------------------------------------------------------------------------ */

static size_t most_bytes(const struct compile *compile)
{
    return compile->most_bytes ? compile->most_bytes : COMPILE_BYTES;
}

static uint64_t most_work(const struct compile *compile)
{
    return compile->most_work ? compile->most_work : COMPILE_WORK;
}

enum { LOCATION = 320 };

/* "schema error at #/properties/x: ", or nothing. */
static void locate(const struct compile *compile, char location[LOCATION])
{
    location[0] = 0;
    if (compile->location.write)
        compile->location.write(compile->location.of, location, LOCATION - 2);
    if (location[0])
        strcat(location, ": ");
}

static int name_field(struct compile *compile)
{
    return error_field(&compile->error, "%s", compile->location.field ? compile->location.field : "");
}

static int end(struct compile *compile, enum compile_end why)
{
    char location[LOCATION];
    if (compile->end)
        return -1;
    compile->end = why;
    locate(compile, location);
    if (why == COMPILE_STOPPED)
        error_set(&compile->error, ERR_CANCELLED, "%scompiling it was stopped: nobody waits for it", location);
    else if (why == COMPILE_WORK_DONE)
        error_set(&compile->error, ERR_INPUT,
                  "%scompiling it is too much work (more than %llu million steps): simplify it", location,
                  (unsigned long long)(most_work(compile) / 1000000));
    else
        error_set(&compile->error, ERR_INPUT, "%scompiling it needs more than %zu KiB of memory: simplify it", location,
                  most_bytes(compile) >> 10);
    return name_field(compile);
}

int compile_refused(const struct compile *compile, struct error *err)
{
    error_set(err, compile->error.code, "%s", compile->error.text);
    return error_field(err, "%s", compile->error.field);
}

/* ---- work --------------------------------------------------------------------------------------------------------------------- */

int compile_check_limits(struct compile *compile)
{
    if (compile->end)
        return -1;
    if (compile->work > most_work(compile))
        return end(compile, COMPILE_WORK_DONE);
    if (compile->stopped && compile->stopped(compile->arg))
        return end(compile, COMPILE_STOPPED);
    compile->next_check = compile->work + COMPILE_CHECK;
    if (compile->next_check > most_work(compile))
        compile->next_check = most_work(compile) + 1;
    return 0;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

int compile_take(struct compile *compile, size_t bytes)
{
    if (!compile)
        return 0;
    if (compile->end)
        return -1;
    if (bytes > most_bytes(compile) || compile->bytes > most_bytes(compile) - bytes)
        return end(compile, COMPILE_MEMORY);
    compile->bytes += bytes;
    if (compile->bytes > compile->peak_bytes)
        compile->peak_bytes = compile->bytes;
    return 0;
}

void compile_give(struct compile *compile, size_t bytes)
{
    if (compile)
        compile->bytes -= bytes;
}

/* Bytes of a block, its head included; SIZE_MAX: no memory is so large. */
static size_t block_bytes(size_t n, size_t size)
{
    return size && n > (SIZE_MAX / 2) / size ? SIZE_MAX : n * size + sizeof(struct head);
}

static void *no_memory(struct compile *compile)
{
    if (compile && !compile->end) {
        char location[LOCATION];
        compile->end = COMPILE_MEMORY;
        locate(compile, location);
        error_set(&compile->error, ERR_MEMORY, "%sno memory to compile it", location);
        name_field(compile);
    }
    return NULL;
}

static void *block(struct compile *compile, size_t n, size_t size, int zeroed)
{
    size_t bytes = block_bytes(n, size);
    if (compile_work(compile, PER_BLOCK + (zeroed ? bytes / BYTES_A_STEP : 0)) || compile_take(compile, bytes))
        return NULL;
    struct head *head = zeroed ? calloc(1, bytes) : malloc(bytes);
    if (!head) {
        compile_give(compile, bytes);
        return no_memory(compile);
    }
    head->bytes = bytes;
    return head + 1;
}

void *compile_alloc(struct compile *compile, size_t n, size_t size) { return block(compile, n, size, 0); }

void *compile_zeroed(struct compile *compile, size_t n, size_t size) { return block(compile, n, size, 1); }

size_t compile_size(const void *p) { return p ? ((const struct head *)p - 1)->bytes : 0; }

/* While it moves both blocks may be there. */
void *compile_grow(struct compile *compile, void *p, size_t n, size_t size)
{
    size_t bytes = block_bytes(n, size), before = compile_size(p);
    if (!p)
        return block(compile, n, size, 0);
    if (compile_work(compile, PER_BLOCK + before / BYTES_A_STEP) || compile_take(compile, bytes))
        return NULL;
    struct head *head = realloc((struct head *)p - 1, bytes);
    compile_give(compile, head ? before : bytes);
    if (!head)
        return no_memory(compile);
    head->bytes = bytes;
    return head + 1;
}

void compile_free(struct compile *compile, void *p)
{
    if (!p)
        return;
    compile_give(compile, compile_size(p));
    free((struct head *)p - 1);
}

/* ---- pools -------------------------------------------------------------------------------------------------------------------- */

struct pool_block {
    struct pool_block *next;
};

enum { FIRST_BLOCK = 4 << 10, MOST_BLOCK = 64 << 10 };

void *pool_alloc(struct compile_pool *pool, size_t n, size_t size)
{
    size_t bytes = block_bytes(n, size);
    bytes = bytes == SIZE_MAX ? bytes : (n * size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    if (!pool->block || bytes > pool->size - pool->used) {
        size_t capacity = pool->size ? pool->size * 2 : FIRST_BLOCK;
        capacity = capacity > MOST_BLOCK ? MOST_BLOCK : capacity;
        capacity = capacity > bytes ? capacity : bytes;
        struct pool_block *next = capacity == SIZE_MAX ? NULL
                                                       : compile_zeroed(pool->compile, 1, sizeof *next + capacity);
        if (!next)
            return NULL;
        next->next = pool->block;
        pool->block = next;
        pool->used = 0;
        pool->size = capacity;
    }
    void *p = (char *)(pool->block + 1) + pool->used;
    pool->used += bytes;
    return p;
}

char *pool_copy(struct compile_pool *pool, const char *text, size_t n)
{
    char *copy = pool_alloc(pool, n + 1, 1);
    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}

void pool_free(struct compile_pool *pool)
{
    for (struct pool_block *next; pool->block; pool->block = next) {
        next = pool->block->next;
        compile_free(pool->compile, pool->block);
    }
    pool->used = pool->size = 0;
}
