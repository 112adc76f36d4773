/* Steering: a direction added to rows, or taken out of them, in place. Rows x [n_rows][n], directions [n]; formulas: kernels.md E. */
#ifndef OP_STEER_H
#define OP_STEER_H

#include "op/op.h"

/* Rows that a projection acts on: by the sign of their product with the direction. */
enum steer_side { STEER_BOTH, STEER_POSITIVE, STEER_NEGATIVE, STEER_SIDES };

/* x = fmaf(s, v, x) */
void op_steer_add(struct op *op, float *x, float s, const float *v, int n_rows, int n);
/* c = dot16(x, r), t = -(a c), a rounded product; x = fmaf(t, r, x) where c is on that side. r is a unit vector. */
void op_steer_project(struct op *op, float *x, float a, const float *r, enum steer_side side, int n_rows, int n);

#endif
