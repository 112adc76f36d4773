/* Where the planes of quantised activations lie, and which family a weight type belongs to: see kernel.h. Contents are the
 * business of `quantise`. */
#include "kernel/unpack.h"

enum { PLANE_ALIGN = 64 };

struct plane_bytes {
    size_t code, scale, sum16, sum32; /* each a multiple of the alignment */
};

static size_t aligned(size_t n) { return (n + PLANE_ALIGN - 1) / PLANE_ALIGN * PLANE_ALIGN; }

static int steps_of(int n_cols) { return (n_cols + STEP - 1) / STEP; }

static size_t scales_of(enum act_family family) { return family == ACT_X256 ? 1 : 8; }

static struct plane_bytes plane_bytes(enum act_family family, int n_rows, int n_cols)
{
    size_t n = (size_t)steps_of(n_cols) * (size_t)n_rows;
    if (family == ACT_F32)
        return (struct plane_bytes){0};
    return (struct plane_bytes){
        .code = n * STEP,
        .scale = aligned(n * scales_of(family) * sizeof(float)),
        .sum16 = aligned(n * 16 * sizeof(int16_t)),
        .sum32 = aligned(n * 8 * sizeof(int16_t)),
    };
}

size_t xq_bytes(enum act_family family, int n_rows, int n_cols)
{
    struct plane_bytes b = plane_bytes(family, n_rows, n_cols);
    return b.code + b.scale + b.sum16 + b.sum32;
}

struct xq xq_place(enum act_family family, int n_rows, int n_cols, void *mem)
{
    struct plane_bytes b = plane_bytes(family, n_rows, n_cols);
    char *p = mem;
    return (struct xq){
        .family = family,
        .n_rows = n_rows,
        .n_cols = n_cols,
        .n_steps = steps_of(n_cols),
        .plane = n_rows,
        .code = (int8_t *)p,
        .scale = (float *)(p + b.code),
        .sum16 = (int16_t *)(p + b.code + b.scale),
        .sum32 = (int16_t *)(p + b.code + b.scale + b.sum16),
    };
}

struct xq xq_rows(const struct xq *x, int first, int n)
{
    struct xq v = *x;
    size_t r = (size_t)first;
    v.n_rows = n;
    v.code += r * STEP;
    v.scale += r * scales_of(x->family);
    v.sum16 += r * 16;
    v.sum32 += r * 8;
    return v;
}

enum act_family kernel_family(enum block_type t) { return (unsigned)t < TYPE_COUNT ? unpackings[t].family : ACT_F32; }
