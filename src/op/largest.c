/* A heap in two arrays, whose first is the one that leaves next: see largest.h. */
#include "op/largest.h"

/* Does the number at i leave before the one at j? */
static int is_below(const struct largest *l, int i, int j)
{
    float a = l->value[i], b = l->value[j];
    if (a < b || (a != a && b == b))
        return 1;
    return (a == b || (a != a && b != b)) && l->id[i] > l->id[j];
}

static void swap(struct largest *l, int i, int j)
{
    float value = l->value[i];
    int32_t id = l->id[i];
    l->value[i] = l->value[j];
    l->id[i] = l->id[j];
    l->value[j] = value;
    l->id[j] = id;
}

static void rise(struct largest *l, int i)
{
    for (int parent; i > 0 && is_below(l, i, parent = (i - 1) / 2); i = parent)
        swap(l, i, parent);
}

static void sink(struct largest *l, int n)
{
    for (int i = 0;;) {
        int low = i, left = 2 * i + 1;
        for (int c = left; c < n && c <= left + 1; c++)
            if (is_below(l, c, low))
                low = c;
        if (low == i)
            return;
        swap(l, i, low);
        i = low;
    }
}

void largest_offer(struct largest *l, float value, int32_t id)
{
    if (l->held == l->most) {
        float least = l->value[0];
        if (!(value > least || (least != least && value == value)))
            return;
        l->value[0] = value;
        l->id[0] = id;
        sink(l, l->held);
        return;
    }
    l->value[l->held] = value;
    l->id[l->held] = id;
    rise(l, l->held++);
}

void largest_sort(struct largest *l)
{
    for (int n = l->held; n > 1; n--) {
        swap(l, 0, n - 1);
        sink(l, n - 1);
    }
    for (int i = l->held; i < l->most; i++) {
        l->value[i] = 0;
        l->id[i] = -1;
    }
}
