/* The run of a rendering: memory, limits, and errors with their position. See value.h. */
#include "base/utf8.h"
#include "text/jinja/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of a request of no bytes; it adds to them 16 and 64 times its own. Templates of publishers take 30 times at most (measured). */
enum { STRING_LEAST = 8 << 20, MEMORY_LEAST = 32 << 20 };

/* Steps of a request of no bytes, those that each of its bytes adds, and the most of any: a step of publishers' templates takes 20 to 60
 * ns, so some words cost 1 s at most. Four of 62 publishers' templates look back from each message at all before it: 2,000 messages of
 * an agent, 0.5 MB, take 32 million steps. The others take 2 million for 10,000 messages, and 10 million for 30 MB (measured). */
enum { MILLION_STEPS = 20, STEPS_A_BYTE = 64, MILLION_STEPS_MOST = 50 };

/* STACK_MOST: of the least stack in use, beside what a server's handler has used before and what stays free. 1,100 loops one inside
 * the other fit, by way of macros, and 6,800 lists (measured; with sanitizers 600 and 900). */
enum { STACK_MOST = 640 << 10, STACK_KEPT = 64 << 10 };

static uint64_t work_limit(size_t request_bytes)
{
    uint64_t least = (uint64_t)MILLION_STEPS * JMILLION_STEPS, most = (uint64_t)MILLION_STEPS_MOST * JMILLION_STEPS;
    if (request_bytes > (most - least) / (STEPS_A_BYTE * JSTEP))
        return most;
    return least + (uint64_t)request_bytes * STEPS_A_BYTE * JSTEP;
}

void jrun_begin(struct jrun *r, struct arena *arena, size_t request_bytes, struct jinja_error *error)
{
    size_t wide = request_bytes < (size_t)1 << 34 ? 16 * request_bytes : (size_t)1 << 38;
    *r = (struct jrun){.arena = arena, .error = error, .request_bytes = request_bytes};
    r->string_limit = STRING_LEAST + wide;
    r->memory_limit = MEMORY_LEAST + 4 * wide; /* three strings of the greatest length, and what leads to them */
    r->work_limit = work_limit(request_bytes);
    r->stack_limit = stack_limit(STACK_MOST, STACK_KEPT);
    *error = (struct jinja_error){0};
}

int jrun_protect(struct jrun *r, int (*body)(struct jrun *r, void *arg), void *arg)
{
    jmp_buf *outer = r->trap, trap;
    volatile int rc = -1; /* changed behind setjmp(): C11 7.13.2.1 */
    r->trap = &trap;
    if (setjmp(trap) == 0)
        rc = body(r, arg);
    r->trap = outer;
    return rc;
}

void jrun_leave(struct jrun *r) { longjmp(*r->trap, 1); }

static void *allocate(struct jrun *r, size_t size)
{
    r->spent = size > r->memory_limit || r->arena->total > r->memory_limit - size;
    if (r->spent)
        jfail(r, r->compiles ? JINJA_COMPILE : JINJA_LIMIT, "the template needs more than %.3g MiB of memory",
              (double)r->memory_limit / (1 << 20));
    jwork(r, 2 + size / 16); /* the pages are new */
    void *p = arena_alloc_aligned(r->arena, size, 8);
    r->spent = !p;
    if (!p)
        jfail(r, JINJA_MEMORY, "no memory to render the template");
    return p;
}

void *jalloc(struct jrun *r, size_t size) { return allocate(r, size ? size : 1); }

void *jalloc_array(struct jrun *r, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        bytes = SIZE_MAX;
    return allocate(r, bytes ? bytes : 1);
}

void jcheck_limits(struct jrun *r)
{
    r->spent = r->work > r->work_limit;
    if (r->spent)
        jfail(r, r->compiles ? JINJA_COMPILE : JINJA_LIMIT, "the template takes more than %.3g million steps",
              (double)r->work_limit / JMILLION_STEPS);
    if (r->stopped && r->stopped(r->stopped_arg))
        jfail(r, JINJA_STOPPED, "the rendering was ended: nobody waits for it any more");
    r->check_at = r->work_limit - r->work < JCHECK ? r->work_limit + 1 : r->work + JCHECK;
}

void jfail_deep(struct jrun *r)
{
    jfail(r, r->compiles ? JINJA_COMPILE : JINJA_LIMIT,
          "calls, blocks or values are nested too deeply: %d KiB of stack do not hold them", STACK_MOST >> 10);
}

static void position_of(const char *source, size_t n, uint32_t pos, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < n && i < pos; i++) {
        if (source[i] == '\n') {
            ++*line;
            *column = 1;
        } else {
            *column += (uint32_t)utf8_begins(source[i]);
        }
    }
}

/* "line 41, column 7, in macro m, called from line 97, called from ...: " */
size_t jwrite_position(struct jrun *r, char *to, size_t size)
{
    struct jinja_error *e = r->error;
    const struct jinja_template *t = r->template;
    if (!t)
        return 0;
    position_of(t->source, t->n, r->at, &e->line, &e->column);
    size_t n = (size_t)snprintf(to, size, "line %d, column %d", e->line, e->column);
    int shown = 0;
    for (const struct jcalled *c = r->called; c && shown < 3; c = c->outer, shown++) {
        int line, column;
        position_of(t->source, t->n, c->from, &line, &column);
        n += (size_t)snprintf(to + n, size - n, ", in macro %.40s, called from line %d", c->name->bytes, line);
    }
    return n + (size_t)snprintf(to + n, size - n, ": ");
}

void jfail(struct jrun *r, enum jinja_error_kind kind, const char *format, ...)
{
    struct jinja_error *e = r->error;
    va_list args;
    *e = (struct jinja_error){.kind = kind};
    size_t n = jwrite_position(r, e->text, 320);
    va_start(args, format);
    vsnprintf(e->text + n, sizeof e->text - n, format, args);
    va_end(args);
    jrun_leave(r);
}

void jfail_compile(struct jrun *r, uint32_t pos, const char *format, ...)
{
    struct jinja_error *e = r->error;
    va_list args;
    *e = (struct jinja_error){.kind = JINJA_COMPILE};
    r->at = pos;
    size_t n = jwrite_position(r, e->text, 320);
    va_start(args, format);
    vsnprintf(e->text + n, sizeof e->text - n, format, args);
    va_end(args);
    jrun_leave(r);
}
