/* The one place that knows which hash we use: see hash.h. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash64(const void *data, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(data, n, seed); }

struct hash_stream *hash_begin(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (s)
        XXH3_64bits_reset(s);
    return (struct hash_stream *)s;
}

void hash_add(struct hash_stream *s, const void *data, size_t n) { XXH3_64bits_update((XXH3_state_t *)s, data, n); }

uint64_t hash_end(struct hash_stream *s)
{
    uint64_t value = s ? XXH3_64bits_digest((XXH3_state_t *)s) : 0;
    XXH3_freeState((XXH3_state_t *)s);
    return value;
}
