/* Lists of names. Clients choose the names, so whoever knows the hash can have all of them in one slot: what is probed is counted. */
#include "text/schema/inner.h"

#include "base/hash.h"

#include <string.h>

enum { SEED = 1 }; /* not that of the keys of nodes */

static uint32_t *slot_of(struct schema *s, const struct name_list *l, const char *text, size_t n)
{
    uint32_t at = (uint32_t)hash64(text, n, SEED) & (l->n_slot - 1);
    uint64_t steps = 8 + n / 16;
    for (; l->slot[at]; at = (at + 1) & (l->n_slot - 1), steps += 2) {
        const struct name *known = &l->name[l->slot[at] - 1];
        if (known->n == n && memcmp(known->text, text, n) == 0)
            break;
    }
    schema_work(s, steps);
    return &l->slot[at];
}

static int grow(struct schema *s, struct name_list *l)
{
    uint32_t n_slot = l->n_slot ? l->n_slot * 2 : 64;
    uint32_t *slot = compile_zeroed(s->compile, n_slot, sizeof *slot);
    struct name *name = slot ? compile_grow(s->compile, l->name, n_slot / 2, sizeof *name) : NULL;
    if (!name) {
        compile_free(s->compile, slot);
        return -1;
    }
    compile_free(s->compile, l->slot);
    l->name = name;
    l->slot = slot;
    l->n_slot = n_slot;
    for (uint32_t i = 0; i < l->n && !schema_failed(s); i++)
        *slot_of(s, l, name[i].text, name[i].n) = i + 1;
    return 0;
}

int64_t schema_name(struct schema *s, struct name_list *l, const char *text, size_t n)
{
    if (l->n * 2 >= l->n_slot && grow(s, l))
        return schema_ended(s), -1;
    uint32_t *slot = slot_of(s, l, text, n);
    if (s->compile->end)
        return schema_ended(s), -1;
    if (!*slot) {
        l->name[l->n] = (struct name){text, n};
        *slot = ++l->n;
    }
    return *slot - 1;
}
