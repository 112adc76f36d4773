/* exp, ln, sin and cos in f64 with every operation defined: tables and sampling must not depend on a libm. Plain products and
 * sums (compiled without contraction), round to nearest even: within about 1 ulp on the ranges used. */
#ifndef BASE_F64_H
#define BASE_F64_H

/* Outside these ranges the results mean nothing. */
double f64_exp(double x);                     /* x < 700; below -700: 0 */
double f64_ln(double x);                      /* normal positive x */
double f64_pow(double base, double exponent); /* exp(exponent ln base), base > 0; |exponent ln base| as for f64_exp() */
void f64_sincos(double x, double *s, double *c); /* sine and cosine of x radians, |x| < 2^23 */

#endif
