/* Functions and loops that disappear: a kernel is one function of constants, and its loops over registers have no counter; prefetching. */
#ifndef KERNEL_INLINE_H
#define KERNEL_INLINE_H

#define INL static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Fetches the line at p, which need not exist, into L2: L1 can wait for few lines at once (24 on AMD family 25). */
INL void prefetch_l2(const void *p) { __builtin_prefetch(p, 0, 2); }

#endif
