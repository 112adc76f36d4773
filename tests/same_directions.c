/* links: format base */
/* Two control vectors of the same layers: how far their directions are from each other, for tests/cli/make.sh.
 *
 *     same_directions A.gguf B.gguf COSINE [NORM]     1 - cosine at most COSINE in each layer, sign included; norms within NORM of B's */
#include "base/error.h"
#include "format/vector.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct vector *open_it(const char *path)
{
    struct error err = {0};
    struct vector *v;
    if (vector_open(&v, AT_FDCWD, path, UINT64_MAX, &err) == 0)
        return v;
    printf("%s\n", err.text);
    exit(1);
}

static double product(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct vector *a = open_it(argv[1]), *b = open_it(argv[2]);
    double most = atof(argv[3]), most_norm = argc > 4 ? atof(argv[4]) : INFINITY;
    int bad = a->first != b->first || a->last != b->last || a->n_held != b->n_held || a->n_embd != b->n_embd;
    for (int l = a->first; !bad && l <= a->last; l++) {
        const float *x = a->direction[l].v, *y = b->direction[l].v;
        double xx = product(x, x, a->n_embd), yy = product(y, y, a->n_embd);
        double far = 1 - product(x, y, a->n_embd) / sqrt(xx * yy), longer = fabs(sqrt(xx / yy) - 1);
        printf("layer %d: 1 - cosine %.3g, norm %.3g\n", l, far, longer);
        bad |= !(far <= most) || !(longer <= most_norm);
    }
    vector_close(a);
    vector_close(b);
    return bad;
}
