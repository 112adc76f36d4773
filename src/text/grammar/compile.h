/* Limits of a compilation: memory, work, and whether anybody still waits for it.
 *
 * Schemas, grammars and patterns come from clients, and small ones may mean large automata. So whoever compiles one holds a handle,
 * through which all memory of the compilation is allocated, and in which its loops count what they do:
 *
 *     struct compile c = {.most_bytes = .., .most_work = .., .stopped = hung_up, .arg = connection};
 *     value_constraint(.. {.compile = &c} ..)            fails: c.end says of what, c.error is the sentence
 *
 * A step of work is some 10 ns of this code, whatever is compiled; it is counted, not timed, so an input is refused everywhere or
 * nowhere. Once ended a handle stays so: every allocation fails, and every loop that counts comes to its end.
 *
 * What survives (the arrays of a grammar, the triggers and tables of a constraint) stays counted in bytes. It is freed later, when
 * the handle may be gone: compile_free(NULL, p). One thread at a time. */
#ifndef TEXT_GRAMMAR_COMPILE_H
#define TEXT_GRAMMAR_COMPILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Where a limit is 0. */
#define COMPILE_BYTES ((size_t)64 << 20)
#define COMPILE_WORK  (UINT64_C(100) << 20)

enum compile_end { COMPILE_GOES_ON, COMPILE_MEMORY, COMPILE_WORK_DONE, COMPILE_STOPPED };

/* What is being compiled, for the sentence: "schema error at #/properties/x". Written into out, terminated. */
struct compile_location {
    void (*write)(const void *of, char *out, size_t capacity);
    const void *of;
    const char *field; /* of the error (base/error.h); NULL: none */
};

struct compile {
    size_t most_bytes;         /* 0: COMPILE_BYTES */
    uint64_t most_work;        /* steps; 0: COMPILE_WORK */
    int (*stopped)(void *arg); /* asked every COMPILE_CHECK steps; not 0: nobody waits any more. NULL: never asked */
    void *arg;
    /* 1: it is not compiled anew with higher limits, so a front end may leave out what is too much, where it may leave anything out */
    int is_last;

    /* Results. All zero at the beginning. */
    size_t bytes, peak_bytes; /* now, at most */
    uint64_t work;
    enum compile_end end;
    struct error error; /* why it ended: ERR_INPUT (limits), ERR_CANCELLED, ERR_MEMORY (the system has no memory) */

    struct compile_location location; /* innermost; front ends keep the one before, and put it back */
    uint64_t next_check;              /* work at which somebody has to be asked */
};

enum { COMPILE_CHECK = 1 << 15 };

/* n objects of size bytes, aligned for anything; zeroed: by compile_zeroed() only. Freed by compile_free() alone, NULL: nothing. NULL: the
 * compilation has ended. compile NULL: not counted, not refused. */
void *compile_alloc(struct compile *compile, size_t n, size_t size);
void *compile_zeroed(struct compile *compile, size_t n, size_t size);
void *compile_grow(struct compile *compile, void *p, size_t n, size_t size); /* as realloc(); NULL: p stays as it is */
void compile_free(struct compile *compile, void *p);
size_t compile_size(const void *p); /* bytes that are counted for p; NULL: 0 */

/* Count bytes that somebody else allocates; no longer count them. -1: the compilation has ended, and they are not counted. */
int compile_take(struct compile *compile, size_t bytes);
void compile_give(struct compile *compile, size_t bytes);

/* Count n steps. -1: it has ended. */
int compile_check_limits(struct compile *compile);
static inline int compile_work(struct compile *compile, uint64_t n)
{
    if (!compile || (compile->work += n) < compile->next_check)
        return 0;
    return compile_check_limits(compile);
}

/* Copies compile->error into *err. Always -1. */
int compile_refused(const struct compile *compile, struct error *err);

/* Memory that is freed all at once, by pool_free(); a zeroed struct with compile set is an empty pool. What is allocated is zeroed and
 * aligned for pointers. NULL: the compilation has ended. */
struct compile_pool {
    struct compile *compile;
    struct pool_block *block; /* newest first */
    size_t used, size;        /* of the newest */
};
void *pool_alloc(struct compile_pool *pool, size_t n, size_t size);
char *pool_copy(struct compile_pool *pool, const char *text, size_t n); /* with a NUL behind it */
void pool_free(struct compile_pool *pool);

#endif
