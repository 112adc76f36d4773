/* Elementary functions in f64: see f64.h. */
#include "base/f64.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HI 0x1.62e42fee00000p-1
#define LN2_LO 0x1.a39ef35793c76p-33

double f64_exp(double x)
{
    if (x < -700)
        return 0;
    double n = nearbyint(x * 0x1.71547652b82fep+0);
    double r = (x - n * LN2_HI) - n * LN2_LO;
    double term = 1, sum = 0;
    for (int i = 1; i < 16; i++) {
        term = term * r / i;
        sum += term;
    }
    uint64_t bits = (uint64_t)((int64_t)n + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, 8);
    return (sum + 1) * scale;
}

/* ln(x) = e ln2 + 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)) */
double f64_ln(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull;
    double m;
    memcpy(&m, &bits, 8);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1) / (m + 1), z = s * s, power = s, tail = 0;
    for (int i = 3; i < 45; i += 2) {
        power *= z;
        tail += power / i;
    }
    return e * LN2_HI + (2 * s + (2 * tail + e * LN2_LO));
}

double f64_pow(double base, double exponent) { return f64_exp(exponent * f64_ln(base)); }

void f64_sincos(double x, double *s, double *c)
{
    double n = nearbyint(x * 0x1.45f306dc9c883p-1); /* 2/pi */
    double r = ((x - n * 0x1.921fb54p+0) - n * 0x1.10b46118p-30) - n * 0x1.313198a2e0370p-61;
    double z = r * r, a = r, b = 1, ps = r, pc = 1;
    for (int i = 1; i < 10; i++) { /* Taylor, |r| <= pi/4 */
        b = -b * z / ((2 * i - 1) * (2 * i));
        pc += b;
        a = -a * z / ((2 * i) * (2 * i + 1));
        ps += a;
    }
    switch ((int64_t)n & 3) {
    case 0:
        *s = ps;
        *c = pc;
        break;
    case 1:
        *s = pc;
        *c = -ps;
        break;
    case 2:
        *s = -ps;
        *c = -pc;
        break;
    default:
        *s = -pc;
        *c = ps;
        break;
    }
}
