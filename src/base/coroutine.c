/* Coroutines: coroutine.h. Contexts of POSIX.1-2001 (getcontext(3)), whose switches cost some 0.2 us each. Below the stack is a
 * page without access. The sanitizers are told of each switch, since they watch stacks. */
#include "base/coroutine.h"

#include "base/error.h"
#include "base/page.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Measured: a mask uses up to 83 KB of it, most of that for phases within phases; with the sanitizers several times that. */
#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
enum { STACK = 1 << 20 };
#else
enum { STACK = 192 << 10 };
#endif
enum { IDLE, PAUSED, RUNNING };

struct coroutine {
    ucontext_t own, caller;
    void (*body)(void *arg);
    void *arg;
    char *stack; /* behind the guard */
    int state;
    void *fake, *fake_caller; /* of AddressSanitizer: stacks of frames */
    const void *caller_stack;
    size_t caller_size;
    void *fiber, *fiber_caller; /* of ThreadSanitizer */
};

size_t coroutine_bytes(void) { return STACK + sizeof(struct coroutine); }

int coroutine_create(struct coroutine **out, struct error *err)
{
    const size_t guard = page_bytes();
    struct coroutine *co = calloc(1, sizeof *co);
    char *p = co ? mmap(NULL, guard + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                 : MAP_FAILED;
    if (p == MAP_FAILED || mprotect(p, guard, PROT_NONE) != 0) {
        if (p != MAP_FAILED)
            munmap(p, guard + STACK);
        free(co);
        return error_set(err, ERR_MEMORY, "no memory for a stack of %d bytes", STACK);
    }
    co->stack = p + guard;
    *out = co;
    return 0;
}

void coroutine_destroy(struct coroutine *co)
{
    if (!co)
        return;
    coroutine_abandon(co);
    munmap(co->stack - page_bytes(), page_bytes() + STACK);
    free(co);
}

size_t coroutine_stack_used(const struct coroutine *co)
{
    size_t i = 0;
    while (i < STACK && co->stack[i] == 0)
        i++;
    return STACK - i;
}

/* ---- switches ------------------------------------------------------------------------------------------------------------------- */

static void enter(struct coroutine *co)
{
    co->state = RUNNING;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&co->fake_caller, co->stack, STACK);
#endif
#ifdef FIBER_TSAN
    co->fiber_caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(co->fiber, 0);
#endif
    swapcontext(&co->caller, &co->own);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(co->fake_caller, NULL, NULL);
#endif
}

/* Behind a switch to the body's stack. */
static void entered(struct coroutine *co)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(co->fake, &co->caller_stack, &co->caller_size);
#endif
    (void)co;
}

static void leave(struct coroutine *co, int state)
{
    co->state = state;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(state == IDLE ? NULL : &co->fake, co->caller_stack, co->caller_size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(co->fiber_caller, 0);
#endif
    swapcontext(&co->own, &co->caller);
}

/* Arguments of a context are numbers of 32 bits. */
static void run(unsigned high, unsigned low)
{
    struct coroutine *co = (struct coroutine *)((uintptr_t)high << 32 | low);
    entered(co);
    co->body(co->arg);
    leave(co, IDLE);
}

static void end_fiber(struct coroutine *co)
{
#ifdef FIBER_TSAN
    if (co->fiber)
        __tsan_destroy_fiber(co->fiber);
#endif
    co->fiber = NULL;
    co->fake = NULL;
}

int coroutine_begin(struct coroutine *co, void (*body)(void *arg), void *arg)
{
    assert(co->state == IDLE);
    getcontext(&co->own);
    co->own.uc_stack.ss_sp = co->stack;
    co->own.uc_stack.ss_size = STACK;
    co->own.uc_link = NULL;
    co->body = body;
    co->arg = arg;
    makecontext(&co->own, (void (*)(void))run, 2, (unsigned)((uintptr_t)co >> 32), (unsigned)(uintptr_t)co);
#ifdef FIBER_TSAN
    co->fiber = __tsan_create_fiber(0);
#endif
    enter(co);
    if (co->state == IDLE)
        end_fiber(co);
    return co->state == IDLE;
}

int coroutine_resume(struct coroutine *co)
{
    assert(co->state == PAUSED);
    enter(co);
    if (co->state == IDLE)
        end_fiber(co);
    return co->state == IDLE;
}

void coroutine_pause(struct coroutine *co)
{
    leave(co, PAUSED);
    entered(co);
}

void coroutine_abandon(struct coroutine *co)
{
    if (co->state != PAUSED)
        return;
    co->state = IDLE;
    end_fiber(co);
#ifdef FIBER_ASAN
    ASAN_UNPOISON_MEMORY_REGION(co->stack, STACK);
#endif
}

void coroutine_release(struct coroutine *co)
{
    assert(co->state == IDLE);
    madvise(co->stack, STACK, MADV_DONTNEED);
}
