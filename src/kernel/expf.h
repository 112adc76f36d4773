/* exp of one value, by its definition: a polynomial of degree 6 after reduction by ln 2 in two parts; neither overflow nor subnormal
 * results, 0.86 ulp. No libm function but fmaf and nearbyintf, which every libm rounds correctly. */
#ifndef KERNEL_EXPF_H
#define KERNEL_EXPF_H

#include "base/half.h"
#include "kernel/inline.h"

#include <math.h>

INL float expf_defined(float x)
{
    if (!(x >= -87.0f))
        return x != x ? x : 0.0f;
    if (x > 88.0f)
        x = 88.0f;
    float n = nearbyintf(x * 0x1.715476p+0f);
    float r = fmaf(n, -0x1.62e4p-1f, x); /* 15 bits of ln 2: n times them is exact */
    r = fmaf(n, -0x1.7f7d1cp-20f, r);
    float p = 0x1.6a23d0p-10f;
    p = fmaf(p, r, 0x1.123a20p-7f);
    p = fmaf(p, r, 0x1.5558f2p-5f);
    p = fmaf(p, r, 0x1.555492p-3f);
    p = fmaf(p, r, 0x1.fffffcp-2f);
    p = fmaf(p, r, 1);
    p = fmaf(p, r, 1);
    return f32_from_bits(f32_bits(p) + ((uint32_t)(int32_t)n << 23));
}

#endif
