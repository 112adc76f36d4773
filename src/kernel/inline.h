/* Functions and loops that disappear: a kernel is one function of constants, and its loops over registers have no counter. */
#ifndef KERNEL_INLINE_H
#define KERNEL_INLINE_H

#define INL static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
