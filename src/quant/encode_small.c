/* Round to nearest for blocks of one scale (quantize.md 4.2; the blocks: format/decode_small.c). Codes are found with the scale as it is
 * stored; a scale that rounds to zero makes a block of zeros. */
#include "quant/encoders.h"

#include "base/half.h"

#include <math.h>

enum { SMALL = 32 };

static void put_f16(uint8_t *out, uint16_t h) { memcpy(out, &h, 2); }

/* rintf() is half to even in every tier. */
static int round_to(float v, int low, int high)
{
    float r = rintf(v);
    return r < (float)low ? low : r > (float)high ? high : (int)r;
}

void encode_q8_0(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SMALL, x += SMALL, out += 34) {
        float most = 0;
        for (int i = 0; i < SMALL; i++)
            most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        uint16_t h = f16_from_f32(most / 127.0f);
        float d = f16_to_f32(h);
        put_f16(out, h);
        for (int i = 0; i < SMALL; i++)
            out[2 + i] = (uint8_t)(int8_t)(d > 0 ? round_to(x[i] / d, -127, 127) : 0);
    }
}
