/* Numbers of directions that more than one part of stoker steer needs. See steer.h. */
#include "cli/steer/steer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double steer_norm(const float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

double steer_scale(double scale)
{
    char text[32];
    snprintf(text, sizeof text, "%.*g", scale < 100 ? 2 : 3, scale);
    return strtod(text, NULL);
}
