/* What the parts of the kernel tests share: random numbers, memory between guard pages, comparison of bits where NaN equals NaN, one hash
 * over all outputs of each tier, and the tally. */
#ifndef KERNELS_COMMON_H
#define KERNELS_COMMON_H

#include "base/half.h"
#include "base/hash.h"
#include "base/page.h"
#include "kernel/kernel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    int passed, failed, skipped;
} tally;

static uint64_t tier_hash[TIER_COUNT];

/* ---- random numbers: the same sequence everywhere ---- */
static uint64_t rng_state = 88172645463325252u;

static uint32_t rnd(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (uint32_t)(rng_state >> 32);
}

static int rnd_below(int n) { return (int)(rnd() % (uint32_t)n); }

static float rnd_unit(void) { return (float)(int32_t)rnd() * 0x1p-31f; } /* -1 .. 1 */

static float not_finite(void)
{
    static const float v[] = {INFINITY, -INFINITY, NAN};
    return v[rnd_below(3)];
}

/* ---- memory between two pages without access: what a case places in it begins behind the one, or ends before the other ---- */
struct guarded {
    char *base;
    size_t size;
};

static unsigned n_cases;

/* Which of the two of the following placements: alike in no two of three cases in a row, so that no loop over cases meets one alone. */
static void next_case(void) { n_cases++; }

static int at_front(void) { return __builtin_parity(n_cases); }

static struct guarded guarded_new(size_t size)
{
    const size_t page = page_bytes();
    size = (size + page - 1) / page * page;
    char *p = mmap(NULL, page + size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, size, PROT_READ | PROT_WRITE) != 0) {
        perror("kernels: no memory for the test");
        exit(1);
    }
    return (struct guarded){p + page, size};
}

static void *place(struct guarded g, size_t bytes)
{
    if (bytes > g.size) {
        fprintf(stderr, "kernels: a test case is bigger than its memory\n");
        exit(1);
    }
    return at_front() ? g.base : g.base + g.size - bytes;
}

/* What files may have anywhere: in two cases of three right at a page without access, else at an odd address. */
static void *place_anywhere(struct guarded g, size_t bytes)
{
    return n_cases % 3 ? place(g, bytes) : (char *)place(g, bytes + 1) + (at_front() || bytes % 2);
}

static void *place_copy(struct guarded g, const void *from, size_t bytes)
{
    return memcpy(place(g, bytes), from, bytes);
}

/* ---- comparing ---- */

static int same_float(float a, float b) { return f32_bits(a) == f32_bits(b) || (a != a && b != b); }

/* Index of the first difference, or -1. */
static long first_difference(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!same_float(a[i], b[i]))
            return (long)i;
    return -1;
}

static void hash_floats(int tier, const float *v, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t u[512];
        size_t c = n - at < 512 ? n - at : 512;
        for (size_t i = 0; i < c; i++)
            u[i] = v[at + i] != v[at + i] ? 0x7fc00000 : f32_bits(v[at + i]);
        tier_hash[tier] = hash64(u, c * sizeof u[0], tier_hash[tier]);
        at += c;
    }
}

static void hash_bytes(int tier, const void *p, size_t n) { tier_hash[tier] = hash64(p, n, tier_hash[tier]); }

__attribute__((format(printf, 2, 3))) static void check(int ok, const char *what, ...)
{
    if (ok) {
        tally.passed++;
        return;
    }
    if (tally.failed++ < 40) {
        va_list a;
        va_start(a, what);
        printf("FAILED: ");
        vprintf(what, a);
        printf("\n");
        va_end(a);
    }
}

#endif
